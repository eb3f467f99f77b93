/* OpenAPI texts of the query routes (api_route.openapi, api_service.openapi_schemas). */
#include "analytics/report/query_int.h"
#include "analytics/report/report_openapi_int.h"

#define QUERY(name, schema, text) \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text "\",\"schema\":" schema "}"
#define PATH(name, text)                                                                     \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"description\":\"" text "\"," \
    "\"schema\":{\"type\":\"string\"}}"
#define STRING "{\"type\":\"string\"}"
#define DATE "{\"type\":\"string\",\"format\":\"date\"}"
#define PROJECT PATH("projectId", "The project of the key")
#define DATES                                                                                 \
    QUERY("startDate", DATE, "First day (YYYY-MM-DD). Default: six days before the last day") \
    "," QUERY("endDate", DATE, "Last day, inclusive. Default: today") "," QUERY(              \
        "timezone", STRING, "IANA time zone of days and hours. Default: the project's")
#define LIMIT                                                                              \
    QUERY("limit", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":20}", \
          "How many at most")
#define CURSOR QUERY("cursor", STRING, "nextCursor of the answer before")
#define EVENT_TYPE QUERY("eventType", STRING, "Only events of this name")
#define COUNTRY                                                          \
    QUERY("country", "{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}$\"}", \
          "Only events from this country (ISO 3166-1 alpha-2)")
#define PROBLEM(code, text)                 \
    "\"" code "\":{\"description\":\"" text \
    "\",\"content\":{\"application/problem+json\":{\"schema\":{\"type\":\"object\"}}}}"
#define PROBLEMS                                                                                   \
    PROBLEM("400", "A parameter is wrong; detail says which and what to give")                     \
    "," PROBLEM("401", "No key, or a wrong one") "," PROBLEM(                                      \
        "403",                                                                                     \
        "The key belongs to another "                                                              \
        "project") "," PROBLEM("503",                                                              \
                               "The store is not there at "                                        \
                               "the moment; Retry-After") "," PROBLEM("504", "The question takes " \
                                                                             "too long")
#define OPERATION(id, tag, summary, parameters, more, schema)                                 \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"tags\":[\"" tag "\"],"         \
    "\"parameters\":[" parameters "]" more ",\"responses\":{\"200\":{\"description\":\"OK\"," \
    "\"content\":{\"application/json\":{\"schema\":" schema "}}}," PROBLEMS "}}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST(member, name)                                                         \
    "{\"type\":\"object\",\"required\":[\"" member "\"],\"properties\":{\"" member \
    "\":{\"type\":\"array\",\"items\":" REF(name) "}}}"
#define EVENT_LIST                                                                              \
    "{\"type\":\"object\",\"required\":[\"events\",\"nextCursor\"],\"properties\":{\"events\":" \
    "{\"type\":\"array\",\"items\":" REF("AnalyticsEvent") "},\"nextCursor\":{\"type\":"        \
                                                           "[\"string\",\"null\"]}}}"

const char query_openapi_overview[] =
    OPERATION("getOverview", "Analytics", "Totals of a range of days",
              PROJECT "," DATES "," EVENT_TYPE "," COUNTRY, "", REF("OverviewMetrics"));
const char query_openapi_timeseries[] = OPERATION(
    "getTimeSeries", "Analytics", "Totals per hour or day, without gaps",
    PROJECT "," DATES "," QUERY(
        "granularity", "{\"type\":\"string\",\"enum\":[\"hour\",\"day\"],\"default\":\"day\"}",
        "Width of a point") "," EVENT_TYPE,
    "", LIST("timeseries", "TimeSeriesPoint"));
const char query_openapi_pages[] =
    OPERATION("getPageViews", "Pages", "Most viewed pages",
              PROJECT "," DATES "," LIMIT "," QUERY("pagePath", STRING, "Only this page"), "",
              LIST("pageviews", "PageViewStat"));
const char query_openapi_referrers[] =
    OPERATION("getReferrers", "Pages", "Where page views came from, by host",
              PROJECT "," DATES "," LIMIT, "", LIST("referrers", "ReferrerStat"));
const char query_openapi_users_active[] =
    OPERATION("getActiveUsers", "Users", "Identified users, the last seen first",
              PROJECT "," DATES "," LIMIT, "", LIST("users", "ActiveUser"));
const char query_openapi_events[] = OPERATION(
    "getEvents", "Analytics", "Events, newest first",
    PROJECT "," DATES "," EVENT_TYPE "," QUERY("userId", STRING, "Only of this user") "," QUERY(
        "sessionId", STRING, "Only of this session") "," LIMIT "," CURSOR,
    "", EVENT_LIST);
const char query_openapi_event[] =
    OPERATION("getEvent", "Analytics", "One event", PROJECT "," PATH("eventId", "Its id (UUID)"),
              "", REF("AnalyticsEvent"));
const char query_openapi_user_events[] = OPERATION(
    "getUserEvents", "Users", "Events of one user, newest first",
    PROJECT "," PATH("userId", "The user") "," DATES "," LIMIT "," CURSOR, "", EVENT_LIST);
const char query_openapi_funnel[] =
    OPERATION("analyzeFunnel", "Analytics", "How many visitors take the steps in order", PROJECT,
              ",\"requestBody\":{\"required\":true,\"content\":{\"application/"
              "json\":{\"schema\":" REF("FunnelQuestion") "}}}",
              LIST("steps", "FunnelStep"));

const char query_openapi_export[] =
    "{\"operationId\":\"exportEvents\",\"tags\":[\"Analytics\"],\"summary\":\"Raw events of a "
    "project, whole, streamed; gzip where the client takes "
    "it\",\"parameters\":[{\"name\":\"format\","
    "\"in\":\"query\",\"schema\":{\"type\":\"string\",\"enum\":[\"ndjson\",\"csv\",\"parquet\"],"
    "\"default\":\"ndjson\"}},{\"name\":\"from\",\"in\":\"query\",\"description\":\"a day (UTC) or "
    "an "
    "instant\",\"schema\":{\"type\":\"string\"}},{\"name\":\"to\",\"in\":\"query\",\"description\":"
    "\"a day, which is in it, or an instant, which is not\",\"schema\":{\"type\":\"string\"}}],"
    "\"responses\":{\"200\":{\"description\":\"The events, in the order of day, name, visitor, "
    "time "
    "and id\",\"content\":{\"application/x-ndjson\":{},\"text/csv\":{},"
    "\"application/vnd.apache.parquet\":{}}},\"400\":{\"$ref\":\"#/components/responses/Problem\"},"
    "\"413\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":\"#/components/"
    "responses/Problem\"}}}";

const char query_openapi_export_user[] =
    "{\"operationId\":\"exportUser\",\"tags\":[\"Analytics\"],\"summary\":\"Everything about one "
    "user: events with traits, then sessions\",\"requestBody\":{\"required\":true,\"content\":{"
    "\"application/json\":{\"schema\":{\"type\":\"object\",\"properties\":{\"user_ids\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"string\"}},\"anonymous_ids\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"string\"}},\"devices\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}},"
    "\"responses\":{\"200\":{\"description\":\"Lines\",\"content\":{\"application/x-ndjson\":{}}},"
    "\"400\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":\"#/components/"
    "responses/Problem\"}}}";

#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define NULLABLE "{\"type\":[\"string\",\"null\"]}"
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
const char
    query_openapi_schemas[] =
        REPORT_SCHEMAS ",\"OverviewMetrics\":" OBJECT(
            "\"totalEvents\":" INTEGER ",\"totalPageviews\":" INTEGER ",\"uniqueSessions\":" INTEGER
            ",\"uniqueVisitors\":" INTEGER ",\"uniqueUsers\":" INTEGER) ","
                                                                        "\"TimeSeriesPoint\""
                                                                        ":" OBJECT(
                                                                            "\"time\":{\"type\":"
                                                                            "\"string\",\"format\":"
                                                                            "\"date-"
                                                                            "time\"},"
                                                                            "\"events\":" INTEGER
                                                                            ",\"pageviews\""
                                                                            ":" INTEGER
                                                                            ",\"uniqueSessions\""
                                                                            ":" INTEGER
                                                                            ",\"uniqueVisitors\""
                                                                            ":" INTEGER) ","
                                                                                         "\"PageVie"
                                                                                         "wStat\""
                                                                                         ":" OBJECT("\"path"
                                                                                                    "\""
                                                                                                    ":" STRING
                                                                                                    ",\"tit"
                                                                                                    "le\""
                                                                                                    ":" NULLABLE
                                                                                                    ",\"pag"
                                                                                                    "eviews"
                                                                                                    "\""
                                                                                                    ":" INTEGER
                                                                                                    ",\"uni"
                                                                                                    "queSes"
                                                                                                    "sions"
                                                                                                    "\""
                                                                                                    ":" INTEGER ",\"uniqueVisitors\":" INTEGER) ","
                                                                                                                                                "\"ReferrerStat\":" OBJECT("\"referrerDomain\":" STRING
                                                                                                                                                                           ",\"visits\":" INTEGER ",\"uniqueSessions\":" INTEGER) ","
                                                                                                                                                                                                                                  "\"ActiveUser\":" OBJECT(
                                                                                                                                                                                                                                      "\"userId\":" STRING
                                                                                                                                                                                                                                      ",\"lastSeen\":{\"type\":\"string\",\"format\":\"date-time\"},"
                                                                                                                                                                                                                                      "\"eventCount\":" INTEGER) ","
                                                                                                                                                                                                                                                                 "\"AnalyticsEvent\":" OBJECT("\"id\":{\"type\":\"string\",\"format\":\"uuid\"},\"eventType\":" STRING ",\"timestamp\":{\"type\":\"integer\",\"format\":\"int64\",\"description\":\"Unix time, "
                                                                                                                                                                                                                                                                                              "milliseconds\"},\"sessionId\":" NULLABLE
                                                                                                                                                                                                                                                                                              ",\"userId\":" NULLABLE ",\"anonymousId\":" NULLABLE ",\"properties\":{\"type\":[\"object\",\"null\"]},\"context\":{\"type\":\"object\"}") ","
                                                                                                                                                                                                                                                                                                                                                                                                                                         "\"FunnelQuestion\":{\"type\":\"object\",\"required\":[\"steps\"],\"properties\":{\"steps\":{"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "\"type\":\"array\",\"minItems\":2,\"maxItems\":20,\"items\":{\"type\":\"object\",\"required\":"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "[\"eventType\"],\"properties\":{\"eventType\":{\"type\":\"string\",\"description\":\"Name of an "
                                                                                                                                                                                                                                                                                                                                                                                                                                         "event; with a leading / also the path of a page\"},\"name\":" STRING
                                                                                                                                                                                                                                                                                                                                                                                                                                         "}}},"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "\"startDate\":" DATE
                                                                                                                                                                                                                                                                                                                                                                                                                                         ",\"endDate\":" DATE
                                                                                                                                                                                                                                                                                                                                                                                                                                         ",\"timezone\":" STRING
                                                                                                                                                                                                                                                                                                                                                                                                                                         ",\"windowSeconds\":"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "{\"type\":\"integer\",\"minimum\":1,\"maximum\":31622400,\"default\":86400},\"filters\":"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "{\"type\":\"object\",\"additionalProperties\":" STRING
                                                                                                                                                                                                                                                                                                                                                                                                                                         "}}},"
                                                                                                                                                                                                                                                                                                                                                                                                                                         "\"FunnelStep\":" OBJECT(
                                                                                                                                                                                                                                                                                                                                                                                                                                             "\"name\":" STRING
                                                                                                                                                                                                                                                                                                                                                                                                                                             ",\"eventType\":" STRING ",\"count\":" INTEGER ",\"dropoffRate\":" NUMBER
                                                                                                                                                                                                                                                                                                                                                                                                                                             ",\"conversionRate\":" NUMBER);
