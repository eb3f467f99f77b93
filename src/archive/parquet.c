/* WHAT        Parquet for archived runs, made by the store out of the NDJSON object.
 * WHY         The archive must not depend on the store, so Parquet comes second: a run waits in
 *             <dir>/pending until its Parquet is made. It is made from the object, not from the
 *             events table, because the archive tells what was received (doubles included) and
 *             must be makeable for an hour the tables no longer hold. No part of it asks for a
 *             file or a server's disk: lines go in as rows of a work table, Parquet comes out as
 *             the answer of a SELECT, so an embedded child and a cluster behave alike.
 * LAYOUT      <dir>/pending/p0000-<first>, content: key of the manifest.
 * INVARIANTS  Rows in offset order, row groups and compression fixed: the same engine version
 *             gives the same bytes. A part's rows are counted before its Parquet is believed. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive_int.h"
#include "archive/lines_int.h"
#include "archive/line_int.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "store/store.h"

enum { INSERT_BYTES = 16 << 20, SQL_BYTES_MAX = 16 << 10 };

/* ---- waiting ---- */

static void pending_path(const struct archive *a, uint32_t partition, uint64_t first,
                         char ret_path[OS_PATH_MAX])
{
    os_path(ret_path, "%s/pending/p%04u-%020" PRIu64, a->dir, (unsigned)partition, first);
}

enum rc parquet_mark_pending(struct archive *a, const struct archive_manifest *m, struct err *err)
{
    char path[OS_PATH_MAX], key[OBJECT_KEY_MAX + 1];
    pending_path(a, m->partition, m->first, path);
    archive_manifest_key(key, m);
    bool was_there = os_exists(path);
    TRY(os_write_file_durable(path, slice_str(key), err));
    metric_add(&a->m_pending, was_there ? 0 : 1);
    a->next_parquet = mono_now();
    return RC_OK;
}

uint64_t parquet_pending(struct archive *a)
{
    char dir[OS_PATH_MAX];
    char **names = NULL;
    size_t n = 0;
    struct err err = ERR_INIT;
    os_path(dir, "%s/pending", a->dir);
    if (os_list(dir, &names, &n, &err) != RC_OK)
        return 0;
    os_list_free(names, n);
    metric_set(&a->m_pending, (int64_t)n);
    return n;
}

/* ---- the work table ---- */

struct work {
    struct archive *a;
    struct store_client *client;
    char table[256];
    uint32_t partition;
    struct buf rows; /* RowBinary: stream_offset UInt64, line String */
    int fd;          /* where the Parquet goes */
    enum rc write_rc;
    struct err write_err;
};

static const char event_columns[] =
    ", JSONExtractString(line, 'id') AS id"
    ", JSONExtractString(line, 'project') AS project"
    ", JSONExtractString(line, 'event') AS event"
    ", parseDateTime64BestEffortOrNull(JSONExtractString(line, 'timestamp'), 3, 'UTC') AS timestamp"
    ", parseDateTime64BestEffortOrNull(JSONExtractString(line, 'received_at'), 3, 'UTC') AS "
    "received_at"
    ", JSONExtractString(line, 'source') AS source"
    ", JSONExtractString(line, 'user_id') AS user_id"
    ", JSONExtractString(line, 'anonymous_id') AS anonymous_id"
    ", JSONExtractString(line, 'session_id') AS session_id"
    ", JSONExtractString(line, 'page', 'url') AS page_url"
    ", JSONExtractString(line, 'page', 'path') AS page_path"
    ", JSONExtractString(line, 'page', 'title') AS page_title"
    ", JSONExtractString(line, 'page', 'referrer') AS page_referrer"
    ", JSONExtractUInt(line, 'screen', 'width') AS screen_width"
    ", JSONExtractUInt(line, 'screen', 'height') AS screen_height"
    ", JSONExtractString(line, 'user_agent') AS user_agent"
    ", JSONExtractString(line, 'locale') AS locale"
    ", JSONExtractRaw(line, 'properties') AS properties"
    ", JSONExtractRaw(line, 'context') AS context";

static enum rc work_exec(struct work *w, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static enum rc work_exec(struct work *w, struct err *err, const char *fmt, ...)
{
    char sql[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(sql, sizeof(sql), fmt, ap);
    va_end(ap);
    must(n > 0 && (size_t)n < sizeof(sql));
    return store_exec(w->client, sql, err);
}

static void add_row(struct buf *rows, uint64_t offset, struct slice line)
{
    char head[8 + 10];
    size_t n = 8;
    for (int i = 0; i < 8; i++)
        head[i] = (char)(offset >> (8 * i));
    for (uint64_t len = line.len; n == 8 || len; len >>= 7) /* LEB128, at least one byte */
        head[n++] = (char)((len & 0x7f) | (len >> 7 ? 0x80 : 0));
    buf_add(rows, head, n);
    buf_add_slice(rows, line);
}

static enum rc insert_rows(struct work *w, struct err *err)
{
    if (w->rows.len == 0)
        return RC_OK;
    TRY(store_insert(w->client, w->table, "stream_offset, line", "RowBinary", buf_slice(&w->rows),
                     NULL, NULL, NULL, err));
    buf_clear(&w->rows);
    return RC_OK;
}

static enum rc fill(struct work *w, const struct archive_manifest *m,
                    const struct archive_part *part, struct err *err)
{
    CLEANUP(lines_closep) struct lines *lines = NULL;
    uint64_t offset = part->first;
    struct slice line;
    enum rc rc;
    TRY(work_exec(w, err, "DROP TABLE IF EXISTS %s", w->table));
    TRY(work_exec(w, err,
                  "CREATE TABLE %s (stream_offset UInt64, line String) ENGINE = MergeTree ORDER BY "
                  "stream_offset",
                  w->table));
    TRY(lines_open(w->a->cfg.objects, m, part, &lines, err));
    while ((rc = lines_next(lines, &line, err)) == RC_OK) {
        add_row(&w->rows, offset++, line);
        if (!buf_ok(&w->rows))
            return err_set(err, RC_NOMEM, "no memory for rows of the archive");
        if (w->rows.len >= INSERT_BYTES)
            TRY(insert_rows(w, err));
    }
    if (rc != RC_END)
        return rc;
    return insert_rows(w, err);
}

static enum rc count_rows(struct work *w, uint64_t want, struct err *err)
{
    char sql[512];
    struct buf out;
    uint64_t got = 0;
    buf_init(&out, 4096);
    snprintf(sql, sizeof(sql), "SELECT count() FROM %s", w->table);
    enum rc rc =
        store_query(NULL, w->client, &(struct store_query){.sql = sql, .format = "TabSeparated"},
                    &out, NULL, NULL, err);
    struct slice text = buf_slice(&out);
    bool ok = rc == RC_OK && slice_to_u64(slice_cut(&text, '\n'), &got) && got == want;
    buf_done(&out);
    TRY(rc);
    if (!ok)
        return err_set(err, RC_AGAIN, "the work table has %" PRIu64 " rows instead of %" PRIu64,
                       got, want);
    return RC_OK;
}

static enum rc write_piece(void *ctx, struct slice piece)
{
    struct work *w = ctx;
    w->write_rc = os_write_all(w->fd, piece.data, piece.len, &w->write_err);
    return w->write_rc;
}

static enum rc select_parquet(struct work *w, struct err *err)
{
    static const struct store_setting settings[] = {
        {"output_format_parquet_compression_method", "zstd"},
        {"output_format_parquet_row_group_size", "65536"},
        {"output_format_parquet_parallel_encoding", "0"},
        {"output_format_parquet_string_as_string", "1"},
        {"max_threads", "1"},
    };
    char sql[SQL_BYTES_MAX];
    bool is_events = strcmp(stream_name(w->a->cfg.stream), "events") == 0;
    int n = snprintf(sql, sizeof(sql),
                     "SELECT toUInt32(%u) AS stream_partition, stream_offset"
                     ", assumeNotNull(parseDateTime64BestEffortOrNull(JSONExtractString(line, "
                     "'append_time'), 3, "
                     "'UTC')) AS append_time, JSONExtractString(line, 'stream_key') AS stream_key"
                     ", JSONExtract(line, 'stream_headers', 'Array(String)') AS stream_headers"
                     ", JSONExtractString(line, 'stream_value_base64') AS stream_value_base64%s"
                     " FROM %s ORDER BY stream_offset FORMAT Parquet",
                     (unsigned)w->partition, is_events ? event_columns : ", line", w->table);
    must(n > 0 && (size_t)n < sizeof(sql));
    enum rc rc = store_query(NULL, w->client,
                             &(struct store_query){.sql = sql,
                                                   .format = "Parquet",
                                                   .settings = settings,
                                                   .setting_count = COUNT_OF(settings),
                                                   .on_data = write_piece,
                                                   .ctx = w},
                             NULL, NULL, NULL, err);
    if (w->write_rc != RC_OK)
        return err_set(err, w->write_rc, "%s", w->write_err.text);
    return rc;
}

static enum rc make_file(struct work *w, const struct archive_manifest *m,
                         const struct archive_part *part, const char *path, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(fill(w, m, part, err));
    TRY(count_rows(w, part->last - part->first + 1, err));
    TRY(os_open(path, O_WRONLY | O_CREAT | O_TRUNC, &fd, err));
    w->fd = fd;
    TRY(select_parquet(w, err));
    return work_exec(w, err, "DROP TABLE IF EXISTS %s SYNC", w->table);
}

static enum rc make_part(struct archive *a, struct store_client *client,
                         const struct archive_manifest *m, struct archive_part *part,
                         struct err *err)
{
    char path[OS_PATH_MAX], key[OBJECT_KEY_MAX + 1];
    struct archive_object object;
    struct work w = {
        .a = a, .client = client, .partition = m->partition, .fd = -1, .write_err = ERR_INIT};
    snprintf(w.table, sizeof(w.table), "`%s`.`archive_work_%s_%u`", a->database, m->stream,
             (unsigned)m->partition);
    os_path(path, "%s/parquet.tmp", a->dir);
    archive_object_key(key, m, part, ARCHIVE_PARQUET);
    buf_init(&w.rows, INSERT_BYTES + LINE_BYTES_MAX + 64);
    enum rc rc = make_file(&w, m, part, path, err);
    buf_done(&w.rows);
    if (rc == RC_OK)
        rc = file_upload(path, a->cfg.objects, key, NULL, &object, err);
    struct err gone = ERR_INIT;
    IGNORE(os_unlink_durable(path, &gone), "the next one empties it");
    TRY(rc);
    part->objects[ARCHIVE_PARQUET] = object;
    metric_add(&a->m_objects, 1);
    metric_add(&a->m_bytes, (int64_t)object.bytes);
    return RC_OK;
}

/* ---- one waiting run ---- */

static enum rc make_run(struct archive *a, struct archive_manifest *m, struct err *err)
{
    struct store_client *client;
    TRY(store_pool_take(a->cfg.store, &client, err));
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < m->part_count && rc == RC_OK; i++)
        if (!m->parts[i].objects[ARCHIVE_PARQUET].is_there)
            rc = make_part(a, client, m, &m->parts[i], err);
    store_pool_give(a->cfg.store, client);
    TRY(rc);
    return archive_manifest_put(a->cfg.objects, m, err);
}

/* RC_NOTFOUND: the run is not archived yet (or its manifest was removed: then it is forgotten). */
static enum rc finish_pending(struct archive *a, const char *path, struct err *err)
{
    struct buf key;
    struct archive_manifest m = {0};
    uint32_t partition = 0;
    uint64_t first = 0;
    unix_ms hour;
    buf_init(&key, OBJECT_KEY_MAX + 1);
    enum rc rc = os_read_file(path, &key, err);
    bool is_key =
        rc == RC_OK && archive_manifest_key_parse(buf_slice(&key), stream_name(a->cfg.stream),
                                                  &partition, &hour, &first);
    if (is_key)
        rc = archive_manifest_get(a->cfg.objects, buf_cstr(&key), &m, err);
    buf_done(&key);
    if (rc == RC_NOTFOUND && partition < a->partition_count &&
        first >= a->partitions[partition].next)
        return rc;
    if (rc == RC_OK && is_key)
        rc = make_run(a, &m, err);
    archive_manifest_done(&m);
    if (rc != RC_OK && rc != RC_NOTFOUND)
        return rc;
    if (rc == RC_NOTFOUND)
        log_warn("a manifest that waits for its Parquet is gone", LOG_STR("pending", path));
    TRY(os_unlink_durable(path, err));
    metric_add(&a->m_pending, -1);
    return RC_OK;
}

enum rc parquet_step(struct archive *a, uint32_t runs, struct err *err)
{
    char dir[OS_PATH_MAX], path[OS_PATH_MAX];
    char **names = NULL;
    size_t n = 0;
    uint32_t done = 0;
    enum rc rc = RC_OK;
    os_path(dir, "%s/pending", a->dir);
    TRY(os_list(dir, &names, &n, err));
    for (size_t i = 0; i < n && done < runs && (rc == RC_OK || rc == RC_NOTFOUND); i++) {
        if (strstr(names[i], ".tmp"))
            continue;
        os_path(path, "%s/%s", dir, names[i]);
        rc = finish_pending(a, path, err);
        done += rc == RC_OK;
    }
    os_list_free(names, n);
    if (rc != RC_OK && rc != RC_NOTFOUND)
        return rc;
    return done ? RC_OK : RC_END;
}
