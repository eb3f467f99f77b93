/* WHAT    Web Vitals: percentiles and shares of what browsers measured, by page or anything else.
 * WHY     One row has all vitals of a page, so that a limit is one of pages; each is a set of
 *         aggregates of its own over the same rows. Thresholds are web.dev's, and so is the rating
 *         of a page by its 75th percentile. */
#include "analytics/report/report_int.h"

enum { VITALS_MAX = 6, QUANTILES = 5 };
static const struct vital {
    const char *name;
    double good, poor; /* up to, and from above */
} vitals[VITALS_MAX] = {
    {"LCP", 2500, 4000}, {"INP", 200, 500},   {"CLS", 0.1, 0.25},
    {"FCP", 1800, 3000}, {"TTFB", 800, 1800}, {"FID", 100, 300},
};
enum order { ORDER_COUNT, ORDER_P75 };
struct asked {
    const struct vital *vitals[VITALS_MAX];
    uint32_t count;
    uint64_t seen; /* while it is read */
    enum order order;
};

/* ---- reading ---- */
static bool take_metric(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct asked *a = r->own;
    const char *names[VITALS_MAX];
    uint32_t which = 0;
    for (uint32_t i = 0; i < VITALS_MAX; i++)
        names[i] = vitals[i].name;
    if (!report_take_word_once(r, at, v, names, VITALS_MAX, &a->seen, &which))
        return false;
    a->vitals[a->count++] = &vitals[which];
    return true;
}

static bool parse(struct report *r, yyjson_val *root)
{
    static const struct report_list metrics = {0, VITALS_MAX, "names", take_metric};
    static const char *const orders[] = {"count", "p75"};
    const struct report_at at_metrics = {.name = "metrics"}, at_order = {.name = "order"};
    struct asked *a = r->own;
    uint32_t order = ORDER_COUNT;
    if (!report_take_dims(r, REPORT_DIMENSIONS_MAX, true) ||
        !report_take_list(r, &at_metrics, json_get(root, "metrics"), &metrics) ||
        !report_take_word(r, &at_order, json_get(root, "order"), orders, COUNT_OF(orders),
                          &order) ||
        !report_take_page(r, REPORT_LIMIT_DEFAULT))
        return false;
    a->order = (enum order)order;
    for (uint32_t i = 0; a->count == 0 && i < VITALS_MAX; i++)
        a->vitals[i] = &vitals[i];
    a->count = a->count ? a->count : VITALS_MAX;
    return true;
}

/* ---- the statement ---- */
/* vital: '' where there is no such measurement. That is no condition of the rows: the engine would
 * ask it while it reads, of all rows of each block that has a vital, which are twice as many. */
static void add_values(const struct report *r, struct buf *out)
{
    const struct report_sql s = {
        .r = r, .out = out, .source = report_events_source(r) | SOURCE_VITALS};
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        report_dim_sql(&s, &r->dims[i]);
        buf_addf(out, " AS d%u, ", i);
    }
    buf_add_str(out, "ifNull(toFloat64OrNull(JSONExtractRaw(properties, 'value')), -1) AS value, "
                     "if(value >= 0, upper(JSONExtractString(properties, 'metric')), '') AS vital");
    report_from_sql(&s);
}

static void add_groups(const struct report *r, struct buf *out)
{
    const struct asked *a = r->own;
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "d%u, ", i);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct vital *v = a->vitals[i];
        buf_addf(out,
                 "countIf(vital = '%s') AS c%u, quantilesExactIf(0.5, 0.75, 0.9, 0.95, "
                 "0.99)(value, vital = '%s') AS q%u, countIf(vital = '%s' AND value <= %g) AS g%u, "
                 "countIf(vital = '%s' AND value > %g) AS b%u, ",
                 v->name, i, v->name, i, v->name, v->good, i, v->name, v->poor, i);
    }
    for (uint32_t i = 0; i < a->count; i++)
        buf_addf(out, "%sc%u", i ? " + " : "", i);
    buf_add_str(out, " AS n FROM (");
    add_values(r, out);
    buf_add_char(out, ')');
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "%sd%u", i ? ", " : " GROUP BY ", i);
    if (r->dim_count)
        buf_add_str(out, " HAVING n > 0");
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct asked *a = r->own;
    const struct report_dim *time = report_time_dim(r);
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        report_dim_label_sql(r, i, out);
        buf_add_str(out, ", ");
    }
    buf_add_str(out, "n");
    for (uint32_t i = 0; i < a->count; i++)
        buf_addf(out, ", [toFloat64(c%u), g%u, b%u], q%u", i, i, i, i);
    buf_add_str(out, " FROM (");
    add_groups(r, out);
    buf_add_str(out, ") ORDER BY ");
    if (time)
        buf_addf(out, "d%u, ", (uint32_t)(time - r->dims));
    if (a->order == ORDER_P75)
        buf_add_str(out, "c0 = 0, q0[2] DESC, ");
    buf_add_str(out, "n DESC");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, ", d%u", i);
    buf_add_str(out, " LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
}

/* ---- the answer ---- */
static void add_share(struct buf *body, const char *name, double part, double whole)
{
    buf_addf(body, ",\"%s\":%.17g", name, 100 * part / whole);
}

/* [samples, good ones, poor ones], [p50, p75 …] */
static enum rc add_vital(const struct report *r, const struct vital *v, yyjson_val *counts,
                         yyjson_val *quantiles, struct buf *body, struct err *err)
{
    static const char *const names[QUANTILES] = {"p50", "p75", "p90", "p95", "p99"};
    double all, good, poor, p75;
    ENSURE(yyjson_arr_size(counts) == 3 && yyjson_arr_size(quantiles) == QUANTILES &&
               json_to_double(yyjson_arr_get(counts, 0), &all) &&
               json_to_double(yyjson_arr_get(counts, 1), &good) &&
               json_to_double(yyjson_arr_get(counts, 2), &poor),
           report_bad_shape(err));
    if (all == 0)
        return RC_OK;
    ENSURE(json_to_double(yyjson_arr_get(quantiles, 1), &p75), report_bad_shape(err));
    if (body->data[body->len - 1] != '{')
        buf_add_char(body, ',');
    buf_addf(body, "\"%s\":{\"count\":", v->name);
    report_add_count(r, body, yyjson_arr_get(counts, 0));
    for (uint32_t i = 0; i < QUANTILES; i++) {
        buf_addf(body, ",\"%s\":", names[i]);
        report_add_value(body, yyjson_arr_get(quantiles, i));
    }
    add_share(body, "good", good, all);
    add_share(body, "needs_improvement", all - good - poor, all);
    add_share(body, "poor", poor, all);
    buf_addf(body, ",\"rating\":\"%s\"}",
             p75 <= v->good  ? "good"
             : p75 > v->poor ? "poor"
                             : "needs_improvement");
    return RC_OK;
}

static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    const struct asked *a = r->own;
    uint32_t d = r->dim_count;
    ENSURE(yyjson_arr_size(row) == d + 1 + (size_t)2 * a->count, report_bad_shape(err));
    report_add_dims(r, row, body);
    buf_add_str(body, ",\"count\":");
    report_add_count(r, body, yyjson_arr_get(row, d));
    buf_add_str(body, ",\"vitals\":{");
    for (uint32_t i = 0; i < a->count && buf_ok(body); i++) {
        yyjson_val *counts = yyjson_arr_get(row, d + 1 + (size_t)2 * i);
        yyjson_val *quantiles = yyjson_arr_get(row, d + 2 + (size_t)2 * i);
        TRY(add_vital(r, a->vitals[i], counts, quantiles, body, err));
    }
    buf_add_str(body, "}}");
    return RC_OK;
}

static void add_resolved(const struct report *r, struct buf *body)
{
    buf_addf(body, ",\"limit\":%u,\"offset\":%u", r->limit, r->offset);
}

static const char *const members[] = {"metrics", "dimensions", "order", NULL};
static const char *const resolved[] = {"limit", "offset", NULL};
const struct report_kind report_kind_vitals = {.name = "vitals",
                                               .is_sampled = true,
                                               .members = members,
                                               .resolved = resolved,
                                               .own_size = sizeof(struct asked),
                                               .parse = parse,
                                               .sql = add_sql,
                                               .row = add_row,
                                               .add_resolved = add_resolved};
