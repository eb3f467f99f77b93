/* Projects and keys over a real SQLite file: looked up, revoked, seen by another process's view. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/os.h"
#include "tenant/admin.h"

struct fixture {
    char dir[64];
    char path[128];
    struct state *state;
    struct tenant *tenant;
};

static int setup(void **state)
{
    struct fixture *f = heap_alloc(HEAP_MISC, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/weir-tenant-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->dir);
    assert_int_equal(state_open(f->path, &f->state, NULL), RC_OK);
    assert_int_equal(tenant_open(f->state, &f->tenant, NULL), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tenant_close(f->tenant);
    state_close(f->state);
    assert_int_equal(os_remove_tree(f->dir, NULL), RC_OK);
    heap_free(f);
    return 0;
}

static struct uuid make_project(struct fixture *f, const char *name)
{
    struct uuid org, project;
    if (tenant_org_first(f->tenant, &org, NULL) != RC_OK)
        assert_int_equal(tenant_org_create(f->tenant, "o", &org, NULL), RC_OK);
    assert_int_equal(tenant_project_create(f->tenant, &org, name, &project, NULL), RC_OK);
    return project;
}

static bool finds(struct tenant *t, const char *key, enum tenant_key_kind kind,
                  const struct uuid *project)
{
    struct tenant_view *v = tenant_view_take(t);
    const struct tenant_project *p = tenant_by_key(v, slice_str(key), kind);
    bool is_found = p && memcmp(&p->id, project, sizeof(*project)) == 0;
    tenant_view_give(v);
    return is_found;
}

static void keys_find_their_project_only(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), b = make_project(f, "b");
    struct tenant_key write_a, secret_a, write_b;
    assert_int_equal(tenant_key_create(f->tenant, &a, TENANT_KEY_WRITE, "k", &write_a, NULL),
                     RC_OK);
    assert_int_equal(tenant_key_create(f->tenant, &a, TENANT_KEY_SECRET, "k", &secret_a, NULL),
                     RC_OK);
    assert_int_equal(tenant_key_create(f->tenant, &b, TENANT_KEY_WRITE, "k", &write_b, NULL),
                     RC_OK);
    assert_true(finds(f->tenant, write_a.text, TENANT_KEY_WRITE, &a));
    assert_true(finds(f->tenant, write_b.text, TENANT_KEY_WRITE, &b));
    assert_true(finds(f->tenant, secret_a.text, TENANT_KEY_SECRET, &a));
    assert_false(finds(f->tenant, write_a.text, TENANT_KEY_SECRET, &a));
    assert_false(finds(f->tenant, secret_a.text, TENANT_KEY_WRITE, &a));
    assert_false(finds(f->tenant, "wk_00000000000000000000000000000000", TENANT_KEY_WRITE, &a));
    assert_false(finds(f->tenant, "", TENANT_KEY_WRITE, &a));
}

static void revoked_keys_are_gone(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct tenant_key k;
    assert_int_equal(tenant_key_create(f->tenant, &a, TENANT_KEY_SECRET, "k", &k, NULL), RC_OK);
    assert_int_equal(tenant_key_revoke(f->tenant, slice_str(k.text), NULL), RC_OK);
    assert_false(finds(f->tenant, k.text, TENANT_KEY_SECRET, &a));
    assert_int_equal(tenant_key_revoke(f->tenant, slice_str(k.text), NULL), RC_NOTFOUND);
}

static void many_keys_stay_findable(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 300 };
    static struct tenant_key keys[KEYS];
    struct uuid a = make_project(f, "a");
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(tenant_key_create(f->tenant, &a, TENANT_KEY_WRITE, "k", &keys[i], NULL),
                         RC_OK);
    for (int i = 0; i < KEYS; i++)
        assert_true(finds(f->tenant, keys[i].text, TENANT_KEY_WRITE, &a));
}

static void another_connection_s_change_is_seen(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct state *other_state;
    struct tenant *other;
    struct tenant_key k;
    assert_int_equal(state_open(f->path, &other_state, NULL), RC_OK);
    assert_int_equal(tenant_open(other_state, &other, NULL), RC_OK);
    assert_int_equal(tenant_key_create(other, &a, TENANT_KEY_WRITE, "k", &k, NULL), RC_OK);
    mono_ns deadline =
        mono_add_ms(mono_now(), 30000); /* promised: a second; the machine may be slow */
    while (!finds(f->tenant, k.text, TENANT_KEY_WRITE, &a) && mono_is_before(mono_now(), deadline))
        sleep_ms(20);
    assert_true(finds(f->tenant, k.text, TENANT_KEY_WRITE, &a));
    tenant_close(other);
    state_close(other_state);
}

static void a_view_outlives_its_replacement(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "first");
    struct tenant_view *v = tenant_view_take(f->tenant);
    const struct tenant_project *p = tenant_by_id(v, &a);
    assert_non_null(p);
    make_project(f, "second");
    make_project(f, "third");
    assert_string_equal(p->name, "first");
    tenant_view_give(v);
}

static void no_secret_key_is_in_the_file(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct tenant_key k;
    struct buf all;
    assert_int_equal(tenant_key_create(f->tenant, &a, TENANT_KEY_SECRET, "k", &k, NULL), RC_OK);
    const char *const names[] = {"state.db", "state.db-wal"};
    for (int i = 0; i < 2; i++) {
        char path[256];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        buf_init(&all, 64 << 20);
        if (os_exists(path)) {
            assert_int_equal(os_read_file(path, &all, NULL), RC_OK);
            assert_null(memmem(all.data, all.len, k.text, strlen(k.text)));
            assert_int_equal(stat(path, &st), 0);
            assert_int_equal(st.st_mode & 077, 0);
        }
        buf_done(&all);
    }
}

static void bad_names_are_refused(void **state)
{
    struct fixture *f = *state;
    struct uuid org, project = make_project(f, "a");
    struct err err = ERR_INIT;
    struct tenant_key k;
    assert_int_equal(tenant_org_create(f->tenant, "", &org, &err), RC_INVALID);
    assert_int_equal(tenant_org_create(f->tenant, "a\nb", &org, &err), RC_INVALID);
    assert_int_equal(tenant_key_create(f->tenant, &project, TENANT_KEY_WRITE, "", &k, &err),
                     RC_INVALID);
    struct uuid nobody = uuid_v7(unix_now());
    assert_int_equal(tenant_key_create(f->tenant, &nobody, TENANT_KEY_WRITE, "k", &k, &err),
                     RC_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_find_their_project_only, setup, teardown),
        cmocka_unit_test_setup_teardown(revoked_keys_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(many_keys_stay_findable, setup, teardown),
        cmocka_unit_test_setup_teardown(another_connection_s_change_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_outlives_its_replacement, setup, teardown),
        cmocka_unit_test_setup_teardown(no_secret_key_is_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_names_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
