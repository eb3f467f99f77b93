/* Persons over the real projector and the real engine (in this process), against the model of
 * person_model.c: random small histories, in random batches, with failures before and behind any
 * statement and restarts in between. WEIR_SEEDS=N rounds of 40 histories; WEIR_TEST_SEED repeats.
 * Skipped without libchdb. docs/definitions.md, "Person". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "analytics/event/schema.h"
#include "analytics/person/persons_int.h"
#include "analytics/projector/project.h"
#include "base/os.h"
#include "base/random.h"
#include "person_history.h"
#include "person_model.h"
#include "test_replay_store.h"

#define assert_ok(expr)                                                   \
    do {                                                                  \
        enum rc assert_rc_ = (expr);                                      \
        if (assert_rc_ != RC_OK)                                          \
            fail_msg("%s: %s: %s", #expr, rc_name(assert_rc_), err.text); \
    } while (0)

static char root[OS_PATH_MAX], dir[OS_PATH_MAX];
static struct err err;
static struct store_client *client;
static struct prng rng;
static uint64_t seed, rounds;
static struct person_history history;
static uint32_t id_count; /* of tell() */

static struct persons_cfg cfg;
static struct persons *persons;
static uint64_t projected[HISTORY_PARTITIONS];

/* What is too old of each project; has_told: the table `told` has what had come in before. */
static struct persons_rule rules[PERSONS_RULES_MAX];
static uint32_t rule_count;
static bool has_told;

static uint32_t read_rules(void *ctx, struct persons_rule *ret)
{
    (void)ctx;
    memcpy(ret, rules, rule_count * sizeof(*rules));
    return rule_count;
}

static uint64_t below(uint64_t n)
{
    return prng_below(&rng, n);
}

static uint64_t read_projected(void *ctx, uint32_t partition)
{
    (void)ctx;
    return projected[partition];
}

static void query(const char *sql, const char *format, struct buf *out)
{
    assert_ok(store_query(NULL, client, &(struct store_query){.sql = sql, .format = format}, out,
                          NULL, NULL, &err));
}

static void execute(const char *sql)
{
    assert_ok(store_exec(client, sql, &err));
}

static void restart(void)
{
    persons_free(persons);
    assert_ok(persons_new(&cfg, &persons, &err));
}

static void drop(const char *table)
{
    char sql[100];
    snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s SYNC", table);
    execute(sql);
}

static int setup(void **state)
{
    (void)state;
    static int number;
    drop("events");
    drop("told");
    rule_count = 0;
    has_told = false;
    drop("person_generations");
    drop("persons_work");
    for (const char *const *table = persons_tables; *table; table++)
        drop(*table);
    for (uint32_t i = 0; i < analytics_migration_count; i++)
        for (const char *const *s = analytics_migrations[i].statements; *s; s++)
            execute(*s);
    memset(projected, 0, sizeof(projected));
    os_path(dir, "%s/state%d", root, number++);
    cfg = (struct persons_cfg){.dir = dir,
                               .partitions = HISTORY_PARTITIONS,
                               .projected = read_projected,
                               .rules = read_rules};
    engine_store = (struct engine_store){0};
    restart();
    return 0;
}

/* Steps until nothing is left to do; with failures, whoever meets one restarts sometimes. */
static void catch_up(bool has_failures)
{
    for (;;) {
        engine_store.fail_at = has_failures && below(2) ? engine_store.calls + 1 + below(24) : 0;
        engine_store.is_late = below(2);
        engine_store.truncate_work =
            has_failures && below(3) == 0 ? "TRUNCATE TABLE IF EXISTS persons_work" : NULL;
        err = ERR_INIT;
        enum rc rc = persons_step(persons, &err);
        bool was_injected = has_failures && (engine_store.truncate_work ||
                                             engine_store.calls >= engine_store.fail_at);
        engine_store.fail_at = 0;
        if (rc == RC_END)
            return;
        if (rc != RC_OK && !was_injected)
            fail_msg("%s: %s", rc_name(rc), err.text);
        if (has_failures && below(3) == 0)
            restart();
    }
}

/* ---- what the tables say, as lines of the model ---- */
#define GENERATION "generation = (SELECT max(generation) FROM person_generations)"
#define OWNERS "(SELECT project_id, hash, person FROM identities FINAL WHERE " GENERATION ")"
#define IDS                                                                                     \
    "(SELECT p.project_id AS project_id, p.hash AS hash, p.id AS id, first, last, k, user, "    \
    "if(i.person = 0, p.hash, i.person) AS person FROM (SELECT project_id, hash, id, "          \
    "min(first_ms) AS first, max(last_ms) AS last, min(known) AS k, max(is_user) AS user FROM " \
    "person_ids WHERE " GENERATION " GROUP BY project_id, hash, id) AS p LEFT ANY JOIN " OWNERS \
    " AS i ON p.project_id = i.project_id AND p.hash = i.hash)"
#define LABELS \
    "(SELECT project_id, person, min(id) AS label FROM " IDS " GROUP BY project_id, person)"
#define OF_PERSON(columns, rows)                                                               \
    "(SELECT t.project_id AS project_id, if(i.person = 0, t.id, i.person) AS person, " columns \
    " FROM (SELECT * FROM " rows " WHERE " GENERATION ") AS t LEFT ANY JOIN " OWNERS           \
    " AS i ON t.project_id = i.project_id AND t.id = i.hash)"

static const char *const as_lines[] = {
    "SELECT 'id', toString(a.project_id), a.id, l.label, l.top FROM " IDS
    " AS a JOIN (SELECT project_id, person, min(id) AS label, if(min(k) = bitNot(toUInt256(0)), "
    "'-', argMin(id, k)) AS top, anyIf(id, hash = person) AS standing FROM " IDS
    " GROUP BY project_id, person HAVING top = '-' OR top = standing) AS l ON a.project_id = "
    "l.project_id AND a.person = l.person",
    "SELECT 'seen', toString(project_id), id, if(last = 0, 0, first), last, user FROM " IDS,
    "SELECT 'trait', toString(t.project_id), l.label, t.name, argMax(t.value, (t.is_once = 0, "
    "t.rank)) FROM " OF_PERSON("name, value, is_once, rank",
                               "person_traits") " AS t JOIN " LABELS
                                                " AS l ON t.project_id = l.project_id AND t.person "
                                                "= l.person GROUP BY t.project_id, l.label, "
                                                "t.name",
    "SELECT 'member', toString(t.project_id), l.label, t.type, argMax(t.group_id, t.rank) "
    "FROM " OF_PERSON("type, group_id, rank",
                      "person_groups") " AS t JOIN " LABELS
                                       " AS l ON t.project_id = l.project_id AND t.person = "
                                       "l.person GROUP BY t.project_id, l.label, "
                                       "t.type",
    "SELECT 'group', toString(project_id), type, group_id, min(first_ms), max(last_ms) FROM "
    "group_ids WHERE " GENERATION " GROUP BY project_id, type, group_id",
    "SELECT 'gtrait', toString(project_id), type, group_id, name, argMax(value, (is_once = 0, "
    "rank)) FROM group_traits WHERE " GENERATION " GROUP BY project_id, type, group_id, name",
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in order; the buffer is cut. */
static char **sorted(struct buf *text, size_t *ret_count)
{
    size_t n = 0;
    buf_add_char(text, '\0');
    char **lines = calloc(text->len + 1, sizeof(*lines));
    assert_non_null(lines);
    for (char *at = text->data; *at; n++) {
        size_t len = strcspn(at, "\n");
        lines[n] = at;
        at[len] = '\0';
        at += len + 1;
    }
    qsort(lines, n, sizeof(*lines), by_text);
    *ret_count = n;
    return lines;
}

static bool is_same(struct buf *want, struct buf *got)
{
    size_t want_count, got_count, i = 0;
    char **w = sorted(want, &want_count), **g = sorted(got, &got_count);
    while (i < want_count && i < got_count && strcmp(w[i], g[i]) == 0)
        i++;
    bool is_same = i == want_count && i == got_count;
    if (!is_same)
        print_error("seed %llu\nwant %s\ngot  %s\n", (unsigned long long)seed,
                    i < want_count ? w[i] : "nothing", i < got_count ? g[i] : "nothing");
    free(w);
    free(g);
    return is_same;
}

/* The time before which it is too old, of each project; 0: none is. */
static void add_cut(struct buf *sql)
{
    char text[UUID_TEXT_LEN + 1];
    buf_add_str(sql, "transform(toString(project_id), ['none'");
    for (uint32_t i = 0; i < rule_count; i++)
        buf_addf(sql, ",'%s'", uuid_format(&rules[i].project, text));
    buf_add_str(sql, "], [toInt64(0)");
    for (uint32_t i = 0; i < rule_count; i++)
        buf_addf(sql, ",%lld", (long long)rules[i].before_ms);
    buf_add_str(sql, "], toInt64(0))");
}

static void told_events(struct buf *ret)
{
    struct buf sql;
    buf_init(&sql, 1 << 20);
    buf_add_str(&sql, "SELECT " PERSON_MODEL_EVENTS ", ");
    add_cut(&sql);
    buf_add_str(&sql, " FROM (");
    if (has_told)
        buf_add_str(&sql, "SELECT *, 0 AS era FROM told UNION ALL ");
    buf_addf(&sql, "SELECT *, %d AS era FROM events", (int)has_told);
    if (has_told)
        buf_add_str(&sql, " WHERE (stream_partition, stream_offset) NOT IN (SELECT "
                          "stream_partition, stream_offset FROM told)");
    buf_add_char(&sql, ')');
    query(buf_cstr(&sql), "TabSeparatedRaw", ret);
    buf_done(&sql);
}

static void compare(void)
{
    struct buf list, want, got;
    buf_init(&list, 256 << 20);
    buf_init(&want, 256 << 20);
    buf_init(&got, 256 << 20);
    told_events(&list);
    person_model(&list, &want);
    for (size_t i = 0; i < COUNT_OF(as_lines); i++)
        query(as_lines[i], "TabSeparatedRaw", &got);
    bool is_fine = is_same(&want, &got);
    buf_done(&list);
    buf_done(&want);
    buf_done(&got);
    assert_true(is_fine);
}

/* ---- writing them ---- */
static void project_batch(const struct person_event *e, uint32_t n, uint32_t partition)
{
    static struct buf values[HISTORY_EVENTS_MAX];
    static struct stream_record records[HISTORY_EVENTS_MAX];
    struct project_writer *writer;
    struct project_cfg writer_cfg = {.filter_bytes_max = 1 << 20};
    struct consumer_batch batch = {.stream = "events",
                                   .partition = partition,
                                   .first = projected[partition],
                                   .records = records};
    for (uint32_t i = 0; i < n; i++) {
        if (person_event_partition(&e[i]) != partition)
            continue;
        struct buf *value = &values[batch.count];
        buf_init(value, 4096);
        person_event_record(value, &e[i]);
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

static void insert_batch(const struct person_event *e, uint32_t n)
{
    static const char columns[] =
        "id, project_id, event, timestamp, received_at, stream_partition, stream_offset, user_id, "
        "anonymous_id, kind, group_type, group_id, groups, previous_id, traits, traits_once";
    struct buf rows;
    buf_init(&rows, 64 << 20);
    for (uint32_t i = 0; i < n; i++)
        person_event_row(&rows, &e[i], person_event_partition(&e[i]),
                         projected[person_event_partition(&e[i])]++);
    assert_true(buf_ok(&rows));
    assert_ok(store_insert(client, "events", columns, "JSONEachRow", buf_slice(&rows), NULL, NULL,
                           NULL, &err));
    buf_done(&rows);
}

static void feed(const struct person_event *e, uint32_t n)
{
    if (below(2)) {
        insert_batch(e, n);
        return;
    }
    for (uint32_t p = 0; p < HISTORY_PARTITIONS; p++)
        project_batch(e, n, p);
}

static void one_round(uint32_t round)
{
    person_history_make(&history, &rng, round);
    cfg.batch_offsets_max = below(2) ? 0 : 1 + (uint32_t)below(history.count);
    restart();
    for (uint32_t from = 0; from < history.count;) {
        uint32_t n = 1 + (uint32_t)below(history.count / 2);
        n = n < history.count - from ? n : history.count - from;
        feed(history.events + from, n);
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
    for (uint32_t round = 0; round < rounds; round++) {
        prng_seed(&rng, seed + round);
        one_round(round);
    }
}

/* ---- what is too old ---- */
static void choose_rules(uint32_t round)
{
    int64_t cuts[HISTORIES] = {0};
    char text[UUID_TEXT_LEN + 1];
    for (uint32_t i = 0; i < history.count; i++)
        if (below(20) == 0)
            cuts[history.events[i].history % HISTORIES] =
                history.events[i].ms + (int64_t)below(3) - 1;
    for (uint32_t h = 0; h < HISTORIES; h++) {
        if (!cuts[h])
            continue;
        snprintf(text, sizeof(text), "%08u-0000-4000-8000-000000000001",
                 (unsigned)(round * HISTORIES + h));
        assert_true(uuid_parse(slice_str(text), &rules[rule_count].project));
        rules[rule_count++].before_ms = cuts[h];
    }
}

/* As retain.h does, and then what is done behind it. */
static void retain(bool has_failures)
{
    struct buf sql;
    buf_init(&sql, 1 << 20);
    execute("CREATE TABLE IF NOT EXISTS told AS events");
    execute("INSERT INTO told SELECT * FROM events WHERE (stream_partition, stream_offset) NOT IN "
            "(SELECT stream_partition, stream_offset FROM told)");
    has_told = true;
    buf_add_str(&sql, "ALTER TABLE events DELETE WHERE toUnixTimestamp64Milli(timestamp) < ");
    add_cut(&sql);
    buf_add_str(&sql, " SETTINGS mutations_sync = 2");
    execute(buf_cstr(&sql));
    buf_done(&sql);
    persons_retain(persons);
    if (has_failures)
        catch_up(true);
    persons_retain(persons); /* a restart does not know of it */
    catch_up(false);
}

/* Of the project of tell(). */
static void retain_since(const char *time)
{
    unix_ms t = {0};
    assert_true(time_parse(slice_str(time), &t));
    rules[0].before_ms = t.ms;
    assert_true(uuid_parse(SLICE_LIT("00000000-0000-4000-8000-000000000001"), &rules[0].project));
    rule_count = 1;
    retain(false);
}

static void build_anew(void)
{
    char path[OS_PATH_MAX];
    if (below(2)) {
        assert_ok(os_unlink_durable(os_path(path, "%s/state", dir), &err));
        restart();
    } else {
        assert_ok(persons_rebuild(persons, &err));
    }
    catch_up(below(2));
    catch_up(false);
}

static void who_is_too_old_is_forgotten_and_others_stay_whole(void **state)
{
    for (uint32_t round = 0; round < rounds; round++) {
        prng_seed(&rng, seed + round);
        setup(state);
        person_history_make(&history, &rng, round);
        cfg.batch_offsets_max = below(2) ? 0 : 1 + (uint32_t)below(history.count);
        cfg.old_ids_max = below(2) ? 0 : 50;
        restart();
        uint32_t half = 1 + (uint32_t)below(history.count);
        feed(history.events, half);
        catch_up(below(2));
        catch_up(false);
        choose_rules(round);
        retain(below(2));
        compare();
        if (below(2)) {
            build_anew();
            compare();
        }
        if (half < history.count)
            feed(history.events + half, history.count - half);
        catch_up(below(2));
        catch_up(false);
        compare();
        build_anew();
        compare();
    }
}

/* ---- by hand ---- */

/* An event of one project: "kind user anonymous previous", "-" for none. */
static void tell(const char *time, const char *what)
{
    unix_ms t = {0};
    char word[4][40];
    struct buf row;
    assert_true(time_parse(slice_str(time), &t));
    assert_int_equal(sscanf(what, "%39s %39s %39s %39s", word[0], word[1], word[2], word[3]), 4);
    buf_init(&row, 4096);
    buf_addf(&row,
             "{\"id\":\"00000000-0000-4000-8000-%012u\",\"project_id\":\"00000000-0000-4000-8000-"
             "000000000001\",\"event\":\"e\",\"timestamp\":%lld,\"stream_offset\":%llu",
             (unsigned)++id_count, (long long)t.ms /* what the column counts in */,
             (unsigned long long)projected[0]++);
    static const char *const names[] = {"kind", "user_id", "anonymous_id", "previous_id"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        person_add_text(&row, names[i], strcmp(word[i], "-") == 0 ? "" : word[i]);
    buf_add_str(&row, "}\n");
    assert_ok(store_insert(client, "events",
                           "id, project_id, event, timestamp, stream_offset, kind, user_id, "
                           "anonymous_id, previous_id",
                           "JSONEachRow", buf_slice(&row), NULL, NULL, NULL, &err));
    buf_done(&row);
}

static void assert_persons(const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    catch_up(false);
    query("SELECT arrayStringConcat(groupArray(ids), ', ') FROM (SELECT "
          "arrayStringConcat(arraySort(groupArray(id)), '=') AS ids FROM " IDS
          " GROUP BY project_id, person ORDER BY ids)",
          "TabSeparatedRaw", &got);
    assert_true(got.len > 0);
    got.data[got.len - 1] = '\0';
    assert_string_equal(got.data, want);
    buf_done(&got);
    compare();
}

static void a_shared_browser_does_not_make_two_users_one(void **state)
{
    (void)state;
    tell("2026-02-01T10:00:00Z", "- - browser -");
    assert_persons("browser");
    tell("2026-02-01T11:00:00Z", "identify ann browser -");
    assert_persons("ann=browser");
    tell("2026-02-01T12:00:00Z", "identify bob browser -");
    tell("2026-02-01T13:00:00Z", "- bob browser -");
    assert_persons("ann=browser, bob");
    tell("2026-02-01T14:00:00Z", "alias bob - browser"); /* whose it is has been settled */
    assert_persons("ann=browser, bob");
    tell("2026-02-01T15:00:00Z", "alias bob - ann");
    assert_persons("ann=bob=browser");
}

static void what_comes_in_late_counts_from_its_own_time(void **state)
{
    (void)state;
    tell("2026-02-01T11:00:00Z", "identify ann browser -");
    tell("2026-02-01T12:00:00Z", "- bob phone -");
    assert_persons("ann=browser, bob=phone");
    tell("2026-02-01T10:00:00Z", "- bob browser -");
    assert_persons("ann, bob=browser=phone");
    tell("2026-02-01T09:00:00Z", "identify browser - -"); /* it is somebody by itself */
    assert_persons("ann, bob=phone, browser");
    tell("2026-02-01T08:00:00Z", "alias carl - browser");
    assert_persons("ann, bob=phone, browser=carl");
}

static void an_alias_before_anything_else_is_a_claim(void **state)
{
    (void)state;
    tell("2026-02-01T10:00:00Z", "alias ann - mail");
    tell("2026-02-01T11:00:00Z", "alias bob - mail");
    tell("2026-02-01T12:00:00Z", "- mail - -");
    assert_persons("ann=mail, bob");
    tell("2026-02-01T12:30:00Z", "identify mail - -");
    tell("2026-02-01T13:00:00Z", "alias bob - mail"); /* bob is nobody yet: mail claims it */
    assert_persons("ann=bob=mail");
}

static void who_is_claimed_and_claims_at_once_is_between_both(void **state)
{
    (void)state;
    tell("2026-02-01T12:00:00Z", "identify bob - -");
    assert_persons("bob");
    tell("2026-02-01T11:00:00Z", "- carl bob -");
    tell("2026-02-01T13:00:00Z", "- bob phone -");
    assert_persons("bob=carl=phone");
}

static void a_further_browser_does_not_touch_the_others(void **state)
{
    (void)state;
    struct persons_counts before, after;
    char what[80];
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(what, sizeof(what), "- ann browser%u -", (unsigned)i);
        tell("2026-02-01T10:00:00Z", what);
    }
    catch_up(false);
    persons_counts(persons, &before);
    tell("2026-02-01T11:00:00Z", "- ann phone -");
    tell("2026-02-01T11:00:00Z", "- ann phone -");
    catch_up(false);
    persons_counts(persons, &after);
    assert_int_equal(after.leaves - before.leaves, 1);
    assert_int_equal(after.made_anew - before.made_anew, 0);
    compare();
}

static void nothing_new_is_not_looked_at(void **state)
{
    (void)state;
    tell("2026-02-01T10:00:00Z", "identify ann browser -");
    catch_up(false);
    uint64_t calls = engine_store.calls;
    tell("2026-02-01T11:00:00Z", "- ann browser -");
    catch_up(false);
    uint64_t with_links = engine_store.calls - calls;
    calls = engine_store.calls;
    tell("2026-02-01T11:00:00Z", "- - other -");
    catch_up(false);
    assert_in_range(engine_store.calls - calls, 1, with_links - 4);
    compare();
}

/* What weir replay does: another table takes the place, with other rows. */
static void another_table_of_events_gives_other_persons(void **state)
{
    (void)state;
    prng_seed(&rng, seed);
    person_history_make(&history, &rng, 1);
    insert_batch(history.events, history.count);
    catch_up(false);
    compare();
    execute("CREATE TABLE events_shadow AS events");
    execute("INSERT INTO events_shadow SELECT * FROM events WHERE stream_offset % 3 != 0");
    execute("EXCHANGE TABLES events AND events_shadow");
    assert_int_equal(persons_step(persons, &err), RC_END); /* nobody told it */
    persons_look(persons);
    catch_up(true);
    compare();
    execute("EXCHANGE TABLES events AND events_shadow");
    restart(); /* a restart looks by itself */
    catch_up(true);
    compare();
    execute("DROP TABLE events_shadow SYNC");
}

static void assert_generations(const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    query("SELECT arrayStringConcat(groupUniqArray(partition), ',') FROM system.parts WHERE active "
          "AND database = currentDatabase() AND table = 'person_ids'",
          "TabSeparatedRaw", &got);
    got.data[got.len - 1] = '\0';
    assert_string_equal(got.data, want);
    buf_done(&got);
}

static void what_was_taken_out_is_gone_after_a_rebuild(void **state)
{
    (void)state;
    tell("2026-02-01T10:00:00Z", "identify ann browser -");
    tell("2026-02-01T11:00:00Z", "identify bob browser -");
    assert_persons("ann=browser, bob");
    assert_generations("1");
    execute("ALTER TABLE events DELETE WHERE user_id = 'ann' SETTINGS mutations_sync = 2");
    assert_ok(persons_rebuild(persons, &err));
    restart(); /* the server ends before it began */
    bool is_building = false;
    assert_int_equal(persons_step(persons, &err), RC_OK);
    assert_int_equal(persons_lag(persons, &is_building), 0);
    assert_true(is_building);
    struct buf got; /* meanwhile the one before is read, whole */
    buf_init(&got, 1 << 10);
    query("SELECT count() FROM " IDS, "TabSeparatedRaw", &got);
    assert_string_equal(buf_cstr(&got), "3\n");
    buf_done(&got);
    assert_persons("bob=browser");
    assert_generations("2");
    restart();
    assert_persons("bob=browser");
    assert_generations("2"); /* it was asked for once */
}

static void assert_number(const char *sql, const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 10);
    query(sql, "TabSeparatedRaw", &got);
    assert_string_equal(buf_cstr(&got), want);
    buf_done(&got);
}

static void a_person_goes_with_its_last_event_and_is_whole_until_then(void **state)
{
    (void)state;
    struct persons_counts counts;
    tell("2026-02-01T10:00:00Z", "identify ann browser -");
    tell("2026-02-01T10:00:00Z", "identify bob phone -");
    tell("2026-02-01T11:00:00Z", "- bob browser -"); /* ann's all the same */
    tell("2026-02-02T10:00:00Z", "alias carl - old-carl");
    tell("2026-02-09T10:00:00Z", "- - phone -");
    assert_persons("ann=browser, bob=phone, carl=old-carl");
    retain_since("2026-02-02T10:00:00Z");
    assert_persons("bob=phone, carl=old-carl"); /* bob by his phone; whoever was named that day */
    retain_since("2026-02-02T10:00:00.001Z");
    assert_persons("bob=phone");
    persons_counts(persons, &counts);
    assert_int_equal(counts.forgotten, 4);
    assert_number("SELECT count() FROM person_claims", "1\n");
    assert_number("SELECT count() FROM person_aliases", "0\n");
    assert_number("SELECT count() FROM identities", "2\n");
    build_anew(); /* only the phone is named by an event that is left */
    assert_persons("bob=phone");
    tell("2026-02-10T10:00:00Z", "- - browser -"); /* whoever that is now */
    assert_persons("bob=phone, browser");
    build_anew();
    assert_persons("bob=phone, browser");
}

/* What weir erase does: rows of the ids that go are taken from the facts, too. */
static void what_was_taken_from_facts_and_events_is_not_taken_over(void **state)
{
    (void)state;
    tell("2026-02-01T10:00:00Z", "identify ann browser -");
    tell("2026-02-01T10:00:00Z", "identify bob phone -");
    tell("2026-02-09T10:00:00Z", "- ann - -");
    tell("2026-02-09T10:00:00Z", "- bob - -");
    catch_up(false);
    retain_since("2026-02-05T00:00:00Z");
    assert_persons("ann=browser, bob=phone");
    execute("ALTER TABLE events DELETE WHERE user_id = 'ann' SETTINGS mutations_sync = 2");
    execute("ALTER TABLE person_claims DELETE WHERE owner = sipHash64('anonymous', 'ann') SETTINGS "
            "mutations_sync = 2");
    execute("ALTER TABLE person_ids DELETE WHERE id IN ('ann', 'browser') SETTINGS mutations_sync "
            "= 2");
    execute("ALTER TABLE told DELETE WHERE user_id = 'ann' SETTINGS mutations_sync = 2");
    assert_ok(persons_rebuild(persons, &err));
    assert_persons("bob=phone");
}

/* Twice the same rows, whatever way they came about. */
static void a_rebuild_gives_the_same_rows(void **state)
{
    (void)state;
    char sums[3][200];
    prng_seed(&rng, seed + 1);
    cfg.batch_offsets_max = 50;
    restart();
    person_history_make(&history, &rng, 1);
    for (uint32_t i = 0; i < 3; i++) {
        char path[OS_PATH_MAX];
        struct buf sum;
        buf_init(&sum, 199);
        if (i == 0)
            insert_batch(history.events, history.count);
        else
            assert_ok(os_unlink_durable(os_path(path, "%s/state", dir), &err));
        if (i == 2)
            cfg.batch_offsets_max = 0;
        restart();
        catch_up(i == 1);
        query("SELECT count(), groupBitXor(cityHash64(project_id, hash, person)) FROM identities "
              "FINAL WHERE " GENERATION,
              "TabSeparated", &sum);
        snprintf(sums[i], sizeof(sums[i]), "%s", buf_cstr(&sum));
        buf_done(&sum);
    }
    assert_string_equal(sums[1], sums[0]);
    assert_string_equal(sums[2], sums[0]);
    compare();
}

/* The child is gone before each statement in turn: persons_work is empty. */
static void a_store_that_began_anew_within_a_step_does_not_lose_it(void **state)
{
    (void)state;
    char time[40];
    tell("2026-02-02T10:00:00Z", "identify ann phone -");
    tell("2026-02-02T10:00:00Z", "identify bob laptop -");
    tell("2026-02-02T10:00:00Z", "identify carl - -");
    tell("2026-02-02T11:00:00Z", "alias ann - bob");
    tell("2026-02-02T11:00:00Z", "alias bob - carl"); /* only bob ties it to the others */
    catch_up(false);
    enum rc rc = RC_AGAIN;
    for (uint32_t at = 2; at < 40 && rc == RC_AGAIN; at++) {
        snprintf(time, sizeof(time), "2026-02-01T10:00:%02uZ", 59 - at);
        tell(time, "- ann phone -"); /* the claim is earlier than was known */
        engine_store.fail_at = engine_store.calls + at;
        engine_store.truncate_work = "TRUNCATE TABLE persons_work";
        err = ERR_INIT;
        rc = persons_step(persons, &err);
        assert_true(rc == RC_AGAIN || engine_store.fail_at > engine_store.calls || at < 6);
        engine_store.fail_at = 0;
        engine_store.truncate_work = NULL;
        assert_persons("ann=bob=carl=laptop=phone");
        if (at < 6)
            rc = RC_AGAIN; /* nothing was in it yet */
    }
    assert_int_equal(rc, RC_OK);
}

static void a_damaged_state_is_made_anew(void **state)
{
    (void)state;
    char path[OS_PATH_MAX];
    struct buf text;
    struct persons_state loaded;
    tell("2026-02-01T10:00:00Z", "identify ann browser -");
    catch_up(false);
    os_path(path, "%s/state", dir);
    buf_init(&text, 1 << 20);
    assert_ok(os_read_file(path, &text, &err));
    assert_ok(derived_state_load(&persons_state_format, dir, &loaded, &err));
    assert_int_equal(loaded.next[0], 1);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 2;
        assert_ok(os_write_file_durable(path, buf_slice(&text), &err));
        assert_int_equal(derived_state_load(&persons_state_format, dir, &loaded, &err), RC_CORRUPT);
        text.data[i] ^= 2;
    }
    assert_ok(os_write_file_durable(path, slice_of(text.data, text.len - 1), &err));
    buf_done(&text);
    restart();
    tell("2026-02-01T11:00:00Z", "identify ann phone -");
    assert_persons("ann=browser=phone");
    assert_generations("2");
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_shared_browser_does_not_make_two_users_one, setup),
        cmocka_unit_test_setup(what_comes_in_late_counts_from_its_own_time, setup),
        cmocka_unit_test_setup(an_alias_before_anything_else_is_a_claim, setup),
        cmocka_unit_test_setup(who_is_claimed_and_claims_at_once_is_between_both, setup),
        cmocka_unit_test_setup(a_further_browser_does_not_touch_the_others, setup),
        cmocka_unit_test_setup(nothing_new_is_not_looked_at, setup),
        cmocka_unit_test_setup(another_table_of_events_gives_other_persons, setup),
        cmocka_unit_test_setup(what_was_taken_out_is_gone_after_a_rebuild, setup),
        cmocka_unit_test_setup(a_person_goes_with_its_last_event_and_is_whole_until_then, setup),
        cmocka_unit_test_setup(what_was_taken_from_facts_and_events_is_not_taken_over, setup),
        cmocka_unit_test_setup(a_rebuild_gives_the_same_rows, setup),
        cmocka_unit_test_setup(a_store_that_began_anew_within_a_step_does_not_lose_it, setup),
        cmocka_unit_test_setup(a_damaged_state_is_made_anew, setup),
        cmocka_unit_test_setup(random_histories_are_what_the_model_says, setup),
        cmocka_unit_test_setup(who_is_too_old_is_forgotten_and_others_stay_whole, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    persons_free(persons);
    return failed;
}

int main(void)
{
    seed = env_number("WEIR_TEST_SEED", random_u64() % 1000000);
    rounds = env_number("WEIR_SEEDS", 5);
    printf("# seed %llu\n", (unsigned long long)seed);
    return engine_store_main("persons", root, &client, run_all);
}
