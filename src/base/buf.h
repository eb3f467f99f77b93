#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H
/* A growing byte buffer that cannot exist without its maximum (after curl's dynbuf).
 *
 * Appends after an overflow or a failed allocation are ignored and is_failed stays set (varnish's
 * workspace): build freely, test once with buf_ok(). Owned by one thread. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/rc.h"
#include "base/slice.h"

struct buf {
    char *data; /* owned; NULL until the first byte */
    size_t len;
    size_t cap;
    size_t bytes_max; /* len never exceeds it */
    bool is_failed;   /* sticky: limit reached or memory gone */
};

void buf_init(struct buf *b, size_t bytes_max);
void buf_done(struct buf *b);  /* frees; the buffer may be used again with the same maximum */
void buf_wipe(struct buf *b);  /* buf_done() for secrets: what was in it is overwritten. Reserve
                                  first: growing leaves copies behind */
void buf_clear(struct buf *b); /* len = 0, not failed; keeps the memory */

/* n writable bytes at the end (then counted in len by buf_commit), NULL if they cannot be had. */
char *buf_reserve_slow(struct buf *b, size_t n);
static inline char *buf_reserve(struct buf *b, size_t n)
{
    if (LIKELY(n <= b->cap - b->len && n <= b->bytes_max - b->len && !b->is_failed))
        return b->data + b->len;
    return buf_reserve_slow(b, n);
}
void buf_commit(struct buf *b, size_t n);
void buf_drop_front(struct buf *b, size_t n); /* memmove of the rest */

static inline void buf_add(struct buf *b, const void *data, size_t len)
{
    char *to = len ? buf_reserve(b, len) : NULL;
    if (!to)
        return;
    memcpy(to, data, len);
    b->len += len;
}
static inline void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.data, s.len);
}
static inline void buf_add_str(struct buf *b, const char *cstr)
{
    buf_add(b, cstr, strlen(cstr));
}
static inline void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}
void buf_add_u64(struct buf *b, uint64_t value); /* decimal */
void buf_add_i64(struct buf *b, int64_t value);  /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* s as a JSON string with quotes; bytes are taken as UTF-8, an invalid byte becomes U+FFFD. */
void buf_add_json(struct buf *b, struct slice s);

static inline bool buf_ok(const struct buf *b)
{
    return !b->is_failed;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}
/* NUL-terminated view (the NUL is not counted); "" when empty or failed. */
const char *buf_cstr(struct buf *b);
#endif
