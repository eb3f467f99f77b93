/* Events per month over a real SQLite file: the levels, the months, what a crash and a failing
 * flush leave, two nodes on one table, and adding while a flush is under way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/metrics.h"
#include "base/os.h"
#include "tenant/quota.h"

struct fixture {
    char dir[64], path[128];
    struct state *state;
    struct quota *quota;
};

static unix_ms at(const char *text)
{
    unix_ms t;
    assert_true(time_parse(slice_str(text), &t));
    return t;
}

#define NOW at("2026-11-26T10:00:00Z")

static int setup(void **state)
{
    struct fixture *f = heap_alloc(HEAP_MISC, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/weir-quota-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->dir);
    assert_int_equal(state_open(f->path, &f->state, NULL), RC_OK);
    assert_int_equal(quota_open(f->state, NOW, &f->quota, NULL), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    quota_close(f->quota);
    state_close(f->state);
    assert_int_equal(os_remove_tree(f->dir, NULL), RC_OK);
    heap_free(f);
    return 0;
}

/* As a kill -9 would: what was not flushed is gone. */
static void restart(struct fixture *f, unix_ms now)
{
    quota_close(f->quota);
    assert_int_equal(quota_open(f->state, now, &f->quota, NULL), RC_OK);
}

static void flush(struct quota *q)
{
    struct err err = ERR_INIT;
    if (quota_flush(q, &err) != RC_OK)
        fail_msg("%s", err.text);
}

static struct uuid project_of(unsigned n)
{
    struct uuid p = {{0x01, 0x9a, 0xb0}};
    memcpy(p.bytes + 8, &n, sizeof(n));
    return p;
}

static enum rc take_i64(void *ctx, const struct state_row *row)
{
    *(int64_t *)ctx = state_row_is_null(row, 0) ? -1 : state_row_i64(row, 0);
    return RC_OK;
}

static int64_t stored(struct fixture *f, const struct uuid *project, const char *month,
                      const char *column)
{
    char id[UUID_TEXT_LEN + 1], sql[200];
    int64_t value = -2; /* no row */
    snprintf(sql, sizeof(sql), "SELECT %s FROM quota_usage WHERE project_id = ?1 AND month = ?2",
             column);
    const struct state_value params[] = {STATE_STR(uuid_format(project, id)), STATE_STR(month)};
    assert_int_equal(state_run(f->state, sql, params, 2, take_i64, &value, NULL), RC_OK);
    return value;
}

static void a_month_goes_from_ok_over_warning_to_exceeded(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_OK);
    assert_false(quota_add(f->quota, &p, 100, 79, NOW));
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_OK);
    assert_true(quota_add(f->quota, &p, 100, 1, NOW)); /* told once */
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_WARNING);
    assert_false(quota_add(f->quota, &p, 100, 19, NOW));
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_WARNING);
    assert_false(quota_add(f->quota, &p, 100, 50, NOW)); /* a batch that began below is whole */
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_EXCEEDED);
    assert_int_equal(quota_used(f->quota, &p, NOW), 149);
    assert_int_equal(quota_look(f->quota, &p, 1000, NOW), QUOTA_OK); /* raised: at once */
    assert_int_equal(quota_look(f->quota, &p, 0, NOW), QUOTA_OK);    /* none */
}

static void one_batch_can_pass_all_levels(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    assert_true(quota_add(f->quota, &p, 100, 500, NOW));
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_EXCEEDED);
}

static void small_maxima_warn_at_the_next_whole_event(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t max;
        uint32_t warned_at;
    } cases[] = {{1, 1}, {2, 2}, {4, 4}, {5, 4}, {7, 6}, {10, 8}, {11, 9}, {1000, 800}};
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct uuid p = project_of(i);
        uint32_t events = 1;
        while (!quota_add(f->quota, &p, cases[i].max, 1, NOW))
            events++;
        assert_int_equal(events, cases[i].warned_at);
    }
}

static void without_a_maximum_events_are_still_counted(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    assert_false(quota_add(f->quota, &p, 0, UINT32_MAX, NOW));
    assert_false(quota_add(f->quota, &p, 0, UINT32_MAX, NOW));
    flush(f->quota);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 2 * (int64_t)UINT32_MAX);
    assert_int_equal(stored(f, &p, "2026-11", "warned_at"), -1);
}

static void months_begin_anew_in_utc(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    unix_ms last = at("2026-11-30T23:59:59.999Z"), first = at("2026-12-01T00:00:00Z");
    assert_true(quota_add(f->quota, &p, 10, 10, last));
    assert_int_equal(quota_look(f->quota, &p, 10, last), QUOTA_EXCEEDED);
    assert_int_equal(quota_look(f->quota, &p, 10, first), QUOTA_OK);
    assert_true(quota_add(f->quota, &p, 10, 8, first)); /* told again: another month */
    assert_false(quota_add(f->quota, &p, 10, 1, last)); /* a request that was under way */
    flush(f->quota);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 11);
    assert_int_equal(stored(f, &p, "2026-12", "events"), 8);
    unix_ms january = at("2027-01-15T00:00:00Z");
    assert_int_equal(quota_used(f->quota, &p, january), 0);
    quota_add(f->quota, &p, 10, 3, january);
    flush(f->quota);
    assert_int_equal(stored(f, &p, "2027-01", "events"), 3);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 11);
    assert_int_equal(quota_used(f->quota, &p, first), 8);
}

static void a_clock_set_back_finds_its_month_again(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    quota_add(f->quota, &p, 100, 50, NOW);
    flush(f->quota);
    quota_add(f->quota, &p, 100, 1, at("2027-01-01T00:00:00Z")); /* takes the cell of November */
    quota_add(f->quota, &p, 100, 1, NOW);
    flush(f->quota);
    assert_int_equal(quota_used(f->quota, &p, NOW), 51);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 51);
}

static void a_crash_loses_the_unflushed_only(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    assert_true(quota_add(f->quota, &p, 100, 90, NOW));
    flush(f->quota);
    quota_add(f->quota, &p, 100, 5, NOW);
    restart(f, NOW);
    assert_int_equal(quota_used(f->quota, &p, NOW), 90);
    assert_int_equal(quota_look(f->quota, &p, 100, NOW), QUOTA_WARNING);
    assert_false(quota_add(f->quota, &p, 100, 1, NOW)); /* told before the crash */
    flush(f->quota);
    flush(f->quota); /* nothing is added twice */
    assert_int_equal(stored(f, &p, "2026-11", "events"), 91);
    assert_int_equal(stored(f, &p, "2026-11", "warned_at"), NOW.ms);
    restart(f, at("2026-12-01T00:00:00Z"));
    assert_int_equal(quota_used(f->quota, &p, at("2026-12-01T00:00:00Z")), 0);
}

static void a_failed_flush_keeps_the_counts(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    struct err err = ERR_INIT;
    struct buf out;
    quota_add(f->quota, &p, 100, 7, NOW);
    flush(f->quota);
    assert_int_equal(
        state_run(f->state, "ALTER TABLE quota_usage RENAME TO away", NULL, 0, NULL, NULL, NULL),
        RC_OK);
    quota_add(f->quota, &p, 100, 3, NOW);
    assert_int_not_equal(quota_flush(f->quota, &err), RC_OK);
    assert_int_not_equal(err.text[0], '\0');
    assert_int_equal(quota_used(f->quota, &p, NOW), 10);
    assert_int_equal(
        state_run(f->state, "ALTER TABLE away RENAME TO quota_usage", NULL, 0, NULL, NULL, NULL),
        RC_OK);
    flush(f->quota);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 10);
    assert_int_equal(quota_used(f->quota, &p, NOW), 10);
    buf_init(&out, 1 << 16);
    metrics_render(&out);
    assert_non_null(strstr(buf_cstr(&out), "\nweir_quota_flush_failures_total 1\n"));
    buf_done(&out);
}

static void two_nodes_share_a_month(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    struct state *other_state;
    struct quota *other;
    assert_int_equal(state_open(f->path, &other_state, NULL), RC_OK);
    quota_add(f->quota, &p, 100, 30, NOW);
    flush(f->quota);
    assert_int_equal(quota_open(other_state, NOW, &other, NULL), RC_OK);
    assert_int_equal(quota_used(other, &p, NOW), 30);
    quota_add(f->quota, &p, 100, 20, NOW);
    assert_false(quota_add(other, &p, 100, 40, NOW)); /* 70, as far as it knows */
    flush(f->quota);
    flush(other);
    assert_int_equal(stored(f, &p, "2026-11", "events"), 90);
    assert_int_equal(quota_used(other, &p, NOW), 90);
    assert_true(quota_add(other, &p, 100, 1, NOW)); /* now it knows, and tells */
    flush(other);
    quota_add(f->quota, &p, 0, 1, NOW);
    flush(f->quota);
    assert_int_equal(quota_used(f->quota, &p, NOW), 92);
    assert_false(quota_add(f->quota, &p, 100, 1, NOW)); /* told by the other one */
    quota_close(other);
    state_close(other_state);
}

static void many_projects_are_flushed_in_pieces(void **state)
{
    struct fixture *f = *state;
    enum { PROJECTS = 2 * QUOTA_FLUSH_ROWS_MAX + 7 };
    int64_t sum = 0;
    for (unsigned i = 0; i < PROJECTS; i++) {
        struct uuid p = project_of(i);
        quota_add(f->quota, &p, 0, i + 1, NOW);
    }
    flush(f->quota);
    assert_int_equal(
        state_run(f->state, "SELECT sum(events) FROM quota_usage", NULL, 0, take_i64, &sum, NULL),
        RC_OK);
    assert_int_equal(sum, (int64_t)PROJECTS * (PROJECTS + 1) / 2);
    restart(f, NOW);
    for (unsigned i = 0; i < PROJECTS; i++) {
        struct uuid p = project_of(i);
        assert_int_equal(quota_used(f->quota, &p, NOW), i + 1);
    }
}

static void an_idle_flush_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct uuid p = project_of(1);
    int64_t before = 0, after = 0;
    quota_add(f->quota, &p, 5, 4, NOW);
    flush(f->quota);
    assert_int_equal(state_run_i64(f->state, "SELECT total_changes()", NULL, 0, &before, NULL),
                     RC_OK);
    flush(f->quota);
    quota_look(f->quota, &p, 5, NOW);
    flush(f->quota);
    assert_int_equal(state_run_i64(f->state, "SELECT total_changes()", NULL, 0, &after, NULL),
                     RC_OK);
    assert_int_equal(before, after);
}

static void retry_after_is_the_month_s_end_or_an_hour(void **state)
{
    (void)state;
    assert_int_equal(quota_retry_after_s(at("2026-11-01T00:00:00Z")), 3600);
    assert_int_equal(quota_retry_after_s(at("2026-11-30T22:59:59Z")), 3600);
    assert_int_equal(quota_retry_after_s(at("2026-11-30T23:30:00Z")), 1800);
    assert_int_equal(quota_retry_after_s(at("2026-12-31T23:59:59.999Z")), 1);
    assert_int_equal(quota_retry_after_s(at("2028-02-28T23:59:59Z")), 3600); /* the 29th follows */
    assert_int_equal(quota_retry_after_s(at("2028-02-29T23:59:50Z")), 10);
}

static void a_damaged_table_is_refused(void **state)
{
    struct fixture *f = *state;
    struct quota *other;
    struct err err = ERR_INIT;
    assert_int_equal(state_run(f->state, "INSERT INTO quota_usage VALUES ('x', '2026-11', 1, NULL)",
                               NULL, 0, NULL, NULL, NULL),
                     RC_OK);
    assert_int_equal(quota_open(f->state, NOW, &other, &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "quota_usage"));
}

/* ---- threads ---- */

enum { THREADS = 3, ADDS = 30000, PROJECTS = 600 };
struct crowd {
    struct quota *q;
    unix_ms now;
    _Atomic uint32_t told;
    _Atomic bool is_over;
};

static void *add_much(void *arg)
{
    struct crowd *c = arg;
    for (unsigned i = 0; i < ADDS; i++) {
        struct uuid p = project_of(i % PROJECTS);
        quota_look(c->q, &p, 100, c->now);
        atomic_fetch_add(&c->told, quota_add(c->q, &p, 100, 1, c->now));
    }
    return NULL;
}

static void *flush_much(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->is_over))
        if (quota_flush(c->q, NULL) != RC_OK)
            return c; /* not NULL: it failed */
    return NULL;
}

static void nothing_is_lost_or_doubled_between_add_and_flush(void **state)
{
    struct fixture *f = *state;
    struct crowd c = {.q = f->quota, .now = NOW};
    pthread_t adders[THREADS], flusher;
    void *failed = NULL;
    assert_int_equal(pthread_create(&flusher, NULL, flush_much, &c), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&adders[i], NULL, add_much, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(adders[i], NULL);
    atomic_store(&c.is_over, true);
    pthread_join(flusher, &failed);
    assert_null(failed);
    flush(f->quota);
    for (unsigned i = 0; i < PROJECTS; i++) {
        struct uuid p = project_of(i);
        assert_int_equal(quota_used(f->quota, &p, NOW), THREADS * ADDS / PROJECTS);
        assert_int_equal(stored(f, &p, "2026-11", "events"), THREADS * ADDS / PROJECTS);
    }
    assert_int_equal(atomic_load(&c.told), PROJECTS); /* each once */
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_month_goes_from_ok_over_warning_to_exceeded),
        WITH_FILE(one_batch_can_pass_all_levels),
        WITH_FILE(small_maxima_warn_at_the_next_whole_event),
        WITH_FILE(without_a_maximum_events_are_still_counted),
        WITH_FILE(months_begin_anew_in_utc),
        WITH_FILE(a_clock_set_back_finds_its_month_again),
        WITH_FILE(a_crash_loses_the_unflushed_only),
        WITH_FILE(a_failed_flush_keeps_the_counts),
        WITH_FILE(two_nodes_share_a_month),
        WITH_FILE(many_projects_are_flushed_in_pieces),
        WITH_FILE(an_idle_flush_writes_nothing),
        cmocka_unit_test(retry_after_is_the_month_s_end_or_an_hour),
        WITH_FILE(a_damaged_table_is_refused),
        WITH_FILE(nothing_is_lost_or_doubled_between_add_and_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
