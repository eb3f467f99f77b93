/* WHAT    GET /v1/projects/{projectId}/live: who is here now. Each number: docs/definitions.md.
 * WHY     One statement for all lists: they are looked at every few seconds, and each is about the
 *         same few rows.
 * THREADS handler on the request's loop; shape on the worker pool. */
#include "analytics/report/query_int.h"

#include "codec/json.h"

static const char *const lists[] = {"minutes", "pages", "sources", "countries", "events"};

/* Lines "0{…}": of the totals, then of each list; in this order. */
static enum rc shape_live(struct query_call *call, struct slice result, struct buf *body,
                          struct err *err)
{
    struct slice line;
    (void)call;
    if (!json_line_next(&result, &line) || line.len < 3 || line.data[0] != '0')
        return err_set(err, RC_STORE, "the store gave no totals");
    buf_add(body, line.data + 1, line.len - 2); /* its last brace comes behind the lists */
    buf_add_char(body, ',');
    query_add_lists(body, lists, COUNT_OF(lists), '1', result);
    buf_add_char(body, '}');
    return RC_OK;
}

/* Plain events of people in the last half hour; the day is said for the key's sake. */
#define HALF_HOUR                                                                             \
    "$EVENTS AND toDate(timestamp) >= toDate(toDateTime({now:UInt32} - 1800, 'UTC'), 'UTC') " \
    "AND timestamp > toDateTime({now:UInt32} - 1800, 'UTC') AND timestamp <= "                \
    "toDateTime({now:UInt32} + 1, 'UTC') AND kind = '' AND bot = ''"
#define VISITORS "uniqExactIf(ev.visitor, ev.visitor != 0)"
#define MINUTES_AGO "least(greatest({now:UInt32} - toInt64(toUnixTimestamp(timestamp)), 0), 1799)"

static const char statement[] =
    "SELECT line FROM ("
    "SELECT 0 AS list, 0 AS place, concat('0', toJSONString(CAST(tuple("
    "formatDateTime(toDateTime({now:UInt32}, 'UTC'), '%Y-%m-%dT%H:%i:%SZ'), "
    "uniqExactIf(ev.visitor, ev.visitor != 0 AND timestamp > toDateTime({now:UInt32} - 300, "
    "'UTC')), " VISITORS ", countIf(event = 'pageview'), count()), "
    "'Tuple(now String, visitors UInt64, visitors_30m UInt64, pageviews_30m UInt64, "
    "events_30m UInt64)'))) AS line FROM " HALF_HOUR
    " UNION ALL SELECT 1, toUInt64(minute), concat('1', toJSONString(CAST(tuple(29 - minute, "
    "visitors, pageviews), 'Tuple(minutes_ago UInt8, visitors UInt64, pageviews UInt64)'))) FROM ("
    "SELECT 29 - intDiv(" MINUTES_AGO ", 60) AS minute, " VISITORS
    " AS visitors, countIf(event = 'pageview') AS pageviews FROM " HALF_HOUR
    " GROUP BY minute ORDER BY minute WITH FILL FROM 0 TO 30)"
    " UNION ALL SELECT 2, rowNumberInAllBlocks(), concat('2', toJSONString(CAST(tuple(path, "
    "visitors, pageviews), 'Tuple(page String, visitors UInt64, pageviews UInt64)'))) FROM ("
    "SELECT page_path AS path, " VISITORS " AS visitors, count() AS pageviews FROM " HALF_HOUR
    " AND event = 'pageview' GROUP BY path ORDER BY visitors DESC, pageviews DESC, path LIMIT 10)"
    " UNION ALL SELECT 3, rowNumberInAllBlocks(), concat('3', toJSONString(CAST(tuple(source, "
    "channel, visitors), 'Tuple(source String, channel String, visitors UInt64)'))) FROM ("
    "SELECT toString(ev.referrer_source) AS source, toString(ev.channel) AS channel, " VISITORS
    " AS visitors FROM " HALF_HOUR " AND ev.channel != '' GROUP BY source, channel ORDER BY "
    "visitors DESC, source, channel LIMIT 10)"
    " UNION ALL SELECT 4, rowNumberInAllBlocks(), concat('4', toJSONString(CAST(tuple(place, "
    "visitors), 'Tuple(country String, visitors UInt64)'))) FROM ("
    "SELECT toString(ev.country) AS place, " VISITORS " AS visitors FROM " HALF_HOUR
    " AND ev.country != '' GROUP BY place ORDER BY visitors DESC, place LIMIT 10)"
    " UNION ALL SELECT 5, rowNumberInAllBlocks(), concat('5', toJSONString(CAST(tuple("
    "id_text, event_name, at, user, page, place, device), 'Tuple(id String, event String, "
    "timestamp String, user_id String, page String, country String, device String)'))) FROM ("
    "SELECT toString(id) AS id_text, toString(event) AS event_name, "
    "concat(formatDateTime(timestamp, '%Y-%m-%dT%H:%i:%S'), '.', leftPad(toString("
    "toUnixTimestamp64Milli(timestamp) % 1000), 3, '0'), 'Z') AS at, user_id AS user, "
    "page_path AS page, toString(ev.country) AS place, toString(ev.device_type) AS device "
    "FROM " HALF_HOUR " ORDER BY timestamp DESC, id DESC LIMIT 20)"
    ") ORDER BY list, place";

void query_live(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call)
        return;
    call->format = "TabSeparatedRaw";
    call->shape = shape_live;
    query_run(ctx, call, statement);
}

#define COUNT(name) "\"" name "\":{\"type\":\"integer\"}"
#define TEXT(name) "\"" name "\":{\"type\":\"string\"}"
#define LIST(name, members)                                                                        \
    "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" members "}" \
    "}"                                                                                            \
    "}"
#define TOTALS \
    TEXT("now") "," COUNT("visitors") "," COUNT("visitors_30m") "," COUNT("pageviews_30m")
#define VIEWS COUNT("visitors") "," COUNT("pageviews")
#define MINUTES LIST("minutes", COUNT("minutes_ago") "," VIEWS)
#define PAGES LIST("pages", TEXT("page") "," VIEWS)
#define SOURCES LIST("sources", TEXT("source") "," TEXT("channel") "," COUNT("visitors"))
#define COUNTRIES LIST("countries", TEXT("country") "," COUNT("visitors"))
#define WHAT TEXT("id") "," TEXT("event") "," TEXT("timestamp") "," TEXT("user_id")
#define EVENTS LIST("events", WHAT "," TEXT("page") "," TEXT("country") "," TEXT("device"))
#define MEMBERS TOTALS "," COUNT("events_30m") "," MINUTES "," PAGES "," SOURCES "," COUNTRIES
#define PROJECT                                                                       \
    "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":" \
    "\"string\"}}"

const char query_openapi_live[] =
    "{\"operationId\":\"getLive\",\"summary\":\"Who is here now\",\"tags\":[\"Live\"],"
    "\"parameters\":[" PROJECT "],\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{"
    "\"application/json\":{\"schema\":{\"type\":\"object\",\"properties\":{" MEMBERS "," EVENTS
    "}}}}},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}";
