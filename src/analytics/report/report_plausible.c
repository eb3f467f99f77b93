/* WHAT    POST /api/v2/query: Plausible's Stats API, asked in its words and answered in its shape.
 * WHY     Our question has the same shape, so theirs is rewritten word by word into one of ours
 *         and goes the same way; nothing here makes SQL. A goal of theirs is a stored goal of that
 *         name, or an event (report_plausible_stored.c).
 *         What it says of numbers (rounding, "Direct / None", no empty buckets) is done to the
 *         rows at the end. Source: docs/stats-api.md of plausible/docs.
 * THREADS as report_routes.c */
#include "analytics/report/report_plausible_int.h"

#include <math.h>
#include <stdio.h>

enum { BODY_BYTES_MAX = 2 * REPORT_BODY_BYTES_MAX };

/* ---- words ---- */
enum label { LABEL_NOT_SET, LABEL_DIRECT, LABEL_NONE };
static const char *const labels[] = {"(not set)", "Direct / None", "(none)"};
static const struct word {
    const char *theirs, *ours;
    enum label label; /* what the empty text is called */
} words[] = {
    {"event:goal", "event", LABEL_NOT_SET},
    {"event:name", "event", LABEL_NOT_SET},
    {"event:page", "page", LABEL_NOT_SET},
    {"event:hostname", "hostname", LABEL_NOT_SET},
    {"visit:entry_page", "entry_page", LABEL_NOT_SET},
    {"visit:exit_page", "exit_page", LABEL_NOT_SET},
    {"visit:entry_page_hostname", "entry_hostname", LABEL_NOT_SET},
    {"visit:source", "source", LABEL_DIRECT},
    {"visit:referrer", "referrer", LABEL_DIRECT},
    {"visit:channel", "channel", LABEL_NOT_SET},
    {"visit:utm_source", "utm_source", LABEL_NOT_SET},
    {"visit:utm_medium", "utm_medium", LABEL_NOT_SET},
    {"visit:utm_campaign", "utm_campaign", LABEL_NOT_SET},
    {"visit:utm_term", "utm_term", LABEL_NOT_SET},
    {"visit:utm_content", "utm_content", LABEL_NOT_SET},
    {"visit:device", "device", LABEL_NOT_SET},
    {"visit:screen", "device", LABEL_NOT_SET},
    {"visit:browser", "browser", LABEL_NOT_SET},
    {"visit:browser_version", "browser_version", LABEL_NOT_SET},
    {"visit:os", "os", LABEL_NOT_SET},
    {"visit:os_version", "os_version", LABEL_NOT_SET},
    {"visit:country", "country", LABEL_NOT_SET},
    {"visit:region", "region", LABEL_NOT_SET},
    {"visit:city_name", "city", LABEL_NOT_SET},
    {"time:minute", "time:minute", LABEL_NOT_SET},
    {"time:hour", "time:hour", LABEL_NOT_SET},
    {"time:day", "time:day", LABEL_NOT_SET},
    {"time:week", "time:week", LABEL_NOT_SET},
    {"time:month", "time:month", LABEL_NOT_SET},
};
static const char props[] = "event:props:";

static const struct word *word_of(struct slice name)
{
    static const struct word property = {props, "property:", LABEL_NONE};
    if (slice_has_prefix(name, SLICE_LIT("event:props:")))
        return &property;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq_str(name, words[i].theirs))
            return &words[i];
    return NULL;
}

bool plausible_wrong(struct err *err, const char *what, struct slice name)
{
    (void)err_set(err, RC_INVALID, "Invalid %s '%.*s'", what, name.len > 80 ? 80 : (int)name.len,
                  name.data);
    return false;
}

/* A field's name; a dot in a property's is a dot of the name. */
static bool put_name(struct rewriting *w, yyjson_val *v)
{
    struct slice name = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
    char text[2 * REPORT_NAME_BYTES_MAX + 16];
    const struct word *word = word_of(name);
    if (w->goals && slice_eq_str(name, "event:goal")) {
        buf_add_str(w->out, "\"goal\"");
        return true;
    }
    if (slice_eq_str(name, "time")) {
        buf_addf(w->out, "\"time:%s\"", w->unit);
        return true;
    }
    if (!word || name.len > REPORT_NAME_BYTES_MAX)
        return plausible_wrong(w->err, "dimension", name);
    size_t len = strlen(word->ours);
    memcpy(text, word->ours, len);
    if (word->label == LABEL_NONE) {
        for (size_t i = strlen(props); i < name.len; i++) {
            if (name.data[i] == '.' || name.data[i] == '\\')
                text[len++] = '\\';
            text[len++] = name.data[i];
        }
    }
    buf_add_json(w->out, slice_of(text, len));
    return true;
}

static struct slice metric_of(struct slice name)
{
    return slice_eq_str(name, "time_on_page") ? SLICE_LIT("engagement_time") : name;
}

void plausible_put_json(struct rewriting *w, yyjson_val *v)
{
    if (json_is_number(v))
        buf_add_slice(w->out, json_text(v));
    else if (yyjson_is_str(v))
        buf_add_json(w->out, json_text(v));
    else if (yyjson_is_bool(v))
        buf_add_str(w->out, yyjson_is_true(v) ? "true" : "false");
    else
        buf_add_str(w->out, "null"); /* refused by whoever reads it */
}

/* ---- filters ---- */
/* Values, where the words for "nothing" become nothing. */
static void put_values(struct rewriting *w, yyjson_val *list, const struct word *word)
{
    size_t i, n;
    yyjson_val *v;
    buf_add_str(w->out, ",[");
    yyjson_arr_foreach(list, i, n, v)
    {
        if (i)
            buf_add_char(w->out, ',');
        if (word && yyjson_is_str(v) && slice_eq_str(json_text(v), labels[word->label]))
            buf_add_str(w->out, "\"\"");
        else
            plausible_put_json(w, v);
    }
    buf_add_char(w->out, ']');
}

static bool put_simple(struct rewriting *w, yyjson_val *f)
{
    yyjson_val *flags = yyjson_arr_get(f, 3), *name = yyjson_arr_get(f, 1);
    struct slice text = yyjson_is_str(name) ? json_text(name) : SLICE_EMPTY;
    buf_add_char(w->out, ',');
    if (slice_has_prefix(text, SLICE_LIT("time")) || !yyjson_is_arr(yyjson_arr_get(f, 2)))
        return plausible_wrong(w->err, "filter on", text);
    if (!put_name(w, name))
        return false;
    put_values(w, yyjson_arr_get(f, 2), word_of(text));
    yyjson_val *sensitive = json_get(flags, "case_sensitive");
    if (sensitive)
        buf_addf(w->out, ",{\"case_sensitive\":%s}", yyjson_is_false(sensitive) ? "false" : "true");
    return true;
}

static bool put_filter(struct rewriting *w, yyjson_val *f);

static bool put_list(struct rewriting *w, yyjson_val *list)
{
    size_t i, n;
    yyjson_val *v;
    buf_add_char(w->out, '[');
    yyjson_arr_foreach(list, i, n, v)
    {
        if (i)
            buf_add_char(w->out, ',');
        if (!put_filter(w, v))
            return false;
    }
    buf_add_char(w->out, ']');
    return true;
}

static bool put_filter(struct rewriting *w, yyjson_val *f)
{
    yyjson_val *op = yyjson_arr_get(f, 0);
    struct slice name = yyjson_is_str(op) ? json_text(op) : SLICE_EMPTY;
    bool is_list = slice_eq_str(name, "and") || slice_eq_str(name, "or");
    bool is_one = slice_eq_str(name, "not") || slice_eq_str(name, "has_done") ||
                  slice_eq_str(name, "has_not_done");
    if (name.len == 0 || ++w->nodes > 2 * REPORT_FILTERS_MAX)
        return plausible_wrong(w->err, "filter", name);
    if (!is_list && !is_one && plausible_is_goal(f))
        return plausible_put_goal(w, f);
    if (!is_list && !is_one && plausible_is_segment(f))
        return plausible_put_segment(w, f);
    buf_add_char(w->out, '[');
    buf_add_json(w->out, name);
    if (is_list || is_one)
        buf_add_char(w->out, ',');
    bool is_ok = is_list  ? put_list(w, yyjson_arr_get(f, 1))
                 : is_one ? put_filter(w, yyjson_arr_get(f, 1))
                          : put_simple(w, f);
    buf_add_char(w->out, ']');
    return is_ok;
}

/* Goals at the outermost level are what is to be reached; everything else is a filter. */
static bool put_filters(struct rewriting *w, yyjson_val *filters)
{
    size_t i, n, count = 0;
    yyjson_val *f;
    yyjson_arr_foreach(filters, i, n, f)
    {
        if (plausible_is_goal(f))
            continue;
        buf_add_str(w->out, count++ ? "," : ",\"filters\":[");
        if (!put_filter(w, f))
            return false;
    }
    if (count)
        buf_add_char(w->out, ']');
    return true;
}

/* ---- the rest of the question ---- */
static bool put_names(struct rewriting *w, yyjson_val *list, const char *member)
{
    size_t i, n;
    yyjson_val *v;
    buf_addf(w->out, ",\"%s\":[", member);
    yyjson_arr_foreach(list, i, n, v)
    {
        if (i)
            buf_add_char(w->out, ',');
        if (strcmp(member, "metrics") == 0 && yyjson_is_str(v))
            buf_add_json(w->out, metric_of(json_text(v)));
        else if (!put_name(w, v))
            return false;
    }
    buf_add_char(w->out, ']');
    return true;
}

static bool put_orders(struct rewriting *w, yyjson_val *list)
{
    size_t i, n;
    yyjson_val *v;
    if (!list || yyjson_is_null(list))
        return true;
    buf_add_str(w->out, ",\"order_by\":[");
    yyjson_arr_foreach(list, i, n, v)
    {
        yyjson_val *name = yyjson_arr_get(v, 0);
        struct slice text = yyjson_is_str(name) ? json_text(name) : SLICE_EMPTY;
        buf_add_str(w->out, i ? ",[" : "[");
        if (word_of(text) || slice_eq_str(text, "time")) {
            if (!put_name(w, name))
                return false;
        } else {
            buf_add_json(w->out, metric_of(text));
        }
        buf_add_char(w->out, ',');
        plausible_put_json(w, yyjson_arr_get(v, 1));
        buf_add_char(w->out, ']');
    }
    buf_add_char(w->out, ']');
    return true;
}

/* Their second instant belongs to the range, to the second. */
static void put_range(struct rewriting *w, yyjson_val *range)
{
    yyjson_val *last = yyjson_arr_get(range, 1);
    char text[TIME_TEXT_BYTES];
    unix_ms to;
    buf_add_str(w->out, "{\"date_range\":");
    if (!yyjson_is_arr(range)) {
        plausible_put_json(w, range);
        return;
    }
    buf_add_char(w->out, '[');
    plausible_put_json(w, yyjson_arr_get(range, 0));
    buf_add_char(w->out, ',');
    if (yyjson_is_str(last) && json_text(last).len > 10 && time_parse(json_text(last), &to))
        buf_addf(w->out, "\"%s\"", time_format((unix_ms){to.ms / 1000 * 1000 + 1000}, text));
    else
        plausible_put_json(w, last);
    buf_add_char(w->out, ']');
}

static const char *unit_of(yyjson_val *range)
{
    static const char *const hours[] = {"day", "24h"}, *const months[] = {"6mo", "12mo", "year"};
    struct slice word = yyjson_is_str(range) ? json_text(range) : SLICE_EMPTY;
    yyjson_val *first = yyjson_arr_get(range, 0), *last = yyjson_arr_get(range, 1);
    for (size_t i = 0; i < COUNT_OF(hours); i++)
        if (slice_eq_str(word, hours[i]))
            return "hour";
    for (size_t i = 0; i < COUNT_OF(months); i++)
        if (slice_eq_str(word, months[i]))
            return "month";
    bool is_one_day =
        yyjson_is_str(first) && yyjson_is_str(last) && slice_eq(json_text(first), json_text(last));
    return is_one_day ? "hour" : "day";
}

static void put_extras(struct rewriting *w, yyjson_val *root)
{
    static const char *const flags[] = {"time_labels", "total_rows"};
    yyjson_val *include = json_get(root, "include"), *page = json_get(root, "pagination");
    yyjson_val *limit = json_get(page, "limit"), *offset = json_get(page, "offset");
    buf_addf(w->out, ",\"limit\":");
    if (limit)
        plausible_put_json(w, limit);
    else
        buf_addf(w->out, "%d", REPORT_LIMIT_MAX);
    if (offset) {
        buf_add_str(w->out, ",\"offset\":");
        plausible_put_json(w, offset);
    }
    buf_add_str(w->out, ",\"include\":{");
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        yyjson_val *v = json_get(include, flags[i]);
        if (!v)
            continue;
        buf_addf(w->out, "%s\"%s\":", between, flags[i]);
        plausible_put_json(w, v);
        between = ",";
    }
    buf_add_str(w->out, "}}");
}

static bool rewrite(struct rewriting *w, yyjson_val *root)
{
    yyjson_val *dims = json_get(root, "dimensions"), *filters = json_get(root, "filters");
    size_t i, n;
    yyjson_val *f;
    bool has_goal = false;
    w->unit = unit_of(json_get(root, "date_range"));
    put_range(w, json_get(root, "date_range"));
    yyjson_arr_foreach(filters, i, n, f) has_goal |= plausible_is_goal(f);
    if (!put_names(w, json_get(root, "metrics"), "metrics") || !put_names(w, dims, "dimensions") ||
        !put_filters(w, filters) || !plausible_put_wanted(w, filters) ||
        !put_orders(w, json_get(root, "order_by")))
        return false;
    if (!has_goal && !w->goals && plausible_has_goal_dimension(dims))
        buf_add_str(w->out, ",\"goal\":[[\"is_not\",\"event\",[\"pageview\"]]]");
    put_extras(w, root);
    return true;
}

/* ---- the answer ---- */
struct plausible { /* beside the report_run that it begins with */
    struct report_run run;
    yyjson_val *root; /* as it came */
    bool is_imports_asked;
};

/* 0 or NULL decimals: how many they show. -1: as it is. */
static int decimals_of(const struct report_metric *m, bool *ret_is_zero_shown)
{
    static const struct {
        const char *name;
        int decimals;
        bool is_zero_shown;
    } shown[] = {
        {"bounce_rate", 0, true},      {"visit_duration", 0, true},
        {"views_per_visit", 2, true},  {"engagement_time", 0, false},
        {"scroll_depth", 0, false},    {"percentage", 2, false},
        {"conversion_rate", 2, false}, {"group_conversion_rate", 2, false},
    };
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        if (!slice_eq_str(m->name, shown[i].name))
            continue;
        *ret_is_zero_shown = shown[i].is_zero_shown;
        return shown[i].decimals;
    }
    return -1;
}

static void put_revenue(struct buf *body, struct arena *scratch, yyjson_val *v)
{
    yyjson_val *map, *key = NULL, *value = NULL;
    size_t i, n;
    if (!yyjson_is_str(v) || json_parse(scratch, json_text(v), &map, NULL) != RC_OK ||
        yyjson_obj_size(map) != 1) {
        buf_add_str(body, "null"); /* none, or several currencies */
        return;
    }
    yyjson_obj_foreach(map, i, n, key, value)
    {
        break; /* behind the loop's end they would point further */
    }
    struct slice number = json_text(value), currency = json_text(key);
    buf_addf(body,
             "{\"value\":%.*s,\"currency\":\"%.*s\",\"short\":\"%.*s %.*s\",\"long\":\"%.*s "
             "%.*s\"}",
             SLICE_ARG(number), SLICE_ARG(currency), SLICE_ARG(currency), SLICE_ARG(number),
             SLICE_ARG(currency), SLICE_ARG(number));
}

static void put_metric(struct buf *body, struct arena *scratch, const struct report_metric *m,
                       yyjson_val *v)
{
    bool is_zero_shown = false;
    int decimals = decimals_of(m, &is_zero_shown);
    double number;
    if (m->def && m->def->kind == VALUE_JSON) {
        put_revenue(body, scratch, v);
    } else if (decimals < 0 || !json_to_double(v, &number)) {
        if (is_zero_shown)
            buf_add_char(body, '0');
        else
            report_add_value(body, v);
    } else {
        double scale = decimals == 2 ? 100 : 1;
        buf_addf(body, "%.15g", round(number * scale) / scale);
    }
}

static void put_label(struct buf *body, struct slice label)
{
    char text[] = "2026-01-31 12:00:00";
    if (label.len > strlen("2026-01-31")) { /* theirs have no offset */
        memcpy(text, label.data, label.len < strlen(text) ? label.len : strlen(text));
        text[10] = ' ';
        label = slice_str(text);
    }
    buf_add_json(body, label);
}

static void put_dimension(struct buf *body, const struct plausible *p, uint32_t i, yyjson_val *v)
{
    yyjson_val *name = yyjson_arr_get(json_get(p->root, "dimensions"), i);
    const struct word *word = name ? word_of(json_text(name)) : NULL;
    struct slice text = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
    if (p->run.report.dims[i].field->kind == FIELD_TIME)
        put_label(body, text);
    else
        buf_add_json(body, text.len || !word ? text : slice_str(labels[word->label]));
}

/* Buckets in which nothing happened are not shown. */
static bool is_empty(const struct report *r, yyjson_val *row)
{
    if (r->dim_count != 1 || r->dims[0].field->kind != FIELD_TIME)
        return false;
    for (uint32_t i = 0; i < r->metric_count; i++) {
        yyjson_val *v = yyjson_arr_get(row, 1 + i);
        if (json_is_number(v) && !slice_eq_str(json_text(v), "0"))
            return false;
        if (yyjson_is_str(v) && !slice_eq_str(json_text(v), "{}"))
            return false;
    }
    return true;
}

static void put_row(struct buf *body, struct arena *scratch, const struct plausible *p,
                    yyjson_val *row)
{
    const struct report *r = &p->run.report;
    buf_add_str(body, "{\"metrics\":[");
    for (uint32_t i = 0; i < r->metric_count; i++) {
        if (i)
            buf_add_char(body, ',');
        put_metric(body, scratch, &r->metrics[i], yyjson_arr_get(row, r->dim_count + i));
    }
    buf_add_str(body, "],\"dimensions\":[");
    for (uint32_t i = 0; i < r->dim_count; i++) {
        if (i)
            buf_add_char(body, ',');
        put_dimension(body, p, i, yyjson_arr_get(row, i));
    }
    buf_add_str(body, "]}");
}

static void put_time_labels(struct buf *body, struct arena *scratch, struct slice members)
{
    CLEANUP(buf_done) struct buf list;
    yyjson_val *root, *v;
    size_t i, n;
    buf_init(&list, members.len + 3);
    buf_addf(&list, "[%.*s]", SLICE_ARG(members));
    buf_add_str(body, "\"time_labels\":[");
    if (json_parse(scratch, buf_slice(&list), &root, NULL) == RC_OK) {
        yyjson_arr_foreach(root, i, n, v)
        {
            if (i)
                buf_add_char(body, ',');
            put_label(body, json_text(v));
        }
    }
    buf_add_char(body, ']');
}

static void put_query(struct buf *body, const struct plausible *p)
{
    static const char *const sent[] = {"site_id",  "metrics", "dimensions", "filters",
                                       "order_by", "include", "pagination"};
    const struct report *r = &p->run.report;
    char text[TIME_TEXT_BYTES];
    char *space = arena_alloc(r->arena, REPORT_BODY_BYTES_MAX);
    buf_addf(body, ",\"query\":{\"date_range\":[\"%s\",", time_format(r->from, text));
    buf_addf(body, "\"%s\"]", time_format((unix_ms){r->to.ms - 1000}, text));
    for (size_t i = 0; i < COUNT_OF(sent) && space; i++) {
        struct json_out out = {.p = space, .end = space + REPORT_BODY_BYTES_MAX};
        yyjson_val *v = json_get(p->root, sent[i]);
        if (!v || json_write(&out, v, NULL, r->arena) != JSON_FINE || out.is_full)
            continue;
        buf_addf(body, ",\"%s\":", sent[i]);
        buf_add(body, space, (size_t)(out.p - space));
    }
    buf_add_char(body, '}');
}

static enum rc put_answer(const struct plausible *p, struct slice result, struct arena *scratch,
                          struct buf *body, struct err *err)
{
    const struct report *r = &p->run.report;
    struct slice line;
    yyjson_val *row;
    int64_t total = 0;
    const char *between = "";
    buf_add_str(body, "{\"results\":[");
    while (json_line_next(&result, &line)) {
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        if (r->has_total && !json_to_i64(yyjson_arr_get_last(row), &total))
            return err_set(err, RC_STORE, "the store's answer has another shape");
        if (is_empty(r, row))
            continue;
        buf_add_str(body, between);
        put_row(body, scratch, p, row);
        between = ",";
    }
    buf_add_str(body, "],\"meta\":{");
    if (r->has_time_labels) {
        arena_reset(scratch);
        put_time_labels(body, scratch, p->run.labels);
    }
    between = r->has_time_labels ? "," : "";
    if (r->has_total) {
        buf_addf(body, "%s\"total_rows\":%lld", between, (long long)total);
        between = ",";
    }
    if (p->is_imports_asked)
        buf_addf(body, "%s\"imports_included\":%s", between,
                 r->has_imports ? "true" : "false,\"imports_skip_reason\":\"unsupported_query\"");
    buf_add_char(body, '}');
    put_query(body, p);
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc shape(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err)
{
    struct arena scratch;
    arena_init(&scratch, 64 * 1024, 16 << 20);
    enum rc rc = put_answer(call->user, result, &scratch, body, err);
    arena_done(&scratch);
    return rc;
}

/* ---- the route ---- */
static void refuse(struct api_request *req, int status, const char *text)
{
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, 4096);
    buf_add_str(&body, "{\"error\":");
    buf_add_json(&body, slice_str(text));
    buf_add_char(&body, '}');
    api_json(req, status, buf_slice(&body));
}

static void fail(struct query_call *call)
{
    refuse(call->req, rc_http_status(call->rc), call->err.text);
}

/* Their id of a site, a domain: any name of the project, or its id. */
static bool is_site(const struct api_request *req, struct slice site)
{
    const struct tenant_project *project = req->project;
    return project && (slice_eq_str(site, project->id_text) || slice_eq_str(site, project->name) ||
                       tenant_project_by_name(req->view, site) == project);
}

static bool parse_rewritten(struct query_call *call, struct rewriting *w)
{
    struct plausible *p = call->user;
    struct report *r = &p->run.report;
    struct plausible_source space;
    struct stored_lookup lookup;
    if (!plausible_read_goals(w) || !rewrite(w, p->root))
        return false;
    struct slice question = arena_copy(w->arena, buf_slice(w->out));
    if (!buf_ok(w->out) || !buf_ok(w->chosen)) {
        (void)err_set(&r->err, RC_INVALID, "The question is too large");
        return false;
    }
    if (w->arena->is_failed)
        return false;
    if (w->lookup)
        lookup = plausible_lookup(w, &space);
    return report_parse(r, w->arena, question, w->lookup ? &lookup : NULL);
}

static bool parse(struct query_call *call, const struct stored_lookup *l)
{
    struct plausible *p = call->user;
    struct report *r = &p->run.report;
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf chosen;
    buf_init(&text, BODY_BYTES_MAX);
    buf_init(&chosen, BODY_BYTES_MAX);
    struct rewriting w = {.out = &text,
                          .err = &r->err,
                          .lookup = l,
                          .arena = call->req->net->arena,
                          .chosen = &chosen};
    *r = (struct report){.err = ERR_INIT};
    r->needs_lookup = !l && call->query->cfg.stored && plausible_names_stored(p->root);
    if (r->needs_lookup || !parse_rewritten(call, &w))
        return false;
    r->is_paged = false; /* theirs has no cursor */
    p->is_imports_asked = yyjson_is_true(json_get(json_get(p->root, "include"), "imports"));
    r->has_imports = p->is_imports_asked && !report_imports_problem(r);
    return true;
}

void query_plausible(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    struct plausible *p = call ? arena_zalloc(ctx->arena, sizeof(*p)) : NULL;
    struct err err = ERR_INIT;
    if (!call)
        return;
    if (!p || json_parse(ctx->arena, req->net->body, &p->root, &err) != RC_OK) {
        refuse(req, 400, p ? err.text : "no memory for this request");
        return;
    }
    yyjson_val *site = json_get(p->root, "site_id");
    if (!yyjson_is_str(site)) {
        refuse(req, 400, "#/site_id: give the site's id");
        return;
    }
    if (!is_site(req, json_text(site))) {
        refuse(req, 401,
               "Invalid API key or site ID. Please make sure you're using a valid API key with "
               "access to the site you've requested.");
        return;
    }
    p->run.parse = parse;
    call->user = p;
    call->shape = shape;
    call->fail = fail;
    report_run_start(ctx, call);
}
