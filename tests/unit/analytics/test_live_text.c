/* What the live stream writes of a record, and where a listener stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analytics/live/live_int.h"

static const char *text_of(const char *record)
{
    static char text[8192];
    struct arena arena;
    struct live_place place = {.count = 2, .next = {10, 255}};
    CLEANUP(buf_done) struct buf out;
    arena_init(&arena, 4096, 1 << 20);
    buf_init(&out, sizeof(text) - 1);
    bool is = live_event_text(slice_str(record), &place, &arena, &out);
    arena_done(&arena);
    if (!is) {
        assert_int_equal(out.len, 0);
        return NULL;
    }
    memcpy(text, out.data, out.len);
    text[out.len] = '\0';
    return text;
}

static void a_record_becomes_an_event_with_few_fields(void **state)
{
    (void)state;
    assert_string_equal(
        text_of(
            "{\"id\":\"i\",\"project\":\"p\",\"event\":\"pageview\",\"timestamp\":\"t\","
            "\"user_id\":\"u\",\"anonymous_id\":\"no\",\"page\":{\"url\":\"https://a/b?c=d\","
            "\"title\":\"T\",\"referrer\":\"https://u:p@r.example:8080/x?y\"},\"device\":\"no\","
            "\"user_agent\":\"no\",\"geo\":{\"country\":\"DE\",\"city\":\"Ulm\"},"
            "\"properties\":{\"no\":1},\"source\":\"api\"}"),
        "id: a-ff\ndata: "
        "{\"id\":\"i\",\"event\":\"pageview\",\"timestamp\":\"t\",\"user_id\":\"u\","
        "\"page\":\"/b\",\"title\":\"T\",\"referrer\":\"r.example:8080\",\"country\":\"DE\","
        "\"city\":\"Ulm\",\"source\":\"api\"}\n\n");
}

static void what_is_no_record_is_left_out(void **state)
{
    (void)state;
    assert_null(text_of(""));
    assert_null(text_of("[]"));
    assert_null(text_of("{}"));
    assert_null(text_of("{\"id\":1}"));
    assert_non_null(text_of("{\"id\":\"i\",\"page\":7,\"geo\":[]}"));
}

static void a_line_end_in_a_text_ends_no_event(void **state)
{
    (void)state;
    assert_string_equal(text_of("{\"id\":\"i\",\"event\":\"a\\n\\ndata: b\"}"),
                        "id: a-ff\ndata: {\"id\":\"i\",\"event\":\"a\\u000a\\u000adata: b\"}\n\n");
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    struct arena arena;
    struct live_place place = {.count = 1};
    struct buf out;
    arena_init(&arena, 4096, 1 << 20);
    buf_init(&out, 20);
    buf_add_str(&out, "before");
    assert_false(live_event_text(SLICE_LIT("{\"id\":\"0123456789\"}"), &place, &arena, &out));
    assert_true(buf_ok(&out));
    assert_int_equal(out.len, 6);
    buf_done(&out);
    arena_done(&arena);
}

static void a_place_comes_back_from_its_text(void **state)
{
    (void)state;
    struct live_place place = {.count = 3, .next = {0, UINT64_MAX, 4096}}, back;
    char text[LIVE_ID_BYTES_MAX];
    live_place_text(&place, text);
    assert_string_equal(text, "0-ffffffffffffffff-1000");
    assert_true(live_place_parse(slice_str(text), 3, &back));
    assert_memory_equal(place.next, back.next, sizeof(place.next));
    place.count = LIVE_PARTITIONS_MAX;
    memset(place.next, 0xFF, sizeof(place.next));
    live_place_text(&place, text); /* the longest */
    assert_true(live_place_parse(slice_str(text), LIVE_PARTITIONS_MAX, &back));
}

static void other_texts_are_no_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "-",   "1",   "1-",   "-1",
                                        "1-2-3", "1-g", "1-A", "1 -2", "1-00000000000000000"};
    struct live_place place;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(live_place_parse(slice_str(texts[i]), 2, &place));
    assert_true(live_place_parse(SLICE_LIT("1-2"), 2, &place));
}

static void a_key_is_of_the_project_before_its_slash(void **state)
{
    (void)state;
    static const char project[] = "aaaaaaaa-0000-4000-8000-00000000000a";
    assert_true(live_key_is_of(SLICE_LIT("aaaaaaaa-0000-4000-8000-00000000000a/x"), project));
    assert_false(live_key_is_of(SLICE_LIT("aaaaaaaa-0000-4000-8000-00000000000b/x"), project));
    assert_false(live_key_is_of(SLICE_LIT("aaaaaaaa-0000-4000-8000-00000000000a"), project));
    assert_false(live_key_is_of(SLICE_LIT("aaaaaaaa-0000-4000-8000-00000000000ab"), project));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_an_event_with_few_fields),
        cmocka_unit_test(what_is_no_record_is_left_out),
        cmocka_unit_test(a_line_end_in_a_text_ends_no_event),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(a_place_comes_back_from_its_text),
        cmocka_unit_test(other_texts_are_no_place),
        cmocka_unit_test(a_key_is_of_the_project_before_its_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
