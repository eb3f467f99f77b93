#ifndef WEIR_ANALYTICS_WATCH_WATCH_INT_H
#define WEIR_ANALYTICS_WATCH_WATCH_INT_H
/* Inside of watch/: watch.c the thread, watch_alert.c one alert, watch_mail.c one mail report. */
#include "analytics/watch/watch.h"
#include "codec/json.h"
#include "tenant/watch.h"

#include <pthread.h>

enum { WATCH_ITEMS_MAX = 10000, WATCH_EMAILS_MAX = 10, WATCH_TEXT_BYTES_MAX = 128 << 10 };

struct watch {
    struct watch_cfg cfg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
};
/* A question of the project; its answer parsed into arena. */
enum rc watch_ask(struct watch *w, const struct watch_item *item, struct slice question,
                  struct arena *arena, yyjson_val **ret_answer, struct err *err) MUST_CHECK;
/* results[row].metrics[metric], or that of its comparison; false: null, or not there. */
bool watch_number(yyjson_val *answer, size_t row, size_t metric, bool is_comparison, double *ret);
/* The same message to each address of a JSON list; returns how many. */
uint32_t watch_address(struct arena *arena, struct slice emails, struct watch_message message,
                       struct watch_message ret[WATCH_EMAILS_MAX]);

enum rc watch_alert(struct watch *w, const struct watch_item *item, struct arena *arena,
                    struct err *err) MUST_CHECK;
enum rc watch_mail_report(struct watch *w, const struct watch_item *item, struct arena *arena,
                          struct err *err) MUST_CHECK;
#endif
