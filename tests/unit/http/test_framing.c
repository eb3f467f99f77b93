/* The framing law, case by case: what must be refused, with which status, and what must pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/attr.h"
#include "http/framing.h"

enum { HEADERS = 4 };

static struct framing_verdict split(struct slice head)
{
    struct framing_line line;
    struct framing_header headers[HEADERS];
    uint32_t count;
    return framing_split(head, &line, headers, HEADERS, &count);
}

static void refuses_malformed_heads(void **state)
{
    (void)state;
    static const struct {
        struct slice head;
        int status;
    } bad[] = {
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400},               /* bare LF in a field */
        {SLICE_LIT("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400},               /* bare LF */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400},               /* bare LF at the end */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400},          /* bare CR */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), 400},           /* CR CR LF */
        {SLICE_LIT("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), 400},           /* in the first line */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), 400},          /* NUL in a value */
        {SLICE_LIT("GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"), 400},           /* NUL in a name */
        {SLICE_LIT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},           /* NUL in the target */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400},  /* obs-fold, space */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n"), 400}, /* obs-fold, tab */
        {SLICE_LIT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400},        /* space before the first */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400},        /* space before colon */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"), 400},       /* tab before colon */
        {SLICE_LIT("GET / HTTP/1.1\r\nHost\r\n\r\n"), 400},            /* no colon */
        {SLICE_LIT("GET / HTTP/1.1\r\n: a\r\n\r\n"), 400},             /* no name */
        {SLICE_LIT("GET / HTTP/1.1\r\nA(b): a\r\n\r\n"), 400},         /* not a token */
        {SLICE_LIT("GET / HTTP/1.1\r\nA\xe9: a\r\n\r\n"), 400},        /* Latin-1 in a name */
        {SLICE_LIT("GET / HTTP/1.1\r\nA\x01: a\r\n\r\n"), 400},        /* control in a name */
        {SLICE_LIT("GET / HTTP/1.1\r\nA: a\x0b\r\n\r\n"), 400},        /* control in a value */
        {SLICE_LIT("GET / HTTP/1.1\r\nA: a\x7f\r\n\r\n"), 400},        /* DEL in a value */
        {SLICE_LIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},        /* two spaces */
        {SLICE_LIT("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400},        /* two spaces */
        {SLICE_LIT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400},      /* space in the target */
        {SLICE_LIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400},        /* trailing space */
        {SLICE_LIT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400},        /* leading space */
        {SLICE_LIT("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400},        /* tab */
        {SLICE_LIT("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"), 400},       /* tab in the target */
        {SLICE_LIT("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), 400}, /* raw UTF-8 */
        {SLICE_LIT("GET /\r\nHost: a\r\n\r\n"), 400},                  /* HTTP/0.9 */
        {SLICE_LIT("GET / http/1.1\r\nHost: a\r\n\r\n"), 400},         /* case counts */
        {SLICE_LIT("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("GET / HTTP/11\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("GET / HTTP/ 1.1\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("GET / RTSP/1.0\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"), 400},
        {SLICE_LIT("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505},
        {SLICE_LIT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505},
        {SLICE_LIT("PRI * HTTP/2.0\r\n\r\n"), 505},
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n"), 400}, /* no end */
        {SLICE_LIT("GET / HTTP/1.1"), 400},
        {SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y\r\n\r\n"), 400}, /* an end inside */
        {SLICE_LIT("\r\n"), 400},
        {SLICE_EMPTY, 400},
        {SLICE_LIT("GET / HTTP/1.1\r\nA:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\n\r\n"), 431},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct framing_verdict v = split(bad[i].head);
        if (v.status != bad[i].status || !v.detail)
            fail_msg("%d instead of %d: %.*s", v.status, bad[i].status, SLICE_ARG(bad[i].head));
    }
}

/* Values are looked at eight bytes at once. */
static void a_byte_that_no_value_may_have_is_found_wherever_it_stands(void **state)
{
    (void)state;
    char head[64];
    for (size_t len = 1; len <= 24; len++)
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                size_t from = (size_t)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nA:");
                memset(head + from, 'v', len);
                head[from + at] = (char)byte;
                memcpy(head + from + len, "\r\n\r\n", 4);
                bool is_bad = (byte < ' ' && byte != '\t') || byte == 0x7f;
                int status = split(slice_of(head, from + len + 4)).status;
                if (status != (is_bad ? 400 : 0))
                    fail_msg("%d for byte %02x at %zu of %zu", status, (unsigned)byte, at, len);
            }
}

static void splits_good_heads(void **state)
{
    (void)state;
    struct framing_line line;
    struct framing_header h[HEADERS];
    uint32_t count;
    struct slice head = SLICE_LIT(
        "POST /x?a=b HTTP/1.1\r\nHost:a:80\r\nX-Y: \tv w\t \r\nE:\r\nU: \xc3\xa9\r\n\r\n");
    assert_int_equal(framing_split(head, &line, h, HEADERS, &count).status, 0);
    assert_true(slice_eq_str(line.method, "POST"));
    assert_true(slice_eq_str(line.target, "/x?a=b"));
    assert_int_equal(line.minor, 1);
    assert_int_equal(count, 4);
    assert_true(slice_eq_str(h[0].name, "Host") && slice_eq_str(h[0].value, "a:80"));
    assert_true(slice_eq_str(h[1].name, "X-Y") && slice_eq_str(h[1].value, "v w"));
    assert_true(slice_eq_str(h[2].name, "E") && h[2].value.len == 0);
    assert_true(slice_eq_str(h[3].value, "\xc3\xa9"));
    assert_int_equal(
        framing_split(SLICE_LIT("GET / HTTP/1.0\r\n\r\n"), &line, h, HEADERS, &count).status, 0);
    assert_int_equal(line.minor, 0);
    assert_int_equal(count, 0);
}

struct fields_case {
    struct framing_header headers[HEADERS];
    uint32_t count;
    unsigned minor;
    int status;
};
#define H(n, v) SLICE_LIT(n), SLICE_LIT(v)

static void judges_fields(void **state)
{
    (void)state;
    static const struct fields_case cases[] = {
        {{{H("Host", "a")}}, 1, 1, 0},
        {{{H("X", "a")}}, 1, 1, 400},
        {{{H("X", "a")}}, 1, 0, 0},
        {{{H("Host", "a")}, {H("hOST", "a")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("hOST", "a")}}, 2, 0, 400},
        {{{H("Host", "")}}, 1, 1, 400},
        {{{H("Host", "a b")}}, 1, 1, 400},
        {{{H("Host", "a, b")}}, 1, 1, 400},
        {{{H("Host", "a/b")}}, 1, 1, 400},
        {{{H("Host", "http://a")}}, 1, 1, 400},
        {{{H("Host", "user@a")}}, 1, 1, 400},
        {{{H("Host", "a\xc3\xa9")}}, 1, 1, 400},
        {{{H("Host", "[::1]:80")}}, 1, 1, 0},
        {{{H("Host", "a")}, {H("Content-Length", "5")}}, 2, 1, 0},
        {{{H("Host", "a")}, {H("Content-Length", "0005")}}, 2, 1, 0},
        {{{H("Host", "a")}, {H("Content-Length", "5")}, {H("Content-Length", "5")}}, 3, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "5")}, {H("content-length", "6")}}, 3, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "5, 5")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "5,6")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "+5")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "-5")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "0x5")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "5 ")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "1 5")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "5.0")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "1_0")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "\xd9\xa3")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "9223372036854775808")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Content-Length", "18446744073709551617")}}, 2, 1, 400},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked")}}, 2, 1, 0},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "CHUNKED")}}, 2, 1, 0},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "gzip, chunked")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked, chunked")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked, identity")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked;q=1")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "\"chunked\"")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "xchunked")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "identity")}}, 2, 1, 501},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "")}}, 2, 1, 501},
        {{{H("Host", "a")},
          {H("Transfer-Encoding", "chunked")},
          {H("Transfer-Encoding", "chunked")}},
         3,
         1,
         400},
        {{{H("Host", "a")},
          {H("Transfer-Encoding", "chunked")},
          {H("Transfer-Encoding", "identity")}},
         3,
         1,
         400},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked")}, {H("Content-Length", "5")}},
         3,
         1,
         400},
        {{{H("Host", "a")}, {H("Content-Length", "5")}, {H("Transfer-Encoding", "chunked")}},
         3,
         1,
         400},
        {{{H("Host", "a")}, {H("Content-Length", "0")}, {H("Transfer-Encoding", "chunked")}},
         3,
         1,
         400},
        {{{H("Host", "a")}, {H("Transfer-Encoding", "chunked")}}, 2, 0, 400},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct framing_body body = {.length = 77};
        struct framing_verdict v =
            framing_check_fields(cases[i].headers, cases[i].count, cases[i].minor, &body);
        if (v.status != cases[i].status)
            fail_msg("case %zu: %d instead of %d", i, v.status, cases[i].status);
        assert_true(v.status == 0 ? body.length != 77 : v.detail && body.length == 77);
    }
}

static void reads_the_length(void **state)
{
    (void)state;
    const struct framing_header headers[] = {{H("Host", "a")},
                                             {H("content-length", "9223372036854775807")}};
    struct framing_body body;
    assert_int_equal(framing_check_fields(headers, 2, 1, &body).status, 0);
    assert_true(body.has_length && !body.is_chunked);
    assert_true(body.length == (uint64_t)INT64_MAX);
}

static void judges_targets(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *host;
        int status;
        const char *path, *query;
    } cases[] = {
        {"GET", "/", "a", 0, "/", ""},
        {"GET", "/x/y?b=1?2", "a", 0, "/x/y", "b=1?2"},
        {"GET", "//x", "a", 0, "//x", ""},
        {"GET", "/?", "a", 0, "/", ""},
        {"GET", "/a%2fb", "a", 0, "/a%2fb", ""},
        {"OPTIONS", "*", "a", 0, "*", ""},
        {"GET", "*", "a", 400, 0, 0},
        {"OPTIONS", "*x", "a", 400, 0, 0},
        {"GET", "http://a/x?q", "a", 0, "/x", "q"},
        {"GET", "HTTP://A/x", "a", 0, "/x", ""},
        {"GET", "https://a:80", "a:80", 0, "/", ""},
        {"GET", "http://a?q", "a", 0, "/", "q"},
        {"GET", "http://b/x", "a", 400, 0, 0},
        {"GET", "http://a:81/x", "a:80", 400, 0, 0},
        {"GET", "http://a/x", "", 0, "/x", ""}, /* 1.0 without Host */
        {"GET", "http:///x", "a", 400, 0, 0},
        {"GET", "http://u@a/x", "a", 400, 0, 0},
        {"GET", "http:/a", "a", 400, 0, 0},
        {"GET", "ftp://a/x", "a", 400, 0, 0},
        {"GET", "a:80", "a", 400, 0, 0},
        {"GET", "x", "a", 400, 0, 0},
        {"GET", "?q", "a", 400, 0, 0},
        {"GET", "/x#y", "a", 400, 0, 0},
        {"GET", "", "a", 400, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice path = SLICE_EMPTY, query = SLICE_EMPTY;
        struct framing_verdict v =
            framing_check_target(slice_str(cases[i].method), slice_str(cases[i].target),
                                 slice_str(cases[i].host), &path, &query);
        if (v.status != cases[i].status)
            fail_msg("%s: %d", cases[i].target, v.status);
        if (v.status == 0 &&
            (!slice_eq_str(path, cases[i].path) || !slice_eq_str(query, cases[i].query)))
            fail_msg("%s: path %.*s query %.*s", cases[i].target, SLICE_ARG(path),
                     SLICE_ARG(query));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_heads),
        cmocka_unit_test(splits_good_heads),
        cmocka_unit_test(a_byte_that_no_value_may_have_is_found_wherever_it_stands),
        cmocka_unit_test(judges_fields),
        cmocka_unit_test(reads_the_length),
        cmocka_unit_test(judges_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
