/* WHAT  OpenPanel's POST /track: {"type","payload"} of @openpanel/sdk and its kin.
 * WHY   The path is PostHog's, too: a request with the header openpanel-client-id is this dialect's
 *       (only_with). Replays of screens are answered and not kept.
 * KEYS  the header openpanel-client-id: a write key, or one of the project's names. */
#include "analytics/ingest/ingest_int.h"

#include <stdio.h>

enum { PATH, REFERRER, TITLE, TIMESTAMP, DEVICE_ID, REVENUE, CURRENCY, PROPERTIES };
static const struct slice properties_names[PROPERTIES] = {
    [PATH] = SLICE_CONST("__path"),          [REFERRER] = SLICE_CONST("__referrer"),
    [TITLE] = SLICE_CONST("__title"),        [TIMESTAMP] = SLICE_CONST("__timestamp"),
    [DEVICE_ID] = SLICE_CONST("__deviceId"), [REVENUE] = SLICE_CONST("__revenue"),
    [CURRENCY] = SLICE_CONST("currency"),
};

static struct slice text_member(yyjson_val *object, const char *name, size_t bytes_max,
                                struct event_notes *n)
{
    return event_field_text(json_get(object, name), name, bytes_max, n);
}

/* The first one: all are of one type, of which an event has one. */
static void take_group(yyjson_val *ids, struct event *e, struct event_notes *n)
{
    yyjson_val *first = yyjson_is_arr(ids) ? yyjson_arr_get_first(ids) : NULL;
    e->group_id = event_field_text(first, "group", EVENT_ID_BYTES_MAX, n);
    if (e->group_id.len)
        e->group_type = SLICE_LIT("group");
    if (ids && yyjson_arr_size(ids) > 1)
        event_warn(n, "of several groups the first one is kept");
}

static void read_track(yyjson_val *payload, const struct event_env *env, struct event *e,
                       struct event_notes *n)
{
    static const char *const taken[] = {"__path",     "__referrer", "__title", "__timestamp",
                                        "__deviceId", "__revenue",  "__ip",    NULL};
    event_take_name(e, json_get(payload, "name"), "name", n);
    if (slice_eq_str(e->name, "screen_view"))
        e->name = SLICE_LIT("pageview");
    e->properties = event_field_object(json_get(payload, "properties"), "properties", n);
    e->properties_skip = taken;
    yyjson_val *p[PROPERTIES];
    json_get_all(e->properties, properties_names, PROPERTIES, p);
    e->url = event_field_text(p[PATH], "__path", EVENT_URL_BYTES_MAX, n);
    e->path = event_url_path(e->url);
    e->referrer = event_field_text(p[REFERRER], "__referrer", EVENT_URL_BYTES_MAX, n);
    e->title = event_field_text(p[TITLE], "__title", EVENT_TITLE_BYTES_MAX, n);
    e->anonymous_id = event_field_text(p[DEVICE_ID], "__deviceId", EVENT_ID_BYTES_MAX, n);
    event_take_time(e, p[TIMESTAMP], "__timestamp", env, n);
    take_group(json_get(payload, "groups"), e, n);
    /* The SDK sends no currency beside it: what it is in is the property `currency`, if any. */
    if (p[CURRENCY])
        event_take_revenue(e, p[REVENUE], p[CURRENCY], n);
}

static void read_payload(struct slice type, yyjson_val *payload, const struct event_env *env,
                         struct event *e, struct event_notes *n)
{
    static const char *const person_taken[] = {"profileId", NULL};
    static const char *const group_taken[] = {"id", "type", "properties", NULL};
    if (slice_eq_str(type, "track")) {
        read_track(payload, env, e, n);
    } else if (slice_eq_str(type, "identify")) {
        event_set_kind(e, EVENT_IDENTIFY);
        e->traits = payload;
        e->traits_skip = person_taken;
    } else if (slice_eq_str(type, "alias")) {
        event_set_kind(e, EVENT_ALIAS);
        e->previous_id = text_member(payload, "alias", EVENT_ID_BYTES_MAX, n);
    } else if (slice_eq_str(type, "group")) {
        event_set_kind(e, EVENT_GROUP);
        e->group_type = text_member(payload, "type", EVENT_GROUP_TYPE_BYTES_MAX, n);
        e->group_id = text_member(payload, "id", EVENT_ID_BYTES_MAX, n);
        e->traits = event_field_object(json_get(payload, "properties"), "properties", n);
        e->properties = payload;
        e->properties_skip = group_taken;
    } else if (slice_eq_str(type, "assign_group")) {
        event_set_kind(e, EVENT_GROUP);
        take_group(json_get(payload, "groupIds"), e, n);
    } else if (slice_eq_str(type, "increment") || slice_eq_str(type, "decrement")) {
        event_set_kind(e, EVENT_IDENTIFY);
        e->properties = payload; /* property and value, which are no state of their own */
    } else if (slice_eq_str(type, "replay")) {
        event_drop(n, EVENT_NOT_KEPT, "weir keeps no replays of screens");
    } else {
        event_drop(n, EVENT_BAD_VALUE, "type is none of OpenPanel's");
    }
}

static void read_openpanel(yyjson_val *root, const struct event_env *env, struct event *e,
                           struct event_notes *n)
{
    yyjson_val *type = json_get(root, "type"), *payload = json_get(root, "payload");
    event_take_id(e, NULL, "id", env, n);
    if (!type || !yyjson_is_str(type) || !payload || !yyjson_is_obj(payload)) {
        event_drop(n, EVENT_BAD_JSON, "type (a string) and payload (an object) are required");
        return;
    }
    e->user_id = text_member(payload, "profileId", EVENT_ID_BYTES_MAX, n);
    read_payload(json_text(type), payload, env, e, n);
}

static struct slice find_key(struct ingest_call *call)
{
    return net_header_get(call->req->net, "openpanel-client-id");
}

static void answer_openpanel(struct ingest_call *call)
{
    const struct ingest_result *r = &call->results[0];
    if (call->result_count && r->reason != EVENT_FINE && r->reason != EVENT_NOT_KEPT) {
        api_problem(call->req, RC_INVALID, "%s",
                    r->details ? r->details : event_reason_name(r->reason));
        return;
    }
    char body[64], device[EVENT_DEVICE_DIGITS + 1];
    struct slice text = event_device_text(call->env.client.device, device);
    int len =
        snprintf(body, sizeof(body), "{\"deviceId\":\"%.*s\",\"sessionId\":\"\"}", SLICE_ARG(text));
    ingest_answer(call, 200, "application/json", slice_of(body, (size_t)len));
}

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/track",
     .only_with = "openpanel-client-id",
     .openapi = "{\"operationId\":\"ingestOpenpanel\",\"summary\":\"OpenPanel\",\"security\":[{"
                "\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"application/"
                "json\":{}}},\"responses\":{\"200\":{\"description\":\"{deviceId, sessionId}\"},"
                "\"401\":{\"$ref\":\"#/components/responses/Problem\"}}}"},
};
const struct dialect dialect_openpanel = {.source = "openpanel",
                                          .routes = routes,
                                          .route_count = COUNT_OF(routes),
                                          .find_key = find_key,
                                          .cut = ingest_cut_one,
                                          .read = read_openpanel,
                                          .answer = answer_openpanel};
