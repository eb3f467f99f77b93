/* WHAT  The job as it is written down: tables `erasures` and `erasure_ids` of the state.
 * WHY   One row per erasure, with all that is needed to go on after a kill at any point, and that
 *       stays as proof: how many ids, when, why, what was touched. The hashes stay as well: with
 *       them an erasure can be carried out again on what a backup brings back.
 * THREADS  any; the state has a lock. */
#include <string.h>

#include "analytics/erase/erase_int.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "tenant/definition.h"

static const struct state_migration migrations[] = {
    {1, "CREATE TABLE erasures ("
        " id TEXT PRIMARY KEY, org_id TEXT NOT NULL, project_id TEXT NOT NULL,"
        " status TEXT NOT NULL,"                                         /* queued, running, done */
        " reason TEXT NOT NULL, is_dry_run INTEGER, has_linked INTEGER," /* NULL: no */
        " id_count BIGINT NOT NULL, salt BLOB NOT NULL, requested_at BIGINT NOT NULL,"
        " started_at BIGINT, finished_at BIGINT, attempts BIGINT NOT NULL, error TEXT NOT NULL,"
        " stage BIGINT NOT NULL, place BIGINT NOT NULL, needs_sweep BIGINT NOT NULL,"
        " before_offsets TEXT NOT NULL, places TEXT NOT NULL, report TEXT);"
        "CREATE INDEX erasures_by_project ON erasures (project_id);"
        "CREATE TABLE erasure_ids ("
        " erasure_id TEXT NOT NULL REFERENCES erasures (id), kind BIGINT NOT NULL,"
        " hash BLOB NOT NULL, PRIMARY KEY (erasure_id, kind, hash));"},
};

enum rc erase_migrate(struct state *s, struct err *err)
{
    return state_migrate(s, "erase", migrations, COUNT_OF(migrations), err);
}

/* ---- asking for it ---- */

struct creation {
    const struct erase_request *request;
    char id[UUID_TEXT_LEN + 1];
    uint8_t salt[ERASE_SALT_BYTES];
};

static enum rc insert_hash(struct state *s, const char *id, const struct erase_hash *hash,
                           struct err *err)
{
    return state_run(s,
                     "INSERT INTO erasure_ids (erasure_id, kind, hash) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT DO NOTHING",
                     (struct state_value[]){STATE_STR(id), STATE_I64(hash->kind),
                                            STATE_BYTES(hash->bytes, sizeof(hash->bytes))},
                     3, NULL, NULL, err);
}

/* Out of the lists that somebody entered as cohorts. (A snapshot of visitors holds numbers, which
 * no event leads to any more.) */
static enum rc forget_in_lists(struct state *s, const struct erase_request *r, struct err *err)
{
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t lists;
        if (r->ids[i].kind == ERASE_USER)
            TRY(tenant_cohorts_forget(s, r->project, true, r->ids[i].id, &lists, err));
    }
    return RC_OK;
}

static enum rc take_salt(void *ctx, const struct state_row *row)
{
    struct creation *c = ctx;
    struct slice salt = state_row_blob(row, 0);
    ENSURE(salt.len == ERASE_SALT_BYTES, RC_CORRUPT);
    memcpy(c->salt, salt.data, sizeof(c->salt));
    return RC_OK;
}

/* All jobs of a project have one salt (but for those that came from elsewhere), so that an import
 * hashes each id once, however many were erased. */
static enum rc salt_of_project(struct creation *c, struct state *s, struct err *err)
{
    return state_run(s,
                     "SELECT salt FROM erasures WHERE project_id = ?1 ORDER BY requested_at, id"
                     " LIMIT 1",
                     &STATE_SLICE(c->request->project), 1, take_salt, c, err);
}

static enum rc create(void *arg, struct state *s, struct err *err)
{
    struct creation *c = arg;
    const struct erase_request *r = c->request;
    const struct state_value null = {.kind = STATE_NULL};
    struct erase_set set;
    TRY(salt_of_project(c, s, err));
    TRY(state_run(
        s,
        "INSERT INTO erasures (id, org_id, project_id, status, reason, is_dry_run, has_linked,"
        " id_count, salt, requested_at, attempts, error, stage, place, needs_sweep,"
        " before_offsets, places) VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7, ?8, ?9, 0, '', 0,"
        " 0, 0, '', '')",
        (struct state_value[]){STATE_STR(c->id), STATE_SLICE(r->org), STATE_SLICE(r->project),
                               STATE_SLICE(r->reason), r->is_dry_run ? STATE_I64(1) : null,
                               r->include_linked ? STATE_I64(1) : null, STATE_I64(r->count),
                               STATE_BYTES(c->salt, sizeof(c->salt)), STATE_I64(unix_now().ms)},
        9, NULL, NULL, err));
    char project[UUID_TEXT_LEN + 1] = "";
    erase_set_init(&set, project, c->salt);
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < r->count && rc == RC_OK; i++) {
        struct erase_hash hash;
        erase_hash_of(set.salt, r->ids[i].kind, r->ids[i].id, &hash);
        rc = insert_hash(s, c->id, &hash, err);
    }
    erase_set_done(&set);
    TRY(rc);
    return r->is_dry_run ? RC_OK : forget_in_lists(s, r, err);
}

static enum rc check_request(const struct erase_request *r, struct err *err)
{
    if (r->count == 0 || r->count > ERASE_IDS_MAX)
        return err_set(err, RC_INVALID, "an erasure names 1 to %d ids", ERASE_IDS_MAX);
    if (r->reason.len > ERASE_REASON_BYTES_MAX)
        return err_set(err, RC_INVALID, "a reason has at most %d bytes", ERASE_REASON_BYTES_MAX);
    for (uint32_t i = 0; i < r->count; i++) {
        struct slice id = r->ids[i].id;
        if (id.len == 0 || id.len > ERASE_ID_BYTES_MAX)
            return err_set(err, RC_INVALID, "an id has 1 to %d bytes", ERASE_ID_BYTES_MAX);
        if (r->reason.len && memmem(r->reason.data, r->reason.len, id.data, id.len))
            return err_set(err, RC_INVALID,
                           "the reason names an id that is to be erased, and is kept: say it "
                           "without");
    }
    return RC_OK;
}

enum rc erase_request(struct ctx *ctx, struct tenant *t, const struct erase_request *request,
                      struct uuid *ret_id, struct err *err)
{
    struct creation c = {.request = request};
    TRY(check_request(request, err));
    *ret_id = uuid_v7(unix_now());
    uuid_format(ret_id, c.id);
    random_bytes(c.salt, sizeof(c.salt));
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = "erasure.create",
                                                 .entity = TENANT_ERASURE,
                                                 .parent = request->project,
                                                 .id = slice_str(c.id),
                                                 .org = request->org,
                                                 .apply = create,
                                                 .arg = &c},
                         err);
}

/* ---- again ---- */

struct copying {
    struct state *to;
    struct err *err;
};

static enum rc copy_job(void *ctx, const struct state_row *row)
{
    const struct copying *c = ctx;
    const struct state_value null = {.kind = STATE_NULL};
    return state_run(
        c->to,
        "INSERT INTO erasures (id, org_id, project_id, status, reason, has_linked, id_count, salt,"
        " requested_at, attempts, error, stage, place, needs_sweep, before_offsets, places)"
        " VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7, ?8, 0, '', 0, 0, 0, '', '')"
        " ON CONFLICT DO NOTHING",
        (struct state_value[]){
            STATE_SLICE(state_row_text(row, 0)), STATE_SLICE(state_row_text(row, 1)),
            STATE_SLICE(state_row_text(row, 2)), STATE_SLICE(state_row_text(row, 3)),
            state_row_is_null(row, 4) ? null : STATE_I64(1), STATE_I64(state_row_i64(row, 5)),
            STATE_BYTES(state_row_blob(row, 6).data, state_row_blob(row, 6).len),
            STATE_I64(state_row_i64(row, 7))},
        8, NULL, NULL, c->err);
}

static enum rc copy_hash(void *ctx, const struct state_row *row)
{
    const struct copying *c = ctx;
    struct slice hash = state_row_blob(row, 2);
    return state_run(c->to,
                     "INSERT INTO erasure_ids (erasure_id, kind, hash) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT DO NOTHING",
                     (struct state_value[]){STATE_SLICE(state_row_text(row, 0)),
                                            STATE_I64(state_row_i64(row, 1)),
                                            STATE_BYTES(hash.data, hash.len)},
                     3, NULL, NULL, c->err);
}

static enum rc take_from(struct state *s, struct state *other, struct err *err)
{
    struct copying c = {.to = s, .err = err};
    TRY(erase_migrate(other, err));
    TRY(state_run(other,
                  "SELECT id, org_id, project_id, reason, has_linked, id_count, salt, requested_at"
                  " FROM erasures WHERE is_dry_run IS NULL",
                  NULL, 0, copy_job, &c, err));
    return state_run(other,
                     "SELECT erasure_id, kind, hash FROM erasure_ids WHERE erasure_id IN"
                     " (SELECT id FROM erasures WHERE is_dry_run IS NULL)",
                     NULL, 0, copy_hash, &c, err);
}

static enum rc again(void *other, struct state *s, struct err *err)
{
    if (other)
        TRY(take_from(s, other, err));
    return state_run(s,
                     "UPDATE erasures SET status = 'queued', stage = 0, place = 0,"
                     " needs_sweep = 0, before_offsets = '', places = '', finished_at = NULL,"
                     " report = NULL WHERE is_dry_run IS NULL",
                     NULL, 0, NULL, NULL, err);
}

enum rc erase_again(struct state *s, struct state *other, uint64_t *ret_count, struct err *err)
{
    int64_t count = 0;
    TRY(erase_migrate(s, err));
    TRY(state_transaction(s, again, other, err));
    TRY(state_run_i64(s, "SELECT count(*) FROM erasures WHERE status != 'done'", NULL, 0, &count,
                      err));
    *ret_count = (uint64_t)count;
    return RC_OK;
}

/* ---- the one under way ---- */

static void copy_text(char *to, size_t room, struct slice text)
{
    size_t n = text.len < room ? text.len : room - 1;
    memcpy(to, text.data ? text.data : "", n);
    to[n] = '\0';
}

static enum rc take_job(void *ctx, const struct state_row *row)
{
    struct erase_job *job = ctx;
    struct slice salt = state_row_blob(row, 3), before = state_row_text(row, 9);
    ENSURE(salt.len == ERASE_SALT_BYTES, RC_CORRUPT);
    copy_text(job->id, sizeof(job->id), state_row_text(row, 0));
    copy_text(job->org, sizeof(job->org), state_row_text(row, 1));
    copy_text(job->project, sizeof(job->project), state_row_text(row, 2));
    erase_set_init(&job->set, job->project, (const uint8_t *)salt.data);
    job->include_linked = !state_row_is_null(row, 4);
    job->is_dry_run = !state_row_is_null(row, 5);
    job->needs_sweep = state_row_i64(row, 6) != 0;
    job->stage = (enum erase_stage)state_row_i64(row, 7);
    job->place = (uint32_t)state_row_i64(row, 8);
    while (before.len && job->partitions < STREAM_PARTITIONS_MAX) {
        ENSURE(slice_to_u64(slice_cut(&before, ' '), &job->before[job->partitions]), RC_CORRUPT);
        job->partitions++;
    }
    buf_add_slice(&job->places, state_row_text(row, 10));
    job->attempts = (uint32_t)state_row_i64(row, 11);
    return RC_OK;
}

static enum rc take_hash(void *ctx, const struct state_row *row)
{
    struct erase_job *job = ctx;
    struct slice bytes = state_row_blob(row, 1);
    struct err err = ERR_INIT;
    int64_t kind = state_row_i64(row, 0);
    ENSURE(bytes.len == ERASE_HASH_BYTES && kind >= 0 && kind < ERASE_KINDS, RC_CORRUPT);
    struct erase_hash hash = {.kind = (uint8_t)kind};
    memcpy(hash.bytes, bytes.data, sizeof(hash.bytes));
    return erase_set_add(&job->set, &hash, NULL, &err);
}

enum rc erase_job_next(struct state *s, struct erase_job *ret, struct err *err)
{
    *ret = (struct erase_job){.attempts = 0};
    buf_init(&ret->places, ERASE_REPORT_BYTES_MAX);
    enum rc rc = state_run(
        s,
        "SELECT id, org_id, project_id, salt, has_linked, is_dry_run, needs_sweep, stage, place,"
        " before_offsets, places, attempts FROM erasures WHERE status != 'done'"
        " ORDER BY requested_at, id LIMIT 1",
        NULL, 0, take_job, ret, err);
    if (rc == RC_OK && !ret->id[0])
        rc = RC_NOTFOUND;
    if (rc == RC_OK)
        rc = state_run(s, "SELECT kind, hash FROM erasure_ids WHERE erasure_id = ?1",
                       &STATE_STR(ret->id), 1, take_hash, ret, err);
    if (rc != RC_OK)
        erase_job_done(ret);
    return rc;
}

void erase_job_done(struct erase_job *job)
{
    buf_done(&job->places);
    if (job->id[0])
        erase_set_done(&job->set);
    job->id[0] = '\0';
}

static enum rc save(void *arg, struct state *s, struct err *err)
{
    const struct erase_job *job = arg;
    struct buf before;
    buf_init(&before, 4096);
    for (uint32_t i = 0; i < job->partitions; i++)
        buf_addf(&before, "%s%llu", i ? " " : "", (unsigned long long)job->before[i]);
    enum rc rc = state_run(
        s,
        "UPDATE erasures SET status = 'running', started_at = coalesce(started_at, ?2),"
        " stage = ?3, place = ?4, needs_sweep = ?5, before_offsets = ?6, places = ?7, error = ''"
        " WHERE id = ?1",
        (struct state_value[]){STATE_STR(job->id), STATE_I64(unix_now().ms), STATE_I64(job->stage),
                               STATE_I64(job->place), STATE_I64(job->needs_sweep),
                               STATE_SLICE(buf_slice(&before)),
                               STATE_SLICE(buf_slice(&job->places))},
        7, NULL, NULL, err);
    buf_done(&before);
    for (uint32_t i = 0; i < job->set.count && rc == RC_OK; i++)
        rc = insert_hash(s, job->id, &job->set.hashes[i], err);
    return rc;
}

enum rc erase_job_save(struct state *s, const struct erase_job *job, struct err *err)
{
    struct erase_job shown = *job; /* the state wants it without const; nothing in it changes */
    if (!buf_ok(&job->places))
        return err_set(err, RC_NOMEM, "no memory for the report of an erasure");
    return state_transaction(s, save, &shown, err);
}

enum rc erase_job_note_failure(struct state *s, const struct erase_job *job, const struct err *why,
                               struct err *err)
{
    return state_run(
        s,
        "UPDATE erasures SET status = 'running', attempts = attempts + 1,"
        " started_at = coalesce(started_at, ?3), error = ?2 WHERE id = ?1",
        (struct state_value[]){STATE_STR(job->id), STATE_STR(why->text), STATE_I64(unix_now().ms)},
        3, NULL, NULL, err);
}

/* ---- its end ---- */

static enum rc finish(void *arg, struct state *s, struct err *err)
{
    const struct erase_job *job = arg;
    CLEANUP(buf_done) struct buf report;
    uint32_t counts[ERASE_KINDS] = {0};
    for (uint32_t i = 0; i < job->set.count; i++)
        counts[job->set.hashes[i].kind]++;
    buf_init(&report, 2 * ERASE_REPORT_BYTES_MAX);
    buf_addf(&report, "{\"user_ids\":%u,\"anonymous_ids\":%u,\"devices\":%u,\"places\":[",
             counts[ERASE_USER], counts[ERASE_ANONYMOUS], counts[ERASE_DEVICE]);
    buf_add_slice(&report, buf_slice(&job->places));
    buf_add_str(&report, "]}");
    if (!buf_ok(&report))
        return err_set(err, RC_NOMEM, "no memory for the report of an erasure");
    return state_run(
        s,
        "UPDATE erasures SET status = 'done', finished_at = ?2, error = '', report = ?3,"
        " started_at = coalesce(started_at, ?2) WHERE id = ?1",
        (struct state_value[]){STATE_STR(job->id), STATE_I64(unix_now().ms),
                               STATE_SLICE(buf_slice(&report))},
        3, NULL, NULL, err);
}

enum rc erase_job_finish(struct ctx *ctx, struct tenant *t, struct erase_job *job, struct err *err)
{
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = "erasure.finish",
                                                 .entity = TENANT_ERASURE,
                                                 .parent = slice_str(job->project),
                                                 .id = slice_str(job->id),
                                                 .org = slice_str(job->org),
                                                 .apply = finish,
                                                 .arg = job},
                         err);
}
