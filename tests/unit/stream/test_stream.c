/* The stream as its callers see it: order, offsets, reopening, limits, time, retention, tools. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/heap.h"
#include "util.h"

static int setup(void **state)
{
    *state = scratch_new(malloc(256));
    return 0;
}

static int teardown(void **state)
{
    scratch_free(*state);
    free(*state);
    return 0;
}

static void appended_records_are_read_back_in_order(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 100, 0);
    assert_int_equal(read_values(s, 0, 0), 100);
    assert_int_equal(read_values(s, 0, 57), 43);
    assert_int_equal(read_values(s, 0, 100), 0);
    stream_close(s);
}

static void reopening_keeps_every_record_and_goes_on_counting(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 1);
    for (uint64_t round = 0; round < 5; round++) {
        struct stream *s = open_stream(&cfg);
        assert_int_equal(read_values(s, 0, 0), round * 20);
        put_values(s, round * 20, 20, 100);
        stream_close(s);
    }
}

static void key_headers_and_value_come_back_whole(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    size_t big = STREAM_RECORD_BYTES_MAX - 8;
    char *value = malloc(big);
    memset(value, 0xa5, big);
    struct stream_record in[] = {
        {.key = SLICE_LIT("k"), .headers = SLICE_LIT("a\0b\0"), .value = SLICE_LIT("")},
        {.key = SLICE_EMPTY},
        {.key = SLICE_LIT("12345678"), .value = {value, big}},
    };
    assert_ok(stream_append_wait(s, in, 3));
    struct stream_reader *r;
    struct stream_record out;
    assert_ok(stream_reader_open(s, 0, 0, &r, &err));
    for (int i = 0; i < 3; i++) {
        assert_ok(stream_reader_next(r, &out, &err));
        assert_int_equal(out.offset, i);
        assert_true(slice_eq(in[i].key, out.key));
        assert_true(slice_eq(in[i].headers, out.headers));
        assert_true(slice_eq(in[i].value, out.value));
        assert_true(out.time.ms == in[i].time.ms && out.time.ms > 0);
    }
    assert_rc(stream_reader_next(r, &out, &err), RC_END);
    put(s, "", "later");
    assert_ok(stream_reader_next(r, &out, &err));
    assert_true(slice_eq_str(out.value, "later"));
    stream_reader_close(r);
    struct stream_record large = {.value = {value, big}, .key = SLICE_LIT("123456789")};
    assert_rc(stream_append_wait(s, &large, 1), RC_LIMIT);
    struct stream_record many[5] = {in[2], in[2], in[2], in[2], in[2]};
    assert_rc(stream_append_wait(s, many, 5), RC_LIMIT);
    assert_rc(stream_append_wait(s, many, 0), RC_LIMIT);
    free(value);
    stream_close(s);
}

static void keys_spread_over_partitions_and_stay_there(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 8);
    struct stream *s = open_stream(&cfg);
    uint64_t per_partition[8] = {0};
    struct stream_record records[2000];
    char keys[2000][16];
    for (int i = 0; i < 2000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "visitor-%d", i);
        records[i] = record_of(keys[i], "x");
    }
    assert_ok(stream_append_wait(s, records, 2000));
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(records[i].partition, stream_partition_of(s, records[i].key));
        assert_int_equal(records[i].offset, per_partition[records[i].partition]++);
    }
    for (int i = 0; i < 8; i++) {
        struct stream_bounds b;
        stream_bounds(s, (uint32_t)i, &b);
        assert_int_equal(b.next, per_partition[i]);
        assert_in_range(per_partition[i], 150, 350);
    }
    assert_int_equal(stream_partition_of(s, SLICE_EMPTY), 0);
    stream_close(s);
    cfg.partitions = 4;
    assert_rc(stream_open(&cfg, &s, &err), RC_INVALID);
    cfg.partitions = 8;
    cfg.name = "other";
    assert_rc(stream_open(&cfg, &s, &err), RC_INVALID);
}

static void a_full_segment_is_sealed_and_the_next_one_begun(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 16384;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 200, 1000);
    assert_true(segment_count(s) > 5);
    assert_int_equal(read_values(s, 0, 0), 200);
    for (uint64_t from = 0; from <= 200; from += 7)
        assert_int_equal(read_values(s, 0, from), 200 - from);
    stream_close(s);
    assert_ok(stream_verify(*state, NULL, NULL, &err));
    s = open_stream(&cfg);
    assert_int_equal(read_values(s, 0, 0), 200);
    stream_close(s);
}

/* Batches of five records, so that it rests inside of them, too. */
static void a_reader_that_rests_goes_on_where_it_was(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream_record records[5], rec;
    struct stream_reader *r;
    cfg.segment_bytes_max = 16384;
    struct stream *s = open_stream(&cfg);
    for (size_t i = 0; i < COUNT_OF(records); i++)
        records[i] = record_of("", (const char *[]){"v0", "v1", "v2", "v3", "v4"}[i]);
    assert_ok(stream_reader_open(s, 0, 0, &r, &err));
    for (uint64_t i = 0; i < 400; i++) {
        if (i % 5 == 0)
            assert_ok(stream_append_wait(s, records, COUNT_OF(records)));
        stream_reader_rest(r);
        assert_ok(stream_reader_next(r, &rec, &err));
        assert_int_equal(rec.offset, i);
        assert_true(slice_eq_str(rec.value, (char[]){'v', (char)('0' + i % 5), '\0'}));
    }
    uint64_t held = heap_bytes(HEAP_STREAM);
    stream_reader_rest(r);
    assert_true(heap_bytes(HEAP_STREAM) < held);
    assert_rc(stream_reader_next(r, &rec, &err), RC_END);
    stream_reader_close(r);
    stream_close(s);
}

static void a_missing_segment_in_the_middle_is_refused(void **state)
{
    struct err err = ERR_INIT;
    char path[OS_PATH_MAX];
    char **names;
    size_t n;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 8192;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 60, 1000);
    stream_close(s);
    os_path(path, "%s/p00", (char *)*state);
    assert_ok(os_list(path, &names, &n, &err));
    assert_true(n > 4);
    os_path(path, "%s/p00/%s", (char *)*state, names[2]);
    assert_int_equal(unlink(path), 0);
    os_list_free(names, n);
    assert_rc(stream_open(&cfg, &s, &err), RC_CORRUPT);
    assert_rc(stream_verify(*state, NULL, NULL, &err), RC_CORRUPT);
}

static void offsets_are_found_by_time_across_segments(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 8192;
    struct stream *s = open_stream(&cfg);
    enum { N = 60 };
    int64_t times[N];
    int64_t shift = 0;
    for (int i = 0; i < N; i++) {
        shift += 10000;
        unix_now_shift(shift);
        char value[1200];
        memset(value, 'x', sizeof(value));
        struct stream_record r = {.value = slice_of(value, sizeof(value))};
        assert_ok(stream_append_wait(s, &r, 1));
        times[i] = r.time.ms;
    }
    uint64_t offset;
    for (int i = 0; i < N; i++) {
        assert_ok(stream_offset_at(s, 0, (unix_ms){times[i]}, &offset, &err));
        assert_int_equal(offset, i);
        assert_ok(stream_offset_at(s, 0, (unix_ms){times[i] + 1}, &offset, &err));
        assert_int_equal(offset, i + 1);
    }
    assert_ok(stream_offset_at(s, 0, (unix_ms){0}, &offset, &err));
    assert_int_equal(offset, 0);
    unix_now_shift(0);
    stream_close(s);
}

static void a_clock_set_back_never_sets_append_times_back(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    int64_t first = put(s, "", "v0").time.ms;
    unix_now_shift(-3600 * 1000);
    int64_t second = put(s, "", "v1").time.ms;
    stream_close(s);
    s = open_stream(&cfg);
    int64_t third = put(s, "", "v2").time.ms;
    unix_now_shift(0);
    assert_true(second >= first && third >= second);
    assert_int_equal(read_values(s, 0, 0), 3);
    stream_close(s);
    assert_ok(stream_verify(*state, NULL, NULL, &err));
}

static void retention_by_bytes_drops_the_oldest_segments_only(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 8192;
    cfg.retention_bytes = 30000;
    cfg.retention_ms = 0;
    struct stream *s = open_stream(&cfg);
    struct stream_reader *r;
    struct stream_record rec;
    put_values(s, 0, 100, 1000);
    assert_ok(stream_reader_open(s, 0, 0, &r, &err));
    assert_ok(stream_reader_next(r, &rec, &err));
    assert_ok(stream_retain(s, &err));
    struct stream_bounds b;
    stream_bounds(s, 0, &b);
    assert_true(b.oldest > 50 && b.oldest < 100 && b.next == 100);
    assert_int_equal(read_values(s, 0, b.oldest), 100 - b.oldest);
    /* The reader inside a dropped segment reads it to its end, then is told. */
    enum rc rc;
    uint64_t n = 1;
    while ((rc = stream_reader_next(r, &rec, &err)) == RC_OK)
        assert_int_equal(rec.offset, n++);
    assert_rc(rc, RC_NOTFOUND);
    assert_int_equal(rec.offset, b.oldest);
    stream_reader_seek(r, rec.offset);
    assert_ok(stream_reader_next(r, &rec, &err));
    assert_int_equal(rec.offset, b.oldest);
    stream_reader_close(r);
    stream_close(s);
    s = open_stream(&cfg);
    put_values(s, 100, 1, 0);
    stream_close(s);
}

static void retention_by_time_keeps_what_is_young(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream_bounds b;
    cfg.segment_bytes_max = 8192;
    cfg.retention_ms = 24 * 3600 * 1000;
    unix_now_shift(-INT64_C(48) * 3600 * 1000);
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 20, 1000);
    stream_close(s);
    unix_now_shift(0);
    s = open_stream(&cfg);
    put_values(s, 20, 20, 1000);
    assert_ok(stream_retain(s, &err));
    stream_bounds(s, 0, &b);
    assert_in_range(b.oldest, 10, 20);
    /* A clock that jumps ten years ahead empties nothing. */
    unix_now_shift(INT64_C(3650) * 24 * 3600 * 1000);
    assert_ok(stream_retain(s, &err));
    unix_now_shift(0);
    struct stream_bounds after;
    stream_bounds(s, 0, &after);
    assert_int_equal(after.oldest, b.oldest);
    stream_close(s);
}

static void every_ack_mode_keeps_what_was_closed_cleanly(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 1);
    uint64_t n = 0;
    for (int mode = STREAM_ACK_FSYNC; mode <= STREAM_ACK_NONE; mode++) {
        cfg.ack = (enum stream_ack)mode;
        struct stream *s = open_stream(&cfg);
        put_values(s, n, 10, 10);
        n += 10;
        assert_true(stream_wait(s, 0, n - 1, 10000)); /* published by the lazy sync */
        assert_int_equal(read_values(s, 0, 0), n);
        put_values(s, n, 10, 10);
        n += 10;
        stream_close(s);
    }
    struct stream *s = open_stream(&cfg);
    assert_int_equal(read_values(s, 0, 0), n);
    stream_close(s);
}

struct gate { /* holds the committer inside done() */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open, is_entered;
};

static void gate_done(struct stream_append *append, enum rc rc)
{
    struct gate *g = append->ctx;
    assert_int_equal(rc, RC_OK);
    pthread_mutex_lock(&g->mutex);
    g->is_entered = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->is_open)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

static _Atomic int done_count;
static void count_done(struct stream_append *append, enum rc rc)
{
    (void)append;
    assert_int_equal(rc, RC_OK);
    done_count++;
}

static void a_full_queue_says_busy_and_closing_finishes_the_queue(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.queue_bytes_max = 1000;
    struct stream *s = open_stream(&cfg);
    struct gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct stream_record first = record_of("", "v0");
    struct stream_append gate = {.records = &first, .count = 1, .done = gate_done, .ctx = &g};
    assert_ok(stream_append(s, &gate));
    pthread_mutex_lock(&g.mutex);
    while (!g.is_entered)
        pthread_cond_wait(&g.changed, &g.mutex);
    pthread_mutex_unlock(&g.mutex);
    struct stream_record records[100];
    struct stream_append appends[100];
    char values[100][8];
    int n = 0;
    enum rc rc = RC_OK;
    done_count = 0;
    for (; n < 100 && rc == RC_OK; n++) {
        snprintf(values[n], sizeof(values[n]), "v%d", n + 1);
        records[n] = record_of("", values[n]);
        appends[n] = (struct stream_append){.records = &records[n], .count = 1, .done = count_done};
        rc = stream_append(s, &appends[n]);
    }
    assert_rc(rc, RC_BUSY);
    n--;
    assert_in_range(n, 20, 60);
    pthread_mutex_lock(&g.mutex);
    g.is_open = true;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.mutex);
    stream_close(s);
    assert_int_equal(done_count, n);
    s = open_stream(&cfg);
    assert_int_equal(read_values(s, 0, 0), n + 1);
    stream_close(s);
}

static _Atomic uint64_t fake_free = UINT64_MAX;
static int fake_free_bytes(const char *path, uint64_t *ret)
{
    (void)path;
    *ret = fake_free;
    return 0;
}

static void below_the_floor_appends_are_refused_until_there_is_space(void **state)
{
    struct err err = ERR_INIT;
    struct os_calls calls = os_calls_real;
    calls.free_bytes = fake_free_bytes;
    fake_free = 1000;
    os_calls_set(&calls);
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.disk_floor_bytes = 2000;
    struct stream *s = open_stream(&cfg);
    struct stream_record r = record_of("", "v0");
    enum rc rc;
    do
        rc = stream_append_wait(s, &r, 1); /* the first ones may come before the first check */
    while (rc == RC_OK);
    assert_rc(rc, RC_NOSPACE);
    fake_free = 3000;
    do {
        sleep_ms(1);
        rc = stream_append_wait(s, &r, 1);
    } while (rc == RC_NOSPACE);
    assert_rc(rc, RC_OK);
    stream_close(s);
    os_calls_set(NULL);
}

static void two_processes_cannot_share_a_folder(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg), *second;
    assert_rc(stream_open(&cfg, &second, &err), RC_BUSY);
    pid_t pid = fork();
    if (pid == 0) {
        struct stream *other;
        _exit(stream_open(&cfg, &other, NULL) == RC_BUSY ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    stream_close(s);
}

static void a_read_only_look_beside_the_writer_changes_nothing(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 2), tool = {.dir = *state, .read_only = true};
    cfg.segment_bytes_max = 8192;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 50, 1000);
    struct stream *view = open_stream(&tool);
    assert_string_equal(stream_name(view), "test");
    assert_int_equal(stream_partitions(view), 2);
    assert_int_equal(read_values(view, 0, 0), 50);
    put_values(s, 50, 5, 1000);
    assert_int_equal(read_values(view, 0, 0), 50);
    stream_close(view);
    assert_int_equal(read_values(s, 0, 0), 55);
    stream_close(s);
}

static void a_backup_of_a_running_stream_opens_whole(void **state)
{
    struct err err = ERR_INIT;
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    os_path(from, "%s/live", (char *)*state);
    os_path(to, "%s/copy/deep", (char *)*state);
    struct stream_cfg cfg = small_cfg(from, 2);
    cfg.segment_bytes_max = 8192;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 50, 1000);
    assert_ok(stream_backup(s, to, &err));
    put_values(s, 50, 10, 1000);
    stream_close(s);
    assert_ok(stream_verify(to, NULL, NULL, &err));
    cfg.dir = to;
    s = open_stream(&cfg);
    assert_int_equal(read_values(s, 0, 0), 50);
    put_values(s, 50, 1, 10);
    stream_close(s);
}

static void a_wait_ends_by_record_timeout_or_interrupt(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    assert_false(stream_wait(s, 0, 0, 1));
    put_values(s, 0, 1, 0);
    assert_true(stream_wait(s, 0, 0, 60000));
    stream_interrupt(s);
    assert_false(stream_wait(s, 0, 1, 60000));
    stream_close(s);
}

static void damage_byte(const char *dir, uint64_t base, off_t at)
{
    char path[OS_PATH_MAX];
    unsigned char c;
    os_path(path, "%s/p00/%020llu.seg", dir, (unsigned long long)base);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x40;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void damage_before_acknowledged_records_is_refused_and_can_be_cut(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 20, 0);
    stream_close(s);
    damage_byte(*state, 0, 512 + 512 * 10 + 66); /* in the payload of the batch of record 10 */
    assert_rc(stream_open(&cfg, &s, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "00000000000000000000.seg, byte 5632"));
    assert_rc(stream_verify(*state, NULL, NULL, &err), RC_CORRUPT);
    uint64_t next, cut;
    assert_ok(stream_truncate_tail(*state, 0, &next, &cut, &err));
    assert_int_equal(next, 20); /* the offsets 10 to 19 are never given again */
    assert_int_equal(cut, 512 * 11);
    assert_ok(stream_verify(*state, NULL, NULL, &err));
    s = open_stream(&cfg);
    put_values(s, 20, 3, 0);
    struct stream_reader *r;
    struct stream_record rec;
    assert_ok(stream_reader_open(s, 0, 8, &r, &err));
    const uint64_t wanted[] = {8, 9, 20, 21, 22};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_ok(stream_reader_next(r, &rec, &err));
        assert_int_equal(rec.offset, wanted[i]);
    }
    assert_rc(stream_reader_next(r, &rec, &err), RC_END);
    stream_reader_close(r);
    stream_close(s);
    assert_ok(stream_truncate_tail(*state, 0, &next, &cut, &err));
    assert_int_equal(next, 23);
    assert_int_equal(cut, 0);
}

static void damage_of_the_last_acknowledged_batch_is_seen_after_a_clean_close(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 3, 0);
    stream_close(s);
    damage_byte(*state, 0, 512 + 512 * 2 + 66);
    assert_rc(stream_open(&cfg, &s, &err), RC_CORRUPT);
}

static void damage_in_a_sealed_segment_stops_the_reader(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 8192;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 40, 1000);
    damage_byte(*state, 0, 1000);
    struct stream_reader *r;
    struct stream_record rec;
    enum rc rc;
    assert_ok(stream_reader_open(s, 0, 0, &r, &err));
    while ((rc = stream_reader_next(r, &rec, &err)) == RC_OK)
        ;
    assert_rc(rc, RC_CORRUPT);
    stream_reader_close(r);
    stream_close(s);
    assert_rc(stream_verify(*state, NULL, NULL, &err), RC_CORRUPT);
    uint64_t next, cut;
    assert_ok(stream_truncate_tail(*state, 0, &next, &cut, &err));
    assert_int_equal(next, 40);
    assert_ok(stream_verify(*state, NULL, NULL, &err));
    s = open_stream(&cfg);
    put_values(s, 40, 1, 0);
    stream_close(s);
}

static void a_torn_tail_is_cut_and_the_rest_kept(void **state)
{
    struct stream_cfg cfg = small_cfg(*state, 1);
    for (off_t keep = 1; keep < 1024; keep += 37) {
        char dir[OS_PATH_MAX], path[OS_PATH_MAX];
        os_path(dir, "%s/%d", (char *)*state, (int)keep);
        cfg.dir = dir;
        struct stream *s = open_stream(&cfg);
        put_values(s, 0, 10, 0);
        put_values(s, 10, 1, 900);
        stream_close(s);
        /* 512 header + 10 × 512 + 1,024, then the mark of the close: tear the last batch. */
        os_path(path, "%s/p00/%020d.seg", dir, 0);
        assert_int_equal(truncate(path, 512 * 11 + keep), 0);
        s = open_stream(&cfg);
        uint64_t n = read_values(s, 0, 0);
        assert_int_equal(n, keep >= 64 + 905 ? 11 : 10);
        put_values(s, n, 2, 0);
        stream_close(s);
    }
}

static void tell_damage(void *ctx, const char *line)
{
    if (strstr(line, "DAMAGED"))
        *(bool *)ctx = true;
}

static uint64_t bytes_of_file(const char *dir)
{
    char path[OS_PATH_MAX];
    struct stat st;
    assert_int_equal(stat(os_path(path, "%s/p00/%020d.seg", dir, 0), &st), 0);
    return (uint64_t)st.st_size;
}

/* What a crash leaves: the file as it is while the stream is open. */
static void zeros_filled_ahead_are_no_damage_and_go_with_a_clean_close(void **state)
{
    struct err err = ERR_INIT;
    char live[OS_PATH_MAX], image[OS_PATH_MAX];
    os_path(live, "%s/live", (char *)*state);
    os_path(image, "%s/image", (char *)*state);
    struct stream_cfg cfg = small_cfg(live, 1);
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 20, 100);
    assert_true(bytes_of_file(live) > 512 * 21); /* else this test tests nothing */
    assert_ok(os_copy_tree(live, image, os_copy_whole, &err));
    put_values(s, 20, 5, 100);
    stream_close(s);
    assert_int_equal(bytes_of_file(live), 512 * 27); /* header, 25 batches, the mark of the close */

    bool is_damaged = false;
    assert_ok(stream_verify(image, tell_damage, &is_damaged, &err));
    assert_false(is_damaged);
    cfg.dir = image;
    s = open_stream(&cfg);
    assert_int_equal(bytes_of_file(image), 512 * 21);
    assert_int_equal(read_values(s, 0, 0), 20);
    put_values(s, 20, 1, 100);
    stream_close(s);
}

static void a_sealed_segment_ends_with_its_seal_whatever_was_filled_ahead(void **state)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg = small_cfg(*state, 1);
    cfg.segment_bytes_max = 64 << 10;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 300, 400);
    stream_close(s);
    assert_ok(stream_verify(*state, NULL, NULL, &err));
    s = open_stream(&cfg);
    assert_int_equal(read_values(s, 0, 0), 300);
    stream_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(appended_records_are_read_back_in_order),
        T(reopening_keeps_every_record_and_goes_on_counting),
        T(key_headers_and_value_come_back_whole),
        T(keys_spread_over_partitions_and_stay_there),
        T(a_full_segment_is_sealed_and_the_next_one_begun),
        T(a_reader_that_rests_goes_on_where_it_was),
        T(a_missing_segment_in_the_middle_is_refused),
        T(offsets_are_found_by_time_across_segments),
        T(a_clock_set_back_never_sets_append_times_back),
        T(retention_by_bytes_drops_the_oldest_segments_only),
        T(retention_by_time_keeps_what_is_young),
        T(every_ack_mode_keeps_what_was_closed_cleanly),
        T(a_full_queue_says_busy_and_closing_finishes_the_queue),
        T(below_the_floor_appends_are_refused_until_there_is_space),
        T(two_processes_cannot_share_a_folder),
        T(a_read_only_look_beside_the_writer_changes_nothing),
        T(a_backup_of_a_running_stream_opens_whole),
        T(a_wait_ends_by_record_timeout_or_interrupt),
        T(damage_before_acknowledged_records_is_refused_and_can_be_cut),
        T(damage_of_the_last_acknowledged_batch_is_seen_after_a_clean_close),
        T(damage_in_a_sealed_segment_stops_the_reader),
        T(a_torn_tail_is_cut_and_the_rest_kept),
        T(zeros_filled_ahead_are_no_damage_and_go_with_a_clean_close),
        T(a_sealed_segment_ends_with_its_seal_whatever_was_filled_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
