/* Answers: whole, streamed, and the server's own refusals.
 *
 * ONE    conn_of() aborts on a second answer to a request, and on one from another thread.
 * AFTER  The next head (keep-alive), or the end. FINISH: closed when the answer has been written.
 *        LINGER: the client may be sending (a refused body, a pipelined request, one that was on
 *        its way when we decided to close): its answer must not be destroyed by a reset.
 * GONE   When the connection broke before the answer, the answer only frees the request. */
#include "base/heap.h"
#include "base/must.h"
#include "net/net_int.h"

enum { PROBLEM_BYTES_MAX = 64 << 10 };

static struct conn *conn_of(struct net_request *req)
{
    struct conn *c = CONTAINER_OF(req, struct conn, req);
    must(c->is_pending); /* one answer to a request, and none later */
    must(net_loop_current() == c->loop);
    return c;
}

void conn_tell_done(struct conn *c)
{
    if (!c->has_app_seen)
        return;
    c->has_app_seen = false;
    if (!c->server->app.on_done)
        return;
    struct ctx *ctx = ctx_enter(ctx_ref(c->ctx));
    c->server->app.on_done(c->server->app.ctx, &c->req, c->status, c->bytes_sent);
    ctx_leave(ctx);
}

static void count_answer(struct conn *c, int status)
{
    if (status >= 100 && status <= 599)
        count(&c->listener->counters.requests[status / 100 - 1], 1);
}

/* has_more: the peer may still be sending, so that closing at once could reset the connection. */
void conn_begin_finish(struct conn *c, bool has_more)
{
    c->state = has_more ? CONN_LINGER : CONN_FINISH;
    c->since = c->loop->now;
    c->lingered = 0;
}

static void finish_request(struct conn *c)
{
    struct counters *k = &c->listener->counters;
    count_answer(c, c->status);
    c->loop->now = mono_now();
    hist_add(&k->latency_us, (uint64_t)mono_diff_us(c->req.started, c->loop->now));
    conn_tell_done(c);
    c->is_pending = false;
    c->is_streaming = false;
    c->is_over_high_water = false;
    c->serial++;
    conn_release_request(c);
    if (c->state == CONN_CLOSED) {
        conn_free_if_done(c);
        return;
    }
    if (c->is_keep_alive) {
        c->state = CONN_HEAD;
        c->is_idle = true;
        c->since = c->loop->now;
    } else {
        bool has_waiting = c->is_processing ? c->window.len > 0 : c->in.len > c->in_at;
        conn_begin_finish(c,
                          !c->is_ended && (c->has_unread_body || c->is_close_ours || has_waiting));
    }
    conn_resume(c); /* not inside process(): that goes on by itself */
}

static void decide_keep_alive(struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    if (atomic_load_explicit(&c->server->is_draining, memory_order_relaxed) || c->has_unread_body ||
        (limits->requests_per_connection_max &&
         c->requests >= limits->requests_per_connection_max)) {
        c->is_close_ours = c->is_keep_alive;
        c->is_keep_alive = false;
    }
}

void net_respond(struct net_request *req, const struct net_response *response)
{
    struct conn *c = conn_of(req);
    must(!c->is_streaming);
    c->status = response->status;
    if (c->state != CONN_CLOSED) {
        decide_keep_alive(c);
        size_t before = c->out.len;
        conn_append_head(c, response, HTTP_LENGTH_KNOWN, response->body.len);
        if (req->method != NET_HEAD && response->status != 204 && response->status != 304)
            buf_add_slice(&c->out, response->body);
        c->bytes_sent = c->out.len - before;
    }
    finish_request(c);
}

void net_stream_begin(struct net_request *req, const struct net_response *head,
                      void (*on_drain)(struct ctx *ctx, struct net_request *req))
{
    struct conn *c = conn_of(req);
    must(!c->is_streaming);
    c->is_streaming = true;
    c->on_drain = on_drain;
    c->status = head->status;
    if (c->state == CONN_CLOSED)
        return;
    decide_keep_alive(c);
    bool is_chunked = c->http_minor > 0;
    if (!is_chunked)
        c->is_keep_alive = false; /* no chunks on 1.0: the end of the connection ends the body */
    conn_append_head(c, head, is_chunked ? HTTP_LENGTH_CHUNKED : HTTP_LENGTH_TO_END, 0);
    if (!c->is_processing) {
        c->is_in_stream = true;
        conn_flush(c);
        c->is_in_stream = false;
        conn_schedule(c);
    }
}

static void append_piece(struct conn *c, struct slice bytes)
{
    bool is_chunked = c->http_minor > 0;
    if (is_chunked) {
        char size[24];
        size_t at = sizeof(size);
        size[--at] = '\n';
        size[--at] = '\r';
        for (size_t n = bytes.len; n; n >>= 4)
            size[--at] = "0123456789abcdef"[n & 15];
        buf_add(&c->out, size + at, sizeof(size) - at);
    }
    buf_add_slice(&c->out, bytes);
    if (is_chunked)
        buf_add(&c->out, "\r\n", 2);
}

enum rc net_stream_write(struct net_request *req, struct slice bytes)
{
    struct conn *c = conn_of(req);
    must(c->is_streaming);
    if (c->state == CONN_CLOSED)
        return RC_CLOSED;
    if (bytes.len == 0 || req->method == NET_HEAD)
        return RC_OK;
    c->is_in_stream = true;
    if (conn_unsent(c) > NET_STREAM_BYTES_MAX) {
        conn_close(c); /* the handler does not wait for on_drain: memory is not the place for it */
    } else {
        append_piece(c, bytes);
        c->bytes_sent += bytes.len;
        conn_flush(c);
    }
    c->is_in_stream = false;
    if (c->state == CONN_CLOSED)
        return RC_CLOSED;
    conn_schedule(c);
    if (conn_unsent(c) <= NET_HIGH_WATER_BYTES)
        return RC_OK;
    c->is_over_high_water = true;
    return RC_BUSY;
}

void net_stream_end(struct net_request *req)
{
    struct conn *c = conn_of(req);
    must(c->is_streaming);
    if (c->state != CONN_CLOSED && c->http_minor > 0 && req->method != NET_HEAD)
        buf_add_slice(&c->out, SLICE_LIT("0\r\n\r\n"));
    finish_request(c);
}

void net_stream_abort(struct net_request *req)
{
    struct conn *c = conn_of(req);
    must(c->is_streaming);
    req->on_gone = NULL; /* it is the handler that leaves */
    if (c->state != CONN_CLOSED && c->http_minor == 0) {
        /* Without chunks an orderly end would look like success: reset. */
        uv_os_fd_t fd;
        const struct linger reset = {1, 0};
        if (uv_fileno(&c->handle, &fd) == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    /* What was written (an error's text, say) still goes out; the last chunk will be missing. */
    c->is_keep_alive = false;
    if (c->http_minor == 0 || conn_unsent(c) == 0)
        conn_close(c);
    finish_request(c);
}

/* An answer of the server's own; the connection ends after it. */
void conn_error(struct conn *c, int status, const char *detail)
{
    struct buf body;
    count(&c->listener->counters.refused_requests, 1);
    const char *id = conn_ctx_begin(c) ? c->ctx->request_id : "";
    buf_init(&body, PROBLEM_BYTES_MAX);
    if (c->server->app.render_problem)
        c->server->app.render_problem(c->server->app.ctx, status, detail, id, &body);
    c->is_keep_alive = false;
    const struct net_header retry = {SLICE_LIT("Retry-After"), SLICE_LIT("1")};
    struct net_response r = {.status = status,
                             .content_type = SLICE_LIT("application/problem+json"),
                             .headers = &retry,
                             .header_count = status == 503,
                             .body = buf_slice(&body)};
    size_t before = c->out.len;
    conn_append_head(c, &r, HTTP_LENGTH_KNOWN, body.len);
    if (!(c->has_app_seen && c->req.method == NET_HEAD))
        buf_add_slice(&c->out, r.body);
    buf_done(&body);
    c->status = status;
    c->bytes_sent = c->out.len - before;
    count_answer(c, status);
    conn_tell_done(c);
    conn_release_request(c); /* a large body does not wait for a slow reader */
    conn_begin_finish(c, !c->is_ended);
    conn_resume(c);
}
