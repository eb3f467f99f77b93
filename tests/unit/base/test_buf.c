#include "base_test.h"

#include "base/buf.h"
#include "base/heap.h"

static void limits_hold_and_failure_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_add_str(&b, "12345");
    buf_add_str(&b, "678901"); /* one too many: ignored whole */
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 5);
    buf_add_char(&b, 'x'); /* would fit, but the buffer has failed */
    assert_int_equal(b.len, 5);
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_add_str(&b, "0123456789");
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 10);
    assert_string_equal(buf_cstr(&b), "0123456789"); /* the NUL is not counted */
    assert_true(buf_ok(&b));
    buf_add(&b, "", 0);
    assert_true(buf_ok(&b));
    buf_done(&b);
    assert_string_equal(buf_cstr(&b), "");
    buf_add_str(&b, "again");
    assert_string_equal(buf_cstr(&b), "again");
    buf_done(&b);
}

static void growth_keeps_the_content(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&b, (char)('a' + i % 26));
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_true(b.cap <= (1 << 20) + 1);
    buf_drop_front(&b, 99999);
    assert_int_equal(b.len, 1);
    assert_int_equal(b.data[0], 'a' + 99999 % 26);
    buf_drop_front(&b, 1);
    assert_int_equal(b.len, 0);
    buf_done(&b);
}

static void formatted_texts_of_any_length_up_to_the_limit(void **state)
{
    (void)state;
    char big[800];
    memset(big, 'z', sizeof(big));
    for (int n = 500; n <= 524; n++) {
        struct buf b;
        buf_init(&b, (size_t)n);
        buf_addf(&b, "%.*s", n, big);
        assert_true(buf_ok(&b));
        assert_int_equal(b.len, n);
        buf_addf(&b, "%s", "y");
        assert_false(buf_ok(&b));
        assert_int_equal(b.len, n);
        buf_done(&b);
    }
    struct buf b;
    buf_init(&b, 100);
    buf_addf(&b, "%.*s", 700, big);
    assert_false(buf_ok(&b));
    buf_done(&b);
}

static void decimal_numbers(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_add_u64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, -1);
    assert_string_equal(buf_cstr(&b),
                        "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
    buf_done(&b);
}

static void reserve_and_commit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    char *to = buf_reserve(&b, 8);
    assert_non_null(to);
    memcpy(to, "abcdefgh", 8);
    buf_commit(&b, 3);
    assert_string_equal(buf_cstr(&b), "abc");
    assert_null(buf_reserve(&b, 6));
    assert_false(buf_ok(&b));
    buf_done(&b);
}

static void no_memory_is_a_sticky_failure(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    heap_fail_after(1);
    buf_add_str(&b, "lost");
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    buf_add_str(&b, "kept");
    heap_fail_after(1);
    for (int i = 0; i < 1000 && buf_ok(&b); i++)
        buf_add_str(&b, "more");
    assert_false(buf_ok(&b));
    assert_memory_equal(b.data, "keptmore", 8); /* what was there before stays whole */
    heap_fail_after(0);
    buf_done(&b);
}

static const char *json(struct buf *b, struct slice s)
{
    buf_clear(b);
    buf_add_json(b, s);
    assert_true(buf_ok(b));
    return buf_cstr(b);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_string_equal(json(&b, SLICE_EMPTY), "\"\"");
    assert_string_equal(json(&b, SLICE_LIT("plain ü €")), "\"plain ü €\"");
    assert_string_equal(json(&b, SLICE_LIT("a\"b\\c")), "\"a\\\"b\\\\c\"");
    assert_string_equal(json(&b, SLICE_LIT("\n\t\0\x1f\x7f")),
                        "\"\\u000a\\u0009\\u0000\\u001f\x7f\"");
    assert_string_equal(json(&b, SLICE_LIT("😀")), "\"😀\"");
    buf_done(&b);
}

static void invalid_utf8_becomes_the_replacement_character(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xff", R},
        {"\x80", R},
        {"a\xc3", "a" R},                         /* cut */
        {"\xc0\xaf", R R},                        /* overlong '/' */
        {"\xe0\x80\xaf", R R R},                  /* overlong */
        {"\xed\xa0\x80", R R R},                  /* a surrogate */
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},         /* the last before them */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", R R R R},            /* beyond */
        {"\xf0\x80\x80\x80", R R R R},
        {"\xf8\x88\x80\x80\x80", R R R R R},
        {"\xe2\x82", R R},          /* a cut euro sign at the end */
        {"\xe2\x82\"", R R "\\\""}, /* … must not swallow the quote */
    };
#undef R
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char want[64];
        snprintf(want, sizeof(want), "\"%s\"", cases[i].out);
        assert_string_equal(json(&b, slice_str(cases[i].in)), want);
    }
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_and_failure_sticks),
        cmocka_unit_test(growth_keeps_the_content),
        cmocka_unit_test(formatted_texts_of_any_length_up_to_the_limit),
        cmocka_unit_test(decimal_numbers),
        cmocka_unit_test(reserve_and_commit),
        cmocka_unit_test(no_memory_is_a_sticky_failure),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(invalid_utf8_becomes_the_replacement_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
