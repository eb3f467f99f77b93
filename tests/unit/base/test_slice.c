#include "base_test.h"

#include <inttypes.h>

#include "base/attr.h"
#include "base/random.h"
#include "base/slice.h"

static void equality_and_prefixes(void **state)
{
    (void)state;
    assert_true(slice_eq(SLICE_EMPTY, SLICE_LIT("")));
    assert_true(slice_eq_str(SLICE_LIT("abc"), "abc"));
    assert_false(slice_eq_str(SLICE_LIT("abc"), "abd"));
    assert_false(slice_eq_str(SLICE_LIT("abc\0"), "abc"));
    assert_true(slice_eq_nocase(SLICE_LIT("Content-TYPE"), SLICE_LIT("content-type")));
    assert_false(
        slice_eq_nocase(SLICE_LIT("a@"), SLICE_LIT("a`"))); /* 0x40 and 0x60 are no letters */
    assert_false(slice_eq_nocase(SLICE_LIT("\xc3\x84"), SLICE_LIT("\xc3\xa4")));
    assert_true(slice_has_prefix(SLICE_LIT("abc"), SLICE_LIT("ab")));
    assert_true(slice_has_prefix(SLICE_LIT("abc"), SLICE_EMPTY));
    assert_false(slice_has_prefix(SLICE_LIT("ab"), SLICE_LIT("abc")));
    assert_int_equal(slice_sub(SLICE_LIT("abc"), 3).len, 0);
    assert_int_equal(slice_sub(SLICE_LIT("abc"), 99).len, 0);
    assert_true(slice_eq_str(slice_sub(SLICE_LIT("abc"), 1), "bc"));
    assert_int_equal(slice_str(NULL).len, 0);
    assert_true(slice_eq_const_time(SLICE_LIT("key"), SLICE_LIT("key")));
    assert_false(slice_eq_const_time(SLICE_LIT("key"), SLICE_LIT("kez")));
    assert_false(slice_eq_const_time(SLICE_LIT("key"), SLICE_LIT("keyy")));
    assert_true(slice_eq_const_time(SLICE_EMPTY, SLICE_EMPTY));
}

static bool is_same_letter(unsigned a, unsigned b)
{
    bool is_letter = (a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z');
    return a == b || (is_letter && (a ^ b) == 0x20);
}

/* Words are compared eight bytes at once: each byte with each, at every place of every length. */
static void letters_of_both_cases_are_equal_wherever_they_stand(void **state)
{
    (void)state;
    char a[20], b[20];
    for (size_t len = 1; len <= sizeof(a); len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned pair = 0; pair < 1 << 16; pair += at % 8 == 3 ? 1 : 7) {
                memset(a, 'Z', sizeof(a));
                memset(b, 'z', sizeof(b));
                a[at] = (char)(pair >> 8);
                b[at] = (char)(pair & 255);
                if (slice_eq_nocase(slice_of(a, len), slice_of(b, len)) !=
                    is_same_letter(pair >> 8, pair & 255))
                    fail_msg("%04x at %zu of %zu", pair, at, len);
            }
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_true(slice_eq_str(slice_trim(SLICE_LIT(" \t a b\t ")), "a b"));
    assert_int_equal(slice_trim(SLICE_LIT(" \t ")).len, 0);
    assert_true(slice_eq_str(slice_trim(SLICE_LIT("\r\n")), "\r\n"));
    assert_int_equal(slice_trim(SLICE_EMPTY).len, 0);
}

static void cut_walks_a_list(void **state)
{
    (void)state;
    struct slice rest = SLICE_LIT("a,,b,");
    assert_true(slice_eq_str(slice_cut(&rest, ','), "a"));
    assert_true(slice_eq_str(slice_cut(&rest, ','), ""));
    assert_true(slice_eq_str(slice_cut(&rest, ','), "b"));
    assert_int_equal(rest.len, 0);
    assert_int_equal(slice_cut(&rest, ',').len, 0);
    rest = SLICE_LIT("whole");
    assert_true(slice_eq_str(slice_cut(&rest, ','), "whole"));
    assert_int_equal(rest.len, 0);
}

static void numbers_at_their_limits(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(slice_to_u64(SLICE_LIT("0"), &u) && u == 0);
    assert_true(slice_to_u64(SLICE_LIT("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(slice_to_u64(SLICE_LIT("000000000000000000000000012"), &u) && u == 12);
    assert_true(slice_to_i64(SLICE_LIT("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(slice_to_i64(SLICE_LIT("-9223372036854775807"), &i) && i == -INT64_MAX);
    assert_true(slice_to_i64(SLICE_LIT("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(slice_to_i64(SLICE_LIT("-0"), &i) && i == 0);
}

static void what_is_no_number_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "1.0",
                                      "0x1",
                                      "1e3",
                                      "--1",
                                      "-",
                                      "1\n",
                                      "\x31\xff",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "١"};
    uint64_t u = 7;
    int64_t i = 7;
    for (size_t k = 0; k < COUNT_OF(bad); k++) {
        assert_false(slice_to_u64(slice_str(bad[k]), &u));
        assert_false(slice_to_i64(slice_str(bad[k]), &i));
    }
    assert_false(slice_to_u64(SLICE_LIT("-1"), &u));
    assert_false(slice_to_u64(SLICE_LIT("1\0"), &u));
    assert_false(slice_to_i64(SLICE_LIT("9223372036854775808"), &i));
    assert_false(slice_to_i64(SLICE_LIT("-9223372036854775809"), &i));
    assert_int_equal(u, 7);
    assert_int_equal(i, 7);
}

static void numbers_round_trip(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 11);
    for (int k = 0; k < 20000; k++) {
        uint64_t want = prng_next(&rng) >> prng_below(&rng, 64), got;
        char text[32];
        snprintf(text, sizeof(text), "%" PRIu64, want);
        assert_true(slice_to_u64(slice_str(text), &got));
        assert_true(got == want);
        int64_t want_i = (int64_t)(prng_next(&rng) >> prng_below(&rng, 64)), got_i;
        snprintf(text, sizeof(text), "%" PRId64, want_i);
        assert_true(slice_to_i64(slice_str(text), &got_i));
        assert_true(got_i == want_i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_and_prefixes),
        cmocka_unit_test(letters_of_both_cases_are_equal_wherever_they_stand),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(cut_walks_a_list),
        cmocka_unit_test(numbers_at_their_limits),
        cmocka_unit_test(what_is_no_number_is_refused_and_nothing_written),
        cmocka_unit_test(numbers_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
