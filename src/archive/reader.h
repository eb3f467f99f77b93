#ifndef WEIR_ARCHIVE_READER_H
#define WEIR_ARCHIVE_READER_H
/* Reading an archive back: what it holds, its records in offset order, and whether every byte is as
 * the manifests say. Needs the object store only: no stream, no store, no data folder. */
#include "archive/manifest.h"
#include "archive/object.h"
#include "base/clock.h"
#include "stream/stream.h"

/* What the manifests of one partition cover; an index of keys, read once. One thread. */
struct archive_index;
/* partition: UINT32_MAX = all of them. */
enum rc archive_index_open(struct object_store *objects, const char *stream, uint32_t partition,
                           struct archive_index **ret_index, struct err *err) MUST_CHECK;
void archive_index_free(struct archive_index *index);
DEFINE_CLEANUP(struct archive_index *, archive_index_free)
uint32_t archive_index_count(const struct archive_index *index); /* manifests */
uint32_t
archive_index_partitions(const struct archive_index *index); /* highest number + 1; 0 = empty */
struct archive_run_key { /* one manifest, as far as its key tells */
    uint32_t partition;
    uint64_t first;
    unix_ms hour;
};
/* Sorted by partition, then first offset. */
struct archive_run_key archive_index_at(const struct archive_index *index, uint32_t i);
/* Gets manifest i; archive_manifest_done() it. */
enum rc archive_index_manifest(const struct archive_index *index, uint32_t i,
                               struct archive_manifest *ret, struct err *err) MUST_CHECK;
/* [*ret_first, *ret_next): oldest and one past the newest offset of a partition. Gaps are possible.
 * RC_NOTFOUND: nothing of it. */
enum rc archive_bounds(const struct archive_index *index, uint32_t partition, uint64_t *ret_first,
                       uint64_t *ret_next, struct err *err) MUST_CHECK;
/* First archived offset whose append time is >= t; *ret_next of archive_bounds if there is none.
 * RC_NOTFOUND: nothing of the partition at all. */
enum rc archive_offset_at(const struct archive_index *index, uint32_t partition, unix_ms t,
                          uint64_t *ret_offset, struct err *err) MUST_CHECK;

/* ---- records ---- */
struct archive_reader; /* borrows the index; one thread */
enum rc archive_reader_open(const struct archive_index *index, uint32_t partition, uint64_t offset,
                            struct archive_reader **ret_reader, struct err *err) MUST_CHECK;
/* The next record, byte for byte as it was appended; slices valid until the next call. Offsets
 * grow; a gap between runs is skipped. RC_END. RC_CORRUPT: an object is not what its manifest says.
 * Every line is checked before it is handed out, the digest of an object at its end: records of it
 * may have been handed out before a damage shows that no line showed. */
enum rc archive_reader_next(struct archive_reader *r, struct stream_record *ret,
                            struct err *err) MUST_CHECK;
void archive_reader_close(struct archive_reader *r);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_close)

/* ---- verify ---- */
struct archive_verify_result {
    uint64_t manifests, objects, bytes, records;
    uint64_t damaged;         /* manifests and objects; each was reported */
    uint64_t missing_parquet; /* parts whose Parquet is not made yet */
    uint64_t gaps, overlaps;  /* between neighbouring runs of a partition */
};
/* Reads every byte of all runs whose hour lies in [from, to]; goes on after damage. report (may be
 * NULL) gets a line for a person per damage, gap and overlap. RC_CORRUPT if anything is damaged. */
enum rc archive_verify(struct object_store *objects, const char *stream, unix_ms from, unix_ms to,
                       void (*report)(void *ctx, const char *line), void *ctx,
                       struct archive_verify_result *ret, struct err *err) MUST_CHECK;
#endif
