/* WHAT     GET /v1/login/oidc sends a browser to the provider, GET /v1/login/oidc/callback takes it
 *          back and signs the person in.
 * WHO      1. Whoever this identity (issuer, subject) was before.
 *          2. The account of the e-mail address, if the provider has verified that: linked from now
 *             on. An address that is not verified names nobody.
 *          3. Somebody new, if the address is invited or everybody is let in (auto_join_org).
 *          The second factor is the provider's business here.
 * ERRORS   are problem documents; none holds a code, a token or what the provider answered. */
#include "access/access_int.h"
#include "access/oidc_int.h"

#include "base/log.h"
#include "http/accept.h"

enum { LOCATION_BYTES_MAX = 4000, CODE_BYTES_MAX = 4096 };

static const char *flow_cookie(const struct access_call *c)
{
    return c->req->is_https ? "__Host-weir_oidc" : "weir_oidc";
}

/* ---- there ---- */
static void add_param(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "&%s=", name);
    oidc_escape(out, slice_str(value));
}

static enum rc answer_redirect(struct access_call *c, struct buf *location)
{
    if (!buf_ok(location))
        return err_set(&c->err, RC_LIMIT, "the provider's address is too long");
    access_header(c, "Location", "%s", buf_cstr(location));
    return RC_OK;
}

static enum rc send_there(struct access_call *c, const struct oidc_endpoints *at,
                          const struct oidc_flow *flow)
{
    const struct oidc *o = c->access->oidc;
    CLEANUP(buf_done) struct buf location;
    buf_init(&location, LOCATION_BYTES_MAX);
    buf_addf(&location, "%s%cresponse_type=code", at->authorization,
             strchr(at->authorization, '?') ? '&' : '?');
    add_param(&location, "client_id", o->cfg.client_id);
    add_param(&location, "redirect_uri", o->redirect_uri);
    add_param(&location, "scope", o->cfg.scopes);
    add_param(&location, "state", flow->state.text);
    add_param(&location, "nonce", flow->nonce.text);
    add_param(&location, "code_challenge", flow->challenge.text);
    add_param(&location, "code_challenge_method", "S256");
    return answer_redirect(c, &location);
}

/* A person's browser goes back to the page that it came from, which says what happened by the word
 * (a text in the address would be anybody's to write); a program gets the problem. */
static enum rc turn_back(struct access_call *c, enum rc rc)
{
    if (!accept_names(net_header_get(c->req->net, "Accept"), "text/html"))
        return rc;
    access_header(c, "Location", "/app?sign_in=%s",
                  rc == RC_INVALID     ? "begin-again"
                  : rc == RC_FORBIDDEN ? "refused"
                                       : "failed");
    return RC_OK;
}

static enum rc begin(struct ctx *ctx, struct access_call *c)
{
    struct oidc *o = c->access->oidc;
    struct oidc_endpoints at;
    struct oidc_flow flow;
    char cookie[OIDC_COOKIE_BYTES];
    struct slice return_to;
    (void)ctx;
    if (!net_query_get(c->req->net, "return_to", &return_to))
        return_to = SLICE_LIT("/");
    if (!oidc_is_own_path(return_to))
        return err_set(&c->err, RC_INVALID,
                       "return_to is a path of this server, at most %d bytes: /like/this",
                       OIDC_RETURN_TO_BYTES_MAX);
    enum rc rc = oidc_discover(o, c->req->net->arena, &at, &c->err);
    if (rc != RC_OK)
        return turn_back(c, rc);
    oidc_flow_begin(o->key, return_to, unix_now(), &flow, cookie);
    access_cookie_put(c, flow_cookie(c), cookie, OIDC_FLOW_S);
    explicit_bzero(cookie, sizeof(cookie));
    rc = send_there(c, &at, &flow);
    explicit_bzero(&flow, sizeof(flow));
    return rc;
}

/* ---- who it is here ---- */
struct arrival {
    struct ctx *ctx;
    struct access_call *call;
    const struct oidc_person *person;
    struct user user;
    struct tenant_change change;
    char id_text[UUID_TEXT_LEN + 1];
};

static enum rc link_apply(void *arg, struct state *s, struct err *err)
{
    const struct arrival *a = arg;
    return identity_add(s, slice_str(a->call->access->oidc->cfg.issuer), a->person->subject,
                        &a->user.id, unix_now(), err);
}

static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    struct arrival *a = arg;
    TRY(user_create(s, slice_str(a->person->email), slice_str(a->person->name), NULL, unix_now(),
                    &a->user, err));
    a->change.id = slice_str(uuid_format(&a->user.id, a->id_text));
    return RC_OK;
}

static enum rc link_identity(struct arrival *a, struct err *err)
{
    access_actor(a->ctx, &a->user.id);
    return access_user_change(a->ctx, a->call, "user.add_identity", &a->user.id, link_apply, a,
                              err);
}

/* Before anything is made: the rest is then an event of this person. */
static enum rc check_welcome(const struct arrival *a, struct state *s, struct err *err)
{
    struct tenant_invitation invitation;
    if (*a->call->access->oidc->cfg.auto_join_org)
        return RC_OK;
    enum rc rc = tenant_invitation_find_email(s, slice_str(a->person->email), &invitation, err);
    return rc == RC_NOTFOUND
               ? err_set(err, RC_FORBIDDEN,
                         "nobody has invited this address: ask an admin of the organisation")
               : rc;
}

/* Accepts what is open for the address; where there is nothing, everybody is let in. */
static enum rc join(struct arrival *a, struct err *err)
{
    struct tenant *tenant = a->call->access->tenant;
    struct uuid org;
    uint32_t joined = 0;
    enum rc rc;
    while ((rc = tenant_invitation_accept_email(a->ctx, tenant, slice_str(a->person->email),
                                                &a->user.id, &org, err)) == RC_OK)
        joined++;
    if (rc != RC_NOTFOUND || joined)
        return rc == RC_NOTFOUND ? RC_OK : rc;
    ENSURE(uuid_parse(slice_str(a->call->access->oidc->cfg.auto_join_org), &org), RC_BUG);
    return tenant_member_add(a->ctx, tenant, &org, &a->user.id, TENANT_VIEWER, err);
}

static enum rc welcome(struct arrival *a, struct state *s, struct err *err)
{
    TRY(check_welcome(a, s, err));
    a->change = (struct tenant_change){
        .action = "user.create", .entity = TENANT_USER, .apply = create_apply, .arg = a};
    TRY(tenant_change(a->ctx, a->call->access->tenant, &a->change, err));
    TRY(link_identity(a, err));
    return join(a, err);
}

static enum rc find_person(struct arrival *a, struct state *s, struct err *err)
{
    struct slice issuer = slice_str(a->call->access->oidc->cfg.issuer);
    struct uuid user;
    enum rc rc = identity_find(s, issuer, a->person->subject, &user, err);
    if (rc == RC_OK)
        return user_find(s, &user, &a->user, err);
    if (rc != RC_NOTFOUND)
        return rc;
    if (!a->person->is_email_verified)
        return err_set(err, RC_FORBIDDEN,
                       "the provider gives no verified e-mail address, so it cannot name an "
                       "account here");
    rc = user_find_by_email(s, slice_str(a->person->email), &a->user, err);
    if (rc == RC_NOTFOUND)
        return welcome(a, s, err);
    TRY(rc);
    return a->user.is_disabled ? RC_OK : link_identity(a, err);
}

static enum rc arrive_body(void *arg, struct state *s, struct err *err)
{
    struct arrival *a = arg;
    TRY(find_person(a, s, err));
    if (a->user.is_disabled)
        return err_set(err, RC_FORBIDDEN, "this account is disabled");
    return access_sign_in_quietly(a->ctx, a->call,
                                  &(struct access_signin){.user = a->user.id, .how = SESSION_OIDC});
}

/* ---- and back ---- */
static enum rc arrive(struct ctx *ctx, struct access_call *c, const struct oidc_person *person)
{
    struct arrival a = {.ctx = ctx, .call = c, .person = person};
    struct err err = ERR_INIT;
    char id[UUID_TEXT_LEN + 1] = "";
    enum rc rc = state_transaction(c->access->state, arrive_body, &a, &err);
    if (a.user.is_disabled)
        uuid_format(&a.user.id, id);
    if (rc == RC_FORBIDDEN)
        TRY(access_note_failure(ctx, c, id));
    c->err = err;
    return rc;
}

static bool resume(struct access_call *c, struct oidc_flow *ret)
{
    struct slice state, cookie = api_cookie(c->req->net, flow_cookie(c));
    return net_query_get(c->req->net, "state", &state) &&
           oidc_flow_resume(c->access->oidc->key, cookie, state, unix_now(), ret);
}

static enum rc read_callback(struct access_call *c, struct oidc_flow *ret_flow,
                             struct slice *ret_code)
{
    struct slice issuer;
    if (!resume(c, ret_flow))
        return err_set(&c->err, RC_INVALID,
                       "this sign-in was not begun in this browser, or is too old: begin again at "
                       "/v1/login/oidc");
    /* RFC 9207: a provider that says who it is must be the one that was asked. */
    if (net_query_get(c->req->net, "iss", &issuer) &&
        !slice_eq_str(issuer, c->access->oidc->cfg.issuer))
        return err_set(&c->err, RC_FORBIDDEN, "that is the answer of another provider");
    if (!net_query_get(c->req->net, "code", ret_code) || ret_code->len == 0 ||
        ret_code->len > CODE_BYTES_MAX)
        return err_set(&c->err, RC_FORBIDDEN, "the provider did not let you sign in here");
    return RC_OK;
}

static enum rc callback(struct ctx *ctx, struct access_call *c)
{
    struct oidc_flow flow;
    struct oidc_person person;
    struct slice code = SLICE_EMPTY;
    access_cookie_put(c, flow_cookie(c), "", 0);
    enum rc rc = read_callback(c, &flow, &code);
    if (rc != RC_OK)
        return turn_back(c, rc);
    rc = oidc_identify(c->access->oidc, c->req->net->arena, code, &flow, &person, &c->err);
    if (rc != RC_OK)
        log_warn("a sign-in at the provider failed", LOG_ERR(&c->err));
    if (rc == RC_OK)
        rc = arrive(ctx, c, &person);
    if (rc == RC_OK)
        access_header(c, "Location", "%s", flow.return_to);
    else
        rc = turn_back(c, rc);
    explicit_bzero(&flow, sizeof(flow));
    return rc;
}

static const struct access_op op_begin = {begin, 302, ACCESS_WAITS},
                              op_callback = {callback, 302, ACCESS_WAITS};

#define QUERY(name, needed)                                                       \
    "{\"name\":\"" name "\",\"in\":\"query\",\"required\":" needed ",\"schema\":" \
    "{\"type\":\"string\"}}"
/* clang-format 14 and 19 lay out a macro in braces differently. */
/* clang-format off */
#define ROUTE(path, op, id, summary, parameters)                                              \
    {                                                                                         \
        .method = NET_GET, .pattern = path, .access = API_PUBLIC, .handle = access_handle,    \
        .arg = &(op),                                                                         \
        .openapi =                                                                            \
            "{\"operationId\":\"" id "\",\"summary\":\"" summary                              \
            "\",\"security\":[],\"parameters\":[" parameters "],\"responses\":{"              \
            "\"default\":{\"$ref\":\"#/components/responses/Problem\"},"                      \
            "\"302\":{\"description\":\"To the provider, or back\",\"headers\":{\"Location\"" \
            ":{\"schema\":{\"type\":\"string\"}}}}}}"                                         \
    }
/* clang-format on */
static const struct api_route routes[] = {
    ROUTE("/v1/login/oidc", op_begin, "loginAtProvider",
          "Sign in at the OpenID Connect provider; goes on to return_to, a path",
          QUERY("return_to", "false")),
    ROUTE("/v1/login/oidc/callback", op_callback, "loginAtProviderCallback",
          "Where the provider sends the browser back",
          QUERY("state", "true") "," QUERY("code", "false") "," QUERY("iss", "false")),
};
const struct access_routes access_oidc_routes = {routes, COUNT_OF(routes)};
