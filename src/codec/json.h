#ifndef WEIR_CODEC_JSON_H
#define WEIR_CODEC_JSON_H
/* JSON from outside: limits first, then yyjson, then compact text again, without a heap call.
 *
 *  json_skip      finds the end of a value and its depth without reading it: how a batch is cut
 *                 into events, so that one bad event cannot spoil the others and memory is bounded
 *                 by one event instead of by the body.
 *  json_parse     reads a value (yyjson) out of an arena. yyjson 0.10 has no depth limit of its
 *                 own, so depth is checked before. Numbers stay as the text that was sent: a
 *                 20-digit id is not rounded. Invalid UTF-8 and lone surrogates are refused.
 *  json_write     a value as compact text, never longer than the text it was read from. Of
 *                 duplicate keys the last one holds. U+0000, keys that are too long and numbers
 *                 outside a double's range are refused, because something behind us would choke.
 */
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

enum {
    JSON_DEPTH_MAX = 32,
    JSON_KEY_BYTES_MAX = 200,
    JSON_NUMBER_BYTES_MAX = 64,
};

/* ---- structure ---- */
struct json_span {
    struct slice text;
    uint32_t depth; /* 0 for a scalar, 1 for [] or {} */
};
/* White space from *at on; then the next byte, or 0 at the end. */
char json_peek(struct slice text, size_t *at);
/* The value that begins at *at (white space allowed before it); *at moves behind it. False if the
 * text ends inside it or no value begins there. What is inside is not checked but for strings and
 * the number of brackets. */
bool json_skip(struct slice text, size_t *at, struct json_span *ret_span);
/* No value in the text is nested deeper: how many brackets open in it, those in strings counted,
 * too. Costs a tenth of json_skip. */
uint32_t json_depth_bound(struct slice text);

/* Cuts an array (or NDJSON lines) into elements. */
struct json_items {
    struct slice text; /* from behind '[' on */
    size_t at;
    bool is_first, is_done;
};
enum rc json_items_begin(struct json_items *it, struct slice array) MUST_CHECK;
/* RC_END behind the closing bracket (then at is behind it), RC_INVALID if the array is broken. */
enum rc json_items_next(struct json_items *it, struct json_span *ret_span) MUST_CHECK;

/* Cuts an object into its members; key is the raw text between the quotes. */
struct json_members {
    struct slice text;
    size_t at;
    bool is_first;
};
enum rc json_members_begin(struct json_members *it, struct slice object) MUST_CHECK;
enum rc json_members_next(struct json_members *it, struct slice *ret_key,
                          struct json_span *ret_span) MUST_CHECK;
/* The key alone: the value begins at it->text.data + it->at and has to be skipped (json_skip)
 * before the next one. */
enum rc json_members_key(struct json_members *it, struct slice *ret_key) MUST_CHECK;

/* The next line that is not blank, without its line end; false at the end. */
bool json_line_next(struct slice *rest, struct slice *ret_line);

/* ---- reading ---- */
/* yyjson's allocations come from the arena; nothing is freed before its reset. */
yyjson_alc json_arena(struct arena *a);
/* The document lives in the arena, strings included; text may go away. RC_LIMIT: too deep;
 * RC_NOMEM: the arena is full; RC_INVALID: err says what and at which byte. */
enum rc json_parse(struct arena *a, struct slice text, yyjson_val **ret_root,
                   struct err *err) MUST_CHECK;
/* The same for a value that json_skip has just cut. */
enum rc json_parse_span(struct arena *a, const struct json_span *span, yyjson_val **ret_root,
                        struct err *err) MUST_CHECK;
static inline struct slice json_text(const yyjson_val *v) /* of a string or a number */
{
    yyjson_val *val = (yyjson_val *)(uintptr_t)v;
    return slice_of(unsafe_yyjson_get_str(val), unsafe_yyjson_get_len(val));
}
/* The last member of that name, NULL if absent (also if object is no object). */
yyjson_val *json_get(yyjson_val *object, const char *name);
/* The same for count names in one pass over the members: ret[i] for names[i]. */
void json_get_all(yyjson_val *object, const struct slice *names, uint32_t count, yyjson_val **ret);
/* The same for many names and large objects: a member costs one look-up instead of a comparison
 * with each name. At most JSON_NAMES_MAX names. */
enum { JSON_NAMES_MAX = 64, JSON_NAME_SLOTS = 256 };
struct json_names {
    const struct slice *names; /* borrowed; NULL: not made yet */
    uint32_t count;
    uint8_t slots[JSON_NAME_SLOTS]; /* index + 1 */
};
void json_names_init(struct json_names *t, const struct slice *names, uint32_t count);
void json_get_named(yyjson_val *object, const struct json_names *t, yyjson_val **ret);
/* Numbers as sent. Integer only if the text is one ("1.0" and "1e3" are not). */
static inline bool json_is_number(const yyjson_val *v)
{
    return yyjson_is_raw((yyjson_val *)(uintptr_t)v);
}
bool json_to_i64(const yyjson_val *v, int64_t *ret_value);
bool json_to_double(const yyjson_val *v, double *ret_value);

/* ---- writing ---- */
/* Fixed space; appends that do not fit are ignored and is_full stays set. */
struct json_out {
    char *p, *end;
    bool is_full;
};
static inline void json_put(struct json_out *o, const char *data, size_t len)
{
    if (UNLIKELY((size_t)(o->end - o->p) < len)) {
        o->is_full = true;
        return;
    }
    if (len)
        memcpy(o->p, data, len);
    o->p += len;
}
static inline void json_put_char(struct json_out *o, char c)
{
    if (UNLIKELY(o->p == o->end))
        o->is_full = true;
    else
        *o->p++ = c;
}
#define json_put_lit(o, lit) json_put(o, "" lit, sizeof(lit) - 1)
/* With quotes, escaped the shortest way. s must be valid UTF-8 (as everything yyjson read is).
 * False if it holds U+0000. */
bool json_put_string(struct json_out *o, struct slice s);
/* The same for bytes of unknown origin: what is not UTF-8 becomes U+FFFD, U+0000 is left out. At
 * most 6 bytes per byte of s. */
void json_put_bytes(struct json_out *o, struct slice s);

enum json_problem {
    JSON_FINE,
    JSON_HAS_NUL,      /* \u0000 in a key or string */
    JSON_KEY_TOO_LONG, /* > JSON_KEY_BYTES_MAX */
    JSON_NUMBER_RANGE, /* > JSON_NUMBER_BYTES_MAX characters, or outside a double's range */
    JSON_NO_MEMORY,    /* the scratch arena is full */
};
const char *json_problem_text(enum json_problem problem);
/* scratch: for finding duplicate keys in large objects. skip (NULL-terminated, may be NULL): names
 * left out of the outermost object. */
enum json_problem json_write(struct json_out *o, yyjson_val *v, const char *const *skip,
                             struct arena *scratch) MUST_CHECK;
#endif
