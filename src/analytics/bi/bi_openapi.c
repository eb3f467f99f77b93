/* OpenAPI texts of the BI routes. */
#include "analytics/bi/bi_int.h"

#define QUERY(name, text)                                             \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text \
    "\",\"schema\":{\"type\":\"string\"}}"
#define PROJECT                                                                                  \
    "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"description\":\"The project\"," \
    "\"schema\":{\"type\":\"string\"}},"
#define PARAMETERS                                                            \
    QUERY("query", "The statement, or its beginning: the body follows it")    \
    "," QUERY("database", "analytics, or none") "," QUERY(                    \
        "default_format", "Where the statement has no FORMAT; "               \
                          "TabSeparated") "," QUERY("param_name", "Value of " \
                                                                  "{name:Type}")
#define ANSWERS                                                                                    \
    "\"responses\":{\"200\":{\"description\":\"The rows, in the format asked for; an error after " \
    "the first row stands at the end of them\"},\"400\":{\"description\":\"Code: N. "              \
    "DB::Exception: …\"},\"401\":{\"description\":\"No key, or a wrong one\"},"                  \
    "\"403\":{\"description\":\"Not available here\"},\"501\":{\"description\":\"The store is a "  \
    "ClickHouse server\"},\"503\":{\"description\":\"Too many at once\"}}}"
#define OPERATION(id, parameters, more)                                                      \
    "{\"operationId\":\"" id "\",\"summary\":\"Read-only SQL over the project's events and " \
    "sessions, by ClickHouse's HTTP interface "                                              \
    "(docs/bi.md)\",\"tags\":[\"SQL\"],\"parameters\":[" parameters PARAMETERS "]," more ANSWERS
#define BODY                                                                                 \
    "\"requestBody\":{\"required\":false,\"content\":{\"text/plain\":{\"schema\":{\"type\":" \
    "\"string\"}}}},"

const char bi_openapi_get[] = OPERATION("clickhouseGet", "", "");
const char bi_openapi_post[] = OPERATION("clickhousePost", "", BODY);
const char bi_openapi_get_slash[] = OPERATION("clickhouseGetSlash", "", "");
const char bi_openapi_post_slash[] = OPERATION("clickhousePostSlash", "", BODY);
const char bi_openapi_post_root[] = OPERATION("clickhousePostRoot", "", BODY);
const char bi_openapi_project_get[] = OPERATION("clickhouseProjectGet", PROJECT, "");
const char bi_openapi_project_post[] = OPERATION("clickhouseProjectPost", PROJECT, BODY);
const char bi_openapi_project_get_slash[] = OPERATION("clickhouseProjectGetSlash", PROJECT, "");
const char bi_openapi_project_post_slash[] = OPERATION("clickhouseProjectPostSlash", PROJECT, BODY);

#define PING(id, parameters)                                                \
    "{\"operationId\":\"" id                                                \
    "\",\"summary\":\"Ok.\",\"tags\":[\"SQL\"],\"parameters\":[" parameters \
    "],\"responses\":{\"200\":{\"description\":\"Ok.\"}}}"
const char bi_openapi_ping[] = PING("clickhousePing", "");
const char bi_openapi_ping_root[] = PING("clickhousePingRoot", "");
const char bi_openapi_project_ping[] =
    PING("clickhouseProjectPing",
         "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
         "\"string\"}}");
