/* WHAT     Opening the tenant, and the thread that brings changes into the views.
 * WHY      A change may come from another process (the command line): so the version is asked for
 *          two or three times a second, and a reload builds a whole new view.
 * THREADS  the watcher; reloads of any thread are one after the other. */
#include "tenant/admin.h"

#include <errno.h>
#include <time.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "tenant/tenant_int.h"

enum { WATCH_EVERY_MS = 400, USES_EVERY = 150 /* times that: a minute */ };

static enum rc read_version(struct state *s, int64_t *ret_version, struct err *err)
{
    return state_run_i64(s, "SELECT number FROM view_version", NULL, 0, ret_version, err);
}

enum rc tenant_reload(struct tenant *t, struct err *err)
{
    struct tenant_view *fresh = NULL;
    int64_t version = 0;
    pthread_mutex_lock(&t->reload_lock);
    /* The version first: a change in between is then seen once more, never missed. */
    enum rc rc = read_version(t->state, &version, err);
    if (rc == RC_OK)
        rc = tenant_view_load(t->state, &fresh, err);
    if (rc == RC_OK) {
        pthread_mutex_lock(&t->view_lock);
        struct tenant_view *old = t->view;
        t->view = fresh;
        pthread_mutex_unlock(&t->view_lock);
        tenant_view_give(old);
        t->view_version = version;
    }
    pthread_mutex_unlock(&t->reload_lock);
    return rc;
}

static void reload_if_changed(struct tenant *t)
{
    int64_t version = 0;
    struct err err = ERR_INIT;
    enum rc rc = read_version(t->state, &version, &err);
    pthread_mutex_lock(&t->reload_lock);
    bool is_changed = rc == RC_OK && version != t->view_version;
    pthread_mutex_unlock(&t->reload_lock);
    if (is_changed)
        rc = tenant_reload(t, &err);
    static struct log_limit limit;
    if (rc != RC_OK && log_allowed(&limit))
        log_warn("cannot read projects and keys; the last picture stays in force", LOG_ERR(&err));
}

static void write_uses(struct tenant *t)
{
    struct err err = ERR_INIT;
    static struct log_limit limit;
    struct tenant_view *v = tenant_view_take(t);
    if (tenant_view_write_uses(v, t->state, &err) != RC_OK && log_allowed(&limit))
        log_warn("cannot write down when keys were used", LOG_ERR(&err));
    tenant_view_give(v);
}

static void *watch(void *arg)
{
    struct tenant *t = arg;
    uint32_t times = 0;
    pthread_mutex_lock(&t->wake_lock);
    while (!t->is_closing) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WATCH_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&t->wake, &t->wake_lock, &until);
        if (t->is_closing)
            break;
        pthread_mutex_unlock(&t->wake_lock);
        reload_if_changed(t);
        if (++times % USES_EVERY == 0)
            write_uses(t);
        pthread_mutex_lock(&t->wake_lock);
    }
    pthread_mutex_unlock(&t->wake_lock);
    return NULL;
}

void tenant_close(struct tenant *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->wake_lock);
    t->is_closing = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->wake_lock);
    if (t->has_watcher) {
        pthread_join(t->watcher, NULL);
        write_uses(t);
    }
    tenant_view_give(t->view);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->wake_lock);
    pthread_mutex_destroy(&t->view_lock);
    pthread_mutex_destroy(&t->reload_lock);
    heap_free(t);
}
DEFINE_CLEANUP(struct tenant *, tenant_close)

enum rc tenant_open(struct state *state, struct tenant **ret_tenant, struct err *err)
{
    TRY(tenant_migrate(state, err));
    TRY(definition_migrate(state, err));
    TRY(watch_migrate(state, err));
    TRY(share_migrate(state, err));
    CLEANUP(tenant_closep) struct tenant *t = heap_alloc(HEAP_TENANT, sizeof(*t));
    t->state = state;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&t->wake_lock, NULL);
    pthread_mutex_init(&t->view_lock, NULL);
    pthread_mutex_init(&t->reload_lock, NULL);
    TRY(tenant_reload(t, err));
    if (pthread_create(&t->watcher, NULL, watch, t) != 0)
        return err_set(err, RC_NOMEM, "cannot start the thread that watches projects and keys");
    t->has_watcher = true;
    *ret_tenant = take_ptr(&t);
    return RC_OK;
}

struct state *tenant_state(struct tenant *t)
{
    return t->state;
}
