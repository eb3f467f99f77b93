/* PostHog's dialect: every packing of a body, tokens, identity, the special events, answers. */
#include "dialect_test.h"

#include "../codec/lzstring_pack.h"
#include "codec/compress.h"

#define ID "01a20a8f-92c6-77c9-aefc-b2e04c1c44b6"
#define EVENT "{\"event\":\"a\",\"distinct_id\":\"d\",\"api_key\":\"wk_test\",\"uuid\":\"" ID "\"}"
#define WITH(more) \
    "{\"api_key\":\"wk_test\",\"event\":\"a\",\"distinct_id\":\"d\",\"properties\":{" more "}}"

static void kept_one(void)
{
    assert_int_equal(bed.status, 200);
    assert_string_equal(bed_answer(), "{\"status\":\"Ok\"}");
    assert_int_equal(bed.record_count, 1);
}

/* ---- bodies ---- */

static void test_every_route(void **state)
{
    (void)state;
    static const char *const paths[] = {"/e", "/i/v0/e", "/capture", "/track", "/engage", "/batch"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        post_to(paths[i], EVENT);
        kept_one();
        has(bed_values(), "\"source\":\"posthog\",\"dedupe\":true,\"user_id\":\"d\"}");
        bed_reset();
        bed_no_header("Authorization");
        bed.method = NET_GET;
        bed.path = paths[i];
        snprintf(bed.query, sizeof(bed.query), "data=%s&ver=1", as_base64(EVENT));
        bed_post_text("");
        kept_one();
    }
}

static void test_every_shape(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint32_t kept;
    } shapes[] = {
        {EVENT, 1},
        {" \n" EVENT "\n", 1},
        {"[" EVENT "," EVENT "]", 2},
        {"{\"batch\":[{\"event\":\"a\",\"distinct_id\":1},{\"event\":\"b\",\"distinct_id\":\"x\"}],"
         "\"api_key\":\"wk_test\"}",
         2},
        {"{\"token\":\"wk_test\",\"batch\":[{\"event\":\"a\",\"distinct_id\":\"x\"}]}", 1},
        {"[{\"event\":\"a\",\"properties\":{\"token\":\"wk_test\",\"distinct_id\":\"x\"}}]", 1},
        {"{\"event\":\"a\",\"$token\":\"wk_test\",\"$distinct_id\":\"x\"}", 1},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        post_to("/e", shapes[i].body);
        assert_int_equal(bed.status, 200);
        assert_int_equal(bed.record_count, shapes[i].kept);
    }
}

static void post_packed(const struct buf *body, const char *query)
{
    bed_reset();
    bed_no_header("Authorization");
    bed.path = "/e";
    snprintf(bed.query, sizeof(bed.query), "%s", query);
    bed_post(buf_slice(body));
    kept_one();
}

static void test_every_packing(void **state)
{
    (void)state;
    struct buf b, gzip, lz;
    buf_init(&b, 1 << 20);
    buf_init(&gzip, 1 << 20);
    buf_init(&lz, 1 << 20);
    assert_int_equal(encode_all(CODEC_GZIP, 6, SLICE_LIT(EVENT), &gzip), RC_OK);
    lzstring_pack(SLICE_LIT(EVENT), &lz);
    post_packed(&gzip, "");
    post_packed(&gzip, "compression=gzip-js&ver=1.0");
    post_packed(&lz, "compression=lz64");
    post_packed(&lz, "compression=lz-string");
    buf_add_str(&b, as_base64(EVENT));
    post_packed(&b, "");
    post_packed(&b, "compression=base64");
    buf_clear(&b); /* the base64 of gzip */
    base64_encode(&b, BASE64_STD, buf_slice(&gzip));
    post_packed(&b, "");
    buf_clear(&b); /* forms; '+' of base64 has become a blank, '=' is percent-encoded */
    buf_addf(&b, "data=%s&compression=base64",
             as_base64("{\"event\":\"a>~\",\"distinct_id\":\"d\","
                       "\"api_key\":\"wk_test\"}"));
    assert_non_null(strchr(buf_cstr(&b), '+'));
    post_packed(&b, "compression=base64");
    buf_clear(&b);
    buf_add_str(&b, "compression=lz64&data=");
    for (size_t i = 0; i < lz.len; i++)
        buf_addf(&b, "%%%02x", (unsigned char)lz.data[i]);
    post_packed(&b, "");
    buf_clear(&b);
    buf_add_str(&b, "ver=1&data=");
    for (const char *p = EVENT; *p; p++)
        buf_addf(&b, "%%%02X", *p);
    post_packed(&b, "");
    buf_done(&b);
    buf_done(&gzip);
    buf_done(&lz);
}

static void test_bodies_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "  ",
                                      "hello",
                                      "data=",
                                      "data=!!!",
                                      "data=%zz",
                                      "compression=lz64&data=Q",
                                      "null",
                                      "bnVsbA==",
                                      "[]",
                                      "{}",
                                      "[5]",
                                      "{\"batch\":[]}",
                                      "[" EVENT,
                                      "{\"event\":\"a\"",
                                      "\x1f\x8b garbage"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bed_reset(); /* with a key in the head */
        bed.path = "/e";
        bed_post_text(bad[i]);
        if (bed.status != 400)
            fail_msg("%s: %d %s", bad[i], bed.status, bed_answer());
        assert_int_equal(bed.append_count, 0);
    }
    post_to("/e", EVENT);
    kept_one();
}

#define SEVERAL                                                       \
    "[{\"event\":\"a\",\"distinct_id\":\"d\",\"token\":\"wk_test\"}," \
    "{\"event\":\"a\",\"distinct_id\":\"d\",\"properties\":{\"token\":\"wk_other\"}}]"

static void test_tokens(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{\"event\":\"a\",\"distinct_id\":\"d\"}",
        "",
        "{\"event\":\"a\",\"distinct_id\":\"d\",\"api_key\":\"phc_other\"}",
        "{\"event\":\"a\",\"distinct_id\":\"d\",\"api_key\":\"phx_mine\"}",
        "{\"event\":\"a\",\"distinct_id\":\"d\",\"api_key\":5}",
        SEVERAL,
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        post_to("/e", refused[i]);
        if (bed.status != 401)
            fail_msg("%s: %d %s", refused[i], bed.status, bed_answer());
    }
    /* The batch's own counts, whatever its events say; one in the head spares the search. */
    post_to("/e", "{\"api_key\":\"wk_test\",\"batch\":[{\"event\":\"a\",\"distinct_id\":\"d\","
                  "\"properties\":{\"token\":\"wk_other\"}}]}");
    kept_one();
    bed_reset();
    bed.path = "/e";
    bed_post_text("{\"event\":\"a\",\"distinct_id\":\"d\"}");
    kept_one();
}

/* ---- events ---- */

static const char *read_one(const char *body)
{
    post_to("/e", body);
    kept_one();
    return bed_values();
}

static void test_who_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *members, *kept, *not_kept;
    } people[] = {
        {"\"distinct_id\":\"d\"", "\"user_id\":\"d\"", "anonymous_id"},
        {"\"distinct_id\":17", "\"user_id\":\"17\"", "anonymous_id"},
        {"\"distinct_id\":\"d\",\"properties\":{\"$device_id\":\"d\"}", "\"anonymous_id\":\"d\"",
         "user_id"},
        {"\"distinct_id\":\"u\",\"properties\":{\"$device_id\":\"d\"}",
         "\"user_id\":\"u\",\"anonymous_id\":\"d\"", "previous"},
        {"\"distinct_id\":\"n\",\"properties\":{\"$device_id\":\"d\",\"$is_identified\":false}",
         "\"anonymous_id\":\"n\"", "user_id"},
        {"\"distinct_id\":\"n\",\"properties\":{\"$process_person_profile\":false}",
         "\"anonymous_id\":\"n\"", "user_id"},
        {"\"distinct_id\":\"$posthog_cookieless\",\"properties\":{\"$device_id\":null}",
         "\"event\":\"a\"", "_id\""},
        {"\"distinct_id\":\"undefined\"", "\"event\":\"a\"", "_id\""},
        {"\"distinct_id\":\"[object Object]\"", "\"event\":\"a\"", "_id\""},
        {"\"distinct_id\":{\"a\":1}", "\"event\":\"a\"", "_id\""},
        {"\"properties\":{\"distinct_id\":\"p\"}", "\"user_id\":\"p\"", "anonymous_id"},
        {"\"distinct_id\":\"d\",\"properties\":{\"$session_id\":\"s\"}", "\"session_id\":\"s\"",
         "anonymous_id"},
    };
    for (size_t i = 0; i < COUNT_OF(people); i++) {
        char body[400];
        snprintf(body, sizeof(body), "{\"api_key\":\"wk_test\",\"event\":\"a\",%s}",
                 people[i].members);
        read_one(body);
        char *properties = strstr(bed.values.data, "\"properties\"");
        if (properties)
            *properties = '\0';
        has(bed_values(), people[i].kept);
        lacks(bed_values(), people[i].not_kept);
    }
    post_to("/e", "{\"api_key\":\"wk_test\",\"event\":\"a\",\"distinct_id\":\"\"}");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "distinct_id");
}

static void test_a_long_id_is_cut(void **state)
{
    (void)state;
    char id[300], body[600], want[300];
    memset(id, 'x', sizeof(id));
    id[sizeof(id) - 1] = '\0';
    snprintf(body, sizeof(body), "{\"api_key\":\"wk_test\",\"event\":\"a\",\"distinct_id\":\"%s\"}",
             id);
    snprintf(want, sizeof(want), "\"user_id\":\"%.200s\"", id);
    has(read_one(body), want);
}

static void test_the_special_events(void **state)
{
    (void)state;
    static const struct {
        const char *event, *kept;
    } special[] = {
        {"\"event\":\"$pageview\",\"properties\":{\"$current_url\":\"https://x.test/"
         "a?b\",\"title\":"
         "\"T\",\"$referrer\":\"https://y.test/\"}",
         "\"event\":\"pageview\""},
        {"\"event\":\"$pageview\",\"properties\":{\"$current_url\":\"https://x.test/"
         "a?b\",\"title\":\"T\",\"$referrer\":\"$direct\"}",
         "\"page\":{\"url\":\"https://x.test/a?b\",\"path\":\"/a\",\"title\":\"T\"}"},
        {"\"event\":\"$screen\",\"properties\":{\"$screen_name\":\"Cart\"}",
         "\"page\":{\"title\":\"Cart\"}"},
        {"\"event\":\"$identify\",\"properties\":{\"$anon_distinct_id\":\"n\"},\"$set\":{\"email\":"
         "\"m\"},\"$set_once\":{\"first\":1}",
         "\"user_id\":\"d\",\"anonymous_id\":\"n\",\"kind\":\"identify\",\"traits\":{\"email\":"
         "\"m\"},\"traits_once\":{\"first\":1},\"properties\""},
        {"\"event\":\"$set\",\"properties\":{\"$set\":{\"a\":1}}",
         "\"kind\":\"identify\",\"traits\":{\"a\":1}}"},
        {"\"event\":\"a\",\"$unset\":[\"x\",\"y\",7,\"x\"],\"properties\":{\"$unset\":{\"z\":\"\"},"
         "\"$set\":{\"b\":2,\"x\":1}}",
         "\"user_id\":\"d\",\"traits\":{\"b\":2,\"x\":null,\"y\":null,\"z\":null}}"},
        {"\"event\":\"$set\",\"properties\":{\"$unset\":[\"x\"]}",
         "\"kind\":\"identify\",\"traits\":{\"x\":null}}"},
        {"\"event\":\"a\",\"$unset\":[],\"properties\":{\"$unset\":\"x\"}", "\"user_id\":\"d\"}"},
        {"\"event\":\"$create_alias\",\"properties\":{\"alias\":\"old\"}",
         "\"user_id\":\"d\",\"kind\":\"alias\",\"previous_id\":\"old\""},
        {"\"event\":\"$groupidentify\",\"properties\":{\"$group_type\":\"company\",\"$group_key\":"
         "\"acme\",\"$group_set\":{\"seats\":5},\"$groups\":{\"team\":\"t\",\"company\":\"other\"},"
         "\"$unset\":[\"x\"]}",
         "\"user_id\":\"d\",\"kind\":\"group\",\"group\":{\"type\":\"company\",\"id\":\"acme\"},"
         "\"groups\":{\"team\":\"t\"},\"traits\":{\"seats\":5}"},
        {"\"event\":\"a\",\"properties\":{\"$groups\":{\"none\":null,\"company\":\"acme\",\"team\":"
         "7,"
         "\"\":\"x\",\"company\":\"again\",\"a\\\"b\":\"c\"}}",
         "\"group\":{\"type\":\"company\",\"id\":\"acme\"},\"groups\":{\"team\":\"7\",\"a\\\"b\":"
         "\"c\"},"},
        {"\"event\":\"$pageleave\",\"properties\":{\"$prev_pageview_duration\":3.99,\"$prev_"
         "pageview_max_content_percentage\":0.516}",
         "\"event\":\"engagement\""},
        {"\"event\":\"$pageleave\",\"properties\":{\"$prev_pageview_duration\":3.99,\"$prev_"
         "pageview_max_content_percentage\":0.516}",
         "\"kind\":\"engagement\",\"engagement_ms\":3990,\"scroll\":52,"},
        {"\"event\":\"$feature_flag_called\"", "\"interactive\":false"},
        {"\"event\":\"$autocapture\"", "\"event\":\"$autocapture\""},
        {"\"event\":\"a\",\"properties\":{\"$revenue\":9.5,\"$currency\":\"eur\"}",
         "\"revenue\":{\"amount\":\"9.5\",\"currency\":\"EUR\"}"},
        {"\"event\":\"a\",\"properties\":{\"revenue\":\"7\",\"currency\":\"USD\"}",
         "\"revenue\":{\"amount\":\"7\",\"currency\":\"USD\"}"},
        {"\"event\":\"a\",\"properties\":{\"$screen_width\":800,\"$screen_height\":600,\"$raw_user_"
         "agent\":\"UA\",\"$browser_language\":\"de-DE\",\"$timezone\":\"Asia/Kolkata\"}",
         "\"screen\":{\"width\":800,\"height\":600},\"user_agent\":\"UA\",\"locale\":\"de-DE\","
         "\"timezone\":\"Asia/Kolkata\""},
        {"\"event\":\"a\",\"properties\":{\"$insert_id\":\"i1\"}", "\"dedupe\":true"},
    };
    for (size_t i = 0; i < COUNT_OF(special); i++) {
        char body[600];
        snprintf(body, sizeof(body), "{\"api_key\":\"wk_test\",\"distinct_id\":\"d\",%s}",
                 special[i].event);
        has(read_one(body), special[i].kept);
    }
    /* An alias of nobody, and a group without a key. */
    post_to("/e", WITH("\"$groups\":{}"));
    lacks(bed_values(), "\"group\"");
    post_to("/e", "{\"api_key\":\"wk_test\",\"distinct_id\":\"d\",\"event\":\"$create_alias\","
                  "\"properties\":{\"alias\":\"null\"}}");
    assert_int_equal(bed.status, 400);
    post_to("/e", "{\"api_key\":\"wk_test\",\"distinct_id\":\"d\",\"event\":\"$groupidentify\"}");
    assert_int_equal(bed.status, 400);
    post_to("/engage", "{\"token\":\"wk_test\",\"$distinct_id\":\"d\",\"$set\":{\"a\":1}}");
    kept_one();
    has(bed_values(), "\"kind\":\"identify\",\"traits\":{\"a\":1}");
}

/* As many groups and names as are taken, and one more. */
static void test_what_is_over_the_limits_of_groups_and_names_is_left_out(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 64 << 10);
    buf_add_str(&body,
                "{\"api_key\":\"wk_test\",\"distinct_id\":\"d\",\"event\":\"a\",\"$unset\":[\"");
    for (int i = 0; i <= JSON_KEY_BYTES_MAX; i++)
        buf_add_char(&body, 'k');
    buf_add_str(&body, "\",\"a\\u0000b\"");
    for (int i = 0; i <= EVENT_UNSET_MAX; i++)
        buf_addf(&body, ",\"k%d\"", i);
    buf_add_str(&body, "],\"properties\":{\"$groups\":{\"g0\":\"0\"");
    for (int i = 1; i <= EVENT_GROUPS_MAX; i++)
        buf_addf(&body, ",\"g%d\":\"%d\"", i, i);
    buf_add_str(&body, "}}}");
    const char *kept = read_one(buf_cstr(&body));
    buf_done(&body);
    const char *traits = strstr(kept, "\"traits\"");
    assert_non_null(traits);
    has(kept, "\"traits\":{\"k0\":null,");
    has(kept, ",\"k99\":null},\"properties\"");
    has(kept, "\"group\":{\"type\":\"g0\",\"id\":\"0\"},\"groups\":{\"g1\":\"1\",");
    has(kept, ",\"g9\":\"9\"},\"traits\"");
}

static void test_a_server_that_identifies_a_group_is_nobody(void **state)
{
    (void)state;
    lacks(read_one("{\"api_key\":\"wk_test\",\"event\":\"$groupidentify\",\"distinct_id\":"
                   "\"$company_acme\",\"properties\":{\"$group_type\":\"company\",\"$group_key\":"
                   "\"acme\"}}"),
          "user_id");
}

static void test_no_address_and_nothing_made_of_it(void **state)
{
    (void)state;
    read_one(
        WITH("\"$ip\":\"203.0.113.9\",\"$geoip_latitude\":52.5,\"$geoip_city_name\":\"Berlin\","
             "\"$geoip_postal_code\":\"10115\",\"plan\":\"pro\""));
    has(bed_values(), "\"properties\":{\"plan\":\"pro\"}");
}

static void test_one_event_per_web_vital(void **state)
{
    (void)state;
    post_to("/e",
            "{\"api_key\":\"wk_test\",\"batch\":[{\"uuid\":\"" ID "\",\"event\":"
            "\"$web_vitals\",\"distinct_id\":\"d\",\"properties\":{\"$current_url\":\"https://"
            "x.test/p\",\"$web_vitals_LCP_event\":{\"name\":\"LCP\"},\"$web_vitals_LCP_"
            "value\":2500.25,\"$web_vitals_CLS_value\":0.013,\"plan\":\"pro\"}},"
            "{\"event\":\"b\",\"distinct_id\":\"d\"}]}");
    assert_int_equal(bed.status, 200);
    assert_int_equal(bed.record_count, 3);
    has(bed_values(), "{\"id\":\"" ID "\"");
    assert_int_equal(count_of(bed_values(), "\"event\":\"vital\""), 2);
    assert_int_equal(count_of(bed_values(), "\"kind\":\"vital\""), 2);
    has(bed_values(), "\"plan\":\"pro\",\"metric\":\"LCP\",\"value\":2500.25}");
    has(bed_values(), "\"plan\":\"pro\",\"metric\":\"CLS\",\"value\":0.013}");
    lacks(bed_values(), "$web_vitals_");
    /* The same ids when it is sent again. */
    char second[UUID_TEXT_LEN + 8];
    const char *line = strchr(bed_values(), '\n') + 1;
    snprintf(second, sizeof(second), "%.43s", line);
    post_to("/e", "{\"api_key\":\"wk_test\",\"uuid\":\"" ID "\",\"event\":\"$web_vitals\","
                  "\"distinct_id\":\"d\",\"properties\":{\"$web_vitals_LCP_value\":1,\"$web_vitals_"
                  "CLS_value\":2}}");
    has(bed_values(), second);
    /* Without a metric it is what it is. */
    has(read_one("{\"api_key\":\"wk_test\",\"event\":\"$web_vitals\",\"distinct_id\":\"d\","
                 "\"properties\":{}}"),
        "\"event\":\"$web_vitals\"");
}

static void test_a_clock_that_is_wrong(void **state)
{
    (void)state;
    struct buf b;
    char sent[TIME_TEXT_BYTES], then[TIME_TEXT_BYTES], want[64];
    unix_ms now = unix_now();
    buf_init(&b, 4096);
    for (int i = 0; i < 3; i++) {
        /* Two hours behind; two seconds, which is the way; two hours, and the event says no. */
        int64_t behind = i == 1 ? 2000 : 7200000;
        time_format((unix_ms){now.ms - behind}, sent);
        time_format((unix_ms){now.ms - behind - 60000}, then);
        buf_clear(&b);
        buf_addf(&b,
                 "{\"api_key\":\"wk_test\",\"sent_at\":\"%s\",\"batch\":[{\"event\":\"a\","
                 "\"distinct_id\":\"d\",\"timestamp\":\"%s\",\"properties\":{\"$ignore_sent_at\":"
                 "%s}}]}",
                 sent, then, i == 2 ? "true" : "false");
        read_one(buf_cstr(&b));
        unix_ms got, received;
        const char *at = strstr(bed_values(), "\"timestamp\":\"") + 13;
        assert_true(time_parse(slice_of(at, 24), &got));
        at = strstr(bed_values(), "\"received_at\":\"") + 15;
        assert_true(time_parse(slice_of(at, 24), &received));
        if (i == 0) {
            assert_int_equal(received.ms - got.ms, 60000);
        } else {
            snprintf(want, sizeof(want), "\"timestamp\":\"%s\"", then);
            has(bed_values(), want);
        }
    }
    /* No time, but how long ago. */
    read_one("{\"api_key\":\"wk_test\",\"event\":\"a\",\"distinct_id\":\"d\",\"offset\":5000}");
    unix_ms got, received;
    assert_true(time_parse(slice_of(strstr(bed_values(), "\"timestamp\":\"") + 13, 24), &got));
    assert_true(
        time_parse(slice_of(strstr(bed_values(), "\"received_at\":\"") + 15, 24), &received));
    assert_int_equal(received.ms - got.ms, 5000);
    buf_done(&b);
}

static void test_history(void **state)
{
    (void)state;
    has(read_one("{\"api_key\":\"wk_test\",\"historical_migration\":true,\"batch\":[{\"event\":"
                 "\"a\",\"distinct_id\":\"d\",\"timestamp\":\"2020-01-02T03:04:05Z\"}]}"),
        "\"historical\":true");
}

/* ---- answers ---- */

static void test_a_beacon_is_204(void **state)
{
    (void)state;
    bed_reset();
    bed_no_header("Authorization");
    bed.path = "/e";
    snprintf(bed.query, sizeof(bed.query), "beacon=1");
    bed_post_text(EVENT);
    assert_int_equal(bed.status, 204);
    assert_string_equal(bed_answer(), "");
    assert_int_equal(bed.record_count, 1);
}

static void test_one_bad_event_spoils_nothing_and_none_good_is_400(void **state)
{
    (void)state;
    post_to("/batch", "{\"api_key\":\"wk_test\",\"batch\":[{\"event\":\"\",\"distinct_id\":\"d\"},"
                      "{\"event\":\"b\",\"distinct_id\":\"d\"}]}");
    kept_one();
    post_to("/batch", "{\"api_key\":\"wk_test\",\"batch\":[{\"event\":\"a\"},{\"event\":\"b\"}]}");
    assert_int_equal(bed.status, 400);
    assert_string_equal(bed_answer(), "distinct_id is missing");
}

static void test_what_weir_has_no_use_for_is_200(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"api_key\":\"wk_test\",\"event\":\"$snapshot\",\"distinct_id\":\"d\"}",
        "{\"api_key\":\"wk_test\",\"event\":\"$$heatmap\",\"distinct_id\":\"d\"}"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        post_to(i ? "/e" : "/s", bodies[i]);
        assert_int_equal(bed.status, 200);
        assert_string_equal(bed_answer(), "{\"status\":\"Ok\"}");
        assert_int_equal(bed.record_count, 0);
    }
    post_to("/s", "{\"event\":\"$snapshot\"}");
    assert_int_equal(bed.status, 401);
}

static void test_what_it_asks_at_the_start(void **state)
{
    (void)state;
    static struct {
        const char *path, *query;
        enum net_method method;
        const char *answer;
    } asked[] = {
        {"/array/{token}/config", "", NET_GET, "{\"token\":\"phc_x\",\"supportedCompression\":["},
        {"/array/{token}/config.js", "", NET_GET, "[\"phc_x\"]={config:{\"token\":\"phc_x\","},
        {"/flags", "v=2", NET_POST, "{\"flags\":{},\"errorsWhileComputingFlags\":false,"},
        {"/flags", "v=2&config=true", NET_POST, "\"hasFeatureFlags\":false"},
        {"/decide", "v=2", NET_POST, "\"featureFlags\":{},\"requestId\":\""},
        {"/decide", "v=3", NET_POST, "\"featureFlags\":{},\"featureFlagPayloads\":{},"},
        {"/decide", "", NET_POST, "\"featureFlags\":[]"},
    };
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        bed_reset();
        bed_no_header("Authorization");
        bed.path = asked[i].path;
        bed.method = asked[i].method;
        bed.param = SLICE_LIT("phc_x");
        snprintf(bed.query, sizeof(bed.query), "%s", asked[i].query);
        bed_post_text("");
        assert_int_equal(bed.status, 200);
        has(bed_answer(), asked[i].answer);
        struct arena arena;
        yyjson_val *root;
        arena_init(&arena, 64 << 10, 1 << 20);
        if (i != 1)
            assert_int_equal(json_parse(&arena, buf_slice(&bed.answer), &root, NULL), RC_OK);
        arena_done(&arena);
    }
    bed_reset();
    bed.path = "/array/{token}/config.js";
    bed.method = NET_GET;
    bed.param = SLICE_LIT("a\"]</script>");
    bed_post_text("");
    assert_int_equal(bed.status, 404);
}

/* ---- as a browser has sent it ---- */

static uint32_t captured, pageviews;

static void replay(struct slice url, struct slice body)
{
    /* The capture cut the one form off; tests/scenario/f_posthog.mjs sends it whole. */
    if (!slice_has_prefix(url, SLICE_LIT("/e/")) || body.data[0] != '{')
        return;
    bed_reset();
    bed.path = "/e";
    struct slice query = url;
    slice_cut(&query, '?');
    snprintf(bed.query, sizeof(bed.query), "%.*s", SLICE_ARG(query));
    bed_post(body);
    assert_int_equal(bed.status, 200);
    assert_true(bed.record_count > 0);
    captured += bed.record_count;
    pageviews += count_of(bed_values(), "\"event\":\"pageview\"");
    has(bed_values(),
        "\"page\":{\"url\":\"http://shop.example.com/pricing?utm_source=hn&utm_medium="
        "social\",\"path\":\"/pricing\"");
    assert_int_equal(count_of(bed_values(), "\"dedupe\":true"), bed.record_count);
}

static void test_what_browsers_have_sent(void **state)
{
    (void)state;
    captured = pageviews = 0;
    each_capture(WIRE "/posthog.json", replay);
    assert_int_equal(captured, 3);
    each_capture(WIRE "/posthog_beacon_gzip.json", replay);
    each_capture(WIRE "/posthog_beacon_base64.json", replay);
    assert_int_equal(captured, 11);
    assert_int_equal(pageviews, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_route),
        T(test_every_shape),
        T(test_every_packing),
        T(test_bodies_that_are_none),
        T(test_tokens),
        T(test_who_it_is),
        T(test_a_long_id_is_cut),
        T(test_the_special_events),
        T(test_what_is_over_the_limits_of_groups_and_names_is_left_out),
        T(test_a_server_that_identifies_a_group_is_nobody),
        T(test_no_address_and_nothing_made_of_it),
        T(test_one_event_per_web_vital),
        T(test_a_clock_that_is_wrong),
        T(test_history),
        T(test_a_beacon_is_204),
        T(test_one_bad_event_spoils_nothing_and_none_good_is_400),
        T(test_what_weir_has_no_use_for_is_200),
        T(test_what_it_asks_at_the_start),
        T(test_what_browsers_have_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
