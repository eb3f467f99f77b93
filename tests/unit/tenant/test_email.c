/* Which e-mail addresses are accounts' names, and how they are spelt. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "tenant/email.h"

static void an_address_has_one_spelling(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"ada@example.org", "ada@example.org"},
        {"Ada.Lovelace+Weir@EXAMPLE.Org", "ada.lovelace+weir@example.org"},
        {"root@localhost", "root@localhost"},
        {"o'neil_%1@xn--bcher-kva.example", "o'neil_%1@xn--bcher-kva.example"},
        {"a@1.2-3.b", "a@1.2-3.b"},
    };
    char email[EMAIL_BYTES_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        assert_int_equal(email_normalise(slice_str(pairs[i][0]), email, NULL), RC_OK);
        assert_string_equal(email, pairs[i][1]);
    }
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE_CONST(""),
        SLICE_CONST("@"),
        SLICE_CONST("ada"),
        SLICE_CONST("@example.org"),
        SLICE_CONST("ada@"),
        SLICE_CONST("ada@b@example.org"),
        SLICE_CONST("ada@example.org."),
        SLICE_CONST("ada@.example.org"),
        SLICE_CONST("ada@example..org"),
        SLICE_CONST("ada@-example.org"),
        SLICE_CONST("ada@example-.org"),
        SLICE_CONST("ada@exa_mple.org"),
        SLICE_CONST("ada@[192.0.2.1]"),
        SLICE_CONST("\"ada\"@example.org"),
        SLICE_CONST("ada lovelace@example.org"),
        SLICE_CONST(" ada@example.org"),
        SLICE_CONST("ada@example.org "),
        SLICE_CONST("ada@example.org\r\nBcc: eve@example.org"),
        SLICE_CONST("ada\t@example.org"),
        SLICE_CONST("ada\0@example.org"),
        SLICE_CONST("ada@example.org\0"),
        SLICE_CONST("Ada <ada@example.org>"),
        SLICE_CONST("ada,eve@example.org"),
        SLICE_CONST("\xc4\xb1@example.org"), /* dotless i: folds to "i" elsewhere */
        SLICE_CONST("ada@b\xc3\xbc"
                    "cher.example"),
    };
    char email[EMAIL_BYTES_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(email_normalise(bad[i], email, &err), RC_INVALID);
        assert_null(strstr(err.text, "eve"));
    }
}

static void the_limits_are_exact(void **state)
{
    (void)state;
    char text[400], email[EMAIL_BYTES_MAX + 1];
    memset(text, 'a', sizeof(text));
    text[EMAIL_LOCAL_BYTES_MAX] = '@';
    assert_int_equal(email_normalise(slice_of(text, EMAIL_LOCAL_BYTES_MAX + 1 + 63), email, NULL),
                     RC_OK);
    assert_int_equal(email_normalise(slice_of(text, EMAIL_LOCAL_BYTES_MAX + 1 + 64), email, NULL),
                     RC_INVALID); /* a label of 64 */
    for (size_t i = EMAIL_LOCAL_BYTES_MAX + 32; i < sizeof(text); i += 32)
        text[i] = '.';
    assert_int_equal(email_normalise(slice_of(text, EMAIL_BYTES_MAX), email, NULL), RC_OK);
    assert_int_equal(strlen(email), EMAIL_BYTES_MAX);
    assert_int_equal(email_normalise(slice_of(text, EMAIL_BYTES_MAX + 1), email, NULL), RC_INVALID);
    text[EMAIL_LOCAL_BYTES_MAX] = 'a';
    text[EMAIL_LOCAL_BYTES_MAX + 1] = '@';
    assert_int_equal(email_normalise(slice_of(text, 100), email, NULL), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_spelling),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(the_limits_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
