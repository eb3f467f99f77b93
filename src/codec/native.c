/* Blocks of columns, whole or without some of their rows; the contract is in native.h. */
#include "codec/native.h"

#include "base/must.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied as they lie");

void native_uuid(struct native_column *c, const struct uuid *u)
{
    uint64_t halves[2];
    memcpy(halves, u->bytes, sizeof(halves));
    halves[0] = __builtin_bswap64(halves[0]);
    halves[1] = __builtin_bswap64(halves[1]);
    native_fixed(c, halves, sizeof(halves));
}

static void add_varint(struct buf *out, uint64_t value)
{
    char bytes[NATIVE_VARINT_BYTES_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    buf_add(out, bytes, n);
}

static void add_name(struct buf *out, const char *name)
{
    add_varint(out, strlen(name));
    buf_add_str(out, name);
}

/* Bytes of the value that begins at p. */
static size_t value_bytes(const struct native_column *c, const char *p)
{
    if (c->width)
        return c->width;
    size_t head = 0;
    uint64_t len = 0;
    unsigned char byte;
    do {
        must(head < NATIVE_VARINT_BYTES_MAX);
        byte = (unsigned char)p[head];
        len |= (uint64_t)(byte & 0x7f) << (7 * head++);
    } while (byte & 0x80);
    return head + len;
}

/* The kept values, neighbours in one copy. */
static void add_kept(struct buf *out, const struct native_column *c, uint32_t rows,
                     const uint8_t *keep)
{
    const char *p = c->data.data, *run = p, *end = p + c->data.len;
    for (uint32_t i = 0; i < rows; i++) {
        must(p < end);
        const char *next = p + value_bytes(c, p);
        if (!keep[i]) {
            buf_add(out, run, (size_t)(p - run));
            run = next;
        }
        p = next;
    }
    must(p == end);
    buf_add(out, run, (size_t)(p - run));
}

uint32_t native_block(struct buf *out, const struct native_column *columns, uint32_t count,
                      uint32_t rows, const uint8_t *keep)
{
    uint32_t kept = keep ? 0 : rows;
    for (uint32_t i = 0; keep && i < rows; i++)
        kept += keep[i] != 0;
    if (kept == 0)
        return 0;
    add_varint(out, count);
    add_varint(out, kept);
    for (const struct native_column *c = columns; c < columns + count; c++) {
        add_name(out, c->name);
        add_name(out, c->type);
        if (kept == rows)
            buf_add(out, c->data.data, c->data.len);
        else
            add_kept(out, c, rows, keep);
    }
    return kept;
}
