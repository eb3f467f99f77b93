/* WHAT    An event of the store as JSON, with the record's names or the article's.
 * WHY     properties and context are kept as JSON text in the table; they are put into the answer
 *         as they stand (they were valid JSON when they went in, and are looked over again here),
 *         so that no number loses a digit. */
#include "analytics/report/query_int.h"

/* In this order in the rows of the answer. */
enum {
    F_ID,
    F_EVENT,
    F_TIME,
    F_SESSION,
    F_USER,
    F_ANONYMOUS,
    F_PROPERTIES,
    F_CONTEXT,
    F_URL,
    F_TITLE,
    F_PATH,
    F_REFERRER,
    F_AGENT,
    F_LOCALE,
    F_WIDTH,
    F_HEIGHT,
    F_RECEIVED,
    F_COUNTRY,
    F_REGION,
    F_CITY,
    F_COUNT,
};
_Static_assert(F_COUNT == (int)QUERY_EVENT_COLUMN_COUNT && F_ID == (int)QUERY_EVENT_ID &&
                   F_TIME == (int)QUERY_EVENT_TIME,
               "QUERY_EVENT_COLUMNS");

struct event_out { /* one row under way */
    struct buf *body;
    yyjson_val *fields[F_COUNT];
    bool is_first; /* member of the object under way */
};

static struct slice text_of(const struct event_out *o, int field)
{
    return o->fields[field] ? json_text(o->fields[field]) : SLICE_EMPTY;
}

static void member(struct event_out *o, const char *name)
{
    if (!o->is_first)
        buf_add_char(o->body, ',');
    o->is_first = false;
    buf_addf(o->body, "\"%s\":", name);
}

static void put_text(struct event_out *o, const char *name, int field, bool is_null_shown)
{
    struct slice text = text_of(o, field);
    if (text.len == 0 && !is_null_shown)
        return;
    member(o, name);
    if (text.len)
        buf_add_json(o->body, text);
    else
        buf_add_str(o->body, "null");
}

static bool is_any(const struct event_out *o, const int *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_of(o, fields[i]).len)
            return true;
    return false;
}

static void put_page(struct event_out *o)
{
    static const int fields[] = {F_URL, F_TITLE, F_PATH, F_REFERRER};
    static const char *const names[] = {"url", "title", "path", "referrer"};
    if (!is_any(o, fields, COUNT_OF(fields)))
        return;
    member(o, "page");
    buf_add_char(o->body, '{');
    o->is_first = true;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        put_text(o, names[i], fields[i], false);
    buf_add_char(o->body, '}');
    o->is_first = false;
}

static void put_screen(struct event_out *o)
{
    struct slice width = text_of(o, F_WIDTH), height = text_of(o, F_HEIGHT);
    if (slice_eq_str(width, "0") && slice_eq_str(height, "0"))
        return;
    member(o, "screen");
    buf_addf(o->body, "{\"width\":%.*s,\"height\":%.*s}", SLICE_ARG(width), SLICE_ARG(height));
}

static void put_geo(struct event_out *o, const char *country)
{
    static const int fields[] = {F_COUNTRY, F_REGION, F_CITY};
    if (!is_any(o, fields, COUNT_OF(fields)))
        return;
    member(o, "geo");
    buf_add_char(o->body, '{');
    o->is_first = true;
    put_text(o, country, F_COUNTRY, false);
    put_text(o, "region", F_REGION, false);
    put_text(o, "city", F_CITY, false);
    buf_add_char(o->body, '}');
    o->is_first = false;
}

/* What else the client put into its context; ours come first and are not repeated. */
static void put_rest_of_context(struct event_out *o)
{
    static const char *const ours[] = {"page",   "userAgent",  "locale",
                                       "screen", "receivedAt", "geo"};
    struct json_members it;
    struct json_span value;
    struct slice key;
    struct slice text = text_of(o, F_CONTEXT);
    if (text.len == 0 || json_members_begin(&it, text) != RC_OK)
        return;
    while (json_members_next(&it, &key, &value) == RC_OK) {
        bool is_ours = false;
        for (size_t i = 0; i < COUNT_OF(ours); i++)
            is_ours |= slice_eq_str(key, ours[i]);
        if (is_ours)
            continue;
        buf_addf(o->body, "%s\"%.*s\":", o->is_first ? "" : ",", SLICE_ARG(key));
        buf_add_slice(o->body, value.text);
        o->is_first = false;
    }
}

static void put_context(struct event_out *o)
{
    member(o, "context");
    buf_add_char(o->body, '{');
    o->is_first = true;
    put_page(o);
    put_text(o, "userAgent", F_AGENT, false);
    put_text(o, "locale", F_LOCALE, false);
    put_screen(o);
    member(o, "receivedAt");
    buf_add_slice(o->body, text_of(o, F_RECEIVED));
    put_geo(o, "countryCode");
    put_rest_of_context(o);
    buf_add_char(o->body, '}');
    o->is_first = false;
}

static bool is_json_object(struct slice text, struct arena *scratch)
{
    yyjson_val *root;
    return text.len && json_parse(scratch, text, &root, NULL) == RC_OK && yyjson_is_obj(root);
}

static void put_properties(struct event_out *o, struct arena *scratch)
{
    member(o, "properties");
    if (is_json_object(text_of(o, F_PROPERTIES), scratch))
        buf_add_slice(o->body, text_of(o, F_PROPERTIES));
    else
        buf_add_str(o->body, "null");
}

/* As the article names it. */
static void put_event(struct event_out *o, struct arena *scratch)
{
    buf_add_char(o->body, '{');
    o->is_first = true;
    put_text(o, "id", F_ID, true);
    put_text(o, "eventType", F_EVENT, true);
    member(o, "timestamp");
    buf_add_slice(o->body, text_of(o, F_TIME));
    put_text(o, "sessionId", F_SESSION, true);
    put_text(o, "userId", F_USER, true);
    put_text(o, "anonymousId", F_ANONYMOUS, true);
    put_properties(o, scratch);
    put_context(o);
}

static void put_time(struct event_out *o, const char *name, int field)
{
    char text[TIME_TEXT_BYTES];
    int64_t ms = 0;
    member(o, name);
    if (json_to_i64(o->fields[field], &ms))
        buf_addf(o->body, "\"%s\"", time_format((unix_ms){ms}, text));
    else
        buf_add_str(o->body, "null");
}

/* As the record names it (docs/format/event.md). */
static void put_own_event(struct event_out *o, struct arena *scratch)
{
    buf_add_char(o->body, '{');
    o->is_first = true;
    put_text(o, "id", F_ID, true);
    put_text(o, "event", F_EVENT, true);
    put_time(o, "timestamp", F_TIME);
    put_time(o, "received_at", F_RECEIVED);
    put_text(o, "user_id", F_USER, true);
    put_text(o, "anonymous_id", F_ANONYMOUS, true);
    put_text(o, "session_id", F_SESSION, true);
    put_page(o);
    put_screen(o);
    put_text(o, "user_agent", F_AGENT, false);
    put_text(o, "locale", F_LOCALE, false);
    put_geo(o, "country");
    put_properties(o, scratch);
    if (text_of(o, F_CONTEXT).len) {
        member(o, "context");
        buf_add_slice(o->body, text_of(o, F_CONTEXT));
    }
}

static enum rc read_fields(struct event_out *o, yyjson_val *row, struct arena *scratch,
                           struct err *err)
{
    yyjson_val *value;
    size_t i, n;
    ENSURE(yyjson_is_arr(row) && yyjson_arr_size(row) >= F_COUNT,
           err_set(err, RC_STORE, "the store's answer has another shape than expected"));
    yyjson_arr_foreach(row, i, n, value)
    {
        if (i == F_COUNT)
            break;
        ENSURE(yyjson_is_str(value) || json_is_number(value),
               err_set(err, RC_STORE, "the store's answer has another shape than expected"));
        o->fields[i] = value;
    }
    if (!is_json_object(text_of(o, F_CONTEXT), scratch)) {
        /* Not an object, or nothing: its members are then not looked at. */
        static yyjson_val none = {.tag = YYJSON_TYPE_STR | YYJSON_SUBTYPE_NONE, .uni = {.str = ""}};
        o->fields[F_CONTEXT] = &none;
    }
    return RC_OK;
}

enum rc query_event_put(yyjson_val *row, struct arena *scratch, struct buf *body, struct err *err)
{
    struct event_out out = {.body = body};
    TRY(read_fields(&out, row, scratch, err));
    put_own_event(&out, scratch);
    return RC_OK;
}

enum rc query_event_put_article(yyjson_val *row, struct arena *scratch, struct buf *body,
                                struct err *err)
{
    struct event_out out = {.body = body};
    TRY(read_fields(&out, row, scratch, err));
    put_event(&out, scratch);
    buf_add_char(body, '}');
    return RC_OK;
}
