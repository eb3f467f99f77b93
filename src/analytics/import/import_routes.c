/* WHAT     POST /v1/projects/{projectId}/imports?format=…: the body is the file. DELETE …/{id}:
 *          the sums that one has brought (report/query_imports.c lists them).
 * WHY      For whoever has no shell on the machine. The body is held whole, so it is bounded (as
 *          sent: IMPORT_BODY_BYTES_MAX); larger files go through the command (app/import.c).
 * THREADS  the handler on the request's loop; work() on the worker pool, one import at a time, so
 *          that imports never take the pool from everybody else; done() on the loop again. */
#include <stdatomic.h>
#include <stdio.h>

#include "analytics/import/import_int.h"
#include "base/heap.h"
#include "base/must.h"

enum {
    IMPORT_BODY_BYTES_MAX = 64 << 20,
    ANSWER_BYTES_MAX = 64 << 10,
    BUSY_PAUSE_MS = 10,
    JOIN_BYTES_MAX = 256 << 20,
};
static const uint64_t plain_bytes_max = UINT64_C(2) << 30;

struct import_service {
    struct import_service_cfg cfg;
    _Atomic bool is_busy;
};
struct import_call { /* in the request's arena */
    struct import_service *service;
    struct api_request *req;
    struct import_cfg cfg;
    struct import_counts counts;
    struct slice rest; /* of the body */
    _Atomic bool is_gone;
    enum rc rc;
    struct err err;
};

static enum rc read_body(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err)
{
    struct import_call *call = ctx;
    (void)err;
    *ret_len = call->rest.len < cap ? call->rest.len : cap;
    if (*ret_len)
        memcpy(to, call->rest.data, *ret_len);
    call->rest = slice_sub(call->rest, *ret_len);
    return RC_OK;
}

static enum rc rewind_body(void *ctx, struct err *err)
{
    struct import_call *call = ctx;
    (void)err;
    call->rest = call->req->net->body;
    return RC_OK;
}

static enum rc append(void *ctx, struct stream_record *records, uint32_t count,
                      uint32_t *ret_erased, struct err *err)
{
    struct import_call *call = ctx;
    enum rc rc;
    while ((rc = import_door_append(call->service->cfg.door, call->cfg.project, records, count,
                                    ret_erased, err)) == RC_BUSY &&
           !atomic_load(&call->is_gone))
        sleep_ms(BUSY_PAUSE_MS);
    if (rc == RC_OK && atomic_load(&call->is_gone))
        return err_set(err, RC_CLOSED, "the client has gone");
    return rc;
}

static enum rc put_rows(void *ctx, struct slice lines, struct err *err)
{
    struct import_call *call = ctx;
    return import_put_rows(call->service->cfg.pool, lines, err);
}

static void on_gone(struct ctx *ctx, struct net_request *net)
{
    struct import_call *call = net->user;
    (void)ctx;
    atomic_store(&call->is_gone, true);
}

static void work(struct ctx *ctx, void *arg)
{
    struct import_call *call = arg;
    (void)ctx;
    call->cfg.join = import_join_new(JOIN_BYTES_MAX);
    call->rc = import_run(&call->cfg, &call->counts, &call->err);
    import_join_free(take_ptr(&call->cfg.join));
    import_tell_counts(call->service->cfg.door, call->cfg.project, &call->counts);
}

static void answer_failure(const struct import_call *call)
{
    char text[sizeof(call->err.text) + 128];
    snprintf(text, sizeof(text), "%s (%llu events of the first %llu lines are kept)",
             call->err.text, (unsigned long long)call->counts.imported,
             (unsigned long long)call->counts.lines_done);
    if (call->rc == RC_RATE)
        api_too_many(call->req, quota_retry_after_s(unix_now()), text);
    else
        api_problem(call->req, call->rc, "%s", text);
}

static void done(struct ctx *ctx, void *arg)
{
    struct import_call *call = arg;
    struct api_request *req = call->req;
    (void)ctx;
    atomic_store(&call->service->is_busy, false);
    if (call->rc != RC_OK) {
        answer_failure(call);
        return;
    }
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, ANSWER_BYTES_MAX);
    import_counts_json(&call->counts, &body);
    api_json(req, 200, buf_slice(&body));
}

static bool take_number(struct api_request *req, const char *name, uint64_t *ret)
{
    struct slice text;
    if (!net_query_get(req->net, name, &text))
        return true;
    if (slice_to_u64(text, ret))
        return true;
    api_problem(req, RC_INVALID, "%s is a whole number", name);
    return false;
}

static const struct import_format *take_format(struct api_request *req)
{
    struct slice name;
    const struct import_format *format = NULL;
    if (net_query_get(req->net, "format", &name))
        format = import_format_find(name);
    if (format)
        return format;
    CLEANUP(buf_done) struct buf names;
    buf_init(&names, 1024);
    import_format_names(&names);
    api_problem(req, RC_INVALID, "format is one of %s", buf_cstr(&names));
    return NULL;
}

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct import_service *s = service;
    const struct import_format *format = take_format(req);
    uint64_t skip = 0, bad_max = 0;
    if (!format || !take_number(req, "skip", &skip) || !take_number(req, "max_bad", &bad_max))
        return;
    struct import_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    if (!call) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return;
    }
    if (!req->net->body.len) {
        api_problem(req, RC_INVALID, "the body is empty: it is the file");
        return;
    }
    if (atomic_exchange(&s->is_busy, true)) {
        api_problem(req, RC_BUSY, "another import is under way; try again when it is over");
        return;
    }
    call->service = s;
    call->req = req;
    call->rest = req->net->body;
    call->cfg = (struct import_cfg){.format = format,
                                    .project = req->project,
                                    .id = uuid_v7(unix_now()),
                                    .read = read_body,
                                    .rewind = rewind_body,
                                    .ends_join = true,
                                    .read_ctx = call,
                                    .sink = append,
                                    .sink_ctx = call,
                                    .put_rows = put_rows,
                                    .geo = s->cfg.geo,
                                    .bad_max = bad_max,
                                    .skip = skip,
                                    .plain_bytes_max = plain_bytes_max};
    req->net->user = call;
    req->net->on_gone = on_gone;
    net_loop_work(ctx, req->net->loop, work, done, call);
}

/* ---- removing sums ---- */

struct removal { /* in the request's arena */
    struct import_service *service;
    struct api_request *req;
    struct uuid id;
    struct err err;
};

static enum rc remove_sums(struct ctx *ctx, struct removal *r)
{
    struct store_pool *pool = r->service->cfg.pool;
    const struct tenant_project *project = r->req->project;
    TRY(import_sums_find(pool, project, &r->id, &r->err));
    TRY(import_sums_note(ctx, r->service->cfg.door->tenant, project, &r->id, &r->err));
    return import_sums_remove(pool, project, &r->id, &r->err);
}

static void removal_work(struct ctx *ctx, void *arg)
{
    IGNORE(remove_sums(ctx, arg) != RC_OK, "told by the answer");
}

static void removal_done(struct ctx *ctx, void *arg)
{
    struct removal *r = arg;
    (void)ctx;
    if (r->err.rc != RC_OK)
        api_problem_err(r->req, &r->err);
    else
        api_answer(r->req, 204, NULL, SLICE_EMPTY, NULL, 0);
}

static void handle_removal(struct ctx *ctx, void *service, struct api_request *req)
{
    struct removal *r = arena_zalloc(ctx->arena, sizeof(*r));
    if (!r) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return;
    }
    *r = (struct removal){.service = service, .req = req};
    if (uuid_parse(req->params[1], &r->id))
        net_loop_work(ctx, req->net->loop, removal_work, removal_done, r);
    else
        api_problem(req, RC_NOTFOUND, "the project has no sums of an import of that id");
}

static const char openapi_removal[] =
    "{\"operationId\":\"removeImport\",\"summary\":\"Remove the sums that an import brought\","
    "\"parameters\":[{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"schema\":{"
    "\"type\":"
    "\"string\",\"format\":\"uuid\"}},{\"name\":\"importId\",\"in\":\"path\",\"required\":true,"
    "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}],\"responses\":{\"204\":{"
    "\"description\":"
    "\"Its rows are "
    "gone\"},\"404\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":"
    "\"#/components/responses/Problem\"}}}";

static const char openapi[] =
    "{\"operationId\":\"importEvents\",\"summary\":\"Import events that another product (or "
    "another "
    "weir) exported; the body is the file, gzip and zstd are recognised\",\"parameters\":[{"
    "\"name\":\"format\",\"in\":\"query\",\"required\":true,\"schema\":{\"type\":\"string\"}},{"
    "\"name\":\"skip\",\"in\":\"query\",\"description\":\"lines at the beginning to pass over\","
    "\"schema\":{\"type\":\"integer\",\"minimum\":0}},{\"name\":\"max_bad\",\"in\":\"query\","
    "\"description\":\"bad lines after which the import stops\",\"schema\":{\"type\":\"integer\","
    "\"minimum\":1}}],\"requestBody\":{\"required\":true,\"content\":{\"application/octet-stream\":"
    "{}}},\"responses\":{\"200\":{\"description\":\"What came of it, with the first bad lines\","
    "\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
    "ImportCounts\"}}}},\"400\":{\"$ref\":\"#/components/responses/Problem\"},\"413\":{\"$ref\":"
    "\"#/components/responses/Problem\"},\"429\":{\"$ref\":\"#/components/responses/Problem\"},"
    "\"503\":{\"$ref\":\"#/components/responses/Problem\"}}}";

static const char schemas[] =
    "\"ImportCounts\":{\"type\":\"object\",\"properties\":{\"lines\":{\"type\":\"integer\"},"
    "\"imported\":{\"type\":\"integer\"},\"rejected\":{\"type\":\"integer\"},\"reasons\":{\"type\":"
    "\"object\",\"additionalProperties\":{\"type\":\"integer\"}},\"bad\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"properties\":{\"line\":{\"type\":\"integer\"},\"reason\":{"
    "\"type\":\"string\"}}}},\"lines_done\":{\"type\":\"integer\"},"
    "\"import_id\":{\"type\":\"string\"}}}";

static const struct api_route routes[] = {
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/imports",
     .access = API_NEEDS(EVENTS_IMPORT),
     .body_bytes_max = IMPORT_BODY_BYTES_MAX,
     .handle = handle,
     .openapi = openapi},
    {.method = NET_DELETE,
     .pattern = "/v1/projects/{projectId}/imports/{importId}",
     .access = API_NEEDS(EVENTS_IMPORT),
     .handle = handle_removal,
     .openapi = openapi_removal},
};

struct import_service *import_service_new(const struct import_service_cfg *cfg)
{
    struct import_service *s = heap_alloc(HEAP_ANALYTICS, sizeof(*s));
    s->cfg = *cfg;
    return s;
}

struct api_service import_service(struct import_service *s)
{
    return (struct api_service){.name = "import",
                                .ctx = s,
                                .routes = routes,
                                .route_count = COUNT_OF(routes),
                                .openapi_schemas = schemas};
}

void import_service_free(struct import_service *s)
{
    heap_free(s);
}
