/* WHAT        The job: phases in order, each from where the state file says.
 * WHY         A rebuilt table must never be half seen, and hours of work must never be lost or
 *             done twice. So the new table grows beside the old one, the state file moves after
 *             each step, every step can be repeated, and one EXCHANGE makes it the live one.
 *             Whether that happened is asked of the engine (the new table's uuid), because a
 *             crash can fall between the exchange and the state file.
 * INVARIANTS  A batch is a function of its first offset and the source's content (a fixed number
 *             of records or bytes), so a repeated batch has the same token. Only the batch at
 *             `next` can be a repeat.
 * THREADS     One; the live consumer is stopped through the callbacks handed in. */
#include "analytics/replay/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analytics/projector/project.h"
#include "analytics/replay/replay_int.h"
#include "analytics/event/schema.h"
#include "base/arena.h"
#include "base/heap.h"
#include "base/must.h"

enum {
    BATCH_RECORDS = 20000,
    BATCH_BYTES_MAX = 32 << 20, /* stops filling beyond it; one record more may fit */
    STORE_TIMEOUT_MS = 6 * 3600 * 1000,
    CATCH_UP_ROUNDS = 20,
    CATCH_UP_CLOSE = 50000,
};

struct replay {
    const struct replay_cfg *cfg;
    struct replay_job job;
    struct replay_tables tables;
    struct store_client *client;
    struct project_writer *writer;
    struct stream_record *records;
    struct arena arena;
    struct replay_result *result;
    mono_ns begun;
    uint64_t done_now; /* records of this call, for the rate */
    bool is_resumed;
    bool is_paused;
};

/* ---- what the caller hears ---- */

static uint64_t range_records(const struct replay_job *job, bool only_done)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < job->partition_count; i++) {
        const struct replay_partition *p = &job->partitions[i];
        if (p->is_in_range)
            n += (only_done ? p->next : p->to + 1) - p->from;
    }
    return n;
}

static void tell_progress(const struct replay *r)
{
    struct replay_progress p = {.phase = replay_phase_names[r->job.phase], .eta_ms = -1};
    if (!r->cfg->progress)
        return;
    if (r->job.phase == REPLAY_REPLAY) {
        int64_t us = mono_diff_us(r->begun, mono_now());
        p.done = range_records(&r->job, true);
        p.total = range_records(&r->job, false);
        p.rate = us > 0 ? (uint64_t)((double)r->done_now * 1e6 / (double)us) : 0;
        p.eta_ms = p.rate ? (int64_t)((p.total - p.done) * 1000 / p.rate) : -1;
    }
    r->cfg->progress(r->cfg->ctx, &p);
}

static void PRINTF_LIKE(2, 3) report(const struct replay *r, const char *fmt, ...)
{
    char line[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (r->cfg->report)
        r->cfg->report(r->cfg->ctx, line);
}

static enum rc save(struct replay *r, struct err *err)
{
    return replay_job_save(r->cfg->dir, &r->job, err);
}

/* Between two steps: may we go on? */
static enum rc next_step(struct replay *r, struct err *err)
{
    tell_progress(r);
    if (r->cfg->should_stop && r->cfg->should_stop(r->cfg->ctx))
        return err_set(err, RC_CLOSED,
                       "the replay was interrupted; the same command goes on with it");
    return RC_OK;
}

static enum rc enter(struct replay *r, enum replay_phase phase, struct err *err)
{
    r->job.phase = phase;
    return save(r, err);
}

/* ---- the range ---- */

static void add_point(struct buf *out, const char *name, const struct replay_point *p)
{
    char time[TIME_TEXT_BYTES];
    buf_addf(out, " %s=", name);
    if (p->kind == REPLAY_TIME)
        buf_add_str(out, time_format(p->time, time));
    else if (p->kind == REPLAY_OFFSET)
        buf_add_u64(out, p->offset);
    else
        buf_add_str(out, "open");
}

static void arguments_text(const struct replay_cfg *cfg, char ret[REPLAY_ARGUMENTS_MAX])
{
    struct buf text;
    buf_init(&text, REPLAY_ARGUMENTS_MAX - 1);
    buf_addf(&text, "stream=%s source=%s", cfg->stream, cfg->source.ops->name);
    add_point(&text, "from", &cfg->from);
    add_point(&text, "to", &cfg->to);
    if (cfg->partition != UINT32_MAX)
        buf_addf(&text, " partition=%u", (unsigned)cfg->partition);
    buf_addf(&text, " batch=%u",
             (unsigned)(cfg->batch_records_max ? cfg->batch_records_max : BATCH_RECORDS));
    must(buf_ok(&text));
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    buf_done(&text);
}

/* *ret_offset: the point as "first offset not before it". */
static enum rc resolve(struct replay *r, uint32_t partition, const struct replay_point *p,
                       uint64_t open, uint64_t *ret_offset, struct err *err)
{
    *ret_offset = open;
    if (p->kind == REPLAY_OFFSET)
        *ret_offset = p->offset;
    else if (p->kind == REPLAY_TIME)
        return r->cfg->source.ops->offset_at(r->cfg->source.ctx, partition, p->time, ret_offset,
                                             err);
    return RC_OK;
}

/* A time before what the source holds may mean records it no longer has; an offset surely does. */
static enum rc check_begin(struct replay *r, uint32_t partition, uint64_t from, uint64_t first,
                           uint64_t end, struct err *err)
{
    bool wants_older = r->cfg->from.kind == REPLAY_OFFSET && from < first && from < end;
    bool may_want_older = r->cfg->from.kind == REPLAY_TIME && from == first && first > 0;
    struct stream_record oldest = {0};
    if (may_want_older) {
        TRY(r->cfg->source.ops->seek(r->cfg->source.ctx, partition, first, err));
        TRY(r->cfg->source.ops->next(r->cfg->source.ctx, &oldest, err));
        wants_older = oldest.time.ms > r->cfg->from.time.ms;
    }
    if (!wants_older)
        return RC_OK;
    return err_set(err, RC_NOTFOUND,
                   "the %s has partition %u from offset %" PRIu64
                   " on, not from the beginning of the range; begin there, "
                   "or use --source archive for what fell out of retention",
                   r->cfg->source.ops->name, (unsigned)partition, first);
}

static enum rc fix_partition(struct replay *r, uint32_t number, struct err *err)
{
    const struct replay_cfg *cfg = r->cfg;
    struct replay_partition *p = &r->job.partitions[number];
    uint64_t first = 0, next = 0, from = 0, end = 0;
    p->checkpoint = cfg->live.checkpoint(cfg->live.ctx, number);
    if (cfg->partition != UINT32_MAX && cfg->partition != number)
        return RC_OK;
    enum rc rc = cfg->source.ops->bounds(cfg->source.ctx, number, &first, &next, err);
    if (rc == RC_NOTFOUND)
        return RC_OK;
    TRY(rc);
    TRY(resolve(r, number, &cfg->from, first, &from, err));
    TRY(resolve(r, number, &cfg->to, next, &end, err));
    if (cfg->to.kind == REPLAY_OFFSET && end < UINT64_MAX)
        end++;
    end = end < next ? end : next;
    end = end < p->checkpoint ? end : p->checkpoint; /* the rest is the live consumer's */
    TRY(check_begin(r, number, from, first, end, err));
    from = from > first ? from : first;
    if (from >= end)
        return RC_OK;
    *p = (struct replay_partition){.is_in_range = true,
                                   .from = from,
                                   .to = end - 1,
                                   .next = from,
                                   .checkpoint = p->checkpoint};
    return RC_OK;
}

static enum rc begin_job(struct replay *r, const char *arguments, struct err *err)
{
    char uuid[40];
    TRY(replay_table_uuid(&r->tables, REPLAY_SHADOW, uuid, err));
    if (uuid[0])
        return err_set(err, RC_CONFLICT,
                       "there is a table " REPLAY_SHADOW " that belongs to no replay under way; "
                       "`weir replay --abort` drops it");
    snprintf(r->job.arguments, sizeof(r->job.arguments), "%s", arguments);
    r->job.partition_count = r->cfg->partitions;
    for (uint32_t i = 0; i < r->cfg->partitions; i++)
        TRY(fix_partition(r, i, err));
    if (range_records(&r->job, false) == 0)
        return err_set(err, RC_INVALID, "no record lies in the range");
    return save(r, err);
}

static enum rc open_job(struct replay *r, struct err *err)
{
    char arguments[REPLAY_ARGUMENTS_MAX];
    arguments_text(r->cfg, arguments);
    enum rc rc = replay_job_load(r->cfg->dir, &r->job, err);
    if (rc == RC_NOTFOUND)
        return begin_job(r, arguments, err);
    TRY(rc);
    r->is_resumed = true;
    if (strcmp(arguments, r->job.arguments) == 0 && r->job.partition_count == r->cfg->partitions)
        return RC_OK;
    return err_set(err, RC_CONFLICT,
                   "another replay is under way (%s); repeat it with its arguments, or --abort it",
                   r->job.arguments);
}

/* ---- create, copy ---- */

static enum rc phase_create(struct replay *r, struct err *err)
{
    TRY(replay_table_create_shadow(&r->tables, err));
    TRY(replay_table_uuid(&r->tables, REPLAY_SHADOW, r->job.shadow_uuid, err));
    if (!r->job.shadow_uuid[0])
        return err_set(err, RC_STORE,
                       "the store does not list " REPLAY_SHADOW " after creating it");
    return enter(r, REPLAY_COPY, err);
}

static enum rc phase_copy(struct replay *r, struct err *err)
{
    CLEANUP(heap_freep) char(*months)[16] = NULL;
    uint32_t count = 0;
    TRY(replay_table_months(&r->tables, &months, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        if (replay_job_has_month(&r->job, months[i]))
            continue;
        TRY(next_step(r, err));
        TRY(replay_table_copy_month(&r->tables, months[i], err));
        TRY(replay_job_add_month(&r->job, months[i], err));
        TRY(save(r, err));
    }
    return enter(r, REPLAY_REPLAY, err);
}

/* ---- replay ---- */

static void count_reject(void *ctx, uint32_t index, const char *reason)
{
    (void)ctx, (void)index,
        (void)reason; /* counted by the writer; its dead letter exists since the live run */
}

static enum rc keep_record(struct replay *r, struct stream_record *slot,
                           const struct stream_record *got, struct err *err)
{
    *slot = *got;
    slot->key = arena_copy(&r->arena, got->key);
    slot->headers = arena_copy(&r->arena, got->headers);
    slot->value = arena_copy(&r->arena, got->value);
    return r->arena.is_failed ? err_set(err, RC_NOMEM, "no memory for a batch of the replay")
                              : RC_OK;
}

/* Records [p->next, …] up to a full batch; batch->last is the last offset that is settled by it,
 * gaps included. */
static enum rc fill_batch(struct replay *r, uint32_t number, struct consumer_batch *batch,
                          struct err *err)
{
    const struct replay_partition *p = &r->job.partitions[number];
    const struct replay_source *source = &r->cfg->source;
    uint32_t records_max = r->cfg->batch_records_max ? r->cfg->batch_records_max : BATCH_RECORDS;
    arena_reset(&r->arena);
    *batch = (struct consumer_batch){
        .stream = r->cfg->stream, .partition = number, .first = p->next, .records = r->records};
    batch->last = p->next - 1; /* nothing yet */
    while (batch->count < records_max && r->arena.bytes_used < BATCH_BYTES_MAX &&
           batch->last != p->to) {
        struct stream_record got = {0};
        enum rc rc = source->ops->next(source->ctx, &got, err);
        if (rc == RC_END || (rc == RC_OK && got.offset > p->to)) {
            batch->last = p->to;
            return RC_OK;
        }
        TRY(rc);
        if (got.offset <= batch->last && batch->count)
            return err_set(err, RC_CORRUPT, "the source gave offset %" PRIu64 " twice", got.offset);
        TRY(keep_record(r, &r->records[batch->count], &got, err));
        batch->last = got.offset;
        batch->count++;
    }
    return RC_OK;
}

static enum rc replay_partition(struct replay *r, uint32_t number, bool *is_repeat, struct err *err)
{
    struct replay_partition *p = &r->job.partitions[number];
    if (!p->is_in_range || p->next > p->to)
        return RC_OK;
    TRY(r->cfg->source.ops->seek(r->cfg->source.ctx, number, p->next, err));
    while (p->next <= p->to) {
        struct consumer_batch batch;
        struct project_counts counts = {0};
        TRY(next_step(r, err));
        TRY(fill_batch(r, number, &batch, err));
        batch.is_repeat = *is_repeat;
        snprintf(batch.token, sizeof(batch.token), "replay/%s/%u/%" PRIu64 "-%" PRIu64,
                 r->cfg->stream, (unsigned)number, batch.first, batch.last);
        if (batch.count)
            TRY(project_writer_write(r->writer, &batch, count_reject, r, &counts, err));
        *is_repeat = false;
        r->job.records += batch.count;
        r->job.missing += batch.last - batch.first + 1 - batch.count;
        r->job.rejected += counts.rejected;
        r->job.duplicates += counts.duplicate;
        r->done_now += batch.count;
        p->next = batch.last + 1;
        TRY(save(r, err));
    }
    return RC_OK;
}

static enum rc phase_replay(struct replay *r, struct err *err)
{
    struct project_cfg cfg = {.store = r->cfg->store,
                              .table = REPLAY_SHADOW,
                              .filter_bytes_max = 256 << 20,
                              .drops_bots = r->cfg->drops_bots,
                              .ctx = r->cfg->ctx};
    uint32_t records_max = r->cfg->batch_records_max ? r->cfg->batch_records_max : BATCH_RECORDS;
    bool is_repeat = r->is_resumed;
    cfg.store.timeout_ms = cfg.store.timeout_ms ? cfg.store.timeout_ms : STORE_TIMEOUT_MS;
    r->records = heap_try_alloc(HEAP_ANALYTICS, records_max * sizeof(*r->records));
    if (!r->records)
        return err_set(err, RC_NOMEM, "no memory for a batch of %u records", (unsigned)records_max);
    TRY(project_writer_new(&cfg, &r->writer, err));
    for (uint32_t i = 0; i < r->job.partition_count; i++)
        TRY(replay_partition(r, i, &is_repeat, err));
    return enter(r, REPLAY_SWAP, err);
}

/* ---- swap ---- */

static enum rc report_differences(struct replay *r, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 64 << 10);
    TRY(replay_table_differences(&r->tables, &out, err));
    struct slice text = buf_slice(&out);
    while (text.len) {
        struct slice row = slice_cut(&text, '\n');
        struct slice partition = slice_cut(&row, '\t'), day = slice_cut(&row, '\t'),
                     live = slice_cut(&row, '\t');
        report(r, "partition %.*s, %.*s: %.*s rows live, %.*s replayed", SLICE_ARG(partition),
               SLICE_ARG(day), SLICE_ARG(live), SLICE_ARG(row));
    }
    return RC_OK;
}

static enum rc refuse(struct replay *r, struct err *err)
{
    const struct replay_result *res = r->result;
    if (r->cfg->is_forced)
        return RC_OK;
    if (res->missing)
        return err_set(err, RC_CONFLICT,
                       "%" PRIu64 " offsets of the range are not in the %s; " REPLAY_SHADOW
                       " is kept: look at it, then repeat with "
                       "--force to take it, or --abort",
                       res->missing, r->cfg->source.ops->name);
    if (res->rows_after < res->rows_before)
        return err_set(err, RC_CONFLICT,
                       "the replay has %" PRIu64 " rows where the live table has %" PRIu64
                       "; " REPLAY_SHADOW " is kept: look at it, then "
                       "repeat with --force to take it, or --abort",
                       res->rows_after, res->rows_before);
    return RC_OK;
}

static enum rc compare(struct replay *r, struct err *err)
{
    struct replay_result *res = r->result;
    uint64_t outside_before = 0, outside_after = 0;
    TRY(replay_table_count(&r->tables, ANALYTICS_EVENTS_TABLE, true, &res->rows_before, err));
    TRY(replay_table_count(&r->tables, REPLAY_SHADOW, true, &res->rows_after, err));
    TRY(replay_table_count(&r->tables, ANALYTICS_EVENTS_TABLE, false, &outside_before, err));
    TRY(replay_table_count(&r->tables, REPLAY_SHADOW, false, &outside_after, err));
    res->total_before = res->rows_before + outside_before;
    res->total_after = res->rows_after + outside_after;
    res->missing = r->job.missing;
    if (outside_before !=
        outside_after) /* these were copied: a difference is our fault, whoever forces it */
        return err_set(err, RC_CORRUPT,
                       "outside the range the shadow has %" PRIu64
                       " rows and the live table %" PRIu64 ": not swapped; --abort and report it",
                       outside_after, outside_before);
    TRY(report_differences(r, err));
    return refuse(r, err);
}

static enum rc is_exchanged(struct replay *r, bool *ret, struct err *err)
{
    char uuid[40];
    TRY(replay_table_uuid(&r->tables, ANALYTICS_EVENTS_TABLE, uuid, err));
    *ret = strcmp(uuid, r->job.shadow_uuid) == 0;
    return RC_OK;
}

/* Below the live consumer's checkpoint every row is in. What came during hours of replay is copied
 * before the consumer rests, so that it rests for the last seconds' rows only. */
static enum rc catch_up(struct replay *r, bool is_resting, uint64_t *ret_offsets, struct err *err)
{
    *ret_offsets = 0;
    for (uint32_t i = 0; i < r->job.partition_count; i++) {
        struct replay_partition *p = &r->job.partitions[i];
        uint64_t from = p->tail > p->checkpoint ? p->tail : p->checkpoint;
        uint64_t next = r->cfg->live.checkpoint(r->cfg->live.ctx, i);
        if (is_resting) /* and a batch that was given up half-way has rows behind it */
            TRY(replay_table_next(&r->tables, i, from, &next, err));
        if (next <= from)
            continue;
        TRY(replay_table_copy_tail(&r->tables, i, from, next - 1, err));
        p->tail = next;
        *ret_offsets += next - from;
    }
    return RC_OK;
}

static enum rc catch_up_closely(struct replay *r, struct err *err)
{
    uint64_t offsets = UINT64_MAX;
    for (int round = 0; round < CATCH_UP_ROUNDS && offsets > CATCH_UP_CLOSE; round++) {
        TRY(next_step(r, err));
        TRY(catch_up(r, false, &offsets, err));
    }
    return RC_OK;
}

static enum rc swap_paused(struct replay *r, struct err *err)
{
    uint64_t offsets = 0;
    TRY(catch_up(r, true, &offsets, err));
    TRY(compare(r, err));
    TRY(replay_table_exchange(&r->tables, err));
    r->result->is_swapped = true;
    return RC_OK;
}

static enum rc phase_swap(struct replay *r, struct err *err)
{
    bool is_done = false;
    TRY(is_exchanged(r, &is_done, err));
    if (!is_done) {
        const struct replay_live *live = &r->cfg->live;
        TRY(catch_up_closely(r, err));
        if (live->pause)
            TRY(live->pause(live->ctx, err));
        enum rc rc = swap_paused(r, err);
        if (live->resume)
            live->resume(live->ctx, r->result->is_swapped);
        TRY(rc);
    }
    r->result->is_swapped = true;
    return enter(r, REPLAY_CLEAN, err);
}

static enum rc phase_clean(struct replay *r, struct err *err)
{
    char uuid[40];
    r->result->is_swapped = true;
    TRY(replay_table_uuid(&r->tables, REPLAY_SHADOW, uuid, err));
    if (uuid[0] && r->cfg->keep_old)
        TRY(replay_table_keep(&r->tables, err));
    else if (uuid[0])
        TRY(replay_table_drop(&r->tables, REPLAY_SHADOW, err));
    return replay_job_remove(r->cfg->dir, err);
}

/* ---- the whole ---- */

static enum rc run_phases(struct replay *r, struct err *err)
{
    static enum rc (*const phases[REPLAY_PHASES])(struct replay *, struct err *) = {
        phase_create, phase_copy, phase_replay, phase_swap, phase_clean};
    TRY(open_job(r, err));
    if (r->is_resumed)
        TRY(replay_table_settle(&r->tables, err));
    for (enum replay_phase phase = r->job.phase; phase < REPLAY_PHASES; phase++) {
        must(r->job.phase == phase);
        tell_progress(r);
        TRY(phases[phase](r, err));
    }
    return RC_OK;
}

static void open_tables(struct replay *r, struct store_client *client)
{
    r->client = client;
    r->tables = (struct replay_tables){.client = client, .job = &r->job};
}

enum rc replay_run(const struct replay_cfg *cfg, struct replay_result *ret, struct err *err)
{
    struct replay r = {.cfg = cfg, .result = ret, .begun = mono_now()};
    struct store_cfg store = cfg->store;
    struct store_client *client = NULL;
    must(cfg->live.checkpoint && cfg->partitions > 0 && cfg->partitions <= STREAM_PARTITIONS_MAX);
    *ret = (struct replay_result){0};
    store.timeout_ms = store.timeout_ms ? store.timeout_ms : STORE_TIMEOUT_MS;
    TRY(store_client_new(&store, &client, err));
    open_tables(&r, client);
    arena_init(&r.arena, 1 << 20, BATCH_BYTES_MAX + 4 * (size_t)STREAM_RECORD_BYTES_MAX);
    enum rc rc = run_phases(&r, err);
    ret->records = r.job.records;
    ret->missing = r.job.missing;
    project_writer_free(r.writer);
    heap_free(r.records);
    arena_done(&r.arena);
    replay_job_done(&r.job);
    store_client_free(client);
    return rc;
}

enum rc replay_abort(const struct store_cfg *store, const char *dir, struct err *err)
{
    struct replay r = {0};
    struct store_client *client = NULL;
    bool is_done = false;
    TRY(store_client_new(store, &client, err));
    open_tables(&r, client);
    enum rc rc = replay_job_load(dir, &r.job, err);
    if (rc == RC_OK && r.job.shadow_uuid[0])
        rc = is_exchanged(&r, &is_done, err);
    if (rc == RC_OK && is_done)
        rc = err_set(err, RC_CONFLICT,
                     "the new table is live already; run the replay again to finish it");
    else if (rc == RC_OK || rc == RC_NOTFOUND || rc == RC_CORRUPT)
        rc = replay_table_drop(&r.tables, REPLAY_SHADOW, err);
    if (rc == RC_OK)
        rc = replay_job_remove(dir, err);
    replay_job_done(&r.job);
    store_client_free(client);
    return rc;
}

enum rc replay_status(const char *dir, char *ret_arguments, size_t bytes, struct err *err)
{
    struct replay_job job = {0};
    ret_arguments[0] = '\0';
    enum rc rc = replay_job_load(dir, &job, err);
    if (rc == RC_NOTFOUND)
        return RC_OK;
    TRY(rc);
    snprintf(ret_arguments, bytes, "%s", job.arguments);
    replay_job_done(&job);
    return RC_OK;
}
