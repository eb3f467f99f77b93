/* Password reset: one live token per user, for an hour, for one use. */
#include "tenant/user.h"

#include "tenant/row_int.h"
#include "tenant/session.h"
#include "tenant/user_int.h"

#define RESET_MS (USER_RESET_MINUTES * INT64_C(60000))

enum rc user_reset_drop(struct state *s, const struct uuid *user, struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    return state_run(s, "DELETE FROM user_tokens WHERE user_id = ?1 AND purpose = 'reset'",
                     &STATE_STR(uuid_format(user, id)), 1, NULL, NULL, err);
}

enum rc user_reset_begin(struct state *s, struct slice email, unix_ms now, bool *ret_is_known,
                         struct user *ret_user, struct token *ret_token, struct err *err)
{
    struct user user;
    char id[UUID_TEXT_LEN + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    enum rc rc = user_find_by_email(s, email, &user, err);
    if (rc == RC_NOTFOUND || (rc == RC_OK && user.is_disabled)) {
        *ret_is_known = false;
        return RC_OK;
    }
    TRY(rc);
    TRY(user_reset_drop(s, &user.id, err));
    struct token token;
    token_make(&token, hash);
    rc = state_run(s,
                   "INSERT INTO user_tokens (token_hash, user_id, purpose, created_at, expires_at) "
                   "VALUES (?1, ?2, 'reset', ?3, ?4)",
                   (struct state_value[]){STATE_BYTES(hash, sizeof(hash)),
                                          STATE_STR(uuid_format(&user.id, id)), STATE_I64(now.ms),
                                          STATE_I64(now.ms + RESET_MS)},
                   4, NULL, NULL, err);
    if (rc == RC_OK) {
        *ret_is_known = true;
        *ret_user = user;
        *ret_token = token;
    }
    explicit_bzero(&token, sizeof(token));
    return rc;
}

enum rc user_reset_find(struct state *s, struct slice token, unix_ms now, struct user *ret_user,
                        struct err *err)
{
    struct user_found found = {.is_found = false};
    uint8_t hash[TOKEN_HASH_BYTES];
    if (token_hash(token, hash)) {
        enum rc rc =
            state_run(s,
                      "SELECT " USER_COLUMNS " FROM user_tokens t JOIN users u ON u.id = t.user_id "
                      "WHERE t.token_hash = ?1 AND t.purpose = 'reset' "
                      "AND t.expires_at > ?2 AND u.disabled_at IS NULL",
                      (struct state_value[]){STATE_BYTES(hash, sizeof(hash)), STATE_I64(now.ms)}, 2,
                      user_take, &found, err);
        TRY(row_result(rc, "a user", err));
    }
    if (!found.is_found)
        return err_set(
            err, RC_UNAUTHORIZED,
            "this link was used, replaced by a newer one, or is too old: ask for another");
    *ret_user = found.user;
    return RC_OK;
}

enum rc user_reset_redeem(struct state *s, struct slice token, const struct password_hash *hash,
                          unix_ms now, struct uuid *ret_user, struct err *err)
{
    struct user user;
    TRY(user_reset_find(s, token, now, &user, err));
    TRY(user_password_set(s, &user.id, hash, now, err)); /* the token dies with it */
    TRY(session_end_all(s, &user.id, NULL, now, NULL, err));
    *ret_user = user.id;
    return RC_OK;
}
