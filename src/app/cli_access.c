/* weir user, member, invite, issuer. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_admin.h"
#include "base/clock.h"
#include "codec/json.h"
#include "tenant/session.h"
#include "tenant/user.h"

enum { PATCH_BYTES_MAX = 64 << 10, LIST_BYTES_MAX = 16 << 20 };

/* ---- user ---- */
static enum rc find_user(struct admin *a, const char *email, struct user *ret,
                         char ret_text[UUID_TEXT_LEN + 1])
{
    enum rc rc = user_find_by_email(a->state, slice_str(email), ret, &a->err);
    if (rc == RC_NOTFOUND)
        return err_set(&a->err, rc, "nobody has that address (weir user ls shows them)");
    TRY(rc);
    uuid_format(&ret->id, ret_text);
    return RC_OK;
}

static enum rc user_list(struct admin *a)
{
    return admin_list(a, TENANT_USER, "",
                      "id email name has_second_factor last_login_at disabled_at");
}

/* One change of a user; what it does runs inside the transaction. */
struct user_step {
    struct user user;
    char id[UUID_TEXT_LEN + 1];
    struct slice email, name;
    struct password_hash hash;
    bool has_hash;
    struct token token;
    uint32_t ended;
};
typedef enum rc user_apply_fn(void *arg, struct state *s, struct err *err);

static enum rc user_change(struct admin *a, struct user_step *step, const char *action,
                           bool is_unseen, user_apply_fn *apply)
{
    return tenant_change(cli_ctx(), a->tenant,
                         &(struct tenant_change){.action = action,
                                                 .entity = TENANT_USER,
                                                 .id = slice_of(step->id, UUID_TEXT_LEN),
                                                 .is_unseen = is_unseen,
                                                 .apply = apply,
                                                 .arg = step},
                         &a->err);
}

/* A change of the user with the address args[0]. */
static enum rc user_change_of(struct admin *a, struct user_step *step, const char *action,
                              bool is_unseen, user_apply_fn *apply)
{
    TRY(find_user(a, a->args[0], &step->user, step->id));
    return user_change(a, step, action, is_unseen, apply);
}

static enum rc type_password(struct admin *a, struct buf *to)
{
    CLEANUP(buf_done) struct buf again;
    buf_init(&again, PASSWORD_BYTES_MAX);
    TRY(admin_secret(a, "password", to));
    if (!isatty(STDIN_FILENO) || !to->len)
        return RC_OK;
    enum rc rc = admin_secret(a, "the same again", &again);
    if (rc == RC_OK && !slice_eq(buf_slice(to), buf_slice(&again)))
        rc = err_set(&a->err, RC_INVALID, "the two differ: nothing was changed");
    admin_wipe(&again);
    return rc;
}

static enum rc hash_password(struct admin *a, struct slice email, struct user_step *step,
                             struct buf *password)
{
    TRY(type_password(a, password));
    if (!password->len)
        return RC_OK;
    TRY(password_check(buf_slice(password), email, &a->err));
    TRY(password_hash(buf_slice(password), &step->hash, &a->err));
    step->has_hash = true;
    return RC_OK;
}

/* step->hash from stdin or a prompt; has_hash stays false for an empty line. */
static enum rc take_password(struct admin *a, const char *email_text, struct user_step *step)
{
    char email[EMAIL_BYTES_MAX + 1];
    struct buf password;
    TRY(email_normalise(slice_str(email_text), email, &a->err));
    buf_init(&password, PASSWORD_BYTES_MAX);
    enum rc rc = hash_password(a, slice_str(email), step, &password);
    admin_wipe(&password);
    buf_done(&password);
    return rc;
}

/* The id is made here: until now step->id, which the audit event names, is that of nobody. */
static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    TRY(user_create(s, step->email, step->name, step->has_hash ? &step->hash : NULL, unix_now(),
                    &step->user, err));
    uuid_format(&step->user.id, step->id);
    return RC_OK;
}

static enum rc user_create_action(struct admin *a)
{
    static const struct uuid nobody = {{0}};
    struct user_step step = {.email = slice_str(a->args[0]),
                             .name = slice_str(a->options[ADMIN_NAME])};
    uuid_format(&nobody, step.id);
    if (a->is_password_on_stdin || isatty(STDIN_FILENO))
        TRY(take_password(a, a->args[0], &step));
    if (a->is_password_on_stdin && !step.has_hash)
        return err_set(&a->err, RC_INVALID, "there was no password on stdin");
    TRY(user_change(a, &step, "user.create", false, create_apply));
    return admin_show(a, TENANT_USER, "", step.id, NULL, NULL);
}

/* Whoever had the old one is out. */
static enum rc set_password_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    TRY(user_password_set(s, &step->user.id, &step->hash, unix_now(), err));
    return session_end_all(s, &step->user.id, NULL, unix_now(), &step->ended, err);
}

static enum rc user_set_password(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(find_user(a, a->args[0], &step.user, step.id));
    if (!a->is_password_on_stdin && !isatty(STDIN_FILENO))
        return err_set(&a->err, RC_INVALID, "write it to stdin and give --password-stdin");
    TRY(take_password(a, a->args[0], &step));
    if (!step.has_hash)
        return err_set(&a->err, RC_INVALID, "no password was given: nothing was changed");
    TRY(user_change(a, &step, "user.set_password", false, set_password_apply));
    admin_done(a, step.id, "set to the new password, and logged out everywhere");
    return RC_OK;
}

static enum rc disable_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    return user_disable(s, &step->user.id, unix_now(), err);
}

static enum rc user_disable_action(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(user_change_of(a, &step, "user.disable", false, disable_apply));
    admin_done(a, step.id, "disabled and logged out everywhere");
    return RC_OK;
}

static enum rc enable_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    return user_enable(s, &step->user.id, err);
}

static enum rc user_enable_action(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(user_change_of(a, &step, "user.enable", false, enable_apply));
    admin_done(a, step.id, "enabled");
    return RC_OK;
}

static enum rc reset_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    bool is_known;
    struct user user;
    TRY(user_reset_begin(s, slice_str(step->user.email), unix_now(), &is_known, &user, &step->token,
                         err));
    if (!is_known)
        return err_set(err, RC_CONFLICT, "the account is disabled: enable it before");
    return RC_OK;
}

static enum rc user_reset_link(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(user_change_of(a, &step, "user.begin_reset", true, reset_apply));
    if (a->cli.is_json)
        buf_addf(&a->out, "{\"id\":\"%s\",\"token\":\"%s\",\"expires_in_seconds\":%d}\n", step.id,
                 step.token.text, USER_RESET_MINUTES * 60);
    else
        buf_addf(&a->out,
                 "%s\n\nA token that sets a new password, once, within %d minutes: they open "
                 "/app/reset-password#token=TOKEN\nat this server. Hand it to its person alone; "
                 "earlier ones work no more.\n",
                 step.token.text, USER_RESET_MINUTES);
    explicit_bzero(&step.token, sizeof(step.token));
    return RC_OK;
}

static enum rc totp_remove_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    return user_totp_remove(s, &step->user.id, err);
}

static enum rc user_totp_remove_action(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(user_change_of(a, &step, "user.remove_second_factor", false, totp_remove_apply));
    admin_done(a, step.id, "without a second factor now");
    return RC_OK;
}

static enum rc logout_apply(void *arg, struct state *s, struct err *err)
{
    struct user_step *step = arg;
    return session_end_all(s, &step->user.id, NULL, unix_now(), &step->ended, err);
}

static enum rc user_logout(struct admin *a)
{
    struct user_step step = {.has_hash = false};
    TRY(user_change_of(a, &step, "user.end_sessions", true, logout_apply));
    if (a->cli.is_json)
        buf_addf(&a->out, "{\"id\":\"%s\",\"sessions_ended\":%u}\n", step.id, step.ended);
    else
        buf_addf(&a->out, "%s is logged out everywhere (%u sessions)\n", step.id, step.ended);
    return RC_OK;
}

static const struct admin_action user_actions[] = {
    {"ls", ADMIN_READS, "", "", user_list, "all accounts"},
    {"create", ADMIN_CHANGES, "EMAIL", "name [password-stdin]", user_create_action,
     "an account; without a password until reset-link or a login by another way"},
    {"set-password", ADMIN_CHANGES, "EMAIL", "[password-stdin]", user_set_password,
     "and log them out everywhere"},
    {"disable", ADMIN_CHANGES, "EMAIL", "", user_disable_action, "no login, sessions end"},
    {"enable", ADMIN_CHANGES, "EMAIL", "", user_enable_action, "the other way"},
    {"reset-link", ADMIN_CHANGES, "EMAIL", "", user_reset_link,
     "a token with which they set a password themselves"},
    {"totp-remove", ADMIN_CHANGES, "EMAIL", "", user_totp_remove_action,
     "for who lost both phone and recovery codes"},
    {"logout", ADMIN_CHANGES, "EMAIL", "", user_logout, "end all their sessions"},
};

int verb_user(int argc, char **argv)
{
    return admin_run(&(struct admin_verb){user_actions, COUNT_OF(user_actions),
                                          "\nA password is typed at a prompt, or read as one line "
                                          "from stdin with --password-stdin.\n"},
                     argc, argv);
}

/* ---- member ---- */
struct membership {
    struct uuid org;
    struct user user;
    char org_text[UUID_TEXT_LEN + 1], user_text[UUID_TEXT_LEN + 1];
};

static enum rc find_membership(struct admin *a, struct membership *ret)
{
    TRY(admin_org(a, &ret->org, ret->org_text));
    return find_user(a, a->args[0], &ret->user, ret->user_text);
}

static enum rc show_member(struct admin *a, const struct membership *m)
{
    return admin_show(a, TENANT_MEMBER, m->org_text, m->user_text, NULL, NULL);
}

static enum rc member_list(struct admin *a)
{
    return admin_list_of_org(a, TENANT_MEMBER, "id role email name created_at");
}

static enum rc member_add(struct admin *a)
{
    struct membership m;
    enum tenant_role role = TENANT_NO_ROLE;
    TRY(admin_role(a, a->options[ADMIN_ROLE], &role));
    TRY(find_membership(a, &m));
    TRY(tenant_member_add(cli_ctx(), a->tenant, &m.org, &m.user.id, role, &a->err));
    return show_member(a, &m);
}

static enum rc member_role(struct admin *a)
{
    struct membership m;
    enum tenant_role role = TENANT_NO_ROLE;
    TRY(admin_role(a, a->args[1], &role));
    TRY(find_membership(a, &m));
    TRY(tenant_member_role(cli_ctx(), a->tenant, slice_str(m.org_text), slice_str(m.user_text),
                           role, TENANT_OWNER, &a->err));
    return show_member(a, &m);
}

static enum rc member_remove(struct admin *a)
{
    struct membership m;
    TRY(find_membership(a, &m));
    TRY(tenant_member_remove(cli_ctx(), a->tenant, slice_str(m.org_text), slice_str(m.user_text),
                             TENANT_OWNER, &a->err));
    admin_done(a, m.user_text, "no member any more");
    return RC_OK;
}

struct owners {
    char id[UUID_TEXT_LEN + 1];
    uint32_t count;
};

static enum rc take_owner(void *ctx, const struct state_row *row)
{
    struct owners *owners = ctx;
    snprintf(owners->id, sizeof(owners->id), "%.*s", SLICE_ARG(state_row_text(row, 0)));
    owners->count++;
    return RC_OK;
}

/* --from, else the only owner there is. */
static enum rc owner_of(struct admin *a, const char *org, char ret_text[UUID_TEXT_LEN + 1])
{
    struct user from;
    struct owners owners = {.count = 0};
    if (a->options[ADMIN_FROM])
        return find_user(a, a->options[ADMIN_FROM], &from, ret_text);
    TRY(state_run(a->state,
                  "SELECT user_id FROM members WHERE org_id = ?1 AND role = 'owner' LIMIT 2",
                  &STATE_STR(org), 1, take_owner, &owners, &a->err));
    if (owners.count != 1)
        return err_set(&a->err, RC_INVALID,
                       owners.count ? "there are several owners: say whose place is taken with "
                                      "--from EMAIL"
                                    : "there is no owner: weir member role EMAIL owner makes one");
    memcpy(ret_text, owners.id, sizeof(owners.id));
    return RC_OK;
}

static enum rc member_transfer(struct admin *a)
{
    struct membership m;
    char from[UUID_TEXT_LEN + 1];
    TRY(find_membership(a, &m));
    TRY(owner_of(a, m.org_text, from));
    TRY(tenant_owner_transfer(cli_ctx(), a->tenant, slice_str(m.org_text), slice_str(from),
                              slice_str(m.user_text), &a->err));
    return show_member(a, &m);
}

static const struct admin_action member_actions[] = {
    {"ls", ADMIN_READS, "", "[org]", member_list, "who belongs to the organisation"},
    {"add", ADMIN_CHANGES, "EMAIL", "role [org]", member_add, "somebody who has an account"},
    {"role", ADMIN_CHANGES, "EMAIL ROLE", "[org]", member_role, "another role"},
    {"remove", ADMIN_CHANGES, "EMAIL", "[org]", member_remove, "the last owner stays"},
    {"transfer", ADMIN_CHANGES, "EMAIL", "[from] [org]", member_transfer,
     "make them the owner and the owner an admin, in one step"},
};

int verb_member(int argc, char **argv)
{
    return admin_run(&(struct admin_verb){member_actions, COUNT_OF(member_actions),
                                          "\nROLE: owner, admin, analyst, viewer, auditor.\n"},
                     argc, argv);
}

/* ---- invite ---- */
static enum rc invite_list(struct admin *a)
{
    return admin_list_of_org(a, TENANT_INVITATION,
                             "id email role created_at expires_at accepted_at revoked_at");
}

static enum rc invite_create(struct admin *a)
{
    struct uuid org, id;
    enum tenant_role role = TENANT_NO_ROLE;
    char org_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1], email[EMAIL_BYTES_MAX + 1];
    struct token token;
    TRY(admin_role(a, a->options[ADMIN_ROLE], &role));
    TRY(admin_org(a, &org, org_text));
    TRY(email_normalise(slice_str(a->args[0]), email, &a->err));
    TRY(tenant_invite(cli_ctx(), a->tenant, slice_str(org_text), slice_str(email), role,
                      TENANT_OWNER, &id, &token, &a->err));
    enum rc rc =
        admin_show(a, TENANT_INVITATION, org_text, uuid_format(&id, id_text), "token", token.text);
    explicit_bzero(&token, sizeof(token));
    return rc;
}

static enum rc invite_revoke(struct admin *a)
{
    struct admin_place p;
    TRY(admin_find(a, TENANT_INVITATION, "an invitation", a->args[0], &p));
    TRY(tenant_invitation_revoke(cli_ctx(), a->tenant, slice_str(p.parent), slice_str(p.text),
                                 &a->err));
    admin_done(a, p.text, "withdrawn");
    return RC_OK;
}

static const struct admin_action invite_actions[] = {
    {"ls", ADMIN_READS, "", "[org]", invite_list, "the organisation's, used and open"},
    {"create", ADMIN_CHANGES, "EMAIL", "role [org]", invite_create,
     "the token is shown this once: hand it to the invited"},
    {"revoke", ADMIN_CHANGES, "ID", "", invite_revoke, "it can be used no more"},
};

int verb_invite(int argc, char **argv)
{
    return admin_run(&(struct admin_verb){invite_actions, COUNT_OF(invite_actions), NULL}, argc,
                     argv);
}

/* ---- issuer ---- */
static enum rc issuer_list(struct admin *a)
{
    return admin_list_of_org(a, TENANT_ISSUER, "id issuer audience jwks_url algorithms");
}

static enum rc issuer_patch(struct admin *a, struct buf *out)
{
    static const struct {
        enum admin_option option;
        const char *name;
    } options[] = {{ADMIN_ISSUER, "issuer"},         {ADMIN_AUDIENCE, "audience"},
                   {ADMIN_JWKS_URL, "jwks_url"},     {ADMIN_ALGORITHMS, "algorithms"},
                   {ADMIN_USER_CLAIM, "user_claim"}, {ADMIN_PROJECT_CLAIM, "project_claim"},
                   {ADMIN_ROLE_CLAIM, "role_claim"}};
    struct tenant_setting settings[COUNT_OF(options)];
    uint32_t n = 0;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (a->options[options[i].option])
            settings[n++] = (struct tenant_setting){slice_str(options[i].name),
                                                    slice_str(a->options[options[i].option])};
    return tenant_patch_of(TENANT_ISSUER, settings, n, out, &a->err);
}

static enum rc issuer_create(struct admin *a)
{
    struct uuid org, id;
    char org_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1];
    CLEANUP(buf_done) struct buf object;
    buf_init(&object, PATCH_BYTES_MAX);
    TRY(admin_org(a, &org, org_text));
    TRY(issuer_patch(a, &object));
    TRY(tenant_issuer_create(cli_ctx(), a->tenant, slice_str(org_text), buf_slice(&object), &id,
                             &a->err));
    return admin_show(a, TENANT_ISSUER, org_text, uuid_format(&id, id_text), NULL, NULL);
}

static enum rc find_issuer(struct admin *a, struct admin_place *ret)
{
    return admin_find(a, TENANT_ISSUER, "a token issuer", a->args[0], ret);
}

static enum rc issuer_set(struct admin *a)
{
    struct admin_place p;
    TRY(find_issuer(a, &p));
    return admin_set(a, TENANT_ISSUER, p.parent, p.text);
}

static enum rc issuer_remove(struct admin *a)
{
    struct admin_place p;
    TRY(find_issuer(a, &p));
    TRY(tenant_issuer_remove(cli_ctx(), a->tenant, slice_str(p.parent), slice_str(p.text),
                             &a->err));
    admin_done(a, p.text, "removed: its tokens are refused within a second");
    return RC_OK;
}

static const struct admin_action issuer_actions[] = {
    {"ls", ADMIN_READS, "", "[org]", issuer_list, "who may sign tokens for the organisation"},
    {"create", ADMIN_CHANGES, "",
     "issuer audience jwks-url algorithms [user-claim] [project-claim] [role-claim] [org]",
     issuer_create, "algorithms: RS256, ES256, EdDSA"},
    {"set", ADMIN_CHANGES, "ID NAME=VALUE…", "", issuer_set,
     "what can be set: issuer, audience, jwks_url, algorithms, user_claim, project_claim, "
     "role_claim"},
    {"remove", ADMIN_CHANGES, "ID", "", issuer_remove, "its tokens are refused from now on"},
};

int verb_issuer(int argc, char **argv)
{
    return admin_run(&(struct admin_verb){issuer_actions, COUNT_OF(issuer_actions), NULL}, argc,
                     argv);
}
