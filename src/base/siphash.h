#ifndef WEIR_BASE_SIPHASH_H
#define WEIR_BASE_SIPHASH_H
/* SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash for tables whose keys come from outside.
 * Who does not know the key cannot choose inputs that collide. Not for signatures. Pure; about
 * 20 ns for 16 bytes. */
#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
#endif
