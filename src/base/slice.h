#ifndef WEIR_BASE_SLICE_H
#define WEIR_BASE_SLICE_H
/* A borrowed range of bytes: not owned, not NUL-terminated, valid as long as what it points into.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data; /* may be NULL if len is 0 (a zeroed struct) */
    size_t len;
};

#define SLICE_EMPTY ((struct slice){"", 0}) /* not NULL: memchr and memcpy want none, even for 0 */
#define SLICE_LIT(lit) ((struct slice){"" lit, sizeof(lit) - 1})
/* clang-format 14 and 19 lay out a macro in braces differently. */
/* clang-format off */
#define SLICE_CONST(lit) {"" lit, sizeof(lit) - 1} /* the same in a static initializer */
/* clang-format on */
#define SLICE_ARG(s) (int)(s).len, (s).data /* for "%.*s" */

static inline struct slice slice_of(const char *data, size_t len)
{
    return (struct slice){data, len};
}

static inline struct slice slice_str(const char *cstr)
{
    return cstr ? (struct slice){cstr, strlen(cstr)} : SLICE_EMPTY;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.data || !b.data || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *b)
{
    return slice_eq(a, slice_str(b));
}

static inline bool slice_has_prefix(struct slice a, struct slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

static inline struct slice slice_sub(struct slice a, size_t from)
{
    return from >= a.len ? SLICE_EMPTY : (struct slice){a.data + from, a.len - from};
}

bool slice_eq_nocase_same_len(struct slice a, struct slice b);
static inline bool slice_eq_nocase(struct slice a, struct slice b) /* ASCII only */
{
    return a.len == b.len && slice_eq_nocase_same_len(a, b);
}
struct slice slice_trim(struct slice a); /* space and tab at both ends */
/* Cut *rest at the first sep: returns the part before it, *rest becomes what follows (empty at the
 * end). */
struct slice slice_cut(struct slice *rest, char sep);
/* Decimal digits only, no sign, no space; false on overflow or anything else. */
bool slice_to_u64(struct slice a, uint64_t *ret_value);
bool slice_to_i64(struct slice a, int64_t *ret_value); /* optional leading '-' */
/* The other way: decimal digits, in the caller's space. */
enum { SLICE_U64_DIGITS = 20 };
struct slice slice_of_u64(uint64_t value, char space[SLICE_U64_DIGITS]);
/* 2 * n lower-case hex digits to ret_digits; no NUL. */
void slice_hex(const uint8_t *bytes, size_t n, char *ret_digits);
/* The way back; false at anything but a lower-case digit (ret_bytes is then undefined). */
bool slice_unhex(const char *digits, size_t n, uint8_t *ret_bytes);
/* Length of the valid UTF-8 sequence that the text begins with (RFC 3629: no overlongs, no
 * surrogates, up to U+10FFFF), or 0. */
size_t slice_utf8_len(struct slice a);
/* Compares in a time that depends on the lengths alone: for keys and signatures. */
bool slice_eq_const_time(struct slice a, struct slice b);
#endif
