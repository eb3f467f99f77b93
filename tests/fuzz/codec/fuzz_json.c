/* What is read and written again is not longer, is read again, and does not change any more;
 * cutting never leaves the text. */
#include <stdlib.h>

#include "base/must.h"
#include "codec/json.h"

enum { TEXT_MAX = 1 << 16 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut(struct slice text)
{
    struct json_items items;
    struct json_members members;
    struct json_span span;
    struct slice key, line, rest = text;
    if (json_items_begin(&items, text) == RC_OK)
        while (json_items_next(&items, &span) == RC_OK)
            must(span.text.data >= text.data && span.text.len &&
                 span.text.data + span.text.len <= text.data + text.len);
    if (json_members_begin(&members, text) == RC_OK)
        while (json_members_next(&members, &key, &span) == RC_OK)
            must(key.data > text.data && span.text.data + span.text.len <= text.data + text.len);
    while (json_line_next(&rest, &line))
        must(line.len);
}

static bool rewrite(struct arena *a, struct slice text, char *to, struct slice *ret)
{
    yyjson_val *v;
    struct json_out out = {.p = to, .end = to + text.len};
    arena_reset(a);
    if (json_parse(a, text, &v, NULL) != RC_OK || json_write(&out, v, NULL, a) != JSON_FINE)
        return false;
    must(!out.is_full);
    *ret = slice_of(to, (size_t)(out.p - to));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static char first[TEXT_MAX], second[TEXT_MAX];
    struct slice text = slice_of((const char *)data, size), one, two;
    if (size > TEXT_MAX)
        return 0;
    if (!arena.bytes_max)
        arena_init(&arena, 1 << 16, 8 << 20);
    cut(text);
    if (rewrite(&arena, text, first, &one)) {
        must(rewrite(&arena, one, second, &two));
        must(slice_eq(one, two));
    }
    return 0;
}
