/* GET /openapi.json from the route table: what is not in the table is not served, so the two cannot
 * drift apart. "x-weir-access" of each operation says what it asks of its caller: "public",
 * "signed-in", or a permission's name; "x-weir-shared", that visits by a shared link may use it. */
#include "api/api_int.h"

#include "base/must.h"
#include "tenant/admin.h"

static const char *const method_names[] = {"get",   "head",   "post",   "put",
                                           "patch", "delete", "options"};

static bool is_public(const struct api_entry *e)
{
    return e->route->openapi && e->route->access != API_CONTROL;
}

static bool is_seen_before(const struct api *api, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (is_public(&api->entries[i]) && slice_eq_str(slice_str(api->entries[i].route->pattern),
                                                        api->entries[index].route->pattern))
            return true;
    return false;
}

/* The route's text is an object with members; what its row of the table asks is put in front. */
static void add_operation(struct buf *out, const struct api_route *route)
{
    const char *access = "public";
    must(route->openapi[0] == '{');
    if (route->access == API_SIGNED_IN)
        access = "signed-in";
    if (route->access >= API_PERMISSION)
        access =
            tenant_permission_name((enum tenant_permission)(route->access - (int)API_PERMISSION));
    buf_addf(out, "{\"x-weir-access\":\"%s\",%s", access,
             route->is_shared ? "\"x-weir-shared\":true," : "");
    buf_add_str(out, route->openapi + 1);
}

static void add_path(struct buf *out, const struct api *api, uint32_t index)
{
    const char *pattern = api->entries[index].route->pattern;
    buf_add_json(out, slice_str(pattern[0] == '*' ? pattern + 1 : pattern));
    buf_add_str(out, ":{");
    bool is_first = true;
    for (uint32_t i = index; i < api->entry_count; i++) {
        const struct api_route *route = api->entries[i].route;
        if (!is_public(&api->entries[i]) || !slice_eq_str(slice_str(route->pattern), pattern))
            continue;
        buf_addf(out, "%s\"%s\":", is_first ? "" : ",", method_names[route->method]);
        add_operation(out, route);
        is_first = false;
    }
    buf_add_char(out, '}');
}

void api_openapi(const struct api *api, struct buf *out)
{
    buf_add_str(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"weir\",\"version\":");
    buf_add_json(out, slice_str(api->version));
    buf_add_str(
        out,
        ",\"description\":\"In answers an object has every member that its schema lists, unless "
        "required says "
        "which.\",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},\"paths\":"
        "{");
    bool is_first = true;
    for (uint32_t i = 0; i < api->entry_count; i++) {
        if (!is_public(&api->entries[i]) || is_seen_before(api, i))
            continue;
        if (!is_first)
            buf_add_char(out, ',');
        is_first = false;
        add_path(out, api, i);
    }
    buf_add_str(
        out, "},\"components\":{\"securitySchemes\":{"
             "\"writeKey\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"wk_...: "
             "may only ingest\"},"
             "\"secretKey\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"},"
             "\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"},"
             "\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"weir_session\","
             "\"description\":\"made by POST /v1/login (__Host-weir_session on https); what is "
             "not GET also needs X-CSRF-Token\"}},"
             "\"responses\":{\"Problem\":{\"description\":\"What to fix\",\"content\":{"
             "\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\""
             "}}}}},"
             "\"schemas\":{\"Problem\":{\"type\":\"object\",\"description\":\"RFC "
             "9457\",\"properties\":{"
             "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{"
             "\"type\":\"integer\"},"
             "\"detail\":{\"type\":\"string\"},\"instance\":{\"type\":\"string\"}}},");
    tenant_schemas(out);
    for (uint32_t i = 0; i < api->service_count; i++) {
        if (!api->services[i].openapi_schemas)
            continue;
        buf_add_char(out, ',');
        buf_add_str(out, api->services[i].openapi_schemas);
    }
    buf_add_str(out, "}}}");
}
