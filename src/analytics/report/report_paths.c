/* WHAT    Paths: which pages or events follow one another, as edges of a flow or as whole ways.
 * LAYOUT  nodes of events → sorted per visit or actor → repeats collapsed → cut to what lies
 *         between from and to, in the window → cut to the number of steps → edges or ways, counted
 * WHY     Each of these is a SELECT around the one before, over one array per way: of (time, node).
 *         Events of the same millisecond are in the order of their ids as they are written, as they
 *         are in visits, so that an answer does not depend on how the store reads. */
#include "analytics/event/page.h"
#include "analytics/report/report_int.h"

enum { STEPS_DEFAULT = 5, STEPS_MAX = 20, GROUPS_MAX = 20, EDGES_DEFAULT = 50 };
enum nodes { NODES_PAGE, NODES_EVENT, NODES_BOTH };
struct group {
    uint32_t pattern, name; /* parameters */
    struct slice text;
};
struct paths {
    enum nodes nodes;
    struct group groups[GROUPS_MAX];
    uint32_t group_count;
    bool has_from, has_to;
    uint32_t from, to;  /* parameters */
    uint64_t window_ms; /* 0: none */
    uint32_t steps;
    bool is_of_range; /* a way is an actor's, not a visit's */
    bool is_whole;    /* rows are ways, not edges */
};
static const uint64_t window_max_s = UINT64_C(366) * 86400;

/* ---- reading ---- */
static bool is_page(const struct paths *p, struct slice text)
{
    return p->nodes != NODES_EVENT && text.len && text.data[0] == '/';
}

/* "*" is any text without a slash, "**" any text; all else is itself. */
static struct slice pattern_of(struct report *r, struct slice text)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, (size_t)8 * REPORT_NAME_BYTES_MAX);
    buf_add_str(&out, "(?s)^");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c <= ' ' || c >= 0x7f;
        if (c != '*') {
            buf_addf(&out, is_plain ? "%c" : "\\%c", c);
            continue;
        }
        bool is_any = i + 1 < text.len && text.data[i + 1] == '*';
        buf_add_str(&out, is_any ? ".*" : "[^/]*");
        i += is_any;
    }
    buf_add_char(&out, '$');
    return arena_copy(r->arena, buf_slice(&out));
}

static bool take_group(struct report *r, const struct report_at *at, yyjson_val *v)
{
    struct paths *p = r->own;
    struct group *group = &p->groups[p->group_count++];
    if (!report_take_text(r, at, v, REPORT_NAME_BYTES_MAX, &group->text))
        return false;
    if (is_page(p, group->text))
        group->text = page_path_normal(group->text, r->arena);
    group->pattern = report_bind(r, pattern_of(r, group->text));
    group->name = report_bind(r, group->text);
    return r->err.rc == RC_OK;
}

static bool take_node(struct report *r, const char *name, bool *ret_has, uint32_t *ret_param)
{
    const struct report_at at = {.name = name};
    const struct paths *p = r->own;
    yyjson_val *v = json_get(r->root, name);
    struct slice text;
    *ret_has = v && !yyjson_is_null(v);
    if (!*ret_has)
        return true;
    if (!report_take_text(r, &at, v, QUERY_TEXT_BYTES_MAX, &text))
        return false;
    if (is_page(p, text))
        text = page_path_normal(text, r->arena);
    *ret_param = report_bind(r, text);
    return r->err.rc == RC_OK;
}

static bool take_window(struct report *r, yyjson_val *v)
{
    const struct report_at at = {.name = "window"};
    struct paths *p = r->own;
    uint64_t seconds;
    if (!report_take_u64(r, &at, v, 1, window_max_s, 0, &seconds))
        return false;
    p->window_ms = seconds * 1000;
    return true;
}

static bool parse(struct report *r, yyjson_val *root)
{
    static const char *const nodes[] = {"page", "event", "both"},
                             *const withins[] = {"visit", "range"},
                             *const rows[] = {"edges", "paths"};
    static const struct report_list groups = {0, GROUPS_MAX, "patterns, /users/*", take_group};
    const struct report_at at_nodes = {.name = "nodes"}, at_within = {.name = "within"},
                           at_rows = {.name = "rows"}, at_groups = {.name = "groups"},
                           at_steps = {.name = "steps"};
    struct paths *p = r->own;
    uint32_t node = 0, within = 0, row = 0;
    uint64_t steps;
    if (!report_take_word(r, &at_nodes, json_get(root, "nodes"), nodes, COUNT_OF(nodes), &node) ||
        !report_take_word(r, &at_within, json_get(root, "within"), withins, COUNT_OF(withins),
                          &within) ||
        !report_take_word(r, &at_rows, json_get(root, "rows"), rows, COUNT_OF(rows), &row) ||
        !report_take_u64(r, &at_steps, json_get(root, "steps"), 2, STEPS_MAX, STEPS_DEFAULT,
                         &steps))
        return false;
    p->nodes = (enum nodes)node;
    p->is_of_range = within == 1;
    p->is_whole = row == 1;
    p->steps = (uint32_t)steps;
    return take_window(r, json_get(root, "window")) &&
           report_take_list(r, &at_groups, json_get(root, "groups"), &groups) &&
           take_node(r, "from", &p->has_from, &p->from) && take_node(r, "to", &p->has_to, &p->to) &&
           report_take_actor(r) && report_take_page(r, EDGES_DEFAULT);
}

/* ---- the statement ---- */
static void add_events(const struct report *r, struct buf *out)
{
    static const char *const nodes[] = {"page_path", "toString(event)",
                                        "if(event = 'pageview', page_path, toString(event))"};
    const struct paths *p = r->own;
    const struct report_sql s = {
        .r = r, .out = out, .source = p->is_of_range ? report_events_source(r) : SOURCE_JOINED};
    buf_addf(out,
             "SELECT %s AS actor, %s AS way, toUnixTimestamp64Milli(timestamp) AS time, "
             "UUIDToNum(id) AS tie, %s AS node",
             report_actor(r), p->is_of_range ? "0" : "visit_id", nodes[p->nodes]);
    report_from_sql(&s);
    buf_addf(out, " AND node != '' AND %s%s%s", report_has_actor(r),
             p->is_of_range ? "" : " AND visit_id != 0",
             p->nodes == NODES_PAGE ? " AND event = 'pageview'" : "");
}

static void add_grouped(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    if (p->group_count == 0) {
        add_events(r, out);
        return;
    }
    buf_add_str(out, "SELECT actor, way, time, tie, multiIf(");
    for (uint32_t i = 0; i < p->group_count; i++)
        buf_addf(out, "match(raw, {p%u:String}), {p%u:String}, ", p->groups[i].pattern,
                 p->groups[i].name);
    buf_add_str(out, "raw) AS node FROM (SELECT * EXCEPT (node), node AS raw FROM (");
    add_events(r, out);
    buf_add_str(out, "))");
}

/* s: (time, node) in order; a node that follows itself is there once, since its first time. */
static void add_ways(const struct report *r, struct buf *out)
{
    buf_add_str(out, "SELECT arrayFilter((e, before) -> e.2 != before.2, sorted, "
                     "arrayPushFront(arrayPopBack(sorted), (toInt64(0), ''))) AS s FROM (SELECT "
                     "arrayMap(e -> (e.1, e.3), arraySort(groupArray((time, tie, node)))) AS "
                     "sorted FROM (");
    add_grouped(r, out);
    buf_add_str(out, ") GROUP BY actor, way)");
}

/* From the first "from" on, no further than the window goes. */
static void add_begun(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    bool is_back = p->has_to && !p->has_from; /* then the window ends at "to" */
    if (p->window_ms && !is_back)
        buf_addf(out,
                 "SELECT arrayFilter(e -> e.1 - begun <= %llu, s) AS s FROM (SELECT s, s[1].1 AS "
                 "begun FROM (",
                 (unsigned long long)p->window_ms);
    if (p->has_from)
        buf_addf(out,
                 "SELECT arraySlice(s, place) AS s FROM (SELECT s, arrayFirstIndex(e -> e.2 = "
                 "{p%u:String}, s) AS place FROM (",
                 p->from);
    add_ways(r, out);
    if (p->has_from)
        buf_add_str(out, ")) WHERE place > 0");
    if (p->window_ms && !is_back)
        buf_add_str(out, "))");
}

/* To the first "to" behind the beginning, no further back than the window goes. */
static void add_ended(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    bool is_back = p->window_ms && p->has_to && !p->has_from;
    if (is_back)
        buf_addf(out,
                 "SELECT arrayFilter(e -> ended - e.1 <= %llu, s) AS s FROM (SELECT s, s[-1].1 AS "
                 "ended FROM (",
                 (unsigned long long)p->window_ms);
    if (p->has_to)
        buf_addf(out,
                 "SELECT arraySlice(s, 1, place) AS s FROM (SELECT s, arrayFirstIndex((e, i) -> "
                 "e.2 = {p%u:String} AND i > %d, s, arrayEnumerate(s)) AS place FROM (",
                 p->to, p->has_from);
    add_begun(r, out);
    if (p->has_to)
        buf_add_str(out, ")) WHERE place > 0");
    if (is_back)
        buf_add_str(out, "))");
}

/* The first steps; the last ones, if only the end is given; those that have no more, if both. */
static void add_cut(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    if (p->has_from && p->has_to)
        buf_add_str(out, "SELECT s FROM (");
    else if (p->has_to)
        buf_addf(out,
                 "SELECT arraySlice(s, toInt64(greatest(toInt64(length(s)) - %u, 1))) AS s FROM (",
                 p->steps - 1);
    else
        buf_addf(out, "SELECT arraySlice(s, 1, %u) AS s FROM (", p->steps);
    add_ended(r, out);
    buf_add_char(out, ')');
    if (p->has_from && p->has_to)
        buf_addf(out, " WHERE length(s) <= %u", p->steps);
}

static void add_sql(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    if (p->is_whole) {
        buf_add_str(out, "SELECT arrayMap(e -> e.2, s) AS path, count() AS n, avg(s[-1].1 - "
                         "s[1].1) / 1000 FROM (");
        add_cut(r, out);
        buf_add_str(out, ") GROUP BY path ORDER BY n DESC, path");
    } else {
        /* "to" alone: it is the last of the steps, and those before it are counted back from it */
        buf_add_str(out, "SELECT x.1 AS step, x.2 AS source, x.3 AS target, count() AS n, "
                         "avg(x.4) / 1000 FROM (SELECT arrayJoin(arrayMap((a, b, i) -> (i");
        if (p->has_to && !p->has_from)
            buf_addf(out, " + %u - length(s)", p->steps);
        buf_add_str(out, ", a.2, b.2, b.1 - a.1), arrayPopBack(s), arrayPopFront(s), "
                         "arrayPopBack(arrayEnumerate(s)))) AS x FROM (");
        add_cut(r, out);
        buf_add_str(out, ")) GROUP BY step, source, target ORDER BY n DESC, step, source, target");
    }
    buf_add_str(out, " LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
}

/* ---- the answer ---- */
static enum rc add_whole(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    yyjson_val *path = yyjson_arr_get(row, 0), *node;
    size_t i, n;
    ENSURE(yyjson_arr_size(row) == 3 && yyjson_is_arr(path), report_bad_shape(err));
    buf_add_str(body, "{\"path\":[");
    yyjson_arr_foreach(path, i, n, node)
    {
        if (i)
            buf_add_char(body, ',');
        report_add_value(body, node);
    }
    buf_add_str(body, "],\"count\":");
    report_add_count(r, body, yyjson_arr_get(row, 1));
    buf_add_str(body, ",\"seconds\":");
    report_add_value(body, yyjson_arr_get(row, 2));
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc add_row(const struct report *r, yyjson_val *row, struct buf *body, struct err *err)
{
    static const struct report_member columns[] = {
        {"step", false}, {"source", false}, {"target", false}, {"count", true}, {"seconds", false}};
    const struct paths *p = r->own;
    return p->is_whole ? add_whole(r, row, body, err)
                       : report_add_members(r, body, row, columns, COUNT_OF(columns), err);
}

static void add_resolved(const struct report *r, struct buf *body)
{
    const struct paths *p = r->own;
    buf_addf(body, ",\"steps\":%u,\"limit\":%u,\"offset\":%u", p->steps, r->limit, r->offset);
}

static const char *const members[] = {"nodes", "within", "rows",     "groups", "window",
                                      "from",  "to",     "count_by", NULL};
static const char *const resolved[] = {"steps", "limit", "offset", NULL};
const struct report_kind report_kind_paths = {.name = "paths",
                                              .is_sampled = true,
                                              .members = members,
                                              .resolved = resolved,
                                              .own_size = sizeof(struct paths),
                                              .parse = parse,
                                              .sql = add_sql,
                                              .row = add_row,
                                              .add_resolved = add_resolved};
