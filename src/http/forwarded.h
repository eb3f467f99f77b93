#ifndef WEIR_HTTP_FORWARDED_H
#define WEIR_HTTP_FORWARDED_H
/* Who the client is when proxies stand in between: from the connection's other end and what trusted
 * proxies say of theirs, in X-Forwarded-For and X-Forwarded-Proto, or in Forwarded (RFC 7239).
 *
 * The rule  The last entry was written by the peer, the one before it by the proxy that the last
 * one names, and so on: an entry is believed if who wrote it is a trusted proxy. So the walk begins
 * at the right and ends at the first address that is no trusted proxy: that is the client. What
 * stands further left came from the client, and is not even looked at. All lines of a field count
 * as one, in order (RFC 9110 5.3).
 *
 * One of the two fields is read, the one that is configured, never the other, even if it alone is
 * present: a proxy writes one of them and lets the other pass as the client sent it (nginx, Caddy,
 * Traefik, AWS and Cloudflare all let Forwarded pass). "Whichever is there" would be the client's
 * choice.
 *
 * X-Forwarded-Host is not read: proxies that set X-Forwarded-For let it pass just as often, and a
 * host chosen by the client ends up in links that are sent to others. The proxy hands on Host.
 * Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "http/cidr.h"
#include "http/framing.h"

enum {
    FORWARDED_HOPS_MAX = 16,         /* entries that are looked at */
    FORWARDED_ENTRY_BYTES_MAX = 512, /* a longer one is malformed */
};
enum forwarded_field { FORWARDED_X, FORWARDED_RFC7239 };
/* Why the walk ended. */
enum forwarded_end {
    FORWARDED_END_PEER,   /* the peer is no trusted proxy: it is the client */
    FORWARDED_END_CLIENT, /* at an address that is no trusted proxy */
    /* No entry was left: the client is within the trusted ranges, or the proxy writes none. */
    FORWARDED_END_TRUSTED,
    FORWARDED_END_HIDDEN,    /* "unknown", or an obfuscated identifier (RFC 7239 6.3) */
    FORWARDED_END_MALFORMED, /* an entry that is none */
    FORWARDED_END_HOPS,      /* FORWARDED_HOPS_MAX */
};
struct forwarded_cfg {
    struct cidr_set trusted;
    enum forwarded_field field;
};
struct forwarded {
    /* After the last three ends: the last address that was vouched for, a trusted proxy's. */
    struct ip client;
    bool is_https;     /* the client's own connection, as far as it is known */
    struct slice host; /* Forwarded's host: what the client asked for; empty = see Host. Points into
                          the headers */
    uint32_t hops;     /* entries that were believed; 0 = client is the peer */
    enum forwarded_end end;
};

/* is_tls is about the connection with the peer; it stands if no proxy says otherwise. Of proto and
 * host, what the outermost trusted proxy says holds. Never fails: what cannot be read is not
 * believed. */
void forwarded_resolve(const struct forwarded_cfg *cfg, struct ip peer, bool is_tls,
                       const struct framing_header *headers, uint32_t header_count,
                       struct forwarded *ret);
const char *forwarded_end_name(enum forwarded_end end); /* "client": for counters and log lines */
#endif
