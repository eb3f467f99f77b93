/* What a dialect or the ingest does not take is told, with a request that can be read again. */
#include "ingest_bed.h"

static struct {
    uint32_t counts[REJECTED_REASON_COUNT], nobodys[REJECTED_REASON_COUNT];
    uint32_t samples;
    struct buf text; /* of the samples: body, reasons */
    struct rejected_sample last;
    uint32_t first_index, event_count;
    bool is_full;
} told;

static void count(void *ctx, const struct uuid *project, const char *dialect,
                  enum rejected_reason reason, uint32_t events)
{
    static const struct uuid nobody;
    (void)ctx;
    assert_non_null(dialect);
    bool is_nobodys = !project || memcmp(project, &nobody, sizeof(nobody)) == 0;
    (is_nobodys ? told.nobodys : told.counts)[reason] += events;
}

static bool has_room(void *ctx, const struct uuid *project, enum rejected_reason reason,
                     size_t bytes)
{
    (void)ctx, (void)project, (void)reason, (void)bytes;
    return !told.is_full;
}

static void keep(void *ctx, const struct rejected_sample *s)
{
    (void)ctx;
    told.samples++;
    told.last = *s;
    told.event_count = s->event_count;
    told.first_index = s->event_count ? s->events[0].index : 0;
    buf_add_slice(&told.text, s->body);
    for (uint32_t i = 0; i < s->event_count; i++)
        buf_addf(&told.text, "|%u:%s:%.*s", s->events[i].index,
                 rejected_reason_code(s->events[i].reason), SLICE_ARG(s->events[i].details));
}

static int begin(void **state)
{
    (void)state;
    memset(&told, 0, sizeof(told));
    buf_init(&told.text, 4 << 20);
    bed_begin_rejecting((struct rejected_sink){&told, count, has_room, keep});
    return 0;
}

static int end(void **state)
{
    (void)state;
    bed_end();
    buf_done(&told.text);
    return 0;
}

static const char *text(void)
{
    return buf_cstr(&told.text);
}

static void nothing_is_told_of_a_request_that_is_taken(void **state)
{
    (void)state;
    bed_post_text("{\"event\":\"a\"}");
    assert_int_equal(told.samples, 0);
    for (unsigned i = 0; i < REJECTED_REASON_COUNT; i++)
        assert_int_equal(told.counts[i] + told.nobodys[i], 0);
}

static void each_bad_event_is_counted_and_named_by_its_place(void **state)
{
    (void)state;
    bed_post_text("[{\"event\":\"a\"},{\"x\":1},{\"event\":\"b\"},[],{\"y\":1}]");
    assert_int_equal(told.counts[REJECTED_NO_NAME], 2);
    assert_int_equal(told.counts[REJECTED_BAD_JSON], 1);
    assert_int_equal(told.samples, 1);
    assert_true(told.last.lack == REJECTED_LACKS_NOTHING && told.last.is_key_in_head);
    has(text(), "|1:no_name:");
    has(text(), "|3:bad_json:");
    has(text(), "|4:no_name:");
    has(text(), "[{\"event\":\"a\"},{\"x\":1}");
}

static void an_address_in_the_body_is_masked(void **state)
{
    (void)state;
    bed.client = IP_V4(192, 0, 2, 9);
    bed_post_text("{\"context\":{\"ip\":\"198.51.100.4\"},\"a\":\"192.0.2.9\"}");
    assert_int_equal(told.samples, 1);
    lacks(text(), "198.51.100.4");
    lacks(text(), "192.0.2.9");
    has(text(), "\"ip\":\"0.0.0.0\"");
}

static void a_body_that_cannot_be_cut_is_one(void **state)
{
    (void)state;
    bed_post_text("neither");
    assert_int_equal(told.counts[REJECTED_BAD_REQUEST], 1);
    assert_int_equal(told.first_index, REJECTED_WHOLE);
    has(text(), "neither");
}

static void what_is_nobodys_is_counted_for_nobody(void **state)
{
    (void)state;
    bed.path = "/api/event";
    bed_no_header("Authorization");
    bed_post_text("{\"n\":\"pageview\",\"u\":\"https://x.example/\",\"d\":\"x.example\"}");
    assert_int_equal(told.nobodys[REJECTED_NO_PROJECT], 1);
    assert_int_equal(told.samples, 1);
    assert_true(told.last.lack == REJECTED_LACKS_NOTHING && !told.last.is_key_in_head);
    has(text(), "x.example");
}

static void a_project_does_not_see_the_others_events_of_a_request(void **state)
{
    (void)state;
    bed.path = "/api/batch";
    bed.names = "mine";
    bed.other_names = "theirs";
    bed_no_header("Authorization");
    bed_post_text("[{\"type\":\"odd\",\"payload\":{\"website\":\"mine\",\"name\":\"openly\"}},"
                  "{\"type\":\"odd\",\"payload\":{\"website\":\"theirs\",\"name\":\"secretly\"}}]");
    assert_int_equal(told.counts[REJECTED_BAD_VALUE], 2);
    assert_int_equal(told.samples, 2);
    lacks(text(), "secretly");
    assert_int_equal(told.last.lack, REJECTED_OF_SEVERAL);
}

static void recordings_are_counted_and_not_kept(void **state)
{
    (void)state;
    bed.path = "/s";
    bed_post_text("{\"api_key\":\"wk_test\",\"event\":\"$snapshot\"}");
    assert_int_equal(told.counts[REJECTED_NOT_KEPT], 1);
    assert_int_equal(told.samples, 0);
}

static void a_judge_of_events_rejects_nothing(void **state)
{
    (void)state;
    bed.path = "/debug/mp/collect";
    bed_post_text("{\"client_id\":\"1\",\"events\":[{\"x\":1}]}");
    assert_int_equal(told.samples, 0);
    assert_int_equal(told.counts[REJECTED_NO_NAME], 0);
}

static void a_shortage_counts_the_events_that_were_there(void **state)
{
    (void)state;
    bed.append_rc = RC_BUSY;
    bed_post_text("[{\"event\":\"a\"},{\"event\":\"b\"},{\"x\":1}]");
    assert_int_equal(bed.status, 503);
    assert_int_equal(told.counts[REJECTED_UNAVAILABLE], 3);
    assert_int_equal(told.counts[REJECTED_NO_NAME], 0); /* it comes again with the others */
    assert_int_equal(told.samples, 0);
}

static void without_room_it_is_still_counted(void **state)
{
    (void)state;
    told.is_full = true;
    bed_post_text("{\"x\":1}");
    assert_int_equal(told.counts[REJECTED_NO_NAME], 1);
    assert_int_equal(told.samples, 0);
}

static void of_a_large_body_only_the_reasons_are_kept(void **state)
{
    static char body[400 << 10];
    (void)state;
    memset(body, ' ', sizeof(body));
    memcpy(body, "[{\"x\":1}", 8);
    memcpy(body + sizeof(body) - 2, "]", 2);
    bed_post(slice_of(body, sizeof(body) - 1));
    assert_int_equal(told.counts[REJECTED_NO_NAME], 1);
    assert_int_equal(told.samples, 1);
    assert_int_equal(told.last.lack, REJECTED_TOO_LARGE_TO_KEEP);
    assert_string_equal(text(), "|0:no_name:event (a string) is required");
}

static void a_body_that_is_no_text_is_not_kept(void **state)
{
    (void)state;
    bed_post_text("[{\"x\":1},\"\xff\"]");
    assert_int_equal(told.samples, 1);
    assert_int_equal(told.last.lack, REJECTED_NO_TEXT);
    assert_int_equal(told.last.body.len, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(nothing_is_told_of_a_request_that_is_taken),
        T(each_bad_event_is_counted_and_named_by_its_place),
        T(an_address_in_the_body_is_masked),
        T(a_body_that_cannot_be_cut_is_one),
        T(what_is_nobodys_is_counted_for_nobody),
        T(a_project_does_not_see_the_others_events_of_a_request),
        T(recordings_are_counted_and_not_kept),
        T(a_judge_of_events_rejects_nothing),
        T(a_shortage_counts_the_events_that_were_there),
        T(without_room_it_is_still_counted),
        T(of_a_large_body_only_the_reasons_are_kept),
        T(a_body_that_is_no_text_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
