#ifndef WEIR_ANALYTICS_PERSON_PERSONS_INT_H
#define WEIR_ANALYTICS_PERSON_PERSONS_INT_H
/* Inside of persons: what survives (persons_state.c), the statements (persons_sql.c, and about what
 * is too old persons_sql_old.c), which ids are one person (persons_merge.c), and what is done when
 * (persons.c). */
#include "analytics/derived/derived.h"
#include "analytics/person/persons.h"
#include "base/buf.h"

enum { PERSONS_UUID_BYTES = 40 };

/* ---- persons_state.c ---- */
/* A part of what a new generation takes over from the one before: the ids whose hash ends in it. */
struct persons_old {
    uint32_t generation;  /* 0: nothing (more) is taken over */
    uint32_t part, parts; /* the next one; a power of two */
};
struct persons_state {
    char table[PERSONS_UUID_BYTES]; /* uuid of the table of events that the rows are made of */
    uint32_t generation;            /* that is written */
    bool is_building;               /* it is not yet the one that is read */
    struct persons_old old;         /* while it is built */
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

/* ---- persons_sql_old.c ---- */
/* persons_work, stage 0: the mark; 8: the rules. */
void persons_sql_cuts(struct buf *sql, uint64_t version, const struct persons_rule *rules,
                      uint32_t count);
void persons_sql_forgotten(struct buf *sql, uint32_t generation);        /* 9: their ids */
void persons_sql_forgotten_groups(struct buf *sql, uint32_t generation); /* 10 */
struct persons_forget { /* rows that go, in this order; NULL at the end */
    const char *table, *where;
};
extern const struct persons_forget persons_forget[], persons_forget_groups[];
void persons_sql_old_links(struct buf *sql, const struct persons_old *old); /* 1, 2, 3 */
void persons_sql_old_ids(struct buf *sql, uint32_t generation, const struct persons_old *old);
void persons_sql_old_traits(struct buf *sql, uint32_t generation, const struct persons_old *old);
void persons_sql_old_members(struct buf *sql, uint32_t generation, const struct persons_old *old);
void persons_sql_old_groups(struct buf *sql, uint32_t generation, const struct persons_old *old);
void persons_sql_old_group_traits(struct buf *sql, uint32_t generation,
                                  const struct persons_old *old);

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
