/* WHAT    A request's context, from its head to its answer.
 * WHY     Everything here was written by the client: an id is taken if it is a name, a text is a
 *         slice of the head, a trace is a link unless the server says that its peers are ours. Who
 *         the client is comes later, by ctx_set_claims().
 * SOURCE  W3C Trace Context, for a public edge: "may restart the trace". */
#include "base/must.h"
#include "http/trace.h"
#include "net/net_int.h"

enum {
    ARENA_EXTRA_BYTES = 256 << 20, /* beyond the largest body */
    REASON_BYTES_MAX = 1024,
};

bool conn_ctx_begin(struct conn *c)
{
    if (c->ctx)
        return true;
    c->ctx = ctx_new(c->loop->contexts, c->server->limits.body_bytes_max + ARENA_EXTRA_BYTES);
    if (!c->ctx)
        return false;
    struct uuid id = uuid_v7(unix_now());
    uuid_format(&id, c->ctx->request_id);
    c->ctx->client_address = slice_str(c->address);
    return true;
}

static bool is_sane_id(struct slice id, size_t len_max)
{
    if (id.len == 0 || id.len > len_max)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.data[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-' || ch == '_' || ch == '.'))
            return false;
    }
    return true;
}

/* Two of them are as good as none. */
static struct slice only_header(const struct net_request *req, struct slice name)
{
    struct slice value = SLICE_EMPTY;
    for (uint32_t i = 0, n = 0; i < req->header_count; i++) {
        if (!slice_eq_nocase(req->headers[i].name, name))
            continue;
        if (n++)
            return SLICE_EMPTY;
        value = req->headers[i].value;
    }
    return value;
}

static void fill_trace(struct conn *c)
{
    struct ctx_span span;
    if (!trace_parse_parent(only_header(&c->req, SLICE_LIT("traceparent")), &span))
        return;
    if (c->server->is_trace_trusted)
        ctx_continue_trace(c->ctx, &span);
    else
        ctx_link_trace(c->ctx, &span);
}

void conn_ctx_fill(struct conn *c)
{
    struct ctx *ctx = c->ctx;
    struct slice id = net_header_get(&c->req, "X-Request-Id");
    if (is_sane_id(id, CTX_REQUEST_ID_LEN)) {
        memcpy(ctx->request_id, id.data, id.len);
        ctx->request_id[id.len] = '\0';
    }
    id = net_header_get(&c->req, "X-Correlation-Id");
    if (is_sane_id(id, CTX_TEXT_BYTES_MAX))
        ctx->correlation = id;
    struct slice reason = net_header_get(&c->req, "X-Reason");
    if (reason.len <= REASON_BYTES_MAX)
        ctx->reason = reason;
    ctx->user_agent = net_header_get(&c->req, "User-Agent");
    fill_trace(c);
}

void conn_ctx_end(struct conn *c)
{
    if (!c->ctx)
        return;
    ctx_release(take_ptr(&c->ctx));
    c->req.ctx = NULL;
    c->req.arena = NULL;
}
