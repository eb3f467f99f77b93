/* WHAT  The checked face of every object store: keys and sizes are validated here, once.
 * WHY   A key reaches a folder as a path and S3 as part of an address; one law in front of both
 *       means that no implementation can be talked out of its root. */
#include "archive/object.h"

#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '=' || c == '-';
}

static bool is_valid_segment(struct slice segment)
{
    if (segment.len == 0 || segment.len > OBJECT_SEGMENT_MAX || segment.data[0] == '.')
        return false;
    for (size_t i = 0; i < segment.len; i++)
        if (!is_key_byte(segment.data[i]))
            return false;
    return true;
}

bool object_key_is_valid(struct slice key)
{
    if (key.len == 0 || key.len > OBJECT_KEY_MAX || key.data[key.len - 1] == '/')
        return false;
    struct slice rest = key;
    while (rest.len)
        if (!is_valid_segment(slice_cut(&rest, '/')))
            return false;
    return true;
}

static enum rc check_key(const char *key, struct err *err)
{
    if (object_key_is_valid(slice_str(key)))
        return RC_OK;
    return err_set(err, RC_INVALID, "not an object key: \"%.100s\"", key);
}

/* A prefix may end anywhere in a segment; what stands before must be a key, and no byte may be
 * foreign. */
static enum rc check_prefix(const char *prefix, struct err *err)
{
    char probe[OBJECT_KEY_MAX + 2];
    size_t len = strlen(prefix);
    if (len < OBJECT_KEY_MAX) {
        snprintf(probe, sizeof(probe), "%sx", prefix);
        if (object_key_is_valid(slice_of(probe, len + 1)))
            return RC_OK;
    }
    return err_set(err, RC_INVALID, "not a key prefix: \"%.100s\"", prefix);
}

enum rc object_put(struct object_store *s, const char *key, struct slice content, struct err *err)
{
    TRY(check_key(key, err));
    if (content.len > OBJECT_PUT_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%s: %zu bytes are too many for one put", key, content.len);
    return s->ops->put(s, key, content, err);
}

enum rc object_upload_begin(struct object_store *s, const char *key,
                            struct object_upload **ret_upload, struct err *err)
{
    TRY(check_key(key, err));
    return s->ops->upload_begin(s, key, ret_upload, err);
}

enum rc object_upload_part(struct object_store *s, struct object_upload *u, struct slice part,
                           struct err *err)
{
    must(part.len > 0 && part.len <= OBJECT_PART_BYTES);
    return s->ops->upload_part(s, u, part, err);
}

enum rc object_upload_complete(struct object_store *s, struct object_upload *u, struct err *err)
{
    return s->ops->upload_complete(s, u, err);
}

void object_upload_abort(struct object_store *s, struct object_upload *u)
{
    if (u)
        s->ops->upload_abort(s, u);
}

enum rc object_get(struct object_store *s, const char *key, uint64_t from, uint64_t bytes_max,
                   struct buf *into, uint64_t *ret_total, struct err *err)
{
    uint64_t total = 0;
    TRY(check_key(key, err));
    TRY(s->ops->get(s, key, from, bytes_max, into, &total, err));
    if (ret_total)
        *ret_total = total;
    return RC_OK;
}

enum rc object_list(struct object_store *s, const char *prefix, const char *after,
                    struct object_page *page, struct err *err)
{
    if (*prefix)
        TRY(check_prefix(prefix, err));
    if (*after)
        TRY(check_key(after, err));
    page->count = 0;
    page->has_more = false;
    TRY(s->ops->list(s, prefix, after, page, err));
    must(page->count <= OBJECT_PAGE_MAX);
    return RC_OK;
}

enum rc object_head(struct object_store *s, const char *key, uint64_t *ret_bytes, struct err *err)
{
    TRY(check_key(key, err));
    return s->ops->head(s, key, ret_bytes, err);
}

enum rc object_remove(struct object_store *s, const char *key, struct err *err)
{
    TRY(check_key(key, err));
    return s->ops->remove(s, key, err);
}

enum rc object_sweep(struct object_store *s, struct err *err)
{
    return s->ops->sweep ? s->ops->sweep(s, err) : RC_OK;
}

void object_store_free(struct object_store *s)
{
    if (s)
        s->ops->free(s);
}

enum rc object_each(struct object_store *s, const char *prefix,
                    enum rc (*each)(void *ctx, const struct object_info *info, struct err *err),
                    void *ctx, struct err *err)
{
    char after[OBJECT_KEY_MAX + 1] = "";
    CLEANUP(heap_freep)
    struct object_info *items = heap_try_alloc(HEAP_ARCHIVE, OBJECT_PAGE_MAX * sizeof(*items));
    if (!items)
        return err_set(err, RC_NOMEM, "no memory to list objects");
    struct object_page page = {.items = items, .has_more = true};
    while (page.has_more) {
        TRY(object_list(s, prefix, after, &page, err));
        for (uint32_t i = 0; i < page.count; i++)
            TRY(each(ctx, &items[i], err));
        if (page.count == 0)
            break;
        memcpy(after, items[page.count - 1].key, sizeof(after));
    }
    return RC_OK;
}
