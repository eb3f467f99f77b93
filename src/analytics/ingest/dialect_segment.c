/* WHAT   Segment's messages, and those of RudderStack and Jitsu, which speak the same
 *        (docs/ingest.md). */
#include "analytics/ingest/dialect_segment_int.h"

#include <stdio.h>

#include "base/must.h"

enum {
    M_TYPE,
    M_EVENT,
    M_NAME,
    M_MESSAGE_ID,
    M_TIMESTAMP,
    M_ORIGINAL,
    M_SENT_AT,
    M_USER,
    M_ANONYMOUS,
    M_GROUP,
    M_PREVIOUS,
    M_PROPERTIES,
    M_TRAITS,
    M_CONTEXT,
    M_MEMBERS
};
static const struct slice message_names[M_MEMBERS] = {
    [M_TYPE] = SLICE_CONST("type"),
    [M_EVENT] = SLICE_CONST("event"),
    [M_NAME] = SLICE_CONST("name"),
    [M_MESSAGE_ID] = SLICE_CONST("messageId"),
    [M_TIMESTAMP] = SLICE_CONST("timestamp"),
    [M_ORIGINAL] = SLICE_CONST("originalTimestamp"),
    [M_SENT_AT] = SLICE_CONST("sentAt"),
    [M_USER] = SLICE_CONST("userId"),
    [M_ANONYMOUS] = SLICE_CONST("anonymousId"),
    [M_GROUP] = SLICE_CONST("groupId"),
    [M_PREVIOUS] = SLICE_CONST("previousId"),
    [M_PROPERTIES] = SLICE_CONST("properties"),
    [M_TRAITS] = SLICE_CONST("traits"),
    [M_CONTEXT] = SLICE_CONST("context"),
};
enum {
    C_PAGE,
    C_SCREEN,
    C_LOCALE,
    C_TIME_ZONE,
    C_USER_AGENT,
    C_TRAITS,
    C_SESSION,
    C_GROUP,
    C_ADDRESS,
    C_MEMBERS
};
static const struct slice context_names[C_MEMBERS] = {
    [C_PAGE] = SLICE_CONST("page"),
    [C_SCREEN] = SLICE_CONST("screen"),
    [C_LOCALE] = SLICE_CONST("locale"),
    [C_TIME_ZONE] = SLICE_CONST("timezone"),
    [C_USER_AGENT] = SLICE_CONST("userAgent"),
    [C_TRAITS] = SLICE_CONST("traits"),
    [C_SESSION] = SLICE_CONST("sessionId"),
    [C_GROUP] = SLICE_CONST("groupId"),
    [C_ADDRESS] = SLICE_CONST("ip"),
};
enum { G_URL, G_PATH, G_TITLE, G_REFERRER, G_REVENUE, G_TOTAL, G_CURRENCY, G_NAME, G_MEMBERS };
static const struct slice property_names[G_MEMBERS] = {
    [G_URL] = SLICE_CONST("url"),           [G_PATH] = SLICE_CONST("path"),
    [G_TITLE] = SLICE_CONST("title"),       [G_REFERRER] = SLICE_CONST("referrer"),
    [G_REVENUE] = SLICE_CONST("revenue"),   [G_TOTAL] = SLICE_CONST("total"),
    [G_CURRENCY] = SLICE_CONST("currency"), [G_NAME] = SLICE_CONST("name"),
};

/* Taken out into members of their own, or, as the address, never kept. The second one: where
 * context.traits are not the event's traits, they stay. */
static const char *const skip[] = {"page",     "screen", "userAgent", "locale",
                                   "timezone", "ip",     "traits",    NULL};
static const char *const skip_but_traits[] = {"page",     "screen", "userAgent", "locale",
                                              "timezone", "ip",     NULL};

struct reading {
    yyjson_val *of[M_MEMBERS], *context[C_MEMBERS], *page[G_MEMBERS], *properties[G_MEMBERS];
    struct event *e;
    struct event_notes *n;
};

static bool is_set(yyjson_val *v)
{
    return v && !yyjson_is_null(v);
}

static struct slice text_of(const struct reading *r, unsigned member, size_t bytes_max)
{
    return event_field_text(r->of[member], message_names[member].data, bytes_max, r->n);
}

static struct slice context_text(const struct reading *r, unsigned member, size_t bytes_max)
{
    return event_field_text(r->context[member], context_names[member].data, bytes_max, r->n);
}

static void gather(yyjson_val *root, struct event *e, struct event_notes *n, struct reading *ret)
{
    ret->e = e;
    ret->n = n;
    json_get_all(root, message_names, M_MEMBERS, ret->of);
    e->properties = event_field_object(ret->of[M_PROPERTIES], "properties", n);
    e->context = event_field_object(ret->of[M_CONTEXT], "context", n);
    json_get_all(e->context, context_names, C_MEMBERS, ret->context);
    json_get_all(event_field_object(ret->context[C_PAGE], "context.page", n), property_names,
                 G_MEMBERS, ret->page);
    json_get_all(e->properties, property_names, G_MEMBERS, ret->properties);
}

/* ---- when, who, where ---- */

static void read_time(const struct reading *r, const struct event_env *env)
{
    yyjson_val *t = is_set(r->of[M_TIMESTAMP]) ? r->of[M_TIMESTAMP] : r->of[M_ORIGINAL];
    yyjson_val *sent = r->of[M_SENT_AT];
    int64_t skew = env->clock_skew_ms;
    if (sent && (yyjson_is_str(sent) || json_is_number(sent)))
        skew = event_clock_skew_ms(json_text(sent), env);
    if (skew == env->clock_skew_ms) {
        event_take_time(r->e, t, "timestamp", env, r->n);
        return;
    }
    struct event_env own = *env; /* a message with a sentAt of its own */
    own.clock_skew_ms = skew;
    event_take_time(r->e, t, "timestamp", &own, r->n);
}

static void read_ids(const struct reading *r, const struct event_env *env)
{
    struct event *e = r->e;
    event_take_text_id(e, text_of(r, M_MESSAGE_ID, EVENT_ID_BYTES_MAX), env);
    e->user_id = text_of(r, M_USER, EVENT_ID_BYTES_MAX);
    e->anonymous_id = text_of(r, M_ANONYMOUS, EVENT_ID_BYTES_MAX);
    if (!e->user_id.len && !e->anonymous_id.len)
        event_warn(r->n, "neither userId nor anonymousId");
    if (is_set(r->context[C_SESSION])) { /* RudderStack's is a number */
        yyjson_val *v = r->context[C_SESSION];
        e->session_id = json_is_number(v) ? event_cut(json_text(v), EVENT_ID_BYTES_MAX)
                                          : context_text(r, C_SESSION, EVENT_ID_BYTES_MAX);
    }
    e->group_id = context_text(r, C_GROUP, EVENT_ID_BYTES_MAX);
    if (e->group_id.len)
        e->group_type = SLICE_LIT("group");
}

/* What is not in context.page is taken from the properties, where page() has it as well. */
static void read_page(const struct reading *r)
{
    static const size_t bytes_max[] = {
        [G_URL] = EVENT_URL_BYTES_MAX,
        [G_PATH] = EVENT_URL_BYTES_MAX,
        [G_TITLE] = EVENT_TITLE_BYTES_MAX,
        [G_REFERRER] = EVENT_URL_BYTES_MAX,
    };
    struct event *e = r->e;
    struct slice *const to[] = {
        [G_URL] = &e->url, [G_PATH] = &e->path, [G_TITLE] = &e->title, [G_REFERRER] = &e->referrer};
    for (unsigned i = 0; i < COUNT_OF(to); i++) {
        yyjson_val *v = is_set(r->page[i]) ? r->page[i] : r->properties[i];
        if (v && yyjson_is_str(v))
            *to[i] = event_field_text(v, property_names[i].data, bytes_max[i], r->n);
    }
    if (!e->path.len && e->url.len)
        e->path = event_url_path(e->url);
}

static void read_context(const struct reading *r)
{
    struct event *e = r->e;
    yyjson_val *screen = event_field_object(r->context[C_SCREEN], "context.screen", r->n);
    e->screen_width = event_field_pixels(json_get(screen, "width"), "width", r->n);
    e->screen_height = event_field_pixels(json_get(screen, "height"), "height", r->n);
    e->user_agent = context_text(r, C_USER_AGENT, EVENT_USER_AGENT_BYTES_MAX);
    e->locale = context_text(r, C_LOCALE, EVENT_LOCALE_BYTES_MAX);
    e->time_zone = context_text(r, C_TIME_ZONE, EVENT_TIME_ZONE_BYTES_MAX);
    event_take_address(e, r->context[C_ADDRESS], "context.ip", r->n);
    e->traits = event_field_object(r->context[C_TRAITS], "context.traits", r->n);
    e->context_skip = e->traits ? skip : skip_but_traits;
}

/* ---- what ---- */

/* Segment's own rule: without a currency it is US dollars. A refund is less of it. */
static void read_revenue(const struct reading *r)
{
    struct event *e = r->e;
    yyjson_val dollars = {0};
    yyjson_val *amount = r->properties[G_REVENUE], *currency = r->properties[G_CURRENCY];
    bool is_refund = slice_eq_str(e->name, "Order Refunded");
    if (!is_set(amount) && (is_refund || slice_eq_str(e->name, "Order Completed")))
        amount = r->properties[G_TOTAL];
    if (!is_set(amount))
        return;
    if (!is_set(currency)) {
        unsafe_yyjson_set_strn(&dollars, "USD", 3);
        currency = &dollars;
    }
    event_take_revenue(e, amount, currency, r->n);
    if (is_refund && e->revenue.units > 0)
        e->revenue.units = -e->revenue.units;
}

static void as_track(const struct reading *r)
{
    event_take_name(r->e, r->of[M_EVENT], "event", r->n);
    read_revenue(r);
}

/* A page's or screen's own name is its title where there is no other. */
static void as_view(const struct reading *r, struct slice name)
{
    r->e->name = name;
    if (r->e->title.len)
        return;
    r->e->title = text_of(r, M_NAME, EVENT_TITLE_BYTES_MAX);
    if (!r->e->title.len && r->properties[G_NAME] && yyjson_is_str(r->properties[G_NAME]))
        r->e->title = event_field_text(r->properties[G_NAME], "name", EVENT_TITLE_BYTES_MAX, r->n);
}

static void as_page(const struct reading *r)
{
    as_view(r, SLICE_LIT("pageview"));
}

static void as_screen(const struct reading *r)
{
    as_view(r, SLICE_LIT("screen"));
}

static void take_own_traits(const struct reading *r)
{
    yyjson_val *traits = event_field_object(r->of[M_TRAITS], "traits", r->n);
    if (!traits)
        return;
    r->e->traits = traits;
    r->e->context_skip = skip_but_traits;
}

static void as_identify(const struct reading *r)
{
    event_set_kind(r->e, EVENT_IDENTIFY);
    take_own_traits(r);
}

static void as_group(const struct reading *r)
{
    struct event *e = r->e;
    event_set_kind(e, EVENT_GROUP);
    e->traits = NULL; /* the context's are the person's */
    e->context_skip = skip_but_traits;
    take_own_traits(r);
    e->group_id = text_of(r, M_GROUP, EVENT_ID_BYTES_MAX);
    e->group_type = SLICE_LIT("group");
    if (!e->group_id.len)
        event_drop(r->n, EVENT_NO_ID, "groupId is missing");
}

static void as_alias(const struct reading *r)
{
    event_set_kind(r->e, EVENT_ALIAS);
    r->e->previous_id = text_of(r, M_PREVIOUS, EVENT_ID_BYTES_MAX);
    if (!r->e->previous_id.len) /* analytics.js: the visitor so far */
        r->e->previous_id = r->e->anonymous_id;
    if (!r->e->user_id.len || !r->e->previous_id.len)
        event_drop(r->n, EVENT_NO_ID, "an alias needs userId and previousId");
}

static const struct {
    struct slice name;
    void (*as)(const struct reading *r);
} types[SEGMENT_TYPE_COUNT] = {
    [SEGMENT_ANY] = {SLICE_CONST(""), NULL},
    [SEGMENT_TRACK] = {SLICE_CONST("track"), as_track},
    [SEGMENT_PAGE] = {SLICE_CONST("page"), as_page},
    [SEGMENT_SCREEN] = {SLICE_CONST("screen"), as_screen},
    [SEGMENT_IDENTIFY] = {SLICE_CONST("identify"), as_identify},
    [SEGMENT_GROUP] = {SLICE_CONST("group"), as_group},
    [SEGMENT_ALIAS] = {SLICE_CONST("alias"), as_alias},
};

/* The route's, else the message's own, else what its members tell; SEGMENT_ANY: none. */
static unsigned type_of(const struct reading *r, int variant)
{
    yyjson_val *v = r->of[M_TYPE];
    unsigned of_route = (unsigned)variant % SEGMENT_PIXEL;
    if (of_route != SEGMENT_ANY)
        return of_route;
    for (unsigned i = SEGMENT_TRACK; v && yyjson_is_str(v) && i < SEGMENT_TYPE_COUNT; i++)
        if (slice_eq(json_text(v), types[i].name))
            return i;
    return !is_set(v) && is_set(r->of[M_EVENT]) ? SEGMENT_TRACK : SEGMENT_ANY;
}

static void read_segment(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    struct reading r;
    gather(root, e, n, &r);
    read_ids(&r, env);
    read_time(&r, env);
    read_page(&r);
    read_context(&r);
    unsigned type = type_of(&r, env->variant);
    if (type == SEGMENT_ANY)
        event_drop(n, EVENT_BAD_VALUE,
                   "type is none of track, page, screen, identify, group, alias");
    else
        types[type].as(&r);
}

/* ---- answers ---- */

static void answer_pixel(struct ingest_call *call)
{
    static const char image[] = "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0"
                                "\1\0\1\0\0\2\2D\1\0;";
    static const struct net_header fresh = {SLICE_CONST("Cache-Control"), SLICE_CONST("no-store")};
    api_answer(call->req, 200, "image/gif", slice_of(image, sizeof(image) - 1), &fresh, 1);
}

/* Segment's clients read the status, RudderStack's too, Jitsu's read JSON. */
static void answer_segment(struct ingest_call *call)
{
    if (call->env.variant >= SEGMENT_PIXEL) {
        answer_pixel(call);
        return;
    }
    if (call->kept || !call->result_count) {
        ingest_answer(call, 200, "application/json", SLICE_LIT("{\"success\":true}"));
        return;
    }
    const struct ingest_result *r = &call->results[0];
    api_problem(call->req, r->reason == EVENT_TOO_LARGE ? RC_LIMIT : RC_INVALID, "%s",
                r->details ? r->details : event_reason_name(r->reason));
}

/* ---- GET /v1/projects/<writeKey>/settings ---- */

/* In a host name, and in a JSON text, which needs no escapes then. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c && strchr("_-.:[]", c))))
            return false;
    }
    return text.len > 0 && text.len <= 255;
}

/* What analytics.js asks its CDN for. apiHost is where it was asked, so that a page has to name
 * weir once, as cdnURL. The same for every key, so nobody learns which ones exist. */
static void handle_settings(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice key = req->params[0], host = net_header_get(req->net, "Host");
    struct buf b;
    (void)ctx, (void)service;
    if (!is_plain(key)) {
        api_problem(req, RC_NOTFOUND, "This is no write key.");
        return;
    }
    buf_init(&b, 4096);
    buf_addf(&b,
             "{\"integrations\":{\"Segment.io\":{\"apiKey\":\"%.*s\",\"unbundledIntegrations\":[],"
             "\"addBundledMetadata\":true",
             SLICE_ARG(key));
    if (is_plain(host))
        buf_addf(&b, ",\"apiHost\":\"%.*s/v1\",\"protocol\":\"%s\"", SLICE_ARG(host),
                 req->is_https ? "https" : "http");
    buf_add_str(&b, "}},\"plan\":{\"track\":{\"__default\":{\"enabled\":true,\"integrations\":{}}},"
                    "\"identify\":{\"__default\":{\"enabled\":true}},"
                    "\"group\":{\"__default\":{\"enabled\":true}}},\"edgeFunction\":{},"
                    "\"analyticsNextEnabled\":true,\"middlewareSettings\":{},"
                    "\"enabledMiddleware\":{},\"metrics\":{\"sampleRate\":0},"
                    "\"legacyVideoPluginsEnabled\":false,\"remotePlugins\":[]}");
    must(buf_ok(&b));
    static const struct net_header fresh = {SLICE_CONST("Cache-Control"),
                                            SLICE_CONST("public, max-age=300")};
    api_answer(req, 200, "application/json", buf_slice(&b), &fresh, 1);
    buf_done(&b);
}

/* ---- routes ---- */

#define PROBLEM "{\"$ref\":\"#/components/responses/Problem\"}"
#define OPERATION(id, summary, type)                                                          \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary                                      \
    "\",\"security\":[{\"writeKey\":[]}],\"responses\":{\"200\":{\"description\":\"Kept\","   \
    "\"content\":{\"" type "\":{}}},\"400\":" PROBLEM ",\"401\":" PROBLEM ",\"413\":" PROBLEM \
    ",\"429\":" PROBLEM ",\"503\":" PROBLEM "}}"
#define TAKES(path, id, type)                                                                 \
    {                                                                                         \
        .method = NET_POST, .pattern = path, .variant = type,                                 \
        .openapi =                                                                            \
            OPERATION("segment" id, "Segment, RudderStack, Jitsu: " path, "application/json") \
    }
#define PIXEL(path, id, type)                                                             \
    {                                                                                     \
        .method = NET_GET, .pattern = path, .variant = SEGMENT_PIXEL + (type),            \
        .is_empty_allowed = true,                                                         \
        .openapi = OPERATION("segment" id, "An event as an image's address", "image/gif") \
    }
static const struct dialect_route routes[] = {
    TAKES("/v1/track", "Track", SEGMENT_TRACK),
    TAKES("/v1/page", "Page", SEGMENT_PAGE),
    TAKES("/v1/screen", "Screen", SEGMENT_SCREEN),
    TAKES("/v1/identify", "Identify", SEGMENT_IDENTIFY),
    TAKES("/v1/group", "Group", SEGMENT_GROUP),
    TAKES("/v1/alias", "Alias", SEGMENT_ALIAS),
    TAKES("/v1/batch", "Batch", SEGMENT_ANY),
    TAKES("/v1/t", "T", SEGMENT_TRACK),
    TAKES("/v1/p", "P", SEGMENT_PAGE),
    TAKES("/v1/s", "S", SEGMENT_SCREEN),
    TAKES("/v1/i", "I", SEGMENT_IDENTIFY),
    TAKES("/v1/g", "G", SEGMENT_GROUP),
    TAKES("/v1/a", "A", SEGMENT_ALIAS),
    TAKES("/v1/b", "B", SEGMENT_ANY),
    TAKES("/beacon/v1/batch", "Beacon", SEGMENT_ANY),
    TAKES("/api/s/track", "JitsuTrack", SEGMENT_TRACK),
    TAKES("/api/s/page", "JitsuPage", SEGMENT_PAGE),
    TAKES("/api/s/screen", "JitsuScreen", SEGMENT_SCREEN),
    TAKES("/api/s/identify", "JitsuIdentify", SEGMENT_IDENTIFY),
    TAKES("/api/s/group", "JitsuGroup", SEGMENT_GROUP),
    TAKES("/api/s/alias", "JitsuAlias", SEGMENT_ALIAS),
    TAKES("/api/s/s2s/track", "JitsuServerTrack", SEGMENT_TRACK),
    TAKES("/api/s/s2s/page", "JitsuServerPage", SEGMENT_PAGE),
    TAKES("/api/s/s2s/identify", "JitsuServerIdentify", SEGMENT_IDENTIFY),
    TAKES("/api/s/s2s/group", "JitsuServerGroup", SEGMENT_GROUP),
    PIXEL("/pixel/v1/track", "PixelTrack", SEGMENT_TRACK),
    PIXEL("/pixel/v1/page", "PixelPage", SEGMENT_PAGE),
    PIXEL("/v1/pixel/track", "PixelOldTrack", SEGMENT_TRACK),
    PIXEL("/v1/pixel/page", "PixelOldPage", SEGMENT_PAGE),
    {.method = NET_GET,
     .pattern = "/v1/projects/{writeKey}/settings",
     .handle = handle_settings,
     .access = API_PUBLIC,
     .openapi = "{\"operationId\":\"segmentSettings\",\"summary\":\"Segment: what analytics.js "
                "asks when it starts\",\"responses\":{\"200\":{\"description\":\"The same for "
                "every key\",\"content\":{\"application/json\":{}}}}}"},
};

const struct dialect dialect_segment = {.source = "segment",
                                        .routes = routes,
                                        .route_count = COUNT_OF(routes),
                                        .unwrap = segment_unwrap,
                                        .find_key = segment_find_key,
                                        .cut = segment_cut,
                                        .read = read_segment,
                                        .answer = answer_segment};
