/* WHAT    What the cache knows of each URL, and what is due when. No I/O, no clock, no thread: the
 *         callers hold the lock and say what time it is.
 * LAYOUT  Sources are found through buckets by a seeded hash of the URL. Each has a slot for its
 *         life; the generation of a snapshot is its number times JWKS_URLS_MAX plus that slot, so
 *         that jwks_is_current() needs one load.
 * INVARIANTS  current.of[slot] is the generation of the snapshot that the source in that slot
 *         holds, or 0. A source that is being fetched or waited for is not removed. */
#include "tenant/jwks_int.h"

#include "base/heap.h"
#include "base/must.h"

static mono_ns add_s(mono_ns t, int64_t seconds)
{
    return mono_add_ms(t, seconds * 1000);
}

static bool has_come(mono_ns t, mono_ns now)
{
    return !mono_is_before(now, t);
}

/* ---- snapshots ---- */
void jwks_snapshot_give(struct jwks_snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    jwks_free(s->set);
    heap_free(s);
}

static void put_in_force(struct jwks_table *t, struct jwks_source *s, struct jwks_snapshot *fresh)
{
    atomic_store_explicit(&t->current.of[s->slot], fresh ? fresh->generation : 0,
                          memory_order_release);
    jwks_snapshot_give(s->snapshot);
    s->snapshot = fresh;
}

static bool is_stale(const struct jwks_source *s, mono_ns now)
{
    return has_come(add_s(s->fetched_at, JWKS_STALE_MAX_S), now);
}

struct jwks_snapshot *jwks_source_take(const struct jwks_source *s, mono_ns now)
{
    if (!s->snapshot || is_stale(s, now))
        return NULL;
    atomic_fetch_add_explicit(&s->snapshot->refs, 1, memory_order_relaxed);
    return s->snapshot;
}

/* ---- the table ---- */
void jwks_table_init(struct jwks_table *t)
{
    pthread_mutex_init(&t->lock, NULL);
    t->hash_seed = random_u64();
    prng_seed(&t->jitter, random_u64());
}

static void source_free(struct jwks_table *t, struct jwks_source *s)
{
    must(!s->waits);
    put_in_force(t, s, NULL);
    heap_free(s);
}

void jwks_table_done(struct jwks_table *t)
{
    for (uint32_t i = 0; i < t->slot_end; i++)
        if (t->slots[i])
            source_free(t, t->slots[i]);
    pthread_mutex_destroy(&t->lock);
}

/* FNV-1a from a secret start: enough against a tenant's guesses at the size of this table. */
static struct jwks_source **bucket_of(struct jwks_table *t, struct slice url)
{
    uint64_t hash = t->hash_seed;
    for (size_t i = 0; i < url.len; i++)
        hash = (hash ^ (unsigned char)url.data[i]) * UINT64_C(0x100000001b3);
    return &t->buckets[(hash ^ hash >> 32) % JWKS_BUCKETS];
}

static struct jwks_source *source_new(struct jwks_table *t, struct slice url, mono_ns now)
{
    uint32_t slot = 0;
    while (slot < JWKS_URLS_MAX && t->slots[slot])
        slot++;
    struct jwks_source *s =
        slot < JWKS_URLS_MAX ? heap_try_alloc(HEAP_TENANT, sizeof(*s) + url.len + 1) : NULL;
    if (!s)
        return NULL;
    memcpy(s->url, url.data, url.len);
    s->slot = slot;
    s->due_at = now;
    struct jwks_source **bucket = bucket_of(t, url);
    s->next = *bucket;
    *bucket = s;
    t->slots[slot] = s;
    if (t->slot_end <= slot)
        t->slot_end = slot + 1;
    return s;
}

struct jwks_source *jwks_table_get(struct jwks_table *t, struct slice url, mono_ns now,
                                   bool *ret_is_new, enum rc *ret_rc)
{
    struct jwks_source *s = *bucket_of(t, url);
    while (s && !slice_eq_str(url, s->url))
        s = s->next;
    *ret_is_new = !s;
    *ret_rc = s ? RC_OK : jwks_url_check(url, NULL);
    if (*ret_rc != RC_OK)
        return NULL;
    if (!s)
        s = source_new(t, url, now);
    if (s)
        s->used_at = now;
    else
        *ret_rc = RC_BUSY;
    return s;
}

static void forget(struct jwks_table *t, struct jwks_source *s)
{
    struct jwks_source **at = bucket_of(t, slice_str(s->url));
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    t->slots[s->slot] = NULL;
    source_free(t, s);
}

/* ---- waits ---- */
enum rc jwks_source_wait(struct jwks_table *t, struct jwks_source *s, struct jwks_wait *wait,
                         mono_ns now)
{
    ENSURE(t->wait_count < JWKS_WAITS_MAX, RC_BUSY);
    bool is_coming = s->is_fetching || has_come(s->due_at, now);
    if (!is_coming) {
        if (s->was_tried && !has_come(add_s(s->tried_at, JWKS_RETRY_MIN_S), now))
            return RC_AGAIN;
        s->due_at = now;
    }
    wait->next = s->waits;
    s->waits = wait;
    t->wait_count++;
    return RC_OK;
}

static void move_wait(struct jwks_table *t, struct jwks_wait **at, enum rc rc,
                      struct jwks_wait **list)
{
    struct jwks_wait *wait = *at;
    *at = wait->next;
    wait->rc = rc;
    wait->next = *list;
    *list = wait;
    t->wait_count--;
}

static struct jwks_wait *take_waits(struct jwks_table *t, struct jwks_source *s, enum rc rc,
                                    struct jwks_wait *list)
{
    while (s->waits)
        move_wait(t, &s->waits, rc, &list);
    return list;
}

struct jwks_wait *jwks_table_take_waits(struct jwks_table *t)
{
    struct jwks_wait *list = NULL;
    for (uint32_t i = 0; i < t->slot_end; i++)
        if (t->slots[i])
            list = take_waits(t, t->slots[i], RC_CLOSED, list);
    return list;
}

/* ---- what is due ---- */
static bool is_idle(const struct jwks_source *s, mono_ns now)
{
    return !s->is_fetching && !s->waits && has_come(add_s(s->used_at, JWKS_IDLE_S), now);
}

struct jwks_wait *jwks_table_expire(struct jwks_table *t, mono_ns now)
{
    struct jwks_wait *list = NULL;
    for (uint32_t i = 0; i < t->slot_end; i++) {
        struct jwks_source *s = t->slots[i];
        if (!s)
            continue;
        struct jwks_wait **at = &s->waits;
        while (*at) {
            if (has_come((*at)->deadline, now))
                move_wait(t, at, RC_TIMEOUT, &list);
            else
                at = &(*at)->next;
        }
        if (s->snapshot && is_stale(s, now))
            put_in_force(t, s, NULL);
        if (is_idle(s, now))
            forget(t, s);
    }
    return list;
}

uint32_t jwks_table_start_due(struct jwks_table *t, mono_ns now, uint32_t max,
                              struct jwks_source **ret_due)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->slot_end && count < max; i++) {
        struct jwks_source *s = t->slots[i];
        if (!s || s->is_fetching || !has_come(s->due_at, now))
            continue;
        s->is_fetching = s->was_tried = true;
        s->tried_at = now;
        ret_due[count++] = s;
    }
    return count;
}

static mono_ns earlier(mono_ns a, mono_ns b)
{
    return mono_is_before(b, a) ? b : a;
}

mono_ns jwks_table_next(const struct jwks_table *t, mono_ns now, bool can_start)
{
    mono_ns next = add_s(now, JWKS_IDLE_S);
    for (uint32_t i = 0; i < t->slot_end; i++) {
        const struct jwks_source *s = t->slots[i];
        if (!s)
            continue;
        if (!s->is_fetching && can_start)
            next = earlier(next, s->due_at);
        if (s->snapshot)
            next = earlier(next, add_s(s->fetched_at, JWKS_STALE_MAX_S));
        if (!s->is_fetching && !s->waits)
            next = earlier(next, add_s(s->used_at, JWKS_IDLE_S));
        for (const struct jwks_wait *wait = s->waits; wait; wait = wait->next)
            next = earlier(next, wait->deadline);
    }
    return next;
}

/* ---- the end of a fetch ---- */
static struct jwks_snapshot *snapshot_new(struct jwks_table *t, const struct jwks_source *s,
                                          struct jwks *set)
{
    struct jwks_snapshot *fresh = heap_alloc(HEAP_TENANT, sizeof(*fresh));
    fresh->set = set;
    fresh->generation = ++t->snapshots * JWKS_URLS_MAX + s->slot;
    atomic_init(&fresh->refs, 1);
    return fresh;
}

struct jwks_wait *jwks_source_succeed(struct jwks_table *t, struct jwks_source *s, struct jwks *set,
                                      const uint8_t digest[SHA256_BYTES], uint32_t fresh_s,
                                      mono_ns now)
{
    /* The same document keeps its generation, and with it every memo of a verified token. */
    if (s->snapshot && memcmp(s->digest, digest, SHA256_BYTES) == 0)
        jwks_free(set);
    else
        put_in_force(t, s, snapshot_new(t, s, set));
    memcpy(s->digest, digest, SHA256_BYTES);
    s->is_fetching = false;
    s->failures = 0;
    s->fetched_at = now;
    s->due_at = add_s(now, fresh_s);
    return take_waits(t, s, RC_OK, NULL);
}

int64_t jwks_retry_ms(uint32_t failures, uint64_t jitter)
{
    int64_t ms = JWKS_RETRY_MIN_S * 1000;
    for (uint32_t i = 1; i < failures && ms < JWKS_RETRY_MAX_S * 1000; i++)
        ms *= 2;
    if (ms > JWKS_RETRY_MAX_S * 1000)
        ms = JWKS_RETRY_MAX_S * 1000;
    return ms + (int64_t)(jitter % (uint64_t)(ms / 2));
}

struct jwks_wait *jwks_source_fail(struct jwks_table *t, struct jwks_source *s, mono_ns now)
{
    s->is_fetching = false;
    s->failures++;
    s->due_at = mono_add_ms(now, jwks_retry_ms(s->failures, prng_next(&t->jitter)));
    return take_waits(t, s, RC_UNAVAILABLE, NULL);
}
