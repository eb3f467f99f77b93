/* One scenario, again and again, with the k-th system call failing: k = 1, 2, 3 … until a run sees
 * no failure. For each way of failing. Property: no hang, no leak, and after opening again without
 * faults every acknowledged record is there, in its place, and nothing that was refused for want of
 * space. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "../../unit/stream/util.h"

enum way {
    WAY_EIO,
    WAY_ENOSPC,
    WAY_ENOSPC_STAYS, /* every later write too */
    WAY_EINTR,
    WAY_SHORT,        /* half of a write, then well again */
    WAY_SHORT_ENOSPC, /* half of a write, then ENOSPC */
    WAY_EMFILE,
    WAY_COUNT
};

static struct {
    _Atomic uint64_t calls;
    uint64_t fail_at;
    enum way way;
    _Atomic bool is_hit, is_full;
} f;

/* True if this call is to fail; errno is set. */
static bool is_failing(void)
{
    static const int errors[WAY_COUNT] = {EIO, ENOSPC, ENOSPC, EINTR, EIO, EIO, EMFILE};
    if (++f.calls != f.fail_at)
        return false;
    f.is_hit = true;
    errno = errors[f.way];
    return true;
}

static bool is_write_failing(size_t *n)
{
    if (f.is_full) {
        errno = ENOSPC;
        return true;
    }
    if (!is_failing())
        return false;
    if (f.way == WAY_ENOSPC_STAYS)
        f.is_full = true;
    if (f.way == WAY_SHORT || f.way == WAY_SHORT_ENOSPC) {
        f.is_full = f.way == WAY_SHORT_ENOSPC;
        *n /= 2;
        return *n == 0;
    }
    return true;
}

static int t_open(const char *path, int flags, mode_t mode)
{
    return is_failing() ? -1 : open(path, flags, mode);
}
static ssize_t t_read(int fd, void *to, size_t n)
{
    return is_failing() ? -1 : read(fd, to, n);
}
static ssize_t t_pread(int fd, void *to, size_t n, off_t at)
{
    return is_failing() ? -1 : pread(fd, to, n, at);
}
static ssize_t t_write(int fd, const void *from, size_t n)
{
    return is_write_failing(&n) ? -1 : write(fd, from, n);
}
static ssize_t t_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    struct iovec one = iov[0];
    (void)n;
    return is_write_failing(&one.iov_len) ? -1 : pwritev(fd, &one, 1, at);
}
/* EINTR is not among the answers of these. */
static int t_fsync(int fd)
{
    (void)fd;
    return f.way != WAY_EINTR && is_failing() ? -1 : 0;
}
static int t_ftruncate(int fd, off_t size)
{
    return is_failing() ? -1 : ftruncate(fd, size);
}
static int t_fallocate(int fd, int mode, off_t at, off_t len)
{
    return is_failing() ? -1 : fallocate(fd, mode, at, len);
}
static int t_rename(const char *from, const char *to)
{
    return f.way != WAY_EINTR && is_failing() ? -1 : rename(from, to);
}
static int t_unlink(const char *path)
{
    return f.way != WAY_EINTR && is_failing() ? -1 : unlink(path);
}
static int t_mkdir(const char *path, mode_t mode)
{
    return f.way != WAY_EINTR && is_failing() ? -1 : mkdir(path, mode);
}
static int t_fstat(int fd, struct stat *ret)
{
    return f.way != WAY_EINTR && is_failing() ? -1 : fstat(fd, ret);
}
static int t_free_bytes(const char *path, uint64_t *ret)
{
    (void)path;
    *ret = UINT64_C(1) << 40; /* asked for by the clock, so not counted: runs stay alike */
    return 0;
}

enum { RECORDS = 24, PARTITIONS = 2 };
struct outcome {
    enum rc rc[RECORDS];
    uint64_t offset[RECORDS];
    uint32_t partition[RECORDS];
    uint32_t n;
    uint32_t may_be_erased, is_erased; /* of those below it every fourth one */
};

static void value_of(uint32_t i, char value[1600])
{
    memset(value, 'a' + (int)(i % 26), 1600);
    memcpy(value, &i, sizeof(i));
}

static void append_some(struct stream *s, struct outcome *out, uint32_t n)
{
    for (uint32_t i = 0; i < n && out->n < RECORDS; i++, out->n++) {
        char key[16], value[1600];
        value_of(out->n, value);
        snprintf(key, sizeof(key), "k%u", out->n);
        struct stream_record r = {.key = slice_str(key), .value = slice_of(value, sizeof(value))};
        out->rc[out->n] = stream_append_wait(s, &r, 1);
        out->offset[out->n] = r.offset;
        out->partition[out->n] = r.partition;
    }
}

/* Every fourth record is somebody's who is erased. */
static bool is_wanted(void *ctx, const struct stream_record *r)
{
    uint32_t i;
    (void)ctx;
    memcpy(&i, r->value.data, sizeof(i));
    return i % 4 == 3;
}

/* How many of the first ones an erasure covered that was answered well. */
static void erase_some(struct stream *s, struct outcome *out)
{
    struct err err = ERR_INIT;
    uint64_t before[STREAM_PARTITIONS_MAX];
    bool is_whole = stream_roll(s, before, &err) == RC_OK;
    for (uint32_t p = 0; p < PARTITIONS && is_whole; p++) {
        struct stream_erased erased;
        const struct stream_erase what = {
            .partition = p, .before = before[p], .is_wanted = is_wanted};
        is_whole = stream_erase(s, &what, &erased, &err) == RC_OK;
    }
    out->may_be_erased = out->n;
    if (is_whole)
        out->is_erased = out->n;
}

/* Open, append over several segments, retain nothing, read, erase, close, open again, append,
 * erase, close. */
static void scenario(const struct stream_cfg *cfg, struct outcome *out)
{
    struct err err = ERR_INIT;
    for (int round = 0; round < 2; round++) {
        struct stream *s;
        struct stream_reader *reader;
        struct stream_record r;
        if (stream_open(cfg, &s, &err) != RC_OK)
            return;
        append_some(s, out, RECORDS / 2);
        if (stream_reader_open(s, 0, 0, &reader, &err) == RC_OK) {
            while (stream_reader_next(reader, &r, &err) == RC_OK)
                ;
            stream_reader_close(reader);
        }
        IGNORE(stream_retain(s, &err), "nothing is old");
        erase_some(s, out);
        stream_close(s);
    }
}

static void mark_erased(const struct outcome *out, uint32_t partition, uint64_t offset, bool *seen)
{
    for (uint32_t i = 3; i < out->may_be_erased; i += 4)
        if (out->rc[i] == RC_OK && out->partition[i] == partition && out->offset[i] == offset)
            seen[i] = true;
}

static void check(const struct stream_cfg *cfg, const struct outcome *out, uint64_t k)
{
    struct err err = ERR_INIT;
    bool seen[RECORDS] = {false};
    struct stream *s = open_stream(cfg);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct stream_reader *reader;
        struct stream_record r;
        enum rc rc;
        uint64_t at = 0;
        assert_ok(stream_reader_open(s, p, 0, &reader, &err));
        while ((rc = stream_reader_next(reader, &r, &err)) == RC_OK) {
            uint32_t i;
            char value[1600];
            assert_int_equal(r.offset, at++);
            if (stream_record_is_erased(&r)) {
                mark_erased(out, p, r.offset, seen);
                continue;
            }
            assert_int_equal(r.value.len, sizeof(value));
            memcpy(&i, r.value.data, sizeof(i));
            assert_true(i < out->n && !seen[i]);
            if (i % 4 == 3 && i < out->is_erased)
                fail_msg("k = %llu: record %u was erased and is back", (unsigned long long)k, i);
            value_of(i, value);
            assert_memory_equal(value, r.value.data, sizeof(value));
            seen[i] = true;
            if (out->rc[i] == RC_OK)
                assert_true(out->offset[i] == r.offset && out->partition[i] == p);
            if (out->rc[i] == RC_NOSPACE)
                fail_msg("k = %llu: record %u was refused and is there", (unsigned long long)k, i);
        }
        assert_rc(rc, RC_END);
        stream_reader_close(reader);
    }
    for (uint32_t i = 0; i < out->n; i++)
        if (out->rc[i] == RC_OK && !seen[i])
            fail_msg("way %d, k = %llu: record %u was acknowledged and is gone", f.way,
                     (unsigned long long)k, i);
    struct stream_record r = record_of("", "still alive");
    assert_ok(stream_append_wait(s, &r, 1));
    stream_close(s);
    assert_ok(stream_verify(cfg->dir, NULL, NULL, &err));
}

static struct os_calls torture_calls(void)
{
    struct os_calls c = os_calls_real;
    c.open = t_open;
    c.read = t_read;
    c.pread = t_pread;
    c.write = t_write;
    c.pwritev = t_pwritev;
    c.fdatasync = c.fsync = t_fsync;
    c.ftruncate = t_ftruncate;
    c.fallocate = t_fallocate;
    c.rename = t_rename;
    c.unlink = t_unlink;
    c.mkdir = t_mkdir;
    c.fstat = t_fstat;
    c.free_bytes = t_free_bytes;
    return c;
}

static void torture(enum way way)
{
    struct os_calls calls = torture_calls();
    bool was_hit = true;
    for (uint64_t k = 1; was_hit; k++) {
        char dir[256];
        struct outcome out = {.n = 0};
        scratch_new(dir);
        struct stream_cfg cfg = small_cfg(dir, PARTITIONS);
        cfg.segment_bytes_max = 8192;
        f.calls = 0;
        f.fail_at = k;
        f.way = way;
        f.is_hit = f.is_full = false;
        os_calls_set(&calls);
        scenario(&cfg, &out);
        os_calls_set(NULL);
        was_hit = f.is_hit;
        if (!was_hit)
            assert_int_equal(out.n, RECORDS);
        check(&cfg, &out, k);
        scratch_free(dir);
        assert_true(k < 5000);
    }
}

#define WAY_TEST(name, way)        \
    static void name(void **state) \
    {                              \
        (void)state;               \
        torture(way);              \
    }
WAY_TEST(the_kth_call_fails_with_eio, WAY_EIO)
WAY_TEST(the_kth_call_finds_the_disk_full, WAY_ENOSPC)
WAY_TEST(the_disk_is_full_from_the_kth_call_on, WAY_ENOSPC_STAYS)
WAY_TEST(the_kth_call_is_interrupted, WAY_EINTR)
WAY_TEST(the_kth_write_is_short, WAY_SHORT)
WAY_TEST(the_kth_write_is_short_then_the_disk_is_full, WAY_SHORT_ENOSPC)
WAY_TEST(the_kth_call_has_no_descriptor, WAY_EMFILE)

/* The same for memory: the k-th heap_try_* of the process returns NULL. */
static void the_kth_allocation_fails(void **state)
{
    (void)state;
    for (uint64_t k = 1; k < 200; k++) {
        char dir[256];
        struct outcome out = {.n = 0};
        scratch_new(dir);
        struct stream_cfg cfg = small_cfg(dir, PARTITIONS);
        cfg.segment_bytes_max = 8192;
        f.way = WAY_ENOSPC;
        heap_fail_after(k);
        scenario(&cfg, &out);
        heap_fail_after(0);
        check(&cfg, &out, k);
        scratch_free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kth_call_fails_with_eio),
        cmocka_unit_test(the_kth_call_finds_the_disk_full),
        cmocka_unit_test(the_disk_is_full_from_the_kth_call_on),
        cmocka_unit_test(the_kth_call_is_interrupted),
        cmocka_unit_test(the_kth_write_is_short),
        cmocka_unit_test(the_kth_write_is_short_then_the_disk_is_full),
        cmocka_unit_test(the_kth_call_has_no_descriptor),
        cmocka_unit_test(the_kth_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
