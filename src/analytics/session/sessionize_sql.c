/* WHAT    The statements of sessionize.
 * WHY     Where sessions begin and end follows from points in time alone, so it is settled first,
 *         on three narrow columns: stretches of new events and the rows that are there are put in
 *         order and joined where no more than idle_ms lies between them. What a session consists of
 *         is counted afterwards, in one pass over events that knows its windows.
 *         A session to which events were only added at its end is its row plus these events: no
 *         event of before is read. That is nearly every one, and it keeps the cost of a step from
 *         growing with the day. If the row has any of the events already (a repeat), they are not
 *         behind its end, and it is made anew of all of its events.
 * LAYOUT  sessions_work: stage 0 the mark; stage 1 stretches [s, e]; stage 2 windows [s, e] with
 *         what is to be done there (mode).
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
#define EVENT_HAS_SOURCE \
    HAS_SOURCE("") " OR (referrer_domain != '' AND referrer_domain != hostname))"

/* Live rows, of which columns of the key are asked right behind it: those that do not fit are left
 * out before their other columns are read, which the engine does not do by itself with FINAL. All
 * versions of a row have the same key, so none of them is missed. */
#define SESSIONS "sessions FINAL PREWHERE "

/* A column of `sessions`: how it comes out of events (as a_NAME), and out of a row r that has
 * grown by such events. */
#define FIRST(column) \
    C(column, "argMin(" #column ", k)", "if(has_row, r." #column ", a_" #column ")")
#define SOURCE(column)                                \
    C(column, "argMinIf(" #column ", k, has_source)", \
      "if(row_has_source, r." #column ", a_" #column ")")
#define SUM(column, count) C(column, count, "a_" #column " + r." #column)
#define TABLE_COLUMNS                                                                              \
    C(user_id, "argMaxIf(user_id, k, user_id != '')", "if(a_user_id != '', a_user_id, r.user_id)") \
    SUM(pageviews, "countIf(event = 'pageview')")                                                  \
    SUM(events, "countIf(kind = '')")                                                              \
    SUM(interactions, "countIf(kind = '' AND event != 'pageview' AND is_interactive)")             \
    SUM(engagement_ms, "sum(engagement_ms)")                                                       \
    C(entry_page, "argMinIf(page_path, k, event = 'pageview')",                                    \
      "if(r.pageviews > 0, r.entry_page, a_entry_page)")                                           \
    C(exit_page, "argMaxIf(page_path, k, event = 'pageview')",                                     \
      "if(a_pageviews > 0, a_exit_page, r.exit_page)")                                             \
    C(entry_hostname, "argMinIf(hostname, k, event = 'pageview')",                                 \
      "if(r.pageviews > 0, r.entry_hostname, a_entry_hostname)")                                   \
    SOURCE(referrer_domain)                                                                        \
    SOURCE(referrer_source)                                                                        \
    C(channel, "if(countIf(has_source) = 0, 'Direct', argMinIf(channel, k, has_source))",          \
      "if(row_has_source, r.channel, a_channel)")                                                  \
    SOURCE(utm_source)                                                                             \
    SOURCE(utm_medium)                                                                             \
    SOURCE(utm_campaign)                                                                           \
    SOURCE(utm_term)                                                                               \
    SOURCE(utm_content)                                                                            \
    SOURCE(click_id)                                                                               \
    FIRST(country)                                                                                 \
    FIRST(region)                                                                                  \
    FIRST(city)                                                                                    \
    FIRST(browser_name)                                                                            \
    FIRST(browser_version)                                                                         \
    FIRST(os_name)                                                                                 \
    FIRST(os_version)                                                                              \
    FIRST(device_type)                                                                             \
    FIRST(screen_class)                                                                            \
    FIRST(locale)                                                                                  \
    C(page_marks,                                                                                  \
      "groupBitOrIf(bitShiftLeft(toUInt64(1), sipHash64(page_path) % 64), event = 'pageview')",    \
      "bitOr(a_page_marks, r.page_marks)")
/* What its events say themselves; what the whole of them says is judged behind it. */
#define COLUMNS                               \
    TABLE_COLUMNS                             \
    C(own_bot, "argMinIf(bot, k, bot != '')", \
      "if(r.bot NOT IN ('', 'behaviour'), r.bot, a_own_bot)")

/* A program in a browser's name (docs/definitions.md, "Bot"). Only sums and extremes are asked, so
 * a row that grows is judged as if it were made anew, and may be acquitted. */
#define DURATION                                                             \
    "greatest(toUnixTimestamp64Milli(end) - toUnixTimestamp64Milli(start), " \
    "toInt64(engagement_ms))"
#define IS_BEHAVIOUR                                                                             \
    "own_bot = '' AND pageviews >= 30 AND bitCount(page_marks) >= 20 AND " DURATION " < 1000 * " \
    "toInt64(pageviews) AND interactions = 0 AND user_id = '' AND browser_name != ''"
#define BOT "multiIf(" IS_BEHAVIOUR ", 'behaviour', own_bot)"

#define AS_LIST(column, made, grown) ", " #column
#define AS_MADE(column, made, grown) ", " made " AS a_" #column
#define AS_RENAMED(column, made, grown) ", a_" #column " AS " #column
#define AS_GROWN(column, made, grown) ", " grown " AS b_" #column
#define AS_GROWN_RENAMED(column, made, grown) ", b_" #column " AS " #column

#define C AS_LIST
static const char list[] = TABLE_COLUMNS;
#undef C
#define C AS_MADE
static const char made[] = COLUMNS;
#undef C
#define C AS_RENAMED
static const char renamed[] = COLUMNS;
#undef C
#define C AS_GROWN
static const char grown[] = COLUMNS;
#undef C
#define C AS_GROWN_RENAMED
static const char grown_renamed[] = COLUMNS;
#undef C

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

static void add_stretches(struct buf *sql, uint64_t version)
{
    buf_addf(
        sql,
        "INSERT INTO sessions_work (stage, project_id, visitor, s, e) SELECT toUInt8(0) AS st, "
        "toUUID('00000000-0000-0000-0000-000000000000') AS p, toUInt64(0) AS v, "
        "toInt64(%" PRIu64 ") AS f, toInt64(0) AS t UNION ALL SELECT toUInt8(1) AS st, "
        "project_id AS p, visitor AS v, min(" EVENT_MS ") AS f, max(" EVENT_MS ") AS t "
        "FROM events WHERE " COUNTED " AND ",
        version);
}

/* A bucket no wider than idle_ms has no gap in it. */
static void add_stretch_keys(struct buf *sql, uint32_t idle_ms)
{
    buf_addf(sql, " GROUP BY project_id, visitor, toDate(timestamp), intDiv(" EVENT_MS ", %u)",
             (unsigned)idle_ms);
}

void sessionize_sql_touched(struct buf *sql, uint64_t version, uint32_t idle_ms,
                            const struct derived_ranges *ranges)
{
    add_stretches(sql, version);
    derived_ranges_sql(sql, ranges);
    add_stretch_keys(sql, idle_ms);
}

void sessionize_sql_swept(struct buf *sql, uint64_t version, uint32_t idle_ms,
                          const struct sessionize_sweep *sweep, const struct derived_ranges *ranges)
{
    /* Whether something goes on for more than a day shows within a day and a gap around it. */
    int64_t around_ms = SESSION_DAY_MS + idle_ms + 1;
    int64_t from_ms = sweep->from_day * SESSION_DAY_MS - around_ms;
    add_stretches(sql, version);
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

void sessionize_sql_windows(struct buf *sql, uint32_t idle_ms, int64_t from_ms, int64_t to_ms)
{
    int64_t oldest_ms = from_ms - SESSION_DAY_MS - idle_ms;
    buf_add_str(
        sql, "INSERT INTO sessions_work SELECT 2, project_id, visitor, min(s) AS f, max(e) AS t, "
             "any(is_long), if((any(is_long) AND day = -1) OR countIf(is_row) > 1 OR "
             "(countIf(is_row) = 1 AND minIf(s, NOT is_row) <= maxIf(e, is_row)), 2, 1) FROM "
             "(SELECT *, if(is_long AND all_cut, intDiv(s, 86400000), -1) AS day FROM "
             "(SELECT *, max(e) OVER c - min(s) OVER c > 86400000 OR max(is_row AND was_cut) "
             "OVER c AS is_long, min(was_cut) OVER c AS all_cut FROM ");
    add_chains(sql, idle_ms, stretches);
    buf_add_str(sql, " UNION ALL SELECT project_id, visitor, toUnixTimestamp64Milli(start), "
                     "toUnixTimestamp64Milli(end), 1, is_cut FROM " SESSIONS);
    add_time(sql, "start", oldest_ms > 0 ? oldest_ms : 0, to_ms + idle_ms);
    buf_add_str(sql, " AND (project_id, visitor) IN (SELECT project_id, visitor FROM "
                     "sessions_work WHERE stage = 1)");
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
        "INSERT INTO sessions_work SELECT 2, project_id, visitor, if(is_long, greatest(f, %" PRId64
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
static void add_insert(struct buf *sql, const char *columns, uint64_t version, int64_t from_ms,
                       int64_t to_ms)
{
    buf_addf(sql,
             "INSERT INTO sessions (project_id, visitor, session, start, end, duration_ms, "
             "is_bounce, is_cut, version, bot, behaviour%s) SELECT project_id, visitor, "
             "sipHash64(project_id, visitor, start), start, end, " DURATION ", pageviews <= 1 AND "
             "interactions = 0 AND engagement_ms < 10000, is_cut, %" PRIu64 ", " BOT
             ", multiIf(" IS_BEHAVIOUR ", 1, (project_id, visitor, start) IN (SELECT project_id, "
             "visitor, start FROM sessions WHERE behaviour != 0 AND ",
             list, version);
    add_time(sql, "start", from_ms, to_ms);
    buf_addf(sql, "), 2, 0)%s FROM (", columns);
}

/* Ends inside of WHERE: what else the events must be follows, then add_made_end(). */
static void add_made_begin(struct buf *sql, enum sessionize_mode mode, int64_t from_ms,
                           int64_t to_ms)
{
    buf_addf(
        sql,
        "SELECT project_id, visitor, window_s, is_long AS a_is_cut, min(timestamp) AS a_start, "
        "max(timestamp) AS a_end%s FROM (SELECT *, " EVENT_KEY " AS k, " EVENT_HAS_SOURCE
        " AS has_source, w.s AS window_s, w.is_long AS is_long FROM events AS ev ASOF INNER "
        "JOIN (SELECT project_id, visitor, s, e, is_long FROM sessions_work WHERE stage = 2 AND "
        "mode = %d) AS w ON ev.project_id = w.project_id AND ev.visitor = w.visitor AND "
        "toUnixTimestamp64Milli(ev.timestamp) >= w.s WHERE (project_id, visitor) IN (SELECT "
        "project_id, visitor FROM sessions_work WHERE stage = 2 AND mode = %d) AND ",
        made, (int)mode, (int)mode);
    add_time(sql, "timestamp", from_ms, to_ms);
    buf_add_str(sql, " AND " EVENT_MS " <= w.e AND " COUNTED " AND ");
}

static void add_made_end(struct buf *sql)
{
    buf_add_str(sql, ") GROUP BY project_id, visitor, window_s, is_long, if(is_long, "
                     "toDate(timestamp), toDate(0))");
}

void sessionize_sql_anew(struct buf *sql, uint64_t version, const struct derived_ranges *ranges,
                         int64_t from_ms, int64_t to_ms)
{
    add_insert(sql, list, version, from_ms, to_ms);
    buf_addf(
        sql,
        "SELECT project_id, visitor, a_start AS start, a_end AS end, a_is_cut AS is_cut%s FROM (",
        renamed);
    add_made_begin(sql, SESSION_ANEW, from_ms, to_ms);
    add_done(sql, ranges);
    add_made_end(sql);
    buf_add_str(sql, "))");
}

void sessionize_sql_grow(struct buf *sql, uint64_t version, const struct derived_ranges *ranges,
                         int64_t from_ms, int64_t to_ms)
{
    add_insert(sql, list, version, from_ms, to_ms);
    buf_addf(
        sql,
        "SELECT project_id, visitor, b_start AS start, a_end AS end, a_is_cut AS is_cut%s FROM "
        "(SELECT a.project_id AS project_id, a.visitor AS visitor, a_end, a_is_cut, r.version != "
        "0 AS has_row, has_row AND (" HAS_SOURCE(
            "r.") " OR r.referrer_domain != '')) AS "
                  "row_has_source, if(has_row, r.start, a_start) AS b_start%s FROM (",
        grown_renamed, grown);
    add_made_begin(sql, SESSION_GROWS, from_ms, to_ms);
    derived_ranges_sql(sql, ranges);
    add_made_end(sql);
    buf_add_str(
        sql,
        ") AS a LEFT JOIN (SELECT *, toUnixTimestamp64Milli(start) AS start_ms FROM " SESSIONS);
    add_time(sql, "start", from_ms, to_ms);
    buf_add_str(sql, " AND (project_id, visitor, start) IN (SELECT project_id, visitor, "
                     "fromUnixTimestamp64Milli(s, 'UTC') FROM sessions_work WHERE stage = 2 AND "
                     "mode = 1)");
    buf_add_str(sql, ") AS r ON a.project_id = r.project_id AND a.visitor = r.visitor AND "
                     "a.window_s = r.start_ms))");
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
