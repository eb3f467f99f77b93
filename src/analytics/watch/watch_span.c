/* WHAT    When a mail report is due, and about which days it is (watch_int.h).
 * WHY     Days are the project's: the store, which knows all zones, says when they begin. A message
 *         belongs to the first day of a span, at its hour, and is about the span before; a week's
 *         first day is whichever the schedule says. The newest
 *         that is due decides both the days and the time of the next, so that a look that comes
 *         late (the server was down) sends that one message, and the next comes at its own time. */
#include "analytics/watch/watch_int.h"

#include <stdio.h>

enum { HOUR_DEFAULT = 8, DAY_LEN = 10 };

struct days { /* SQL: the first day of the span of the day d, and what leads to the next */
    const char *every, *first, *add;
};
static const struct days spans[] = {
    {"day", "d", "addDays"},
    {"week", "toMonday(d - {weekday:UInt8}) + {weekday:UInt8}", "addWeeks"},
    {"month", "toStartOfMonth(d)", "addMonths"}};

static const struct days *days_of(yyjson_val *schedule)
{
    for (size_t i = 0; i < COUNT_OF(spans); i++)
        if (yyjson_equals_str(json_get(schedule, "every"), spans[i].every))
            return &spans[i];
    return &spans[0];
}

/* From Monday on; Monday, if it says nothing. */
static unsigned weekday_of(yyjson_val *schedule)
{
    static const char *const days[] = {WATCH_WEEKDAYS};
    yyjson_val *weekday = json_get(schedule, "weekday");
    for (unsigned i = 0; weekday && i < COUNT_OF(days); i++)
        if (yyjson_equals_str(weekday, days[i]))
            return i;
    return 0;
}

/* "2026-01-31 2026-01-31 2026-01-30 2026-01-30 1769904000". Where clocks leave out an hour, the due
 * time of a day can be on the day before: so the span behind is among those that may be the newest.
 */
static void add_sql(struct buf *sql, const struct days *days)
{
    buf_addf(
        sql,
        "WITH {zone:String} AS zone, toDate(toDateTime({now:UInt32}, zone)) AS d, %s AS begun,"
        " day -> toUnixTimestamp(toDateTime(concat(toString(day), {hour:String}), zone)) AS due,"
        " arrayMax(arrayFilter(day -> due(day) <= {now:UInt32}, [%s(begun, -2), %s(begun, -1),"
        " begun, %s(begun, 1)])) AS newest"
        " SELECT concat(toString(%s(newest, -1)), ' ', toString(newest - 1), ' ',"
        " toString(%s(newest, -2)), ' ', toString(%s(newest, -1) - 1), ' ',"
        " toString(due(%s(newest, 1))))",
        days->first, days->add, days->add, days->add, days->add, days->add, days->add, days->add);
}

static enum rc read_span(struct slice line, struct watch_span *ret, struct err *err)
{
    char *const days[] = {ret->from, ret->to, ret->before_from, ret->before_to};
    struct slice rest = slice_trim(line);
    int64_t next_s = 0;
    for (size_t i = 0; i < COUNT_OF(days); i++) {
        struct slice day = slice_cut(&rest, ' ');
        ENSURE(day.len == DAY_LEN, err_set(err, RC_STORE, "the store gave no days"));
        snprintf(days[i], sizeof(ret->from), "%.*s", SLICE_ARG(day));
    }
    ENSURE(slice_to_i64(rest, &next_s), err_set(err, RC_STORE, "the store gave no time"));
    ret->next_ms = next_s * 1000;
    return RC_OK;
}

enum rc watch_span_ask(struct store_client *client, struct slice zone, yyjson_val *schedule,
                       unix_ms now, struct watch_span *ret, struct err *err)
{
    char hour[16], now_s[24], weekday[8];
    CLEANUP(buf_done) struct buf out;
    CLEANUP(buf_done) struct buf sql;
    yyjson_val *v = json_get(schedule, "hour");
    int64_t h = HOUR_DEFAULT;
    if (v && !json_to_i64(v, &h))
        h = HOUR_DEFAULT;
    buf_init(&out, 256);
    buf_init(&sql, 2048);
    add_sql(&sql, days_of(schedule));
    snprintf(hour, sizeof(hour), " %02u:00:00", (unsigned)h % 24);
    snprintf(weekday, sizeof(weekday), "%u", weekday_of(schedule));
    snprintf(now_s, sizeof(now_s), "%lld", (long long)(now.ms / 1000));
    const struct store_param params[] = {{"zone", zone.len ? zone : SLICE_LIT("UTC")},
                                         {"hour", slice_str(hour)},
                                         {"weekday", slice_str(weekday)},
                                         {"now", slice_str(now_s)}};
    const struct store_query q = {.sql = buf_cstr(&sql),
                                  .format = "TabSeparated",
                                  .params = params,
                                  .param_count = COUNT_OF(params),
                                  .read_only = true};
    TRY(store_query(NULL, client, &q, &out, NULL, NULL, err));
    return read_span(slice_of(out.data, out.len ? out.len - 1 : 0), ret, err);
}
