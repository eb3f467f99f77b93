/* WHAT  share.h: rows of shared links, over what all stored definitions do, and into a view.
 * WHY   What visits are signed with is the share's own key, made anew with each password, so that
 *       who got in with the old one is out. */
#include "tenant/share.h"

#include "base/must.h"
#include "base/random.h"
#include "codec/hash.h"
#include "tenant/tenant_int.h"

enum { PREFIX_LEN = 3, LINK_CHARS = SHARE_LINK_LEN - PREFIX_LEN };

static const struct state_migration migrations[] = {
    {1, "CREATE TABLE shares (id TEXT PRIMARY KEY,"
        " project_id TEXT NOT NULL REFERENCES projects (id),"
        " created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL,"
        " version BIGINT NOT NULL DEFAULT 1, name TEXT NOT NULL DEFAULT '',"
        " link TEXT UNIQUE, visit_key BLOB, password_hash TEXT,"
        " pages TEXT NOT NULL DEFAULT 'overview', filters TEXT," /* words; a JSON array */
        " embed_origins TEXT NOT NULL DEFAULT '',"               /* lines */
        " expires_at BIGINT);"
        "CREATE UNIQUE INDEX shares_by_name ON shares (project_id, name);"},
};

enum rc share_migrate(struct state *s, struct err *err)
{
    return state_migrate(s, "share", migrations, COUNT_OF(migrations), err);
}

/* ---- changing ---- */
static enum rc set_key(struct state *s, struct slice id, struct err *err)
{
    uint8_t key[SHA256_BYTES];
    random_bytes(key, sizeof(key));
    enum rc rc = state_run(s, "UPDATE shares SET visit_key = ?1 WHERE id = ?2",
                           (struct state_value[]){STATE_BYTES(key, sizeof(key)), STATE_SLICE(id)},
                           2, NULL, NULL, err);
    explicit_bzero(key, sizeof(key));
    return rc;
}

static enum rc set_password(void *arg, struct state *s, struct slice id, struct err *err)
{
    const struct tenant_share_password *password = arg;
    if (!password)
        return RC_OK;
    TRY(set_key(s, id, err));
    return state_run(s, "UPDATE shares SET password_hash = ?1 WHERE id = ?2",
                     (struct state_value[]){password->hash
                                                ? STATE_STR(password->hash->text)
                                                : (struct state_value){.kind = STATE_NULL},
                                            STATE_SLICE(id)},
                     2, NULL, NULL, err);
}

static enum rc complete(void *arg, struct state *s, struct slice id, struct err *err)
{
    char link[SHARE_LINK_LEN + 1];
    memcpy(link, "sh_", PREFIX_LEN);
    tenant_random_text(link + PREFIX_LEN, LINK_CHARS);
    TRY(state_run(s, "UPDATE shares SET link = ?1 WHERE id = ?2",
                  (struct state_value[]){STATE_STR(link), STATE_SLICE(id)}, 2, NULL, NULL, err));
    TRY(set_key(s, id, err));
    return set_password(arg, s, id, err);
}

enum rc tenant_share_create(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice object,
                            const struct tenant_share_password *password, struct uuid *ret_id,
                            struct err *err)
{
    const struct definition_more more = {complete, UNCONST(password)};
    TRY(definition_create_with(ctx, t, TENANT_SHARE, where, object, &more, ret_id, err));
    return tenant_reload(t, err);
}

enum rc tenant_share_update(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice id,
                            int64_t version, struct slice object,
                            const struct tenant_share_password *password, struct err *err)
{
    const struct definition_more more = {set_password, UNCONST(password)};
    TRY(definition_update_with(ctx, t, TENANT_SHARE, where, id, version, object, &more, err));
    return tenant_reload(t, err);
}

enum rc tenant_share_remove(struct ctx *ctx, struct tenant *t,
                            const struct tenant_definitions *where, struct slice id,
                            int64_t version, struct err *err)
{
    TRY(tenant_definition_remove(ctx, t, TENANT_SHARE, where, id, version, err));
    return tenant_reload(t, err);
}

struct found_hash {
    struct password_hash *hash;
    bool is_found;
};

static enum rc take_hash(void *arg, const struct state_row *row)
{
    struct found_hash *found = arg;
    struct slice text = state_row_text(row, 0);
    ENSURE(text.len && text.len < sizeof(found->hash->text), RC_CORRUPT);
    memcpy(found->hash->text, text.data, text.len);
    found->hash->text[text.len] = '\0';
    found->is_found = true;
    return RC_OK;
}

enum rc tenant_share_hash(struct state *s, const struct tenant_share *share,
                          struct password_hash *ret_hash, struct err *err)
{
    struct found_hash found = {.hash = ret_hash};
    TRY(state_run(s, "SELECT password_hash FROM shares WHERE id = ?1 AND password_hash IS NOT NULL",
                  &STATE_STR(share->id_text), 1, take_hash, &found, err));
    return found.is_found ? RC_OK : err_set(err, RC_NOTFOUND, "the link has no password any more");
}

/* ---- as the edge finds them ---- */
static enum rc take_share(void *arg, const struct state_row *row)
{
    struct share_table *t = arg;
    struct tenant_share *s = &t->all[t->count];
    struct uuid project;
    struct slice key = state_row_blob(row, 3);
    if (!uuid_parse(state_row_text(row, 0), &s->id) ||
        !uuid_parse(state_row_text(row, 1), &project) || key.len != sizeof(s->visit_key))
        return RC_CORRUPT;
    s->project = t->find(t->view, &project);
    ENSURE(s->project, RC_CORRUPT);
    uuid_format(&s->id, s->id_text);
    sha256(state_row_text(row, 2), s->link_hash);
    memcpy(s->visit_key, key.data, sizeof(s->visit_key));
    s->has_password = !state_row_is_null(row, 4);
    s->expires_at = (unix_ms){state_row_i64(row, 5)};
    s->name = arena_copy(t->arena, state_row_text(row, 6));
    s->pages = arena_copy(t->arena, state_row_text(row, 7));
    s->filters = arena_copy(t->arena, state_row_text(row, 8));
    s->embed_origins = arena_copy(t->arena, state_row_text(row, 9));
    t->count++;
    return t->arena->is_failed ? RC_NOMEM : RC_OK;
}

enum rc share_table_load(struct share_table *t, struct state *s, struct err *err)
{
    int64_t count = 0;
    TRY(state_run_i64(s, "SELECT count(*) FROM shares", NULL, 0, &count, err));
    t->count = 0;
    t->all = arena_zalloc(t->arena, ((size_t)count + 1) * sizeof(*t->all));
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    t->by_link = arena_zalloc(t->arena, ((size_t)count + 1) * sizeof(*t->by_link));
    ENSURE(t->all && t->by_link,
           err_set(err, RC_NOMEM, "no memory for %lld shared links", (long long)count));
    TRY(state_run(s,
                  "SELECT id, project_id, link, visit_key, password_hash, expires_at, name, pages, "
                  "filters, embed_origins FROM shares ORDER BY id",
                  NULL, 0, take_share, t, err));
    share_table_sort(t);
    return RC_OK;
}
