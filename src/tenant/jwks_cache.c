/* WHAT    The cache's thread, and its face towards the edge loops (jwks_cache.h).
 * WHY     One thread and curl's multi interface: an issuer that does not answer delays its own
 *         tokens, not those of the others. At most JWKS_FETCHES_MAX run at once.
 * INVARIANTS  Nothing but the thread touches curl's handles; only it removes sources, so that it
 *         may use one without the lock. Callbacks run without the lock.
 * THREADS table.lock guards the table; is_closing is atomic; curl_multi_wakeup may be called from
 *         any thread. */
#include "tenant/jwks_cache.h"

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/os.h"
#include "tenant/jwks_int.h"

enum { POLL_MS_MAX = 60 * 1000 };

struct jwks_cache {
    mono_ns (*now)(void);
    uint32_t timeout_ms;
    struct jwks_table table;
    CURLM *multi;
    pthread_t thread;
    bool has_thread;
    _Atomic bool is_closing;
    struct jwks_fetch *running[JWKS_FETCHES_MAX]; /* the thread's */
    uint32_t running_count;
    struct metric fetches, failures, age;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void curl_init(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

/* ---- the thread ---- */
static void answer(struct jwks_wait *waits)
{
    while (waits) {
        struct jwks_wait *wait = waits;
        waits = wait->next;
        wait->done(wait->ctx, wait->rc);
        heap_free(wait);
    }
}

static void report(const struct jwks_source *s, enum rc rc, bool was_failing, const struct err *err)
{
    if (rc != RC_OK && !was_failing)
        log_warn("cannot fetch an issuer's keys; the last set stays in force for a day",
                 LOG_STR("url", s->url), LOG_ERR(err));
    else if (rc == RC_OK && was_failing)
        log_info("an issuer's keys can be fetched again", LOG_STR("url", s->url));
}

static void end_source(struct jwks_cache *c, struct jwks_source *s, enum rc rc, struct jwks *set,
                       const uint8_t digest[SHA256_BYTES], uint32_t fresh_s, const struct err *err)
{
    mono_ns now = c->now();
    metric_add(&c->fetches, 1);
    metric_add(&c->failures, rc != RC_OK);
    pthread_mutex_lock(&c->table.lock);
    bool was_failing = s->failures > 0;
    struct jwks_wait *waits = rc == RC_OK
                                  ? jwks_source_succeed(&c->table, s, set, digest, fresh_s, now)
                                  : jwks_source_fail(&c->table, s, now);
    pthread_mutex_unlock(&c->table.lock);
    report(s, rc, was_failing, err);
    answer(waits);
}

static void stop_fetch(struct jwks_cache *c, struct jwks_fetch *f)
{
    uint32_t at = 0;
    while (c->running[at] != f)
        at++;
    c->running[at] = c->running[--c->running_count];
    curl_multi_remove_handle(c->multi, f->curl);
}

static void end_fetch(struct jwks_cache *c, struct jwks_fetch *f, CURLcode code)
{
    struct err err = ERR_INIT;
    struct jwks *set = NULL;
    uint8_t digest[SHA256_BYTES] = {0};
    uint32_t fresh_s = 0;
    stop_fetch(c, f);
    enum rc rc = jwks_fetch_result(f, code, &set, &fresh_s, &err);
    if (rc == RC_OK)
        sha256(buf_slice(&f->body), digest);
    end_source(c, f->owner, rc, set, digest, fresh_s, &err);
    jwks_fetch_free(f);
}

static void start_fetch(struct jwks_cache *c, struct jwks_source *s)
{
    struct jwks_fetch *f = jwks_fetch_new(s->url, c->timeout_ms, s);
    if (f && curl_multi_add_handle(c->multi, f->curl) == CURLM_OK) {
        c->running[c->running_count++] = f;
        return;
    }
    struct err err = ERR_INIT;
    err_set(&err, RC_NOMEM, "no memory for a fetch");
    jwks_fetch_free(f);
    end_source(c, s, RC_NOMEM, NULL, NULL, 0, &err);
}

static void do_what_is_due(struct jwks_cache *c)
{
    struct jwks_source *due[JWKS_FETCHES_MAX];
    mono_ns now = c->now();
    pthread_mutex_lock(&c->table.lock);
    struct jwks_wait *late = jwks_table_expire(&c->table, now);
    uint32_t count = jwks_table_start_due(&c->table, now, JWKS_FETCHES_MAX - c->running_count, due);
    pthread_mutex_unlock(&c->table.lock);
    answer(late);
    for (uint32_t i = 0; i < count; i++)
        start_fetch(c, due[i]);
}

static void move_bytes(struct jwks_cache *c)
{
    int left;
    CURLMsg *message;
    curl_multi_perform(c->multi, &left);
    while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct jwks_fetch *f = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &f);
        end_fetch(c, f, code);
    }
}

static int time_to_next_ms(struct jwks_cache *c)
{
    mono_ns now = c->now();
    pthread_mutex_lock(&c->table.lock);
    mono_ns next = jwks_table_next(&c->table, now, c->running_count < JWKS_FETCHES_MAX);
    pthread_mutex_unlock(&c->table.lock);
    int64_t ms = (next.ns - now.ns + 999999) / 1000000;
    return ms < 0 ? 0 : ms > POLL_MS_MAX ? POLL_MS_MAX : (int)ms;
}

static void *run(void *arg)
{
    struct jwks_cache *c = arg;
    os_thread_name("jwks");
    while (!atomic_load(&c->is_closing)) {
        do_what_is_due(c);
        move_bytes(c);
        curl_multi_poll(c->multi, NULL, 0, time_to_next_ms(c), NULL);
    }
    while (c->running_count) {
        struct jwks_fetch *f = c->running[0];
        stop_fetch(c, f);
        jwks_fetch_free(f);
    }
    pthread_mutex_lock(&c->table.lock);
    struct jwks_wait *waits = jwks_table_take_waits(&c->table);
    pthread_mutex_unlock(&c->table.lock);
    answer(waits);
    return NULL;
}

/* ---- metrics ---- */
static int64_t read_age(void *ctx)
{
    struct jwks_cache *c = ctx;
    mono_ns now = c->now();
    int64_t us = 0;
    pthread_mutex_lock(&c->table.lock);
    for (uint32_t i = 0; i < c->table.slot_end; i++) {
        const struct jwks_source *s = c->table.slots[i];
        if (s && s->snapshot && mono_diff_us(s->fetched_at, now) > us)
            us = mono_diff_us(s->fetched_at, now);
    }
    pthread_mutex_unlock(&c->table.lock);
    return us / 1000000;
}

static void metrics_start(struct jwks_cache *c)
{
    c->fetches = (struct metric){.name = "weir_jwks_fetches_total",
                                 .help = "Fetches of token issuers' key sets",
                                 .kind = METRIC_COUNTER};
    c->failures = (struct metric){.name = "weir_jwks_failures_total",
                                  .help = "Fetches of key sets that failed",
                                  .kind = METRIC_COUNTER};
    c->age = (struct metric){.name = "weir_jwks_age_seconds",
                             .help = "Since the key set in force that was fetched longest ago",
                             .kind = METRIC_GAUGE,
                             .read = read_age,
                             .read_ctx = c};
    metrics_register(&c->fetches);
    metrics_register(&c->failures);
    metrics_register(&c->age);
}

static void metrics_end(struct jwks_cache *c)
{
    metrics_unregister(&c->fetches);
    metrics_unregister(&c->failures);
    metrics_unregister(&c->age);
}

/* ---- from outside ---- */
void jwks_cache_close(struct jwks_cache *c)
{
    if (!c)
        return;
    if (c->has_thread) {
        metrics_end(c);
        atomic_store(&c->is_closing, true);
        curl_multi_wakeup(c->multi);
        pthread_join(c->thread, NULL);
    }
    curl_multi_cleanup(c->multi);
    jwks_table_done(&c->table);
    heap_free(c);
}
DEFINE_CLEANUP(struct jwks_cache *, jwks_cache_close)

enum rc jwks_cache_open(const struct jwks_cache_cfg *cfg, struct jwks_cache **ret_cache,
                        struct err *err)
{
    pthread_once(&curl_once, curl_init);
    CLEANUP(jwks_cache_closep) struct jwks_cache *c = heap_alloc(HEAP_TENANT, sizeof(*c));
    c->now = cfg->now ? cfg->now : mono_now;
    c->timeout_ms = cfg->timeout_ms ? cfg->timeout_ms : JWKS_TIMEOUT_MS;
    jwks_table_init(&c->table);
    c->multi = curl_multi_init();
    if (!c->multi || pthread_create(&c->thread, NULL, run, c) != 0)
        return err_set(err, RC_NOMEM, "cannot start the thread that fetches issuers' keys");
    c->has_thread = true;
    metrics_start(c);
    *ret_cache = take_ptr(&c);
    return RC_OK;
}

const struct jwks_current *jwks_cache_current(const struct jwks_cache *c)
{
    return &c->table.current;
}

struct jwks_snapshot *jwks_cache_take(struct jwks_cache *c, struct slice url)
{
    bool is_new;
    enum rc rc;
    mono_ns now = c->now();
    pthread_mutex_lock(&c->table.lock);
    const struct jwks_source *s = jwks_table_get(&c->table, url, now, &is_new, &rc);
    struct jwks_snapshot *snapshot = s ? jwks_source_take(s, now) : NULL;
    pthread_mutex_unlock(&c->table.lock);
    if (s && is_new)
        curl_multi_wakeup(c->multi);
    return snapshot;
}

void jwks_cache_warm(struct jwks_cache *c, struct slice url)
{
    jwks_snapshot_give(jwks_cache_take(c, url));
    curl_multi_wakeup(c->multi);
}

enum rc jwks_cache_refresh(struct jwks_cache *c, struct slice url, uint32_t deadline_ms,
                           jwks_refreshed_fn *done, void *ctx)
{
    bool is_new;
    enum rc rc;
    mono_ns now = c->now();
    CLEANUP(heap_freep) struct jwks_wait *wait = heap_try_alloc(HEAP_TENANT, sizeof(*wait));
    ENSURE(wait, RC_BUSY);
    *wait = (struct jwks_wait){.done = done, .ctx = ctx, .deadline = mono_add_ms(now, deadline_ms)};
    pthread_mutex_lock(&c->table.lock);
    struct jwks_source *s = jwks_table_get(&c->table, url, now, &is_new, &rc);
    if (s)
        rc = jwks_source_wait(&c->table, s, wait, now);
    if (rc == RC_OK)
        wait = NULL; /* the table's now */
    pthread_mutex_unlock(&c->table.lock);
    if (rc == RC_OK)
        curl_multi_wakeup(c->multi);
    return rc;
}
