/* Any bytes as a file of any format: what comes out are records that the projector takes, each with
 * an id of its own, and the same ones the second time. The first byte chooses the format. */
#include <stdlib.h>
#include <string.h>

#include "analytics/event/event.h"
#include "analytics/import/import.h"
#include "base/must.h"
#include "codec/json.h"

static const char *const names[] = {"weir",  "access-log", "goatcounter", "goatcounter-api",
                                    "umami", "umami-api",  "posthog",     "segment",
                                    "ga4",   "matomo"};
static struct tenant_project project;
struct run {
    struct slice rest, all;
    uint64_t events, digest;
};

static enum rc read_piece(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err)
{
    struct run *r = ctx;
    (void)err;
    size_t n = r->rest.len < 7 ? r->rest.len : 7; /* small pieces: items are cut */
    *ret_len = n < cap ? n : cap;
    if (*ret_len)
        memcpy(to, r->rest.data, *ret_len);
    r->rest = slice_sub(r->rest, *ret_len);
    return RC_OK;
}

static enum rc rewind_all(void *ctx, struct err *err)
{
    struct run *r = ctx;
    (void)err;
    r->rest = r->all;
    return RC_OK;
}

static enum rc sink(void *ctx, struct stream_record *records, uint32_t count, uint32_t *ret_erased,
                    struct err *err)
{
    struct run *r = ctx;
    struct arena arena;
    *ret_erased = 0;
    arena_init(&arena, 64 << 10, 16 << 20);
    for (uint32_t i = 0; i < count; i++) {
        yyjson_val *root;
        struct uuid id;
        unix_ms t;
        arena_reset(&arena);
        must(json_parse(&arena, records[i].value, &root, err) == RC_OK);
        must(slice_eq_str(json_text(json_get(root, "project")), project.id_text));
        must(uuid_parse(json_text(json_get(root, "id")), &id));
        must(json_text(json_get(root, "event")).len > 0);
        must(time_parse(json_text(json_get(root, "timestamp")), &t) && t.ms >= 0 &&
             t.ms <= unix_now().ms + EVENT_FUTURE_MS_MAX);
        must(yyjson_is_true(json_get(root, "historical")));
        must(slice_has_prefix(records[i].key, slice_str(project.id_text)));
        for (size_t b = 0; b < sizeof(id.bytes); b++)
            r->digest = r->digest * 31 + id.bytes[b];
        r->events++;
    }
    arena_done(&arena);
    return RC_OK;
}

static enum rc import(const struct import_format *format, struct slice text, struct run *r)
{
    struct err err = ERR_INIT;
    struct import_counts *counts = malloc(sizeof(*counts));
    must(counts);
    *r = (struct run){.rest = text, .all = text};
    struct import_join *join = import_join_new(1 << 20);
    const struct import_cfg cfg = {.format = format,
                                   .project = &project,
                                   .read = read_piece,
                                   .rewind = rewind_all,
                                   .join = join,
                                   .ends_join = true,
                                   .read_ctx = r,
                                   .sink = sink,
                                   .sink_ctx = r,
                                   .plain_bytes_max = 1 << 20};
    enum rc rc = import_run(&cfg, counts, &err);
    import_join_free(join);
    must(rc == RC_OK || err.text[0]);
    must(counts->imported == r->events && counts->rejected <= counts->lines);
    free(counts);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run first, second;
    if (!size)
        return 0;
    uuid_parse(SLICE_LIT("0198c0de-0000-7000-8000-000000000001"), &project.id);
    uuid_format(&project.id, project.id_text);
    const struct import_format *format =
        import_format_find(slice_str(names[data[0] % COUNT_OF(names)]));
    must(format);
    struct slice text = slice_of((const char *)data + 1, size - 1);
    enum rc a = import(format, text, &first), b = import(format, text, &second);
    must(a == b && first.events == second.events && first.digest == second.digest);
    return 0;
}
