/* WHAT    Attribution: which sources, channels, campaigns … conversions and revenue are owed to.
 * LAYOUT  conversions (events) ⟕ an actor's visits in order of time → the visits within the
 *         lookback window of each conversion → a weight per visit and model → sums
 * WHY     All models are weights over the same list of visits, so one pass answers all of them, and
 *         a conversion's weights of a model add up to 1: who has no visit in the window owes it to
 *         nothing known (''), rather than to nobody. */
#include "analytics/report/report_int.h"

enum { DIMENSIONS_MAX = 3, MODELS = 6 };
static const uint64_t lookback_default_s = UINT64_C(30) * 86400;
static const uint64_t lookback_max_s = UINT64_C(366) * 86400;

/* Of visit i of n at time t.1 (milliseconds); late: time of the last one. */
static const struct model {
    const char *name, *weight;
} models[MODELS] = {
    {"first_touch", "toFloat64(i = 1)"},
    {"last_touch", "toFloat64(i = n)"},
    {"last_non_direct", "toFloat64(i = if(sent = 0, n, sent))"},
    {"linear", "1 / n"},
    {"position_based", "multiIf(n < 3, 1 / n, i = 1 OR i = n, 0.4, 0.2 / (n - 2))"},
    {"time_decay", "exp2((t.1 - late) / 604800000) / decay"}, /* half as much each week */
};
struct asked {
    const struct model *models[MODELS];
    uint32_t count;
    uint64_t seen; /* while it is read */
    uint64_t lookback_ms;
};

/* ---- reading ---- */
static bool take_model(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct asked *a = r->own;
    const char *names[MODELS];
    uint32_t which = 0;
    for (uint32_t i = 0; i < MODELS; i++)
        names[i] = models[i].name;
    if (!report_take_word_once(r, at, v, names, MODELS, &a->seen, &which))
        return false;
    a->models[a->count++] = &models[which];
    return true;
}

/* What visits are told apart by says nothing about which events are conversions. */
static bool take_dims(struct report *r)
{
    const struct report_at at = {.name = "dimensions"};
    unsigned scope = r->scope;
    if (!report_take_dims(r, DIMENSIONS_MAX, false))
        return false;
    r->scope = scope;
    for (uint32_t i = 0; i < r->dim_count; i++) {
        const struct report_at here = {.up = &at, .index = i};
        if (!r->dims[i].field->visit)
            return report_fail(r, &here, "name a field of visits: source, channel, utm_campaign");
    }
    return true;
}

static bool parse(struct report *r, yyjson_val *root)
{
    static const struct report_list list = {0, MODELS, "names", take_model};
    const struct report_at at_goal = {.name = "goal"}, at_models = {.name = "models"},
                           at_lookback = {.name = "lookback"};
    struct asked *a = r->own;
    uint64_t lookback_s;
    if (!r->goal)
        return report_fail(r, &at_goal,
                           "say what a conversion is: [[\"is\", \"event\", [\"buy\"]]]");
    if (!report_take_list(r, &at_models, json_get(root, "models"), &list) ||
        !report_take_u64(r, &at_lookback, json_get(root, "lookback"), 1, lookback_max_s,
                         lookback_default_s, &lookback_s) ||
        !take_dims(r) || !report_take_actor(r) || !report_take_page(r, REPORT_LIMIT_DEFAULT))
        return false;
    a->lookback_ms = lookback_s * 1000;
    for (uint32_t i = 0; a->count == 0 && i < MODELS; i++)
        a->models[i] = &models[i];
    a->count = a->count ? a->count : MODELS;
    return true;
}

/* ---- the statement ---- */
/* What a conversion is worth: the event's revenue, or what the stored goal says. */
static void add_worth(const struct report_sql *s)
{
    const struct report_worth *w = &s->r->worth;
    if (!w->is_known) {
        buf_add_str(s->out, "toString(currency) AS currency, toFloat64(revenue) AS revenue");
        return;
    }
    buf_add_str(s->out, "if(isNotNull(");
    report_number_sql(s, &w->number);
    buf_addf(s->out, "), {p%u:String}, '') AS currency, ifNull(", w->currency);
    report_number_sql(s, &w->number);
    buf_add_str(s->out, ", 0) AS revenue");
}

static void add_conversions(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = report_events_source(r)};
    buf_addf(out, "SELECT %s AS actor, toUnixTimestamp64Milli(timestamp) AS c, ", report_actor(r));
    add_worth(&s);
    report_from_sql(&s);
    buf_addf(out, " AND %s", report_has_actor(r));
}

/* Of those who reached the goal alone, who are few; where they are not looked for by a join. */
static void add_reached(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = report_actors_source(r, true)};
    if (r->needs_person || report_events_source(r))
        return;
    buf_addf(out, " AND %s IN (SELECT %s", report_actor(r), report_actor(r));
    report_from_sql(&s);
    buf_add_char(out, ')');
}

/* Each actor's visits in order: (start, session, came by itself, dimensions …). */
static void add_touches(const struct report *r, struct buf *out)
{
    const struct asked *a = r->own;
    struct report_sql s = {
        .r = r, .out = out, .source = SOURCE_VISITS, .earlier_ms = (int64_t)a->lookback_ms};
    CLEANUP(buf_done) struct buf keys;
    buf_init(&keys, out->bytes_max);
    if (!r->by_user)
        add_reached(r, &keys);
    s.keys = buf_slice(&keys);
    buf_addf(out,
             "SELECT %s AS actor, arraySort(groupArray((toUnixTimestamp64Milli(start), session, "
             "channel IN ('', 'Direct')",
             report_actor(r));
    for (uint32_t i = 0; i < r->dim_count; i++) {
        buf_add_str(out, ", toString(");
        report_dim_sql(&s, &r->dims[i]);
        buf_add_char(out, ')');
    }
    buf_add_str(out, "))) AS touches");
    report_rows_sql(&s);
    buf_addf(out, " AND %s", report_has_actor(r));
    if (r->by_user)
        add_reached(r, out);
    buf_add_str(out, " GROUP BY actor");
    if (!buf_ok(&keys))
        out->is_failed = true;
}

/* ts: the visits that may have brought this conversion; n of them; sent: the number of the last one
 * that did not come by itself, or 0. */
static void add_ways(const struct report *r, struct buf *out)
{
    const struct asked *a = r->own;
    buf_add_str(out, "SELECT *, if(empty(inside), [(toInt64(0), toUInt64(0), toUInt8(1)");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_add_str(out, ", ''");
    buf_addf(out,
             ")], inside) AS ts, length(ts) AS n, arrayLastIndex(t -> t.3 = 0, ts) AS sent, "
             "ts[-1].1 AS late, "
             "arraySum(t -> exp2((t.1 - late) / 604800000), ts) AS decay FROM (SELECT c, currency, "
             "revenue, arrayFilter(t -> t.1 <= c AND t.1 >= c - %llu, touches) AS inside FROM (",
             (unsigned long long)a->lookback_ms);
    add_conversions(r, out);
    buf_add_str(out, ") AS conversions LEFT JOIN (");
    add_touches(r, out);
    buf_add_str(out, ") AS visits ON conversions.actor = visits.actor)");
}

/* Added up as whole numbers: a sum of fractions depends on their order, here in the ninth digit
 * behind the point with ten thousand conversions, and threads have none. A billion of the largest
 * fit. */
#define WHOLE(number, factor) "toInt128(round(" number " * " factor "))"
static void add_model(uint32_t i, struct buf *out)
{
    static const char amount[] = WHOLE("least(1e15, greatest(-1e15, revenue * x.1[%u]))", "1e12"),
                      weight[] = WHOLE("x.1[%u]", "1e15");
    buf_add_str(out, i ? ", round(sum(" : "round(sum(");
    buf_addf(out, weight, i + 1);
    buf_addf(out,
             ") / 1e15, 9) AS m%u, toJSONString(mapApply((k, v) -> (k, round(v / 1e12, 9)), "
             "sumMapIf(map(currency, ",
             i);
    buf_addf(out, amount, i + 1);
    buf_add_str(out, "), currency != '')))");
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct asked *a = r->own;
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "x.%u AS d%u, ", i + 2, i);
    for (uint32_t i = 0; i < a->count; i++)
        add_model(i, out);
    buf_add_str(out, " FROM (SELECT currency, revenue, arrayJoin(arrayMap((t, i) -> tuple([");
    for (uint32_t i = 0; i < a->count; i++)
        buf_addf(out, "%s%s", i ? ", " : "", a->models[i]->weight);
    buf_add_char(out, ']');
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, ", t.%u", i + 4);
    buf_add_str(out, "), ts, arrayEnumerate(ts))) AS x FROM (");
    add_ways(r, out);
    buf_add_str(out, "))");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "%sd%u", i ? ", " : " GROUP BY ", i);
    buf_add_str(out, " ORDER BY m0 DESC");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, ", d%u", i);
    buf_add_str(out, " LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
}

/* ---- the answer ---- */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    const struct asked *a = r->own;
    ENSURE(yyjson_arr_size(row) == r->dim_count + (size_t)2 * a->count, report_bad_shape(err));
    report_add_dims(r, row, body);
    buf_add_str(body, ",\"models\":{");
    for (uint32_t i = 0; i < a->count; i++) {
        yyjson_val *revenue = yyjson_arr_get(row, r->dim_count + (size_t)2 * i + 1);
        ENSURE(yyjson_is_str(revenue), report_bad_shape(err));
        buf_addf(body, "%s\"%s\":{\"conversions\":", i ? "," : "", a->models[i]->name);
        report_add_sum(r, body, yyjson_arr_get(row, r->dim_count + (size_t)2 * i));
        buf_add_str(body, ",\"revenue\":");
        TRY(report_add_sums(r, body, json_text(revenue), err));
        buf_add_char(body, '}');
    }
    buf_add_str(body, "}}");
    return RC_OK;
}

static void add_resolved(const struct report *r, struct buf *body)
{
    const struct asked *a = r->own;
    buf_addf(body, ",\"lookback\":%llu,\"limit\":%u,\"offset\":%u",
             (unsigned long long)(a->lookback_ms / 1000), r->limit, r->offset);
}

static const char *const members[] = {"goal", "dimensions", "models", "count_by", NULL};
static const char *const resolved[] = {"lookback", "limit", "offset", NULL};
const struct report_kind report_kind_attribution = {.name = "attribution",
                                                    .is_sampled = true,
                                                    .members = members,
                                                    .resolved = resolved,
                                                    .own_size = sizeof(struct asked),
                                                    .parse = parse,
                                                    .sql = add_sql,
                                                    .row = add_row,
                                                    .add_resolved = add_resolved};
