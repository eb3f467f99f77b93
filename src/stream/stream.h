#ifndef WEIR_STREAM_STREAM_H
#define WEIR_STREAM_STREAM_H
/* The durable stream: partitions of append-only segments, group commit, readers, consumers.
 * Byte layout: docs/format/stream.md. Terms are Kafka's and Kinesis's.
 *
 * THREADS  One committer thread per stream takes every waiting append of all loops, writes one
 * batch per partition and syncs once; then it calls done() of each. A failed sync halts the stream
 * for good (RC_HALTED, stream_is_halted): the process must exit and recover from disk.
 *
 * ACKNOWLEDGED  done(RC_OK) under STREAM_ACK_FSYNC means: data, file size and directory entry are
 * on stable storage. Under OS: written to the kernel. Under NONE: accepted into memory. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/mpsc.h"
#include "base/rc.h"
#include "base/slice.h"

enum stream_ack { STREAM_ACK_FSYNC, STREAM_ACK_OS, STREAM_ACK_NONE };
enum {
    STREAM_PARTITIONS_MAX = 64,
    STREAM_RECORD_BYTES_MAX = 4 << 20,  /* key + headers + value */
    STREAM_APPEND_BYTES_MAX = 16 << 20, /* all records of one append, 20 bytes per record added */
    STREAM_NAME_MAX = 64,               /* [a-z0-9_-]+ */
};
struct stream_cfg {
    const char *dir; /* the stream's own folder: <data>/stream/<name> */
    const char *name;
    uint32_t partitions; /* fixed when the stream is created; later values must be equal, or 0; 0
                            for a new one = 2 */
    enum stream_ack ack;
    uint64_t segment_bytes_max;  /* 64 MiB; preallocated */
    uint64_t segment_age_ms_max; /* 1 h: a segment is sealed at this age, so that retention can drop
                                    it */
    uint64_t retention_ms;       /* 7 days; 0 = for ever. Whole sealed segments only */
    uint64_t retention_bytes;    /* per stream; 0 = no limit */
    uint64_t queue_bytes_max;    /* waiting appends; beyond it RC_BUSY. 64 MiB */
    uint64_t disk_floor_bytes;   /* free space below it: RC_NOSPACE at once. 256 MiB */
    bool read_only;              /* tools: no lock, no committer, nothing is changed */
};
void stream_cfg_defaults(struct stream_cfg *cfg);

struct stream;
/* Recovers (see docs/format), cuts a torn tail of unacknowledged bytes, refuses damage before it
 * (RC_CORRUPT: which file, which offset, what to run). Makes the folder if it is missing. */
enum rc stream_open(const struct stream_cfg *cfg, struct stream **ret_stream,
                    struct err *err) MUST_CHECK;
/* Finishes what is queued, syncs, frees. Readers and consumers must be closed before. */
void stream_close(struct stream *s);
const char *stream_name(const struct stream *s);
uint32_t stream_partitions(const struct stream *s);
bool stream_is_halted(const struct stream *s);
/* Called once from the committer when the stream halts (log it, leave). Set before appending. */
void stream_on_halt(struct stream *s, void (*halted)(void *ctx, const struct err *why), void *ctx);

/* ---- append ---- */
struct stream_record {
    struct slice key;     /* chooses the partition (hash); may be empty (then partition 0) */
    struct slice headers; /* "name\0value\0…" or empty: CloudEvents attributes, traceparent */
    struct slice value;
    unix_ms time;       /* append time, stamped by the committer on the way in; given on reading */
    uint64_t offset;    /* written by the committer before done(); given on reading */
    uint32_t partition; /* likewise */
};
struct stream_append { /* intrusive; owned by the caller, borrowed by the stream until done() */
    struct mpsc_node node;
    struct stream_record *records; /* what they point to is borrowed until done(), too */
    uint32_t count;                /* >= 1 */
    void (*done)(struct stream_append *append,
                 enum rc rc); /* on the committer thread; quick, never blocks */
    void *ctx;
    uint64_t bytes_; /* the stream's */
};
/* Queues; RC_OK = done() will be called exactly once, later. All records of one append commit
 * together or not at all within a partition. RC_BUSY queue full, RC_NOSPACE floor reached,
 * RC_HALTED, RC_CLOSED, RC_LIMIT a record is too large: nothing queued, done() is not called. Any
 * thread. Never blocks. */
enum rc stream_append(struct stream *s, struct stream_append *append) MUST_CHECK;
/* The same, waiting for the outcome. Not on an edge loop. */
enum rc stream_append_wait(struct stream *s, struct stream_record *records,
                           uint32_t count) MUST_CHECK;
uint32_t stream_partition_of(const struct stream *s, struct slice key);

/* ---- read ---- */
struct stream_bounds {
    uint64_t oldest; /* first offset still held */
    uint64_t next;   /* one past the last readable (durable) record */
    unix_ms oldest_time;
};
void stream_bounds(const struct stream *s, uint32_t partition, struct stream_bounds *ret);
/* First offset whose append time is >= t (by segment index, then scan); next if none. */
enum rc stream_offset_at(const struct stream *s, uint32_t partition, unix_ms t,
                         uint64_t *ret_offset, struct err *err) MUST_CHECK;
/* Blocks until next > offset, the timeout, or close/interrupt. True if there is something to read.
 */
bool stream_wait(struct stream *s, uint32_t partition, uint64_t offset, int64_t timeout_ms);
void stream_interrupt(
    struct stream *s); /* wakes every stream_wait, now and at once for later ones */

struct stream_reader; /* one thread; sees only committed records */
enum rc stream_reader_open(struct stream *s, uint32_t partition, uint64_t offset,
                           struct stream_reader **ret_reader, struct err *err) MUST_CHECK;
/* The next record; its slices are valid until the next call. RC_END: nothing more now (call again
 * later). RC_NOTFOUND: the offset fell out of retention (ret->offset = oldest). RC_CORRUPT. */
enum rc stream_reader_next(struct stream_reader *r, struct stream_record *ret,
                           struct err *err) MUST_CHECK;
uint64_t stream_reader_offset(const struct stream_reader *r); /* of the next record */
void stream_reader_seek(struct stream_reader *r, uint64_t offset);
/* At the end of a batch: gives its memory back until the next record is asked for. */
void stream_reader_rest(struct stream_reader *r);
void stream_reader_close(struct stream_reader *r);

/* ---- erasing ---- */
/* What is left of a record that was erased: its offset and its append time. Readers and consumers
 * are handed it like any other; it stands for nothing. */
static inline bool stream_record_is_erased(const struct stream_record *r)
{
    return r->key.len == 0 && r->headers.len == 0 && r->value.len == 0;
}
/* All that is committed when this is called lies in sealed segments when it returns:
 * ret_before[partition] = one past it. Waits for the committer. RC_NOSPACE, RC_HALTED. Not beside
 * stream_close. */
enum rc stream_roll(struct stream *s, uint64_t ret_before[STREAM_PARTITIONS_MAX],
                    struct err *err) MUST_CHECK;
struct stream_erase {
    uint32_t partition;
    uint64_t before; /* only offsets below it; of stream_roll, or an earlier one */
    /* Asked more than once about a record, and has to say the same. */
    bool (*is_wanted)(void *ctx, const struct stream_record *record);
    bool (*gives_up)(
        void *ctx); /* asked between batches: true ends it with RC_CLOSED; may be NULL */
    void *ctx;
    bool is_dry_run; /* count only */
};
struct stream_erased {
    uint64_t records, segments; /* erased; files that held them */
    uint64_t bytes_before, bytes_after;
};
/* Rewrites every sealed segment that holds a wanted record: beside it, compared with it record by
 * record, then put in its place in one step. Offsets, times and everybody else's records stay. A
 * crash leaves the old file or the new one, whole; called again, it does what is left. After RC_OK
 * the bytes are out of the stream's files (not of backups that share them by hard links), and every
 * reader goes on in the new files with its next record; what a reader was handed before is its
 * caller's. Beside appends, readers, retention, backup; one call at a time. RC_AGAIN: records below
 * `before` are not sealed (stream_roll). */
enum rc stream_erase(struct stream *s, const struct stream_erase *what, struct stream_erased *ret,
                     struct err *err) MUST_CHECK;

/* ---- retention, inspection ---- */
/* Drops sealed segments past retention; called by the committer by itself about every 10 s. A
 * segment is never held back for a slow consumer (retention is a promise of space), but what a
 * consumer lost is counted and logged by the consumer. */
enum rc stream_retain(struct stream *s, struct err *err) MUST_CHECK;
struct stream_segment_info {
    char path[1024];
    uint32_t partition;
    uint64_t first_offset, next_offset, bytes;
    unix_ms first_time, last_time;
    bool is_sealed;
};
enum rc stream_segments(const struct stream *s,
                        void (*each)(void *ctx, const struct stream_segment_info *i), void *ctx,
                        struct err *err) MUST_CHECK;
/* Reads every byte of a stream folder (running or not), checks all; RC_CORRUPT with the place.
 * report (may be NULL) gets a line per segment for a person. */
enum rc stream_verify(const char *dir, void (*report)(void *ctx, const char *line), void *ctx,
                      struct err *err) MUST_CHECK;
/* The operator's answer to RC_CORRUPT: cut partition p behind the last whole batch before the
 * damage; what is cut is kept beside it as *.cut. Needs the stream closed. */
enum rc stream_truncate_tail(const char *dir, uint32_t partition, uint64_t *ret_next_offset,
                             uint64_t *ret_cut_bytes, struct err *err) MUST_CHECK;
/* Hard-links every sealed segment and copies the active ones up to what is durable into `to`: a
 * consistent copy while running (weir backup). */
enum rc stream_backup(struct stream *s, const char *to, struct err *err) MUST_CHECK;
#endif
