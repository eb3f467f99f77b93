#ifndef WEIR_ANALYTICS_EVENT_RETAIN_H
#define WEIR_ANALYTICS_EVENT_RETAIN_H
/* Rows that are older than their project wants them (retention_days): out of `events` and
 * `sessions`, for good, when the store has rewritten the parts that they are in (behind it, person/
 * forgets whom they leave nothing of). Whole days of UTC: an event goes when the day that it
 * happened on is more than so many days ago, a session when its end did. Stream and archive keep
 * their own time (docs/operations.md). */
#include <stdint.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "store/store.h"

struct retain_rule {
    struct uuid project;
    uint32_t days; /* >= 1 */
};
enum { RETAIN_RULES_MAX = 500 }; /* of one call */
/* What lies before goes. */
unix_ms retain_before(const struct retain_rule *rule, unix_ms now);
/* One step: of the oldest month of one of the two tables that holds such rows, they are deleted, in
 * the store's own time. RC_END: there are none. RC_BUSY: a step before is still under way; ask
 * again later. Blocks for the questions only. */
enum rc retain_step(struct store_client *c, const struct retain_rule *rules, uint32_t count,
                    unix_ms now, struct err *err) MUST_CHECK;
#endif
