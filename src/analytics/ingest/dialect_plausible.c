/* WHAT  Plausible's POST /api/event: its script, plausible-tracker, @plausible-analytics/tracker,
 *       and servers that speak its events API.
 * WHY   One event per request, for each of the sites that `d` names; there are no ids of visitors.
 *       What Plausible refuses and weir can keep (more than 30 properties, lists, long values) is
 *       kept; what neither can is refused in Plausible's words. */
#include "analytics/ingest/ingest_int.h"

/* Each under two names. As in JavaScript, what is null, false or absent under the short one is
 * looked for under the long one. */
enum { NAME, URL, DOMAIN, REFERRER, HASH_MODE, PROPS, INTERACTIVE, REVENUE, BOTH_NAMES };
enum { META = 2 * BOTH_NAMES, META_LONG, WIDTH, SCROLL, ENGAGEMENT_MS, MEMBERS };
static const struct slice names[MEMBERS] = {
    [2 * NAME] = SLICE_CONST("n"),
    [2 * NAME + 1] = SLICE_CONST("name"),
    [2 * URL] = SLICE_CONST("u"),
    [2 * URL + 1] = SLICE_CONST("url"),
    [2 * DOMAIN] = SLICE_CONST("d"),
    [2 * DOMAIN + 1] = SLICE_CONST("domain"),
    [2 * REFERRER] = SLICE_CONST("r"),
    [2 * REFERRER + 1] = SLICE_CONST("referrer"),
    [2 * HASH_MODE] = SLICE_CONST("h"),
    [2 * HASH_MODE + 1] = SLICE_CONST("hashMode"),
    [2 * PROPS] = SLICE_CONST("p"),
    [2 * PROPS + 1] = SLICE_CONST("props"),
    [2 * INTERACTIVE] = SLICE_CONST("i"),
    [2 * INTERACTIVE + 1] = SLICE_CONST("interactive"),
    [2 * REVENUE] = SLICE_CONST("$"),
    [2 * REVENUE + 1] = SLICE_CONST("revenue"),
    [META] = SLICE_CONST("m"),
    [META_LONG] = SLICE_CONST("meta"),
    [WIDTH] = SLICE_CONST("w"),
    [SCROLL] = SLICE_CONST("sd"),
    [ENGAGEMENT_MS] = SLICE_CONST("e"),
};
static const char *const taken[] = {"n",        "name",    "u", "url", "d",        "domain",
                                    "r",        "h",       "p", "m",   "referrer", "meta",
                                    "hashMode", "props",   "i", "$",   "w",        "interactive",
                                    "sd",       "revenue", "e", NULL};

static bool is_something(yyjson_val *v)
{
    return v && !yyjson_is_null(v) && !yyjson_is_false(v);
}

static yyjson_val *either(yyjson_val *const *member, unsigned which)
{
    return is_something(member[2 * which]) ? member[2 * which] : member[2 * which + 1];
}

/* An object, or one as JSON in a string (plausible-tracker). */
static yyjson_val *object_of(yyjson_val *v, const char *name, struct arena *arena,
                             struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *inner = NULL;
    if (!v || !yyjson_is_str(v))
        return event_field_object(v, name, n);
    if (json_text(v).len && json_parse(arena, json_text(v), &inner, &err) != RC_OK)
        event_warn(n, "%s is not JSON, ignored", name);
    return event_field_object(inner, name, n);
}

static void read_name(yyjson_val *v, struct event *e, struct event_notes *n)
{
    bool is_text = v && (yyjson_is_str(v) || json_is_number(v));
    e->name = is_text ? event_field_text(v, "event_name", EVENT_BYTES_MAX, n) : SLICE_EMPTY;
    if (v && !is_text && !yyjson_is_null(v))
        event_drop(n, EVENT_NO_NAME, "event_name: is invalid");
    else if (!e->name.len)
        event_drop(n, EVENT_NO_NAME, "event_name: can't be blank");
    else if (e->name.len > EVENT_NAME_BYTES_MAX)
        event_drop(n, EVENT_NAME_TOO_LONG, "event_name: should be at most %d byte(s)",
                   EVENT_NAME_BYTES_MAX);
}

static void read_url(yyjson_val *v, struct event *e, struct event_notes *n)
{
    if (!is_something(v))
        event_drop(n, EVENT_BAD_VALUE, "url: is required");
    else if (!yyjson_is_str(v))
        event_drop(n, EVENT_BAD_VALUE, "url: must be a string");
    else if (json_text(v).len >= 5 &&
             slice_eq_nocase(slice_of(json_text(v).data, 5), SLICE_LIT("data:")))
        event_drop(n, EVENT_BAD_VALUE, "url: scheme is not allowed");
    else
        e->url = event_field_text(v, "url", EVENT_URL_BYTES_MAX, n);
}

static bool is_on(yyjson_val *v) /* 1, "1", true */
{
    if (!v || !(yyjson_is_str(v) || json_is_number(v)))
        return yyjson_is_true(v);
    return slice_eq_str(json_text(v), "1");
}

static void read_engagement(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    event_set_kind(e, EVENT_ENGAGEMENT);
    event_take_engagement(e, member[ENGAGEMENT_MS], member[SCROLL], n);
    if (e->engagement_ms < 0 && e->scroll_depth < 0)
        event_drop(n, EVENT_BAD_VALUE,
                   "event_name: engagement event requires a valid integer value for at least one "
                   "of 'sd' or 'e' fields");
}

static yyjson_val *props_of(yyjson_val *const *member)
{
    yyjson_val *meta = is_something(member[META]) ? member[META] : member[META_LONG];
    return is_something(meta) ? meta : either(member, PROPS);
}

static void read_plausible(yyjson_val *root, const struct event_env *env, struct event *e,
                           struct event_notes *n)
{
    yyjson_val *member[MEMBERS];
    json_get_all(root, names, MEMBERS, member);
    event_take_id(e, NULL, "id", env, n);
    read_name(either(member, NAME), e, n);
    read_url(either(member, URL), e, n);
    e->path = is_on(either(member, HASH_MODE)) ? event_url_path_hash(e->url, env->arena)
                                               : event_url_path(e->url);
    e->referrer = event_field_text(either(member, REFERRER), "referrer", EVENT_URL_BYTES_MAX, n);
    e->screen_width = event_field_pixels(member[WIDTH], "w", n);
    yyjson_val *interactive = member[2 * INTERACTIVE];
    e->is_passive = yyjson_is_false(interactive ? interactive : member[2 * INTERACTIVE + 1]);
    e->properties = object_of(props_of(member), "props", env->arena, n);
    yyjson_val *revenue = object_of(either(member, REVENUE), "revenue", env->arena, n);
    event_take_revenue(e, json_get(revenue, "amount"), json_get(revenue, "currency"), n);
    if (slice_eq_str(e->name, "engagement"))
        read_engagement(member, e, n);
    e->context = root;
    e->context_skip = taken;
}

/* ---- sites ---- */
static struct slice host_of(struct slice url)
{
    const char *scheme = url.len >= 3 ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!scheme)
        return SLICE_EMPTY;
    struct slice host = slice_sub(url, (size_t)(scheme - url.data) + 3);
    size_t end = 0;
    while (end < host.len && !strchr("/?#:", host.data[end]))
        end++;
    return slice_of(host.data, end);
}

enum { SHORT_DOMAIN, LONG_DOMAIN, SHORT_URL, LONG_URL, SITE_MEMBERS };
static const struct slice site_names[SITE_MEMBERS] = {
    [SHORT_DOMAIN] = SLICE_CONST("d"),
    [LONG_DOMAIN] = SLICE_CONST("domain"),
    [SHORT_URL] = SLICE_CONST("u"),
    [LONG_URL] = SLICE_CONST("url"),
};
/* What a body says without being read. */
struct own {
    struct json_span event; /* the whole */
    struct slice sites;     /* empty: the key was in the head */
};

/* `d` as it was sent, else the host of the page. */
static struct slice sites_of(struct ingest_call *call, const struct json_span *member)
{
    for (unsigned i = 0; i < SITE_MEMBERS; i++) {
        struct slice text = slice_trim(ingest_span_text(call, &member[i]));
        if (text.len)
            return i < SHORT_URL ? text : host_of(text);
    }
    return SLICE_EMPTY;
}

static const char bad_json[] = "Unable to parse request body as json";

static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct json_span member[SITE_MEMBERS], span;
    struct own *own = arena_zalloc(call->req->net->arena, sizeof(*own));
    size_t at = 0;
    ENSURE(own, RC_NOMEM);
    call->own = own;
    if (!ingest_members_of_whole(*body, site_names, SITE_MEMBERS, member, &own->event) &&
        (json_peek(*body, &at) != '{' || !json_skip(*body, &at, &span) || json_peek(*body, &at)))
        return err_set(err, RC_INVALID, "%s", bad_json);
    if (call->share_count) /* the key was in the head: no site is asked about */
        return RC_OK;
    own->sites = sites_of(call, member);
    if (own->sites.len)
        return RC_OK;
    bool has_url = member[SHORT_URL].text.len || member[LONG_URL].text.len;
    return err_set(err, RC_INVALID, has_url ? "domain: can't be blank" : "url: is required");
}

static struct slice find_key(struct ingest_call *call)
{
    struct slice rest = ((struct own *)call->own)->sites;
    struct slice first = slice_trim(slice_cut(&rest, ',')), site = first;
    while (!api_ingest_knows(call->req, site) && rest.len)
        site = slice_trim(slice_cut(&rest, ','));
    return api_ingest_knows(call->req, site) ? site : first;
}

/* The event once for each site. */
static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct own *own = call->own;
    struct slice rest = own->sites;
    (void)body;
    if (!rest.len)
        return ingest_event(call, &own->event, err);
    while (rest.len) {
        const char *why = ingest_turn_to(call, slice_trim(slice_cut(&rest, ',')));
        if (why)
            TRY(ingest_drop(call, EVENT_NO_PROJECT, why, err));
        else
            TRY(ingest_event(call, &own->event, err));
    }
    return RC_OK;
}

/* ---- answers ---- */
static void add_error(struct buf *out, const char *details)
{
    static const char *const fields[] = {"event_name", "url", "domain"};
    const char *field = "request", *text = details;
    for (unsigned i = 0; i < COUNT_OF(fields); i++) {
        size_t len = strlen(fields[i]);
        if (strncmp(details, fields[i], len) != 0 || strncmp(details + len, ": ", 2) != 0)
            continue;
        field = fields[i];
        text = details + len + 2;
    }
    buf_addf(out, "{\"errors\":{\"%s\":[", field);
    buf_add_json(out, slice_str(text));
    buf_add_str(out, "]}}");
}

static void answer_error(struct api_request *req, const char *details)
{
    struct buf body;
    buf_init(&body, 4096);
    add_error(&body, details);
    api_answer(req, 400, "application/json", buf_slice(&body), NULL, 0);
    buf_done(&body);
}

static void answer_plausible(struct ingest_call *call)
{
    char digits[SLICE_U64_DIGITS];
    const struct ingest_result *bad = NULL;
    for (uint32_t i = 0; i < call->result_count && !bad; i++)
        if (call->results[i].reason != EVENT_FINE && call->results[i].reason != EVENT_NO_PROJECT)
            bad = &call->results[i];
    if (bad) {
        answer_error(call->req, bad->reason == EVENT_BAD_JSON ? bad_json
                                : bad->details                ? bad->details
                                                              : event_reason_name(bad->reason));
        return;
    }
    uint32_t dropped = call->outcomes[EVENT_NO_PROJECT];
    const struct net_header header = {SLICE_LIT("x-plausible-dropped"),
                                      slice_of_u64(dropped, digits)};
    ingest_answer_with(call, 202, "text/plain; charset=utf-8", SLICE_LIT("ok"), &header,
                       dropped ? 1 : 0);
}

/* A site that nobody has gets Plausible's "ok" as well: its script shall not begin to fail on
 * somebody's pages. It is counted, and the header says it. */
static void refuse(struct api_request *req, enum rc rc, const char *text)
{
    const struct net_header header = {SLICE_LIT("x-plausible-dropped"), SLICE_LIT("1")};
    if (rc == RC_UNAUTHORIZED)
        api_answer(req, 202, "text/plain; charset=utf-8", SLICE_LIT("ok"), &header, 1);
    else if (rc == RC_INVALID)
        answer_error(req, text);
    else
        api_problem(req, rc, "%s", text);
}

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/api/event",
     .openapi =
         "{\"operationId\":\"plausibleEvent\",\"summary\":\"Plausible: an event of the site that "
         "`d` names\",\"security\":[{},{\"writeKey\":[]}],\"requestBody\":{\"required\":true,"
         "\"content\":{\"text/plain\":{},\"application/json\":{}}},\"responses\":{\"202\":{"
         "\"description\":\"ok. x-plausible-dropped: so many of the sites are nobody's\"},\"400\":"
         "{\"description\":\"{errors}\"}}}"},
};

const struct dialect dialect_plausible = {.source = "plausible",
                                          .routes = routes,
                                          .route_count = COUNT_OF(routes),
                                          .unwrap = unwrap,
                                          .find_key = find_key,
                                          .cut = cut,
                                          .read = read_plausible,
                                          .answer = answer_plausible,
                                          .is_of_visitor = true,
                                          .refuse = refuse};
