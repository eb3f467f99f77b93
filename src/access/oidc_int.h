#ifndef WEIR_ACCESS_OIDC_INT_H
#define WEIR_ACCESS_OIDC_INT_H
/* Signing in at an OpenID Connect provider (OpenID Connect Core 1.0: authorization code flow, with
 * PKCE, RFC 7636, S256 only): what the parts share.
 *
 *   oidc_flow.c      what ties the answer to the browser that asked; pure
 *   oidc_http.c      one request to the provider
 *   oidc_provider.c  discovery, code for tokens, who the token is about
 *   oidc.c           the routes, and which account that is */
#include <pthread.h>

#include "access/access.h"
#include "base/buf.h"
#include "tenant/identity.h"
#include "tenant/token.h"
#include "tenant/user.h"

/* ---- a flow ---- */
enum {
    OIDC_FLOW_S = 600,
    OIDC_RETURN_TO_BYTES_MAX = 512,
    OIDC_COOKIE_BYTES = 1024,
    OIDC_KEY_BYTES = 32,
};
/* Everything is derived from one secret in the browser's HttpOnly cookie: only that browser can
 * bring the state back, only its token has the nonce, only its code the verifier. */
struct oidc_flow {
    struct token state, nonce, verifier, challenge;
    char return_to[OIDC_RETURN_TO_BYTES_MAX + 1];
};
/* A path of this server and nothing that a browser could take for another host's address. */
bool oidc_is_own_path(struct slice return_to);
/* return_to: such a path. ret_cookie: for OIDC_FLOW_S, sealed with the key (HMAC-SHA-256). */
void oidc_flow_begin(const uint8_t key[OIDC_KEY_BYTES], struct slice return_to, unix_ms now,
                     struct oidc_flow *ret_flow, char ret_cookie[OIDC_COOKIE_BYTES]);
/* False: not sealed with this key, too old, or the state is another flow's. */
bool oidc_flow_resume(const uint8_t key[OIDC_KEY_BYTES], struct slice cookie, struct slice state,
                      unix_ms now, struct oidc_flow *ret_flow);

/* ---- one request ---- */
enum { OIDC_TIMEOUT_MS = 5000, OIDC_ANSWER_BYTES_MAX = 256 << 10 };
struct oidc_request {
    const char *url;
    const char *form;            /* NULL: GET */
    const char *user, *password; /* Basic; NULL: none */
    const char *bearer;          /* NULL: none */
};
/* RC_UNAVAILABLE, RC_LIMIT; whatever the status. err holds nothing that was sent or received. */
enum rc oidc_fetch(const struct oidc_request *request, struct buf *ret_body, long *ret_status,
                   struct err *err) MUST_CHECK;
/* Percent-encoded, all but RFC 3986's unreserved characters. */
void oidc_escape(struct buf *out, struct slice text);

/* ---- the provider ---- */
enum { OIDC_URL_BYTES_MAX = 2000 };
struct oidc_endpoints {
    char authorization[OIDC_URL_BYTES_MAX + 1], token[OIDC_URL_BYTES_MAX + 1],
        userinfo[OIDC_URL_BYTES_MAX + 1] /* "": none */, jwks[OIDC_URL_BYTES_MAX + 1];
};
struct oidc {
    struct access_oidc cfg;
    struct jwks_cache *jwks;
    char redirect_uri[OIDC_URL_BYTES_MAX + 1];
    uint8_t key[OIDC_KEY_BYTES]; /* of this process: a restart ends the flows under way */
    pthread_mutex_t lock;        /* of what follows; never held for I/O */
    struct oidc_endpoints endpoints;
    mono_ns known_until; /* 0: not known */
};
/* RC_INVALID: a setting is missing or wrong. Asks nobody: the provider may be down at the start. */
enum rc oidc_new(const struct access_cfg *cfg, struct oidc **ret_oidc, struct err *err) MUST_CHECK;
void oidc_free(struct oidc *o); /* NULL is allowed */

struct oidc_person {
    struct slice subject; /* in the arena */
    char email[EMAIL_BYTES_MAX + 1];
    bool is_email_verified; /* by the provider; false if there is none */
    char name[USER_NAME_MAX + 1];
};
/* Both may wait for the provider. */
enum rc oidc_discover(struct oidc *o, struct arena *arena, struct oidc_endpoints *ret,
                      struct err *err) MUST_CHECK;
enum rc oidc_identify(struct oidc *o, struct arena *arena, struct slice code,
                      const struct oidc_flow *flow, struct oidc_person *ret,
                      struct err *err) MUST_CHECK;
#endif
