/* WHAT   Consumers: a thread that reads every partition of a stream and hands batches to a handler
 * (consumer.h).
 *
 * STATE  One text file per partition, replaced in one step and checked by a CRC:
 *            weir-consumer 1
 *            next 1200
 *            intent 1200 1699        (absent when no batch is under way)
 *            crc 89abcdef
 *        `next` is the checkpoint. An intent that is there at start is a batch that may have taken
 * effect: it is handed out again, alone and whole, before anything else.
 *
 * WHY    The intent makes the split of batches repeatable: the handler's token names a range, and a
 * repeated range must have the same token. Two durable writes per batch are the price; batches are
 * large.
 *
 * RETRY  A batch that fails stays in memory and is tried again with backoff, so that a handler that
 * was poisoned once sees the same records. Nothing is skipped.
 *
 * THREADS  One thread per consumer does all of it. lock guards what others read (checkpoints,
 * counters) and the pause handshake. */
#include "stream/consumer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"
#include "base/random.h"

enum {
    RECORDS_DEFAULT = 50000,
    BYTES_DEFAULT = 32 << 20,
    LINGER_DEFAULT_MS = 200,
    WAIT_MS = 50,
    IDLE_EVERY_MS = 1000,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 30000,
    STATE_BYTES_MAX = 4096,
    ARENA_CHUNK = 1 << 20,
    REASON_MAX = 200,
};

struct position {
    uint64_t next; /* under lock */
    bool has_intent;
    uint64_t first, last;
    mono_ns behind_since; /* since when records wait; under lock */
    bool is_behind;
};

struct rejected {
    uint32_t index;
    char reason[REASON_MAX];
};

struct consumer {
    struct consumer_cfg cfg;
    char dir[OS_PATH_MAX];
    uint32_t partitions;
    struct position positions[STREAM_PARTITIONS_MAX];
    struct stream_reader *readers[STREAM_PARTITIONS_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_pause_wanted, is_resting; /* under lock */
    _Atomic bool is_stopping;
    _Atomic bool is_cancelled; /* give up the batch under way */
    bool has_ended;            /* under lock */

    struct arena arena; /* of the batch */
    struct stream_record *records;
    uint32_t count;
    uint64_t bytes;
    struct rejected *rejected;
    uint32_t rejected_count, rejected_cap;

    uint64_t processed, rejected_total, retries, lost; /* under lock */
    char last_error[200];                              /* under lock */
    struct metric lag, lag_ms, processed_metric, rejected_metric, retries_metric, lost_metric;
    char labels[96];
};

/* ---- state files ---- */

static char *state_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition)
{
    return os_path(ret, "%s/p%u.checkpoint", dir, partition);
}

static enum rc save(struct consumer *c, uint32_t partition, const struct position *p,
                    struct err *err)
{
    char text[256], path[OS_PATH_MAX];
    int n =
        snprintf(text, sizeof(text), "weir-consumer 1\nnext %llu\n", (unsigned long long)p->next);
    if (p->has_intent)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "intent %llu %llu\n",
                      (unsigned long long)p->first, (unsigned long long)p->last);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "crc %08x\n", crc32c(0, text, (size_t)n));
    return os_write_file_durable(state_path(path, c->dir, partition), slice_of(text, (size_t)n),
                                 err);
}

static bool parse_line(struct slice line, const char *word, uint64_t *ret_a, uint64_t *ret_b)
{
    struct slice rest = line;
    if (!slice_eq_str(slice_cut(&rest, ' '), word))
        return false;
    struct slice a = slice_cut(&rest, ' ');
    return slice_to_u64(a, ret_a) && (ret_b ? slice_to_u64(rest, ret_b) : rest.len == 0);
}

static enum rc load(const char *dir, uint32_t partition, struct position *ret, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    enum rc rc = os_read_file(state_path(path, dir, partition), &text, err);
    struct slice all = buf_slice(&text), rest = all;
    bool is_good = false;
    if (rc == RC_OK && slice_eq_str(slice_cut(&rest, '\n'), "weir-consumer 1")) {
        *ret = (struct position){.next = 0};
        is_good = parse_line(slice_cut(&rest, '\n'), "next", &ret->next, NULL);
        struct slice before = rest, line = slice_cut(&rest, '\n');
        if (is_good && slice_has_prefix(line, SLICE_LIT("intent "))) {
            is_good = parse_line(line, "intent", &ret->first, &ret->last);
            ret->has_intent = true;
            before = rest;
            line = slice_cut(&rest, '\n');
        }
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "crc %08x", crc32c(0, all.data, all.len - before.len));
        is_good = is_good && slice_eq_str(line, wanted) && rest.len == 0;
    }
    buf_done(&text);
    if (rc == RC_OK && !is_good)
        return err_set(err, RC_CORRUPT, "checkpoint %s is damaged", path);
    return rc;
}

enum rc consumer_checkpoint_read(const char *dir, uint32_t partition, uint64_t *ret_offset,
                                 struct err *err)
{
    struct position p;
    TRY(load(dir, partition, &p, err));
    *ret_offset = p.next;
    return RC_OK;
}

/* ---- a batch ---- */

static void note_error(struct consumer *c, const struct err *err)
{
    pthread_mutex_lock(&c->lock);
    snprintf(c->last_error, sizeof(c->last_error), "%.199s", err ? err->text : "");
    pthread_mutex_unlock(&c->lock);
}

static void clear_batch(struct consumer *c)
{
    arena_reset(&c->arena);
    c->count = 0;
    c->bytes = 0;
    c->rejected_count = 0;
}

static void note_lost(struct consumer *c, uint64_t count)
{
    pthread_mutex_lock(&c->lock);
    c->lost += count;
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->lost_metric, (int64_t)count);
}

/* Copies a record into the batch; false when it does not fit any more. */
static bool keep(struct consumer *c, const struct stream_record *r)
{
    size_t size = r->key.len + r->headers.len + r->value.len;
    if (c->count == c->cfg.batch_records_max ||
        (c->count && c->bytes + size > c->cfg.batch_bytes_max))
        return false;
    struct stream_record *to = &c->records[c->count];
    *to = *r;
    char *copy = arena_alloc(&c->arena, size ? size : 1);
    if (!copy)
        return false;
    const struct slice parts[] = {r->key, r->headers, r->value};
    struct slice *targets[] = {&to->key, &to->headers, &to->value};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len)
            memcpy(copy, parts[i].data, parts[i].len);
        *targets[i] = slice_of(copy, parts[i].len);
        copy += parts[i].len;
    }
    c->count++;
    c->bytes += size;
    return true;
}

/* Reads on from `next` while there is something, up to `last`. */
static enum rc collect(struct consumer *c, uint32_t partition, uint64_t last, struct err *err)
{
    struct stream_reader *reader = c->readers[partition];
    for (;;) {
        struct stream_record record;
        uint64_t at = stream_reader_offset(reader);
        if (at > last)
            return RC_OK;
        enum rc rc = stream_reader_next(reader, &record, err);
        if (rc == RC_END)
            return RC_OK;
        if (rc == RC_NOTFOUND) { /* retention was faster */
            if (c->count)
                return RC_OK; /* what is there goes first: a batch has no hole inside */
            note_lost(c, record.offset - at);
            stream_reader_seek(reader, record.offset);
            continue;
        }
        TRY(rc);
        if (record.offset > last || !keep(c, &record)) {
            stream_reader_seek(reader, record.offset);
            return RC_OK;
        }
    }
}

void consumer_reject(struct consumer *c, uint32_t index, const char *reason)
{
    must(index < c->count);
    if (c->rejected_count == c->rejected_cap) {
        uint32_t cap = c->rejected_cap ? c->rejected_cap * 2 : 16;
        struct rejected *grown = heap_try_resize(c->rejected, HEAP_STREAM, cap * sizeof(*grown));
        must(grown);
        c->rejected = grown;
        c->rejected_cap = cap;
    }
    struct rejected *r = &c->rejected[c->rejected_count++];
    r->index = index;
    snprintf(r->reason, sizeof(r->reason), "%.199s", reason);
}

/* Dead letters carry where they came from: a batch repeated after a crash may bury a record twice,
 * and a reader can tell by stream, partition and offset. */
static enum rc bury(struct consumer *c, const struct consumer_batch *b, struct err *err)
{
    if (!c->cfg.dead)
        return err_set(err, RC_INVALID,
                       "a record is poison and there is no stream for dead letters: %s",
                       c->rejected[0].reason);
    for (uint32_t i = 0; i < c->rejected_count; i++) {
        const struct stream_record *r = &b->records[c->rejected[i].index];
        struct buf headers;
        buf_init(&headers, STREAM_RECORD_BYTES_MAX);
        buf_add_slice(&headers, r->headers);
        buf_addf(&headers, "reason%c%s%cconsumer%c%s%cstream%c%s%cpartition%c%u%coffset%c%llu%c", 0,
                 c->rejected[i].reason, 0, 0, c->cfg.ops->name, 0, 0, b->stream, 0, 0, b->partition,
                 0, 0, (unsigned long long)r->offset, 0);
        struct stream_record dead = {
            .key = r->key, .headers = buf_slice(&headers), .value = r->value};
        enum rc rc = buf_ok(&headers) ? stream_append_wait(c->cfg.dead, &dead, 1) : RC_LIMIT;
        buf_done(&headers);
        if (rc != RC_OK)
            return err_set(err, rc, "a dead letter could not be kept: %s", rc_text(rc));
    }
    return RC_OK;
}

static enum rc process_once(struct consumer *c, struct consumer_batch *b, struct err *err)
{
    c->rejected_count = 0;
    enum rc rc = c->cfg.ops->process(c->cfg.ctx, c, b, err);
    if (rc == RC_INVALID && c->rejected_count > 0)
        rc = bury(c, b, err);
    return rc;
}

/* Sleeps in small steps; false when the consumer is to stop. */
static bool back_off(struct consumer *c, int64_t *ms)
{
    int64_t wait = *ms / 2 + (int64_t)(random_u64() % (uint64_t)*ms);
    *ms = *ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : *ms * 2;
    mono_ns end = mono_add_ms(mono_now(), wait);
    while (mono_is_before(mono_now(), end)) {
        if (atomic_load(&c->is_stopping))
            return false;
        sleep_ms(10);
    }
    return !atomic_load(&c->is_stopping);
}

static void note_retry(struct consumer *c, const struct err *err)
{
    note_error(c, err);
    pthread_mutex_lock(&c->lock);
    c->retries++;
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->retries_metric, 1);
}

/* Until it took effect; false when the consumer is to stop before that. */
static bool process_until_done(struct consumer *c, struct consumer_batch *b)
{
    int64_t backoff_ms = BACKOFF_MIN_MS;
    for (;;) {
        struct err err = ERR_INIT;
        if (process_once(c, b, &err) == RC_OK)
            return true;
        note_retry(c, &err);
        b->is_repeat = true; /* a failure may have come after the effect */
        if (!back_off(c, &backoff_ms))
            return false;
    }
}

static bool save_until_done(struct consumer *c, uint32_t partition, const struct position *p)
{
    int64_t backoff_ms = BACKOFF_MIN_MS;
    struct err err = ERR_INIT;
    while (save(c, partition, p, &err) != RC_OK) {
        note_retry(c, &err);
        if (!back_off(c, &backoff_ms))
            return false;
    }
    return true;
}

/* Hands out what was collected (or an empty repeated range that retention took) and moves the
 * checkpoint. */
static bool run_batch(struct consumer *c, uint32_t partition, uint64_t first, uint64_t last,
                      bool is_repeat)
{
    struct position *p = &c->positions[partition];
    struct position now = *p;
    if (!is_repeat) {
        now = (struct position){.next = p->next, .has_intent = true, .first = first, .last = last};
        if (!save_until_done(c, partition, &now))
            return false;
    }
    struct consumer_batch b = {.stream = stream_name(c->cfg.stream),
                               .partition = partition,
                               .first = first,
                               .last = last,
                               .records = c->records,
                               .count = c->count,
                               .is_repeat = is_repeat};
    snprintf(b.token, sizeof(b.token), "%s/%u/%llu-%llu", b.stream, partition,
             (unsigned long long)first, (unsigned long long)last);
    if (c->count && !process_until_done(c, &b))
        return false;
    now = (struct position){.next = last + 1};
    if (!save_until_done(c, partition, &now))
        return false; /* the intent stands: the next start repeats the range */
    pthread_mutex_lock(&c->lock);
    p->next = now.next;
    p->has_intent = false;
    c->processed += c->count - c->rejected_count;
    c->rejected_total += c->rejected_count;
    c->last_error[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->processed_metric, c->count - c->rejected_count);
    metric_add(&c->rejected_metric, c->rejected_count);
    return true;
}

/* The range of the intent, whole and alone. */
static bool repeat_intent(struct consumer *c, uint32_t partition)
{
    struct position *p = &c->positions[partition];
    struct err err = ERR_INIT;
    clear_batch(c);
    stream_reader_seek(c->readers[partition], p->first);
    /* The limits may have been set smaller since; a range is never split differently. */
    uint32_t records_max = c->cfg.batch_records_max;
    uint64_t bytes_max = c->cfg.batch_bytes_max;
    uint64_t count = p->last - p->first + 1;
    if (count > records_max) {
        struct stream_record *grown =
            heap_try_resize(c->records, HEAP_STREAM, count * sizeof(*grown));
        if (!grown)
            return false;
        c->records = grown;
        c->cfg.batch_records_max = (uint32_t)count;
    }
    c->cfg.batch_bytes_max = UINT64_MAX / 2;
    enum rc rc = collect(c, partition, p->last, &err);
    c->cfg.batch_bytes_max = bytes_max;
    if (rc == RC_OK && c->count < count && stream_reader_offset(c->readers[partition]) <= p->last)
        rc = err_set(&err, RC_CORRUPT,
                     "the stream ends at %llu, before the batch %llu-%llu that was under way: "
                     "records that were "
                     "durable are gone",
                     (unsigned long long)stream_reader_offset(c->readers[partition]),
                     (unsigned long long)p->first, (unsigned long long)p->last);
    bool is_done = rc == RC_OK && run_batch(c, partition, p->first, p->last, true);
    if (rc != RC_OK)
        note_retry(c, &err);
    if (is_done)
        c->cfg.batch_records_max = count > records_max ? (uint32_t)count : records_max;
    return is_done;
}

/* True if a batch went through. */
static bool step_partition(struct consumer *c, uint32_t partition)
{
    struct position *p = &c->positions[partition];
    struct stream_bounds bounds;
    struct err err = ERR_INIT;
    if (p->has_intent)
        return repeat_intent(c, partition);
    stream_bounds(c->cfg.stream, partition, &bounds);
    if (bounds.next <= p->next)
        return false;
    clear_batch(c);
    if (stream_reader_offset(c->readers[partition]) != p->next)
        stream_reader_seek(c->readers[partition], p->next);
    mono_ns until = mono_add_ms(mono_now(), c->cfg.linger_ms_max);
    for (;;) {
        uint32_t before = c->count;
        if (collect(c, partition, UINT64_MAX - 1, &err) != RC_OK) {
            note_retry(c, &err);
            if (c->count == 0)
                return false;
            break;
        }
        uint64_t at = stream_reader_offset(c->readers[partition]);
        stream_bounds(c->cfg.stream, partition, &bounds);
        bool is_full = at < bounds.next && c->count == before;
        int64_t left_ms = (until.ns - mono_now().ns) / 1000000;
        if (is_full || left_ms <= 0 || c->count == c->cfg.batch_records_max ||
            atomic_load(&c->is_stopping))
            break;
        if (!stream_wait(c->cfg.stream, partition, at, left_ms))
            break;
    }
    if (c->count == 0)
        return false;
    return run_batch(c, partition, c->records[0].offset, c->records[c->count - 1].offset, false);
}

/* ---- the thread ---- */

/* Rests while a pause is wanted. */
static void rest(struct consumer *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->is_pause_wanted && !atomic_load(&c->is_stopping)) {
        c->is_resting = true;
        pthread_cond_broadcast(&c->changed);
        pthread_cond_wait(&c->changed, &c->lock);
    }
    c->is_resting = false;
    pthread_mutex_unlock(&c->lock);
}

static void *consumer_main(void *arg)
{
    struct consumer *c = arg;
    mono_ns next_idle = mono_now();
    uint32_t turn = 0;
    while (!atomic_load(&c->is_stopping)) {
        rest(c);
        bool is_busy = false;
        for (uint32_t i = 0; i < c->partitions && !atomic_load(&c->is_stopping); i++)
            is_busy |= step_partition(c, i);
        if (is_busy && mono_is_before(mono_now(), next_idle))
            continue;
        if (c->cfg.ops->idle && !mono_is_before(mono_now(), next_idle) &&
            !atomic_load(&c->is_stopping)) {
            struct err err = ERR_INIT;
            next_idle = mono_add_ms(mono_now(), IDLE_EVERY_MS);
            if (c->cfg.ops->idle(c->cfg.ctx, c, &err) != RC_OK)
                note_retry(c, &err);
        }
        if (!is_busy && !atomic_load(&c->is_stopping)) {
            /* One partition is waited for; the others are looked at every WAIT_MS. */
            uint32_t p = turn++ % c->partitions;
            if (c->positions[p].has_intent)
                sleep_ms(WAIT_MS); /* its repeat failed */
            else
                stream_wait(c->cfg.stream, p, c->positions[p].next, WAIT_MS);
        }
    }
    pthread_mutex_lock(&c->lock);
    c->has_ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- life ---- */

static int64_t read_lag(void *ctx)
{
    struct consumer_status s;
    consumer_status(ctx, &s);
    return (int64_t)s.lag_records;
}

static int64_t read_lag_ms(void *ctx)
{
    struct consumer_status s;
    consumer_status(ctx, &s);
    return s.lag_ms;
}

static void register_metrics(struct consumer *c)
{
    snprintf(c->labels, sizeof(c->labels), "consumer=\"%s\"", c->cfg.ops->name);
    const struct {
        struct metric *m;
        const char *name, *help;
        enum metric_kind kind;
        int64_t (*read)(void *ctx);
    } all[] = {
        {&c->lag, "weir_consumer_lag_records", "Records not yet done.", METRIC_GAUGE, read_lag},
        {&c->lag_ms, "weir_consumer_lag_milliseconds", "How long records have been waiting.",
         METRIC_GAUGE, read_lag_ms},
        {&c->processed_metric, "weir_consumer_processed_total", "Records done.", METRIC_COUNTER,
         NULL},
        {&c->rejected_metric, "weir_consumer_rejected_total", "Records put to the dead letters.",
         METRIC_COUNTER, NULL},
        {&c->retries_metric, "weir_consumer_retries_total", "Attempts that failed.", METRIC_COUNTER,
         NULL},
        {&c->lost_metric, "weir_consumer_lost_total", "Records that left retention unread.",
         METRIC_COUNTER, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        *all[i].m = (struct metric){.name = all[i].name,
                                    .help = all[i].help,
                                    .labels = c->labels,
                                    .kind = all[i].kind,
                                    .read = all[i].read,
                                    .read_ctx = c};
        metrics_register(all[i].m);
    }
}

static void unregister_metrics(struct consumer *c)
{
    struct metric *all[] = {
        &c->lag,        &c->lag_ms, &c->processed_metric, &c->rejected_metric, &c->retries_metric,
        &c->lost_metric};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        metrics_unregister(all[i]);
}

static void consumer_free(struct consumer *c)
{
    for (uint32_t p = 0; p < c->partitions; p++)
        if (c->readers[p])
            stream_reader_close(c->readers[p]);
    arena_done(&c->arena);
    heap_free(c->records);
    heap_free(c->rejected);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    heap_free(c);
}

static enum rc open_partition(struct consumer *c, uint32_t partition, struct err *err)
{
    struct position *p = &c->positions[partition];
    struct stream_bounds bounds;
    struct err why = ERR_INIT;
    enum rc rc = load(c->dir, partition, p, &why);
    stream_bounds(c->cfg.stream, partition, &bounds);
    if (rc == RC_NOTFOUND) {
        *p = (struct position){.next = c->cfg.start_at_newest ? bounds.next : bounds.oldest};
        rc = save(c, partition, p, &why);
    }
    if (rc != RC_OK)
        return err_set(err, rc, "consumer %s: %s", c->cfg.ops->name, why.text);
    if (p->next > bounds.next)
        return err_set(err, RC_CORRUPT,
                       "consumer %s stands at offset %llu of partition %u, but the stream ends at "
                       "%llu: the stream is "
                       "older than the checkpoint",
                       c->cfg.ops->name, (unsigned long long)p->next, partition,
                       (unsigned long long)bounds.next);
    return stream_reader_open(c->cfg.stream, partition, p->next, &c->readers[partition], err);
}

static void apply_defaults(struct consumer_cfg *cfg)
{
    if (cfg->batch_records_max == 0)
        cfg->batch_records_max = RECORDS_DEFAULT;
    if (cfg->batch_bytes_max == 0)
        cfg->batch_bytes_max = BYTES_DEFAULT;
    if (cfg->linger_ms_max == 0)
        cfg->linger_ms_max = LINGER_DEFAULT_MS;
}

enum rc consumer_start(const struct consumer_cfg *cfg, struct consumer **ret_consumer,
                       struct err *err)
{
    TRY(os_mkdirs(cfg->dir, err));
    struct consumer *c = heap_alloc(HEAP_STREAM, sizeof(*c));
    c->cfg = *cfg;
    apply_defaults(&c->cfg);
    os_path(c->dir, "%s", cfg->dir);
    c->partitions = stream_partitions(cfg->stream);
    c->records = heap_alloc(HEAP_STREAM, c->cfg.batch_records_max * sizeof(*c->records));
    arena_init(&c->arena, ARENA_CHUNK, (size_t)1 << 36);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    enum rc rc = RC_OK;
    for (uint32_t p = 0; p < c->partitions && rc == RC_OK; p++)
        rc = open_partition(c, p, err);
    if (rc == RC_OK && pthread_create(&c->thread, NULL, consumer_main, c) != 0)
        rc = err_set(err, RC_NOMEM, "cannot start the thread of consumer %s", cfg->ops->name);
    if (rc != RC_OK) {
        consumer_free(c);
        return rc;
    }
    register_metrics(c);
    *ret_consumer = c;
    return RC_OK;
}

/* Waits on `changed` until the condition holds or the deadline passed; lock is held. */
static bool wait_for(struct consumer *c, const bool *condition, int64_t deadline_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += deadline_ms / 1000;
    until.tv_nsec += (deadline_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!*condition)
        if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
            return *condition;
    return true;
}

void consumer_stop(struct consumer *c, int64_t deadline_ms)
{
    unregister_metrics(c);
    atomic_store(&c->is_stopping, true);
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->changed);
    if (!wait_for(c, &c->has_ended, deadline_ms))
        atomic_store(&c->is_cancelled, true);
    pthread_mutex_unlock(&c->lock);
    /* A handler that does not come back in time holds the exit up: what it does may be half an
     * insert, and its own calls have time limits. */
    pthread_join(c->thread, NULL);
    consumer_free(c);
}

enum rc consumer_pause(struct consumer *c, int64_t deadline_ms)
{
    pthread_mutex_lock(&c->lock);
    c->is_pause_wanted = true;
    bool is_resting = wait_for(c, &c->is_resting, deadline_ms);
    if (!is_resting)
        c->is_pause_wanted = false;
    pthread_mutex_unlock(&c->lock);
    return is_resting ? RC_OK : RC_TIMEOUT;
}

void consumer_resume(struct consumer *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_pause_wanted = false;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

enum rc consumer_seek(struct consumer *c, uint32_t partition, uint64_t offset, struct err *err)
{
    must(partition < c->partitions);
    struct position to = {.next = offset};
    pthread_mutex_lock(&c->lock);
    bool is_resting = c->is_resting;
    pthread_mutex_unlock(&c->lock);
    if (!is_resting)
        return err_set(err, RC_CONFLICT, "consumer %s must rest before it is moved",
                       c->cfg.ops->name);
    TRY(save(c, partition, &to, err));
    pthread_mutex_lock(&c->lock);
    c->positions[partition] = to;
    pthread_mutex_unlock(&c->lock);
    return RC_OK;
}

uint64_t consumer_checkpoint(const struct consumer *c, uint32_t partition)
{
    struct consumer *self = (struct consumer *)(uintptr_t)c; /* the lock is no part of the value */
    must(partition < c->partitions);
    pthread_mutex_lock(&self->lock);
    uint64_t next = c->positions[partition].next;
    pthread_mutex_unlock(&self->lock);
    return next;
}

void consumer_status(const struct consumer *c, struct consumer_status *ret)
{
    struct consumer *self = (struct consumer *)(uintptr_t)c;
    mono_ns now = mono_now();
    *ret = (struct consumer_status){.lag_records = 0};
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < c->partitions; i++) {
        struct position *p = &self->positions[i];
        struct stream_bounds bounds;
        stream_bounds(c->cfg.stream, i, &bounds);
        bool is_behind = bounds.next > p->next;
        if (is_behind && !p->is_behind)
            p->behind_since = now;
        p->is_behind = is_behind;
        ret->lag_records += is_behind ? bounds.next - p->next : 0;
        if (is_behind && mono_diff_us(p->behind_since, now) / 1000 > ret->lag_ms)
            ret->lag_ms = mono_diff_us(p->behind_since, now) / 1000;
    }
    ret->processed = c->processed;
    ret->rejected = c->rejected_total;
    ret->retries = c->retries;
    ret->lost = c->lost;
    memcpy(ret->last_error, c->last_error, sizeof(ret->last_error));
    pthread_mutex_unlock(&self->lock);
}

const char *consumer_name(const struct consumer *c)
{
    return c->cfg.ops->name;
}
