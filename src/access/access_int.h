#ifndef WEIR_ACCESS_ACCESS_INT_H
#define WEIR_ACCESS_ACCESS_INT_H
/* Inside access/ only: a request becomes a call, which runs on the worker pool and is answered on
 * the loop. */
#include "access/access.h"
#include "codec/json.h"
#include "tenant/session.h"
#include "tenant/throttle.h"
#include "tenant/user.h"

/* How an operation is called. */
enum access_flags {
    ACCESS_PLAIN = 0, /* reads no body */
    ACCESS_JSON = 1,  /* takes a JSON object */
    ACCESS_FORM =
        2 | ACCESS_JSON, /* and needs no session, so no CSRF token protects it: JSON by its
                                  Content-Type, and not from a page of another site (else that
                                  could sign a person in as somebody else) */
    /* What it takes of the few threads of the worker pool. How many of each kind may be under way
     * stands in access.c; beyond that the answer is 503 at once, so that a flood of logins, or a
     * provider that does not answer, leaves threads for everybody else. */
    ACCESS_HASHES = 4, /* a password: 32 MiB, tens of ms */
    ACCESS_WAITS = 8,  /* for another server: seconds */
};
enum access_cost {
    ACCESS_CHEAP,
    ACCESS_HASHING,
    ACCESS_WAITING,
    ACCESS_MAILING, /* apart from WAITING: that somebody is sent a message must show nowhere */
    ACCESS_COSTS
};

struct access {
    struct access_cfg cfg;
    struct tenant *tenant;
    struct state *state; /* of the tenant */
    struct throttle *throttle;
    struct oidc *oidc;         /* NULL: there is no provider */
    struct limit *reset_limit; /* of who asks for reset links, and of the mailboxes they go to */
    struct api_route *routes;
    uint32_t route_count;
    _Atomic uint32_t under_way[ACCESS_COSTS];
};

enum { ACCESS_HEADERS_MAX = 4 };
struct access_op;
struct access_call {
    struct access *access;
    struct api_request *req; /* alive until the answer; params, route and net's head are read */
    const struct access_op *op;
    yyjson_val *body;                              /* an object; NULL if the operation takes none */
    struct buf out;                                /* JSON of the answer; empty: no body */
    int status;                                    /* preset to the operation's */
    struct net_header headers[ACCESS_HEADERS_MAX]; /* of the answer, a problem too */
    uint32_t header_count;
    const char *slug;       /* of the problem; NULL: the code's */
    uint32_t retry_after_s; /* with RC_RATE */
    enum rc rc;
    struct err err;
};
struct access_op {
    /* On the worker pool. Not RC_OK: the answer is a problem made of c->err. */
    enum rc (*run)(struct ctx *ctx, struct access_call *c);
    int status;
    unsigned flags; /* of enum access_flags */
};
void access_handle(struct ctx *ctx, void *service, struct api_request *req);
/* Counts one more under way, unless there are as many as may be: given back by an atomic_fetch_sub.
 */
bool access_has_room(struct access *a, enum access_cost cost);
enum rc access_read_body(struct access_call *c) MUST_CHECK;

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
/* The same, with a text in front that is shown this once; wiped by whoever holds it. */
enum rc access_show_with(struct access_call *c, const char *name, const char *text,
                         enum tenant_entity entity, struct slice parent,
                         struct slice id) MUST_CHECK;
/* The page of the list that ?after= asks for. */
enum rc access_list(struct access_call *c, enum tenant_entity entity,
                    struct slice parent) MUST_CHECK;
enum rc access_update(struct ctx *ctx, struct access_call *c, enum tenant_entity entity,
                      struct slice parent, struct slice id) MUST_CHECK;

/* name and value go into the answer; value is formatted into the request's arena. */
void access_header(struct access_call *c, const char *name, const char *value_fmt, ...)
    PRINTF_LIKE(3, 4);

/* ---- people (signin.c) ---- */
/* Whether the request's Content-Type and origin are those of a form of our own (ACCESS_FORM);
 * RC_INVALID or RC_FORBIDDEN. */
enum rc access_check_form(struct access_call *c) MUST_CHECK;
/* The value of the session cookie; empty. */
struct slice access_cookie(const struct access_call *c);
void access_cookie_clear(struct access_call *c);
/* From here on the context's events are this person's. Nothing if it is somebody's already. */
void access_actor(struct ctx *ctx, const struct uuid *user);
/* For a public route that a signed-in person may use as well: their session, with the CSRF token,
 * as the router would have asked for it. */
enum rc access_session(struct ctx *ctx, struct access_call *c,
                       struct session *ret_session) MUST_CHECK;
struct uuid access_user(const struct ctx *ctx); /* of an API_SIGNED_IN route */

struct access_signin {
    struct uuid user; /* has just proven to be who they are */
    enum session_how how;
    enum rc (*apply)(void *arg, struct state *s, struct err *err); /* in the same transaction */
    void *arg;
};
/* A new session, its cookie and the answer {"user":…,"csrf_token":…,"second_factor":false}. The
 * session whose cookie came along is ended. */
enum rc access_sign_in(struct ctx *ctx, struct access_call *c,
                       const struct access_signin *in) MUST_CHECK;
/* The same without the answer's body. */
enum rc access_sign_in_quietly(struct ctx *ctx, struct access_call *c,
                               const struct access_signin *in) MUST_CHECK;
/* One change of a user with its audit event; apply as in struct tenant_change. */
enum rc access_user_change(struct ctx *ctx, struct access_call *c, const char *action,
                           const struct uuid *user,
                           enum rc (*apply)(void *arg, struct state *s, struct err *err), void *arg,
                           struct err *err) MUST_CHECK;
enum rc access_session_end(struct ctx *ctx, struct access_call *c, const struct uuid *user,
                           struct slice session, struct err *err) MUST_CHECK;
/* The audit event of a sign-in that failed; user: a UUID's text, or "" if it is nobody's. */
enum rc access_note_failure(struct ctx *ctx, struct access_call *c, const char *user) MUST_CHECK;
/* A cookie that only the server reads, at this host and (on https) under the prefix __Host-. */
void access_cookie_put(struct access_call *c, const char *name, const char *value, int64_t seconds);
/* "Too many attempts", as the answer to a throttled one. */
enum rc access_throttled(struct access_call *c, uint32_t retry_after_s) MUST_CHECK;

/* ---- routes ---- */
struct access_routes {
    const struct api_route *routes;
    uint32_t count;
};
extern const struct api_route access_org_routes[], access_key_routes[], access_member_routes[];
extern const uint32_t access_org_route_count, access_key_route_count, access_member_route_count;
extern const struct access_routes access_login_routes, access_account_routes,
    access_recovery_routes, access_invitation_routes, access_oidc_routes, access_share_routes;

/* One row: method, path, what it asks for, operation, body limit, OpenAPI. */
enum { ACCESS_BODY_BYTES_MAX = 64 << 10 };
/* clang-format 14 and 19 lay out a macro in braces differently. */
/* clang-format off */
#define ACCESS_ROUTE(method_, path, access_, op_, id, summary, answer)                            \
    {                                                                                             \
        .method = method_, .pattern = path, .access = access_, .handle = access_handle,           \
        .arg = &(op_), .body_bytes_max = ACCESS_BODY_BYTES_MAX,                                   \
        .openapi =                                                                                \
            "{\"operationId\":\"" id "\",\"summary\":\"" summary "\","                            \
            "\"security\":[{\"session\":[]},{\"secretKey\":[]},{\"token\":[]}],"                  \
            API_RESPONSES(answer)                                                                 \
    }
/* clang-format on */
/* What routes answer, beside API_ONE() and API_LIST(). */
#define ACCESS_NOTHING ""
#define ACCESS_MEMBERS(members) "\"type\":\"object\",\"properties\":{" members "}"
#define ACCESS_ANSWER(members) "\"schema\":{" ACCESS_MEMBERS(members) "}"
/* The same as API_ONE(), and a text that is shown this once. */
#define ACCESS_WITH(member, name)                                                             \
    "\"schema\":{\"allOf\":[" API_REF(name) ",{\"type\":\"object\",\"properties\":{\"" member \
                                            "\":{\"type\":\"string\"}}}]}"
#define ACCESS_USER "{\"anyOf\":[" API_REF("User") ",{\"type\":\"null\"}]}"
#define ACCESS_SIGNED_IN_MEMBERS                                            \
    ACCESS_MEMBERS("\"user\":" ACCESS_USER                                  \
                   ",\"csrf_token\":{\"type\":[\"string\",\"null\"]},\"sec" \
                   "ond_factor\"" ACCESS_FLAG)
#define ACCESS_SIGNED_IN "\"schema\":{" ACCESS_SIGNED_IN_MEMBERS "}"
#define ACCESS_FLAG ":{\"type\":\"boolean\"}"
#define ACCESS_TEXTS ":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

/* The same for people: security is ACCESS_NOBODY or ACCESS_PERSON, body is ACCESS_NO_BODY or
 * ACCESS_BODY() of members ("\"a\"" ACCESS_TEXT ",…") and the names of those that are needed. */
enum { ACCESS_FORM_BYTES_MAX = 16 << 10 };
#define ACCESS_NOBODY "\"security\":[],"
#define ACCESS_PERSON "\"security\":[{\"session\":[]}],"
#define ACCESS_TEXT ":{\"type\":\"string\"}"
#define ACCESS_NO_BODY ""
#define ACCESS_BODY(members, needed)                                                               \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"type\":"  \
    "\"object\",\"additionalProperties\":false,\"properties\":{" members "},\"required\":[" needed \
    "]}}}},"
/* clang-format 14 and 19 lay out a macro in braces differently. */
/* clang-format off */
#define ACCESS_PEOPLE_ROUTE(method_, path, access_, handle_, arg_, security, body, id, summary, \
                            answer)                                                             \
    {                                                                                           \
        .method = method_, .pattern = path, .access = access_, .handle = handle_, .arg = arg_,  \
        .body_bytes_max = ACCESS_FORM_BYTES_MAX,                                                \
        .openapi = "{\"operationId\":\"" id "\",\"summary\":\"" summary                         \
                   "\"," security body API_RESPONSES(answer)                                    \
    }
/* clang-format on */
#define ACCESS_FORM_ROUTE(path, op_, body, id, summary, answer)                                 \
    ACCESS_PEOPLE_ROUTE(NET_POST, path, API_PUBLIC, access_handle, &(op_), ACCESS_NOBODY, body, \
                        id, summary, answer)
#define ACCESS_PERSON_ROUTE(method_, path, op_, body, id, summary, answer)                        \
    ACCESS_PEOPLE_ROUTE(method_, path, API_SIGNED_IN, access_handle, &(op_), ACCESS_PERSON, body, \
                        id, summary, answer)
#endif
