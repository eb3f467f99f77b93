/* WHAT  Object store -> ranges -> zstd -> lines, with the digest of what came in.
 * WHY   Replay, verification and the Parquet work all read an object once, front to back; memory
 *       stays at one range, one line and zstd's window (capped by the codec), whatever a hostile
 *       object claims. */
#include "archive/lines_int.h"

#include <inttypes.h>
#include <string.h>

#include "archive/digest_int.h"
#include "archive/line_int.h"
#include "base/heap.h"
#include "codec/compress.h"

enum { RANGE_BYTES = 1 << 20, STEP_BYTES = 256 << 10 };

struct lines {
    struct object_store *objects;
    const struct archive_part *part;
    const struct archive_object *want;
    char key[OBJECT_KEY_MAX + 1];
    struct decoder *decoder;
    struct buf range;   /* compressed bytes of the object, from `at` back */
    struct slice in;    /* what of range is not decoded yet */
    uint64_t at;        /* next byte to get */
    bool is_fetched;    /* the object's last byte is in range or behind */
    struct buf text;    /* decoded bytes from `taken` on */
    size_t taken, seen; /* lines given out; bytes known to hold no '\n' */
    uint64_t raw_bytes, count;
    struct digest digest;
};

static enum rc corrupt(const struct lines *l, struct err *err, const char *what)
{
    return err_set(err, RC_CORRUPT, "%s: %s", l->key, what);
}

enum rc lines_open(struct object_store *objects, const struct archive_manifest *m,
                   const struct archive_part *part, struct lines **ret_lines, struct err *err)
{
    CLEANUP(lines_closep) struct lines *l = heap_try_alloc(HEAP_ARCHIVE, sizeof(*l));
    if (!l)
        return err_set(err, RC_NOMEM, "no memory to read the archive");
    l->objects = objects;
    l->part = part;
    l->want = &part->objects[ARCHIVE_NDJSON_ZST];
    archive_object_key(l->key, m, part, ARCHIVE_NDJSON_ZST);
    buf_init(&l->range, RANGE_BYTES);
    buf_init(&l->text, LINE_BYTES_MAX + 2 * STEP_BYTES);
    l->decoder = decoder_new();
    if (!l->decoder)
        return err_set(err, RC_NOMEM, "no memory for a zstd decompressor");
    TRY(decoder_start(l->decoder, CODEC_ZSTD));
    TRY(digest_init(&l->digest, err));
    *ret_lines = take_ptr(&l);
    return RC_OK;
}

void lines_close(struct lines *l)
{
    if (!l)
        return;
    decoder_free(l->decoder);
    digest_done(&l->digest);
    buf_done(&l->range);
    buf_done(&l->text);
    heap_free(l);
}

static enum rc fetch(struct lines *l, struct err *err)
{
    uint64_t total = 0;
    buf_clear(&l->range);
    TRY(object_get(l->objects, l->key, l->at, RANGE_BYTES, &l->range, &total, err));
    if (total != l->want->bytes)
        return corrupt(l, err, "its size is not what the manifest says");
    l->in = buf_slice(&l->range);
    l->at += l->in.len;
    digest_add(&l->digest, l->in);
    l->is_fetched = l->at == total;
    if (l->in.len == 0 && !l->is_fetched)
        return corrupt(l, err, "it ends early");
    return RC_OK;
}

/* More decoded text, or RC_END when there is none. */
static enum rc decode_more(struct lines *l, struct err *err)
{
    size_t got = 0;
    do {
        if (l->in.len == 0 && !l->is_fetched)
            TRY(fetch(l, err));
        char *to = buf_reserve(&l->text, STEP_BYTES);
        if (!to)
            return corrupt(l, err, "a line is too long");
        enum rc rc = decoder_feed(l->decoder, &l->in, to, STEP_BYTES, &got);
        if (rc == RC_NOMEM)
            return err_set(err, rc, "no memory to read %s", l->key);
        if (rc != RC_OK)
            return corrupt(l, err, "it is not whole zstd");
        buf_commit(&l->text, got);
        l->raw_bytes += got;
        if (l->raw_bytes > l->want->raw_bytes)
            return corrupt(l, err, "it holds more than the manifest says");
    } while (got == 0 && !(l->in.len == 0 && l->is_fetched));
    return got ? RC_OK : RC_END;
}

static enum rc check_end(struct lines *l, struct err *err)
{
    struct archive_object got = {0};
    if (l->text.len != l->taken)
        return corrupt(l, err, "it ends inside a line");
    if (decoder_finish(l->decoder) != RC_OK)
        return corrupt(l, err, "its zstd frame has no end");
    if (l->count != l->part->last - l->part->first + 1)
        return corrupt(l, err, "the number of its lines is not what the manifest says");
    if (l->raw_bytes != l->want->raw_bytes)
        return corrupt(l, err, "its decompressed size is not what the manifest says");
    digest_end(&l->digest, &got);
    if (!digest_is_same(&got, l->want))
        return corrupt(l, err, "its SHA-256 is not what the manifest says");
    return RC_END;
}

enum rc lines_next(struct lines *l, struct slice *ret_line, struct err *err)
{
    for (;;) {
        size_t len = l->text.len - l->taken;
        const char *from = len ? l->text.data + l->taken : NULL;
        const char *end = len > l->seen ? memchr(from + l->seen, '\n', len - l->seen) : NULL;
        if (end) {
            *ret_line = slice_of(from, (size_t)(end - from));
            l->taken += ret_line->len + 1;
            l->seen = 0;
            l->count++;
            return RC_OK;
        }
        buf_drop_front(&l->text, l->taken);
        l->taken = 0;
        l->seen = l->text.len;
        enum rc rc = decode_more(l, err);
        if (rc == RC_END)
            return check_end(l, err);
        TRY(rc);
    }
}
