/* WHAT  The tables of the store: which rows are the user's, and their deletion.
 * WHY   A lightweight DELETE only hides rows; ALTER TABLE … DELETE writes the parts that hold them
 *       anew, and this waits until the old parts are gone from the disk as well. On a server of
 *       the user's own they would stay for minutes: while an erasure is at a table it has
 *       old_parts_lifetime = 1, and syncs what mutations and merges write (the embedded engine
 *       always does: engine_config.c), so that no power loss finds neither part.
 * HOW   Ids travel as hashes that the engine computes of its columns, printed by us; nothing of a
 *       user is in a statement.
 * ORDER sessions and further tables first: which visitors they mean follows from events that are
 *       still there. Repeating any of it finds less to do.
 * THREADS the worker's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analytics/erase/erase_int.h"
#include "base/must.h"

enum {
    SQL_BYTES_MAX = 4 << 20,
    ANSWER_BYTES_MAX = 4 << 20,
    ROUNDS_MAX = 10, /* of following links */
    LOOK_EVERY_MS = 100,
    MUTATION_MS_MAX = 3600 * 1000,
    OLD_PARTS_MS_MAX = 120 * 1000, /* a query that runs keeps its parts */
};

#define EVENTS_WHERE \
    "$USER(user_id) OR $ANONYMOUS(anonymous_id) OR $DEVICE(device) OR $ANY(previous_id)"
static const struct erase_table events_tables[] = {
    {.name = "events", .where = EVENTS_WHERE},
    {.name = "events_shadow", .where = EVENTS_WHERE},
    {.name = "events_before", .where = EVENTS_WHERE}};
static const struct erase_table sessions_table = {
    .name = "sessions", .where = "$USER(user_id) OR visitor IN ($VISITORS)"};

/* ---- statements ---- */

static void expand(const struct erase_tables *t, const char *where, struct buf *sql);

static void add_before(const struct erase_job *job, struct buf *sql)
{
    buf_add_char(sql, '(');
    for (uint32_t i = 0; i < job->partitions; i++)
        buf_addf(sql, "%s(stream_partition = %u AND stream_offset < %" PRIu64 ")", i ? " OR " : "",
                 (unsigned)i, job->before[i]);
    buf_add_str(sql, job->partitions ? ")" : "0)");
}

/* Whether a row of events goes. */
static void add_events_match(const struct erase_tables *t, struct buf *sql)
{
    buf_add_char(sql, '(');
    add_before(t->job, sql);
    buf_add_str(sql, " AND (");
    expand(t, EVENTS_WHERE, sql);
    buf_add_str(sql, "))");
}

static void add_visitors(const struct erase_tables *t, struct buf *sql)
{
    buf_addf(sql, "SELECT visitor FROM events WHERE project_id = '%s' AND visitor != 0 AND ",
             t->job->project);
    add_events_match(t, sql);
}

static void add_is_one(const struct erase_tables *t, struct slice name, const char *column,
                       struct buf *sql)
{
    const struct erase_set *set = &t->job->set;
    char device[256];
    buf_add_char(sql, '(');
    bool is_text = slice_eq_str(name, "TEXT"), is_any = is_text || slice_eq_str(name, "ANY");
    if (is_any || slice_eq_str(name, "USER"))
        erase_set_sql(set, ERASE_USER, column, sql);
    if (is_any)
        buf_add_str(sql, " OR ");
    if (is_any || slice_eq_str(name, "ANONYMOUS"))
        erase_set_sql(set, ERASE_ANONYMOUS, column, sql);
    if (is_text) {
        buf_add_str(sql, " OR ");
        erase_set_sql(set, ERASE_DEVICE, column, sql);
    }
    if (slice_eq_str(name, "DEVICE")) {
        snprintf(device, sizeof(device), "if(%s = 0, '', leftPad(lower(hex(%s)), 16, '0'))", column,
                 column);
        erase_set_sql(set, ERASE_DEVICE, device, sql);
    }
    buf_add_char(sql, ')');
}

static void expand(const struct erase_tables *t, const char *where, struct buf *sql)
{
    for (const char *p = where; *p;) {
        size_t n = strcspn(p, "$");
        char column[64];
        buf_add(sql, p, n);
        p += n;
        if (!*p)
            break;
        size_t name_len = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        struct slice name = slice_of(p + 1, name_len);
        p += 1 + name_len;
        if (slice_eq_str(name, "VISITORS")) {
            add_visitors(t, sql);
            continue;
        }
        if (slice_eq_str(name, "PROJECT")) {
            buf_addf(sql, "'%s'", t->job->project);
            continue;
        }
        size_t len = *p == '(' ? strcspn(p, ")") : 0;
        must(len > 1 && len - 1 < sizeof(column)); /* a statement of our own */
        snprintf(column, sizeof(column), "%.*s", (int)len - 1, p + 1);
        add_is_one(t, name, column, sql);
        p += len + 1;
    }
}

static enum rc ask(struct erase_tables *t, struct buf *sql, struct buf *out, struct err *err)
{
    static const struct store_setting settings[] = {
        {"max_query_size", "8388608"},
        {"mutations_sync", "0"},
        {"output_format_json_quote_64bit_integers", "0"},
    };
    if (t->gives_up(t->ctx))
        return err_set(err, RC_CLOSED, "stopped");
    if (!buf_ok(sql))
        return err_set(err, RC_NOMEM, "no memory for a statement");
    const struct store_query q = {.sql = buf_cstr(sql),
                                  .format = out ? "TabSeparatedRaw" : NULL,
                                  .settings = settings,
                                  .setting_count = COUNT_OF(settings)};
    return store_query(NULL, t->client, &q, out, NULL, NULL, err);
}

static enum rc ask_u64(struct erase_tables *t, struct buf *sql, uint64_t *ret, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 4096);
    TRY(ask(t, sql, &out, err));
    struct slice text = buf_slice(&out);
    if (!slice_to_u64(slice_cut(&text, '\n'), ret))
        return err_set(err, RC_STORE, "the store did not answer with a number");
    return RC_OK;
}

static enum rc has_table(struct erase_tables *t, const char *name, bool *ret_has, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    uint64_t n = 0;
    buf_init(&sql, 4096);
    buf_addf(&sql,
             "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = '%s'",
             name);
    TRY(ask_u64(t, &sql, &n, err));
    *ret_has = n > 0;
    return RC_OK;
}

/* ---- linked ids ---- */

static enum rc add_lines(struct erase_tables *t, struct slice lines, const enum erase_kind *kinds,
                         uint32_t kind_count, bool *ret_grew, struct err *err)
{
    while (lines.len) {
        struct slice id = slice_cut(&lines, '\n');
        for (uint32_t i = 0; i < kind_count && id.len; i++) {
            struct erase_hash hash;
            bool is_new = false;
            erase_hash_of(t->job->set.salt, kinds[i], id, &hash);
            TRY(erase_set_add(&t->job->set, &hash, &is_new, err));
            *ret_grew |= is_new;
        }
    }
    return RC_OK;
}

struct link { /* a column of ids, one a line */
    const char *select;
    const char *behind;
    enum erase_kind kinds[2];
    uint32_t kind_count;
};
/* An anonymous id that several users were identified from is a machine of theirs all, and goes with
 * none of them. Texts with a line end in them are no ids that anybody uses; they do not match. */
static const struct link links[] = {
    {"anonymous_id",
     "kind = 'identify' AND anonymous_id != '' AND user_id != '' GROUP BY anonymous_id "
     "HAVING countIf($USER(user_id)) = count()",
     {ERASE_ANONYMOUS},
     1},
    {"any(user_id)",
     "kind = 'identify' AND user_id != '' AND $ANONYMOUS(anonymous_id) GROUP BY anonymous_id "
     "HAVING uniqExact(user_id) = 1",
     {ERASE_USER},
     1},
    {"DISTINCT previous_id",
     "kind = 'alias' AND previous_id != '' AND $USER(user_id)",
     {ERASE_USER, ERASE_ANONYMOUS},
     2},
    {"DISTINCT user_id", "kind = 'alias' AND user_id != '' AND $ANY(previous_id)", {ERASE_USER}, 1},
};

static enum rc follow(struct erase_tables *t, const struct link *link, bool *ret_grew,
                      struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf out;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_init(&out, ANSWER_BYTES_MAX);
    buf_addf(&sql, "SELECT %s FROM events WHERE project_id = '%s' AND ", link->select,
             t->job->project);
    expand(t, link->behind, &sql);
    TRY(ask(t, &sql, &out, err));
    return add_lines(t, buf_slice(&out), link->kinds, link->kind_count, ret_grew, err);
}

enum rc erase_tables_widen(struct erase_tables *t, struct err *err)
{
    bool grew = true;
    for (int round = 0; grew && round < ROUNDS_MAX; round++) {
        grew = false;
        for (size_t i = 0; i < COUNT_OF(links); i++)
            TRY(follow(t, &links[i], &grew, err));
    }
    return RC_OK;
}

/* ---- one table ---- */

static bool is_of_events(const struct erase_table *table)
{
    return table >= events_tables && table < events_tables + COUNT_OF(events_tables);
}

static void add_where(const struct erase_tables *t, const struct erase_table *table,
                      bool has_nobodys, struct buf *sql)
{
    buf_addf(sql, " WHERE project_id IN ('%s'%s) AND ", t->job->project,
             has_nobodys ? ", '00000000-0000-0000-0000-000000000000'" : "");
    if (is_of_events(table)) {
        add_events_match(t, sql);
    } else {
        buf_add_char(sql, '(');
        expand(t, table->where, sql);
        buf_add_char(sql, ')');
    }
}

static enum rc count_rows(struct erase_tables *t, const struct erase_table *table, bool has_nobodys,
                          uint64_t *ret_rows, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_addf(&sql, "SELECT count() FROM %s", table->name);
    add_where(t, table, has_nobodys, &sql);
    return ask_u64(t, &sql, ret_rows, err);
}

static enum rc alter(struct erase_tables *t, const char *name, const char *what, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, 4096);
    buf_addf(&sql, "ALTER TABLE %s %s", name, what);
    return ask(t, &sql, NULL, err);
}

/* Until the number is 0; before each look, poke (may be NULL) is done to the table. */
static enum rc wait_for_none(struct erase_tables *t, const char *name, const char *select,
                             const char *poke, int64_t ms_max, const char *complaint,
                             struct err *err)
{
    mono_ns deadline = mono_add_ms(mono_now(), ms_max);
    for (;;) {
        CLEANUP(buf_done) struct buf sql;
        uint64_t left = 0;
        buf_init(&sql, 4096);
        if (poke)
            TRY(alter(t, name, poke, err));
        buf_addf(&sql, "%s AND database = currentDatabase() AND table = '%s'", select, name);
        TRY(ask_u64(t, &sql, &left, err));
        if (left == 0)
            return RC_OK;
        if (!mono_is_before(mono_now(), deadline))
            return err_set(err, RC_TIMEOUT, "table %s: %s", name, complaint);
        sleep_ms(LOOK_EVERY_MS);
    }
}

static enum rc wait_for_mutations(struct erase_tables *t, const char *name, struct err *err)
{
    return wait_for_none(t, name, "SELECT count() FROM system.mutations WHERE NOT is_done", NULL,
                         MUTATION_MS_MAX, "its rows are not deleted yet", err);
}

/* Of the parts that are no more, those from before the last mutation; under load there are always
 * some from behind it. An idle engine looks after them late; dropping a partition, also one that
 * does not exist, makes it look at once. */
static enum rc wait_for_old_parts(struct erase_tables *t, const char *name, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    char select[128];
    uint64_t version = 0;
    buf_init(&sql, 4096);
    buf_addf(&sql,
             "SELECT toUInt64(max(arrayMax(block_numbers.number))) FROM system.mutations WHERE "
             "database = currentDatabase() AND table = '%s'",
             name);
    TRY(ask_u64(t, &sql, &version, err));
    snprintf(select, sizeof(select),
             "SELECT count() FROM system.parts WHERE NOT active AND data_version < %" PRIu64,
             version);
    return wait_for_none(t, name, select, "DROP PARTITION ID 'none'", OLD_PARTS_MS_MAX,
                         "parts with deleted rows are still read by somebody", err);
}

static enum rc delete_rows(struct erase_tables *t, const struct erase_table *table, struct err *err)
{
    const char *name = table->name;
    CLEANUP(buf_done) struct buf sql;
    uint64_t rows = 0;
    buf_init(&sql, SQL_BYTES_MAX);
    TRY(count_rows(t, table, table->has_nobodys, &rows, err));
    TRY(alter(t, name, "MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1",
              err));
    if (rows) {
        buf_addf(&sql, "ALTER TABLE %s DELETE", name);
        add_where(t, table, table->has_nobodys, &sql);
        TRY(ask(t, &sql, NULL, err));
    }
    TRY(wait_for_mutations(t, name, err));
    TRY(wait_for_old_parts(t, name, err));
    TRY(count_rows(t, table, table->has_nobodys, &rows, err));
    if (rows)
        return err_set(err, RC_AGAIN, "table %s: %" PRIu64 " rows are there again", name, rows);
    return alter(t, name, "RESET SETTING old_parts_lifetime, min_rows_to_fsync_after_merge", err);
}

/* Without waiting for the files of before: they are those of a generation that goes. */
static enum rc delete_if_any(struct erase_tables *t, const struct erase_table *table,
                             struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    uint64_t rows = 0;
    buf_init(&sql, SQL_BYTES_MAX);
    TRY(count_rows(t, table, false, &rows, err));
    if (rows == 0)
        return RC_OK;
    buf_addf(&sql, "ALTER TABLE %s DELETE", table->name);
    add_where(t, table, false, &sql);
    TRY(ask(t, &sql, NULL, err));
    return wait_for_mutations(t, table->name, err);
}

/* ---- persons: derived, made anew by others, counted and looked after here ---- */

static const char *const person_tables[] = {"person_ids",    "person_claims", "person_aliases",
                                            "person_traits", "person_groups", "group_ids",
                                            "group_traits",  "identities"};
static const struct erase_table person_ids = {.name = "person_ids", .where = "$ANY(id)"};
/* Where a project keeps only so many days, the next generation takes over what is older from the
 * one before, whose events are gone: so it must not stand there any more. Ids last, by which the
 * others are found. */
#define ERASED_IDS "(SELECT hash FROM person_ids WHERE project_id = $PROJECT AND $ANY(id))"
static const struct erase_table person_rows[] = {
    {.name = "person_claims", .where = "id IN " ERASED_IDS " OR owner IN " ERASED_IDS},
    {.name = "person_aliases", .where = "previous IN " ERASED_IDS " OR id IN " ERASED_IDS},
    {.name = "person_traits", .where = "id IN " ERASED_IDS},
    {.name = "person_groups", .where = "id IN " ERASED_IDS},
    {.name = "person_ids", .where = "$ANY(id)"},
};

static enum rc wait_for_old_generations(struct erase_tables *t, const struct erase_table *table,
                                        struct err *err)
{
    return wait_for_none(t, table->name,
                         "SELECT count() FROM system.parts WHERE NOT active AND "
                         "toUInt32OrZero(partition_id) < (SELECT max(generation) FROM "
                         "person_generations)",
                         "DROP PARTITION ID 'none'", OLD_PARTS_MS_MAX,
                         "parts of persons who are no more are still read by somebody", err);
}

/* ---- all of them ---- */

typedef enum rc table_fn(struct erase_tables *t, const struct erase_table *table, struct err *err);

static enum rc if_there(struct erase_tables *t, const struct erase_table *table, table_fn *fn,
                        struct err *err)
{
    bool has = false;
    TRY(has_table(t, table->name, &has, err));
    return has ? fn(t, table, err) : RC_OK;
}

static enum rc each_table(struct erase_tables *t, table_fn *fn, struct err *err)
{
    TRY(if_there(t, &sessions_table, fn, err));
    for (uint32_t i = 0; i < t->cfg->table_count; i++)
        TRY(if_there(t, &t->cfg->tables[i], fn, err));
    for (size_t i = COUNT_OF(events_tables); i-- > 0;) /* `events` last: others ask it */
        TRY(if_there(t, &events_tables[i], fn, err));
    return RC_OK;
}

static enum rc report_table(struct erase_tables *t, const struct erase_table *table,
                            struct err *err)
{
    uint64_t rows = 0;
    TRY(count_rows(t, table, false, &rows, err));
    buf_addf(&t->job->places, "%s{\"place\":\"table %s\",\"rows\":%" PRIu64 "}",
             t->job->places.len ? "," : "", table->name, rows);
    return RC_OK;
}

/* Visitors that keep some of their events: their sessions have to be made of the rest. */
static enum rc find_mixed(struct erase_tables *t, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    uint64_t visitors = 0;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_addf(&sql,
             "SELECT count() FROM (SELECT visitor FROM events WHERE project_id = '%s' AND visitor "
             "IN (",
             t->job->project);
    add_visitors(t, &sql);
    buf_add_str(&sql, ") GROUP BY visitor HAVING countIf(NOT ");
    add_events_match(t, &sql);
    buf_add_str(&sql, ") > 0)");
    TRY(ask_u64(t, &sql, &visitors, err));
    t->job->needs_sweep = visitors > 0;
    return RC_OK;
}

enum rc erase_tables_count(struct erase_tables *t, struct err *err)
{
    size_t before = t->job->places.len;
    enum rc rc = each_table(t, report_table, err);
    if (rc == RC_OK)
        rc = if_there(t, &person_ids, report_table, err);
    if (rc == RC_OK)
        rc = find_mixed(t, err);
    if (rc != RC_OK)
        t->job->places.len = before;
    return rc;
}

enum rc erase_tables_run(struct erase_tables *t, struct err *err)
{
    return each_table(t, delete_rows, err);
}

enum rc erase_tables_begin_persons(struct erase_tables *t, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(person_rows); i++)
        TRY(if_there(t, &person_rows[i], delete_if_any, err));
    return RC_OK;
}

enum rc erase_tables_end_persons(struct erase_tables *t, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(person_tables); i++) {
        const struct erase_table table = {.name = person_tables[i]};
        TRY(if_there(t, &table, wait_for_old_generations, err));
    }
    return RC_OK;
}
