/* The second factor of a user: enrolment and recovery codes. Logging in with it: user_login.c. */
#include "tenant/user.h"

#include "tenant/row_int.h"
#include "tenant/user_int.h"

struct totp_row {
    struct totp_secret secret;
    int64_t last_step;
    bool is_found, has_secret, is_confirmed;
};

static enum rc take_totp(void *ctx, const struct state_row *row)
{
    struct totp_row *totp = ctx;
    struct slice secret = state_row_blob(row, 0);
    totp->is_found = true;
    totp->has_secret = !state_row_is_null(row, 0);
    totp->is_confirmed = !state_row_is_null(row, 1);
    totp->last_step = state_row_i64(row, 2);
    if (!totp->has_secret)
        return RC_OK;
    ENSURE(secret.len == sizeof(totp->secret.bytes), RC_CORRUPT);
    memcpy(totp->secret.bytes, secret.data, secret.len);
    return RC_OK;
}

static enum rc find_totp(struct state *s, const struct uuid *user, struct totp_row *ret_totp,
                         struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    *ret_totp = (struct totp_row){.is_found = false};
    enum rc rc = state_run(s,
                           "SELECT totp_secret, totp_confirmed_at, totp_last_step "
                           "FROM users WHERE id = ?1",
                           &STATE_STR(uuid_format(user, id)), 1, take_totp, ret_totp, err);
    TRY(row_result(rc, "a user's second factor", err));
    return ret_totp->is_found ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such user");
}

enum rc user_totp_begin(struct state *s, const struct uuid *user, struct totp_secret *ret_secret,
                        struct err *err)
{
    struct totp_row totp;
    TRY(find_totp(s, user, &totp, err));
    explicit_bzero(&totp.secret, sizeof(totp.secret));
    if (totp.is_confirmed)
        return err_set(err, RC_EXISTS, "there is a second factor already: remove it first");
    struct totp_secret secret = totp_secret_make();
    enum rc rc = user_change(s, "UPDATE users SET totp_secret = ?2 WHERE id = ?1 RETURNING id",
                             user, &STATE_BYTES(secret.bytes, sizeof(secret.bytes)), 1, err);
    if (rc == RC_OK)
        *ret_secret = secret;
    explicit_bzero(&secret, sizeof(secret));
    return rc;
}

static enum rc drop_codes(struct state *s, const struct uuid *user, struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    return state_run(s, "DELETE FROM recovery_codes WHERE user_id = ?1",
                     &STATE_STR(uuid_format(user, id)), 1, NULL, NULL, err);
}

static enum rc add_code(struct state *s, const struct uuid *user, struct slice text,
                        struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    uint8_t hash[RECOVERY_HASH_BYTES];
    ENSURE(recovery_code_hash(user, text, hash), RC_BUG);
    return state_run(
        s, "INSERT INTO recovery_codes (user_id, code_hash) VALUES (?1, ?2)",
        (struct state_value[]){STATE_STR(uuid_format(user, id)), STATE_BYTES(hash, sizeof(hash))},
        2, NULL, NULL, err);
}

static enum rc replace_codes(struct state *s, const struct uuid *user,
                             struct recovery_codes *ret_codes, struct err *err)
{
    struct recovery_codes codes;
    TRY(drop_codes(s, user, err));
    recovery_codes_make(&codes);
    enum rc rc = RC_OK;
    for (int i = 0; i < RECOVERY_CODES && rc == RC_OK; i++)
        rc = add_code(s, user, slice_str(codes.text[i]), err);
    if (rc == RC_OK)
        *ret_codes = codes;
    explicit_bzero(&codes, sizeof(codes));
    return rc;
}

enum rc user_totp_confirm(struct state *s, const struct uuid *user, struct slice code, unix_ms now,
                          struct recovery_codes *ret_codes, struct err *err)
{
    struct totp_row totp;
    int64_t step = 0;
    TRY(find_totp(s, user, &totp, err));
    bool is_right = totp_is_valid(&totp.secret, code, now, 0, &step);
    explicit_bzero(&totp.secret, sizeof(totp.secret));
    if (!totp.has_secret || totp.is_confirmed)
        return err_set(err, RC_CONFLICT, "no second factor was begun, or it is confirmed already");
    if (!is_right)
        return err_set(err, RC_UNAUTHORIZED,
                       "that is not the code of this moment: check the clock of the device");
    TRY(user_change(s,
                    "UPDATE users SET totp_confirmed_at = ?2, totp_last_step = ?3 "
                    "WHERE id = ?1 RETURNING id",
                    user, (struct state_value[]){STATE_I64(now.ms), STATE_I64(step)}, 2, err));
    return replace_codes(s, user, ret_codes, err);
}

enum rc user_totp_remove(struct state *s, const struct uuid *user, struct err *err)
{
    TRY(user_change(s,
                    "UPDATE users SET totp_secret = NULL, totp_confirmed_at = NULL, "
                    "totp_last_step = 0 WHERE id = ?1 RETURNING id",
                    user, NULL, 0, err));
    return drop_codes(s, user, err);
}

enum rc user_recovery_renew(struct state *s, const struct uuid *user,
                            struct recovery_codes *ret_codes, struct err *err)
{
    struct totp_row totp;
    TRY(find_totp(s, user, &totp, err));
    explicit_bzero(&totp.secret, sizeof(totp.secret));
    if (!totp.is_confirmed)
        return err_set(err, RC_CONFLICT, "there is no second factor to recover from");
    return replace_codes(s, user, ret_codes, err);
}

enum rc user_recovery_left(struct state *s, const struct uuid *user, uint32_t *ret_left,
                           struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    uint32_t left = 0;
    TRY(state_run(s, "SELECT 1 FROM recovery_codes WHERE user_id = ?1 AND used_at IS NULL",
                  &STATE_STR(uuid_format(user, id)), 1, row_count, &left, err));
    *ret_left = left;
    return RC_OK;
}

/* Both are used up by the statement that finds them unused. */
static enum rc use_step(struct state *s, const struct uuid *user, int64_t step, struct err *err)
{
    return user_change(s,
                       "UPDATE users SET totp_last_step = ?2 "
                       "WHERE id = ?1 AND totp_last_step < ?2 RETURNING id",
                       user, &STATE_I64(step), 1, err);
}

static enum rc use_recovery(struct state *s, const struct uuid *user, struct slice code,
                            unix_ms now, struct err *err)
{
    uint8_t hash[RECOVERY_HASH_BYTES];
    if (!recovery_code_hash(user, code, hash))
        return RC_NOTFOUND;
    return user_change(
        s,
        "UPDATE recovery_codes SET used_at = ?2 "
        "WHERE user_id = ?1 AND code_hash = ?3 AND used_at IS NULL RETURNING user_id",
        user, (struct state_value[]){STATE_I64(now.ms), STATE_BYTES(hash, sizeof(hash))}, 2, err);
}

enum rc user_second_factor_use(struct state *s, const struct uuid *user, struct slice code,
                               unix_ms now, struct err *err)
{
    struct totp_row totp;
    int64_t step = 0;
    TRY(find_totp(s, user, &totp, err));
    enum rc rc = RC_NOTFOUND;
    if (totp.is_confirmed && code.len == TOTP_DIGITS) {
        if (totp_is_valid(&totp.secret, code, now, totp.last_step, &step))
            rc = use_step(s, user, step, err);
    } else if (totp.is_confirmed) {
        rc = use_recovery(s, user, code, now, err);
    }
    explicit_bzero(&totp.secret, sizeof(totp.secret));
    if (rc == RC_NOTFOUND)
        return err_set(err, RC_UNAUTHORIZED, "that is no code of this account");
    return rc;
}
