#ifndef WEIR_STORE_SQL_INT_H
#define WEIR_STORE_SQL_INT_H
/* What the child has to know about a statement before the engine sees it: where inserted data
 * begins, which format it names, and whether it reaches for something outside the tables.
 *
 * A lexer, not a parser: it follows ClickHouse's tokens (comments, quotes, heredocs, typographic
 * quotes), so that a word inside a string is never taken for a keyword. Pure; any bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum sql_kind {
    SQL_OTHER,       /* everything that is not an INSERT */
    SQL_INSERT_DATA, /* INSERT … FORMAT f <data>, INSERT … VALUES <data>, INSERT INTO t <nothing> */
    SQL_INSERT_SELECT, /* INSERT … SELECT / WITH / VALUES over input() */
    SQL_EMPTY,
};
struct sql_scan {
    enum sql_kind kind;
    /* SQL_INSERT_DATA: text[0, head_len) is the INSERT without FORMAT, format its name ("Values"
     * for VALUES or when none is named), data starts at data_at. */
    size_t head_len;
    size_t data_at;
    struct slice format; /* SQL_OTHER: the trailing FORMAT, empty if none; points into the text */
    size_t end;          /* SQL_OTHER: length without a closing ';' and what follows it */
    bool is_values;      /* INSERT … VALUES */
    bool is_multi;       /* something follows a ';' */
    bool is_explain;
    const char *refused; /* why this text is not given to the engine; NULL if it is */
};
struct sql_scan sql_scan(struct slice text);
/* A function, by its name, that reads or writes outside the tables. */
bool sql_function_reaches_out(struct slice name);
/* Begins with SELECT or WITH, perhaps in parentheses. */
bool sql_is_select(struct slice text);
#endif
