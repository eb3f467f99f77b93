/* WHAT        Erasing records out of sealed segments, and rolling, which makes all that is there
 *             sealed.
 * WHY         A stream that only appends can still forget: a segment is written anew beside
 *             itself, with an empty record (a tombstone) in the place of each that is to go, and
 *             takes the old one's name in one rename. Offsets, times and batches stay, so nobody's
 *             checkpoint, token or lag notices. The order of the steps:
 *               1  copy, under a salt of its own, so that no block of the old file validates in it
 *               2  fsync of the copy
 *               3  the copy is read back and compared with the old file, record by record
 *               4  rename, sync of the folder
 *               5  the list; readers see that they have to look anew
 *             Before 4 a crash leaves the old file (and a *.tmp, which the next start removes),
 *             behind it the new one. Both are whole segments of the same offsets.
 * FAILURES    Up to 3: the copy goes, nothing has changed. A folder that could not be synced behind
 *             the rename leaves open which of the two the disk has: the stream halts, as it does
 *             wherever durability is in doubt.
 * INVARIANTS  A record that is not wanted is in the new file byte for byte, or the rename does not
 *             happen.
 * THREADS     One caller at a time, beside everything else. s->files keeps retention from removing
 *             the name that is about to be given to the copy. */
#include <fcntl.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "stream/stream_int.h"

/* ---- rolling ---- */

enum rc stream_roll(struct stream *s, uint64_t ret_before[STREAM_PARTITIONS_MAX], struct err *err)
{
    must(!s->cfg.read_only);
    struct err why;
    pthread_mutex_lock(&s->mutex);
    uint64_t ticket = atomic_fetch_add(&s->rolls_wanted, 1) + 1;
    committer_wake(s);
    while (s->rolls_done < ticket)
        pthread_cond_wait(&s->readable, &s->mutex);
    why = s->roll_err;
    for (uint32_t i = 0; i < s->cfg.partitions; i++) {
        const struct partition *p = &s->partitions[i];
        const struct segment *last = &p->segments[p->segments_n - 1];
        ret_before[i] = last->is_sealed ? last->next : last->base;
    }
    pthread_mutex_unlock(&s->mutex);
    if (why.rc != RC_OK && err)
        *err = why;
    return why.rc;
}

/* ---- walking over the batches of a sealed segment ---- */

struct walk {
    int fd;
    const char *path;
    struct disk_segment_header header;
    struct scan seal; /* what the seal says */
    struct piece w;
    uint64_t pos, next;
    uint32_t prev_crc;
};

static void walk_done(struct walk *w)
{
    os_closep(&w->fd);
    piece_done(&w->w);
    scan_done(&w->seal);
}

static enum rc walk_open(struct walk *w, const char *path, struct err *err)
{
    *w = (struct walk){.fd = -1, .path = path};
    TRY(os_open(path, O_RDONLY, &w->fd, err));
    enum rc rc = segment_load_seal(w->fd, path, &w->seal, err);
    if (rc == RC_NOTFOUND)
        return corrupt_segment(err, path, 0, "a segment in the middle has no valid seal");
    TRY(rc);
    w->header = w->seal.header;
    w->pos = SECTOR_BYTES;
    w->next = w->header.base_offset;
    w->prev_crc = w->header.crc;
    return RC_OK;
}

static void walk_rewind(struct walk *w)
{
    w->pos = SECTOR_BYTES;
    w->next = w->header.base_offset;
    w->prev_crc = w->header.crc;
}

/* The next batch of data; its payload is valid until the next call. RC_END: the seal. */
static enum rc walk_next(struct walk *w, struct disk_batch_header *ret_h, const char **ret_payload,
                         struct err *err)
{
    for (;;) {
        const char *data = NULL;
        enum rc rc = piece_get(&w->w, w->fd, w->pos, sizeof(*ret_h), &data, err);
        if (rc == RC_OK) {
            memcpy(ret_h, data, sizeof(*ret_h));
            if (!batch_header_is_good(ret_h, w->header.salt) || ret_h->prev_crc != w->prev_crc ||
                ret_h->base_offset != w->next)
                return corrupt_segment(err, w->path, w->pos,
                                       "no batch that follows the one before");
            rc = piece_get(&w->w, w->fd, w->pos, sizeof(*ret_h) + ret_h->payload_bytes, &data, err);
        }
        if (rc == RC_END)
            return corrupt_segment(err, w->path, w->pos, "the file is shorter than its seal says");
        TRY(rc);
        *ret_payload = data + sizeof(*ret_h);
        if (!batch_payload_is_good(ret_h, w->header.salt, *ret_payload))
            return corrupt_segment(err, w->path, w->pos, "the checksum of a batch is wrong");
        if (ret_h->kind == BATCH_SEAL)
            return w->next == w->seal.next
                       ? RC_END
                       : corrupt_segment(err, w->path, w->pos, "the seal tells of other offsets");
        w->prev_crc = ret_h->crc;
        w->pos += batch_span(ret_h->payload_bytes);
        if (ret_h->kind == BATCH_MARK)
            continue;
        w->next += ret_h->count;
        return RC_OK;
    }
}

/* ---- which records go ---- */

struct eraser {
    struct stream *s;
    const struct stream_erase *what;
    struct walk old, copy;
    struct segment segment;
    char path[OS_PATH_MAX], temp[OS_PATH_MAX];
    uint64_t records; /* wanted ones of this segment */
    /* of the copy while it is written */
    int fd;
    struct active a;
    struct index index;
    struct buf out;
};

static bool is_going(const struct eraser *e, const struct stream_record *r)
{
    return r->offset < e->what->before && !stream_record_is_erased(r) &&
           e->what->is_wanted(e->what->ctx, r);
}

struct records { /* of one batch */
    const char *at, *end;
    uint64_t offset;
    int64_t time_ms;
    uint32_t left, partition;
};

static struct records records_of(const struct eraser *e, const struct disk_batch_header *h,
                                 const char *payload)
{
    return (struct records){.at = payload,
                            .end = payload + h->payload_bytes,
                            .offset = h->base_offset,
                            .time_ms = h->time_ms,
                            .left = h->count,
                            .partition = e->what->partition};
}

/* RC_END behind the last; *ret_raw: its bytes as they stand there. */
static enum rc records_next(struct records *rs, const struct walk *w, struct stream_record *ret,
                            struct slice *ret_raw, struct err *err)
{
    const char *from = rs->at;
    if (rs->left == 0)
        return rs->at == rs->end
                   ? RC_END
                   : corrupt_segment(err, w->path, w->pos, "bytes follow the records of a batch");
    if (!record_decode(&rs->at, rs->end, rs->time_ms, ret))
        return corrupt_segment(err, w->path, w->pos, "the records of a batch are malformed");
    rs->left--;
    ret->offset = rs->offset++;
    ret->partition = rs->partition;
    *ret_raw = slice_of(from, (size_t)(rs->at - from));
    return RC_OK;
}

static enum rc give_up_if_asked(const struct eraser *e, struct err *err)
{
    if (e->what->gives_up && e->what->gives_up(e->what->ctx))
        return err_set(err, RC_CLOSED, "stopped");
    return RC_OK;
}

static enum rc count_wanted(struct eraser *e, struct err *err)
{
    struct disk_batch_header h = {0};
    const char *payload = NULL;
    enum rc rc;
    while ((rc = walk_next(&e->old, &h, &payload, err)) == RC_OK) {
        struct records rs = records_of(e, &h, payload);
        struct stream_record r = {0};
        struct slice raw = SLICE_EMPTY;
        TRY(give_up_if_asked(e, err));
        while ((rc = records_next(&rs, &e->old, &r, &raw, err)) == RC_OK)
            e->records += is_going(e, &r);
        if (rc != RC_END)
            return rc;
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- the copy ---- */

static enum rc put(struct eraser *e, const void *data, size_t n, struct err *err)
{
    TRY(os_write_all(e->fd, data, n, err));
    e->a.size += n;
    e->a.synced = e->a.size; /* what counts is the sync of the whole, before it has a name */
    return RC_OK;
}

static enum rc begin_copy(struct eraser *e, struct err *err)
{
    struct disk_segment_header h = e->old.header;
    TRY(os_open(e->temp, O_RDWR | O_CREAT | O_TRUNC, &e->fd, err));
    e->s->env.random(e->s->env.ctx, h.salt, sizeof(h.salt));
    segment_header_finish(&h);
    e->a = (struct active){.fd = e->fd,
                           .header = h,
                           .next = h.base_offset,
                           .prev_crc = h.crc,
                           .first_time_ms = e->old.seal.first_time_ms,
                           .last_time_ms = e->old.seal.last_time_ms};
    return put(e, &h, sizeof(h), err);
}

static enum rc copy_records(struct eraser *e, const struct disk_batch_header *h,
                            const char *payload, struct err *err)
{
    struct records rs = records_of(e, h, payload);
    struct stream_record r = {0};
    struct slice raw = SLICE_EMPTY;
    enum rc rc;
    while ((rc = records_next(&rs, &e->old, &r, &raw, err)) == RC_OK) {
        char tombstone[RECORD_HEAD_MAX];
        if (is_going(e, &r)) {
            size_t n = record_encode(tombstone, &(struct stream_record){.offset = r.offset});
            raw = slice_of(tombstone, n);
        }
        buf_add_slice(&e->out, raw);
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc copy_batch(struct eraser *e, const struct disk_batch_header *from,
                          const char *payload, struct err *err)
{
    static const char zeros[SECTOR_BYTES];
    struct disk_batch_header h = *from;
    buf_clear(&e->out);
    buf_add(&e->out, zeros, sizeof(h));
    TRY(copy_records(e, from, payload, err));
    size_t len = e->out.len;
    buf_add(&e->out, zeros, (size_t)sector_up(len) - len);
    if (!buf_ok(&e->out))
        return err_set(err, RC_NOMEM, "no memory to write %s", e->temp);
    h.prev_crc = e->a.prev_crc;
    h.payload_bytes = (uint32_t)(len - sizeof(h));
    h.synced_to = e->a.size;
    batch_finish(&h, e->a.header.salt, e->out.data + sizeof(h));
    memcpy(e->out.data, &h, sizeof(h));
    index_add(&e->index, h.base_offset, h.time_ms, e->a.size);
    e->a.prev_crc = h.crc;
    e->a.next += h.count;
    e->a.records += h.count;
    TRY(put(e, e->out.data, e->out.len, err));
    e->a.data_end = e->a.size;
    return RC_OK;
}

static enum rc end_copy(struct eraser *e, struct err *err)
{
    uint32_t crc;
    if (e->a.data_end == 0)
        e->a.data_end = e->a.size;
    buf_clear(&e->out);
    enum rc rc = segment_seal_encode(&e->a, &e->index, &e->out, &crc);
    if (rc != RC_OK)
        return err_set(err, rc, "no memory to write %s", e->temp);
    TRY(put(e, e->out.data, e->out.len, err));
    return os_fsync(e->fd, err);
}

static enum rc write_copy(struct eraser *e, struct err *err)
{
    struct disk_batch_header h = {0};
    const char *payload = NULL;
    enum rc rc;
    walk_rewind(&e->old);
    TRY(begin_copy(e, err));
    while ((rc = walk_next(&e->old, &h, &payload, err)) == RC_OK) {
        TRY(give_up_if_asked(e, err));
        TRY(copy_batch(e, &h, payload, err));
    }
    if (rc != RC_END)
        return rc;
    return end_copy(e, err);
}

/* ---- is it what it has to be? ---- */

static enum rc differs(const struct eraser *e, struct err *err)
{
    return err_set(err, RC_CORRUPT,
                   "%s: what was written differs from what was to be kept; nothing was changed",
                   e->temp);
}

static enum rc compare_batches(const struct eraser *e, struct records *was, struct records *is,
                               uint64_t *gone, struct err *err)
{
    struct stream_record a = {0}, b = {0};
    struct slice raw_a = SLICE_EMPTY, raw_b = SLICE_EMPTY;
    enum rc rc;
    while ((rc = records_next(was, &e->old, &a, &raw_a, err)) == RC_OK) {
        TRY(records_next(is, &e->copy, &b, &raw_b, err));
        bool goes = is_going(e, &a);
        *gone += goes;
        if (a.offset != b.offset || a.time.ms != b.time.ms ||
            (goes ? !stream_record_is_erased(&b) : !slice_eq(raw_a, raw_b)))
            return differs(e, err);
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc compare(struct eraser *e, struct err *err)
{
    struct disk_batch_header was = {0}, is = {0};
    const char *payload_was = NULL, *payload_is = NULL;
    uint64_t gone = 0;
    enum rc rc;
    TRY(walk_open(&e->copy, e->temp, err));
    walk_rewind(&e->old);
    while ((rc = walk_next(&e->old, &was, &payload_was, err)) == RC_OK) {
        TRY(walk_next(&e->copy, &is, &payload_is, err));
        if (was.base_offset != is.base_offset || was.count != is.count || was.time_ms != is.time_ms)
            return differs(e, err);
        struct records a = records_of(e, &was, payload_was), b = records_of(e, &is, payload_is);
        TRY(compare_batches(e, &a, &b, &gone, err));
    }
    if (rc != RC_END)
        return rc;
    if (walk_next(&e->copy, &is, &payload_is, err) != RC_END || gone != e->records ||
        e->copy.seal.next != e->old.seal.next || e->copy.seal.records != e->old.seal.records ||
        e->copy.seal.first_time_ms != e->old.seal.first_time_ms ||
        e->copy.seal.last_time_ms != e->old.seal.last_time_ms)
        return differs(e, err);
    return RC_OK;
}

/* ---- its place ---- */

static struct segment *find_locked(struct eraser *e)
{
    struct partition *p = &e->s->partitions[e->what->partition];
    for (size_t i = 0; i < p->segments_n; i++)
        if (p->segments[i].base == e->segment.base)
            return &p->segments[i];
    return NULL;
}

static bool is_held(struct eraser *e)
{
    pthread_mutex_lock(&e->s->mutex);
    bool is_held = find_locked(e) != NULL;
    pthread_mutex_unlock(&e->s->mutex);
    return is_held;
}

static void publish(struct eraser *e)
{
    pthread_mutex_lock(&e->s->mutex);
    struct segment *seg = find_locked(e);
    must(seg && seg->is_sealed); /* s->files is held */
    seg->bytes = e->a.size;
    seg->header_crc = e->a.header.crc;
    atomic_fetch_add(&e->s->rewrites, 1);
    pthread_mutex_unlock(&e->s->mutex);
}

/* *ret_is_done false: it fell out of retention meanwhile. */
static enum rc take_place(struct eraser *e, bool *ret_is_done, struct err *err)
{
    struct err own = ERR_INIT;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&e->s->files);
    *ret_is_done = is_held(e);
    if (*ret_is_done) {
        rc = os_rename_durable(e->temp, e->path, &own);
        if (!os_exists(e->temp))
            publish(e);
        if (rc != RC_OK && !os_exists(e->temp))
            rc = stream_halt(e->s, &own, rc);
    }
    pthread_mutex_unlock(&e->s->files);
    if (rc != RC_OK && err)
        *err = own;
    return rc;
}

static enum rc replace(struct eraser *e, struct stream_erased *ret, struct err *err)
{
    bool is_done = false;
    struct err gone = ERR_INIT;
    enum rc rc = write_copy(e, err);
    if (rc == RC_OK)
        rc = compare(e, err);
    if (rc == RC_OK)
        rc = take_place(e, &is_done, err);
    if (rc != RC_OK || !is_done)
        IGNORE(os_unlink_durable(e->temp, &gone), "the next start removes it");
    if (rc == RC_OK && is_done) {
        ret->records += e->records;
        ret->segments++;
        ret->bytes_before += e->old.seal.file_bytes;
        ret->bytes_after += e->a.size;
    }
    return rc;
}

static void eraser_done(struct eraser *e)
{
    walk_done(&e->old);
    walk_done(&e->copy);
    os_closep(&e->fd);
    index_done(&e->index);
    buf_done(&e->out);
}

static enum rc erase_segment(struct stream *s, const struct stream_erase *what,
                             const struct segment *seg, struct stream_erased *ret, struct err *err)
{
    struct eraser e = {
        .s = s, .what = what, .segment = *seg, .old = {.fd = -1}, .copy = {.fd = -1}, .fd = -1};
    segment_path(e.path, s->dir, what->partition, seg->base);
    os_path(e.temp, "%s.tmp", e.path);
    buf_init(&e.out, (size_t)BATCH_PAYLOAD_MAX + 2 * sizeof(struct disk_batch_header) +
                         (size_t)INDEX_ENTRIES_MAX * sizeof(struct disk_index_entry) +
                         SECTOR_BYTES);
    enum rc rc = walk_open(&e.old, e.path, err);
    if (rc == RC_OK)
        rc = count_wanted(&e, err);
    if (rc == RC_OK && e.records && what->is_dry_run) {
        ret->records += e.records;
        ret->segments++;
        ret->bytes_before += e.old.seal.file_bytes;
    } else if (rc == RC_OK && e.records) {
        rc = replace(&e, ret, err);
    } else if (rc == RC_NOTFOUND && !is_held(&e)) {
        rc = RC_OK; /* retention was quicker */
    }
    eraser_done(&e);
    return rc;
}

enum rc stream_erase(struct stream *s, const struct stream_erase *what, struct stream_erased *ret,
                     struct err *err)
{
    CLEANUP(heap_freep) struct segment *list = NULL;
    size_t n = 0;
    must(!s->cfg.read_only && what->partition < s->cfg.partitions);
    *ret = (struct stream_erased){0};
    TRY(segments_copy(s, what->partition, &list, &n, err));
    for (size_t i = 0; i < n && list[i].base < what->before; i++) {
        if (!list[i].is_sealed && list[i].next > list[i].base)
            return err_set(err, RC_AGAIN, "offset %llu of partition %u is not sealed yet",
                           (unsigned long long)list[i].base, what->partition);
        if (atomic_load(&s->is_halted))
            return err_set(err, RC_HALTED, "the stream is halted");
        if (!what->is_dry_run && atomic_load(&s->is_below_floor))
            return err_set(err, RC_NOSPACE, "there is too little space to write a segment anew");
        if (list[i].is_sealed)
            TRY(erase_segment(s, what, &list[i], ret, err));
    }
    return RC_OK;
}
