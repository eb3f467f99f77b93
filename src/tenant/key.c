/* WHAT    Keys: made, rotated, revoked.
 * LAYOUT  "wk_" + 32 or "sk_" + 43 random characters of base62, then 6 of a checksum: base62 of the
 *         CRC-32C of all before. A scanner can tell a key of ours from a text that looks like one
 *         without asking anybody (tenant_key_is_genuine; docs/access.md has the expression).
 * WHY     Only the SHA-256 of a key is kept, without a salt: a key has more random bits than a hash
 *         could lose, and the edge must find it by its hash. */
#include "tenant/entity_int.h"

#include <stdio.h>

#include "base/crc32c.h"
#include "base/must.h"
#include "base/random.h"
#include "codec/hash.h"
#include "tenant/tenant_int.h"

enum { WRITE_CHARS = 32, SECRET_CHARS = 43, CHECK_CHARS = 6, PREFIX_CHARS = 11 };

static const int64_t MS_PER_DAY = 86400000;

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Without modulo bias: 62 * 4 = 248 of 256 byte values are used. */
void tenant_random_text(char *to, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t byte;
        random_bytes(&byte, 1);
        if (byte < 248)
            to[i++] = base62[byte % 62];
    }
    to[len] = '\0';
}

static void checksum_of(struct slice text, char ret[CHECK_CHARS])
{
    uint32_t sum = crc32c(0, text.data, text.len);
    for (int i = CHECK_CHARS - 1; i >= 0; i--, sum /= 62)
        ret[i] = base62[sum % 62];
}

bool tenant_key_is_genuine(struct slice text)
{
    char check[CHECK_CHARS];
    size_t random = slice_has_prefix(text, SLICE_LIT("wk_"))   ? WRITE_CHARS
                    : slice_has_prefix(text, SLICE_LIT("sk_")) ? SECRET_CHARS
                                                               : 0;
    if (!random || text.len != 3 + random + CHECK_CHARS)
        return false;
    checksum_of(slice_of(text.data, 3 + random), check);
    return memcmp(check, text.data + 3 + random, CHECK_CHARS) == 0;
}

static void make_text(enum tenant_key_kind kind, char ret[TENANT_KEY_TEXT_MAX])
{
    bool is_secret = kind == TENANT_KEY_SECRET;
    size_t random = is_secret ? SECRET_CHARS : WRITE_CHARS; /* 256 and 190 bits */
    memcpy(ret, is_secret ? "sk_" : "wk_", 3);
    tenant_random_text(ret + 3, random);
    checksum_of(slice_of(ret, 3 + random), ret + 3 + random);
    ret[3 + random + CHECK_CHARS] = '\0';
}

static enum rc check_scopes(const struct tenant_key_spec *spec, struct err *err)
{
    CLEANUP(buf_done) struct buf names;
    buf_init(&names, 4096);
    tenant_permissions_text(spec->scopes & ~tenant_key_scopes_max(spec->kind), &names);
    if (names.len)
        return err_set(err, RC_INVALID, "a %s key cannot hold %s",
                       spec->kind == TENANT_KEY_WRITE ? "write" : "secret", buf_cstr(&names));
    tenant_permissions_text(spec->scopes & ~spec->grantable, &names);
    if (names.len)
        return err_set(err, RC_FORBIDDEN, "you cannot give what you do not have: %s",
                       buf_cstr(&names));
    return RC_OK;
}

/* ---- making ---- */
struct key_new {
    struct tenant_key_made *made;
    struct slice project, replaces, actor, origins;
    const struct tenant_key_spec *spec;
    int64_t old_expires_ms; /* of the one that is replaced */
};

static enum rc key_insert(const struct key_new *k, struct state *s, struct err *err)
{
    uint8_t hash[SHA256_BYTES];
    char prefix[PREFIX_CHARS + 1];
    CLEANUP(buf_done) struct buf scopes;
    bool is_secret = k->spec->kind == TENANT_KEY_SECRET;
    const struct state_value null = {.kind = STATE_NULL};
    buf_init(&scopes, 4096);
    tenant_permissions_text(k->spec->scopes, &scopes);
    snprintf(prefix, sizeof(prefix), "%.*s", PREFIX_CHARS, k->made->text);
    sha256(slice_str(k->made->text), hash);
    TRY(state_run(
        s,
        "INSERT INTO keys (id, project_id, kind, prefix, public_text, hash, name, scopes, "
        "allowed_origins, created_at, created_by, expires_at, replaces) "
        "SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM projects "
        "WHERE id = ?2 AND archived_at IS NULL",
        (struct state_value[]){STATE_STR(k->made->id_text), STATE_SLICE(k->project),
                               STATE_STR(is_secret ? "secret" : "write"), STATE_STR(prefix),
                               is_secret ? null : STATE_STR(k->made->text),
                               STATE_BYTES(hash, sizeof(hash)), STATE_STR(k->spec->name),
                               STATE_SLICE(buf_slice(&scopes)), STATE_SLICE(k->origins),
                               STATE_I64(unix_now().ms), STATE_SLICE(k->actor),
                               k->spec->expires_at.ms ? STATE_I64(k->spec->expires_at.ms) : null,
                               k->replaces.len ? STATE_SLICE(k->replaces) : null},
        13, NULL, NULL, err));
    if (state_changes(s) == 0)
        return err_set(err, RC_NOTFOUND, "there is no project %.*s", SLICE_ARG(k->project));
    return RC_OK;
}

static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    return key_insert(arg, s, err);
}

static enum rc make(struct ctx *ctx, struct tenant *t, struct key_new *k, const char *action,
                    enum rc (*apply)(void *arg, struct state *s, struct err *err), struct err *err)
{
    char org[UUID_TEXT_LEN + 1];
    k->made->id = uuid_v7(unix_now());
    uuid_format(&k->made->id, k->made->id_text);
    k->actor = slice_str(ctx->claims->actor.id);
    enum rc rc = tenant_change(ctx, t,
                               &(struct tenant_change){.action = action,
                                                       .entity = TENANT_KEY,
                                                       .parent = k->project,
                                                       .id = slice_str(k->made->id_text),
                                                       .org = tenant_org_of(t, k->project, org),
                                                       .apply = apply,
                                                       .arg = k},
                               err);
    if (rc != RC_OK) {
        explicit_bzero(k->made, sizeof(*k->made));
        return rc;
    }
    return tenant_reload(t, err);
}

enum rc tenant_key_create(struct ctx *ctx, struct tenant *t, const struct uuid *project,
                          const struct tenant_key_spec *spec, struct tenant_key_made *ret_key,
                          struct err *err)
{
    char project_text[UUID_TEXT_LEN + 1];
    struct tenant_key_spec own = *spec;
    if (!own.scopes)
        own.scopes = tenant_key_scopes_default(own.kind);
    TRY(check_name(slice_str(own.name), err));
    TRY(check_scopes(&own, err));
    for (struct slice rest = own.allowed_origins; rest.len;)
        TRY(check_origin(slice_cut(&rest, '\n'), err));
    if (own.expires_at.ms && own.expires_at.ms <= unix_now().ms)
        return err_set(err, RC_INVALID, "the key would have expired already");
    *ret_key = (struct tenant_key_made){.text = ""};
    make_text(own.kind, ret_key->text);
    struct key_new k = {.made = ret_key,
                        .project = slice_str(uuid_format(project, project_text)),
                        .origins = own.allowed_origins,
                        .spec = &own};
    return make(ctx, t, &k, "key.create", create_apply, err);
}

/* ---- rotating ---- */
struct key_old {
    struct tenant_key_spec spec;
    char name[TENANT_NAME_MAX + 1];
    struct buf origins;
    bool is_found;
};

static enum rc take_old(void *ctx, const struct state_row *row)
{
    struct key_old *old = ctx;
    old->spec.kind =
        slice_eq_str(state_row_text(row, 0), "secret") ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    snprintf(old->name, sizeof(old->name), "%.*s", SLICE_ARG(state_row_text(row, 1)));
    buf_add_slice(&old->origins, state_row_text(row, 3));
    old->is_found = true;
    return tenant_permissions_parse(state_row_text(row, 2), &old->spec.scopes, NULL);
}

static enum rc rotate_apply(void *arg, struct state *s, struct err *err)
{
    const struct key_new *k = arg;
    TRY(key_insert(k, s, err));
    TRY(state_run(s,
                  "UPDATE keys SET expires_at = CASE WHEN expires_at < ?1 THEN expires_at ELSE ?1 "
                  "END WHERE id = ?2 AND project_id = ?3 AND revoked_at IS NULL AND "
                  "(expires_at IS NULL OR expires_at > ?4)",
                  (struct state_value[]){STATE_I64(k->old_expires_ms), STATE_SLICE(k->replaces),
                                         STATE_SLICE(k->project), STATE_I64(unix_now().ms)},
                  4, NULL, NULL, err));
    if (state_changes(s) == 0)
        return err_set(err, RC_CONFLICT, "the key was revoked or has expired: make a new one");
    return RC_OK;
}

static enum rc rotate(struct ctx *ctx, struct tenant *t, struct slice project, struct slice id,
                      tenant_permissions grantable, int64_t overlap_ms, struct key_old *old,
                      struct tenant_key_made *ret_key, struct err *err)
{
    TRY(state_run(t->state,
                  "SELECT kind, name, scopes, allowed_origins FROM keys WHERE id = ?1 AND "
                  "project_id = ?2",
                  (struct state_value[]){STATE_SLICE(id), STATE_SLICE(project)}, 2, take_old, old,
                  err));
    if (!old->is_found)
        return err_set(err, RC_NOTFOUND, "there is no such key");
    old->spec.name = old->name;
    old->spec.grantable = grantable;
    TRY(check_scopes(&old->spec, err));
    make_text(old->spec.kind, ret_key->text);
    struct key_new k = {.made = ret_key,
                        .project = project,
                        .replaces = id,
                        .origins = buf_slice(&old->origins),
                        .spec = &old->spec,
                        .old_expires_ms = unix_now().ms + overlap_ms};
    return make(ctx, t, &k, "key.rotate", rotate_apply, err);
}

enum rc tenant_key_rotate(struct ctx *ctx, struct tenant *t, struct slice project, struct slice id,
                          tenant_permissions grantable, int64_t overlap_ms,
                          struct tenant_key_made *ret_key, struct err *err)
{
    struct key_old old = {.is_found = false};
    if (overlap_ms < 0 || overlap_ms > TENANT_OVERLAP_DAYS_MAX * MS_PER_DAY)
        return err_set(err, RC_INVALID, "the old key may work for 0 to %d more days",
                       TENANT_OVERLAP_DAYS_MAX);
    *ret_key = (struct tenant_key_made){.text = ""};
    buf_init(&old.origins, 64 << 10);
    enum rc rc = rotate(ctx, t, project, id, grantable, overlap_ms, &old, ret_key, err);
    buf_done(&old.origins);
    return rc;
}

/* ---- revoking ---- */
enum rc tenant_key_revoke(struct ctx *ctx, struct tenant *t, struct slice project, struct slice id,
                          struct err *err)
{
    char org[UUID_TEXT_LEN + 1];
    const struct state_value params[] = {STATE_I64(unix_now().ms), STATE_SLICE(id),
                                         STATE_SLICE(project)};
    return tenant_run(ctx, t,
                      &(struct tenant_change){.action = "key.revoke",
                                              .entity = TENANT_KEY,
                                              .parent = project,
                                              .id = id,
                                              .org = tenant_org_of(t, project, org)},
                      &(struct statement){"UPDATE keys SET revoked_at = ?1 WHERE revoked_at IS "
                                          "NULL AND id = ?2 AND project_id = ?3",
                                          params, COUNT_OF(params), "live key"},
                      err);
}

struct found_key {
    struct uuid project, id;
    bool is_found;
};

static enum rc take_found(void *ctx, const struct state_row *row)
{
    struct found_key *found = ctx;
    found->is_found = uuid_parse(state_row_text(row, 0), &found->project) &&
                      uuid_parse(state_row_text(row, 1), &found->id);
    return found->is_found ? RC_OK : RC_CORRUPT;
}

enum rc tenant_key_find_any(struct tenant *t, struct slice id_or_text, struct uuid *ret_project,
                            struct uuid *ret_id, struct err *err)
{
    uint8_t hash[SHA256_BYTES];
    struct found_key found = {.is_found = false};
    sha256(id_or_text, hash);
    TRY(state_run(t->state,
                  "SELECT project_id, id FROM keys WHERE revoked_at IS NULL AND "
                  "(id = ?1 OR hash = ?2)",
                  (struct state_value[]){STATE_SLICE(id_or_text), STATE_BYTES(hash, sizeof(hash))},
                  2, take_found, &found, err));
    if (!found.is_found)
        return err_set(err, RC_NOTFOUND, "no live key has that id or text");
    *ret_project = found.project;
    *ret_id = found.id;
    return RC_OK;
}

static enum rc take_text(void *ctx, const struct state_row *row)
{
    snprintf(ctx, TENANT_KEY_TEXT_MAX, "%.*s", SLICE_ARG(state_row_text(row, 0)));
    return RC_OK;
}

enum rc tenant_write_key_of(struct tenant *t, const struct uuid *project,
                            char ret_text[TENANT_KEY_TEXT_MAX], struct err *err)
{
    char project_text[UUID_TEXT_LEN + 1];
    ret_text[0] = '\0';
    TRY(state_run(t->state,
                  "SELECT public_text FROM keys WHERE project_id = ?1 AND kind = 'write' AND "
                  "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2) LIMIT 1",
                  (struct state_value[]){STATE_STR(uuid_format(project, project_text)),
                                         STATE_I64(unix_now().ms)},
                  2, take_text, ret_text, err));
    return ret_text[0] ? RC_OK : err_set(err, RC_NOTFOUND, "the project has no live write key");
}
