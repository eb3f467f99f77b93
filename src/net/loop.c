/* Loops: a thread, a libuv loop, an intrusive queue of posted tasks, one timer for all deadlines.
 *
 * THREADS  Other threads reach a loop through net_loop_post() alone. */
#include <signal.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "net/net_int.h"

static _Thread_local struct net_loop *current;

struct net_loop *net_loop_current(void)
{
    return current;
}

/* False: what was to be run was for a request that is over. */
static bool enter(struct ctx_ref ref, struct ctx **ret_ctx)
{
    *ret_ctx = ctx_enter(ref);
    return *ret_ctx || !ref.ctx;
}

static void on_wake(uv_async_t *wake)
{
    struct net_loop *loop = wake->data;
    loop->now = mono_now();
    struct mpsc_node *node = mpsc_take_all(&loop->tasks);
    while (node) {
        struct net_task *task = CONTAINER_OF(node, struct net_task, node);
        node = node->next; /* the task may be gone after run() */
        struct ctx *ctx;
        ctx_must_be_outside();
        if (enter(task->ctx, &ctx))
            task->run(ctx, task);
        ctx_leave(ctx);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct net_loop *loop = timer->data;
    loop->now = mono_now();
    ctx_must_be_outside();
    loop_tick(loop);
}

/* With the first connection; an idle loop sleeps. */
void loop_ticker_start(struct net_loop *loop)
{
    loop->tick = loop->now.ns / (NET_TICK_MS * INT64_C(1000000));
    must(uv_timer_start(&loop->ticker, on_tick, NET_TICK_MS, NET_TICK_MS) == 0);
}

struct ctx_pool *net_loop_contexts(struct net_loop *loop)
{
    must(loop == current);
    return loop->contexts;
}

static void *loop_main(void *arg)
{
    struct net_loop *loop = arg;
    current = loop;
    os_thread_name(loop->name);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    current = NULL;
    return NULL;
}

static enum rc loop_abandon(struct net_loop *loop, const char *name, struct err *err)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->ticker, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop->uv) == 0);
    ctx_pool_free(loop->contexts);
    heap_free(loop);
    return err_set(err, RC_NOMEM, "cannot start the thread of loop %s", name);
}

enum rc net_loop_start(const char *name, struct net_loop **ret_loop, struct err *err)
{
    struct net_loop *loop = heap_alloc(HEAP_NET, sizeof(*loop));
    signal(SIGPIPE, SIG_IGN);
    snprintf(loop->name, sizeof(loop->name), "%.15s", name);
    must(uv_loop_init(&loop->uv) == 0);
    must(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
    must(uv_timer_init(&loop->uv, &loop->ticker) == 0);
    loop->wake.data = loop->ticker.data = loop;
    loop->contexts = ctx_pool_new();
    loop->now = mono_now();
    uv_unref((uv_handle_t *)&loop->ticker);
    if (pthread_create(&loop->thread, NULL, loop_main, loop) != 0)
        return loop_abandon(loop, name, err);
    *ret_loop = loop;
    return RC_OK;
}

void net_loop_post(struct net_loop *loop, struct net_task *task)
{
    if (mpsc_push(&loop->tasks, &task->node))
        uv_async_send(&loop->wake);
}

struct work {
    uv_work_t uv;
    struct ctx_ref ctx;
    void (*work)(struct ctx *ctx, void *arg);
    void (*done)(struct ctx *ctx, void *arg);
    void *arg;
};

static void on_work(uv_work_t *uv)
{
    struct work *w = uv->data;
    struct ctx *ctx;
    ctx_must_be_outside();
    if (enter(w->ctx, &ctx))
        w->work(ctx, w->arg);
    ctx_leave(ctx);
}

static void on_work_done(uv_work_t *uv, int status)
{
    (void)status;
    struct work *w = uv->data;
    struct ctx *ctx;
    current->now = mono_now();
    ctx_must_be_outside();
    if (enter(w->ctx, &ctx))
        w->done(ctx, w->arg);
    ctx_leave(ctx);
    heap_free(w);
}

void net_loop_work(struct ctx *ctx, struct net_loop *loop, void (*work)(struct ctx *ctx, void *arg),
                   void (*done)(struct ctx *ctx, void *arg), void *arg)
{
    must(loop == current);
    struct work *w = heap_alloc(HEAP_NET, sizeof(*w));
    *w = (struct work){
        .uv = {.data = w}, .ctx = ctx_ref(ctx), .work = work, .done = done, .arg = arg};
    must(uv_queue_work(&loop->uv, &w->uv, on_work, on_work_done) == 0);
}

struct net_timer {
    uv_timer_t uv;
    void (*fire)(void *ctx);
    void *ctx;
};

static void on_timer(uv_timer_t *uv)
{
    struct net_timer *t = uv->data;
    current->now = mono_now();
    t->fire(t->ctx);
}

static void on_timer_closed(uv_handle_t *handle)
{
    heap_free(handle->data);
}

struct net_timer *net_timer_start(struct net_loop *loop, uint64_t after_ms, uint64_t every_ms,
                                  void (*fire)(void *ctx), void *ctx)
{
    must(loop == current);
    struct net_timer *t = heap_alloc(HEAP_NET, sizeof(*t));
    t->fire = fire;
    t->ctx = ctx;
    must(uv_timer_init(&loop->uv, &t->uv) == 0);
    t->uv.data = t;
    must(uv_timer_start(&t->uv, on_timer, after_ms, every_ms) == 0);
    return t;
}

void net_timer_stop(struct net_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

struct sync_call {
    struct net_task task;
    void (*run)(void *ctx);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_done;
};

static void run_sync(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    struct sync_call *call = CONTAINER_OF(task, struct sync_call, task);
    call->run(call->ctx);
    pthread_mutex_lock(&call->lock);
    call->is_done = true;
    pthread_cond_signal(&call->cond);
    pthread_mutex_unlock(&call->lock);
}

/* Runs on the loop's thread and waits for it; from the loop itself: at once. */
void loop_run_sync(struct net_loop *loop, void (*run)(void *ctx), void *ctx)
{
    if (loop == current) {
        run(ctx);
        return;
    }
    struct sync_call call = {.task = {.run = run_sync}, .run = run, .ctx = ctx};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.cond, NULL);
    net_loop_post(loop, &call.task);
    pthread_mutex_lock(&call.lock);
    while (!call.is_done)
        pthread_cond_wait(&call.cond, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.cond);
}

static void close_loop(void *ctx)
{
    struct net_loop *loop = ctx;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->ticker, NULL);
}

struct stop_call {
    struct net_task task;
    struct net_loop *loop;
};

static void run_stop(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    close_loop(CONTAINER_OF(task, struct stop_call, task)->loop);
}

void net_loop_stop(struct net_loop *loop)
{
    must(loop != current);
    /* Not loop_run_sync: the loop may end before a waiter could be told safely. */
    struct stop_call call = {.task = {.run = run_stop}, .loop = loop};
    net_loop_post(loop, &call.task);
    pthread_join(loop->thread, NULL);
    must(uv_loop_close(&loop->uv) == 0);
    ctx_pool_free(loop->contexts);
    heap_free(loop);
}
