/* WHAT    GET …/imports: which imports the project's sums came with (docs/import.md, `plausible`).
 *         The rows say it themselves: a row is the last import's that had it.
 * THREADS handlers on the request's loop. */
#include "analytics/report/query_int.h"

static const char sql[] =
    "SELECT toString(import_id) AS id, concat(formatDateTime(made, '%Y-%m-%dT%H:%i:%S', 'UTC'), "
    "'.', leftPad(toString(toUnixTimestamp64Milli(made) % 1000), 3, '0'), 'Z') AS imported_at, "
    "files, first_day, last_day, n_rows AS rows, n_visitors AS visitors, n_pageviews AS pageviews "
    "FROM ("
    "SELECT import_id, fromUnixTimestamp64Milli(toInt64(max(version)), 'UTC') AS made, "
    "arraySort(groupUniqArray(toString(report))) AS files, min(date) AS first_day, "
    "max(date) AS last_day, count() AS n_rows, "
    "sumIf(visitors, report = 'visitors') AS n_visitors, "
    "sumIf(pageviews, report = 'visitors') AS n_pageviews FROM $IMPORTED GROUP BY import_id) "
    "ORDER BY made DESC, import_id LIMIT 1000";

void query_imports(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (call)
        query_run_rows(ctx, call, "data", sql);
}

const char query_openapi_imports[] =
    "{\"operationId\":\"listImports\",\"summary\":\"Which imports brought the sums of other "
    "products that the project has, newest first\",\"parameters\":[{\"name\":\"projectId\",\"in\":"
    "\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}],"
    "\"responses\":{\"200\":{\"description\":\"OK\",\"content\":{\"application/json\":{\"schema\":{"
    "\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"object\","
    "\"properties\":{\"id\":{\"type\":\"string\"},\"imported_at\":{\"type\":\"string\",\"format\":"
    "\"date-time\"},\"files\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"first_day\":{"
    "\"type\":\"string\",\"format\":\"date\"},\"last_day\":{\"type\":\"string\",\"format\":"
    "\"date\"},"
    "\"rows\":{\"type\":\"integer\"},\"visitors\":{\"type\":\"integer\"},\"pageviews\":{\"type\":"
    "\"integer\"}}}}}}}}},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}";
