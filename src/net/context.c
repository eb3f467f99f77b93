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
    c->head_at = unix_now();
    c->head_since = c->loop->now;
    struct uuid id = uuid_v7(c->head_at);
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

/* ---- the fields that say something about a context ---- */

/* No two of them have names of the same length, which is SHORTEST and the slot: so one look per
 * field of the request tells which it is, if any. */
enum { SHORTEST = 8, REASON = 0, USER_AGENT = 2, TRACEPARENT = 3, REQUEST_ID = 4 };
enum { CORRELATION_ID = 8, SLOTS };
static const struct slice names[SLOTS] = {
    [REASON] = SLICE_CONST("X-Reason"),
    [USER_AGENT] = SLICE_CONST("User-Agent"),
    [TRACEPARENT] = SLICE_CONST("traceparent"),
    [REQUEST_ID] = SLICE_CONST("X-Request-Id"),
    [CORRELATION_ID] = SLICE_CONST("X-Correlation-Id"),
};
struct found {
    struct slice values[SLOTS]; /* of the first of each name */
    unsigned seen, twice;       /* bits: 1 << slot */
};

static void find_fields(const struct net_request *req, struct found *ret)
{
    *ret = (struct found){.seen = 0};
    for (uint32_t i = 0; i < req->header_count; i++) {
        struct slice name = req->headers[i].name;
        size_t slot = name.len - SHORTEST; /* of a shorter one: beyond all */
        if (slot >= SLOTS || !slice_eq_nocase(name, names[slot]))
            continue;
        unsigned bit = 1U << slot;
        if (!(ret->seen & bit))
            ret->values[slot] = req->headers[i].value;
        ret->twice |= ret->seen & bit;
        ret->seen |= bit;
    }
}

/* Two of them are as good as none. */
static void fill_trace(struct conn *c, const struct found *found)
{
    struct ctx_span span;
    if (found->twice >> TRACEPARENT & 1 || !trace_parse_parent(found->values[TRACEPARENT], &span))
        return;
    if (c->server->is_trace_trusted)
        ctx_continue_trace(c->ctx, &span);
    else
        ctx_link_trace(c->ctx, &span);
}

void conn_ctx_fill(struct conn *c)
{
    struct ctx *ctx = c->ctx;
    struct found found;
    find_fields(&c->req, &found);
    struct slice id = found.values[REQUEST_ID];
    if (id.data && is_sane_id(id, CTX_REQUEST_ID_LEN)) {
        memcpy(ctx->request_id, id.data, id.len);
        ctx->request_id[id.len] = '\0';
    }
    if (is_sane_id(found.values[CORRELATION_ID], CTX_TEXT_BYTES_MAX))
        ctx->correlation = found.values[CORRELATION_ID];
    if (found.values[REASON].len <= REASON_BYTES_MAX)
        ctx->reason = found.values[REASON];
    ctx->user_agent = found.values[USER_AGENT];
    fill_trace(c, &found);
}

void conn_ctx_end(struct conn *c)
{
    if (!c->ctx)
        return;
    ctx_release(take_ptr(&c->ctx));
    c->req.ctx = NULL;
    c->req.arena = NULL;
}
