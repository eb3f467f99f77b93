/* WHAT  include.imports: the sums that another product exported (table `imported`), for the days
 *       before a project's first own event, together with what its own events say.
 * HOW   The own groups are asked for as ever, with metrics that can be added up again (visits, and
 *       with them bounces and seconds out of their rates); the imported ones stand beside them, and
 *       the metrics are made of both.
 * WHY   dimensions and filters are those of one file of the export: a row of the table knows the
 *       columns of its file, and the day. Visitors of several days are added up, as the sums of
 *       days are all there is. */
#include "analytics/report/report_int.h"

#include <string.h>

#include "base/must.h"

static const struct place {
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

static const struct place *place_of(const struct report_field *field)
{
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (strcmp(field->name, places[i].field) == 0)
            return &places[i];
    return NULL;
}

/* The fields that came before are of *report (NULL: none did); false: this one is not. */
static bool is_of_file(const struct report_field *field, const char **report)
{
    const struct place *place = field ? place_of(field) : NULL;
    if (!place || (*report && strcmp(*report, place->report) != 0))
        return false;
    *report = place->report;
    return true;
}

static bool is_filter_of_file(const struct report_filter *f, const char **report)
{
    if (f->op > OP_NOT)
        return is_of_file(f->dim.field, report);
    if (f->op == OP_HAS_DONE || f->op == OP_HAS_NOT_DONE || f->op == OP_COHORT)
        return false;
    for (const struct report_filter *child = f->children; child; child = child->next)
        if (!is_filter_of_file(child, report))
            return false;
    return true;
}

/* The file whose rows are added up; NULL: none has all that the question is about. */
static const char *file_of(const struct report *r)
{
    const char *report = NULL;
    for (uint32_t i = 0; i < r->dim_count; i++) {
        const struct report_dim *d = &r->dims[i];
        if (d->field->kind == FIELD_TIME ? !buckets[d->unit] : !is_of_file(d->field, &report))
            return NULL;
    }
    if (r->filter && !is_filter_of_file(r->filter, &report))
        return NULL;
    return report ? report : "visitors";
}

void report_imports_dim_sql(const struct report_dim *d, struct buf *out)
{
    const struct place *place = place_of(d->field);
    must(place || d->field->kind == FIELD_TIME);
    buf_add_str(out, place ? place->column : buckets[d->unit]);
}

const char *report_imports_problem(const struct report *r)
{
    for (uint32_t i = 0; i < r->metric_count; i++)
        if (!value_of(&r->metrics[i]))
            return "imported sums know visitors, visits, pageviews, bounce_rate, visit_duration "
                   "and "
                   "views_per_visit";
    if (r->sample)
        return "imported sums are of all visitors: leave sample out";
    if (r->goal || r->range.compare != COMPARE_NONE)
        return "imported sums know no goals and no comparisons";
    if (!file_of(r))
        return "imported sums know days and longer, and for dimensions and filters together one of "
               "these: page, hostname; entry_page; exit_page; source, utm_…; country, region; "
               "browser, browser_version; os, os_version; device";
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

static void add_own(const struct report *r, struct buf *out)
{
    const struct report *own = addable(r);
    if (!own) {
        out->is_failed = true;
        return;
    }
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, r->dims[i].field->kind == FIELD_TIME ? "d%u, " : "toString(d%u) AS d%u, ", i,
                 i);
    buf_add_str(out, "m0 AS i_visitors, m1 AS i_visits, m2 AS i_pageviews, "
                     "toUInt64(round(ifNull(m3, 0) * m1 / 100)) AS i_bounces, "
                     "ifNull(m4, 0) * m1 AS i_seconds FROM (");
    report_groups_sql(own, out);
    buf_add_char(out, ')');
}

static void add_imported(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = SOURCE_IMPORTS};
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        report_dim_sql(&s, &r->dims[i]);
        buf_addf(out, " AS d%u, ", i);
    }
    buf_addf(out,
             "sum(visitors), sum(visits), sum(pageviews), sum(bounces), "
             "toFloat64(sum(visit_duration)) FROM $IMPORTED AND report = '%s'%s",
             file_of(r), days);
    if (r->filter) {
        buf_add_str(out, " AND ");
        report_filter_sql(&s, r->filter);
    }
    report_group_by_sql(out, r->dim_count);
}

void report_imports_sql(const struct report *r, struct buf *out)
{
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "d%u, ", i);
    buf_add_str(out, "1 AS one");
    for (uint32_t i = 0; i < r->metric_count; i++)
        buf_addf(out, ", %s AS m%u", value_of(&r->metrics[i]), i);
    if (r->has_total)
        buf_add_str(out, ", count() OVER () AS total");
    buf_add_str(out, " FROM (");
    add_own(r, out);
    buf_add_str(out, " UNION ALL ");
    add_imported(r, out);
    buf_add_char(out, ')');
    report_group_by_sql(out, r->dim_count);
}
