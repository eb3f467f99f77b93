#include "app/health.h"

#include <stdio.h>
#include <string.h>

#include "app/version.h"
#include "base/heap.h"
#include "base/metrics.h"

enum { METRICS_BYTES_MAX = 4 << 20, OPENAPI_BYTES_MAX = 4 << 20 };

static void get_root(struct ctx *ctx, void *service, struct api_request *req)
{
    static const struct net_header to_dashboard[] = {{SLICE_CONST("Location"), SLICE_CONST("/app")},
                                                     {SLICE_CONST("Vary"), SLICE_CONST("Accept")}};
    (void)ctx;
    (void)service;
    struct slice accept = net_header_get(req->net, "Accept");
    if (accept.len && memmem(accept.data, accept.len, "text/html", 9)) {
        api_answer(req, 303, "text/plain; charset=utf-8", SLICE_LIT("The dashboard is at /app\n"),
                   to_dashboard, COUNT_OF(to_dashboard));
        return;
    }
    api_json(req, 200,
             SLICE_LIT("{\"name\":\"weir\",\"version\":\"" WEIR_VERSION
                       "\",\"openapi\":\"/openapi.json\"}"));
}

/* Alive: the process answers and its stream has not halted. */
static void get_healthz(struct ctx *ctx, void *service, struct api_request *req)
{
    struct health *h = service;
    (void)ctx;
    if (stream_is_halted(h->node->events))
        api_problem(req, RC_HALTED,
                    "The stream has halted after a storage failure; the process is about to exit.");
    else
        api_json(req, 200, SLICE_LIT("{\"status\":\"ok\"}"));
}

/* Ready: events can be taken. The store may be down: the stream absorbs that, so it is told, not
 * counted. */
static void get_readyz(struct ctx *ctx, void *service, struct api_request *req)
{
    struct health *h = service;
    bool is_halted = stream_is_halted(h->node->events);
    bool is_draining = atomic_load(&h->is_draining);
    bool is_store_up = !h->node->supervisor || store_supervisor_is_up(h->node->supervisor);
    char *body = arena_printf(
        ctx->arena, "{\"ready\":%s,\"stream\":\"%s\",\"store\":\"%s\",\"draining\":%s}",
        is_halted || is_draining ? "false" : "true", is_halted ? "halted" : "ok",
        is_store_up && atomic_load(&h->node->is_migrated) ? "ok" : "starting or down",
        is_draining ? "true" : "false");
    api_json(req, is_halted || is_draining ? 503 : 200, slice_str(body));
}

static void get_metrics(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx;
    (void)service;
    struct buf out;
    buf_init(&out, METRICS_BYTES_MAX);
    metrics_render(&out);
    api_answer(req, buf_ok(&out) ? 200 : 500, "text/plain; version=0.0.4; charset=utf-8",
               buf_slice(&out), NULL, 0);
    buf_done(&out);
}

static void get_openapi(struct ctx *ctx, void *service, struct api_request *req)
{
    struct health *h = service;
    (void)ctx;
    struct buf out;
    buf_init(&out, OPENAPI_BYTES_MAX);
    api_openapi(h->api, &out);
    api_answer(req, buf_ok(&out) ? 200 : 500, "application/json", buf_slice(&out), NULL, 0);
    buf_done(&out);
}

#define OK_JSON \
    "\"responses\":{\"200\":{\"description\":\"ok\",\"content\":{\"application/json\":{}}}}"

static const struct api_route routes[] = {
    {.method = NET_GET,
     .pattern = "/",
     .access = API_PUBLIC,
     .handle = get_root,
     .openapi = "{\"operationId\":\"root\",\"summary\":\"What this is\"," OK_JSON "}"},
    {.method = NET_GET,
     .pattern = "/healthz",
     .access = API_PUBLIC,
     .handle = get_healthz,
     .openapi = "{\"operationId\":\"healthz\",\"summary\":\"Alive\"," OK_JSON "}"},
    {.method = NET_GET,
     .pattern = "/readyz",
     .access = API_PUBLIC,
     .handle = get_readyz,
     .openapi = "{\"operationId\":\"readyz\",\"summary\":\"Ready to take events\"," OK_JSON "}"},
    {.method = NET_GET,
     .pattern = "/metrics",
     .access = API_PUBLIC,
     .handle = get_metrics,
     .openapi = "{\"operationId\":\"metrics\",\"summary\":\"Prometheus "
                "metrics\",\"responses\":{\"200\":{\"description\":"
                "\"text format 0.0.4\",\"content\":{\"text/plain\":{}}}}}"},
    {.method = NET_GET,
     .pattern = "/openapi.json",
     .access = API_PUBLIC,
     .is_browser = true,
     .handle = get_openapi,
     .openapi = "{\"operationId\":\"openapi\",\"summary\":\"This document\"," OK_JSON "}"},
};

struct api_service health_service(struct health *h)
{
    return (struct api_service){
        .name = "health", .ctx = h, .routes = routes, .route_count = COUNT_OF(routes)};
}

static int64_t read_store_up(void *ctx)
{
    const struct node *n = ctx;
    return !n->supervisor || store_supervisor_is_up(n->supervisor);
}

static int64_t read_heap(void *ctx)
{
    return (int64_t)heap_bytes((enum heap_tag)(uintptr_t)ctx);
}

void health_metrics_register(struct health *h)
{
    static struct metric up = {.name = "weir_store_reachable",
                               .help = "1 when the store answered its last ping.",
                               .kind = METRIC_GAUGE,
                               .read = read_store_up};
    static struct metric heap[HEAP_TAG_COUNT];
    static char labels[HEAP_TAG_COUNT][32];
    up.read_ctx = h->node;
    metrics_register(&up);
    ctx_metrics_register();
    for (unsigned tag = 0; tag < HEAP_TAG_COUNT; tag++) {
        snprintf(labels[tag], sizeof(labels[tag]), "tag=\"%s\"", heap_tag_name((enum heap_tag)tag));
        heap[tag] = (struct metric){.name = "weir_heap_bytes",
                                    .help = "Heap in use, by purpose.",
                                    .labels = labels[tag],
                                    .kind = METRIC_GAUGE,
                                    .read = read_heap,
                                    .read_ctx = (void *)(uintptr_t)tag};
        metrics_register(&heap[tag]);
    }
}
