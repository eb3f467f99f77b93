/* WHAT  Who asks, and whether it may: the one place that every route's answer to it comes from.
 * WHY   A handler gets its project and its caller from here and nowhere else, so that it cannot
 *       forget whose data it touches. What the path names must be the caller's own; otherwise the
 *       answer is the same 404 that a thing which does not exist would get (nobody learns which ids
 *       exist). What a route needs stands in its row of the table (api_route.access).
 *
 *       X-API-Key, Bearer sk_…   a secret key: at once, from the view
 *       Bearer x.y.z             a token of an issuer: at once, or when its keys are here (token.c)
 *       Bearer sv_…              a visit by a shared link: at once, and only routes that say so
 *       Cookie: weir_session=…   a person: the state is asked on the worker pool (session.c) */
#include "api/api_int.h"

#include "base/must.h"
#include "codec/base64.h"

static struct slice bearer(struct net_request *net)
{
    struct slice key = net_header_get(net, "X-API-Key");
    if (key.len)
        return key;
    struct slice auth = net_header_get(net, "Authorization");
    if (auth.len > 7 && slice_eq_nocase(slice_of(auth.data, 7), SLICE_LIT("Bearer ")))
        return slice_trim(slice_sub(auth, 7));
    return SLICE_EMPTY;
}

/* Where clients of databases put it: as the password, beside a user name that says nothing here. */
static struct slice password(struct net_request *net)
{
    struct slice key = net_header_get(net, "X-ClickHouse-Key");
    struct slice basic = net_header_get(net, "Authorization");
    if (key.len)
        return key;
    if (basic.len > 6 && slice_eq_nocase(slice_of(basic.data, 6), SLICE_LIT("Basic "))) {
        uint8_t *decoded = arena_alloc(net->arena, base64_decoded_max(basic.len));
        size_t len = 0;
        if (!decoded || !base64_decode(BASE64_STD, slice_sub(basic, 6), decoded, &len))
            return SLICE_EMPTY;
        key = slice_of((const char *)decoded, len);
        slice_cut(&key, ':');
        return key;
    }
    IGNORE(net_query_get(net, "password", &key), "absent is empty");
    return key;
}

struct slice api_cookie(const struct net_request *net, const char *name)
{
    struct slice rest = net_header_get(net, "Cookie");
    while (rest.len) {
        struct slice value = slice_trim(slice_cut(&rest, ';'));
        struct slice key = slice_cut(&value, '=');
        if (slice_eq_str(key, name))
            return value;
    }
    return SLICE_EMPTY;
}

const char *api_session_cookie(bool is_https)
{
    return is_https ? "__Host-weir_session" : "weir_session";
}

void api_not_there(struct api_request *req)
{
    api_problem(req, RC_NOTFOUND, "There is nothing of that id that you can reach.");
}

bool api_place_find(const struct api_request *req, struct api_place *ret)
{
    const struct api_entry *e = req->entry;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    *ret = (struct api_place){.has_org = false};
    for (uint32_t i = 0, p = 0; i < e->segment_count; i++) {
        if (e->segments[i].data[0] != '{')
            continue;
        struct slice value = req->params[p++];
        bool is_org = slice_eq_str(e->segments[i], "{orgId}");
        if (!is_org && !slice_eq_str(e->segments[i], "{projectId}"))
            continue;
        /* One spelling only: the text of the path is what the statements compare with. */
        if (!uuid_parse(value, &id) || !slice_eq_str(value, uuid_format(&id, text)))
            return false;
        if (is_org) {
            ret->has_org = true;
            ret->org = id;
            continue;
        }
        ret->project = tenant_by_id(req->view, &id);
        if (!ret->project ||
            (ret->has_org && memcmp(&ret->org, &ret->project->org, sizeof(id)) != 0))
            return false;
        ret->has_project = ret->has_org = true;
        ret->org = ret->project->org;
    }
    return true;
}

bool api_place_of(struct api_request *req, struct api_place *ret)
{
    bool is_there = api_place_find(req, ret);
    if (!is_there)
        api_not_there(req);
    return is_there;
}

static const char *const who[] = {
    [CTX_NOBODY] = "Nobody",    [CTX_USER] = "Your role",      [CTX_API_KEY] = "This key",
    [CTX_TOKEN] = "This token", [CTX_SYSTEM] = "This process", [CTX_SHARE] = "This shared link"};

bool api_admit(struct api_request *req, const struct api_place *place, struct ctx_claims *claims)
{
    int access = req->route->access;
    if (place->has_org) {
        claims->has_org = true;
        claims->org = place->org;
    }
    if (place->has_project) {
        claims->has_project = true;
        claims->project = place->project->id;
        req->project = place->project;
    }
    claims->executor = claims->actor;
    if (access == API_SIGNED_IN && claims->actor.kind != CTX_USER) {
        api_problem(req, RC_FORBIDDEN, "This is for people: sign in.");
        return false;
    }
    ctx_set_claims(req->net->ctx, claims);
    if (claims->actor.kind == CTX_SHARE && !req->route->is_shared) {
        api_problem(req, RC_FORBIDDEN, "A shared link shows reports and annotations only.");
        return false;
    }
    if (access < API_PERMISSION)
        return true;
    enum tenant_permission needed = (enum tenant_permission)(access - (int)API_PERMISSION);
    if (tenant_may(claims->permissions, needed))
        return true;
    api_problem(req, RC_FORBIDDEN, "%s lacks the permission %s.", who[claims->actor.kind],
                tenant_permission_name(needed));
    return false;
}

static void claims_of_key(const struct tenant_key *key, struct ctx_claims *ret)
{
    *ret = (struct ctx_claims){.actor = {.kind = CTX_API_KEY}, .permissions = key->scopes};
    memcpy(ret->actor.id, key->id_text, sizeof(key->id_text));
}

/* Of what is one project's, and of nothing else: a key, a shared link. False: answered. */
static bool find_place(struct api_request *req, const struct uuid *id,
                       const struct tenant_project *project, struct api_place *ret)
{
    if (!api_limit_key(req, id) || !api_place_of(req, ret))
        return false;
    if (ret->has_org && !ret->has_project) {
        api_problem(req, RC_FORBIDDEN, "A key is for its project; this is for people.");
        return false;
    }
    if (ret->has_project && ret->project != project) {
        api_not_there(req);
        return false;
    }
    if (!ret->has_project)
        *ret = (struct api_place){true, true, project->org, project};
    return true;
}

static enum api_verdict authenticate_key(struct api_request *req, struct slice text)
{
    unix_ms now = unix_now();
    struct api_place place;
    struct ctx_claims claims;
    const struct tenant_key *key = tenant_key_find(req->view, text, now);
    if (!key) {
        api_problem(req, RC_UNAUTHORIZED, "This key is unknown, was revoked or has expired.");
        return API_ANSWERED;
    }
    if (!find_place(req, &key->id, key->project, &place))
        return API_ANSWERED;
    tenant_key_used(key, now);
    claims_of_key(key, &claims);
    return api_admit(req, &place, &claims) ? API_GO : API_ANSWERED;
}

static enum api_verdict authenticate_share(struct api_request *req, struct slice text)
{
    struct api_place place;
    struct ctx_claims claims = {.actor = {.kind = CTX_SHARE},
                                .permissions = UINT64_C(1) << TENANT_STATS_READ};
    const struct tenant_share *share = tenant_share_by_visit(req->view, text, unix_now());
    if (!share) {
        api_problem(req, RC_UNAUTHORIZED,
                    "This shared link was revoked or has expired, or has to be opened again.");
        return API_ANSWERED;
    }
    if (!find_place(req, &share->id, share->project, &place))
        return API_ANSWERED;
    memcpy(claims.actor.id, share->id_text, sizeof(share->id_text));
    req->share = share;
    return api_admit(req, &place, &claims) ? API_GO : API_ANSWERED;
}

static bool is_key(struct slice text)
{
    return slice_has_prefix(text, SLICE_LIT("sk_")) || slice_has_prefix(text, SLICE_LIT("wk_"));
}

enum api_verdict api_authenticate(struct api_request *req)
{
    int access = req->route->access;
    if (access == API_PUBLIC || access == API_CONTROL || req->route->is_ingest)
        return API_GO;
    struct slice text = bearer(req->net);
    if (text.len == 0 && req->route->is_password)
        text = password(req->net);
    if (is_key(text))
        return authenticate_key(req, text);
    if (slice_has_prefix(text, SLICE_LIT("sv_")))
        return authenticate_share(req, text);
    if (memchr(text.data, '.', text.len))
        return api_token_begin(req, text);
    struct slice session =
        text.len ? SLICE_EMPTY : api_cookie(req->net, api_session_cookie(req->is_https));
    if (session.len)
        return api_session_begin(req, session);
    if (text.len)
        api_problem(req, RC_UNAUTHORIZED, "This is no key and no token.");
    else
        api_problem(req, RC_UNAUTHORIZED,
                    "Send a secret key (X-API-Key: sk_... or Authorization: Bearer sk_...) or a "
                    "token, or sign in.");
    return API_ANSWERED;
}

void api_settle(struct api_request *req)
{
    req->auth->settle(req);
}

/* ---- ingest ---- */
void api_tell_refused(struct api_request *req, enum api_refusal why,
                      const struct tenant_project *project, const struct tenant_key *key)
{
    if (req->service && req->service->on_refused && req->route->is_ingest)
        req->service->on_refused(req->service->ctx, req, why, project, key);
}

static bool has_events_left(const struct api_request *req, const struct tenant_project *project,
                            unix_ms now)
{
    struct quota *quota = req->api->quota;
    return !quota || project->events_per_month_max <= 0 ||
           quota_look(quota, &project->id, (uint64_t)project->events_per_month_max, now) !=
               QUOTA_EXCEEDED;
}

static const char no_events_left[] = "The project has used up its events of this month.";

bool api_ingest_admit(struct api_request *req, const struct tenant_project *project,
                      enum ctx_actor_kind kind, struct slice id)
{
    struct ctx_claims claims = {.actor = {.kind = kind},
                                .permissions = UINT64_C(1) << TENANT_EVENTS_WRITE};
    const struct api_place place = {true, true, project->org, project};
    unix_ms now = req->net->received_at;
    if (!has_events_left(req, project, now)) {
        api_tell_refused(req, API_REFUSED_QUOTA, project, NULL);
        api_too_many(req, quota_retry_after_s(now), no_events_left);
        return false;
    }
    size_t len = id.len < sizeof(claims.actor.id) ? id.len : sizeof(claims.actor.id) - 1;
    memcpy(claims.actor.id, id.data, len); /* the rest is zero */
    return api_admit(req, &place, &claims);
}

/* Who sends events: by a key, or (key is NULL) by a name that the project has. */
struct sender {
    const struct tenant_key *key;
    const struct tenant_project *project;
};

static bool find_sender(const struct api_request *req, struct slice text, unix_ms now,
                        struct sender *ret)
{
    const struct tenant_key *key = tenant_key_find(req->view, text, now);
    *ret = (struct sender){key, key ? key->project : tenant_project_by_name(req->view, text)};
    return ret->project != NULL;
}

static bool may_send_from(const struct sender *s, struct slice origin)
{
    return s->key ? tenant_key_allows(s->key, origin) : tenant_project_allows(s->project, origin);
}

static struct slice origin_that_counts(const struct api_request *req, const struct sender *s)
{
    bool is_listed = s->key ? tenant_key_has_origins(s->key) : s->project->allowed_origins.len > 0;
    return is_listed ? net_header_get(req->net, "Origin") : SLICE_EMPTY;
}

/* The bucket of its limit: a name's is its project's. */
static const struct uuid *limit_id(const struct sender *s)
{
    return s->key ? &s->key->id : &s->project->id;
}

bool api_ingest_knows(const struct api_request *req, struct slice key)
{
    struct sender s;
    return find_sender(req, key, unix_now(), &s);
}

const struct tenant_project *api_ingest_project(struct api_request *req, struct slice text)
{
    unix_ms now = req->net->received_at;
    struct sender s;
    if (!find_sender(req, text, now, &s)) {
        api_tell_refused(req, API_REFUSED_KEY, NULL, NULL);
        api_problem(req, RC_UNAUTHORIZED, "%s",
                    text.len ? "This key is unknown, was revoked or has expired."
                             : "Send a write key: Authorization: Bearer wk_..., Basic user name, "
                               "or ?key=wk_...");
        return NULL;
    }
    if (s.key && !tenant_may(s.key->scopes, TENANT_EVENTS_WRITE)) {
        api_tell_refused(req, API_REFUSED_PERMISSION, s.project, s.key);
        api_problem(req, RC_FORBIDDEN, "This key lacks the permission events:write.");
        return NULL;
    }
    struct slice origin = origin_that_counts(req, &s);
    if (!may_send_from(&s, origin)) {
        api_tell_refused(req, API_REFUSED_ORIGIN, s.project, s.key);
        api_problem(req, RC_FORBIDDEN, "This %s may not be used on pages of %.*s.",
                    s.key ? "key" : "name", (int)(origin.len > 100 ? 100 : origin.len),
                    origin.data);
        return NULL;
    }
    if (!api_limit_sender(req, s.project, s.key) ||
        !api_ingest_admit(req, s.project, s.key ? CTX_API_KEY : CTX_NOBODY,
                          s.key ? slice_of(s.key->id_text, UUID_TEXT_LEN) : SLICE_EMPTY))
        return NULL;
    if (s.key)
        tenant_key_used(s.key, now);
    return s.project;
}

const struct tenant_project *api_ingest_further(struct api_request *req, struct slice text,
                                                const char **ret_why)
{
    unix_ms now = unix_now();
    struct sender s;
    *ret_why = NULL;
    if (!find_sender(req, text, now, &s))
        *ret_why = "no project has this key or name";
    else if (s.key && !tenant_may(s.key->scopes, TENANT_EVENTS_WRITE))
        *ret_why = "this key lacks the permission events:write";
    else if (!may_send_from(&s, origin_that_counts(req, &s)))
        *ret_why = "the project does not take events from pages of this origin";
    else if (!api_limit_key_quietly(req, limit_id(&s)))
        *ret_why = "too many requests for this project";
    else if (!has_events_left(req, s.project, now))
        *ret_why = no_events_left;
    if (*ret_why)
        return NULL;
    if (s.key)
        tenant_key_used(s.key, now);
    return s.project;
}

const char *api_ingest_again(const struct api_request *req, const struct tenant_project *project,
                             const struct uuid *key, struct slice origin)
{
    static const struct uuid none;
    bool has_key = memcmp(key, &none, sizeof(none)) != 0;
    struct sender s = {has_key ? tenant_key_by_id(req->view, key, unix_now()) : NULL, project};
    if (has_key && (!s.key || s.key->project != project))
        return "its key was revoked or has expired";
    if (s.key && !tenant_may(s.key->scopes, TENANT_EVENTS_WRITE))
        return "its key lacks the permission events:write";
    if (!may_send_from(&s, origin))
        return "the project does not take events from pages of this origin";
    return has_events_left(req, project, unix_now()) ? NULL : no_events_left;
}
