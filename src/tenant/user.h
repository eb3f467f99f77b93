#ifndef WEIR_TENANT_USER_H
#define WEIR_TENANT_USER_H
/* People's accounts and what they prove themselves with. Membership and roles are elsewhere.
 *
 * Every function blocks on the state: worker pool or CLI. None has a transaction of its own: each
 * that changes something is to be called inside the body of a state_transaction, with the audit row
 * (struct state may be used recursively there), and is undone with it. Hashing a password is not
 * done in them: password_check() and password_hash() come before, outside the transaction, which
 * would otherwise hold up every other one for tens of milliseconds. now is unix_now(), handed in
 * for the tests.
 *
 * No err text holds an e-mail address, password, code or token. What is returned as a secret
 * (tokens, recovery codes, a TOTP secret) is shown once; the caller wipes it (explicit_bzero). */
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "state/state.h"
#include "tenant/email.h"
#include "tenant/password.h"
#include "tenant/throttle.h"
#include "tenant/token.h"
#include "tenant/totp.h"

enum { USER_NAME_MAX = 100 };
struct user {
    struct uuid id;
    char email[EMAIL_BYTES_MAX + 1]; /* normalised */
    char name[USER_NAME_MAX + 1];
    unix_ms created_at;
    unix_ms last_login_at; /* 0: never */
    bool is_disabled;
    bool has_password;
    bool has_totp; /* confirmed: asked for at every login */
};

/* ---- Accounts ---- */

/* email in any case; name 1 to USER_NAME_MAX bytes of UTF-8 without controls; hash NULL: no
 * password (yet), a reset token or OpenID Connect lets them in. RC_INVALID, RC_EXISTS. */
enum rc user_create(struct state *s, struct slice email, struct slice name,
                    const struct password_hash *hash, unix_ms now, struct user *ret_user,
                    struct err *err) MUST_CHECK;
enum rc user_find(struct state *s, const struct uuid *user, struct user *ret_user,
                  struct err *err) MUST_CHECK; /* RC_NOTFOUND */
enum rc user_find_by_email(struct state *s, struct slice email, struct user *ret_user,
                           struct err *err) MUST_CHECK; /* RC_NOTFOUND, malformed ones too */
/* Reset tokens die. Sessions do not: a person who changes their own password keeps the one they do
 * it in (session_end_all with but). RC_NOTFOUND. */
enum rc user_password_set(struct state *s, const struct uuid *user,
                          const struct password_hash *hash, unix_ms now,
                          struct err *err) MUST_CHECK;
/* No login, no reset; sessions end and reset tokens die at once. Again: RC_OK, the first time
 * stands. RC_NOTFOUND. */
enum rc user_disable(struct state *s, const struct uuid *user, unix_ms now,
                     struct err *err) MUST_CHECK;
enum rc user_enable(struct state *s, const struct uuid *user, struct err *err) MUST_CHECK;

/* ---- Second factor ---- */

/* A new secret, without effect until it is confirmed; one begun before is replaced. RC_EXISTS:
 * there is a confirmed one (remove it first). RC_NOTFOUND. */
enum rc user_totp_begin(struct state *s, const struct uuid *user, struct totp_secret *ret_secret,
                        struct err *err) MUST_CHECK;
/* With a code that the app shows: from now on asked for at every login. RC_UNAUTHORIZED: wrong
 * code; RC_CONFLICT: nothing was begun. Recovery codes of before die. */
enum rc user_totp_confirm(struct state *s, const struct uuid *user, struct slice code, unix_ms now,
                          struct recovery_codes *ret_codes, struct err *err) MUST_CHECK;
/* Recovery codes die with it. RC_OK if there was none; RC_NOTFOUND. The caller has asked for the
 * password or a code before (user_login_check). */
enum rc user_totp_remove(struct state *s, const struct uuid *user, struct err *err) MUST_CHECK;
/* New ones, the old die. RC_CONFLICT: no second factor. */
enum rc user_recovery_renew(struct state *s, const struct uuid *user,
                            struct recovery_codes *ret_codes, struct err *err) MUST_CHECK;
/* Uses up a code of the app or a recovery code, for a person who is logged in to prove themselves
 * again. RC_UNAUTHORIZED: wrong, used, or no second factor. The caller throttles. */
enum rc user_second_factor_use(struct state *s, const struct uuid *user, struct slice code,
                               unix_ms now, struct err *err) MUST_CHECK;
enum rc user_recovery_left(struct state *s, const struct uuid *user, uint32_t *ret_left,
                           struct err *err) MUST_CHECK;

/* ---- Password reset ---- */

enum { USER_RESET_MINUTES = 60 };
/* A token to be mailed to the account's own address; older ones die. *ret_is_known false: no such
 * account, or disabled; the answer to the person is the same, and is given without waiting for this
 * call, whose duration tells the two apart. Limit how often an address may ask. */
enum rc user_reset_begin(struct state *s, struct slice email, unix_ms now, bool *ret_is_known,
                         struct user *ret_user, struct token *ret_token,
                         struct err *err) MUST_CHECK;
/* Whose token it is, without using it: to check the new password against the address.
 * RC_UNAUTHORIZED with one and the same text: malformed, unknown, used, expired, disabled user. */
enum rc user_reset_find(struct state *s, struct slice token, unix_ms now, struct user *ret_user,
                        struct err *err) MUST_CHECK;
/* Uses it: sets the password, ends every session of the user. A second factor stays: it is asked
 * for at the next login. Where there is none the caller may make a session at once, which is also
 * the way past a throttle that strangers keep busy. */
enum rc user_reset_redeem(struct state *s, struct slice token, const struct password_hash *hash,
                          unix_ms now, struct uuid *ret_user, struct err *err) MUST_CHECK;

/* ---- Login ----
 *
 * In two steps, for the slow one must not hold a transaction:
 *
 *     user_login_check(s, throttle, &attempt, &login, err)      reads, hashes; changes nothing
 *     if login.answer is LOGIN_OK, in a state_transaction:
 *         user_login_accept(s, throttle, &login, now, err)      uses up the code
 *         session_create(…), the audit row
 *     user_login_done(&login)                                   in any case
 *
 * The same asks a person who is logged in for their password again, before something grave; then no
 * session is made. */
enum login_answer {
    LOGIN_OK,
    LOGIN_WRONG, /* no such account, disabled, without password, wrong password or code */
    LOGIN_SECOND_FACTOR_NEEDED, /* the password is right, no code was given */
    LOGIN_THROTTLED,            /* nothing was tried; Retry-After: retry_after_s */
};
struct login_attempt {
    struct slice email, password;
    struct slice second_factor; /* a code of the app or a recovery code; empty: none */
    struct slice address;       /* of the client, as it stands in sessions */
    unix_ms now;
    mono_ns now_mono;
};
struct login {
    enum login_answer answer;
    uint32_t retry_after_s;
    struct uuid user;       /* LOGIN_OK and LOGIN_SECOND_FACTOR_NEEDED only */
    bool has_second_factor; /* one was asked for and is right: SESSION_PASSWORD_TOTP */
    bool is_recovery_code;  /* and it is a recovery code: say how many are left */
    struct throttle_ticket ticket;
    /* what was found right, to be so still when it is accepted */
    struct password_hash hash, new_hash; /* new_hash empty: the costs are today's */
    int64_t totp_confirmed_at, totp_step;
    uint8_t recovery_hash[RECOVERY_HASH_BYTES];
};
/* Takes the same path for an account that does not exist as for a wrong password: the same
 * statements, one Argon2id. Not inside a transaction. An error counts as a failure. */
enum rc user_login_check(struct state *s, struct throttle *throttle,
                         const struct login_attempt *attempt, struct login *ret_login,
                         struct err *err) MUST_CHECK;
/* RC_UNAUTHORIZED: meanwhile the code was used, the password changed or the user disabled. Notes
 * the login and a success at the throttle. */
enum rc user_login_accept(struct state *s, struct throttle *throttle, const struct login *login,
                          unix_ms now, struct err *err) MUST_CHECK;
void user_login_done(struct login *login); /* wipes it */
#endif
