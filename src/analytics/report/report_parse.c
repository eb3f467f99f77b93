/* WHAT    The question: JSON to a checked struct report.
 * WHY     A member that is silently ignored gives a wrong number: names that are not known are
 *         mistakes, each told with its JSON pointer. */
#include "analytics/report/report_int.h"

#include <stdarg.h>
#include <stdio.h>

const char *const report_kind_names[REPORT_KIND_COUNT] = {"breakdown", "funnel", "retention"};
const char *const report_unit_names[UNIT_COUNT] = {"minute", "hour",  "day",
                                                   "week",   "month", "year"};

/* ---- mistakes ---- */
static void add_pointer(struct buf *out, const struct report_at *at)
{
    if (!at)
        return;
    add_pointer(out, at->up);
    if (!at->name) {
        buf_addf(out, "/%zu", at->index);
        return;
    }
    buf_add_char(out, '/');
    for (const char *p = at->name; *p; p++) {
        if (*p == '~' || *p == '/')
            buf_add_str(out, *p == '~' ? "~0" : "~1");
        else
            buf_add_char(out, *p);
    }
}

bool report_fail(struct report *r, const struct report_at *at, const char *fmt, ...)
{
    char text[sizeof(r->err.text)];
    va_list args;
    if (r->err.rc != RC_OK)
        return false; /* the first one counts */
    CLEANUP(buf_done) struct buf pointer;
    buf_init(&pointer, 256);
    add_pointer(&pointer, at);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)err_set(&r->err, RC_INVALID, "%s: %s", at ? buf_cstr(&pointer) : "the question", text);
    return false;
}

/* ---- values ---- */
bool report_take_text(struct report *r, const struct report_at *at, yyjson_val *v, size_t bytes_max,
                      struct slice *ret_text)
{
    struct slice text = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
    if (text.len == 0 || text.len > bytes_max || memchr(text.data, '\0', text.len))
        return report_fail(r, at, "give a text of 1 to %zu bytes without U+0000", bytes_max);
    *ret_text = text;
    return true;
}

bool report_take_u64(struct report *r, const struct report_at *at, yyjson_val *v, uint64_t min,
                     uint64_t max, uint64_t def, uint64_t *ret_value)
{
    int64_t number;
    *ret_value = def;
    if (!v || yyjson_is_null(v))
        return true;
    if (!json_to_i64(v, &number) || number < 0 || (uint64_t)number < min || (uint64_t)number > max)
        return report_fail(r, at, "give a whole number from %llu to %llu", (unsigned long long)min,
                           (unsigned long long)max);
    *ret_value = (uint64_t)number;
    return true;
}

bool report_take_bool(struct report *r, const struct report_at *at, yyjson_val *v, bool *ret_value)
{
    *ret_value = false;
    if (!v || yyjson_is_null(v))
        return true;
    if (!yyjson_is_bool(v))
        return report_fail(r, at, "give true or false");
    *ret_value = yyjson_is_true(v);
    return true;
}

bool report_take_word(struct report *r, const struct report_at *at, yyjson_val *v,
                      const char *const *words, uint32_t count, uint32_t *ret_index)
{
    char list[200];
    size_t len = 0;
    if (!v || yyjson_is_null(v))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (yyjson_is_str(v) && slice_eq_str(json_text(v), words[i])) {
            *ret_index = i;
            return true;
        }
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i]);
    }
    return report_fail(r, at, "give one of %s", list);
}

bool report_known_members(struct report *r, const struct report_at *at, yyjson_val *object,
                          const char *const *names)
{
    size_t i, n;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(object))
        return report_fail(r, at, "give an object");
    yyjson_obj_foreach(object, i, n, key, value)
    {
        const char *const *name = names;
        while (*name && !slice_eq_str(json_text(key), *name))
            name++;
        if (!*name)
            return report_fail(r, at, "has no member '%.*s'",
                               json_text(key).len > 60 ? 60 : (int)json_text(key).len,
                               json_text(key).data);
    }
    return true;
}

/* ---- binding ---- */
void report_bind_as(struct report *r, const char *name, struct slice value)
{
    if (r->param_count == REPORT_PARAMS_MAX) {
        report_fail(r, NULL, "more than %d values", REPORT_PARAMS_MAX);
        return;
    }
    r->params[r->param_count++] = (struct store_param){name, value};
}

uint32_t report_bind(struct report *r, struct slice value)
{
    uint32_t number = r->param_count;
    char *name = arena_printf(r->arena, "p%u", number);
    report_bind_as(r, name ? name : "", value);
    return number;
}

uint32_t report_bind_texts(struct report *r, const struct slice *texts, uint32_t count)
{
    CLEANUP(buf_done) struct buf list;
    buf_init(&list, (size_t)2 * REPORT_VALUE_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&list, '\0');
        buf_add_slice(&list, texts[i]);
    }
    return report_bind(r, arena_copy(r->arena, buf_slice(&list)));
}

void report_bind_i64(struct report *r, const char *name, int64_t value)
{
    char *text = arena_printf(r->arena, "%lld", (long long)value);
    report_bind_as(r, name, slice_str(text));
}

/* ---- dimensions ---- */
/* "a.b\.c" → "a", "b.c". */
static bool bind_path(struct report *r, const struct report_at *at, struct slice path,
                      struct report_dim *dim)
{
    char part[REPORT_NAME_BYTES_MAX];
    size_t len = 0;
    dim->param_first = r->param_count;
    for (size_t i = 0; i <= path.len; i++) {
        bool is_end = i == path.len || path.data[i] == '.';
        if (!is_end && path.data[i] == '\\' && i + 1 < path.len)
            i++;
        if (!is_end) {
            if (len == sizeof(part))
                return report_fail(r, at, "a name in it is longer than %d bytes",
                                   REPORT_NAME_BYTES_MAX);
            part[len++] = path.data[i];
            continue;
        }
        if (len == 0 || dim->param_count == REPORT_PATH_MAX)
            return report_fail(r, at, "give one to %d names with a dot between them",
                               REPORT_PATH_MAX);
        report_bind(r, arena_copy(r->arena, slice_of(part, len)));
        dim->param_count++;
        len = 0;
    }
    return r->err.rc == RC_OK;
}

static bool take_unit(struct report *r, const struct report_at *at, struct slice rest,
                      enum report_unit *ret_unit)
{
    for (uint32_t i = 0; i < UNIT_COUNT; i++) {
        if (slice_eq_str(rest, report_unit_names[i])) {
            *ret_unit = (enum report_unit)i;
            return true;
        }
    }
    return report_fail(r, at, "time is counted by minute, hour, day, week, month or year");
}

static bool unknown_field(struct report *r, const struct report_at *at, struct slice name)
{
    CLEANUP(buf_done) struct buf names;
    buf_init(&names, 1024);
    report_field_names(&names);
    return report_fail(r, at, "'%.*s' is not known; known are %s",
                       name.len > 60 ? 60 : (int)name.len, name.data, buf_cstr(&names));
}

static bool resolve_dim(struct report *r, const struct report_at *at, struct slice name,
                        struct report_dim *ret_dim)
{
    struct slice rest;
    *ret_dim = (struct report_dim){.name = name, .field = report_field_find(name, &rest)};
    if (!ret_dim->field)
        return unknown_field(r, at, name);
    switch (ret_dim->field->kind) {
    case FIELD_TIME:
        return take_unit(r, at, rest, &ret_dim->unit);
    case FIELD_PROPERTY:
        return bind_path(r, at, rest, ret_dim);
    case FIELD_GROUP:
        if (rest.len == 0)
            return report_fail(r, at, "name the kind of group: group:company");
        ret_dim->param_first = report_bind(r, rest);
        ret_dim->param_count = 1;
        return r->err.rc == RC_OK;
    default:
        return true;
    }
}

static void note_scope(struct report *r, const struct report_dim *dim)
{
    bool is_event = dim->field->event, is_visit = dim->field->visit;
    if (is_event && !is_visit)
        r->scope |= SCOPE_EVENT;
    if (is_visit && !is_event)
        r->scope |= SCOPE_VISIT;
    if (strcmp(dim->field->name, "kind") == 0)
        r->knows_kind = true;
}

bool report_take_dim(struct report *r, const struct report_at *at, yyjson_val *v,
                     struct report_dim *ret_dim)
{
    struct slice name = SLICE_EMPTY;
    if (!report_take_text(r, at, v, REPORT_NAME_BYTES_MAX, &name) ||
        !resolve_dim(r, at, name, ret_dim))
        return false;
    note_scope(r, ret_dim);
    return true;
}

static bool take_dims(struct report *r, yyjson_val *list)
{
    const struct report_at at = {.name = "dimensions"};
    size_t i, n;
    yyjson_val *v;
    if (!list || yyjson_is_null(list))
        return true;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) > REPORT_DIMENSIONS_MAX)
        return report_fail(r, &at, "give an array of at most %d names", REPORT_DIMENSIONS_MAX);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = &at, .index = i};
        struct report_dim *dim = &r->dims[r->dim_count];
        if (!report_take_dim(r, &here, v, dim))
            return false;
        if (dim->field->kind == FIELD_TIME && report_time_dim(r))
            return report_fail(r, &here, "there is a dimension of time already");
        for (uint32_t k = 0; k < r->dim_count; k++)
            if (slice_eq(r->dims[k].name, dim->name))
                return report_fail(r, &here, "is there twice");
        r->dim_count++;
    }
    return true;
}

const struct report_dim *report_time_dim(const struct report *r)
{
    for (uint32_t i = 0; i < r->dim_count; i++)
        if (r->dims[i].field->kind == FIELD_TIME)
            return &r->dims[i];
    return NULL;
}

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
    if (!resolve_dim(r, at, rest, &m->of))
        return false;
    if (m->of.field->kind != FIELD_PROPERTY && m->of.field->kind != FIELD_NUMBER)
        return report_fail(r, at, "numbers are in property:…, revenue, scroll_depth");
    return true;
}

static bool metric_fits(struct report *r, const struct report_at *at, const struct report_metric *m)
{
    unsigned flags = m->def ? m->def->flags : 0;
    if (flags & METRIC_GOAL && !r->goal)
        return report_fail(r, at, "%s needs a goal: \"goal\": [[\"is\", \"event\", [\"signup\"]]]",
                           m->def->name);
    if (flags & METRIC_DIMENSION && r->dim_count == 0)
        return report_fail(r, at, "%s needs a dimension", m->def->name);
    return true;
}

static bool take_metrics(struct report *r, yyjson_val *list)
{
    const struct report_at at = {.name = "metrics"};
    size_t i, n;
    yyjson_val *v;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 ||
        yyjson_arr_size(list) > REPORT_METRICS_MAX)
        return report_fail(r, &at, "give an array of 1 to %d names", REPORT_METRICS_MAX);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = &at, .index = i};
        struct report_metric *m = &r->metrics[r->metric_count];
        if (!report_take_text(r, &here, v, REPORT_NAME_BYTES_MAX, &m->name))
            return false;
        m->def = report_metric_find(m->name);
        if (!m->def && !take_aggregate(r, &here, m))
            return false;
        if (!metric_fits(r, &here, m))
            return false;
        r->metric_count++;
    }
    return true;
}

/* ---- order, page, extras ---- */
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

static bool take_orders(struct report *r, yyjson_val *list)
{
    const struct report_at at = {.name = "order_by"};
    size_t i, n;
    yyjson_val *v;
    if (!list || yyjson_is_null(list))
        return true;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) > REPORT_ORDERS_MAX)
        return report_fail(r, &at, "give an array of at most %d pairs", REPORT_ORDERS_MAX);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = &at, .index = i};
        if (!take_order(r, &here, v))
            return false;
    }
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

static bool take_page(struct report *r, yyjson_val *root)
{
    const struct report_at at_limit = {.name = "limit"}, at_offset = {.name = "offset"};
    uint64_t limit, offset;
    bool has_time = report_time_dim(r);
    if (!report_take_u64(r, &at_limit, json_get(root, "limit"), 1, REPORT_LIMIT_MAX,
                         has_time ? REPORT_LIMIT_MAX : REPORT_LIMIT_DEFAULT, &limit) ||
        !report_take_u64(r, &at_offset, json_get(root, "offset"), 0, REPORT_OFFSET_MAX, 0, &offset))
        return false;
    r->limit = (uint32_t)limit;
    r->offset = (uint32_t)offset;
    return true;
}

static bool take_include(struct report *r, yyjson_val *include)
{
    static const char *const names[] = {"compare", "time_labels", "total_rows", "sql", NULL};
    const struct report_at at = {.name = "include"};
    const struct report_at at_compare = {.up = &at, .name = names[0]};
    const struct report_at at_labels = {.up = &at, .name = names[1]};
    const struct report_at at_total = {.up = &at, .name = names[2]};
    const struct report_at at_sql = {.up = &at, .name = names[3]};
    if (!include || yyjson_is_null(include))
        return true;
    if (!report_known_members(r, &at, include, names) ||
        !report_take_bool(r, &at_labels, json_get(include, names[1]), &r->has_time_labels) ||
        !report_take_bool(r, &at_total, json_get(include, names[2]), &r->has_total) ||
        !report_take_bool(r, &at_sql, json_get(include, names[3]), &r->has_sql) ||
        !report_take_compare(r, &at_compare, json_get(include, names[0])))
        return false;
    if (r->has_time_labels && !report_time_dim(r))
        return report_fail(r, &at_labels, "there is no dimension of time");
    return true;
}

/* ---- the whole ---- */
static bool take_breakdown(struct report *r, yyjson_val *root)
{
    return take_dims(r, json_get(root, "dimensions")) &&
           take_metrics(r, json_get(root, "metrics")) &&
           take_orders(r, json_get(root, "order_by")) && take_page(r, root) &&
           take_include(r, json_get(root, "include"));
}

static bool take_common(struct report *r, yyjson_val *root)
{
    static const char *const bots[] = {"exclude", "include", "only"};
    const struct report_at at_filters = {.name = "filters"}, at_goal = {.name = "goal"},
                           at_bots = {.name = "bots"};
    uint32_t word = BOTS_EXCLUDE;
    if (!report_take_range(r, root) ||
        !report_take_filters(r, &at_filters, json_get(root, "filters"), &r->filter) ||
        !report_take_filters(r, &at_goal, json_get(root, "goal"), &r->goal) ||
        !report_take_word(r, &at_bots, json_get(root, "bots"), bots, COUNT_OF(bots), &word))
        return false;
    r->bots = (enum report_bots)word;
    if (r->goal)
        r->scope |= SCOPE_EVENT;
    return true;
}

/* Each kind knows its own members, beside those of all. */
static bool take_members(struct report *r, yyjson_val *root)
{
#define ALL "report", "date_range", "timezone", "filters", "bots", "include"
    static const char *const breakdown[] = {ALL,        "metrics", "dimensions", "goal",
                                            "order_by", "limit",   "offset",     NULL};
    static const char *const funnel[] = {ALL,          "steps",    "window",     "order",
                                         "exclusions", "count_by", "dimensions", NULL};
    static const char *const retention[] = {ALL,       "start", "return",   "unit",
                                            "periods", "type",  "count_by", NULL};
#undef ALL
    static const char *const *const names[REPORT_KIND_COUNT] = {breakdown, funnel, retention};
    return report_known_members(r, NULL, root, names[r->kind]);
}

bool report_parse(struct report *r, struct arena *arena, struct slice body)
{
    const struct report_at at = {.name = "report"};
    struct err err = ERR_INIT;
    uint32_t kind = REPORT_BREAKDOWN;
    *r = (struct report){.arena = arena, .err = ERR_INIT, .limit = REPORT_LIMIT_MAX};
    if (json_parse(arena, body, &r->root, &err) != RC_OK)
        return report_fail(r, NULL, "is no JSON: %s", err.text);
    if (!yyjson_is_obj(r->root))
        return report_fail(r, NULL, "give an object: {\"metrics\": […], \"date_range\": …}");
    if (!report_take_word(r, &at, json_get(r->root, "report"), report_kind_names, REPORT_KIND_COUNT,
                          &kind))
        return false;
    r->kind = (enum report_kind)kind;
    if (!take_members(r, r->root) || !take_common(r, r->root))
        return false;
    switch (r->kind) {
    case REPORT_FUNNEL:
        if (!report_funnel_parse(r, r->root))
            return false;
        break;
    case REPORT_RETENTION:
        if (!report_retention_parse(r, r->root))
            return false;
        break;
    default:
        if (!take_breakdown(r, r->root))
            return false;
        default_order(r);
    }
    return r->err.rc == RC_OK && !arena->is_failed;
}
