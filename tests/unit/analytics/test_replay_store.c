#include "test_replay_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "store/engine_int.h"

struct store_client {
    struct store_cfg cfg;
};
struct engine_store engine_store;
static struct engine *engine;

/* RC_NOTFOUND: libchdb is not there. */
static enum rc open_engine(const char *dir, struct err *err)
{
    char path[1024];
    if (store_library_find(path, sizeof(path), err) != RC_OK)
        return RC_NOTFOUND;
    static char library[1024];
    snprintf(library, sizeof(library), "%s", path);
    struct store_child_cfg cfg = {.data_dir = dir, .library = library, .threads_max = 2};
    return engine_open(&cfg, &engine, err);
}

enum rc store_client_new(const struct store_cfg *cfg, struct store_client **ret_client,
                         struct err *err)
{
    (void)err;
    *ret_client = heap_alloc(HEAP_MISC, sizeof(**ret_client));
    (*ret_client)->cfg = *cfg;
    return RC_OK;
}

void store_client_free(struct store_client *c)
{
    heap_free(c);
}

struct sink {
    const struct store_query *query;
    struct buf *out;
};

static enum rc take(void *ctx, struct slice format, struct slice piece)
{
    (void)format;
    struct sink *s = ctx;
    if (s->query && s->query->on_data)
        return s->query->on_data(s->query->ctx, piece);
    if (s->out)
        buf_add_slice(s->out, piece);
    return RC_OK;
}

static enum rc run(struct engine_query *q, const struct store_query *query, struct buf *out,
                   int *ret_code, struct err *err)
{
    static uint64_t id;
    struct sink sink = {query, out};
    struct engine_result result;
    bool fails = ++engine_store.calls == engine_store.fail_at;
    if (fails && engine_store.truncate_work) {
        struct engine_query empty = {.text = slice_str(engine_store.truncate_work)};
        engine_store.fail_at = 0;
        TRY(run(&empty, NULL, NULL, NULL, err));
        fails = false;
    }
    if (fails && !engine_store.is_late)
        return err_set(err, RC_UNAVAILABLE, "injected failure before the statement");
    q->database =
        strncmp(q->text.data, "CREATE DATABASE", 15) == 0 ? SLICE_EMPTY : SLICE_LIT("weir");
    q->on_data = take;
    q->ctx = &sink;
    snprintf(q->id, sizeof(q->id), "test-%llu", (unsigned long long)++id);
    engine_run(engine, q, &result);
    enum rc rc = RC_OK;
    if (result.is_error) {
        rc = err_set(err, RC_STORE, "%.200s in: %.*s", buf_cstr(&result.error), SLICE_ARG(q->text));
        if (ret_code)
            *ret_code = result.code;
    }
    engine_result_done(&result);
    if (rc == RC_OK && fails)
        return err_set(err, RC_TIMEOUT, "injected failure after the statement");
    return rc;
}

enum { PAIRS_MAX = 32 };

enum rc store_query(struct ctx *ctx, struct store_client *c, const struct store_query *query,
                    struct buf *out, struct store_summary *ret_summary, int *ret_code,
                    struct err *err)
{
    (void)ctx, (void)c, (void)ret_summary;
    struct engine_pair params[PAIRS_MAX], settings[PAIRS_MAX];
    must(query->param_count <= PAIRS_MAX && query->setting_count <= PAIRS_MAX);
    for (uint32_t i = 0; i < query->param_count; i++)
        params[i] = (struct engine_pair){slice_str(query->params[i].name), query->params[i].value};
    for (uint32_t i = 0; i < query->setting_count; i++)
        settings[i] = (struct engine_pair){slice_str(query->settings[i].name),
                                           slice_str(query->settings[i].value)};
    struct engine_query q = {.text = slice_str(query->sql),
                             .default_format = slice_str(query->format),
                             .params = params,
                             .param_count = query->param_count,
                             .settings = settings,
                             .setting_count = query->setting_count,
                             .readonly = query->read_only ? 2 : 0};
    return run(&q, query, out, ret_code, err);
}

enum rc store_exec(struct store_client *c, const char *sql, struct err *err)
{
    return store_query(NULL, c, &(struct store_query){.sql = sql}, NULL, NULL, NULL, err);
}

enum rc store_insert(struct store_client *c, const char *table, const char *columns,
                     const char *format, struct slice body, const char *token,
                     struct store_summary *ret_summary, int *ret_code, struct err *err)
{
    (void)c, (void)ret_summary;
    char sql[4096];
    int n = snprintf(sql, sizeof(sql), "INSERT INTO %s (%s) FORMAT %s", table, columns, format);
    must(n > 0 && (size_t)n < sizeof(sql));
    struct engine_pair setting = {SLICE_LIT("insert_deduplication_token"), slice_str(token)};
    struct engine_query q = {.text = slice_str(sql),
                             .data = body,
                             .data_bytes_max = 1 << 30,
                             .settings = &setting,
                             .setting_count = token ? 1 : 0};
    return run(&q, NULL, NULL, ret_code, err);
}

uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static int run_in_engine(const char *root, struct store_client **ret_client, int (*run_all)(void))
{
    const struct store_cfg store = {0};
    struct err err = ERR_INIT;
    enum rc rc = open_engine(root, &err);
    if (rc != RC_OK) {
        fprintf(stderr, "skipped: %s\n", err.text);
        return rc == RC_NOTFOUND ? 77 : 1;
    }
    must(store_client_new(&store, ret_client, &err) == RC_OK);
    must(store_exec(*ret_client, "CREATE DATABASE IF NOT EXISTS weir", &err) == RC_OK);
    int failed = run_all();
    store_client_free(*ret_client);
    return failed;
}

int engine_store_main(const char *name, char root[OS_PATH_MAX], struct store_client **ret_client,
                      int (*run_all)(void))
{
    struct err err = ERR_INIT;
    const char *base = getenv("TMPDIR");
    if (!base) /* nothing here is about durability, and a sync costs nothing in memory */
        base = os_is_dir("/dev/shm") ? "/dev/shm" : "/tmp";
    snprintf(root, OS_PATH_MAX, "%s/weir-%s-%016llx", base, name, (unsigned long long)random_u64());
    must(os_mkdirs(root, &err) == RC_OK);
    fflush(NULL);
    /* The engine goes on writing until its process ends: who removes is not it. */
    pid_t child = fork();
    must(child >= 0);
    if (child > 0) {
        int status = 0;
        waitpid(child, &status, 0);
        must(os_remove_tree(root, &err) == RC_OK);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    int failed = run_in_engine(root, ret_client, run_all);
    fflush(NULL);
    _exit(failed); /* the engine's threads outlive main(); its destructors do not like that */
}
