/* WHAT        Walking over one segment file: the scan behind recovery, verify and truncate-tail,
 *             and the short way over the seal of a finished segment.
 * WHY         The question that recovery must answer at the first bad byte is: had it been
 *             acknowledged? Every batch header states how much of the file was on stable storage
 *             when it was composed (synced_to). So behind the damage we look at every sector for
 *             a header of this segment (salted checksum) that claims more than the place of the
 *             damage. If there is one, acknowledged bytes are damaged: RC_CORRUPT. If not, what
 *             is there belongs to a commit that was never finished.
 * INVARIANTS  `end` only moves over batches that are whole, chained and in offset order.
 * THREADS     None; each call works on its own structures. */
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "stream/stream_int.h"

enum { PIECE_BYTES = 256 << 10 };

void piece_done(struct piece *w)
{
    heap_free(w->data);
    *w = (struct piece){0};
}

void piece_cut(struct piece *w, uint64_t end)
{
    if (w->at + w->len > end)
        w->len = end > w->at ? (size_t)(end - w->at) : 0;
}

static bool piece_grow(struct piece *w, size_t n)
{
    size_t cap = n > PIECE_BYTES ? n : PIECE_BYTES;
    if (w->cap >= cap)
        return true;
    heap_free(w->data);
    *w = (struct piece){.data = heap_try_alloc(HEAP_STREAM, cap)};
    w->cap = w->data ? cap : 0;
    return w->data != NULL;
}

enum rc piece_get(struct piece *w, int fd, uint64_t at, size_t n, const char **ret_data,
                  struct err *err)
{
    if (at < w->at || at + n > w->at + w->len) {
        if (!piece_grow(w, n))
            return err_set(err, RC_NOMEM, "no memory to read %zu bytes of a segment", n);
        w->len = 0;
        w->at = at;
        TRY(os_pread(fd, w->data, w->cap, at, &w->len, err));
        if (w->len < n)
            return RC_END;
    }
    *ret_data = w->data + (at - w->at);
    return RC_OK;
}

void index_done(struct index *x)
{
    heap_free(x->entries);
    *x = (struct index){0};
}

/* The index is a convenience: without memory, or past its limit, it stays sparse. */
void index_add(struct index *x, uint64_t offset, int64_t time_ms, uint64_t position)
{
    if (x->n && position - x->entries[x->n - 1].position < INDEX_STEP_BYTES)
        return;
    if (x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 64;
        if (cap > INDEX_ENTRIES_MAX)
            return;
        struct disk_index_entry *moved =
            heap_try_resize(x->entries, HEAP_STREAM, cap * sizeof(*moved));
        if (!moved)
            return;
        x->entries = moved;
        x->cap = cap;
    }
    x->entries[x->n++] = (struct disk_index_entry){offset, time_ms, position};
}

uint64_t index_position_of_offset(const struct index *x, uint64_t offset)
{
    size_t low = 0, high = x->n; /* first entry behind the offset */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (x->entries[mid].offset <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? x->entries[low - 1].position : SECTOR_BYTES;
}

uint64_t index_position_of_time(const struct index *x, int64_t time_ms)
{
    size_t low = 0, high = x->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (x->entries[mid].time_ms < time_ms)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? x->entries[low - 1].position : SECTOR_BYTES;
}

char *partition_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition)
{
    return os_path(ret, "%s/p%02u", dir, partition);
}

char *segment_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition, uint64_t base)
{
    return os_path(ret, "%s/p%02u/%020llu.seg", dir, partition, (unsigned long long)base);
}

enum rc corrupt_segment(struct err *err, const char *path, uint64_t at, const char *why)
{
    return err_set(
        err, RC_CORRUPT,
        "%s, byte %llu: %s. Restore the file from a backup, or give up what follows with "
        "`weir stream truncate-tail`",
        path, (unsigned long long)at, why);
}

void scan_done(struct scan *sc)
{
    index_done(&sc->index);
}

static enum rc read_header(int fd, const char *path, struct scan *sc, struct err *err)
{
    size_t got;
    TRY(os_size(fd, &sc->file_bytes, err));
    TRY(os_pread(fd, &sc->header, sizeof(sc->header), 0, &got, err));
    const char *why = got < sizeof(sc->header) ? "it is shorter than its header"
                                               : segment_header_check(&sc->header);
    if (why)
        return corrupt_segment(err, path, 0, why);
    sc->end = sc->data_end = SECTOR_BYTES;
    sc->next = sc->next_known = sc->header.base_offset;
    sc->last_time_ms = sc->header.base_time_ms;
    sc->prev_crc = sc->header.crc;
    return RC_OK;
}

static bool seal_is_good(const struct scan *sc, const struct disk_batch_header *h,
                         const char *payload)
{
    struct disk_seal seal;
    if (h->payload_bytes < sizeof(seal))
        return false;
    memcpy(&seal, payload, sizeof(seal));
    return seal.next_offset == h->base_offset && seal.data_end >= SECTOR_BYTES &&
           seal.index_count <= INDEX_ENTRIES_MAX && seal.records <= seal.next_offset &&
           h->payload_bytes ==
               sizeof(seal) + (uint64_t)seal.index_count * sizeof(struct disk_index_entry) &&
           sc->header.base_offset <= seal.next_offset;
}

/* The trailer stands at the end of the seal's last sector, which is the end of the file. */
static uint64_t seal_span(uint32_t payload_bytes)
{
    return sector_up(sizeof(struct disk_batch_header) + (uint64_t)payload_bytes +
                     sizeof(struct disk_trailer));
}

static enum rc trailer_matches(int fd, const struct scan *sc, uint64_t seal_at, uint32_t payload,
                               bool *ret_matches, struct err *err)
{
    struct disk_trailer t = {0};
    size_t got = 0;
    uint64_t end = seal_at + seal_span(payload);
    *ret_matches = false;
    if (end != sc->file_bytes)
        return RC_OK;
    TRY(os_pread(fd, &t, sizeof(t), end - sizeof(t), &got, err));
    *ret_matches =
        got == sizeof(t) && trailer_is_good(&t, sc->header.salt) && t.seal_position == seal_at;
    return RC_OK;
}

/* One step: NULL in *ret_why if the batch at sc->end is good and was taken. */
static enum rc scan_batch(int fd, struct piece *w, uint64_t limit, struct scan *sc,
                          const char **ret_why, struct err *err)
{
    const char *data = NULL;
    struct disk_batch_header h;
    *ret_why = "a batch is cut off";
    if (limit - sc->end < sizeof(h))
        return RC_OK;
    enum rc rc = piece_get(w, fd, sc->end, sizeof(h), &data, err);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    must(data);
    memcpy(&h, data, sizeof(h));
    *ret_why = "no valid batch header";
    if (!batch_header_is_good(&h, sc->header.salt))
        return RC_OK;
    if (h.prev_crc != sc->prev_crc || h.base_offset != sc->next || h.synced_to > sc->end ||
        h.time_ms < sc->last_time_ms) {
        *ret_why = "a batch does not follow the one before it";
        return RC_OK;
    }
    *ret_why = "a batch is cut off";
    if (h.payload_bytes > limit - sc->end - sizeof(h))
        return RC_OK;
    rc = piece_get(w, fd, sc->end, sizeof(h) + h.payload_bytes, &data, err);
    if (rc != RC_OK)
        return rc == RC_END ? RC_OK : rc;
    const char *payload = data + sizeof(h);
    *ret_why = "the checksum of a batch is wrong";
    if (!batch_payload_is_good(&h, sc->header.salt, payload))
        return RC_OK;
    *ret_why = "the records of a batch are malformed";
    if (h.kind == BATCH_DATA && !payload_is_whole(payload, h.payload_bytes, h.count))
        return RC_OK;
    if (h.kind == BATCH_SEAL) {
        bool matches;
        TRY(trailer_matches(fd, sc, sc->end, h.payload_bytes, &matches, err));
        *ret_why = "the seal is not whole";
        if (!matches || !seal_is_good(sc, &h, payload))
            return RC_OK;
        sc->is_sealed = true;
    }
    *ret_why = NULL;
    if (h.kind == BATCH_DATA) {
        index_add(&sc->index, h.base_offset, h.time_ms, sc->end);
        if (sc->records == 0)
            sc->first_time_ms = h.time_ms;
        sc->last_time_ms = h.time_ms;
        sc->records += h.count;
        sc->next += h.count;
    }
    if (h.synced_to > sc->claimed_to)
        sc->claimed_to = h.synced_to;
    sc->end += h.kind == BATCH_SEAL ? seal_span(h.payload_bytes) : batch_span(h.payload_bytes);
    if (h.kind == BATCH_DATA)
        sc->data_end = sc->end;
    sc->prev_crc = h.crc;
    return RC_OK;
}

/* Looks behind the damage for a header that claims it had been on stable storage. */
static enum rc find_evidence(int fd, struct piece *w, uint64_t limit, struct scan *sc,
                             struct err *err)
{
    for (uint64_t at = sc->end; at + sizeof(struct disk_batch_header) <= limit;
         at += SECTOR_BYTES) {
        const char *data = NULL;
        struct disk_batch_header h;
        enum rc rc = piece_get(w, fd, at, sizeof(h), &data, err);
        if (rc == RC_END)
            break;
        TRY(rc);
        must(data);
        memcpy(&h, data, sizeof(h));
        if (!batch_header_is_good(&h, sc->header.salt))
            continue;
        if (h.base_offset + h.count > sc->next_known)
            sc->next_known = h.base_offset + h.count;
        if (!sc->is_damage_acked && h.synced_to > sc->end) {
            sc->is_damage_acked = true;
            sc->evidence_at = at;
        }
    }
    return RC_OK;
}

/* Space that the committer filled ahead, and no more. */
static enum rc is_zero_tail(int fd, struct piece *w, uint64_t limit, const struct scan *sc,
                            bool *ret_is_zero, struct err *err)
{
    *ret_is_zero = false;
    for (uint64_t at = sc->end; at < limit;) {
        const char *data = NULL;
        size_t n = limit - at < SECTOR_BYTES ? (size_t)(limit - at) : SECTOR_BYTES;
        enum rc rc = piece_get(w, fd, at, n, &data, err);
        if (rc == RC_END)
            return RC_OK;
        TRY(rc);
        must(data);
        if (data[0] != 0 || memcmp(data, data + 1, n - 1) != 0)
            return RC_OK;
        at += n;
    }
    *ret_is_zero = true;
    return RC_OK;
}

static void piece_donep(struct piece *w)
{
    piece_done(w);
}

enum rc segment_scan(int fd, const char *path, uint64_t bytes_max, struct scan *ret_scan,
                     struct err *err)
{
    CLEANUP(piece_donep) struct piece w = {0};
    struct scan *sc = ret_scan;
    *sc = (struct scan){0};
    TRY(read_header(fd, path, sc, err));
    uint64_t limit = sc->file_bytes < bytes_max ? sc->file_bytes : bytes_max;
    enum rc rc = RC_OK;
    while (rc == RC_OK && sc->end < limit && !sc->is_sealed) {
        const char *why = NULL;
        rc = scan_batch(fd, &w, limit, sc, &why, err);
        if (rc == RC_OK && why) {
            sc->is_damaged = true;
            sc->why = why;
            break;
        }
    }
    if (sc->next > sc->next_known)
        sc->next_known = sc->next;
    bool is_zero = false;
    if (rc == RC_OK && sc->is_damaged)
        rc = is_zero_tail(fd, &w, limit, sc, &is_zero, err);
    if (is_zero)
        sc->is_damaged = false;
    if (rc == RC_OK && sc->is_damaged)
        rc = find_evidence(fd, &w, limit, sc, err);
    if (rc != RC_OK)
        scan_done(sc);
    return rc;
}

static enum rc load_seal_at(int fd, const char *path, uint64_t at, struct scan *sc, struct err *err)
{
    CLEANUP(piece_donep) struct piece w = {0};
    const char *data = NULL;
    struct disk_batch_header h;
    struct disk_seal seal;
    if (at < SECTOR_BYTES || at % SECTOR_BYTES || at > sc->file_bytes - sizeof(h))
        return corrupt_segment(err, path, at, "the trailer points nowhere");
    TRY(piece_get(&w, fd, at, sizeof(h), &data, err));
    must(data);
    memcpy(&h, data, sizeof(h));
    if (!batch_header_is_good(&h, sc->header.salt) || h.kind != BATCH_SEAL ||
        at + seal_span(h.payload_bytes) != sc->file_bytes)
        return corrupt_segment(err, path, at, "the seal is damaged");
    TRY(piece_get(&w, fd, at, sizeof(h) + h.payload_bytes, &data, err));
    if (!batch_payload_is_good(&h, sc->header.salt, data + sizeof(h)) ||
        !seal_is_good(sc, &h, data + sizeof(h)))
        return corrupt_segment(err, path, at, "the seal is damaged");
    memcpy(&seal, data + sizeof(h), sizeof(seal));
    size_t bytes = (size_t)seal.index_count * sizeof(struct disk_index_entry);
    sc->index = (struct index){.n = seal.index_count, .cap = seal.index_count};
    if (bytes) {
        sc->index.entries = heap_try_alloc(HEAP_STREAM, bytes);
        if (!sc->index.entries)
            return err_set(err, RC_NOMEM, "no memory for the index of %s", path);
        memcpy(sc->index.entries, data + sizeof(h) + sizeof(seal), bytes);
    }
    sc->next = sc->next_known = seal.next_offset;
    sc->records = seal.records;
    sc->first_time_ms = seal.first_time_ms;
    sc->last_time_ms = seal.last_time_ms;
    sc->data_end = seal.data_end;
    sc->claimed_to = h.synced_to;
    sc->seal_at = at;
    sc->end = sc->file_bytes;
    sc->prev_crc = h.crc;
    sc->is_sealed = true;
    return RC_OK;
}

enum rc segment_load_seal(int fd, const char *path, struct scan *ret_scan, struct err *err)
{
    struct scan *sc = ret_scan;
    struct disk_trailer t;
    size_t got;
    *sc = (struct scan){0};
    TRY(read_header(fd, path, sc, err));
    if (sc->file_bytes < 2 * SECTOR_BYTES || sc->file_bytes % SECTOR_BYTES)
        return RC_NOTFOUND;
    TRY(os_pread(fd, &t, sizeof(t), sc->file_bytes - sizeof(t), &got, err));
    if (got != sizeof(t) || !trailer_is_good(&t, sc->header.salt))
        return RC_NOTFOUND;
    enum rc rc = load_seal_at(fd, path, t.seal_position, sc, err);
    if (rc == RC_END)
        rc = corrupt_segment(err, path, t.seal_position, "the file is shorter than it was");
    if (rc != RC_OK)
        scan_done(sc);
    return rc;
}

enum rc segment_seal_encode(const struct active *a, const struct index *index, struct buf *out,
                            uint32_t *ret_crc)
{
    size_t index_bytes = index->n * sizeof(struct disk_index_entry);
    struct disk_seal seal = {
        .next_offset = a->next,
        .records = a->records,
        .first_time_ms = a->first_time_ms,
        .last_time_ms = a->last_time_ms,
        .data_end = a->data_end,
        .index_count = (uint32_t)index->n,
    };
    struct disk_batch_header h = {
        .prev_crc = a->prev_crc,
        .payload_bytes = (uint32_t)(sizeof(seal) + index_bytes),
        .base_offset = a->next,
        .time_ms = a->last_time_ms,
        .synced_to = a->synced,
        .kind = BATCH_SEAL,
    };
    uint64_t span = sector_up(sizeof(h) + h.payload_bytes + sizeof(struct disk_trailer));
    char *to = buf_reserve(out, span);
    ENSURE(to, RC_NOMEM);
    memset(to, 0, span);
    memcpy(to + sizeof(h), &seal, sizeof(seal));
    if (index_bytes)
        memcpy(to + sizeof(h) + sizeof(seal), index->entries, index_bytes);
    batch_finish(&h, a->header.salt, to + sizeof(h));
    memcpy(to, &h, sizeof(h));
    struct disk_trailer t = {.seal_position = a->size};
    trailer_finish(&t, a->header.salt);
    memcpy(to + span - sizeof(t), &t, sizeof(t));
    buf_commit(out, span);
    *ret_crc = h.crc;
    return RC_OK;
}
