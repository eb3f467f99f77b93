#ifndef WEIR_GEO_GEO_H
#define WEIR_GEO_GEO_H
/* Where an address is and what kind of network it belongs to, from MMDB files (the format of
 * MaxMind's databases, 2.0).
 *
 * FILES    country, city and ASN, each optional and told apart by what is in them, not by their
 *          names: MaxMind's layout (GeoLite2, GeoIP2, DB-IP), the flat one of ip-location-db
 *          (country_code, autonomous_system_number) and IPinfo's. Of several files the first that
 *          knows a thing is believed: city, then country, then ASN.
 * DAMAGE   A file is read into memory and checked whole before it is used (mmdb_int.h): what is
 *          wrong in it is refused then and there, and what happens to the file later is no matter.
 * VIEWS    immutable and reference-counted, swapped whole by geo_reload(), as a tenant's are: take
 *          one, look up, give it back. Memory: the files' size, twice during a reload.
 * THREADS  any; a lock is held for a few nanoseconds.
 * SOURCE   https://maxmind.github.io/MaxMind-DB/ */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/rc.h"

enum geo_network {
    GEO_NETWORK_UNKNOWN,
    GEO_NETWORK_ISP,        /* a known network that is none of the below: people */
    GEO_NETWORK_DATACENTRE, /* machines */
    GEO_NETWORK_VPN,        /* only where a file says so, as the next */
    GEO_NETWORK_TOR,
    GEO_NETWORK_COUNT
};
const char *geo_network_name(enum geo_network network); /* "", "isp", "datacentre", "vpn", "tor" */
/* By the number of an autonomous system and its organisation's name (may be empty). */
enum geo_network geo_network_of(uint32_t asn, struct slice organisation);

enum { GEO_COUNTRY_BYTES = 3, GEO_REGION_BYTES = 64, GEO_CITY_BYTES = 96 };
/* NUL-terminated valid UTF-8 without control characters; "" and 0 = not known. */
struct geo_place {
    char country[GEO_COUNTRY_BYTES]; /* ISO 3166-1 alpha-2, upper case */
    char region[GEO_REGION_BYTES];   /* ISO 3166-2 ("DE-BE"); the name where a file has no code */
    char city[GEO_CITY_BYTES];       /* English */
    uint32_t asn;
    enum geo_network network;
};

enum geo_kind { GEO_COUNTRY, GEO_CITY, GEO_ASN, GEO_KINDS };
/* A path; "" = the data that npm brought, found beside the program (country only); "none" = not
 * even that. */
struct geo_cfg {
    const char *files[GEO_KINDS];
};
struct geo;      /* one per process */
struct geo_view; /* one immutable picture */
/* A file that is named and not there, or damaged: RC_NOTFOUND, RC_CORRUPT, and nothing is open.
 * Missing data that nobody named is no error: geo_view_missing() tells. */
enum rc geo_open(const struct geo_cfg *cfg, struct geo **ret_geo, struct err *err) MUST_CHECK;
void geo_close(struct geo *geo); /* after the last view was given back; NULL is fine */
/* Reads the files again; after a failure the old view stays. Blocks: not on a loop. */
enum rc geo_reload(struct geo *geo, const struct geo_cfg *cfg, struct err *err) MUST_CHECK;

struct geo_view *geo_view_take(struct geo *geo);
void geo_view_give(struct geo_view *view); /* NULL is fine */
/* An address that is nobody's on the Internet (private, loopback, reserved …) is nowhere. */
void geo_look(const struct geo_view *view, struct ip address, struct geo_place *ret_place);
bool geo_is_routable(struct ip address);

/* What stands behind the view, for doctor, the log and /metrics. "" = there is none. */
const char *geo_view_path(const struct geo_view *view, enum geo_kind kind);
unix_ms geo_view_built(const struct geo_view *view, enum geo_kind kind); /* the data's own date */
/* Whether any file of the view knows of that; a city file knows countries as well. */
bool geo_view_has(const struct geo_view *view, enum geo_kind kind);
/* A sentence for a person if countries or networks are not known, else NULL. Constant text. */
const char *geo_view_missing(const struct geo_view *view);
/* weir_geo_data_available{kind="…"} and weir_geo_data_built_timestamp_seconds. Once per process. */
void geo_metrics_register(struct geo *geo);
#endif
