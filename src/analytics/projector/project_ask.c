/* WHAT    The projector's questions to the table, and the insert (struct project_table_ops).
 * WHY     All answers are rows of one fixed size in RowBinary: no parsing of text, no limit on how
 *         many there are, nothing held but the piece under way.
 *         Ids stand in the statement as literals: they are printed from sixteen bytes by us (a
 *         parameter would put megabytes into a URL).
 * THREADS one. */
#include "analytics/projector/project_int.h"

#include <stdio.h>

#include "analytics/event/schema.h"
#include "base/heap.h"

enum {
    IDS_PER_QUESTION = 10000,
    PROJECTS_PER_QUESTION = 32,
    ROW_BYTES_MAX = 64,
};
struct project_table {
    struct store_client *client;
    char name[65];
    struct buf sql;
};

enum rc project_table_new(const struct project_cfg *cfg, struct project_table **ret,
                          struct err *err)
{
    const char *name = cfg->table ? cfg->table : ANALYTICS_EVENTS_TABLE;
    ENSURE(analytics_table_name_ok(name),
           err_set(err, RC_INVALID, "'%.80s' is no name for a table: a-z, 0-9 and _", name));
    struct project_table *t = heap_alloc(HEAP_ANALYTICS, sizeof(*t));
    snprintf(t->name, sizeof(t->name), "%s", name);
    buf_init(&t->sql, 4 << 20);
    enum rc rc = store_client_new(&cfg->store, &t->client, err);
    if (rc != RC_OK) {
        project_table_free(t);
        return rc;
    }
    *ret = t;
    return RC_OK;
}

void project_table_free(struct project_table *t)
{
    if (!t)
        return;
    store_client_free(t->client);
    buf_done(&t->sql);
    heap_free(t);
}

/* ---- rows of one size, cut out of pieces of any size ---- */
struct cutter {
    size_t row_bytes, held;
    char row[ROW_BYTES_MAX];
    void (*take)(void *ctx, const char *row);
    void *ctx;
};

static enum rc cutter_feed(void *ctx, struct slice piece)
{
    struct cutter *c = ctx;
    while (piece.len) {
        size_t n = c->row_bytes - c->held;
        if (n > piece.len)
            n = piece.len;
        memcpy(c->row + c->held, piece.data, n);
        c->held += n;
        piece = slice_sub(piece, n);
        if (c->held == c->row_bytes) {
            c->held = 0;
            c->take(c->ctx, c->row);
        }
    }
    return RC_OK;
}

static enum rc ask(struct project_table *t, const struct store_param *params, uint32_t count,
                   struct cutter *cutter, struct err *err)
{
    static const struct store_setting settings[] = {{"max_query_size", "8388608"}};
    ENSURE(buf_ok(&t->sql), err_set(err, RC_LIMIT, "a question to the store is too long"));
    const struct store_query q = {.sql = buf_cstr(&t->sql),
                                  .format = "RowBinary",
                                  .params = params,
                                  .param_count = count,
                                  .settings = settings,
                                  .setting_count = COUNT_OF(settings),
                                  .read_only = true,
                                  .on_data = cutter_feed,
                                  .ctx = cutter};
    TRY(store_query(NULL, t->client, &q, NULL, NULL, NULL, err));
    ENSURE(cutter->held == 0, err_set(err, RC_STORE, "the store's answer ends inside a row"));
    return RC_OK;
}

struct offsets_taker {
    void (*each)(void *ctx, uint64_t offset);
    void *ctx;
};

static void take_offset(void *ctx, const char *row)
{
    struct offsets_taker *to = ctx;
    uint64_t offset;
    memcpy(&offset, row, sizeof(offset));
    to->each(to->ctx, offset);
}

static enum rc table_offsets(void *ctx, uint32_t partition, uint64_t first, uint64_t last,
                             void (*each)(void *ctx, uint64_t offset), void *each_ctx,
                             struct err *err)
{
    struct project_table *t = ctx;
    struct offsets_taker to = {each, each_ctx};
    struct cutter cutter = {.row_bytes = 8, .take = take_offset, .ctx = &to};
    char texts[3][24];
    snprintf(texts[0], sizeof(texts[0]), "%u", partition);
    snprintf(texts[1], sizeof(texts[1]), "%llu", (unsigned long long)first);
    snprintf(texts[2], sizeof(texts[2]), "%llu", (unsigned long long)last);
    const struct store_param params[] = {{"partition", slice_str(texts[0])},
                                         {"first", slice_str(texts[1])},
                                         {"last", slice_str(texts[2])}};
    buf_clear(&t->sql);
    buf_addf(&t->sql,
             "SELECT stream_offset FROM %s WHERE stream_partition = {partition:UInt16} AND "
             "stream_offset BETWEEN {first:UInt64} AND {last:UInt64}",
             t->name);
    return ask(t, params, COUNT_OF(params), &cutter, err);
}

struct seen_taker {
    void (*each)(void *ctx, const struct project_seen *row);
    void *ctx;
};

static void uuid_from_row(const char *row, struct uuid *ret)
{
    for (size_t i = 0; i < 8; i++) {
        ret->bytes[i] = (uint8_t)row[7 - i];
        ret->bytes[8 + i] = (uint8_t)row[15 - i];
    }
}

static void take_seen(void *ctx, const char *row)
{
    struct seen_taker *to = ctx;
    struct project_seen seen;
    uuid_from_row(row, &seen.project);
    uuid_from_row(row + 16, &seen.id);
    memcpy(&seen.received_at.ms, row + 32, 8);
    to->each(to->ctx, &seen);
}

static void add_uuid(struct buf *sql, const struct uuid *u)
{
    char text[UUID_TEXT_LEN + 1];
    buf_add_char(sql, '\'');
    buf_add(sql, uuid_format(u, text), UUID_TEXT_LEN);
    buf_add_char(sql, '\'');
}

/* Narrows the question to the projects at hand (the table's key begins with them), if few. */
static void add_projects(struct buf *sql, const struct project_seen *ids, uint32_t count)
{
    struct uuid projects[PROJECTS_PER_QUESTION];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        while (at < n && memcmp(&projects[at], &ids[i].project, sizeof(projects[0])) != 0)
            at++;
        if (at == PROJECTS_PER_QUESTION)
            return;
        if (at == n)
            projects[n++] = ids[i].project;
    }
    buf_add_str(sql, " AND project_id IN (");
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(sql, ',');
        add_uuid(sql, &projects[i]);
    }
    buf_add_char(sql, ')');
}

static enum rc table_ids(void *ctx, const struct project_seen *ids, uint32_t count,
                         void (*each)(void *ctx, const struct project_seen *row), void *each_ctx,
                         struct err *err)
{
    struct project_table *t = ctx;
    struct seen_taker to = {each, each_ctx};
    for (uint32_t from = 0; from < count; from += IDS_PER_QUESTION) {
        uint32_t n = count - from < IDS_PER_QUESTION ? count - from : IDS_PER_QUESTION;
        struct cutter cutter = {.row_bytes = 40, .take = take_seen, .ctx = &to};
        buf_clear(&t->sql);
        buf_addf(&t->sql, "SELECT project_id, id, received_at FROM %s WHERE id IN (", t->name);
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                buf_add_char(&t->sql, ',');
            add_uuid(&t->sql, &ids[from + i].id);
        }
        buf_add_char(&t->sql, ')');
        add_projects(&t->sql, ids + from, n);
        TRY(ask(t, NULL, 0, &cutter, err));
    }
    return RC_OK;
}

static enum rc table_recent(void *ctx, void (*each)(void *ctx, const struct project_seen *row),
                            void *each_ctx, struct err *err)
{
    struct project_table *t = ctx;
    struct seen_taker to = {each, each_ctx};
    struct cutter cutter = {.row_bytes = 40, .take = take_seen, .ctx = &to};
    buf_clear(&t->sql);
    buf_addf(&t->sql,
             "SELECT project_id, id, received_at FROM %s WHERE dedupe = 1 AND received_at > "
             "(SELECT max(received_at) FROM %s) - toIntervalDay(8)",
             t->name, t->name);
    return ask(t, NULL, 0, &cutter, err);
}

static enum rc table_insert(void *ctx, struct slice block, const char *token, struct err *err)
{
    struct project_table *t = ctx;
    return store_insert(t->client, t->name, project_columns, "Native", block, token, NULL, NULL,
                        err);
}

const struct project_table_ops project_table_ops = {
    .offsets = table_offsets,
    .ids = table_ids,
    .recent = table_recent,
    .insert = table_insert,
};
