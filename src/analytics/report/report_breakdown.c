/* WHAT    Breakdowns: their members and their rows. The statement is report_sql.c. */
#include "analytics/report/report_int.h"

/* ---- metrics ---- */
/* "p75:property:value", "sum:scroll_depth". */
static bool take_aggregate(struct report *r, const struct report_at *at, struct report_metric *m)
{
    static const char *const names[] = {"sum", "avg", "min", "max", "count"};
    struct slice rest = m->name, head = slice_cut(&rest, ':');
    uint64_t level;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_eq_str(head, names[i]))
            m->aggregate = names[i];
    if (!m->aggregate && head.len > 1 && head.data[0] == 'p' &&
        slice_to_u64(slice_sub(head, 1), &level) && level >= 1 && level <= 99)
        m->level = (double)level / 100;
    if ((!m->aggregate && m->level == 0) || rest.len == 0) {
        CLEANUP(buf_done) struct buf known;
        buf_init(&known, 1024);
        report_metric_names(&known);
        return report_fail(r, at, "'%.*s' is not known; known are %s",
                           m->name.len > 60 ? 60 : (int)m->name.len, m->name.data,
                           buf_cstr(&known));
    }
    if (!report_resolve_dim(r, at, rest, &m->of))
        return false;
    if (m->of.field->kind != FIELD_PROPERTY && m->of.field->kind != FIELD_NUMBER)
        return report_fail(r, at, "numbers are in property:…, revenue, scroll_depth");
    return true;
}

static bool metric_fits(struct report *r, const struct report_at *at, const struct report_metric *m)
{
    unsigned flags = m->def ? m->def->flags : 0;
    if (flags & METRIC_GOAL && !r->goal && (flags & METRIC_BASE || !r->goals))
        return report_fail(r, at, "%s needs a goal: \"goal\": [[\"is\", \"event\", [\"signup\"]]]",
                           m->def->name);
    if (flags & METRIC_DIMENSION && r->dim_count == 0)
        return report_fail(r, at, "%s needs a dimension", m->def->name);
    return true;
}

static bool take_metric(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct report_metric *m = &r->metrics[r->metric_count];
    if (!report_take_text(r, at, v, REPORT_NAME_BYTES_MAX, &m->name))
        return false;
    m->def = report_metric_find(m->name);
    if (!m->def && !take_aggregate(r, at, m))
        return false;
    if (!metric_fits(r, at, m))
        return false;
    r->needs_person |= m->def && m->def->flags & METRIC_PERSON;
    r->metric_count++;
    return true;
}

/* ---- order ---- */
static bool find_order(struct report *r, struct slice name, struct report_order *o)
{
    for (uint32_t i = 0; i < r->metric_count; i++)
        if (slice_eq(r->metrics[i].name, name)) {
            *o = (struct report_order){.is_metric = true, .index = i};
            return !r->metrics[i].def || r->metrics[i].def->kind != VALUE_JSON;
        }
    for (uint32_t i = 0; i < r->dim_count; i++)
        if (slice_eq(r->dims[i].name, name)) {
            *o = (struct report_order){.index = i};
            return true;
        }
    return false;
}

static bool take_order(struct report *r, const struct report_at *at, yyjson_val *v)
{
    static const char *const directions[] = {"asc", "desc"};
    struct report_order *o = &r->orders[r->order_count++];
    const struct report_at at_name = {.up = at, .index = 0}, at_way = {.up = at, .index = 1};
    struct slice name = SLICE_EMPTY;
    uint32_t way = 0;
    if (!yyjson_is_arr(v) || yyjson_arr_size(v) != 2)
        return report_fail(r, at, "give [name, \"asc\" or \"desc\"]");
    if (!report_take_text(r, &at_name, yyjson_arr_get(v, 0), REPORT_NAME_BYTES_MAX, &name))
        return false;
    if (!find_order(r, name, o))
        return report_fail(r, &at_name,
                           "name a metric (not of revenue) or dimension of this "
                           "question");
    if (yyjson_is_null(yyjson_arr_get(v, 1)))
        return report_fail(r, &at_way, "give asc or desc");
    if (!report_take_word(r, &at_way, yyjson_arr_get(v, 1), directions, 2, &way))
        return false;
    o->is_desc = way == 1;
    return true;
}

static void default_order(struct report *r)
{
    const struct report_dim *time = report_time_dim(r);
    if (r->order_count)
        return;
    if (time)
        r->orders[r->order_count++] = (struct report_order){.index = (uint32_t)(time - r->dims)};
    for (uint32_t i = 0; i < r->metric_count; i++) {
        if (r->metrics[i].def && r->metrics[i].def->kind == VALUE_JSON)
            continue;
        r->orders[r->order_count++] =
            (struct report_order){.is_metric = true, .index = i, .is_desc = true};
        return;
    }
}

static bool parse(struct report *r, yyjson_val *root)
{
    static const struct report_list metrics = {1, REPORT_METRICS_MAX, "names", take_metric};
    static const struct report_list orders = {0, REPORT_ORDERS_MAX, "pairs", take_order};
    const struct report_at at_metrics = {.name = "metrics"}, at_order = {.name = "order_by"};
    if (!report_take_dims(r, REPORT_DIMENSIONS_MAX, true) ||
        !report_take_list(r, &at_metrics, json_get(root, "metrics"), &metrics) ||
        !report_take_list(r, &at_order, json_get(root, "order_by"), &orders) ||
        !report_take_page(r, report_time_dim(r) ? REPORT_LIMIT_MAX : REPORT_LIMIT_DEFAULT))
        return false;
    default_order(r);
    for (uint32_t i = 0; i < r->metric_count; i++)
        if (r->sample && r->metrics[i].def && r->metrics[i].def->flags & METRIC_OTHERS)
            return report_fail(r, &at_metrics,
                               "a sample is one of visitors: it does not tell how many %.*s "
                               "there are",
                               SLICE_ARG(r->metrics[i].name));
    return report_take_cursor(r, json_get(root, "cursor"));
}

/* ---- the answer ---- */
static bool is_sum(const struct report_metric *m)
{
    return m->def ? m->def->flags & METRIC_SUM : m->aggregate && strcmp(m->aggregate, "sum") == 0;
}

static enum rc add_metric(const struct report *r, const struct report_metric *m, yyjson_val *v,
                          struct buf *body, struct err *err)
{
    enum report_value_kind kind = report_metric_kind(m);
    if (kind == VALUE_JSON && yyjson_is_str(v)) {
        if (is_sum(m))
            return report_add_sums(r, body, json_text(v), err);
        buf_add_slice(body, json_text(v));
    } else if (kind == VALUE_COUNT) {
        report_add_count(r, body, v);
    } else if (is_sum(m)) {
        report_add_sum(r, body, v);
    } else {
        report_add_value(body, v);
    }
    return RC_OK;
}

static enum rc add_metrics(const struct report *r, yyjson_val *row, uint32_t first,
                           struct buf *body, struct err *err)
{
    buf_add_str(body, "\"metrics\":[");
    for (uint32_t i = 0; i < r->metric_count; i++) {
        if (i)
            buf_add_char(body, ',');
        TRY(add_metric(r, &r->metrics[i], yyjson_arr_get(row, first + i), body, err));
    }
    buf_add_char(body, ']');
    return RC_OK;
}

/* [dimensions…, metrics…, the other range's…, rows in all, keys] */
static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    bool is_compared = r->range.compare != COMPARE_NONE;
    uint32_t width =
        r->dim_count + r->metric_count * (is_compared ? 2 : 1) + r->has_total + r->is_paged;
    if (!yyjson_is_arr(row) || yyjson_arr_size(row) != width)
        return report_bad_shape(err);
    report_add_dims(r, row, body);
    buf_add_char(body, ',');
    TRY(add_metrics(r, row, r->dim_count, body, err));
    if (is_compared) {
        buf_add_str(body, ",\"comparison\":{");
        TRY(add_metrics(r, row, r->dim_count + r->metric_count, body, err));
        buf_add_char(body, '}');
    }
    buf_add_char(body, '}');
    return RC_OK;
}

static void add_resolved(const struct report *r, struct buf *body)
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

static const char *const members[] = {"metrics", "dimensions", "goal", NULL};
static const char *const resolved[] = {"order_by", "limit", "offset", "cursor", NULL};
const struct report_kind report_kind_breakdown = {.name = "breakdown",
                                                  .members = members,
                                                  .resolved = resolved,
                                                  .is_table = true,
                                                  .is_sampled = true,
                                                  .parse = parse,
                                                  .sql = report_breakdown_sql,
                                                  .row = add_row,
                                                  .add_resolved = add_resolved};
