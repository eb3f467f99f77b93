/* WHAT  watch.h: states of alerts, their log, and the queue of messages, in SQLite.
 * WHY   A change of an alert's state and the messages that tell of it are one transaction: a crash
 *       between them would lose the message, or send it twice. A message is sent first and taken
 *       out after, so that at worst it comes twice, as the same one (its Message-ID is its id). */
#include "tenant/watch.h"

#include <stdio.h>

#include "base/must.h"
#include "tenant/tenant_int.h"

enum { TEXT_BYTES_MAX = 256 << 10, LOG_KEPT_DAYS = 90 };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

#define COMMON                                                                          \
    "id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id),"           \
    "created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL," \
    "version BIGINT NOT NULL DEFAULT 1, name TEXT NOT NULL DEFAULT '',"
static const struct state_migration migrations[] = {
    {1, "CREATE TABLE alerts (" COMMON " question TEXT, condition TEXT NOT NULL DEFAULT '{}',"
        " emails TEXT NOT NULL DEFAULT '[]');"
        "CREATE UNIQUE INDEX alerts_by_name ON alerts (project_id, name);"
        "CREATE TABLE alert_states (id TEXT PRIMARY KEY, state TEXT NOT NULL, value TEXT,"
        " since BIGINT NOT NULL, checked_at BIGINT NOT NULL, error TEXT);"
        "CREATE TABLE alert_log (id TEXT PRIMARY KEY, project_id TEXT NOT NULL,"
        " alert_id TEXT NOT NULL, at BIGINT NOT NULL, what TEXT NOT NULL, value TEXT,"
        " text TEXT NOT NULL);"
        "CREATE INDEX alert_log_by_project ON alert_log (project_id, at);"
        "CREATE TABLE mail_reports (" COMMON " schedule TEXT NOT NULL DEFAULT '{}',"
        " emails TEXT NOT NULL DEFAULT '[]');"
        "CREATE UNIQUE INDEX mail_reports_by_name ON mail_reports (project_id, name);"
        "CREATE TABLE mail_report_states (id TEXT PRIMARY KEY, next_at BIGINT NOT NULL,"
        " sent_at BIGINT);"
        "CREATE TABLE mail_queue (id TEXT PRIMARY KEY, project_id TEXT NOT NULL,"
        " recipient TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL,"
        " attempts BIGINT NOT NULL DEFAULT 0, next_at BIGINT NOT NULL);"
        "CREATE INDEX mail_queue_by_time ON mail_queue (next_at);"},
    {2, "ALTER TABLE mail_reports ADD COLUMN report TEXT;"
        "ALTER TABLE mail_report_states ADD COLUMN made_for TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE mail_report_states ADD COLUMN error TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE mail_queue ADD COLUMN source TEXT NOT NULL DEFAULT '';"},
    {3, "ALTER TABLE mail_report_states ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;"},
};

enum rc watch_migrate(struct state *s, struct err *err)
{
    return state_migrate(s, "watch", migrations, COUNT_OF(migrations), err);
}

/* ---- reading ---- */
struct items {
    enum rc (*each)(void *ctx, const struct watch_item *item);
    void *ctx;
};

static enum rc on_item(void *arg, const struct state_row *row)
{
    const struct items *items = arg;
    const struct watch_item item = {.id = state_row_text(row, 0),
                                    .project = state_row_text(row, 1),
                                    .project_name = state_row_text(row, 2),
                                    .time_zone = state_row_text(row, 3),
                                    .created_by = state_row_text(row, 4),
                                    .name = state_row_text(row, 5),
                                    .question = state_row_text(row, 6),
                                    .condition = state_row_text(row, 7),
                                    .emails = state_row_text(row, 8),
                                    .state = state_row_text(row, 9),
                                    .next_at = state_row_i64(row, 10),
                                    .attempts = state_row_i64(row, 11)};
    return items->each(items->ctx, &item);
}

#define WHOSE "SELECT w.id, w.project_id, p.name, p.time_zone, w.created_by, w.name,"

enum rc watch_alerts(struct state *s, enum rc (*each)(void *ctx, const struct watch_item *item),
                     void *ctx, struct err *err)
{
    struct items items = {each, ctx};
    return state_run(s,
                     WHOSE " w.question, w.condition, w.emails, a.state, 0, 0 FROM alerts w JOIN "
                           "projects p ON p.id = w.project_id LEFT JOIN alert_states a ON a.id = "
                           "w.id WHERE p.archived_at IS NULL ORDER BY w.id",
                     NULL, 0, on_item, &items, err);
}

enum rc watch_mail_reports(struct state *s,
                           enum rc (*each)(void *ctx, const struct watch_item *item), void *ctx,
                           struct err *err)
{
    struct items items = {each, ctx};
    return state_run(s,
                     WHOSE " w.report, w.schedule, w.emails, coalesce(r.made_for, ''), "
                           "coalesce(r.next_at, 0), coalesce(r.attempts, 0) FROM mail_reports w "
                           "JOIN projects p ON p.id = "
                           "w.project_id LEFT JOIN "
                           "mail_report_states r ON r.id = w.id WHERE p.archived_at IS NULL ORDER "
                           "BY w.id",
                     NULL, 0, on_item, &items, err);
}

struct log_out {
    struct buf *out;
    bool is_first;
};

static enum rc on_log(void *arg, const struct state_row *row)
{
    struct log_out *l = arg;
    char at[TIME_TEXT_BYTES];
    buf_add_str(l->out, l->is_first ? "{\"id\":" : ",{\"id\":");
    l->is_first = false;
    buf_add_json(l->out, state_row_text(row, 0));
    buf_add_str(l->out, ",\"alert\":");
    buf_add_json(l->out, state_row_text(row, 1));
    buf_addf(l->out, ",\"at\":\"%s\",\"what\":", time_format((unix_ms){state_row_i64(row, 2)}, at));
    buf_add_json(l->out, state_row_text(row, 3));
    buf_add_str(l->out, ",\"text\":");
    buf_add_json(l->out, state_row_text(row, 4));
    buf_add_char(l->out, '}');
    return RC_OK;
}

enum rc watch_log(struct state *s, struct slice project, struct buf *out, struct err *err)
{
    struct log_out l = {out, true};
    buf_add_str(out, "{\"data\":[");
    TRY(state_run(s,
                  "SELECT id, alert_id, at, what, text FROM alert_log WHERE project_id = ?1 ORDER "
                  "BY at DESC, id DESC LIMIT 100",
                  &STATE_SLICE(project), 1, on_log, &l, err));
    buf_add_str(out, "]}");
    return RC_OK;
}

/* ---- writing ---- */
static enum rc queue(struct state *s, struct slice source, struct slice project,
                     const struct watch_message *messages, uint32_t count, unix_ms now,
                     struct err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct uuid id = uuid_v7(now);
        char text[UUID_TEXT_LEN + 1];
        const struct watch_message *m = &messages[i];
        TRY(state_run(s,
                      "INSERT INTO mail_queue (id, project_id, recipient, subject, text, html, "
                      "next_at, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                      (struct state_value[]){
                          STATE_STR(uuid_format(&id, text)), STATE_SLICE(project),
                          STATE_SLICE(m->to), STATE_SLICE(m->subject), STATE_SLICE(m->text),
                          STATE_SLICE(m->html), STATE_I64(now.ms), STATE_SLICE(source)},
                      8, NULL, NULL, err));
    }
    return RC_OK;
}

struct seen {
    const struct watch_seen *seen;
    unix_ms now;
};

static enum rc log_seen(struct state *s, const struct seen *a, struct err *err)
{
    struct uuid id = uuid_v7(a->now);
    char text[UUID_TEXT_LEN + 1];
    const struct watch_seen *w = a->seen;
    TRY(state_run(s,
                  "INSERT INTO alert_log (id, project_id, alert_id, at, what, value, text) VALUES "
                  "(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                  (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_SLICE(w->project),
                                         STATE_SLICE(w->id), STATE_I64(a->now.ms),
                                         STATE_STR(w->what), STATE_SLICE(w->value),
                                         STATE_SLICE(w->text)},
                  7, NULL, NULL, err));
    TRY(state_run(s, "DELETE FROM alert_log WHERE project_id = ?1 AND at < ?2",
                  (struct state_value[]){STATE_SLICE(w->project),
                                         STATE_I64(a->now.ms - LOG_KEPT_DAYS * day_ms)},
                  2, NULL, NULL, err));
    TRY(state_run(s, "DELETE FROM alert_states WHERE id NOT IN (SELECT id FROM alerts)", NULL, 0,
                  NULL, NULL, err));
    return queue(s, w->id, w->project, w->messages, w->message_count, a->now, err);
}

static enum rc apply_seen(void *arg, struct state *s, struct err *err)
{
    const struct seen *a = arg;
    const struct watch_seen *w = a->seen;
    TRY(state_run(s,
                  "INSERT INTO alert_states (id, state, value, since, checked_at, error) VALUES "
                  "(?1, ?2, ?3, ?4, ?4, ?5) ON CONFLICT (id) DO UPDATE SET since = CASE WHEN "
                  "alert_states.state = ?2 THEN alert_states.since ELSE ?4 END, state = ?2, value "
                  "= ?3, checked_at = ?4, error = ?5",
                  (struct state_value[]){STATE_SLICE(w->id), STATE_SLICE(w->state),
                                         STATE_SLICE(w->value), STATE_I64(a->now.ms),
                                         STATE_SLICE(w->error)},
                  5, NULL, NULL, err));
    return w->what ? log_seen(s, a, err) : RC_OK;
}

enum rc watch_alert_seen(struct state *s, const struct watch_seen *seen, unix_ms now,
                         struct err *err)
{
    struct seen a = {seen, now};
    return state_transaction(s, apply_seen, &a, err);
}

struct settling {
    const struct watch_settled *settled;
    unix_ms now;
};

static enum rc apply_settled(void *arg, struct state *s, struct err *err)
{
    const struct settling *a = arg;
    const struct watch_settled *w = a->settled;
    TRY(state_run(s,
                  "INSERT INTO mail_report_states (id, next_at, made_for, error, attempts) VALUES "
                  "(?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET next_at = ?2, made_for = "
                  "?3, error = ?4, attempts = ?5",
                  (struct state_value[]){STATE_SLICE(w->id), STATE_I64(w->next_at),
                                         STATE_SLICE(w->made_for), STATE_SLICE(w->error),
                                         STATE_I64(w->attempts)},
                  5, NULL, NULL, err));
    TRY(state_run(s, "DELETE FROM mail_report_states WHERE id NOT IN (SELECT id FROM mail_reports)",
                  NULL, 0, NULL, NULL, err));
    return queue(s, w->id, w->project, w->messages, w->count, a->now, err);
}

enum rc watch_report_settled(struct state *s, const struct watch_settled *settled, unix_ms now,
                             struct err *err)
{
    struct settling a = {settled, now};
    return state_transaction(s, apply_settled, &a, err);
}

/* ---- the queue ---- */
/* Empty: of a version that did not say it. */
static void copy_id(char to[UUID_TEXT_LEN + 1], struct slice id)
{
    must(id.len == 0 || id.len == UUID_TEXT_LEN);
    snprintf(to, UUID_TEXT_LEN + 1, "%.*s", SLICE_ARG(id));
}

static enum rc on_due(void *arg, const struct state_row *row)
{
    struct watch_due *due = arg;
    copy_id(due->id, state_row_text(row, 0));
    buf_add_slice(&due->to, state_row_text(row, 1));
    buf_add_slice(&due->subject, state_row_text(row, 2));
    buf_add_slice(&due->text, state_row_text(row, 3));
    buf_add_slice(&due->html, state_row_text(row, 4));
    due->attempts = state_row_i64(row, 5);
    copy_id(due->source, state_row_text(row, 6));
    return RC_OK;
}

enum rc watch_mail_due(struct state *s, unix_ms now, struct watch_due *ret, struct err *err)
{
    *ret = (struct watch_due){.id = ""};
    buf_init(&ret->to, TEXT_BYTES_MAX);
    buf_init(&ret->subject, TEXT_BYTES_MAX);
    buf_init(&ret->text, TEXT_BYTES_MAX);
    buf_init(&ret->html, TEXT_BYTES_MAX);
    TRY(state_run(s,
                  "SELECT id, recipient, subject, text, html, attempts, source FROM "
                  "mail_queue WHERE next_at <= ?1 ORDER BY next_at, id LIMIT 1",
                  &STATE_I64(now.ms), 1, on_due, ret, err));
    return ret->id[0] ? RC_OK : RC_END;
}

void watch_due_done(struct watch_due *due)
{
    buf_done(&due->to);
    buf_done(&due->subject);
    buf_done(&due->text);
    buf_done(&due->html);
}

struct sent {
    const struct watch_due *due;
    const char *why; /* NULL: it is sent */
    unix_ms now;
};

static enum rc take_out(const struct sent *a, struct state *s, struct err *err)
{
    return state_run(s, "DELETE FROM mail_queue WHERE id = ?1", &STATE_STR(a->due->id), 1, NULL,
                     NULL, err);
}

static enum rc apply_sent(void *arg, struct state *s, struct err *err)
{
    const struct sent *a = arg;
    TRY(take_out(a, s, err));
    return state_run(s, "UPDATE mail_report_states SET sent_at = ?2 WHERE id = ?1",
                     (struct state_value[]){STATE_STR(a->due->source), STATE_I64(a->now.ms)}, 2,
                     NULL, NULL, err);
}

/* The source is one of the two: of the other kind, there is none of that id. */
static enum rc apply_given_up(void *arg, struct state *s, struct err *err)
{
    const struct sent *a = arg;
    struct uuid id = uuid_v7(a->now);
    char text[UUID_TEXT_LEN + 1];
    CLEANUP(buf_done) struct buf told;
    buf_init(&told, TEXT_BYTES_MAX);
    buf_addf(&told, "A message to %.*s was given up: %s", (int)a->due->to.len, a->due->to.data,
             a->why);
    TRY(take_out(a, s, err));
    TRY(state_run(s, "UPDATE mail_report_states SET error = ?2 WHERE id = ?1",
                  (struct state_value[]){STATE_STR(a->due->source), STATE_SLICE(buf_slice(&told))},
                  2, NULL, NULL, err));
    return state_run(
        s,
        "INSERT INTO alert_log (id, project_id, alert_id, at, what, value, text) "
        "SELECT ?1, project_id, id, ?3, 'not_sent', '', name || ': ' || ?4 FROM alerts "
        "WHERE id = ?2",
        (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_STR(a->due->source),
                               STATE_I64(a->now.ms), STATE_SLICE(buf_slice(&told))},
        4, NULL, NULL, err);
}

enum rc watch_mail_sent(struct state *s, const struct watch_due *due, unix_ms now, struct err *err)
{
    return state_transaction(s, apply_sent, &(struct sent){.due = due, .now = now}, err);
}

enum rc watch_mail_failed(struct state *s, const struct watch_due *due, const char *why,
                          bool is_final, unix_ms now, struct err *err)
{
    static const int64_t waits_s[WATCH_ATTEMPTS_MAX] = {5, 60, 600, 3600, 10000, 0};
    if (is_final || due->attempts + 1 >= WATCH_ATTEMPTS_MAX)
        return state_transaction(s, apply_given_up,
                                 &(struct sent){.due = due, .why = why, .now = now}, err);
    return state_run(s, "UPDATE mail_queue SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1",
                     (struct state_value[]){STATE_STR(due->id),
                                            STATE_I64(now.ms + waits_s[due->attempts] * 1000)},
                     2, NULL, NULL, err);
}
