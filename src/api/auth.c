/* WHAT  Who asks, and whether it may: the one place that every route's answer to it comes from.
 * WHY   A handler gets its project from here and from nowhere else, so that it cannot forget whose
 *       data it touches; the {projectId} of the path must be the caller's own, otherwise the answer
 *       is the same 404 that a project which does not exist would get (nobody learns which ids
 *       exist). What a route needs stands in its row of the table (api_route.access). */
#include "api/api_int.h"

#include "base/must.h"

static struct slice credential(struct net_request *net)
{
    struct slice key = net_header_get(net, "X-API-Key");
    if (key.len)
        return key;
    struct slice auth = net_header_get(net, "Authorization");
    if (auth.len > 7 && slice_eq_nocase(slice_of(auth.data, 7), SLICE_LIT("Bearer ")))
        return slice_trim(slice_sub(auth, 7));
    return SLICE_EMPTY;
}

/* What the route asks for; false: answered. */
static bool may(struct api_request *req, tenant_permissions has, const char *who)
{
    int access = req->route->access;
    must(access >= API_PERMISSION);
    enum tenant_permission needed = (enum tenant_permission)(access - API_PERMISSION);
    if (tenant_may(has, needed))
        return true;
    api_problem(req, RC_FORBIDDEN, "%s lacks the permission %s.", who,
                tenant_permission_name(needed));
    return false;
}

/* Every {projectId} of the path is the caller's project. */
static bool is_in_project(struct api_request *req, const struct api_entry *e)
{
    for (uint32_t i = 0, p = 0; i < e->segment_count; i++) {
        if (e->segments[i].data[0] != '{')
            continue;
        struct slice value = req->params[p++];
        struct uuid id;
        if (!slice_eq_str(e->segments[i], "{projectId}"))
            continue;
        if (!uuid_parse(value, &id) || memcmp(&id, &req->project->id, sizeof(id)) != 0) {
            api_problem(req, RC_NOTFOUND, "There is no project %.*s that this key can read.",
                        (int)(value.len > 64 ? 64 : value.len), value.data);
            return false;
        }
    }
    return true;
}

static bool authenticate_key(struct api_request *req, const struct api_entry *e, struct slice text)
{
    unix_ms now = unix_now();
    const struct tenant_key *key = tenant_key_find(req->view, text, now);
    if (!key) {
        api_problem(req, RC_UNAUTHORIZED, "This key is unknown, was revoked or has expired.");
        return false;
    }
    if (!may(req, key->scopes, key->kind == TENANT_KEY_WRITE ? "This write key" : "This key"))
        return false;
    req->project = key->project;
    tenant_key_used(key, now);
    return is_in_project(req, e);
}

bool api_authenticate(struct api_request *req, const struct api_entry *e)
{
    if (e->route->access < API_PERMISSION || e->route->is_ingest)
        return true;
    struct slice text = credential(req->net);
    if (text.len == 0) {
        api_problem(req, RC_UNAUTHORIZED,
                    "Send a secret key: X-API-Key: sk_... or Authorization: Bearer sk_...");
        return false;
    }
    return authenticate_key(req, e, text);
}

const struct tenant_project *api_ingest_project(struct api_request *req, struct slice text)
{
    unix_ms now = unix_now();
    const struct tenant_key *key = tenant_key_find(req->view, text, now);
    if (!key) {
        api_problem(req, RC_UNAUTHORIZED, "%s",
                    text.len ? "This key is unknown, was revoked or has expired."
                             : "Send a write key: Authorization: Bearer wk_..., Basic user name, "
                               "or ?key=wk_...");
        return NULL;
    }
    if (!may(req, key->scopes, "This key"))
        return NULL;
    struct slice origin = net_header_get(req->net, "Origin");
    if (!tenant_key_allows(key, origin)) {
        api_problem(req, RC_FORBIDDEN, "This key may not be used on pages of %.*s.",
                    (int)(origin.len > 100 ? 100 : origin.len), origin.data);
        return NULL;
    }
    tenant_key_used(key, now);
    return key->project;
}
