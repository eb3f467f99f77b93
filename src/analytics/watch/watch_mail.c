/* WHAT    One mail report: when it is due, and what stands in it (watch_int.h).
 * WHY     Days are the project's: the store, which knows all zones, says which days the last whole
 *         span has and when the next message is due. The next time is settled together with the
 *         message, so that none is made twice. */
#include "analytics/watch/watch_int.h"

#include <stdio.h>

enum { MESSAGE_BYTES_MAX = 64 << 10, ROWS = 10, HOUR_DEFAULT = 8, DAY_LEN = 10 };

struct span {
    char from[16], to[16];
    int64_t next_ms;
};

struct days { /* SQL, of d, the day that it is */
    const char *every, *begun, *next, *last;
};
static const struct days spans[] = {
    {"day", "d", "d + 1", "d - 1"},
    {"week", "toMonday(d)", "toMonday(d) + 7", "toMonday(d) - 7"},
    {"month", "toStartOfMonth(d)", "addMonths(toStartOfMonth(d), 1)",
     "addMonths(toStartOfMonth(d), -1)"},
};

static const struct days *days_of(yyjson_val *schedule)
{
    for (size_t i = 0; i < COUNT_OF(spans); i++)
        if (yyjson_equals_str(json_get(schedule, "every"), spans[i].every))
            return &spans[i];
    return &spans[0];
}

/* "2026-01-31 2026-01-31 1769904000": the last whole span, and when its successor's message is due.
 */
static void add_span_sql(struct buf *sql, const struct days *days)
{
    buf_addf(
        sql,
        "WITH {zone:String} AS zone, toDate(toDateTime({now:UInt32}, zone)) AS d, %s AS begun,"
        " day -> toUnixTimestamp(toDateTime(concat(toString(day), {hour:String}), zone)) AS due"
        " SELECT concat(toString(%s), ' ', toString(begun - 1), ' ', toString(if(due(begun) >"
        " {now:UInt32}, due(begun), due(%s))))",
        days->begun, days->last, days->next);
}

static enum rc ask_span(struct watch *w, const struct watch_item *item, yyjson_val *schedule,
                        struct span *ret, struct err *err)
{
    char hour[16], now[24];
    CLEANUP(buf_done) struct buf out;
    CLEANUP(buf_done) struct buf sql;
    yyjson_val *v = json_get(schedule, "hour");
    int64_t h = HOUR_DEFAULT;
    if (v && !json_to_i64(v, &h))
        h = HOUR_DEFAULT;
    buf_init(&out, 256);
    buf_init(&sql, 2048);
    add_span_sql(&sql, days_of(schedule));
    snprintf(hour, sizeof(hour), " %02u:00:00", (unsigned)h % 24);
    snprintf(now, sizeof(now), "%lld", (long long)(unix_now().ms / 1000));
    const struct store_param params[] = {
        {"zone", item->time_zone.len ? item->time_zone : SLICE_LIT("UTC")},
        {"hour", slice_str(hour)},
        {"now", slice_str(now)}};
    const struct store_query q = {.sql = buf_cstr(&sql),
                                  .format = "TabSeparated",
                                  .params = params,
                                  .param_count = COUNT_OF(params),
                                  .read_only = true};
    struct store_client *client;
    TRY(store_pool_take(w->cfg.pool, &client, err));
    enum rc rc = store_query(NULL, client, &q, &out, NULL, NULL, err);
    store_pool_give(w->cfg.pool, client);
    TRY(rc);
    struct slice rest = slice_trim(slice_of(out.data, out.len ? out.len - 1 : 0));
    struct slice from = slice_cut(&rest, ' '), to = slice_cut(&rest, ' ');
    int64_t next_s = 0;
    ENSURE(from.len == DAY_LEN && to.len == DAY_LEN && slice_to_i64(rest, &next_s),
           err_set(err, RC_STORE, "the store gave no days"));
    snprintf(ret->from, sizeof(ret->from), "%.*s", SLICE_ARG(from));
    snprintf(ret->to, sizeof(ret->to), "%.*s", SLICE_ARG(to));
    ret->next_ms = next_s * 1000;
    return RC_OK;
}

/* ---- what stands in it ---- */
struct mail {
    struct buf text, html;
};

static void add_html(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '<' || c == '>' || c == '&' || c == '"')
            buf_addf(out, "&#%d;", c);
        else
            buf_add_char(out, c);
    }
}

static void add_row(struct mail *m, struct slice name, double value, bool has_value,
                    const char *change)
{
    char number[32] = "-";
    if (has_value)
        snprintf(number, sizeof(number), "%.10g", value);
    buf_addf(&m->text, "  %-12s  ", number);
    buf_add_slice(&m->text, name);
    buf_addf(&m->text, "%s\n", change);
    buf_add_str(&m->html, "<tr><td>");
    add_html(&m->html, name);
    buf_addf(&m->html, "</td><td align=\"right\">%s%s</td></tr>", number, change);
}

static void add_heading(struct mail *m, const char *heading)
{
    buf_addf(&m->text, "\n%s\n", heading);
    buf_addf(&m->html, "<h3>%s</h3><table>", heading);
}

static enum rc add_totals(struct watch *w, const struct watch_item *item, const struct span *span,
                          struct arena *arena, struct mail *m, struct err *err)
{
    static const char *const names[] = {"Visitors", "Visits", "Page views", "Bounce rate (%)",
                                        "Visit duration (s)"};
    yyjson_val *answer;
    const char *question = arena_printf(
        arena,
        "{\"metrics\":[\"visitors\",\"visits\",\"pageviews\",\"bounce_rate\",\"visit_duration\"],"
        "\"date_range\":[\"%s\",\"%s\"],\"include\":{\"compare\":\"previous_period\"}}",
        span->from, span->to);
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

static enum rc add_list(struct watch *w, const struct watch_item *item, const struct span *span,
                        const char *heading, const char *dimension, struct arena *arena,
                        struct mail *m, struct err *err)
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
        struct slice text = name && yyjson_is_str(name) ? json_text(name) : SLICE_EMPTY;
        add_row(m, text.len ? text : SLICE_LIT("(none)"), value, has_value, "");
    }
    buf_add_str(&m->html, "</table>");
    return RC_OK;
}

static enum rc write_mail(struct watch *w, const struct watch_item *item, const struct span *span,
                          struct arena *arena, struct mail *m, struct err *err)
{
    buf_addf(&m->text, "%.*s, %s to %s\n", SLICE_ARG(item->project_name), span->from, span->to);
    buf_add_str(&m->html, "<!DOCTYPE html><html><body><h2>");
    add_html(&m->html, item->project_name);
    buf_addf(&m->html, "</h2><p>%s to %s</p>", span->from, span->to);
    TRY(add_totals(w, item, span, arena, m, err));
    TRY(add_list(w, item, span, "Pages", "page", arena, m, err));
    TRY(add_list(w, item, span, "Sources", "source", arena, m, err));
    TRY(add_list(w, item, span, "Countries", "country", arena, m, err));
    buf_add_str(&m->html, "</body></html>\n");
    return buf_ok(&m->text) && buf_ok(&m->html) ? RC_OK
                                                : err_set(err, RC_LIMIT, "the report is too long");
}

static enum rc queue_mail(struct watch *w, const struct watch_item *item, const struct span *span,
                          struct arena *arena, struct mail *m, struct err *err)
{
    struct watch_message messages[WATCH_EMAILS_MAX];
    TRY(write_mail(w, item, span, arena, m, err));
    size_t name_len = item->name.len < 60 ? item->name.len : 60;
    size_t project_len = item->project_name.len < 60 ? item->project_name.len : 60;
    const struct watch_message message = {
        .subject = slice_str(arena_printf(arena, "[%.*s] %.*s %s", (int)project_len,
                                          item->project_name.data, (int)name_len, item->name.data,
                                          span->from)),
        .text = buf_slice(&m->text),
        .html = buf_slice(&m->html)};
    uint32_t count = watch_address(arena, item->emails, message, messages);
    return watch_report_queued(w->cfg.state, item->id, item->project, span->next_ms, messages,
                               count, unix_now(), err);
}

enum rc watch_mail_report(struct watch *w, const struct watch_item *item, struct arena *arena,
                          struct err *err)
{
    struct span span = {.next_ms = 0};
    struct mail m;
    yyjson_val *schedule;
    if (item->next_at > unix_now().ms)
        return RC_OK;
    TRY(json_parse(arena, item->condition, &schedule, err));
    TRY(ask_span(w, item, schedule, &span, err));
    if (item->next_at == 0) /* a new one: the first message comes at its hour */
        return watch_report_queued(w->cfg.state, item->id, item->project, span.next_ms, NULL, 0,
                                   unix_now(), err);
    buf_init(&m.text, MESSAGE_BYTES_MAX);
    buf_init(&m.html, MESSAGE_BYTES_MAX);
    enum rc rc = queue_mail(w, item, &span, arena, &m, err);
    buf_done(&m.text);
    buf_done(&m.html);
    return rc;
}
