#ifndef WEIR_GEO_MMDB_INT_H
#define WEIR_GEO_MMDB_INT_H
/* Inside geo/ only: one MMDB file, checked and then read through libmaxminddb.
 *
 * WHY A CHECK  libmaxminddb maps the file that it is given and believes it: a file cut short
 * under it is a SIGBUS; a node count that wraps 32 bits (1.7, Debian 12) is a read beyond the map;
 * nested arrays are skipped by recursion without a bound. All of that would happen on an edge loop.
 * So the bytes are copied into a sealed memory file, which nobody can change or shorten, and every
 * node and every value in them is looked at once, here, before the library sees them. */
#include <maxminddb.h>

#include "geo/geo.h"

enum {
    MMDB_FILE_BYTES_MAX = 1 << 30,
    MMDB_DEPTH_MAX = 16,             /* of nested maps and arrays */
    MMDB_VALUE_BYTES_MAX = 64 << 10, /* one record as it lies there: bounds what a look-up skips */
    MMDB_METADATA_BYTES_MAX = 64 << 10 /* behind its marker */
};
/* What the check has found; the library has to find the same. */
struct mmdb_shape {
    uint64_t node_count;
    uint64_t record_bits; /* 24, 28 or 32 */
    uint64_t ip_version;  /* 4 or 6 */
    uint64_t built_s;     /* build_epoch */
    size_t data_at, data_len;
};
/* Pure. RC_CORRUPT with a sentence that says what is wrong with the file. */
enum rc mmdb_check(const uint8_t *bytes, size_t len, struct mmdb_shape *ret_shape,
                   struct err *err) MUST_CHECK;

enum mmdb_field {
    MMDB_FIELD_COUNTRY,
    MMDB_FIELD_REGION_CODE, /* without the country */
    MMDB_FIELD_REGION,
    MMDB_FIELD_CITY,
    MMDB_FIELD_ASN,
    MMDB_FIELD_ORGANISATION,
    MMDB_FIELD_TOR,
    MMDB_FIELD_VPN,
    MMDB_FIELD_HOSTING,
    MMDB_FIELDS
};
struct mmdb {
    MMDB_s lib;
    struct mmdb_shape shape;
    uint8_t paths[MMDB_FIELDS]; /* bits: which of a field's paths occur in this file */
    char path[440 + 1];
};
enum rc mmdb_open(const char *path, struct mmdb **ret_mmdb, struct err *err) MUST_CHECK;
/* Of bytes instead of a file; name is for messages. */
enum rc mmdb_open_bytes(struct slice bytes, const char *name, struct mmdb **ret_mmdb,
                        struct err *err) MUST_CHECK;
void mmdb_close(struct mmdb *m); /* NULL is fine */
static inline bool mmdb_has(const struct mmdb *m, enum mmdb_field field)
{
    return m->paths[field] != 0;
}
/* Adds what the file knows of the address and the place does not have yet. */
void mmdb_look(const struct mmdb *m, struct ip address, struct geo_place *place);
#endif
