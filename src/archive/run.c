/* WHAT        The open run of a partition: fed record by record, closed into objects and
 *             a manifest.
 * WHY         The steps are ordered so that repeating any of them, or all of them from the stream,
 *             changes nothing:
 *               1  end of the run durable (position.c)
 *               2  objects of full parts, then the last one
 *               3  "Parquet is wanted" durable
 *               4  manifest
 *               5  position durable
 *             Before 4 no reader looks at the objects; between 4 and 5 the whole is done once more,
 *             identically.
 * INVARIANTS  run.is_open: next <= manifest.first, manifest.last + 1 == fed, records of one hour,
 *             no gap. A failed upload leaves the run as it is (the caller tries again); a failed
 *             temporary file drops the run back to `next`, from where the stream is read again. */
#include <inttypes.h>
#include <string.h>

#include "archive/archive_int.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { ZSTD_LEVEL = 3 };

void run_drop(struct archive_partition *p)
{
    spool_free(p->run.spool);
    archive_manifest_done(&p->run.manifest);
    p->run = (struct archive_run){0};
    p->fed = p->next;
}

static enum rc run_begin(struct archive *a, struct archive_partition *p,
                         const struct stream_record *record, struct err *err)
{
    struct archive_manifest *m = &p->run.manifest;
    must(!p->run.is_open && !m->parts);
    m->parts = heap_try_alloc(HEAP_ARCHIVE, sizeof(*m->parts));
    if (!m->parts)
        return err_set(err, RC_NOMEM, "no memory for a manifest");
    memcpy(m->stream, stream_name(a->cfg.stream), strlen(stream_name(a->cfg.stream)));
    m->partition = p->number;
    m->hour.ms = archive_hour_of(record->time);
    m->first = record->offset;
    m->time_min = m->time_max = record->time;
    p->fed = record->offset;
    p->run.is_open = true;
    return RC_OK;
}

/* ---- parts ---- */

static enum rc part_begin(struct archive *a, struct archive_partition *p, struct err *err)
{
    char path[OS_PATH_MAX];
    os_path(path, "%s/p%04u.spool", a->dir, (unsigned)p->number);
    TRY(spool_new(path, ZSTD_LEVEL, &p->run.spool, err));
    p->run.spool_first = p->fed;
    return RC_OK;
}

static bool part_is_full(const struct archive *a, const struct archive_partition *p)
{
    return p->run.spool && (p->fed - p->run.spool_first >= a->cfg.part_records_max ||
                            spool_raw_bytes(p->run.spool) >= a->cfg.part_bytes_max);
}

enum rc run_upload(struct archive *a, struct spool *spool, const char *key,
                   struct archive_object *ret, struct err *err)
{
    TRY(spool_finish(spool, ret, err));
    TRY(spool_upload(spool, a->cfg.objects, key, err));
    metric_add(&a->m_objects, 1);
    metric_add(&a->m_bytes, (int64_t)ret->bytes);
    return RC_OK;
}

/* Uploads the part and lists it in the manifest to be. */
static enum rc part_end(struct archive *a, struct archive_partition *p, struct err *err)
{
    struct archive_manifest *m = &p->run.manifest;
    char key[OBJECT_KEY_MAX + 1];
    struct archive_part part = {.first = p->run.spool_first, .last = p->fed - 1};
    struct archive_part *moved =
        heap_try_resize(m->parts, HEAP_ARCHIVE, (m->part_count + 1) * sizeof(*moved));
    if (!moved)
        return err_set(err, RC_NOMEM, "no memory for a manifest");
    m->parts = moved;
    archive_object_key(key, m, &part, ARCHIVE_NDJSON_ZST);
    enum rc rc = run_upload(a, p->run.spool, key, &part.objects[ARCHIVE_NDJSON_ZST], err);
    if (rc == RC_CORRUPT) { /* the temporary file is bad: make it again */
        run_drop(p);
        return err_set(err, RC_IO, "%s: the temporary file went bad and is made again", key);
    }
    TRY(rc);
    m->parts[m->part_count++] = part;
    spool_free(p->run.spool);
    p->run.spool = NULL;
    return RC_OK;
}

/* ---- closing ---- */

static enum rc fix_end(struct archive *a, struct archive_partition *p, struct err *err)
{
    uint64_t last = p->fed - 1;
    if (p->is_closing && p->closing_last == last)
        return RC_OK;
    struct archive_partition intent = {
        .number = p->number, .next = p->next, .is_closing = true, .closing_last = last};
    TRY(position_save(a, &intent, err));
    p->is_closing = true;
    p->closing_last = last;
    return RC_OK;
}

static enum rc move_on(struct archive *a, struct archive_partition *p, struct err *err)
{
    struct archive_partition done = {.number = p->number, .next = p->fed};
    TRY(position_save(a, &done, err));
    p->next = p->fed;
    p->is_closing = false;
    run_drop(p);
    return RC_OK;
}

enum rc run_close(struct archive *a, struct archive_partition *p, struct err *err)
{
    struct archive_manifest *m = &p->run.manifest;
    if (!p->run.is_open)
        return RC_OK;
    must(p->fed > m->first);
    m->last = p->fed - 1;
    TRY(fix_end(a, p, err));
    if (p->run.spool)
        TRY(part_end(a, p, err));
    if (a->cfg.store)
        TRY(parquet_mark_pending(a, m, err));
    TRY(archive_manifest_put(a->cfg.objects, m, err));
    metric_add(&a->m_objects, 1);
    metric_add(&a->m_records, (int64_t)(m->last - m->first + 1));
    return move_on(a, p, err);
}

/* ---- feeding ---- */

static bool must_close_before(const struct archive_partition *p, const struct stream_record *record)
{
    const struct archive_manifest *m = &p->run.manifest;
    return p->run.is_open &&
           ((p->is_closing && p->fed > p->closing_last) || record->offset != p->fed ||
            archive_hour_of(record->time) != m->hour.ms ||
            (m->part_count == MANIFEST_PARTS_MAX && !p->run.spool));
}

static enum rc add_record(struct archive *a, struct archive_partition *p,
                          const struct stream_record *record, struct err *err)
{
    struct archive_manifest *m = &p->run.manifest;
    if (!p->run.spool)
        TRY(part_begin(a, p, err));
    enum rc rc = spool_add(p->run.spool, record, err);
    if (rc != RC_OK) {
        run_drop(p);
        return rc;
    }
    if (record->time.ms < m->time_min.ms)
        m->time_min = record->time;
    if (record->time.ms > m->time_max.ms)
        m->time_max = record->time;
    p->fed = record->offset + 1;
    return RC_OK;
}

enum rc run_feed(struct archive *a, struct archive_partition *p, const struct stream_record *record,
                 struct err *err)
{
    must(record->offset >= p->fed && record->partition == p->number);
    if (p->run.is_open && part_is_full(a, p))
        TRY(part_end(a, p, err));
    if (must_close_before(p, record))
        TRY(run_close(a, p, err));
    if (!p->run.is_open) {
        if (p->is_closing && record->offset > p->closing_last)
            p->is_closing = false; /* its records are gone; the next save forgets it */
        TRY(run_begin(a, p, record, err));
    }
    return add_record(a, p, record, err);
}

static enum rc skip_lost(struct archive *a, struct archive_partition *p,
                         struct stream_reader *reader, uint64_t oldest, struct err *err)
{
    must(oldest > p->fed);
    TRY(run_close(a, p, err)); /* what was read before it was dropped is kept */
    log_warn("records fell out of retention before they were archived",
             LOG_STR("stream", stream_name(a->cfg.stream)), LOG_U64("partition", p->number),
             LOG_U64("from", p->fed), LOG_U64("to", oldest - 1));
    a->lost += oldest - p->fed;
    p->fed = p->next = oldest;
    stream_reader_seek(reader, oldest);
    return RC_OK;
}

static void reader_closep(struct stream_reader **r)
{
    if (*r)
        stream_reader_close(*r);
}

enum rc run_feed_stream(struct archive *a, struct archive_partition *p, uint64_t until,
                        struct err *err)
{
    CLEANUP(reader_closep) struct stream_reader *reader = NULL;
    if (p->fed >= until)
        return RC_OK;
    TRY(stream_reader_open(a->cfg.stream, p->number, p->fed, &reader, err));
    while (p->fed < until) {
        struct stream_record record = {0};
        enum rc rc = stream_reader_next(reader, &record, err);
        if (rc == RC_END)
            return RC_OK;
        if (rc == RC_NOTFOUND)
            rc = skip_lost(a, p, reader, record.offset, err);
        else if (rc == RC_OK && record.offset < until)
            rc = run_feed(a, p, &record, err);
        else if (rc == RC_OK)
            return RC_OK;
        TRY(rc);
    }
    return RC_OK;
}
