#include "app/job.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { LINES_BYTES_MAX = 1 << 20, LINE_BYTES_MAX = 4096 };

struct job {
    struct net_request *net; /* loop's thread only */
    struct net_loop *loop;
    job_fn *run;
    void *arg;
    void (*release)(void *arg);
    pthread_t thread;
    _Atomic bool is_cancelled;
    pthread_mutex_t lock;
    struct buf lines; /* under lock; waiting to be sent */
    bool is_done;     /* under lock */
    bool is_posted;   /* under lock: task is on its way to the loop */
    struct net_task task;
};

const _Atomic bool *job_cancelled(const struct job *job)
{
    return &job->is_cancelled;
}

static void on_gone(struct ctx *ctx, struct net_request *net)
{
    (void)ctx;
    struct job *job = net->user;
    atomic_store(&job->is_cancelled, true);
}

/* On the loop: send what is there; after the last of it, end. */
static void flush(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    struct job *job = CONTAINER_OF(task, struct job, task);
    pthread_mutex_lock(&job->lock);
    job->is_posted = false;
    bool is_done = job->is_done;
    if (job->lines.len && net_stream_write(job->net, buf_slice(&job->lines)) == RC_CLOSED)
        atomic_store(&job->is_cancelled, true);
    buf_clear(&job->lines);
    pthread_mutex_unlock(&job->lock);
    if (!is_done)
        return;
    pthread_join(job->thread, NULL);
    net_stream_end(job->net);
    job->release(job->arg);
    buf_done(&job->lines);
    pthread_mutex_destroy(&job->lock);
    heap_free(job);
}

static void add_line(struct job *job, const char *line, bool is_last)
{
    pthread_mutex_lock(&job->lock);
    buf_add_str(&job->lines, line);
    buf_add_char(&job->lines, '\n');
    job->is_done = is_last;
    bool is_to_post = !job->is_posted;
    job->is_posted = true;
    /* Under the lock: after it, a flush that was on its way may have freed the job. */
    if (is_to_post)
        net_loop_post(job->loop, &job->task);
    pthread_mutex_unlock(&job->lock);
}

void job_line(struct job *job, const char *fmt, ...)
{
    char line[LINE_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof(line))
        add_line(job, line, false);
}

static void *thread_main(void *arg)
{
    struct job *job = arg;
    struct err err = ERR_INIT;
    struct ctx *ctx = ctx_enter(job->task.ctx);
    must(ctx); /* its stream is open until the last line */
    enum rc rc = job->run(ctx, job->arg, job, &err);
    ctx_leave(ctx);
    struct buf last;
    buf_init(&last, LINE_BYTES_MAX);
    if (rc == RC_OK) {
        buf_add_str(&last, "{\"ok\":true}");
    } else {
        buf_addf(&last, "{\"rc\":\"%s\",\"error\":", rc_name(rc));
        buf_add_json(&last, slice_str(err.text[0] ? err.text : rc_text(rc)));
        buf_add_char(&last, '}');
    }
    char line[LINE_BYTES_MAX];
    snprintf(line, sizeof(line), "%s", buf_cstr(&last));
    buf_done(&last);
    add_line(job, line, true); /* the job may be gone after this */
    return NULL;
}

void job_start(struct ctx *ctx, struct api_request *req, job_fn *run, void *arg,
               void (*release)(void *arg))
{
    struct job *job = heap_alloc(HEAP_APP, sizeof(*job));
    *job = (struct job){.net = req->net,
                        .loop = req->net->loop,
                        .run = run,
                        .arg = arg,
                        .release = release,
                        .task = {.run = flush, .ctx = ctx_ref(ctx)}};
    pthread_mutex_init(&job->lock, NULL);
    buf_init(&job->lines, LINES_BYTES_MAX);
    req->net->user = job;
    req->net->on_gone = on_gone;
    api_stream_begin(req, 200, "application/x-ndjson", NULL);
    /* flush() runs on this very loop, so it cannot overtake what follows. */
    must(pthread_create(&job->thread, NULL, thread_main, job) == 0);
}
