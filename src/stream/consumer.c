/* WHAT     A consumer's life and its face to other threads: start, stop, pause, seek, status,
 *          metrics.
 * THREADS  lock guards the checkpoints that others read, the counters and the handshakes. The
 *          flags that the thread looks at are atomics; poke() wakes it wherever it sleeps. */
#include "stream/consumer_int.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/heap.h"
#include "base/must.h"
#include "stream/stream_int.h"

enum {
    RECORDS_DEFAULT = 50000,
    BYTES_DEFAULT = 32 << 20,
    LINGER_DEFAULT_MS = 200,
    ARENA_CHUNK = 256 << 10
};

static struct consumer *unconst(const struct consumer *c)
{
    /* cppcheck-suppress CastIntegerToAddressAtReturn */
    return __extension__(struct consumer *)(uintptr_t) c; /* the lock is no part of the value */
}

/* It sleeps on its own condition (linger, rest) or on the stream's (waiting for records). */
static void poke(struct consumer *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_lock(&c->cfg.stream->mutex);
    pthread_cond_broadcast(&c->cfg.stream->readable);
    pthread_mutex_unlock(&c->cfg.stream->mutex);
}

void consumer_reject(struct consumer *c, uint32_t index, const char *reason)
{
    must(index < c->count);
    if (c->rejected_n == c->rejected_cap) {
        uint32_t cap = c->rejected_cap ? c->rejected_cap * 2 : 16;
        struct rejected *moved = heap_try_resize(c->rejected, HEAP_STREAM, cap * sizeof(*moved));
        must(moved);
        c->rejected = moved;
        c->rejected_cap = cap;
    }
    struct rejected *r = &c->rejected[c->rejected_n++];
    *r = (struct rejected){.index = index};
    snprintf(r->reason, sizeof(r->reason), "%.*s", CONSUMER_REASON_MAX - 1, reason);
}

/* ---- metrics ---- */

static int64_t read_lag(void *ctx)
{
    struct consumer_status s;
    consumer_status(ctx, &s);
    return (int64_t)s.lag_records;
}

static int64_t read_lag_ms(void *ctx)
{
    struct consumer_status s;
    consumer_status(ctx, &s);
    return s.lag_ms;
}

static void metric_add_one(struct consumer *c, struct metric *m, enum metric_kind kind,
                           const char *name, const char *help, int64_t (*read)(void *ctx))
{
    *m = (struct metric){
        .name = name, .help = help, .labels = c->labels, .kind = kind, .read = read, .read_ctx = c};
    metrics_register(m);
}

static void register_metrics(struct consumer *c)
{
    snprintf(c->labels, sizeof(c->labels), "consumer=\"%.60s\"", c->cfg.ops->name);
    metric_add_one(c, &c->m_lag, METRIC_GAUGE, "weir_consumer_lag_records", "Records not yet done.",
                   read_lag);
    metric_add_one(c, &c->m_lag_ms, METRIC_GAUGE, "weir_consumer_lag_milliseconds",
                   "Age of the oldest record not yet done.", read_lag_ms);
    metric_add_one(c, &c->m_processed, METRIC_COUNTER, "weir_consumer_processed_total",
                   "Records done.", NULL);
    metric_add_one(c, &c->m_rejected, METRIC_COUNTER, "weir_consumer_rejected_total",
                   "Records put to the dead letters.", NULL);
    metric_add_one(c, &c->m_retries, METRIC_COUNTER, "weir_consumer_retries_total",
                   "Attempts that failed.", NULL);
    metric_add_one(c, &c->m_lost, METRIC_COUNTER, "weir_consumer_lost_total",
                   "Records that left retention unread.", NULL);
}

static void unregister_metrics(struct consumer *c)
{
    struct metric *all[] = {&c->m_lag,      &c->m_lag_ms,  &c->m_processed,
                            &c->m_rejected, &c->m_retries, &c->m_lost};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        metrics_unregister(all[i]);
}

/* ---- life ---- */

static void consumer_free(struct consumer *c)
{
    for (uint32_t i = 0; c->lanes && i < c->partitions; i++)
        stream_reader_close(c->lanes[i].reader);
    arena_done(&c->arena);
    heap_free(c->lanes);
    heap_free(c->records);
    heap_free(c->rejected);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    heap_free(c);
}

static struct consumer *consumer_alloc(const struct consumer_cfg *cfg)
{
    struct consumer *c = heap_alloc(HEAP_STREAM, sizeof(*c));
    pthread_condattr_t attr;
    c->cfg = *cfg;
    if (c->cfg.batch_records_max == 0)
        c->cfg.batch_records_max = RECORDS_DEFAULT;
    if (c->cfg.batch_bytes_max == 0)
        c->cfg.batch_bytes_max = BYTES_DEFAULT;
    if (c->cfg.linger_ms_max == 0)
        c->cfg.linger_ms_max = LINGER_DEFAULT_MS;
    os_path(c->dir, "%s", cfg->dir);
    c->partitions = stream_partitions(cfg->stream);
    c->lanes = heap_alloc(HEAP_STREAM, c->partitions * sizeof(*c->lanes));
    arena_init(&c->arena, ARENA_CHUNK, SIZE_MAX / 4);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    return c;
}

static enum rc lane_open(struct consumer *c, uint32_t partition, struct err *err)
{
    struct lane *l = &c->lanes[partition];
    struct stream_bounds b;
    stream_bounds(c->cfg.stream, partition, &b);
    enum rc rc = checkpoint_load(c->dir, partition, c->cfg.stream->id, &l->cp, err);
    if (rc == RC_NOTFOUND) {
        if (err)
            *err = ERR_INIT;
        l->cp = (struct checkpoint){.next = c->cfg.start_at_newest ? b.next : b.oldest};
        rc = checkpoint_save(c->dir, partition, c->cfg.stream->id, &l->cp, err);
    }
    TRY(rc);
    if (l->cp.next > b.next || (l->cp.has_intent && l->cp.last >= b.next))
        return err_set(err, RC_CORRUPT,
                       "partition %u was processed up to %llu, but the stream ends at %llu: "
                       "records that had been durable are gone",
                       partition,
                       (unsigned long long)(l->cp.has_intent ? l->cp.last + 1 : l->cp.next),
                       (unsigned long long)b.next);
    return stream_reader_open(c->cfg.stream, partition, l->cp.next, &l->reader, err);
}

enum rc consumer_start(const struct consumer_cfg *cfg, struct consumer **ret_consumer,
                       struct err *err)
{
    must(cfg->stream && cfg->dir && cfg->ops && cfg->ops->process && cfg->ops->name);
    TRY(os_mkdirs(cfg->dir, err));
    struct consumer *c = consumer_alloc(cfg);
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < c->partitions && rc == RC_OK; i++)
        rc = lane_open(c, i, err);
    if (rc == RC_OK) {
        register_metrics(c); /* before the thread, which counts in them */
        if (pthread_create(&c->thread, NULL, consumer_run, c) != 0) {
            unregister_metrics(c);
            rc = err_set(err, RC_NOMEM, "cannot start its thread");
        }
    }
    if (rc != RC_OK) {
        if (err)
            IGNORE(err_wrap(err, "consumer %s", cfg->ops->name), "rc is returned");
        consumer_free(c);
        return rc;
    }
    *ret_consumer = c;
    return RC_OK;
}

/* Until the condition holds or the deadline passed; lock is held. */
static bool wait_for(struct consumer *c, const bool *condition, int64_t deadline_ms)
{
    int64_t ns = mono_add_ms(mono_now(), deadline_ms).ns;
    struct timespec until = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (!*condition)
        if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
            return *condition;
    return true;
}

void consumer_stop(struct consumer *c, int64_t deadline_ms)
{
    if (!c)
        return;
    unregister_metrics(c);
    atomic_store(&c->is_stopping, true);
    poke(c);
    pthread_mutex_lock(&c->lock);
    if (!wait_for(c, &c->has_ended, deadline_ms))
        atomic_store(&c->gives_up, true);
    pthread_mutex_unlock(&c->lock);
    /* A handler that does not come back holds this up: it works on memory that is freed below. It
     * can ask consumer_gives_up(), and its calls have time limits of their own. */
    pthread_join(c->thread, NULL);
    consumer_free(c);
}

bool consumer_gives_up(const struct consumer *c)
{
    return atomic_load(&c->gives_up);
}

enum rc consumer_pause(struct consumer *c, int64_t deadline_ms)
{
    atomic_store(&c->is_pause_wanted, true);
    poke(c);
    pthread_mutex_lock(&c->lock);
    bool is_resting = wait_for(c, &c->is_resting, deadline_ms);
    pthread_mutex_unlock(&c->lock);
    if (!is_resting)
        consumer_resume(c);
    return is_resting ? RC_OK : RC_TIMEOUT;
}

void consumer_resume(struct consumer *c)
{
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->is_pause_wanted, false);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

enum rc consumer_seek(struct consumer *c, uint32_t partition, uint64_t offset, struct err *err)
{
    ENSURE(partition < c->partitions,
           err_set(err, RC_NOTFOUND, "the stream has no partition %u", partition));
    struct lane *l = &c->lanes[partition];
    struct checkpoint cp = {.next = offset};
    struct stream_bounds b;
    stream_bounds(c->cfg.stream, partition, &b);
    ENSURE(offset <= b.next, err_set(err, RC_INVALID, "partition %u ends at %llu", partition,
                                     (unsigned long long)b.next));
    pthread_mutex_lock(&c->lock); /* held over the write: the thread must not leave its rest */
    enum rc rc = c->is_resting && atomic_load(&c->is_pause_wanted)
                     ? checkpoint_save(c->dir, partition, c->cfg.stream->id, &cp, err)
                     : err_set(err, RC_CONFLICT, "consumer %s must be paused before it is moved",
                               c->cfg.ops->name);
    if (rc == RC_OK) {
        l->cp = cp;
        l->backoff_ms = 0;
        l->is_waiting = false;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

uint64_t consumer_checkpoint(const struct consumer *c, uint32_t partition)
{
    must(partition < c->partitions);
    pthread_mutex_lock(&unconst(c)->lock);
    uint64_t next = c->lanes[partition].cp.next;
    pthread_mutex_unlock(&unconst(c)->lock);
    return next;
}

void consumer_status(const struct consumer *cc, struct consumer_status *ret)
{
    struct consumer *c = unconst(cc);
    int64_t now_ms = unix_now().ms;
    *ret = (struct consumer_status){.lag_records = 0};
    pthread_mutex_lock(&c->lock);
    for (uint32_t i = 0; i < c->partitions; i++) {
        struct lane *l = &c->lanes[i];
        struct stream_bounds b;
        stream_bounds(c->cfg.stream, i, &b);
        if (b.next <= l->cp.next)
            continue;
        ret->lag_records += b.next - l->cp.next;
        if (!l->is_waiting) { /* the thread is busy elsewhere and has not seen them yet */
            l->is_waiting = true;
            l->since_ms = now_ms;
        }
        if (now_ms - l->since_ms > ret->lag_ms)
            ret->lag_ms = now_ms - l->since_ms;
    }
    ret->processed = c->processed;
    ret->rejected = c->rejected_total;
    ret->retries = c->retries;
    ret->lost = c->lost;
    memcpy(ret->last_error, c->last_error, sizeof(ret->last_error));
    pthread_mutex_unlock(&c->lock);
}

const char *consumer_name(const struct consumer *c)
{
    return c->cfg.ops->name;
}
