#include "tenant/identity.h"

#include "tenant/row_int.h"

struct found {
    struct uuid user;
    bool is_found;
};

static enum rc take_user(void *ctx, const struct state_row *row)
{
    struct found *found = ctx;
    found->is_found = true;
    return uuid_parse(state_row_text(row, 0), &found->user) ? RC_OK : RC_CORRUPT;
}

enum rc identity_find(struct state *s, struct slice issuer, struct slice subject,
                      struct uuid *ret_user, struct err *err)
{
    struct found found = {.is_found = false};
    enum rc rc = state_run(s, "SELECT user_id FROM identities WHERE issuer = ?1 AND subject = ?2",
                           (struct state_value[]){STATE_SLICE(issuer), STATE_SLICE(subject)}, 2,
                           take_user, &found, err);
    TRY(row_result(rc, "an identity", err));
    if (!found.is_found)
        return err_set(err, RC_NOTFOUND, "nobody is known by that identity");
    *ret_user = found.user;
    return RC_OK;
}

enum rc identity_add(struct state *s, struct slice issuer, struct slice subject,
                     const struct uuid *user, unix_ms now, struct err *err)
{
    char id[UUID_TEXT_LEN + 1];
    enum rc rc = state_run(
        s, "INSERT INTO identities (issuer, subject, user_id, created_at) VALUES (?1, ?2, ?3, ?4)",
        (struct state_value[]){STATE_SLICE(issuer), STATE_SLICE(subject),
                               STATE_STR(uuid_format(user, id)), STATE_I64(now.ms)},
        4, NULL, NULL, err);
    return rc == RC_EXISTS ? err_set(err, rc, "that identity is somebody's already") : rc;
}
