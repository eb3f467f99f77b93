/* WHAT    Which questions are answered from the slots of visitors instead of the events.
 * WHY     A slot (event/schema.c) is a quarter of an hour of one visitor: what it did in it and how
 *         often, and what the visitor is. There are half as many of them as events where visits are
 *         three events long, and fewer the longer they are. A slot has no page, no property and no
 *         millisecond; what needs none of these is counted from slots, to the same number.
 * INVARIANTS  every bound of a range, a day or an hour lies between two slots. So it is in all
 *         zones since 2023; before, clocks were put back at a minute past midnight in some. */
#include "analytics/event/schema.h"
#include "analytics/report/report_int.h"

static const int64_t slots_since_ms = INT64_C(1675209600000); /* 2023-02-01 */

static bool is_whole(unix_ms from, unix_ms to)
{
    return from.ms >= slots_since_ms && from.ms % ANALYTICS_SLOT_MS == 0 &&
           to.ms % ANALYTICS_SLOT_MS == 0;
}

/* Bots by behaviour are told by visit. A slot is of one, if none begins shortly behind another (of
 * a chain that is cut, the pieces end at midnight), and of plain events alone: others can lie
 * beside all visits. */
static bool tells_bots(const struct report *r)
{
    return !r->has_behaviour || !(r->has_short_visits || r->knows_kind);
}

bool report_slots_ready(const struct report *r)
{
    return r->slots == SLOTS_THERE && !r->needs_person && tells_bots(r) &&
           is_whole(r->from, r->to) &&
           (r->range.compare == COMPARE_NONE || is_whole(r->compare_from, r->compare_to));
}

bool report_slots_fit(const struct report *r)
{
    for (uint32_t i = 0; i < r->dim_count; i++) {
        const struct report_dim *d = &r->dims[i];
        if (!d->field->in_slots || (d->field->kind == FIELD_TIME && d->unit == UNIT_MINUTE))
            return false;
    }
    return report_slots_ready(r) && report_filter_is_of_slots(r->filter) &&
           report_filter_is_of_slots(r->goal);
}

unsigned report_actors_source(const struct report *r, bool is_fit)
{
    unsigned source = report_events_source(r);
    return source ? source : r->by_user ? 0 : is_fit && report_slots_fit(r) ? SOURCE_SLOTS : 0;
}

void report_slots_bound_sql(struct buf *out, const char *range, bool is_end)
{
    const char *end = is_end ? "to" : "from";
    buf_addf(out,
             " AND day %s toDate(fromUnixTimestamp64Milli({%s%s:Int64}, 'UTC')) AND slot %s "
             "intDiv({%s%s:Int64}, %d)",
             is_end ? "<=" : ">=", range, end, is_end ? "<" : ">=", range, end, ANALYTICS_SLOT_MS);
}
