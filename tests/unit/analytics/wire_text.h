#ifndef WEIR_TEST_WIRE_TEXT_H
#define WEIR_TEST_WIRE_TEXT_H
/* What tests of dialects look at texts with, and the captures of tests/data/wire. */
#include "ingest_bed.h"

#include <stdio.h>

#include "base/os.h"
#include "codec/json.h"

static inline void has_header(const char *line)
{
    has(buf_cstr(&bed.answer_headers), line);
}

/* The body of request i of a capture, as it was sent; with its browser's headers. */
static inline void wire_post(const char *path, unsigned i)
{
    struct buf file, body;
    struct arena arena;
    yyjson_val *root;
    arena_init(&arena, 64 << 10, 16 << 20);
    buf_init(&file, 1 << 20);
    buf_init(&body, 1 << 20);
    assert_int_equal(os_read_file(path, &file, NULL), RC_OK);
    assert_int_equal(json_parse(&arena, buf_slice(&file), &root, NULL), RC_OK);
    yyjson_val *request = yyjson_arr_get(root, i);
    assert_non_null(request);
    static char origin[200], agent[200];
    yyjson_val *headers = json_get(request, "headers");
    snprintf(origin, sizeof(origin), "%.*s", SLICE_ARG(json_text(json_get(headers, "origin"))));
    snprintf(agent, sizeof(agent), "%.*s", SLICE_ARG(json_text(json_get(headers, "user-agent"))));
    bed_no_header("Authorization");
    bed_header("Origin", origin);
    bed_header("User-Agent", agent);
    char *to = buf_reserve(&body, 64 << 10);
    struct json_out out = {.p = to, .end = to + (64 << 10)};
    assert_int_equal(json_write(&out, json_get(request, "body"), NULL, &arena), JSON_FINE);
    buf_commit(&body, (size_t)(out.p - to));
    bed_post(buf_slice(&body));
    buf_done(&file);
    buf_done(&body);
    arena_done(&arena);
}
#endif
