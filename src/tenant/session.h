#ifndef WEIR_TENANT_SESSION_H
#define WEIR_TENANT_SESSION_H
/* Sessions of people: made at a login, found by the token in the cookie, ended by logging out, by
 * time, or with their user.
 *
 * A session is live until it is ended, 14 days pass without a request (sliding), or 90 days pass
 * since the login, whichever comes first, and only while its user is not disabled. There is no way
 * to choose a token, and every login makes a new one: nobody can be made to use a session that
 * somebody else knows (fixation).
 *
 * Every function blocks on the state: worker pool or CLI. Each is one or two statements without a
 * transaction of its own: call those that change access inside the body of a state_transaction,
 * with the audit row (struct state may be used recursively there). now is unix_now(), handed in for
 * the tests. */
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "state/state.h"
#include "tenant/token.h"

enum session_how { SESSION_PASSWORD, SESSION_PASSWORD_TOTP, SESSION_OIDC };
const char *session_how_name(enum session_how how); /* "password", "password+totp", "oidc" */

enum {
    SESSION_ADDRESS_MAX = 63,
    SESSION_USER_AGENT_MAX = 255,
    SESSION_SEEN_EVERY_S = 60, /* last_seen_at is written at most this often */
    SESSION_IDLE_DAYS = 14,
    SESSION_DAYS = 90,
    SESSION_KEPT_DAYS = 30, /* rows of dead sessions, by which a known address is told (user.h) */
};

struct session {
    struct uuid id; /* to show and to end it by; not the token */
    struct uuid user;
    unix_ms created_at;
    unix_ms last_seen_at; /* up to SESSION_SEEN_EVERY_S behind */
    unix_ms expires_at;   /* at the latest */
    enum session_how how;
    char address[SESSION_ADDRESS_MAX + 1]; /* of the login */
    char user_agent[SESSION_USER_AGENT_MAX + 1];
};

/* address and user_agent: cut at their maximum, bytes outside printable ASCII become '?'.
 * RC_NOTFOUND: no such user, or disabled. */
enum rc session_create(struct state *s, const struct uuid *user, enum session_how how,
                       struct slice address, struct slice user_agent, unix_ms now,
                       struct token *ret_token, struct session *ret_session,
                       struct err *err) MUST_CHECK;
/* The live session of a token, and notes that it was seen. RC_UNAUTHORIZED with one and the same
 * text: malformed, unknown, ended, expired, of a disabled user. No change of access. */
enum rc session_find(struct state *s, struct slice token, unix_ms now, struct session *ret_session,
                     struct err *err) MUST_CHECK;
/* Live ones of the user, the latest seen first. */
enum rc session_list(struct state *s, const struct uuid *user, unix_ms now,
                     enum rc (*each)(void *ctx, const struct session *session), void *ctx,
                     struct err *err) MUST_CHECK;
/* Of that user only, so that nobody ends another's. RC_NOTFOUND: not theirs, or over already. */
enum rc session_end(struct state *s, const struct uuid *user, const struct uuid *session,
                    unix_ms now, struct err *err) MUST_CHECK;
/* Log out everywhere; but (may be NULL): except this one. ret_ended (may be NULL): how many. */
enum rc session_end_all(struct state *s, const struct uuid *user, const struct uuid *but,
                        unix_ms now, uint32_t *ret_ended, struct err *err) MUST_CHECK;
/* Deletes the rows of what has been dead for SESSION_KEPT_DAYS. Once an hour is plenty. */
enum rc session_purge(struct state *s, unix_ms now, uint32_t *ret_deleted,
                      struct err *err) MUST_CHECK;

/* The token that a form or a header has to bring beside the cookie: derived from the session's
 * token (HMAC-SHA-256, its own domain), so that nothing has to be stored; and from it alone, so
 * that it dies with the session. Pure; any thread, an edge loop too. */
void session_csrf_token(struct slice token, struct token *ret_csrf);
bool session_csrf_is_valid(struct slice token, struct slice csrf); /* in constant time */
#endif
