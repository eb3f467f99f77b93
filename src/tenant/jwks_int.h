#ifndef WEIR_TENANT_JWKS_INT_H
#define WEIR_TENANT_JWKS_INT_H
/* Shared by the parts of the cache: jwks_fetch.c speaks HTTP, jwks_table.c knows what is due, and
 * jwks_cache.c is the thread between them. */
#include <curl/curl.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "base/random.h"
#include "codec/hash.h"
#include "tenant/jwks_cache.h"

/* ---- one fetch ---- */
enum { JWKS_REDIRECTS_MAX = 3 };
struct jwks_fetch {
    CURL *curl;
    struct curl_slist *headers;
    void *owner;
    struct buf body;
    uint64_t max_age_s; /* 0: not said */
    bool may_not_keep;  /* no-store or no-cache */
    char error[CURL_ERROR_SIZE];
};
/* url was checked. NULL: no memory. */
struct jwks_fetch *jwks_fetch_new(const char *url, uint32_t timeout_ms, void *owner);
void jwks_fetch_free(struct jwks_fetch *f);
/* After the transfer: the set, and how long it is fresh by what the answer said, within the
 * bounds. */
enum rc jwks_fetch_result(struct jwks_fetch *f, CURLcode code, struct jwks **ret_set,
                          uint32_t *ret_fresh_s, struct err *err) MUST_CHECK;
/* A line of the answer's head; ctx is the struct jwks_fetch. */
size_t jwks_fetch_header(char *data, size_t size, size_t count, void *ctx);
uint32_t jwks_fetch_fresh_s(const struct jwks_fetch *f);

/* ---- what is known ---- */
struct jwks_wait {
    struct jwks_wait *next;
    jwks_refreshed_fn *done;
    void *ctx;
    mono_ns deadline;
    enum rc rc;
};

/* One URL. Under the table's lock, but for what never changes. */
struct jwks_source {
    struct jwks_source *next; /* in its bucket */
    struct jwks_snapshot *snapshot;
    struct jwks_wait *waits;
    mono_ns due_at;     /* of the next fetch; means nothing while one runs */
    mono_ns tried_at;   /* the last fetch began */
    mono_ns fetched_at; /* the last good one ended */
    mono_ns used_at;
    uint32_t failures; /* since the last good one */
    uint32_t slot;     /* never changes, as the URL */
    bool was_tried, is_fetching;
    uint8_t digest[SHA256_BYTES]; /* of the document behind snapshot */
    char url[];
};

enum { JWKS_BUCKETS = 1024, JWKS_FETCHES_MAX = 16 };
struct jwks_table {
    pthread_mutex_t lock; /* held for look-ups and list work only: never for I/O or a key's maths */
    struct jwks_source *buckets[JWKS_BUCKETS];
    struct jwks_source *slots[JWKS_URLS_MAX];
    uint32_t slot_end;   /* behind the last slot that was ever used */
    uint32_t wait_count; /* in all sources */
    uint64_t hash_seed;
    uint64_t snapshots; /* ever made */
    struct prng jitter;
    struct jwks_current current;
};
void jwks_table_init(struct jwks_table *t);
void jwks_table_done(struct jwks_table *t);
/* These want the lock. The source of the URL, made if need be and marked as used; NULL if the URL
 * is not allowed (*ret_rc RC_INVALID) or the table is full (RC_BUSY). */
struct jwks_source *jwks_table_get(struct jwks_table *t, struct slice url, mono_ns now,
                                   bool *ret_is_new, enum rc *ret_rc);
struct jwks_snapshot *jwks_source_take(const struct jwks_source *s, mono_ns now);
enum rc jwks_source_wait(struct jwks_table *t, struct jwks_source *s, struct jwks_wait *wait,
                         mono_ns now) MUST_CHECK;
/* Retires sets that are too old, forgets sources that are not used, and gives back the waits whose
 * deadline has passed. */
struct jwks_wait *jwks_table_expire(struct jwks_table *t, mono_ns now);
/* Marks up to max due sources as being fetched. */
uint32_t jwks_table_start_due(struct jwks_table *t, mono_ns now, uint32_t max,
                              struct jwks_source **ret_due);
/* When the next thing is to be done; fetches count only if can_start. */
mono_ns jwks_table_next(const struct jwks_table *t, mono_ns now, bool can_start);
/* The end of a fetch; the waits of the source move to the caller. fresh: NULL if the document is
 * the one that is in force. */
struct jwks_wait *jwks_source_succeed(struct jwks_table *t, struct jwks_source *s, struct jwks *set,
                                      const uint8_t digest[SHA256_BYTES], uint32_t fresh_s,
                                      mono_ns now);
struct jwks_wait *jwks_source_fail(struct jwks_table *t, struct jwks_source *s, mono_ns now);
/* At the end: all of them. */
struct jwks_wait *jwks_table_take_waits(struct jwks_table *t);
/* After so many failures in a row; jitter is any number. */
int64_t jwks_retry_ms(uint32_t failures, uint64_t jitter);
#endif
