/* WHAT  include.imports: the sums that another product exported (table `imported`), for the days
 *       before a project's first own event, together with what its own events say.
 * HOW   The own groups are asked for as ever, with metrics that can be added up again (visits, and
 *       with them bounces and seconds out of their rates); the imported ones stand beside them, and
 *       the metrics are made of both.
 * WHY   only of totals, series and single dimensions: a row of the table has one kind of dimension,
 *       so nothing else can be told of it. Visitors of several days are added up, as the sums of
 *       days are all there is. */
#include "analytics/report/report_int.h"

#include "base/must.h"

static const struct {
    const char *field, *report, *column;
} places[] = {
    {"page", "pages", "page"},
    {"hostname", "pages", "hostname"},
    {"entry_page", "entry_pages", "entry_page"},
    {"exit_page", "exit_pages", "exit_page"},
    {"source", "sources", "source"},
    {"utm_source", "sources", "utm_source"},
    {"utm_medium", "sources", "utm_medium"},
    {"utm_campaign", "sources", "utm_campaign"},
    {"utm_term", "sources", "utm_term"},
    {"utm_content", "sources", "utm_content"},
    {"country", "locations", "country"},
    {"region", "locations", "region"},
    {"browser", "browsers", "browser"},
    {"browser_version", "browsers", "browser_version"},
    {"os", "operating_systems", "os"},
    {"os_version", "operating_systems", "os_version"},
    {"device", "devices", "lower(device)"},
};
static const struct {
    const char *metric, *sql;
} values[] = {
    {"visitors", "sum(i_visitors)"},
    {"visits", "sum(i_visits)"},
    {"pageviews", "sum(i_pageviews)"},
    {"bounce_rate", "if(sum(i_visits) = 0, NULL, 100 * sum(i_bounces) / sum(i_visits))"},
    {"visit_duration", "if(sum(i_visits) = 0, NULL, sum(i_seconds) / sum(i_visits))"},
    {"views_per_visit", "if(sum(i_visits) = 0, NULL, sum(i_pageviews) / sum(i_visits))"},
};
static const char *const buckets[UNIT_COUNT] = {[UNIT_DAY] = "date",
                                                [UNIT_WEEK] = "toMonday(date)",
                                                [UNIT_MONTH] = "toStartOfMonth(date)",
                                                [UNIT_YEAR] = "toStartOfYear(date)"};

static const char *value_of(const struct report_metric *m)
{
    for (size_t i = 0; i < COUNT_OF(values); i++)
        if (slice_eq_str(m->name, values[i].metric))
            return values[i].sql;
    return NULL;
}

/* Of the only dimension, if there is one: the file's kind and an expression over its columns. */
static bool place_of(const struct report *r, const char **ret_report, const char **ret_column)
{
    *ret_report = "visitors";
    *ret_column = NULL;
    if (r->dim_count == 0)
        return true;
    if (r->dims[0].field->kind == FIELD_TIME)
        return (*ret_column = buckets[r->dims[0].unit]) != NULL;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (!slice_eq_str(slice_str(r->dims[0].field->name), places[i].field))
            continue;
        *ret_report = places[i].report;
        *ret_column = places[i].column;
        return true;
    }
    return false;
}

const char *report_imports_problem(const struct report *r)
{
    const char *report, *column;
    for (uint32_t i = 0; i < r->metric_count; i++)
        if (!value_of(&r->metrics[i]))
            return "imported sums know visitors, visits, pageviews, bounce_rate, visit_duration "
                   "and "
                   "views_per_visit";
    if (r->sample)
        return "imported sums are of all visitors: leave sample out";
    if (r->filter || r->goal || r->dim_count > 1 || r->range.compare != COMPARE_NONE ||
        !place_of(r, &report, &column))
        return "imported sums know no filters, goals or comparisons, and at most one dimension: "
               "days and longer, pages, sources, utm_…, countries, regions, browsers, systems or "
               "devices";
    return NULL;
}

/* The same question with what can be added up. */
static const struct report *addable(const struct report *r)
{
    static const char *const names[] = {"visitors", "visits", "pageviews", "bounce_rate",
                                        "visit_duration"};
    struct report *own = arena_alloc(r->arena, sizeof(*own));
    if (!own)
        return NULL;
    *own = *r;
    own->has_total = false;
    own->metric_count = COUNT_OF(names);
    for (uint32_t i = 0; i < own->metric_count; i++) {
        own->metrics[i] = (struct report_metric){.name = slice_str(names[i]),
                                                 .def = report_metric_find(slice_str(names[i]))};
        must(own->metrics[i].def);
    }
    return own;
}

/* Days of the range before the first event of the project's own. */
static const char days[] =
    " AND date >= toDate(fromUnixTimestamp64Milli({from:Int64}), {timezone:String})"
    " AND date <= toDate(fromUnixTimestamp64Milli({to:Int64} - 1), {timezone:String})"
    " AND date < (SELECT if(count() = 0, toDate('2149-01-01'), toDate(min(timestamp), "
    "{timezone:String})) FROM $EVENTS AND toDate(timestamp) = (SELECT toDate(timestamp) FROM "
    "$EVENTS"
    " ORDER BY toDate(timestamp) LIMIT 1))";

void report_imports_sql(const struct report *r, struct buf *out)
{
    const char *report, *column;
    const struct report *own = addable(r);
    bool is_time = r->dim_count && r->dims[0].field->kind == FIELD_TIME;
    const char *d0 = !r->dim_count ? "" : is_time ? "d0, " : "toString(d0) AS d0, ";
    must(place_of(r, &report, &column));
    if (!own) {
        out->is_failed = true;
        return;
    }
    buf_addf(out, "SELECT %s1 AS one", r->dim_count ? "d0, " : "");
    for (uint32_t i = 0; i < r->metric_count; i++)
        buf_addf(out, ", %s AS m%u", value_of(&r->metrics[i]), i);
    if (r->has_total)
        buf_add_str(out, ", count() OVER () AS total");
    buf_addf(out,
             " FROM (SELECT %sm0 AS i_visitors, m1 AS i_visits, m2 AS i_pageviews, "
             "toUInt64(round(ifNull(m3, 0) * m1 / 100)) AS i_bounces, ifNull(m4, 0) * m1 AS "
             "i_seconds FROM (",
             d0);
    report_groups_sql(own, out);
    buf_add_str(out, ") UNION ALL SELECT ");
    if (r->dim_count)
        buf_addf(out, "%s AS d0, ", column);
    buf_add_str(out, "sum(visitors), sum(visits), sum(pageviews), sum(bounces), "
                     "toFloat64(sum(visit_duration)) FROM $IMPORTED AND report = '");
    buf_add_str(out, report);
    buf_add_char(out, '\'');
    buf_add_str(out, days);
    buf_add_str(out, r->dim_count ? " GROUP BY d0) GROUP BY d0" : ")");
}
