#include "tenant/session.h"

#include <stdio.h>

#include "codec/hash.h"
#include "tenant/row_int.h"

static const char *const how_names[] = {
    [SESSION_PASSWORD] = "password",
    [SESSION_PASSWORD_TOTP] = "password+totp",
    [SESSION_OIDC] = "oidc",
};

#define DAYS_MS(days) (INT64_C(86400000) * (days))
#define COLUMNS                                                     \
    "s.id, s.user_id, s.created_at, s.last_seen_at, s.expires_at, " \
    "s.authenticated_by, s.address, s.user_agent "                  \
    "FROM sessions s JOIN users u ON u.id = s.user_id "
/* ?1 = now, ?2 = now - idle limit: what every look-up asks for besides */
#define IS_LIVE \
    "s.ended_at IS NULL AND s.expires_at > ?1 AND s.last_seen_at > ?2 AND u.disabled_at IS NULL "

const char *session_how_name(enum session_how how)
{
    return how_names[how];
}

static bool how_parse(struct slice text, enum session_how *ret_how)
{
    for (size_t i = 0; i < COUNT_OF(how_names); i++)
        if (slice_eq_str(text, how_names[i])) {
            *ret_how = (enum session_how)i;
            return true;
        }
    return false;
}

static enum rc read_session(const struct state_row *row, struct session *ret_session)
{
    struct session session = {.created_at = {state_row_i64(row, 2)},
                              .last_seen_at = {state_row_i64(row, 3)},
                              .expires_at = {state_row_i64(row, 4)}};
    if (!uuid_parse(state_row_text(row, 0), &session.id) ||
        !uuid_parse(state_row_text(row, 1), &session.user) ||
        !how_parse(state_row_text(row, 5), &session.how))
        return RC_CORRUPT;
    snprintf(session.address, sizeof(session.address), "%.*s", SLICE_ARG(state_row_text(row, 6)));
    snprintf(session.user_agent, sizeof(session.user_agent), "%.*s",
             SLICE_ARG(state_row_text(row, 7)));
    *ret_session = session;
    return RC_OK;
}

/* What a client says about itself, as something that can be stored and shown. */
static void copy_printable(char *to, size_t bytes_max, struct slice text)
{
    size_t len = text.len < bytes_max ? text.len : bytes_max;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(text.data[i] >= 0x20 && text.data[i] < 0x7f ? text.data[i] : '?');
    to[len] = 0;
}

enum rc session_create(struct state *s, const struct uuid *user, enum session_how how,
                       struct slice address, struct slice user_agent, unix_ms now,
                       struct token *ret_token, struct session *ret_session, struct err *err)
{
    struct session session = {.id = uuid_v7(now),
                              .user = *user,
                              .created_at = now,
                              .last_seen_at = now,
                              .expires_at = {now.ms + DAYS_MS(SESSION_DAYS)},
                              .how = how};
    struct token token;
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[UUID_TEXT_LEN + 1], user_id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    copy_printable(session.address, SESSION_ADDRESS_MAX, address);
    copy_printable(session.user_agent, SESSION_USER_AGENT_MAX, user_agent);
    token_make(&token, hash);
    enum rc rc = state_run(
        s,
        "INSERT INTO sessions (id, token_hash, user_id, created_at, last_seen_at, expires_at, "
        "authenticated_by, address, user_agent) "
        "SELECT ?1, ?2, u.id, ?4, ?4, ?5, ?6, ?7, ?8 FROM users u "
        "WHERE u.id = ?3 AND u.disabled_at IS NULL RETURNING id",
        (struct state_value[]){STATE_STR(uuid_format(&session.id, id)),
                               STATE_BYTES(hash, sizeof(hash)),
                               STATE_STR(uuid_format(user, user_id)), STATE_I64(now.ms),
                               STATE_I64(session.expires_at.ms), STATE_STR(how_names[how]),
                               STATE_STR(session.address), STATE_STR(session.user_agent)},
        8, row_count, &rows, err);
    if (rc == RC_OK && rows == 0)
        rc = err_set(err, RC_NOTFOUND, "there is no such user, or they are disabled");
    if (rc == RC_OK) {
        *ret_token = token;
        *ret_session = session;
    }
    explicit_bzero(&token, sizeof(token));
    return rc;
}

struct found_session {
    struct session session;
    bool is_found;
};

static enum rc take_session(void *ctx, const struct state_row *row)
{
    struct found_session *found = ctx;
    found->is_found = true;
    return read_session(row, &found->session);
}

static void note_seen(struct state *s, const struct session *session, unix_ms now)
{
    char id[UUID_TEXT_LEN + 1];
    IGNORE(state_run(
               s,
               "UPDATE sessions SET last_seen_at = ?1 "
               "WHERE id = ?2 AND ended_at IS NULL AND last_seen_at < ?1",
               (struct state_value[]){STATE_I64(now.ms), STATE_STR(uuid_format(&session->id, id))},
               2, NULL, NULL, NULL),
           "the next request tries again; a full disk must not log everybody out");
}

enum rc session_find(struct state *s, struct slice token, unix_ms now, struct session *ret_session,
                     struct err *err)
{
    struct found_session found = {.is_found = false};
    uint8_t hash[TOKEN_HASH_BYTES];
    if (token_hash(token, hash)) {
        enum rc rc =
            state_run(s, "SELECT " COLUMNS "WHERE " IS_LIVE "AND s.token_hash = ?3",
                      (struct state_value[]){STATE_I64(now.ms),
                                             STATE_I64(now.ms - DAYS_MS(SESSION_IDLE_DAYS)),
                                             STATE_BYTES(hash, sizeof(hash))},
                      3, take_session, &found, err);
        TRY(row_result(rc, "a session", err));
    }
    if (!found.is_found)
        return err_set(err, RC_UNAUTHORIZED, "the session is over: log in again");
    if (now.ms - found.session.last_seen_at.ms >= SESSION_SEEN_EVERY_S * INT64_C(1000)) {
        note_seen(s, &found.session, now);
        found.session.last_seen_at = now;
    }
    *ret_session = found.session;
    return RC_OK;
}

struct session_each {
    enum rc (*each)(void *ctx, const struct session *session);
    void *ctx;
};

static enum rc give_session(void *ctx, const struct state_row *row)
{
    const struct session_each *e = ctx;
    struct session session;
    TRY(read_session(row, &session));
    return e->each(e->ctx, &session);
}

enum rc session_list(struct state *s, const struct uuid *user, unix_ms now,
                     enum rc (*each)(void *ctx, const struct session *session), void *ctx,
                     struct err *err)
{
    struct session_each e = {each, ctx};
    char user_id[UUID_TEXT_LEN + 1];
    return row_result(
        state_run(s,
                  "SELECT " COLUMNS "WHERE " IS_LIVE
                  "AND s.user_id = ?3 ORDER BY s.last_seen_at DESC, s.id",
                  (struct state_value[]){STATE_I64(now.ms),
                                         STATE_I64(now.ms - DAYS_MS(SESSION_IDLE_DAYS)),
                                         STATE_STR(uuid_format(user, user_id))},
                  3, give_session, &e, err),
        "a session", err);
}

enum rc session_end(struct state *s, const struct uuid *user, const struct uuid *session,
                    unix_ms now, struct err *err)
{
    char id[UUID_TEXT_LEN + 1], user_id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    TRY(state_run(s,
                  "UPDATE sessions SET ended_at = ?1 "
                  "WHERE id = ?2 AND user_id = ?3 AND ended_at IS NULL RETURNING id",
                  (struct state_value[]){STATE_I64(now.ms), STATE_STR(uuid_format(session, id)),
                                         STATE_STR(uuid_format(user, user_id))},
                  3, row_count, &rows, err));
    return rows ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such session, or it is over");
}

enum rc session_end_all(struct state *s, const struct uuid *user, const struct uuid *but,
                        unix_ms now, uint32_t *ret_ended, struct err *err)
{
    char but_id[UUID_TEXT_LEN + 1] = "", user_id[UUID_TEXT_LEN + 1];
    uint32_t rows = 0;
    if (but)
        uuid_format(but, but_id);
    TRY(state_run(s,
                  "UPDATE sessions SET ended_at = ?1 "
                  "WHERE user_id = ?2 AND ended_at IS NULL AND id <> ?3 RETURNING id",
                  (struct state_value[]){STATE_I64(now.ms), STATE_STR(uuid_format(user, user_id)),
                                         STATE_STR(but_id)},
                  3, row_count, &rows, err));
    if (ret_ended)
        *ret_ended = rows;
    return RC_OK;
}

enum rc session_purge(struct state *s, unix_ms now, uint32_t *ret_deleted, struct err *err)
{
    uint32_t rows = 0;
    int64_t dead_by = now.ms - DAYS_MS(SESSION_KEPT_DAYS);
    TRY(state_run(
        s,
        "DELETE FROM sessions WHERE ended_at < ?1 OR expires_at < ?1 "
        "OR last_seen_at < ?2 RETURNING id",
        (struct state_value[]){STATE_I64(dead_by), STATE_I64(dead_by - DAYS_MS(SESSION_IDLE_DAYS))},
        2, row_count, &rows, err));
    *ret_deleted = rows;
    return RC_OK;
}

void session_csrf_token(struct slice token, struct token *ret_csrf)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(token, SLICE_LIT("weir csrf 1"), mac);
    token_write(mac, ret_csrf);
    explicit_bzero(mac, sizeof(mac));
}

bool session_csrf_is_valid(struct slice token, struct slice csrf)
{
    struct token want;
    if (token.len != TOKEN_TEXT)
        return false;
    session_csrf_token(token, &want);
    bool is_valid = slice_eq_const_time(csrf, slice_of(want.text, TOKEN_TEXT));
    explicit_bzero(&want, sizeof(want));
    return is_valid;
}
