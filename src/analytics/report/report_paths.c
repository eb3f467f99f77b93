/* WHAT    Paths: which pages or events follow one another, as edges of a flow or as whole ways.
 * LAYOUT  nodes of events → sorted per visit or actor → repeats collapsed → cut to what lies
 *         between from and to, in the window → cut to the number of steps → edges or ways, counted
 *         → names of those that are shown
 * WHY     Each of these is a SELECT around the one before, over one array per way. Its elements are
 *         numbers, which hold time and node and sort as they should: as tuples with a text in them
 *         they take three times as long. Events of the same millisecond are in the order of their
 *         ids as they are written, as they are in visits, so that an answer does not depend on how
 *         the store reads. */
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

/* ---- nodes ---- */
/* A node is a number while ways are made, and its name is looked up for the rows of the answer: 60
 * bits of a hash of the name, above them a bit that tells it from what else stands in its place.
 * The hash has the second of the question as its key, so that nobody can find names with the same
 * number beforehand; of 90,000 names two have it once in 280 million questions, and that question
 * fails (add_names). */
#define NODE_FLAG "1152921504606846976"
#define NODE_MASK "2305843009213693951"
static const char node_open[] =
    "bitOr(bitShiftRight(sipHash64Keyed((toUInt64({now:UInt32}), toUInt64(0)), ";
static const char node_close[] = "), 4), " NODE_FLAG ")";

static void add_node_of_param(uint32_t param, struct buf *out)
{
    buf_addf(out, "%s{p%u:String}%s", node_open, param, node_close);
}

/* Over the texts as the store has them, so that each of a part is hashed and matched once. */
static void add_node_of_text(const struct paths *p, const char *text, struct buf *out)
{
    for (uint32_t i = 0; i < p->group_count; i++) {
        buf_addf(out, "%smatch(%s, {p%u:String}), ", i ? "" : "multiIf(", text,
                 p->groups[i].pattern);
        add_node_of_param(p->groups[i].name, out);
        buf_add_str(out, ", ");
    }
    buf_addf(out, "%s%s%s%s", node_open, text, node_close, p->group_count ? ")" : "");
}

static void add_node(const struct paths *p, struct buf *out)
{
    if (p->nodes == NODES_BOTH)
        buf_add_str(out, "if(event = 'pageview', ");
    if (p->nodes != NODES_EVENT)
        add_node_of_text(p, "page_path", out);
    if (p->nodes == NODES_BOTH)
        buf_add_str(out, ", ");
    if (p->nodes != NODES_PAGE)
        add_node_of_text(p, "event", out);
    if (p->nodes == NODES_BOTH)
        buf_add_char(out, ')');
}

static const char *has_node(const struct paths *p)
{
    static const char *const conditions[] = {
        " AND event = 'pageview' AND page_path != ''", " AND event != ''",
        " AND if(event = 'pageview', page_path != '', event != '')"};
    return conditions[p->nodes];
}

/* (node, name) of all that happened in the range, whoever did it. */
static void add_names(const struct report *r, struct buf *out)
{
    static const char *const texts[] = {"page_path", "event",
                                        "if(event = 'pageview', page_path, event)"};
    const struct paths *p = r->own;
    struct report all = *r;
    const struct report_sql s = {.r = &all, .out = out};
    all.bots = BOTS_INCLUDE;
    buf_addf(out, "SELECT %stext%s AS node, toString(any(text)) AS name FROM (SELECT DISTINCT ",
             node_open, node_close);
    for (uint32_t i = 0; i < p->group_count; i++)
        buf_addf(out, "%smatch(raw, {p%u:String}), {p%u:String}, ", i ? "" : "multiIf(",
                 p->groups[i].pattern, p->groups[i].name);
    buf_addf(out, "raw%s AS text FROM (SELECT DISTINCT %s AS raw FROM $EVENTS",
             p->group_count ? ")" : "", texts[p->nodes]);
    report_where_sql(&s);
    buf_addf(out, "%s)) GROUP BY node HAVING throwIf(count() > 1, 'two nodes have one number') = 0",
             has_node(p));
}

/* Who was ever at a node that each way has to have; asked behind all else (report_people_sql). */
static void add_goers(const struct report *r, uint32_t param, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out};
    buf_addf(out, " AND actor GLOBAL IN (SELECT %s", report_actor(r));
    report_rows_sql(&s);
    report_sample_sql(&s);
    if (r->filter && report_filter_is_of_events(r->filter)) {
        buf_add_str(out, " AND ");
        report_filter_sql(&s, r->filter);
    }
    buf_addf(out, "%s AND ", has_node(r->own));
    add_node(r->own, out);
    buf_add_str(out, " = ");
    add_node_of_param(param, out);
    buf_add_char(out, ')');
}

/* ---- the statement ---- */
/* An event as one number, which sorts as ways do: time (64 bits), id (128), node (64). A visit: its
 * time, 0, its end, which comes before all events that it begins with. Times are milliseconds since
 * a day before the range: no visit of its events begins earlier. */
#define TIME_OF(column) "toUInt64(toUnixTimestamp64Milli(" column ") - {from:Int64} + 86400000)"
/* Of one that is sorted, without the id: time (64 bits), node or end (64). */
#define TIME(e) "toUInt64(bitShiftRight(" e ", 64))"
#define NODE(e) "toUInt64(" e ")"
#define IS_NODE(e) NODE(e) " >= " NODE_FLAG

/* Ways of visits without a join, which takes longer than all the rest: a visitor's visits and
 * events in one order. Not where the question is about visits' columns, or about others than
 * visitors. */
static bool is_split(const struct report *r)
{
    const struct paths *p = r->own;
    return !p->is_of_range && report_events_source(r) == 0 && !r->by_user && !r->by_person;
}

static bool is_joined(const struct report *r)
{
    const struct paths *p = r->own;
    return !p->is_of_range && !is_split(r);
}

static void add_events(const struct report *r, struct buf *out)
{
    const struct report_sql s = {
        .r = r, .out = out, .source = is_joined(r) ? SOURCE_JOINED : report_events_source(r)};
    buf_addf(out, "SELECT %s AS actor, %s", report_actor(r),
             is_joined(r) ? "visit_id AS way, " : "");
    buf_add_str(out, "bitOr(bitShiftLeft(bitOr(bitShiftLeft(toUInt256(" TIME_OF(
                         "timestamp") "), 128), toUInt128(id)), 64), ");
    add_node(r->own, out);
    buf_add_str(out, ") AS packed");
    report_from_sql(&s);
    buf_addf(out, "%s AND %s%s", has_node(r->own), report_has_actor(r),
             is_joined(r) ? " AND visit_id != 0" : "");
}

/* One in which nobody looked at a second page has no edge between pages. */
static void add_visits(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    const struct report_sql s = {.r = r, .out = out, .source = SOURCE_VISITS};
    buf_add_str(out, " UNION ALL SELECT visitor AS actor, bitOr(bitShiftLeft(toUInt256(" TIME_OF(
                         "start") "), 192), " TIME_OF("end") ") AS packed");
    report_visits_sql(&s);
    report_sample_sql(&s);
    buf_addf(out, " AND visitor != 0%s",
             p->nodes == NODES_PAGE && !p->is_whole && !r->knows_kind ? " AND pageviews > 1" : "");
}

/* sorted: what an actor, or a visit of theirs, has, in order. */
static void add_sorted(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    buf_add_str(out, "SELECT arrayMap(e -> bitOr(bitShiftLeft(toUInt128(toUInt64(bitShiftRight(e, "
                     "192))), 64), toUInt64(e)), arraySort(groupArray(packed))) AS sorted FROM (");
    add_events(r, out);
    if (is_split(r))
        add_visits(r, out);
    buf_add_str(out, ") WHERE 1");
    if (p->has_from)
        add_goers(r, p->from, out);
    if (p->has_to)
        add_goers(r, p->to, out);
    buf_addf(out, " GROUP BY actor%s", is_joined(r) ? ", way" : "");
}

/* s: what happened, in order; a node that follows itself is there once, since its first time. */
static void add_ways(const struct report *r, struct buf *out)
{
    if (is_split(r))
        buf_add_str(out, "SELECT arrayFilter(e -> " IS_NODE("e") " AND " TIME("e") " <= " NODE(
                             "visit[1]") ", visit) AS s FROM (SELECT arrayJoin(arraySplit(e -> NOT "
                                         "(" IS_NODE("e") "), s)) AS visit FROM (");
    buf_add_str(out, "SELECT arrayCompact(e -> " NODE("e") ", sorted) AS s FROM (");
    add_sorted(r, out);
    buf_add_char(out, ')');
    if (is_split(r))
        buf_add_str(out, ")) WHERE NOT (" IS_NODE("visit[1]") ") AND notEmpty(s)");
}

/* From the first "from" on, no further than the window goes. */
static void add_begun(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    bool is_back = p->has_to && !p->has_from; /* then the window ends at "to" */
    if (p->window_ms && !is_back)
        buf_addf(
            out,
            "SELECT arrayFilter(e -> " TIME("e") " - begun <= %llu, s) AS s FROM (SELECT s, " TIME(
                "s[1]") " AS begun FROM (",
            (unsigned long long)p->window_ms);
    if (p->has_from) {
        buf_add_str(out,
                    "SELECT arraySlice(s, place) AS s FROM (SELECT s, arrayFirstIndex(e -> " NODE(
                        "e") " = ");
        add_node_of_param(p->from, out);
        buf_add_str(out, ", s) AS place FROM (");
    }
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
                 "SELECT arrayFilter(e -> ended - " TIME(
                     "e") " <= %llu, s) AS s FROM (SELECT s, " TIME("s[-1]") " AS ended FROM (",
                 (unsigned long long)p->window_ms);
    if (p->has_to) {
        buf_add_str(out, "SELECT arraySlice(s, 1, place) AS s FROM (SELECT s, arrayFirstIndex((e, "
                         "i) -> " NODE("e") " = ");
        add_node_of_param(p->to, out);
        buf_addf(out, " AND i > %d, s, arrayEnumerate(s)) AS place FROM (", p->has_from);
    }
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

/* (step, way, n, ms) of each way, or edge, which is one number while it is counted: step (6
 * bits), nodes. */
static void add_counted(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    if (p->is_whole) {
        buf_add_str(out, "SELECT 0 AS step, arrayMap(e -> " NODE(
                             "e") ", s) AS way, count() AS n, "
                                  "avg(" TIME("s[-1]") " - " TIME("s[1]") ") AS ms FROM (");
        add_cut(r, out);
        buf_add_str(out, ") GROUP BY way");
        return;
    }
    buf_add_str(out, "SELECT toUInt8(bitShiftRight(way, 122)) AS step, x.1 AS way, count() AS n, "
                     "avg(x.2) AS ms FROM (SELECT arrayJoin(arrayMap((a, b, i) -> (bitOr(bitOr("
                     "bitShiftLeft(toUInt128(i");
    /* "to" alone: it is the last of the steps, and those before it are counted back from it */
    if (p->has_to && !p->has_from)
        buf_addf(out, " + %u - length(s)", p->steps);
    buf_add_str(out, "), 122), bitShiftLeft(toUInt128(" NODE("a") "), 61)), " NODE("b") "), " TIME(
                         "b") " - " TIME("a") "), arrayPopBack(s), arrayPopFront(s), "
                                              "arrayPopBack(arrayEnumerate(s)))) AS x FROM (");
    add_cut(r, out);
    buf_add_str(out, ")) GROUP BY way");
}

/* Rows of the same number are in the order of their names, so all that could be the last of the
 * answer's get theirs. */
static void add_sql(const struct report *r, struct buf *out)
{
    const struct paths *p = r->own;
    buf_addf(out,
             "SELECT %s, n, ms / 1000 FROM (SELECT any(step) AS step, any(n) AS n, "
             "any(ms) AS ms, groupArrayInsertAt(name, place) AS names FROM (SELECT *, "
             "nodes[place + 1] AS node FROM (SELECT *, arrayJoin(range(length(nodes))) AS place "
             "FROM (SELECT *, rowNumberInAllBlocks() AS row, %s AS nodes FROM (",
             p->is_whole ? "names" : "step, names[1], names[2]",
             p->is_whole ? "way"
                         : "[toUInt64(bitAnd(bitShiftRight(way, 61), " NODE_MASK ")), "
                           "toUInt64(bitAnd(way, " NODE_MASK "))]");
    add_counted(r, out);
    buf_add_str(out, " ORDER BY n DESC, step LIMIT {limit:UInt32} + {offset:UInt32} WITH TIES)))) "
                     "AS a LEFT ANY JOIN (");
    add_names(r, out);
    buf_add_str(out, ") AS b ON a.node = b.node GROUP BY row) ORDER BY n DESC, step, names "
                     "LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
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
