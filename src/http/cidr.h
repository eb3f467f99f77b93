#ifndef WEIR_HTTP_CIDR_H
#define WEIR_HTTP_CIDR_H
/* A set of addresses, written as a list of ranges (CIDR notation, RFC 4632 3.1, RFC 4291 2.3):
 *
 *     10.0.0.0/8, 192.0.2.17, ::1, 2001:db8::/32, loopback, private
 *
 *   loopback   127.0.0.0/8, ::1
 *   private    10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918), fc00::/7 (RFC 4193)
 *
 * An IPv4 range also holds the IPv4-mapped IPv6 forms of its addresses, and may be written so
 * (::ffff:10.0.0.0/104). A range of IPv6 never holds an IPv4 address: "::/0" is all of IPv6 only.
 * Pure; a set that is made does not change: any thread may ask. */
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/rc.h"
#include "base/slice.h"

enum { CIDR_ENTRIES_MAX = 4096, CIDR_TEXT_BYTES_MAX = 256 << 10 };
struct cidr_range {
    struct ip first, last; /* both belong to it */
};
struct cidr_set {              /* {0} is the empty set */
    struct cidr_range *ranges; /* owned; ascending, with a gap between any two */
    uint32_t count;
};

/* RC_INVALID: err says which entry, why, and what to write instead (also for bits set behind the
 * prefix, 10.0.0.1/8: a typing error, or a wrong idea of the range). RC_LIMIT: too many or too
 * long. RC_NOMEM. A text of blanks gives the empty set. */
enum rc cidr_set_parse(struct slice text, struct cidr_set *ret_set, struct err *err) MUST_CHECK;
void cidr_set_done(struct cidr_set *set);
bool cidr_set_has(const struct cidr_set *set, struct ip address); /* binary search */
#endif
