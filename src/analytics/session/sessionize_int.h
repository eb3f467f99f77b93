#ifndef WEIR_ANALYTICS_SESSION_SESSIONIZE_INT_H
#define WEIR_ANALYTICS_SESSION_SESSIONIZE_INT_H
/* Inside of sessionize: what survives (sessionize_state.c), the statements (sessionize_sql.c), and
 * what is done when (sessionize.c). */
#include "analytics/derived/derived.h"
#include "analytics/session/sessionize.h"
#include "base/buf.h"

enum { SESSIONIZE_UUID_BYTES = 40 };
#define SESSION_DAY_MS (INT64_C(24) * 3600 * 1000)
enum { SESSION_DAY_MAX = 65535 }; /* of Date, in which keys count */

/* ---- sessionize_state.c ---- */
struct sessionize_state {
    char table[SESSIONIZE_UUID_BYTES]; /* uuid of the table of events that the rows are made of */
    uint32_t idle_ms;
    bool is_sweeping;
    uint32_t sweep_day;   /* since 1970: days before it are done */
    uint32_t sweep_slice; /* slices of that day that are done, of sweep_slices */
    uint32_t sweep_slices;
    uint32_t partition_count;
    uint64_t next[STREAM_PARTITIONS_MAX]; /* events with offsets below are in the rows */
};
extern const struct derived_state sessionize_state_format;

/* ---- sessionize_sql.c: appended to sql; every number in them is ours ---- */
struct sessionize_sweep { /* sessions that begin on the days [from_day, to_day), of one slice */
    uint32_t from_day, to_day;
    uint32_t slice, slices; /* visitor % slices = slice */
};
enum sessionize_mode {
    /* Of two of the following: new, or all new events are behind the row's end, so that the row and
     * they suffice. */
    SESSION_GROWS = 1,
    SESSION_ANEW, /* made of all of its events */
    /* The visitor's only window, found by sessionize_sql_plain(); its new events are all that there
     * is of it, */
    SESSION_PLAIN_NEW,
    /* or are behind the end of a row. */
    SESSION_PLAIN_GROWS,
    SESSION_MODES
};
/* What a row of SESSION_PLAIN_GROWS does not know yet, so that new events may tell it. */
enum { SESSION_LACKS_PAGE = 1, SESSION_LACKS_SOURCE = 2 };
/* stage 0: one row that marks the step; stage 1: stretches of new events. In steps of many events
 * (is_bulk) with mode = 1 where one says where the visitor comes from. */
void sessionize_sql_touched(struct buf *sql, uint64_t version, uint32_t idle_ms, bool is_bulk,
                            const struct derived_ranges *ranges);
/* stage 2 of visitors whose stretches are plainly one window; stage 3: the other visitors. */
void sessionize_sql_plain(struct buf *sql, uint32_t idle_ms, int64_t from_ms, int64_t to_ms);
/* The same of all events of the sweep's days, and of what is needed around them. */
void sessionize_sql_swept(struct buf *sql, uint64_t version, uint32_t idle_ms,
                          const struct sessionize_sweep *sweep,
                          const struct derived_ranges *ranges);
/* stage 2: where the sessions to write are. [from_ms, to_ms] of stage 1. is_bulk: of the visitors
 * of stage 3 only. */
void sessionize_sql_windows(struct buf *sql, uint32_t idle_ms, bool is_bulk, int64_t from_ms,
                            int64_t to_ms);
void sessionize_sql_sweep_windows(struct buf *sql, uint32_t idle_ms,
                                  const struct sessionize_sweep *sweep);
/* Writes the sessions of stage 2 that are of the mode. */
struct sessionize_windows {
    int64_t count, from_ms, to_ms;
    unsigned lacks; /* SESSION_LACKS_… of any of them */
};
typedef void sessionize_sql_write(struct buf *sql, uint64_t version,
                                  const struct derived_ranges *ranges,
                                  const struct sessionize_windows *w);
sessionize_sql_write sessionize_sql_grow, sessionize_sql_anew, sessionize_sql_plain_new,
    sessionize_sql_plain_grow;
/* What was written with an older version where SESSION_ANEW has been is no more. */
void sessionize_sql_bury(struct buf *sql, uint64_t version, int64_t from_ms, int64_t to_ms);
void sessionize_sql_sweep_bury(struct buf *sql, uint64_t version,
                               const struct sessionize_sweep *sweep);
#endif
