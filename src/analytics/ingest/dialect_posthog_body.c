/* WHAT    PostHog's bodies: whatever they are packed in, and what stands beside the events.
 * WHY     Twelve years of SDKs: JSON, gzip under any name, base64 of either, lz-string, forms with
 *         any of these in them, all of it in a query. What the bytes are is looked at first; what
 *         the request says about them only decides between base64 and lz-string, which look alike.
 * THREADS unwrap and cut run on the loop or on a worker, one after the other. */
#include "analytics/ingest/dialect_posthog_int.h"

#include <stdio.h>

#include "codec/base64.h"
#include "codec/lzstring.h"
#include "http/url.h"

static const struct slice vitals_event = SLICE_CONST("\"$web_vitals\"");

/* ---- packing ---- */

static bool is_json(struct slice text)
{
    size_t at = 0;
    char first = json_peek(text, &at);
    return first == '{' || first == '[';
}

static bool is_form(struct slice text)
{
    struct slice value;
    return url_query_find(text, SLICE_LIT("data"), &value);
}

/* The form's data; '+' is a blank now, which base64 does not have (unbase64 knows). */
static enum rc unform(struct ingest_call *call, struct slice form, struct slice *ret_data,
                      struct slice *compression, struct err *err)
{
    struct arena *arena = call->req->net->arena;
    struct slice raw;
    if (url_query_find(form, SLICE_LIT("compression"), &raw))
        *compression = raw;
    if (!url_query_find(form, SLICE_LIT("data"), &raw) || !url_decode(arena, raw, true, ret_data))
        return err_set(err, RC_INVALID, "The form's data is not percent-encoded as it should be.");
    return RC_OK;
}

static enum rc no_memory(struct err *err)
{
    return err_set(err, RC_NOMEM, "There is no memory for this request now.");
}

/* Into space.json, behind a copy in which the blanks are '+' again. */
static enum rc unbase64(struct ingest_call *call, struct slice *text, struct err *err)
{
    struct buf *to = &call->space.json;
    size_t len, decoded_max = base64_decoded_max(text->len);
    buf_clear(to);
    char *copy = buf_reserve(to, text->len + decoded_max);
    if (!copy)
        return no_memory(err);
    for (size_t i = 0; i < text->len; i++)
        copy[i] = (char)(text->data[i] == ' ' ? '+' : text->data[i]);
    char *decoded = copy + text->len;
    if (!base64_decode(BASE64_STD, slice_of(copy, text->len), (uint8_t *)decoded, &len))
        return err_set(err, RC_INVALID,
                       "The body is no JSON, and nothing that it could be packed in: gzip, base64, "
                       "lz-string or a form with data=.");
    *text = slice_of(decoded, len);
    return RC_OK;
}

static enum rc gunzip(struct ingest_call *call, struct slice *text, struct err *err)
{
    struct buf *to = &call->space.plain;
    if (to->len)
        return err_set(err, RC_INVALID, "The body is compressed twice.");
    struct decoder *d = ingest_decoder_take(call->ingest);
    if (!d)
        return no_memory(err);
    enum rc rc = decode_all(d, *text, to, err);
    ingest_decoder_give(call->ingest, d);
    *text = buf_slice(to);
    if (rc == RC_LIMIT)
        return err_set(err, RC_LIMIT, "The body is larger than %zu bytes when it is decompressed.",
                       to->bytes_max);
    return rc;
}

static enum rc unlz(struct ingest_call *call, struct slice *text, struct err *err)
{
    struct buf *to = &call->space.json;
    buf_clear(to);
    TRY(lzstring_decode(*text, to, err));
    *text = buf_slice(to);
    return RC_OK;
}

static enum rc unpack(struct ingest_call *call, struct slice *text, struct slice compression,
                      struct err *err)
{
    bool is_lz = slice_eq_str(compression, "lz64") || slice_eq_str(compression, "lz-string");
    if (is_json(*text))
        return RC_OK;
    if (codec_sniff(*text) == CODEC_PLAIN)
        TRY(is_lz ? unlz(call, text, err) : unbase64(call, text, err));
    if (codec_sniff(*text) != CODEC_PLAIN)
        TRY(gunzip(call, text, err));
    if (!is_json(*text))
        return err_set(err, RC_INVALID, "The body is no JSON behind what it is packed in.");
    return RC_OK;
}

/* ---- what stands beside the events ---- */

/* Without its quotes; tokens and times hold nothing that would be escaped. */
static struct slice bare_text(const struct json_span *span)
{
    struct slice t = span->text;
    if (t.len >= 2 && t.data[0] == '"')
        return slice_of(t.data + 1, t.len - 2);
    return span->depth ? SLICE_EMPTY : t;
}

static bool is_token_name(struct slice key)
{
    return slice_eq_str(key, "api_key") || slice_eq_str(key, "token") ||
           slice_eq_str(key, "$token");
}

static void read_top(struct slice body, struct posthog_body *ret)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    if (json_members_begin(&members, body) != RC_OK)
        return;
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (slice_eq_str(key, "batch") && span.text.data[0] == '[')
            ret->batch = span.text;
        else if (slice_eq_str(key, "sent_at"))
            ret->sent_at = bare_text(&span);
        else if (slice_eq_str(key, "historical_migration"))
            ret->is_historical = slice_eq_str(span.text, "true");
        else if (is_token_name(key) && span.text.data[0] == '"')
            ret->token = bare_text(&span);
    }
}

/* An event's own token: beside its name, else among its properties. */
static struct slice token_of_event(struct slice event)
{
    struct json_members members;
    struct json_span span;
    struct slice key, token = SLICE_EMPTY, of_properties = SLICE_EMPTY;
    if (json_members_begin(&members, event) != RC_OK)
        return token;
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (is_token_name(key) && span.text.data[0] == '"')
            token = bare_text(&span);
        else if (slice_eq_str(key, "properties") && ingest_member(span.text, "token", &span))
            of_properties = bare_text(&span);
    }
    return token.len ? token : of_properties;
}

static enum rc token_of_events(struct slice array, struct slice *token, struct err *err)
{
    struct json_items items;
    struct json_span span;
    if (json_items_begin(&items, array) != RC_OK)
        return RC_OK; /* told when it is cut */
    while (json_items_next(&items, &span) == RC_OK) {
        struct slice own = token_of_event(span.text);
        if (own.len && token->len && !slice_eq(own, *token))
            return err_set(err, RC_UNAUTHORIZED,
                           "The events of one request must be of one project; these have several "
                           "tokens.");
        if (own.len)
            *token = own;
    }
    return RC_OK;
}

/* has_head: version 1 has its token in the head, always. */
static enum rc read_beside(struct slice body, bool has_head, struct posthog_body *own,
                           struct err *err)
{
    size_t at = 0;
    char first = json_peek(body, &at);
    body = slice_sub(body, at);
    if (first == '[' && !has_head) {
        TRY(token_of_events(body, &own->token, err));
    } else if (first == '{') {
        read_top(body, own);
        if (has_head)
            return RC_OK;
        if (!own->token.len && own->batch.len)
            TRY(token_of_events(own->batch, &own->token, err));
        else if (!own->token.len)
            own->token = token_of_event(body);
    }
    if (slice_has_prefix(own->token, SLICE_LIT("phx_")))
        return err_set(err, RC_UNAUTHORIZED,
                       "This is a personal API key; events are sent with a project's token.");
    return RC_OK;
}

enum rc posthog_unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct net_request *net = call->req->net;
    struct slice compression = SLICE_EMPTY, data;
    struct posthog_body *own = arena_zalloc(net->arena, sizeof(*own));
    if (!own)
        return no_memory(err);
    call->own = own;
    if (net_query_get(net, "data", &data) && data.len)
        *body = data;
    if (!net_query_get(net, "compression", &compression))
        compression = SLICE_EMPTY;
    if (!is_json(*body) && is_form(*body))
        TRY(unform(call, *body, body, &compression, err));
    if (body->len) /* if not, posthog_cut() says so, after the key was looked at */
        TRY(unpack(call, body, compression, err));
    TRY(read_beside(*body, call->route->variant == POSTHOG_V1, own, err));
    if (!own->sent_at.len && !net_query_get(net, "_", &own->sent_at))
        own->sent_at = net_header_get(net, "PostHog-Request-Timestamp");
    return RC_OK;
}

struct slice posthog_find_key(struct ingest_call *call)
{
    const struct posthog_body *own = call->own;
    return own->token;
}

/* ---- events ----
 * One $web_vitals holds all metrics of a page; each becomes an event of its own: the same but for
 * its properties metric and value, and an id made of the first one's. */

static const char *const vitals[] = {"LCP", "CLS", "FCP", "INP"};

static bool is_vital_member(struct slice key)
{
    return slice_has_prefix(key, SLICE_LIT("$web_vitals_"));
}

static void put_vital_properties(struct buf *out, struct slice properties, const char *metric,
                                 struct slice value)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    buf_add_char(out, '{');
    if (json_members_begin(&members, properties) == RC_OK)
        while (json_members_next(&members, &key, &span) == RC_OK)
            if (!is_vital_member(key))
                buf_addf(out, "\"%.*s\":%.*s,", SLICE_ARG(key), SLICE_ARG(span.text));
    buf_addf(out, "\"metric\":\"%s\",\"value\":%.*s}", metric, SLICE_ARG(value));
}

static void put_vital(struct buf *out, struct slice event, const char *metric, struct slice value,
                      bool is_first)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    bool has_comma = false;
    buf_clear(out);
    buf_add_char(out, '{');
    if (json_members_begin(&members, event) != RC_OK)
        return;
    for (; json_members_next(&members, &key, &span) == RC_OK; has_comma = true) {
        buf_addf(out, "%s\"%.*s\":", has_comma ? "," : "", SLICE_ARG(key));
        if (slice_eq_str(key, "properties"))
            put_vital_properties(out, span.text, metric, value);
        else if (slice_eq_str(key, "uuid") && !is_first && span.text.data[0] == '"')
            buf_addf(out, "\"%.*s/%s\"", SLICE_ARG(bare_text(&span)), metric);
        else
            buf_add_slice(out, span.text);
    }
    buf_add_char(out, '}');
}

static enum rc cut_vitals(struct ingest_call *call, const struct json_span *event,
                          struct slice properties, struct err *err)
{
    char name[32];
    struct buf text;
    struct json_span value;
    uint32_t found = 0;
    enum rc rc = RC_OK;
    buf_init(&text, EVENT_BYTES_MAX + 1024);
    for (size_t i = 0; rc == RC_OK && i < COUNT_OF(vitals); i++) {
        snprintf(name, sizeof(name), "$web_vitals_%s_value", vitals[i]);
        if (!ingest_member(properties, name, &value) || value.depth)
            continue;
        put_vital(&text, event->text, vitals[i], value.text, found++ == 0);
        if (!buf_ok(&text))
            break; /* too large: said of the whole event */
        rc = ingest_event(call, &(struct json_span){buf_slice(&text), event->depth}, err);
    }
    bool is_whole = !found || !buf_ok(&text);
    buf_done(&text);
    return rc == RC_OK && is_whole ? ingest_event(call, event, err) : rc;
}

static enum rc cut_event(struct ingest_call *call, const struct json_span *event, struct err *err)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    bool is_read = json_members_begin(&members, event->text) == RC_OK;
    while (is_read && json_members_next(&members, &key, &span) == RC_OK) {
        if (!slice_eq_str(key, "event"))
            continue;
        if (slice_eq(span.text, vitals_event) && ingest_member(event->text, "properties", &span))
            return cut_vitals(call, event, span.text, err);
        break;
    }
    return ingest_event(call, event, err);
}

static enum rc cut_events(struct ingest_call *call, struct slice array, struct err *err)
{
    struct json_items items;
    struct json_span span;
    enum rc rc = json_items_begin(&items, array);
    while (rc == RC_OK && (rc = json_items_next(&items, &span)) == RC_OK)
        TRY(cut_event(call, &span, err));
    if (rc != RC_END)
        return err_set(err, RC_INVALID, "The array of events is broken after event %u.",
                       call->result_count);
    if (!call->result_count && call->env.variant != POSTHOG_V1)
        return err_set(err, RC_INVALID, "The batch holds no events.");
    return RC_OK;
}

enum rc posthog_cut(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct posthog_body *own = call->own;
    struct json_span span;
    size_t at = 0;
    char first = json_peek(body, &at);
    if (first == 0)
        return err_set(err, RC_INVALID, "The body is empty; send an event as JSON.");
    call->env.is_historical = own->is_historical;
    call->env.clock_skew_ms = event_clock_skew_ms(own->sent_at, &call->env);
    if (call->env.variant == POSTHOG_RECORDING) {
        ingest_note_not_kept(call);
        return RC_OK;
    }
    if (first == '[')
        return cut_events(call, slice_sub(body, at), err);
    if (own->batch.len)
        return cut_events(call, own->batch, err);
    if (!json_skip(body, &at, &span) || json_peek(body, &at) != 0)
        span = (struct json_span){.text = body, .depth = 1};
    return cut_event(call, &span, err);
}
