/* WHAT        The index of an archive's manifests, and its records in offset order.
 * WHY         Keys tell partition, hour and first offset, so one listing finds what a range
 *             needs; a manifest is fetched when its turn comes, an object is read once.
 * INVARIANTS  Offsets given out grow. Where two runs overlap (an archive that two data folders
 *             wrote), the run that began earlier wins, as the first manifest was the first
 *             promise. */
#include "archive/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/line_int.h"
#include "archive/lines_int.h"
#include "base/heap.h"
#include "base/must.h"

enum { INDEX_KEYS_MAX = 50000000 };

struct archive_index {
    struct object_store *objects;
    char stream[STREAM_NAME_MAX + 1];
    uint32_t partition; /* UINT32_MAX: all */
    struct archive_run_key *keys;
    uint32_t count, room;
};

/* ---- index ---- */

static enum rc add_key(void *ctx, const struct object_info *info, struct err *err)
{
    struct archive_index *x = ctx;
    struct archive_run_key key = {0};
    if (!archive_manifest_key_parse(slice_str(info->key), x->stream, &key.partition, &key.hour,
                                    &key.first) ||
        (x->partition != UINT32_MAX && x->partition != key.partition))
        return RC_OK;
    if (x->count == x->room) {
        uint32_t room = x->room ? x->room * 2 : 256;
        struct archive_run_key *moved =
            room <= INDEX_KEYS_MAX ? heap_try_resize(x->keys, HEAP_ARCHIVE, room * sizeof(*moved))
                                   : NULL;
        if (!moved)
            return err_set(err, RC_NOMEM, "no memory to list the archive");
        x->keys = moved;
        x->room = room;
    }
    x->keys[x->count++] = key;
    return RC_OK;
}

static int by_position(const void *a, const void *b)
{
    const struct archive_run_key *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->hour.ms < y->hour.ms ? -1 : x->hour.ms > y->hour.ms;
}

enum rc archive_index_open(struct object_store *objects, const char *stream, uint32_t partition,
                           struct archive_index **ret_index, struct err *err)
{
    char prefix[OBJECT_KEY_MAX + 1];
    if (strlen(stream) > STREAM_NAME_MAX)
        return err_set(err, RC_INVALID, "no stream has a name that long");
    CLEANUP(archive_index_freep) struct archive_index *x = heap_try_alloc(HEAP_ARCHIVE, sizeof(*x));
    if (!x)
        return err_set(err, RC_NOMEM, "no memory to list the archive");
    x->objects = objects;
    x->partition = partition;
    memcpy(x->stream, stream, strlen(stream) + 1);
    snprintf(prefix, sizeof(prefix), "%s/dt=", stream);
    TRY(object_each(objects, prefix, add_key, x, err));
    if (x->count)
        qsort(x->keys, x->count, sizeof(*x->keys), by_position);
    *ret_index = take_ptr(&x);
    return RC_OK;
}

void archive_index_free(struct archive_index *index)
{
    if (!index)
        return;
    heap_free(index->keys);
    heap_free(index);
}

uint32_t archive_index_count(const struct archive_index *index)
{
    return index->count;
}

uint32_t archive_index_partitions(const struct archive_index *index)
{
    return index->count ? index->keys[index->count - 1].partition + 1 : 0;
}

struct archive_run_key archive_index_at(const struct archive_index *index, uint32_t i)
{
    must(i < index->count);
    return index->keys[i];
}

enum rc archive_index_manifest(const struct archive_index *index, uint32_t i,
                               struct archive_manifest *ret, struct err *err)
{
    char key[OBJECT_KEY_MAX + 1];
    struct archive_run_key at = archive_index_at(index, i);
    archive_key(key, index->stream, at.hour, at.partition, at.first, "manifest.json");
    return archive_manifest_get(index->objects, key, ret, err);
}

/* [*ret_from, *ret_to) = the partition's keys. */
static bool find_partition(const struct archive_index *x, uint32_t partition, uint32_t *ret_from,
                           uint32_t *ret_to)
{
    uint32_t from = 0;
    while (from < x->count && x->keys[from].partition < partition)
        from++;
    uint32_t to = from;
    while (to < x->count && x->keys[to].partition == partition)
        to++;
    *ret_from = from;
    *ret_to = to;
    return to > from;
}

enum rc archive_bounds(const struct archive_index *index, uint32_t partition, uint64_t *ret_first,
                       uint64_t *ret_next, struct err *err)
{
    uint32_t from, to;
    struct archive_manifest m = {0};
    if (!find_partition(index, partition, &from, &to))
        return err_set(err, RC_NOTFOUND, "the archive has nothing of %s/%u", index->stream,
                       (unsigned)partition);
    TRY(archive_index_manifest(index, to - 1, &m, err));
    *ret_first = index->keys[from].first;
    *ret_next = m.last + 1;
    archive_manifest_done(&m);
    return RC_OK;
}

static enum rc scan_for_time(const struct archive_index *x, uint32_t partition, uint64_t first,
                             unix_ms t, uint64_t next, uint64_t *ret_offset, struct err *err)
{
    CLEANUP(archive_reader_closep) struct archive_reader *r = NULL;
    struct stream_record record = {0};
    enum rc rc;
    TRY(archive_reader_open(x, partition, first, &r, err));
    must(r);
    while ((rc = archive_reader_next(r, &record, err)) == RC_OK && record.time.ms < t.ms) {
    }
    if (rc != RC_END)
        TRY(rc);
    *ret_offset = rc == RC_END ? next : record.offset;
    return RC_OK;
}

/* The runs of hours before t's cannot hold it; after the first run that may, the records decide. */
enum rc archive_offset_at(const struct archive_index *index, uint32_t partition, unix_ms t,
                          uint64_t *ret_offset, struct err *err)
{
    uint32_t i = 0, to = 0;
    uint64_t first = 0, next = 0;
    TRY(archive_bounds(index, partition, &first, &next, err));
    must(find_partition(index, partition, &i, &to)); /* archive_bounds() found it */
    while (i < to && index->keys[i].hour.ms < archive_hour_of(t))
        i++;
    if (i == to) {
        *ret_offset = next;
        return RC_OK;
    }
    return scan_for_time(index, partition, index->keys[i].first, t, next, ret_offset, err);
}

/* ---- records ---- */

struct archive_reader {
    const struct archive_index *index;
    uint32_t run, run_end; /* the next manifest; where the partition's end */
    uint64_t offset;       /* of the next record wanted */
    bool is_run_open;
    bool was_missing; /* an object of the run was gone, and its manifest is read once more */
    struct archive_manifest manifest;
    uint32_t part; /* the next part */
    uint64_t line_offset;
    struct lines *lines;
    struct buf scratch;
};

enum rc archive_reader_open(const struct archive_index *index, uint32_t partition, uint64_t offset,
                            struct archive_reader **ret_reader, struct err *err)
{
    uint32_t from, to;
    struct archive_reader *r = heap_try_alloc(HEAP_ARCHIVE, sizeof(*r));
    if (!r)
        return err_set(err, RC_NOMEM, "no memory to read the archive");
    find_partition(index, partition, &from, &to);
    while (from + 1 < to && index->keys[from + 1].first <= offset)
        from++;
    *r = (struct archive_reader){.index = index, .run = from, .run_end = to, .offset = offset};
    buf_init(&r->scratch, LINE_BYTES_MAX);
    *ret_reader = r;
    return RC_OK;
}

static void leave_run(struct archive_reader *r)
{
    lines_close(r->lines);
    r->lines = NULL;
    archive_manifest_done(&r->manifest);
    r->is_run_open = false;
    r->part = 0;
}

void archive_reader_close(struct archive_reader *r)
{
    if (!r)
        return;
    leave_run(r);
    buf_done(&r->scratch);
    heap_free(r);
}

/* Its records may have been written to other objects since the manifest was read (an erasure). */
static void look_again(struct archive_reader *r)
{
    leave_run(r);
    r->run--;
    r->was_missing = true;
}

/* Opens the next part that holds r->offset or more. RC_END. */
static enum rc open_part(struct archive_reader *r, struct err *err)
{
    for (;;) {
        if (!r->is_run_open) {
            ENSURE(r->run < r->run_end, RC_END);
            TRY(archive_index_manifest(r->index, r->run, &r->manifest, err));
            r->is_run_open = true;
            r->run++;
        }
        while (r->part < r->manifest.part_count && r->manifest.parts[r->part].last < r->offset)
            r->part++;
        if (r->part < r->manifest.part_count) {
            const struct archive_part *part = &r->manifest.parts[r->part];
            TRY(lines_open(r->index->objects, &r->manifest, part, &r->lines, err));
            r->line_offset = part->first;
            r->part++;
            return RC_OK;
        }
        leave_run(r);
    }
}

static enum rc check_place(const struct archive_reader *r, const struct stream_record *record,
                           struct err *err)
{
    const struct archive_manifest *m = &r->manifest;
    if (record->offset == r->line_offset && record->partition == m->partition &&
        record->time.ms >= m->time_min.ms && record->time.ms <= m->time_max.ms)
        return RC_OK;
    return err_set(err, RC_CORRUPT,
                   "%s/%u: the line of offset %" PRIu64 " tells of another position or time",
                   m->stream, (unsigned)m->partition, r->line_offset);
}

enum rc archive_reader_next(struct archive_reader *r, struct stream_record *ret, struct err *err)
{
    for (;;) {
        struct slice line;
        struct stream_record record = {0};
        if (!r->lines)
            TRY(open_part(r, err));
        must(r->lines);
        enum rc rc = lines_next(r->lines, &line, err);
        if (rc == RC_END) {
            lines_close(r->lines);
            r->lines = NULL;
            continue;
        }
        if (rc == RC_NOTFOUND && !r->was_missing) {
            look_again(r);
            continue;
        }
        TRY(rc);
        TRY(line_decode(line, &r->scratch, &record, err));
        TRY(check_place(r, &record, err));
        r->line_offset++;
        r->was_missing = false;
        if (record.offset < r->offset)
            continue;
        r->offset = record.offset + 1;
        *ret = record;
        return RC_OK;
    }
}
