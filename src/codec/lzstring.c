/* WHAT   lz-string's decompressFromBase64 (lzstring.h).
 * WHY    A phrase of the dictionary is the one before it and the first unit of the one that
 *        follows; in the output these stand side by side. So an entry is a place in the output and
 *        a length, and no text is kept twice.
 * LAYOUT Codes: 0 and 1 announce a new unit of 8 or 16 bits, 2 is the end, from 3 on the
 *        dictionary. While it runs the output holds surrogates as three bytes each, because a
 *        phrase may end between the two of a pair; the end joins them. */
#include "codec/lzstring.h"

enum {
    CODE_UNIT8,
    CODE_UNIT16,
    CODE_END,
    CODE_FIRST,
    WIDTH_FIRST = 2,
    WIDTH_MAX = 24,
    DICTIONARY_BYTES_MAX = 32 << 20,
};

struct phrase {
    uint32_t at, len; /* bytes of the output, behind its old end */
};
struct lz {
    struct slice text; /* what is not read yet */
    uint64_t bits;     /* the next one is the lowest */
    unsigned bit_count;
    bool is_short; /* more bits were asked for than there are */
    struct buf *out;
    size_t base;     /* out's old end */
    struct buf dict; /* of struct phrase, from CODE_FIRST on */
    uint32_t dict_count;
    unsigned width;
    uint64_t room; /* entries until codes get a bit wider */
};

/* Six bits, the first one lowest; -1: not of the alphabet. */
static int symbol(char c)
{
    int v = -1;
    if (c >= 'A' && c <= 'Z')
        v = c - 'A';
    else if (c >= 'a' && c <= 'z')
        v = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
        v = c - '0' + 52;
    else if (c == '+' || c == ' ')
        v = 62;
    else if (c == '/')
        v = 63;
    if (v < 0)
        return v;
    return (v & 1) << 5 | (v & 2) << 3 | (v & 4) << 1 | (v & 8) >> 1 | (v & 16) >> 3 | v >> 5;
}

static uint32_t take_bits(struct lz *z, unsigned count)
{
    while (z->bit_count < count) {
        int s = z->text.len ? symbol(z->text.data[0]) : -1;
        if (s < 0) {
            z->is_short = true;
            return CODE_END;
        }
        z->text = slice_sub(z->text, 1);
        z->bits |= (uint64_t)s << z->bit_count;
        z->bit_count += 6;
    }
    uint32_t value = (uint32_t)(z->bits & ((UINT64_C(1) << count) - 1));
    z->bits >>= count;
    z->bit_count -= count;
    return value;
}

static size_t unit_encode(uint32_t unit, char to[3])
{
    if (unit < 0x80) {
        to[0] = (char)unit;
        return 1;
    }
    if (unit < 0x800) {
        to[0] = (char)(0xc0 | unit >> 6);
        to[1] = (char)(0x80 | (unit & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | unit >> 12);
    to[1] = (char)(0x80 | (unit >> 6 & 0x3f));
    to[2] = (char)(0x80 | (unit & 0x3f));
    return 3;
}

static uint32_t first_unit_bytes(const struct lz *z, uint32_t at)
{
    unsigned char c = (unsigned char)z->out->data[z->base + at];
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : 3;
}

static enum rc dict_add(struct lz *z, struct phrase p)
{
    char *to = buf_reserve(&z->dict, sizeof(p));
    ENSURE(to, z->dict.len + sizeof(p) > z->dict.bytes_max ? RC_LIMIT : RC_NOMEM);
    memcpy(to, &p, sizeof(p));
    buf_commit(&z->dict, sizeof(p));
    z->dict_count++;
    if (--z->room == 0) {
        z->room = UINT64_C(1) << z->width;
        z->width++;
    }
    return z->width <= WIDTH_MAX ? RC_OK : RC_LIMIT;
}

static struct phrase dict_get(const struct lz *z, uint32_t code)
{
    struct phrase p;
    memcpy(&p, z->dict.data + (code - CODE_FIRST) * sizeof(p), sizeof(p));
    return p;
}

static enum rc out_room(struct lz *z, size_t bytes, char **ret_to)
{
    *ret_to = buf_reserve(z->out, bytes);
    if (*ret_to)
        return RC_OK;
    return z->out->len + bytes > z->out->bytes_max ? RC_LIMIT : RC_NOMEM;
}

/* A unit that was not there before: it becomes text and a phrase at once. */
static enum rc put_unit(struct lz *z, unsigned width, struct phrase *ret)
{
    char unit[3], *to;
    uint32_t value = take_bits(z, width);
    ENSURE(!z->is_short, RC_INVALID);
    size_t len = unit_encode(value, unit);
    TRY(out_room(z, len, &to));
    memcpy(to, unit, len);
    *ret = (struct phrase){(uint32_t)(z->out->len - z->base), (uint32_t)len};
    buf_commit(z->out, len);
    return dict_add(z, *ret);
}

/* A known phrase; with more: and then the first unit of it again. */
static enum rc put_phrase(struct lz *z, struct phrase p, bool more, struct phrase *ret)
{
    char *to;
    size_t extra = more ? first_unit_bytes(z, p.at) : 0;
    TRY(out_room(z, p.len + extra, &to));
    memcpy(to, z->out->data + z->base + p.at, p.len);
    memcpy(to + p.len, z->out->data + z->base + p.at, extra);
    *ret = (struct phrase){(uint32_t)(z->out->len - z->base), p.len + (uint32_t)extra};
    buf_commit(z->out, p.len + extra);
    return RC_OK;
}

static enum rc put_code(struct lz *z, uint32_t code, struct phrase last, struct phrase *ret)
{
    if (code < CODE_END)
        return put_unit(z, code == CODE_UNIT8 ? 8 : 16, ret);
    code -= CODE_FIRST;
    ENSURE(code <= z->dict_count, RC_INVALID);
    if (code == z->dict_count)
        return put_phrase(z, last, true, ret);
    return put_phrase(z, dict_get(z, code + CODE_FIRST), false, ret);
}

static enum rc decode(struct lz *z)
{
    struct phrase last, next;
    uint32_t code = take_bits(z, WIDTH_FIRST);
    if (code == CODE_END)
        return z->is_short ? RC_INVALID : RC_OK; /* the empty text */
    ENSURE(code < CODE_END, RC_INVALID);
    z->width = WIDTH_FIRST + 1;
    z->room = 1 + 4; /* the first unit's own entry does not count */
    TRY(put_unit(z, code == CODE_UNIT8 ? 8 : 16, &last));
    while ((code = take_bits(z, z->width)) != CODE_END) {
        TRY(put_code(z, code, last, &next));
        TRY(dict_add(z, (struct phrase){last.at, last.len + first_unit_bytes(z, next.at)}));
        last = next;
    }
    return z->is_short ? RC_INVALID : RC_OK;
}

/* 0xD800 … 0xDFFF as three bytes; 0: something else. */
static uint32_t surrogate_at(const unsigned char *p, const unsigned char *end)
{
    if (end - p < 3 || p[0] != 0xed || p[1] < 0xa0)
        return 0;
    return 0xd000 | (uint32_t)(p[1] & 0x3f) << 6 | (uint32_t)(p[2] & 0x3f);
}

static void join_surrogates(struct buf *out, size_t base)
{
    static const unsigned char unknown[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */
    if (!out->len)
        return;
    unsigned char *from = (unsigned char *)out->data + base, *to = from,
                  *end = (unsigned char *)out->data + out->len;
    if (!memchr(from, 0xed, (size_t)(end - from)))
        return;
    while (from < end) {
        uint32_t high = surrogate_at(from, end), low = high ? surrogate_at(from + 3, end) : 0;
        if (!high) {
            *to++ = *from++;
        } else if (high < 0xdc00 && low >= 0xdc00) {
            uint32_t c = 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
            *to++ = (unsigned char)(0xf0 | c >> 18);
            *to++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
            *to++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
            *to++ = (unsigned char)(0x80 | (c & 0x3f));
            from += 6;
        } else {
            memcpy(to, unknown, sizeof(unknown));
            to += sizeof(unknown);
            from += 3;
        }
    }
    out->len = (size_t)(to - (unsigned char *)out->data);
}

enum rc lzstring_decode(struct slice base64, struct buf *out, struct err *err)
{
    struct lz z = {.text = base64, .out = out, .base = out->len};
    ENSURE(out->bytes_max <= UINT32_MAX, RC_BUG);
    buf_init(&z.dict, DICTIONARY_BYTES_MAX);
    enum rc rc = decode(&z);
    buf_done(&z.dict);
    if (rc == RC_OK)
        join_surrogates(out, z.base);
    else if (rc == RC_LIMIT)
        return err_set(err, rc, "the text is larger than %zu bytes when it is decompressed",
                       out->bytes_max);
    else if (rc == RC_INVALID)
        return err_set(err, rc, "this is not lz-string's base64, or the end is missing");
    return rc;
}
