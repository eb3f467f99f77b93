/* WHAT     The thread behind a derived table: its pace, what others may ask of it.
 * THREADS  lock guards everything but the maker, which is the thread's. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "analytics/derived/derived.h"
#include "base/clock.h"
#include "base/heap.h"
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

struct derived_worker {
    const struct derived_ops *ops;
    void *maker;
    struct derived_pace pace;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping, is_pause_wanted, is_resting, is_poked;
    struct derived_status status; /* but for lag_ms */
    bool is_behind;
    bool had_backlog; /* since it last was not behind */
    mono_ns behind_since;
    int64_t backoff_ms;
};

/* ---- the thread ---- */

static bool is_backlog(const struct derived_progress *p)
{
    return p->is_anew || p->lag_offsets >= BACKLOG;
}

/* What is behind was projected after `begun`, unless the step left some of what it found. True: it
 * was the end of a backlog. */
static bool note_done(struct derived_worker *w, enum rc rc, const struct err *err, mono_ns begun)
{
    struct derived_status *st = &w->status;
    w->ops->progress(w->maker, &st->progress);
    uint64_t lag = st->progress.lag_offsets;
    bool is_anew = st->progress.is_anew, is_behind = lag > 0 || is_anew;
    if (is_behind && (!w->is_behind || (rc == RC_OK && !is_backlog(&st->progress))))
        w->behind_since = begun;
    bool is_end = w->had_backlog && !is_behind;
    w->is_behind = is_behind;
    w->had_backlog = is_behind && (w->had_backlog || is_backlog(&st->progress));
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
    metric_set(w->ops->lag, (int64_t)lag);
    metric_set(w->ops->anew, is_anew);
    metric_set(w->ops->steps, (int64_t)st->progress.steps);
    metric_set(w->ops->retries, (int64_t)st->retries);
    return is_end;
}

int64_t derived_rest_ms(const struct derived_progress *p, bool has_nothing, uint64_t unprojected,
                        int64_t took_ms)
{
    int64_t rest = took_ms * REST_TIMES;
    if (!has_nothing && is_backlog(p) && unprojected < BACKLOG)
        return 0;
    if (has_nothing || rest < LINGER_MS)
        return LINGER_MS;
    return rest < REST_MS_MAX ? rest : REST_MS_MAX;
}

static int64_t rest_ms(const struct derived_worker *w, enum rc rc, uint64_t unprojected,
                       mono_ns begun)
{
    if (w->backoff_ms)
        return w->backoff_ms;
    return derived_rest_ms(&w->status.progress, rc == RC_END, unprojected,
                           mono_diff_us(begun, mono_now()) / 1000);
}

/* lock is held. */
static void wait_until(struct derived_worker *w, mono_ns until)
{
    struct timespec ts = {.tv_sec = until.ns / 1000000000, .tv_nsec = until.ns % 1000000000};
    while (!w->is_stopping && !w->is_pause_wanted && !w->is_poked)
        if (pthread_cond_timedwait(&w->changed, &w->lock, &ts) == ETIMEDOUT)
            return;
}

/* lock is held. */
static void rest_while_paused(struct derived_worker *w)
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
    struct derived_worker *w = arg;
    os_thread_name(w->ops->name);
    os_thread_nice(w->pace.nice);
    pthread_mutex_lock(&w->lock);
    for (;;) {
        rest_while_paused(w);
        if (w->is_stopping)
            break;
        if (w->is_poked)
            w->ops->look(w->maker);
        w->is_poked = false;
        pthread_mutex_unlock(&w->lock);
        struct err err = ERR_INIT;
        mono_ns begun = mono_now();
        enum rc rc = w->ops->step(w->maker, &err);
        uint64_t unprojected = w->pace.unprojected ? w->pace.unprojected(w->pace.ctx) : 0;
        pthread_mutex_lock(&w->lock);
        bool is_end = note_done(w, rc, &err, begun);
        mono_ns until = mono_add_ms(mono_now(), rest_ms(w, rc, unprojected, begun));
        if (is_end) { /* takes milliseconds, in which others ask for the status */
            pthread_mutex_unlock(&w->lock);
            heap_trim();
            pthread_mutex_lock(&w->lock);
        }
        wait_until(w, until);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- from other threads ---- */

static void worker_free(struct derived_worker *w)
{
    w->ops->free(w->maker);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    heap_free(w);
}

static void each_metric(const struct derived_ops *ops, void (*fn)(struct metric *m))
{
    struct metric *const common[] = {ops->lag, ops->anew, ops->steps, ops->retries};
    for (size_t i = 0; i < COUNT_OF(common); i++)
        fn(common[i]);
    for (uint32_t i = 0; i < ops->own_count; i++)
        fn(ops->own[i]);
}

enum rc derived_worker_start(const struct derived_ops *ops, void *maker,
                             const struct derived_pace *pace, struct derived_worker **ret,
                             struct err *err)
{
    pthread_condattr_t attr;
    struct derived_worker *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    *w = (struct derived_worker){.ops = ops, .maker = maker, .pace = *pace};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        worker_free(w);
        return err_set(err, RC_NOMEM, "cannot start the thread %s", ops->name);
    }
    each_metric(ops, metrics_register);
    *ret = w;
    return RC_OK;
}

static void tell(struct derived_worker *w, bool *flag, bool value)
{
    pthread_mutex_lock(&w->lock);
    *flag = value;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void derived_worker_stop(struct derived_worker *w)
{
    if (!w)
        return;
    each_metric(w->ops, metrics_unregister);
    w->ops->give_up(w->maker);
    tell(w, &w->is_stopping, true);
    pthread_join(w->thread, NULL);
    worker_free(w);
}

enum rc derived_worker_pause(struct derived_worker *w, int64_t deadline_ms)
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
        derived_worker_resume(w);
    return is_resting ? RC_OK : RC_TIMEOUT;
}

void derived_worker_resume(struct derived_worker *w)
{
    tell(w, &w->is_pause_wanted, false);
}

void derived_worker_poke(struct derived_worker *w)
{
    tell(w, &w->is_poked, true);
}

void *derived_worker_maker(struct derived_worker *w)
{
    return w->maker;
}

void derived_worker_status(struct derived_worker *w, struct derived_status *ret)
{
    pthread_mutex_lock(&w->lock);
    *ret = w->status;
    ret->lag_ms = w->is_behind ? mono_diff_us(w->behind_since, mono_now()) / 1000 : 0;
    pthread_mutex_unlock(&w->lock);
}
