/* WHAT    POST …/reports/{reportId}/run: the question of a saved report, now.
 * WHY     What is sent goes over what is stored before the whole is read like any question: a
 *         range, a zone, a page and what to include replace the report's own, filters are added. So
 *         a dashboard with one range and one filter for all its reports needs no copies of them. */
#include "analytics/report/report_run_int.h"

static const char *const over[] = {"date_range", "timezone", "include", "limit",
                                   "offset",     "cursor",   "filters", NULL};

static bool add_value(struct buf *out, yyjson_val *v, struct arena *arena)
{
    char *space = arena_alloc(arena, REPORT_BODY_BYTES_MAX);
    if (!space)
        return false;
    struct json_out json = {.p = space, .end = space + REPORT_BODY_BYTES_MAX};
    if (json_write(&json, v, NULL, arena) != JSON_FINE || json.is_full)
        return false;
    buf_add(out, space, (size_t)(json.p - space));
    return true;
}

/* Of two arrays one. */
static bool add_filters(struct buf *out, yyjson_val *own, yyjson_val *more, struct arena *arena)
{
    yyjson_val *const lists[] = {own, more};
    const char *between = "";
    size_t i, n;
    yyjson_val *v;
    buf_add_char(out, '[');
    for (size_t k = 0; k < COUNT_OF(lists); k++) {
        if (!lists[k])
            continue;
        yyjson_arr_foreach(lists[k], i, n, v)
        {
            buf_add_str(out, between);
            if (!add_value(out, v, arena))
                return false;
            between = ",";
        }
    }
    buf_add_char(out, ']');
    return true;
}

static bool is_over(struct slice name)
{
    for (const char *const *o = over; *o; o++)
        if (slice_eq_str(name, *o))
            return true;
    return false;
}

/* Its own include, and what is compared with beside it. */
static bool add_include(struct buf *out, yyjson_val *include, struct slice compare,
                        struct arena *arena)
{
    size_t i, n;
    yyjson_val *key, *value;
    buf_addf(out, "{\"compare\":%.*s", SLICE_ARG(compare));
    if (!yyjson_is_obj(include)) {
        buf_add_char(out, '}');
        return true;
    }
    yyjson_obj_foreach(include, i, n, key, value)
    {
        buf_add_char(out, ',');
        buf_add_json(out, json_text(key));
        buf_add_char(out, ':');
        if (!add_value(out, value, arena))
            return false;
    }
    buf_add_char(out, '}');
    return true;
}

static bool may_compare(yyjson_val *question, yyjson_val *include)
{
    return report_kind_is_table(json_get(question, "report")) && !json_get(include, "compare");
}

static bool add_over(struct buf *out, const char *name, yyjson_val *own, yyjson_val *sent,
                     struct arena *arena)
{
    bool is_list = strcmp(name, "filters") == 0 && sent;
    return is_list ? add_filters(out, own, sent, arena) : add_value(out, sent ? sent : own, arena);
}

static bool put_together(struct buf *out, yyjson_val *question, yyjson_val *more,
                         struct slice compare, struct arena *arena)
{
    size_t i, n;
    yyjson_val *key, *value;
    const char *between = "{";
    yyjson_obj_foreach(question, i, n, key, value)
    {
        if (is_over(json_text(key)))
            continue;
        buf_add_str(out, between);
        buf_add_json(out, json_text(key));
        buf_add_char(out, ':');
        if (!add_value(out, value, arena))
            return false;
        between = ",";
    }
    for (const char *const *o = over; *o; o++) {
        yyjson_val *own = json_get(question, *o), *sent = json_get(more, *o);
        bool is_compared = compare.len && strcmp(*o, "include") == 0 && may_compare(question, own);
        if (!own && !sent && !is_compared)
            continue;
        buf_addf(out, "%s\"%s\":", between, *o);
        if (!(is_compared ? add_include(out, own, compare, arena)
                          : add_over(out, *o, own, sent, arena)))
            return false;
        between = ",";
    }
    buf_add_char(out, '}');
    return buf_ok(out);
}

/* What was sent, if anything: an object of the members that may go over the report's own. */
static bool read_more(struct report *r, const struct net_request *net, yyjson_val **ret)
{
    const struct report_at at = {.name = "filters"};
    struct err err = ERR_INIT;
    *ret = NULL;
    if (!net->body.len)
        return true;
    if (json_parse(r->arena, net->body, ret, &err) != RC_OK)
        return report_fail(r, NULL, "is no JSON: %s", err.text);
    if (!report_known_members(r, NULL, *ret, over))
        return false;
    yyjson_val *filters = json_get(*ret, "filters");
    return !filters || yyjson_is_arr(filters) || report_fail(r, &at, "give an array of filters");
}

bool report_parse_saved(struct query_call *call, const struct stored_lookup *l)
{
    struct report_run *run = call->user;
    struct report *r = &run->report;
    struct arena *arena = call->req->net->arena;
    CLEANUP(buf_done) struct buf text;
    yyjson_val *more, *object;
    buf_init(&text, 2 * (size_t)REPORT_BODY_BYTES_MAX);
    *r = (struct report){.arena = arena, .err = ERR_INIT};
    if (!read_more(r, call->req->net, &more))
        return false;
    r->needs_lookup = !l;
    if (!l)
        return false;
    r->err.rc = l->source->find(l->source->ctx, &l->where, STORED_REPORT, call->req->params[1],
                                &text, &r->err);
    if (r->err.rc != RC_OK || json_parse(arena, buf_slice(&text), &object, &r->err) != RC_OK)
        return false;
    if (run->saved) {
        run->saved->name = arena_copy(arena, json_text(json_get(object, "name")));
        if (!json_to_i64(json_get(object, "version"), &run->saved->version))
            run->saved->version = 0;
    }
    buf_clear(&text);
    const struct slice compare = run->saved ? run->saved->compare : SLICE_EMPTY;
    if (!put_together(&text, json_get(object, "question"), more, compare, arena))
        return report_fail(r, NULL, "is longer than %d bytes", REPORT_BODY_BYTES_MAX);
    return report_parse(r, arena, arena_copy(arena, buf_slice(&text)), l);
}

void query_saved_report(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call;
    struct report_run *run = report_run_new(ctx, service, req, &call);
    if (!run)
        return;
    run->is_csv = report_is_csv_asked(req->net);
    run->parse = report_parse_saved;
    report_run_start(ctx, call);
}
