/* Who was erased, asked about what an import brings: by every salt, up to the end of the erasure,
 * of one project only; and the guard lets one in at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "analytics/erase/erase_int.h"
#include "base/heap.h"
#include "base/os.h"

static const char project[] = "11111111-1111-4111-8111-111111111111";
static const char other[] = "22222222-2222-4222-8222-222222222222";
enum { END_S = 1700000000 };

struct fixture {
    char dir[64], path[80];
    struct state *state;
};

static int setup(void **state)
{
    struct fixture *f = heap_alloc(HEAP_MISC, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/weir-erase-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->dir);
    assert_int_equal(state_open(f->path, &f->state, NULL), RC_OK);
    assert_int_equal(erase_migrate(f->state, NULL), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    state_close(f->state);
    assert_int_equal(os_remove_tree(f->dir, NULL), RC_OK);
    heap_free(f);
    return 0;
}

/* finished_s 0: under way. */
static void erased(struct state *s, const char *id, const char *of, uint8_t salt_byte,
                   enum erase_kind kind, const char *user, int64_t finished_s, bool is_dry_run)
{
    const uint8_t salt[ERASE_SALT_BYTES] = {salt_byte};
    const struct state_value null = {.kind = STATE_NULL};
    struct erase_set set;
    struct erase_hash hash;
    struct err err = ERR_INIT;
    erase_set_init(&set, of, salt);
    erase_hash_of(set.salt, kind, slice_str(user), &hash);
    erase_set_done(&set);
    assert_int_equal(
        state_run(s,
                  "INSERT INTO erasures (id, org_id, project_id, status, reason, is_dry_run, "
                  "id_count, salt, requested_at, finished_at, attempts, error, stage, place, "
                  "needs_sweep, before_offsets, places) VALUES (?1, 'o', ?2, 'done', '', ?3, 1, "
                  "?4, 1, ?5, 0, '', 0, 0, 0, '', '')",
                  (struct state_value[]){STATE_STR(id), STATE_STR(of),
                                         is_dry_run ? STATE_I64(1) : null,
                                         STATE_BYTES(salt, sizeof(salt)),
                                         finished_s ? STATE_I64(finished_s * 1000) : null},
                  5, NULL, NULL, &err),
        RC_OK);
    assert_int_equal(
        state_run(s, "INSERT INTO erasure_ids (erasure_id, kind, hash) VALUES (?1, ?2, ?3)",
                  (struct state_value[]){STATE_STR(id), STATE_I64(hash.kind),
                                         STATE_BYTES(hash.bytes, sizeof(hash.bytes))},
                  3, NULL, NULL, &err),
        RC_OK);
}

static bool has(struct erase_guard *g, const char *of, const char *members, int64_t happened_s,
                int64_t received_s)
{
    char value[512], when[2][TIME_TEXT_BYTES];
    struct erase_past *past;
    struct err err = ERR_INIT;
    snprintf(value, sizeof(value), "{%s,\"timestamp\":\"%s\",\"received_at\":\"%s\"}", members,
             time_format((unix_ms){happened_s * 1000}, when[0]),
             time_format((unix_ms){received_s * 1000}, when[1]));
    const struct stream_record r = {.key = slice_str("k"), .value = slice_str(value)};
    assert_int_equal(erase_guard_enter(g, of, &past, &err), RC_OK);
    bool is_theirs = past && erase_past_has(past, &r);
    erase_guard_leave(g, past);
    return is_theirs;
}

static void events_of_before_are_theirs_and_later_ones_anybodys(void **state)
{
    struct fixture *f = *state;
    struct erase_guard *g;
    struct err err = ERR_INIT;
    const int64_t before = END_S - 10, later = END_S + 10;
    assert_int_equal(erase_guard_new(f->state, &g, &err), RC_OK);
    assert_false(has(g, project, "\"user_id\":\"x\"", before, before)); /* nobody was erased */
    erased(f->state, "1", project, 1, ERASE_USER, "x", END_S, false);
    erased(f->state, "2", project, 1, ERASE_ANONYMOUS, "a", END_S, false);
    erased(f->state, "3", project, 2, ERASE_USER, "salt of its own", END_S, false);
    erased(f->state, "4", project, 1, ERASE_USER, "only asked", END_S, true);
    erased(f->state, "5", project, 1, ERASE_USER, "under way", 0, false);
    erased(f->state, "6", project, 1, ERASE_USER, "twice", END_S - 100, false);
    erased(f->state, "7", project, 1, ERASE_USER, "twice", END_S, false);
    erased(f->state, "8", other, 1, ERASE_USER, "of another", END_S, false);
    erased(f->state, "9", project, 1, ERASE_DEVICE, "00000000000000aa", END_S, false);
    assert_true(has(g, project, "\"user_id\":\"x\"", before, before));
    assert_false(has(g, project, "\"user_id\":\"x\"", later, later));
    assert_true(has(g, project, "\"user_id\":\"x\"", later, before)); /* a clock that was ahead */
    assert_true(has(g, project, "\"user_id\":\"x\"", before, later)); /* imported just now */
    assert_true(has(g, project, "\"user_id\":\"y\",\"previous_id\":\"x\"", before, before));
    assert_false(has(g, project, "\"anonymous_id\":\"x\"", before, before));
    assert_true(has(g, project, "\"user_id\":\"y\",\"anonymous_id\":\"a\"", before, before));
    assert_true(has(g, project, "\"user_id\":\"salt of its own\"", before, before));
    assert_false(has(g, project, "\"user_id\":\"only asked\"", before, before));
    assert_true(has(g, project, "\"user_id\":\"under way\"", later, later));
    assert_true(has(g, project, "\"user_id\":\"twice\"", before, before));
    assert_false(has(g, project, "\"user_id\":\"of another\"", before, before));
    assert_true(has(g, other, "\"user_id\":\"of another\"", before, before));
    assert_false(has(g, other, "\"user_id\":\"x\"", before, before));
    assert_true(has(g, project, "\"device\":\"00000000000000aa\"", before, before));
    assert_false(has(g, project, "\"event\":\"x\"", before, before));
    erase_guard_free(g);
}

struct visit {
    struct erase_guard *guard;
    _Atomic bool is_alone; /* the first one has left */
    bool was_alone;
};

static void *enter(void *arg)
{
    struct visit *v = arg;
    struct erase_past *past;
    struct err err = ERR_INIT;
    assert_int_equal(erase_guard_enter(v->guard, project, &past, &err), RC_OK);
    v->was_alone = atomic_load(&v->is_alone);
    erase_guard_leave(v->guard, past);
    return NULL;
}

static void one_is_within_at_a_time(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        struct visit v = {.was_alone = false};
        struct erase_past *past;
        struct err err = ERR_INIT;
        pthread_t thread;
        assert_int_equal(erase_guard_new(f->state, &v.guard, &err), RC_OK);
        assert_int_equal(erase_guard_enter(v.guard, project, &past, &err), RC_OK);
        assert_int_equal(pthread_create(&thread, NULL, enter, &v), 0);
        sched_yield();
        atomic_store(&v.is_alone, true);
        erase_guard_leave(v.guard, past);
        pthread_join(thread, NULL);
        assert_true(v.was_alone);
        erase_guard_free(v.guard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_before_are_theirs_and_later_ones_anybodys),
        cmocka_unit_test(one_is_within_at_a_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
