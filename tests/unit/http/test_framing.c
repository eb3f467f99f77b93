/* The framing law, case by case: what must be refused and what must pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "http/framing.h"
#include "http/url.h"

static void refuses_malformed_heads(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE_LIT("GET / HTTP/1.1\nHost: a\r\n\r\n"),               /* bare LF */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\n\r\n"),               /* bare LF in a field */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),          /* bare CR */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),          /* NUL */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),  /* obs-fold, space */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n"), /* obs-fold, tab */
        SLICE_LIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),            /* space before the colon */
        SLICE_LIT("GET / HTTP/1.1\r\nHost\r\n\r\n"),                /* no colon */
        SLICE_LIT("GET / HTTP/1.1\r\n: a\r\n\r\n"),                 /* no name */
        SLICE_LIT("GET / HTTP/1.1\r\nA\x01: a\r\n\r\n"),            /* control in a name */
        SLICE_LIT("GET / HTTP/1.1\r\nA: a\x7f\r\n\r\n"),            /* DEL in a value */
        SLICE_LIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),            /* two spaces */
        SLICE_LIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),            /* trailing space */
        SLICE_LIT("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"),           /* tab in the target */
        SLICE_LIT("GET /\r\nHost: a\r\n\r\n"),                      /* HTTP/0.9 */
        SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n"),                 /* no end */
        SLICE_LIT("\r\n"),                                          /* nothing */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (!framing_check_raw(bad[i]))
            fail_msg("passed: %.*s", SLICE_ARG(bad[i]));
    }
}

static void accepts_good_heads(void **state)
{
    (void)state;
    assert_null(framing_check_raw(SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
    assert_null(framing_check_raw(SLICE_LIT("GET / HTTP/1.0\r\n\r\n")));
    assert_null(framing_check_raw(
        SLICE_LIT("POST /x?a=b HTTP/1.1\r\nHost: a:80\r\nX-Y:\t v \r\nE:\r\n\r\n")));
    assert_null(framing_check_raw(SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n")));
}

struct fields_case {
    struct framing_header headers[4];
    uint32_t count;
    unsigned minor;
    int status;
};
#define H(n, v)                    \
    {                              \
        SLICE_LIT(n), SLICE_LIT(v) \
    }

static void judges_fields(void **state)
{
    (void)state;
    static const struct fields_case cases[] = {
        {{H("Host", "a")}, 1, 1, 0},
        {{H("X", "a")}, 1, 1, 400},
        {{H("X", "a")}, 1, 0, 0},
        {{H("Host", "a"), H("hOST", "a")}, 2, 1, 400},
        {{H("Host", "a b")}, 1, 1, 400},
        {{H("Host", "a/b")}, 1, 1, 400},
        {{H("Host", "user@a")}, 1, 1, 400},
        {{H("Host", "[::1]:80")}, 1, 1, 0},
        {{H("Host", "a"), H("Content-Length", "5")}, 2, 1, 0},
        {{H("Host", "a"), H("Content-Length", "5"), H("Content-Length", "5")}, 3, 1, 400},
        {{H("Host", "a"), H("Content-Length", "5, 5")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "+5")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "-5")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "0x5")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "5 ")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "9223372036854775808")}, 2, 1, 400},
        {{H("Host", "a"), H("Content-Length", "18446744073709551617")}, 2, 1, 400},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked")}, 2, 1, 0},
        {{H("Host", "a"), H("Transfer-Encoding", "CHUNKED")}, 2, 1, 0},
        {{H("Host", "a"), H("Transfer-Encoding", "gzip, chunked")}, 2, 1, 501},
        {{H("Host", "a"), H("Transfer-Encoding", "xchunked")}, 2, 1, 501},
        {{H("Host", "a"), H("Transfer-Encoding", "identity")}, 2, 1, 501},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked"), H("Transfer-Encoding", "chunked")},
         3,
         1,
         400},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked"), H("Content-Length", "5")}, 3, 1, 400},
        {{H("Host", "a"), H("Content-Length", "5"), H("Transfer-Encoding", "chunked")}, 3, 1, 400},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked")}, 2, 0, 400},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct framing_body body;
        struct framing_verdict v =
            framing_check_fields(cases[i].headers, cases[i].count, cases[i].minor, &body);
        if (v.status != cases[i].status)
            fail_msg("case %zu: %d instead of %d", i, v.status, cases[i].status);
        assert_true(v.status == 0 || v.detail);
    }
}

static void reads_the_length(void **state)
{
    (void)state;
    const struct framing_header headers[] = {H("Host", "a"),
                                             H("content-length", "9223372036854775807")};
    struct framing_body body;
    assert_int_equal(framing_check_fields(headers, 2, 1, &body).status, 0);
    assert_true(body.has_length && !body.is_chunked);
    assert_true(body.length == (uint64_t)INT64_MAX);
}

static void formats_dates(void **state)
{
    (void)state;
    char text[HTTP_DATE_BYTES];
    http_date(784111777, text); /* RFC 9110 5.6.7's own example */
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date(951782400, text);
    assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 GMT");
}

static bool decodes_to(const char *text, bool is_form, struct slice expected)
{
    struct arena a;
    struct slice got;
    arena_init(&a, 1024, 4096);
    bool is_equal = url_decode(&a, slice_str(text), is_form, &got) && slice_eq(got, expected);
    arena_done(&a);
    return is_equal;
}

static bool is_refused(const char *text)
{
    struct arena a;
    struct slice got;
    arena_init(&a, 1024, 4096);
    bool is_ok = url_decode(&a, slice_str(text), true, &got);
    arena_done(&a);
    return !is_ok;
}

static void decodes_percent(void **state)
{
    (void)state;
    assert_true(decodes_to("abc", false, SLICE_LIT("abc")));
    assert_true(decodes_to("", true, SLICE_EMPTY));
    assert_true(decodes_to("a%20b+c", true, SLICE_LIT("a b c")));
    assert_true(decodes_to("a%20b+c", false, SLICE_LIT("a b+c")));
    assert_true(decodes_to("%41", false, SLICE_LIT("A")));
    assert_true(decodes_to("x%c3%A9", false, SLICE_LIT("x\xc3\xa9")));
    assert_true(is_refused("%"));
    assert_true(is_refused("%4"));
    assert_true(is_refused("%4g"));
    assert_true(is_refused("a%00b"));
}

static void finds_query_parameters(void **state)
{
    (void)state;
    struct slice raw;
    assert_true(url_query_find(SLICE_LIT("a=1&b=2&a=3"), SLICE_LIT("a"), &raw));
    assert_true(slice_eq_str(raw, "1"));
    assert_true(url_query_find(SLICE_LIT("a=1&b"), SLICE_LIT("b"), &raw));
    assert_int_equal(raw.len, 0);
    assert_false(url_query_find(SLICE_LIT("ab=1"), SLICE_LIT("a"), &raw));
    assert_false(url_query_find(SLICE_EMPTY, SLICE_LIT("a"), &raw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_heads), cmocka_unit_test(accepts_good_heads),
        cmocka_unit_test(judges_fields),           cmocka_unit_test(reads_the_length),
        cmocka_unit_test(formats_dates),           cmocka_unit_test(decodes_percent),
        cmocka_unit_test(finds_query_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
