#ifndef WEIR_CODEC_BASE64_H
#define WEIR_CODEC_BASE64_H
/* Base64 (RFC 4648 section 4), base64url (section 5), hex. Strict: no white space, no characters
 * of the other alphabet, no bits left over, so that one value has one text. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum base64_kind {
    BASE64_STD, /* '+' '/', padded; padding may be absent when decoding */
    BASE64_URL, /* '-' '_', written without padding; padding is refused when decoding */
};
static inline size_t base64_encoded_max(size_t len)
{
    return (len + 2) / 3 * 4;
}
static inline size_t base64_decoded_max(size_t len)
{
    return len / 4 * 3 + 3;
}
void base64_encode(struct buf *out, enum base64_kind kind, struct slice bytes);
/* to holds at least base64_decoded_max(text.len) bytes; false (and nothing promised about to) if
 * the text is not exact. */
bool base64_decode(enum base64_kind kind, struct slice text, uint8_t *to, size_t *ret_len);

/* 2 * len lower-case digits at to, no NUL; returns to. */
char *hex_encode(char *to, const uint8_t *bytes, size_t len);
/* Either case; text.len must be 2 * len. */
bool hex_decode(struct slice text, uint8_t *to, size_t len);
#endif
