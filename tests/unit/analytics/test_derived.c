/* How long the makers of derived tables rest: derived.h, "PACE". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analytics/derived/derived.h"

enum { MANY = 100000 };

static const struct derived_progress a_few = {.lag_offsets = 10}, backlog = {.lag_offsets = MANY},
                                     anew = {.is_anew = true};

static void a_step_of_a_second_is_a_fifth_of_the_time(void **state)
{
    (void)state;
    assert_int_equal(derived_rest_ms(&a_few, false, 0, 1000), 4000);
    assert_int_equal(derived_rest_ms(&a_few, false, 0, 60000), 5000); /* at most */
    assert_int_equal(derived_rest_ms(&a_few, false, 0, 10), 1000);    /* at least */
    assert_int_equal(derived_rest_ms(&a_few, true, 0, 1000), 1000);
}

static void a_backlog_is_worked_off_without_a_rest(void **state)
{
    (void)state;
    assert_int_equal(derived_rest_ms(&backlog, false, 0, 1000), 0);
    assert_int_equal(derived_rest_ms(&anew, false, 0, 1000), 0);
    assert_int_equal(derived_rest_ms(&backlog, false, MANY - 1, 1000), 0);
    assert_int_equal(derived_rest_ms(&anew, true, 0, 1000), 1000); /* there is nothing yet */
}

static void events_come_first_and_nothing_starves(void **state)
{
    (void)state;
    assert_int_equal(derived_rest_ms(&backlog, false, MANY, 1000), 4000);
    assert_int_equal(derived_rest_ms(&anew, false, MANY, 60000), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_of_a_second_is_a_fifth_of_the_time),
        cmocka_unit_test(a_backlog_is_worked_off_without_a_rest),
        cmocka_unit_test(events_come_first_and_nothing_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
