/* WHAT    POST /funnels: how many visitors took the steps in order, within a window.
 * WHY     windowFunnel does it in one pass over the visitor's events. Its default mode lets one
 *         event stand for two steps if it matches both; where the steps given can overlap, the mode
 *         that counts an event once is asked for. docs/definitions.md says the rest.
 * THREADS handler on the request's loop, shape on the worker pool. */
#include "analytics/event/page.h"
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "codec/json.h"

enum {
    STEPS_MIN = 2,
    STEPS_MAX = 20,
    WINDOW_DEFAULT_S = 86400,
    WINDOW_MAX_S = 366 * 86400,
    NAME_BYTES_MAX = 200,
};
struct step {
    struct slice event, name;
    struct slice path; /* in the table's spelling; empty: the step is no page */
};
struct funnel {
    struct step steps[STEPS_MAX];
    uint32_t step_count;
    uint64_t window_s;
};
static const struct {
    const char *name, *column;
} filters[] = {
    {"country", "country"},
    {"hostname", "hostname"},
    {"referrerDomain", "referrer_domain"},
    {"utmSource", "utm_source"},
    {"utmMedium", "utm_medium"},
    {"utmCampaign", "utm_campaign"},
    {"deviceType", "device_type"},
    {"source", "source"},
};

static struct slice text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

static bool invalid(struct query_call *call, const char *what)
{
    api_problem(call->req, RC_INVALID, "%s", what);
    return false;
}

static bool take_step(struct query_call *call, struct funnel *f, yyjson_val *v)
{
    struct step *step = &f->steps[f->step_count++];
    yyjson_val *name = json_get(v, "name");
    step->event = text_of(json_get(v, "eventType"));
    step->name = name && !yyjson_is_null(name) ? text_of(name) : step->event;
    if (!query_check_text(call, "steps[].eventType", step->event))
        return false;
    if (step->event.data[0] == '/') {
        step->path = page_path_normal(step->event, call->req->net->arena);
        if (step->path.len == 0) {
            api_problem(call->req, RC_NOMEM, "no memory for this request");
            return false;
        }
    }
    if (step->name.len == 0 || step->name.len > NAME_BYTES_MAX)
        return invalid(call, "steps[].name: give 1 to 200 bytes of text, or leave it out");
    return true;
}

static bool take_steps(struct query_call *call, struct funnel *f, yyjson_val *steps)
{
    size_t i, n;
    yyjson_val *v;
    if (!yyjson_is_arr(steps) || yyjson_arr_size(steps) < STEPS_MIN ||
        yyjson_arr_size(steps) > STEPS_MAX)
        return invalid(call, "steps: give an array of 2 to 20 steps, {\"eventType\": \"…\"}");
    yyjson_arr_foreach(steps, i, n, v)
    {
        if (!take_step(call, f, v))
            return false;
    }
    return true;
}

static bool take_window(struct query_call *call, struct funnel *f, yyjson_val *window)
{
    int64_t seconds = WINDOW_DEFAULT_S;
    if (window && (!json_to_i64(window, &seconds) || seconds < 1 || seconds > WINDOW_MAX_S))
        return invalid(call, "windowSeconds: give a whole number from 1 to 31622400");
    f->window_s = (uint64_t)seconds;
    return true;
}

static bool take_filter(struct query_call *call, yyjson_val *key, yyjson_val *value,
                        struct buf *where)
{
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        if (!slice_eq_str(json_text(key), filters[i].name))
            continue;
        if (!query_check_text(call, filters[i].name, text_of(value)))
            return false;
        buf_addf(where, " AND %s = {%s:String}", filters[i].column, filters[i].name);
        query_param(call, filters[i].name, text_of(value));
        return true;
    }
    return invalid(call, "filters: known are country, hostname, referrerDomain, utmSource, "
                         "utmMedium, utmCampaign, deviceType, source");
}

static bool take_filters(struct query_call *call, yyjson_val *object, struct buf *where)
{
    size_t i, n;
    yyjson_val *key, *value;
    if (!object || yyjson_is_null(object))
        return true;
    if (!yyjson_is_obj(object) || yyjson_obj_size(object) > COUNT_OF(filters))
        return invalid(call, "filters: give an object of names and texts, each name once");
    yyjson_obj_foreach(object, i, n, key, value)
    {
        if (!take_filter(call, key, value, where))
            return false;
    }
    return true;
}

static bool take_dates(struct query_call *call, yyjson_val *root)
{
    const char *const *names = QUERY_RANGE_NAMES;
    struct slice texts[3];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        yyjson_val *v = json_get(root, names[i]);
        texts[i] = text_of(v);
        if (v && !yyjson_is_null(v) && texts[i].len == 0) {
            api_problem(call->req, RC_INVALID, "%s: give a text, or leave it out", names[i]);
            return false;
        }
    }
    const struct query_range range = {texts[0], texts[1], texts[2]};
    return query_set_range(call, names, &range, QUERY_DAYS_MAX);
}

static bool take_body(struct query_call *call, struct funnel *f, struct buf *where)
{
    yyjson_val *root;
    struct err err = ERR_INIT;
    if (json_parse(call->req->net->arena, call->req->net->body, &root, &err) != RC_OK) {
        api_problem(call->req, RC_INVALID, "the body is no JSON: %s", err.text);
        return false;
    }
    if (!yyjson_is_obj(root))
        return invalid(call, "the body must be an object: {\"steps\": […]}");
    return take_steps(call, f, json_get(root, "steps")) &&
           take_window(call, f, json_get(root, "windowSeconds")) && take_dates(call, root) &&
           take_filters(call, json_get(root, "filters"), where);
}

static bool can_overlap(const struct step *a, const struct step *b)
{
    static const struct slice pageview = {"pageview", 8};
    return slice_eq(a->event, b->event) || (a->path.len && slice_eq(a->path, b->path)) ||
           (a->path.len && slice_eq(b->event, pageview)) ||
           (b->path.len && slice_eq(a->event, pageview));
}

static bool steps_overlap(const struct funnel *f)
{
    for (uint32_t i = 0; i < f->step_count; i++)
        for (uint32_t k = i + 1; k < f->step_count; k++)
            if (can_overlap(&f->steps[i], &f->steps[k]))
                return true;
    return false;
}

/* A step is an event by name; one that begins with '/' is also a view of that page. */
static void add_condition(struct buf *sql, const struct funnel *f, uint32_t i)
{
    if (f->steps[i].path.len)
        buf_addf(sql,
                 "(event = {step%u:String} OR (event = 'pageview' AND page_path = "
                 "{path%u:String}))",
                 i, i);
    else
        buf_addf(sql, "event = {step%u:String}", i);
}

static void add_conditions(struct buf *sql, const struct funnel *f, const char *between)
{
    for (uint32_t i = 0; i < f->step_count; i++) {
        if (i)
            buf_add_str(sql, between);
        add_condition(sql, f, i);
    }
}

static void put_rate(struct buf *body, const char *name, uint64_t part, uint64_t whole)
{
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;
    char text[32];
    snprintf(text, sizeof(text), "%.2f", percent);
    char *end = text + strlen(text);
    while (end[-1] == '0')
        *--end = '\0';
    if (end[-1] == '.')
        end[-1] = '\0';
    buf_addf(body, ",\"%s\":%s", name, text);
}

/* Rows: [level, visitors whose furthest step it was]. */
static enum rc shape(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err)
{
    const struct funnel *f = call->user;
    uint64_t reached[STEPS_MAX + 2] = {0};
    struct slice line;
    while (json_line_next(&result, &line)) {
        uint64_t level, visitors;
        struct slice rest = slice_of(line.data + 1, line.len >= 2 ? line.len - 2 : 0);
        struct slice first = slice_trim(slice_cut(&rest, ','));
        ENSURE(slice_to_u64(first, &level) && slice_to_u64(slice_trim(rest), &visitors) &&
                   level <= f->step_count,
               err_set(err, RC_STORE, "the store's answer has another shape than expected"));
        for (uint64_t i = 1; i <= level; i++)
            reached[i] += visitors;
    }
    buf_add_str(body, "{\"steps\":[");
    for (uint32_t i = 1; i <= f->step_count; i++) {
        const struct step *step = &f->steps[i - 1];
        bool is_last = i == f->step_count;
        buf_addf(body, "%s{\"name\":", i > 1 ? "," : "");
        buf_add_json(body, step->name);
        buf_add_str(body, ",\"eventType\":");
        buf_add_json(body, step->event);
        buf_add_str(body, ",\"count\":");
        buf_add_u64(body, reached[i]);
        put_rate(body, "dropoffRate", is_last ? 0 : reached[i] - reached[i + 1], reached[i]);
        put_rate(body, "conversionRate", reached[i], reached[1]);
        buf_add_char(body, '}');
    }
    buf_add_str(body, "]}");
    return RC_OK;
}

static void run(struct ctx *ctx, struct query_call *call, struct funnel *f, const char *where)
{
#define NAMES(n)             \
    {                        \
        "step" #n, "path" #n \
    }
    static const char *const names[STEPS_MAX][2] = {
        NAMES(0),  NAMES(1),  NAMES(2),  NAMES(3),  NAMES(4),  NAMES(5),  NAMES(6),
        NAMES(7),  NAMES(8),  NAMES(9),  NAMES(10), NAMES(11), NAMES(12), NAMES(13),
        NAMES(14), NAMES(15), NAMES(16), NAMES(17), NAMES(18), NAMES(19)};
#undef NAMES
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    for (uint32_t i = 0; i < f->step_count; i++) {
        query_param(call, names[i][0], f->steps[i].event);
        if (f->steps[i].path.len)
            query_param(call, names[i][1], f->steps[i].path);
    }
    buf_addf(&sql,
             "SELECT level, count() FROM (SELECT windowFunnel(%llu%s)"
             "(toUInt64(toUnixTimestamp64Milli(timestamp)), ",
             (unsigned long long)f->window_s * 1000, steps_overlap(f) ? ", 'strict_once'" : "");
    add_conditions(&sql, f, ", ");
    buf_addf(&sql, ") AS level FROM $EVENTS$RANGE AND visitor != 0%s AND (", where);
    add_conditions(&sql, f, " OR ");
    buf_add_str(&sql, ") GROUP BY visitor) GROUP BY level ORDER BY level");
    if (!buf_ok(&sql)) {
        api_problem(call->req, RC_NOMEM, "no memory for this request");
        return;
    }
    call->user = f;
    call->format = "JSONCompactEachRow";
    call->shape = shape;
    query_run(ctx, call, buf_cstr(&sql));
}

void query_funnel(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call)
        return;
    struct funnel *f = arena_zalloc(ctx->arena, sizeof(*f));
    if (!f) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return;
    }
    CLEANUP(buf_done) struct buf where;
    buf_init(&where, 4096);
    if (take_body(call, f, &where))
        run(ctx, call, f, buf_cstr(&where));
}
