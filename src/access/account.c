/* WHAT   A person's own account: name, password, second factor, sessions.
 * WHY    A session alone is not enough for what would lock its owner out (another password, another
 *        second factor): a stolen one could. So these ask for the password, or a code, again.
 *        "proof" is the slug of the refusal: 403, for the session is as good as before. */
#include "access/access_int.h"

#include "codec/base32.h"

static enum rc me_user(const struct ctx *ctx, struct access_call *c, struct user *ret_user)
{
    struct uuid id = access_user(ctx);
    return user_find(c->access->state, &id, ret_user, &c->err);
}

/* ---- the account ---- */
static enum rc me_show(struct ctx *ctx, struct access_call *c)
{
    struct slice user = slice_str(ctx->claims->actor.id);
    struct uuid id = access_user(ctx);
    struct token csrf;
    uint32_t codes = 0;
    TRY(user_recovery_left(c->access->state, &id, &codes, &c->err));
    buf_add_str(&c->out, "{\"user\":");
    TRY(access_show(c, TENANT_USER, SLICE_EMPTY, user));
    buf_add_str(&c->out, ",\"memberships\":");
    TRY(tenant_list(c->access->state, TENANT_MEMBERSHIP, user, SLICE_EMPTY, &c->out, &c->err));
    session_csrf_token(access_cookie(c), &csrf);
    buf_addf(&c->out, ",\"recovery_codes_left\":%u,\"csrf_token\":\"%s\"}", codes, csrf.text);
    explicit_bzero(&csrf, sizeof(csrf));
    return RC_OK;
}

static enum rc me_update(struct ctx *ctx, struct access_call *c)
{
    return access_update(ctx, c, TENANT_USER, SLICE_EMPTY, slice_str(ctx->claims->actor.id));
}

/* ---- proof ---- */
static enum rc unproven(struct access_call *c)
{
    c->slug = "proof";
    return err_set(&c->err, RC_FORBIDDEN, "the password or the code is wrong");
}

static enum rc prove_by_password(const struct ctx *ctx, struct access_call *c,
                                 const struct user *user, struct slice password)
{
    struct throttle *throttle = c->access->throttle;
    const struct login_attempt attempt = {.email = slice_str(user->email),
                                          .password = password,
                                          .address = ctx->client_address,
                                          .now = unix_now(),
                                          .now_mono = mono_now()};
    struct login login;
    TRY(user_login_check(c->access->state, throttle, &attempt, &login, &c->err));
    enum login_answer answer = login.answer;
    uint32_t retry_after_s = login.retry_after_s;
    if (answer == LOGIN_OK) /* (the other one was taken back already) */
        throttle_cancel(throttle, &login.ticket);
    user_login_done(&login);
    if (answer == LOGIN_THROTTLED)
        return access_throttled(c, retry_after_s);
    return answer == LOGIN_WRONG ? unproven(c) : RC_OK;
}

static enum rc prove_by_code(const struct ctx *ctx, struct access_call *c, const struct user *user,
                             struct slice code)
{
    struct throttle *throttle = c->access->throttle;
    struct throttle_ticket ticket;
    uint32_t retry_after_s;
    if (!throttle_begin(throttle, slice_str(user->email), ctx->client_address, true, mono_now(),
                        &ticket, &retry_after_s))
        return access_throttled(c, retry_after_s);
    enum rc rc = user_second_factor_use(c->access->state, &user->id, code, unix_now(), &c->err);
    if (rc == RC_UNAUTHORIZED)
        return unproven(c);
    if (rc == RC_OK)
        throttle_cancel(throttle, &ticket);
    return rc;
}

/* By "password" or "code" in the body. */
static enum rc prove(const struct ctx *ctx, struct access_call *c, const struct user *user)
{
    struct slice password, code;
    TRY(access_only(c, (const char *const[]){"password", "code", NULL}));
    TRY(access_text(c, "password", false, PASSWORD_BYTES_MAX, &password));
    TRY(access_text(c, "code", false, 64, &code));
    if (password.len)
        return prove_by_password(ctx, c, user, password);
    if (code.len && user->has_totp)
        return prove_by_code(ctx, c, user, code);
    return err_set(&c->err, RC_INVALID,
                   user->has_totp ? "\"password\" or \"code\" is needed"
                                  : "\"password\" is needed");
}

/* ---- password ---- */
struct password_step {
    const struct user *user;
    const struct uuid *session; /* stays */
    struct password_hash hash;
};

static enum rc password_apply(void *arg, struct state *s, struct err *err)
{
    const struct password_step *step = arg;
    unix_ms now = unix_now();
    TRY(user_password_set(s, &step->user->id, &step->hash, now, err));
    return session_end_all(s, &step->user->id, step->session, now, NULL, err);
}

static enum rc me_password(struct ctx *ctx, struct access_call *c)
{
    struct slice current, new;
    struct user user;
    struct password_step step = {.user = &user, .session = &c->req->session};
    TRY(access_only(c, (const char *const[]){"current", "new", NULL}));
    TRY(access_text(c, "current", true, PASSWORD_BYTES_MAX, &current));
    TRY(access_text(c, "new", true, PASSWORD_BYTES_MAX, &new));
    TRY(me_user(ctx, c, &user));
    if (!user.has_password)
        return err_set(&c->err, RC_CONFLICT,
                       "this account has no password yet: ask for a reset link");
    TRY(prove_by_password(ctx, c, &user, current));
    TRY(password_check(new, slice_str(user.email), &c->err));
    TRY(password_hash(new, &step.hash, &c->err));
    return access_user_change(ctx, c, "user.set_password", &user.id, password_apply, &step,
                              &c->err);
}

/* ---- second factor ---- */
struct totp_step {
    struct uuid user;
    struct slice code;
    struct totp_secret secret;
    struct recovery_codes codes;
};

static enum rc begin_apply(void *arg, struct state *s, struct err *err)
{
    struct totp_step *step = arg;
    return user_totp_begin(s, &step->user, &step->secret, err);
}

static void add_secret(struct buf *out, const struct user *user, const struct totp_secret *secret)
{
    char text[(TOTP_SECRET_BYTES + 4) / 5 * 8];
    struct slice bytes = slice_of((const char *)secret->bytes, sizeof(secret->bytes));
    CLEANUP(buf_done) struct buf uri;
    buf_init(&uri, 2048);
    totp_uri(&uri, SLICE_LIT("weir"), slice_str(user->email), secret);
    base32_encode(text, bytes);
    buf_add_str(out, "{\"secret\":");
    buf_add_json(out, slice_of(text, base32_encoded_len(sizeof(secret->bytes))));
    buf_add_str(out, ",\"uri\":");
    buf_add_json(out, buf_slice(&uri));
    buf_add_char(out, '}');
    explicit_bzero(text, sizeof(text));
    if (uri.data)
        explicit_bzero(uri.data, uri.len);
}

static enum rc totp_begin(struct ctx *ctx, struct access_call *c)
{
    struct user user;
    TRY(me_user(ctx, c, &user));
    TRY(prove(ctx, c, &user));
    struct totp_step step = {.user = user.id};
    enum rc rc = access_user_change(ctx, c, "user.begin_second_factor", &user.id, begin_apply,
                                    &step, &c->err);
    if (rc == RC_OK)
        add_secret(&c->out, &user, &step.secret);
    explicit_bzero(&step, sizeof(step));
    return rc;
}

static void add_codes(struct buf *out, const struct recovery_codes *codes)
{
    buf_add_str(out, "{\"recovery_codes\":[");
    for (int i = 0; i < RECOVERY_CODES; i++)
        buf_addf(out, "%s\"%s\"", i ? "," : "", codes->text[i]);
    buf_add_str(out, "]}");
}

static enum rc confirm_apply(void *arg, struct state *s, struct err *err)
{
    struct totp_step *step = arg;
    return user_totp_confirm(s, &step->user, step->code, unix_now(), &step->codes, err);
}

static enum rc renew_apply(void *arg, struct state *s, struct err *err)
{
    struct totp_step *step = arg;
    return user_recovery_renew(s, &step->user, &step->codes, err);
}

static enum rc change_codes(struct ctx *ctx, struct access_call *c, const char *action,
                            enum rc (*apply)(void *arg, struct state *s, struct err *err),
                            struct totp_step *step)
{
    enum rc rc = access_user_change(ctx, c, action, &step->user, apply, step, &c->err);
    if (rc == RC_OK)
        add_codes(&c->out, &step->codes);
    explicit_bzero(step, sizeof(*step));
    return rc;
}

static enum rc totp_confirm(struct ctx *ctx, struct access_call *c)
{
    struct totp_step step = {.user = access_user(ctx)};
    TRY(access_only(c, (const char *const[]){"code", NULL}));
    TRY(access_text(c, "code", true, 64, &step.code));
    enum rc rc = change_codes(ctx, c, "user.add_second_factor", confirm_apply, &step);
    if (rc != RC_UNAUTHORIZED)
        return rc;
    c->slug = "proof";
    return c->err.rc = RC_FORBIDDEN;
}

static enum rc recovery_renew(struct ctx *ctx, struct access_call *c)
{
    struct user user;
    TRY(me_user(ctx, c, &user));
    TRY(prove(ctx, c, &user));
    struct totp_step step = {.user = user.id};
    return change_codes(ctx, c, "user.renew_recovery_codes", renew_apply, &step);
}

static enum rc remove_apply(void *user, struct state *s, struct err *err)
{
    return user_totp_remove(s, user, err);
}

static enum rc totp_remove(struct ctx *ctx, struct access_call *c)
{
    struct user user;
    TRY(me_user(ctx, c, &user));
    TRY(prove(ctx, c, &user));
    return access_user_change(ctx, c, "user.remove_second_factor", &user.id, remove_apply, &user.id,
                              &c->err);
}

/* ---- sessions ---- */
static enum rc add_session(void *arg, const struct session *session)
{
    struct access_call *c = arg;
    char id[UUID_TEXT_LEN + 1], created[TIME_TEXT_BYTES], seen[TIME_TEXT_BYTES],
        expires[TIME_TEXT_BYTES];
    bool is_current = memcmp(&session->id, &c->req->session, sizeof(session->id)) == 0;
    struct buf *out = &c->out;
    buf_addf(out, "%s{\"id\":\"%s\",\"is_current\":%s,\"authenticated_by\":\"%s\",\"address\":",
             out->data[out->len - 1] == '[' ? "" : ",", uuid_format(&session->id, id),
             is_current ? "true" : "false", session_how_name(session->how));
    buf_add_json(out, slice_str(session->address));
    buf_add_str(out, ",\"user_agent\":");
    buf_add_json(out, slice_str(session->user_agent));
    buf_addf(out, ",\"created_at\":\"%s\",\"last_seen_at\":\"%s\",\"expires_at\":\"%s\"}",
             time_format(session->created_at, created), time_format(session->last_seen_at, seen),
             time_format(session->expires_at, expires));
    return buf_ok(out) ? RC_OK : RC_LIMIT;
}

static enum rc sessions_list(struct ctx *ctx, struct access_call *c)
{
    struct uuid user = access_user(ctx);
    buf_add_str(&c->out, "{\"data\":[");
    TRY(session_list(c->access->state, &user, unix_now(), add_session, c, &c->err));
    buf_add_str(&c->out, "],\"next\":null}");
    return RC_OK;
}

static enum rc session_remove(struct ctx *ctx, struct access_call *c)
{
    struct uuid user = access_user(ctx), id;
    struct slice text = access_param(c, 0);
    if (uuid_parse(text, &id) && memcmp(&id, &c->req->session, sizeof(id)) == 0)
        access_cookie_clear(c);
    return access_session_end(ctx, c, &user, text, &c->err);
}

static const struct access_op op_show = {me_show, 200, ACCESS_PLAIN},
                              op_update = {me_update, 200, ACCESS_JSON},
                              op_password = {me_password, 204, ACCESS_JSON | ACCESS_HASHES},
                              op_begin = {totp_begin, 200, ACCESS_JSON | ACCESS_HASHES},
                              op_confirm = {totp_confirm, 200, ACCESS_JSON},
                              op_remove = {totp_remove, 204, ACCESS_JSON | ACCESS_HASHES},
                              op_renew = {recovery_renew, 200, ACCESS_JSON | ACCESS_HASHES},
                              op_sessions = {sessions_list, 200, ACCESS_PLAIN},
                              op_end = {session_remove, 204, ACCESS_PLAIN};

#define PROOF ACCESS_BODY("\"password\"" ACCESS_TEXT ",\"code\"" ACCESS_TEXT, "")
#define ME                                                                                      \
    ACCESS_ANSWER("\"user\":" API_REF(                                                          \
        "User") ",\"memberships\":{\"type\":\"object\",\"properties\":{"                        \
                "\"data\":{\"type\":\"array\",\"items\":" API_REF(                              \
                    "Membership") "},\"next\":{"                                                \
                                  "\"type\":[\"string\",\"null\"]}}},\"recovery_codes_left\":{" \
                                  "\"type\":\"integer\"},"                                      \
                                  "\"csrf_token\"" ACCESS_TEXT)
#define SECRET ACCESS_ANSWER("\"secret\"" ACCESS_TEXT ",\"uri\"" ACCESS_TEXT)
#define CODES ACCESS_ANSWER("\"recovery_codes\"" ACCESS_TEXTS)
#define SESSIONS                                                                                \
    ACCESS_ANSWER(                                                                              \
        "\"data\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"          \
        "\"id\"" ACCESS_TEXT ",\"is_current\"" ACCESS_FLAG ",\"authenticated_by\"" ACCESS_TEXT  \
        ",\"address\"" ACCESS_TEXT ",\"user_agent\"" ACCESS_TEXT ",\"created_at\"" ACCESS_TEXT  \
        ",\"last_seen_at\"" ACCESS_TEXT ",\"expires_at\"" ACCESS_TEXT "}}},\"next\":{\"type\":" \
        "\"null\"}")
static const struct api_route routes[] = {
    ACCESS_PERSON_ROUTE(NET_GET, "/v1/me", op_show, ACCESS_NO_BODY, "getMe",
                        "Who is signed in, where, and the CSRF token of the session", ME),
    ACCESS_PERSON_ROUTE(NET_PATCH, "/v1/me", op_update,
                        ACCESS_BODY("\"name\"" ACCESS_TEXT, "\"name\""), "updateMe",
                        "Change one's name", API_ONE("User")),
    ACCESS_PERSON_ROUTE(
        NET_POST, "/v1/me/password", op_password,
        ACCESS_BODY("\"current\"" ACCESS_TEXT ",\"new\"" ACCESS_TEXT, "\"current\",\"new\""),
        "changePassword", "Change one's password; the other sessions end", ACCESS_NOTHING),
    ACCESS_PERSON_ROUTE(NET_POST, "/v1/me/totp", op_begin, PROOF, "beginSecondFactor",
                        "A secret for an authenticator app, shown this once", SECRET),
    ACCESS_PERSON_ROUTE(NET_POST, "/v1/me/totp/confirm", op_confirm,
                        ACCESS_BODY("\"code\"" ACCESS_TEXT, "\"code\""), "confirmSecondFactor",
                        "Put it in force; the recovery codes are shown this once", CODES),
    ACCESS_PERSON_ROUTE(NET_DELETE, "/v1/me/totp", op_remove, PROOF, "removeSecondFactor",
                        "Go without a second factor", ACCESS_NOTHING),
    ACCESS_PERSON_ROUTE(NET_POST, "/v1/me/recovery-codes", op_renew, PROOF, "renewRecoveryCodes",
                        "New recovery codes; the old ones die", CODES),
    ACCESS_PERSON_ROUTE(NET_GET, "/v1/me/sessions", op_sessions, ACCESS_NO_BODY, "listSessions",
                        "One's live sessions", SESSIONS),
    ACCESS_PERSON_ROUTE(NET_DELETE, "/v1/me/sessions/{sessionId}", op_end, ACCESS_NO_BODY,
                        "endSession", "End one of one's sessions", ACCESS_NOTHING),
};
const struct access_routes access_account_routes = {routes, COUNT_OF(routes)};
