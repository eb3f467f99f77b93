#ifndef WEIR_ANALYTICS_REPLAY_REPLAY_H
#define WEIR_ANALYTICS_REPLAY_REPLAY_H
/* Replay: builds the events table again from the stream (or its archive), beside the live one, and
 * swaps the two in one step. Phases, reasons, what a crash leaves: docs/internals/replay.md.
 *
 *   create   an empty events_shadow
 *   copy     rows outside the replayed range, month by month
 *   replay   the range through the projector, batch by batch with fixed splits
 *   swap     live consumer paused: what arrived meanwhile, comparison, EXCHANGE TABLES
 *   clean    the old table goes (or stays as events_before)
 *
 * The ranges are fixed when the job begins and end below the live consumer's checkpoint. Every step
 * is repeatable: interrupted anywhere, the same call goes on where it stopped, and doubles nothing.
 * A second replay of the same range leaves the same rows. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rc.h"
#include "base/uuid.h"
#include "store/store.h"
#include "stream/stream.h"

/* Where records come from. One thread. */
struct replay_source_ops {
    const char *name; /* "stream", "archive"; part of the job's identity */
    /* [*ret_first, *ret_next) it can give; RC_NOTFOUND: nothing of this partition. */
    enum rc (*bounds)(void *ctx, uint32_t partition, uint64_t *ret_first, uint64_t *ret_next,
                      struct err *err);
    /* First offset whose append time is >= t; next if none. Asked only where bounds() gave
     * something. */
    enum rc (*offset_at)(void *ctx, uint32_t partition, unix_ms t, uint64_t *ret_offset,
                         struct err *err);
    /* next() goes on from here, in offset order. */
    enum rc (*seek)(void *ctx, uint32_t partition, uint64_t offset, struct err *err);
    /* Slices valid until the next call. RC_END: nothing more. An offset that grows by more than one
     * is a gap. */
    enum rc (*next)(void *ctx, struct stream_record *ret, struct err *err);
    void (*close)(void *ctx); /* frees ctx */
};
struct replay_source {
    const struct replay_source_ops *ops;
    void *ctx;
};
void replay_source_close(struct replay_source *source); /* may be called twice */
enum rc replay_source_stream(struct stream *s, struct replay_source *ret,
                             struct err *err) MUST_CHECK;
/* `older` up to where `newer` begins, then `newer`: the archive beyond retention, then the stream.
 * Takes both. */
enum rc replay_source_joined(struct replay_source older, struct replay_source newer,
                             struct replay_source *ret, struct err *err) MUST_CHECK;

struct replay_point {
    enum { REPLAY_OPEN, REPLAY_TIME, REPLAY_OFFSET } kind; /* OPEN: oldest as from, newest as to */
    unix_ms time;    /* append time; as `to`: records before it (exclusive) */
    uint64_t offset; /* as `to`: inclusive */
};
struct replay_live { /* the live project consumer; NULL functions when none runs */
    void *ctx;
    uint64_t (*checkpoint)(void *ctx, uint32_t partition); /* never NULL */
    enum rc (*pause)(void *ctx, struct err *err);          /* returns when it rests */
    /* is_swapped: the table was exchanged: project_writer_forget() before it goes on. */
    void (*resume)(void *ctx, bool is_swapped);
};
struct replay_progress {
    const char *phase;
    uint64_t done, total; /* records of the range; 0 0 outside the phase "replay" */
    uint64_t rate;        /* records per second since this call began */
    int64_t eta_ms;       /* -1 = unknown */
};
struct replay_cfg {
    struct store_cfg store; /* strings borrowed during the call; timeout_ms 0 = 6 hours */
    const char *dir;        /* <data>/replay */
    const char *stream;     /* its name: part of the tokens */
    uint32_t partitions;
    uint32_t partition;          /* only this one; UINT32_MAX = all */
    struct replay_source source; /* borrowed */
    struct replay_live live;
    struct replay_point from, to;
    bool is_forced; /* swap although the shadow has fewer rows, or records were missing */
    bool keep_old;  /* as events_before */
    bool (*drops_bots)(void *ctx, const struct uuid *project); /* as project_cfg's; NULL: none */
    uint32_t batch_records_max; /* 0 = 20,000; part of the job's identity */
    void (*progress)(void *ctx, const struct replay_progress *p); /* NULL is allowed */
    void (*report)(void *ctx, const char *line); /* a difference, for a person; likewise */
    bool (*should_stop)(void *ctx);              /* asked between steps; likewise */
    void *ctx;
};
struct replay_result {
    uint64_t records;                 /* read from the source (over all calls of the job) */
    uint64_t missing;                 /* offsets of the range that the source did not have */
    uint64_t rows_before, rows_after; /* of the range: live table, shadow */
    uint64_t total_before, total_after;
    bool is_swapped;
};
/* RC_OK: swapped and cleaned. RC_CLOSED: should_stop(); the job waits. RC_CONFLICT: a job with
 * other arguments is under way, or the comparison refuses the swap (shadow kept; look, then repeat
 * with is_forced, or replay_abort()). RC_NOTFOUND: the source lacks the beginning of the range: the
 * text says from where it has it. RC_INVALID: nothing lies in the range. Others: the store or the
 * disk failed; call again. *ret is filled as far as known in any case. Blocks for long. */
enum rc replay_run(const struct replay_cfg *cfg, struct replay_result *ret,
                   struct err *err) MUST_CHECK;
/* Drops the shadow and the job. RC_CONFLICT: it is swapped already, run it again to finish. */
enum rc replay_abort(const struct store_cfg *store, const char *dir, struct err *err) MUST_CHECK;
/* Is a job under way? Its arguments as text ("" = none). */
enum rc replay_status(const char *dir, char *ret_arguments, size_t bytes,
                      struct err *err) MUST_CHECK;
#endif
