/* WHAT    The statements of persons.
 * WHY     A fact is the earliest or the latest of something, by the order of events (EVENT_KEY), so
 *         it may be written twice, and in any order. The engine keeps the one of the greatest
 *         `rank`; of what is to be the earliest the rank is the complement of the key.
 *         Ids are texts of one kind, whether a client calls them a user's, an anonymous or a
 *         previous one; here they go by a hash, which is that of `visitor` for an anonymous one, so
 *         that an event, and a visit, that has no user is found by its visitor.
 * LAYOUT  persons_work (stage, project_id, a, b, k): see persons_int.h. */
#include "analytics/person/persons_int.h"

#include <inttypes.h>

#define EVENT_MS "toUnixTimestamp64Milli(timestamp)"
/* The order of events: by time, then by the id as it is written (UUIDs compare otherwise here),
 * then by the place in the stream. */
#define EVENT_KEY                                                                                \
    "bitShiftLeft(toUInt256(" EVENT_MS "), 192) + bitShiftLeft(toUInt256(toUInt128(id)), 64) + " \
    "toUInt256(stream_offset)"
#define NEVER "bitNot(toUInt256(0))"
#define NOBODY "toUUID('00000000-0000-0000-0000-000000000000')"
#define HASH(id) "sipHash64('anonymous', " id ")"
#define WHO "if(user_id != '', user_id, anonymous_id)"
#define IS_PAIR "user_id != '' AND anonymous_id != '' AND user_id != anonymous_id"
#define IS_CLAIM "kind != 'alias' AND " IS_PAIR
#define IS_KNOWING "kind != 'alias' AND ((kind = 'identify' AND user_id != '') OR (" IS_PAIR "))"
#define IS_ALIAS "kind = 'alias' AND user_id != '' AND previous_id != '' AND user_id != previous_id"
#define HAS_TRAITS                                                                               \
    "kind NOT IN ('alias', 'group') AND (traits != '' OR traits_once != '') AND (user_id != '' " \
    "OR anonymous_id != '')"
#define HAS_GROUP "kind != 'alias' AND ((group_type != '' AND group_id != '') OR groups != '')"
/* (type, id) of each group. */
#define GROUPS                                                                                 \
    "arrayJoin(arrayFilter(g -> g.1 != '' AND g.2 != '', arrayConcat([(toString(group_type), " \
    "group_id)], JSONExtractKeysAndValues(groups, 'String')))) AS of_group"
#define HAS_GROUP_TRAITS                                                                          \
    "kind = 'group' AND group_type != '' AND group_id != '' AND (traits != '' OR traits_once != " \
    "'')"
/* (name, value as JSON, is_once) of each trait. */
#define TRAITS                                                                                  \
    "arrayJoin(arrayConcat(arrayMap(x -> (x.1, x.2, toUInt8(0)), "                              \
    "JSONExtractKeysAndValuesRaw(traits)), arrayMap(x -> (x.1, x.2, toUInt8(1)), "              \
    "JSONExtractKeysAndValuesRaw(traits_once)))) AS t, t.1 AS name, t.2 AS text, t.3 AS once, " \
    "if(once, bitNot(" EVENT_KEY "), " EVENT_KEY ") AS place"
#define OF(stage) "(SELECT project_id, a FROM persons_work WHERE stage = " #stage ")"

const char *const persons_tables[] = {"identities",     "person_ids",    "person_claims",
                                      "person_aliases", "person_traits", "person_groups",
                                      "group_ids",      "group_traits",  NULL};

static void add_from(struct buf *sql, const struct derived_ranges *ranges)
{
    buf_add_str(sql, " FROM events WHERE ");
    derived_ranges_sql(sql, ranges);
    buf_add_str(sql, " AND ");
}

void persons_sql_probe(struct buf *sql, const struct derived_ranges *ranges)
{
    buf_add_str(sql, "SELECT count(), countIf(" IS_KNOWING ") + countIf(" IS_ALIAS
                     "), countIf(" HAS_TRAITS "), countIf(" HAS_GROUP "), countIf(" HAS_GROUP_TRAITS
                     ")");
    add_from(sql, ranges);
    buf_add_char(sql, '1');
}

/* ---- links ---- */
void persons_sql_links(struct buf *sql, uint64_t version, const struct derived_ranges *ranges)
{
    buf_addf(
        sql,
        "INSERT INTO persons_work (stage, project_id, a, b, k) SELECT toUInt8(0) AS st, " NOBODY
        " AS p, toUInt64(%" PRIu64 ") AS x, toUInt64(0) AS y, toUInt256(0) AS z UNION ALL "
        "SELECT toUInt8(1) AS st, project_id AS p, " HASH("anonymous_id") " AS x, argMin(" HASH(
            "user_id") ", " EVENT_KEY ") AS y, min(" EVENT_KEY ") AS z",
        version);
    add_from(sql, ranges);
    buf_add_str(sql,
                IS_CLAIM " GROUP BY p, x UNION ALL SELECT toUInt8(2) AS st, project_id AS p, " HASH(
                    "user_id") " AS x, toUInt64(0) AS y, min(" EVENT_KEY ") AS z");
    add_from(sql, ranges);
    buf_add_str(sql, IS_KNOWING
                " GROUP BY p, x UNION ALL SELECT toUInt8(3) AS st, project_id AS p, " HASH(
                    "previous_id") " AS x, " HASH("user_id") " AS y, " EVENT_KEY " AS z");
    add_from(sql, ranges);
    buf_add_str(sql, IS_ALIAS);
}

void persons_sql_news(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_addf(
        sql,
        "INSERT INTO persons_work SELECT 11, n.project_id, n.a, n.b, n.k FROM (SELECT * FROM "
        "persons_work WHERE stage = 1) AS n LEFT ANY JOIN (SELECT project_id, id, "
        "bitNot(max(rank)) AS k FROM person_claims WHERE generation = %u AND (project_id, id) "
        "IN " OF(
            1) " GROUP BY project_id, id) AS o ON n.project_id = o.project_id AND n.a = "
               "o.id WHERE o.id = 0 OR n.k < o.k UNION ALL "
               "SELECT 12, n.project_id, n.a, n.b, n.k FROM (SELECT * FROM persons_work WHERE "
               "stage "
               "= 2) AS n LEFT ANY JOIN (SELECT project_id, hash, min(known) AS k FROM person_ids "
               "WHERE generation = %u AND (project_id, hash) IN " OF(
                   2) " GROUP BY project_id, hash) "
                      "AS o ON n.project_id = o.project_id AND n.a = o.hash WHERE o.hash = 0 OR "
                      "n.k < o.k "
                      "UNION ALL SELECT 13, project_id, a, b, k FROM persons_work WHERE stage = 3 "
                      "AND "
                      "(project_id, k) NOT IN (SELECT project_id, k FROM person_aliases WHERE "
                      "generation = "
                      "%u AND (project_id, k) IN (SELECT project_id, k FROM persons_work WHERE "
                      "stage = 3))",
        g, g, g);
}

void persons_sql_leaves(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_addf(sql,
             "INSERT INTO persons_work SELECT 6, project_id, a, b, k FROM persons_work WHERE stage "
             "= 11 AND (project_id, a) NOT IN " OF(
                 12) " AND (project_id, a) NOT IN (SELECT "
                     "project_id, b FROM persons_work WHERE stage = 11) AND (project_id, a) NOT IN "
                     "(SELECT "
                     "project_id, arrayJoin([a, b]) FROM persons_work WHERE stage = 13) AND "
                     "(project_id, a) "
                     "NOT IN (SELECT project_id, id FROM person_claims WHERE generation = %u AND "
                     "(project_id, id) IN " OF(
                         11) ") AND (project_id, a) NOT IN (SELECT project_id, hash "
                             "FROM identities WHERE generation = %u AND (project_id, hash) IN " OF(
                                 11) ") AND (project_id, a) NOT IN (SELECT project_id, "
                                     "arrayJoin([previous, id]) FROM "
                                     "person_aliases WHERE generation = %u AND ((project_id, "
                                     "previous) IN " OF(11) " OR (project_id, id) IN " OF(11) "))",
             g, g, g);
}

void persons_sql_core(struct buf *sql)
{
    buf_add_str(sql, "INSERT INTO persons_work SELECT DISTINCT 4, project_id, x, 0, 0 FROM ("
                     "SELECT project_id, a AS x FROM persons_work WHERE stage = 12 UNION ALL "
                     "SELECT project_id, arrayJoin([a, b]) AS x FROM persons_work WHERE stage = 13 "
                     "UNION ALL SELECT project_id, arrayJoin([a, b]) AS x FROM persons_work WHERE "
                     "stage = 11 AND (project_id, a) NOT IN " OF(6) ")");
}

void persons_sql_partners(struct buf *sql, uint32_t generation)
{
    buf_addf(sql,
             "INSERT INTO persons_work SELECT DISTINCT 5, project_id, x, 0, 0 FROM (SELECT "
             "project_id, a AS x FROM persons_work WHERE stage = 4 UNION ALL SELECT project_id, "
             "arrayJoin([previous, id]) AS x FROM person_aliases WHERE generation = %u AND "
             "((project_id, previous) IN " OF(4) " OR (project_id, id) IN " OF(4) "))",
             (unsigned)generation);
}

/* Rows of before are looked through without FINAL, by the index of persons: that finds too many, of
 * which the second condition keeps those that are still so. */
void persons_sql_members(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_addf(
        sql,
        "INSERT INTO persons_work SELECT DISTINCT 7, project_id, x, 0, 0 FROM (SELECT "
        "project_id, a AS x FROM persons_work WHERE stage = 5 UNION ALL SELECT project_id, "
        "hash AS x FROM identities FINAL WHERE generation = %u AND (project_id, hash) IN "
        "(SELECT project_id, hash FROM identities WHERE generation = %u AND (project_id, "
        "person) IN (SELECT project_id, person FROM identities FINAL WHERE generation = %u "
        "AND (project_id, hash) IN " OF(
            5) ")) AND (project_id, person) IN (SELECT "
               "project_id, person FROM identities FINAL WHERE generation = %u AND (project_id, "
               "hash) IN " OF(5) "))",
        g, g, g, g);
}

/* ---- what is read ---- */
#define HEX(key) "leftPad(hex(" key "), 64, '0')"

static void add_known(struct buf *sql, unsigned generation, const char *of)
{
    buf_addf(sql,
             "(SELECT project_id, hash, min(k) AS known FROM (SELECT project_id, hash, known AS k "
             "FROM person_ids WHERE generation = %u AND (project_id, hash) IN %s UNION ALL SELECT "
             "project_id, a AS hash, k FROM persons_work WHERE stage = 2) GROUP BY project_id, "
             "hash)",
             generation, of);
}

static void add_owners(struct buf *sql, unsigned generation, const char *hash)
{
    buf_addf(sql,
             "(SELECT project_id, hash, person FROM identities FINAL WHERE generation = %u AND "
             "(project_id, hash) IN (SELECT project_id, %s))",
             generation, hash);
}

/* project, id, known since, who claimed it first, when, whose it is */
void persons_sql_nodes(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_add_str(
        sql,
        "SELECT v.project_id, v.a, if(n.hash = 0, " HEX(NEVER) ", " HEX(
            "n.known") "), c.owner, if(c.id = 0, " HEX(NEVER) ", " HEX("c.k") "), i.person FROM "
                                                                              "(SELECT project_id, "
                                                                              "a FROM persons_work "
                                                                              "WHERE stage = 7) AS "
                                                                              "v LEFT ANY JOIN ");
    add_known(sql, g, OF(7));
    buf_addf(
        sql,
        " AS n ON v.project_id = n.project_id AND v.a = n.hash LEFT ANY JOIN (SELECT "
        "project_id, id, argMin(o, at) AS owner, min(at) AS k FROM (SELECT project_id, id, "
        "owner AS o, bitNot(rank) AS at FROM person_claims WHERE generation = %u AND "
        "(project_id, id) IN " OF(
            7) " UNION ALL SELECT project_id, a AS id, b AS o, k AS at "
               "FROM persons_work WHERE stage = 1) GROUP BY project_id, id) AS c ON v.project_id = "
               "c.project_id AND v.a = c.id LEFT ANY JOIN ",
        g);
    add_owners(sql, g, "a FROM persons_work WHERE stage = 7");
    buf_add_str(sql, " AS i ON v.project_id = i.project_id AND v.a = i.hash");
}

/* project, id, known since, by whom claimed, when, whose the claimer is */
void persons_sql_leaf_rows(struct buf *sql, uint32_t generation)
{
    buf_add_str(
        sql,
        "SELECT l.project_id, l.a, if(n.hash = 0, " HEX(NEVER) ", " HEX("n.known") "), l.b, " HEX(
            "l.k") ", i.person FROM (SELECT * FROM persons_work WHERE "
                   "stage = 6) AS l LEFT ANY JOIN ");
    add_known(sql, generation, OF(6));
    buf_add_str(sql, " AS n ON l.project_id = n.project_id AND l.a = n.hash LEFT ANY JOIN ");
    add_owners(sql, generation, "b FROM persons_work WHERE stage = 6");
    buf_add_str(sql, " AS i ON l.project_id = i.project_id AND l.b = i.hash");
}

/* project, previous, id, when */
void persons_sql_alias_rows(struct buf *sql, uint32_t generation)
{
    buf_addf(
        sql,
        "SELECT DISTINCT project_id, p, u, " HEX(
            "at") " FROM (SELECT project_id, previous AS "
                  "p, id AS u, k AS at FROM person_aliases WHERE generation = %u AND ((project_id, "
                  "previous) IN " OF(7) " OR (project_id, id) IN " OF(
                      7) ") UNION ALL SELECT "
                         "project_id, a AS p, b AS u, k AS at FROM persons_work WHERE stage = 3)",
        (unsigned)generation);
}

/* ---- facts ---- */
void persons_sql_add_claims(struct buf *sql, uint32_t generation)
{
    buf_addf(sql,
             "INSERT INTO person_claims (generation, project_id, id, rank, owner) SELECT %u, "
             "project_id, a, bitNot(k), b FROM persons_work WHERE stage = 11",
             (unsigned)generation);
}

void persons_sql_add_aliases(struct buf *sql, uint32_t generation)
{
    buf_addf(sql,
             "INSERT INTO person_aliases (generation, project_id, k, previous, id) SELECT %u, "
             "project_id, k, a, b FROM persons_work WHERE stage = 13",
             (unsigned)generation);
}

/* An event was done by its user, else by its anonymous id: that is when an id was seen. An alias
 * was done by nobody, and an anonymous id beside a user has only been named. */
void persons_sql_add_ids(struct buf *sql, uint32_t generation, const struct derived_ranges *ranges)
{
    buf_addf(
        sql,
        "INSERT INTO person_ids (generation, project_id, hash, id, first_ms, last_ms, named_ms, "
        "known, is_user) SELECT %u, project_id, " HASH(
            "who") ", who, min(if(acts, ms, "
                   "toInt64(9223372036854775807))), max(if(acts, ms, 0)), max(ms), min(if(knows, "
                   "at, " NEVER ")), max(uses) FROM (SELECT "
                   "project_id, " EVENT_MS " AS ms, " EVENT_KEY
                   " AS at, arrayJoin([(user_id, kind != "
                   "'alias', " IS_KNOWING
                   ", toUInt8(kind != 'alias')), (anonymous_id, kind != 'alias' "
                   "AND user_id = '', toUInt8(0), toUInt8(0)), (if(kind = 'alias', previous_id, "
                   "''), "
                   "toUInt8(0), toUInt8(0), toUInt8(0))]) AS r, r.1 AS who, r.2 AS acts, r.3 AS "
                   "knows, "
                   "r.4 AS uses",
        (unsigned)generation);
    add_from(sql, ranges);
    buf_add_str(sql, "(user_id != '' OR anonymous_id != '' OR previous_id != '')) WHERE who != '' "
                     "GROUP BY project_id, who");
}

void persons_sql_add_traits(struct buf *sql, uint32_t generation,
                            const struct derived_ranges *ranges)
{
    buf_addf(sql,
             "INSERT INTO person_traits (generation, project_id, name, id, is_once, rank, value) "
             "SELECT %u, project_id, name, who, once, max(place), argMax(text, place) FROM (SELECT "
             "project_id, " HASH(WHO) " AS who, " TRAITS,
             (unsigned)generation);
    add_from(sql, ranges);
    buf_add_str(sql, HAS_TRAITS ") GROUP BY project_id, name, who, once");
}

void persons_sql_add_members(struct buf *sql, uint32_t generation,
                             const struct derived_ranges *ranges)
{
    buf_addf(
        sql,
        "INSERT INTO person_groups (generation, project_id, type, id, rank, group_id) SELECT "
        "%u, project_id, of_group.1 AS type, who, max(at), argMax(of_group.2, at) FROM (SELECT "
        "project_id, " HASH(WHO) " AS who, " EVENT_KEY " AS at, " GROUPS,
        (unsigned)generation);
    add_from(sql, ranges);
    buf_add_str(sql, HAS_GROUP " AND (user_id != '' OR anonymous_id != '')) GROUP BY project_id, "
                               "type, who");
}

void persons_sql_add_groups(struct buf *sql, uint32_t generation,
                            const struct derived_ranges *ranges)
{
    buf_addf(
        sql,
        "INSERT INTO group_ids (generation, project_id, type, group_id, first_ms, last_ms) SELECT "
        "%u, project_id, of_group.1, of_group.2, min(ms), max(ms) FROM (SELECT "
        "project_id, " EVENT_MS " AS ms, " GROUPS,
        (unsigned)generation);
    add_from(sql, ranges);
    buf_add_str(sql, HAS_GROUP ") GROUP BY project_id, of_group");
}

void persons_sql_add_group_traits(struct buf *sql, uint32_t generation,
                                  const struct derived_ranges *ranges)
{
    buf_addf(sql,
             "INSERT INTO group_traits (generation, project_id, type, name, group_id, is_once, "
             "rank, value) SELECT %u, project_id, group_type, name, group_id, once, max(place), "
             "argMax(text, place) FROM (SELECT project_id, group_type, group_id, " TRAITS,
             (unsigned)generation);
    add_from(sql, ranges);
    buf_add_str(sql, HAS_GROUP_TRAITS ") GROUP BY project_id, group_type, name, group_id, once");
}
