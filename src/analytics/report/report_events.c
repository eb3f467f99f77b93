/* WHAT    The events themselves that a question is about, the latest first, page by page.
 * WHY     Which rows they are is found with no more columns than the question needs; only those of
 *         the page are then read whole, by their ids, as the texts of a row are most of the table.
 *         The day, with which the table's key begins, changes nothing in the order: it lets the
 *         engine read the last days first, and no more than it needs; and the page is settled
 *         before the rows, so that only the days are read that it has.
 * LAYOUT  page: days and ids FROM (id and time of all); rows FROM $EVENTS AND id IN page */
#include "analytics/report/report_int.h"

enum { ROW_ARENA_BYTES = 16 * 1024, ROW_ARENA_BYTES_MAX = 1 << 20 };

/* What a row is ordered by are m0 and d0, as a breakdown's are: the cursor knows these names. */
static const struct report_field id_field = {"id", "id", NULL, FIELD_TEXT, false};
#define KEYS "toUnixTimestamp64Milli(timestamp) AS m0, toString(id) AS d0"
#define ORDER "m0 DESC, d0 DESC LIMIT {limit:UInt32}"

static bool parse(struct report *r, yyjson_val *root)
{
    if (!report_take_page(r, QUERY_LIMIT_DEFAULT))
        return false;
    r->dims[r->dim_count++] = (struct report_dim){.name = slice_str("id"), .field = &id_field};
    r->orders[r->order_count++] = (struct report_order){.is_metric = true, .is_desc = true};
    r->orders[r->order_count++] = (struct report_order){.is_desc = true};
    return report_take_cursor(r, json_get(root, "cursor"));
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = report_events_source(r)},
                            whole = {.r = r, .out = out};
    buf_add_str(out, "WITH (SELECT groupArray((day, id)) FROM (SELECT day, id FROM (SELECT "
                     "toDate(timestamp) AS day, id, " KEYS);
    report_from_sql(&s);
    buf_add_char(out, ')');
    report_after_sql(r, out);
    buf_add_str(out,
                " ORDER BY day DESC, " ORDER
                " OFFSET {offset:UInt32})) AS page SELECT " QUERY_EVENT_COLUMNS ", toString(kind)");
    report_keys_sql(r, out);
    buf_add_str(out, " FROM (SELECT *, " KEYS " FROM $EVENTS");
    report_where_sql(&whole);
    buf_add_str(out, " AND toDate(timestamp) >= arrayMin(page.1) AND toDate(timestamp) <= "
                     "arrayMax(page.1) AND (toDate(timestamp), id) IN (SELECT arrayJoin(page))) "
                     "ORDER BY " ORDER);
}

/* [columns, kind, keys] */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    struct arena scratch;
    (void)r;
    ENSURE(yyjson_arr_size(row) == QUERY_EVENT_COLUMN_COUNT + 2, report_bad_shape(err));
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    enum rc rc = query_event_put(row, &scratch, body, err);
    arena_done(&scratch);
    if (rc != RC_OK)
        return rc;
    struct slice kind = json_text(yyjson_arr_get(row, QUERY_EVENT_COLUMN_COUNT));
    buf_add_str(body, ",\"kind\":");
    if (kind.len)
        buf_add_json(body, kind);
    else
        buf_add_str(body, "null");
    buf_add_char(body, '}');
    return RC_OK;
}

static void add_resolved(const struct report *r, struct buf *body)
{
    buf_addf(body, ",\"limit\":%u,\"offset\":%u", r->limit, r->offset);
}

static const char *const resolved[] = {"limit", "offset", "cursor", NULL};
const struct report_kind report_kind_events = {.name = "events",
                                               .resolved = resolved,
                                               .parse = parse,
                                               .sql = add_sql,
                                               .row = add_row,
                                               .add_resolved = add_resolved};
