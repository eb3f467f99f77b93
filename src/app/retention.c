/* WHAT    retention.h.
 * THREADS one, which blocks on the store. */
#include "app/retention.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "analytics/rejected/rejected.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/os.h"

enum { HOUR_MS = 3600000, WHILE_BUSY_MS = 1000, NICE = 10 };

struct retention {
    struct retention_cfg cfg;
    struct retain_rule *rules; /* RETAIN_RULES_MAX */
    uint32_t count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping; /* under lock */
};

struct rules {
    struct retain_rule *list;
    uint32_t count, skipped;
};

static void add_rule(void *ctx, const struct tenant_project *p)
{
    struct rules *r = ctx;
    if (p->retention_days <= 0)
        return;
    if (r->count == RETAIN_RULES_MAX)
        r->skipped++;
    else
        r->list[r->count++] =
            (struct retain_rule){.project = p->id, .days = (uint32_t)p->retention_days};
}

uint32_t retention_rules(struct tenant *t, struct retain_rule ret[RETAIN_RULES_MAX])
{
    static struct log_limit limit;
    struct rules rules = {.list = ret};
    struct tenant_view *view = tenant_view_take(t);
    tenant_view_projects(view, add_rule, &rules);
    tenant_view_give(view);
    if (rules.skipped && log_allowed(&limit))
        log_warn("more projects have a retention than are looked at in one go: some keep old rows",
                 LOG_U64("projects", rules.skipped));
    return rules.count;
}

/* True: it is time to stop. */
static bool rest(struct retention *r, int64_t ms)
{
    int64_t until_ns = mono_add_ms(mono_now(), ms).ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&r->lock);
    while (!r->is_stopping && pthread_cond_timedwait(&r->wake, &r->lock, &until) != ETIMEDOUT) {
    }
    bool is_over = r->is_stopping;
    pthread_mutex_unlock(&r->lock);
    return is_over;
}

static enum rc one_step(struct retention *r, struct err *err)
{
    struct store_client *client;
    TRY(store_pool_take(r->cfg.pool, &client, err));
    enum rc rc = retain_step(client, r->rules, r->count, unix_now(), err);
    if (rc == RC_END)
        r->cfg.removed(r->cfg.ctx);
    if (rc == RC_END)
        rc = rejected_sweep(client, unix_now(), err) == RC_OK ? RC_END : RC_STORE;
    store_pool_give(r->cfg.pool, client);
    return rc;
}

static void *run(void *arg)
{
    struct retention *r = arg;
    bool is_over = false;
    os_thread_name("retention");
    os_thread_nice(NICE);
    while (!is_over) {
        struct err err = ERR_INIT;
        r->count = retention_rules(r->cfg.tenant, r->rules);
        enum rc rc = one_step(r, &err);
        bool is_more = rc == RC_OK || rc == RC_BUSY;
        if (!is_more && rc != RC_END)
            log_warn("what is too old stays in the store for another hour", LOG_ERR(&err));
        is_over = rest(r, is_more ? WHILE_BUSY_MS : HOUR_MS);
    }
    return NULL;
}

enum rc retention_start(const struct retention_cfg *cfg, struct retention **ret, struct err *err)
{
    struct retention *r = heap_alloc(HEAP_APP, sizeof(*r));
    pthread_condattr_t attr;
    r->cfg = *cfg;
    r->rules = heap_alloc(HEAP_APP, RETAIN_RULES_MAX * sizeof(*r->rules));
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&r->lock, NULL);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        heap_free(r->rules);
        heap_free(r);
        return err_set(err, RC_NOMEM, "cannot start the thread that removes old rows");
    }
    *ret = r;
    return RC_OK;
}

void retention_stop(struct retention *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->is_stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    heap_free(r->rules);
    heap_free(r);
}
