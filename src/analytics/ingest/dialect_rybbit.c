/* WHAT  Rybbit's POST /api/track: its script and @rybbit/node.
 * WHY   One event per request, page by page in pieces (hostname, pathname, querystring), properties
 *       as a text that is JSON. A `performance` message has several web vitals: an event each.
 * KEYS  api_key may be a write key; else site_id is one of the project's names. */
#include "analytics/ingest/ingest_int.h"

enum { WHOLE, FIRST_VITAL }; /* of env->variant */
static const char *const taken[] = {
    "site_id",     "type",       "api_key",    "hostname",    "pathname",
    "querystring", "page_title", "language",   "screenWidth", "screenHeight",
    "referrer",    "event_name", "properties", "user_id",     "ip_address",
    "user_agent",  "lcp",        "inp",        "cls",         "fcp",
    "ttfb",        NULL};

/* ---- reading ---- */
enum {
    TYPE,
    HOSTNAME,
    PATHNAME,
    QUERYSTRING,
    TITLE,
    REFERRER,
    LANGUAGE,
    WIDTH,
    HEIGHT,
    USER_AGENT,
    USER_ID,
    ADDRESS,
    PROPERTIES,
    EVENT_NAME,
    MEMBERS
};
static const struct slice names[MEMBERS] = {
    [TYPE] = SLICE_CONST("type"),
    [HOSTNAME] = SLICE_CONST("hostname"),
    [PATHNAME] = SLICE_CONST("pathname"),
    [QUERYSTRING] = SLICE_CONST("querystring"),
    [TITLE] = SLICE_CONST("page_title"),
    [REFERRER] = SLICE_CONST("referrer"),
    [LANGUAGE] = SLICE_CONST("language"),
    [WIDTH] = SLICE_CONST("screenWidth"),
    [HEIGHT] = SLICE_CONST("screenHeight"),
    [USER_AGENT] = SLICE_CONST("user_agent"),
    [USER_ID] = SLICE_CONST("user_id"),
    [ADDRESS] = SLICE_CONST("ip_address"),
    [PROPERTIES] = SLICE_CONST("properties"),
    [EVENT_NAME] = SLICE_CONST("event_name"),
};

static void read_page(yyjson_val *const *member, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    struct slice host = event_field_text(member[HOSTNAME], "hostname", 253, n);
    struct slice path = event_field_text(member[PATHNAME], "pathname", EVENT_URL_BYTES_MAX, n);
    struct slice query =
        event_field_text(member[QUERYSTRING], "querystring", EVENT_URL_BYTES_MAX, n);
    if (query.len && query.data[0] == '?')
        query = slice_sub(query, 1);
    const struct slice parts[] = {SLICE_LIT("https://"), host, path,
                                  query.len ? SLICE_LIT("?") : SLICE_EMPTY, query};
    if (host.len)
        e->url = event_cut(event_join(env->arena, parts, COUNT_OF(parts)), EVENT_URL_BYTES_MAX);
    e->path = path;
    e->title = event_field_text(member[TITLE], "page_title", EVENT_TITLE_BYTES_MAX, n);
    e->referrer = event_field_text(member[REFERRER], "referrer", EVENT_URL_BYTES_MAX, n);
    e->locale = event_field_text(member[LANGUAGE], "language", EVENT_LOCALE_BYTES_MAX, n);
    e->screen_width = event_field_pixels(member[WIDTH], "screenWidth", n);
    e->screen_height = event_field_pixels(member[HEIGHT], "screenHeight", n);
    e->user_agent =
        event_field_text(member[USER_AGENT], "user_agent", EVENT_USER_AGENT_BYTES_MAX, n);
    e->user_id = event_field_text(member[USER_ID], "user_id", EVENT_ID_BYTES_MAX, n);
}

/* An object, or the text of one. */
static yyjson_val *properties_of(yyjson_val *v, const struct event_env *env, struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *object = v;
    if (v && yyjson_is_str(v) && json_text(v).len &&
        json_parse(env->arena, json_text(v), &object, &err) != RC_OK) {
        event_warn(n, "properties is not the text of a JSON object, ignored");
        return NULL;
    }
    return object && yyjson_is_obj(object) ? object : NULL;
}

static void read_rybbit(yyjson_val *root, const struct event_env *env, struct event *e,
                        struct event_notes *n)
{
    yyjson_val *member[MEMBERS];
    json_get_all(root, names, MEMBERS, member);
    yyjson_val *type = member[TYPE];
    struct slice kind = type && yyjson_is_str(type) ? json_text(type) : SLICE_EMPTY;
    event_take_id(e, NULL, "id", env, n);
    read_page(member, env, e, n);
    event_take_address(e, member[ADDRESS], "ip_address", n);
    e->context = root;
    e->context_skip = taken;
    if (env->variant >= FIRST_VITAL) {
        const struct event_vital *vital = &event_vitals[env->variant - FIRST_VITAL];
        event_take_vital(e, vital, json_get(root, vital->member), env, n);
        return;
    }
    e->properties = properties_of(member[PROPERTIES], env, n);
    if (slice_eq_str(kind, "pageview"))
        e->name = SLICE_LIT("pageview");
    else if (slice_eq_str(kind, "custom_event"))
        event_take_name(e, member[EVENT_NAME], "event_name", n);
    else if (kind.len && kind.len <= EVENT_NAME_BYTES_MAX) /* outbound, error, form_submit … */
        e->name = kind;
    else
        event_drop(n, EVENT_BAD_VALUE,
                   "type is pageview, custom_event, performance or another name");
}

/* ---- the request ---- */
/* What a body says without being read. */
enum { OWN_KEY, OWN_SITE, OWN_TYPE, OWN_MEMBERS };
static const struct slice own_names[OWN_MEMBERS] = {
    [OWN_KEY] = SLICE_CONST("api_key"),
    [OWN_SITE] = SLICE_CONST("site_id"),
    [OWN_TYPE] = SLICE_CONST("type"),
};
struct own {
    struct json_span member[OWN_MEMBERS], event;
};

static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct own *own = arena_alloc(call->req->net->arena, sizeof(*own));
    ENSURE(own, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    IGNORE(!ingest_members_of_whole(*body, own_names, OWN_MEMBERS, own->member, &own->event),
           "told when it is read");
    call->own = own;
    return RC_OK;
}

static struct slice find_key(struct ingest_call *call)
{
    const struct own *own = call->own;
    const struct json_span *site = &own->member[OWN_SITE];
    struct slice key = ingest_span_text(call, &own->member[OWN_KEY]);
    if (slice_has_prefix(key, SLICE_LIT("wk_")))
        return key;
    key = ingest_span_text(call, site);
    return !key.len && site->text.len && site->depth == 0 ? site->text : key;
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct own *own = call->own;
    if (slice_eq_str(ingest_span_text(call, &own->member[OWN_TYPE]), "performance"))
        return ingest_cut_vitals(call, body, &own->event, FIRST_VITAL, err);
    return ingest_event(call, &own->event, err);
}

static void answer_error(struct api_request *req, int status, const char *text)
{
    struct buf body;
    buf_init(&body, 4096);
    buf_add_str(&body, "{\"success\":false,\"error\":");
    buf_add_json(&body, slice_str(text));
    buf_add_char(&body, '}');
    api_json(req, status, buf_slice(&body));
    buf_done(&body);
}

static void answer_rybbit(struct ingest_call *call)
{
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        if (r->reason != EVENT_FINE && call->kept == 0) {
            answer_error(call->req, 400, r->details ? r->details : event_reason_name(r->reason));
            return;
        }
    }
    ingest_answer(call, 200, "application/json", SLICE_LIT("{\"success\":true}"));
}

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/api/track",
     .openapi = "{\"operationId\":\"ingestRybbit\",\"summary\":\"Rybbit\",\"security\":[{"
                "\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"application/"
                "json\":{}}},\"responses\":{\"200\":{\"description\":\"{success}\"},\"400\":{"
                "\"description\":\"{success, error}\"}}}"},
};
const struct dialect dialect_rybbit = {.source = "rybbit",
                                       .routes = routes,
                                       .route_count = COUNT_OF(routes),
                                       .unwrap = unwrap,
                                       .find_key = find_key,
                                       .cut = cut,
                                       .read = read_rybbit,
                                       .answer = answer_rybbit};
