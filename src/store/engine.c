/* WHAT        Runs one statement on a chdb connection of its own (engine_int.h).
 * WHY         chdb has three ways in, and each is right for one kind only: chdb_stream_query for
 *             SELECT (rows come while the query runs), chdb_query for everything else and for
 *             formats that must be made whole, chdb_stream_insert for INSERT with data (any byte,
 *             defaults, deduplication tokens).
 * INVARIANTS  the boot connection stays open: the engine lives as long as one connection does.
 * THREADS     engine_run from many threads; engine_kill shares the boot connection under a lock.
 *             */
#include "store/engine_int.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/os.h"
#include "store/chdb_int.h"
#include "store/confine_int.h"
#include "store/heal_int.h"
#include "store/sql_int.h"

enum {
    ENGINE_PIECE_BYTES = 1 << 20,
    ENGINE_PAIRS_MAX = 256,
    ENGINE_SET_BYTES_MAX = 256 * 1024,
};
/* A result that cannot be streamed is held whole; more than that is an error (396). */
#define ENGINE_RESULT_BYTES_MAX "268435456"

struct engine {
    struct chdb chdb;
    struct chdb_session **boot;
    pthread_mutex_t boot_lock;
    int data_fd; /* the data folder, for syncfs */
    char path_arg[OS_PATH_MAX];
    char version[32];
    char timezone[64];
};

/* One statement under way. */
struct run {
    struct engine *e;
    const struct engine_query *q;
    struct engine_result *r;
    struct chdb_session *session;
    struct sql_scan scan;
    struct chdb_params params;
    const char *names[ENGINE_PAIRS_MAX];
    size_t name_lens[ENGINE_PAIRS_MAX];
    const char *values[ENGINE_PAIRS_MAX];
    size_t value_lens[ENGINE_PAIRS_MAX];
};

void engine_result_done(struct engine_result *r)
{
    buf_done(&r->error);
}

void engine_fail(struct engine_result *r, int code, const char *name, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->is_error = true;
    r->code = code;
    buf_clear(&r->error);
    buf_addf(&r->error, "Code: %d. DB::Exception: %s. (%s)", code, text, name);
}

/* chdb's text, with what HTTP clients expect at its end: "(NAME) (version 26.7…)". */
static void fail_with(struct run *s, const char *error)
{
    struct engine_result *r = s->r;
    struct slice text = slice_str(error), digits;
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == ' '))
        text.len--;
    uint64_t code = CH_INTERNAL;
    if (slice_has_prefix(text, SLICE_LIT("Code: "))) {
        struct slice rest = slice_sub(text, 6);
        digits = slice_cut(&rest, '.');
        if (!slice_to_u64(digits, &code) || code > 100000)
            code = CH_INTERNAL;
    }
    r->is_error = true;
    r->code = (int)code;
    buf_clear(&r->error);
    if (code == CH_INTERNAL && !slice_has_prefix(text, SLICE_LIT("Code: ")))
        buf_addf(&r->error, "Code: %d. DB::Exception: ", CH_INTERNAL);
    size_t room = ENGINE_ERROR_BYTES_MAX - 256;
    buf_add(&r->error, text.data, text.len < room ? text.len : room);
    if (code == CH_INTERNAL && !slice_has_prefix(text, SLICE_LIT("Code: ")))
        buf_add_str(&r->error, " (STD_EXCEPTION)");
    if (!memmem(text.data, text.len, " (version ", 10))
        buf_addf(&r->error, " (version %s)", s->e->version);
}

static bool is_cancelled(const struct run *s)
{
    return s->q->is_cancelled && atomic_load_explicit(s->q->is_cancelled, memory_order_relaxed);
}

/* Takes the numbers and the error of a chdb result and frees it; false on an error. */
static bool take_result(struct run *s, struct chdb_result *result)
{
    struct chdb *c = &s->e->chdb;
    if (!result) {
        fail_with(s, "the engine gave no result");
        return false;
    }
    const char *error = c->result_error(result);
    if (error) {
        fail_with(s, error);
    } else {
        s->r->summary.result_rows += c->result_rows(result);
        s->r->summary.result_bytes += c->result_length(result);
        s->r->summary.read_rows += c->result_rows_read(result);
        s->r->summary.read_bytes += c->result_bytes_read(result);
        s->r->summary.written_rows += c->result_rows_written(result);
        s->r->summary.written_bytes += c->result_bytes_written(result);
    }
    c->result_destroy(result);
    return error == NULL;
}

static struct chdb_result *query(struct run *s, struct slice sql, struct slice format,
                                 const struct chdb_params *p)
{
    return s->e->chdb.query(s->session, sql.data, sql.len, format.data, format.len, p->names,
                            p->name_lens, p->values, p->value_lens, p->count);
}

/* ---- set-up of the session ---- */
static void add_quoted(struct buf *b, struct slice value, char quote)
{
    buf_add_char(b, quote);
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == quote || value.data[i] == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, value.data[i]);
    }
    buf_add_char(b, quote);
}

static bool is_setting_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return name.len > 0 && name.len < 128;
}

static bool run_setup(struct run *s, const struct buf *sql)
{
    static const struct chdb_params none;
    if (!buf_ok(sql)) {
        engine_fail(s->r, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "the settings are too long");
        return false;
    }
    return sql->len == 0 || take_result(s, query(s, buf_slice(sql), SLICE_LIT("Null"), &none));
}

static bool is_confined(const struct engine_query *q)
{
    return q->role.len > 0;
}

static uint32_t readonly_of(const struct engine_query *q)
{
    return is_confined(q) ? 1 : q->readonly;
}

/* Asks the engine what a confined statement is, before it runs (confine.c). */
static bool is_within_bounds(struct run *s)
{
    struct chdb *c = &s->e->chdb;
    struct slice text = slice_of(s->q->text.data, s->scan.end);
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, ENGINE_SET_BYTES_MAX);
    buf_add_str(&sql, "EXPLAIN AST ");
    buf_add_slice(&sql, text);
    if (!buf_ok(&sql)) {
        engine_fail(s->r, CH_TOO_LARGE_STATEMENT, "SYNTAX_ERROR", "the statement is too long");
        return false;
    }
    struct chdb_result *tree = query(s, buf_slice(&sql), SLICE_LIT("TabSeparatedRaw"), &s->params);
    if (!tree || c->result_error(tree))
        return take_result(s, tree);
    const char *refused =
        confine_listing(text, slice_of(c->result_buffer(tree), c->result_length(tree)));
    c->result_destroy(tree);
    if (refused)
        engine_fail(s->r, CH_ACCESS_DENIED, "ACCESS_DENIED", "%s", refused);
    return !refused;
}

/* USE and SET as statements: the engine checks names, values and constraints, and says what is
 * wrong. */
static bool set_up(struct run *s)
{
    const struct engine_query *q = s->q;
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, ENGINE_SET_BYTES_MAX);
    if (is_confined(q)) {
        buf_add_str(&sql, "SET ROLE " CONFINE_ROLE);
        if (!run_setup(s, &sql))
            return false;
        buf_clear(&sql);
    }
    if (q->database.len && !slice_eq_str(q->database, "default")) {
        buf_add_str(&sql, "USE ");
        add_quoted(&sql, q->database, '`');
        if (!run_setup(s, &sql))
            return false;
        buf_clear(&sql);
    }
    for (uint32_t i = 0; i < q->setting_count; i++) {
        if (!is_setting_name(q->settings[i].name)) {
            engine_fail(s->r, 115, "UNKNOWN_SETTING", "Unknown setting '%.*s'",
                        (int)(q->settings[i].name.len < 64 ? q->settings[i].name.len : 64),
                        q->settings[i].name.data);
            return false;
        }
        buf_add_str(&sql, i ? ", " : "SET ");
        buf_add_slice(&sql, q->settings[i].name);
        buf_add_str(&sql, " = ");
        add_quoted(&sql, q->settings[i].value, '\'');
    }
    if (q->setting_count && readonly_of(q))
        buf_addf(&sql, ", readonly = %u", readonly_of(q));
    return run_setup(s, &sql) && (!is_confined(q) || is_within_bounds(s));
}

/* Settings that need no check go in as arguments, which cost nothing. */
static struct chdb_session **connect_for(struct run *s, bool is_whole)
{
    char comment[ENGINE_ID_BYTES + 32], readonly[32];
    char name[] = "weir";
    char result_bytes[] = "--max_result_bytes=" ENGINE_RESULT_BYTES_MAX;
    char *argv[8] = {name, s->e->path_arg};
    int argc = 2;
    snprintf(comment, sizeof(comment), "--log_comment=%s", s->q->id);
    argv[argc++] = comment;
    if (readonly_of(s->q) && s->q->setting_count == 0) {
        snprintf(readonly, sizeof(readonly), "--readonly=%u", readonly_of(s->q));
        argv[argc++] = readonly;
    }
    if (is_whole)
        argv[argc++] = result_bytes;
    /* cppcheck-suppress returnDanglingLifetime ; the engine copies its arguments */
    return s->e->chdb.connect(argc, argv);
}

static void set_params(struct run *s)
{
    uint32_t n = s->q->param_count < ENGINE_PAIRS_MAX ? s->q->param_count : ENGINE_PAIRS_MAX;
    for (uint32_t i = 0; i < n; i++) {
        s->names[i] = s->q->params[i].name.data;
        s->name_lens[i] = s->q->params[i].name.len;
        s->values[i] = s->q->params[i].value.len ? s->q->params[i].value.data : "";
        s->value_lens[i] = s->q->params[i].value.len;
    }
    s->params = (struct chdb_params){s->names, s->name_lens, s->values, s->value_lens, n};
}

/* ---- results ---- */
static bool give(struct run *s, struct slice piece)
{
    if (piece.len == 0)
        return true;
    enum rc rc = s->q->on_data(s->q->ctx, slice_str(s->r->format), piece);
    if (rc != RC_OK)
        engine_fail(s->r, 394, "QUERY_WAS_CANCELLED", "Query was cancelled");
    return rc == RC_OK;
}

static void run_whole(struct run *s, struct slice format)
{
    struct chdb *c = &s->e->chdb;
    struct chdb_result *result =
        query(s, slice_of(s->q->text.data, s->scan.end), format, &s->params);
    if (result && !c->result_error(result))
        give(s, slice_of(c->result_buffer(result), c->result_length(result)));
    bool was_error = s->r->is_error;
    if (was_error)
        c->result_destroy(result);
    else
        take_result(s, result);
}

/* One block; false at the end or after an error. */
static bool run_stream_piece(struct run *s, struct chdb_result *stream, const struct format_info *f,
                             bool *is_first)
{
    struct chdb *c = &s->e->chdb;
    struct chdb_result *piece = c->stream_fetch(s->session, stream);
    struct slice bytes = SLICE_EMPTY;
    if (piece && !c->result_error(piece))
        bytes = slice_of(c->result_buffer(piece), c->result_length(piece));
    size_t len = bytes.len;
    if (len && !*is_first)
        bytes = slice_sub(bytes, format_head_len(f, bytes));
    bool ok = len == 0 || give(s, bytes);
    *is_first = false;
    if (ok) {
        ok = take_result(s, piece);
    } else {
        c->result_destroy(piece);
        c->stream_cancel(s->session, stream);
    }
    return ok && len > 0;
}

static void run_stream(struct run *s, struct slice format, const struct format_info *f)
{
    struct chdb *c = &s->e->chdb;
    const struct chdb_params *p = &s->params;
    struct chdb_result *stream =
        c->stream(s->session, s->q->text.data, s->scan.end, format.data, format.len, p->names,
                  p->name_lens, p->values, p->value_lens, p->count);
    const char *error = stream ? c->result_error(stream) : "the engine gave no result";
    bool is_first = true;
    if (error)
        fail_with(s, error);
    else
        while (run_stream_piece(s, stream, f, &is_first)) {
        }
    if (stream)
        c->result_destroy(stream);
}

/* ---- inserts ---- */
static bool append(struct run *s, struct chdb_insert *insert, struct slice bytes, uint64_t *total)
{
    *total += bytes.len;
    if (*total > s->q->data_bytes_max) {
        engine_fail(s->r, CH_TOO_MANY_BYTES, "TOO_MANY_BYTES",
                    "the rows of one INSERT are more than %llu bytes",
                    (unsigned long long)s->q->data_bytes_max);
        return false;
    }
    while (bytes.len) {
        size_t n = bytes.len < ENGINE_PIECE_BYTES ? bytes.len : ENGINE_PIECE_BYTES;
        if (s->e->chdb.insert_append(insert, bytes.data, n) != 0)
            return false; /* insert_done says why */
        bytes = slice_sub(bytes, n);
    }
    return true;
}

static bool append_decoded(struct run *s, struct chdb_insert *insert, uint64_t *total)
{
    CLEANUP(decoder_freep) struct decoder *d = decoder_new();
    char *piece = heap_try_alloc(HEAP_STORE, ENGINE_PIECE_BYTES);
    struct slice in = s->q->data;
    size_t n = 0;
    enum rc rc = d && piece ? decoder_start(d, s->q->data_codec) : RC_NOMEM;
    bool ok = true;
    do {
        if (rc == RC_OK)
            rc = decoder_feed(d, &in, piece, ENGINE_PIECE_BYTES, &n);
        ok = rc == RC_OK && append(s, insert, slice_of(piece, n), total);
    } while (ok && (in.len || n == ENGINE_PIECE_BYTES));
    if (ok)
        rc = decoder_finish(d);
    heap_free(piece);
    if (rc != RC_OK)
        engine_fail(s->r, CH_CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS",
                    "the body is not a whole gzip or zstd stream");
    return ok && rc == RC_OK;
}

static void run_insert(struct run *s)
{
    struct chdb *c = &s->e->chdb;
    const struct engine_query *q = s->q;
    const struct chdb_params *p = &s->params;
    uint64_t total = 0;
    struct chdb_insert *insert =
        c->insert(s->session, q->text.data, s->scan.head_len, s->scan.format.data,
                  s->scan.format.len, p->names, p->name_lens, p->values, p->value_lens, p->count);
    const char *error = c->insert_error(insert);
    if (error) {
        fail_with(s, error);
        c->insert_destroy(insert);
        return;
    }
    bool ok = append(s, insert, slice_sub(q->text, s->scan.data_at), &total);
    if (ok && q->data.len)
        ok = q->data_codec == CODEC_PLAIN ? append(s, insert, q->data, &total)
                                          : append_decoded(s, insert, &total);
    if (s->r->is_error)
        c->insert_cancel(insert);
    else
        take_result(s, c->insert_done(insert));
    if (!ok && !s->r->is_error)
        fail_with(s, "the engine stopped taking rows");
    c->insert_destroy(insert);
}

/* ---- dispatch ---- */
static bool is_allowed(struct run *s)
{
    if (s->scan.kind == SQL_EMPTY)
        engine_fail(s->r, CH_SYNTAX_ERROR, "SYNTAX_ERROR", "Empty query");
    else if (s->scan.is_multi)
        engine_fail(s->r, CH_SYNTAX_ERROR, "SYNTAX_ERROR", "Multi-statements are not allowed");
    else if (s->scan.refused)
        engine_fail(s->r, CH_ACCESS_DENIED, "ACCESS_DENIED", "%s", s->scan.refused);
    else if (is_confined(s->q) && !slice_eq_str(s->q->role, CONFINE_ROLE))
        engine_fail(s->r, 511, "UNKNOWN_ROLE", "there is no such role to take");
    else if (is_confined(s->q) && confine_text(s->q->text))
        engine_fail(s->r, CH_ACCESS_DENIED, "ACCESS_DENIED", "%s", confine_text(s->q->text));
    else if (s->q->param_count > ENGINE_PAIRS_MAX)
        engine_fail(s->r, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "more than %d parameters",
                    ENGINE_PAIRS_MAX);
    return !s->r->is_error;
}

/* The engine syncs the files of a new part, but neither the name it gives it in the table's folder
 * nor the log of deduplication tokens (seen with strace). Only after this an answer means "survives
 * power loss". A failure is one of the insert: the caller must not go on. */
static void make_durable(struct run *s)
{
    if (syncfs(s->e->data_fd) != 0)
        engine_fail(s->r, CH_INTERNAL, "STD_EXCEPTION", "the data folder could not be synced");
}

static void dispatch(struct run *s, struct slice format, const struct format_info *f)
{
    bool is_data = s->scan.kind == SQL_INSERT_DATA;
    if (is_data && !(s->scan.is_values && s->q->param_count && s->q->data.len == 0)) {
        run_insert(s);
        return;
    }
    if (s->scan.kind == SQL_OTHER && s->q->data.len)
        engine_fail(s->r, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "a body without an INSERT");
    else if (s->scan.kind == SQL_INSERT_SELECT && s->q->data.len)
        engine_fail(s->r, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED",
                    "INSERT … SELECT … FROM input() with a body is not available");
    else if (f)
        run_stream(s, format, f);
    else
        run_whole(s, format);
}

/* With this setting a result is one array, and chdb would begin a new one with every block. */
static bool wants_array(const struct engine_query *q)
{
    for (uint32_t i = 0; i < q->setting_count; i++)
        if (slice_eq_str(q->settings[i].name, "output_format_json_array_of_rows"))
            return true;
    return false;
}

void engine_run(struct engine *e, const struct engine_query *q, struct engine_result *ret)
{
    struct run s = {.e = e, .q = q, .r = ret};
    *ret = (struct engine_result){0};
    buf_init(&ret->error, ENGINE_ERROR_BYTES_MAX);
    s.scan = sql_scan(q->text);
    if (!is_allowed(&s) || is_cancelled(&s))
        return;
    struct slice format = s.scan.kind == SQL_OTHER && s.scan.format.len ? s.scan.format
                          : q->default_format.len                       ? q->default_format
                                                                        : SLICE_LIT("TabSeparated");
    bool is_streamed = s.scan.kind == SQL_OTHER && sql_is_select(q->text) && !wants_array(q);
    const struct format_info *f = is_streamed ? format_find(format) : NULL;
    snprintf(ret->format, sizeof(ret->format), "%.*s", SLICE_ARG(format));
    set_params(&s);
    struct chdb_session **conn = connect_for(&s, s.scan.kind == SQL_OTHER && !f);
    if (!conn) {
        engine_fail(ret, CH_INTERNAL, "STD_EXCEPTION", "the engine gave no connection");
        return;
    }
    s.session = *conn;
    if (set_up(&s))
        dispatch(&s, format, f);
    if (!ret->is_error && !f && q->readonly == 0 && !sql_is_select(q->text))
        make_durable(&s);
    e->chdb.close(conn);
}

/* ---- the engine ---- */
void engine_kill(struct engine *e, const char *id)
{
    char sql[ENGINE_ID_BYTES + 128];
    int n = snprintf(sql, sizeof(sql), "KILL QUERY WHERE Settings['log_comment'] = '%s' ASYNC", id);
    pthread_mutex_lock(&e->boot_lock);
    struct chdb_result *r =
        e->chdb.query(*e->boot, sql, (size_t)n, "Null", 4, NULL, NULL, NULL, NULL, 0);
    if (r)
        e->chdb.result_destroy(r);
    pthread_mutex_unlock(&e->boot_lock);
}

static void ask(struct engine *e, const char *sql, char *ret, size_t ret_bytes)
{
    struct chdb_result *r =
        e->chdb.query(*e->boot, sql, strlen(sql), "TSV", 3, NULL, NULL, NULL, NULL, 0);
    if (r && !e->chdb.result_error(r) && e->chdb.result_length(r))
        snprintf(ret, ret_bytes, "%.*s", (int)e->chdb.result_length(r) - 1,
                 e->chdb.result_buffer(r));
    if (r)
        e->chdb.result_destroy(r);
}

static enum rc boot(struct engine *e, const struct store_child_cfg *cfg, struct err *err)
{
    char config_arg[OS_PATH_MAX + 32], name[] = "weir", comment[] = "--log_comment=weir-control";
    char path[OS_PATH_MAX];
    os_path(e->path_arg, "--path=%s/db", cfg->data_dir);
    os_path(path, "%s/etc/config.xml", cfg->data_dir);
    snprintf(config_arg, sizeof(config_arg), "--config-file=%s", path);
    char *argv[] = {name, e->path_arg, config_arg, comment};
    e->boot = e->chdb.connect((int)COUNT_OF(argv), argv);
    if (!e->boot)
        return err_set(err, RC_UNAVAILABLE,
                       "the engine does not start on %s (another process on "
                       "it? see its message above)",
                       cfg->data_dir);
    snprintf(e->version, sizeof(e->version), "%s", e->chdb.version());
    snprintf(e->timezone, sizeof(e->timezone), "UTC");
    ask(e, "SELECT version()", e->version, sizeof(e->version));
    ask(e, "SELECT timezone()", e->timezone, sizeof(e->timezone));
    return RC_OK;
}

enum rc engine_open(const struct store_child_cfg *cfg, struct engine **ret_engine, struct err *err)
{
    char library[OS_PATH_MAX], path[OS_PATH_MAX];
    if (cfg->library)
        os_path(library, "%s", cfg->library);
    else
        TRY(store_library_find(library, sizeof(library), err));
    TRY(engine_config_write(cfg, err));
    uint32_t tokens;
    int data_fd = -1;
    TRY(heal_deduplication(os_path(path, "%s/db", cfg->data_dir), &tokens, err));
    if (tokens)
        log_warn("tokens of inserts that a crash interrupted were taken back",
                 LOG_U64("tokens", tokens));
    TRY(os_open(cfg->data_dir, O_RDONLY | O_DIRECTORY, &data_fd, err));
    struct engine *e = heap_alloc(HEAP_STORE, sizeof(*e));
    e->data_fd = data_fd;
    pthread_mutex_init(&e->boot_lock, NULL);
    enum rc rc = chdb_load(library, &e->chdb, err);
    if (rc == RC_OK) {
        e->chdb.set_signal_handlers(0);
        rc = boot(e, cfg, err);
    }
    if (rc != RC_OK) {
        os_close(data_fd);
        heap_free(e);
        return rc;
    }
    *ret_engine = e;
    return RC_OK;
}

const char *engine_version(const struct engine *e)
{
    return e->version;
}

const char *engine_timezone(const struct engine *e)
{
    return e->timezone;
}
