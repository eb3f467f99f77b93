/* WHAT    The statements that give the tables their columns of properties.
 * WHY     The property stands in the statement as hexadecimal digits: it is any text. The shadow of
 *         a replay under way gets the same columns as the table whose place it will take: months
 *         go from one to the other as they are. */
#include "analytics/event/property_columns.h"

#include <stdio.h>

#include "analytics/event/schema.h"

enum { SQL_MAX = 64 << 10, LIST_MAX = 1 << 20 };
#define OF_TABLE " WHERE database = currentDatabase() AND table = '%s'"

static enum rc list(struct store_client *client, struct buf *sql, struct buf *out, struct err *err)
{
    if (!buf_ok(sql))
        return err_set(err, RC_NOMEM, "no memory for a statement");
    const struct store_query q = {.sql = buf_cstr(sql), .format = "TSVRaw"};
    return store_query(NULL, client, &q, out, NULL, NULL, err);
}

static bool is_listed(struct slice lines, const char *quoted)
{
    struct slice name = slice_of(quoted + 1, strlen(quoted) - 2);
    while (lines.len)
        if (slice_eq(slice_cut(&lines, '\n'), name))
            return true;
    return false;
}

static bool is_wanted(const struct property_columns *c, struct slice column)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (is_listed(column, c->columns[i].quoted))
            return true;
    return false;
}

/* ---- one ALTER of as many clauses as there are; without any, nothing is asked ---- */
struct alter {
    struct buf sql;
    uint32_t clauses;
};

static void alter_begin(struct alter *a, const char *table)
{
    a->clauses = 0;
    buf_init(&a->sql, SQL_MAX);
    buf_addf(&a->sql, "ALTER TABLE %s", table);
}

static struct buf *next_clause(struct alter *a)
{
    buf_add_str(&a->sql, a->clauses++ ? ", " : " ");
    return &a->sql;
}

/* Nobody waits for the parts to follow. */
static enum rc alter_end(struct alter *a, struct store_client *client, struct err *err)
{
    enum rc rc = RC_OK;
    buf_add_str(&a->sql, " SETTINGS alter_sync = 0, mutations_sync = 0");
    if (!buf_ok(&a->sql))
        rc = err_set(err, RC_NOMEM, "no memory for a statement");
    else if (a->clauses)
        rc = store_exec(client, buf_cstr(&a->sql), err);
    buf_done(&a->sql);
    return rc;
}

#define TEXT \
    "if(startsWith(%s, '\"'), concat('\"', JSONExtractString(%s)), if(%s = 'null', '', %s))"
static void add_definition(struct buf *sql, const struct property_column *c)
{
    char
        json[sizeof("JSONExtractRaw(properties, unhex(''))") + 2 * PROPERTY_COLUMNS_NAME_BYTES_MAX];
    char *p = json + snprintf(json, sizeof(json), "JSONExtractRaw(properties, unhex('");
    for (const char *from = c->name; *from; from++)
        p += snprintf(p, 3, "%02x", (unsigned char)*from);
    snprintf(p, 4, "'))");
    buf_addf(sql, "ADD COLUMN IF NOT EXISTS %s LowCardinality(String) MATERIALIZED " TEXT,
             c->quoted, json, json, json, json);
}

/* columns: those that the table has. */
static enum rc change(const struct property_columns *c, struct store_client *client,
                      const char *table, struct slice columns, struct err *err)
{
    struct alter a;
    alter_begin(&a, table);
    for (uint32_t i = 0; i < c->count; i++)
        if (!is_listed(columns, c->columns[i].quoted))
            add_definition(next_clause(&a), &c->columns[i]);
    while (columns.len) {
        struct slice column = slice_cut(&columns, '\n');
        if (slice_has_prefix(column, slice_str(PROPERTY_COLUMNS_PREFIX)) && !is_wanted(c, column))
            buf_addf(next_clause(&a), "DROP COLUMN IF EXISTS `%.*s`", SLICE_ARG(column));
    }
    return alter_end(&a, client, err);
}

/* Of rows that were there before the column was, unless that is under way. */
static enum rc fill(const struct property_columns *c, struct store_client *client,
                    const char *table, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf columns;
    struct alter a;
    buf_init(&sql, SQL_MAX);
    buf_init(&columns, LIST_MAX);
    buf_addf(&sql,
             "SELECT name FROM system.columns" OF_TABLE
             " AND startsWith(name, '" PROPERTY_COLUMNS_PREFIX "') AND "
             "name IN (SELECT arrayJoin(arrayFilter(c -> NOT has(there, c), (SELECT "
             "groupArray(name) FROM system.columns" OF_TABLE "))) FROM (SELECT groupArray(column) "
             "AS there FROM system.parts_columns" OF_TABLE " AND active GROUP BY name)) AND "
             "concat('MATERIALIZE COLUMN ', name) NOT IN (SELECT replaceRegexpAll(command, "
             "'[()`]', '') FROM system.mutations" OF_TABLE " AND NOT is_done)",
             table, table, table, table);
    TRY(list(client, &sql, &columns, err));
    alter_begin(&a, table);
    for (uint32_t i = 0; i < c->count; i++)
        if (is_listed(buf_slice(&columns), c->columns[i].quoted))
            buf_addf(next_clause(&a), "MATERIALIZE COLUMN %s", c->columns[i].quoted);
    return alter_end(&a, client, err);
}

/* A table without any column is not there. */
static enum rc apply(const struct property_columns *c, struct store_client *client,
                     const char *table, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf columns;
    buf_init(&sql, SQL_MAX);
    buf_init(&columns, LIST_MAX);
    buf_addf(&sql, "SELECT name FROM system.columns" OF_TABLE, table);
    TRY(list(client, &sql, &columns, err));
    if (!columns.len)
        return RC_OK;
    TRY(change(c, client, table, buf_slice(&columns), err));
    return c->count ? fill(c, client, table, err) : RC_OK;
}

enum rc property_columns_apply(struct property_columns *c, struct store_client *client,
                               struct err *err)
{
    TRY(apply(c, client, ANALYTICS_EVENTS_TABLE, err));
    TRY(apply(c, client, ANALYTICS_SHADOW_TABLE, err));
    atomic_store_explicit(&c->is_applied, true, memory_order_release);
    return RC_OK;
}
