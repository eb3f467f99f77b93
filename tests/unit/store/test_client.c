/* The client against a server that misbehaves: one scripted answer per connection. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/must.h"
#include "store/client_int.h"
#include "store/engine_int.h"

struct server {
    char dir[64];
    char path[96];
    int listener;
    pthread_t thread;
    const char *answer; /* NULL: say nothing and wait for the client to leave */
    size_t answer_len;
    char request[16384];
    size_t request_len;
};

static size_t body_bytes(const char *head)
{
    const char *at = strcasestr(head, "Content-Length:");
    return at ? strtoul(at + 15, NULL, 10) : 0;
}

static void *serve_one(void *ctx)
{
    struct server *s = ctx;
    int fd = accept(s->listener, NULL, NULL);
    size_t want = 0;
    while (s->request_len < sizeof(s->request) - 1) {
        ssize_t n =
            recv(fd, s->request + s->request_len, sizeof(s->request) - 1 - s->request_len, 0);
        if (n <= 0)
            break;
        s->request_len += (size_t)n;
        s->request[s->request_len] = '\0';
        char *end = strstr(s->request, "\r\n\r\n");
        if (end)
            want = (size_t)(end - s->request) + 4 + body_bytes(s->request);
        if (want && s->request_len >= want)
            break;
    }
    if (s->answer) {
        must(send(fd, s->answer, s->answer_len, MSG_NOSIGNAL) == (ssize_t)s->answer_len);
    } else {
        char c;
        while (recv(fd, &c, 1, 0) > 0) {
        }
    }
    close(fd);
    return NULL;
}

static void server_start(struct server *s, const char *answer, size_t len)
{
    memset(s, 0, sizeof(*s));
    s->answer = answer;
    s->answer_len = len;
    strcpy(s->dir, "/tmp/weir-client-XXXXXX");
    must(mkdtemp(s->dir) != NULL);
    snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(s->listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s->listener, 4) == 0);
    must(pthread_create(&s->thread, NULL, serve_one, s) == 0);
}

static void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    unlink(s->path);
    rmdir(s->dir);
}

struct outcome {
    enum rc rc;
    int code;
    struct err err;
    char out[4096];
    struct store_summary summary;
};

static struct outcome ask(struct server *s, const struct store_query *q, uint32_t timeout_ms)
{
    struct outcome o = {.rc = RC_BUG};
    struct store_cfg cfg = {.url = "http://localhost/",
                            .unix_socket = s->path,
                            .database = "w",
                            .user = "u",
                            .password = "p",
                            .timeout_ms = timeout_ms};
    struct store_client *c;
    struct buf out;
    buf_init(&out, sizeof(o.out) - 1);
    assert_int_equal(store_client_new(&cfg, &c, &o.err), RC_OK);
    o.rc = store_query(NULL, c, q, &out, &o.summary, &o.code, &o.err);
    snprintf(o.out, sizeof(o.out), "%.*s", (int)out.len, out.data ? out.data : "");
    buf_done(&out);
    store_client_free(c);
    return o;
}

static struct outcome answered(const char *answer)
{
    struct server s;
    const struct store_query q = {.sql = "SELECT 1", .format = "TSV"};
    server_start(&s, answer, strlen(answer));
    struct outcome o = ask(&s, &q, 5000);
    server_end(&s);
    return o;
}

static void a_good_answer_gives_its_body_and_summary(void **state)
{
    (void)state;
    struct outcome o = answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-ClickHouse-Summary: "
                                "{\"read_rows\":\"7\",\"read_bytes\":\"8\",\"written_rows\":\"9\"}"
                                "\r\n\r\n1\n");
    assert_int_equal(o.rc, RC_OK);
    assert_string_equal(o.out, "1\n");
    assert_int_equal(o.summary.read_rows, 7);
    assert_int_equal(o.summary.written_rows, 9);
}

static void the_request_carries_everything_escaped_and_no_value_in_the_sql(void **state)
{
    (void)state;
    struct server s;
    const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const struct store_param params[] = {{"v", slice_of("a\tb\\ &=\n\0'", 10)}};
    const struct store_setting settings[] = {{"max_threads", "2"}};
    const struct store_query q = {.sql = "SELECT {v:String}",
                                  .format = "JSONEachRow",
                                  .params = params,
                                  .param_count = 1,
                                  .settings = settings,
                                  .setting_count = 1,
                                  .read_only = true};
    server_start(&s, answer, sizeof(answer) - 1);
    struct outcome o = ask(&s, &q, 5000);
    server_end(&s);
    assert_int_equal(o.rc, RC_OK);
    assert_non_null(strstr(s.request, "POST /?"));
    assert_non_null(strstr(s.request, "&database=w"));
    assert_non_null(strstr(s.request, "&default_format=JSONEachRow"));
    assert_non_null(strstr(s.request, "&readonly=2"));
    assert_non_null(strstr(s.request, "&max_threads=2"));
    assert_non_null(strstr(s.request, "&param_v=a%5Ctb%5C%5C%20%26%3D%5Cn%5C0%27 "));
    assert_non_null(strstr(s.request, "X-ClickHouse-User: u\r\n"));
    assert_non_null(strstr(s.request, "\r\n\r\nSELECT {v:String}"));
}

static void an_error_has_its_code_and_text(void **state)
{
    (void)state;
    struct outcome o =
        answered("HTTP/1.1 404 Not Found\r\nX-ClickHouse-Exception-Code: 60\r\nContent-Length: "
                 "41\r\n\r\nCode: 60. DB::Exception: no such table.\r\n");
    assert_int_equal(o.rc, RC_STORE);
    assert_int_equal(o.code, 60);
    assert_string_equal(o.err.text, "Code: 60. DB::Exception: no such table.");
    o = answered("HTTP/1.1 500 X\r\nContent-Length: 26\r\n\r\nCode: 241. DB::Exception: m");
    assert_int_equal(o.code, 241);
    o = answered("HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\nno\n");
    assert_int_equal(o.rc, RC_UNAVAILABLE);
}

static void an_exception_inside_the_body_is_an_error(void **state)
{
    (void)state;
    const char *const answer =
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Exception-Tag: abcdefgh\r\nTransfer-Encoding: chunked\r\n"
        "\r\n4\r\n1\n2\n\r\n2d\r\n\r\n__exception__\r\nabcdefgh\r\nCode: 395. DB::Exc\r\n"
        "29\r\neption: bang\n30 abcdefgh\r\n__exception__\r\n\r\n";
    struct outcome o = answered(answer); /* and the chunked body has no end */
    assert_int_equal(o.rc, RC_STORE);
    assert_int_equal(o.code, 395);
    assert_string_equal(o.out, "1\n2\n");
    assert_non_null(strstr(o.err.text, "Code: 395. DB::Exc"));
    assert_string_equal(o.err.text, "Code: 395. DB::Exception: bang");
    o = answered("HTTP/1.1 200 OK\r\nX-ClickHouse-Exception-Tag: abcdefgh\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n2b\r\n\r\n__exception__\r\nabcdefgh\r\nCode: 395. DB::E\r\n");
    assert_int_equal(o.rc, RC_STORE); /* cut in the middle of the text */
    assert_int_equal(o.code, 395);
    assert_string_equal(o.out, "");
}

static void an_old_servers_exception_at_the_cut_is_an_error(void **state)
{
    (void)state;
    struct outcome o =
        answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n1\nCode: "
                 "395. DB::Exception: x\r\n");
    assert_int_equal(o.rc, RC_STORE);
    assert_int_equal(o.code, 395);
}

static void a_cut_body_is_never_a_short_success(void **state)
{
    (void)state;
    assert_int_equal(answered("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1\n").rc,
                     RC_UNAVAILABLE);
    assert_int_equal(
        answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n").rc,
        RC_UNAVAILABLE);
    assert_int_equal(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").rc,
                     RC_UNAVAILABLE);
    assert_int_equal(answered("garbage\r\n\r\n").rc, RC_UNAVAILABLE);
    assert_int_equal(answered("").rc, RC_UNAVAILABLE);
}

static void silence_is_a_timeout_and_nobody_is_unavailable(void **state)
{
    (void)state;
    struct server s;
    const struct store_query q = {.sql = "SELECT 1", .format = "TSV"};
    server_start(&s, NULL, 0);
    assert_int_equal(ask(&s, &q, 300).rc, RC_TIMEOUT);
    server_end(&s);
    assert_int_equal(ask(&s, &q, 300).rc, RC_UNAVAILABLE);
}

static void a_full_buffer_is_a_limit(void **state)
{
    (void)state;
    struct server s;
    static char answer[8192];
    int n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    memset(answer + n, 'x', 5000);
    const struct store_query q = {.sql = "SELECT 1", .format = "TSV"};
    server_start(&s, answer, (size_t)n + 5000);
    assert_int_equal(ask(&s, &q, 5000).rc, RC_LIMIT);
    server_end(&s);
}

static enum rc stop_at_once(void *ctx, struct slice piece)
{
    (void)piece;
    ++*(int *)ctx;
    return RC_CLOSED;
}

static void on_data_can_stop(void **state)
{
    (void)state;
    struct server s;
    int calls = 0;
    const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1\n";
    const struct store_query q = {.sql = "SELECT 1", .on_data = stop_at_once, .ctx = &calls};
    server_start(&s, answer, sizeof(answer) - 1);
    assert_int_equal(ask(&s, &q, 5000).rc, RC_CLOSED);
    server_end(&s);
    assert_int_equal(calls, 1);
}

static void insert_puts_the_token_in_the_url_and_the_rows_in_the_body(void **state)
{
    (void)state;
    struct server s;
    const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    server_start(&s, answer, sizeof(answer) - 1);
    struct store_cfg cfg = {.url = "http://localhost", .unix_socket = s.path};
    struct store_client *c;
    struct err err = ERR_INIT;
    assert_int_equal(store_client_new(&cfg, &c, &err), RC_OK);
    assert_int_equal(store_insert(c, "w.t", "a, b", "RowBinary", slice_of("\0;\n", 3),
                                  "events/0/1-2", NULL, NULL, &err),
                     RC_OK);
    store_client_free(c);
    server_end(&s);
    assert_non_null(strstr(s.request, "insert_deduplication_token=events%2F0%2F1-2&"));
    assert_non_null(
        strstr(s.request, "query=INSERT%20INTO%20w.t%20%28a%2C%20b%29%20FORMAT%20RowBinary"));
    const char *body = strstr(s.request, "\r\n\r\n") + 4;
    assert_memory_equal(body, "\0;\n", 3);
    assert_int_equal(s.request + s.request_len - body, 3);
}

static void repeated_headers_of_a_streamed_format_are_found(void **state)
{
    (void)state;
    const struct {
        const char *format;
        const char *piece;
        size_t len, head;
    } cases[] = {
        {"CSV", "1\n", 2, 0},
        {"CSVWithNames", "\"a\nb\",\"c\"\n1,2\n", 14, 10},
        {"TSVWithNamesAndTypes", "a\nInt8\n1\n", 9, 7},
        {"JSONCompactEachRowWithNames", "[\"a\"]\n[1]\n", 10, 6},
        {"RowBinaryWithNamesAndTypes", "\1\1a\4Int8\7", 9, 8},
        {"RowBinaryWithNamesAndTypes", "\1\1a\4In", 6, 6},
        {"RowBinaryWithNames", "\377\377\377\377\377\377\377\377\377\1", 10, 10},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct format_info *f = format_find(slice_str(cases[i].format));
        assert_non_null(f);
        assert_int_equal(format_head_len(f, slice_of(cases[i].piece, cases[i].len)), cases[i].head);
    }
    assert_null(format_find(SLICE_LIT("JSON")));
    assert_null(format_find(SLICE_LIT("Parquet")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_gives_its_body_and_summary),
        cmocka_unit_test(the_request_carries_everything_escaped_and_no_value_in_the_sql),
        cmocka_unit_test(an_error_has_its_code_and_text),
        cmocka_unit_test(an_exception_inside_the_body_is_an_error),
        cmocka_unit_test(an_old_servers_exception_at_the_cut_is_an_error),
        cmocka_unit_test(a_cut_body_is_never_a_short_success),
        cmocka_unit_test(silence_is_a_timeout_and_nobody_is_unavailable),
        cmocka_unit_test(a_full_buffer_is_a_limit),
        cmocka_unit_test(on_data_can_stop),
        cmocka_unit_test(insert_puts_the_token_in_the_url_and_the_rows_in_the_body),
        cmocka_unit_test(repeated_headers_of_a_streamed_format_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
