/* Segment's dialect and its family: routes, keys, messages, pixels, settings. */
#include "dialect_test.h"

#define ID "01a20a8f-92c6-77c9-aefc-b2e04c1c44b6"
#define TRACK(more) \
    "{\"type\":\"track\",\"event\":\"a\",\"userId\":\"u\",\"writeKey\":\"wk_test\"" more "}"

static void kept(uint32_t count)
{
    if (bed.status != 200)
        fail_msg("%d %s", bed.status, bed_answer());
    assert_string_equal(bed_answer(), "{\"success\":true}");
    assert_int_equal(bed.record_count, count);
}

static void test_every_route(void **state)
{
    (void)state;
    static const struct {
        const char *paths[4], *body, *kept;
    } routes[] = {
        {{"/v1/track", "/v1/t", "/api/s/track", "/api/s/s2s/track"},
         "\"event\":\"a\"",
         "\"event\":\"a\""},
        {{"/v1/page", "/v1/p", "/api/s/page", "/api/s/s2s/page"},
         "\"name\":\"Home\"",
         "\"event\":\"pageview\""},
        {{"/v1/screen", "/v1/s", "/api/s/screen", NULL}, "\"name\":\"H\"", "\"event\":\"screen\""},
        {{"/v1/identify", "/v1/i", "/api/s/identify", "/api/s/s2s/identify"},
         "\"traits\":{\"a\":1}",
         "\"kind\":\"identify\",\"traits\":{\"a\":1}"},
        {{"/v1/group", "/v1/g", "/api/s/group", "/api/s/s2s/group"},
         "\"groupId\":\"acme\",\"traits\":{\"a\":1}",
         "\"kind\":\"group\",\"group\":{\"type\":\"group\",\"id\":\"acme\"},\"traits\":{\"a\":1}"},
        {{"/v1/alias", "/v1/a", "/api/s/alias", NULL},
         "\"previousId\":\"old\"",
         "\"kind\":\"alias\",\"previous_id\":\"old\""},
    };
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        for (size_t k = 0; k < 4 && routes[i].paths[k]; k++) {
            char body[300];
            snprintf(body, sizeof(body), "{%s,\"userId\":\"u\",\"writeKey\":\"wk_test\"}",
                     routes[i].body);
            post_to(routes[i].paths[k], body);
            kept(1);
            has(bed_values(), "\"source\":\"segment\",\"user_id\":\"u\"");
            has(bed_values(), routes[i].kept);
        }
    }
}

static void test_a_batch_says_what_each_is(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/batch", "/v1/b", "/beacon/v1/batch"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        post_to(paths[i],
                "{\"batch\":[{\"type\":\"track\",\"event\":\"a\",\"userId\":\"u\"},{\"type\":"
                "\"page\",\"anonymousId\":\"n\"},{\"type\":\"nothing\",\"userId\":\"u\"},{"
                "\"event\":\"typeless\",\"userId\":\"u\"}],\"writeKey\":\"wk_test\",\"sentAt\":"
                "\"x\"}");
        kept(3);
        has(bed_values(), "\"event\":\"pageview\"");
        has(bed_values(), "\"event\":\"typeless\"");
    }
    post_to("/v1/batch", "{\"batch\":[{\"type\":\"x\"}],\"writeKey\":\"wk_test\"}");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "type is none of");
    post_to("/v1/batch", "{\"batch\":[],\"writeKey\":\"wk_test\"}");
    kept(0);
    post_to("/v1/batch", "{\"writeKey\":\"wk_test\",\"batch\":[{\"type\":\"track\"");
    assert_int_equal(bed.status, 400);
}

static void test_keys(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        bed_reset();
        bed.path = "/v1/track";
        if (i == 0)
            bed_header("Authorization", "Basic d2tfdGVzdDo="); /* wk_test: */
        else
            bed_no_header("Authorization");
        if (i == 1)
            bed_header("X-Write-Key", "wk_test:secret");
        if (i == 2)
            bed_header("X-Write-Key", "wk_test");
        if (i == 3)
            snprintf(bed.query, sizeof(bed.query), "writeKey=wk_test");
        bed_post_text(i == 4 ? "{\"event\":\"a\",\"userId\":\"u\",\"writeKey\":\"wk_test\"}"
                             : "{\"event\":\"a\",\"userId\":\"u\"}");
        assert_int_equal(bed.status, i == 5 ? 401 : 200);
        assert_int_equal(bed.record_count, i == 5 ? 0 : 1);
    }
}

static void test_every_member_in_its_place(void **state)
{
    (void)state;
    post_to("/v1/track",
            TRACK(",\"messageId\":\"" ID
                  "\",\"anonymousId\":\"n\",\"timestamp\":\"2020-01-02T03:04:"
                  "05Z\",\"integrations\":{\"All\":true},\"properties\":{\"plan\":\"pro\"},"
                  "\"context\":{\"ip\":\"203.0.113.9\",\"locale\":\"de-DE\",\"timezone\":\"Europe/"
                  "Berlin\",\"userAgent\":\"UA\",\"library\":{\"name\":\"l\"},\"campaign\":{"
                  "\"source\":\"hn\"},\"sessionId\":1234567890123,\"groupId\":\"acme\","
                  "\"traits\":{\"email\":\"m\"},\"screen\":{\"width\":800,\"height\":600,"
                  "\"density\":2},\"page\":{\"url\":\"https://x.test/p?q\",\"title\":\"T\","
                  "\"referrer\":\"https://y.test/\",\"search\":\"?q\"}}"));
    kept(1);
    has(bed_values(),
        "\"event\":\"a\",\"timestamp\":\"2020-01-02T03:04:05.000Z\",\"received_at\":\"20");
    has(bed_values(), "\"source\":\"segment\",\"dedupe\":true,\"user_id\":\"u\",\"anonymous_id\":"
                      "\"n\",\"session_id\":\"1234567890123\",\"page\":{\"url\":\"https://x.test/"
                      "p?q\",\"path\":\"/p\",\"title\":\"T\",\"referrer\":\"https://y.test/\"},"
                      "\"screen\":{\"width\":800,\"height\":600},\"user_agent\":\"UA\",\"locale\":"
                      "\"de-DE\",\"timezone\":\"Europe/Berlin\",\"group\":{\"type\":\"group\","
                      "\"id\":\"acme\"},\"traits\":{\"email\":\"m\"},\"properties\":{\"plan\":"
                      "\"pro\"},\"context\":{\"library\":{\"name\":\"l\"},\"campaign\":{\"source\":"
                      "\"hn\"},\"sessionId\":1234567890123,\"groupId\":\"acme\"}}");
    lacks(bed_values(), "203.0.113.9");
}

static void test_a_message_id_is_the_same_at_a_retry(void **state)
{
    (void)state;
    char first[UUID_TEXT_LEN + 8];
    post_to("/v1/track", TRACK(",\"messageId\":\"ajs-next-1-x\""));
    kept(1);
    has(bed_values(), "\"dedupe\":true");
    snprintf(first, sizeof(first), "%.43s", bed_values());
    post_to("/v1/track", TRACK(",\"messageId\":\"ajs-next-1-x\""));
    assert_memory_equal(bed_values(), first, 43);
    post_to("/v1/track", TRACK(",\"messageId\":\"ajs-next-1-y\""));
    assert_memory_not_equal(bed_values(), first, 43);
}

static void test_revenue(void **state)
{
    (void)state;
    static const struct {
        const char *event, *properties, *kept;
    } orders[] = {
        {"a", "\"revenue\":9.5,\"currency\":\"eur\"", "{\"amount\":\"9.5\",\"currency\":\"EUR\"}"},
        {"a", "\"revenue\":\"9.5\"", "{\"amount\":\"9.5\",\"currency\":\"USD\"}"},
        {"Order Completed", "\"total\":20", "{\"amount\":\"20\",\"currency\":\"USD\"}"},
        {"Order Completed", "\"total\":20,\"revenue\":15", "{\"amount\":\"15\","},
        {"Order Refunded", "\"total\":20", "{\"amount\":\"-20\","},
        {"a", "\"total\":20", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        char body[300];
        snprintf(body, sizeof(body),
                 "{\"event\":\"%s\",\"userId\":\"u\",\"writeKey\":\"wk_test\",\"properties\":{%s}}",
                 orders[i].event, orders[i].properties);
        post_to("/v1/track", body);
        kept(1);
        if (orders[i].kept)
            has(bed_values(), orders[i].kept);
        else
            lacks(bed_values(), "\"amount\"");
    }
}

static void test_a_page_of_a_server(void **state)
{
    (void)state;
    post_to("/v1/page", "{\"name\":\"Home\",\"userId\":\"u\",\"writeKey\":\"wk_test\","
                        "\"properties\":{\"url\":\"https://x.test/h\",\"referrer\":\"https://y.test"
                        "/\"}}");
    kept(1);
    has(bed_values(), "\"page\":{\"url\":\"https://x.test/h\",\"path\":\"/h\",\"title\":\"Home\","
                      "\"referrer\":\"https://y.test/\"}");
}

static void test_whose_traits(void **state)
{
    (void)state;
    post_to("/v1/identify", TRACK(",\"traits\":{\"a\":1},\"context\":{\"traits\":{\"b\":2}}"));
    has(bed_values(), "\"traits\":{\"a\":1},\"context\":{\"traits\":{\"b\":2}}");
    post_to("/v1/identify", TRACK(",\"context\":{\"traits\":{\"b\":2}}"));
    has(bed_values(), "\"traits\":{\"b\":2}}");
    /* Of a group, not of the person that the context speaks of. */
    post_to("/v1/group", TRACK(",\"groupId\":\"g\",\"context\":{\"traits\":{\"b\":2}}"));
    has(bed_values(), "\"group\":{\"type\":\"group\",\"id\":\"g\"},\"context\":{\"traits\":{\"b\":"
                      "2}}");
    post_to("/v1/group", TRACK(""));
    assert_int_equal(bed.status, 400);
    post_to("/v1/alias", TRACK(""));
    assert_int_equal(bed.status, 400);
    /* analytics.js aliases the visitor so far. */
    post_to("/v1/alias", TRACK(",\"anonymousId\":\"n\""));
    has(bed_values(), "\"previous_id\":\"n\"");
}

static void test_a_clock_that_is_wrong(void **state)
{
    (void)state;
    char body[600], sent[TIME_TEXT_BYTES], then[TIME_TEXT_BYTES];
    unix_ms now = unix_now(), got, received;
    time_format((unix_ms){now.ms + 7200000}, sent);
    time_format((unix_ms){now.ms + 7200000 - 60000}, then);
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof(body),
                 i ? "{\"sentAt\":\"%s\",\"batch\":[{\"type\":\"track\",\"event\":\"a\","
                     "\"userId\":\"u\",\"timestamp\":\"%s\"}],\"writeKey\":\"wk_test\"}"
                   : "{\"batch\":[{\"sentAt\":\"%s\",\"type\":\"track\",\"event\":\"a\","
                     "\"userId\":\"u\",\"originalTimestamp\":\"%s\"}],\"writeKey\":\"wk_test\"}",
                 sent, then);
        post_to("/v1/batch", body);
        kept(1);
        assert_true(time_parse(slice_of(strstr(bed_values(), "\"timestamp\":\"") + 13, 24), &got));
        assert_true(
            time_parse(slice_of(strstr(bed_values(), "\"received_at\":\"") + 15, 24), &received));
        assert_int_equal(received.ms - got.ms, 60000);
    }
}

static void test_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *path, *query, *kept;
    } pixels[] = {
        {"/pixel/v1/track",
         "writeKey=wk_test&event=opened&anonymousId=n&properties.plan=pro&context.page.url=https%3A"
         "%2F%2Fx.test%2Fmail&context.campaign=c",
         "\"page\":{\"url\":\"https://x.test/mail\",\"path\":\"/mail\"},\"properties\":{\"plan\":"
         "\"pro\"},\"context\":{\"campaign\":\"c\"}"},
        {"/pixel/v1/page", "writeKey=wk_test&userId=u&name=Home", "\"page\":{\"title\":\"Home\"}"},
        {"/v1/pixel/track", NULL, "\"event\":\"opened\""},
    };
    for (size_t i = 0; i < COUNT_OF(pixels); i++) {
        bed_reset();
        bed_no_header("Authorization");
        bed.method = NET_GET;
        bed.path = pixels[i].path;
        if (pixels[i].query)
            snprintf(bed.query, sizeof(bed.query), "%s", pixels[i].query);
        else
            snprintf(bed.query, sizeof(bed.query), "data=%s",
                     as_base64("{\"writeKey\":\"wk_test\",\"userId\":\"u\",\"event\":\"opened\"}"));
        bed_post_text("");
        assert_int_equal(bed.status, 200);
        assert_int_equal(bed.answer.len, 43);
        assert_memory_equal(bed.answer.data, "GIF89a", 6);
        assert_int_equal(bed.record_count, 1);
        has(bed_values(), pixels[i].kept);
    }
    bed_reset();
    bed_no_header("Authorization");
    bed.method = NET_GET;
    bed.path = "/pixel/v1/track";
    snprintf(bed.query, sizeof(bed.query), "event=opened");
    bed_post_text("");
    assert_int_equal(bed.status, 401);
}

static void test_settings(void **state)
{
    (void)state;
    struct arena arena;
    yyjson_val *root;
    bed_reset();
    bed.method = NET_GET;
    bed.path = "/v1/projects/{writeKey}/settings";
    bed.param = SLICE_LIT("wk_test");
    bed_header("Host", "weir.example:8080");
    bed_post_text("");
    assert_int_equal(bed.status, 200);
    arena_init(&arena, 64 << 10, 1 << 20);
    assert_int_equal(json_parse(&arena, buf_slice(&bed.answer), &root, NULL), RC_OK);
    arena_done(&arena);
    has(bed_answer(), "\"Segment.io\":{\"apiKey\":\"wk_test\"");
    has(bed_answer(), "\"apiHost\":\"weir.example:8080/v1\",\"protocol\":\"http\"");
    bed_reset();
    bed.method = NET_GET;
    bed_header("Host", "a\"b");
    bed_post_text("");
    lacks(bed_answer(), "apiHost");
    bed_reset();
    bed.method = NET_GET;
    bed.param = SLICE_LIT("a\"b");
    bed_post_text("");
    assert_int_equal(bed.status, 404);
}

static uint32_t captured;

static void replay(struct slice url, struct slice body)
{
    char path[64];
    if (url.len != 2)
        return;
    snprintf(path, sizeof(path), "/v1%.*s", SLICE_ARG(url));
    bed_reset();
    bed.path = path;
    bed_post(body);
    kept(1);
    has(bed_values(), "\"dedupe\":true");
    has(bed_values(), "\"anonymous_id\":\"8eecdeb9-9308-4d65-89e8-0f4d9b98ce9c\"");
    has(bed_values(), "\"path\":\"/pricing\"");
    captured++;
}

static void test_what_browsers_have_sent(void **state)
{
    (void)state;
    captured = 0;
    each_capture(WIRE "/segment.json", replay);
    assert_int_equal(captured, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_route),
        T(test_a_batch_says_what_each_is),
        T(test_keys),
        T(test_every_member_in_its_place),
        T(test_a_message_id_is_the_same_at_a_retry),
        T(test_revenue),
        T(test_a_page_of_a_server),
        T(test_whose_traits),
        T(test_a_clock_that_is_wrong),
        T(test_pixels),
        T(test_settings),
        T(test_what_browsers_have_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
