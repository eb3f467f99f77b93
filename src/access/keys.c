/* The keys of a project. Their text is in the answer that made them and nowhere else. */
#include "access/access_int.h"

#include <stdio.h>

#include "base/must.h"

static enum rc keys_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_list(c, TENANT_KEY, access_param(c, 1));
}

/* {"key":"sk_…", …}: the object that a list shows, with the text in front. */
static enum rc answer_made(struct access_call *c, struct tenant_key_made *made)
{
    enum rc rc = access_show_with(c, "key", made->text, TENANT_KEY, access_param(c, 1),
                                  slice_str(made->id_text));
    explicit_bzero(made, sizeof(*made));
    return rc;
}

static enum rc read_scopes(struct access_call *c, tenant_permissions *ret)
{
    size_t i, n;
    yyjson_val *item, *list = json_get(c->body, "scopes");
    *ret = 0;
    if (!list)
        return RC_OK;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
        return err_set(&c->err, RC_INVALID, "\"scopes\" must be a list of names");
    yyjson_arr_foreach(list, i, n, item)
    {
        tenant_permissions one;
        if (!yyjson_is_str(item))
            return err_set(&c->err, RC_INVALID, "\"scopes\" must be a list of names");
        TRY(tenant_permissions_parse(json_text(item), &one, &c->err));
        *ret |= one;
    }
    return RC_OK;
}

static enum rc read_spec(const struct ctx *ctx, struct access_call *c, struct tenant_key_spec *ret)
{
    struct slice kind, name, expires;
    TRY(access_only(c, (const char *const[]){"kind", "name", "scopes", "expires_at", NULL}));
    TRY(access_text(c, "kind", true, 16, &kind));
    TRY(access_text(c, "name", true, TENANT_NAME_MAX, &name));
    TRY(access_text(c, "expires_at", false, 64, &expires));
    if (!slice_eq_str(kind, "write") && !slice_eq_str(kind, "secret"))
        return err_set(&c->err, RC_INVALID, "\"kind\" is \"write\" or \"secret\"");
    if (expires.len && !time_parse(expires, &ret->expires_at))
        return err_set(&c->err, RC_INVALID, "\"expires_at\" must be an RFC 3339 time");
    ret->kind = slice_eq_str(kind, "secret") ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    ret->name = arena_strndup(c->req->net->arena, name.data, name.len);
    ENSURE(ret->name, RC_NOMEM);
    ret->grantable = ctx->claims->permissions;
    return read_scopes(c, &ret->scopes);
}

static enum rc key_create(struct ctx *ctx, struct access_call *c)
{
    struct tenant_key_spec spec = {.kind = TENANT_KEY_WRITE};
    struct tenant_key_made made;
    struct uuid project;
    TRY(read_spec(ctx, c, &spec));
    TRY(access_uuid(c, access_param(c, 1), &project));
    TRY(tenant_key_create(ctx, c->access->tenant, &project, &spec, &made, &c->err));
    return answer_made(c, &made);
}

static enum rc key_show(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_show(c, TENANT_KEY, access_param(c, 1), access_param(c, 2));
}

static enum rc key_update(struct ctx *ctx, struct access_call *c)
{
    return access_update(ctx, c, TENANT_KEY, access_param(c, 1), access_param(c, 2));
}

static enum rc key_rotate(struct ctx *ctx, struct access_call *c)
{
    static const int64_t day_s = 86400;
    struct tenant_key_made made;
    yyjson_val *overlap = json_get(c->body, "overlap_seconds");
    int64_t overlap_s = day_s;
    TRY(access_only(c, (const char *const[]){"overlap_seconds", NULL}));
    if (overlap && (!json_to_i64(overlap, &overlap_s) || overlap_s < 0 || overlap_s > 30 * day_s))
        return err_set(&c->err, RC_INVALID,
                       "\"overlap_seconds\" must be an integer from 0 to 2592000 (30 days)");
    TRY(tenant_key_rotate(ctx, c->access->tenant, access_param(c, 1), access_param(c, 2),
                          ctx->claims->permissions, overlap_s * 1000, &made, &c->err));
    return answer_made(c, &made);
}

static enum rc key_revoke(struct ctx *ctx, struct access_call *c)
{
    return tenant_key_revoke(ctx, c->access->tenant, access_param(c, 1), access_param(c, 2),
                             &c->err);
}

static const struct access_op op_list = {keys_list, 200, false},
                              op_create = {key_create, 201, true}, op_show = {key_show, 200, false},
                              op_update = {key_update, 200, true},
                              op_rotate = {key_rotate, 201, true},
                              op_revoke = {key_revoke, 204, false};

#define KEYS "/v1/orgs/{orgId}/projects/{projectId}/keys"
const struct api_route access_key_routes[] = {
    ACCESS_ROUTE(NET_GET, KEYS, API_NEEDS(KEYS_READ), op_list, "listKeys", "A project's keys",
                 API_LIST("Key")),
    ACCESS_ROUTE(NET_POST, KEYS, API_NEEDS(KEYS_WRITE), op_create, "createKey",
                 "A key; its text is shown this once", ACCESS_WITH("key", "Key")),
    ACCESS_ROUTE(NET_GET, KEYS "/{keyId}", API_NEEDS(KEYS_READ), op_show, "getKey", "One key",
                 API_ONE("Key")),
    ACCESS_ROUTE(NET_PATCH, KEYS "/{keyId}", API_NEEDS(KEYS_WRITE), op_update, "updateKey",
                 "Its name and allowed origins", API_ONE("Key")),
    ACCESS_ROUTE(NET_POST, KEYS "/{keyId}/rotate", API_NEEDS(KEYS_WRITE), op_rotate, "rotateKey",
                 "A new key like it; the old one works a while longer", ACCESS_WITH("key", "Key")),
    ACCESS_ROUTE(NET_DELETE, KEYS "/{keyId}", API_NEEDS(KEYS_WRITE), op_revoke, "revokeKey",
                 "It is refused from now on", ACCESS_NOTHING),
};
const uint32_t access_key_route_count = COUNT_OF(access_key_routes);
