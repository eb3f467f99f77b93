/* The projector's own statements over the real engine: what is there is found, what is not goes in,
 * once, whatever happened to the first try. The states in between are the business of
 * test_project_write.c; here it is about the SQL, the columns and the tokens. */
#include "test_query_bed.h"

#include "base/arena.h"
#include "base/buf.h"

struct batch {
    struct arena arena;
    struct stream_record records[30000];
    struct consumer_batch b;
    struct project_counts counts;
};
enum { DEDUPE = 1, HISTORICAL = 2 };
static struct batch *batch;
static struct project_writer *writer;

static void begin(uint32_t partition, uint64_t first)
{
    arena_reset(&batch->arena);
    batch->b = (struct consumer_batch){.stream = "events",
                                       .partition = partition,
                                       .first = first,
                                       .last = first,
                                       .records = batch->records};
}
static void add_with(uint32_t id, int64_t ms, const char *members)
{
    char at[TIME_TEXT_BYTES];
    time_format((unix_ms){ms}, at);
    char *text = arena_printf(&batch->arena,
                              "{\"id\":\"00000000-0000-4000-8000-%012u\",\"project\":\"" PROJECT_A
                              "\",\"event\":\"e\",\"timestamp\":\"%s\",\"received_at\":\"%s\","
                              "\"source\":\"api\"%s}",
                              id, at, at, members);
    assert_non_null(text);
    batch->b.last = batch->b.first + batch->b.count;
    batch->records[batch->b.count++] =
        (struct stream_record){.value = slice_str(text), .offset = batch->b.last};
}
static void add(uint32_t id, int64_t ms, int flags)
{
    char members[120];
    snprintf(members, sizeof(members), "%s%s,\"properties\":{\"n\":%u,\";\":\"\\u00e9;'\"}",
             flags & DEDUPE ? ",\"dedupe\":true" : "",
             flags & HISTORICAL ? ",\"historical\":true" : "", id);
    add_with(id, ms, members);
}
static void restart(void)
{
    const struct project_cfg cfg = {.store = bed.cfg};
    project_writer_free(writer);
    if (project_writer_new(&cfg, &writer, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
}
static void write_ok(bool is_repeat, uint64_t rows, uint64_t present, uint64_t duplicate)
{
    snprintf(batch->b.token, sizeof(batch->b.token), "events/%u/%llu-%llu", batch->b.partition,
             (unsigned long long)batch->b.first, (unsigned long long)batch->b.last);
    batch->b.is_repeat = is_repeat;
    if (project_writer_write(writer, &batch->b, NULL, NULL, &batch->counts, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    assert_int_equal(batch->counts.rows, rows);
    assert_int_equal(batch->counts.present, present);
    assert_int_equal(batch->counts.duplicate, duplicate);
}
static void execute(const char *sql)
{
    struct store_client *c;
    must(store_pool_take(bed.pool, &c, &bed.err) == RC_OK);
    if (store_exec(c, sql, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    store_pool_give(bed.pool, c);
}
static int setup(void **state)
{
    (void)state;
    execute("DROP TABLE events SYNC");
    for (uint32_t i = 0; i < analytics_migration_count; i++)
        for (const char *const *s = analytics_migrations[i].statements; *s; s++)
            execute(*s);
    restart();
    return 0;
}
static const int64_t t0 = INT64_C(1790000000000);
static const int64_t day = INT64_C(24) * 3600 * 1000;
#define assert_rows(want) assert_string_equal(bed_scalar("SELECT count() FROM events"), want)

/* A record with each of these members, at offsets 0 and up. */
static void write_each(const char *const *members, uint32_t count)
{
    begin(0, 0);
    for (uint32_t i = 0; i < count; i++)
        add_with(i, t0, members[i]);
    write_ok(false, count, 0, 0);
}

static void a_repeat_finds_its_rows(void **state)
{
    (void)state;
    begin(3, 100);
    for (uint32_t i = 0; i < 100; i++)
        add(i, t0 + i, i % 2 ? DEDUPE : 0);
    write_ok(false, 100, 0, 0);
    restart(); /* crash between the insert and the checkpoint */
    write_ok(true, 0, 100, 0);
    assert_rows("100");
    assert_string_equal(bed_scalar("SELECT properties FROM events WHERE stream_offset = 107"),
                        "{\"n\":7,\";\":\"\\\\u00e9;\\'\"}");
    assert_string_equal(
        bed_scalar("SELECT uniqExact(stream_partition, stream_offset), "
                   "min(stream_offset), max(stream_offset), sum(dedupe) FROM events"),
        "100\t100\t199\t50");
}

/* The projector's, and what the table gives rows that have none: the same names and kinds, which
 * are those that the engine finds in the properties. */
static void a_shape_has_the_names_and_kinds_of_the_properties(void **state)
{
    (void)state;
    static const char *const properties[] = {
        "",
        ",\"properties\":{}",
        ",\"properties\":{\"gone\":null}",
        ",\"properties\":{\"a\":\"\",\"b\":0,\"c\":-1.5e3,\"d\":true,\"e\":false,\"f\":null}",
        ",\"properties\":{ \"a\" : [1,{\"x\":2}] , \"b\":{\"c\":\"}\"},\"c\":[],\"d\":{} }",
        ",\"properties\":{\"q\\\"\\\\{\":\"v\\\"\",\"\\u00e9\\n\":1,\"\":2,\"a\":7,\"a\":\"x\"}",
    };
    write_each(properties, COUNT_OF(properties));
    execute("INSERT INTO events (project_id, event, timestamp, properties, stream_offset) SELECT "
            "project_id, event, timestamp, properties, stream_offset + 100 FROM events");
    assert_string_equal(
        bed_scalar("SELECT groupArray(properties_shape) FROM (SELECT "
                   "properties_shape FROM events WHERE stream_offset < 5 ORDER BY "
                   "stream_offset) FORMAT TSVRaw"),
        "['','','','{\"a\":\"\",\"b\":0,\"c\":0,\"d\":true,\"e\":true}','{\"a\":[],\"b\":{},"
        "\"c\":[],\"d\":{}}']");
    assert_string_equal(
        bed_scalar("SELECT count(), uniqExact(stream_offset % 100), countIf(arrayMap(p -> (p.1, "
                   "p.2), JSONExtractKeysAndValuesRaw(properties_shape)) != arrayMap(p -> (p.1, "
                   "multiIf(toFloat64OrNull(p.2) IS NOT NULL, '0', p.2 IN ('true', 'false'), "
                   "'true', concat(substring(p.2, 1, 1), substring(p.2, -1)))), arrayFilter(p -> "
                   "p.2 != 'null', JSONExtractKeysAndValuesRaw(properties)))) FROM events"),
        "12\t6\t0");
}

/* The writer's hashes are those of the table's default. */
static void a_visitor_is_whom_the_table_would_have(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "",
        ",\"anonymous_id\":\"a\",\"session_id\":\"s\",\"device\":\"00000000deadbeef\"",
        ",\"user_id\":\"u\",\"anonymous_id\":\"more than eight \\u00e9 bytes\"",
        ",\"user_id\":\"12345678\",\"device\":\"00000000deadbeef\"",
        ",\"session_id\":\"s\",\"device\":\"00000000deadbeef\"",
        ",\"session_id\":\"s\"",
    };
    write_each(ids, COUNT_OF(ids));
    execute("INSERT INTO events (project_id, event, timestamp, user_id, anonymous_id, session_id, "
            "device, stream_offset) SELECT project_id, event, timestamp, user_id, anonymous_id, "
            "session_id, device, stream_offset + 100 FROM events");
    assert_string_equal(
        bed_scalar("SELECT count(), countIf(visitors = 1 AND rows = 2), uniqExact(who), min(who) "
                   "FROM (SELECT any(visitor) AS who, uniqExact(visitor) AS visitors, count() AS "
                   "rows FROM events GROUP BY stream_offset % 100)"),
        "6\t6\t6\t0");
}

static void rows_whose_token_lived_longer_come_back(void **state)
{
    (void)state;
    begin(0, 0);
    for (uint32_t i = 0; i < 60; i++)
        add(i, t0 + i * day, i % 2 ? DEDUPE : 0); /* two months */
    write_ok(false, 60, 0, 0);
    execute("ALTER TABLE events DELETE WHERE stream_offset % 3 = 0 SETTINGS mutations_sync = 2");
    assert_rows("40");
    write_ok(true, 20, 40, 0);
    assert_rows("60");
    write_ok(true, 0, 60, 0);
    assert_rows("60");
}

static void retries_are_found_across_batches_and_restarts(void **state)
{
    (void)state;
    begin(0, 0);
    for (uint32_t i = 0; i < 50; i++)
        add(i, t0 + i, DEDUPE);
    write_ok(false, 50, 0, 0);
    begin(1, 0);
    for (uint32_t i = 25; i < 75; i++)
        add(i, t0 + 100 + i, DEDUPE);
    write_ok(false, 25, 0, 25);
    restart();
    begin(1, 50);
    for (uint32_t i = 0; i < 100; i++)
        add(i, t0 + 1000 + i, DEDUPE);
    write_ok(false, 25, 0, 75);
    assert_int_equal(batch->counts.asked, 75);
    begin(1, 150);
    add(0, t0 + PROJECT_DEDUPE_MS + 5, DEDUPE);
    add(1, t0 + 30 * day, DEDUPE | HISTORICAL);
    write_ok(false, 1, 0, 1);
    assert_rows("101");
}

static void an_import_of_thirty_years_goes_in_twice_as_once(void **state)
{
    (void)state;
    const uint32_t n = COUNT_OF(batch->records);
    for (int round = 0; round < 2; round++) {
        begin(0, (uint64_t)round * n);
        for (uint32_t i = 0; i < n; i++)
            add(i, i * (30 * 365 * day / n), DEDUPE | HISTORICAL);
        write_ok(false, round ? 0 : n, 0, round ? n : 0);
        assert_int_equal(batch->counts.asked, n);
    }
    assert_rows("30000");
    restart();
    write_ok(true, 0, 0, n); /* a repeat of the second import */
    assert_rows("30000");
}

static void a_store_that_is_away_changes_nothing(void **state)
{
    (void)state;
    struct project_cfg cfg = {
        .store = {.url = "http://127.0.0.1:9", .connect_timeout_ms = 300, .database = "x"}};
    struct project_writer *w;
    assert_int_equal(project_writer_new(&cfg, &w, &bed.err), RC_OK);
    begin(0, 0);
    add(1, t0, DEDUPE);
    assert_int_equal(project_writer_write(w, &batch->b, NULL, NULL, NULL, &bed.err),
                     RC_UNAVAILABLE);
    project_writer_free(w);
    cfg.table = "events; DROP TABLE events";
    assert_int_equal(project_writer_new(&cfg, &w, &bed.err), RC_INVALID);
}

int main(int argc, char **argv)
{
    if (!bed_open(argc > 1 ? argv[1] : NULL))
        return 77;
    batch = calloc(1, sizeof(*batch));
    arena_init(&batch->arena, 1 << 20, 64 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_repeat_finds_its_rows, setup),
        cmocka_unit_test_setup(a_shape_has_the_names_and_kinds_of_the_properties, setup),
        cmocka_unit_test_setup(a_visitor_is_whom_the_table_would_have, setup),
        cmocka_unit_test_setup(rows_whose_token_lived_longer_come_back, setup),
        cmocka_unit_test_setup(retries_are_found_across_batches_and_restarts, setup),
        cmocka_unit_test_setup(an_import_of_thirty_years_goes_in_twice_as_once, setup),
        cmocka_unit_test_setup(a_store_that_is_away_changes_nothing, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    project_writer_free(writer);
    arena_done(&batch->arena);
    free(batch);
    bed_close();
    return failed;
}
