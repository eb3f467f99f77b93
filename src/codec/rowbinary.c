#include "codec/rowbinary.h"

#include "base/must.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied as they lie");

void rowbinary_varint(struct buf *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (char)value;
    buf_add(out, bytes, n);
}

void rowbinary_string(struct buf *out, struct slice s)
{
    rowbinary_varint(out, s.len);
    buf_add_slice(out, s);
}

void rowbinary_u8(struct buf *out, uint8_t value)
{
    buf_add(out, &value, sizeof(value));
}

void rowbinary_u16(struct buf *out, uint16_t value)
{
    buf_add(out, &value, sizeof(value));
}

void rowbinary_u32(struct buf *out, uint32_t value)
{
    buf_add(out, &value, sizeof(value));
}

void rowbinary_u64(struct buf *out, uint64_t value)
{
    buf_add(out, &value, sizeof(value));
}

void rowbinary_uuid(struct buf *out, const struct uuid *u)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = u->bytes[7 - i];
        bytes[8 + i] = u->bytes[15 - i];
    }
    buf_add(out, bytes, sizeof(bytes));
}
