/* WHAT    POST /v1/projects/{projectId}/query, and …/query/sql, which shows the statements instead;
 *         that can be got as well, with the question in the address.
 * LAYOUT  parse (loop) → [range statement] → [labels statement] → main statement → answer (worker)
 * THREADS handlers on the request's loop, everything behind query_run() on the worker pool. */
#include "analytics/event/schema.h"
#include "analytics/report/report_run_int.h"

#include "base/clock.h"
#include "http/accept.h"

enum { SLOTS_KNOWN_MS = 10000 };

struct report_run *report_run_new(struct ctx *ctx, struct query *q, struct api_request *req,
                                  struct query_call **ret_call)
{
    struct query_call *call = query_call_new(ctx, q, req);
    struct report_run *run = call ? arena_zalloc(ctx->arena, sizeof(*run)) : NULL;
    if (call && !run)
        api_problem(req, RC_NOMEM, "no memory for this request");
    if (!run)
        return NULL;
    call->user = run;
    *ret_call = call;
    return run;
}

/* What the report has bound since the last time. */
static void pass_params(struct query_call *call, struct report_run *run)
{
    while (run->passed < run->report.param_count) {
        const struct store_param *p = &run->report.params[run->passed++];
        query_param(call, p->name, p->value);
    }
}

static enum rc run_statement(struct query_call *call,
                             void (*add)(const struct report *r, struct buf *out), struct err *err)
{
    struct report_run *run = call->user;
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    add(&run->report, &sql);
    ENSURE(buf_ok(&sql),
           err_set(err, RC_LIMIT, "the question is too large: fewer metrics, filters or steps"));
    TRY(query_next(call, buf_cstr(&sql), err));
    if (run->statement_count < COUNT_OF(run->statements))
        run->statements[run->statement_count++] = call->sql;
    return RC_OK;
}

/* Lines [text] to the members of an array. */
static enum rc keep_labels(struct query_call *call, struct slice result, struct err *err)
{
    struct report_run *run = call->user;
    CLEANUP(buf_done) struct buf list;
    struct slice line;
    buf_init(&list, (size_t)REPORT_BUCKETS_MAX * 40);
    while (json_line_next(&result, &line)) {
        ENSURE(line.len > 2, err_set(err, RC_STORE, "the store's answer has another shape"));
        if (list.len)
            buf_add_char(&list, ',');
        buf_add(&list, line.data + 1, line.len - 2);
    }
    run->labels = arena_copy(call->req->net->arena, buf_slice(&list));
    ENSURE(buf_ok(&list) && !call->req->net->arena->is_failed,
           err_set(err, RC_NOMEM, "no memory for this request"));
    return RC_OK;
}

/* A store's table has its slots or not for long, but asking takes as much as a small question. */
static void know_store(struct query *q, struct report_run *run)
{
    int64_t known = atomic_load_explicit(&q->slots_ns, memory_order_relaxed), now = mono_now().ns;
    run->report.slots = (known < 0 ? -known : known) <= now ? SLOTS_ASK
                        : known > 0                         ? SLOTS_THERE
                                                            : SLOTS_MISSING;
    run->is_slots_asked = run->report.slots == SLOTS_ASK;
    run->report.property_columns = q->cfg.property_columns;
    run->report.has_short_visits = q->cfg.idle_minutes < ANALYTICS_SLOT_MS / 60000;
}

/* Whether the statement of the range can be left out: RC_NOTFOUND if not. */
static enum rc know_range(const struct query_call *call, struct err *err)
{
    struct query *q = call->query;
    struct report_run *run = call->user;
    struct slice project = slice_str(call->req->project->id_text);
    struct report_zone *zone = arena_alloc(call->req->net->arena, sizeof(*zone));
    ENSURE(zone, err_set(err, RC_NOMEM, "no memory for this request"));
    run->report.wants_zone = !report_known_zone(q->known, run->report.timezone, zone);
    if (q->cfg.sessions_version)
        run->sessions_version = q->cfg.sessions_version(q->cfg.ctx);
    if (run->report.wants_zone || run->is_slots_asked || run->is_sql_only ||
        !q->cfg.sessions_version ||
        !report_known_behaviour(q->known, project, run->sessions_version,
                                &run->report.has_behaviour))
        return RC_NOTFOUND;
    return report_range_know(&run->report, zone, unix_now(), err);
}

static void note_store(const struct query_call *call)
{
    struct query *q = call->query;
    const struct report_run *run = call->user;
    int64_t until = mono_add_ms(mono_now(), SLOTS_KNOWN_MS).ns;
    if (run->is_slots_asked)
        atomic_store_explicit(&q->slots_ns, run->report.slots == SLOTS_THERE ? until : -until,
                              memory_order_relaxed);
    if (run->report.zone)
        report_known_keep_zone(q->known, run->report.timezone, run->report.zone);
    report_known_keep_behaviour(q->known, slice_str(call->req->project->id_text),
                                run->sessions_version, run->report.has_behaviour);
}

/* The range is known: the statement behind that of the range. */
static enum rc go_on(struct query_call *call, struct err *err)
{
    struct report_run *run = call->user;
    report_bind_i64(&run->report, "limit", run->report.limit + run->report.is_paged);
    report_bind_i64(&run->report, "offset", run->report.offset);
    pass_params(call, run);
    if (run->report.has_time_labels)
        TRY(run_statement(call, report_labels_sql, err));
    run->stage = run->report.has_time_labels && !run->is_sql_only ? STAGE_LABELS : STAGE_MAIN;
    return run->stage == STAGE_MAIN ? run_statement(call, report_main_sql, err) : RC_OK;
}

static enum rc next(struct query_call *call, struct slice result, bool *ret_has_next,
                    struct err *err)
{
    struct report_run *run = call->user;
    switch (run->stage) {
    case STAGE_RANGE:
        TRY(report_range_read(&run->report, result, err));
        note_store(call);
        *ret_has_next = !run->is_sql_only;
        return go_on(call, err);
    case STAGE_LABELS:
        TRY(keep_labels(call, result, err));
        run->stage = STAGE_MAIN;
        *ret_has_next = true;
        return run_statement(call, report_main_sql, err);
    default:
        return RC_OK;
    }
}

static void add_statements(const struct query_call *call, struct buf *body)
{
    const struct report_run *run = call->user;
    buf_add_str(body, "\"statements\":[");
    for (uint32_t i = 0; i < run->statement_count; i++) {
        if (i)
            buf_add_char(body, ',');
        buf_add_json(body, slice_str(run->statements[i]));
    }
    buf_add_str(body, "],\"parameters\":{");
    for (uint32_t i = 0; i < call->param_count; i++) {
        if (i)
            buf_add_char(body, ',');
        buf_add_json(body, slice_str(call->params[i].name));
        buf_add_char(body, ':');
        buf_add_json(body, call->params[i].value);
    }
    buf_add_char(body, '}');
}

static enum rc shape_sql(struct query_call *call, struct slice result, struct buf *body,
                         struct err *err)
{
    (void)result;
    (void)err;
    buf_add_char(body, '{');
    add_statements(call, body);
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc shape(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err)
{
    const struct report_run *run = call->user;
    struct report_more more;
    buf_add_char(body, '{');
    TRY(report_results_shape(&run->report, result, body, &more, err));
    buf_add_str(body, ",\"meta\":{");
    const char *between = "";
    if (run->report.has_time_labels) {
        buf_addf(body, "\"time_labels\":[%.*s]", SLICE_ARG(run->labels));
        between = ",";
    }
    if (run->report.has_total) {
        buf_addf(body, "%s\"total_rows\":%lld", between, (long long)more.total);
        between = ",";
    }
    if (run->report.is_imports_asked) {
        buf_addf(body, "%s\"imports_included\":%s", between,
                 run->report.has_imports ? "true" : "false");
        between = ",";
    }
    if (run->report.is_paged) {
        buf_addf(body, "%s\"next_cursor\":", between);
        if (more.cursor.len)
            buf_add_json(body, more.cursor);
        else
            buf_add_str(body, "null");
        between = ",";
    }
    if (run->report.has_sql) {
        buf_add_str(body, between);
        add_statements(call, body);
    }
    buf_add_str(body, "},");
    report_query_shape(&run->report, body);
    buf_add_char(body, '}');
    return RC_OK;
}

static enum rc shape_csv(struct query_call *call, struct slice result, struct buf *body,
                         struct err *err)
{
    const struct report_run *run = call->user;
    CLEANUP(buf_done) struct buf json;
    struct report_more more;
    buf_init(&json, call->query->cfg.answer_bytes_max);
    TRY(report_results_shape(&run->report, result, &json, &more, err));
    ENSURE(buf_ok(&json), err_set(err, RC_LIMIT, "the answer is too large: ask for fewer rows"));
    call->content_type = "text/csv; charset=utf-8; header=present";
    return report_csv(&run->report, slice_sub(buf_slice(&json), strlen("\"results\":")), body, err);
}

/* ---- from the question to the first statement ---- */
/* On the worker. */
static enum rc begin(struct query_call *call, struct err *err)
{
    struct report_run *run = call->user;
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    if (!run->report.timezone.len)
        run->report.timezone = query_time_zone(call->req);
    call->range.timezone = run->report.timezone;
    call->format = "JSONCompactEachRow";
    call->next = next;
    if (!call->shape)
        call->shape = run->is_sql_only ? shape_sql : run->is_csv ? shape_csv : shape;
    know_store(call->query, run);
    enum rc rc = know_range(call, err);
    query_bind(call);
    if (rc != RC_NOTFOUND)
        return rc == RC_OK ? go_on(call, err) : rc;
    pass_params(call, run);
    report_range_sql(&run->report, &sql);
    return query_next(call, buf_cstr(&sql), err);
}

static enum rc refused(const struct report *r, struct err *err)
{
    if (r->err.rc == RC_OK)
        return err_set(err, RC_NOMEM, "no memory for this request");
    *err = r->err;
    return err->rc;
}

/* On the worker: what is stored may be read here. */
static enum rc prepare(struct query_call *call, struct err *err)
{
    struct report_run *run = call->user;
    const struct stored_lookup lookup = report_lookup_of(call);
    if (!run->parse(call, &lookup))
        return refused(&run->report, err);
    run->report.lookup = NULL; /* ends with this function */
    TRY(report_copy_lists(call, &run->report, err));
    return begin(call, err);
}

void report_run_start(struct ctx *ctx, struct query_call *call)
{
    struct report_run *run = call->user;
    if (run->parse(call, NULL)) {
        call->prepare = begin;
        query_run_begun(ctx, call);
    } else if (run->report.needs_lookup && call->query->cfg.stored) {
        call->prepare = prepare;
        query_run_begun(ctx, call);
    } else {
        call->rc = refused(&run->report, &call->err);
        query_fail(call);
    }
}

static bool parse_question(struct query_call *call, const struct stored_lookup *lookup)
{
    struct report_run *run = call->user;
    const struct tenant_share *share = call->req->share;
    if (share)
        run->bounds = (struct report_bounds){.pages = share->pages, .filters = share->filters};
    return report_parse_within(&run->report, call->req->net->arena, run->question, lookup,
                               share ? &run->bounds : NULL);
}

enum rc report_ask(struct ctx *ctx, struct query *q, struct api_request *req,
                   struct query_saved *saved, struct buf *out, struct err *err)
{
    struct query_call *call;
    struct report_run *run = report_run_new(ctx, q, req, &call);
    ENSURE(run, err_set(err, RC_NOMEM, "no memory for a question"));
    run->parse = saved ? report_parse_saved : parse_question;
    run->question = req->net->body;
    run->saved = saved;
    run->is_csv = saved != NULL;
    if (!q->cfg.stored && !run->parse(call, NULL))
        return refused(&run->report, err);
    call->prepare = q->cfg.stored ? prepare : begin;
    query_work(ctx, call);
    if (call->rc == RC_OK)
        buf_add_slice(out, buf_slice(&call->body));
    else
        *err = call->err;
    buf_done(&call->body);
    return call->rc == RC_OK && !buf_ok(out) ? err_set(err, RC_LIMIT, "the answer is too large")
                                             : call->rc;
}

bool report_is_csv_asked(const struct net_request *net)
{
    struct slice format, accept = net_header_get(net, "Accept");
    if (net_query_get(net, "format", &format))
        return slice_eq_str(format, "csv");
    return accept_names(accept, "text/csv") && !accept_names(accept, "application/json");
}

static void start(struct ctx *ctx, struct query *q, struct api_request *req, struct slice question,
                  bool is_sql_only)
{
    struct query_call *call;
    struct report_run *run = report_run_new(ctx, q, req, &call);
    if (!run)
        return;
    run->question = question;
    run->is_sql_only = is_sql_only;
    run->is_csv = report_is_csv_asked(req->net);
    run->parse = parse_question;
    report_run_start(ctx, call);
}

void query_report(struct ctx *ctx, void *service, struct api_request *req)
{
    start(ctx, service, req, req->net->body, false);
}

void query_report_sql(struct ctx *ctx, void *service, struct api_request *req)
{
    start(ctx, service, req, req->net->body, true);
}

void query_report_sql_get(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice question;
    if (net_query_get(req->net, "question", &question))
        start(ctx, service, req, question, true);
    else
        api_problem(req, RC_INVALID,
                    "give the question, as the body of POST …/query has it, as the "
                    "parameter question");
}
