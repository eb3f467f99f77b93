/* state.h on SQLite. */
#include "state/state.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"

enum { BUSY_TIMEOUT_MS = 5000 };

struct state {
    sqlite3 *db;
    pthread_mutex_t lock; /* recursive: a transaction body runs statements */
    uint32_t depth;       /* of transaction bodies; under the lock */
    uint64_t last_changes;
};

struct state_row {
    sqlite3_stmt *stmt;
};

static enum rc sqlite_error(struct state *s, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(s->db);
    enum rc rc = RC_IO;
    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
        rc = RC_EXISTS;
    else if ((code & 0xff) == SQLITE_CONSTRAINT)
        rc = RC_CONFLICT;
    else if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        rc = RC_BUSY;
    else if ((code & 0xff) == SQLITE_FULL)
        rc = RC_NOSPACE;
    else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        rc = RC_CORRUPT;
    return err_set(err, rc, "state database: %s: %s", what, sqlite3_errmsg(s->db));
}

static enum rc exec(struct state *s, const char *sql, struct err *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(s, "statement failed", err);
    return RC_OK;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    pthread_mutex_destroy(&s->lock);
    heap_free(s);
}
DEFINE_CLEANUP(struct state *, state_close)

enum rc state_open(const char *path, struct state **ret_state, struct err *err)
{
    CLEANUP(state_closep) struct state *s = heap_alloc(HEAP_STATE, sizeof(*s));
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    /* Keys live in it: nobody but the owner reads the file, from its first byte on. */
    mode_t old_mask = umask(0077);
    int r = sqlite3_open_v2(
        path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    enum rc rc = r == SQLITE_OK ? RC_OK
                                : err_set(err, RC_IO, "cannot open %s: %s", path,
                                          s->db ? sqlite3_errmsg(s->db) : "no memory");
    if (rc == RC_OK) {
        sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
        rc = exec(s,
                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                  "PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON",
                  err);
    }
    umask(old_mask);
    TRY(rc);
    *ret_state = take_ptr(&s);
    return RC_OK;
}

int64_t state_row_i64(const struct state_row *row, int column)
{
    return sqlite3_column_int64(row->stmt, column);
}

struct slice state_row_text(const struct state_row *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row->stmt, column);
    return slice_of(text, text ? (size_t)sqlite3_column_bytes(row->stmt, column) : 0);
}

struct slice state_row_blob(const struct state_row *row, int column)
{
    const char *bytes = sqlite3_column_blob(row->stmt, column);
    return slice_of(bytes, bytes ? (size_t)sqlite3_column_bytes(row->stmt, column) : 0);
}

bool state_row_is_null(const struct state_row *row, int column)
{
    return sqlite3_column_type(row->stmt, column) == SQLITE_NULL;
}

static int bind(sqlite3_stmt *stmt, int at, const struct state_value *v)
{
    switch (v->kind) {
    case STATE_NULL:
        return sqlite3_bind_null(stmt, at);
    case STATE_INT:
        return sqlite3_bind_int64(stmt, at, v->i64);
    case STATE_TEXT:
        return sqlite3_bind_text64(stmt, at, v->bytes.data ? v->bytes.data : "", v->bytes.len,
                                   SQLITE_TRANSIENT, SQLITE_UTF8);
    case STATE_BLOB:
        return sqlite3_bind_blob64(stmt, at, v->bytes.data ? v->bytes.data : "", v->bytes.len,
                                   SQLITE_TRANSIENT);
    }
    must_not_reach("value kind");
}

static void stmt_finalizep(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

static enum rc run_locked(struct state *s, const char *sql, const struct state_value *params,
                          uint32_t count, enum rc (*row)(void *, const struct state_row *),
                          void *ctx, struct err *err)
{
    CLEANUP(stmt_finalizep) sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sqlite_error(s, "cannot prepare", err);
    for (uint32_t i = 0; i < count; i++)
        if (bind(stmt, (int)i + 1, &params[i]) != SQLITE_OK)
            return sqlite_error(s, "cannot bind", err);
    int64_t changes_before = sqlite3_total_changes64(s->db);
    for (;;) {
        int r = sqlite3_step(stmt);
        if (r == SQLITE_DONE)
            break;
        if (r != SQLITE_ROW)
            return sqlite_error(s, "cannot run", err);
        struct state_row now = {stmt};
        if (row)
            TRY(row(ctx, &now));
    }
    s->last_changes = (uint64_t)(sqlite3_total_changes64(s->db) - changes_before);
    return RC_OK;
}

enum rc state_run(struct state *s, const char *sql, const struct state_value *params,
                  uint32_t count, enum rc (*row)(void *ctx, const struct state_row *row), void *ctx,
                  struct err *err)
{
    pthread_mutex_lock(&s->lock);
    enum rc rc = run_locked(s, sql, params, count, row, ctx, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static enum rc take_i64(void *ctx, const struct state_row *row)
{
    *(int64_t *)ctx = state_row_i64(row, 0);
    return RC_OK;
}

enum rc state_run_i64(struct state *s, const char *sql, const struct state_value *params,
                      uint32_t count, int64_t *ret, struct err *err)
{
    return state_run(s, sql, params, count, take_i64, ret, err);
}

uint64_t state_changes(const struct state *s)
{
    return s->last_changes;
}

enum rc state_transaction(struct state *s,
                          enum rc (*body)(void *ctx, struct state *s, struct err *err), void *ctx,
                          struct err *err)
{
    pthread_mutex_lock(&s->lock);
    bool is_part = s->depth > 0;
    enum rc rc = exec(s, is_part ? "SAVEPOINT part" : "BEGIN IMMEDIATE", err);
    if (rc == RC_OK) {
        s->depth++;
        rc = body(ctx, s, err);
        if (rc == RC_OK)
            rc = exec(s, is_part ? "RELEASE SAVEPOINT part" : "COMMIT", err);
        if (rc != RC_OK)
            IGNORE(exec(s, is_part ? "ROLLBACK TO SAVEPOINT part" : "ROLLBACK", NULL),
                   "SQLite may have rolled back by itself");
        s->depth--;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

struct migration_step {
    const char *module;
    const struct state_migration *migration;
};

static enum rc run_migration(void *ctx, struct state *s, struct err *err)
{
    const struct migration_step *step = ctx;
    TRY(exec(s, step->migration->sql, err));
    return run_locked(
        s, "INSERT INTO schema_migrations (module, number) VALUES (?1, ?2)",
        (struct state_value[]){STATE_STR(step->module), STATE_I64(step->migration->number)}, 2,
        NULL, NULL, err);
}

enum rc state_migrate(struct state *s, const char *module, const struct state_migration *list,
                      uint32_t count, struct err *err)
{
    TRY(state_run(s,
                  "CREATE TABLE IF NOT EXISTS schema_migrations ("
                  "module TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (module, number))",
                  NULL, 0, NULL, NULL, err));
    int64_t done = 0;
    TRY(state_run_i64(s, "SELECT coalesce(max(number), 0) FROM schema_migrations WHERE module = ?1",
                      &STATE_STR(module), 1, &done, err));
    if (count == 0 || done > list[count - 1].number)
        return done == 0
                   ? RC_OK
                   : err_set(
                         err, RC_CONFLICT,
                         "the state database is at version %lld of '%s', newer than this program: "
                         "run the newer weir",
                         (long long)done, module);
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].number <= done)
            continue;
        struct migration_step step = {module, &list[i]};
        TRY(state_transaction(s, run_migration, &step, err));
    }
    return RC_OK;
}

enum rc state_wipe(struct state *s, struct err *err)
{
    int64_t is_busy = 1; /* the first column: not all of the log is in the file */
    TRY(state_run_i64(s, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0, &is_busy, err));
    ENSURE(!is_busy, err_set(err, RC_BUSY, "the state is in use: its log cannot be emptied now"));
    return RC_OK;
}

enum rc state_backup(struct state *s, const char *to_path, struct err *err)
{
    IGNORE(os_unlink_durable(to_path, NULL), "VACUUM INTO reports what is in its way");
    return state_run(s, "VACUUM INTO ?1", &STATE_STR(to_path), 1, NULL, NULL, err);
}
