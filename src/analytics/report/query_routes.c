/* WHAT    The routes whose answer the store writes as JSON itself: overview, series, pages,
 *         referrers, active users. Each number: docs/definitions.md.
 * THREADS the request's loop (handlers). */
#include "analytics/report/query_int.h"

#include <stdio.h>

/* One definition for all routes. */
#define PAGEVIEWS "countIf(event = 'pageview')"
#define SESSIONS "uniqIf(" QUERY_SESSION ", " QUERY_SESSION " != 0)"
/* The same of all events of whole days, without looking at them: sessions.idle_minutes is at most
 * half a day, so what lies over a day has an event in it. */
#define SESSIONS_OF_RANGE                                                                          \
    "(SELECT count() FROM $SESSIONS AND start < $END AND end >= $START AND start >= subtractDays(" \
    "$START, 1))"
#define VISITORS "uniqIf(ev.visitor, ev.visitor != 0)"
#define USERS "uniqIf(user_id, user_id != '')"

enum { TEMPLATE_BYTES = 4096 };

static enum rc shape_single(struct query_call *call, struct slice result, struct buf *body,
                            struct err *err)
{
    (void)call;
    (void)err;
    while (result.len && result.data[result.len - 1] == '\n')
        result.len--;
    buf_add_slice(body, result);
    return RC_OK;
}

void query_overview(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_event, has_country;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) ||
        !query_take_text(call, "eventType", &has_event) || !query_take_country(call, &has_country))
        return;
    bool is_all = !has_event && !has_country;
    char sql[TEMPLATE_BYTES];
    snprintf(sql, sizeof(sql),
             "SELECT count() AS totalEvents, " PAGEVIEWS
             " AS totalPageviews, %s AS uniqueSessions, " VISITORS " AS uniqueVisitors, " USERS
             " AS uniqueUsers FROM %s$RANGE%s%s",
             is_all ? SESSIONS_OF_RANGE : SESSIONS, is_all ? "$EVENTS" : "$VISITS",
             has_event ? " AND event = {eventType:String}" : "",
             has_country ? " AND country = {country:String}" : "");
    call->format = "JSONEachRow";
    call->shape = shape_single;
    query_run(ctx, call, sql);
}

/* "2026-03-29T01:00:00+01:00" of a second and its zone's offset; UTC is written Z. */
#define TIME_TEXT(second, offset)                                                                 \
    "concat(formatDateTime(toDateTime(" second                                                    \
    ", {timezone:String}), '%%Y-%%m-%%dT%%H:%%i:%%S'), if(" offset " = 0, 'Z', concat(if(" offset \
    " < 0, '-', '+'), leftPad(toString(intDiv(abs(" offset                                        \
    "), 3600)), 2, '0'), ':', leftPad(toString(intDiv(abs(" offset ") %% 3600, 60)), 2, '0'))))"

static bool take_granularity(struct query_call *call, bool *ret_is_hour)
{
    struct slice text;
    *ret_is_hour = false;
    if (!net_query_get(call->req->net, "granularity", &text) || slice_eq_str(text, "day"))
        return true;
    *ret_is_hour = slice_eq_str(text, "hour");
    if (!*ret_is_hour)
        api_problem(call->req, RC_INVALID, "granularity: give hour or day");
    return *ret_is_hour;
}

/* Days are the zone's calendar days. Hours are steps of 3,600 s from the first midnight of the
 * range, so that a day of 23 or 25 hours has as many points and zones of :30 and :45 begin at their
 * own full hour. Empty ones are filled by the store. */
void query_timeseries(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_event, is_hour;
    if (!call || !take_granularity(call, &is_hour) ||
        !query_take_range(call, is_hour ? QUERY_HOURLY_DAYS_MAX : QUERY_DAYS_MAX) ||
        !query_take_text(call, "eventType", &has_event))
        return;
    const char *bucket =
        is_hour ? "toUInt32(toUnixTimestamp($START) + intDiv(toUnixTimestamp(timestamp) - "
                  "toUnixTimestamp($START), 3600) * 3600)"
                : "toDate(timestamp, {timezone:String})";
    const char *fill = is_hour ? "toUnixTimestamp($START) TO toUnixTimestamp($END) STEP 3600"
                               : "toDate($START) TO toDate($END) STEP 1";
    char sql[TEMPLATE_BYTES];
    snprintf(
        sql, sizeof(sql),
        "SELECT " TIME_TEXT(
            "second",
            "zone_offset") " AS time, events, pageviews, "
                           "uniqueSessions, uniqueVisitors FROM (SELECT *, "
                           "toUnixTimestamp(toDateTime(bucket, "
                           "{timezone:String})) AS second, "
                           "toInt64(toUnixTimestamp(toDateTime(toString("
                           "toDateTime(bucket, {timezone:String})), 'UTC'))) - toInt64(second) "
                           "AS zone_offset FROM (SELECT %s AS bucket, count() AS events, " PAGEVIEWS
                           " AS pageviews, " SESSIONS " AS uniqueSessions, " VISITORS
                           " AS uniqueVisitors "
                           "FROM $VISITS$RANGE%s GROUP BY bucket ORDER BY bucket WITH FILL FROM "
                           "%s)) "
                           "ORDER BY second",
        bucket, has_event ? " AND event = {eventType:String}" : "", fill);
    query_run_rows(ctx, call, "timeseries", sql);
}

void query_pages(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_path;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call) ||
        !query_take_path(call, "pagePath", &has_path))
        return;
    char sql[TEMPLATE_BYTES];
    snprintf(sql, sizeof(sql),
             "SELECT page_path AS path, nullIf(argMaxIf(page_title, timestamp, page_title != ''), "
             "'') AS title, count() AS pageviews, " SESSIONS " AS uniqueSessions, " VISITORS
             " AS uniqueVisitors FROM $VISITS$RANGE AND event = 'pageview'%s GROUP BY path "
             "ORDER BY pageviews DESC, path LIMIT {limit:UInt32}",
             has_path ? " AND page_path = {pagePath:String}" : "");
    query_param_u64(call, "limit", call->limit);
    query_run_rows(ctx, call, "pageviews", sql);
}

void query_referrers(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call))
        return;
    query_param_u64(call, "limit", call->limit);
    query_run_rows(ctx, call, "referrers",
                   "SELECT referrer_domain AS referrerDomain, count() AS visits, " SESSIONS
                   " AS uniqueSessions FROM $VISITS$RANGE AND event = 'pageview' AND "
                   "referrer_domain != '' AND referrer_domain != hostname "
                   "GROUP BY referrerDomain ORDER BY visits DESC, referrerDomain "
                   "LIMIT {limit:UInt32}");
}

void query_users_active(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call))
        return;
    query_param_u64(call, "limit", call->limit);
    query_run_rows(ctx, call, "users",
                   "SELECT user_id AS userId, max(timestamp) AS lastSeen, count() AS eventCount "
                   "FROM $EVENTS$RANGE AND user_id != '' GROUP BY userId "
                   "ORDER BY lastSeen DESC, userId LIMIT {limit:UInt32}");
}
