/* Any bytes as a record of the stream and as a Last-Event-ID: what is written is one event of
 * text/event-stream, and a place that is read comes back as it was. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "analytics/live/live_int.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct live_place place = {.count = 2, .next = {1, 2}}, back;
    struct arena arena;
    CLEANUP(buf_done) struct buf out;
    arena_init(&arena, 64 * 1024, 2 << 20);
    buf_init(&out, LIVE_EVENT_BYTES_MAX);
    if (live_event_text(text, &place, &arena, &out)) {
        size_t ends = 0;
        for (size_t i = 0; i < out.len; i++)
            ends += out.data[i] == '\n';
        must(ends == 3 && out.data[out.len - 1] == '\n' && !memchr(out.data, '\r', out.len));
    }
    for (uint32_t count = 1; count <= 3; count++) {
        char id[LIVE_ID_BYTES_MAX];
        if (!live_place_parse(text, count, &place))
            continue;
        live_place_text(&place, id);
        must(live_place_parse(slice_str(id), count, &back));
        must(memcmp(place.next, back.next, sizeof(place.next)) == 0);
    }
    arena_done(&arena);
    return 0;
}
