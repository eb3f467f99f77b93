/* WHAT    Rows of the store (JSONCompactEachRow) to the answer.
 * WHY     Numbers go through as the text that the store wrote: no digit is lost on the way. */
#include "analytics/report/report_int.h"

enum { ROW_ARENA_BYTES = 64 * 1024, ROW_ARENA_BYTES_MAX = 16 << 20 };

static enum rc bad_shape(struct err *err)
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

static void add_metrics(const struct report *r, yyjson_val *row, uint32_t first, struct buf *body)
{
    buf_add_str(body, "\"metrics\":[");
    for (uint32_t i = 0; i < r->metric_count; i++) {
        const struct report_metric_def *def = r->metrics[i].def;
        yyjson_val *v = yyjson_arr_get(row, first + i);
        if (i)
            buf_add_char(body, ',');
        if (def && def->kind == VALUE_JSON && yyjson_is_str(v))
            buf_add_slice(body, json_text(v));
        else
            report_add_value(body, v);
    }
    buf_add_char(body, ']');
}

/* [dimensions…, metrics…, the other range's…, rows in all] */
enum rc report_row_shape(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    bool is_compared = r->range.compare != COMPARE_NONE;
    uint32_t width = r->dim_count + r->metric_count * (is_compared ? 2 : 1) + r->has_total;
    if (!yyjson_is_arr(row) || yyjson_arr_size(row) != width)
        return bad_shape(err);
    buf_add_str(body, "{\"dimensions\":[");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        if (i)
            buf_add_char(body, ',');
        report_add_value(body, yyjson_arr_get(row, i));
    }
    buf_add_str(body, "],");
    add_metrics(r, row, r->dim_count, body);
    if (is_compared) {
        buf_add_str(body, ",\"comparison\":{");
        add_metrics(r, row, r->dim_count + r->metric_count, body);
        buf_add_char(body, '}');
    }
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc add_rows(const struct report *r, struct slice result, struct arena *scratch,
                        struct buf *body, int64_t *ret_total, struct err *err)
{
    static enum rc (*const shapes[REPORT_KIND_COUNT])(const struct report *, yyjson_val *,
                                                      struct buf *, struct err *) = {
        report_row_shape, report_funnel_row, report_retention_row};
    struct slice line;
    yyjson_val *row;
    for (uint32_t n = 0; json_line_next(&result, &line); n++) {
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        if (n)
            buf_add_char(body, ',');
        TRY(shapes[r->kind](r, row, body, err));
        if (r->has_total && !json_to_i64(yyjson_arr_get_last(row), ret_total))
            return bad_shape(err);
    }
    return RC_OK;
}

enum rc report_results_shape(const struct report *r, struct slice result, struct buf *body,
                             int64_t *ret_total, struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    *ret_total = 0;
    buf_add_str(body, "\"results\":[");
    enum rc rc = add_rows(r, result, &scratch, body, ret_total, err);
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

/* What the client sent, compact. */
static void add_as_sent(const struct report *r, struct buf *body, const char *name)
{
    yyjson_val *v = json_get(r->root, name);
    char *space = v ? arena_alloc(r->arena, REPORT_BODY_BYTES_MAX) : NULL;
    if (!space)
        return;
    struct json_out out = {.p = space, .end = space + REPORT_BODY_BYTES_MAX};
    if (json_write(&out, v, NULL, r->arena) != JSON_FINE || out.is_full)
        return;
    buf_addf(body, ",\"%s\":", name);
    buf_add(body, space, (size_t)(out.p - space));
}

static void add_order_by(const struct report *r, struct buf *body)
{
    buf_add_str(body, ",\"order_by\":[");
    for (uint32_t i = 0; i < r->order_count; i++) {
        const struct report_order *o = &r->orders[i];
        buf_add_str(body, i ? ",[" : "[");
        buf_add_json(body, o->is_metric ? r->metrics[o->index].name : r->dims[o->index].name);
        buf_add_str(body, o->is_desc ? ",\"desc\"]" : ",\"asc\"]");
    }
    buf_addf(body, "],\"limit\":%u,\"offset\":%u", r->limit, r->offset);
}

void report_query_shape(const struct report *r, struct buf *body)
{
    static const char *const sent[] = {
        "metrics",    "dimensions", "filters", "goal", "bots",    "steps", "window",  "order",
        "exclusions", "start",      "return",  "unit", "periods", "type",  "count_by"};
    buf_addf(body, "\"query\":{\"report\":\"%s\"", report_kind_names[r->kind]);
    add_instants(body, "date_range", r->from, r->to);
    if (r->range.compare != COMPARE_NONE)
        add_instants(body, "compare_range", r->compare_from, r->compare_to);
    buf_add_str(body, ",\"timezone\":");
    buf_add_json(body, r->timezone);
    for (size_t i = 0; i < COUNT_OF(sent); i++)
        add_as_sent(r, body, sent[i]);
    if (r->kind == REPORT_BREAKDOWN)
        add_order_by(r, body);
    buf_add_char(body, '}');
}
