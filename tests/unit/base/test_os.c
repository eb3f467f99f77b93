/* base/os with the real file system and with faults put under it: an entry of the call table that
 * fails, falls short or is interrupted at the k-th use. */
#include "base_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/os.h"

static char dir[64];
static char path[OS_PATH_MAX];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/weir-os-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    os_calls_set(NULL);
    return os_remove_tree(dir, NULL) == RC_OK ? 0 : -1;
}

static const char *in_dir(const char *name)
{
    return os_path(path, "%s/%s", dir, name);
}

static void assert_content(const char *name, const char *want)
{
    struct buf b;
    struct err err = ERR_INIT;
    buf_init(&b, 1 << 20);
    assert_int_equal(os_read_file(in_dir(name), &b, &err), RC_OK);
    assert_string_equal(buf_cstr(&b), want);
    buf_done(&b);
}

/* ---- faults ---- */
static struct {
    int fail_errno; /* given by the call number fail_at of the entry under test */
    int fail_at;
    int calls;
    bool is_short;       /* one byte at a time */
    bool is_interrupted; /* every second call gives EINTR */
} fault;

static bool is_failing(void)
{
    fault.calls++;
    if (fault.is_interrupted && fault.calls % 2 == 1) {
        errno = EINTR;
        return true;
    }
    if (fault.fail_at && fault.calls == fault.fail_at) {
        errno = fault.fail_errno;
        return true;
    }
    return false;
}
static int bad_open(const char *p, int flags, mode_t mode)
{
    return is_failing() ? -1 : os_calls_real.open(p, flags, mode);
}
static ssize_t bad_read(int fd, void *to, size_t n)
{
    return is_failing() ? -1 : os_calls_real.read(fd, to, fault.is_short && n ? 1 : n);
}
static ssize_t bad_pread(int fd, void *to, size_t n, off_t at)
{
    return is_failing() ? -1 : os_calls_real.pread(fd, to, fault.is_short && n ? 1 : n, at);
}
static ssize_t bad_write(int fd, const void *from, size_t n)
{
    return is_failing() ? -1 : os_calls_real.write(fd, from, fault.is_short && n ? 1 : n);
}
static ssize_t bad_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (is_failing())
        return -1;
    if (!fault.is_short)
        return os_calls_real.pwritev(fd, iov, n, at);
    struct iovec one = {iov->iov_base, iov->iov_len > 3 ? 3 : iov->iov_len};
    return os_calls_real.pwritev(fd, &one, 1, at);
}
static int bad_fdatasync(int fd)
{
    return is_failing() ? -1 : os_calls_real.fdatasync(fd);
}
static int bad_fsync(int fd)
{
    return is_failing() ? -1 : os_calls_real.fsync(fd);
}
static int bad_ftruncate(int fd, off_t size)
{
    return is_failing() ? -1 : os_calls_real.ftruncate(fd, size);
}
static int bad_fallocate(int fd, int mode, off_t at, off_t len)
{
    return is_failing() ? -1 : os_calls_real.fallocate(fd, mode, at, len);
}
static int bad_rename(const char *from, const char *to)
{
    return is_failing() ? -1 : os_calls_real.rename(from, to);
}
static int bad_mkdir(const char *p, mode_t mode)
{
    return is_failing() ? -1 : os_calls_real.mkdir(p, mode);
}

static struct os_calls table;
static struct os_calls *faults(int fail_errno, int fail_at)
{
    memset(&fault, 0, sizeof(fault));
    fault.fail_errno = fail_errno;
    fault.fail_at = fail_at;
    table = os_calls_real;
    return &table;
}

/* ---- tests ---- */
static void a_written_file_reads_back(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_LIT("one"), &err), RC_OK);
    assert_content("a", "one");
    assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_LIT("two, longer"), &err), RC_OK);
    assert_content("a", "two, longer");
    assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_EMPTY, &err), RC_OK);
    assert_content("a", "");
    char **names;
    size_t n;
    assert_int_equal(os_list(dir, &names, &n, &err), RC_OK);
    assert_int_equal(n, 1); /* no temporary file is left */
    os_list_free(names, n);
    assert_true(os_exists(in_dir("a")));
    assert_false(os_is_dir(in_dir("a")));
    assert_int_equal(os_unlink_durable(in_dir("a"), &err), RC_OK);
    assert_int_equal(os_unlink_durable(in_dir("a"), &err), RC_OK);
    assert_false(os_exists(in_dir("a")));
}

static void reading_has_a_limit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b;
    assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_LIT("12345678"), &err), RC_OK);
    buf_init(&b, 8);
    assert_int_equal(os_read_file(in_dir("a"), &b, &err), RC_OK);
    assert_int_equal(b.len, 8);
    buf_done(&b);
    buf_init(&b, 7);
    assert_int_equal(os_read_file(in_dir("a"), &b, &err), RC_LIMIT);
    assert_non_null(strstr(err.text, "larger than 7 bytes"));
    buf_done(&b);
    buf_init(&b, 8);
    assert_int_equal(os_read_file(in_dir("none"), &b, &err), RC_NOTFOUND);
    assert_non_null(strstr(err.text, "none"));
    buf_done(&b);
}

static void short_and_interrupted_calls_are_carried_on(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct os_calls *t = faults(0, 0);
    fault.is_short = fault.is_interrupted = true;
    t->open = bad_open;
    t->read = bad_read;
    t->pread = bad_pread;
    t->write = bad_write;
    t->pwritev = bad_pwritev;
    t->ftruncate = bad_ftruncate;
    t->fallocate = bad_fallocate;
    os_calls_set(t);
    assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_LIT("0123456789"), &err), RC_OK);
    assert_content("a", "0123456789");
    int fd;
    assert_int_equal(os_open(in_dir("a"), O_RDWR, &fd, &err), RC_OK);
    struct iovec iov[] = {{NULL, 0}, {UNCONST("abcdefgh"), 8}, {NULL, 0}, {UNCONST("XY"), 2}};
    uint64_t written = 99, size;
    assert_int_equal(os_pwritev_all(fd, iov, 4, 5, &written, &err), RC_OK);
    assert_int_equal(written, 10);
    assert_content("a", "01234abcdefghXY");
    char back[32] = {0};
    size_t n;
    assert_int_equal(os_pread(fd, back, 4, 5, &n, &err), RC_OK);
    assert_int_equal(n, 4);
    assert_string_equal(back, "abcd");
    assert_int_equal(os_pread(fd, back, 32, 10, &n, &err), RC_OK);
    assert_int_equal(n, 5); /* to the end of the file */
    assert_int_equal(os_truncate(fd, 5, &err), RC_OK);
    enum rc rc = os_reserve(fd, 0, 1 << 20, &err);
    assert_true(rc == RC_OK || rc == RC_UNSUPPORTED);
    assert_int_equal(os_size(fd, &size, &err), RC_OK);
    assert_int_equal(size, 5); /* reserved space is not visible */
    os_close(fd);
}

static void a_failing_vectored_write_tells_how_far_it_came(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int fd;
    assert_int_equal(os_open(in_dir("a"), O_RDWR | O_CREAT, &fd, &err), RC_OK);
    struct os_calls *t = faults(ENOSPC, 3);
    fault.is_short = true;
    t->pwritev = bad_pwritev;
    os_calls_set(t);
    struct iovec iov[] = {{UNCONST("abcd"), 4}, {UNCONST("efghij"), 6}};
    uint64_t written = 99;
    assert_int_equal(os_pwritev_all(fd, iov, 2, 0, &written, &err), RC_NOSPACE);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(written, 4); /* three bytes, then one */
    os_calls_set(NULL);
    os_close(fd);
    assert_content("a", "abcd");
}

static void more_pieces_than_one_call_takes(void **state)
{
    (void)state;
    enum { PIECES = 3000 };
    static struct iovec iov[PIECES];
    static char data[PIECES];
    struct err err = ERR_INIT;
    int fd;
    for (int i = 0; i < PIECES; i++) {
        data[i] = (char)('a' + i % 26);
        iov[i] = (struct iovec){data + i, 1};
    }
    assert_int_equal(os_open(in_dir("a"), O_RDWR | O_CREAT, &fd, &err), RC_OK);
    uint64_t written;
    assert_int_equal(os_pwritev_all(fd, iov, PIECES, 0, &written, &err), RC_OK);
    assert_int_equal(written, PIECES);
    char back[PIECES];
    size_t n;
    assert_int_equal(os_pread(fd, back, PIECES, 0, &n, &err), RC_OK);
    assert_memory_equal(back, data, PIECES);
    os_close(fd);
}

static void a_failed_sync_is_reported_and_never_tried_again(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int fd;
    assert_int_equal(os_open(in_dir("a"), O_RDWR | O_CREAT, &fd, &err), RC_OK);
    static const int errnos[] = {EIO, EINTR, ENOSPC};
    for (size_t i = 0; i < COUNT_OF(errnos); i++) {
        struct os_calls *t = faults(errnos[i], 1);
        t->fdatasync = bad_fdatasync;
        t->fsync = bad_fsync;
        os_calls_set(t);
        assert_int_not_equal(os_fdatasync(fd, &err), RC_OK);
        assert_int_equal(fault.calls, 1);
        assert_int_equal(err.sys_errno, errnos[i]);
        fault.calls = 0;
        assert_int_not_equal(os_fsync(fd, &err), RC_OK);
        assert_int_equal(fault.calls, 1);
    }
    os_close(fd);
}

/* Each call of a durable write fails in turn: the old content is whole, no temporary file stays.
 * Only when the folder's own sync failed the new content is there (it may vanish in a power loss).
 */
static void a_failed_durable_write_keeps_the_old_content(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static const int errnos[] = {EIO, ENOSPC};
    enum { AT_OPEN, AT_WRITE, AT_FSYNC, AT_RENAME, AT_FOLDER, STEPS };
    for (int step = 0; step < STEPS; step++) {
        for (size_t e = 0; e < COUNT_OF(errnos); e++) {
            os_calls_set(NULL);
            assert_int_equal(os_write_file_durable(in_dir("a"), SLICE_LIT("old"), &err), RC_OK);
            struct os_calls *t = faults(errnos[e], step == AT_FOLDER ? 2 : 1);
            if (step == AT_OPEN)
                t->open = bad_open;
            else if (step == AT_WRITE)
                t->write = bad_write;
            else if (step == AT_RENAME)
                t->rename = bad_rename;
            else
                t->fsync = bad_fsync; /* first the file's, then the folder's */
            os_calls_set(t);
            enum rc rc = os_write_file_durable(in_dir("a"), SLICE_LIT("new"), &err);
            assert_int_equal(rc, errnos[e] == EIO ? RC_IO : RC_NOSPACE);
            assert_int_equal(err.rc, rc);
            assert_non_null(strstr(err.text, "/a"));
            os_calls_set(NULL);
            assert_content("a", step == AT_FOLDER ? "new" : "old");
            char **names;
            size_t n;
            assert_int_equal(os_list(dir, &names, &n, &err), RC_OK);
            assert_int_equal(n, 1);
            os_list_free(names, n);
        }
    }
}

static void other_calls_report_their_errors(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int fd, none = -1;
    assert_int_equal(os_open(in_dir("a"), O_RDWR | O_CREAT, &fd, &err), RC_OK);
    struct os_calls *t = faults(EMFILE, 1);
    t->open = bad_open;
    os_calls_set(t);
    assert_int_equal(os_open(in_dir("a"), O_RDWR, &none, &err), RC_BUSY);
    assert_int_equal(none, -1);
    t = faults(EIO, 1);
    t->pread = bad_pread;
    os_calls_set(t);
    char byte;
    size_t n = 7;
    assert_int_equal(os_pread(fd, &byte, 1, 0, &n, &err), RC_IO);
    assert_int_equal(n, 7);
    t = faults(EIO, 1);
    t->ftruncate = bad_ftruncate;
    os_calls_set(t);
    assert_int_equal(os_truncate(fd, 0, &err), RC_IO);
    t = faults(EOPNOTSUPP, 1);
    t->fallocate = bad_fallocate;
    os_calls_set(t);
    assert_int_equal(os_reserve(fd, 0, 1, &err), RC_UNSUPPORTED);
    t = faults(ENOSPC, 1);
    t->fallocate = bad_fallocate;
    os_calls_set(t);
    assert_int_equal(os_reserve(fd, 0, 1, &err), RC_NOSPACE);
    t = faults(ENOSPC, 1);
    t->mkdir = bad_mkdir;
    os_calls_set(t);
    assert_int_equal(os_mkdirs(in_dir("x/y"), &err), RC_NOSPACE);
    os_close(fd);
}

static void folders_and_lists(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char **names;
    size_t n;
    uint64_t bytes;
    assert_int_equal(os_mkdirs(in_dir("x/y/z"), &err), RC_OK);
    assert_int_equal(os_mkdirs(in_dir("x/y/z"), &err), RC_OK);
    assert_true(os_is_dir(in_dir("x/y/z")));
    assert_int_equal(os_mkdirs(in_dir("x/slash/"), &err), RC_OK);
    assert_true(os_is_dir(in_dir("x/slash")));
    for (int i = 40; i > 0; i--) {
        char name[32];
        snprintf(name, sizeof(name), "x/f%02d", i);
        assert_int_equal(os_write_file_durable(in_dir(name), SLICE_LIT("x"), &err), RC_OK);
    }
    assert_int_equal(os_mkdirs(in_dir("x/f01/sub"), &err), RC_INVALID);
    assert_int_equal(os_list(in_dir("x"), &names, &n, &err), RC_OK);
    assert_int_equal(n, 42);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
    os_list_free(names, n);
    assert_int_equal(os_list(in_dir("none"), &names, &n, &err), RC_NOTFOUND);
    assert_int_equal(symlink("/etc/passwd", in_dir("x/link")), 0);
    assert_int_equal(os_remove_tree(in_dir("x"), &err), RC_OK);
    assert_false(os_exists(in_dir("x")));
    assert_true(os_exists("/etc/passwd"));
    assert_int_equal(os_remove_tree(in_dir("x"), &err), RC_OK);
    assert_int_equal(os_free_bytes(dir, &bytes, &err), RC_OK);
    assert_true(bytes > 0);
    assert_int_equal(os_free_bytes(in_dir("none"), &bytes, &err), RC_NOTFOUND);
    char big[OS_PATH_MAX + 10];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(os_mkdirs(big, &err), RC_LIMIT);
}

static void a_copied_tree_is_whole_and_leaves_out_what_is_passing(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char from[OS_PATH_MAX], to[OS_PATH_MAX], name[OS_PATH_MAX];
    os_path(from, "%s/from", dir);
    os_path(to, "%s/to", dir);
    assert_int_equal(os_mkdirs(os_path(name, "%s/a/b", from), &err), RC_OK);
    os_path(name, "%s/a/b/f", from);
    assert_int_equal(os_write_file_durable(name, SLICE_LIT("content"), &err), RC_OK);
    os_path(name, "%s/f.tmp123", from);
    assert_int_equal(os_write_file_durable(name, SLICE_LIT("passing"), &err), RC_OK);
    os_path(name, "%s/link", from);
    assert_int_equal(symlink("/etc/passwd", name), 0);
    assert_int_equal(os_copy_tree(from, to, os_copy_whole, &err), RC_OK);
    assert_content("to/a/b/f", "content");
    assert_false(os_exists(in_dir("to/f.tmp123")));
    assert_false(os_exists(in_dir("to/link")));
    assert_int_equal(os_copy_tree(from, to, os_copy_whole, &err), RC_EXISTS);
    os_path(to, "%s/linked", dir);
    assert_int_equal(os_copy_tree(from, to, os_link_or_copy, &err), RC_OK);
    assert_content("linked/a/b/f", "content");
    struct stat one, two;
    assert_int_equal(stat(in_dir("from/a/b/f"), &one), 0);
    assert_int_equal(stat(in_dir("linked/a/b/f"), &two), 0);
    assert_true(one.st_ino == two.st_ino);
    os_path(from, "%s/none", dir);
    assert_int_equal(os_copy_tree(from, to, os_copy_whole, &err), RC_OK);
}

static void a_copy_of_the_first_bytes_says_when_there_are_fewer(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    os_path(from, "%s/from", dir);
    assert_int_equal(os_write_file_durable(from, SLICE_LIT("0123456789"), &err), RC_OK);
    assert_int_equal(os_copy_file(from, os_path(to, "%s/a", dir), 4, &err), RC_OK);
    assert_content("a", "0123");
    assert_int_equal(os_copy_file(from, os_path(to, "%s/b", dir), 10, &err), RC_OK);
    assert_content("b", "0123456789");
    assert_int_equal(os_copy_file(from, os_path(to, "%s/c", dir), 11, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, from));
    assert_int_equal(os_copy_file(from, os_path(to, "%s/b", dir), 10, &err), RC_EXISTS);
    assert_int_equal(os_copy_file(in_dir("none"), os_path(to, "%s/d", dir), 1, &err), RC_NOTFOUND);
}

static void a_socket_has_a_short_name_however_long_its_path_is(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct os_socket_name name;
    char path_of_it[OS_PATH_MAX], long_dir[OS_PATH_MAX];
    os_path(path_of_it, "%s/s", dir);
    assert_int_equal(os_socket_name(path_of_it, &name, &err), RC_OK);
    assert_string_equal(name.text, path_of_it);
    os_socket_name_done(&name);

    char part[201];
    memset(part, 'd', 200);
    part[200] = '\0';
    os_path(long_dir, "%s/%s/%s", dir, part, part);
    assert_int_equal(os_mkdirs(long_dir, &err), RC_OK);
    os_path(path_of_it, "%s/s", long_dir);
    assert_int_equal(os_socket_name(path_of_it, &name, &err), RC_OK);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(name.text) < sizeof(address.sun_path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name.text);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct stat st;
    assert_int_equal(stat(path_of_it, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    close(fd);
    os_socket_name_done(&name);
    assert_int_equal(name.dir_fd, -1);

    os_path(path_of_it, "%s/%s", long_dir, part);
    assert_int_equal(os_socket_name(path_of_it, &name, &err), RC_LIMIT);
    os_path(path_of_it, "%s/none/s", long_dir);
    assert_int_equal(os_socket_name(path_of_it, &name, &err), RC_NOTFOUND);
}

static void a_lock_has_one_holder_and_names_it(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int fd, second = -1;
    char pid[32];
    assert_int_equal(os_lock(in_dir("lock"), &fd, &err), RC_OK);
    assert_int_equal(os_lock(in_dir("lock"), &second, &err), RC_BUSY);
    assert_int_equal(second, -1);
    snprintf(pid, sizeof(pid), "(process %ld)", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    os_close(fd);
    assert_int_equal(os_lock(in_dir("lock"), &fd, &err), RC_OK);
    os_close(fd);
}

static void descriptors_are_not_inherited(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(os_open(in_dir("a"), O_RDWR | O_CREAT, &fd, NULL), RC_OK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0); /* nothing for others */
    os_closep(&fd);
    assert_int_equal(fd, -1);
    os_close(-1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_written_file_reads_back),
        TEST(reading_has_a_limit),
        TEST(short_and_interrupted_calls_are_carried_on),
        TEST(a_failing_vectored_write_tells_how_far_it_came),
        TEST(more_pieces_than_one_call_takes),
        TEST(a_failed_sync_is_reported_and_never_tried_again),
        TEST(a_failed_durable_write_keeps_the_old_content),
        TEST(other_calls_report_their_errors),
        TEST(folders_and_lists),
        TEST(a_copied_tree_is_whole_and_leaves_out_what_is_passing),
        TEST(a_copy_of_the_first_bytes_says_when_there_are_fewer),
        TEST(a_socket_has_a_short_name_however_long_its_path_is),
        TEST(a_lock_has_one_holder_and_names_it),
        TEST(descriptors_are_not_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
