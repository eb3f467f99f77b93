#ifndef WEIR_CODEC_CH_BLOCK_H
#define WEIR_CODEC_CH_BLOCK_H
/* Compressed blocks as ClickHouse's clients read them (?compress=1 of its HTTP interface; JDBC asks
 * for it by default): checksum (16 bytes), method 0x82, size of what follows the checksum and size
 * of the contents (u32, little endian), the contents as an LZ4 block. One after the other, they are
 * a stream.
 * Source: ClickHouse, src/Compression (CompressedWriteBuffer); the checksum is CityHash128 of
 * Google's CityHash 1.0.2, which differs from the version that is packaged. */
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { CH_BLOCK_BYTES_MAX = 1 << 20 }; /* of contents */

/* Appends data in as many blocks as it needs; nothing for nothing. A failure is the buffer's. */
void ch_block_add(struct buf *out, struct slice data);

struct ch_checksum {
    uint64_t low, high;
};
/* Of method, sizes and packed contents. */
struct ch_checksum ch_checksum_of(const char *data, size_t len);
#endif
