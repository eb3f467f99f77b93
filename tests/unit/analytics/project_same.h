#ifndef WEIR_TEST_PROJECT_SAME_H
#define WEIR_TEST_PROJECT_SAME_H
/* What holds between the two readers of a record: whatever project_row_scan takes,
 * project_row_parse takes too, and it is the same row. Returns whether the scan took it. */
#include "analytics/projector/project_int.h"
#include "base/must.h"

static inline bool project_check_same(struct slice value, struct arena *scratch)
{
    struct project_row a, b;
    const char *reason;
    arena_reset(scratch);
    if (!project_row_scan(value, &a))
        return false;
    must(project_row_parse(value, scratch, &b, &reason) == RC_OK);
    must(memcmp(&a.project, &b.project, 16) == 0 && memcmp(&a.id, &b.id, 16) == 0);
    must(a.timestamp.ms == b.timestamp.ms && a.received_at.ms == b.received_at.ms);
    must(a.screen_width == b.screen_width && a.screen_height == b.screen_height);
    must(a.is_dedupe == b.is_dedupe && a.is_historical == b.is_historical);
    must(a.device == b.device && a.is_passive == b.is_passive);
    must(a.engagement_ms == b.engagement_ms && a.scroll_depth == b.scroll_depth);
    must(a.revenue.units == b.revenue.units);
    for (unsigned i = 0; i < HINT_COUNT; i++)
        must(slice_eq(a.hints[i], b.hints[i]));
    const struct slice pairs[][2] = {
        {a.event, b.event},
        {a.user_id, b.user_id},
        {a.anonymous_id, b.anonymous_id},
        {a.session_id, b.session_id},
        {a.page_url, b.page_url},
        {a.page_path, b.page_path},
        {a.page_title, b.page_title},
        {a.page_referrer, b.page_referrer},
        {a.user_agent, b.user_agent},
        {a.locale, b.locale},
        {a.source, b.source},
        {a.properties, b.properties},
        {a.context, b.context},
        {a.traits, b.traits},
        {a.traits_once, b.traits_once},
        {a.country, b.country},
        {a.region, b.region},
        {a.city, b.city},
        {a.network, b.network},
        {a.privacy, b.privacy},
        {a.time_zone, b.time_zone},
        {a.kind, b.kind},
        {a.currency, b.currency},
        {a.group_type, b.group_type},
        {a.group_id, b.group_id},
        {a.groups, b.groups},
        {a.previous_id, b.previous_id},
        {a.hints_json, b.hints_json},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        must(slice_eq(pairs[i][0], pairs[i][1]));
    return true;
}
#endif
