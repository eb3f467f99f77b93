#ifndef WEIR_STREAM_STREAM_INT_H
#define WEIR_STREAM_STREAM_INT_H
/* What the files of src/stream share. The whole picture is in docs/internals/stream.md.
 *
 * LOCKS  s->mutex guards what readers see: the segment lists, `next` and `bytes` of each segment.
 * It is held for a few instructions, never over a system call. Everything under "committer" belongs
 * to the committer thread alone (to stream_open before it starts, to stream_close after it ended).
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/metrics.h"
#include "base/os.h"
#include "stream/format_int.h"
#include "stream/stream.h"

/* Time and randomness as seen by the writer; the golden test fixes both. */
struct stream_env {
    unix_ms (*now)(void *ctx);
    void (*random)(void *ctx, void *to, size_t len);
    void *ctx;
    bool no_idle_marks; /* these depend on real time */
};
enum rc stream_open_env(const struct stream_cfg *cfg, const struct stream_env *env,
                        struct stream **ret_stream, struct err *err) MUST_CHECK;

/* ---- reading a file in big pieces (segment.c) ---- */
struct piece { /* a window of the file in memory */
    char *data;
    size_t cap, len;
    uint64_t at; /* file position of data[0] */
};
void piece_done(struct piece *w);
void piece_cut(struct piece *w, uint64_t end); /* forgets what lies behind that position */
/* n bytes at the position, *ret_data valid until the next call; RC_END if the file is shorter. */
enum rc piece_get(struct piece *w, int fd, uint64_t at, size_t n, const char **ret_data,
                  struct err *err) MUST_CHECK;

struct index {
    struct disk_index_entry *entries;
    size_t n, cap;
};
void index_done(struct index *x);
void index_add(struct index *x, uint64_t offset, int64_t time_ms, uint64_t position);
/* Position of the last indexed batch that starts at or before the offset / before the time; the
 * first batch if there is none. */
uint64_t index_position_of_offset(const struct index *x, uint64_t offset);
uint64_t index_position_of_time(const struct index *x, int64_t time_ms);

/* What a walk over a segment found: shared by recovery, verify and truncate-tail. */
struct scan {
    struct disk_segment_header header;
    uint64_t file_bytes;
    uint64_t end; /* behind the last good batch */
    uint64_t data_end, claimed_to;
    uint64_t seal_at; /* segment_load_seal only */
    uint64_t next;
    uint64_t records;
    int64_t first_time_ms, last_time_ms; /* first 0 if there is no record */
    uint32_t prev_crc;
    bool is_sealed;
    bool is_damaged;      /* bytes follow `end` that are no batch of this chain, nor all zero */
    bool is_damage_acked; /* … and a later batch proves that they had been on stable storage */
    uint64_t evidence_at; /* that batch */
    uint64_t next_known;  /* highest next offset that any readable batch header tells */
    const char *why;
    struct index index;
};
void scan_done(struct scan *sc);
/* RC_OK even if damaged (the fields tell); RC_CORRUPT only for a bad segment header. `bytes_max`:
 * look no further (UINT64_MAX: the whole file). */
enum rc segment_scan(int fd, const char *path, uint64_t bytes_max, struct scan *ret_scan,
                     struct err *err) MUST_CHECK;
/* From the seal alone, without reading the data; RC_NOTFOUND if there is no valid seal. */
enum rc segment_load_seal(int fd, const char *path, struct scan *ret_scan,
                          struct err *err) MUST_CHECK;
char *segment_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition, uint64_t base);
char *partition_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition);

/* ---- the stream ---- */
struct segment { /* as readers see it; under s->mutex */
    uint64_t base, prev_next;
    uint64_t next;  /* one past the last readable record */
    uint64_t bytes; /* readable bytes */
    int64_t first_time_ms, last_time_ms, created_ms;
    uint32_t header_crc; /* tells a file from the one that replaced it */
    bool is_sealed;
};

struct active { /* committer: the segment that is written */
    int fd;     /* -1: none (the last one was sealed and its successor could not be made yet) */
    struct disk_segment_header header;
    uint64_t size, synced;
    uint64_t reserved_to; /* blocks are there up to here */
    uint64_t filled_to;   /* zeros are there up to here: the file is so long if it is behind size */
    uint64_t data_end, claimed_to; /* an idle mark is due while claimed_to < data_end */
    uint64_t next;
    uint64_t records;
    int64_t first_time_ms, last_time_ms;
    uint32_t prev_crc;
    uint64_t indexed_to; /* position of the last index entry */
    mono_ns opened;
    bool is_dirty;  /* written since the last sync */
    bool is_sealed; /* seal is durable, only the successor is missing */
};

struct batch_mark { /* a batch being put together in partition.out */
    size_t at;
    uint32_t payload_bytes, count;
};
enum { GROUP_BATCHES_MAX = 64 };

struct partition {
    struct segment
        *segments; /* under s->mutex; oldest first; never empty; last one is the active */
    size_t segments_n, segments_cap;
    struct index index; /* of the active segment; written under s->mutex */

    struct active a; /* committer */
    struct buf out;
    struct batch_mark marks[GROUP_BATCHES_MAX];
    size_t marks_n;
    uint64_t next;      /* next offset to give */
    int64_t time_ms;    /* stamp of the group under way */
    struct active undo; /* before the group under way */
    size_t undo_index_n;
    bool has_undo;
};

struct stream {
    struct stream_cfg cfg;
    char dir[OS_PATH_MAX];
    char name[STREAM_NAME_MAX + 1];
    uint8_t id[16];
    struct stream_env env;
    int lock_fd;

    /* Whose name is removed or given to another file. Taken before `mutex`; held over system calls,
     * so the committer only tries. */
    pthread_mutex_t files;
    pthread_mutex_t mutex;
    pthread_cond_t readable;
    bool is_interrupted;
    uint32_t waiters;
    struct partition *partitions;
    _Atomic uint64_t rewrites;     /* segments replaced: readers look anew */
    _Atomic uint64_t rolls_wanted; /* written under mutex, as the rest of it */
    uint64_t rolls_done;
    struct err roll_err; /* of the last one; its rc is RC_OK if it went well */

    /* producers → committer */
    struct mpsc queue;
    _Atomic uint64_t queue_bytes;
    _Atomic int is_asleep; /* futex word: 1 while the committer sleeps */
    _Atomic bool is_halted, is_closing, is_below_floor;

    pthread_t thread;
    bool has_thread;
    void (*halted)(void *ctx, const struct err *why);
    void *halted_ctx;

    /* committer */
    mono_ns floor_checked, retained, synced, dirty_since, committed;
    uint64_t bytes_since_floor;
    uint64_t group_appends; /* of the last group */
    bool is_dirty, can_reserve;
    mono_ns opened;
    int64_t opened_unix_ms;

    struct {
        char labels[STREAM_NAME_MAX + 32];
        struct metric records, bytes, commits, seconds, halted, segments, free_bytes, queue, busy,
            nospace;
        struct hist seconds_hist;
        bool is_registered;
    } m;
};

/* segment.c: the last batch of a segment and its trailer, as they follow a->size. */
enum rc segment_seal_encode(const struct active *a, const struct index *index, struct buf *out,
                            uint32_t *ret_crc) MUST_CHECK;
/* committer.c */
void *committer_run(void *stream);
void committer_wake(struct stream *s);
/* Makes the next segment of a partition and publishes it; the one before is sealed (or there is
 * none). */
enum rc segment_start(struct stream *s, uint32_t partition, uint64_t base, uint64_t prev_next,
                      struct err *err) MUST_CHECK;
/* Stops all writing for good: durability is in doubt. Any thread. */
enum rc stream_halt(struct stream *s, struct err *err, enum rc rc) MUST_CHECK;
/* retain.c */
void stream_retain_if_due(struct stream *s);
unix_ms stream_env_now(const struct stream *s);
/* The list as it is now, oldest first. Free with heap_free. */
enum rc segments_copy(const struct stream *s, uint32_t partition, struct segment **ret_list,
                      size_t *ret_n, struct err *err) MUST_CHECK;
/* Segment that holds the offset, or the next one if it is in a gap; NULL past the end. Under mutex.
 */
const struct segment *segment_find(const struct partition *p, uint64_t offset);
/* Seals the active segment of a partition; on stable storage when RC_OK. */
enum rc segment_seal(struct stream *s, struct partition *p, struct err *err) MUST_CHECK;
/* open.c */
void stream_free(struct stream *s);
DEFINE_CLEANUP(struct stream *, stream_free)
/* For tools: the meta file is read, nothing else is loaded; no lock, no committer. */
enum rc stream_alloc_closed(const char *dir, struct stream **ret_stream,
                            struct err *err) MUST_CHECK;
/* Recovers the last segment of a partition and makes it the active one. */
enum rc segment_load_last(struct stream *s, uint32_t partition, uint64_t base,
                          struct err *err) MUST_CHECK;
enum rc meta_read(const char *dir, struct stream *s, struct err *err) MUST_CHECK;
/* Base offsets of the segment files of a partition, ascending. Free with heap_free. */
enum rc segment_list(const char *dir, uint32_t partition, uint64_t **ret_bases, size_t *ret_n,
                     struct err *err) MUST_CHECK;
enum rc corrupt_segment(struct err *err, const char *path, uint64_t at, const char *why) MUST_CHECK;
#endif
