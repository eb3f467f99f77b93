#ifndef WEIR_ARCHIVE_ARCHIVE_H
#define WEIR_ARCHIVE_ARCHIVE_H
/* The archive consumer: every record of a stream into an object store, as zstd NDJSON and Parquet
 * under date-partitioned keys, with a manifest per run (docs/format/archive.md).
 *
 * A RUN is a range of consecutive offsets of one partition that were appended in the same UTC hour.
 * It is closed when a record of another hour follows, when its hour is over (plus grace) and the
 * archive has all that is committed, or by archive_flush(). What is written is a function of the
 * stream and the range.
 *
 * ONCE  The archive keeps its own position per partition in `dir`: the first offset that no
 * manifest covers. It moves only after the manifest is durable, and the end of a run is put down
 * durably before the first object of it is finished: a crash anywhere repeats the same range, under
 * the same keys, with the same bytes. The consumer's own checkpoint is only "handed over": what was
 * handed over and lost in a crash is read from the stream again.
 *
 * PARQUET  is made afterwards by the store from the NDJSON object, and the manifest is written
 * again with it. A run waits in `dir`/pending until that worked; the NDJSON archive never waits for
 * the store.
 *
 *     cfg.ops = &archive_consumer_ops, cfg.ctx = archive      (struct consumer_cfg)
 *
 * THREADS  process() and idle() on the consumer's thread; the others from any thread (one lock). */
#include "archive/object.h"
#include "base/clock.h"
#include "stream/consumer.h"

struct store_pool;
struct archive_cfg {
    struct stream *stream;
    struct object_store *objects; /* borrowed; used under the archive's lock only */
    const char *dir; /* <data>/archive-state/<stream>: positions, pending, temporary files */
    struct store_pool *store; /* NULL: no Parquet */
    const char *database;     /* for the Parquet work table; NULL = "weir" */
    uint64_t
        part_records_max; /* 0 = 250,000: a run is cut into objects of at most so many records … */
    uint64_t
        part_bytes_max; /* 0 = 128 MiB: … or bytes of NDJSON before compression (and one record) */
    int64_t grace_ms;   /* < 0 = 30,000: how long after the hour a quiet partition is closed */
};
struct archive;
/* Reads the positions; finds them in the object store's manifests if `dir` was lost. */
enum rc archive_new(const struct archive_cfg *cfg, struct archive **ret_archive,
                    struct err *err) MUST_CHECK;
void archive_free(struct archive *a); /* stop the consumer before; NULL is allowed */
DEFINE_CLEANUP(struct archive *, archive_free)
extern const struct consumer_ops archive_consumer_ops; /* named "archive" */

/* Closes every open run now. RC_OK: all that was committed when it was called is in the archive.
 * Parquet is tried for what waits; *ret_pending (NULL is allowed) = runs that still wait for it. */
enum rc archive_flush(struct archive *a, uint64_t *ret_pending, struct err *err) MUST_CHECK;
/* Writes every object and manifest of the hour that holds `hour` again, from the stream (a repair).
 * RC_NOTFOUND: no such manifest, or its records are out of retention. *ret_changed = objects whose
 * bytes were not as before (0 unless zstd itself changed). */
enum rc archive_rerun_hour(struct archive *a, unix_ms hour, uint64_t *ret_objects,
                           uint64_t *ret_changed, struct err *err) MUST_CHECK;
/* Records out of the archive: objects that hold a wanted one are written anew under another edition
 * (tombstones in the place of those that go), read back and compared; then the manifest names the
 * new ones, then the old ones go. What is not archived yet is read from the stream again: erase
 * there first, and see that no consumer has a batch of before in hand. A crash anywhere leaves an
 * archive that verifies; called again, it does what is left. Parquet of what was rewritten is made
 * when the store allows. One call at a time; takes the lock run by run. */
struct archive_erase {
    const uint64_t *before; /* by partition: only offsets below it */
    bool (*is_wanted)(void *ctx, const struct stream_record *record);
    bool (*gives_up)(void *ctx); /* asked between runs: true ends it with RC_CLOSED; may be NULL */
    void *ctx;
    bool is_dry_run;
};
struct archive_erased {
    uint64_t records, objects;          /* erased; NDJSON objects that held them */
    uint64_t removed;                   /* objects that went, Parquet and left-overs included */
    uint64_t bytes_before, bytes_after; /* of the NDJSON objects */
};
enum rc archive_erase(struct archive *a, const struct archive_erase *what,
                      struct archive_erased *ret, struct err *err) MUST_CHECK;
struct archive_status {
    uint64_t records, objects, bytes, failures; /* since start */
    uint64_t lost;                              /* records that fell out of retention unarchived */
    uint64_t parquet_pending;
    unix_ms oldest_unarchived; /* hour of the oldest open run; 0 = none */
    char last_error[200];      /* "" when the last attempt went well */
};
void archive_status(struct archive *a, struct archive_status *ret);
/* First offset of the partition that no manifest covers. */
uint64_t archive_next(struct archive *a, uint32_t partition);
#endif
