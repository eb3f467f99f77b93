/* Changes to organisations, projects and keys, and the thread that brings them into the views. */
#include "tenant/admin.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/random.h"
#include "tenant/tenant_int.h"

enum { WATCH_EVERY_MS = 400, JWT_SECRET_CHARS = 43 };

static const struct state_migration migrations[] = {
    {1,
     "CREATE TABLE orgs (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at BIGINT NOT NULL);"
     "CREATE TABLE projects ("
     "  id TEXT PRIMARY KEY, org_id TEXT NOT NULL REFERENCES orgs (id), name TEXT NOT NULL,"
     "  jwt_secret BLOB NOT NULL, hash_key BLOB NOT NULL, created_at BIGINT NOT NULL);"
     "CREATE TABLE keys ("
     "  id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id), kind TEXT NOT NULL,"
     "  prefix TEXT NOT NULL, public_text TEXT, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL,"
     "  created_at BIGINT NOT NULL, revoked_at BIGINT);"
     "CREATE INDEX keys_by_project ON keys (project_id);"},
    {2,
     "ALTER TABLE projects ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';"
     "ALTER TABLE projects ADD COLUMN domains TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE projects ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE projects ADD COLUMN retention_days BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE projects ADD COLUMN privacy_mode TEXT NOT NULL DEFAULT 'standard';"
     "ALTER TABLE projects ADD COLUMN bot_policy TEXT NOT NULL DEFAULT 'mark';"
     "ALTER TABLE projects ADD COLUMN events_per_month_max BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE projects ADD COLUMN archived_at BIGINT;"
     "ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE keys ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE keys ADD COLUMN expires_at BIGINT;"
     "ALTER TABLE keys ADD COLUMN last_used_at BIGINT;"
     "ALTER TABLE keys ADD COLUMN replaces TEXT;"
     "ALTER TABLE keys ADD COLUMN created_by TEXT;"
     "CREATE TABLE users ("
     "  id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE,"
     "  name TEXT NOT NULL, password_hash TEXT, password_set_at BIGINT,"
     "  totp_secret BLOB, totp_confirmed_at BIGINT, totp_last_step BIGINT NOT NULL DEFAULT 0,"
     "  created_at BIGINT NOT NULL, disabled_at BIGINT, last_login_at BIGINT);"
     "CREATE TABLE members ("
     "  org_id TEXT NOT NULL REFERENCES orgs (id), user_id TEXT NOT NULL REFERENCES users (id),"
     "  role TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (org_id, user_id));"
     "CREATE INDEX members_by_user ON members (user_id);"
     "CREATE TABLE invitations ("
     "  id TEXT PRIMARY KEY, org_id TEXT NOT NULL REFERENCES orgs (id), email TEXT NOT NULL, role "
     "TEXT NOT NULL,"
     "  token_hash BLOB NOT NULL UNIQUE, invited_by TEXT NOT NULL, created_at BIGINT NOT NULL,"
     "  expires_at BIGINT NOT NULL, accepted_at BIGINT, revoked_at BIGINT);"
     "CREATE INDEX invitations_by_org ON invitations (org_id);"
     "CREATE TABLE sessions ("
     "  id TEXT PRIMARY KEY, token_hash BLOB NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES "
     "users (id),"
     "  created_at BIGINT NOT NULL, last_seen_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, "
     "ended_at BIGINT,"
     "  authenticated_by TEXT NOT NULL,"
     "  address TEXT NOT NULL, user_agent TEXT NOT NULL);"
     "CREATE INDEX sessions_by_user ON sessions (user_id);"
     "CREATE TABLE identities ("
     "  issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL REFERENCES users (id),"
     "  created_at BIGINT NOT NULL, PRIMARY KEY (issuer, subject));"
     "CREATE TABLE recovery_codes ("
     "  user_id TEXT NOT NULL REFERENCES users (id), code_hash BLOB NOT NULL, used_at BIGINT, "
     "PRIMARY KEY (user_id, code_hash));"
     "CREATE TABLE user_tokens ("
     "  token_hash BLOB PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), purpose TEXT NOT "
     "NULL,"
     "  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT);"
     "CREATE TABLE token_issuers ("
     "  id TEXT PRIMARY KEY, org_id TEXT NOT NULL REFERENCES orgs (id), issuer TEXT NOT NULL, "
     "audience TEXT NOT NULL,"
     "  jwks_url TEXT NOT NULL, algorithms TEXT NOT NULL,"
     "  user_claim TEXT NOT NULL, project_claim TEXT NOT NULL, role_claim TEXT NOT NULL,"
     "  created_at BIGINT NOT NULL, UNIQUE (issuer, audience));"
     "CREATE TABLE audit_outbox (id TEXT PRIMARY KEY, org_id TEXT NOT NULL, value BLOB NOT NULL);"},
};

enum rc tenant_reload(struct tenant *t, struct err *err)
{
    struct tenant_view *fresh = NULL;
    int64_t version = 0;
    pthread_mutex_lock(&t->reload_lock);
    /* The version first: a change in between is then seen once more, never missed. */
    enum rc rc = state_version(t->state, &version, err);
    if (rc == RC_OK)
        rc = tenant_view_load(t->state, &fresh, err);
    if (rc == RC_OK) {
        pthread_mutex_lock(&t->view_lock);
        struct tenant_view *old = t->view;
        t->view = fresh;
        pthread_mutex_unlock(&t->view_lock);
        tenant_view_give(old);
        t->state_version = version;
    }
    pthread_mutex_unlock(&t->reload_lock);
    return rc;
}

static void reload_if_changed(struct tenant *t)
{
    int64_t version = 0;
    struct err err = ERR_INIT;
    enum rc rc = state_version(t->state, &version, &err);
    pthread_mutex_lock(&t->reload_lock);
    bool is_changed = rc == RC_OK && version != t->state_version;
    pthread_mutex_unlock(&t->reload_lock);
    if (is_changed)
        rc = tenant_reload(t, &err);
    static struct log_limit limit;
    if (rc != RC_OK && log_allowed(&limit))
        log_warn("cannot read projects and keys; the last picture stays in force", LOG_ERR(&err));
}

static void *watch(void *arg)
{
    struct tenant *t = arg;
    pthread_mutex_lock(&t->wake_lock);
    while (!t->is_closing) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WATCH_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&t->wake, &t->wake_lock, &until);
        if (t->is_closing)
            break;
        pthread_mutex_unlock(&t->wake_lock);
        reload_if_changed(t);
        pthread_mutex_lock(&t->wake_lock);
    }
    pthread_mutex_unlock(&t->wake_lock);
    return NULL;
}

void tenant_close(struct tenant *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->wake_lock);
    t->is_closing = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->wake_lock);
    if (t->has_watcher)
        pthread_join(t->watcher, NULL);
    tenant_view_give(t->view);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->wake_lock);
    pthread_mutex_destroy(&t->view_lock);
    pthread_mutex_destroy(&t->reload_lock);
    heap_free(t);
}
DEFINE_CLEANUP(struct tenant *, tenant_close)

enum rc tenant_open(struct state *state, struct tenant **ret_tenant, struct err *err)
{
    TRY(state_migrate(state, "tenant", migrations, COUNT_OF(migrations), err));
    CLEANUP(tenant_closep) struct tenant *t = heap_alloc(HEAP_TENANT, sizeof(*t));
    t->state = state;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&t->wake_lock, NULL);
    pthread_mutex_init(&t->view_lock, NULL);
    pthread_mutex_init(&t->reload_lock, NULL);
    TRY(tenant_reload(t, err));
    if (pthread_create(&t->watcher, NULL, watch, t) != 0)
        return err_set(err, RC_NOMEM, "cannot start the thread that watches projects and keys");
    t->has_watcher = true;
    *ret_tenant = take_ptr(&t);
    return RC_OK;
}

static enum rc check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);
    if (len == 0 || len > TENANT_NAME_MAX)
        return err_set(err, RC_INVALID, "a name has 1 to %d bytes", TENANT_NAME_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return err_set(err, RC_INVALID, "a name has no control characters");
    return RC_OK;
}

enum rc tenant_org_create(struct tenant *t, const char *name, struct uuid *ret_org, struct err *err)
{
    TRY(check_name(name, err));
    struct uuid id = uuid_v7(unix_now());
    char text[UUID_TEXT_LEN + 1];
    TRY(state_run(t->state, "INSERT INTO orgs (id, name, created_at) VALUES (?1, ?2, ?3)",
                  (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_STR(name),
                                         STATE_I64(unix_now().ms)},
                  3, NULL, NULL, err));
    *ret_org = id;
    return RC_OK;
}

/* Base62 without modulo bias: 62 * 4 = 248 of 256 byte values are used. */
static void random_text(char *to, size_t len)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < len;) {
        uint8_t byte;
        random_bytes(&byte, 1);
        if (byte < 248)
            to[i++] = alphabet[byte % 62];
    }
    to[len] = '\0';
}

enum rc tenant_project_create(struct tenant *t, const struct uuid *org, const char *name,
                              struct uuid *ret_project, struct err *err)
{
    TRY(check_name(name, err));
    struct uuid id = uuid_v7(unix_now());
    char text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    char jwt_secret[JWT_SECRET_CHARS + 1];
    uint8_t hash_key[32];
    random_text(jwt_secret, JWT_SECRET_CHARS); /* text, so that any JWT library takes it as it is */
    random_bytes(hash_key, sizeof(hash_key));
    enum rc rc =
        state_run(t->state,
                  "INSERT INTO projects (id, org_id, name, jwt_secret, hash_key, created_at) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                  (struct state_value[]){
                      STATE_STR(uuid_format(&id, text)), STATE_STR(uuid_format(org, org_text)),
                      STATE_STR(name), STATE_BYTES(jwt_secret, JWT_SECRET_CHARS),
                      STATE_BYTES(hash_key, sizeof(hash_key)), STATE_I64(unix_now().ms)},
                  6, NULL, NULL, err);
    explicit_bzero(jwt_secret, sizeof(jwt_secret));
    explicit_bzero(hash_key, sizeof(hash_key));
    if (rc == RC_CONFLICT)
        return err_set(err, RC_NOTFOUND, "there is no organisation %s", org_text);
    TRY(rc);
    *ret_project = id;
    return tenant_reload(t, err);
}

enum rc tenant_key_create(struct tenant *t, const struct uuid *project, enum tenant_key_kind kind,
                          const char *name, struct tenant_key *ret_key, struct err *err)
{
    TRY(check_name(name, err));
    bool is_secret = kind == TENANT_KEY_SECRET;
    struct tenant_key key = {.id = uuid_v7(unix_now()), .kind = kind, .created_at = unix_now()};
    memcpy(key.text, is_secret ? "sk_" : "wk_", 3);
    random_text(key.text + 3, is_secret ? 43 : 32); /* 256 and 190 bits */
    snprintf(key.prefix, sizeof(key.prefix), "%.11s", key.text);
    snprintf(key.name, sizeof(key.name), "%s", name);
    uint8_t hash[TENANT_HASH_BYTES];
    tenant_hash_key(slice_str(key.text), hash);
    char id_text[UUID_TEXT_LEN + 1], project_text[UUID_TEXT_LEN + 1];
    struct state_value public_text = STATE_STR(key.text);
    if (is_secret)
        public_text = (struct state_value){.kind = STATE_NULL};
    enum rc rc = state_run(
        t->state,
        "INSERT INTO keys (id, project_id, kind, prefix, public_text, hash, name, created_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (struct state_value[]){
            STATE_STR(uuid_format(&key.id, id_text)), STATE_STR(uuid_format(project, project_text)),
            STATE_STR(is_secret ? "secret" : "write"), STATE_STR(key.prefix), public_text,
            STATE_BYTES(hash, sizeof(hash)), STATE_STR(name), STATE_I64(key.created_at.ms)},
        8, NULL, NULL, err);
    if (rc == RC_CONFLICT)
        return err_set(err, RC_NOTFOUND, "there is no project %s", project_text);
    TRY(rc);
    *ret_key = key;
    explicit_bzero(&key, sizeof(key));
    return tenant_reload(t, err);
}

enum rc tenant_key_revoke(struct tenant *t, struct slice id_or_text, struct err *err)
{
    uint8_t hash[TENANT_HASH_BYTES];
    tenant_hash_key(id_or_text, hash);
    TRY(state_run(
        t->state,
        "UPDATE keys SET revoked_at = ?1 WHERE revoked_at IS NULL AND (id = ?2 OR hash = ?3)",
        (struct state_value[]){STATE_I64(unix_now().ms), STATE_SLICE(id_or_text),
                               STATE_BYTES(hash, sizeof(hash))},
        3, NULL, NULL, err));
    if (state_changes(t->state) == 0)
        return err_set(err, RC_NOTFOUND, "no live key has that id or text");
    return tenant_reload(t, err);
}

struct first_org {
    struct uuid id;
    bool is_found;
};

static enum rc take_org(void *ctx, const struct state_row *row)
{
    struct first_org *first = ctx;
    first->is_found = uuid_parse(state_row_text(row, 0), &first->id);
    return RC_OK;
}

enum rc tenant_org_first(struct tenant *t, struct uuid *ret_org, struct err *err)
{
    struct first_org first = {.is_found = false};
    TRY(state_run(t->state, "SELECT id FROM orgs ORDER BY created_at, id LIMIT 1", NULL, 0,
                  take_org, &first, err));
    if (!first.is_found)
        return err_set(err, RC_NOTFOUND, "there is no organisation yet: run weir init");
    *ret_org = first.id;
    return RC_OK;
}

struct project_each {
    enum rc (*each)(void *ctx, const struct tenant_project *p);
    void *ctx;
};

static enum rc give_project(void *ctx, const struct state_row *row)
{
    const struct project_each *e = ctx;
    struct tenant_project p = {.jwt_secret = SLICE_EMPTY};
    if (!uuid_parse(state_row_text(row, 0), &p.id) || !uuid_parse(state_row_text(row, 1), &p.org))
        return RC_CORRUPT;
    uuid_format(&p.id, p.id_text);
    snprintf(p.name, sizeof(p.name), "%.*s", SLICE_ARG(state_row_text(row, 2)));
    return e->each(e->ctx, &p);
}

enum rc tenant_projects(struct tenant *t,
                        enum rc (*each)(void *ctx, const struct tenant_project *p), void *ctx,
                        struct err *err)
{
    struct project_each e = {each, ctx};
    return state_run(t->state, "SELECT id, org_id, name FROM projects ORDER BY created_at, id",
                     NULL, 0, give_project, &e, err);
}

struct key_each {
    enum rc (*each)(void *ctx, const struct tenant_key *k);
    void *ctx;
};

static enum rc give_key(void *ctx, const struct state_row *row)
{
    const struct key_each *e = ctx;
    struct tenant_key k = {.created_at = {state_row_i64(row, 5)},
                           .is_revoked = !state_row_is_null(row, 6)};
    if (!uuid_parse(state_row_text(row, 0), &k.id))
        return RC_CORRUPT;
    k.kind = slice_eq_str(state_row_text(row, 1), "secret") ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    snprintf(k.prefix, sizeof(k.prefix), "%.*s", SLICE_ARG(state_row_text(row, 2)));
    snprintf(k.text, sizeof(k.text), "%.*s", SLICE_ARG(state_row_text(row, 3)));
    snprintf(k.name, sizeof(k.name), "%.*s", SLICE_ARG(state_row_text(row, 4)));
    return e->each(e->ctx, &k);
}

enum rc tenant_keys(struct tenant *t, const struct uuid *project,
                    enum rc (*each)(void *ctx, const struct tenant_key *k), void *ctx,
                    struct err *err)
{
    struct key_each e = {each, ctx};
    char text[UUID_TEXT_LEN + 1];
    return state_run(t->state,
                     "SELECT id, kind, prefix, public_text, name, created_at, revoked_at FROM keys "
                     "WHERE project_id = ?1 ORDER BY created_at, id",
                     &STATE_STR(uuid_format(project, text)), 1, give_key, &e, err);
}

enum rc tenant_jwt_secret(struct tenant *t, const struct uuid *project, struct buf *ret_text,
                          struct err *err)
{
    struct tenant_view *v = tenant_view_take(t);
    const struct tenant_project *p = tenant_by_id(v, project);
    if (p)
        buf_add_slice(ret_text, p->jwt_secret);
    tenant_view_give(v);
    return p ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such project");
}
