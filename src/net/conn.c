/* One connection: bytes in, requests out, answers in order.
 *
 * PARSING    A head is collected whole, held against the framing law (http/framing.h), copied into
 * the request's arena and only then given to llhttp; so every slice of the request lives as long as
 * its arena. The body goes through llhttp piece by piece (it knows chunks), bounded by the plan.
 * ORDER      One request at a time. While the application has one, later bytes wait in c->in, up to
 * a bound. OWNERSHIP  A conn lives until its handle is closed and the application owes no answer.
 * RECURSION  conn_process() is a loop; an answer given inside it only changes the state it looks
 * at. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "base/uuid.h"
#include "http/framing.h"
#include "net/net_int.h"

enum {
    IN_BYTES_MAX = 4 << 20,
    OUT_BYTES_MAX = 1 << 30,
    ARENA_EXTRA_BYTES = 256 << 20,
    SMALL_BYTES_MAX = 4096,
    CHUNK_EXTENSION_BYTES_MAX = 256,
    LINGER_BYTES_MAX = 256 << 10
};

static void conn_process(struct conn *c);

/* ---- life ---- */

static void release_request(struct conn *c)
{
    if (c->req.body_fd >= 0)
        os_close(c->req.body_fd);
    c->req.body_fd = -1;
    arena_reset(&c->arena);
    buf_clear(&c->body);
    if (c->body.cap > NET_KEEP_BYTES)
        buf_done(&c->body);
}

static void free_if_done(struct conn *c)
{
    if (!c->is_handle_closed || c->is_pending)
        return;
    release_request(c);
    struct net_loop *loop = c->loop;
    if (c->prev)
        c->prev->next = c->next;
    else
        loop->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    tls_conn_done(c);
    arena_done(&c->arena);
    buf_done(&c->in);
    buf_done(&c->out);
    buf_done(&c->raw_out);
    buf_done(&c->body);
    struct net_server *server = c->server;
    heap_free(c);
    metric_add(&server->metrics.connections, -1);
    atomic_fetch_sub(&server->connections, 1); /* last: the server may go after it */
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = CONTAINER_OF(handle, struct conn, handle);
    c->is_handle_closed = true;
    free_if_done(c);
}

static void tell_done(struct conn *c)
{
    if (!c->has_app_seen)
        return;
    c->has_app_seen = false;
    if (c->server->app.on_done)
        c->server->app.on_done(c->server->app.ctx, &c->req, c->status, c->bytes_sent);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    uv_close(&c->handle, on_closed);
    if (!c->is_pending)
        tell_done(c); /* the head was seen, the body never came whole */
    else if (c->req.on_gone && !c->is_in_write)
        c->req.on_gone(&c->req); /* inside net_stream_write() its RC_CLOSED tells */
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret)
{
    (void)hint;
    const struct conn *c = CONTAINER_OF(handle, struct conn, handle);
    *ret = uv_buf_init(c->loop->read_buffer, sizeof(c->loop->read_buffer));
}

static void on_end(struct conn *c, bool is_error)
{
    bool may_still_read =
        c->state == CONN_HANDLING && !c->is_streaming && !is_error && !c->server->is_end_gone;
    if (!may_still_read) {
        conn_close(c);
        return;
    }
    /* Half-closed: it has said all and waits for the answer. */
    c->is_keep_alive = false;
    uv_read_stop(&c->stream);
    c->is_reading = false;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct conn *c = CONTAINER_OF(stream, struct conn, stream);
    c->loop->now = mono_now();
    if (n < 0) {
        on_end(c, n != UV_EOF);
        return;
    }
    if (n == 0)
        return;
    metric_add(&c->server->metrics.bytes_in, n);
    struct slice raw = slice_of(bytes->base, (size_t)n);
    if (c->state == CONN_LINGER) {
        c->lingered += raw.len;
        if (c->lingered > LINGER_BYTES_MAX)
            conn_close(c);
    } else if (!c->tls) {
        conn_feed(c, raw);
    } else if (!tls_input(c, raw)) {
        conn_close(c);
    }
}

static void set_reading(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    bool is_wanted = c->in.len - c->in_at <= NET_PIPELINE_BYTES_MAX;
    if (is_wanted && !c->is_reading)
        c->is_reading = uv_read_start(&c->stream, on_alloc, on_read) == 0;
    else if (!is_wanted && c->is_reading) {
        uv_read_stop(&c->stream);
        c->is_reading = false;
    }
}

static struct conn *conn_new(struct listener *l)
{
    struct conn *c = heap_try_alloc(HEAP_NET, sizeof(*c));
    if (!c)
        return NULL;
    c->server = l->server;
    c->loop = l->loop;
    c->req.body_fd = -1;
    c->is_idle = true;
    c->since = l->loop->now;
    buf_init(&c->in, IN_BYTES_MAX);
    buf_init(&c->out, OUT_BYTES_MAX);
    buf_init(&c->raw_out, OUT_BYTES_MAX);
    buf_init(&c->body, OUT_BYTES_MAX);
    arena_init(&c->arena, NET_ARENA_CHUNK, l->server->limits.body_bytes_max + ARENA_EXTRA_BYTES);
    if (l->server->is_unix)
        must(uv_pipe_init(&l->loop->uv, &c->pipe, 0) == 0);
    else
        must(uv_tcp_init(&l->loop->uv, &c->tcp) == 0);
    c->next = l->loop->conns;
    if (c->next)
        c->next->prev = c;
    l->loop->conns = c;
    atomic_fetch_add(&l->server->connections, 1);
    metric_add(&l->server->metrics.connections, 1);
    return c;
}

void conn_accept(struct listener *l)
{
    struct conn *c = conn_new(l);
    if (!c)
        return;
    if (uv_accept(&l->stream, &c->stream) != 0) {
        conn_close(c);
        return;
    }
    metric_add(&l->server->metrics.accepted, 1);
    if (l->server->is_unix) {
        c->peer.ss_family = AF_UNIX;
    } else {
        int len = sizeof(c->peer);
        uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&c->peer, &len);
        uv_tcp_nodelay(&c->tcp, 1);
    }
    if (l->server->has_tls && tls_conn_init(c) != RC_OK) {
        conn_close(c);
        return;
    }
    if (atomic_load(&l->server->connections) > l->server->limits.connections_max) {
        metric_add(&l->server->metrics.refused, 1);
        if (c->tls)
            conn_close(c);
        else
            conn_error(c, 503, "Too many connections; try again later.");
        return;
    }
    set_reading(c);
}

/* ---- the end of a request ---- */

static void finish_request(struct conn *c)
{
    struct net_metrics *m = &c->server->metrics;
    if (c->status >= 100)
        metric_add(&m->requests[c->status / 100 - 1], 1);
    hist_add(&m->latency_us, (uint64_t)mono_diff_us(c->req.started, mono_now()));
    tell_done(c);
    c->is_pending = false;
    c->is_streaming = false;
    c->is_over_high_water = false;
    c->serial++;
    release_request(c);
    if (c->state == CONN_CLOSED) {
        free_if_done(c);
        return;
    }
    if (!c->is_keep_alive) {
        bool has_more = c->has_unread_body || c->in.len > c->in_at;
        c->state = has_more ? CONN_LINGER : CONN_HANDLING;
        c->is_close_wanted = true;
        c->since = c->loop->now;
    } else {
        c->state = CONN_HEAD;
        c->is_idle = c->in.len == c->in_at;
        c->since = c->loop->now;
    }
    if (c->is_processing)
        return; /* conn_process() goes on with the new state, and flushes */
    conn_flush(c);
    if (c->state == CONN_HEAD)
        conn_process(c);
}

static struct conn *conn_of(struct net_request *req)
{
    return CONTAINER_OF(req, struct conn, req);
}

static void decide_keep_alive(struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    if (atomic_load_explicit(&c->server->is_draining, memory_order_relaxed) || c->has_unread_body ||
        (limits->requests_per_connection_max && c->requests >= limits->requests_per_connection_max))
        c->is_keep_alive = false;
}

static bool has_body(const struct conn *c, int status)
{
    return c->req.method != NET_HEAD && status != 204 && status != 304;
}

void net_respond(struct net_request *req, const struct net_response *response)
{
    struct conn *c = conn_of(req);
    must(c->is_pending && !c->is_streaming);
    if (c->state != CONN_CLOSED) {
        decide_keep_alive(c);
        size_t before = c->out.len;
        conn_append_head(c, response, false, response->body.len);
        if (has_body(c, response->status))
            buf_add_slice(&c->out, response->body);
        c->bytes_sent = c->out.len - before;
    }
    finish_request(c);
}

void net_stream_begin(struct net_request *req, const struct net_response *head,
                      void (*on_drain)(struct net_request *req))
{
    struct conn *c = conn_of(req);
    must(c->is_pending && !c->is_streaming);
    c->is_streaming = true;
    c->on_drain = on_drain;
    if (c->state == CONN_CLOSED)
        return;
    decide_keep_alive(c);
    if (c->parser.http_minor == 0)
        c->is_keep_alive = false; /* no chunks on 1.0: the end of the connection ends the body */
    conn_append_head(c, head, c->parser.http_minor > 0, 0);
    if (!c->is_processing)
        conn_flush(c);
}

enum rc net_stream_write(struct net_request *req, struct slice bytes)
{
    struct conn *c = conn_of(req);
    must(c->is_pending && c->is_streaming);
    if (c->state == CONN_CLOSED)
        return RC_CLOSED;
    if (bytes.len == 0 || c->req.method == NET_HEAD)
        return RC_OK;
    bool is_chunked = c->parser.http_minor > 0;
    if (is_chunked)
        buf_addf(&c->out, "%zx\r\n", bytes.len);
    buf_add_slice(&c->out, bytes);
    if (is_chunked)
        buf_add(&c->out, "\r\n", 2);
    c->bytes_sent += bytes.len;
    c->is_in_write = true;
    conn_flush(c);
    c->is_in_write = false;
    if (c->state == CONN_CLOSED)
        return RC_CLOSED;
    if (c->in_flight <= NET_HIGH_WATER_BYTES)
        return RC_OK;
    c->is_over_high_water = true;
    return RC_BUSY;
}

void net_stream_end(struct net_request *req)
{
    struct conn *c = conn_of(req);
    must(c->is_pending && c->is_streaming);
    if (c->state != CONN_CLOSED && c->parser.http_minor > 0 && c->req.method != NET_HEAD)
        buf_add_str(&c->out, "0\r\n\r\n");
    finish_request(c);
}

void net_stream_abort(struct net_request *req)
{
    struct conn *c = conn_of(req);
    must(c->is_pending && c->is_streaming);
    c->req.on_gone = NULL; /* it is the handler that leaves */
    conn_close(c);
    finish_request(c);
}

/* An answer of the server's own; closes after it. */
void conn_error(struct conn *c, int status, const char *detail)
{
    struct buf body;
    metric_add(&c->server->metrics.framing_errors, 1);
    buf_init(&body, 64 << 10);
    if (c->server->app.render_problem)
        c->server->app.render_problem(c->server->app.ctx, status, detail, c->req.request_id, &body);
    c->is_keep_alive = false;
    c->has_unread_body = true; /* whatever still comes is not looked at */
    struct net_response r = {.status = status,
                             .content_type = SLICE_LIT("application/problem+json"),
                             .body = buf_slice(&body)};
    const struct net_header retry = {SLICE_LIT("Retry-After"), SLICE_LIT("1")};
    if (status == 503) {
        r.headers = &retry;
        r.header_count = 1;
    }
    conn_append_head(c, &r, false, body.len);
    buf_add_slice(&c->out, r.body);
    buf_done(&body);
    metric_add(&c->server->metrics.requests[status / 100 - 1], 1);
    tell_done(c);
    c->state = CONN_LINGER;
    c->since = c->loop->now;
    c->in_at = c->in.len;
    conn_flush(c);
    if (c->state == CONN_LINGER && !c->is_reading)
        set_reading(c);
}

/* ---- the head ---- */

struct head_parse {
    struct conn *c;
    uint32_t header_max;
    uint32_t names, values;
    struct slice target;
};

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    struct head_parse *h = p->data;
    h->target = slice_of(at, len);
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    struct head_parse *h = p->data;
    if (h->names == h->header_max)
        return -1;
    h->c->headers[h->names++].name = slice_of(at, len);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    struct head_parse *h = p->data;
    if (h->names == 0)
        return -1;
    h->c->headers[h->names - 1].value = slice_trim(slice_of(at, len));
    h->values = h->names;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    p->upgrade = 0; /* no protocol is switched: an Upgrade field is ignored (RFC 9110 7.8) */
    return 0;
}

static int on_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED;
}

static int on_body_piece(llhttp_t *p, const char *at, size_t len)
{
    struct conn *c = CONTAINER_OF(p, struct conn, parser);
    if (len > c->plan.bytes_max - c->req.body_bytes) {
        c->body_error = 413;
        c->body_detail = "The body is larger than this route takes.";
        return -1;
    }
    c->req.body_bytes += len;
    if (c->plan.mode == NET_BODY_MEMORY) {
        buf_add(&c->body, at, len);
        if (buf_ok(&c->body))
            return 0;
    } else if (os_write_all(c->req.body_fd, at, len, NULL) == RC_OK) {
        return 0;
    }
    c->body_error = 503;
    c->body_detail = "There is no memory for this body now.";
    return -1;
}

static int on_small(struct conn *c, size_t len, size_t max, const char *detail)
{
    c->small_bytes += len;
    if (c->small_bytes <= max)
        return 0;
    c->body_error = 400;
    c->body_detail = detail;
    return -1;
}

static int on_extension(llhttp_t *p, const char *at, size_t len)
{
    (void)at;
    return on_small(CONTAINER_OF(p, struct conn, parser), len, CHUNK_EXTENSION_BYTES_MAX,
                    "The chunk extensions are too long.");
}

static int on_trailer(llhttp_t *p, const char *at, size_t len)
{
    (void)at;
    return on_small(CONTAINER_OF(p, struct conn, parser), len, SMALL_BYTES_MAX,
                    "The trailer section is too long.");
}

static const llhttp_settings_t head_settings = {.on_url = on_url,
                                                .on_header_field = on_field,
                                                .on_header_value = on_value,
                                                .on_headers_complete = on_headers_complete,
                                                .on_message_complete = on_complete};
static const llhttp_settings_t body_settings = {.on_body = on_body_piece,
                                                .on_header_field = on_trailer,
                                                .on_header_value = on_trailer,
                                                .on_chunk_extension_name = on_extension,
                                                .on_chunk_extension_value = on_extension,
                                                .on_message_complete = on_complete};

/* Length of the head in c->in if it is whole, else 0; -1 for a line that ends with LF alone. */
static ssize_t find_head(struct conn *c)
{
    const char *data = c->in.data + c->in_at;
    size_t len = c->in.len - c->in_at;
    while (c->scanned < len) {
        const char *lf = memchr(data + c->scanned, '\n', len - c->scanned);
        if (!lf) {
            c->scanned = len;
            return 0;
        }
        size_t at = (size_t)(lf - data);
        if (at == 0 || data[at - 1] != '\r')
            return -1;
        c->scanned = at + 1;
        if (at >= 3 && data[at - 2] == '\n')
            return (ssize_t)at + 1;
    }
    return 0;
}

static bool is_sane_id(struct slice id)
{
    if (id.len == 0 || id.len > NET_REQUEST_ID_LEN)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.data[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-' || ch == '_' || ch == '.'))
            return false;
    }
    return true;
}

static void set_request_id(struct net_request *req)
{
    struct slice id = net_header_get(req, "X-Request-Id");
    if (is_sane_id(id)) {
        memcpy(req->request_id, id.data, id.len);
        req->request_id[id.len] = '\0';
    } else {
        struct uuid u = uuid_v7(unix_now());
        uuid_format(&u, req->request_id);
    }
}

static enum net_method method_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return NET_GET;
    case HTTP_HEAD:
        return NET_HEAD;
    case HTTP_POST:
        return NET_POST;
    case HTTP_PUT:
        return NET_PUT;
    case HTTP_PATCH:
        return NET_PATCH;
    case HTTP_DELETE:
        return NET_DELETE;
    case HTTP_OPTIONS:
        return NET_OPTIONS;
    default:
        return NET_OTHER;
    }
}

/* Absolute-form (RFC 9112 3.2.2): the path is what follows the authority. */
static struct slice path_of(struct slice target)
{
    if (target.len && target.data[0] == '/')
        return target;
    for (size_t i = 0; i + 2 < target.len; i++) {
        if (memcmp(target.data + i, "://", 3) != 0)
            continue;
        struct slice rest = slice_sub(target, i + 3);
        const char *slash = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
        return slash ? slice_of(slash, rest.len - (size_t)(slash - rest.data)) : SLICE_LIT("/");
    }
    return target; /* "*" */
}

static void fill_request(struct conn *c, struct slice target)
{
    struct net_request *req = &c->req;
    *req = (struct net_request){.loop = c->loop,
                                .arena = &c->arena,
                                .method = method_of(llhttp_get_method(&c->parser)),
                                .target = target,
                                .headers = c->headers,
                                .header_count = c->header_count,
                                .body_fd = -1,
                                .is_tls = c->tls != NULL,
                                .started = c->loop->now};
    struct slice rest = path_of(target);
    req->path = slice_cut(&rest, '?');
    req->query = rest;
    req->peer = c->peer;
    set_request_id(req);
}

static int parse_status(llhttp_errno_t error, const char **ret_detail)
{
    if (error == HPE_INVALID_VERSION) {
        *ret_detail = "HTTP/1.1 and HTTP/1.0 are spoken here.";
        return 505;
    }
    if (error == HPE_INVALID_METHOD) {
        *ret_detail = "The method is not known.";
        return 501;
    }
    *ret_detail = "The request line or a header field is malformed.";
    return 400;
}

/* Parses the head (in the arena) into c->parser, c->headers, *ret_target. 0 or the status of the
 * refusal. */
static int parse_head(struct conn *c, struct slice head, struct slice *ret_target,
                      struct framing_body *ret_body, const char **ret_detail)
{
    const struct net_limits *limits = &c->server->limits;
    struct head_parse h = {.c = c, .header_max = limits->header_count_max};
    *ret_detail = framing_check_raw(head);
    if (*ret_detail)
        return 400;
    c->headers = arena_zalloc(&c->arena, h.header_max * sizeof(*c->headers));
    must(c->headers);
    llhttp_init(&c->parser, HTTP_REQUEST, &head_settings);
    c->parser.data = &h;
    llhttp_errno_t error = llhttp_execute(&c->parser, head.data, head.len);
    if (h.names == h.header_max && error != HPE_OK && error != HPE_PAUSED) {
        *ret_detail = "There are too many header fields.";
        return 431;
    }
    if (error != HPE_OK && error != HPE_PAUSED)
        return parse_status(error, ret_detail);
    if (c->parser.http_major != 1) {
        *ret_detail = "HTTP/1.1 and HTTP/1.0 are spoken here.";
        return 505;
    }
    if (h.target.len > limits->target_bytes_max) {
        *ret_detail = "The target (path and query) is too long.";
        return 414;
    }
    if (llhttp_get_method(&c->parser) == HTTP_CONNECT) {
        *ret_detail = "This is no proxy.";
        return 501;
    }
    c->header_count = h.names;
    *ret_target = h.target;
    _Static_assert(sizeof(struct framing_header) == sizeof(struct net_header),
                   "the same two slices");
    struct framing_verdict v =
        framing_check_fields((const struct framing_header *)(const void *)c->headers,
                             c->header_count, c->parser.http_minor, ret_body);
    *ret_detail = v.detail;
    return v.status;
}

static bool prepare_body(struct conn *c, const struct framing_body *body)
{
    if (body->has_length && body->length > c->plan.bytes_max) {
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

static void dispatch(struct conn *c)
{
    c->has_unread_body = false;
    c->state = CONN_HANDLING;
    c->is_pending = true;
    c->req.body = c->plan.mode == NET_BODY_MEMORY ? buf_slice(&c->body) : SLICE_EMPTY;
    if (c->req.body_fd >= 0)
        IGNORE(lseek(c->req.body_fd, 0, SEEK_SET) != 0, "a memfd can seek");
    c->server->app.on_request(c->server->app.ctx, &c->req);
}

/* The head is whole and lawful. True: go on in conn_process(). */
static bool begin_request(struct conn *c, struct slice target, const struct framing_body *body)
{
    fill_request(c, target);
    c->requests++;
    c->status = 0;
    c->bytes_sent = 0;
    c->is_keep_alive = llhttp_should_keep_alive(&c->parser) != 0;
    c->has_unread_body = body->is_chunked || body->length > 0;
    struct slice expect = net_header_get(&c->req, "Expect");
    bool is_continue = slice_eq_nocase(expect, SLICE_LIT("100-continue"));
    if (expect.len && !is_continue) {
        conn_error(c, 417, "Only Expect: 100-continue is understood.");
        return true;
    }
    c->plan = (struct net_body_plan){.mode = NET_BODY_MEMORY,
                                     .bytes_max = c->server->limits.body_bytes_max};
    c->has_app_seen = true;
    uint32_t serial = c->serial;
    c->state = CONN_HANDLING;
    c->is_pending = true;
    c->server->app.on_head(c->server->app.ctx, &c->req, &c->plan);
    if (c->serial != serial)
        return true; /* answered */
    c->is_pending = false;
    if (!prepare_body(c, body))
        return true;
    if (!c->has_unread_body) {
        dispatch(c);
        return true;
    }
    if (is_continue && c->in.len == c->in_at && c->parser.http_minor > 0)
        buf_add_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    c->state = CONN_BODY;
    c->since = c->loop->now;
    c->small_bytes = 0;
    c->body_error = 0;
    c->parser.settings = (void *)(uintptr_t)&body_settings;
    c->parser.data = NULL;
    return true;
}

static void skip_empty_lines(struct conn *c)
{
    while (c->in.len - c->in_at >= 2 && memcmp(c->in.data + c->in_at, "\r\n", 2) == 0) {
        c->in_at += 2; /* RFC 9112 2.2: at least one empty line before a request is ignored */
        c->scanned = 0;
    }
}

static bool step_head(struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    skip_empty_lines(c);
    size_t waiting = c->in.len - c->in_at;
    if (waiting == 0)
        return false;
    if (c->is_idle) {
        c->is_idle = false;
        c->since = c->loop->now;
    }
    unsigned char first = (unsigned char)c->in.data[c->in_at];
    if (first < 'A' || first > 'Z') { /* TLS on a plain port, say: do not wait for a line end */
        conn_error(c, 400, "This is no HTTP request.");
        return false;
    }
    ssize_t len = find_head(c);
    if (len < 0) {
        conn_error(c, 400, "A line ends with LF alone; CRLF is needed.");
        return false;
    }
    size_t head_len = len > 0 ? (size_t)len : waiting;
    if (head_len > limits->head_bytes_max) {
        bool is_first_line = !memchr(c->in.data + c->in_at, '\n', limits->head_bytes_max);
        conn_error(c, is_first_line ? 414 : 431, "The request head is too large.");
        return false;
    }
    if (len == 0)
        return false;
    struct slice head = arena_copy(&c->arena, slice_of(c->in.data + c->in_at, head_len));
    must(head.len == head_len);
    c->in_at += head_len;
    c->scanned = 0;
    c->req.request_id[0] = '\0';
    struct slice target = SLICE_EMPTY;
    struct framing_body body;
    const char *detail = NULL;
    int status = parse_head(c, head, &target, &body, &detail);
    if (status) {
        conn_error(c, status, detail);
        return false;
    }
    return begin_request(c, target, &body);
}

static bool step_body(struct conn *c)
{
    size_t waiting = c->in.len - c->in_at;
    if (waiting == 0)
        return false;
    const char *from = c->in.data + c->in_at;
    llhttp_errno_t error = llhttp_execute(&c->parser, from, waiting);
    if (error == HPE_OK) {
        c->in_at = c->in.len;
        return false;
    }
    if (error == HPE_PAUSED) {
        c->in_at += (size_t)(llhttp_get_error_pos(&c->parser) - from);
        dispatch(c);
        return true;
    }
    if (c->body_error)
        conn_error(c, c->body_error, c->body_detail);
    else
        conn_error(c, 400, "The chunked body is malformed.");
    return false;
}

static void conn_process(struct conn *c)
{
    if (c->is_processing)
        return;
    c->is_processing = true;
    bool is_going = true;
    while (is_going) {
        if (c->state == CONN_HEAD)
            is_going = step_head(c);
        else if (c->state == CONN_BODY)
            is_going = step_body(c);
        else
            is_going = false;
    }
    c->is_processing = false;
    if (c->in_at == c->in.len) {
        buf_clear(&c->in);
        c->in_at = 0;
        if (c->in.cap > NET_KEEP_BYTES)
            buf_done(&c->in);
    } else if (c->in_at > NET_READ_BYTES) {
        buf_drop_front(&c->in, c->in_at);
        c->in_at = 0;
    }
    if (c->state != CONN_CLOSED && (c->out.len || c->is_close_wanted))
        conn_flush(c);
    set_reading(c);
}

void conn_feed(struct conn *c, struct slice plain)
{
    buf_add_slice(&c->in, plain);
    if (!buf_ok(&c->in)) {
        conn_close(c);
        return;
    }
    conn_process(c);
}

/* ---- deadlines ---- */

static int64_t age_ms(mono_ns since, mono_ns now)
{
    return mono_diff_us(since, now) / 1000;
}

static bool is_body_too_slow(const struct conn *c, mono_ns now)
{
    int64_t ms = age_ms(c->since, now);
    return ms > NET_BODY_GRACE_MS &&
           (int64_t)c->req.body_bytes * 1000 < (int64_t)c->server->limits.body_bytes_per_s_min * ms;
}

static void sweep_one(struct conn *c, mono_ns now)
{
    const struct net_limits *limits = &c->server->limits;
    struct metric *deadlines = &c->server->metrics.deadlines;
    if (c->in_flight && age_ms(c->write_since, now) > limits->write_deadline_ms) {
        metric_add(deadlines, 1);
        conn_close(c);
        return;
    }
    switch (c->state) {
    case CONN_HEAD:
        if (c->is_idle) {
            bool is_handshake = c->tls && !SSL_is_init_finished(c->tls);
            uint32_t allowed = is_handshake ? limits->head_deadline_ms : limits->idle_deadline_ms;
            if (atomic_load(&c->server->is_draining) || age_ms(c->since, now) > allowed)
                conn_close(c);
        } else if (age_ms(c->since, now) > limits->head_deadline_ms) {
            metric_add(deadlines, 1);
            conn_error(c, 408, "The request head came too slowly.");
        }
        return;
    case CONN_BODY:
        if (is_body_too_slow(c, now)) {
            metric_add(deadlines, 1);
            conn_error(c, 408, "The body came too slowly.");
        }
        return;
    case CONN_LINGER:
        if (age_ms(c->since, now) > NET_LINGER_MS)
            conn_close(c);
        return;
    case CONN_HANDLING:
    case CONN_CLOSED:
        return;
    }
}

void conn_sweep(struct net_loop *loop)
{
    for (struct conn *c = loop->conns, *next; c; c = next) {
        next = c->next; /* closing frees later, on a turn of its own */
        sweep_one(c, loop->now);
    }
}
