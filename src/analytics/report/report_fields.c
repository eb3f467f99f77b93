/* WHAT    What can be asked for: fields (dimensions, filters) and metrics, one line each.
 * WHY     Names of columns and aggregates stand here and nowhere else; a client's text only ever
 *         finds a line of these tables.
 *         A visit has one origin: where it came from is a column of `sessions` only, because the
 *         later events of a visit carry the site itself as their referrer. */
#include "analytics/report/report_int.h"

static const struct report_field fields[] = {
    {"time:", "timestamp", "start", FIELD_TIME, true},
    {"event", "event", NULL, FIELD_TEXT, true},
    {"kind", "kind", NULL, FIELD_TEXT, true},
    {"goal", "event", NULL, FIELD_GOAL, false},
    {"page", "page_path", NULL, FIELD_TEXT, false},
    {"title", "page_title", NULL, FIELD_TEXT, false},
    {"hostname", "hostname", NULL, FIELD_TEXT, true},
    {"entry_page", NULL, "entry_page", FIELD_TEXT, false},
    {"exit_page", NULL, "exit_page", FIELD_TEXT, false},
    {"entry_hostname", NULL, "entry_hostname", FIELD_TEXT, false},
    {"source", NULL, "referrer_source", FIELD_TEXT, false},
    {"referrer", NULL, "referrer_domain", FIELD_TEXT, false},
    {"channel", NULL, "channel", FIELD_TEXT, false},
    {"utm_source", NULL, "utm_source", FIELD_TEXT, false},
    {"utm_medium", NULL, "utm_medium", FIELD_TEXT, false},
    {"utm_campaign", NULL, "utm_campaign", FIELD_TEXT, false},
    {"utm_term", NULL, "utm_term", FIELD_TEXT, false},
    {"utm_content", NULL, "utm_content", FIELD_TEXT, false},
    {"click_id", NULL, "click_id", FIELD_TEXT, false},
    {"country", "country", "country", FIELD_TEXT, true},
    {"region", "region", "region", FIELD_TEXT, true},
    {"city", "city", "city", FIELD_TEXT, true},
    {"network", "network", NULL, FIELD_TEXT, false},
    {"browser", "browser_name", "browser_name", FIELD_TEXT, true},
    {"browser_version", "browser_version", "browser_version", FIELD_TEXT, false},
    {"os", "os_name", "os_name", FIELD_TEXT, true},
    {"os_version", "os_version", "os_version", FIELD_TEXT, false},
    {"device", "device_type", "device_type", FIELD_TEXT, true},
    {"device_brand", "device_brand", NULL, FIELD_TEXT, false},
    {"screen_class", "screen_class", "screen_class", FIELD_TEXT, true},
    {"locale", "locale", NULL, FIELD_TEXT, false},
    {"timezone", "timezone", NULL, FIELD_TEXT, false},
    {"bot", "bot", "bot", FIELD_BOT, true},
    {"user", "user_id", "user_id", FIELD_TEXT, false},
    {"currency", "currency", NULL, FIELD_TEXT, false},
    {"revenue", "revenue", NULL, FIELD_NUMBER, false},
    {"scroll_depth", "scroll_depth", NULL, FIELD_NUMBER, false},
    {"property:", "properties", NULL, FIELD_PROPERTY, false},
    {"group:", "group_id", NULL, FIELD_GROUP, false},
    {"person:", "person", "person", FIELD_PERSON, false},
    {"group_trait:", "group_id", NULL, FIELD_GROUP_TRAIT, false},
};

const struct report_field *report_field_find(struct slice name, struct slice *ret_rest)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct slice known = slice_str(fields[i].name);
        bool is_prefix = fields[i].kind > FIELD_NUMBER;
        *ret_rest = is_prefix ? slice_sub(name, known.len) : SLICE_EMPTY;
        if (is_prefix ? slice_has_prefix(name, known) : slice_eq(name, known))
            return &fields[i];
    }
    return NULL;
}

void report_field_names(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        buf_addf(out, "%s%s%s", i ? ", " : "", fields[i].name,
                 fields[i].kind > FIELD_NUMBER ? "…" : "");
    }
}

#define VISITORS "uniqIf(visitor, visitor != 0)"
#define PERSONS "uniqIf(person, person != 0)"
#define VISITS_OF_EVENTS "uniqIf(visit_id, visit_id != 0)"
#define VIEWS "countIf(event = 'pageview')"
#define SCROLLED "visitor != 0 AND scroll_depth > 0"
#define SCROLL                                                          \
    "arraySum(mapValues(maxMapIf(map(visitor, scroll_depth), " SCROLLED \
    "))) / uniqExactIf(visitor, " SCROLLED ")"
#define REVENUE(aggregate) "toJSONString(" aggregate "If($WORTH))"

/* SQL over the rows of a source: events; visits; events with the visit that each belongs to; last,
 * slots. */
static const struct report_metric_def metrics[] = {
    {"visitors", VISITORS, VISITORS, VISITORS, VALUE_COUNT, 0, VISITORS},
    {"users", "uniqIf(user_id, user_id != '')", "uniqIf(user_id, user_id != '')",
     "uniqIf(user_id, user_id != '')", VALUE_COUNT, METRIC_OTHERS, NULL},
    {"persons", PERSONS, PERSONS, PERSONS, VALUE_COUNT, METRIC_PERSON | METRIC_OTHERS, NULL},
    {"visits", NULL, "count()", VISITS_OF_EVENTS, VALUE_COUNT, 0, NULL},
    {"pageviews", VIEWS, "sum(pageviews)", VIEWS, VALUE_COUNT, 0,
     "countMergeIf(times, event = 'pageview')"},
    {"events", "count()", "sum(events)", "count()", VALUE_COUNT, 0, "countMerge(times)"},
    {"views_per_visit", NULL, "sum(pageviews) / count()", VIEWS " / " VISITS_OF_EVENTS,
     VALUE_NUMBER, 0, NULL},
    {"bounce_rate", NULL, "100 * sum(is_bounce) / count()",
     "100 * uniqIf(visit_id, visit_id != 0 AND visit_is_bounce) / " VISITS_OF_EVENTS, VALUE_NUMBER,
     0, NULL},
    {"visit_duration", NULL, "sum(duration_ms) / count() / 1000",
     "arraySum(mapValues(maxMapIf(map(visit_id, visit_duration_ms), visit_id != 0))) "
     "/ " VISITS_OF_EVENTS " / 1000",
     VALUE_NUMBER, 0, NULL},
    {"engagement_time", "sum(engagement_ms) / uniqIf(visitor, visitor != 0 AND kind = '') / 1000",
     "sum(engagement_ms) / " VISITORS " / 1000",
     "sum(engagement_ms) / uniqIf(visitor, visitor != 0 AND kind = '') / 1000", VALUE_NUMBER,
     METRIC_ENGAGEMENT, NULL},
    {"scroll_depth", SCROLL, NULL, SCROLL, VALUE_NUMBER, METRIC_ENGAGEMENT, NULL},
    {"percentage", "100 * " VISITORS " / $WHOLE", "100 * " VISITORS " / $WHOLE",
     "100 * " VISITORS " / $WHOLE", VALUE_NUMBER, METRIC_WHOLE | METRIC_DIMENSION,
     "100 * " VISITORS " / $WHOLE"},
    {"conversion_rate", "100 * " VISITORS " / $WHOLE", NULL, "100 * " VISITORS " / $WHOLE",
     VALUE_NUMBER, METRIC_WHOLE | METRIC_GOAL, "100 * " VISITORS " / $WHOLE"},
    {"group_conversion_rate", "100 * uniqIf(visitor, visitor != 0 AND $GOAL) / " VISITORS, NULL,
     "100 * uniqIf(visitor, visitor != 0 AND $GOAL) / " VISITORS, VALUE_NUMBER,
     METRIC_GOAL | METRIC_BASE, "100 * uniqIf(visitor, visitor != 0 AND $GOAL) / " VISITORS},
    {"total_revenue", REVENUE("sumMap"), NULL, REVENUE("sumMap"), VALUE_JSON, METRIC_SUM, NULL},
    {"average_revenue", REVENUE("avgMap"), NULL, REVENUE("avgMap"), VALUE_JSON, 0, NULL},
};

const struct report_metric_def *report_metric_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        if (slice_eq_str(name, metrics[i].name))
            return &metrics[i];
    return NULL;
}

void report_metric_names(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        buf_addf(out, "%s%s", i ? ", " : "", metrics[i].name);
    buf_add_str(out, ", sum:property:…, avg:…, min:…, max:…, count:…, p1:… to p99:…");
}
