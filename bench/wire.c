/* WHAT: events → one request of the protocol.
 *   HTTP    one object, or an array of them when batch > 1; optionally gzip
 *   Redis   batch × XADD key * e EVENT, pipelined
 *   NATS    batch × PUB subject with a reply subject, so that JetStream acknowledges each */
#include "load_int.h"

#include <string.h>
#include <zlib.h>

#include "base/heap.h"

enum { GZIP_WINDOW_BITS = 15 + 16 };

enum rc wire_init(struct wire *w, const struct load_cfg *cfg, uint64_t seed, struct err *err)
{
    *w = (struct wire){.cfg = cfg};
    template_state_init(&w->state, seed);
    buf_init(&w->head, 64 << 10);
    buf_init(&w->body, LOAD_BODY_BYTES_MAX);
    buf_init(&w->event, 4 << 20);
    buf_init(&w->packed, LOAD_BODY_BYTES_MAX);
    if (!cfg->gzip_level)
        return RC_OK;
    z_stream *z = heap_alloc(HEAP_MISC, sizeof(*z));
    w->deflate = z;
    if (deflateInit2(z, (int)cfg->gzip_level, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(err, RC_NOMEM, "zlib cannot be set up");
    return RC_OK;
}

void wire_done(struct wire *w)
{
    if (w->deflate)
        deflateEnd(w->deflate);
    heap_free(w->deflate);
    buf_done(&w->head);
    buf_done(&w->body);
    buf_done(&w->event);
    buf_done(&w->packed);
}

static enum rc pack(struct wire *w)
{
    z_stream *z = w->deflate;
    ENSURE(deflateReset(z) == Z_OK, RC_BUG);
    size_t bound = deflateBound(z, w->body.len);
    buf_clear(&w->packed);
    char *to = buf_reserve(&w->packed, bound);
    ENSURE(to, RC_LIMIT);
    z->next_in = (unsigned char *)w->body.data;
    z->avail_in = (unsigned)w->body.len;
    z->next_out = (unsigned char *)to;
    z->avail_out = (unsigned)bound;
    ENSURE(deflate(z, Z_FINISH) == Z_STREAM_END, RC_BUG);
    buf_commit(&w->packed, bound - z->avail_out);
    return RC_OK;
}

static enum rc http_request(struct wire *w, struct slice *ret_body)
{
    const struct load_cfg *cfg = w->cfg;
    struct buf *body = &w->body;
    if (cfg->batch > 1)
        buf_add_char(body, '[');
    for (uint32_t i = 0; i < cfg->batch; i++) {
        if (i)
            buf_add_char(body, ',');
        template_render(&cfg->event, &w->state, body);
    }
    if (cfg->batch > 1)
        buf_add_char(body, ']');
    ENSURE(buf_ok(body), RC_LIMIT);
    *ret_body = buf_slice(body);
    if (w->deflate) {
        TRY(pack(w));
        *ret_body = buf_slice(&w->packed);
    }
    struct buf *head = &w->head;
    buf_add_str(head, cfg->method);
    buf_add_char(head, ' ');
    buf_add_str(head, cfg->target);
    buf_add_str(head, " HTTP/1.1\r\nHost: ");
    buf_add_str(head, cfg->host);
    buf_add_str(head, "\r\n");
    buf_add_slice(head, buf_slice(&cfg->headers));
    if (w->deflate)
        buf_add_str(head, "Content-Encoding: gzip\r\n");
    if (ret_body->len) {
        buf_add_str(head, "Content-Length: ");
        buf_add_u64(head, ret_body->len);
        buf_add_str(head, "\r\n");
    }
    buf_add_str(head, "\r\n");
    return buf_ok(head) ? RC_OK : RC_LIMIT;
}

static void redis_arg(struct buf *out, struct slice arg)
{
    buf_add_char(out, '$');
    buf_add_u64(out, arg.len);
    buf_add_str(out, "\r\n");
    buf_add_slice(out, arg);
    buf_add_str(out, "\r\n");
}

static enum rc redis_request(struct wire *w, struct slice *ret_body)
{
    for (uint32_t i = 0; i < w->cfg->batch; i++) {
        buf_clear(&w->event);
        template_render(&w->cfg->event, &w->state, &w->event);
        buf_add_str(&w->body, "*5\r\n");
        redis_arg(&w->body, SLICE_LIT("XADD"));
        redis_arg(&w->body, slice_str(w->cfg->target));
        redis_arg(&w->body, SLICE_LIT("*"));
        redis_arg(&w->body, SLICE_LIT("e"));
        redis_arg(&w->body, buf_slice(&w->event));
    }
    *ret_body = buf_slice(&w->body);
    return buf_ok(&w->body) && buf_ok(&w->event) ? RC_OK : RC_LIMIT;
}

static enum rc nats_request(struct wire *w, uint32_t connection, struct slice *ret_body)
{
    for (uint32_t i = 0; i < w->cfg->batch; i++) {
        buf_clear(&w->event);
        template_render(&w->cfg->event, &w->state, &w->event);
        buf_add_str(&w->body, "PUB ");
        buf_add_str(&w->body, w->cfg->target);
        buf_add_str(&w->body, " _INBOX.load.");
        buf_add_u64(&w->body, connection);
        buf_add_char(&w->body, ' ');
        buf_add_u64(&w->body, w->event.len);
        buf_add_str(&w->body, "\r\n");
        buf_add_slice(&w->body, buf_slice(&w->event));
        buf_add_str(&w->body, "\r\n");
    }
    *ret_body = buf_slice(&w->body);
    return buf_ok(&w->body) && buf_ok(&w->event) ? RC_OK : RC_LIMIT;
}

enum rc wire_request(struct wire *w, uint32_t connection, struct slice *ret_body)
{
    buf_clear(&w->head);
    buf_clear(&w->body);
    switch (w->cfg->protocol) {
    case LOAD_HTTP:
        return http_request(w, ret_body);
    case LOAD_REDIS:
        return redis_request(w, ret_body);
    case LOAD_NATS:
        return nats_request(w, connection, ret_body);
    }
    return RC_BUG;
}

void wire_hello(struct wire *w, uint32_t connection)
{
    buf_clear(&w->head);
    if (w->cfg->protocol == LOAD_NATS)
        buf_addf(&w->head, "CONNECT {\"verbose\":false}\r\nSUB _INBOX.load.%u 1\r\n", connection);
}
