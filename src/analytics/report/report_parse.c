/* WHAT    The question: JSON to a checked struct report.
 * WHY     A member that is silently ignored gives a wrong number: names that are not known are
 *         mistakes, each told with its JSON pointer. */
#include "analytics/report/report_int.h"

#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>

static const struct report_kind *const kinds[] = {
#define REPORT_KIND(name) &report_kind_##name,
#include "analytics/report/report_kind.def"
#undef REPORT_KIND
};
const char *const report_unit_names[UNIT_COUNT] = {"minute", "hour",  "day",
                                                   "week",   "month", "year"};

/* ---- mistakes ---- */
/* From below `above` (NULL: from the whole) to `at`. */
static void add_path(struct buf *out, const struct report_at *at, const struct report_at *above)
{
    if (!at || at == above)
        return;
    add_path(out, at->up, above);
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

/* Inside of what is stored: where the question names it, what it is, and the place in that. */
static void add_pointer(struct buf *out, const struct report_at *at)
{
    const struct report_at *inner = NULL, *outer = NULL;
    for (const struct report_at *a = at; a; a = a->up) {
        if (!a->stored)
            continue;
        inner = inner ? inner : a;
        outer = a;
    }
    if (inner) {
        add_path(out, outer->up, NULL);
        buf_addf(out, " (%s)", inner->stored);
    }
    add_path(out, at, inner);
}

bool report_fail(struct report *r, const struct report_at *at, const char *fmt, ...)
{
    char text[sizeof(r->err.text)];
    va_list args;
    if (r->err.rc != RC_OK)
        return false; /* the first one counts */
    CLEANUP(buf_done) struct buf pointer;
    buf_init(&pointer, 512);
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
    CLEANUP(buf_done) struct buf list;
    buf_init(&list, 1024);
    if (!v || yyjson_is_null(v))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (yyjson_is_str(v) && slice_eq_str(json_text(v), words[i])) {
            *ret_index = i;
            return true;
        }
        buf_addf(&list, "%s%s", i ? ", " : "", words[i]);
    }
    return report_fail(r, at, "give one of %s", buf_cstr(&list));
}

bool report_take_word_once(struct report *r, const struct report_at *at, yyjson_val *v,
                           const char *const *words, uint32_t count, uint64_t *seen,
                           uint32_t *ret_index)
{
    must(count <= 64);
    if (yyjson_is_null(v))
        return report_fail(r, at, "give a text");
    if (!report_take_word(r, at, v, words, count, ret_index))
        return false;
    uint64_t bit = UINT64_C(1) << *ret_index;
    if (*seen & bit)
        return report_fail(r, at, "is there twice");
    *seen |= bit;
    return true;
}

bool report_take_list(struct report *r, const struct report_at *at, yyjson_val *list,
                      const struct report_list *of)
{
    size_t i, n;
    yyjson_val *v;
    if (of->min == 0 && (!list || yyjson_is_null(list)))
        return true;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) < of->min || yyjson_arr_size(list) > of->max)
        return of->min
                   ? report_fail(r, at, "give an array of %u to %u %s", of->min, of->max, of->what)
                   : report_fail(r, at, "give an array of at most %u %s", of->max, of->what);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = at, .index = i};
        if (!of->take(r, &here, v))
            return false;
    }
    return true;
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
bool report_bind_path(struct report *r, const struct report_at *at, struct slice path,
                      struct report_dim *dim)
{
    char part[REPORT_NAME_BYTES_MAX];
    size_t len = 0;
    dim->param_first = r->param_count;
    dim->param_count = 0;
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
    buf_init(&names, 2048);
    report_field_names(&names);
    return report_fail(r, at, "'%.*s' is not known; known are %s",
                       name.len > 60 ? 60 : (int)name.len, name.data, buf_cstr(&names));
}

bool report_resolve_dim(struct report *r, const struct report_at *at, struct slice name,
                        struct report_dim *ret_dim)
{
    struct slice rest;
    *ret_dim = (struct report_dim){.name = name, .field = report_field_find(name, &rest)};
    if (!ret_dim->field)
        return unknown_field(r, at, name);
    if (!report_bounds_field(r, at, ret_dim->field))
        return false;
    switch (ret_dim->field->kind) {
    case FIELD_TIME:
        return take_unit(r, at, rest, &ret_dim->unit);
    case FIELD_PROPERTY:
        return report_bind_path(r, at, rest, ret_dim);
    case FIELD_GROUP:
    case FIELD_PERSON:
    case FIELD_GROUP_TRAIT:
        return report_take_fact(r, at, rest, ret_dim);
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
        !report_resolve_dim(r, at, name, ret_dim))
        return false;
    note_scope(r, ret_dim);
    return true;
}

static bool take_dim(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct report_dim *dim = &r->dims[r->dim_count];
    if (!report_take_dim(r, at, v, dim))
        return false;
    if (dim->field->kind == FIELD_GOAL && r->kind != &report_kind_breakdown)
        return report_fail(r, at, "this report is not broken down by goal");
    if (dim->field->kind == FIELD_GOAL && !report_take_goals(r, at))
        return false;
    if (dim->field->kind == FIELD_TIME && report_time_dim(r))
        return report_fail(r, at, "there is a dimension of time already");
    for (uint32_t i = 0; i < r->dim_count; i++)
        if (slice_eq(r->dims[i].name, dim->name))
            return report_fail(r, at, "is there twice");
    r->dim_count++;
    return true;
}

bool report_take_dims(struct report *r, uint32_t max, bool may_be_time)
{
    const struct report_at at = {.name = "dimensions"};
    const struct report_list names = {0, max, "names", take_dim};
    if (!report_take_list(r, &at, json_get(r->root, "dimensions"), &names))
        return false;
    const struct report_dim *time = report_time_dim(r);
    const struct report_at here = {.up = &at, .index = time ? (size_t)(time - r->dims) : 0};
    if (time && !may_be_time)
        return report_fail(r, &here, "this report is not broken down by time");
    return true;
}

const struct report_dim *report_time_dim(const struct report *r)
{
    for (uint32_t i = 0; i < r->dim_count; i++)
        if (r->dims[i].field->kind == FIELD_TIME)
            return &r->dims[i];
    return NULL;
}

/* ---- what all kinds have ---- */
bool report_take_actor(struct report *r)
{
    static const char *const names[] = {"visitors", "users", "persons"};
    const struct report_at at = {.name = "count_by"};
    uint32_t word = 0;
    if (!report_take_word(r, &at, json_get(r->root, "count_by"), names, COUNT_OF(names), &word))
        return false;
    r->by_user = word == 1;
    r->by_person = word == 2;
    r->needs_person |= r->by_person;
    return true;
}

bool report_take_unit(struct report *r, enum report_unit *ret_unit)
{
    static const char *const names[] = {"day", "week", "month"};
    const struct report_at at = {.name = "unit"};
    uint32_t unit = 0;
    if (!report_take_word(r, &at, json_get(r->root, "unit"), names, COUNT_OF(names), &unit))
        return false;
    *ret_unit = (enum report_unit)(UNIT_DAY + unit);
    return true;
}

bool report_take_page(struct report *r, uint32_t limit)
{
    const struct report_at at_limit = {.name = "limit"}, at_offset = {.name = "offset"};
    uint64_t n, offset;
    if (!report_take_u64(r, &at_limit, json_get(r->root, "limit"), 1, REPORT_LIMIT_MAX, limit,
                         &n) ||
        !report_take_u64(r, &at_offset, json_get(r->root, "offset"), 0, REPORT_OFFSET_MAX, 0,
                         &offset))
        return false;
    r->limit = (uint32_t)n;
    r->offset = (uint32_t)offset;
    return true;
}

/* true: with the sums of imports, or not at all; "where_known": with them if they can be. */
static bool take_imports(struct report *r, const struct report_at *at, yyjson_val *v)
{
    bool is_soft = yyjson_equals_str(v, "where_known");
    if (v && !yyjson_is_null(v) && !yyjson_is_bool(v) && !is_soft)
        return report_fail(r, at, "give true, false or \"where_known\"");
    r->is_imports_asked = is_soft || yyjson_is_true(v);
    const char *problem = r->is_imports_asked ? report_imports_problem(r) : NULL;
    r->has_imports = r->is_imports_asked && !problem;
    return !problem || is_soft || report_fail(r, at, "%s", problem);
}

static bool take_include(struct report *r, yyjson_val *include)
{
    static const char *const names[] = {"sql",        "compare", "time_labels",
                                        "total_rows", "imports", NULL};
    static const char *const only_sql[] = {"sql", NULL};
    const struct report_at at = {.name = "include"};
    const struct report_at at_sql = {.up = &at, .name = names[0]};
    const struct report_at at_compare = {.up = &at, .name = names[1]};
    const struct report_at at_labels = {.up = &at, .name = names[2]};
    const struct report_at at_total = {.up = &at, .name = names[3]};
    const struct report_at at_imports = {.up = &at, .name = names[4]};
    if (!include || yyjson_is_null(include))
        return true;
    if (!report_known_members(r, &at, include, r->kind->is_table ? names : only_sql) ||
        !report_take_bool(r, &at_sql, json_get(include, names[0]), &r->has_sql) ||
        !report_take_compare(r, &at_compare, json_get(include, names[1])) ||
        !report_take_bool(r, &at_labels, json_get(include, names[2]), &r->has_time_labels) ||
        !report_take_bool(r, &at_total, json_get(include, names[3]), &r->has_total) ||
        !take_imports(r, &at_imports, json_get(include, names[4])))
        return false;
    if (r->has_time_labels && !report_time_dim(r))
        return report_fail(r, &at_labels, "there is no dimension of time");
    return true;
}

static bool take_common(struct report *r, yyjson_val *root)
{
    static const char *const bots[] = {"exclude", "include", "only"};
    const struct report_at at_filters = {.name = "filters"}, at_goal = {.name = "goal"},
                           at_bots = {.name = "bots"};
    uint32_t word = BOTS_EXCLUDE;
    if (!report_take_range(r, root) ||
        !report_take_filters(r, &at_filters, json_get(root, "filters"), &r->filter) ||
        !report_bounds_filters(r) || !report_take_goal(r, &at_goal, json_get(root, "goal")) ||
        !report_take_word(r, &at_bots, json_get(root, "bots"), bots, COUNT_OF(bots), &word) ||
        !report_take_sample(r, json_get(root, "sample")))
        return false;
    r->bots = (enum report_bots)word;
    if (r->goal)
        r->scope |= SCOPE_EVENT;
    return true;
}

/* ---- the whole ---- */
static const char *const common_members[] = {"report", "date_range", "timezone", "filters",
                                             "bots",   "sample",     "include",  NULL};

/* Each kind knows its own members, beside those of all. */
static bool take_members(struct report *r, yyjson_val *root)
{
    const char *names[REPORT_MEMBERS_MAX + 1];
    const char *const *const lists[] = {common_members, r->kind->members, r->kind->resolved};
    uint32_t count = 0;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (const char *const *name = lists[i]; name && *name; name++) {
            must(count < REPORT_MEMBERS_MAX);
            names[count++] = *name;
        }
    names[count] = NULL;
    return report_known_members(r, NULL, root, names);
}

static bool take_kind(struct report *r, yyjson_val *root)
{
    const struct report_at at = {.name = "report"};
    const char *names[COUNT_OF(kinds)];
    uint32_t which = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        names[i] = kinds[i]->name;
    if (!report_take_word(r, &at, json_get(root, "report"), names, COUNT_OF(names), &which))
        return false;
    r->kind = kinds[which];
    return true;
}

bool report_kind_is_table(yyjson_val *name)
{
    for (size_t i = 0; name && i < COUNT_OF(kinds); i++)
        if (yyjson_equals_str(name, kinds[i]->name))
            return kinds[i]->is_table;
    return !name && kinds[0]->is_table;
}

static bool parse_root(struct report *r)
{
    if (!yyjson_is_obj(r->root))
        return report_fail(r, NULL, "give an object: {\"metrics\": […], \"date_range\": …}");
    if (!take_kind(r, r->root) || !report_bounds_kind(r) || !take_members(r, r->root) ||
        !take_common(r, r->root))
        return false;
    if (r->kind->own_size && !(r->own = arena_zalloc(r->arena, r->kind->own_size)))
        return false;
    if (!r->kind->parse(r, r->root) || !take_include(r, json_get(r->root, "include")) ||
        !report_bounds_asked(r))
        return false;
    return r->err.rc == RC_OK && !r->arena->is_failed;
}

bool report_parse(struct report *r, struct arena *arena, struct slice body,
                  const struct stored_lookup *lookup)
{
    return report_parse_within(r, arena, body, lookup, NULL);
}

bool report_parse_within(struct report *r, struct arena *arena, struct slice body,
                         const struct stored_lookup *lookup, const struct report_bounds *bounds)
{
    struct err err = ERR_INIT;
    *r = (struct report){.arena = arena,
                         .bounds = bounds,
                         .lookup = lookup,
                         .err = ERR_INIT,
                         .body_bytes = body.len,
                         .limit = REPORT_LIMIT_MAX};
    if (json_parse(arena, body, &r->root, &err) != RC_OK)
        return report_fail(r, NULL, "is no JSON: %s", err.text);
    return parse_root(r);
}

bool report_parse_value(struct report *r, struct arena *arena, yyjson_val *root,
                        const struct stored_lookup *lookup)
{
    *r = (struct report){
        .arena = arena, .lookup = lookup, .err = ERR_INIT, .limit = REPORT_LIMIT_MAX, .root = root};
    return parse_root(r);
}
