/* WHAT  `weir archive verify`: every byte of every object against its manifest, every line
 *       against its place. */
#include <inttypes.h>
#include <stdio.h>

#include "archive/digest_int.h"
#include "archive/line_int.h"
#include "archive/lines_int.h"
#include "archive/reader.h"

enum { RANGE_BYTES = 1 << 20 };

struct verify {
    struct object_store *objects;
    void (*report)(void *ctx, const char *line);
    void *ctx;
    struct archive_verify_result *result;
    struct buf scratch;
    bool has_previous; /* run of the same partition, to see gaps and overlaps */
    uint32_t partition;
    uint64_t next;
};

static void PRINTF_LIKE(2, 3) tell(const struct verify *v, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (v->report)
        v->report(v->ctx, line);
}

static enum rc read_lines(struct verify *v, const struct archive_manifest *m,
                          const struct archive_part *part, struct err *err)
{
    CLEANUP(lines_closep) struct lines *lines = NULL;
    uint64_t offset = part->first;
    struct slice line;
    enum rc rc;
    TRY(lines_open(v->objects, m, part, &lines, err));
    while ((rc = lines_next(lines, &line, err)) == RC_OK) {
        struct stream_record record = {0};
        TRY(line_decode(line, &v->scratch, &record, err));
        if (record.offset != offset || record.partition != m->partition ||
            record.time.ms < m->time_min.ms || record.time.ms > m->time_max.ms)
            return err_set(err, RC_CORRUPT,
                           "the line of offset %" PRIu64 " tells of another position or time",
                           offset);
        offset++;
        v->result->records++;
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc read_bytes(const struct verify *v, const char *key,
                          const struct archive_object *want, struct err *err)
{
    struct digest digest;
    struct buf piece;
    uint64_t total = want->bytes;
    struct archive_object got = {0};
    TRY(digest_init(&digest, err));
    buf_init(&piece, RANGE_BYTES);
    enum rc rc = RC_OK;
    do {
        buf_clear(&piece);
        rc = object_get(v->objects, key, digest.bytes, RANGE_BYTES, &piece, &total, err);
        if (rc == RC_OK)
            digest_add(&digest, buf_slice(&piece));
    } while (rc == RC_OK && piece.len && total == want->bytes);
    if (rc == RC_OK)
        digest_end(&digest, &got);
    digest_done(&digest);
    buf_done(&piece);
    TRY(rc);
    if (total != want->bytes || !digest_is_same(&got, want))
        return err_set(err, RC_CORRUPT, "its size or SHA-256 is not what the manifest says");
    return RC_OK;
}

static enum rc check_object(struct verify *v, const struct archive_manifest *m,
                            const struct archive_part *part, enum archive_format format)
{
    struct err err = ERR_INIT;
    char key[OBJECT_KEY_MAX + 1];
    const struct archive_object *o = &part->objects[format];
    if (!o->is_there) {
        v->result->missing_parquet++;
        return RC_OK;
    }
    archive_object_key(key, m, part, format);
    enum rc rc =
        format == ARCHIVE_NDJSON_ZST ? read_lines(v, m, part, &err) : read_bytes(v, key, o, &err);
    v->result->objects++;
    v->result->bytes += o->bytes;
    if (rc == RC_OK)
        return RC_OK;
    v->result->damaged++;
    tell(v, "damaged  %s: %s", key, err.text);
    return rc_is_retryable(rc) ? rc : RC_OK;
}

static void compare_neighbours(struct verify *v, const struct archive_manifest *m)
{
    if (v->has_previous && v->partition == m->partition && m->first > v->next) {
        v->result->gaps++;
        tell(v, "gap      %s/%u: offsets %" PRIu64 " to %" PRIu64 " are not in the archive",
             m->stream, (unsigned)m->partition, v->next, m->first - 1);
    } else if (v->has_previous && v->partition == m->partition && m->first < v->next) {
        v->result->overlaps++;
        tell(v, "overlap  %s/%u: offset %" PRIu64 " is in more than one run", m->stream,
             (unsigned)m->partition, m->first);
    }
    v->has_previous = true;
    v->partition = m->partition;
    v->next = m->last + 1;
}

static enum rc check_run(struct verify *v, const struct archive_index *index, uint32_t i,
                         struct err *err)
{
    struct archive_manifest m = {0};
    enum rc rc = archive_index_manifest(index, i, &m, err);
    v->result->manifests++;
    if (rc != RC_OK) {
        v->result->damaged++;
        tell(v, "damaged  %s", err->text);
        v->has_previous = false;
        return rc_is_retryable(rc) ? rc : RC_OK;
    }
    compare_neighbours(v, &m);
    for (uint32_t p = 0; p < m.part_count && rc == RC_OK; p++)
        for (int format = 0; format < ARCHIVE_FORMATS && rc == RC_OK; format++)
            rc = check_object(v, &m, &m.parts[p], (enum archive_format)format);
    archive_manifest_done(&m);
    return rc == RC_OK ? RC_OK : err_set(err, rc, "the object store cannot be read");
}

enum rc archive_verify(struct object_store *objects, const char *stream, unix_ms from, unix_ms to,
                       void (*report)(void *ctx, const char *line), void *ctx,
                       struct archive_verify_result *ret, struct err *err)
{
    CLEANUP(archive_index_freep) struct archive_index *index = NULL;
    struct verify v = {.objects = objects, .report = report, .ctx = ctx, .result = ret};
    struct err own = ERR_INIT;
    *ret = (struct archive_verify_result){0};
    TRY(archive_index_open(objects, stream, UINT32_MAX, &index, err));
    buf_init(&v.scratch, LINE_BYTES_MAX);
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < archive_index_count(index) && rc == RC_OK; i++) {
        unix_ms hour = archive_index_at(index, i).hour;
        if (hour.ms + 3600000 > from.ms && hour.ms <= to.ms)
            rc = check_run(&v, index, i, &own);
    }
    buf_done(&v.scratch);
    if (rc != RC_OK)
        return err_set(err, rc, "%s", own.text);
    if (ret->damaged)
        return err_set(err, RC_CORRUPT, "%" PRIu64 " objects of the archive are damaged",
                       ret->damaged);
    return RC_OK;
}
