/* Shared links over a real SQLite file: links and visits as the edge finds them. */
#include "people_bed.h"

#include "tenant/share.h"

struct place {
    struct bed *bed;
    struct ctx_pool *pool;
    struct ctx *ctx;
    struct uuid org, project;
    char org_text[UUID_TEXT_LEN + 1], project_text[UUID_TEXT_LEN + 1];
    struct tenant_definitions where;
};

static void place_open(struct bed *bed, struct place *p)
{
    p->bed = bed;
    p->pool = ctx_pool_new();
    p->ctx = ctx_new_system(p->pool, 1 << 20, "anna");
    assert_int_equal(tenant_org_create(p->ctx, bed->tenant, "o", NULL, &p->org, NULL), RC_OK);
    assert_int_equal(tenant_project_create(p->ctx, bed->tenant, &p->org, "a", &p->project, NULL),
                     RC_OK);
    uuid_format(&p->org, p->org_text);
    uuid_format(&p->project, p->project_text);
    p->where = (struct tenant_definitions){slice_str(p->project_text), SLICE_LIT("anna")};
}

static void place_close(struct place *p)
{
    ctx_release(p->ctx);
    ctx_pool_free(p->pool);
}

static void create(struct place *p, const char *object,
                   const struct tenant_share_password *password, char ret_id[UUID_TEXT_LEN + 1])
{
    struct uuid id;
    struct err err = ERR_INIT;
    assert_int_equal(tenant_share_create(p->ctx, p->bed->tenant, &p->where, slice_str(object),
                                         password, &id, &err),
                     RC_OK);
    uuid_format(&id, ret_id);
}

static enum rc take_link(void *ret, const struct state_row *row)
{
    struct slice text = state_row_text(row, 0);
    assert_int_equal(text.len, SHARE_LINK_LEN);
    memcpy(ret, text.data, text.len + 1);
    return RC_OK;
}

struct link {
    char text[SHARE_LINK_LEN + 1];
};
static struct link link_of(struct place *p, const char *id)
{
    struct link link = {.text = ""};
    assert_int_equal(state_run(p->bed->state, "SELECT link FROM shares WHERE id = ?1",
                               &STATE_STR(id), 1, take_link, link.text, NULL),
                     RC_OK);
    return link;
}

static bool link_works(struct place *p, struct link link, unix_ms now)
{
    struct tenant_view *v = tenant_view_take(p->bed->tenant);
    bool works = tenant_share_by_link(v, slice_str(link.text), now) != NULL;
    tenant_view_give(v);
    return works;
}

struct visit {
    char text[SHARE_VISIT_LEN + 1];
};
static struct visit begin(struct place *p, struct link link, unix_ms now)
{
    struct visit visit;
    struct tenant_view *v = tenant_view_take(p->bed->tenant);
    const struct tenant_share *s = tenant_share_by_link(v, slice_str(link.text), now);
    assert_non_null(s);
    assert_int_equal(tenant_share_begin(s, now, visit.text).ms,
                     now.ms + SHARE_VISIT_HOURS * INT64_C(3600000));
    assert_int_equal(strlen(visit.text), SHARE_VISIT_LEN);
    tenant_view_give(v);
    return visit;
}

static bool visit_works(struct place *p, struct visit visit, unix_ms now)
{
    struct tenant_view *v = tenant_view_take(p->bed->tenant);
    const struct tenant_share *s = tenant_share_by_visit(v, slice_str(visit.text), now);
    if (s)
        assert_memory_equal(&s->project->id, &p->project, sizeof(p->project));
    tenant_view_give(v);
    return s != NULL;
}

static void a_link_begins_visits_that_end_after_half_a_day(void **state)
{
    struct place p;
    char ids[20][UUID_TEXT_LEN + 1];
    const unix_ms now = {INT64_C(1764000000000)};
    const int64_t last_ms = SHARE_VISIT_HOURS * INT64_C(3600000) - 1;
    place_open(*state, &p);
    for (int i = 0; i < 20; i++) {
        char object[40];
        snprintf(object, sizeof(object), "{\"name\":\"s%d\"}", i);
        create(&p, object, NULL, ids[i]);
    }
    for (int i = 0; i < 20; i++) {
        struct link link = link_of(&p, ids[i]);
        struct visit visit = begin(&p, link, now);
        assert_true(visit_works(&p, visit, now));
        assert_true(visit_works(&p, visit, (unix_ms){now.ms + last_ms}));
        assert_false(visit_works(&p, visit, (unix_ms){now.ms + last_ms + 1}));
        link.text[10] = link.text[10] == 'a' ? 'b' : 'a';
        assert_false(link_works(&p, link, now));
    }
    place_close(&p);
}

static void nobody_makes_a_visit_of_another_one(void **state)
{
    struct place p;
    char one[UUID_TEXT_LEN + 1], two[UUID_TEXT_LEN + 1];
    const unix_ms now = {INT64_C(1764000000000)};
    place_open(*state, &p);
    create(&p, "{\"name\":\"one\"}", NULL, one);
    create(&p, "{\"name\":\"two\"}", NULL, two);
    const struct visit a = begin(&p, link_of(&p, one), now), b = begin(&p, link_of(&p, two), now);
    for (size_t i = 0; i < SHARE_VISIT_LEN; i++) { /* any character is another: id, end, mac */
        struct visit changed = a;
        changed.text[i] = changed.text[i] == 'A' ? 'B' : 'A';
        assert_false(visit_works(&p, changed, now));
    }
    struct visit mixed = a; /* the id of the one, the signature of the other */
    memcpy(mixed.text + 40, b.text + 40, SHARE_VISIT_LEN - 40);
    assert_false(visit_works(&p, mixed, now));
    mixed = a;
    mixed.text[SHARE_VISIT_LEN - 1] = '\0';
    assert_false(visit_works(&p, mixed, now));
    place_close(&p);
}

static void what_is_revoked_expired_or_archived_is_refused_at_once(void **state)
{
    struct place p;
    char id[UUID_TEXT_LEN + 1];
    const unix_ms now = {INT64_C(1764000000000)}; /* 2025-11-24 */
    struct err err = ERR_INIT;
    place_open(*state, &p);
    struct tenant *t = p.bed->tenant;
    create(&p, "{\"name\":\"a\",\"expires_at\":\"2025-11-25T00:00:00Z\"}", NULL, id);
    struct link link = link_of(&p, id);
    struct visit visit = begin(&p, link, now);
    const unix_ms end = {INT64_C(1764028800000)};
    assert_true(visit_works(&p, visit, (unix_ms){end.ms - 1}));
    assert_false(visit_works(&p, visit, end));
    assert_false(link_works(&p, link, end));
    create(&p, "{\"name\":\"b\"}", NULL, id);
    link = link_of(&p, id);
    visit = begin(&p, link, now);
    assert_int_equal(tenant_share_remove(p.ctx, t, &p.where, slice_str(id), 0, &err), RC_OK);
    assert_false(visit_works(&p, visit, now));
    assert_false(link_works(&p, link, now));
    create(&p, "{\"name\":\"c\"}", NULL, id);
    link = link_of(&p, id);
    visit = begin(&p, link, now);
    assert_int_equal(
        tenant_project_archive(p.ctx, t, slice_str(p.org_text), slice_str(p.project_text), &err),
        RC_OK);
    assert_false(visit_works(&p, visit, now));
    assert_false(link_works(&p, link, now));
    place_close(&p);
}

static void another_password_ends_the_visits_of_the_first(void **state)
{
    struct place p;
    char id[UUID_TEXT_LEN + 1];
    const unix_ms now = {INT64_C(1764000000000)};
    struct err err = ERR_INIT;
    place_open(*state, &p);
    struct tenant *t = p.bed->tenant;
    const struct tenant_share_password first = {bed_hash_of_password()}, none = {NULL};
    create(&p, "{\"name\":\"a\"}", &first, id);
    struct visit visit = begin(&p, link_of(&p, id), now);
    assert_int_equal(tenant_share_update(p.ctx, t, &p.where, slice_str(id), 0,
                                         SLICE_LIT("{\"name\":\"b\"}"), NULL, &err),
                     RC_OK);
    assert_true(visit_works(&p, visit, now)); /* nothing was said of it */
    assert_int_equal(
        tenant_share_update(p.ctx, t, &p.where, slice_str(id), 0, SLICE_LIT("{}"), &first, &err),
        RC_OK);
    assert_false(visit_works(&p, visit, now));
    visit = begin(&p, link_of(&p, id), now);
    assert_int_equal(
        tenant_share_update(p.ctx, t, &p.where, slice_str(id), 0, SLICE_LIT("{}"), &none, &err),
        RC_OK);
    assert_false(visit_works(&p, visit, now));
    place_close(&p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_link_begins_visits_that_end_after_half_a_day),
        TEST(nobody_makes_a_visit_of_another_one),
        TEST(what_is_revoked_expired_or_archived_is_refused_at_once),
        TEST(another_password_ends_the_visits_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
