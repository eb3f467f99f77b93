#include "tenant/user.h"

#include <stdio.h>

#include "base/must.h"
#include "tenant/row_int.h"
#include "tenant/session.h"
#include "tenant/user_int.h"

enum { PARAMS_MAX = 6 };

enum rc user_take(void *ctx, const struct state_row *row)
{
    struct user_found *found = ctx;
    struct user user = {.created_at = {state_row_i64(row, 3)},
                        .last_login_at = {state_row_i64(row, 4)},
                        .is_disabled = state_row_i64(row, 5) != 0,
                        .has_password = state_row_i64(row, 6) != 0,
                        .has_totp = state_row_i64(row, 7) != 0};
    if (!uuid_parse(state_row_text(row, 0), &user.id))
        return RC_CORRUPT;
    snprintf(user.email, sizeof(user.email), "%.*s", SLICE_ARG(state_row_text(row, 1)));
    snprintf(user.name, sizeof(user.name), "%.*s", SLICE_ARG(state_row_text(row, 2)));
    found->user = user;
    found->is_found = true;
    return RC_OK;
}

enum rc user_change(struct state *s, const char *sql, const struct uuid *user,
                    const struct state_value *further, uint32_t count, struct err *err)
{
    struct state_value params[PARAMS_MAX];
    char id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    must(count < PARAMS_MAX);
    params[0] = STATE_STR(uuid_format(user, id));
    for (uint32_t i = 0; i < count; i++)
        params[i + 1] = further[i];
    TRY(state_run(s, sql, params, count + 1, row_count, &rows, err));
    return rows ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such user");
}

static enum rc check_name(struct slice name, struct err *err)
{
    if (name.len == 0 || name.len > USER_NAME_MAX)
        return err_set(err, RC_INVALID, "a name has 1 to %d bytes", USER_NAME_MAX);
    while (name.len) {
        size_t len = slice_utf8_len(name);
        unsigned char first = (unsigned char)name.data[0];
        if (len == 0 || first < 0x20 || first == 0x7f)
            return err_set(err, RC_INVALID, "a name is UTF-8 text without control characters");
        name = slice_sub(name, len);
    }
    return RC_OK;
}

enum rc user_create(struct state *s, struct slice email, struct slice name,
                    const struct password_hash *hash, unix_ms now, struct user *ret_user,
                    struct err *err)
{
    struct user user = {.id = uuid_v7(now), .created_at = now, .has_password = hash != NULL};
    char id[UUID_TEXT_LEN + 1];
    const struct state_value none = {.kind = STATE_NULL};
    TRY(email_normalise(email, user.email, err));
    TRY(check_name(name, err));
    snprintf(user.name, sizeof(user.name), "%.*s", SLICE_ARG(name));
    enum rc rc = state_run(
        s,
        "INSERT INTO users (id, email, name, password_hash, password_set_at, created_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (struct state_value[]){STATE_STR(uuid_format(&user.id, id)), STATE_STR(user.email),
                               STATE_SLICE(name), hash ? STATE_STR(hash->text) : none,
                               hash ? STATE_I64(now.ms) : none, STATE_I64(now.ms)},
        6, NULL, NULL, err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "there is a user with that e-mail address already");
    TRY(rc);
    *ret_user = user;
    return RC_OK;
}

static enum rc find_where(struct state *s, const char *sql, struct state_value param,
                          struct user *ret_user, struct err *err)
{
    struct user_found found = {.is_found = false};
    TRY(row_result(state_run(s, sql, &param, 1, user_take, &found, err), "a user", err));
    if (!found.is_found)
        return err_set(err, RC_NOTFOUND, "there is no such user");
    *ret_user = found.user;
    return RC_OK;
}

enum rc user_find(struct state *s, const struct uuid *user, struct user *ret_user, struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    return find_where(s, "SELECT " USER_COLUMNS " FROM users u WHERE u.id = ?1",
                      STATE_STR(uuid_format(user, id)), ret_user, err);
}

enum rc user_find_by_email(struct state *s, struct slice email, struct user *ret_user,
                           struct err *err)
{
    char normal[EMAIL_BYTES_MAX + 1];
    if (email_normalise(email, normal, NULL) != RC_OK)
        return err_set(err, RC_NOTFOUND, "there is no such user");
    return find_where(s, "SELECT " USER_COLUMNS " FROM users u WHERE u.email = ?1",
                      STATE_STR(normal), ret_user, err);
}

enum rc user_password_set(struct state *s, const struct uuid *user,
                          const struct password_hash *hash, unix_ms now, struct err *err)
{
    TRY(user_change(s,
                    "UPDATE users SET password_hash = ?2, password_set_at = ?3 "
                    "WHERE id = ?1 RETURNING id",
                    user, (struct state_value[]){STATE_STR(hash->text), STATE_I64(now.ms)}, 2,
                    err));
    return user_reset_drop(s, user, err);
}

enum rc user_disable(struct state *s, const struct uuid *user, unix_ms now, struct err *err)
{
    TRY(user_change(s,
                    "UPDATE users SET disabled_at = coalesce(disabled_at, ?2) "
                    "WHERE id = ?1 RETURNING id",
                    user, &STATE_I64(now.ms), 1, err));
    TRY(user_reset_drop(s, user, err));
    return session_end_all(s, user, NULL, now, NULL, err);
}

enum rc user_enable(struct state *s, const struct uuid *user, struct err *err)
{
    return user_change(s, "UPDATE users SET disabled_at = NULL WHERE id = ?1 RETURNING id", user,
                       NULL, 0, err);
}
