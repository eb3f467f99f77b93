/* WHAT  Umami's POST /api/send and /api/batch: its script, @umami/node, and servers.
 * WHY   {"type","payload"}; the payload names the website. A payload of web vitals is one event for
 *       each of them, so an item of a batch may have several outcomes, or none.
 * BOTS  Umami answers {"beep":"boop"} and forgets what a bot sent. Here it is kept like everything
 *       else and told apart by a column.
 * CACHE Umami's answer carries a token that the script sends back (x-umami-cache), so that the
 *       server need not look its session up again. weir has nothing to remember: the token is the
 *       same for everybody and means nothing. */
#include "analytics/ingest/ingest_int.h"

#include <stdio.h>

#include "codec/hash.h"

enum { SEND, BATCH }; /* variants of the route; what is read has one of these: */
enum { WHOLE, FIRST_VITAL };

/* Where in the results the outcomes of an item are. */
struct item {
    uint32_t first, count;
};
struct batch {
    struct item *items;
    uint32_t count, cap;
};
/* What an item says without being read. */
enum { TYPE, PAYLOAD, ITEM_MEMBERS };
static const struct slice item_names[ITEM_MEMBERS] = {
    [TYPE] = SLICE_CONST("type"),
    [PAYLOAD] = SLICE_CONST("payload"),
};
struct look {
    struct json_span whole, member[ITEM_MEMBERS];
    bool is_object; /* and one as it should be, as far as it was looked at */
    struct slice site;
};

/* ---- reading ---- */
enum {
    WEBSITE,
    LINK,
    PIXEL,
    HOSTNAME,
    LANGUAGE,
    REFERRER,
    SCREEN,
    TITLE,
    URL,
    NAME,
    ID,
    VISITOR,
    DATA,
    IP,
    USER_AGENT,
    TIMESTAMP,
    MEMBERS
};
static const struct slice names[MEMBERS] = {
    [WEBSITE] = SLICE_CONST("website"),
    [LINK] = SLICE_CONST("link"),
    [PIXEL] = SLICE_CONST("pixel"),
    [HOSTNAME] = SLICE_CONST("hostname"),
    [LANGUAGE] = SLICE_CONST("language"),
    [REFERRER] = SLICE_CONST("referrer"),
    [SCREEN] = SLICE_CONST("screen"),
    [TITLE] = SLICE_CONST("title"),
    [URL] = SLICE_CONST("url"),
    [NAME] = SLICE_CONST("name"),
    [ID] = SLICE_CONST("id"),
    [VISITOR] = SLICE_CONST("vid"),
    [DATA] = SLICE_CONST("data"),
    [IP] = SLICE_CONST("ip"),
    [USER_AGENT] = SLICE_CONST("userAgent"),
    [TIMESTAMP] = SLICE_CONST("timestamp"),
};
/* The rest (tag, browser, os, device, …) stays as the event's context; an address never does. */
static const char *const taken[] = {
    "website", "link", "pixel", "hostname", "language", "referrer", "screen",    "title",
    "url",     "name", "id",    "vid",      "data",     "ip",       "userAgent", "timestamp",
    "lcp",     "inp",  "cls",   "fcp",      "ttfb",     NULL};

/* Pages are sent whole, or without their host, which stands beside them. Umami reads them against
 * https://hostname, too. */
static struct slice whole_url(yyjson_val *v, struct slice hostname, const char *name,
                              struct arena *arena, struct event_notes *n)
{
    struct slice url = event_field_text(v, name, EVENT_URL_BYTES_MAX, n);
    bool is_path = url.len && url.data[0] == '/' && !(url.len > 1 && url.data[1] == '/');
    if (!is_path || !hostname.len)
        return url;
    const struct slice parts[] = {SLICE_LIT("https://"), hostname, url};
    return event_cut(event_join(arena, parts, COUNT_OF(parts)), EVENT_URL_BYTES_MAX);
}

static void read_page(yyjson_val *const *member, const struct event_env *env, struct event *e,
                      struct event_notes *n)
{
    struct slice host = event_field_text(member[HOSTNAME], "hostname", 253, n);
    e->url = whole_url(member[URL], host, "url", env->arena, n);
    if (e->url.len)
        e->path = event_url_path_hash(e->url, env->arena); /* as Umami counts pages */
    e->referrer = whole_url(member[REFERRER], host, "referrer", env->arena, n);
    e->title = event_field_text(member[TITLE], "title", EVENT_TITLE_BYTES_MAX, n);
    e->locale = event_field_text(member[LANGUAGE], "language", EVENT_LOCALE_BYTES_MAX, n);
    event_take_screen(e, member[SCREEN], "screen", n);
}

static void read_visitor(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    e->user_id = event_field_text(member[ID], "id", EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = event_field_text(member[VISITOR], "vid", EVENT_ID_BYTES_MAX, n);
    e->user_agent =
        event_field_text(member[USER_AGENT], "userAgent", EVENT_USER_AGENT_BYTES_MAX, n);
    event_take_address(e, member[IP], "ip", n);
    e->is_spoken_for = member[IP] && yyjson_get_len(member[IP]) > 0;
}

static void read_data(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    e->properties = event_field_object(member[DATA], "data", n);
    yyjson_val *amount = json_get(e->properties, "revenue"),
               *currency = json_get(e->properties, "currency");
    double value;
    if (amount && currency && json_is_number(amount) && json_to_double(amount, &value) && value > 0)
        event_take_revenue(e, amount, currency, n);
}

static void read_event(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    struct slice name = event_field_text(member[NAME], "name", EVENT_NAME_BYTES_MAX, n);
    bool is_link = member[LINK] && !member[WEBSITE], is_pixel = member[PIXEL] && !member[WEBSITE];
    e->name = name.len   ? name
              : is_link  ? SLICE_LIT("link")
              : is_pixel ? SLICE_LIT("pixel")
                         : SLICE_LIT("pageview");
    read_data(member, e, n);
}

static void read_umami(yyjson_val *root, const struct event_env *env, struct event *e,
                       struct event_notes *n)
{
    yyjson_val *member[MEMBERS];
    yyjson_val *payload = json_get(root, "payload"), *type = json_get(root, "type");
    struct slice kind = type && yyjson_is_str(type) ? json_text(type) : SLICE_EMPTY;
    if (!payload || !yyjson_is_obj(payload)) {
        event_drop(n, EVENT_BAD_JSON, "payload (an object) is required");
        return;
    }
    json_get_all(payload, names, MEMBERS, member);
    event_take_id(e, NULL, "id", env, n);
    event_take_time(e, member[TIMESTAMP], "timestamp", env, n);
    read_page(member, env, e, n);
    read_visitor(member, e, n);
    e->context = payload;
    e->context_skip = taken;
    if (env->variant >= FIRST_VITAL) {
        const struct event_vital *vital = &event_vitals[env->variant - FIRST_VITAL];
        event_take_vital(e, vital, json_get(payload, vital->member), env, n);
    } else if (slice_eq_str(kind, "identify")) {
        event_set_kind(e, EVENT_IDENTIFY);
        e->traits = event_field_object(member[DATA], "data", n);
    } else if (slice_eq_str(kind, "event")) {
        read_event(member, e, n);
    } else {
        event_drop(n, EVENT_BAD_VALUE, "type is event, identify or performance");
    }
}

/* ---- items ---- */
/* The website, link or pixel of a payload. */
static struct slice site_of(struct ingest_call *call, struct slice payload)
{
    enum { SITES = 3 };
    struct json_span site[SITES];
    struct slice text = SLICE_EMPTY;
    ingest_members(payload, names + WEBSITE, SITES, site);
    for (unsigned i = 0; i < SITES && !text.len; i++)
        text = ingest_span_text(call, &site[i]);
    return text;
}

static void look_at(struct ingest_call *call, struct slice item, struct look *ret)
{
    ret->is_object =
        ingest_members_of_whole(item, item_names, ITEM_MEMBERS, ret->member, &ret->whole);
    ret->site = site_of(call, ret->member[PAYLOAD].text);
}

/* Of /api/send: looked at once, for the key and for the event. */
static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    size_t at = 0;
    bool is_batch = call->route->variant == BATCH;
    if (json_peek(*body, &at) != (is_batch ? '[' : '{'))
        return err_set(err, RC_INVALID, "The body is %s{type, payload}.",
                       is_batch ? "an array of " : "");
    if (is_batch)
        return RC_OK;
    struct look *look = arena_alloc(call->req->net->arena, sizeof(*look));
    ENSURE(look, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    look_at(call, *body, look);
    call->own = look;
    return RC_OK;
}

static struct slice find_key(struct ingest_call *call)
{
    enum { ITEMS_LOOKED_AT = 100 };
    struct json_items items;
    struct json_span span;
    struct slice first = SLICE_EMPTY;
    size_t at = 0;
    if (call->route->variant == SEND)
        return ((struct look *)call->own)->site;
    json_peek(call->body, &at);
    if (json_items_begin(&items, slice_sub(call->body, at)) != RC_OK)
        return SLICE_EMPTY;
    for (int i = 0; i < ITEMS_LOOKED_AT && json_items_next(&items, &span) == RC_OK; i++) {
        struct look look;
        look_at(call, span.text, &look);
        if (api_ingest_knows(call->req, look.site))
            return look.site;
        if (!first.len)
            first = look.site;
    }
    return first;
}

static enum rc cut_item(struct ingest_call *call, const struct look *look, struct err *err)
{
    const char *why = NULL;
    if (call->key.len) /* else the key was in the head, and is the only one */
        why = ingest_turn_to(call, look->site);
    if (why)
        return ingest_drop(call, EVENT_NO_PROJECT, why, err);
    if (slice_eq_str(ingest_span_text(call, &look->member[TYPE]), "performance"))
        return ingest_cut_vitals(call, look->member[PAYLOAD].text, &look->whole, FIRST_VITAL, err);
    call->env.variant = WHOLE;
    return ingest_event(call, &look->whole, err);
}

static enum rc note_item(struct ingest_call *call, struct batch *batch, uint32_t first)
{
    if (batch->count == batch->cap) {
        uint32_t cap = batch->cap ? 2 * batch->cap : 8;
        struct item *items = arena_alloc(call->req->net->arena, cap * sizeof(*items));
        ENSURE(items, RC_NOMEM);
        if (batch->count)
            memcpy(items, batch->items, batch->count * sizeof(*items));
        batch->items = items;
        batch->cap = cap;
    }
    batch->items[batch->count++] = (struct item){first, call->result_count - first};
    return RC_OK;
}

static enum rc cut_batch(struct ingest_call *call, struct slice body, struct batch *batch,
                         struct err *err)
{
    struct json_items items;
    struct json_span span;
    size_t at = 0;
    json_peek(body, &at);
    enum rc rc = json_items_begin(&items, slice_sub(body, at));
    while (rc == RC_OK && (rc = json_items_next(&items, &span)) == RC_OK) {
        uint32_t first = call->result_count;
        struct look look;
        look_at(call, span.text, &look);
        TRY(cut_item(call, &look, err));
        if (note_item(call, batch, first) != RC_OK)
            return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    }
    if (rc == RC_END)
        return RC_OK;
    return err_set(err, RC_INVALID, "The array is broken after item %u.", batch->count);
}

static enum rc cut(struct ingest_call *call, struct slice body, struct err *err)
{
    struct json_span span;
    size_t at = 0;
    if (call->route->variant == BATCH) {
        struct batch *batch = arena_zalloc(call->req->net->arena, sizeof(*batch));
        ENSURE(batch, err_set(err, RC_NOMEM, "There is no memory for this request now."));
        call->own = batch;
        return cut_batch(call, body, batch, err);
    }
    const struct look *look = call->own;
    if (!look->is_object && (!json_skip(body, &at, &span) || json_peek(body, &at)))
        return err_set(err, RC_INVALID, "The body is not valid JSON.");
    return cut_item(call, look, err);
}

/* ---- answers ---- */
static const char cache[] = "weir"; /* any text that fits into a header */

static void add_bad(struct buf *out, const char *why)
{
    buf_add_str(out, "{\"error\":{\"message\":");
    buf_add_json(out, slice_str(why));
    buf_add_str(out, ",\"code\":\"bad-request\",\"status\":400}}");
}

static const char *text_of(const struct ingest_result *r)
{
    return r->reason == EVENT_NO_PROJECT ? "Website not found."
           : r->details                  ? r->details
                                         : event_reason_name(r->reason);
}

/* Clients show them to nobody; they are the same as long as the visitor is. */
static void add_ids(struct ingest_call *call, struct buf *out)
{
    static const char *const members[] = {"sessionId", "visitId"};
    char text[UUID_TEXT_LEN + 1];
    uint8_t hash[SHA256_BYTES];
    struct slice visitor = slice_of(call->space.out.data, call->kept ? call->lengths[0] : 0);
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        const struct slice parts[] = {SLICE_LIT("weir umami "), slice_str(members[i]), visitor};
        sha256_parts(parts, COUNT_OF(parts), hash);
        struct uuid id = uuid_v8_from_hash(hash);
        buf_addf(out, ",\"%s\":\"%s\"", members[i], uuid_format(&id, text));
    }
}

static const struct ingest_result *first_bad(const struct ingest_call *call, struct item item)
{
    for (uint32_t i = item.first; i < item.first + item.count; i++)
        if (call->results[i].reason != EVENT_FINE)
            return &call->results[i];
    return NULL;
}

static void answer_send(struct ingest_call *call, struct buf *body)
{
    const struct ingest_result *bad = first_bad(call, (struct item){0, call->result_count});
    if (bad) {
        add_bad(body, text_of(bad));
        return;
    }
    buf_addf(body, "{\"cache\":\"%s\"", cache);
    add_ids(call, body);
    buf_add_char(body, '}');
}

static void answer_batch(struct ingest_call *call, struct buf *body)
{
    const struct batch *batch = call->own;
    uint32_t errors = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        errors += first_bad(call, batch->items[i]) != NULL;
    buf_addf(body, "{\"size\":%u,\"processed\":%u,\"errors\":%u,\"details\":[", batch->count,
             batch->count - errors, errors);
    const char *between = "";
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct ingest_result *bad = first_bad(call, batch->items[i]);
        if (!bad)
            continue;
        buf_addf(body, "%s{\"index\":%u,\"response\":", between, i);
        add_bad(body, text_of(bad));
        buf_add_char(body, '}');
        between = ",";
    }
    buf_addf(body, "],\"cache\":\"%s\"}", cache);
}

static void answer_umami(struct ingest_call *call)
{
    struct buf body;
    struct ingest *in = call->ingest;
    bool is_batch = call->route->variant == BATCH;
    bool is_bad = !is_batch && first_bad(call, (struct item){0, call->result_count});
    ingest_buf_take(in, 64 << 20, &body);
    if (is_batch)
        answer_batch(call, &body);
    else
        answer_send(call, &body);
    ingest_answer(call, is_bad ? 400 : 200, "application/json", buf_slice(&body));
    ingest_buf_give(in, &body);
}

static void refuse(struct api_request *req, enum rc rc, const char *text)
{
    struct buf body;
    if (rc != RC_UNAUTHORIZED && rc != RC_INVALID) {
        api_problem(req, rc, "%s", text);
        return;
    }
    buf_init(&body, 4096);
    add_bad(&body, rc == RC_INVALID ? text : "Website not found.");
    api_answer(req, 400, "application/json", buf_slice(&body), NULL, 0);
    buf_done(&body);
}

static void heartbeat(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx;
    (void)service;
    api_json(req, 200, SLICE_LIT("{\"ok\":true}"));
}

#define UMAMI_BODY                                                                           \
    "\"security\":[{},{\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"" \
    "application/json\":{}}},\"responses\":{\"200\":{\"description\":\"Kept\"},\"400\":{\""  \
    "description\":\"{error}\"}}"

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "/api/send",
     .variant = SEND,
     .openapi =
         "{\"operationId\":\"umamiSend\",\"summary\":\"Umami: one {type, payload}\"," UMAMI_BODY
         "}"},
    {.method = NET_POST,
     .pattern = "/api/batch",
     .variant = BATCH,
     .openapi =
         "{\"operationId\":\"umamiBatch\",\"summary\":\"Umami: an array of them\"," UMAMI_BODY "}"},
    {.method = NET_GET,
     .pattern = "/api/heartbeat",
     .access = API_PUBLIC,
     .handle = heartbeat,
     .openapi = "{\"operationId\":\"umamiHeartbeat\",\"summary\":\"Umami: whether it is there\","
                "\"security\":[],\"responses\":{\"200\":{\"description\":\"{ok}\"}}}"},
};

const struct dialect dialect_umami = {.source = "umami",
                                      .routes = routes,
                                      .route_count = COUNT_OF(routes),
                                      .unwrap = unwrap,
                                      .find_key = find_key,
                                      .cut = cut,
                                      .read = read_umami,
                                      .answer = answer_umami,
                                      .refuse = refuse};
