#ifndef WEIR_TENANT_ADMIN_H
#define WEIR_TENANT_ADMIN_H
/* Changing organisations, projects and keys. Blocks on the state: CLI and worker pool only. Each
 * change is seen by every running view within a second (tenant.h). */
#include "base/buf.h"
#include "state/state.h"
#include "tenant/tenant.h"

/* Opens the tenant on an open state (borrowed until tenant_close), runs its migrations, loads the
 * first view and starts the thread that watches for changes. */
enum rc tenant_open(struct state *state, struct tenant **ret_tenant, struct err *err) MUST_CHECK;
void tenant_close(struct tenant *t); /* every view must have been given back */
enum rc tenant_reload(struct tenant *t, struct err *err) MUST_CHECK; /* at once */

enum { TENANT_KEY_TEXT_MAX = 64, TENANT_NAME_MAX = 100 };
struct tenant_key {
    struct uuid id;
    enum tenant_key_kind kind;
    char text[TENANT_KEY_TEXT_MAX]; /* the whole key: secret ones only right after their creation */
    char prefix[16];                /* to recognise it by */
    char name[TENANT_NAME_MAX + 1];
    unix_ms created_at;
    bool is_revoked;
};
enum rc tenant_org_create(struct tenant *t, const char *name, struct uuid *ret_org,
                          struct err *err) MUST_CHECK;
enum rc tenant_project_create(struct tenant *t, const struct uuid *org, const char *name,
                              struct uuid *ret_project, struct err *err) MUST_CHECK;
enum rc tenant_key_create(struct tenant *t, const struct uuid *project, enum tenant_key_kind kind,
                          const char *name, struct tenant_key *ret_key, struct err *err) MUST_CHECK;
/* By id or by the key's own text. RC_NOTFOUND. */
enum rc tenant_key_revoke(struct tenant *t, struct slice id_or_text, struct err *err) MUST_CHECK;
enum rc tenant_org_first(struct tenant *t, struct uuid *ret_org,
                         struct err *err) MUST_CHECK; /* RC_NOTFOUND */
enum rc tenant_projects(struct tenant *t,
                        enum rc (*each)(void *ctx, const struct tenant_project *p), void *ctx,
                        struct err *err) MUST_CHECK;
enum rc tenant_keys(struct tenant *t, const struct uuid *project,
                    enum rc (*each)(void *ctx, const struct tenant_key *k), void *ctx,
                    struct err *err) MUST_CHECK;
/* The HS256 secret (printable ASCII, used as it is) for whoever signs the tokens of POST /view,
 * /event. */
enum rc tenant_jwt_secret(struct tenant *t, const struct uuid *project, struct buf *ret_text,
                          struct err *err) MUST_CHECK;
#endif
