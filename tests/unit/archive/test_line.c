#include "archive_test.h"

#include "archive/line_int.h"

static struct err err;

static void assert_round_trip(struct slice key, struct slice headers, struct slice value,
                              bool is_spliced)
{
    struct buf line, again, scratch;
    struct stream_record got;
    struct stream_record want = {.key = key,
                                 .headers = headers,
                                 .value = value,
                                 .time = {1795000000123},
                                 .offset = UINT64_MAX - 1,
                                 .partition = 63};
    buf_init(&line, LINE_BYTES_MAX);
    buf_init(&again, LINE_BYTES_MAX);
    buf_init(&scratch, LINE_BYTES_MAX);
    assert_ok(line_encode(&want, &line, &err));
    assert_true(line.data[line.len - 1] == '\n');
    assert_ptr_equal(memchr(line.data, '\n', line.len), line.data + line.len - 1);
    struct slice text = slice_of(line.data, line.len - 1);
    assert_ok(line_decode(text, &scratch, &got, &err));
    assert_true(slice_eq(got.key, key));
    assert_true(slice_eq(got.headers, headers));
    assert_true(slice_eq(got.value, value));
    assert_int_equal(got.time.ms, want.time.ms);
    assert_int_equal(got.offset, want.offset);
    assert_int_equal(got.partition, want.partition);
    assert_ok(line_encode(&got, &again, &err));
    assert_true(slice_eq(buf_slice(&again), buf_slice(&line)));
    assert_int_equal(memmem(line.data, line.len, "\"stream_value_base64\":\"", 23) == NULL,
                     is_spliced);
    buf_done(&line);
    buf_done(&again);
    buf_done(&scratch);
}

static void an_event_is_spliced_and_restored(void **state)
{
    (void)state;
    struct buf line;
    struct stream_record r = {.key = SLICE_LIT("p/v"),
                              .headers = SLICE_LIT("traceparent\0"
                                                   "00-aa-bb-01\0"),
                              .value = SLICE_LIT("{\"id\":\"1\",\"event\":\"a\"}"),
                              .time = {1795000000123},
                              .offset = 7,
                              .partition = 2};
    buf_init(&line, 4096);
    assert_ok(line_encode(&r, &line, &err));
    assert_string_equal(
        buf_cstr(&line),
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-18T11:06:40.123Z\","
        "\"stream_key\":\"p/v\",\"stream_headers\":[\"traceparent\",\"00-aa-bb-01\"],"
        "\"id\":\"1\",\"event\":\"a\"}\n");
    buf_done(&line);
    assert_round_trip(r.key, r.headers, r.value, true);
}

static void json_values_keep_every_byte(void **state)
{
    (void)state;
    static const char *const values[] = {
        "{}",
        "{\"a\":1.0e+2,\"b\" : [1 , 2],\"c\":\"\\u00e9\\/\"}",
        "{\"a\":1,\"a\":2}",
        "{\"dup\":\"\xc3\xa9\",\"n\":-0.0,\"big\":123456789012345678901234567890}",
        "{\"properties\":{\"stream_offset\":5,\"append_time\":\"x\"}}",
    };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_round_trip(SLICE_LIT("k"), SLICE_EMPTY, slice_str(values[i]), true);
}

static void everything_else_goes_as_base64(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "{",
        "}",
        "[]",
        "1",
        "null",
        "{ }",
        " {}",
        "{} ",
        "{\"a\":1",
        "{\"a\":\n1}",
        "{\"a\":1}\r",
        "{\"a\":\"\xff\"}",
        "{\"stream_offset\":1}",
        "{\"stream_value_base64\":\"\"}",
        "{\"append_time\":1}",
        "{\"\\u0073tream_key\":1}",
        "{,}",
        "{ \"a\":1}",
        "plain text",
        "{\"a\":01}",
    };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_round_trip(SLICE_EMPTY, SLICE_EMPTY, slice_str(values[i]), false);
    assert_round_trip(SLICE_EMPTY, SLICE_EMPTY, SLICE_LIT("a\0b\xff"), false);
}

static void keys_and_headers_of_any_bytes_come_back(void **state)
{
    (void)state;
    struct slice value = SLICE_LIT("{\"a\":1}");
    static const char *const keys[] = {"",         "a\"b\\c\x01\x7f", "\xc3\xa9",
                                       "\xff\xfe", "\xed\xa0\x80",    "\xf4\x90\x80\x80",
                                       "\xc0\x80", "\xef\xbf\xbd"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_round_trip(slice_str(keys[i]), slice_str(keys[i]), value, true);
    assert_round_trip(SLICE_LIT("a\0b"), SLICE_LIT("odd\0"), value, true);
    assert_round_trip(SLICE_EMPTY, SLICE_LIT("\0\0"), value, true);
    assert_round_trip(SLICE_EMPTY, SLICE_LIT("a\0\0b\0\xc3\xa9\0"), value, true);
    assert_round_trip(SLICE_EMPTY, SLICE_LIT("a\0\xff\0"), value, true);
}

static void random_records_come_back(void **state)
{
    (void)state;
    struct prng random;
    static const char alphabet[] = "{}[]\",:\\ab1\n\0\xc3\xa9";
    prng_seed(&random, 7);
    for (int i = 0; i < 3000; i++) {
        char bytes[3][40];
        size_t len[3];
        for (int k = 0; k < 3; k++) {
            len[k] = prng_below(&random, sizeof(bytes[k]));
            for (size_t j = 0; j < len[k]; j++)
                bytes[k][j] = alphabet[prng_below(&random, sizeof(alphabet) - 1)];
        }
        struct slice value = slice_of(bytes[2], len[2]);
        struct buf line;
        struct stream_record r = {.key = slice_of(bytes[0], len[0]),
                                  .headers = slice_of(bytes[1], len[1]),
                                  .value = value};
        buf_init(&line, 4096);
        assert_ok(line_encode(&r, &line, &err));
        bool is_spliced = !memmem(line.data, line.len, "stream_value_base64", 19);
        buf_done(&line);
        assert_round_trip(r.key, r.headers, value, is_spliced);
    }
}

static void no_other_spelling_is_read(void **state)
{
    (void)state;
    static const char good[] =
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",\"a\":1}";
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"stream_partition\":64,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\"}",
        "{\"stream_offset\":7,\"stream_partition\":2,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\"}",
        "{\"stream_partition\":2,\"stream_offset\":-7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\"}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00Z\","
        "\"stream_key\":\"k\"}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"\\u006b\"}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\" ,\"a\":1}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key_base64\":\"aw==\",\"a\":1}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",\"stream_headers\":[],\"a\":1}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",\"a\":1,\"stream_offset\":9}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",\"stream_value_base64\":\"e30=\"}",
        "{\"stream_partition\":2,\"stream_offset\":7,\"append_time\":\"2026-11-24T00:00:00.000Z\","
        "\"stream_key\":\"k\",\"stream_value_base64\":\"eA==\",\"a\":1}",
    };
    struct buf scratch;
    struct stream_record got;
    buf_init(&scratch, LINE_BYTES_MAX);
    assert_ok(line_decode(slice_str(good), &scratch, &got, &err));
    assert_true(slice_eq_str(got.value, "{\"a\":1}"));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (line_decode(slice_str(bad[i]), &scratch, &got, &err) != RC_CORRUPT)
            fail_msg("was read: %s", bad[i]);
    buf_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_spliced_and_restored),
        cmocka_unit_test(json_values_keep_every_byte),
        cmocka_unit_test(everything_else_goes_as_base64),
        cmocka_unit_test(keys_and_headers_of_any_bytes_come_back),
        cmocka_unit_test(random_records_come_back),
        cmocka_unit_test(no_other_spelling_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
