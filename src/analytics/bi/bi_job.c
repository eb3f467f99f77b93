/* WHAT    One question under way: a thread asks the store, the request's loop writes what comes.
 * WHY     A statement takes as long as it takes, and so does a slow reader: neither may hold one
 *         of the few workers that all other requests share. There are at most
 *         bi_cfg.running_max of these threads.
 * INVARIANTS  at most FLIGHT_BYTES_MAX of an answer lie between the two; the loop frees the job,
 *         after the thread said is_finished. A client that goes away stops the statement.
 * THREADS see struct bi_job. */
#include "analytics/bi/bi_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "codec/ch_block.h"

enum { FLIGHT_BYTES_MAX = 4 << 20, PIECE_BYTES_MAX = 1 << 20, HEADERS_MAX = 12, OUR_PAIRS = 8 };

struct bi_job {
    struct bi *bi;
    struct uuid project;
    struct bi_question *q; /* in the request's arena; the thread's until is_finished */
    struct net_loop *loop;
    struct net_task task;
    pthread_t thread;
    _Atomic bool is_cancelled;
    enum rc rc; /* the thread's, until is_finished */
    struct err err;
    struct buf packed; /* the thread's: a piece in compressed blocks */
    pthread_mutex_t lock;
    pthread_cond_t drained;
    /* under the lock */
    struct buf out;
    struct buf head; /* "Name: value\n"…, written before is_headed */
    int status;
    bool is_headed, is_finished, is_posted;
    /* the loop's */
    struct api_request *req;
    struct net_request *net;
    bool is_begun, is_blocked;
};

/* ---- the thread ---- */
static void post_locked(struct bi_job *job)
{
    if (job->is_posted)
        return;
    job->is_posted = true;
    net_loop_post(job->loop, &job->task);
}

static enum rc on_head(void *ctx, int status, struct slice headers)
{
    struct bi_job *job = ctx;
    pthread_mutex_lock(&job->lock);
    job->status = status;
    buf_add_slice(&job->head, headers);
    job->is_headed = true;
    pthread_mutex_unlock(&job->lock);
    return RC_OK;
}

static enum rc on_data(void *ctx, struct slice piece)
{
    struct bi_job *job = ctx;
    if (job->q->is_packed && job->status == 200) { /* a refusal is told in plain text */
        buf_clear(&job->packed);
        ch_block_add(&job->packed, piece);
        ENSURE(buf_ok(&job->packed), RC_LIMIT);
        piece = buf_slice(&job->packed);
    }
    pthread_mutex_lock(&job->lock);
    while (job->out.len > FLIGHT_BYTES_MAX - PIECE_BYTES_MAX && !atomic_load(&job->is_cancelled))
        pthread_cond_wait(&job->drained, &job->lock);
    bool is_cancelled = atomic_load(&job->is_cancelled);
    if (!is_cancelled) {
        buf_add_slice(&job->out, piece);
        post_locked(job);
    }
    bool ok = buf_ok(&job->out);
    pthread_mutex_unlock(&job->lock);
    return is_cancelled ? RC_CLOSED : ok ? RC_OK : RC_LIMIT;
}

static void add(struct bi_question *q, const char *name, const char *value)
{
    must(q->pair_count < BI_PAIRS_MAX);
    q->pairs[q->pair_count++] = (struct store_pair){name, slice_str(value)};
}

static enum rc ask(struct ctx *ctx, struct bi_job *job, struct store_client *client,
                   struct err *err)
{
    struct bi_question *q = job->q;
    char token[BI_TOKEN_DIGITS + 1], seconds[16];
    TRY(bi_views_token(job->bi, client, &job->project, token, err));
    snprintf(seconds, sizeof(seconds), "%u", q->seconds);
    add(q, "role", BI_ROLE);
    add(q, "readonly", "1");
    add(q, "database", BI_DATABASE);
    add(q, "max_execution_time", seconds);
    add(q, BI_TOKEN_SETTING, token);
    const struct store_relay relay = {.sql = q->sql,
                                      .pairs = q->pairs,
                                      .pair_count = q->pair_count,
                                      .on_head = on_head,
                                      .on_data = on_data,
                                      .ctx = job,
                                      .is_cancelled = &job->is_cancelled};
    return store_relay(ctx, client, &relay, err);
}

static void *thread_main(void *arg)
{
    struct bi_job *job = arg;
    struct store_client *client = NULL;
    struct store_cfg cfg = job->bi->cfg.store;
    struct ctx *ctx = ctx_enter(job->task.ctx);
    must(ctx);                                      /* unanswered until is_finished */
    cfg.timeout_ms = (job->q->seconds + 60) * 1000; /* a slow reader's time counts, too */
    job->rc = store_client_new(&cfg, &client, &job->err);
    if (job->rc == RC_OK)
        job->rc = ask(ctx, job, client, &job->err);
    store_client_free(client);
    ctx_leave(ctx);
    pthread_mutex_lock(&job->lock);
    job->is_finished = true;
    post_locked(job);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

/* ---- the loop ---- */
static void pump(struct bi_job *job);

static void on_loop(struct ctx *ctx, struct net_task *task)
{
    struct bi_job *job = CONTAINER_OF(task, struct bi_job, task);
    (void)ctx;
    pthread_mutex_lock(&job->lock);
    job->is_posted = false;
    pthread_mutex_unlock(&job->lock);
    pump(job);
}

static void drained(struct ctx *ctx, struct net_request *net)
{
    struct bi_job *job = net->user;
    (void)ctx;
    job->is_blocked = false;
    pump(job);
}

static void cancel(struct bi_job *job)
{
    atomic_store(&job->is_cancelled, true);
    job->is_blocked = false;
    pthread_mutex_lock(&job->lock);
    pthread_cond_signal(&job->drained);
    pthread_mutex_unlock(&job->lock);
}

static void gone(struct ctx *ctx, struct net_request *net)
{
    (void)ctx;
    cancel(net->user);
}

static void begin(struct bi_job *job)
{
    struct net_header headers[HEADERS_MAX];
    struct net_response head = {.headers = headers};
    pthread_mutex_lock(&job->lock); /* the thread writes it no more */
    struct slice lines = buf_slice(&job->head);
    head.status = job->status;
    pthread_mutex_unlock(&job->lock);
    while (lines.len && head.header_count < HEADERS_MAX) {
        struct slice value = slice_cut(&lines, '\n');
        struct slice name = slice_cut(&value, ':');
        value = slice_trim(value);
        if (slice_eq_nocase(name, SLICE_LIT("Content-Type")))
            head.content_type = value;
        else
            headers[head.header_count++] = (struct net_header){name, value};
    }
    job->is_begun = true;
    api_stream_begin_with(job->req, &head, drained);
}

static void fail(struct bi_job *job)
{
    bool is_limit = job->rc == RC_LIMIT;
    bi_fail(job->req, is_limit ? 400 : 503, is_limit ? 36 : 210,
            is_limit ? "BAD_ARGUMENTS" : "NETWORK_ERROR", job->err.text);
}

static void finish(struct bi_job *job)
{
    pthread_join(job->thread, NULL);
    if (job->rc != RC_OK && job->rc != RC_CLOSED)
        log_warn("a statement of a client was not answered", LOG_ERR(&job->err));
    bi_running_give(job->bi, &job->project);
    if (!job->is_begun)
        fail(job);
    else if (job->rc != RC_OK)
        net_stream_abort(job->net);
    else
        net_stream_end(job->net);
    buf_done(&job->packed);
    buf_done(&job->out);
    buf_done(&job->head);
    pthread_cond_destroy(&job->drained);
    pthread_mutex_destroy(&job->lock);
    heap_free(job);
}

/* What has come so far; the rest comes with the next call. */
static void pump(struct bi_job *job)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, FLIGHT_BYTES_MAX);
    if (job->is_blocked)
        return;
    pthread_mutex_lock(&job->lock);
    struct buf taken = job->out;
    job->out = out;
    out = taken;
    bool is_finished = job->is_finished && !job->is_posted, is_headed = job->is_headed;
    pthread_cond_signal(&job->drained);
    pthread_mutex_unlock(&job->lock);
    if (is_headed && !job->is_begun)
        begin(job);
    enum rc rc = out.len ? net_stream_write(job->net, buf_slice(&out)) : RC_OK;
    if (rc == RC_BUSY && !is_finished)
        job->is_blocked = true;
    else if (rc != RC_OK && rc != RC_BUSY)
        cancel(job);
    if (is_finished)
        finish(job);
}

void bi_job_start(struct ctx *ctx, struct bi *bi, struct api_request *req, struct bi_question *q)
{
    struct bi_job *job = heap_alloc(HEAP_ANALYTICS, sizeof(*job));
    *job = (struct bi_job){.bi = bi,
                           .project = req->project->id,
                           .q = q,
                           .loop = req->net->loop,
                           .task = {.run = on_loop, .ctx = ctx_ref(ctx)},
                           .req = req,
                           .net = req->net};
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->drained, NULL);
    buf_init(&job->packed, FLIGHT_BYTES_MAX);
    buf_init(&job->out, FLIGHT_BYTES_MAX);
    buf_init(&job->head, 8192);
    req->net->user = job;
    req->net->on_gone = gone;
    req->net->is_end_gone = true;
    must(pthread_create(&job->thread, NULL, thread_main, job) == 0);
}
