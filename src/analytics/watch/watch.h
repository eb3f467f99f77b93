#ifndef WEIR_ANALYTICS_WATCH_WATCH_H
#define WEIR_ANALYTICS_WATCH_WATCH_H
/* Looks after alerts and mail reports (analytics/definition keeps what people want of them): asks
 * their questions, remembers how they stand, and sends what there is to tell. docs/alerts.md.
 *
 * One thread. What is to be sent goes through a queue in the state, so that a mail server which is
 * away for an hour loses nothing. */
#include "analytics/report/query.h"
#include "store/store.h"
#include "tenant/tenant.h"

struct watch_letter {
    const char *id; /* the same when it is sent again: who got it twice can tell */
    const char *to, *subject, *text;
    const char *html; /* NULL, or beside text */
};
struct watch_cfg { /* borrowed */
    struct state *state;
    struct query *query;
    struct store_pool *pool;
    uint32_t every_ms;       /* between two looks */
    struct slice public_url; /* for links, without a slash at its end; empty: none */
    /* NULL: no mail is sent, nor does any wait; what fires is in the log all the same. RC_INVALID,
     * RC_LIMIT: no other time would do. */
    enum rc (*send)(void *ctx, const struct watch_letter *letter, struct err *err);
    /* An alert changed its state: for what else wants to be told (webhooks). May be NULL. Quick. */
    void (*on_change)(void *ctx, struct slice project, struct slice alert, const char *what,
                      struct slice text);
    void *ctx;
};
struct watch;
enum rc watch_start(const struct watch_cfg *cfg, struct watch **ret_watch,
                    struct err *err) MUST_CHECK;
void watch_stop(struct watch *w); /* NULL is fine */
#endif
