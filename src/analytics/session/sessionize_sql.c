/* WHAT    The statements of sessionize.
 * WHY     Where sessions begin and end follows from points in time alone, so it is settled first,
 *         on three narrow columns: stretches of new events and the rows that are there are put in
 *         order and joined where no more than idle_ms lies between them. What a session consists of
 *         is counted afterwards, in one pass over events that knows its windows.
 *         A session to which events were only added at its end is its row plus these events: no
 *         event of before is read. That is nearly every one, and it keeps the cost of a step from
 *         growing with the day. If the row has any of the events already (a repeat), they are not
 *         behind its end, and it is made anew of all of its events.
 *         In a step of many events that is so for nearly all visitors, and the order of their
 *         pieces need not be asked for: sessionize_sql_plain().
 * LAYOUT  sessions_work: stage 0 the mark; stage 1 stretches [s, e]; stage 2 windows [s, e] with
 *         what is to be done there (mode); stage 3 visitors whose windows are still to be found.
 * INVARIANTS  A stretch lies within one UTC day and has no gap longer than idle_ms. Of a chain that
 *         was cut all rows are marked is_cut, and rows that are not are whole chains: nothing
 *         else is within idle_ms of them. */
#include "analytics/session/sessionize_int.h"

#include <inttypes.h>

#define EVENT_MS "toUnixTimestamp64Milli(timestamp)"
/* The order of events: by time, then by the id as it is written (UUIDs compare otherwise here),
 * then by the place in the stream. */
#define EVENT_KEY                                                                                \
    "bitShiftLeft(toUInt256(" EVENT_MS "), 192) + bitShiftLeft(toUInt256(toUInt128(id)), 64) + " \
    "toUInt256(stream_offset)"
#define COUNTED "visitor != 0 AND kind NOT IN ('alias', 'group')"
#define HAS_SOURCE(p)                                                                  \
    "(" p "utm_source != '' OR " p "utm_medium != '' OR " p "utm_campaign != '' OR " p \
    "utm_term != '' OR " p "utm_content != '' OR " p "click_id != ''"
#define ROW_HAS_SOURCE(p) HAS_SOURCE(p) " OR " p "referrer_domain != '')"
#define EVENT_HAS_SOURCE \
    HAS_SOURCE("") " OR (referrer_domain != '' AND referrer_domain != hostname))"

/* Live rows, of which columns of the key are asked right behind it: those that do not fit are left
 * out before their other columns are read, which the engine does not do by itself with FINAL. All
 * versions of a row have the same key, so none of them is missed. */
#define SESSIONS "sessions FINAL PREWHERE "

/* A column of `sessions`: how it comes out of events (as a_NAME), and out of a row r that has grown
 * by such events. */
struct column {
    const char *name, *made, *grown;
    /* What of a session it is: whether new events behind a row's end can change it. INNER: they
     * can; no column of the table, but something follows from it. */
    enum { ANY, INNER, PAGE, SOURCE, ONCE } what;
};
enum {
    OF_ANY = 1 << ANY | 1 << INNER,
    OF_PAGE = 1 << PAGE,
    OF_SOURCE = 1 << SOURCE,
    OF_ONCE = 1 << ONCE
};
enum { OF_ALL = OF_ANY | OF_PAGE | OF_SOURCE | OF_ONCE };

/* What an event says of where its visitor comes from is taken together: one place to remember
 * instead of nine. */
#define FIRST_SOURCE                                                                              \
    "argMinIf((referrer_domain, referrer_source, channel, utm_source, utm_medium, utm_campaign, " \
    "utm_term, utm_content, click_id), k, has_source)"
#define SOURCE_COLUMN(column, place)                                                      \
    .name = #column, .what = SOURCE, .made = "tupleElement(" FIRST_SOURCE ", " place ")", \
    .grown = "if(row_has_source, r." #column ", a_" #column ")"
#define SUM_COLUMN(column, of) \
    .name = #column, .what = ANY, .made = of, .grown = "a_" #column " + r." #column
#define FIRST_COLUMN(column)                                         \
    .name = #column, .what = ONCE, .made = "argMin(" #column ", k)", \
    .grown = "if(has_row, r." #column ", a_" #column ")"
static const struct column columns[] = {
    {"user_id", "argMaxIf(user_id, k, user_id != '')", "if(a_user_id != '', a_user_id, r.user_id)",
     ANY},
    {SUM_COLUMN(pageviews, "countIf(event = 'pageview')")},
    {SUM_COLUMN(events, "countIf(kind = '')")},
    {SUM_COLUMN(interactions, "countIf(kind = '' AND event != 'pageview' AND is_interactive)")},
    {SUM_COLUMN(engagement_ms, "sum(engagement_ms)")},
    {"entry_page", "argMinIf(page_path, k, event = 'pageview')",
     "if(r.pageviews > 0, r.entry_page, a_entry_page)", PAGE},
    {"exit_page", "argMaxIf(page_path, k, event = 'pageview')",
     "if(a_pageviews > 0, a_exit_page, r.exit_page)", ANY},
    {"entry_hostname", "argMinIf(hostname, k, event = 'pageview')",
     "if(r.pageviews > 0, r.entry_hostname, a_entry_hostname)", PAGE},
    {SOURCE_COLUMN(referrer_domain, "1")},
    {SOURCE_COLUMN(referrer_source, "2")},
    {"channel", "if(countIf(has_source) = 0, 'Direct', tupleElement(" FIRST_SOURCE ", 3))",
     "if(row_has_source, r.channel, a_channel)", SOURCE},
    {SOURCE_COLUMN(utm_source, "4")},
    {SOURCE_COLUMN(utm_medium, "5")},
    {SOURCE_COLUMN(utm_campaign, "6")},
    {SOURCE_COLUMN(utm_term, "7")},
    {SOURCE_COLUMN(utm_content, "8")},
    {SOURCE_COLUMN(click_id, "9")},
    {FIRST_COLUMN(country)},
    {FIRST_COLUMN(region)},
    {FIRST_COLUMN(city)},
    {FIRST_COLUMN(browser_name)},
    {FIRST_COLUMN(browser_version)},
    {FIRST_COLUMN(os_name)},
    {FIRST_COLUMN(os_version)},
    {FIRST_COLUMN(device_type)},
    {FIRST_COLUMN(screen_class)},
    {FIRST_COLUMN(locale)},
    {"page_marks",
     "groupBitOrIf(bitShiftLeft(toUInt64(1), sipHash64(page_path) % 64), event = 'pageview')",
     "bitOr(a_page_marks, r.page_marks)", ANY},
    /* What its events say themselves; what the whole of them says is judged behind it. */
    {"own_bot", "argMinIf(bot, k, bot != '')",
     "if(r.bot NOT IN ('', 'behaviour'), r.bot, "
     "a_own_bot)",
     INNER},
};

/* A program in a browser's name (docs/definitions.md, "Bot"). Only sums and extremes are asked, so
 * a row that grows is judged as if it were made anew, and may be acquitted. */
#define DURATION                                                             \
    "greatest(toUnixTimestamp64Milli(end) - toUnixTimestamp64Milli(start), " \
    "toInt64(engagement_ms))"
#define IS_BEHAVIOUR                                                                             \
    "own_bot = '' AND pageviews >= 30 AND bitCount(page_marks) >= 20 AND " DURATION " < 1000 * " \
    "toInt64(pageviews) AND interactions = 0 AND user_id = '' AND browser_name != ''"
#define BOT "multiIf(" IS_BEHAVIOUR ", 'behaviour', own_bot)"

static void add_list(struct buf *sql)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        if (columns[i].what != INNER)
            buf_addf(sql, ", %s", columns[i].name);
}

/* what: those that events are asked about (OF_…) */
static void add_made(struct buf *sql, unsigned what)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        if (what >> columns[i].what & 1)
            buf_addf(sql, ", %s AS a_%s", columns[i].made, columns[i].name);
}

/* The same what; any other column is the row's. */
static void add_grown(struct buf *sql, unsigned what)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        const struct column *c = &columns[i];
        if (what >> c->what & 1)
            buf_addf(sql, ", %s AS b_%s", c->grown, c->name);
        else
            buf_addf(sql, ", r.%s AS b_%s", c->name, c->name);
    }
}

static void add_renamed(struct buf *sql, char from)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_addf(sql, ", %c_%s AS %s", from, columns[i].name, columns[i].name);
}

/* Everything below the ends of the ranges. */
static void add_done(struct buf *sql, const struct derived_ranges *ranges)
{
    buf_add_str(sql, "stream_offset < [");
    for (uint32_t i = 0; i < ranges->count; i++)
        buf_addf(sql, "%s%" PRIu64, i ? "," : "", ranges->to[i]);
    buf_add_str(sql, "][stream_partition + 1]");
}

static int64_t day_of(int64_t ms)
{
    int64_t day = ms / SESSION_DAY_MS;
    return day < SESSION_DAY_MAX ? day : SESSION_DAY_MAX;
}

/* The day is said as well: the keys begin with the project and the day, which the engine does not
 * conclude from the time. */
static void add_time(struct buf *sql, const char *column, int64_t from_ms, int64_t to_ms)
{
    buf_addf(sql,
             "toDate(%s) >= toDate(%" PRId64 ") AND toDate(%s) <= toDate(%" PRId64
             ") AND %s >= fromUnixTimestamp64Milli(toInt64(%" PRId64
             ")) AND %s <= fromUnixTimestamp64Milli(toInt64(%" PRId64 "))",
             column, day_of(from_ms), column, day_of(to_ms), column, from_ms, column, to_ms);
}

static void add_stretches(struct buf *sql, uint64_t version, bool is_bulk)
{
    buf_addf(
        sql,
        "INSERT INTO sessions_work (stage, project_id, visitor, s, e, mode) SELECT toUInt8(0) AS "
        "st, toUUID('00000000-0000-0000-0000-000000000000') AS p, toUInt64(0) AS v, "
        "toInt64(%" PRIu64 ") AS f, toInt64(0) AS t, toUInt8(0) AS m UNION ALL SELECT toUInt8(1) "
        "AS st, project_id AS p, visitor AS v, min(" EVENT_MS ") AS f, max(" EVENT_MS ") AS t, "
        "%s AS m FROM events WHERE " COUNTED " AND ",
        version, is_bulk ? "toUInt8(max(" EVENT_HAS_SOURCE "))" : "toUInt8(0)");
}

/* A bucket no wider than idle_ms has no gap in it. */
static void add_stretch_keys(struct buf *sql, uint32_t idle_ms)
{
    buf_addf(sql, " GROUP BY project_id, visitor, toDate(timestamp), intDiv(" EVENT_MS ", %u)",
             (unsigned)idle_ms);
}

void sessionize_sql_touched(struct buf *sql, uint64_t version, uint32_t idle_ms, bool is_bulk,
                            const struct derived_ranges *ranges)
{
    add_stretches(sql, version, is_bulk);
    derived_ranges_sql(sql, ranges);
    add_stretch_keys(sql, idle_ms);
}

void sessionize_sql_swept(struct buf *sql, uint64_t version, uint32_t idle_ms,
                          const struct sessionize_sweep *sweep, const struct derived_ranges *ranges)
{
    /* Whether something goes on for more than a day shows within a day and a gap around it. */
    int64_t around_ms = SESSION_DAY_MS + idle_ms + 1;
    int64_t from_ms = sweep->from_day * SESSION_DAY_MS - around_ms;
    add_stretches(sql, version, false);
    add_time(sql, "timestamp", from_ms > 0 ? from_ms : 0,
             sweep->to_day * SESSION_DAY_MS + around_ms);
    buf_addf(sql, " AND visitor %% %u = %u AND ", (unsigned)sweep->slices, (unsigned)sweep->slice);
    add_done(sql, ranges);
    add_stretch_keys(sql, idle_ms);
}

/* Puts what `from` gives in order and numbers the chains of each visitor: column chain. */
static void add_chains(struct buf *sql, uint32_t idle_ms, const char *from_begin)
{
#define OF_VISITOR \
    "(PARTITION BY project_id, visitor ORDER BY s, e ROWS BETWEEN UNBOUNDED PRECEDING"
    buf_addf(sql,
             "(SELECT *, sum(is_new) OVER " OF_VISITOR " AND CURRENT ROW) AS chain FROM ("
             "SELECT *, s > %u + max(e) OVER " OF_VISITOR " AND 1 PRECEDING) AS is_new FROM (%s",
             (unsigned)idle_ms, from_begin);
#undef OF_VISITOR
}

static const char stretches[] = "SELECT project_id, visitor, s, e, 0 AS is_row, 1 AS was_cut FROM "
                                "sessions_work WHERE stage = 1";

/* Rows near to the stretches of [from_ms, to_ms], of the visitors of a stage: by a hash of their
 * key, for which a set costs a third. That lets others through, once in ages, which have no new
 * events. */
static void add_near(struct buf *sql, uint32_t idle_ms, int stage, int64_t from_ms, int64_t to_ms)
{
    int64_t oldest_ms = from_ms - SESSION_DAY_MS - idle_ms;
    buf_add_str(sql, " FROM " SESSIONS);
    add_time(sql, "start", oldest_ms > 0 ? oldest_ms : 0, to_ms + idle_ms);
    buf_addf(sql,
             " AND cityHash64(project_id, visitor) IN (SELECT cityHash64(project_id, visitor) FROM "
             "sessions_work WHERE stage = %d)",
             stage);
}

/* Of nearly all visitors no order of pieces is needed. If new events are behind the end of the last
 * row, and all gaps together (of pieces that do not overlap: from the first to the last, less what
 * they last) are no longer than one may be, there is one window, with that row or beside it. */
void sessionize_sql_plain(struct buf *sql, uint32_t idle_ms, int64_t from_ms, int64_t to_ms)
{
    buf_addf(
        sql,
        "INSERT INTO sessions_work SELECT if(is_plain, 2, 3), project_id, visitor, f, new_e, 0, "
        "if(joins, %d, %d), row_version, if(joins, lacks, 0) FROM (SELECT project_id, visitor, "
        "minIf(s, NOT is_row) AS new_s, maxIf(e, NOT is_row) AS new_e, sumIf(e - s, NOT is_row) AS "
        "lasts, countIf(is_row) > 0 AS has_row, maxIf(s, is_row) AS row_s, maxIf(e, is_row) AS "
        "row_e, has_row AND new_s - row_e <= %u AS joins, if(joins, row_s, new_s) AS f, NOT "
        "max(is_row AND is_cut) AND (NOT has_row OR new_s > row_e) AND new_e - new_s - lasts + "
        "if(joins, new_s - row_e, 0) <= %u AND new_e - f <= 86400000 AS is_plain, "
        "if(argMaxIf(knows_page, s, is_row), 0, %d) + if(argMaxIf(has_source, s, is_row) OR NOT "
        "maxIf(has_source, NOT is_row), 0, %d) AS lacks, argMaxIf(version, s, is_row) AS "
        "row_version FROM (SELECT project_id, visitor, s, e, 0 AS is_row, 0 AS is_cut, 0 AS "
        "knows_page, mode AS has_source, version FROM sessions_work WHERE stage = 1 UNION ALL "
        "SELECT project_id, visitor, toUnixTimestamp64Milli(start), toUnixTimestamp64Milli(end), "
        "1, is_cut, pageviews > 0, " ROW_HAS_SOURCE("") ", version",
        (int)SESSION_PLAIN_GROWS, (int)SESSION_PLAIN_NEW, (unsigned)idle_ms, (unsigned)idle_ms,
        (int)SESSION_LACKS_PAGE, (int)SESSION_LACKS_SOURCE);
    add_near(sql, idle_ms, 1, from_ms, to_ms);
    buf_add_str(sql, ") GROUP BY project_id, visitor HAVING countIf(NOT is_row) > 0)");
}

static const char left_over[] = " AND (project_id, visitor) IN (SELECT project_id, visitor FROM "
                                "sessions_work WHERE stage = 3)";

void sessionize_sql_windows(struct buf *sql, uint32_t idle_ms, bool is_bulk, int64_t from_ms,
                            int64_t to_ms)
{
    buf_add_str(
        sql,
        "INSERT INTO sessions_work (stage, project_id, visitor, s, e, is_long, mode) SELECT 2, "
        "project_id, visitor, min(s) AS f, max(e) AS t, any(is_long), if((any(is_long) AND day = "
        "-1) OR countIf(is_row) > 1 OR (countIf(is_row) = 1 AND minIf(s, NOT is_row) <= maxIf(e, "
        "is_row)), 2, 1) FROM (SELECT *, if(is_long AND all_cut, intDiv(s, 86400000), -1) AS day "
        "FROM (SELECT *, max(e) OVER c - min(s) OVER c > 86400000 OR max(is_row AND was_cut) OVER "
        "c AS is_long, min(was_cut) OVER c AS all_cut FROM ");
    add_chains(sql, idle_ms, stretches);
    buf_addf(sql,
             "%s UNION ALL SELECT project_id, visitor, toUnixTimestamp64Milli(start), "
             "toUnixTimestamp64Milli(end), 1, is_cut",
             is_bulk ? left_over : "");
    add_near(sql, idle_ms, is_bulk ? 3 : 1, from_ms, to_ms);
    buf_add_str(sql, "))) WINDOW c AS (PARTITION BY project_id, visitor, chain))) "
                     "GROUP BY project_id, visitor, chain, day HAVING countIf(NOT is_row) > 0");
}

void sessionize_sql_sweep_windows(struct buf *sql, uint32_t idle_ms,
                                  const struct sessionize_sweep *sweep)
{
    int64_t from_ms = sweep->from_day * SESSION_DAY_MS;
    int64_t last_ms = sweep->to_day * SESSION_DAY_MS - 1;
    buf_addf(
        sql,
        "INSERT INTO sessions_work (stage, project_id, visitor, s, e, is_long, mode) SELECT 2, "
        "project_id, visitor, if(is_long, greatest(f, %" PRId64
        "), f), if(is_long, least(t, %" PRId64 "), t), is_long, 2 FROM "
        "(SELECT project_id, visitor, min(s) AS f, max(e) AS t, t - f > 86400000 AS is_long FROM ",
        from_ms, last_ms);
    add_chains(sql, idle_ms, stretches);
    buf_addf(sql,
             "))) GROUP BY project_id, visitor, chain) WHERE if(is_long, t >= %" PRId64
             " AND f <= %" PRId64 ", f >= %" PRId64 " AND f <= %" PRId64 ")",
             from_ms, last_ms, from_ms, last_ms);
}

/* Column behaviour: 1: it is a bot's by behaviour; 2: a version before was one, of whatever the row
 * has become. So the versions with something else than 0 alone, which an index finds, say what is
 * one now. */
static void add_insert(struct buf *sql, uint64_t version, const struct sessionize_windows *w)
{
    buf_add_str(sql, "INSERT INTO sessions (project_id, visitor, session, start, end, duration_ms, "
                     "is_bounce, is_cut, version, bot, behaviour");
    add_list(sql);
    buf_addf(sql,
             ") SELECT project_id, visitor, sipHash64(project_id, visitor, start), start, "
             "end, " DURATION ", pageviews <= 1 AND interactions = 0 AND engagement_ms < 10000, "
             "is_cut, %" PRIu64 ", " BOT ", multiIf(" IS_BEHAVIOUR ", 1, (project_id, visitor, "
             "start) IN (SELECT project_id, visitor, start FROM sessions WHERE behaviour != 0 AND ",
             version);
    add_time(sql, "start", w->from_ms, w->to_ms);
    buf_add_str(sql, "), 2, 0)");
    add_list(sql);
    buf_add_str(sql, " FROM (");
}

/* ---- any window ---- */

/* Ends inside of WHERE: what else the events must be follows, then add_made_end(). */
static void add_made_begin(struct buf *sql, enum sessionize_mode mode, int64_t from_ms,
                           int64_t to_ms)
{
    buf_add_str(sql, "SELECT project_id, visitor, window_s, is_long AS a_is_cut, min(timestamp) AS "
                     "a_start, max(timestamp) AS a_end");
    add_made(sql, OF_ALL);
    buf_addf(
        sql,
        " FROM (SELECT *, " EVENT_KEY " AS k, " EVENT_HAS_SOURCE
        " AS has_source, w.s AS window_s, w.is_long AS is_long FROM events AS ev ASOF INNER "
        "JOIN (SELECT project_id, visitor, s, e, is_long FROM sessions_work WHERE stage = 2 AND "
        "mode = %d) AS w ON ev.project_id = w.project_id AND ev.visitor = w.visitor AND "
        "toUnixTimestamp64Milli(ev.timestamp) >= w.s WHERE (project_id, visitor) IN (SELECT "
        "project_id, visitor FROM sessions_work WHERE stage = 2 AND mode = %d) AND ",
        (int)mode, (int)mode);
    add_time(sql, "timestamp", from_ms, to_ms);
    buf_add_str(sql, " AND " EVENT_MS " <= w.e AND " COUNTED " AND ");
}

static void add_made_end(struct buf *sql)
{
    buf_add_str(sql, ") GROUP BY project_id, visitor, window_s, is_long, if(is_long, "
                     "toDate(timestamp), toDate(0))");
}

void sessionize_sql_anew(struct buf *sql, uint64_t version, const struct derived_ranges *ranges,
                         const struct sessionize_windows *w)
{
    add_insert(sql, version, w);
    buf_add_str(sql,
                "SELECT project_id, visitor, a_start AS start, a_end AS end, a_is_cut AS is_cut");
    add_renamed(sql, 'a');
    buf_add_str(sql, " FROM (");
    add_made_begin(sql, SESSION_ANEW, w->from_ms, w->to_ms);
    add_done(sql, ranges);
    add_made_end(sql);
    buf_add_str(sql, "))");
}

void sessionize_sql_grow(struct buf *sql, uint64_t version, const struct derived_ranges *ranges,
                         const struct sessionize_windows *w)
{
    add_insert(sql, version, w);
    buf_add_str(sql,
                "SELECT project_id, visitor, b_start AS start, a_end AS end, a_is_cut AS is_cut");
    add_renamed(sql, 'b');
    buf_add_str(sql, " FROM (SELECT a.project_id AS project_id, a.visitor AS visitor, a_end, "
                     "a_is_cut, r.version != 0 AS has_row, has_row AND (" ROW_HAS_SOURCE(
                         "r.") ") AS row_has_source, if(has_row, r.start, a_start) AS b_start");
    add_grown(sql, OF_ALL);
    buf_add_str(sql, " FROM (");
    add_made_begin(sql, SESSION_GROWS, w->from_ms, w->to_ms);
    derived_ranges_sql(sql, ranges);
    add_made_end(sql);
    buf_add_str(
        sql,
        ") AS a LEFT JOIN (SELECT *, toUnixTimestamp64Milli(start) AS start_ms FROM " SESSIONS);
    add_time(sql, "start", w->from_ms, w->to_ms);
    buf_addf(sql,
             " AND cityHash64(project_id, visitor, start) IN (SELECT cityHash64(project_id, "
             "visitor, fromUnixTimestamp64Milli(s, 'UTC')) FROM sessions_work WHERE stage = 2 AND "
             "mode = %d)) AS r ON a.project_id = r.project_id AND a.visitor = r.visitor AND "
             "a.window_s = r.start_ms))",
             (int)SESSION_GROWS);
}

/* ---- plain windows ---- */

/* New events by visitor, of those that have one window, so that it need not be known. The hash may
 * let another visitor through. */
static void add_plain_made(struct buf *sql, enum sessionize_mode mode, unsigned what,
                           const struct derived_ranges *ranges, const struct sessionize_windows *w)
{
    buf_add_str(sql,
                "SELECT project_id, visitor, min(timestamp) AS a_start, max(timestamp) AS a_end");
    add_made(sql, what);
    buf_addf(sql,
             " FROM (SELECT *, " EVENT_KEY " AS k, " EVENT_HAS_SOURCE " AS has_source FROM events "
             "WHERE cityHash64(project_id, visitor) IN (SELECT cityHash64(project_id, visitor) "
             "FROM sessions_work WHERE stage = 2 AND mode = %d) AND ",
             (int)mode);
    add_time(sql, "timestamp", w->from_ms, w->to_ms);
    buf_add_str(sql, " AND " COUNTED " AND ");
    derived_ranges_sql(sql, ranges);
    buf_add_str(sql, ") GROUP BY project_id, visitor");
}

void sessionize_sql_plain_new(struct buf *sql, uint64_t version,
                              const struct derived_ranges *ranges,
                              const struct sessionize_windows *w)
{
    add_insert(sql, version, w);
    buf_add_str(sql, "SELECT project_id, visitor, a_start AS start, a_end AS end, 0 AS is_cut");
    add_renamed(sql, 'a');
    buf_add_str(sql, " FROM (");
    add_plain_made(sql, SESSION_PLAIN_NEW, OF_ALL, ranges, w);
    buf_addf(sql,
             " HAVING (project_id, visitor) IN (SELECT project_id, visitor FROM sessions_work "
             "WHERE stage = 2 AND mode = %d)))",
             (int)SESSION_PLAIN_NEW);
}

/* The rows are those whose versions were seen, so that the older ones of each need not be read to
 * find the newest. They are the wider side, and stream past the other one. */
void sessionize_sql_plain_grow(struct buf *sql, uint64_t version,
                               const struct derived_ranges *ranges,
                               const struct sessionize_windows *w)
{
    unsigned what = OF_ANY | (w->lacks & SESSION_LACKS_PAGE ? OF_PAGE : 0) |
                    (w->lacks & SESSION_LACKS_SOURCE ? OF_SOURCE : 0);
    add_insert(sql, version, w);
    buf_add_str(sql, "SELECT project_id, visitor, b_start AS start, a_end AS end, 0 AS is_cut");
    add_renamed(sql, 'b');
    buf_add_str(sql, " FROM (SELECT r.project_id AS project_id, r.visitor AS visitor, a_end, "
                     "r.start AS b_start, " ROW_HAS_SOURCE("r.") " AS row_has_source");
    add_grown(sql, what);
    buf_add_str(sql, " FROM (SELECT * FROM sessions PREWHERE ");
    add_time(sql, "start", w->from_ms, w->to_ms);
    buf_addf(sql,
             " AND cityHash64(project_id, visitor, start, version) IN (SELECT "
             "cityHash64(project_id, visitor, fromUnixTimestamp64Milli(s, 'UTC'), version) FROM "
             "sessions_work WHERE stage = 2 AND mode = %d) WHERE (project_id, visitor, start, "
             "version) IN (SELECT project_id, visitor, fromUnixTimestamp64Milli(s, 'UTC'), version "
             "FROM sessions_work WHERE stage = 2 AND mode = %d)) AS r INNER JOIN (",
             (int)SESSION_PLAIN_GROWS, (int)SESSION_PLAIN_GROWS);
    add_plain_made(sql, SESSION_PLAIN_GROWS, what, ranges, w);
    buf_add_str(sql, ") AS a ON a.project_id = r.project_id AND a.visitor = r.visitor))");
}

#define BURY                                                                                \
    "INSERT INTO sessions (project_id, visitor, session, start, end, version, is_deleted, " \
    "behaviour) SELECT "

void sessionize_sql_bury(struct buf *sql, uint64_t version, int64_t from_ms, int64_t to_ms)
{
    buf_addf(sql,
             BURY
             "r.project_id, r.visitor, session, start, end, %" PRIu64
             ", 1, if(behaviour = 0, 0, 2) FROM (SELECT project_id, visitor, session, start, "
             "end, version, behaviour, toUnixTimestamp64Milli(start) AS start_ms FROM " SESSIONS,
             version);
    add_time(sql, "start", from_ms, to_ms);
    buf_add_str(sql, " AND (project_id, visitor) IN (SELECT project_id, visitor FROM "
                     "sessions_work WHERE stage = 2 AND mode = 2)");
    buf_addf(sql,
             ") AS r ASOF INNER JOIN (SELECT project_id, visitor, s, e FROM sessions_work WHERE "
             "stage = 2 AND mode = 2) AS w ON r.project_id = w.project_id AND r.visitor = "
             "w.visitor AND r.start_ms >= w.s WHERE start_ms <= w.e AND version < %" PRIu64,
             version);
}

void sessionize_sql_sweep_bury(struct buf *sql, uint64_t version,
                               const struct sessionize_sweep *sweep)
{
    buf_addf(sql,
             BURY "project_id, visitor, session, start, end, %" PRIu64
                  ", 1, if(behaviour = 0, 0, 2) FROM " SESSIONS,
             version);
    add_time(sql, "start", sweep->from_day * SESSION_DAY_MS, sweep->to_day * SESSION_DAY_MS - 1);
    buf_addf(sql, " AND visitor %% %u = %u WHERE version < %" PRIu64, (unsigned)sweep->slices,
             (unsigned)sweep->slice, version);
}
