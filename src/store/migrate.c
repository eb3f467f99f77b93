/* WHAT    Runs the migrations a database lacks, in order, and notes each one.
 * WHY     ClickHouse has no transactions over DDL, so each statement is safe to run again and the
 *         note is written last: an interruption anywhere repeats the one migration it hit. */
#include "store/client_int.h"

#include <stdio.h>

#include "base/must.h"

enum { MIGRATIONS_BYTES_MAX = 1024 * 1024 };

static enum rc run(struct store_client *c, struct buf *sql, struct buf *out, struct err *err)
{
    ENSURE(buf_ok(sql), err_set(err, RC_LIMIT, "a migration's statement is too long"));
    const struct store_query q = {.sql = buf_cstr(sql), .format = out ? "TabSeparated" : NULL};
    return store_query_any_database(c, &q, out, err);
}

static enum rc create_table(struct store_client *c, const char *database, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, 4096);
    buf_add_str(&sql, "CREATE DATABASE IF NOT EXISTS ");
    sql_add_name(&sql, database);
    TRY(run(c, &sql, NULL, err));
    buf_clear(&sql);
    buf_add_str(&sql, "CREATE TABLE IF NOT EXISTS ");
    sql_add_name(&sql, database);
    buf_add_str(&sql, ".schema_migrations (number UInt32, name String, applied_at DateTime64(3, "
                      "'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY number "
                      "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1");
    return run(c, &sql, NULL, err);
}

static enum rc read_applied(struct store_client *c, const char *database, struct buf *out,
                            struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, 4096);
    buf_add_str(&sql, "SELECT DISTINCT number, name FROM ");
    sql_add_name(&sql, database);
    buf_add_str(&sql, ".schema_migrations ORDER BY number, name");
    return run(c, &sql, out, err);
}

static enum rc note(struct store_client *c, const char *database, const struct store_migration *m,
                    struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    char number[16];
    buf_init(&sql, 4096);
    buf_add_str(&sql, "INSERT INTO ");
    sql_add_name(&sql, database);
    buf_add_str(&sql, ".schema_migrations (number, name) SELECT {number:UInt32}, {name:String}");
    snprintf(number, sizeof(number), "%u", m->number);
    const struct store_param params[] = {{"number", slice_str(number)},
                                         {"name", slice_str(m->name)}};
    const struct store_query q = {.sql = buf_cstr(&sql), .params = params, .param_count = 2};
    return store_query_any_database(c, &q, NULL, err);
}

/* The name under which a number is noted; empty if it is not. */
static struct slice applied_name(struct slice table, uint64_t number)
{
    while (table.len) {
        struct slice line = slice_cut(&table, '\n');
        uint64_t n;
        struct slice digits = slice_cut(&line, '\t');
        if (slice_to_u64(digits, &n) && n == number)
            return line;
    }
    return SLICE_EMPTY;
}

static uint64_t newest_applied(struct slice table)
{
    uint64_t newest = 0, n;
    while (table.len) {
        struct slice line = slice_cut(&table, '\n');
        if (slice_to_u64(slice_cut(&line, '\t'), &n) && n > newest)
            newest = n;
    }
    return newest;
}

static enum rc apply(struct store_client *c, const char *database, const struct store_migration *m,
                     struct err *err)
{
    for (const char *const *s = m->statements; *s; s++) {
        enum rc rc = store_exec(c, *s, err);
        if (rc != RC_OK) {
            err_wrap(err, "migration %u (%s)", m->number, m->name);
            return rc;
        }
    }
    return note(c, database, m, err);
}

enum rc store_migrate(struct store_client *c, const char *database,
                      const struct store_migration *list, uint32_t count, struct err *err)
{
    CLEANUP(buf_done) struct buf applied;
    buf_init(&applied, MIGRATIONS_BYTES_MAX);
    TRY(create_table(c, database, err));
    TRY(read_applied(c, database, &applied, err));
    uint64_t newest = newest_applied(buf_slice(&applied));
    uint64_t known = count ? list[count - 1].number : 0;
    if (newest > known)
        return err_set(
            err, RC_CONFLICT,
            "database %s has migration %llu, this program knows %llu: it was written by a "
            "newer weir; use that one",
            database, (unsigned long long)newest, (unsigned long long)known);
    for (uint32_t i = 0; i < count; i++) {
        must(i == 0 || list[i].number > list[i - 1].number);
        struct slice name = applied_name(buf_slice(&applied), list[i].number);
        if (name.len && !slice_eq_str(name, list[i].name))
            return err_set(err, RC_CONFLICT, "migration %u is \"%s\" here, but \"%.*s\" ran on %s",
                           list[i].number, list[i].name, SLICE_ARG(name), database);
        if (name.len == 0)
            TRY(apply(c, database, &list[i], err));
    }
    return RC_OK;
}
