/* Any bytes as a line of the archive, and as the parts of a record. */
#include <string.h>

#include "archive/line_int.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct stream_record *a, const struct stream_record *b)
{
    return slice_eq(a->key, b->key) && slice_eq(a->headers, b->headers) &&
           slice_eq(a->value, b->value) && a->offset == b->offset && a->partition == b->partition &&
           a->time.ms == b->time.ms;
}

static void record_and_back(const struct stream_record *record)
{
    struct buf line, scratch;
    struct stream_record got;
    struct err err = ERR_INIT;
    buf_init(&line, LINE_BYTES_MAX);
    buf_init(&scratch, LINE_BYTES_MAX);
    must(line_encode(record, &line, &err) == RC_OK);
    must(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
    must(line_decode(slice_of(line.data, line.len - 1), &scratch, &got, &err) == RC_OK);
    must(is_same(record, &got));
    buf_done(&line);
    buf_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct buf line, scratch;
    struct stream_record got;
    struct err err = ERR_INIT;
    if (size > 1 << 16)
        return 0;
    buf_init(&line, LINE_BYTES_MAX);
    buf_init(&scratch, LINE_BYTES_MAX);
    if (line_decode(text, &scratch, &got, &err) == RC_OK) {
        must(line_encode(&got, &line, &err) == RC_OK);
        must(line.len == size + 1 && memcmp(line.data, data, size) == 0);
    }
    buf_done(&line);
    buf_done(&scratch);
    if (size >= 2) { /* two lengths, then key, headers, value */
        size_t key = data[0], headers = data[1];
        struct slice rest = slice_sub(text, 2);
        key = key < rest.len ? key : rest.len;
        headers = headers < rest.len - key ? headers : rest.len - key;
        record_and_back(&(struct stream_record){.key = slice_of(rest.data, key),
                                                .headers = slice_of(rest.data + key, headers),
                                                .value = slice_sub(rest, key + headers),
                                                .time = {1795000000000},
                                                .offset = size});
    }
    return 0;
}
