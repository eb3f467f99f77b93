/* WHAT    Shared links of a project: what may stand in them, and their routes. docs/access.md.
 * WHY     Kept like all definitions (tenant/share.h); what they bind questions to is read by the
 *         reports' parser before it is kept. Their password never gets beyond this file: it is
 *         hashed here, before the transaction, and taken out of the object that is kept. */
#include "analytics/definition/definition_int.h"

#include "base/must.h"
#include "tenant/share.h"

enum { BODY_BYTES_MAX = DEFINITION_JSON_MAX + 8192 };

/* Whose filters they are is nobody's when they are used: a segment of one's own is not there. */
static enum rc check_filters(struct definition_call *c)
{
    const struct stored_lookup lookup = {
        .source = &c->definition->source,
        .where = {.project = c->where.project, .viewer = SLICE_EMPTY}};
    yyjson_val *filters = json_get(c->body, "filters");
    if (!filters || yyjson_is_null(filters) ||
        (yyjson_is_arr(filters) && yyjson_arr_size(filters) == 0))
        return RC_OK;
    return stored_check(STORED_SEGMENT, c->body, &lookup, c->req->net->arena, &c->err);
}

static enum rc check_share(struct definition_call *c)
{
    yyjson_val *pages = json_get(c->body, "pages"), *end = json_get(c->body, "expires_at");
    unix_ms when;
    if (yyjson_is_arr(pages) && yyjson_arr_size(pages) == 0)
        return err_set(&c->err, RC_INVALID, "/pages: name one at least");
    if (yyjson_is_str(end) && time_parse(json_text(end), &when) && when.ms <= unix_now().ms)
        return err_set(&c->err, RC_INVALID, "/expires_at: it would have expired already");
    return check_filters(c);
}

/* *ret_given: NULL if nothing was said of it. */
static enum rc read_password(struct definition_call *c, struct password_hash *hash,
                             struct tenant_share_password *password,
                             const struct tenant_share_password **ret_given)
{
    yyjson_val *v = json_get(c->body, "password");
    *password = (struct tenant_share_password){.hash = NULL};
    *ret_given = v ? password : NULL;
    if (!v || yyjson_is_null(v))
        return RC_OK;
    if (!yyjson_is_str(v))
        return err_set(&c->err, RC_INVALID, "/password: give a text, or null for none");
    TRY(password_check(json_text(v), SLICE_EMPTY, &c->err));
    TRY(password_hash(json_text(v), hash, &c->err));
    password->hash = hash;
    return RC_OK;
}

/* The body without its password. */
static enum rc rest_of(struct definition_call *c, struct slice *ret)
{
    static const char *const skip[] = {"password", NULL};
    size_t max = c->req->net->body.len;
    char *space = arena_alloc(c->req->net->arena, max);
    ENSURE(space, err_set(&c->err, RC_NOMEM, "no memory for this request"));
    struct json_out out = {.p = space, .end = space + max};
    enum json_problem problem = json_write(&out, c->body, skip, c->req->net->arena);
    if (problem != JSON_FINE || out.is_full)
        return err_set(&c->err, RC_INVALID, "the body: %s", json_problem_text(problem));
    *ret = slice_of(space, (size_t)(out.p - space));
    return RC_OK;
}

static enum rc share_create(struct ctx *ctx, struct definition_call *c)
{
    struct password_hash hash;
    struct tenant_share_password password;
    const struct tenant_share_password *given;
    struct slice object = SLICE_EMPTY;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    if (!json_get(c->body, "name"))
        return err_set(&c->err, RC_INVALID, "/name: it is needed");
    TRY(check_share(c));
    TRY(read_password(c, &hash, &password, &given));
    TRY(rest_of(c, &object));
    TRY(tenant_share_create(ctx, c->definition->tenant, &c->where, object, given, &id, &c->err));
    return definition_shown(c, slice_str(uuid_format(&id, text)));
}

static enum rc share_update(struct ctx *ctx, struct definition_call *c)
{
    struct password_hash hash;
    struct tenant_share_password password;
    const struct tenant_share_password *given;
    struct slice object = SLICE_EMPTY, id = c->req->params[1];
    int64_t version;
    TRY(definition_read_match(c, &version));
    TRY(check_share(c));
    TRY(read_password(c, &hash, &password, &given));
    TRY(rest_of(c, &object));
    TRY(tenant_share_update(ctx, c->definition->tenant, &c->where, id, version, object, given,
                            &c->err));
    return definition_shown(c, id);
}

static enum rc share_remove(struct ctx *ctx, struct definition_call *c)
{
    int64_t version;
    TRY(definition_read_match(c, &version));
    return tenant_share_remove(ctx, c->definition->tenant, &c->where, c->req->params[1], version,
                               &c->err);
}

static const struct definition_kind share = {.entity = TENANT_SHARE, .stored = STORED_KINDS};
static const struct definition_op share_list = {&share, definition_list, 200, false},
                                  share_make = {&share, share_create, 201, true},
                                  share_show = {&share, definition_show, 200, false},
                                  share_change = {&share, share_update, 200, true},
                                  share_revoke = {&share, share_remove, 204, false};

/* ---- routes ---- */
#define PARAMETER(name) \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}"
#define AFTER ",{\"name\":\"after\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}"
#define ONE "," PARAMETER("shareId")
#define IF_MATCH ",{\"name\":\"If-Match\",\"in\":\"header\",\"schema\":{\"type\":\"string\"}}"
#define TEXT "{\"type\":\"string\"}"
#define TEXTS "{\"type\":\"array\",\"items\":" TEXT "}"
#define BODY(needed)                                                                               \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"type\":"  \
    "\"object\",\"additionalProperties\":false,\"properties\":{\"name\":" TEXT ",\"pages\":" TEXTS \
    ",\"filters\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":"                             \
    "\"array\"}},\"embed_origins\":" TEXTS ",\"expires_at\":{\"type\":[\"string\",\"null\"]},"     \
    "\"password\":{\"type\":[\"string\",\"null\"]}}" needed "}}}},"
#define HEAD(id, summary, parameters)                    \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary \
    "\",\"tags\":[\"Shared links\"],\"parameters\":[" PARAMETER("projectId") parameters "],"
#define SHARES "/v1/projects/{projectId}/shares"
#define ROUTE(method_, path, op, bytes, text)                                               \
    {                                                                                       \
        .method = method_, .pattern = path, .access = API_NEEDS(SHARES_WRITE),              \
        .body_bytes_max = bytes, .handle = definition_handle, .arg = &(op), .openapi = text \
    }

static const struct api_route routes[] = {
    ROUTE(NET_GET, SHARES, share_list, 0,
          HEAD("listShares", "Shared links of the project", AFTER)
              API_RESPONSES(API_LIST("Share"))),
    ROUTE(NET_POST, SHARES, share_make, BODY_BYTES_MAX,
          HEAD("createShare", "Make one", "") BODY(",\"required\":[\"name\"]")
              API_RESPONSES(API_ONE("Share"))),
    ROUTE(NET_GET, SHARES "/{shareId}", share_show, 0,
          HEAD("getShare", "One; ETag is its version", ONE) API_RESPONSES(API_ONE("Share"))),
    ROUTE(NET_PATCH, SHARES "/{shareId}", share_change, BODY_BYTES_MAX,
          HEAD("updateShare", "Change one; another password ends its visits", ONE IF_MATCH) BODY("")
              API_RESPONSES(API_ONE("Share"))),
    ROUTE(NET_DELETE, SHARES "/{shareId}", share_revoke, 0,
          HEAD("revokeShare", "It is refused from now on", ONE IF_MATCH) API_RESPONSES("")),
};

struct api_service definition_share_service(struct definition *d)
{
    return (struct api_service){
        .name = "share", .ctx = d, .routes = routes, .route_count = COUNT_OF(routes)};
}
