#ifndef WEIR_ANALYTICS_PERSON_PERSONS_H
#define WEIR_ANALYTICS_PERSON_PERSONS_H
/* Who is who (docs/definitions.md, "Person"): the tables of ids, claims, aliases, traits and
 * groups, made of the table `events`, and `identities`, which says of each id that shares its
 * person with others whose it is. Reasons, statements, cost: docs/internals/persons.md.
 *
 * All tables but `identities` hold facts that only ever become more exact (the earliest, the
 * latest), so that repeats, duplicates and the order of arrival cannot change them; `identities` is
 * derived from these facts alone. Between two steps they are those of exactly the events whose
 * offsets lie below the state's `next` of their partition, and of those that have left the table
 * since, as far as their person has not been forgotten (persons_retain).
 *
 * Rows carry a generation; queries read the greatest one in `person_generations`. A new one is
 * built beside it, and then takes its place, when the table of events is another one than before
 * (weir replay), when events were taken out of it (persons_rebuild), or when the state is lost.
 * What is too old for its project is taken over from the one before, as its events are gone.
 *
 * A maker of persons belongs to one thread; the worker below is that thread. */
#include <stdbool.h>
#include <stdint.h>

#include "analytics/derived/derived.h"
#include "base/rc.h"
#include "base/uuid.h"
#include "store/store.h"

/* What lies before is too old for a project (retention_days): its events leave the table, and who
 * was not heard of since is forgotten. */
struct persons_rule {
    struct uuid project;
    int64_t before_ms;
};
enum { PERSONS_RULES_MAX = 500 };

struct persons_cfg {
    struct store_cfg store; /* strings are borrowed for its life; timeout_ms 0 = 120,000 */
    const char *dir;        /* <data>/consumers/persons; made if it is missing */
    uint32_t partitions;    /* of the stream, at most STREAM_PARTITIONS_MAX */
    /* The projector's checkpoint: rows below it are in `events`. Any thread. */
    uint64_t (*projected)(void *ctx, uint32_t partition);
    /* Rules of now, at most PERSONS_RULES_MAX of them; returns how many. May be NULL. */
    uint32_t (*rules)(void *ctx, struct persons_rule *ret);
    void *ctx;
    uint32_t batch_offsets_max; /* of one step, over all partitions; 0 = 200,000 */
    uint32_t old_ids_max;       /* that a step of a new generation takes over; 0 = 100,000 */
};
struct persons;
enum rc persons_new(const struct persons_cfg *cfg, struct persons **ret,
                    struct err *err) MUST_CHECK;
void persons_free(struct persons *p);

struct persons_counts { /* since it was made; steps that failed are not counted */
    uint64_t steps, offsets, generations;
    uint64_t forgotten;         /* ids of persons that were too old */
    uint64_t leaves, made_anew; /* ids that joined a person alone; ids whose persons were made of
                                   all of their claims */
};
/* One step. RC_END: nothing to do. RC_UNAVAILABLE, RC_TIMEOUT, RC_STORE, RC_LIMIT, RC_IO, RC_AGAIN:
 * nothing is lost, call again. Blocks. */
enum rc persons_step(struct persons *p, struct err *err) MUST_CHECK;
/* Looks at which table `events` is before the next step that has nothing else to do, too. */
void persons_look(struct persons *p);
/* Events were taken out of the table: a generation without them is built, also if the program ends
 * before (a file in dir says so). Until it is whole the one before is read, which still has them.
 * Any thread. RC_IO, RC_NOSPACE: it is not noted. */
enum rc persons_rebuild(struct persons *p, struct err *err) MUST_CHECK;
/* Events that are too old have left the table: before the next step that takes events, who was not
 * heard of since is forgotten, for good, with what ties others to them. Any thread. */
void persons_retain(struct persons *p);
void persons_counts(const struct persons *p, struct persons_counts *ret);
/* From now on no statement begins any more: the step under way ends with RC_CLOSED. Any thread. */
void persons_give_up(struct persons *p);
/* Offsets that the projector has done and persons do not yet have; true in *ret_is_building while a
 * generation is due or under way. */
uint64_t persons_lag(const struct persons *p, bool *ret_is_building);

/* ---- the worker (derived.h), with metrics weir_persons_* ---- */
struct persons_worker_cfg {
    struct persons_cfg persons;
    struct derived_pace pace;
};
enum rc persons_worker_start(const struct persons_worker_cfg *cfg, struct derived_worker **ret,
                             struct err *err) MUST_CHECK;
/* persons_rebuild(), at once. Any thread. */
enum rc persons_worker_rebuild(struct derived_worker *w, struct err *err) MUST_CHECK;
void persons_worker_retain(struct derived_worker *w); /* persons_retain(), at once. Any thread. */
#endif
