#ifndef WEIR_CODEC_BASE32_H
#define WEIR_CODEC_BASE32_H
/* Base32 (RFC 4648 section 6), for what people type: secrets of authenticator apps, recovery
 * codes. Written in upper case without padding, read in either case without padding. Strict
 * otherwise: no other characters, no bits left over. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

static inline size_t base32_encoded_len(size_t len)
{
    return len / 5 * 8 + (len % 5 * 8 + 4) / 5;
}
static inline size_t base32_decoded_max(size_t len)
{
    return len / 8 * 5 + 5;
}
/* base32_encoded_len(bytes.len) characters at to, no NUL; returns to. */
char *base32_encode(char *to, struct slice bytes);
/* to holds at least base32_decoded_max(text.len) bytes; false (and nothing promised about to) if
 * the text is not exact. */
bool base32_decode(struct slice text, uint8_t *to, size_t *ret_len);
#endif
