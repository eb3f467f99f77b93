/* Members of an organisation, and invitations to it. */
#include "access/access_int.h"

#include "base/must.h"

static enum tenant_role role_of(const struct ctx *ctx)
{
    return (enum tenant_role)ctx->claims->role;
}

static enum rc read_role(struct access_call *c, enum tenant_role *ret)
{
    struct slice text;
    TRY(access_text(c, "role", true, 16, &text));
    if (!tenant_role_parse(text, ret))
        return err_set(&c->err, RC_INVALID, "\"role\" is owner, admin, analyst, viewer or auditor");
    return RC_OK;
}

static enum rc members_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_list(c, TENANT_MEMBER, access_param(c, 0));
}

static enum rc member_role(struct ctx *ctx, struct access_call *c)
{
    enum tenant_role role = TENANT_NO_ROLE;
    TRY(access_only(c, (const char *const[]){"role", NULL}));
    TRY(read_role(c, &role));
    TRY(tenant_member_role(ctx, c->access->tenant, access_param(c, 0), access_param(c, 1), role,
                           role_of(ctx), &c->err));
    return access_show(c, TENANT_MEMBER, access_param(c, 0), access_param(c, 1));
}

static enum rc member_remove(struct ctx *ctx, struct access_call *c)
{
    return tenant_member_remove(ctx, c->access->tenant, access_param(c, 0), access_param(c, 1),
                                role_of(ctx), &c->err);
}

/* Anybody may leave; the last owner may not. */
static enum rc member_leave(struct ctx *ctx, struct access_call *c)
{
    return tenant_member_remove(ctx, c->access->tenant, access_param(c, 0),
                                slice_str(ctx->claims->actor.id), TENANT_OWNER, &c->err);
}

static enum rc owner_transfer(struct ctx *ctx, struct access_call *c)
{
    struct slice to;
    TRY(access_only(c, (const char *const[]){"user_id", NULL}));
    TRY(access_text(c, "user_id", true, UUID_TEXT_LEN, &to));
    TRY(tenant_owner_transfer(ctx, c->access->tenant, access_param(c, 0),
                              slice_str(ctx->claims->actor.id), to, &c->err));
    return access_show(c, TENANT_MEMBER, access_param(c, 0), to);
}

/* ---- invitations ---- */
static enum rc invitations_list(struct ctx *ctx, struct access_call *c)
{
    (void)ctx;
    return access_list(c, TENANT_INVITATION, access_param(c, 0));
}

/* The token is in the answer: who invites hands it on (mail comes with a later service). */
static enum rc invite(struct ctx *ctx, struct access_call *c)
{
    struct slice email;
    enum tenant_role role = TENANT_NO_ROLE;
    struct uuid id;
    struct token token;
    char text[UUID_TEXT_LEN + 1];
    TRY(access_only(c, (const char *const[]){"email", "role", NULL}));
    TRY(access_text(c, "email", true, EMAIL_BYTES_MAX, &email));
    TRY(read_role(c, &role));
    TRY(tenant_invite(ctx, c->access->tenant, access_param(c, 0), email, role, role_of(ctx), &id,
                      &token, &c->err));
    enum rc rc = access_show_with(c, "token", token.text, TENANT_INVITATION, access_param(c, 0),
                                  slice_str(uuid_format(&id, text)));
    explicit_bzero(&token, sizeof(token));
    return rc;
}

static enum rc invitation_revoke(struct ctx *ctx, struct access_call *c)
{
    return tenant_invitation_revoke(ctx, c->access->tenant, access_param(c, 0), access_param(c, 1),
                                    &c->err);
}

static const struct access_op op_list = {members_list, 200, false},
                              op_role = {member_role, 200, true},
                              op_remove = {member_remove, 204, false},
                              op_leave = {member_leave, 204, false},
                              op_transfer = {owner_transfer, 200, true},
                              op_invitations = {invitations_list, 200, false},
                              op_invite = {invite, 201, true},
                              op_withdraw = {invitation_revoke, 204, false};

#define ORG "/v1/orgs/{orgId}"
const struct api_route access_member_routes[] = {
    ACCESS_ROUTE(NET_GET, ORG "/members", API_NEEDS(ORG_READ), op_list, "listMembers", "Members",
                 API_LIST("Member")),
    ACCESS_ROUTE(NET_PATCH, ORG "/members/{userId}", API_NEEDS(MEMBERS_WRITE), op_role,
                 "updateMember", "Change a member's role", API_ONE("Member")),
    ACCESS_ROUTE(NET_DELETE, ORG "/members/{userId}", API_NEEDS(MEMBERS_WRITE), op_remove,
                 "removeMember", "Remove a member", ACCESS_NOTHING),
    ACCESS_ROUTE(NET_POST, ORG "/leave", API_NEEDS(ORG_READ), op_leave, "leaveOrg", "Leave",
                 ACCESS_NOTHING),
    ACCESS_ROUTE(NET_POST, ORG "/owner", API_NEEDS(ORG_OWN), op_transfer, "transferOwnership",
                 "Hand the organisation over to a member", ACCESS_NOTHING),
    ACCESS_ROUTE(NET_GET, ORG "/invitations", API_NEEDS(MEMBERS_WRITE), op_invitations,
                 "listInvitations", "Invitations", API_LIST("Invitation")),
    ACCESS_ROUTE(NET_POST, ORG "/invitations", API_NEEDS(MEMBERS_WRITE), op_invite, "invite",
                 "Invite somebody; the token is shown this once",
                 ACCESS_WITH("token", "Invitation")),
    ACCESS_ROUTE(NET_DELETE, ORG "/invitations/{invitationId}", API_NEEDS(MEMBERS_WRITE),
                 op_withdraw, "revokeInvitation", "Withdraw an invitation", ACCESS_NOTHING),
};
const uint32_t access_member_route_count = COUNT_OF(access_member_routes);
