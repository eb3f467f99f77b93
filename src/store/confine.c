/* WHAT    Which statements of others may run (confine_int.h), judged by the engine's own parse.
 * WHY     The role's grants hold the tables: the engine resolves every name, so whatever a
 *         statement calls them, it reads the views of CONFINE_DATABASE and nothing else. Three
 *         things they do not hold:
 *           system.*   most of its tables need no grant, and system.processes shows the statements
 *                      and settings of everybody (there is one user)
 *           SETTINGS   of a subquery are applied without asking readonly or the constraints
 *                      (libchdb 26.7: reproduced by tests/scenario/t_bi.mjs)
 *           SET ROLE   is a statement like others
 *         So the engine is asked first what it understands (EXPLAIN AST parses and evaluates
 *         nothing), and each node of its tree has to be of a kind known here. Names come out of it
 *         as the engine reads them: escapes, comments, quotes and {x:Identifier} are done.
 * INVARIANTS  what is not known is refused. A name that a client made up can add lines to the
 *         listing (a line end inside quotes), never hide one. Some nodes do not show what is
 *         below them: the lambda of APPLY, WHERE and LIMIT of SHOW; those are refused. */
#include "store/confine_int.h"

#include <string.h>

#include "base/attr.h"
#include "store/sql_int.h"

enum { DEPTH_MAX = 600, STATEMENT_BYTES_MAX = 128 * 1024 };

/* ---- the text ---- */
static bool contains(struct slice text, const char *word)
{
    struct slice w = slice_str(word);
    for (size_t i = 0; i + w.len <= text.len; i++)
        if (slice_eq_nocase(slice_of(text.data + i, w.len), w))
            return true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice trim_end(struct slice text)
{
    while (text.len && (is_blank(text.data[text.len - 1]) || text.data[text.len - 1] == ';'))
        text.len--;
    return text;
}

/* Looked for as bytes, inside strings and comments too: nothing here depends on seeing where those
 * end exactly as the engine does. */
const char *confine_text(struct slice sql)
{
    struct slice text = trim_end(sql);
    if (text.len > STATEMENT_BYTES_MAX)
        return "a statement can have at most 128 KiB";
    if (memchr(text.data, ';', text.len))
        return "a semicolon can only stand at the end: send one in a parameter, or as char(59)";
    if (contains(text, "outfile") || contains(text, "infile"))
        return "INTO OUTFILE and FROM INFILE are not available";
    return NULL;
}

/* ---- the tree ---- */
static bool is_in(struct slice name, const char *const *list)
{
    for (; *list; list++)
        if (slice_eq_str(name, *list))
            return true;
    return false;
}

static bool is_in_nocase(struct slice name, const char *const *list)
{
    for (; *list; list++)
        if (slice_eq_nocase(name, slice_str(*list)))
            return true;
    return false;
}

static const char *const statements[] = {
    "SelectWithUnionQuery", "ShowTables",      "ShowColumns",
    "ShowFunctions",        "DescribeQuery",   "ExistsDatabaseQuery",
    "ExistsTableQuery",     "ExistsViewQuery", NULL};
static const char *const nodes[] = {"SelectWithUnionQuery",
                                    "SelectIntersectExceptQuery",
                                    "SelectQuery",
                                    "Subquery",
                                    "ExpressionList",
                                    "WithElement",
                                    "TablesInSelectQuery",
                                    "TablesInSelectQueryElement",
                                    "TableExpression",
                                    "TableIdentifier",
                                    "TableJoin",
                                    "ArrayJoin",
                                    "SampleRatio",
                                    "Identifier",
                                    "Literal",
                                    "Function",
                                    "Asterisk",
                                    "QualifiedAsterisk",
                                    "ColumnsListMatcher",
                                    "ColumnsRegexpMatcher",
                                    "QualifiedColumnsListMatcher",
                                    "QualifiedColumnsRegexpMatcher",
                                    "ColumnsTransformerList",
                                    "ColumnsExceptTransformer",
                                    "ColumnsReplaceTransformer",
                                    "ColumnsReplaceTransformer::Replacement",
                                    "OrderByElement",
                                    "InterpolateElement",
                                    "WindowDefinition",
                                    "WindowListElement",
                                    NULL};
/* What drivers and BI tools ask for when they connect. None of these shows a row of anybody. */
static const char *const system_tables[] = {"system.tables",
                                            "system.columns",
                                            "system.databases",
                                            "system.functions",
                                            "system.one",
                                            "system.numbers",
                                            "system.numbers_mt",
                                            "system.settings",
                                            "system.data_type_families",
                                            "system.table_functions",
                                            "system.formats",
                                            "system.keywords",
                                            "system.time_zones",
                                            "system.table_engines",
                                            "system.collations",
                                            "system.dictionaries",
                                            NULL};
static const char *const table_functions[] = {
    "numbers", "numbers_mt", "zeros", "generateSeries", "generate_series", "values",
    "view",    "null",       NULL};
static const char *const functions_refused[] = {
    "joinGet",    "joinGetOrNull",       "getServerPort",      "getServerSetting",     "getMacro",
    "serverUUID", "filesystemAvailable", "filesystemCapacity", "filesystemUnreserved", NULL};

/* system.tables, or a column of it: system.tables.name. */
static const char *check_name(struct slice name)
{
    if (slice_eq_str(name, "system"))
        return NULL; /* SHOW TABLES FROM system: names only */
    if (!slice_has_prefix(name, SLICE_LIT("system.")))
        return NULL;
    struct slice rest = slice_sub(name, strlen("system."));
    struct slice table = slice_cut(&rest, '.');
    return is_in(slice_of(name.data, strlen("system.") + table.len), system_tables)
               ? NULL
               : "this table of system is not available here";
}

static const char *check_function(struct slice name, bool is_table)
{
    if (is_table && !is_in_nocase(name, table_functions))
        return "this table function is not available here";
    if (is_in_nocase(name, functions_refused) || sql_function_reaches_out(name) ||
        (name.len > 4 && slice_eq_nocase(slice_of(name.data, 4), SLICE_LIT("dict"))))
        return "this function is not available here";
    return NULL;
}

struct walk {
    uint32_t depth; /* of the TableExpression that is open */
    bool is_in_table;
};

/* One node: its kind, and of some what they name ("Function sum (alias x) (children 1)"). */
static const char *check_node(struct walk *w, struct slice line, bool is_first)
{
    uint32_t depth = 0;
    while (line.len && line.data[0] == ' ') {
        line = slice_sub(line, 1);
        depth++;
    }
    if (depth > DEPTH_MAX)
        return "the statement is nested too deeply";
    struct slice kind = slice_cut(&line, ' ');
    struct slice name = slice_cut(&line, ' ');
    if (!is_in(kind, is_first ? statements : nodes))
        return slice_eq_str(kind, "Set")
                   ? "settings cannot be given in the statement: send them as parameters"
                   : "only SELECT, SHOW, DESCRIBE and EXISTS are available here, without APPLY";
    if (w->is_in_table && depth <= w->depth)
        w->is_in_table = false;
    const char *why = NULL;
    if (slice_eq_str(kind, "Function"))
        why = check_function(name, w->is_in_table && depth == w->depth + 1);
    else if (slice_eq_str(kind, "Identifier") || slice_eq_str(kind, "TableIdentifier"))
        why = check_name(name);
    if (slice_eq_str(kind, "TableExpression"))
        *w = (struct walk){.depth = depth, .is_in_table = true};
    return why;
}

const char *confine_listing(struct slice sql, struct slice listing)
{
    struct walk w = {.depth = 0};
    if (slice_has_prefix(listing, SLICE_LIT("Show")) &&
        (contains(sql, "where") || contains(sql, "limit") || contains(sql, "merges")))
        return "SHOW is available with LIKE only: ask system.tables or system.columns";
    const char *why = NULL;
    bool is_first = true;
    while (listing.len && !why) {
        why = check_node(&w, slice_cut(&listing, '\n'), is_first);
        is_first = false;
    }
    return is_first ? "the engine did not say what this statement is" : why;
}
