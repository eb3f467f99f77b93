/* Token buckets: exact over hours, never too generous whatever keys, costs and clocks come, and
 * what a table that is too small forgets. The clock is a number; nothing waits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tenant/limit.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
#define START (1000 * S)

static struct limit_answer last;

static bool take_n(struct limit *l, uint64_t key, uint32_t cost, struct limit_policy p, int64_t ns)
{
    bool is_allowed = limit_take(l, key, cost, &p, (mono_ns){ns}, &last);
    assert_int_equal(is_allowed, last.is_allowed);
    assert_int_equal(last.retry_after_s > 0, !is_allowed && !last.is_never);
    return is_allowed;
}

static bool take(struct limit *l, uint64_t key, struct limit_policy p, int64_t ns)
{
    return take_n(l, key, 1, p, ns);
}

/* ---- one bucket ---- */

static void a_burst_then_the_rate(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(10, 1, 20);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(take(l, 7, p, START));
        assert_int_equal(last.remaining, 19 - i);
    }
    assert_int_equal(last.reset_s, 2);
    assert_false(take(l, 7, p, START));
    assert_int_equal(last.remaining, 0);
    assert_int_equal(last.reset_s, 2);
    assert_int_equal(last.retry_after_s, 1); /* 0.1 s, in whole seconds */
    assert_false(take(l, 7, p, START + 100 * MS - 1));
    assert_true(take(l, 7, p, START + 100 * MS));
    assert_false(take(l, 7, p, START + 100 * MS));
    assert_true(take(l, 7, p, START + 60 * S)); /* full again, not more than full */
    assert_int_equal(last.remaining, 19);
    assert_int_equal(limit_window_s(&p), 2);
    limit_free(l);
}

static void slow_rates_tell_how_long(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(5, 900, 5); /* five logins in a quarter of an hour */
    for (int i = 0; i < 5; i++)
        assert_true(take(l, 7, p, START));
    assert_false(take(l, 7, p, START));
    assert_int_equal(last.retry_after_s, 180);
    assert_int_equal(last.reset_s, 900);
    assert_false(take(l, 7, p, START + 179 * S));
    assert_int_equal(last.retry_after_s, 1);
    assert_true(take(l, 7, p, START + 180 * S));
    assert_int_equal(limit_window_s(&p), 900);
    limit_free(l);
}

static uint64_t greedy(struct limit *l, struct limit_policy p, int64_t ns, int64_t step)
{
    uint64_t allowed = 0;
    for (int64_t t = START; t < START + ns; t += step)
        while (take(l, 7, p, t))
            allowed++;
    return allowed;
}

static void hours_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate, burst;
        int64_t step;
    } cases[] = {{10, 20, 7 * MS}, {1, 2, 300 * MS}, {100, 5, 3 * MS + 1}, {3, 7, 11 * MS}};
    enum { HOURS = 3 };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct limit *l = limit_new("test", 64);
        struct limit_policy p = limit_policy_of(cases[i].rate, 1, cases[i].burst);
        int64_t ns = HOURS * 3600 * S, step = cases[i].step;
        uint64_t allowed = greedy(l, p, ns, step);
        /* Up to the last moment that it asked in. */
        int64_t asked_ns = (ns - 1) / step * step;
        uint64_t most = cases[i].burst + (uint64_t)(asked_ns * cases[i].rate / S);
        bool divides = S % cases[i].rate == 0;
        assert_in_range(allowed, most - (divides ? 0 : 1), most);
        limit_free(l);
    }
}

/* The exact bucket, in tokens / 10^9, charged with what was let through: it must always have had
 * enough. */
struct model {
    int64_t rate, burst, now, tokens;
};

static void charge(struct model *m, uint32_t cost, int64_t now)
{
    if (now > m->now) {
        int64_t grown = m->tokens + (now - m->now) * m->rate;
        m->tokens = grown < m->burst * S ? grown : m->burst * S;
        m->now = now;
    }
    m->tokens -= cost * S;
    assert_true(m->tokens >= 0);
}

static void never_more_than_the_exact_bucket_has(void **state)
{
    (void)state;
    struct prng r;
    prng_seed(&r, 20261126);
    for (int round = 0; round < 200; round++) {
        struct limit *l = limit_new("test", 8);
        uint32_t rate = 1 + (uint32_t)prng_below(&r, round % 2 ? 20 : LIMIT_RATE_MAX);
        uint32_t burst = 1 + (uint32_t)prng_below(&r, 50);
        struct limit_policy p = limit_policy_of(rate, 1, burst);
        struct model m = {rate, burst, START, burst * S};
        int64_t now = START;
        uint64_t allowed = 0;
        for (int i = 0; i < 500; i++) {
            uint32_t cost = 1 + (uint32_t)prng_below(&r, burst + 2);
            if (take_n(l, 7, cost, p, now)) {
                charge(&m, cost, now);
                allowed += cost;
            }
            now += (int64_t)prng_below(&r, (uint64_t)(4 * S / rate) + 1);
        }
        assert_true(allowed >= burst / 2);
        limit_free(l);
    }
}

static void a_refusal_costs_nothing(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(1, 1, 5);
    assert_true(take_n(l, 7, 3, p, START));
    for (int i = 0; i < 1000; i++)
        assert_false(take_n(l, 7, 3, p, START));
    assert_int_equal(last.remaining, 2);
    assert_int_equal(last.retry_after_s, 1);
    assert_true(take_n(l, 7, 2, p, START));
    assert_true(take_n(l, 7, 3, p, START + 3 * S));
    limit_free(l);
}

static void more_than_the_burst_is_never_allowed(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(1, 1, 5);
    assert_true(take_n(l, 7, 5, p, START));
    assert_false(last.is_never);
    assert_false(take_n(l, 8, 6, p, START));
    assert_true(last.is_never);
    assert_int_equal(last.retry_after_s, 0);
    p = limit_policy_of(1, 86400, 1); /* the product would not fit 64 bits */
    assert_false(take_n(l, 8, UINT32_MAX, p, START));
    assert_true(last.is_never);
    limit_free(l);
}

static void no_rate_is_no_limit(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy off = limit_policy_of(0, 1, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(take_n(l, 7, UINT32_MAX, off, START));
    limit_free(l);
}

static void any_clock_is_survived(void **state)
{
    (void)state;
    static const int64_t clocks[] = {
        0, 1, -1, -5 * S, INT64_MIN, INT64_MAX, INT64_MAX - 1, INT64_MIN + 1};
    struct limit_policy p = limit_policy_of(1, 1, 5);
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct limit *l = limit_new("test", 8);
        int allowed = 0;
        for (int k = 0; k < 20; k++)
            allowed += take(l, 7, p, clocks[i]);
        assert_true(allowed <= 5);
        assert_int_equal(allowed, clocks[i] > INT64_MAX / 2 ? 0 : 5);
        for (size_t k = 0; k < COUNT_OF(clocks); k++)
            take(l, 7, p, clocks[k]);
        limit_free(l);
    }
}

static void a_clock_that_lags_gives_nothing(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(10, 1, 10);
    for (int i = 0; i < 10; i++)
        assert_true(take(l, 7, p, START));
    for (int i = 0; i < 100; i++)
        assert_false(take(l, 7, p, START - i * 10 * MS));
    limit_free(l);
}

static void a_new_policy_holds_at_once(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy wide = limit_policy_of(10, 1, 100), narrow = limit_policy_of(10, 1, 5);
    for (int i = 0; i < 50; i++)
        assert_true(take(l, 7, wide, START));
    assert_false(take(l, 7, narrow, START));
    assert_int_equal(last.remaining, 0);
    assert_int_equal(last.retry_after_s, 5); /* 4.6 s */
    assert_true(take(l, 7, wide, START));
    limit_free(l);
}

/* ---- many keys ---- */

static void keys_do_not_touch_each_other(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64);
    struct limit_policy p = limit_policy_of(10, 1, 10);
    int allowed[2] = {0, 0};
    for (int64_t t = START; t < START + 100 * S; t += 10 * MS) {
        allowed[0] += take(l, 1, p, t);
        for (int i = 0; i < 20; i++) /* twenty times as often */
            allowed[1] += take(l, 2, p, t);
    }
    assert_int_equal(allowed[0], 1009);
    assert_int_equal(allowed[1], 1009);
    limit_free(l);
}

static void a_flood_does_not_free_a_limited_key(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 8); /* one set */
    struct limit_policy p = limit_policy_of(1, 1, 10);
    for (int i = 0; i < 10; i++)
        assert_true(take(l, 7, p, START));
    for (uint64_t key = 1000; key < 11000; key++) {
        take(l, key, p, START);
        assert_false(take(l, 7, p, START));
    }
    limit_free(l);
}

/* Each asks for five times its rate, and there are two slots for five keys. */
static void nobody_gains_by_being_forgotten(void **state)
{
    (void)state;
    enum { KEYS = 40, STEPS = 200000 };
    static struct model models[KEYS];
    struct limit *l = limit_new("test", 16);
    struct limit_policy p = limit_policy_of(10, 1, 10);
    struct prng r;
    int64_t now = START;
    prng_seed(&r, 7);
    for (int i = 0; i < KEYS; i++)
        models[i] = (struct model){10, 10, START, 10 * S};
    for (int i = 0; i < STEPS; i++) {
        uint64_t key = prng_below(&r, KEYS);
        if (take(l, key + 1000, p, now))
            charge(&models[key], 1, now);
        now += (int64_t)prng_below(&r, MS);
    }
    limit_free(l);
}

/* As long as all together ask less than slots * rate, new keys find a full bucket. */
static void new_keys_pay_for_a_flood_only(void **state)
{
    (void)state;
    enum { SLOTS = 64, RATE = 10 };
    struct limit *l = limit_new("test", SLOTS);
    struct limit_policy p = limit_policy_of(RATE, 1, 10);
    for (uint64_t i = 0; i < 100000; i++) {
        int64_t now = START + (int64_t)i * S / (SLOTS * RATE / 2);
        assert_true(take(l, i + 1, p, now));
        assert_int_equal(last.remaining, 9);
    }
    /* Ten times of that is a flood. The table goes on letting through what it has slots for. */
    uint64_t allowed = 0;
    for (uint64_t i = 0; i < 100000; i++)
        allowed +=
            take(l, (i + 1) << 20 | i, p, START + 400 * S + (int64_t)i * S / (SLOTS * RATE * 10));
    assert_in_range(allowed, 9000, 11000);
    limit_free(l);
}

static void addresses_are_customers(void **state)
{
    (void)state;
    struct limit *l = limit_new("test", 64), *other = limit_new("other", 64);
    struct ip a, b, next_net, same_tail;
    assert_true(ip_parse(SLICE_LIT("2001:db8:1:2::3"), &a));
    assert_true(ip_parse(SLICE_LIT("2001:db8:1:2:ffff::"), &b));
    assert_true(ip_parse(SLICE_LIT("2001:db8:1:3::3"), &next_net));
    assert_true(ip_parse(SLICE_LIT("2001:db8::ffff:192.0.2.1"), &same_tail));
    assert_int_equal(limit_key_address(l, a), limit_key_address(l, b));
    assert_int_not_equal(limit_key_address(l, a), limit_key_address(l, next_net));
    assert_int_not_equal(limit_key_address(l, IP_V4(192, 0, 2, 1)),
                         limit_key_address(l, IP_V4(192, 0, 2, 2)));
    assert_int_not_equal(limit_key_address(l, IP_V4(192, 0, 2, 1)),
                         limit_key_address(l, same_tail));
    /* The secret: what collides in one table says nothing of another. */
    assert_int_not_equal(limit_key_address(l, a), limit_key_address(other, a));
    assert_int_not_equal(limit_key(l, SLICE_LIT("wk_1")), limit_key(l, SLICE_LIT("wk_2")));
    limit_free(l);
    limit_free(other);
}

static void refusals_are_counted_by_kind(void **state)
{
    (void)state;
    struct limit *l = limit_new("address", 8);
    struct limit_policy p = limit_policy_of(1, 1, 10);
    struct buf out;
    for (uint64_t key = 1; key <= 9; key++) /* the ninth evicts */
        assert_true(take(l, key, p, START));
    for (int i = 0; i < 3; i++)
        assert_false(take_n(l, 1, 11, p, START));
    buf_init(&out, 1 << 16);
    metrics_render(&out);
    assert_non_null(strstr(buf_cstr(&out), "\nweir_limit_refused_total{kind=\"address\"} 3\n"));
    assert_non_null(strstr(buf_cstr(&out), "\nweir_limit_evicted_total{kind=\"address\"} 1\n"));
    buf_done(&out);
    limit_free(l);
}

/* ---- threads ---- */

enum { THREADS = 4, HOT_KEYS = 40, TAKES = 100000 };
struct crowd {
    struct limit *l;
    struct limit_policy policy;
    uint32_t keys;
    int64_t step_ns; /* of the clock, per take */
    _Atomic int64_t clock_ns;
    _Atomic uint64_t allowed[HOT_KEYS];
    _Atomic uint64_t seed;
};

static void *hammer(void *arg)
{
    struct crowd *c = arg;
    struct prng r;
    prng_seed(&r, atomic_fetch_add(&c->seed, 1));
    for (int i = 0; i < TAKES; i++) {
        struct limit_answer answer;
        uint64_t key = prng_below(&r, c->keys);
        int64_t now = atomic_fetch_add(&c->clock_ns, c->step_ns);
        if (limit_take(c->l, key + 1, 1, &c->policy, (mono_ns){now}, &answer))
            atomic_fetch_add(&c->allowed[key], 1);
    }
    return NULL;
}

static void run_crowd(struct crowd *c)
{
    pthread_t threads[THREADS];
    atomic_store(&c->clock_ns, START);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void threads_share_one_bucket_exactly(void **state)
{
    (void)state;
    enum { BURST = 1000 };
    static struct crowd c; /* the clock stands still */
    c = (struct crowd){limit_new("test", 64), limit_policy_of(1, 1, BURST), .keys = 8};
    run_crowd(&c);
    for (uint32_t i = 0; i < c.keys; i++)
        assert_int_equal(atomic_load(&c.allowed[i]), BURST);
    limit_free(c.l);
}

/* With the clock still, each slot gives its burst and no more, whoever owns it when: not one charge
 * gets lost between owners. */
static void threads_that_replace_each_other_lose_no_charge(void **state)
{
    (void)state;
    enum { BURST = 20000, SLOTS = 8 };
    static struct crowd c;
    uint64_t all = 0;
    c = (struct crowd){limit_new("test", SLOTS), limit_policy_of(1, 1, BURST), .keys = HOT_KEYS};
    run_crowd(&c);
    for (uint32_t i = 0; i < c.keys; i++)
        all += atomic_load(&c.allowed[i]);
    assert_int_equal(all, SLOTS * BURST);
    limit_free(c.l);
}

enum { NEW_KEYS = 20000 };
struct meeting {
    struct limit *l;
    _Atomic uint64_t arrived;
    _Atomic uint64_t allowed;
};

static void *meet(void *arg)
{
    struct meeting *m = arg;
    const struct limit_policy once = limit_policy_of(1, 1, 1);
    for (uint64_t key = 1; key <= NEW_KEYS; key++) {
        struct limit_answer answer;
        atomic_fetch_add(&m->arrived,
                         1); /* side by side at each key: within nanoseconds, on two cores */
        while (atomic_load(&m->arrived) < 2 * key)
            sched_yield();
        atomic_fetch_add(&m->allowed, limit_take(m->l, key, 1, &once, (mono_ns){START}, &answer));
    }
    return NULL;
}

static void threads_that_meet_at_a_new_key_share_its_bucket(void **state)
{
    (void)state;
    struct meeting m = {.l = limit_new("test", 1 << 17)};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, meet, &m), 0);
    meet(&m);
    pthread_join(other, NULL);
    assert_int_equal(atomic_load(&m.allowed), NEW_KEYS);
    limit_free(m.l);
}

/* Eight slots for forty keys that ask for five times their rate: nearly every take replaces a key,
 * and each key comes back soon. */
static void threads_that_evict_each_other_gain_nothing(void **state)
{
    (void)state;
    enum { RATE = 1000, BURST = 10 };
    static struct crowd c;
    c = (struct crowd){limit_new("test", 8), limit_policy_of(RATE, 1, BURST), .keys = HOT_KEYS,
                       .step_ns = 5000};
    run_crowd(&c);
    int64_t elapsed = atomic_load(&c.clock_ns) - START;
    uint64_t all = 0, most = BURST + (uint64_t)(elapsed * RATE / S);
    for (uint32_t i = 0; i < c.keys; i++) {
        assert_true(atomic_load(&c.allowed[i]) <= most);
        all += atomic_load(&c.allowed[i]);
    }
    /* And the slots are all used: no deadlock of debts. */
    assert_true(all > 8 * (most - BURST) / 2);
    limit_free(c.l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(slow_rates_tell_how_long),
        cmocka_unit_test(hours_are_exact),
        cmocka_unit_test(never_more_than_the_exact_bucket_has),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(more_than_the_burst_is_never_allowed),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(any_clock_is_survived),
        cmocka_unit_test(a_clock_that_lags_gives_nothing),
        cmocka_unit_test(a_new_policy_holds_at_once),
        cmocka_unit_test(keys_do_not_touch_each_other),
        cmocka_unit_test(a_flood_does_not_free_a_limited_key),
        cmocka_unit_test(nobody_gains_by_being_forgotten),
        cmocka_unit_test(new_keys_pay_for_a_flood_only),
        cmocka_unit_test(addresses_are_customers),
        cmocka_unit_test(refusals_are_counted_by_kind),
        cmocka_unit_test(threads_share_one_bucket_exactly),
        cmocka_unit_test(threads_that_replace_each_other_lose_no_charge),
        cmocka_unit_test(threads_that_meet_at_a_new_key_share_its_bucket),
        cmocka_unit_test(threads_that_evict_each_other_gain_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
