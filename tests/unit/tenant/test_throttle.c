/* How guessing is slowed down, and whom that must not hit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/attr.h"
#include "tenant/throttle.h"

static int setup(void **state)
{
    *state = throttle_new();
    return 0;
}

static int teardown(void **state)
{
    throttle_free(*state);
    return 0;
}

static const mono_ns start = {INT64_C(5000000000000)};

/* Seconds to wait, 0 if the attempt was let through (and counted). */
static uint32_t try_at(struct throttle *t, const char *account, const char *address, bool is_known,
                       mono_ns now)
{
    struct throttle_ticket ticket;
    uint32_t wait_s = 0;
    return throttle_begin(t, slice_str(account), slice_str(address), is_known, now, &ticket,
                          &wait_s)
               ? 0
               : wait_s;
}

/* Addresses that nobody shares. */
static const char *address(int n)
{
    static char text[32];
    snprintf(text, sizeof(text), "10.%d.%d.1", n / 250, n % 250);
    return text;
}

static void five_failures_are_free_then_delays_double(void **state)
{
    struct throttle *t = *state;
    mono_ns now = start;
    int n = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_at(t, "ada", address(n++), false, now), 0);
    static const uint32_t want_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
    for (size_t i = 0; i < COUNT_OF(want_s); i++) {
        assert_int_equal(try_at(t, "ada", address(n++), false, now), want_s[i]);
        /* What was refused is not counted: waiting on does not grow. */
        assert_int_equal(try_at(t, "ada", address(n++), false, now), want_s[i]);
        now = mono_add_ms(now, want_s[i] * INT64_C(1000) - 1);
        assert_int_equal(try_at(t, "ada", address(n++), false, now), 1);
        now = mono_add_ms(now, 1);
        assert_int_equal(try_at(t, "ada", address(n++), false, now), 0);
    }
    assert_int_equal(try_at(t, "ada", address(n++), false, now), 900); /* and no longer */
    assert_int_equal(try_at(t, "bob", address(n++), false, now), 0);
}

static void failures_are_forgotten(void **state)
{
    struct throttle *t = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_at(t, "ada", address(i), false, start), 0);
    mono_ns later = mono_add_ms(start, 30 * 60 * 1000);
    assert_int_equal(try_at(t, "ada", address(10), false, later), 0); /* one was forgotten */
    assert_int_equal(try_at(t, "ada", address(11), false, later), 1);
    later = mono_add_ms(later, INT64_C(24) * 60 * 60 * 1000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_at(t, "ada", address(20 + i), false, later), 0);
    assert_int_equal(try_at(t, "ada", address(30), false, later), 1);
}

static uint32_t guesses_in_a_day(struct throttle *t, mono_ns from)
{
    uint32_t guesses = 0;
    for (int64_t s = 0; s < 24 * 60 * 60; s++)
        guesses +=
            try_at(t, "ada", address((int)(s % 50000)), false, mono_add_ms(from, s * 1000)) == 0;
    return guesses;
}

static void an_account_takes_a_bounded_number_of_guesses(void **state)
{
    struct throttle *t = *state;
    assert_in_range(guesses_in_a_day(t, start), 90, 5 + 10 + 96);
    assert_in_range(guesses_in_a_day(t, mono_add_ms(start, INT64_C(24) * 3600 * 1000)), 90, 97);
}

/* Somebody guesses at Ada's password all day; she is at home. */
static void strangers_lock_nobody_out_of_a_known_place(void **state)
{
    struct throttle *t = *state;
    for (int i = 0; i < 100; i++)
        (void)try_at(t, "ada", address(i), false, start);
    assert_int_not_equal(try_at(t, "ada", "192.0.2.1", false, start), 0);
    assert_int_equal(try_at(t, "ada", "192.0.2.1", true, start), 0);
    /* The known place is counted too, by itself. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(try_at(t, "ada", "192.0.2.1", true, start), 0);
    assert_int_equal(try_at(t, "ada", "192.0.2.1", true, start), 1);
    assert_int_equal(try_at(t, "ada", "192.0.2.2", true, start), 0);
}

static void an_address_is_slowed_down_over_all_accounts(void **state)
{
    struct throttle *t = *state;
    char account[16];
    for (int i = 0; i < 20; i++) {
        snprintf(account, sizeof(account), "user%d", i);
        assert_int_equal(try_at(t, account, "192.0.2.1", false, start), 0);
    }
    assert_int_equal(try_at(t, "other", "192.0.2.1", false, start), 1);
    assert_int_equal(try_at(t, "other", "192.0.2.1", true, start), 1); /* a known place as well */
    assert_int_equal(try_at(t, "other", "192.0.2.2", false, start), 0);
}

static void a_success_clears_the_account_but_not_the_address(void **state)
{
    struct throttle *t = *state;
    struct throttle_ticket ticket;
    uint32_t wait_s;
    char account[16];
    /* An attacker's own account, used between guesses at others. */
    int guesses = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(account, sizeof(account), "user%d", i);
        if (try_at(t, account, "192.0.2.1", false, start) == 0)
            guesses++;
        if (throttle_begin(t, SLICE_LIT("mine"), SLICE_LIT("192.0.2.1"), false, start, &ticket,
                           &wait_s))
            throttle_success(t, &ticket);
    }
    assert_int_equal(guesses, 20);
    for (int i = 0; i < 4; i++)
        assert_int_equal(try_at(t, "ada", address(i), false, start), 0);
    assert_true(throttle_begin(t, SLICE_LIT("ada"), SLICE_LIT("192.0.2.7"), false, start, &ticket,
                               &wait_s));
    throttle_success(t, &ticket);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_at(t, "ada", address(i), false, start), 0);
    assert_int_equal(try_at(t, "ada", address(9), false, start), 1);
}

static void a_cancelled_attempt_leaves_no_trace(void **state)
{
    struct throttle *t = *state;
    struct throttle_ticket ticket;
    uint32_t wait_s;
    for (int i = 0; i < 7; i++) { /* the last two wait: 1 s and 2 s */
        mono_ns at = mono_add_ms(start, i * INT64_C(2000));
        assert_int_equal(try_at(t, "ada", address(i), false, at), 0);
    }
    mono_ns at = mono_add_ms(start, 6 * 2000 + 4000);
    for (int i = 0; i < 50; i++) {
        assert_true(throttle_begin(t, SLICE_LIT("ada"), SLICE_LIT("192.0.2.1"), false, at, &ticket,
                                   &wait_s));
        throttle_cancel(t, &ticket);
    }
    assert_int_equal(try_at(t, "ada", "192.0.2.1", false, at), 0);
    assert_int_equal(try_at(t, "ada", "192.0.2.1", false, at), 8);
}

static void an_address_is_one_however_it_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8:1:2::1", "2001:0db8:0001:0002:ffff::9", true}, /* one /64 */
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"2001:db8::", "0.0.0.0", false},
        {"unix", "unix", true},
        {"unix", "xinu", false},
        {"", "", true},
        {"", "0.0.0.0", false},
        {"1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19", "1", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (throttle_is_same_address(slice_str(cases[i].a), slice_str(cases[i].b)) !=
            cases[i].is_same)
            fail_msg("case %zu", i);
    assert_false(throttle_is_same_address(slice_of("::1\0", 4), SLICE_LIT("::1")));
}

static void memory_is_bounded_and_the_latest_are_remembered(void **state)
{
    struct throttle *t = *state;
    char account[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(account, sizeof(account), "user%d", i);
        assert_int_equal(
            try_at(t, account, address(i % 60000), false, mono_add_ms(start, i * INT64_C(3600000))),
            0);
    }
    mono_ns now = mono_add_ms(start, INT64_C(100000) * 3600000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_at(t, "ada", address(61000 + i), false, now), 0);
    for (int i = 0; i < 500; i++) { /* less than a table's worth: nobody is pushed out */
        snprintf(account, sizeof(account), "late%d", i);
        assert_int_equal(try_at(t, account, address(62000 + i), false, now), 0);
    }
    assert_int_equal(try_at(t, "ada", address(61999), false, now), 1);
}

enum { THREADS = 4, TRIES = 200 };
struct crowd {
    struct throttle *throttle;
    _Atomic uint32_t let_through;
};

static void *guess(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < TRIES; i++)
        if (try_at(crowd->throttle, "ada", "192.0.2.1", false, start) == 0)
            atomic_fetch_add(&crowd->let_through, 1);
    return NULL;
}

/* Guesses at once are no more guesses than one after the other. */
static void a_crowd_gets_no_more_than_one(void **state)
{
    struct crowd crowd = {.throttle = *state};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, guess, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.let_through, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(five_failures_are_free_then_delays_double, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(an_account_takes_a_bounded_number_of_guesses, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(strangers_lock_nobody_out_of_a_known_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_address_is_slowed_down_over_all_accounts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_success_clears_the_account_but_not_the_address, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_attempt_leaves_no_trace, setup, teardown),
        cmocka_unit_test(an_address_is_one_however_it_is_written),
        cmocka_unit_test_setup_teardown(memory_is_bounded_and_the_latest_are_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_crowd_gets_no_more_than_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
