#include "base/buf.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/swar.h"

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *b, size_t bytes_max)
{
    must(bytes_max > 0 && bytes_max < SIZE_MAX / 2);
    *b = (struct buf){.bytes_max = bytes_max};
}

void buf_done(struct buf *b)
{
    heap_free(b->data);
    *b = (struct buf){.bytes_max = b->bytes_max};
}

void buf_wipe(struct buf *b)
{
    if (b->cap)
        explicit_bzero(b->data, b->cap);
    buf_done(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->is_failed = false;
}

/* Room for need bytes in all; up to one more than bytes_max, for the NUL of buf_cstr. */
static bool grow(struct buf *b, size_t need)
{
    if (LIKELY(need <= b->cap))
        return true;
    size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
    while (cap < need)
        cap *= 2;
    if (cap > b->bytes_max + 1)
        cap = b->bytes_max + 1;
    char *moved = heap_try_resize(b->data, HEAP_BUF, cap);
    if (!moved)
        return false;
    b->data = moved;
    b->cap = cap;
    return true;
}

char *buf_reserve_slow(struct buf *b, size_t n)
{
    must(b->bytes_max > 0);
    if (UNLIKELY(b->is_failed || n > b->bytes_max - b->len || !grow(b, b->len + n))) {
        b->is_failed = true;
        return NULL;
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    must(n <= b->cap - b->len && n <= b->bytes_max - b->len);
    b->len += n;
}

void buf_drop_front(struct buf *b, size_t n)
{
    must(n <= b->len);
    if (n && n < b->len)
        memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    char digits[SLICE_U64_DIGITS];
    buf_add_slice(b, slice_of_u64(value, digits));
}

void buf_add_i64(struct buf *b, int64_t value)
{
    if (value < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    char small[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    must(n >= 0);
    if ((size_t)n < sizeof(small)) {
        buf_add(b, small, (size_t)n);
        return;
    }
    if (!buf_reserve(b, (size_t)n) || !grow(b, b->len + (size_t)n + 1)) {
        b->is_failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_add_json(struct buf *b, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    buf_add_char(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.len;) {
        if (s.len - i >= SWAR_BYTES) {
            uint64_t word = swar_load(s.data + i);
            if (!(swar_has_json_special(word) | swar_has_high(word))) {
                i += SWAR_BYTES;
                continue;
            }
        }
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t n = c >= 0x80 ? slice_utf8_len(slice_sub(s, i)) : 0;
        if (n) {
            i += n;
            continue;
        }
        buf_add(b, s.data + from, i - from);
        char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c >= 0x80)
            buf_add(b, "\xef\xbf\xbd", 3);
        else if (c == '"' || c == '\\')
            buf_add(b, (char[2]){'\\', (char)c}, 2);
        else
            buf_add(b, esc, sizeof(esc));
        from = ++i;
    }
    buf_add_slice(b, slice_sub(s, from));
    buf_add_char(b, '"');
}

const char *buf_cstr(struct buf *b)
{
    if (b->is_failed || b->len == 0 || !grow(b, b->len + 1))
        return "";
    b->data[b->len] = '\0';
    return b->data;
}
