#ifndef WEIR_TENANT_USER_INT_H
#define WEIR_TENANT_USER_INT_H
/* Inside tenant/ only: between the files of user.h. */
#include "tenant/user.h"

/* One user's row; the columns come in this order. */
#define USER_COLUMNS                                         \
    "u.id, u.email, u.name, u.created_at, u.last_login_at, " \
    "u.disabled_at IS NOT NULL, u.password_hash IS NOT NULL, u.totp_confirmed_at IS NOT NULL"
struct user_found {
    struct user user;
    bool is_found;
};
enum rc user_take(void *ctx, const struct state_row *row); /* ctx: struct user_found */

/* A statement that changes one user: ?1 is the id. RC_NOTFOUND if no row comes back (RETURNING). */
enum rc user_change(struct state *s, const char *sql, const struct uuid *user,
                    const struct state_value *further, uint32_t count, struct err *err) MUST_CHECK;
enum rc user_reset_drop(struct state *s, const struct uuid *user, struct err *err) MUST_CHECK;
#endif
