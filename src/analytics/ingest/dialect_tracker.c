/* WHAT   weir's own tracker (sdk/tracker, docs/tracker.md): POST …/w.
 * WHY    The script may be no larger than it is, so it sends what it has and the server does the
 *        rest: attributes become properties here, the part after '#' is cut off here, and what all
 *        events of a body share is said once (docs/ingest.md has the table).
 * IDS    The body's `i` and the event's: the same in every try, so a retry is no second event. */
#include "analytics/ingest/ingest_int.h"

enum { PREFIX_BYTES_MAX = 64, DATASET_BYTES_MAX = 2 * EVENT_PROPERTIES_BYTES_MAX };

/* What a body says of all its events. */
enum {
    SHARED_ID,
    SHARED_TIME,
    WIDTH,
    HEIGHT,
    SHARED_TITLE,
    SHARED_USER,
    HASH,
    EVENTS,
    SHARED_KEY,
    SHARED
};
static const struct slice shared_names[SHARED] = {
    [SHARED_ID] = SLICE_CONST("i"),    [SHARED_TIME] = SLICE_CONST("t"),
    [WIDTH] = SLICE_CONST("w"),        [HEIGHT] = SLICE_CONST("h"),
    [SHARED_TITLE] = SLICE_CONST("d"), [SHARED_USER] = SLICE_CONST("user"),
    [HASH] = SLICE_CONST("hash"),      [EVENTS] = SLICE_CONST("e"),
    [SHARED_KEY] = SLICE_CONST("key"),
};
struct shared {
    struct ingest_call *call;
    struct slice prefix; /* of ids, as sent */
    yyjson_val *width, *height, *title;
    bool is_hash_mode;
    uint32_t titled; /* which event has the title: the last page view */
};

enum {
    ID,
    NAME,
    TIME,
    URL,
    REFERRER,
    PROPERTIES,
    REVENUE,
    INTERACTIVE,
    USER,
    GROUP,
    PREVIOUS,
    MEMBERS
};
static const struct slice names[MEMBERS] = {
    [ID] = SLICE_CONST("i"),
    [NAME] = SLICE_CONST("n"),
    [TIME] = SLICE_CONST("t"),
    [URL] = SLICE_CONST("u"),
    [REFERRER] = SLICE_CONST("r"),
    [PROPERTIES] = SLICE_CONST("p"),
    [REVENUE] = SLICE_CONST("revenue"),
    [INTERACTIVE] = SLICE_CONST("interactive"),
    [USER] = SLICE_CONST("user"),
    [GROUP] = SLICE_CONST("group"),
    [PREVIOUS] = SLICE_CONST("previous"),
};

/* ---- attributes of an element (its dataset) as properties ---- */

/* weirPlanSize → plan-size: the way back from an attribute's name to a dataset's. */
static void add_attribute(struct buf *out, struct slice key, yyjson_val *value)
{
    char name[2 * JSON_KEY_BYTES_MAX];
    size_t len = 0;
    for (size_t i = 4; i < key.len && len + 2 < sizeof(name); i++) {
        bool is_upper = key.data[i] >= 'A' && key.data[i] <= 'Z';
        if (is_upper && len)
            name[len++] = '-';
        name[len++] = is_upper ? (char)(key.data[i] | 0x20) : key.data[i];
    }
    buf_add_str(out, out->len > 1 ? "," : "");
    buf_add_json(out, slice_of(name, len));
    buf_add_char(out, ':');
    buf_add_json(out, json_text(value));
}

/* Only what the page has written for us: data-weir-…, and the id of a form. */
static yyjson_val *of_dataset(struct ingest_call *call, yyjson_val *dataset, struct event_notes *n)
{
    struct err err = ERR_INIT;
    struct buf out;
    size_t at, most;
    yyjson_val *key, *value, *ret = NULL;
    ingest_buf_take(call->ingest, DATASET_BYTES_MAX, &out);
    buf_add_char(&out, '{');
    yyjson_obj_foreach(dataset, at, most, key, value)
    {
        struct slice name = json_text(key);
        if (!yyjson_is_str(value))
            continue;
        if (slice_eq_str(name, "id") && json_text(value).len)
            add_attribute(&out, SLICE_LIT("weirId"), value);
        else if (name.len > 4 && slice_has_prefix(name, SLICE_LIT("weir")))
            add_attribute(&out, name, value);
    }
    buf_add_char(&out, '}');
    if (!buf_ok(&out) || json_parse(call->req->net->arena, buf_slice(&out), &ret, &err) != RC_OK)
        event_drop(n, EVENT_TOO_LARGE, "the attributes are too large");
    ingest_buf_give(call->ingest, &out);
    return ret;
}

static yyjson_val *read_properties(const struct shared *shared, yyjson_val *v,
                                   const struct event *e, struct event_notes *n)
{
    yyjson_val *properties = event_field_object(v, "p", n);
    yyjson_val *mark = json_get(properties, "weir");
    bool is_marked = mark && yyjson_is_str(mark) && slice_eq(json_text(mark), e->name);
    if (is_marked || (properties && slice_eq_str(e->name, "form")))
        return of_dataset(shared->call, properties, n);
    return properties;
}

/* ---- one event ---- */

/* In hash mode "https://h/app?x#/inbox?y" is the page "/app#/inbox". */
static void read_page(const struct shared *shared, yyjson_val *url, struct event *e,
                      struct event_notes *n)
{
    struct slice rest = event_field_text(url, "u", EVENT_URL_BYTES_MAX, n);
    e->url = rest;
    e->path = event_url_path(rest);
    struct slice before = slice_cut(&rest, '#');
    if (!shared->is_hash_mode) {
        e->url = before; /* it may hold anything, a token too */
        return;
    }
    struct slice part = slice_cut(&rest, '?');
    char *path = arena_alloc(shared->call->req->net->arena, e->path.len + 1 + part.len);
    if (!part.len || !path)
        return;
    memcpy(path, e->path.data, e->path.len);
    path[e->path.len] = '#';
    memcpy(path + e->path.len + 1, part.data, part.len);
    e->path = slice_of(path, e->path.len + 1 + part.len);
}

static void read_id(const struct shared *shared, yyjson_val *id, const struct event_env *env,
                    struct event *e)
{
    bool has_id = id && (yyjson_is_str(id) || json_is_number(id));
    if (!shared->prefix.len || !has_id || !json_text(id).len) {
        e->id = uuid_v7(env->received_at);
        return;
    }
    const struct slice parts[] = {shared->prefix, SLICE_LIT("/"), json_text(id)};
    event_derive_id(e, env, parts, COUNT_OF(parts));
}

static void read_revenue(yyjson_val *revenue, struct event *e, struct event_notes *n)
{
    yyjson_val *amount = json_get(e->properties, "revenue"),
               *currency = json_get(e->properties, "currency");
    if (revenue)
        event_take_revenue(e, json_get(revenue, "amount"), json_get(revenue, "currency"), n);
    else if (amount && currency)
        event_take_revenue(e, amount, currency, n);
}

/* Names that are no events but say something: their properties are then what they say. */
static void read_kind(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    if (slice_eq_str(e->name, "engagement")) {
        event_set_kind(e, EVENT_ENGAGEMENT);
        event_take_engagement(e, json_get(e->properties, "m"), json_get(e->properties, "s"), n);
        e->properties = NULL;
    } else if (slice_eq_str(e->name, "vital")) {
        event_set_kind(e, EVENT_VITAL);
    } else if (slice_eq_str(e->name, "identify")) {
        event_set_kind(e, EVENT_IDENTIFY);
        e->traits = take_ptr(&e->properties);
    } else if (slice_eq_str(e->name, "group")) {
        event_set_kind(e, EVENT_GROUP);
        e->traits = take_ptr(&e->properties);
        if (!e->group_id.len)
            event_drop(n, EVENT_NO_ID, "group {type, id} is missing");
    } else if (slice_eq_str(e->name, "alias")) {
        event_set_kind(e, EVENT_ALIAS);
        e->previous_id = event_field_text(member[PREVIOUS], "previous", EVENT_ID_BYTES_MAX, n);
        if (!e->previous_id.len)
            event_drop(n, EVENT_NO_ID, "previous is missing");
    }
    if ((e->kind == EVENT_IDENTIFY || e->kind == EVENT_ALIAS) && !e->user_id.len)
        event_drop(n, EVENT_NO_ID, "user is missing");
}

static void read_user(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    if (member[USER])
        e->user_id = event_field_text(member[USER], "user", EVENT_ID_BYTES_MAX, n);
    e->group_type = event_field_text(json_get(member[GROUP], "type"), "group.type",
                                     EVENT_GROUP_TYPE_BYTES_MAX, n);
    e->group_id =
        event_field_text(json_get(member[GROUP], "id"), "group.id", EVENT_ID_BYTES_MAX, n);
}

static void read_tracker(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    const struct shared *shared = env->shared;
    yyjson_val *member[MEMBERS];
    json_get_all(root, names, MEMBERS, member);
    read_id(shared, member[ID], env, e);
    event_take_name(e, member[NAME], "n", n);
    if (n->reason != EVENT_FINE)
        return;
    event_take_time(e, member[TIME], "t", env, n);
    read_page(shared, member[URL], e, n);
    e->referrer = event_field_text(member[REFERRER], "r", EVENT_URL_BYTES_MAX, n);
    if (shared->call->result_count == shared->titled)
        e->title = event_field_text(shared->title, "d", EVENT_TITLE_BYTES_MAX, n);
    e->screen_width = event_field_pixels(shared->width, "w", n);
    e->screen_height = event_field_pixels(shared->height, "h", n);
    e->is_passive = member[INTERACTIVE] && yyjson_is_false(member[INTERACTIVE]);
    e->properties = read_properties(shared, member[PROPERTIES], e, n);
    read_user(member, e, n);
    read_revenue(member[REVENUE], e, n);
    read_kind(member, e, n);
}

/* ---- the body ---- */

/* The title is the page's that was there at the end. */
static uint32_t last_view(struct slice array)
{
    struct json_items items;
    struct json_span span, name;
    uint32_t found = UINT32_MAX, i = 0;
    enum rc rc = json_items_begin(&items, array);
    for (; rc == RC_OK && json_items_next(&items, &span) == RC_OK && i < INGEST_EVENTS_MAX; i++)
        if (ingest_member(span.text, "n", &name) && slice_eq_str(name.text, "\"pageview\""))
            found = i;
    return found;
}

static yyjson_val *shared_value(struct ingest_call *call, const struct json_span *span)
{
    struct err err = ERR_INIT;
    yyjson_val *v = NULL;
    bool is_scalar = span->text.len && span->depth == 0 && span->text.len <= EVENT_BYTES_MAX;
    if (!is_scalar || json_parse_span(call->req->net->arena, span, &v, &err) != RC_OK)
        return NULL;
    return v;
}

/* The members' last spans; an empty text where there is none. */
static enum rc unwrap(struct ingest_call *call, struct slice *body, struct err *err)
{
    struct json_span *span = arena_alloc(call->req->net->arena, SHARED * sizeof(*span));
    ENSURE(span, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    ingest_members(*body, shared_names, SHARED, span);
    call->own = span;
    return RC_OK;
}

static enum rc cut_tracker(struct ingest_call *call, struct slice body, struct err *err)
{
    const struct json_span *span = call->own;
    struct event_notes ignored = {.reason = EVENT_FINE};
    struct shared *shared = arena_zalloc(call->req->net->arena, sizeof(*shared));
    ENSURE(shared, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    (void)body;
    if (!span[EVENTS].text.len || span[EVENTS].text.data[0] != '[')
        return err_set(err, RC_INVALID, "The body is no JSON object with an array \"e\".");
    shared->call = call;
    if (span[SHARED_ID].depth == 0 && span[SHARED_ID].text.len <= PREFIX_BYTES_MAX)
        shared->prefix = span[SHARED_ID].text;
    shared->width = shared_value(call, &span[WIDTH]);
    shared->height = shared_value(call, &span[HEIGHT]);
    shared->title = shared_value(call, &span[SHARED_TITLE]);
    shared->is_hash_mode = span[HASH].text.len > 0;
    shared->titled = last_view(span[EVENTS].text);
    yyjson_val *user = shared_value(call, &span[SHARED_USER]);
    if (user)
        call->env.default_user_id = event_field_text(user, "user", EVENT_ID_BYTES_MAX, &ignored);
    yyjson_val *sent_at = shared_value(call, &span[SHARED_TIME]);
    int64_t ms;
    if (sent_at && json_to_i64(sent_at, &ms) && ms > 0 && ms < INT64_MAX / 2)
        call->env.clock_skew_ms = call->env.received_at.ms - ms;
    call->env.shared = shared;
    call->env.shared_bytes =
        shared->title && yyjson_is_str(shared->title) ? json_text(shared->title).len : 0;
    return ingest_cut_array(call, span[EVENTS].text, err);
}

static struct slice find_key(struct ingest_call *call)
{
    return ingest_span_text(call, (const struct json_span *)call->own + SHARED_KEY);
}

/* Nobody reads it: half of the requests are beacons, whose answer no script sees. */
static void answer_tracker(struct ingest_call *call)
{
    ingest_answer(call, 204, "", SLICE_EMPTY);
}

#define OPENAPI(id, summary)                                                                      \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary                                          \
    "\",\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"text/" \
    "plain\":{}}},\"responses\":{\"204\":{\"description\":\"Kept\"},\"400\":{\"$ref\":\"#/"       \
    "components/responses/Problem\"},\"401\":{\"$ref\":\"#/components/responses/Problem\"},"      \
    "\"413\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":\"#/components/"     \
    "responses/Problem\"}}}"

static const struct dialect_route routes[] = {
    {.method = NET_POST, .pattern = "*/w", .openapi = OPENAPI("tracker", "weir's own tracker")},
    {.method = NET_POST, /* at the operator's path */
     .openapi = OPENAPI("trackerOwn", "weir's own tracker, at a path of one's choice")},
};

const struct dialect dialect_tracker = {.source = "tracker",
                                        .routes = routes,
                                        .route_count = COUNT_OF(routes),
                                        .unwrap = unwrap,
                                        .find_key = find_key,
                                        .cut = cut_tracker,
                                        .read = read_tracker,
                                        .answer = answer_tracker,
                                        .is_of_visitor = true};
