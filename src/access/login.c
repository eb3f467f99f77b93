/* WHAT     Signing in with e-mail and password, and out again.
 * WHY      Every kind of wrong gets one answer (tenant/user.h: and takes one path); "second factor"
 *          is said to who has the password only. A failure is an audit event: of the account, if
 *          there is one; what was typed is kept nowhere, for it may be a password in the wrong
 *          field. */
#include "access/access_int.h"
#include "access/oidc_int.h"

/* The same statements whether there is such an account or not. */
static enum rc note_failure(struct ctx *ctx, struct access_call *c, struct slice email)
{
    struct user user;
    char id[UUID_TEXT_LEN + 1] = "";
    enum rc rc = user_find_by_email(c->access->state, email, &user, &c->err);
    if (rc != RC_OK && rc != RC_NOTFOUND)
        return rc;
    if (rc == RC_OK)
        uuid_format(&user.id, id);
    return access_note_failure(ctx, c, id);
}

static enum rc refuse(struct ctx *ctx, struct access_call *c, struct slice email)
{
    TRY(note_failure(ctx, c, email));
    return err_set(&c->err, RC_UNAUTHORIZED,
                   "the e-mail address, the password or the code is wrong");
}

struct acceptance {
    struct access_call *call;
    const struct login *login;
};

static enum rc accept_apply(void *arg, struct state *s, struct err *err)
{
    const struct acceptance *a = arg;
    return user_login_accept(s, a->call->access->throttle, a->login, unix_now(), err);
}

static enum rc let_in(struct ctx *ctx, struct access_call *c, const struct login *login)
{
    struct acceptance acceptance = {c, login};
    return access_sign_in(ctx, c,
                          &(struct access_signin){.user = login->user,
                                                  .how = login->has_second_factor
                                                             ? SESSION_PASSWORD_TOTP
                                                             : SESSION_PASSWORD,
                                                  .apply = accept_apply,
                                                  .arg = &acceptance});
}

static enum rc decide(struct ctx *ctx, struct access_call *c, struct slice email,
                      const struct login *login)
{
    switch (login->answer) {
    case LOGIN_OK:
        return let_in(ctx, c, login);
    case LOGIN_WRONG:
        return refuse(ctx, c, email);
    case LOGIN_SECOND_FACTOR_NEEDED:
        c->slug = "second-factor";
        return err_set(&c->err, RC_UNAUTHORIZED,
                       "send \"second_factor\" as well: a code of the app, or a recovery code");
    case LOGIN_THROTTLED:
        return access_throttled(c, login->retry_after_s);
    }
    return RC_BUG;
}

static enum rc login(struct ctx *ctx, struct access_call *c)
{
    struct slice email, password, second_factor;
    TRY(access_only(c, (const char *const[]){"email", "password", "second_factor", NULL}));
    TRY(access_text(c, "email", true, EMAIL_BYTES_MAX, &email));
    TRY(access_text(c, "password", true, PASSWORD_BYTES_MAX, &password));
    TRY(access_text(c, "second_factor", false, 64, &second_factor));
    const struct login_attempt attempt = {.email = email,
                                          .password = password,
                                          .second_factor = second_factor,
                                          .address = ctx->client_address,
                                          .now = unix_now(),
                                          .now_mono = mono_now()};
    struct login found;
    TRY(user_login_check(c->access->state, c->access->throttle, &attempt, &found, &c->err));
    enum rc rc = decide(ctx, c, email, &found);
    user_login_done(&found);
    return rc;
}

static enum rc logout(struct ctx *ctx, struct access_call *c)
{
    struct uuid user = access_user(ctx);
    char session[UUID_TEXT_LEN + 1];
    access_cookie_clear(c);
    return access_session_end(ctx, c, &user, slice_str(uuid_format(&c->req->session, session)),
                              &c->err);
}

static enum rc end_all_apply(void *user, struct state *s, struct err *err)
{
    return session_end_all(s, user, NULL, unix_now(), NULL, err);
}

static enum rc logout_everywhere(struct ctx *ctx, struct access_call *c)
{
    struct uuid user = access_user(ctx);
    access_cookie_clear(c);
    return access_user_change(ctx, c, "user.end_sessions", &user, end_all_apply, &user, &c->err);
}

/* "https://login.example.com/realm" -> "login.example.com" */
static struct slice host_of(struct slice issuer)
{
    struct slice rest = issuer;
    slice_cut(&rest, '/'); /* "https:" */
    slice_cut(&rest, '/');
    return slice_cut(&rest, '/');
}

/* Nothing in it depends on who asks. */
static enum rc methods(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    buf_add_str(&c->out, "{\"password\":true,\"oidc\":");
    if (c->access->oidc) {
        const struct access_oidc *cfg = &c->access->cfg.oidc;
        buf_add_str(&c->out, "{\"name\":");
        buf_add_json(&c->out, *cfg->name ? slice_str(cfg->name) : host_of(slice_str(cfg->issuer)));
        buf_add_str(&c->out, "}}");
    } else {
        buf_add_str(&c->out, "null}");
    }
    return RC_OK;
}

static const struct access_op op_methods = {methods, 200, 0},
                              op_login = {login, 200, ACCESS_FORM | ACCESS_HASHES},
                              op_logout = {logout, 204, ACCESS_PLAIN},
                              op_everywhere = {logout_everywhere, 204, ACCESS_PLAIN};

#define PROVIDER "{\"anyOf\":[{" ACCESS_MEMBERS("\"name\"" ACCESS_TEXT) "},{\"type\":\"null\"}]}"
#define METHODS_ANSWER ACCESS_ANSWER("\"password\"" ACCESS_FLAG ",\"oidc\":" PROVIDER)
static const struct api_route routes[] = {
    ACCESS_PEOPLE_ROUTE(NET_GET, "/v1/login/methods", API_PUBLIC, access_handle, &op_methods,
                        ACCESS_NOBODY, ACCESS_NO_BODY, "listLoginMethods",
                        "How one can sign in; oidc is null without a provider", METHODS_ANSWER),
    ACCESS_FORM_ROUTE("/v1/login", op_login,
                      ACCESS_BODY("\"email\"" ACCESS_TEXT ",\"password\"" ACCESS_TEXT
                                  ",\"second_factor\"" ACCESS_TEXT,
                                  "\"email\",\"password\""),
                      "login", "Sign in; sets the session cookie", ACCESS_SIGNED_IN),
    ACCESS_PERSON_ROUTE(NET_POST, "/v1/logout", op_logout, ACCESS_NO_BODY, "logout",
                        "End this session", ACCESS_NOTHING),
    ACCESS_PERSON_ROUTE(NET_POST, "/v1/logout/everywhere", op_everywhere, ACCESS_NO_BODY,
                        "logoutEverywhere", "End all of one's sessions", ACCESS_NOTHING),
};
const struct access_routes access_login_routes = {routes, COUNT_OF(routes)};
