#ifndef WEIR_TENANT_ADMIN_H
#define WEIR_TENANT_ADMIN_H
/* Changing organisations, projects, keys, members: the rules of docs/access.md, below every face
 * (REST, CLI). Blocks on the state: CLI and worker pool only.
 *
 * CHANGES  Each is one transaction that also puts an audit event into the outbox (who, what, before
 *          and after, from where, why: all of that from the context), so that neither can be there
 *          without the other. docs/format/audit.md.
 * SEEN     by this process's view when the call returns, by another's within a second.
 * TENANTS  Everything is found by its id *and* its parent (organisation or project): another
 *          tenant's is RC_NOTFOUND.
 * PATCHES  JSON objects; members that may not be set are refused by name. */
#include "base/buf.h"
#include "base/ctx.h"
#include "state/state.h"
#include "tenant/email.h"
#include "tenant/tenant.h"
#include "tenant/token.h"

/* Opens the tenant on an open state (borrowed until tenant_close), runs its migrations, loads the
 * first view and starts the thread that watches for changes. */
enum rc tenant_open(struct state *state, struct tenant **ret_tenant, struct err *err) MUST_CHECK;
void tenant_close(struct tenant *t); /* every view must have been given back */
enum rc tenant_reload(struct tenant *t, struct err *err) MUST_CHECK; /* at once */
struct state *tenant_state(struct tenant *t);

enum {
    TENANT_KEY_TEXT_MAX = 64,
    TENANT_NAME_MAX = 100,
};

/* ---- reading, as JSON ---- */
enum tenant_entity {                    /* parent */
                     TENANT_ORG,        /* none */
                     TENANT_PROJECT,    /* organisation */
                     TENANT_KEY,        /* project */
                     TENANT_MEMBER,     /* organisation; id: the user's */
                     TENANT_INVITATION, /* organisation */
                     TENANT_ISSUER,     /* organisation */
                     TENANT_USER,       /* none */
                     TENANT_MEMBERSHIP, /* user; id: the organisation's */
                     TENANT_SESSION,    /* user */
                     /* of tenant/definition.h; project */
                     TENANT_GOAL,
                     TENANT_SEGMENT,
                     TENANT_COHORT,
                     TENANT_ANNOTATION,
                     TENANT_REPORT,
                     TENANT_ERASURE, /* project; table and changes: analytics/erase */
                     TENANT_ALERT,
                     TENANT_MAIL_REPORT,
                     TENANT_IMPORT, /* project; in the store: only as what was changed, unseen */
                     TENANT_SHARE,  /* project; tenant/share.h */
                     TENANT_ENTITIES
};
/* One object. RC_NOTFOUND. */
enum rc tenant_show(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice id, struct buf *out, struct err *err) MUST_CHECK;
/* {"data":[…],"next":id or null}: up to 100 in order of their ids, behind `after` (empty: from the
 * first). */
enum rc tenant_list(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice after, struct buf *out, struct err *err) MUST_CHECK;

/* What tenant_show() shows of each kind as JSON schemas, by name: "Project":{…},"Key":{…}. */
void tenant_schemas(struct buf *out);

/* What the thing of that id belongs to, in whatever tenant: for the command line, which may reach
 * them all. Not for a TENANT_MEMBER or TENANT_MEMBERSHIP. RC_NOTFOUND. */
enum rc tenant_parent_of(struct state *s, enum tenant_entity entity, struct slice id,
                         char ret_parent[UUID_TEXT_LEN + 1], struct err *err) MUST_CHECK;

/* ---- changing ---- */
/* Settings as a person writes them, as a patch of tenant_update(): numbers in digits, lists with
 * commas between, by what the setting is. RC_INVALID names those that there are. */
struct tenant_setting {
    struct slice name, value;
};
enum rc tenant_patch_of(enum tenant_entity entity, const struct tenant_setting *settings,
                        uint32_t count, struct buf *out, struct err *err) MUST_CHECK;
/* TENANT_ORG, _PROJECT, _KEY, _ISSUER, _USER: what a client may set there. */
enum rc tenant_update(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                      struct slice parent, struct slice id, struct slice patch,
                      struct err *err) MUST_CHECK;

/* owner may be NULL (weir init: the first user becomes the owner). */
enum rc tenant_org_create(struct ctx *ctx, struct tenant *t, const char *name,
                          const struct uuid *owner, struct uuid *ret_org,
                          struct err *err) MUST_CHECK;
enum rc tenant_project_create(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                              const char *name, struct uuid *ret_project,
                              struct err *err) MUST_CHECK;
/* Its keys stop working; what it has stays. */
enum rc tenant_project_archive(struct ctx *ctx, struct tenant *t, struct slice org,
                               struct slice project, struct err *err) MUST_CHECK;

struct tenant_key_spec {
    enum tenant_key_kind kind;
    const char *name;
    tenant_permissions scopes;    /* 0: tenant_key_scopes_default() */
    tenant_permissions grantable; /* of who asks: a scope beyond it is RC_FORBIDDEN */
    unix_ms expires_at;           /* 0: never */
    struct slice allowed_origins; /* lines; empty: the project's */
};
struct tenant_key_made {
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    char text[TENANT_KEY_TEXT_MAX]; /* the whole key: shown once when it is a secret one */
};
enum rc tenant_key_create(struct ctx *ctx, struct tenant *t, const struct uuid *project,
                          const struct tenant_key_spec *spec, struct tenant_key_made *ret_key,
                          struct err *err) MUST_CHECK;
/* A new key like the old one; the old one works for overlap_ms more (or until its own end). */
enum rc tenant_key_rotate(struct ctx *ctx, struct tenant *t, struct slice project, struct slice id,
                          tenant_permissions grantable, int64_t overlap_ms,
                          struct tenant_key_made *ret_key, struct err *err) MUST_CHECK;
enum rc tenant_key_revoke(struct ctx *ctx, struct tenant *t, struct slice project, struct slice id,
                          struct err *err) MUST_CHECK;
/* By id or by the key's own text, in whatever project: for the command line. */
enum rc tenant_key_find_any(struct tenant *t, struct slice id_or_text, struct uuid *ret_project,
                            struct uuid *ret_id, struct err *err) MUST_CHECK;

/* The last owner can neither leave nor be made less: RC_CONFLICT. by: the role of who asks; only an
 * owner makes owners or changes one (RC_FORBIDDEN). */
enum rc tenant_member_add(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                          const struct uuid *user, enum tenant_role role,
                          struct err *err) MUST_CHECK;
enum rc tenant_member_role(struct ctx *ctx, struct tenant *t, struct slice org, struct slice user,
                           enum tenant_role role, enum tenant_role by, struct err *err) MUST_CHECK;
enum rc tenant_member_remove(struct ctx *ctx, struct tenant *t, struct slice org, struct slice user,
                             enum tenant_role by, struct err *err) MUST_CHECK;
/* The one becomes owner, the other admin, in one step. */
enum rc tenant_owner_transfer(struct ctx *ctx, struct tenant *t, struct slice org,
                              struct slice from_user, struct slice to_user,
                              struct err *err) MUST_CHECK;
/* RC_NOTFOUND: no member. */
enum rc tenant_member_role_of(struct state *s, struct slice org, struct slice user,
                              enum tenant_role *ret_role, struct err *err) MUST_CHECK;

enum rc tenant_org_has_owner(struct state *s, struct slice org, bool *ret_has_owner,
                             struct err *err) MUST_CHECK;

/* An open invitation of the same address is replaced. The token goes to the invited and is kept as
 * its SHA-256. */
enum rc tenant_invite(struct ctx *ctx, struct tenant *t, struct slice org, struct slice email,
                      enum tenant_role role, enum tenant_role by, struct uuid *ret_id,
                      struct token *ret_token, struct err *err) MUST_CHECK;
enum rc tenant_invitation_revoke(struct ctx *ctx, struct tenant *t, struct slice org,
                                 struct slice id, struct err *err) MUST_CHECK;
/* What an unused, unexpired token stands for; RC_NOTFOUND otherwise. */
struct tenant_invitation {
    struct uuid id, org;
    enum tenant_role role;
    char email[EMAIL_BYTES_MAX + 1];
};
enum rc tenant_invitation_find(struct state *s, struct slice token, struct tenant_invitation *ret,
                               struct err *err) MUST_CHECK;
/* The user (whose address must be the invited one) becomes a member. Once. */
enum rc tenant_invitation_accept(struct ctx *ctx, struct tenant *t, struct slice token,
                                 const struct uuid *user, struct uuid *ret_org,
                                 struct err *err) MUST_CHECK;

/* The same without a token, for who has proven to own the address: the oldest open invitation of
 * it. RC_NOTFOUND: there is none (any more). */
enum rc tenant_invitation_find_email(struct state *s, struct slice email,
                                     struct tenant_invitation *ret, struct err *err) MUST_CHECK;
enum rc tenant_invitation_accept_email(struct ctx *ctx, struct tenant *t, struct slice email,
                                       const struct uuid *user, struct uuid *ret_org,
                                       struct err *err) MUST_CHECK;

/* Who may sign tokens for the organisation: members issuer, audience, jwks_url, algorithms,
 * user_claim, project_claim, role_claim. */
enum rc tenant_issuer_create(struct ctx *ctx, struct tenant *t, struct slice org,
                             struct slice object, struct uuid *ret_id, struct err *err) MUST_CHECK;
enum rc tenant_issuer_remove(struct ctx *ctx, struct tenant *t, struct slice org, struct slice id,
                             struct err *err) MUST_CHECK;

/* The audit event project.quota_warning: the project has used most of its events of the month. */
enum rc tenant_project_warn_quota(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                                  const struct uuid *project, struct err *err) MUST_CHECK;

/* ---- single things ---- */
/* All of them, archived ones left out: id, organisation and name are set. For the command line. */
enum rc tenant_projects(struct tenant *t,
                        enum rc (*each)(void *ctx, const struct tenant_project *p), void *ctx,
                        struct err *err) MUST_CHECK;
/* The text of a live write key; RC_NOTFOUND. */
enum rc tenant_write_key_of(struct tenant *t, const struct uuid *project,
                            char ret_text[TENANT_KEY_TEXT_MAX], struct err *err) MUST_CHECK;
enum rc tenant_org_first(struct tenant *t, struct uuid *ret_org,
                         struct err *err) MUST_CHECK; /* RC_NOTFOUND */
/* The HS256 secret (printable ASCII, used as it is) for whoever signs the tokens of POST /view,
 * /event. */
enum rc tenant_jwt_secret(struct tenant *t, const struct uuid *project, struct buf *ret_text,
                          struct err *err) MUST_CHECK;

/* ---- audit ---- */
/* Any change to access by another part (users, sessions); several that belong together inside a
 * state_transaction, of which each is then a part. `apply` runs inside the transaction that
 * also writes the event; before and after are tenant_show() of entity/parent/id, or left out when
 * is_unseen. */
struct tenant_change {
    const char *action; /* "key.create": <type>.<verb> */
    enum tenant_entity entity;
    struct slice parent, id; /* of what is changed; apply() sets them if it makes the thing */
    struct slice org;        /* whose audit log it belongs to; empty: the installation's */
    bool is_unseen;          /* has no before and after (a login) */
    const char *outcome;     /* NULL: "success" */
    enum rc (*apply)(void *arg, struct state *s, struct err *err); /* may be NULL */
    void *arg;
};
enum rc tenant_change(struct ctx *ctx, struct tenant *t, const struct tenant_change *change,
                      struct err *err) MUST_CHECK;
/* Hands up to 100 waiting audit events, oldest first, to publish (one call each; key: the
 * organisation's id) and removes those for which it said RC_OK. A crash in between hands one out
 * again, with the same id. *ret_count: how many went. */
enum rc tenant_outbox_drain(struct state *s,
                            enum rc (*publish)(void *ctx, struct slice key, struct slice value),
                            void *ctx, uint32_t *ret_count, struct err *err) MUST_CHECK;
#endif
