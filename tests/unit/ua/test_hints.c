/* Client hints: structured fields to the letter, and what they change. */
#include "test_ua.h"

static const char windows[] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
                              "(KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
static const char android[] = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like "
                              "Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
static struct ua_hints hints;
static struct ua_result result;

static const struct ua_result *parsed(const char *ua)
{
    ua_parse(parser, slice_str(ua), &hints, &result);
    hints = (struct ua_hints){0};
    return &result;
}

/* ---- structured fields ---- */
static void a_string_is_a_string_or_nothing(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"\"Windows\"", "Windows"},
        {"  \"a\" ", "a"},
        {"\"\"", ""},
        {"\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"\"x\";q=1", "x"},
        {"\"x\"; a;b=?1;c=tok/en;d=:aGk=:", "x"},
    };
    static const char *const bad[] = {
        "",
        "Windows",
        "\"a",
        "a\"",
        "\"a\" b",
        "\"a\\nb\"",
        "\"\xc3\xa4\"",
        "\"a\tb\"",
        "\"a\", \"b\"",
        "\"a\";",
        "\"a\";B=1",
        "\"a\";b=",
        "\t\"a\"",
        "\"a\\",
        "\"a\";b=1234567890123456",
        "\"a\";b=1.2345",
        "\"a\";b=-",
        "\"a\";b=?2",
        "\"a\";b=:a",
    };
    struct ua_text t;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(ua_sf_string(slice_str(good[i][0]), &t));
        assert_slice(slice_of(t.data, t.len), good[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (ua_sf_string(slice_str(bad[i]), &t))
            print_error("taken: %.*s\n", SLICE_ARG(slice_str(bad[i])));
        assert_false(ua_sf_string(slice_str(bad[i]), &t));
        assert_int_equal(t.len, 0);
    }
}

static void a_boolean_is_0_or_1_behind_a_question_mark(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "?", "?2", "1", "true", "?1?", "\"?1\"", "?1 x", "??1"};
    bool is = false;
    assert_true(ua_sf_boolean(SLICE_LIT("?1"), &is) && is);
    assert_true(ua_sf_boolean(SLICE_LIT(" ?0 "), &is) && !is);
    assert_true(ua_sf_boolean(SLICE_LIT("?1;a=b"), &is) && is);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(ua_sf_boolean(slice_str(bad[i]), &is));
}

static void a_list_of_brands_is_whole_or_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"a\";v=\"1\",", ",\"a\"",    "\"a\" \"b\"", "\"a\";v=\"1",
                                      "a;v=\"1\"",      "\"a\", ?1", "\"a\";;"};
    struct ua_brand brands[UA_BRANDS_MAX];
    size_t n;
    assert_true(ua_sf_brands(
        SLICE_LIT("\"Not/A)Brand\";v=\"8\",\"Chromium\"; v=\"126\" ,\t\"X\";v=1;v=\"2\", \"Y\""),
        brands, &n));
    assert_int_equal(n, 4);
    assert_slice(slice_of(brands[0].name.data, brands[0].name.len), "Not/A)Brand");
    assert_slice(slice_of(brands[1].version.data, brands[1].version.len), "126");
    assert_slice(slice_of(brands[2].version.data, brands[2].version.len), "2"); /* the last one */
    assert_int_equal(brands[3].version.len, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(ua_sf_brands(slice_str(bad[i]), brands, &n));
    assert_false(
        ua_sf_brands(SLICE_LIT("\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\","
                               "\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\""),
                     brands, &n));
}

static void what_is_too_long_is_not_there(void **state)
{
    (void)state;
    char text[UA_HINT_BYTES_MAX + 2];
    struct ua_text t;
    memset(text, 'a', sizeof(text));
    text[0] = text[UA_HINT_BYTES_MAX - 1] = '"';
    assert_true(ua_sf_string(slice_of(text, UA_HINT_BYTES_MAX), &t));
    assert_int_equal(t.len, UA_NAME_BYTES_MAX);
    text[UA_HINT_BYTES_MAX - 1] = 'a';
    text[UA_HINT_BYTES_MAX] = '"';
    assert_false(ua_sf_string(slice_of(text, UA_HINT_BYTES_MAX + 1), &t));
}

static void grease_is_told_from_brands_by_its_letters(void **state)
{
    (void)state;
    static const char *const grease[] = {"Not/A)Brand",  " Not A;Brand", "Not;A=Brand",
                                         "(Not(A:Brand", "Not_A Brand",  "NOT-A.BRAND"};
    static const char *const brands[] = {"Brand", "Not A Brandx", "Chromium",
                                         "",      "Not A",        "notabran"};
    for (size_t i = 0; i < COUNT_OF(grease); i++)
        assert_true(ua_is_grease(slice_str(grease[i])));
    for (size_t i = 0; i < COUNT_OF(brands); i++)
        assert_false(ua_is_grease(slice_str(brands[i])));
}

/* ---- what they change ---- */
static void windows_11_begins_with_platform_version_13(void **state)
{
    (void)state;
    static const char *const versions[][2] = {
        {"\"15.0.0\"", "11"}, {"\"13.0.0\"", "11"}, {"\"10.0.0\"", "10"}, {"\"1.0.0\"", "10"},
        {"\"0.3.0\"", "8.1"}, {"\"0.2.0\"", "8"},   {"\"0.1.0\"", "7"},   {"\"0\"", "10"},
        {"\"x\"", "10"},      {"\"\"", "10"},       {"15.0.0", "10"},     {"", "10"}};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        hints.platform = SLICE_LIT("\"Windows\"");
        hints.platform_version = slice_str(versions[i][0]);
        assert_slice(parsed(windows)->os_version, versions[i][1]);
        assert_slice(result.os_name, "Windows");
    }
}

static void a_model_put_back_is_known_to_the_rules(void **state)
{
    (void)state;
    hints.platform = SLICE_LIT("\"Android\"");
    hints.platform_version = SLICE_LIT("\"14.0.0\"");
    hints.model = SLICE_LIT("\"SM-S918B\"");
    assert_slice(parsed(android)->device_brand, "Samsung");
    assert_slice(result.device_model, "SM-S918B");
    assert_slice(result.os_version, "14");
    assert_int_equal(result.device, UA_MOBILE);
}

static void a_model_that_would_change_the_user_agent_is_only_a_model(void **state)
{
    (void)state;
    hints.platform = SLICE_LIT("\"Android\"");
    hints.model = SLICE_LIT("\"x) Googlebot/2.1\"");
    assert_slice(parsed(android)->device_model, "x) Googlebot/2.1");
    assert_int_equal(result.reason, UA_PERSON);
    assert_slice(result.browser_name, "Chrome Mobile");
}

static void the_frozen_model_k_is_none(void **state)
{
    (void)state;
    assert_slice(parsed(android)->device_model, "");
    assert_slice(result.device_brand, "");
    assert_int_equal(result.device, UA_MOBILE);
}

static void the_brand_that_says_most_counts_in_any_order(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "\"Chromium\";v=\"126\", \"Brave\";v=\"126\", \"Not/A)Brand\";v=\"8\"",
        "\"Brave\";v=\"126\", \"Google Chrome\";v=\"126\", \"Chromium\";v=\"126\"",
        "\"Google Chrome\";v=\"126\", \"Chromium\";v=\"126\", \"Brave\";v=\"126\""};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        hints.brands = slice_str(lists[i]);
        assert_slice(parsed(windows)->browser_name, "Brave");
    }
}

static void a_full_version_is_taken_and_a_bare_one_only_if_it_differs(void **state)
{
    (void)state;
    hints.brands = SLICE_LIT("\"Google Chrome\";v=\"126.0.6478.127\"");
    assert_slice(parsed(windows)->browser_version, "126.0.6478");
    hints.brands = SLICE_LIT("\"Google Chrome\";v=\"126\"");
    assert_slice(parsed(windows)->browser_version, "126.0.0");
    hints.brands = SLICE_LIT("\"Google Chrome\";v=\"127\"");
    assert_slice(parsed(windows)->browser_version, "127");
}

static void unknown_brands_and_platforms_fill_no_column(void **state)
{
    (void)state;
    hints.brands = SLICE_LIT("\"Buy my things\";v=\"1\"");
    hints.platform = SLICE_LIT("\"Buy my things\"");
    assert_slice(parsed(windows)->browser_name, "Chrome");
    assert_slice(result.os_name, "Windows");
}

static void a_mobile_browser_that_hides_is_found(void **state)
{
    (void)state;
    static const char hidden[] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
                                 "Gecko) Chrome/126.0.0.0 Safari/537.36";
    hints.mobile = SLICE_LIT("?1");
    hints.platform = SLICE_LIT("\"Android\"");
    assert_int_equal(parsed(hidden)->device, UA_MOBILE);
    assert_slice(result.os_name, "Android");
    hints.mobile = SLICE_LIT("?0");
    hints.platform = SLICE_LIT("\"Linux\"");
    assert_int_equal(parsed(hidden)->device, UA_DESKTOP);
    assert_slice(result.os_name, "Linux");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_a_string_or_nothing),
        cmocka_unit_test(a_boolean_is_0_or_1_behind_a_question_mark),
        cmocka_unit_test(a_list_of_brands_is_whole_or_nothing),
        cmocka_unit_test(what_is_too_long_is_not_there),
        cmocka_unit_test(grease_is_told_from_brands_by_its_letters),
        cmocka_unit_test(windows_11_begins_with_platform_version_13),
        cmocka_unit_test(a_model_put_back_is_known_to_the_rules),
        cmocka_unit_test(a_model_that_would_change_the_user_agent_is_only_a_model),
        cmocka_unit_test(the_frozen_model_k_is_none),
        cmocka_unit_test(the_brand_that_says_most_counts_in_any_order),
        cmocka_unit_test(a_full_version_is_taken_and_a_bare_one_only_if_it_differs),
        cmocka_unit_test(unknown_brands_and_platforms_fill_no_column),
        cmocka_unit_test(a_mobile_browser_that_hides_is_found),
    };
    return cmocka_run_group_tests(tests, ua_setup, ua_teardown);
}
