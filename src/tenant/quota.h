#ifndef WEIR_TENANT_QUOTA_H
#define WEIR_TENANT_QUOTA_H
/* How many events a project has sent in this calendar month (UTC), and whether it may send more.
 *
 * The edge looks before it takes a batch and counts after the batch is acknowledged: what was
 * accepted is never dropped, and what was refused is not counted. A batch that begins below the
 * maximum is taken whole, so the maximum can be passed by the batches that are under way at once.
 *
 * Counts are in memory and go to the table quota_usage by quota_flush(), once a second: as an
 * addition, so that several nodes share one table; what they have added comes back with it. A node
 * knows of the others' events as of its last flush of that project. After kill -9 the events of the
 * last unflushed second are missing from the count; the events themselves are not touched by that.
 * A flush that fails keeps the counts for the next one.
 *
 * Threads: quota_look, _add, _used from any thread, without a lock, but for a project's first event
 * of a month on this node. quota_flush blocks on the state: a background thread, and once more at
 * the shutdown, when nothing is added any more. */
#include "base/clock.h"
#include "base/uuid.h"
#include "state/state.h"

enum {
    QUOTA_WARNING_PERCENT = 80,
    /* Less than a month, as the maximum may be raised meanwhile. */
    QUOTA_RETRY_AFTER_S_MAX = 3600,
    QUOTA_FLUSH_ROWS_MAX = 1000, /* in one transaction, so that others get their turn */
};
enum quota_state { QUOTA_OK, QUOTA_WARNING, QUOTA_EXCEEDED };
struct quota;

/* Runs the migrations of module "quota" and reads the month of now. state is borrowed until
 * quota_close. Registers weir_quota_refused_total, weir_quota_warnings_total and
 * weir_quota_flush_failures_total. */
enum rc quota_open(struct state *state, unix_ms now, struct quota **ret_quota,
                   struct err *err) MUST_CHECK;
void quota_close(struct quota *q); /* does not flush */

/* events_max: the project's maximum per month, 0 = none. EXCEEDED: refuse with 429 and
 * quota_retry_after_s(); it is counted as refused. */
enum quota_state quota_look(struct quota *q, const struct uuid *project, uint64_t events_max,
                            unix_ms now);
/* Counts accepted events. True once in a month: the warning level is reached, tell the owners (an
 * audit event). Kept with the count: told again only by a node that dies within the same second, or
 * by two nodes that reach it within one. */
bool quota_add(struct quota *q, const struct uuid *project, uint64_t events_max, uint32_t events,
               unix_ms now);
uint64_t quota_used(struct quota *q, const struct uuid *project, unix_ms now);
/* Until the month ends, 1 … QUOTA_RETRY_AFTER_S_MAX. */
uint32_t quota_retry_after_s(unix_ms now);

enum rc quota_flush(struct quota *q, struct err *err) MUST_CHECK;
#endif
