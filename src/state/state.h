#ifndef WEIR_STATE_STATE_H
#define WEIR_STATE_STATE_H
/* Small transactional state: SQLite in WAL mode, foreign keys on, synchronous=FULL (a commit
 * survives power loss). The SQL written above this layer is the portable subset that PostgreSQL
 * takes as well.
 *
 * One struct state is one connection behind a mutex: any thread, one statement at a time; several
 * processes may hold the same file. Every call blocks: never on an edge loop. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"

struct state;
enum rc state_open(const char *path, struct state **ret_state, struct err *err) MUST_CHECK;
void state_close(struct state *s);

struct state_value { /* a bound parameter ?1 ?2 … ; bytes are borrowed during the call */
    enum { STATE_NULL, STATE_INT, STATE_TEXT, STATE_BLOB } kind;
    int64_t i64;
    struct slice bytes;
};
#define STATE_I64(v) ((struct state_value){.kind = STATE_INT, .i64 = (v)})
#define STATE_STR(s) ((struct state_value){.kind = STATE_TEXT, .bytes = slice_str(s)})
#define STATE_SLICE(s) ((struct state_value){.kind = STATE_TEXT, .bytes = (s)})
#define STATE_BYTES(p, n) \
    ((struct state_value){.kind = STATE_BLOB, .bytes = slice_of((const char *)(p), (n))})

struct state_row;
int64_t state_row_i64(const struct state_row *row, int column);
struct slice state_row_text(const struct state_row *row,
                            int column); /* empty if NULL; valid in the callback */
struct slice state_row_blob(const struct state_row *row, int column);
bool state_row_is_null(const struct state_row *row, int column);

/* Runs one statement. row (may be NULL) is called per result row; not RC_OK from it stops and is
 * returned. RC_EXISTS: a unique constraint; RC_CONFLICT: another constraint. */
enum rc state_run(struct state *s, const char *sql, const struct state_value *params,
                  uint32_t count, enum rc (*row)(void *ctx, const struct state_row *row), void *ctx,
                  struct err *err) MUST_CHECK;
/* The first column of the one row that the statement gives; *ret stays if it gives none. */
enum rc state_run_i64(struct state *s, const char *sql, const struct state_value *params,
                      uint32_t count, int64_t *ret, struct err *err) MUST_CHECK;
uint64_t state_changes(const struct state *s); /* rows changed by the last state_run */

/* body inside one immediate transaction; rolled back unless it returns RC_OK. Inside another's body
 * it is a part of that one (a savepoint): undone alone if it fails, and with the whole. */
enum rc state_transaction(struct state *s,
                          enum rc (*body)(void *ctx, struct state *s, struct err *err), void *ctx,
                          struct err *err) MUST_CHECK;

struct state_migration {
    uint32_t number; /* 1, 2, 3 … within the module */
    const char *sql; /* one or more statements */
};
/* Runs what is missing, each in its own transaction; RC_CONFLICT if the file is newer than the
 * program. */
enum rc state_migrate(struct state *s, const char *module, const struct state_migration *list,
                      uint32_t count, struct err *err) MUST_CHECK;
/* Pages of deleted rows are overwritten as they become free; this empties the write-ahead log, too,
 * where they may still stand. RC_BUSY while somebody reads or writes: again later. */
enum rc state_wipe(struct state *s, struct err *err) MUST_CHECK;
/* A consistent copy while in use. */
enum rc state_backup(struct state *s, const char *to_path, struct err *err) MUST_CHECK;
#endif
