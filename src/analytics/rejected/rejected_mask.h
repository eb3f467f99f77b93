#ifndef WEIR_ANALYTICS_REJECTED_REJECTED_MASK_H
#define WEIR_ANALYTICS_REJECTED_REJECTED_MASK_H
/* What of a client's text may not be kept in the clear: addresses and secrets.
 *
 *   addresses  IPv4 and IPv6 in any spelling, also with ':' as %3A, become 0.0.0.0 and ::, which
 *              every dialect takes for "none". So do values whose member or parameter is called ip,
 *              uip, x-forwarded-for … What looks like a version (Chrome/120.0.0.0, a member called
 *              …version) stays, unless it is the sender's own address.
 *   secrets    keys of weir (wk_, sk_), PostHog's personal ones (phx_), JWTs, and values called
 *              secret, password, authorization … become ***.
 *
 *
 *   places     An address of which something is known that may be kept becomes 0.0.0.N or ::N
 *              instead: N is the number of what is known (a place, not an address: two addresses in
 *              one town have the same).
 *
 * Any bytes: JSON, broken JSON, forms, texts. At most eight times as long as the text. */
#include <stdint.h>

#include "base/buf.h"
#include "base/ip.h"

enum { REJECTED_PLACES_MAX = 255 };
/* 1 … REJECTED_PLACES_MAX, 0: nothing is known of it. */
typedef uint32_t rejected_place_fn(void *ctx, struct ip address);
/* Appends to out. sender: all zero = not known. place: NULL = of no address is anything known. */
void rejected_mask(struct slice text, struct ip sender, rejected_place_fn *place, void *ctx,
                   struct buf *out);
/* The number that a masked address stands for; 0: none. */
uint32_t rejected_place_of(struct ip masked);
#endif
