#include "base_test.h"

#include <time.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/random.h"

static void known_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *again;
    } cases[] = {
        {"1970-01-01T00:00:00.000Z", 0, NULL},
        {"2026-11-24T08:15:30.123Z", 1795508130123, NULL},
        {"2000-02-29T23:59:59.999Z", 951868799999, NULL},
        {"1969-12-31T23:59:59.999Z", -1, NULL},
        {"0000-01-01T00:00:00.000Z", -62167219200000, NULL},
        {"9999-12-31T23:59:59.999Z", 253402300799999, NULL},
        {"2026-11-24", 1795478400000, "2026-11-24T00:00:00.000Z"},
        {"2026-11-24T08:15:30Z", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-11-24t08:15:30z", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-11-24 08:15:30.5Z", 1795508130500, "2026-11-24T08:15:30.500Z"},
        {"2026-11-24T08:15:30.123999999Z", 1795508130123, "2026-11-24T08:15:30.123Z"},
        {"2026-11-24T08:15:30.00000000000000000000001Z", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-11-24T13:45:30+05:30", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-11-24T03:30:30-0445", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-11-24T08:15:30-00:00", 1795508130000, "2026-11-24T08:15:30.000Z"},
        {"2026-01-01T00:30:00+01:00", 1767223800000, "2025-12-31T23:30:00.000Z"},
        {"2016-12-31T23:59:60Z", 1483228799000, "2016-12-31T23:59:59.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unix_ms t = {42};
        char text[TIME_TEXT_BYTES];
        assert_true(time_parse(slice_str(cases[i].text), &t));
        assert_true(t.ms == cases[i].ms);
        assert_string_equal(time_format(t, text), cases[i].again ? cases[i].again : cases[i].text);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-1-24",
        "26-11-24",
        "2026-00-10",
        "2026-13-10",
        "2026-11-00",
        "2026-11-31",
        "2026-02-29",
        "1900-02-29",
        "2100-02-29",
        "2026-11-24T",
        "2026-11-24T08",
        "2026-11-24T08:15Z",
        "2026-11-24T08:15:30",
        "2026-11-24T08:15:30.",
        "2026-11-24T08:15:30.Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T08:60:00Z",
        "2026-11-24T08:15:61Z",
        "2026-11-24T08:15:30+24:00",
        "2026-11-24T08:15:30+01:60",
        "2026-11-24T08:15:30+1:00",
        "2026-11-24T08:15:30+01",
        "2026-11-24T08:15:30Zx",
        "2026-11-24T08:15:30Z ",
        " 2026-11-24T08:15:30Z",
        "2026-11-24X08:15:30Z",
        "2026/11/24",
        "+2026-11-24",
        "-026-11-24",
        "2026-11-24T08:15:3\xff",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        unix_ms t = {42};
        if (time_parse(slice_str(bad[i]), &t))
            fail_msg("taken for a time: %s", bad[i]);
        assert_true(t.ms == 42);
    }
    unix_ms t;
    assert_true(time_parse(SLICE_LIT("2000-02-29"), &t));
    assert_true(time_parse(SLICE_LIT("2024-02-29"), &t));
}

static void any_time_survives_format_and_parse(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 4711);
    for (int i = 0; i < 200000; i++) {
        int64_t span = 253402300799999 + 62167219200000 + 1;
        unix_ms t = {(int64_t)prng_below(&rng, (uint64_t)span) - 62167219200000}, back;
        char text[TIME_TEXT_BYTES];
        time_format(t, text);
        assert_true(time_parse(slice_str(text), &back));
        assert_true(back.ms == t.ms);
    }
}

static void it_agrees_with_the_c_library(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 99);
    for (int i = 0; i < 20000; i++) {
        time_t s = (time_t)prng_below(&rng, 8000000000u);
        struct tm tm;
        gmtime_r(&s, &tm);
        char want[64], got[TIME_TEXT_BYTES];
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        assert_string_equal(time_format((unix_ms){(int64_t)s * 1000}, got), want);
    }
}

static void times_out_of_range_are_clamped(void **state)
{
    (void)state;
    char text[TIME_TEXT_BYTES];
    assert_string_equal(time_format((unix_ms){INT64_MAX}, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(time_format((unix_ms){INT64_MIN}, text), "0000-01-01T00:00:00.000Z");
}

static void civil_days_count_up_one_by_one(void **state)
{
    (void)state;
    int64_t days = days_from_civil(1890, 1, 1);
    for (int64_t d = days; d < days + 366 * 300; d++) {
        int64_t year;
        unsigned month, day;
        civil_from_days(d, &year, &month, &day);
        assert_true(days_from_civil(year, month, day) == d);
    }
    assert_int_equal(days_from_civil(1970, 1, 1), 0);
    assert_int_equal(days_from_civil(2000, 3, 1), 11017);
}

static void the_clocks(void **state)
{
    (void)state;
    mono_ns a = mono_now();
    for (int i = 0; i < 1000; i++) {
        mono_ns b = mono_now();
        assert_false(mono_is_before(b, a));
        a = b;
    }
    assert_true(mono_diff_us(a, mono_add_ms(a, 5)) == 5000);
    mono_ns before = mono_now();
    sleep_ms(2);
    assert_true(mono_diff_us(before, mono_now()) >= 2000);
    unix_ms now = unix_now();
    unix_now_shift(-86400000);
    assert_true(unix_now().ms < now.ms - 80000000);
    unix_now_shift(0);
    assert_true(unix_now().ms >= now.ms - 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(any_time_survives_format_and_parse),
        cmocka_unit_test(it_agrees_with_the_c_library),
        cmocka_unit_test(times_out_of_range_are_clamped),
        cmocka_unit_test(civil_days_count_up_one_by_one),
        cmocka_unit_test(the_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
