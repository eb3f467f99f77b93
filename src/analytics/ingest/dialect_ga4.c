/* WHAT  Google Analytics 4's Measurement Protocol: POST /mp/collect, /debug/mp/collect.
 * WHY   It answers 2xx whatever it gets, and so does this: what was dropped is counted and told by
 *       /debug/mp/collect, which judges in the same way and keeps nothing.
 * KEYS  ?api_secret= may be a write key; else ?measurement_id= is one of the project's names. */
#include "analytics/ingest/ingest_int.h"

#include <stdio.h>

enum { COLLECT, DEBUG }; /* variants of the route */

/* What the events of a request share. */
struct shared {
    struct slice client_id, user_id;
    int64_t micros; /* -1: absent */
    yyjson_val *traits;
};

/* Beside the events. */
enum { CLIENT_ID, USER_ID, MICROS, USER_PROPERTIES, EVENTS, BESIDE };
static const struct slice beside_names[BESIDE] = {
    [CLIENT_ID] = SLICE_CONST("client_id"),     [USER_ID] = SLICE_CONST("user_id"),
    [MICROS] = SLICE_CONST("timestamp_micros"), [USER_PROPERTIES] = SLICE_CONST("user_properties"),
    [EVENTS] = SLICE_CONST("events"),
};

/* ---- reading ---- */
enum {
    LOCATION,
    REFERRER,
    TITLE,
    SESSION,
    ENGAGEMENT_MS,
    LANGUAGE,
    RESOLUTION,
    VALUE,
    CURRENCY,
    PARAMS
};
static const struct slice params_names[PARAMS] = {
    [LOCATION] = SLICE_CONST("page_location"),
    [REFERRER] = SLICE_CONST("page_referrer"),
    [TITLE] = SLICE_CONST("page_title"),
    [SESSION] = SLICE_CONST("session_id"),
    [ENGAGEMENT_MS] = SLICE_CONST("engagement_time_msec"),
    [LANGUAGE] = SLICE_CONST("language"),
    [RESOLUTION] = SLICE_CONST("screen_resolution"),
    [VALUE] = SLICE_CONST("value"),
    [CURRENCY] = SLICE_CONST("currency"),
};
static const char *const params_taken[] = {
    "page_location",        "page_referrer", "page_title",        "session_id",
    "engagement_time_msec", "language",      "screen_resolution", NULL};

/* A number, or the text of one. */
static bool micros_of(struct slice text, int64_t *ret)
{
    uint64_t micros;
    if (text.len > 2 && text.data[0] == '"')
        text = slice_of(text.data + 1, text.len - 2);
    if (!slice_to_u64(text, &micros) || micros > INT64_MAX)
        return false;
    *ret = (int64_t)micros;
    return true;
}

static void take_time(const struct shared *s, yyjson_val *own, const struct event_env *env,
                      struct event *e, struct event_notes *n)
{
    int64_t micros = s->micros;
    bool is_text = own && (yyjson_is_str(own) || json_is_number(own));
    if (own && !(is_text && micros_of(json_text(own), &micros)))
        event_warn(n, "timestamp_micros is not a whole number, ignored");
    if (micros > 0)
        event_set_time(e, (unix_ms){micros / 1000}, "timestamp_micros", env, n);
}

static void take_params(yyjson_val *params, struct event *e, struct event_notes *n)
{
    yyjson_val *p[PARAMS], *session;
    json_get_all(params, params_names, PARAMS, p);
    e->properties = params;
    e->properties_skip = params_taken;
    e->url = event_field_text(p[LOCATION], "page_location", EVENT_URL_BYTES_MAX, n);
    e->path = event_url_path(e->url);
    e->referrer = event_field_text(p[REFERRER], "page_referrer", EVENT_URL_BYTES_MAX, n);
    e->title = event_field_text(p[TITLE], "page_title", EVENT_TITLE_BYTES_MAX, n);
    e->locale = event_field_text(p[LANGUAGE], "language", EVENT_LOCALE_BYTES_MAX, n);
    event_take_screen(e, p[RESOLUTION], "screen_resolution", n);
    session = p[SESSION];
    if (session && (yyjson_is_str(session) || json_is_number(session)))
        e->session_id = event_cut(json_text(session), EVENT_ID_BYTES_MAX);
    event_take_engagement(e, p[ENGAGEMENT_MS], NULL, n);
    if (p[CURRENCY])
        event_take_revenue(e, p[VALUE], p[CURRENCY], n);
}

static void read_ga4(yyjson_val *root, const struct event_env *env, struct event *e,
                     struct event_notes *n)
{
    const struct shared *s = env->shared;
    event_take_id(e, NULL, "id", env, n);
    event_take_name(e, json_get(root, "name"), "name", n);
    if (!s->client_id.len)
        event_drop(n, EVENT_NO_ID, "client_id is missing");
    take_params(event_field_object(json_get(root, "params"), "params", n), e, n);
    take_time(s, json_get(root, "timestamp_micros"), env, e, n);
    e->anonymous_id = s->client_id;
    e->user_id = s->user_id;
    e->traits = s->traits;
    if (slice_eq_str(e->name, "page_view"))
        e->name = SLICE_LIT("pageview");
    else if (slice_eq_str(e->name, "user_engagement"))
        event_set_kind(e, EVENT_ENGAGEMENT);
}

/* ---- the request ---- */
static struct slice find_key(struct ingest_call *call)
{
    struct slice key;
    if (net_query_get(call->req->net, "api_secret", &key) &&
        slice_has_prefix(key, SLICE_LIT("wk_")))
        return key;
    return net_query_get(call->req->net, "measurement_id", &key) ? key : SLICE_EMPTY;
}

/* {"plan":{"value":"pro"}} as {"plan":"pro"}. */
static yyjson_val *flat_traits(struct ingest_call *call, struct slice properties)
{
    struct json_members members;
    struct json_span span, value;
    struct slice key;
    struct err err = ERR_INIT;
    yyjson_val *traits = NULL;
    struct arena *arena = call->req->net->arena;
    char *text = arena_alloc(arena, properties.len + 2), *p = text;
    if (!text || json_members_begin(&members, properties) != RC_OK)
        return NULL;
    *p++ = '{';
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (!ingest_member(span.text, "value", &value))
            continue;
        /* Shorter than what it is made of, as {"value":} is left out. */
        p += snprintf(p, (size_t)(text + properties.len + 2 - p), "%s\"%.*s\":%.*s",
                      p[-1] == '{' ? "" : ",", SLICE_ARG(key), SLICE_ARG(value.text));
    }
    *p++ = '}';
    return json_parse(arena, slice_of(text, (size_t)(p - text)), &traits, &err) == RC_OK ? traits
                                                                                         : NULL;
}

/* False: there is no array of events. */
static bool read_shared(struct ingest_call *call, struct slice body, struct shared *s,
                        struct slice *ret_events)
{
    struct json_span span[BESIDE];
    ingest_members(body, beside_names, BESIDE, span);
    s->client_id = event_cut(ingest_span_text(call, &span[CLIENT_ID]), EVENT_ID_BYTES_MAX);
    s->user_id = event_cut(ingest_span_text(call, &span[USER_ID]), EVENT_ID_BYTES_MAX);
    s->micros = -1;
    IGNORE(!micros_of(span[MICROS].text, &s->micros), "the time of receipt, then");
    struct slice traits = span[USER_PROPERTIES].text;
    if (traits.len && traits.len <= EVENT_TRAITS_BYTES_MAX)
        s->traits = flat_traits(call, traits);
    *ret_events = span[EVENTS].text;
    return ret_events->len && ret_events->data[0] == '[';
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    struct slice events;
    struct err broken = ERR_INIT;
    struct shared *s = arena_zalloc(call->req->net->arena, sizeof(*s));
    ENSURE(s, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    call->env.shared = s;
    if (!read_shared(call, body, s, &events))
        return ingest_drop(call, EVENT_BAD_JSON, "events (an array) is required", err);
    enum rc rc = ingest_cut_array(call, events, &broken);
    if (rc == RC_INVALID)
        rc = ingest_drop(call, EVENT_BAD_JSON, "the array of events is broken", err);
    else if (rc != RC_OK)
        return err_set(err, rc, "%s", broken.text);
    if (call->route->variant == DEBUG)
        ingest_keep_nothing(call);
    return rc;
}

static void answer_debug(struct ingest_call *call)
{
    struct buf body;
    struct ingest *in = call->ingest;
    bool is_first = true;
    ingest_buf_take(in, 64 << 20, &body);
    buf_add_str(&body, "{\"validationMessages\":[");
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        if (r->reason == EVENT_FINE && !r->details)
            continue;
        buf_addf(&body, "%s{\"fieldPath\":\"events[%u]\",\"description\":", is_first ? "" : ",", i);
        buf_add_json(&body, slice_str(r->details ? r->details : event_reason_name(r->reason)));
        buf_addf(&body, ",\"validationCode\":\"%s\"}",
                 r->reason == EVENT_NO_NAME || r->reason == EVENT_NO_ID ? "VALUE_REQUIRED"
                                                                        : "VALUE_INVALID");
        is_first = false;
    }
    buf_add_str(&body, "]}");
    ingest_answer(call, 200, "application/json", buf_slice(&body));
    ingest_buf_give(in, &body);
}

static void answer_ga4(struct ingest_call *call)
{
    if (call->route->variant == DEBUG)
        answer_debug(call);
    else
        ingest_answer(call, 204, "", SLICE_EMPTY);
}

#define OPERATION(id, summary)                                                                  \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"security\":[{\"writeKey\":[]}]," \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{}}},"                \
    "\"responses\":{\"2XX\":{\"description\":\"Taken; what was dropped is counted\"},"          \
    "\"401\":{\"$ref\":\"#/components/responses/Problem\"},"                                    \
    "\"503\":{\"$ref\":\"#/components/responses/Problem\"}}}"

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/mp/collect",
     .variant = COLLECT,
     .openapi = OPERATION("ingestGa4", "Google Analytics 4, Measurement Protocol")},
    {.method = NET_POST,
     .pattern = "/debug/mp/collect",
     .variant = DEBUG,
     .openapi = OPERATION("debugGa4", "The same, judged but not kept")},
};
/* Who it is, an event by itself says. */
static const struct shared alone = {.client_id = SLICE_CONST("-"), .micros = -1};

const struct dialect dialect_ga4 = {.source = "ga4",
                                    .routes = routes,
                                    .route_count = COUNT_OF(routes),
                                    .find_key = find_key,
                                    .cut = cut,
                                    .read = read_ga4,
                                    .answer = answer_ga4,
                                    .alone = &alone};
