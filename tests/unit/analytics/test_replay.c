/* Replay over the real engine (in this process), a fake stream and a fake live consumer. Skipped
 * without libchdb. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "analytics/projector/project.h"
#include "analytics/replay/replay.h"
#include "analytics/event/schema.h"
#include "base/os.h"
#include "base/random.h"
#include "fake_stream.h"
#include "test_replay_store.h"

#define assert_ok(expr)                                                   \
    do {                                                                  \
        enum rc assert_rc_ = (expr);                                      \
        if (assert_rc_ != RC_OK)                                          \
            fail_msg("%s: %s: %s", #expr, rc_name(assert_rc_), err.text); \
    } while (0)

enum { PARTITIONS = 2, RECORDS = 330 };
static const int64_t T0 = 1790000000000; /* about ten days a hundred records: two months */
static char root[OS_PATH_MAX], dir[OS_PATH_MAX];
static struct err err;
static struct store_client *client;

struct world {
    struct stream *stream;
    struct replay_source source;
    uint64_t live_next[PARTITIONS];
    uint64_t steps, stop_at;
    uint64_t arrive; /* records that reach the live table while it is paused for the swap, per
                        partition */
    int paused, resumed, swapped, lines;
    struct replay_cfg cfg;
};

static void query_text(const char *sql, char *to, size_t bytes)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_ok(store_query(NULL, client, &(struct store_query){.sql = sql, .format = "TabSeparated"},
                          &out, NULL, NULL, &err));
    snprintf(to, bytes, "%.*s", SLICE_ARG(buf_slice(&out)));
    buf_done(&out);
}

/* Every column of every row; the order of rows does not matter. */
static void checksum(char to[200])
{
    query_text("SELECT count(), groupBitXor(cityHash64(*)), sum(cityHash64(stream_partition, "
               "stream_offset)) FROM events",
               to, 200);
}

static void assert_tables(const char *want)
{
    char got[200];
    query_text("SELECT arrayStringConcat(arraySort(groupArray(name)), ' ') FROM system.tables "
               "WHERE database = 'weir' AND name LIKE 'events%'",
               got, sizeof(got));
    got[strcspn(got, "\n")] = '\0';
    assert_string_equal(got, want);
}

/* Every part of the table has its slots, as reports want it (report/report_slots.c). */
static void assert_slots(void)
{
    char got[200];
    query_text("SELECT count(), countIf(NOT has(projections, '" ANALYTICS_SLOTS "')) FROM "
               "system.parts WHERE database = 'weir' AND table = 'events' AND active",
               got, sizeof(got));
    unsigned parts = 0, without = 0;
    assert_int_equal(sscanf(got, "%u %u", &parts, &without), 2);
    assert_true(parts > 0);
    assert_int_equal(without, 0);
}

static void add_event(struct world *w, uint32_t partition, uint64_t n)
{
    char value[600], time[TIME_TEXT_BYTES];
    unix_ms t = {T0 + (int64_t)n * 8640000};
    uint64_t id = n % 11 == 10 ? n - 3 : n; /* a client's retry of the event three before */
    int len =
        snprintf(value, sizeof(value),
                 "{\"id\":\"00000000-0000-7000-8%03x-%012llx\",\"project\":\"11111111-1111-4111-"
                 "8111-111111111111\","
                 "\"event\":\"e%llu\",\"timestamp\":\"%s\",\"received_at\":\"%s\",\"source\":"
                 "\"api\",\"dedupe\":true,"
                 "\"user_id\":\"u%llu\",\"properties\":{\"n\":%llu}}",
                 partition, (unsigned long long)id, (unsigned long long)(id % 5),
                 time_format(t, time), time, (unsigned long long)(id % 17), (unsigned long long)id);
    if (n % 97 == 96) /* poison */
        len = snprintf(value, sizeof(value), "not an event");
    fake_stream_add(w->stream, partition, t, SLICE_LIT("p/v"), SLICE_EMPTY,
                    slice_of(value, (size_t)len));
}

/* What the live consumer would have done up to `next`. */
static void project_live(struct world *w, uint32_t partition, uint64_t next)
{
    struct project_writer *writer;
    struct project_cfg cfg = {.filter_bytes_max = 1 << 20};
    assert_ok(project_writer_new(&cfg, &writer, &err));
    while (w->live_next[partition] < next) {
        struct stream_record records[70];
        struct consumer_batch batch = {.stream = "events",
                                       .partition = partition,
                                       .first = w->live_next[partition],
                                       .records = records};
        while (batch.count < 70 && batch.first + batch.count < next) {
            records[batch.count] =
                fake_stream_record(w->stream, partition, batch.first + batch.count);
            batch.count++;
        }
        batch.last = batch.first + batch.count - 1;
        snprintf(batch.token, sizeof(batch.token), "live/%u/%llu-%llu", partition,
                 (unsigned long long)batch.first, (unsigned long long)batch.last);
        assert_ok(project_writer_write(writer, &batch, NULL, NULL, NULL, &err));
        w->live_next[partition] = batch.last + 1;
    }
    project_writer_free(writer);
}

static uint64_t live_checkpoint(void *ctx, uint32_t partition)
{
    struct world *w = ctx;
    return w->live_next[partition];
}

static enum rc live_pause(void *ctx, struct err *e)
{
    (void)e;
    struct world *w = ctx;
    w->paused++;
    struct engine_store hook = engine_store;
    engine_store.fail_at = 0;
    for (uint32_t i = 0; i < PARTITIONS; i++) /* what came while the replay ran */
        project_live(w, i, RECORDS - 60 + w->arrive);

    engine_store = hook;
    return RC_OK;
}

static void live_resume(void *ctx, bool is_swapped)
{
    struct world *w = ctx;
    w->resumed++;
    w->swapped += is_swapped;
}

static bool stops(void *ctx)
{
    struct world *w = ctx;
    return ++w->steps == w->stop_at;
}

static void count_report(void *ctx, const char *line)
{
    (void)line;
    ((struct world *)ctx)->lines++;
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    engine_store = (struct engine_store){0};
    for (const char *const *t =
             (const char *const[]){"events", "events_shadow", "events_before", NULL};
         *t; t++) {
        char sql[100];
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s SYNC", *t);
        assert_ok(store_exec(client, sql, &err));
    }
    for (uint32_t i = 0; i < analytics_migration_count; i++)
        for (const char *const *s = analytics_migrations[i].statements; *s; s++)
            assert_ok(store_exec(client, *s, &err));
    os_path(dir, "%s/replay-%016llx", root, (unsigned long long)random_u64());
    w->stream = fake_stream_new("events", PARTITIONS);
    for (uint64_t n = 0; n < RECORDS; n++)
        for (uint32_t p = 0; p < PARTITIONS; p++)
            add_event(w, p, n);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        project_live(w, i, RECORDS - 60);
    assert_ok(replay_source_stream(w->stream, &w->source, &err));
    w->cfg = (struct replay_cfg){.dir = dir,
                                 .stream = "events",
                                 .partitions = PARTITIONS,
                                 .partition = UINT32_MAX,
                                 .source = w->source,
                                 .live = {w, live_checkpoint, live_pause, live_resume},
                                 .batch_records_max = 80,
                                 .report = count_report,
                                 .should_stop = stops,
                                 .ctx = w};
    w->cfg.from = (struct replay_point){.kind = REPLAY_OFFSET, .offset = 40};
    w->cfg.to = (struct replay_point){.kind = REPLAY_OFFSET, .offset = 199};
    return w;
}

static void world_free(struct world *w)
{
    replay_source_close(&w->source);
    fake_stream_free(w->stream);
    free(w);
}

static enum rc replay(struct world *w, struct replay_result *ret)
{
    return replay_run(&w->cfg, ret, &err);
}

/* ---- tests ---- */

static void a_replay_leaves_the_same_rows_and_so_does_the_next(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    char before[200], after[200];
    checksum(before);
    for (int i = 0; i < 2; i++) {
        assert_ok(replay(w, &result));
        assert_true(result.is_swapped);
        assert_int_equal(result.records, 2 * 160);
        assert_int_equal(result.missing, 0);
        assert_int_equal(result.rows_before, result.rows_after);
        assert_int_equal(w->lines, 0);
        checksum(after);
        assert_string_equal(before, after);
        assert_slots();
    }
    assert_int_equal(w->paused, 2);
    assert_int_equal(w->resumed, 2);
    assert_int_equal(w->swapped, 2);
    assert_tables("events");
    world_free(w);
}

static void the_whole_stream_makes_the_whole_table(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    char before[200], after[200];
    w->cfg.from = w->cfg.to = (struct replay_point){.kind = REPLAY_OPEN};
    checksum(before);
    assert_ok(replay(w, &result));
    checksum(after);
    assert_string_equal(before, after);
    assert_int_equal(result.records, 2 * (RECORDS - 60));
    world_free(w);
}

static void rows_that_were_lost_or_doubled_are_set_right(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    char before[200], after[200];
    checksum(before);
    assert_ok(store_exec(client,
                         "INSERT INTO events SELECT * FROM events WHERE stream_offset BETWEEN 100 "
                         "AND 120 SETTINGS insert_deduplicate = 0",
                         &err));
    assert_ok(store_exec(client,
                         "ALTER TABLE events DELETE WHERE stream_offset BETWEEN 60 AND 95 SETTINGS "
                         "mutations_sync = 2",
                         &err));
    checksum(after);
    assert_string_not_equal(before, after);
    assert_ok(replay(w, &result));
    assert_true(w->lines > 0); /* the differences were told */
    checksum(after);
    assert_string_equal(before, after);
    world_free(w);
}

static void what_arrives_meanwhile_is_taken_along(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    char want[200], got[200];
    w->arrive = 60;
    w->cfg.to = (struct replay_point){.kind = REPLAY_OPEN};
    assert_ok(replay(w, &result));
    checksum(got);
    world_free(w);
    w = world_new();
    for (uint32_t i = 0; i < PARTITIONS; i++)
        project_live(w, i, RECORDS);
    checksum(want);
    assert_string_equal(got, want);
    world_free(w);
}

static void a_failing_store_at_any_call_changes_nothing(void **state)
{
    (void)state;
    char want[200], got[200];
    struct world *w = world_new();
    /* Before or after it took effect, by turns; with WEIR_TEST_LONG each call both ways. */
    uint64_t passes = getenv("WEIR_TEST_LONG") ? 2 : 1;
    w->cfg.partition = 0; /* half the statements */
    checksum(want);
    for (uint64_t pass = 0; pass < passes; pass++)
        for (uint64_t k = 1;; k++) {
            struct replay_result result;
            engine_store = (struct engine_store){.fail_at = k, .is_late = (k + pass) % 2};
            int calls = 0;
            enum rc rc;
            while ((rc = replay(w, &result)) == RC_UNAVAILABLE || rc == RC_TIMEOUT)
                assert_true(++calls < 3);
            if (rc != RC_OK)
                fail_msg("k %llu pass %llu: %s", (unsigned long long)k, (unsigned long long)pass,
                         err.text);
            bool is_over = engine_store.calls < k;
            engine_store.fail_at = 0;
            checksum(got);
            if (strcmp(got, want) != 0)
                fail_msg("k %llu pass %llu: %s instead of %s", (unsigned long long)k,
                         (unsigned long long)pass, got, want);
            assert_tables("events");
            if (is_over)
                break;
        }
    assert_int_equal(w->paused, w->resumed);
    world_free(w);
}

static void it_can_be_stopped_at_every_step_and_goes_on(void **state)
{
    (void)state;
    char want[200], got[200];
    struct world *w = world_new();
    struct replay_result result;
    int stopped = 0;
    checksum(want);
    for (;;) {
        w->steps = 0;
        w->stop_at = 2; /* one step each time */
        enum rc rc = replay(w, &result);
        if (rc == RC_OK)
            break;
        assert_int_equal(rc, RC_CLOSED);
        assert_true(++stopped < 100);
    }
    assert_true(stopped > 5);
    assert_int_equal(result.records, 2 * 160);
    checksum(got);
    assert_string_equal(got, want);
    world_free(w);
}

static void other_arguments_are_refused_until_it_is_aborted(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    struct store_cfg store = {0};
    char want[200], got[200], arguments[300];
    checksum(want);
    w->stop_at = 4;
    assert_int_equal(replay(w, &result), RC_CLOSED);
    assert_ok(replay_status(dir, arguments, sizeof(arguments), &err));
    assert_string_equal(arguments, "stream=events source=stream from=40 to=199 batch=80");
    w->cfg.from.offset = 41;
    assert_int_equal(replay(w, &result), RC_CONFLICT);
    assert_tables("events events_shadow");
    assert_ok(replay_abort(&store, dir, &err));
    assert_ok(replay_abort(&store, dir, &err));
    assert_tables("events");
    checksum(got);
    assert_string_equal(got, want);
    assert_ok(replay_status(dir, arguments, sizeof(arguments), &err));
    assert_string_equal(arguments, "");
    assert_ok(store_exec(client, "CREATE TABLE events_shadow AS events", &err)); /* whose? */
    assert_int_equal(replay(w, &result), RC_CONFLICT);
    assert_ok(replay_abort(&store, dir, &err));
    assert_ok(replay(w, &result));
    world_free(w);
}

static void fewer_rows_are_refused_unless_forced(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    char want[200], got[200];
    checksum(want);
    assert_ok(store_exec(client,
                         "INSERT INTO events SELECT * FROM events WHERE stream_offset = 100 "
                         "SETTINGS insert_deduplicate = 0",
                         &err));
    assert_int_equal(replay(w, &result), RC_CONFLICT);
    assert_false(result.is_swapped);
    assert_int_equal(result.rows_before, result.rows_after + 2);
    assert_int_equal(w->paused, 1);
    assert_int_equal(w->resumed, 1);
    assert_tables("events events_shadow");
    assert_int_equal(replay(w, &result), RC_CONFLICT);
    w->cfg.is_forced = true;
    w->cfg.keep_old = true;
    assert_ok(replay(w, &result));
    assert_tables("events events_before");
    checksum(got);
    assert_string_equal(got, want);
    world_free(w);
}

static void what_fell_out_of_retention_is_told(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    fake_stream_retain(w->stream, 0, 50);
    assert_int_equal(replay(w, &result), RC_NOTFOUND);
    assert_non_null(strstr(err.text, "offset 50"));
    assert_tables("events");
    w->cfg.from = (struct replay_point){.kind = REPLAY_TIME, .time = {T0}};
    assert_int_equal(replay(w, &result), RC_NOTFOUND);
    w->cfg.from = (struct replay_point){.kind = REPLAY_TIME, .time = {T0 + INT64_C(8640000) * 50}};
    assert_ok(replay(w, &result));
    w->cfg.from = (struct replay_point){.kind = REPLAY_OFFSET, .offset = 1000};
    assert_int_equal(replay(w, &result), RC_INVALID);
    world_free(w);
}

static void retention_in_the_middle_of_the_job_is_not_swapped_in(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    w->stop_at = 5; /* behind the first batch */
    assert_int_equal(replay(w, &result), RC_CLOSED);
    fake_stream_retain(w->stream, 1, 60);
    w->steps = w->stop_at = 0;
    assert_int_equal(replay(w, &result), RC_CONFLICT);
    assert_int_equal(result.missing, 20);
    assert_false(result.is_swapped);
    world_free(w);
}

/* The stream has lost its beginning; another source ("the archive") has it. */
static void an_older_source_carries_on_into_the_stream(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    struct replay_source older, newer;
    char want[200], got[200];
    checksum(want);
    struct stream *copy = fake_stream_new("events", PARTITIONS);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (uint64_t n = 0; n < 150; n++) {
            struct stream_record r = fake_stream_record(w->stream, p, n);
            fake_stream_add(copy, p, r.time, r.key, r.headers, r.value);
        }
    for (uint32_t p = 0; p < PARTITIONS; p++)
        fake_stream_retain(w->stream, p, 100 + 30 * p);
    assert_ok(replay_source_stream(copy, &older, &err));
    assert_ok(replay_source_stream(w->stream, &newer, &err));
    replay_source_close(&w->source);
    assert_ok(replay_source_joined(older, newer, &w->source, &err));
    w->cfg.source = w->source;
    for (int i = 0; i < 2; i++) {
        w->cfg.from =
            i ? (struct replay_point){.kind = REPLAY_TIME, .time = {T0 + INT64_C(8640000) * 40}}
              : w->cfg.from;
        assert_ok(replay(w, &result));
        assert_int_equal(result.records, 2 * 160);
        checksum(got);
        assert_string_equal(got, want);
    }
    fake_stream_free(copy);
    world_free(w);
}

static void a_damaged_state_file_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct replay_result result;
    struct store_cfg store = {0};
    char path[OS_PATH_MAX];
    struct buf text;
    w->stop_at = 6;
    assert_int_equal(replay(w, &result), RC_CLOSED);
    os_path(path, "%s/events.json", dir);
    buf_init(&text, 1 << 20);
    assert_ok(os_read_file(path, &text, &err));
    for (size_t i = 0; i < text.len; i += 7) {
        char arguments[300];
        text.data[i] ^= 2;
        assert_ok(os_write_file_durable(path, buf_slice(&text), &err));
        assert_int_equal(replay_status(dir, arguments, sizeof(arguments), &err), RC_CORRUPT);
        text.data[i] ^= 2;
    }
    assert_int_equal(os_write_file_durable(path, SLICE_LIT("{}"), &err), RC_OK);
    assert_int_equal(replay(w, &result), RC_CORRUPT);
    assert_ok(replay_abort(&store, dir, &err));
    buf_done(&text);
    world_free(w);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_leaves_the_same_rows_and_so_does_the_next),
        cmocka_unit_test(the_whole_stream_makes_the_whole_table),
        cmocka_unit_test(rows_that_were_lost_or_doubled_are_set_right),
        cmocka_unit_test(what_arrives_meanwhile_is_taken_along),
        cmocka_unit_test(a_failing_store_at_any_call_changes_nothing),
        cmocka_unit_test(it_can_be_stopped_at_every_step_and_goes_on),
        cmocka_unit_test(other_arguments_are_refused_until_it_is_aborted),
        cmocka_unit_test(fewer_rows_are_refused_unless_forced),
        cmocka_unit_test(what_fell_out_of_retention_is_told),
        cmocka_unit_test(retention_in_the_middle_of_the_job_is_not_swapped_in),
        cmocka_unit_test(an_older_source_carries_on_into_the_stream),
        cmocka_unit_test(a_damaged_state_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return engine_store_main("replay", root, &client, run_all);
}
