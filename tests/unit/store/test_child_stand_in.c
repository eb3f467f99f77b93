/* The child's own code under every build, sanitizers too: it loads chdb_stand_in.c in place of the
 * engine (its header says which word of a statement does what). argv[1]: the child's executable,
 * argv[2]: the library. A child that a sanitizer ended was started again, and that is looked at in
 * the end of each test. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "store/child.h"
#include "store/store.h"

static const char *executable, *library;
struct world {
    char dir[64], data[128], socket[128];
    struct store_cfg client_cfg;
    struct store_supervisor *supervisor;
    struct store_client *client;
    uint64_t deaths; /* expected */
};

static int world_start(void **state)
{
    struct world *w = heap_alloc(HEAP_STORE, sizeof(*w));
    struct err err = ERR_INIT;
    strcpy(w->dir, "/tmp/weir-stand-in-XXXXXX");
    must(mkdtemp(w->dir) != NULL);
    snprintf(w->data, sizeof(w->data), "%s/store", w->dir);
    snprintf(w->socket, sizeof(w->socket), "%s/s", w->dir);
    const struct store_child_cfg cfg = {.executable = executable,
                                        .data_dir = w->data,
                                        .socket_path = w->socket,
                                        .library = library,
                                        .nice = 3};
    w->client_cfg = (struct store_cfg){
        .url = "http://localhost", .unix_socket = w->socket, .database = "default"};
    must(store_client_new(&w->client_cfg, &w->client, &err) == RC_OK);
    must(store_supervisor_start(&cfg, &w->supervisor, &err) == RC_OK);
    if (store_supervisor_wait(w->supervisor, 60000, &err) != RC_OK)
        fail_msg("%s", err.text);
    *state = w;
    return 0;
}

static int world_end(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    uint64_t restarts = store_supervisor_restarts(w->supervisor);
    bool was_up = store_supervisor_is_up(w->supervisor);
    store_supervisor_stop(w->supervisor);
    store_client_free(w->client);
    bool is_as_expected = was_up && restarts == w->deaths;
    must(os_remove_tree(w->dir, &err) == RC_OK);
    heap_free(w);
    return is_as_expected ? 0 : -1;
}

static enum rc ask_with(struct store_client *c, const struct store_query *q, struct buf *out,
                        int *ret_code)
{
    struct err err = ERR_INIT;
    buf_clear(out);
    return store_query(NULL, c, q, out, NULL, ret_code, &err);
}

static enum rc ask(struct world *w, const char *sql, struct buf *out, int *ret_code)
{
    const struct store_query q = {.sql = sql, .format = "TSV"};
    return ask_with(w->client, &q, out, ret_code);
}

static uint64_t count(struct world *w, const char *what)
{
    CLEANUP(buf_done) struct buf out;
    char sql[64];
    uint64_t n = 0;
    buf_init(&out, 1024);
    snprintf(sql, sizeof(sql), "SELECT count=%s", what);
    assert_int_equal(ask(w, sql, &out, NULL), RC_OK);
    assert_true(slice_to_u64(buf_slice(&out), &n));
    return n;
}

static void settings_and_parameters_reach_the_engine(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_done) struct buf out;
    int code = 0;
    buf_init(&out, 1 << 20);
    const struct store_param params[] = {{"a", SLICE_LIT("it's {x}")},
                                         {"b", SLICE_LIT("tab\tnl\n\\")}};
    struct store_setting settings[] = {{"max_threads", "3"}, {"s", "quote ' and \\"}};
    struct store_query q = {.sql = "SELECT echo",
                            .format = "JSONCompact",
                            .params = params,
                            .param_count = COUNT_OF(params),
                            .settings = settings,
                            .setting_count = COUNT_OF(settings),
                            .read_only = true};
    assert_int_equal(ask_with(w->client, &q, &out, NULL), RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "SET max_threads = '3', s = 'quote \\' and \\\\'"));
    assert_non_null(strstr(buf_cstr(&out), ", readonly = 2"));
    assert_non_null(strstr(buf_cstr(&out), "format=JSONCompact\n"));
    assert_non_null(strstr(buf_cstr(&out), "{a}=it's {x}\n"));
    assert_non_null(strstr(buf_cstr(&out), "{b}=tab\\tnl\\n\\\\\n")); /* TSV escapes, as sent */
    q.setting_count = 0;
    assert_int_equal(ask_with(w->client, &q, &out, NULL), RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "--readonly=2\n"));
    assert_null(strstr(buf_cstr(&out), "SET "));
    q.setting_count = 1;
    settings[0] = (struct store_setting){"no_such", "1"};
    assert_int_equal(ask_with(w->client, &q, &out, &code), RC_STORE);
    assert_int_equal(code, 115);
    settings[0] = (struct store_setting){"a = 1, b", "1"}; /* no way into the SET */
    assert_int_equal(ask_with(w->client, &q, &out, &code), RC_STORE);
    assert_int_equal(code, 115);
    assert_int_equal(ask(w, "SELECT echo INTO OUTFILE 'x'", &out, &code), RC_STORE);
    assert_int_equal(code, 497);
    assert_int_equal(ask(w, "SELECT 1; SELECT 2", &out, &code), RC_STORE);
    assert_int_equal(code, 62);
}

static void a_result_of_any_size_comes_whole(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_done) struct buf out;
    static const size_t sizes[] = {0, 1, 99999, 100000, 262144, 262145, 400000, 20000000};
    buf_init(&out, 32 << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int whole = 0; whole < 2; whole++) {
            char sql[64];
            snprintf(sql, sizeof(sql), "%s bytes=%zu", whole ? "SHOW" : "SELECT", sizes[i]);
            assert_int_equal(ask(w, sql, &out, NULL), RC_OK);
            assert_int_equal(out.len, sizes[i]);
            for (size_t k = 0; k < out.len; k += 997)
                assert_int_equal(out.data[k], 'x');
        }
}

static void an_error_is_one_before_and_behind_the_first_byte(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_done) struct buf out;
    static const char *const statements[] = {"SELECT bytes=10 fail=1", "SHOW bytes=10 fail=1",
                                             "SELECT bytes=300000 fail=150000",
                                             "SELECT bytes=9000000 fail=8000000"};
    buf_init(&out, 32 << 20);
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        int code = 0;
        assert_int_equal(ask(w, statements[i], &out, &code), RC_STORE);
        assert_int_equal(code, 241);
    }
    assert_int_equal(ask(w, "SELECT null", &out, NULL), RC_STORE);
    assert_int_equal(ask(w, "SHOW null", &out, NULL), RC_STORE);
}

static void inserts_take_every_byte_and_say_what_failed(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct store_summary summary;
    int code = 0;
    size_t n = 20 << 20;
    char *body = malloc(n);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)(i * 7);
    static const size_t sizes[] = {1, 100, 1 << 20, (1 << 20) + 1, 20 << 20};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(store_insert(w->client, "t", "a", "RowBinary", slice_of(body, sizes[i]),
                                      "token';", &summary, NULL, &err),
                         RC_OK);
        assert_int_equal(summary.written_rows, sizes[i]);
    }
    assert_int_equal(store_insert(w->client, "`fail=3000000`", NULL, "Native", slice_of(body, n),
                                  NULL, NULL, &code, &err),
                     RC_STORE);
    assert_int_equal(code, 27);
    assert_int_equal(store_insert(w->client, "unknown_table", NULL, "Native", slice_of(body, n),
                                  NULL, NULL, &code, &err),
                     RC_STORE);
    assert_int_equal(code, 60);
    free(body);
}

static void a_select_that_nobody_waits_for_is_killed(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_done) struct buf out;
    struct store_cfg impatient = w->client_cfg;
    struct store_client *c;
    struct err err = ERR_INIT;
    buf_init(&out, 1024);
    impatient.timeout_ms = 50;
    for (uint64_t i = 1; i <= 5; i++) {
        must(store_client_new(&impatient, &c, &err) == RC_OK);
        const struct store_query q = {.sql = "SELECT wait", .format = "TSV"};
        assert_int_equal(ask_with(c, &q, &out, NULL), RC_TIMEOUT);
        store_client_free(c);
        while (count(w, "kills") < i)
            sleep_ms(1);
    }
    while (count(w, "connects") - count(w, "closes") > 2) /* boot, and the one that asks */
        sleep_ms(1);
}

static void a_crash_costs_the_statement_and_one_restart(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_done) struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, 1024);
    static const char *const statements[] = {"SELECT crash", "SHOW crash"};
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        assert_int_equal(ask(w, statements[i], &out, NULL), RC_UNAVAILABLE);
        w->deaths++;
        while (store_supervisor_restarts(w->supervisor) < w->deaths)
            sleep_ms(1);
        if (store_supervisor_wait(w->supervisor, 60000, &err) != RC_OK)
            fail_msg("%s", err.text);
        assert_int_equal(count(w, "kills"), 0);
    }
}

struct caller {
    struct world *w;
    pthread_t thread;
    uint32_t number;
    atomic_uint *wrong;
};
static void *call_often(void *ctx)
{
    struct caller *me = ctx;
    CLEANUP(buf_done) struct buf out;
    struct store_client *c;
    struct err err = ERR_INIT;
    buf_init(&out, 4 << 20);
    must(store_client_new(&me->w->client_cfg, &c, &err) == RC_OK);
    for (uint32_t i = 0; i < 30; i++) {
        char sql[64];
        size_t bytes = (size_t)(i * 37 + me->number) * 1000;
        bool fails = i % 5 == 4;
        snprintf(sql, sizeof(sql), "%s bytes=%zu fail=%zu", i % 2 ? "SELECT" : "SHOW", bytes,
                 fails ? 0 : bytes);
        const struct store_query q = {.sql = sql, .format = "TSV"};
        enum rc rc = ask_with(c, &q, &out, NULL);
        if (fails ? rc != RC_STORE : rc != RC_OK || out.len != bytes)
            atomic_fetch_add(me->wrong, 1);
        if (i % 3 == 0 &&
            store_insert(c, "t", NULL, "Native", slice_str(sql), sql, NULL, NULL, &err) != RC_OK)
            atomic_fetch_add(me->wrong, 1);
    }
    store_client_free(c);
    return NULL;
}

/* Results that the child holds, but for what asking costs, which is always the same. */
static uint64_t held_results(struct world *w)
{
    uint64_t destroyed = count(w, "destroyed");
    return count(w, "results") - destroyed;
}

static void many_callers_do_not_meet(void **state)
{
    struct world *w = *state;
    struct caller callers[8];
    atomic_uint wrong = 0;
    uint64_t held = held_results(w);
    for (uint32_t i = 0; i < COUNT_OF(callers); i++) {
        callers[i] = (struct caller){.w = w, .number = i, .wrong = &wrong};
        must(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]) == 0);
    }
    for (uint32_t i = 0; i < COUNT_OF(callers); i++)
        pthread_join(callers[i].thread, NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(held_results(w), held);
}

static void the_whole_process_steps_back(void **state)
{
    struct world *w = *state;
    char path[64];
    uint32_t threads = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", store_supervisor_pid(w->supervisor));
    DIR *dir = opendir(path);
    must(dir != NULL);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') {
            errno = 0;
            int nice = getpriority(PRIO_PROCESS, (id_t)atoi(e->d_name));
            if (errno == 0) {
                assert_true(nice >= 3);
                threads++;
            }
        }
    closedir(dir);
    assert_true(threads > 3);
}

int main(int argc, char **argv)
{
    must(argc > 2);
    executable = argv[1];
    library = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_and_parameters_reach_the_engine, world_start,
                                        world_end),
        cmocka_unit_test_setup_teardown(a_result_of_any_size_comes_whole, world_start, world_end),
        cmocka_unit_test_setup_teardown(an_error_is_one_before_and_behind_the_first_byte,
                                        world_start, world_end),
        cmocka_unit_test_setup_teardown(inserts_take_every_byte_and_say_what_failed, world_start,
                                        world_end),
        cmocka_unit_test_setup_teardown(a_select_that_nobody_waits_for_is_killed, world_start,
                                        world_end),
        cmocka_unit_test_setup_teardown(a_crash_costs_the_statement_and_one_restart, world_start,
                                        world_end),
        cmocka_unit_test_setup_teardown(many_callers_do_not_meet, world_start, world_end),
        cmocka_unit_test_setup_teardown(the_whole_process_steps_back, world_start, world_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
