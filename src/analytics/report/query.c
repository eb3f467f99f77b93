/* WHAT    The one place that runs a statement for a request, and the table of routes.
 * WHY     A handler cannot forget the tenant: it writes FROM $EVENTS, and only query_expand() knows
 *         what that is; a template that names a table by itself stops the program at its first use.
 *         The project is the one of the request's key (the router has compared it with the path).
 * THREADS handlers on the request's loop; work() on the worker pool, with a store client of its
 *         own; done() on the loop again. */
#include "analytics/report/query_int.h"

#include <stdio.h>

#include "analytics/report/report_run_int.h"
#include "analytics/event/schema.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "codec/json.h"

static const uint64_t default_answer_bytes = UINT64_C(64) << 20;

enum rc query_new(const struct query_cfg *cfg, struct query **ret_query, struct err *err)
{
    ENSURE(cfg->pool, err_set(err, RC_INVALID, "queries need a store"));
    struct query *q = heap_alloc(HEAP_ANALYTICS, sizeof(*q));
    q->cfg = *cfg;
    if (!q->cfg.seconds_max)
        q->cfg.seconds_max = 20;
    if (!q->cfg.idle_minutes)
        q->cfg.idle_minutes = 30;
    if (!q->cfg.answer_bytes_max)
        q->cfg.answer_bytes_max = default_answer_bytes;
    snprintf(q->seconds, sizeof(q->seconds), "%u", q->cfg.seconds_max);
    snprintf(q->memory, sizeof(q->memory), "%llu", (unsigned long long)q->cfg.memory_bytes_max);
    q->known = report_known_new();
    *ret_query = q;
    return RC_OK;
}

void query_free(struct query *q)
{
    if (q)
        report_known_free(q->known);
    heap_free(q);
}

struct query_call *query_call_new(struct ctx *ctx, struct query *q, struct api_request *req)
{
    struct query_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    if (!call) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return NULL;
    }
    call->query = q;
    call->req = req;
    call->limit = QUERY_LIMIT_DEFAULT;
    buf_init(&call->body, q->cfg.answer_bytes_max);
    return call;
}

void query_param(struct query_call *call, const char *name, struct slice value)
{
    must(call->param_count < QUERY_PARAMS_MAX);
    call->params[call->param_count++] = (struct store_param){name, value};
}

void query_param_u64(struct query_call *call, const char *name, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    query_param(call, name, arena_copy(call->req->net->arena, slice_of(text, (size_t)n)));
}

void query_param_i64(struct query_call *call, const char *name, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)value);
    query_param(call, name, arena_copy(call->req->net->arena, slice_of(text, (size_t)n)));
}

/* ---- templates ---- */
/* The column session: the one during which the event was, 0 if none (or not yet). */
static const char *const sessions_before = ANALYTICS_EVENTS_TABLE
    " AS ev ASOF LEFT JOIN (SELECT visitor, start, end AS session_end, session "
    "AS session_id64 FROM sessions FINAL WHERE project_id = {project:UUID} "
    "AND start < ";
static const char *const sessions_between = " AND start >= subtractDays(";
static const char *const sessions_behind =
    ", 1)) AS visit ON ev.visitor = visit.visitor AND ev.timestamp >= visit.start WHERE "
    "ev.project_id = {project:UUID}";
/* With it all of a statement sees the same rows of a table. But then the engine (26.7) takes a
 * table and its projection for one and the same, and finds no columns but those of the first. */
#define SHARED_SNAPSHOT "enable_shared_storage_snapshot_in_query"
#define OF_EVENTS \
    " WHERE database = currentDatabase() AND table = '" ANALYTICS_EVENTS_TABLE "' AND "
/* Slots; and what keeps them from being read, a row if there is any: a store that cannot, or parts
 * without them (of before they were made, while they are being made). */
#define SLOTS                                                                                   \
    "(SELECT project_id, `toDate(timestamp)` AS day, `" ANALYTICS_SLOT "` AS slot, "            \
    "toDateTime(greatest(slot, 0) * 900, 'UTC') AS since, event, " ANALYTICS_SLOT_COLUMNS       \
    ", `count()` AS times FROM mergeTreeProjection(currentDatabase(), '" ANALYTICS_EVENTS_TABLE \
    "', '" ANALYTICS_SLOTS "')) WHERE project_id = {project:UUID}"
#define NO_SLOTS                                                                                   \
    "system.one WHERE (SELECT count() FROM system.table_functions WHERE name = "                   \
    "'mergeTreeProjection') = 0 OR (SELECT count() FROM system.settings WHERE name = "             \
    "'" SHARED_SNAPSHOT "') = 0 OR (SELECT count() FROM system.projections" OF_EVENTS              \
    "name = '" ANALYTICS_SLOTS "') = 0 OR (SELECT count() FROM system.parts" OF_EVENTS             \
    "active AND (NOT has(projections, '" ANALYTICS_SLOTS "') OR name IN (SELECT parent_name FROM " \
    "system.projection_parts" OF_EVENTS "active AND is_broken))) > 0"
/* What a template may read: name, and the table with its tenant. The facts about persons are of one
 * generation (person/persons.h); where there may be several rows of one key, whoever reads them
 * takes the one of the greatest rank. */
#define OF_PERSONS(table)                                                                        \
    table " WHERE generation = (SELECT max(generation) FROM person_generations) AND project_id " \
          "= {project:UUID}"
static const struct {
    const char *name, *text;
} scopes[] = {
    {"$EVENTS", ANALYTICS_EVENTS_TABLE " AS ev WHERE project_id = {project:UUID}"},
    {"$SLOTS", SLOTS},
    {"$NO_SLOTS", NO_SLOTS},
    {"$SESSIONS", "sessions FINAL WHERE project_id = {project:UUID}"},
    /* Up to a WHERE, what is asked of visitor and start alone: before FINAL brings versions of a
     * row together, which are the same in these. */
    {"$KEYED_SESSIONS", "sessions FINAL PREWHERE project_id = {project:UUID}"},
    {"$SESSION_VERSIONS", "sessions WHERE project_id = {project:UUID}"}, /* dead rows, too */
    {"$COUNTS", "ingest_counts WHERE project_id = {project:UUID}"},
    {"$REJECTED", "rejections FINAL WHERE project_id = {project:UUID}"},
    {"$MEMBERS", "cohort_members WHERE project_id = {project:UUID}"},
    {"$IMPORTED", "imported FINAL WHERE project_id = {project:UUID}"},
    {"$IDENTITIES", OF_PERSONS("identities FINAL")},
    {"$PERSON_IDS", OF_PERSONS("person_ids")},
    {"$PERSON_TRAITS", OF_PERSONS("person_traits")},
    {"$PERSON_GROUPS", OF_PERSONS("person_groups")},
    {"$GROUP_IDS", OF_PERSONS("group_ids")},
    {"$GROUP_TRAITS", OF_PERSONS("group_traits")},
};
static const char *const today = "toDate(toDateTime({now:UInt32}, {timezone:String}))";

static void add_day(struct buf *sql, const struct query_range *r, bool is_end)
{
    if (!is_end && r->start.len)
        buf_add_str(sql, "toDate({start:String})");
    else if (!is_end && r->end.len)
        buf_add_str(sql, "(toDate({end:String}) - 6)");
    else if (!is_end)
        buf_addf(sql, "(%s - 6)", today);
    else if (r->end.len)
        buf_add_str(sql, "(toDate({end:String}) + 1)");
    else if (r->start.len)
        buf_addf(sql, "(greatest(%s, toDate({start:String})) + 1)", today);
    else
        buf_addf(sql, "(%s + 1)", today);
}

static void add_bound(struct buf *sql, const struct query_range *r, bool is_end)
{
    buf_add_str(sql, "toDateTime(");
    add_day(sql, r, is_end);
    buf_add_str(sql, ", {timezone:String})");
}

/* The day is said as well: the key begins with the project and the day, and the engine does not
 * conclude it from the time. */
static void add_range(struct buf *sql, const struct query_range *r)
{
    buf_add_str(sql, " AND toDate(timestamp) >= toDate(");
    add_bound(sql, r, false);
    buf_add_str(sql, ", 'UTC') AND toDate(timestamp) <= toDate(");
    add_bound(sql, r, true);
    buf_add_str(sql, ", 'UTC') AND timestamp >= ");
    add_bound(sql, r, false);
    buf_add_str(sql, " AND timestamp < ");
    add_bound(sql, r, true);
    buf_add_char(sql, ' ');
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add_events_in_sessions(struct buf *sql, const struct query_range *range)
{
    buf_add_str(sql, sessions_before);
    add_bound(sql, range, true);
    buf_add_str(sql, sessions_between);
    add_bound(sql, range, false);
    buf_add_str(sql, sessions_behind);
}

/* Its place in scopes, or their number. */
static size_t scope_of(const char *text)
{
    size_t i = 0;
    while (i < COUNT_OF(scopes) && !has_prefix(text, scopes[i].name))
        i++;
    return i;
}

/* A statement reads what is bound, or another statement. */
static void must_be_bound(const char *sql_template)
{
    static const char from[] = "FROM ", join[] = " JOIN ";
    for (const char *p = sql_template; (p = strstr(p, from)); p++) {
        const char *what = p + strlen(from);
        bool is_fill = p - sql_template >= 5 && has_prefix(p - 5, "FILL ");
        must(scope_of(what) < COUNT_OF(scopes) || has_prefix(what, "$VISITS") || is_fill ||
             what[0] == '(');
    }
    for (const char *p = sql_template; (p = strcasestr(p, join)); p++)
        must(p[strlen(join)] == '(');
}

bool query_expand(const struct query_range *range, const char *sql_template, struct buf *sql)
{
    must_be_bound(sql_template);
    for (const char *p = sql_template; *p;) {
        size_t n = strcspn(p, "$");
        buf_add(sql, p, n);
        p += n;
        size_t scope = scope_of(p);
        if (scope < COUNT_OF(scopes)) {
            buf_add_str(sql, scopes[scope].text);
            p += strlen(scopes[scope].name);
        } else if (has_prefix(p, "$VISITS")) {
            add_events_in_sessions(sql, range);
            p += 7;
        } else if (has_prefix(p, "$RANGE")) {
            add_range(sql, range);
            p += 6;
        } else if (has_prefix(p, "$START")) {
            add_bound(sql, range, false);
            p += 6;
        } else if (has_prefix(p, "$END")) {
            add_bound(sql, range, true);
            p += 4;
        } else {
            must(*p == '\0');
        }
    }
    return buf_ok(sql);
}

/* ---- running ---- */
enum { /* ClickHouse's codes that mean something to the asker */
       CODE_BAD_ARGUMENTS = 36,
       CODE_UNKNOWN_TABLE = 60,
       CODE_UNKNOWN_DATABASE = 81,
       CODE_TIMEOUT = 159,
       CODE_TOO_SLOW = 160,
       CODE_TOO_MANY_QUERIES = 202,
       CODE_MEMORY = 241,
       CODE_PATTERN = 427,
};

/* Of a file of slots that the disk gave back changed, the engine knows when it reads it. For some
 * time nothing reads them, and the events give the same answers. */
enum { SLOTS_UNREADABLE_MS = 600000 };
static enum rc pass_slots_over(struct query_call *call, struct err *err)
{
    log_error("slots of visitors cannot be read: stop weir, remove the folder named here, and they "
              "are made anew at the start; until then events are read",
              LOG_ERR(err));
    atomic_store_explicit(&call->query->slots_ns, -mono_add_ms(mono_now(), SLOTS_UNREADABLE_MS).ns,
                          memory_order_relaxed);
    return err_set(err, RC_AGAIN,
                   "a file of the store cannot be read; ask again for an answer "
                   "without it");
}

static enum rc explain(struct query_call *call, enum rc rc, int code, struct err *err)
{
    if (rc == RC_LIMIT)
        return err_set(err, rc, "the answer is larger than %llu bytes: ask for fewer rows (limit)",
                       (unsigned long long)call->query->cfg.answer_bytes_max);
    if (rc == RC_TIMEOUT)
        return err_set(err, rc, "the store did not answer in time: choose a shorter range");
    if (rc != RC_STORE)
        return err_set(err, rc, "the store cannot be reached at the moment: %s", rc_text(rc));
    switch (code) {
    case CODE_BAD_ARGUMENTS:
        if (strstr(err->text, "time zone"))
            return err_set(err, RC_INVALID,
                           "timezone: no such time zone; give an IANA name such as Europe/Berlin");
        break;
    case CODE_PATTERN:
        return err_set(err, RC_INVALID, "filters: a pattern is no regular expression of RE2");
    case CODE_UNKNOWN_TABLE:
    case CODE_UNKNOWN_DATABASE:
        return err_set(err, RC_AGAIN, "the tables are not there yet: the store is being set up");
    case CODE_TIMEOUT:
    case CODE_TOO_SLOW:
        return err_set(err, RC_TIMEOUT,
                       "the question takes longer than %u s: choose a shorter range",
                       call->query->cfg.seconds_max);
    case CODE_TOO_MANY_QUERIES:
    case CODE_MEMORY:
        return err_set(
            err, RC_BUSY,
            "the store has not enough memory for this question now: try again, or choose "
            "a shorter range");
    default:
        break;
    }
    if (strstr(err->text, ANALYTICS_SLOTS ".proj"))
        return pass_slots_over(call, err);
    log_error("query refused by the store", LOG_STR("route", call->req->route->pattern),
              LOG_I64("code", code), LOG_ERR(err));
    return err_set(err, RC_STORE, "the store refused the question; the server's log says why");
}

static enum rc ask(struct ctx *ctx, struct query_call *call, struct store_client *client,
                   struct buf *result, struct err *err)
{
    const struct query *q = call->query;
    struct store_setting settings[11] = {
        {"max_execution_time", q->seconds},
        {"output_format_json_quote_64bit_integers", "0"},
        {"output_format_json_escape_forward_slashes", "0"},
        {"output_format_json_validate_utf8", "1"},
        {"date_time_output_format", "iso"},
        /* Looking 100,000 visitors up in the key takes longer than reading on, and no granule is
         * spared: in the key they stand behind day and event. */
        {"use_index_for_in_with_subqueries", "0"},
        /* Numbers in properties are read out of their texts: to the last bit, as JSON's are. */
        {"precise_float_parsing", "1"},
        /* The columns of properties are in the rows of events, whoever reads these. */
        {"asterisk_include_materialized_columns", "1"},
        /* A dashboard asks again. */
        {"use_uncompressed_cache", "1"},
    };
    uint32_t count = 9;
    if (q->cfg.memory_bytes_max)
        settings[count++] = (struct store_setting){"max_memory_usage", q->memory};
    if (strstr(call->sql, ANALYTICS_SLOTS) && strstr(call->sql, "FROM " ANALYTICS_EVENTS_TABLE))
        settings[count++] = (struct store_setting){SHARED_SNAPSHOT, "0"};
    const struct store_query sq = {
        .sql = call->sql,
        .format = call->format,
        .params = call->params,
        .param_count = call->param_count,
        .settings = settings,
        .setting_count = count,
        .read_only = true,
    };
    int code = 0;
    enum rc rc = store_query(ctx, client, &sq, result, NULL, &code, err);
    return rc == RC_OK ? rc : explain(call, rc, code, err);
}

/* Each statement, until there is no other; the last one's result. */
static enum rc ask_all(struct ctx *ctx, struct query_call *call, struct store_client *client,
                       struct buf *result, struct err *err)
{
    bool has_next = true;
    while (has_next) {
        buf_clear(result);
        TRY(ask(ctx, call, client, result, err));
        has_next = false;
        if (call->next)
            TRY(call->next(call, buf_slice(result), &has_next, err));
    }
    return RC_OK;
}

static void work(struct ctx *ctx, void *arg)
{
    struct query_call *call = arg;
    CLEANUP(buf_done) struct buf result;
    buf_init(&result, call->query->cfg.answer_bytes_max);
    if (call->prepare)
        call->rc = call->prepare(call, &call->err);
    if (call->rc != RC_OK)
        return;
    struct store_client *client;
    call->rc = store_pool_take(call->query->cfg.pool, &client, &call->err);
    if (call->rc != RC_OK)
        return;
    call->rc = ask_all(ctx, call, client, &result, &call->err);
    store_pool_give(call->query->cfg.pool, client);
    if (call->rc == RC_OK)
        call->rc = call->shape(call, buf_slice(&result), &call->body, &call->err);
    if (call->rc == RC_OK && !buf_ok(&call->body))
        call->rc = err_set(&call->err, RC_LIMIT, "the answer is too large: ask for fewer rows");
}

void query_work(struct ctx *ctx, struct query_call *call)
{
    work(ctx, call);
}

void query_fail(struct query_call *call)
{
    if (call->err.rc == RC_OK)
        (void)err_set(&call->err, call->rc, "%s", rc_text(call->rc));
    if (call->fail)
        call->fail(call);
    else
        api_problem(call->req, call->rc, "%s", call->err.text);
}

static void answer(struct query_call *call)
{
    static const struct net_header no_cache = {{"Cache-Control", 13}, {"no-cache", 8}};
    if (call->rc == RC_OK)
        api_answer(call->req, call->status ? call->status : 200,
                   call->content_type ? call->content_type : "application/json",
                   buf_slice(&call->body), &no_cache, 1);
    else
        query_fail(call);
    /* The request's arena, and call with it, is gone now. */
}

static void done(struct ctx *ctx, void *arg)
{
    struct query_call *call = arg;
    struct buf body = call->body; /* outlives the arena that call lies in */
    (void)ctx;
    answer(call);
    buf_done(&body);
}

enum rc query_next(struct query_call *call, const char *sql_template, struct err *err)
{
    struct arena *arena = call->req->net->arena;
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    call->sql = NULL;
    if (query_expand(&call->range, sql_template, &sql))
        call->sql = arena_strndup(arena, sql.data, sql.len);
    ENSURE(call->sql && !arena->is_failed, err_set(err, RC_NOMEM, "no memory for this request"));
    return RC_OK;
}

struct slice query_time_zone(const struct api_request *req)
{
    return req->project->time_zone.len ? req->project->time_zone : SLICE_LIT("UTC");
}

void query_bind(struct query_call *call)
{
    const struct api_request *req = call->req;
    must(req->project); /* the router's promise */
    query_param(call, "project", slice_of(req->project->id_text, UUID_TEXT_LEN));
    query_param_u64(call, "now", (uint64_t)(unix_now().ms / 1000));
    query_param(call, "timezone",
                call->range.timezone.len ? call->range.timezone : query_time_zone(req));
    if (call->range.start.len)
        query_param(call, "start", call->range.start);
    if (call->range.end.len)
        query_param(call, "end", call->range.end);
}

enum rc query_begin(struct query_call *call, const char *sql_template, struct err *err)
{
    query_bind(call);
    return query_next(call, sql_template, err);
}

void query_run(struct ctx *ctx, struct query_call *call, const char *sql_template)
{
    call->rc = query_begin(call, sql_template, &call->err);
    if (call->rc == RC_OK)
        query_run_begun(ctx, call);
    else
        query_fail(call);
}

void query_run_begun(struct ctx *ctx, struct query_call *call)
{
    must(call->prepare || call->sql);
    net_loop_work(ctx, call->req->net->loop, work, done, call);
}

/* name in call->user */
static enum rc shape_rows(struct query_call *call, struct slice result, struct buf *body,
                          struct err *err)
{
    struct slice line;
    bool is_first = true;
    (void)err;
    buf_addf(body, "{\"%s\":[", (const char *)call->user);
    while (json_line_next(&result, &line)) { /* a line end inside a text is written \n */
        if (!is_first)
            buf_add_char(body, ',');
        is_first = false;
        buf_add_slice(body, line);
    }
    buf_add_str(body, "]}");
    return RC_OK;
}

void query_run_rows(struct ctx *ctx, struct query_call *call, const char *name,
                    const char *sql_template)
{
    call->format = "JSONEachRow";
    call->shape = shape_rows;
    call->user = UNCONST(name);
    query_run(ctx, call, sql_template);
}

void query_add_lists(struct buf *body, const char *const *names, size_t count, char first_digit,
                     struct slice lines)
{
    struct slice line;
    bool has_line = json_line_next(&lines, &line);
    for (size_t i = 0; i < count; i++) {
        buf_addf(body, "%s\"%s\":[", i ? "," : "", names[i]);
        bool is_first = true;
        for (; has_line && line.len && (size_t)(line.data[0] - first_digit) == i;
             is_first = false) {
            if (!is_first)
                buf_add_char(body, ',');
            buf_add_slice(body, slice_sub(line, 1));
            has_line = json_line_next(&lines, &line);
        }
        buf_add_char(body, ']');
    }
}

static const struct api_route routes[] = {
#define ROUTE(m, path, handler, body, text)                                                \
    .method = m, .pattern = "/projects/{projectId}" path, .access = API_NEEDS(STATS_READ), \
    .body_bytes_max = body, .handle = handler, .openapi = text
    {ROUTE(NET_GET, "/analytics/overview", query_overview, 0, query_openapi_overview)},
    {ROUTE(NET_GET, "/analytics/timeseries", query_timeseries, 0, query_openapi_timeseries)},
    {ROUTE(NET_GET, "/pages", query_pages, 0, query_openapi_pages)},
    {ROUTE(NET_GET, "/pages/top-referrers", query_referrers, 0, query_openapi_referrers)},
    {ROUTE(NET_GET, "/devices", query_devices, 0, query_openapi_devices)},
    {ROUTE(NET_GET, "/geo", query_geo, 0, query_openapi_geo)},
    {ROUTE(NET_GET, "/webvitals", query_webvitals, 0, query_openapi_webvitals)},
    {ROUTE(NET_GET, "/events", query_events, 0, query_openapi_events)},
    {ROUTE(NET_GET, "/events/{eventId}", query_event, 0, query_openapi_event)},
    {ROUTE(NET_GET, "/users/active", query_users_active, 0, query_openapi_users_active)},
    {ROUTE(NET_GET, "/users/{userId}/events", query_user_events, 0, query_openapi_user_events)},
    {ROUTE(NET_POST, "/funnels", query_funnel, 64 * 1024, query_openapi_funnel)},
#undef ROUTE
#define ROUTE(path, handler, text)                                 \
    .method = NET_GET, .pattern = "/v1/projects/{projectId}" path, \
    .access = API_NEEDS(STATS_READ), .handle = handler, .openapi = text
    {ROUTE("/persons", query_persons, query_openapi_persons)},
    {ROUTE("/persons/{personId}", query_person, query_openapi_person)},
    {ROUTE("/persons/{personId}/timeline", query_person_timeline, query_openapi_timeline)},
    {ROUTE("/groups", query_groups, query_openapi_groups)},
    {ROUTE("/groups/{groupType}", query_groups_of_type, query_openapi_groups_of_type)},
    {ROUTE("/groups/{groupType}/{groupId}", query_group, query_openapi_group)},
#undef ROUTE
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/query",
     .access = API_NEEDS(STATS_READ),
     .is_shared = true,
     .body_bytes_max = REPORT_BODY_BYTES_MAX,
     .handle = query_report,
     .openapi = query_openapi_report},
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/query/sql",
     .access = API_NEEDS(STATS_READ),
     .body_bytes_max = REPORT_BODY_BYTES_MAX,
     .handle = query_report_sql,
     .openapi = query_openapi_report_sql},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/query/sql",
     .access = API_NEEDS(STATS_READ),
     .handle = query_report_sql_get,
     .openapi = query_openapi_report_sql_get},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/export",
     .access = API_NEEDS(STATS_READ),
     .handle = query_export,
     .openapi = query_openapi_export},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/imports",
     .access = API_NEEDS(STATS_READ),
     .handle = query_imports,
     .openapi = query_openapi_imports},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/ingestion",
     .access = API_NEEDS(STATS_READ),
     .handle = query_ingestion,
     .openapi = query_openapi_ingestion},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/rejections",
     .access = API_NEEDS(STATS_READ),
     .handle = query_rejections,
     .openapi = query_openapi_rejections},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/live",
     .access = API_NEEDS(STATS_READ),
     .handle = query_live,
     .openapi = query_openapi_live},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/cohorts/{cohortId}/members",
     .access = API_NEEDS(STATS_READ),
     .handle = query_cohort_members,
     .openapi = query_openapi_cohort_members},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/cohorts/{cohortId}/count",
     .access = API_NEEDS(STATS_READ),
     .handle = query_cohort_count,
     .openapi = query_openapi_cohort_count},
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/cohorts/{cohortId}/snapshot",
     .access = API_NEEDS(DEFINITIONS_WRITE),
     .body_bytes_max = 4096,
     .handle = query_cohort_snapshot,
     .openapi = query_openapi_cohort_snapshot},
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/reports/{reportId}/run",
     .access = API_NEEDS(STATS_READ),
     .body_bytes_max = REPORT_BODY_BYTES_MAX,
     .handle = query_saved_report,
     .openapi = query_openapi_saved_report},
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/privacy/export",
     .access = API_NEEDS(PRIVACY_ERASE),
     .body_bytes_max = 512 << 10,
     .handle = query_export_user,
     .openapi = query_openapi_export_user},
    {.method = NET_POST,
     .pattern = "/api/v2/query",
     .access = API_NEEDS(STATS_READ),
     .body_bytes_max = REPORT_BODY_BYTES_MAX,
     .handle = query_plausible,
     .openapi = query_openapi_plausible},
};

struct api_service query_service(struct query *q)
{
    return (struct api_service){.name = "query",
                                .ctx = q,
                                .routes = routes,
                                .route_count = COUNT_OF(routes),
                                .openapi_schemas = query_openapi_schemas};
}
