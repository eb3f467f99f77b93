/* WHAT     From a route to its operation and back: one call per request.
 * WHY      Every operation blocks on the state, so each runs on the worker pool; the one path there
 *          and back keeps the rules in one place: the body is an object, an error is a problem,
 *          what holds a secret is not kept by any cache.
 * THREADS  access_handle and answer on the request's loop, work on the pool. */
#include "access/access_int.h"

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { ANSWER_BYTES_MAX = 4 << 20 };

static enum rc read_body(struct access_call *c)
{
    if (!c->op->takes_body)
        return RC_OK;
    if (!c->req->net->body.len)
        return err_set(&c->err, RC_INVALID, "send a JSON object");
    TRY(json_parse(c->req->net->arena, c->req->net->body, &c->body, &c->err));
    if (!yyjson_is_obj(c->body))
        return err_set(&c->err, RC_INVALID, "the body must be a JSON object");
    return RC_OK;
}

static void work(struct ctx *ctx, void *arg)
{
    struct access_call *c = arg;
    c->rc = read_body(c);
    if (c->rc == RC_OK)
        c->rc = c->op->run(ctx, c);
    if (c->rc == RC_OK && !buf_ok(&c->out))
        c->rc = err_set(&c->err, RC_LIMIT, "the answer is too long");
}

static void answer(struct ctx *ctx, void *arg)
{
    struct access_call *c = arg;
    static const struct net_header no_store = {SLICE_CONST("Cache-Control"),
                                               SLICE_CONST("no-store")};
    (void)ctx;
    if (c->rc != RC_OK) {
        if (c->err.rc == RC_OK)
            err_set(&c->err, c->rc, "%s", rc_text(c->rc));
        api_problem_err(c->req, &c->err);
    } else {
        api_answer(c->req, c->status, c->out.len ? "application/json" : NULL, buf_slice(&c->out),
                   &no_store, 1);
    }
    if (c->out.data)
        explicit_bzero(c->out.data, c->out.len);
    buf_done(&c->out);
    heap_free(c);
}

void access_handle(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct access_op *op = req->route->arg;
    struct access_call *c = heap_alloc(HEAP_APP, sizeof(*c));
    *c = (struct access_call){.access = service, .req = req, .op = op, .status = op->status};
    buf_init(&c->out, ANSWER_BYTES_MAX);
    net_loop_work(ctx, req->net->loop, work, answer, c);
}

/* ---- what operations use ---- */
struct slice access_param(const struct access_call *c, uint32_t n)
{
    must(n < API_PARAMS_MAX);
    return c->req->params[n];
}

enum rc access_text(struct access_call *c, const char *name, bool is_needed, size_t max,
                    struct slice *ret)
{
    yyjson_val *v = json_get(c->body, name);
    *ret = SLICE_EMPTY;
    if (!v || yyjson_is_null(v))
        return is_needed ? err_set(&c->err, RC_INVALID, "\"%s\" is needed", name) : RC_OK;
    if (!yyjson_is_str(v) || json_text(v).len > max ||
        memchr(json_text(v).data, 0, json_text(v).len))
        return err_set(&c->err, RC_INVALID, "\"%s\" must be a string of at most %zu bytes", name,
                       max);
    if (is_needed && json_text(v).len == 0)
        return err_set(&c->err, RC_INVALID, "\"%s\" is empty", name);
    *ret = json_text(v);
    return RC_OK;
}

enum rc access_only(struct access_call *c, const char *const *names)
{
    size_t at, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(c->body, at, n, key, value)
    {
        uint32_t i = 0;
        while (names[i] && !slice_eq_str(json_text(key), names[i]))
            i++;
        if (!names[i])
            return err_set(&c->err, RC_INVALID, "\"%.*s\" has no meaning here",
                           (int)(json_text(key).len < 64 ? json_text(key).len : 64),
                           json_text(key).data);
    }
    return RC_OK;
}

enum rc access_uuid(struct access_call *c, struct slice text, struct uuid *ret)
{
    if (text.len != UUID_TEXT_LEN || !uuid_parse(text, ret))
        return err_set(&c->err, RC_NOTFOUND, "there is nothing of that id");
    return RC_OK;
}

enum rc access_show(struct access_call *c, enum tenant_entity entity, struct slice parent,
                    struct slice id)
{
    return tenant_show(c->access->state, entity, parent, id, &c->out, &c->err);
}

enum rc access_list(struct access_call *c, enum tenant_entity entity, struct slice parent)
{
    struct slice after;
    if (!net_query_get(c->req->net, "after", &after))
        after = SLICE_EMPTY;
    return tenant_list(c->access->state, entity, parent, after, &c->out, &c->err);
}

enum rc access_update(struct ctx *ctx, struct access_call *c, enum tenant_entity entity,
                      struct slice parent, struct slice id)
{
    TRY(tenant_update(ctx, c->access->tenant, entity, parent, id, c->req->net->body, &c->err));
    return access_show(c, entity, parent, id);
}

/* ---- the service ---- */
struct group {
    const struct api_route *routes;
    const uint32_t *count;
};
static const struct group groups[] = {
    {access_org_routes, &access_org_route_count},
    {access_key_routes, &access_key_route_count},
    {access_member_routes, &access_member_route_count},
};
enum { ROUTES_MAX = 64 };
static struct api_route routes[ROUTES_MAX];

static uint32_t collect_routes(void)
{
    uint32_t n = 0;
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        must(n + *groups[i].count <= ROUTES_MAX);
        memcpy(&routes[n], groups[i].routes, *groups[i].count * sizeof(routes[0]));
        n += *groups[i].count;
    }
    return n;
}

struct api_service access_service(struct access *access)
{
    return (struct api_service){
        .name = "access", .ctx = access, .routes = routes, .route_count = collect_routes()};
}

enum rc access_new(const struct access_cfg *cfg, struct access **ret_access, struct err *err)
{
    (void)err;
    struct access *a = heap_alloc(HEAP_APP, sizeof(*a));
    *a = (struct access){.tenant = cfg->tenant, .state = tenant_state(cfg->tenant)};
    *ret_access = a;
    return RC_OK;
}

void access_free(struct access *access)
{
    heap_free(access);
}
