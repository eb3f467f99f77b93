#ifndef WEIR_BASE_HIST_H
#define WEIR_BASE_HIST_H
/* Latency histogram with log-linear buckets (after HdrHistogram): 32 buckets per power of two, so a
 * reported quantile is at most 3.2 % above the true value. Range 0 … 2^40 - 1 of any unit, clamped.
 * One writer; reading while it is written gives a slightly old picture (relaxed atomics). */
#include <stdint.h>

enum { HIST_SUB_BITS = 5, HIST_BUCKETS = (40 - HIST_SUB_BITS + 1) * (1 << HIST_SUB_BITS) };
struct hist {
    _Atomic uint64_t counts[HIST_BUCKETS];
    _Atomic uint64_t total;
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
};
void hist_add(struct hist *h, uint64_t value);
void hist_merge(struct hist *into, const struct hist *from);
uint64_t hist_quantile(const struct hist *h, double q); /* upper edge of the bucket; 0 if empty */
uint64_t hist_count_at_most(const struct hist *h, uint64_t value);
uint64_t hist_total(const struct hist *h);
uint64_t hist_sum(const struct hist *h);
uint64_t hist_max(const struct hist *h);
#endif
