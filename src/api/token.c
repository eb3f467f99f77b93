/* WHAT     A JWT of one of the organisation's token issuers (docs/access.md, "Tokens").
 * WHY      The issuer's keys are fetched by another thread. A token whose key is not here yet waits
 *          for one refresh, as a request that waits for its answer; one whose signature was checked
 *          before costs a hash (tenant/token_memo.h).
 * CLAIMS   user_claim names the person, project_claim (if mapped) the one project that the token is
 *          for, role_claim (if mapped) the role in the organisation. Without a role a token may
 *          send events and nothing else. "owner" counts as admin: an admin says whose tokens are
 *          believed, and must not become an owner by that.
 * THREADS  the request's loop; refreshed() on the cache's thread. */
#include "api/api_int.h"

#include <stddef.h>
#include <stdio.h>

#include "base/must.h"
#include "tenant/token_memo.h"

enum { REFRESH_MS_MAX = 6000, ISSUER_TAIL = 24 /* the random end of a UUIDv7 */ };

struct token_claims { /* what the memo keeps */
    struct uuid org, project;
    bool has_project;
    enum tenant_role role;
    char subject[CTX_PARTY_ID_BYTES]; /* the end of the issuer's id, '/', the user claim */
    uint32_t user_at;
};

static struct slice claim_text(const struct jwt *jwt, struct slice name)
{
    char text[TENANT_CLAIM_MAX + 1];
    if (!name.len || name.len >= sizeof(text))
        return SLICE_EMPTY;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    yyjson_val *v = json_get(jwt->claims, text);
    return v && yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

/* The configured issuer of this token: `iss` and one of its `aud`. */
static const struct tenant_issuer *issuer_of(const struct tenant_view *view, const struct jwt *jwt)
{
    struct slice iss = claim_text(jwt, SLICE_LIT("iss"));
    yyjson_val *aud = json_get(jwt->claims, "aud"), *item;
    size_t i, n;
    if (!iss.len || !aud)
        return NULL;
    if (yyjson_is_str(aud))
        return tenant_issuer_find(view, iss, json_text(aud));
    yyjson_arr_foreach(aud, i, n, item)
    {
        const struct tenant_issuer *found =
            yyjson_is_str(item) ? tenant_issuer_find(view, iss, json_text(item)) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static uint32_t algs_of(struct slice words)
{
    uint32_t algs = 0;
    while (words.len) {
        enum jwt_alg alg;
        if (jwt_alg_parse(slice_cut(&words, ' '), &alg))
            algs |= JWT_ALG_BIT(alg);
    }
    return algs & JWT_ALGS_PUBLIC;
}

/* Org and project are the configuration's, what the token says only narrows them. */
static enum jwt_result map_claims(const struct tenant_view *view,
                                  const struct tenant_issuer *issuer, const struct jwt *jwt,
                                  struct token_claims *ret)
{
    char id[UUID_TEXT_LEN + 1];
    struct slice user = claim_text(jwt, issuer->user_claim),
                 project = claim_text(jwt, issuer->project_claim);
    *ret = (struct token_claims){.org = issuer->org};
    if (!user.len)
        return JWT_BAD_CLAIMS;
    int len = snprintf(ret->subject, sizeof(ret->subject), "%s/%.*s",
                       uuid_format(&issuer->id, id) + ISSUER_TAIL, SLICE_ARG(user));
    if (len < 0 || (size_t)len >= sizeof(ret->subject))
        return JWT_BAD_CLAIMS;
    ret->user_at = UUID_TEXT_LEN - ISSUER_TAIL + 1;
    if (issuer->project_claim.len) {
        const struct tenant_project *p =
            uuid_parse(project, &ret->project) ? tenant_by_id(view, &ret->project) : NULL;
        if (!p || memcmp(&p->org, &issuer->org, sizeof(p->org)) != 0)
            return JWT_BAD_CLAIMS;
        ret->has_project = true;
    }
    if (issuer->role_claim.len &&
        !tenant_role_parse(claim_text(jwt, issuer->role_claim), &ret->role))
        ret->role = TENANT_NO_ROLE;
    if (ret->role == TENANT_OWNER)
        ret->role = TENANT_ADMIN;
    return JWT_OK;
}

/* JWT_NO_KEY: perhaps after a refresh of *ret_url. */
static enum jwt_result verify(struct api_request *req, struct slice token, struct token_claims *ret,
                              struct slice *ret_url)
{
    struct jwks_cache *cache = req->api->jwks;
    struct token_id id;
    struct slice known;
    struct jwt jwt;
    uint64_t rules = tenant_view_generation(req->view);
    unix_ms now = unix_now();
    if (!cache)
        return JWT_NO_KEY;
    token_id_of(token, &id);
    if (token_memo_get(token_memo_mine(), &id, jwks_cache_current(cache), rules, now, &known)) {
        must(known.len == sizeof(*ret));
        memcpy(ret, known.data, sizeof(*ret));
        return JWT_OK;
    }
    enum jwt_result result = jwt_parse(req->net->arena, token, JWT_ALGS_PUBLIC, &jwt);
    if (result != JWT_OK)
        return result;
    const struct tenant_issuer *issuer = issuer_of(req->view, &jwt);
    if (!issuer)
        return JWT_BAD_ISSUER;
    if (!(algs_of(issuer->algorithms) & JWT_ALG_BIT(jwt.alg)))
        return JWT_BAD_ALG;
    *ret_url = issuer->jwks_url;
    struct jwks_snapshot *keys = jwks_cache_take(cache, issuer->jwks_url);
    result = keys ? jwks_verify(keys->set, &jwt) : JWT_NO_KEY;
    if (result == JWT_OK)
        result = jwt_check(&jwt, &(struct jwt_expect){.issuer = issuer->issuer,
                                                      .audience = issuer->audience,
                                                      .now = now,
                                                      .skew_s = JWT_CLOCK_SKEW_S});
    if (result == JWT_OK)
        result = map_claims(req->view, issuer, &jwt, ret);
    if (result == JWT_OK)
        token_memo_put(token_memo_mine(), &id, keys->generation, rules,
                       jwt_expires_at(&jwt, JWT_CLOCK_SKEW_S),
                       slice_of((const char *)ret, sizeof(*ret)));
    jwks_snapshot_give(keys);
    return result;
}

static void refuse(struct api_request *req, enum jwt_result why)
{
    api_problem(req, RC_UNAUTHORIZED, "This token is refused: %s.", jwt_result_text(why));
}

static bool admit(struct api_request *req, const struct token_claims *t)
{
    struct api_place place;
    struct ctx_claims claims = {.actor = {.kind = CTX_TOKEN},
                                .role = t->role,
                                .permissions = tenant_role_permissions(t->role) |
                                               UINT64_C(1) << TENANT_EVENTS_WRITE};
    memcpy(claims.actor.id, t->subject, sizeof(claims.actor.id));
    if (!api_place_of(req, &place))
        return false;
    bool is_elsewhere = place.has_org && memcmp(&place.org, &t->org, sizeof(t->org)) != 0;
    if (t->has_project && place.has_org)
        is_elsewhere |=
            !place.has_project || memcmp(&place.project->id, &t->project, sizeof(t->project)) != 0;
    if (is_elsewhere) {
        api_not_there(req);
        return false;
    }
    return api_admit(req, &place, &claims);
}

/* ---- waiting for keys ---- */
static void refreshed_on_loop(struct ctx *ctx, struct net_task *task)
{
    struct api_auth *auth = CONTAINER_OF(task, struct api_auth, task);
    (void)ctx;
    auth->refreshed(auth->req);
}

static void refreshed(void *arg, enum rc rc)
{
    struct api_auth *auth = arg;
    (void)rc; /* whatever came of it: the set that is there now decides */
    net_loop_post(auth->loop, &auth->task);
}

/* then() on the loop when the issuer was asked; false: it cannot be asked (again) now. */
static bool wait_for_keys(struct api_request *req, struct slice url,
                          void (*then)(struct api_request *req))
{
    struct api_auth *auth = req->auth;
    auth->req = req;
    auth->refreshed = then;
    auth->loop = req->net->loop;
    auth->task = (struct net_task){.ctx = ctx_ref(req->net->ctx), .run = refreshed_on_loop};
    return jwks_cache_refresh(req->api->jwks, url, REFRESH_MS_MAX, refreshed, auth) == RC_OK;
}

static bool auth_new(struct api_request *req, struct slice token)
{
    req->auth = arena_zalloc(req->net->arena, sizeof(*req->auth));
    if (req->auth)
        req->auth->token = token;
    return req->auth;
}

static void decide(struct api_request *req)
{
    struct token_claims t;
    struct slice url;
    enum jwt_result result = verify(req, req->auth->token, &t, &url);
    if (result != JWT_OK)
        refuse(req, result);
    else if (admit(req, &t))
        api_handle(req);
}

static void settle(struct api_request *req)
{
    struct token_claims t;
    struct slice url = SLICE_EMPTY;
    /* The keys may be here by now. */
    if (verify(req, req->auth->token, &t, &url) != JWT_NO_KEY || !wait_for_keys(req, url, decide))
        decide(req);
}

enum api_verdict api_token_begin(struct api_request *req, struct slice token)
{
    struct token_claims t;
    struct slice url = SLICE_EMPTY;
    enum jwt_result result = verify(req, token, &t, &url);
    if (result == JWT_OK)
        return admit(req, &t) ? API_GO : API_ANSWERED;
    if (result == JWT_NO_KEY && url.len && auth_new(req, token)) {
        req->auth->settle = settle;
        return API_LATER;
    }
    refuse(req, result);
    return API_ANSWERED;
}

/* ---- ingest ---- */
enum jwt_result api_ingest_token(struct api_request *req, struct slice token,
                                 const struct tenant_project **ret_project, struct slice *ret_user,
                                 enum rc *ret_rc)
{
    struct token_claims t;
    struct slice url = SLICE_EMPTY;
    enum jwt_result result = verify(req, token, &t, &url);
    *ret_rc = RC_OK;
    if (result == JWT_NO_KEY && url.len && !req->auth && auth_new(req, token) &&
        wait_for_keys(req, url, api_handle))
        *ret_rc = RC_AGAIN;
    if (result != JWT_OK)
        return result;
    if (!t.has_project)
        return JWT_BAD_CLAIMS;
    *ret_project = tenant_by_id(req->view, &t.project);
    *ret_user = arena_copy(req->net->arena, slice_str(t.subject + t.user_at));
    if (!*ret_project)
        return JWT_BAD_CLAIMS;
    if (!api_ingest_admit(req, *ret_project, CTX_TOKEN, slice_str(t.subject)))
        *ret_rc = RC_RATE; /* answered */
    return JWT_OK;
}
