/* Erasing out of the archive: what goes, what has to stay, and a failure at every step. */
#include "archive_test.h"

#include "archive/archive.h"
#include "archive/reader.h"
#include "failing_store.h"
#include "fake_stream.h"
#include "no_store.h"

enum { HOUR_MS = 3600000, RECORDS = 600 };
static const int64_t T0 = 1795000000000 / HOUR_MS * HOUR_MS;
static struct err err;

struct bench {
    char root[OS_PATH_MAX], state_dir[OS_PATH_MAX], folder_dir[OS_PATH_MAX];
    struct stream *stream;
    struct object_store *folder;
    struct failing_store failing;
    struct archive *archive;
};

static bool is_of_person(uint64_t offset)
{
    return offset % 5 == 2 && offset / 100 % 2 == 0; /* not in every part */
}

/* Three hours of one partition, parts of a hundred records. */
static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    temp_dir(b->root);
    os_path(b->folder_dir, "%s/objects", b->root);
    os_path(b->state_dir, "%s/state", b->root);
    b->stream = fake_stream_new("events", 1);
    assert_ok(object_folder_new(b->folder_dir, &b->folder, &err));
    failing_store_init(&b->failing, b->folder);
    for (uint64_t i = 0; i < RECORDS; i++) {
        char value[128];
        int n = snprintf(value, sizeof(value), "{\"user\":\"%s\",\"n\":%llu}",
                         is_of_person(i) ? "person-of-interest" : "somebody-else",
                         (unsigned long long)i);
        fake_stream_add(b->stream, 0, (unix_ms){T0 + (int64_t)(i / 250) * HOUR_MS + (int64_t)i},
                        slice_str(is_of_person(i) ? "p/person-of-interest" : "p/x"), SLICE_EMPTY,
                        slice_of(value, (size_t)n));
    }
    return b;
}

static void bench_open(struct bench *b)
{
    struct archive_cfg cfg = {.stream = b->stream,
                              .objects = &b->failing.super,
                              .dir = b->state_dir,
                              .part_records_max = 100,
                              .grace_ms = -1};
    archive_free(b->archive);
    b->archive = NULL;
    assert_ok(archive_new(&cfg, &b->archive, &err));
}

static void bench_free(struct bench *b)
{
    archive_free(b->archive);
    object_store_free(b->folder);
    fake_stream_free(b->stream);
    remove_dir(b->root);
    free(b);
}

static bool is_wanted(void *ctx, const struct stream_record *r)
{
    (void)ctx;
    return slice_eq_str(r->key, "p/person-of-interest");
}

static enum rc erase(struct bench *b, uint64_t before, bool is_dry_run, struct archive_erased *ret)
{
    const struct archive_erase what = {
        .before = &before, .is_wanted = is_wanted, .is_dry_run = is_dry_run};
    return archive_erase(b->archive, &what, ret, &err);
}

static uint64_t wanted_in(uint64_t before)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < before; i++)
        n += is_of_person(i);
    return n;
}

/* Everything is there, in its place; of the person nothing below `erased_below`. Returns how many
 * of the person's records are left. */
static uint64_t read_all(struct bench *b, uint64_t erased_below)
{
    CLEANUP(archive_index_freep) struct archive_index *index = NULL;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    struct stream_record got;
    enum rc rc;
    uint64_t offset = 0, left = 0;
    assert_ok(archive_index_open(b->folder, "events", 0, &index, &err));
    assert_ok(archive_reader_open(index, 0, 0, &reader, &err));
    while ((rc = archive_reader_next(reader, &got, &err)) == RC_OK) {
        struct stream_record want = fake_stream_record(b->stream, 0, offset);
        assert_int_equal(got.offset, offset);
        assert_int_equal(got.time.ms, want.time.ms);
        if (!is_of_person(offset) || !stream_record_is_erased(&got)) {
            assert_true(slice_eq(got.key, want.key));
            assert_true(slice_eq(got.value, want.value));
        }
        if (is_of_person(offset) && offset < erased_below)
            assert_true(stream_record_is_erased(&got));
        left += is_of_person(offset) && !stream_record_is_erased(&got);
        offset++;
    }
    if (rc != RC_END)
        fail_msg("%s", err.text);
    assert_int_equal(offset, RECORDS);
    return left;
}

static void assert_verifies(struct bench *b)
{
    struct archive_verify_result result;
    if (archive_verify(b->folder, "events", (unix_ms){0}, (unix_ms){INT64_MAX / 2}, NULL, NULL,
                       &result, &err) != RC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(result.records, RECORDS);
    assert_int_equal(result.gaps + result.overlaps, 0);
}

static enum rc count_object(void *ctx, const struct object_info *info, struct err *e)
{
    (void)e;
    *(uint64_t *)ctx += strstr(info->key, ".zst") != NULL;
    return RC_OK;
}

static uint64_t data_objects(struct bench *b)
{
    uint64_t n = 0;
    assert_ok(object_each(b->folder, "", count_object, &n, &err));
    return n;
}

static void what_is_erased_reads_back_as_tombstones_and_the_rest_as_it_was(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_erased e;
    bench_open(b);
    assert_ok(archive_flush(b->archive, NULL, &err));
    uint64_t objects = data_objects(b);
    assert_ok(erase(b, RECORDS, false, &e));
    assert_int_equal(e.records, wanted_in(RECORDS));
    assert_true(e.objects >= 3 && e.objects < objects);
    assert_int_equal(e.removed, e.objects);
    assert_int_equal(read_all(b, RECORDS), 0);
    assert_int_equal(data_objects(b), objects);
    assert_verifies(b);
    assert_ok(erase(b, RECORDS, false, &e)); /* again: nothing to do */
    assert_int_equal(e.records + e.objects + e.removed, 0);
    bench_free(b);
}

static void a_second_person_is_a_second_edition(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_erased e;
    bench_open(b);
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_ok(erase(b, 50, false, &e));
    assert_int_equal(e.records, wanted_in(50));
    assert_int_equal(read_all(b, 50), wanted_in(RECORDS) - wanted_in(50));
    assert_ok(erase(b, RECORDS, false, &e));
    assert_int_equal(e.records, wanted_in(RECORDS) - wanted_in(50));
    assert_int_equal(read_all(b, RECORDS), 0);
    assert_verifies(b);
    bench_free(b);
}

static void a_dry_run_counts_and_changes_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_erased e;
    bench_open(b);
    assert_ok(archive_flush(b->archive, NULL, &err));
    struct buf before = digest_of(b->folder);
    assert_ok(erase(b, RECORDS, true, &e));
    assert_int_equal(e.records, wanted_in(RECORDS));
    struct buf after = digest_of(b->folder);
    assert_string_equal(buf_cstr(&before), buf_cstr(&after));
    buf_done(&before);
    buf_done(&after);
    bench_free(b);
}

/* An hour that is still open has its lines in a temporary file; some of its parts may be objects
 * already. Both begin anew from the stream, which has been erased before. */
static void an_open_hour_begins_anew(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct archive_erased e;
    enum { FED = 245 }; /* two parts uploaded, a third one open */
    struct stream_record records[FED];
    char spool[OS_PATH_MAX];
    bench_open(b);
    for (uint64_t i = 0; i < FED; i++)
        records[i] = fake_stream_record(b->stream, 0, i);
    struct consumer_batch batch = {
        .stream = "events", .last = FED - 1, .records = records, .count = FED};
    assert_ok(archive_consumer_ops.process(b->archive, NULL, &batch, &err));
    os_path(spool, "%s/p0000.spool", b->state_dir);
    assert_true(os_exists(spool));
    assert_true(data_objects(b) > 0);
    assert_ok(erase(b, RECORDS, false, &e));
    assert_false(os_exists(spool));
    assert_int_equal(data_objects(b), 0);
    assert_int_equal(archive_next(b->archive, 0), 0);
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_int_equal(read_all(b, 0), wanted_in(RECORDS)); /* as the (fake) stream has them */
    assert_verifies(b);
    bench_free(b);
}

/* The k-th writing call of the object store fails, before or after it took effect, and the process
 * begins anew. */
static void a_failure_at_any_step_leaves_a_whole_archive_and_the_repetition_ends_it(void **state)
{
    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        bool was_hit = true;
        for (uint64_t k = 1; was_hit; k++) {
            struct bench *b = bench_new();
            struct archive_erased e;
            bench_open(b);
            assert_ok(archive_flush(b->archive, NULL, &err));
            uint64_t objects = data_objects(b);
            b->failing.calls = 0;
            b->failing.fail_at = k;
            b->failing.is_late = is_late;
            was_hit = erase(b, RECORDS, false, &e) != RC_OK;
            b->failing.fail_at = 0;
            read_all(b, 0);
            assert_verifies(b);
            bench_open(b); /* as after a crash */
            assert_ok(erase(b, RECORDS, false, &e));
            assert_int_equal(read_all(b, RECORDS), 0);
            assert_verifies(b);
            assert_int_equal(data_objects(b), objects); /* no left-over holds the person */
            bench_free(b);
            assert_true(k < 100);
        }
    }
}

/* A reader that has read the manifest before, and asks for the objects behind it. */
static void a_reader_in_the_middle_finds_the_new_objects(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    CLEANUP(archive_index_freep) struct archive_index *index = NULL;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    struct stream_record got;
    struct archive_erased e;
    uint64_t offset = 0;
    enum rc rc;
    bench_open(b);
    assert_ok(archive_flush(b->archive, NULL, &err));
    assert_ok(archive_index_open(b->folder, "events", 0, &index, &err));
    assert_ok(archive_reader_open(index, 0, 0, &reader, &err));
    assert_ok(archive_reader_next(reader, &got, &err));
    assert_ok(erase(b, RECORDS, false, &e));
    while ((rc = archive_reader_next(reader, &got, &err)) == RC_OK)
        assert_int_equal(got.offset, ++offset);
    if (rc != RC_END)
        fail_msg("%s", err.text);
    assert_int_equal(offset, RECORDS - 1);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_erased_reads_back_as_tombstones_and_the_rest_as_it_was),
        cmocka_unit_test(a_second_person_is_a_second_edition),
        cmocka_unit_test(a_dry_run_counts_and_changes_nothing),
        cmocka_unit_test(an_open_hour_begins_anew),
        cmocka_unit_test(a_failure_at_any_step_leaves_a_whole_archive_and_the_repetition_ends_it),
        cmocka_unit_test(a_reader_in_the_middle_finds_the_new_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
