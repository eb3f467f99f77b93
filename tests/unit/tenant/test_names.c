/* What clients call a project (domains, client_ids), over a real SQLite file: who has a name, who
 * may take it, and what the view costs with many. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/os.h"
#include "tenant/admin.h"

struct place { /* a project */
    struct uuid id;
    char text[UUID_TEXT_LEN + 1], org[UUID_TEXT_LEN + 1];
};
struct fixture {
    char dir[64];
    char path[128];
    struct state *state;
    struct tenant *tenant;
    struct ctx_pool *pool;
    struct ctx *ctx;
    struct place a, b; /* of two organisations; a is the older one */
};

static struct place make_project(struct fixture *f, const char *name)
{
    struct place p;
    struct uuid org;
    assert_int_equal(tenant_org_create(f->ctx, f->tenant, name, NULL, &org, NULL), RC_OK);
    assert_int_equal(tenant_project_create(f->ctx, f->tenant, &org, name, &p.id, NULL), RC_OK);
    uuid_format(&org, p.org);
    uuid_format(&p.id, p.text);
    return p;
}

static int setup(void **state)
{
    struct fixture *f = heap_alloc(HEAP_MISC, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/weir-names-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->dir);
    assert_int_equal(state_open(f->path, &f->state, NULL), RC_OK);
    assert_int_equal(tenant_open(f->state, &f->tenant, NULL), RC_OK);
    f->pool = ctx_pool_new();
    f->ctx = ctx_new_system(f->pool, 1 << 20, "test");
    f->a = make_project(f, "a");
    f->b = make_project(f, "b");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ctx_release(f->ctx);
    ctx_pool_free(f->pool);
    tenant_close(f->tenant);
    state_close(f->state);
    assert_int_equal(os_remove_tree(f->dir, NULL), RC_OK);
    heap_free(f);
    return 0;
}

static enum rc set(struct fixture *f, const struct place *p, const char *patch, struct err *err)
{
    return tenant_update(f->ctx, f->tenant, TENANT_PROJECT, slice_str(p->org), slice_str(p->text),
                         slice_str(patch), err);
}

/* NULL: nobody's. */
static void is_of(struct fixture *f, const char *name, const struct place *p)
{
    struct tenant_view *v = tenant_view_take(f->tenant);
    const struct tenant_project *found = tenant_project_by_name(v, slice_str(name));
    if (!found != !p || (found && memcmp(&found->id, &p->id, sizeof(found->id)) != 0))
        fail_msg("'%s' is of %s", name, found ? found->name : "nobody");
    tenant_view_give(v);
}

static void a_name_finds_its_project_however_it_is_written(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        set(f, &f->a,
            "{\"domains\":[\"shop.example.com\",\"www.second.example\"],\"client_ids\":"
            "[\"6f7c2d1e-0000-4000-8000-000000000001\",\"phc_AbC\",\"G-12AB\","
            "\"www.third.example/blog\"]}",
            NULL),
        RC_OK);
    assert_int_equal(set(f, &f->b, "{\"client_ids\":[\"phc_other\"]}", NULL), RC_OK);
    static const char *const names[] = {
        "shop.example.com",
        "www.shop.example.com",
        "WWW.Shop.Example.COM",
        "second.example",
        "www.second.example",
        "6f7c2d1e-0000-4000-8000-000000000001",
        "6F7C2D1E-0000-4000-8000-000000000001",
        "phc_AbC",
        "G-12AB",
        "third.example/blog",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        is_of(f, names[i], &f->a);
    is_of(f, "phc_other", &f->b);
    static const char *const nobodys[] = {"",
                                          "www.",
                                          "example.com",
                                          "www.www.shop.example.com",
                                          "shop.example.com.",
                                          "shop.example.com ",
                                          "phc_",
                                          "phc_AbCd",
                                          "shop.example.com\nsecond.example"};
    for (size_t i = 0; i < COUNT_OF(nobodys); i++)
        is_of(f, nobodys[i], NULL);
    char huge[1000];
    memset(huge, 'a', sizeof(huge));
    huge[999] = '\0';
    is_of(f, huge, NULL);
}

static void a_name_is_one_project_s_and_nobody_is_told_whose(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    assert_int_equal(set(f, &f->a, "{\"domains\":[\"a.example\"],\"client_ids\":[\"id-1\"]}", NULL),
                     RC_OK);
    static const char *const claims[] = {
        "{\"domains\":[\"a.example\"]}",
        "{\"domains\":[\"b.example\",\"www.a.example\"]}",
        "{\"client_ids\":[\"A.example\"]}",
        "{\"client_ids\":[\"ID-1\"]}",
        "{\"name\":\"taken over\",\"client_ids\":[\"mine\",\"id-1\"]}",
    };
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        err = ERR_INIT;
        assert_int_equal(set(f, &f->b, claims[i], &err), RC_CONFLICT);
        assert_null(strstr(err.text, f->a.text));
        assert_null(strstr(err.text, f->a.org));
    }
    is_of(f, "a.example", &f->a);
    is_of(f, "id-1", &f->a);
    is_of(f, "b.example", NULL); /* nothing of a refused change holds */
    is_of(f, "mine", NULL);
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(tenant_show(f->state, TENANT_PROJECT, slice_str(f->b.org),
                                 slice_str(f->b.text), &out, NULL),
                     RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "\"name\":\"b\""));
    assert_non_null(strstr(buf_cstr(&out), "\"client_ids\":[]"));
    buf_done(&out);
    /* One's own names may be written again, also in the other list, and given up. */
    assert_int_equal(
        set(f, &f->a, "{\"domains\":[],\"client_ids\":[\"id-1\",\"a.example\"]}", NULL), RC_OK);
    is_of(f, "a.example", &f->a);
    assert_int_equal(set(f, &f->a, "{\"client_ids\":[]}", NULL), RC_OK);
    is_of(f, "a.example", NULL);
    assert_int_equal(set(f, &f->b, claims[0], NULL), RC_OK);
    is_of(f, "a.example", &f->b);
}

static void an_archived_project_has_no_names_any_more(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, &f->a, "{\"domains\":[\"a.example\"]}", NULL), RC_OK);
    assert_int_equal(
        tenant_project_archive(f->ctx, f->tenant, slice_str(f->a.org), slice_str(f->a.text), NULL),
        RC_OK);
    is_of(f, "a.example", NULL);
    assert_int_equal(set(f, &f->b, "{\"domains\":[\"a.example\"]}", NULL), RC_OK);
    is_of(f, "a.example", &f->b);
}

static void sql(struct fixture *f, const char *statement, const struct place *p)
{
    assert_int_equal(
        state_run(f->state, statement, &STATE_STR(p->text), p != NULL, NULL, NULL, NULL), RC_OK);
}

/* As it may be in a state from before names were told apart. */
static void of_two_that_have_a_name_the_older_one_is_it(void **state)
{
    struct fixture *f = *state;
    sql(f, "UPDATE projects SET domains = 'x.example' WHERE id = ?1", &f->b);
    sql(f, "UPDATE projects SET client_ids = 'www.X.example' WHERE id = ?1", &f->a);
    assert_int_equal(tenant_reload(f->tenant, NULL), RC_OK);
    is_of(f, "x.example", &f->a);
    sql(f, "UPDATE projects SET client_ids = '' WHERE id = ?1", &f->a);
    sql(f, "UPDATE projects SET domains = 'x.example' WHERE id = ?1", &f->a);
    assert_int_equal(tenant_reload(f->tenant, NULL), RC_OK);
    is_of(f, "x.example", &f->a);
    /* Neither is kept from changing the rest of its names, nor may take one more. */
    assert_int_equal(set(f, &f->a, "{\"domains\":[\"x.example\",\"y.example\"]}", NULL), RC_OK);
    assert_int_equal(set(f, &f->b, "{\"domains\":[\"x.example\",\"y.example\"]}", NULL),
                     RC_CONFLICT);
    assert_int_equal(set(f, &f->b, "{\"domains\":[\"x.example\",\"z.example\"]}", NULL), RC_OK);
    is_of(f, "z.example", &f->b);
    assert_int_equal(set(f, &f->a, "{\"domains\":[\"y.example\"]}", NULL), RC_OK);
    is_of(f, "x.example", &f->b);
}

static void what_is_no_name_is_refused(void **state)
{
    struct fixture *f = *state;
    char patch[400], longest[201], longer[202];
    memset(longest, 'n', 200);
    longest[200] = '\0';
    snprintf(longer, sizeof(longer), "%sn", longest);
    const char *const bad[] = {"",    " ",    "a b",   "a,b",    "a\\nb",    "\\u0000",
                               "\\t", longer, "wk_00", "sk_abc", "a\\u007fb"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = ERR_INIT;
        snprintf(patch, sizeof(patch), "{\"client_ids\":[\"%s\"]}", bad[i]);
        assert_int_equal(set(f, &f->a, patch, &err), RC_INVALID);
        assert_non_null(strstr(err.text, "client_ids"));
    }
    snprintf(patch, sizeof(patch), "{\"client_ids\":[\"%s\",\"b\xc3\xbc\x63her.example\"]}",
             longest);
    assert_int_equal(set(f, &f->a, patch, NULL), RC_OK);
    is_of(f, longest, &f->a);
    is_of(f, "b\xc3\xbc\x63her.example", &f->a);
}

static enum rc read_event(void *ctx, struct slice key, struct slice value)
{
    struct buf *out = ctx;
    (void)key;
    buf_add_slice(out, value);
    buf_add_char(out, '\n');
    return RC_OK;
}

static void a_change_of_names_is_in_the_audit_log_with_both_lists(void **state)
{
    struct fixture *f = *state;
    struct buf out;
    uint32_t count;
    buf_init(&out, 1 << 20);
    assert_int_equal(tenant_outbox_drain(f->state, read_event, &out, &count, NULL), RC_OK);
    buf_clear(&out);
    assert_int_equal(set(f, &f->a, "{\"client_ids\":[\"one\"]}", NULL), RC_OK);
    assert_int_equal(set(f, &f->a, "{\"client_ids\":[\"two\"]}", NULL), RC_OK);
    assert_int_equal(set(f, &f->b, "{\"client_ids\":[\"two\"]}", NULL), RC_CONFLICT);
    assert_int_equal(tenant_outbox_drain(f->state, read_event, &out, &count, NULL), RC_OK);
    assert_int_equal(count, 2);
    const char *second = strchr(buf_cstr(&out), '\n');
    assert_non_null(strstr(second, "\"action\":\"project.update\""));
    const char *before = strstr(second, "\"before\""), *after = strstr(second, "\"after\"");
    assert_non_null(strstr(before, "\"client_ids\":[\"one\"]"));
    assert_true(strstr(before, "\"client_ids\":[\"one\"]") < after);
    assert_non_null(strstr(after, "\"client_ids\":[\"two\"]"));
    buf_done(&out);
}

static void a_body_full_of_names_is_taken(void **state)
{
    struct fixture *f = *state;
    struct buf patch;
    buf_init(&patch, 1 << 20);
    buf_add_str(&patch, "{\"client_ids\":[\"first\"");
    for (int i = 0; patch.len < 60000; i++)
        buf_addf(&patch, ",\"%x\"", i);
    buf_add_str(&patch, ",\"last\"]}");
    assert_int_equal(set(f, &f->a, buf_cstr(&patch), NULL), RC_OK);
    is_of(f, "first", &f->a);
    is_of(f, "1000", &f->a);
    is_of(f, "last", &f->a);
    assert_int_equal(set(f, &f->b, "{\"client_ids\":[\"1000\"]}", NULL), RC_CONFLICT);
    buf_done(&patch);
}

enum { MANY = 10000, NAMES_EACH = 5 };
#define DOMAINS_FORMAT "shop%d.example.com\nwww.blog%d.example.org"
#define IDS_FORMAT "id-a-%d\nid-b-%d\nphc_%dAbCdEfGhIjKlMnOpQrStUvWxYz"
#define NAMES_FORMAT DOMAINS_FORMAT "\n" IDS_FORMAT

static enum rc insert_many(void *arg, struct state *s, struct err *err)
{
    const struct fixture *f = arg;
    char ids[200], domains[100], text[UUID_TEXT_LEN + 1];
    for (int i = 0; i < MANY; i++) {
        struct uuid id = uuid_v7(unix_now());
        snprintf(ids, sizeof(ids), IDS_FORMAT, i, i, i);
        snprintf(domains, sizeof(domains), DOMAINS_FORMAT, i, i);
        TRY(state_run(s,
                      "INSERT INTO projects (id, org_id, name, jwt_secret, hash_key, created_at, "
                      "domains, client_ids) VALUES (?1, ?2, 'p', 'x', ?3, 1, ?4, ?5)",
                      (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_STR(f->a.org),
                                             STATE_BYTES("0123456789abcdef0123456789abcdef", 32),
                                             STATE_STR(domains), STATE_STR(ids)},
                      5, NULL, NULL, err));
    }
    return RC_OK;
}

static void ten_thousand_projects_with_five_names_each(void **state)
{
    struct fixture *f = *state;
    char names[300];
    assert_int_equal(state_transaction(f->state, insert_many, f, NULL), RC_OK);
    uint64_t before = heap_bytes(HEAP_ARENA);
    assert_int_equal(tenant_reload(f->tenant, NULL), RC_OK);
    uint64_t after = heap_bytes(HEAP_ARENA);
    print_message("%llu bytes for %d projects with %d names each\n",
                  (unsigned long long)(after - before), MANY, NAMES_EACH);
    assert_true(after - before < (uint64_t)MANY * (512 + NAMES_EACH * 200));
    struct tenant_view *v = tenant_view_take(f->tenant);
    for (int i = 0; i < MANY; i++) {
        snprintf(names, sizeof(names), NAMES_FORMAT, i, i, i, i, i);
        const struct tenant_project *first = NULL;
        for (struct slice rest = slice_str(names); rest.len;) {
            const struct tenant_project *p = tenant_project_by_name(v, slice_cut(&rest, '\n'));
            assert_non_null(p);
            assert_true(!first || p == first);
            first = p;
        }
    }
    tenant_view_give(v);
    assert_int_equal(set(f, &f->b, "{\"client_ids\":[\"id-a-9999\"]}", NULL), RC_CONFLICT);
    assert_int_equal(set(f, &f->b, "{\"client_ids\":[\"id-a-10000\"]}", NULL), RC_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_finds_its_project_however_it_is_written),
        T(a_name_is_one_project_s_and_nobody_is_told_whose),
        T(an_archived_project_has_no_names_any_more),
        T(of_two_that_have_a_name_the_older_one_is_it),
        T(what_is_no_name_is_refused),
        T(a_change_of_names_is_in_the_audit_log_with_both_lists),
        T(a_body_full_of_names_is_taken),
        T(ten_thousand_projects_with_five_names_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
