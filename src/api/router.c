/* From a request to its handler: find the route, authenticate, bind the tenant, hand over. */
#include "api/api_int.h"

#include <sys/socket.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "http/url.h"

enum { EMPTY_BODY_BYTES_MAX = 64 << 10, LIMIT_SLOTS = 1 << 16 };

static const struct api_route unrouted = {
    .pattern = "", .access = API_PUBLIC}; /* so that api_problem() works before a route is known */

static struct api_request *request_new(struct api *api, struct net_request *net,
                                       const struct api_route *route)
{
    struct api_request *req = arena_zalloc(net->arena, sizeof(*req));
    must(req); /* the arena of a request that has only its head is never full */
    req->net = net;
    req->route = route;
    req->api = api;
    return req;
}

static void find_client(struct api_request *req)
{
    const struct forwarded_cfg *proxies = &req->api->proxies;
    struct net_request *net = req->net;
    req->is_https = net->is_tls;
    if (!ip_of_sockaddr(&net->peer, &req->client))
        req->client = (struct ip){0, 0};
    if (proxies->trusted.count) {
        struct forwarded f;
        forwarded_resolve(proxies, req->client, net->is_tls,
                          (const struct framing_header *)(const void *)net->headers,
                          net->header_count, &f); /* of one shape: net/conn.c */
        req->client = f.client;
        req->is_https = f.is_https;
        char text[IP_TEXT_BYTES]; /* net has put the peer's there */
        net->ctx->client_address = arena_copy(net->arena, slice_str(ip_format(f.client, text)));
    }
}

static void answer_preflight(struct net_request *net)
{
    struct net_header headers[API_CORS_HEADERS_MAX];
    uint32_t n = api_cors_headers(net, true, headers);
    net_respond(net, &(struct net_response){.status = 200,
                                            .content_type = SLICE_LIT("application/json"),
                                            .headers = headers,
                                            .header_count = n,
                                            .body = SLICE_LIT("{}")});
}

/* 405 with the methods that the path has (RFC 9110, 15.5.6). A preflight for a route that is not
 * for foreign pages ends here: without CORS headers the browser does not send what it asked about.
 */
static void answer_other_methods(struct api *api, struct net_request *net,
                                 const struct api_entry *found)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const struct api_entry *e;
    struct slice params[API_PARAMS_MAX];
    struct buf allow, body;
    buf_init(&allow, 256);
    buf_init(&body, 1024);
    for (size_t m = 0; m < COUNT_OF(names); m++)
        if (api_find(api, (enum net_method)m, net->path, &e, params) == API_MATCH_FULL)
            buf_addf(&allow, "%s%s", allow.len ? ", " : "", names[m]);
    api_render_problem(&body, 405, "method", "method not allowed",
                       "Use a method of the Allow header.", net->ctx->request_id);
    const struct net_header header = {SLICE_LIT("Allow"), buf_slice(&allow)};
    api_answer(request_new(api, net, found->route), 405, "application/problem+json",
               buf_slice(&body), &header, 1);
    buf_done(&allow);
    buf_done(&body);
}

static bool decode_params(struct api_request *req)
{
    for (uint32_t i = 0; i < API_PARAMS_MAX && req->params[i].len; i++)
        if (!url_decode(req->net->arena, req->params[i], false, &req->params[i]))
            return false;
    return true;
}

static void on_head(void *ctx, struct net_request *net, struct net_body_plan *plan)
{
    struct api *api = ctx;
    const struct api_entry *e = NULL;
    struct slice params[API_PARAMS_MAX] = {SLICE_EMPTY};
    enum api_match match = api_find(api, net->method, net->path, &e, params);
    plan->bytes_max = EMPTY_BODY_BYTES_MAX;
    if (match == API_MATCH_NONE) {
        api_problem(request_new(api, net, &unrouted), RC_NOTFOUND,
                    "There is nothing at %.*s; see /openapi.json.",
                    (int)(net->path.len > 200 ? 200 : net->path.len), net->path.data);
        return;
    }
    if (match == API_MATCH_METHOD) {
        if (net->method == NET_OPTIONS && e->route->is_browser)
            answer_preflight(net);
        else
            answer_other_methods(api, net, e);
        return;
    }
    struct api_request *req = request_new(api, net, e->route);
    req->service = e->service;
    req->entry = e;
    memcpy(req->params, params, sizeof(params));
    if (e->route->access == API_CONTROL && !api->is_control) {
        api_problem(req, RC_NOTFOUND, "There is nothing here.");
        return;
    }
    find_client(req);
    if (!api_limit_address(req))
        return;
    req->view = tenant_view_take(api->tenant);
    if (!decode_params(req)) {
        api_problem(req, RC_INVALID, "The path has a malformed percent-encoding.");
        return;
    }
    if (api_authenticate(req) == API_ANSWERED)
        return;
    if (e->route->body_bytes_max)
        plan->bytes_max = e->route->body_bytes_max;
    net->route = e;
    net->user = req;
}

static void on_request(void *ctx, struct net_request *net)
{
    (void)ctx;
    struct api_request *req = net->user;
    net->route = NULL; /* from here on the request and net->user are the handler's (see on_done) */
    net->user = NULL;
    if (req->auth)
        api_settle(req);
    else
        api_handle(req);
}

void api_handle(struct api_request *req)
{
    req->route->handle(req->net->ctx, req->service->ctx, req);
}

static void render_problem(void *ctx, int status, const char *detail, const char *request_id,
                           struct buf *ret_body)
{
    (void)ctx;
    static const struct {
        int status;
        const char *slug, *title;
    } known[] = {
        {400, "framing", "malformed request"},
        {408, "timeout", "the request came too slowly"},
        {413, "limit", "the body is too large"},
        {414, "limit", "the target is too long"},
        {417, "expectation", "expectation failed"},
        {431, "limit", "the header section is too large"},
        {501, "unsupported", "not supported"},
        {503, "busy", "overloaded, try again later"},
        {505, "version", "HTTP version not supported"},
    };
    const char *slug = "error", *title = "error";
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (known[i].status == status) {
            slug = known[i].slug;
            title = known[i].title;
        }
    }
    api_render_problem(ret_body, status, slug, title, detail, request_id ? request_id : "");
}

/* A request can end between head and handler (framing error in the body, client gone): its view
 * must not be lost then. */
static void on_done(void *ctx, const struct net_request *net, int status, uint64_t bytes_sent)
{
    (void)ctx;
    struct api_request *req = net->route ? net->user : NULL;
    if (req) {
        if (status == 413 || status == 408)
            api_tell_refused(req, status == 413 ? API_REFUSED_SIZE : API_REFUSED_SLOWNESS, NULL,
                             NULL);
        tenant_view_give(take_ptr(&req->view));
        if (req->service->on_answer && status > 0)
            req->service->on_answer(req->service->ctx, status);
    }
    log_debug("request", LOG_SLICE("path", net->path), LOG_I64("status", status),
              LOG_U64("bytes", bytes_sent), LOG_I64("us", mono_diff_us(net->started, mono_now())));
}

static enum rc entry_init(struct api_entry *e, const struct api_service *service,
                          const struct api_route *route, struct err *err)
{
    *e = (struct api_entry){.route = route, .service = service};
    if (route->access == API_UNDECLARED)
        return err_set(err, RC_BUG, "route '%s' does not say what it asks of its caller",
                       route->pattern);
    if (!route->openapi && route->access != API_CONTROL)
        return err_set(err, RC_BUG, "route '%s' is not in the OpenAPI document", route->pattern);
    return api_entry_cut(e, err);
}

enum rc api_new(const struct api_cfg *cfg, struct api **ret_api, struct err *err)
{
    struct api *api = heap_alloc(HEAP_APP, sizeof(*api));
    *api = (struct api){.tenant = cfg->tenant,
                        .state = cfg->state,
                        .jwks = cfg->jwks,
                        .quota = cfg->quota,
                        .proxies = cfg->proxies,
                        .address_limit = cfg->address_limit,
                        .key_limit = cfg->key_limit,
                        .services = cfg->services,
                        .service_count = cfg->service_count,
                        .version = cfg->version,
                        .is_control = cfg->is_control};
    if (cfg->address_limit.interval_ns)
        api->addresses = limit_new("address", LIMIT_SLOTS);
    if (cfg->key_limit.interval_ns)
        api->keys = limit_new("key", LIMIT_SLOTS);
    uint32_t total = 0;
    for (uint32_t i = 0; i < cfg->service_count; i++)
        total += cfg->services[i].route_count;
    api->entries = heap_alloc(HEAP_APP, (total + 1) * sizeof(*api->entries));
    /* Exact routes first, "*" ones last: the more particular pattern wins. */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < cfg->service_count; i++) {
            for (uint32_t k = 0; k < cfg->services[i].route_count; k++) {
                const struct api_route *route = &cfg->services[i].routes[k];
                if ((route->pattern[0] == '*') != (pass == 1))
                    continue;
                enum rc rc =
                    entry_init(&api->entries[api->entry_count++], &cfg->services[i], route, err);
                if (rc != RC_OK) {
                    api_free(api);
                    return rc;
                }
            }
        }
    }
    api_tree_make(api);
    *ret_api = api;
    return RC_OK;
}

struct net_app api_app(struct api *api)
{
    return (struct net_app){.ctx = api,
                            .on_head = on_head,
                            .on_request = on_request,
                            .render_problem = render_problem,
                            .on_done = on_done};
}

void api_free(struct api *api)
{
    if (!api)
        return;
    limit_free(api->addresses);
    limit_free(api->keys);
    api_tree_free(&api->tree);
    heap_free(api->entries);
    heap_free(api);
}
