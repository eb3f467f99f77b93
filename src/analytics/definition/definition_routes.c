/* The routes of stored definitions, with their OpenAPI operations. */
#include "analytics/definition/definition_int.h"

#include "base/must.h"

enum { BODY_BYTES_MAX = DEFINITION_LIST_BYTES_MAX + (1 << 20) };

static const struct definition_kind goal = {TENANT_GOAL, STORED_GOAL, {"name", "filters"}},
                                    segment = {TENANT_SEGMENT, STORED_SEGMENT, {"name", "filters"}},
                                    cohort = {TENANT_COHORT, STORED_COHORT, {"name"}},
                                    annotation = {TENANT_ANNOTATION, STORED_KINDS, {"at", "text"}},
                                    report = {TENANT_REPORT, STORED_REPORT, {"name", "question"}};

/* One of each verb for a kind. */
#define OPS(kind, list, create, update)                                                     \
    static const struct definition_op kind##_list = {&(kind), list, 200, false},            \
                                      kind##_create = {&(kind), create, 201, true},         \
                                      kind##_show = {&(kind), definition_show, 200, false}, \
                                      kind##_update = {&(kind), update, 200, true},         \
                                      kind##_remove = {&(kind), definition_remove, 204, false}
OPS(goal, definition_list, definition_create, definition_update);
OPS(segment, definition_list, definition_create, definition_update);
OPS(cohort, definition_list, definition_create_cohort, definition_update_cohort);
OPS(annotation, definition_list_annotations, definition_create, definition_update);
OPS(report, definition_list, definition_create, definition_update);

/* ---- OpenAPI ---- */
#define PARAMETER(name) \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}"
#define AFTER "{\"name\":\"after\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}"
#define IF_MATCH "{\"name\":\"If-Match\",\"in\":\"header\",\"schema\":{\"type\":\"string\"}}"
#define HEAD(id, summary, parameters)                    \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary \
    "\",\"tags\":[\"Definitions\"],\"parameters\":[" PARAMETER("projectId") parameters "],"
#define BODY(members, needed)                                                                     \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"type\":" \
    "\"object\",\"additionalProperties\":false,\"properties\":{" members "}" needed "}}}},"
#define TEXT "{\"type\":\"string\"}"
#define FILTERS "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"array\"}}"
#define GOAL                                                                                 \
    "\"name\":" TEXT ",\"filters\":" FILTERS ",\"revenue\":{\"type\":[\"object\",\"null\"]," \
    "\"properties\":{\"property\":" TEXT ",\"currency\":" TEXT "}}"
#define SEGMENT                                                                        \
    "\"name\":" TEXT ",\"filters\":" FILTERS ",\"visibility\":{\"enum\":[\"project\"," \
    "\"personal\"]}"

#define COHORT                                                                                   \
    "\"name\":" TEXT                                                                             \
    ",\"count_by\":{\"enum\":[\"visitors\",\"users\",\"persons\"]},\"conditions\":{\"type\":"    \
    "\"array\",\"items\":{\"type\":\"object\"}},\"members\":{\"type\":\"array\",\"items\":" TEXT \
    "}"

#define ANNOTATION "\"at\":" TEXT ",\"text\":" TEXT ",\"kind\":" TEXT ",\"colour\":" TEXT
#define REPORT "\"name\":" TEXT ",\"question\":{\"type\":\"object\"}"
#define DAYS                                                                                       \
    ",{\"name\":\"from\",\"in\":\"query\",\"schema\":" TEXT "},{\"name\":\"to\",\"in\":\"query\"," \
    "\"schema\":" TEXT "}"

#define ROUTE_OF(method_, path, needs, shared, op, bytes, text)                                  \
    {                                                                                            \
        .method = method_, .pattern = "/v1/projects/{projectId}/" path, .access = needs,         \
        .is_shared = shared, .body_bytes_max = bytes, .handle = definition_handle, .arg = &(op), \
        .openapi = text                                                                          \
    }
#define ROUTE(method, path, needs, op, bytes, text) \
    ROUTE_OF(method, path, needs, false, op, bytes, text)
#define NEEDED(names) ",\"required\":[" names "]"
/* The five of one kind: path, whether who has a shared link sees the list, name of its id, of one,
 * of many. */
#define ROUTES(kind, path, shared, id, One, Many, more, members, needed)                           \
    ROUTE_OF(NET_GET, path, API_NEEDS(STATS_READ), shared, kind##_list, 0,                         \
             HEAD("list" Many, "Stored ones of the project", "," AFTER more)                       \
                 API_RESPONSES(API_LIST(One))),                                                    \
        ROUTE(NET_POST, path, API_NEEDS(DEFINITIONS_WRITE), kind##_create, BODY_BYTES_MAX,         \
              HEAD("create" One, "Keep one", "") BODY(members, NEEDED(needed))                     \
                  API_RESPONSES(API_ONE(One))),                                                    \
        ROUTE(NET_GET, path "/{" id "}", API_NEEDS(STATS_READ), kind##_show, 0,                    \
              HEAD("get" One, "One; ETag is its version", "," PARAMETER(id))                       \
                  API_RESPONSES(API_ONE(One))),                                                    \
        ROUTE(NET_PATCH, path "/{" id "}", API_NEEDS(DEFINITIONS_WRITE), kind##_update,            \
              BODY_BYTES_MAX,                                                                      \
              HEAD("update" One, "Change one; with If-Match only that version",                    \
                   "," PARAMETER(id) "," IF_MATCH) BODY(members, "") API_RESPONSES(API_ONE(One))), \
        ROUTE(NET_DELETE, path "/{" id "}", API_NEEDS(DEFINITIONS_WRITE), kind##_remove, 0,        \
              HEAD("remove" One, "Remove one", "," PARAMETER(id) "," IF_MATCH) API_RESPONSES(""))

const struct api_route definition_routes[] = {
    ROUTES(goal, "goals", false, "goalId", "Goal", "Goals", "", GOAL, "\"name\",\"filters\""),
    ROUTES(segment, "segments", false, "segmentId", "Segment", "Segments", "", SEGMENT,
           "\"name\",\"filters\""),
    ROUTES(cohort, "cohorts", false, "cohortId", "Cohort", "Cohorts", "", COHORT, "\"name\""),
    ROUTES(annotation, "annotations", true, "annotationId", "Annotation", "Annotations", DAYS,
           ANNOTATION, "\"at\",\"text\""),
    ROUTES(report, "reports", false, "reportId", "Report", "Reports", "", REPORT,
           "\"name\",\"question\""),
};
const uint32_t definition_route_count = COUNT_OF(definition_routes);
