/* The HTTP server over real sockets on loopback: what clients send, byte by byte, and what they
 * get. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "net/net.h"

enum {
    ANSWER_MAX = 4 << 20,
    WAIT_MS = 20000,
    LOOPS = 2,
    STREAM_PIECES = 2000,
    STREAM_PIECE = 1000
};

static struct net_loop *loops[LOOPS];
static struct net_server *server;
static _Atomic int gone_count;

/* ---- the application under the server ---- */

static void echo(struct net_request *req)
{
    char *head = arena_printf(req->arena, "%.*s %zu ", SLICE_ARG(req->path), req->body.len);
    struct buf out;
    buf_init(&out, ANSWER_MAX);
    buf_add_str(&out, head);
    buf_add_slice(&out, req->body);
    net_respond(req, &(struct net_response){.status = 200,
                                            .content_type = SLICE_LIT("text/plain"),
                                            .body = buf_slice(&out)});
    buf_done(&out);
}

struct later {
    struct net_task task;
    struct net_request *req;
};

static void answer_later(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    struct later *l = CONTAINER_OF(task, struct later, task);
    struct net_request *req = l->req;
    heap_free(l);
    echo(req);
}

struct pour {
    struct net_request *req;
    int left;
};

static void pour_more(struct ctx *ctx, struct net_request *req)
{
    (void)ctx;
    struct pour *p = req->user;
    static char piece[STREAM_PIECE];
    memset(piece, 'p', sizeof(piece));
    enum rc rc = RC_OK;
    while (p->left > 0 && rc == RC_OK) {
        rc = net_stream_write(req, slice_of(piece, sizeof(piece)));
        p->left--;
    }
    if (rc == RC_BUSY && p->left > 0)
        return;
    if (rc == RC_CLOSED)
        atomic_fetch_add(&gone_count, 1);
    heap_free(p);
    net_stream_end(req);
}

static void on_gone(struct ctx *ctx, struct net_request *req)
{
    (void)ctx;
    atomic_fetch_add(&gone_count, 1);
    struct pour *p = req->user;
    heap_free(p);
    net_stream_end(req);
}

static void on_request(void *ctx, struct net_request *req)
{
    (void)ctx;
    if (slice_eq_str(req->path, "/later")) {
        struct later *l = heap_alloc(HEAP_MISC, sizeof(*l));
        *l = (struct later){.task = {.run = answer_later}, .req = req};
        net_loop_post(req->loop, &l->task);
    } else if (slice_eq_str(req->path, "/stream") || slice_eq_str(req->path, "/endless")) {
        struct pour *p = heap_alloc(HEAP_MISC, sizeof(*p));
        *p = (struct pour){req, slice_eq_str(req->path, "/stream") ? STREAM_PIECES : INT32_MAX};
        req->user = p;
        req->on_gone = on_gone;
        net_stream_begin(req, &(struct net_response){.status = 200}, pour_more);
        pour_more(req->ctx, req);
    } else {
        echo(req);
    }
}

static void on_head(void *ctx, struct net_request *req, struct net_body_plan *plan)
{
    (void)ctx;
    if (slice_eq_str(req->path, "/small"))
        plan->bytes_max = 10;
    if (slice_eq_str(req->path, "/refused"))
        net_respond(req, &(struct net_response){.status = 403});
}

static void render_problem(void *ctx, int status, const char *detail, const char *request_id,
                           struct buf *out)
{
    (void)ctx;
    (void)request_id;
    buf_addf(out, "{\"status\":%d,\"detail\":\"%s\"}", status, detail);
}

static int group_setup(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(net_loop_start("test", &loops[i], &err), RC_OK);
    struct net_server_cfg cfg = {
        .listen = "127.0.0.1:0",
        .loops = loops,
        .loop_count = LOOPS,
        .limits = {.head_deadline_ms = 400, .idle_deadline_ms = 60000, .body_bytes_max = 1 << 20},
        .app = {.on_head = on_head, .on_request = on_request, .render_problem = render_problem},
        .name = "test"};
    if (net_server_start(&cfg, &server, &err) != RC_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    net_server_stop(server);
    for (int i = 0; i < LOOPS; i++)
        net_loop_stop(loops[i]);
    return 0;
}

/* ---- a client that speaks bytes ---- */

static int dial(void)
{
    uint64_t port;
    must(slice_to_u64(slice_str(strchr(net_server_address(server), ':') + 1), &port));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

static void say(int fd, struct slice text)
{
    while (text.len) {
        ssize_t n = send(fd, text.data, text.len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may have closed: the test looks at the answer */
        text = slice_sub(text, (size_t)n);
    }
}

/* Reads until `until` was seen `times` times, or the end; NUL-terminated, heap. */
static char *hear(int fd, const char *until, int times)
{
    char *all = heap_alloc(HEAP_MISC, ANSWER_MAX + 1);
    size_t len = 0;
    for (;;) {
        int seen = 0;
        for (const char *p = all; until && (p = strstr(p, until)) != NULL; p++)
            seen++;
        if (until && seen >= times)
            return all;
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (poll(&pfd, 1, WAIT_MS) != 1)
            fail_msg("no answer; so far: %s", all);
        ssize_t n = recv(fd, all + len, ANSWER_MAX - len, 0);
        if (n <= 0)
            return all;
        len += (size_t)n;
        all[len] = '\0';
    }
}

static void assert_starts(const char *answer, const char *head)
{
    if (strncmp(answer, head, strlen(head)) != 0)
        fail_msg("instead of '%s': %.200s", head, answer);
}

static void assert_served(void)
{
    int fd = dial();
    say(fd, SLICE_LIT("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"));
    char *answer = hear(fd, "/ok 0 ", 1);
    assert_starts(answer, "HTTP/1.1 200 OK\r\n");
    heap_free(answer);
    close(fd);
}

/* Sends, expects the status line's beginning and a closed connection, and that the next one is
 * served. */
static void refused_with(struct slice bytes, const char *status)
{
    int fd = dial();
    say(fd, bytes);
    char *answer = hear(fd, NULL, 0);
    char head[64];
    snprintf(head, sizeof(head), "HTTP/1.1 %s", status);
    assert_starts(answer, head);
    assert_non_null(strstr(answer, "Connection: close"));
    assert_null(strstr(answer, "}HTTP/1.1 ")); /* one answer only */
    heap_free(answer);
    close(fd);
    assert_served();
}

/* ---- stories ---- */

static void keeps_the_connection(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 50; i++) {
        say(fd, SLICE_LIT("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        char *answer = hear(fd, "/e 5 hello", 1);
        assert_starts(answer, "HTTP/1.1 200 OK\r\n");
        heap_free(answer);
    }
    close(fd);
}

static void answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, SLICE_LIT("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                      "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /4 "
                      "HTTP/1.1\r\nHost: a\r\n\r\n"));
    char *answer = hear(fd, "/4 0 ", 1);
    const char *a = strstr(answer, "/1 0 "), *b = strstr(answer, "/later 0 "),
               *c = strstr(answer, "/3 2 xy");
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_true(a < b && b < c && c < strstr(answer, "/4 0 "));
    heap_free(answer);
    close(fd);
}

static void takes_any_split(void **state)
{
    (void)state;
    static const char text[] = "POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nT: v\r\n\r\n";
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        int fd = dial();
        say(fd, slice_of(text, cut));
        say(fd, slice_of(text + cut, sizeof(text) - 1 - cut));
        char *answer = hear(fd, "/s 7 abcdefg", 1);
        assert_starts(answer, "HTTP/1.1 200 OK\r\n");
        heap_free(answer);
        close(fd);
    }
}

static void refuses_ambiguous_framing(void **state)
{
    (void)state;
    refused_with(SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                           "chunked\r\n\r\n0\r\n\r\n"),
                 "400");
    refused_with(
        SLICE_LIT(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        "400");
    refused_with(SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"), "501");
    refused_with(SLICE_LIT("GET / HTTP/1.1\r\n\r\n"), "400");
    refused_with(SLICE_LIT("GET / HTTP/1.1\nHost: a\n\n"), "400");
    refused_with(SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n fold\r\n\r\n"), "400");
    refused_with(SLICE_LIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), "505");
    refused_with(SLICE_LIT("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), "501");
    refused_with(
        SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n"),
        "400");
    refused_with(
        SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"),
        "400");
    refused_with(
        SLICE_LIT("POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n"),
        "417");
}

static void holds_its_limits(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_str(&text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 20000; i++)
        buf_add_char(&text, 'x');
    refused_with(buf_slice(&text), "431");
    buf_clear(&text);
    buf_add_str(&text, "GET /");
    for (int i = 0; i < 9000; i++)
        buf_add_char(&text, 'x');
    buf_add_str(&text, " HTTP/1.1\r\nHost: a\r\n\r\n");
    refused_with(buf_slice(&text), "414");
    buf_clear(&text);
    buf_add_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 101; i++)
        buf_add_str(&text, "X: y\r\n");
    buf_add_str(&text, "\r\n");
    refused_with(buf_slice(&text), "431");
    buf_done(&text);
    refused_with(SLICE_LIT("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"), "413");
    refused_with(SLICE_LIT("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                           "chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"),
                 "413");
    refused_with(SLICE_LIT("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"),
                 "403");
}

static void cuts_off_a_slow_head(void **state)
{
    (void)state;
    refused_with(SLICE_LIT("GET / HTTP/1.1\r\nHos"), "408");
}

static void tells_to_continue(void **state)
{
    (void)state;
    int fd = dial();
    say(fd,
        SLICE_LIT(
            "POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    char *answer = hear(fd, "100 Continue\r\n\r\n", 1);
    heap_free(answer);
    say(fd, SLICE_LIT("ok"));
    answer = hear(fd, "/c 2 ok", 1);
    assert_starts(answer, "HTTP/1.1 200 OK\r\n");
    heap_free(answer);
    close(fd);
}

static void head_has_no_body(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, SLICE_LIT("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nGET /g HTTP/1.0\r\n\r\n"));
    char *answer = hear(fd, NULL, 0); /* 1.0 closes */
    assert_non_null(strstr(answer, "Content-Length: 5\r\n"));
    assert_null(strstr(answer, "/h 0 "));
    assert_non_null(strstr(answer, "/g 0 "));
    heap_free(answer);
    close(fd);
}

static void streams_with_a_slow_reader(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, SLICE_LIT("GET /stream HTTP/1.0\r\n\r\n"));
    char *answer = hear(fd, NULL, 0);
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), STREAM_PIECES * STREAM_PIECE);
    heap_free(answer);
    close(fd);
}

static void notices_a_client_that_left(void **state)
{
    (void)state;
    int before = atomic_load(&gone_count);
    int fd = dial();
    const int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    say(fd, SLICE_LIT("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"));
    heap_free(hear(fd, "pppp", 1));
    const struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    mono_ns deadline = mono_add_ms(mono_now(), WAIT_MS);
    while (atomic_load(&gone_count) == before && mono_is_before(mono_now(), deadline))
        sleep_ms(5);
    assert_int_equal(atomic_load(&gone_count), before + 1);
    assert_served();
}

static void takes_no_memory_once_warm(void **state)
{
    (void)state;
    int fd = dial();
    uint64_t before = 0;
    for (int i = 0; i < 1100; i++) {
        if (i == 100)
            before = heap_calls();
        say(fd, SLICE_LIT("GET /w HTTP/1.1\r\nHost: a\r\n\r\n"));
        char bytes[4096];
        must(recv(fd, bytes, sizeof(bytes), 0) > 0);
    }
    /* echo() itself takes one buffer per request; the server none. */
    assert_in_range(heap_calls() - before, 1000, 1001);
    close(fd);
}

struct count_task {
    struct net_task task;
    _Atomic int *count;
};

static void count_up(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    struct count_task *t = CONTAINER_OF(task, struct count_task, task);
    atomic_fetch_add(t->count, 1);
    heap_free(t);
}

static void *post_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct count_task *t = heap_alloc(HEAP_MISC, sizeof(*t));
        *t = (struct count_task){{.run = count_up}, arg};
        net_loop_post(loops[0], &t->task);
    }
    return NULL;
}

static void runs_every_posted_task(void **state)
{
    (void)state;
    static _Atomic int count;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, post_many, &count) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    mono_ns deadline = mono_add_ms(mono_now(), WAIT_MS);
    while (atomic_load(&count) < 8000 && mono_is_before(mono_now(), deadline))
        sleep_ms(2);
    assert_int_equal(atomic_load(&count), 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_connection),
        cmocka_unit_test(answers_pipelined_requests_in_order),
        cmocka_unit_test(takes_any_split),
        cmocka_unit_test(refuses_ambiguous_framing),
        cmocka_unit_test(holds_its_limits),
        cmocka_unit_test(cuts_off_a_slow_head),
        cmocka_unit_test(tells_to_continue),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(streams_with_a_slow_reader),
        cmocka_unit_test(notices_a_client_that_left),
        cmocka_unit_test(takes_no_memory_once_warm),
        cmocka_unit_test(runs_every_posted_task),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
