/* What the store has told: kept for the last zones and for the version of the sessions it was
 * about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "analytics/report/report_run_int.h"

static struct report_known *known;

static int begin(void **state)
{
    (void)state;
    known = report_known_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    report_known_free(known);
    return 0;
}

static struct slice name_of(int i)
{
    static char name[16];
    snprintf(name, sizeof(name), "Zone/%d", i);
    return slice_str(name);
}

static bool has_zone(int i)
{
    struct report_zone zone;
    if (!report_known_zone(known, name_of(i), &zone))
        return false;
    assert_int_equal(zone.count, 1);
    assert_int_equal(zone.runs[0].offset_s, i);
    return true;
}

static void the_zone_that_was_not_used_for_longest_goes(void **state)
{
    (void)state;
    assert_false(has_zone(0));
    for (int i = 0; i < 17; i++) {
        const struct report_zone zone = {.count = 1, .runs = {{.day = 1, .offset_s = i}}};
        report_known_keep_zone(known, name_of(i), &zone);
        report_known_keep_zone(known, name_of(i), &zone); /* takes no second place */
        assert_true(has_zone(0));
    }
    assert_false(has_zone(1));
    assert_true(has_zone(2));
    assert_true(has_zone(16));
}

static void bots_are_known_of_a_project_and_a_version(void **state)
{
    (void)state;
    static const struct slice one = SLICE_LIT("11111111-1111-4111-8111-111111111111"),
                              two = SLICE_LIT("22222222-2222-4222-8222-222222222222");
    bool has = true;
    assert_false(report_known_behaviour(known, one, 0, &has));
    assert_false(has);
    report_known_keep_behaviour(known, one, 7, true);
    assert_true(report_known_behaviour(known, one, 7, &has));
    assert_true(has);
    assert_false(report_known_behaviour(known, one, 8, &has)); /* sessions were written */
    assert_false(has);
    assert_false(report_known_behaviour(known, two, 7, &has));
    report_known_keep_behaviour(known, one, 8, false);
    assert_true(report_known_behaviour(known, one, 8, &has));
    assert_false(has);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_zone_that_was_not_used_for_longest_goes, begin, end),
        cmocka_unit_test_setup_teardown(bots_are_known_of_a_project_and_a_version, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
