/* Copies of files and folders, for backups: durable before they are reported. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"

enum { COPY_BYTES = 1 << 20 };

static enum rc copy_bytes(int from, int to, uint64_t bytes, const char *name, struct err *err)
{
    CLEANUP(heap_freep) char *block = heap_try_alloc(HEAP_MISC, COPY_BYTES);
    if (!block)
        return err_set(err, RC_NOMEM, "no memory to copy %s", name);
    for (uint64_t at = 0; at < bytes;) {
        size_t want = bytes - at < COPY_BYTES ? (size_t)(bytes - at) : COPY_BYTES, got;
        TRY(os_pread(from, block, want, at, &got, err));
        TRY(os_write_all(to, block, got, err));
        at += got;
        if (got < want && bytes != UINT64_MAX)
            return err_set(err, RC_CORRUPT, "%s is shorter than the %llu bytes it had", name,
                           (unsigned long long)bytes);
        if (got < want)
            break;
    }
    return os_fsync(to, err);
}

enum rc os_copy_file(const char *from, const char *to, uint64_t bytes, struct err *err)
{
    CLEANUP(os_closep) int in = -1;
    CLEANUP(os_closep) int out = -1;
    struct stat st;
    TRY(os_open(from, O_RDONLY, &in, err));
    TRY(os_open(to, O_WRONLY | O_CREAT | O_EXCL, &out, err));
    if (fstat(in, &st) == 0)
        IGNORE(fchmod(out, st.st_mode & 0777) != 0, "the mode of a new file is stricter");
    return copy_bytes(in, out, bytes, from, err);
}

enum rc os_copy_whole(const char *from, const char *to, struct err *err)
{
    return os_copy_file(from, to, UINT64_MAX, err);
}

enum rc os_link_or_copy(const char *from, const char *to, struct err *err)
{
    struct err why = ERR_INIT;
    enum rc rc = os_link(from, to, &why);
    if (rc == RC_UNSUPPORTED)
        return os_copy_whole(from, to, err);
    if (rc != RC_OK && err)
        *err = why;
    return rc;
}

static enum rc copy_entry(const char *from, const char *to, const char *name, os_copy_fn *copy_one,
                          struct err *err)
{
    char source[OS_PATH_MAX], target[OS_PATH_MAX];
    struct stat st;
    struct err why = ERR_INIT;
    enum rc rc = RC_OK;
    os_path(source, "%s/%s", from, name);
    os_path(target, "%s/%s", to, name);
    if (lstat(source, &st) != 0)
        return RC_OK; /* removed since the folder was listed */
    if (S_ISDIR(st.st_mode))
        rc = os_copy_tree(source, target, copy_one, &why);
    else if (S_ISREG(st.st_mode) && !strstr(name, ".tmp"))
        rc = copy_one(source, target, &why);
    if (rc == RC_NOTFOUND && !os_exists(source))
        return RC_OK;
    if (rc != RC_OK && err)
        *err = why;
    return rc;
}

enum rc os_copy_tree(const char *from, const char *to, os_copy_fn *copy_one, struct err *err)
{
    char **names;
    size_t count;
    if (!os_is_dir(from))
        return RC_OK;
    TRY(os_mkdirs(to, err));
    TRY(os_list(from, &names, &count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = copy_entry(from, to, names[i], copy_one, err);
    os_list_free(names, count);
    TRY(rc);
    return os_sync_dir(to, err);
}
