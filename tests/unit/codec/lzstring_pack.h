#ifndef WEIR_TEST_LZSTRING_PACK_H
#define WEIR_TEST_LZSTRING_PACK_H
/* The other way round, slow and obvious: bytes, each a unit, as lz-string's base64. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/must.h"

struct lzstring_packer {
    struct buf *out;
    struct slice text;
    struct {
        size_t at, len;
        bool is_new; /* a unit that was not told yet */
    } dict[20000];
    uint32_t count, width, room;
    uint32_t bits, bit_count;
};

static inline void lzstring_put(struct lzstring_packer *p, uint32_t value, uint32_t width)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < width; i++) {
        p->bits = p->bits << 1 | (value >> i & 1);
        if (++p->bit_count == 6) {
            buf_add_char(p->out, alphabet[p->bits & 63]);
            p->bit_count = 0;
        }
    }
}

static inline void lzstring_count(struct lzstring_packer *p)
{
    if (--p->room == 0)
        p->room = 1u << p->width++;
}

/* UINT32_MAX: not there. */
static inline uint32_t lzstring_find(const struct lzstring_packer *p, size_t at, size_t len)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->dict[i].len == len &&
            memcmp(p->text.data + p->dict[i].at, p->text.data + at, len) == 0)
            return i;
    return UINT32_MAX;
}

static inline void lzstring_add(struct lzstring_packer *p, size_t at, size_t len, bool is_new)
{
    must(p->count < sizeof(p->dict) / sizeof(p->dict[0]));
    p->dict[p->count].at = at;
    p->dict[p->count].len = len;
    p->dict[p->count++].is_new = is_new;
}

static inline void lzstring_emit(struct lzstring_packer *p, size_t at, size_t len)
{
    uint32_t i = lzstring_find(p, at, len);
    if (p->dict[i].is_new) {
        lzstring_put(p, 0, p->width);
        lzstring_put(p, (unsigned char)p->text.data[at], 8);
        p->dict[i].is_new = false;
        lzstring_count(p);
    } else {
        lzstring_put(p, i + 3, p->width);
    }
    lzstring_count(p);
}

static inline void lzstring_pack(struct slice text, struct buf *out)
{
    static struct lzstring_packer p;
    size_t from = 0, len = 0; /* the phrase that is under way */
    p = (struct lzstring_packer){.out = out, .text = text, .width = 2, .room = 2};
    for (size_t i = 0; i < text.len; i++) {
        if (lzstring_find(&p, i, 1) == UINT32_MAX)
            lzstring_add(&p, i, 1, true);
        if (lzstring_find(&p, from, len + 1) != UINT32_MAX) {
            len++;
            continue;
        }
        lzstring_emit(&p, from, len);
        lzstring_add(&p, from, len + 1, false);
        from = i;
        len = 1;
    }
    if (len)
        lzstring_emit(&p, from, len);
    lzstring_put(&p, 2, p.width);
    lzstring_put(&p, 0, (6 - p.bit_count) % 6);
    while (out->len % 4)
        buf_add_char(out, '=');
}
#endif
