#ifndef WEIR_ARCHIVE_OBJECT_H
#define WEIR_ARCHIVE_OBJECT_H
/* An object store as the archive needs it: whole objects under keys, never changed in place. A
 * folder (object_folder_new) today, S3 and compatibles behind the same table later.
 *
 * DURABLE  RC_OK of put and upload_complete means: the whole object is there under its key and
 *          survives a power loss. Before that a reader sees the former object or none, never a part
 *          of one.
 * KEYS     1..OBJECT_KEY_MAX bytes of [A-Za-z0-9._=-] in segments joined by '/'; no empty segment,
 *          none that starts with '.', none longer than 200 bytes. object_*() refuse anything else
 *          with RC_INVALID before the store sees it, so no implementation has to think of "..".
 * ERRORS   RC_NOTFOUND is an answer; RC_UNAVAILABLE, RC_TIMEOUT, RC_IO, RC_NOSPACE are worth a
 *          retry, and every call here may simply be made again.
 * THREADS  one at a time per store object. Every call blocks: never on an edge loop. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

enum {
    OBJECT_KEY_MAX = 512,
    OBJECT_SEGMENT_MAX = 200,
    OBJECT_PAGE_MAX = 1000,         /* S3's own */
    OBJECT_PUT_BYTES_MAX = 8 << 20, /* larger: upload in parts */
    OBJECT_PART_BYTES = 8 << 20,    /* every part but the last one has exactly this size */
};
struct object_info {
    char key[OBJECT_KEY_MAX + 1];
    uint64_t bytes;
};
struct object_page {
    struct object_info *items; /* the caller's, room for OBJECT_PAGE_MAX */
    uint32_t count;
    bool has_more; /* call again with after = the last key */
};
struct object_store;
struct object_upload; /* one upload in parts; the implementation's */
struct object_store_ops {
    const char *name; /* "folder" */
    enum rc (*put)(struct object_store *s, const char *key, struct slice content, struct err *err);
    enum rc (*upload_begin)(struct object_store *s, const char *key, struct object_upload **ret,
                            struct err *err);
    enum rc (*upload_part)(struct object_store *s, struct object_upload *u, struct slice part,
                           struct err *err);
    /* Frees u in any case; after a failure the object is as before. */
    enum rc (*upload_complete)(struct object_store *s, struct object_upload *u, struct err *err);
    void (*upload_abort)(struct object_store *s, struct object_upload *u); /* frees */
    enum rc (*get)(struct object_store *s, const char *key, uint64_t from, uint64_t bytes_max,
                   struct buf *into, uint64_t *ret_total, struct err *err);
    enum rc (*list)(struct object_store *s, const char *prefix, const char *after,
                    struct object_page *page, struct err *err);
    enum rc (*head)(struct object_store *s, const char *key, uint64_t *ret_bytes, struct err *err);
    enum rc (*remove)(struct object_store *s, const char *key, struct err *err);
    /* Optional: drops what crashed uploads left behind. For the only writer, before it writes. */
    enum rc (*sweep)(struct object_store *s, struct err *err);
    void (*free)(struct object_store *s);
};
struct object_store { /* first member of every implementation */
    const struct object_store_ops *ops;
};

bool object_key_is_valid(struct slice key);
/* A whole object of at most OBJECT_PUT_BYTES_MAX; replaces a former one. */
enum rc object_put(struct object_store *s, const char *key, struct slice content,
                   struct err *err) MUST_CHECK;
enum rc object_upload_begin(struct object_store *s, const char *key,
                            struct object_upload **ret_upload, struct err *err) MUST_CHECK;
enum rc object_upload_part(struct object_store *s, struct object_upload *u, struct slice part,
                           struct err *err) MUST_CHECK;
enum rc object_upload_complete(struct object_store *s, struct object_upload *u,
                               struct err *err) MUST_CHECK;
void object_upload_abort(struct object_store *s, struct object_upload *u);
/* Appends up to bytes_max bytes from offset `from` (less only at the end). *ret_total (NULL is
 * allowed) = size of the object. RC_NOTFOUND. RC_LIMIT: into is full. */
enum rc object_get(struct object_store *s, const char *key, uint64_t from, uint64_t bytes_max,
                   struct buf *into, uint64_t *ret_total, struct err *err) MUST_CHECK;
/* Keys that start with prefix ("" = all) and sort after `after` ("" = from the first), in byte
 * order. */
enum rc object_list(struct object_store *s, const char *prefix, const char *after,
                    struct object_page *page, struct err *err) MUST_CHECK;
/* RC_NOTFOUND if there is none. */
enum rc object_head(struct object_store *s, const char *key, uint64_t *ret_bytes,
                    struct err *err) MUST_CHECK;
enum rc object_remove(struct object_store *s, const char *key,
                      struct err *err) MUST_CHECK; /* RC_OK if gone */
enum rc object_sweep(struct object_store *s, struct err *err) MUST_CHECK;
void object_store_free(struct object_store *s); /* NULL is allowed */
DEFINE_CLEANUP(struct object_store *, object_store_free)

/* Calls each for every key under prefix, page by page, in byte order; not RC_OK stops. */
enum rc object_each(struct object_store *s, const char *prefix,
                    enum rc (*each)(void *ctx, const struct object_info *info, struct err *err),
                    void *ctx, struct err *err) MUST_CHECK;

/* A folder: key = path below it. Temporary files lie in <dir>/.tmp. Makes the folder if missing. */
enum rc object_folder_new(const char *dir, struct object_store **ret_store,
                          struct err *err) MUST_CHECK;
#endif
