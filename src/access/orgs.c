/* Organisations, projects, token issuers. {orgId} is the caller's own here (api/auth.c). */
#include "access/access_int.h"

#include "base/must.h"

static struct slice actor_of(const struct ctx *ctx)
{
    return slice_str(ctx->claims->actor.id);
}

/* ---- organisations ---- */
static enum rc orgs_list(struct ctx *ctx, struct access_call *c)
{
    return access_list(c, TENANT_MEMBERSHIP, actor_of(ctx));
}

static enum rc org_create(struct ctx *ctx, struct access_call *c)
{
    struct slice name;
    struct uuid owner, org;
    char text[TENANT_NAME_MAX + 1], org_text[UUID_TEXT_LEN + 1];
    TRY(access_only(c, (const char *const[]){"name", NULL}));
    TRY(access_text(c, "name", true, TENANT_NAME_MAX, &name));
    TRY(access_uuid(c, actor_of(ctx), &owner));
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
    TRY(tenant_org_create(ctx, c->access->tenant, text, &owner, &org, &c->err));
    return access_show(c, TENANT_ORG, SLICE_EMPTY, slice_str(uuid_format(&org, org_text)));
}

static enum rc org_show(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_show(c, TENANT_ORG, SLICE_EMPTY, access_param(c, 0));
}

static enum rc org_update(struct ctx *ctx, struct access_call *c)
{
    return access_update(ctx, c, TENANT_ORG, SLICE_EMPTY, access_param(c, 0));
}

/* ---- projects ---- */
static enum rc projects_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_list(c, TENANT_PROJECT, access_param(c, 0));
}

static enum rc project_create(struct ctx *ctx, struct access_call *c)
{
    struct slice name;
    struct uuid org, project;
    char text[TENANT_NAME_MAX + 1], project_text[UUID_TEXT_LEN + 1];
    TRY(access_only(c, (const char *const[]){"name", NULL}));
    TRY(access_text(c, "name", true, TENANT_NAME_MAX, &name));
    TRY(access_uuid(c, access_param(c, 0), &org));
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
    TRY(tenant_project_create(ctx, c->access->tenant, &org, text, &project, &c->err));
    return access_show(c, TENANT_PROJECT, access_param(c, 0),
                       slice_str(uuid_format(&project, project_text)));
}

static enum rc project_show(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_show(c, TENANT_PROJECT, access_param(c, 0), access_param(c, 1));
}

static enum rc project_update(struct ctx *ctx, struct access_call *c)
{
    return access_update(ctx, c, TENANT_PROJECT, access_param(c, 0), access_param(c, 1));
}

static enum rc project_archive(struct ctx *ctx, struct access_call *c)
{
    return tenant_project_archive(ctx, c->access->tenant, access_param(c, 0), access_param(c, 1),
                                  &c->err);
}

/* ---- token issuers ---- */
static enum rc issuers_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_list(c, TENANT_ISSUER, access_param(c, 0));
}

static enum rc issuer_create(struct ctx *ctx, struct access_call *c)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_issuer_create(ctx, c->access->tenant, access_param(c, 0), c->req->net->body, &id,
                             &c->err));
    return access_show(c, TENANT_ISSUER, access_param(c, 0), slice_str(uuid_format(&id, text)));
}

static enum rc issuer_update(struct ctx *ctx, struct access_call *c)
{
    return access_update(ctx, c, TENANT_ISSUER, access_param(c, 0), access_param(c, 1));
}

static enum rc issuer_remove(struct ctx *ctx, struct access_call *c)
{
    return tenant_issuer_remove(ctx, c->access->tenant, access_param(c, 0), access_param(c, 1),
                                &c->err);
}

/* ---- the permission table ---- */
static void add_permission(struct buf *out, enum tenant_permission p)
{
    const char *between = "";
    buf_addf(out, "{\"name\":\"%s\",\"roles\":[", tenant_permission_name(p));
    for (int role = TENANT_OWNER; role < TENANT_ROLES; role++) {
        if (!tenant_may(tenant_role_permissions((enum tenant_role)role), p))
            continue;
        buf_addf(out, "%s\"%s\"", between, tenant_role_name((enum tenant_role)role));
        between = ",";
    }
    buf_addf(out, "],\"write_keys\":%s,\"secret_keys\":%s,\"about\":",
             tenant_may(tenant_key_scopes_max(TENANT_KEY_WRITE), p) ? "true" : "false",
             tenant_may(tenant_key_scopes_max(TENANT_KEY_SECRET), p) ? "true" : "false");
    buf_add_json(out, slice_str(tenant_permission_doc(p)));
    buf_add_char(out, '}');
}

static enum rc permissions_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    buf_add_str(&c->out, "{\"data\":[");
    for (int i = 0; i < TENANT_PERMISSIONS; i++) {
        buf_add_str(&c->out, i ? "," : "");
        add_permission(&c->out, (enum tenant_permission)i);
    }
    buf_add_str(&c->out, "],\"next\":null}");
    return RC_OK;
}

static const struct access_op op_orgs_list = {orgs_list, 200, false},
                              op_org_create = {org_create, 201, true},
                              op_org_show = {org_show, 200, false},
                              op_org_update = {org_update, 200, true},
                              op_projects_list = {projects_list, 200, false},
                              op_project_create = {project_create, 201, true},
                              op_project_show = {project_show, 200, false},
                              op_project_update = {project_update, 200, true},
                              op_project_archive = {project_archive, 204, false},
                              op_issuers_list = {issuers_list, 200, false},
                              op_issuer_create = {issuer_create, 201, true},
                              op_issuer_update = {issuer_update, 200, true},
                              op_issuer_remove = {issuer_remove, 204, false},
                              op_permissions = {permissions_list, 200, false};

#define PERMISSIONS                                                                              \
    ACCESS_ANSWER("\"data\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" \
                  "\"name\"" ACCESS_TEXT ",\"roles\"" ACCESS_TEXTS ",\"write_keys\"" ACCESS_FLAG \
                  ",\"secret_keys\"" ACCESS_FLAG ",\"about\"" ACCESS_TEXT                        \
                  "}}},\"next\":{\"type\":"                                                      \
                  "\"null\"}")
#define ORG "/v1/orgs/{orgId}"
#define PROJECT ORG "/projects/{projectId}"
#define ISSUER ORG "/token-issuers/{issuerId}"
const struct api_route access_org_routes[] = {
    ACCESS_ROUTE(NET_GET, "/v1/permissions", API_PUBLIC, op_permissions, "listPermissions",
                 "Roles, permissions, scopes", PERMISSIONS),
    ACCESS_ROUTE(NET_GET, "/v1/orgs", API_SIGNED_IN, op_orgs_list, "listOrgs",
                 "The caller's organisations", API_LIST("Membership")),
    ACCESS_ROUTE(NET_POST, "/v1/orgs", API_SIGNED_IN, op_org_create, "createOrg",
                 "An organisation; the caller owns it", API_ONE("Organisation")),
    ACCESS_ROUTE(NET_GET, ORG, API_NEEDS(ORG_READ), op_org_show, "getOrg", "One organisation",
                 API_ONE("Organisation")),
    ACCESS_ROUTE(NET_PATCH, ORG, API_NEEDS(ORG_WRITE), op_org_update, "updateOrg", "Rename it",
                 API_ONE("Organisation")),
    ACCESS_ROUTE(NET_GET, ORG "/projects", API_NEEDS(ORG_READ), op_projects_list, "listProjects",
                 "Its projects", API_LIST("Project")),
    ACCESS_ROUTE(NET_POST, ORG "/projects", API_NEEDS(PROJECTS_WRITE), op_project_create,
                 "createProject", "A project", API_ONE("Project")),
    ACCESS_ROUTE(NET_GET, PROJECT, API_NEEDS(ORG_READ), op_project_show, "getProject",
                 "One project and its settings", API_ONE("Project")),
    ACCESS_ROUTE(NET_PATCH, PROJECT, API_NEEDS(PROJECTS_WRITE), op_project_update, "updateProject",
                 "Change its settings", API_ONE("Project")),
    ACCESS_ROUTE(NET_DELETE, PROJECT, API_NEEDS(PROJECTS_WRITE), op_project_archive,
                 "archiveProject", "Archive it: its keys stop working", ACCESS_NOTHING),
    ACCESS_ROUTE(NET_GET, ORG "/token-issuers", API_NEEDS(ORG_READ), op_issuers_list,
                 "listTokenIssuers", "Who may sign tokens", API_LIST("TokenIssuer")),
    ACCESS_ROUTE(NET_POST, ORG "/token-issuers", API_NEEDS(ORG_WRITE), op_issuer_create,
                 "createTokenIssuer", "Let an issuer sign tokens", API_ONE("TokenIssuer")),
    ACCESS_ROUTE(NET_PATCH, ISSUER, API_NEEDS(ORG_WRITE), op_issuer_update, "updateTokenIssuer",
                 "Change an issuer", API_ONE("TokenIssuer")),
    ACCESS_ROUTE(NET_DELETE, ISSUER, API_NEEDS(ORG_WRITE), op_issuer_remove, "removeTokenIssuer",
                 "Its tokens are refused from now on", ACCESS_NOTHING),
};
const uint32_t access_org_route_count = COUNT_OF(access_org_routes);
