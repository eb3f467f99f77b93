/* WHAT    The routes of bi.h, and how many statements run at once.
 * THREADS handlers: the request's loop. */
#include "analytics/bi/bi_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"

enum { BODY_BYTES_MAX = 256 * 1024 };

enum rc bi_new(const struct bi_cfg *cfg, struct bi **ret_bi, struct err *err)
{
    ENSURE(cfg->store.database && !strpbrk(cfg->store.database, "`\\"),
           err_set(err, RC_INVALID, "the store's database has no usable name"));
    struct bi *bi = heap_alloc(HEAP_ANALYTICS, sizeof(*bi));
    *bi = (struct bi){.cfg = *cfg};
    if (!bi->cfg.seconds_max)
        bi->cfg.seconds_max = 20;
    if (!bi->cfg.running_max)
        bi->cfg.running_max = 4;
    if (!bi->cfg.running_project_max)
        bi->cfg.running_project_max = 2;
    must(bi->cfg.running_max <= COUNT_OF(bi->running));
    pthread_mutex_init(&bi->lock, NULL);
    *ret_bi = bi;
    return RC_OK;
}

void bi_free(struct bi *bi)
{
    if (!bi)
        return;
    pthread_mutex_destroy(&bi->lock);
    heap_free(bi->tokens);
    heap_free(bi);
}

/* ---- how many at once ---- */
static struct bi_running *running_of(struct bi *bi, const struct uuid *project)
{
    for (uint32_t i = 0; i < bi->running_count; i++)
        if (memcmp(&bi->running[i].project, project, sizeof(*project)) == 0)
            return &bi->running[i];
    return NULL;
}

bool bi_running_take(struct bi *bi, const struct uuid *project)
{
    pthread_mutex_lock(&bi->lock);
    struct bi_running *r = running_of(bi, project);
    bool ok =
        bi->running_sum < bi->cfg.running_max && (!r || r->count < bi->cfg.running_project_max);
    if (ok && !r) {
        r = &bi->running[bi->running_count++]; /* at most running_max projects run anything */
        *r = (struct bi_running){.project = *project};
    }
    if (ok) {
        r->count++;
        bi->running_sum++;
    }
    pthread_mutex_unlock(&bi->lock);
    return ok;
}

void bi_running_give(struct bi *bi, const struct uuid *project)
{
    pthread_mutex_lock(&bi->lock);
    struct bi_running *r = running_of(bi, project);
    must(r && r->count && bi->running_sum);
    bi->running_sum--;
    if (--r->count == 0)
        *r = bi->running[--bi->running_count];
    pthread_mutex_unlock(&bi->lock);
}

/* ---- handlers ---- */
void bi_fail(struct api_request *req, int status, int code, const char *name, const char *why)
{
    char number[16], body[1024];
    snprintf(number, sizeof(number), "%d", code);
    snprintf(body, sizeof(body), "Code: %d. DB::Exception: %s. (%s)\n", code, why, name);
    const struct net_header header = {SLICE_LIT("X-ClickHouse-Exception-Code"), slice_str(number)};
    api_answer(req, status, "text/plain; charset=UTF-8", slice_str(body), &header, 1);
}

static void answer_ok(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx;
    (void)service;
    api_answer(req, 200, "text/html; charset=UTF-8", SLICE_LIT("Ok.\n"), NULL, 0);
}

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct bi *bi = service;
    if (req->net->method != NET_POST && req->net->query.len == 0) {
        answer_ok(ctx, service, req);
        return;
    }
    if (!bi->cfg.is_embedded) {
        bi_fail(req, 501, 48, "NOT_IMPLEMENTED",
                "this weir keeps its rows on a ClickHouse server: make a user there");
        return;
    }
    if (!req->project) {
        bi_fail(req, 400, 36, "BAD_ARGUMENTS",
                "name the project: /v1/projects/{projectId}/clickhouse/, or use its secret key");
        return;
    }
    struct bi_question *q = arena_zalloc(ctx->arena, sizeof(*q));
    if (!q) {
        bi_fail(req, 503, 241, "MEMORY_LIMIT_EXCEEDED", "no memory for this request");
        return;
    }
    if (!bi_intake(bi, req->net, q)) {
        bi_fail(req, q->code == 48 ? 501 : 400, q->code, q->name, q->why);
        return;
    }
    if (!bi_running_take(bi, &req->project->id)) {
        bi_fail(req, 503, 202, "TOO_MANY_SIMULTANEOUS_QUERIES",
                "Too many simultaneous queries: wait for one to end");
        return;
    }
    bi_job_start(ctx, bi, req, q);
}

#define ROUTE(m, path, text)                                                         \
    .method = m, .pattern = path, .access = API_NEEDS(STATS_READ), .handle = handle, \
    .is_password = true, .body_bytes_max = BODY_BYTES_MAX, .openapi = text
static const struct api_route routes[] = {
    {ROUTE(NET_GET, "/clickhouse", bi_openapi_get)},
    {ROUTE(NET_POST, "/clickhouse", bi_openapi_post)},
    {ROUTE(NET_GET, "/clickhouse/", bi_openapi_get_slash)},
    {ROUTE(NET_POST, "/clickhouse/", bi_openapi_post_slash)},
    {ROUTE(NET_POST, "/", bi_openapi_post_root)}, /* of clients that know no path: Metabase */
    {ROUTE(NET_GET, "/v1/projects/{projectId}/clickhouse", bi_openapi_project_get)},
    {ROUTE(NET_POST, "/v1/projects/{projectId}/clickhouse", bi_openapi_project_post)},
    {ROUTE(NET_GET, "/v1/projects/{projectId}/clickhouse/", bi_openapi_project_get_slash)},
    {ROUTE(NET_POST, "/v1/projects/{projectId}/clickhouse/", bi_openapi_project_post_slash)},
    {.method = NET_GET,
     .pattern = "/clickhouse/ping",
     .access = API_PUBLIC,
     .handle = answer_ok,
     .openapi = bi_openapi_ping},
    {.method = NET_GET,
     .pattern = "/ping",
     .access = API_PUBLIC,
     .handle = answer_ok,
     .openapi = bi_openapi_ping_root},
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/clickhouse/ping",
     .access = API_NEEDS(STATS_READ),
     .is_password = true,
     .handle = answer_ok,
     .openapi = bi_openapi_project_ping},
};

struct api_service bi_service(struct bi *bi)
{
    return (struct api_service){
        .name = "bi", .ctx = bi, .routes = routes, .route_count = COUNT_OF(routes)};
}
