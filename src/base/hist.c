#include "base/hist.h"

#include <stdatomic.h>

#define GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define PUT(x, n) atomic_store_explicit(&(x), GET(x) + (n), memory_order_relaxed)
#define ADD(x, n) atomic_fetch_add_explicit(&(x), n, memory_order_relaxed)

static unsigned bucket_of(uint64_t value)
{
    const uint64_t top = ((uint64_t)1 << 40) - 1;
    if (value > top)
        value = top;
    if (value < (1u << HIST_SUB_BITS))
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
    return (shift + 1) * (1u << HIST_SUB_BITS) + (unsigned)(value >> shift) - (1u << HIST_SUB_BITS);
}

static uint64_t bucket_upper(unsigned bucket)
{
    if (bucket < (1u << HIST_SUB_BITS))
        return bucket;
    unsigned shift = bucket / (1u << HIST_SUB_BITS) - 1;
    uint64_t base = bucket % (1u << HIST_SUB_BITS) + (1u << HIST_SUB_BITS);
    return ((base + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t value)
{
    /* One writer: no locked instruction on the way of a request. */
    PUT(h->counts[bucket_of(value)], 1);
    PUT(h->total, 1);
    PUT(h->sum, value);
    if (value > GET(h->max))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        ADD(into->counts[i], GET(from->counts[i]));
    ADD(into->total, GET(from->total));
    ADD(into->sum, GET(from->sum));
    if (GET(from->max) > GET(into->max))
        atomic_store_explicit(&into->max, GET(from->max), memory_order_relaxed);
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    uint64_t total = GET(h->total);
    if (total == 0)
        return 0;
    uint64_t rank = (uint64_t)((double)total * q + 0.999999);
    if (rank < 1)
        rank = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += GET(h->counts[i]);
        if (seen >= rank) {
            uint64_t upper = bucket_upper(i);
            return upper > GET(h->max) ? GET(h->max) : upper;
        }
    }
    return GET(h->max);
}

uint64_t hist_count_at_most(const struct hist *h, uint64_t value)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS && bucket_upper(i) <= value; i++)
        seen += GET(h->counts[i]);
    return seen;
}

uint64_t hist_total(const struct hist *h)
{
    return GET(h->total);
}

uint64_t hist_sum(const struct hist *h)
{
    return GET(h->sum);
}

uint64_t hist_max(const struct hist *h)
{
    return GET(h->max);
}
