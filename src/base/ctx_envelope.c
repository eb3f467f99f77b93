/* WHAT    A context into the attributes of a record, and out of them again.
 * WHY     What outlives a request goes through this file and no other, so that one look tells what
 *         a stream can hold of it: handles, ids, kinds. No header of the request, no address, no
 *         claim beyond who it was.
 * SOURCE  CloudEvents 1.0, extensions distributed-tracing and authcontext; W3C Trace Context. */
#include "base/ctx.h"

#include <stddef.h>
#include <string.h>

static const char *const actor_names[] = {
    [CTX_NOBODY] = "unauthenticated", [CTX_USER] = "user",     [CTX_API_KEY] = "api_key",
    [CTX_TOKEN] = "app_user",         [CTX_SYSTEM] = "system", [CTX_SHARE] = "share",
};

const char *ctx_actor_name(enum ctx_actor_kind kind)
{
    return actor_names[kind];
}

static enum ctx_actor_kind actor_of_name(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(actor_names); i++)
        if (slice_eq_str(name, actor_names[i]))
            return (enum ctx_actor_kind)i;
    return CTX_NOBODY; /* "unknown", "service_account": nobody that we would act for */
}

/* ---- spans as text ---- */

enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

char *ctx_span_format(const struct ctx_span *span, char ret_text[CTX_TRACEPARENT_LEN + 1])
{
    memcpy(ret_text, "00-", TRACE_AT);
    slice_hex(span->trace_id, sizeof(span->trace_id), ret_text + TRACE_AT);
    ret_text[SPAN_AT - 1] = '-';
    slice_hex(span->span_id, sizeof(span->span_id), ret_text + SPAN_AT);
    ret_text[FLAGS_AT - 1] = '-';
    slice_hex(&span->flags, 1, ret_text + FLAGS_AT);
    ret_text[CTX_TRACEPARENT_LEN] = '\0';
    return ret_text;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= bytes[i];
    return any == 0;
}

bool ctx_span_parse(struct slice text, struct ctx_span *ret_span)
{
    struct ctx_span span;
    if (text.len != CTX_TRACEPARENT_LEN || memcmp(text.data, "00-", TRACE_AT) != 0 ||
        text.data[SPAN_AT - 1] != '-' || text.data[FLAGS_AT - 1] != '-' ||
        !slice_unhex(text.data + TRACE_AT, sizeof(span.trace_id), span.trace_id) ||
        !slice_unhex(text.data + SPAN_AT, sizeof(span.span_id), span.span_id) ||
        !slice_unhex(text.data + FLAGS_AT, 1, &span.flags) ||
        is_zero(span.trace_id, sizeof(span.trace_id)) ||
        is_zero(span.span_id, sizeof(span.span_id)))
        return false;
    *ret_span = span;
    return true;
}

static struct ctx_span span_of(const struct ctx *ctx)
{
    struct ctx_span span = {.flags = ctx->trace_flags};
    memcpy(span.trace_id, ctx->trace_id, sizeof(span.trace_id));
    memcpy(span.span_id, ctx->span_id, sizeof(span.span_id));
    return span;
}

static struct ctx_span link_of(const struct ctx *ctx)
{
    struct ctx_span span = {.flags = ctx->link_flags};
    memcpy(span.trace_id, ctx->link_trace_id, sizeof(span.trace_id));
    memcpy(span.span_id, ctx->parent_id, sizeof(span.span_id));
    return span;
}

char *ctx_traceparent(const struct ctx *ctx, char ret_text[CTX_TRACEPARENT_LEN + 1])
{
    struct ctx_span span = span_of(ctx);
    return ctx_span_format(&span, ret_text);
}

/* ---- out ---- */

/* Cut between characters, so that what was UTF-8 stays it. */
static struct slice cut(struct slice text)
{
    if (text.len <= CTX_TEXT_BYTES_MAX)
        return text;
    size_t n = 0, step;
    while ((step = slice_utf8_len(slice_sub(text, n))) && n + step <= CTX_TEXT_BYTES_MAX)
        n += step;
    return slice_of(text.data, n);
}

static void member(struct buf *out, const char *name, struct slice value, bool *is_first)
{
    if (value.len == 0)
        return;
    buf_add_str(out, *is_first ? "\"" : ",\"");
    *is_first = false;
    buf_add_str(out, name);
    buf_add_str(out, "\":");
    buf_add_json(out, cut(value));
}

void ctx_export(const struct ctx *ctx, struct buf *out)
{
    char text[CTX_TRACEPARENT_LEN + 1];
    const struct ctx_claims *claims = ctx->claims;
    bool is_first = true;
    member(out, "traceparent", slice_str(ctx_traceparent(ctx, text)), &is_first);
    if (ctx->has_parent && memcmp(ctx->link_trace_id, ctx->trace_id, sizeof(ctx->trace_id)) != 0) {
        struct ctx_span link = link_of(ctx);
        member(out, "tracelink", slice_str(ctx_span_format(&link, text)), &is_first);
    }
    member(out, "correlationid",
           ctx->correlation.len ? ctx->correlation : slice_str(ctx->request_id), &is_first);
    member(out, "causationid", ctx->causation, &is_first);
    member(out, "authtype", slice_str(ctx_actor_name(claims->actor.kind)), &is_first);
    member(out, "authid", slice_str(claims->actor.id), &is_first);
    member(out, "executortype", slice_str(ctx_actor_name(claims->executor.kind)), &is_first);
    member(out, "executorid", slice_str(claims->executor.id), &is_first);
}

struct slice ctx_export_headers(struct ctx *ctx)
{
    static const char names[] = "traceparent\0tracelink";
    enum { PARENT_AT = sizeof("traceparent"), VALUE = CTX_TRACEPARENT_LEN + 1 };
    char *text = ctx->has_parent ? arena_alloc(ctx->arena, sizeof(names) + 2 * VALUE) : NULL;
    if (!text)
        return SLICE_EMPTY;
    struct ctx_span link = link_of(ctx);
    memcpy(text, names, PARENT_AT);
    ctx_traceparent(ctx, text + PARENT_AT);
    memcpy(text + PARENT_AT + VALUE, names + PARENT_AT, sizeof(names) - PARENT_AT);
    ctx_span_format(&link, text + sizeof(names) + VALUE);
    return slice_of(text, sizeof(names) + 2 * VALUE);
}

/* ---- in ---- */

static const struct {
    const char *name;
    size_t at;
} members[] = {
/* clang-format off */
#define M(name) {#name, offsetof(struct ctx_envelope, name)}
    /* clang-format on */
    M(traceparent), M(tracelink), M(correlationid), M(causationid),
    M(authtype),    M(authid),    M(executortype),  M(executorid),
#undef M
};

bool ctx_envelope_put(struct ctx_envelope *e, struct slice name, struct slice value)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (slice_eq_str(name, members[i].name)) {
            memcpy((char *)e + members[i].at, &value, sizeof(value));
            return true;
        }
    }
    return false;
}

static struct slice keep(struct ctx *ctx, struct slice text)
{
    return text.len ? arena_copy(ctx->arena, cut(text)) : SLICE_EMPTY;
}

static struct ctx_party actor_of(const struct ctx_envelope *e)
{
    struct ctx_party party = {.kind = actor_of_name(e->authtype)};
    if (party.kind == CTX_NOBODY || e->authid.len >= sizeof(party.id))
        return (struct ctx_party){.kind = CTX_NOBODY}; /* half an id would be another's */
    if (e->authid.len)
        memcpy(party.id, e->authid.data, e->authid.len);
    return party;
}

void ctx_import(struct ctx *ctx, const struct ctx_envelope *e, struct slice record_id,
                const struct ctx_claims *service)
{
    struct ctx_span parent;
    if (ctx_span_parse(e->traceparent, &parent))
        ctx_continue_trace(ctx, &parent);
    ctx->correlation = keep(ctx, e->correlationid);
    ctx->causation = keep(ctx, record_id);
    struct ctx_claims claims = *service;
    claims.actor = actor_of(e);
    ctx_set_claims(ctx, &claims);
}
