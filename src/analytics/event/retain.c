/* WHAT    retain.h.
 * WHY     A mutation of one partition at a time: the store rewrites only parts that hold such rows,
 *         and never more than a month of them at once. Lightweight deletes would only hide rows.
 *         Ids and times stand in the statement as literals: mutations take no parameters, and they
 *         are printed from numbers by us.
 * THREADS any; blocks. */
#include "analytics/event/retain.h"

#include <stdio.h>

#include "analytics/event/schema.h"
#include "base/must.h"

enum { SQL_BYTES_MAX = 256 << 10, DAY_MS = 24 * 3600 * 1000, ANSWER_BYTES = 256, NO_MONTH = 0 };

static const struct retained {
    const char *table, *partition, *time;
} tables[] = {{ANALYTICS_EVENTS_TABLE, "timestamp", "timestamp"}, {"sessions", "start", "end"}};

unix_ms retain_before(const struct retain_rule *rule, unix_ms now)
{
    return (unix_ms){(now.ms / DAY_MS - (int64_t)rule->days) * DAY_MS};
}

static void put_condition(struct buf *sql, const struct retained *t,
                          const struct retain_rule *rules, uint32_t count, unix_ms now)
{
    char id[UUID_TEXT_LEN + 1];
    for (uint32_t i = 0; i < count; i++) {
        buf_addf(sql, "%s(project_id = '%s' AND %s < fromUnixTimestamp64Milli(toInt64(%lld)))",
                 i ? " OR " : "", uuid_format(&rules[i].project, id), t->time,
                 (long long)retain_before(&rules[i], now).ms);
    }
}

static enum rc ask_number(struct store_client *c, struct buf *sql, uint64_t *ret, struct err *err)
{
    CLEANUP(buf_done) struct buf answer;
    buf_init(&answer, ANSWER_BYTES);
    ENSURE(buf_ok(sql), err_set(err, RC_LIMIT, "a statement about old rows is too long"));
    const struct store_query q = {
        .sql = buf_cstr(sql), .format = "TabSeparated", .read_only = true};
    TRY(store_query(NULL, c, &q, &answer, NULL, NULL, err));
    struct slice text = buf_slice(&answer), line = slice_cut(&text, '\n');
    *ret = 0;
    return line.len == 0 || slice_to_u64(line, ret)
               ? RC_OK
               : err_set(err, RC_STORE, "the store did not answer with a number");
}

static enum rc oldest_month(struct store_client *c, const struct retained *t, struct buf *sql,
                            const struct retain_rule *rules, uint32_t count, unix_ms now,
                            uint64_t *ret_month, struct err *err)
{
    buf_clear(sql);
    buf_addf(sql, "SELECT toYYYYMM(%s) AS month FROM %s WHERE ", t->partition, t->table);
    put_condition(sql, t, rules, count, now);
    buf_add_str(sql, " GROUP BY month ORDER BY month LIMIT 1");
    return ask_number(c, sql, ret_month, err);
}

static enum rc step_of(struct store_client *c, const struct retained *t, struct buf *sql,
                       const struct retain_rule *rules, uint32_t count, unix_ms now,
                       struct err *err)
{
    uint64_t running = 0, month = NO_MONTH;
    buf_clear(sql);
    buf_addf(sql,
             "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = "
             "'%s' AND NOT is_done",
             t->table);
    TRY(ask_number(c, sql, &running, err));
    ENSURE(running == 0, RC_BUSY);
    TRY(oldest_month(c, t, sql, rules, count, now, &month, err));
    ENSURE(month != NO_MONTH, RC_END);
    buf_clear(sql);
    buf_addf(sql, "ALTER TABLE %s DELETE IN PARTITION %llu WHERE ", t->table,
             (unsigned long long)month);
    put_condition(sql, t, rules, count, now);
    ENSURE(buf_ok(sql), err_set(err, RC_LIMIT, "a statement about old rows is too long"));
    return store_exec(c, buf_cstr(sql), err);
}

enum rc retain_step(struct store_client *c, const struct retain_rule *rules, uint32_t count,
                    unix_ms now, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    enum rc rc = RC_END;
    must(count <= RETAIN_RULES_MAX);
    buf_init(&sql, SQL_BYTES_MAX);
    for (unsigned i = 0; i < COUNT_OF(tables) && count && rc == RC_END; i++)
        rc = step_of(c, &tables[i], &sql, rules, count, now, err);
    return rc;
}
