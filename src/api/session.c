/* WHAT     A person's cookie: who it is, and which role they have in the organisation of the path.
 * WHY      Read from the state with each request, so that a logout, a removal or another role holds
 *          from the next request on, on every loop and node.
 * CSRF     A browser sends the cookie with whatever a foreign page makes it send. So a request that
 *          changes something must also bring what only a page of ours can read: X-CSRF-Token, made
 *          of the session's token (tenant/session.h).
 * THREADS  settle and done on the request's loop, look on the worker pool. */
#include "api/api_int.h"

#include <stdio.h>

#include "tenant/admin.h"
#include "tenant/session.h"

static void look(struct ctx *ctx, void *arg)
{
    struct api_request *req = arg;
    struct api_auth *auth = req->auth;
    struct session session;
    char org[UUID_TEXT_LEN + 1], user[UUID_TEXT_LEN + 1];
    (void)ctx;
    auth->rc = session_find(req->api->state, auth->token, unix_now(), &session, &auth->err);
    if (auth->rc != RC_OK)
        return;
    auth->user = session.user;
    auth->session = session.id;
    if (!auth->is_place_there)
        auth->rc = RC_NOTFOUND;
    else if (auth->place.has_org)
        auth->rc = tenant_member_role_of(
            req->api->state, slice_str(uuid_format(&auth->place.org, org)),
            slice_str(uuid_format(&auth->user, user)), &auth->role, &auth->err);
}

static void done(struct ctx *ctx, void *arg)
{
    struct api_request *req = arg;
    struct api_auth *auth = req->auth;
    (void)ctx;
    struct ctx_claims claims = {.actor = {.kind = CTX_USER},
                                .role = auth->role,
                                .permissions = tenant_role_permissions(auth->role)};
    if (auth->rc == RC_NOTFOUND) {
        api_not_there(req); /* no such place, or no member there */
        return;
    }
    if (auth->rc != RC_OK) {
        api_problem_err(req, &auth->err);
        return;
    }
    uuid_format(&auth->user, claims.actor.id);
    req->session = auth->session;
    if (api_admit(req, &auth->place, &claims))
        api_handle(req);
}

static void settle(struct api_request *req)
{
    net_loop_work(req->net->ctx, req->net->loop, look, done, req);
}

static bool is_safe(enum net_method method)
{
    return method == NET_GET || method == NET_HEAD || method == NET_OPTIONS;
}

enum api_verdict api_session_begin(struct api_request *req, struct slice token)
{
    if (!is_safe(req->net->method) &&
        !session_csrf_is_valid(token, net_header_get(req->net, "X-CSRF-Token"))) {
        api_problem(req, RC_FORBIDDEN,
                    "Send the header X-CSRF-Token with the value that GET /v1/me shows.");
        return API_ANSWERED;
    }
    req->auth = arena_zalloc(req->net->arena, sizeof(*req->auth));
    if (!req->auth) {
        api_problem(req, RC_NOMEM, "No memory.");
        return API_ANSWERED;
    }
    *req->auth = (struct api_auth){.settle = settle, .token = token};
    req->auth->is_place_there = api_place_find(req, &req->auth->place);
    return API_LATER;
}
