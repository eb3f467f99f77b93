#include "codec/csv.h"

#include "base/must.h"

/* Behind the line end that follows at; the end of the text if there is none. */
static size_t line_end(struct slice text, size_t at)
{
    const char *lf = at < text.len ? memchr(text.data + at, '\n', text.len - at) : NULL;
    return lf ? (size_t)(lf - text.data) + 1 : text.len;
}

/* A field that begins at *at, where it needs no quotes; *at moves behind its last byte. */
static struct slice plain_field(struct slice text, size_t *at)
{
    size_t from = *at, to;
    while (*at < text.len && text.data[*at] != ',' && text.data[*at] != '\n')
        (*at)++;
    to = *at;
    if (to > from && to < text.len && text.data[to] == '\n' && text.data[to - 1] == '\r')
        to--;
    return slice_of(text.data + from, to - from);
}

/* Inside the quotes: from behind the first one; *at moves behind the last one. False: no last one.
 */
static bool quoted_field(struct slice text, size_t *at, struct buf *space, struct slice *ret)
{
    size_t from = *at, piece = from, begin = space->len;
    bool is_copied = false;
    for (;; (*at)++) {
        const char *quote = *at < text.len ? memchr(text.data + *at, '"', text.len - *at) : NULL;
        if (!quote)
            return false;
        *at = (size_t)(quote - text.data);
        bool is_double = *at + 1 < text.len && text.data[*at + 1] == '"';
        if (!is_double)
            break;
        (*at)++;
        buf_add(space, text.data + piece, *at - piece); /* with one of the two */
        piece = *at + 1;
        is_copied = true;
    }
    if (is_copied) {
        buf_add(space, text.data + piece, *at - piece);
        *ret = slice_of(space->data + begin, space->len - begin);
    } else {
        *ret = slice_of(text.data + from, *at - from);
    }
    (*at)++;
    return true;
}

enum rc csv_next(struct slice text, bool is_end, struct buf *space, struct csv_record *ret,
                 size_t *ret_used)
{
    size_t at = 0;
    bool is_over = text.len > CSV_RECORD_BYTES_MAX;
    *ret_used = 0;
    ret->count = 0;
    buf_clear(space);
    ENSURE(text.len, is_end ? RC_END : RC_AGAIN);
    /* Fields point into it: it must not move while they are made. */
    ENSURE(buf_reserve(space, is_over ? CSV_RECORD_BYTES_MAX : text.len), RC_NOMEM);
    if (is_over)
        text.len = CSV_RECORD_BYTES_MAX;
    for (;;) {
        struct slice field = SLICE_EMPTY;
        bool is_quoted = at < text.len && text.data[at] == '"';
        if (is_quoted && at++ < text.len && !quoted_field(text, &at, space, &field)) {
            *ret_used = line_end(text, 0);
            return is_over ? RC_LIMIT : is_end ? RC_INVALID : RC_AGAIN;
        }
        if (!is_quoted)
            field = plain_field(text, &at);
        if (is_quoted && at < text.len && text.data[at] == '\r')
            at++;
        if (at >= text.len && (!is_end || is_over)) {
            *ret_used = text.len;
            return is_over ? RC_LIMIT : RC_AGAIN;
        }
        if (at < text.len && text.data[at] != ',' && text.data[at] != '\n') {
            *ret_used = line_end(text, at);
            return RC_INVALID;
        }
        if (ret->count == CSV_FIELDS_MAX) {
            *ret_used = line_end(text, at);
            return RC_LIMIT;
        }
        ret->fields[ret->count++] = field;
        bool has_more = at < text.len && text.data[at] == ',';
        at += at < text.len;
        if (!has_more)
            break;
    }
    *ret_used = at;
    return RC_OK;
}

static bool needs_quotes(struct slice field)
{
    for (size_t i = 0; i < field.len; i++)
        if (field.data[i] == '"' || field.data[i] == ',' || field.data[i] == '\n' ||
            field.data[i] == '\r')
            return true;
    return false;
}

static void add_quoted(struct buf *out, const char *before, struct slice field)
{
    buf_add_char(out, '"');
    buf_add_str(out, before);
    while (field.len) {
        const char *quote = memchr(field.data, '"', field.len);
        size_t n = quote ? (size_t)(quote - field.data) + 1 : field.len;
        buf_add(out, field.data, n);
        if (quote)
            buf_add_char(out, '"');
        field = slice_sub(field, n);
    }
    buf_add_char(out, '"');
}

void csv_add(struct buf *out, struct slice field)
{
    if (needs_quotes(field))
        add_quoted(out, "", field);
    else
        buf_add_slice(out, field);
}

static bool begins_formula(struct slice field)
{
    char c = field.len ? field.data[0] : ' ';
    return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

void csv_add_text(struct buf *out, struct slice field)
{
    if (begins_formula(field))
        add_quoted(out, "'", field);
    else
        csv_add(out, field);
}
