#ifndef WEIR_HTTP_RATELIMIT_H
#define WEIR_HTTP_RATELIMIT_H
/* What a client is told about its limits, in both forms that clients know:
 *
 *     RateLimit-Policy: "address";q=200;w=2,"key";q=1000;w=10
 *     RateLimit: "address";r=0;t=1,"key";r=812;t=1
 *     RateLimit-Limit: 200
 *     RateLimit-Remaining: 0
 *     RateLimit-Reset: 1
 *     Retry-After: 1
 *
 * The first two are draft-ietf-httpapi-ratelimit-headers-11 (May 2026; structured fields, RFC
 * 9651): q units may be used in w seconds; r are left, and t is the time within which no more than
 * these are to be used. The three after them are what the drafts up to 06 had and most clients in
 * use read; they say the same of the policy that has the least left. X-RateLimit-* is not sent:
 * there are three contradicting readings of its reset.
 *
 * When to send  With each 429, and with the answers of the API (secret key, session). Not with
 * those of ingest: no browser's beacon reads them, and 150 bytes on every event are paid by all.
 * Pure. */
#include <stdint.h>

#include "http/framing.h"

enum {
    RATELIMIT_ITEMS_MAX = 4,
    RATELIMIT_NAME_BYTES_MAX = 32,
    RATELIMIT_FIELDS_MAX = 6,
    RATELIMIT_TEXT_BYTES = 1024
};
struct ratelimit_item { /* larger numbers than a structured field can hold are cut */
    const char *name;   /* of the policy: printable, without quotes and backslashes; borrowed */
    uint64_t quota;
    uint64_t window_s; /* in which all of the quota comes back; 0 is sent as 1 */
    uint64_t remaining;
    uint64_t reset_s; /* until all of it is back */
};
struct ratelimit_fields {
    struct framing_header
        fields[RATELIMIT_FIELDS_MAX]; /* point into text: do not copy the struct */
    uint32_t count;
    char text[RATELIMIT_TEXT_BYTES];
};
/* retry_after_s > 0: a refusal. Then t is nowhere later than Retry-After (section 6 of the draft).
 * count in 0 … RATELIMIT_ITEMS_MAX; 0 gives Retry-After alone. */
void ratelimit_fields(const struct ratelimit_item *items, uint32_t count, uint32_t retry_after_s,
                      struct ratelimit_fields *ret);
#endif
