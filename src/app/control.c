#include "app/control.h"

#include <stdio.h>

#include "app/backup.h"
#include "app/job.h"
#include "app/replay_cli.h"
#include "app/version.h"
#include "base/heap.h"
#include "base/must.h"

enum { STATUS_BYTES_MAX = 1 << 20, APPEND_BYTES_MAX = 64 << 20, APPEND_RECORDS_MAX = 100000 };

/* ---- status ---- */

static void add_consumer(struct buf *out, const struct consumer *c)
{
    struct consumer_status s;
    consumer_status(c, &s);
    buf_addf(out,
             "{\"name\":\"%s\",\"lag_records\":%llu,\"lag_ms\":%lld,\"processed\":%llu,"
             "\"rejected\":%llu,"
             "\"retries\":%llu,\"lost\":%llu,\"last_error\":",
             consumer_name(c), (unsigned long long)s.lag_records, (long long)s.lag_ms,
             (unsigned long long)s.processed, (unsigned long long)s.rejected,
             (unsigned long long)s.retries, (unsigned long long)s.lost);
    buf_add_json(out, slice_str(s.last_error));
    buf_add_char(out, '}');
}

static void add_derived(struct buf *out, const char *name, struct derived_worker *w)
{
    struct derived_status s;
    derived_worker_status(w, &s);
    buf_addf(out,
             ",{\"name\":\"%s\",\"lag_records\":%llu,\"lag_ms\":%lld,\"processed\":%llu,"
             "\"rejected\":0,\"retries\":%llu,\"lost\":0,\"rebuilding\":%s,\"last_error\":",
             name, (unsigned long long)s.progress.lag_offsets, (long long)s.lag_ms,
             (unsigned long long)s.progress.offsets, (unsigned long long)s.retries,
             s.progress.is_anew ? "true" : "false");
    buf_add_json(out, slice_str(s.last_error));
    buf_add_char(out, '}');
}

static void add_stream(struct buf *out, const struct stream *s, const struct consumer *project)
{
    buf_addf(out, "{\"name\":\"%s\",\"halted\":%s,\"partitions\":[", stream_name(s),
             stream_is_halted(s) ? "true" : "false");
    for (uint32_t p = 0; p < stream_partitions(s); p++) {
        struct stream_bounds b;
        stream_bounds(s, p, &b);
        buf_addf(out, "%s{\"oldest\":%llu,\"next\":%llu", p ? "," : "",
                 (unsigned long long)b.oldest, (unsigned long long)b.next);
        if (project)
            buf_addf(out, ",\"projected\":%llu",
                     (unsigned long long)consumer_checkpoint(project, p));
        buf_add_char(out, '}');
    }
    buf_add_str(out, "]}");
}

static void add_geo(struct buf *out, struct geo *geo)
{
    static const char *const names[GEO_KINDS] = {
        [GEO_COUNTRY] = "country", [GEO_CITY] = "city", [GEO_ASN] = "network"};
    struct geo_view *view = geo_view_take(geo);
    const char *missing = geo_view_missing(view);
    buf_add_str(out, ",\"geo\":{\"files\":[");
    bool is_first = true;
    for (unsigned kind = 0; kind < GEO_KINDS; kind++) {
        char built[TIME_TEXT_BYTES];
        const char *path = geo_view_path(view, (enum geo_kind)kind);
        if (!*path)
            continue;
        buf_addf(out, "%s{\"kind\":\"%s\",\"path\":", is_first ? "" : ",", names[kind]);
        buf_add_json(out, slice_str(path));
        buf_addf(out, ",\"built\":\"%s\"}",
                 time_format(geo_view_built(view, (enum geo_kind)kind), built));
        is_first = false;
    }
    buf_add_str(out, "],\"missing\":");
    buf_add_json(out, slice_str(missing ? missing : ""));
    buf_add_char(out, '}');
    geo_view_give(view);
}

static void get_status(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    (void)ctx;
    struct node *n = c->node;
    struct buf out;
    buf_init(&out, STATUS_BYTES_MAX);
    const struct consumer *project = atomic_load(&n->project);
    buf_addf(&out, "{\"version\":\"%s\",\"address\":\"%s\",\"streams\":[", WEIR_VERSION,
             c->address);
    add_stream(&out, n->events, project);
    buf_add_char(&out, ',');
    add_stream(&out, n->dead, NULL);
    buf_add_char(&out, ',');
    add_stream(&out, n->audit, NULL);
    buf_add_char(&out, ',');
    add_stream(&out, n->rejects, NULL);
    buf_add_str(&out, "],\"consumers\":[");
    if (project)
        add_consumer(&out, project);
    if (n->archiver) {
        buf_add_str(&out, project ? "," : "");
        add_consumer(&out, n->archiver);
    }
    const struct consumer *rejecter = atomic_load(&n->rejecter);
    if (rejecter) { /* only beside the projector */
        buf_add_char(&out, ',');
        add_consumer(&out, rejecter);
    }
    struct derived_worker *sessionize = atomic_load(&n->sessionize),
                          *persons = atomic_load(&n->persons);
    if (sessionize) /* only beside the projector */
        add_derived(&out, "sessionize", sessionize);
    if (persons)
        add_derived(&out, "persons", persons);
    buf_addf(&out,
             "],\"store\":{\"embedded\":%s,\"up\":%s,\"ready\":%s,\"pid\":%d,\"restarts\":%llu}",
             n->supervisor ? "true" : "false",
             !n->supervisor || store_supervisor_is_up(n->supervisor) ? "true" : "false",
             atomic_load(&n->is_migrated) ? "true" : "false",
             n->supervisor ? store_supervisor_pid(n->supervisor) : 0,
             n->supervisor ? (unsigned long long)store_supervisor_restarts(n->supervisor) : 0ULL);
    add_geo(&out, n->geo);
    buf_add_char(&out, '}');
    api_json(req, 200, buf_slice(&out));
    buf_done(&out);
}

/* ---- imports ---- */

/* The project that ?project= names; NULL: answered. */
static const struct tenant_project *project_of(struct api_request *req)
{
    struct slice text;
    struct uuid id;
    if (!net_query_get(req->net, "project", &text) || !uuid_parse(text, &id)) {
        api_problem(req, RC_INVALID, "project (its id) is wanted.");
        return NULL;
    }
    const struct tenant_project *project = tenant_by_id(req->view, &id);
    if (!project)
        api_problem(req, RC_NOTFOUND, "There is no project %.*s.", SLICE_ARG(text));
    return project;
}

struct append_call {
    const struct import_door *door;
    struct api_request *req;
    const struct tenant_project *project;
    struct stream_record *records;
    uint32_t count, erased;
    struct err err;
};

static void append_work(struct ctx *ctx, void *arg)
{
    struct append_call *call = arg;
    (void)ctx;
    IGNORE(import_door_append(call->door, call->project, call->records, call->count, &call->erased,
                              &call->err) != RC_OK,
           "told by the answer");
}

static void append_done(struct ctx *ctx, void *arg)
{
    struct append_call *call = arg;
    char text[64];
    (void)ctx;
    if (call->err.rc != RC_OK) {
        api_problem_err(call->req, &call->err);
        return;
    }
    int n = snprintf(text, sizeof(text), "{\"erased\":%u}", call->erased);
    api_json(call->req, 200, slice_of(text, (size_t)n));
}

/* The next record of the body; false at its end, and if it is cut. */
static bool next_record(struct slice *rest, struct stream_record *ret)
{
    struct slice head = slice_cut(rest, '\n'), key_len = slice_cut(&head, ' ');
    uint64_t key, value;
    if (!slice_to_u64(key_len, &key) || !slice_to_u64(head, &value) || key > rest->len ||
        value > rest->len - key)
        return false;
    ret->key = slice_of(rest->data, key);
    ret->value = slice_of(rest->data + key, value);
    *rest = slice_sub(*rest, key + value);
    return true;
}

static void post_append(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    struct slice rest = req->net->body;
    struct stream_record one;
    uint32_t count = 0;
    while (rest.len && count <= APPEND_RECORDS_MAX && next_record(&rest, &one))
        count++;
    if (rest.len || count == 0) {
        api_problem(req, RC_INVALID, "1 to %d records are wanted.", APPEND_RECORDS_MAX);
        return;
    }
    rest = req->net->body;
    const struct tenant_project *project = project_of(req);
    if (!project)
        return;
    struct append_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    struct stream_record *records = arena_zalloc(ctx->arena, count * sizeof(*records));
    if (!call || !records) {
        api_problem(req, RC_NOMEM, "No memory for %u records; send fewer.", count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        must(next_record(&rest, &records[i]));
    *call = (struct append_call){
        .door = c->door, .req = req, .project = project, .records = records, .count = count};
    net_loop_work(ctx, req->net->loop, append_work, append_done, call);
}

static void post_not_taken(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    const struct tenant_project *project = project_of(req);
    struct slice rest = req->net->body;
    (void)ctx;
    if (!project)
        return;
    while (rest.len) {
        struct slice count = slice_cut(&rest, '\n'), reason = slice_cut(&count, ' ');
        uint64_t n;
        if (slice_to_u64(count, &n))
            import_tell(c->door, project, reason, n);
    }
    api_json(req, 200, SLICE_LIT("{\"ok\":true}"));
}

/* ---- visible ---- */

struct visible_call {
    struct node *node;
    struct api_request *req;
    struct slice project, id;
    bool is_visible;
    struct err err;
};

static void visible_work(struct ctx *ctx, void *arg)
{
    struct visible_call *call = arg;
    struct store_client *client;
    if (store_pool_take(call->node->pool, &client, &call->err) != RC_OK)
        return;
    struct buf out;
    buf_init(&out, 64);
    const struct store_param params[] = {{"project", call->project}, {"id", call->id}};
    struct store_query q = {
        .sql = "SELECT count() FROM events WHERE project_id = {project:UUID} AND id = {id:UUID}",
        .format = "TSV",
        .params = params,
        .param_count = COUNT_OF(params),
        .read_only = true};
    if (store_query(ctx, client, &q, &out, NULL, NULL, &call->err) == RC_OK)
        call->is_visible = out.len > 0 && out.data[0] != '0';
    store_pool_give(call->node->pool, client);
    buf_done(&out);
}

static void visible_done(struct ctx *ctx, void *arg)
{
    (void)ctx;
    struct visible_call *call = arg;
    if (call->err.rc != RC_OK)
        api_problem_err(call->req, &call->err);
    else
        api_json(call->req, 200,
                 call->is_visible ? SLICE_LIT("{\"visible\":true}")
                                  : SLICE_LIT("{\"visible\":false}"));
}

static void get_visible(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    struct visible_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    must(call);
    *call = (struct visible_call){.node = c->node, .req = req};
    struct uuid u;
    if (!net_query_get(req->net, "project", &call->project) ||
        !net_query_get(req->net, "id", &call->id) || !uuid_parse(call->project, &u) ||
        !uuid_parse(call->id, &u)) {
        api_problem(req, RC_INVALID, "project and id (both uuid) are wanted.");
        return;
    }
    net_loop_work(ctx, req->net->loop, visible_work, visible_done, call);
}

/* ---- imported sums ---- */

struct imported_call {
    struct node *node;
    struct api_request *req;
    struct err err;
};

static void imported_work(struct ctx *ctx, void *arg)
{
    struct imported_call *call = arg;
    (void)ctx;
    IGNORE(import_put_rows(call->node->pool, call->req->net->body, &call->err) != RC_OK,
           "told by the answer");
}

static void imported_done(struct ctx *ctx, void *arg)
{
    struct imported_call *call = arg;
    (void)ctx;
    if (call->err.rc != RC_OK)
        api_problem_err(call->req, &call->err);
    else
        api_json(call->req, 200, SLICE_LIT("{\"ok\":true}"));
}

static void post_imported(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    struct imported_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    must(call);
    *call = (struct imported_call){.node = c->node, .req = req};
    net_loop_work(ctx, req->net->loop, imported_work, imported_done, call);
}

static void get_imports(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    req->project = project_of(req);
    if (req->project)
        query_imports(ctx, c->query, req);
}

struct removal_call {
    struct node *node;
    struct api_request *req;
    const struct tenant_project *project;
    struct uuid id;
    struct err err;
};

static void removal_work(struct ctx *ctx, void *arg)
{
    struct removal_call *call = arg;
    (void)ctx;
    IGNORE(import_sums_remove(call->node->pool, call->project, &call->id, &call->err) != RC_OK,
           "told by the answer");
}

static void removal_done(struct ctx *ctx, void *arg)
{
    struct removal_call *call = arg;
    (void)ctx;
    if (call->err.rc != RC_OK)
        api_problem_err(call->req, &call->err);
    else
        api_json(call->req, 200, SLICE_LIT("{\"ok\":true}"));
}

static void post_import_remove(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    struct slice text;
    struct uuid id;
    const struct tenant_project *project = project_of(req);
    if (!project)
        return;
    if (!net_query_get(req->net, "id", &text) || !uuid_parse(text, &id)) {
        api_problem(req, RC_INVALID, "id (of an import) is wanted.");
        return;
    }
    struct removal_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    must(call);
    *call = (struct removal_call){.node = c->node, .req = req, .project = project, .id = id};
    net_loop_work(ctx, req->net->loop, removal_work, removal_done, call);
}

/* ---- export ---- */

static void get_export(struct ctx *ctx, void *service, struct api_request *req)
{
    struct control *c = service;
    req->project = project_of(req);
    if (req->project)
        query_export(ctx, c->query, req);
}

/* ---- jobs ---- */

struct job_call {
    struct control *control;
    struct replay_args replay;
    char path[OS_PATH_MAX];
};

static void job_release(void *arg)
{
    struct job_call *call = arg;
    atomic_store(&call->control->is_busy, false);
    heap_free(call);
}

/* NULL if another one runs (then it was answered). */
static struct job_call *job_call_new(struct control *c, struct api_request *req)
{
    if (atomic_exchange(&c->is_busy, true)) {
        api_problem(req, RC_CONFLICT,
                    "Another replay, backup or flush is under way; wait for its end.");
        return NULL;
    }
    struct job_call *call = heap_alloc(HEAP_APP, sizeof(*call));
    call->control = c;
    return call;
}

static enum rc run_replay(struct ctx *ctx, void *arg, struct job *job, struct err *err)
{
    (void)ctx;
    struct job_call *call = arg;
    return node_replay(call->control->node, &call->replay, job, err);
}

static void post_replay(struct ctx *ctx, void *service, struct api_request *req)
{
    struct err err = ERR_INIT;
    struct job_call *call = job_call_new(service, req);
    if (!call)
        return;
    if (replay_args_parse(req->net->body, &call->replay, &err) != RC_OK) {
        job_release(call);
        api_problem_err(req, &err);
        return;
    }
    job_start(ctx, req, run_replay, call, job_release);
}

static enum rc run_backup(struct ctx *ctx, void *arg, struct job *job, struct err *err)
{
    (void)ctx;
    struct job_call *call = arg;
    return backup_run(call->control->node, call->path, job, err);
}

static void post_backup(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice to;
    if (!net_query_get(req->net, "to", &to) || to.len == 0 || to.len > CONFIG_TEXT_BYTES_MAX ||
        to.data[0] != '/') {
        api_problem(req, RC_INVALID,
                    "to= is the absolute path of a folder that does not exist yet.");
        return;
    }
    struct job_call *call = job_call_new(service, req);
    if (!call)
        return;
    snprintf(call->path, sizeof(call->path), "%.*s", SLICE_ARG(to));
    job_start(ctx, req, run_backup, call, job_release);
}

static enum rc run_flush(struct ctx *ctx, void *arg, struct job *job, struct err *err)
{
    (void)ctx;
    struct job_call *call = arg;
    uint64_t pending = 0;
    if (!call->control->node->archive)
        return err_set(err, RC_CONFLICT, "the archive is switched off (archive = false)");
    TRY(archive_flush(call->control->node->archive, &pending, err));
    job_line(job, "{\"parquet_pending\":%llu}", (unsigned long long)pending);
    return RC_OK;
}

static void post_archive_flush(struct ctx *ctx, void *service, struct api_request *req)
{
    struct job_call *call = job_call_new(service, req);
    if (call)
        job_start(ctx, req, run_flush, call, job_release);
}

static const struct api_route routes[] = {
    {.method = NET_GET, .pattern = "/control/status", .access = API_CONTROL, .handle = get_status},
    {.method = NET_POST,
     .pattern = "/control/append",
     .access = API_CONTROL,
     .body_bytes_max = APPEND_BYTES_MAX,
     .handle = post_append},
    {.method = NET_POST,
     .pattern = "/control/not-taken",
     .access = API_CONTROL,
     .handle = post_not_taken},
    {.method = NET_GET,
     .pattern = "/control/visible",
     .access = API_CONTROL,
     .handle = get_visible},
    {.method = NET_POST,
     .pattern = "/control/imported",
     .access = API_CONTROL,
     .body_bytes_max = APPEND_BYTES_MAX,
     .handle = post_imported},
    {.method = NET_GET,
     .pattern = "/control/imports",
     .access = API_CONTROL,
     .handle = get_imports},
    {.method = NET_POST,
     .pattern = "/control/import-remove",
     .access = API_CONTROL,
     .handle = post_import_remove},
    {.method = NET_GET, .pattern = "/control/export", .access = API_CONTROL, .handle = get_export},
    {.method = NET_POST,
     .pattern = "/control/replay",
     .access = API_CONTROL,
     .handle = post_replay},
    {.method = NET_POST,
     .pattern = "/control/backup",
     .access = API_CONTROL,
     .handle = post_backup},
    {.method = NET_POST,
     .pattern = "/control/archive-flush",
     .access = API_CONTROL,
     .handle = post_archive_flush},
};

struct api_service control_service(struct control *c)
{
    return (struct api_service){
        .name = "control", .ctx = c, .routes = routes, .route_count = COUNT_OF(routes)};
}
