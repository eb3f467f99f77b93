#ifndef WEIR_ACCESS_ACCESS_INT_H
#define WEIR_ACCESS_ACCESS_INT_H
/* Inside access/ only: a request becomes a call, which runs on the worker pool and is answered on
 * the loop. */
#include "access/access.h"
#include "codec/json.h"

struct access {
    struct tenant *tenant;
    struct state *state; /* of the tenant */
};

struct access_op;
struct access_call {
    struct access *access;
    struct api_request *req; /* alive until the answer; params, route and net's head are read */
    const struct access_op *op;
    yyjson_val *body; /* an object; NULL if the operation takes none */
    struct buf out;   /* JSON of the answer; empty: no body */
    int status;       /* preset to the operation's */
    enum rc rc;
    struct err err;
};
struct access_op {
    /* On the worker pool. Not RC_OK: the answer is a problem made of c->err. */
    enum rc (*run)(struct ctx *ctx, struct access_call *c);
    int status;
    bool takes_body; /* a JSON object */
};
void access_handle(struct ctx *ctx, void *service, struct api_request *req);

/* ---- what operations use ---- */
struct slice access_param(const struct access_call *c, uint32_t n); /* nth {…} of the pattern */
/* A member of the body that must be a string of at most max bytes; RC_INVALID names it. An absent
 * one that is not needed leaves *ret empty. */
enum rc access_text(struct access_call *c, const char *name, bool is_needed, size_t max,
                    struct slice *ret) MUST_CHECK;
/* Every member of the body is one of these (NULL-terminated). */
enum rc access_only(struct access_call *c, const char *const *names) MUST_CHECK;
/* The id of a user, key …: a UUID in our spelling. RC_NOTFOUND, as an unknown one would be. */
enum rc access_uuid(struct access_call *c, struct slice text, struct uuid *ret) MUST_CHECK;
/* The object as the answer. */
enum rc access_show(struct access_call *c, enum tenant_entity entity, struct slice parent,
                    struct slice id) MUST_CHECK;
/* The page of the list that ?after= asks for. */
enum rc access_list(struct access_call *c, enum tenant_entity entity,
                    struct slice parent) MUST_CHECK;
enum rc access_update(struct ctx *ctx, struct access_call *c, enum tenant_entity entity,
                      struct slice parent, struct slice id) MUST_CHECK;

/* ---- routes ---- */
extern const struct api_route access_org_routes[], access_key_routes[], access_member_routes[];
extern const uint32_t access_org_route_count, access_key_route_count, access_member_route_count;

/* One row: method, path, what it asks for, operation, body limit, OpenAPI. */
enum { ACCESS_BODY_BYTES_MAX = 64 << 10 };
#define ACCESS_ROUTE(method_, path, access_, op_, id, summary)                                  \
    {                                                                                           \
        .method = method_, .pattern = path, .access = access_, .handle = access_handle,         \
        .arg = &(op_), .body_bytes_max = ACCESS_BODY_BYTES_MAX,                                 \
        .openapi = "{\"operationId\":\"" id "\",\"summary\":\"" summary "\","                   \
                   "\"security\":[{\"session\":[]},{\"secretKey\":[]},{\"token\":[]}],"         \
                   "\"responses\":{\"default\":{\"$ref\":\"#/components/responses/Problem\"},"  \
                   "\"2XX\":{\"description\":\"Done\",\"content\":{\"application/json\":{}}}}}" \
    }
#endif
