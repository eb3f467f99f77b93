/* Which statements of others may run: the text before the engine sees it, the tree that it makes
 * of it (listings as libchdb 26.7 prints them). tests/scenario/t_bi.mjs asks the engine itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/attr.h"
#include "store/confine_int.h"

#define HEAD                                                                              \
    "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery "     \
    "(children 2)\n   ExpressionList (children 1)\n    Asterisk\n   TablesInSelectQuery " \
    "(children 1)\n    TablesInSelectQueryElement (children 1)\n     TableExpression "    \
    "(children 1)\n"

static bool may(const char *listing)
{
    return confine_listing(SLICE_LIT("SELECT"), slice_str(listing)) == NULL;
}

static bool may_be_read(const char *sql)
{
    return confine_text(slice_str(sql)) == NULL;
}

static void a_view_may_be_read_and_what_drivers_ask_of_system(void **state)
{
    (void)state;
    assert_true(may(HEAD "      TableIdentifier events\n"));
    assert_true(may(HEAD "      TableIdentifier analytics.sessions (alias s)\n"));
    assert_true(may(HEAD "      TableIdentifier system.tables\n"));
    assert_true(may(HEAD "      Function numbers (alias n) (children 1)\n       ExpressionList "
                         "(children 1)\n        Literal UInt64_3\n"));
    assert_true(may("ShowTables (children 1)\n Identifier analytics\n"));
}

static void other_tables_of_system_may_not_wherever_they_stand(void **state)
{
    (void)state;
    assert_true(may(HEAD "      Identifier system.tables.name\n"));
    assert_false(may(HEAD "      Identifier system.processes.query\n"));
    assert_false(may(HEAD "      Identifier system.tables_of_others.name\n"));
    assert_false(may(HEAD "      Identifier system.\n"));
    assert_false(may(HEAD "      TableIdentifier system.processes\n"));
    assert_false(may(HEAD "      TableIdentifier system.processes (alias tables)\n"));
    assert_false(may(HEAD "      TableIdentifier system.tables_of_others\n"));
    assert_false(may(HEAD "      TableIdentifier events\n   Function in (children 1)\n    "
                          "ExpressionList (children 2)\n     Identifier x\n     Identifier "
                          "system.parts\n"));
}

static void table_functions_are_those_that_read_nothing(void **state)
{
    (void)state;
    assert_false(may(HEAD "      Function merge (children 1)\n"));
    assert_false(may(HEAD "      Function url (children 1)\n"));
    assert_false(may(HEAD "      Function sum (children 1)\n")); /* the same word elsewhere may */
    assert_true(may(HEAD "      TableIdentifier events\n   Function sum (children 1)\n"));
    assert_true(may(HEAD "      Function VALUES (children 1)\n"));
}

static void functions_that_look_at_the_machine_are_refused_in_any_case(void **state)
{
    (void)state;
    static const char *const names[] = {"file",     "FILE",       "joinGet",
                                        "dictGet",  "dictHas",    "serverUUID",
                                        "getMacro", "executable", "catboostEvaluate"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char listing[256];
        snprintf(listing, sizeof(listing),
                 "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  Function %s "
                 "(children 1)\n",
                 names[i]);
        assert_false(may(listing));
    }
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    assert_false(may(""));
    assert_false(may("\n"));
    assert_false(may("SetRoleQuery\n"));
    assert_false(may("Set\n"));
    assert_false(may("Explain EXPLAIN (children 1)\n SelectWithUnionQuery (children 1)\n"));
    assert_false(may("InsertQuery (children 1)\n"));
    assert_false(may(HEAD "      TableIdentifier events\n  Set\n")); /* SETTINGS */
    assert_false(may(HEAD "      TableIdentifier events\n  ColumnsApplyTransformer\n"));
    assert_false(may(HEAD "      TableIdentifier a\nnode of tomorrow\n"));
    assert_false(may("Literal 'x'\nSelectWithUnionQuery (children 1)\n"));
}

static void show_hides_its_where(void **state)
{
    (void)state;
    struct slice listing = SLICE_LIT("ShowTables\n");
    assert_null(confine_listing(SLICE_LIT("SHOW TABLES LIKE 'a'"), listing));
    assert_non_null(confine_listing(SLICE_LIT("SHOW TABLES Where 1"), listing));
    assert_non_null(confine_listing(SLICE_LIT("SHOW TABLES LIMIT 1"), listing));
}

static void one_statement_and_no_file(void **state)
{
    (void)state;
    assert_true(may_be_read("SELECT 1"));
    assert_true(may_be_read("SELECT 1 ; \n;"));
    assert_false(may_be_read("SELECT 1; SELECT 2"));
    assert_false(may_be_read("SELECT ';' AS x")); /* wide: where a string ends is not judged here */
    assert_false(may_be_read("SELECT 1 -- ;\n+ 1"));
    assert_false(may_be_read("SELECT 1 INTO OutFile 'x'"));
    assert_false(may_be_read("INSERT INTO t FROM inFILE 'x'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_may_be_read_and_what_drivers_ask_of_system),
        cmocka_unit_test(other_tables_of_system_may_not_wherever_they_stand),
        cmocka_unit_test(table_functions_are_those_that_read_nothing),
        cmocka_unit_test(functions_that_look_at_the_machine_are_refused_in_any_case),
        cmocka_unit_test(what_is_not_known_is_refused),
        cmocka_unit_test(show_hides_its_where),
        cmocka_unit_test(one_statement_and_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
