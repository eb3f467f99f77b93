/* Reasons, and the memory in front of the parser. */
#include "test_ua.h"

static const char chrome[] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
                             "Gecko) Chrome/126.0.0.0 Safari/537.36";

static enum ua_reason reason(const char *ua, bool is_datacentre)
{
    struct ua_result r;
    ua_parse(parser, slice_str(ua), NULL, &r);
    return ua_reason_in(&r, is_datacentre);
}

static void an_sdk_of_a_server_is_never_a_bot(void **state)
{
    (void)state;
    static const char *const sdks[] = {"Mozilla/5.0 Umami/v20.20.2",
                                       "posthog-node/5.70.0",
                                       "posthog-python/3.5.0",
                                       "analytics-node-next/latest",
                                       "analytics-node/3.0.13",
                                       "analytics-python/2.3.2",
                                       "analytics-ruby/2.4.0",
                                       "node",
                                       "undici"};
    for (size_t i = 0; i < COUNT_OF(sdks); i++) {
        assert_int_equal(reason(sdks[i], false), UA_PERSON);
        assert_int_equal(reason(sdks[i], true), UA_PERSON); /* where else would a server be */
    }
}

static void commands_and_libraries_are_tools(void **state)
{
    (void)state;
    static const char *const tools[] = {"",
                                        "curl/8.5.0",
                                        "Wget/1.21.4",
                                        "python-requests/2.31.0",
                                        "Java/17.0.9",
                                        "okhttp/4.12.0",
                                        "axios/1.7.2",
                                        "Go-http-client/2.0",
                                        "GuzzleHttp/7",
                                        "PostmanRuntime/7.39.0",
                                        "Python/3.11 aiohttp/3.9.5",
                                        "Wget"};
    for (size_t i = 0; i < COUNT_OF(tools); i++)
        assert_int_equal(reason(tools[i], false), UA_TOOL);
    /* An application that uses such a library under its own name. */
    assert_int_equal(reason("Shop/3.2 (Android 14) okhttp/4.12.0", false), UA_PERSON);
}

static void a_driven_browser_is_headless_whatever_else_it_is(void **state)
{
    (void)state;
    static const char headless[] =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
        "Gecko) HeadlessChrome/126.0.0.0 Safari/537.36";
    struct ua_hints hints = {.brands = SLICE_CONST("\"Chromium\";v=\"126\", "
                                                   "\"HeadlessChrome\";v=\"126\"")};
    struct ua_result r;
    assert_int_equal(reason(headless, false), UA_HEADLESS);
    assert_int_equal(reason(headless, true), UA_HEADLESS);
    ua_parse(parser, slice_str(chrome), &hints, &r);
    assert_int_equal(r.reason, UA_HEADLESS);
}

static void a_browser_in_a_data_centre_is_a_matter_of_its_network(void **state)
{
    (void)state;
    assert_int_equal(reason(chrome, false), UA_PERSON);
    assert_int_equal(reason(chrome, true), UA_NETWORK);
    assert_int_equal(reason("Shop/3.2 (iOS 17.5; iPhone15,2)", true), UA_PERSON);
    assert_int_equal(reason("curl/8.5.0", true), UA_TOOL);
}

static void every_word_of_a_column_is_short_and_stable(void **state)
{
    (void)state;
    static const char *const reasons[] = {"", "list", "headless", "tool", "network"};
    static const char *const devices[] = {"",        "desktop",  "mobile",   "tablet", "tv",
                                          "console", "wearable", "embedded", "bot"};
    for (int i = 0; i < UA_REASON_COUNT; i++)
        assert_string_equal(ua_reason_name((enum ua_reason)i), reasons[i]);
    for (int i = 0; i < UA_DEVICE_COUNT; i++)
        assert_string_equal(ua_device_name((enum ua_device)i), devices[i]);
}

/* ---- the memory ---- */
static struct slice nth(char space[160], unsigned n)
{
    int len = snprintf(space, 160,
                       "Mozilla/5.0 (Linux; Android %u; SM-G%u) AppleWebKit/537.36 (KHTML, like "
                       "Gecko) Chrome/%u.0.0.0 Mobile Safari/537.36",
                       n % 7 + 8, n, n);
    return slice_of(space, (size_t)len);
}

static void assert_same_result(const struct ua_result *a, const struct ua_result *b)
{
    assert_true(slice_eq(a->browser_name, b->browser_name));
    assert_true(slice_eq(a->browser_version, b->browser_version));
    assert_true(slice_eq(a->os_name, b->os_name));
    assert_true(slice_eq(a->os_version, b->os_version));
    assert_true(slice_eq(a->device_brand, b->device_brand));
    assert_true(slice_eq(a->device_model, b->device_model));
    assert_int_equal(a->device, b->device);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->is_browser, b->is_browser);
}

static struct ua_parser *parser_of(size_t bytes)
{
    struct ua_parser *p = NULL;
    assert_int_equal(ua_parser_new(set, bytes, &p), RC_OK);
    return p;
}

static void what_is_remembered_is_what_was_worked_out(void **state)
{
    (void)state;
    char space[160];
    struct ua_result got, want;
    struct ua_parser *p = parser_of(1 << 20);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 100; i++) {
            ua_parse(parser, nth(space, i), NULL, &want);
            ua_lookup(p, nth(space, i), NULL, &got);
            assert_same_result(&got, &want);
        }
    assert_int_equal(ua_parser_stats(p).misses, 100);
    assert_int_equal(ua_parser_stats(p).hits, 100);
    ua_parser_free(p);
}

static void the_memory_keeps_its_bound_and_what_was_used_last(void **state)
{
    (void)state;
    enum { BYTES = 4096 };
    char space[160];
    struct ua_result r;
    struct ua_parser *p = parser_of(BYTES);
    for (unsigned i = 0; i < 1000; i++) {
        ua_lookup(p, nth(space, 0), NULL, &r); /* used again and again: stays */
        ua_lookup(p, nth(space, i + 1), NULL, &r);
        assert_true(ua_parser_stats(p).cache_bytes <= BYTES);
    }
    assert_int_equal(ua_parser_stats(p).misses, 1001);
    assert_int_equal(ua_parser_stats(p).hits, 999);
    ua_lookup(p, nth(space, 1), NULL, &r); /* long gone */
    assert_int_equal(ua_parser_stats(p).misses, 1002);
    ua_parser_free(p);
}

static void without_room_everything_is_worked_out(void **state)
{
    (void)state;
    char space[160];
    struct ua_result r;
    struct ua_parser *p = parser_of(0);
    for (unsigned i = 0; i < 3; i++) {
        ua_lookup(p, nth(space, 5), NULL, &r);
        assert_slice(r.os_name, "Android");
    }
    assert_int_equal(ua_parser_stats(p).misses, 3);
    assert_int_equal(ua_parser_stats(p).cache_bytes, 0);
    ua_parser_free(p);
}

static void the_same_user_agent_with_other_hints_is_another_question(void **state)
{
    (void)state;
    struct ua_hints hints[4] = {{.platform = SLICE_CONST("\"Linux\"")},
                                {.platform = SLICE_CONST("\"Windows\"")},
                                {.model = SLICE_CONST("\"Windows\"")},
                                {.brands = SLICE_EMPTY}};
    struct ua_result r;
    struct ua_parser *p = parser_of(1 << 16);
    for (unsigned round = 0; round < 2; round++) {
        ua_lookup(p, slice_str(chrome), &hints[0], &r);
        assert_slice(r.os_name, "Linux");
        ua_lookup(p, slice_str(chrome), &hints[1], &r);
        assert_slice(r.os_name, "Windows");
        ua_lookup(p, slice_str(chrome), &hints[2], &r);
        assert_slice(r.device_model, "Windows");
        ua_lookup(p, slice_str(chrome), NULL, &r);
        assert_slice(r.device_model, "");
        ua_lookup(p, slice_str(chrome), &hints[3], &r); /* none at all: the same as NULL */
    }
    assert_int_equal(ua_parser_stats(p).misses, 4);
    assert_int_equal(ua_parser_stats(p).hits, 6);
    ua_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_sdk_of_a_server_is_never_a_bot),
        cmocka_unit_test(commands_and_libraries_are_tools),
        cmocka_unit_test(a_driven_browser_is_headless_whatever_else_it_is),
        cmocka_unit_test(a_browser_in_a_data_centre_is_a_matter_of_its_network),
        cmocka_unit_test(every_word_of_a_column_is_short_and_stable),
        cmocka_unit_test(what_is_remembered_is_what_was_worked_out),
        cmocka_unit_test(the_memory_keeps_its_bound_and_what_was_used_last),
        cmocka_unit_test(without_room_everything_is_worked_out),
        cmocka_unit_test(the_same_user_agent_with_other_hints_is_another_question),
    };
    return cmocka_run_group_tests(tests, ua_setup, ua_teardown);
}
