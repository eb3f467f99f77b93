/* Sessions over the real projector and the real engine (in this process), against the model of
 * session_model.c: random small histories, in random batches, with failures before and behind any
 * statement and restarts in between. WEIR_SEEDS=N rounds of 40 histories; WEIR_TEST_SEED repeats.
 * Skipped without libchdb. docs/definitions.md, "Session". */
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
#include "analytics/event/schema.h"
#include "analytics/session/sessionize_int.h"
#include "base/os.h"
#include "base/random.h"
#include "session_model.h"
#include "test_replay_store.h"

#define assert_ok(expr)                                                   \
    do {                                                                  \
        enum rc assert_rc_ = (expr);                                      \
        if (assert_rc_ != RC_OK)                                          \
            fail_msg("%s: %s: %s", #expr, rc_name(assert_rc_), err.text); \
    } while (0)

enum { PARTITIONS = 2, HISTORIES = 40, EVENTS_MAX = 12000, MINUTE = 60000, HOUR = 60 * MINUTE };
static char root[OS_PATH_MAX], dir[OS_PATH_MAX];
static struct err err;
static struct store_client *client;
static struct prng rng;
static uint64_t seed, rounds;

static struct sessionize_cfg cfg;
static struct sessionizer *sessionizer;
static uint64_t projected[PARTITIONS];

static uint64_t below(uint64_t n)
{
    return prng_below(&rng, n);
}

static uint64_t read_projected(void *ctx, uint32_t partition)
{
    (void)ctx;
    return projected[partition];
}

static void query(const char *sql, struct buf *out)
{
    assert_ok(store_query(NULL, client, &(struct store_query){.sql = sql, .format = "TabSeparated"},
                          out, NULL, NULL, &err));
}

static void execute(const char *sql)
{
    assert_ok(store_exec(client, sql, &err));
}

static void restart(void)
{
    sessionizer_free(sessionizer);
    assert_ok(sessionizer_new(&cfg, &sessionizer, &err));
}

static int setup(void **state)
{
    static int number;
    static const char *const tables[] = {"events", "sessions", "sessions_work"};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char sql[100];
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s SYNC", tables[i]);
        execute(sql);
    }
    for (uint32_t i = 0; i < analytics_migration_count; i++)
        for (const char *const *s = analytics_migrations[i].statements; *s; s++)
            execute(*s);
    memset(projected, 0, sizeof(projected));
    os_path(dir, "%s/state%d", root, number++);
    cfg = (struct sessionize_cfg){
        .dir = dir, .partitions = PARTITIONS, .projected = read_projected, .idle_ms = 30 * MINUTE};
    if (*state)
        cfg.bulk_offsets_min = *(const uint32_t *)*state;
    engine_store.fail_at = 0;
    restart();
    return 0;
}

/* Steps until nothing is left to do; with failures, whoever meets one restarts sometimes. */
static void catch_up(bool has_failures)
{
    for (;;) {
        engine_store.fail_at = has_failures && below(2) ? engine_store.calls + 1 + below(16) : 0;
        engine_store.is_late = below(2);
        err = ERR_INIT;
        enum rc rc = sessionizer_step(sessionizer, &err);
        bool was_injected = engine_store.fail_at && engine_store.calls >= engine_store.fail_at;
        engine_store.fail_at = 0;
        if (rc == RC_END)
            return;
        if (rc != RC_OK && !was_injected)
            fail_msg("%s: %s", rc_name(rc), err.text);
        if (has_failures && below(3) == 0)
            restart();
    }
}

static void show_difference(const char *want, const char *got)
{
    size_t line = 0;
    for (size_t i = 0; want[i] == got[i] && want[i]; i++)
        if (want[i] == '\n')
            line = i + 1;
    print_error("seed %llu\nwant %.700s\ngot  %.700s\n", (unsigned long long)seed, want + line,
                got + line);
}

static void compare(void)
{
    struct buf events, want, got;
    buf_init(&events, 256 << 20);
    buf_init(&want, 256 << 20);
    buf_init(&got, 256 << 20);
    query("SELECT " SESSION_MODEL_EVENTS " FROM events", &events);
    session_model(&events, cfg.idle_ms, &want);
    query("SELECT " SESSION_MODEL_ROWS " FROM sessions FINAL ORDER BY p, v, f", &got);
    bool is_same = slice_eq(buf_slice(&want), buf_slice(&got));
    /* The versions that have something to say of behaviour say the same as the live rows. */
    buf_clear(&events);
    query("SELECT count(), countIf(is_one), countIf(is_told) FROM (SELECT project_id, visitor, "
          "start, bot = 'behaviour' AS is_one FROM sessions FINAL) AS r FULL JOIN (SELECT "
          "project_id, visitor, start, 1 AS is_told FROM sessions WHERE behaviour != 0 GROUP BY "
          "project_id, visitor, start HAVING argMax(behaviour, version) = 1) AS t USING "
          "(project_id, visitor, start) WHERE is_one != is_told",
          &events);
    assert_string_equal(buf_cstr(&events), "0\t0\t0\n");
    if (!is_same)
        show_difference(buf_cstr(&want), buf_cstr(&got));
    buf_done(&events);
    buf_done(&want);
    buf_done(&got);
    assert_true(is_same);
}

/* ---- histories ---- */

struct event {
    uint64_t order; /* in which it comes in */
    int64_t ms;
    uint32_t history, visitor, id;
    uint32_t pages; /* 0, or how many a program goes through */
    uint64_t luck;
};
static struct event *events;
static uint32_t event_count, id_count;

static int64_t gap(uint32_t kind, int64_t idle)
{
    switch (kind ? below(kind) : 2 + below(2)) { /* kind 0: on and on, for days */
    case 0:
        return 0;
    case 1:
        return (int64_t)below(10000);
    case 2:
        return idle;
    case 3:
        return idle / 2 + (int64_t)below((uint64_t)idle / 2 + 1);
    case 4:
        return idle + 1;
    case 5:
        return (int64_t)below(3 * HOUR);
    default:
        return (int64_t)below(40) * HOUR;
    }
}

/* Of robots that go through pages at about the border of what counts as one. */
static int64_t robot_gap(void)
{
    return (int64_t)below(below(200) ? 1500 : 60000);
}

static void add_visitor(uint32_t history, uint32_t visitor)
{
    static const char *const begins[] = {"2026-01-31T18:00:00Z", "2026-03-29T00:00:00Z",
                                         "2025-12-31T23:59:59.999Z", "2026-02-28T12:00:00Z"};
    unix_ms t = {0};
    assert_true(time_parse(slice_str(begins[below(COUNT_OF(begins))]), &t));
    uint32_t kind = below(4) ? 4 + (uint32_t)below(4) : 0;
    uint32_t n = 1 + (uint32_t)below(kind ? 14 : cfg.idle_ms >= 5 * HOUR ? 18 : 120);
    uint32_t pages = below(8) ? 0 : 10 + (uint32_t)below(90);
    if (pages)
        n = 20 + (uint32_t)below(60);
    for (uint32_t i = 0; i < n && event_count < EVENTS_MAX; i++) {
        struct event *e = &events[event_count];
        *e = (struct event){.order = (uint64_t)i * 1000 + below(4) * below(4) * 1000 + below(1000),
                            .ms = t.ms,
                            .history = history,
                            .visitor = visitor,
                            .id = ++id_count,
                            .pages = pages,
                            .luck = prng_next(&rng)};
        if (below(12) == 0)
            e->order = below(20000); /* any time */
        event_count++;
        if (below(10) == 0 && event_count < EVENTS_MAX) { /* the client sends it again */
            events[event_count] = *e;
            events[event_count++].order += 1 + below(9000);
        }
        t.ms += pages ? robot_gap() : gap(kind, cfg.idle_ms);
    }
}

static int by_order(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void make_histories(uint32_t round)
{
    event_count = 0;
    for (uint32_t h = 0; h < HISTORIES; h++)
        for (uint32_t v = 0, n = 1 + (uint32_t)below(2); v < n; v++)
            add_visitor(round * HISTORIES + h, v);
    qsort(events, event_count, sizeof(*events), by_order);
}

static const char *pick(uint64_t *luck, const char *const *of, uint32_t n)
{
    const char *text = of[*luck % n];
    *luck /= n;
    return text;
}
#define PICK(luck, ...)                            \
    pick(luck, (const char *const[]){__VA_ARGS__}, \
         (uint32_t)COUNT_OF(((const char *const[]){__VA_ARGS__})))

#define KINDS "", "", "", "", "engagement", "engagement", "identify", "alias", "group", "vital"
#define NAMES "pageview", "pageview", "click", "look"
#define PATHS "/", "/a", "/b"
#define REFERRERS "", "", "", "shop.example", "search.example", "news.example"
#define COUNTRIES "", "DE", "FR"

static void add_text(struct buf *out, const char *name, const char *value)
{
    if (*value)
        buf_addf(out, ",\"%s\":\"%s\"", name, value);
}

/* A robot is a page view at a time, but now and then. */
static bool is_robot(const struct event *e)
{
    return e->pages && e->id % 80;
}

static const char *kind_of(const struct event *e, uint64_t *luck)
{
    const char *kind = PICK(luck, KINDS);
    return is_robot(e) ? "" : kind;
}

static const char *name_of(const struct event *e, const char *kind, uint64_t *luck)
{
    const char *name = *kind ? kind : PICK(luck, NAMES);
    return is_robot(e) ? "pageview" : name;
}

static const char *path_of(const struct event *e, uint64_t *luck, char own[32])
{
    const char *path = PICK(luck, PATHS);
    if (!e->pages)
        return path;
    snprintf(own, 32, "/p%u", (unsigned)(e->id % e->pages));
    return own;
}

static void add_who(struct buf *out, const struct event *e, uint64_t *luck)
{
    char anonymous[32];
    if (is_robot(e)) {
        buf_addf(out, ",\"anonymous_id\":\"a%u\"", (unsigned)e->visitor);
        return;
    }
    snprintf(anonymous, sizeof(anonymous), "a%u", (unsigned)e->visitor);
    if (*luck % 40 != 7) /* now and then nobody: visitor 0 */
        add_text(out, "anonymous_id", anonymous);
    *luck /= 40;
    add_text(out, "user_id", *luck % 40 == 7 ? "" : PICK(luck, "", "", "u1", "u2"));
}

/* The record, as ingestion writes it. */
static void add_record(struct buf *out, const struct event *e)
{
    char time[TIME_TEXT_BYTES];
    uint64_t luck = e->luck;
    const char *kind = kind_of(e, &luck), *name = name_of(e, kind, &luck);
    buf_addf(out,
             "{\"id\":\"%08llx-0000-4000-8000-%012u\",\"project\":\"%08u-0000-4000-8000-"
             "000000000001\",\"event\":\"%s\",\"timestamp\":\"%s\",\"received_at\":"
             "\"2026-03-31T00:00:00.000Z\",\"source\":\"api\",\"dedupe\":true",
             (unsigned long long)(e->luck >> 40), (unsigned)e->id, (unsigned)e->history, name,
             time_format((unix_ms){e->ms}, time));
    add_text(out, "kind", kind);
    add_who(out, e, &luck);
    if (strcmp(name, "look") == 0)
        buf_add_str(out, ",\"interactive\":false");
    if (strcmp(kind, "engagement") == 0)
        buf_addf(out, ",\"engagement_ms\":%llu", (unsigned long long)(luck % 9000));
    char own[32];
    const char *path = path_of(e, &luck, own), *referrer = PICK(&luck, REFERRERS);
    if (e->pages)
        add_text(out, "user_agent",
                 "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    const char *utm = PICK(&luck, "", "", "", "?utm_source=x&utm_campaign=y", "?utm_term=z");
    buf_addf(out, ",\"page\":{\"url\":\"https://shop.example%s%s\"", path, utm);
    if (*referrer)
        buf_addf(out, ",\"referrer\":\"https://%s/q\"", referrer);
    buf_addf(out, "},\"geo\":{\"country\":\"%s\",\"city\":\"%s\"},\"locale\":\"%s\"}",
             PICK(&luck, COUNTRIES), PICK(&luck, "", "Berlin"), PICK(&luck, "", "de", "fr"));
}

/* The row, with columns that enrichment fills; without deduplication. */
static void add_row(struct buf *out, const struct event *e, uint32_t partition, uint64_t offset)
{
    uint64_t luck = e->luck;
    const char *kind = kind_of(e, &luck), *name = name_of(e, kind, &luck);
    buf_addf(
        out,
        "{\"id\":\"%08llx-0000-4000-8000-%012u\",\"project_id\":\"%08u-0000-4000-8000-"
        "000000000001\",\"event\":\"%s\",\"timestamp\":\"%lld.%03lld\",\"received_at\":1774915200,"
        "\"stream_partition\":%u,\"stream_offset\":%llu",
        (unsigned long long)(e->luck >> 40), (unsigned)e->id, (unsigned)e->history, name,
        (long long)(e->ms / 1000), (long long)(e->ms % 1000), (unsigned)partition,
        (unsigned long long)offset);
    add_text(out, "kind", kind);
    add_who(out, e, &luck);
    if (strcmp(name, "look") == 0)
        buf_add_str(out, ",\"is_interactive\":0");
    if (strcmp(kind, "engagement") == 0)
        buf_addf(out, ",\"engagement_ms\":%llu", (unsigned long long)(luck % 9000));
    char own[32];
    add_text(out, "page_path", path_of(e, &luck, own));
    add_text(out, "hostname", "shop.example");
    add_text(out, "referrer_domain", PICK(&luck, REFERRERS));
    add_text(out, "referrer_source", PICK(&luck, "", "Search", "News"));
    add_text(out, "channel", PICK(&luck, "Direct", "Organic Search", "Paid Search"));
    add_text(out, "click_id", PICK(&luck, "", "", "", "", "gclid"));
    add_text(out, "utm_medium", PICK(&luck, "", "", "", "", "cpc"));
    add_text(out, "utm_content", PICK(&luck, "", "", "", "", "", "", "c"));
    add_text(out, "region", PICK(&luck, "", "BE", "IDF"));
    add_text(out, "browser_name", PICK(&luck, "Firefox", "Firefox", "Firefox", "Safari", ""));
    add_text(out, "browser_version", PICK(&luck, "1", "2"));
    add_text(out, "os_name", PICK(&luck, "Linux", "iOS"));
    add_text(out, "os_version", PICK(&luck, "3", "4"));
    add_text(out, "device_type", PICK(&luck, "desktop", "mobile"));
    add_text(out, "screen_class", PICK(&luck, "wide", "narrow"));
    add_text(out, "bot", e->pages ? "" : PICK(&luck, "", "", "", "", "", "list", "headless"));
    buf_add_str(out, "}\n");
}

static uint32_t partition_of(const struct event *e)
{
    return (e->history + e->visitor) % PARTITIONS;
}

static void project_batch(const struct event *e, uint32_t n, uint32_t partition)
{
    static struct buf values[EVENTS_MAX];
    static struct stream_record records[EVENTS_MAX];
    struct project_writer *writer;
    struct project_cfg writer_cfg = {.filter_bytes_max = 1 << 20};
    struct consumer_batch batch = {.stream = "events",
                                   .partition = partition,
                                   .first = projected[partition],
                                   .records = records};
    for (uint32_t i = 0; i < n; i++) {
        if (partition_of(&e[i]) != partition)
            continue;
        struct buf *value = &values[batch.count];
        buf_init(value, 4096);
        add_record(value, &e[i]);
        records[batch.count] =
            (struct stream_record){.value = buf_slice(value), .offset = batch.first + batch.count};
        batch.count++;
    }
    if (batch.count == 0)
        return;
    batch.last = batch.first + batch.count - 1;
    snprintf(batch.token, sizeof(batch.token), "events/%u/%llu-%llu", (unsigned)partition,
             (unsigned long long)batch.first, (unsigned long long)batch.last);
    struct project_counts counts;
    assert_ok(project_writer_new(&writer_cfg, &writer, &err));
    assert_ok(project_writer_write(writer, &batch, NULL, NULL, &counts, &err));
    assert_int_equal(counts.rejected, 0);
    project_writer_free(writer);
    for (uint32_t i = 0; i < batch.count; i++)
        buf_done(&values[i]);
    projected[partition] = batch.last + 1;
}

static void insert_batch(const struct event *e, uint32_t n)
{
    static const char columns[] =
        "id, project_id, event, timestamp, received_at, stream_partition, stream_offset, kind, "
        "anonymous_id, user_id, is_interactive, engagement_ms, page_path, hostname, "
        "referrer_domain, referrer_source, channel, click_id, utm_medium, utm_content, region, "
        "browser_name, browser_version, os_name, os_version, device_type, screen_class, bot";
    struct buf rows;
    buf_init(&rows, 64 << 20);
    for (uint32_t i = 0; i < n; i++)
        add_row(&rows, &e[i], partition_of(&e[i]), projected[partition_of(&e[i])]++);
    assert_true(buf_ok(&rows));
    assert_ok(store_insert(client, "events", columns, "JSONEachRow", buf_slice(&rows), NULL, NULL,
                           NULL, &err));
    buf_done(&rows);
}

static void feed(const struct event *e, uint32_t n)
{
    if (below(2)) {
        insert_batch(e, n);
        return;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++)
        project_batch(e, n, p);
}

static void one_round(uint32_t round)
{
    make_histories(round);
    cfg.batch_offsets_max = below(2) ? 0 : 1 + (uint32_t)below(event_count);
    cfg.sweep_rows_max = below(3) ? 0 : 1 + (uint32_t)below(2000);
    cfg.bulk_offsets_min = below(3) ? 1 + (uint32_t)below(200) : 0;
    restart();
    for (uint32_t from = 0; from < event_count;) {
        uint32_t n = 1 + (uint32_t)below(event_count / 2);
        n = n < event_count - from ? n : event_count - from;
        feed(events + from, n);
        from += n;
        if (below(4))
            catch_up(true);
        if (below(3) == 0) {
            catch_up(false);
            compare();
        }
    }
    catch_up(false);
    compare();
}

static void random_histories_are_what_the_model_says(void **state)
{
    (void)state;
    static const uint32_t idles[] = {30 * MINUTE, 6 * HOUR, 5 * HOUR, 24 * HOUR, 7 * MINUTE};
    for (uint32_t round = 0; round < rounds; round++) {
        prng_seed(&rng, seed + round);
        cfg.idle_ms = idles[round % COUNT_OF(idles)]; /* a sweep, then, over all that is there */
        one_round(round);
    }
    struct buf seen; /* that the histories have had what they are for */
    buf_init(&seen, 1000);
    query("SELECT countIf(bot = 'behaviour') > 0, countIf(bot = '' AND pageviews >= 30) > 0 FROM "
          "sessions FINAL",
          &seen);
    assert_string_equal(buf_cstr(&seen), "1\t1\n");
    buf_done(&seen);
}

/* ---- by hand ---- */

static void add_plain(uint32_t visitor, const char *time)
{
    unix_ms t = {0};
    assert_true(time_parse(slice_str(time), &t));
    struct event e = {.ms = t.ms, .visitor = visitor, .id = ++id_count, .luck = 0};
    project_batch(&e, 1, partition_of(&e));
    catch_up(false);
}

/* The statement's one value; and all rows are what the model says. */
static void assert_text(const char *sql, const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    query(sql, &got);
    assert_true(got.len > 0);
    got.data[got.len - 1] = '\0';
    assert_string_equal(got.data, want);
    buf_done(&got);
    compare();
}

static void assert_sessions(const char *want)
{
    assert_text("SELECT arrayStringConcat(groupArray(concat(formatDateTime(start, '%d %H:%i'), "
                "'-', formatDateTime(end, '%d %H:%i'))), ', ') FROM (SELECT start, end FROM "
                "sessions FINAL ORDER BY start)",
                want);
}

static void a_late_event_joins_two_sessions_across_midnight_and_months(void **state)
{
    (void)state;
    add_plain(0, "2026-01-31T23:00:00Z");
    add_plain(0, "2026-01-31T23:20:00Z");
    add_plain(0, "2026-02-01T00:10:00Z");
    assert_sessions("31 23:00-31 23:20, 01 00:10-01 00:10");
    add_plain(0, "2026-01-31T23:45:00Z");
    assert_sessions("31 23:00-01 00:10");
    add_plain(0, "2026-01-31T22:29:59.999Z");
    assert_sessions("31 22:29-31 22:29, 31 23:00-01 00:10");
    add_plain(0, "2026-01-31T22:30:00.000Z");
    assert_sessions("31 22:29-01 00:10");
}

static void what_goes_on_for_more_than_a_day_is_cut_at_midnight(void **state)
{
    (void)state;
    cfg.idle_ms = 6 * HOUR;
    restart();
    add_plain(0, "2026-02-10T10:00:00Z");
    add_plain(0, "2026-02-10T16:00:00Z");
    add_plain(0, "2026-02-10T22:00:00Z");
    add_plain(0, "2026-02-11T10:00:00Z");
    assert_sessions("10 10:00-10 22:00, 11 10:00-11 10:00");
    add_plain(0, "2026-02-11T04:00:00Z"); /* 24 hours to the millisecond: one session */
    assert_sessions("10 10:00-11 10:00");
    add_plain(0, "2026-02-11T10:00:00.001Z");
    assert_sessions("10 10:00-10 22:00, 11 04:00-11 10:00");
    add_plain(0, "2026-02-11T15:00:00Z"); /* a piece grows */
    add_plain(0, "2026-02-12T00:00:00Z");
    assert_sessions("10 10:00-10 22:00, 11 04:00-11 15:00, 12 00:00-12 00:00");
    add_plain(0, "2026-02-11T19:00:00Z");
    assert_sessions("10 10:00-10 22:00, 11 04:00-11 19:00, 12 00:00-12 00:00");
}

static void thirty_years_at_once(void **state)
{
    (void)state;
    event_count = 0;
    for (uint32_t i = 0; i < 3000; i++)
        events[event_count++] = (struct event){.ms = INT64_C(800000000000) + (int64_t)i * 315360000,
                                               .visitor = i % 5,
                                               .id = ++id_count};
    for (uint32_t p = 0; p < PARTITIONS; p++)
        project_batch(events, event_count, p);
    catch_up(false);
    compare();
    struct sessionize_counts before, after;
    sessionizer_counts(sessionizer, &before);
    assert_int_equal(before.made_anew, 3000); /* the first start: a sweep */
    for (uint32_t i = 0; i < 3000; i++)
        events[i] = (struct event){.ms = events[i].ms + 1, .visitor = i % 5, .id = ++id_count};
    for (uint32_t p = 0; p < PARTITIONS; p++)
        project_batch(events, event_count, p);
    catch_up(false);
    compare();
    sessionizer_counts(sessionizer, &after);
    assert_int_equal(after.grown - before.grown, 3000);
    assert_int_equal(after.steps - before.steps, 1);
}

/* What weir replay does: another table takes the place, with other rows. */
static void another_table_of_events_is_swept(void **state)
{
    (void)state;
    prng_seed(&rng, seed);
    cfg.batch_offsets_max = 0;
    cfg.sweep_rows_max = 300;
    restart();
    make_histories(1);
    insert_batch(events, event_count);
    catch_up(false);
    compare();
    execute("CREATE TABLE events_shadow AS events");
    execute("INSERT INTO events_shadow SELECT * FROM events WHERE stream_offset % 3 != 0");
    execute("ALTER TABLE events_shadow UPDATE browser_name = 'Other', kind = '' WHERE 1 SETTINGS "
            "mutations_sync = 2");
    execute("EXCHANGE TABLES events AND events_shadow");
    assert_int_equal(sessionizer_step(sessionizer, &err), RC_END); /* nobody told it */
    sessionizer_look(sessionizer);
    catch_up(true);
    compare();
    execute("EXCHANGE TABLES events AND events_shadow");
    restart(); /* a restart looks by itself */
    catch_up(true);
    compare();
    execute("DROP TABLE events_shadow SYNC");
}

static void a_day_too_large_for_a_step_is_swept_in_slices(void **state)
{
    (void)state;
    unix_ms t = {0};
    assert_true(time_parse(SLICE_LIT("2026-02-20T10:00:00Z"), &t));
    event_count = 0;
    for (uint32_t i = 0; i < 100; i++)
        events[event_count++] = (struct event){.ms = t.ms + i, .visitor = i % 20, .id = ++id_count};
    insert_batch(events, event_count);
    cfg.sweep_rows_max = 30;
    restart();
    catch_up(false);
    compare();
    struct sessionize_counts counts;
    sessionizer_counts(sessionizer, &counts);
    assert_int_equal(counts.made_anew, 20);
    assert_int_equal(counts.sweep_steps,
                     1 + 4 + 1); /* the empty days before, slices, those behind */
    cfg.sweep_rows_max = 0;
}

/* Twice the same rows, whatever way they came about. */
static void a_rebuild_gives_the_same_rows(void **state)
{
    (void)state;
    char sums[3][200];
    prng_seed(&rng, seed + 1);
    cfg.batch_offsets_max = 50;
    restart();
    make_histories(1);
    for (uint32_t i = 0; i < 3; i++) {
        char path[OS_PATH_MAX];
        struct buf sum;
        buf_init(&sum, 199);
        if (i == 0)
            insert_batch(events, event_count);
        else if (i == 1)
            execute("TRUNCATE TABLE sessions");
        if (i)
            assert_ok(os_unlink_durable(os_path(path, "%s/state", dir), &err));
        restart();
        catch_up(i == 1);
        query("SELECT count(), groupBitXor(cityHash64(* EXCEPT version)) FROM sessions FINAL",
              &sum);
        snprintf(sums[i], sizeof(sums[i]), "%s", buf_cstr(&sum));
        buf_done(&sum);
    }
    assert_string_equal(sums[1], sums[0]);
    assert_string_equal(sums[2], sums[0]);
    compare();
}

static void a_store_that_began_anew_within_a_step_does_not_lose_it(void **state)
{
    (void)state;
    add_plain(0, "2026-02-10T10:00:00Z");
    unix_ms t = {0};
    assert_true(time_parse(SLICE_LIT("2026-02-10T10:05:00Z"), &t));
    struct event e = {.ms = t.ms, .id = ++id_count};
    project_batch(&e, 1, 0);
    /* The child is gone behind the look at what is to be written: sessions_work is empty. */
    for (uint64_t at = 5; at < 9; at++) {
        engine_store.fail_at = engine_store.calls + at;
        engine_store.truncate_work = "TRUNCATE TABLE sessions_work";
        err = ERR_INIT;
        assert_int_equal(sessionizer_step(sessionizer, &err), RC_AGAIN);
        engine_store.fail_at = 0;
        engine_store.truncate_work = NULL;
    }
    catch_up(false);
    assert_sessions("10 10:00-10 10:05");
}

static void a_damaged_state_is_made_anew(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    struct buf text;
    struct sessionize_state loaded;
    add_plain(0, "2026-02-10T10:00:00Z");
    os_path(path, "%s/state", dir);
    buf_init(&text, 1 << 20);
    assert_ok(os_read_file(path, &text, &err));
    assert_ok(derived_state_load(&sessionize_state_format, dir, &loaded, &err));
    assert_int_equal(loaded.next[0], 1);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 2;
        assert_ok(os_write_file_durable(path, buf_slice(&text), &err));
        assert_int_equal(derived_state_load(&sessionize_state_format, dir, &loaded, &err),
                         RC_CORRUPT);
        text.data[i] ^= 2;
    }
    assert_ok(os_write_file_durable(path, slice_of(text.data, text.len - 1), &err));
    buf_done(&text);
    restart();
    add_plain(0, "2026-02-10T10:10:00Z");
    assert_sessions("10 10:00-10 10:10");
}

/* ---- bots by behaviour (docs/definitions.md, "Bot") ---- */

/* Page views (if it is no other event) of one visitor from 10:00 on; more: further members. */
struct views {
    uint32_t count, gap_ms, pages;
    int64_t from_ms;
    const char *event, *browser, *more;
};

static void add_views(const struct views *v)
{
    struct buf rows;
    buf_init(&rows, 4 << 20);
    for (uint32_t i = 0; i < v->count; i++) {
        int64_t ms = INT64_C(1770717600000) + v->from_ms + (int64_t)i * v->gap_ms;
        buf_addf(&rows,
                 "{\"id\":\"00000000-0000-4000-8000-%012u\",\"project_id\":\"00000001-0000-4000-"
                 "8000-000000000001\",\"timestamp\":\"%lld.%03lld\",\"stream_offset\":%llu,"
                 "\"event\":\"%s\",\"anonymous_id\":\"a\",\"page_path\":\"/p%u\","
                 "\"browser_name\":\"%s\"%s}\n",
                 (unsigned)++id_count, (long long)(ms / 1000), (long long)(ms % 1000),
                 (unsigned long long)projected[0]++, v->event ? v->event : "pageview",
                 (unsigned)(i % v->pages), v->browser ? v->browser : "Firefox",
                 v->more ? v->more : "");
    }
    assert_ok(store_insert(client, "events",
                           "id, project_id, timestamp, stream_offset, event, anonymous_id, "
                           "page_path, browser_name, user_id, kind, engagement_ms, bot",
                           "JSONEachRow", buf_slice(&rows), NULL, NULL, NULL, &err));
    buf_done(&rows);
    catch_up(false);
}

static void assert_bot(const char *want)
{
    assert_text("SELECT arrayStringConcat(groupArray(concat('<', bot, '>')), ' ') FROM (SELECT "
                "toString(bot) AS bot FROM sessions FINAL ORDER BY start)",
                want);
}

static void who_opens_thirty_pages_in_less_than_a_second_each_is_a_bot(void **state)
{
    (void)state;
    add_views(&(struct views){.count = 29, .gap_ms = 900, .pages = 40});
    assert_bot("<>");
    add_views(&(struct views){.from_ms = 29 * 900, .count = 1, .pages = 1});
    assert_bot("<behaviour>");
    add_views(&(struct views){.from_ms = 29999, .count = 1, .pages = 1}); /* 31 in 29,999 ms */
    assert_bot("<behaviour>");
}

/* How many of the pages /p0, /p1 … lie in so many drawers. */
static uint32_t pages_in(uint32_t drawers)
{
    char sql[200];
    struct buf got;
    buf_init(&got, 100);
    snprintf(
        sql, sizeof(sql),
        "SELECT min(n) FROM (SELECT number + 1 AS n, uniqExact(sipHash64(concat('/p', "
        "toString(number))) %% 64) OVER (ORDER BY number) AS d FROM numbers(100)) WHERE d = %u",
        (unsigned)drawers);
    query(sql, &got);
    uint32_t pages = (uint32_t)strtoul(buf_cstr(&got), NULL, 10);
    buf_done(&got);
    assert_true(pages >= drawers);
    return pages;
}

static void nineteen_different_pages_are_too_few(void **state)
{
    (void)state;
    add_views(&(struct views){.count = 60, .gap_ms = 100, .pages = pages_in(19)});
    add_views(
        &(struct views){.from_ms = 3 * HOUR, .count = 60, .gap_ms = 100, .pages = pages_in(20)});
    assert_bot("<> <behaviour>");
}

static void a_second_for_each_page_is_a_persons(void **state)
{
    (void)state;
    add_views(&(struct views){.count = 40, .gap_ms = 1025, .pages = 40}); /* 39,975 ms */
    assert_bot("<behaviour>");
    add_views(&(struct views){.from_ms = 41000, .count = 1, .pages = 1}); /* 41 in 41,000 ms */
    assert_bot("<>");
}

static void a_late_event_can_acquit_and_convict(void **state)
{
    (void)state;
    add_views(&(struct views){.count = 40, .gap_ms = 500, .pages = 40});
    assert_bot("<behaviour>");
    /* The same visit went on ten minutes before. */
    add_views(&(struct views){.from_ms = -600000, .count = 1, .pages = 1});
    assert_bot("<>");
    add_views(&(struct views){
        .from_ms = -590000, .count = 600, .gap_ms = 980, .pages = 40}); /* 641 in 619,500 ms */
    assert_bot("<behaviour>");
    add_views(&(struct views){.from_ms = 7200000, .count = 1, .pages = 1}); /* another visit */
    assert_bot("<behaviour> <>");
}

static void who_reads_clicks_or_is_known_is_no_bot(void **state)
{
    (void)state;
    static const struct views alibis[] = {
        {.event = "click"},
        {.more = ",\"user_id\":\"u1\""},
        {.event = "engagement", .more = ",\"kind\":\"engagement\",\"engagement_ms\":40000"}};
    for (size_t i = 0; i < COUNT_OF(alibis); i++) {
        struct views alibi = alibis[i];
        add_views(&(struct views){
            .from_ms = (int64_t)i * 3 * HOUR, .count = 40, .gap_ms = 500, .pages = 40});
        alibi.from_ms = (int64_t)i * 3 * HOUR + 20000;
        alibi.count = alibi.pages = 1;
        add_views(&alibi);
    }
    assert_bot("<> <> <>");
}

static void the_list_comes_before_behaviour_and_what_is_no_browser_is_not_judged(void **state)
{
    (void)state;
    add_views(
        &(struct views){.count = 40, .gap_ms = 500, .pages = 40, .more = ",\"bot\":\"network\""});
    add_views(
        &(struct views){.from_ms = 3 * HOUR, .count = 40, .pages = 40, .browser = ""}); /* server */
    assert_bot("<network> <>");
}

/* One device for the same browsers behind one address: many people. */
static void an_office_a_class_and_a_fast_reader_are_no_bots(void **state)
{
    (void)state;
    add_views(&(struct views){.count = 900, .gap_ms = 2000, .pages = 60}); /* 900 in 30 minutes */
    add_views(&(struct views){.from_ms = 3 * HOUR, .count = 100, .gap_ms = 100, .pages = 3});
    add_views(&(struct views){.from_ms = 6 * HOUR, .count = 60, .gap_ms = 1500, .pages = 60});
    assert_bot("<> <> <>");
}

/* Also with every step in the way of many events. */
#define BOTH_WAYS(test)                  \
    cmocka_unit_test_setup(test, setup), \
        cmocka_unit_test_prestate_setup_teardown(test, setup, NULL, &bulk)
static int run_all(void)
{
    static uint32_t bulk = 1;
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(a_late_event_joins_two_sessions_across_midnight_and_months),
        BOTH_WAYS(what_goes_on_for_more_than_a_day_is_cut_at_midnight),
        cmocka_unit_test_setup(thirty_years_at_once, setup),
        cmocka_unit_test_setup(another_table_of_events_is_swept, setup),
        cmocka_unit_test_setup(a_day_too_large_for_a_step_is_swept_in_slices, setup),
        cmocka_unit_test_setup(a_rebuild_gives_the_same_rows, setup),
        BOTH_WAYS(a_store_that_began_anew_within_a_step_does_not_lose_it),
        cmocka_unit_test_setup(a_damaged_state_is_made_anew, setup),
        BOTH_WAYS(who_opens_thirty_pages_in_less_than_a_second_each_is_a_bot),
        cmocka_unit_test_setup(nineteen_different_pages_are_too_few, setup),
        cmocka_unit_test_setup(a_second_for_each_page_is_a_persons, setup),
        BOTH_WAYS(a_late_event_can_acquit_and_convict),
        cmocka_unit_test_setup(who_reads_clicks_or_is_known_is_no_bot, setup),
        cmocka_unit_test_setup(the_list_comes_before_behaviour_and_what_is_no_browser_is_not_judged,
                               setup),
        cmocka_unit_test_setup(an_office_a_class_and_a_fast_reader_are_no_bots, setup),
        cmocka_unit_test_setup(random_histories_are_what_the_model_says, setup),
    };
    events = calloc(EVENTS_MAX, sizeof(*events));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sessionizer_free(sessionizer);
    return failed;
}

int main(void)
{
    seed = env_number("WEIR_TEST_SEED", random_u64() % 1000000);
    rounds = env_number("WEIR_SEEDS", 8);
    printf("# seed %llu\n", (unsigned long long)seed);
    return engine_store_main("sessionize", root, &client, run_all);
}
