/* One connection: bytes in, requests out.
 *
 * WINDOW     What was read is parsed where it lies, in the loop's read buffer; only what is left
 *            over at the end of the turn is copied into c->in. A head is copied once, into the
 *            request's arena, so that every slice of the request lives as long as its answer takes.
 * ORDER      One request at a time. While the application has one, later bytes wait in c->in, up to
 *            a bound; and none is begun while the peer does not take the answers it has.
 * OWNERSHIP  A conn lives until its handle is closed and the application owes no answer.
 * RECURSION  process() is a loop; an answer given inside it only changes the state it looks at. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "net/net_int.h"

enum {
    IN_BYTES_MAX = 1 << 20, /* reading stops at NET_PIPELINE_BYTES_MAX and a read */
    OUT_BYTES_MAX = 1 << 30,
    CONNECTIONS_OVER = 64, /* that are still told 503; more are closed without a word */
};

/* ---- memory ---- */

static void shrink(struct buf *b)
{
    buf_clear(b);
    if (b->cap > NET_KEEP_BYTES)
        buf_done(b);
}

void conn_release_request(struct conn *c)
{
    if (c->req.body_fd >= 0)
        os_close(c->req.body_fd);
    c->req.body_fd = -1;
    conn_ctx_end(c);
    shrink(&c->body);
}

/* An idle connection costs its struct and nothing else. */
void conn_release(struct conn *c)
{
    conn_release_request(c);
    buf_done(&c->body);
    if (c->tls)
        tls_conn_cool(c);
    if (c->in.len == c->in_at) {
        buf_done(&c->in);
        c->in_at = 0;
    }
    if (c->out.len == 0)
        buf_done(&c->out);
    if (c->raw_out.len == 0)
        buf_done(&c->raw_out);
    if (!c->is_writing)
        buf_done(&c->writing);
}

static void unlink_conn(struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->loop->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (!c->loop->conns)
        uv_timer_stop(&c->loop->ticker);
}

void conn_free_if_done(struct conn *c)
{
    if (!c->is_handle_closed || c->is_pending)
        return;
    unlink_conn(c);
    conn_unschedule(c);
    c->in.len = c->out.len = c->raw_out.len = c->in_at = 0;
    c->is_writing = false;
    conn_release(c);
    tls_conn_done(c);
    struct net_server *server = c->server;
    heap_free(c);
    atomic_fetch_sub(&server->connections, 1); /* last: the server may go after it */
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = CONTAINER_OF(handle, struct conn, handle);
    c->is_handle_closed = true;
    conn_free_if_done(c);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    conn_unschedule(c);
    uv_close(&c->handle, on_closed);
    if (!c->is_pending)
        conn_tell_done(c); /* the head was seen, the body never came whole */
    else if (c->req.on_gone &&
             !c->is_in_stream) { /* inside net_stream_write() its RC_CLOSED tells */
        struct ctx *ctx = ctx_enter(ctx_ref(c->ctx));
        c->req.on_gone(ctx, &c->req);
        ctx_leave(ctx);
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret)
{
    (void)hint;
    const struct conn *c = CONTAINER_OF(handle, struct conn, handle);
    *ret = uv_buf_init(c->loop->read_buffer, sizeof(c->loop->read_buffer));
}

static bool is_reading_wanted(const struct conn *c)
{
    if (c->is_ended || c->raw_out.len > NET_HIGH_WATER_BYTES) /* alerts that it asked for */
        return false;
    if (c->state == CONN_LINGER)
        return c->lingered <= NET_LINGER_BYTES_MAX; /* then its window may fill: it will notice */
    return c->state != CONN_FINISH && c->in.len - c->in_at <= NET_PIPELINE_BYTES_MAX;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes);

static void set_reading(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    bool is_wanted = is_reading_wanted(c);
    if (is_wanted && !c->is_reading)
        c->is_reading = uv_read_start(&c->stream, on_alloc, on_read) == 0;
    else if (!is_wanted && c->is_reading) {
        uv_read_stop(&c->stream);
        c->is_reading = false;
    }
}

/* Half-closed: what it sent is still answered, unless nobody would read it. */
void conn_end(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->is_ended = true;
    if (c->state == CONN_HANDLING && (c->server->is_end_gone || c->req.is_end_gone))
        conn_close(c);
    else if (c->state == CONN_LINGER && conn_unsent(c) == 0)
        conn_close(c);
    else
        conn_resume(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct conn *c = CONTAINER_OF(stream, struct conn, stream);
    c->loop->now = mono_now();
    ctx_must_be_outside();
    if (n == UV_EOF) {
        conn_end(c);
        return;
    }
    if (n < 0) {
        conn_close(c);
        return;
    }
    if (n == 0)
        return;
    count(&c->listener->counters.bytes_in, (uint64_t)n);
    struct slice raw = slice_of(bytes->base, (size_t)n);
    if (c->state == CONN_LINGER) {
        c->lingered += raw.len;
        set_reading(c);
    } else if (!c->tls) {
        conn_feed(c, raw);
    } else if (!tls_input(c, raw)) {
        conn_close(c);
    } else {
        set_reading(c); /* it may have asked for more alerts than it reads */
    }
}

/* ---- a new one ---- */

static struct conn *conn_new(struct listener *l, const struct sockaddr_storage *peer)
{
    struct conn *c = heap_try_alloc(HEAP_NET, sizeof(*c));
    if (!c)
        return NULL;
    struct net_loop *loop = l->loop;
    c->server = l->server;
    c->listener = l;
    c->loop = loop;
    c->peer = *peer;
    c->req.body_fd = -1;
    c->is_idle = true;
    c->since = loop->now;
    buf_init(&c->in, IN_BYTES_MAX);
    buf_init(&c->out, OUT_BYTES_MAX);
    buf_init(&c->raw_out, OUT_BYTES_MAX);
    buf_init(&c->writing, OUT_BYTES_MAX);
    buf_init(&c->body, OUT_BYTES_MAX);
    if (peer->ss_family == AF_INET || peer->ss_family == AF_INET6)
        uv_ip_name((const struct sockaddr *)peer, c->address, sizeof(c->address));
    if (!loop->conns)
        loop_ticker_start(loop);
    c->next = loop->conns;
    if (c->next)
        c->next->prev = c;
    loop->conns = c;
    return c;
}

static bool open_handle(struct conn *c, int fd)
{
    bool is_unix = c->server->is_unix;
    if (is_unix)
        must(uv_pipe_init(&c->loop->uv, &c->pipe, 0) == 0);
    else
        must(uv_tcp_init(&c->loop->uv, &c->tcp) == 0);
    int r = is_unix ? uv_pipe_open(&c->pipe, fd) : uv_tcp_open(&c->tcp, fd);
    if (r == 0 && !is_unix)
        uv_tcp_nodelay(&c->tcp, 1);
    return r == 0;
}

void conn_accept(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
    uint32_t max = l->server->limits.connections_max;
    uint32_t open = atomic_load(&l->server->connections);
    struct conn *c = open < max + CONNECTIONS_OVER ? conn_new(l, peer) : NULL;
    if (!c) {
        count(&l->counters.refused_connections, 1);
        os_close(fd);
        return;
    }
    count(&l->counters.accepted, 1);
    atomic_fetch_add(&l->server->connections, 1);
    if (!open_handle(c, fd)) {
        os_close(fd);
        conn_close(c);
    } else if (open >= max) {
        count(&l->counters.refused_connections, 1);
        if (l->server->has_tls) /* 503 would cost a handshake */
            conn_close(c);
        else
            conn_error(c, 503, "Too many connections; try again later.");
    } else if (l->server->has_tls && tls_conn_init(c) != RC_OK) {
        conn_close(c);
    } else {
        set_reading(c);
        conn_schedule(c);
    }
}

/* ---- the head ---- */

_Static_assert(sizeof(struct framing_header) == sizeof(struct net_header) &&
                   offsetof(struct framing_header, value) == offsetof(struct net_header, value),
               "the same two slices under two names");
_Static_assert((int)HTTP_VERB_GET == (int)NET_GET && (int)HTTP_VERB_POST == (int)NET_POST &&
                   (int)HTTP_VERB_OTHER == (int)NET_OTHER,
               "the same methods under two names");

static bool fill_request(struct conn *c, const struct http_head *h)
{
    size_t bytes = h->header_count * sizeof(*h->headers);
    struct net_header *headers = arena_alloc(c->ctx->arena, bytes + 1);
    if (!headers)
        return false;
    memcpy(headers, h->headers, bytes);
    c->http_minor = h->minor;
    c->req = (struct net_request){.loop = c->loop,
                                  .ctx = c->ctx,
                                  .arena = c->ctx->arena,
                                  .method = (enum net_method)h->verb,
                                  .target = h->target,
                                  .path = h->path,
                                  .query = h->query,
                                  .headers = headers,
                                  .header_count = h->header_count,
                                  .body_fd = -1,
                                  .peer = c->peer,
                                  .is_tls = c->tls != NULL,
                                  .started = c->loop->now,
                                  .received_at = c->head_at};
    conn_ctx_fill(c);
    return true;
}

static void dispatch(struct conn *c)
{
    c->has_unread_body = false;
    c->state = CONN_HANDLING;
    c->is_pending = true;
    c->req.body = c->plan.mode == NET_BODY_MEMORY ? buf_slice(&c->body) : SLICE_EMPTY;
    if (c->req.started.ns != c->loop->now.ns)
        c->req.received_at = unix_now();
    if (c->req.body_fd >= 0)
        IGNORE(lseek(c->req.body_fd, 0, SEEK_SET) != 0, "a memfd can seek");
    struct ctx *ctx = ctx_enter(ctx_ref(c->ctx));
    c->server->app.on_request(c->server->app.ctx, &c->req);
    ctx_leave(ctx);
}

/* False: the application has answered, or begun to. */
static bool ask_application(struct conn *c)
{
    uint32_t serial = c->serial;
    c->plan = (struct net_body_plan){.mode = NET_BODY_MEMORY,
                                     .bytes_max = c->server->limits.body_bytes_max};
    c->has_app_seen = true;
    c->state = CONN_HANDLING;
    c->is_pending = true;
    struct ctx *ctx = ctx_enter(ctx_ref(c->ctx));
    c->server->app.on_head(c->server->app.ctx, &c->req, &c->plan);
    ctx_leave(ctx);
    if (c->serial != serial || c->is_streaming)
        return false;
    c->is_pending = false;
    return c->state != CONN_CLOSED;
}

static bool prepare_body(struct conn *c, const struct http_head *h)
{
    if (h->body.has_length && h->body.length > c->plan.bytes_max) {
        conn_error(c, 413, "The body is larger than this route takes.");
        return false;
    }
    if (c->plan.mode == NET_BODY_FD) {
        c->req.body_fd = memfd_create("body", MFD_CLOEXEC);
        if (c->req.body_fd < 0) {
            conn_error(c, 503, "There is no memory for this body now.");
            return false;
        }
    }
    return true;
}

static void begin_request(struct conn *c, const struct http_head *h)
{
    if (!fill_request(c, h)) {
        conn_error(c, 503, "There is no memory for this request now.");
        return;
    }
    c->requests++;
    c->status = 0;
    c->bytes_sent = 0;
    c->is_keep_alive = h->is_keep_alive;
    c->has_unread_body = h->has_body;
    if (!ask_application(c) || !prepare_body(c, h))
        return;
    if (!h->has_body) {
        dispatch(c);
        return;
    }
    if (h->is_continue_expected && c->window.len == 0)
        buf_add_slice(&c->out, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    c->state = CONN_BODY;
    c->since = c->body_since = c->loop->now;
}

static bool step_head(struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    size_t skip, len;
    struct framing_verdict v;
    c->is_blocked = conn_unsent(c) > NET_HIGH_WATER_BYTES;
    if (c->is_blocked || c->window.len == 0)
        return false;
    enum http_front front =
        http_find_head(c->window, limits->head_bytes_max, &c->scanned, &skip, &len, &v);
    if (front == HTTP_FRONT_MORE && c->scanned == 0)
        return false; /* an empty line behind the request before: still idle */
    if (c->is_idle) {
        c->is_idle = c->is_cool = false;
        c->since = c->loop->now;
    }
    if (front == HTTP_FRONT_MORE)
        return false;
    if (front == HTTP_FRONT_BAD) {
        conn_error(c, v.status, v.detail);
        return false;
    }
    struct slice head = conn_ctx_begin(c)
                            ? arena_copy(c->ctx->arena, slice_of(c->window.data + skip, len))
                            : SLICE_EMPTY;
    c->window = slice_sub(c->window, skip + len);
    c->scanned = 0;
    struct http_limits parse_limits = {limits->header_count_max, limits->target_bytes_max};
    struct http_head h;
    v = head.len ? http_parse_head(&c->parser, head, &parse_limits, c->loop->headers, &h)
                 : (struct framing_verdict){503, "There is no memory for this request now."};
    if (v.status) {
        conn_error(c, v.status, v.detail);
        return false;
    }
    begin_request(c, &h);
    return true;
}

/* ---- the body ---- */

static bool take_piece(void *ctx, struct slice piece)
{
    struct conn *c = ctx;
    c->is_body_too_large = piece.len > c->plan.bytes_max - c->req.body_bytes;
    if (c->is_body_too_large)
        return false;
    c->req.body_bytes += piece.len;
    c->body_since = c->loop->now;
    if (c->plan.mode == NET_BODY_FD)
        return os_write_all(c->req.body_fd, piece.data, piece.len, NULL) == RC_OK;
    buf_add_slice(&c->body, piece);
    return buf_ok(&c->body);
}

static bool step_body(struct conn *c)
{
    size_t used;
    struct framing_verdict v;
    enum http_body_step step = http_parse_body(&c->parser, c->window, take_piece, c, &used, &v);
    c->window = slice_sub(c->window, used);
    switch (step) {
    case HTTP_BODY_MORE:
        return false;
    case HTTP_BODY_END:
        dispatch(c);
        return true;
    case HTTP_BODY_BAD:
        conn_error(c, v.status, v.detail);
        return false;
    case HTTP_BODY_REFUSED:
        if (c->is_body_too_large)
            conn_error(c, 413, "The body is larger than this route takes.");
        else
            conn_error(c, 503, "There is no memory for this body now.");
        return false;
    }
    return false;
}

/* ---- the turn ---- */

static bool step(struct conn *c)
{
    if (c->state == CONN_HEAD)
        return step_head(c);
    return c->state == CONN_BODY && step_body(c);
}

static void keep_rest(struct conn *c)
{
    if (c->state == CONN_FINISH || c->state == CONN_LINGER || c->state == CONN_CLOSED)
        c->window = SLICE_EMPTY;
    if (!c->is_window_ours) {
        buf_clear(&c->in);
        c->in_at = 0;
        buf_add_slice(&c->in, c->window); /* at most one read: it fits */
    } else if (c->window.len == 0) {
        shrink(&c->in);
        c->in_at = 0;
    } else {
        c->in_at = c->in.len - c->window.len;
        if (c->in_at > NET_READ_BYTES) {
            buf_drop_front(&c->in, c->in_at);
            c->in_at = 0;
        }
    }
    c->window = SLICE_EMPTY;
    if (!buf_ok(&c->in))
        conn_close(c);
}

/* The peer said its last and it was not a whole request: nothing more will come of it. */
static void settle_end(struct conn *c)
{
    if (!c->is_ended || c->is_blocked)
        return;
    if (c->state == CONN_BODY)
        conn_close(c);
    else if (c->state == CONN_HEAD) {
        conn_begin_finish(c, false);
        conn_flush(c);
    }
}

static void process(struct conn *c)
{
    must(!c->is_processing);
    c->is_processing = true;
    do {
        while (step(c))
            ;
        conn_flush(c); /* one write for all answers of the turn */
    } while (c->is_blocked && c->state == CONN_HEAD && conn_unsent(c) <= NET_HIGH_WATER_BYTES);
    c->is_processing = false;
    keep_rest(c);
    settle_end(c);
    set_reading(c);
    conn_schedule(c);
}

void conn_feed(struct conn *c, struct slice plain)
{
    if (c->state == CONN_FINISH || c->state == CONN_LINGER || c->state == CONN_CLOSED)
        return;
    c->is_window_ours = c->in.len > c->in_at;
    if (c->is_window_ours) {
        buf_add_slice(&c->in, plain);
        if (!buf_ok(&c->in)) {
            conn_close(c);
            return;
        }
        plain = slice_of(c->in.data + c->in_at, c->in.len - c->in_at);
    }
    c->window = plain;
    process(c);
}

void conn_resume(struct conn *c)
{
    if (c->is_processing || c->state == CONN_CLOSED)
        return;
    c->is_window_ours = true;
    c->window =
        c->in.len > c->in_at ? slice_of(c->in.data + c->in_at, c->in.len - c->in_at) : SLICE_EMPTY;
    process(c);
}
