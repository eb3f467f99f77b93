/* Requests out of bytes: heads found and judged, bodies taken apart, and never a different verdict
 * for the same bytes in other pieces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "http_feed.h"

static void assert_verdict(struct slice bytes, int status, const char *what)
{
    struct feed_result whole = feed_all(bytes, 0);
    if (whole.status != status)
        fail_msg("%s: %d instead of %d", what, whole.status, status);
    for (size_t piece = 1; piece <= 7; piece++) {
        struct feed_result pieces = feed_all(bytes, piece);
        if (!feed_equal(&whole, &pieces))
            fail_msg("%s: %d whole, %d in pieces of %zu", what, whole.status, pieces.status, piece);
    }
}

static void judges_the_same_in_any_pieces(void **state)
{
    (void)state;
#define CH "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    static const struct {
        struct slice bytes;
        int status;
    } cases[] = {
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200},
        {SLICE_LIT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200},
        {SLICE_LIT("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("\x16\x03\x01\x00\xa5"), 400},
        {SLICE_LIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("FOO / HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
        {SLICE_LIT("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 501},
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"), 417},
        {SLICE_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 200},
        {SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"), 0},
        {SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
                   "Content-Length: 3\r\n\r\nabc"),
         200},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\n\r\n"), 200},
        {SLICE_LIT(CH "3;a=b;c=\"d\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n"), 200},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\nHost: b\r\n\r\n"), 200},
        {SLICE_LIT(CH "3\r\nab"), 0},
        {SLICE_LIT(CH "3\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc0\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\n\n"), 400},
        {SLICE_LIT(CH "3 \r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "3;a\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "3;a\0b\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "0x3\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "+3\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "-3\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "2\r\nabc\r\n0\r\n\r\n"), 400},
        {SLICE_LIT(CH "fffffffffffffffff\r\nabc"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\nA: b\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {SLICE_LIT(CH "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_verdict(cases[i].bytes, cases[i].status, cases[i].bytes.data);
}

static void bounds_extensions_and_trailers(void **state)
{
    (void)state;
    char text[9000];
    for (int over = 0; over <= 1; over++) {
        snprintf(text, sizeof(text), CH "1;%0*d\r\nx\r\n0\r\n\r\n", 256 + over, 0);
        assert_verdict(slice_str(text), over ? 400 : 200, "extension");
        snprintf(text, sizeof(text), CH "1\r\nx\r\n0\r\nT: %0*d\r\n\r\n", over ? 5000 : 4000, 0);
        assert_verdict(slice_str(text), over ? 400 : 200, "trailer");
        /* What llhttp has no word for: CRLF after the data before, zeros, the size, CRLF. */
        snprintf(text, sizeof(text), CH "1\r\nx\r\n%0*d\r\ny\r\n0\r\n\r\n", 8192 - 4 + over, 1);
        assert_verdict(slice_str(text), over ? 400 : 200, "zeros before a size");
    }
}

static void bounds_heads(void **state)
{
    (void)state;
    char text[8192];
    snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", FEED_TARGET_MAX - 1, 0);
    assert_verdict(slice_str(text), 200, "target at its bound");
    snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", FEED_TARGET_MAX, 0);
    assert_verdict(slice_str(text), 414, "target past its bound");
    snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", FEED_HEAD_MAX, 0);
    assert_verdict(slice_str(text), 414, "line past the head's bound");
    int frame = (int)strlen("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
    for (int over = 0; over <= 1; over++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n",
                 FEED_HEAD_MAX - frame + over, 0);
        assert_verdict(slice_str(text), over ? 431 : 200, "head at and past its bound");
    }
    /* A line end without CR behind the bound must not change what is said before it. */
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\n\n", FEED_HEAD_MAX, 0);
    assert_verdict(slice_str(text), 431, "bare LF behind the bound");
    size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < FEED_HEADERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X: y\r\n");
    snprintf(text + len, sizeof(text) - len, "\r\n");
    assert_verdict(slice_str(text), 200, "fields at their bound");
    snprintf(text + len, sizeof(text) - len, "X: y\r\n\r\n");
    assert_verdict(slice_str(text), 431, "fields past their bound");
}

static void reads_what_the_head_says(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        enum http_verb verb;
        bool is_keep_alive, is_continue_expected, has_body;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_VERB_GET, true, false, false},
        {"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", HTTP_VERB_HEAD, false, false,
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", HTTP_VERB_GET, false, false,
         false},
        {"PUT / HTTP/1.0\r\n\r\n", HTTP_VERB_PUT, false, false, false},
        {"PATCH / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HTTP_VERB_PATCH, true, false, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
         HTTP_VERB_POST, true, true, true},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", HTTP_VERB_POST,
         false, false, true},
        {"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", HTTP_VERB_DELETE, true, false,
         false},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_VERB_OPTIONS,
         true, false, true},
        {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_VERB_OTHER, true, false, false},
    };
    const struct http_limits limits = {10, 100};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_parser p;
        struct framing_header headers[10];
        struct http_head h;
        assert_int_equal(http_parse_head(&p, slice_str(cases[i].head), &limits, headers, &h).status,
                         0);
        if (h.verb != cases[i].verb || h.is_keep_alive != cases[i].is_keep_alive ||
            h.is_continue_expected != cases[i].is_continue_expected ||
            h.has_body != cases[i].has_body)
            fail_msg("%s", cases[i].head);
    }
}

static bool refuse(void *ctx, struct slice piece)
{
    (void)ctx;
    (void)piece;
    return false;
}

static void stops_when_the_body_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
                                        CH};
    static const char *const bodies[] = {"abc", "3\r\nabc\r\n0\r\n\r\n"};
    const struct http_limits limits = {10, 100};
    for (int i = 0; i < 2; i++) {
        struct http_parser p;
        struct framing_header headers[10];
        struct http_head h;
        size_t used;
        struct framing_verdict v;
        assert_int_equal(http_parse_head(&p, slice_str(heads[i]), &limits, headers, &h).status, 0);
        assert_int_equal(http_parse_body(&p, slice_str(bodies[i]), refuse, NULL, &used, &v),
                         HTTP_BODY_REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_the_same_in_any_pieces),
        cmocka_unit_test(bounds_extensions_and_trailers),
        cmocka_unit_test(bounds_heads),
        cmocka_unit_test(reads_what_the_head_says),
        cmocka_unit_test(stops_when_the_body_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
