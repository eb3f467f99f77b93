#ifndef WEIR_ANALYTICS_IMPORT_IMPORT_INT_H
#define WEIR_ANALYTICS_IMPORT_IMPORT_INT_H
/* Inside analytics/import only. The way of a file, the same for every format:
 *
 *   bytes   decompressed (magic bytes count), then cut into items (import_read.c)
 *   items   lines, JSON values or CSV records: the format makes events of each (format_*.c)
 *   events  judged and encoded as those of a request, gathered into batches (import.c)
 *
 * A new format is a file with one struct import_format, and a line in format.def. */
#include "analytics/event/event.h"
#include "analytics/import/import.h"
#include "analytics/ingest/dialect_read.h"
#include "codec/csv.h"
#include "codec/hash.h"

struct import_item {
    struct slice text; /* as it stands in the file */
    yyjson_val *root;  /* IMPORT_JSON: an object */
    const struct csv_record *csv;
};
enum import_shape {
    IMPORT_LINES,
    IMPORT_JSON, /* NDJSON; an array; or an object with an array under one of `lists` */
    IMPORT_CSV,  /* the first record names the columns */
};
struct import;
struct import_format {
    const char *name, *about;
    enum import_shape shape;
    const char *source;       /* the records' member; one that the item says itself beats it */
    const char *const *lists; /* NULL-terminated; may be NULL */
    const char *entry;        /* part of the names of its files in an archive; NULL: any */
    const char *joined_entry; /* the same of those that begin() says are to be joined; or NULL */
    bool is_lenient;          /* bad lines are nothing special: no limit by default */
    /* The header of a CSV file: RC_INVALID with err if it is none of this format's. May be NULL. */
    enum rc (*begin)(struct import *im, const struct csv_record *header, struct err *err);
    /* Calls import_add() for each event, or import_reject(). RC_OK also for a bad item. */
    enum rc (*take)(struct import *im, const struct import_item *item, struct err *err);
};
#define FORMAT(name) extern const struct import_format import_format_##name;
#include "analytics/import/format.def"
#undef FORMAT

enum { IMPORT_COLUMNS_MAX = 48 };
struct import_slot { /* of an open-addressing table; hash 0 = free */
    uint64_t hash, count;
};
struct import {
    const struct import_cfg *cfg;
    struct import_counts *counts;
    struct event_env env;  /* of the item; begins as that of the file */
    struct arena *scratch; /* of the item */
    struct arena arena;
    unix_ms now;
    struct geo_view *geo; /* NULL: none */
    /* CSV: where the columns that the format asks for stand; UINT32_MAX = not there */
    uint32_t columns[IMPORT_COLUMNS_MAX], column_count;
    struct csv_record csv; /* the header first, then each record */
    struct buf csv_space;
    uint32_t header_count;
    bool has_header, is_bad, has_rows;
    bool is_joining; /* set by begin(): the file's items go into cfg->join, not to the sink */
    const void *own; /* the format's, from begin() on */
    struct buf out;  /* keys and values that wait; or rows of sums */
    size_t *lengths; /* of each waiting record: key, value */
    uint32_t waiting;
    struct import_slot *slots;
    uint64_t slot_count, slot_used;
};

/* ---- for formats ---- */
/* A fresh event of im->env. */
void import_event_init(struct import *im, struct event *e);
/* Judges and keeps it. Without an id of the client's it gets that of the item's text (ordinal: of
 * the event within the item). */
enum rc import_add(struct import *im, const struct import_item *item, struct event *e,
                   struct event_notes *n, struct err *err) MUST_CHECK;
/* A row of sums was written to the end of im->out. */
enum rc import_add_row(struct import *im, struct err *err) MUST_CHECK;
/* The item is bad: counted once, whatever else is said of it. name: static. */
void import_reject(struct import *im, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* It is of a kind that weir has no use for: counted under that name, but nothing bad. */
void import_pass_over(struct import *im, const char *name);
void import_count(struct import *im, const char *name); /* the same of a part of it */
/* The id of an item that has none: of project and text, and its ordinal among equal texts. */
enum rc import_text_id(struct import *im, struct slice text, struct uuid *ret_id,
                       struct err *err) MUST_CHECK;
/* Where the names stand in the header, into im->columns; names: NULL-terminated. The first
 * `required` of them have to be there, else RC_INVALID. Capitals do not count. */
enum rc import_find_columns(struct import *im, const struct csv_record *header,
                            const char *const *names, uint32_t required,
                            struct err *err) MUST_CHECK;
bool import_has_column(const struct csv_record *header, const char *name);
/* UTF-8 without U+0000, whatever the file has. */
struct slice import_column(struct import *im, const struct import_item *item, uint32_t i);
/* before + {"name":"text",…} of what is not empty + after, for a dialect's reader; json (may be
 * NULL): one more whose value is JSON. NULL: no memory. */
struct import_member {
    const char *name;
    struct slice value;
};
yyjson_val *import_object(struct import *im, const char *before,
                          const struct import_member *members, uint32_t count,
                          const struct import_member *json, const char *after);
/* One text of several, empty if the first is (then the others mean nothing). */
struct slice import_join(struct import *im, const struct slice *parts, uint32_t count);
/* How a member of the item becomes one that the dialect's reader knows. */
enum import_rename_as {
    IMPORT_AS_IT_IS,
    IMPORT_AS_TIME, /* whatever import_time() reads, as RFC 3339 */
    IMPORT_AS_JSON, /* JSON, or a text that holds it */
    IMPORT_LEFT_OUT,
};
struct import_rename {
    const char *from, *to; /* of two members with the same `to` the first one in the table holds */
    enum import_rename_as as;
};
/* The item with its members renamed; the others stay if keeps_rest. NULL and rejected if it cannot
 * be read. */
yyjson_val *import_renamed(struct import *im, const struct import_item *item,
                           const struct import_rename *table, uint32_t count, bool keeps_rest);
/* The place that an event names itself: beats what its address would say. */
void import_set_place(struct import *im, struct event *e, struct slice country, struct slice region,
                      struct slice city);
/* The event as the dialect reads it; im->env.source is the dialect's. */
void import_read(struct import *im, const char *dialect, yyjson_val *root, struct event *e,
                 struct event_notes *n);
/* "2026-01-31 12:34:56" with or without a fraction, taken as UTC, or RFC 3339. */
bool import_time(struct slice text, unix_ms *ret_time);

/* ---- import_join.c ---- */
enum { IMPORT_JOIN_EVENT_MAX = 1000 /* properties of one event */ };
/* One property of the event of that id: a name with dots where objects are within objects, and a
 * value as JSON. The first of a name holds. A bad item if the event has too many. RC_LIMIT. */
enum rc import_join_add(struct import *im, struct slice event, struct slice name,
                        struct slice value, struct err *err) MUST_CHECK;
/* The properties of that event as an object's text, in im->scratch; empty: there are none. */
enum rc import_join_take(struct import *im, struct slice event, struct slice *ret_object,
                         struct err *err) MUST_CHECK;
/* How many properties nobody has taken. */
uint64_t import_join_left(const struct import_join *j);

/* ---- import_read.c ---- */
enum rc import_read_all(struct import *im, struct err *err) MUST_CHECK;
/* ---- import.c, for it ---- */
/* One item of the file; line numbers are counted here. */
enum rc import_take(struct import *im, struct slice text, const struct csv_record *csv,
                    struct err *err) MUST_CHECK;
/* One that is no item at all. */
enum rc import_take_bad(struct import *im, const char *name, const char *why,
                        struct err *err) MUST_CHECK;
#endif
