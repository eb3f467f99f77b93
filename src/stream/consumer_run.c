/* WHAT        The consumer's thread: which partition next, collecting a batch, handing it out,
 *             moving on.
 * WHY         A batch is: intent written durably → handler → checkpoint written durably. The
 *             handler's token names the range, so a range that may have taken effect must come
 *             again exactly as it was: the intent stands until the checkpoint replaces it, and
 *             while it stands nothing else of its partition is handed out. Two durable writes
 *             per batch are the price; batches are large. A partition whose handler fails waits
 *             by itself (backoff); the others go on.
 * INVARIANTS  cp.next only grows (but for consumer_seek). cp.first == the first record handed
 *             out. */
#include "stream/consumer_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "stream/stream_int.h"

enum { IDLE_EVERY_MS = 1000, BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 30000 };

static void note_failure(struct consumer *c, struct lane *l, const struct err *err)
{
    pthread_mutex_lock(&c->lock);
    c->retries++;
    snprintf(c->last_error, sizeof(c->last_error), "%.199s", err->text);
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->m_retries, 1);
    if (!l)
        return;
    l->backoff_ms = l->backoff_ms ? l->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (l->backoff_ms > BACKOFF_MAX_MS)
        l->backoff_ms = BACKOFF_MAX_MS;
    /* Half to one and a half of it, so that many consumers of one sick store do not come together.
     */
    int64_t wait_ms = l->backoff_ms / 2 + (int64_t)(random_u64() % (uint64_t)l->backoff_ms);
    l->retry_at = mono_add_ms(mono_now(), wait_ms);
}

static void note_lost(struct consumer *c, uint64_t count)
{
    pthread_mutex_lock(&c->lock);
    c->lost += count;
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->m_lost, (int64_t)count);
}

/* ---- collecting ---- */

static void batch_clear(struct consumer *c)
{
    arena_reset(&c->arena);
    c->count = c->rejected_n = 0;
    c->bytes = 0;
}

static bool batch_reserve(struct consumer *c)
{
    if (c->count < c->cap)
        return true;
    uint32_t cap = c->cap ? c->cap * 2 : 1024;
    struct stream_record *moved = heap_try_resize(c->records, HEAP_STREAM, cap * sizeof(*moved));
    if (!moved)
        return false;
    c->records = moved;
    c->cap = cap;
    return true;
}

static struct slice copy_part(char **to, struct slice part)
{
    struct slice copy = slice_of(*to, part.len);
    if (part.len)
        memcpy(*to, part.data, part.len);
    *to += part.len;
    return copy;
}

static bool batch_add(struct consumer *c, const struct stream_record *r)
{
    size_t size = record_bytes(r);
    char *copy = batch_reserve(c) ? arena_alloc(&c->arena, size ? size : 1) : NULL;
    if (!copy)
        return false;
    struct stream_record *to = &c->records[c->count++];
    *to = *r;
    to->key = copy_part(&copy, r->key);
    to->headers = copy_part(&copy, r->headers);
    to->value = copy_part(&copy, r->value);
    c->bytes += size;
    return true;
}

static bool is_full(const struct consumer *c, const struct stream_record *r)
{
    return c->count && (c->count >= c->cfg.batch_records_max ||
                        c->bytes + record_bytes(r) > c->cfg.batch_bytes_max);
}

/* From the reader's place up to `last`; a repeated range (is_whole) ignores the limits, which may
 * have been set smaller since. */
static enum rc collect(struct consumer *c, struct lane *l, uint64_t last, bool is_whole,
                       struct err *err)
{
    for (;;) {
        struct stream_record r;
        uint64_t at = stream_reader_offset(l->reader);
        if (at > last)
            return RC_OK;
        enum rc rc = stream_reader_next(l->reader, &r, err);
        if (rc == RC_END)
            return RC_OK;
        if (rc == RC_NOTFOUND) { /* retention was quicker */
            if (c->count && !is_whole)
                return RC_OK;
            uint64_t to = is_whole && r.offset > last + 1 ? last + 1 : r.offset;
            note_lost(c, to - at);
            stream_reader_seek(l->reader, to);
            continue;
        }
        TRY(rc);
        if (r.offset > last || (!is_whole && is_full(c, &r))) {
            stream_reader_seek(l->reader, r.offset);
            return RC_OK;
        }
        if (!batch_add(c, &r)) {
            stream_reader_seek(l->reader, r.offset);
            if (c->count && !is_whole) {
                c->arena.is_failed = false;
                return RC_OK;
            }
            return err_set(err, RC_NOMEM, "no memory for a batch");
        }
    }
}

/* ---- handing out ---- */

static enum rc save(struct consumer *c, struct lane *l, const struct checkpoint *cp,
                    struct err *err)
{
    return checkpoint_save(c->dir, (uint32_t)(l - c->lanes), c->cfg.stream->id, cp, err);
}

static enum rc hand_out(struct consumer *c, struct lane *l, bool is_repeat, struct err *err)
{
    struct consumer_batch b = {
        .stream = stream_name(c->cfg.stream),
        .partition = (uint32_t)(l - c->lanes),
        .first = l->cp.first,
        .last = l->cp.last,
        .records = c->records,
        .count = c->count,
        .is_repeat = is_repeat,
    };
    snprintf(b.token, sizeof(b.token), "%s/%u/%llu-%llu", b.stream, b.partition,
             (unsigned long long)b.first, (unsigned long long)b.last);
    enum rc rc = c->cfg.ops->process(c->cfg.ctx, c, &b, err);
    if (rc == RC_INVALID && c->rejected_n)
        rc = dead_bury(c, &b, &l->cp, err);
    if (rc != RC_OK && err->rc == RC_OK)
        IGNORE(err_set(err, rc, "%s failed: %s", c->cfg.ops->name, rc_text(rc)), "noted by caller");
    return rc;
}

static void note_waiting(struct consumer *c, struct lane *l, int64_t since_ms)
{
    pthread_mutex_lock(&c->lock);
    l->is_waiting = true;
    l->since_ms = since_ms;
    pthread_mutex_unlock(&c->lock);
}

static enum rc intent_write(struct consumer *c, struct lane *l, struct err *err)
{
    struct checkpoint cp = {
        .next = l->cp.next,
        .has_intent = true,
        .first = c->records[0].offset,
        .last = c->records[c->count - 1].offset,
    };
    dead_note_bounds(c, &cp);
    TRY(save(c, l, &cp, err));
    pthread_mutex_lock(&c->lock);
    l->cp = cp;
    pthread_mutex_unlock(&c->lock);
    l->was_tried = false;
    return RC_OK;
}

static enum rc checkpoint_move(struct consumer *c, struct lane *l, struct err *err)
{
    struct checkpoint cp = {.next = l->cp.last + 1};
    TRY(save(c, l, &cp, err));
    pthread_mutex_lock(&c->lock);
    l->cp = cp;
    l->is_waiting = false;
    c->processed += c->count - c->rejected_n;
    c->rejected_total += c->rejected_n;
    c->last_error[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    metric_add(&c->m_processed, c->count - c->rejected_n);
    metric_add(&c->m_rejected, c->rejected_n);
    return RC_OK;
}

/* One batch of one partition. RC_END: there was nothing. */
static enum rc lane_step(struct consumer *c, struct lane *l, struct err *err)
{
    bool is_repeat = l->cp.has_intent;
    batch_clear(c);
    uint64_t from = is_repeat ? l->cp.first : l->cp.next;
    if (stream_reader_offset(l->reader) != from)
        stream_reader_seek(l->reader, from);
    TRY(collect(c, l, is_repeat ? l->cp.last : UINT64_MAX - 1, is_repeat, err));
    if (is_repeat && stream_reader_offset(l->reader) <= l->cp.last)
        return err_set(err, RC_CORRUPT,
                       "partition %u ends at %llu, before the batch %llu-%llu that was under way: "
                       "records that had been durable are gone",
                       (unsigned)(l - c->lanes),
                       (unsigned long long)stream_reader_offset(l->reader),
                       (unsigned long long)l->cp.first, (unsigned long long)l->cp.last);
    if (c->count == 0 && !is_repeat) {
        ENSURE(stream_reader_offset(l->reader) > from, RC_END);
        l->cp.first = from; /* all of it was lost: only move on */
        l->cp.last = stream_reader_offset(l->reader) - 1;
        return checkpoint_move(c, l, err);
    }
    if (c->count)
        note_waiting(c, l, c->records[0].time.ms);
    if (!is_repeat)
        TRY(intent_write(c, l, err));
    if (c->count) {
        bool was_tried = l->was_tried || is_repeat;
        l->was_tried = true;
        TRY(hand_out(c, l, was_tried, err));
    }
    return checkpoint_move(c, l, err);
}

/* ---- what is next ---- */

static uint64_t lane_backlog(struct consumer *c, const struct lane *l)
{
    struct stream_bounds b;
    stream_bounds(c->cfg.stream, (uint32_t)(l - c->lanes), &b);
    return b.next > l->cp.next ? b.next - l->cp.next : 0;
}

static bool lane_is_due(const struct lane *l)
{
    return l->backoff_ms == 0 || !mono_is_before(mono_now(), l->retry_at);
}

/* Sleeps on what other threads tell this one (stop, pause), not on appends. */
static void sleep_until(struct consumer *c, mono_ns until)
{
    struct timespec ts = {.tv_sec = until.ns / 1000000000, .tv_nsec = until.ns % 1000000000};
    pthread_mutex_lock(&c->lock);
    while (!consumer_is_wanted_elsewhere(c))
        if (pthread_cond_timedwait(&c->changed, &c->lock, &ts) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&c->lock);
}

static mono_ns earlier(mono_ns a, mono_ns b)
{
    return mono_is_before(a, b) ? a : b;
}

/* Until a partition that is not backing off has something, or a backoff ends, or `until`. Every
 * commit of the stream wakes it, once: the linger that follows does not listen to commits. */
static void wait_for_work(struct consumer *c, mono_ns until)
{
    struct stream *s = c->cfg.stream;
    for (uint32_t i = 0; i < c->partitions; i++)
        if (c->lanes[i].backoff_ms)
            until = earlier(until, c->lanes[i].retry_at);
    struct timespec ts = {.tv_sec = until.ns / 1000000000, .tv_nsec = until.ns % 1000000000};
    int r = 0;
    bool is_ready = false;
    pthread_mutex_lock(&s->mutex);
    s->waiters++;
    while (!is_ready && r != ETIMEDOUT && !consumer_is_wanted_elsewhere(c)) {
        for (uint32_t i = 0; i < c->partitions && !is_ready; i++) {
            const struct partition *p = &s->partitions[i];
            is_ready = c->lanes[i].backoff_ms == 0 &&
                       p->segments[p->segments_n - 1].next > c->lanes[i].cp.next;
        }
        if (!is_ready)
            r = pthread_cond_timedwait(&s->readable, &s->mutex, &ts);
    }
    s->waiters--;
    pthread_mutex_unlock(&s->mutex);
}

/* True if some partition has work now; the backlog of all that are due in *ret_backlog. */
static bool look(struct consumer *c, uint64_t *ret_backlog, bool *ret_has_repeat)
{
    *ret_backlog = 0;
    *ret_has_repeat = false;
    for (uint32_t i = 0; i < c->partitions; i++) {
        struct lane *l = &c->lanes[i];
        uint64_t backlog = lane_backlog(c, l);
        if (backlog && !l->is_waiting)
            note_waiting(c, l, unix_now().ms);
        if (!lane_is_due(l))
            continue;
        *ret_backlog += backlog;
        *ret_has_repeat |= l->cp.has_intent;
    }
    return *ret_backlog || *ret_has_repeat;
}

static void round_of_lanes(struct consumer *c)
{
    for (uint32_t i = 0; i < c->partitions && !consumer_is_wanted_elsewhere(c); i++) {
        struct lane *l = &c->lanes[i];
        struct err err = ERR_INIT;
        if (!lane_is_due(l))
            continue;
        enum rc rc = lane_step(c, l, &err);
        if (rc == RC_OK || rc == RC_END)
            l->backoff_ms = 0;
        else
            note_failure(c, l, &err);
    }
    batch_clear(c);
}

/* A backlog's batches were large; the next one may be far away. */
static void give_back(struct consumer *c)
{
    enum { KEEP_RECORDS = 8192 };
    if (c->cap <= KEEP_RECORDS)
        return;
    arena_done(&c->arena);
    heap_free(take_ptr(&c->records));
    c->cap = c->count = 0;
    for (uint32_t i = 0; i < c->partitions; i++)
        stream_reader_rest(c->lanes[i].reader);
    heap_trim();
}

static void call_idle(struct consumer *c, mono_ns *next_idle)
{
    struct err err = ERR_INIT;
    if (mono_is_before(mono_now(), *next_idle))
        return;
    *next_idle = mono_add_ms(mono_now(), IDLE_EVERY_MS);
    if (c->cfg.ops->idle && c->cfg.ops->idle(c->cfg.ctx, c, &err) != RC_OK)
        note_failure(c, NULL, &err);
}

static void rest(struct consumer *c)
{
    pthread_mutex_lock(&c->lock);
    while (atomic_load(&c->is_pause_wanted) && !atomic_load(&c->is_stopping)) {
        c->is_resting = true;
        pthread_cond_broadcast(&c->changed);
        pthread_cond_wait(&c->changed, &c->lock);
    }
    c->is_resting = false;
    pthread_mutex_unlock(&c->lock);
}

void *consumer_run(void *consumer)
{
    struct consumer *c = consumer;
    os_thread_name(c->cfg.ops->name);
    os_thread_nice(c->cfg.nice);
    mono_ns next_idle = mono_add_ms(mono_now(), IDLE_EVERY_MS);
    while (!atomic_load(&c->is_stopping)) {
        uint64_t backlog;
        bool has_repeat;
        rest(c);
        if (!look(c, &backlog, &has_repeat)) {
            give_back(c);
            call_idle(c, &next_idle);
            mono_ns far = mono_add_ms(mono_now(), 60000);
            wait_for_work(c, c->cfg.ops->idle ? next_idle : far);
            continue;
        }
        if (!has_repeat && backlog < c->cfg.batch_records_max && c->cfg.linger_ms_max)
            sleep_until(c, mono_add_ms(mono_now(), c->cfg.linger_ms_max));
        round_of_lanes(c);
    }
    pthread_mutex_lock(&c->lock);
    c->has_ended = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}
