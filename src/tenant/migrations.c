/* The tables of tenants and access, as numbered migrations: portable SQL (TEXT ids, BIGINT unix
 * ms). */
#include "tenant/tenant_int.h"

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
     "ALTER TABLE projects ADD COLUMN domains TEXT NOT NULL DEFAULT '';" /* lines */
     /* lines; empty = any */
     "ALTER TABLE projects ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE projects ADD COLUMN retention_days BIGINT NOT NULL DEFAULT 0;" /* 0 = for ever */
     /* standard | strict */
     "ALTER TABLE projects ADD COLUMN privacy_mode TEXT NOT NULL DEFAULT 'standard';"
     "ALTER TABLE projects ADD COLUMN bot_policy TEXT NOT NULL DEFAULT 'mark';" /* mark | drop */
     /* quota; 0 = none */
     "ALTER TABLE projects ADD COLUMN events_per_month_max BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE projects ADD COLUMN archived_at BIGINT;"
     /* permission names, one space between */
     "ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '';"
     /* lines; write keys; empty = the project's */
     "ALTER TABLE keys ADD COLUMN allowed_origins TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE keys ADD COLUMN expires_at BIGINT;"
     "ALTER TABLE keys ADD COLUMN last_used_at BIGINT;"
     /* rotation: id of the key that this one follows */
     "ALTER TABLE keys ADD COLUMN replaces TEXT;"
     "ALTER TABLE keys ADD COLUMN created_by TEXT;" /* handle of the actor */
     "CREATE TABLE users ("
     " id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE," /* lower case */
     " name TEXT NOT NULL, password_hash TEXT, password_set_at BIGINT,"
     " totp_secret BLOB, totp_confirmed_at BIGINT, totp_last_step BIGINT NOT NULL DEFAULT 0,"
     " created_at BIGINT NOT NULL, disabled_at BIGINT, last_login_at BIGINT);"
     "CREATE TABLE members ("
     " org_id TEXT NOT NULL REFERENCES orgs (id), user_id TEXT NOT NULL REFERENCES users (id),"
     " role TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (org_id, user_id));"
     "CREATE INDEX members_by_user ON members (user_id);"
     "CREATE TABLE invitations ("
     " id TEXT PRIMARY KEY, org_id TEXT NOT NULL REFERENCES orgs (id), email TEXT NOT NULL, role "
     "TEXT NOT NULL,"
     " token_hash BLOB NOT NULL UNIQUE, invited_by TEXT NOT NULL, created_at BIGINT NOT NULL,"
     " expires_at BIGINT NOT NULL, accepted_at BIGINT, revoked_at BIGINT);"
     "CREATE INDEX invitations_by_org ON invitations (org_id);"
     "CREATE TABLE sessions ("
     " id TEXT PRIMARY KEY, token_hash BLOB NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES "
     "users (id),"
     " created_at BIGINT NOT NULL, last_seen_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, "
     "ended_at BIGINT,"
     " authenticated_by TEXT NOT NULL," /* password | password+totp | oidc */
     " address TEXT NOT NULL, user_agent TEXT NOT NULL);"
     "CREATE INDEX sessions_by_user ON sessions (user_id);"
     "CREATE TABLE identities (" /* OpenID Connect */
     " issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL REFERENCES users (id),"
     " created_at BIGINT NOT NULL, PRIMARY KEY (issuer, subject));"
     "CREATE TABLE recovery_codes ("
     " user_id TEXT NOT NULL REFERENCES users (id), code_hash BLOB NOT NULL, used_at BIGINT, "
     "PRIMARY KEY (user_id, code_hash));"
     "CREATE TABLE user_tokens (" /* password reset */
     " token_hash BLOB PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), purpose TEXT NOT "
     "NULL,"
     " created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT);"
     "CREATE TABLE token_issuers (" /* who may sign JWTs for an org */
     " id TEXT PRIMARY KEY, org_id TEXT NOT NULL REFERENCES orgs (id), issuer TEXT NOT NULL, "
     "audience TEXT NOT NULL,"
     " jwks_url TEXT NOT NULL, algorithms TEXT NOT NULL,"
     " user_claim TEXT NOT NULL, project_claim TEXT NOT NULL, role_claim TEXT NOT NULL,"
     " created_at BIGINT NOT NULL, UNIQUE (issuer, audience));"
     "CREATE TABLE audit_outbox (id TEXT PRIMARY KEY, org_id TEXT NOT NULL, value BLOB NOT NULL);"
     /* One row that grows with every change of what the views hold: last uses do not touch it. */
     "CREATE TABLE view_version (number BIGINT NOT NULL);"
     "INSERT INTO view_version (number) VALUES (0);"
     "UPDATE keys SET scopes = CASE kind WHEN 'secret' THEN 'stats:read' ELSE 'events:write' END;"},
    /* lines: what clients call the project, beside its domains */
    {3, "ALTER TABLE projects ADD COLUMN client_ids TEXT NOT NULL DEFAULT '';"},
};

enum rc tenant_migrate(struct state *s, struct err *err)
{
    return state_migrate(s, "tenant", migrations, COUNT_OF(migrations), err);
}
