/* WHAT        Erasing records out of archived runs.
 * WHY         An object is never changed in place: its manifest tells its digest, and a crash
 *             between the two would leave a damaged archive. So a part gets new objects under the
 *             next edition's name, and the manifest, replaced in one step, is what decides:
 *               1  new NDJSON object, read back and compared line by line
 *               2  "Parquet is wanted" durable
 *               3  manifest
 *               4  the objects of the edition before are removed
 *             Before 3 the old edition counts and the new object is a left-over; behind it the
 *             other way round. Left-overs hold what was to be erased, so the sweep at the end
 *             removes every object that no manifest lists, also those of a crash long ago.
 * INVARIANTS  A line that is not wanted is in the new object byte for byte, or the manifest stays.
 * THREADS     archive.h; the lock is let go between runs, so that the consumer goes on. */
#include <stdio.h>
#include <string.h>

#include "archive/archive_int.h"
#include "archive/line_int.h"
#include "archive/lines_int.h"
#include "archive/reader.h"
#include "base/heap.h"
#include "base/must.h"

enum { ZSTD_LEVEL = 3 };

struct archive_eraser {
    struct archive *a;
    const struct archive_erase *what;
    struct archive_erased *ret;
    struct buf scratch, other; /* decoded keys and values of the two lines that are compared */
};

static bool is_going(const struct archive_eraser *e, const struct stream_record *r)
{
    return r->offset < e->what->before[r->partition] && !stream_record_is_erased(r) &&
           e->what->is_wanted(e->what->ctx, r);
}

/* ---- one part ---- */

static enum rc count_wanted(struct archive_eraser *e, const struct archive_manifest *m,
                            const struct archive_part *part, uint64_t *ret_records, struct err *err)
{
    CLEANUP(lines_closep) struct lines *lines = NULL;
    struct slice line = SLICE_EMPTY;
    enum rc rc;
    *ret_records = 0;
    TRY(lines_open(e->a->cfg.objects, m, part, &lines, err));
    while ((rc = lines_next(lines, &line, err)) == RC_OK) {
        struct stream_record r = {0};
        TRY(line_decode(line, &e->scratch, &r, err));
        *ret_records += is_going(e, &r);
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc fill_spool(struct archive_eraser *e, const struct archive_manifest *m,
                          const struct archive_part *part, struct spool *spool, struct err *err)
{
    CLEANUP(lines_closep) struct lines *lines = NULL;
    struct slice line = SLICE_EMPTY;
    enum rc rc;
    TRY(lines_open(e->a->cfg.objects, m, part, &lines, err));
    while ((rc = lines_next(lines, &line, err)) == RC_OK) {
        struct stream_record r = {0};
        TRY(line_decode(line, &e->scratch, &r, err));
        if (is_going(e, &r))
            r.key = r.headers = r.value = SLICE_EMPTY;
        TRY(spool_add(spool, &r, err));
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc compare_line(struct archive_eraser *e, struct slice was, struct slice is,
                            uint64_t *gone, struct err *err)
{
    struct stream_record a = {0}, b = {0};
    TRY(line_decode(was, &e->scratch, &a, err));
    TRY(line_decode(is, &e->other, &b, err));
    bool goes = is_going(e, &a);
    *gone += goes;
    if (a.partition != b.partition || a.offset != b.offset || a.time.ms != b.time.ms ||
        (goes ? !stream_record_is_erased(&b) : !slice_eq(was, is)))
        return err_set(err, RC_CORRUPT,
                       "an object of the archive was not written as it had to be; its manifest "
                       "stays as it was");
    return RC_OK;
}

static enum rc compare(struct archive_eraser *e, const struct archive_manifest *m,
                       const struct archive_part *was, const struct archive_part *is,
                       uint64_t records, struct err *err)
{
    CLEANUP(lines_closep) struct lines *old = NULL;
    CLEANUP(lines_closep) struct lines *fresh = NULL;
    struct slice a = SLICE_EMPTY, b = SLICE_EMPTY;
    uint64_t gone = 0;
    enum rc rc;
    TRY(lines_open(e->a->cfg.objects, m, was, &old, err));
    TRY(lines_open(e->a->cfg.objects, m, is, &fresh, err));
    while ((rc = lines_next(old, &a, err)) == RC_OK) {
        TRY(lines_next(fresh, &b, err));
        TRY(compare_line(e, a, b, &gone, err));
    }
    if (rc != RC_END)
        return rc;
    rc = lines_next(fresh, &b, err); /* checks digest and count of the new one */
    if (rc != RC_END || gone != records)
        return err_set(err, RC_CORRUPT, "an object of the archive was not written as it had to be");
    return RC_OK;
}

static enum rc rewrite_part(struct archive_eraser *e, const struct archive_manifest *m,
                            struct archive_part *part, uint64_t records, struct err *err)
{
    char path[OS_PATH_MAX], key[OBJECT_KEY_MAX + 1];
    CLEANUP(spool_freep) struct spool *spool = NULL;
    struct archive_part fresh = {
        .first = part->first, .last = part->last, .edition = part->edition + 1};
    os_path(path, "%s/erase.spool", e->a->dir);
    TRY(spool_new(path, ZSTD_LEVEL, &spool, err));
    TRY(fill_spool(e, m, part, spool, err));
    archive_object_key(key, m, &fresh, ARCHIVE_NDJSON_ZST);
    TRY(run_upload(e->a, spool, key, &fresh.objects[ARCHIVE_NDJSON_ZST], err));
    TRY(compare(e, m, part, &fresh, records, err));
    e->ret->bytes_before += part->objects[ARCHIVE_NDJSON_ZST].bytes;
    e->ret->bytes_after += fresh.objects[ARCHIVE_NDJSON_ZST].bytes;
    *part = fresh;
    return RC_OK;
}

/* ---- one run ---- */

static enum rc remove_old(struct archive_eraser *e, const struct archive_manifest *m,
                          const struct archive_part *was, struct err *err)
{
    char key[OBJECT_KEY_MAX + 1];
    for (int i = 0; i < ARCHIVE_FORMATS; i++) {
        if (!was->objects[i].is_there)
            continue;
        archive_object_key(key, m, was, (enum archive_format)i);
        TRY(object_remove(e->a->cfg.objects, key, err));
        e->ret->removed++;
    }
    return RC_OK;
}

static enum rc erase_parts(struct archive_eraser *e, struct archive_manifest *m, bool *ret_changed,
                           struct err *err)
{
    for (uint32_t i = 0; i < m->part_count; i++) {
        uint64_t records = 0;
        if (m->parts[i].first >= e->what->before[m->partition])
            break;
        TRY(count_wanted(e, m, &m->parts[i], &records, err));
        if (records && e->what->is_dry_run)
            e->ret->bytes_before += m->parts[i].objects[ARCHIVE_NDJSON_ZST].bytes;
        else if (records)
            TRY(rewrite_part(e, m, &m->parts[i], records, err));
        e->ret->records += records;
        e->ret->objects += records > 0;
        *ret_changed |= records > 0;
    }
    return RC_OK;
}

static enum rc settle(struct archive_eraser *e, const struct archive_manifest *m,
                      const struct archive_part *was, struct err *err)
{
    if (e->a->cfg.store)
        TRY(parquet_mark_pending(e->a, m, err));
    TRY(archive_manifest_put(e->a->cfg.objects, m, err));
    for (uint32_t i = 0; i < m->part_count; i++)
        if (was[i].edition != m->parts[i].edition)
            TRY(remove_old(e, m, &was[i], err));
    return RC_OK;
}

static enum rc erase_run(struct archive_eraser *e, const struct archive_index *index, uint32_t i,
                         struct err *err)
{
    struct archive_manifest m = {0};
    bool is_changed = false;
    enum rc rc = archive_index_manifest(index, i, &m, err);
    if (rc != RC_OK)
        return rc;
    struct archive_erased counted = *e->ret;
    struct archive_part *was = heap_try_alloc(HEAP_ARCHIVE, m.part_count * sizeof(*was));
    if (!was)
        rc = err_set(err, RC_NOMEM, "no memory for a manifest");
    else
        memcpy(was, m.parts, m.part_count * sizeof(*was));
    if (rc == RC_OK)
        rc = erase_parts(e, &m, &is_changed, err);
    if (rc == RC_OK && is_changed && !e->what->is_dry_run)
        rc = settle(e, &m, was, err);
    if (rc != RC_OK)
        *e->ret = counted;
    heap_free(was);
    archive_manifest_done(&m);
    return rc;
}

static enum rc erase_runs(struct archive_eraser *e, struct err *err)
{
    CLEANUP(archive_index_freep) struct archive_index *index = NULL;
    pthread_mutex_lock(&e->a->lock);
    enum rc rc = archive_index_open(e->a->cfg.objects, stream_name(e->a->cfg.stream), UINT32_MAX,
                                    &index, err);
    pthread_mutex_unlock(&e->a->lock);
    TRY(rc);
    for (uint32_t i = 0; i < archive_index_count(index) && rc == RC_OK; i++) {
        struct archive_run_key key = archive_index_at(index, i);
        if (key.partition >= e->a->partition_count || key.first >= e->what->before[key.partition])
            continue;
        if (e->what->gives_up && e->what->gives_up(e->what->ctx))
            return err_set(err, RC_CLOSED, "stopped");
        pthread_mutex_lock(&e->a->lock);
        rc = erase_run(e, index, i, err);
        pthread_mutex_unlock(&e->a->lock);
    }
    return rc;
}

/* ---- what no manifest lists ---- */

struct sweep {
    struct archive_eraser *e;
    struct archive_index *index;
    struct archive_manifest m; /* the one looked at last */
    uint32_t at;               /* its place in the index; UINT32_MAX: none */
};

static bool is_of_open_run(const struct archive *a, uint32_t partition, unix_ms hour,
                           uint64_t first)
{
    const struct archive_run *run = &a->partitions[partition].run;
    return run->is_open && run->manifest.hour.ms == hour.ms && first >= run->manifest.first;
}

/* The last run of that hour and partition that begins at or before `first`; UINT32_MAX. */
static uint32_t find_run(const struct archive_index *index, uint32_t partition, unix_ms hour,
                         uint64_t first)
{
    uint32_t low = 0, high = archive_index_count(index);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        struct archive_run_key key = archive_index_at(index, mid);
        if (key.partition < partition || (key.partition == partition && key.first <= first))
            low = mid + 1;
        else
            high = mid;
    }
    while (low-- > 0) {
        struct archive_run_key key = archive_index_at(index, low);
        if (key.partition != partition)
            break;
        if (key.hour.ms == hour.ms)
            return low;
    }
    return UINT32_MAX;
}

static bool is_listed(const struct archive_manifest *m, const struct archive_part *part,
                      enum archive_format format)
{
    for (uint32_t i = 0; i < m->part_count; i++)
        if (m->parts[i].first == part->first)
            return m->parts[i].edition == part->edition && m->parts[i].objects[format].is_there;
    return false;
}

static enum rc sweep_object(void *ctx, const struct object_info *info, struct err *err)
{
    struct sweep *s = ctx;
    struct archive *a = s->e->a;
    struct archive_part part;
    enum archive_format format;
    uint32_t partition = 0;
    unix_ms hour;
    if (!archive_object_key_parse(slice_str(info->key), stream_name(a->cfg.stream), &partition,
                                  &hour, &part, &format) ||
        partition >= a->partition_count || is_of_open_run(a, partition, hour, part.first))
        return RC_OK;
    uint32_t at = find_run(s->index, partition, hour, part.first);
    if (at != UINT32_MAX && at != s->at) {
        archive_manifest_done(&s->m);
        s->at = UINT32_MAX;
        TRY(archive_index_manifest(s->index, at, &s->m, err));
        s->at = at;
    }
    if (at != UINT32_MAX && is_listed(&s->m, &part, format))
        return RC_OK;
    TRY(object_remove(a->cfg.objects, info->key, err));
    s->e->ret->removed++;
    return RC_OK;
}

/* Under the lock as a whole: what an open run has uploaded is told by the run alone. */
static enum rc sweep(struct archive_eraser *e, struct err *err)
{
    struct archive *a = e->a;
    char prefix[OBJECT_KEY_MAX + 1];
    struct sweep s = {.e = e, .at = UINT32_MAX};
    snprintf(prefix, sizeof(prefix), "%s/dt=", stream_name(a->cfg.stream));
    enum rc rc =
        archive_index_open(a->cfg.objects, stream_name(a->cfg.stream), UINT32_MAX, &s.index, err);
    if (rc == RC_OK)
        rc = object_each(a->cfg.objects, prefix, sweep_object, &s, err);
    archive_manifest_done(&s.m);
    archive_index_free(s.index);
    return rc;
}

/* ---- the whole ---- */

/* Open runs begin anew from the stream; of temporary files nothing is left. */
static enum rc drop_open_runs(struct archive *a, struct err *err)
{
    static const char *const names[] = {"rerun.spool", "erase.spool", "parquet.tmp"};
    char path[OS_PATH_MAX];
    for (uint32_t i = 0; i < a->partition_count; i++) {
        run_drop(&a->partitions[i]);
        TRY(os_unlink_durable(os_path(path, "%s/p%04u.spool", a->dir, (unsigned)i), err));
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        TRY(os_unlink_durable(os_path(path, "%s/%s", a->dir, names[i]), err));
    return RC_OK;
}

static enum rc finish(struct archive_eraser *e, struct err *err)
{
    struct err later = ERR_INIT;
    pthread_mutex_lock(&e->a->lock);
    enum rc rc = sweep(e, err);
    if (rc == RC_OK && e->a->cfg.store && e->ret->objects)
        IGNORE(parquet_step(e->a, UINT32_MAX, &later), "it stays pending, as any run does");
    pthread_mutex_unlock(&e->a->lock);
    return rc;
}

enum rc archive_erase(struct archive *a, const struct archive_erase *what,
                      struct archive_erased *ret, struct err *err)
{
    struct archive_eraser e = {.a = a, .what = what, .ret = ret};
    enum rc rc = RC_OK;
    *ret = (struct archive_erased){0};
    if (!what->is_dry_run) {
        pthread_mutex_lock(&a->lock);
        rc = drop_open_runs(a, err);
        pthread_mutex_unlock(&a->lock);
    }
    buf_init(&e.scratch, LINE_BYTES_MAX);
    buf_init(&e.other, LINE_BYTES_MAX);
    if (rc == RC_OK)
        rc = erase_runs(&e, err);
    if (rc == RC_OK && !what->is_dry_run)
        rc = finish(&e, err);
    buf_done(&e.scratch);
    buf_done(&e.other);
    return rc;
}
