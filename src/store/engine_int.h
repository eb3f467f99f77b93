#ifndef WEIR_STORE_ENGINE_INT_H
#define WEIR_STORE_ENGINE_INT_H
/* One engine per process, one connection per statement.
 *
 * A further chdb connection costs 0.35 ms with its statement's own set-up and is a session of its
 * own: settings, current database and temporary tables of one request end with it, so nothing can
 * leak into the next one. Blocking; any number of threads. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"
#include "codec/compress.h"
#include "store/child.h"
#include "store/store.h"

enum { ENGINE_ID_BYTES = 40, ENGINE_ERROR_BYTES_MAX = 64 * 1024 };

/* Error codes of ClickHouse that are given by the child itself. */
enum {
    CH_SYNTAX_ERROR = 62,
    CH_NOT_IMPLEMENTED = 48,
    CH_BAD_ARGUMENTS = 36,
    CH_READONLY = 164,
    CH_TOO_MANY_QUERIES = 202,
    CH_AUTHENTICATION_FAILED = 516,
    CH_ACCESS_DENIED = 497,
    CH_TOO_LARGE_STATEMENT = 62,
    CH_TOO_MANY_BYTES = 307,
    CH_CANNOT_DECOMPRESS = 271,
    CH_MEMORY_LIMIT = 241,
    CH_INTERNAL = 1001,
};

struct engine_pair {
    struct slice name;
    struct slice value;
};
struct engine_query {
    struct slice text; /* statement; may end in inline data */
    struct slice data; /* body of an INSERT, after any inline data */
    enum codec_kind data_codec;
    uint64_t data_bytes_max; /* decoded */
    struct slice database;   /* empty = default */
    struct slice default_format;
    const struct engine_pair *params;
    uint32_t param_count;
    const struct engine_pair *settings;
    uint32_t setting_count;
    uint32_t readonly;        /* 0, 1, 2 */
    struct slice role;        /* empty, or CONFINE_ROLE: its grants only, readonly, see confine.c */
    char id[ENGINE_ID_BYTES]; /* marks it in system.processes, for engine_kill */
    const atomic_bool *is_cancelled;
    /* Where the result goes. format: the one the bytes are in, borrowed for the call. Not RC_OK
     * stops the statement. */
    enum rc (*on_data)(void *ctx, struct slice format, struct slice piece);
    void *ctx;
};
struct engine_result {
    bool is_error;
    int code;
    struct buf error; /* "Code: N. DB::Exception: … (NAME) (version …)" */
    char format[64];  /* of the result; empty if the statement has none */
    struct store_summary summary;
};

struct engine;
enum rc engine_open(const struct store_child_cfg *cfg, struct engine **ret_engine,
                    struct err *err) MUST_CHECK;
void engine_run(struct engine *e, const struct engine_query *q, struct engine_result *ret);
void engine_result_done(struct engine_result *r);
void engine_fail(struct engine_result *r, int code, const char *name, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Stops a running statement; no error if it has ended. */
void engine_kill(struct engine *e, const char *id);
const char *engine_version(const struct engine *e);
const char *engine_timezone(const struct engine *e);

/* ---- its parts ---- */
/* engine_config.c: etc/config.xml and etc/users.xml under data_dir. */
enum rc engine_config_write(const struct store_child_cfg *cfg, struct err *err) MUST_CHECK;
uint64_t engine_memory_max(const struct store_child_cfg *cfg);
uint64_t engine_query_memory_max(const struct store_child_cfg *cfg);
uint32_t engine_threads_max(const struct store_child_cfg *cfg);
uint32_t engine_query_seconds_max(const struct store_child_cfg *cfg);

/* engine_format.c: formats that may be streamed, and the header that each of chdb's pieces repeats.
 */
enum format_head { FORMAT_HEAD_NONE, FORMAT_HEAD_LINES, FORMAT_HEAD_CSV, FORMAT_HEAD_BINARY };
struct format_info {
    const char *name;
    enum format_head head;
    uint32_t head_rows; /* 1 names, 2 names and types */
};
const struct format_info *format_find(struct slice name); /* NULL: not to be streamed */
/* Length of the header at the front of the piece; piece.len if it is all header. */
size_t format_head_len(const struct format_info *f, struct slice piece);
const char *format_content_type(struct slice name);
#endif
