/* WHAT    The article's routes about who and how fast: devices, places, web vitals. Each number:
 *         docs/definitions.md.
 * THREADS the request's loop (handlers); shapes on the worker pool. */
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "codec/json.h"

#define SESSIONS "uniqIf(" QUERY_SESSION ", " QUERY_SESSION " != 0)"
#define VISITORS "uniqIf(ev.visitor, ev.visitor != 0)"

enum { TEMPLATE_BYTES = 4096 };

static const char *const device_lists[] = {"devices", "browsers", "operatingSystems"};

/* Lines "0{…}": the number of the list, then its element; the lists come one after the other. */
static enum rc shape_devices(struct query_call *call, struct slice result, struct buf *body,
                             struct err *err)
{
    (void)call;
    (void)err;
    buf_add_char(body, '{');
    query_add_lists(body, device_lists, COUNT_OF(device_lists), '0', result);
    buf_add_char(body, '}');
    return RC_OK;
}

void query_devices(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call || !query_take_range(call, QUERY_DAYS_MAX))
        return;
    call->format = "TabSeparatedRaw";
    call->shape = shape_devices;
    query_run(
        ctx, call,
        "SELECT concat(toString(list), multiIf("
        "list = 0, toJSONString(CAST(tuple(device, events, sessions), "
        "'Tuple(deviceType String, count UInt64, uniqueSessions UInt64)')), "
        "list = 1, toJSONString(CAST(tuple(browser, nullIf(browser_version, ''), events), "
        "'Tuple(browserName String, browserVersion Nullable(String), count UInt64)')), "
        "toJSONString(CAST(tuple(os, nullIf(os_version, ''), events), "
        "'Tuple(osName String, osVersion Nullable(String), count UInt64)')))) FROM (SELECT "
        "multiIf(grouping(ev.device_type) = 0, 0, grouping(ev.browser_name) = 0, 1, 2) AS list, "
        "toString(ev.device_type) AS device, toString(ev.browser_name) AS browser, "
        "toString(ev.browser_version) AS browser_version, toString(ev.os_name) AS os, "
        "toString(ev.os_version) AS os_version, count() AS events, " SESSIONS
        " AS sessions FROM $VISITS$RANGE GROUP BY GROUPING SETS ((ev.device_type), "
        "(ev.browser_name, ev.browser_version), (ev.os_name, ev.os_version))) "
        "ORDER BY list, events DESC, device, browser, browser_version, os, os_version "
        "LIMIT 1000 BY list");
}

void query_geo(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_country;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) || !query_take_limit(call) ||
        !query_take_country(call, &has_country))
        return;
    char sql[TEMPLATE_BYTES];
    snprintf(sql, sizeof(sql),
             "SELECT toString(country) AS country, nullIf(toString(city), '') AS city, count() AS "
             "pageviews, " SESSIONS " AS uniqueSessions, " VISITORS
             " AS uniqueVisitors FROM $VISITS$RANGE AND event = 'pageview' AND ev.country != ''%s "
             "GROUP BY ev.country, ev.city ORDER BY pageviews DESC, ev.country, ev.city "
             "LIMIT {limit:UInt32}",
             has_country ? " AND ev.country = {country:String}" : "");
    query_param_u64(call, "limit", call->limit);
    query_run_rows(ctx, call, "locations", sql);
}

/* web.dev's thresholds: up to the first is good, above the second is poor. */
#define METRICS "['CLS', 'FCP', 'FID', 'INP', 'LCP', 'TTFB']"
#define GOOD "transform(metric, " METRICS ", [0.1, 1800, 100, 200, 2500, 800], 0)"
#define POOR "transform(metric, " METRICS ", [0.25, 3000, 300, 500, 4000, 1800], 0)"

void query_webvitals(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    bool has_path;
    if (!call || !query_take_range(call, QUERY_DAYS_MAX) ||
        !query_take_path(call, "pagePath", &has_path))
        return;
    char sql[TEMPLATE_BYTES];
    snprintf(sql, sizeof(sql),
             "SELECT metric, q[1] AS p50, q[2] AS p75, q[3] AS p95, q[4] AS p99, goodCount, "
             "needsImprovementCount, poorCount FROM (SELECT metric, "
             "quantilesExact(0.5, 0.75, 0.95, 0.99)(value) AS q, countIf(value <= " GOOD
             ") AS goodCount, countIf(value > " GOOD " AND value <= " POOR
             ") AS needsImprovementCount, countIf(value > " POOR ") AS poorCount FROM ("
             "SELECT JSONExtractString(properties, 'metric') AS metric, "
             "JSONExtractFloat(properties, 'value') AS value FROM $EVENTS$RANGE%s AND "
             "(kind = 'vital' OR event = 'webvital') AND JSONType(properties, 'value') IN "
             "('Int64', 'UInt64', 'Double')) WHERE has(" METRICS ", metric) GROUP BY metric) "
             "ORDER BY metric",
             has_path ? " AND page_path = {pagePath:String}" : "");
    query_run_rows(ctx, call, "metrics", sql);
}
