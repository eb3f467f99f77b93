/* WHAT        What persons do when: which offsets are next, the statements of a step in order, the
 *             checkpoint behind them, and generations.
 * WHY         What is new about who is who is compared with the facts before these are written:
 *             what a step has not finished is new to the next try as well. So identities come
 *             first, then the facts they follow from, then the checkpoint, and repeating a step is
 *             harmless wherever it was interrupted.
 *             Facts cannot be taken back, only made anew: that is what generations are for. But for
 *             those of whole persons that are forgotten, which nothing else is made of.
 * LAYOUT      a step: probe → mark and links → what is new of them → whom it is about → is the mark
 *             still there? → identities → facts → and now? → state.
 * INVARIANTS  Versions grow, also across restarts. persons_work is empty after a restart of the
 *             store's child: the mark tells.
 * THREADS     one. */
#include "analytics/person/persons_int.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/os.h"

enum {
    SQL_BYTES_MAX = 128 << 10,
    ANSWER_BYTES_MAX = 1 << 30,
    STORE_TIMEOUT_MS = 120000,
    BATCH_OFFSETS = 200000,
    BUILDING_TIMES = 5, /* so much more in a step while nothing else is waiting for it */
    NUMBERS_MAX = 8,
    OLD_IDS = 100000,
    OLD_MORE_MS = 2 * 24 * 3600 * 1000,
};

struct persons {
    struct persons_cfg cfg;
    char dir[OS_PATH_MAX];
    struct store_client *client;
    struct buf sql, answer;
    struct persons_state state;
    bool is_loaded;  /* state and version */
    bool is_settled; /* no statement of an earlier try works any more */
    bool must_look;
    _Atomic bool must_rebuild, must_retain, gives_up;
    struct persons_rule *rules; /* PERSONS_RULES_MAX */
    uint64_t version;
    struct persons_counts counts;
};

enum rc persons_new(const struct persons_cfg *cfg, struct persons **ret, struct err *err)
{
    must(cfg->projected && cfg->partitions <= STREAM_PARTITIONS_MAX);
    CLEANUP(heap_freep) struct persons *p = heap_alloc(HEAP_ANALYTICS, sizeof(*p));
    p->cfg = *cfg;
    os_path(p->dir, "%s", cfg->dir);
    if (p->cfg.batch_offsets_max == 0)
        p->cfg.batch_offsets_max = BATCH_OFFSETS;
    if (p->cfg.old_ids_max == 0)
        p->cfg.old_ids_max = OLD_IDS;
    if (p->cfg.store.timeout_ms == 0)
        p->cfg.store.timeout_ms = STORE_TIMEOUT_MS;
    buf_init(&p->sql, SQL_BYTES_MAX);
    buf_init(&p->answer, ANSWER_BYTES_MAX);
    p->must_look = true;
    p->rules = heap_alloc(HEAP_ANALYTICS, PERSONS_RULES_MAX * sizeof(*p->rules));
    TRY(os_mkdirs(cfg->dir, err));
    TRY(store_client_new(&p->cfg.store, &p->client, err));
    *ret = take_ptr(&p);
    return RC_OK;
}

void persons_free(struct persons *p)
{
    if (!p)
        return;
    store_client_free(p->client);
    buf_done(&p->sql);
    buf_done(&p->answer);
    heap_free(p->rules);
    heap_free(p);
}

void persons_look(struct persons *p)
{
    p->must_look = true;
}

enum rc persons_rebuild(struct persons *p, struct err *err)
{
    char path[OS_PATH_MAX];
    TRY(os_write_file_durable(os_path(path, "%s/rebuild", p->dir), SLICE_EMPTY, err));
    atomic_store(&p->must_rebuild, true);
    return RC_OK;
}

void persons_retain(struct persons *p)
{
    atomic_store(&p->must_retain, true);
}

void persons_give_up(struct persons *p)
{
    atomic_store(&p->gives_up, true);
}

void persons_counts(const struct persons *p, struct persons_counts *ret)
{
    *ret = p->counts;
}

/* ---- statements ---- */

static enum rc ask(struct persons *p, struct buf *ret_answer, struct err *err)
{
    static const struct store_setting settings[] = {
        {"insert_deduplicate", "0"}, /* the same facts again, of another generation */
        {"join_use_nulls", "0"},
        {"mutations_sync", "1"},
        {"allow_simdjson", "0"}, /* it gives an object up for one number of more than 64 bits */
    };
    ENSURE(!atomic_load(&p->gives_up), err_set(err, RC_CLOSED, "the server is shutting down"));
    ENSURE(buf_ok(&p->sql), err_set(err, RC_NOMEM, "no memory for a statement"));
    const struct store_query q = {.sql = buf_cstr(&p->sql),
                                  .format = ret_answer ? "TabSeparated" : NULL,
                                  .settings = settings,
                                  .setting_count = COUNT_OF(settings)};
    if (ret_answer)
        buf_clear(ret_answer);
    return store_query(NULL, p->client, &q, ret_answer, NULL, NULL, err);
}

static struct buf *begin(struct persons *p)
{
    buf_clear(&p->sql);
    return &p->sql;
}

static enum rc run(struct persons *p, struct err *err)
{
    return ask(p, NULL, err);
}

/* One row of count numbers. */
static enum rc ask_numbers(struct persons *p, uint32_t count, int64_t ret[NUMBERS_MAX],
                           struct err *err)
{
    TRY(ask(p, &p->answer, err));
    struct slice text = buf_slice(&p->answer), row = slice_cut(&text, '\n');
    for (uint32_t i = 0; i < count; i++)
        if (!slice_to_i64(slice_cut(&row, '\t'), &ret[i]))
            return err_set(err, RC_STORE, "the store did not answer with %u numbers",
                           (unsigned)count);
    return RC_OK;
}

/* ---- the beginning ---- */

static enum rc settle(struct persons *p, struct err *err)
{
    int64_t running[NUMBERS_MAX];
    if (p->is_settled)
        return RC_OK;
    buf_add_str(begin(p), "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO "
                          "identities%' OR query LIKE 'INSERT INTO person%'");
    TRY(ask_numbers(p, 1, running, err));
    ENSURE(running[0] == 0,
           err_set(err, RC_AGAIN, "a statement of an earlier try still works on the persons"));
    p->is_settled = true;
    return RC_OK;
}

static void newer_version(struct persons *p)
{
    int64_t now_ms = unix_now().ms;
    uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;
    p->version = p->version + 1 > now ? p->version + 1 : now;
}

static enum rc load(struct persons *p, struct err *err)
{
    int64_t newest[NUMBERS_MAX];
    if (p->is_loaded)
        return RC_OK;
    buf_add_str(begin(p), "SELECT toInt64(max(version)) FROM identities");
    TRY(ask_numbers(p, 1, newest, err));
    p->version = newest[0] > 0 ? (uint64_t)newest[0] : 0;
    enum rc rc = derived_state_load(&persons_state_format, p->dir, &p->state, err);
    if (rc == RC_CORRUPT)
        log_warn("persons are made anew from all events", LOG_ERR(err));
    if (rc == RC_NOTFOUND || rc == RC_CORRUPT)
        p->state = (struct persons_state){.generation = 0};
    else
        TRY(rc);
    char path[OS_PATH_MAX];
    if (os_exists(os_path(path, "%s/rebuild", p->dir)))
        atomic_store(&p->must_rebuild, true);
    p->is_loaded = true;
    return RC_OK;
}

/* ---- generations ---- */

/* All but the one that is read. */
static enum rc drop_generations(struct persons *p, int64_t but, struct err *err)
{
    buf_addf(begin(p),
             "SELECT DISTINCT table, partition FROM system.parts WHERE active AND database = "
             "currentDatabase() AND table IN (");
    for (const char *const *table = persons_tables; *table; table++)
        buf_addf(&p->sql, "%s'%s'", table == persons_tables ? "" : ", ", *table);
    buf_addf(&p->sql, ") AND partition != '%" PRId64 "' ORDER BY table, partition", but);
    CLEANUP(buf_done) struct buf list;
    buf_init(&list, ANSWER_BYTES_MAX);
    TRY(ask(p, &list, err));
    struct slice rest = buf_slice(&list);
    while (rest.len) {
        struct slice partition = slice_cut(&rest, '\n'), table = slice_cut(&partition, '\t');
        buf_addf(begin(p), "ALTER TABLE %.*s DROP PARTITION %.*s", SLICE_ARG(table),
                 SLICE_ARG(partition));
        TRY(run(p, err));
    }
    return RC_OK;
}

/* Where the rows of each partition begin. */
static enum rc first_offsets(struct persons *p, struct persons_state *fresh, struct err *err)
{
    buf_add_str(begin(p), "SELECT stream_partition, min(stream_offset) FROM events GROUP BY "
                          "stream_partition");
    TRY(ask(p, &p->answer, err));
    for (uint32_t i = 0; i < fresh->partition_count; i++)
        fresh->next[i] = p->cfg.projected(p->cfg.ctx, i);
    struct slice rest = buf_slice(&p->answer);
    while (rest.len) {
        struct slice offset = slice_cut(&rest, '\n'), partition = slice_cut(&offset, '\t');
        uint64_t at = 0, number = 0;
        ENSURE(slice_to_u64(partition, &at) && slice_to_u64(offset, &number),
               err_set(err, RC_STORE, "the store did not answer with offsets"));
        if (at < fresh->partition_count && number < fresh->next[at])
            fresh->next[at] = number;
    }
    return RC_OK;
}

/* The one that came before the table was looked at; another one writes the file again. */
static enum rc forget_request(struct persons *p, struct err *err)
{
    char path[OS_PATH_MAX];
    return os_unlink_durable(os_path(path, "%s/rebuild", p->dir), err);
}

static uint32_t read_rules(struct persons *p)
{
    return p->cfg.rules ? p->cfg.rules(p->cfg.ctx, p->rules) : 0;
}

/* In how many parts what is too old is taken over from the generation that is read. */
static enum rc find_old(struct persons *p, uint32_t generation, struct persons_old *ret,
                        struct err *err)
{
    int64_t rows[NUMBERS_MAX];
    if (generation == 0 || read_rules(p) == 0)
        return RC_OK;
    *ret = (struct persons_old){.generation = generation, .parts = 1};
    buf_addf(begin(p), "SELECT toInt64(count()) FROM person_ids WHERE generation = %u",
             (unsigned)generation);
    TRY(ask_numbers(p, 1, rows, err));
    while (rows[0] / ret->parts > p->cfg.old_ids_max && ret->parts < 1U << 20)
        ret->parts *= 2;
    return RC_OK;
}

static enum rc begin_generation(struct persons *p, const char *table, struct err *err)
{
    int64_t live[NUMBERS_MAX];
    struct persons_state fresh = {.is_building = true, .partition_count = p->cfg.partitions};
    snprintf(fresh.table, sizeof(fresh.table), "%s", table);
    buf_add_str(begin(p), "SELECT toInt64(max(generation)) FROM person_generations");
    TRY(ask_numbers(p, 1, live, err));
    TRY(drop_generations(p, live[0], err));
    /* A number that no statement of before can still be writing under. */
    fresh.generation = (uint32_t)live[0] + 1;
    if (p->state.generation >= fresh.generation)
        fresh.generation = p->state.generation + 1;
    TRY(first_offsets(p, &fresh, err));
    TRY(find_old(p, (uint32_t)live[0], &fresh.old, err));
    TRY(derived_state_save(&persons_state_format, p->dir, &fresh, err));
    p->state = fresh;
    return forget_request(p, err);
}

/* What was built is read from now on. */
static enum rc end_generation(struct persons *p, struct err *err)
{
    struct persons_state done = p->state;
    buf_addf(begin(p), "INSERT INTO person_generations SELECT %u", (unsigned)done.generation);
    TRY(run(p, err));
    done.is_building = false;
    TRY(derived_state_save(&persons_state_format, p->dir, &done, err));
    p->state = done;
    p->counts.generations++;
    return drop_generations(p, done.generation, err);
}

static enum rc look(struct persons *p, struct err *err)
{
    char table[PERSONS_UUID_BYTES];
    buf_add_str(begin(p), "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND "
                          "name = 'events'");
    TRY(ask(p, &p->answer, err));
    struct slice text = buf_slice(&p->answer), uuid = slice_cut(&text, '\n');
    ENSURE(uuid.len && uuid.len < sizeof(table),
           err_set(err, RC_STORE, "the store has no table of events"));
    snprintf(table, sizeof(table), "%.*s", SLICE_ARG(uuid));
    bool is_same = strcmp(table, p->state.table) == 0 &&
                   p->state.partition_count == p->cfg.partitions && p->state.generation;
    if (!is_same || atomic_exchange(&p->must_rebuild, false)) {
        enum rc rc = begin_generation(p, table, err);
        if (rc != RC_OK) {
            atomic_store(&p->must_rebuild, true);
            return rc;
        }
    }
    p->must_look = false;
    return RC_OK;
}

/* ---- a step's statements ---- */

/* It is gone if the store began anew meanwhile, and then nothing of this step is to be believed. */
static enum rc check_mark(struct persons *p, struct err *err)
{
    int64_t marks[NUMBERS_MAX];
    buf_addf(begin(p), "SELECT count() FROM persons_work WHERE stage = 0 AND a = %" PRIu64,
             p->version);
    TRY(ask_numbers(p, 1, marks, err));
    return marks[0] == 1 ? RC_OK
                         : err_set(err, RC_AGAIN, "the store was started anew during a step");
}

static enum rc write_identities(struct persons *p, const struct persons_merge_in *in,
                                struct err *err)
{
    CLEANUP(buf_done) struct buf rows;
    buf_init(&rows, ANSWER_BYTES_MAX);
    TRY(persons_merge(in, p->state.generation, p->version, &rows, err));
    if (rows.len == 0)
        return RC_OK;
    return store_insert(p->client, "identities", PERSONS_IDENTITY_COLUMNS, "TabSeparated",
                        buf_slice(&rows), NULL, NULL, NULL, err);
}

static enum rc merge(struct persons *p, struct err *err)
{
    uint32_t g = p->state.generation;
    CLEANUP(buf_done) struct buf nodes;
    CLEANUP(buf_done) struct buf leaves;
    CLEANUP(buf_done) struct buf aliases;
    buf_init(&nodes, ANSWER_BYTES_MAX);
    buf_init(&leaves, ANSWER_BYTES_MAX);
    buf_init(&aliases, ANSWER_BYTES_MAX);
    persons_sql_nodes(begin(p), g);
    TRY(ask(p, &nodes, err));
    persons_sql_leaf_rows(begin(p), g);
    TRY(ask(p, &leaves, err));
    persons_sql_alias_rows(begin(p), g);
    TRY(ask(p, &aliases, err));
    TRY(check_mark(p, err)); /* else a part of what was read would be taken for the whole */
    const struct persons_merge_in in = {buf_slice(&nodes), buf_slice(&leaves), buf_slice(&aliases)};
    return write_identities(p, &in, err);
}

static enum rc find_members(struct persons *p, struct err *err)
{
    uint32_t g = p->state.generation;
    persons_sql_leaves(begin(p), g);
    TRY(run(p, err));
    persons_sql_core(begin(p));
    TRY(run(p, err));
    persons_sql_partners(begin(p), g);
    TRY(run(p, err));
    persons_sql_members(begin(p), g);
    return run(p, err);
}

struct news {
    int64_t claims, known, aliases;
};

static enum rc empty_work(struct persons *p, struct err *err)
{
    newer_version(p);
    buf_add_str(begin(p), "TRUNCATE TABLE persons_work");
    return run(p, err);
}

/* What is new of the links in persons_work, and whose ids are then whose. */
static enum rc take_news(struct persons *p, struct news *ret_news, struct err *err)
{
    int64_t n[NUMBERS_MAX];
    persons_sql_news(begin(p), p->state.generation);
    TRY(run(p, err));
    buf_add_str(begin(p), "SELECT countIf(stage = 11), countIf(stage = 12), countIf(stage = 13) "
                          "FROM persons_work");
    TRY(ask_numbers(p, 3, n, err));
    *ret_news = (struct news){n[0], n[1], n[2]};
    if (n[0] + n[1] + n[2] == 0)
        return check_mark(p, err);
    TRY(find_members(p, err));
    TRY(merge(p, err));
    buf_add_str(begin(p), "SELECT countIf(stage = 6), countIf(stage = 7) FROM persons_work");
    TRY(ask_numbers(p, 2, n, err));
    p->counts.leaves += (uint64_t)n[0];
    p->counts.made_anew += (uint64_t)n[1];
    return RC_OK;
}

static enum rc take_links(struct persons *p, const struct derived_ranges *ranges,
                          struct news *ret_news, struct err *err)
{
    TRY(empty_work(p, err));
    persons_sql_links(begin(p), p->version, ranges);
    TRY(run(p, err));
    return take_news(p, ret_news, err);
}

static enum rc write_links(struct persons *p, const struct news *news, struct err *err)
{
    if (news->claims) {
        persons_sql_add_claims(begin(p), p->state.generation);
        TRY(run(p, err));
    }
    if (news->aliases) {
        persons_sql_add_aliases(begin(p), p->state.generation);
        TRY(run(p, err));
    }
    return RC_OK;
}

static enum rc write_facts(struct persons *p, const struct derived_ranges *ranges,
                           const int64_t *probe, const struct news *news, struct err *err)
{
    static const struct {
        enum persons_probe probe;
        void (*add)(struct buf *sql, uint32_t generation, const struct derived_ranges *ranges);
    } facts[] = {
        {PROBE_EVENTS, persons_sql_add_ids},
        {PROBE_TRAITS, persons_sql_add_traits},
        {PROBE_GROUPS, persons_sql_add_members},
        {PROBE_GROUPS, persons_sql_add_groups},
        {PROBE_GROUP_TRAITS, persons_sql_add_group_traits},
    };
    TRY(write_links(p, news, err));
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        if (probe[facts[i].probe] == 0)
            continue;
        facts[i].add(begin(p), p->state.generation, ranges);
        TRY(run(p, err));
    }
    return RC_OK;
}

static enum rc take_new(struct persons *p, const struct derived_ranges *ranges, struct err *err)
{
    int64_t probe[NUMBERS_MAX];
    struct news news = {0};
    persons_sql_probe(begin(p), ranges);
    TRY(ask_numbers(p, PROBE_COUNT, probe, err));
    if (probe[PROBE_LINKS])
        TRY(take_links(p, ranges, &news, err));
    TRY(write_facts(p, ranges, probe, &news, err));
    return probe[PROBE_LINKS] ? check_mark(p, err) : RC_OK;
}

/* ---- what is too old ---- */

static enum rc add_cuts(struct persons *p, int64_t more_ms, struct err *err)
{
    uint32_t count = read_rules(p);
    for (uint32_t i = 0; i < count; i++)
        p->rules[i].before_ms += more_ms;
    TRY(empty_work(p, err));
    persons_sql_cuts(begin(p), p->version, p->rules, count);
    return run(p, err);
}

static enum rc count_stage(struct persons *p, int stage, int64_t *ret, struct err *err)
{
    int64_t rows[NUMBERS_MAX];
    buf_addf(begin(p), "SELECT toInt64(count()) FROM persons_work WHERE stage = %d", stage);
    TRY(ask_numbers(p, 1, rows, err));
    *ret = rows[0];
    return RC_OK;
}

static enum rc delete_rows(struct persons *p, const struct persons_forget *tables, struct err *err)
{
    for (; tables->table; tables++) {
        buf_addf(begin(p), "ALTER TABLE %s DELETE WHERE generation = %u AND (%s)", tables->table,
                 (unsigned)p->state.generation, tables->where);
        TRY(run(p, err));
    }
    return RC_OK;
}

/* Interrupted, it is done again: whose rows are gone in part is found again by its ids. */
static enum rc forget(struct persons *p, struct err *err)
{
    int64_t ids = 0, groups = 0;
    TRY(add_cuts(p, 0, err));
    persons_sql_forgotten(begin(p), p->state.generation);
    TRY(run(p, err));
    TRY(count_stage(p, 9, &ids, err));
    if (ids)
        TRY(delete_rows(p, persons_forget, err));
    persons_sql_forgotten_groups(begin(p), p->state.generation);
    TRY(run(p, err));
    TRY(count_stage(p, 10, &groups, err));
    if (groups)
        TRY(delete_rows(p, persons_forget_groups, err));
    TRY(check_mark(p, err));
    p->counts.forgotten += (uint64_t)ids;
    return RC_OK;
}

static enum rc forget_if_asked(struct persons *p, struct err *err)
{
    if (p->state.is_building || !atomic_exchange(&p->must_retain, false))
        return RC_OK;
    if (read_rules(p) == 0)
        return RC_OK;
    enum rc rc = forget(p, err);
    if (rc != RC_OK)
        atomic_store(&p->must_retain, true);
    return rc;
}

/* A part of what the generation before has and its events do not. A day or two more than is too old
 * now: the building may go on over midnight, and saying something twice changes nothing. */
static enum rc take_old(struct persons *p, struct err *err)
{
    static void (*const facts[])(struct buf * sql, uint32_t generation,
                                 const struct persons_old *old) = {
        persons_sql_old_ids, persons_sql_old_traits, persons_sql_old_members,
        persons_sql_old_groups, persons_sql_old_group_traits};
    struct persons_state done = p->state;
    struct news news = {0};
    TRY(add_cuts(p, OLD_MORE_MS, err));
    persons_sql_old_links(begin(p), &p->state.old);
    TRY(run(p, err));
    TRY(take_news(p, &news, err));
    TRY(write_links(p, &news, err));
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        facts[i](begin(p), p->state.generation, &p->state.old);
        TRY(run(p, err));
    }
    TRY(check_mark(p, err));
    if (++done.old.part == done.old.parts)
        done.old = (struct persons_old){.generation = 0};
    TRY(derived_state_save(&persons_state_format, p->dir, &done, err));
    p->state = done;
    return RC_OK;
}

/* ---- the step ---- */

static bool choose_ranges(const struct persons *p, struct derived_ranges *ret,
                          uint64_t *ret_offsets)
{
    uint64_t projected[STREAM_PARTITIONS_MAX];
    uint64_t max = (uint64_t)p->cfg.batch_offsets_max * (p->state.is_building ? BUILDING_TIMES : 1);
    uint32_t behind = 0;
    *ret = (struct derived_ranges){.count = p->state.partition_count};
    for (uint32_t i = 0; i < ret->count; i++) {
        projected[i] = p->cfg.projected(p->cfg.ctx, i);
        behind += projected[i] > p->state.next[i];
    }
    uint64_t share = behind ? max / behind + 1 : 0;
    *ret_offsets = 0;
    for (uint32_t i = 0; i < ret->count; i++) {
        uint64_t from = p->state.next[i], to = projected[i] > from ? projected[i] : from;
        ret->from[i] = from;
        ret->to[i] = to - from > share ? from + share : to;
        *ret_offsets += ret->to[i] - from;
    }
    return behind > 0;
}

static enum rc step_new(struct persons *p, struct err *err)
{
    struct derived_ranges ranges;
    struct persons_state done = p->state;
    uint64_t offsets;
    if (p->state.old.generation)
        return take_old(p, err);
    if (!choose_ranges(p, &ranges, &offsets))
        return p->state.is_building ? end_generation(p, err) : RC_END;
    TRY(take_new(p, &ranges, err));
    memcpy(done.next, ranges.to, sizeof(done.next));
    TRY(derived_state_save(&persons_state_format, p->dir, &done, err));
    p->state = done;
    p->counts.steps++;
    p->counts.offsets += offsets;
    return RC_OK;
}

static enum rc step(struct persons *p, struct err *err)
{
    struct derived_ranges ranges;
    uint64_t offsets;
    bool must_look = p->must_look || atomic_load(&p->must_rebuild) || atomic_load(&p->must_retain);
    if (p->is_loaded && !must_look && !p->state.is_building && !choose_ranges(p, &ranges, &offsets))
        return RC_END;
    TRY(settle(p, err));
    TRY(load(p, err));
    TRY(look(p, err));
    TRY(forget_if_asked(p, err));
    return step_new(p, err);
}

enum rc persons_step(struct persons *p, struct err *err)
{
    enum rc rc = step(p, err);
    if (rc == RC_CORRUPT) {
        log_warn("persons are made anew from all events", LOG_ERR(err));
        atomic_store(&p->must_rebuild, true);
    }
    if (rc != RC_OK && rc != RC_END)
        p->is_settled = false;
    return rc;
}

uint64_t persons_lag(const struct persons *p, bool *ret_is_building)
{
    uint64_t lag = 0;
    *ret_is_building = !p->is_loaded || p->state.is_building || atomic_load(&p->must_rebuild);
    for (uint32_t i = 0; i < p->cfg.partitions; i++) {
        uint64_t projected = p->cfg.projected(p->cfg.ctx, i);
        if (projected > p->state.next[i])
            lag += projected - p->state.next[i];
    }
    return lag;
}
