/* WHAT        One request on its way: a worker runs the statement and hands pieces to the loop,
 *             the loop writes them and says when there is room again.
 * WHY         The engine blocks, the loop must not. A small result is answered in one piece, with
 *             its summary in the head and any error as a status; a larger one is chunked.
 * INVARIANTS  at most CHILD_FLIGHT_BYTES_MAX of a result are between the two (a slow reader stops
 *             the query, not the memory); a job is freed by the loop, after its worker said
 *             is_finished. A client that goes away stops a SELECT (KILL QUERY); a write runs to
 *             its end.
 * THREADS     see struct job. */
#include <stdio.h>
#include <sys/mman.h>

#include "base/heap.h"
#include "base/must.h"
#include "store/child_int.h"

static void pump(struct ctx *ctx, struct job *job);

static void on_loop(struct ctx *ctx, struct net_task *task)
{
    struct job *job = CONTAINER_OF(task, struct job, task);
    pthread_mutex_lock(&job->lock);
    job->is_posted = false;
    pthread_mutex_unlock(&job->lock);
    pump(ctx, job);
}

struct job *job_new(struct child *child, struct net_request *req)
{
    struct job *job = heap_alloc(HEAP_STORE, sizeof(*job));
    job->task.run = on_loop;
    job->task.ctx = ctx_ref(req->ctx);
    job->child = child;
    job->req = req;
    job->started = mono_now();
    buf_init(&job->text, CHILD_BODY_BYTES_MAX);
    buf_init(&job->held, CHILD_HELD_BYTES);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->drained, NULL);
    return job;
}

static void pieces_free(struct piece *p)
{
    while (p) {
        struct piece *next = p->next;
        heap_free(p);
        p = next;
    }
}

void job_free(struct job *job)
{
    if (job->map)
        munmap(job->map, job->map_len);
    pieces_free(job->first);
    if (job->encoder)
        encoder_free(job->encoder);
    engine_result_done(&job->result);
    buf_done(&job->text);
    buf_done(&job->held);
    pthread_cond_destroy(&job->drained);
    pthread_mutex_destroy(&job->lock);
    heap_free(job);
}

/* ---- worker's side ---- */
static void post_locked(struct job *job)
{
    if (job->is_posted)
        return;
    job->is_posted = true;
    net_loop_post(job->child->loop, &job->task);
}

static enum rc push(struct job *job, struct slice bytes)
{
    if (bytes.len == 0)
        return RC_OK;
    struct piece *p = heap_try_alloc(HEAP_STORE, sizeof(*p) + bytes.len);
    ENSURE(p, RC_NOMEM);
    p->len = bytes.len;
    memcpy(p->data, bytes.data, bytes.len);
    pthread_mutex_lock(&job->lock);
    while (job->flight_bytes > CHILD_FLIGHT_BYTES_MAX && !atomic_load(&job->is_cancelled))
        pthread_cond_wait(&job->drained, &job->lock);
    bool is_cancelled = atomic_load(&job->is_cancelled);
    if (!is_cancelled) {
        if (job->last)
            job->last->next = p;
        else
            job->first = p;
        job->last = p;
        job->flight_bytes += p->len;
        post_locked(job);
    }
    pthread_mutex_unlock(&job->lock);
    if (is_cancelled)
        heap_free(p);
    return is_cancelled ? RC_CLOSED : RC_OK;
}

static enum rc push_encoded(struct job *job, struct slice bytes, bool is_last)
{
    if (!job->is_gzip)
        return push(job, bytes);
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, bytes.len + bytes.len / 8 + 64 * 1024);
    if (!job->encoder)
        TRY(encoder_new(CODEC_GZIP, 1, &job->encoder));
    TRY(encoder_write(job->encoder, bytes, &out));
    if (is_last)
        TRY(encoder_end(job->encoder, &out));
    return push(job, buf_slice(&out));
}

static enum rc on_data(void *ctx, struct slice format, struct slice piece)
{
    struct job *job = ctx;
    (void)format;
    if (atomic_load(&job->is_cancelled))
        return RC_CLOSED;
    if (!job->is_chunked && job->held.len + piece.len <= CHILD_HELD_BYTES) {
        buf_add_slice(&job->held, piece);
        return buf_ok(&job->held) ? RC_OK : RC_NOMEM;
    }
    job->is_chunked = true; /* from here on it is a chunked answer */
    TRY(push_encoded(job, buf_slice(&job->held), false));
    buf_clear(&job->held);
    return push_encoded(job, piece, false);
}

/* In the form that clients since 25.11 look for; see answer.c. */
static void push_exception(struct job *job)
{
    CLEANUP(buf_done) struct buf b;
    struct slice error = buf_slice(&job->result.error);
    buf_init(&b, error.len + 256);
    buf_addf(&b, "\r\n__exception__\r\n%s\r\n", job->tag);
    buf_add_slice(&b, error);
    buf_addf(&b, "\n%zu %s\r\n__exception__\r\n", error.len + 1, job->tag);
    IGNORE(push_encoded(job, buf_slice(&b), true), "the client is gone or memory is: it is cut");
}

void job_run(struct job *job)
{
    job->query.on_data = on_data;
    job->query.ctx = job;
    job->query.is_cancelled = &job->is_cancelled;
    struct ctx *ctx = ctx_enter(job->task.ctx);
    must(ctx); /* unanswered until is_finished */
    engine_run(job->child->engine, &job->query, &job->result);
    ctx_leave(ctx);
    job->result.summary.elapsed_ns = (uint64_t)mono_diff_us(job->started, mono_now()) * 1000;
    if (job->is_chunked && job->result.is_error)
        push_exception(job);
    else if (job->is_chunked && job->is_gzip && push_encoded(job, SLICE_EMPTY, true) != RC_OK)
        job->result.is_error = true;
    pthread_mutex_lock(&job->lock);
    job->is_finished = true;
    post_locked(job);
    pthread_mutex_unlock(&job->lock);
}

/* ---- loop's side ---- */
static void drained(struct ctx *ctx, struct net_request *req)
{
    struct job *job = req->user;
    job->is_blocked = false;
    pump(ctx, job);
}

static void begin(struct job *job)
{
    struct net_response head = {.status = 200};
    head.content_type = slice_str(format_content_type(slice_str(job->result.format)));
    head.headers = wire_headers(job, false, &head.header_count);
    job->is_begun = true;
    net_stream_begin(job->req, &head, drained);
}

static void settle(struct job *job, size_t bytes)
{
    pthread_mutex_lock(&job->lock);
    job->flight_bytes -= bytes;
    pthread_cond_signal(&job->drained);
    pthread_mutex_unlock(&job->lock);
}

static struct piece *take_piece(struct job *job, bool *ret_finished)
{
    pthread_mutex_lock(&job->lock);
    struct piece *p = job->first;
    if (p) {
        job->first = p->next;
        if (!job->first)
            job->last = NULL;
    }
    *ret_finished = !p && job->is_finished && !job->is_posted;
    pthread_mutex_unlock(&job->lock);
    return p;
}

/* The whole answer in one piece: small results, statements without one, errors before any byte. */
static void answer_whole(struct job *job)
{
    struct net_response r = {.status = 200};
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, CHILD_HELD_BYTES * 2);
    if (job->result.is_error) {
        r.status = wire_status(job->result.code);
        r.content_type = SLICE_LIT("text/plain; charset=UTF-8");
        buf_add_char(&job->result.error, '\n');
        r.body = buf_slice(&job->result.error);
        job->is_gzip = false;
    } else {
        r.content_type = slice_str(format_content_type(slice_str(job->result.format)));
        r.body = buf_slice(&job->held);
        if (job->is_gzip && r.body.len && encode_all(CODEC_GZIP, 1, r.body, &body) == RC_OK)
            r.body = buf_slice(&body);
        else
            job->is_gzip = false;
    }
    r.headers = wire_headers(job, true, &r.header_count);
    net_respond(job->req, &r);
}

static void finish(struct job *job)
{
    if (!job->is_begun)
        answer_whole(job);
    else if (job->result.is_error)
        net_stream_abort(job->req);
    else
        net_stream_end(job->req);
    job_free(job);
}

static void pump(struct ctx *ctx, struct job *job)
{
    bool is_finished = false;
    struct piece *p;
    while (!job->is_blocked && (p = take_piece(job, &is_finished))) {
        if (!job->is_begun)
            begin(job);
        enum rc rc = net_stream_write(job->req, slice_of(p->data, p->len));
        settle(job, p->len);
        heap_free(p);
        if (rc == RC_BUSY)
            job->is_blocked = true;
        else if (rc != RC_OK)
            job_gone(ctx, job->req);
    }
    if (is_finished && !job->is_blocked)
        finish(job);
}

struct kill {
    struct engine *engine;
    char id[ENGINE_ID_BYTES];
};
static void kill_work(struct ctx *ctx, void *arg)
{
    const struct kill *k = arg;
    (void)ctx;
    engine_kill(k->engine, k->id);
}
static void kill_done(struct ctx *ctx, void *arg)
{
    (void)ctx;
    heap_free(arg);
}

void job_gone(struct ctx *ctx, struct net_request *req)
{
    struct job *job = req->user;
    if (!job || atomic_exchange(&job->is_cancelled, true))
        return;
    pthread_mutex_lock(&job->lock);
    pthread_cond_signal(&job->drained);
    bool is_running = !job->is_finished;
    pthread_mutex_unlock(&job->lock);
    job->is_blocked = false;
    if (job->is_read && is_running) {
        struct kill *k = heap_alloc(HEAP_STORE, sizeof(*k));
        k->engine = job->child->engine;
        memcpy(k->id, job->query.id, sizeof(k->id));
        net_loop_work(ctx, job->child->loop, kill_work, kill_done, k);
    }
    /* What was queued is dropped by pump, which net_stream_write then answers with RC_CLOSED. */
    pthread_mutex_lock(&job->lock);
    post_locked(job);
    pthread_mutex_unlock(&job->lock);
}
