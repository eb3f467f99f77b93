#ifndef WEIR_TEST_QUERY_BED_H
#define WEIR_TEST_QUERY_BED_H
/* A real engine under the query routes, and fakes of the loop and the router above them: what a
 * handler answers comes back as a text. Included once, by one test program each. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analytics/projector/project.h"
#include "analytics/report/query_int.h"
#include "analytics/event/schema.h"
#include "analytics/session/sessionize.h"
#include "base/must.h"
#include "base/os.h"
#include "store/child.h"

#define PROJECT_A "aaaaaaaa-0000-4000-8000-00000000000a"
#define PROJECT_B "bbbbbbbb-0000-4000-8000-00000000000b"

struct answer {
    int status;
    enum rc rc; /* of a problem */
    char body[64 * 1024];
};
static struct answer answer;

/* ---- fakes ---- */
bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value)
{
    struct slice rest = req->query;
    while (rest.len) {
        struct slice value = slice_cut(&rest, '&');
        struct slice key = slice_cut(&value, '=');
        if (slice_eq_str(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

void net_loop_work(struct ctx *ctx, struct net_loop *loop, void (*work)(struct ctx *ctx, void *arg),
                   void (*done)(struct ctx *ctx, void *arg), void *arg)
{
    (void)loop;
    work(ctx, arg);
    done(ctx, arg);
}

const struct tenant_project *tenant_project_by_name(const struct tenant_view *v, struct slice name)
{
    (void)v;
    (void)name;
    return NULL;
}
void api_answer(struct api_request *req, int status, const char *content_type, struct slice body,
                const struct net_header *headers, uint32_t header_count)
{
    (void)req;
    assert_int_equal(answer.status, 0); /* exactly one */
    assert_string_equal(content_type, "application/json");
    assert_int_equal(header_count, 1);
    assert_true(slice_eq_str(headers[0].value, "no-cache"));
    answer.status = status;
    assert_true(body.len < sizeof(answer.body));
    memcpy(answer.body, body.data, body.len);
    answer.body[body.len] = '\0';
}

/* Exports are tried over the whole server (tests/scenario/p_io.mjs). */
void query_export(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx;
    (void)service;
    (void)req;
    must(false);
}

void query_export_user(struct ctx *ctx, void *service, struct api_request *req)
{
    query_export(ctx, service, req);
}

const struct net_header *net_header_find(const struct net_request *req, struct slice name)
{
    (void)req;
    (void)name;
    return NULL;
}

void api_json(struct api_request *req, int status, struct slice body)
{
    static const struct net_header no_cache = {{"Cache-Control", 13}, {"no-cache", 8}};
    api_answer(req, status, "application/json", body, &no_cache, 1);
}

void api_problem(struct api_request *req, enum rc rc, const char *detail_fmt, ...)
{
    va_list args;
    (void)req;
    assert_int_equal(answer.status, 0);
    answer.status = rc_http_status(rc);
    answer.rc = rc;
    va_start(args, detail_fmt);
    vsnprintf(answer.body, sizeof(answer.body), detail_fmt, args);
    va_end(args);
}

/* ---- the engine: a ClickHouse server at WEIR_TEST_STORE_URL, or a child of our own ---- */
struct bed {
    char dir[64];
    char socket[OS_PATH_MAX], data[OS_PATH_MAX];
    struct store_supervisor *supervisor;
    struct store_cfg cfg;
    struct store_pool *pool;
    struct query *query;
    struct err err;
};
static struct bed bed = {.dir = "/tmp/weir-query-XXXXXX"};

static enum rc bed_child(const char *executable)
{
    assert_non_null(mkdtemp(bed.dir));
    os_path(bed.socket, "%s/s.sock", bed.dir);
    os_path(bed.data, "%s/store", bed.dir);
    const struct store_child_cfg cfg = {
        .executable = executable, .data_dir = bed.data, .socket_path = bed.socket};
    TRY(store_supervisor_start(&cfg, &bed.supervisor, &bed.err));
    bed.cfg.unix_socket = bed.socket;
    return store_supervisor_wait(bed.supervisor, 60000, &bed.err);
}

/* False: there is nothing to test against; the reason is printed. executable: `weir store` or
 * alike.
 */
static bool bed_open(const char *executable)
{
    const char *url = getenv("WEIR_TEST_STORE_URL");
#ifdef WEIR_SANITIZED /* the engine does not load beside a sanitizer: a child of another build */
    executable = getenv("WEIR_STORE_CHILD");
#endif
    char library[OS_PATH_MAX];
    bed.cfg = (struct store_cfg){.url = url ? url : "http://localhost", .database = "weir_test"};
    if (!url && !executable) {
        puts("1..0 # SKIP no child was given and WEIR_TEST_STORE_URL is not set");
        return false;
    }
    if (!url && store_library_find(library, sizeof(library), &bed.err) != RC_OK) {
        printf("1..0 # SKIP %s\n", bed.err.text);
        return false;
    }
    enum rc rc = url ? RC_OK : bed_child(executable);
    struct store_client *c = NULL;
    if (rc == RC_OK)
        rc = store_client_new(&bed.cfg, &c, &bed.err);
    if (rc == RC_OK)
        rc = store_migrate(c, bed.cfg.database, analytics_migrations, analytics_migration_count,
                           &bed.err);
    if (rc == RC_OK)
        rc = store_exec(c, "TRUNCATE TABLE events", &bed.err);
    store_client_free(c);
    if (rc == RC_OK)
        rc = store_pool_new(&bed.cfg, 1, &bed.pool, &bed.err);
    if (rc == RC_OK)
        store_pool_open(bed.pool);
    if (rc == RC_OK)
        rc = query_new(&(struct query_cfg){.pool = bed.pool}, &bed.query, &bed.err);
    if (rc != RC_OK)
        fprintf(stderr, "the test bed does not stand: %s\n", bed.err.text);
    must(rc == RC_OK);
    return true;
}

static void bed_close(void)
{
    query_free(bed.query);
    store_pool_free(bed.pool);
    if (bed.supervisor) {
        store_supervisor_stop(bed.supervisor);
        IGNORE(os_remove_tree(bed.dir, NULL), "a folder in /tmp");
    }
}

static uint64_t bed_projected(void *ctx, uint32_t partition)
{
    (void)ctx, (void)partition;
    return 1 << 20; /* whatever is in the table */
}

/* Makes the sessions of what is in `events` now. */
UNUSED static void bed_sessionize(void)
{
    char dir[64] = "/tmp/weir-sessions-XXXXXX";
    struct sessionizer *s;
    assert_non_null(mkdtemp(dir));
    const struct sessionize_cfg cfg = {
        .store = bed.cfg, .dir = dir, .partitions = 1, .projected = bed_projected};
    enum rc rc = sessionizer_new(&cfg, &s, &bed.err);
    while (rc == RC_OK)
        rc = sessionizer_step(s, &bed.err);
    if (rc != RC_END)
        fail_msg("%s", bed.err.text);
    sessionizer_free(s);
    IGNORE(os_remove_tree(dir, NULL), "a folder in /tmp");
}

/* One scalar as text, asked straight. */
UNUSED static const char *bed_scalar(const char *sql)
{
    static char text[256];
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, sizeof(text) - 1);
    struct store_client *c;
    must(store_pool_take(bed.pool, &c, &bed.err) == RC_OK);
    const struct store_query q = {.sql = sql, .format = "TabSeparated"};
    if (store_query(NULL, c, &q, &out, NULL, NULL, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    store_pool_give(bed.pool, c);
    snprintf(text, sizeof(text), "%.*s", (int)out.len - 1, out.data);
    return text;
}

/* ---- asking ---- */
static struct slice bed_body;                            /* of the next request */
static const char *bed_prefix = "/projects/{projectId}"; /* of the routes asked for */
static const char *ask_project(const char *project, enum net_method method, const char *pattern,
                               const char *param, const char *query)
{
    struct api_service service = query_service(bed.query);
    char full[200];
    snprintf(full, sizeof(full), "%s%s", bed_prefix, pattern);
    for (uint32_t i = 0; i < service.route_count; i++) {
        const struct api_route *route = &service.routes[i];
        if (route->method != method || strcmp(route->pattern, full) != 0)
            continue;
        struct ctx_pool *contexts = ctx_pool_new();
        struct ctx *ctx = ctx_new(contexts, 4 << 20);
        assert_non_null(ctx);
        struct tenant_project tenant = {0};
        snprintf(tenant.id_text, sizeof(tenant.id_text), "%s", project);
        struct net_request net = {.ctx = ctx,
                                  .arena = ctx->arena,
                                  .method = method,
                                  .query = slice_str(query),
                                  .body = bed_body};
        struct api_request req = {.net = &net, .project = &tenant, .route = route};
        req.params[0] = slice_str(project);
        req.params[1] = slice_str(param);
        answer.status = 0;
        answer.rc = RC_OK;
        route->handle(ctx, service.ctx, &req);
        assert_int_not_equal(answer.status, 0);
        ctx_release(ctx);
        ctx_pool_free(contexts);
        return answer.body;
    }
    fail_msg("there is no route %s", full);
    return NULL;
}
UNUSED static const char *get(const char *pattern, const char *query)
{
    return ask_project(PROJECT_A, NET_GET, pattern, "", query);
}
UNUSED static const char *funnel(const char *body)
{
    bed_body = slice_str(body);
    const char *text = ask_project(PROJECT_A, NET_POST, "/funnels", "", "");
    bed_body = SLICE_EMPTY;
    return text;
}
#define assert_answer(text, want)             \
    do {                                      \
        const char *got_ = text;              \
        assert_string_equal(got_, want);      \
        assert_int_equal(answer.status, 200); \
    } while (0)
#define assert_refused(text, want_rc, part)                    \
    do {                                                       \
        const char *got_ = text;                               \
        if (answer.rc != (want_rc) || !strstr(got_, part))     \
            print_error("%s: %s\n", rc_name(answer.rc), got_); \
        assert_int_equal(answer.rc, want_rc);                  \
        assert_non_null(strstr(got_, part));                   \
    } while (0)

UNUSED static uint32_t count_of(const char *text, const char *part)
{
    uint32_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}
#endif
