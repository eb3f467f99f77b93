#ifndef WEIR_TESTS_STREAM_UTIL_H
#define WEIR_TESTS_STREAM_UTIL_H
/* What the stream's tests share: a scratch folder, small appends, reading all back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/os.h"
#include "stream/stream.h"

/* In memory where there is one: these tests are about order, not about a real disk. */
static inline char *scratch_new(char ret_dir[256])
{
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(ret_dir, 256, "%s/weir-stream-XXXXXX", root);
    assert_non_null(mkdtemp(ret_dir));
    return ret_dir;
}

static inline void scratch_free(const char *dir)
{
    struct err err = ERR_INIT;
    assert_int_equal(os_remove_tree(dir, &err), RC_OK);
}

static inline struct stream_cfg small_cfg(const char *dir, uint32_t partitions)
{
    struct stream_cfg cfg;
    stream_cfg_defaults(&cfg);
    cfg.dir = dir;
    cfg.name = "test";
    cfg.partitions = partitions;
    cfg.disk_floor_bytes = 0;
    return cfg;
}

static inline void check_rc(enum rc rc, enum rc wanted, const struct err *err, const char *file,
                            int line)
{
    if (rc != wanted)
        fail_msg("%s:%d: %s instead of %s: %s", file, line, rc_name(rc), rc_name(wanted),
                 err ? err->text : "");
}
#define assert_rc(expr, wanted) check_rc((expr), (wanted), &err, __FILE__, __LINE__)
#define assert_ok(expr) assert_rc(expr, RC_OK)

static inline struct stream *open_stream(const struct stream_cfg *cfg)
{
    struct err err = ERR_INIT;
    struct stream *s = NULL;
    assert_ok(stream_open(cfg, &s, &err));
    return s;
}

static inline struct stream_record record_of(const char *key, const char *value)
{
    return (struct stream_record){.key = slice_str(key), .value = slice_str(value)};
}

static inline struct stream_record put(struct stream *s, const char *key, const char *value)
{
    struct err err = ERR_INIT;
    struct stream_record r = record_of(key, value);
    assert_ok(stream_append_wait(s, &r, 1));
    return r;
}

/* Reads partition 0 on from an offset; every value must be "v<offset>". Returns how many. */
static inline uint64_t read_values(struct stream *s, uint32_t partition, uint64_t from)
{
    struct err err = ERR_INIT;
    struct stream_reader *r = NULL;
    struct stream_record rec;
    uint64_t n = 0;
    enum rc rc;
    assert_ok(stream_reader_open(s, partition, from, &r, &err));
    while ((rc = stream_reader_next(r, &rec, &err)) == RC_OK) {
        char value[32];
        snprintf(value, sizeof(value), "v%llu", (unsigned long long)rec.offset);
        assert_int_equal(rec.offset, from + n);
        assert_true(rec.value.len >= strlen(value));
        assert_memory_equal(rec.value.data, value, strlen(value));
        n++;
    }
    assert_rc(rc, RC_END);
    stream_reader_close(r);
    return n;
}

/* n appends to partition 0 (empty key) with the value "v<offset>", padded to `bytes`. */
static inline void put_values(struct stream *s, uint64_t first, uint64_t n, size_t bytes)
{
    struct err err = ERR_INIT;
    char value[4096];
    assert_true(bytes < sizeof(value));
    for (uint64_t i = first; i < first + n; i++) {
        memset(value, '.', sizeof(value));
        int len = snprintf(value, sizeof(value), "v%llu", (unsigned long long)i);
        value[len] = '.';
        struct stream_record r = {.value =
                                      slice_of(value, bytes > (size_t)len ? bytes : (size_t)len)};
        assert_ok(stream_append_wait(s, &r, 1));
        assert_int_equal(r.offset, i);
    }
}

static inline void count_segment(void *ctx, const struct stream_segment_info *info)
{
    (void)info;
    ++*(uint64_t *)ctx;
}

static inline uint64_t segment_count(const struct stream *s)
{
    struct err err = ERR_INIT;
    uint64_t n = 0;
    assert_ok(stream_segments(s, count_segment, &n, &err));
    return n;
}
#endif
