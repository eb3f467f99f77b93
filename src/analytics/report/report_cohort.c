/* WHAT    Cohorts: people by what they did, or did not do, when, how often, for the first time; by
 *         their latest event; or by a list.
 * WHY     A cohort is a condition on who did something, whatever a question is about: the same for
 *         its events and visits, for either range of a comparison, and whatever its own range and
 *         bots are. So it is one expression over the column of the actor, each condition a set that
 *         the store makes of the project's events (never of a bot's).
 *         Nobody (no visitor, no user, no person) is in no cohort. docs/definitions.md. */
#include "analytics/report/report_int.h"

enum { DEPTH_MAX = 3, CONDITIONS_MAX = 20, DAYS_MAX = 3660, TIMES_MAX = 1000000 };
enum condition_kind { DID, DID_NOT, FIRST_DID, LATEST, ALL, ANY, NOT, CONDITION_KINDS };
static const char *const names[CONDITION_KINDS] = {"did", "did_not", "first_did", "latest",
                                                   "all", "any",     "not"};
enum period_kind { PERIOD_EVER, PERIOD_DAYS, PERIOD_RANGE, PERIOD_INSTANTS };
struct period {
    enum period_kind kind;
    uint32_t days;        /* the last so many, today included */
    uint32_t first, last; /* parameters: days */
    unix_ms from, to;
};
struct condition {
    enum condition_kind kind;
    struct report_filter *filter;
    bool knows_kind; /* the filter asks for the kind: rows of any */
    uint64_t at_least, at_most;
    struct period period;
    struct condition *children, *next;
};
static const char *const actors[] = {
    [COHORT_VISITORS] = "visitor", [COHORT_USERS] = "user_id", [COHORT_PERSONS] = "person"};
struct report_cohort {
    enum report_cohort_by by;
    struct condition *conditions; /* all of them */
    uint32_t list;                /* parameter, where there are no conditions */
    uint32_t count;
};

/* ---- reading ---- */
static bool take_conditions(struct report *r, const struct report_at *at, yyjson_val *list,
                            uint32_t depth, struct report_cohort *c, struct condition **ret_first);

static bool take_period(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct period *p)
{
    const struct report_at at_days = {.up = at, .name = "days"},
                           at_range = {.up = at, .name = "range"};
    yyjson_val *days = json_get(v, "days"), *range = json_get(v, "range");
    struct slice texts[2] = {SLICE_EMPTY, SLICE_EMPTY};
    unix_ms times[2] = {{0}};
    bool is_instants = false;
    uint64_t count = 0;
    if (days && range)
        return report_fail(r, &at_range, "give days or a range, not both");
    if (days) {
        p->kind = PERIOD_DAYS;
        if (!report_take_u64(r, &at_days, days, 1, DAYS_MAX, 1, &count))
            return false;
        p->days = (uint32_t)count;
    }
    if (!range)
        return true;
    if (!report_take_pair(r, &at_range, range, &is_instants, texts, times))
        return false;
    p->kind = is_instants ? PERIOD_INSTANTS : PERIOD_RANGE;
    p->from = times[0];
    p->to = times[1];
    if (!is_instants) {
        p->first = report_bind(r, texts[0]);
        p->last = report_bind(r, texts[1]);
    }
    return r->err.rc == RC_OK;
}

/* What somebody did is asked of events, whatever the question around it is about. */
static bool take_events(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct condition *c)
{
    static const char *const members[] = {"event", "goal", "filters", NULL};
    unsigned scope = r->scope;
    bool knows_kind = r->knows_kind;
    r->scope = 0;
    r->knows_kind = false;
    r->is_in_cohort = true;
    bool is_ok = c->kind == LATEST ? report_take_filters(r, at, v, &c->filter)
                                   : report_known_members(r, at, v, members) &&
                                         report_take_which(r, at, v, &c->filter);
    if (is_ok && !c->filter)
        is_ok = report_fail(r, at, "give an array of filters");
    if (is_ok && r->scope & SCOPE_VISIT)
        is_ok = report_fail(r, at, "a cohort asks for something of events, such as event or page");
    c->knows_kind = r->knows_kind;
    r->is_in_cohort = false;
    r->scope = scope;
    r->knows_kind = knows_kind;
    return is_ok;
}

static bool take_did(struct report *r, const struct report_at *at, yyjson_val *v,
                     struct condition *c)
{
    static const char *const members[][6] = {
        [DID] = {"did", "at_least", "at_most", "days", "range", NULL},
        [DID_NOT] = {"did_not", "days", "range", NULL},
        [FIRST_DID] = {"first_did", "days", "range", NULL},
        [LATEST] = {"latest", NULL}};
    const struct report_at at_what = {.up = at, .name = names[c->kind]},
                           at_least = {.up = at, .name = "at_least"},
                           at_most = {.up = at, .name = "at_most"};
    if (!report_known_members(r, at, v, members[c->kind]) ||
        !take_events(r, &at_what, json_get(v, names[c->kind]), c) ||
        !take_period(r, at, v, &c->period) ||
        !report_take_u64(r, &at_least, json_get(v, "at_least"), 1, TIMES_MAX, 1, &c->at_least) ||
        !report_take_u64(r, &at_most, json_get(v, "at_most"), c->at_least, TIMES_MAX, 0,
                         &c->at_most))
        return false;
    if (c->kind == FIRST_DID && c->period.kind == PERIOD_EVER)
        return report_fail(r, at, "say when: days or a range");
    return true;
}

static bool take_condition(struct report *r, const struct report_at *at, yyjson_val *v,
                           uint32_t depth, struct report_cohort *cohort, struct condition *c)
{
    yyjson_val *what = NULL;
    for (int i = 0; i < CONDITION_KINDS && !what; i++) {
        what = json_get(v, names[i]);
        c->kind = (enum condition_kind)i;
    }
    if (!what)
        return report_fail(r, at,
                           "give an object with did, did_not, first_did, latest, all, any "
                           "or not");
    if (c->kind <= LATEST)
        return take_did(r, at, v, c);
    const char *const members[] = {names[c->kind], NULL};
    const struct report_at inner = {.up = at, .name = names[c->kind]};
    if (!report_known_members(r, at, v, members))
        return false;
    if (c->kind != NOT)
        return take_conditions(r, &inner, what, depth + 1, cohort, &c->children);
    c->children = arena_zalloc(r->arena, sizeof(*c));
    return c->children && ++cohort->count <= CONDITIONS_MAX && depth < DEPTH_MAX
               ? take_condition(r, &inner, what, depth + 1, cohort, c->children)
               : report_fail(r, at, "conditions go deeper than %d, or there are more than %d",
                             DEPTH_MAX, CONDITIONS_MAX);
}

static bool take_conditions(struct report *r, const struct report_at *at, yyjson_val *list,
                            uint32_t depth, struct report_cohort *cohort,
                            struct condition **ret_first)
{
    struct condition **last = ret_first;
    size_t i, n;
    yyjson_val *v;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 ||
        yyjson_arr_size(list) > CONDITIONS_MAX)
        return report_fail(r, at,
                           "give an array of 1 to %d conditions: [{\"did\": {\"event\": "
                           "\"signup\"}, \"days\": 30}]",
                           CONDITIONS_MAX);
    if (depth > DEPTH_MAX)
        return report_fail(r, at, "conditions go deeper than %d", DEPTH_MAX);
    yyjson_arr_foreach(list, i, n, v)
    {
        const struct report_at here = {.up = at, .index = i};
        *last = arena_zalloc(r->arena, sizeof(**last));
        if (!*last || ++cohort->count > CONDITIONS_MAX)
            return report_fail(r, at, "there are more than %d conditions", CONDITIONS_MAX);
        if (!take_condition(r, &here, v, depth, cohort, *last))
            return false;
        last = &(*last)->next;
    }
    return true;
}

const char *const report_cohort_by_names[] = {
    [COHORT_VISITORS] = "visitors", [COHORT_USERS] = "users", [COHORT_PERSONS] = "persons"};

/* As it is kept, which is one of them; what is about to be kept is looked at by who keeps it. */
static enum report_cohort_by by_of(yyjson_val *v)
{
    struct slice text = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
    for (int by = COHORT_PERSONS; by > COHORT_VISITORS; by--)
        if (slice_eq_str(text, report_cohort_by_names[by]))
            return (enum report_cohort_by)by;
    return COHORT_VISITORS;
}

bool report_read_cohort(struct report *r, const struct report_at *at, yyjson_val *object,
                        struct report_cohort **ret)
{
    const struct report_at at_conditions = {.up = at, .name = "conditions"};
    yyjson_val *list = json_get(object, "list_id");
    struct report_cohort *c = *ret = arena_zalloc(r->arena, sizeof(*c));
    if (!c)
        return report_fail(r, at, "no memory for this question");
    c->by = by_of(json_get(object, "count_by"));
    r->needs_person |= c->by == COHORT_PERSONS;
    if (yyjson_is_str(list)) {
        struct report_list_used used = {.id = json_text(list)};
        if (r->list_count == REPORT_LISTS_MAX || !json_to_i64(json_get(object, "size"), &used.size))
            return report_fail(r, at, "at most %d lists of people", REPORT_LISTS_MAX);
        r->lists[r->list_count++] = used;
        c->list = report_bind(r, used.id);
        return r->err.rc == RC_OK;
    }
    return take_conditions(r, &at_conditions, json_get(object, "conditions"), 1, c, &c->conditions);
}

bool report_take_cohort(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct report_filter *f)
{
    struct report_found found = {.object = NULL};
    if (r->is_in_cohort)
        return report_fail(r, at, "a cohort is not made of cohorts");
    if (!report_find_stored(r, at, v, STORED_COHORT, &found))
        return false;
    const struct report_at here = {.up = at, .stored = found.label};
    return report_read_cohort(r, &here, found.object, &f->cohort);
}

enum report_cohort_by report_cohort_by(const struct report_cohort *c)
{
    return c->by;
}

/* ---- writing ---- */
static const char *has_actor(const struct report_cohort *c)
{
    static const char *const conditions[] = {[COHORT_VISITORS] = "visitor != 0",
                                             [COHORT_USERS] = "user_id != ''",
                                             [COHORT_PERSONS] = "person != 0"};
    return conditions[c->by];
}

/* The people of a list, as `actor`: of persons whoever they have become. */
static void add_list(const struct report_cohort *c, struct buf *out)
{
    static const char *const columns[] = {[COHORT_VISITORS] = "toUInt64OrZero(member)",
                                          [COHORT_USERS] = "member",
                                          [COHORT_PERSONS] = "toUInt64OrZero(member)"};
    if (c->by == COHORT_PERSONS)
        buf_add_str(out, "SELECT if(i.hash != 0, i.person, m.kept) AS actor FROM (");
    buf_addf(out, "SELECT %s AS %s FROM $MEMBERS AND list = {p%u:String}", columns[c->by],
             c->by == COHORT_PERSONS ? "kept" : "actor", c->list);
    if (c->by == COHORT_PERSONS)
        buf_add_str(out, ") AS m LEFT ANY JOIN (SELECT hash, person FROM $IDENTITIES) AS i ON "
                         "m.kept = i.hash");
}

#define MIDNIGHT_OF "toDateTime(toDate({p%u:String}) + %d, {timezone:String})"

static void add_bound(const struct period *p, bool is_end, struct buf *out)
{
    if (p->kind == PERIOD_DAYS)
        buf_addf(out,
                 "toDateTime(toDate(toDateTime({now:UInt32}, {timezone:String})) - %u, "
                 "{timezone:String})",
                 p->days - 1);
    else if (p->kind == PERIOD_RANGE)
        buf_addf(out, MIDNIGHT_OF, is_end ? p->last : p->first, is_end);
    else
        buf_addf(out, "fromUnixTimestamp64Milli(toInt64(%lld), 'UTC')",
                 (long long)(is_end ? p->to.ms : p->from.ms));
}

/* " AND timestamp >= …"; the day is said as well, as the key begins with it. */
static void add_period(const struct period *p, struct buf *out)
{
    int bounds = p->kind == PERIOD_DAYS ? 1 : 2;
    for (int is_end = 0; is_end < bounds; is_end++) {
        if (p->kind == PERIOD_EVER)
            return;
        buf_addf(out, " AND toDate(timestamp) %s toDate(", is_end ? "<=" : ">=");
        add_bound(p, is_end, out);
        buf_addf(out, ", 'UTC') AND timestamp %s ", is_end ? "<" : ">=");
        add_bound(p, is_end, out);
    }
}

/* Of those who did it, who did it first within the period. */
static void add_first(const struct period *p, struct buf *out)
{
    buf_add_str(out, "min(timestamp) >= ");
    add_bound(p, false, out);
    if (p->kind == PERIOD_DAYS)
        return;
    buf_add_str(out, " AND min(timestamp) < ");
    add_bound(p, true, out);
}

/* actor IN (SELECT actor FROM the events of the project …). */
static void add_set(const struct report_sql *s, const struct report_cohort *cohort,
                    const struct condition *c)
{
    const struct report_sql events = {.r = s->r, .out = s->out, .source = SOURCE_EVER};
    const char *actor = actors[cohort->by];
    buf_addf(s->out, "%s %s (SELECT %s", actor, c->kind == DID_NOT ? "NOT IN" : "IN", actor);
    report_person_open_sql(&events);
    buf_add_str(s->out, c->knows_kind ? " FROM $EVENTS" : " FROM $EVENTS AND kind = ''");
    report_people_sql(&events);
    if (c->kind == DID || c->kind == DID_NOT)
        add_period(&c->period, s->out);
    report_person_close_sql(&events);
    buf_addf(s->out, " AND %s", has_actor(cohort));
    if (c->kind != LATEST) {
        buf_add_str(s->out, " AND ");
        report_filter_sql(&events, c->filter);
    }
    buf_addf(s->out, " GROUP BY %s HAVING ", actor);
    if (c->kind == FIRST_DID) {
        add_first(&c->period, s->out);
    } else if (c->kind == LATEST) {
        buf_add_str(s->out, "argMax(toUInt8(");
        report_filter_sql(&events, c->filter);
        buf_add_str(s->out, "), (timestamp, toString(id))) = 1");
    } else {
        buf_addf(s->out, "count() >= %llu", (unsigned long long)c->at_least);
        if (c->at_most)
            buf_addf(s->out, " AND count() <= %llu", (unsigned long long)c->at_most);
    }
    buf_add_char(s->out, ')');
}

static void add_conditions(const struct report_sql *s, const struct report_cohort *cohort,
                           const struct condition *first, const char *between)
{
    buf_add_char(s->out, '(');
    for (const struct condition *c = first; c; c = c->next) {
        if (c != first)
            buf_add_str(s->out, between);
        if (c->kind == NOT)
            buf_add_str(s->out, "NOT ");
        if (c->kind <= LATEST)
            add_set(s, cohort, c);
        else
            add_conditions(s, cohort, c->children, c->kind == ANY ? " OR " : " AND ");
    }
    buf_add_char(s->out, ')');
}

void report_cohort_sql(const struct report_sql *s, const struct report_cohort *c)
{
    buf_addf(s->out, "(%s AND ", has_actor(c));
    if (c->conditions)
        add_conditions(s, c, c->conditions, " AND ");
    else {
        buf_addf(s->out, "%s IN (", actors[c->by]);
        add_list(c, s->out);
        buf_add_char(s->out, ')');
    }
    buf_add_char(s->out, ')');
}

/* Everybody who is in it: those of a list as they stand there, else of all who did anything. */
void report_members_sql(const struct report *r, const struct report_cohort *c, struct buf *out)
{
    const struct report_sql s = {.r = r, .out = out, .source = SOURCE_EVER};
    buf_add_str(out, "SELECT DISTINCT actor FROM (");
    if (!c->conditions) {
        add_list(c, out);
    } else {
        buf_addf(out, "SELECT %s AS actor", actors[c->by]);
        report_person_open_sql(&s);
        buf_add_str(out, " FROM $EVENTS AND kind = ''");
        report_people_sql(&s);
        report_person_close_sql(&s);
        buf_add_str(out, " AND ");
        report_cohort_sql(&s, c);
    }
    buf_addf(out, ") WHERE actor > {after:%s} ORDER BY actor LIMIT {limit:UInt32}",
             c->by == COHORT_USERS ? "String" : "UInt64");
}
