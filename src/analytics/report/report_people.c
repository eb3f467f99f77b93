/* WHAT    Who is in a cohort: its members, how many they are, a list kept of them; and the copies
 *         of lists that the store needs to answer with.
 * WHY     A list of people (an upload, a snapshot) is kept in the state, under an id that is new
 *         with every list: so a list never changes. The store gets a copy when a question needs it
 *         and it is not there whole (it forgets them after a week); a store made anew gets them
 *         again.
 * THREADS handlers on the request's loop, everything else on the worker pool. */
#include "analytics/report/query_person_int.h"
#include "analytics/report/report_run_int.h"

#include "base/log.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    PEOPLE_MAX = STORED_PEOPLE_MAX,
    ROWS_BYTES_MAX = 32 << 20,
    COPY_SQL_BYTES_MAX = 1024,
};
enum purpose { MEMBERS, COUNT, SNAPSHOT };
struct membership {
    struct report report;
    struct report_cohort *cohort;
    enum purpose purpose;
    struct slice name; /* of a snapshot */
    uint32_t limit;
};

struct stored_lookup report_lookup_of(const struct query_call *call)
{
    const struct api_request *req = call->req;
    return (struct stored_lookup){
        .source = call->query->cfg.stored,
        .where = {.project = slice_of(req->project->id_text, UUID_TEXT_LEN),
                  .viewer = slice_str(req->net->ctx->claims->actor.id)}};
}

/* ---- copies of lists ---- */
static enum rc count_copied(struct query_call *call, struct store_client *client, struct slice list,
                            int64_t *ret_count, struct err *err)
{
    const struct store_param params[] = {
        {"project", slice_of(call->req->project->id_text, UUID_TEXT_LEN)}, {"list", list}};
    const struct store_query q = {
        .sql = "SELECT toUInt32(uniqExact(member)) FROM cohort_members WHERE project_id = "
               "{project:UUID} AND list = {list:String} AND made_at > now() - INTERVAL 6 DAY",
        .format = "JSONCompactEachRow",
        .params = params,
        .param_count = COUNT_OF(params),
        .read_only = true};
    CLEANUP(buf_done) struct buf result;
    buf_init(&result, 4096);
    TRY(store_query(call->req->net->ctx, client, &q, &result, NULL, NULL, err));
    struct slice rest = buf_slice(&result), line; /* [7] */
    ENSURE(json_line_next(&rest, &line) && line.len > 2 &&
               slice_to_i64(slice_of(line.data + 1, line.len - 2), ret_count),
           err_set(err, RC_STORE, "the store did not tell how long a list is"));
    return RC_OK;
}

static enum rc copy_list(struct query_call *call, struct store_client *client, struct slice list,
                         struct err *err)
{
    const struct stored_lookup l = report_lookup_of(call);
    CLEANUP(buf_done) struct buf people;
    CLEANUP(buf_done) struct buf rows;
    buf_init(&people, STORED_PEOPLE_BYTES_MAX);
    buf_init(&rows, ROWS_BYTES_MAX);
    TRY(l.source->people(l.source->ctx, &l.where, list, &people, err));
    struct slice rest = buf_slice(&people);
    while (rest.len) {
        buf_addf(&rows, "{\"project_id\":\"%.*s\",\"list\":\"%.*s\",\"member\":",
                 SLICE_ARG(l.where.project), SLICE_ARG(list));
        buf_add_json(&rows, slice_cut(&rest, '\0'));
        buf_add_str(&rows, "}\n");
    }
    ENSURE(buf_ok(&rows), err_set(err, RC_LIMIT, "a list of people is too long"));
    return store_insert(client, "cohort_members", "project_id, list, member", "JSONEachRow",
                        buf_slice(&rows), NULL, NULL, NULL, err);
}

static enum rc copy_missing(struct query_call *call, struct store_client *client,
                            const struct report_list_used *used, struct err *err)
{
    int64_t count = 0;
    TRY(count_copied(call, client, used->id, &count, err));
    return count == used->size ? RC_OK : copy_list(call, client, used->id, err);
}

enum rc report_copy_lists(struct query_call *call, const struct report *r, struct err *err)
{
    enum rc rc = RC_OK;
    if (r->list_count == 0)
        return RC_OK;
    struct store_client *client;
    TRY(store_pool_take(call->query->cfg.pool, &client, err));
    for (uint32_t i = 0; i < r->list_count && rc == RC_OK; i++)
        rc = copy_missing(call, client, &r->lists[i], err);
    store_pool_give(call->query->cfg.pool, client);
    if (rc != RC_STORE)
        return rc;
    log_error("a list of people could not be copied into the store", LOG_ERR(err));
    return err_set(err, rc, "a list of people could not be used; the server's log says why");
}

/* ---- the question ---- */
static enum rc find_cohort(struct query_call *call, struct membership *p, struct err *err)
{
    const struct stored_lookup l = report_lookup_of(call);
    struct report *r = &p->report;
    CLEANUP(buf_done) struct buf text;
    yyjson_val *object;
    buf_init(&text, 256 << 10);
    TRY(l.source->find(l.source->ctx, &l.where, STORED_COHORT, call->req->params[1], &text, err));
    TRY(json_parse(call->req->net->arena, buf_slice(&text), &object, err));
    *r = (struct report){.arena = call->req->net->arena,
                         .lookup = &l,
                         .has_behaviour = true, /* nobody has asked */
                         .err = ERR_INIT};
    bool is_read = report_read_cohort(r, NULL, object, &p->cohort);
    r->lookup = NULL;
    if (is_read && r->err.rc == RC_OK)
        return RC_OK;
    *err = r->err;
    return err->rc == RC_OK ? err_set(err, RC_NOMEM, "no memory for this request") : err->rc;
}

/* Everybody behind the last one shown: a number of a visitor or person, the id of a user. */
static enum rc take_cursor(struct query_call *call, const struct membership *p, struct err *err)
{
    bool by_user = report_cohort_by(p->cohort) == COHORT_USERS;
    struct slice after = by_user ? SLICE_EMPTY : SLICE_LIT("0"), given;
    uint64_t number;
    if (p->purpose == MEMBERS && net_query_get(call->req->net, "cursor", &given)) {
        if (given.len > REPORT_NAME_BYTES_MAX || (!by_user && !slice_to_u64(given, &number)))
            return err_set(err, RC_INVALID, "cursor: give what \"next\" said");
        after = given;
    }
    query_param(call, "after", after);
    return RC_OK;
}

static enum rc prepare(struct query_call *call, struct err *err)
{
    struct membership *p = call->user;
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    TRY(find_cohort(call, p, err));
    TRY(report_copy_lists(call, &p->report, err));
    TRY(take_cursor(call, p, err));
    for (uint32_t i = 0; i < p->report.param_count; i++)
        query_param(call, p->report.params[i].name, p->report.params[i].value);
    query_param_u64(call, "limit",
                    p->purpose == COUNT      ? UINT32_MAX
                    : p->purpose == SNAPSHOT ? PEOPLE_MAX + 1
                                             : p->limit + 1);
    buf_add_str(&sql,
                p->purpose == COUNT ? "SELECT count() FROM (" : "SELECT toString(actor) FROM (");
    report_members_sql(&p->report, p->cohort, &sql);
    buf_add_char(&sql, ')');
    ENSURE(buf_ok(&sql), err_set(err, RC_LIMIT, "the cohort has too many conditions"));
    return query_begin(call, buf_cstr(&sql), err);
}

/* ---- the answer ---- */
static enum rc shape_count(struct slice result, struct buf *body, struct err *err)
{
    struct slice line;
    ENSURE(json_line_next(&result, &line) && line.len > 2,
           err_set(err, RC_STORE, "the store's answer has another shape"));
    buf_addf(body, "{\"count\":%.*s}", (int)line.len - 2, line.data + 1);
    return RC_OK;
}

/* Lines ["x"], of which one more than the limit says that there are further ones. */
static enum rc shape_members(const struct membership *p, struct slice result, struct buf *body)
{
    static const char *const names[] = {
        [COHORT_VISITORS] = "visitor", [COHORT_USERS] = "user_id", [COHORT_PERSONS] = "person_id"};
    enum report_cohort_by by = report_cohort_by(p->cohort);
    struct slice line, last = SLICE_EMPTY;
    uint32_t count = 0;
    bool is_more = false;
    buf_add_str(body, "{\"data\":[");
    while (json_line_next(&result, &line) && line.len > 2) {
        is_more = count == p->limit;
        if (is_more)
            break;
        last = slice_of(line.data + 1, line.len - 2);
        buf_addf(body, "%s{\"%s\":", count++ ? "," : "", names[by]);
        if (by == COHORT_PERSONS)
            people_put_hash(body, people_first_u64(line));
        else
            buf_add_slice(body, last);
        buf_add_char(body, '}');
    }
    buf_addf(body, "],\"next\":%.*s}", is_more ? (int)last.len : 4, is_more ? last.data : "null");
    return RC_OK;
}

static enum rc keep(struct query_call *call, const struct membership *p, struct slice result,
                    struct buf *body, struct err *err)
{
    const struct stored_lookup l = report_lookup_of(call);
    CLEANUP(buf_done) struct buf list;
    struct arena *arena = call->req->net->arena;
    struct stored_people people = {.count_by = report_cohort_by_names[report_cohort_by(p->cohort)]};
    struct slice line;
    yyjson_val *row;
    buf_init(&list, STORED_PEOPLE_BYTES_MAX);
    for (; json_line_next(&result, &line); people.count++) {
        TRY(json_parse(arena, line, &row, err));
        if (people.count)
            buf_add_char(&list, '\0');
        buf_add_slice(&list, json_text(yyjson_arr_get(row, 0)));
    }
    if (people.count > PEOPLE_MAX || !buf_ok(&list))
        return err_set(err, RC_LIMIT, "a list has at most %d people, and %d bytes of ids",
                       PEOPLE_MAX, STORED_PEOPLE_BYTES_MAX);
    people.ids = buf_slice(&list);
    call->status = 201;
    return l.source->keep(l.source->ctx, call->req->net->ctx, &l.where, p->name, &people, body,
                          err);
}

static enum rc shape(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err)
{
    const struct membership *p = call->user;
    if (p->purpose == COUNT)
        return shape_count(result, body, err);
    return p->purpose == SNAPSHOT ? keep(call, p, result, body, err)
                                  : shape_members(p, result, body);
}

/* ---- routes ---- */
static struct membership *start(struct ctx *ctx, struct query *q, struct api_request *req,
                                enum purpose purpose, struct query_call **ret_call)
{
    struct query_call *call = query_call_new(ctx, q, req);
    struct membership *p = call ? arena_zalloc(ctx->arena, sizeof(*p)) : NULL;
    if (call && !p)
        api_problem(req, RC_NOMEM, "no memory for this request");
    if (!p)
        return NULL;
    p->purpose = purpose;
    p->limit = LIMIT_DEFAULT;
    call->user = p;
    call->prepare = prepare;
    call->shape = shape;
    call->format = "JSONCompactEachRow";
    *ret_call = call;
    return p;
}

void query_cohort_members(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call;
    struct slice text;
    uint64_t limit;
    struct membership *p = start(ctx, service, req, MEMBERS, &call);
    if (!p)
        return;
    if (net_query_get(req->net, "limit", &text)) {
        if (!slice_to_u64(text, &limit) || limit < 1 || limit > LIMIT_MAX) {
            api_problem(req, RC_INVALID, "limit: give a whole number from 1 to %d", LIMIT_MAX);
            return;
        }
        p->limit = (uint32_t)limit;
    }
    query_run_begun(ctx, call);
}

void query_cohort_count(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call;
    if (start(ctx, service, req, COUNT, &call))
        query_run_begun(ctx, call);
}

/* A list of who is in it now, as a cohort of its own. */
void query_cohort_snapshot(struct ctx *ctx, void *service, struct api_request *req)
{
    static const char *const names[] = {"name", NULL};
    const struct report_at at = {.name = names[0]};
    struct query_call *call;
    yyjson_val *root;
    struct membership *p = start(ctx, service, req, SNAPSHOT, &call);
    if (!p)
        return;
    struct report *r = &p->report;
    if (json_parse(ctx->arena, req->net->body, &root, &r->err) == RC_OK &&
        report_known_members(r, NULL, root, names) &&
        report_take_text(r, &at, json_get(root, names[0]), 100, &p->name)) {
        query_run_begun(ctx, call);
        return;
    }
    call->rc = r->err.rc;
    call->err = r->err;
    query_fail(call);
}
