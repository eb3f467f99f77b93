/* WHAT     Password reset by a link in a message.
 * WHY      Whether there is an account must not show: the answer is given before the state is
 *          asked, and is the same in every case, also when this mailbox has been sent too much
 *          already. What comes after the answer runs in a context of its own.
 * LIMITS   10 an hour and 5 at once per client address (said with 429: it depends on nothing but
 *          the asking), 3 an hour per mailbox (in silence); as many under way as access.c says.
 * THREADS  ask on the request's loop, work on the worker pool, done on the loop. */
#include "access/access_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "tenant/limit.h"

enum { JOB_ARENA_BYTES_MAX = 64 << 10, HOUR_S = 3600 };

static struct limit_policy address_policy(void)
{
    return limit_policy_of(10, HOUR_S, 5);
}

static struct limit_policy mailbox_policy(void)
{
    return limit_policy_of(3, HOUR_S, 3);
}

/* ---- after the answer ---- */
struct job {
    struct access *access;
    struct ctx *ctx;
    char email[EMAIL_BYTES_MAX + 1]; /* normalised */
    bool is_known;
    struct user user;
    struct token token;
};

static enum rc begin_body(void *arg, struct state *s, struct err *err)
{
    struct job *j = arg;
    char id[UUID_TEXT_LEN + 1];
    TRY(user_reset_begin(s, slice_str(j->email), unix_now(), &j->is_known, &j->user, &j->token,
                         err));
    if (!j->is_known)
        return RC_OK;
    return tenant_change(j->ctx, j->access->tenant,
                         &(struct tenant_change){.action = "user.begin_reset",
                                                 .entity = TENANT_USER,
                                                 .id = slice_str(uuid_format(&j->user.id, id)),
                                                 .is_unseen = true},
                         err);
}

/* The token stands behind '#': a browser does not send that, so it is in no log and no Referer. */
static void write_message(struct buf *out, const struct job *j)
{
    struct slice url = access_url(j->access->cfg.public_url);
    buf_addf(out,
             "Somebody, probably you, asked to reset the password of your account at %.*s.\n\n",
             SLICE_ARG(url.len ? url : SLICE_LIT("weir")));
    if (url.len)
        buf_addf(out, "    %.*s/app/reset-password#token=%s\n\n", SLICE_ARG(url), j->token.text);
    else
        buf_addf(out, "    Token: %s\n\n", j->token.text);
    buf_addf(out,
             "It works once, and for %d minutes. If it was not you, do nothing: your password\n"
             "stays as it is.\n",
             USER_RESET_MINUTES);
}

static enum rc send_link(const struct job *j, struct err *err)
{
    const struct access_mail *mail = &j->access->cfg.mail;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    write_message(&text, j);
    enum rc rc = mail->send(mail->ctx, j->user.email, "Reset your password", buf_cstr(&text), err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    return rc;
}

static void work(struct ctx *ctx, void *arg)
{
    struct job *j = arg;
    struct err err = ERR_INIT;
    (void)ctx;
    enum rc rc = state_transaction(j->access->state, begin_body, j, &err);
    if (rc == RC_OK && j->is_known)
        rc = send_link(j, &err);
    if (rc != RC_OK)
        log_warn("a link to reset a password was not sent", LOG_ERR(&err));
}

static void done(struct ctx *ctx, void *arg)
{
    struct job *j = arg;
    atomic_fetch_sub(&j->access->under_way[ACCESS_MAILING], 1);
    explicit_bzero(&j->token, sizeof(j->token));
    heap_free(j);
    ctx_release(ctx);
}

/* ---- the answer ---- */
static bool is_within(struct access *a, uint64_t key, struct limit_policy policy,
                      struct limit_answer *ret)
{
    return limit_take(a->reset_limit, key, 1, &policy, mono_now(), ret);
}

/* Nothing is started if there is nobody to tell, or this mailbox has had enough. */
static void start(struct access *a, const struct api_request *req, const char *email)
{
    struct limit_answer limit;
    struct net_loop *loop = req->net->loop;
    const struct ctx *from = req->net->ctx;
    if (!is_within(a, limit_key(a->reset_limit, slice_str(email)), mailbox_policy(), &limit))
        return;
    if (!access_has_room(a, ACCESS_MAILING)) {
        log_warn("a link to reset a password was not sent: too many are under way");
        return;
    }
    struct ctx *ctx = ctx_new_system(net_loop_contexts(loop), JOB_ARENA_BYTES_MAX, "access");
    if (!ctx) {
        atomic_fetch_sub(&a->under_way[ACCESS_MAILING], 1);
        return;
    }
    ctx->client_address = arena_copy(ctx->arena, from->client_address);
    ctx->user_agent = arena_copy(ctx->arena, from->user_agent);
    ctx->correlation = arena_copy(ctx->arena, slice_str(from->request_id));
    struct job *j = heap_alloc(HEAP_APP, sizeof(*j));
    *j = (struct job){.access = a, .ctx = ctx};
    memcpy(j->email, email, sizeof(j->email));
    net_loop_work(ctx, loop, work, done, j);
}

static enum rc read_email(struct access_call *c, char ret_email[EMAIL_BYTES_MAX + 1])
{
    struct slice email;
    TRY(access_check_form(c));
    TRY(access_read_body(c));
    TRY(access_only(c, (const char *const[]){"email", NULL}));
    TRY(access_text(c, "email", true, EMAIL_BYTES_MAX, &email));
    return email_normalise(email, ret_email, &c->err);
}

static void ask(struct ctx *ctx, void *service, struct api_request *req)
{
    static const struct net_header no_store = {SLICE_CONST("Cache-Control"),
                                               SLICE_CONST("no-store")};
    struct access *a = service;
    struct limit_answer limit;
    char email[EMAIL_BYTES_MAX + 1];
    struct access_call c = {.access = a, .req = req, .op = req->route->arg, .err = ERR_INIT};
    (void)ctx;
    if (read_email(&c, email) != RC_OK) {
        api_problem_err(req, &c.err);
        return;
    }
    if (!is_within(a, limit_key_address(a->reset_limit, req->client), address_policy(), &limit)) {
        api_too_many(req, limit.retry_after_s, "too many reset links were asked for: wait");
        return;
    }
    if (a->cfg.mail.send)
        start(a, req, email);
    api_answer(req, 202, "application/json",
               SLICE_LIT("{\"message\":\"If there is an account of that address, a link is on its "
                         "way to it.\"}"),
               &no_store, 1);
}

/* ---- redeeming ---- */
struct redemption {
    struct slice token;
    struct password_hash hash;
    struct uuid user;
};

static enum rc redeem_apply(void *arg, struct state *s, struct err *err)
{
    struct redemption *r = arg;
    return user_reset_redeem(s, r->token, &r->hash, unix_now(), &r->user, err);
}

/* Sets the password; without a second factor that is proof enough for a session (the only way in
 * for who is kept out by strangers' guesses). */
static enum rc redeem(struct ctx *ctx, struct access_call *c)
{
    struct slice password;
    struct user user;
    struct redemption r = {.token = SLICE_EMPTY};
    TRY(access_only(c, (const char *const[]){"token", "password", NULL}));
    TRY(access_text(c, "token", true, 128, &r.token));
    TRY(access_text(c, "password", true, PASSWORD_BYTES_MAX, &password));
    TRY(user_reset_find(c->access->state, r.token, unix_now(), &user, &c->err));
    TRY(password_check(password, slice_str(user.email), &c->err));
    TRY(password_hash(password, &r.hash, &c->err));
    access_actor(ctx, &user.id);
    TRY(access_user_change(ctx, c, "user.redeem_reset", &user.id, redeem_apply, &r, &c->err));
    if (!user.has_totp)
        return access_sign_in(ctx, c,
                              &(struct access_signin){.user = user.id, .how = SESSION_PASSWORD});
    buf_add_str(&c->out, "{\"user\":null,\"csrf_token\":null,\"second_factor\":true}");
    return RC_OK;
}

static const struct access_op op_ask = {.flags = ACCESS_FORM},
                              op_redeem = {redeem, 200, ACCESS_FORM | ACCESS_HASHES};

static const struct api_route routes[] = {
    ACCESS_PEOPLE_ROUTE(NET_POST, "/v1/password-reset", API_PUBLIC, ask, &op_ask, ACCESS_NOBODY,
                        ACCESS_BODY("\"email\"" ACCESS_TEXT, "\"email\""), "askPasswordReset",
                        "Have a reset link sent; the same answer whether there is an account",
                        ACCESS_ANSWER("\"message\"" ACCESS_TEXT)),
    ACCESS_FORM_ROUTE(
        "/v1/password-reset/redeem", op_redeem,
        ACCESS_BODY("\"token\"" ACCESS_TEXT ",\"password\"" ACCESS_TEXT, "\"token\",\"password\""),
        "redeemPasswordReset",
        "Set a password with the token of the link; signs in unless a second factor "
        "is asked for",
        ACCESS_SIGNED_IN),
};
const struct access_routes access_recovery_routes = {routes, COUNT_OF(routes)};
