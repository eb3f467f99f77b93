#ifndef WEIR_TENANT_PERMISSION_H
#define WEIR_TENANT_PERMISSION_H
/* Roles, permissions and scopes: the one table is permission.def. A scope is a permission that a
 * key holds. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

enum tenant_role { /* of a member in an organisation; the stored text is tenant_role_name() */
                   TENANT_NO_ROLE,
                   TENANT_OWNER,
                   TENANT_ADMIN,
                   TENANT_ANALYST,
                   TENANT_VIEWER,
                   TENANT_AUDITOR,
                   TENANT_ROLES
};
const char *tenant_role_name(enum tenant_role role);                   /* "owner" … ; "none" */
bool tenant_role_parse(struct slice text, enum tenant_role *ret_role); /* not "none" */

enum tenant_permission {
#define PERMISSION(name, text, roles, carriers, doc) TENANT_##name,
#include "tenant/permission.def"
#undef PERMISSION
    TENANT_PERMISSIONS
};
typedef uint64_t tenant_permissions; /* a set: bit 1 << enum tenant_permission */
static inline bool tenant_may(tenant_permissions set, enum tenant_permission permission)
{
    return set >> permission & 1;
}
const char *tenant_permission_name(enum tenant_permission permission);
const char *tenant_permission_doc(enum tenant_permission permission);
tenant_permissions tenant_role_permissions(enum tenant_role role);

enum tenant_key_kind { TENANT_KEY_WRITE, TENANT_KEY_SECRET };
/* What a key of this kind may hold, and what it holds when nothing is said. */
tenant_permissions tenant_key_scopes_max(enum tenant_key_kind kind);
tenant_permissions tenant_key_scopes_default(enum tenant_key_kind kind);

/* Names with one space between, in the table's order. RC_INVALID names the unknown one. */
void tenant_permissions_text(tenant_permissions set, struct buf *out);
enum rc tenant_permissions_parse(struct slice text, tenant_permissions *ret_set,
                                 struct err *err) MUST_CHECK;
#endif
