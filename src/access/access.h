#ifndef WEIR_ACCESS_ACCESS_H
#define WEIR_ACCESS_ACCESS_H
/* The HTTP face of tenants and access: organisations, projects, keys, members, invitations, token
 * issuers, accounts, login. Rules and state are tenant/'s; who may do what is decided by the router
 * before a handler is called (api/auth.c, tenant/permission.def). docs/access.md.
 *
 * THREADS  handlers run on the request's loop, all that touches the state on the worker pool. */
#include "api/api.h"
#include "tenant/admin.h"

struct access;
/* A message to a person, plain text. Called on the worker pool; may take seconds. */
struct access_mail {
    enum rc (*send)(void *ctx, const char *to, const char *subject, const char *text,
                    struct err *err);
    void *ctx;
};
/* An OpenID Connect provider that people may sign in at. */
struct access_oidc {
    const char *issuer; /* "": none */
    const char *client_id;
    const char *client_secret; /* "": a public client */
    const char *scopes;
    const char *name;          /* what people call it; "": the issuer's host */
    const char *auto_join_org; /* an organisation's id: who is new becomes a viewer there; "": only
                                  who was invited, or has an account, gets in */
};
struct access_cfg { /* all borrowed; texts are "" where there is none */
    struct tenant *tenant;
    struct jwks_cache *jwks;
    struct access_mail
        mail; /* send NULL: there is no mail, reset links are the operator's to make */
    struct access_oidc oidc;
    const char *public_url; /* of this server, for links: "https://weir.example.com" */
};
enum rc access_new(const struct access_cfg *cfg, struct access **ret_access,
                   struct err *err) MUST_CHECK;
/* An address as settings have it, without slashes at its end. */
struct slice access_url(const char *url);
struct api_service access_service(struct access *access);
void access_free(struct access *access);
#endif
