/* WHAT    Contexts: slots, generations, the thread's current one.
 * WHY     A server that handles many requests on one thread leaks one tenant's data to another in
 *         three ways: a continuation runs for a request that is over, a slot is used again without
 *         being cleared, or "the current request" is not the one that is being worked on. Each has
 *         one place here that refuses it. The tests of tests/sim are run over this file without
 *         them, too (WEIR_BUG_STALE_CTX), and must then fail.
 * LAYOUT  Slots come in slabs that live as long as the process (SLAB_TYPESAFE_BY_RCU is the same
 *         idea): reading the generation of a stale reference is always allowed. A free slot keeps
 *         its arena's first chunk while its pool has few of those (warm), else none (cold).
 * THREADS A pool is its thread's. The reserve of slots and the list of pools have a mutex.
 *         generation_ is written by the owner and read by whoever holds a reference. */
#include "base/ctx.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/poison.h"
#include "base/random.h"

#ifndef WEIR_BUG_STALE_CTX
#define WEIR_BUG_STALE_CTX 0 /* bits: which of the three is left out */
#endif
enum {
    HAS_GENERATIONS = !(WEIR_BUG_STALE_CTX & 1),
    HAS_RESET = !(WEIR_BUG_STALE_CTX & 2),
    HAS_WIPE = !(WEIR_BUG_STALE_CTX & 4),
};

enum {
    SLAB_SLOTS = 32,
    WARM_MAX = 256, /* free slots of a pool that keep a chunk */
    ARENA_CHUNK = 8 << 10,
    WARM_BYTES_MAX = 4 * ARENA_CHUNK, /* larger first chunks are not kept */
    DEPTH_MAX = 8,
    CANARY = 0x43745831,
    PUBLIC_BYTES = offsetof(struct ctx, generation_),
};
_Static_assert(PUBLIC_BYTES % 8 == 0, "AddressSanitizer's granule: all of it can be poisoned");

const struct ctx_claims ctx_claims_nobody = {.actor = {.kind = CTX_NOBODY}};

struct slab {
    struct slab *next;
    struct ctx slots[SLAB_SLOTS];
};
struct ctx_pool {
    struct ctx *live; /* doubly linked */
    struct ctx *warm, *cold;
    uint32_t warm_count;
    _Atomic uint32_t live_count; /* written by the pool's thread alone */
    struct ctx_pool *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the four */
static struct slab *slabs;                               /* all there ever were */
static struct ctx *reserve;                              /* cold slots of pools that are gone */
static struct ctx_pool *pools;

static _Atomic uint64_t stale_count;

/* What is entered on this thread, innermost last. References, so that it can be told when one was
 * released while it was current. */
static _Thread_local struct {
    struct ctx_ref entered[DEPTH_MAX];
    unsigned depth;
} here;

/* ---- slots ---- */

static void push(struct ctx **list, struct ctx *ctx)
{
    ctx->next_ = *list;
    *list = ctx;
}

static struct ctx *pop(struct ctx **list)
{
    struct ctx *ctx = *list;
    if (ctx)
        *list = ctx->next_;
    return ctx;
}

static struct ctx *slab_new(void)
{
    struct slab *slab = heap_try_alloc(HEAP_CTX, sizeof(*slab));
    if (!slab)
        return NULL;
    slab->next = slabs;
    slabs = slab;
    for (unsigned i = 0; i < SLAB_SLOTS; i++) {
        slab->slots[i].canary_ = CANARY;
        push(&reserve, &slab->slots[i]);
    }
    return pop(&reserve);
}

static struct ctx *slot_take(struct ctx_pool *pool)
{
    struct ctx *ctx = pop(&pool->warm);
    if (ctx) {
        pool->warm_count--;
        return ctx;
    }
    ctx = pop(&pool->cold);
    if (ctx)
        return ctx;
    pthread_mutex_lock(&lock);
    ctx = pop(&reserve);
    if (!ctx)
        ctx = slab_new();
    pthread_mutex_unlock(&lock);
    return ctx;
}

static void slot_give(struct ctx_pool *pool, struct ctx *ctx)
{
    bool is_warm = pool->warm_count < WARM_MAX && ctx->arena_.bytes_held <= WARM_BYTES_MAX;
    if (is_warm) {
        pool->warm_count++;
        push(&pool->warm, ctx);
    } else {
        arena_done(&ctx->arena_);
        push(&pool->cold, ctx);
    }
}

/* ---- pools ---- */

struct ctx_pool *ctx_pool_new(void)
{
    struct ctx_pool *pool = heap_alloc(HEAP_CTX, sizeof(*pool));
    pthread_mutex_lock(&lock);
    pool->next = pools;
    pools = pool;
    pthread_mutex_unlock(&lock);
    return pool;
}

void ctx_pool_free(struct ctx_pool *pool)
{
    struct ctx *ctx;
    if (!pool)
        return;
    must(!pool->live);
    pthread_mutex_lock(&lock);
    while ((ctx = pop(&pool->warm))) {
        arena_done(&ctx->arena_);
        push(&reserve, ctx);
    }
    while ((ctx = pop(&pool->cold)))
        push(&reserve, ctx);
    struct ctx_pool **at = &pools;
    while (*at != pool)
        at = &(*at)->next;
    *at = pool->next;
    pthread_mutex_unlock(&lock);
    heap_free(pool);
}

static void count_live(struct ctx_pool *pool, uint32_t change)
{
    uint32_t n = atomic_load_explicit(&pool->live_count, memory_order_relaxed);
    atomic_store_explicit(&pool->live_count, n + change, memory_order_relaxed);
}

/* ---- life ---- */

static void live_link(struct ctx_pool *pool, struct ctx *ctx)
{
    ctx->pool_ = pool;
    ctx->is_live_ = true;
    ctx->prev_ = NULL;
    push(&pool->live, ctx);
    if (ctx->next_)
        ctx->next_->prev_ = ctx;
    count_live(pool, 1);
}

static void live_unlink(struct ctx_pool *pool, struct ctx *ctx)
{
    ctx->is_live_ = false;
    if (ctx->prev_)
        ctx->prev_->next_ = ctx->next_;
    else
        pool->live = ctx->next_;
    if (ctx->next_)
        ctx->next_->prev_ = ctx->prev_;
    count_live(pool, UINT32_MAX);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= bytes[i];
    return any == 0;
}

static void begin_trace(struct ctx *ctx)
{
    struct ctx_span span;
    do
        random_draw(&span, offsetof(struct ctx_span, flags));
    while (is_zero(span.trace_id, sizeof(span.trace_id)) ||
           is_zero(span.span_id, sizeof(span.span_id)));
    memcpy(ctx->trace_id, span.trace_id, sizeof(ctx->trace_id));
    memcpy(ctx->span_id, span.span_id, sizeof(ctx->span_id));
}

struct ctx *ctx_new(struct ctx_pool *pool, size_t arena_bytes_max)
{
    struct ctx *ctx = slot_take(pool);
    if (!ctx)
        return NULL;
    UNPOISON(ctx, PUBLIC_BYTES);
    live_link(pool, ctx);
    if (HAS_RESET || !ctx->claims) {
        memset(ctx, 0, PUBLIC_BYTES);
        ctx->claims = CTX_CLAIMS_NOBODY;
    }
    if (!ctx->arena_.first)
        arena_init(&ctx->arena_, ARENA_CHUNK, arena_bytes_max);
    ctx->arena_.tag = HEAP_CTX;
    ctx->arena_.bytes_max = arena_bytes_max;
    ctx->arena = &ctx->arena_;
    begin_trace(ctx);
    return ctx;
}

static void party_set(struct ctx_party *party, enum ctx_actor_kind kind, struct slice id)
{
    size_t n = id.len < sizeof(party->id) ? id.len : sizeof(party->id) - 1;
    memset(party, 0, sizeof(*party));
    party->kind = kind;
    memcpy(party->id, id.data, n);
}

struct ctx *ctx_new_system(struct ctx_pool *pool, size_t arena_bytes_max, const char *service)
{
    struct ctx *ctx = ctx_new(pool, arena_bytes_max);
    if (!ctx)
        return NULL;
    struct uuid id = uuid_v7(unix_now());
    uuid_format(&id, ctx->request_id);
    struct ctx_claims claims = *CTX_CLAIMS_NOBODY;
    party_set(&claims.executor, CTX_SYSTEM, slice_str(service));
    claims.actor = claims.executor;
    ctx_set_claims(ctx, &claims);
    return ctx;
}

void ctx_set_claims(struct ctx *ctx, const struct ctx_claims *claims)
{
    must(ctx->is_live_ && (ctx->claims == CTX_CLAIMS_NOBODY || !HAS_RESET));
    ctx->claims_ = *claims;
    ctx->claims = &ctx->claims_;
}

void ctx_link_trace(struct ctx *ctx, const struct ctx_span *caller)
{
    ctx->has_parent = true;
    memcpy(ctx->parent_id, caller->span_id, sizeof(ctx->parent_id));
    memcpy(ctx->link_trace_id, caller->trace_id, sizeof(ctx->link_trace_id));
    ctx->link_flags = caller->flags;
}

void ctx_continue_trace(struct ctx *ctx, const struct ctx_span *parent)
{
    ctx_link_trace(ctx, parent);
    memcpy(ctx->trace_id, parent->trace_id, sizeof(ctx->trace_id));
    ctx->trace_flags = parent->flags & CTX_TRACE_SAMPLED; /* others are of versions to come */
}

void ctx_release(struct ctx *ctx)
{
    must(ctx->canary_ == CANARY && ctx->is_live_);
    struct ctx_pool *pool = ctx->pool_;
    live_unlink(pool, ctx);
    atomic_fetch_add_explicit(&ctx->generation_, 1, memory_order_release);
    if (HAS_WIPE)
        arena_wipe(&ctx->arena_);
    else
        arena_reset(&ctx->arena_);
    if (HAS_RESET) {
        memset(&ctx->claims_, POISON_BYTE, sizeof(ctx->claims_));
        memset(ctx, POISON_BYTE, PUBLIC_BYTES);
        POISON(ctx, PUBLIC_BYTES);
    }
    slot_give(pool, ctx);
}

/* ---- references and the current one ---- */

struct ctx_ref ctx_ref(struct ctx *ctx)
{
    if (!ctx)
        return (struct ctx_ref){NULL, 0};
    must(ctx->is_live_);
    return (struct ctx_ref){ctx, atomic_load_explicit(&ctx->generation_, memory_order_relaxed)};
}

static inline bool is_stale(struct ctx_ref ref)
{
    if (!HAS_GENERATIONS)
        return false;
    must(ref.ctx->canary_ == CANARY);
    return atomic_load_explicit(&ref.ctx->generation_, memory_order_acquire) != ref.generation;
}

bool ctx_is_stale(struct ctx_ref ref)
{
    return ref.ctx && is_stale(ref);
}

struct ctx *ctx_enter(struct ctx_ref ref)
{
    if (!ref.ctx)
        return NULL;
    if (UNLIKELY(is_stale(ref))) {
        atomic_fetch_add_explicit(&stale_count, 1, memory_order_relaxed);
        return NULL;
    }
    must(here.depth < DEPTH_MAX);
    here.entered[here.depth++] = ref;
    return ref.ctx;
}

void ctx_leave(struct ctx *ctx)
{
    if (!ctx)
        return;
    must(here.depth > 0 && here.entered[here.depth - 1].ctx == ctx);
    here.depth--;
}

const struct ctx *ctx_current(void)
{
    if (here.depth == 0 || ctx_is_stale(here.entered[here.depth - 1]))
        return NULL;
    return here.entered[here.depth - 1].ctx;
}

void ctx_must_be_outside(void)
{
    must(here.depth == 0);
}

/* ---- counting ---- */

void ctx_count(const struct ctx_pool *pool, struct ctx_count *ret)
{
    *ret = (struct ctx_count){.live = 0};
    for (const struct ctx *ctx = pool->live; ctx; ctx = ctx->next_) {
        ret->live++;
        ret->arena_bytes += ctx->arena_.bytes_used;
        ret->held_bytes += ctx->arena_.bytes_held;
    }
    for (const struct ctx *ctx = pool->warm; ctx; ctx = ctx->next_)
        ret->held_bytes += ctx->arena_.bytes_held;
}

uint64_t ctx_live(void)
{
    uint64_t n = 0;
    pthread_mutex_lock(&lock);
    for (struct ctx_pool *pool = pools; pool; pool = pool->next)
        n += atomic_load_explicit(&pool->live_count, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    return n;
}

uint64_t ctx_stale(void)
{
    return atomic_load_explicit(&stale_count, memory_order_relaxed);
}

static int64_t read_live(void *unused)
{
    (void)unused;
    return (int64_t)ctx_live();
}

static int64_t read_stale(void *unused)
{
    (void)unused;
    return (int64_t)ctx_stale();
}

void ctx_metrics_register(void)
{
    static struct metric live = {.name = "weir_contexts",
                                 .help = "Requests and other work under way",
                                 .kind = METRIC_GAUGE,
                                 .read = read_live};
    static struct metric stale = {
        .name = "weir_contexts_stale_total",
        .help = "Continuations refused because their request was over; anything but 0 is a bug",
        .kind = METRIC_COUNTER,
        .read = read_stale};
    metrics_register(&live);
    metrics_register(&stale);
}
