/* WHAT     chores.h.
 * WHY      Looks by the clock: changes come from other processes (the command line) as well, so
 *          nobody could wake it for all of them.
 * THREADS  one. */
#include "app/chores.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "tenant/session.h"

enum { LOOK_EVERY_MS = 400, QUOTA_EVERY = 2, PURGE_EVERY = 3600000 / LOOK_EVERY_MS };

struct chores {
    struct chores_cfg cfg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
};

static enum rc publish(void *arg, struct slice key, struct slice value)
{
    struct chores *c = arg;
    struct stream_record record = {.key = key, .value = value};
    return stream_append_wait(c->cfg.audit, &record, 1);
}

static void drain(struct chores *c)
{
    static struct log_limit limit;
    struct err err = ERR_INIT;
    uint32_t moved = 0;
    enum rc rc;
    do
        rc = tenant_outbox_drain(tenant_state(c->cfg.tenant), publish, c, &moved, &err);
    while (rc == RC_OK && moved > 0);
    if (rc != RC_OK && log_allowed(&limit))
        log_warn("audit events wait in the state database", LOG_ERR(&err));
}

static void flush_quota(struct chores *c)
{
    static struct log_limit limit;
    struct err err = ERR_INIT;
    if (quota_flush(c->cfg.quota, &err) != RC_OK && log_allowed(&limit))
        log_warn("counted events wait in memory", LOG_ERR(&err));
}

static void tend_salts(struct chores *c)
{
    static struct log_limit limit;
    struct err err = ERR_INIT;
    if (visitor_salts_tend(c->cfg.salts, unix_now(), mono_now(), &err) != RC_OK &&
        log_allowed(&limit))
        log_warn("the salts of visitors cannot be written: visitors without cookies are not told "
                 "apart until they can",
                 LOG_ERR(&err));
}

static void flush_rejected(struct chores *c)
{
    static struct log_limit limit;
    struct err err = ERR_INIT;
    if (rejected_flush(c->cfg.rejected, &err) != RC_OK && log_allowed(&limit))
        log_warn("what was rejected waits in memory", LOG_ERR(&err));
}

static void purge_sessions(struct chores *c)
{
    struct err err = ERR_INIT;
    uint32_t deleted;
    if (session_purge(tenant_state(c->cfg.tenant), unix_now(), &deleted, &err) != RC_OK)
        log_warn("dead sessions stay for another hour", LOG_ERR(&err));
}

static bool is_over(struct chores *c)
{
    int64_t until_ns = mono_add_ms(mono_now(), LOOK_EVERY_MS).ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&c->lock);
    while (!c->is_stopping && pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT) {
    }
    bool is_over = c->is_stopping;
    pthread_mutex_unlock(&c->lock);
    return is_over;
}

static void *run(void *arg)
{
    struct chores *c = arg;
    for (uint32_t times = 1; !is_over(c); times++) {
        drain(c);
        if (times % QUOTA_EVERY == 0) {
            flush_quota(c);
            tend_salts(c);
            flush_rejected(c);
        }
        if (times % PURGE_EVERY == 0)
            purge_sessions(c);
    }
    drain(c);
    flush_quota(c);
    flush_rejected(c);
    return NULL;
}

enum rc chores_start(const struct chores_cfg *cfg, struct chores **ret_chores, struct err *err)
{
    struct chores *c = heap_alloc(HEAP_APP, sizeof(*c));
    c->cfg = *cfg;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        heap_free(c);
        return err_set(err, RC_NOMEM, "cannot start the thread of the small regular work");
    }
    *ret_chores = c;
    return RC_OK;
}

void chores_stop(struct chores *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    heap_free(c);
}
