/* Supervisor, child and client together, with the real engine. argv[1]: the child's executable.
 * Exit 77 without libchdb, and in a build with a sanitizer: the engine brings its own allocator and
 * does not load beside one. There WEIR_STORE_CHILD names a child of a plain build, and supervisor
 * and client are what is looked at. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "store/child.h"
#include "store/store.h"

static const char *executable;
static char library[OS_PATH_MAX];

struct world {
    char dir[64];
    char data[128], socket[128];
    struct store_child_cfg cfg;
    struct store_cfg client_cfg;
    struct store_supervisor *supervisor;
    struct store_client *client;
};

static void world_up(struct world *w)
{
    struct err err = ERR_INIT;
    must(store_supervisor_start(&w->cfg, &w->supervisor, &err) == RC_OK);
    if (store_supervisor_wait(w->supervisor, 60000, &err) != RC_OK)
        fail_msg("%s", err.text);
}

static int world_start(void **state)
{
    struct world *w = heap_alloc(HEAP_STORE, sizeof(*w));
    struct err err = ERR_INIT;
    strcpy(w->dir, "/tmp/weir-store-XXXXXX");
    must(mkdtemp(w->dir) != NULL);
    snprintf(w->data, sizeof(w->data), "%s/store", w->dir);
    snprintf(w->socket, sizeof(w->socket), "%s/s", w->dir);
    w->cfg = (struct store_child_cfg){.executable = executable,
                                      .data_dir = w->data,
                                      .socket_path = w->socket,
                                      .library = library,
                                      .memory_bytes_max = 1500ull << 20,
                                      .query_memory_bytes_max = 600ull << 20,
                                      .query_seconds_max = 30};
    w->client_cfg = (struct store_cfg){
        .url = "http://localhost", .unix_socket = w->socket, .database = "default"};
    must(store_client_new(&w->client_cfg, &w->client, &err) == RC_OK);
    world_up(w);
    *state = w;
    return 0;
}

static int world_end(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    store_supervisor_stop(w->supervisor);
    store_client_free(w->client);
    must(os_remove_tree(w->dir, &err) == RC_OK);
    heap_free(w);
    return 0;
}

static void exec(struct world *w, const char *sql)
{
    struct err err = ERR_INIT;
    if (store_exec(w->client, sql, &err) != RC_OK)
        fail_msg("%s: %s", sql, err.text);
}

static uint64_t number(struct world *w, const char *sql)
{
    struct err err = ERR_INIT;
    struct buf out;
    uint64_t value = 0;
    const struct store_query q = {.sql = sql, .format = "TSV", .read_only = true};
    buf_init(&out, 1024);
    if (store_query(NULL, w->client, &q, &out, NULL, NULL, &err) != RC_OK)
        fail_msg("%s: %s", sql, err.text);
    struct slice text = buf_slice(&out);
    if (!slice_to_u64(slice_cut(&text, '\n'), &value))
        fail_msg("no number: %s", buf_cstr(&out));
    buf_done(&out);
    return value;
}

static int refused(struct world *w, const struct store_query *q)
{
    struct err err = ERR_INIT;
    int code = 0;
    assert_int_equal(store_query(NULL, w->client, q, NULL, NULL, &code, &err), RC_STORE);
    return code;
}

/* rows of (a UInt64, b String) with every byte value, ';' and line ends among them */
static void add_rows(struct buf *b, uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++) {
        char text[5] = {(char)i, ';', '\n', 0, (char)(i >> 8)};
        buf_add(b, &i, 8);
        buf_add_char(b, 5);
        buf_add(b, text, 5);
    }
}

static void rows_of_any_byte_come_back(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct store_summary summary;
    struct buf body, out;
    buf_init(&body, 64 << 20);
    buf_init(&out, 64 << 20);
    add_rows(&body, 0, 100000);
    exec(w, "CREATE TABLE bytes (a UInt64, b String, c String DEFAULT 'd') ENGINE = MergeTree "
            "ORDER BY a");
    assert_int_equal(store_insert(w->client, "bytes", "a, b", "RowBinary", buf_slice(&body), NULL,
                                  &summary, NULL, &err),
                     RC_OK);
    assert_int_equal(summary.written_rows, 100000);
    const struct store_query q = {.sql = "SELECT a, b FROM bytes ORDER BY a",
                                  .format = "RowBinary"};
    assert_int_equal(store_query(NULL, w->client, &q, &out, NULL, NULL, &err), RC_OK);
    assert_int_equal(out.len, body.len);
    assert_memory_equal(out.data, body.data, body.len);
    assert_int_equal(number(w, "SELECT countIf(c = 'd') FROM bytes"), 100000);
    buf_done(&body);
    buf_done(&out);
}

static void a_token_is_taken_once(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct buf body;
    buf_init(&body, 1 << 20);
    add_rows(&body, 0, 1000);
    exec(w, "CREATE TABLE once (a UInt64, b String) ENGINE = MergeTree ORDER BY a");
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_insert(w->client, "once", NULL, "RowBinary", buf_slice(&body),
                                      "events/0/0-999", NULL, NULL, &err),
                         RC_OK);
    assert_int_equal(number(w, "SELECT count() FROM once"), 1000);
    assert_int_equal(store_insert(w->client, "once", NULL, "RowBinary", buf_slice(&body),
                                  "events/0/1000-1999", NULL, NULL, &err),
                     RC_OK);
    assert_int_equal(number(w, "SELECT count() FROM once"), 2000);
    kill(store_supervisor_pid(w->supervisor), SIGKILL); /* and the window outlives the process */
    while (store_supervisor_restarts(w->supervisor) == 0 || !store_supervisor_is_up(w->supervisor))
        sleep_ms(5);
    assert_int_equal(store_insert(w->client, "once", NULL, "RowBinary", buf_slice(&body),
                                  "events/0/0-999", NULL, NULL, &err),
                     RC_OK);
    assert_int_equal(number(w, "SELECT count() FROM once"), 2000);
    buf_done(&body);
}

static enum rc insert_until_it_is_in(struct world *w, const struct buf *body, const char *token,
                                     int *failures)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 2000; i++) {
        enum rc rc = store_insert(w->client, "killed", NULL, "RowBinary", buf_slice(body), token,
                                  NULL, NULL, &err);
        if (rc == RC_OK)
            return rc;
        if (rc == RC_STORE)
            fail_msg("%s", err.text);
        ++*failures;
        sleep_ms(20); /* the child is being started again */
    }
    return RC_TIMEOUT;
}

struct killer {
    struct world *w;
    atomic_bool is_done;
    int kills;
};
static void *kill_often(void *ctx)
{
    struct killer *k = ctx;
    for (int64_t wait_ms = 30; !atomic_load(&k->is_done); wait_ms = wait_ms * 7 % 97) {
        struct err err = ERR_INIT;
        if (store_supervisor_wait(k->w->supervisor, 30000, &err) != RC_OK)
            break;
        sleep_ms(wait_ms);
        int pid = store_supervisor_pid(k->w->supervisor);
        if (pid > 0 && !atomic_load(&k->is_done) && k->kills < 5) {
            kill(pid, SIGKILL);
            k->kills++;
            uint64_t restarts = store_supervisor_restarts(k->w->supervisor);
            while (store_supervisor_restarts(k->w->supervisor) == restarts &&
                   !atomic_load(&k->is_done))
                sleep_ms(5);
        }
    }
    return NULL;
}

static void kill_9_in_inserts_and_repeats_lose_and_double_nothing(void **state)
{
    struct world *w = *state;
    struct killer k = {.w = w};
    struct buf body;
    pthread_t thread;
    int failures = 0;
    uint64_t batch = 0;
    buf_init(&body, 64 << 20);
    exec(w, "CREATE TABLE killed (a UInt64, b String) ENGINE = MergeTree ORDER BY a");
    must(pthread_create(&thread, NULL, kill_often, &k) == 0);
    for (; batch < 20 || (failures < 3 && batch < 400); batch++) {
        char token[64];
        snprintf(token, sizeof(token), "events/0/%llu", (unsigned long long)batch);
        buf_clear(&body);
        add_rows(&body, batch * 50000, 50000);
        assert_int_equal(insert_until_it_is_in(w, &body, token, &failures), RC_OK);
    }
    atomic_store(&k.is_done, true);
    pthread_join(thread, NULL);
    assert_true(failures > 0);
    assert_int_equal(number(w, "SELECT count() FROM killed"), batch * 50000);
    assert_int_equal(number(w, "SELECT uniqExact(a) FROM killed"), batch * 50000);
    buf_done(&body);
}

/* A large insert is one file for all columns, which only a merge takes apart; and a text is one
 * stream: engine_config.c says why. */
static void an_insert_makes_few_files(void **state)
{
    struct world *w = *state;
    exec(w, "CREATE TABLE few (a UInt64, b String) ENGINE = MergeTree ORDER BY a");
    exec(w, "SYSTEM STOP MERGES few");
    exec(w, "INSERT INTO few SELECT number, repeat('b', 200) FROM numbers(100000)");
    assert_int_equal(number(w, "SELECT count() FROM system.parts WHERE table = 'few' AND active "
                               "AND part_type = 'Compact' AND data_uncompressed_bytes > 20000000"),
                     1);
    exec(w, "SYSTEM START MERGES few");
    exec(w, "OPTIMIZE TABLE few FINAL");
    assert_int_equal(number(w, "SELECT count() FROM system.parts WHERE table = 'few' AND active "
                               "AND part_type = 'Wide'"),
                     1);
    assert_int_equal(number(w, "SELECT sum(length(substreams)) FROM system.parts_columns WHERE "
                               "table = 'few' AND active"),
                     2);
}

static void settings_do_not_leak(void **state)
{
    struct world *w = *state;
    const struct store_setting settings[] = {{"max_block_size", "77"}};
    const struct store_query q = {.sql = "SELECT throwIf(getSetting('max_block_size') != 77)",
                                  .format = "TSV",
                                  .settings = settings,
                                  .setting_count = 1};
    struct err err = ERR_INIT;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(store_query(NULL, w->client, &q, NULL, NULL, NULL, &err), RC_OK);
        assert_int_not_equal(number(w, "SELECT getSetting('max_block_size')"), 77);
    }
}

static void read_only_is_enforced(void **state)
{
    struct world *w = *state;
    const struct store_query q = {.sql = "CREATE TABLE ro (a UInt8) ENGINE = Memory",
                                  .read_only = true};
    assert_int_equal(refused(w, &q), 164);
}

static void limits_hold(void **state)
{
    struct world *w = *state;
    const struct store_setting big[] = {{"max_memory_usage", "900000000000"}};
    const struct store_query raise = {.sql = "SELECT 1", .settings = big, .setting_count = 1};
    const struct store_query fat = {
        .sql = "SELECT length(groupArray(number)) FROM numbers(1000000000)", .format = "TSV"};
    const struct store_setting second[] = {{"max_execution_time", "1"}};
    const struct store_query slow = {.sql =
                                         "SELECT sum(sipHash64(number)) FROM numbers(900000000000)",
                                     .format = "TSV",
                                     .settings = second,
                                     .setting_count = 1};
    assert_int_equal(refused(w, &raise), 452);
    assert_int_equal(refused(w, &fat), 241);
    assert_int_equal(refused(w, &slow), 159);
    assert_int_equal(number(w, "SELECT 1"), 1);
    assert_int_equal(store_supervisor_restarts(w->supervisor), 0);
}

static void parameters_come_through_unchanged(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct buf out;
    char value[256];
    for (int i = 0; i < 256; i++)
        value[i] = (char)i;
    const struct store_param params[] = {{"v", slice_of(value, sizeof(value))}};
    const struct store_query q = {
        .sql = "SELECT {v:String}", .format = "RawBLOB", .params = params, .param_count = 1};
    buf_init(&out, 4096);
    assert_int_equal(store_query(NULL, w->client, &q, &out, NULL, NULL, &err), RC_OK);
    assert_int_equal(out.len, sizeof(value));
    assert_memory_equal(out.data, value, sizeof(value));
    buf_done(&out);
}

static void a_late_error_is_an_error(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct buf out;
    int code = 0;
    const struct store_query q = {
        .sql = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)",
        .format = "JSONEachRow"};
    buf_init(&out, 512 << 20);
    assert_int_equal(store_query(NULL, w->client, &q, &out, NULL, &code, &err), RC_STORE);
    assert_int_equal(code, 395);
    assert_null(memmem(out.data, out.len, "__exception__", 13));
    buf_done(&out);
}

static const char *const one[] = {
    "CREATE TABLE IF NOT EXISTS m.a (x UInt8) ENGINE = MergeTree ORDER BY x", NULL};
static const char *const two[] = {
    "CREATE TABLE IF NOT EXISTS m.b (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE TABLE IF NOT EXISTS m.c (x UInt8) ENGINE = MergeTree ORDER BY y", NULL};
static const char *const two_good[] = {
    "CREATE TABLE IF NOT EXISTS m.b (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE TABLE IF NOT EXISTS m.c (x UInt8) ENGINE = MergeTree ORDER BY x", NULL};

static void migrations_go_on_where_they_were_interrupted(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    const struct store_cfg cfg = {
        .url = "http://localhost", .unix_socket = w->socket, .database = "m"};
    const struct store_migration bad[] = {{1, "first", one}, {2, "second", two}};
    const struct store_migration good[] = {{1, "first", one}, {2, "second", two_good}};
    const struct store_migration other[] = {{1, "other", one}, {2, "second", two_good}};
    struct store_client *c;
    assert_int_equal(store_client_new(&cfg, &c, &err), RC_OK);
    assert_int_equal(store_migrate(c, "m", bad, 2, &err), RC_STORE);
    assert_non_null(strstr(err.text, "migration 2 (second)"));
    assert_int_equal(number(w, "SELECT count() FROM m.schema_migrations"), 1);
    assert_int_equal(store_migrate(c, "m", good, 2, &err), RC_OK);
    assert_int_equal(store_migrate(c, "m", good, 2, &err), RC_OK);
    assert_int_equal(number(w, "SELECT count() FROM m.schema_migrations"), 2);
    assert_int_equal(store_migrate(c, "m", good, 1, &err), RC_CONFLICT); /* an older program */
    assert_int_equal(store_migrate(c, "m", other, 2, &err), RC_CONFLICT);
    store_client_free(c);
}

static void a_hanging_child_is_replaced(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    int pid = store_supervisor_pid(w->supervisor);
    kill(pid, SIGSTOP);
    while (store_supervisor_pid(w->supervisor) == pid)
        sleep_ms(50);
    assert_int_equal(store_supervisor_wait(w->supervisor, 30000, &err), RC_OK);
    assert_int_equal(number(w, "SELECT 1"), 1);
}

static void two_children_on_one_folder_are_refused(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct store_supervisor *second;
    struct store_child_cfg cfg = w->cfg;
    char socket[128];
    snprintf(socket, sizeof(socket), "%s/s2", w->dir);
    cfg.socket_path = socket;
    assert_int_equal(store_supervisor_start(&cfg, &second, &err), RC_OK);
    while (store_supervisor_restarts(second) == 0)
        sleep_ms(10);
    assert_false(store_supervisor_is_up(second));
    assert_int_equal(store_supervisor_wait(second, 100, &err), RC_TIMEOUT);
    store_supervisor_stop(second);
    assert_int_equal(number(w, "SELECT 1"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, world_start, world_end)
        WITH_WORLD(rows_of_any_byte_come_back),
        WITH_WORLD(a_token_is_taken_once),
        WITH_WORLD(kill_9_in_inserts_and_repeats_lose_and_double_nothing),
        WITH_WORLD(an_insert_makes_few_files),
        WITH_WORLD(settings_do_not_leak),
        WITH_WORLD(read_only_is_enforced),
        WITH_WORLD(limits_hold),
        WITH_WORLD(parameters_come_through_unchanged),
        WITH_WORLD(a_late_error_is_an_error),
        WITH_WORLD(migrations_go_on_where_they_were_interrupted),
        WITH_WORLD(a_hanging_child_is_replaced),
        WITH_WORLD(two_children_on_one_folder_are_refused),
    };
    struct err err = ERR_INIT;
    if (argc != 2 || store_library_find(library, sizeof(library), &err) != RC_OK) {
        fprintf(stderr, "skipped: %s\n", argc == 2 ? err.text : "no child given");
        return 77;
    }
    executable = argv[1];
#ifdef WEIR_SANITIZED
    executable = getenv("WEIR_STORE_CHILD");
    if (!executable) {
        fprintf(stderr,
                "skipped: the engine does not load beside a sanitizer (WEIR_STORE_CHILD)\n");
        return 77;
    }
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
