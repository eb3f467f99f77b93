/* What a request's context holds when it comes from a real connection, and that the next request on
 * it finds nothing of the one before. */
#include "net_fixture.h"

#include "base/uuid.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

/* ---- the application: tells what it sees ---- */

static void tell(struct net_request *req)
{
    const struct ctx *ctx = req->ctx;
    char id[33] = "", link[33] = "";
    slice_hex(ctx->trace_id, sizeof(ctx->trace_id), id);
    slice_hex(ctx->link_trace_id, sizeof(ctx->link_trace_id), link);
    const char *text = arena_printf(
        ctx->arena,
        "slot=%p actor=[%s] role=%u reason=[%.*s] correlation=[%.*s] agent=[%.*s] address=[%.*s] "
        "id=[%s] trace=[%s] parent=%d link=[%s] current=%d",
        (const void *)ctx, ctx->claims->actor.id, ctx->claims->role, SLICE_ARG(ctx->reason),
        SLICE_ARG(ctx->correlation), SLICE_ARG(ctx->user_agent), SLICE_ARG(ctx->client_address),
        ctx->request_id, id, ctx->has_parent, link, ctx_current() == ctx);
    net_respond(req, &(struct net_response){.status = 200, .body = slice_str(text)});
}

static _Atomic int late_runs;

static void run_late(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    (void)task;
    atomic_fetch_add(&late_runs, 1);
}

/* It will be due when the answer below it has been given. */
static void post_late(const struct net_request *req)
{
    static struct net_task task;
    task = (struct net_task){.ctx = ctx_ref(req->ctx), .run = run_late};
    net_loop_post(req->loop, &task);
}

static void work_then_tell(struct ctx *ctx, void *arg)
{
    must(ctx_current() == ctx);
    tell(arg);
}

static void see_context(struct ctx *ctx, void *arg)
{
    const struct net_request *req = arg;
    must(ctx == req->ctx && ctx_current() == ctx && !net_loop_current());
}

static void answer_context(struct net_request *req)
{
    if (slice_eq_str(req->path, "/login")) {
        struct ctx_claims claims = {.actor = {CTX_USER, "alice"}, .role = 7, .permissions = 1};
        ctx_set_claims(req->ctx, &claims);
    }
    if (slice_eq_str(req->path, "/late"))
        post_late(req);
    if (slice_eq_str(req->path, "/work"))
        net_loop_work(req->ctx, req->loop, see_context, work_then_tell, req);
    else
        tell(req);
}

static int open_context(void **state)
{
    (void)state;
    answer_other = answer_context;
    late_runs = 0;
    open_with((struct net_limits){0});
    return 0;
}

static int close_context(void **state)
{
    (void)state;
    close_server();
    assert_int_equal(ctx_live(), 0);
    return 0;
}

/* ---- clients ---- */

static char *ask(int fd, const char *path, const char *headers)
{
    char text[2048];
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, headers);
    say(fd, text);
    return hear(fd, "current=1");
}

static void expect_part(const char *answer, const char *part)
{
    if (!strstr(answer, part))
        fail_msg("no '%s' in: %s", part, answer);
}

static void expect_nobody(const char *answer)
{
    if (strstr(answer, "alice") || !strstr(answer, "actor=[] role=0 reason=[] correlation=[]"))
        fail_msg("leak: an anonymous request sees %s", strstr(answer, "slot="));
}

static const char login[] = "X-Reason: alice asked\r\nX-Correlation-Id: alice-1\r\n"
                            "User-Agent: alice/1\r\ntraceparent: 00-" TRACE "-" SPAN "-01\r\n";

static void the_next_on_a_connection_is_nobody(void **state)
{
    (void)state;
    int fd = dial();
    char *first = ask(fd, "/login", login);
    char *second = ask(fd, "/who", "");
    expect_part(first, "actor=[alice] role=7 reason=[alice asked] correlation=[alice-1] "
                       "agent=[alice/1] address=[127.0.0.1]");
    expect_nobody(second);
    expect_part(second, "agent=[]");
    expect_part(second, "parent=0 link=[00000000000000000000000000000000]");
    /* It is the same memory: nothing was proved otherwise. */
    assert_memory_equal(strstr(first, "slot="), strstr(second, "slot="), 19);
    heap_free(first);
    heap_free(second);
    close(fd);
}

static void the_next_in_a_pipeline_is_nobody(void **state)
{
    (void)state;
    int fd = dial();
    char text[1024];
    snprintf(text, sizeof(text),
             "GET /login HTTP/1.1\r\nHost: a\r\n%s\r\nGET /who HTTP/1.1\r\nHost: a\r\n"
             "Connection: close\r\n\r\n",
             login);
    say(fd, text);
    char *answers = hear(fd, NULL);
    char *second = strstr(answers + 1, "HTTP/1.1 200");
    assert_non_null(second);
    expect_nobody(second);
    heap_free(answers);
    close(fd);
}

static void the_next_on_another_connection_is_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int fd = dial(), other = dial();
        heap_free(ask(fd, "/login", login));
        close(fd);
        char *answer = ask(other, "/who", "");
        expect_nobody(answer);
        heap_free(answer);
        close(other);
    }
}

static void after_a_refusal_the_next_is_nobody(void **state)
{
    (void)state;
    int fd = dial();
    char *first = ask(fd, "/login", login);
    say(fd, "GET /who HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    char *refusal = hear(fd, NULL);
    expect_part(refusal, "HTTP/1.1 400");
    expect_part(refusal, "\r\ntraceparent: 00-");
    expect_part(refusal, "X-Request-Id: ");
    assert_null(strstr(refusal, "alice"));
    heap_free(first);
    heap_free(refusal);
    close(fd);
}

static void a_continuation_after_the_answer_is_not_run(void **state)
{
    (void)state;
    uint64_t stale = ctx_stale();
    int fd = dial();
    heap_free(ask(fd, "/late", ""));
    heap_free(ask(fd, "/login", "")); /* has the slot now, perhaps before the task was due */
    WAIT_FOR(ctx_stale() > stale || atomic_load(&late_runs));
    if (atomic_load(&late_runs))
        fail_msg("leak: a task of a request that is over was run");
    assert_int_equal(ctx_stale(), stale + 1);
    close(fd);
}

static void workers_are_inside_the_context(void **state)
{
    (void)state;
    int fd = dial();
    char *answer = ask(fd, "/work", "X-Request-Id: worked\r\n");
    expect_part(answer, "id=[worked]");
    heap_free(answer);
    close(fd);
}

static void a_trace_is_ours_and_the_callers_a_link(void **state)
{
    static const struct {
        const char *headers, *link;
    } cases[] = {
        {"", "parent=0"},
        {"traceparent: 00-" TRACE "-" SPAN "-01\r\n", "parent=1 link=[" TRACE "]"},
        {"traceparent: cc-" TRACE "-" SPAN "-01-more\r\n", "parent=1 link=[" TRACE "]"},
        {"traceparent: ff-" TRACE "-" SPAN "-01\r\n", "parent=0"},
        {"traceparent: 00-" TRACE "-" SPAN "-01\r\ntraceparent: 00-" TRACE "-" SPAN "-01\r\n",
         "parent=0"},
    };
    (void)state;
    int fd = dial();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *answer = ask(fd, "/who", cases[i].headers);
        expect_part(answer, cases[i].link);
        assert_null(strstr(answer, "trace=[" TRACE));
        /* The answer names the trace that the handler saw. */
        char want[64];
        snprintf(want, sizeof(want), "traceparent: 00-%.32s-", strstr(answer, "trace=[") + 7);
        expect_part(answer, want);
        heap_free(answer);
    }
    close(fd);
}

static void ids_are_names_or_ours(void **state)
{
    static const struct {
        const char *headers, *part;
    } cases[] = {
        {"X-Request-Id: a-1_2.C\r\n", "id=[a-1_2.C]"},
        {"X-Correlation-Id: order-5\r\n", "correlation=[order-5]"},
        {"X-Correlation-Id: or\"der\r\n", "correlation=[]"},
    };
    (void)state;
    int fd = dial();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *answer = ask(fd, "/who", cases[i].headers);
        expect_part(answer, cases[i].part);
        heap_free(answer);
    }
    const char *const bad[] = {"X-Request-Id: a b\r\n", "",
                               "X-Request-Id: 0123456789012345678901234567890123456789\r\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct uuid id;
        char *answer = ask(fd, "/who", bad[i]);
        assert_true(uuid_parse(slice_of(strstr(answer, "id=[") + 4, UUID_TEXT_LEN), &id));
        heap_free(answer);
    }
    close(fd);
}

static void among_ourselves_a_trace_goes_on(void **state)
{
    (void)state;
    close_server();
    open_server(&(struct net_server_cfg){.is_trace_trusted = true});
    int fd = dial();
    char *answer = ask(fd, "/who", "traceparent: 00-" TRACE "-" SPAN "-01\r\n");
    expect_part(answer, "trace=[" TRACE "]");
    expect_part(answer, "traceparent: 00-" TRACE "-");
    assert_null(strstr(answer, "traceparent: 00-" TRACE "-" SPAN)); /* in a span of its own */
    heap_free(answer);
    close(fd);
}

static void who_leaves_takes_its_context_along(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "POST /who HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    WAIT_FOR(ctx_live() == 1);
    reset_connection(fd);
    WAIT_FOR(ctx_live() == 0);
    fd = dial();
    say(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    reset_connection(fd);
    WAIT_FOR(atomic_load(&gone_count) == 1);
    assert_int_equal(ctx_live(), 1); /* until the handler is done with it */
    on_loop(echo_held, &held[0]);
    WAIT_FOR(ctx_live() == 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_next_on_a_connection_is_nobody),
        CASE(the_next_in_a_pipeline_is_nobody),
        CASE(the_next_on_another_connection_is_nobody),
        CASE(after_a_refusal_the_next_is_nobody),
        CASE(a_continuation_after_the_answer_is_not_run),
        CASE(workers_are_inside_the_context),
        CASE(a_trace_is_ours_and_the_callers_a_link),
        CASE(ids_are_names_or_ours),
        CASE(among_ourselves_a_trace_goes_on),
        CASE(who_leaves_takes_its_context_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
