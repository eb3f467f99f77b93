#ifndef WEIR_ANALYTICS_SESSION_SESSIONIZE_H
#define WEIR_ANALYTICS_SESSION_SESSIONIZE_H
/* Sessions in event time (docs/definitions.md, "Session"): the table `sessions`, made of the table
 * `events`. Reasons, statements, cost: docs/internals/sessions.md.
 *
 * Between two steps the live rows of `sessions` are those of exactly the events whose offsets lie
 * below the state's `next` of their partition, whatever order they came in. A step takes the
 * offsets that the projector has done since, and can be repeated at any point; its state is a
 * durable text file per data folder. A sweep makes the rows anew, day by day, in place: at the
 * first start, when the table of events is another one than before (weir replay), when idle_ms has
 * changed, or when the state is lost.
 *
 * A sessionizer belongs to one thread; the worker below is that thread for the live table. */
#include <stdbool.h>
#include <stdint.h>

#include "analytics/derived/derived.h"
#include "base/rc.h"
#include "store/store.h"

struct sessionize_cfg {
    struct store_cfg store; /* strings are borrowed for its life; timeout_ms 0 = 120,000 */
    const char *dir;        /* <data>/consumers/sessionize; made if it is missing */
    uint32_t partitions;    /* of the stream, at most STREAM_PARTITIONS_MAX */
    /* The projector's checkpoint: rows below it are in `events`. Any thread. */
    uint64_t (*projected)(void *ctx, uint32_t partition);
    void *ctx;
    uint32_t idle_ms;           /* a gap longer than this ends a session; 0 = 1,800,000 */
    uint32_t batch_offsets_max; /* of one step, over all partitions; 0 = 200,000 */
    uint32_t bulk_offsets_min;  /* from so many on a step looks for what is plain; 0 = 20,000 */
    uint32_t sweep_rows_max;    /* of one step of a sweep (but never less than a day's visitor); 0 =
                                   400,000 */
};
struct sessionizer;
enum rc sessionizer_new(const struct sessionize_cfg *cfg, struct sessionizer **ret,
                        struct err *err) MUST_CHECK;
void sessionizer_free(struct sessionizer *s);

struct sessionize_counts { /* since it was made; steps that failed are not counted */
    uint64_t steps, offsets, sweep_steps, sweeps;
    uint64_t grown,
        made_anew; /* sessions written from new events alone; from all of their events */
};
/* One step, of the sweep if one is due. RC_END: nothing to do. RC_UNAVAILABLE, RC_TIMEOUT,
 * RC_STORE, RC_LIMIT, RC_IO: nothing is lost, call again. Blocks. */
enum rc sessionizer_step(struct sessionizer *s, struct err *err) MUST_CHECK;
/* Looks at which table `events` is before the next step that has nothing else to do, too. */
void sessionizer_look(struct sessionizer *s);
void sessionizer_counts(const struct sessionizer *s, struct sessionize_counts *ret);
/* Rows of events were deleted: forgets its state, durably, so that the next step begins a sweep. */
enum rc sessionizer_forget(struct sessionizer *s, struct err *err) MUST_CHECK;
/* From now on no statement begins any more: the step under way ends with RC_CLOSED. Any thread. */
void sessionizer_give_up(struct sessionizer *s);
/* Offsets that the projector has done and sessions do not yet have; true in *ret_is_sweeping while
 * a sweep is due or under way. */
uint64_t sessionizer_lag(const struct sessionizer *s, bool *ret_is_sweeping);

/* ---- the worker (derived.h), with metrics weir_sessions_* ---- */
struct sessionize_worker_cfg {
    struct sessionize_cfg sessionize;
    struct derived_pace pace;
};
enum rc sessionize_worker_start(const struct sessionize_worker_cfg *cfg,
                                struct derived_worker **ret, struct err *err) MUST_CHECK;
/* While it rests, by who paused it: sessionizer_forget(). */
enum rc sessionize_worker_forget(struct derived_worker *w, struct err *err) MUST_CHECK;
#endif
