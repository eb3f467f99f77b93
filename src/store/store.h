#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H
/* The columnar store, spoken to over ClickHouse's HTTP interface: the embedded child
 * (store/child.h) and a real server differ in the URL only.
 *
 * A client holds one keep-alive connection (libcurl easy handle) and belongs to one thread at a
 * time; a pool hands clients to many. Every call blocks: consumers and worker pool only. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/rc.h"
#include "base/slice.h"

struct store_cfg {
    const char *url;         /* "http://127.0.0.1:8123", or "http://localhost" with unix_socket */
    const char *unix_socket; /* NULL, or the child's socket */
    const char *database;    /* "weir" */
    const char *user, *password; /* sent as X-ClickHouse-User/-Key; NULL = none */
    uint32_t connect_timeout_ms; /* 0 = 2,000 */
    uint32_t timeout_ms;         /* 0 = 60,000, whole call */
};
struct store_param { /* bound as {name:Type} in the SQL; value is escaped by the client */
    const char *name;
    struct slice value; /* text form, unescaped */
};
struct store_setting {
    const char *name, *value; /* max_execution_time=… */
};
struct store_summary { /* from X-ClickHouse-Summary */
    uint64_t read_rows, read_bytes, written_rows, written_bytes, result_rows, result_bytes,
        elapsed_ns;
};
struct store_client;
enum rc store_client_new(const struct store_cfg *cfg, struct store_client **ret_client,
                         struct err *err) MUST_CHECK;
void store_client_free(struct store_client *c);

struct store_query {
    const char *sql;    /* may end in FORMAT …; else format is appended */
    const char *format; /* "JSONEachRow", "JSONCompact", "RowBinary" …; NULL for statements without
                           a result */
    const struct store_param *params;
    uint32_t param_count;
    const struct store_setting *settings;
    uint32_t setting_count;
    bool read_only; /* readonly=2 */
    /* If set, called with each piece of the result instead of filling out; not RC_OK stops. */
    enum rc (*on_data)(void *ctx, struct slice piece);
    void *ctx;
};
/* RC_STORE: the engine refused it, err->text = "Code: 62. DB::Exception: …" (cut), *ret_code if not
 * NULL = ClickHouse's code. RC_UNAVAILABLE: not reachable. RC_TIMEOUT. RC_LIMIT: out is full.
 * ctx: on whose behalf, its traceparent goes along; NULL: weir's own, outside of any request.
 * An error after the first result byte (X-ClickHouse-Exception in the body) is RC_STORE as well. */
enum rc store_query(struct ctx *ctx, struct store_client *c, const struct store_query *q,
                    struct buf *out, struct store_summary *ret_summary, int *ret_code,
                    struct err *err) MUST_CHECK;
enum rc store_exec(struct store_client *c, const char *sql, struct err *err) MUST_CHECK;
/* INSERT INTO table (columns) FORMAT format with the body; token non-NULL =
 * insert_deduplication_token. RC_OK = the rows are in (or were before, under the same token) and
 * survive power loss. */
enum rc store_insert(struct store_client *c, const char *table, const char *columns,
                     const char *format, struct slice body, const char *token,
                     struct store_summary *ret_summary, int *ret_code, struct err *err) MUST_CHECK;
enum rc store_ping(struct store_client *c, struct err *err) MUST_CHECK;

/* ---- a question of a client of ClickHouse's own, passed on as it is ---- */
struct store_pair { /* of the URL, decoded */
    const char *name;
    struct slice value;
};
struct store_relay {
    struct slice sql;
    const struct store_pair *pairs; /* all of the URL: database, role, settings, param_… (raw) */
    uint32_t pair_count;
    /* Called on the thread of store_relay(): once, then with each piece. Not RC_OK stops. headers:
     * lines "Name: value\n", those that its clients look at. */
    enum rc (*on_head)(void *ctx, int status, struct slice headers);
    enum rc (*on_data)(void *ctx, struct slice piece);
    void *ctx;
    const _Atomic bool *is_cancelled; /* looked at about once a second while nothing comes */
};
/* RC_OK: the answer, whatever its status, is whole. Else the body, if it was begun, is not. */
enum rc store_relay(struct ctx *ctx, struct store_client *c, const struct store_relay *relay,
                    struct err *err) MUST_CHECK;

struct store_pool;
enum rc store_pool_new(const struct store_cfg *cfg, uint32_t clients_max, struct store_pool **ret,
                       struct err *err) MUST_CHECK;
/* From now on clients are given: the database has its tables. Any thread, any number of times. */
void store_pool_open(struct store_pool *p);
/* Blocks while all are out. RC_UNAVAILABLE: the pool is not open yet. */
enum rc store_pool_take(struct store_pool *p, struct store_client **ret_client,
                        struct err *err) MUST_CHECK;
void store_pool_give(struct store_pool *p, struct store_client *c);
void store_pool_free(struct store_pool *p);

/* ---- migrations: numbered, forward-only, each one idempotent statement list ---- */
struct store_migration {
    uint32_t number; /* 1, 2, 3 … */
    const char *name;
    const char *const *statements; /* NULL-terminated; each safe to run again (IF NOT EXISTS) */
};
/* Runs what weir.schema_migrations lacks, in order; safe to interrupt. Refuses a database that is
 * newer than the program. */
enum rc store_migrate(struct store_client *c, const char *database,
                      const struct store_migration *list, uint32_t count,
                      struct err *err) MUST_CHECK;
#endif
