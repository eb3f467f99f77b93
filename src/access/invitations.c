/* WHAT  What the invited do with the token of an invitation: look at it, accept it.
 * WHY   Who has no account makes one here, who has one signs in first and accepts with the session:
 *       a token alone must never open an account that exists. */
#include "access/access_int.h"

#include <stdio.h>

static enum rc read_token(struct access_call *c, struct slice *ret)
{
    return access_text(c, "token", true, 128, ret);
}

static enum rc lookup(struct ctx *ctx, struct access_call *c)
{
    struct slice token;
    struct tenant_invitation invitation;
    char org[UUID_TEXT_LEN + 1];
    (void)ctx;
    TRY(access_only(c, (const char *const[]){"token", NULL}));
    TRY(read_token(c, &token));
    TRY(tenant_invitation_find(c->access->state, token, &invitation, &c->err));
    buf_add_str(&c->out, "{\"organisation\":");
    TRY(access_show(c, TENANT_ORG, SLICE_EMPTY, slice_str(uuid_format(&invitation.org, org))));
    buf_add_str(&c->out, ",\"email\":");
    buf_add_json(&c->out, slice_str(invitation.email));
    buf_addf(&c->out, ",\"role\":\"%s\"}", tenant_role_name(invitation.role));
    return RC_OK;
}

struct joining {
    struct ctx *ctx;
    struct access_call *call;
    struct slice token, name;
    struct tenant_invitation invitation;
    struct password_hash hash;
    struct user user;
    struct tenant_change change;
    char id_text[UUID_TEXT_LEN + 1];
};

static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    struct joining *j = arg;
    TRY(user_create(s, slice_str(j->invitation.email), j->name, &j->hash, unix_now(), &j->user,
                    err));
    j->change.id = slice_str(uuid_format(&j->user.id, j->id_text));
    return RC_OK;
}

/* The account, the membership and the session: all or none. */
static enum rc join_body(void *arg, struct state *s, struct err *err)
{
    struct joining *j = arg;
    struct tenant *tenant = j->call->access->tenant;
    struct uuid org;
    (void)s;
    j->change = (struct tenant_change){
        .action = "user.create", .entity = TENANT_USER, .apply = create_apply, .arg = j};
    TRY(tenant_change(j->ctx, tenant, &j->change, err));
    access_actor(j->ctx, &j->user.id);
    TRY(tenant_invitation_accept(j->ctx, tenant, j->token, &j->user.id, &org, err));
    return access_sign_in(j->ctx, j->call,
                          &(struct access_signin){.user = j->user.id, .how = SESSION_PASSWORD});
}

static enum rc accept_new(struct ctx *ctx, struct access_call *c, struct slice token)
{
    struct slice password;
    struct joining j = {.ctx = ctx, .call = c, .token = token};
    TRY(access_text(c, "name", true, USER_NAME_MAX, &j.name));
    TRY(access_text(c, "password", true, PASSWORD_BYTES_MAX, &password));
    TRY(tenant_invitation_find(c->access->state, token, &j.invitation, &c->err));
    TRY(password_check(password, slice_str(j.invitation.email), &c->err));
    TRY(password_hash(password, &j.hash, &c->err));
    enum rc rc = state_transaction(c->access->state, join_body, &j, &c->err);
    if (rc == RC_EXISTS)
        return err_set(&c->err, RC_EXISTS,
                       "there is an account of that address: sign in, then accept with the token");
    return rc;
}

static enum rc accept_signed_in(struct ctx *ctx, struct access_call *c, struct slice token)
{
    struct session session;
    struct uuid org;
    char user_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    TRY(access_session(ctx, c, &session));
    TRY(tenant_invitation_accept(ctx, c->access->tenant, token, &session.user, &org, &c->err));
    buf_add_str(&c->out, "{\"membership\":");
    TRY(access_show(c, TENANT_MEMBERSHIP, slice_str(uuid_format(&session.user, user_text)),
                    slice_str(uuid_format(&org, org_text))));
    buf_add_char(&c->out, '}');
    return RC_OK;
}

static enum rc join(struct ctx *ctx, struct access_call *c)
{
    struct slice token;
    TRY(access_only(c, (const char *const[]){"token", "name", "password", NULL}));
    TRY(read_token(c, &token));
    bool is_new = json_get(c->body, "password") || json_get(c->body, "name");
    if (!is_new && !access_cookie(c).len)
        return err_set(&c->err, RC_INVALID,
                       "\"name\" and \"password\" are needed for a new account; who has one signs "
                       "in before");
    return is_new ? accept_new(ctx, c, token) : accept_signed_in(ctx, c, token);
}

static const struct access_op op_lookup = {lookup, 200, ACCESS_FORM},
                              op_join = {join, 200, ACCESS_FORM | ACCESS_HASHES};

#define OFFER                                                                          \
    ACCESS_ANSWER("\"organisation\":" API_REF("Organisation") ",\"email\"" ACCESS_TEXT \
                                                              ",\"role\"" ACCESS_TEXT)
/* To who had a session, and to who has one from now on. */
#define MEMBERSHIP "{\"type\":\"object\",\"properties\":{\"membership\":" API_REF("Membership") "}}"
#define JOINED "\"schema\":{\"oneOf\":[" MEMBERSHIP ",{" ACCESS_SIGNED_IN_MEMBERS "}]}"
static const struct api_route routes[] = {
    ACCESS_FORM_ROUTE("/v1/invitations/lookup", op_lookup,
                      ACCESS_BODY("\"token\"" ACCESS_TEXT, "\"token\""), "lookupInvitation",
                      "What an invitation is for", OFFER),
    ACCESS_FORM_ROUTE(
        "/v1/invitations/accept", op_join,
        ACCESS_BODY("\"token\"" ACCESS_TEXT ",\"name\"" ACCESS_TEXT ",\"password\"" ACCESS_TEXT,
                    "\"token\""),
        "acceptInvitation",
        "Join with a new account (name, password), or with the session of one's own", JOINED),
};
const struct access_routes access_invitation_routes = {routes, COUNT_OF(routes)};
