/* WHAT    What a question names: segments in filters, goals; and whether such a definition can be
 *         used at all.
 * WHY     A name is replaced by what it stands for while the question is read, so that everything
 *         behind it (statements, limits, the tenant) knows of no names. Depth and number of filters
 *         are counted through, which also ends what two people might make a circle of at once; one
 *         alone cannot: while something is saved, finding it is a mistake.
 * SQL     none: texts of a definition are bound like those of a question. */
#include "analytics/report/report_int.h"

#include <stdio.h>

enum { FOUND_BYTES_MAX = 256 << 10, ALL_BYTES_MAX = 4 << 20 };
const char *const stored_kind_names[STORED_KINDS] = {"goal", "segment", "cohort", "report"};

static bool fail_as(struct report *r, enum rc rc, const struct report_at *at, const char *text)
{
    report_fail(r, at, "%s", text);
    r->err.rc = rc;
    return false;
}

/* The object, and a label for messages. */
static bool find(struct report *r, const struct report_at *at, enum stored_kind kind,
                 struct slice name, struct report_found *ret)
{
    const struct stored_lookup *l = r->lookup;
    CLEANUP(buf_done) struct buf text;
    struct err err = ERR_INIT;
    buf_init(&text, FOUND_BYTES_MAX);
    if (!l) {
        r->needs_lookup = true;
        return fail_as(r, RC_AGAIN, at, "what is stored has to be looked up first");
    }
    enum rc rc = l->source->find(l->source->ctx, &l->where, kind, name, &text, &err);
    if (rc == RC_NOTFOUND)
        return report_fail(r, at, "there is no %s '%.*s'", stored_kind_names[kind],
                           name.len > 60 ? 60 : (int)name.len, name.data);
    if (rc != RC_OK)
        return fail_as(r, rc, at, err.text);
    if (json_parse(r->arena, buf_slice(&text), &ret->object, &err) != RC_OK)
        return fail_as(r, err.rc, at, err.text);
    struct slice id = json_text(json_get(ret->object, "id"));
    if (l->self.len && slice_eq(id, l->self))
        return report_fail(r, at, "it would come to hold itself");
    ret->label = arena_printf(r->arena, "%s '%.*s'", stored_kind_names[kind],
                              name.len > 60 ? 60 : (int)name.len, name.data);
    return ret->label || fail_as(r, RC_NOMEM, at, "no memory for this question");
}

bool report_find_stored(struct report *r, const struct report_at *at, yyjson_val *v,
                        enum stored_kind kind, struct report_found *ret)
{
    static const char *const names[] = {"id", NULL};
    const struct report_at at_id = {.up = at, .name = names[0]};
    struct slice name = SLICE_EMPTY;
    bool is_object = yyjson_is_obj(v);
    if (!report_bounds_no(r, at))
        return false;
    if (is_object && !report_known_members(r, at, v, names))
        return false;
    return report_take_text(r, is_object ? &at_id : at, is_object ? json_get(v, names[0]) : v,
                            REPORT_NAME_BYTES_MAX, &name) &&
           find(r, is_object ? &at_id : at, kind, name, ret);
}

/* ---- goals ---- */
/* What a goal is worth: a number of its events, in one currency. */
static bool take_revenue(struct report *r, const struct report_at *at, yyjson_val *v,
                         struct report_worth *ret)
{
    static const char *const names[] = {"property", "currency", NULL};
    const struct report_at at_property = {.up = at, .name = names[0]},
                           at_currency = {.up = at, .name = names[1]};
    struct slice property = SLICE_EMPTY, currency = SLICE_EMPTY;
    if (!v || yyjson_is_null(v))
        return true;
    if (!report_known_members(r, at, v, names) ||
        !report_take_text(r, &at_property, json_get(v, names[0]), REPORT_NAME_BYTES_MAX,
                          &property) ||
        !report_take_text(r, &at_currency, json_get(v, names[1]), 3, &currency) ||
        !report_resolve_dim(r, &at_property, property, &ret->number))
        return false;
    if (ret->number.field->kind != FIELD_PROPERTY)
        return report_fail(r, &at_property, "give the property that holds the number: property:…");
    for (size_t i = 0; i < 3; i++)
        if (currency.len != 3 || currency.data[i] < 'A' || currency.data[i] > 'Z')
            return report_fail(r, &at_currency, "give three capitals, as in EUR");
    ret->currency = report_bind(r, currency);
    ret->is_known = true;
    return r->err.rc == RC_OK;
}

static bool use_goal(struct report *r, const struct report_at *at, yyjson_val *v,
                     struct report_filter **ret_filter, struct report_worth *ret_worth)
{
    struct report_found found = {.object = NULL};
    if (!report_find_stored(r, at, v, STORED_GOAL, &found))
        return false;
    const struct report_at here = {.up = at, .stored = found.label};
    const struct report_at at_filters = {.up = &here, .name = "filters"},
                           at_revenue = {.up = &here, .name = "revenue"};
    return report_take_filters(r, &at_filters, json_get(found.object, "filters"), ret_filter) &&
           (!ret_worth ||
            take_revenue(r, &at_revenue, json_get(found.object, "revenue"), ret_worth));
}

bool report_take_stored_goal(struct report *r, const struct report_at *at, yyjson_val *v,
                             struct report_filter **ret_filter)
{
    return use_goal(r, at, v, ret_filter, NULL);
}

bool report_take_goal(struct report *r, const struct report_at *at, yyjson_val *v)
{
    if (yyjson_is_str(v) || yyjson_is_obj(v))
        return use_goal(r, at, v, &r->goal, &r->worth);
    return report_take_filters(r, at, v, &r->goal);
}

/* Filters of each goal are counted by themselves, as nobody wrote them into the question. */
static bool take_goal(struct report *r, const struct report_at *at, yyjson_val *v,
                      struct report_goal **ret)
{
    struct report_goal *g = *ret = arena_zalloc(r->arena, sizeof(*g));
    struct slice name = json_text(json_get(v, "name"));
    const char *label = arena_printf(r->arena, "goal '%.*s'", SLICE_ARG(name));
    if (!g || !label)
        return fail_as(r, RC_NOMEM, at, "no memory for this question");
    const struct report_at here = {.up = at, .stored = label};
    const struct report_at at_filters = {.up = &here, .name = "filters"};
    uint32_t nodes = r->filter_nodes;
    g->name = report_bind(r, name);
    r->filter_nodes = 0;
    bool is_ok = report_take_filters(r, &at_filters, json_get(v, "filters"), &g->filter);
    r->filter_nodes = nodes;
    return is_ok && (g->filter || report_fail(r, at, "%s has no filters", label));
}

bool report_take_goals(struct report *r, const struct report_at *at)
{
    const struct stored_lookup *l = r->lookup;
    struct report_goal **last = &r->goals;
    CLEANUP(buf_done) struct buf text;
    struct err err = ERR_INIT;
    yyjson_val *list, *v;
    size_t i, n;
    buf_init(&text, ALL_BYTES_MAX);
    if (!report_bounds_no(r, at))
        return false;
    if (!l) {
        r->needs_lookup = true;
        return fail_as(r, RC_AGAIN, at, "what is stored has to be looked up first");
    }
    if (l->source->all(l->source->ctx, &l->where, STORED_GOAL, &text, &err) != RC_OK ||
        json_parse(r->arena, buf_slice(&text), &list, &err) != RC_OK)
        return fail_as(r, err.rc, at, err.text);
    if (yyjson_arr_size(list) == 0 || yyjson_arr_size(list) > REPORT_GOALS_MAX)
        return report_fail(r, at, "there are %zu stored goals: this needs 1 to %d",
                           yyjson_arr_size(list), REPORT_GOALS_MAX);
    r->scope |= SCOPE_EVENT;
    yyjson_arr_foreach(list, i, n, v)
    {
        if (!take_goal(r, at, v, last))
            return false;
        last = &(*last)->next;
    }
    return true;
}

void report_goals_sql(const struct report_sql *s)
{
    buf_add_str(s->out, "arrayJoin(arrayDistinct(arrayFilter(g -> g != '', [");
    for (const struct report_goal *g = s->r->goals; g; g = g->next) {
        buf_add_str(s->out, "if(");
        report_filter_sql(s, g->filter);
        buf_addf(s->out, ", {p%u:String}, '')%s", g->name, g->next ? ", " : "");
    }
    buf_add_str(s->out, "])))");
}

/* ---- segments ---- */
bool report_take_segment(struct report *r, const struct report_at *at, yyjson_val *v,
                         uint32_t depth, struct report_filter *f)
{
    struct report_found found = {.object = NULL};
    if (!report_find_stored(r, at, v, STORED_SEGMENT, &found))
        return false;
    const struct report_at here = {.up = at, .stored = found.label};
    const struct report_at at_filters = {.up = &here, .name = "filters"};
    f->op = OP_AND;
    return report_take_filter_list(r, &at_filters, json_get(found.object, "filters"), depth + 1,
                                   &f->children);
}

/* ---- what is about to be stored ---- */
static bool check_filters(struct report *r, yyjson_val *object)
{
    const struct report_at at = {.name = "filters"};
    yyjson_val *list = json_get(object, "filters");
    struct report_filter *filter;
    if (!list)
        return true;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
        return report_fail(r, &at, "give an array of filters: [[\"is\", \"event\", [\"signup\"]]]");
    return report_take_filters(r, &at, list, &filter);
}

static bool check_goal(struct report *r, yyjson_val *object)
{
    const struct report_at at = {.name = "revenue"};
    return check_filters(r, object) && take_revenue(r, &at, json_get(object, "revenue"), &r->worth);
}

static bool check_cohort(struct report *r, yyjson_val *object)
{
    struct report_cohort *cohort;
    return !json_get(object, "conditions") || report_read_cohort(r, NULL, object, &cohort);
}

/* The question of a report, with pointers that begin with its member. */
static bool check_report(struct report *r, yyjson_val *object)
{
    yyjson_val *question = json_get(object, "question");
    const struct stored_lookup *lookup = r->lookup;
    if (!question)
        return true;
    if (report_parse_value(r, r->arena, question, lookup))
        return true;
    struct err err = r->err;
    if (err.rc == RC_INVALID)
        (void)err_set(&r->err, err.rc, "/question%s%s", err.text[0] == '/' ? "" : ": ", err.text);
    return false;
}

enum rc stored_check(enum stored_kind kind, yyjson_val *object, const struct stored_lookup *lookup,
                     struct arena *arena, struct err *err)
{
    static bool (*const checks[STORED_KINDS])(struct report *,
                                              yyjson_val *) = {[STORED_GOAL] = check_goal,
                                                               [STORED_SEGMENT] = check_filters,
                                                               [STORED_COHORT] = check_cohort,
                                                               [STORED_REPORT] = check_report};
    struct report *r = arena_zalloc(arena, sizeof(*r));
    ENSURE(r, err_set(err, RC_NOMEM, "no memory for this request"));
    r->arena = arena;
    r->lookup = lookup;
    r->err = ERR_INIT;
    if (checks[kind](r, object) && r->err.rc == RC_OK && !arena->is_failed)
        return RC_OK;
    if (r->err.rc == RC_OK)
        return err_set(err, RC_NOMEM, "no memory for this request");
    *err = r->err;
    return err->rc;
}
