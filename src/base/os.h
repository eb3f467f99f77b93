#ifndef WEIR_BASE_OS_H
#define WEIR_BASE_OS_H
/* The only place that touches files. Two layers:
 *
 *  os_calls   a table of the system calls behind it; tests replace entries to inject EIO, ENOSPC,
 *             short writes, EINTR, or to put a simulated disk under the stream (tests/crash).
 *  os_*       what the program uses: whole reads and writes, EINTR handled, names made durable
 *             (file synced, renamed, parent directory synced; PostgreSQL's durable_rename).
 *
 * An fsync that failed is never tried again by anything here: the caller halts (fsyncgate).
 * close() is never retried. Every descriptor is close-on-exec. Blocking: never on an edge loop. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/rc.h"

struct os_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *to, size_t n);
    ssize_t (*pread)(int fd, void *to, size_t n, off_t at);
    ssize_t (*write)(int fd, const void *from, size_t n);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fallocate)(int fd, int mode, off_t at, off_t len);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*fstat)(int fd, struct stat *ret);
    int (*free_bytes)(const char *path, uint64_t *ret); /* for unprivileged users; -1 + errno */
};
extern const struct os_calls os_calls_real;
/* Replace the table (NULL = the real one). Only while no other thread uses os_*. */
void os_calls_set(const struct os_calls *calls);

enum rc os_open(const char *path, int flags, int *ret_fd,
                struct err *err) MUST_CHECK; /* O_CLOEXEC, 0640 */
void os_close(int fd);                       /* -1 is allowed */
static inline void os_closep(int *fd)
{
    if (*fd >= 0)
        os_close(*fd);
    *fd = -1;
}

/* Reads up to n bytes at the offset; *ret_n < n only at the end of the file. */
enum rc os_pread(int fd, void *to, size_t n, uint64_t at, size_t *ret_n,
                 struct err *err) MUST_CHECK;
/* Writes all of it or fails; after a failure *ret_written bytes at the front are in the file. The
 * iov array is used up. */
enum rc os_pwritev_all(int fd, struct iovec *iov, int n, uint64_t at, uint64_t *ret_written,
                       struct err *err) MUST_CHECK;
enum rc os_write_all(int fd, const void *from, size_t n, struct err *err) MUST_CHECK;
enum rc os_fdatasync(int fd, struct err *err) MUST_CHECK;
enum rc os_fsync(int fd, struct err *err) MUST_CHECK;
/* Starts writing the range back without waiting: before syncing several files one after the other.
 * Says nothing about durability. RC_OK where the kernel or the file system has no such call. */
enum rc os_write_start(int fd, uint64_t at, uint64_t len, struct err *err) MUST_CHECK;
enum rc os_truncate(int fd, uint64_t size, struct err *err) MUST_CHECK;
/* Reserve blocks without changing the visible size. RC_UNSUPPORTED if the file system cannot. */
enum rc os_reserve(int fd, uint64_t at, uint64_t len, struct err *err) MUST_CHECK;
enum rc os_size(int fd, uint64_t *ret_size, struct err *err) MUST_CHECK;

enum rc os_sync_dir(const char *dir, struct err *err) MUST_CHECK;
/* Every missing folder of the path, each made durable in its parent. Mode 0750. */
enum rc os_mkdirs(const char *dir, struct err *err) MUST_CHECK;
enum rc os_rename_durable(const char *from, const char *to, struct err *err) MUST_CHECK;
/* A second name for the file. RC_NOTFOUND; RC_UNSUPPORTED: not here (another file system, no
 * links). */
enum rc os_link(const char *from, const char *to, struct err *err) MUST_CHECK;
enum rc os_unlink_durable(const char *path, struct err *err) MUST_CHECK; /* RC_OK if it was gone */
/* Replace the file's content in one step: temp file beside it, synced, renamed, folder synced.
 * After RC_OK the new content survives a power loss; after a failure the old one is whole (or the
 * new one, if only the sync of the folder failed). */
enum rc os_write_file_durable(const char *path, struct slice content, struct err *err) MUST_CHECK;
/* Whole file into an initialised buf (appended). RC_LIMIT past its maximum. */
enum rc os_read_file(const char *path, struct buf *into, struct err *err) MUST_CHECK;
bool os_exists(const char *path);
bool os_is_dir(const char *path);
enum rc os_free_bytes(const char *path, uint64_t *ret_bytes, struct err *err) MUST_CHECK;
/* Names (not "." and "..") in the folder, sorted by byte value. Release with os_list_free. */
enum rc os_list(const char *dir, char ***ret_names, size_t *ret_n, struct err *err) MUST_CHECK;
void os_list_free(char **names, size_t n);
enum rc os_remove_tree(const char *dir, struct err *err) MUST_CHECK; /* RC_OK if it was not there */
/* A new file `to` with the first `bytes` bytes of `from` (UINT64_MAX: all of it) and its mode,
 * synced. RC_EXISTS; RC_CORRUPT if `from` is shorter than that. */
enum rc os_copy_file(const char *from, const char *to, uint64_t bytes, struct err *err) MUST_CHECK;
/* A second name for a file that nobody writes any more; a copy where the file system has no such
 * thing. RC_NOTFOUND, RC_EXISTS. */
enum rc os_link_or_copy(const char *from, const char *to, struct err *err) MUST_CHECK;
/* Every file below `from` by copy_one, folders made and synced. Sockets, symbolic links and
 * temporary files (".tmp" in the name) stay behind, and so does what vanishes meanwhile. RC_OK if
 * `from` does not exist. */
typedef enum rc os_copy_fn(const char *from, const char *to, struct err *err);
enum rc os_copy_tree(const char *from, const char *to, os_copy_fn *copy_one,
                     struct err *err) MUST_CHECK;
enum rc os_copy_whole(const char *from, const char *to, struct err *err) MUST_CHECK; /* copy_one */

/* Exclusive advisory lock on path (created); RC_BUSY with the holder's pid in the text if held.
 * Held until os_close(*ret_fd) or the death of the process. */
enum rc os_lock(const char *path, int *ret_fd, struct err *err) MUST_CHECK;

/* A Unix socket's address holds 107 bytes, a path may be longer: then the name goes through a
 * descriptor of its folder, which stays open as long as the name is used (bind, connect, unlink).
 * RC_NOTFOUND: no such folder; RC_LIMIT: the last part alone is too long. */
enum { OS_SOCKET_NAME_MAX = 108 };
struct os_socket_name {
    char text[OS_SOCKET_NAME_MAX];
    int dir_fd; /* -1: text is the path */
};
enum rc os_socket_name(const char *path, struct os_socket_name *ret, struct err *err) MUST_CHECK;
void os_socket_name_done(struct os_socket_name *name);

enum { OS_PATH_MAX = 1024 };
/* snprintf for paths that must fit: aborts on truncation of a path we built ourselves. */
char *os_path(char ret_path[OS_PATH_MAX], const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The calling thread's name (cut at 15 bytes), as top, perf and gdb show it. */
void os_thread_name(const char *name);
/* How far the calling thread steps back when others want the cores: 0 (not at all) to 19. Linux
 * keeps this per thread. */
void os_thread_nice(int nice);
#endif
