/* WHAT  The generic cell rate algorithm (ITU-T I.371, the virtual scheduling form): a bucket is one
 *       number, the "theoretical arrival time" (TAT) at which it will be full. What is missing from
 *       it is TAT - now. Taking moves TAT forward by cost * interval and is allowed if then no more
 *       than burst * interval is missing. No counters, no refilling, no timer.
 *
 * LAYOUT  Sets of 8 slots: one cache line of keys, one of TATs. A key belongs to one set. Key 0 is
 *         a free slot or one that is being replaced.
 *
 * WHY     Replacing the least TAT and going on from it is the Space-Saving algorithm (Metwally,
 *         Agrawal, El Abbadi 2005) with time in the place of counts: the estimate of a key's debt
 *         is never too low.
 *
 * INVARIANTS
 *   1. The TAT of a slot only grows, whoever owns it. So a compare-and-swap on it cannot mistake a
 *      later owner's value for an earlier one's (no ABA).
 *   2. Therefore the least TAT of a set only grows, and who was replaced with TAT v finds at least
 *      v when he comes back.
 *   3. A key is in at most one slot: keys are put in under the set's lock, after another look.
 *
 * THREADS  A key in the table: read key, read TAT, read key again, swap TAT. If the slot went to
 *          another key in between, either the second look sees it, or the TAT has moved and the
 *          swap fails. Replacing, under one of 64 locks: take the key away, swap the TAT, put the
 *          new key. A late swap of the old owner lets the second step fail, and the choice is made
 *          again. */
#include "tenant/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/random.h"
#include "base/siphash.h"

enum { WAYS = 8, LOCKS = 64, SLOTS_MAX = 1 << 27, CACHE_LINE = 64, LABELS_BYTES = 48 };
#define NS_PER_S INT64_C(1000000000)
#define NO_KEY UINT64_C(0)

struct set {
    _Atomic uint64_t keys[WAYS];
    _Atomic int64_t tats[WAYS]; /* ns of the monotonic clock; INT64_MIN = never used */
};
_Static_assert(sizeof(struct set) == 2 * CACHE_LINE, "a line of keys and one of TATs");

struct limit {
    struct set *sets;
    void *block; /* sets, before they were aligned */
    uint64_t set_mask;
    struct siphash_key secret;
    pthread_mutex_t locks[LOCKS]; /* of set i: i % LOCKS; for putting a key in */
    struct metric refused, evicted;
    char labels[LABELS_BYTES];
};

/* ---- policies ---- */

static int64_t capacity_ns(const struct limit_policy *p)
{
    return p->interval_ns * p->burst;
}

struct limit_policy limit_policy_of(uint32_t tokens, uint32_t seconds, uint32_t burst)
{
    if (tokens == 0)
        return (struct limit_policy){0, 0};
    must(seconds >= 1 && tokens / seconds <= LIMIT_RATE_MAX);
    must(burst >= 1 && burst <= LIMIT_BURST_MAX);
    struct limit_policy p = {(NS_PER_S * seconds + tokens - 1) / tokens, burst};
    must(p.interval_ns <= LIMIT_WINDOW_S_MAX * NS_PER_S / burst); /* so the capacity fits, too */
    return p;
}

static uint32_t seconds_up(int64_t ns)
{
    int64_t s = ns <= 0 ? 0 : (ns - 1) / NS_PER_S + 1;
    return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

uint64_t limit_window_s(const struct limit_policy *policy)
{
    return seconds_up(capacity_ns(policy));
}

/* ---- the table ---- */

struct limit *limit_new(const char *kind, uint32_t slots)
{
    must(slots <= SLOTS_MAX);
    struct limit *l = heap_alloc(HEAP_TENANT, sizeof(*l));
    uint64_t sets = 1;
    while (sets * WAYS < slots)
        sets *= 2;
    l->block = heap_alloc(HEAP_TENANT, sets * sizeof(struct set) + CACHE_LINE);
    l->sets = (struct set *)(((uintptr_t)l->block + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
    l->set_mask = sets - 1;
    for (uint64_t i = 0; i < sets; i++)
        for (int way = 0; way < WAYS; way++)
            atomic_init(&l->sets[i].tats[way], INT64_MIN);
    for (int i = 0; i < LOCKS; i++)
        must(pthread_mutex_init(&l->locks[i], NULL) == 0);
    random_bytes(&l->secret, sizeof(l->secret));
    snprintf(l->labels, sizeof(l->labels), "kind=\"%s\"", kind);
    l->refused = (struct metric){.name = "weir_limit_refused_total",
                                 .help = "Requests over a rate limit.",
                                 .labels = l->labels};
    l->evicted = (struct metric){.name = "weir_limit_evicted_total",
                                 .help = "Keys replaced before their bucket was full again.",
                                 .labels = l->labels};
    metrics_register(&l->refused);
    metrics_register(&l->evicted);
    return l;
}

void limit_free(struct limit *l)
{
    if (!l)
        return;
    metrics_unregister(&l->refused);
    metrics_unregister(&l->evicted);
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&l->locks[i]);
    heap_free(l->block);
    heap_free(l);
}

uint64_t limit_key(const struct limit *l, struct slice bytes)
{
    return siphash(&l->secret, bytes.data, bytes.len);
}

uint64_t limit_key_address(const struct limit *l, struct ip address)
{
    struct ip customer = {address.high, ip_is_v4(address) ? address.low : 0};
    return siphash(&l->secret, &customer, sizeof(customer));
}

/* ---- one bucket ---- */

struct taking {
    const struct limit_policy *policy;
    int64_t now_ns;
    int64_t cost_ns;
};

/* a - b, held at the ends of the type: the clock is handed in, and may be anything. */
static int64_t minus(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? (a < 0 ? INT64_MIN : INT64_MAX) : r;
}

/* The TAT after the taking; false if it would be too late. */
static bool next_tat(const struct taking *t, int64_t tat, int64_t *ret_next)
{
    int64_t from = tat > t->now_ns ? tat : t->now_ns;
    return !__builtin_add_overflow(from, t->cost_ns, ret_next) &&
           minus(*ret_next, t->now_ns) <= capacity_ns(t->policy);
}

static uint32_t at_least_one(uint32_t n)
{
    return n ? n : 1;
}

static void answer(const struct taking *t, bool is_allowed, int64_t tat, struct limit_answer *ret)
{
    int64_t missing = tat > t->now_ns ? minus(tat, t->now_ns) : 0;
    int64_t left = capacity_ns(t->policy) - missing;
    *ret = (struct limit_answer){
        .is_allowed = is_allowed,
        .remaining = left > 0 ? (uint32_t)(left / t->policy->interval_ns) : 0,
        .reset_s = seconds_up(missing),
        .retry_after_s = is_allowed ? 0 : at_least_one(seconds_up(t->cost_ns - left)),
    };
}

/* ---- a set ---- */

static int find(const struct set *set, uint64_t key)
{
    for (int way = 0; way < WAYS; way++)
        if (atomic_load_explicit(&set->keys[way], memory_order_acquire) == key)
            return way;
    return -1;
}

/* False: the slot is another key's by now. */
static bool take_from(struct set *set, int way, uint64_t key, const struct taking *t,
                      struct limit_answer *ret)
{
    int64_t tat = atomic_load_explicit(&set->tats[way], memory_order_acquire), next;
    for (;;) {
        if (atomic_load_explicit(&set->keys[way], memory_order_acquire) != key)
            return false;
        if (!next_tat(t, tat, &next)) {
            answer(t, false, tat, ret);
            return true;
        }
        if (atomic_compare_exchange_weak_explicit(&set->tats[way], &tat, next, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            answer(t, true, next, ret);
            return true;
        }
    }
}

static int least(const struct set *set, int64_t *ret_tat)
{
    int found = 0;
    *ret_tat = INT64_MAX;
    for (int way = 0; way < WAYS; way++) {
        int64_t tat = atomic_load_explicit(&set->tats[way], memory_order_acquire);
        if (tat >= *ret_tat)
            continue;
        *ret_tat = tat;
        found = way;
    }
    return found;
}

/* Under the set's lock: the key is in no slot. The one with the least TAT becomes its own. */
static void take_slot(struct limit *l, struct set *set, uint64_t key, const struct taking *t,
                      struct limit_answer *ret)
{
    for (;;) {
        int64_t tat, next;
        int way = least(set, &tat);
        if (!next_tat(t, tat, &next)) {
            answer(t, false, tat, ret);
            return;
        }
        uint64_t old = atomic_exchange_explicit(&set->keys[way], NO_KEY, memory_order_acq_rel);
        int64_t expected = tat;
        if (atomic_compare_exchange_strong_explicit(&set->tats[way], &expected, next,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            atomic_store_explicit(&set->keys[way], key, memory_order_release);
            if (tat > t->now_ns)
                metric_add(&l->evicted, 1);
            answer(t, true, next, ret);
            return;
        }
        atomic_store_explicit(&set->keys[way], old, memory_order_release);
    }
}

static void take(struct limit *l, uint64_t key, const struct taking *t, struct limit_answer *ret)
{
    struct set *set = &l->sets[key & l->set_mask];
    int way = find(set, key);
    if (LIKELY(way >= 0) && take_from(set, way, key, t, ret))
        return;
    pthread_mutex_t *lock = &l->locks[key & l->set_mask & (LOCKS - 1)];
    pthread_mutex_lock(lock);
    way = find(set, key);
    if (way < 0 || !take_from(set, way, key, t, ret))
        take_slot(l, set, key, t, ret);
    pthread_mutex_unlock(lock);
}

bool limit_take(struct limit *l, uint64_t key, uint32_t cost, const struct limit_policy *policy,
                mono_ns now, struct limit_answer *ret)
{
    must(cost >= 1);
    if (policy->interval_ns == 0) {
        *ret = (struct limit_answer){.is_allowed = true, .remaining = UINT32_MAX};
        return true;
    }
    if (cost > policy->burst) {
        *ret = (struct limit_answer){.is_never = true};
    } else {
        const struct taking t = {policy, now.ns, policy->interval_ns * cost};
        take(l, key == NO_KEY ? 1 : key, &t, ret);
    }
    if (!ret->is_allowed)
        metric_add(&l->refused, 1);
    return ret->is_allowed;
}
