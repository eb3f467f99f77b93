/* WHAT    Rows of the store (JSONCompactEachRow) to the answer.
 * WHY     Numbers go through as the text that the store wrote: no digit is lost on the way. */
#include "analytics/report/report_int.h"

enum { ROW_ARENA_BYTES = 64 * 1024, ROW_ARENA_BYTES_MAX = 16 << 20 };

enum rc report_bad_shape(struct err *err)
{
    return err_set(err, RC_STORE, "the store's answer has another shape than expected");
}

void report_add_value(struct buf *body, yyjson_val *v)
{
    if (json_is_number(v))
        buf_add_slice(body, json_text(v));
    else if (yyjson_is_str(v))
        buf_add_json(body, json_text(v));
    else
        buf_add_str(body, "null");
}

enum rc report_add_members(const struct report *r, struct buf *body, yyjson_val *row,
                           const struct report_member *members, uint32_t count, struct err *err)
{
    ENSURE(yyjson_arr_size(row) == count, report_bad_shape(err));
    for (uint32_t i = 0; i < count; i++) {
        yyjson_val *v = yyjson_arr_get(row, i);
        buf_addf(body, "%c\"%s\":", i ? ',' : '{', members[i].name);
        if (members[i].is_count)
            report_add_count(r, body, v);
        else
            report_add_value(body, v);
    }
    buf_add_char(body, '}');
    return RC_OK;
}

/* {"dimensions":[…], which a row begins with. */
void report_add_dims(const struct report *r, yyjson_val *row, struct buf *body)
{
    buf_add_str(body, "{\"dimensions\":[");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        if (i)
            buf_add_char(body, ',');
        report_add_value(body, yyjson_arr_get(row, i));
    }
    buf_add_char(body, ']');
}

static enum rc add_rows(const struct report *r, struct slice result, struct arena *scratch,
                        struct buf *body, struct report_more *more, struct err *err)
{
    struct slice line;
    yyjson_val *row = NULL;
    for (uint32_t n = 0; json_line_next(&result, &line); n++) {
        if (r->is_paged && n == r->limit) /* there is a further page; row is still the last one */
            return report_cursor_make(r, yyjson_arr_get_last(row), &more->cursor, err);
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        if (n)
            buf_add_char(body, ',');
        TRY(r->kind->row(r, row, body, err));
        size_t total = yyjson_arr_size(row) - 1 - r->is_paged;
        if (r->has_total && !json_to_i64(yyjson_arr_get(row, total), &more->total))
            return report_bad_shape(err);
    }
    return RC_OK;
}

enum rc report_results_shape(const struct report *r, struct slice result, struct buf *body,
                             struct report_more *ret_more, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    *ret_more = (struct report_more){.total = 0};
    buf_add_str(body, "\"results\":[");
    enum rc rc = add_rows(r, result, &scratch, body, ret_more, err);
    buf_add_char(body, ']');
    arena_done(&scratch);
    return rc;
}

/* ---- the question, as it was understood ---- */
static void add_instants(struct buf *body, const char *name, unix_ms from, unix_ms to)
{
    char text[TIME_TEXT_BYTES];
    buf_addf(body, ",\"%s\":[\"%s\",", name, time_format(from, text));
    buf_addf(body, "\"%s\"]", time_format(to, text));
}

struct slice report_as_sent(const struct report *r, const char *name)
{
    yyjson_val *v = json_get(r->root, name);
    char *space = v ? arena_alloc(r->arena, r->body_bytes) : NULL;
    if (!space)
        return SLICE_EMPTY;
    struct json_out out = {.p = space, .end = space + r->body_bytes};
    if (json_write(&out, v, NULL, r->arena) != JSON_FINE || out.is_full)
        return SLICE_EMPTY;
    return slice_of(space, (size_t)(out.p - space));
}

static void add_as_sent(const struct report *r, struct buf *body, const char *name)
{
    struct slice text = report_as_sent(r, name);
    if (text.len)
        buf_addf(body, ",\"%s\":%.*s", name, SLICE_ARG(text));
}

static void add_all_as_sent(const struct report *r, struct buf *body, const char *const *names)
{
    for (; names && *names; names++)
        add_as_sent(r, body, *names);
}

void report_query_shape(const struct report *r, struct buf *body)
{
    static const char *const common[] = {"filters", "bots", "sample", NULL};
    buf_addf(body, "\"query\":{\"report\":\"%s\"", r->kind->name);
    add_instants(body, "date_range", r->from, r->to);
    if (r->range.compare != COMPARE_NONE)
        add_instants(body, "compare_range", r->compare_from, r->compare_to);
    buf_add_str(body, ",\"timezone\":");
    buf_add_json(body, r->timezone);
    add_all_as_sent(r, body, common);
    add_all_as_sent(r, body, r->kind->members);
    if (r->kind->add_resolved)
        r->kind->add_resolved(r, body);
    buf_add_char(body, '}');
}
