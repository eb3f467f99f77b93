#ifndef WEIR_ANALYTICS_EVENT_SCHEMA_H
#define WEIR_ANALYTICS_EVENT_SCHEMA_H
/* The table `events`, one row per event, as numbered migrations (store_migrate), and the list of
 * the columns that the projector writes. Names are unqualified: the store client's database holds
 * them. What each column means: docs/internals/project.md. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "store/store.h"

extern const struct store_migration analytics_migrations[];
extern const uint32_t analytics_migration_count;

#define ANALYTICS_EVENTS_TABLE "events"
#define ANALYTICS_SHADOW_TABLE "events_shadow" /* what a replay fills before it takes that place */

/* The projection of it that reports read (schema.c): its name, what a slot is, and its columns
 * beside project, day, event and slot. */
#define ANALYTICS_SLOTS "visitor_slots"
#define ANALYTICS_SLOT_OF(time) "toInt32(intDiv(toUnixTimestamp64Milli(" time "), 900000))"
#define ANALYTICS_SLOT ANALYTICS_SLOT_OF("timestamp")
#define ANALYTICS_SLOT_COLUMNS                                                     \
    "kind, bot, visitor, country, region, city, hostname, browser_name, os_name, " \
    "device_type, screen_class"
enum { ANALYTICS_SLOT_MS = 900000 };
/* The engine does not sync a projection's files with their part's (26.7), so a power loss may leave
 * slots broken: the events are whole, and read instead, but their parts are merged with no others.
 * Makes those slots anew, behind it; *ret_is_broken: there were some. For a start: what is broken
 * is found when the engine loads its parts. */
enum rc analytics_slots_mend(struct store_client *c, bool *ret_is_broken,
                             struct err *err) MUST_CHECK;

/* [a-z0-9_]+, at most 64. */
bool analytics_table_name_ok(const char *table);
/* An empty table of the same shape (columns, keys, indexes, settings) as `events`, for a replay
 * beside it. table is [a-z0-9_]+ (else RC_INVALID); RC_OK if it exists already. */
enum rc analytics_table_create_like_events(struct store_client *c, const char *table,
                                           struct err *err) MUST_CHECK;
#endif
