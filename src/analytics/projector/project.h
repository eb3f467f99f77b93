#ifndef WEIR_ANALYTICS_PROJECTOR_PROJECT_H
#define WEIR_ANALYTICS_PROJECTOR_PROJECT_H
/* The projector: event records of the stream (docs/format/event.md) become rows of a table.
 *
 * A writer belongs to one table and one thread (and has one of its own for inserts); there is no
 * global state, so that a replay can write `events_shadow` beside the live consumer.
 *
 * EXACTLY ONCE  (reasons: docs/internals/project.md)
 *   1. A batch is inserted under its own token, a large one in chunks under one each; the store
 *      drops a second insert of a token.
 *   2. A repeated batch (is_repeat, or the last call for this range failed) first asks the table
 *      which of its offsets are there, inserts only the others, and looks again afterwards: what
 *      the token swallowed although the rows are gone goes in under a fresh one.
 *   3. Records with "dedupe": true are dropped if the table has the same (project, id) within
 *      PROJECT_DEDUPE_MS of received_at; with "historical": true, at any distance. A filter in
 *      memory only saves questions to the store: a row is dropped on the store's word alone. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "store/store.h"
#include "stream/consumer.h"

#define PROJECT_DEDUPE_MS (INT64_C(7) * 24 * 3600 * 1000)

/* For consumer_cfg: a backlog is taken in batches of several chunks, so that decoding one and
 * inserting another overlap. */
enum { PROJECT_BATCH_RECORDS_MAX = 200000, PROJECT_BATCH_BYTES_MAX = 96 << 20 };

struct project_cfg {
    struct store_cfg store;    /* strings are borrowed for the writer's life */
    const char *table;         /* NULL = "events"; [a-z0-9_]+ */
    uint64_t filter_bytes_max; /* 256 MiB: beyond it more questions are asked, none left out */
    /* 0 = 100,000: a larger batch goes in in pieces of so many offsets, each under a token of its
     * own and decoded beside the insert of the one before. */
    uint32_t chunk_records;
    uint64_t insert_bytes_max; /* 0 = 256 MiB: the encoded rows of one batch */
    /* Whether this project's bots are no rows (tenant's bot_policy), asked for each bot. NULL: they
     * are. */
    bool (*drops_bots)(void *ctx, const struct uuid *project);
    /* Behind a batch that is written, if some of it was left out: why[i] of batch->records[i], enum
     * project_why. Not RC_OK: the batch as a whole is tried again. NULL: nobody is told. */
    enum rc (*left_out)(void *ctx, const struct consumer_batch *batch, const uint8_t *why,
                        struct err *err);
    void *ctx; /* of both */
};
enum project_why { PROJECT_TAKEN, PROJECT_DUPLICATE, PROJECT_BOT, PROJECT_POISON };
struct project_writer;
/* Does not talk to the store yet. RC_INVALID: bad table name. */
enum rc project_writer_new(const struct project_cfg *cfg, struct project_writer **ret_writer,
                           struct err *err) MUST_CHECK;
void project_writer_free(struct project_writer *w);
DEFINE_CLEANUP(struct project_writer *, project_writer_free)

/* index is the record's place in batch->records. */
typedef void project_reject_fn(void *ctx, uint32_t index, const char *reason);
struct project_counts { /* of one call, or summed since the writer was made */
    uint64_t records;   /* seen */
    uint64_t rows;      /* newly inserted */
    uint64_t present;   /* were there already: the batch was a repeat */
    uint64_t duplicate; /* same client id as another event: dropped */
    uint64_t rejected;  /* poison, told through reject() */
    uint64_t bots;      /* left out, as their project wants it */
    uint64_t asked;     /* ids the store was asked about (filter positives, historical) */
};
/* RC_OK: every record of the batch is in the table, a duplicate, or was rejected (reject() may be
 * NULL: then they are only counted). Anything else: nothing is promised, call again with the same
 * range. RC_UNAVAILABLE, RC_TIMEOUT, RC_STORE, RC_LIMIT, RC_NOMEM. Blocks. ret_counts may be
 * NULL. */
enum rc project_writer_write(struct project_writer *w, const struct consumer_batch *batch,
                             project_reject_fn *reject, void *reject_ctx,
                             struct project_counts *ret_counts, struct err *err) MUST_CHECK;
/* Forget what is known about the table (it was swapped or changed by somebody else): the filter is
 * built again from the store before the next batch. */
void project_writer_forget(struct project_writer *w);
const struct project_counts *project_writer_totals(const struct project_writer *w);

/* ---- the same judgement without a table, for who reads stream or archive by himself ---- */
/* Of one project, whose records are handed over in the order of their partition, one partition
 * behind the other. Memory: 48 bytes and more for each row. One thread. */
struct project_sieve;
enum rc project_sieve_new(const struct uuid *project, bool drops_bots,
                          struct project_sieve **ret_sieve, struct err *err) MUST_CHECK;
void project_sieve_free(struct project_sieve *s); /* NULL is fine */
/* PROJECT_TAKEN: the projector would make a row of it (of several with one id in different
 * partitions it may choose another one). RC_NOMEM. */
enum rc project_sieve_take(struct project_sieve *s, const struct stream_record *record,
                           enum project_why *ret_why, unix_ms *ret_timestamp,
                           struct err *err) MUST_CHECK;

/* left_out of the live consumer: counts and samples (analytics/rejected), under the batch's token.
 * ctx: struct project_left_out. */
struct rejected_writer;
struct project_left_out;
struct project_left_out *project_left_out_new(struct rejected_writer *writer);
void project_left_out_free(struct project_left_out *l); /* NULL is fine */
enum rc project_left_out_tell(struct project_left_out *l, const struct consumer_batch *batch,
                              const uint8_t *why, struct err *err) MUST_CHECK;

/* The live consumer: ctx of consumer_cfg is the struct project_writer. */
extern const struct consumer_ops project_consumer_ops; /* name "project" */
/* Counters weir_project_* of the live consumer; call once, with the writer that it uses. */
void project_metrics_register(struct project_writer *w);
#endif
