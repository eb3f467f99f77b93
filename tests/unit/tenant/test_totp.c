/* One-time passwords against the vectors of their RFCs; recovery codes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/attr.h"
#include "tenant/totp.h"

static const struct totp_secret rfc_secret = {"12345678901234567890"};

static void hotp_of_rfc_4226(void **state)
{
    (void)state;
    static const uint32_t want[] = {755224, 287082, 359152, 969429, 338314,
                                    254676, 287922, 162583, 399871, 520489}; /* appendix D */
    for (uint64_t i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(totp_code(&rfc_secret, i), want[i]);
}

static void totp_of_rfc_6238(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *code;
    } cases[] = {/* appendix B, SHA-1, the last six of the eight digits */
                 {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                 {1234567890, "005924"}, {2000000000, "279037"}, {INT64_C(20000000000), "353130"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t step = 0;
        assert_true(totp_is_valid(&rfc_secret, slice_str(cases[i].code),
                                  (unix_ms){cases[i].unix_s * 1000 + 999}, 0, &step));
        assert_int_equal(step, cases[i].unix_s / 30);
    }
}

static bool is_valid(uint64_t of_step, int64_t at_step, int64_t last_step)
{
    char code[7];
    int64_t step = -1;
    snprintf(code, sizeof(code), "%06u", (unsigned)totp_code(&rfc_secret, of_step) % 1000000u);
    bool is_right = totp_is_valid(&rfc_secret, slice_of(code, 6), (unix_ms){at_step * TOTP_STEP_MS},
                                  last_step, &step);
    assert_int_equal(step, is_right ? (int64_t)of_step : -1);
    return is_right;
}

static void one_step_early_or_late_is_accepted(void **state)
{
    (void)state;
    assert_false(is_valid(998, 1000, 0));
    assert_true(is_valid(999, 1000, 0));
    assert_true(is_valid(1000, 1000, 0));
    assert_true(is_valid(1001, 1000, 0));
    assert_false(is_valid(1002, 1000, 0));
}

static void a_step_is_accepted_once_and_none_before_it(void **state)
{
    (void)state;
    assert_false(is_valid(1000, 1000, 1000));
    assert_false(is_valid(999, 1000, 1000));
    assert_true(is_valid(1001, 1000, 1000));
    assert_true(is_valid(1000, 1000, 999));
}

static void only_six_digits_are_a_code(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "28708",  "0287082", "287082 ", " 287082",
                                      "+87082", "28708a", "-28708",  "94287082"};
    int64_t step;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(totp_is_valid(&rfc_secret, slice_str(bad[i]), (unix_ms){59000}, 0, &step));
}

static void the_uri_is_what_apps_read(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    totp_uri(&b, SLICE_LIT("weir & co"), SLICE_LIT("ada+x@example.org"), &rfc_secret);
    assert_string_equal(buf_cstr(&b),
                        "otpauth://totp/weir%20%26%20co:ada%2Bx%40example.org"
                        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=weir%20%26%20co"
                        "&algorithm=SHA1&digits=6&period=30");
    buf_done(&b);
}

static void secrets_are_random(void **state)
{
    (void)state;
    struct totp_secret a = totp_secret_make(), b = totp_secret_make();
    assert_memory_not_equal(a.bytes, b.bytes, sizeof(a.bytes));
}

static void recovery_codes_differ_and_are_read_as_people_type_them(void **state)
{
    (void)state;
    struct uuid ada = uuid_v7((unix_ms){1}), eve = uuid_v7((unix_ms){1});
    struct recovery_codes codes;
    uint8_t hash[RECOVERY_CODES][RECOVERY_HASH_BYTES], other[RECOVERY_HASH_BYTES];
    recovery_codes_make(&codes);
    for (int i = 0; i < RECOVERY_CODES; i++) {
        assert_int_equal(strlen(codes.text[i]), RECOVERY_CODE_TEXT);
        assert_true(recovery_code_hash(&ada, slice_str(codes.text[i]), hash[i]));
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(hash[i], hash[k], sizeof(hash[i]));
    }
    char typed[64];
    size_t n = 0;
    for (const char *c = codes.text[0]; *c; c++) {
        if (*c != '-')
            typed[n++] = (char)(*c >= 'A' ? *c | 0x20 : *c);
        typed[n++] = ' ';
    }
    assert_true(recovery_code_hash(&ada, slice_of(typed, n), other));
    assert_memory_equal(other, hash[0], sizeof(other));
    assert_true(recovery_code_hash(&eve, slice_str(codes.text[0]), other));
    assert_memory_not_equal(other, hash[0], sizeof(other)); /* another user's is another */
    static const char *const bad[] = {"", "ABCD-EFGH-IJKL-MNO", "ABCD-EFGH-IJKL-MNOPQ",
                                      "ABCD-EFGH-IJKL-MNO1", "ABCD_EFGH_IJKL_MNOP"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(recovery_code_hash(&ada, slice_str(bad[i]), other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hotp_of_rfc_4226),
        cmocka_unit_test(totp_of_rfc_6238),
        cmocka_unit_test(one_step_early_or_late_is_accepted),
        cmocka_unit_test(a_step_is_accepted_once_and_none_before_it),
        cmocka_unit_test(only_six_digits_are_a_code),
        cmocka_unit_test(the_uri_is_what_apps_read),
        cmocka_unit_test(secrets_are_random),
        cmocka_unit_test(recovery_codes_differ_and_are_read_as_people_type_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
