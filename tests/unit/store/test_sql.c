/* The statement scanner: where data begins, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "store/sql_int.h"

static struct sql_scan scan(const char *text)
{
    return sql_scan(slice_str(text));
}

static void data_begins_after_the_line_that_names_the_format(void **state)
{
    (void)state;
    const struct {
        const char *text, *head, *format, *data;
    } cases[] = {
        {"INSERT INTO t (a) FORMAT CSV\n1;2\n", "INSERT INTO t (a) ", "CSV", "1;2\n"},
        {"insert into t format RowBinary \r\n\n;", "insert into t ", "RowBinary", "\n;"},
        {"INSERT INTO t FORMAT JSONEachRow {\"a\":1}", "INSERT INTO t ", "JSONEachRow",
         "{\"a\":1}"},
        {"INSERT INTO t VALUES (1),(';')", "INSERT INTO t ", "Values", " (1),(';')"},
        {"INSERT INTO t", "INSERT INTO t", "Values", ""},
        {"INSERT INTO t;", "INSERT INTO t", "Values", ""},
        {"INSERT INTO t (`format`, \"values\") SETTINGS a = 'FORMAT x' FORMAT Native\nx",
         "INSERT INTO t (`format`, \"values\") SETTINGS a = 'FORMAT x' ", "Native", "x"},
        {"/* FORMAT A */ INSERT INTO t -- FORMAT B\n FORMAT C\nd",
         "/* FORMAT A */ INSERT INTO t -- FORMAT B\n ", "C", "d"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sql_scan s = scan(cases[i].text);
        assert_int_equal(s.kind, SQL_INSERT_DATA);
        assert_null(s.refused);
        assert_false(s.is_multi);
        assert_true(slice_eq_str(slice_of(cases[i].text, s.head_len), cases[i].head));
        assert_true(slice_eq_str(s.format, cases[i].format));
        assert_string_equal(cases[i].text + s.data_at, cases[i].data);
    }
}

static void binary_data_is_not_looked_at(void **state)
{
    (void)state;
    const char text[] = "INSERT INTO t FORMAT RowBinary\n\0'`\"/*;file(";
    struct sql_scan s = sql_scan(slice_of(text, sizeof(text) - 1));
    assert_null(s.refused);
    assert_int_equal(s.data_at, 31);
}

static void insert_select_is_no_insert_of_data(void **state)
{
    (void)state;
    assert_int_equal(scan("INSERT INTO t SELECT 1").kind, SQL_INSERT_SELECT);
    assert_int_equal(scan("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x").kind,
                     SQL_INSERT_SELECT);
    assert_int_equal(scan("INSERT INTO t (a) SELECT a FROM u FORMAT Null").kind, SQL_INSERT_SELECT);
}

static void the_last_format_outside_parentheses_counts(void **state)
{
    (void)state;
    assert_true(slice_eq_str(scan("SELECT 1 FORMAT JSON").format, "JSON"));
    assert_true(slice_eq_str(scan("SELECT 1 FORMAT CSV SETTINGS a = 1;").format, "CSV"));
    assert_int_equal(scan("SELECT format('x', 1)").format.len, 0);
    assert_int_equal(scan("SELECT 'FORMAT JSON'").format.len, 0);
    assert_int_equal(scan("SELECT 1 -- FORMAT JSON").format.len, 0);
    struct sql_scan s = scan("SELECT 1 ; -- end");
    assert_false(s.is_multi);
    assert_int_equal(s.end, 9);
}

static void two_statements_are_seen(void **state)
{
    (void)state;
    assert_true(scan("SELECT 1; SELECT 2").is_multi);
    assert_true(scan("SELECT ';' ; /* x */ DROP TABLE t").is_multi);
    assert_false(scan("SELECT ';'").is_multi);
    assert_false(scan("SELECT 1;;").is_multi);
    assert_int_equal(scan(" -- nothing\n").kind, SQL_EMPTY);
}

static void ways_out_of_the_tables_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "SELECT file('/etc/passwd')",
        "SELECT FILE ('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT \"file\" /* x */ ('/etc/passwd')",
        "SELECT `fi\\x6ce`('/etc/passwd')",
        "SELECT \xE2\x80\x9C\x66ile\xE2\x80\x9D('/etc/passwd')",
        "SELECT 1 INTO OUTFILE 'x'",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO t VALUES (file('/etc/passwd'))",
        "INSERT INTO FUNCTION file('x') SELECT 1",
        "CREATE TABLE t (a Int8) ENGINE = File(CSV)",
        "CREATE TABLE t (a Int8) ENGINE File CSV",
        "CREATE TABLE t (a Int8) ENGINE = `Kafka`",
        "EXPLAIN SELECT file('x')",
        "SELECT '''' , file('x')",
        "SELECT 'a\\'' , file('x')",
        "SELECT $x$ ' $x$ , file('x')",
        "SELECT 1 -- ' \n , file('x')",
        "SELECT 1 # ' \n , file('x')",
        "SELECT 1 /* ' */ , file('x')",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (!scan(refused[i]).refused)
            fail_msg("not refused: %s", refused[i]);
    static const char *const allowed[] = {
        "SELECT 'file(' || file FROM t",
        "SELECT file FROM t",
        "SELECT `file` , (1)",
        "SELECT 'INTO OUTFILE'",
        "CREATE TABLE t (a Int8) ENGINE = ReplacingMergeTree(a) ORDER BY a",
        "CREATE TABLE t (engine String) ENGINE = MergeTree ORDER BY engine",
        "SELECT engine FROM system.tables",
    };
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if (scan(allowed[i]).refused)
            fail_msg("refused: %s", allowed[i]);
}

static void unfinished_text_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT '", "SELECT \"",           "SELECT '\\", "/*",   "--",
        "$a$",      "SELECT \xE2\x80\x9C", "\xE2",       "\xC2", "((((",
        "FORMAT",   "INSERT INTO t FORMAT"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct sql_scan s = scan(texts[i]);
        assert_true(s.end <= strlen(texts[i]) && s.data_at <= strlen(texts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_begins_after_the_line_that_names_the_format),
        cmocka_unit_test(binary_data_is_not_looked_at),
        cmocka_unit_test(insert_select_is_no_insert_of_data),
        cmocka_unit_test(the_last_format_outside_parentheses_counts),
        cmocka_unit_test(two_statements_are_seen),
        cmocka_unit_test(ways_out_of_the_tables_are_refused),
        cmocka_unit_test(unfinished_text_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
