#ifndef WEIR_APP_RETENTION_H
#define WEIR_APP_RETENTION_H
/* The thread that removes what is too old from the store, at the start and then once an hour: rows
 * of projects with retention_days (analytics/event/retain.h), behind them who has none any more
 * (`removed`), and what was rejected
 * (analytics/rejected/rejected.h). What fails is tried again in the next hour, with a line in the
 * log. */
#include "analytics/event/retain.h"
#include "store/store.h"
#include "tenant/tenant.h"

struct retention_cfg { /* borrowed */
    struct tenant *tenant;
    struct store_pool *pool;
    void (*removed)(void *ctx); /* nothing is too old any more, for now */
    void *ctx;
};
/* The rules of all projects that have one. Any thread. */
uint32_t retention_rules(struct tenant *t, struct retain_rule ret[RETAIN_RULES_MAX]);
struct retention;
enum rc retention_start(const struct retention_cfg *cfg, struct retention **ret,
                        struct err *err) MUST_CHECK;
void retention_stop(struct retention *r); /* behind the question under way; NULL is fine */
#endif
