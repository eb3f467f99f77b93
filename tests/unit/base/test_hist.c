#include "base_test.h"

#include "base/hist.h"
#include "base/random.h"

static struct hist h, other;

static int reset(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    memset(&other, 0, sizeof(other));
    return 0;
}

static void an_empty_one_says_zero(void **state)
{
    (void)state;
    assert_int_equal(hist_quantile(&h, 0.5), 0);
    assert_int_equal(hist_total(&h), 0);
    assert_int_equal(hist_max(&h), 0);
    assert_int_equal(hist_count_at_most(&h, UINT64_MAX), 0);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void quantiles_are_at_most_a_thirty_second_too_high(void **state)
{
    (void)state;
    enum { N = 20000 };
    static uint64_t values[N];
    static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct prng rng;
        prng_seed(&rng, seed);
        memset(&h, 0, sizeof(h));
        for (int i = 0; i < N; i++) {
            values[i] = prng_next(&rng) >> (24 + prng_below(&rng, 40)); /* all magnitudes */
            hist_add(&h, values[i]);
        }
        qsort(values, N, sizeof(values[0]), compare);
        for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
            double exact = quantiles[q] * (double)N;
            size_t rank = (size_t)exact;
            if ((double)rank < exact)
                rank++;
            uint64_t truth = values[rank ? rank - 1 : 0], got = hist_quantile(&h, quantiles[q]);
            assert_true(got >= truth);
            assert_true((double)got <= (double)truth * 1.03126);
        }
    }
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 64; v++) {
        reset(NULL);
        hist_add(&h, v);
        assert_int_equal(hist_quantile(&h, 0.5), v);
        assert_int_equal(hist_sum(&h), v);
    }
}

static void large_values_are_clamped(void **state)
{
    (void)state;
    hist_add(&h, UINT64_MAX);
    assert_int_equal(hist_total(&h), 1);
    assert_true(hist_quantile(&h, 1) >= ((uint64_t)1 << 40) - 1);
    assert_int_equal(hist_max(&h), UINT64_MAX);
}

static void counts_up_to_a_value_grow_and_end_at_the_total(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 3);
    for (int i = 0; i < 10000; i++)
        hist_add(&h, prng_below(&rng, 1 << 30));
    uint64_t last = 0;
    for (uint64_t edge = 1; edge < (uint64_t)1 << 41; edge *= 2) {
        uint64_t n = hist_count_at_most(&h, edge);
        assert_true(n >= last);
        last = n;
    }
    assert_int_equal(last, hist_total(&h));
}

static void merging_adds(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 3);
    for (int i = 0; i < 1000; i++)
        hist_add(i % 2 ? &h : &other, prng_below(&rng, 100000));
    uint64_t max = hist_max(&h) > hist_max(&other) ? hist_max(&h) : hist_max(&other);
    uint64_t sum = hist_sum(&h) + hist_sum(&other);
    hist_merge(&h, &other);
    assert_int_equal(hist_total(&h), 1000);
    assert_int_equal(hist_sum(&h), sum);
    assert_int_equal(hist_max(&h), max);
    assert_int_equal(hist_quantile(&h, 1), max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_says_zero, reset),
        cmocka_unit_test_setup(quantiles_are_at_most_a_thirty_second_too_high, reset),
        cmocka_unit_test_setup(small_values_are_exact, reset),
        cmocka_unit_test_setup(large_values_are_clamped, reset),
        cmocka_unit_test_setup(counts_up_to_a_value_grow_and_end_at_the_total, reset),
        cmocka_unit_test_setup(merging_adds, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
