/* WHAT  Snowplow's collector: POST /com.snowplowanalytics.snowplow/tp2 and GET /i, the tracker
 *       protocol (payload_data 1-0-4).
 * WHY   An event is flat pairs of texts; what is structured (self-describing events, contexts) is
 *       JSON in a text, or base64url of it. Whoever has that protocol has one event id (eid) per
 *       event: a retry is seen.
 * KEYS  the key in the head (?key=), or aid (the app id) as one of the project's names. */
#include "analytics/ingest/ingest_int.h"

#include "codec/base64.h"

static const char *const taken[] = {
    "e",     "eid",    "url",    "page",   "refr",   "dtm",   "ttm",   "stm",   "uid",
    "duid",  "nuid",   "sid",    "tz",     "lang",   "res",   "ua",    "ip",    "ue_px",
    "ue_pr", "cx",     "co",     "se_ca",  "se_ac",  "se_la", "se_pr", "se_va", "tr_tt",
    "tr_cu", "pp_mix", "pp_max", "pp_miy", "pp_may", NULL};

static struct slice text_of(yyjson_val *root, const char *name, size_t bytes_max,
                            struct event_notes *n)
{
    return event_field_text(json_get(root, name), name, bytes_max, n);
}

/* The JSON in the member `coded` (base64url) or `plain`; NULL if there is none. */
static yyjson_val *json_in(yyjson_val *root, const char *coded, const char *plain,
                           const struct event_env *env, struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *v = json_get(root, coded), *object = NULL;
    bool is_coded = v && yyjson_is_str(v);
    if (!is_coded)
        v = json_get(root, plain);
    if (!v || !yyjson_is_str(v))
        return NULL;
    struct slice text = json_text(v);
    if (is_coded) {
        uint8_t *bytes = arena_alloc(env->arena, base64_decoded_max(text.len));
        size_t len;
        if (!bytes || !base64_decode(BASE64_URL, text, bytes, &len)) {
            event_warn(n, "%s is not base64url, ignored", coded);
            return NULL;
        }
        text = slice_of((const char *)bytes, len);
    }
    if (json_parse(env->arena, text, &object, &err) != RC_OK || !yyjson_is_obj(object)) {
        event_warn(n, "%s is not a JSON object, ignored", is_coded ? coded : plain);
        return NULL;
    }
    return object;
}

/* ---- the kinds of events ---- */
/* {schema: …/unstruct_event, data: {schema: "iglu:vendor/name/jsonschema/1-0-0", data: {…}}} */
static void read_self_describing(yyjson_val *root, const struct event_env *env, struct event *e,
                                 struct event_notes *n)
{
    yyjson_val *inner = json_get(json_in(root, "ue_px", "ue_pr", env, n), "data");
    yyjson_val *schema = json_get(inner, "schema");
    struct slice rest = schema && yyjson_is_str(schema) ? json_text(schema) : SLICE_EMPTY;
    slice_cut(&rest, '/');
    struct slice name = slice_cut(&rest, '/');
    if (!name.len || name.len > EVENT_NAME_BYTES_MAX)
        event_drop(n, EVENT_NO_NAME, "ue_px has no data.schema of the form iglu:vendor/name/...");
    e->name = name;
    e->properties = event_field_object(json_get(inner, "data"), "ue_px.data.data", n);
}

static void read_structured(yyjson_val *root, const struct event_env *env, struct event *e,
                            struct event_notes *n)
{
    static const struct {
        const char *member, *name;
    } parts[] = {
        {"se_ca", "category"}, {"se_la", "label"}, {"se_pr", "property"}, {"se_va", "value"}};
    struct err err = ERR_INIT;
    struct buf text;
    event_take_name(e, json_get(root, "se_ac"), "se_ac", n);
    buf_init(&text, EVENT_PROPERTIES_BYTES_MAX);
    for (unsigned i = 0; i < COUNT_OF(parts); i++) {
        struct slice value = text_of(root, parts[i].member, EVENT_PROPERTIES_BYTES_MAX, n);
        if (!value.len)
            continue;
        buf_addf(&text, "%c\"%s\":", text.len ? ',' : '{', parts[i].name);
        buf_add_json(&text, value);
    }
    if (text.len) {
        buf_add_char(&text, '}');
        if (text.is_failed ||
            json_parse(env->arena, buf_slice(&text), &e->properties, &err) != RC_OK)
            event_drop(n, EVENT_TOO_LARGE, "the structured event is too large");
    }
    buf_done(&text);
}

static void read_kind(yyjson_val *root, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    struct slice kind = text_of(root, "e", 8, n);
    if (slice_eq_str(kind, "pv")) {
        e->name = SLICE_LIT("pageview");
    } else if (slice_eq_str(kind, "pp")) { /* a ping says that the page is open, not for how long */
        event_set_kind(e, EVENT_ENGAGEMENT);
    } else if (slice_eq_str(kind, "se")) {
        read_structured(root, env, e, n);
    } else if (slice_eq_str(kind, "ue")) {
        read_self_describing(root, env, e, n);
    } else if (slice_eq_str(kind, "tr")) {
        e->name = SLICE_LIT("transaction");
        event_take_revenue(e, json_get(root, "tr_tt"), json_get(root, "tr_cu"), n);
    } else if (slice_eq_str(kind, "ti")) {
        e->name = SLICE_LIT("transaction_item");
    } else {
        event_drop(n, EVENT_NO_NAME, "e is pv, pp, se, ue, tr or ti");
    }
}

/* ---- reading ---- */
static int64_t ms_of(yyjson_val *root, const char *name)
{
    yyjson_val *v = json_get(root, name);
    uint64_t ms;
    bool is_there = v && (yyjson_is_str(v) || json_is_number(v)) && slice_to_u64(json_text(v), &ms);
    return is_there && ms <= INT64_MAX ? (int64_t)ms : -1;
}

/* ttm is true; dtm is the device's, whose clock said stm when it sent. */
static void take_time(yyjson_val *root, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    int64_t is_true = ms_of(root, "ttm"), device = ms_of(root, "dtm"), sent = ms_of(root, "stm");
    if (is_true >= 0)
        event_set_time(e, (unix_ms){is_true}, "ttm", env, n);
    else if (device >= 0 && sent >= device)
        event_set_time(e, (unix_ms){env->received_at.ms - (sent - device)}, "dtm", env, n);
    else if (device >= 0)
        event_set_time(e, (unix_ms){device}, "dtm", env, n);
}

static void read_visitor(yyjson_val *root, struct event *e, struct event_notes *n)
{
    e->user_id = text_of(root, "uid", EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = text_of(root, "duid", EVENT_ID_BYTES_MAX, n);
    if (!e->anonymous_id.len)
        e->anonymous_id = text_of(root, "nuid", EVENT_ID_BYTES_MAX, n);
    e->session_id = text_of(root, "sid", EVENT_ID_BYTES_MAX, n);
    event_take_address(e, json_get(root, "ip"), "ip", n);
}

static void read_snowplow(yyjson_val *root, const struct event_env *env, struct event *e,
                          struct event_notes *n)
{
    event_take_id(e, json_get(root, "eid"), "eid", env, n);
    take_time(root, env, e, n);
    read_kind(root, env, e, n);
    read_visitor(root, e, n);
    e->url = text_of(root, "url", EVENT_URL_BYTES_MAX, n);
    e->path = event_url_path(e->url);
    e->title = text_of(root, "page", EVENT_TITLE_BYTES_MAX, n);
    e->referrer = text_of(root, "refr", EVENT_URL_BYTES_MAX, n);
    e->locale = text_of(root, "lang", EVENT_LOCALE_BYTES_MAX, n);
    e->time_zone = text_of(root, "tz", EVENT_TIME_ZONE_BYTES_MAX, n);
    e->user_agent = text_of(root, "ua", EVENT_USER_AGENT_BYTES_MAX, n);
    event_take_screen(e, json_get(root, "res"), "res", n);
    yyjson_val *contexts = json_in(root, "cx", "co", env, n);
    e->context = contexts ? contexts : root; /* else what the tracker says of itself */
    if (!contexts)
        e->context_skip = taken;
}

/* ---- the request ---- */
static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    if (call->route->is_empty_allowed && !call->again)
        return ingest_form_to_json(call, call->req->net->query, body, err);
    return RC_OK;
}

/* The events: {"schema","data":[…]}; of GET the query is one. */
static bool find_events(struct ingest_call *call, struct slice body, struct json_span *ret)
{
    return !call->route->is_empty_allowed && ingest_member(body, "data", ret) &&
           ret->text.data[0] == '[';
}

static struct slice find_key(struct ingest_call *call)
{
    struct json_span events, first;
    struct json_items items;
    if (call->route->is_empty_allowed)
        return ingest_member_text(call, call->body, "aid");
    if (!find_events(call, call->body, &events) || json_items_begin(&items, events.text) != RC_OK ||
        json_items_next(&items, &first) != RC_OK)
        return SLICE_EMPTY;
    return ingest_member_text(call, first.text, "aid");
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    struct json_span events;
    if (call->route->is_empty_allowed)
        return ingest_cut_one(call, body, err);
    if (!find_events(call, body, &events))
        return err_set(err, RC_INVALID,
                       "The body is {\"schema\", \"data\": [...]} (payload_data).");
    return ingest_cut_array(call, events.text, err);
}

static void answer_snowplow(struct ingest_call *call)
{
    if (call->route->is_empty_allowed)
        ingest_answer(call, 200, "image/gif", ingest_pixel);
    else
        ingest_answer(call, 200, "text/plain", SLICE_LIT("ok"));
}

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/com.snowplowanalytics.snowplow/tp2",
     .openapi =
         "{\"operationId\":\"ingestSnowplow\",\"summary\":\"Snowplow tracker protocol\","
         "\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{"
         "\"application/json\":{}}},\"responses\":{\"200\":{\"description\":\"ok\"},\"400\":{"
         "\"$ref\":\"#/components/responses/Problem\"},\"401\":{\"$ref\":\"#/components/"
         "responses/Problem\"}}}"},
    {.method = NET_GET,
     .pattern = "/i",
     .is_empty_allowed = true,
     .openapi =
         "{\"operationId\":\"pixelSnowplow\",\"summary\":\"Snowplow tracker protocol, one "
         "event in the query\",\"security\":[{\"writeKey\":[]}],\"responses\":{\"200\":{"
         "\"description\":\"a GIF\"},\"401\":{\"$ref\":\"#/components/responses/Problem\"}}}"},
};
const struct dialect dialect_snowplow = {.source = "snowplow",
                                         .routes = routes,
                                         .route_count = COUNT_OF(routes),
                                         .unwrap = unwrap,
                                         .find_key = find_key,
                                         .cut = cut,
                                         .read = read_snowplow,
                                         .answer = answer_snowplow};
