/* Login: is it them?
 *
 * WHY two steps   Argon2id takes tens of milliseconds; a transaction that long would stop every
 *                 other writer. So user_login_check() reads and hashes without one, and
 *                 user_login_accept() asks, in the statement that changes the row, whether all that
 *                 was found right is so still.
 * INVARIANTS      Whether an account exists changes no step of the check: the user's row, the
 *                 addresses of their sessions, the throttle, one Argon2id. What comes after (codes)
 *                 is reached with the right password only.
 *                 A TOTP step and a recovery code are used up in the same statement that finds
 *                 them unused. */
#include "tenant/user.h"

#include <stdio.h>

#include "tenant/row_int.h"
#include "tenant/session.h"
#include "tenant/user_int.h"

/* An account as the check sees it; all zero (a user id that nobody has) if there is none. */
struct account {
    struct uuid user;
    char id[UUID_TEXT_LEN + 1];
    struct password_hash hash;
    struct totp_secret secret;
    int64_t totp_confirmed_at, totp_last_step;
    bool has_password, is_disabled, is_unreadable;
};

static enum rc take_account(void *ctx, const struct state_row *row)
{
    struct account *a = ctx;
    struct slice hash = state_row_text(row, 1), secret = state_row_blob(row, 3);
    a->totp_confirmed_at = state_row_i64(row, 4);
    a->totp_last_step = state_row_i64(row, 5);
    a->is_disabled = !state_row_is_null(row, 2);
    a->has_password = hash.len > 0;
    ENSURE(uuid_parse(state_row_text(row, 0), &a->user), RC_CORRUPT);
    ENSURE(hash.len < sizeof(a->hash.text), RC_CORRUPT);
    memcpy(a->hash.text, hash.data ? hash.data : "", hash.len);
    ENSURE(a->totp_confirmed_at == 0 || secret.len == sizeof(a->secret.bytes), RC_CORRUPT);
    if (a->totp_confirmed_at)
        memcpy(a->secret.bytes, secret.data, secret.len);
    return RC_OK;
}

static enum rc find_account(struct state *s, struct slice name, struct account *ret_account,
                            struct err *err)
{
    enum rc rc = state_run(s,
                           "SELECT id, password_hash, disabled_at, totp_secret, "
                           "coalesce(totp_confirmed_at, 0), totp_last_step "
                           "FROM users WHERE email = ?1",
                           &STATE_SLICE(name), 1, take_account, ret_account, err);
    uuid_format(&ret_account->user, ret_account->id);
    return row_result(rc, "a user", err);
}

struct place {
    struct slice address;
    bool is_known;
};

static enum rc take_place(void *ctx, const struct state_row *row)
{
    struct place *place = ctx;
    place->is_known |= throttle_is_same_address(state_row_text(row, 0), place->address);
    return RC_OK;
}

/* Whether the account has had a session from there; purged sessions do not count any more. */
static enum rc find_place(struct state *s, const struct account *account, struct slice address,
                          bool *ret_is_known, struct err *err)
{
    struct place place = {.address = address};
    TRY(state_run(s, "SELECT DISTINCT address FROM sessions WHERE user_id = ?1",
                  &STATE_STR(account->id), 1, take_place, &place, err));
    *ret_is_known = place.is_known;
    return RC_OK;
}

/* ---- The second factor ---- */

static enum rc check_recovery(struct state *s, struct slice code, struct login *login,
                              bool *ret_is_right, struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    uint32_t unused = 0;
    if (recovery_code_hash(&login->user, code, login->recovery_hash))
        TRY(state_run(
            s,
            "SELECT 1 FROM recovery_codes "
            "WHERE user_id = ?1 AND code_hash = ?2 AND used_at IS NULL",
            (struct state_value[]){STATE_STR(uuid_format(&login->user, id)),
                                   STATE_BYTES(login->recovery_hash, sizeof(login->recovery_hash))},
            2, row_count, &unused, err));
    login->is_recovery_code = *ret_is_right = unused > 0;
    return RC_OK;
}

static enum rc check_second_factor(struct state *s, const struct account *account,
                                   const struct login_attempt *attempt, struct login *login,
                                   struct err *err)
{
    bool is_right = true;
    if (account->totp_confirmed_at == 0) {
        login->answer = LOGIN_OK;
        return RC_OK;
    }
    if (attempt->second_factor.len == 0) {
        login->answer = LOGIN_SECOND_FACTOR_NEEDED;
        return RC_OK;
    }
    if (attempt->second_factor.len == TOTP_DIGITS)
        is_right = totp_is_valid(&account->secret, attempt->second_factor, attempt->now,
                                 account->totp_last_step, &login->totp_step);
    else
        TRY(check_recovery(s, attempt->second_factor, login, &is_right, err));
    login->has_second_factor = is_right;
    login->answer = is_right ? LOGIN_OK : LOGIN_WRONG;
    return RC_OK;
}

/* ---- The check ---- */

static enum rc check_account(struct state *s, struct throttle *throttle,
                             const struct account *account, const struct login_attempt *attempt,
                             struct login *login, struct err *err)
{
    bool is_right;
    TRY(password_verify(account->has_password ? &account->hash : NULL, attempt->password, &is_right,
                        err));
    if (!is_right || account->is_disabled)
        return RC_OK;
    login->user = account->user;
    login->hash = account->hash;
    login->totp_confirmed_at = account->totp_confirmed_at;
    TRY(check_second_factor(s, account, attempt, login, err));
    if (login->answer == LOGIN_SECOND_FACTOR_NEEDED)
        throttle_cancel(throttle, &login->ticket);
    if (login->answer == LOGIN_OK && password_needs_rehash(&account->hash))
        TRY(password_hash(attempt->password, &login->new_hash, err));
    return RC_OK;
}

enum rc user_login_check(struct state *s, struct throttle *throttle,
                         const struct login_attempt *attempt, struct login *ret_login,
                         struct err *err)
{
    char email[EMAIL_BYTES_MAX + 1];
    struct account account = {.has_password = false};
    struct login login = {.answer = LOGIN_WRONG};
    /* What is no address names no account; it is looked for and counted all the same. */
    struct slice name =
        slice_of(attempt->email.data,
                 attempt->email.len < EMAIL_BYTES_MAX ? attempt->email.len : EMAIL_BYTES_MAX);
    if (email_normalise(attempt->email, email, NULL) == RC_OK)
        name = slice_str(email);
    bool is_known_place = false;
    enum rc rc = find_account(s, name, &account, err);
    if (rc == RC_OK)
        rc = find_place(s, &account, attempt->address, &is_known_place, err);
    if (rc == RC_OK && !throttle_begin(throttle, name, attempt->address, is_known_place,
                                       attempt->now_mono, &login.ticket, &login.retry_after_s))
        login.answer = LOGIN_THROTTLED;
    if (rc == RC_OK && login.answer != LOGIN_THROTTLED)
        rc = check_account(s, throttle, &account, attempt, &login, err);
    if (login.answer == LOGIN_WRONG)
        login.user = (struct uuid){.bytes = {0}};
    if (rc == RC_OK)
        *ret_login = login;
    explicit_bzero(&account, sizeof(account));
    user_login_done(&login);
    return rc;
}

/* ---- The acceptance ---- */

static enum rc changed_meanwhile(struct err *err)
{
    return err_set(err, RC_UNAUTHORIZED, "the login was overtaken by another one: try again");
}

static enum rc use_recovery_code(struct state *s, const struct login *login, unix_ms now,
                                 struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    TRY(state_run(
        s,
        "UPDATE recovery_codes SET used_at = ?3 "
        "WHERE user_id = ?1 AND code_hash = ?2 AND used_at IS NULL RETURNING user_id",
        (struct state_value[]){STATE_STR(uuid_format(&login->user, id)),
                               STATE_BYTES(login->recovery_hash, sizeof(login->recovery_hash)),
                               STATE_I64(now.ms)},
        3, row_count, &rows, err));
    return rows ? RC_OK : changed_meanwhile(err);
}

enum rc user_login_accept(struct state *s, struct throttle *throttle, const struct login *login,
                          unix_ms now, struct err *err)
{
    const char *hash = login->new_hash.text[0] ? login->new_hash.text : login->hash.text;
    char id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    TRY(state_run(
        s,
        "UPDATE users SET last_login_at = ?2, password_hash = ?3, "
        "totp_last_step = CASE WHEN ?6 > 0 THEN ?6 ELSE totp_last_step END "
        "WHERE id = ?1 AND disabled_at IS NULL AND password_hash = ?4 "
        "AND coalesce(totp_confirmed_at, 0) = ?5 AND (?6 = 0 OR totp_last_step < ?6) "
        "RETURNING id",
        (struct state_value[]){STATE_STR(uuid_format(&login->user, id)), STATE_I64(now.ms),
                               STATE_STR(hash), STATE_STR(login->hash.text),
                               STATE_I64(login->totp_confirmed_at), STATE_I64(login->totp_step)},
        6, row_count, &rows, err));
    if (rows == 0)
        return changed_meanwhile(err);
    if (login->is_recovery_code)
        TRY(use_recovery_code(s, login, now, err));
    throttle_success(throttle, &login->ticket);
    return RC_OK;
}

void user_login_done(struct login *login)
{
    explicit_bzero(login, sizeof(*login));
}
