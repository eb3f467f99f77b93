#ifndef WEIR_TEST_NET_FIXTURE_H
#define WEIR_TEST_NET_FIXTURE_H
/* A server of one loop with the limits that a story wants, an application that holds, pours or
 * echoes, and clients that speak bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "net/net.h"

enum { ANSWER_MAX = 4 << 20, WAIT_MS = 30000, HELD_MAX = 64, BIG_BYTES = 256 << 10 };

#define WAIT_FOR(condition)                                    \
    do {                                                       \
        mono_ns end_ = mono_add_ms(mono_now(), WAIT_MS);       \
        while (!(condition)) {                                 \
            if (!mono_is_before(mono_now(), end_))             \
                fail_msg("waited in vain for %s", #condition); \
            sleep_ms(1);                                       \
        }                                                      \
    } while (0)

static struct net_loop *loop;
static struct net_server *server;
static struct net_request *held[HELD_MAX]; /* loop's; read when held_count says so */
static _Atomic int held_count, asked_count, gone_count, done_count, done_status;
static _Atomic uint64_t buffers_seen; /* the most that was ever in buffers when a request came */

/* ---- the application ---- */

static inline void echo(struct net_request *req)
{
    const char *text =
        arena_printf(req->arena, "%s %.*s %zu ", req->method == NET_HEAD ? "HEAD" : "-",
                     SLICE_ARG(req->path), req->body.len);
    net_respond(req, &(struct net_response){.status = text ? 200 : 503,
                                            .content_type = SLICE_LIT("text/plain"),
                                            .body = slice_str(text)});
}

static void (*answer_other)(struct net_request *req) = echo; /* a test may put its own here */

static inline void note_gone(struct ctx *ctx, struct net_request *req)
{
    (void)ctx;
    (void)req;
    atomic_fetch_add(&gone_count, 1);
}

static inline void answer_big(struct net_request *req)
{
    static char big[BIG_BYTES];
    memset(big, 'b', sizeof(big));
    uint64_t now = heap_bytes(HEAP_BUF);
    if (now > atomic_load(&buffers_seen))
        atomic_store(&buffers_seen, now);
    net_respond(req, &(struct net_response){.status = 200, .body = slice_of(big, sizeof(big))});
}

static inline void on_request(void *ctx, struct net_request *req)
{
    (void)ctx;
    atomic_fetch_add(&asked_count, 1);
    if (slice_eq_str(req->path, "/hold")) {
        req->on_gone = note_gone;
        held[atomic_load(&held_count)] = req;
        atomic_fetch_add(&held_count, 1);
    } else if (slice_eq_str(req->path, "/big")) {
        answer_big(req);
    } else {
        answer_other(req);
    }
}

static inline void on_head(void *ctx, struct net_request *req, struct net_body_plan *plan)
{
    (void)ctx;
    if (slice_eq_str(req->path, "/file"))
        plan->mode = NET_BODY_FD;
}

static inline void on_done(void *ctx, const struct net_request *req, int status, uint64_t bytes)
{
    (void)ctx;
    (void)req;
    (void)bytes;
    atomic_store(&done_status, status);
    atomic_fetch_add(&done_count, 1);
}

static inline void render_problem(void *ctx, int status, const char *detail, const char *id,
                                  struct buf *out)
{
    (void)ctx;
    buf_addf(out, "{\"status\":%d,\"detail\":\"%s\",\"id\":\"%s\"}", status, detail, id);
}

static inline void open_server(const struct net_server_cfg *given)
{
    struct err err = ERR_INIT;
    struct net_server_cfg cfg = *given;
    cfg.listen = "127.0.0.1:0";
    cfg.loops = &loop;
    cfg.loop_count = 1;
    cfg.name = "test";
    cfg.app = (struct net_app){.on_head = on_head,
                               .on_request = on_request,
                               .render_problem = render_problem,
                               .on_done = on_done};
    held_count = asked_count = gone_count = done_count = done_status = 0;
    buffers_seen = 0;
    assert_int_equal(net_loop_start("test", &loop, &err), RC_OK);
    if (net_server_start(&cfg, &server, &err) != RC_OK)
        fail_msg("%s", err.text);
}

static inline void open_with(struct net_limits limits)
{
    open_server(&(struct net_server_cfg){.limits = limits});
}

static inline void close_server(void)
{
    net_server_stop(server);
    net_loop_stop(loop);
}

/* ---- on the loop ---- */

struct call {
    struct net_task task;
    void (*run)(void *ctx);
    void *ctx;
    sem_t entered, go, done;
    bool is_gated;
};

static inline void run_call(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    struct call *call = CONTAINER_OF(task, struct call, task);
    sem_post(&call->entered);
    if (call->is_gated)
        while (sem_wait(&call->go) != 0)
            ;
    if (call->run)
        call->run(call->ctx);
    sem_post(&call->done);
}

static inline void call_begin(struct call *call, void (*run)(void *ctx), void *ctx, bool is_gated)
{
    *call = (struct call){.task = {.run = run_call}, .run = run, .ctx = ctx, .is_gated = is_gated};
    sem_init(&call->entered, 0, 0);
    sem_init(&call->go, 0, 0);
    sem_init(&call->done, 0, 0);
    net_loop_post(loop, &call->task);
    while (is_gated && sem_wait(&call->entered) != 0)
        ;
}

static inline void call_end(struct call *call)
{
    sem_post(&call->go);
    while (sem_wait(&call->done) != 0)
        ;
}

static inline void on_loop(void (*run)(void *ctx), void *ctx)
{
    struct call call;
    call_begin(&call, run, ctx, false);
    call_end(&call);
}

static inline void echo_held(void *ctx)
{
    struct net_request *const *req = ctx;
    echo(*req);
}

/* ---- clients ---- */

static inline void dial_on(int fd)
{
    uint64_t port;
    must(slice_to_u64(slice_str(strchr(net_server_address(server), ':') + 1), &port));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int small = 4096; /* so that a reader that does not read is soon felt */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
}

static inline int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    dial_on(fd);
    return fd;
}

static inline void say(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may have closed: the story looks at the answer */
        text += n;
        left -= (size_t)n;
    }
}

/* Reads until `until` was seen, or the end (then *ret_error is 0 or recv's errno); heap. */
static inline char *hear_or(int fd, const char *until, int *ret_error)
{
    char *all = heap_alloc(HEAP_MISC, ANSWER_MAX + 1);
    size_t len = 0;
    *ret_error = 0;
    while (!until || !strstr(all, until)) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (poll(&pfd, 1, WAIT_MS) != 1)
            fail_msg("no answer; so far: %.300s", all);
        ssize_t n = recv(fd, all + len, ANSWER_MAX - len, 0);
        if (n <= 0) {
            *ret_error = n < 0 ? errno : 0;
            break;
        }
        len += (size_t)n;
        all[len] = '\0';
    }
    return all;
}

static inline char *hear(int fd, const char *until)
{
    int error;
    return hear_or(fd, until, &error);
}

/* Hears and expects: an end that is no reset, a beginning, a part, and (NULL: not asked) what must
 * not be there. */
static inline void expect(int fd, const char *until, const char *begin, const char *part,
                          const char *absent)
{
    int error;
    char *answer = hear_or(fd, until, &error);
    if (error)
        fail_msg("%s, after: %.400s", strerror(error), answer);
    if (strncmp(answer, begin, strlen(begin)) != 0 || (part && !strstr(answer, part)) ||
        (absent && strstr(answer, absent)))
        fail_msg("not '%s' with '%s' and without '%s': %.400s", begin, part ? part : "",
                 absent ? absent : "", answer);
    heap_free(answer);
}

static inline void reset_connection(int fd)
{
    const struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

static inline void assert_served(void)
{
    int fd = dial();
    say(fd, "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(fd, NULL, "HTTP/1.1 200 OK\r\n", "/ok 0 ", NULL);
    close(fd);
}

/* The value of one metric of the server, by the beginning of its line. */
static inline int64_t metric_of(const char *line)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_render(&text);
    const char *at = strstr(buf_cstr(&text), line);
    const char *space = at ? strchr(at, ' ') : NULL;
    const char *end = space ? strchr(space, '\n') : NULL;
    uint64_t value = 0;
    if (end)
        must(slice_to_u64(slice_of(space + 1, (size_t)(end - space - 1)), &value));
    buf_done(&text);
    return end ? (int64_t)value : -1;
}
#endif
