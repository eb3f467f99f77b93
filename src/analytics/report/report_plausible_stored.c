/* WHAT    Goals and segments in Plausible's words: event:goal is a stored goal of that name, else
 *         an event; as a dimension it lists all stored goals, or those that a filter names.
 * WHY     Theirs are defined for a site and called by name; ours are as well. A site that has
 *         defined none loses nothing: names are those of events.
 *         What is put into the question are the goals' own filters, or the goal's id where the
 *         question is about one (which brings what it is worth). */
#include "analytics/report/report_plausible_int.h"

enum { GOALS_BYTES_MAX = 4 << 20 };
static const char goal_name[] = "event:goal";

static struct slice text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

bool plausible_is_goal(yyjson_val *filter)
{
    return slice_eq_str(text_of(yyjson_arr_get(filter, 1)), goal_name);
}

bool plausible_is_segment(yyjson_val *filter)
{
    return slice_eq_str(text_of(yyjson_arr_get(filter, 1)), "segment");
}

static bool names_stored(yyjson_val *filters, uint32_t depth)
{
    size_t i, n;
    yyjson_val *f;
    if (depth > REPORT_FILTER_DEPTH_MAX)
        return false;
    yyjson_arr_foreach(filters, i, n, f)
    {
        if (yyjson_is_arr(f) &&
            (plausible_is_goal(f) || plausible_is_segment(f) || names_stored(f, depth + 1)))
            return true;
    }
    return false;
}

bool plausible_has_goal_dimension(yyjson_val *dimensions)
{
    size_t i, n;
    yyjson_val *v;
    yyjson_arr_foreach(dimensions, i, n, v)
    {
        if (slice_eq_str(text_of(v), goal_name))
            return true;
    }
    return false;
}

bool plausible_names_stored(yyjson_val *root)
{
    return names_stored(json_get(root, "filters"), 0) ||
           plausible_has_goal_dimension(json_get(root, "dimensions"));
}

bool plausible_read_goals(struct rewriting *w)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, GOALS_BYTES_MAX);
    if (!w->lookup)
        return true;
    const struct stored_source *s = w->lookup->source;
    if (s->all(s->ctx, &w->lookup->where, STORED_GOAL, &text, w->err) != RC_OK ||
        json_parse(w->arena, buf_slice(&text), &w->goals, w->err) != RC_OK)
        return false;
    if (yyjson_arr_size(w->goals) == 0)
        w->goals = NULL;
    return true;
}

/* ---- goals ---- */
static yyjson_val *find_goal(const struct rewriting *w, struct slice name)
{
    size_t i, n;
    yyjson_val *g;
    yyjson_arr_foreach(w->goals, i, n, g)
    {
        if (slice_eq(text_of(json_get(g, "name")), name))
            return g;
    }
    return NULL;
}

static void put_stored_json(struct rewriting *w, struct buf *out, yyjson_val *v)
{
    char *space = arena_alloc(w->arena, REPORT_BODY_BYTES_MAX);
    if (!space) {
        out->is_failed = true;
        return;
    }
    struct json_out json = {.p = space, .end = space + REPORT_BODY_BYTES_MAX};
    if (json_write(&json, v, NULL, w->arena) != JSON_FINE || json.is_full)
        out->is_failed = true;
    else
        buf_add(out, space, (size_t)(json.p - space));
}

/* One more that the question is about, also as a goal for the dimension. */
static void put_one(struct rewriting *w, yyjson_val *goal, struct slice name)
{
    if (w->chosen->len > 1)
        buf_add_char(w->chosen, ',');
    if (goal) {
        put_stored_json(w, w->chosen, goal);
        buf_add_str(w->out, "[\"and\",");
        put_stored_json(w, w->out, json_get(goal, "filters"));
        buf_add_char(w->out, ']');
        return;
    }
    buf_add_str(w->chosen, "{\"id\":\"\",\"name\":");
    buf_add_json(w->chosen, name);
    buf_add_str(w->chosen, ",\"filters\":[[\"is\",\"event\",[");
    buf_add_json(w->chosen, name);
    buf_add_str(w->chosen, "]]]}");
    buf_add_str(w->out, "[\"is\",\"event\",[");
    buf_add_json(w->out, name);
    buf_add_str(w->out, "]]");
}

static bool contains(struct slice text, struct slice part)
{
    return part.len == 0 || memmem(text.data, text.len, part.data, part.len) != NULL;
}

/* Stored goals whose name holds one of the texts; false: there is none. */
static bool put_containing(struct rewriting *w, yyjson_val *values)
{
    size_t i, n, k, m;
    yyjson_val *g, *v;
    bool is_any = false;
    yyjson_arr_foreach(w->goals, i, n, g)
    {
        bool is_meant = false;
        struct slice name = text_of(json_get(g, "name"));
        yyjson_arr_foreach(values, k, m, v) is_meant |=
            yyjson_is_str(v) && contains(name, json_text(v));
        if (!is_meant)
            continue;
        buf_add_str(w->out, is_any ? "," : "[\"or\",[");
        put_one(w, g, name);
        is_any = true;
    }
    if (is_any)
        buf_add_str(w->out, "]]");
    return is_any;
}

static void put_named(struct rewriting *w, yyjson_val *values)
{
    size_t i, n;
    yyjson_val *v;
    buf_add_str(w->out, "[\"or\",[");
    yyjson_arr_foreach(values, i, n, v)
    {
        if (i)
            buf_add_char(w->out, ',');
        put_one(w, find_goal(w, text_of(v)), text_of(v));
    }
    buf_add_str(w->out, "]]");
}

/* As a question about events: [operator, "event", names, flags]. */
static bool put_events(struct rewriting *w, yyjson_val *filter, struct slice op)
{
    yyjson_val *sensitive = json_get(yyjson_arr_get(filter, 3), "case_sensitive");
    size_t i, n;
    yyjson_val *v;
    buf_add_char(w->out, '[');
    buf_add_json(w->out, op);
    buf_add_str(w->out, ",\"event\",[");
    yyjson_arr_foreach(yyjson_arr_get(filter, 2), i, n, v)
    {
        if (i)
            buf_add_char(w->out, ',');
        plausible_put_json(w, v);
    }
    buf_add_char(w->out, ']');
    if (sensitive)
        buf_addf(w->out, ",{\"case_sensitive\":%s}", yyjson_is_false(sensitive) ? "false" : "true");
    buf_add_char(w->out, ']');
    return true;
}

bool plausible_put_goal(struct rewriting *w, yyjson_val *filter)
{
    struct slice op = text_of(yyjson_arr_get(filter, 0));
    yyjson_val *values = yyjson_arr_get(filter, 2);
    bool is_not = slice_eq_str(op, "is_not") || slice_eq_str(op, "contains_not");
    bool is_plain = slice_eq_str(op, "is") || slice_eq_str(op, "is_not");
    bool is_part = slice_eq_str(op, "contains") || slice_eq_str(op, "contains_not");
    if (!yyjson_is_arr(values) || yyjson_arr_size(values) == 0 ||
        yyjson_arr_size(values) > REPORT_VALUES_MAX)
        return plausible_wrong(w->err, "filter on", slice_str(goal_name));
    if (!w->goals || (!is_plain && !is_part))
        return put_events(w, filter, op);
    if (is_not)
        buf_add_str(w->out, "[\"not\",");
    if (is_plain)
        put_named(w, values);
    else if (!put_containing(w, values))
        return put_events(w, filter, is_not ? SLICE_LIT("contains") : op) &&
               (!is_not || (buf_add_char(w->out, ']'), true));
    if (is_not)
        buf_add_char(w->out, ']');
    return true;
}

/* The id of the only stored goal that is asked for. */
static struct slice only_goal(const struct rewriting *w, yyjson_val *filter)
{
    yyjson_val *values = yyjson_arr_get(filter, 2);
    if (!slice_eq_str(text_of(yyjson_arr_get(filter, 0)), "is") || yyjson_arr_size(values) != 1)
        return SLICE_EMPTY;
    return text_of(json_get(find_goal(w, text_of(yyjson_arr_get(values, 0))), "id"));
}

bool plausible_put_wanted(struct rewriting *w, yyjson_val *filters)
{
    size_t i, n, count = 0;
    yyjson_val *f, *last = NULL;
    yyjson_arr_foreach(filters, i, n, f)
    {
        if (!plausible_is_goal(f))
            continue;
        last = f;
        count++;
    }
    struct slice id = count == 1 ? only_goal(w, last) : SLICE_EMPTY;
    buf_clear(w->chosen); /* what filters inside of others named */
    if (id.len) {
        buf_add_str(w->chosen, "[");
        buf_addf(w->out, ",\"goal\":{\"id\":\"%.*s\"}", SLICE_ARG(id));
        put_stored_json(w, w->chosen,
                        find_goal(w, text_of(yyjson_arr_get(yyjson_arr_get(last, 2), 0))));
        buf_add_char(w->chosen, ']');
        return true;
    }
    buf_add_char(w->chosen, '[');
    count = 0;
    yyjson_arr_foreach(filters, i, n, f)
    {
        if (!plausible_is_goal(f))
            continue;
        buf_add_str(w->out, count++ ? "," : ",\"goal\":[");
        if (!plausible_put_goal(w, f))
            return false;
    }
    if (count)
        buf_add_char(w->out, ']');
    buf_add_char(w->chosen, ']');
    return true;
}

/* ---- segments ---- */
bool plausible_put_segment(struct rewriting *w, yyjson_val *filter)
{
    struct slice op = text_of(yyjson_arr_get(filter, 0));
    yyjson_val *values = yyjson_arr_get(filter, 2);
    bool is_not = slice_eq_str(op, "is_not");
    size_t i, n;
    yyjson_val *v;
    if ((!is_not && !slice_eq_str(op, "is")) || !yyjson_is_arr(values) ||
        yyjson_arr_size(values) == 0)
        return plausible_wrong(w->err, "filter on", SLICE_LIT("segment"));
    buf_add_str(w->out, is_not ? "[\"not\",[\"or\",[" : "[\"or\",[");
    yyjson_arr_foreach(values, i, n, v)
    {
        buf_add_str(w->out, i ? ",[\"segment\"," : "[\"segment\",");
        buf_add_json(w->out,
                     json_is_number(v) ? json_text(v) : text_of(v)); /* theirs are numbers */
        buf_add_char(w->out, ']');
    }
    buf_add_str(w->out, is_not ? "]]]" : "]]");
    return true;
}

/* ---- the goals of the dimension ---- */
static enum rc find_in_whole(void *ctx, const struct stored_where *where, enum stored_kind kind,
                             struct slice name, struct buf *out, struct err *err)
{
    const struct stored_source *s = ((const struct plausible_source *)ctx)->whole->source;
    return s->find(s->ctx, where, kind, name, out, err);
}

static enum rc all_chosen(void *ctx, const struct stored_where *where, enum stored_kind kind,
                          struct buf *out, struct err *err)
{
    const struct plausible_source *p = ctx;
    const struct stored_source *s = p->whole->source;
    if (kind != STORED_GOAL || p->chosen.len <= 2)
        return s->all(s->ctx, where, kind, out, err);
    buf_add_slice(out, p->chosen);
    return RC_OK;
}

struct stored_lookup plausible_lookup(const struct rewriting *w, struct plausible_source *space)
{
    *space = (struct plausible_source){.source = {.find = find_in_whole, .all = all_chosen},
                                       .whole = w->lookup,
                                       .chosen = arena_copy(w->arena, buf_slice(w->chosen))};
    space->source.ctx = space;
    return (struct stored_lookup){.source = &space->source, .where = w->lookup->where};
}
