/* WHAT    Rows of what was rejected into the store: the consumer of the stream `rejected`, and
 *         what the projector leaves out.
 * WHY     The token of an insert names the batch and when its first record was appended: a stream
 *         that begins anew (it is in no backup) does not get the tokens of the one before.
 * THREADS a writer is one consumer's. */
#include "analytics/rejected/rejected_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum {
    TOKEN_BYTES = 256,
    LINES_BYTES_MAX = 96 << 20,
    KEPT_BYTES_MAX = 1 << 20, /* of a buffer between two batches */
};
struct rejected_writer {
    struct store_client *client;
    struct buf counts, samples;
};

enum rc rejected_writer_new(const struct store_cfg *store, struct rejected_writer **ret,
                            struct err *err)
{
    struct rejected_writer *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    buf_init(&w->counts, LINES_BYTES_MAX);
    buf_init(&w->samples, LINES_BYTES_MAX);
    enum rc rc = store_client_new(store, &w->client, err);
    if (rc != RC_OK) {
        rejected_writer_free(w);
        return rc;
    }
    *ret = w;
    return RC_OK;
}

void rejected_writer_free(struct rejected_writer *w)
{
    if (!w)
        return;
    store_client_free(w->client);
    buf_done(&w->counts);
    buf_done(&w->samples);
    heap_free(w);
}

static enum rc insert(struct store_client *c, const char *table, struct slice lines,
                      const char *token, struct err *err)
{
    const char *columns =
        *table == 'i' ? "project_id, minute, dialect, reason, events"
                      : "project_id, id, received_at, dialect, route, method, path, query, "
                        "headers, body, user_id, key_id, client, is_whole, lack, is_key_in_head, "
                        "is_visitor, reasons, indexes, details, version";
    return lines.len ? store_insert(c, table, columns, "JSONEachRow", lines, token, NULL, NULL, err)
                     : RC_OK;
}

enum rc rejected_insert_samples(struct store_client *c, struct slice lines, const char *token,
                                struct err *err)
{
    return insert(c, REJECTED_SAMPLES_TABLE, lines, token, err);
}

static void empty(struct buf *b)
{
    if (b->cap > KEPT_BYTES_MAX)
        buf_done(b);
    buf_clear(b);
}

static enum rc write_both(struct rejected_writer *w, const char *token, struct err *err)
{
    char text[TOKEN_BYTES];
    ENSURE(buf_ok(&w->counts) && buf_ok(&w->samples),
           err_set(err, RC_NOMEM, "no memory for what was rejected"));
    snprintf(text, sizeof(text), "%s/counts", token);
    TRY(insert(w->client, REJECTED_COUNTS_TABLE, buf_slice(&w->counts), text, err));
    snprintf(text, sizeof(text), "%s/samples", token);
    TRY(insert(w->client, REJECTED_SAMPLES_TABLE, buf_slice(&w->samples), text, err));
    empty(&w->counts);
    empty(&w->samples);
    return RC_OK;
}

/* ---- the stream `rejected` ---- */

static enum rc process(void *ctx, struct consumer *c, const struct consumer_batch *batch,
                       struct err *err)
{
    struct rejected_writer *w = ctx;
    char token[TOKEN_BYTES];
    (void)c;
    buf_clear(&w->counts);
    buf_clear(&w->samples);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct stream_record *r = &batch->records[i];
        bool is_sample = slice_eq_str(r->key, REJECTED_KEY_SAMPLE);
        buf_add_slice(is_sample ? &w->samples : &w->counts, r->value);
    }
    snprintf(token, sizeof(token), "%s/%lld", batch->token, (long long)batch->records[0].time.ms);
    return write_both(w, token, err);
}

const struct consumer_ops rejected_consumer_ops = {.name = "rejected", .process = process};

/* ---- what another consumer leaves out ---- */

enum {
    TALLIES_MAX = 1024,
    SAMPLES_PER_BATCH_MAX = 200,
    SAMPLED_BYTES_MAX = 8 << 20,
    DIALECT_MAX = 64
};

struct tally {
    struct uuid project;
    int64_t minute_ms;
    char dialect[DIALECT_MAX];
    enum rejected_reason reason;
    uint64_t events;
};
struct rejected_batch {
    struct tally tallies[TALLIES_MAX];
    uint32_t count, last;
    struct buf counts, samples; /* rows: of tallies that had to make room; of samples */
    uint32_t sample_count;
};

struct rejected_batch *rejected_batch_new(void)
{
    struct rejected_batch *b = heap_alloc(HEAP_ANALYTICS, sizeof(*b));
    buf_init(&b->counts, LINES_BYTES_MAX);
    buf_init(&b->samples, 2 * SAMPLED_BYTES_MAX);
    return b;
}

void rejected_batch_free(struct rejected_batch *b)
{
    if (!b)
        return;
    buf_done(&b->counts);
    buf_done(&b->samples);
    heap_free(b);
}

void rejected_batch_clear(struct rejected_batch *b)
{
    b->count = b->last = b->sample_count = 0;
    empty(&b->counts);
    empty(&b->samples);
}

static void put_tallies(struct rejected_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct tally *t = &b->tallies[i];
        rejected_put_count(&b->counts, &t->project, (unix_ms){t->minute_ms}, slice_str(t->dialect),
                           t->reason, t->events);
    }
    b->count = b->last = 0;
}

static bool is_tally(const struct tally *t, const struct tally *wanted)
{
    return t->minute_ms == wanted->minute_ms && t->reason == wanted->reason &&
           memcmp(&t->project, &wanted->project, sizeof(t->project)) == 0 &&
           strcmp(t->dialect, wanted->dialect) == 0;
}

/* What comes is mostly like what came before. */
static struct tally *tally_of(struct rejected_batch *b, const struct tally *wanted)
{
    if (b->last < b->count && is_tally(&b->tallies[b->last], wanted))
        return &b->tallies[b->last];
    for (b->last = 0; b->last < b->count; b->last++)
        if (is_tally(&b->tallies[b->last], wanted))
            return &b->tallies[b->last];
    if (b->count == TALLIES_MAX)
        put_tallies(b);
    b->last = b->count++;
    b->tallies[b->last] = *wanted;
    return &b->tallies[b->last];
}

void rejected_batch_add(struct rejected_batch *b, const struct uuid *project, unix_ms received_at,
                        struct slice dialect, enum rejected_reason reason, struct slice details,
                        struct slice body)
{
    struct tally wanted = {
        .project = *project, .minute_ms = rejected_minute(received_at).ms, .reason = reason};
    memcpy(wanted.dialect, dialect.data, dialect.len < DIALECT_MAX ? dialect.len : DIALECT_MAX - 1);
    tally_of(b, &wanted)->events++;
    if (b->sample_count == SAMPLES_PER_BATCH_MAX || body.len > REJECTED_BODY_BYTES_MAX ||
        b->samples.len + body.len > SAMPLED_BYTES_MAX)
        return;
    const struct rejected_event event = {.index = 0, .reason = reason, .details = details};
    const struct rejected_sample sample = {.id = uuid_v7(received_at),
                                           .project = *project,
                                           .received_at = received_at,
                                           .dialect = wanted.dialect,
                                           .route = "",
                                           .method = "",
                                           .body = body,
                                           .lack = REJECTED_IS_RECORD,
                                           .events = &event,
                                           .event_count = 1};
    rejected_put_sample(&b->samples, &sample, 1);
    b->sample_count++;
}

enum rc rejected_batch_write(struct rejected_batch *b, struct rejected_writer *w, const char *token,
                             struct err *err)
{
    put_tallies(b);
    buf_clear(&w->counts);
    buf_clear(&w->samples);
    buf_add_slice(&w->counts, buf_slice(&b->counts));
    buf_add_slice(&w->samples, buf_slice(&b->samples));
    TRY(write_both(w, token, err));
    rejected_batch_clear(b);
    return RC_OK;
}

/* ---- sweeping ---- */

enum { COUNT_DAYS = 90, IDS_BYTES_MAX = 64 << 10 };
static const int64_t hour_ms = 3600000;

/* Partitions that begin before t: their names are times. */
static enum rc drop_before(struct store_client *c, const char *table, unix_ms t, struct err *err)
{
    CLEANUP(buf_done) struct buf ids;
    char sql[512];
    buf_init(&ids, IDS_BYTES_MAX);
    snprintf(sql, sizeof(sql),
             "SELECT partition_id FROM system.parts WHERE database = currentDatabase() AND "
             "table = '%s' AND active AND parseDateTimeBestEffort(partition, 'UTC') < "
             "toDateTime(%lld, 'UTC') GROUP BY partition_id ORDER BY partition_id LIMIT 100",
             table, (long long)(t.ms / 1000));
    const struct store_query q = {.sql = sql, .format = "TabSeparated"};
    TRY(store_query(NULL, c, &q, &ids, NULL, NULL, err));
    struct slice rest = buf_slice(&ids), id;
    while ((id = slice_cut(&rest, '\n')).len) {
        snprintf(sql, sizeof(sql), "ALTER TABLE %s DROP PARTITION ID '%.*s'", table, SLICE_ARG(id));
        TRY(store_exec(c, sql, err));
    }
    return RC_OK;
}

/* A partition that begins so long ago has nothing younger: an hour and a week wide. */
enum rc rejected_sweep(struct store_client *c, unix_ms now, struct err *err)
{
    TRY(drop_before(c, REJECTED_SAMPLES_TABLE, (unix_ms){now.ms - 25 * hour_ms}, err));
    return drop_before(c, REJECTED_COUNTS_TABLE,
                       (unix_ms){now.ms - (COUNT_DAYS + 7) * 24 * hour_ms}, err);
}
