/* WHAT    The thread that carries erasures out, one at a time, step by step.
 * WHY     A job is a row; each step is repeated until it went well, then the row says so. What was
 *         counted before a step began is kept with it: a kill in the middle of the step changes
 *         what is left to do, not what the report says.
 * ORDER   widen → roll → streams → settle → archive → tables. From the roll on it is fixed which
 *         records are meant. When the streams are done and every consumer has put down the batch
 *         it had read before, nothing can bring a record back into archive or tables.
 * THREADS its own; is_stopping under lock. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "analytics/erase/erase_int.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/os.h"

enum {
    LOOK_EVERY_MS = 1000,
    BACKOFF_MS_MIN = 1000,
    BACKOFF_MS_MAX = 60000,
    STORE_TIMEOUT_MS = 120000,
    ARENA_BYTES_MAX = 64 << 10,
};

struct erase_worker {
    struct erase_cfg cfg;
    struct erase_table *tables; /* a copy of cfg's */
    struct stream **streams;    /* events, then the others */
    uint32_t stream_count;
    struct state *state;
    struct ctx_pool *contexts;
    struct store_client *client; /* NULL: not made yet */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool is_stopping;
};

static bool gives_up(void *ctx)
{
    struct erase_worker *w = ctx;
    return atomic_load(&w->is_stopping);
}

/* ---- the places: streams first, then the archive, then the tables ---- */

enum { PLACE_ARCHIVE_BEHIND_STREAMS = 0, PLACE_TABLES_BEHIND_STREAMS = 1, PLACES_BEHIND = 2 };

struct step {
    struct erase_worker *w;
    struct erase_job *job;
};

/* What stream_erase asks: the set and the stop in one. */
static bool is_wanted(void *ctx, const struct stream_record *record)
{
    struct step *s = ctx;
    return erase_set_wants(&s->job->set, record);
}

static bool step_gives_up(void *ctx)
{
    struct step *s = ctx;
    return gives_up(s->w);
}

static void report(struct erase_job *job, const char *kind, const char *name,
                   const struct erase_count *count)
{
    buf_addf(&job->places,
             "%s{\"place\":\"%s%s%s\",\"records\":%llu,\"objects\":%llu,\"bytes\":%llu}",
             job->places.len ? "," : "", kind, *name ? " " : "", name,
             (unsigned long long)count->records, (unsigned long long)count->objects,
             (unsigned long long)count->bytes);
}

static enum rc pass_stream(struct step *s, struct stream *stream, bool is_dry_run,
                           struct erase_count *ret, struct err *err)
{
    uint64_t before[STREAM_PARTITIONS_MAX];
    *ret = (struct erase_count){0};
    if (stream == s->w->cfg.events)
        memcpy(before, s->job->before, sizeof(before));
    else
        TRY(stream_roll(stream, before, err));
    for (uint32_t p = 0; p < stream_partitions(stream); p++) {
        struct stream_erased erased;
        const struct stream_erase what = {.partition = p,
                                          .before = before[p],
                                          .is_wanted = is_wanted,
                                          .gives_up = step_gives_up,
                                          .ctx = s,
                                          .is_dry_run = is_dry_run};
        TRY(stream_erase(stream, &what, &erased, err));
        ret->records += erased.records;
        ret->objects += erased.segments;
        ret->bytes += erased.bytes_before;
    }
    return RC_OK;
}

static enum rc pass_archive(struct step *s, bool is_dry_run, struct erase_count *ret,
                            struct err *err)
{
    const struct erase_hooks *h = &s->w->cfg.hooks;
    const struct erase_pass pass = {.before = s->job->before,
                                    .is_wanted = is_wanted,
                                    .gives_up = step_gives_up,
                                    .ctx = s,
                                    .is_dry_run = is_dry_run};
    *ret = (struct erase_count){0};
    return h->archive ? h->archive(h->ctx, &pass, ret, err) : RC_OK;
}

static enum rc store_client_of(struct erase_worker *w, struct err *err)
{
    struct store_cfg cfg = w->cfg.store;
    cfg.timeout_ms = STORE_TIMEOUT_MS;
    return w->client ? RC_OK : store_client_new(&cfg, &w->client, err);
}

static struct erase_tables tables_of(struct step *s)
{
    return (struct erase_tables){.cfg = &s->w->cfg,
                                 .job = s->job,
                                 .client = s->w->client,
                                 .gives_up = gives_up,
                                 .ctx = s->w};
}

static enum rc settle_samples(struct step *s, bool is_dry_run, struct err *err)
{
    const struct erase_hooks *h = &s->w->cfg.hooks;
    return h->samples_settle(h->ctx, s->job->project, is_dry_run, gives_up, s->w, err);
}

static enum rc count_place(struct step *s, struct err *err)
{
    struct erase_worker *w = s->w;
    struct erase_count count;
    if (s->job->place < w->stream_count) {
        struct stream *stream = w->streams[s->job->place];
        TRY(pass_stream(s, stream, true, &count, err));
        report(s->job, "stream", stream_name(stream), &count);
    } else if (s->job->place == w->stream_count + PLACE_ARCHIVE_BEHIND_STREAMS) {
        TRY(pass_archive(s, true, &count, err));
        if (w->cfg.hooks.archive)
            report(s->job, "archive", "", &count);
    } else {
        TRY(store_client_of(w, err));
        TRY(settle_samples(s, true, err)); /* the table has them all then */
        struct erase_tables t = tables_of(s);
        TRY(erase_tables_count(&t, err));
    }
    return RC_OK;
}

static enum rc erase_tables(struct step *s, struct err *err)
{
    const struct erase_hooks *h = &s->w->cfg.hooks;
    TRY(store_client_of(s->w, err));
    if (h->is_replaying(h->ctx))
        return err_set(err, RC_BUSY, "a replay is copying rows: the tables wait for its end");
    TRY(settle_samples(s, false, err));
    TRY(h->sessions_rest(h->ctx, err));
    struct erase_tables t = tables_of(s);
    enum rc rc = erase_tables_run(&t, err);
    struct err own = ERR_INIT;
    enum rc resumed = h->sessions_go_on(h->ctx, rc == RC_OK && s->job->needs_sweep, &own);
    if (rc == RC_OK && resumed != RC_OK && err)
        *err = own;
    TRY(rc == RC_OK ? resumed : rc);
    TRY(erase_tables_begin_persons(&t, err));
    TRY(h->persons_anew(h->ctx, gives_up, s->w, err));
    return erase_tables_end_persons(&t, err);
}

static enum rc erase_place(struct step *s, struct err *err)
{
    struct erase_worker *w = s->w;
    struct erase_count count;
    if (s->job->place < w->stream_count)
        return pass_stream(s, w->streams[s->job->place], false, &count, err);
    TRY(w->cfg.hooks.settle(w->cfg.hooks.ctx, err));
    if (s->job->place == w->stream_count + PLACE_ARCHIVE_BEHIND_STREAMS)
        return pass_archive(s, false, &count, err);
    return erase_tables(s, err);
}

/* ---- one job ---- */

static enum rc widen(struct step *s, struct err *err)
{
    if (s->job->include_linked) {
        TRY(store_client_of(s->w, err));
        struct erase_tables t = tables_of(s);
        TRY(erase_tables_widen(&t, err));
    }
    s->job->stage = ERASE_WIDENED;
    return erase_job_save(s->w->state, s->job, err);
}

/* Behind an import's batch that did not know of this job yet. */
static enum rc roll_within_guard(struct step *s, struct err *err)
{
    struct erase_guard *guard = s->w->cfg.guard;
    struct erase_past *past = NULL;
    TRY(erase_guard_enter(guard, s->job->project, &past, err));
    enum rc rc = stream_roll(s->w->cfg.events, s->job->before, err);
    erase_guard_leave(guard, past);
    return rc;
}

static enum rc roll(struct step *s, struct err *err)
{
    TRY(roll_within_guard(s, err));
    s->job->partitions = stream_partitions(s->w->cfg.events);
    s->job->stage = ERASE_ROLLED;
    return erase_job_save(s->w->state, s->job, err);
}

static enum rc one_place(struct step *s, struct err *err)
{
    if (s->job->stage < ERASE_COUNTED) {
        TRY(count_place(s, err));
        s->job->stage = ERASE_COUNTED;
        TRY(erase_job_save(s->w->state, s->job, err));
    }
    if (!s->job->is_dry_run)
        TRY(erase_place(s, err));
    s->job->place++;
    s->job->stage = ERASE_ROLLED;
    return erase_job_save(s->w->state, s->job, err);
}

static enum rc finish(struct step *s, struct err *err)
{
    if (!s->job->is_dry_run) /* lists of people were changed when the job was made */
        TRY(state_wipe(s->w->state, err));
    struct ctx *ctx = ctx_new_system(s->w->contexts, ARENA_BYTES_MAX, "erase");
    if (!ctx)
        return err_set(err, RC_NOMEM, "no memory to end an erasure");
    enum rc rc = erase_job_finish(ctx, s->w->cfg.tenant, s->job, err);
    ctx_release(ctx);
    return rc;
}

static enum rc carry_out(struct step *s, struct err *err)
{
    if (s->job->stage < ERASE_WIDENED)
        TRY(widen(s, err));
    if (s->job->stage < ERASE_ROLLED)
        TRY(roll(s, err));
    while (s->job->place < s->w->stream_count + PLACES_BEHIND) {
        if (gives_up(s->w))
            return err_set(err, RC_CLOSED, "stopped");
        TRY(one_place(s, err));
    }
    return finish(s, err);
}

/* ---- the thread ---- */

static void wait_ms(struct erase_worker *w, int64_t ms)
{
    int64_t until_ns = mono_add_ms(mono_now(), ms).ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->is_stopping) &&
           pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&w->lock);
}

static void note_failure(struct erase_worker *w, const struct erase_job *job, const struct err *why)
{
    struct err err = ERR_INIT;
    log_warn("an erasure is not done yet; it goes on", LOG_STR("erasure", job->id), LOG_ERR(why));
    if (erase_job_note_failure(w->state, job, why, &err) != RC_OK)
        log_warn("the state could not be written", LOG_ERR(&err));
}

/* RC_NOTFOUND: there is none. */
static enum rc one_job(struct erase_worker *w)
{
    struct erase_job job;
    struct err err = ERR_INIT;
    enum rc rc = erase_job_next(w->state, &job, &err);
    if (rc == RC_NOTFOUND)
        return rc;
    if (rc != RC_OK) {
        log_warn("the erasures cannot be read", LOG_ERR(&err));
        return rc;
    }
    struct step s = {.w = w, .job = &job};
    rc = carry_out(&s, &err);
    if (rc == RC_OK)
        log_info("an erasure is done", LOG_STR("erasure", job.id));
    else if (rc != RC_CLOSED)
        note_failure(w, &job, &err);
    erase_job_done(&job);
    return rc;
}

static void *run(void *arg)
{
    struct erase_worker *w = arg;
    int64_t backoff_ms = 0;
    os_thread_name("erase");
    w->contexts = ctx_pool_new();
    while (!atomic_load(&w->is_stopping)) {
        enum rc rc = one_job(w);
        if (rc == RC_OK)
            backoff_ms = 0;
        else if (rc != RC_NOTFOUND)
            backoff_ms = backoff_ms == 0                   ? BACKOFF_MS_MIN
                         : backoff_ms * 2 < BACKOFF_MS_MAX ? backoff_ms * 2
                                                           : BACKOFF_MS_MAX;
        if (rc != RC_OK)
            wait_ms(w, backoff_ms ? backoff_ms : LOOK_EVERY_MS);
    }
    ctx_pool_free(w->contexts);
    return NULL;
}

/* ---- life ---- */

static void worker_free(struct erase_worker *w)
{
    if (w->client)
        store_client_free(w->client);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    heap_free(w->streams);
    heap_free(w->tables);
    heap_free(w);
}

enum rc erase_worker_start(const struct erase_cfg *cfg, struct erase_worker **ret, struct err *err)
{
    pthread_condattr_t attr;
    struct erase_worker *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    *w = (struct erase_worker){
        .cfg = *cfg, .state = tenant_state(cfg->tenant), .stream_count = 1 + cfg->other_count};
    w->streams = heap_alloc(HEAP_ANALYTICS, w->stream_count * sizeof(struct stream *));
    w->streams[0] = cfg->events;
    for (uint32_t i = 0; i < cfg->other_count; i++)
        w->streams[i + 1] = cfg->others[i];
    w->tables = heap_alloc(HEAP_ANALYTICS, (cfg->table_count + 1) * sizeof(*w->tables));
    for (uint32_t i = 0; i < cfg->table_count; i++)
        w->tables[i] = cfg->tables[i];
    w->cfg.tables = w->tables;
    w->cfg.others = NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        worker_free(w);
        return err_set(err, RC_NOMEM, "cannot start the thread of the erasures");
    }
    *ret = w;
    return RC_OK;
}

void erase_worker_stop(struct erase_worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->is_stopping, true);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    worker_free(w);
}
