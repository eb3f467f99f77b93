/* WHAT   PostHog: its events, its routes, its answers (docs/ingest.md).
 * WHY    An SDK's properties are eighty members of which weir looks at forty: they are gone through
 *        once, with a table of names. They stay as they are in the record, but for what is not kept
 *        and what has a place of its own. */
#include "analytics/ingest/dialect_posthog_int.h"

#include <math.h>

/* ---- what is looked at ---- */

enum {
    R_UUID,
    R_EVENT,
    R_TIMESTAMP,
    R_OFFSET,
    R_DISTINCT,
    R_DISTINCT_OLD,
    R_SESSION,
    R_PROPERTIES,
    R_OPTIONS,
    R_SET,
    R_SET_ONCE,
    R_UNSET,
    R_MEMBERS
};
static const struct slice root_names[R_MEMBERS] = {
    [R_UUID] = SLICE_CONST("uuid"),
    [R_EVENT] = SLICE_CONST("event"),
    [R_TIMESTAMP] = SLICE_CONST("timestamp"),
    [R_OFFSET] = SLICE_CONST("offset"),
    [R_DISTINCT] = SLICE_CONST("distinct_id"),
    [R_DISTINCT_OLD] = SLICE_CONST("$distinct_id"),
    [R_SESSION] = SLICE_CONST("session_id"),
    [R_PROPERTIES] = SLICE_CONST("properties"),
    [R_OPTIONS] = SLICE_CONST("options"),
    [R_SET] = SLICE_CONST("$set"),
    [R_SET_ONCE] = SLICE_CONST("$set_once"),
    [R_UNSET] = SLICE_CONST("$unset"),
};

enum {
    P_DISTINCT,
    P_DISTINCT_OLD,
    P_DEVICE,
    P_ANONYMOUS,
    P_IDENTIFIED,
    P_PROFILE,
    P_SESSION,
    P_INSERT_ID,
    P_IGNORE_SENT_AT,
    P_URL,
    P_PATH,
    P_TITLE,
    P_REFERRER,
    P_SCREEN_NAME,
    P_SCREEN_WIDTH,
    P_SCREEN_HEIGHT,
    P_USER_AGENT,
    P_TIME_ZONE,
    P_LANGUAGE,
    P_LOCALE,
    P_SET,
    P_SET_ONCE,
    P_UNSET,
    P_ALIAS,
    P_GROUPS,
    P_GROUP_TYPE,
    P_GROUP_KEY,
    P_GROUP_SET,
    P_REVENUE,
    P_REVENUE_PLAIN,
    P_CURRENCY,
    P_CURRENCY_PLAIN,
    P_DURATION,
    P_SEEN,
    P_METRIC,
    P_ADDRESS,
    P_MEMBERS
};
static const struct slice property_names[P_MEMBERS] = {
    [P_DISTINCT] = SLICE_CONST("distinct_id"),
    [P_DISTINCT_OLD] = SLICE_CONST("$distinct_id"),
    [P_DEVICE] = SLICE_CONST("$device_id"),
    [P_ANONYMOUS] = SLICE_CONST("$anon_distinct_id"),
    [P_IDENTIFIED] = SLICE_CONST("$is_identified"),
    [P_PROFILE] = SLICE_CONST("$process_person_profile"),
    [P_SESSION] = SLICE_CONST("$session_id"),
    [P_INSERT_ID] = SLICE_CONST("$insert_id"),
    [P_IGNORE_SENT_AT] = SLICE_CONST("$ignore_sent_at"),
    [P_URL] = SLICE_CONST("$current_url"),
    [P_PATH] = SLICE_CONST("$pathname"),
    [P_TITLE] = SLICE_CONST("title"),
    [P_REFERRER] = SLICE_CONST("$referrer"),
    [P_SCREEN_NAME] = SLICE_CONST("$screen_name"),
    [P_SCREEN_WIDTH] = SLICE_CONST("$screen_width"),
    [P_SCREEN_HEIGHT] = SLICE_CONST("$screen_height"),
    [P_USER_AGENT] = SLICE_CONST("$raw_user_agent"),
    [P_TIME_ZONE] = SLICE_CONST("$timezone"),
    [P_LANGUAGE] = SLICE_CONST("$browser_language"),
    [P_LOCALE] = SLICE_CONST("$locale"),
    [P_SET] = SLICE_CONST("$set"),
    [P_SET_ONCE] = SLICE_CONST("$set_once"),
    [P_UNSET] = SLICE_CONST("$unset"),
    [P_ALIAS] = SLICE_CONST("alias"),
    [P_GROUPS] = SLICE_CONST("$groups"),
    [P_GROUP_TYPE] = SLICE_CONST("$group_type"),
    [P_GROUP_KEY] = SLICE_CONST("$group_key"),
    [P_GROUP_SET] = SLICE_CONST("$group_set"),
    [P_REVENUE] = SLICE_CONST("$revenue"),
    [P_REVENUE_PLAIN] = SLICE_CONST("revenue"),
    [P_CURRENCY] = SLICE_CONST("$currency"),
    [P_CURRENCY_PLAIN] = SLICE_CONST("currency"),
    [P_DURATION] = SLICE_CONST("$prev_pageview_duration"),
    [P_SEEN] = SLICE_CONST("$prev_pageview_max_content_percentage"),
    [P_METRIC] = SLICE_CONST("metric"),
    [P_ADDRESS] = SLICE_CONST("$ip"),
};

/* An address is never kept, nor what somebody else made of it; traits have a place of their own. */
static const char *const properties_skip[] = {
    "$ip",
    "$set",
    "$set_once",
    "$unset",
    "$group_set",
    "$geoip_city_name",
    "$geoip_city_confidence",
    "$geoip_country_name",
    "$geoip_country_code",
    "$geoip_country_confidence",
    "$geoip_continent_name",
    "$geoip_continent_code",
    "$geoip_postal_code",
    "$geoip_postal_code_confidence",
    "$geoip_latitude",
    "$geoip_longitude",
    "$geoip_accuracy_radius",
    "$geoip_time_zone",
    "$geoip_subdivision_1_code",
    "$geoip_subdivision_1_name",
    "$geoip_subdivision_1_confidence",
    "$geoip_subdivision_2_code",
    "$geoip_subdivision_2_name",
    "$geoip_subdivision_2_confidence",
    NULL,
};

struct reading {
    yyjson_val *root[R_MEMBERS], *of[P_MEMBERS];
    struct event *e;
    struct event_notes *n;
};

static void gather(yyjson_val *root, struct event *e, struct event_notes *n, struct reading *ret)
{
    static _Thread_local struct json_names names;
    if (!names.names)
        json_names_init(&names, property_names, P_MEMBERS);
    ret->e = e;
    ret->n = n;
    json_get_all(root, root_names, R_MEMBERS, ret->root);
    e->properties = event_field_object(ret->root[R_PROPERTIES], "properties", n);
    e->properties_skip = properties_skip;
    json_get_named(e->properties, &names, ret->of);
}

static bool is_set(yyjson_val *v)
{
    return v && !yyjson_is_null(v);
}

static yyjson_val *first_of(yyjson_val *a, yyjson_val *b)
{
    return is_set(a) ? a : b;
}

static struct slice text_of(const struct reading *r, unsigned member, size_t bytes_max)
{
    return event_field_text(r->of[member], property_names[member].data, bytes_max, r->n);
}

/* ---- who ---- */

/* What broken code sends for a person whom it does not know: as an id it would make one visitor of
 * many. */
static bool is_nobody(struct slice id)
{
    static const struct slice nobody[] = {
        SLICE_CONST("0"),
        SLICE_CONST("00000000-0000-0000-0000-000000000000"),
        SLICE_CONST("[object object]"),
        SLICE_CONST("anonymous"),
        SLICE_CONST("anonymous-user"),
        SLICE_CONST("backend"),
        SLICE_CONST("distinct_id"),
        SLICE_CONST("distinctid"),
        SLICE_CONST("email"),
        SLICE_CONST("false"),
        SLICE_CONST("guest"),
        SLICE_CONST("id"),
        SLICE_CONST("nan"),
        SLICE_CONST("none"),
        SLICE_CONST("not_authenticated"),
        SLICE_CONST("null"),
        SLICE_CONST("system"),
        SLICE_CONST("true"),
        SLICE_CONST("undefined"),
        SLICE_CONST("user"),
    };
    for (size_t i = 0; i < COUNT_OF(nobody); i++)
        if (slice_eq_nocase(id, nobody[i]))
            return true;
    return false;
}

/* Numbers are taken as their text, as PostHog does. What is no text and no number cannot name
 * anybody: the event is kept without. */
static struct slice distinct_of(const struct reading *r)
{
    yyjson_val *v = first_of(first_of(r->root[R_DISTINCT], r->root[R_DISTINCT_OLD]),
                             first_of(r->of[P_DISTINCT], r->of[P_DISTINCT_OLD]));
    if (!is_set(v) || (yyjson_is_str(v) && !json_text(v).len)) {
        event_drop(r->n, EVENT_NO_ID, "distinct_id is missing");
        return SLICE_EMPTY;
    }
    if (json_is_number(v))
        return event_cut(json_text(v), EVENT_ID_BYTES_MAX);
    struct slice id = event_field_text(v, "distinct_id", EVENT_ID_BYTES_MAX, r->n);
    if (slice_eq_str(id, "$posthog_cookieless")) /* a browser that keeps nothing */
        return SLICE_EMPTY;
    if (!is_nobody(id))
        return id;
    event_warn(r->n, "distinct_id names nobody (%.*s), left out", SLICE_ARG(id));
    return SLICE_EMPTY;
}

static yyjson_val *option(const struct reading *r, const char *name, unsigned member)
{
    return is_set(r->of[member]) ? r->of[member] : json_get(r->root[R_OPTIONS], name);
}

/* The browser's own id until somebody says who it is. */
static void read_person(const struct reading *r)
{
    struct event *e = r->e;
    struct slice distinct = distinct_of(r), device = text_of(r, P_DEVICE, EVENT_ID_BYTES_MAX);
    yyjson_val *identified = r->of[P_IDENTIFIED];
    if (!is_set(identified))
        identified = option(r, "process_person_profile", P_PROFILE);
    e->user_id = SLICE_EMPTY;
    if (slice_eq(device, distinct) || (identified && yyjson_is_false(identified))) {
        e->anonymous_id = distinct.len ? distinct : device;
    } else {
        e->user_id = distinct;
        e->anonymous_id = device;
    }
    yyjson_val *session = first_of(r->root[R_SESSION], r->of[P_SESSION]);
    e->session_id = event_field_text(session, "session_id", EVENT_ID_BYTES_MAX, r->n);
    e->traits = event_field_object(first_of(r->root[R_SET], r->of[P_SET]), "$set", r->n);
    e->traits_once =
        event_field_object(first_of(r->root[R_SET_ONCE], r->of[P_SET_ONCE]), "$set_once", r->n);
    e->traits_unset[0] = r->root[R_UNSET];
    e->traits_unset[1] = r->of[P_UNSET];
}

/* ---- when ---- */

static void read_time(const struct reading *r, const struct event_env *env)
{
    yyjson_val *ignores = option(r, "disable_skew_correction", P_IGNORE_SENT_AT);
    double offset;
    if (!is_set(r->root[R_TIMESTAMP])) {
        if (json_to_double(r->root[R_OFFSET], &offset) && offset >= 0 && offset < 1e13)
            r->e->timestamp.ms = env->received_at.ms - (int64_t)offset;
        return;
    }
    if (env->clock_skew_ms && ignores && yyjson_is_true(ignores)) {
        struct event_env as_sent = *env;
        as_sent.clock_skew_ms = 0;
        event_take_time(r->e, r->root[R_TIMESTAMP], "timestamp", &as_sent, r->n);
        return;
    }
    event_take_time(r->e, r->root[R_TIMESTAMP], "timestamp", env, r->n);
}

/* ---- where, with what ---- */

static void read_page(const struct reading *r)
{
    struct event *e = r->e;
    e->url = text_of(r, P_URL, EVENT_URL_BYTES_MAX);
    e->path = text_of(r, P_PATH, EVENT_URL_BYTES_MAX);
    if (!e->path.len && e->url.len)
        e->path = event_url_path(e->url);
    e->title = text_of(r, P_TITLE, EVENT_TITLE_BYTES_MAX);
    if (!e->title.len)
        e->title = text_of(r, P_SCREEN_NAME, EVENT_TITLE_BYTES_MAX);
    struct slice referrer = text_of(r, P_REFERRER, EVENT_URL_BYTES_MAX);
    if (!slice_eq_str(referrer, "$direct"))
        e->referrer = referrer;
    event_take_address(e, r->of[P_ADDRESS], "$ip", r->n);
    e->screen_width = event_field_pixels(r->of[P_SCREEN_WIDTH], "$screen_width", r->n);
    e->screen_height = event_field_pixels(r->of[P_SCREEN_HEIGHT], "$screen_height", r->n);
    e->user_agent = text_of(r, P_USER_AGENT, EVENT_USER_AGENT_BYTES_MAX);
    e->time_zone = text_of(r, P_TIME_ZONE, EVENT_TIME_ZONE_BYTES_MAX);
    e->locale =
        text_of(r, is_set(r->of[P_LANGUAGE]) ? P_LANGUAGE : P_LOCALE, EVENT_LOCALE_BYTES_MAX);
}

static void read_revenue(const struct reading *r)
{
    yyjson_val *currency = first_of(r->of[P_CURRENCY], r->of[P_CURRENCY_PLAIN]);
    if (is_set(r->of[P_REVENUE]))
        event_take_revenue(r->e, r->of[P_REVENUE], currency, r->n);
    else if (is_set(currency))
        event_take_revenue(r->e, r->of[P_REVENUE_PLAIN], currency, r->n);
}

/* ---- what ---- */

static void as_pageview(const struct reading *r)
{
    r->e->name = SLICE_LIT("pageview"); /* one name for every dialect */
}

static void as_screen(const struct reading *r)
{
    r->e->name = SLICE_LIT("screen");
}

static void as_identify(const struct reading *r)
{
    struct slice anonymous = text_of(r, P_ANONYMOUS, EVENT_ID_BYTES_MAX);
    event_set_kind(r->e, EVENT_IDENTIFY);
    if (anonymous.len)
        r->e->anonymous_id = anonymous;
}

static void as_alias(const struct reading *r)
{
    struct slice alias = text_of(r, P_ALIAS, EVENT_ID_BYTES_MAX);
    struct event *e = r->e;
    event_set_kind(e, EVENT_ALIAS);
    if (!e->user_id.len) { /* of an anonymous browser: its id is what is given a second name */
        e->user_id = e->anonymous_id;
        e->anonymous_id = SLICE_EMPTY;
    }
    e->previous_id = alias;
    if (!alias.len || is_nobody(alias) || !e->user_id.len)
        event_drop(r->n, EVENT_BAD_VALUE, "an alias needs two ids: distinct_id and alias");
}

/* Servers name nobody here: their distinct_id is "$<type>_<key>". */
static bool is_group_itself(const struct event *e)
{
    struct slice id = e->user_id;
    return id.len == e->group_type.len + e->group_id.len + 2 && id.data[0] == '$' &&
           slice_has_prefix(slice_sub(id, 1), e->group_type) &&
           id.data[1 + e->group_type.len] == '_' &&
           slice_eq(slice_sub(id, e->group_type.len + 2), e->group_id);
}

static void as_group(const struct reading *r)
{
    struct event *e = r->e;
    event_set_kind(e, EVENT_GROUP);
    e->group_type = text_of(r, P_GROUP_TYPE, EVENT_GROUP_TYPE_BYTES_MAX);
    e->group_id = text_of(r, P_GROUP_KEY, EVENT_ID_BYTES_MAX);
    e->traits = event_field_object(r->of[P_GROUP_SET], "$group_set", r->n);
    e->traits_unset[0] = e->traits_unset[1] = NULL; /* these are a person's */
    if (!e->group_type.len || !e->group_id.len)
        event_drop(r->n, EVENT_BAD_VALUE, "a group needs $group_type and $group_key");
    else if (is_group_itself(e))
        e->user_id = SLICE_EMPTY;
}

/* Seconds and a part of one, where ours are milliseconds and percent. */
static void as_engagement(const struct reading *r)
{
    double seconds, part;
    event_set_kind(r->e, EVENT_ENGAGEMENT);
    if (json_to_double(r->of[P_DURATION], &seconds) && seconds >= 0)
        r->e->engagement_ms = (int64_t)fmin(seconds * 1000 + 0.5, EVENT_ENGAGEMENT_MS_MAX);
    if (json_to_double(r->of[P_SEEN], &part) && part >= 0)
        r->e->scroll_depth = (int32_t)fmin(part * 100 + 0.5, 100);
}

static void as_vital(const struct reading *r)
{
    if (is_set(r->of[P_METRIC])) /* put there by posthog_cut() */
        event_set_kind(r->e, EVENT_VITAL);
}

static void as_passive(const struct reading *r)
{
    r->e->is_passive = true;
}

static void as_nothing(const struct reading *r)
{
    event_drop(r->n, EVENT_NOT_KEPT, "weir keeps no %.*s", SLICE_ARG(r->e->name));
}

/* Any other name is a plain event of that name. */
static const struct {
    struct slice name;
    void (*as)(const struct reading *r);
} special[] = {
    {SLICE_CONST("$pageview"), as_pageview},
    {SLICE_CONST("$screen"), as_screen},
    {SLICE_CONST("$identify"), as_identify},
    {SLICE_CONST("$set"), as_identify},
    {SLICE_CONST("$create_alias"), as_alias},
    {SLICE_CONST("$merge_dangerously"), as_alias},
    {SLICE_CONST("$groupidentify"), as_group},
    {SLICE_CONST("$pageleave"), as_engagement},
    {SLICE_CONST("$web_vitals"), as_vital},
    {SLICE_CONST("$feature_flag_called"), as_passive},
    {SLICE_CONST("$exception"), as_passive},
    {SLICE_CONST("$csp_violation"), as_passive},
    {SLICE_CONST("$snapshot"), as_nothing},
    {SLICE_CONST("$snapshot_items"), as_nothing},
    {SLICE_CONST("$performance_event"), as_nothing},
    {SLICE_CONST("$$heatmap"), as_nothing},
    {SLICE_CONST("$$client_ingestion_warning"), as_nothing},
};

static void read_name(const struct reading *r, const struct event_env *env)
{
    if (env->variant == POSTHOG_ENGAGE && !is_set(r->root[R_EVENT]))
        r->e->name = SLICE_LIT("$identify");
    else
        event_take_name(r->e, r->root[R_EVENT], "event", r->n);
}

static void read_kind(const struct reading *r)
{
    if (!r->e->name.len || r->e->name.data[0] != '$')
        return;
    for (size_t i = 0; i < COUNT_OF(special); i++) {
        if (!slice_eq(r->e->name, special[i].name))
            continue;
        special[i].as(r);
        return;
    }
}

static void read_posthog(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    struct reading r;
    gather(root, e, n, &r);
    bool has_uuid = is_set(r.root[R_UUID]) && !unsafe_yyjson_equals_str(r.root[R_UUID], "");
    event_take_id(e, has_uuid ? r.root[R_UUID] : r.of[P_INSERT_ID], "uuid", env, n);
    read_name(&r, env);
    read_time(&r, env);
    read_person(&r);
    read_page(&r);
    read_revenue(&r);
    read_kind(&r);
    event_take_groups(e, r.of[P_GROUPS], "$groups", env, n); /* behind the one it is about */
}

/* ---- answers ---- */

static void answer_results(struct ingest_call *call)
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

/* NULL if anything was taken, or nothing was but what weir has no use for. */
static const struct ingest_result *first_reason(const struct ingest_call *call)
{
    const struct ingest_result *found = NULL;
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        if (r->reason == EVENT_FINE || r->reason == EVENT_NOT_KEPT)
            return NULL;
        if (!found)
            found = r;
    }
    return found;
}

/* Exactly 200: posthog-js takes 202 and 204 for failures and sends again, but for a beacon, whose
 * answer nobody reads. */
static void answer_posthog(struct ingest_call *call)
{
    struct slice beacon;
    if (call->env.variant == POSTHOG_V1) {
        answer_results(call);
        return;
    }
    const struct ingest_result *why = first_reason(call);
    if (why)
        api_problem(call->req, why->reason == EVENT_TOO_LARGE ? RC_LIMIT : RC_INVALID, "%s",
                    why->details ? why->details : event_reason_name(why->reason));
    else if (net_query_get(call->req->net, "beacon", &beacon) && slice_eq_str(beacon, "1"))
        ingest_answer(call, 204, "", SLICE_EMPTY);
    else
        ingest_answer(call, 200, "application/json", SLICE_LIT("{\"status\":\"Ok\"}"));
}

/* ---- routes ---- */

#define PROBLEM "{\"$ref\":\"#/components/responses/Problem\"}"
#define JSON_200 "\"200\":{\"description\":\"Kept\",\"content\":{\"application/json\":{}}}"
#define TAKES_EVENTS(id, summary)                                                                \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary                                         \
    "\",\"security\":[{\"writeKey\":[]}],\"responses\":{" JSON_200                               \
    ",\"204\":{\"description\":\"The same, for beacon=1\"},\"400\":" PROBLEM ",\"401\":" PROBLEM \
    ",\"413\":" PROBLEM ",\"429\":" PROBLEM ",\"503\":" PROBLEM "}}"
#define TELLS(id, summary)                                                             \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"responses\":{\"200\":{" \
    "\"description\":\"The same for every token\",\"content\":{\"application/json\":{}}}}}"
#define CAPTURE(path, id, variant_)                                                        \
    {.method = NET_POST,                                                                   \
     .pattern = path,                                                                      \
     .variant = variant_,                                                                  \
     .is_empty_allowed = true,                                                             \
     .openapi = TAKES_EVENTS("posthog" id, "PostHog: events, in any of its encodings")},   \
    {                                                                                      \
        .method = NET_GET, .pattern = path, .variant = variant_, .is_empty_allowed = true, \
        .openapi = TAKES_EVENTS("posthog" id "Get", "PostHog: events in ?data=")           \
    }

/* clang-format off */
static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/i/v1/analytics/events",
     .variant = POSTHOG_V1,
     .openapi = "{\"operationId\":\"ingestPosthog\",\"summary\":\"PostHog capture, version "
                "1\",\"security\":[{"
                "\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"application/"
                "json\":{}}}," RESULTS_200 "}"},
    CAPTURE("/e", "E", POSTHOG_V0),
    CAPTURE("/i/v0/e", "V0", POSTHOG_V0),
    CAPTURE("/capture", "Capture", POSTHOG_V0),
    CAPTURE("/track", "Track", POSTHOG_V0),
    CAPTURE("/engage", "Engage", POSTHOG_ENGAGE),
    {.method = NET_POST,
     .pattern = "/batch",
     .variant = POSTHOG_V0,
     .body_bytes_max = 20 << 20,
     .is_empty_allowed = true,
     .openapi = TAKES_EVENTS("posthogBatch", "PostHog: events of a server")},
    {.method = NET_GET,
     .pattern = "/batch",
     .variant = POSTHOG_V0,
     .is_empty_allowed = true,
     .openapi = TAKES_EVENTS("posthogBatchGet", "PostHog: events in ?data=")},
    {.method = NET_POST,
     .pattern = "/s",
     .variant = POSTHOG_RECORDING,
     .is_empty_allowed = true,
     .openapi = TAKES_EVENTS("posthogRecording", "PostHog: session recordings, which are counted "
                                                 "and not kept")},
    {.method = NET_GET,
     .pattern = "/array/{token}/config",
     .handle = posthog_config,
     .access = API_PUBLIC,
     .openapi = TELLS("posthogConfig", "PostHog: what posthog-js asks when it starts")},
    {.method = NET_GET,
     .pattern = "/array/{token}/config.js",
     .handle = posthog_config_js,
     .access = API_PUBLIC,
     .openapi = TELLS("posthogConfigJs", "PostHog: the same as a script")},
    {.method = NET_POST,
     .pattern = "/flags",
     .handle = posthog_flags,
     .access = API_PUBLIC,
     .openapi = TELLS("posthogFlags", "PostHog: no feature flags")},
    {.method = NET_POST,
     .pattern = "/decide",
     .handle = posthog_decide,
     .access = API_PUBLIC,
     .openapi = TELLS("posthogDecide", "PostHog: no feature flags, for older SDKs")},
};
/* clang-format on */

const struct dialect dialect_posthog = {.source = "posthog",
                                        .routes = routes,
                                        .route_count = COUNT_OF(routes),
                                        .unwrap = posthog_unwrap,
                                        .find_key = posthog_find_key,
                                        .cut = posthog_cut,
                                        .read = read_posthog,
                                        .answer = answer_posthog};
