#ifndef WEIR_ANALYTICS_WATCH_WATCH_INT_H
#define WEIR_ANALYTICS_WATCH_WATCH_INT_H
/* Inside of watch/: watch.c the thread; of alerts, watch_rule.c when one fires, watch_alert.c what
 * becomes of it; of mail reports, watch_span.c when one is due and about which days, watch_mail.c
 * what stands in it, watch_table.c a saved report as text and HTML. Time comes in as `now`
 * wherever something is decided by it. */
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
struct query_asker watch_asker(const struct watch_item *item);
/* results[row].metrics[metric], or that of its comparison; false: null, or not there. */
bool watch_number(yyjson_val *answer, size_t row, size_t metric, bool is_comparison, double *ret);
/* The same message to each address of a JSON list; returns how many. */
uint32_t watch_address(struct arena *arena, struct slice emails, struct watch_message message,
                       struct watch_message ret[WATCH_EMAILS_MAX]);

/* The address of a page of the project's dashboard, in the arena; NULL: this server's is not known.
 */
const char *watch_link(const struct watch *w, const struct watch_item *item, struct arena *arena,
                       const char *page);

/* ---- rules of alerts: pure ---- */
struct watch_finding {
    double value, before; /* of the question, and of the period before */
    bool has_value, has_before;
    bool is_firing; /* of one with has_value */
    char text[512]; /* for people */
};
/* The alert's question with the period before beside it; or for silence, of the minutes before now
 * alone. */
enum rc watch_question(const struct watch_item *item, yyjson_val *condition, unix_ms now,
                       struct arena *arena, struct buf *out, struct err *err) MUST_CHECK;
/* From values to is_firing and text; takes has_value back where there is nothing to compare with.
 */
void watch_judge(yyjson_val *condition, struct watch_finding *f);
/* Whether it fires now, that was in `state`; *ret_what: NULL, or "fired", "recovered". */
bool watch_turn(struct slice state, const struct watch_finding *f, const char **ret_what);
enum rc watch_alert(struct watch *w, const struct watch_item *item, struct arena *arena,
                    struct err *err) MUST_CHECK;

/* ---- mail reports ---- */
struct watch_span {
    char from[16], to[16];               /* the days of the whole span that the newest is about */
    char before_from[16], before_to[16]; /* of the span before that one */
    int64_t next_ms;                     /* when its successor is due: later than now */
};
/* schedule: {"every", "weekday", "hour"}; zone: empty for UTC. Blocks on the store, which knows all
 * zones. */
enum rc watch_span_ask(struct store_client *client, struct slice zone, yyjson_val *schedule,
                       unix_ms now, struct watch_span *ret, struct err *err) MUST_CHECK;
enum watch_step {
    WATCH_WAIT,
    WATCH_SETTLE, /* it is new, or its schedule or zone is: only when the next is due */
    WATCH_SEND,
};
/* made_for: what watch_made_for() said when next_at was settled; empty: not known. */
enum watch_step watch_mail_step(int64_t next_at, struct slice made_for, struct slice made_for_now,
                                unix_ms now);
/* Whether a message that could not be made for this reason, as often before, is tried again. */
bool watch_mail_waits(enum rc rc, int64_t attempts);
/* The schedule and the zone, as one text in the arena. */
struct slice watch_made_for(const struct watch_item *item, struct arena *arena);
enum rc watch_mail_report(struct watch *w, const struct watch_item *item, struct arena *arena,
                          struct err *err) MUST_CHECK;

#define WATCH_HTML_TABLE "<table cellpadding=\"4\">"
struct watch_mail {
    struct buf text, html;
};
void watch_add_html(struct buf *out, struct slice text); /* nothing in it begins markup */
void watch_add_line(struct buf *out,
                    struct slice text); /* a line end in it is none of the letter */
/* Its beginning and "…", where it is longer: what clients write fills no letter. */
struct slice watch_cut(struct arena *arena, struct slice text, size_t bytes_max);
/* A table (CSV with a line of names) for people; its first rows and columns. RC_INVALID: it is
 * none. Columns "comparison.NAME" become changes of NAME. */
enum rc watch_add_table(struct watch_mail *m, struct slice csv, struct err *err) MUST_CHECK;
#endif
