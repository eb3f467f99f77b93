#ifndef WEIR_STREAM_FORMAT_INT_H
#define WEIR_STREAM_FORMAT_INT_H
/* The bytes of a segment file, version 1: docs/format/stream.md in C. Little-endian, overlaid as
 * structs (x86-64 and arm64 are; the assertion below keeps it so). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"
#include "stream/stream.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

enum {
    FORMAT_VERSION = 1,
    SECTOR_BYTES = 512, /* batches start on it: a torn write never touches acknowledged bytes */
    BATCH_BYTES_TARGET = 1 << 20,
    BATCH_PAYLOAD_MAX = 24 << 20, /* STREAM_APPEND_BYTES_MAX + target + record heads */
    INDEX_STEP_BYTES = 64 << 10,
    INDEX_ENTRIES_MAX = 1 << 18,
    RECORD_HEAD_MAX = 4 * 5, /* four varints of at most 5 bytes */
    SALT_BYTES = 16,
};
#define SEGMENT_MAGIC UINT64_C(0x3130474553524557) /* "WERSEG01" */
#define BATCH_MAGIC UINT32_C(0x31425257)           /* "WRB1" */
#define TRAILER_MAGIC UINT32_C(0x31545257)         /* "WRT1" */

struct disk_segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t crc; /* CRC32C of bytes 16 … 511 */
    uint8_t salt[SALT_BYTES];
    uint64_t base_offset;
    uint64_t
        prev_next_offset; /* where the segment before ended; < base_offset after truncate-tail */
    int64_t created_unix_ms;
    int64_t base_time_ms; /* append time of the last record before this segment, 0 if none */
    uint8_t stream_id[16];
    uint32_t partition;
    uint32_t partitions;
    char name[STREAM_NAME_MAX]; /* NUL-padded */
    uint8_t zero[SECTOR_BYTES - 152];
};
_Static_assert(sizeof(struct disk_segment_header) == SECTOR_BYTES, "one sector");
_Static_assert(offsetof(struct disk_segment_header, salt) == 16, "layout");
_Static_assert(offsetof(struct disk_segment_header, base_offset) == 32, "layout");
_Static_assert(offsetof(struct disk_segment_header, prev_next_offset) == 40, "layout");
_Static_assert(offsetof(struct disk_segment_header, created_unix_ms) == 48, "layout");
_Static_assert(offsetof(struct disk_segment_header, base_time_ms) == 56, "layout");
_Static_assert(offsetof(struct disk_segment_header, stream_id) == 64, "layout");
_Static_assert(offsetof(struct disk_segment_header, partition) == 80, "layout");
_Static_assert(offsetof(struct disk_segment_header, name) == 88, "layout");

enum batch_kind { BATCH_DATA = 0, BATCH_MARK = 1, BATCH_SEAL = 2 };
struct disk_batch_header {
    uint32_t magic;
    uint32_t crc;      /* CRC32C of salt, bytes 8 … 63 of the header, payload */
    uint32_t prev_crc; /* crc of the batch before; of the segment header for the first */
    uint32_t payload_bytes;
    uint64_t base_offset;
    int64_t time_ms;
    uint64_t synced_to; /* file bytes known to be on stable storage when this was composed */
    uint32_t count;
    uint32_t kind;
    uint32_t header_crc; /* CRC32C of salt, bytes 8 … 47 */
    uint32_t zero[3];
};
_Static_assert(sizeof(struct disk_batch_header) == 64, "layout");
_Static_assert(offsetof(struct disk_batch_header, base_offset) == 16, "layout");
_Static_assert(offsetof(struct disk_batch_header, synced_to) == 32, "layout");
_Static_assert(offsetof(struct disk_batch_header, header_crc) == 48, "layout");

struct disk_index_entry {
    uint64_t offset;   /* base offset of a batch */
    int64_t time_ms;   /* its time */
    uint64_t position; /* of its header in the file */
};
_Static_assert(sizeof(struct disk_index_entry) == 24, "layout");

struct disk_seal { /* payload of the BATCH_SEAL batch, followed by the index entries */
    uint64_t next_offset;
    uint64_t records;
    int64_t first_time_ms, last_time_ms;
    uint64_t data_end;
    uint32_t index_count;
    uint32_t zero;
};
_Static_assert(sizeof(struct disk_seal) == 48, "layout");

struct disk_trailer { /* the last 16 bytes of a sealed segment */
    uint64_t seal_position;
    uint32_t magic;
    uint32_t crc; /* CRC32C of salt, bytes 0 … 11 */
};
_Static_assert(sizeof(struct disk_trailer) == 16, "layout");

static inline uint64_t sector_up(uint64_t n)
{
    return (n + SECTOR_BYTES - 1) & ~(uint64_t)(SECTOR_BYTES - 1);
}
/* Bytes a batch takes in the file. */
static inline uint64_t batch_span(uint32_t payload_bytes)
{
    return sector_up(sizeof(struct disk_batch_header) + (uint64_t)payload_bytes);
}

void segment_header_finish(struct disk_segment_header *h);
/* NULL if good, else what is wrong with it. */
const char *segment_header_check(const struct disk_segment_header *h);

/* Fills magic and both CRCs; the payload follows the header in memory. */
void batch_finish(struct disk_batch_header *h, const uint8_t salt[SALT_BYTES], const void *payload);
bool batch_header_is_good(const struct disk_batch_header *h, const uint8_t salt[SALT_BYTES]);
bool batch_payload_is_good(const struct disk_batch_header *h, const uint8_t salt[SALT_BYTES],
                           const void *payload);
void trailer_finish(struct disk_trailer *t, const uint8_t salt[SALT_BYTES]);
bool trailer_is_good(const struct disk_trailer *t, const uint8_t salt[SALT_BYTES]);

/* One record: varint length of the rest, zigzag varint of time - batch time, varint key length,
 * key, varint headers length, headers, value. Encode needs record_bytes_max() bytes of room. */
static inline size_t record_bytes(const struct stream_record *r)
{
    return r->key.len + r->headers.len + r->value.len;
}
size_t record_encode(char *to, const struct stream_record *r);
/* Advances *at; false if the bytes are not a record. */
bool record_decode(const char **at, const char *end, int64_t batch_time_ms,
                   struct stream_record *ret);
/* Exactly `count` records fill the payload? */
bool payload_is_whole(const char *payload, size_t len, uint32_t count);

/* Small text files that must not be half old, half new: lines, then "crc32c XXXXXXXX" over them.
 * Written atomically and durably. `name: value` lookup; false if missing. */
enum rc textfile_write(const char *path, struct buf *lines, struct err *err) MUST_CHECK;
enum rc textfile_read(const char *path, struct buf *into, struct err *err) MUST_CHECK;
bool textfile_get(const struct buf *lines, const char *name, struct slice *ret_value);
bool textfile_get_u64(const struct buf *lines, const char *name, uint64_t *ret_value);
enum { TEXTFILE_BYTES_MAX = 64 << 10 };
#endif
