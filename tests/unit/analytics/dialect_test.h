#ifndef WEIR_TEST_DIALECT_H
#define WEIR_TEST_DIALECT_H
/* What the tests of dialects share: requests over ingest_bed.h, captures of real SDKs
 * (tests/data/wire), and looking at texts. */
#include "ingest_bed.h"

#include <stdio.h>

#include "base/os.h"
#include "codec/base64.h"
#include "codec/json.h"

static inline int dialect_setup(void **state)
{
    (void)state;
    bed_begin();
    return 0;
}

static inline int dialect_teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}
#define T(name) cmocka_unit_test_setup_teardown(name, dialect_setup, dialect_teardown)

static inline uint32_t count_of(const char *text, const char *part)
{
    uint32_t n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

/* A request without a key in its head. */
static inline void post_to(const char *path, const char *body)
{
    bed_reset();
    bed_no_header("Authorization");
    bed.path = path;
    bed_post_text(body);
}

static inline const char *as_base64(const char *text)
{
    static struct buf b;
    buf_done(&b);
    buf_init(&b, 1 << 20);
    base64_encode(&b, BASE64_STD, slice_str(text));
    return buf_cstr(&b);
}

/* Each captured request with a body: its path, and the body as text. */
static inline void each_capture(const char *file, void (*fn)(struct slice url, struct slice body))
{
    struct arena arena;
    struct buf text;
    struct err err = ERR_INIT;
    yyjson_val *list, *sent;
    size_t i, n;
    arena_init(&arena, 64 << 10, 16 << 20);
    buf_init(&text, 4 << 20);
    assert_int_equal(os_read_file(file, &text, &err), RC_OK);
    assert_int_equal(json_parse(&arena, buf_slice(&text), &list, &err), RC_OK);
    yyjson_arr_foreach(list, i, n, sent)
    {
        yyjson_val *body = json_get(sent, "body");
        struct slice json = json_text(body);
        if (yyjson_is_obj(body)) {
            char *to = arena_alloc(&arena, 64 << 10);
            struct json_out out = {.p = to, .end = to + (64 << 10)};
            assert_int_equal(json_write(&out, body, NULL, &arena), JSON_FINE);
            json = slice_of(to, (size_t)(out.p - to));
        }
        if (json.len)
            fn(json_text(json_get(sent, "url")), json);
    }
    buf_done(&text);
    arena_done(&arena);
}
#endif
