/* The archive consumer from record to reader, over a fake stream and a folder. */
#include "archive_test.h"

#include <fcntl.h>
#include <pthread.h>

#include "archive/archive.h"
#include "archive/reader.h"
#include "failing_store.h"
#include "fake_stream.h"
#include "no_store.h"

enum { HOUR_MS = 3600000 };
static const int64_t T0 = 1795000000000 / HOUR_MS * HOUR_MS; /* 2026-11-18T11:00Z, the past */
static struct err err;

struct bench {
    char root[OS_PATH_MAX], state_dir[OS_PATH_MAX];
    struct stream *stream;
    struct object_store *folder;
    struct failing_store failing;
    struct archive *archive;
    bool has_store;
};

static void bench_open(struct bench *b)
{
    struct archive_cfg cfg = {.stream = b->stream,
                              .objects = &b->failing.super,
                              .dir = b->state_dir,
                              .part_records_max = 100,
                              .store = b->has_store ? (struct store_pool *)b : NULL,
                              .grace_ms = -1};
    assert_ok(archive_new(&cfg, &b->archive, &err));
}

static struct bench *bench_new(void)
{
    char folder[OS_PATH_MAX];
    struct bench *b = calloc(1, sizeof(*b));
    temp_dir(b->root);
    os_path(folder, "%s/objects", b->root);
    os_path(b->state_dir, "%s/state", b->root);
    b->stream = fake_stream_new("events", 2);
    assert_ok(object_folder_new(folder, &b->folder, &err));
    failing_store_init(&b->failing, b->folder);
    return b;
}

static void bench_free(struct bench *b)
{
    archive_free(b->archive);
    object_store_free(b->folder);
    fake_stream_free(b->stream);
    remove_dir(b->root);
    free(b);
}

static void bench_crash(struct bench *b)
{
    archive_free(b->archive);
    b->archive = NULL;
    bench_open(b);
}

static void add(struct bench *b, uint32_t partition, int64_t time_ms)
{
    char value[128], key[32];
    struct stream_bounds bounds;
    stream_bounds(b->stream, partition, &bounds);
    int n = snprintf(value, sizeof(value), "{\"id\":\"%u-%llu\",\"event\":\"e\",\"project\":\"p\"}",
                     partition, (unsigned long long)bounds.next);
    snprintf(key, sizeof(key), "p/%llu", (unsigned long long)bounds.next % 7);
    bool is_odd = bounds.next % 50 == 49; /* a value that is no JSON, now and then */
    fake_stream_add(b->stream, partition, (unix_ms){time_ms}, slice_str(key),
                    bounds.next % 3 ? SLICE_EMPTY : SLICE_LIT("traceparent\0x\0"),
                    is_odd ? SLICE_LIT("\xff\0no json\n") : slice_of(value, (size_t)n));
}

/* Two partitions, hours 0..2, the last one of partition 1 quiet. */
static void add_three_hours(struct bench *b)
{
    for (int hour = 0; hour < 3; hour++)
        for (int i = 0; i < 250; i++) {
            add(b, 0, T0 + hour * HOUR_MS + i * 14000);
            if (hour < 2 && i % 2)
                add(b, 1, T0 + hour * HOUR_MS + i * 14000);
        }
}

static enum rc hand_over(struct bench *b, uint32_t partition, uint64_t first, uint64_t last)
{
    enum { BATCH_MAX = 1000 };
    static struct stream_record records[BATCH_MAX];
    struct consumer_batch batch = {.stream = "events",
                                   .partition = partition,
                                   .first = first,
                                   .last = last,
                                   .records = records};
    for (uint64_t offset = first; offset <= last; offset++)
        records[batch.count++] = fake_stream_record(b->stream, partition, offset);
    return archive_consumer_ops.process(b->archive, NULL, &batch, &err);
}

static enum rc hand_over_all(struct bench *b, uint64_t batch_records)
{
    for (uint32_t partition = 0; partition < 2; partition++) {
        struct stream_bounds bounds;
        stream_bounds(b->stream, partition, &bounds);
        for (uint64_t at = bounds.oldest; at < bounds.next; at += batch_records) {
            uint64_t last =
                at + batch_records < bounds.next ? at + batch_records - 1 : bounds.next - 1;
            TRY(hand_over(b, partition, at, last));
        }
    }
    return RC_OK;
}

static void idle(struct bench *b)
{
    assert_ok(archive_consumer_ops.idle(b->archive, NULL, &err));
}

/* Every record from `first` of every partition comes back exactly; returns how many. */
static uint64_t assert_reads_back(struct bench *b, uint32_t partition, uint64_t first)
{
    struct archive_index *index;
    struct archive_reader *reader;
    struct stream_record got;
    struct stream_bounds bounds;
    enum rc rc;
    uint64_t offset = first;
    stream_bounds(b->stream, partition, &bounds);
    assert_ok(archive_index_open(b->folder, "events", partition, &index, &err));
    assert_ok(archive_reader_open(index, partition, first, &reader, &err));
    while ((rc = archive_reader_next(reader, &got, &err)) == RC_OK) {
        struct stream_record want = fake_stream_record(b->stream, partition, offset);
        assert_int_equal(got.offset, offset);
        assert_int_equal(got.partition, partition);
        assert_int_equal(got.time.ms, want.time.ms);
        assert_true(slice_eq(got.key, want.key));
        assert_true(slice_eq(got.headers, want.headers));
        assert_true(slice_eq(got.value, want.value));
        offset++;
    }
    if (rc != RC_END)
        fail_msg("%s", err.text);
    archive_reader_close(reader);
    archive_index_free(index);
    return offset - first;
}

static void count_line(void *ctx, const char *line)
{
    (void)line;
    (*(int *)ctx)++;
}

static enum rc verify(struct bench *b, struct archive_verify_result *ret)
{
    int lines = 0;
    return archive_verify(b->folder, "events", (unix_ms){0}, (unix_ms){INT64_MAX / 2}, count_line,
                          &lines, ret, &err);
}

static void assert_same_store(struct buf *a, struct buf *b)
{
    assert_string_equal(buf_cstr(a), buf_cstr(b));
}

/* ---- tests ---- */

static void hours_become_objects_and_read_back(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over_all(b, 97));
    idle(b); /* the wall clock is far past these hours: quiet partitions are closed, too */
    assert_int_equal(archive_next(b->archive, 0), 750);
    assert_int_equal(archive_next(b->archive, 1), 250);
    assert_int_equal(assert_reads_back(b, 0, 0), 750);
    assert_int_equal(assert_reads_back(b, 1, 0), 250);
    assert_int_equal(assert_reads_back(b, 0, 333), 417);
    assert_ok(verify(b, &result));
    assert_int_equal(result.manifests, 5);
    assert_int_equal(result.records, 1000);
    assert_int_equal(result.objects, 3 * 3 + 2 * 2);
    assert_int_equal(result.gaps + result.overlaps, 0);
    assert_int_equal(fake_stream_reads(b->stream), 0); /* handed over once, never read again */
    bench_free(b);
}

static void an_open_hour_waits_for_its_end(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_status status;
    bench_open(b);
    int64_t now = unix_now().ms, hour = now / HOUR_MS * HOUR_MS;
    add(b, 0, hour - HOUR_MS);
    add(b, 0, hour);
    assert_ok(hand_over(b, 0, 0, 1));
    idle(b);
    assert_int_equal(archive_next(b->archive, 0), 1);
    archive_status(b->archive, &status);
    assert_int_equal(status.oldest_unarchived.ms, hour);
    assert_int_equal(status.records, 1);
    unix_now_shift(hour + HOUR_MS + 29000 - now); /* inside the grace */
    bench_crash(b);
    idle(b);
    assert_int_equal(archive_next(b->archive, 0), 1);
    unix_now_shift(hour + HOUR_MS + 31000 - now);
    bench_crash(b);
    idle(b);
    assert_int_equal(archive_next(b->archive, 0), 2);
    unix_now_shift(0);
    bench_free(b);
}

static void a_flush_takes_what_is_committed(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    uint64_t pending = 99;
    bench_open(b);
    add(b, 0, unix_now().ms);
    add(b, 1, unix_now().ms);
    assert_ok(archive_flush(b->archive, &pending, &err));
    assert_int_equal(pending, 0);
    assert_int_equal(archive_next(b->archive, 0) + archive_next(b->archive, 1), 2);
    assert_ok(archive_flush(b->archive, &pending, &err)); /* nothing more to do */
    add(b, 0, unix_now().ms);
    assert_ok(archive_flush(b->archive, &pending, &err));
    assert_int_equal(assert_reads_back(b, 0, 0), 2);
    bench_free(b);
}

static void a_clock_set_back_makes_more_runs_and_loses_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    static const int hours[] = {0, 0, 1, 0, 1, 1, 0, 2};
    bench_open(b);
    for (size_t i = 0; i < COUNT_OF(hours); i++)
        add(b, 0, T0 + hours[i] * HOUR_MS + 1000 - (int64_t)i);
    assert_ok(hand_over_all(b, 3));
    idle(b);
    assert_ok(verify(b, &result));
    assert_int_equal(result.manifests, 6);
    assert_int_equal(result.gaps + result.overlaps, 0);
    assert_int_equal(assert_reads_back(b, 0, 0), COUNT_OF(hours));
    bench_free(b);
}

/* Reference: the same stream archived without any failure. */
static struct buf reference_digest(void)
{
    struct bench *b = bench_new();
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over_all(b, 1000));
    idle(b);
    struct buf digest = digest_of(b->folder);
    bench_free(b);
    return digest;
}

static void a_crash_at_any_call_changes_no_byte(void **state)
{
    (void)state;
    struct buf want = reference_digest();
    for (int variant = 0; variant < 4; variant++) { /* late or not; crash or retry in place */
        for (uint64_t k = 1;; k++) {
            struct bench *b = bench_new();
            bench_open(b);
            add_three_hours(b);
            b->failing.fail_at = k;
            b->failing.is_late = variant & 1;
            while (hand_over_all(b, 97) != RC_OK)
                if (variant & 2)
                    bench_crash(b);
            idle(b);
            bench_crash(b); /* forgets any waiting after a failure of idle */
            idle(b);
            assert_int_equal(archive_next(b->archive, 0), 750);
            assert_int_equal(archive_next(b->archive, 1), 250);
            struct buf got = digest_of(b->folder);
            assert_same_store(&got, &want);
            buf_done(&got);
            bool is_over = b->failing.calls < k;
            bench_free(b);
            if (is_over)
                break;
        }
    }
    buf_done(&want);
}

static void a_lost_position_is_found_in_the_manifests(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over(b, 0, 0, 600));
    assert_int_equal(archive_next(b->archive, 0), 500);
    remove_dir(b->state_dir);
    bench_crash(b);
    assert_int_equal(archive_next(b->archive, 0), 500);
    assert_int_equal(archive_next(b->archive, 1), 0);
    assert_ok(hand_over_all(b, 500));
    idle(b);
    struct buf want = reference_digest(), got = digest_of(b->folder);
    assert_same_store(&got, &want);
    buf_done(&want);
    buf_done(&got);
    bench_free(b);
}

static void a_damaged_position_is_refused(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    char path[OS_PATH_MAX];
    struct buf text;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over(b, 0, 0, 600));
    archive_free(b->archive);
    b->archive = NULL;
    os_path(path, "%s/p0000.position", b->state_dir);
    buf_init(&text, 1000);
    assert_ok(os_read_file(path, &text, &err));
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 1;
        assert_ok(os_write_file_durable(path, buf_slice(&text), &err));
        struct archive_cfg cfg = {.stream = b->stream, .objects = b->folder, .dir = b->state_dir};
        assert_int_equal(archive_new(&cfg, &b->archive, &err), RC_CORRUPT);
        text.data[i] ^= 1;
    }
    buf_done(&text);
    bench_free(b);
}

static void a_flush_that_crashed_keeps_its_end(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_open(b);
    for (int i = 0; i < 10; i++)
        add(b, 0, unix_now().ms);
    b->failing.fail_at = 2; /* the manifest */
    assert_int_equal(archive_flush(b->archive, NULL, &err), RC_UNAVAILABLE);
    add(b, 0, unix_now().ms); /* must not become part of the run that was promised */
    bench_crash(b);
    idle(b);
    assert_int_equal(archive_next(b->archive, 0), 10);
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_int_equal(archive_next(b->archive, 0), 11);
    assert_int_equal(assert_reads_back(b, 0, 0), 11);
    bench_free(b);
}

static void what_retention_dropped_is_counted_and_left_out(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    struct archive_status status;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over(b, 0, 0, 299)); /* hour 0 archived, 50 of hour 1 only handed over */
    fake_stream_retain(b->stream, 0, 400);
    bench_crash(b);
    assert_ok(hand_over(b, 0, 450, 749));
    idle(b);
    archive_status(b->archive, &status);
    assert_int_equal(status.lost, 150);
    assert_ok(verify(b, &result));
    assert_int_equal(result.gaps, 1);
    assert_int_equal(assert_reads_back(b, 0, 400), 350);
    bench_free(b);
}

static void an_hour_written_again_is_the_same(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    uint64_t objects, changed;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over_all(b, 100));
    idle(b);
    struct buf want = digest_of(b->folder);
    assert_ok(object_remove(
        b->folder, "events/dt=2026-11-18/hour=12/p0000-00000000000000000250.ndjson.zst", &err));
    assert_ok(object_put(b->folder,
                         "events/dt=2026-11-18/hour=12/p0001-00000000000000000125.ndjson.zst",
                         SLICE_LIT("damage"), &err));
    assert_ok(
        archive_rerun_hour(b->archive, (unix_ms){T0 + HOUR_MS + 77}, &objects, &changed, &err));
    assert_int_equal(objects, 5);
    assert_int_equal(changed, 0);
    struct buf got = digest_of(b->folder);
    assert_same_store(&got, &want);
    assert_int_equal(
        archive_rerun_hour(b->archive, (unix_ms){T0 - HOUR_MS}, &objects, &changed, &err),
        RC_NOTFOUND);
    fake_stream_retain(b->stream, 0, 251);
    assert_int_equal(
        archive_rerun_hour(b->archive, (unix_ms){T0 + HOUR_MS}, &objects, &changed, &err),
        RC_NOTFOUND);
    buf_done(&want);
    buf_done(&got);
    bench_free(b);
}

static void times_are_found(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_index *index;
    uint64_t offset, first, next;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over_all(b, 100));
    idle(b);
    assert_ok(archive_index_open(b->folder, "events", UINT32_MAX, &index, &err));
    assert_int_equal(archive_index_partitions(index), 2);
    assert_ok(archive_bounds(index, 0, &first, &next, &err));
    assert_int_equal(first, 0);
    assert_int_equal(next, 750);
    assert_ok(archive_offset_at(index, 0, (unix_ms){0}, &offset, &err));
    assert_int_equal(offset, 0);
    assert_ok(archive_offset_at(index, 0, (unix_ms){T0 + HOUR_MS + 14000}, &offset, &err));
    assert_int_equal(offset, 251);
    assert_ok(archive_offset_at(index, 0, (unix_ms){T0 + HOUR_MS + 14001}, &offset, &err));
    assert_int_equal(offset, 252);
    assert_ok(archive_offset_at(index, 0, (unix_ms){T0 + 2 * HOUR_MS - 1}, &offset, &err));
    assert_int_equal(offset, 500);
    assert_ok(archive_offset_at(index, 0, (unix_ms){T0 + 9 * HOUR_MS}, &offset, &err));
    assert_int_equal(offset, 750);
    assert_int_equal(archive_bounds(index, 5, &first, &next, &err), RC_NOTFOUND);
    archive_index_free(index);
    bench_free(b);
}

static void every_flipped_byte_is_found(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    static const char *const keys[] = {
        "events/dt=2026-11-18/hour=11/p0000-00000000000000000000.ndjson.zst",
        "events/dt=2026-11-18/hour=11/p0000-00000000000000000000.manifest.json",
        "events/dt=2026-11-18/hour=11/p0000-00000000000000000000.parquet"};
    no_store()->is_up = true;
    b->has_store = true;
    bench_open(b);
    for (int i = 0; i < 20; i++)
        add(b, 0, T0 + i);
    assert_ok(hand_over_all(b, 100));
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_ok(verify(b, &result));
    assert_int_equal(result.objects, 2);
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        struct buf content;
        buf_init(&content, 1 << 20);
        assert_ok(object_get(b->folder, keys[k], 0, 1 << 20, &content, NULL, &err));
        for (size_t i = 0; i < content.len; i++) {
            char path[OS_PATH_MAX];
            int fd;
            char flipped = (char)(content.data[i] ^ (1 << (i % 8)));
            struct iovec iov = {&flipped, 1};
            uint64_t written;
            os_path(path, "%s/objects/%s", b->root, keys[k]);
            assert_ok(os_open(path, O_WRONLY, &fd, &err));
            assert_ok(os_pwritev_all(fd, &iov, 1, i, &written, &err));
            if (verify(b, &result) != RC_CORRUPT || result.damaged != 1)
                fail_msg("byte %zu of %s", i, keys[k]);
            iov = (struct iovec){&content.data[i], 1};
            assert_ok(os_pwritev_all(fd, &iov, 1, i, &written, &err));
            os_close(fd);
        }
        assert_ok(object_put(b->folder, keys[k], slice_of(content.data, content.len - 1), &err));
        assert_int_equal(verify(b, &result), RC_CORRUPT);
        assert_ok(object_remove(b->folder, keys[k], &err));
        if (k != 1) /* a run without its manifest does not exist */
            assert_int_equal(verify(b, &result), RC_CORRUPT);
        assert_ok(object_put(b->folder, keys[k], buf_slice(&content), &err));
        assert_ok(verify(b, &result));
        buf_done(&content);
    }
    no_store()->is_up = false;
    bench_free(b);
}

static void parquet_waits_for_the_store_and_ndjson_does_not(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    uint64_t pending;
    no_store()->is_up = false;
    b->has_store = true;
    bench_open(b);
    add_three_hours(b);
    assert_ok(hand_over_all(b, 100));
    assert_ok(archive_flush(b->archive, &pending, &err));
    assert_int_equal(pending, 5);
    assert_ok(verify(b, &result));
    assert_int_equal(result.missing_parquet, 13);
    bench_crash(b);
    no_store()->is_up = true;
    for (uint64_t k = 1; pending; k++) { /* and a failing object store on the way */
        b->failing.calls = 0;
        b->failing.fail_at = k;
        b->failing.is_late = k % 2;
        assert_ok(archive_flush(b->archive, &pending, &err));
    }
    assert_ok(verify(b, &result));
    assert_int_equal(result.missing_parquet, 0);
    assert_int_equal(result.objects, 26);
    no_store()->is_up = false;
    bench_free(b);
}

static void a_store_that_is_down_for_good_costs_only_waiting(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_status status;
    bench_open(b);
    add_three_hours(b);
    b->failing.is_down = true;
    for (int i = 0; i < 5; i++)
        assert_int_equal(hand_over(b, 0, 0, 299), RC_UNAVAILABLE);
    archive_status(b->archive, &status);
    assert_true(status.failures >= 5);
    assert_string_equal(status.last_error, "injected failure");
    assert_int_equal(archive_next(b->archive, 0), 0);
    b->failing.is_down = false;
    assert_ok(hand_over(b, 0, 0, 299));
    archive_status(b->archive, &status);
    assert_string_equal(status.last_error, "");
    bench_free(b);
}

static void an_object_larger_than_one_put_goes_up_in_parts(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_verify_result result;
    struct prng random;
    prng_seed(&random, 3);
    char *noise = malloc(3 << 20);
    bench_open(b);
    for (int i = 0; i < 5; i++) { /* 15 MiB that do not compress */
        for (size_t k = 0; k < 3 << 20; k += 8) {
            uint64_t r = prng_next(&random);
            memcpy(noise + k, &r, 8);
        }
        fake_stream_add(b->stream, 0, (unix_ms){T0}, SLICE_EMPTY, SLICE_EMPTY,
                        slice_of(noise, 3 << 20));
    }
    free(noise);
    for (uint64_t k = 1; k < 5; k++) {
        b->failing.calls = 0;
        b->failing.fail_at = k;
        assert_int_equal(archive_flush(b->archive, NULL, &err), RC_UNAVAILABLE);
    }
    b->failing.fail_at = 0;
    b->failing.calls = 0;
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_true(b->failing.calls == 1 + 2 + 1 + 1); /* begin, two parts, complete, manifest */
    assert_int_equal(assert_reads_back(b, 0, 0), 5);
    assert_ok(verify(b, &result));
    bench_free(b);
}

static void *flush_often(void *arg)
{
    struct bench *b = arg;
    for (int i = 0; i < 20; i++) {
        struct err own = ERR_INIT;
        struct archive_status status;
        assert_ok(archive_flush(b->archive, NULL, &own));
        archive_status(b->archive, &status);
    }
    return NULL;
}

static void a_flush_beside_the_consumer_is_safe(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    pthread_t thread;
    bench_open(b);
    add_three_hours(b);
    assert_int_equal(pthread_create(&thread, NULL, flush_often, b), 0);
    assert_ok(hand_over_all(b, 13));
    pthread_join(thread, NULL);
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_int_equal(assert_reads_back(b, 0, 0), 750);
    assert_int_equal(assert_reads_back(b, 1, 0), 250);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_become_objects_and_read_back),
        cmocka_unit_test(an_open_hour_waits_for_its_end),
        cmocka_unit_test(a_flush_takes_what_is_committed),
        cmocka_unit_test(a_clock_set_back_makes_more_runs_and_loses_nothing),
        cmocka_unit_test(a_crash_at_any_call_changes_no_byte),
        cmocka_unit_test(a_lost_position_is_found_in_the_manifests),
        cmocka_unit_test(a_damaged_position_is_refused),
        cmocka_unit_test(a_flush_that_crashed_keeps_its_end),
        cmocka_unit_test(what_retention_dropped_is_counted_and_left_out),
        cmocka_unit_test(an_hour_written_again_is_the_same),
        cmocka_unit_test(times_are_found),
        cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(parquet_waits_for_the_store_and_ndjson_does_not),
        cmocka_unit_test(a_store_that_is_down_for_good_costs_only_waiting),
        cmocka_unit_test(an_object_larger_than_one_put_goes_up_in_parts),
        cmocka_unit_test(a_flush_beside_the_consumer_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
