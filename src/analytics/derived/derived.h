#ifndef WEIR_ANALYTICS_DERIVED_DERIVED_H
#define WEIR_ANALYTICS_DERIVED_DERIVED_H
/* What the makers of tables that are derived from rows of `events` (session/, person/) have in
 * common: a thread with its pace, a small state file, and the offsets that a step is about.
 *
 * PACE     A step costs about the same for ten events as for a thousand, so the thread takes a rest
 *          of four times what it took before the next: it works no more than a fifth of the time
 *          while nothing piles up. A backlog is worked off without a rest, unless the projector has
 *          one, too: events are seen first, and what is made of them later is no dearer. A failure
 *          is tried again after 0.1 to 30 s.
 * THREADS  The maker is the thread's alone, but for what its operations say. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "stream/stream.h"

/* ---- the thread ---- */
struct derived_progress {
    uint64_t lag_offsets; /* that the projector has done and the maker does not yet have */
    bool is_anew;         /* all rows are made anew, or have to be */
    uint64_t steps, offsets;
    uint64_t anew_done; /* times that all rows were made anew */
};
struct derived_ops {
    const char *name; /* of the thread */
    /* RC_OK: more may be left. RC_END: nothing to do. Anything else: again later. */
    enum rc (*step)(void *maker, struct err *err);
    /* Before the next step: the table of events was changed by somebody else. */
    void (*look)(void *maker);
    /* Behind each step, under the worker's lock; sets the maker's own metrics, too. */
    void (*progress)(void *maker, struct derived_progress *ret);
    void (*give_up)(void *maker); /* the step under way ends soon. Any thread */
    void (*free)(void *maker);
    /* Set by the worker, and registered while it is there; `own` are the maker's. */
    struct metric *lag, *anew, *steps, *retries;
    struct metric *const *own;
    uint32_t own_count;
};
struct derived_pace {
    int nice; /* of the thread, 0-19 */
    /* Records that the projector has not done yet; NULL: it never is behind. Any thread. */
    uint64_t (*unprojected)(void *ctx);
    void *ctx;
};
/* Milliseconds to the next step, behind one that took took_ms and did not fail; has_nothing: it
 * had nothing to do. */
int64_t derived_rest_ms(const struct derived_progress *p, bool has_nothing, uint64_t unprojected,
                        int64_t took_ms);
struct derived_worker;
/* Owns maker from here on, also if it fails. ops is static. */
enum rc derived_worker_start(const struct derived_ops *ops, void *maker,
                             const struct derived_pace *pace, struct derived_worker **ret,
                             struct err *err) MUST_CHECK;
/* Behind the statement under way; NULL is fine. */
void derived_worker_stop(struct derived_worker *w);
/* Rests between two steps until resumed; RC_TIMEOUT: it does not come to rest, and goes on. Any
 * thread. */
enum rc derived_worker_pause(struct derived_worker *w, int64_t deadline_ms) MUST_CHECK;
void derived_worker_resume(struct derived_worker *w);
/* The table of events was changed by somebody else: look at once. Any thread. */
void derived_worker_poke(struct derived_worker *w);
/* For what the maker offers to any thread, or, while the worker rests, to who paused it. */
void *derived_worker_maker(struct derived_worker *w);
struct derived_status {
    struct derived_progress progress;
    int64_t lag_ms; /* since when there has been something to do; 0 = nothing */
    uint64_t retries;
    char last_error[200]; /* "" when the last step went well */
};
void derived_worker_status(struct derived_worker *w, struct derived_status *ret);

/* ---- <dir>/state: lines of words, the last one their CRC-32C; replaced whole ---- */
struct derived_state {
    void (*encode)(const void *state, struct buf *out); /* all lines but the last */
    /* Of the whole file. What was read must print as what stands there, so that it need not look
     * at everything. */
    void (*decode)(struct slice text, void *ret_state);
};
/* RC_NOTFOUND: none. RC_CORRUPT. */
enum rc derived_state_load(const struct derived_state *format, const char *dir, void *ret_state,
                           struct err *err) MUST_CHECK;
enum rc derived_state_save(const struct derived_state *format, const char *dir, const void *state,
                           struct err *err) MUST_CHECK;
enum rc derived_state_remove(const char *dir, struct err *err) MUST_CHECK;
/* The value of the next line, if that line has this name; else empty. */
struct slice derived_state_line(struct slice *rest, const char *name);
uint32_t derived_state_u32(struct slice text); /* 0 if it is none */
/* "next 1200 1187": per partition, events with offsets below are in the rows. */
void derived_state_add_next(struct buf *out, const uint64_t *next, uint32_t count);
void derived_state_take_next(struct slice *rest, uint64_t next[STREAM_PARTITIONS_MAX],
                             uint32_t *ret_count);

/* ---- the offsets that a statement is about ---- */
struct derived_ranges { /* offsets [from, to) of each partition */
    uint32_t count;
    uint64_t from[STREAM_PARTITIONS_MAX], to[STREAM_PARTITIONS_MAX];
};
/* "(stream_partition = 0 AND …)" of rows of events; "(0)" if there are none. */
void derived_ranges_sql(struct buf *sql, const struct derived_ranges *ranges);
#endif
