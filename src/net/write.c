/* What goes out: answer heads, bodies, streams; one write per turn, with what could not go kept in
 * flight. */
#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "http/framing.h"
#include "net/net_int.h"

struct write {
    uv_write_t uv;
    struct conn *conn;
    size_t len;
    char data[];
};

static void after_write(struct conn *c, bool may_drain);

static void on_written(uv_write_t *uv, int status)
{
    struct write *w = CONTAINER_OF(uv, struct write, uv);
    struct conn *c = w->conn;
    c->loop->now = mono_now();
    c->in_flight -= w->len;
    c->write_since = c->loop->now;
    heap_free(w);
    if (status < 0)
        conn_close(c);
    else
        after_write(c, true);
}

/* Everything queued may be with the kernel now. on_drain is called from the loop only, never from
 * inside the handler's own net_stream_write(). */
static void after_write(struct conn *c, bool may_drain)
{
    if (c->in_flight || c->state == CONN_CLOSED)
        return;
    if (may_drain && c->is_over_high_water && c->is_streaming) {
        c->is_over_high_water = false;
        if (c->on_drain)
            c->on_drain(&c->req);
        return;
    }
    if (c->state == CONN_LINGER && !c->is_shut) {
        /* The peer sees the end at once; what it still sends is read and thrown away for a moment,
         * so that no reset destroys the answer on its way (RFC 9112 9.6). */
        uv_os_fd_t fd;
        c->is_shut = true;
        if (uv_fileno(&c->handle, &fd) == 0)
            IGNORE(shutdown(fd, SHUT_WR) != 0, "the deadline closes it");
    } else if (c->is_close_wanted && c->state != CONN_LINGER) {
        conn_close(c);
    }
}

static void send_raw(struct conn *c, struct buf *out)
{
    size_t sent = 0;
    if (c->in_flight == 0 && out->len) {
        uv_buf_t piece = uv_buf_init(out->data, (unsigned)out->len);
        int r = uv_try_write(&c->stream, &piece, 1);
        if (r < 0 && r != UV_EAGAIN) {
            buf_clear(out);
            conn_close(c);
            return;
        }
        sent = r > 0 ? (size_t)r : 0;
    }
    size_t left = out->len - sent;
    if (left) {
        struct write *w = heap_alloc(HEAP_NET, sizeof(*w) + left);
        w->conn = c;
        w->len = left;
        memcpy(w->data, out->data + sent, left);
        uv_buf_t piece = uv_buf_init(w->data, (unsigned)left);
        if (c->in_flight == 0)
            c->write_since = c->loop->now;
        c->in_flight += left;
        must(uv_write(&w->uv, &c->stream, &piece, 1, on_written) == 0);
    }
    buf_clear(out);
    if (out->cap > NET_KEEP_BYTES)
        buf_done(out);
}

void conn_flush(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        buf_clear(&c->out);
        return;
    }
    if (!buf_ok(&c->out)) {
        conn_close(c);
        return;
    }
    metric_add(&c->server->metrics.bytes_out, (int64_t)c->out.len);
    if (c->tls) {
        if (!tls_output(c)) {
            conn_close(c);
            return;
        }
        send_raw(c, &c->raw_out);
    } else {
        send_raw(c, &c->out);
    }
    if (c->state != CONN_CLOSED)
        after_write(c, false);
}

static void add_header(struct buf *out, struct slice name, struct slice value)
{
    /* A handler's value that holds CR or LF would be a second header: cut it there. */
    size_t len = 0;
    while (len < value.len && value.data[len] != '\r' && value.data[len] != '\n' &&
           value.data[len] != '\0')
        len++;
    buf_add_slice(out, name);
    buf_add(out, ": ", 2);
    buf_add(out, value.data, len);
    buf_add(out, "\r\n", 2);
}

static void add_date(struct conn *c)
{
    struct net_loop *loop = c->loop;
    int64_t now_s = unix_now().ms / 1000;
    if (now_s != loop->date_s) {
        char date[HTTP_DATE_BYTES];
        http_date(now_s, date);
        snprintf(loop->date, sizeof(loop->date), "Date: %s\r\n", date);
        loop->date_s = now_s;
    }
    buf_add_str(&c->out, loop->date);
}

void conn_append_head(struct conn *c, const struct net_response *r, bool is_chunked,
                      uint64_t length)
{
    struct buf *out = &c->out;
    must(r->status >= 200 && r->status <= 599);
    buf_add_str(out, "HTTP/1.1 ");
    buf_add_u64(out, (uint64_t)r->status);
    buf_add_char(out, ' ');
    buf_add_str(out, http_status_text(r->status));
    buf_add(out, "\r\n", 2);
    add_date(c);
    if (r->content_type.len)
        add_header(out, SLICE_LIT("Content-Type"), r->content_type);
    for (uint32_t i = 0; i < r->header_count; i++)
        add_header(out, r->headers[i].name, r->headers[i].value);
    if (c->req.request_id[0])
        add_header(out, SLICE_LIT("X-Request-Id"), slice_str(c->req.request_id));
    if (is_chunked) {
        buf_add_str(out, "Transfer-Encoding: chunked\r\n");
    } else if (r->status != 204 && r->status != 304) {
        buf_add_str(out, "Content-Length: ");
        buf_add_u64(out, length);
        buf_add(out, "\r\n", 2);
    }
    if (!c->is_keep_alive)
        buf_add_str(out, "Connection: close\r\n");
    else if (c->parser.http_minor == 0)
        buf_add_str(out, "Connection: keep-alive\r\n");
    buf_add(out, "\r\n", 2);
    c->status = r->status;
}
