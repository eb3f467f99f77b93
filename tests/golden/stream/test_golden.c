/* The byte format of version 1 does not change: a stream written then is read now, and the same
 * appends with the same clock and salts still give the same bytes.
 *
 * argv[1] = folder with the golden files. WEIR_GOLDEN_WRITE=DIR writes them anew (only for a new
 * version). */
#include "../../unit/stream/util.h"
#include "stream/stream_int.h"

static const char *golden_dir;

static unix_ms fixed_now(void *ctx)
{
    int64_t *ms = ctx;
    return (unix_ms){*ms += 250};
}

static void fixed_random(void *ctx, void *to, size_t len)
{
    (void)ctx;
    static uint8_t next;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)(++next * 37u);
}

/* Values of every kind of length: the last digit is the kind, the text repeats. */
static struct stream_record golden_record(uint32_t i, char *key, char *value)
{
    static const uint32_t lengths[] = {0, 1, 127, 128, 500, 3000};
    uint32_t len = lengths[i % COUNT_OF(lengths)];
    snprintf(key, 32, "project/%u", i % 5);
    for (uint32_t k = 0; k < len; k++)
        value[k] = (char)('a' + (i + k) % 26);
    return (struct stream_record){
        .key = i % 7 ? slice_str(key) : SLICE_EMPTY,
        .headers = i % 3 ? SLICE_EMPTY
                         : SLICE_LIT("traceparent\0"
                                     "00-0-0-01\0"),
        .value = slice_of(value, len),
    };
}

enum { APPENDS = 30 };

static void write_all(const char *dir)
{
    struct err err = ERR_INIT;
    static int64_t ms = INT64_C(1767225600000);
    struct stream_env env = {fixed_now, fixed_random, &ms, true};
    struct stream_cfg cfg = small_cfg(dir, 2);
    cfg.name = "golden";
    cfg.segment_bytes_max = 8192;
    cfg.segment_age_ms_max = 0;
    cfg.retention_ms = 0;
    struct stream *s;
    assert_ok(stream_open_env(&cfg, &env, &s, &err));
    for (uint32_t i = 0; i < APPENDS; i += 1 + i % 3) {
        char keys[3][32], values[3][4096];
        struct stream_record records[3];
        for (uint32_t k = 0; k < 1 + i % 3; k++)
            records[k] = golden_record(i + k, keys[k], values[k]);
        assert_ok(stream_append_wait(s, records, 1 + i % 3));
    }
    stream_close(s);
}

static void read_file(const char *dir, const char *name, struct buf *into)
{
    struct err err = ERR_INIT;
    char path[OS_PATH_MAX];
    assert_ok(os_read_file(os_path(path, "%s/%s", dir, name), into, &err));
}

static void same_folder(const char *a, const char *b, const char *sub)
{
    struct err err = ERR_INIT;
    char dir_a[OS_PATH_MAX], dir_b[OS_PATH_MAX];
    char **names_a, **names_b;
    size_t n_a, n_b;
    assert_ok(os_list(os_path(dir_a, "%s/%s", a, sub), &names_a, &n_a, &err));
    assert_ok(os_list(os_path(dir_b, "%s/%s", b, sub), &names_b, &n_b, &err));
    assert_int_equal(n_a, n_b);
    assert_true(n_a > 1);
    for (size_t i = 0; i < n_a; i++) {
        struct buf bytes_a, bytes_b;
        assert_string_equal(names_a[i], names_b[i]);
        buf_init(&bytes_a, 1 << 20);
        buf_init(&bytes_b, 1 << 20);
        read_file(dir_a, names_a[i], &bytes_a);
        read_file(dir_b, names_b[i], &bytes_b);
        assert_int_equal(bytes_a.len, bytes_b.len);
        assert_memory_equal(bytes_a.data, bytes_b.data, bytes_a.len);
        buf_done(&bytes_a);
        buf_done(&bytes_b);
    }
    os_list_free(names_a, n_a);
    os_list_free(names_b, n_b);
}

static void todays_writer_gives_the_golden_bytes(void **state)
{
    (void)state;
    const char *to = getenv("WEIR_GOLDEN_WRITE");
    if (to) {
        write_all(to);
        skip();
    }
    char dir[256];
    struct buf meta_a, meta_b;
    scratch_new(dir);
    write_all(dir);
    same_folder(golden_dir, dir, "p00");
    same_folder(golden_dir, dir, "p01");
    buf_init(&meta_a, 4096);
    buf_init(&meta_b, 4096);
    read_file(golden_dir, "stream.meta", &meta_a);
    read_file(dir, "stream.meta", &meta_b);
    assert_true(slice_eq(buf_slice(&meta_a), buf_slice(&meta_b)));
    buf_done(&meta_a);
    buf_done(&meta_b);
    scratch_free(dir);
}

static void the_golden_files_are_read_whole(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct stream_cfg cfg = {.dir = golden_dir, .read_only = true};
    assert_ok(stream_verify(golden_dir, NULL, NULL, &err));
    struct stream *s = open_stream(&cfg);
    assert_string_equal(stream_name(s), "golden");
    struct stream_reader *readers[2];
    for (uint32_t p = 0; p < 2; p++)
        assert_ok(stream_reader_open(s, p, 0, &readers[p], &err));
    int64_t time_ms = 0;
    for (uint32_t i = 0; i < APPENDS + 2; i++) {
        char key[32], value[4096];
        struct stream_record wanted = golden_record(i, key, value), r;
        enum rc rc = stream_reader_next(readers[stream_partition_of(s, wanted.key)], &r, &err);
        if (i >= APPENDS && rc == RC_END)
            break;
        assert_rc(rc, RC_OK);
        assert_true(slice_eq(wanted.key, r.key));
        assert_true(slice_eq(wanted.headers, r.headers));
        assert_true(slice_eq(wanted.value, r.value));
        assert_true(r.time.ms >= INT64_C(1767225600000) && r.time.ms < INT64_C(1767225700000));
        time_ms = r.time.ms;
    }
    assert_true(time_ms > 0);
    for (uint32_t p = 0; p < 2; p++)
        stream_reader_close(readers[p]);
    stream_close(s);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    golden_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_files_are_read_whole),
        cmocka_unit_test(todays_writer_gives_the_golden_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
