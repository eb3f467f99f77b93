/* WHAT     For the operator: read every byte of a stream folder, and cut a damaged one.
 * WHY      Opening trusts the seals of finished segments; this does not. truncate-tail never
 *          throws bytes away (they stay beside it as *.cut), and never lets an offset be used
 *          twice: the records that were there may have been processed, so the next segment
 *          begins behind the highest offset that any surviving header tells, and readers step
 *          over the gap.
 * THREADS  None. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "stream/stream_int.h"

struct walk {
    struct stream *s; /* meta only */
    const char *dir;
    void (*report)(void *ctx, const char *line);
    void *ctx;
};

static void say(const struct walk *w, const char *path, const struct scan *sc)
{
    char line[OS_PATH_MAX + 200];
    if (!w->report)
        return;
    snprintf(line, sizeof(line), "%s: offsets %llu-%llu, %llu records, %llu bytes, %s%s%s", path,
             (unsigned long long)sc->header.base_offset, (unsigned long long)sc->next,
             (unsigned long long)sc->records, (unsigned long long)sc->end,
             sc->is_sealed ? "sealed" : "active", sc->is_damaged ? ", DAMAGED: " : "",
             sc->is_damaged ? sc->why : "");
    w->report(w->ctx, line);
}

/* What is wrong with this segment in its place; NULL if nothing. */
static const char *judge(const struct stream *s, uint32_t partition, uint64_t base, bool is_last,
                         const struct scan *sc, bool has_before, uint64_t next_before)
{
    if (sc->header.partition != partition || sc->header.base_offset != base ||
        memcmp(sc->header.stream_id, s->id, sizeof(s->id)) != 0)
        return "its header belongs to another stream or place";
    if (has_before && sc->header.prev_next_offset != next_before)
        return "a segment before this one is missing";
    if (sc->is_damaged && (!is_last || sc->is_damage_acked))
        return sc->why;
    if (!is_last && !sc->is_sealed)
        return "a segment in the middle has no valid seal";
    if (sc->is_sealed && sc->end != sc->file_bytes)
        return "bytes follow the seal";
    return NULL;
}

static enum rc scan_path(const char *path, struct scan *ret_scan, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(os_open(path, O_RDONLY, &fd, err));
    return segment_scan(fd, path, UINT64_MAX, ret_scan, err);
}

static enum rc verify_partition(const struct walk *w, uint32_t partition, struct err *err)
{
    uint64_t *bases, next = 0;
    size_t n;
    bool has_before = false;
    TRY(segment_list(w->dir, partition, &bases, &n, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        char path[OS_PATH_MAX];
        struct scan sc;
        segment_path(path, w->dir, partition, bases[i]);
        rc = scan_path(path, &sc, err);
        if (rc == RC_NOTFOUND && !has_before) {
            rc = RC_OK; /* dropped by the running writer */
            continue;
        }
        if (rc != RC_OK)
            break;
        say(w, path, &sc);
        const char *why = judge(w->s, partition, bases[i], i + 1 == n, &sc, has_before, next);
        if (why)
            rc = corrupt_segment(err, path, sc.end, why);
        next = sc.next;
        has_before = true;
        scan_done(&sc);
    }
    heap_free(bases);
    return rc;
}

enum rc stream_verify(const char *dir, void (*report)(void *ctx, const char *line), void *ctx,
                      struct err *err)
{
    CLEANUP(heap_freep) struct stream *s = heap_alloc(HEAP_STREAM, sizeof(*s));
    struct walk w = {s, dir, report, ctx};
    TRY(meta_read(dir, s, err));
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        TRY(verify_partition(&w, i, err));
    return RC_OK;
}

/* ---- truncate-tail ---- */

struct damage {
    size_t segment;           /* index of the first bad segment */
    uint64_t at;              /* byte in it; 0: the whole file */
    uint64_t next;            /* offset behind the last good record */
    uint64_t known;           /* highest next offset told by anything readable */
    uint64_t bytes;           /* of the bad segment's file */
    int64_t time_ms;          /* of the last good record */
    bool is_found, is_sealed; /* is_sealed: the last good segment has its seal */
};

static enum rc find_damage(const struct stream *s, const char *dir, uint32_t partition,
                           const uint64_t *bases, size_t n, struct damage *d, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        char path[OS_PATH_MAX];
        struct scan sc = {0};
        enum rc rc = scan_path(segment_path(path, dir, partition, bases[i]), &sc, err);
        if (rc != RC_OK && rc != RC_CORRUPT)
            return rc;
        if (bases[i] > d->known)
            d->known = bases[i];
        if (rc == RC_OK && sc.next_known > d->known)
            d->known = sc.next_known;
        const char *why = rc == RC_CORRUPT
                              ? "bad header"
                              : judge(s, partition, bases[i], i + 1 == n, &sc, i > 0, d->next);
        bool is_torn = rc == RC_OK && sc.is_damaged; /* cut even what opening would cut itself */
        if (!d->is_found && (why || is_torn)) {
            bool is_whole_file =
                rc == RC_CORRUPT || !(is_torn || (why && !sc.is_sealed && i + 1 < n));
            d->is_found = true;
            d->segment = i;
            d->at = is_whole_file ? 0 : sc.end;
            d->bytes = sc.file_bytes;
            if (!is_whole_file) {
                d->next = sc.next;
                d->time_ms = sc.last_time_ms;
                d->is_sealed = false;
            }
        } else if (!d->is_found) {
            d->next = sc.next;
            d->time_ms = sc.last_time_ms;
            d->is_sealed = sc.is_sealed;
        }
        scan_done(&sc);
    }
    return RC_OK;
}

static enum rc set_aside(const char *path, uint64_t *cut_bytes, struct err *err)
{
    char to[OS_PATH_MAX];
    CLEANUP(os_closep) int fd = -1;
    uint64_t bytes;
    TRY(os_open(path, O_RDONLY, &fd, err));
    TRY(os_size(fd, &bytes, err));
    *cut_bytes += bytes;
    return os_rename_durable(path, os_path(to, "%s.%08x.cut", path, (unsigned)random_u64()), err);
}

static enum rc cut_file(const char *path, uint64_t at, uint64_t *cut_bytes, struct err *err)
{
    char to[OS_PATH_MAX];
    CLEANUP(os_closep) int in = -1;
    CLEANUP(os_closep) int out = -1;
    CLEANUP(heap_freep) char *block = heap_alloc(HEAP_STREAM, 1 << 20);
    os_path(to, "%s.%08x.cut", path, (unsigned)random_u64());
    TRY(os_open(path, O_RDWR, &in, err));
    TRY(os_open(to, O_WRONLY | O_CREAT | O_EXCL, &out, err));
    for (uint64_t from = at;;) {
        size_t got;
        TRY(os_pread(in, block, 1 << 20, from, &got, err));
        if (got == 0)
            break;
        TRY(os_write_all(out, block, got, err));
        from += got;
        *cut_bytes += got;
    }
    TRY(os_fsync(out, err));
    TRY(os_truncate(in, at, err));
    return os_fsync(in, err);
}

static enum rc cut_partition(const char *dir, uint32_t partition, const uint64_t *bases, size_t n,
                             const struct damage *d, uint64_t *ret_cut, struct err *err)
{
    char path[OS_PATH_MAX];
    /* Last first: a crash in between leaves a chain that still ends in the damage. */
    for (size_t i = n; i-- > d->segment + (d->at ? 1 : 0);)
        TRY(set_aside(segment_path(path, dir, partition, bases[i]), ret_cut, err));
    if (d->at)
        TRY(cut_file(segment_path(path, dir, partition, bases[d->segment]), d->at, ret_cut, err));
    return RC_OK;
}

/* What follows the cut begins behind every offset that was ever given, as far as anything tells:
 * the cut segment is sealed and an empty one with the gap in its header stands behind it. */
static enum rc leave_gap(struct stream *s, uint32_t partition, const uint64_t *bases,
                         const struct damage *d, struct err *err)
{
    size_t left = d->segment + (d->at ? 1 : 0);
    struct partition *p = &s->partitions[partition];
    p->next = d->next;
    if (left) {
        TRY(segment_load_last(s, partition, bases[left - 1], err));
        if (p->a.fd >= 0 && d->known > d->next)
            TRY(segment_seal(s, p, err));
        if (p->a.fd >= 0)
            return RC_OK; /* nothing was given out behind the cut */
    }
    return segment_start(s, partition, d->known, left ? d->next : d->known, err);
}

enum rc stream_truncate_tail(const char *dir, uint32_t partition, uint64_t *ret_next_offset,
                             uint64_t *ret_cut_bytes, struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(stream_freep) struct stream *s = NULL;
    CLEANUP(heap_freep) uint64_t *bases = NULL;
    size_t n;
    struct damage d = {0};
    uint64_t cut = 0;
    TRY(stream_alloc_closed(dir, &s, err));
    TRY(os_lock(os_path(path, "%s/LOCK", dir), &s->lock_fd, err));
    ENSURE(partition < s->cfg.partitions,
           err_set(err, RC_NOTFOUND, "the stream has no partition %u", partition));
    TRY(segment_list(dir, partition, &bases, &n, err));
    TRY(find_damage(s, dir, partition, bases, n, &d, err));
    if (d.is_found) {
        TRY(cut_partition(dir, partition, bases, n, &d, &cut, err));
        TRY(leave_gap(s, partition, bases, &d, err));
    }
    *ret_next_offset = d.is_found ? d.known : d.next;
    *ret_cut_bytes = cut;
    return RC_OK;
}
