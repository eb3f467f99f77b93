/* WHAT    Lifecycle: of each period, how many visitors (or users) are new, return, are back after a
 *         pause, or have fallen silent.
 * WHY     PostHog's four, told by the periods that an actor has events in: a new one has none
 *         before, a returning one has the period before, a resurrecting one only earlier ones;
 *         dormant is who has the period before and not this one. So each event since the beginning
 *         is looked at, and each actor becomes the number of their first period and those from the
 *         range's eve on. Up to 62 periods these are bits of a number (0: earlier, 1: the eve), and
 *         actors with the same ones are one row. */
#include "analytics/report/report_int.h"

static bool parse(struct report *r, yyjson_val *root)
{
    enum report_unit *unit = r->own;
    (void)root;
    return report_take_unit(r, unit) && report_take_actor(r);
}

/* Rows (born, active, weight): how many actors have this first period and these others. */
static void add_actors(const struct report *r, struct buf *out)
{
    const enum report_unit *unit = r->own;
    bool is_bits = report_periods_fit(r, *unit, 62);
    const struct report_sql s = {
        .r = r, .out = out, .source = report_actors_source(r, true) | SOURCE_EVER};
    if (is_bits)
        buf_add_str(out,
                    "SELECT seen[1] AS born, arrayFilter(a -> a >= -1, seen) AS active, weight "
                    "FROM (SELECT arrayMap(k -> toInt32(k) - 2, bitPositionsToArray(bits)) AS "
                    "seen, weight FROM (SELECT bits, count() AS weight FROM (SELECT "
                    "groupBitOr(bitShiftLeft(toUInt64(1), greatest(period, -2) + 2)) AS bits");
    else
        buf_add_str(out, "SELECT min(period) AS born, groupUniqArrayIf(period, period >= -1) AS "
                         "active, toUInt64(1) AS weight");
    buf_addf(out, " FROM (SELECT %s AS actor, ", report_actor(r));
    report_period_sql(&s, *unit);
    buf_add_str(out, " AS period");
    report_from_sql(&s);
    buf_addf(out, " AND %s) GROUP BY actor", report_has_actor(r));
    if (is_bits)
        buf_add_str(out, ") GROUP BY bits))");
}

/* Rows (period, which of the four); a period without anybody has one that is none of them. */
static void add_sql(const struct report *r, struct buf *out)
{
    const enum report_unit *unit = r->own;
    buf_add_str(out,
                "SELECT toString(buckets[x.1 + 1]), sumIf(weight, x.2 = 1), sumIf(weight, x.2 "
                "= 2), sumIf(weight, x.2 = 3), sumIf(weight, x.2 = 4) FROM (SELECT x, weight, ");
    report_buckets_sql(out, *unit, false);
    buf_add_str(out, " AS buckets FROM (SELECT arrayJoin(arrayConcat(arrayMap(a -> (a, multiIf(a = "
                     "born, 1, has(active, a - 1), 2, 3)), active), arrayMap(a -> (a + 1, 4), "
                     "arrayFilter(a -> NOT has(active, a + 1), active)))) AS x, weight FROM (");
    add_actors(r, out);
    buf_add_str(out, ") UNION ALL SELECT (arrayJoin(range(toInt32(length(");
    report_buckets_sql(out, *unit, false);
    buf_add_str(out, ")))), 0) AS x, 0 AS weight)) WHERE x.1 >= 0 AND x.1 < length(buckets) "
                     "GROUP BY x.1, buckets ORDER BY x.1");
}

static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    static const struct report_member columns[] = {{"period", false},
                                                   {"new", true},
                                                   {"returning", true},
                                                   {"resurrecting", true},
                                                   {"dormant", true}};
    return report_add_members(r, body, row, columns, COUNT_OF(columns), err);
}

static const char *const members[] = {"goal", "unit", "count_by", NULL};
const struct report_kind report_kind_lifecycle = {.name = "lifecycle",
                                                  .is_sampled = true,
                                                  .members = members,
                                                  .own_size = sizeof(enum report_unit),
                                                  .parse = parse,
                                                  .sql = add_sql,
                                                  .row = add_row};
