/* WHAT     outbox.h.
 * WHY      Looks two or three times a second: changes come from other processes (the command line)
 *          as well, so nobody could wake it for all of them.
 * THREADS  one. */
#include "app/outbox.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { LOOK_EVERY_MS = 400 };

struct outbox {
    struct tenant *tenant;
    struct stream *audit;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
};

static enum rc publish(void *arg, struct slice key, struct slice value)
{
    struct outbox *o = arg;
    struct stream_record record = {.key = key, .value = value};
    return stream_append_wait(o->audit, &record, 1);
}

static void drain(struct outbox *o)
{
    static struct log_limit limit;
    struct err err = ERR_INIT;
    uint32_t moved = 0;
    enum rc rc;
    do
        rc = tenant_outbox_drain(tenant_state(o->tenant), publish, o, &moved, &err);
    while (rc == RC_OK && moved > 0);
    if (rc != RC_OK && log_allowed(&limit))
        log_warn("audit events wait in the state database", LOG_ERR(&err));
}

static bool is_over(struct outbox *o)
{
    int64_t until_ns = mono_add_ms(mono_now(), LOOK_EVERY_MS).ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&o->lock);
    while (!o->is_stopping && pthread_cond_timedwait(&o->wake, &o->lock, &until) != ETIMEDOUT) {
    }
    bool is_over = o->is_stopping;
    pthread_mutex_unlock(&o->lock);
    return is_over;
}

static void *run(void *arg)
{
    struct outbox *o = arg;
    while (!is_over(o))
        drain(o);
    drain(o);
    return NULL;
}

enum rc outbox_start(struct tenant *tenant, struct stream *audit, struct outbox **ret_outbox,
                     struct err *err)
{
    struct outbox *o = heap_alloc(HEAP_APP, sizeof(*o));
    *o = (struct outbox){.tenant = tenant, .audit = audit};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&o->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&o->lock, NULL);
    if (pthread_create(&o->thread, NULL, run, o) != 0) {
        heap_free(o);
        return err_set(err, RC_NOMEM, "cannot start the thread that publishes audit events");
    }
    *ret_outbox = o;
    return RC_OK;
}

void outbox_stop(struct outbox *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->is_stopping = true;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    heap_free(o);
}
