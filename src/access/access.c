/* WHAT     From a route to its operation and back: one call per request.
 * WHY      Every operation blocks on the state, so each runs on the worker pool; the one path there
 *          and back keeps the rules in one place: the body is an object, an error is a problem,
 *          what holds a secret is not kept by any cache.
 * THREADS  access_handle and answer on the request's loop, work on the pool. */
#include "access/access_int.h"
#include "access/oidc_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "tenant/limit.h"

enum {
    ANSWER_BYTES_MAX = 4 << 20,
    HEADER_BYTES_MAX = 4096,
    ROUTES_MAX = 96,
    RESET_LIMIT_SLOTS = 4096,
};

/* At once, by cost: 0 = as many as come. Argon2id takes 32 MiB each; a fetch may take seconds. */
static const uint32_t under_way_max[ACCESS_COSTS] = {
    [ACCESS_HASHING] = 16, [ACCESS_WAITING] = 2, [ACCESS_MAILING] = 2};

static enum access_cost cost_of(const struct access_op *op)
{
    return op->flags & ACCESS_HASHES  ? ACCESS_HASHING
           : op->flags & ACCESS_WAITS ? ACCESS_WAITING
                                      : ACCESS_CHEAP;
}

enum rc access_read_body(struct access_call *c)
{
    if (!(c->op->flags & ACCESS_JSON))
        return RC_OK;
    return api_body_object(c->req, &c->body, &c->err);
}

static void work(struct ctx *ctx, void *arg)
{
    struct access_call *c = arg;
    c->rc = access_read_body(c);
    if (c->rc == RC_OK)
        c->rc = c->op->run(ctx, c);
    if (c->rc == RC_OK && !buf_ok(&c->out))
        c->rc = err_set(&c->err, RC_LIMIT, "the answer is too long");
}

static void answer_problem(struct access_call *c)
{
    if (c->err.rc == RC_OK)
        err_set(&c->err, c->rc, "%s", rc_text(c->rc));
    if (c->retry_after_s)
        api_too_many(c->req, c->retry_after_s, c->err.text);
    else
        api_problem_as(c->req, c->slug, &c->err, c->headers, c->header_count);
}

static void answer(struct ctx *ctx, void *arg)
{
    struct access_call *c = arg;
    (void)ctx;
    atomic_fetch_sub(&c->access->under_way[cost_of(c->op)], 1);
    if (c->rc != RC_OK) {
        answer_problem(c);
    } else {
        access_header(c, "Cache-Control", "no-store");
        api_answer(c->req, c->status, c->out.len ? "application/json" : NULL, buf_slice(&c->out),
                   c->headers, c->header_count);
    }
    if (c->out.data)
        explicit_bzero(c->out.data, c->out.len);
    buf_done(&c->out);
    heap_free(c);
}

bool access_has_room(struct access *a, enum access_cost cost)
{
    uint32_t before = atomic_fetch_add(&a->under_way[cost], 1);
    if (under_way_max[cost] == 0 || before < under_way_max[cost])
        return true;
    atomic_fetch_sub(&a->under_way[cost], 1);
    return false;
}

void access_handle(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct access_op *op = req->route->arg;
    struct access *access = service;
    struct access_call call = {
        .access = access, .req = req, .op = op, .status = op->status, .err = ERR_INIT};
    if ((op->flags & ACCESS_FORM) == ACCESS_FORM && access_check_form(&call) != RC_OK) {
        api_problem_err(req, &call.err);
        return;
    }
    if (!access_has_room(access, cost_of(op))) {
        api_problem(req, RC_BUSY, "Too many are signing in at this moment: try again.");
        return;
    }
    struct access_call *c = heap_alloc(HEAP_APP, sizeof(*c));
    *c = call;
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

enum rc access_show_with(struct access_call *c, const char *name, const char *text,
                         enum tenant_entity entity, struct slice parent, struct slice id)
{
    CLEANUP(buf_done) struct buf seen;
    buf_init(&seen, ANSWER_BYTES_MAX);
    TRY(tenant_show(c->access->state, entity, parent, id, &seen, &c->err));
    buf_addf(&c->out, "{\"%s\":\"%s\",", name, text);
    buf_add_slice(&c->out, slice_sub(buf_slice(&seen), 1));
    return RC_OK;
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

struct slice access_url(const char *url)
{
    struct slice s = slice_str(url);
    while (s.len && s.data[s.len - 1] == '/')
        s.len--;
    return s;
}

void access_header(struct access_call *c, const char *name, const char *value_fmt, ...)
{
    char value[HEADER_BYTES_MAX];
    va_list ap;
    va_start(ap, value_fmt);
    int len = vsnprintf(value, sizeof(value), value_fmt, ap);
    va_end(ap);
    must(len >= 0 && (size_t)len < sizeof(value) && c->header_count < ACCESS_HEADERS_MAX);
    c->headers[c->header_count++] = (struct net_header){
        slice_str(name), arena_copy(c->req->net->arena, slice_of(value, (size_t)len))};
    explicit_bzero(value, sizeof(value));
}

/* ---- the service ---- */
static void add_routes(struct access *a, const struct api_route *routes, uint32_t count)
{
    must(a->route_count + count <= ROUTES_MAX);
    memcpy(&a->routes[a->route_count], routes, count * sizeof(*routes));
    a->route_count += count;
}

static void collect_routes(struct access *a)
{
    a->routes = heap_alloc(HEAP_APP, ROUTES_MAX * sizeof(*a->routes));
    add_routes(a, access_org_routes, access_org_route_count);
    add_routes(a, access_key_routes, access_key_route_count);
    add_routes(a, access_member_routes, access_member_route_count);
    add_routes(a, access_login_routes.routes, access_login_routes.count);
    add_routes(a, access_account_routes.routes, access_account_routes.count);
    add_routes(a, access_recovery_routes.routes, access_recovery_routes.count);
    add_routes(a, access_invitation_routes.routes, access_invitation_routes.count);
    add_routes(a, access_share_routes.routes, access_share_routes.count);
    if (a->oidc)
        add_routes(a, access_oidc_routes.routes, access_oidc_routes.count);
}

struct api_service access_service(struct access *access)
{
    return (struct api_service){.name = "access",
                                .ctx = access,
                                .routes = access->routes,
                                .route_count = access->route_count};
}

enum rc access_new(const struct access_cfg *cfg, struct access **ret_access, struct err *err)
{
    struct oidc *oidc = NULL;
    if (*cfg->oidc.issuer)
        TRY(oidc_new(cfg, &oidc, err));
    struct access *a = heap_alloc(HEAP_APP, sizeof(*a));
    *a = (struct access){.cfg = *cfg,
                         .tenant = cfg->tenant,
                         .state = tenant_state(cfg->tenant),
                         .oidc = oidc,
                         .throttle = throttle_new(),
                         .reset_limit = limit_new("password_reset", RESET_LIMIT_SLOTS)};
    collect_routes(a);
    *ret_access = a;
    return RC_OK;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    oidc_free(access->oidc);
    limit_free(access->reset_limit);
    throttle_free(access->throttle);
    heap_free(access->routes);
    heap_free(access);
}
