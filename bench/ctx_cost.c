/* WHAT: what a request's context costs: CPU time per operation, the least of several rounds (others
 * on the machine can only make it more). docs/internals/context.md quotes it. */
#include <stdio.h>
#include <time.h>

#include "base/ctx.h"
#include "base/must.h"

enum { ROUNDS = 20, TIMES = 100000, ARENA_MAX = 1 << 20, TYPICAL_BYTES = 1500 };

static struct ctx_pool *pool;
static struct ctx *held;
static struct buf out;
static const struct ctx_claims claims = {.actor = {CTX_USER, "0198c0de-0000-7000-8000-1"},
                                         .executor = {CTX_API_KEY, "0198c0de-0000-7000-8000-2"}};

static struct ctx *make(void)
{
    struct ctx *ctx = ctx_new(pool, ARENA_MAX);
    must(ctx);
    return ctx;
}

static void new_release(void)
{
    ctx_release(make());
}

static void new_fill_release(void)
{
    struct ctx *ctx = make();
    must(arena_alloc(ctx->arena, TYPICAL_BYTES));
    ctx_release(ctx);
}

static void new_claims_release(void)
{
    struct ctx *ctx = make();
    ctx_set_claims(ctx, &claims);
    ctx_release(ctx);
}

static void enter_leave(void)
{
    struct ctx *ctx = ctx_enter(ctx_ref(held));
    ctx_leave(ctx);
}

static void traceparent(void)
{
    char text[CTX_TRACEPARENT_LEN + 1];
    ctx_traceparent(held, text);
    __asm__ volatile("" : : "r"(text) : "memory"); /* or the compiler leaves it out */
}

static void export(void)
{
    buf_clear(&out);
    ctx_export(held, &out);
}

static double ns_of(void (*run)(void))
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        for (int i = 0; i < TIMES; i++)
            run();
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / TIMES;
        least = ns < least ? ns : least;
    }
    return least;
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {
        {"ctx_new + ctx_release", new_release},
        {"the same with 1,500 bytes of arena", new_fill_release},
        {"the same with claims", new_claims_release},
        {"ctx_enter + ctx_leave", enter_leave},
        {"ctx_traceparent", traceparent},
        {"ctx_export", export},
    };
    pool = ctx_pool_new();
    held = make();
    ctx_set_claims(held, &claims);
    buf_init(&out, 4096);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        printf("%-36s %6.1f ns\n", all[i].name, ns_of(all[i].run));
    buf_done(&out);
    ctx_release(held);
    ctx_pool_free(pool);
    return 0;
}
