/* WHAT    The range of a question, what it is compared with, and the buckets of time in it.
 * WHY     Zones live in the store, and only there: a statement of one row turns days of a zone into
 *         instants, and the main statement then gets plain numbers as parameters ({from:Int64} …
 *         in milliseconds, {first:Date} …). Calendars are done in days, so that a range and the
 *         one before it are as many days, whatever the clocks do.
 *         Hours and minutes are steps from their own day's first moment: where a zone is :30 or
 *         :45 off, they begin at its own full hours, and a day of 23 or 25 hours has as many. */
#include "analytics/report/report_int.h"

#include <stdio.h>

enum { DATE_LEN = 10, COLUMNS = 10 };

/* ---- reading ---- */
static bool take_day(struct report *r, const struct report_at *at, yyjson_val *v,
                     struct slice *ret_day, int64_t *ret_days)
{
    if (!yyjson_is_str(v) || !query_date_parse(json_text(v), ret_days))
        return report_fail(r, at, "give a day, YYYY-MM-DD");
    *ret_day = json_text(v);
    return true;
}

static bool take_instant(struct report *r, const struct report_at *at, yyjson_val *v,
                         unix_ms *ret_time)
{
    static const int64_t max = INT64_C(4102444800000); /* 2100 */
    if (!yyjson_is_str(v) || json_text(v).len <= DATE_LEN || !time_parse(json_text(v), ret_time) ||
        ret_time->ms < 0 || ret_time->ms > max)
        return report_fail(r, at, "give an instant with its offset, 2026-01-31T12:00:00+01:00");
    return true;
}

bool report_take_pair(struct report *r, const struct report_at *at, yyjson_val *v,
                      bool *ret_is_instants, struct slice days[2], unix_ms times[2])
{
    const struct report_at at_first = {.up = at, .index = 0}, at_second = {.up = at, .index = 1};
    if (!yyjson_is_arr(v) || yyjson_arr_size(v) != 2)
        return report_fail(r, at, "give two days or two instants");
    yyjson_val *first = yyjson_arr_get(v, 0), *second = yyjson_arr_get(v, 1);
    int64_t first_day = 0, last_day = 0;
    *ret_is_instants = yyjson_is_str(first) && json_text(first).len > DATE_LEN;
    if (!*ret_is_instants) {
        if (!take_day(r, &at_first, first, &days[0], &first_day) ||
            !take_day(r, &at_second, second, &days[1], &last_day))
            return false;
        if (first_day > last_day)
            return report_fail(r, at, "the second day lies before the first");
        return true;
    }
    if (!take_instant(r, &at_first, first, &times[0]) ||
        !take_instant(r, &at_second, second, &times[1]))
        return false;
    if (times[0].ms >= times[1].ms)
        return report_fail(r, at, "the second instant does not lie behind the first");
    return true;
}

static const struct {
    const char *name;
    enum report_range_kind kind;
    uint32_t count;
} ranges[] = {
    {"day", RANGE_LAST_DAYS, 1},     {"7d", RANGE_LAST_DAYS, 7},     {"28d", RANGE_LAST_DAYS, 28},
    {"30d", RANGE_LAST_DAYS, 30},    {"91d", RANGE_LAST_DAYS, 91},   {"month", RANGE_MONTHS, 1},
    {"6mo", RANGE_MONTHS, 6},        {"12mo", RANGE_MONTHS, 12},     {"year", RANGE_YEAR, 0},
    {"all", RANGE_ALL, 0},           {"realtime", RANGE_MINUTES, 5}, {"30m", RANGE_MINUTES, 30},
    {"24h", RANGE_MINUTES, 24 * 60},
};

static bool take_date_range(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct slice days[2] = {SLICE_EMPTY, SLICE_EMPTY};
    unix_ms times[2] = {{0}};
    bool is_instants = false;
    if (yyjson_is_str(v)) {
        for (size_t i = 0; i < COUNT_OF(ranges); i++) {
            if (!slice_eq_str(json_text(v), ranges[i].name))
                continue;
            r->range.kind = ranges[i].kind;
            r->range.count = ranges[i].count;
            return true;
        }
    }
    if (!yyjson_is_arr(v))
        return report_fail(r, at,
                           "give day, 7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all, "
                           "24h, 30m, realtime, or two days or instants");
    if (!report_take_pair(r, at, v, &is_instants, days, times))
        return false;
    r->range.kind = is_instants ? RANGE_INSTANTS : RANGE_DAYS;
    r->range.first = days[0];
    r->range.last = days[1];
    r->range.from = times[0];
    r->range.to = times[1];
    return true;
}

bool report_take_range(struct report *r, yyjson_val *root)
{
    const struct report_at at = {.name = "date_range"}, at_zone = {.name = "timezone"};
    yyjson_val *zone = json_get(root, "timezone");
    r->timezone = SLICE_EMPTY;
    if (zone && !yyjson_is_null(zone)) {
        if (!report_take_text(r, &at_zone, zone, 64, &r->timezone))
            return false;
        if (!query_zone_ok(r->timezone))
            return report_fail(r, &at_zone, "give an IANA name such as Europe/Berlin");
    }
    return take_date_range(r, &at, json_get(root, "date_range"));
}

bool report_take_compare(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct slice days[2] = {SLICE_EMPTY, SLICE_EMPTY};
    unix_ms times[2] = {{0}};
    if (!v || yyjson_is_null(v))
        return true;
    if (r->range.kind == RANGE_ALL)
        return report_fail(r, at, "there is nothing before all");
    if (yyjson_is_str(v)) {
        static const char *const words[] = {"previous_period", "year_over_year"};
        uint32_t word = 0;
        if (!report_take_word(r, at, v, words, COUNT_OF(words), &word))
            return false;
        r->range.compare = word == 0 ? COMPARE_PREVIOUS : COMPARE_YEAR;
        return true;
    }
    if (!report_take_pair(r, at, v, &r->range.is_compare_instants, days, times))
        return false;
    r->range.compare = COMPARE_RANGE;
    r->range.compare_first = days[0];
    r->range.compare_last = days[1];
    r->range.compare_from = times[0];
    r->range.compare_to = times[1];
    return true;
}

/* ---- the statement that asks the zone ---- */
#define TODAY "toDate(toDateTime({now:UInt32}, {timezone:String}))"
#define BEGINNING "least(" REPORT_FIRST_DAY(TODAY) ", " TODAY ")"
#define IMPORTS_BEGINNING "(SELECT if(count() = 0, " TODAY ", min(date)) FROM $IMPORTED)"

static bool is_instants(const struct report *r)
{
    return r->range.kind == RANGE_INSTANTS || r->range.kind == RANGE_MINUTES;
}

/* What the client wrote stands in the statement as digits only. */
static void add_date(struct buf *out, struct slice day)
{
    buf_addf(out, "toDate('%.*s')", SLICE_ARG(day));
}

static void add_range(const struct report *r, struct buf *out)
{
    const struct report_range *range = &r->range;
    switch (range->kind) {
    case RANGE_DAYS:
        add_date(out, range->first);
        buf_add_str(out, " AS first, ");
        add_date(out, range->last);
        buf_add_str(out, " AS last");
        return;
    case RANGE_LAST_DAYS:
        buf_addf(out, TODAY " - %u AS first, " TODAY " AS last", range->count - 1);
        return;
    case RANGE_MONTHS:
        buf_addf(out, "addMonths(toStartOfMonth(" TODAY "), -%u) AS first, " TODAY " AS last",
                 range->count - 1);
        return;
    case RANGE_YEAR:
        buf_add_str(out, "toStartOfYear(" TODAY ") AS first, " TODAY " AS last");
        return;
    case RANGE_ALL:
        buf_add_str(out,
                    r->has_imports ? "least(" BEGINNING ", " IMPORTS_BEGINNING ")" : BEGINNING);
        buf_add_str(out, " AS first, " TODAY " AS last");
        return;
    case RANGE_MINUTES:
        buf_addf(out,
                 "(toInt64({now:UInt32}) + 1) * 1000 AS till, till - %u * toInt64(60000) AS since",
                 range->count);
        return;
    case RANGE_INSTANTS:
        buf_addf(out, "toInt64(%lld) AS since, toInt64(%lld) AS till", (long long)range->from.ms,
                 (long long)range->to.ms);
        return;
    }
}

static void add_compare_days(const struct report *r, struct buf *out)
{
    switch (r->range.compare) {
    case COMPARE_YEAR:
        buf_add_str(out, "addYears(first, -1) AS other_first, addYears(last, -1) AS other_last");
        return;
    case COMPARE_RANGE:
        add_date(out, r->range.compare_first);
        buf_add_str(out, " AS other_first, ");
        add_date(out, r->range.compare_last);
        buf_add_str(out, " AS other_last");
        return;
    default:
        buf_add_str(out, "first - (last - first + 1) AS other_first, first - 1 AS other_last");
    }
}

static void add_compare_instants(const struct report *r, struct buf *out)
{
    switch (r->range.compare) {
    case COMPARE_YEAR:
        buf_add_str(out, "toUnixTimestamp64Milli(addYears(fromUnixTimestamp64Milli(since, "
                         "{timezone:String}), -1)) AS other_since, "
                         "toUnixTimestamp64Milli(addYears(fromUnixTimestamp64Milli(till, "
                         "{timezone:String}), -1)) AS other_till");
        return;
    case COMPARE_RANGE:
        buf_addf(out, "toInt64(%lld) AS other_since, toInt64(%lld) AS other_till",
                 (long long)r->range.compare_from.ms, (long long)r->range.compare_to.ms);
        return;
    default:
        buf_add_str(out, "since - (till - since) AS other_since, since AS other_till");
    }
}

#define MIDNIGHT(day) "toInt64(toUnixTimestamp(toDateTime(" day ", {timezone:String}))) * 1000"
#define DAY_OF(ms) "toDate(fromUnixTimestamp64Milli(" ms "), {timezone:String})"

void report_range_sql(const struct report *r, struct buf *out)
{
    bool is_other_instants =
        r->range.compare == COMPARE_RANGE ? r->range.is_compare_instants : is_instants(r);
    buf_add_str(out, "SELECT toInt32(first), toInt32(last), since, till, toInt32(other_first), "
                     "toInt32(other_last), other_since, other_till, (SELECT count() FROM (SELECT "
                     "1 FROM $SESSION_VERSIONS AND behaviour != 0 LIMIT 1)), ");
    if (r->slots == SLOTS_ASK)
        buf_add_str(out, "(SELECT count() FROM $NO_SLOTS)");
    else
        buf_addf(out, "%d", r->slots == SLOTS_MISSING);
    if (r->wants_zone) {
        buf_add_str(out, ", ");
        report_zone_sql(out);
    }
    buf_add_str(out, " FROM (SELECT *, ");
    buf_add_str(out, is_other_instants ? DAY_OF("other_since") " AS other_first, " DAY_OF(
                                             "other_till - 1") " AS other_last"
                                       : MIDNIGHT("other_first") " AS other_since, " MIDNIGHT(
                                             "other_last + 1") " AS other_till");
    buf_add_str(out, " FROM (SELECT *, ");
    if (is_other_instants)
        add_compare_instants(r, out);
    else
        add_compare_days(r, out);
    buf_add_str(out, " FROM (SELECT *, ");
    buf_add_str(out, is_instants(r)
                         ? DAY_OF("since") " AS first, " DAY_OF("till - 1") " AS last"
                         : MIDNIGHT("first") " AS since, " MIDNIGHT("last + 1") " AS till");
    buf_add_str(out, " FROM (SELECT ");
    add_range(r, out);
    buf_add_str(out, "))))");
}

static void bind_day(struct report *r, const char *name, int64_t days)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    char *text = arena_printf(r->arena, "%04lld-%02u-%02u", (long long)year, month, day);
    report_bind_as(r, name, slice_str(text));
}

static enum rc check_buckets(const struct report *r, struct err *err)
{
    const struct report_dim *time = report_time_dim(r);
    int64_t days = r->last_day - r->first_day + 1, ms = r->to.ms - r->from.ms;
    ENSURE(days <= QUERY_DAYS_MAX,
           err_set(err, RC_INVALID, "/date_range: it is %lld days long; at most %d are answered",
                   (long long)days, QUERY_DAYS_MAX));
    if (!time || time->unit > UNIT_HOUR)
        return RC_OK;
    int64_t step = time->unit == UNIT_HOUR ? 3600000 : 60000;
    ENSURE(ms / step <= REPORT_BUCKETS_MAX,
           err_set(err, RC_INVALID, "/date_range: %lld points of time; at most %d are answered",
                   (long long)(ms / step), REPORT_BUCKETS_MAX));
    return RC_OK;
}

/* The range is known: binds it, unless it is too long. */
static enum rc settle(struct report *r, struct err *err)
{
    TRY(check_buckets(r, err));
    bind_day(r, "first", r->first_day);
    bind_day(r, "last", r->last_day);
    report_bind_i64(r, "from", r->from.ms);
    report_bind_i64(r, "to", r->to.ms);
    if (r->range.compare != COMPARE_NONE) {
        bind_day(r, "compare_first", r->compare_first_day);
        bind_day(r, "compare_last", r->compare_last_day);
        report_bind_i64(r, "compare_from", r->compare_from.ms);
        report_bind_i64(r, "compare_to", r->compare_to.ms);
    }
    return r->err.rc == RC_OK ? RC_OK : err_set(err, RC_INVALID, "%s", r->err.text);
}

/* A zone that cannot be kept is asked for with each question. */
static void take_zone(struct report *r, struct slice text)
{
    struct report_zone *zone = text.len > 2 ? arena_alloc(r->arena, sizeof(*zone)) : NULL;
    if (zone && report_zone_read(slice_of(text.data + 1, text.len - 2), zone))
        r->zone = zone;
}

enum rc report_range_read(struct report *r, struct slice row, struct err *err)
{
    int64_t n[COLUMNS];
    struct slice rest;
    ENSURE(json_line_next(&row, &rest) && rest.len > 2,
           err_set(err, RC_STORE, "the store did not tell the range"));
    rest = slice_of(rest.data + 1, rest.len - 2);
    for (size_t i = 0; i < COLUMNS; i++)
        ENSURE(slice_to_i64(slice_trim(slice_cut(&rest, ',')), &n[i]),
               err_set(err, RC_STORE, "the store did not tell the range"));
    r->first_day = n[0];
    r->last_day = n[1];
    r->from.ms = n[2];
    r->to.ms = n[3];
    r->compare_first_day = n[4];
    r->compare_last_day = n[5];
    r->compare_from.ms = n[6];
    r->compare_to.ms = n[7];
    r->has_behaviour = n[8] > 0;
    r->slots = n[9] ? SLOTS_MISSING : SLOTS_THERE;
    take_zone(r, slice_trim(rest));
    return settle(r, err);
}

enum rc report_range_know(struct report *r, const struct report_zone *zone, unix_ms now,
                          struct err *err)
{
    return report_zone_span(zone, r, now) ? settle(r, err) : RC_NOTFOUND;
}

/* ---- buckets ---- */
void report_buckets_sql(struct buf *out, enum report_unit unit, bool is_compared)
{
    const char *p = is_compared ? "compare_" : "";
    int step = unit == UNIT_HOUR ? 3600 : 60;
    switch (unit) {
    case UNIT_DAY:
        buf_addf(out,
                 "arrayMap(i -> {%sfirst:Date} + i, range(toUInt32({%slast:Date} - {%sfirst:Date} "
                 "+ 1)))",
                 p, p, p);
        return;
    case UNIT_WEEK:
        buf_addf(out,
                 "arrayMap(i -> toMonday({%sfirst:Date}) + 7 * i, "
                 "range(toUInt32(intDiv(toMonday({%slast:Date}) - toMonday({%sfirst:Date}), 7) + "
                 "1)))",
                 p, p, p);
        return;
    case UNIT_MONTH:
    case UNIT_YEAR:
        buf_addf(out,
                 "arrayMap(i -> add%s(toStartOf%s({%sfirst:Date}), i), "
                 "range(toUInt32(dateDiff('%s', {%sfirst:Date}, {%slast:Date}) + 1)))",
                 unit == UNIT_MONTH ? "Months" : "Years", unit == UNIT_MONTH ? "Month" : "Year", p,
                 unit == UNIT_MONTH ? "month" : "year", p, p);
        return;
    default:
        /* Steps of each day; those that lie wholly before the range's beginning are not its own:
         * the last one that begins at or before it is the first. */
        buf_addf(
            out,
            "arrayFilter(s -> s * 1000 < {%sto:Int64} AND (s + %d) * 1000 > {%sfrom:Int64}, "
            "arrayFlatten(arrayMap(d -> range(toUnixTimestamp(toDateTime(d, "
            "{timezone:String})), toUnixTimestamp(toDateTime(d + 1, {timezone:String})), %d), ",
            p, step, p, step);
        report_buckets_sql(out, UNIT_DAY, is_compared);
        buf_add_str(out, ")))");
    }
}

void report_period_sql(const struct report_sql *s, enum report_unit unit)
{
    static const struct report_field timestamp = {"time:", "timestamp", "start", FIELD_TIME, true};
    const struct report_dim time = {.field = &timestamp, .unit = unit};
    buf_add_str(s->out, unit == UNIT_DAY    ? "toInt32("
                        : unit == UNIT_WEEK ? "toInt32(intDiv("
                                            : "toInt32(dateDiff('month', "
                                              "toStartOfMonth({first:Date}), ");
    report_dim_sql(s, &time);
    buf_add_str(s->out, unit == UNIT_DAY    ? " - {first:Date})"
                        : unit == UNIT_WEEK ? " - toMonday({first:Date}), 7))"
                                            : "))");
}

bool report_periods_fit(const struct report *r, enum report_unit unit, int64_t max)
{
    int64_t days = r->last_day - r->first_day + 1;
    return (unit == UNIT_DAY ? days : unit == UNIT_WEEK ? days / 7 + 2 : days / 28 + 2) <= max;
}

void report_label_sql(struct buf *out, enum report_unit unit, const char *bucket)
{
    if (unit > UNIT_HOUR) {
        buf_addf(out, "toString(%s)", bucket);
        return;
    }
    /* The offset is the wall clock read as UTC, less the moment: the store's timeZoneOffset() is a
     * day off beyond +13:00. */
    buf_addf(out,
             "concat(formatDateTime(toDateTime(%s, {timezone:String}), '%%Y-%%m-%%dT%%H:%%i:%%S'), "
             "arrayMap(o -> if(o = 0, 'Z', concat(if(o < 0, '-', '+'), "
             "leftPad(toString(intDiv(abs(o), 3600)), 2, '0'), ':', "
             "leftPad(toString(intDiv(abs(o) %% 3600, 60)), 2, '0'))), "
             "[toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(%s, {timezone:String})), "
             "'UTC'))) - toInt64(%s)])[1])",
             bucket, bucket, bucket);
}

void report_labels_sql(const struct report *r, struct buf *out)
{
    const struct report_dim *time = report_time_dim(r);
    buf_add_str(out, "SELECT ");
    report_label_sql(out, time->unit, "bucket");
    buf_add_str(out, " FROM (SELECT arrayJoin(");
    report_buckets_sql(out, time->unit, false);
    buf_add_str(out, ") AS bucket)");
}
