#ifndef WEIR_TENANT_TENANT_H
#define WEIR_TENANT_TENANT_H
/* Organisations, projects, their keys and token issuers, as the edge sees them: an immutable view
 * in memory, swapped whole when the state changes (read again within a second of any change, also
 * by another process).
 *
 *   write key   "wk_" + 32 characters + checksum: public, may only ingest
 *   secret key  "sk_" + 43 characters + checksum: has scopes; stored as SHA-256 only, shown once
 *
 * Take a view, look up, give it back when the request is answered: what was looked up lives as
 * long. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rc.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "tenant/permission.h"

/* What is made of a visitor without cookies (docs/definitions.md, "Privacy modes"). */
enum tenant_privacy {
    TENANT_PRIVACY_STANDARD, /* devices and places; less of who asks for it (Sec-GPC, DNT) */
    TENANT_PRIVACY_STRICT,   /* less of everybody */
    TENANT_PRIVACY_RELAXED,  /* as standard, whatever they ask for */
};
struct tenant_project {
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    struct uuid org;
    char name[128];
    struct slice jwt_secret;      /* HS256; never logged */
    uint8_t hash_key[32];         /* keyed hashes of this project (visitor ids); never leaves */
    struct slice allowed_origins; /* lines; empty: any */
    struct slice domains;         /* lines: its sites */
    struct slice client_ids;      /* lines: what scripts of other products call it */
    enum tenant_privacy privacy;
    struct slice time_zone;       /* IANA name: in which its days begin; empty: UTC */
    int64_t events_per_month_max; /* 0: no limit */
    int64_t retention_days;       /* rows older than that go; 0: they stay */
    bool drops_bots;              /* bot_policy: they are no rows */
    bool is_archived;             /* its keys and tokens are refused */
};
struct tenant_key {
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    enum tenant_key_kind kind;
    tenant_permissions scopes;
    unix_ms expires_at;           /* 0: never */
    struct slice allowed_origins; /* lines; empty: the project's */
    const struct tenant_project *project;
};
struct tenant_issuer { /* who may sign tokens for an organisation (docs/access.md) */
    struct uuid id, org;
    struct slice issuer, audience, jwks_url;
    struct slice algorithms;                            /* words */
    struct slice user_claim, project_claim, role_claim; /* names; empty: not mapped */
};

struct tenant;      /* the whole; one per process */
struct tenant_view; /* one immutable picture; reference-counted */
enum {
    TENANT_CLAIM_MAX = 100,     /* bytes of a claim's name */
    TENANT_CLIENT_ID_MAX = 200, /* bytes of one of a project's client_ids */
};
struct tenant_view *tenant_view_take(struct tenant *t);
/* Every project, archived ones too. */
void tenant_view_projects(const struct tenant_view *v,
                          void (*each)(void *ctx, const struct tenant_project *project), void *ctx);
uint64_t tenant_view_generation(const struct tenant_view *v); /* no two views have the same */
void tenant_view_give(struct tenant_view *v);
/* NULL if the key is unknown, revoked, expired, or its project is archived. About 1 µs (one
 * SHA-256); less for a write key that this thread has looked up in this view before. */
const struct tenant_key *tenant_key_find(const struct tenant_view *v, struct slice text,
                                         unix_ms now);
/* By its id, which is no secret: looks through all of them, so for what is seldom. */
const struct tenant_key *tenant_key_by_id(const struct tenant_view *v, const struct uuid *id,
                                          unix_ms now);
/* Whether a page of this origin may use the key: its own list, else its project's, else any. An
 * empty origin (no browser) is let through: a write key is public, the list only tells pages apart.
 */
bool tenant_key_allows(const struct tenant_key *key, struct slice origin);
static inline bool tenant_key_has_origins(const struct tenant_key *key) /* else any is allowed */
{
    return key->allowed_origins.len || key->project->allowed_origins.len;
}
/* By one of its domains or client_ids, as a client names it that has no key (docs/access.md,
 * "Names"): capitals (ASCII) and "www." at the front do not count. NULL: nobody's, or of an
 * archived project. Of two projects that have it all the same, the older one. No proof of anything:
 * such a caller may send events and nothing else. */
const struct tenant_project *tenant_project_by_name(const struct tenant_view *v, struct slice name);
/* Of who has no key: what tenant_key_allows() is for a key. */
bool tenant_project_allows(const struct tenant_project *p, struct slice origin);
/* NULL if it does not exist or is archived. */
const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *project);
/* NULL: nobody is known who signs so. */
const struct tenant_issuer *tenant_issuer_find(const struct tenant_view *v, struct slice issuer,
                                               struct slice audience);
/* Its checksum is right: it was made by some weir, and whoever published it should be told. */
bool tenant_key_is_genuine(struct slice text);
/* Remembers that the key was used; written down now and then (admin.h). Any thread, no lock. */
void tenant_key_used(const struct tenant_key *key, unix_ms now);
#endif
