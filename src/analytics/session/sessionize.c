/* WHAT        What sessionize does when: which offsets or days are next, the statements of a step
 *             in their order, the checkpoint behind them.
 * WHY         A step only ever writes what follows from the events and from rows that are true, so
 *             repeating one is harmless wherever it was interrupted, and no token is needed. What a
 *             changed table of events made untrue is put right by a sweep; while it is under way
 *             nothing is added to rows, because a row that is not true would spread.
 * LAYOUT      a step: mark and stretches → windows, of many visitors first the plain ones → write
 *             what grew, what is made anew → bury what is no more → is the mark still there? →
 *             state.
 * INVARIANTS  Versions grow, also across restarts. sessions_work is empty after a restart of the
 *             store's child: the mark tells.
 * THREADS     one. */
#include "analytics/session/sessionize_int.h"

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
    SQL_BYTES_MAX = 64 << 10,
    ANSWER_BYTES_MAX = 64 << 10,
    STORE_TIMEOUT_MS = 120000,
    IDLE_MS = 30 * 60 * 1000,
    BATCH_OFFSETS = 200000,
    SWEEP_ROWS = 400000,
    BULK_OFFSETS = 20000,
    SMALL_WINDOWS = 2000,
    NUMBERS_MAX = 16,
};

struct sessionizer {
    struct sessionize_cfg cfg;
    char dir[OS_PATH_MAX];
    struct store_client *client;
    struct buf sql, answer;
    struct sessionize_state state;
    bool is_loaded;  /* state and version */
    bool is_settled; /* no statement of an earlier try works any more */
    bool must_look;
    bool is_small; /* what the next statement works on */
    _Atomic bool gives_up;
    uint64_t version;
    struct sessionize_counts counts;
};

enum rc sessionizer_new(const struct sessionize_cfg *cfg, struct sessionizer **ret, struct err *err)
{
    must(cfg->projected && cfg->partitions <= STREAM_PARTITIONS_MAX);
    CLEANUP(heap_freep) struct sessionizer *s = heap_alloc(HEAP_ANALYTICS, sizeof(*s));
    s->cfg = *cfg;
    os_path(s->dir, "%s", cfg->dir);
    if (s->cfg.idle_ms == 0)
        s->cfg.idle_ms = IDLE_MS;
    if (s->cfg.batch_offsets_max == 0)
        s->cfg.batch_offsets_max = BATCH_OFFSETS;
    if (s->cfg.sweep_rows_max == 0)
        s->cfg.sweep_rows_max = SWEEP_ROWS;
    if (s->cfg.bulk_offsets_min == 0)
        s->cfg.bulk_offsets_min = BULK_OFFSETS;
    if (s->cfg.store.timeout_ms == 0)
        s->cfg.store.timeout_ms = STORE_TIMEOUT_MS;
    buf_init(&s->sql, SQL_BYTES_MAX);
    buf_init(&s->answer, ANSWER_BYTES_MAX);
    s->must_look = true;
    TRY(os_mkdirs(cfg->dir, err));
    TRY(store_client_new(&s->cfg.store, &s->client, err));
    *ret = take_ptr(&s);
    return RC_OK;
}

void sessionizer_free(struct sessionizer *s)
{
    if (!s)
        return;
    store_client_free(s->client);
    buf_done(&s->sql);
    buf_done(&s->answer);
    heap_free(s);
}

void sessionizer_look(struct sessionizer *s)
{
    s->must_look = true;
}

void sessionizer_give_up(struct sessionizer *s)
{
    atomic_store(&s->gives_up, true);
}

void sessionizer_counts(const struct sessionizer *s, struct sessionize_counts *ret)
{
    *ret = s->counts;
}

/* ---- statements ---- */

static enum rc ask(struct sessionizer *s, bool has_answer, struct err *err)
{
    static const struct store_setting settings[] = {
        {"insert_deduplicate", "0"}, /* the same rows again are no repeat: others came between */
        {"max_partitions_per_insert_block", "0"}, /* an import of decades */
        {"join_use_nulls", "0"},
        {"use_index_for_in_with_subqueries", "0"},
        /* Rows of one statement have different keys; looking for equal ones costs more than writing
         * them. */
        {"optimize_on_insert", "0"},
        /* Each statement has numbers of its own, and is compiled for nothing. */
        {"compile_expressions", "0"},
        {"compile_aggregate_expressions", "0"},
        {"max_threads", "1"}, /* the last one: of little, threads cost more than they save */
    };
    ENSURE(!atomic_load(&s->gives_up), err_set(err, RC_CLOSED, "the server is shutting down"));
    ENSURE(buf_ok(&s->sql), err_set(err, RC_NOMEM, "no memory for a statement"));
    const struct store_query q = {.sql = buf_cstr(&s->sql),
                                  .format = has_answer ? "TabSeparated" : NULL,
                                  .settings = settings,
                                  .setting_count = COUNT_OF(settings) - !s->is_small};
    buf_clear(&s->answer);
    return store_query(NULL, s->client, &q, has_answer ? &s->answer : NULL, NULL, NULL, err);
}

static struct buf *begin(struct sessionizer *s)
{
    buf_clear(&s->sql);
    return &s->sql;
}

static enum rc run(struct sessionizer *s, struct err *err)
{
    return ask(s, false, err);
}

/* One row of count numbers. */
static enum rc ask_numbers(struct sessionizer *s, uint32_t count, int64_t ret[NUMBERS_MAX],
                           struct err *err)
{
    TRY(ask(s, true, err));
    struct slice text = buf_slice(&s->answer), row = slice_cut(&text, '\n');
    for (uint32_t i = 0; i < count; i++)
        if (!slice_to_i64(slice_cut(&row, '\t'), &ret[i]))
            return err_set(err, RC_STORE, "the store did not answer with %u numbers",
                           (unsigned)count);
    return RC_OK;
}

/* ---- the beginning ---- */

static enum rc settle(struct sessionizer *s, struct err *err)
{
    int64_t running[NUMBERS_MAX];
    if (s->is_settled)
        return RC_OK;
    buf_add_str(begin(s), "SELECT count() FROM system.processes WHERE "
                          "query LIKE 'INSERT INTO sessions%'");
    TRY(ask_numbers(s, 1, running, err));
    ENSURE(running[0] == 0,
           err_set(err, RC_AGAIN, "a statement of an earlier try still works on the sessions"));
    s->is_settled = true;
    return RC_OK;
}

static void newer_version(struct sessionizer *s)
{
    int64_t now_ms = unix_now().ms;
    uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;
    s->version = s->version + 1 > now ? s->version + 1 : now;
}

static enum rc load(struct sessionizer *s, struct err *err)
{
    int64_t newest[NUMBERS_MAX];
    if (s->is_loaded)
        return RC_OK;
    buf_add_str(begin(s), "SELECT toInt64(max(version)) FROM sessions");
    TRY(ask_numbers(s, 1, newest, err));
    s->version = newest[0] > 0 ? (uint64_t)newest[0] : 0;
    enum rc rc = derived_state_load(&sessionize_state_format, s->dir, &s->state, err);
    if (rc == RC_CORRUPT)
        log_warn("sessions are made anew from all events", LOG_ERR(err));
    if (rc == RC_NOTFOUND || rc == RC_CORRUPT)
        s->state = (struct sessionize_state){.idle_ms = 0};
    else
        TRY(rc);
    s->is_loaded = true;
    return RC_OK;
}

static enum rc begin_sweep(struct sessionizer *s, const char *table, struct err *err)
{
    struct sessionize_state fresh = {
        .idle_ms = s->cfg.idle_ms, .is_sweeping = true, .partition_count = s->cfg.partitions};
    snprintf(fresh.table, sizeof(fresh.table), "%s", table);
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        fresh.next[i] = s->cfg.projected(s->cfg.ctx, i);
    TRY(derived_state_save(&sessionize_state_format, s->dir, &fresh, err));
    s->state = fresh;
    return RC_OK;
}

static enum rc look(struct sessionizer *s, struct err *err)
{
    char table[SESSIONIZE_UUID_BYTES];
    buf_add_str(begin(s), "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND "
                          "name = 'events'");
    TRY(ask(s, true, err));
    struct slice text = buf_slice(&s->answer), uuid = slice_cut(&text, '\n');
    ENSURE(uuid.len && uuid.len < sizeof(table),
           err_set(err, RC_STORE, "the store has no table of events"));
    snprintf(table, sizeof(table), "%.*s", SLICE_ARG(uuid));
    s->must_look = false;
    if (strcmp(table, s->state.table) == 0 && s->state.idle_ms == s->cfg.idle_ms &&
        s->state.partition_count == s->cfg.partitions)
        return RC_OK;
    return begin_sweep(s, table, err);
}

/* ---- a step's statements ---- */

static enum rc begin_work(struct sessionizer *s, struct err *err)
{
    newer_version(s);
    buf_add_str(begin(s), "TRUNCATE TABLE sessions_work");
    return run(s, err);
}

static enum rc look_at_windows(struct sessionizer *s, struct sessionize_windows ret[SESSION_MODES],
                               struct err *err)
{
    enum { EACH = 4 };
    int64_t n[NUMBERS_MAX];
    struct buf *sql = begin(s);
    buf_add_str(sql, "SELECT ");
    for (int mode = SESSION_GROWS; mode < SESSION_MODES; mode++)
        buf_addf(sql,
                 "%scountIf(mode = %d), minIf(s, mode = %d), maxIf(e, mode = %d), "
                 "groupBitOrIf(lacks, mode = %d)",
                 mode == SESSION_GROWS ? "" : ", ", mode, mode, mode, mode);
    buf_add_str(sql, " FROM sessions_work WHERE stage = 2");
    TRY(ask_numbers(s, EACH * (SESSION_MODES - SESSION_GROWS), n, err));
    for (int mode = SESSION_GROWS; mode < SESSION_MODES; mode++) {
        const int64_t *of = n + EACH * (mode - SESSION_GROWS);
        ret[mode] = (struct sessionize_windows){of[0], of[1], of[2], (unsigned)of[3]};
    }
    return RC_OK;
}

/* It is gone if the store began anew meanwhile, and then nothing of this step is to be believed. */
static enum rc check_mark(struct sessionizer *s, struct err *err)
{
    int64_t marks[NUMBERS_MAX];
    buf_addf(begin(s), "SELECT count() FROM sessions_work WHERE stage = 0 AND s = %" PRIu64,
             s->version);
    TRY(ask_numbers(s, 1, marks, err));
    return marks[0] == 1 ? RC_OK
                         : err_set(err, RC_AGAIN, "the store was started anew during a step");
}

static enum rc write_windows(struct sessionizer *s, const struct derived_ranges *ranges,
                             bool is_sweep, struct err *err)
{
    static sessionize_sql_write *const statements[SESSION_MODES] = {
        [SESSION_GROWS] = sessionize_sql_grow,
        [SESSION_ANEW] = sessionize_sql_anew,
        [SESSION_PLAIN_NEW] = sessionize_sql_plain_new,
        [SESSION_PLAIN_GROWS] = sessionize_sql_plain_grow};
    struct sessionize_windows of[SESSION_MODES];
    TRY(look_at_windows(s, of, err));
    for (int mode = SESSION_GROWS; mode < SESSION_MODES; mode++) {
        if (!of[mode].count)
            continue;
        statements[mode](begin(s), s->version, ranges, &of[mode]);
        /* (Of one window that is made anew there may be a million events.) */
        s->is_small = mode != SESSION_ANEW && of[mode].count < SMALL_WINDOWS;
        TRY(run(s, err));
    }
    const struct sessionize_windows *anew = &of[SESSION_ANEW];
    if (anew->count && !is_sweep) {
        sessionize_sql_bury(begin(s), s->version, anew->from_ms, anew->to_ms);
        TRY(run(s, err));
    }
    for (int mode = SESSION_GROWS; mode < SESSION_MODES; mode++)
        *(mode == SESSION_ANEW ? &s->counts.made_anew : &s->counts.grown) +=
            (uint64_t)of[mode].count;
    return RC_OK;
}

/* ---- new events ---- */

static bool choose_ranges(const struct sessionizer *s, struct derived_ranges *ret,
                          uint64_t *ret_offsets)
{
    uint64_t projected[STREAM_PARTITIONS_MAX];
    uint32_t behind = 0;
    *ret = (struct derived_ranges){.count = s->state.partition_count};
    for (uint32_t i = 0; i < ret->count; i++) {
        projected[i] = s->cfg.projected(s->cfg.ctx, i);
        behind += projected[i] > s->state.next[i];
    }
    uint64_t share = behind ? s->cfg.batch_offsets_max / behind + 1 : 0;
    *ret_offsets = 0;
    for (uint32_t i = 0; i < ret->count; i++) {
        uint64_t from = s->state.next[i], to = projected[i] > from ? projected[i] : from;
        ret->from[i] = from;
        ret->to[i] = to - from > share ? from + share : to;
        *ret_offsets += ret->to[i] - from;
    }
    return behind > 0;
}

/* A statement more, which is worth it where there are many visitors. */
static enum rc find_plain(struct sessionizer *s, int64_t from_ms, int64_t to_ms, bool *ret_has_more,
                          struct err *err)
{
    int64_t more[NUMBERS_MAX];
    sessionize_sql_plain(begin(s), s->cfg.idle_ms, from_ms, to_ms);
    TRY(run(s, err));
    buf_add_str(begin(s), "SELECT count() FROM sessions_work WHERE stage = 3");
    TRY(ask_numbers(s, 1, more, err));
    *ret_has_more = more[0] > 0;
    return RC_OK;
}

static enum rc take_new(struct sessionizer *s, const struct derived_ranges *ranges, bool is_bulk,
                        struct err *err)
{
    int64_t n[NUMBERS_MAX];
    bool has_more = true;
    s->is_small = !is_bulk;
    TRY(begin_work(s, err));
    sessionize_sql_touched(begin(s), s->version, s->cfg.idle_ms, is_bulk, ranges);
    TRY(run(s, err));
    buf_add_str(begin(s), "SELECT count(), min(s), max(e) FROM sessions_work WHERE stage = 1");
    TRY(ask_numbers(s, 3, n, err));
    if (n[0] && is_bulk)
        TRY(find_plain(s, n[1], n[2], &has_more, err));
    if (n[0] && has_more) {
        sessionize_sql_windows(begin(s), s->cfg.idle_ms, is_bulk, n[1], n[2]);
        TRY(run(s, err));
    }
    if (n[0])
        TRY(write_windows(s, ranges, false, err));
    return check_mark(s, err);
}

static enum rc step_new(struct sessionizer *s, struct err *err)
{
    struct derived_ranges ranges;
    struct sessionize_state done = s->state;
    uint64_t offsets;
    if (!choose_ranges(s, &ranges, &offsets))
        return RC_END;
    TRY(take_new(s, &ranges, offsets >= s->cfg.bulk_offsets_min, err));
    memcpy(done.next, ranges.to, sizeof(done.next));
    TRY(derived_state_save(&sessionize_state_format, s->dir, &done, err));
    s->state = done;
    s->counts.steps++;
    s->counts.offsets += offsets;
    return RC_OK;
}

/* ---- the sweep ---- */

static uint32_t month_begin(uint32_t month) /* 202611 */
{
    return (uint32_t)days_from_civil(month / 100, month % 100, 1);
}

static uint32_t month_of(uint32_t day)
{
    int64_t year;
    unsigned month, day_of_month;
    civil_from_days(day, &year, &month, &day_of_month);
    return (uint32_t)(year * 100 + month);
}

/* The first month from `day` on that has rows, of events or of sessions; 0: none. */
static enum rc next_month(struct sessionizer *s, uint32_t day, uint32_t *ret_month, struct err *err)
{
    int64_t month[NUMBERS_MAX];
    buf_addf(
        begin(s),
        "SELECT min(toUInt32OrZero(partition_id)) FROM system.parts WHERE active AND database = "
        "currentDatabase() AND table IN ('events', 'sessions') AND "
        "toUInt32OrZero(partition_id) >= %u",
        (unsigned)month_of(day));
    TRY(ask_numbers(s, 1, month, err));
    *ret_month = (uint32_t)month[0];
    return RC_OK;
}

/* As many days of the month, from sweep->from_day on, as are no more than sweep_rows_max together;
 * a day that is more alone, in slices. */
static enum rc choose_days(struct sessionizer *s, uint32_t month, struct sessionize_sweep *sweep,
                           struct err *err)
{
    uint32_t end = month_begin(month % 100 == 12 ? month + 89 : month + 1);
    uint64_t sum = 0;
    buf_addf(begin(s),
             "SELECT toRelativeDayNum(timestamp) AS day, count() FROM events WHERE "
             "toYYYYMM(timestamp) = %u AND day >= %u GROUP BY day ORDER BY day",
             (unsigned)month, (unsigned)sweep->from_day);
    TRY(ask(s, true, err));
    struct slice rest = buf_slice(&s->answer);
    sweep->to_day = end;
    while (rest.len) {
        struct slice count = slice_cut(&rest, '\n'), day_text = slice_cut(&count, '\t');
        uint64_t rows = 0, day = 0;
        if (!slice_to_u64(count, &rows) || !slice_to_u64(day_text, &day))
            return err_set(err, RC_STORE, "the store did not answer with days and counts");
        if (sum && sum + rows > s->cfg.sweep_rows_max) {
            sweep->to_day = (uint32_t)day;
            break;
        }
        sum += rows;
        if (sum >
            s->cfg.sweep_rows_max) { /* the first one that has any: alone, after the empty ones */
            bool is_alone = day == sweep->from_day;
            sweep->to_day = is_alone ? (uint32_t)day + 1 : (uint32_t)day;
            sweep->slices = is_alone ? (uint32_t)(sum / s->cfg.sweep_rows_max) + 1 : 1;
            break;
        }
    }
    return RC_OK;
}

static enum rc sweep_days(struct sessionizer *s, const struct sessionize_sweep *sweep,
                          struct err *err)
{
    struct derived_ranges ranges = {.count = s->state.partition_count};
    memcpy(ranges.to, s->state.next, sizeof(ranges.to));
    s->is_small = false;
    TRY(begin_work(s, err));
    sessionize_sql_swept(begin(s), s->version, s->cfg.idle_ms, sweep, &ranges);
    TRY(run(s, err));
    sessionize_sql_sweep_windows(begin(s), s->cfg.idle_ms, sweep);
    TRY(run(s, err));
    TRY(write_windows(s, &ranges, true, err));
    sessionize_sql_sweep_bury(begin(s), s->version, sweep);
    TRY(run(s, err));
    return check_mark(s, err);
}

static enum rc sweep_from(struct sessionizer *s, uint32_t month, struct sessionize_state *done,
                          struct err *err)
{
    uint32_t first = month_begin(month);
    struct sessionize_sweep sweep = {.slice = s->state.sweep_slice, .slices = 1};
    sweep.from_day = s->state.sweep_day > first ? s->state.sweep_day : first;
    if (sweep.slice) { /* a day once cut stays cut so, whatever has come to it since */
        sweep.slices = s->state.sweep_slices;
        sweep.to_day = sweep.from_day + 1;
    } else {
        TRY(choose_days(s, month, &sweep, err));
    }
    TRY(sweep_days(s, &sweep, err));
    bool is_day_done = sweep.slice + 1 == sweep.slices;
    done->sweep_day = is_day_done ? sweep.to_day : sweep.from_day;
    done->sweep_slice = is_day_done ? 0 : sweep.slice + 1;
    done->sweep_slices = is_day_done ? 0 : sweep.slices;
    return RC_OK;
}

static enum rc step_sweep(struct sessionizer *s, struct err *err)
{
    struct sessionize_state done = s->state;
    uint32_t month = 0;
    if (s->state.sweep_day <= SESSION_DAY_MAX)
        TRY(next_month(s, s->state.sweep_day, &month, err));
    if (month) {
        TRY(sweep_from(s, month, &done, err));
    } else {
        done.is_sweeping = false;
        done.sweep_day = 0;
    }
    TRY(derived_state_save(&sessionize_state_format, s->dir, &done, err));
    s->state = done;
    s->counts.sweep_steps += month != 0;
    s->counts.sweeps += month == 0;
    return RC_OK;
}

/* ---- the whole ---- */

static enum rc step(struct sessionizer *s, struct err *err)
{
    struct derived_ranges ranges;
    uint64_t offsets;
    if (s->is_loaded && !s->must_look && !s->state.is_sweeping &&
        !choose_ranges(s, &ranges, &offsets))
        return RC_END;
    TRY(settle(s, err));
    TRY(load(s, err));
    TRY(look(s, err));
    return s->state.is_sweeping ? step_sweep(s, err) : step_new(s, err);
}

enum rc sessionizer_forget(struct sessionizer *s, struct err *err)
{
    TRY(derived_state_remove(s->dir, err));
    s->is_loaded = false;
    return RC_OK;
}

enum rc sessionizer_step(struct sessionizer *s, struct err *err)
{
    enum rc rc = step(s, err);
    if (rc != RC_OK && rc != RC_END)
        s->is_settled = false;
    return rc;
}

uint64_t sessionizer_lag(const struct sessionizer *s, bool *ret_is_sweeping)
{
    uint64_t lag = 0;
    *ret_is_sweeping = !s->is_loaded || s->state.is_sweeping;
    for (uint32_t i = 0; i < s->cfg.partitions; i++) {
        uint64_t projected = s->cfg.projected(s->cfg.ctx, i);
        if (projected > s->state.next[i])
            lag += projected - s->state.next[i];
    }
    return lag;
}
