#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int real_free_bytes(const char *path, uint64_t *ret)
{
    struct statvfs vfs;
    if (statvfs(path, &vfs) != 0)
        return -1;
    *ret = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return 0;
}

const struct os_calls os_calls_real = {
    .open = real_open,
    .close = close,
    .read = read,
    .pread = pread,
    .write = write,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .fallocate = fallocate,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .fstat = fstat,
    .free_bytes = real_free_bytes,
};

static const struct os_calls *os = &os_calls_real;

void os_calls_set(const struct os_calls *calls)
{
    os = calls ? calls : &os_calls_real;
}

enum rc os_open(const char *path, int flags, int *ret_fd, struct err *err)
{
    int fd;
    do {
        fd = os->open(path, flags | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    *ret_fd = fd;
    return RC_OK;
}

void os_close(int fd)
{
    if (fd >= 0)
        os->close(fd);
}

enum rc os_pread(int fd, void *to, size_t n, uint64_t at, size_t *ret_n, struct err *err)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = os->pread(fd, (char *)to + got, n - got, (off_t)(at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_sys(err, errno, "cannot read %zu bytes at %llu", n, (unsigned long long)at);
        if (r == 0)
            break;
        got += (size_t)r;
    }
    *ret_n = got;
    return RC_OK;
}

/* Drop the first n written bytes from the array; returns how many entries are used up. */
static int iov_advance(struct iovec *iov, int count, size_t n)
{
    int done = 0;
    while (done < count && n >= iov[done].iov_len) {
        n -= iov[done].iov_len;
        done++;
    }
    if (done < count && n) {
        iov[done].iov_base = (char *)iov[done].iov_base + n;
        iov[done].iov_len -= n;
    }
    return done;
}

enum rc os_pwritev_all(int fd, struct iovec *iov, int n, uint64_t at, uint64_t *ret_written,
                       struct err *err)
{
    uint64_t written = 0;
    enum rc rc = RC_OK;
    int skip = iov_advance(iov, n, 0); /* leading empty entries */
    while (skip < n) {
        int batch = n - skip > IOV_MAX ? IOV_MAX : n - skip;
        ssize_t r = os->pwritev(fd, iov + skip, batch, (off_t)(at + written));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            rc = err_sys(err, r == 0 ? EIO : errno, "cannot write at %llu",
                         (unsigned long long)(at + written));
            break;
        }
        written += (uint64_t)r;
        skip += iov_advance(iov + skip, n - skip, (size_t)r);
    }
    if (ret_written)
        *ret_written = written;
    return rc;
}

enum rc os_write_all(int fd, const void *from, size_t n, struct err *err)
{
    const char *p = from;
    while (n) {
        ssize_t r = os->write(fd, p, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return err_sys(err, r == 0 ? EIO : errno, "cannot write %zu bytes", n);
        p += r;
        n -= (size_t)r;
    }
    return RC_OK;
}

enum rc os_fdatasync(int fd, struct err *err)
{
    return os->fdatasync(fd) == 0 ? RC_OK : err_sys(err, errno, "fdatasync failed");
}

enum rc os_fsync(int fd, struct err *err)
{
    return os->fsync(fd) == 0 ? RC_OK : err_sys(err, errno, "fsync failed");
}

enum rc os_write_start(int fd, uint64_t at, uint64_t len, struct err *err)
{
    if (sync_file_range(fd, (off_t)at, (off_t)len, SYNC_FILE_RANGE_WRITE) == 0 || errno == ENOSYS ||
        errno == EINVAL || errno == ESPIPE || errno == EOPNOTSUPP)
        return RC_OK;
    return err_sys(err, errno, "cannot write back");
}

enum rc os_truncate(int fd, uint64_t size, struct err *err)
{
    int r;
    do {
        r = os->ftruncate(fd, (off_t)size);
    } while (r != 0 && errno == EINTR);
    return r == 0
               ? RC_OK
               : err_sys(err, errno, "cannot cut the file to %llu bytes", (unsigned long long)size);
}

enum rc os_reserve(int fd, uint64_t at, uint64_t len, struct err *err)
{
    int r;
    do {
        r = os->fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len);
    } while (r != 0 && errno == EINTR);
    if (r == 0)
        return RC_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return err_set(err, RC_UNSUPPORTED, "the file system cannot reserve space");
    return err_sys(err, errno, "cannot reserve %llu bytes", (unsigned long long)len);
}

enum rc os_size(int fd, uint64_t *ret_size, struct err *err)
{
    struct stat st;
    if (os->fstat(fd, &st) != 0)
        return err_sys(err, errno, "cannot stat");
    *ret_size = (uint64_t)st.st_size;
    return RC_OK;
}

enum rc os_sync_dir(const char *dir, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(os_open(dir, O_RDONLY | O_DIRECTORY, &fd, err));
    if (os->fsync(fd) != 0)
        return err_sys(err, errno, "cannot sync folder %s", dir);
    return RC_OK;
}

static void parent_of(const char *path, char ret_dir[OS_PATH_MAX])
{
    size_t len = strlen(path);
    must(len < OS_PATH_MAX);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0) {
        ret_dir[0] = '.';
        len = 1;
    } else {
        memcpy(ret_dir, path, len);
    }
    ret_dir[len] = '\0';
}

enum rc os_mkdirs(const char *dir, struct err *err)
{
    if (strlen(dir) >= OS_PATH_MAX)
        return err_set(err, RC_LIMIT, "path too long: %.100s...", dir);
    if (os_is_dir(dir))
        return RC_OK;
    char parent[OS_PATH_MAX];
    parent_of(dir, parent);
    TRY(os_mkdirs(parent, err));
    if (os->mkdir(dir, 0750) != 0 && errno != EEXIST)
        return err_sys(err, errno, "cannot make folder %s", dir);
    if (!os_is_dir(dir))
        return err_set(err, RC_INVALID, "%s exists and is not a folder", dir);
    return os_sync_dir(parent, err);
}

enum rc os_rename_durable(const char *from, const char *to, struct err *err)
{
    char dir[OS_PATH_MAX];
    if (os->rename(from, to) != 0)
        return err_sys(err, errno, "cannot rename %s to %s", from, to);
    parent_of(to, dir);
    return os_sync_dir(dir, err);
}

enum rc os_link(const char *from, const char *to, struct err *err)
{
    if (link(from, to) == 0)
        return RC_OK;
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK)
        return err_set(err, RC_UNSUPPORTED, "%s cannot be linked to %s", from, to);
    return err_sys(err, errno, "cannot link %s to %s", from, to);
}

enum rc os_unlink_durable(const char *path, struct err *err)
{
    char dir[OS_PATH_MAX];
    if (os->unlink(path) != 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove %s", path);
    parent_of(path, dir);
    return os_sync_dir(dir, err);
}

enum rc os_write_file_durable(const char *path, struct slice content, struct err *err)
{
    char temp[OS_PATH_MAX];
    CLEANUP(os_closep) int fd = -1;
    os_path(temp, "%s.tmp%08x", path, (unsigned)random_u64());
    TRY(os_open(temp, O_WRONLY | O_CREAT | O_EXCL, &fd, err));
    enum rc rc = os_write_all(fd, content.data, content.len, err);
    if (rc == RC_OK)
        rc = os_fsync(fd, err);
    if (rc == RC_OK)
        rc = os_rename_durable(temp, path, err);
    if (rc != RC_OK) {
        os->unlink(temp);
        if (err)
            err_wrap(err, "writing %s", path);
    }
    return rc;
}

enum rc os_read_file(const char *path, struct buf *into, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(os_open(path, O_RDONLY, &fd, err));
    for (;;) {
        enum { STEP = 65536 };
        size_t want = into->bytes_max - into->len < STEP ? into->bytes_max - into->len : STEP;
        char probe = 0;
        char *to = want ? buf_reserve(into, want) : &probe;
        if (!to)
            return err_set(err, RC_NOMEM, "no memory to read %s", path);
        ssize_t r;
        do {
            r = os->read(fd, to, want ? want : 1);
        } while (r < 0 && errno == EINTR);
        if (r < 0)
            return err_sys(err, errno, "cannot read %s", path);
        if (r == 0)
            return RC_OK;
        if (want == 0)
            return err_set(err, RC_LIMIT, "%s is larger than %zu bytes", path, into->bytes_max);
        buf_commit(into, (size_t)r);
    }
}

bool os_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool os_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum rc os_free_bytes(const char *path, uint64_t *ret_bytes, struct err *err)
{
    if (os->free_bytes(path, ret_bytes) != 0)
        return err_sys(err, errno, "cannot ask for the free space of %s", path);
    return RC_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dir_closep(DIR **d)
{
    if (*d)
        closedir(*d);
}

enum rc os_list(const char *dir, char ***ret_names, size_t *ret_n, struct err *err)
{
    CLEANUP(dir_closep) DIR *d = opendir(dir);
    if (!d)
        return err_sys(err, errno, "cannot list %s", dir);
    char **names = NULL;
    size_t n = 0, cap = 0;
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            char **moved = heap_try_resize(names, HEAP_MISC, cap * sizeof(*names));
            if (!moved) {
                os_list_free(names, n);
                return err_set(err, RC_NOMEM, "no memory to list %s", dir);
            }
            names = moved;
        }
        names[n++] = heap_strdup(HEAP_MISC, entry->d_name);
    }
    if (errno != 0) { /* half a list must not be taken for the whole: recovery reads it */
        enum rc rc = err_sys(err, errno, "cannot list %s", dir);
        os_list_free(names, n);
        return rc;
    }
    if (n)
        qsort(names, n, sizeof(*names), by_bytes);
    *ret_names = names;
    *ret_n = n;
    return RC_OK;
}

void os_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        heap_free(names[i]);
    heap_free(names);
}

enum rc os_remove_tree(const char *dir, struct err *err)
{
    char **names = NULL;
    size_t n = 0;
    if (!os_exists(dir))
        return RC_OK;
    TRY(os_list(dir, &names, &n, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        char path[OS_PATH_MAX];
        struct stat st;
        os_path(path, "%s/%s", dir, names[i]);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            rc = os_remove_tree(path, err);
        else if (unlink(path) != 0 && errno != ENOENT)
            rc = err_sys(err, errno, "cannot remove %s", path);
    }
    os_list_free(names, n);
    if (rc == RC_OK && rmdir(dir) != 0 && errno != ENOENT)
        rc = err_sys(err, errno, "cannot remove folder %s", dir);
    return rc;
}

enum rc os_lock(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(os_open(path, O_RDWR | O_CREAT, &fd, err));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return err_sys(err, errno, "cannot lock %s", path);
        char holder[32] = "?";
        ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
        if (n > 0)
            holder[n - (holder[n - 1] == '\n')] = '\0';
        return err_set(err, RC_BUSY, "%s is locked: another weir (process %s) uses this folder",
                       path, holder);
    }
    char pid[32];
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        return err_sys(err, errno, "cannot write %s", path);
    *ret_fd = fd;
    fd = -1;
    return RC_OK;
}

enum rc os_socket_name(const char *path, struct os_socket_name *ret, struct err *err)
{
    *ret = (struct os_socket_name){.dir_fd = -1};
    if (strlen(path) < sizeof(ret->text)) {
        snprintf(ret->text, sizeof(ret->text), "%s", path);
        return RC_OK;
    }
    char dir[OS_PATH_MAX];
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    if (strlen(path) >= OS_PATH_MAX || strlen(last) > sizeof(ret->text) / 2)
        return err_set(err, RC_LIMIT, "the socket's path is too long: %.100s...", path);
    parent_of(path, dir);
    TRY(os_open(dir, O_PATH | O_DIRECTORY, &ret->dir_fd, err));
    snprintf(ret->text, sizeof(ret->text), "/proc/self/fd/%d/%s", ret->dir_fd, last);
    return RC_OK;
}

void os_socket_name_done(struct os_socket_name *name)
{
    os_closep(&name->dir_fd);
}

char *os_path(char ret_path[OS_PATH_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(ret_path, OS_PATH_MAX, fmt, ap);
    va_end(ap);
    must(n >= 0 && n < OS_PATH_MAX);
    return ret_path;
}

void os_thread_name(const char *name)
{
    char text[16];
    snprintf(text, sizeof(text), "%s", name);
    pthread_setname_np(pthread_self(), text);
}

void os_thread_nice(int nice)
{
    if (nice > 0) /* lowering the own priority is always allowed */
        IGNORE(setpriority(PRIO_PROCESS, (id_t)gettid(), nice) != 0, "a wish");
}
