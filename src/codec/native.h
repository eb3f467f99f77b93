#ifndef WEIR_CODEC_NATIVE_H
#define WEIR_CODEC_NATIVE_H
/* ClickHouse's Native format: a block is its columns one after the other, each of them all rows'
 * values, little-endian. The engine takes such columns as they are, where a format of rows makes it
 * read every value by itself (docs/internals/project.md has the figures).
 *
 *  varint columns, varint rows, then per column: name, type (strings), values.
 *
 * Values here are of a fixed width, or String (length as varint, then the bytes), or
 * LowCardinality(String): numbers of the keys that stand before them. The engine would take Strings
 * for these, too, and look each of them up by itself, which is dearer than it is here, where most
 * values are those of the row before (ClickHouse's SerializationLowCardinality). */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"

struct native_keys {  /* the values of a LowCardinality column, in the order of their numbers */
    struct buf texts; /* as Strings; the first one is empty */
    struct native_key *slots; /* of a hash table; owned, NULL until the second key */
    uint32_t slot_count;      /* a power of two */
    uint32_t count;
    uint32_t last; /* number of the value taken last, and where it stands in texts */
    size_t last_at, last_len;
};
struct native_column {
    const char *name, *type;
    uint32_t width; /* bytes of a value in data; 0 = String */
    bool has_keys;  /* LowCardinality(String): data has their numbers, width is 4 */
    struct buf data;
    struct native_keys keys;
};
enum { NATIVE_VARINT_BYTES_MAX = 10 };

/* n bytes at the end of the column, NULL if they cannot be had (then the column's buf has failed).
 */
static inline char *native_room(struct native_column *c, size_t n)
{
    struct buf *b = &c->data;
    if (LIKELY(!b->is_failed && b->cap - b->len >= n && b->bytes_max - b->len >= n))
        return b->data + b->len;
    return buf_reserve(b, n);
}
static inline void native_fixed(struct native_column *c, const void *value, size_t n)
{
    char *p = native_room(c, n);
    if (UNLIKELY(!p))
        return;
    memcpy(p, value, n);
    c->data.len += n;
}
/* Any column of texts. */
void native_key_find(struct native_column *c, struct slice s);
static inline void native_text(struct native_column *c, struct slice s)
{
    if (c->has_keys) {
        struct native_keys *k = &c->keys;
        if (s.len != k->last_len || !k->count ||
            (s.len && memcmp(k->texts.data + k->last_at, s.data, s.len) != 0))
            native_key_find(c, s); /* k->last, from here on */
        native_fixed(c, &k->last, sizeof(k->last));
        return;
    }
    char *p = native_room(c, s.len + NATIVE_VARINT_BYTES_MAX), *from = p;
    if (UNLIKELY(!p))
        return;
    uint64_t n = s.len;
    for (; n >= 0x80; n >>= 7)
        *p++ = (char)(n | 0x80);
    *p++ = (char)n;
    if (s.len)
        memcpy(p, s.data, s.len);
    c->data.len += (size_t)(p - from) + s.len;
}
/* Before the first value: its type and width are set. */
void native_init(struct native_column *c, size_t bytes_max);
void native_clear(struct native_column *c); /* no values, not failed; keeps most of the memory */
void native_done(struct native_column *c);  /* frees; may be used again */
bool native_ok(const struct native_column *c);
size_t native_bytes(const struct native_column *c);      /* of values and keys */
size_t native_room_bytes(const struct native_column *c); /* that it holds */
/* ClickHouse keeps a UUID as two little-endian 64-bit halves, the high one first. */
void native_uuid(struct native_column *c, const struct uuid *u);

/* Appends a block of the rows whose byte in keep is not 0 (NULL: all of them). rows: how many the
 * columns hold. Returns how many the block has; what does not fit leaves out->is_failed. */
uint32_t native_block(struct buf *out, const struct native_column *columns, uint32_t count,
                      uint32_t rows, const uint8_t *keep);
#endif
