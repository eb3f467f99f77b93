/* WHAT    One mail report: what stands in it, and what is kept of it (watch_int.h).
 * WHY     The next time is settled together with the message, so that none is made twice. What will
 *         not work however often it is tried (its saved report is gone, or cannot be asked about
 *         these days; or the store failed at it several times) is told in its `error`, and the next
 *         time is the next chance; while the store is away the message waits. */
#include "analytics/watch/watch_int.h"

#include <stdio.h>

/* Of the longest table, each character of it escaped: 137 kB of HTML. */
enum { MESSAGE_BYTES_MAX = 160 << 10, TABLE_BYTES_MAX = 4 << 20, ROWS = 10, NAME_BYTES = 200 };

/* ---- what stands in it ---- */
static void add_row(struct watch_mail *m, struct slice name, double value, bool has_value,
                    const char *change)
{
    char number[32] = "-";
    if (has_value)
        snprintf(number, sizeof(number), "%.10g", value);
    buf_addf(&m->text, "  %-12s  ", number);
    watch_add_line(&m->text, name);
    buf_addf(&m->text, "%s\n", change);
    buf_add_str(&m->html, "<tr><td>");
    watch_add_html(&m->html, name);
    buf_addf(&m->html, "</td><td align=\"right\">%s%s</td></tr>", number, change);
}

static void add_heading(struct watch_mail *m, const char *heading)
{
    buf_addf(&m->text, "\n%s\n", heading);
    buf_addf(&m->html, "<h3>%s</h3>" WATCH_HTML_TABLE, heading);
}

static enum rc add_totals(struct watch *w, const struct watch_item *item,
                          const struct watch_span *span, struct arena *arena, struct watch_mail *m,
                          struct err *err)
{
    static const char *const names[] = {"Visitors", "Visits", "Page views", "Bounce rate (%)",
                                        "Visit duration (s)"};
    yyjson_val *answer;
    const char *question = arena_printf(
        arena,
        "{\"metrics\":[\"visitors\",\"visits\",\"pageviews\",\"bounce_rate\",\"visit_duration\"],"
        "\"date_range\":[\"%s\",\"%s\"],\"include\":{\"compare\":[\"%s\",\"%s\"]}}",
        span->from, span->to, span->before_from, span->before_to);
    TRY(watch_ask(w, item, slice_str(question), arena, &answer, err));
    add_heading(m, "Totals");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        double value = 0, before = 0;
        char change[32] = "";
        bool has_value = watch_number(answer, 0, i, false, &value);
        if (has_value && watch_number(answer, 0, i, true, &before) && before > 0)
            snprintf(change, sizeof(change), " (%+.1f %%)", 100 * (value - before) / before);
        value = (double)(int64_t)(value * 10 + (value < 0 ? -0.5 : 0.5)) / 10;
        add_row(m, slice_str(names[i]), value, has_value, change);
    }
    buf_add_str(&m->html, "</table>");
    return RC_OK;
}

static enum rc add_list(struct watch *w, const struct watch_item *item,
                        const struct watch_span *span, const char *heading, const char *dimension,
                        struct arena *arena, struct watch_mail *m, struct err *err)
{
    yyjson_val *answer, *row;
    size_t i, n;
    const char *question = arena_printf(arena,
                                        "{\"metrics\":[\"visitors\"],\"dimensions\":[\"%s\"],"
                                        "\"date_range\":[\"%s\",\"%s\"],\"limit\":%d}",
                                        dimension, span->from, span->to, ROWS);
    TRY(watch_ask(w, item, slice_str(question), arena, &answer, err));
    add_heading(m, heading);
    yyjson_arr_foreach(json_get(answer, "results"), i, n, row)
    {
        yyjson_val *name = yyjson_arr_get(json_get(row, "dimensions"), 0);
        double value = 0;
        bool has_value = watch_number(answer, i, 0, false, &value);
        struct slice text = name && yyjson_is_str(name)
                                ? watch_cut(arena, json_text(name), NAME_BYTES)
                                : SLICE_EMPTY;
        add_row(m, text.len ? text : SLICE_LIT("(none)"), value, has_value, "");
    }
    buf_add_str(&m->html, "</table>");
    return RC_OK;
}

/* Of the span, whatever range the saved report says. */
static enum rc add_saved(struct watch *w, const struct watch_item *item, yyjson_val *report,
                         const struct watch_span *span, struct arena *arena, struct watch_mail *m,
                         struct err *err)
{
    struct query_saved saved = {
        .id = json_text(report),
        .over = slice_str(
            arena_printf(arena, "{\"date_range\":[\"%s\",\"%s\"]}", span->from, span->to)),
        .compare =
            slice_str(arena_printf(arena, "[\"%s\",\"%s\"]", span->before_from, span->before_to))};
    const struct query_asker who = watch_asker(item);
    CLEANUP(buf_done) struct buf csv;
    buf_init(&csv, TABLE_BYTES_MAX);
    TRY(query_saved_csv(w->cfg.query, &who, arena, &saved, &csv, err));
    buf_addf(&m->text, "\n%.*s (version %lld)\n", SLICE_ARG(saved.name), (long long)saved.version);
    buf_add_str(&m->html, "<h3>");
    watch_add_html(&m->html, saved.name);
    buf_addf(&m->html, " (version %lld)</h3>", (long long)saved.version);
    return watch_add_table(m, buf_slice(&csv), err);
}

static enum rc add_standard(struct watch *w, const struct watch_item *item,
                            const struct watch_span *span, struct arena *arena,
                            struct watch_mail *m, struct err *err)
{
    TRY(add_totals(w, item, span, arena, m, err));
    TRY(add_list(w, item, span, "Pages", "page", arena, m, err));
    TRY(add_list(w, item, span, "Sources", "source", arena, m, err));
    return add_list(w, item, span, "Countries", "country", arena, m, err);
}

static void add_head(const struct watch_item *item, const struct watch_span *span,
                     struct watch_mail *m)
{
    buf_addf(&m->text, "%.*s, %s to %s\nCompared with %s to %s\n", SLICE_ARG(item->project_name),
             span->from, span->to, span->before_from, span->before_to);
    buf_add_str(&m->html, "<!DOCTYPE html><html><body><h2>");
    watch_add_html(&m->html, item->project_name);
    buf_addf(&m->html, "</h2><p>%s to %s, compared with %s to %s</p>", span->from, span->to,
             span->before_from, span->before_to);
}

/* To these days in the dashboard. */
static void add_link(struct watch *w, const struct watch_item *item, const struct watch_span *span,
                     struct arena *arena, struct watch_mail *m)
{
    const char *page = arena_printf(arena, "overview?range=%s..%s", span->from, span->to);
    const char *link = page ? watch_link(w, item, arena, page) : NULL;
    if (!link)
        return;
    buf_addf(&m->text, "\n%s\n", link);
    buf_add_str(&m->html, "<p><a href=\"");
    watch_add_html(&m->html, slice_str(link));
    buf_add_str(&m->html, "\">Open the dashboard</a></p>");
}

static enum rc write_mail(struct watch *w, const struct watch_item *item,
                          const struct watch_span *span, struct arena *arena, struct watch_mail *m,
                          struct err *err)
{
    yyjson_val *report = NULL;
    if (item->question.len)
        TRY(json_parse(arena, item->question, &report, err));
    add_head(item, span, m);
    TRY(report && yyjson_is_str(report) ? add_saved(w, item, report, span, arena, m, err)
                                        : add_standard(w, item, span, arena, m, err));
    add_link(w, item, span, arena, m);
    buf_add_str(&m->html, "</body></html>\n");
    return buf_ok(&m->text) && buf_ok(&m->html) ? RC_OK
                                                : err_set(err, RC_LIMIT, "the report is too long");
}

static struct watch_message message_of(const struct watch_item *item, const struct watch_span *span,
                                       struct arena *arena, const struct watch_mail *m)
{
    size_t name_len = item->name.len < 60 ? item->name.len : 60;
    size_t project_len = item->project_name.len < 60 ? item->project_name.len : 60;
    return (struct watch_message){
        .subject = slice_str(arena_printf(arena, "[%.*s] %.*s %s", (int)project_len,
                                          item->project_name.data, (int)name_len, item->name.data,
                                          span->from)),
        .text = buf_slice(&m->text),
        .html = buf_slice(&m->html)};
}

static enum rc queue_mail(struct watch *w, const struct watch_item *item,
                          const struct watch_span *span, struct watch_settled settled,
                          struct arena *arena, struct watch_mail *m, struct err *err)
{
    struct watch_message messages[WATCH_EMAILS_MAX];
    struct err why = ERR_INIT;
    enum rc rc = w->cfg.send ? write_mail(w, item, span, arena, m, &why)
                             : err_set(&why, RC_INVALID, "no mail is set up (mail.smtp_url)");
    if (rc == RC_OK) {
        settled.messages = messages;
        settled.count =
            watch_address(arena, item->emails, message_of(item, span, arena, m), messages);
    } else {
        settled.error = slice_str(why.text);
        if (watch_mail_waits(rc, item->attempts)) { /* again with the next look */
            settled.next_at = item->next_at;
            settled.attempts = item->attempts + (rc != RC_UNAVAILABLE);
        }
    }
    TRY(watch_report_settled(w->cfg.state, &settled, unix_now(), err));
    *err = why;
    return rc;
}

static enum rc ask_span(struct watch *w, const struct watch_item *item, unix_ms now,
                        struct arena *arena, struct watch_span *ret, struct err *err)
{
    yyjson_val *schedule;
    TRY(json_parse(arena, item->condition, &schedule, err));
    struct store_client *client;
    TRY(store_pool_take(w->cfg.pool, &client, err));
    enum rc rc = watch_span_ask(client, item->time_zone, schedule, now, ret, err);
    store_pool_give(w->cfg.pool, client);
    return rc;
}

enum rc watch_mail_report(struct watch *w, const struct watch_item *item, struct arena *arena,
                          struct err *err)
{
    const unix_ms now = unix_now();
    struct watch_span span = {.next_ms = 0};
    struct watch_mail m;
    struct slice made_for = watch_made_for(item, arena);
    enum watch_step step = watch_mail_step(item->next_at, item->state, made_for, now);
    if (step == WATCH_WAIT)
        return RC_OK;
    TRY(ask_span(w, item, now, arena, &span, err));
    struct watch_settled settled = {
        .id = item->id, .project = item->project, .made_for = made_for, .next_at = span.next_ms};
    if (step == WATCH_SETTLE)
        return watch_report_settled(w->cfg.state, &settled, now, err);
    buf_init(&m.text, MESSAGE_BYTES_MAX);
    buf_init(&m.html, MESSAGE_BYTES_MAX);
    enum rc rc = queue_mail(w, item, &span, settled, arena, &m, err);
    buf_done(&m.text);
    buf_done(&m.html);
    return rc;
}
