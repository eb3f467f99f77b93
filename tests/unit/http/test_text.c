/* Answer heads, dates, percent-encoding and query strings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "http/accept.h"
#include "http/answer.h"
#include "http/url.h"

static void formats_dates(void **state)
{
    (void)state;
    char text[HTTP_DATE_BYTES];
    http_date(784111777, text); /* RFC 9110 5.6.7's own example */
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date(951782400, text);
    assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 GMT");
    http_date(-5, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void assert_head(const struct http_answer *a, const char *expected)
{
    struct buf out;
    buf_init(&out, 4096);
    http_answer_head(&out, a);
    assert_string_equal(buf_cstr(&out), expected);
    buf_done(&out);
}

static void writes_answer_heads(void **state)
{
    (void)state;
    const struct framing_header headers[] = {
        {SLICE_LIT("A"), SLICE_LIT("b")},
        {SLICE_LIT("Evil"), SLICE_LIT("x\r\nSet-Cookie: y")},
        {SLICE_LIT("Evil2"), SLICE_LIT("x\0y")},
    };
    struct http_answer a = {.status = 200,
                            .date = SLICE_LIT("D"),
                            .content_type = SLICE_LIT("text/plain"),
                            .headers = headers,
                            .header_count = 3,
                            .request_id = SLICE_LIT("id"),
                            .traceparent = SLICE_LIT("00-ab"),
                            .length = 12};
    assert_head(
        &a,
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain\r\nA: b\r\nEvil: "
        "x\r\nEvil2: x\r\nX-Request-Id: id\r\ntraceparent: 00-ab\r\nContent-Length: 12\r\n\r\n");
    a = (struct http_answer){.status = 204, .date = SLICE_LIT("D")};
    assert_head(&a, "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n");
    a = (struct http_answer){.status = 299,
                             .date = SLICE_LIT("D"),
                             .length_kind = HTTP_LENGTH_CHUNKED,
                             .connection = HTTP_CONNECTION_CLOSE};
    assert_head(&a, "HTTP/1.1 299 \r\nDate: D\r\nTransfer-Encoding: chunked\r\nConnection: "
                    "close\r\n\r\n");
    a = (struct http_answer){.status = 200,
                             .date = SLICE_LIT("D"),
                             .length_kind = HTTP_LENGTH_TO_END,
                             .connection = HTTP_CONNECTION_KEEP};
    assert_head(&a, "HTTP/1.1 200 OK\r\nDate: D\r\nConnection: keep-alive\r\n\r\n");
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

static void tells_what_a_client_takes(void **state)
{
    (void)state;
    static const char *const with_gzip[] = {"gzip", "br, GZIP;q=0.5", "*", "gzip;x=1;q=1"},
                             *const without[] = {"", "br", "gzip;q=0", "identity, gzip; q=0.000",
                                                 "gzipped"};
    for (size_t i = 0; i < COUNT_OF(with_gzip); i++)
        assert_true(accept_takes_coding(slice_str(with_gzip[i]), "gzip"));
    for (size_t i = 0; i < COUNT_OF(without); i++)
        assert_false(accept_takes_coding(slice_str(without[i]), "gzip"));
    assert_true(accept_names(SLICE_LIT("text/html, Text/CSV;header=present"), "text/csv"));
    assert_false(accept_names(SLICE_LIT("text/csv;q=0, */*"), "text/csv"));
    assert_false(accept_names(SLICE_LIT("*/*"), "text/csv"));
    assert_false(accept_names(SLICE_EMPTY, "text/csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_dates),
        cmocka_unit_test(writes_answer_heads),
        cmocka_unit_test(decodes_percent),
        cmocka_unit_test(finds_query_parameters),
        cmocka_unit_test(tells_what_a_client_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
