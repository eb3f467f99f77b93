#ifndef WEIR_BASE_IP_H
#define WEIR_BASE_IP_H
/* An IP address as a value: 128 bits, IPv4 in its IPv4-mapped form ::ffff:a.b.c.d (RFC 4291
 * 2.5.5.2). So the two ways in which one IPv4 client can arrive (on an IPv4 and on a dual-stack
 * socket) are one address, and addresses compare as numbers. Pure; no zone indices. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct ip {
    uint64_t high, low; /* of the 128 bits, as numbers */
};
enum { IP_TEXT_BYTES = 46 };

#define IP_V4(a, b, c, d)                                                                  \
    ((struct ip){0, UINT64_C(0xffff00000000) | (uint64_t)(a) << 24 | (uint64_t)(b) << 16 | \
                        (uint64_t)(c) << 8 | (uint64_t)(d)})

static inline bool ip_is_v4(struct ip a)
{
    return a.high == 0 && a.low >> 32 == 0xffff;
}
static inline bool ip_eq(struct ip a, struct ip b)
{
    return a.high == b.high && a.low == b.low;
}
static inline bool ip_is_before(struct ip a, struct ip b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* 192.0.2.1 (four decimal numbers without leading zeros) or any spelling of RFC 4291 2.2. No
 * brackets, port, prefix or zone. */
bool ip_parse(struct slice text, struct ip *ret_address);
/* The shortest spelling (RFC 5952); IPv4 as 192.0.2.1. */
char *ip_format(struct ip address, char ret_text[IP_TEXT_BYTES]);
/* Of the other end of a connection. A Unix socket has no address and counts as 127.0.0.1: who may
 * open it is on this machine. False: neither that nor IP. */
struct sockaddr_storage;
bool ip_of_sockaddr(const struct sockaddr_storage *peer, struct ip *ret_address);
#endif
