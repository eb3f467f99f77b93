/* CSV of RFC 4180, record by record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/csv.h"

static struct csv_record record;
static struct buf space;
static size_t used;

static enum rc next(const char *text, bool is_end)
{
    return csv_next(slice_str(text), is_end, &space, &record, &used);
}

static void is(uint32_t field, const char *want)
{
    assert_true(field < record.count);
    if (!slice_eq_str(record.fields[field], want))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(record.fields[field]), want);
}

static void test_fields_of_every_kind(void **state)
{
    (void)state;
    assert_int_equal(next("a,\"b, \"\"c\"\"\nd\",,e\r\nrest", false), RC_OK);
    assert_int_equal(record.count, 4);
    is(0, "a");
    is(1, "b, \"c\"\nd");
    is(2, "");
    is(3, "e");
    assert_int_equal(used, strlen("a,\"b, \"\"c\"\"\nd\",,e\r\n"));
    /* Two that were unescaped do not share their space; quotes inside are characters. */
    assert_int_equal(next("\"x\"\"\",\"\"\"y\",a\"b\n", false), RC_OK);
    is(0, "x\"");
    is(1, "\"y");
    is(2, "a\"b");
    assert_int_equal(next("\n", false), RC_OK);
    assert_int_equal(record.count, 1);
    is(0, "");
    assert_int_equal(next("a,", true), RC_OK);
    assert_int_equal(record.count, 2);
    assert_int_equal(next("\"a\"", true), RC_OK);
    is(0, "a");
    assert_int_equal(next("", true), RC_END);
}

static void test_a_record_that_is_not_whole_waits(void **state)
{
    (void)state;
    static const char *const parts[] = {"",      "a",       "a,b",     "\"a",
                                        "\"a\"", "\"a\"\"", "a,\"b\n", "a\r"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        assert_int_equal(next(parts[i], false), RC_AGAIN);
}

static void test_what_is_wrong_is_passed_over_to_the_next_line(void **state)
{
    (void)state;
    assert_int_equal(next("\"a\"b,c\nd\n", false), RC_INVALID);
    assert_int_equal(used, strlen("\"a\"b,c\n"));
    assert_int_equal(next("\"never closed\nx", true), RC_INVALID);
    assert_int_equal(used, strlen("\"never closed\n"));
    struct buf text;
    buf_init(&text, 4 << 20);
    for (int i = 0; i <= CSV_FIELDS_MAX; i++)
        buf_add_char(&text, ',');
    buf_add_str(&text, "\nz\n");
    assert_int_equal(csv_next(buf_slice(&text), true, &space, &record, &used), RC_LIMIT);
    assert_int_equal(used, CSV_FIELDS_MAX + 2);
    buf_clear(&text);
    for (int i = 0; i < CSV_RECORD_BYTES_MAX + 10; i++)
        buf_add_char(&text, 'a');
    assert_int_equal(csv_next(buf_slice(&text), false, &space, &record, &used), RC_LIMIT);
    assert_true(used > 0 && used <= text.len);
    buf_done(&text);
}

static void written(struct slice field, const char *plain, const char *for_people)
{
    struct buf out;
    buf_init(&out, 1024);
    csv_add(&out, field);
    assert_string_equal(buf_cstr(&out), plain);
    buf_clear(&out);
    csv_add_text(&out, field);
    assert_string_equal(buf_cstr(&out), for_people);
    buf_done(&out);
}

static void test_what_would_be_a_formula_is_disarmed(void **state)
{
    (void)state;
    written(SLICE_LIT("a b"), "a b", "a b");
    written(SLICE_LIT("a,\"b\""), "\"a,\"\"b\"\"\"", "\"a,\"\"b\"\"\"");
    written(SLICE_LIT("=1+1"), "=1+1", "\"'=1+1\"");
    written(SLICE_LIT("@SUM(A1)"), "@SUM(A1)", "\"'@SUM(A1)\"");
    written(SLICE_LIT("-2"), "-2", "\"'-2\"");
    written(SLICE_LIT("\tx\"y"), "\"\tx\"\"y\"", "\"'\tx\"\"y\"");
    written(SLICE_EMPTY, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_every_kind),
        cmocka_unit_test(test_a_record_that_is_not_whole_waits),
        cmocka_unit_test(test_what_is_wrong_is_passed_over_to_the_next_line),
        cmocka_unit_test(test_what_would_be_a_formula_is_disarmed),
    };
    buf_init(&space, CSV_RECORD_BYTES_MAX + 4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&space);
    return failed;
}
