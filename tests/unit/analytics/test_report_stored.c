/* Questions that name what is stored, over a source in memory: put off without one, replaced with
 * one, and told with both places when something is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/report/report_int.h"

static struct arena arena;
static struct report report;
static uint32_t finds;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024, 16 << 20);
    return 0;
}

static int end_arena(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct {
    enum stored_kind kind;
    const char *name, *object;
} things[] = {
    {STORED_SEGMENT, "DACH", "{\"id\":\"s1\",\"filters\":[[\"is\",\"country\",[\"DE\",\"AT\"]]]}"},
    {STORED_SEGMENT, "bad",
     "{\"id\":\"s2\",\"filters\":[[\"exists\",\"user\"],[\"is\",\"x\",[1]]]}"},
    {STORED_SEGMENT, "outer", "{\"id\":\"s3\",\"filters\":[[\"not\",[\"segment\",\"DACH\"]]]}"},
    {STORED_SEGMENT, "round", "{\"id\":\"s4\",\"filters\":[[\"segment\",\"round\"]]}"},
    {STORED_SEGMENT, "visits", "{\"id\":\"s5\",\"filters\":[[\"is\",\"source\",[\"Google\"]]]}"},
    {STORED_COHORT, "active",
     "{\"id\":\"c1\",\"count_by\":\"users\",\"conditions\":[{\"did\":{\"goal\":\"paid\"},\"at_"
     "least\":3,"
     "\"days\":30}]}"},
    {STORED_COHORT, "listed",
     "{\"id\":\"c2\",\"count_by\":\"users\",\"conditions\":null,\"list_id\":\"l1\",\"size\":2}"},
    {STORED_COHORT, "buyers",
     "{\"id\":\"c3\",\"count_by\":\"persons\",\"conditions\":[{\"did\":{\"event\":\"buy\"}}]}"},
    {STORED_COHORT, "snapped",
     "{\"id\":\"c4\",\"count_by\":\"persons\",\"conditions\":null,\"list_id\":\"l2\",\"size\":2}"},
    {STORED_GOAL, "paid",
     "{\"id\":\"g1\",\"filters\":[[\"is\",\"event\",[\"buy\"]]],\"revenue\":{\"property\":"
     "\"property:amount\",\"currency\":\"EUR\"}}"},
};

static enum rc find(void *ctx, const struct stored_where *where, enum stored_kind kind,
                    struct slice name, struct buf *out, struct err *err)
{
    (void)ctx;
    finds++;
    assert_true(slice_eq_str(where->project, "p") && slice_eq_str(where->viewer, "v"));
    if (slice_eq_str(name, "broken"))
        return err_set(err, RC_IO, "the disk is gone");
    for (size_t i = 0; i < COUNT_OF(things); i++) {
        if (things[i].kind == kind && slice_eq_str(name, things[i].name)) {
            buf_add_str(out, things[i].object);
            return RC_OK;
        }
    }
    return err_set(err, RC_NOTFOUND, "nothing");
}

static const char *all_goals = "[]";
static enum rc all(void *ctx, const struct stored_where *where, enum stored_kind kind,
                   struct buf *out, struct err *err)
{
    (void)ctx;
    (void)where;
    (void)err;
    assert_int_equal(kind, STORED_GOAL);
    buf_add_str(out, all_goals);
    return RC_OK;
}

static const struct stored_source source = {.find = find, .all = all};
static const struct stored_lookup lookup = {.source = &source,
                                            .where = {SLICE_LIT("p"), SLICE_LIT("v")}};

static bool parse(const char *members, const struct stored_lookup *l)
{
    char body[2000];
    snprintf(body, sizeof(body), "{\"metrics\":[\"visitors\"],\"date_range\":\"7d\",%s}", members);
    arena_reset(&arena);
    return report_parse(&report, &arena, slice_str(body), l);
}

static const char *statement(void)
{
    static struct buf sql;
    buf_done(&sql);
    buf_init(&sql, 1 << 20);
    report_main_sql(&report, &sql);
    return buf_cstr(&sql);
}

static void without_a_source_a_question_is_put_off_and_no_other(void **state)
{
    (void)state;
    assert_false(parse("\"filters\":[[\"segment\",\"DACH\"]]", NULL));
    assert_true(report.needs_lookup && report.err.rc == RC_AGAIN);
    assert_false(parse("\"goal\":\"paid\"", NULL));
    assert_true(report.needs_lookup);
    assert_false(parse("\"filters\":[[\"segment\"]]", NULL)); /* a mistake whatever is stored */
    assert_true(!report.needs_lookup && report.err.rc == RC_INVALID);
    assert_true(parse("\"filters\":[[\"is\",\"country\",[\"DE\"]]]", NULL));
}

static void a_name_becomes_what_it_stands_for(void **state)
{
    (void)state;
    char spelled[8000];
    assert_true(parse("\"filters\":[[\"and\",[[\"is\",\"country\",[\"DE\",\"AT\"]]]]]", NULL));
    snprintf(spelled, sizeof(spelled), "%s", statement());
    assert_true(parse("\"filters\":[[\"segment\",\"DACH\"]]", &lookup));
    assert_string_equal(statement(), spelled);
    assert_int_equal(report.filter_nodes, 2);
    assert_true(parse("\"filters\":[[\"segment\",\"visits\"]]", &lookup));
    assert_int_equal(report.scope, SCOPE_VISIT); /* a field's scope comes through */
    assert_false(parse("\"filters\":[[\"has_done\",[\"segment\",\"visits\"]]]", &lookup));
    assert_non_null(strstr(report.err.text, "events"));
}

static void a_goal_by_name_or_id_brings_its_worth(void **state)
{
    (void)state;
    static const char *const ways[] = {"\"goal\":\"paid\"", "\"goal\":{\"id\":\"paid\"}"};
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        assert_true(parse(ways[i], &lookup));
        assert_non_null(report.goal);
        assert_true(report.worth.is_known);
    }
    assert_true(parse("\"goal\":[[\"is\",\"event\",[\"buy\"]]]", NULL));
    assert_false(report.worth.is_known);
    assert_false(parse("\"goal\":{\"name\":\"paid\"}", &lookup));
    assert_non_null(strstr(report.err.text, "/goal: has no member 'name'"));
}

static void a_mistake_behind_a_name_is_told_with_both_places(void **state)
{
    (void)state;
    static const struct {
        const char *filters, *text;
    } table[] = {
        {"[[\"segment\",\"nobody\"]]", "/filters/0/1: there is no segment 'nobody'"},
        {"[[\"segment\",7]]", "/filters/0/1: give a text"},
        {"[[\"not\",[\"segment\",\"bad\"]]]", "/filters/0/1/1 (segment 'bad')/filters/1/1: 'x' is"},
        {"[[\"segment\",\"round\"]]",
         "/filters/0/1 (segment 'round')/filters/0: filters go deeper"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char members[200];
        snprintf(members, sizeof(members), "\"filters\":%s", table[i].filters);
        assert_false(parse(members, &lookup));
        assert_int_equal(report.err.rc, RC_INVALID);
        assert_memory_equal(report.err.text, table[i].text, strlen(table[i].text));
    }
    assert_false(parse("\"filters\":[[\"segment\",\"broken\"]]", &lookup));
    assert_int_equal(report.err.rc, RC_IO); /* not the client's fault */
    finds = 0;
    assert_false(parse("\"filters\":[[\"segment\",\"round\"]]", &lookup));
    assert_true(finds < REPORT_FILTERS_MAX); /* a circle ends by itself */
}

static void a_cohort_is_a_set_of_whoever_it_counts(void **state)
{
    (void)state;
    assert_true(parse("\"filters\":[[\"not\",[\"cohort\",\"active\"]],[\"is\",\"source\",[\"x\"]]]",
                      &lookup));
    assert_non_null(strstr(statement(),
                           "(user_id != '' AND (user_id IN (SELECT user_id FROM $EVENTS "
                           "AND kind = '' AND bot = '' AND"));
    assert_null(strstr(statement(), "person"));
    assert_int_equal(report.scope, SCOPE_VISIT); /* what it asks of events is its own affair */
    assert_int_equal(report.list_count, 0);
    assert_true(parse("\"filters\":[[\"cohort\",\"listed\"]],\"bots\":\"include\"", &lookup));
    assert_non_null(strstr(
        statement(), "user_id IN (SELECT member AS actor FROM $MEMBERS AND list = {p0:String})"));
    assert_int_equal(report.list_count, 1);
    assert_true(slice_eq_str(report.lists[0].id, "l1") && report.lists[0].size == 2);
    assert_true(parse("\"filters\":[[\"cohort\",\"buyers\"]]", &lookup));
    assert_true(report.needs_person && !report.by_person);
    assert_non_null(strstr(statement(), "(person != 0 AND (person IN (SELECT person FROM (SELECT "
                                        "b.*, if(i.hash != 0, i.person, b.own) AS person FROM"));
    assert_true(parse("\"filters\":[[\"cohort\",\"snapped\"]]", &lookup));
    assert_non_null(strstr(statement(), "person IN (SELECT if(i.hash != 0, i.person, m.kept)"));
    assert_false(parse("\"filters\":[[\"cohort\",\"nobody\"]]", &lookup));
    assert_memory_equal(report.err.text, "/filters/0/1: there is no cohort", 32);
}

static void all_goals_are_a_dimension_of_a_breakdown(void **state)
{
    (void)state;
    const char *question = "\"dimensions\":[\"goal\"]";
    assert_false(parse(question, NULL));
    assert_true(report.needs_lookup);
    assert_false(parse(question, &lookup));
    assert_memory_equal(report.err.text, "/dimensions/0: there are 0 stored goals", 39);
    all_goals = "[{\"id\":\"1\",\"name\":\"A'\",\"filters\":[[\"is\",\"event\",[\"a\"]]]},"
                "{\"id\":\"2\",\"name\":\"B\",\"filters\":[[\"segment\",\"DACH\"]]}]";
    assert_true(parse(question, &lookup));
    assert_int_equal(report.filter_nodes, 0);
    assert_non_null(strstr(statement(), "arrayJoin(arrayDistinct(arrayFilter(g -> g != '', [if("));
    assert_null(strstr(statement(), "A'"));
    assert_true(slice_eq_str(report.params[report.goals->name].value, "A'"));
    assert_false(parse("\"filters\":[[\"is\",\"goal\",[\"B\"]]]", &lookup));
    assert_memory_equal(report.err.text, "/filters/0/1: ", 14);
    all_goals = "[{\"id\":\"1\",\"name\":\"A\",\"filters\":[[\"is\",\"gone\",[\"a\"]]]}]";
    assert_false(parse(question, &lookup));
    assert_memory_equal(report.err.text, "/dimensions/0 (goal 'A')/filters/0/1: ", 38);
    all_goals = "[]";
}

static enum rc check(enum stored_kind kind, const char *object, const char *self, struct err *err)
{
    struct stored_lookup l = lookup;
    yyjson_val *root;
    l.self = slice_str(self);
    *err = ERR_INIT;
    arena_reset(&arena);
    assert_int_equal(json_parse(&arena, slice_str(object), &root, NULL), RC_OK);
    return stored_check(kind, root, &l, &arena, err);
}

static void what_is_saved_must_not_hold_itself(void **state)
{
    (void)state;
    struct err err;
    const char *object = "{\"filters\":[[\"segment\",\"outer\"]]}";
    assert_int_equal(check(STORED_SEGMENT, object, "", &err), RC_OK);
    assert_int_equal(check(STORED_SEGMENT, object, "s3", &err), RC_INVALID);
    assert_int_equal(check(STORED_SEGMENT, object, "s1", &err), RC_INVALID); /* two steps away */
    assert_string_equal(err.text, "/filters/0/1 (segment 'outer')/filters/0/1/1: it would come to "
                                  "hold itself");
    assert_int_equal(check(STORED_SEGMENT, object, "s9", &err), RC_OK);
}

static void what_is_saved_can_be_used(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(check(STORED_GOAL, "{\"name\":\"x\"}", "", &err), RC_OK); /* a patch */
    assert_int_equal(check(STORED_GOAL, "{\"filters\":{}}", "", &err), RC_INVALID);
    assert_int_equal(check(STORED_GOAL, "{\"filters\":[[\"is\",\"nothing\",[1]]]}", "", &err),
                     RC_INVALID);
    assert_memory_equal(err.text, "/filters/0/1: ", 14);
    assert_int_equal(check(STORED_GOAL, "{\"revenue\":null}", "", &err), RC_OK);
    assert_int_equal(check(STORED_GOAL,
                           "{\"revenue\":{\"property\":\"property:a\",\"currency\":\"EU\"}}", "",
                           &err),
                     RC_INVALID);
    assert_memory_equal(err.text, "/revenue/currency: ", 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_source_a_question_is_put_off_and_no_other),
        cmocka_unit_test(a_name_becomes_what_it_stands_for),
        cmocka_unit_test(a_goal_by_name_or_id_brings_its_worth),
        cmocka_unit_test(a_mistake_behind_a_name_is_told_with_both_places),
        cmocka_unit_test(a_cohort_is_a_set_of_whoever_it_counts),
        cmocka_unit_test(all_goals_are_a_dimension_of_a_breakdown),
        cmocka_unit_test(what_is_saved_must_not_hold_itself),
        cmocka_unit_test(what_is_saved_can_be_used),
    };
    return cmocka_run_group_tests(tests, make_arena, end_arena);
}
