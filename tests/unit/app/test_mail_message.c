/* The form of messages: nothing that somebody wrote can begin a header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "app/mail.h"

#define ID "0123456789abcdef0123456789abcdef"
static char text[16384];
static struct err err;

static enum rc made(const struct mail_message *m, const char *from, bool is_crlf)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, sizeof(text) - 1);
    enum rc rc = mail_write(m, from, (unix_ms){1795680000000}, ID, is_crlf, &out, &err);
    memcpy(text, out.data ? out.data : "", out.len);
    text[out.len] = '\0';
    return rc;
}

static void a_plain_message(void **state)
{
    (void)state;
    const struct mail_message m = {"a@b.c", "Hello", "One\nTwo\n", NULL};
    assert_int_equal(made(&m, "w@x.y", true), RC_OK);
    assert_string_equal(text,
                        "From: weir <w@x.y>\r\nTo: a@b.c\r\nSubject: Hello\r\nDate: Thu, 26 Nov "
                        "2026 08:00:00 +0000\r\nMessage-ID: <" ID "@x.y>\r\nAuto-Submitted: "
                        "auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                        "charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nOne\r\nTwo\r\n");
    assert_int_equal(made(&m, "", false), RC_OK);
    assert_null(strchr(text, '\r'));
    assert_null(strstr(text, "From:"));
}

static void other_texts_are_coded(void **state)
{
    (void)state;
    const struct mail_message m = {"a@b.c", "F\u00fcr alle", "\u00e4\r\n.\r\n", "<p>\u00e4</p>"};
    assert_int_equal(made(&m, "w@x.y", true), RC_OK);
    assert_non_null(strstr(text, "\r\nSubject: =?utf-8?B?RsO8ciBhbGxl?=\r\n"));
    assert_non_null(
        strstr(text, "boundary=\"=_" ID "\"\r\n\r\n--=_" ID "\r\nContent-Type: text/plain"));
    assert_non_null(
        strstr(text, "base64\r\n\r\nw6QNCi4NCg==\r\n--=_" ID "\r\nContent-Type: text/html"));
    assert_non_null(strstr(text, "base64\r\n\r\nPHA+w6Q8L3A+\r\n--=_" ID "--\r\n"));
}

static void a_long_subject_is_words_of_whole_characters(void **state)
{
    (void)state;
    char subject[200] = "";
    for (int i = 0; i < 40; i++)
        strcat(subject, "\u00e4b");
    const struct mail_message m = {"a@b.c", subject, "x", NULL};
    assert_int_equal(made(&m, "w@x.y", true), RC_OK);
    const char *line = strstr(text, "Subject: ");
    assert_non_null(line);
    while (strncmp(line, "Date", 4) != 0) {
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line <= 76);
        assert_true(line[0] == 'S' || line[0] == ' ');
        line = end + 2;
    }
}

static void nothing_begins_a_header(void **state)
{
    (void)state;
    static const struct mail_message bad[] = {
        {"a@b.c\r\nBcc: x@y.z", "s", "t", NULL},
        {"a@b.c\n", "s", "t", NULL},
        {"a@b.c, x@y.z", "s", "t", NULL},
        {"a@b.c> RCPT TO:<x@y.z", "s", "t", NULL},
        {"a b@c.d", "s", "t", NULL},
        {"nobody", "s", "t", NULL},
        {"@b.c", "s", "t", NULL},
        {"a@", "s", "t", NULL},
        {"a@b@c", "s", "t", NULL},
        {"", "s", "t", NULL},
        {"\u00e4@b.c", "s", "t", NULL},
        {"a@b.c", "s\r\nBcc: x@y.z", "t", NULL},
        {"a@b.c", "s\n", "t", NULL},
        {"a@b.c", "s\tt", "t", NULL},
    };
    static const struct mail_message good = {"a@b.c", "s", "t", NULL};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(made(&bad[i], "w@x.y", true), RC_INVALID);
    assert_int_equal(made(&good, "w@x\r\nBcc: a@b.c", true), RC_INVALID);
    assert_int_equal(made(&good, "Weir <w@x.y>", true), RC_INVALID);
    assert_int_equal(made(&good, "w@x.y", true), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message),
        cmocka_unit_test(other_texts_are_coded),
        cmocka_unit_test(a_long_subject_is_words_of_whole_characters),
        cmocka_unit_test(nothing_begins_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
