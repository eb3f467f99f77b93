/* WHAT    The readers of live.h: one thread per partition of the stream.
 * WHY     A record is read and made into text once, however many listen; without listeners the
 *         threads wait and cost nothing.
 * INVARIANTS  place.next[p] is the offset behind the last record that was handed out, and moves
 *         under the lock together with the handing out. So whoever is listed gets exactly what lies
 *         behind the place that it saw when it was.
 * THREADS the readers; live_past_read on the worker pool, with readers of its own. */
#include "analytics/live/live_int.h"

#include "base/log.h"
#include "base/must.h"

enum { WAIT_MS = 500, ARENA_BYTES_MAX = 2 << 20 };

struct reading {
    struct arena scratch;
    struct buf text;
};

static void reading_init(struct reading *r)
{
    arena_init(&r->scratch, 64 * 1024, ARENA_BYTES_MAX);
    buf_init(&r->text, LIVE_EVENT_BYTES_MAX);
}

static void reading_done(struct reading *r)
{
    arena_done(&r->scratch);
    buf_done(&r->text);
}

void live_post(struct live_listener *l)
{
    if (l->is_posted)
        return;
    l->is_posted = true;
    net_loop_post(l->net->loop, &l->task);
}

static void hand_to(struct live_listener *l, struct slice text)
{
    if (l->is_overflow)
        return;
    if (l->waiting.len + text.len > LIVE_WAITING_BYTES_MAX)
        l->is_overflow = true;
    else
        buf_add_slice(&l->waiting, text);
    live_post(l);
}

/* Under the lock. */
static void hand_out(struct live *live, struct reading *r, const struct stream_record *record)
{
    bool is_made = false, is_event = false;
    for (struct live_listener *l = live->first; l; l = l->next) {
        if (!live_key_is_of(record->key, l->project))
            continue;
        if (!is_made) {
            arena_reset(&r->scratch);
            buf_clear(&r->text);
            is_event = live_event_text(record->value, &live->place, &r->scratch, &r->text);
            is_made = true;
        }
        if (is_event)
            hand_to(l, buf_slice(&r->text));
    }
}

static void take_record(struct live_tail *t, struct reading *r, const struct stream_record *record)
{
    struct live *live = t->live;
    pthread_mutex_lock(&live->lock);
    live->place.next[t->partition] = record->offset + 1;
    hand_out(live, r, record);
    pthread_mutex_unlock(&live->lock);
}

/* False: somebody who listens would miss what is not there any more; they all learn it by the next
 * id alone, as this reader is behind retention only if it stood still for hours. */
static void skip_lost(struct live_tail *t, struct stream_reader *reader, uint64_t oldest)
{
    struct live *live = t->live;
    stream_reader_seek(reader, oldest);
    pthread_mutex_lock(&live->lock);
    live->place.next[t->partition] = oldest;
    for (struct live_listener *l = live->first; l; l = l->next) {
        l->is_overflow = true;
        live_post(l);
    }
    pthread_mutex_unlock(&live->lock);
}

static bool is_wanted(struct live_tail *t)
{
    struct live *live = t->live;
    pthread_mutex_lock(&live->lock);
    bool is = live->first && !live->is_ending;
    if (!is)
        t->is_reading = false;
    pthread_mutex_unlock(&live->lock);
    return is;
}

/* Until nobody listens. */
static void read_on(struct live_tail *t, struct reading *r, struct stream_reader *reader)
{
    struct stream *events = t->live->cfg.events;
    struct err err = ERR_INIT;
    uint32_t count = 0;
    for (;;) {
        struct stream_record record;
        enum rc rc = stream_reader_next(reader, &record, &err);
        if (rc == RC_OK)
            take_record(t, r, &record);
        else if (rc == RC_NOTFOUND)
            skip_lost(t, reader, record.offset);
        else if (rc != RC_END)
            log_error("the live view cannot read the stream", LOG_ERR(&err));
        bool is_end = rc != RC_OK && rc != RC_NOTFOUND;
        if (is_end)
            IGNORE(stream_wait(events, t->partition, stream_reader_offset(reader), WAIT_MS),
                   "looked at anew");
        if ((is_end || ++count % 1024 == 0) && !is_wanted(t))
            return;
        if (rc != RC_OK && rc != RC_NOTFOUND && rc != RC_END)
            sleep_ms(WAIT_MS);
    }
}

/* False: the end. */
static bool wait_for_listeners(struct live_tail *t, uint64_t *ret_offset)
{
    struct live *live = t->live;
    pthread_mutex_lock(&live->lock);
    while (!t->is_reading && !live->is_ending)
        pthread_cond_wait(&live->wanted, &live->lock);
    bool goes_on = !live->is_ending;
    *ret_offset = live->place.next[t->partition];
    pthread_mutex_unlock(&live->lock);
    return goes_on;
}

static void *tail_main(void *arg)
{
    struct live_tail *t = arg;
    uint64_t offset;
    struct reading r;
    reading_init(&r);
    while (wait_for_listeners(t, &offset)) {
        struct stream_reader *reader;
        struct err err = ERR_INIT;
        if (stream_reader_open(t->live->cfg.events, t->partition, offset, &reader, &err) == RC_OK) {
            read_on(t, &r, reader);
            stream_reader_close(reader);
        } else {
            log_error("the live view cannot read the stream", LOG_ERR(&err));
            sleep_ms(WAIT_MS);
            IGNORE(is_wanted(t), "looked at above");
        }
    }
    reading_done(&r);
    return NULL;
}

void live_tails_wake(struct live *live)
{
    for (uint32_t p = 0; p < live->place.count; p++) {
        struct stream_bounds bounds;
        if (live->tails[p].is_reading)
            continue;
        stream_bounds(live->cfg.events, p, &bounds);
        live->place.next[p] = bounds.next;
        live->tails[p].is_reading = true;
    }
    pthread_cond_broadcast(&live->wanted);
}

enum rc live_tails_start(struct live *live, struct err *err)
{
    live->place.count = stream_partitions(live->cfg.events);
    ENSURE(
        live->place.count <= LIVE_PARTITIONS_MAX,
        err_set(err, RC_LIMIT, "the live view reads at most %d partitions", LIVE_PARTITIONS_MAX));
    for (uint32_t p = 0; p < live->place.count; p++) {
        struct live_tail *t = &live->tails[p];
        t->live = live;
        t->partition = p;
        if (pthread_create(&t->thread, NULL, tail_main, t) != 0)
            return err_set(err, RC_NOMEM, "cannot start a thread");
        t->is_started = true;
    }
    return RC_OK;
}

void live_tails_stop(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->is_ending = true;
    pthread_cond_broadcast(&live->wanted);
    pthread_mutex_unlock(&live->lock);
    for (uint32_t p = 0; p < live->place.count; p++)
        if (live->tails[p].is_started)
            pthread_join(live->tails[p].thread, NULL);
}

/* ---- the past of one listener ---- */
/* Up to l->from; false: not all of it could be had. */
static bool read_past(struct live_listener *l, struct reading *r, struct live_place *place,
                      uint32_t p, uint32_t *left)
{
    struct stream_reader *reader;
    struct stream_record record;
    struct err err = ERR_INIT;
    if (place->next[p] > l->from.next[p])
        return false; /* of another stream */
    if (stream_reader_open(l->live->cfg.events, p, place->next[p], &reader, &err) != RC_OK)
        return false;
    bool ok = true;
    while (ok && place->next[p] < l->from.next[p]) {
        ok = *left > 0 && stream_reader_next(reader, &record, &err) == RC_OK;
        if (!ok || record.offset >= l->from.next[p])
            break;
        --*left;
        place->next[p] = record.offset + 1;
        if (!live_key_is_of(record.key, l->project))
            continue;
        arena_reset(&r->scratch);
        buf_clear(&r->text);
        if (!live_event_text(record.value, place, &r->scratch, &r->text))
            continue;
        ok = l->past.len + r->text.len <= LIVE_WAITING_BYTES_MAX;
        if (ok)
            buf_add_slice(&l->past, buf_slice(&r->text));
    }
    stream_reader_close(reader);
    return ok;
}

void live_past_read(struct live_listener *l)
{
    struct live_place place = l->resume;
    uint32_t left = LIVE_RESUME_RECORDS_MAX;
    struct reading r;
    reading_init(&r);
    for (uint32_t p = 0; p < place.count; p++)
        if (!read_past(l, &r, &place, p, &left))
            l->is_gap = true;
    reading_done(&r);
}
