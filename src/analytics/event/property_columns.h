#ifndef WEIR_ANALYTICS_EVENT_PROPERTY_COLUMNS_H
#define WEIR_ANALYTICS_EVENT_PROPERTY_COLUMNS_H
/* Properties that have a column of their own in the table `events` (store.property_columns): the
 * engine makes it of `properties` (MATERIALIZED), so it says the same of every row, whenever and
 * however that came: events, imports, replays. Questions about one read its few different values
 * instead of parsing each event's JSON (docs/internals/reports.md).
 *
 * A column holds "<text> of a text, the JSON of anything else, and nothing for null and where the
 * property is missing. No JSON but a text's begins with a quote, so both can be had of it:
 *   replaceRegexpOne(column, '^"', '')   as JSONExtractString(properties, name) gives it
 *   toFloat64OrNull(column)              a number, and NULL of a text that looks like one */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/rc.h"
#include "base/slice.h"
#include "store/store.h"

#define PROPERTY_COLUMNS_PREFIX "property_"
enum {
    PROPERTY_COLUMNS_MAX = 32,
    PROPERTY_COLUMNS_NAME_BYTES_MAX = 40,
    PROPERTY_COLUMNS_QUOTED_BYTES_MAX =
        sizeof("`" PROPERTY_COLUMNS_PREFIX "`") + 3 * PROPERTY_COLUMNS_NAME_BYTES_MAX,
};
struct property_columns {
    struct property_column {
        char name[PROPERTY_COLUMNS_NAME_BYTES_MAX + 1]; /* of the property */
        char quoted[PROPERTY_COLUMNS_QUOTED_BYTES_MAX]; /* of the column, in backquotes */
    } columns[PROPERTY_COLUMNS_MAX];
    uint32_t count;
    _Atomic bool is_applied; /* the tables have them */
};
/* list: names between commas; empty: none. RC_INVALID says what is wrong with it. */
enum rc property_columns_new(struct slice list, struct property_columns **ret,
                             struct err *err) MUST_CHECK;
void property_columns_free(struct property_columns *c); /* NULL is fine */
/* Makes the columns that are missing and drops those of names that are not on the list any more.
 * Rows that are there get theirs behind it; until then the engine computes it when it reads them.
 * Safe to repeat and to interrupt. Blocks; nobody else changes these tables' columns meanwhile. */
enum rc property_columns_apply(struct property_columns *c, struct store_client *client,
                               struct err *err) MUST_CHECK;
/* The quoted column of that property; NULL where there is none, or not yet. Any thread; lives as
 * long as c, which may be NULL. */
const char *property_columns_find(const struct property_columns *c, struct slice name);
#endif
