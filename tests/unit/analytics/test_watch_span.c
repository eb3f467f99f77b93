/* When mail reports are due and about which days they are, over the real engine (in this process),
 * which knows the zones; the clock is whatever the test says. The model is libc's knowledge of the
 * same zones. Skipped without libchdb. docs/alerts.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "analytics/watch/watch_int.h"
#include "base/os.h"
#include "base/random.h"
#include "test_replay_store.h"

#define assert_ok(expr)                                                   \
    do {                                                                  \
        enum rc assert_rc_ = (expr);                                      \
        if (assert_rc_ != RC_OK)                                          \
            fail_msg("%s: %s: %s", #expr, rc_name(assert_rc_), err.text); \
    } while (0)

enum { DAY_S = 86400 };
static struct store_client *client;
static struct err err;
static struct arena arena;
static struct prng rng;

static unix_ms moment(const char *text)
{
    unix_ms t = {0};
    assert_true(time_parse(slice_str(text), &t));
    return t;
}

/* weekday: of a week, from Monday on; 0 is not said. */
static struct watch_span ask_on(const char *zone, const char *every, int weekday, int hour,
                                unix_ms now)
{
    static const char *const weekdays[] = {WATCH_WEEKDAYS};
    struct watch_span span;
    yyjson_val *schedule;
    char text[100], day[40] = "";
    if (weekday)
        snprintf(day, sizeof(day), "\"weekday\":\"%s\",", weekdays[weekday]);
    snprintf(text, sizeof(text), "{\"every\":\"%s\",%s\"hour\":%d}", every, day, hour);
    arena_reset(&arena);
    assert_ok(json_parse(&arena, slice_str(text), &schedule, &err));
    assert_ok(watch_span_ask(client, slice_str(zone), schedule, now, &span, &err));
    return span;
}

static struct watch_span ask(const char *zone, const char *every, int hour, unix_ms now)
{
    return ask_on(zone, every, 0, hour, now);
}

/* ---- by hand ---- */
struct example {
    const char *zone, *every;
    int hour;
    const char *now, *from, *to, *next;
};

static void check(const struct example *e)
{
    char next[TIME_TEXT_BYTES];
    struct watch_span span = ask(e->zone, e->every, e->hour, moment(e->now));
    time_format((unix_ms){span.next_ms}, next);
    if (strcmp(span.from, e->from) != 0 || strcmp(span.to, e->to) != 0 || strcmp(next, e->next))
        fail_msg("%s %s %d at %s: %s to %s, next %s; not %s to %s, next %s", e->zone, e->every,
                 e->hour, e->now, span.from, span.to, next, e->from, e->to, e->next);
}

static void a_week_is_from_monday_on_and_its_hour_is_the_zones(void **state)
{
    (void)state;
    static const struct example examples[] = {
        /* Summer time begins on Sunday the 29th: the hour stays, by UTC it is another. */
        {"Europe/Berlin", "week", 8, "2026-03-23T07:00:00Z", "2026-03-16", "2026-03-22",
         "2026-03-30T06:00:00.000Z"},
        {"Europe/Berlin", "week", 8, "2026-03-23T06:59:59Z", "2026-03-09", "2026-03-15",
         "2026-03-23T07:00:00.000Z"},
        {"Europe/Berlin", "week", 8, "2026-03-30T06:00:00Z", "2026-03-23", "2026-03-29",
         "2026-04-06T06:00:00.000Z"},
        {"America/New_York", "week", 0, "2026-11-02T05:00:00Z", "2026-10-26", "2026-11-01",
         "2026-11-09T05:00:00.000Z"},
        /* A day ahead of UTC, and quarters of an hour. */
        {"Pacific/Kiritimati", "week", 7, "2026-06-07T17:00:00Z", "2026-06-01", "2026-06-07",
         "2026-06-14T17:00:00.000Z"},
        {"Asia/Kathmandu", "week", 23, "2026-06-01T17:15:00Z", "2026-05-25", "2026-05-31",
         "2026-06-08T17:15:00.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check(&examples[i]);
}

/* The seven days before it, wherever in the week it is; what is compared with are the seven before
 * those. */
static void a_week_begins_on_the_day_that_was_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        int weekday, hour;
        const char *now, *before, *from, *to, *next;
    } examples[] = {
        /* 2026-06-05 is a Friday. */
        {"UTC", 4, 8, "2026-06-05T08:00:00Z", "2026-05-22", "2026-05-29", "2026-06-04",
         "2026-06-12T08:00:00.000Z"},
        {"UTC", 4, 8, "2026-06-05T07:59:59Z", "2026-05-15", "2026-05-22", "2026-05-28",
         "2026-06-05T08:00:00.000Z"},
        {"UTC", 6, 0, "2026-06-06T23:59:59Z", "2026-05-17", "2026-05-24", "2026-05-30",
         "2026-06-07T00:00:00.000Z"},
        /* On the Sunday on which summer time ends, half an hour off UTC. */
        {"Australia/Lord_Howe", 6, 9, "2026-04-04T22:30:00Z", "2026-03-22", "2026-03-29",
         "2026-04-04", "2026-04-11T22:30:00.000Z"},
        /* Tuesday there is Monday by UTC, over the end of a year. */
        {"Asia/Kathmandu", 1, 5, "2026-12-28T23:15:00Z", "2026-12-15", "2026-12-22", "2026-12-28",
         "2027-01-04T23:15:00.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        char next[TIME_TEXT_BYTES];
        struct watch_span span = ask_on(examples[i].zone, "week", examples[i].weekday,
                                        examples[i].hour, moment(examples[i].now));
        assert_string_equal(span.from, examples[i].from);
        assert_string_equal(span.to, examples[i].to);
        assert_string_equal(span.before_from, examples[i].before);
        assert_string_equal(time_format((unix_ms){span.next_ms}, next), examples[i].next);
    }
}

/* A month with the month before it, however long the two are. */
static void what_is_compared_with_is_the_whole_span_before(void **state)
{
    (void)state;
    static const struct {
        const char *every, *now, *from, *to;
    } examples[] = {
        {"day", "2026-03-01T08:00:00Z", "2026-02-27", "2026-02-27"},
        {"week", "2026-01-05T08:00:00Z", "2025-12-22", "2025-12-28"},
        {"month", "2026-03-01T08:00:00Z", "2026-01-01", "2026-01-31"},
        {"month", "2026-04-01T08:00:00Z", "2026-02-01", "2026-02-28"},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct watch_span span = ask("UTC", examples[i].every, 8, moment(examples[i].now));
        assert_string_equal(span.before_from, examples[i].from);
        assert_string_equal(span.before_to, examples[i].to);
    }
}

static void a_month_ends_where_it_ends(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"UTC", "month", 8, "2026-01-31T12:00:00Z", "2025-12-01", "2025-12-31",
         "2026-02-01T08:00:00.000Z"},
        {"UTC", "month", 8, "2026-02-01T08:00:00Z", "2026-01-01", "2026-01-31",
         "2026-03-01T08:00:00.000Z"},
        {"UTC", "month", 8, "2028-03-01T08:00:00Z", "2028-02-01", "2028-02-29",
         "2028-04-01T08:00:00.000Z"},
        {"", "month", 0, "2026-05-31T23:59:59Z", "2026-04-01", "2026-04-30",
         "2026-06-01T00:00:00.000Z"},
        /* The first of the month begins on the day before by UTC. */
        {"Australia/Lord_Howe", "month", 0, "2026-02-28T13:00:00Z", "2026-02-01", "2026-02-28",
         "2026-03-31T13:00:00.000Z"},
        {"America/New_York", "month", 23, "2027-01-02T03:59:59Z", "2026-11-01", "2026-11-30",
         "2027-01-02T04:00:00.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check(&examples[i]);
}

/* The server was down: what was missed is sent once, and what comes next at its own time. */
static void who_looks_late_sends_the_newest_and_no_more(void **state)
{
    (void)state;
    static const struct example examples[] = {
        /* Tuesday's message, about Monday, is made on Wednesday night; Wednesday's is due at 8. */
        {"UTC", "day", 8, "2026-06-03T03:00:00Z", "2026-06-01", "2026-06-01",
         "2026-06-03T08:00:00.000Z"},
        {"UTC", "week", 8, "2026-06-15T07:59:59Z", "2026-06-01", "2026-06-07",
         "2026-06-15T08:00:00.000Z"},
        {"UTC", "month", 8, "2026-06-01T07:00:00Z", "2026-04-01", "2026-04-30",
         "2026-06-01T08:00:00.000Z"},
        {"UTC", "week", 8, "2026-06-20T00:00:00Z", "2026-06-08", "2026-06-14",
         "2026-06-22T08:00:00.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check(&examples[i]);
}

/* ---- against libc ---- */
static const char *const zones[] = {"UTC",
                                    "Europe/Berlin",
                                    "America/New_York",
                                    "Asia/Kolkata",
                                    "Asia/Kathmandu",
                                    "Australia/Lord_Howe",
                                    "Pacific/Kiritimati",
                                    "America/Havana",
                                    "Africa/Cairo",
                                    "America/St_Johns",
                                    "Pacific/Chatham",
                                    "Asia/Beirut"};
static const char *const everies[] = {"day", "week", "month"};

static void use_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static struct tm add(struct tm day, int every, int n)
{
    if (every == 2)
        day.tm_mon += n;
    else
        day.tm_mday += every == 1 ? 7 * n : n;
    day.tm_hour = 12;
    day.tm_isdst = -1;
    mktime(&day); /* in order */
    return day;
}

/* False: on that day there is no such hour, or there are two. */
static bool due(struct tm day, int hour, time_t *ret)
{
    struct tm at = day, back, other = day;
    at.tm_hour = other.tm_hour = hour;
    at.tm_min = other.tm_min = at.tm_sec = other.tm_sec = 0;
    at.tm_isdst = -1;
    *ret = mktime(&at);
    other.tm_isdst = !at.tm_isdst;
    time_t otherwise = mktime(&other);
    localtime_r(&otherwise, &back);
    bool is_twice = otherwise != *ret && back.tm_hour == hour && back.tm_min == 0;
    localtime_r(ret, &back);
    return back.tm_hour == hour && back.tm_min == 0 && back.tm_mday == day.tm_mday && !is_twice;
}

/* False: it is about an hour that there is not, or twice. */
static bool model(int every, int weekday, int hour, time_t now, struct watch_span *ret)
{
    struct tm day;
    localtime_r(&now, &day);
    if (every == 1)
        day = add(day, 0, -((day.tm_wday + 13 - weekday) % 7));
    if (every == 2)
        day.tm_mday = 1;
    time_t at;
    for (int n = 1;; n--) {
        struct tm newest = add(day, every, n);
        if (!due(newest, hour, &at))
            return false;
        if (at > now)
            continue;
        struct tm from = add(newest, every, -1), to = add(newest, 0, -1);
        strftime(ret->from, sizeof(ret->from), "%Y-%m-%d", &from);
        strftime(ret->to, sizeof(ret->to), "%Y-%m-%d", &to);
        bool is_there = due(add(newest, every, 1), hour, &at);
        ret->next_ms = (int64_t)at * 1000;
        return is_there;
    }
}

static void any_moment_in_any_zone_is_what_libc_says(void **state)
{
    (void)state;
    uint32_t compared = 0;
    for (size_t z = 0; z < COUNT_OF(zones); z++) {
        use_zone(zones[z]);
        for (int i = 0; i < 40; i++) {
            int every = (int)prng_below(&rng, 3), hour = (int)prng_below(&rng, 24);
            int weekday = every == 1 ? (int)prng_below(&rng, 7) : 0;
            /* 2022 to 2024: what clocks will do is not the same in each year's data of zones. */
            time_t now = 1640995200 + (time_t)prng_below(&rng, 900 * DAY_S);
            struct watch_span want, got = ask_on(zones[z], everies[every], weekday, hour,
                                                 (unix_ms){(int64_t)now * 1000 + 999});
            if (!model(every, weekday, hour, now, &want))
                continue;
            compared++;
            if (strcmp(want.from, got.from) != 0 || strcmp(want.to, got.to) != 0 ||
                want.next_ms != got.next_ms)
                fail_msg("%s %s %d at %lld: %s to %s, next %lld; not %s to %s, next %lld", zones[z],
                         everies[every], hour, (long long)now, got.from, got.to,
                         (long long)got.next_ms / 1000, want.from, want.to,
                         (long long)want.next_ms / 1000);
        }
    }
    assert_true(compared > 400);
}

/* From message to message, each look up to nearly a span late: no days are left out, and none are
 * told twice, also where clocks leave out the hour or have it twice. */
static void no_days_are_left_out_or_told_twice(void **state)
{
    (void)state;
    static const int spans_s[] = {DAY_S, 7 * DAY_S, 28 * DAY_S};
    for (size_t z = 0; z < COUNT_OF(zones); z++) {
        int every = (int)(z % 3), hour = (int)prng_below(&rng, 4);
        unix_ms now = {INT64_C(1767225600000) + (int64_t)prng_below(&rng, 40 * DAY_S) * 1000};
        struct watch_span before = ask(zones[z], everies[every], hour, now);
        use_zone("UTC");
        for (int i = 0; i < (every == 0 ? 130 : every == 1 ? 60 : 24); i++) {
            int late_s = prng_below(&rng, 2)
                             ? (int)prng_below(&rng, (uint64_t)spans_s[every] - 2 * 3600)
                             : 0;
            assert_true(before.next_ms > now.ms);
            now.ms = before.next_ms + (int64_t)late_s * 1000;
            struct watch_span span = ask(zones[z], everies[every], hour, now);
            struct tm day = {0};
            char want[16];
            assert_non_null(strptime(before.to, "%Y-%m-%d", &day));
            day = add(day, 0, 1);
            strftime(want, sizeof(want), "%Y-%m-%d", &day);
            if (strcmp(span.from, want) != 0)
                fail_msg("%s %s %d: %s to %s behind %s to %s", zones[z], everies[every], hour,
                         span.from, span.to, before.from, before.to);
            before = span;
        }
    }
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_week_is_from_monday_on_and_its_hour_is_the_zones),
        cmocka_unit_test(a_week_begins_on_the_day_that_was_chosen),
        cmocka_unit_test(what_is_compared_with_is_the_whole_span_before),
        cmocka_unit_test(a_month_ends_where_it_ends),
        cmocka_unit_test(who_looks_late_sends_the_newest_and_no_more),
        cmocka_unit_test(any_moment_in_any_zone_is_what_libc_says),
        cmocka_unit_test(no_days_are_left_out_or_told_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    static char root[OS_PATH_MAX];
    uint64_t seed = env_number("WEIR_TEST_SEED", random_u64() % 1000000);
    printf("# seed %llu\n", (unsigned long long)seed);
    prng_seed(&rng, seed);
    arena_init(&arena, 4096, 1 << 20);
    return engine_store_main("watch", root, &client, run_all);
}
