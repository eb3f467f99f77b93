/* The tracker's dialect on fakes (ingest_bed.h): what its script sends (sdk/tracker/core.js), and
 * what somebody else might. */
#include "ingest_bed.h"

#include <stdio.h>

#include "base/clock.h"
#include "codec/json.h"

#define HEAD "{\"key\":\"wk_test\",\"i\":0.81,\"t\":1700000005000,\"w\":1280,\"h\":720,\"d\":\"T\","
#define VIEW "{\"n\":\"pageview\",\"t\":1700000004000,\"u\":\"https://x.test/a?b=1#c\",\"i\":1}"
#define EVENT(members) "{\"n\":\"e\",\"u\":\"https://x.test/\",\"i\":2," members "}"

static int setup(void **state)
{
    (void)state;
    bed_begin();
    bed.path = "/w";
    bed.header_count = 0; /* the key is in the body */
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
    bed.header_count = 0;
    bed_post_text(body);
}

static void copy_id(char ret[UUID_TEXT_LEN + 1])
{
    memcpy(ret, bed_values() + strlen("{\"id\":\""), UUID_TEXT_LEN);
    ret[UUID_TEXT_LEN] = '\0';
}

static void what_a_body_says_once_holds_for_its_events(void **state)
{
    (void)state;
    post(HEAD "\"user\":\"u-17\",\"e\":[" VIEW "," EVENT("\"r\":\"https://y.test/\"") "]}");
    assert_int_equal(bed.status, 204);
    assert_string_equal(bed_answer(), "");
    assert_string_equal(buf_cstr(&bed.ack), "fsync");
    assert_int_equal(bed.record_count, 2);
    has(bed_values(), "\"event\":\"pageview\"");
    has(bed_values(),
        "\"source\":\"tracker\",\"dedupe\":true,\"user_id\":\"u-17\",\"page\":{\"url\":\"https://"
        "x.test/a?b=1\",\"path\":\"/"
        "a\",\"title\":\"T\"},\"screen\":{\"width\":1280,\"height\":720}");
    has(bed_values(),
        "\"page\":{\"url\":\"https://x.test/\",\"path\":\"/\",\"referrer\":\"https://y.test/\"}");
    lacks(bed_values(), "#c");
}

static void the_clock_of_the_browser_does_not_matter(void **state)
{
    (void)state;
    post(HEAD "\"e\":[" VIEW "]}"); /* a second before it was sent, in 2023 */
    const char *at = strstr(bed_values(), "\"timestamp\":\""),
               *received = strstr(bed_values(), "\"received_at\":\"");
    assert_true(at && received);
    unix_ms happened, came;
    assert_true(time_parse(slice_of(at + 13, 24), &happened));
    assert_true(time_parse(slice_of(received + 15, 24), &came));
    assert_int_equal(came.ms - happened.ms, 1000);
}

static void the_same_event_of_the_same_page_has_the_same_id(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool is_same;
    } tries[] = {
        {HEAD "\"e\":[" VIEW "]}", true},
        {"{\"e\":[" VIEW "],\"i\":0.81,\"key\":\"wk_test\"}", true},
        {"{\"e\":[" VIEW "],\"i\":0.82,\"key\":\"wk_test\"}", false},
        {HEAD "\"e\":[" EVENT("\"p\":{}") "]}", false},
    };
    char first[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    post(tries[0].body);
    copy_id(first);
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        post(tries[i].body);
        copy_id(id);
        assert_int_equal(strcmp(id, first) == 0, tries[i].is_same);
        has(bed_values(), "\"dedupe\":true");
    }
    post("{\"e\":[" VIEW "],\"key\":\"wk_test\"}"); /* not told apart: a new one, and no retry */
    lacks(bed_values(), "dedupe");
}

static void the_title_is_that_of_the_last_page(void **state)
{
    (void)state;
    post(HEAD "\"e\":[" VIEW "," EVENT("\"p\":{}") "," VIEW "," EVENT("\"p\":{}") "]}");
    struct slice rest = buf_slice(&bed.values), line;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(json_line_next(&rest, &line));
        assert_int_equal(memmem(line.data, line.len, "\"title\"", 7) != NULL, i == 2);
    }
}

static void in_hash_mode_the_part_behind_it_is_a_page(void **state)
{
    (void)state;
    static const char *const urls[][2] = {
        {"https://x.test/app?y=1#/inbox?z", "\"path\":\"/app#/inbox\""},
        {"https://x.test/app#", "\"path\":\"/app\""},
        {"https://x.test/app", "\"path\":\"/app\""},
        {"https://x.test#/a", "\"path\":\"/#/a\""},
    };
    char body[512];
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        snprintf(body, sizeof(body),
                 HEAD "\"hash\":\"\",\"e\":[{\"n\":\"pageview\",\"u\":\"%s\"}]}", urls[i][0]);
        post(body);
        has(bed_values(), urls[i][0]);
        has(bed_values(), urls[i][1]);
    }
}

static void of_an_element_only_what_is_meant_for_us_is_kept(void **state)
{
    (void)state;
    post(HEAD "\"e\":[{\"n\":\"buy\",\"p\":{\"weir\":\"buy\",\"weirPlan\":\"pro\",\"weirPlanSize\":"
              "\"\\u00e9\\\"\",\"user\":\"somebody@x.test\"}}]}");
    has(bed_values(), "\"properties\":{\"plan\":\"pro\",\"plan-size\":\"\xc3\xa9\\\"\"}}");
    post(HEAD "\"e\":[{\"n\":\"form\",\"p\":{\"id\":\"order\",\"weirA\":\"1\",\"csrf\":\"x\"}}]}");
    has(bed_values(), "\"properties\":{\"id\":\"order\",\"a\":\"1\"}}");
    post(HEAD "\"e\":[{\"n\":\"form\",\"p\":{\"id\":\"\"}}]}");
    has(bed_values(), "\"event\":\"form\"");
    post(HEAD "\"e\":[{\"n\":\"buy\",\"p\":{\"weir\":\"other\",\"user\":\"u\",\"n\":1.50}}]}");
    has(bed_values(), "\"properties\":{\"weir\":\"other\",\"user\":\"u\",\"n\":1.50}}");
}

static void events_that_say_something_about_page_or_person(void **state)
{
    (void)state;
    static const struct {
        const char *event, *wanted;
    } kinds[] = {
        {"{\"n\":\"engagement\",\"p\":{\"m\":7500,\"s\":104}}",
         "\"kind\":\"engagement\",\"engagement_ms\":7500,\"scroll\":100}"},
        {"{\"n\":\"vital\",\"interactive\":false,\"p\":{\"metric\":\"CLS\",\"value\":0.0349}}",
         "\"kind\":\"vital\",\"interactive\":false,\"properties\":{\"metric\":\"CLS\",\"value\":0."
         "0349}}"},
        {"{\"n\":\"identify\",\"user\":\"u-1\",\"p\":{\"plan\":\"pro\"}}",
         "\"kind\":\"identify\",\"traits\":{\"plan\":\"pro\"}}"},
        {"{\"n\":\"group\",\"user\":\"u-1\",\"group\":{\"type\":\"company\",\"id\":\"c-1\"},\"p\":{"
         "\"seats\":3}}",
         "\"group\":{\"type\":\"company\",\"id\":\"c-1\"},\"traits\":{\"seats\":3}}"},
        {"{\"n\":\"alias\",\"user\":\"u-1\",\"previous\":\"a-1\"}", "\"previous_id\":\"a-1\"}"},
        {"{\"n\":\"buy\",\"revenue\":{\"amount\":9.50,\"currency\":\"eur\"}}",
         "\"revenue\":{\"amount\":\"9.5\",\"currency\":\"EUR\"}}"},
        {"{\"n\":\"buy\",\"p\":{\"weir\":\"buy\",\"weirRevenue\":\"19.90\",\"weirCurrency\":"
         "\"USD\"}"
         "}",
         "\"revenue\":{\"amount\":\"19.9\",\"currency\":\"USD\"}"},
        {"{\"n\":\"buy\",\"p\":{\"revenue\":3}}", "\"properties\":{\"revenue\":3}}"},
    };
    char body[512];
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        snprintf(body, sizeof(body), HEAD "\"e\":[%s]}", kinds[i].event);
        post(body);
        assert_int_equal(bed.record_count, 1);
        has(bed_values(), kinds[i].wanted);
    }
}

static void what_cannot_be_kept_spoils_nothing(void **state)
{
    (void)state;
    post(HEAD "\"e\":[" VIEW
              ",{\"u\":\"https://x.test/\"},7,{\"n\":\"\"},{\"n\":\"identify\"},{\"n\":"
              "\"group\"},{\"n\":\"alias\",\"user\":\"u\"}," EVENT("\"p\":[1],\"u\":{}") "]}");
    assert_int_equal(bed.status, 204);
    assert_int_equal(bed.record_count, 2);
}

static void bodies_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
    } bodies[] = {
        {"{\"key\":\"wk_test\"}", 400},
        {"{\"key\":\"wk_test\",\"e\":{}}", 400},
        {"{\"key\":\"wk_test\",\"e\":[" VIEW, 400}, /* cut off */
        {"{\"key\":\"wk_nobody\",\"e\":[" VIEW "]}", 401},
        {"{\"e\":[" VIEW "]}", 401},
        {"[" VIEW "]", 401},
        {"", 401},
        {"{\"key\":\"wk_test\",\"e\":[]}", 204},
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        post(bodies[i].body);
        assert_int_equal(bed.status, bodies[i].status);
        assert_int_equal(bed.record_count, 0);
    }
}

static void a_long_title_and_user_have_their_space(void **state)
{
    (void)state;
    static char body[8192], title[1501], user[301];
    memset(title, '\\', sizeof(title) - 1); /* each becomes two */
    memset(user, 'u', sizeof(user) - 1);
    for (size_t i = 1; i < sizeof(title) - 1; i += 2)
        title[i] = 't';
    snprintf(body, sizeof(body),
             "{\"key\":\"wk_test\",\"d\":\"%s\",\"user\":\"%s\",\"e\":[{\"n\":\"pageview\"}]}",
             title, user);
    post(body);
    assert_int_equal(bed.record_count, 1);
    has(bed_values(), "\"title\":\"\\t\\t");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_body_says_once_holds_for_its_events),
        T(the_clock_of_the_browser_does_not_matter),
        T(the_same_event_of_the_same_page_has_the_same_id),
        T(the_title_is_that_of_the_last_page),
        T(in_hash_mode_the_part_behind_it_is_a_page),
        T(of_an_element_only_what_is_meant_for_us_is_kept),
        T(events_that_say_something_about_page_or_person),
        T(what_cannot_be_kept_spoils_nothing),
        T(bodies_that_are_none),
        T(a_long_title_and_user_have_their_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
