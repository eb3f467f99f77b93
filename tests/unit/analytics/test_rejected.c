/* Counters and samples of the edge (rejected.h) over a stream that this test is. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "analytics/rejected/rejected.h"
#include "codec/json.h"

static struct {
    struct buf counts, samples;
    enum rc rc;
    uint32_t appends;
} stream;

enum rc stream_append_wait(struct stream *s, struct stream_record *records, uint32_t count)
{
    assert_ptr_equal(s, &stream);
    stream.appends++;
    for (uint32_t i = 0; stream.rc == RC_OK && i < count; i++)
        buf_add_slice(slice_eq_str(records[i].key, "sample") ? &stream.samples : &stream.counts,
                      records[i].value);
    return stream.rc;
}

static const struct uuid project = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static struct rejected *begin(const struct rejected_cfg *more)
{
    struct rejected_cfg cfg = more ? *more : (struct rejected_cfg){.stream = NULL};
    cfg.stream = (struct stream *)&stream;
    stream.rc = RC_OK;
    stream.appends = 0;
    buf_init(&stream.counts, 16 << 20);
    buf_init(&stream.samples, 64 << 20);
    return rejected_new(&cfg);
}

static void end(struct rejected *r)
{
    rejected_free(r);
    buf_done(&stream.counts);
    buf_done(&stream.samples);
}

static void flush(struct rejected *r, enum rc want)
{
    struct err err = ERR_INIT;
    assert_int_equal(rejected_flush(r, &err), want);
}

/* The sum of events in the lines that hold all of the parts. */
static uint64_t sum(const char *a, const char *b)
{
    uint64_t n = 0;
    struct slice rest = buf_slice(&stream.counts), line;
    while ((line = slice_cut(&rest, '\n')).len) {
        const char *events = memmem(line.data, line.len, "\"events\":", 9);
        assert_non_null(events);
        if (memmem(line.data, line.len, a, strlen(a)) && memmem(line.data, line.len, b, strlen(b)))
            n += strtoull(events + 9, NULL, 10);
    }
    return n;
}

static void *count_much(void *arg)
{
    struct rejected_sink sink = rejected_sink(arg);
    for (int i = 0; i < 10000; i++)
        sink.count(sink.ctx, &project, "api", i % 2 ? REJECTED_BAD_JSON : REJECTED_NO_NAME, 3);
    return NULL;
}

static void many_threads_lose_nothing_to_a_flush_in_between(void **state)
{
    enum { THREADS = 4 };
    struct rejected *r = begin(NULL);
    pthread_t threads[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, r), 0);
    for (int i = 0; i < 20; i++)
        flush(r, RC_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    flush(r, RC_OK);
    assert_int_equal(sum("api", "bad_json"), THREADS * 15000);
    assert_int_equal(sum("api", "no_name"), THREADS * 15000);
    end(r);
}

static void more_projects_than_a_shard_holds_are_counted_for_nobody(void **state)
{
    struct rejected *r = begin(NULL);
    struct rejected_sink sink = rejected_sink(r);
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        struct uuid id = project;
        memcpy(id.bytes + 8, &i, sizeof(i));
        sink.count(sink.ctx, &id, "api", REJECTED_QUOTA, 1);
    }
    flush(r, RC_OK);
    assert_int_equal(sum("quota", ""), 5000);
    assert_true(sum("00000000-0000-0000-0000-000000000000", "quota") > 0);
    end(r);
}

static void what_a_stream_does_not_take_goes_with_the_next_flush(void **state)
{
    struct rejected *r = begin(NULL);
    struct rejected_sink sink = rejected_sink(r);
    (void)state;
    sink.count(sink.ctx, NULL, "api", REJECTED_NO_PROJECT, 2);
    stream.rc = RC_BUSY;
    flush(r, RC_BUSY);
    sink.count(sink.ctx, NULL, "api", REJECTED_NO_PROJECT, 5);
    flush(r, RC_BUSY);
    stream.rc = RC_OK;
    flush(r, RC_OK);
    flush(r, RC_OK);
    assert_int_equal(sum("api", "no_project"), 7);
    end(r);
}

static void nothing_counted_writes_nothing(void **state)
{
    struct rejected *r = begin(NULL);
    (void)state;
    flush(r, RC_OK);
    assert_int_equal(stream.appends, 0);
    end(r);
}

static void a_sample_is_one_row_of_json(void **state)
{
    struct rejected *r = begin(NULL);
    struct rejected_sink sink = rejected_sink(r);
    struct arena arena;
    yyjson_val *root;
    struct err err = ERR_INIT;
    const struct rejected_event events[] = {{0, REJECTED_BAD_JSON, SLICE_LIT("not \"JSON\"\n")},
                                            {7, REJECTED_NO_NAME, SLICE_EMPTY}};
    const struct rejected_sample s = {.project = project,
                                      .dialect = "api",
                                      .route = "/v1/events",
                                      .method = "POST",
                                      .body = SLICE_LIT("[{\n\t]"),
                                      .headers = {{SLICE_LIT("Origin"), SLICE_LIT("https://a\"b")}},
                                      .header_count = 1,
                                      .client = {.country = SLICE_LIT("DE"), .device = 17},
                                      .events = events,
                                      .event_count = COUNT_OF(events)};
    (void)state;
    sink.keep(sink.ctx, &s);
    flush(r, RC_OK);
    struct slice text = buf_slice(&stream.samples);
    struct slice line = slice_cut(&text, '\n');
    assert_int_equal(text.len, 0);
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(json_parse(&arena, line, &root, &err), RC_OK);
    assert_true(slice_eq_str(json_text(json_get(root, "body")), "[{\n\t]"));
    assert_int_equal(yyjson_arr_size(json_get(root, "reasons")), 2);
    assert_true(
        slice_eq_str(json_text(json_get(root, "headers")), "{\"Origin\":\"https://a\\\"b\"}"));
    assert_non_null(strstr(json_text(json_get(root, "client")).data, "\"country\":\"DE\""));
    arena_done(&arena);
    end(r);
}

static void room_is_bounded_by_project_and_by_reason(void **state)
{
    const struct rejected_cfg cfg = {.bytes_per_hour_max = 3500,
                                     .project_bytes_per_hour_max = 2000};
    struct rejected *r = begin(&cfg);
    struct rejected_sink sink = rejected_sink(r);
    struct uuid other = project;
    (void)state;
    other.bytes[15]++;
    assert_true(sink.has_room(sink.ctx, &project, REJECTED_ORIGIN, 1000));
    assert_false(sink.has_room(sink.ctx, &project, REJECTED_ORIGIN, 1)); /* half for one reason */
    assert_true(sink.has_room(sink.ctx, &project, REJECTED_QUOTA, 1000));
    assert_false(sink.has_room(sink.ctx, &project, REJECTED_NO_NAME, 1)); /* all for one project */
    assert_true(sink.has_room(sink.ctx, &other, REJECTED_ORIGIN, 1000));
    assert_false(sink.has_room(sink.ctx, NULL, REJECTED_NO_PROJECT, 600)); /* all in all */
    assert_true(sink.has_room(sink.ctx, NULL, REJECTED_NO_PROJECT, 500));
    end(r);
}

static void every_reason_has_a_code_of_its_own_and_is_found_by_it(void **state)
{
    enum rejected_reason found;
    (void)state;
    for (unsigned i = 0; i < REJECTED_REASON_COUNT; i++) {
        assert_true(
            rejected_reason_find(slice_str(rejected_reason_code((enum rejected_reason)i)), &found));
        assert_int_equal(found, i);
        assert_true(*rejected_reason_text((enum rejected_reason)i));
    }
    assert_false(rejected_reason_find(SLICE_LIT("nonsense"), &found));
    for (unsigned i = EVENT_FINE + 1; i < EVENT_REASON_COUNT; i++) /* one name for one thing */
        assert_string_equal(rejected_reason_code(rejected_reason_of((enum event_reason)i)),
                            event_reason_name((enum event_reason)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_lose_nothing_to_a_flush_in_between),
        cmocka_unit_test(more_projects_than_a_shard_holds_are_counted_for_nobody),
        cmocka_unit_test(what_a_stream_does_not_take_goes_with_the_next_flush),
        cmocka_unit_test(nothing_counted_writes_nothing),
        cmocka_unit_test(a_sample_is_one_row_of_json),
        cmocka_unit_test(room_is_bounded_by_project_and_by_reason),
        cmocka_unit_test(every_reason_has_a_code_of_its_own_and_is_found_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
