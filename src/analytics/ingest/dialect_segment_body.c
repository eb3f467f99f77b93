/* Segment's bodies: what stands beside the messages, where the key is, and pixels, whose query is
 * the message: "event=x&properties.plan=pro" stands for {"event":"x","properties":{"plan":"pro"}},
 * or data= for the base64 of the whole. */
#include "analytics/ingest/dialect_segment_int.h"

#include "codec/base64.h"
#include "http/url.h"

/* ---- pixels ---- */

static enum rc no_memory(struct err *err)
{
    return err_set(err, RC_NOMEM, "There is no memory for this request now.");
}

/* The query's members that begin with the prefix and have no further dot, as members of an object.
 * False: malformed. */
static bool put_members(struct buf *out, struct arena *arena, struct slice query,
                        struct slice prefix)
{
    while (query.len) {
        struct slice value = slice_cut(&query, '&'), name;
        struct slice raw_name = slice_cut(&value, '=');
        if (!url_decode(arena, raw_name, true, &name) || !url_decode(arena, value, true, &value))
            return false;
        if (!slice_has_prefix(name, prefix))
            continue;
        name = slice_sub(name, prefix.len);
        if (!name.len || memchr(name.data, '.', name.len))
            continue;
        if (out->data[out->len - 1] != '{')
            buf_add_char(out, ',');
        buf_add_json(out, name);
        buf_add_char(out, ':');
        buf_add_json(out, value);
    }
    return true;
}

static bool query_to_json(struct buf *out, struct arena *arena, struct slice query)
{
    bool is_fine = true;
    buf_add_char(out, '{');
    is_fine = put_members(out, arena, query, SLICE_EMPTY);
    buf_add_str(out, out->len > 1 ? ",\"properties\":{" : "\"properties\":{");
    is_fine = is_fine && put_members(out, arena, query, SLICE_LIT("properties."));
    buf_add_str(out, "},\"context\":{");
    is_fine = is_fine && put_members(out, arena, query, SLICE_LIT("context."));
    buf_add_str(out, out->data[out->len - 1] == '{' ? "\"page\":{" : ",\"page\":{");
    is_fine = is_fine && put_members(out, arena, query, SLICE_LIT("context.page."));
    buf_add_str(out, "}}}");
    return is_fine;
}

static enum rc read_pixel(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct net_request *net = call->req->net;
    struct buf *out = &call->space.json;
    struct slice data;
    size_t len;
    buf_clear(out);
    if (net_query_get(net, "data", &data)) {
        uint8_t *to = arena_alloc(net->arena, base64_decoded_max(data.len));
        if (!to)
            return no_memory(err);
        if (!base64_decode(BASE64_STD, data, to, &len))
            return err_set(err, RC_INVALID, "data is not base64.");
        *body = slice_of((const char *)to, len);
        return RC_OK;
    }
    if (!buf_reserve(out, 1024)) /* room enough for what does not come from the query */
        return no_memory(err);
    if (!query_to_json(out, net->arena, net->query))
        return err_set(err, RC_INVALID, "The query is not percent-encoded as it should be.");
    if (!buf_ok(out))
        return no_memory(err);
    *body = buf_slice(out);
    return RC_OK;
}

/* ---- what stands beside the messages ---- */

static struct slice bare_text(const struct json_span *span)
{
    struct slice t = span->text;
    if (t.len < 2 || t.data[0] != '"')
        return SLICE_EMPTY;
    return slice_of(t.data + 1, t.len - 2);
}

static void read_top(struct slice body, struct segment_body *ret)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    size_t at = 0;
    IGNORE(json_peek(body, &at), "members_begin looks at it");
    if (json_members_begin(&members, slice_sub(body, at)) != RC_OK)
        return; /* told when it is cut */
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (slice_eq_str(key, "batch") && span.text.data[0] == '[')
            ret->batch = span.text;
        else if (slice_eq_str(key, "sentAt"))
            ret->sent_at = bare_text(&span);
        else if (slice_eq_str(key, "writeKey"))
            ret->write_key = bare_text(&span);
    }
}

enum rc segment_unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct segment_body *own = arena_zalloc(call->req->net->arena, sizeof(*own));
    if (!own)
        return no_memory(err);
    call->own = own;
    if (call->route->variant >= SEGMENT_PIXEL && !call->again)
        TRY(read_pixel(call, body, err));
    read_top(*body, own);
    return RC_OK;
}

struct slice segment_find_key(struct ingest_call *call)
{
    const struct segment_body *own = call->own;
    const struct net_request *net = call->req->net;
    struct slice key = net_header_get(net, "X-Write-Key");
    if (!key.len && !net_query_get(net, "writeKey", &key))
        key = own->write_key;
    return slice_cut(&key, ':');
}

enum rc segment_cut(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct segment_body *own = call->own;
    call->env.clock_skew_ms = event_clock_skew_ms(own->sent_at, &call->env);
    return own->batch.len ? ingest_cut_array(call, own->batch, err)
                          : ingest_cut_any(call, body, err);
}
