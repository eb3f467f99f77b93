/* WHAT    GET …/ingestion: how much was taken and what was not, by time, dialect and reason; and
 *         GET …/rejections: the requests behind it. docs/ingest.md, "What was not taken".
 * WHY     What was taken is no counter: it is what the table of events holds, so it is right after
 *         a replay, an import and a crash.
 * THREADS handlers on the request's loop; shape on the worker. */
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "analytics/rejected/rejected.h"

enum { SQL_BYTES = 4096, MINUTE_DAYS_MAX = 2 };

/* ---- parameters ---- */

static bool take_reason(struct query_call *call, bool *ret_is_given)
{
    struct slice text;
    enum rejected_reason reason;
    *ret_is_given = net_query_get(call->req->net, "reason", &text);
    if (!*ret_is_given)
        return true;
    if (rejected_reason_find(text, &reason)) {
        query_param(call, "reason", text);
        return true;
    }
    api_problem(call->req, RC_INVALID, "reason: there is none of that name; see docs/ingest.md");
    return false;
}

/* The start of the step that a column's time lies in; NULL and answered if the client errs. Hours
 * are steps of 3,600 s from the first midnight, as in query_timeseries(). */
static const char *take_step(struct query_call *call, const char *column, uint32_t *ret_days_max,
                             char space[SQL_BYTES / 4])
{
    struct slice text;
    uint32_t seconds = 3600;
    *ret_days_max = QUERY_HOURLY_DAYS_MAX;
    if (!net_query_get(call->req->net, "granularity", &text))
        text = SLICE_LIT("hour");
    if (slice_eq_str(text, "day")) {
        *ret_days_max = QUERY_DAYS_MAX;
        snprintf(space, SQL_BYTES / 4,
                 "toUnixTimestamp(toDateTime(toDate(%s, {timezone:String}), {timezone:String}))",
                 column);
        return space;
    }
    if (slice_eq_str(text, "minute")) {
        seconds = 60;
        *ret_days_max = MINUTE_DAYS_MAX;
    } else if (!slice_eq_str(text, "hour")) {
        api_problem(call->req, RC_INVALID, "granularity: give minute, hour or day");
        return NULL;
    }
    snprintf(space, SQL_BYTES / 4,
             "toUInt32(toUnixTimestamp($START) + intDiv(toUnixTimestamp(%s) - "
             "toUnixTimestamp($START), %u) * %u)",
             column, seconds, seconds);
    return space;
}

/* ---- counts ---- */

void query_ingestion(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    char of_event[SQL_BYTES / 4], of_count[SQL_BYTES / 4], sql[2 * SQL_BYTES];
    uint32_t days_max;
    bool has_dialect, has_reason;
    if (!call || !take_step(call, "received_at", &days_max, of_event) ||
        !take_step(call, "minute", &days_max, of_count) || !query_take_own_range(call, days_max) ||
        !query_take_text(call, "dialect", &has_dialect) || !take_reason(call, &has_reason))
        return;
    snprintf(sql, sizeof(sql),
             "SELECT formatDateTime(toDateTime(second, 'UTC'), '%%Y-%%m-%%dT%%H:%%i:%%SZ') AS "
             "time, dialect, outcome, sum(n) AS events, sum(late_n) AS late, sum(ahead_n) AS ahead "
             "FROM ("
             "SELECT %s AS second, toString(source) AS dialect, 'accepted' AS outcome, count() AS "
             "n, countIf(received_at - timestamp > 86400) AS late_n, "
             "countIf(timestamp > received_at) AS ahead_n FROM $EVENTS AND received_at >= $START "
             "AND received_at < $END%s%s GROUP BY second, dialect "
             "UNION ALL "
             "SELECT %s AS second, toString(dialect) AS dialect, toString(reason) AS outcome, "
             "sum(events) AS n, 0 AS late_n, 0 AS ahead_n FROM $COUNTS AND minute >= $START AND "
             "minute < $END%s%s GROUP BY second, dialect, outcome) "
             "GROUP BY second, dialect, outcome ORDER BY second, dialect, outcome",
             of_event, has_dialect ? " AND source = {dialect:String}" : "",
             has_reason ? " AND 0" : "", of_count,
             has_dialect ? " AND dialect = {dialect:String}" : "",
             has_reason ? " AND reason = {reason:String}" : "");
    query_run_rows(ctx, call, "counts", sql);
}

/* ---- samples ---- */

/* A line is the cursor's text, a tab, and the row as JSON. One more than the limit says that there
 * is a next page. */
static enum rc shape_samples(struct query_call *call, struct slice result, struct buf *body,
                             struct err *err)
{
    struct slice line, at = SLICE_EMPTY;
    uint32_t rows = 0;
    (void)err;
    buf_add_str(body, "{\"rejections\":[");
    while (rows < call->limit && (line = slice_cut(&result, '\n')).len) {
        at = slice_cut(&line, '\t');
        buf_add_str(body, rows++ ? "," : "");
        buf_add_slice(body, line);
    }
    buf_add_char(body, ']');
    struct slice time = slice_cut(&at, ':');
    if (result.len)
        query_cursor_put(body, "next_cursor", time, at);
    else
        buf_add_str(body, ",\"next_cursor\":null");
    buf_add_char(body, '}');
    return RC_OK;
}

/* toJSONString() writes a line end as \n and a tab as \t, TSVRaw adds nothing. */
static const char samples_template[] =
    "SELECT concat(toString(toUnixTimestamp64Milli(received_at)), ':', toString(id)), "
    "concat('{\"id\":', toJSONString(id), ',\"received_at\":\"', formatDateTime(received_at, "
    "'%%Y-%%m-%%dT%%H:%%i:%%S', 'UTC'), '.', leftPad(toString(toUnixTimestamp64Milli(received_at) "
    "%% 1000), 3, '0'), 'Z\",\"dialect\":', toJSONString(toString(dialect)), ',\"method\":', "
    "toJSONString(toString(method)), ',\"path\":', toJSONString(path), ',\"query\":', "
    "toJSONString(query), ',\"headers\":', if(headers = '', '{}', headers), ',\"body\":', "
    "toJSONString(body), ',\"is_releasable\":', if(is_whole = 1, 'true', 'false'), "
    "',\"why_not_releasable\":', if(is_whole = 1, 'null', toJSONString(if(lack = '', "
    "if(method = '', 'record', 'not_kept'), toString(lack)))), "
    "',\"rejected\":[', arrayStringConcat(arrayMap((r, i, d) -> concat('{\"index\":', "
    "if(i = 4294967295, 'null', toString(i)), ',\"reason\":', toJSONString(toString(r)), "
    "',\"details\":', toJSONString(d), '}'), reasons, indexes, details), ','), ']}') "
    "FROM $REJECTED AND length(reasons) > 0 AND received_at >= toDateTime({now:UInt32}, 'UTC') - "
    "86400%s%s%s ORDER BY received_at DESC, id DESC LIMIT {limit:UInt32}";

void query_rejections(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    char sql[SQL_BYTES];
    bool has_dialect, has_reason, has_cursor;
    if (!call || !query_take_limit(call) || !query_take_text(call, "dialect", &has_dialect) ||
        !take_reason(call, &has_reason) || !query_cursor_take_id(call, &has_cursor))
        return;
    query_param_u64(call, "limit", call->limit + 1);
    snprintf(sql, sizeof(sql), samples_template,
             has_dialect ? " AND dialect = {dialect:String}" : "",
             has_reason ? " AND has(reasons, {reason:String})" : "",
             has_cursor ? " AND (received_at, id) < (fromUnixTimestamp64Milli({cursorTime:Int64}), "
                          "{cursorId:UUID})"
                        : "");
    call->format = "TSVRaw";
    call->shape = shape_samples;
    query_run(ctx, call, sql);
}

/* ---- OpenAPI ---- */
#define PARAMETER(name, text, schema) \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text "\",\"schema\":" schema "}"
#define TEXT "{\"type\":\"string\"}"
#define PROJECT                                                                                  \
    "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"description\":\"The project\"," \
    "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}"
#define PROBLEM "{\"$ref\":\"#/components/responses/Problem\"}"
#define RESPONSES(schema)                                                                \
    "\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{" \
    "\"schema\":" schema "}}},\"400\":" PROBLEM ",\"401\":" PROBLEM ",\"403\":" PROBLEM  \
    ",\"404\":" PROBLEM ",\"503\":" PROBLEM "}"
#define DATE "{\"type\":\"string\",\"format\":\"date\"}"
#define FIRST PARAMETER("from", "First day. Default: six days before the last day", DATE)
#define LAST PARAMETER("to", "Last day, inclusive. Default: today", DATE)
#define ZONE PARAMETER("timezone", "IANA time zone of days. Default: the project's", TEXT)
#define STEP                                                              \
    PARAMETER("granularity", "Width of a step; minute: two days at most", \
              "{\"type\":\"string\",\"enum\":[\"minute\",\"hour\",\"day\"],\"default\":\"hour\"}")
#define DIALECT PARAMETER("dialect", "Only this one: api, posthog, segment, plausible ...", TEXT)
#define REASON PARAMETER("reason", "Only this one: bad_json, no_name, quota ...", TEXT)
#define LIMIT                              \
    PARAMETER("limit", "How many at most", \
              "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":20}")
#define CURSOR PARAMETER("cursor", "next_cursor of the answer before", TEXT)
#define INTEGER "{\"type\":\"integer\"}"
#define COUNT                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"time\":{\"type\":\"string\",\"format\":\"date-time" \
    "\"},\"dialect\":" TEXT ",\"outcome\":" TEXT ",\"events\":" INTEGER ",\"late\":" INTEGER    \
    ",\"ahead\":" INTEGER "}}"

#define WHY                                                                             \
    "{\"type\":\"object\",\"properties\":{\"index\":{\"type\":[\"integer\",\"null\"]}," \
    "\"reason\":" TEXT ",\"details\":" TEXT "}}"
#define SAMPLE                                                                     \
    "{\"type\":\"object\",\"properties\":{\"id\":" TEXT ",\"received_at\":" TEXT   \
    ",\"dialect\":" TEXT ",\"method\":" TEXT ",\"path\":" TEXT ",\"query\":" TEXT  \
    ",\"headers\":{\"type\":\"object\"},"                                          \
    "\"body\":" TEXT                                                               \
    ",\"is_releasable\":{\"type\":\"boolean\"},\"why_not_releasable\":{\"type\":[" \
    "\"string\",\"null\"]},\"rejected\":{\"type\":\"array\","                      \
    "\"items\":" WHY "}}}"

const char query_openapi_ingestion[] =
    "{\"operationId\":\"getIngestion\",\"summary\":\"What was taken and what was not, by time, "
    "dialect and reason\",\"tags\":[\"Ingestion\"],\"parameters\":[" PROJECT "," FIRST "," LAST
    "," ZONE "," STEP "," DIALECT "," REASON "]," RESPONSES(
        "{\"type\":\"object\",\"required\":[\"counts\"],\"properties\":{\"counts\":{\"type\":"
        "\"array\",\"items\":" COUNT "}}}") "}";

const char query_openapi_rejections[] =
    "{\"operationId\":\"getRejections\",\"summary\":\"Requests of the last 24 hours of which "
    "something was not taken, newest first\",\"tags\":[\"Ingestion\"],\"parameters\":[" PROJECT
    "," DIALECT "," REASON "," LIMIT "," CURSOR "]," RESPONSES(
        "{\"type\":\"object\",\"required\":[\"rejections\",\"next_cursor\"],\"properties\":{"
        "\"rejections\":{\"type\":\"array\",\"items\":" SAMPLE "},\"next_cursor\":{"
        "\"type\":[\"string\",\"null\"]}}}") "}";
