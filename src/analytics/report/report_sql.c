/* WHAT    The statement of a breakdown: totals, one table or series of any metrics by any
 *         dimensions, with the same of another range beside it.
 * LAYOUT  SELECT dimensions, metrics, the other range's, count of rows
 *         FROM (SELECT … max(each) … GROUP BY dimensions         only if there are several parts
 *               FROM (part UNION ALL part …))
 *         ORDER BY … LIMIT …
 * WHY     A metric is counted over one kind of rows (events, visits, events with their visits):
 *         each kind is a part of its own, and a group's values of all parts come together by
 *         max(), as exactly one part has each. So no number depends on what else is asked.
 *         Names: d0 … dimensions, r0 … metrics in a part, m0 … metrics, o0 … of the other range. */
#include "analytics/event/schema.h"
#include "analytics/report/report_int.h"

#include <stdio.h>

enum { VISIT_MS_MAX = 24 * 3600 * 1000 };

/* ---- rows ---- */
/* The day is said as well: the tables' keys begin with the project and the day, and the engine does
 * not conclude it from the time (twice the rows are read without). */
static void add_bound(struct buf *out, const char *column, const char *sign, const char *range,
                      const char *end, int64_t earlier_ms)
{
    char moment[120];
    snprintf(moment, sizeof(moment), "fromUnixTimestamp64Milli({%s%s:Int64} - %lld, 'UTC')", range,
             end, (long long)earlier_ms);
    buf_addf(out, " AND toDate(%s) %s toDate(%s) AND %s %s %s", column,
             sign[0] == '<' ? "<=" : ">=", moment, column, sign, moment);
}

/* Whether an event lies in a visit that its behaviour gave away. All events of a visitor within a
 * minute are of one visit, as no gap of a minute parts two, so a visit is its minutes; or its
 * slots, where those are asked. Visitor and minute are one number, in which the engine looks
 * things up in half of the time. Rows with behaviour = 0 say nothing (sessionize_sql.c), and an
 * index leaves them out. */
#define MINUTE_OF(time) "intDiv(toUnixTimestamp64Milli(" time "), 60000)"
#define KEY_OF(minute) "bitXor(visitor, toUInt64(" minute ") * 11400714819323198485)"
#define RANGE_OF(minute) "arrayJoin(range(" minute("start") ", " minute("last") " + 1))"
static void add_is_behaviour(const struct report_sql *s, const char *in)
{
    bool is_of_slots = s->source & SOURCE_SLOTS;
    const char *p = s->is_compared ? "compare_" : "";
    buf_addf(s->out, "%s %s (SELECT %s",
             is_of_slots ? KEY_OF("slot") : KEY_OF(MINUTE_OF("timestamp")), in,
             is_of_slots ? KEY_OF(RANGE_OF(ANALYTICS_SLOT_OF)) : KEY_OF(RANGE_OF(MINUTE_OF)));
    buf_add_str(s->out, " FROM (SELECT visitor, start, argMax(end, version) AS last FROM "
                        "$SESSION_VERSIONS AND behaviour != 0");
    if (!(s->source & SOURCE_EVER)) {
        add_bound(s->out, "start", ">=", p, "from", s->earlier_ms + VISIT_MS_MAX);
        add_bound(s->out, "start", "<", p, "to", 0);
    }
    buf_add_str(s->out, " GROUP BY visitor, start HAVING argMax(behaviour, version) = 1))");
}

/* GLOBAL changes nothing in one store, but that the engine asks this behind all else: in front, it
 * reads what is left of columns for all rows, not only for those that fit (five times as long for
 * the properties of vitals). */
void report_people_sql(const struct report_sql *s)
{
    buf_add_str(s->out, " AND bot = ''");
    if (s->source & SOURCE_VISITS || !s->r->has_behaviour)
        return;
    buf_add_str(s->out, " AND ");
    add_is_behaviour(s, "GLOBAL NOT IN");
}

void report_bot_sql(const struct report_sql *s)
{
    if (s->source & SOURCE_VISITS || !s->r->has_behaviour) {
        buf_add_str(s->out, "bot");
        return;
    }
    buf_add_str(s->out, "if(bot = '' AND ");
    add_is_behaviour(s, "IN");
    buf_add_str(s->out, ", 'behaviour', toString(bot))");
}

static void add_bots(const struct report_sql *s)
{
    if (s->r->bots == BOTS_INCLUDE)
        return;
    if (s->r->bots == BOTS_EXCLUDE) {
        report_people_sql(s);
        return;
    }
    buf_add_str(s->out, " AND ");
    report_bot_sql(s);
    buf_add_str(s->out, " != ''");
}

void report_where_sql(const struct report_sql *s)
{
    const char *time = s->source & SOURCE_VISITS ? "start" : "timestamp";
    const char *p = s->is_compared ? "compare_" : "";
    bool is_of_slots = s->source & SOURCE_SLOTS;
    if (!(s->source & SOURCE_EVER) && is_of_slots)
        report_slots_bound_sql(s->out, p, false);
    else if (!(s->source & SOURCE_EVER))
        add_bound(s->out, time, ">=", p, "from", s->earlier_ms);
    if (is_of_slots)
        report_slots_bound_sql(s->out, p, true);
    else
        add_bound(s->out, time, "<", p, "to", 0);
    if (s->keys.len) {
        buf_add_slice(s->out, s->keys);
        buf_add_str(s->out, " WHERE 1");
    }
    if (s->source & SOURCE_VITALS)
        buf_add_str(s->out, " AND kind = 'vital'");
    else if (!(s->source & SOURCE_VISITS) && !s->r->knows_kind)
        buf_add_str(s->out, s->source & SOURCE_PINGS ? " AND kind IN ('', 'engagement')"
                                                     : " AND kind = ''");
    add_bots(s);
}

static bool is_of_events(const struct report_filter *f)
{
    return !f || report_filter_is_of_events(f);
}

/* Visits of those who reached the goal, that began on the day when they did or on the one before,
 * are enough, and a goal is reached by few. One number of both is looked up in half of the time
 * that a tuple takes; two that share theirs let a visit too many in. */
#define VISITOR_DAY(day) "cityHash64(visitor, toUInt16(" day "))"
static bool has_goal_visitors(const struct report_sql *s)
{
    return s->r->goal && !(s->source & SOURCE_BASE) && is_of_events(s->r->goal) &&
           !s->r->needs_person; /* the columns of persons come later */
}

static void add_goal_visitors(const struct report_sql *s)
{
    struct report_sql events = *s;
    events.source &= ~(unsigned)SOURCE_JOINED;
    if (report_slots_ready(s->r) && report_filter_is_of_slots(s->r->goal))
        events.source |= SOURCE_SLOTS;
    buf_add_str(s->out, " AND " VISITOR_DAY("toDate(start)") " IN (SELECT ");
    buf_add_str(s->out, events.source & SOURCE_SLOTS
                            ? VISITOR_DAY("arrayJoin([day, day - 1])")
                            : VISITOR_DAY("arrayJoin([toDate(timestamp), toDate(timestamp) - 1])"));
    report_plain_rows_sql(&events);
    buf_add_str(s->out, " AND ");
    report_filter_sql(&events, s->r->goal);
    buf_add_char(s->out, ')');
}

/* A visit is no longer than a day (docs/definitions.md), so one that an event of the range belongs
 * to began at most a day before it. */
static void add_visits(const struct report_sql *s, const char *from)
{
    const char *p = s->is_compared ? "compare_" : "";
    buf_add_str(s->out, from);
    if (!(s->source & SOURCE_EVER))
        add_bound(s->out, "start", ">=", p, "from", VISIT_MS_MAX);
    add_bound(s->out, "start", "<", p, "to", 0);
}

void report_visits_sql(const struct report_sql *s)
{
    add_visits(s, " FROM $SESSIONS");
}

static void add_joined(const struct report_sql *s)
{
    static const char *const columns[] = {"entry_page",      "exit_page",       "entry_hostname",
                                          "referrer_source", "referrer_domain", "channel",
                                          "utm_source",      "utm_medium",      "utm_campaign",
                                          "utm_term",        "utm_content",     "click_id"};
    buf_add_str(s->out, " FROM (SELECT e.*, if(v.end >= e.timestamp, v.session, 0) AS visit_id, "
                        "if(v.end >= e.timestamp, v.is_bounce, 0) AS visit_is_bounce, "
                        "if(v.end >= e.timestamp, v.duration_ms, 0) AS visit_duration_ms");
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_addf(s->out, ", if(v.end >= e.timestamp, toString(v.%s), '') AS visit_%s", columns[i],
                 columns[i]);
    buf_add_str(s->out, " FROM (SELECT * FROM $EVENTS");
    report_where_sql(s);
    buf_add_str(s->out, ") AS e ASOF LEFT JOIN (SELECT *");
    if (has_goal_visitors(s)) {
        add_visits(s, " FROM $KEYED_SESSIONS");
        add_goal_visitors(s);
    } else {
        report_visits_sql(s);
    }
    buf_add_str(s->out, ") AS v ON e.visitor = v.visitor AND e.timestamp >= v.start) WHERE 1");
}

void report_plain_rows_sql(const struct report_sql *s)
{
    if (s->source & SOURCE_JOINED) {
        add_joined(s);
    } else {
        buf_add_str(s->out, s->keys.len                 ? " FROM $KEYED_SESSIONS"
                            : s->source & SOURCE_VISITS ? " FROM $SESSIONS"
                            : s->source & SOURCE_SLOTS  ? " FROM $SLOTS"
                                                        : " FROM $EVENTS");
        report_where_sql(s);
    }
}

void report_from_sql(const struct report_sql *s)
{
    report_rows_sql(s);
    report_sample_sql(s);
    if (s->r->filter) {
        buf_add_str(s->out, " AND ");
        report_filter_sql(s, s->r->filter);
    }
    if (s->r->goal && !(s->source & SOURCE_BASE)) {
        buf_add_str(s->out, " AND ");
        report_filter_sql(s, s->r->goal);
    }
}

unsigned report_events_source(const struct report *r)
{
    return r->scope & SCOPE_VISIT ? SOURCE_JOINED : 0;
}

const char *report_actor(const struct report *r)
{
    return r->by_person ? "person" : r->by_user ? "user_id" : "visitor";
}

const char *report_has_actor(const struct report *r)
{
    return r->by_person ? "person != 0" : r->by_user ? "user_id != ''" : "visitor != 0";
}

/* ---- metrics ---- */
/* Which rows a metric is counted over, given what the rest of the question needs. */
static unsigned source_of(const struct report *r, const struct report_metric *m)
{
    static const struct report_metric_def aggregate = {.events = "", .joined = ""};
    const struct report_metric_def *def = m->def ? m->def : &aggregate;
    unsigned more = (def->flags & METRIC_ENGAGEMENT ? SOURCE_PINGS : 0) |
                    (def->flags & METRIC_BASE ? SOURCE_BASE : 0);
    bool needs_visit = r->scope & SCOPE_VISIT, needs_event = r->scope & SCOPE_EVENT;
    if (needs_visit ? !needs_event && def->visits : !needs_event && !def->events)
        return SOURCE_VISITS;
    if (needs_visit || !def->events)
        return SOURCE_JOINED | more;
    return def->slots && report_slots_fit(r) ? SOURCE_SLOTS | more : more;
}

static void add_whole(const struct report_sql *s, const struct report_metric_def *def)
{
    struct report_sql whole = *s;
    if (def->flags & METRIC_GOAL)
        whole.source |= SOURCE_BASE;
    if (is_of_events(s->r->filter) && (whole.source & SOURCE_BASE || is_of_events(s->r->goal)))
        whole.source &= ~(unsigned)SOURCE_JOINED; /* an event without a visit is in it, too */
    if (!(whole.source & ~(unsigned)SOURCE_BASE) && report_slots_ready(s->r) &&
        report_filter_is_of_slots(s->r->filter) &&
        (whole.source & SOURCE_BASE || report_filter_is_of_slots(s->r->goal)))
        whole.source |= SOURCE_SLOTS;
    buf_add_str(s->out, "(SELECT uniqIf(visitor, visitor != 0)");
    report_from_sql(&whole);
    buf_add_char(s->out, ')');
}

/* "map of currency and number, whether there is one": of the event, or as the goal says. */
static void add_worth(const struct report_sql *s)
{
    const struct report_worth *w = &s->r->worth;
    if (!w->is_known) {
        buf_add_str(s->out, "map(toString(currency), revenue), currency != ''");
        return;
    }
    buf_addf(s->out, "map({p%u:String}, ifNull(", w->currency);
    report_number_sql(s, &w->number);
    buf_add_str(s->out, ", 0)), isNotNull(");
    report_number_sql(s, &w->number);
    buf_add_char(s->out, ')');
}

static void add_definition(const struct report_sql *s, const struct report_metric_def *def,
                           const char *text)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "$");
        buf_add(s->out, p, n);
        p += n;
        if (strncmp(p, "$WHOLE", 6) == 0) {
            add_whole(s, def);
            p += 6;
        } else if (strncmp(p, "$WORTH", 6) == 0) {
            add_worth(s);
            p += 6;
        } else if (strncmp(p, "$GOAL", 5) == 0) {
            report_filter_sql(s, s->r->goal);
            p += 5;
        }
    }
}

static void add_metric(const struct report_sql *s, const struct report_metric *m)
{
    if (m->def) {
        add_definition(s, m->def,
                       s->source & SOURCE_VISITS   ? m->def->visits
                       : s->source & SOURCE_SLOTS  ? m->def->slots
                       : s->source & SOURCE_JOINED ? m->def->joined
                                                   : m->def->events);
        return;
    }
    if (m->aggregate)
        buf_addf(s->out, "%s(", m->aggregate);
    else
        buf_addf(s->out, "quantileExact(%.2f)(", m->level);
    report_number_sql(s, &m->of);
    buf_add_char(s->out, ')');
}

enum report_value_kind report_metric_kind(const struct report_metric *m)
{
    if (m->def)
        return m->def->kind;
    return m->aggregate && strcmp(m->aggregate, "count") == 0 ? VALUE_COUNT : VALUE_NUMBER;
}

/* ---- parts ---- */
void report_group_by_sql(struct buf *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buf_addf(out, "%sd%u", i ? ", " : " GROUP BY ", i);
}

/* SELECT d0, d1, 0 AS period, r0, r1 of one kind of rows. */
static void add_part(const struct report_sql *s)
{
    const struct report *r = s->r;
    buf_add_str(s->out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        report_dim_sql(s, &r->dims[i]);
        buf_addf(s->out, " AS d%u, ", i);
    }
    buf_addf(s->out, "%d AS period", s->is_compared);
    for (uint32_t i = 0; i < r->metric_count; i++) {
        buf_add_str(s->out, ", ");
        if (source_of(r, &r->metrics[i]) == s->source) {
            buf_add_str(s->out, "toNullable("); /* max() of no row is NULL then, and not 0 */
            add_metric(s, &r->metrics[i]);
            buf_addf(s->out, ") AS r%u", i);
        } else {
            buf_addf(s->out, "NULL AS r%u", i);
        }
    }
    report_from_sql(s);
    report_group_by_sql(s->out, r->dim_count);
    if (s->source & SOURCE_BASE && r->dim_count) {
        buf_add_str(s->out, " HAVING countIf(");
        report_filter_sql(s, r->goal);
        buf_add_str(s->out, ") > 0");
    }
}

void report_shifted_sql(const struct report_sql *s, void (*add)(const struct report_sql *s))
{
    const struct report *r = s->r;
    const struct report_dim *time = report_time_dim(r);
    if (!time || !s->is_compared) {
        add(s);
        return;
    }
    uint32_t at = (uint32_t)(time - r->dims);
    buf_add_str(s->out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(s->out, i == at ? "here[place] AS d%u, " : "d%u, ", i);
    buf_add_str(s->out, "* EXCEPT (here, place");
    for (uint32_t i = 0; i < r->dim_count; i++)
        if (i != at)
            buf_addf(s->out, ", d%u", i);
    buf_addf(s->out, ") FROM (SELECT * EXCEPT (d%u), ", at);
    report_buckets_sql(s->out, time->unit, false);
    buf_add_str(s->out, " AS here, indexOf(");
    report_buckets_sql(s->out, time->unit, true);
    buf_addf(s->out, ", d%u) AS place FROM (", at);
    add(s);
    buf_add_str(s->out, ") WHERE place BETWEEN 1 AND length(here))");
}

/* Time alone: a row for each bucket, whatever happened in it. */
static void add_empty_buckets(const struct report *r, struct buf *out)
{
    buf_add_str(out, " UNION ALL SELECT arrayJoin(");
    report_buckets_sql(out, r->dims[0].unit, false);
    buf_add_str(out, ") AS d0, 0 AS period");
    for (uint32_t i = 0; i < r->metric_count; i++)
        buf_addf(out, ", NULL AS r%u", i);
}

static bool has_empty_buckets(const struct report *r)
{
    return r->dim_count == 1 && r->dims[0].field->kind == FIELD_TIME;
}

static uint32_t list_sources(const struct report *r, unsigned sources[REPORT_METRICS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->metric_count; i++) {
        unsigned source = source_of(r, &r->metrics[i]);
        uint32_t k = 0;
        while (k < count && sources[k] != source)
            k++;
        if (k == count)
            sources[count++] = source;
    }
    return count;
}

/* True: there are several, whose values have to be brought together. */
static bool add_parts(const struct report *r, struct buf *out)
{
    unsigned sources[REPORT_METRICS_MAX];
    uint32_t count = list_sources(r, sources), added = 0;
    bool is_compared = r->range.compare != COMPARE_NONE;
    for (uint32_t i = 0; i < count; i++) {
        for (int other = 0; other <= (int)is_compared; other++) {
            const struct report_sql s = {
                .r = r, .out = out, .is_compared = other, .source = sources[i]};
            if (added++)
                buf_add_str(out, " UNION ALL ");
            report_shifted_sql(&s, add_part);
        }
    }
    if (has_empty_buckets(r))
        add_empty_buckets(r, out);
    return added > 1 || has_empty_buckets(r);
}

/* ---- the whole ---- */
/* "m3" of "r3": max() over parts; of one range if there are two; 0 or NULL where nothing is. */
static void add_value(const struct report *r, struct buf *out, uint32_t i, bool is_merged,
                      int other)
{
    bool is_compared = r->range.compare != COMPARE_NONE;
    char value[60];
    if (!is_merged)
        snprintf(value, sizeof(value), "r%u", i);
    else if (is_compared)
        snprintf(value, sizeof(value), "maxIf(r%u, period = %d)", i, other);
    else
        snprintf(value, sizeof(value), "max(r%u)", i);
    switch (report_metric_kind(&r->metrics[i])) {
    case VALUE_COUNT:
        buf_addf(out, ", ifNull(%s, 0) AS %c%u", value, other ? 'o' : 'm', i);
        return;
    case VALUE_NUMBER:
        buf_addf(out, ", if(isFinite(%s), %s, NULL) AS %c%u", value, value, other ? 'o' : 'm', i);
        return;
    case VALUE_JSON:
        buf_addf(out, ", ifNull(%s, '{}') AS %c%u", value, other ? 'o' : 'm', i);
        return;
    }
}

void report_dim_label_sql(const struct report *r, uint32_t i, struct buf *out)
{
    char name[16];
    snprintf(name, sizeof(name), "d%u", i);
    if (r->dims[i].field->kind == FIELD_TIME)
        report_label_sql(out, r->dims[i].unit, name);
    else
        buf_addf(out, "toString(%s)", name);
}

static void add_columns(const struct report *r, struct buf *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->dim_count; i++, count++) {
        buf_add_str(out, count ? ", " : "SELECT ");
        report_dim_label_sql(r, i, out);
    }
    for (uint32_t i = 0; i < r->metric_count; i++, count++)
        buf_addf(out, "%sm%u", count ? ", " : "SELECT ", i);
    for (uint32_t i = 0; i < r->metric_count && r->range.compare != COMPARE_NONE; i++)
        buf_addf(out, ", o%u", i);
    if (r->has_total)
        buf_add_str(out, ", total");
    if (r->is_paged)
        report_keys_sql(r, out);
}

static void add_order(const struct report *r, struct buf *out)
{
    const char *between = " ORDER BY ";
    for (uint32_t i = 0; i < r->order_count; i++, between = ", ")
        buf_addf(out, "%s%c%u%s", between, r->orders[i].is_metric ? 'm' : 'd', r->orders[i].index,
                 r->orders[i].is_desc ? " DESC" : "");
    for (uint32_t i = 0; i < r->dim_count; i++, between = ", ")
        buf_addf(out, "%sd%u", between, i);
}

void report_groups_sql(const struct report *r, bool has_others, struct buf *out)
{
    CLEANUP(buf_done) struct buf parts;
    bool is_compared = r->range.compare != COMPARE_NONE;
    buf_init(&parts, out->bytes_max);
    bool is_merged = add_parts(r, &parts);
    buf_add_str(out, "SELECT ");
    for (uint32_t i = 0; i < r->dim_count; i++)
        buf_addf(out, "d%u, ", i);
    buf_add_str(out, has_others ? "countIf(period = 0) > 0 AS is_here" : "1 AS one");
    for (uint32_t i = 0; i < r->metric_count; i++)
        add_value(r, out, i, is_merged, 0);
    for (uint32_t i = 0; i < r->metric_count && is_compared; i++)
        add_value(r, out, i, is_merged, 1);
    if (r->has_total)
        buf_add_str(out, ", count() OVER () AS total");
    buf_add_str(out, " FROM (");
    buf_add_slice(out, buf_slice(&parts));
    buf_add_char(out, ')');
    if (is_merged)
        report_group_by_sql(out, r->dim_count);
    if (is_compared && r->dim_count && !has_others)
        buf_add_str(out, " HAVING countIf(period = 0) > 0");
    if (!buf_ok(&parts))
        out->is_failed = true;
}

void report_breakdown_sql(const struct report *r, struct buf *out)
{
    add_columns(r, out);
    buf_add_str(out, " FROM (");
    if (r->has_imports)
        report_imports_sql(r, out);
    else
        report_groups_sql(r, false, out);
    buf_add_char(out, ')');
    report_after_sql(r, out);
    add_order(r, out);
    buf_add_str(out, " LIMIT {limit:UInt32} OFFSET {offset:UInt32}");
}

void report_main_sql(const struct report *r, struct buf *out)
{
    r->kind->sql(r, out);
}
