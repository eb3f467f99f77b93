/* WHAT    Counters and samples of the edge, in memory until they are flushed into the stream.
 * WHY     A flood of bad requests must not cost more than good ones: a request that has nothing
 *         rejected does not come here; one that has costs a mutex that no other thread wants
 *         (threads are dealt over shards), and a sample only while there is room for it.
 * LAYOUT  shard   a table of counters, project × dialect × reason. Full: what does not fit is
 *                 counted for nobody, so that the sum stays right
 *         samples encoded as they come, on a lock-free list
 *         room    bytes that each project, and each reason of it, has had in this hour
 * THREADS count, has_room, keep, flush: any. */
#include <pthread.h>
#include <stdatomic.h>

#include "analytics/rejected/rejected_int.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum {
    SHARDS = 16,
    SLOTS = 512, /* of a shard; a power of two */
    CELLS_MAX = SLOTS / 2,
    ROOM_SLOTS = 1024, /* projects with samples in an hour; a power of two */
    MS_PER_HOUR = 3600000,
    LINES_BYTES_MAX = 16 << 20,
    RECORD_LINES_BYTES = 256 << 10, /* a record of counts is cut there */
    SAMPLE_BYTES_MAX = 2 << 20,     /* JSON in JSON may be several times what was sent */
    WAITING_BYTES_MAX = 16 << 20,   /* samples between two flushes */
    RECORDS_PER_APPEND = 16,
};
static const uint64_t bytes_per_hour = UINT64_C(64) << 20;
static const uint64_t project_bytes_per_hour = UINT64_C(16) << 20;

struct cell {
    struct uuid project;
    const char *dialect; /* NULL: free */
    enum rejected_reason reason;
    uint64_t events;
};
struct shard {
    pthread_mutex_t lock; /* guards what follows */
    uint32_t count;
    struct cell *cells; /* SLOTS; NULL until the first */
    /* What did not fit, by reason: nobody's, of no dialect. */
    uint64_t overflow[REJECTED_REASON_COUNT];
};
struct waiting { /* a sample */
    struct mpsc_node node;
    size_t bytes; /* of text, and what is taken off the room for waiting ones */
    char text[];
};
struct room {
    struct uuid project;
    bool is_used;
    uint64_t bytes, by_reason[REJECTED_REASON_COUNT];
};
struct rejected {
    struct rejected_cfg cfg;
    struct shard shards[SHARDS];
    struct mpsc samples;
    _Atomic int64_t waiting_bytes;
    pthread_mutex_t room_lock; /* guards what follows */
    int64_t hour;
    uint64_t hour_bytes;
    uint32_t room_count;
    struct room *rooms;         /* ROOM_SLOTS; NULL until the first */
    pthread_mutex_t flush_lock; /* guards what follows */
    struct buf lines;           /* counts that could not be written yet */
    struct mpsc_node *held;     /* samples, likewise */
    struct cell *merged;        /* SHARDS * CELLS_MAX */
};

/* ---- counting ---- */

static uint64_t mix(const struct uuid *project, uint64_t more)
{
    uint64_t word; /* the tail of a UUIDv7 is random */
    memcpy(&word, project->bytes + 8, sizeof(word));
    return (word ^ more * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
}

static struct shard *shard_of_thread(struct rejected *r)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number; /* 0 = not dealt yet */
    if (!number)
        number = 1 + atomic_fetch_add(&threads, 1);
    return &r->shards[number % SHARDS];
}

/* Under lock. NULL: full. */
static struct cell *cell_of(struct shard *s, const struct uuid *project, const char *dialect,
                            enum rejected_reason reason)
{
    if (!s->cells)
        s->cells = heap_alloc(HEAP_ANALYTICS, SLOTS * sizeof(*s->cells));
    uint64_t at = mix(project, (uint64_t)reason + (uintptr_t)dialect) >> 32;
    for (;; at++) {
        struct cell *c = &s->cells[at % SLOTS];
        if (!c->dialect && s->count == CELLS_MAX)
            return NULL;
        if (!c->dialect) {
            s->count++;
            *c = (struct cell){*project, dialect, reason, 0};
            return c;
        }
        if (c->reason == reason && c->dialect == dialect &&
            memcmp(&c->project, project, sizeof(*project)) == 0)
            return c;
    }
}

static void count(void *ctx, const struct uuid *project, const char *dialect,
                  enum rejected_reason reason, uint32_t events)
{
    static const struct uuid nobody;
    struct shard *s = shard_of_thread(ctx);
    pthread_mutex_lock(&s->lock);
    struct cell *c = cell_of(s, project ? project : &nobody, dialect, reason);
    if (c)
        c->events += events;
    else
        s->overflow[reason] += events;
    pthread_mutex_unlock(&s->lock);
}

/* ---- samples ---- */

/* Under lock. NULL: too many projects in this hour. */
static struct room *room_of(struct rejected *r, const struct uuid *project)
{
    for (uint64_t at = mix(project, 0) >> 32;; at++) {
        struct room *room = &r->rooms[at % ROOM_SLOTS];
        if (room->is_used && memcmp(&room->project, project, sizeof(*project)) == 0)
            return room;
        if (room->is_used)
            continue;
        if (r->room_count == ROOM_SLOTS / 2)
            return NULL;
        r->room_count++;
        *room = (struct room){.project = *project, .is_used = true};
        return room;
    }
}

/* Under lock. */
static void begin_hour(struct rejected *r)
{
    int64_t hour = unix_now().ms / MS_PER_HOUR;
    if (!r->rooms)
        r->rooms = heap_alloc(HEAP_ANALYTICS, ROOM_SLOTS * sizeof(*r->rooms));
    if (hour == r->hour)
        return;
    memset(r->rooms, 0, ROOM_SLOTS * sizeof(*r->rooms));
    r->room_count = 0;
    r->hour_bytes = 0;
    r->hour = hour;
}

static bool has_room(void *ctx, const struct uuid *project, enum rejected_reason reason,
                     size_t bytes)
{
    static const struct uuid nobody;
    struct rejected *r = ctx;
    uint64_t most = r->cfg.project_bytes_per_hour_max;
    if (atomic_load(&r->waiting_bytes) > WAITING_BYTES_MAX)
        return false;
    pthread_mutex_lock(&r->room_lock);
    begin_hour(r);
    struct room *room = room_of(r, project ? project : &nobody);
    bool is_fine = room && r->hour_bytes + bytes <= r->cfg.bytes_per_hour_max &&
                   room->bytes + bytes <= most && room->by_reason[reason] + bytes <= most / 2;
    if (is_fine) {
        r->hour_bytes += bytes;
        room->bytes += bytes;
        room->by_reason[reason] += bytes;
    }
    pthread_mutex_unlock(&r->room_lock);
    return is_fine;
}

static void keep(void *ctx, const struct rejected_sample *sample)
{
    struct rejected *r = ctx;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, SAMPLE_BYTES_MAX);
    rejected_put_sample(&text, sample, 1);
    struct waiting *w =
        buf_ok(&text) ? heap_try_alloc(HEAP_ANALYTICS, sizeof(*w) + text.len) : NULL;
    if (!w)
        return; /* it is counted */
    w->bytes = text.len;
    memcpy(w->text, text.data, text.len);
    atomic_fetch_add(&r->waiting_bytes, (int64_t)w->bytes);
    mpsc_push(&r->samples, &w->node);
}

struct rejected_sink rejected_sink(struct rejected *r)
{
    return (struct rejected_sink){.ctx = r, .count = count, .has_room = has_room, .keep = keep};
}

/* ---- flushing ---- */

static uint32_t merge_cells(struct cell *to, uint32_t n, const struct shard *s)
{
    for (uint32_t i = 0; s->cells && i < SLOTS; i++)
        if (s->cells[i].dialect)
            to[n++] = s->cells[i];
    return n;
}

/* Of all shards; equal ones stay apart, as the store adds them up. */
static uint32_t take_counts(struct rejected *r)
{
    static const struct uuid nobody;
    uint32_t n = 0;
    unix_ms minute = rejected_minute(unix_now());
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &r->shards[i];
        uint64_t overflow[REJECTED_REASON_COUNT];
        pthread_mutex_lock(&s->lock);
        n = merge_cells(r->merged, n, s);
        if (s->cells && s->count)
            memset(s->cells, 0, SLOTS * sizeof(*s->cells));
        s->count = 0;
        memcpy(overflow, s->overflow, sizeof(overflow));
        memset(s->overflow, 0, sizeof(s->overflow));
        pthread_mutex_unlock(&s->lock);
        for (unsigned reason = 0; reason < REJECTED_REASON_COUNT; reason++)
            if (overflow[reason])
                rejected_put_count(&r->lines, &nobody, minute, SLICE_EMPTY,
                                   (enum rejected_reason)reason, overflow[reason]);
    }
    for (uint32_t i = 0; i < n; i++)
        rejected_put_count(&r->lines, &r->merged[i].project, minute,
                           slice_str(r->merged[i].dialect), r->merged[i].reason,
                           r->merged[i].events);
    return n;
}

static enum rc append(struct rejected *r, struct stream_record *records, uint32_t n,
                      struct err *err)
{
    enum rc rc = n ? stream_append_wait(r->cfg.stream, records, n) : RC_OK;
    return rc == RC_OK
               ? rc
               : err_set(err, rc, "what was rejected could not be written down: %s", rc_text(rc));
}

/* Up to the last line end within RECORD_LINES_BYTES. */
static struct slice cut_record(struct slice *rest)
{
    size_t len = rest->len < RECORD_LINES_BYTES ? rest->len : RECORD_LINES_BYTES;
    while (rest->data[len - 1] != '\n')
        len--;
    struct slice part = slice_of(rest->data, len);
    *rest = slice_sub(*rest, len);
    return part;
}

/* All of it in one append of one partition: at once or not at all. */
static enum rc write_counts(struct rejected *r, struct err *err)
{
    enum { RECORDS_MAX = LINES_BYTES_MAX / (RECORD_LINES_BYTES / 2) };
    struct stream_record records[RECORDS_MAX];
    uint32_t n = 0;
    struct slice rest = buf_slice(&r->lines);
    memset(records, 0, sizeof(records));
    for (; rest.len && n < RECORDS_MAX; n++)
        records[n] = (struct stream_record){.key = SLICE_LIT(REJECTED_KEY_COUNTS),
                                            .value = cut_record(&rest)};
    TRY(append(r, records, n, err));
    buf_clear(&r->lines);
    return RC_OK;
}

static void take_samples(struct rejected *r)
{
    struct mpsc_node **end = &r->held;
    while (*end)
        end = &(*end)->next;
    *end = mpsc_take_all(&r->samples);
}

static enum rc write_samples(struct rejected *r, struct err *err)
{
    while (r->held) {
        struct stream_record records[RECORDS_PER_APPEND];
        struct mpsc_node *node = r->held;
        uint32_t n = 0;
        size_t bytes = 0;
        memset(records, 0, sizeof(records));
        while (node && n < RECORDS_PER_APPEND) {
            struct waiting *w = CONTAINER_OF(node, struct waiting, node);
            if (n && bytes + w->bytes > STREAM_APPEND_BYTES_MAX / 4)
                break;
            bytes += w->bytes;
            records[n++] = (struct stream_record){.key = SLICE_LIT(REJECTED_KEY_SAMPLE),
                                                  .value = slice_of(w->text, w->bytes)};
            node = node->next;
        }
        TRY(append(r, records, n, err));
        while (n--) {
            struct waiting *w = CONTAINER_OF(r->held, struct waiting, node);
            r->held = r->held->next;
            heap_free(w);
        }
        atomic_fetch_sub(&r->waiting_bytes, (int64_t)bytes);
    }
    return RC_OK;
}

static enum rc flush_all(struct rejected *r, struct err *err)
{
    bool is_waiting = r->lines.len > 0; /* the one before failed: nothing is added to it */
    if (!is_waiting)
        IGNORE(take_counts(r), "zero is fine");
    if (!buf_ok(&r->lines)) {
        log_warn("there is no memory for counts of what was rejected: they are lost");
        buf_clear(&r->lines);
    }
    TRY(write_counts(r, err));
    take_samples(r);
    return write_samples(r, err);
}

enum rc rejected_flush(struct rejected *r, struct err *err)
{
    pthread_mutex_lock(&r->flush_lock);
    enum rc rc = flush_all(r, err);
    pthread_mutex_unlock(&r->flush_lock);
    return rc;
}

/* ---- life ---- */

struct rejected *rejected_new(const struct rejected_cfg *cfg)
{
    must(cfg->stream);
    struct rejected *r = heap_alloc(HEAP_ANALYTICS, sizeof(*r));
    r->cfg = *cfg;
    if (!r->cfg.bytes_per_hour_max)
        r->cfg.bytes_per_hour_max = bytes_per_hour;
    if (!r->cfg.project_bytes_per_hour_max)
        r->cfg.project_bytes_per_hour_max = project_bytes_per_hour;
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&r->shards[i].lock, NULL);
    pthread_mutex_init(&r->room_lock, NULL);
    pthread_mutex_init(&r->flush_lock, NULL);
    buf_init(&r->lines, LINES_BYTES_MAX);
    r->merged = heap_alloc(HEAP_ANALYTICS, SHARDS * CELLS_MAX * sizeof(*r->merged));
    return r;
}

void rejected_free(struct rejected *r)
{
    if (!r)
        return;
    take_samples(r);
    while (r->held) {
        struct waiting *w = CONTAINER_OF(r->held, struct waiting, node);
        r->held = r->held->next;
        heap_free(w);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        heap_free(r->shards[i].cells);
        pthread_mutex_destroy(&r->shards[i].lock);
    }
    pthread_mutex_destroy(&r->room_lock);
    pthread_mutex_destroy(&r->flush_lock);
    heap_free(r->rooms);
    heap_free(r->merged);
    buf_done(&r->lines);
    heap_free(r);
}

void rejected_stream_settings(struct stream_cfg *cfg)
{
    cfg->name = "rejected";
    cfg->partitions = 1;
    cfg->segment_bytes_max = UINT64_C(16) << 20;
    cfg->retention_ms = UINT64_C(24) * MS_PER_HOUR;
    cfg->retention_bytes = 0;
}
