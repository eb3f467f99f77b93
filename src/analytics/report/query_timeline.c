/* WHAT    GET …/persons/{personId}/timeline: what a person did, under all of its ids, newest first,
 *         and during which session each of it was.
 * WHY     Sessions are looked up for the visitors and times of the page alone, and put to the
 *         events here: a join over all that the person ever did would cost as much as all of it.
 * THREADS handlers on the request's loop, everything behind people_run() on the worker pool. */
#include "analytics/report/query_person_int.h"

#include <inttypes.h>

enum {
    TIMELINE_RESOLVE,
    TIMELINE_BOUNDS,
    TIMELINE_EVENTS,
    TIMELINE_SESSIONS,
    TIMELINE_STAGES,
    SESSIONS_MAX = 2 * QUERY_LIMIT_MAX,
    SESSION_MS_MAX = 24 * 3600 * 1000,
    EVENT_KIND = QUERY_EVENT_COLUMN_COUNT,
    EVENT_VISITOR,
};

struct session {
    uint64_t visitor, id;
    int64_t start_ms, end_ms;
    struct slice line; /* all of it */
    bool is_used;
};
struct timeline {
    struct session *sessions;
    uint32_t count;
};

static enum rc bad_shape(struct err *err)
{
    return err_set(err, RC_STORE, "the store's answer has another shape than expected");
}

/* ---- stages ---- */
static bool take_numbers(yyjson_val *row, size_t from, size_t count, int64_t *ret)
{
    for (size_t i = 0; i < count; i++)
        if (!json_to_i64(yyjson_arr_get(row, from + i), &ret[i]))
            return false;
    return true;
}

static enum rc bind_bounds(struct query_call *call, struct slice result, struct err *err)
{
    struct slice line;
    yyjson_val *row;
    int64_t n[2];
    ENSURE(json_line_next(&result, &line), bad_shape(err));
    TRY(json_parse(call->req->net->arena, line, &row, err));
    ENSURE(take_numbers(row, 0, 2, n), bad_shape(err));
    ENSURE(n[1] > 0, err_set(err, RC_NOTFOUND, "this project has seen nobody under that id"));
    query_param_i64(call, "fromMs", n[0]);
    query_param_i64(call, "toMs", n[1]);
    return RC_OK;
}

/* The page's visitors and times. */
static enum rc bind_page(struct query_call *call, struct slice result, bool *ret_goes_on,
                         struct err *err)
{
    struct slice line;
    int64_t first = INT64_MAX, last = 0, ms;
    struct arena scratch;
    enum rc rc = RC_OK;
    CLEANUP(buf_done) struct buf list;
    buf_init(&list, (size_t)(QUERY_LIMIT_MAX + 1) * 24);
    arena_init(&scratch, 64 * 1024, 32 << 20);
    for (uint32_t i = 0; rc == RC_OK && i < call->limit && json_line_next(&result, &line); i++) {
        yyjson_val *row;
        arena_reset(&scratch);
        rc = json_parse(&scratch, line, &row, err);
        if (rc == RC_OK && !json_to_i64(yyjson_arr_get(row, QUERY_EVENT_TIME), &ms))
            rc = bad_shape(err);
        if (rc != RC_OK)
            break;
        first = ms < first ? ms : first;
        last = ms > last ? ms : last;
        buf_addf(&list, "%s%.*s", list.len ? "," : "",
                 SLICE_ARG(json_text(yyjson_arr_get(row, EVENT_VISITOR))));
    }
    arena_done(&scratch);
    *ret_goes_on = list.len > 0;
    if (rc == RC_OK && list.len) {
        query_param(call, "visitors", arena_copy(call->req->net->arena, buf_slice(&list)));
        query_param_i64(call, "pageFrom", first > SESSION_MS_MAX ? first - SESSION_MS_MAX : 0);
        query_param_i64(call, "pageTo", last);
    }
    return rc;
}

static enum rc after(struct query_call *call, struct people *p, struct slice result,
                     bool *ret_goes_on, struct err *err)
{
    uint64_t person;
    switch (p->stage) {
    case TIMELINE_RESOLVE:
        person = people_first_u64(result);
        ENSURE(person, err_set(err, RC_NOTFOUND, "this project has seen nobody under that id"));
        query_param_u64(call, "list", person);
        return RC_OK;
    case TIMELINE_BOUNDS:
        return bind_bounds(call, result, err);
    case TIMELINE_EVENTS:
        return bind_page(call, result, ret_goes_on, err);
    default:
        return RC_OK;
    }
}

/* ---- the answer ---- */
static enum rc read_sessions(struct timeline *t, struct slice rows, struct arena *arena,
                             struct err *err)
{
    struct slice line;
    struct arena scratch;
    enum rc rc = RC_OK;
    t->sessions = arena_alloc(arena, SESSIONS_MAX * sizeof(*t->sessions));
    ENSURE(t->sessions, err_set(err, RC_NOMEM, "no memory for this request"));
    arena_init(&scratch, 64 * 1024, 1 << 20);
    while (rc == RC_OK && t->count < SESSIONS_MAX && json_line_next(&rows, &line)) {
        struct session *s = &t->sessions[t->count++];
        yyjson_val *row;
        int64_t n[2] = {0, 0};
        *s = (struct session){.line = line};
        arena_reset(&scratch);
        rc = json_parse(&scratch, line, &row, err);
        if (rc == RC_OK && (!slice_to_u64(json_text(yyjson_arr_get(row, 0)), &s->visitor) ||
                            !slice_to_u64(json_text(yyjson_arr_get(row, 1)), &s->id) ||
                            !take_numbers(row, 2, 2, n)))
            rc = bad_shape(err);
        if (rc == RC_OK) {
            s->start_ms = n[0];
            s->end_ms = n[1];
        }
    }
    arena_done(&scratch);
    return rc;
}

static void put_session_of(struct timeline *t, yyjson_val *row, struct buf *body)
{
    uint64_t visitor = 0;
    int64_t ms = 0;
    buf_add_str(body, ",\"session\":");
    if (slice_to_u64(json_text(yyjson_arr_get(row, EVENT_VISITOR)), &visitor) &&
        json_to_i64(yyjson_arr_get(row, QUERY_EVENT_TIME), &ms)) {
        for (uint32_t i = 0; i < t->count; i++) {
            struct session *s = &t->sessions[i];
            if (s->visitor != visitor || ms < s->start_ms || ms > s->end_ms)
                continue;
            s->is_used = true;
            people_put_hash(body, s->id);
            return;
        }
    }
    buf_add_str(body, "null");
}

static enum rc put_events(struct query_call *call, struct timeline *t, struct slice rows,
                          struct arena *scratch, struct buf *body, struct err *err)
{
    struct slice line, time = SLICE_EMPTY, id = SLICE_EMPTY;
    yyjson_val *row;
    buf_add_str(body, "{\"events\":[");
    for (uint32_t i = 0; i < call->limit && json_line_next(&rows, &line); i++) {
        if (i)
            buf_add_char(body, ',');
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        ENSURE(yyjson_arr_size(row) == EVENT_VISITOR + 1, bad_shape(err));
        TRY(query_event_put(row, scratch, body, err));
        people_put_text(body, "kind", yyjson_arr_get(row, EVENT_KIND));
        put_session_of(t, row, body);
        buf_add_char(body, '}');
        if (i + 1 < call->limit)
            continue;
        time = arena_copy(call->req->net->arena, json_text(yyjson_arr_get(row, QUERY_EVENT_TIME)));
        id = arena_copy(call->req->net->arena, json_text(yyjson_arr_get(row, QUERY_EVENT_ID)));
    }
    buf_add_char(body, ']');
    if (json_line_next(&rows, &line))
        query_cursor_put(body, "next_cursor", time, id);
    else
        buf_add_str(body, ",\"next_cursor\":null");
    return RC_OK;
}

/* visitor, session, start, end, and the rest by its names. */
static enum rc put_session(const struct session *s, struct arena *scratch, struct buf *body,
                           struct err *err)
{
    static const char *const names[] = {"pageviews",  "events",    "duration_ms", "is_bounce",
                                        "entry_page", "exit_page", "source",      "channel",
                                        "country",    "browser",   "os",          "device"};
    yyjson_val *row;
    arena_reset(scratch);
    TRY(json_parse(scratch, s->line, &row, err));
    ENSURE(yyjson_arr_size(row) == 4 + COUNT_OF(names), bad_shape(err));
    buf_add_str(body, "{\"session\":");
    people_put_hash(body, s->id);
    people_put_time(body, "start", yyjson_arr_get(row, 2));
    people_put_time(body, "end", yyjson_arr_get(row, 3));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        yyjson_val *v = yyjson_arr_get(row, 4 + i);
        if (json_is_number(v))
            buf_addf(body, ",\"%s\":%.*s", names[i], SLICE_ARG(json_text(v)));
        else if (yyjson_is_bool(v))
            buf_addf(body, ",\"%s\":%s", names[i], yyjson_is_true(v) ? "true" : "false");
        else
            people_put_text(body, names[i], v);
    }
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc write_timeline(struct query_call *call, struct people *p, struct arena *scratch,
                              struct buf *body, struct err *err)
{
    struct timeline t = {.count = 0};
    const char *between = "";
    TRY(read_sessions(&t, p->results[TIMELINE_SESSIONS], call->req->net->arena, err));
    TRY(put_events(call, &t, p->results[TIMELINE_EVENTS], scratch, body, err));
    buf_add_str(body, ",\"sessions\":[");
    for (uint32_t i = 0; i < t.count; i++) {
        if (!t.sessions[i].is_used)
            continue;
        buf_add_str(body, between);
        between = ",";
        TRY(put_session(&t.sessions[i], scratch, body, err));
    }
    buf_add_str(body, "]}");
    return RC_OK;
}

/* ---- the route ---- */
static bool take_cursor(struct query_call *call, struct buf *sql)
{
    bool is_given;
    if (!query_cursor_take_id(call, &is_given))
        return false;
    if (is_given)
        buf_add_str(sql, " AND timestamp <= fromUnixTimestamp64Milli({cursorTime:Int64}) AND "
                         "(timestamp, id) < (fromUnixTimestamp64Milli({cursorTime:Int64}), "
                         "{cursorId:UUID})");
    return true;
}

#define INSTANT(name) "fromUnixTimestamp64Milli({" name ":Int64}, 'UTC')"
#define BETWEEN(column, from, to)                                                                \
    "toDate(" column ") >= toDate(" INSTANT(from) ") AND toDate(" column ") <= toDate(" INSTANT( \
        to) ") AND " column " >= " INSTANT(from) " AND " column " <= " INSTANT(to)

void query_person_timeline(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    buf_add_str(&sql, "SELECT " QUERY_EVENT_COLUMNS ", toString(kind), toString(visitor) FROM "
                      "$EVENTS AND kind != 'alias' AND " PERSON_MEMBERS(
                          QUERY_OWN_ID) " AND " BETWEEN("timestamp", "fromMs", "toMs"));
    if (!call || !query_check_text(call, "personId", req->params[1]) || !query_take_limit(call) ||
        !take_cursor(call, &sql))
        return;
    struct people *p = people_new(ctx, call);
    if (!p)
        return;
    buf_add_str(&sql, " ORDER BY timestamp DESC, id DESC LIMIT {limit:UInt32}");
    query_param_u64(call, "limit", call->limit + 1);
    people_bind_id(call, req->params[1]);
    p->statements[TIMELINE_RESOLVE] = people_resolve_sql;
    p->statements[TIMELINE_BOUNDS] =
        "SELECT min(first_ms), max(last_ms) FROM $PERSON_IDS AND " PERSON_MEMBERS("hash");
    p->statements[TIMELINE_EVENTS] = arena_strndup(ctx->arena, buf_cstr(&sql), sql.len);
    p->statements[TIMELINE_SESSIONS] =
        "SELECT toString(visitor), toString(session), toUnixTimestamp64Milli(start), "
        "toUnixTimestamp64Milli(end), pageviews, events, duration_ms, toBool(is_bounce), "
        "entry_page, exit_page, toString(referrer_source), toString(channel), toString(country), "
        "toString(browser_name), toString(os_name), toString(device_type) FROM $SESSIONS AND "
        "visitor != 0 AND visitor IN arrayMap(x -> toUInt64(x), splitByChar(',', "
        "{visitors:String})) AND " BETWEEN("start", "pageFrom", "pageTo") " ORDER BY start DESC, "
                                                                          "visitor LIMIT 2000";
    p->count = TIMELINE_STAGES;
    p->after = after;
    p->write = write_timeline;
    if (p->statements[TIMELINE_EVENTS])
        people_run(ctx, call, p);
    else
        api_problem(req, RC_NOMEM, "no memory for this request");
}
