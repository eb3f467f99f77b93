/* Stored definitions over a real SQLite file: names, versions, limits, whose they are, and the
 * audit event of each change. */
#include "people_bed.h"

#include "tenant/definition.h"
#include "tenant/tenant_int.h"

struct place {
    struct bed *bed;
    struct ctx_pool *pool;
    struct ctx *ctx;
    char project[UUID_TEXT_LEN + 1], other[UUID_TEXT_LEN + 1];
    struct tenant_definitions where;
};

static void place_open(struct bed *bed, struct place *p)
{
    struct uuid org, project;
    p->bed = bed;
    p->pool = ctx_pool_new();
    p->ctx = ctx_new_system(p->pool, 1 << 20, "anna");
    assert_int_equal(tenant_org_create(p->ctx, bed->tenant, "o", NULL, &org, NULL), RC_OK);
    assert_int_equal(tenant_project_create(p->ctx, bed->tenant, &org, "a", &project, NULL), RC_OK);
    uuid_format(&project, p->project);
    assert_int_equal(tenant_project_create(p->ctx, bed->tenant, &org, "b", &project, NULL), RC_OK);
    uuid_format(&project, p->other);
    p->where = (struct tenant_definitions){slice_str(p->project), SLICE_LIT("anna")};
}

static void place_close(struct place *p)
{
    ctx_release(p->ctx);
    ctx_pool_free(p->pool);
}

static enum rc create(struct place *p, enum tenant_entity entity, const char *object,
                      char ret_id[UUID_TEXT_LEN + 1], struct err *err)
{
    struct uuid id = {{0}};
    *err = ERR_INIT;
    enum rc rc = tenant_definition_create(p->ctx, p->bed->tenant, entity, &p->where,
                                          slice_str(object), &id, err);
    uuid_format(&id, ret_id);
    return rc;
}

static int64_t events(struct place *p)
{
    int64_t n = 0;
    assert_int_equal(
        state_run_i64(p->bed->state, "SELECT count(*) FROM audit_outbox", NULL, 0, &n, NULL),
        RC_OK);
    return n;
}

static void a_change_names_the_version_that_it_was_made_from(void **state)
{
    struct place p;
    struct err err;
    char id[UUID_TEXT_LEN + 1];
    place_open(*state, &p);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"g\",\"filters\":[[1]]}", id, &err),
                     RC_OK);
    int64_t before = events(&p);
    struct tenant *t = p.bed->tenant;
    const struct slice patch = SLICE_LIT("{\"name\":\"h\"}");
    assert_int_equal(
        tenant_definition_update(p.ctx, t, TENANT_GOAL, &p.where, slice_str(id), 2, patch, &err),
        RC_STALE);
    assert_int_equal(events(&p), before);
    assert_int_equal(
        tenant_definition_update(p.ctx, t, TENANT_GOAL, &p.where, slice_str(id), 1, patch, &err),
        RC_OK);
    assert_int_equal(
        tenant_definition_remove(p.ctx, t, TENANT_GOAL, &p.where, slice_str(id), 1, &err),
        RC_STALE);
    assert_int_equal(events(&p), before + 1);
    const struct tenant_definitions elsewhere = {slice_str(p.other), SLICE_LIT("anna")};
    assert_int_equal(
        tenant_definition_update(p.ctx, t, TENANT_GOAL, &elsewhere, slice_str(id), 0, patch, &err),
        RC_NOTFOUND);
    assert_int_equal(
        tenant_definition_remove(p.ctx, t, TENANT_GOAL, &elsewhere, slice_str(id), 0, &err),
        RC_NOTFOUND);
    assert_int_equal(
        tenant_definition_remove(p.ctx, t, TENANT_GOAL, &p.where, slice_str(id), 0, &err), RC_OK);
    place_close(&p);
}

static void a_name_is_taken_once_in_a_project(void **state)
{
    struct place p;
    struct err err;
    char id[UUID_TEXT_LEN + 1];
    place_open(*state, &p);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"g\"}", id, &err), RC_OK);
    int64_t before = events(&p);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"g\"}", id, &err), RC_EXISTS);
    assert_int_equal(events(&p), before);
    assert_int_equal(create(&p, TENANT_SEGMENT, "{\"name\":\"g\"}", id, &err), RC_OK);
    p.where.project = slice_str(p.other);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"g\"}", id, &err), RC_OK);
    place_close(&p);
}

static void what_is_found_by_name_is_ones_own_first(void **state)
{
    struct place p;
    struct err err;
    char shared[UUID_TEXT_LEN + 1], own[UUID_TEXT_LEN + 1];
    place_open(*state, &p);
    assert_int_equal(create(&p, TENANT_SEGMENT, "{\"name\":\"s\"}", shared, &err), RC_OK);
    assert_int_equal(
        create(&p, TENANT_SEGMENT, "{\"name\":\"s\",\"visibility\":\"personal\"}", own, &err),
        RC_OK);
    static const char *const viewers[] = {"anna", "bert"};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buf_done) struct buf out;
        buf_init(&out, 1 << 16);
        p.where.viewer = slice_str(viewers[i]);
        assert_int_equal(tenant_definition_find(p.bed->state, TENANT_SEGMENT, &p.where,
                                                SLICE_LIT("s"), &out, &err),
                         RC_OK);
        assert_non_null(strstr(buf_cstr(&out), i == 0 ? own : shared));
        buf_clear(&out);
        assert_int_equal(tenant_definition_show(p.bed->state, TENANT_SEGMENT, &p.where,
                                                slice_str(own), &out, &err),
                         i == 0 ? RC_OK : RC_NOTFOUND);
    }
    place_close(&p);
}

/* All but one, in one transaction. */
static enum rc fill(void *arg, struct state *s, struct err *err)
{
    const struct place *p = arg;
    for (int i = 1; i < DEFINITIONS_MAX; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%08d", i);
        TRY(state_run(s,
                      "INSERT INTO goals (id, project_id, name, created_at, created_by, "
                      "updated_at) VALUES (?1, ?2, ?1, 0, '', 0)",
                      (struct state_value[]){STATE_STR(id), STATE_STR(p->project)}, 2, NULL, NULL,
                      err));
    }
    return RC_OK;
}

static void there_are_no_more_than_so_many(void **state)
{
    struct place p;
    struct err err;
    char id[UUID_TEXT_LEN + 1];
    place_open(*state, &p);
    assert_int_equal(state_transaction(p.bed->state, fill, &p, &err), RC_OK);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"the last\"}", id, &err), RC_OK);
    assert_int_equal(create(&p, TENANT_GOAL, "{\"name\":\"one more\"}", id, &err), RC_CONFLICT);
    assert_int_equal(create(&p, TENANT_SEGMENT, "{\"name\":\"another\"}", id, &err), RC_OK);
    CLEANUP(buf_done) struct buf page;
    buf_init(&page, 1 << 20);
    assert_int_equal(
        tenant_definition_list(p.bed->state, TENANT_GOAL, &p.where, SLICE_EMPTY, &page, &err),
        RC_OK);
    assert_null(strstr(buf_cstr(&page), "\"next\":null"));
    place_close(&p);
}

static void listed(struct place *p, const char *name, bool by_user, struct slice ids, uint32_t n)
{
    struct uuid id;
    const struct tenant_people people = {
        .count_by = by_user ? "users" : "visitors", .count = n, .ids = ids};
    assert_int_equal(tenant_cohort_create(p->ctx, p->bed->tenant, &p->where, slice_str(name),
                                          &people, &id, NULL),
                     RC_OK);
}

static int64_t number(struct place *p, const char *sql)
{
    int64_t n = -1;
    assert_int_equal(state_run_i64(p->bed->state, sql, NULL, 0, &n, NULL), RC_OK);
    return n;
}

static void who_is_erased_is_in_no_list_any_more(void **state)
{
    struct place p;
    struct err err;
    uint32_t count;
    place_open(*state, &p);
    listed(&p, "one", true, SLICE_LIT("u1\0u2\0u22"), 3);
    listed(&p, "other", true, SLICE_LIT("u22\0u3"), 2);
    listed(&p, "only", true, SLICE_LIT("u2"), 1);
    listed(&p, "visitors", false, SLICE_LIT("2\0u2"), 2);
    p.where.project = slice_str(p.other);
    listed(&p, "elsewhere", true, SLICE_LIT("u2"), 1);
    assert_int_equal(tenant_cohorts_forget(p.bed->state, slice_str(p.project), true,
                                           SLICE_LIT("u2"), &count, &err),
                     RC_OK);
    assert_int_equal(count, 2);
    assert_int_equal(number(&p, "SELECT size FROM cohorts WHERE name = 'one'"), 2);
    assert_int_equal(number(&p, "SELECT length(members) FROM cohort_lists WHERE id = (SELECT "
                                "list_id FROM cohorts WHERE name = 'one')"),
                     strlen("u1") + 1 + strlen("u22"));
    assert_int_equal(number(&p, "SELECT size FROM cohorts WHERE name = 'only'"), 0);
    assert_int_equal(number(&p, "SELECT size FROM cohorts WHERE name = 'elsewhere'"), 1);
    assert_int_equal(number(&p, "SELECT count(*) FROM cohort_lists"), 5); /* no old ones */
    assert_int_equal(number(&p, "SELECT version FROM cohorts WHERE name = 'other'"), 1);
    assert_int_equal(tenant_cohorts_forget(p.bed->state, slice_str(p.project), true,
                                           SLICE_LIT("u2"), &count, &err),
                     RC_OK);
    assert_int_equal(count, 0);
    place_close(&p);
}

static void what_cannot_be_kept_is_refused_by_name(void **state)
{
    struct place p;
    struct err err;
    char id[UUID_TEXT_LEN + 1];
    place_open(*state, &p);
    static const struct {
        enum tenant_entity entity;
        const char *object, *part;
    } table[] = {
        {TENANT_GOAL, "{\"name\":\"\"}", "1 to"},
        {TENANT_GOAL, "{\"name\":\"01a216c1-4ce4-7326-ac76-89a495eec5c0\"}", "like an id"},
        {TENANT_GOAL, "{\"id\":\"x\"}", "\"id\" cannot be set"},
        {TENANT_GOAL, "{\"version\":7}", "\"version\" cannot be set"},
        {TENANT_GOAL, "{\"name\":\"x\",\"filters\":[\"\\u0000\"]}", "filters"},
        {TENANT_SEGMENT, "{\"name\":\"x\",\"visibility\":\"mine\"}", "visibility"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(create(&p, table[i].entity, table[i].object, id, &err), RC_INVALID);
        assert_non_null(strstr(err.text, table[i].part));
    }
    place_close(&p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_change_names_the_version_that_it_was_made_from),
        TEST(a_name_is_taken_once_in_a_project),
        TEST(what_is_found_by_name_is_ones_own_first),
        TEST(there_are_no_more_than_so_many),
        TEST(who_is_erased_is_in_no_list_any_more),
        TEST(what_cannot_be_kept_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
