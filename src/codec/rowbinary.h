#ifndef WEIR_CODEC_ROWBINARY_H
#define WEIR_CODEC_ROWBINARY_H
/* ClickHouse's RowBinary: values one after the other, no framing, little-endian. */
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/uuid.h"

void rowbinary_varint(struct buf *out, uint64_t value); /* LEB128 */
void rowbinary_string(struct buf *out, struct slice s);
void rowbinary_u8(struct buf *out, uint8_t value);
void rowbinary_u16(struct buf *out, uint16_t value);
void rowbinary_u32(struct buf *out, uint32_t value);
void rowbinary_u64(struct buf *out, uint64_t value);
static inline void rowbinary_i64(struct buf *out, int64_t value)
{
    rowbinary_u64(out, (uint64_t)value);
}
/* ClickHouse keeps a UUID as two little-endian 64-bit halves, the high one first. */
void rowbinary_uuid(struct buf *out, const struct uuid *u);
/* DateTime64(3): milliseconds. */
static inline void rowbinary_time_ms(struct buf *out, unix_ms t)
{
    rowbinary_i64(out, t.ms);
}
/* Nullable(T): this byte, then the value unless it is null. */
static inline void rowbinary_null(struct buf *out, int is_null)
{
    rowbinary_u8(out, is_null ? 1 : 0);
}
#endif
