/* GoatCounter's /count and /api/v0/count over fakes (ingest_bed.h). */
#include "wire_text.h"

static int setup(void **state)
{
    (void)state;
    bed_begin();
    bed.names = "shop\nshop.example.com\nstats.example.com";
    bed.other_names = "other.example";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}

static void count(const char *path, const char *query, const char *origin)
{
    bed_reset();
    bed_no_header("Authorization");
    bed_no_header("Origin");
    bed_no_header("Referer");
    bed_no_header("Host");
    bed.path = path;
    snprintf(bed.query, sizeof(bed.query), "%s", query);
    if (origin)
        bed_header("Origin", origin);
    bed_post_text("");
}

static void is_picture(int status)
{
    if (bed.status != status)
        fail_msg("%d %s", bed.status, buf_cstr(&bed.answer_headers));
    assert_int_equal(bed.answer.len, 43);
    assert_memory_equal(bed.answer.data, "GIF89a", 6);
    has_header("Cache-Control: no-store\n");
}

#define VIEW                                                                                    \
    "p=%2Fpricing&t=Prices%20%26%20more&r=https%3A%2F%2Fnews.ycombinator.com%2F&s=1920%2C1080%" \
    "2C1&"                                                                                      \
    "b=0&q=%3Futm_source%3Dhn&rnd=abcde"

static void what_the_script_sends(void **state)
{
    (void)state;
    bed_reset();
    bed_header("User-Agent", "Mozilla/5.0");
    count("/count", VIEW, "https://shop.example.com");
    is_picture(200);
    lacks(buf_cstr(&bed.answer_headers), "X-Goatcounter");
    assert_int_equal(bed.counted, 1);
    has(bed_values(), "\"event\":\"pageview\",");
    has(bed_values(),
        "\"source\":\"goatcounter\",\"page\":{\"url\":\"https://shop.example.com/pricing?"
        "utm_source=hn\",\"path\":\"/pricing\",\"title\":\"Prices & more\",\"referrer\":"
        "\"https://news.ycombinator.com/\"},\"screen\":{\"width\":1920,\"height\":1080}");
    has(bed_values(), "\"context\":{\"b\":\"0\"}}\n");
    lacks(bed_values(), "abcde");
}

static void an_event_and_the_picture_of_a_page_without_scripts(void **state)
{
    (void)state;
    bed_reset();
    bed_no_header("Authorization");
    bed_header("Referer", "https://shop.example.com/some/page?x=1");
    bed.path = "/count";
    bed.method = NET_GET;
    snprintf(bed.query, sizeof(bed.query), "p=/bare");
    bed_post_text("");
    is_picture(200);
    has(bed_values(), "\"page\":{\"url\":\"https://shop.example.com/bare\",\"path\":\"/bare\"}");
    count("/count", "p=click-banner&e=true&t=Banner", "https://shop.example.com");
    is_picture(200);
    has(bed_values(), "\"event\":\"click-banner\"");
    has(bed_values(), "\"page\":{\"title\":\"Banner\"}");
    count("/count", "p=/a?b=1&q=%3Fb=1", "https://shop.example.com");
    has(bed_values(), "\"url\":\"https://shop.example.com/a?b=1\",\"path\":\"/a\"");
}

static void whose_it_is(void **state)
{
    (void)state;
    count("/shop/count", "p=/a", "https://elsewhere.example");
    is_picture(200);
    has(bed_values(), bed.project.id_text);
    count("/any/where/shop/count", "p=/a", "https://other.example");
    has(bed_values(), bed.project.id_text);
    count("/count", "p=/a", "https://other.example:8443");
    has(bed_values(), bed.other.id_text);
    bed_reset();
    bed_no_header("Authorization");
    bed_header("Host", "stats.example.com:8080");
    bed_header("Origin", "https://other.example"); /* the host that was asked comes first */
    bed.path = "/count";
    snprintf(bed.query, sizeof(bed.query), "p=/a");
    bed_post_text("");
    has(bed_values(), bed.project.id_text);
    count("/count", "key=wk_other&p=/a", "https://shop.example.com");
    has(bed_values(), bed.other.id_text);
    lacks(bed_values(), "wk_other");
    count("/count", "p=/a", "null");
    is_picture(400);
    has_header("X-Goatcounter: no site of that name\n");
    assert_int_equal(bed.append_count, 0);
    count("/nobody/count", "p=/a", "https://nobody.example");
    is_picture(400);
}

static void what_is_wrong_is_in_a_header(void **state)
{
    (void)state;
    count("/shop/count", "t=x", NULL);
    is_picture(400);
    has_header("X-Goatcounter: not valid: path: must be set\n");
    count("/shop/count", "", NULL);
    is_picture(400);
    count("/shop/count", "p=%00", NULL);
    is_picture(400);
    count("/shop/count", "p=%zz", NULL);
    is_picture(400);
    has_header("X-Goatcounter: ");
    assert_int_equal(bed.append_count, 0);
}

static void hits_of_a_server(void **state)
{
    (void)state;
    bed_reset();
    bed.path = "/api/v0/count";
    bed_header("User-Agent", "curl/8");
    bed_post_text(
        "{\"no_sessions\":true,\"filter\":[\"ip\"],\"hits\":[{\"path\":\"/a\",\"title\":\"T\","
        "\"ref\":\"https://r.example/\",\"size\":[1920,1080,1],\"query\":\"utm_source=x\","
        "\"bot\":0,\"user_agent\":\"UA\",\"location\":\"US-CA\",\"language\":\"eng\",\"ip\":"
        "\"203.0.113.9\",\"created_at\":\"2020-01-02T03:04:05Z\",\"session\":\"s1\"},{\"path\":"
        "\"ev\",\"event\":true,\"size\":\"800,600\",\"location\":\"DE\"}]}");
    assert_int_equal(bed.status, 202);
    assert_string_equal(bed_answer(), "{}");
    assert_int_equal(bed.record_count, 2);
    has(bed_values(), "\"timestamp\":\"2020-01-02T03:04:05.000Z\"");
    has(bed_values(),
        "\"session_id\":\"s1\",\"page\":{\"url\":\"/a?utm_source=x\",\"path\":\"/a\","
        "\"title\":\"T\",\"referrer\":\"https://r.example/\"},\"screen\":{\"width\":1920,"
        "\"height\":1080},\"user_agent\":\"UA\",\"locale\":\"eng\",\"geo\":{\"country\":"
        "\"US\",\"region\":\"US-CA\"},\"context\":{\"bot\":0}}\n");
    has(bed_values(), "\"event\":\"ev\"");
    has(bed_values(), "\"screen\":{\"width\":800,\"height\":600},\"geo\":{\"country\":\"DE\"}");
    lacks(bed_values(), "203.0.113.9");
    lacks(bed_values(), "curl");
}

static void bad_hits_by_their_index(void **state)
{
    (void)state;
    bed_reset();
    bed.path = "/api/v0/count";
    bed_post_text("{\"hits\":[{\"path\":\"/a\"},{\"title\":\"x\"},{\"path\":\"/c\"},7]}");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "{\"errors\":{\"1\":\"path: must be set\",\"3\":\"");
    assert_int_equal(bed.record_count, 2);
    static const char *const none[] = {"{\"hits\":[]}", "{}", "{\"hits\":{}}"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        bed_reset();
        bed_post_text(none[i]);
        assert_int_equal(bed.status, 400);
        assert_string_equal(bed_answer(), "{\"error\":\"no hits\"}");
    }
    bed_reset();
    bed_header("Authorization", "Bearer wk_wrong");
    bed_post_text("{\"hits\":[{\"path\":\"/a\"}]}");
    assert_int_equal(bed.status, 401);
    has(bed_answer(), "{\"error\":\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_script_sends, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_and_the_picture_of_a_page_without_scripts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(whose_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_in_a_header, setup, teardown),
        cmocka_unit_test_setup_teardown(hits_of_a_server, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_hits_by_their_index, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
