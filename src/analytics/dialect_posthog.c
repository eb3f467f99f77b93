/* PostHog's capture contract, version 1: results by uuid, only `retry` is sent again. */
#include "analytics/ingest_int.h"

static const char *const properties_skip[] = {"$ip", NULL}; /* an address is never kept */

static void read_posthog(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    event_take_id(e, json_get(root, "uuid"), "uuid", env, n);
    event_take_name(e, json_get(root, "event"), "event", n);
    if (slice_eq_str(e->name, "$pageview"))
        e->name = SLICE_LIT("pageview"); /* one definition of a page view for every dialect */
    event_take_time(e, json_get(root, "timestamp"), "timestamp", env, n);
    e->properties = event_field_object(json_get(root, "properties"), "properties", n);
    e->properties_skip = properties_skip;
    struct slice distinct =
        event_field_text(json_get(root, "distinct_id"), "distinct_id", EVENT_ID_BYTES_MAX, n);
    if (!distinct.len)
        event_drop(n, EVENT_NO_ID, "distinct_id is missing");
    struct slice device = event_field_text(json_get(e->properties, "$device_id"), "$device_id",
                                           EVENT_ID_BYTES_MAX, n);
    if (device.len && slice_eq(device, distinct)) {
        e->anonymous_id = distinct; /* not identified yet: the browser's own id */
    } else {
        e->user_id = distinct;
        e->anonymous_id = device;
    }
    yyjson_val *session = json_get(root, "session_id");
    if (!session)
        session = json_get(e->properties, "$session_id");
    e->session_id = event_field_text(session, "session_id", EVENT_ID_BYTES_MAX, n);
    e->url = event_field_text(json_get(e->properties, "$current_url"), "$current_url",
                              EVENT_URL_BYTES_MAX, n);
    e->path =
        event_field_text(json_get(e->properties, "$pathname"), "$pathname", EVENT_URL_BYTES_MAX, n);
    if (!e->path.len && e->url.len)
        e->path = event_url_path(e->url);
    e->title =
        event_field_text(json_get(e->properties, "title"), "title", EVENT_TITLE_BYTES_MAX, n);
    struct slice referrer =
        event_field_text(json_get(e->properties, "$referrer"), "$referrer", EVENT_URL_BYTES_MAX, n);
    if (!slice_eq_str(referrer, "$direct"))
        e->referrer = referrer;
    e->screen_width =
        event_field_pixels(json_get(e->properties, "$screen_width"), "$screen_width", n);
    e->screen_height =
        event_field_pixels(json_get(e->properties, "$screen_height"), "$screen_height", n);
    e->user_agent = event_field_text(json_get(e->properties, "$raw_user_agent"), "$raw_user_agent",
                                     EVENT_USER_AGENT_BYTES_MAX, n);
    event_take_address(e, json_get(e->properties, "$ip"), "$ip", n);
}

static void answer_posthog(struct ingest_call *call)
{
    struct buf body;
    bool is_first = true;
    struct ingest *in = call->ingest;
    ingest_buf_take(in, 64 << 20, &body);
    buf_add_str(&body, "{\"results\":{");
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        if (!r->id.len)
            continue; /* it cannot be named: dropped without a word, as PostHog does */
        buf_add_str(&body, is_first ? "" : ",");
        buf_add_json(&body, r->id);
        buf_add_str(&body, ":{\"result\":\"");
        buf_add_str(&body, ingest_result_name(r));
        buf_add_char(&body, '"');
        if (r->details) {
            buf_add_str(&body, ",\"details\":");
            buf_add_json(&body, slice_str(r->details));
        }
        buf_add_char(&body, '}');
        is_first = false;
    }
    buf_add_str(&body, "}}");
    ingest_answer(call, 200, "application/json", buf_slice(&body)); /* the call is gone */
    ingest_buf_give(in, &body);
}

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/i/v1/analytics/events",
     .openapi = "{\"operationId\":\"ingestPosthog\",\"summary\":\"PostHog capture, version "
                "1\",\"security\":[{"
                "\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"application/"
                "json\":{}}}," RESULTS_200 "}"},
};

const struct dialect dialect_posthog = {.source = "posthog",
                                        .routes = routes,
                                        .route_count = COUNT_OF(routes),
                                        .cut = ingest_cut_any,
                                        .read = read_posthog,
                                        .answer = answer_posthog};
