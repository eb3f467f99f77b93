/* WHAT    A table as text for people, and as HTML (watch_int.h).
 * WHY     A report of any kind is CSV, so that one of any kind can be sent. A letter is no export:
 *         it shows the first rows and columns, and says how much it leaves out; a number of the
 *         range that is compared with becomes the change, beside the number itself. */
#include "analytics/watch/watch_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "codec/csv.h"

#define COMPARISON SLICE_LIT("comparison.")
enum { SHOWN_ROWS = 50, SHOWN_COLUMNS = 12, CELL_BYTES = 40, NAME_BYTES_MAX = 512 };
static const uint32_t NO_COLUMN = UINT32_MAX;

struct column {
    uint32_t at, before; /* in the record; before: of the other range, NO_COLUMN if there is none */
    uint32_t width;      /* characters */
};
struct table {
    struct slice cells[SHOWN_ROWS + 1][SHOWN_COLUMNS]; /* the first row: names */
    struct column column[SHOWN_COLUMNS];
    uint32_t columns, all_columns; /* shown, and there are; those of the other range not counted */
    uint32_t rows, all_rows;       /* names not among them */
    struct arena arena;
};

void watch_add_html(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '<' || c == '>' || c == '&' || c == '"')
            buf_addf(out, "&#%d;", c);
        else
            buf_add_char(out, c);
    }
}

void watch_add_line(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_add_char(out, (unsigned char)text.data[i] < ' ' ? ' ' : text.data[i]);
}

struct slice watch_cut(struct arena *arena, struct slice text, size_t bytes_max)
{
    size_t n = bytes_max;
    if (text.len <= n)
        return arena_copy(arena, text);
    while (n > 0 && ((unsigned char)text.data[n] & 0xC0) == 0x80) /* not within a character */
        n--;
    return slice_str(arena_printf(arena, "%.*s\xE2\x80\xA6", (int)n, text.data));
}

static struct slice cut(struct table *t, struct slice cell)
{
    return watch_cut(&t->arena, cell, CELL_BYTES);
}

static bool number_of(struct table *t, struct slice cell, double *ret)
{
    char *end = NULL;
    const char *text = cell.len ? arena_strndup(&t->arena, cell.data, cell.len) : NULL;
    if (!text)
        return false;
    *ret = strtod(text, &end);
    return !*end && isfinite(*ret);
}

/* "12 (+50.0 %)", where there is something to compare with. */
static struct slice with_change(struct table *t, struct slice cell, struct slice before)
{
    double is, was;
    if (!number_of(t, cell, &is) || !number_of(t, before, &was) || was <= 0)
        return cut(t, cell);
    return slice_str(
        arena_printf(&t->arena, "%.*s (%+.1f %%)", SLICE_ARG(cell), 100 * (is - was) / was));
}

static uint32_t characters(struct slice text)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return n;
}

static uint32_t find_name(const struct csv_record *names, struct slice name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (slice_eq(names->fields[i], name))
            return i;
    return NO_COLUMN;
}

static bool is_of_other_range(const struct csv_record *names, struct slice name)
{
    return slice_has_prefix(name, COMPARISON) &&
           find_name(names, slice_sub(name, COMPARISON.len)) != NO_COLUMN;
}

static void take_columns(struct table *t, const struct csv_record *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const struct slice name = names->fields[i];
        char other[NAME_BYTES_MAX];
        if (is_of_other_range(names, name) || t->all_columns++ >= SHOWN_COLUMNS)
            continue;
        int n = snprintf(other, sizeof(other), "%.*s%.*s", SLICE_ARG(COMPARISON), SLICE_ARG(name));
        t->column[t->columns++] = (struct column){
            .at = i,
            .before = n < (int)sizeof(other) ? find_name(names, slice_str(other)) : NO_COLUMN};
    }
}

static struct slice field(const struct csv_record *record, uint32_t at)
{
    return at < record->count ? record->fields[at] : SLICE_EMPTY;
}

static void keep_row(struct table *t, const struct csv_record *record, bool is_names)
{
    if (is_names)
        take_columns(t, record);
    else if (t->all_rows++ == t->rows && t->rows < SHOWN_ROWS)
        t->rows++;
    else
        return;
    for (uint32_t i = 0; i < t->columns; i++) {
        struct column *c = &t->column[i];
        struct slice cell = field(record, c->at);
        cell = is_names ? cut(t, cell) : with_change(t, cell, field(record, c->before));
        t->cells[t->rows][i] = cell;
        if (characters(cell) > c->width)
            c->width = characters(cell);
    }
}

static enum rc read_table(struct table *t, struct slice csv, struct err *err)
{
    CLEANUP(buf_done) struct buf space;
    struct csv_record *record = heap_alloc(HEAP_ANALYTICS, sizeof(*record));
    size_t used = 0;
    bool is_names = true;
    enum rc rc;
    buf_init(&space, CSV_RECORD_BYTES_MAX);
    while ((rc = csv_next(csv, true, &space, record, &used)) == RC_OK) {
        keep_row(t, record, is_names);
        is_names = false;
        csv = slice_sub(csv, used);
    }
    heap_free(record);
    if (rc != RC_END || is_names)
        return err_set(err, RC_INVALID, "the report is no table");
    return t->arena.is_failed ? err_set(err, RC_NOMEM, "no memory for a table") : RC_OK;
}

static void add_text_row(const struct table *t, uint32_t row, struct buf *out)
{
    for (uint32_t i = 0; i < t->columns; i++) {
        struct slice cell = t->cells[row][i];
        buf_add_str(out, "  ");
        watch_add_line(out, cell);
        for (uint32_t n = characters(cell); n < t->column[i].width && i + 1 < t->columns; n++)
            buf_add_char(out, ' ');
    }
    buf_add_char(out, '\n');
}

static void add_html_row(const struct table *t, uint32_t row, const char *tag, struct buf *out)
{
    buf_add_str(out, "<tr>");
    for (uint32_t i = 0; i < t->columns; i++) {
        buf_addf(out, "<%s>", tag);
        watch_add_html(out, t->cells[row][i]);
        buf_addf(out, "</%s>", tag);
    }
    buf_add_str(out, "</tr>");
}

static void add_left_out(struct watch_mail *m, uint32_t shown, uint32_t all, const char *what)
{
    if (shown == all)
        return;
    buf_addf(&m->text, "  and %u more %s\n", (unsigned)(all - shown), what);
    buf_addf(&m->html, "<p>and %u more %s</p>", (unsigned)(all - shown), what);
}

static void write_table(const struct table *t, struct watch_mail *m)
{
    buf_add_str(&m->html, WATCH_HTML_TABLE);
    add_text_row(t, 0, &m->text);
    add_html_row(t, 0, "th", &m->html);
    for (uint32_t row = 1; row <= t->rows; row++) {
        add_text_row(t, row, &m->text);
        add_html_row(t, row, "td", &m->html);
    }
    buf_add_str(&m->html, "</table>");
    add_left_out(m, t->rows, t->all_rows, "rows");
    add_left_out(m, t->columns, t->all_columns, "columns");
}

enum rc watch_add_table(struct watch_mail *m, struct slice csv, struct err *err)
{
    struct table *t = heap_alloc(HEAP_ANALYTICS, sizeof(*t));
    arena_init(&t->arena, 16 << 10, 4 << 20);
    enum rc rc = read_table(t, csv, err);
    if (rc == RC_OK)
        write_table(t, m);
    arena_done(&t->arena);
    heap_free(t);
    return rc;
}
