/* permission.def as code. */
#include "tenant/permission.h"

#include "base/must.h"

static const char *const role_names[TENANT_ROLES] = {"none",    "owner",  "admin",
                                                     "analyst", "viewer", "auditor"};

const char *tenant_role_name(enum tenant_role role)
{
    must(role < TENANT_ROLES);
    return role_names[role];
}

bool tenant_role_parse(struct slice text, enum tenant_role *ret_role)
{
    for (int i = TENANT_OWNER; i < TENANT_ROLES; i++) {
        if (slice_eq_str(text, role_names[i])) {
            *ret_role = (enum tenant_role)i;
            return true;
        }
    }
    return false;
}

enum { /* the words of permission.def */
       OWNER = 1 << TENANT_OWNER,
       ADMIN = 1 << TENANT_ADMIN,
       ANALYST = 1 << TENANT_ANALYST,
       VIEWER = 1 << TENANT_VIEWER,
       AUDITOR = 1 << TENANT_AUDITOR,
       NONE = 0,
       W = 1 << TENANT_KEY_WRITE,
       S = 1 << TENANT_KEY_SECRET,
};

static const struct permission {
    const char *name, *doc;
    uint32_t roles, carriers;
} table[TENANT_PERMISSIONS] = {
#define PERMISSION(name, text, roles, carriers, doc) {text, doc, roles, carriers},
#include "tenant/permission.def"
#undef PERMISSION
};
_Static_assert(TENANT_PERMISSIONS <= 64, "a set is one word");

const char *tenant_permission_name(enum tenant_permission permission)
{
    must(permission < TENANT_PERMISSIONS);
    return table[permission].name;
}

const char *tenant_permission_doc(enum tenant_permission permission)
{
    must(permission < TENANT_PERMISSIONS);
    return table[permission].doc;
}

tenant_permissions tenant_role_permissions(enum tenant_role role)
{
    tenant_permissions set = 0;
    for (int i = 0; i < TENANT_PERMISSIONS; i++)
        if (role != TENANT_NO_ROLE && table[i].roles >> role & 1)
            set |= UINT64_C(1) << i;
    return set;
}

tenant_permissions tenant_key_scopes_max(enum tenant_key_kind kind)
{
    tenant_permissions set = 0;
    for (int i = 0; i < TENANT_PERMISSIONS; i++)
        if (table[i].carriers >> kind & 1)
            set |= UINT64_C(1) << i;
    return set;
}

tenant_permissions tenant_key_scopes_default(enum tenant_key_kind kind)
{
    return UINT64_C(1) << (kind == TENANT_KEY_WRITE ? TENANT_EVENTS_WRITE : TENANT_STATS_READ);
}

void tenant_permissions_text(tenant_permissions set, struct buf *out)
{
    const char *between = "";
    for (int i = 0; i < TENANT_PERMISSIONS; i++) {
        if (!tenant_may(set, (enum tenant_permission)i))
            continue;
        buf_add_str(out, between);
        buf_add_str(out, table[i].name);
        between = " ";
    }
}

enum rc tenant_permissions_parse(struct slice text, tenant_permissions *ret_set, struct err *err)
{
    tenant_permissions set = 0;
    while (text.len) {
        struct slice name = slice_cut(&text, ' ');
        int i = 0;
        while (i < TENANT_PERMISSIONS && !slice_eq_str(name, table[i].name))
            i++;
        if (name.len && i == TENANT_PERMISSIONS)
            return err_set(err, RC_INVALID, "there is no scope '%.*s'", SLICE_ARG(name));
        if (name.len)
            set |= UINT64_C(1) << i;
    }
    *ret_set = set;
    return RC_OK;
}
