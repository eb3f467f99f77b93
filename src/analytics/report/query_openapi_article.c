/* OpenAPI texts of query_article.c. */
#include "analytics/report/query_int.h"

#define QUERY(name, schema, text) \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text "\",\"schema\":" schema "}"
#define STRING "{\"type\":\"string\"}"
#define NULLABLE "{\"type\":[\"string\",\"null\"]}"
#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define DATE "{\"type\":\"string\",\"format\":\"date\"}"
#define COUNTRY_CODE "{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}$\"}"
#define COUNT_SCHEMA "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":20}"
#define START QUERY("startDate", DATE, "First day. Default: six days before the last one")
#define END QUERY("endDate", DATE, "Last day, inclusive. Default: today")
#define ZONE QUERY("timezone", STRING, "IANA time zone of days. Default: the project's")
#define COUNTRY QUERY("country", COUNTRY_CODE, "Only this one (ISO 3166-1 alpha-2)")
#define LIMIT QUERY("limit", COUNT_SCHEMA, "How many at most")
#define PAGE QUERY("pagePath", STRING, "Only this page")
#define PROJECT "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"schema\":" STRING "}"
#define OPERATION(id, tag, summary, more)                                             \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"tags\":[\"" tag "\"]," \
    "\"parameters\":[" PROJECT "," START "," END "," ZONE more "],\"responses\":{"
#define ANSWER(schema)                                                                      \
    "\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{\"schema\":" schema \
    "}}},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}"
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
/* (An OBJECT of its own: cppcheck takes one within another for a recursion.) */
#define ITEM(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define LIST(member, item) "\"" member "\":{\"type\":\"array\",\"items\":" ITEM(item) "}"
#define M(name, schema) "\"" name "\":" schema

#define DEVICE M("deviceType", STRING) "," M("count", INTEGER) "," M("uniqueSessions", INTEGER)
#define BROWSER M("browserName", STRING) "," M("browserVersion", NULLABLE) "," M("count", INTEGER)
#define SYSTEM M("osName", STRING) "," M("osVersion", NULLABLE) "," M("count", INTEGER)
#define UNIQUE M("uniqueSessions", INTEGER) "," M("uniqueVisitors", INTEGER)
#define PLACE M("country", STRING) "," M("city", NULLABLE) "," M("pageviews", INTEGER) "," UNIQUE
#define PERCENTILES M("p50", NUMBER) "," M("p75", NUMBER) "," M("p95", NUMBER) "," M("p99", NUMBER)
#define RATINGS \
    M("goodCount", INTEGER) "," M("needsImprovementCount", INTEGER) "," M("poorCount", INTEGER)
#define DEVICES OBJECT(LIST("devices", DEVICE) "," LIST("browsers", BROWSER) "," SYSTEMS)
#define SYSTEMS LIST("operatingSystems", SYSTEM)
#define VITALS OBJECT(LIST("metrics", M("metric", STRING) "," PERCENTILES "," RATINGS))

const char query_openapi_devices[] =
    OPERATION("getDeviceStats", "Devices", "Events by device, browser and system", "")
        ANSWER(DEVICES);
const char query_openapi_geo[] =
    OPERATION("getGeoStats", "Geography", "Page views by country and city", "," LIMIT "," COUNTRY)
        ANSWER(OBJECT(LIST("locations", PLACE)));
const char query_openapi_webvitals[] =
    OPERATION("getWebVitals", "Performance", "Percentiles and ratings of web vitals", "," PAGE)
        ANSWER(VITALS);
