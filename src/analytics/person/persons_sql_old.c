/* WHAT    The statements about what is too old: who is forgotten, and what a new generation takes
 *         over from the one before, since the events that said it are no longer there.
 * WHY     Events leave the table when their project wants them no longer (retention_days). A person
 *         stays whole as long as anything new is heard of it, and goes whole when nothing is. So
 *         facts outlive their events, and a generation that is made of events alone would lack
 *         them.
 *         What is taken over is cut at a time, not looked up among the events: a fact that is not
 *         so old comes from its event, or is gone with it (analytics/erase).
 * LAYOUT  persons_work: 8 projects with the time before which it is too old; 9 ids that are
 *         forgotten; 10 groups that are, by a hash. */
#include "analytics/person/persons_int.h"

#include <inttypes.h>

#include "base/uuid.h"

#define OF(stage) "(SELECT project_id, a FROM persons_work WHERE stage = " #stage ")"
#define WANTED " AND project_id IN (SELECT project_id FROM persons_work WHERE stage = 8)"
#define CUTS "(SELECT project_id, toInt64(a) AS cut FROM persons_work WHERE stage = 8)"
#define NEVER "bitNot(toUInt256(0))"
/* Of a key, and of a rank, which is a key or, where the earliest counts, its complement. */
#define MS_OF(key) "toInt64(bitShiftRight(" key ", 192))"
#define GROUP_HASH "sipHash64(toString(type), group_id)"

void persons_sql_cuts(struct buf *sql, uint64_t version, const struct persons_rule *rules,
                      uint32_t count)
{
    char text[UUID_TEXT_LEN + 1];
    buf_addf(sql,
             "INSERT INTO persons_work (stage, project_id, a, b, k) SELECT toUInt8(r.1), "
             "toUUID(r.2), toUInt64(r.3), 0, 0 FROM (SELECT arrayJoin([(0, "
             "'00000000-0000-0000-0000-000000000000', %" PRIu64 ")",
             version);
    for (uint32_t i = 0; i < count; i++)
        buf_addf(sql, ", (8, '%s', %" PRId64 ")", uuid_format(&rules[i].project, text),
                 rules[i].before_ms > 0 ? rules[i].before_ms : 0);
    buf_add_str(sql, "]) AS r)");
}

/* ---- who is forgotten ---- */
/* Somebody is heard of whenever an event names one of the ids. (Rows of before named_ms do not tell
 * when one was only named: such a person stays until the next generation.) */
void persons_sql_forgotten(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_addf(sql,
             "INSERT INTO persons_work SELECT 9, e.project_id, arrayJoin(e.hashes), 0, 0 FROM "
             "(SELECT p.project_id AS project_id, if(i.hash != 0, i.person, p.hash) AS person, "
             "groupArray(p.hash) AS hashes, max(p.heard) AS heard FROM (SELECT project_id, hash, "
             "max(if(named_ms + last_ms = 0, 9223372036854775807, greatest(named_ms, last_ms))) AS "
             "heard FROM person_ids WHERE generation = %u" WANTED
             " GROUP BY project_id, hash) AS p LEFT ANY JOIN (SELECT project_id, hash, person FROM "
             "identities FINAL WHERE generation = %u" WANTED
             ") AS i ON p.project_id = i.project_id AND p.hash = i.hash GROUP BY project_id, "
             "person) AS e JOIN " CUTS " AS c ON e.project_id = c.project_id WHERE e.heard < c.cut",
             g, g);
}

/* Behind the memberships of who is forgotten: groups that were not named for so long, and that
 * nobody who stays was seen with last. */
void persons_sql_forgotten_groups(struct buf *sql, uint32_t generation)
{
    unsigned g = generation;
    buf_addf(sql,
             "INSERT INTO persons_work SELECT 10, s.project_id, s.group, 0, 0 FROM (SELECT "
             "project_id, " GROUP_HASH " AS group, max(last_ms) AS last FROM group_ids WHERE "
             "generation = %u" WANTED " GROUP BY project_id, group) AS s JOIN " CUTS
             " AS c ON s.project_id = c.project_id WHERE s.last < c.cut AND (s.project_id, "
             "s.group) NOT IN (SELECT project_id, sipHash64(toString(type), of) FROM (SELECT "
             "project_id, type, argMax(group_id, rank) AS of FROM person_groups WHERE generation = "
             "%u" WANTED " GROUP BY project_id, type, id))",
             g, g);
}

/* Ids themselves last: as long as they stand there, a step that was interrupted finds them again.
 */
const struct persons_forget persons_forget[] = {
    {"person_claims", "(project_id, id) IN " OF(9) " OR (project_id, owner) IN " OF(9)},
    {"person_aliases", "(project_id, previous) IN " OF(9) " OR (project_id, id) IN " OF(9)},
    {"person_traits", "(project_id, id) IN " OF(9)},
    {"person_groups", "(project_id, id) IN " OF(9)},
    {"identities", "(project_id, hash) IN " OF(9)},
    {"person_ids", "(project_id, hash) IN " OF(9)},
    {NULL, NULL}};
const struct persons_forget persons_forget_groups[] = {
    {"group_traits", "(project_id, " GROUP_HASH ") IN " OF(10)},
    {"group_ids", "(project_id, " GROUP_HASH ") IN " OF(10)},
    {NULL, NULL}};

/* ---- what is taken over ---- */
/* " FROM <table> … of that part of the ids", with `cut` beside each row. */
static void add_old(struct buf *sql, const char *columns, const char *table, const char *hash,
                    const struct persons_old *old)
{
    buf_addf(sql,
             " FROM (SELECT %s FROM %s WHERE generation = %u" WANTED
             " AND bitAnd(%s, %u) = %u) AS t JOIN " CUTS " AS c ON t.project_id = c.project_id",
             columns, table, (unsigned)old->generation, hash, (unsigned)(old->parts - 1),
             (unsigned)old->part);
}

/* As persons_sql_links() makes them of events. */
void persons_sql_old_links(struct buf *sql, const struct persons_old *old)
{
    buf_add_str(sql, "INSERT INTO persons_work (stage, project_id, a, b, k) SELECT toUInt8(1), "
                     "t.project_id, t.id, argMin(t.owner, bitNot(t.rank)), min(bitNot(t.rank)) AS "
                     "at");
    add_old(sql, "project_id, id, owner, rank", "person_claims", "id", old);
    buf_add_str(sql, " GROUP BY t.project_id, t.id, c.cut HAVING " MS_OF(
                         "at") " < c.cut UNION ALL SELECT toUInt8(2), t.project_id, t.hash, "
                               "toUInt64(0), min(t.known) AS at");
    add_old(sql, "project_id, hash, known", "person_ids", "hash", old);
    buf_add_str(sql,
                " WHERE t.known != " NEVER " GROUP BY t.project_id, t.hash, c.cut HAVING " MS_OF(
                    "at") " < c.cut UNION ALL SELECT toUInt8(3), t.project_id, t.previous, "
                          "t.id, t.k");
    add_old(sql, "project_id, previous, id, k", "person_aliases", "previous", old);
    buf_add_str(sql, " WHERE " MS_OF("t.k") " < c.cut");
}

/* An id that was named since stands in the events that named it. */
void persons_sql_old_ids(struct buf *sql, uint32_t generation, const struct persons_old *old)
{
    buf_addf(sql,
             "INSERT INTO person_ids (generation, project_id, hash, id, first_ms, last_ms, "
             "named_ms, known, is_user) SELECT %u, t.project_id, t.hash, t.id, min(t.first_ms) AS "
             "first, if(max(t.last_ms) < c.cut, max(t.last_ms), first), least(max(t.named_ms), "
             "c.cut - 1), if(min(t.known) != " NEVER
             " AND " MS_OF("min(t.known)") " < c.cut, min(t.known), " NEVER "), max(t.is_user)",
             (unsigned)generation);
    add_old(sql, "project_id, hash, id, first_ms, last_ms, named_ms, known, is_user", "person_ids",
            "hash", old);
    buf_add_str(sql, " GROUP BY t.project_id, t.hash, t.id, c.cut HAVING first < c.cut OR "
                     "(max(t.last_ms) = 0 AND max(t.named_ms) < c.cut)");
}

#define RANK_MS MS_OF("if(t.is_once = 1, bitNot(t.rank), t.rank)")

void persons_sql_old_traits(struct buf *sql, uint32_t generation, const struct persons_old *old)
{
    buf_addf(sql,
             "INSERT INTO person_traits (generation, project_id, name, id, is_once, rank, value) "
             "SELECT %u, t.project_id, t.name, t.id, t.is_once, t.rank, t.value",
             (unsigned)generation);
    add_old(sql, "project_id, name, id, is_once, rank, value", "person_traits", "id", old);
    buf_add_str(sql, " WHERE " RANK_MS " < c.cut");
}

void persons_sql_old_members(struct buf *sql, uint32_t generation, const struct persons_old *old)
{
    buf_addf(sql,
             "INSERT INTO person_groups (generation, project_id, type, id, rank, group_id) SELECT "
             "%u, t.project_id, t.type, t.id, t.rank, t.group_id",
             (unsigned)generation);
    add_old(sql, "project_id, type, id, rank, group_id", "person_groups", "id", old);
    buf_add_str(sql, " WHERE " MS_OF("t.rank") " < c.cut");
}

void persons_sql_old_groups(struct buf *sql, uint32_t generation, const struct persons_old *old)
{
    buf_addf(sql,
             "INSERT INTO group_ids (generation, project_id, type, group_id, first_ms, last_ms) "
             "SELECT %u, t.project_id, t.type, t.group_id, min(t.first_ms) AS first, "
             "if(max(t.last_ms) < c.cut, max(t.last_ms), first)",
             (unsigned)generation);
    add_old(sql, "project_id, type, group_id, first_ms, last_ms", "group_ids", GROUP_HASH, old);
    buf_add_str(sql, " GROUP BY t.project_id, t.type, t.group_id, c.cut HAVING first < c.cut");
}

void persons_sql_old_group_traits(struct buf *sql, uint32_t generation,
                                  const struct persons_old *old)
{
    buf_addf(sql,
             "INSERT INTO group_traits (generation, project_id, type, name, group_id, is_once, "
             "rank, value) SELECT %u, t.project_id, t.type, t.name, t.group_id, t.is_once, t.rank, "
             "t.value",
             (unsigned)generation);
    add_old(sql, "project_id, type, name, group_id, is_once, rank, value", "group_traits",
            GROUP_HASH, old);
    buf_add_str(sql, " WHERE " RANK_MS " < c.cut");
}
