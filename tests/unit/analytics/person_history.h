#ifndef WEIR_TEST_PERSON_HISTORY_H
#define WEIR_TEST_PERSON_HISTORY_H
/* Random histories of few ids, each a project of its own, in the order in which they come in: late,
 * doubled, and in two partitions. What an event says follows from its luck. */
#include <stdint.h>

#include "base/buf.h"
#include "base/random.h"

enum { HISTORIES = 40, HISTORY_EVENTS_MAX = 6000, HISTORY_PARTITIONS = 2 };
struct person_event {
    uint64_t order; /* in which it comes in */
    int64_t ms;
    uint32_t history, id;
    uint64_t luck;
};
struct person_history {
    struct person_event events[HISTORY_EVENTS_MAX];
    uint32_t count;
};
/* Rounds have projects of their own, and every event an id. */
void person_history_make(struct person_history *h, struct prng *rng, uint32_t round);
/* Of one project, and one person, in both. */
uint32_t person_event_partition(const struct person_event *e);
/* The record, as ingestion writes it. */
void person_event_record(struct buf *out, const struct person_event *e);
/* The row as JSON, without deduplication. */
void person_event_row(struct buf *out, const struct person_event *e, uint32_t partition,
                      uint64_t offset);
void person_add_text(struct buf *out, const char *name, const char *value); /* ,"name":"value" */
#endif
