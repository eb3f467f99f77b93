/* WHAT  The statements of a replay.
 * WHY   Copies are told to the engine month by month and made so that repeating one changes
 *       nothing: a month is replaced whole, or dropped and filled; the tail is "what is not there
 *       yet". The engine's own deduplication is off for them: after a dropped month it would take
 *       the same rows for repeats. Numbers in the statements are printed by us; names are
 *       constants or digits from the engine, checked. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analytics/replay/replay_int.h"
#include "analytics/event/schema.h"
#include "base/heap.h"
#include "base/must.h"

enum {
    COPY_ROWS = 4000000, /* of one INSERT SELECT, so that it stays within the time of one query */
    TAIL_OFFSETS = 1000000, /* likewise */

    SQL_MAX = 64 << 10,
    ANSWER_MAX = 1 << 20,
    SETTLE_MS_MAX = 3600 * 1000,
    SETTLE_STEP_MS = 500
};

static const struct store_setting settings[] = {
    {"insert_deduplicate", "0"},
    {"max_table_size_to_drop", "0"},
    {"max_partition_size_to_drop", "0"},
};

static enum rc ask(struct replay_tables *t, struct buf *sql, struct buf *out, struct err *err)
{
    if (!buf_ok(sql))
        return err_set(err, RC_NOMEM, "no memory for a statement");
    const struct store_query q = {.sql = buf_cstr(sql),
                                  .format = out ? "TabSeparated" : NULL,
                                  .settings = settings,
                                  .setting_count = COUNT_OF(settings)};
    return store_query(NULL, t->client, &q, out, NULL, NULL, err);
}

static enum rc run(struct replay_tables *t, const char *statement, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_add_str(&sql, statement);
    return ask(t, &sql, NULL, err);
}

static enum rc ask_u64(struct replay_tables *t, struct buf *sql, uint64_t *ret, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 4096);
    TRY(ask(t, sql, &out, err));
    struct slice text = buf_slice(&out);
    if (!slice_to_u64(slice_cut(&text, '\n'), ret))
        return err_set(err, RC_STORE, "the store did not answer with a number");
    return RC_OK;
}

/* ---- where ---- */

static void add_inside(struct buf *sql, const struct replay_job *job)
{
    bool is_first = true;
    buf_add_char(sql, '(');
    for (uint32_t i = 0; i < job->partition_count; i++) {
        const struct replay_partition *p = &job->partitions[i];
        if (!p->is_in_range)
            continue;
        buf_addf(sql,
                 "%s(stream_partition = %u AND stream_offset BETWEEN %" PRIu64 " AND %" PRIu64 ")",
                 is_first ? "" : " OR ", (unsigned)i, p->from, p->to);
        is_first = false;
    }
    buf_add_str(sql, is_first ? "0)" : ")");
}

/* Rows that came after the job began. */
static void add_tail(struct buf *sql, const struct replay_job *job)
{
    buf_add_char(sql, '(');
    for (uint32_t i = 0; i < job->partition_count; i++)
        buf_addf(sql, "%s(stream_partition = %u AND stream_offset >= %" PRIu64 ")", i ? " OR " : "",
                 (unsigned)i, job->partitions[i].checkpoint);
    buf_add_str(sql, job->partition_count ? ")" : "0)");
}

/* ---- tables ---- */

enum rc replay_table_uuid(struct replay_tables *t, const char *table, char ret_uuid[40],
                          struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf out;
    buf_init(&sql, SQL_MAX);
    buf_init(&out, 4096);
    buf_addf(&sql,
             "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = '%s'",
             table);
    TRY(ask(t, &sql, &out, err));
    struct slice text = buf_slice(&out), uuid = slice_cut(&text, '\n');
    snprintf(ret_uuid, 40, "%.*s", (int)(uuid.len < 39 ? uuid.len : 39), uuid.len ? uuid.data : "");
    return RC_OK;
}

enum rc replay_table_create_shadow(struct replay_tables *t, struct err *err)
{
    TRY(replay_table_drop(t, REPLAY_SHADOW, err));
    return analytics_table_create_like_events(t->client, REPLAY_SHADOW, err);
}

enum rc replay_table_drop(struct replay_tables *t, const char *table, struct err *err)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s SYNC", table);
    return run(t, sql, err);
}

enum rc replay_table_keep(struct replay_tables *t, struct err *err)
{
    TRY(replay_table_drop(t, REPLAY_BEFORE, err));
    return run(t, "RENAME TABLE " REPLAY_SHADOW " TO " REPLAY_BEFORE, err);
}

enum rc replay_table_exchange(struct replay_tables *t, struct err *err)
{
    return run(t, "EXCHANGE TABLES " ANALYTICS_EVENTS_TABLE " AND " REPLAY_SHADOW, err);
}

/* The question does not contain the name as one word, or it would find itself. */
enum rc replay_table_settle(struct replay_tables *t, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_add_str(&sql, "SELECT count() FROM system.processes WHERE query LIKE concat('%INTO "
                      "events', '_shadow%') OR "
                      "query LIKE concat('%TABLE events', '_shadow%')");
    for (int64_t waited_ms = 0; waited_ms < SETTLE_MS_MAX; waited_ms += SETTLE_STEP_MS) {
        uint64_t running = 0;
        TRY(ask_u64(t, &sql, &running, err));
        if (running == 0)
            return RC_OK;
        sleep_ms(SETTLE_STEP_MS);
    }
    return err_set(err, RC_TIMEOUT,
                   "a statement of an interrupted replay still works on " REPLAY_SHADOW);
}

/* ---- copies ---- */

static bool is_partition_id(struct slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] < '0' || id.data[i] > '9')
            return false;
    return id.len > 0 && id.len < 16;
}

static enum rc take_months(struct slice text, char (*months)[16], uint32_t *ret_count,
                           struct err *err)
{
    uint32_t n = 0;
    while (text.len) {
        struct slice id = slice_cut(&text, '\n');
        if (!is_partition_id(id) || n == REPLAY_MONTHS_MAX)
            return err_set(err, RC_LIMIT,
                           "the table has partitions that are no months, or too many");
        memcpy(months[n], id.data, id.len);
        months[n++][id.len] = '\0';
    }
    *ret_count = n;
    return RC_OK;
}

enum rc replay_table_months(struct replay_tables *t, char (**ret_months)[16], uint32_t *ret_count,
                            struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf out;
    CLEANUP(heap_freep)
    char(*months)[16] = heap_try_alloc(HEAP_ANALYTICS, REPLAY_MONTHS_MAX * sizeof(*months));
    buf_init(&sql, SQL_MAX);
    buf_init(&out, ANSWER_MAX);
    if (!months)
        return err_set(err, RC_NOMEM, "no memory for a replay");
    buf_add_str(&sql, "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = "
                      "currentDatabase() "
                      "AND table = '" ANALYTICS_EVENTS_TABLE "' ORDER BY partition_id");
    TRY(ask(t, &sql, &out, err));
    TRY(take_months(buf_slice(&out), months, ret_count, err));
    *ret_months = take_ptr(&months);
    return RC_OK;
}

static enum rc month_has_inside(struct replay_tables *t, const char *month, bool *ret,
                                struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    uint64_t rows = 0;
    buf_init(&sql, SQL_MAX);
    buf_addf(&sql, "SELECT count() FROM " ANALYTICS_EVENTS_TABLE " WHERE _partition_id = '%s' AND ",
             month);
    add_inside(&sql, t->job);
    TRY(ask_u64(t, &sql, &rows, err));
    *ret = rows > 0;
    return RC_OK;
}

/* Rows of the month that are neither replayed nor the tail. */
static void add_copied(struct buf *sql, const struct replay_job *job, const char *month)
{
    buf_addf(sql, "_partition_id = '%s' AND NOT ", month);
    add_inside(sql, job);
    buf_add_str(sql, " AND NOT ");
    add_tail(sql, job);
}

static enum rc copy_day(struct replay_tables *t, const char *month, struct slice day, uint64_t rows,
                        struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    uint64_t pieces = rows / COPY_ROWS + 1;
    buf_init(&sql, SQL_MAX);
    for (uint64_t i = 0; i < pieces; i++) {
        buf_clear(&sql);
        buf_add_str(&sql, "INSERT INTO " REPLAY_SHADOW " SELECT * FROM " ANALYTICS_EVENTS_TABLE
                          " WHERE ");
        add_copied(&sql, t->job, month);
        buf_addf(&sql,
                 " AND toRelativeDayNum(timestamp) = %.*s AND stream_offset %% %" PRIu64
                 " = %" PRIu64,
                 SLICE_ARG(day), pieces, i);
        TRY(ask(t, &sql, NULL, err));
    }
    return RC_OK;
}

static enum rc copy_rows(struct replay_tables *t, const char *month, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf days;
    buf_init(&sql, SQL_MAX);
    buf_init(&days, ANSWER_MAX);
    buf_add_str(&sql,
                "SELECT toRelativeDayNum(timestamp) AS day, count() FROM " ANALYTICS_EVENTS_TABLE
                " WHERE ");
    add_copied(&sql, t->job, month);
    buf_add_str(&sql, " GROUP BY day ORDER BY day");
    TRY(ask(t, &sql, &days, err));
    struct slice rest = buf_slice(&days);
    while (rest.len) {
        struct slice count = slice_cut(&rest, '\n'), day = slice_cut(&count, '\t');
        uint64_t rows = 0, number = 0;
        if (!slice_to_u64(count, &rows) || !slice_to_u64(day, &number))
            return err_set(err, RC_STORE, "the store did not answer with days and counts");
        TRY(copy_day(t, month, day, rows, err));
    }
    return RC_OK;
}

enum rc replay_table_copy_month(struct replay_tables *t, const char *month, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    bool has_inside = false;
    buf_init(&sql, SQL_MAX);
    TRY(month_has_inside(t, month, &has_inside, err));
    if (!has_inside) { /* hard links: no row is read */
        buf_addf(&sql,
                 "ALTER TABLE " REPLAY_SHADOW
                 " REPLACE PARTITION ID '%s' FROM " ANALYTICS_EVENTS_TABLE,
                 month);
        return ask(t, &sql, NULL, err);
    }
    buf_addf(&sql, "ALTER TABLE " REPLAY_SHADOW " DROP PARTITION ID '%s'", month);
    TRY(ask(t, &sql, NULL, err));
    return copy_rows(t, month, err);
}

enum rc replay_table_copy_tail(struct replay_tables *t, uint32_t partition, uint64_t from,
                               uint64_t to, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    for (uint64_t at = from; at <= to; at += TAIL_OFFSETS) {
        char window[120];
        uint64_t last = to - at < TAIL_OFFSETS ? to : at + TAIL_OFFSETS - 1;
        snprintf(window, sizeof(window),
                 "stream_partition = %u AND stream_offset BETWEEN %" PRIu64 " AND %" PRIu64,
                 (unsigned)partition, at, last);
        buf_clear(&sql);
        buf_addf(&sql,
                 "INSERT INTO " REPLAY_SHADOW " SELECT * FROM " ANALYTICS_EVENTS_TABLE
                 " WHERE %s AND stream_offset "
                 "NOT IN (SELECT stream_offset FROM " REPLAY_SHADOW " WHERE %s)",
                 window, window);
        TRY(ask(t, &sql, NULL, err));
    }
    return RC_OK;
}

enum rc replay_table_next(struct replay_tables *t, uint32_t partition, uint64_t from,
                          uint64_t *ret_next, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_addf(&sql,
             "SELECT if(count() = 0, %" PRIu64
             ", max(stream_offset) + 1) FROM " ANALYTICS_EVENTS_TABLE
             " WHERE stream_partition = %u AND stream_offset >= %" PRIu64,
             from, (unsigned)partition, from);
    return ask_u64(t, &sql, ret_next, err);
}

/* ---- comparison ---- */

enum rc replay_table_count(struct replay_tables *t, const char *table, bool is_inside,
                           uint64_t *ret_rows, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_addf(&sql, "SELECT count() FROM %s WHERE %s", table, is_inside ? "" : "NOT ");
    add_inside(&sql, t->job);
    return ask_u64(t, &sql, ret_rows, err);
}

enum rc replay_table_differences(struct replay_tables *t, struct buf *out, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_add_str(
        &sql, "SELECT stream_partition, toDate(timestamp) AS day, countIf(NOT is_shadow) AS live, "
              "countIf(is_shadow) AS shadow FROM (SELECT stream_partition, timestamp, 0 AS "
              "is_shadow FROM "
              "" ANALYTICS_EVENTS_TABLE " WHERE ");
    add_inside(&sql, t->job);
    buf_add_str(&sql,
                " UNION ALL SELECT stream_partition, timestamp, 1 AS is_shadow FROM " REPLAY_SHADOW
                " WHERE ");
    add_inside(&sql, t->job);
    buf_add_str(&sql, ") GROUP BY stream_partition, day HAVING live != shadow ORDER BY "
                      "stream_partition, day LIMIT 200");
    return ask(t, &sql, out, err);
}
