/* LAYOUT  One counter per project that has sent anything since the start, found by an
 *         open-addressing table of pointers that is only ever added to; when it is half full a
 *         table of twice the size takes its place, and the old one stays until the end, as somebody
 *         may be reading it. (All old ones together are smaller than the present one.) Project ids
 *         are made here, so nobody outside can choose colliding ones.
 *
 *         A counter has two cells, for the even and the odd months, so that the end of a month can
 *         still be flushed while the next one begins. A cell is emptied when the month after next
 *         begins.
 *
 * INVARIANTS  used = what the table had after the last flush (known) + unflushed. A flush adds n of
 *         the unflushed to the table, reads the new total there, and only after the commit takes n
 *         from unflushed and adds to used what others brought: total - (known + n). So used never
 *         dips while a flush is under way.
 *
 * THREADS lock guards the adding of counters and tables, the emptying of cells, and known; it is
 *         held for memory only. flush_lock: one flush at a time, over the state's transactions. */
#include "tenant/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"

enum { FIRST_TABLE_SIZE = 256, CELLS = 2, MONTH_TEXT_BYTES = 16, MS_PER_DAY = 86400000 };
enum { NO_MONTH = -1 };

struct cell {
    _Atomic int64_t month; /* year * 12 + month of year (0 … 11) */
    _Atomic int64_t used, unflushed;
    _Atomic int64_t warned_at; /* unix ms; 0 = not yet */
    int64_t known;
    bool is_warning_stored; /* under lock */
};
struct counter {
    struct uuid project;
    struct cell cells[CELLS];
    struct counter *next; /* of all, newest first; never changes */
};
struct table {
    uint64_t mask;
    struct table *older;
    _Atomic(struct counter *) slots[];
};
struct quota {
    struct state *state;
    pthread_mutex_t lock, flush_lock;
    _Atomic(struct table *) table;
    struct counter *first;
    uint64_t count;
    struct metric refused, warnings, flush_failures;
};

static const struct state_migration migrations[] = {
    {1, "CREATE TABLE quota_usage ("
        "  project_id TEXT NOT NULL, month TEXT NOT NULL, events BIGINT NOT NULL, warned_at BIGINT,"
        "  PRIMARY KEY (project_id, month));"},
};

/* ---- months ---- */

static int64_t day_of(unix_ms t)
{
    return t.ms / MS_PER_DAY - (t.ms % MS_PER_DAY < 0);
}

static int64_t month_of(unix_ms t)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(day_of(t), &year, &month, &day);
    return year * 12 + month - 1;
}

static char *month_text(int64_t month, char ret_text[MONTH_TEXT_BYTES])
{
    snprintf(ret_text, MONTH_TEXT_BYTES, "%04u-%02u", (unsigned)(month / 12) % 10000U,
             (unsigned)(month % 12) + 1U);
    return ret_text;
}

uint32_t quota_retry_after_s(unix_ms now)
{
    int64_t next = month_of(now) + 1;
    int64_t end_ms = days_from_civil(next / 12, (unsigned)(next % 12) + 1, 1) * MS_PER_DAY;
    int64_t left_s = (end_ms - now.ms + 999) / 1000;
    return left_s < QUOTA_RETRY_AFTER_S_MAX ? (uint32_t)left_s : QUOTA_RETRY_AFTER_S_MAX;
}

/* ---- counters ---- */

static uint64_t slot_of(const struct uuid *project)
{
    uint64_t word; /* the tail of a UUIDv7 is random */
    memcpy(&word, project->bytes + 8, sizeof(word));
    return word;
}

static struct counter *find(const struct quota *q, const struct uuid *project)
{
    struct table *t = atomic_load_explicit(&q->table, memory_order_acquire);
    for (uint64_t at = slot_of(project) & t->mask;; at = (at + 1) & t->mask) {
        struct counter *c = atomic_load_explicit(&t->slots[at], memory_order_acquire);
        if (!c || memcmp(c->project.bytes, project->bytes, sizeof(project->bytes)) == 0)
            return c;
    }
}

static void put(struct table *t, struct counter *c)
{
    uint64_t at = slot_of(&c->project) & t->mask;
    while (atomic_load_explicit(&t->slots[at], memory_order_relaxed))
        at = (at + 1) & t->mask;
    atomic_store_explicit(&t->slots[at], c, memory_order_release);
}

static void grow(struct quota *q, uint64_t size)
{
    struct table *old = atomic_load_explicit(&q->table, memory_order_relaxed);
    struct table *t = heap_alloc(HEAP_TENANT, sizeof(*t) + size * sizeof(t->slots[0]));
    t->mask = size - 1;
    t->older = old;
    for (struct counter *c = q->first; c; c = c->next)
        put(t, c);
    atomic_store_explicit(&q->table, t, memory_order_release);
}

/* Under lock. */
static struct counter *find_or_make(struct quota *q, const struct uuid *project)
{
    struct counter *c = find(q, project);
    if (c)
        return c;
    uint64_t size = atomic_load_explicit(&q->table, memory_order_relaxed)->mask + 1;
    if (q->count >= size / 2)
        grow(q, size * 2);
    c = heap_alloc(HEAP_TENANT, sizeof(*c));
    c->project = *project;
    c->next = q->first;
    for (int i = 0; i < CELLS; i++)
        atomic_init(&c->cells[i].month, NO_MONTH);
    q->first = c;
    q->count++;
    put(atomic_load_explicit(&q->table, memory_order_relaxed), c);
    return c;
}

static struct cell *cell_at(struct counter *c, int64_t month)
{
    return &c->cells[month & 1];
}

static bool is_of(const struct cell *cell, int64_t month)
{
    return atomic_load_explicit(&cell->month, memory_order_acquire) == month;
}

/* NULL: nothing was counted in this month. */
static struct cell *look_up(const struct quota *q, const struct uuid *project, int64_t month)
{
    struct counter *c = find(q, project);
    struct cell *cell = c ? cell_at(c, month) : NULL;
    return cell && is_of(cell, month) ? cell : NULL;
}

/* Under lock. */
static void begin_month(struct cell *cell, int64_t month)
{
    int64_t lost = atomic_exchange(&cell->unflushed, 0);
    if (lost)
        log_warn("a month's last events were never counted in the state database",
                 LOG_I64("events", lost));
    atomic_store(&cell->used, 0);
    atomic_store(&cell->warned_at, 0);
    cell->known = 0;
    cell->is_warning_stored = false;
    atomic_store_explicit(&cell->month, month, memory_order_release);
}

static struct cell *look_up_or_begin(struct quota *q, const struct uuid *project, int64_t month)
{
    struct cell *cell = look_up(q, project, month);
    if (LIKELY(cell))
        return cell;
    pthread_mutex_lock(&q->lock);
    cell = cell_at(find_or_make(q, project), month);
    if (!is_of(cell, month))
        begin_month(cell, month);
    pthread_mutex_unlock(&q->lock);
    return cell;
}

/* ---- what the edge asks ---- */

static uint64_t used_of(const struct cell *cell)
{
    int64_t used = cell ? atomic_load_explicit(&cell->used, memory_order_relaxed) : 0;
    return used > 0 ? (uint64_t)used : 0;
}

static bool is_warning(uint64_t used, uint64_t events_max)
{
    return events_max && used >= events_max - events_max / (100 / (100 - QUOTA_WARNING_PERCENT));
}

enum quota_state quota_look(struct quota *q, const struct uuid *project, uint64_t events_max,
                            unix_ms now)
{
    if (events_max == 0)
        return QUOTA_OK;
    uint64_t used = used_of(look_up(q, project, month_of(now)));
    if (used < events_max)
        return is_warning(used, events_max) ? QUOTA_WARNING : QUOTA_OK;
    metric_add(&q->refused, 1);
    return QUOTA_EXCEEDED;
}

bool quota_add(struct quota *q, const struct uuid *project, uint64_t events_max, uint32_t events,
               unix_ms now)
{
    struct cell *cell = look_up_or_begin(q, project, month_of(now));
    atomic_fetch_add_explicit(&cell->unflushed, events, memory_order_relaxed);
    int64_t used = events + atomic_fetch_add_explicit(&cell->used, events, memory_order_relaxed);
    if (!is_warning(used > 0 ? (uint64_t)used : 0, events_max))
        return false;
    int64_t not_yet = 0, at = now.ms > 0 ? now.ms : 1;
    if (atomic_load_explicit(&cell->warned_at, memory_order_relaxed) ||
        !atomic_compare_exchange_strong(&cell->warned_at, &not_yet, at))
        return false;
    metric_add(&q->warnings, 1);
    return true;
}

uint64_t quota_used(struct quota *q, const struct uuid *project, unix_ms now)
{
    return used_of(look_up(q, project, month_of(now)));
}

/* ---- the table quota_usage ---- */

struct row { /* one upsert: what goes in, and what comes back */
    struct counter *counter;
    struct cell *cell;
    int64_t month, events, warned_at;
    int64_t ret_total, ret_warned_at; /* 0 = NULL */
};
struct batch {
    struct counter *next; /* to look at */
    uint32_t count;
    struct row rows[QUOTA_FLUSH_ROWS_MAX];
};

/* Under lock. */
static void collect_cell(struct batch *b, struct counter *counter, struct cell *cell)
{
    int64_t warned_at = atomic_load(&cell->warned_at);
    int64_t events = atomic_load(&cell->unflushed);
    if (events == 0 && (warned_at == 0 || cell->is_warning_stored))
        return;
    b->rows[b->count++] = (struct row){.counter = counter,
                                       .cell = cell,
                                       .month = atomic_load(&cell->month),
                                       .events = events,
                                       .warned_at = warned_at};
}

static void collect(struct quota *q, struct batch *b)
{
    b->count = 0;
    pthread_mutex_lock(&q->lock);
    for (; b->next && b->count + CELLS <= QUOTA_FLUSH_ROWS_MAX; b->next = b->next->next)
        for (int i = 0; i < CELLS; i++)
            collect_cell(b, b->next, &b->next->cells[i]);
    pthread_mutex_unlock(&q->lock);
}

static enum rc take_result(void *ctx, const struct state_row *from)
{
    struct row *row = ctx;
    row->ret_total = state_row_i64(from, 0);
    row->ret_warned_at = state_row_i64(from, 1);
    return RC_OK;
}

static enum rc write_rows(void *ctx, struct state *s, struct err *err)
{
    struct batch *b = ctx;
    for (uint32_t i = 0; i < b->count; i++) {
        struct row *row = &b->rows[i];
        char project[UUID_TEXT_LEN + 1], month[MONTH_TEXT_BYTES];
        const struct state_value params[] = {
            STATE_STR(uuid_format(&row->counter->project, project)),
            STATE_STR(month_text(row->month, month)),
            STATE_I64(row->events),
            {.kind = row->warned_at ? STATE_INT : STATE_NULL, .i64 = row->warned_at},
        };
        TRY(state_run(s,
                      "INSERT INTO quota_usage (project_id, month, events, warned_at)"
                      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (project_id, month) DO UPDATE SET"
                      " events = quota_usage.events + excluded.events,"
                      " warned_at = coalesce(quota_usage.warned_at, excluded.warned_at)"
                      " RETURNING events, warned_at",
                      params, COUNT_OF(params), take_result, row, err));
    }
    return RC_OK;
}

/* Under lock, after the commit. */
static void settle_row(const struct row *row)
{
    struct cell *cell = row->cell;
    int64_t not_yet = 0;
    if (!is_of(cell, row->month))
        return;
    atomic_fetch_sub(&cell->unflushed, row->events);
    atomic_fetch_add(&cell->used, row->ret_total - (cell->known + row->events));
    cell->known = row->ret_total;
    if (row->ret_warned_at) {
        IGNORE(atomic_compare_exchange_strong(&cell->warned_at, &not_yet, row->ret_warned_at),
               "told here as well");
        cell->is_warning_stored = true;
    }
}

static enum rc flush_all(struct quota *q, struct batch *b, struct err *err)
{
    pthread_mutex_lock(&q->lock);
    b->next = q->first;
    pthread_mutex_unlock(&q->lock);
    while (b->next) {
        collect(q, b);
        if (b->count == 0)
            continue;
        TRY(state_transaction(q->state, write_rows, b, err));
        pthread_mutex_lock(&q->lock);
        for (uint32_t i = 0; i < b->count; i++)
            settle_row(&b->rows[i]);
        pthread_mutex_unlock(&q->lock);
    }
    return RC_OK;
}

enum rc quota_flush(struct quota *q, struct err *err)
{
    CLEANUP(heap_freep) struct batch *b = heap_try_alloc(HEAP_TENANT, sizeof(*b));
    if (!b)
        return err_set(err, RC_NOMEM, "no memory to write down how many events were counted");
    pthread_mutex_lock(&q->flush_lock);
    enum rc rc = flush_all(q, b, err);
    pthread_mutex_unlock(&q->flush_lock);
    if (rc != RC_OK)
        metric_add(&q->flush_failures, 1);
    return rc;
}

/* ---- opening ---- */

struct loading {
    struct quota *q;
    int64_t month;
};

static enum rc load_row(void *ctx, const struct state_row *row)
{
    struct loading *loading = ctx;
    struct uuid project;
    if (!uuid_parse(state_row_text(row, 0), &project))
        return RC_CORRUPT;
    struct cell *cell = look_up_or_begin(loading->q, &project, loading->month);
    cell->known = state_row_i64(row, 1);
    atomic_store(&cell->used, cell->known);
    atomic_store(&cell->warned_at, state_row_i64(row, 2));
    cell->is_warning_stored = atomic_load(&cell->warned_at) != 0;
    return RC_OK;
}

static void register_metrics(struct quota *q)
{
    q->refused = (struct metric){.name = "weir_quota_refused_total",
                                 .help = "Requests of projects over their events per month."};
    q->warnings = (struct metric){.name = "weir_quota_warnings_total",
                                  .help = "Projects that reached 80 % of their events per month."};
    q->flush_failures = (struct metric){.name = "weir_quota_flush_failures_total",
                                        .help = "Times that counts could not be written down."};
    metrics_register(&q->refused);
    metrics_register(&q->warnings);
    metrics_register(&q->flush_failures);
}

void quota_close(struct quota *q)
{
    if (!q)
        return;
    metrics_unregister(&q->refused);
    metrics_unregister(&q->warnings);
    metrics_unregister(&q->flush_failures);
    for (struct table *t = atomic_load(&q->table), *older; t; t = older) {
        older = t->older;
        heap_free(t);
    }
    for (struct counter *c = q->first, *next; c; c = next) {
        next = c->next;
        heap_free(c);
    }
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->flush_lock);
    heap_free(q);
}
DEFINE_CLEANUP(struct quota *, quota_close)

enum rc quota_open(struct state *state, unix_ms now, struct quota **ret_quota, struct err *err)
{
    char month[MONTH_TEXT_BYTES];
    TRY(state_migrate(state, "quota", migrations, COUNT_OF(migrations), err));
    CLEANUP(quota_closep) struct quota *q = heap_alloc(HEAP_TENANT, sizeof(*q));
    q->state = state;
    must(pthread_mutex_init(&q->lock, NULL) == 0 && pthread_mutex_init(&q->flush_lock, NULL) == 0);
    register_metrics(q);
    grow(q, FIRST_TABLE_SIZE);
    struct loading loading = {q, month_of(now)};
    enum rc rc =
        state_run(state, "SELECT project_id, events, warned_at FROM quota_usage WHERE month = ?1",
                  &STATE_STR(month_text(loading.month, month)), 1, load_row, &loading, err);
    if (rc == RC_CORRUPT)
        return err_set(err, rc, "the table quota_usage has a project id that is none");
    TRY(rc);
    *ret_quota = take_ptr(&q);
    return RC_OK;
}
