/* The ingest on fakes (ingest_bed.h): what each dialect keeps, answers and refuses. */
#include "ingest_bed.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/os.h"
#include "codec/base64.h"
#include "codec/compress.h"
#include "codec/hash.h"
#include "codec/json.h"

#define ID "01a20a8f-92c6-77c9-aefc-b2e04c1c44b6"
#define PROJECT "0198c0de-0000-7000-8000-000000000001"

static int setup(void **state)
{
    (void)state;
    bed_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}

static uint32_t count_of(const char *text, const char *part)
{
    uint32_t n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

/* ---- weir's own ---- */

static void test_every_member_in_its_place(void **state)
{
    (void)state;
    bed_header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    bed_post_text("{\"properties\":{\"n\":12345678901234567890123,\"a\":1,\"a\":2},\"event\":"
                  "\"cart \\u00e9\","
                  "\"id\":\"01A20A8F-92C6-77C9-AEFC-B2E04C1C44B6\",\"timestamp\":\"2020-01-02T03:"
                  "04:05+01:00\","
                  "\"user_id\":\"u\",\"anonymous_id\":\"a\",\"session_id\":\"s\",\"unknown\":[1],"
                  "\"context\":{\"ip\":\"203.0.113.9\",\"locale\":\"de\",\"userAgent\":\"UA\","
                  "\"app\":{\"v\":1},"
                  "\"page\":{\"url\":\"https://x.test/p/"
                  "q?r#f\",\"title\":\"T\",\"referrer\":\"https://y.test/\"},"
                  "\"screen\":{\"width\":800,\"height\":600}}}");
    assert_int_equal(bed.status, 200);
    assert_string_equal(buf_cstr(&bed.ack), "fsync");
    assert_int_equal(bed.record_count, 1);
    has(bed_answer(), "\"result\":\"ok\"");
    assert_string_equal(buf_cstr(&bed.keys), PROJECT "/u\n");
    const char *v = bed_values();
    assert_true(strncmp(v,
                        "{\"id\":\"" ID "\",\"project\":\"" PROJECT
                        "\",\"event\":\"cart \xc3\xa9\","
                        "\"timestamp\":\"2020-01-02T02:04:05.000Z\",\"received_at\":\"20",
                        120) == 0);
    has(v, "\"source\":\"api\",\"dedupe\":true,\"user_id\":\"u\",\"anonymous_id\":\"a\",\"session_"
           "id\":\"s\","
           "\"page\":{\"url\":\"https://x.test/p/q?r#f\",\"path\":\"/p/q\",\"title\":\"T\","
           "\"referrer\":\"https://y.test/\"},\"screen\":{\"width\":800,\"height\":600},"
           "\"user_agent\":\"UA\",\"locale\":\"de\",\"properties\":{\"n\":12345678901234567890123,"
           "\"a\":2},"
           "\"context\":{\"app\":{\"v\":1}}}\n");
    lacks(v, "203.0.113.9");
    /* A trace of ours, and the caller's as a link. */
    assert_int_equal(bed.record_headers.len, 12 + 56 + 10 + 56);
    assert_memory_equal(bed.record_headers.data,
                        "traceparent\0"
                        "00-",
                        15);
    assert_memory_not_equal(bed.record_headers.data + 15, "4bf92f35", 8);
    assert_memory_equal(bed.record_headers.data + 12 + 56,
                        "tracelink\0"
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                        10 + 56);
}

static void test_further_members_and_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *body, *part; /* of the record; NULL: dropped */
    } cases[] = {
        {"{\"event\":\"purchase\",\"revenue\":{\"amount\":9.50,\"currency\":\"eur\"},"
         "\"interactive\":false,\"group\":{\"type\":\"company\",\"id\":\"g\"}}",
         ",\"interactive\":false,\"revenue\":{\"amount\":\"9.5\",\"currency\":\"EUR\"},\"group\":{"
         "\"type\":\"company\",\"id\":\"g\"}}"},
        {"{\"event\":\"x\",\"group\":{\"type\":\"company\",\"id\":\"g\"},\"groups\":{\"company\":"
         "\"h\","
         "\"team\":\"t\",\"crew\":\"c\"}}",
         ",\"group\":{\"type\":\"company\",\"id\":\"g\"},\"groups\":{\"team\":\"t\",\"crew\":\"c\"}"
         "}"},
        {"{\"event\":\"x\",\"groups\":{\"team\":\"t\"}}",
         ",\"group\":{\"type\":\"team\",\"id\":\"t\"}}"},
        {"{\"kind\":\"identify\",\"user_id\":\"u\",\"traits\":{\"plan\":\"pro\"},\"traits_once\":{"
         "\"first\":1}}",
         ",\"kind\":\"identify\",\"traits\":{\"plan\":\"pro\"},\"traits_once\":{\"first\":1}}"},
        {"{\"kind\":\"alias\",\"user_id\":\"u\",\"previous_id\":\"old\"}", "\"event\":\"alias\","},
        {"{\"kind\":\"engagement\",\"engagement_ms\":1200,\"scroll\":300}",
         ",\"kind\":\"engagement\",\"engagement_ms\":1200,\"scroll\":100}"},
        {"{\"event\":\"x\",\"kind\":\"odd\",\"context\":{\"timezone\":\"Europe/Berlin\"}}",
         ",\"timezone\":\"Europe/Berlin\""},
        {"{\"kind\":\"odd\"}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bed_reset();
        bed_post_text(cases[i].body);
        assert_int_equal(bed.record_count, cases[i].part ? 1 : 0);
        if (cases[i].part)
            has(bed_values(), cases[i].part);
        bool is_odd = cases[i].part && strstr(cases[i].body, "\"kind\":\"odd\"");
        assert_int_equal(strstr(bed_answer(), "kind is none of") != NULL, is_odd);
    }
}

static void test_every_shape_of_a_body(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint32_t kept;
    } shapes[] = {
        {"{\"event\":\"a\"}", 1},
        {" \r\n{\"event\":\"a\"}\n\n", 1},
        {"{\n\"event\":\n\"a\"\n}", 1},
        {"[{\"event\":\"a\"},{\"event\":\"b\"}]", 2},
        {"{\"batch\":[{\"event\":\"a\"},{\"event\":\"b\"}],\"sent_at\":\"x\"}", 2},
        {"{\"event\":\"a\"}\n{\"event\":\"b\"}\r\n\n{\"event\":\"c\"}", 3},
        {"{\"event\":\"a\"}\n{\"event\":\n{\"event\":\"c\"}\n", 2},
        {"[]", 0},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        for (int packed = 0; packed < 3; packed++) {
            struct buf b;
            buf_init(&b, 1 << 20);
            bed_reset();
            assert_int_equal(encode_all((enum codec_kind)packed, 1, slice_str(shapes[i].body), &b),
                             RC_OK);
            bed_post(buf_slice(&b));
            assert_int_equal(bed.status, 200);
            assert_int_equal(bed.record_count, shapes[i].kept);
            assert_int_equal(count_of(bed_answer(), "\"result\":\"ok\""), shapes[i].kept);
            buf_done(&b);
        }
    }
}

static void test_bodies_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "  ",
                                      "hello",
                                      "5",
                                      "[{\"event\":\"a\"}",
                                      "[{\"event\":\"a\"} 5",
                                      "\"x\"",
                                      "null",
                                      "\x1f\x8b garbage",
                                      "(\xb5/\xfd garbage"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bed_reset();
        bed_post_text(bad[i]);
        assert_int_equal(bed.status, 400);
        assert_int_equal(bed.append_count, 0);
    }
    bed_reset();
    bed_post_text("{\"event\":\"after it\"}");
    assert_int_equal(bed.status, 200);
}

static void test_a_bad_event_spoils_nothing_and_says_why(void **state)
{
    (void)state;
    char deep[100] = "", huge[300] = "";
    memset(deep, '[', 40);
    memset(deep + 40, ']', 40);
    memset(huge, 'k', 299);
    const struct {
        const char *event, *why;
    } bad[] = {
        {"{}", "event"},
        {"{\"event\":\"\"}", "event"},
        {"{\"event\":7}", "event"},
        {"5", "object"},
        {"{\"event\":\"a\" \"b\"}", "JSON"},
        {"{\"event\":\"a\\ud800\"}", "JSON"},
        {"{\"event\":\"a\xff\"}", "JSON"},
        {"{\"event\":\"a\\u0000\"}", "U+0000"},
        {"{\"event\":\"a\",\"properties\":{\"x\":\"\\u0000\"}}", "U+0000"},
        {"{\"event\":\"a\",\"properties\":{\"x\":1e999}}", "range"},
        {"{\"event\":\"a\",\"user_id\":\"x\\u0000y\"}", "U+0000"},
    };
    for (size_t i = 0; i < COUNT_OF(bad) + 2; i++) {
        char body[2000];
        bed_reset();
        if (i < COUNT_OF(bad))
            snprintf(body, sizeof(body), "[{\"event\":\"x\"},%s,{\"event\":\"y\"}]", bad[i].event);
        else
            snprintf(body, sizeof(body),
                     "[{\"event\":\"x\"},{\"event\":\"a\",\"properties\":{\"%s\":%s}},{\"event\":"
                     "\"y\"}]",
                     i == COUNT_OF(bad) ? "deep" : huge, i == COUNT_OF(bad) ? deep : "1");
        bed_post_text(body);
        assert_int_equal(bed.status, 200);
        assert_int_equal(bed.record_count, 2);
        assert_int_equal(count_of(bed_answer(), "\"result\":\"ok\""), 2);
        assert_int_equal(count_of(bed_answer(), "\"result\":\"drop\""), 1);
        has(bed_answer(), i < COUNT_OF(bad) ? bad[i].why : i == COUNT_OF(bad) ? "deeper" : "key");
    }
}

static void test_what_is_mended_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *event, *kept;
    } odd[] = {
        {"{\"event\":\"a\",\"user_id\":42}", "\"user_id\":\"42\""},
        {"{\"event\":\"a\",\"user_id\":{\"x\":1}}", "\"event\":\"a\""},
        {"{\"event\":\"a\",\"properties\":[1]}", "\"event\":\"a\""},
        {"{\"event\":\"a\",\"timestamp\":\"yesterday\"}", "\"event\":\"a\""},
        {"{\"event\":\"a\",\"timestamp\":\"2999-01-01T00:00:00Z\"}", "\"event\":\"a\""},
        {"{\"event\":\"a\",\"id\":\"order-17\"}", "\"dedupe\":true"},
    };
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        bed_reset();
        bed_post_text(odd[i].event);
        assert_int_equal(bed.status, 200);
        assert_int_equal(bed.record_count, 1);
        has(bed_answer(), "\"result\":\"warning\",\"details\":\"");
        has(bed_values(), odd[i].kept);
        lacks(bed_values(), "\"timestamp\":\"2999");
    }
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *kept;
    } times[] = {
        {"1577934245", "2020-01-02T03:04:05.000Z"},
        {"1577934245.5", "2020-01-02T03:04:05.500Z"},
        {"1577934245123", "2020-01-02T03:04:05.123Z"},
        {"\"2020-01-02 03:04:05.1234Z\"", "2020-01-02T03:04:05.123Z"},
    };
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        char body[200], want[100];
        bed_reset();
        snprintf(body, sizeof(body), "{\"event\":\"a\",\"timestamp\":%s}", times[i].sent);
        snprintf(want, sizeof(want), "\"timestamp\":\"%s\"", times[i].kept);
        bed_post_text(body);
        has(bed_answer(), "\"ok\"");
        has(bed_values(), want);
    }
}

static void test_an_id_of_any_kind_is_the_same_at_a_retry(void **state)
{
    (void)state;
    char first[64];
    bed_post_text("{\"event\":\"a\",\"id\":\"order-17\"}");
    memcpy(first, bed.values.data, 44);
    bed_reset();
    bed_post_text("{\"event\":\"a\",\"id\":\"order-17\"}");
    assert_memory_equal(first, bed.values.data, 44);
    bed_reset();
    bed_post_text("{\"event\":\"a\",\"id\":\"order-18\"}");
    assert_memory_not_equal(first, bed.values.data, 44);
    bed_reset();
    bed_post_text("{\"event\":\"a\"}");
    lacks(bed_values(), "dedupe");
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 128 << 20);
    buf_add_char(&b, '[');
    for (int i = 0; i < 10000; i++)
        buf_add_str(&b, i ? ",{\"event\":\"a\"}" : "{\"event\":\"a\"}");
    size_t len = b.len;
    buf_add_char(&b, ']');
    bed_post(buf_slice(&b));
    assert_int_equal(bed.status, 200);
    assert_int_equal(bed.record_count, 10000);
    assert_int_equal(bed.worked, 1); /* not on the loop */
    b.len = len;
    buf_add_str(&b, ",{\"event\":\"a\"}]");
    bed_reset();
    bed_post(buf_slice(&b));
    assert_int_equal(bed.status, 413);
    assert_int_equal(bed.append_count, 0);
    /* One event of more than 256 KiB, one with properties of more than 64 KiB. */
    static const size_t sizes[] = {300000, 70000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        buf_clear(&b);
        buf_add_str(&b, "[{\"event\":\"a\",\"properties\":{\"x\":\"");
        for (size_t n = 0; n < sizes[i]; n++)
            buf_add_char(&b, 'x');
        buf_add_str(&b, "\"}},{\"event\":\"b\"}]");
        bed_reset();
        bed_post(buf_slice(&b));
        assert_int_equal(bed.status, 200);
        assert_int_equal(bed.record_count, 1);
        has(bed_answer(), "larger than");
    }
    /* A bomb: 64 MiB of spaces. */
    struct buf packed;
    buf_init(&packed, 1 << 20);
    buf_clear(&b);
    memset(buf_reserve(&b, 64 << 20), ' ', 64 << 20);
    buf_commit(&b, 64 << 20);
    assert_int_equal(encode_all(CODEC_GZIP, 6, buf_slice(&b), &packed), RC_OK);
    bed_reset();
    bed_post(buf_slice(&packed));
    assert_int_equal(bed.status, 413);
    buf_done(&packed);
    buf_done(&b);
}

static void test_keys(void **state)
{
    (void)state;
    bed_header("Authorization", "Basic d2tfdGVzdDo="); /* wk_test: */
    bed_post_text("{\"event\":\"a\"}");
    assert_int_equal(bed.status, 200);
    bed_reset();
    bed.header_count = 0;
    snprintf(bed.query, sizeof(bed.query), "x=1&key=wk_test");
    bed_post_text("{\"event\":\"a\"}");
    assert_int_equal(bed.status, 200);
    static const char *const bad[] = {
        "",           "Bearer",        "Bearer ", "Bearer wk_tes", "Bearer wk_test2",
        "Basic ####", "Digest wk_test"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bed_reset();
        bed_header("Authorization", bad[i]);
        bed_post_text("{\"event\":\"a\"}");
        assert_int_equal(bed.status, 401);
        assert_int_equal(bed.append_count, 0);
        lacks(bed_answer(), "wk_tes");
    }
}

static void test_the_user_agent_of_a_page_but_not_of_a_server(void **state)
{
    (void)state;
    bed_header("User-Agent", "axios/1.7");
    bed_post_text("{\"event\":\"a\"}");
    lacks(bed_values(), "axios");
    bed_reset();
    bed_header("User-Agent", "Mozilla/5.0");
    bed_header("Origin", "https://shop.test");
    bed_post_text("{\"event\":\"a\"}");
    has(bed_values(), "\"user_agent\":\"Mozilla/5.0\"");
}

static void test_no_answer_before_it_is_durable(void **state)
{
    (void)state;
    bed.is_waiting = true;
    bed_post_text("{\"event\":\"a\"}");
    assert_int_equal(bed.answers, 0);
    bed_commit();
    assert_int_equal(bed.answers, 1);
    assert_int_equal(bed.status, 200);
}

static void test_a_stream_that_cannot_is_503(void **state)
{
    (void)state;
    static const enum rc codes[] = {RC_BUSY, RC_NOSPACE, RC_HALTED, RC_CLOSED};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        bed_reset();
        bed.append_rc = codes[i];
        bed_post_text("{\"event\":\"a\"}");
        assert_int_equal(bed.status, 503);
        bed_reset();
        bed.commit_rc = codes[i];
        bed_post_text("{\"event\":\"a\"}");
        assert_int_equal(bed.status, 503);
        assert_int_equal(bed.ack.len, 0);
    }
}

static void test_no_heap_after_the_first_request(void **state)
{
    (void)state;
    static const char body[] =
        "{\"event\":\"a\",\"user_id\":\"u\",\"properties\":{\"plan\":\"pro\"}}";
    uint64_t calls = 0;
    for (int i = 0; i < 1000; i++) {
        bed_reset();
        bed_post_text(body);
        assert_int_equal(bed.status, 200);
        if (i == 1)
            calls = heap_calls();
    }
    assert_int_equal(heap_calls(), calls);
}

/* ---- PostHog ---- */

static void test_posthog_results_by_uuid(void **state)
{
    (void)state;
    bed.path = "/i/v1/analytics/events";
    bed_post_text(
        "{\"created_at\":\"2026-11-24T08:00:00Z\",\"batch\":["
        "{\"event\":\"$pageview\",\"uuid\":\"" ID "\",\"distinct_id\":\"d1\",\"timestamp\":"
        "\"2026-11-24T08:00:00.000Z\",\"session_id\":\"s1\",\"options\":{},\"properties\":{"
        "\"$current_url\":\"https://x.test/a?b\",\"$ip\":\"203.0.113.9\",\"plan\":\"pro\"}},"
        "{\"event\":\"e\",\"uuid\":\"01a20a8f-92c6-77c9-aefc-b2e04c1c44b7\",\"options\":{},"
        "\"properties\":{}}]}");
    assert_int_equal(bed.status, 200);
    assert_int_equal(bed.record_count, 1);
    has(bed_answer(),
        "{\"results\":{\"" ID "\":{\"result\":\"ok\"},"
        "\"01a20a8f-92c6-77c9-aefc-b2e04c1c44b7\":{\"result\":\"drop\",\"details\":\"");
    has(bed_values(), "\"event\":\"pageview\"");
    has(bed_values(),
        "\"source\":\"posthog\",\"dedupe\":true,\"user_id\":\"d1\",\"session_id\":\"s1\"");
    has(bed_values(), "\"path\":\"/a\"");
    lacks(bed_values(), "203.0.113.9");
}

/* ---- the article ---- */

static const char *token(const char *claims, const char *secret)
{
    static struct buf b;
    uint8_t mac[32];
    buf_init(&b, 8192);
    buf_add_str(&b, "Bearer ");
    base64_encode(&b, BASE64_URL, SLICE_LIT("{\"alg\":\"HS256\"}"));
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_str(claims));
    hmac_sha256(slice_str(secret), slice_sub(buf_slice(&b), 7), mac);
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_of((char *)mac, 32));
    static char text[8192];
    snprintf(text, sizeof(text), "%s", buf_cstr(&b));
    buf_done(&b);
    return text;
}

#define CLAIMS "{\"projectId\":\"" PROJECT "\",\"userId\":\"jwt-user\"}"
#define SECRET "the project's secret, of 43 characters: 012"
#define VIEW \
    "{\"en\":\"pageview\",\"ts\":0,\"o\":\"https://x.test/p?q\",\"r\":\"\",\"sw\":800,\"sh\":600}"

static void test_the_article_as_its_tracker_sends(void **state)
{
    (void)state;
    struct arena arena;
    struct buf file;
    struct err err = ERR_INIT;
    yyjson_val *list;
    size_t i, n;
    yyjson_val *sent;
    arena_init(&arena, 64 << 10, 4 << 20);
    buf_init(&file, 1 << 20);
    assert_int_equal(os_read_file(SEED_JSON, &file, &err), RC_OK);
    assert_int_equal(json_parse(&arena, buf_slice(&file), &list, &err), RC_OK);
    yyjson_arr_foreach(list, i, n, sent)
    {
        char *body = arena_alloc(&arena, 4096);
        struct json_out out = {.p = body, .end = body + 4096};
        assert_int_equal(json_write(&out, json_get(sent, "body"), NULL, &arena), JSON_FINE);
        bed_reset();
        bed.path = i == 1 ? "/event" : "/any/prefix/view";
        bed_header("Authorization", token(CLAIMS, SECRET));
        bed_header("User-Agent", "Mozilla/5.0 \xff");
        bed_post(slice_of(body, (size_t)(out.p - body)));
        assert_int_equal(bed.status, 202);
        assert_string_equal(bed_answer(), "ACCEPTED");
        assert_int_equal(bed.record_count, 1);
        has(bed_values(), "\"source\":\"seed\",\"user_id\":\"jwt-user\"");
        has(bed_values(), "\"user_agent\":\"Mozilla/5.0 \xef\xbf\xbd\"");
        has(bed_values(), i == 1 ? "\"event\":\"clicked\"" : "\"event\":\"pageview\"");
        has(bed_values(), "\"referrer\":\"https://news.ycombinator.com/\"");
    }
    assert_int_equal(n, 3);
    buf_done(&file);
    arena_done(&arena);
}

static void test_the_article_errors(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *error;
    } bad[] = {
        {"", "{\"error\":\"Missing request body\"}"},
        {"{", "Invalid JSON in request body: "},
        {"[]", "Invalid JSON in request body: "},
        {"{\"en\":\"\",\"ts\":0,\"o\":\"x\",\"r\":\"\",\"sw\":1,\"sh\":1}",
         "en (event name) is required"},
        {"{\"en\":\"a\",\"ts\":0,\"o\":\"\",\"r\":\"\",\"sw\":1,\"sh\":1}", "\"o ("},
        {"{\"en\":\"a\",\"ts\":0,\"o\":\"x\",\"r\":\"\",\"sw\":-1,\"sh\":1}", "Invalid JSON"},
        {"{\"en\":\"a\",\"ts\":0,\"o\":\"x\",\"r\":\"\",\"sw\":1.5,\"sh\":1}", "Invalid JSON"},
        {"{\"en\":\"a\",\"ts\":0,\"o\":\"x\",\"sw\":1,\"sh\":1}", "Invalid JSON"},
        {"{\"en\":\"a\",\"o\":\"x\",\"r\":\"\",\"sw\":1,\"sh\":1}", "Invalid JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bed_reset();
        bed.path = "/view";
        bed_header("Authorization", token(CLAIMS, SECRET));
        bed_post_text(bad[i].body);
        assert_int_equal(bed.status, 400);
        assert_int_equal(bed.append_count, 0);
        has(bed_answer(), bad[i].error);
        assert_true(bed_answer()[0] == '{');
    }
}

static void test_the_article_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *header, *error;
    } bad[] = {
        {"Basic x", "Invalid Authorization header format"},
        {"Bearer a.b", "Invalid JWT format"},
        {"Bearer a.%.c", "Failed to decode JWT payload"},
        {"Bearer e30.W10.c", "Failed to parse JWT claims"},
        {"Bearer e30.e30.c", "The JWT algorithm must be HS256"},
        {"Bearer W10.e30.c", "The JWT algorithm must be HS256"},
        {"Bearer eyJhbGciOiJub25lIn0.e30.c", "The JWT algorithm must be HS256"},
        {"Bearer eyJhbGciOiJSUzI1NiJ9.e30.c", "Invalid JWT signature"},
        {"Bearer eyJhbGciOiJIUzI1NiJ9.e30.c", "Invalid JWT signature"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bed_reset();
        bed.path = "/view";
        bed_header("Authorization", bad[i].header);
        bed_post_text(VIEW);
        assert_int_equal(bed.status, 401);
        has(bed_answer(), "{\"error\":\"Unauthorized: ");
        has(bed_answer(), bad[i].error);
    }
    bed_reset();
    bed.path = "/view";
    bed.header_count = 0;
    bed_post_text(VIEW);
    assert_int_equal(bed.status, 401);
    has(bed_answer(), "Missing Authorization header");
    static const struct {
        const char *text, *error;
    } claims[] = {
        {"{}", "Invalid JWT signature"},
        {"{\"projectId\":\"default\"}", "Invalid JWT signature"},
        {"{\"projectId\":\"0198c0de-0000-7000-8000-000000000002\"}", "Invalid JWT signature"},
        {"{\"projectId\":\"" PROJECT "\",\"exp\":1}", "The JWT has expired"},
        {"{\"projectId\":\"" PROJECT "\",\"nbf\":1e12}", "The JWT is not valid yet"},
    };
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        bed_reset();
        bed_header("Authorization", token(claims[i].text, SECRET));
        bed_post_text(VIEW);
        assert_int_equal(bed.status, 401);
        has(bed_answer(), claims[i].error);
    }
    bed_reset();
    bed_header("Authorization", token(CLAIMS, "another secret"));
    bed_post_text(VIEW);
    assert_int_equal(bed.status, 401);
    assert_int_equal(bed.append_count, 0);
    bed_reset();
    bed_header("Authorization", token("{\"userId\":\"u\"}", SECRET));
    snprintf(bed.query, sizeof(bed.query), "project=" PROJECT);
    bed_post_text(VIEW);
    assert_int_equal(bed.status, 202);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_member_in_its_place),
        T(test_further_members_and_kinds),
        T(test_every_shape_of_a_body),
        T(test_bodies_that_are_none),
        T(test_a_bad_event_spoils_nothing_and_says_why),
        T(test_what_is_mended_is_told),
        T(test_times),
        T(test_an_id_of_any_kind_is_the_same_at_a_retry),
        T(test_limits),
        T(test_keys),
        T(test_the_user_agent_of_a_page_but_not_of_a_server),
        T(test_no_answer_before_it_is_durable),
        T(test_a_stream_that_cannot_is_503),
        T(test_no_heap_after_the_first_request),
        T(test_posthog_results_by_uuid),
        T(test_the_article_as_its_tracker_sends),
        T(test_the_article_errors),
        T(test_the_article_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
