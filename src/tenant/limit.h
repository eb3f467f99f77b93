#ifndef WEIR_TENANT_LIMIT_H
#define WEIR_TENANT_LIMIT_H
/* Token buckets for many keys in fixed memory: how many requests an address, a key or an account
 * may make.
 *
 * A policy is a rate and a burst: a bucket holds burst tokens, is full at first, and gets one back
 * every interval. Taking never waits: it is allowed, or refused with the time after which it would
 * be. A refusal costs nothing.
 *
 * What holds, for any number of keys and threads: in any span of t seconds no key gets more than
 * burst + rate * t tokens. It may get less: an interval is rounded up to a whole ns (0.1 % less at
 * 10^6/s, exact wherever the rate divides 10^9), and see "Eviction".
 *
 * Eviction  The table has a fixed number of slots. A key that finds its set of slots taken replaces
 * the one that is nearest to a full bucket, and goes on with that one's debt. So a key that is over
 * its limit is never forgotten in favour of new ones, and nobody gains by being forgotten: who
 * comes back inherits at least the debt that he left behind. A slot whose bucket is full again is
 * as good as a free one. The price is paid by new keys and only under a flood: it begins when more
 * different keys than slots come within the time in which a bucket refills, which takes about
 * slots * rate requests a second (65,536 slots and 100/s: 6.5 million).
 *
 * One table per kind of key, with policies of about the same time (burst / rate): a debt of minutes
 * inherited by a key whose bucket refills in a second would block that key for minutes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/slice.h"

enum { LIMIT_RATE_MAX = 1000000, LIMIT_BURST_MAX = 1000000, LIMIT_WINDOW_S_MAX = 366 * 86400 };
struct limit_policy {
    int64_t interval_ns; /* until one token is back; 0 = no limit */
    uint32_t burst;
};
/* tokens in so many seconds (>= 1), burst at once. tokens 0: no limit. Asserted: tokens / seconds
 * <= LIMIT_RATE_MAX, 1 <= burst <= LIMIT_BURST_MAX, and an empty bucket is full again within
 * LIMIT_WINDOW_S_MAX. */
struct limit_policy limit_policy_of(uint32_t tokens, uint32_t seconds, uint32_t burst);
/* In which an empty bucket is full again, rounded up: the "w" of RateLimit-Policy. */
uint64_t limit_window_s(const struct limit_policy *policy);

struct limit_answer {
    bool is_allowed;
    bool is_never; /* more than burst at once: waiting does not help; the rest is 0 */
    uint32_t remaining;
    uint32_t reset_s;       /* until the bucket is full, rounded up */
    uint32_t retry_after_s; /* 0 if allowed or never, else until this cost would be: at least 1 */
};

struct limit;
/* kind: the label of its metrics ("address", "key"), borrowed for ever. slots is rounded up to a
 * power of two, at least 8; 16 bytes each. Registers weir_limit_refused_total{kind="…"} and
 * weir_limit_evicted_total{kind="…"} (keys in debt that were replaced: the table is too small). */
struct limit *limit_new(const char *kind, uint32_t slots);
void limit_free(struct limit *l);

/* Keys are hashed with a secret of this table (SipHash): nobody outside can choose keys that meet
 * in one set of slots. */
uint64_t limit_key(const struct limit *l, struct slice bytes);
/* IPv4 by the address; IPv6 by its /64, which is what one customer has at least (RFC 6177). */
uint64_t limit_key_address(const struct limit *l, struct ip address);

/* Takes cost tokens (>= 1) from the key's bucket. Returns ret->is_allowed. Any thread; no lock for
 * a key that is in the table. now: the thread's own idea of it, two threads' may differ. */
bool limit_take(struct limit *l, uint64_t key, uint32_t cost, const struct limit_policy *policy,
                mono_ns now, struct limit_answer *ret);
#endif
