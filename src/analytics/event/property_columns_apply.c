/* WHAT    The statements that give the tables their columns of properties.
 * WHY     The property stands in the statement as hexadecimal digits: it is any text. The shadow of
 *         a replay under way gets the same columns as the table whose place it will take: months
 *         go from one to the other as they are. */
#include "analytics/event/property_columns.h"

#include <stdio.h>

#include "analytics/event/schema.h"

enum { SQL_MAX = 64 << 10, LIST_MAX = 1 << 20 };
#define OF_TABLE " WHERE database = currentDatabase() AND table = '%s'"

static enum rc ask(struct store_client *client, struct buf *sql, struct buf *out, struct err *err)
{
    if (!buf_ok(sql))
        return err_set(err, RC_NOMEM, "no memory for a statement");
    if (!out)
        return store_exec(client, buf_cstr(sql), err);
    const struct store_query q = {.sql = buf_cstr(sql), .format = "TSVRaw"};
    buf_clear(out);
    return store_query(NULL, client, &q, out, NULL, NULL, err);
}

static bool is_line(struct slice lines, struct slice text)
{
    while (lines.len)
        if (slice_eq(slice_cut(&lines, '\n'), text))
            return true;
    return false;
}

static bool is_listed(struct slice lines, const char *quoted)
{
    return is_line(lines, slice_of(quoted + 1, strlen(quoted) - 2));
}

static bool is_wanted(const struct property_columns *c, struct slice column)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (is_listed(column, c->columns[i].quoted))
            return true;
    return false;
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

/* columns: those that the table has. One ALTER, or none. */
static enum rc change(const struct property_columns *c, struct store_client *client,
                      const char *table, struct slice columns, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    const char *between = " ";
    buf_init(&sql, SQL_MAX);
    buf_addf(&sql, "ALTER TABLE %s", table);
    for (uint32_t i = 0; i < c->count; i++) {
        if (is_listed(columns, c->columns[i].quoted))
            continue;
        buf_add_str(&sql, between);
        add_definition(&sql, &c->columns[i]);
        between = ", ";
    }
    while (columns.len) {
        struct slice column = slice_cut(&columns, '\n');
        if (is_wanted(c, column))
            continue;
        buf_addf(&sql, "%sDROP COLUMN IF EXISTS `%.*s`", between, SLICE_ARG(column));
        between = ", ";
    }
    buf_add_str(&sql, " SETTINGS alter_sync = 0, mutations_sync = 0");
    return between[0] == ',' ? ask(client, &sql, NULL, err) : RC_OK;
}

/* Of rows that were there before the column was, unless that is under way. */
static enum rc fill(const struct property_columns *c, struct store_client *client,
                    const char *table, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf columns;
    const char *between = " ";
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
    TRY(ask(client, &sql, &columns, err));
    buf_clear(&sql);
    buf_addf(&sql, "ALTER TABLE %s", table);
    for (uint32_t i = 0; i < c->count; i++) {
        if (!is_listed(buf_slice(&columns), c->columns[i].quoted))
            continue;
        buf_addf(&sql, "%sMATERIALIZE COLUMN %s", between, c->columns[i].quoted);
        between = ", ";
    }
    buf_add_str(&sql, " SETTINGS mutations_sync = 0");
    return between[0] == ',' ? ask(client, &sql, NULL, err) : RC_OK;
}

static enum rc apply(const struct property_columns *c, struct store_client *client,
                     const char *table, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf columns;
    buf_init(&sql, SQL_MAX);
    buf_init(&columns, LIST_MAX);
    buf_addf(&sql,
             "SELECT name FROM system.columns" OF_TABLE
             " AND startsWith(name, '" PROPERTY_COLUMNS_PREFIX "')",
             table);
    TRY(ask(client, &sql, &columns, err));
    TRY(change(c, client, table, buf_slice(&columns), err));
    return c->count ? fill(c, client, table, err) : RC_OK;
}

enum rc property_columns_apply(struct property_columns *c, struct store_client *client,
                               struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf tables;
    static const char *const names[] = {ANALYTICS_EVENTS_TABLE, ANALYTICS_SHADOW_TABLE};
    buf_init(&sql, SQL_MAX);
    buf_init(&tables, LIST_MAX);
    buf_add_str(&sql, "SELECT name FROM system.tables WHERE database = currentDatabase()");
    TRY(ask(client, &sql, &tables, err));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is_line(buf_slice(&tables), slice_str(names[i])))
            TRY(apply(c, client, names[i], err));
    atomic_store_explicit(&c->is_applied, true, memory_order_release);
    return RC_OK;
}
