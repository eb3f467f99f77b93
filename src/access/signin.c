/* WHAT     Sessions as a browser has them: the cookie, the CSRF token, a new session at every way
 *          of signing in, and the check that a form is our own.
 * COOKIE   HttpOnly, SameSite=Lax, Path=/, for as long as a session can live; on https Secure and
 *          with the prefix __Host-, so that no other host of the domain can set it.
 * FIXATION A session's token is made here and nowhere else; one that came along is ended.
 * FORMS    What needs no session is protected from other sites by its Content-Type (a page can send
 *          JSON elsewhere only after a preflight, which the router grants to ingest alone), by
 *          Sec-Fetch-Site, and where a browser does not send that, by Origin. */
#include "access/access_int.h"

#include <stdio.h>

/* ---- forms ---- */
static struct slice media_type(struct slice field)
{
    return slice_trim(slice_cut(&field, ';'));
}

/* What of "https://host:port" stands behind "//". */
static struct slice authority(struct slice url)
{
    const char *at = url.len > 2 ? memmem(url.data, url.len, "//", 2) : NULL;
    struct slice rest = at ? slice_sub(url, (size_t)(at - url.data) + 2) : SLICE_EMPTY;
    return slice_cut(&rest, '/');
}

static bool is_own_origin(const struct access_call *c, struct slice origin)
{
    struct slice host = net_header_get(c->req->net, "Host");
    struct slice of_page = authority(origin);
    struct slice of_url = authority(slice_str(c->access->cfg.public_url));
    return of_page.len && (slice_eq_nocase(of_page, host) || slice_eq_nocase(of_page, of_url));
}

enum rc access_check_form(struct access_call *c)
{
    const struct net_request *net = c->req->net;
    struct slice site = net_header_get(net, "Sec-Fetch-Site"),
                 origin = net_header_get(net, "Origin");
    if (!slice_eq_nocase(media_type(net_header_get(net, "Content-Type")),
                         SLICE_LIT("application/json")))
        return err_set(&c->err, RC_INVALID, "send JSON, with Content-Type: application/json");
    bool is_foreign = site.len ? !slice_eq_str(site, "same-origin") && !slice_eq_str(site, "none")
                               : origin.len && !is_own_origin(c, origin);
    if (is_foreign)
        return err_set(&c->err, RC_FORBIDDEN, "a page of another site cannot do this");
    return RC_OK;
}

/* ---- the cookie ---- */
struct slice access_cookie(const struct access_call *c)
{
    return api_cookie(c->req->net, api_session_cookie(c->req->is_https));
}

void access_cookie_put(struct access_call *c, const char *name, const char *value, int64_t seconds)
{
    access_header(c, "Set-Cookie", "%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s", name,
                  value, (long long)seconds, c->req->is_https ? "; Secure" : "");
}

void access_cookie_clear(struct access_call *c)
{
    access_cookie_put(c, api_session_cookie(c->req->is_https), "", 0);
}

/* ---- who asks ---- */
void access_actor(struct ctx *ctx, const struct uuid *user)
{
    struct ctx_claims claims = {.actor = {.kind = CTX_USER}};
    if (ctx->claims != CTX_CLAIMS_NOBODY)
        return;
    uuid_format(user, claims.actor.id);
    claims.executor = claims.actor;
    ctx_set_claims(ctx, &claims);
}

struct uuid access_user(const struct ctx *ctx)
{
    struct uuid user = {.bytes = {0}};
    IGNORE(!uuid_parse(slice_str(ctx->claims->actor.id), &user), "the router put a UUID there");
    return user;
}

enum rc access_session(struct ctx *ctx, struct access_call *c, struct session *ret_session)
{
    struct slice token = access_cookie(c);
    if (!session_csrf_is_valid(token, net_header_get(c->req->net, "X-CSRF-Token")))
        return err_set(&c->err, RC_FORBIDDEN,
                       "send the header X-CSRF-Token with the value that GET /v1/me shows");
    TRY(session_find(c->access->state, token, unix_now(), ret_session, &c->err));
    access_actor(ctx, &ret_session->user);
    return RC_OK;
}

/* ---- changes ---- */
enum rc access_user_change(struct ctx *ctx, struct access_call *c, const char *action,
                           const struct uuid *user,
                           enum rc (*apply)(void *arg, struct state *s, struct err *err), void *arg,
                           struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    return tenant_change(ctx, c->access->tenant,
                         &(struct tenant_change){.action = action,
                                                 .entity = TENANT_USER,
                                                 .id = slice_str(uuid_format(user, id)),
                                                 .apply = apply,
                                                 .arg = arg},
                         err);
}

struct ending {
    const struct uuid *user;
    struct uuid session;
};

static enum rc end_apply(void *arg, struct state *s, struct err *err)
{
    const struct ending *e = arg;
    return session_end(s, e->user, &e->session, unix_now(), err);
}

enum rc access_session_end(struct ctx *ctx, struct access_call *c, const struct uuid *user,
                           struct slice session, struct err *err)
{
    struct ending ending = {.user = user};
    char user_text[UUID_TEXT_LEN + 1];
    if (session.len != UUID_TEXT_LEN || !uuid_parse(session, &ending.session))
        return err_set(err, RC_NOTFOUND, "there is no such session, or it is over");
    return tenant_change(ctx, c->access->tenant,
                         &(struct tenant_change){.action = "session.end",
                                                 .entity = TENANT_SESSION,
                                                 .parent = slice_str(uuid_format(user, user_text)),
                                                 .id = session,
                                                 .apply = end_apply,
                                                 .arg = &ending},
                         err);
}

/* ---- signing in ---- */
struct signing {
    struct ctx *ctx;
    struct access_call *call;
    const struct access_signin *in;
    struct tenant_change change;
    struct token token;
    struct session session;
    char user_text[UUID_TEXT_LEN + 1], session_text[UUID_TEXT_LEN + 1];
};

static enum rc end_old(struct signing *g, struct state *s, struct err *err)
{
    struct session old;
    char text[UUID_TEXT_LEN + 1];
    struct slice token = access_cookie(g->call);
    if (!token.len || session_find(s, token, unix_now(), &old, NULL) != RC_OK)
        return RC_OK;
    return access_session_end(g->ctx, g->call, &old.user, slice_str(uuid_format(&old.id, text)),
                              err);
}

static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    struct signing *g = arg;
    if (g->in->apply)
        TRY(g->in->apply(g->in->arg, s, err));
    TRY(session_create(s, &g->in->user, g->in->how, g->ctx->client_address, g->ctx->user_agent,
                       unix_now(), &g->token, &g->session, err));
    g->change.id = slice_str(uuid_format(&g->session.id, g->session_text));
    return RC_OK;
}

static enum rc sign_in_body(void *arg, struct state *s, struct err *err)
{
    struct signing *g = arg;
    TRY(end_old(g, s, err));
    return tenant_change(g->ctx, g->call->access->tenant, &g->change, err);
}

static enum rc sign_in(struct signing *g)
{
    struct access_call *c = g->call;
    access_actor(g->ctx, &g->in->user);
    g->change = (struct tenant_change){.action = "session.create",
                                       .entity = TENANT_SESSION,
                                       .parent = slice_str(uuid_format(&g->in->user, g->user_text)),
                                       .apply = create_apply,
                                       .arg = g};
    TRY(state_transaction(c->access->state, sign_in_body, g, &c->err));
    access_cookie_put(c, api_session_cookie(c->req->is_https), g->token.text,
                      SESSION_DAYS * INT64_C(86400));
    return RC_OK;
}

enum rc access_sign_in_quietly(struct ctx *ctx, struct access_call *c,
                               const struct access_signin *in)
{
    struct signing g = {.ctx = ctx, .call = c, .in = in};
    enum rc rc = sign_in(&g);
    explicit_bzero(&g.token, sizeof(g.token));
    return rc;
}

enum rc access_sign_in(struct ctx *ctx, struct access_call *c, const struct access_signin *in)
{
    struct signing g = {.ctx = ctx, .call = c, .in = in};
    struct token csrf;
    enum rc rc = sign_in(&g);
    if (rc == RC_OK) {
        session_csrf_token(slice_of(g.token.text, TOKEN_TEXT), &csrf);
        buf_add_str(&c->out, "{\"user\":");
        rc = access_show(c, TENANT_USER, SLICE_EMPTY, slice_str(g.user_text));
        buf_addf(&c->out, ",\"csrf_token\":\"%s\",\"second_factor\":false}", csrf.text);
        explicit_bzero(&csrf, sizeof(csrf));
    }
    explicit_bzero(&g.token, sizeof(g.token));
    return rc;
}

enum rc access_throttled(struct access_call *c, uint32_t retry_after_s)
{
    c->retry_after_s = retry_after_s;
    return err_set(&c->err, RC_RATE, "too many attempts: wait, or reset the password");
}

enum rc access_note_failure(struct ctx *ctx, struct access_call *c, const char *user)
{
    return tenant_change(ctx, c->access->tenant,
                         &(struct tenant_change){.action = "session.create",
                                                 .entity = TENANT_USER,
                                                 .id = slice_str(user),
                                                 .is_unseen = true,
                                                 .outcome = "failure"},
                         &c->err);
}
