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
    {"event", NULL, "'pageview'"}, /* in filters: it is what was counted, in each file */
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
    /* $: i_, or c_ of the other range */
    {"visitors", "sum($visitors)"},
    {"visits", "sum($visits)"},
    {"pageviews", "sum($pageviews)"},
    {"bounce_rate", "if(sum($visits) = 0, NULL, 100 * sum($bounces) / sum($visits))"},
    {"visit_duration", "if(sum($visits) = 0, NULL, sum($seconds) / sum($visits))"},
    {"views_per_visit", "if(sum($visits) = 0, NULL, sum($pageviews) / sum($visits))"},
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
    for (size_t i = 0; field && i < COUNT_OF(places); i++)
        if (strcmp(field->name, places[i].field) == 0)
            return &places[i];
    return NULL;
}

/* The places that came before are of *report (NULL: none did); false: this one is not. */
static bool is_of_file(const struct place *place, const char **report)
{
    if (!place || !place->report || (*report && strcmp(*report, place->report) != 0))
        return false;
    *report = place->report;
    return true;
}

static bool is_filter_of_file(const struct report_filter *f, const char **report)
{
    if (f->op > OP_NOT) {
        const struct place *place = place_of(f->dim.field);
        return (place && !place->report) || is_of_file(place, report);
    }
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
        if (d->field->kind == FIELD_TIME ? !buckets[d->unit]
                                         : !is_of_file(place_of(d->field), &report))
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
    if (r->goal)
        return "imported sums know no goals";
    if (!file_of(r))
        return "imported sums know days and longer, and for dimensions and filters together one of "
               "these: page, hostname; entry_page; exit_page; source, utm_…; country, region; "
               "browser, browser_version; os, os_version; device (and event, of filters)";
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
static void add_days(const struct report_sql *s)
{
    const char *p = s->is_compared ? "compare_" : "";
    buf_addf(s->out,
             " AND date >= toDate(fromUnixTimestamp64Milli({%sfrom:Int64}), {timezone:String})"
             " AND date <= toDate(fromUnixTimestamp64Milli({%sto:Int64} - 1), {timezone:String})"
             " AND date < " REPORT_FIRST_DAY("toDate('2149-01-01')"),
             p, p);
}

static bool is_compared(const struct report *r)
{
    return r->range.compare != COMPARE_NONE;
}

static const char *prefix_of(int other)
{
    return other ? "c_" : "i_";
}

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
    buf_add_str(out, is_compared(r) ? "is_here" : "1 AS is_here");
    for (int other = 0; other <= (int)is_compared(r); other++) {
        const char *p = prefix_of(other);
        char m = other ? 'o' : 'm';
        buf_addf(out,
                 ", %c0 AS %svisitors, %c1 AS %svisits, %c2 AS %spageviews, "
                 "toUInt64(round(ifNull(%c3, 0) * %c1 / 100)) AS %sbounces, "
                 "ifNull(%c4, 0) * %c1 AS %sseconds",
                 m, p, m, p, m, p, m, m, p, m, m, p);
    }
    buf_add_str(out, " FROM (");
    report_groups_sql(own, is_compared(r), out);
    buf_add_char(out, ')');
}

static void add_imported(const struct report_sql *s)
{
    static const char *const columns[] = {"visitors", "visits", "pageviews", "bounces",
                                          "toFloat64(visit_duration)"};
    const struct report *r = s->r;
    buf_add_str(s->out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        report_dim_sql(s, &r->dims[i]);
        buf_addf(s->out, " AS d%u, ", i);
    }
    buf_addf(s->out, "%d", !s->is_compared);
    for (int other = 0; other <= (int)is_compared(r); other++)
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            buf_addf(s->out, ", sum(%s)%s", columns[i], other == (int)s->is_compared ? "" : " * 0");
    buf_addf(s->out, " FROM $IMPORTED AND report = '%s'", file_of(r));
    add_days(s);
    if (r->filter) {
        buf_add_str(s->out, " AND ");
        report_filter_sql(s, r->filter);
    }
    report_group_by_sql(s->out, r->dim_count);
}

static void add_values(const struct report *r, int other, struct buf *out)
{
    for (uint32_t i = 0; i < r->metric_count; i++) {
        buf_add_str(out, ", ");
        for (const char *p = value_of(&r->metrics[i]); *p; p++)
            if (*p == '$')
                buf_add_str(out, prefix_of(other));
            else
                buf_add_char(out, *p);
        buf_addf(out, " AS %c%u", other ? 'o' : 'm', i);
    }
}

void report_imports_sql(const struct report *r, struct buf *out)
{
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "d%u, ", i);
    buf_add_str(out, "1 AS one");
    for (int other = 0; other <= (int)is_compared(r); other++)
        add_values(r, other, out);
    if (r->has_total)
        buf_add_str(out, ", count() OVER () AS total");
    buf_add_str(out, " FROM (");
    add_own(r, out);
    for (int other = 0; other <= (int)is_compared(r); other++) {
        const struct report_sql s = {
            .r = r, .out = out, .is_compared = other, .source = SOURCE_IMPORTS};
        buf_add_str(out, " UNION ALL ");
        report_shifted_sql(&s, add_imported);
    }
    buf_add_char(out, ')');
    report_group_by_sql(out, r->dim_count);
    if (is_compared(r) && r->dim_count)
        buf_add_str(out, " HAVING max(is_here)");
}
