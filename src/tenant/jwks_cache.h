#ifndef WEIR_TENANT_JWKS_CACHE_H
#define WEIR_TENANT_JWKS_CACHE_H
/* The key sets of token issuers, by URL: fetched and refreshed by one background thread, read by
 * the edge loops as immutable snapshots.
 *
 *   fresh     for what the answer's Cache-Control says, within JWKS_FRESH_MIN_S to _MAX_S; without
 *             it the minimum. Then it is fetched again, while the old set stays in force.
 *   stale     an issuer that cannot be reached, or answers nonsense, is tried again after
 *             JWKS_RETRY_MIN_S, doubled up to JWKS_RETRY_MAX_S, with jitter. Its last set stays in
 *             force for JWKS_STALE_MAX_S; then nothing verifies.
 *   unknown   a token's kid that the set has not may be new: jwks_cache_refresh() asks, at most
 *             once in JWKS_RETRY_MIN_S per URL, whatever came of it.
 *   unused    a URL that nobody has asked for in JWKS_IDLE_S is forgotten.
 *
 * URLs come from configured issuers, never from a token (`jku`): whoever may name one makes this
 * server fetch it. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rc.h"
#include "base/slice.h"
#include "codec/jwks.h"

enum {
    JWKS_URL_BYTES_MAX = 2000,
    JWKS_URLS_MAX = 4096,
    JWKS_FRESH_MIN_S = 5 * 60,
    JWKS_FRESH_MAX_S = 24 * 3600,
    JWKS_STALE_MAX_S = 24 * 3600,
    JWKS_IDLE_S = 24 * 3600,
    JWKS_RETRY_MIN_S = 30,
    JWKS_RETRY_MAX_S = 15 * 60,
    JWKS_TIMEOUT_MS = 5000,
    JWKS_WAITS_MAX = 1024, /* unanswered calls of jwks_cache_refresh */
};

/* ---- which sets are in force ---- */
/* Every snapshot has a generation of its own, never 0. That it is still in force can be asked
 * without a lock and without the snapshot: a rotated or expired set is no more. */
struct jwks_current {
    _Atomic uint64_t of[JWKS_URLS_MAX];
};
static inline bool jwks_is_current(const struct jwks_current *current, uint64_t generation)
{
    return generation && atomic_load_explicit(&current->of[generation % JWKS_URLS_MAX],
                                              memory_order_acquire) == generation;
}

/* ---- the cache ---- */
struct jwks_cache; /* one per process */
struct jwks_cache_cfg {
    mono_ns (*now)(void); /* NULL: mono_now */
    uint32_t timeout_ms;  /* of one fetch; 0: JWKS_TIMEOUT_MS */
};
/* Starts the thread and registers the metrics (weir_jwks_…). */
enum rc jwks_cache_open(const struct jwks_cache_cfg *cfg, struct jwks_cache **ret_cache,
                        struct err *err) MUST_CHECK;
/* Who still waits for a refresh is told RC_CLOSED. Snapshots must have been given back. */
void jwks_cache_close(struct jwks_cache *c);
const struct jwks_current *jwks_cache_current(const struct jwks_cache *c);

/* https, or http to a loopback host (localhost, 127.0.0.0/8, ::1); no user or password in it.
 * RC_INVALID with a sentence. */
enum rc jwks_url_check(struct slice url, struct err *err) MUST_CHECK;

struct jwks_snapshot {
    struct jwks *set; /* read only */
    uint64_t generation;
    _Atomic uint32_t refs; /* the cache's */
};
/* The set in force, to be given back; NULL if there is none (not fetched yet, or too old). The
 * first call for a URL has it fetched. Any thread; holds a lock for a look-up only. */
struct jwks_snapshot *jwks_cache_take(struct jwks_cache *c, struct slice url);
void jwks_snapshot_give(struct jwks_snapshot *s); /* NULL is allowed */
/* Has a new URL fetched before its first token comes. Wakes the thread. */
void jwks_cache_warm(struct jwks_cache *c, struct slice url);

/* On the cache's thread, once: must not block. RC_OK: fetched, take again. RC_UNAVAILABLE: the
 * fetch failed. RC_TIMEOUT: it was not done at the deadline. RC_CLOSED. */
typedef void jwks_refreshed_fn(void *ctx, enum rc rc);
/* For a token that names a key which the set has not (JWT_NO_KEY), or when there is no set. RC_OK:
 * done is called. Otherwise it is not:
 *   RC_AGAIN    tried less than JWKS_RETRY_MIN_S ago: what can be had now is what the set says
 *   RC_BUSY     JWKS_WAITS_MAX wait, or JWKS_URLS_MAX are known
 *   RC_INVALID  see jwks_url_check
 * Any thread, never blocks. */
enum rc jwks_cache_refresh(struct jwks_cache *c, struct slice url, uint32_t deadline_ms,
                           jwks_refreshed_fn *done, void *ctx) MUST_CHECK;
#endif
