#ifndef WEIR_CODEC_HASH_H
#define WEIR_CODEC_HASH_H
/* SHA-256 and HMAC-SHA-256 (OpenSSL). About 0.5 and 1 µs for short input. */
#include <stdint.h>

#include "base/slice.h"

enum { SHA256_BYTES = 32 };
void sha256(struct slice data, uint8_t ret_hash[SHA256_BYTES]);
/* Of the parts one after the other. */
void sha256_parts(const struct slice *parts, uint32_t count, uint8_t ret_hash[SHA256_BYTES]);
void hmac_sha256(struct slice key, struct slice data, uint8_t ret_mac[SHA256_BYTES]);
#endif
