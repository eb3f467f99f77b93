/* WHAT    The routes that show events themselves: the list, one, and those of a user.
 * WHY     Pages of the list are continued by key (timestamp, id), not by counting rows: new events
 *         do not shift them. The cursor is opaque to the client.
 * THREADS handlers on the request's loop, shapes on the worker pool. */
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "base/must.h"
#include "codec/base64.h"

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
    struct slice line;
    yyjson_val *row = NULL;
    uint32_t rows = 0;
    buf_add_str(body, "{\"events\":[");
    while (rows < call->limit && json_line_next(&result, &line)) {
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        if (rows++)
            buf_add_char(body, ',');
        TRY(query_event_put_article(row, scratch, body, err));
    }
    buf_add_char(body, ']');
    if (json_line_next(&result, &line))
        query_cursor_put(body, "nextCursor", json_text(yyjson_arr_get(row, QUERY_EVENT_TIME)),
                         json_text(yyjson_arr_get(row, QUERY_EVENT_ID)));
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
    struct slice line;
    yyjson_val *row;
    struct arena scratch;
    (void)call;
    if (!json_line_next(&result, &line))
        return err_set(err, RC_NOTFOUND, "this project has no event with that id");
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    enum rc rc = json_parse(&scratch, line, &row, err);
    if (rc == RC_OK)
        rc = query_event_put_article(row, &scratch, body, err);
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
