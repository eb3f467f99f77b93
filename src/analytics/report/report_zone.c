/* WHAT    What is known of a zone, and the range of a question worked out with it.
 * WHY     The statement that asks the store for a range takes longer than planning most questions.
 *         A zone's midnights, once told by the store, give the same instants: clocks are changed so
 *         seldom that 130 years of them are less than 300 runs of days, in each of which midnight
 *         lies equally far from that of UTC. They come from the store alone, as labels and buckets
 *         do, so that all of an answer goes by one database of zones. */
#include "analytics/report/report_int.h"

enum { DAY_S = 86400, DAYS_END = 47847 /* 2101-01-01 */ };

void report_zone_sql(struct buf *out)
{
    buf_addf(
        out,
        "(SELECT arrayStringConcat(arrayFilter(run -> run != '', arrayMap((day, offset, before) -> "
        "if(offset = before, '', concat(toString(day), ':', toString(offset))), days, offsets, "
        "arrayPushFront(arrayPopBack(offsets), toInt64(%d)))), ' ') FROM (SELECT range(1, %d) AS "
        "days, arrayMap(day -> day * %d - toInt64(toUnixTimestamp(toDateTime(toDate(day), "
        "{timezone:String}))), days) AS offsets))",
        INT32_MAX, DAYS_END + 1, DAY_S);
}

bool report_zone_read(struct slice text, struct report_zone *ret_zone)
{
    ret_zone->count = 0;
    while (text.len) {
        struct slice run = slice_cut(&text, ' ');
        struct slice day = slice_cut(&run, ':');
        int64_t first, offset;
        if (ret_zone->count == COUNT_OF(ret_zone->runs) || !slice_to_i64(day, &first) ||
            !slice_to_i64(run, &offset) || first < 1 || first > DAYS_END || offset < -2 * DAY_S ||
            offset > 2 * DAY_S)
            return false;
        ret_zone->runs[ret_zone->count++] =
            (struct report_zone_run){.day = (int32_t)first, .offset_s = (int32_t)offset};
        if (ret_zone->count > 1 && first <= ret_zone->runs[ret_zone->count - 2].day)
            return false;
    }
    return ret_zone->count > 0 && ret_zone->runs[0].day == 1;
}

/* False: it lies outside of what is known. */
static bool midnight(const struct report_zone *z, int64_t day, int64_t *ret_ms)
{
    uint32_t low = 0, high = z->count;
    if (day < 1 || day > DAYS_END)
        return false;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (z->runs[middle].day <= day)
            low = middle;
        else
            high = middle;
    }
    *ret_ms = (day * DAY_S - z->runs[low].offset_s) * 1000;
    return true;
}

/* The day that a moment lies in: no zone is further than a day from UTC. */
static bool day_of(const struct report_zone *z, int64_t ms, int64_t *ret_day)
{
    int64_t begin;
    *ret_day = ms / (DAY_S * INT64_C(1000)) + 1;
    for (int i = 0; i < 3; i++, (*ret_day)--) {
        if (!midnight(z, *ret_day, &begin))
            return false;
        if (begin <= ms)
            return true;
    }
    return false;
}

/* The first day of the month so many before that of day. */
static int64_t months_before(int64_t day, uint32_t months)
{
    int64_t year;
    unsigned month, of_month;
    civil_from_days(day, &year, &month, &of_month);
    int64_t all = year * 12 + month - 1 - months;
    return days_from_civil(all / 12, (unsigned)(all % 12) + 1, 1);
}

static int64_t year_begin(int64_t day)
{
    int64_t year;
    unsigned month, of_month;
    civil_from_days(day, &year, &month, &of_month);
    return days_from_civil(year, 1, 1);
}

/* As the store's addYears(…, -1): of a leap day, the last of February. */
static int64_t year_before(int64_t day)
{
    int64_t year;
    unsigned month, of_month;
    civil_from_days(day, &year, &month, &of_month);
    return days_from_civil(year - 1, month, month == 2 && of_month == 29 ? 28 : of_month);
}

struct span {
    int64_t first, last;
    unix_ms from, to;
};

static bool span_of_days(const struct report_zone *z, struct span *s)
{
    return midnight(z, s->first, &s->from.ms) && midnight(z, s->last + 1, &s->to.ms);
}

static bool span_of_instants(const struct report_zone *z, struct span *s)
{
    return day_of(z, s->from.ms, &s->first) && day_of(z, s->to.ms - 1, &s->last);
}

static bool span_of_question(const struct report_zone *z, const struct report_range *range,
                             unix_ms now, struct span *ret)
{
    int64_t today;
    if (!day_of(z, now.ms, &today))
        return false;
    *ret = (struct span){.first = today, .last = today};
    switch (range->kind) {
    case RANGE_DAYS:
        return query_date_parse(range->first, &ret->first) &&
               query_date_parse(range->last, &ret->last) && span_of_days(z, ret);
    case RANGE_LAST_DAYS:
        ret->first = today - range->count + 1;
        return span_of_days(z, ret);
    case RANGE_MONTHS:
        ret->first = months_before(today, range->count - 1);
        return span_of_days(z, ret);
    case RANGE_YEAR:
        ret->first = year_begin(today);
        return span_of_days(z, ret);
    case RANGE_ALL: /* begins with the first event */
        return false;
    case RANGE_MINUTES:
        ret->to.ms = (now.ms / 1000 + 1) * 1000;
        ret->from.ms = ret->to.ms - range->count * INT64_C(60000);
        return span_of_instants(z, ret);
    case RANGE_INSTANTS:
        ret->from = range->from;
        ret->to = range->to;
        return span_of_instants(z, ret);
    }
    return false;
}

static bool span_of_other(const struct report_zone *z, const struct report_range *range,
                          const struct span *of, struct span *ret)
{
    bool is_instants = range->kind == RANGE_INSTANTS || range->kind == RANGE_MINUTES;
    switch (range->compare) {
    case COMPARE_NONE:
        return true;
    case COMPARE_RANGE:
        ret->from = range->compare_from;
        ret->to = range->compare_to;
        if (range->is_compare_instants)
            return span_of_instants(z, ret);
        return query_date_parse(range->compare_first, &ret->first) &&
               query_date_parse(range->compare_last, &ret->last) && span_of_days(z, ret);
    case COMPARE_YEAR: /* instants keep the clock's time, which only the store knows */
        ret->first = year_before(of->first);
        ret->last = year_before(of->last);
        return !is_instants && span_of_days(z, ret);
    case COMPARE_PREVIOUS:
        ret->first = of->first - (of->last - of->first + 1);
        ret->last = of->first - 1;
        ret->from.ms = of->from.ms - (of->to.ms - of->from.ms);
        ret->to = of->from;
        return is_instants ? span_of_instants(z, ret) : span_of_days(z, ret);
    }
    return false;
}

bool report_zone_span(const struct report_zone *z, struct report *r, unix_ms now)
{
    struct span of, other = {0};
    if (!span_of_question(z, &r->range, now, &of) || !span_of_other(z, &r->range, &of, &other))
        return false;
    r->first_day = of.first;
    r->last_day = of.last;
    r->from = of.from;
    r->to = of.to;
    r->compare_first_day = other.first;
    r->compare_last_day = other.last;
    r->compare_from = other.from;
    r->compare_to = other.to;
    return true;
}
