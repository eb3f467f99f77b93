/* WHAT    Funnels: how far visitors or users come through 2 to 20 steps.
 * WHY     One pass over an actor's events in order of time, with an array that has for each step
 *         the latest beginning from which it was reached:
 *             at[k] = at[k - 1] if this event is step k and at[k - 1] is not too long ago
 *         which finds the furthest step of the best try, whatever lies between. What the engine's
 *         own windowFunnel cannot do (how long it took, what must not happen in between, steps
 *         directly behind one another or in any order) is a line more here.
 *         at[k]: 0 never reached; -1 reached, but what was begun came to nothing; last step:
 *         milliseconds it took the first time, plus one. */
#include "analytics/report/report_int.h"

#include <stdio.h>

enum { STEPS_MIN = 2, STEPS_MAX = 20, EXCLUSIONS_MAX = 10 };
enum order { FUNNEL_ORDERED, FUNNEL_STRICT, FUNNEL_UNORDERED };
struct step {
    struct slice name;
    struct report_filter *filter; /* an OP_AND */
};
struct exclusion {
    struct report_filter *filter;
    uint32_t from, to; /* between these steps, from 1 */
};
struct funnel {
    struct step steps[STEPS_MAX];
    uint32_t step_count;
    struct exclusion exclusions[EXCLUSIONS_MAX];
    uint32_t exclusion_count;
    enum order order;
    uint64_t window_ms;
};
static const uint64_t window_default_ms = UINT64_C(86400) * 1000;
static const uint64_t window_max_s = UINT64_C(366) * 86400;

/* ---- reading ---- */
static bool take_step(struct report *r, const struct report_at *at, yyjson_val *v)
{
    static const char *const names[] = {"name", "event", "goal", "filters", NULL};
    const struct report_at at_name = {.up = at, .name = names[0]};
    struct funnel *f = r->own;
    struct step *step = &f->steps[f->step_count++];
    yyjson_val *name = json_get(v, names[0]);
    if (!report_known_members(r, at, v, names))
        return false;
    if (name && !report_take_text(r, &at_name, name, REPORT_NAME_BYTES_MAX, &step->name))
        return false;
    return report_take_which(r, at, v, &step->filter);
}

static bool take_exclusion(struct report *r, const struct report_at *at, yyjson_val *v)
{
    static const char *const names[] = {"from", "to", "event", "goal", "filters", NULL};
    const struct report_at at_from = {.up = at, .name = names[0]},
                           at_to = {.up = at, .name = names[1]};
    struct funnel *f = r->own;
    struct exclusion *x = &f->exclusions[f->exclusion_count++];
    uint64_t from, to;
    if (f->order != FUNNEL_ORDERED)
        return report_fail(r, at->up, "they are for steps in order (order: ordered)");
    if (!report_known_members(r, at, v, names) || !report_take_which(r, at, v, &x->filter) ||
        !report_take_u64(r, &at_from, json_get(v, names[0]), 1, f->step_count - 1, 1, &from) ||
        !report_take_u64(r, &at_to, json_get(v, names[1]), from + 1, f->step_count, f->step_count,
                         &to))
        return false;
    x->from = (uint32_t)from;
    x->to = (uint32_t)to;
    return true;
}

static bool parse(struct report *r, yyjson_val *root)
{
    static const char *const orders[] = {"ordered", "strict", "unordered"};
    static const struct report_list steps = {STEPS_MIN, STEPS_MAX, "steps, {\"event\": \"signup\"}",
                                             take_step};
    static const struct report_list exclusions = {0, EXCLUSIONS_MAX, "exclusions", take_exclusion};
    const struct report_at at_steps = {.name = "steps"}, at_window = {.name = "window"},
                           at_order = {.name = "order"}, at_exclusions = {.name = "exclusions"};
    struct funnel *f = r->own;
    uint64_t window_s;
    uint32_t order = FUNNEL_ORDERED;
    if (!report_take_list(r, &at_steps, json_get(root, "steps"), &steps) ||
        !report_take_u64(r, &at_window, json_get(root, "window"), 1, window_max_s,
                         window_default_ms / 1000, &window_s) ||
        !report_take_word(r, &at_order, json_get(root, "order"), orders, COUNT_OF(orders), &order))
        return false;
    f->window_ms = window_s * 1000;
    f->order = (enum order)order;
    return report_take_list(r, &at_exclusions, json_get(root, "exclusions"), &exclusions) &&
           report_take_actor(r) && report_take_dims(r, 1, false);
}

/* ---- the statement ---- */
/* Bit k of the event's steps, and of the steps that it ends the waiting for. */
static void add_steps(const struct report_sql *s)
{
    const struct funnel *f = s->r->own;
    for (uint32_t i = 0; i < f->step_count; i++) {
        buf_addf(s->out, "%s%u * ", i ? " + " : "toUInt32(", 1U << i);
        report_filter_sql(s, f->steps[i].filter);
    }
    buf_add_str(s->out, ") AS steps, ");
    if (f->exclusion_count == 0)
        buf_add_str(s->out, "toUInt32(0)");
    for (uint32_t i = 0; i < f->exclusion_count; i++) {
        const struct exclusion *x = &f->exclusions[i];
        uint32_t bits = ((1U << (x->to - 1)) - 1) & ~((1U << (x->from - 1)) - 1);
        buf_addf(s->out, "%sif(", i ? ", " : "arrayReduce('groupBitOr', [");
        report_filter_sql(s, x->filter);
        buf_addf(s->out, ", %u, 0)%s", bits, i + 1 == f->exclusion_count ? "])" : "");
    }
    buf_add_str(s->out, " AS ends");
}

/* How an event of an actor is kept until it is its turn: with its time in the upper bits and its
 * steps in the lower 20, which sorts and folds several times faster than a tuple; as (time, steps,
 * ends) where there are exclusions. */
struct events {
    const char *element, *time, *steps; /* steps: bit k says whether it is step k + 1 */
};
static struct events events_of(const struct funnel *f)
{
    static const struct events packed = {"packed", "toInt64(bitShiftRight(e, 20))", "e"};
    static const struct events whole = {"(time, steps, ends)", "e.1", "e.2"};
    return f->exclusion_count || f->order == FUNNEL_UNORDERED ? whole : packed;
}

static void add_unordered(const struct funnel *f, struct buf *out)
{
    unsigned long long window = f->window_ms;
    uint32_t n = f->step_count;
    buf_addf(out,
             "arrayFold((acc, e) -> (arrayMap((x, i) -> if(bitTest(e.2, i), e.1, x), acc.1, "
             "range(%u)), "
             "greatest(acc.2, toInt64(arrayCount((x, i) -> bitTest(e.2, i) OR (x > 0 AND "
             "e.1 - x <= %llu), acc.1, range(%u)))), "
             "if(acc.3 = 0 AND arrayAll((x, i) -> bitTest(e.2, i) OR (x > 0 AND e.1 - x <= "
             "%llu), acc.1, range(%u)), e.1 - arrayMin(arrayMap((x, i) -> if(bitTest(e.2, i), "
             "e.1, x), acc.1, range(%u))) + 1, acc.3)), sorted, (arrayMap(i -> toInt64(0), "
             "range(%u)), toInt64(0), toInt64(0)))",
             n, window, n, window, n, n, n);
}

/* at[i + 1] of an event e out of acc, the one before. The last step keeps how long it took; a step
 * without its event stays as it is, is over (strict), or ends (exclusions). */
static void add_next(const struct funnel *f, uint32_t i, struct buf *out)
{
    struct events e = events_of(f);
    bool is_last = i + 1 == f->step_count, is_strict = f->order == FUNNEL_STRICT;
    buf_add_str(out, "multiIf(");
    if (is_last)
        buf_addf(out, "acc.%u > 0, acc.%u, ", i + 1, i + 1);
    buf_addf(out, "bitTest(%s, %u)", e.steps, i);
    if (i)
        buf_addf(out, " AND acc.%u > 0 AND %s - acc.%u <= %llu", i, e.time, i,
                 (unsigned long long)f->window_ms);
    if (is_last)
        buf_addf(out, ", %s - acc.%u + 1", e.time, i);
    else if (!i)
        buf_addf(out, ", %s", e.time);
    else if (is_strict)
        buf_addf(out, ", acc.%u", i);
    else
        buf_addf(out, ", greatest(acc.%u, acc.%u)", i + 1, i);
    if (is_strict)
        buf_addf(out, ", acc.%u > 0, -1", i + 1);
    else if (f->exclusion_count)
        buf_addf(out, ", acc.%u > 0 AND e.2 = 0 AND bitTest(e.3, %u), -1", i + 1, i);
    buf_addf(out, ", acc.%u)", i + 1);
}

/* What an ordered funnel need not look at: of several events in a row that are step 1 only, all but
 * the last; of several that are one other step only, all but the first. */
static const char telling[] =
    "arrayFilter((e, before, next) -> multiIf(bitAnd(e, 1048575) = 1, bitAnd(next, 1048575) != 1, "
    "bitAnd(e, 1048575) != bitAnd(before, 1048575), 1, bitCount(bitAnd(e, 1048575)) > 1), sorted, "
    "arrayShiftRight(sorted, 1), arrayShiftLeft(sorted, 1))";

/* at: a tuple with a member for each step; unordered: (latest times, best, took + 1). */
static void add_fold(const struct funnel *f, struct buf *out)
{
    bool is_plain = f->order == FUNNEL_ORDERED && f->exclusion_count == 0;
    if (f->order == FUNNEL_UNORDERED) {
        add_unordered(f, out);
        return;
    }
    for (uint32_t i = 0; i < f->step_count; i++) {
        buf_add_str(out, i ? ", " : "arrayFold((acc, e) -> (");
        add_next(f, i, out);
    }
    buf_addf(out, "), %s, (", is_plain ? telling : "sorted");
    for (uint32_t i = 0; i < f->step_count; i++)
        buf_addf(out, "%stoInt64(0)", i ? ", " : "");
    buf_add_str(out, "))");
}

/* Who comes to step 2 is asked first, and the events of these alone are kept: they are few. Who
 * came to step 1 is then counted by itself. Not where that would be visits joined three times
 * over, or each one is to be told apart. */
static bool is_by_step_2(const struct report *r)
{
    const struct funnel *f = r->own;
    return f->order != FUNNEL_UNORDERED && r->dim_count == 0 && report_events_source(r) == 0;
}

/* Who did a step, as `actor`, as often as they did. */
static void add_doers(const struct report *r, uint32_t step, struct buf *out)
{
    const struct funnel *f = r->own;
    const struct report_filter *filter = f->steps[step].filter;
    const struct report_sql s = {
        .r = r, .out = out, .source = report_actors_source(r, report_filter_is_of_slots(filter))};
    buf_addf(out, "SELECT %s AS actor", report_actor(r));
    report_from_sql(&s);
    buf_addf(out, " AND %s AND ", report_has_actor(r));
    report_filter_sql(&s, filter);
}

/* One row per actor: what they were at their first event of a step, and their events in order; none
 * of those who did nothing but step 1 (unordered: but one of the steps), as they are at level 1. */
static void add_actors(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = report_events_source(r)};
    const struct funnel *f = r->own;
    bool is_ordered = f->order != FUNNEL_UNORDERED;
    buf_add_str(out, "SELECT ");
    if (r->dim_count) /* the least of (time, steps, value), in eight bytes and the value */
        buf_addf(out,
                 "substring(minIf(concat(reverse(reinterpretAsFixedString(packed)), toString(d0)), "
                 "%s), 9) AS d0, ",
                 is_ordered ? "bitTest(steps, 0)" : "steps > 0");
    if (is_by_step_2(r))
        buf_addf(out, "arraySort(groupArray(%s))", events_of(f).element);
    else
        buf_addf(out, "arraySort(if(%s, groupArray(%s), []))",
                 is_ordered ? "bitTest(groupBitOr(steps), 1)" : "bitCount(groupBitOr(steps)) > 1",
                 events_of(f).element);
    buf_add_str(out, " AS sorted FROM (SELECT ");
    if (r->dim_count) {
        report_dim_sql(&s, &r->dims[0]);
        buf_add_str(out, " AS d0, ");
    }
    buf_addf(out, "%s AS actor, toUnixTimestamp64Milli(timestamp) AS time, ", report_actor(r));
    add_steps(&s);
    buf_add_str(out, ", bitOr(bitShiftLeft(toUInt64(time), 20), steps) AS packed");
    report_from_sql(&s);
    buf_addf(out, " AND %s", report_has_actor(r));
    if (is_by_step_2(r)) {
        buf_addf(out, " AND %s IN (", report_actor(r));
        add_doers(r, 1, out);
        buf_add_char(out, ')');
    }
    buf_add_str(out, ") ");
    if (f->order != FUNNEL_STRICT)
        buf_add_str(out, "WHERE steps > 0 OR ends > 0 ");
    buf_add_str(out, "GROUP BY actor");
    if (!is_by_step_2(r)) /* there, who never did step 1 comes to no step that is counted */
        buf_addf(out, " HAVING %s",
                 is_ordered ? "bitTest(groupBitOr(steps), 0)" : "groupBitOr(steps) > 0");
}

static void add_level(const struct funnel *f, struct buf *out)
{
    buf_add_str(out, "greatest(1, ");
    if (f->order == FUNNEL_UNORDERED)
        buf_add_str(out, "at.2");
    for (uint32_t i = 0; i < f->step_count && f->order != FUNNEL_UNORDERED; i++)
        buf_addf(out, "%s(at.%u != 0)", i ? " + " : "", i + 1);
    buf_addf(out, ") AS level, at.%u - 1 AS took",
             f->order == FUNNEL_UNORDERED ? 3 : f->step_count);
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct funnel *f = r->own;
    const char *dim = r->dim_count ? "d0, " : "";
    if (is_by_step_2(r)) {
        buf_add_str(out, "SELECT arrayConcat([ifNull((SELECT uniqExact(actor) FROM (");
        add_doers(r, 0, out);
        buf_addf(out, ")), 0)], arrayResize(arraySlice(reached, 2), %u)), mean, median FROM (",
                 f->step_count - 1);
    }
    buf_addf(
        out,
        "SELECT %ssumForEach(arrayMap(k -> toUInt64(level >= k), range(1, %u))) AS reached, "
        "if(countIf(took >= 0) = 0, NULL, sumIf(took, took >= 0) / countIf(took >= 0) / 1000) AS "
        "mean, "
        "if(countIf(took >= 0) = 0, NULL, quantileExactIf(0.5)(took, took >= 0) / 1000) AS median "
        "FROM ("
        "SELECT %s",
        dim, f->step_count + 1, dim);
    add_level(f, out);
    buf_addf(out, " FROM (SELECT %s", dim);
    add_fold(f, out);
    buf_add_str(out, " AS at FROM (");
    add_actors(r, out);
    buf_add_str(out, is_by_step_2(r) ? "))))" : ")))");
    if (r->dim_count)
        buf_add_str(out, " GROUP BY d0 ORDER BY reached[1] DESC, d0 LIMIT {limit:UInt32} OFFSET "
                         "{offset:UInt32}");
}

/* ---- the answer ---- */
static void add_rate(struct buf *body, const char *name, int64_t part, int64_t whole)
{
    buf_addf(body, ",\"%s\":", name);
    if (whole)
        buf_addf(body, "%.17g", 100.0 * (double)part / (double)whole);
    else
        buf_add_str(body, "null");
}

static enum rc add_step(const struct report *r, yyjson_val *counts, uint32_t i, struct buf *body,
                        struct err *err)
{
    const struct funnel *f = r->own;
    const struct step *step = &f->steps[i];
    int64_t first = 0, before = 0, here = 0;
    bool is_empty = yyjson_arr_size(counts) == 0; /* nobody at all */
    ENSURE(is_empty || (json_to_i64(yyjson_arr_get(counts, 0), &first) &&
                        json_to_i64(yyjson_arr_get(counts, i), &here) &&
                        json_to_i64(yyjson_arr_get(counts, i ? i - 1 : 0), &before)),
           report_bad_shape(err));
    buf_addf(body, "%s{\"step\":%u,\"name\":", i ? "," : "", i + 1);
    if (step->name.len)
        buf_add_json(body, step->name);
    else
        buf_add_str(body, "null");
    buf_add_str(body, ",\"count\":");
    if (is_empty)
        buf_add_char(body, '0');
    else
        report_add_count(r, body, yyjson_arr_get(counts, i));
    add_rate(body, "conversion_rate", here, first);
    add_rate(body, "step_conversion_rate", here, before);
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    const struct funnel *f = r->own;
    uint32_t d = r->dim_count;
    ENSURE(yyjson_arr_size(row) == d + 3 && yyjson_is_arr(yyjson_arr_get(row, d)),
           report_bad_shape(err));
    report_add_dims(r, row, body);
    buf_add_str(body, ",\"steps\":[");
    for (uint32_t i = 0; i < f->step_count; i++)
        TRY(add_step(r, yyjson_arr_get(row, d), i, body, err));
    buf_add_str(body, "],\"seconds_to_convert\":{\"mean\":");
    report_add_value(body, yyjson_arr_get(row, d + 1));
    buf_add_str(body, ",\"median\":");
    report_add_value(body, yyjson_arr_get(row, d + 2));
    buf_add_str(body, "}}");
    return RC_OK;
}

static const char *const members[] = {"steps",    "window",     "order", "exclusions",
                                      "count_by", "dimensions", NULL};
const struct report_kind report_kind_funnel = {.name = "funnel",
                                               .is_sampled = true,
                                               .members = members,
                                               .own_size = sizeof(struct funnel),
                                               .parse = parse,
                                               .sql = add_sql,
                                               .row = add_row};
