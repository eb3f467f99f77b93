/* What goes out.
 *
 * WHAT      One write per turn of the loop. What the kernel does not take at once is handed to
 *           libuv whole (the buffer changes hands, nothing is copied) while the next bytes gather
 *           in the other one.
 * PROGRESS  At most one uv_write() at a time, so its queue only shrinks: deadline.c sees by that
 *           whether a reader is stuck. The kernel wakes us when a good part of its buffer is free,
 *           so a reader that takes a byte now and then makes no progress.
 * CALLS     on_drain comes from the loop only, never from inside the handler's own call. */
#include <errno.h>
#include <sys/socket.h>

#include "base/must.h"
#include "net/net_int.h"

static void clear_out(struct buf *out)
{
    buf_clear(out);
    if (out->cap > NET_KEEP_BYTES)
        buf_done(out);
}

static void after_write(struct conn *c, bool may_drain);

static void on_written(uv_write_t *write, int status)
{
    struct conn *c = CONTAINER_OF(write, struct conn, write);
    c->loop->now = mono_now();
    ctx_must_be_outside();
    c->is_writing = false;
    clear_out(&c->writing);
    if (c->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    if (c->state == CONN_HEAD && c->is_idle)
        c->since = c->loop->now; /* idle begins when the answer has been taken */
    conn_flush(c);
    if (c->state != CONN_CLOSED)
        after_write(c, true);
}

static void shut(struct conn *c)
{
    uv_os_fd_t fd;
    c->is_shut = true;
    c->since = c->loop->now;
    if (uv_fileno(&c->handle, &fd) == 0)
        IGNORE(shutdown(fd, SHUT_WR) != 0, "the deadline closes it");
    conn_schedule(c);
}

static void after_write(struct conn *c, bool may_drain)
{
    if (conn_unsent(c)) {
        conn_schedule(c);
        return;
    }
    if (c->is_over_high_water && c->is_streaming) {
        if (!may_drain)
            return;
        c->is_over_high_water = false;
        if (c->on_drain) {
            struct ctx *ctx = ctx_enter(ctx_ref(c->ctx));
            c->on_drain(ctx, &c->req);
            ctx_leave(ctx);
        }
        return;
    }
    if (c->state == CONN_FINISH || (c->state == CONN_LINGER && !c->is_shut)) {
        if (c->tls && !c->is_tls_notified) {
            tls_notify(c);
            conn_flush(c);
        } else if (c->state == CONN_FINISH || c->is_ended) {
            conn_close(c);
        } else {
            shut(c);
        }
    } else if (may_drain) {
        conn_resume(c); /* requests, or reading, may have waited for this */
    }
}

/* False: the connection broke. */
static bool send_bytes(struct conn *c, struct buf *out)
{
    uv_os_fd_t fd;
    if (uv_fileno(&c->handle, &fd) != 0)
        return false;
    /* Not uv_try_write(): its write() costs a tenth more than send() does. */
    ssize_t n = send(fd, out->data, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
        return false;
    size_t sent = n > 0 ? (size_t)n : 0;
    count(&c->listener->counters.bytes_out, out->len);
    if (sent == out->len) {
        clear_out(out);
        return true;
    }
    struct buf empty = c->writing;
    c->writing = *out;
    *out = empty;
    uv_buf_t piece = uv_buf_init(c->writing.data + sent, (unsigned)(c->writing.len - sent));
    if (uv_write(&c->write, &c->stream, &piece, 1, on_written) != 0)
        return false;
    c->is_writing = true;
    c->write_since = c->loop->now;
    c->unsent_seen = c->stream.write_queue_size;
    return true;
}

void conn_flush(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        clear_out(&c->out);
        return;
    }
    if (!buf_ok(&c->out)) {
        conn_close(c);
        return;
    }
    struct buf *out = c->tls ? &c->raw_out : &c->out;
    if (c->tls && !tls_output(c)) {
        conn_close(c);
        return;
    }
    if (out->len && !c->is_writing && !send_bytes(c, out))
        conn_close(c);
    if (c->state != CONN_CLOSED)
        after_write(c, false);
}

static struct slice date_of(const struct conn *c)
{
    struct net_loop *loop = c->loop;
    int64_t now_ms =
        c->ctx ? c->head_at.ms + mono_diff_us(c->head_since, loop->now) / 1000 : unix_now().ms;
    if (now_ms / 1000 != loop->date_s) {
        loop->date_s = now_ms / 1000;
        http_date(loop->date_s, loop->date);
    }
    return slice_of(loop->date, HTTP_DATE_BYTES - 1);
}

void conn_append_head(struct conn *c, const struct net_response *r, enum http_length kind,
                      uint64_t length)
{
    char trace[CTX_TRACEPARENT_LEN + 1];
    must(r->status >= 200 && r->status <= 599);
    struct http_answer a = {.status = r->status,
                            .date = date_of(c),
                            .content_type = r->content_type,
                            .headers = (const struct framing_header *)(const void *)r->headers,
                            .header_count = r->header_count,
                            .request_id = slice_str(c->ctx ? c->ctx->request_id : NULL),
                            .traceparent =
                                slice_str(c->ctx ? ctx_traceparent(c->ctx, trace) : NULL),
                            .length_kind = kind,
                            .length = length};
    if (!c->is_keep_alive)
        a.connection = HTTP_CONNECTION_CLOSE;
    else if (c->http_minor == 0)
        a.connection = HTTP_CONNECTION_KEEP;
    http_answer_head(&c->out, &a);
}
