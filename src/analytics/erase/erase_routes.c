/* WHAT    The HTTP face of erasures.
 * THREADS handlers on the request's loop, everything that touches the state on the worker pool. */
#include <stdio.h>
#include <string.h>

#include "analytics/erase/erase_int.h"
#include "analytics/event/event.h"
#include "base/heap.h"
#include "codec/json.h"

enum { ANSWER_BYTES_MAX = 4 << 20, BODY_BYTES_MAX = 512 << 10 };

struct erase_service {
    struct tenant *tenant;
    struct state *state;
};

struct call {
    struct erase_service *service;
    struct api_request *req;
    char org[UUID_TEXT_LEN + 1], project[UUID_TEXT_LEN + 1];
    struct buf out;
    enum rc rc;
    struct err err;
};

/* ---- what is asked for ---- */

/* The device's digits in our own spelling. */
static enum rc check_device(struct slice id, struct err *err)
{
    bool is_good = id.len == EVENT_DEVICE_DIGITS;
    for (size_t i = 0; i < id.len && is_good; i++)
        is_good =
            (id.data[i] >= '0' && id.data[i] <= '9') || (id.data[i] >= 'a' && id.data[i] <= 'f');
    return is_good ? RC_OK
                   : err_set(err, RC_INVALID, "devices: each is %d hex digits in lower case",
                             EVENT_DEVICE_DIGITS);
}

static enum rc take_ids(yyjson_val *list, const char *name, enum erase_kind kind,
                        struct erase_id *ids, uint32_t *count, struct err *err)
{
    size_t at, n;
    yyjson_val *v;
    if (!list)
        return RC_OK;
    if (!yyjson_is_arr(list))
        return err_set(err, RC_INVALID, "%s: a list of texts", name);
    yyjson_arr_foreach(list, at, n, v)
    {
        if (!yyjson_is_str(v) || json_text(v).len == 0 || json_text(v).len > ERASE_ID_BYTES_MAX)
            return err_set(err, RC_INVALID, "%s: a list of texts of 1 to %d bytes", name,
                           ERASE_ID_BYTES_MAX);
        if (*count == ERASE_IDS_MAX)
            return err_set(err, RC_LIMIT, "at most %d ids at once", ERASE_IDS_MAX);
        if (kind == ERASE_DEVICE)
            TRY(check_device(json_text(v), err));
        ids[(*count)++] = (struct erase_id){kind, json_text(v)};
    }
    return RC_OK;
}

static enum rc take_flag(yyjson_val *v, const char *name, bool *ret, struct err *err)
{
    *ret = v && yyjson_is_true(v);
    return !v || yyjson_is_bool(v) ? RC_OK : err_set(err, RC_INVALID, "%s: true or false", name);
}

static enum rc check_names(yyjson_val *body, struct err *err)
{
    static const char *const names[] = {"user_ids",       "anonymous_ids", "devices",
                                        "include_linked", "dry_run",       "reason"};
    size_t at, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(body, at, n, key, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < COUNT_OF(names); i++)
            is_known |= slice_eq_str(json_text(key), names[i]);
        if (!is_known)
            return err_set(err, RC_INVALID, "\"%.*s\" has no meaning here",
                           (int)(json_text(key).len < 64 ? json_text(key).len : 64),
                           json_text(key).data);
    }
    return RC_OK;
}

static enum rc read_request(struct call *c, struct erase_request *r, struct erase_id *ids)
{
    struct net_request *net = c->req->net;
    yyjson_val *body = NULL, *reason;
    TRY(json_parse(net->arena, net->body, &body, &c->err));
    if (!yyjson_is_obj(body))
        return err_set(&c->err, RC_INVALID, "send a JSON object");
    TRY(check_names(body, &c->err));
    TRY(take_ids(json_get(body, "user_ids"), "user_ids", ERASE_USER, ids, &r->count, &c->err));
    TRY(take_ids(json_get(body, "anonymous_ids"), "anonymous_ids", ERASE_ANONYMOUS, ids, &r->count,
                 &c->err));
    TRY(take_ids(json_get(body, "devices"), "devices", ERASE_DEVICE, ids, &r->count, &c->err));
    TRY(take_flag(json_get(body, "include_linked"), "include_linked", &r->include_linked, &c->err));
    TRY(take_flag(json_get(body, "dry_run"), "dry_run", &r->is_dry_run, &c->err));
    reason = json_get(body, "reason");
    if (reason && !yyjson_is_str(reason))
        return err_set(&c->err, RC_INVALID, "reason: a text");
    r->reason = reason ? json_text(reason) : SLICE_EMPTY;
    r->ids = ids;
    return RC_OK;
}

static enum rc create(struct ctx *ctx, struct call *c)
{
    struct erase_request r = {.org = slice_str(c->org), .project = slice_str(c->project)};
    CLEANUP(heap_freep)
    struct erase_id *ids = heap_try_alloc(HEAP_ANALYTICS, ERASE_IDS_MAX * sizeof(*ids));
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    if (!ids)
        return err_set(&c->err, RC_NOMEM, "no memory for this request");
    TRY(read_request(c, &r, ids));
    TRY(erase_request(ctx, c->service->tenant, &r, &id, &c->err));
    return tenant_show(c->service->state, TENANT_ERASURE, slice_str(c->project),
                       slice_str(uuid_format(&id, text)), &c->out, &c->err);
}

static enum rc list(struct ctx *ctx, struct call *c)
{
    struct slice after;
    (void)ctx;
    if (!net_query_get(c->req->net, "after", &after))
        after = SLICE_EMPTY;
    return tenant_list(c->service->state, TENANT_ERASURE, slice_str(c->project), after, &c->out,
                       &c->err);
}

static enum rc show(struct ctx *ctx, struct call *c)
{
    (void)ctx;
    return tenant_show(c->service->state, TENANT_ERASURE, slice_str(c->project), c->req->params[1],
                       &c->out, &c->err);
}

/* ---- there and back ---- */

struct op {
    enum rc (*run)(struct ctx *ctx, struct call *c); /* on the worker pool */
    int status;
};

static void work(struct ctx *ctx, void *arg)
{
    struct call *c = arg;
    const struct op *op = c->req->route->arg;
    c->rc = op->run(ctx, c);
    if (c->rc == RC_OK && !buf_ok(&c->out))
        c->rc = err_set(&c->err, RC_LIMIT, "the answer is too long");
}

static void answer(struct ctx *ctx, void *arg)
{
    static const struct net_header no_store = {{"Cache-Control", 13}, {"no-store", 8}};
    struct call *c = arg;
    const struct op *op = c->req->route->arg;
    (void)ctx;
    if (c->rc == RC_OK) {
        api_answer(c->req, op->status, "application/json", buf_slice(&c->out), &no_store, 1);
    } else {
        if (c->err.rc == RC_OK)
            IGNORE(err_set(&c->err, c->rc, "%s", rc_text(c->rc)), "told below");
        api_problem_err(c->req, &c->err);
    }
    buf_done(&c->out);
    heap_free(c);
}

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct call *c = heap_alloc(HEAP_ANALYTICS, sizeof(*c));
    *c = (struct call){.service = service, .req = req, .err = ERR_INIT};
    uuid_format(&req->project->org, c->org);
    memcpy(c->project, req->project->id_text, sizeof(c->project));
    buf_init(&c->out, ANSWER_BYTES_MAX);
    net_loop_work(ctx, req->net->loop, work, answer, c);
}

static const struct op op_create = {create, 202}, op_list = {list, 200}, op_show = {show, 200};

#define ANSWERS(status, schema)                                                 \
    "\"responses\":{\"default\":{\"$ref\":\"#/components/responses/Problem\"}," \
    "\"" status                                                                 \
    "\":{\"description\":\"Done\",\"content\":{\"application/json\":{\"schema\":" schema "}}}}"
#define SECURITY "\"security\":[{\"session\":[]},{\"secretKey\":[]},{\"token\":[]}],"
#define ERASURE "{\"$ref\":\"#/components/schemas/Erasure\"}"
#define PROJECT "/v1/projects/{projectId}"

static const struct api_route routes[] = {
    {.method = NET_POST,
     .pattern = PROJECT "/erasures",
     .access = API_NEEDS(PRIVACY_ERASE),
     .body_bytes_max = BODY_BYTES_MAX,
     .handle = handle,
     .arg = &op_create,
     .openapi =
         "{\"operationId\":\"createErasure\",\"summary\":\"Erase everything about one "
         "user\"," SECURITY
         "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":"
         "{\"$ref\":\"#/components/schemas/ErasureRequest\"}}}}," ANSWERS("202", ERASURE) "}"},
    {.method = NET_GET,
     .pattern = PROJECT "/erasures",
     .access = API_NEEDS(PRIVACY_ERASE),
     .handle = handle,
     .arg = &op_list,
     .openapi = "{\"operationId\":\"listErasures\",\"summary\":\"The project's erasures\"," SECURITY
         ANSWERS("200", "{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"array\","
                        "\"items\":" ERASURE "},\"next\":{\"type\":[\"string\",\"null\"]}}}") "}"},
    {.method = NET_GET,
     .pattern = PROJECT "/erasures/{erasureId}",
     .access = API_NEEDS(PRIVACY_ERASE),
     .handle = handle,
     .arg = &op_show,
     .openapi = "{\"operationId\":\"getErasure\",\"summary\":\"One erasure: how far it is, or its "
                "report\"," SECURITY ANSWERS("200", ERASURE) "}"},
};

static const char schemas[] =
    "\"ErasureRequest\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"user_ids\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"anonymous_ids\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"devices\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"include_linked\":{\"type\":\"boolean\"},\"dry_run\":{\"type\":\"boolean\"},"
    "\"reason\":{\"type\":\"string\"}}},"
    "\"Erasure\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"string\",\"enum\":[\"queued\",\"running\",\"done\"]},"
    "\"reason\":{\"type\":\"string\"},\"dry_run\":{\"type\":\"boolean\"},"
    "\"include_linked\":{\"type\":\"boolean\"},\"ids\":{\"type\":\"integer\"},"
    "\"requested_at\":{\"type\":\"string\"},\"started_at\":{\"type\":[\"string\",\"null\"]},"
    "\"finished_at\":{\"type\":[\"string\",\"null\"]},\"attempts\":{\"type\":\"integer\"},"
    "\"error\":{\"type\":\"string\"},\"report\":{\"type\":[\"object\",\"null\"]}}}";

enum rc erase_service_new(struct tenant *t, struct erase_service **ret, struct err *err)
{
    struct erase_service *s = heap_alloc(HEAP_ANALYTICS, sizeof(*s));
    *s = (struct erase_service){.tenant = t, .state = tenant_state(t)};
    enum rc rc = erase_migrate(s->state, err);
    if (rc != RC_OK) {
        heap_free(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

void erase_service_free(struct erase_service *s)
{
    heap_free(s);
}

struct api_service erase_api_service(struct erase_service *s)
{
    return (struct api_service){.name = "erase",
                                .ctx = s,
                                .routes = routes,
                                .route_count = COUNT_OF(routes),
                                .openapi_schemas = schemas};
}
