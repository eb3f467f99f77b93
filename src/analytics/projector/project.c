/* WHAT    The projector's writer: a batch of records into the table, exactly once (project.h).
 * WHY     Each record is decoded once and put into columns at once; what turns out to be there
 *         already is left out when the columns are made a block: holding decoded records of a whole
 *         batch would cost several times its bytes.
 *         A large batch goes in in chunks: while the store takes one, the next is decoded.
 * LAYOUT  per chunk: decode → mark what a repeat finds present → mark duplicates → insert what is
 *         left, month by month if there are many → look again if it is a repeat. In the end: note
 *         ids.
 * INVARIANTS  The tokens and the split into chunks and months depend on the batch alone, never on
 *         what was found, so that a repeat uses the same ones. An id enters the filter only behind
 *         a successful write. The filter alone never drops a row. One call to the table at a time:
 *         a question or an insert waits for the insert under way. A repeat does not overlap
 *         anything.
 * THREADS the owner's, one at a time; one that only calls ops->insert (struct inserter). */
#include "analytics/projector/project_int.h"

#include <pthread.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"

enum {
    ROW_ARENA_BYTES = 256 * 1024,
    ROW_ARENA_BYTES_MAX = 64 << 20, /* the tree of one record of 4 MiB */
    MONTHS = 180 * 12,              /* 1970 to 2149 */
    TOKEN_BYTES = 256,
    CHUNK_RECORDS = 100000,
    PARTITIONS_MAX = STREAM_PARTITIONS_MAX,
};
static const uint64_t default_filter_bytes = UINT64_C(256) << 20;
static const uint64_t default_insert_bytes = UINT64_C(256) << 20;
static const size_t idle_bytes_max = 1 << 20; /* of buffers kept while nothing comes */
static const int64_t late_ms = INT64_C(24) * 3600 * 1000;

/* REJECTED and BOT have no place in the columns. */
enum row_state { ROW_KEEP, ROW_REJECTED, ROW_BOT, ROW_ERASED, ROW_PRESENT, ROW_DUPLICATE };
struct row { /* what stays of a record while its batch is under way */
    struct project_seen seen;
    uint64_t offset, hash;
    uint32_t next; /* index + 1 of the next row in the same bucket */
    uint16_t month;
    uint8_t state;
    bool is_dedupe, is_historical, is_asked;
};
struct attempt { /* a range whose last write did not end well */
    bool is_set;
    uint64_t first, last;
};
/* The insert under way, taken over by a thread of its own. That thread is there from the first
 * batch of several chunks on and inherits the owner's priority. */
struct inserter {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_thread, is_busy, is_ending; /* is_busy, is_ending under lock */
    struct slice block;
    char token[TOKEN_BYTES];
    enum rc rc; /* of the last one, not asked for yet */
    struct err err;
};
struct project_writer {
    const struct project_table_ops *ops;
    void *table;
    struct project_cfg cfg;          /* for its callbacks */
    struct project_table *own_table; /* freed with the writer; NULL in tests */
    struct project_filter *filter;
    bool is_filter_built;
    bool is_filter_blind; /* an id could not be noted: everything is asked */
    struct arena arena;
    struct ua_parser *agents;                           /* from the first batch on */
    struct native_column columns[PROJECT_COLUMN_COUNT]; /* rows but for rejected ones, in order */
    uint64_t insert_bytes_max;
    uint32_t chunk_records;
    struct buf block; /* the inserter's while it is busy */
    struct inserter inserter;
    struct row *rows;
    uint32_t *buckets;          /* index + 1 of the first row, by hash */
    uint32_t bucket_count;      /* a power of two */
    struct project_seen *asked; /* as many as rows */
    uint8_t *keep;              /* as many as rows */
    uint32_t row_cap;
    struct attempt attempts[PARTITIONS_MAX];
    struct project_counts totals;
};

/* One call's state. */
struct write {
    struct project_writer *w;
    const struct consumer_batch *batch;
    struct row *rows;
    uint32_t count;
    bool is_repeat;
    /* the chunk: rows[from] to rows[to - 1] */
    uint64_t chunk;
    uint32_t from, to;
    bool is_split;                /* there are several */
    uint32_t encoded;             /* rows of it in the columns */
    uint16_t month_piece[MONTHS]; /* piece + 1 of each month in it */
    uint32_t pieces;
    struct project_counts counts;
};

enum rc project_writer_new_over(const struct project_cfg *cfg, const struct project_table_ops *ops,
                                void *ops_ctx, struct project_writer **ret_writer, struct err *err)
{
    (void)err;
    struct project_writer *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    w->ops = ops;
    w->table = ops_ctx;
    w->cfg = *cfg;
    w->filter =
        project_filter_new(cfg->filter_bytes_max ? cfg->filter_bytes_max : default_filter_bytes);
    arena_init(&w->arena, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    w->chunk_records = cfg->chunk_records ? cfg->chunk_records : CHUNK_RECORDS;
    pthread_mutex_init(&w->inserter.lock, NULL);
    pthread_cond_init(&w->inserter.changed, NULL);
    w->insert_bytes_max = cfg->insert_bytes_max ? cfg->insert_bytes_max : default_insert_bytes;
    project_columns_init(w->columns, w->insert_bytes_max);
    buf_init(&w->block, w->insert_bytes_max + 4096); /* and names and types */
    *ret_writer = w;
    return RC_OK;
}

enum rc project_writer_new(const struct project_cfg *cfg, struct project_writer **ret_writer,
                           struct err *err)
{
    struct project_table *table;
    TRY(project_table_new(cfg, &table, err));
    enum rc rc = project_writer_new_over(cfg, &project_table_ops, table, ret_writer, err);
    if (rc == RC_OK)
        (*ret_writer)->own_table = table;
    else
        project_table_free(table);
    return rc;
}

/* Gives the memory of a large batch back. */
static void writer_shrink(struct project_writer *w)
{
    for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++)
        native_done(&w->columns[i]);
    buf_done(&w->block);
    arena_done(&w->arena);
    arena_init(&w->arena, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    heap_free(take_ptr(&w->rows));
    heap_free(take_ptr(&w->asked));
    heap_free(take_ptr(&w->keep));
    heap_free(take_ptr(&w->buckets));
    w->row_cap = w->bucket_count = 0;
}

/* ---- the inserter ---- */
static void *inserter_run(void *ctx)
{
    struct project_writer *w = ctx;
    struct inserter *in = &w->inserter;
    pthread_setname_np(pthread_self(), "project-insert");
    pthread_mutex_lock(&in->lock);
    while (!in->is_ending) {
        if (!in->is_busy) {
            pthread_cond_wait(&in->changed, &in->lock);
            continue;
        }
        pthread_mutex_unlock(&in->lock);
        struct err err = ERR_INIT;
        enum rc rc = w->ops->insert(w->table, in->block, in->token, &err);
        pthread_mutex_lock(&in->lock);
        in->rc = rc;
        in->err = err;
        in->is_busy = false;
        pthread_cond_broadcast(&in->changed);
    }
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

/* Waits for the insert under way, if there is one. */
static enum rc inserter_finish(struct project_writer *w, struct err *err)
{
    struct inserter *in = &w->inserter;
    pthread_mutex_lock(&in->lock);
    while (in->is_busy)
        pthread_cond_wait(&in->changed, &in->lock);
    enum rc rc = in->rc;
    if (rc != RC_OK && err)
        *err = in->err;
    in->rc = RC_OK;
    pthread_mutex_unlock(&in->lock);
    return rc;
}

/* Hands w->block over; nothing may be under way. */
static enum rc inserter_begin(struct project_writer *w, struct slice block, const char *token,
                              struct err *err)
{
    struct inserter *in = &w->inserter;
    if (!in->has_thread && pthread_create(&in->thread, NULL, inserter_run, w) != 0)
        return w->ops->insert(w->table, block, token, err); /* no thread: one after the other */
    in->has_thread = true;
    pthread_mutex_lock(&in->lock);
    must(!in->is_busy);
    in->block = block;
    snprintf(in->token, sizeof(in->token), "%s", token);
    in->is_busy = true;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
    return RC_OK;
}

static void inserter_end(struct project_writer *w)
{
    struct inserter *in = &w->inserter;
    pthread_mutex_lock(&in->lock);
    in->is_ending = true;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
    if (in->has_thread)
        pthread_join(in->thread, NULL);
    pthread_cond_destroy(&in->changed);
    pthread_mutex_destroy(&in->lock);
}

void project_writer_free(struct project_writer *w)
{
    if (!w)
        return;
    inserter_end(w);
    writer_shrink(w);
    arena_done(&w->arena);
    ua_parser_free(w->agents);
    project_filter_free(w->filter);
    project_table_free(w->own_table);
    heap_free(w);
}

void project_writer_idle(struct project_writer *w)
{
    size_t bytes = w->block.cap + w->row_cap * sizeof(w->rows[0]);
    for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++)
        bytes += native_room_bytes(&w->columns[i]);
    if (bytes > idle_bytes_max)
        writer_shrink(w);
}

uint64_t project_writer_filter_bytes(const struct project_writer *w)
{
    return project_filter_bytes(w->filter);
}

void project_writer_forget(struct project_writer *w)
{
    project_filter_clear(w->filter);
    w->is_filter_built = w->is_filter_blind = false;
}

const struct project_counts *project_writer_totals(const struct project_writer *w)
{
    return &w->totals;
}

/* ---- decoding ---- */
static enum rc rows_reserve(struct project_writer *w, uint32_t count, struct err *err)
{
    if (count <= w->row_cap)
        return RC_OK;
    writer_shrink(w);
    uint32_t buckets = 64;
    while (buckets < count && buckets < UINT32_C(1) << 31)
        buckets *= 2;
    w->rows = heap_try_alloc(HEAP_ANALYTICS, (size_t)count * sizeof(w->rows[0]));
    w->asked = heap_try_alloc(HEAP_ANALYTICS, (size_t)count * sizeof(w->asked[0]));
    w->keep = heap_try_alloc(HEAP_ANALYTICS, count);
    w->buckets = heap_try_alloc(HEAP_ANALYTICS, (size_t)buckets * sizeof(w->buckets[0]));
    ENSURE(w->rows && w->asked && w->keep && w->buckets,
           err_set(err, RC_NOMEM, "no memory for a batch of %u records", count));
    w->row_cap = count;
    w->bucket_count = buckets;
    return RC_OK;
}

static enum rc decode_one(struct write *x, uint32_t i, project_reject_fn *reject, void *reject_ctx)
{
    const struct stream_record *record = &x->batch->records[i];
    struct project_writer *w = x->w;
    struct project_row decoded;
    const char *reason;
    struct row *row = &x->rows[i];
    *row = (struct row){.offset = record->offset};
    if (stream_record_is_erased(record)) {
        row->state = ROW_ERASED; /* no row, and nothing to tell anybody */
        return RC_OK;
    }
    arena_reset(&w->arena);
    enum rc rc = project_row_decode(record->value, &w->arena, &decoded, &reason);
    if (rc == RC_INVALID) {
        row->state = ROW_REJECTED;
        x->counts.rejected++;
        if (reject)
            reject(reject_ctx, i, reason);
        return RC_OK;
    }
    TRY(rc);
    project_agent_fill(w->agents, &decoded);
    if (decoded.bot.len && w->cfg.drops_bots && w->cfg.drops_bots(w->cfg.ctx, &decoded.project)) {
        row->state = ROW_BOT;
        return RC_OK;
    }
    project_row_encode(w->columns, &decoded, x->batch->partition, record->offset);
    x->encoded++;
    row->seen = (struct project_seen){decoded.project, decoded.id, decoded.received_at};
    row->month = (uint16_t)project_month(decoded.timestamp);
    row->is_dedupe = decoded.is_dedupe;
    row->is_historical = decoded.is_historical;
    if (row->is_dedupe)
        row->hash = project_id_hash(&decoded.project, &decoded.id);
    x->month_piece[row->month] = 1;
    return RC_OK;
}

static void number_pieces(struct write *x)
{
    uint32_t months = 0;
    for (uint32_t m = 0; m < MONTHS; m++)
        if (x->month_piece[m])
            x->month_piece[m] = (uint16_t)(months++ / PROJECT_MONTHS_PER_INSERT_MAX + 1);
    x->pieces = (months + PROJECT_MONTHS_PER_INSERT_MAX - 1) / PROJECT_MONTHS_PER_INSERT_MAX;
}

static enum rc check_size(const struct project_writer *w, struct err *err)
{
    uint64_t bytes = 0;
    bool ok = true;
    for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++) {
        bytes += native_bytes(&w->columns[i]);
        ok &= native_ok(&w->columns[i]);
    }
    ENSURE(ok && bytes <= w->insert_bytes_max,
           err_set(err, RC_LIMIT, "the rows of one batch are more than %llu bytes",
                   (unsigned long long)w->insert_bytes_max));
    return RC_OK;
}

static enum rc decode_chunk(struct write *x, project_reject_fn *reject, void *reject_ctx,
                            struct err *err)
{
    for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++)
        native_clear(&x->w->columns[i]);
    memset(x->month_piece, 0, sizeof(x->month_piece));
    x->encoded = 0;
    for (uint32_t i = x->from; i < x->to; i++) {
        enum rc rc = decode_one(x, i, reject, reject_ctx);
        ENSURE(rc == RC_OK, err_set(err, rc, "no memory to read the record at offset %llu",
                                    (unsigned long long)x->rows[i].offset));
    }
    TRY(check_size(x->w, err));
    number_pieces(x);
    return RC_OK;
}

/* ---- what is there already ---- */
static void mark_present(void *ctx, uint64_t offset)
{
    struct write *x = ctx;
    uint32_t low = x->from, high = x->to; /* the batch's offsets grow, but may have holes */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (x->rows[mid].offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < x->to && x->rows[low].offset == offset && x->rows[low].state == ROW_KEEP)
        x->rows[low].state = ROW_PRESENT;
}

static enum rc find_present(struct write *x, struct err *err)
{
    return x->w->ops->offsets(x->w->table, x->batch->partition, x->rows[x->from].offset,
                              x->rows[x->to - 1].offset, mark_present, x, err);
}

/* ---- duplicates ---- */
static bool is_same_event(const struct project_seen *a, const struct project_seen *b)
{
    return memcmp(&a->project, &b->project, sizeof(a->project)) == 0 &&
           memcmp(&a->id, &b->id, sizeof(a->id)) == 0;
}

static bool is_near(const struct row *row, unix_ms other)
{
    int64_t apart = row->seen.received_at.ms - other.ms;
    return row->is_historical || (apart < PROJECT_DEDUPE_MS && -apart < PROJECT_DEDUPE_MS);
}

static uint32_t *bucket_of(struct project_writer *w, uint64_t hash)
{
    return &w->buckets[hash & (w->bucket_count - 1)];
}

static bool is_in_bucket(struct write *x, const struct row *row)
{
    for (uint32_t i = *bucket_of(x->w, row->hash); i; i = x->rows[i - 1].next) {
        const struct row *other = &x->rows[i - 1];
        if (is_same_event(&other->seen, &row->seen) && is_near(row, other->seen.received_at))
            return true;
    }
    return false;
}

static bool is_encoded(const struct row *row)
{
    return row->state != ROW_REJECTED && row->state != ROW_BOT && row->state != ROW_ERASED;
}

/* Within the batch the first of an id stays. */
static void drop_same_in_batch(struct write *x)
{
    for (uint32_t i = x->from; i < x->to; i++) {
        struct row *row = &x->rows[i];
        if (!row->is_dedupe || !is_encoded(row))
            continue;
        if (row->state == ROW_KEEP && is_in_bucket(x, row)) {
            row->state = ROW_DUPLICATE;
            continue;
        }
        uint32_t *bucket = bucket_of(x->w, row->hash);
        row->next = *bucket;
        *bucket = i + 1;
    }
}

static void note_id(struct project_writer *w, uint64_t hash, unix_ms received_at)
{
    if (!project_filter_add(w->filter, hash, received_at))
        w->is_filter_blind = true;
}

static void note_recent(void *ctx, const struct project_seen *seen)
{
    note_id(ctx, project_id_hash(&seen->project, &seen->id), seen->received_at);
}

static enum rc build_filter(struct project_writer *w, struct err *err)
{
    if (w->is_filter_built)
        return RC_OK;
    project_writer_forget(w);
    TRY(w->ops->recent(w->table, note_recent, w, err));
    w->is_filter_built = true;
    return RC_OK;
}

/* What the filter cannot answer: a repeat (the filter may not know yet what the first try wrote),
 * the whole past, and what comes more than a day late (its seven days reach behind the filter's).
 */
static bool must_ask(const struct write *x, const struct row *row)
{
    const struct project_writer *w = x->w;
    return x->is_repeat || row->is_historical || w->is_filter_blind ||
           row->seen.received_at.ms < project_filter_newest(w->filter).ms - late_ms ||
           project_filter_has(w->filter, row->hash);
}

static void mark_duplicate(void *ctx, const struct project_seen *seen)
{
    struct write *x = ctx;
    uint64_t hash = project_id_hash(&seen->project, &seen->id);
    for (uint32_t i = *bucket_of(x->w, hash); i; i = x->rows[i - 1].next) {
        struct row *row = &x->rows[i - 1];
        if (row->is_asked && row->state == ROW_KEEP && is_same_event(&row->seen, seen) &&
            is_near(row, seen->received_at))
            row->state = ROW_DUPLICATE;
    }
}

static enum rc drop_duplicates(struct write *x, struct err *err)
{
    bool is_any = false;
    for (uint32_t i = x->from; i < x->to && !is_any; i++)
        is_any = x->rows[i].is_dedupe;
    if (!is_any)
        return RC_OK;
    TRY(build_filter(x->w, err));
    drop_same_in_batch(x);
    uint32_t asked = 0;
    for (uint32_t i = x->from; i < x->to; i++) {
        struct row *row = &x->rows[i];
        if (!row->is_dedupe || row->state != ROW_KEEP || !must_ask(x, row))
            continue;
        row->is_asked = true;
        x->w->asked[asked++] = row->seen;
    }
    x->counts.asked += asked;
    if (asked == 0)
        return RC_OK;
    return x->w->ops->ids(x->w->table, x->w->asked, asked, mark_duplicate, x, err);
}

/* ---- inserting ---- */
/* The rows of one piece that are kept, as a block; empty if there are none. */
static struct slice gather(struct write *x, uint32_t piece)
{
    struct project_writer *w = x->w;
    uint32_t n = 0;
    for (uint32_t i = x->from; i < x->to; i++)
        if (is_encoded(&x->rows[i]))
            w->keep[n++] =
                x->rows[i].state == ROW_KEEP && x->month_piece[x->rows[i].month] == piece;
    must(n == x->encoded);
    buf_clear(&w->block);
    native_block(&w->block, w->columns, PROJECT_COLUMN_COUNT, n, w->keep);
    return buf_slice(&w->block);
}

static void token_of(const struct write *x, uint32_t piece, const char *suffix,
                     char ret[TOKEN_BYTES])
{
    int n = snprintf(ret, TOKEN_BYTES, "%s%s", x->batch->token, suffix);
    if (x->is_split)
        n += snprintf(ret + n, TOKEN_BYTES - (size_t)n, "/c%llu", (unsigned long long)x->chunk);
    if (x->pieces > 1)
        snprintf(ret + n, TOKEN_BYTES - (size_t)n, "/%u", piece);
}

static enum rc insert_kept(struct write *x, const char *suffix, struct err *err)
{
    struct project_writer *w = x->w;
    for (uint32_t piece = 1; piece <= x->pieces; piece++) {
        char token[TOKEN_BYTES];
        TRY(inserter_finish(w, err)); /* it reads the block that is filled now */
        struct slice block = gather(x, piece);
        ENSURE(buf_ok(&w->block), err_set(err, RC_NOMEM, "no memory for the rows of a batch"));
        if (block.len == 0)
            continue;
        token_of(x, piece, suffix, token);
        if (x->is_split && !x->is_repeat)
            TRY(inserter_begin(w, block, token, err));
        else
            TRY(w->ops->insert(w->table, block, token, err));
    }
    return RC_OK;
}

static uint64_t count_state(const struct write *x, uint32_t from, uint32_t to, enum row_state state)
{
    uint64_t n = 0;
    for (uint32_t i = from; i < to; i++)
        n += x->rows[i].state == state;
    return n;
}

/* A repeat's token may be known although its rows are gone (the store lost power between the two).
 * What is there by now was put there by this try, or by the first one coming in late. */
static enum rc insert_again(struct write *x, struct err *err)
{
    char suffix[32];
    TRY(find_present(x, err));
    if (count_state(x, x->from, x->to, ROW_KEEP) == 0)
        return RC_OK;
    snprintf(suffix, sizeof(suffix), "/again-%016llx", (unsigned long long)random_u64());
    return insert_kept(x, suffix, err);
}

static void note_written(struct write *x)
{
    for (uint32_t i = 0; i < x->count; i++) {
        const struct row *row = &x->rows[i];
        if (row->is_dedupe && (row->state == ROW_KEEP || row->state == ROW_PRESENT))
            note_id(x->w, row->hash, row->seen.received_at);
    }
}

static enum rc write_chunk(struct write *x, project_reject_fn *reject, void *reject_ctx,
                           struct err *err)
{
    TRY(decode_chunk(x, reject, reject_ctx, err));
    TRY(inserter_finish(x->w, err)); /* before the table is asked */
    if (x->is_repeat)
        TRY(find_present(x, err));
    x->counts.present += count_state(x, x->from, x->to, ROW_PRESENT);
    TRY(drop_duplicates(x, err));
    TRY(insert_kept(x, "", err));
    if (x->is_repeat && count_state(x, x->from, x->to, ROW_KEEP))
        TRY(insert_again(x, err));
    return RC_OK;
}

/* Chunks are ranges of offsets: a repeat that lost its first records to retention has the others in
 * the same chunks as before. */
static enum rc write_chunks(struct write *x, project_reject_fn *reject, void *reject_ctx,
                            struct err *err)
{
    uint64_t first = x->batch->first, size = x->w->chunk_records;
    x->is_split = x->batch->last - first >= size;
    for (x->from = 0; x->from < x->count; x->from = x->to) {
        x->chunk = (x->batch->records[x->from].offset - first) / size;
        x->to = x->from + 1;
        while (x->to < x->count && (x->batch->records[x->to].offset - first) / size == x->chunk)
            x->to++;
        TRY(write_chunk(x, reject, reject_ctx, err));
    }
    return RC_OK;
}

static enum rc tell_left_out(struct write *x, struct err *err)
{
    static const uint8_t why_of[] = {
        [ROW_KEEP] = PROJECT_TAKEN,    [ROW_REJECTED] = PROJECT_POISON,
        [ROW_BOT] = PROJECT_BOT,       [ROW_ERASED] = PROJECT_TAKEN,
        [ROW_PRESENT] = PROJECT_TAKEN, [ROW_DUPLICATE] = PROJECT_DUPLICATE};
    const struct project_cfg *cfg = &x->w->cfg;
    if (!cfg->left_out || x->counts.duplicate + x->counts.bots + x->counts.rejected == 0)
        return RC_OK;
    for (uint32_t i = 0; i < x->count; i++)
        x->w->keep[i] = why_of[x->rows[i].state];
    return cfg->left_out(cfg->ctx, x->batch, x->w->keep, err);
}

static enum rc write_batch(struct write *x, project_reject_fn *reject, void *reject_ctx,
                           struct err *err)
{
    struct project_writer *w = x->w;
    TRY(rows_reserve(w, x->count, err));
    if (!w->agents && project_agents_new(&w->agents) != RC_OK)
        return err_set(err, RC_NOMEM, "no memory for the rules about user agents");
    x->rows = w->rows;
    memset(w->buckets, 0, w->bucket_count * sizeof(w->buckets[0]));
    enum rc rc = write_chunks(x, reject, reject_ctx, err);
    /* Also behind an error: its block and its token are the next call's. */
    enum rc last = inserter_finish(w, rc == RC_OK ? err : NULL);
    TRY(rc);
    TRY(last);
    x->counts.rows = count_state(x, 0, x->count, ROW_KEEP) +
                     count_state(x, 0, x->count, ROW_PRESENT) - x->counts.present;
    x->counts.duplicate = count_state(x, 0, x->count, ROW_DUPLICATE);
    x->counts.bots = count_state(x, 0, x->count, ROW_BOT);
    TRY(tell_left_out(x, err));
    note_written(x);
    return RC_OK;
}

static void counts_add(struct project_counts *to, const struct project_counts *from)
{
    to->records += from->records;
    to->rows += from->rows;
    to->present += from->present;
    to->duplicate += from->duplicate;
    to->rejected += from->rejected;
    to->bots += from->bots;
    to->asked += from->asked;
}

enum rc project_writer_write(struct project_writer *w, const struct consumer_batch *batch,
                             project_reject_fn *reject, void *reject_ctx,
                             struct project_counts *ret_counts, struct err *err)
{
    ENSURE(batch->partition < PARTITIONS_MAX,
           err_set(err, RC_INVALID, "partition %u: at most %d", batch->partition, PARTITIONS_MAX));
    struct attempt *attempt = &w->attempts[batch->partition];
    struct write x = {.w = w, .batch = batch, .count = batch->count};
    x.counts.records = batch->count;
    x.is_repeat = batch->is_repeat || (attempt->is_set && attempt->first <= batch->last &&
                                       batch->first <= attempt->last);
    *attempt = (struct attempt){.is_set = true, .first = batch->first, .last = batch->last};
    TRY(write_batch(&x, reject, reject_ctx, err));
    attempt->is_set = false;
    counts_add(&w->totals, &x.counts);
    if (ret_counts)
        *ret_counts = x.counts;
    return RC_OK;
}
