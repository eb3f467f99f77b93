/* Erasing records out of a stream: what goes, what has to stay, and who must not notice. */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>

#include "stream/consumer.h"
#include "util.h"

enum { SEGMENT_BYTES = 16384, VALUE_BYTES = 900 };

struct fixture {
    char dir[256];
    struct stream_cfg cfg;
    struct stream *s;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    scratch_new(f->dir);
    f->cfg = small_cfg(f->dir, 1);
    f->cfg.segment_bytes_max = SEGMENT_BYTES;
    f->cfg.retention_ms = 0;
    f->s = open_stream(&f->cfg);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->s)
        stream_close(f->s);
    scratch_free(f->dir);
    free(f);
    return 0;
}

/* Every third record is of "person-of-interest", the others of "u<offset>". */
static bool is_of_person(uint64_t offset)
{
    return offset % 3 == 1;
}

static void value_at(uint64_t offset, char value[VALUE_BYTES])
{
    memset(value, '.', VALUE_BYTES);
    int n = snprintf(value, VALUE_BYTES, "%s %llu",
                     is_of_person(offset) ? "person-of-interest" : "somebody-else",
                     (unsigned long long)offset);
    value[n] = '.';
}

static void put_people(struct stream *s, uint64_t from, uint64_t n)
{
    struct err err = ERR_INIT;
    for (uint64_t i = from; i < from + n; i++) {
        char value[VALUE_BYTES];
        value_at(i, value);
        struct stream_record r = {.key =
                                      slice_str(is_of_person(i) ? "p/person-of-interest" : "p/x"),
                                  .headers = slice_of("h\0v\0", 4),
                                  .value = slice_of(value, sizeof(value))};
        assert_ok(stream_append_wait(s, &r, 1));
        assert_int_equal(r.offset, i);
    }
}

static bool is_wanted(void *ctx, const struct stream_record *r)
{
    (void)ctx;
    return slice_eq_str(r->key, "p/person-of-interest");
}

static struct stream_erased erase(struct stream *s, bool is_dry_run)
{
    struct err err = ERR_INIT;
    uint64_t before[STREAM_PARTITIONS_MAX];
    struct stream_erased erased;
    assert_ok(stream_roll(s, before, &err));
    const struct stream_erase what = {
        .before = before[0], .is_wanted = is_wanted, .is_dry_run = is_dry_run};
    assert_ok(stream_erase(s, &what, &erased, &err));
    return erased;
}

static void check_record(const struct stream_record *r, uint64_t erased_below)
{
    char value[VALUE_BYTES];
    value_at(r->offset, value);
    if (is_of_person(r->offset) && r->offset < erased_below) {
        assert_true(stream_record_is_erased(r));
        return;
    }
    assert_int_equal(r->value.len, sizeof(value));
    assert_memory_equal(r->value.data, value, sizeof(value));
    assert_int_equal(r->headers.len, 4);
}

static void check_all(struct stream *s, uint64_t n, uint64_t erased_below)
{
    struct err err = ERR_INIT;
    struct stream_reader *r;
    struct stream_record rec;
    enum rc rc;
    uint64_t at = 0;
    assert_ok(stream_reader_open(s, 0, 0, &r, &err));
    while ((rc = stream_reader_next(r, &rec, &err)) == RC_OK) {
        assert_int_equal(rec.offset, at++);
        check_record(&rec, erased_below);
    }
    assert_rc(rc, RC_END);
    assert_int_equal(at, n);
    stream_reader_close(r);
}

/* How often the text stands in any file of the folder. */
static uint64_t count_in_files(const char *dir, const char *text)
{
    char pattern[300];
    glob_t found;
    uint64_t n = 0;
    snprintf(pattern, sizeof(pattern), "%s/p*/*", dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct err err = ERR_INIT;
        struct buf b;
        buf_init(&b, 8 << 20);
        assert_ok(os_read_file(found.gl_pathv[i], &b, &err));
        for (char *at = b.data; b.len && at < b.data + b.len;) {
            at = memmem(at, b.len - (size_t)(at - b.data), text, strlen(text));
            if (!at)
                break;
            n++;
            at++;
        }
        buf_done(&b);
    }
    globfree(&found);
    return n;
}

static void what_is_erased_is_in_no_file_and_the_rest_stays_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    put_people(f->s, 0, 90);
    assert_int_equal(count_in_files(f->dir, "person-of-interest"), 60); /* key and value */
    struct stream_erased e = erase(f->s, false);
    assert_int_equal(e.records, 30);
    assert_true(e.segments > 3);
    assert_true(e.bytes_after < e.bytes_before);
    assert_int_equal(count_in_files(f->dir, "person-of-interest"), 0);
    check_all(f->s, 90, 90);
    put_people(f->s, 90, 9); /* the stream goes on, the person may come back */
    check_all(f->s, 99, 90);
    stream_close(f->s);
    assert_ok(stream_verify(f->dir, NULL, NULL, &err));
    f->s = open_stream(&f->cfg);
    check_all(f->s, 99, 90);
}

static void an_erasure_that_is_repeated_finds_nothing(void **state)
{
    struct fixture *f = *state;
    put_people(f->s, 0, 40);
    assert_int_equal(erase(f->s, false).records, 13);
    struct stream_erased again = erase(f->s, false);
    assert_int_equal(again.records, 0);
    assert_int_equal(again.segments, 0);
    check_all(f->s, 40, 40);
}

static void a_dry_run_counts_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    put_people(f->s, 0, 40);
    assert_int_equal(erase(f->s, true).records, 13);
    check_all(f->s, 40, 0);
}

static void only_offsets_below_the_given_one_go(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    uint64_t before[STREAM_PARTITIONS_MAX];
    struct stream_erased erased;
    put_people(f->s, 0, 40);
    assert_ok(stream_roll(f->s, before, &err));
    const struct stream_erase what = {.before = 20, .is_wanted = is_wanted};
    assert_ok(stream_erase(f->s, &what, &erased, &err));
    assert_int_equal(erased.records, 7);
    check_all(f->s, 40, 20);
}

static void what_is_not_sealed_is_refused_until_it_is_rolled(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct stream_erased erased;
    put_people(f->s, 0, 3);
    const struct stream_erase what = {.before = 3, .is_wanted = is_wanted};
    assert_rc(stream_erase(f->s, &what, &erased, &err), RC_AGAIN);
    assert_int_equal(erase(f->s, false).records, 1);
}

static void rolling_an_empty_stream_makes_no_segment(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    uint64_t before[STREAM_PARTITIONS_MAX], segments = 0;
    for (int i = 0; i < 3; i++)
        assert_ok(stream_roll(f->s, before, &err));
    assert_int_equal(before[0], 0);
    assert_ok(stream_segments(f->s, count_segment, &segments, &err));
    assert_int_equal(segments, 1);
}

/* A reader within every segment, also within the one that was active, when they are replaced. */
static void readers_go_on_with_their_next_record_in_the_new_files(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    enum { READERS = 60 };
    struct stream_reader *readers[READERS];
    put_people(f->s, 0, READERS);
    for (uint64_t i = 0; i < READERS; i++) {
        struct stream_record r;
        assert_ok(stream_reader_open(f->s, 0, i, &readers[i], &err));
        assert_ok(stream_reader_next(readers[i], &r, &err));
        assert_int_equal(r.offset, i);
    }
    erase(f->s, false);
    put_people(f->s, READERS, 5);
    for (uint64_t i = 0; i < READERS; i++) {
        struct stream_record r;
        uint64_t at = i + 1;
        enum rc rc;
        while ((rc = stream_reader_next(readers[i], &r, &err)) == RC_OK) {
            assert_int_equal(r.offset, at++);
            check_record(&r, READERS); /* nothing that was erased, not even from its memory */
        }
        assert_rc(rc, RC_END);
        assert_int_equal(at, READERS + 5);
        stream_reader_close(readers[i]);
    }
}

static void a_reader_at_the_end_of_the_active_segment_goes_on_behind_it(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct stream_reader *r;
    struct stream_record rec;
    put_people(f->s, 0, 5);
    assert_ok(stream_reader_open(f->s, 0, 0, &r, &err));
    for (int i = 0; i < 5; i++)
        assert_ok(stream_reader_next(r, &rec, &err));
    assert_rc(stream_reader_next(r, &rec, &err), RC_END);
    assert_int_equal(erase(f->s, false).records, 2);
    assert_rc(stream_reader_next(r, &rec, &err), RC_END);
    put_people(f->s, 5, 2);
    assert_ok(stream_reader_next(r, &rec, &err));
    assert_int_equal(rec.offset, 5);
    stream_reader_close(r);
}

static void times_are_found_in_a_rewritten_segment(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    uint64_t was[40], is;
    struct stream_record r;
    struct stream_reader *reader;
    int64_t times[40];
    put_people(f->s, 0, 40);
    assert_ok(stream_reader_open(f->s, 0, 0, &reader, &err));
    for (int i = 0; i < 40; i++) {
        assert_ok(stream_reader_next(reader, &r, &err));
        times[i] = r.time.ms;
    }
    stream_reader_close(reader);
    for (int i = 0; i < 40; i++)
        assert_ok(stream_offset_at(f->s, 0, (unix_ms){times[i]}, &was[i], &err));
    erase(f->s, false);
    for (int i = 0; i < 40; i++) {
        assert_ok(stream_offset_at(f->s, 0, (unix_ms){times[i]}, &is, &err));
        assert_int_equal(is, was[i]);
    }
}

static bool says_yes_then_no(void *ctx, const struct stream_record *r)
{
    return is_wanted(NULL, r) && (*(int *)ctx)++ % 2 == 0;
}

/* The negative control: whoever erases must be of one mind; otherwise nothing is changed. */
static void a_copy_that_differs_never_takes_the_place(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    uint64_t before[STREAM_PARTITIONS_MAX];
    struct stream_erased erased;
    int calls = 0;
    put_people(f->s, 0, 10);
    assert_ok(stream_roll(f->s, before, &err));
    const struct stream_erase what = {
        .before = before[0], .is_wanted = says_yes_then_no, .ctx = &calls};
    assert_rc(stream_erase(f->s, &what, &erased, &err), RC_CORRUPT);
    check_all(f->s, 10, 0);
    assert_int_equal(erase(f->s, false).records, 3);
    check_all(f->s, 10, 10);
}

static void a_damaged_segment_is_refused_and_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    char path[300];
    put_people(f->s, 0, 30);
    uint64_t before[STREAM_PARTITIONS_MAX];
    struct stream_erased erased;
    assert_ok(stream_roll(f->s, before, &err));
    snprintf(path, sizeof(path), "%s/p00/%020d.seg", f->dir, 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "X", 1, 700), 1);
    const struct stream_erase what = {.before = before[0], .is_wanted = is_wanted};
    assert_rc(stream_erase(f->s, &what, &erased, &err), RC_CORRUPT);
    char byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 700), 1);
    assert_int_equal(byte, 'X');
    close(fd);
}

static void a_backup_from_before_keeps_what_it_has(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    char to[300], stream_dir[256];
    put_people(f->s, 0, 40);
    snprintf(to, sizeof(to), "%s-backup", f->dir);
    assert_ok(stream_backup(f->s, to, &err));
    erase(f->s, false);
    snprintf(stream_dir, sizeof(stream_dir), "%.255s", to);
    struct stream_cfg cfg = f->cfg;
    cfg.dir = stream_dir;
    struct stream *copy = open_stream(&cfg);
    check_all(copy, 40, 0);
    stream_close(copy);
    scratch_free(to);
}

/* ---- a consumer with a backlog ---- */

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t next, erased;
    bool is_held, holds; /* the handler waits while it holds */
};

static enum rc take(void *ctx, struct consumer *c, const struct consumer_batch *b, struct err *err)
{
    struct seen *seen = ctx;
    (void)c;
    (void)err;
    pthread_mutex_lock(&seen->lock);
    assert_int_equal(b->first, seen->next);
    assert_int_equal(b->count, b->last - b->first + 1); /* tombstones are handed out, too */
    for (uint32_t i = 0; i < b->count; i++)
        seen->erased += stream_record_is_erased(&b->records[i]);
    seen->is_held = seen->holds;
    pthread_cond_broadcast(&seen->changed);
    while (seen->holds)
        pthread_cond_wait(&seen->changed, &seen->lock);
    seen->next = b->last + 1;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->lock);
    return RC_OK;
}

/* The consumer has the first batch in hand when the rest of its backlog is erased. */
static void a_consumer_behind_is_handed_tombstones_and_its_checkpoint_stands(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct seen seen = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .holds = true};
    const struct consumer_ops ops = {.name = "seen", .process = take};
    char dir[300];
    snprintf(dir, sizeof(dir), "%s-consumer", f->dir);
    put_people(f->s, 0, 40);
    const struct consumer_cfg cfg = {
        .stream = f->s, .dir = dir, .ops = &ops, .ctx = &seen, .batch_records_max = 10};
    struct consumer *c = NULL;
    assert_ok(consumer_start(&cfg, &c, &err));
    pthread_mutex_lock(&seen.lock);
    while (!seen.is_held)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    assert_int_equal(erase(f->s, false).records, 13);
    pthread_mutex_lock(&seen.lock);
    seen.holds = false;
    pthread_cond_broadcast(&seen.changed);
    while (seen.next < 40)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    assert_int_equal(seen.erased, 10); /* three of the first ten were in its hands already */
    consumer_stop(c, 5000);
    uint64_t next = 0;
    assert_ok(consumer_checkpoint_read(dir, 0, &next, &err));
    assert_int_equal(next, 40);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_erased_is_in_no_file_and_the_rest_stays_byte_for_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(an_erasure_that_is_repeated_finds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dry_run_counts_and_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(only_offsets_below_the_given_one_go, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_sealed_is_refused_until_it_is_rolled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rolling_an_empty_stream_makes_no_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_go_on_with_their_next_record_in_the_new_files,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_at_the_end_of_the_active_segment_goes_on_behind_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(times_are_found_in_a_rewritten_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_that_differs_never_takes_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_segment_is_refused_and_left_as_it_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_backup_from_before_keeps_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_consumer_behind_is_handed_tombstones_and_its_checkpoint_stands, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
