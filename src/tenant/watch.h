#ifndef WEIR_TENANT_WATCH_H
#define WEIR_TENANT_WATCH_H
/* What came of alerts and mail reports (tenant/definition.h keeps what people want of them): their
 * states, the log of alerts, and the messages that have to go out. Blocks on the state. */
#include "tenant/admin.h"

enum { WATCH_ATTEMPTS_MAX = 6 /* of a message: over about four hours */ };
/* What a schedule is; and its "weekday", from the first day of a week on that reports know. */
/* clang-format off */
#define WATCH_SCHEDULE_SCHEMA \
    "{\"type\":\"object\",\"required\":[\"every\"],\"properties\":{" \
    "\"every\":{\"enum\":[\"day\",\"week\",\"month\"]},\"weekday\":{\"enum\":[\"monday\"," \
    "\"tuesday\",\"wednesday\",\"thursday\",\"friday\",\"saturday\",\"sunday\"]}," \
    "\"hour\":{\"type\":\"integer\"}}}"
/* clang-format on */
#define WATCH_WEEKDAYS "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"

struct watch_item { /* texts are valid in the callback */
    struct slice id, project, project_name, time_zone, created_by, name;
    /* JSON. Of a mail report: question, a saved report's id or empty; condition, its schedule. */
    struct slice question, condition, emails;
    struct slice state; /* of an alert: "", "ok", "firing"; of a mail report: made_for, or empty */
    int64_t next_at;    /* of a mail report: ms; 0: not settled yet */
    int64_t attempts;   /* at making the message that is due, which failed */
};
/* All of projects that are not archived. */
enum rc watch_alerts(struct state *s, enum rc (*each)(void *ctx, const struct watch_item *item),
                     void *ctx, struct err *err) MUST_CHECK;
enum rc watch_mail_reports(struct state *s,
                           enum rc (*each)(void *ctx, const struct watch_item *item), void *ctx,
                           struct err *err) MUST_CHECK;

struct watch_message {
    struct slice to, subject, text, html; /* html empty: none */
};
/* What was seen of an alert. what: NULL, or "fired", "recovered": it is logged, and the messages
 * are queued, all in one transaction. */
struct watch_seen {
    struct slice id, project, state, value, error;
    const char *what;
    struct slice text; /* of the log */
    const struct watch_message *messages;
    uint32_t message_count;
};
enum rc watch_alert_seen(struct state *s, const struct watch_seen *seen, unix_ms now,
                         struct err *err) MUST_CHECK;
/* A mail report went to the queue; or only its next time is settled, or why it could not be made:
 * no messages. */
struct watch_settled {
    struct slice id, project;
    struct slice made_for; /* by what next_at was settled: another text means anew */
    int64_t next_at, attempts;
    struct slice error; /* empty: none */
    const struct watch_message *messages;
    uint32_t count;
};
enum rc watch_report_settled(struct state *s, const struct watch_settled *settled, unix_ms now,
                             struct err *err) MUST_CHECK;
/* {"data":[…]}: the newest 100 of a project's log. */
enum rc watch_log(struct state *s, struct slice project, struct buf *out,
                  struct err *err) MUST_CHECK;

struct watch_due {
    char id[UUID_TEXT_LEN + 1];     /* the same however often it is tried */
    char source[UUID_TEXT_LEN + 1]; /* the alert, or mail report */
    struct buf to, subject, text, html;
    int64_t attempts;
};
/* The message that has waited longest. RC_END: none is due. */
enum rc watch_mail_due(struct state *s, unix_ms now, struct watch_due *ret,
                       struct err *err) MUST_CHECK;
void watch_due_done(struct watch_due *due);
enum rc watch_mail_sent(struct state *s, const struct watch_due *due, unix_ms now,
                        struct err *err) MUST_CHECK;
/* Waits longer with each attempt; after WATCH_ATTEMPTS_MAX, or if is_final, it is given up, and
 * `why` stands in the log of alerts, or in the mail report's error. */
enum rc watch_mail_failed(struct state *s, const struct watch_due *due, const char *why,
                          bool is_final, unix_ms now, struct err *err) MUST_CHECK;
#endif
