/* GoatCounter: its CSV export (versions 1 and 2 of it, by the names of the columns), and hits as
 * its API takes them (JSON). A session is all that it knows of a visitor. */
#include "analytics/import/import_int.h"

enum {
    PATH,
    DATE,
    EVENT,
    TITLE,
    USER_AGENT,
    BROWSER,
    SYSTEM,
    SESSION,
    BOT,
    REFERRER,
    SCHEME,
    SIZE,
    LOCATION,
    COLUMNS
};
static const char *const columns[] = {
    [PATH] = "Path",
    [DATE] = "Date",
    [EVENT] = "Event",
    [TITLE] = "Title",
    [USER_AGENT] = "UserAgent",
    [BROWSER] = "Browser",
    [SYSTEM] = "System",
    [SESSION] = "Session",
    [BOT] = "Bot",
    [REFERRER] = "Referrer",
    [SCHEME] = "Referrer scheme",
    [SIZE] = "Screen size",
    [LOCATION] = "Location",
    [COLUMNS] = NULL,
};

/* The first column is "2Path": the version stands before its name. */
static enum rc begin(struct import *im, const struct csv_record *header, struct err *err)
{
    struct csv_record *h = &im->csv;
    (void)header;
    struct slice first = h->fields[0];
    if (first.len == 5 && (first.data[0] == '1' || first.data[0] == '2'))
        h->fields[0] = slice_sub(first, 1);
    else
        return err_set(err, RC_INVALID,
                       "the first line does not begin with 1Path or 2Path: it is no export of "
                       "GoatCounter's of a version that is known");
    return import_find_columns(im, h, columns, 3, err);
}

/* A referrer is kept without its scheme; which of them are addresses of pages is said beside it. */
static void put_referrer(struct import *im, struct slice ref, struct slice scheme,
                         struct import_member *to, struct import_member *other)
{
    const struct slice parts[] = {SLICE_LIT("https://"), ref};
    if (slice_eq_str(scheme, "h"))
        to->value = ref.len ? import_join(im, parts, 2) : SLICE_EMPTY;
    else
        other->value = ref;
}

static enum rc take_csv(struct import *im, const struct import_item *item, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    struct slice c[COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++)
        c[i] = import_column(im, item, i);
    unix_ms t;
    if (!import_time(c[DATE], &t) || t.ms < 0)
        event_drop(&n, EVENT_BAD_VALUE, "Date is no time of RFC 3339");
    struct import_member members[] = {
        {"path", c[PATH]},
        {"title", c[TITLE]},
        {"event", c[EVENT]},
        {"size", c[SIZE]},
        {"user_agent", c[USER_AGENT]},
        {"location", c[LOCATION]},
        {"created_at", c[DATE]},
        {"session", c[SESSION]},
        {"ref", SLICE_EMPTY},
        {"referrer", SLICE_EMPTY}, /* from here on: what the dialect leaves in the context */
        {"browser", c[BROWSER]},
        {"system", c[SYSTEM]},
        {"bot", slice_eq_str(c[BOT], "0") ? SLICE_EMPTY : c[BOT]},
    };
    put_referrer(im, c[REFERRER], c[SCHEME], &members[8], &members[9]);
    yyjson_val *root = import_object(im, "", members, COUNT_OF(members), NULL, "");
    ENSURE(root, err_set(err, RC_NOMEM, "no memory for a record"));
    import_read(im, "goatcounter", root, &e, &n);
    if (n.reason == EVENT_FINE)
        event_set_time(&e, t, "the date", &im->env, &n);
    return import_add(im, item, &e, &n, err);
}

static enum rc take_json(struct import *im, const struct import_item *item, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    import_read(im, "goatcounter", item->root, &e, &n);
    if (!json_get(item->root, "created_at"))
        event_drop(&n, EVENT_BAD_VALUE, "created_at is missing");
    return import_add(im, item, &e, &n, err);
}

const struct import_format import_format_goatcounter = {
    .name = "goatcounter",
    .about = "GoatCounter: CSV export",
    .shape = IMPORT_CSV,
    .source = "goatcounter",
    .begin = begin,
    .take = take_csv,
};

static const char *const lists[] = {"hits", NULL};
const struct import_format import_format_goatcounter_api = {
    .name = "goatcounter-api",
    .about = "GoatCounter: hits as its API takes them (JSON)",
    .shape = IMPORT_JSON,
    .source = "goatcounter",
    .lists = lists,
    .take = take_json,
};
