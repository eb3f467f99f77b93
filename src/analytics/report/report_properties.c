/* WHAT    Which properties events have: their names, how often, how often as a number.
 * WHY     So that nobody has to know the names by heart who wants to break down by one. */
#include "analytics/report/report_int.h"

static bool parse(struct report *r, yyjson_val *root)
{
    (void)root;
    return report_take_page(r, REPORT_LIMIT_DEFAULT);
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = report_events_source(r)};
    buf_add_str(out, "SELECT pair.1, sum(times) AS n, sumIf(times, pair.2 = '0') FROM (SELECT "
                     "arrayJoin(JSONExtractKeysAndValuesRaw(shape)) AS pair, times FROM (SELECT "
                     "toString(properties_shape) AS shape, count() AS times");
    report_from_sql(&s);
    buf_add_str(out, " GROUP BY properties_shape)) GROUP BY pair.1 ORDER BY n DESC, pair.1 "
                     "LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
}

/* [name, events that have it, those where it is a number] */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    static const struct report_member columns[] = {
        {"property", false}, {"count", true}, {"numbers", true}};
    return report_add_members(r, body, row, columns, COUNT_OF(columns), err);
}

static void add_resolved(const struct report *r, struct buf *body)
{
    buf_addf(body, ",\"limit\":%u,\"offset\":%u", r->limit, r->offset);
}

static const char *const resolved[] = {"limit", "offset", NULL};
const struct report_kind report_kind_properties = {.name = "properties",
                                                   .is_sampled = true,
                                                   .resolved = resolved,
                                                   .parse = parse,
                                                   .sql = add_sql,
                                                   .row = add_row,
                                                   .add_resolved = add_resolved};
