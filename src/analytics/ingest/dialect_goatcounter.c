/* WHAT  GoatCounter's GET and POST /count (its count.js, and the image for pages without scripts)
 *       and POST /api/v0/count (servers).
 * WHY   GoatCounter tells sites apart by the host that is asked; its script sends no other name. So
 *       a site is found by what stands before /count in the path, else by the host that was asked,
 *       else by the page's own (docs/ingest.md).
 * URL   The script sends a path, and the query of the address beside it; the host is in what the
 *       browser adds. They are put together again, as the sources of visits are read off there. */
#include "analytics/ingest/ingest_int.h"

#include "http/url.h"

enum { COUNT, API }; /* variants of the route */

/* Each under its name in /count and in the API. */
enum { PATH, TITLE, EVENT, REF, SIZE, QUERY, BOTH_NAMES };
enum { USER_AGENT = 2 * BOTH_NAMES, ADDRESS, LOCATION, LANGUAGE, CREATED_AT, SESSION, MEMBERS };
static const struct slice names[MEMBERS] = {
    [2 * PATH] = SLICE_CONST("p"),
    [2 * PATH + 1] = SLICE_CONST("path"),
    [2 * TITLE] = SLICE_CONST("t"),
    [2 * TITLE + 1] = SLICE_CONST("title"),
    [2 * EVENT] = SLICE_CONST("e"),
    [2 * EVENT + 1] = SLICE_CONST("event"),
    [2 * REF] = SLICE_CONST("r"),
    [2 * REF + 1] = SLICE_CONST("ref"),
    [2 * SIZE] = SLICE_CONST("s"),
    [2 * SIZE + 1] = SLICE_CONST("size"),
    [2 * QUERY] = SLICE_CONST("q"),
    [2 * QUERY + 1] = SLICE_CONST("query"),
    [USER_AGENT] = SLICE_CONST("user_agent"),
    [ADDRESS] = SLICE_CONST("ip"),
    [LOCATION] = SLICE_CONST("location"),
    [LANGUAGE] = SLICE_CONST("language"),
    [CREATED_AT] = SLICE_CONST("created_at"),
    [SESSION] = SLICE_CONST("session"),
};
/* What its script or its log says of a bot stays as the event's context; an address never does. */
static const char *const taken[] = {
    "p",        "path", "t",          "title",    "e",          "event",   "r",
    "ref",      "s",    "size",       "q",        "query",      "rnd",     "ip",
    "location", "key",  "user_agent", "language", "created_at", "session", NULL};

/* What a request says beside its hits. */
struct head {
    struct slice site; /* "https://shop.example"; empty: not known */
    bool is_limited;   /* nothing finer than a country is kept */
};

/* ---- reading ---- */
static yyjson_val *either(yyjson_val *const *member, unsigned which)
{
    return member[2 * which] ? member[2 * which] : member[2 * which + 1];
}

static bool is_true(yyjson_val *v)
{
    if (!v || !(yyjson_is_str(v) || json_is_number(v)))
        return yyjson_is_true(v);
    return slice_eq_str(json_text(v), "true") || slice_eq_str(json_text(v), "1");
}

/* "1920,1080,1" or [1920,1080,1]: the last one is the scale. */
static void read_size(yyjson_val *v, struct event *e, struct event_notes *n)
{
    if (yyjson_is_arr(v)) {
        e->screen_width = event_field_pixels(yyjson_arr_get(v, 0), "size", n);
        e->screen_height = event_field_pixels(yyjson_arr_get(v, 1), "size", n);
        return;
    }
    uint64_t width, height;
    struct slice rest = event_field_text(v, "size", 64, n);
    struct slice first = slice_cut(&rest, ',');
    if (!slice_to_u64(first, &width) || !slice_to_u64(slice_cut(&rest, ','), &height) ||
        width > INT32_MAX || height > INT32_MAX)
        return;
    e->screen_width = (int64_t)width;
    e->screen_height = (int64_t)height;
}

static void read_page(struct slice path, struct slice query, const struct event_env *env,
                      struct event *e)
{
    const struct head *head = env->shared;
    bool is_path = path.len && path.data[0] == '/';
    bool has_query = memchr(path.data, '?', path.len) != NULL;
    struct slice mark = query.len && query.data[0] != '?' ? SLICE_LIT("?") : SLICE_EMPTY;
    const struct slice parts[] = {is_path ? head->site : SLICE_EMPTY, path,
                                  has_query ? SLICE_EMPTY : mark, has_query ? SLICE_EMPTY : query};
    e->url = event_cut(event_join(env->arena, parts, COUNT_OF(parts)), EVENT_URL_BYTES_MAX);
    e->path = event_url_path(path);
}

/* "US" or "US-CA", as its own log or a server knows it: outweighs what the address says. */
static void read_place(yyjson_val *location, yyjson_val *address, const struct event_env *env,
                       struct event *e, struct event_notes *n)
{
    const struct head *head = env->shared;
    struct slice place = event_field_text(location, "location", EVENT_PLACE_BYTES_MAX, n);
    event_take_address(e, address, "ip", n);
    struct event_client *client = place.len ? arena_alloc(env->arena, sizeof(*client)) : NULL;
    if (!client)
        return;
    bool has_region = memchr(place.data, '-', place.len) && !head->is_limited;
    *client = (struct event_client){.region = has_region ? place : SLICE_EMPTY};
    client->country = slice_cut(&place, '-');
    e->client = client;
}

static void read_goatcounter(yyjson_val *root, const struct event_env *env, struct event *e,
                             struct event_notes *n)
{
    yyjson_val *member[MEMBERS];
    json_get_all(root, names, MEMBERS, member);
    bool is_event = is_true(either(member, EVENT));
    struct slice path = event_field_text(either(member, PATH), "path",
                                         is_event ? EVENT_NAME_BYTES_MAX : EVENT_URL_BYTES_MAX, n);
    struct slice query = event_field_text(either(member, QUERY), "query", EVENT_URL_BYTES_MAX, n);
    event_take_id(e, NULL, "id", env, n);
    event_take_time(e, member[CREATED_AT], "created_at", env, n);
    if (!path.len)
        event_drop(n, EVENT_NO_NAME, "path: must be set");
    e->name = is_event ? path : SLICE_LIT("pageview");
    if (!is_event)
        read_page(path, query, env, e);
    e->title = event_field_text(either(member, TITLE), "title", EVENT_TITLE_BYTES_MAX, n);
    e->referrer = event_field_text(either(member, REF), "ref", EVENT_URL_BYTES_MAX, n);
    read_size(either(member, SIZE), e, n);
    e->user_agent =
        event_field_text(member[USER_AGENT], "user_agent", EVENT_USER_AGENT_BYTES_MAX, n);
    e->locale = event_field_text(member[LANGUAGE], "language", EVENT_LOCALE_BYTES_MAX, n);
    e->session_id = event_field_text(member[SESSION], "session", EVENT_ID_BYTES_MAX, n);
    read_place(member[LOCATION], member[ADDRESS], env, e, n);
    e->context = root;
    e->context_skip = taken;
}

/* ---- whose it is ---- */
/* Up to the path: "https://shop.example" of a Referer; of an Origin it is the whole. */
static struct slice origin_of(struct slice url)
{
    const char *scheme = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!scheme)
        return SLICE_EMPTY; /* also "null" */
    size_t end = (size_t)(scheme - url.data) + 3;
    while (end < url.len && !strchr("/?#", url.data[end]))
        end++;
    return slice_of(url.data, end);
}

static struct slice page_origin(const struct ingest_call *call)
{
    struct slice origin = origin_of(net_header_get(call->req->net, "Origin"));
    return origin.len ? origin : origin_of(net_header_get(call->req->net, "Referer"));
}

static struct slice without_port(struct slice authority)
{
    return slice_cut(&authority, ':');
}

/* "/shop/count" is of "shop". */
static struct slice path_name(const struct ingest_call *call)
{
    struct slice path = call->req->net->path, name = SLICE_EMPTY, decoded;
    while (memchr(path.data, '/', path.len)) {
        struct slice segment = slice_cut(&path, '/');
        if (segment.len)
            name = segment;
    }
    return url_decode(call->req->net->arena, name, false, &decoded) ? decoded : SLICE_EMPTY;
}

static struct slice find_key(struct ingest_call *call)
{
    struct slice origin = page_origin(call);
    const char *scheme = origin.len ? memmem(origin.data, origin.len, "://", 3) : NULL;
    struct slice page =
        scheme ? slice_sub(origin, (size_t)(scheme - origin.data) + 3) : SLICE_EMPTY;
    const struct slice candidates[] = {
        call->route->variant == COUNT ? path_name(call) : SLICE_EMPTY,
        without_port(net_header_get(call->req->net, "Host")), without_port(page)};
    for (unsigned i = 0; i < COUNT_OF(candidates); i++)
        if (candidates[i].len && api_ingest_knows(call->req, candidates[i]))
            return candidates[i];
    return SLICE_EMPTY;
}

/* ---- bodies ---- */
static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    if (call->route->variant == API || call->again)
        return RC_OK;
    struct slice form = call->req->net->query.len ? call->req->net->query : *body;
    return ingest_form_to_json(call, form, body, err);
}

static struct slice site_of(const struct ingest_call *call)
{
    struct slice origin = page_origin(call);
    for (size_t i = 0; i < origin.len; i++) /* a header: any bytes */
        if (origin.data[i] <= ' ' || origin.data[i] > '~')
            return SLICE_EMPTY;
    return origin;
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    struct json_span hits;
    struct head *head = arena_zalloc(call->req->net->arena, sizeof(*head));
    ENSURE(head, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    head->is_limited = call->client.is_limited;
    call->env.shared = head;
    if (call->route->variant == COUNT) {
        head->site = site_of(call);
        return ingest_cut_one(call, body, err);
    }
    /* What is known of the sender is not the visitors'. */
    call->client.is_visitor = false;
    call->env.client = (struct event_client){.device = 0};
    call->env.default_user_agent = SLICE_EMPTY;
    if (!ingest_member(body, "hits", &hits) || hits.text.data[0] != '[')
        return err_set(err, RC_INVALID, "no hits");
    return ingest_cut_array(call, hits.text, err);
}

/* ---- answers ---- */
static const char *header_text(struct arena *arena, const char *text)
{
    char *copy = arena_strndup(arena, text, strlen(text));
    for (char *c = copy; c && *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return copy ? copy : "";
}

static uint32_t picture_headers(struct arena *arena, const char *why, struct net_header ret[2])
{
    ret[0] = (struct net_header){SLICE_LIT("Cache-Control"), SLICE_LIT("no-store")};
    if (!why)
        return 1;
    ret[1] = (struct net_header){SLICE_LIT("X-Goatcounter"), slice_str(header_text(arena, why))};
    return 2;
}

static void answer_count(struct ingest_call *call)
{
    struct net_header headers[2];
    const struct ingest_result *r = &call->results[0];
    const char *details = r->details ? r->details : event_reason_name(r->reason);
    bool is_kept = r->reason == EVENT_FINE;
    uint32_t n = picture_headers(
        call->req->net->arena,
        is_kept ? NULL : arena_printf(call->req->net->arena, "not valid: %s", details), headers);
    ingest_answer_with(call, is_kept ? 200 : 400, "image/gif", ingest_pixel, headers, n);
}

static void answer_api(struct ingest_call *call)
{
    struct buf body;
    struct ingest *in = call->ingest;
    const char *between = "";
    bool is_bad = call->kept < call->result_count || !call->result_count;
    ingest_buf_take(in, 64 << 20, &body);
    buf_add_str(&body, !is_bad              ? "{"
                       : call->result_count ? "{\"errors\":{"
                                            : "{\"error\":\"no hits\"");
    for (uint32_t i = 0; i < call->result_count; i++) {
        const struct ingest_result *r = &call->results[i];
        if (r->reason == EVENT_FINE)
            continue;
        buf_addf(&body, "%s\"%u\":", between, i);
        buf_add_json(&body, slice_str(r->details ? r->details : event_reason_name(r->reason)));
        between = ",";
    }
    buf_add_str(&body, is_bad && call->result_count ? "}}" : "}");
    ingest_answer(call, is_bad ? 400 : 202, "application/json", buf_slice(&body));
    ingest_buf_give(in, &body);
}

static void answer_goatcounter(struct ingest_call *call)
{
    if (call->route->variant == API)
        answer_api(call);
    else
        answer_count(call);
}

static bool is_api(const struct api_request *req);

static void refuse(struct api_request *req, enum rc rc, const char *text)
{
    struct net_header headers[2];
    struct buf body;
    if (rc != RC_UNAUTHORIZED && rc != RC_INVALID) {
        api_problem(req, rc, "%s", text);
        return;
    }
    if (!is_api(req)) {
        uint32_t n = picture_headers(req->net->arena,
                                     rc == RC_INVALID ? text : "no site of that name", headers);
        api_answer(req, 400, "image/gif", ingest_pixel, headers, n);
        return;
    }
    buf_init(&body, 4096);
    buf_add_str(&body, "{\"error\":");
    buf_add_json(&body, slice_str(text));
    buf_add_char(&body, '}');
    api_answer(req, rc_http_status(rc), "application/json", buf_slice(&body), NULL, 0);
    buf_done(&body);
}

#define PICTURE                                                                              \
    "\"security\":[{},{\"writeKey\":[]}],\"responses\":{\"200\":{\"description\":\"Kept; a " \
    "picture of one pixel\"},\"400\":{\"description\":\"Not kept; why: X-Goatcounter\"}}"
#define API_PATTERN "/api/v0/count"

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = API_PATTERN,
     .variant = API,
     .openapi = "{\"operationId\":\"goatcounterApi\",\"summary\":\"GoatCounter: {hits} of a "
                "server\",\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"required\":true,"
                "\"content\":{\"application/json\":{}}},\"responses\":{\"202\":{\"description\":"
                "\"All are kept\"},\"400\":{\"description\":\"{errors}, by index; the others are "
                "kept\"},\"401\":{\"description\":\"{error}\"}}}"},
    {.method = NET_GET,
     .pattern = "*/count",
     .variant = COUNT,
     .is_empty_allowed = true,
     .openapi = "{\"operationId\":\"goatcounterCount\",\"summary\":\"GoatCounter: a page view or "
                "event in the query\"," PICTURE "}"},
    {.method = NET_POST,
     .pattern = "*/count",
     .variant = COUNT,
     .is_empty_allowed = true,
     .openapi =
         "{\"operationId\":\"goatcounterBeacon\",\"summary\":\"The same of a beacon\"," PICTURE
         "}"},
};

static bool is_api(const struct api_request *req)
{
    return slice_eq_str(slice_str(req->route->pattern), API_PATTERN);
}

static const struct head alone = {.site = SLICE_CONST("")};

const struct dialect dialect_goatcounter = {.source = "goatcounter",
                                            .routes = routes,
                                            .route_count = COUNT_OF(routes),
                                            .unwrap = unwrap,
                                            .find_key = find_key,
                                            .cut = cut,
                                            .read = read_goatcounter,
                                            .answer = answer_goatcounter,
                                            .is_of_visitor = true,
                                            .refuse = refuse,
                                            .alone = &alone};
