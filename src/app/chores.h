#ifndef WEIR_APP_CHORES_H
#define WEIR_APP_CHORES_H
/* The thread of small regular work on the state:
 *
 *   0.4 s  audit events go from the outbox (tenant/admin.h) to the stream `audit`: at least once, a
 *          crash in between hands an event out again under the same id
 *   1 s    counted events go to the quotas' table (tenant/quota.h)
 *   1 s    salts of visitors are made and destroyed in time (analytics/ingest/visitor.h)
 *   1 s    what was rejected goes to the stream `rejected` (analytics/rejected/rejected.h)
 *   1 h    rows of dead sessions are deleted (tenant/session.h) */
#include "analytics/ingest/visitor.h"
#include "analytics/rejected/rejected.h"
#include "stream/stream.h"
#include "tenant/admin.h"
#include "tenant/quota.h"

struct chores_cfg { /* all borrowed */
    struct tenant *tenant;
    struct stream *audit;
    struct quota *quota;
    struct visitor_salts *salts;
    struct rejected *rejected;
};
struct chores;
enum rc chores_start(const struct chores_cfg *cfg, struct chores **ret_chores,
                     struct err *err) MUST_CHECK;
/* Does what is left of audit events, quotas and rejected ones, then ends. NULL is fine. */
void chores_stop(struct chores *c);
#endif
