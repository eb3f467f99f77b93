/* Plausible's /api/event over fakes (ingest_bed.h): what its clients send, what becomes of it, and
 * its answers, word by word. */
#include "wire_text.h"

static int setup(void **state)
{
    (void)state;
    bed_begin();
    bed.path = "/api/event";
    bed.names = "shop.example.com\nwww.example.org";
    bed.other_names = "second.example";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}

static void post(const char *body)
{
    bed_reset();
    bed_no_header("Authorization");
    bed_post_text(body);
}

static void is_ok(void)
{
    if (bed.status != 202)
        fail_msg("%d %s", bed.status, bed_answer());
    assert_string_equal(bed_answer(), "ok");
}

#define U "\"u\":\"https://shop.example.com/p/q?utm_source=x#top\",\"d\":\"shop.example.com\""

static void what_the_tracker_of_today_sends(void **state)
{
    (void)state;
    wire_post(WIRE_PLAUSIBLE, 0);
    is_ok();
    assert_string_equal(buf_cstr(&bed.ack), "fsync");
    assert_int_equal(bed.record_count, 1);
    assert_int_equal(bed.counted, 1);
    has(bed_values(), "\"event\":\"pageview\",");
    has(bed_values(),
        "\"source\":\"plausible\",\"page\":{\"url\":\"http://shop.example.com/pricing?"
        "utm_source=hn&utm_medium=social\",\"path\":\"/pricing\",\"referrer\":\"https://"
        "news.ycombinator.com/\"},\"user_agent\":\"Mozilla/5.0 (linux)");
    has(bed_values(), "\"context\":{\"v\":36}}\n");
    lacks(bed_values(), "\"kind\"");
    bed_reset();
    wire_post(WIRE_PLAUSIBLE, 1);
    is_ok();
    has(bed_values(), "\"event\":\"signup\",");
    has(bed_values(), "\"interactive\":false,\"revenue\":{\"amount\":\"9.5\",\"currency\":\"USD\"},"
                      "\"properties\":{\"plan\":\"pro\"},");
    bed_reset();
    wire_post(WIRE_PLAUSIBLE, 2); /* "sd":null,"e":3516 */
    is_ok();
    has(bed_values(), "\"event\":\"engagement\",");
    has(bed_values(), "\"kind\":\"engagement\",\"engagement_ms\":3516,\"context\"");
}

static void what_the_old_package_sends(void **state)
{
    (void)state;
    wire_post(WIRE_TRACKER, 0);
    is_ok();
    has(bed_values(), "\"path\":\"/pricing\"");
    has(bed_values(), "\"screen\":{\"width\":1024}");
    bed_reset();
    wire_post(WIRE_TRACKER, 1); /* p is JSON in a string */
    is_ok();
    has(bed_values(), "\"properties\":{\"plan\":\"pro\"}");
}

static void long_names_and_their_short_ones(void **state)
{
    (void)state;
    post("{\"name\":\"buy\",\"url\":\"https://shop.example.com/a#/"
         "b\",\"domain\":\"shop.example.com\","
         "\"referrer\":\"https://r.example/\",\"hashMode\":1,\"props\":{\"n\":1,\"ok\":true},"
         "\"interactive\":false,\"revenue\":\"{\\\"currency\\\":\\\"eur\\\",\\\"amount\\\":\\\"1."
         "25\\\"}\"}");
    is_ok();
    has(bed_values(), "\"event\":\"buy\"");
    has(bed_values(), "\"path\":\"/a#/b\",\"referrer\":\"https://r.example/\"");
    has(bed_values(),
        "\"interactive\":false,\"revenue\":{\"amount\":\"1.25\",\"currency\":\"EUR\"},"
        "\"properties\":{\"n\":1,\"ok\":true}}");
    lacks(bed_values(), "context");
    /* What is null or false under the short name is looked for under the long one. */
    post("{\"n\":null,\"name\":\"x\",\"u\":false,\"url\":\"https://shop.example.com/\",\"r\":null,"
         "\"referrer\":\"https://r.example/\",\"m\":null,\"meta\":\"{\\\"a\\\":\\\"b\\\"}\"}");
    is_ok();
    has(bed_values(), "\"event\":\"x\"");
    has(bed_values(), "\"referrer\":\"https://r.example/\"");
    has(bed_values(), "\"properties\":{\"a\":\"b\"}");
    post("{\"n\":42," U ",\"i\":true,\"h\":0,\"interactive\":false}");
    is_ok();
    has(bed_values(), "\"event\":\"42\"");
    has(bed_values(), "\"path\":\"/p/q\"");
    lacks(bed_values(), "interactive");
}

static void the_rest_of_an_engagement(void **state)
{
    (void)state;
    post("{\"n\":\"engagement\"," U ",\"sd\":72,\"e\":0}");
    is_ok();
    has(bed_values(), "\"engagement_ms\":0,\"scroll\":72");
    post("{\"n\":\"engagement\"," U ",\"sd\":250}");
    is_ok();
    has(bed_values(), "\"scroll\":100");
    lacks(bed_values(), "engagement_ms");
    post("{\"n\":\"engagement\"," U ",\"sd\":\"x\",\"e\":5}");
    is_ok();
    has(bed_values(), "\"engagement_ms\":5");
    post("{\"n\":\"engagement\"," U "}");
    assert_int_equal(bed.status, 400);
    assert_string_equal(bed_answer(),
                        "{\"errors\":{\"event_name\":[\"engagement event requires a valid integer "
                        "value for at least one of 'sd' or 'e' fields\"]}}");
    assert_int_equal(bed.record_count, 0);
}

static void what_plausible_would_drop_is_kept(void **state)
{
    (void)state;
    char body[8000];
    size_t at = (size_t)snprintf(body, sizeof(body),
                                 "{\"n\":\"x\"," U ",\"p\":{\"list\":[1],\"none\":null");
    for (int i = 0; i < 40; i++)
        at += (size_t)snprintf(body + at, sizeof(body) - at, ",\"p%d\":\"%d\"", i, i);
    at += (size_t)snprintf(body + at, sizeof(body) - at, ",\"long\":\"");
    memset(body + at, 'v', 3000);
    snprintf(body + at + 3000, sizeof(body) - at - 3000, "\"}}");
    post(body);
    is_ok();
    has(bed_values(), "\"list\":[1]");
    has(bed_values(), "\"p39\":\"39\",\"long\":\"vvv");
}

static void errors_are_in_plausible_s_words(void **state)
{
    (void)state;
    static const struct {
        const char *body, *answer;
    } bad[] = {
        {"", "{\"errors\":{\"request\":[\"The body is empty.\"]}}"},
        {"{", "{\"errors\":{\"request\":[\"Unable to parse request body as json\"]}}"},
        {"[]", "{\"errors\":{\"request\":[\"Unable to parse request body as json\"]}}"},
        {"{\"n\":\"x\"," U ",}",
         "{\"errors\":{\"request\":[\"Unable to parse request body as json\"]}}"},
        {"{" U "}", "{\"errors\":{\"event_name\":[\"can't be blank\"]}}"},
        {"{\"n\":\"\"," U "}", "{\"errors\":{\"event_name\":[\"can't be blank\"]}}"},
        {"{\"n\":{}," U "}", "{\"errors\":{\"event_name\":[\"is invalid\"]}}"},
        {"{\"n\":\"x\",\"d\":\"shop.example.com\"}", "{\"errors\":{\"url\":[\"is required\"]}}"},
        {"{\"n\":\"x\"}", "{\"errors\":{\"url\":[\"is required\"]}}"},
        {"{\"n\":\"x\",\"u\":7,\"d\":\"shop.example.com\"}",
         "{\"errors\":{\"url\":[\"must be a string\"]}}"},
        {"{\"n\":\"x\",\"u\":\"Data:text/html,x\",\"d\":\"shop.example.com\"}",
         "{\"errors\":{\"url\":[\"scheme is not allowed\"]}}"},
        {"{\"n\":\"x\",\"u\":\"/a\"}", "{\"errors\":{\"domain\":[\"can't be blank\"]}}"},
        {"{\"n\":\"x\",\"u\":\"/a\",\"d\":\"  \"}",
         "{\"errors\":{\"domain\":[\"can't be blank\"]}}"},
        {"{\"n\":\"\\u0000\"," U "}",
         "{\"errors\":{\"request\":[\"event_name contains the character U+0000\"]}}"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        post(bad[i].body);
        assert_int_equal(bed.status, 400);
        assert_string_equal(bed_answer(), bad[i].answer);
        assert_int_equal(bed.append_count, 0);
    }
}

static void a_site_that_nobody_has_is_answered_as_plausible_does(void **state)
{
    (void)state;
    post("{\"n\":\"x\",\"u\":\"https://evil.example/\",\"d\":\"evil.example\"}");
    is_ok();
    has_header("x-plausible-dropped: 1\n");
    assert_int_equal(bed.append_count, 0);
    assert_int_equal(bed.counted, 0);
    post("{\"n\":\"x\",\"u\":\"https://shop.example.com/\"}"); /* without d: the page's host */
    is_ok();
    assert_int_equal(bed.record_count, 1);
    lacks(buf_cstr(&bed.answer_headers), "dropped");
    bed_reset();
    bed_header("Authorization", "Bearer wk_wrong");
    bed_post_text("{\"n\":\"x\"," U "}");
    is_ok();
    has_header("x-plausible-dropped: 1\n");
    assert_int_equal(bed.record_count, 0);
}

static void an_event_of_several_sites_is_in_each_of_them(void **state)
{
    (void)state;
    post("{\"n\":\"x\",\"u\":\"https://a.example/\",\"d\":\" nobody.example , shop.example.com,"
         "second.example\"}");
    is_ok();
    has_header("x-plausible-dropped: 1\n");
    assert_int_equal(bed.record_count, 2);
    assert_int_equal(bed.counted, 1);
    assert_int_equal(bed.other_counted, 1);
    has(bed_values(), bed.project.id_text);
    has(bed_values(), bed.other.id_text);
    bed.refused = "second.example"; /* over its quota, say */
    post("{\"n\":\"x\",\"u\":\"https://a.example/\",\"d\":\"shop.example.com,second.example\"}");
    bed.refused = NULL;
    is_ok();
    has_header("x-plausible-dropped: 1\n");
    assert_int_equal(bed.counted, 1);
    assert_int_equal(bed.other_counted, 0);
    lacks(bed_values(), bed.other.id_text);
}

static void a_key_in_the_head_outweighs_the_site(void **state)
{
    (void)state;
    bed_reset();
    bed_header("Authorization", "Bearer wk_other");
    bed_post_text("{\"n\":\"x\",\"u\":\"/bare\",\"d\":\"shop.example.com,evil.example\"}");
    is_ok();
    assert_int_equal(bed.record_count, 1);
    has(bed_values(), bed.other.id_text);
    lacks(bed_values(), bed.project.id_text);
}

static void a_shortage_is_told_and_nothing_else(void **state)
{
    (void)state;
    bed_reset();
    bed_no_header("Authorization");
    bed.append_rc = RC_BUSY;
    bed_post_text("{\"n\":\"x\"," U "}");
    assert_int_equal(bed.status, 503);
    bed_reset();
    bed_no_header("Authorization");
    bed.commit_rc = RC_HALTED;
    bed_post_text("{\"n\":\"x\"," U "}");
    assert_int_equal(bed.status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_tracker_of_today_sends, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_old_package_sends, setup, teardown),
        cmocka_unit_test_setup_teardown(long_names_and_their_short_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rest_of_an_engagement, setup, teardown),
        cmocka_unit_test_setup_teardown(what_plausible_would_drop_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_in_plausible_s_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_site_that_nobody_has_is_answered_as_plausible_does, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_event_of_several_sites_is_in_each_of_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_in_the_head_outweighs_the_site, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shortage_is_told_and_nothing_else, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
