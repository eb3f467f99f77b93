#ifndef WEIR_ANALYTICS_REPLAY_REPLAY_INT_H
#define WEIR_ANALYTICS_REPLAY_REPLAY_INT_H
#include "analytics/event/schema.h"
#include "analytics/replay/replay.h"
#include "base/buf.h"

#define REPLAY_SHADOW ANALYTICS_SHADOW_TABLE
#define REPLAY_BEFORE "events_before"

enum { REPLAY_MONTHS_MAX = 4096, REPLAY_ARGUMENTS_MAX = 300 };

/* ---- replay_job.c: what survives an interruption ---- */
enum replay_phase {
    REPLAY_CREATE,
    REPLAY_COPY,
    REPLAY_REPLAY,
    REPLAY_SWAP,
    REPLAY_CLEAN,
    REPLAY_PHASES
};
extern const char *const replay_phase_names[REPLAY_PHASES];
struct replay_partition {
    bool is_in_range;
    uint64_t from, to; /* inclusive; valid if is_in_range */
    uint64_t next;     /* of the range: the first offset not yet in the shadow */
    uint64_t
        checkpoint; /* of the live consumer at the beginning: rows from here on are "the tail" */
    uint64_t tail;  /* of this call only: the tail below it is in the shadow already */
};
struct replay_job {
    char arguments[REPLAY_ARGUMENTS_MAX];
    enum replay_phase phase;
    char
        shadow_uuid[40]; /* identity of the new table, whatever it is called; "" before it exists */
    uint32_t partition_count;
    struct replay_partition partitions[STREAM_PARTITIONS_MAX];
    uint64_t records, missing, rejected, duplicates;
    uint32_t month_count; /* copied so far */
    char (*months)[16];   /* owned */
};
/* RC_NOTFOUND: none. RC_CORRUPT. */
enum rc replay_job_load(const char *dir, struct replay_job *ret, struct err *err) MUST_CHECK;
enum rc replay_job_save(const char *dir, const struct replay_job *job, struct err *err) MUST_CHECK;
enum rc replay_job_remove(const char *dir, struct err *err) MUST_CHECK;
enum rc replay_job_add_month(struct replay_job *job, const char *month, struct err *err) MUST_CHECK;
bool replay_job_has_month(const struct replay_job *job, const char *month);
void replay_job_done(struct replay_job *job);

/* ---- replay_tables.c: the statements ---- */
struct replay_tables {
    struct store_client *client;
    const struct replay_job *job; /* for the ranges */
};
/* *ret_uuid "" if there is no such table. */
enum rc replay_table_uuid(struct replay_tables *t, const char *table, char ret_uuid[40],
                          struct err *err) MUST_CHECK;
enum rc replay_table_create_shadow(struct replay_tables *t, struct err *err) MUST_CHECK;
enum rc replay_table_drop(struct replay_tables *t, const char *table, struct err *err) MUST_CHECK;
enum rc replay_table_keep(struct replay_tables *t,
                          struct err *err) MUST_CHECK; /* shadow -> before */
enum rc replay_table_exchange(struct replay_tables *t, struct err *err) MUST_CHECK;
/* Waits until no statement of an earlier, interrupted call works on the shadow any more. */
enum rc replay_table_settle(struct replay_tables *t, struct err *err) MUST_CHECK;
enum rc replay_table_months(struct replay_tables *t, char (**ret_months)[16], uint32_t *ret_count,
                            struct err *err) MUST_CHECK; /* heap_free */
enum rc replay_table_copy_month(struct replay_tables *t, const char *month,
                                struct err *err) MUST_CHECK;
/* Rows [from, to] of a partition that the shadow lacks. */
enum rc replay_table_copy_tail(struct replay_tables *t, uint32_t partition, uint64_t from,
                               uint64_t to, struct err *err) MUST_CHECK;
/* One past the greatest offset of the partition's live rows from `from` on; `from` if there are
 * none. */
enum rc replay_table_next(struct replay_tables *t, uint32_t partition, uint64_t from,
                          uint64_t *ret_next, struct err *err) MUST_CHECK;
/* Rows of the range (is_inside) or outside of it. */
enum rc replay_table_count(struct replay_tables *t, const char *table, bool is_inside,
                           uint64_t *ret_rows, struct err *err) MUST_CHECK;
/* "partition day live shadow" lines where the two differ inside the range, at most 200. */
enum rc replay_table_differences(struct replay_tables *t, struct buf *out,
                                 struct err *err) MUST_CHECK;
#endif
