/* OpenAPI texts of the report routes. */
#include "analytics/report/report_int.h"

#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define FILTERS "{\"type\":\"array\",\"items\":{\"type\":\"array\"}}"
#define QUESTION                                                                                  \
    "{\"type\":\"object\",\"required\":[\"date_range\"],\"properties\":{"                         \
    "\"report\":{\"enum\":[\"breakdown\",\"funnel\",\"retention\"],\"default\":\"breakdown\"},"   \
    "\"metrics\":" NAMES ",\"dimensions\":" NAMES                                                 \
    ",\"date_range\":{\"description\":\"A word (day, "                                            \
    "7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all, 24h, 30m, realtime), two days, or two "      \
    "instants\"},\"timezone\":{\"type\":\"string\"},\"filters\":" FILTERS ",\"goal\":" FILTERS    \
    ",\"bots\":{\"enum\":[\"exclude\",\"include\",\"only\"]},\"order_by\":{"                      \
    "\"type\":\"array\",\"items\":" NAMES "},\"limit\":{\"type\":\"integer\",\"minimum\":1,"      \
    "\"maximum\":10000},\"offset\":{\"type\":\"integer\",\"minimum\":0},\"include\":{\"type\":"   \
    "\"object\",\"properties\":{\"compare\":{},\"time_labels\":{\"type\":\"boolean\"},"           \
    "\"total_rows\":{\"type\":\"boolean\"},\"sql\":{\"type\":\"boolean\"}}},\"steps\":{\"type\":" \
    "\"array\",\"minItems\":2,\"maxItems\":20,\"items\":{\"type\":\"object\",\"required\":["      \
    "\"filters\"],\"properties\":{\"name\":{\"type\":\"string\"},\"filters\":" FILTERS "}}},"     \
    "\"window\":{\"type\":\"integer\",\"description\":\"Seconds\",\"default\":86400},\"order\":{" \
    "\"enum\":[\"ordered\",\"strict\",\"unordered\"]},\"exclusions\":{\"type\":\"array\"},"       \
    "\"count_by\":{\"enum\":[\"visitors\",\"users\"]},\"start\":" FILTERS ",\"return\":" FILTERS  \
    ",\"unit\":{\"enum\":[\"day\",\"week\",\"month\"]},\"periods\":{\"type\":\"integer\"},"       \
    "\"type\":{\"enum\":[\"first_time\",\"recurring\"]}}}"
#define ANSWER                                                                                    \
    "{\"type\":\"object\",\"required\":[\"results\",\"meta\",\"query\"],"                         \
    "\"properties\":{\"results\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"meta\":{" \
    "\"type\":\"object\"},\"query\":{\"type\":\"object\"}}}"
#define PROJECT                                                                  \
    "\"parameters\":[{\"name\":\"projectId\",\"in\":\"path\",\"required\":true," \
    "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}]"
#define BODY                                                                                     \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":" QUESTION \
    "}}}"
#define PROBLEM(code, text)                 \
    "\"" code "\":{\"description\":\"" text \
    "\",\"content\":{\"application/problem+json\":{\"schema\":{\"type\":\"object\"}}}}"
#define PROBLEM_400 PROBLEM("400", "The question is wrong; detail begins with a JSON pointer")
#define PROBLEM_401 PROBLEM("401", "No credential, or a wrong one")
#define PROBLEM_403 PROBLEM("403", "The credential does not have stats:read")
#define PROBLEM_413 PROBLEM("413", "The answer is too large")
#define PROBLEM_503 PROBLEM("503", "The store is not there, or busy; Retry-After")
#define PROBLEM_504 PROBLEM("504", "The question takes too long")
#define PROBLEMS \
    PROBLEM_400 "," PROBLEM_401 "," PROBLEM_403 "," PROBLEM_413 "," PROBLEM_503 "," PROBLEM_504
#define OK(schema) \
    "\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{\"schema\":" schema "}}}"

const char query_openapi_report[] =
    "{\"operationId\":\"queryReport\",\"summary\":\"Any report: breakdowns, series, funnels, "
    "retention\",\"tags\":[\"Reports\"]," PROJECT "," BODY
    ",\"responses\":{" OK(ANSWER) "," PROBLEMS "}}";

const char query_openapi_report_sql[] =
    "{\"operationId\":\"showReportSql\",\"summary\":\"The statements that answer a question, and "
    "their parameters\",\"tags\":[\"Reports\"]," PROJECT "," BODY ",\"responses\":{" OK(
        "{\"type\":\"object\",\"required\":[\"statements\",\"parameters\"],\"properties\":{"
        "\"statements\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"parameters\":{"
        "\"type\":\"object\"}}}") "," PROBLEMS "}}";

#define ERROR(code, text)                   \
    "\"" code "\":{\"description\":\"" text \
    "\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}"
const char query_openapi_plausible[] =
    "{\"operationId\":\"plausibleQuery\",\"summary\":\"The Stats API "
    "v2 of Plausible; "
    "site_id is "
    "the project's id or "
    "name\",\"tags\":[\"Reports\"],\"requestBody\":{\"required\":true,"
    "\"content\":{\"application/"
    "json\":{\"schema\":{\"type\":\"object\",\"required\":["
    "\"site_id\",\"metrics\",\"date_range\"]}}}},\"responses\":{" OK(
        "{\"type\":"
        "\"object\"}") "," ERROR("400", "The question is wrong: error says "
                                        "how") "," ERROR("401", "No key, a wrong "
                                                                "one, or one of "
                                                                "another site") "}}";
