/* Umami's /api/send and /api/batch over fakes (ingest_bed.h). */
#include "wire_text.h"

#define SITE "6f7c2d1e-0000-4000-8000-000000000001"

static int setup(void **state)
{
    (void)state;
    bed_begin();
    bed.path = "/api/send";
    bed.names = SITE "\nlink-1\npixel-1";
    bed.other_names = "second";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}

static void post(const char *path, const char *body)
{
    bed_reset();
    bed.path = path;
    bed_no_header("Authorization");
    bed_post_text(body);
}

static void send_event(const char *payload)
{
    char body[4000];
    snprintf(body, sizeof(body), "{\"type\":\"event\",\"payload\":{\"website\":\"" SITE "\"%s}}",
             payload);
    post("/api/send", body);
}

static void is_ok(void)
{
    if (bed.status != 200)
        fail_msg("%d %s", bed.status, bed_answer());
    has(bed_answer(), "{\"cache\":\"");
    has(bed_answer(), "\"sessionId\":\"");
    has(bed_answer(), "\"visitId\":\"");
    lacks(bed_answer(), "beep");
    lacks(bed_answer(), "disabled");
}

static void what_the_script_sends(void **state)
{
    (void)state;
    wire_post(WIRE_UMAMI, 0);
    is_ok();
    assert_int_equal(bed.counted, 1);
    has(bed_values(), "\"event\":\"pageview\",");
    has(bed_values(),
        "\"source\":\"umami\",\"page\":{\"url\":\"http://shop.example.com/"
        "pricing?utm_source=hn&utm_"
        "medium=social\",\"path\":\"/pricing\",\"title\":\"T\",\"referrer\":\"https://news."
        "ycombinator.com/\"},\"screen\":{\"width\":0,\"height\":0},\"user_agent\":\"Mozilla/5.0 "
        "(linux)");
    has(bed_values(), "\"locale\":\"en-US\"}\n");
    bed_reset();
    bed_header("x-umami-cache", "weir");
    wire_post(WIRE_UMAMI, 1);
    is_ok();
    has(bed_values(), "\"event\":\"signup\",");
    has(bed_values(), "\"properties\":{\"plan\":\"pro\"}");
    bed_reset();
    wire_post(WIRE_UMAMI, 2);
    is_ok();
    has(bed_values(), "\"event\":\"identify\",");
    has(bed_values(), "\"user_id\":\"u1\",");
    has(bed_values(), "\"kind\":\"identify\",\"traits\":{\"email\":\"a@b.c\"}}\n");
    lacks(bed_values(), "properties");
}

static void every_member_in_its_place(void **state)
{
    (void)state;
    send_event(",\"hostname\":\"shop.example.com\",\"url\":\"/a?b=c#d\",\"referrer\":\"/before\","
               "\"screen\":\"1920x1080\",\"language\":\"de\",\"title\":\"T\",\"name\":\"order\","
               "\"tag\":\"blue\",\"id\":\"u1\",\"vid\":\"v1\",\"ip\":\"203.0.113.9\",\"userAgent\":"
               "\"UA\",\"browser\":\"firefox\",\"timestamp\":1577934245,\"data\":{\"revenue\":12.5,"
               "\"currency\":\"eur\",\"n\":{\"deep\":[1]}}");
    is_ok();
    has(bed_values(), "\"event\":\"order\",\"timestamp\":\"2020-01-02T03:04:05.000Z\"");
    has(bed_values(), "\"user_id\":\"u1\",\"anonymous_id\":\"v1\",\"page\":{\"url\":\"https://shop."
                      "example.com/a?b=c#d\",\"path\":\"/a#d\",\"title\":\"T\",\"referrer\":"
                      "\"https://shop.example.com/before\"},\"screen\":{\"width\":1920,\"height\":"
                      "1080},\"user_agent\":\"UA\",\"locale\":\"de\",");
    has(bed_values(), "\"revenue\":{\"amount\":\"12.5\",\"currency\":\"EUR\"},\"properties\":{"
                      "\"revenue\":12.5,\"currency\":\"eur\",\"n\":{\"deep\":[1]}},\"context\":{"
                      "\"tag\":\"blue\",\"browser\":\"firefox\"}}\n");
    lacks(bed_values(), "203.0.113.9");
    /* No name: a page view. No revenue unless it is more than nothing and has a currency. */
    send_event(",\"url\":\"/a\",\"name\":null,\"data\":{\"revenue\":0,\"currency\":\"EUR\"}");
    is_ok();
    has(bed_values(), "\"event\":\"pageview\"");
    has(bed_values(), "\"page\":{\"url\":\"/a\",\"path\":\"/a\"}");
    lacks(bed_values(), "\"amount\"");
    send_event(",\"name\":\"x\",\"data\":{\"revenue\":5},\"screen\":\"big\",\"hostname\":7");
    is_ok();
    lacks(bed_values(), "\"amount\"");
    lacks(bed_values(), "screen");
    lacks(bed_values(), "\"page\"");
}

static void links_and_pixels_have_names_of_their_own(void **state)
{
    (void)state;
    post("/api/send", "{\"type\":\"event\",\"payload\":{\"link\":\"link-1\"}}");
    is_ok();
    has(bed_values(), "\"event\":\"link\"");
    post("/api/send", "{\"type\":\"event\",\"payload\":{\"pixel\":\"pixel-1\",\"url\":\"/mail\"}}");
    is_ok();
    has(bed_values(), "\"event\":\"pixel\"");
}

static void a_performance_is_one_event_for_each_vital(void **state)
{
    (void)state;
    post("/api/send", "{\"type\":\"performance\",\"payload\":{\"website\":\"" SITE
                      "\",\"url\":\"/a\",\"lcp\":1234.5,\"inp\":null,\"cls\":0.0125,\"ttfb\":80}}");
    is_ok();
    assert_int_equal(bed.record_count, 3);
    has(bed_values(), "\"event\":\"vital\"");
    has(bed_values(), "\"kind\":\"vital\",\"properties\":{\"metric\":\"LCP\",\"value\":1234.5}}\n");
    has(bed_values(), "{\"metric\":\"CLS\",\"value\":0.0125}");
    has(bed_values(), "{\"metric\":\"TTFB\",\"value\":80}");
    lacks(bed_values(), "INP");
    post("/api/send", "{\"type\":\"performance\",\"payload\":{\"website\":\"" SITE "\"}}");
    assert_int_equal(bed.status, 400);
    post("/api/send", "{\"type\":\"performance\",\"payload\":{\"website\":\"" SITE
                      "\",\"lcp\":\"fast\",\"fcp\":1}}");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "lcp is not a number");
    assert_int_equal(bed.record_count, 1); /* the other one */
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *body, *why;
    } bad[] = {
        {"", "The body is empty."},
        {"[]", "The body is {type, payload}."},
        {"{\"type\":\"event\"}", "Website not found."},
        {"{\"type\":\"event\",\"payload\":{}}", "Website not found."},
        {"{\"type\":\"event\",\"payload\":{\"website\":\"6f7c2d1e-0000-4000-8000-00000000000f\"}}",
         "Website not found."},
        {"{\"type\":\"event\",\"payload\":{\"website\":\"" SITE "\"}} x", "valid JSON"},
        {"{\"type\":\"event\",\"payload\":{\"website\":\"" SITE "\",\"url\":}}", "not valid JSON"},
        {"{\"type\":\"replay\",\"payload\":{\"website\":\"" SITE "\"}}", "type is event"},
        {"{\"payload\":{\"website\":\"" SITE "\"}}", "type is event"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        post("/api/send", bad[i].body);
        assert_int_equal(bed.status, 400);
        has(bed_answer(), "{\"error\":{\"message\":\"");
        has(bed_answer(), bad[i].why);
        has(bed_answer(), "\"code\":\"bad-request\",\"status\":400}}");
        assert_int_equal(bed.append_count, 0);
    }
    bed_reset();
    bed_no_header("Authorization");
    bed.append_rc = RC_BUSY;
    bed_post_text("{\"type\":\"event\",\"payload\":{\"website\":\"" SITE "\"}}");
    assert_int_equal(bed.status, 503);
}

#define EVENT(site, more) "{\"type\":\"event\",\"payload\":{\"website\":\"" site "\"" more "}}"

static void a_batch_says_which_items_are_bad(void **state)
{
    (void)state;
    post("/api/batch",
         "[" EVENT("nobody", "") "," EVENT(
             SITE,
             ",\"name\":\"a\"") ",7,"
                                "{\"type\":\"performance\",\"payload\":{\"website\":\"" SITE
                                "\",\"lcp\":1,\"cls\":2}}," EVENT(
                                    "second",
                                    ",\"name\":\"b\"") "," EVENT(SITE,
                                                                 ",\"name\":\"c\"") ",{\"type\":"
                                                                                    "\"x\","
                                                                                    "\"payload\":{"
                                                                                    "\"website\":"
                                                                                    "\"" SITE
                                                                                    "\"}}]");
    assert_int_equal(bed.status, 200);
    has(bed_answer(),
        "{\"size\":7,\"processed\":4,\"errors\":3,\"details\":[{\"index\":0,\"response\":"
        "{\"error\":{\"message\":\"Website not found.\"");
    has(bed_answer(), "{\"index\":2,\"response\":{\"error\":");
    has(bed_answer(), "{\"index\":6,\"response\":{\"error\":{\"message\":\"type is event");
    has(bed_answer(), "],\"cache\":\"");
    assert_int_equal(bed.record_count, 5);
    assert_int_equal(bed.counted, 4);
    assert_int_equal(bed.other_counted, 1);
    const char *b = strstr(bed_values(), "\"event\":\"b\"");
    assert_non_null(b);
    assert_memory_equal(b - 38, bed.other.id_text, UUID_TEXT_LEN); /* ….id","event" */
    post("/api/batch", "[]");
    assert_int_equal(bed.status, 400); /* nobody's */
    post("/api/batch", "[" EVENT(SITE, "") ",");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "broken after item 1");
    post("/api/batch", EVENT(SITE, ""));
    assert_int_equal(bed.status, 400);
    bed_reset();
    bed.path = "/api/batch";
    bed_header("Authorization", "Bearer wk_other"); /* outweighs what the items say */
    bed_post_text("[" EVENT("nobody", "") "," EVENT(SITE, "") "]");
    has(bed_answer(), "{\"size\":2,\"processed\":2,\"errors\":0,\"details\":[]");
    assert_int_equal(bed.other_counted, 2);
}

static void the_same_visitor_has_the_same_session_of_umami_s(void **state)
{
    (void)state;
    char first[400];
    send_event(",\"id\":\"u1\"");
    snprintf(first, sizeof(first), "%s", bed_answer());
    send_event(",\"id\":\"u1\",\"name\":\"x\"");
    assert_string_equal(bed_answer(), first);
    send_event(",\"id\":\"u2\"");
    assert_string_not_equal(bed_answer(), first);
}

static void it_is_there(void **state)
{
    (void)state;
    bed_reset();
    bed_no_header("Authorization");
    bed.path = "/api/heartbeat";
    bed.method = NET_GET;
    bed_post_text("");
    assert_int_equal(bed.status, 200);
    assert_string_equal(bed_answer(), "{\"ok\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_script_sends, setup, teardown),
        cmocka_unit_test_setup_teardown(every_member_in_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(links_and_pixels_have_names_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_performance_is_one_event_for_each_vital, setup, teardown),
        cmocka_unit_test_setup_teardown(errors, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_says_which_items_are_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_visitor_has_the_same_session_of_umami_s, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_is_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
