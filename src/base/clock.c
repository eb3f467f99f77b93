#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Atomic int64_t wall_shift_ms;

mono_ns mono_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (mono_ns){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}

unix_ms unix_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (unix_ms){(int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 +
                     atomic_load_explicit(&wall_shift_ms, memory_order_relaxed)};
}

void unix_now_shift(int64_t offset_ms)
{
    atomic_store(&wall_shift_ms, offset_ms);
}

void sleep_ms(int64_t ms)
{
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
    }
}

/* Both from Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *ret_day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

enum { MS_PER_DAY = 86400000 };

enum { TIME_TEXT_LEN = 24 };

static void put_digits(char *to, unsigned count, unsigned value)
{
    while (count > 0) {
        to[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

char *time_format(unix_ms t, char ret_text[TIME_TEXT_BYTES])
{
    /* Times of one minute share their day: of what a server formats, nearly all. */
    static _Thread_local struct {
        int64_t days;
        bool is_set;
        char text[11]; /* "2026-11-24T" */
    } last;
    const int64_t ms_min = -62167219200000, ms_max = 253402300799999; /* years 0000 and 9999 */
    int64_t ms = t.ms < ms_min ? ms_min : t.ms > ms_max ? ms_max : t.ms;
    int64_t days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
    unsigned in_day = (unsigned)(ms - days * MS_PER_DAY);
    /* By hand: snprintf took a seventh of an ingest request's time. */
    if (!last.is_set || days != last.days) {
        int64_t year;
        unsigned month, day;
        civil_from_days(days, &year, &month, &day);
        memcpy(last.text, "0000-00-00T", sizeof(last.text));
        put_digits(last.text, 4, (unsigned)year);
        put_digits(last.text + 5, 2, month);
        put_digits(last.text + 8, 2, day);
        last.days = days;
        last.is_set = true;
    }
    memcpy(ret_text, last.text, sizeof(last.text));
    memcpy(ret_text + sizeof(last.text), "00:00:00.000Z", TIME_TEXT_LEN + 1 - sizeof(last.text));
    put_digits(ret_text + 11, 2, in_day / 3600000U);
    put_digits(ret_text + 14, 2, in_day / 60000U % 60U);
    put_digits(ret_text + 17, 2, in_day / 1000U % 60U);
    put_digits(ret_text + 20, 3, in_day % 1000U);
    return ret_text;
}

static bool digits(struct slice *s, size_t n, unsigned *ret_value)
{
    unsigned value = 0;
    if (s->len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->data[i] < '0' || s->data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(s->data[i] - '0');
    }
    *s = slice_sub(*s, n);
    *ret_value = value;
    return true;
}

static bool literal(struct slice *s, char c)
{
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = slice_sub(*s, 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool parse_offset(struct slice *s, int64_t *ret_minutes)
{
    *ret_minutes = 0;
    if (literal(s, 'Z') || literal(s, 'z'))
        return true;
    int64_t sign = literal(s, '+') ? 1 : literal(s, '-') ? -1 : 0;
    unsigned hours, minutes;
    if (sign == 0 || !digits(s, 2, &hours))
        return false;
    literal(s, ':');
    if (!digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (int64_t)(hours * 60 + minutes);
    return true;
}

static unsigned parse_fraction_ms(struct slice *s)
{
    unsigned ms = 0, scale = 100;
    while (s->len && s->data[0] >= '0' && s->data[0] <= '9') {
        ms += (unsigned)(s->data[0] - '0') * scale;
        scale /= 10;
        *s = slice_sub(*s, 1);
    }
    return ms;
}

bool time_parse(struct slice text, unix_ms *ret_time)
{
    struct slice s = text;
    unsigned year, month, day, hour = 0, minute = 0, second = 0, ms = 0;
    int64_t offset_minutes = 0;
    if (!digits(&s, 4, &year) || !literal(&s, '-') || !digits(&s, 2, &month) || !literal(&s, '-') ||
        !digits(&s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    if (s.len) {
        if (!literal(&s, 'T') && !literal(&s, 't') && !literal(&s, ' '))
            return false;
        if (!digits(&s, 2, &hour) || !literal(&s, ':') || !digits(&s, 2, &minute) ||
            !literal(&s, ':') || !digits(&s, 2, &second))
            return false;
        if (literal(&s, '.')) {
            if (s.len == 0 || s.data[0] < '0' || s.data[0] > '9')
                return false;
            ms = parse_fraction_ms(&s);
        }
        if (!parse_offset(&s, &offset_minutes) || s.len)
            return false;
        if (hour > 23 || minute > 59 || second > 60)
            return false;
        if (second == 60)
            second = 59;
    }
    int64_t seconds = days_from_civil(year, month, day) * 86400 + (int64_t)hour * 3600 +
                      ((int64_t)minute - offset_minutes) * 60 + (int64_t)second;
    ret_time->ms = seconds * 1000 + (int64_t)ms;
    return true;
}
