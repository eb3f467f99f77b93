#ifndef WEIR_TENANT_SHARE_H
#define WEIR_TENANT_SHARE_H
/* Shared links of a project: who has one sees its reports without an account, and nothing else
 * (docs/access.md, "Shared links").
 *
 *   link   "sh_" + 32 random characters (190 bits): stands in the address /app/share/{link}. Kept
 *          as it is, like a write key's text, so that it can be copied again; not in audit events.
 *   visit  "sv_" + …: what a link (and its password, if it has one) is exchanged for, and what
 *          requests then carry. It is nowhere kept: the share's id and the visit's end, signed with
 *          a key of the share. So it ends with the share, and with another password.
 *
 * The edge finds both in its view (tenant.h): what is revoked is refused from the moment on in
 * which the call that revokes it returns, by other processes within a second. */
#include "tenant/definition.h"
#include "tenant/password.h"

enum {
    SHARE_LINK_LEN = 3 + 32,
    SHARE_VISIT_LEN = 3 + 75,
    SHARE_VISIT_HOURS = 12,
};
struct tenant_share {
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    const struct tenant_project *project;
    uint8_t link_hash[32]; /* SHA-256 */
    uint8_t visit_key[32]; /* never leaves */
    bool has_password;
    unix_ms expires_at;         /* 0: never */
    struct slice name;          /* as its makers call it */
    struct slice pages;         /* words: what of the dashboard it shows */
    struct slice filters;       /* a JSON array that every question is bound to; empty: none */
    struct slice embed_origins; /* lines: pages that may hold it in a frame; empty: none may */
};
/* NULL: unknown, revoked, expired, of an archived project; a visit also if it is over. */
const struct tenant_share *tenant_share_by_link(const struct tenant_view *v, struct slice link,
                                                unix_ms now);
const struct tenant_share *tenant_share_by_visit(const struct tenant_view *v, struct slice visit,
                                                 unix_ms now);
/* A new visit; its end. */
unix_ms tenant_share_begin(const struct tenant_share *s, unix_ms now,
                           char ret_visit[SHARE_VISIT_LEN + 1]);

/* ---- changing: as definition.h has it of other kinds ---- */
struct tenant_share_password {        /* NULL where one may be: it stays as it is */
    const struct password_hash *hash; /* NULL: the share has none any more */
};
enum rc tenant_share_create(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice object,
                            const struct tenant_share_password *password, struct uuid *ret_id,
                            struct err *err) MUST_CHECK;
enum rc tenant_share_update(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice id,
                            int64_t version, struct slice object,
                            const struct tenant_share_password *password,
                            struct err *err) MUST_CHECK;
enum rc tenant_share_remove(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice id,
                            int64_t version, struct err *err) MUST_CHECK;
/* The password's hash, for who tries one. RC_NOTFOUND: the share is gone or has none. Worker pool.
 */
enum rc tenant_share_hash(struct state *s, const struct tenant_share *share,
                          struct password_hash *ret_hash, struct err *err) MUST_CHECK;
#endif
