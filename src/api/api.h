#ifndef WEIR_API_API_H
#define WEIR_API_API_H
/* The HTTP face: one table of routes, the one place that authenticates and binds a request to its
 * tenant, problem+json (RFC 9457), and OpenAPI 3.1 made from the same table. Services hand in
 * routes; app/ wires them. */
#include "base/buf.h"
#include "base/ip.h"
#include "codec/json.h"
#include "codec/jwt.h"
#include "http/forwarded.h"
#include "http/ratelimit.h"
#include "net/net.h"
#include "tenant/jwks_cache.h"
#include "tenant/limit.h"
#include "tenant/quota.h"
#include "tenant/share.h"
#include "tenant/tenant.h"

/* What a route asks of its caller. Every route says it: api_new() refuses one that does not. */
enum api_access {
    API_UNDECLARED,
    API_PUBLIC,     /* anybody */
    API_SIGNED_IN,  /* a person with a session, whatever their role */
    API_CONTROL,    /* only over the control socket (data/run/control.sock, mode 0600) */
    API_PERMISSION, /* + enum tenant_permission: API_NEEDS(STATS_READ) */
};
#define API_NEEDS(permission) ((int)API_PERMISSION + (int)TENANT_##permission)
enum { API_PARAMS_MAX = 4 };
/* Who asks stands in the context's claims: set before the handler is called (in an ingest route, by
 * api_ingest_project()). */
struct api_request { /* lives in the request's arena until the answer */
    struct net_request *net;
    struct tenant_view *view;             /* given back after the answer */
    const struct tenant_project *project; /* {projectId} of the path, or the key's own; else NULL */
    struct slice params[API_PARAMS_MAX];  /* percent-decoded {…} of the pattern, in order */
    struct uuid session;                  /* of the cookie, when that is who asks */
    const struct tenant_share *share;     /* of a visit by a shared link, when that is; else NULL */
    const struct api_route *route;
    const struct api_service *service; /* NULL before a route is found */
    struct api *api;
    struct ip client; /* behind trusted proxies, the one that they speak for */
    bool is_https;    /* the client's own connection, as far as it is known */
    /* api/'s own */
    const struct api_entry *entry;
    struct api_auth *auth; /* of a caller who is not settled before the body is there */
    struct ratelimit_item limits[2];
    uint32_t limit_count;
};
struct api_route {
    enum net_method method; /* HEAD is served by GET; OPTIONS (CORS) by the router itself */
    const char *pattern; /* "/projects/{projectId}/events/{eventId}"; a leading "*" segment matches
                            any prefix */
    int access;          /* enum api_access; {projectId} in the path must be the caller's */
    bool is_ingest;      /* the key is where the dialect has it: the handler hands it to
                        api_ingest_project() */
    bool is_shared;      /* visits by a shared link may use it; the handler heeds req->share */
    bool is_password; /* the key may also come as a password: Basic, X-ClickHouse-Key, ?password= */
    bool is_browser;  /* CORS for any origin; body read whatever its Content-Type */
    uint64_t body_bytes_max; /* 0 = no body expected (64 KiB is let pass) */
    /* ctx is req->net->ctx. */
    void (*handle)(struct ctx *ctx, void *service, struct api_request *req);
    const void *arg;     /* the service's own */
    const char *openapi; /* the JSON text of the OpenAPI operation object, which has members; needed
                            unless the access is API_CONTROL */
};
/* For OpenAPI texts. The responses of an operation, the last member of its object: `schema` of what
 * it answers, or "" for nothing. In answers an object has every member that its schema lists,
 * unless it says which are "required". */
/* clang-format off */
#define API_RESPONSES(schema)                                                    \
    "\"responses\":{\"default\":{\"$ref\":\"#/components/responses/Problem\"}," \
    "\"2XX\":{\"description\":\"Done\",\"content\":{\"application/json\":{" schema "}}}}}"
#define API_REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define API_ONE(name) "\"schema\":" API_REF(name)
#define API_LIST(name)                                                                          \
    "\"schema\":{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"array\",\"items\":" \
    API_REF(name) "},\"next\":{\"type\":[\"string\",\"null\"]}}}"
/* clang-format on */
/* Why a request of an ingest route was refused before anything of its body was judged. */
enum api_refusal {
    API_REFUSED_KEY,        /* nobody's */
    API_REFUSED_PERMISSION, /* the key lacks it */
    API_REFUSED_ORIGIN,
    API_REFUSED_RATE, /* of the key, or the project that a name stands for */
    API_REFUSED_QUOTA,
    API_REFUSED_ADDRESS, /* sends too much; no body was read, as with those that follow */
    API_REFUSED_SIZE,
    API_REFUSED_SLOWNESS,
};
struct api_service {
    const char *name;
    void *ctx; /* the service argument of every handle */
    const struct api_route *routes;
    uint32_t route_count;
    /* For counting: the status of each answer to a request of one of its routes, also of those that
     * the server gave before the handler saw them (413, 408 …). On any loop; may be NULL. */
    void (*on_answer)(void *ctx, int status);
    /* Of its ingest routes, before the answer; project and key as far as they are known. On the
     * request's loop; may be NULL. */
    void (*on_refused)(void *ctx, struct api_request *req, enum api_refusal why,
                       const struct tenant_project *project, const struct tenant_key *key);
    const char *openapi_schemas; /* JSON members for components/schemas: "\"Event\":{…},\"X\":{…}",
                                    or NULL */
};

/* ---- who asks ---- */
/* The project of what a request of an ingest route carries: a key, or else a name of a project
 * (tenant_project_by_name), by which one may send events and nothing else. NULL: answered, as it is
 * neither, the key lacks the route's permission, it may not be used on the page's origin, or is
 * beyond its limits. */
const struct tenant_project *api_ingest_project(struct api_request *req, struct slice key);
/* Whether it is a key or a name of any project. Any thread, one at a time. */
bool api_ingest_knows(const struct api_request *req, struct slice key);
/* A further project of the same request, under the same rules, without an answer: NULL, and why.
 * Any thread, one at a time. */
const struct tenant_project *api_ingest_further(struct api_request *req, struct slice key,
                                                const char **ret_why);
/* The same for what was authenticated otherwise (a token signed with the project's own secret):
 * limits and quota, and the claims. */
bool api_ingest_admit(struct api_request *req, const struct tenant_project *project,
                      enum ctx_actor_kind kind, struct slice id);
/* Whether a request that was refused would be taken under the rules of now: its key (all zero: a
 * name), its origin, and what is left of the quota. NULL, or why not. Any thread, one at a time. */
const char *api_ingest_again(const struct api_request *req, const struct tenant_project *project,
                             const struct uuid *key, struct slice origin);
/* A token of one of the organisation's issuers that is for one project. JWT_BAD_ISSUER: of nobody
 * known; the project's own secret may have signed it. RC_AGAIN in *ret_rc: its keys are asked for,
 * and the handler is called once more when they are here. */
enum jwt_result api_ingest_token(struct api_request *req, struct slice token,
                                 const struct tenant_project **ret_project, struct slice *ret_user,
                                 enum rc *ret_rc);
/* Counts acknowledged events of a project of the request against its quota. */
void api_ingest_count(struct ctx *ctx, struct api_request *req,
                      const struct tenant_project *project, uint32_t events);
/* The value of that cookie; empty if there is none. */
struct slice api_cookie(const struct net_request *net, const char *name);
/* "weir_session"; on https with the prefix that ties it to this host (RFC 6265bis 4.1.3.2). */
const char *api_session_cookie(bool is_https);

/* ---- reading ---- */
/* The body, which has to be a JSON object; in the request's arena. RC_INVALID says what to send.
 * Any thread, one at a time. */
enum rc api_body_object(struct api_request *req, yyjson_val **ret_object,
                        struct err *err) MUST_CHECK;

/* ---- answering ---- */
/* Copied; any number of further headers. */
void api_answer(struct api_request *req, int status, const char *content_type, struct slice body,
                const struct net_header *headers, uint32_t header_count);
void api_json(struct api_request *req, int status, struct slice body);
/* {"type":"https://weir.dev/problems/<slug>","title","status","detail","instance":request id}. The
 * slug is the rc's name in lower case. Retry-After: 1 is added for retryable codes. */
void api_problem(struct api_request *req, enum rc rc, const char *detail_fmt, ...)
    PRINTF_LIKE(3, 4);
void api_problem_err(struct api_request *req, const struct err *err);
/* The same under a slug of its own (NULL: the code's), for what a program has to tell apart, and
 * with further headers. */
void api_problem_as(struct api_request *req, const char *slug, const struct err *err,
                    const struct net_header *headers, uint32_t header_count);
/* 429 with Retry-After and the RateLimit fields of what was looked at so far. */
void api_too_many(struct api_request *req, uint32_t retry_after_s, const char *detail);

/* Begins a streamed answer (net_stream_* on req->net go on with it) and lets go of the tenant view.
 */
void api_stream_begin(struct api_request *req, int status, const char *content_type,
                      void (*on_drain)(struct ctx *ctx, struct net_request *req));
/* With further headers; head's body is not looked at. */
void api_stream_begin_with(struct api_request *req, const struct net_response *head,
                           void (*on_drain)(struct ctx *ctx, struct net_request *req));

/* ---- the router ---- */
struct api;
struct api_cfg {
    struct tenant *tenant;
    struct state *state;          /* sessions and roles of people; on the worker pool */
    struct jwks_cache *jwks;      /* NULL: no token issuers */
    struct quota *quota;          /* NULL: none is kept */
    struct forwarded_cfg proxies; /* borrowed */
    struct limit_policy address_limit, key_limit;
    const struct api_service *services;
    uint32_t service_count;
    const char *version;
    bool is_control; /* serves API_AUTH_CONTROL routes (the control socket's server) */
};
enum rc api_new(const struct api_cfg *cfg, struct api **ret_api, struct err *err) MUST_CHECK;
struct net_app api_app(struct api *api); /* for net_server_cfg.app */
void api_openapi(const struct api *api, struct buf *out);
void api_free(struct api *api);
#endif
