/* weir's own: POST /v1/events. */
#include "analytics/ingest_int.h"

/* Taken out into members of their own, or, as the address, never kept. */
static const char *const context_skip[] = {"page",   "screen",      "user_agent", "userAgent",
                                           "locale", "traceparent", "ip",         NULL};

static struct slice text(yyjson_val *object, const char *name, size_t bytes_max,
                         struct event_notes *n)
{
    return event_field_text(json_get(object, name), name, bytes_max, n);
}

static void read_page(yyjson_val *context, yyjson_val *properties, struct event *e,
                      struct event_notes *n)
{
    yyjson_val *page = event_field_object(json_get(context, "page"), "context.page", n);
    const struct {
        const char *name;
        struct slice *to;
        size_t max;
    } fields[] = {{"url", &e->url, EVENT_URL_BYTES_MAX},
                  {"path", &e->path, EVENT_URL_BYTES_MAX},
                  {"title", &e->title, EVENT_TITLE_BYTES_MAX},
                  {"referrer", &e->referrer, EVENT_URL_BYTES_MAX}};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        yyjson_val *v = json_get(page, fields[i].name);
        if (!v)
            v = json_get(properties, fields[i].name); /* what many send without a context */
        if (v && yyjson_is_str(v))
            *fields[i].to = event_field_text(v, fields[i].name, fields[i].max, n);
    }
    if (!e->path.len && e->url.len)
        e->path = event_url_path(e->url);
}

static void read_native(yyjson_val *root, const struct event_env *env, struct event *e,
                        struct event_notes *n)
{
    event_take_id(e, json_get(root, "id"), "id", env, n);
    event_take_name(e, json_get(root, "event"), "event", n);
    event_take_time(e, json_get(root, "timestamp"), "timestamp", env, n);
    e->user_id = text(root, "user_id", EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = text(root, "anonymous_id", EVENT_ID_BYTES_MAX, n);
    e->session_id = text(root, "session_id", EVENT_ID_BYTES_MAX, n);
    e->properties = event_field_object(json_get(root, "properties"), "properties", n);
    e->context = event_field_object(json_get(root, "context"), "context", n);
    e->context_skip = context_skip;
    read_page(e->context, e->properties, e, n);
    yyjson_val *screen = event_field_object(json_get(e->context, "screen"), "context.screen", n);
    e->screen_width = event_field_pixels(json_get(screen, "width"), "width", n);
    e->screen_height = event_field_pixels(json_get(screen, "height"), "height", n);
    e->locale = text(e->context, "locale", EVENT_LOCALE_BYTES_MAX, n);
    e->user_agent = text(e->context, "user_agent", EVENT_USER_AGENT_BYTES_MAX, n);
    if (!e->user_agent.len)
        e->user_agent = text(e->context, "userAgent", EVENT_USER_AGENT_BYTES_MAX, n);
}

static void answer_native(struct ingest_call *call)
{
    struct buf body;
    struct ingest *in = call->ingest;
    ingest_buf_take(in, 64 << 20, &body);
    buf_add_str(&body, "{\"results\":[");
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        buf_add_str(&body, i ? ",{" : "{");
        if (r->id.len) {
            buf_add_str(&body, "\"id\":");
            buf_add_json(&body, r->id);
            buf_add_char(&body, ',');
        }
        buf_add_str(&body, "\"result\":\"");
        buf_add_str(&body, ingest_result_name(r));
        buf_add_char(&body, '"');
        if (r->details) {
            buf_add_str(&body, ",\"details\":");
            buf_add_json(&body, slice_str(r->details));
        }
        buf_add_char(&body, '}');
    }
    buf_add_str(&body, "]}");
    ingest_answer(call, 200, "application/json", buf_slice(&body)); /* the call is gone */
    ingest_buf_give(in, &body);
}

const struct dialect dialect_native = {
    .source = "api", .cut = ingest_cut_any, .read = read_native, .answer = answer_native};
