/* WHAT    Filters: JSON to a tree, the tree to a condition.
 * WHY     [operator, field, values, {"case_sensitive": false}?], and/or/not of such, has_done and
 *         has_not_done: the shape of Plausible's filters, so that theirs are ours.
 *         Depth and number are bounded, and a value is a parameter, whatever it is. */
#include "analytics/event/page.h"
#include "analytics/report/report_int.h"

#include <stdio.h>

static const char *const op_names[OP_COUNT] = {
    "and",          "or",     "not",        "has_done", "has_not_done",     "segment",
    "cohort",       "is",     "is_not",     "contains", "contains_not",     "matches",
    "matches_not",  "exists", "not_exists", "greater",  "greater_or_equal", "less",
    "less_or_equal"};

/* ---- reading ---- */
static bool take_filter(struct report *r, const struct report_at *at, yyjson_val *v, uint32_t depth,
                        struct report_filter **ret_filter);

bool report_take_filter_list(struct report *r, const struct report_at *at, yyjson_val *list,
                             uint32_t depth, struct report_filter **ret_first)
{
    struct report_filter **last = ret_first;
    size_t i, n;
    yyjson_val *v;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
        return report_fail(r, at, "give an array of filters");
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = at, .index = i};
        if (!take_filter(r, &here, v, depth, last))
            return false;
        last = &(*last)->next;
    }
    return true;
}

static bool take_number(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct report_filter *f)
{
    double number;
    if (yyjson_is_arr(v) && yyjson_arr_size(v) == 1)
        v = yyjson_arr_get(v, 0);
    if (!v || !json_to_double(v, &number))
        return report_fail(r, at, "give one number");
    f->param_first = report_bind(r, json_text(v));
    f->param_count = 1;
    return r->err.rc == RC_OK;
}

/* Pages are kept in one spelling each. */
static struct slice spelling(struct report *r, const struct report_filter *f, struct slice value)
{
    static const char *const pages[] = {"page", "entry_page", "exit_page"};
    if ((f->op != OP_IS && f->op != OP_IS_NOT) || value.len == 0 || value.data[0] != '/')
        return value;
    for (size_t i = 0; i < COUNT_OF(pages); i++)
        if (strcmp(f->dim.field->name, pages[i]) == 0)
            return page_path_normal(value, r->arena);
    return value;
}

static bool bind_values(struct report *r, struct report_filter *f, const struct slice *texts,
                        uint32_t count)
{
    if (f->op != OP_MATCHES && f->op != OP_MATCHES_NOT) {
        f->param_first = report_bind_texts(r, texts, count);
        f->param_count = 1;
        return r->err.rc == RC_OK;
    }
    f->param_first = r->param_count;
    f->param_count = count;
    for (uint32_t i = 0; i < count; i++)
        report_bind(r, texts[i]);
    return r->err.rc == RC_OK;
}

/* Texts; numbers and booleans stand for their text. The empty text is "not known" and fine. */
static bool take_values(struct report *r, const struct report_at *at, yyjson_val *list,
                        struct report_filter *f)
{
    struct slice texts[REPORT_VALUES_MAX];
    bool is_pattern = f->op == OP_MATCHES || f->op == OP_MATCHES_NOT;
    uint32_t max = is_pattern ? REPORT_PATTERNS_MAX : REPORT_VALUES_MAX, count = 0;
    bool may_be_empty = f->op == OP_IS || f->op == OP_IS_NOT;
    size_t i, n;
    yyjson_val *v;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 || yyjson_arr_size(list) > max)
        return report_fail(r, at, "give an array of 1 to %u values", max);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = at, .index = i};
        if (json_is_number(v)) {
            texts[count] = json_text(v);
        } else if (yyjson_is_bool(v)) {
            texts[count] = yyjson_is_true(v) ? SLICE_LIT("true") : SLICE_LIT("false");
        } else if (may_be_empty && (yyjson_is_null(v) || (yyjson_is_str(v) && !json_text(v).len))) {
            texts[count] = SLICE_EMPTY;
        } else if (!report_take_text(r, &here, v, QUERY_TEXT_BYTES_MAX, &texts[count])) {
            return false;
        }
        texts[count] = spelling(r, f, texts[count]);
        r->value_bytes += texts[count++].len;
    }
    if (r->value_bytes > REPORT_VALUE_BYTES_MAX)
        return report_fail(r, at, "the values of all filters are longer than %d bytes",
                           REPORT_VALUE_BYTES_MAX);
    return bind_values(r, f, texts, count);
}

static bool take_modifiers(struct report *r, const struct report_at *at, yyjson_val *v,
                           struct report_filter *f)
{
    static const char *const names[] = {"case_sensitive", NULL};
    const struct report_at here = {.up = at, .name = names[0]};
    if (!v)
        return true;
    if (!report_known_members(r, at, v, names))
        return false;
    yyjson_val *flag = json_get(v, names[0]);
    if (flag && !yyjson_is_bool(flag))
        return report_fail(r, &here, "give true or false");
    f->ignores_case = flag && yyjson_is_false(flag);
    return true;
}

static bool take_simple(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct report_filter *f)
{
    const struct report_at at_field = {.up = at, .index = 1}, at_values = {.up = at, .index = 2},
                           at_more = {.up = at, .index = 3};
    size_t size = yyjson_arr_size(v);
    bool is_bare = f->op == OP_EXISTS || f->op == OP_NOT_EXISTS;
    if (!report_take_dim(r, &at_field, yyjson_arr_get(v, 1), &f->dim))
        return false;
    if (f->dim.field->kind == FIELD_TIME)
        return report_fail(r, &at_field, "time is chosen by date_range");
    if (f->dim.field->kind == FIELD_GOAL)
        return report_fail(r, &at_field, "what is to be reached stands in goal");
    if (size != (is_bare ? 2 : 3) && !(size == 4 && !is_bare))
        return report_fail(r, at,
                           is_bare ? "give [operator, field]" : "give [operator, field, values]");
    if (is_bare)
        return true;
    bool is_number = f->dim.field->kind == FIELD_NUMBER;
    if (f->op >= OP_GREATER) {
        if (!is_number && f->dim.field->kind != FIELD_PROPERTY && f->dim.field->kind <= FIELD_GROUP)
            return report_fail(r, &at_field,
                               "numbers are in property:…, person:…, revenue, scroll_depth");
        return take_number(r, &at_values, yyjson_arr_get(v, 2), f);
    }
    if (is_number)
        return report_fail(r, at,
                           "compare a number with greater, less, greater_or_equal or "
                           "less_or_equal");
    return take_values(r, &at_values, yyjson_arr_get(v, 2), f) &&
           take_modifiers(r, &at_more, yyjson_arr_get(v, 3), f);
}

/* What somebody did is asked of events, whatever the question around it is about. */
static bool take_done(struct report *r, const struct report_at *at, yyjson_val *v, uint32_t depth,
                      struct report_filter *f)
{
    unsigned scope = r->scope;
    bool knows_kind = r->knows_kind;
    if (r->is_in_cohort)
        return report_fail(r, at, "a cohort says what was done in conditions of its own");
    r->scope = 0;
    if (!take_filter(r, at, v, depth + 1, &f->children))
        return false;
    if (r->scope & SCOPE_VISIT)
        return report_fail(r, at, "has_done asks for something of events, such as event or page");
    r->scope = scope;
    r->knows_kind = knows_kind;
    return true;
}

static bool take_node(struct report *r, const struct report_at *at, yyjson_val *v, uint32_t depth,
                      struct report_filter *f)
{
    const struct report_at inner = {.up = at, .index = 1};
    if (f->op > OP_COHORT)
        return take_simple(r, at, v, f);
    if (yyjson_arr_size(v) != 2)
        return report_fail(r, at, "give [\"%s\", %s]", op_names[f->op],
                           f->op <= OP_OR        ? "[filters]"
                           : f->op >= OP_SEGMENT ? "id or name"
                                                 : "filter");
    if (f->op == OP_SEGMENT)
        return report_take_segment(r, &inner, yyjson_arr_get(v, 1), depth, f);
    if (f->op == OP_COHORT)
        return report_take_cohort(r, &inner, yyjson_arr_get(v, 1), f);
    if (f->op == OP_HAS_DONE || f->op == OP_HAS_NOT_DONE)
        return report_bounds_no(r, at) && take_done(r, &inner, yyjson_arr_get(v, 1), depth, f);
    if (f->op == OP_NOT)
        return take_filter(r, &inner, yyjson_arr_get(v, 1), depth + 1, &f->children);
    return report_take_filter_list(r, &inner, yyjson_arr_get(v, 1), depth + 1, &f->children);
}

static bool find_op(struct slice name, enum report_op *ret_op)
{
    for (uint32_t i = 0; i < OP_COUNT; i++) {
        if (slice_eq_str(name, op_names[i])) {
            *ret_op = (enum report_op)i;
            return true;
        }
    }
    *ret_op = OP_IS;
    return slice_eq_str(name, "in");
}

static bool take_filter(struct report *r, const struct report_at *at, yyjson_val *v, uint32_t depth,
                        struct report_filter **ret_filter)
{
    const struct report_at at_op = {.up = at, .index = 0};
    struct slice name;
    struct report_filter *f = arena_zalloc(r->arena, sizeof(*f));
    if (!f)
        return report_fail(r, at, "no memory for this question");
    *ret_filter = f;
    if (depth > REPORT_FILTER_DEPTH_MAX)
        return report_fail(r, at, "filters go deeper than %d", REPORT_FILTER_DEPTH_MAX);
    if (++r->filter_nodes > REPORT_FILTERS_MAX)
        return report_fail(r, at, "there are more than %d filters", REPORT_FILTERS_MAX);
    if (!yyjson_is_arr(v) || yyjson_arr_size(v) < 2)
        return report_fail(r, at, "give an array: [operator, field, values]");
    if (!report_take_text(r, &at_op, yyjson_arr_get(v, 0), 40, &name))
        return false;
    if (!find_op(name, &f->op))
        return report_fail(r, &at_op, "'%.*s' is no operator", SLICE_ARG(name));
    return take_node(r, at, v, depth, f);
}

bool report_take_filters(struct report *r, const struct report_at *at, yyjson_val *v,
                         struct report_filter **ret_filter)
{
    *ret_filter = NULL;
    if (!v || yyjson_is_null(v) || (yyjson_is_arr(v) && yyjson_arr_size(v) == 0))
        return true;
    struct report_filter *all = arena_zalloc(r->arena, sizeof(*all));
    if (!all)
        return report_fail(r, at, "no memory for this question");
    all->op = OP_AND;
    *ret_filter = all;
    return report_take_filter_list(r, at, v, 1, &all->children);
}

static bool take_event(struct report *r, const struct report_at *at, yyjson_val *v,
                       struct report_filter **ret)
{
    CLEANUP(buf_done) struct buf text;
    yyjson_val *list;
    struct slice name = SLICE_EMPTY;
    buf_init(&text, 16 << 10);
    if (!report_take_text(r, at, v, REPORT_NAME_BYTES_MAX, &name))
        return false;
    buf_add_str(&text, "[[\"is\",\"event\",[");
    buf_add_json(&text, name);
    buf_add_str(&text, "]]]");
    if (!buf_ok(&text) || json_parse(r->arena, buf_slice(&text), &list, NULL) != RC_OK)
        return report_fail(r, at, "there is no memory for it");
    return report_take_filters(r, at, list, ret);
}

void report_filters_join(struct report_filter **all, struct report_filter *further)
{
    if (!*all) {
        *all = further;
        return;
    }
    struct report_filter *last = (*all)->children;
    while (last->next)
        last = last->next;
    if (further)
        last->next = further->children;
}

bool report_take_which(struct report *r, const struct report_at *at, yyjson_val *v,
                       struct report_filter **ret)
{
    const struct report_at at_event = {.up = at, .name = "event"},
                           at_goal = {.up = at, .name = "goal"},
                           at_filters = {.up = at, .name = "filters"};
    yyjson_val *event = json_get(v, "event"), *goal = json_get(v, "goal");
    struct report_filter *part = NULL;
    *ret = NULL;
    if (event && !take_event(r, &at_event, event, ret))
        return false;
    if (goal && !report_take_stored_goal(r, &at_goal, goal, &part))
        return false;
    report_filters_join(ret, part);
    if (!report_take_filters(r, &at_filters, json_get(v, "filters"), &part))
        return false;
    report_filters_join(ret, part);
    return *ret || report_fail(r, at, "say which events: {\"event\": \"signup\"}, goal or filters");
}

bool report_filter_is_of_events(const struct report_filter *f)
{
    if (f->op == OP_HAS_DONE || f->op == OP_HAS_NOT_DONE || f->op == OP_COHORT)
        return true; /* by visitor */
    if (f->op > OP_NOT)
        return f->dim.field && f->dim.field->event;
    for (const struct report_filter *child = f->children; child; child = child->next)
        if (!report_filter_is_of_events(child))
            return false;
    return true;
}

bool report_filter_is_of_slots(const struct report_filter *f)
{
    if (!f || f->op == OP_HAS_DONE || f->op == OP_HAS_NOT_DONE)
        return true;
    if (f->op == OP_COHORT)
        return report_cohort_by(f->cohort) == COHORT_VISITORS;
    if (f->op > OP_NOT)
        return f->dim.field && f->dim.field->in_slots;
    for (const struct report_filter *child = f->children; child; child = child->next)
        if (!report_filter_is_of_slots(child))
            return false;
    return true;
}

/* ---- writing ---- */
static void add_json(struct buf *out, const char *function, const char *column, uint32_t first,
                     uint32_t count)
{
    buf_addf(out, "%s(%s", function, column);
    for (uint32_t i = 0; i < count; i++)
        buf_addf(out, ", {p%u:String}", first + i);
    buf_add_char(out, ')');
}

/* Of what is no text the engine's function gives the JSON, and of null nothing. */
void report_json_text_sql(struct buf *out, const char *column, uint32_t first, uint32_t count)
{
    add_json(out, "JSONExtractString", column, first, count);
}

/* A function for numbers would take texts that look like one, too; no other JSON reads as one. */
void report_json_number_sql(struct buf *out, const char *column, uint32_t first, uint32_t count)
{
    buf_add_str(out, "toFloat64OrNull(");
    add_json(out, "JSONExtractRaw", column, first, count);
    buf_add_char(out, ')');
}

static void add_bucket(const struct report_sql *s, enum report_unit unit, const char *column)
{
    static const char *const by_day[UNIT_COUNT] = {
        NULL, NULL, "toDate", "toMonday", "toStartOfMonth", "toStartOfYear"};
    int step = unit == UNIT_HOUR ? 3600 : 60;
    if (by_day[unit])
        buf_addf(s->out, "%s(%s, {timezone:String})", by_day[unit], column);
    else
        buf_addf(s->out,
                 "toUInt32(toUnixTimestamp(toStartOfDay(%s, {timezone:String})) + "
                 "intDiv(toUnixTimestamp(%s) - toUnixTimestamp(toStartOfDay(%s, "
                 "{timezone:String})), %d) * %d)",
                 column, column, column, step, step);
}

/* The column that the property of an event has of its own; NULL: it has to be looked for. */
static const char *own_column(const struct report_sql *s, const struct report_dim *d)
{
    return d->param_count == 1
               ? property_columns_find(s->r->property_columns, s->r->params[d->param_first].value)
               : NULL;
}

static void add_property(const struct report_sql *s, const struct report_dim *d)
{
    const char *own = own_column(s, d);
    if (own)
        buf_addf(s->out, "replaceRegexpOne(%s, '^\"', '')", own);
    else
        report_json_text_sql(s->out, "properties", d->param_first, d->param_count);
}

static void add_property_number(const struct report_sql *s, const struct report_dim *d)
{
    const char *own = own_column(s, d);
    if (own)
        buf_addf(s->out, "toFloat64OrNull(%s)", own);
    else
        report_json_number_sql(s->out, "properties", d->param_first, d->param_count);
}

static bool is_visits(const struct report_sql *s)
{
    return s->source == SOURCE_VISITS;
}

void report_dim_sql(const struct report_sql *s, const struct report_dim *d)
{
    const char *column = is_visits(s) ? d->field->visit : d->field->event;
    if (s->source & SOURCE_IMPORTS) {
        report_imports_dim_sql(d, s->out);
        return;
    }
    switch (d->field->kind) {
    case FIELD_TIME:
        add_bucket(s, d->unit, s->source & SOURCE_SLOTS ? "since" : column);
        return;
    case FIELD_PROPERTY:
        add_property(s, d);
        return;
    case FIELD_GOAL:
        report_goals_sql(s);
        return;
    case FIELD_BOT:
        report_bot_sql(s);
        return;
    case FIELD_GROUP:
    case FIELD_PERSON:
    case FIELD_GROUP_TRAIT:
        report_fact_sql(s, d);
        return;
    default:
        if (column)
            buf_add_str(s->out, column);
        else
            buf_addf(s->out, "visit_%s", d->field->visit);
    }
}

void report_number_sql(const struct report_sql *s, const struct report_dim *d)
{
    if (d->field->kind == FIELD_NUMBER) {
        buf_addf(s->out, "toNullable(toFloat64(%s))", d->field->event);
        return;
    }
    if (d->field->kind == FIELD_PROPERTY)
        add_property_number(s, d);
    else
        report_fact_number_sql(s, d);
}

static void add_joined(const struct report_sql *s, const struct report_filter *f,
                       const char *between)
{
    buf_add_char(s->out, '(');
    for (const struct report_filter *child = f->children; child; child = child->next) {
        report_filter_sql(s, child);
        if (child->next)
            buf_add_str(s->out, between);
    }
    buf_add_char(s->out, ')');
}

static void add_done(const struct report_sql *s, const struct report_filter *f)
{
    const struct report_sql events = {
        .r = s->r,
        .out = s->out,
        .is_compared = s->is_compared,
        .source =
            report_slots_ready(s->r) && report_filter_is_of_slots(f->children) ? SOURCE_SLOTS : 0};
    const char *who = s->r->by_person ? "person" : "visitor";
    buf_addf(s->out, "%s %s (SELECT %s", who, f->op == OP_HAS_DONE ? "IN" : "NOT IN", who);
    report_rows_sql(&events);
    buf_addf(s->out, " AND %s != 0 AND ", who);
    report_filter_sql(&events, f->children);
    buf_add_char(s->out, ')');
}

static void add_cohort(const struct report_sql *s, const struct report_filter *f)
{
    report_cohort_sql(s, f->cohort);
}

/* report_bind_texts */
#define TEXTS "splitByChar('\\0', {p%u:String})"

static void add_is(const struct report_sql *s, const struct report_filter *f)
{
    if (f->ignores_case)
        buf_add_str(s->out, "lowerUTF8(toString(");
    report_dim_sql(s, &f->dim);
    if (f->ignores_case)
        buf_addf(s->out, ")) IN arrayMap(x -> lowerUTF8(x), " TEXTS ")", f->param_first);
    else
        buf_addf(s->out, " IN " TEXTS, f->param_first);
}

static void add_contains(const struct report_sql *s, const struct report_filter *f)
{
    buf_addf(s->out, "multiSearchAny%s(toString(", f->ignores_case ? "CaseInsensitiveUTF8" : "");
    report_dim_sql(s, &f->dim);
    buf_addf(s->out, "), " TEXTS ")", f->param_first);
}

static void add_matches(const struct report_sql *s, const struct report_filter *f)
{
    buf_add_char(s->out, '(');
    for (uint32_t i = 0; i < f->param_count; i++) {
        buf_add_str(s->out, i ? " OR match(toString(" : "match(toString(");
        report_dim_sql(s, &f->dim);
        if (f->ignores_case)
            buf_addf(s->out, "), concat('(?i)', {p%u:String}))", f->param_first + i);
        else
            buf_addf(s->out, "), {p%u:String})", f->param_first + i);
    }
    buf_add_char(s->out, ')');
}

static void add_exists(const struct report_sql *s, const struct report_filter *f)
{
    bool is_number = f->dim.field->kind == FIELD_NUMBER;
    report_dim_sql(s, &f->dim);
    buf_add_str(s->out, is_number ? " != 0" : " != ''");
}

static void add_compare(const struct report_sql *s, const struct report_filter *f)
{
    static const char *const signs[] = {">", ">=", "<", "<="};
    buf_add_str(s->out, "ifNull(");
    report_number_sql(s, &f->dim);
    buf_addf(s->out, " %s {p%u:Float64}, 0)", signs[f->op - OP_GREATER], f->param_first);
}

void report_filter_sql(const struct report_sql *s, const struct report_filter *f)
{
    static void (*const add[OP_COUNT])(const struct report_sql *, const struct report_filter *) = {
        [OP_HAS_DONE] = add_done,
        [OP_HAS_NOT_DONE] = add_done,
        [OP_COHORT] = add_cohort,
        [OP_IS] = add_is,
        [OP_IS_NOT] = add_is,
        [OP_CONTAINS] = add_contains,
        [OP_CONTAINS_NOT] = add_contains,
        [OP_MATCHES] = add_matches,
        [OP_MATCHES_NOT] = add_matches,
        [OP_EXISTS] = add_exists,
        [OP_NOT_EXISTS] = add_exists,
        [OP_GREATER] = add_compare,
        [OP_GREATER_OR_EQUAL] = add_compare,
        [OP_LESS] = add_compare,
        [OP_LESS_OR_EQUAL] = add_compare};
    if (f->op == OP_AND || f->op == OP_OR) {
        add_joined(s, f, f->op == OP_AND ? " AND " : " OR ");
        return;
    }
    bool is_not = f->op == OP_NOT || f->op == OP_IS_NOT || f->op == OP_CONTAINS_NOT ||
                  f->op == OP_MATCHES_NOT || f->op == OP_NOT_EXISTS;
    if (is_not)
        buf_add_str(s->out, "NOT (");
    if (f->op == OP_NOT)
        report_filter_sql(s, f->children);
    else
        add[f->op](s, f);
    if (is_not)
        buf_add_char(s->out, ')');
}
