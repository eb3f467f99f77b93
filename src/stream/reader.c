/* WHAT        Readers, bounds, waiting, the look-up by time.
 * WHY         A reader has a descriptor of its own for the segment it is in: retention may
 *             delete the file beside it, and thousands of sealed segments cost no descriptor. It
 *             asks under the mutex how far the segment is readable, once per batch at the end of
 *             what it knows, never per record.
 * INVARIANTS  Nothing is returned that is not synced; every batch is checked (checksum, chain,
 *             offset) before a record of it is handed out.
 * THREADS     A reader belongs to one thread; any number of readers run beside the committer. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/heap.h"
#include "base/must.h"
#include "stream/stream_int.h"

struct stream_reader {
    struct stream *s;
    uint32_t partition;
    uint64_t offset; /* of the next record to return */
    int fd;          /* -1: not in a segment */
    struct disk_segment_header header;
    uint64_t pos, limit;  /* next batch; readable end of the segment */
    bool is_sealed;       /* the limit is final */
    uint64_t sealed_next; /* what its seal says follows; 0: not known */
    bool has_chain;       /* prev_crc is known (not after a jump by index) */
    uint32_t prev_crc;
    uint64_t rewrites; /* s->rewrites when the segment was entered */
    struct piece w;
    const char *at, *end;  /* the rest of the batch under way */
    uint64_t batch_offset; /* of the record at `at` */
    int64_t batch_time_ms;
    uint32_t left;
};

const char *stream_name(const struct stream *s)
{
    return s->name;
}

uint32_t stream_partitions(const struct stream *s)
{
    return s->cfg.partitions;
}

bool stream_is_halted(const struct stream *s)
{
    return atomic_load(&s->is_halted);
}

void stream_on_halt(struct stream *s, void (*halted)(void *ctx, const struct err *why), void *ctx)
{
    s->halted = halted;
    s->halted_ctx = ctx;
}

/* The mutex guards what the object shows; taking it changes nothing that a const caller could see.
 */
static struct stream *unconst(const struct stream *s)
{
    /* cppcheck-suppress CastIntegerToAddressAtReturn */
    return __extension__(struct stream *)(uintptr_t) s;
}

const struct segment *segment_find(const struct partition *p, uint64_t offset)
{
    size_t low = 0, high = p->segments_n;
    while (low < high) { /* first segment that ends behind the offset */
        size_t mid = low + (high - low) / 2;
        if (p->segments[mid].next <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->segments_n ? &p->segments[low] : NULL;
}

static void bounds_locked(const struct partition *p, struct stream_bounds *ret)
{
    *ret = (struct stream_bounds){0};
    if (p->segments_n == 0)
        return;
    const struct segment *first = &p->segments[0];
    ret->next = p->segments[p->segments_n - 1].next;
    ret->oldest = first->base;
    ret->oldest_time.ms = first->first_time_ms;
}

void stream_bounds(const struct stream *s, uint32_t partition, struct stream_bounds *ret)
{
    must(partition < s->cfg.partitions);
    pthread_mutex_t *mutex = &unconst(s)->mutex;
    pthread_mutex_lock(mutex);
    bounds_locked(&s->partitions[partition], ret);
    pthread_mutex_unlock(mutex);
}

bool stream_wait(struct stream *s, uint32_t partition, uint64_t offset, int64_t timeout_ms)
{
    must(partition < s->cfg.partitions);
    const struct partition *p = &s->partitions[partition];
    int64_t deadline_ns = mono_add_ms(mono_now(), timeout_ms).ns;
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000,
                                .tv_nsec = deadline_ns % 1000000000};
    struct stream_bounds b;
    int r = 0;
    pthread_mutex_lock(&s->mutex);
    s->waiters++;
    for (;;) {
        bounds_locked(p, &b);
        if (b.next > offset || s->is_interrupted || r == ETIMEDOUT)
            break;
        r = pthread_cond_timedwait(&s->readable, &s->mutex, &deadline);
    }
    s->waiters--;
    pthread_mutex_unlock(&s->mutex);
    return b.next > offset;
}

void stream_interrupt(struct stream *s)
{
    pthread_mutex_lock(&s->mutex);
    s->is_interrupted = true;
    pthread_cond_broadcast(&s->readable);
    pthread_mutex_unlock(&s->mutex);
}

/* ---- reader ---- */

enum rc stream_reader_open(struct stream *s, uint32_t partition, uint64_t offset,
                           struct stream_reader **ret_reader, struct err *err)
{
    ENSURE(partition < s->cfg.partitions,
           err_set(err, RC_NOTFOUND, "stream %s has no partition %u", s->name, partition));
    struct stream_reader *r = heap_try_alloc(HEAP_STREAM, sizeof(*r));
    if (!r)
        return err_set(err, RC_NOMEM, "no memory for a reader");
    r->s = s;
    r->partition = partition;
    r->offset = offset;
    r->fd = -1;
    *ret_reader = r;
    return RC_OK;
}

static void leave_segment(struct stream_reader *r)
{
    os_close(r->fd);
    r->fd = -1;
    r->left = 0;
    r->w.len = 0;
}

void stream_reader_close(struct stream_reader *r)
{
    if (!r)
        return;
    os_close(r->fd);
    piece_done(&r->w);
    heap_free(r);
}

void stream_reader_rest(struct stream_reader *r)
{
    if (!r->left) /* else the records to come lie in it */
        piece_done(&r->w);
}

uint64_t stream_reader_offset(const struct stream_reader *r)
{
    return r->offset;
}

void stream_reader_seek(struct stream_reader *r, uint64_t offset)
{
    leave_segment(r);
    r->offset = offset;
}

static enum rc corrupt_here(const struct stream_reader *r, const char *why, struct err *err)
{
    char path[OS_PATH_MAX];
    segment_path(path, r->s->dir, r->partition, r->header.base_offset);
    return corrupt_segment(err, path, r->pos, why);
}

/* Where to start in a sealed segment; without a usable seal, at its beginning. */
static uint64_t sealed_position(struct stream_reader *r, const char *path)
{
    struct scan sc;
    uint64_t position = SECTOR_BYTES;
    if (r->offset > r->header.base_offset && segment_load_seal(r->fd, path, &sc, NULL) == RC_OK) {
        position = index_position_of_offset(&sc.index, r->offset);
        if (position < SECTOR_BYTES || position % SECTOR_BYTES || position > r->limit)
            position = SECTOR_BYTES;
        scan_done(&sc);
    }
    return position;
}

/* RC_AGAIN: `seg` told of a file that was sealed and replaced meanwhile. */
static enum rc open_segment(struct stream_reader *r, const struct segment *seg, uint64_t position,
                            struct err *err)
{
    char path[OS_PATH_MAX];
    size_t got;
    segment_path(path, r->s->dir, r->partition, seg->base);
    r->rewrites = atomic_load(&r->s->rewrites);
    TRY(os_open(path, O_RDONLY, &r->fd, err));
    enum rc rc = os_pread(r->fd, &r->header, sizeof(r->header), 0, &got, err);
    if (rc == RC_OK) {
        const char *why = got < sizeof(r->header) ? "it is shorter than its header"
                                                  : segment_header_check(&r->header);
        if (!why && r->header.base_offset != seg->base)
            why = "its header belongs to another place";
        if (why)
            rc = corrupt_segment(err, path, 0, why);
        else if (!seg->is_sealed && r->header.crc != seg->header_crc)
            rc = err_set(err, RC_AGAIN, "%s was replaced", path);
    }
    /* Of a sealed one the file itself tells: it may have been replaced since the list was asked. */
    r->limit = seg->bytes;
    if (rc == RC_OK && seg->is_sealed)
        rc = os_size(r->fd, &r->limit, err);
    if (rc != RC_OK) {
        leave_segment(r);
        return rc;
    }
    r->is_sealed = seg->is_sealed;
    r->sealed_next = seg->next;
    r->pos = seg->is_sealed ? sealed_position(r, path) : position;
    r->has_chain = r->pos == SECTOR_BYTES;
    r->prev_crc = r->header.crc;
    return RC_OK;
}

/* RC_END, RC_NOTFOUND, or in a segment at or before the offset. */
static enum rc enter_segment(struct stream_reader *r, uint64_t *ret_oldest, struct err *err)
{
    struct stream *s = r->s;
    const struct partition *p = &s->partitions[r->partition];
    for (int tries = 0;; tries++) {
        struct segment seg = {0};
        struct stream_bounds b;
        uint64_t position = SECTOR_BYTES;
        pthread_mutex_lock(&s->mutex);
        bounds_locked(p, &b);
        const struct segment *found = segment_find(p, r->offset);
        if (found) {
            seg = *found;
            if (!seg.is_sealed)
                position = index_position_of_offset(&p->index, r->offset);
        }
        pthread_mutex_unlock(&s->mutex);
        if (r->offset < b.oldest) {
            *ret_oldest = b.oldest;
            return err_set(err, RC_NOTFOUND,
                           "offset %llu fell out of retention, the oldest held is %llu",
                           (unsigned long long)r->offset, (unsigned long long)b.oldest);
        }
        if (!found || r->offset >= b.next)
            return RC_END;
        if (r->offset < seg.base)
            r->offset = seg.base; /* a gap that truncate-tail left */
        enum rc rc = open_segment(r, &seg, position, err);
        if (rc != RC_NOTFOUND && (rc != RC_AGAIN || tries > 8))
            return rc;
        if (rc == RC_NOTFOUND && (s->cfg.read_only || tries > 8)) {
            /* The writer beside us dropped it. */
            *ret_oldest = seg.next;
            return rc;
        }
    }
}

/* A sealed segment that ends before the offset its seal names would be found and entered again for
 * ever. */
static enum rc end_of_sealed(struct stream_reader *r, struct err *err)
{
    if (r->offset < r->sealed_next)
        return corrupt_here(r, "it ends before the offset that its seal names", err);
    leave_segment(r);
    return RC_END;
}

/* At the end of what was known: RC_OK if there is more in this segment, RC_END if not (now, or
 * never: then the segment is left). */
static enum rc more_in_segment(struct stream_reader *r, struct err *err)
{
    struct stream *s = r->s;
    if (r->is_sealed)
        return end_of_sealed(r, err);
    const struct partition *p = &s->partitions[r->partition];
    bool is_held = false;
    /* What the window holds behind the old limit was read before it was written. */
    piece_cut(&r->w, r->limit);
    pthread_mutex_lock(&s->mutex);
    for (size_t i = p->segments_n; i-- > 0 && !is_held;) {
        const struct segment *seg = &p->segments[i];
        if (seg->base == r->header.base_offset) {
            is_held = true;
            r->limit = seg->bytes;
            r->is_sealed = seg->is_sealed;
            r->sealed_next = seg->next;
        }
    }
    pthread_mutex_unlock(&s->mutex);
    if (!is_held) { /* dropped since: so it was sealed, and is whole */
        r->is_sealed = true;
        r->sealed_next = 0;
    }
    if (r->is_sealed) /* the list may tell of a file that has replaced this one */
        TRY(os_size(r->fd, &r->limit, err));
    if (r->pos < r->limit)
        return RC_OK;
    return r->is_sealed ? end_of_sealed(r, err) : RC_END;
}

static enum rc next_batch(struct stream_reader *r, struct err *err)
{
    const char *data;
    struct disk_batch_header h;
    enum rc rc = piece_get(&r->w, r->fd, r->pos, sizeof(h), &data, err);
    if (rc == RC_END)
        return corrupt_here(r, "the file is shorter than what was synced", err);
    TRY(rc);
    memcpy(&h, data, sizeof(h));
    if (!batch_header_is_good(&h, r->header.salt))
        return corrupt_here(r, "no valid batch header", err);
    if (r->has_chain && h.prev_crc != r->prev_crc)
        return corrupt_here(r, "a batch does not follow the one before it", err);
    if (h.kind == BATCH_SEAL) {
        r->pos = r->limit;
        return RC_OK;
    }
    rc = piece_get(&r->w, r->fd, r->pos, sizeof(h) + h.payload_bytes, &data, err);
    if (rc == RC_END)
        return corrupt_here(r, "the file is shorter than what was synced", err);
    TRY(rc);
    if (!batch_payload_is_good(&h, r->header.salt, data + sizeof(h)))
        return corrupt_here(r, "the checksum of a batch is wrong", err);
    r->at = data + sizeof(h);
    r->end = r->at + h.payload_bytes;
    r->left = h.count;
    r->batch_offset = h.base_offset;
    r->batch_time_ms = h.time_ms;
    r->prev_crc = h.crc;
    r->has_chain = true;
    r->pos += batch_span(h.payload_bytes);
    if (h.base_offset + h.count <= r->offset)
        r->left = 0; /* before the offset wanted: no need to walk it */
    return RC_OK;
}

enum rc stream_reader_next(struct stream_reader *r, struct stream_record *ret, struct err *err)
{
    if (r->fd >= 0 && atomic_load(&r->s->rewrites) != r->rewrites)
        leave_segment(r); /* what is in memory of it may have been erased */
    for (;;) {
        while (r->left) {
            if (!record_decode(&r->at, r->end, r->batch_time_ms, ret))
                return corrupt_here(r, "the records of a batch are malformed", err);
            r->left--;
            ret->offset = r->batch_offset++;
            ret->partition = r->partition;
            if (ret->offset < r->offset)
                continue;
            r->offset = ret->offset + 1;
            return RC_OK;
        }
        if (r->fd < 0) {
            enum rc rc = enter_segment(r, &ret->offset, err);
            if (rc != RC_OK)
                return rc;
        }
        if (r->pos >= r->limit) {
            enum rc rc = more_in_segment(r, err);
            if (rc == RC_END && r->fd < 0)
                continue; /* into the next one */
            if (rc != RC_OK)
                return rc;
        }
        TRY(next_batch(r, err));
    }
}

/* ---- by time ---- */

/* The first segment with a record at or after t; false if there is none. */
static bool find_by_time(struct stream *s, uint32_t partition, int64_t t, struct segment *ret_seg,
                         uint64_t *ret_position, uint64_t *ret_next)
{
    const struct partition *p = &s->partitions[partition];
    bool is_found = false;
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < p->segments_n && !is_found; i++) {
        const struct segment *seg = &p->segments[i];
        if (seg->next > seg->base && seg->last_time_ms >= t) {
            *ret_seg = *seg;
            is_found = true;
        }
    }
    if (is_found && !ret_seg->is_sealed)
        *ret_position = index_position_of_time(&p->index, t);
    struct stream_bounds b;
    bounds_locked(p, &b);
    *ret_next = b.next;
    pthread_mutex_unlock(&s->mutex);
    return is_found;
}

enum rc stream_offset_at(const struct stream *cs, uint32_t partition, unix_ms t,
                         uint64_t *ret_offset, struct err *err)
{
    struct stream *s = unconst(cs);
    struct segment seg = {0};
    struct stream_reader *r = NULL;
    uint64_t position = SECTOR_BYTES, next;
    must(partition < s->cfg.partitions);
    TRY(stream_reader_open(s, partition, 0, &r, err));
    must(r);
    enum rc rc = RC_AGAIN;
    for (int tries = 0; rc == RC_AGAIN && tries < 8; tries++) {
        if (!find_by_time(s, partition, t.ms, &seg, &position, &next)) {
            stream_reader_close(r);
            *ret_offset = next;
            return RC_OK;
        }
        stream_reader_seek(r, seg.base);
        rc = open_segment(r, &seg, position, err);
    }
    if (rc == RC_OK && seg.is_sealed) {
        char path[OS_PATH_MAX];
        struct scan sc;
        segment_path(path, s->dir, partition, seg.base);
        if (segment_load_seal(r->fd, path, &sc, NULL) == RC_OK) {
            position = index_position_of_time(&sc.index, t.ms);
            if (position % SECTOR_BYTES == 0 && position < r->limit)
                r->pos = position;
            scan_done(&sc);
        }
        r->has_chain = false;
    }
    struct stream_record rec = {0};
    while (rc == RC_OK) {
        rc = stream_reader_next(r, &rec, err);
        if (rc == RC_OK && rec.time.ms >= t.ms)
            break;
    }
    stream_reader_close(r);
    if (rc == RC_NOTFOUND) { /* dropped while we looked: what is left is all newer */
        struct stream_bounds b;
        stream_bounds(s, partition, &b);
        *ret_offset = b.oldest;
        return RC_OK;
    }
    if (rc == RC_END) {
        *ret_offset = next;
        return RC_OK;
    }
    TRY(rc);
    *ret_offset = rec.offset;
    return RC_OK;
}
