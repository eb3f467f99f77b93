/* weir's own: POST /v1/events. */
#include "analytics/ingest/ingest_int.h"

/* Taken out into members of their own, or, as the address, never kept. */
static const char *const context_skip[] = {
    "page", "screen", "user_agent", "userAgent", "locale", "timezone", "traceparent", "ip", NULL};

/* Each object is gone through once; of a member that is sent twice the last one holds. */
enum { ID, EVENT, TIMESTAMP, USER_ID, ANONYMOUS_ID, SESSION_ID, PROPERTIES, CONTEXT, ROOT_MEMBERS };
static const struct slice root_names[ROOT_MEMBERS] = {
    [ID] = SLICE_CONST("id"),
    [EVENT] = SLICE_CONST("event"),
    [TIMESTAMP] = SLICE_CONST("timestamp"),
    [USER_ID] = SLICE_CONST("user_id"),
    [ANONYMOUS_ID] = SLICE_CONST("anonymous_id"),
    [SESSION_ID] = SLICE_CONST("session_id"),
    [PROPERTIES] = SLICE_CONST("properties"),
    [CONTEXT] = SLICE_CONST("context"),
};
/* What few events have; named as in the record (docs/format/event.md). */
enum {
    KIND,
    INTERACTIVE,
    ENGAGEMENT_MS,
    SCROLL,
    REVENUE,
    GROUP,
    GROUPS,
    PREVIOUS_ID,
    TRAITS,
    TRAITS_ONCE,
    FURTHER_MEMBERS
};
static const struct slice further_names[FURTHER_MEMBERS] = {
    [KIND] = SLICE_CONST("kind"),
    [INTERACTIVE] = SLICE_CONST("interactive"),
    [ENGAGEMENT_MS] = SLICE_CONST("engagement_ms"),
    [SCROLL] = SLICE_CONST("scroll"),
    [REVENUE] = SLICE_CONST("revenue"),
    [GROUP] = SLICE_CONST("group"),
    [GROUPS] = SLICE_CONST("groups"),
    [PREVIOUS_ID] = SLICE_CONST("previous_id"),
    [TRAITS] = SLICE_CONST("traits"),
    [TRAITS_ONCE] = SLICE_CONST("traits_once"),
};
enum { PAGE, SCREEN, LOCALE, TIMEZONE, USER_AGENT, USER_AGENT_CAMEL, IP, CONTEXT_MEMBERS };
static const struct slice context_names[CONTEXT_MEMBERS] = {
    [PAGE] = SLICE_CONST("page"),
    [SCREEN] = SLICE_CONST("screen"),
    [LOCALE] = SLICE_CONST("locale"),
    [TIMEZONE] = SLICE_CONST("timezone"),
    [USER_AGENT] = SLICE_CONST("user_agent"),
    [USER_AGENT_CAMEL] = SLICE_CONST("userAgent"),
    [IP] = SLICE_CONST("ip"),
};
enum { URL, PATH, TITLE, REFERRER, PAGE_MEMBERS };
static const struct slice page_names[PAGE_MEMBERS] = {
    [URL] = SLICE_CONST("url"),
    [PATH] = SLICE_CONST("path"),
    [TITLE] = SLICE_CONST("title"),
    [REFERRER] = SLICE_CONST("referrer"),
};

/* What is not in context.page is taken from the properties: many send it there. */
static void read_page(yyjson_val *page, yyjson_val *properties, struct event *e,
                      struct event_notes *n)
{
    static const size_t bytes_max[PAGE_MEMBERS] = {
        [URL] = EVENT_URL_BYTES_MAX,
        [PATH] = EVENT_URL_BYTES_MAX,
        [TITLE] = EVENT_TITLE_BYTES_MAX,
        [REFERRER] = EVENT_URL_BYTES_MAX,
    };
    struct slice *const to[PAGE_MEMBERS] = {
        [URL] = &e->url, [PATH] = &e->path, [TITLE] = &e->title, [REFERRER] = &e->referrer};
    yyjson_val *of_page[PAGE_MEMBERS], *of_properties[PAGE_MEMBERS];
    json_get_all(page, page_names, PAGE_MEMBERS, of_page);
    json_get_all(properties, page_names, PAGE_MEMBERS, of_properties);
    for (unsigned i = 0; i < PAGE_MEMBERS; i++) {
        yyjson_val *v = of_page[i] ? of_page[i] : of_properties[i];
        if (v && yyjson_is_str(v))
            *to[i] = event_field_text(v, page_names[i].data, bytes_max[i], n);
    }
    if (!e->path.len && e->url.len)
        e->path = event_url_path(e->url);
}

static void read_context(yyjson_val *context, struct event *e, struct event_notes *n)
{
    yyjson_val *member[CONTEXT_MEMBERS];
    json_get_all(context, context_names, CONTEXT_MEMBERS, member);
    read_page(event_field_object(member[PAGE], "context.page", n), e->properties, e, n);
    yyjson_val *screen = event_field_object(member[SCREEN], "context.screen", n);
    e->screen_width = event_field_pixels(json_get(screen, "width"), "width", n);
    e->screen_height = event_field_pixels(json_get(screen, "height"), "height", n);
    e->locale = event_field_text(member[LOCALE], "locale", EVENT_LOCALE_BYTES_MAX, n);
    e->time_zone = event_field_text(member[TIMEZONE], "timezone", EVENT_TIME_ZONE_BYTES_MAX, n);
    e->user_agent =
        event_field_text(member[USER_AGENT], "user_agent", EVENT_USER_AGENT_BYTES_MAX, n);
    if (!e->user_agent.len)
        e->user_agent =
            event_field_text(member[USER_AGENT_CAMEL], "userAgent", EVENT_USER_AGENT_BYTES_MAX, n);
    event_take_address(e, member[IP], "context.ip", n);
}

static void read_kind(yyjson_val *v, struct event *e, struct event_notes *n)
{
    struct slice name = event_field_text(v, "kind", EVENT_NAME_BYTES_MAX, n);
    for (int kind = EVENT_PLAIN + 1; kind < EVENT_KIND_COUNT && name.len; kind++) {
        if (!slice_eq_str(name, event_kind_name((enum event_kind)kind)))
            continue;
        event_set_kind(e, (enum event_kind)kind);
        return;
    }
    if (name.len)
        event_warn(n, "kind is none of identify, alias, group, engagement, vital; ignored");
}

/* Whether the event goes by a kind, and needs no name. */
static bool read_further(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    yyjson_val *member[FURTHER_MEMBERS];
    json_get_all(root, further_names, FURTHER_MEMBERS, member);
    read_kind(member[KIND], e, n);
    e->is_passive = member[INTERACTIVE] && yyjson_is_false(member[INTERACTIVE]);
    event_take_engagement(e, member[ENGAGEMENT_MS], member[SCROLL], n);
    yyjson_val *revenue = event_field_object(member[REVENUE], "revenue", n);
    event_take_revenue(e, json_get(revenue, "amount"), json_get(revenue, "currency"), n);
    yyjson_val *group = event_field_object(member[GROUP], "group", n);
    e->group_type =
        event_field_text(json_get(group, "type"), "group.type", EVENT_GROUP_TYPE_BYTES_MAX, n);
    e->group_id = event_field_text(json_get(group, "id"), "group.id", EVENT_ID_BYTES_MAX, n);
    event_take_groups(e, member[GROUPS], "groups", env, n);
    e->previous_id = event_field_text(member[PREVIOUS_ID], "previous_id", EVENT_ID_BYTES_MAX, n);
    e->traits = event_field_object(member[TRAITS], "traits", n);
    e->traits_once = event_field_object(member[TRAITS_ONCE], "traits_once", n);
    return e->kind != EVENT_PLAIN;
}

static void read_native(yyjson_val *root, const struct event_env *env, struct event *e,
                        struct event_notes *n)
{
    yyjson_val *member[ROOT_MEMBERS];
    json_get_all(root, root_names, ROOT_MEMBERS, member);
    size_t found = 0;
    for (unsigned i = 0; i < ROOT_MEMBERS; i++)
        found += member[i] != NULL;
    bool has_kind = yyjson_obj_size(root) > found && read_further(root, env, e, n);
    event_take_id(e, member[ID], "id", env, n);
    if (!has_kind)
        event_take_name(e, member[EVENT], "event", n);
    event_take_time(e, member[TIMESTAMP], "timestamp", env, n);
    e->user_id = event_field_text(member[USER_ID], "user_id", EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = event_field_text(member[ANONYMOUS_ID], "anonymous_id", EVENT_ID_BYTES_MAX, n);
    e->session_id = event_field_text(member[SESSION_ID], "session_id", EVENT_ID_BYTES_MAX, n);
    e->properties = event_field_object(member[PROPERTIES], "properties", n);
    e->context = event_field_object(member[CONTEXT], "context", n);
    e->context_skip = context_skip;
    read_context(e->context, e, n);
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

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/v1/events",
     .openapi = "{\"operationId\":\"ingest\",\"summary\":\"Send events: one object, an array, "
                "{batch:[]} or NDJSON; "
                "gzip and zstd are "
                "recognised\",\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"required\":true,"
                "\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
                "IngestEvent\"}}}}," RESULTS_200 "}"},
};

const struct dialect dialect_native = {.source = "api",
                                       .routes = routes,
                                       .route_count = COUNT_OF(routes),
                                       .cut = ingest_cut_any,
                                       .read = read_native,
                                       .answer = answer_native};
