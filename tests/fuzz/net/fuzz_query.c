/* Query parameters: what is encoded comes back as it was; decoding never gets longer, never holds a
 * NUL, and what net_query_get() says is what a splitter of its own finds. Input: the length of a
 * name, the name, the query. */
#include "base/must.h"
#include "http/url.h"
#include "net/net.h"

enum { TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice encode(struct slice text, char to[TEXT_MAX * 3])
{
    static const char hex[] = "0123456789aBcDeF";
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        to[n++] = '%';
        to[n++] = hex[c >> 4];
        to[n++] = hex[c & 15];
    }
    return slice_of(to, n);
}

static bool has(struct slice text, char c)
{
    return text.len && memchr(text.data, c, text.len);
}

static void check_decoding(struct arena *a, struct slice text)
{
    static char encoded[TEXT_MAX * 3];
    struct slice out;
    arena_reset(a);
    if (url_decode(a, text, true, &out))
        must(out.len <= text.len && !has(out, '\0'));
    bool is_plain = !has(text, '%') && !has(text, '\0');
    if (url_decode(a, text, false, &out))
        must(!is_plain || slice_eq(out, text));
    else
        must(!is_plain);
    arena_reset(a);
    must(url_decode(a, encode(text, encoded), true, &out) == !has(text, '\0'));
    must(has(text, '\0') || slice_eq(out, text));
}

static bool find(struct slice query, struct slice name, struct slice *ret)
{
    size_t at = 0;
    while (at < query.len) {
        size_t end = at;
        while (end < query.len && query.data[end] != '&')
            end++;
        size_t equal = at;
        while (equal < end && query.data[equal] != '=')
            equal++;
        if (slice_eq(slice_of(query.data + at, equal - at), name)) {
            *ret = equal < end ? slice_of(query.data + equal + 1, end - equal - 1) : SLICE_EMPTY;
            return true;
        }
        at = end + 1;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    char name[16];
    struct slice raw, got, wanted;
    if (size == 0 || size > TEXT_MAX)
        return 0;
    if (!arena.bytes_max)
        arena_init(&arena, 1 << 14, 1 << 20);
    size_t len = data[0] % sizeof(name);
    if (len > size - 1)
        return 0;
    memcpy(name, data + 1, len);
    name[len] = '\0';
    struct slice query = slice_of((const char *)data + 1 + len, size - 1 - len);
    check_decoding(&arena, query);
    arena_reset(&arena);
    const struct net_request req = {.arena = &arena, .query = query};
    bool is_found = net_query_get(&req, name, &got);
    bool is_there = find(query, slice_str(name), &raw);
    if (!is_there)
        must(!is_found);
    else
        must(is_found == url_decode(&arena, raw, true, &wanted));
    must(!is_found || slice_eq(got, wanted));
    return 0;
}
