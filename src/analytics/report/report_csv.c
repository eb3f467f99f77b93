/* WHAT  The "results" of any report as CSV (docs/export.md).
 * WHY   over the answer in JSON, not over the store's rows: so a new kind of report is CSV from its
 *       first day on. Members of objects get names with dots between, elements of arrays numbers
 *       from 1; dimensions and metrics the names by which they were asked for.
 * HOW   twice over the results: once for the columns, in the order in which they first appear, once
 *       for the rows. */
#include "analytics/report/report_int.h"

#include "codec/csv.h"

enum {
    COLUMNS_MAX = 1000,
    NAME_BYTES_MAX = 64 << 10,
    ROW_ARENA_BYTES = 64 << 10,
    ROW_ARENA_BYTES_MAX = 16 << 20,
};
struct table {
    const struct report *r;
    struct arena *names; /* of the columns */
    struct slice columns[COLUMNS_MAX];
    uint32_t count, last; /* last: where the one before was found */
    yyjson_val *cells[COLUMNS_MAX];
    struct buf name; /* of the value under way */
    bool is_full;
};

static bool find_column(struct table *t, struct slice name, uint32_t *ret)
{
    for (uint32_t i = 0; i < t->count; i++) { /* mostly the next one */
        *ret = (t->last + 1 + i) % t->count;
        if (slice_eq(t->columns[*ret], name))
            return true;
    }
    return false;
}

static void put(struct table *t, yyjson_val *v)
{
    uint32_t at;
    struct slice name = buf_slice(&t->name);
    if (!find_column(t, name, &at)) {
        if (t->count == COLUMNS_MAX) {
            t->is_full = true;
            return;
        }
        at = t->count++;
        t->columns[at] = arena_copy(t->names, name);
    }
    t->last = at;
    t->cells[at] = v;
}

/* The names that the elements of an array were asked for by; NULL: none. */
static const struct slice *asked_name(const struct report *r, struct slice array, size_t i,
                                      size_t count)
{
    if (slice_eq_str(array, "dimensions") && count == r->dim_count)
        return &r->dims[i].name;
    if (slice_eq_str(array, "metrics") && count == r->metric_count)
        return &r->metrics[i].name;
    return NULL;
}

static void add_name(struct buf *name, struct slice part)
{
    if (name->len)
        buf_add_char(name, '.');
    buf_add_slice(name, part);
}

static void flatten(struct table *t, struct slice own_name, yyjson_val *v)
{
    size_t before = t->name.len, i, n;
    yyjson_val *key, *value;
    if (!yyjson_is_ctn(v)) {
        put(t, v);
        return;
    }
    yyjson_obj_foreach(v, i, n, key, value)
    {
        bool is_list =
            slice_eq_str(json_text(key), "dimensions") || slice_eq_str(json_text(key), "metrics");
        if (!is_list) /* their elements have names of their own */
            add_name(&t->name, json_text(key));
        flatten(t, json_text(key), value);
        t->name.len = before;
    }
    yyjson_arr_foreach(v, i, n, value)
    {
        char digits[SLICE_U64_DIGITS];
        const struct slice *name = asked_name(t->r, own_name, i, n);
        add_name(&t->name, name ? *name : slice_of_u64(i + 1, digits));
        flatten(t, SLICE_EMPTY, value);
        t->name.len = before;
    }
}

static void write_row(const struct table *t, struct buf *out)
{
    for (uint32_t i = 0; i < t->count; i++) {
        yyjson_val *v = t->cells[i];
        if (i)
            buf_add_char(out, ',');
        if (v && yyjson_is_str(v))
            csv_add_text(out, json_text(v));
        else if (v && json_is_number(v))
            buf_add_slice(out, json_text(v));
        else if (v && yyjson_is_bool(v))
            buf_add_str(out, yyjson_get_bool(v) ? "true" : "false");
    }
    buf_add_str(out, "\r\n");
}

static void write_header(struct table *t, struct buf *out)
{
    if (!t->count) { /* no row says what there is */
        for (uint32_t i = 0; i < t->r->dim_count; i++)
            t->columns[t->count++] = t->r->dims[i].name;
        for (uint32_t i = 0; i < t->r->metric_count; i++)
            t->columns[t->count++] = t->r->metrics[i].name;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        if (i)
            buf_add_char(out, ',');
        csv_add_text(out, t->columns[i]);
    }
    buf_add_str(out, "\r\n");
}

/* Each row: for the columns (out NULL), or written. */
static enum rc walk(struct table *t, struct slice results, struct arena *scratch, struct buf *out,
                    struct err *err)
{
    struct json_items it;
    struct json_span span;
    yyjson_val *row;
    enum rc rc = json_items_begin(&it, results);
    while (rc == RC_OK && (rc = json_items_next(&it, &span)) == RC_OK) {
        arena_reset(scratch);
        TRY(json_parse_span(scratch, &span, &row, err));
        for (uint32_t i = 0; i < t->count; i++)
            t->cells[i] = NULL;
        buf_clear(&t->name);
        flatten(t, SLICE_EMPTY, row);
        if (out)
            write_row(t, out);
    }
    ENSURE(rc == RC_END, report_bad_shape(err));
    ENSURE(!t->is_full && buf_ok(&t->name),
           err_set(err, RC_LIMIT, "as CSV the answer has more than %d columns", COLUMNS_MAX));
    return RC_OK;
}

enum rc report_csv(const struct report *r, struct slice results, struct buf *out, struct err *err)
{
    struct arena scratch;
    struct table *t = arena_zalloc(r->arena, sizeof(*t));
    ENSURE(t, err_set(err, RC_NOMEM, "no memory for this request"));
    t->r = r;
    t->names = r->arena;
    buf_init(&t->name, NAME_BYTES_MAX);
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    enum rc rc = walk(t, results, &scratch, NULL, err);
    if (rc == RC_OK) {
        write_header(t, out);
        rc = walk(t, results, &scratch, out, err);
    }
    arena_done(&scratch);
    buf_done(&t->name);
    return rc;
}
