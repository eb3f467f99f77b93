/* WHAT     The thread that keeps the live table of sessions up to date: its pace, what others may
 *          ask of it, its metrics.
 * WHY      A step costs about the same for ten events as for a thousand, so it takes a rest of four
 *          times what it took before the next: sessions take no more than a fifth of the time while
 *          nothing piles up. A backlog is worked off without a rest.
 * THREADS  lock guards everything but the sessionizer, which is the thread's. */
#include "analytics/session/sessionize.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"

enum {
    LINGER_MS = 1000,
    REST_TIMES = 4,
    REST_MS_MAX = 5000,
    BACKOFF_MS_MIN = 100,
    BACKOFF_MS_MAX = 30000,
    BACKLOG = 100000, /* offsets; from here on there is no rest */
};

struct sessionize_worker {
    struct sessionizer *sessionizer;
    uint32_t linger_ms;
    int nice;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping, is_pause_wanted, is_resting, is_poked;
    struct sessionize_status status; /* but for lag_ms */
    bool is_behind;
    mono_ns behind_since;
    int64_t backoff_ms;
};

static struct metric m_lag = {.name = "weir_sessions_lag_records",
                              .help =
                                  "Records in the table of events that sessions do not yet have.",
                              .kind = METRIC_GAUGE};
static struct metric m_sweeping = {.name = "weir_sessions_rebuilding",
                                   .help = "1 while all sessions are made anew.",
                                   .kind = METRIC_GAUGE};
static struct metric m_steps = {.name = "weir_sessions_steps_total",
                                .help = "Batches of events whose sessions were written.",
                                .kind = METRIC_COUNTER};
static struct metric m_retries = {.name = "weir_sessions_retries_total",
                                  .help = "Attempts at one that failed.",
                                  .kind = METRIC_COUNTER};
static struct metric m_grown = {.name = "weir_sessions_written_total",
                                .help = "Rows of sessions, by what they were made of.",
                                .labels = "from=\"new events\"",
                                .kind = METRIC_COUNTER};
static struct metric m_anew = {.name = "weir_sessions_written_total",
                               .help = "Rows of sessions, by what they were made of.",
                               .labels = "from=\"all events\"",
                               .kind = METRIC_COUNTER};
static struct metric *const metrics[] = {&m_lag,     &m_sweeping, &m_steps,
                                         &m_retries, &m_grown,    &m_anew};

/* ---- the thread ---- */

/* What is behind was projected after `begun`, unless the step left some of what it found. */
static void note_done(struct sessionize_worker *w, enum rc rc, const struct err *err, mono_ns begun)
{
    bool is_sweeping;
    struct sessionize_counts counts;
    struct sessionize_status *st = &w->status;
    uint64_t lag = sessionizer_lag(w->sessionizer, &is_sweeping);
    bool is_behind = lag > 0 || is_sweeping;
    sessionizer_counts(w->sessionizer, &counts);
    if (is_behind && (!w->is_behind || (rc == RC_OK && lag < BACKLOG && !is_sweeping)))
        w->behind_since = begun;
    w->is_behind = is_behind;
    st->lag_offsets = lag;
    st->is_sweeping = is_sweeping;
    st->steps = counts.steps + counts.sweep_steps;
    st->offsets = counts.offsets;
    if (rc == RC_OK || rc == RC_END) {
        st->last_error[0] = '\0';
        w->backoff_ms = 0;
    } else {
        snprintf(st->last_error, sizeof(st->last_error), "%.199s", err->text);
        st->retries++;
        w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MS_MIN;
        if (w->backoff_ms > BACKOFF_MS_MAX)
            w->backoff_ms = BACKOFF_MS_MAX;
    }
    metric_set(&m_lag, (int64_t)lag);
    metric_set(&m_sweeping, is_sweeping);
    metric_set(&m_steps, (int64_t)st->steps);
    metric_set(&m_retries, (int64_t)st->retries);
    metric_set(&m_grown, (int64_t)counts.grown);
    metric_set(&m_anew, (int64_t)counts.made_anew);
}

static int64_t rest_ms(const struct sessionize_worker *w, enum rc rc, mono_ns begun)
{
    int64_t rest = mono_diff_us(begun, mono_now()) * REST_TIMES / 1000;
    if (w->backoff_ms)
        return w->backoff_ms;
    if (rc == RC_OK && (w->status.is_sweeping || w->status.lag_offsets >= BACKLOG))
        return 0;
    if (rc == RC_END || rest < w->linger_ms)
        return w->linger_ms;
    return rest < REST_MS_MAX ? rest : REST_MS_MAX;
}

/* lock is held. */
static void wait_until(struct sessionize_worker *w, mono_ns until)
{
    struct timespec ts = {.tv_sec = until.ns / 1000000000, .tv_nsec = until.ns % 1000000000};
    while (!w->is_stopping && !w->is_pause_wanted && !w->is_poked)
        if (pthread_cond_timedwait(&w->changed, &w->lock, &ts) == ETIMEDOUT)
            return;
}

/* lock is held. */
static void rest_while_paused(struct sessionize_worker *w)
{
    while (w->is_pause_wanted && !w->is_stopping) {
        w->is_resting = true;
        pthread_cond_broadcast(&w->changed);
        pthread_cond_wait(&w->changed, &w->lock);
    }
    w->is_resting = false;
}

static void *run(void *arg)
{
    struct sessionize_worker *w = arg;
    os_thread_name("sessionize");
    os_thread_nice(w->nice);
    pthread_mutex_lock(&w->lock);
    for (;;) {
        rest_while_paused(w);
        if (w->is_stopping)
            break;
        if (w->is_poked)
            sessionizer_look(w->sessionizer);
        w->is_poked = false;
        pthread_mutex_unlock(&w->lock);
        struct err err = ERR_INIT;
        mono_ns begun = mono_now();
        enum rc rc = sessionizer_step(w->sessionizer, &err);
        pthread_mutex_lock(&w->lock);
        note_done(w, rc, &err, begun);
        wait_until(w, mono_add_ms(mono_now(), rest_ms(w, rc, begun)));
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- from other threads ---- */

static void worker_free(struct sessionize_worker *w)
{
    sessionizer_free(w->sessionizer);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    heap_free(w);
}

enum rc sessionize_worker_start(const struct sessionize_worker_cfg *cfg,
                                struct sessionize_worker **ret, struct err *err)
{
    struct sessionizer *sessionizer;
    pthread_condattr_t attr;
    TRY(sessionizer_new(&cfg->sessionize, &sessionizer, err));
    struct sessionize_worker *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    *w = (struct sessionize_worker){.sessionizer = sessionizer,
                                    .linger_ms = cfg->linger_ms ? cfg->linger_ms : LINGER_MS,
                                    .nice = cfg->nice};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        worker_free(w);
        return err_set(err, RC_NOMEM, "cannot start the thread of the sessions");
    }
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        metrics_register(metrics[i]);
    *ret = w;
    return RC_OK;
}

static void tell(struct sessionize_worker *w, bool *flag, bool value)
{
    pthread_mutex_lock(&w->lock);
    *flag = value;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void sessionize_worker_stop(struct sessionize_worker *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        metrics_unregister(metrics[i]);
    sessionizer_give_up(w->sessionizer);
    tell(w, &w->is_stopping, true);
    pthread_join(w->thread, NULL);
    worker_free(w);
}

enum rc sessionize_worker_pause(struct sessionize_worker *w, int64_t deadline_ms)
{
    mono_ns until = mono_add_ms(mono_now(), deadline_ms);
    struct timespec ts = {.tv_sec = until.ns / 1000000000, .tv_nsec = until.ns % 1000000000};
    int r = 0;
    tell(w, &w->is_pause_wanted, true);
    pthread_mutex_lock(&w->lock);
    while (!w->is_resting && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&w->changed, &w->lock, &ts);
    bool is_resting = w->is_resting;
    pthread_mutex_unlock(&w->lock);
    if (!is_resting)
        sessionize_worker_resume(w);
    return is_resting ? RC_OK : RC_TIMEOUT;
}

void sessionize_worker_resume(struct sessionize_worker *w)
{
    tell(w, &w->is_pause_wanted, false);
}

enum rc sessionize_worker_forget(struct sessionize_worker *w, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    must(w->is_resting);
    enum rc rc = sessionizer_forget(w->sessionizer, err);
    pthread_mutex_unlock(&w->lock);
    return rc;
}

void sessionize_worker_poke(struct sessionize_worker *w)
{
    tell(w, &w->is_poked, true);
}

void sessionize_worker_status(struct sessionize_worker *w, struct sessionize_status *ret)
{
    pthread_mutex_lock(&w->lock);
    *ret = w->status;
    ret->lag_ms = w->is_behind ? mono_diff_us(w->behind_since, mono_now()) / 1000 : 0;
    pthread_mutex_unlock(&w->lock);
}
