/* WHAT  Members of an organisation and invitations to it.
 * WHY   An organisation without an owner could be governed by nobody: the rule that one stays is
 *       checked inside the transaction that would break it. */
#include "tenant/entity_int.h"

#include <stdio.h>

#include "base/must.h"
#include "tenant/tenant_int.h"

enum { INVITATION_MS = 7 * 86400 * 1000 };

/* ---- members ---- */
static enum rc take_role(void *ctx, const struct state_row *row)
{
    return tenant_role_parse(state_row_text(row, 0), ctx) ? RC_OK : RC_CORRUPT;
}

enum rc tenant_member_role_of(struct state *s, struct slice org, struct slice user,
                              enum tenant_role *ret_role, struct err *err)
{
    *ret_role = TENANT_NO_ROLE;
    TRY(state_run(s, "SELECT role FROM members WHERE org_id = ?1 AND user_id = ?2",
                  (struct state_value[]){STATE_SLICE(org), STATE_SLICE(user)}, 2, take_role,
                  ret_role, err));
    if (*ret_role == TENANT_NO_ROLE)
        return err_set(err, RC_NOTFOUND, "there is no such member");
    return RC_OK;
}

static enum rc count_owners(struct state *s, struct slice org, int64_t *ret_owners, struct err *err)
{
    *ret_owners = 0;
    return state_run_i64(s, "SELECT count(*) FROM members WHERE org_id = ?1 AND role = 'owner'",
                         &STATE_SLICE(org), 1, ret_owners, err);
}

enum rc tenant_org_has_owner(struct state *s, struct slice org, bool *ret_has_owner,
                             struct err *err)
{
    int64_t owners;
    TRY(count_owners(s, org, &owners, err));
    *ret_has_owner = owners > 0;
    return RC_OK;
}

struct member_step {
    struct slice org, user;
    enum tenant_role role; /* TENANT_NO_ROLE: leaves */
    enum tenant_role by;
};

static enum rc check_step(const struct member_step *m, struct state *s, struct err *err)
{
    enum tenant_role now;
    int64_t owners;
    TRY(tenant_member_role_of(s, m->org, m->user, &now, err));
    if ((now == TENANT_OWNER || m->role == TENANT_OWNER) && m->by != TENANT_OWNER)
        return err_set(err, RC_FORBIDDEN, "only an owner makes owners, or changes one");
    if (now != TENANT_OWNER || m->role == TENANT_OWNER)
        return RC_OK;
    TRY(count_owners(s, m->org, &owners, err));
    if (owners < 2)
        return err_set(err, RC_CONFLICT,
                       "this is the last owner: make another member an owner before");
    return RC_OK;
}

static enum rc set_role(struct state *s, struct slice org, struct slice user, enum tenant_role role,
                        struct err *err)
{
    return statement_apply(
        &(struct statement){"UPDATE members SET role = ?1 WHERE org_id = ?2 AND user_id = ?3",
                            (struct state_value[]){STATE_STR(tenant_role_name(role)),
                                                   STATE_SLICE(org), STATE_SLICE(user)},
                            3, "member"},
        s, err);
}

static enum rc member_apply(void *arg, struct state *s, struct err *err)
{
    const struct member_step *m = arg;
    TRY(check_step(m, s, err));
    if (m->role != TENANT_NO_ROLE)
        return set_role(s, m->org, m->user, m->role, err);
    return statement_apply(
        &(struct statement){"DELETE FROM members WHERE org_id = ?1 AND user_id = ?2",
                            (struct state_value[]){STATE_SLICE(m->org), STATE_SLICE(m->user)}, 2,
                            "member"},
        s, err);
}

static enum rc member_change(struct ctx *ctx, struct tenant *t, const char *action,
                             struct member_step *m, struct err *err)
{
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = action,
                                                 .entity = TENANT_MEMBER,
                                                 .parent = m->org,
                                                 .id = m->user,
                                                 .org = m->org,
                                                 .apply = member_apply,
                                                 .arg = m},
                         err);
}

enum rc tenant_member_role(struct ctx *ctx, struct tenant *t, struct slice org, struct slice user,
                           enum tenant_role role, enum tenant_role by, struct err *err)
{
    must(role != TENANT_NO_ROLE);
    return member_change(ctx, t, "member.update",
                         &(struct member_step){.org = org, .user = user, .role = role, .by = by},
                         err);
}

enum rc tenant_member_remove(struct ctx *ctx, struct tenant *t, struct slice org, struct slice user,
                             enum tenant_role by, struct err *err)
{
    return member_change(ctx, t, "member.remove",
                         &(struct member_step){.org = org, .user = user, .by = by}, err);
}

static enum rc member_insert(struct state *s, struct slice org, struct slice user,
                             enum tenant_role role, struct err *err)
{
    enum rc rc = state_run(s,
                           "INSERT INTO members (org_id, user_id, role, created_at) "
                           "VALUES (?1, ?2, ?3, ?4)",
                           (struct state_value[]){STATE_SLICE(org), STATE_SLICE(user),
                                                  STATE_STR(tenant_role_name(role)),
                                                  STATE_I64(unix_now().ms)},
                           4, NULL, NULL, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "that user is a member already");
    if (rc == RC_CONFLICT)
        return err_set(err, RC_NOTFOUND, "there is no such user or organisation");
    return rc;
}

static enum rc add_apply(void *arg, struct state *s, struct err *err)
{
    const struct member_step *m = arg;
    return member_insert(s, m->org, m->user, m->role, err);
}

enum rc tenant_member_add(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                          const struct uuid *user, enum tenant_role role, struct err *err)
{
    char org_text[UUID_TEXT_LEN + 1], user_text[UUID_TEXT_LEN + 1];
    struct member_step m = {slice_str(uuid_format(org, org_text)),
                            slice_str(uuid_format(user, user_text)), role, TENANT_OWNER};
    must(role != TENANT_NO_ROLE);
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = "member.create",
                                                 .entity = TENANT_MEMBER,
                                                 .parent = m.org,
                                                 .id = m.user,
                                                 .org = m.org,
                                                 .apply = add_apply,
                                                 .arg = &m},
                         err);
}

struct transfer {
    struct slice org, from, to;
};

static enum rc transfer_apply(void *arg, struct state *s, struct err *err)
{
    const struct transfer *x = arg;
    enum tenant_role from;
    TRY(tenant_member_role_of(s, x->org, x->from, &from, err));
    if (from != TENANT_OWNER)
        return err_set(err, RC_FORBIDDEN, "only an owner hands the organisation over");
    if (slice_eq(x->from, x->to))
        return err_set(err, RC_CONFLICT, "that member is the owner already");
    TRY(set_role(s, x->org, x->to, TENANT_OWNER, err));
    return set_role(s, x->org, x->from, TENANT_ADMIN, err);
}

enum rc tenant_owner_transfer(struct ctx *ctx, struct tenant *t, struct slice org,
                              struct slice from_user, struct slice to_user, struct err *err)
{
    return tenant_change(
        ctx, t,
        &(struct tenant_change){.action = "member.transfer_ownership",
                                .entity = TENANT_MEMBER,
                                .parent = org,
                                .id = to_user,
                                .org = org,
                                .apply = transfer_apply,
                                .arg = &(struct transfer){org, from_user, to_user}},
        err);
}

/* ---- invitations ---- */
struct invitation_new {
    struct slice id, org, email, actor;
    uint8_t token_hash[TOKEN_HASH_BYTES];
    enum tenant_role role;
};

static enum rc invite_apply(void *arg, struct state *s, struct err *err)
{
    const struct invitation_new *i = arg;
    int64_t now = unix_now().ms, members = 0;
    TRY(state_run_i64(s,
                      "SELECT count(*) FROM members JOIN users ON users.id = members.user_id "
                      "WHERE members.org_id = ?1 AND users.email = ?2",
                      (struct state_value[]){STATE_SLICE(i->org), STATE_SLICE(i->email)}, 2,
                      &members, err));
    if (members)
        return err_set(err, RC_EXISTS, "that person is a member already");
    TRY(state_run(
        s,
        "UPDATE invitations SET revoked_at = ?1 WHERE org_id = ?2 AND email = ?3 AND "
        "accepted_at IS NULL AND revoked_at IS NULL",
        (struct state_value[]){STATE_I64(now), STATE_SLICE(i->org), STATE_SLICE(i->email)}, 3, NULL,
        NULL, err));
    return state_run(s,
                     "INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, "
                     "created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                     (struct state_value[]){
                         STATE_SLICE(i->id), STATE_SLICE(i->org), STATE_SLICE(i->email),
                         STATE_STR(tenant_role_name(i->role)),
                         STATE_BYTES(i->token_hash, sizeof(i->token_hash)), STATE_SLICE(i->actor),
                         STATE_I64(now), STATE_I64(now + INVITATION_MS)},
                     8, NULL, NULL, err);
}

/* In the one spelling that an account of it has. */
static enum rc check_email(struct slice email, struct err *err)
{
    char normal[EMAIL_BYTES_MAX + 1];
    TRY(email_normalise(email, normal, err));
    if (!slice_eq_str(email, normal))
        return err_set(err, RC_INVALID, "write the e-mail address in lower case");
    return RC_OK;
}

enum rc tenant_invite(struct ctx *ctx, struct tenant *t, struct slice org, struct slice email,
                      enum tenant_role role, enum tenant_role by, struct uuid *ret_id,
                      struct token *ret_token, struct err *err)
{
    char id_text[UUID_TEXT_LEN + 1];
    TRY(check_email(email, err));
    if (role == TENANT_OWNER && by != TENANT_OWNER)
        return err_set(err, RC_FORBIDDEN, "only an owner makes owners, or changes one");
    *ret_id = uuid_v7(unix_now());
    struct invitation_new i = {.id = slice_str(uuid_format(ret_id, id_text)),
                               .org = org,
                               .email = email,
                               .actor = slice_str(ctx->claims->actor.id),
                               .role = role};
    token_make(ret_token, i.token_hash);
    enum rc rc = tenant_change(ctx, t,
                               &(struct tenant_change){.action = "invitation.create",
                                                       .entity = TENANT_INVITATION,
                                                       .parent = org,
                                                       .id = i.id,
                                                       .org = org,
                                                       .apply = invite_apply,
                                                       .arg = &i},
                               err);
    if (rc != RC_OK)
        explicit_bzero(ret_token, sizeof(*ret_token));
    return rc == RC_CONFLICT ? err_set(err, RC_NOTFOUND, "there is no such organisation") : rc;
}

enum rc tenant_invitation_revoke(struct ctx *ctx, struct tenant *t, struct slice org,
                                 struct slice id, struct err *err)
{
    struct statement st = {
        "UPDATE invitations SET revoked_at = ?1 WHERE id = ?2 AND org_id = ?3 "
        "AND accepted_at IS NULL AND revoked_at IS NULL",
        (struct state_value[]){STATE_I64(unix_now().ms), STATE_SLICE(id), STATE_SLICE(org)}, 3,
        "open invitation"};
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = "invitation.revoke",
                                                 .entity = TENANT_INVITATION,
                                                 .parent = org,
                                                 .id = id,
                                                 .org = org,
                                                 .apply = statement_apply,
                                                 .arg = &st},
                         err);
}

static enum rc take_invitation(void *ctx, const struct state_row *row)
{
    struct tenant_invitation *i = ctx;
    snprintf(i->email, sizeof(i->email), "%.*s", SLICE_ARG(state_row_text(row, 2)));
    return uuid_parse(state_row_text(row, 0), &i->id) &&
                   uuid_parse(state_row_text(row, 1), &i->org) &&
                   tenant_role_parse(state_row_text(row, 3), &i->role)
               ? RC_OK
               : RC_CORRUPT;
}

#define OPEN_INVITATION                                                     \
    "SELECT id, org_id, email, role FROM invitations WHERE accepted_at IS " \
    "NULL AND revoked_at IS NULL AND expires_at > ?1 AND "

static enum rc not_open(struct err *err)
{
    return err_set(err, RC_NOTFOUND,
                   "this invitation was used, withdrawn or has expired: ask for a new one");
}

static enum rc find_open(struct state *s, const char *sql, struct state_value value,
                         struct tenant_invitation *ret, struct err *err)
{
    *ret = (struct tenant_invitation){.role = TENANT_NO_ROLE};
    TRY(state_run(s, sql, (struct state_value[]){STATE_I64(unix_now().ms), value}, 2,
                  take_invitation, ret, err));
    return ret->role == TENANT_NO_ROLE ? not_open(err) : RC_OK;
}

enum rc tenant_invitation_find(struct state *s, struct slice token, struct tenant_invitation *ret,
                               struct err *err)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    if (!token_hash(token, hash))
        return not_open(err);
    return find_open(s, OPEN_INVITATION "token_hash = ?2", STATE_BYTES(hash, sizeof(hash)), ret,
                     err);
}

enum rc tenant_invitation_find_email(struct state *s, struct slice email,
                                     struct tenant_invitation *ret, struct err *err)
{
    return find_open(s, OPEN_INVITATION "email = ?2 ORDER BY id LIMIT 1", STATE_SLICE(email), ret,
                     err);
}

struct acceptance {
    struct slice id, user;
};

static enum rc take_email(void *ctx, const struct state_row *row)
{
    snprintf(ctx, EMAIL_BYTES_MAX + 1, "%.*s", SLICE_ARG(state_row_text(row, 0)));
    return RC_OK;
}

static enum rc accept_apply(void *arg, struct state *s, struct err *err)
{
    const struct acceptance *a = arg;
    struct tenant_invitation i;
    char email[EMAIL_BYTES_MAX + 1] = "", org_text[UUID_TEXT_LEN + 1];
    /* Again: now nobody can use it meanwhile. */
    TRY(find_open(s, OPEN_INVITATION "id = ?2", STATE_SLICE(a->id), &i, err));
    TRY(state_run(s, "SELECT email FROM users WHERE id = ?1 AND disabled_at IS NULL",
                  &STATE_SLICE(a->user), 1, take_email, email, err));
    if (strcmp(email, i.email) != 0)
        return err_set(err, RC_FORBIDDEN, "the invitation is for another address");
    TRY(member_insert(s, slice_str(uuid_format(&i.org, org_text)), a->user, i.role, err));
    return state_run(s, "UPDATE invitations SET accepted_at = ?1 WHERE id = ?2",
                     (struct state_value[]){STATE_I64(unix_now().ms), STATE_SLICE(a->id)}, 2, NULL,
                     NULL, err);
}

static enum rc accept(struct ctx *ctx, struct tenant *t, const struct tenant_invitation *i,
                      const struct uuid *user, struct uuid *ret_org, struct err *err)
{
    char user_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    struct acceptance a = {.id = slice_str(uuid_format(&i->id, id_text)),
                           .user = slice_str(uuid_format(user, user_text))};
    uuid_format(&i->org, org_text);
    TRY(tenant_change(ctx, t,
                      &(struct tenant_change){.action = "invitation.accept",
                                              .entity = TENANT_INVITATION,
                                              .parent = slice_str(org_text),
                                              .id = a.id,
                                              .org = slice_str(org_text),
                                              .apply = accept_apply,
                                              .arg = &a},
                      err));
    *ret_org = i->org;
    return RC_OK;
}

enum rc tenant_invitation_accept(struct ctx *ctx, struct tenant *t, struct slice token,
                                 const struct uuid *user, struct uuid *ret_org, struct err *err)
{
    struct tenant_invitation i;
    TRY(tenant_invitation_find(t->state, token, &i, err));
    return accept(ctx, t, &i, user, ret_org, err);
}

enum rc tenant_invitation_accept_email(struct ctx *ctx, struct tenant *t, struct slice email,
                                       const struct uuid *user, struct uuid *ret_org,
                                       struct err *err)
{
    struct tenant_invitation i;
    TRY(tenant_invitation_find_email(t->state, email, &i, err));
    return accept(ctx, t, &i, user, ret_org, err);
}
