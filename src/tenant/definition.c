/* WHAT  definition.h: rows of goals, segments, cohorts, annotations, reports.
 * WHY   One set of statements for all of them, made of the entity's table and columns alone. Each
 *       is bound to the project; where a thing can be a person's own, to the viewer as well.
 *       Limits, names and versions are looked at inside the transaction of the change. */
#include "tenant/definition.h"

#include <stdio.h>

#include "base/must.h"
#include "tenant/entity_int.h"
#include "tenant/tenant_int.h"

enum { SQL_BYTES_MAX = 4096, LIST_ITEMS_MAX = 100, ARENA_BYTES = 64 << 10, ARENA_MAX = 1 << 20 };

#define COMMON                                                                          \
    "id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id),"           \
    "created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL," \
    "version BIGINT NOT NULL DEFAULT 1,"
static const struct state_migration migrations[] = {
    {1, "CREATE TABLE goals (" COMMON " name TEXT NOT NULL DEFAULT '',"
        " filters TEXT NOT NULL DEFAULT '[]', revenue TEXT);"
        "CREATE UNIQUE INDEX goals_by_name ON goals (project_id, name);"
        "CREATE TABLE segments (" COMMON " name TEXT NOT NULL DEFAULT '',"
        " filters TEXT NOT NULL DEFAULT '[]', visibility TEXT NOT NULL DEFAULT 'project');"
        "CREATE UNIQUE INDEX segments_by_name ON segments (project_id, name,"
        " (CASE visibility WHEN 'personal' THEN created_by ELSE '' END));"
        /* dynamic: conditions; static: a list of people, which is never changed, only replaced */
        "CREATE TABLE cohort_lists (id TEXT PRIMARY KEY,"
        " project_id TEXT NOT NULL REFERENCES projects (id), members BLOB NOT NULL);"
        "CREATE TABLE cohorts (" COMMON " name TEXT NOT NULL DEFAULT '',"
        " count_by TEXT NOT NULL DEFAULT 'visitors', conditions TEXT,"
        " list_id TEXT REFERENCES cohort_lists (id), size BIGINT,"
        " CHECK (conditions IS NULL OR list_id IS NULL));"
        "CREATE UNIQUE INDEX cohorts_by_name ON cohorts (project_id, name);"
        "CREATE TABLE annotations (" COMMON " at TEXT NOT NULL DEFAULT '',"
        " text TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '',"
        " colour TEXT NOT NULL DEFAULT '');"
        "CREATE INDEX annotations_by_time ON annotations (project_id, at);"
        "CREATE TABLE saved_reports (" COMMON " name TEXT NOT NULL DEFAULT '',"
        " question TEXT NOT NULL DEFAULT '{}');"
        "CREATE UNIQUE INDEX saved_reports_by_name ON saved_reports (project_id, name);"},
};

enum rc definition_migrate(struct state *s, struct err *err)
{
    return state_migrate(s, "definition", migrations, COUNT_OF(migrations), err);
}

/* ---- reading ---- */
static bool is_personal(enum tenant_entity entity)
{
    return entity == TENANT_SEGMENT;
}

/* ?1 the project, ?2 the viewer: PostgreSQL does not take a parameter that a statement lacks. */
static void add_where(enum tenant_entity entity, struct buf *sql)
{
    buf_addf(sql, "project_id = ?1 AND (%s created_by = ?2)",
             is_personal(entity) ? "visibility = 'project' OR" : "1 = 1 OR");
}

static enum rc read_rows(struct state *s, enum tenant_entity entity,
                         const struct tenant_definitions *where, const char *more,
                         struct slice what, struct entity_rows *rows, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    rows->entity = &tenant_entities[entity];
    entity_select(rows->entity, &sql);
    add_where(entity, &sql);
    buf_add_str(&sql, more);
    return state_run(s, buf_cstr(&sql),
                     (struct state_value[]){STATE_SLICE(where->project), STATE_SLICE(where->viewer),
                                            STATE_SLICE(what)},
                     3, entity_add_row, rows, err);
}

static enum rc read_one(struct state *s, enum tenant_entity entity,
                        const struct tenant_definitions *where, const char *more, struct slice what,
                        struct buf *out, struct err *err)
{
    struct entity_rows rows = {.out = out, .limit = 1};
    TRY(read_rows(s, entity, where, more, what, &rows, err));
    if (rows.count == 0)
        return err_set(err, RC_NOTFOUND, "there is no %s '%.*s'", rows.entity->type,
                       (int)(what.len < 60 ? what.len : 60), what.data);
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "it is too long to be shown");
}

enum rc tenant_definition_show(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id,
                               struct buf *out, struct err *err)
{
    return read_one(s, entity, where, " AND id = ?3", id, out, err);
}

enum rc tenant_definition_find(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id_or_name,
                               struct buf *out, struct err *err)
{
    return read_one(s, entity, where,
                    is_personal(entity)
                        ? " AND (id = ?3 OR name = ?3) ORDER BY id = ?3 DESC, visibility LIMIT 1"
                        : " AND (id = ?3 OR name = ?3) ORDER BY id = ?3 DESC LIMIT 1",
                    id_or_name, out, err);
}

static void end_list(const struct entity_rows *rows, struct buf *out)
{
    if (rows->is_more)
        buf_addf(out, "],\"next\":\"%s\"}", rows->last);
    else
        buf_add_str(out, "],\"next\":null}");
}

enum rc tenant_definition_list(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice after,
                               struct buf *out, struct err *err)
{
    struct entity_rows rows = {.out = out, .limit = LIST_ITEMS_MAX};
    char more[60];
    snprintf(more, sizeof(more), " AND id > ?3 ORDER BY id LIMIT %d", LIST_ITEMS_MAX + 1);
    buf_add_str(out, "{\"data\":[");
    TRY(read_rows(s, entity, where, more, after, &rows, err));
    end_list(&rows, out);
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the list is too long");
}

enum rc tenant_annotation_list(struct state *s, const struct tenant_definitions *where,
                               struct slice first, struct slice last, struct slice after,
                               struct buf *out, struct err *err)
{
    struct entity_rows rows = {
        .entity = &tenant_entities[TENANT_ANNOTATION], .out = out, .limit = LIST_ITEMS_MAX};
    CLEANUP(buf_done) struct buf sql;
    entity_select(rows.entity, &sql);
    buf_addf(&sql,
             "project_id = ?1 AND id > ?2 AND at >= ?3 AND (?4 = '' OR substr(at, 1, 10) <= ?4) "
             "ORDER BY id LIMIT %d",
             LIST_ITEMS_MAX + 1);
    buf_add_str(out, "{\"data\":[");
    TRY(state_run(s, buf_cstr(&sql),
                  (struct state_value[]){STATE_SLICE(where->project), STATE_SLICE(after),
                                         STATE_SLICE(first), STATE_SLICE(last)},
                  4, entity_add_row, &rows, err));
    end_list(&rows, out);
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the list is too long");
}

enum rc tenant_definition_all(struct state *s, enum tenant_entity entity,
                              const struct tenant_definitions *where, struct buf *out,
                              struct err *err)
{
    struct entity_rows rows = {.out = out};
    buf_add_char(out, '[');
    TRY(read_rows(s, entity, where, " AND id > ?3 ORDER BY id", SLICE_EMPTY, &rows, err));
    buf_add_char(out, ']');
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the list is too long");
}

/* ---- changing ---- */
struct definition_change {
    const struct entity *entity;
    enum tenant_entity kind;
    const struct tenant_definitions *where;
    struct slice id, actor;
    int64_t version;
    struct entity_values values;
    const struct tenant_people *people; /* of a cohort that is a list; else NULL */
    const struct definition_more *more; /* or NULL */
    struct arena *arena;
};

static enum rc explain(const struct definition_change *d, enum rc rc, struct err *err)
{
    if (rc == RC_CONFLICT && d->kind == TENANT_COHORT)
        return err_set(err, rc, "a cohort has conditions or a list of people, not both");
    if (rc == RC_EXISTS)
        return err_set(err, rc, "there is a %s of that name already", d->entity->type);
    return rc;
}

static enum rc has_room(struct state *s, const struct definition_change *d, struct err *err)
{
    char sql[120];
    int64_t count = 0;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE project_id = ?1", d->entity->table);
    TRY(state_run_i64(s, sql, &STATE_SLICE(d->where->project), 1, &count, err));
    if (count >= DEFINITIONS_MAX)
        return err_set(err, RC_CONFLICT, "the project has %d of them already: remove some",
                       DEFINITIONS_MAX);
    return RC_OK;
}

static enum rc insert_list(struct state *s, const struct definition_change *d, struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    const struct uuid id = uuid_v7(unix_now());
    const struct tenant_people *p = d->people;
    TRY(state_run(s, "INSERT INTO cohort_lists (id, project_id, members) VALUES (?1, ?2, ?3)",
                  (struct state_value[]){STATE_STR(uuid_format(&id, text)),
                                         STATE_SLICE(d->where->project),
                                         STATE_BYTES(p->ids.data, p->ids.len)},
                  3, NULL, NULL, err));
    return state_run(s, "UPDATE cohorts SET list_id = ?1, size = ?2, count_by = ?3 WHERE id = ?4",
                     (struct state_value[]){STATE_STR(text), STATE_I64(p->count),
                                            STATE_STR(p->count_by), STATE_SLICE(d->id)},
                     4, NULL, NULL, err);
}

static enum rc apply_more(const struct definition_change *d, struct state *s, struct err *err)
{
    return d->more ? d->more->apply(d->more->arg, s, d->id, err) : RC_OK;
}

static enum rc insert_apply(void *arg, struct state *s, struct err *err)
{
    const struct definition_change *d = arg;
    char sql[200];
    TRY(has_room(s, d, err));
    snprintf(sql, sizeof(sql),
             "INSERT INTO %s (id, project_id, created_at, created_by, updated_at%s) VALUES (?1, "
             "?2, ?3, ?4, ?3%s)",
             d->entity->table, d->kind == TENANT_ANNOTATION ? "" : ", name",
             d->kind == TENANT_ANNOTATION ? "" : ", ?1"); /* until the update: nobody else's */
    TRY(state_run(s, sql,
                  (struct state_value[]){STATE_SLICE(d->id), STATE_SLICE(d->where->project),
                                         STATE_I64(unix_now().ms), STATE_SLICE(d->actor)},
                  4, NULL, NULL, err));
    TRY(explain(d, entity_update(s, d->entity, d->where->project, d->id, &d->values, err), err));
    TRY(apply_more(d, s, err));
    return d->people ? insert_list(s, d, err) : RC_OK;
}

/* That it is there for this viewer, in the version that was meant. */
static enum rc check_version(struct state *s, const struct definition_change *d, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    int64_t version = 0;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_addf(&sql, "SELECT version FROM %s WHERE ", d->entity->table);
    add_where(d->kind, &sql);
    buf_add_str(&sql, " AND id = ?3");
    TRY(state_run_i64(s, buf_cstr(&sql),
                      (struct state_value[]){STATE_SLICE(d->where->project),
                                             STATE_SLICE(d->where->viewer), STATE_SLICE(d->id)},
                      3, &version, err));
    if (version == 0)
        return err_set(err, RC_NOTFOUND, "there is no such %s", d->entity->type);
    if (d->version && d->version != version)
        return err_set(err, RC_STALE, "it was changed meanwhile: its version is %lld, not %lld",
                       (long long)version, (long long)d->version);
    return RC_OK;
}

static enum rc update_apply(void *arg, struct state *s, struct err *err)
{
    const struct definition_change *d = arg;
    char sql[160];
    TRY(check_version(s, d, err));
    TRY(explain(d, entity_update(s, d->entity, d->where->project, d->id, &d->values, err), err));
    TRY(apply_more(d, s, err));
    snprintf(sql, sizeof(sql),
             "UPDATE %s SET version = version + 1, updated_at = ?1 WHERE id = ?2 AND project_id = "
             "?3",
             d->entity->table);
    return state_run(s, sql,
                     (struct state_value[]){STATE_I64(unix_now().ms), STATE_SLICE(d->id),
                                            STATE_SLICE(d->where->project)},
                     3, NULL, NULL, err);
}

static enum rc remove_apply(void *arg, struct state *s, struct err *err)
{
    const struct definition_change *d = arg;
    char sql[120];
    TRY(check_version(s, d, err));
    snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE id = ?1 AND project_id = ?2",
             d->entity->table);
    TRY(state_run(s, sql,
                  (struct state_value[]){STATE_SLICE(d->id), STATE_SLICE(d->where->project)}, 2,
                  NULL, NULL, err));
    if (d->kind != TENANT_COHORT)
        return RC_OK;
    return state_run(s,
                     "DELETE FROM cohort_lists WHERE project_id = ?1 AND id NOT IN (SELECT list_id "
                     "FROM cohorts WHERE list_id IS NOT NULL)",
                     &STATE_SLICE(d->where->project), 1, NULL, NULL, err);
}

static enum rc change(struct ctx *ctx, struct tenant *t, struct definition_change *d,
                      const char *verb, enum rc (*apply)(void *, struct state *, struct err *),
                      struct err *err)
{
    char action[40], org[UUID_TEXT_LEN + 1];
    snprintf(action, sizeof(action), "%s.%s", d->entity->type, verb);
    d->actor = slice_str(ctx->claims->actor.id);
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = action,
                                                 .entity = d->kind,
                                                 .parent = d->where->project,
                                                 .id = d->id,
                                                 .org = tenant_org_of(t, d->where->project, org),
                                                 .apply = apply,
                                                 .arg = d},
                         err);
}

static enum rc read_object(struct definition_change *d, struct slice object, struct err *err)
{
    yyjson_val *root;
    TRY(json_parse(d->arena, object, &root, err));
    return entity_read(d->entity, root, d->arena, &d->values, err);
}

static enum rc change_with(struct ctx *ctx, struct tenant *t, struct definition_change *d,
                           struct slice object, const char *verb,
                           enum rc (*apply)(void *, struct state *, struct err *), struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES, ARENA_MAX);
    d->arena = &arena;
    enum rc rc = read_object(d, object, err);
    if (rc == RC_OK)
        rc = change(ctx, t, d, verb, apply, err);
    arena_done(&arena);
    d->arena = NULL;
    return rc;
}

static struct definition_change change_of(enum tenant_entity entity,
                                          const struct tenant_definitions *where, struct slice id)
{
    must(entity >= TENANT_GOAL && entity < TENANT_ENTITIES);
    return (struct definition_change){
        .entity = &tenant_entities[entity], .kind = entity, .where = where, .id = id};
}

enum rc definition_create_with(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice object,
                               const struct definition_more *more, struct uuid *ret_id,
                               struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    struct uuid id = uuid_v7(unix_now());
    struct definition_change d = change_of(entity, where, slice_str(uuid_format(&id, text)));
    d.more = more;
    TRY(change_with(ctx, t, &d, object, "create", insert_apply, err));
    *ret_id = id;
    return RC_OK;
}

enum rc tenant_definition_create(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice object,
                                 struct uuid *ret_id, struct err *err)
{
    return definition_create_with(ctx, t, entity, where, object, NULL, ret_id, err);
}

enum rc definition_update_with(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id,
                               int64_t version, struct slice object,
                               const struct definition_more *more, struct err *err)
{
    struct definition_change d = change_of(entity, where, id);
    d.version = version;
    d.more = more;
    return change_with(ctx, t, &d, object, "update", update_apply, err);
}

enum rc tenant_definition_update(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice id,
                                 int64_t version, struct slice object, struct err *err)
{
    return definition_update_with(ctx, t, entity, where, id, version, object, NULL, err);
}

enum rc tenant_definition_remove(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice id,
                                 int64_t version, struct err *err)
{
    struct definition_change d = change_of(entity, where, id);
    d.version = version;
    return change(ctx, t, &d, "remove", remove_apply, err);
}

/* ---- lists of people ---- */
enum rc tenant_cohort_create(struct ctx *ctx, struct tenant *t,
                             const struct tenant_definitions *where, struct slice name,
                             const struct tenant_people *people, struct uuid *ret_id,
                             struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    struct uuid id = uuid_v7(unix_now());
    struct definition_change d = change_of(TENANT_COHORT, where, slice_str(uuid_format(&id, text)));
    CLEANUP(buf_done) struct buf object;
    buf_init(&object, 4096);
    d.people = people;
    buf_add_str(&object, "{\"name\":");
    buf_add_json(&object, name);
    buf_add_char(&object, '}');
    TRY(change_with(ctx, t, &d, buf_slice(&object), "create", insert_apply, err));
    *ret_id = id;
    return RC_OK;
}

struct ids {
    struct buf *out;
    bool is_there;
};

static enum rc take_ids(void *ctx, const struct state_row *row)
{
    struct ids *ids = ctx;
    ids->is_there = true;
    buf_add_slice(ids->out, state_row_blob(row, 0));
    return buf_ok(ids->out) ? RC_OK : RC_LIMIT;
}

enum rc tenant_cohort_people(struct state *s, struct slice project, struct slice list,
                             struct buf *out, struct err *err)
{
    struct ids ids = {.out = out};
    TRY(state_run(s, "SELECT members FROM cohort_lists WHERE project_id = ?1 AND id = ?2",
                  (struct state_value[]){STATE_SLICE(project), STATE_SLICE(list)}, 2, take_ids,
                  &ids, err));
    return ids.is_there ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such list of people");
}

/* ---- forgetting somebody ---- */
struct forgetting {
    struct slice project, id;
    bool by_user;
    struct buf lists; /* ids of UUID_TEXT_LEN each */
    uint32_t count;
};

static enum rc take_list(void *ctx, const struct state_row *row)
{
    struct forgetting *f = ctx;
    ENSURE(state_row_text(row, 0).len == UUID_TEXT_LEN, RC_CORRUPT);
    buf_add_slice(&f->lists, state_row_text(row, 0));
    return buf_ok(&f->lists) ? RC_OK : RC_LIMIT;
}

/* What is left of the ids without that one. */
static bool leave_out(struct slice ids, struct slice id, struct buf *rest)
{
    bool is_there = false;
    while (ids.len) {
        struct slice one = slice_cut(&ids, '\0');
        if (slice_eq(one, id)) {
            is_there = true;
            continue;
        }
        if (rest->len)
            buf_add_char(rest, '\0');
        buf_add_slice(rest, one);
    }
    return is_there;
}

static enum rc forget_in(struct state *s, struct forgetting *f, struct slice list, struct err *err)
{
    char text[UUID_TEXT_LEN + 1];
    const struct uuid id = uuid_v7(unix_now());
    CLEANUP(buf_done) struct buf ids;
    CLEANUP(buf_done) struct buf rest;
    buf_init(&ids, DEFINITION_LIST_BYTES_MAX);
    buf_init(&rest, DEFINITION_LIST_BYTES_MAX);
    TRY(tenant_cohort_people(s, f->project, list, &ids, err));
    if (!leave_out(buf_slice(&ids), f->id, &rest))
        return RC_OK;
    ENSURE(buf_ok(&rest), err_set(err, RC_NOMEM, "no memory for a list of people"));
    f->count++;
    TRY(state_run(s, "INSERT INTO cohort_lists (id, project_id, members) VALUES (?1, ?2, ?3)",
                  (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_SLICE(f->project),
                                         STATE_BYTES(buf_cstr(&rest), rest.len)},
                  3, NULL, NULL, err));
    TRY(state_run(
        s,
        "UPDATE cohorts SET list_id = ?1, size = size - 1, version = version + 1, "
        "updated_at = ?2 WHERE list_id = ?3",
        (struct state_value[]){STATE_STR(text), STATE_I64(unix_now().ms), STATE_SLICE(list)}, 3,
        NULL, NULL, err));
    return state_run(s, "DELETE FROM cohort_lists WHERE id = ?1", &STATE_SLICE(list), 1, NULL, NULL,
                     err);
}

static enum rc forget(void *arg, struct state *s, struct err *err)
{
    struct forgetting *f = arg;
    TRY(state_run(s,
                  "SELECT list_id FROM cohorts WHERE project_id = ?1 AND count_by = ?2 AND list_id "
                  "IS NOT NULL",
                  (struct state_value[]){STATE_SLICE(f->project),
                                         STATE_STR(f->by_user ? "users" : "visitors")},
                  2, take_list, f, err));
    for (size_t at = 0; at < f->lists.len; at += UUID_TEXT_LEN)
        TRY(forget_in(s, f, slice_of(f->lists.data + at, UUID_TEXT_LEN), err));
    return RC_OK;
}

enum rc tenant_cohorts_forget(struct state *s, struct slice project, bool by_user, struct slice id,
                              uint32_t *ret_count, struct err *err)
{
    struct forgetting f = {.project = project, .by_user = by_user, .id = id};
    buf_init(&f.lists, (size_t)DEFINITIONS_MAX * UUID_TEXT_LEN);
    enum rc rc = state_transaction(s, forget, &f, err);
    buf_done(&f.lists);
    *ret_count = rc == RC_OK ? f.count : 0;
    return rc;
}
