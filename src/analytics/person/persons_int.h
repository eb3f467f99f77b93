#ifndef WEIR_ANALYTICS_PERSON_PERSONS_INT_H
#define WEIR_ANALYTICS_PERSON_PERSONS_INT_H
/* Inside of persons: what survives (persons_state.c), the statements (persons_sql.c), which ids
 * are one person (persons_merge.c), and what is done when (persons.c). */
#include "analytics/derived/derived.h"
#include "analytics/person/persons.h"
#include "base/buf.h"

enum { PERSONS_UUID_BYTES = 40 };

/* ---- persons_state.c ---- */
struct persons_state {
    char table[PERSONS_UUID_BYTES]; /* uuid of the table of events that the rows are made of */
    uint32_t generation;            /* that is written */
    bool is_building;               /* it is not yet the one that is read */
    uint32_t partition_count;
    uint64_t next[STREAM_PARTITIONS_MAX]; /* events with offsets below are in the rows */
};
extern const struct derived_state persons_state_format;

/* ---- persons_sql.c: appended to sql; every number in them is ours ---- */
enum persons_probe { /* columns of the answer */
                     PROBE_EVENTS,
                     PROBE_LINKS,  /* say something about who is who */
                     PROBE_TRAITS, /* of persons */
                     PROBE_GROUPS,
                     PROBE_GROUP_TRAITS,
                     PROBE_COUNT,
};
void persons_sql_probe(struct buf *sql, const struct derived_ranges *ranges);
/* persons_work, stage 0: one row that marks the step; 1 claims, 2 ids that are known, 3 aliases of
 * the new events. */
void persons_sql_links(struct buf *sql, uint64_t version, const struct derived_ranges *ranges);
/* 11, 12, 13: those of them that say more than the facts do. */
void persons_sql_news(struct buf *sql, uint32_t generation);
/* 6: claims of ids that nothing else is known about: they join a person, whatever else it has. */
void persons_sql_leaves(struct buf *sql, uint32_t generation);
/* 4: the ids that the other news are about; 5: and those that an alias ties to them; 7: and all
 * that have been one person with any of these. */
void persons_sql_core(struct buf *sql);
void persons_sql_partners(struct buf *sql, uint32_t generation);
void persons_sql_members(struct buf *sql, uint32_t generation);
/* What persons_merge() reads. */
void persons_sql_nodes(struct buf *sql, uint32_t generation);
void persons_sql_leaf_rows(struct buf *sql, uint32_t generation);
void persons_sql_alias_rows(struct buf *sql, uint32_t generation);
/* Facts, of the stages 11 and 13, and of the events. */
void persons_sql_add_claims(struct buf *sql, uint32_t generation);
void persons_sql_add_aliases(struct buf *sql, uint32_t generation);
void persons_sql_add_ids(struct buf *sql, uint32_t generation, const struct derived_ranges *ranges);
void persons_sql_add_traits(struct buf *sql, uint32_t generation,
                            const struct derived_ranges *ranges);
void persons_sql_add_members(struct buf *sql, uint32_t generation,
                             const struct derived_ranges *ranges);
void persons_sql_add_groups(struct buf *sql, uint32_t generation,
                            const struct derived_ranges *ranges);
void persons_sql_add_group_traits(struct buf *sql, uint32_t generation,
                                  const struct derived_ranges *ranges);
extern const char *const persons_tables[]; /* that have generations; NULL at the end */

/* ---- persons_merge.c ---- */
struct persons_merge_in { /* TabSeparated, of the three statements above */
    struct slice nodes, leaves, aliases;
};
#define PERSONS_IDENTITY_COLUMNS "generation, project_id, hash, person, version, is_deleted"
/* Appends rows of `identities` that are new or have changed, TabSeparated. RC_CORRUPT: the facts
 * do not fit one another (build a generation anew). RC_STORE: an answer of another shape. */
enum rc persons_merge(const struct persons_merge_in *in, uint32_t generation, uint64_t version,
                      struct buf *rows, struct err *err) MUST_CHECK;
#endif
