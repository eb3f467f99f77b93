#ifndef WEIR_ARCHIVE_MANIFEST_H
#define WEIR_ARCHIVE_MANIFEST_H
/* The manifest of one run: what the archive holds of consecutive offsets of one partition that were
 * appended in the same UTC hour. Written after the objects it lists; a reader trusts only what a
 * manifest lists. One encoding per manifest, closed by a CRC-32C. docs/format/archive.md. */
#include <stdbool.h>
#include <stdint.h>

#include "archive/object.h"
#include "base/clock.h"
#include "codec/hash.h"
#include "stream/stream.h"

enum {
    MANIFEST_PARTS_MAX = 4096,
    MANIFEST_BYTES_MAX = 8 << 20,
};
enum archive_format { ARCHIVE_NDJSON_ZST, ARCHIVE_PARQUET, ARCHIVE_FORMATS };
extern const char *const archive_format_suffix[ARCHIVE_FORMATS]; /* "ndjson.zst", "parquet" */

struct archive_object { /* key = archive_key() of its part */
    bool is_there;
    uint64_t bytes;
    uint64_t raw_bytes; /* NDJSON before compression; 0 for Parquet */
    uint8_t sha256[SHA256_BYTES];
    uint32_t crc32c;
};
struct archive_part { /* consecutive; records = last - first + 1 */
    uint64_t first, last;
    uint32_t edition; /* how often records were erased from it; part of its objects' names */
    struct archive_object objects[ARCHIVE_FORMATS];
};
struct archive_manifest {
    char stream[STREAM_NAME_MAX + 1];
    uint32_t partition;
    unix_ms hour; /* its beginning */
    uint64_t first, last;
    unix_ms time_min, time_max; /* append times, inside the hour */
    uint32_t part_count;
    struct archive_part *parts; /* owned */
};

static inline int64_t archive_hour_of(unix_ms t)
{
    int64_t hour = t.ms / 3600000 * 3600000;
    return hour > t.ms ? hour - 3600000 : hour;
}
/* "<stream>/dt=2026-11-24/hour=08/p0000-00000000000000000100.<suffix>" */
void archive_key(char ret_key[OBJECT_KEY_MAX + 1], const char *stream, unix_ms hour,
                 uint32_t partition, uint64_t first, const char *suffix);
void archive_manifest_key(char ret_key[OBJECT_KEY_MAX + 1], const struct archive_manifest *m);
void archive_object_key(char ret_key[OBJECT_KEY_MAX + 1], const struct archive_manifest *m,
                        const struct archive_part *part, enum archive_format format);
/* The part in a data object's key: first and edition; false for any other key. */
bool archive_object_key_parse(struct slice key, const char *stream, uint32_t *ret_partition,
                              unix_ms *ret_hour, struct archive_part *ret_part,
                              enum archive_format *ret_format);
/* The position in a manifest's key; false for any other key. */
bool archive_manifest_key_parse(struct slice key, const char *stream, uint32_t *ret_partition,
                                unix_ms *ret_hour, uint64_t *ret_first);

/* Appends. RC_NOMEM. */
enum rc archive_manifest_encode(const struct archive_manifest *m, struct buf *out,
                                struct err *err) MUST_CHECK;
/* RC_CORRUPT unless text is exactly what archive_manifest_encode() writes for the result, and the
 * result is sound: parts consecutive from first to last, times inside the hour. */
enum rc archive_manifest_decode(struct slice text, struct archive_manifest *ret,
                                struct err *err) MUST_CHECK;
void archive_manifest_done(struct archive_manifest *m); /* frees the parts; may be called again */
/* Gets and decodes; RC_NOTFOUND, RC_CORRUPT also when it does not belong under its key. */
enum rc archive_manifest_get(struct object_store *s, const char *key, struct archive_manifest *ret,
                             struct err *err) MUST_CHECK;
enum rc archive_manifest_put(struct object_store *s, const struct archive_manifest *m,
                             struct err *err) MUST_CHECK;
#endif
