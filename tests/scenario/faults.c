/* Faults and a wrong clock put under the real binary with LD_PRELOAD; it knows nothing of it.
 *
 * $WEIR_FAULTS names a file of 64-bit numbers that the test writes and we map: RULES below. Each
 * fault that was given is counted beside its rule, so that a test can tell that it happened.
 * Rules for the main process hold in `weir serve` only, those for the store in `weir store`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum rule {
    CLOCK_SECONDS, /* added to the wall clock */
    PWRITEV,       /* 1 short, 2 EINTR in between, else this errno */
    PWRITEV_COUNT,
    OPEN_SEGMENT, /* errno for opening a segment file */
    OPEN_COUNT,
    SYNC, /* errno for fdatasync */
    SYNC_COUNT,
    STORE_RENAME, /* the store is killed at the n-th rename from now */
    STORE_RENAME_COUNT,
    STORE_GROWS, /* the store takes so many bytes and keeps them, once */
    RULES,
};
enum { IS_SHORT = 1, IS_INTERRUPTED = 2 };

static _Atomic int64_t none[RULES];
static _Atomic int64_t *rules = none;
static int is_serve, is_store;

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("WEIR_FAULTS");
    char args[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, args, sizeof(args) - 1);
    close(fd);
    if (!file || n <= 0)
        return;
    args[n] = '\0';
    const char *verb = args + strlen(args) + 1;
    is_serve = verb < args + n && strcmp(verb, "serve") == 0;
    is_store = verb < args + n && strcmp(verb, "store") == 0;
    fd = open(file, O_RDWR | O_CLOEXEC);
    void *map =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, RULES * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        fprintf(stderr, "faults: cannot map %s\n", file);
        abort();
    }
    rules = map;
}

static int64_t rule(enum rule r)
{
    return is_serve ? rules[r] : 0;
}

/* The calls themselves, not the next library's: a sanitizer tells the time before dlsym() works. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, id, ret);
    /* Here because the store's loop asks for the time often. */
    int64_t grows = is_store ? atomic_exchange(&rules[STORE_GROWS], 0) : 0;
    if (grows)
        mmap(NULL, (size_t)grows, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ret->tv_sec += rule(CLOCK_SECONDS);
    return r;
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    static _Atomic int calls;
    int64_t fault = rule(PWRITEV);
    if (fault == IS_SHORT && n > 0 && iov[0].iov_len > 1) {
        rules[PWRITEV_COUNT]++;
        struct iovec half = {iov[0].iov_base, iov[0].iov_len / 2};
        return syscall(SYS_pwritev, fd, &half, 1, at, 0);
    }
    if (fault > IS_INTERRUPTED || (fault == IS_INTERRUPTED && calls++ % 2 == 0)) {
        rules[PWRITEV_COUNT]++;
        errno = fault == IS_INTERRUPTED ? EINTR : (int)fault;
        return -1;
    }
    return syscall(SYS_pwritev, fd, iov, n, at, 0);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = va_arg(ap, mode_t);
    va_end(ap);
    size_t len = strlen(path);
    if (rule(OPEN_SEGMENT) && len > 4 && strcmp(path + len - 4, ".seg") == 0) {
        rules[OPEN_COUNT]++;
        errno = (int)rule(OPEN_SEGMENT);
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int fdatasync(int fd)
{
    if (rule(SYNC)) {
        rules[SYNC_COUNT]++;
        errno = (int)rule(SYNC);
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    if (is_store && rules[STORE_RENAME] > 0 && --rules[STORE_RENAME] == 0) {
        rules[STORE_RENAME_COUNT]++;
        raise(SIGKILL);
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
