#ifndef WEIR_BASE_UUID_H
#define WEIR_BASE_UUID_H
/* UUIDs (RFC 9562). Made here: version 7 (time-ordered). Accepted: any version. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/slice.h"

struct uuid {
    uint8_t bytes[16]; /* network order */
};
enum { UUID_TEXT_LEN = 36 };

/* Version 7: 48 bits of unix ms, a 12-bit counter so that ids of one thread grow within a
 * millisecond, 62 random bits. Thread-safe, no lock (the state is per thread). */
struct uuid uuid_v7(unix_ms now);
/* Version 8 (custom): the first 16 bytes of a hash, with version and variant set. */
struct uuid uuid_v8_from_hash(const uint8_t hash[16]);
/* 8-4-4-4-12 hex, any case; also 32 hex digits without dashes. */
bool uuid_parse(struct slice text, struct uuid *ret_uuid);
char *uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1]); /* lower case */
#endif
