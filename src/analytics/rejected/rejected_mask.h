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
 * Any bytes: JSON, broken JSON, forms, texts. Pure. At most eight times as long as the text. */
#include "base/buf.h"
#include "base/ip.h"

/* Appends to out. sender: all zero = not known. */
void rejected_mask(struct slice text, struct ip sender, struct buf *out);
#endif
