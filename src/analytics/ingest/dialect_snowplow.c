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

/* What is read, in the order of `names`. */
enum {
    KIND,
    EVENT_ID,
    URL,
    PAGE,
    REFERRER,
    DEVICE_TIME,
    TRUE_TIME,
    SENT_TIME,
    USER_ID,
    DEVICE_ID,
    NETWORK_ID,
    SESSION,
    TIME_ZONE,
    LANGUAGE,
    RESOLUTION,
    USER_AGENT,
    ADDRESS,
    SELF_CODED,
    SELF_PLAIN,
    CONTEXT_CODED,
    CONTEXT_PLAIN,
    CATEGORY,
    ACTION,
    LABEL,
    PROPERTY,
    VALUE,
    TOTAL,
    CURRENCY,
    MEMBERS
};
static const struct slice names[MEMBERS] = {
    [KIND] = SLICE_CONST("e"),           [EVENT_ID] = SLICE_CONST("eid"),
    [URL] = SLICE_CONST("url"),          [PAGE] = SLICE_CONST("page"),
    [REFERRER] = SLICE_CONST("refr"),    [DEVICE_TIME] = SLICE_CONST("dtm"),
    [TRUE_TIME] = SLICE_CONST("ttm"),    [SENT_TIME] = SLICE_CONST("stm"),
    [USER_ID] = SLICE_CONST("uid"),      [DEVICE_ID] = SLICE_CONST("duid"),
    [NETWORK_ID] = SLICE_CONST("nuid"),  [SESSION] = SLICE_CONST("sid"),
    [TIME_ZONE] = SLICE_CONST("tz"),     [LANGUAGE] = SLICE_CONST("lang"),
    [RESOLUTION] = SLICE_CONST("res"),   [USER_AGENT] = SLICE_CONST("ua"),
    [ADDRESS] = SLICE_CONST("ip"),       [SELF_CODED] = SLICE_CONST("ue_px"),
    [SELF_PLAIN] = SLICE_CONST("ue_pr"), [CONTEXT_CODED] = SLICE_CONST("cx"),
    [CONTEXT_PLAIN] = SLICE_CONST("co"), [CATEGORY] = SLICE_CONST("se_ca"),
    [ACTION] = SLICE_CONST("se_ac"),     [LABEL] = SLICE_CONST("se_la"),
    [PROPERTY] = SLICE_CONST("se_pr"),   [VALUE] = SLICE_CONST("se_va"),
    [TOTAL] = SLICE_CONST("tr_tt"),      [CURRENCY] = SLICE_CONST("tr_cu"),
};

static struct slice text_of(yyjson_val *const *member, unsigned which, size_t bytes_max,
                            struct event_notes *n)
{
    return event_field_text(member[which], names[which].data, bytes_max, n);
}

/* The JSON in the member `coded` (base64url) or `plain`; NULL if there is none. */
static yyjson_val *json_in(yyjson_val *const *member, unsigned coded, unsigned plain,
                           const struct event_env *env, struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *v = member[coded], *object = NULL;
    bool is_coded = v && yyjson_is_str(v);
    if (!is_coded)
        v = member[plain];
    if (!v || !yyjson_is_str(v))
        return NULL;
    struct slice text = json_text(v);
    if (is_coded) {
        uint8_t *bytes = arena_alloc(env->arena, base64_decoded_max(text.len));
        size_t len;
        if (!bytes || !base64_decode(BASE64_URL, text, bytes, &len)) {
            event_warn(n, "%s is not base64url, ignored", names[coded].data);
            return NULL;
        }
        text = slice_of((const char *)bytes, len);
    }
    if (json_parse(env->arena, text, &object, &err) != RC_OK || !yyjson_is_obj(object)) {
        event_warn(n, "%s is not a JSON object, ignored", names[is_coded ? coded : plain].data);
        return NULL;
    }
    return object;
}

/* ---- the kinds of events ---- */
/* {schema: …/unstruct_event, data: {schema: "iglu:vendor/name/jsonschema/1-0-0", data: {…}}} */
static void read_self_describing(yyjson_val *const *member, const struct event_env *env,
                                 struct event *e, struct event_notes *n)
{
    yyjson_val *inner = json_get(json_in(member, SELF_CODED, SELF_PLAIN, env, n), "data");
    yyjson_val *schema = json_get(inner, "schema");
    struct slice rest = schema && yyjson_is_str(schema) ? json_text(schema) : SLICE_EMPTY;
    slice_cut(&rest, '/');
    struct slice name = slice_cut(&rest, '/');
    if (!name.len || name.len > EVENT_NAME_BYTES_MAX)
        event_drop(n, EVENT_NO_NAME, "ue_px has no data.schema of the form iglu:vendor/name/...");
    e->name = name;
    e->properties = event_field_object(json_get(inner, "data"), "ue_px.data.data", n);
}

static void read_structured(yyjson_val *const *member, const struct event_env *env, struct event *e,
                            struct event_notes *n)
{
    static const struct {
        unsigned member;
        const char *name;
    } parts[] = {
        {CATEGORY, "category"}, {LABEL, "label"}, {PROPERTY, "property"}, {VALUE, "value"}};
    struct err err = ERR_INIT;
    struct buf text;
    event_take_name(e, member[ACTION], "se_ac", n);
    buf_init(&text, EVENT_PROPERTIES_BYTES_MAX);
    for (unsigned i = 0; i < COUNT_OF(parts); i++) {
        struct slice value = text_of(member, parts[i].member, EVENT_PROPERTIES_BYTES_MAX, n);
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

static void read_kind(yyjson_val *const *member, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    struct slice kind = text_of(member, KIND, 8, n);
    if (slice_eq_str(kind, "pv")) {
        e->name = SLICE_LIT("pageview");
    } else if (slice_eq_str(kind, "pp")) { /* a ping says that the page is open, not for how long */
        event_set_kind(e, EVENT_ENGAGEMENT);
    } else if (slice_eq_str(kind, "se")) {
        read_structured(member, env, e, n);
    } else if (slice_eq_str(kind, "ue")) {
        read_self_describing(member, env, e, n);
    } else if (slice_eq_str(kind, "tr")) {
        e->name = SLICE_LIT("transaction");
        event_take_revenue(e, member[TOTAL], member[CURRENCY], n);
    } else if (slice_eq_str(kind, "ti")) {
        e->name = SLICE_LIT("transaction_item");
    } else {
        event_drop(n, EVENT_NO_NAME, "e is pv, pp, se, ue, tr or ti");
    }
}

/* ---- reading ---- */
static int64_t ms_of(yyjson_val *v)
{
    uint64_t ms;
    bool is_there = v && (yyjson_is_str(v) || json_is_number(v)) && slice_to_u64(json_text(v), &ms);
    return is_there && ms <= INT64_MAX ? (int64_t)ms : -1;
}

/* ttm is true; dtm is the device's, whose clock said stm when it sent. */
static void take_time(yyjson_val *const *member, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    int64_t is_true = ms_of(member[TRUE_TIME]), device = ms_of(member[DEVICE_TIME]),
            sent = ms_of(member[SENT_TIME]);
    if (is_true >= 0)
        event_set_time(e, (unix_ms){is_true}, "ttm", env, n);
    else if (device >= 0 && sent >= device)
        event_set_time(e, (unix_ms){env->received_at.ms - (sent - device)}, "dtm", env, n);
    else if (device >= 0)
        event_set_time(e, (unix_ms){device}, "dtm", env, n);
}

static void read_visitor(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    e->user_id = text_of(member, USER_ID, EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = text_of(member, DEVICE_ID, EVENT_ID_BYTES_MAX, n);
    if (!e->anonymous_id.len)
        e->anonymous_id = text_of(member, NETWORK_ID, EVENT_ID_BYTES_MAX, n);
    e->session_id = text_of(member, SESSION, EVENT_ID_BYTES_MAX, n);
    event_take_address(e, member[ADDRESS], "ip", n);
}

static void read_snowplow(yyjson_val *root, const struct event_env *env, struct event *e,
                          struct event_notes *n)
{
    static _Thread_local struct json_names table;
    yyjson_val *member[MEMBERS];
    if (!table.names)
        json_names_init(&table, names, MEMBERS);
    json_get_named(root, &table, member);
    event_take_id(e, member[EVENT_ID], "eid", env, n);
    take_time(member, env, e, n);
    read_kind(member, env, e, n);
    read_visitor(member, e, n);
    e->url = text_of(member, URL, EVENT_URL_BYTES_MAX, n);
    e->path = event_url_path(e->url);
    e->title = text_of(member, PAGE, EVENT_TITLE_BYTES_MAX, n);
    e->referrer = text_of(member, REFERRER, EVENT_URL_BYTES_MAX, n);
    e->locale = text_of(member, LANGUAGE, EVENT_LOCALE_BYTES_MAX, n);
    e->time_zone = text_of(member, TIME_ZONE, EVENT_TIME_ZONE_BYTES_MAX, n);
    e->user_agent = text_of(member, USER_AGENT, EVENT_USER_AGENT_BYTES_MAX, n);
    event_take_screen(e, member[RESOLUTION], "res", n);
    yyjson_val *contexts = json_in(member, CONTEXT_CODED, CONTEXT_PLAIN, env, n);
    e->context = contexts ? contexts : root; /* else what the tracker says of itself */
    if (!contexts)
        e->context_skip = taken;
}

/* ---- the request ---- */
/* What a body says without being read. {"schema","data":[events]}: the text from the array on,
 * whose end is found when it is cut; of GET, the query as one event. */
struct own {
    struct slice events;
    struct json_span event, app;
};
static const struct slice app_name = SLICE_CONST("aid");

static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct own *own = arena_zalloc(call->req->net->arena, sizeof(*own));
    ENSURE(own, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    call->own = own;
    if (!call->route->is_empty_allowed) {
        own->events = ingest_member_begin(*body, "data");
        return RC_OK;
    }
    if (!call->again)
        TRY(ingest_form_to_json(call, call->req->net->query, body, err));
    IGNORE(!ingest_members_of_whole(*body, &app_name, 1, &own->app, &own->event),
           "told when it is read");
    return RC_OK;
}

static bool has_events(const struct own *own)
{
    return own->events.len && own->events.data[0] == '[';
}

static struct slice find_key(struct ingest_call *call)
{
    struct own *own = call->own;
    size_t at = 0;
    if (!call->route->is_empty_allowed &&
        (!has_events(own) || /* else the first one's */
         !json_skip(ingest_member_begin(slice_sub(own->events, 1), app_name.data), &at, &own->app)))
        return SLICE_EMPTY;
    return ingest_span_text(call, &own->app);
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct own *own = call->own;
    (void)body;
    if (call->route->is_empty_allowed)
        return ingest_event(call, &own->event, err);
    if (!has_events(own))
        return err_set(err, RC_INVALID,
                       "The body is {\"schema\", \"data\": [...]} (payload_data).");
    return ingest_cut_array(call, own->events, err);
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
