#ifndef WEIR_TENANT_TENANT_H
#define WEIR_TENANT_TENANT_H
/* Organisations, projects and their keys, as the edge sees them: an immutable view in memory,
 * swapped whole when the state changes (read again within a second of any change, also by another
 * process).
 *
 *   write key   "wk_" + 32 characters: public, may only ingest
 *   secret key  "sk_" + 43 characters: reads; stored as SHA-256 only, shown once
 *
 * Take a view, look up, give it back when the request is answered: what was looked up lives as
 * long. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"
#include "base/uuid.h"

struct tenant_project {
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    struct uuid org;
    char name[128];
    struct slice jwt_secret; /* HS256; never logged */
    uint8_t hash_key[32];    /* keyed hashes of this project (visitor ids); never leaves */
};
enum tenant_key_kind { TENANT_KEY_WRITE, TENANT_KEY_SECRET };

struct tenant;      /* the whole; one per process */
struct tenant_view; /* one immutable picture; reference-counted */
struct tenant_view *tenant_view_take(struct tenant *t);
void tenant_view_give(struct tenant_view *v);
/* NULL if the key is unknown, revoked, or of the other kind. About 1 µs (one SHA-256); less for a
 * write key that this thread has looked up in this view before. */
const struct tenant_project *tenant_by_key(const struct tenant_view *v, struct slice key,
                                           enum tenant_key_kind kind);
const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *project);
#endif
