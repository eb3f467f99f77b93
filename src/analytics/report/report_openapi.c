/* OpenAPI texts of the report routes. */
#include "analytics/report/report_int.h"

#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define FILTERS "{\"type\":\"array\",\"items\":{\"type\":\"array\"}}"
#define WORDS(...) "{\"enum\":[" __VA_ARGS__ "]}"
#define COUNT_BY "\"count_by\":" WORDS("\"visitors\",\"users\",\"persons\"")
#define UNIT "\"unit\":" WORDS("\"day\",\"week\",\"month\"")
#define NUMBER "{\"type\":\"integer\",\"minimum\":0}"
#define SECONDS "{\"type\":\"integer\",\"minimum\":1,\"description\":\"Seconds\"}"
#define TEXT "{\"type\":\"string\"}"
#define PAGE "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000},\"offset\":" NUMBER
#define DIMENSIONS "\"dimensions\":" NAMES
#define WHICH "\"event\":" TEXT ",\"goal\":{},\"filters\":" FILTERS
/* What all kinds of reports have. */
#define COMMON                                                                                     \
    "{\"type\":\"object\",\"required\":[\"date_range\"],\"properties\":{"                          \
    "\"date_range\":{\"description\":\"A word (day, "                                              \
    "7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all, 24h, 30m, realtime), two days, or two "       \
    "instants\"},\"timezone\":" TEXT ",\"filters\":" FILTERS ",\"bots\":" WORDS(                   \
        "\"exclude\",\"include\",\"only\"") ",\"sample\":{\"type\":\"number\",\"minimum\":0.0001," \
                                            "\"maximum\":1,\"description\":\"Share of the "        \
                                            "visitors (users, persons) to look at; counts and "    \
                                            "sums are told of all\"},\"include\":{\"type\":"       \
                                            "\"object\",\"properties\":{\"compare\":{},\"time_"    \
                                            "labels\":{\"type\":\"boolean\"},"                     \
                                            "\"total_rows\":{\"type\":\"boolean\"},\"imports\""    \
                                            ":{\"enum\":[true,false,\"where_known\"]},\"sql\":{"   \
                                            "\"type\":\"boolean\"}}}}}"
#define KIND(name, more, properties)                        \
    "{\"title\":\"" name "\",\"required\":[\"report\"" more \
    "],\"properties\":{\"report\":{\"const\":\"" name "\"}," properties "}}"
#define BREAKDOWN                                                                      \
    "{\"title\":\"breakdown\",\"required\":[\"metrics\"],\"properties\":{\"report\":{" \
    "\"const\":\"breakdown\"},\"metrics\":" NAMES "," DIMENSIONS ",\"goal\":" FILTERS  \
    ",\"order_by\":{\"type\":\"array\",\"items\":" NAMES "},\"cursor\":" TEXT "," PAGE "}}"
#define FUNNEL                                                                                   \
    KIND("funnel", ",\"steps\"",                                                                 \
         "\"steps\":{\"type\":\"array\",\"minItems\":2,\"maxItems\":20,\"items\":{\"type\":"     \
         "\"object\",\"properties\":{\"name\":" TEXT "," WHICH "}}},\"window\":" SECONDS         \
         ",\"order\":" WORDS(                                                                    \
             "\"ordered\",\"strict\",\"unordered\"") ",\"exclusions\":{\"type\":"                \
                                                     "\"array\",\"items\":{\"type\":\"object\"," \
                                                     "\"properties\":{\"from\":" NUMBER          \
                                                     ",\"to\":" NUMBER "," WHICH "}}}," COUNT_BY \
                                                     "," DIMENSIONS)
#define RETENTION                                                                    \
    KIND("retention", "",                                                            \
         "\"start\":" FILTERS ",\"return\":" FILTERS "," UNIT ",\"periods\":" NUMBER \
         ",\"type\":" WORDS("\"first_time\",\"recurring\"") "," COUNT_BY)
#define STICKINESS KIND("stickiness", "", "\"goal\":" FILTERS "," UNIT "," COUNT_BY)
#define LIFECYCLE KIND("lifecycle", "", "\"goal\":" FILTERS "," UNIT "," COUNT_BY)
#define PATHS                                                                                      \
    KIND("paths", "",                                                                              \
         "\"nodes\":" WORDS("\"page\",\"event\",\"both\"") ",\"within\":" WORDS(                   \
             "\"visit\",\"range\"") ",\"rows\":" WORDS("\"edges\",\"paths\"") ",\"groups\":" NAMES \
                                                                              ",\"from\":" TEXT    \
                                                                              ",\"to\":" TEXT      \
                                                                              ",\"window\""        \
                                                                              ":" SECONDS          \
                                                                              ",\"steps\":{"       \
                                                                              "\"type\":"          \
                                                                              "\"integer\","       \
                                                                              "\"minimum\":2,"     \
                                                                              "\"maximum\":20}"    \
                                                                              "," COUNT_BY         \
                                                                              "," PAGE)
#define VITALS                                                                       \
    KIND(                                                                            \
        "vitals", "",                                                                \
        "\"metrics\":{\"type\":\"array\",\"items\":" WORDS(                          \
            "\"LCP\",\"INP\",\"CLS\",\"FCP\",\"TTFB\",\"FID\"") "}," DIMENSIONS      \
                                                                ",\"order\":" WORDS( \
                                                                    "\"count\",\"p75\"") "," PAGE)
#define ATTRIBUTION                                                                             \
    KIND("attribution", ",\"goal\"",                                                            \
         "\"goal\":" FILTERS "," DIMENSIONS ",\"models\":{\"type\":\"array\",\"items\":" WORDS( \
             "\"first_touch\",\"last_touch\",\"last_non_direct\",\"linear\","                   \
             "\"position_based\",\"time_decay\"") "},\"lookback\":" SECONDS "," COUNT_BY "," PAGE)
#define EVENTS KIND("events", "", "\"cursor\":" TEXT "," PAGE)
#define PROPERTIES KIND("properties", "", PAGE)
#define QUESTION                                                                            \
    "{\"allOf\":[" COMMON ",{\"oneOf\":[" BREAKDOWN "," FUNNEL "," RETENTION "," STICKINESS \
    "," LIFECYCLE "," PATHS "," VITALS "," ATTRIBUTION "," EVENTS "," PROPERTIES "]}]}"
#define ANSWER API_REF("ReportAnswer")
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
    "retention, stickiness, lifecycle, paths, web vitals, attribution; as JSON, or its results as "
    "CSV (Accept: text/csv, or ?format=csv)\",\"tags\":[\"Reports\"]," PROJECT "," BODY
    ",\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{"
    "\"schema\":" ANSWER "},\"text/csv\":{}}}," PROBLEMS "}}";

#define PARAMETER(name, in, is_needed)                                                          \
    "{\"name\":\"" name "\",\"in\":\"" in "\",\"required\":" is_needed ",\"schema\":{\"type\":" \
    "\"string\"}}"
#define STATEMENTS                                                                             \
    ",\"responses\":{" OK(                                                                     \
        "{\"type\":\"object\",\"required\":[\"statements\",\"parameters\"],\"properties\":{"   \
        "\"statements\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"parameters\":{" \
        "\"type\":\"object\",\"additionalProperties\":" TEXT "}}}") "," PROBLEMS "}}"

const char query_openapi_report_sql[] =
    "{\"operationId\":\"showReportSql\",\"summary\":\"The statements that answer a question, and "
    "their parameters\",\"tags\":[\"Reports\"]," PROJECT "," BODY STATEMENTS;

const char query_openapi_report_sql_get[] =
    "{\"operationId\":\"getReportSql\",\"summary\":\"The same of a question in the address: the "
    "JSON that is the body of POST, "
    "percent-encoded\",\"tags\":[\"Reports\"],\"parameters\":[" PARAMETER(
        "projectId", "path", "true") "," PARAMETER("question", "query", "true") "]" STATEMENTS;

#define COHORT                                               \
    "\"tags\":[\"Definitions\"],\"parameters\":[" PARAMETER( \
        "projectId", "path", "true") "," PARAMETER("cohortId", "path", "true")
#define MEMBERS                                                                              \
    "{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"array\",\"items\":{\"type\":" \
    "\"object\",\"required\":[],\"properties\":{\"visitor\":" TEXT ",\"user_id\":" TEXT      \
    ",\"person_id\":" TEXT "}}},\"next\":{\"type\":[\"string\",\"null\"]}}}"
const char query_openapi_cohort_members[] =
    "{\"operationId\":\"listCohortMembers\",\"summary\":\"Who is in a cohort now\"," COHORT
    "," PARAMETER("limit", "query", "false") "," PARAMETER(
        "cursor", "query", "false") "],\"responses\":{" OK(MEMBERS) "," PROBLEMS "}}";
const char query_openapi_cohort_count[] =
    "{\"operationId\":\"countCohort\",\"summary\":\"How many are in a cohort now\"," COHORT
    "],\"responses\":{" OK(
        "{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}}}") "," PROBLEMS
                                                                                   "}}";
const char query_openapi_cohort_snapshot[] =
    "{\"operationId\":\"snapshotCohort\",\"summary\":\"Keep who is in a cohort now, as a cohort of "
    "its own\"," COHORT "],\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{"
    "\"schema\":{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":"
    "\"string\"}}}}}},\"responses\":{\"201\":{\"description\":\"Kept\",\"content\":{"
    "\"application/json\":{\"schema\":" API_REF("Cohort") "}}}," PROBLEMS "}}";

#define OVER                               \
    "\"date_range\":{},\"timezone\":" TEXT \
    ",\"include\":{\"type\":\"object\"},\"filters\":" FILTERS ",\"cursor\":" TEXT "," PAGE
const char query_openapi_saved_report[] =
    "{\"operationId\":\"runReport\",\"summary\":\"The answer of a saved report; what is sent goes "
    "over it\",\"tags\":[\"Definitions\"],\"parameters\":[" PARAMETER(
        "projectId", "path",
        "true") "," PARAMETER("reportId", "path",
                              "true") "],\"requestBody\":{\"content\":{\"application/json\":{"
                                      "\"schema\":{\"type\":\"object\",\"additionalProperties\":"
                                      "false,\"properties\":{" OVER "}}}}},"
                                      "\"responses\":{" OK(ANSWER) "," PROBLEMS "}}";

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
