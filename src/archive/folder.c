/* WHAT        The object store that is a folder.
 * WHY         The default of one machine; also what tests and `weir archive verify` of a copied
 *             archive use.
 * LAYOUT      <dir>/<key>, and <dir>/.tmp/<random> while an object is written. No key can begin
 *             with '.', so the two never meet. A name appears by rename of a synced file, then
 *             its folder is synced.
 * INVARIANTS  Listing is in byte order of whole keys although it walks folders: a folder sorts
 *             as its name followed by '/', which is how its keys compare with their siblings
 *             ("a-b" < "a/b" < "a0").
 * THREADS     One. A second process may read at any time. */
#include "archive/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "base/random.h"

enum { WALK_DEPTH_MAX = 16 };

struct folder {
    struct object_store super;
    char dir[512];
};
struct object_upload {
    int fd;
    char temp[OS_PATH_MAX];
    char key[OBJECT_KEY_MAX + 1];
};

static struct folder *folder_of(struct object_store *s)
{
    return CONTAINER_OF(s, struct folder, super);
}

static void path_of(const struct folder *f, const char *key, char ret_path[OS_PATH_MAX])
{
    os_path(ret_path, "%s/%s", f->dir, key);
}

/* ---- writing ---- */

static enum rc folder_upload_begin(struct object_store *s, const char *key,
                                   struct object_upload **ret_upload, struct err *err)
{
    const struct folder *f = folder_of(s);
    struct object_upload *u = heap_try_alloc(HEAP_ARCHIVE, sizeof(*u));
    if (!u)
        return err_set(err, RC_NOMEM, "no memory to write %s", key);
    os_path(u->temp, "%s/.tmp/%016llx", f->dir, (unsigned long long)random_u64());
    memcpy(u->key, key, strlen(key) + 1);
    enum rc rc = os_open(u->temp, O_WRONLY | O_CREAT | O_EXCL, &u->fd, err);
    if (rc != RC_OK) {
        heap_free(u);
        return rc;
    }
    *ret_upload = u;
    return RC_OK;
}

static enum rc folder_upload_part(struct object_store *s, struct object_upload *u,
                                  struct slice part, struct err *err)
{
    (void)s;
    return os_write_all(u->fd, part.data, part.len, err);
}

static void upload_free(struct object_upload *u)
{
    os_closep(&u->fd);
    heap_free(u);
}

static void folder_upload_abort(struct object_store *s, struct object_upload *u)
{
    (void)s;
    struct err err = ERR_INIT;
    IGNORE(os_unlink_durable(u->temp, &err), "sweep removes what is left in .tmp");
    upload_free(u);
}

static enum rc put_in_place(const struct folder *f, struct object_upload *u, struct err *err)
{
    char path[OS_PATH_MAX], parent[OS_PATH_MAX];
    path_of(f, u->key, path);
    memcpy(parent, path, sizeof(parent));
    *strrchr(parent, '/') = '\0';
    TRY(os_fsync(u->fd, err));
    TRY(os_mkdirs(parent, err));
    return os_rename_durable(u->temp, path, err);
}

static enum rc folder_upload_complete(struct object_store *s, struct object_upload *u,
                                      struct err *err)
{
    enum rc rc = put_in_place(folder_of(s), u, err);
    if (rc != RC_OK) {
        folder_upload_abort(s, u);
        return rc;
    }
    upload_free(u);
    return RC_OK;
}

static enum rc folder_put(struct object_store *s, const char *key, struct slice content,
                          struct err *err)
{
    struct object_upload *u = NULL;
    TRY(folder_upload_begin(s, key, &u, err));
    must(u);
    enum rc rc = os_write_all(u->fd, content.data, content.len, err);
    if (rc != RC_OK) {
        folder_upload_abort(s, u);
        return rc;
    }
    return folder_upload_complete(s, u, err);
}

static enum rc folder_remove(struct object_store *s, const char *key, struct err *err)
{
    char path[OS_PATH_MAX];
    path_of(folder_of(s), key, path);
    if (!os_exists(path))
        return RC_OK;
    return os_unlink_durable(path, err);
}

static enum rc folder_sweep(struct object_store *s, struct err *err)
{
    char dir[OS_PATH_MAX];
    os_path(dir, "%s/.tmp", folder_of(s)->dir);
    TRY(os_remove_tree(dir, err));
    return os_mkdirs(dir, err);
}

/* ---- reading ---- */

static enum rc open_object(const struct folder *f, const char *key, int *ret_fd,
                           uint64_t *ret_bytes, struct err *err)
{
    char path[OS_PATH_MAX];
    path_of(f, key, path);
    TRY(os_open(path, O_RDONLY, ret_fd, err));
    if (os_is_dir(path))
        return err_set(err, RC_NOTFOUND, "there is no object %s, but keys below it", key);
    return os_size(*ret_fd, ret_bytes, err);
}

static enum rc folder_get(struct object_store *s, const char *key, uint64_t from,
                          uint64_t bytes_max, struct buf *into, uint64_t *ret_total,
                          struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    uint64_t total = 0;
    size_t got = 0;
    TRY(open_object(folder_of(s), key, &fd, &total, err));
    uint64_t want = from >= total ? 0 : total - from < bytes_max ? total - from : bytes_max;
    if (want) {
        char *to = buf_reserve(into, (size_t)want);
        if (!to)
            return err_set(err, RC_LIMIT, "%s: %llu bytes do not fit", key,
                           (unsigned long long)want);
        TRY(os_pread(fd, to, (size_t)want, from, &got, err));
        buf_commit(into, got);
    }
    *ret_total = total;
    return RC_OK;
}

static enum rc folder_head(struct object_store *s, const char *key, uint64_t *ret_bytes,
                           struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    return open_object(folder_of(s), key, &fd, ret_bytes, err);
}

/* ---- listing ---- */

struct walk {
    struct folder *f;
    const char *prefix, *after;
    struct object_page *page;
};
struct entry { /* one name of a folder as it sorts among keys: folders with their '/' */
    char name[OBJECT_SEGMENT_MAX + 2];
    bool is_dir;
};

static int by_key_bytes(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Could a key that starts with `path` (ending in '/') be asked for? Prefix first, then position. */
static bool is_wanted_dir(const struct walk *w, const char *path)
{
    size_t len = strlen(path), prefix_len = strlen(w->prefix);
    if (strncmp(path, w->prefix, len < prefix_len ? len : prefix_len) != 0)
        return false;
    return strncmp(path, w->after, len) >= 0; /* else every key below sorts before `after` */
}

static bool is_wanted_key(const struct walk *w, const char *key)
{
    return strncmp(key, w->prefix, strlen(w->prefix)) == 0 && strcmp(key, w->after) > 0 &&
           object_key_is_valid(slice_str(key));
}

static enum rc add_object(const struct walk *w, const char *key, struct err *err)
{
    struct object_page *page = w->page;
    if (page->count == OBJECT_PAGE_MAX) {
        page->has_more = true;
        return RC_END;
    }
    struct object_info *info = &page->items[page->count];
    enum rc rc = folder_head(&w->f->super, key, &info->bytes, err);
    if (rc == RC_NOTFOUND) /* removed between listing and looking */
        return RC_OK;
    TRY(rc);
    memcpy(info->key, key, strlen(key) + 1);
    page->count++;
    return RC_OK;
}

static enum rc read_entries(const char *path, struct entry **ret_entries, size_t *ret_n,
                            struct err *err)
{
    char **names = NULL;
    size_t n = 0, kept = 0;
    TRY(os_list(path, &names, &n, err));
    struct entry *entries = heap_try_alloc(HEAP_ARCHIVE, (n + 1) * sizeof(*entries));
    for (size_t i = 0; entries && i < n; i++) {
        char full[OS_PATH_MAX];
        size_t len = strlen(names[i]);
        if (len > OBJECT_SEGMENT_MAX || !object_key_is_valid(slice_str(names[i])))
            continue; /* .tmp, and what somebody else put there */
        os_path(full, "%s/%s", path, names[i]);
        struct entry *e = &entries[kept++];
        memcpy(e->name, names[i], len + 1);
        e->is_dir = os_is_dir(full);
        if (e->is_dir)
            memcpy(e->name + len, "/", 2);
    }
    os_list_free(names, n);
    if (!entries)
        return err_set(err, RC_NOMEM, "no memory to list %s", path);
    qsort(entries, kept, sizeof(*entries), by_key_bytes);
    *ret_entries = entries;
    *ret_n = kept;
    return RC_OK;
}

static enum rc walk_dir(const struct walk *w, const char *below, int depth, struct err *err)
{
    char path[OS_PATH_MAX], key[OS_PATH_MAX];
    CLEANUP(heap_freep) struct entry *entries = NULL;
    size_t n = 0;
    ENSURE(depth < WALK_DEPTH_MAX, RC_OK);
    path_of(w->f, below, path);
    TRY(read_entries(path, &entries, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (strlen(below) + strlen(entries[i].name) > OBJECT_KEY_MAX)
            continue;
        os_path(key, "%s%s", below, entries[i].name);
        if (entries[i].is_dir && is_wanted_dir(w, key))
            TRY(walk_dir(w, key, depth + 1, err));
        else if (!entries[i].is_dir && is_wanted_key(w, key))
            TRY(add_object(w, key, err));
    }
    return RC_OK;
}

static enum rc folder_list(struct object_store *s, const char *prefix, const char *after,
                           struct object_page *page, struct err *err)
{
    struct walk w = {.f = folder_of(s), .prefix = prefix, .after = after, .page = page};
    enum rc rc = walk_dir(&w, "", 0, err);
    return rc == RC_END ? RC_OK : rc;
}

static void folder_free(struct object_store *s)
{
    heap_free(folder_of(s));
}

static const struct object_store_ops folder_ops = {
    .name = "folder",
    .put = folder_put,
    .upload_begin = folder_upload_begin,
    .upload_part = folder_upload_part,
    .upload_complete = folder_upload_complete,
    .upload_abort = folder_upload_abort,
    .get = folder_get,
    .list = folder_list,
    .head = folder_head,
    .remove = folder_remove,
    .sweep = folder_sweep,
    .free = folder_free,
};

enum rc object_folder_new(const char *dir, struct object_store **ret_store, struct err *err)
{
    char temp[OS_PATH_MAX];
    struct folder probe;
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof(probe.dir) - 8)
        return err_set(err, RC_INVALID, "the path of the archive folder is empty or too long");
    os_path(temp, "%.*s/.tmp", (int)len, dir);
    TRY(os_mkdirs(temp, err));
    struct folder *f = heap_try_alloc(HEAP_ARCHIVE, sizeof(*f));
    if (!f)
        return err_set(err, RC_NOMEM, "no memory for an object store");
    f->super.ops = &folder_ops;
    memcpy(f->dir, dir, len);
    *ret_store = &f->super;
    return RC_OK;
}
