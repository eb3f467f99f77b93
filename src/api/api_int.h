#ifndef WEIR_API_API_INT_H
#define WEIR_API_API_INT_H
/* Inside api/ only. */
#include "api/api.h"

enum { API_SEGMENTS_MAX = 12 };

/* One route with its pattern cut at the slashes once. */
struct api_entry {
    const struct api_route *route;
    const struct api_service *service;
    struct slice segments[API_SEGMENTS_MAX]; /* "{name}" for a parameter */
    uint32_t segment_count;
    bool is_suffix; /* pattern began with "*" (left out of segments): any prefix matches */
    uint32_t next;  /* match.c's */
};

/* match.c: the patterns as trees. */
struct api_tree {
    struct api_node *nodes;
    struct api_child *slots; /* a hash table of slot_mask + 1 */
    uint32_t node_count, slot_mask;
    size_t literal_bytes_max; /* of a pattern's segment */
};

struct api {
    struct tenant *tenant;
    struct state *state;
    struct jwks_cache *jwks;
    struct quota *quota;
    struct forwarded_cfg proxies;
    struct limit_policy address_limit, key_limit;
    struct limit *addresses, *keys; /* NULL: no limit */
    const struct api_service *services;
    uint32_t service_count;
    const char *version;
    bool is_control;
    struct api_entry *entries;
    uint32_t entry_count;
    struct api_tree tree;
};

/* ---- who asks (auth.c) ---- */
enum api_verdict {
    API_GO,
    API_LATER,    /* api_settle() once the body is there */
    API_ANSWERED, /* refused */
};
enum api_verdict api_authenticate(struct api_request *req);
/* Asks the state or the issuer, then calls the handler or answers. */
void api_settle(struct api_request *req);
void api_handle(struct api_request *req);

/* What the path names, looked up in the view. */
struct api_place {
    bool has_org, has_project;
    struct uuid org;
    const struct tenant_project *project;
};
/* False: no such place. Says nothing to a caller who is not authenticated yet: they would learn
 * which ids exist. */
bool api_place_find(const struct api_request *req, struct api_place *ret);
/* False: answered with the 404 that stands for "does not exist" and "is not yours" alike. */
bool api_place_of(struct api_request *req, struct api_place *ret);
void api_not_there(struct api_request *req);
/* The end of every authentication: the claims are set and the route's permission is asked for.
 * False: answered. */
bool api_admit(struct api_request *req, const struct api_place *place, struct ctx_claims *claims);

struct api_auth; /* what is under way */
/* session.c: a cookie; token.c: a JWT. */
enum api_verdict api_session_begin(struct api_request *req, struct slice token);
enum api_verdict api_token_begin(struct api_request *req, struct slice token);
struct api_auth {
    void (*settle)(struct api_request *req);
    struct slice token;
    /* of a session */
    struct api_place place;
    bool is_place_there;
    struct uuid user, session;
    enum tenant_role role;
    enum rc rc;
    struct err err;
    /* of a token that waits for its issuer's keys */
    struct net_task task;
    struct net_loop *loop;
    struct api_request *req;
    void (*refreshed)(struct api_request *req);
};

/* ---- limits (limits.c) ---- */
/* False: answered with 429. */
bool api_limit_address(struct api_request *req);
bool api_limit_key(struct api_request *req, const struct uuid *key);
/* The same of who sends events: by a key, or (key is NULL) by a name of the project. */
bool api_limit_sender(struct api_request *req, const struct tenant_project *project,
                      const struct tenant_key *key);
/* Before the answer to a request of an ingest route (auth.c). */
void api_tell_refused(struct api_request *req, enum api_refusal why,
                      const struct tenant_project *project, const struct tenant_key *key);
bool api_limit_key_quietly(struct api_request *req, const struct uuid *key); /* not answered */

enum api_match { API_MATCH_NONE, API_MATCH_METHOD, API_MATCH_FULL };
/* Cuts the pattern of its route; RC_BUG: it is none. */
enum rc api_entry_cut(struct api_entry *e, struct err *err) MUST_CHECK;
/* Once all entries are there. */
void api_tree_make(struct api *api);
void api_tree_free(struct api_tree *tree);
/* Finds the route of method and raw path: the first in the order of the entries.
 * API_MATCH_METHOD: the path exists, the method does not; the first that has the path. Raw (still
 * percent-encoded) parameters in ret_params, the others empty. */
enum api_match api_find(const struct api *api, enum net_method method, struct slice path,
                        const struct api_entry **ret_entry,
                        struct slice ret_params[API_PARAMS_MAX]);

void api_render_problem(struct buf *out, int status, const char *slug, const char *title,
                        const char *detail, const char *request_id);
/* The answer to a CORS preflight, or the CORS headers of an answer; returns how many were written.
 */
enum { API_CORS_HEADERS_MAX = 6 };
uint32_t api_cors_headers(struct net_request *req, bool is_preflight,
                          struct net_header ret[API_CORS_HEADERS_MAX]);
#endif
