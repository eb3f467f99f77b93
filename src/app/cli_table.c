/* JSON of the state as text for people. */
#include "app/cli_admin.h"
#include "codec/json.h"

enum { COLUMNS_MAX = 16, CELL_BYTES_MAX = 64 << 10, ARENA_BYTES_MAX = 512 << 20 };

static void add_cell(struct buf *out, yyjson_val *v)
{
    size_t at, n, before = out->len;
    yyjson_val *item;
    if (yyjson_is_bool(v))
        buf_add_str(out, yyjson_get_bool(v) ? "yes" : "no");
    else if (yyjson_is_str(v) || yyjson_is_raw(v))
        buf_add_slice(out, json_text(v));
    yyjson_arr_foreach(v, at, n, item)
    {
        if (at)
            buf_add_char(out, ',');
        buf_add_slice(out, json_text(item));
    }
    if (out->len == before)
        buf_add_char(out, '-');
}

/* Characters: a terminal gives most of them one column each. */
static size_t width_of(struct slice text)
{
    size_t n = 0;
    while (text.len) {
        size_t step = slice_utf8_len(text);
        text = slice_sub(text, step ? step : 1);
        n++;
    }
    return n;
}

static void add_padded(struct buf *out, struct slice text, size_t width)
{
    buf_add_slice(out, text);
    for (size_t n = width_of(text); n < width; n++)
        buf_add_char(out, ' ');
}

struct table {
    struct slice names[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    uint32_t count;
    struct buf cell;
};

static yyjson_val *value_of(yyjson_val *row, struct slice name)
{
    return yyjson_obj_getn(row, name.data, name.len);
}

static void measure(struct table *t, yyjson_val *rows)
{
    size_t at, n;
    yyjson_val *row;
    for (uint32_t c = 0; c < t->count; c++)
        t->widths[c] = width_of(t->names[c]);
    yyjson_arr_foreach(rows, at, n, row)
    {
        for (uint32_t c = 0; c < t->count; c++) {
            buf_clear(&t->cell);
            add_cell(&t->cell, value_of(row, t->names[c]));
            size_t width = width_of(buf_slice(&t->cell));
            t->widths[c] = width > t->widths[c] ? width : t->widths[c];
        }
    }
}

/* row NULL: the head line. Nothing is padded at the end of a line. */
static void add_line(struct table *t, struct buf *out, yyjson_val *row)
{
    for (uint32_t c = 0; c < t->count; c++) {
        buf_clear(&t->cell);
        if (row)
            add_cell(&t->cell, value_of(row, t->names[c]));
        else
            buf_addf(&t->cell, "%.*s", SLICE_ARG(t->names[c]));
        buf_add_str(out, c ? "  " : "");
        add_padded(out, buf_slice(&t->cell), c + 1 < t->count ? t->widths[c] : 0);
    }
    buf_add_char(out, '\n');
}

static void add_table(struct table *t, struct buf *out, yyjson_val *rows)
{
    size_t at, n;
    yyjson_val *row;
    measure(t, rows);
    add_line(t, out, NULL);
    yyjson_arr_foreach(rows, at, n, row)
    {
        add_line(t, out, row);
    }
}

enum rc cli_table(struct buf *out, struct slice json_array, const char *columns, struct err *err)
{
    struct table t = {.count = 0};
    struct slice rest = slice_str(columns);
    struct arena arena;
    yyjson_val *rows;
    while (rest.len && t.count < COLUMNS_MAX)
        t.names[t.count++] = slice_cut(&rest, ' ');
    arena_init(&arena, 64 << 10, ARENA_BYTES_MAX);
    buf_init(&t.cell, CELL_BYTES_MAX);
    enum rc rc = json_parse(&arena, json_array, &rows, err);
    if (rc == RC_OK)
        add_table(&t, out, rows);
    buf_done(&t.cell);
    arena_done(&arena);
    return rc;
}

static void add_card(struct buf *out, yyjson_val *object)
{
    size_t at, n, width = 0;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, at, n, key, value)
    {
        width = yyjson_get_len(key) > width ? yyjson_get_len(key) : width;
    }
    yyjson_obj_foreach(object, at, n, key, value)
    {
        add_padded(out, json_text(key), width + 2);
        add_cell(out, value);
        buf_add_char(out, '\n');
    }
}

enum rc cli_card(struct buf *out, struct slice json_object, struct err *err)
{
    struct arena arena;
    yyjson_val *object;
    arena_init(&arena, 64 << 10, ARENA_BYTES_MAX);
    enum rc rc = json_parse(&arena, json_object, &object, err);
    if (rc == RC_OK)
        add_card(out, object);
    arena_done(&arena);
    return rc;
}
