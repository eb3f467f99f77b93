/* Organisations, projects, and who signs tokens for them. */
#include "tenant/entity_int.h"

#include <stdio.h>

#include "base/must.h"
#include "base/random.h"
#include "tenant/tenant_int.h"

enum {
    JWT_SECRET_CHARS = 43,
    ARENA_BYTES = 64 << 10,
    UPDATE_BYTES_MAX = 8 << 20, /* a body full of names, and the tables they are looked up in */
};

/* ---- organisations ---- */
struct org_new {
    struct slice id, name, owner;
};

static enum rc org_insert(void *arg, struct state *s, struct err *err)
{
    const struct org_new *org = arg;
    struct state_value now = STATE_I64(unix_now().ms);
    TRY(state_run(s, "INSERT INTO orgs (id, name, created_at) VALUES (?1, ?2, ?3)",
                  (struct state_value[]){STATE_SLICE(org->id), STATE_SLICE(org->name), now}, 3,
                  NULL, NULL, err));
    if (!org->owner.len)
        return RC_OK;
    return state_run(s,
                     "INSERT INTO members (org_id, user_id, role, created_at) "
                     "VALUES (?1, ?2, 'owner', ?3)",
                     (struct state_value[]){STATE_SLICE(org->id), STATE_SLICE(org->owner), now}, 3,
                     NULL, NULL, err);
}

enum rc tenant_org_create(struct ctx *ctx, struct tenant *t, const char *name,
                          const struct uuid *owner, struct uuid *ret_org, struct err *err)
{
    char id_text[UUID_TEXT_LEN + 1], owner_text[UUID_TEXT_LEN + 1] = "";
    struct uuid id = uuid_v7(unix_now());
    TRY(check_name(slice_str(name), err));
    if (owner)
        uuid_format(owner, owner_text);
    struct org_new org = {slice_str(uuid_format(&id, id_text)), slice_str(name),
                          slice_str(owner_text)};
    TRY(tenant_change(ctx, t,
                      &(struct tenant_change){.action = "organisation.create",
                                              .entity = TENANT_ORG,
                                              .id = org.id,
                                              .org = org.id,
                                              .apply = org_insert,
                                              .arg = &org},
                      err));
    *ret_org = id;
    return RC_OK;
}

static enum rc take_org(void *ctx, const struct state_row *row)
{
    return uuid_parse(state_row_text(row, 0), ctx) ? RC_OK : RC_CORRUPT;
}

enum rc tenant_org_first(struct tenant *t, struct uuid *ret_org, struct err *err)
{
    struct uuid none = {{0}}, first = none;
    TRY(state_run(t->state, "SELECT id FROM orgs ORDER BY created_at, id LIMIT 1", NULL, 0,
                  take_org, &first, err));
    if (memcmp(&first, &none, sizeof(none)) == 0)
        return err_set(err, RC_NOTFOUND, "there is no organisation yet: run weir init");
    *ret_org = first;
    return RC_OK;
}

/* ---- projects ---- */
enum rc tenant_project_create(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                              const char *name, struct uuid *ret_project, struct err *err)
{
    TRY(check_name(slice_str(name), err));
    struct uuid id = uuid_v7(unix_now());
    char id_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    char jwt_secret[JWT_SECRET_CHARS + 1];
    uint8_t hash_key[32];
    tenant_random_text(jwt_secret, JWT_SECRET_CHARS); /* text, so that any JWT library takes it */
    random_bytes(hash_key, sizeof(hash_key));
    const struct state_value params[] = {STATE_STR(uuid_format(&id, id_text)),
                                         STATE_STR(uuid_format(org, org_text)),
                                         STATE_STR(name),
                                         STATE_BYTES(jwt_secret, JWT_SECRET_CHARS),
                                         STATE_BYTES(hash_key, sizeof(hash_key)),
                                         STATE_I64(unix_now().ms)};
    enum rc rc = tenant_run(
        ctx, t,
        &(struct tenant_change){.action = "project.create",
                                .entity = TENANT_PROJECT,
                                .parent = slice_str(org_text),
                                .id = slice_str(id_text),
                                .org = slice_str(org_text)},
        &(struct statement){"INSERT INTO projects (id, org_id, name, jwt_secret, hash_key, "
                            "created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                            params, COUNT_OF(params), "organisation"},
        err);
    explicit_bzero(jwt_secret, sizeof(jwt_secret));
    explicit_bzero(hash_key, sizeof(hash_key));
    if (rc == RC_CONFLICT)
        return err_set(err, RC_NOTFOUND, "there is no organisation %s", org_text);
    TRY(rc);
    *ret_project = id;
    return RC_OK;
}

enum rc tenant_project_archive(struct ctx *ctx, struct tenant *t, struct slice org,
                               struct slice project, struct err *err)
{
    const struct state_value params[] = {STATE_I64(unix_now().ms), STATE_SLICE(project),
                                         STATE_SLICE(org)};
    return tenant_run(ctx, t,
                      &(struct tenant_change){.action = "project.archive",
                                              .entity = TENANT_PROJECT,
                                              .parent = org,
                                              .id = project,
                                              .org = org},
                      &(struct statement){"UPDATE projects SET archived_at = ?1 WHERE id = ?2 AND "
                                          "org_id = ?3 AND archived_at IS NULL",
                                          params, COUNT_OF(params), "project"},
                      err);
}

enum rc tenant_project_warn_quota(struct ctx *ctx, struct tenant *t, const struct uuid *org,
                                  const struct uuid *project, struct err *err)
{
    char org_text[UUID_TEXT_LEN + 1], project_text[UUID_TEXT_LEN + 1];
    const struct slice org_id = slice_str(uuid_format(org, org_text));
    return tenant_change(
        ctx, t,
        &(struct tenant_change){.action = "project.quota_warning",
                                .entity = TENANT_PROJECT,
                                .parent = org_id,
                                .id = slice_str(uuid_format(project, project_text)),
                                .org = org_id,
                                .is_unseen = true},
        err);
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
    return state_run(t->state,
                     "SELECT id, org_id, name FROM projects WHERE archived_at IS NULL "
                     "ORDER BY created_at, id",
                     NULL, 0, give_project, &e, err);
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

/* ---- what a client may set ---- */
struct patch {
    const struct entity *entity;
    struct slice parent, id;
    struct entity_values values;
    struct arena *arena;
};

static enum rc patch_apply(void *arg, struct state *s, struct err *err)
{
    const struct patch *p = arg;
    struct names_before names = {SLICE_EMPTY, SLICE_EMPTY};
    bool is_project = p->entity == &tenant_entities[TENANT_PROJECT];
    if (is_project)
        TRY(names_read(s, p->id, p->arena, &names, err));
    TRY(entity_update(s, p->entity, p->parent, p->id, &p->values, err));
    if (state_changes(s) == 0)
        return err_set(err, RC_NOTFOUND, "there is no such %s", p->entity->type);
    return is_project ? names_check(s, p->id, &names, p->arena, err) : RC_OK;
}

static enum rc take_org_text(void *ctx, const struct state_row *row)
{
    snprintf(ctx, UUID_TEXT_LEN + 1, "%.*s", SLICE_ARG(state_row_text(row, 0)));
    return RC_OK;
}

/* From the state: the view lacks what is archived, and what another process made just now. */
struct slice tenant_org_of(struct tenant *t, struct slice project, char ret[UUID_TEXT_LEN + 1])
{
    struct err err = ERR_INIT;
    *ret = '\0';
    IGNORE(state_run(t->state, "SELECT org_id FROM projects WHERE id = ?1", &STATE_SLICE(project),
                     1, take_org_text, ret, &err) != RC_OK,
           "the change that asks for it fails for the same reason");
    return slice_str(ret);
}

static enum rc update(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                      struct slice parent, struct slice id, struct slice patch, struct arena *arena,
                      struct err *err)
{
    char action[32], org_text[UUID_TEXT_LEN + 1];
    struct patch p = {
        .entity = &tenant_entities[entity], .parent = parent, .id = id, .arena = arena};
    yyjson_val *root;
    TRY(json_parse(arena, patch, &root, err));
    TRY(entity_read(p.entity, root, arena, &p.values, err));
    if (p.values.count == 0)
        return RC_OK; /* no change, no event */
    snprintf(action, sizeof(action), "%s.update", p.entity->type);
    struct slice org = entity == TENANT_ORG   ? id
                       : entity == TENANT_KEY ? tenant_org_of(t, parent, org_text)
                                              : parent;
    TRY(tenant_change(ctx, t,
                      &(struct tenant_change){.action = action,
                                              .entity = entity,
                                              .parent = parent,
                                              .id = id,
                                              .org = org,
                                              .apply = patch_apply,
                                              .arg = &p},
                      err));
    return tenant_reload(t, err);
}

enum rc tenant_update(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                      struct slice parent, struct slice id, struct slice patch, struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES, UPDATE_BYTES_MAX);
    enum rc rc = update(ctx, t, entity, parent, id, patch, &arena, err);
    arena_done(&arena);
    return rc;
}

/* ---- token issuers ---- */

static enum rc issuer_insert(void *arg, struct state *s, struct err *err)
{
    struct patch *p = arg;
    TRY(state_run(s,
                  "INSERT INTO token_issuers (id, org_id, issuer, audience, jwks_url, algorithms, "
                  "user_claim, project_claim, role_claim, created_at) "
                  "VALUES (?1, ?2, '', ?1, '', '', 'sub', '', '', ?3)",
                  (struct state_value[]){STATE_SLICE(p->id), STATE_SLICE(p->parent),
                                         STATE_I64(unix_now().ms)},
                  3, NULL, NULL, err));
    return entity_update(s, p->entity, p->parent, p->id, &p->values, err);
}

static bool has_value(const struct entity_values *v, const char *name)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (strcmp(v->columns[i]->name, name) == 0)
            return v->values[i].bytes.len > 0;
    return false;
}

static enum rc issuer_create(struct ctx *ctx, struct tenant *t, struct slice object,
                             struct patch *p, struct arena *arena, struct err *err)
{
    static const char *const needed[] = {"issuer", "audience", "jwks_url", "algorithms"};
    yyjson_val *root;
    TRY(json_parse(arena, object, &root, err));
    TRY(entity_read(p->entity, root, arena, &p->values, err));
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!has_value(&p->values, needed[i]))
            return err_set(err, RC_INVALID, "\"%s\" is needed", needed[i]);
    enum rc rc = tenant_change(ctx, t,
                               &(struct tenant_change){.action = "token_issuer.create",
                                                       .entity = TENANT_ISSUER,
                                                       .parent = p->parent,
                                                       .id = p->id,
                                                       .org = p->parent,
                                                       .apply = issuer_insert,
                                                       .arg = p},
                               err);
    if (rc == RC_EXISTS)
        return err_set(err, RC_EXISTS, "tokens of this issuer and audience are known already");
    return rc;
}

enum rc tenant_issuer_create(struct ctx *ctx, struct tenant *t, struct slice org,
                             struct slice object, struct uuid *ret_id, struct err *err)
{
    char id_text[UUID_TEXT_LEN + 1];
    struct uuid id = uuid_v7(unix_now());
    struct patch p = {.entity = &tenant_entities[TENANT_ISSUER],
                      .parent = org,
                      .id = slice_str(uuid_format(&id, id_text))};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES, 4 * ARENA_BYTES);
    enum rc rc = issuer_create(ctx, t, object, &p, &arena, err);
    arena_done(&arena);
    TRY(rc);
    *ret_id = id;
    return tenant_reload(t, err);
}

enum rc tenant_issuer_remove(struct ctx *ctx, struct tenant *t, struct slice org, struct slice id,
                             struct err *err)
{
    const struct state_value params[] = {STATE_SLICE(id), STATE_SLICE(org)};
    return tenant_run(ctx, t,
                      &(struct tenant_change){.action = "token_issuer.remove",
                                              .entity = TENANT_ISSUER,
                                              .parent = org,
                                              .id = id,
                                              .org = org},
                      &(struct statement){"DELETE FROM token_issuers WHERE id = ?1 AND org_id = ?2",
                                          params, COUNT_OF(params), "token issuer"},
                      err);
}
