/* Snowplow's dialect on fakes (ingest_bed.h): where a body's key and events are found. What its SDK
 * sends is a scenario's (n_dialects_more). */
#include "dialect_test.h"

#define TP2 "/com.snowplowanalytics.snowplow/tp2"
#define VIEW(id, members) "{\"e\":\"pv\",\"eid\":\"" id "\"" members "}"
#define ONE VIEW("01a20a8f-92c6-77c9-aefc-b2e04c1c4001", ",\"page\":\"]}\\\"aid\\\":\\\"wk_other\"")
#define TWO VIEW("01a20a8f-92c6-77c9-aefc-b2e04c1c4002", ",\"aid\":\"wk_test\"")

static void the_first_event_says_whose_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        uint32_t records;
    } tries[] = {
        {"{\"schema\":\"iglu:[{\",\"data\":[" TWO "]}", 200, 1},
        {"{\"data\":[" TWO "," ONE "],\"schema\":\"s\"}", 200, 2},
        {" { \"x\" : { \"data\" : [" ONE "] } , \"data\" : [ " TWO " , " ONE " ] } ", 200, 2},
        {"{\"data\":[" ONE "," TWO "]}", 401, 0}, /* only the second one does */
        {"{\"data\":[{\"y\":{\"aid\":\"wk_test\"}}]}", 401, 0},
        {"{\"data\":[{\"aid\":7}]}", 401, 0},
        {"{\"data\":[]}", 401, 0},
        {"{\"data\":[", 401, 0},
        {"[" TWO "]", 401, 0},
        {"", 401, 0},
    };
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        post_to(TP2, tries[i].body);
        assert_int_equal(bed.status, tries[i].status);
        assert_int_equal(bed.record_count, tries[i].records);
    }
}

static void of_a_broken_array_nothing_is_taken(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"data\":[" TWO,
        "{\"data\":[" TWO ",",
        "{\"data\":[" TWO " " TWO "]}",
        "{\"data\":[" TWO ",{\"e\":\"pv\"",
        "{\"data\":[" TWO ",\"",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        post_to(TP2, bodies[i]);
        assert_int_equal(bed.status, 400);
        assert_int_equal(bed.record_count, 0);
    }
    bed_reset(); /* with the key in the head, but no events */
    bed.path = TP2;
    bed_post_text("{\"schema\":\"s\",\"data\":7}");
    assert_int_equal(bed.status, 400);
    has(bed_answer(), "payload_data");
}

static void of_get_the_query_is_the_event(void **state)
{
    (void)state;
    bed_reset();
    bed_no_header("Authorization");
    bed.path = "/i";
    bed.method = NET_GET;
    snprintf(bed.query, sizeof(bed.query), "e=pv&aid=wk_test&page=A%%20%%22B%%22");
    bed_post_text("");
    assert_int_equal(bed.status, 200);
    assert_int_equal(bed.record_count, 1);
    has(bed_values(), "\"title\":\"A \\\"B\\\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_event_says_whose_they_are),
        T(of_a_broken_array_nothing_is_taken),
        T(of_get_the_query_is_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
