/* WHAT    The routes that show events themselves: the list, one, and those of a user.
 * WHY     properties and context are kept as JSON text in the table; they are put into the answer
 *         as they stand (they were valid JSON when they went in, and are looked over again here),
 *         so that no number loses a digit.
 *         Pages of the list are continued by key (timestamp, id), not by counting rows: new events
 *         do not shift them. The cursor is opaque to the client.
 * THREADS handlers on the request's loop, shapes on the worker pool. */
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "base/must.h"
#include "codec/base64.h"

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

/* One line of JSONCompactEachRow. */
static enum rc read_row(struct event_out *o, struct slice line, struct arena *scratch,
                        struct err *err)
{
    yyjson_val *root;
    TRY(json_parse(scratch, line, &root, err));
    return read_fields(o, root, scratch, err);
}

enum rc query_event_put(yyjson_val *row, struct arena *scratch, struct buf *body, struct err *err)
{
    struct event_out out = {.body = body};
    TRY(read_fields(&out, row, scratch, err));
    put_own_event(&out, scratch);
    return RC_OK;
}

enum {
    ROW_ARENA_BYTES = 64 * 1024,
    ROW_ARENA_BYTES_MAX = 32 << 20,
    CURSOR_BYTES = 320,
    I64_DIGITS = 20
};

void query_cursor_put(struct buf *body, const char *name, struct slice number, struct slice text)
{
    char cursor[CURSOR_BYTES];
    int n = snprintf(cursor, sizeof(cursor), "%.*s:%.*s", SLICE_ARG(number), SLICE_ARG(text));
    must(n > 0 && (size_t)n < sizeof(cursor));
    buf_addf(body, ",\"%s\":\"", name);
    base64_encode(body, BASE64_URL, slice_of(cursor, (size_t)n));
    buf_add_char(body, '"');
}

/* The statement asks for one row more than the limit: if it comes, there is a next page. */
static enum rc put_rows(struct query_call *call, struct slice result, struct arena *scratch,
                        struct buf *body, struct err *err)
{
    struct event_out out = {.body = body};
    struct slice line;
    uint32_t rows = 0;
    buf_add_str(body, "{\"events\":[");
    while (rows < call->limit && json_line_next(&result, &line)) {
        arena_reset(scratch);
        TRY(read_row(&out, line, scratch, err));
        if (rows++)
            buf_add_char(body, ',');
        put_event(&out, scratch);
        buf_add_char(body, '}');
    }
    buf_add_char(body, ']');
    if (json_line_next(&result, &line))
        query_cursor_put(body, "nextCursor", text_of(&out, F_TIME), text_of(&out, F_ID));
    else
        buf_add_str(body, ",\"nextCursor\":null");
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc shape_events(struct query_call *call, struct slice result, struct buf *body,
                            struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    enum rc rc = put_rows(call, result, &scratch, body, err);
    arena_done(&scratch);
    return rc;
}

static enum rc shape_event(struct query_call *call, struct slice result, struct buf *body,
                           struct err *err)
{
    struct event_out out = {.body = body};
    struct slice line;
    struct arena scratch;
    (void)call;
    if (!json_line_next(&result, &line))
        return err_set(err, RC_NOTFOUND, "this project has no event with that id");
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    enum rc rc = read_row(&out, line, &scratch, err);
    if (rc == RC_OK) {
        put_event(&out, &scratch);
        buf_add_char(body, '}');
    }
    arena_done(&scratch);
    return rc;
}

bool query_cursor_take(struct query_call *call, bool *ret_is_given, int64_t *ret_number,
                       struct slice *ret_text)
{
    struct slice cursor;
    uint8_t bytes[CURSOR_BYTES];
    size_t len = 0;
    *ret_is_given = net_query_get(call->req->net, "cursor", &cursor);
    if (!*ret_is_given)
        return true;
    if (cursor.len <= CURSOR_BYTES && base64_decode(BASE64_URL, cursor, bytes, &len)) {
        struct slice text = slice_of((const char *)bytes, len), number = slice_cut(&text, ':');
        *ret_text = arena_copy(call->req->net->arena, text);
        if (number.len <= I64_DIGITS && slice_to_i64(number, ret_number))
            return true;
    }
    api_problem(call->req, RC_INVALID, "cursor: give back the one that an answer gave");
    return false;
}

bool query_cursor_take_id(struct query_call *call, bool *ret_is_given)
{
    int64_t ms;
    struct slice text;
    struct uuid id;
    if (!query_cursor_take(call, ret_is_given, &ms, &text))
        return false;
    if (!*ret_is_given)
        return true;
    if (text.len != UUID_TEXT_LEN || !uuid_parse(text, &id)) {
        api_problem(call->req, RC_INVALID, "cursor: give back the one that an answer gave");
        return false;
    }
    query_param_i64(call, "cursorTime", ms);
    query_param(call, "cursorId", text);
    return true;
}

static void run_list(struct ctx *ctx, struct query_call *call, const char *where, bool has_cursor)
{
    char sql[4096];
    query_param_u64(call, "limit", call->limit + 1);
    snprintf(sql, sizeof(sql),
             "SELECT " QUERY_EVENT_COLUMNS
             " FROM $EVENTS$RANGE%s%s ORDER BY timestamp DESC, id DESC "
             "LIMIT {limit:UInt32}",
             where,
             has_cursor ? " AND timestamp <= fromUnixTimestamp64Milli({cursorTime:Int64}) AND "
                          "(timestamp, id) < (fromUnixTimestamp64Milli({cursorTime:Int64}), "
                          "{cursorId:UUID})"
                        : "");
    call->format = "JSONCompactEachRow";
    call->shape = shape_events;
    query_run(ctx, call, sql);
}

void query_events(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_event, has_user, has_session, has_cursor;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call) ||
        !query_take_text(call, "eventType", &has_event) ||
        !query_take_text(call, "userId", &has_user) ||
        !query_take_text(call, "sessionId", &has_session) ||
        !query_cursor_take_id(call, &has_cursor))
        return;
    char where[256];
    snprintf(where, sizeof(where), "%s%s%s", has_event ? " AND event = {eventType:String}" : "",
             has_user ? " AND user_id = {userId:String}" : "",
             has_session ? " AND session_id = {sessionId:String}" : "");
    run_list(ctx, call, where, has_cursor);
}

void query_user_events(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_cursor;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call) ||
        !query_cursor_take_id(call, &has_cursor) ||
        !query_check_text(call, "userId", req->params[1]))
        return;
    query_param(call, "userId", req->params[1]);
    run_list(ctx, call, " AND user_id = {userId:String}", has_cursor);
}

void query_event(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    struct uuid id;
    if (!call)
        return;
    if (!uuid_parse(req->params[1], &id)) {
        api_problem(req, RC_NOTFOUND, "no event has that id: ids are UUIDs");
        return;
    }
    char text[UUID_TEXT_LEN + 1];
    query_param(call, "eventId",
                arena_copy(ctx->arena, slice_of(uuid_format(&id, text), UUID_TEXT_LEN)));
    call->format = "JSONCompactEachRow";
    call->shape = shape_event;
    query_run(ctx, call,
              "SELECT " QUERY_EVENT_COLUMNS " FROM $EVENTS AND id = {eventId:UUID} "
              "ORDER BY timestamp LIMIT 1");
}
