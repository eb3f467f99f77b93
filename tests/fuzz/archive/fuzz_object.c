/* Any bytes as an NDJSON object whose manifest has its right size and digests: what is left to
 * catch is zstd, the lines, and their places. */
#include <string.h>

#include "archive/manifest.h"
#include "archive/reader.h"
#include "base/crc32c.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes_store {
    struct object_store super;
    struct slice object, manifest;
    char object_key[OBJECT_KEY_MAX + 1], manifest_key[OBJECT_KEY_MAX + 1];
};

static enum rc bytes_get(struct object_store *s, const char *key, uint64_t from, uint64_t bytes_max,
                         struct buf *into, uint64_t *ret_total, struct err *err)
{
    const struct bytes_store *b = CONTAINER_OF(s, struct bytes_store, super);
    bool is_manifest = strcmp(key, b->manifest_key) == 0;
    if (!is_manifest && strcmp(key, b->object_key) != 0)
        return err_set(err, RC_NOTFOUND, "no %s", key);
    struct slice part = slice_sub(is_manifest ? b->manifest : b->object, (size_t)from);
    if (part.len > bytes_max)
        part.len = (size_t)bytes_max;
    buf_add_slice(into, part);
    *ret_total = is_manifest ? b->manifest.len : b->object.len;
    return RC_OK;
}

static enum rc bytes_list(struct object_store *s, const char *prefix, const char *after,
                          struct object_page *page, struct err *err)
{
    const struct bytes_store *b = CONTAINER_OF(s, struct bytes_store, super);
    (void)prefix, (void)err;
    if (strcmp(b->manifest_key, after) > 0) {
        memcpy(page->items[0].key, b->manifest_key, sizeof(b->manifest_key));
        page->count = 1;
    }
    return RC_OK;
}

static void read_all(struct object_store *store)
{
    struct err err = ERR_INIT;
    struct archive_index *index = NULL;
    struct archive_reader *reader = NULL;
    struct stream_record record;
    struct archive_verify_result result;
    uint64_t next = 0;
    enum rc rc, verified;
    must(archive_index_open(store, "events", UINT32_MAX, &index, &err) == RC_OK);
    must(archive_reader_open(index, 0, 0, &reader, &err) == RC_OK);
    while ((rc = archive_reader_next(reader, &record, &err)) == RC_OK)
        must(record.offset == next++ && record.partition == 0);
    must(rc == RC_END || rc == RC_CORRUPT || rc == RC_NOMEM);
    archive_reader_close(reader);
    archive_index_free(index);
    verified = archive_verify(store, "events", (unix_ms){0}, (unix_ms){INT64_MAX / 2}, NULL, NULL,
                              &result, &err);
    must((verified == RC_OK) == (rc == RC_END));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct object_store_ops ops = {
        .name = "bytes", .get = bytes_get, .list = bytes_list};
    struct bytes_store store = {.super.ops = &ops};
    struct archive_part part = {0};
    struct err err = ERR_INIT;
    struct buf manifest;
    if (size < 2)
        return 0;
    part.last = data[0]; /* how many lines and bytes the manifest promises */
    store.object = slice_sub(slice_of((const char *)data, size), 2);
    struct archive_object *o = &part.objects[ARCHIVE_NDJSON_ZST];
    *o = (struct archive_object){
        .is_there = true, .bytes = size - 2, .raw_bytes = (uint64_t)data[1] << 6};
    sha256(store.object, o->sha256);
    o->crc32c = crc32c(0, store.object.data, store.object.len);
    struct archive_manifest m = {
        .stream = "events", .last = part.last, .part_count = 1, .parts = &part};
    m.time_max.ms = 3599999;
    archive_manifest_key(store.manifest_key, &m);
    archive_object_key(store.object_key, &m, &part, ARCHIVE_NDJSON_ZST);
    buf_init(&manifest, MANIFEST_BYTES_MAX);
    must(archive_manifest_encode(&m, &manifest, &err) == RC_OK);
    store.manifest = buf_slice(&manifest);
    read_all(&store.super);
    buf_done(&manifest);
    return 0;
}
