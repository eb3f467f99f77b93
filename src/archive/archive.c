/* WHAT     The archive as a consumer: what drives the runs (run.c) and the Parquet work
 *          (parquet.c).
 * WHY      Records come in through process(), so that the stream is read once; time comes in
 *          through tick(), because a quiet partition has an hour that ends without a record.
 * THREADS  One lock around everything; uploads happen under it, so that a flush waits for the
 *          one under way. */
#include "archive/archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive_int.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum {
    TICK_MS = 5000,
    BACKOFF_MS_MIN = 1000,
    BACKOFF_MS_MAX = 300000,
    PARQUET_RUNS_PER_TICK = 1,
    PARQUET_MS = 10000, /* looks for waiting runs this often, and whenever one was closed */
};

static int64_t backoff_ms(uint32_t failures)
{
    int64_t ms = BACKOFF_MS_MIN;
    for (uint32_t i = 1; i < failures && ms < BACKOFF_MS_MAX; i++)
        ms *= 2;
    return ms < BACKOFF_MS_MAX ? ms : BACKOFF_MS_MAX;
}

static void note_outcome(struct archive *a, enum rc rc, const struct err *err)
{
    if (rc == RC_OK) {
        a->last_error[0] = '\0';
        return;
    }
    metric_add(&a->m_failures, 1);
    snprintf(a->last_error, sizeof(a->last_error), "%.199s", err->text);
}

static void update_oldest(struct archive *a)
{
    int64_t oldest = 0;
    for (uint32_t i = 0; i < a->partition_count; i++) {
        const struct archive_run *run = &a->partitions[i].run;
        if (run->is_open && (oldest == 0 || run->manifest.hour.ms < oldest))
            oldest = run->manifest.hour.ms;
    }
    metric_set(&a->m_oldest, oldest / 1000);
}

/* ---- records ---- */

static enum rc take(struct archive *a, struct archive_partition *p,
                    const struct stream_record *record, struct err *err)
{
    if (record->offset < p->fed)
        return RC_OK;
    if (record->offset > p->fed) /* handed over before a crash, or a run that was dropped */
        TRY(run_feed_stream(a, p, record->offset, err));
    return record->offset < p->fed ? RC_OK : run_feed(a, p, record, err);
}

static void tick(struct archive *a, bool is_idle);

static enum rc archive_process(void *ctx, struct consumer *c, const struct consumer_batch *batch,
                               struct err *err)
{
    (void)c;
    struct archive *a = ctx;
    enum rc rc = RC_OK;
    must(batch->partition < a->partition_count);
    pthread_mutex_lock(&a->lock);
    for (uint32_t i = 0; i < batch->count && rc == RC_OK; i++)
        rc = take(a, &a->partitions[batch->partition], &batch->records[i], err);
    note_outcome(a, rc, err);
    tick(a, false);
    pthread_mutex_unlock(&a->lock);
    must(rc != RC_INVALID); /* would mean: poison; nothing is poison to an archive */
    return rc;
}

/* ---- time ---- */

static bool is_over(const struct archive *a, const struct archive_partition *p)
{
    int64_t end_ms = p->run.manifest.hour.ms + 3600000 + a->cfg.grace_ms;
    return p->run.is_open &&
           ((p->is_closing && p->fed > p->closing_last) || unix_now().ms >= end_ms);
}

enum due { DUE_BUSY, DUE_IDLE, DUE_ALL };

/* While the consumer is busy it hands over what is new: reading ahead of it would read the stream
 * twice, and a run that lacks committed records must not be closed by the clock. */
static enum rc close_if_due(struct archive *a, struct archive_partition *p, enum due due,
                            struct err *err)
{
    struct stream_bounds bounds;
    stream_bounds(a->cfg.stream, p->number, &bounds);
    if (due != DUE_BUSY)
        TRY(run_feed_stream(a, p, bounds.next, err));
    if (due == DUE_ALL || (p->fed >= bounds.next && is_over(a, p)))
        return run_close(a, p, err);
    return RC_OK;
}

/* Every partition gets its turn; the first failure is the one that is told. */
static enum rc close_due(struct archive *a, enum due due, struct err *err)
{
    enum rc first = RC_OK;
    for (uint32_t i = 0; i < a->partition_count; i++) {
        struct archive_partition *p = &a->partitions[i];
        struct err own = ERR_INIT;
        enum rc rc = close_if_due(a, p, due, &own);
        if (rc == RC_OK || first != RC_OK)
            continue;
        first = rc;
        if (err)
            *err = own;
    }
    update_oldest(a);
    return first;
}

static void tick_parquet(struct archive *a)
{
    struct err err = ERR_INIT;
    if (!a->cfg.store || mono_is_before(mono_now(), a->next_parquet))
        return;
    enum rc rc = parquet_step(a, PARQUET_RUNS_PER_TICK, &err);
    if (rc == RC_OK || rc == RC_END) {
        a->parquet_failures = 0;
        a->next_parquet = mono_add_ms(mono_now(), rc == RC_OK ? 0 : PARQUET_MS);
        return;
    }
    metric_add(&a->m_failures, 1);
    a->next_parquet = mono_add_ms(mono_now(), backoff_ms(++a->parquet_failures));
    log_warn("Parquet of an archived hour waits for the store",
             LOG_STR("stream", stream_name(a->cfg.stream)), LOG_RC(rc), LOG_ERR(&err));
}

static void tick(struct archive *a, bool is_idle)
{
    struct err err = ERR_INIT;
    bool is_waiting = mono_is_before(mono_now(), a->next_tick);
    if (is_waiting && (!is_idle || a->tick_failures))
        return;
    enum rc rc = close_due(a, is_idle ? DUE_IDLE : DUE_BUSY, &err);
    if (rc == RC_OK) {
        a->tick_failures = 0;
        a->next_tick = mono_add_ms(mono_now(), TICK_MS);
    } else {
        a->next_tick = mono_add_ms(mono_now(), backoff_ms(++a->tick_failures));
        note_outcome(a, rc, &err);
        log_warn("an hour could not be archived; it is tried again",
                 LOG_STR("stream", stream_name(a->cfg.stream)), LOG_RC(rc), LOG_ERR(&err));
    }
    tick_parquet(a);
}

static enum rc archive_idle(void *ctx, struct consumer *c, struct err *err)
{
    (void)c;
    (void)err; /* own backoff: see tick() */
    struct archive *a = ctx;
    pthread_mutex_lock(&a->lock);
    tick(a, true);
    pthread_mutex_unlock(&a->lock);
    return RC_OK;
}

const struct consumer_ops archive_consumer_ops = {
    .name = "archive", .process = archive_process, .idle = archive_idle};

enum rc archive_flush(struct archive *a, uint64_t *ret_pending, struct err *err)
{
    struct err parquet_err = ERR_INIT;
    pthread_mutex_lock(&a->lock);
    enum rc rc = close_due(a, DUE_ALL, err);
    if (rc != RC_OK && err)
        note_outcome(a, rc, err);
    if (a->cfg.store)
        IGNORE(parquet_step(a, UINT32_MAX, &parquet_err), "it stays pending and is counted below");
    if (ret_pending)
        *ret_pending = parquet_pending(a);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* ---- again ---- */

struct rerun {
    struct archive *a;
    unix_ms hour;
    uint64_t manifests, objects, changed;
};

static void reader_closep(struct stream_reader **r)
{
    if (*r)
        stream_reader_close(*r);
}

static enum rc refill(struct rerun *r, const struct archive_manifest *m,
                      const struct archive_part *part, struct spool *spool, struct err *err)
{
    CLEANUP(reader_closep) struct stream_reader *reader = NULL;
    TRY(stream_reader_open(r->a->cfg.stream, m->partition, part->first, &reader, err));
    for (uint64_t offset = part->first; offset <= part->last; offset++) {
        struct stream_record record = {0};
        enum rc rc = stream_reader_next(reader, &record, err);
        if (rc == RC_NOTFOUND || rc == RC_END || (rc == RC_OK && record.offset != offset))
            return err_set(err, RC_NOTFOUND,
                           "offset %" PRIu64 " of partition %u is not in the stream any more",
                           offset, (unsigned)m->partition);
        TRY(rc);
        TRY(spool_add(spool, &record, err));
    }
    return RC_OK;
}

static enum rc rerun_part(struct rerun *r, struct archive_manifest *m, struct archive_part *part,
                          struct err *err)
{
    char path[OS_PATH_MAX], key[OBJECT_KEY_MAX + 1];
    CLEANUP(spool_freep) struct spool *spool = NULL;
    struct archive_object *was = &part->objects[ARCHIVE_NDJSON_ZST], now;
    os_path(path, "%s/rerun.spool", r->a->dir);
    archive_object_key(key, m, part, ARCHIVE_NDJSON_ZST);
    TRY(spool_new(path, 3, &spool, err));
    TRY(refill(r, m, part, spool, err));
    TRY(run_upload(r->a, spool, key, &now, err));
    r->objects++;
    if (memcmp(now.sha256, was->sha256, sizeof(now.sha256)) != 0) {
        r->changed++;
        part->objects[ARCHIVE_PARQUET].is_there = false; /* was made of something else */
    }
    *was = now;
    return RC_OK;
}

static enum rc rerun_manifest(void *ctx, const struct object_info *info, struct err *err)
{
    struct rerun *r = ctx;
    uint32_t partition;
    uint64_t first;
    unix_ms hour;
    struct archive_manifest m = {0};
    if (!archive_manifest_key_parse(slice_str(info->key), stream_name(r->a->cfg.stream), &partition,
                                    &hour, &first))
        return RC_OK;
    TRY(archive_manifest_get(r->a->cfg.objects, info->key, &m, err));
    r->manifests++;
    enum rc rc = RC_OK;
    uint64_t changed = r->changed;
    for (uint32_t i = 0; i < m.part_count && rc == RC_OK; i++)
        rc = rerun_part(r, &m, &m.parts[i], err);
    if (rc == RC_OK && r->a->cfg.store && r->changed != changed)
        rc = parquet_mark_pending(r->a, &m, err);
    if (rc == RC_OK)
        rc = archive_manifest_put(r->a->cfg.objects, &m, err);
    archive_manifest_done(&m);
    return rc;
}

enum rc archive_rerun_hour(struct archive *a, unix_ms hour, uint64_t *ret_objects,
                           uint64_t *ret_changed, struct err *err)
{
    char prefix[OBJECT_KEY_MAX + 1], time[TIME_TEXT_BYTES];
    struct rerun r = {.a = a, .hour = {archive_hour_of(hour)}};
    time_format(r.hour, time);
    snprintf(prefix, sizeof(prefix), "%s/dt=%.10s/hour=%.2s/", stream_name(a->cfg.stream), time,
             time + 11);
    pthread_mutex_lock(&a->lock);
    enum rc rc = object_each(a->cfg.objects, prefix, rerun_manifest, &r, err);
    pthread_mutex_unlock(&a->lock);
    TRY(rc);
    if (r.manifests == 0)
        return err_set(err, RC_NOTFOUND, "the archive has nothing of %s", prefix);
    *ret_objects = r.objects;
    *ret_changed = r.changed;
    return RC_OK;
}

/* ---- life ---- */

static void metric_setup(struct archive *a, struct metric *m, enum metric_kind kind,
                         const char *name, const char *help)
{
    *m = (struct metric){.name = name, .help = help, .labels = a->labels, .kind = kind};
    metrics_register(m);
}

static void metrics_setup(struct archive *a)
{
    snprintf(a->labels, sizeof(a->labels), "stream=\"%s\"", stream_name(a->cfg.stream));
    metric_setup(a, &a->m_records, METRIC_COUNTER, "weir_archive_records_total",
                 "Records whose manifest is durable.");
    metric_setup(a, &a->m_objects, METRIC_COUNTER, "weir_archive_objects_total",
                 "Objects written, manifests included.");
    metric_setup(a, &a->m_bytes, METRIC_COUNTER, "weir_archive_bytes_total",
                 "Bytes of the data objects written.");
    metric_setup(a, &a->m_failures, METRIC_COUNTER, "weir_archive_failures_total",
                 "Attempts that failed and are repeated.");
    metric_setup(
        a, &a->m_oldest, METRIC_GAUGE, "weir_archive_oldest_unarchived_hour_seconds",
        "Beginning (unix time) of the oldest hour that is not archived yet; 0 when there is none.");
    metric_setup(a, &a->m_pending, METRIC_GAUGE, "weir_archive_parquet_pending",
                 "Runs that wait for their Parquet.");
    a->is_metrics_on = true;
}

static enum rc setup(struct archive *a, const struct archive_cfg *cfg, struct err *err)
{
    char pending[OS_PATH_MAX];
    snprintf(a->dir, sizeof(a->dir), "%s", cfg->dir);
    snprintf(a->database, sizeof(a->database), "%s", cfg->database ? cfg->database : "weir");
    os_path(pending, "%s/pending", a->dir);
    TRY(os_mkdirs(pending, err));
    TRY(object_sweep(cfg->objects, err));
    for (uint32_t i = 0; i < a->partition_count; i++) {
        struct archive_partition *p = &a->partitions[i];
        p->number = i;
        TRY(position_load(a, p, err));
        p->fed = p->next;
    }
    return RC_OK;
}

enum rc archive_new(const struct archive_cfg *cfg, struct archive **ret_archive, struct err *err)
{
    CLEANUP(archive_freep) struct archive *a = heap_alloc(HEAP_ARCHIVE, sizeof(*a));
    a->cfg = *cfg;
    a->cfg.part_records_max = cfg->part_records_max ? cfg->part_records_max : 250000;
    a->cfg.part_bytes_max = cfg->part_bytes_max ? cfg->part_bytes_max : 128ull << 20;
    a->cfg.grace_ms = cfg->grace_ms < 0 ? 30000 : cfg->grace_ms;
    must(pthread_mutex_init(&a->lock, NULL) == 0);
    a->partition_count = stream_partitions(cfg->stream);
    a->partitions = heap_alloc(HEAP_ARCHIVE, a->partition_count * sizeof(*a->partitions));
    if (strlen(cfg->dir) >= sizeof(a->dir) - 32)
        return err_set(err, RC_INVALID, "the path of the archive's state is too long");
    TRY(setup(a, cfg, err));
    metrics_setup(a);
    metric_set(&a->m_pending, (int64_t)parquet_pending(a));
    *ret_archive = take_ptr(&a);
    return RC_OK;
}

void archive_free(struct archive *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->partition_count; i++)
        run_drop(&a->partitions[i]);
    struct metric *const metrics[] = {&a->m_records,  &a->m_objects, &a->m_bytes,
                                      &a->m_failures, &a->m_oldest,  &a->m_pending};
    for (size_t i = 0; a->is_metrics_on && i < COUNT_OF(metrics); i++)
        metrics_unregister(metrics[i]);
    pthread_mutex_destroy(&a->lock);
    heap_free(a->partitions);
    heap_free(a);
}

void archive_status(struct archive *a, struct archive_status *ret)
{
    pthread_mutex_lock(&a->lock);
    update_oldest(a);
    *ret = (struct archive_status){
        .records = (uint64_t)metric_get(&a->m_records),
        .objects = (uint64_t)metric_get(&a->m_objects),
        .bytes = (uint64_t)metric_get(&a->m_bytes),
        .failures = (uint64_t)metric_get(&a->m_failures),
        .lost = a->lost,
        .parquet_pending = parquet_pending(a),
        .oldest_unarchived = {metric_get(&a->m_oldest) * 1000},
    };
    memcpy(ret->last_error, a->last_error, sizeof(ret->last_error));
    pthread_mutex_unlock(&a->lock);
}

uint64_t archive_next(struct archive *a, uint32_t partition)
{
    must(partition < a->partition_count);
    pthread_mutex_lock(&a->lock);
    uint64_t next = a->partitions[partition].next;
    pthread_mutex_unlock(&a->lock);
    return next;
}
