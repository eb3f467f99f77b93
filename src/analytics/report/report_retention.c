/* WHAT    Retention: of those who did something in a period, how many came back in the next ones.
 * WHY     One pass: each visitor (or user) becomes two short lists of the numbers of their periods,
 *         of the start event and of the return event; a cohort is an element of the first list.
 *         Up to 64 periods the lists are bits of two numbers, and visitors with the same ones are
 *         one row with a weight: there are few different ones. */
#include "analytics/report/report_int.h"

enum { PERIODS_DEFAULT = 12, PERIODS_MAX = 60 };
struct retention {
    struct report_filter *start, *back; /* NULL: any event */
    enum report_unit unit;
    uint32_t periods;
    bool is_first_time;
};

static bool parse(struct report *r, yyjson_val *root)
{
    static const char *const types[] = {"first_time", "recurring"};
    const struct report_at at_start = {.name = "start"}, at_back = {.name = "return"},
                           at_periods = {.name = "periods"}, at_type = {.name = "type"};
    struct retention *t = r->own;
    uint32_t type = 0;
    uint64_t periods;
    if (!report_take_filters(r, &at_start, json_get(root, "start"), &t->start) ||
        !report_take_filters(r, &at_back, json_get(root, "return"), &t->back) ||
        !report_take_unit(r, &t->unit) ||
        !report_take_word(r, &at_type, json_get(root, "type"), types, COUNT_OF(types), &type) ||
        !report_take_u64(r, &at_periods, json_get(root, "periods"), 1, PERIODS_MAX, PERIODS_DEFAULT,
                         &periods))
        return false;
    t->is_first_time = type == 0;
    t->periods = (uint32_t)periods;
    return report_take_actor(r);
}

static void add_condition(const struct report_sql *s, const struct report_filter *f)
{
    if (f)
        report_filter_sql(s, f);
    else
        buf_add_str(s->out, "1");
}

static bool has_bits(const struct report *r)
{
    const struct retention *t = r->own;
    return report_periods_fit(r, t->unit, 64);
}

/* Columns starts, backs: of an actor; arrays of periods or sets of bits. */
static void add_lists(const struct report *r, struct buf *out)
{
    const struct retention *t = r->own;
    bool is_bits = has_bits(r);
    const char *bit = is_bits ? "bitShiftLeft(toUInt64(1), greatest(period, 0))" : "period";
    const char *list = is_bits ? "groupBitOrIf" : "groupUniqArrayIf";
    if (!t->is_first_time)
        buf_addf(out, "%s(%s, is_start AND period >= 0) AS starts", list, bit);
    else if (is_bits)
        buf_add_str(out, "if(max(is_start) AND minIf(period, is_start) >= 0, bitShiftLeft("
                         "toUInt64(1), greatest(minIf(period, is_start), 0)), 0) AS starts");
    else
        buf_add_str(out, "if(max(is_start), [minIf(period, is_start)], []) AS starts");
    buf_addf(out, ", %s(%s, is_back AND period >= 0) AS backs", list, bit);
}

/* Rows (starts, backs, weight): lists of periods, and how many actors have these. */
static void add_actors(const struct report *r, struct buf *out)
{
    const struct retention *t = r->own;
    const struct report_sql s = {
        .r = r,
        .out = out,
        .source = report_actors_source(r, report_filter_is_of_slots(t->start) &&
                                              report_filter_is_of_slots(t->back)) |
                  (t->is_first_time ? SOURCE_EVER : 0)};
    bool is_bits = has_bits(r);
    if (is_bits)
        buf_add_str(out, "SELECT CAST(bitPositionsToArray(starts), 'Array(Int32)') AS starts, "
                         "CAST(bitPositionsToArray(backs), 'Array(Int32)') AS backs, weight FROM ("
                         "SELECT starts, backs, count() AS weight FROM (SELECT ");
    else
        buf_add_str(out, "SELECT 1 AS weight, ");
    add_lists(r, out);
    buf_addf(out, " FROM (SELECT %s AS actor, ", report_actor(r));
    report_period_sql(&s, t->unit);
    buf_add_str(out, " AS period, ");
    add_condition(&s, t->start);
    buf_add_str(out, " AS is_start, ");
    add_condition(&s, t->back);
    buf_add_str(out, " AS is_back");
    report_from_sql(&s);
    buf_addf(out, " AND %s) WHERE is_start OR is_back GROUP BY actor", report_has_actor(r));
    if (is_bits)
        buf_add_str(out, ") GROUP BY starts, backs)");
}

/* Every period of the range has a row: those without anybody come from a list with weight 0. */
static void add_sql(const struct report *r, struct buf *out)
{
    const struct retention *t = r->own;
    buf_add_str(out, "SELECT toString(buckets[cohort + 1]), sum(weight), "
                     "sumForEach(arrayMap(k -> toUInt64(has(backs, cohort + k)) * weight, ");
    buf_addf(out, "range(1, %u))), any(length(buckets)) - 1 - cohort FROM (SELECT *, ",
             t->periods + 1);
    report_buckets_sql(out, t->unit, false);
    buf_add_str(out, " AS buckets FROM (SELECT arrayJoin(starts) AS cohort, backs, weight FROM (");
    add_actors(r, out);
    buf_add_str(out, ") UNION ALL SELECT arrayJoin(range(toInt32(length(");
    report_buckets_sql(out, t->unit, false);
    buf_add_str(out, ")))) AS cohort, CAST([], 'Array(Int32)') AS backs, 0 AS weight)) "
                     "WHERE cohort >= 0 GROUP BY cohort, buckets ORDER BY cohort");
}

/* [label, size, [returned after 1, 2 …], periods that lie within the range] */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    const struct retention *t = r->own;
    yyjson_val *counts = yyjson_arr_get(row, 2);
    int64_t known;
    ENSURE(yyjson_arr_size(row) == 4 && yyjson_is_arr(counts) &&
               json_to_i64(yyjson_arr_get(row, 3), &known),
           report_bad_shape(err));
    buf_add_str(body, "{\"cohort\":");
    report_add_value(body, yyjson_arr_get(row, 0));
    buf_add_str(body, ",\"size\":");
    report_add_count(r, body, yyjson_arr_get(row, 1));
    buf_add_str(body, ",\"returned\":[");
    for (uint32_t i = 0; i < t->periods && i < known; i++) {
        if (i)
            buf_add_char(body, ',');
        report_add_count(r, body, yyjson_arr_get(counts, i));
    }
    buf_add_str(body, "]}");
    return RC_OK;
}

static const char *const members[] = {"start", "return",   "unit", "periods",
                                      "type",  "count_by", NULL};
const struct report_kind report_kind_retention = {.name = "retention",
                                                  .is_sampled = true,
                                                  .members = members,
                                                  .own_size = sizeof(struct retention),
                                                  .parse = parse,
                                                  .sql = add_sql,
                                                  .row = add_row};
