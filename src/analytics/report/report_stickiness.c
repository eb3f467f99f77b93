/* WHAT    Stickiness: how many visitors (or users) were there in 1, 2, … n of the range's periods.
 * WHY     PostHog's: a period counts for an actor if there is an event of theirs in it, however
 *         many there are. Every number of periods has a row: those that nobody has come from a
 *         list. */
#include "analytics/report/report_int.h"

static bool parse(struct report *r, yyjson_val *root)
{
    enum report_unit *unit = r->own;
    (void)root;
    return report_take_unit(r, unit) && report_take_actor(r);
}

static void add_sql(const struct report *r, struct buf *out)
{
    const enum report_unit *unit = r->own;
    const struct report_sql s = {.r = r, .out = out, .source = report_actors_source(r, true)};
    bool is_bits = report_periods_fit(r, *unit, 64); /* of a number: much less than a set each */
    buf_addf(out,
             "SELECT periods, count, if(whole = 0, NULL, 100 * count / whole), more FROM ("
             "SELECT periods, count, sum(count) OVER () AS whole, "
             "sum(count) OVER (ORDER BY periods DESC) AS more FROM ("
             "SELECT periods, sum(weight) AS count FROM ("
             "SELECT toUInt64(%s) AS periods, 1 AS weight FROM (SELECT ",
             is_bits ? "bitCount(groupBitOr(bitShiftLeft(toUInt64(1), period)))"
                     : "uniqExact(period)");
    buf_addf(out, "%s AS actor, ", report_actor(r));
    report_period_sql(&s, *unit);
    buf_add_str(out, " AS period");
    report_from_sql(&s);
    buf_addf(out, " AND %s) GROUP BY actor UNION ALL SELECT arrayJoin(range(1, length(",
             report_has_actor(r));
    report_buckets_sql(out, *unit, false);
    buf_add_str(out, ") + 1)) AS periods, 0 AS weight) GROUP BY periods)) ORDER BY periods");
}

/* [periods, actors with so many, percentage of all, actors with so many or more] */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    static const struct report_member columns[] = {
        {"periods", false}, {"count", true}, {"percentage", false}, {"count_or_more", true}};
    return report_add_members(r, body, row, columns, COUNT_OF(columns), err);
}

static const char *const members[] = {"goal", "unit", "count_by", NULL};
const struct report_kind report_kind_stickiness = {.name = "stickiness",
                                                   .is_sampled = true,
                                                   .members = members,
                                                   .own_size = sizeof(enum report_unit),
                                                   .parse = parse,
                                                   .sql = add_sql,
                                                   .row = add_row};
