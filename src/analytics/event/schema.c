/* WHAT    The table of events.
 * WHY     The key starts with the tenant, then the day, so that a project's question about a range
 *         of days reads only its own granules; the event name before the visitor makes "page views
 *         of these days" a short range; visitor and time inside keep sessions and funnels local.
 *         Everything a number is made of is a column of its own: the JSON text is for showing.
 *         Partitions are months of the event's own time: one insert may touch as many as the
 *         projector allows (project_int.h).
 *         The visitor stays where it is in the key when its default changes: rows keep what they
 *         have. */
#include "analytics/event/schema.h"

#include <stdio.h>

static const char events_table[] =
    "CREATE TABLE IF NOT EXISTS events ("
    " project_id UUID,"
    " event LowCardinality(String),"
    " timestamp DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),"
    " id UUID,"
    /* Who did it, for counting and for funnels: 0 = nobody can tell. docs/definitions.md. */
    " visitor UInt64 DEFAULT multiIf(anonymous_id != '', sipHash64('anonymous', anonymous_id),"
    "   user_id != '', sipHash64('user', user_id),"
    "   session_id != '', sipHash64('session', session_id), 0),"
    " user_id String CODEC(ZSTD(1)),"
    " anonymous_id String CODEC(ZSTD(1)),"
    " session_id String CODEC(ZSTD(1)),"
    " page_url String CODEC(ZSTD(1)),"
    " page_path String CODEC(ZSTD(1)),"
    " page_title String CODEC(ZSTD(1)),"
    " page_referrer String CODEC(ZSTD(1)),"
    " referrer_domain LowCardinality(String),"
    " hostname LowCardinality(String),"
    " utm_source LowCardinality(String),"
    " utm_medium LowCardinality(String),"
    " utm_campaign LowCardinality(String),"
    " utm_term String CODEC(ZSTD(1)),"
    " utm_content String CODEC(ZSTD(1)),"
    " user_agent String CODEC(ZSTD(1)),"
    " screen_width UInt32,"
    " screen_height UInt32,"
    " locale LowCardinality(String),"
    " source LowCardinality(String),"
    " properties String CODEC(ZSTD(1)),"
    " context String CODEC(ZSTD(1)),"
    " received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),"
    " dedupe UInt8,"
    " stream_partition UInt16,"
    " stream_offset UInt64 CODEC(Delta(8), ZSTD(1)),"
    " browser_name LowCardinality(String) DEFAULT '',"
    " browser_version LowCardinality(String) DEFAULT '',"
    " os_name LowCardinality(String) DEFAULT '',"
    " os_version LowCardinality(String) DEFAULT '',"
    " device_type LowCardinality(String) DEFAULT '',"
    " country LowCardinality(String) DEFAULT '',"
    " region LowCardinality(String) DEFAULT '',"
    " city LowCardinality(String) DEFAULT '',"
    " INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,"
    " INDEX user_bloom user_id TYPE bloom_filter(0.01) GRANULARITY 4,"
    " INDEX offset_range stream_offset TYPE minmax GRANULARITY 1,"
    " INDEX received_range received_at TYPE minmax GRANULARITY 1"
    ") ENGINE = MergeTree"
    " PARTITION BY toYYYYMM(timestamp)"
    " ORDER BY (project_id, toDate(timestamp), event, visitor, timestamp, id)"
    " SETTINGS non_replicated_deduplication_window = 1000,"
    "   fsync_after_insert = 1, fsync_part_directory = 1";

static const char *const events_statements[] = {events_table, NULL};

/* What came with the dialects: docs/format/event.md has the members, docs/definitions.md the
 * rest. */
static const char events_wider[] =
    "ALTER TABLE events"
    " ADD COLUMN IF NOT EXISTS kind LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS device UInt64,"
    " MODIFY COLUMN visitor UInt64 DEFAULT multiIf(anonymous_id != '',"
    "   sipHash64('anonymous', anonymous_id), user_id != '', sipHash64('user', user_id),"
    "   device != 0, sipHash64('device', device),"
    "   session_id != '', sipHash64('session', session_id), 0),"
    " ADD COLUMN IF NOT EXISTS network LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS privacy LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS timezone LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS is_interactive UInt8 DEFAULT 1,"
    " ADD COLUMN IF NOT EXISTS engagement_ms UInt32,"
    " ADD COLUMN IF NOT EXISTS scroll_depth UInt8,"
    " ADD COLUMN IF NOT EXISTS revenue Decimal(18, 4),"
    " ADD COLUMN IF NOT EXISTS currency LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS group_type LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS group_id String CODEC(ZSTD(1)),"
    " ADD COLUMN IF NOT EXISTS previous_id String CODEC(ZSTD(1)),"
    " ADD COLUMN IF NOT EXISTS traits String CODEC(ZSTD(1)),"
    " ADD COLUMN IF NOT EXISTS traits_once String CODEC(ZSTD(1)),"
    " ADD COLUMN IF NOT EXISTS device_brand LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS device_model LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS bot LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS channel LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS referrer_source LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS click_id LowCardinality(String),"
    " ADD COLUMN IF NOT EXISTS screen_class LowCardinality(String)";
static const char *const wider_statements[] = {events_wider, NULL};

/* One row per session (docs/definitions.md), written by sessionize.c. A row's key is its beginning,
 * so a session that only grows replaces its row, and one that is no more gets is_deleted = 1 under
 * its old key. Read with FINAL: rows of one key are always in one partition. Small granules:
 * sessionize looks up single visitors. is_cut: a piece of what went on for more than 24 hours. */
static const char sessions_table[] =
    "CREATE TABLE IF NOT EXISTS sessions ("
    " project_id UUID,"
    " visitor UInt64,"
    " session UInt64,"
    " start DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),"
    " end DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),"
    " user_id String CODEC(ZSTD(1)),"
    " pageviews UInt32,"
    " events UInt32,"
    " interactions UInt32,"
    " engagement_ms UInt64,"
    " duration_ms UInt64,"
    " is_bounce UInt8,"
    " is_cut UInt8,"
    " entry_page String CODEC(ZSTD(1)),"
    " exit_page String CODEC(ZSTD(1)),"
    " entry_hostname LowCardinality(String),"
    " referrer_domain LowCardinality(String),"
    " referrer_source LowCardinality(String),"
    " channel LowCardinality(String),"
    " utm_source LowCardinality(String),"
    " utm_medium LowCardinality(String),"
    " utm_campaign LowCardinality(String),"
    " utm_term String CODEC(ZSTD(1)),"
    " utm_content String CODEC(ZSTD(1)),"
    " click_id LowCardinality(String),"
    " country LowCardinality(String),"
    " region LowCardinality(String),"
    " city LowCardinality(String),"
    " browser_name LowCardinality(String),"
    " browser_version LowCardinality(String),"
    " os_name LowCardinality(String),"
    " os_version LowCardinality(String),"
    " device_type LowCardinality(String),"
    " screen_class LowCardinality(String),"
    " locale LowCardinality(String),"
    " bot LowCardinality(String),"
    " version UInt64 CODEC(Delta(8), ZSTD(1)),"
    " is_deleted UInt8"
    ") ENGINE = ReplacingMergeTree(version, is_deleted)"
    " PARTITION BY toYYYYMM(start)"
    " ORDER BY (project_id, toDate(start), visitor, start)"
    " SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1";

/* What a step of sessionize.c works on; nothing in it outlives the step. */
static const char sessions_work_table[] =
    "CREATE TABLE IF NOT EXISTS sessions_work ("
    " stage UInt8, project_id UUID, visitor UInt64, s Int64, e Int64, is_long UInt8, mode UInt8"
    ") ENGINE = Memory";
static const char *const sessions_statements[] = {sessions_table, sessions_work_table, NULL};

/* Who is who, written by person/ (docs/internals/persons.md). A generation is a partition, and only
 * one of them is read. `rank`: of rows with one key the greatest holds. Ids go by their hash. */
#define PERSON_TABLE(name, columns, engine, key)                                           \
    "CREATE TABLE IF NOT EXISTS " name " (generation UInt32, project_id UUID, " columns    \
    ") ENGINE = " engine " PARTITION BY generation ORDER BY (generation, project_id, " key \
    ") SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1"
static const char person_ids_table[] =
    PERSON_TABLE("person_ids",
                 "hash UInt64, id String CODEC(ZSTD(1)), first_ms SimpleAggregateFunction(min, "
                 "Int64), last_ms SimpleAggregateFunction(max, Int64), known "
                 "SimpleAggregateFunction(min, UInt256), is_user SimpleAggregateFunction(max, "
                 "UInt8)",
                 "AggregatingMergeTree", "hash, id");
static const char person_claims_table[] = PERSON_TABLE(
    "person_claims", "id UInt64, rank UInt256, owner UInt64", "ReplacingMergeTree(rank)", "id");
static const char person_aliases_table[] = PERSON_TABLE(
    "person_aliases", "k UInt256, previous UInt64, id UInt64", "ReplacingMergeTree", "k");
static const char person_traits_table[] = PERSON_TABLE(
    "person_traits",
    "name String, id UInt64, is_once UInt8, rank UInt256, value String CODEC(ZSTD(1)), "
    "INDEX id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1",
    "ReplacingMergeTree(rank)", "name, id, is_once");
static const char person_groups_table[] =
    PERSON_TABLE("person_groups",
                 "type LowCardinality(String), id UInt64, rank UInt256, group_id String "
                 "CODEC(ZSTD(1)), INDEX id_bloom id TYPE bloom_filter(0.01) GRANULARITY 1",
                 "ReplacingMergeTree(rank)", "type, id");
static const char group_ids_table[] =
    PERSON_TABLE("group_ids",
                 "type LowCardinality(String), group_id String, first_ms "
                 "SimpleAggregateFunction(min, Int64), last_ms SimpleAggregateFunction(max, Int64)",
                 "AggregatingMergeTree", "type, group_id");
static const char group_traits_table[] =
    PERSON_TABLE("group_traits",
                 "type LowCardinality(String), name String, group_id String, is_once UInt8, rank "
                 "UInt256, value String CODEC(ZSTD(1))",
                 "ReplacingMergeTree(rank)", "type, name, group_id, is_once");
/* Of each id that shares its person with others: whose it is. */
static const char identities_table[] =
    PERSON_TABLE("identities",
                 "hash UInt64, person UInt64, version UInt64, is_deleted UInt8, INDEX person_bloom "
                 "person TYPE bloom_filter(0.01) GRANULARITY 1",
                 "ReplacingMergeTree(version, is_deleted)", "hash");
/* The greatest is read. */
static const char person_generations_table[] =
    "CREATE TABLE IF NOT EXISTS person_generations (generation UInt32) ENGINE = MergeTree ORDER BY "
    "generation SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";
static const char persons_work_table[] =
    "CREATE TABLE IF NOT EXISTS persons_work (stage UInt8, project_id UUID, a UInt64, b UInt64, k "
    "UInt256) ENGINE = Memory";
static const char *const person_statements[] = {person_ids_table,
                                                person_claims_table,
                                                person_aliases_table,
                                                person_traits_table,
                                                person_groups_table,
                                                group_ids_table,
                                                group_traits_table,
                                                identities_table,
                                                person_generations_table,
                                                persons_work_table,
                                                NULL};
/* What the browser said of itself, so that an export has all that a replay would read. */
static const char events_hints[] =
    "ALTER TABLE events ADD COLUMN IF NOT EXISTS hints LowCardinality(String)";
static const char *const hints_statements[] = {events_hints, NULL};

/* What nearly every question reads and groups by. A time is unpacked in a quarter of the time that
 * zstd took (T64 keeps the bits that differ within 64 rows), for 0.3 bytes more; a page is one of
 * few in most parts, and a part with many falls back to texts by itself. Parts that are there are
 * read as they are: times are packed anew when they are merged, pages by a mutation that goes on
 * behind the start. */
static const char events_faster[] =
    "ALTER TABLE events MODIFY COLUMN timestamp DateTime64(3, 'UTC') CODEC(T64, LZ4),"
    " MODIFY COLUMN page_path LowCardinality(String) SETTINGS alter_sync = 0";
static const char sessions_faster[] =
    "ALTER TABLE sessions MODIFY COLUMN start DateTime64(3, 'UTC') CODEC(T64, LZ4),"
    " MODIFY COLUMN end DateTime64(3, 'UTC') CODEC(T64, LZ4),"
    " MODIFY COLUMN entry_page LowCardinality(String),"
    " MODIFY COLUMN exit_page LowCardinality(String) SETTINGS alter_sync = 0";
static const char *const faster_statements[] = {events_faster, sessions_faster, NULL};
/* What was rejected (analytics/rejected): differences of counts, which add up, and the requests
 * themselves for a day. A row of `rejections` is replaced by one of a higher version when some of
 * its events were released. project_id all zero: nobody's. */
static const char counts_table[] = "CREATE TABLE IF NOT EXISTS ingest_counts ("
                                   " project_id UUID,"
                                   " minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),"
                                   " dialect LowCardinality(String),"
                                   " reason LowCardinality(String),"
                                   " events UInt64"
                                   ") ENGINE = SummingMergeTree(events)"
                                   " PARTITION BY toMonday(minute)"
                                   " ORDER BY (project_id, minute, dialect, reason)"
                                   " SETTINGS non_replicated_deduplication_window = 1000,"
                                   "   fsync_after_insert = 1, fsync_part_directory = 1";
static const char rejections_table[] = "CREATE TABLE IF NOT EXISTS rejections ("
                                       " project_id UUID,"
                                       " id UUID,"
                                       " received_at DateTime64(3, 'UTC'),"
                                       " dialect LowCardinality(String),"
                                       " route LowCardinality(String),"
                                       " method LowCardinality(String),"
                                       " path String CODEC(ZSTD(1)),"
                                       " query String CODEC(ZSTD(1)),"
                                       " headers String CODEC(ZSTD(1)),"
                                       " body String CODEC(ZSTD(1)),"
                                       " user_id String CODEC(ZSTD(1)),"
                                       " key_id UUID,"
                                       " client String CODEC(ZSTD(1)),"
                                       " is_whole UInt8,"
                                       " is_key_in_head UInt8,"
                                       " is_visitor UInt8,"
                                       " reasons Array(LowCardinality(String)),"
                                       " indexes Array(UInt32),"
                                       " details Array(String) CODEC(ZSTD(1)),"
                                       " version UInt64"
                                       ") ENGINE = ReplacingMergeTree(version)"
                                       " PARTITION BY toStartOfHour(received_at)"
                                       " ORDER BY (project_id, received_at, id)"
                                       " SETTINGS non_replicated_deduplication_window = 1000,"
                                       "   fsync_after_insert = 1, fsync_part_directory = 1";
static const char *const rejected_statements[] = {counts_table, rejections_table, NULL};

/* Copies of the lists of people that cohorts have in the state (report_people.c): made when a
 * question needs one, forgotten after a week. */
static const char cohort_members_table[] =
    "CREATE TABLE IF NOT EXISTS cohort_members ("
    " project_id UUID, list String, member String CODEC(ZSTD(1)), made_at DateTime DEFAULT now()"
    ") ENGINE = MergeTree ORDER BY (project_id, list, member)"
    " TTL made_at + INTERVAL 7 DAY SETTINGS index_granularity = 1024";
static const char *const cohort_statements[] = {cohort_members_table, NULL};

/* Sums by day and dimension that another product exported (import/format_plausible.c): no events.
 * A row that is imported again replaces itself. Read with FINAL, by report/report_imports.c. */
static const char imported_table[] =
    "CREATE TABLE IF NOT EXISTS imported ("
    " project_id UUID, report LowCardinality(String), date Date,"
    " hostname String, page String, entry_page String, exit_page String,"
    " source String, referrer String, utm_source String, utm_medium String, utm_campaign String,"
    " utm_term String, utm_content String, country String, region String, city String,"
    " browser String, browser_version String, os String, os_version String, device String,"
    " event String, link_url String, path String,"
    " visitors UInt64, visits UInt64, pageviews UInt64, events UInt64, bounces UInt64,"
    " visit_duration UInt64, version UInt64"
    ") ENGINE = ReplacingMergeTree(version) PARTITION BY toYear(date)"
    " ORDER BY (project_id, report, date, hostname, page, entry_page, exit_page, source, referrer,"
    "   utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, region, city, "
    "browser,"
    "   browser_version, os, os_version, device, event, link_url, path)"
    " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";
static const char *const imported_statements[] = {imported_table, NULL};
/* Which import a row came with: the last one that had it. Zeros: of before there were ids. */
static const char imported_ids[] = "ALTER TABLE imported ADD COLUMN IF NOT EXISTS import_id UUID";
static const char *const imported_id_statements[] = {imported_ids, NULL};

/* {"<type>":"<id>"} of an event that belongs to more groups than group_type and group_id tell. */
static const char events_groups[] =
    "ALTER TABLE events ADD COLUMN IF NOT EXISTS groups String CODEC(ZSTD(1))";
static const char *const groups_statements[] = {events_groups, NULL};

/* When an event named the id last, whoever did it. */
static const char ids_named[] = "ALTER TABLE person_ids ADD COLUMN IF NOT EXISTS named_ms "
                                "SimpleAggregateFunction(max, Int64)";
static const char *const named_statements[] = {ids_named, NULL};

/* Why a request cannot be released (enum rejected_lack). */
static const char rejections_lack[] =
    "ALTER TABLE rejections ADD COLUMN IF NOT EXISTS lack LowCardinality(String)";
static const char *const lack_statements[] = {rejections_lack, NULL};

/* Which of 64 drawers the pages of a session lie in (docs/definitions.md, "Bot"); and whether it is
 * a bot's by behaviour (1) or was, in some version (2): 0 in nearly all, so an index finds them. */
static const char sessions_behaviour[] =
    "ALTER TABLE sessions ADD COLUMN IF NOT EXISTS page_marks UInt64 CODEC(ZSTD(1)),"
    " ADD COLUMN IF NOT EXISTS behaviour UInt8,"
    " ADD INDEX IF NOT EXISTS behaviour_range behaviour TYPE minmax GRANULARITY 4";
static const char *const behaviour_statements[] = {sessions_behaviour, NULL};

/* Slots: a quarter of an hour of a visitor by what it did in it, and how often; what most reports
 * count from (report/report_slots.c). As a projection they are those of exactly the rows that a
 * part has, whatever becomes of it: late events, replays, erasures. The event stands before the
 * slot in the key, so that a goal's slots lie together, and slots of one event are in order
 * within a day. Parts that are there get theirs behind the start; until all have, reports read
 * the events. */
#define SLOTS_KEY \
    "project_id, toDate(timestamp), event, " ANALYTICS_SLOT ", " ANALYTICS_SLOT_COLUMNS
static const char events_slots[] =
    "ALTER TABLE events ADD PROJECTION IF NOT EXISTS " ANALYTICS_SLOTS " (SELECT " SLOTS_KEY
    ", count() GROUP BY " SLOTS_KEY ")";
static const char events_slots_of_old[] =
    "ALTER TABLE events MATERIALIZE PROJECTION " ANALYTICS_SLOTS " SETTINGS mutations_sync = 0";
static const char *const slots_statements[] = {events_slots, events_slots_of_old, NULL};

/* A step remembers of a row of `sessions` that it lets grow which version it has seen, and what
 * that does not know. */
static const char sessions_work_drop[] = "DROP TABLE IF EXISTS sessions_work";
static const char sessions_work_versions[] =
    "CREATE TABLE sessions_work ("
    " stage UInt8, project_id UUID, visitor UInt64, s Int64, e Int64, is_long UInt8, mode UInt8,"
    " version UInt64, lacks UInt8"
    ") ENGINE = Memory";
static const char *const work_statements[] = {sessions_work_drop, sessions_work_versions, NULL};

/* FINAL costs nothing where the rows of a day lie in one part, as they do when sessions are made
 * while events come. When all are made anew (a replay), days lie in many parts, and FINAL is two
 * thirds of a question about visits. So a month that nothing was written to for a day becomes one
 * part. */
static const char sessions_one_part[] =
    "ALTER TABLE sessions MODIFY SETTING min_age_to_force_merge_seconds = 86400,"
    " min_age_to_force_merge_on_partition_only = 1";
static const char *const one_part_statements[] = {sessions_one_part, NULL};

/* The properties with an empty value of its kind for each (none for null): which there are is asked
 * of few different texts instead of each event's JSON. The projector writes it
 * (project_row.c); rows of before have the same of the default. */
#define SHAPE                                                                                     \
    "if(empty(JSONExtractKeysAndValuesRaw(properties)), '', concat('{', arrayStringConcat("       \
    "arrayMap(p -> concat(toJSONString(p.1), ':', multiIf(match(p.2, '^[-0-9]'), '0', "           \
    "startsWith(p.2, '\"'), '\"\"', startsWith(p.2, '['), '[]', startsWith(p.2, '{'), '{}', "     \
    "'true')), arrayFilter(p -> p.2 != 'null', JSONExtractKeysAndValuesRaw(properties))), ','), " \
    "'}'))"
static const char events_shape[] = "ALTER TABLE events ADD COLUMN IF NOT EXISTS properties_shape "
                                   "LowCardinality(String) DEFAULT " SHAPE " CODEC(ZSTD(1))";
static const char events_shape_of_old[] =
    "ALTER TABLE events MATERIALIZE COLUMN properties_shape SETTINGS mutations_sync = 0";
static const char *const shape_statements[] = {events_shape, events_shape_of_old, NULL};

const struct store_migration analytics_migrations[] = {
    {.number = 1, .name = "events", .statements = events_statements},
    {.number = 2, .name = "events of every dialect", .statements = wider_statements},
    {.number = 3, .name = "sessions", .statements = sessions_statements},
    {.number = 4, .name = "persons", .statements = person_statements},
    {.number = 5, .name = "hints of events", .statements = hints_statements},
    {.number = 6, .name = "faster to read", .statements = faster_statements},
    {.number = 7, .name = "what was rejected", .statements = rejected_statements},
    {.number = 8, .name = "lists of cohorts", .statements = cohort_statements},
    {.number = 9, .name = "imported sums", .statements = imported_statements},
    {.number = 10, .name = "events in several groups", .statements = groups_statements},
    {.number = 11, .name = "ids of imports", .statements = imported_id_statements},
    {.number = 12, .name = "ids and when they were named", .statements = named_statements},
    {.number = 13, .name = "why requests are not released", .statements = lack_statements},
    {.number = 14, .name = "bots by behaviour", .statements = behaviour_statements},
    {.number = 15, .name = "slots of visitors", .statements = slots_statements},
    {.number = 16, .name = "versions of sessions", .statements = work_statements},
    {.number = 17, .name = "months of sessions in one part", .statements = one_part_statements},
    {.number = 18, .name = "shapes of properties", .statements = shape_statements},
};
const uint32_t analytics_migration_count = COUNT_OF(analytics_migrations);

bool analytics_table_name_ok(const char *table)
{
    size_t n = strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n <= 64 && table[n] == '\0';
}

enum rc analytics_table_create_like_events(struct store_client *c, const char *table,
                                           struct err *err)
{
    ENSURE(analytics_table_name_ok(table),
           err_set(err, RC_INVALID, "a table's name is 1 to 64 of a-z, 0-9 and _"));
    char sql[160];
    snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS %s AS " ANALYTICS_EVENTS_TABLE, table);
    return store_exec(c, sql, err);
}

enum rc analytics_slots_mend(struct store_client *c, bool *ret_is_broken, struct err *err)
{
    CLEANUP(buf_done) struct buf tables;
    const struct store_query broken = {
        .sql =
            "SELECT DISTINCT table FROM system.projection_parts WHERE database = "
            "currentDatabase() AND table IN ('" ANALYTICS_EVENTS_TABLE "', '" ANALYTICS_SHADOW_TABLE
            "') AND name = '" ANALYTICS_SLOTS "' AND active AND is_broken",
        .format = "TSVRaw"};
    buf_init(&tables, 4096);
    TRY(store_query(NULL, c, &broken, &tables, NULL, NULL, err));
    struct slice rest = buf_slice(&tables);
    *ret_is_broken = rest.len > 0;
    while (rest.len) {
        char sql[160];
        struct slice table = slice_cut(&rest, '\n');
        snprintf(sql, sizeof(sql),
                 "ALTER TABLE %.*s MATERIALIZE PROJECTION " ANALYTICS_SLOTS
                 " SETTINGS mutations_sync = 0",
                 SLICE_ARG(table));
        TRY(store_exec(c, sql, err));
    }
    return RC_OK;
}
