#include "base_test.h"

#include <pthread.h>
#include <stdio.h>

#include "base/ctx.h"
#include "base/heap.h"
#include "base/poison.h"

enum { ARENA_MAX = 1 << 20 };

static const struct ctx_claims alice = {
    .actor = {CTX_USER, "user_alice"},
    .executor = {CTX_API_KEY, "key_1"},
    .has_org = true,
    .role = 2,
    .permissions = 5,
};

static int make_pool(void **state)
{
    *state = ctx_pool_new();
    return 0;
}

static int free_pool(void **state)
{
    ctx_must_be_outside();
    ctx_pool_free(*state);
    return 0;
}

static struct ctx *fresh(struct ctx_pool *pool)
{
    struct ctx *ctx = ctx_new(pool, ARENA_MAX);
    assert_non_null(ctx);
    return ctx;
}

static void a_new_one_is_nobodys(void **state)
{
    struct ctx *ctx = fresh(*state), *other = fresh(*state);
    assert_ptr_equal(ctx->claims, CTX_CLAIMS_NOBODY);
    assert_int_equal(ctx->claims->actor.kind, CTX_NOBODY);
    assert_int_equal(ctx->claims->permissions, 0);
    assert_string_equal(ctx->request_id, "");
    assert_false(ctx->has_parent);
    assert_int_equal(ctx->reason.len + ctx->correlation.len + ctx->causation.len, 0);
    assert_memory_not_equal(ctx->trace_id, other->trace_id, sizeof(ctx->trace_id));
    assert_memory_not_equal(ctx->span_id, other->span_id, sizeof(ctx->span_id));
    ctx_release(ctx);
    ctx_release(other);
}

static void nothing_is_left_for_the_next(void **state)
{
    struct ctx *first = fresh(*state);
    ctx_set_claims(first, &alice);
    snprintf(first->request_id, sizeof(first->request_id), "first");
    first->reason = arena_copy(first->arena, SLICE_LIT("because"));
    first->correlation = first->causation = first->reason;
    ctx_link_trace(first, &(struct ctx_span){{1}, {2}, 1});
    ctx_release(first);
    struct ctx *second = fresh(*state);
    assert_ptr_equal(second, first); /* the same memory: that is the point */
    assert_ptr_equal(second->claims, CTX_CLAIMS_NOBODY);
    assert_string_equal(second->request_id, "");
    assert_int_equal(second->reason.len + second->correlation.len + second->causation.len, 0);
    assert_false(second->has_parent);
    assert_int_equal(second->arena->bytes_used, 0);
    ctx_release(second);
}

static void a_stale_reference_is_refused(void **state)
{
    struct ctx *ctx = fresh(*state);
    struct ctx_ref ref = ctx_ref(ctx);
    uint64_t before = ctx_stale();
    assert_false(ctx_is_stale(ref));
    assert_ptr_equal(ctx_enter(ref), ctx);
    ctx_leave(ctx);
    ctx_release(ctx);
    assert_true(ctx_is_stale(ref));
    assert_null(ctx_enter(ref));
    struct ctx *next = fresh(*state);
    assert_ptr_equal(next, ctx);
    assert_null(ctx_enter(ref));
    assert_int_equal(ctx_stale(), before + 2);
    assert_null(ctx_current());
    ctx_release(next);
}

static void an_empty_reference_is_no_mistake(void **state)
{
    uint64_t before = ctx_stale();
    (void)state;
    assert_null(ctx_ref(NULL).ctx);
    assert_null(ctx_enter(ctx_ref(NULL)));
    ctx_leave(NULL);
    assert_int_equal(ctx_stale(), before);
}

static void the_current_one_is_restored(void **state)
{
    struct ctx *outer = fresh(*state), *inner = fresh(*state);
    struct ctx *entered = ctx_enter(ctx_ref(outer));
    assert_ptr_equal(ctx_current(), outer);
    struct ctx *nested = ctx_enter(ctx_ref(inner));
    assert_ptr_equal(ctx_current(), inner);
    ctx_leave(nested);
    assert_ptr_equal(ctx_current(), outer);
    ctx_leave(entered);
    assert_null(ctx_current());
    ctx_release(outer);
    ctx_release(inner);
}

/* A handler answers, and its request is over before it returns. */
static void released_inside_it_is_current_no_more(void **state)
{
    struct ctx *ctx = ctx_enter(ctx_ref(fresh(*state)));
    ctx_release(ctx);
    assert_null(ctx_current());
    struct ctx *next = ctx_enter(ctx_ref(fresh(*state))); /* a pipelined one, in the same slot */
    assert_ptr_equal(next, ctx);
    assert_ptr_equal(ctx_current(), next);
    ctx_leave(next);
    assert_null(ctx_current());
    ctx_leave(ctx);
    ctx_release(next);
}

static void set_claims_twice(void *pool)
{
    struct ctx *ctx = fresh(pool);
    ctx_set_claims(ctx, &alice);
    ctx_set_claims(ctx, &alice);
}

static void release_twice(void *pool)
{
    struct ctx *ctx = fresh(pool);
    ctx_release(ctx);
    ctx_release(ctx);
}

static void leave_another(void *pool)
{
    struct ctx *a = ctx_enter(ctx_ref(fresh(pool)));
    struct ctx *b = ctx_enter(ctx_ref(fresh(pool)));
    ctx_leave(a);
    ctx_leave(b);
}

static void forget_to_leave(void *pool)
{
    IGNORE(!ctx_enter(ctx_ref(fresh(pool))), "it is live");
    ctx_must_be_outside();
}

static void free_with_a_live_one(void *pool)
{
    fresh(pool);
    ctx_pool_free(pool);
}

static void our_mistakes_stop_the_program(void **state)
{
    assert_dies(set_claims_twice, *state);
    assert_dies(release_twice, *state);
    assert_dies(leave_another, *state);
    assert_dies(forget_to_leave, *state);
    assert_dies(free_with_a_live_one, *state);
}

static void claims_are_a_copy(void **state)
{
    struct ctx *ctx = fresh(*state);
    struct ctx_claims claims = alice;
    ctx_set_claims(ctx, &claims);
    memset(&claims, 0, sizeof(claims));
    assert_string_equal(ctx->claims->actor.id, "user_alice");
    assert_int_equal(ctx->claims->permissions, 5);
    ctx_release(ctx);
}

static void read_arena_after_release(void *pool)
{
    struct ctx *ctx = fresh(pool);
    volatile char *p = arena_zalloc(ctx->arena, 100);
    ctx_release(ctx);
    if (p[3] == 1)
        _exit(3);
}

static void read_ctx_after_release(void *pool)
{
    struct ctx *ctx = fresh(pool);
    ctx_release(ctx);
    if (ctx->has_parent)
        _exit(3);
}

static void asan_sees_use_after_release(void **state)
{
#ifdef HAS_ASAN
    assert_dies(read_arena_after_release, *state);
    assert_dies(read_ctx_after_release, *state);
#else
    (void)read_arena_after_release;
    (void)read_ctx_after_release;
    (void)state;
    skip();
#endif
}

static void released_memory_holds_nothing(void **state)
{
#ifdef HAS_ASAN
    (void)state; /* which would not let us look */
    skip();
#else
    struct ctx *ctx = fresh(*state);
    const unsigned char *p =
        (const unsigned char *)arena_copy(ctx->arena, SLICE_LIT("secret")).data;
    ctx_set_claims(ctx, &alice);
    ctx_release(ctx);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(p[i], POISON_BYTE);
    for (size_t i = 0; i < offsetof(struct ctx, generation_); i++)
        assert_int_equal(((const unsigned char *)ctx)[i], POISON_BYTE);
    assert_null(memmem(ctx, sizeof(*ctx), "alice", 5));
#endif
}

static void they_are_counted(void **state)
{
    struct ctx_count n;
    struct ctx *many[600];
    uint64_t before = ctx_live();
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = fresh(*state);
        assert_non_null(arena_alloc(many[i]->arena, 100));
    }
    ctx_count(*state, &n);
    assert_int_equal(n.live, COUNT_OF(many));
    assert_int_equal(n.arena_bytes, COUNT_OF(many) * 112);
    assert_int_equal(ctx_live(), before + COUNT_OF(many));
    for (size_t i = 0; i < COUNT_OF(many); i++)
        ctx_release(many[(i * 7) % COUNT_OF(many)]);
    ctx_count(*state, &n);
    assert_int_equal(n.live, 0);
    assert_int_equal(n.arena_bytes, 0);
    assert_true(n.held_bytes <= 256 * 8192); /* a burst's memory goes back */
    assert_int_equal(ctx_live(), before);
}

static void warm_ones_need_no_heap(void **state)
{
    ctx_release(fresh(*state));
    struct ctx *ctx = fresh(*state);
    assert_non_null(arena_alloc(ctx->arena, 100));
    ctx_release(ctx);
    uint64_t calls = heap_calls();
    for (int i = 0; i < 1000; i++) {
        ctx = fresh(*state);
        assert_non_null(arena_alloc(ctx->arena, 4000));
        ctx_release(ctx);
    }
    assert_int_equal(heap_calls(), calls);
}

static void no_memory_is_a_failure(void **state)
{
    struct ctx *held[4096];
    size_t n = 0;
    heap_fail_after(1);
    while (n < COUNT_OF(held) && (held[n] = ctx_new(*state, ARENA_MAX)))
        n++;
    heap_fail_after(0);
    assert_true(n < COUNT_OF(held));
    struct ctx_count count;
    ctx_count(*state, &count);
    assert_int_equal(count.live, n);
    while (n)
        ctx_release(held[--n]);
}

static void references_outlive_their_pool(void **state)
{
    struct ctx_pool *pool = ctx_pool_new();
    struct ctx *ctx = fresh(pool);
    struct ctx_ref ref = ctx_ref(ctx);
    (void)state;
    ctx_release(ctx);
    ctx_pool_free(pool);
    assert_true(ctx_is_stale(ref));
    assert_null(ctx_enter(ref));
}

/* ---- envelope ---- */

static const char *exported(const struct ctx *ctx)
{
    static struct buf out;
    buf_init(&out, 4096);
    ctx_export(ctx, &out);
    assert_true(buf_ok(&out));
    static char text[4096];
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    buf_done(&out);
    return text;
}

static struct ctx *known(struct ctx_pool *pool)
{
    struct ctx *ctx = fresh(pool);
    memset(ctx->trace_id, 0xab, sizeof(ctx->trace_id));
    memset(ctx->span_id, 0xcd, sizeof(ctx->span_id));
    snprintf(ctx->request_id, sizeof(ctx->request_id), "req-1");
    return ctx;
}

static void the_envelope_has_handles_only(void **state)
{
    struct ctx *ctx = known(*state);
    ctx->client_address = SLICE_LIT("203.0.113.9");
    ctx->user_agent = SLICE_LIT("curl/8");
    ctx->reason = SLICE_LIT("ticket 4711");
    assert_string_equal(
        exported(ctx),
        "\"traceparent\":\"00-abababababababababababababababab-cdcdcdcdcdcdcdcd-00\","
        "\"correlationid\":\"req-1\",\"authtype\":\"unauthenticated\","
        "\"executortype\":\"unauthenticated\"");
    ctx->correlation = SLICE_LIT("order \"5\"\n");
    ctx->causation = SLICE_LIT("0197");
    ctx_link_trace(ctx, &(struct ctx_span){{0x11}, {0x22}, 0xff});
    ctx_set_claims(ctx, &alice);
    assert_string_equal(
        exported(ctx),
        "\"traceparent\":\"00-abababababababababababababababab-cdcdcdcdcdcdcdcd-00\","
        "\"tracelink\":\"00-11000000000000000000000000000000-2200000000000000-ff\","
        "\"correlationid\":\"order \\\"5\\\"\\u000a\",\"causationid\":\"0197\","
        "\"authtype\":\"user\",\"authid\":\"user_alice\",\"executortype\":\"api_key\","
        "\"executorid\":\"key_1\"");
    ctx_release(ctx);
}

static void long_texts_are_cut_between_characters(void **state)
{
    struct ctx *ctx = known(*state);
    char text[400];
    memset(text, 'x', sizeof(text));
    text[CTX_TEXT_BYTES_MAX - 1] = '\xc3'; /* the two bytes of a u umlaut */
    text[CTX_TEXT_BYTES_MAX] = '\xbc';
    ctx->correlation = slice_of(text, sizeof(text));
    const char *out = strstr(exported(ctx), "\"correlationid\":\"");
    assert_non_null(out);
    assert_int_equal(strspn(out + 17, "x"), CTX_TEXT_BYTES_MAX - 1);
    assert_memory_equal(out + 17 + CTX_TEXT_BYTES_MAX - 1, "\",", 2);
    ctx_release(ctx);
}

static void kinds_have_the_names_of_authcontext(void **state)
{
    (void)state;
    assert_string_equal(ctx_actor_name(CTX_NOBODY), "unauthenticated");
    assert_string_equal(ctx_actor_name(CTX_USER), "user");
    assert_string_equal(ctx_actor_name(CTX_API_KEY), "api_key");
    assert_string_equal(ctx_actor_name(CTX_TOKEN), "app_user");
    assert_string_equal(ctx_actor_name(CTX_SYSTEM), "system");
}

static struct ctx_envelope envelope(void)
{
    static const char *const pairs[][2] = {
        {"traceparent", "00-abababababababababababababababab-cdcdcdcdcdcdcdcd-01"},
        {"correlationid", "req-1"},
        {"causationid", "before"},
        {"authtype", "user"},
        {"authid", "user_alice"},
        {"executortype", "api_key"},
        {"executorid", "key_1"},
    };
    struct ctx_envelope e = {.authid = SLICE_EMPTY};
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_true(ctx_envelope_put(&e, slice_str(pairs[i][0]), slice_str(pairs[i][1])));
    assert_false(ctx_envelope_put(&e, SLICE_LIT("data"), SLICE_LIT("x")));
    return e;
}

static const struct ctx_claims notifier = {
    .executor = {CTX_SYSTEM, "consumer/notify"}, .has_org = true, .permissions = 64};

static void a_consumer_acts_for_the_original(void **state)
{
    struct ctx *ctx = fresh(*state);
    struct ctx_envelope e = envelope();
    uint8_t span[8];
    memcpy(span, ctx->span_id, sizeof(span));
    ctx_import(ctx, &e, SLICE_LIT("event-7"), &notifier);
    assert_int_equal(ctx->claims->actor.kind, CTX_USER);
    assert_string_equal(ctx->claims->actor.id, "user_alice");
    assert_int_equal(ctx->claims->executor.kind, CTX_SYSTEM);
    assert_string_equal(ctx->claims->executor.id, "consumer/notify");
    assert_int_equal(ctx->claims->permissions, 64);
    assert_true(slice_eq_str(ctx->correlation, "req-1"));
    assert_true(slice_eq_str(ctx->causation, "event-7"));
    assert_int_equal(ctx->trace_id[0], 0xab);
    assert_int_equal(ctx->parent_id[7], 0xcd);
    assert_int_equal(ctx->trace_flags, CTX_TRACE_SAMPLED);
    assert_memory_equal(ctx->span_id, span, sizeof(span)); /* a new span of that trace */
    const char *out = exported(ctx);
    assert_non_null(strstr(out, "\"traceparent\":\"00-abababababababababababababababab-"));
    assert_null(strstr(out, "tracelink"));
    assert_non_null(strstr(out, "\"causationid\":\"event-7\",\"authtype\":\"user\","
                                "\"authid\":\"user_alice\",\"executortype\":\"system\","
                                "\"executorid\":\"consumer/notify\""));
    ctx_release(ctx);
}

static void a_broken_envelope_gives_nobody(void **state)
{
    char long_id[100];
    memset(long_id, 'a', sizeof(long_id));
    const struct ctx_envelope broken[] = {
        {.authtype = SLICE_LIT("root"), .authid = SLICE_LIT("user_alice")},
        {.authtype = SLICE_LIT("user"), .authid = slice_of(long_id, 64)},
        {.traceparent = SLICE_LIT("00-ABABABABABABABABABABABABABABABAB-cdcdcdcdcdcdcdcd-01")},
        {.traceparent = SLICE_LIT("00-00000000000000000000000000000000-cdcdcdcdcdcdcdcd-01")},
        {.traceparent = SLICE_LIT("01-abababababababababababababababab-cdcdcdcdcdcdcdcd-01")},
        {.authid = SLICE_EMPTY},
    };
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct ctx *ctx = fresh(*state);
        ctx_import(ctx, &broken[i], SLICE_EMPTY, &notifier);
        assert_int_equal(ctx->claims->actor.kind, CTX_NOBODY);
        assert_string_equal(ctx->claims->actor.id, "");
        assert_int_equal(ctx->claims->executor.kind, CTX_SYSTEM);
        assert_false(ctx->has_parent);
        ctx_release(ctx);
    }
}

static void our_own_work_is_the_systems(void **state)
{
    struct ctx *ctx = ctx_new_system(*state, ARENA_MAX, "import");
    assert_non_null(ctx);
    assert_int_equal(strlen(ctx->request_id), CTX_REQUEST_ID_LEN);
    assert_non_null(strstr(exported(ctx), "\"authtype\":\"system\",\"authid\":\"import\","
                                          "\"executortype\":\"system\",\"executorid\":\"import\""));
    ctx_release(ctx);
}

/* ---- threads ---- */

/* References go round between threads; each makes, hands over, and releases its own. */
enum { THREADS = 4, ROUNDS = 20000 };
static _Atomic(struct ctx *) mailbox_ctx[THREADS];
static _Atomic uint64_t mailbox_generation[THREADS];

static void *pass_around(void *arg)
{
    size_t me = (size_t)(uintptr_t)arg;
    struct ctx_pool *pool = ctx_pool_new();
    for (size_t i = 0; i < ROUNDS; i++) {
        struct ctx *ctx = fresh(pool);
        struct ctx_ref ref = ctx_ref(ctx);
        ctx->deadline.ns = (int64_t)me;
        mailbox_ctx[me] = ctx;
        mailbox_generation[me] = ref.generation;
        struct ctx_ref other = {mailbox_ctx[(me + 1) % THREADS],
                                mailbox_generation[(me + 1) % THREADS]};
        ctx_leave(ctx_enter(other)); /* perhaps stale, perhaps not: never a crash */
        struct ctx *entered = ctx_enter(ref);
        assert_ptr_equal(ctx_current(), ctx);
        assert_int_equal(entered->deadline.ns, (int64_t)me);
        ctx_leave(entered);
        ctx_release(ctx);
    }
    ctx_must_be_outside();
    ctx_pool_free(pool);
    return NULL;
}

static void threads_do_not_meet_in_a_context(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_around, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ctx_live(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_pool, free_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_one_is_nobodys),
        CASE(nothing_is_left_for_the_next),
        CASE(a_stale_reference_is_refused),
        CASE(an_empty_reference_is_no_mistake),
        CASE(the_current_one_is_restored),
        CASE(released_inside_it_is_current_no_more),
        CASE(our_mistakes_stop_the_program),
        CASE(claims_are_a_copy),
        CASE(asan_sees_use_after_release),
        CASE(released_memory_holds_nothing),
        CASE(they_are_counted),
        CASE(warm_ones_need_no_heap),
        CASE(no_memory_is_a_failure),
        CASE(references_outlive_their_pool),
        CASE(the_envelope_has_handles_only),
        CASE(long_texts_are_cut_between_characters),
        CASE(kinds_have_the_names_of_authcontext),
        CASE(a_consumer_acts_for_the_original),
        CASE(a_broken_envelope_gives_nobody),
        CASE(our_own_work_is_the_systems),
        CASE(threads_do_not_meet_in_a_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
