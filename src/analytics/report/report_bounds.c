/* WHAT  What a question may ask that comes by a shared link (docs/access.md, "Shared links").
 * WHY   Whoever has the link is anybody. So what can be asked is a list of what may, not of what
 *       may not: a field or kind of report that is added later is not told to the public by chance.
 *       What a person is called, what was sent with an event, and who did what elsewhere is not on
 *       it; nor is anything stored, whose names would tell of the project.
 *       The link's own filters are read by the same parser, without these bounds, and stand before
 *       the question's in one AND: every kind of report counts the rows that they let through. */
#include "analytics/report/report_int.h"

static const struct {
    const char *page;
    const struct report_kind *kind;
} kinds[] = {
    {"overview", &report_kind_breakdown},  {"funnel", &report_kind_funnel},
    {"retention", &report_kind_retention}, {"paths", &report_kind_paths},
    {"vitals", &report_kind_vitals},
};
static const char *const fields[] = {
    "time:",        "event",           "kind",       "page",           "title",
    "hostname",     "entry_page",      "exit_page",  "entry_hostname", "source",
    "referrer",     "channel",         "utm_source", "utm_medium",     "utm_campaign",
    "utm_term",     "utm_content",     "country",    "region",         "city",
    "browser",      "browser_version", "os",         "os_version",     "device",
    "device_brand", "screen_class",    "locale",     "timezone",       "scroll_depth",
    "network",
};

static bool has_word(struct slice words, const char *word)
{
    while (words.len)
        if (slice_eq_str(slice_cut(&words, ' '), word))
            return true;
    return false;
}

bool report_bounds_field(struct report *r, const struct report_at *at,
                         const struct report_field *field)
{
    for (size_t i = 0; r->bounds && i < COUNT_OF(fields); i++)
        if (strcmp(fields[i], field->name) == 0)
            return true;
    return !r->bounds || report_fail(r, at, "a shared link does not tell this");
}

bool report_bounds_no(struct report *r, const struct report_at *at)
{
    return !r->bounds || report_fail(r, at, "this cannot be asked by a shared link");
}

bool report_bounds_kind(struct report *r)
{
    const struct report_at at = {.name = "report"};
    for (size_t i = 0; r->bounds && i < COUNT_OF(kinds); i++)
        if (kinds[i].kind == r->kind && has_word(r->bounds->pages, kinds[i].page))
            return true;
    if (!r->bounds || r->kind == &report_kind_breakdown)
        return true; /* of that, names: is_of_names() */
    return report_fail(r, &at, "the link does not show this report");
}

/* What pages need that let one choose, and charts whose points have to be told: how often which
 * event was and which page was seen, and when. */
static bool is_of_names(const struct report *r)
{
    static const char *const names[] = {"event", "page", "time:"};
    size_t i = 0;
    while (r->dim_count == 1 && i < COUNT_OF(names) &&
           strcmp(r->dims[0].field->name, names[i]) != 0)
        i++;
    return r->dim_count == 1 && i < COUNT_OF(names) && r->metric_count == 1 && !r->goal &&
           r->metrics[0].def && strcmp(r->metrics[0].def->name, "events") == 0;
}

bool report_bounds_asked(struct report *r)
{
    const struct report_at at = {.name = "include"}, at_sql = {.up = &at, .name = "sql"},
                           at_metrics = {.name = "metrics"}, at_report = {.name = "report"};
    if (r->bounds && r->kind == &report_kind_breakdown && !has_word(r->bounds->pages, "overview") &&
        !is_of_names(r))
        return report_fail(r, &at_report, "the link does not show this report");
    if (r->has_sql && !report_bounds_no(r, &at_sql))
        return false;
    for (uint32_t i = 0; i < r->metric_count; i++)
        if (r->metrics[i].def && r->metrics[i].def->kind == VALUE_JSON &&
            !report_bounds_no(r, &at_metrics))
            return false;
    return true;
}

/* A mistake in them is not told to who has the link, and nothing of what they say. */
static bool hide(struct report *r)
{
    if (r->err.rc == RC_INVALID)
        (void)err_set(&r->err, RC_CONFLICT,
                      "what the link is bound to is not there any more: it has to be made anew");
    return false;
}

bool report_bounds_filters(struct report *r)
{
    const struct report_at at = {.name = "filters", .stored = "of the link"};
    const struct report_bounds *bounds = r->bounds;
    struct report_filter *own = NULL;
    yyjson_val *list;
    if (!bounds || !bounds->filters.len)
        return true;
    if (json_parse(r->arena, bounds->filters, &list, NULL) != RC_OK)
        return report_fail(r, &at, "no memory for this question");
    uint32_t nodes = r->filter_nodes;
    r->filter_nodes = 0;
    r->bounds = NULL;
    bool is_ok = report_take_filters(r, &at, list, &own);
    r->bounds = bounds;
    r->filter_nodes = nodes;
    if (!is_ok)
        return hide(r);
    report_filters_join(&own, r->filter);
    r->filter = own;
    return true;
}
