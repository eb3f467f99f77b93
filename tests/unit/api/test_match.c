/* The tree of routes answers what a walk over the table, row by row, answers: for the tables of all
 * modules with paths made of their patterns and spoilt, and for random tables of few segments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access_int.h"
#include "analytics/bi/bi.h"
#include "analytics/definition/definition.h"
#include "analytics/erase/erase.h"
#include "analytics/import/import.h"
#include "analytics/ingest/ingest.h"
#include "analytics/live/live.h"
#include "analytics/report/query.h"
#include "api/api_int.h"
#include "base/must.h"
#include "base/random.h"
#include "web/web.h"

enum { SERVICES_MAX = 32, ROUTES_MAX = 40, PATH_BYTES = 512, METHODS = NET_OPTIONS + 1 };

static struct prng rng;

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&rng, n);
}

/* ---- the slow way ---- */
static bool row_matches(const struct api_entry *e, const struct slice *segments, uint32_t count,
                        struct slice params[API_PARAMS_MAX])
{
    if (e->is_suffix ? count < e->segment_count : count != e->segment_count)
        return false;
    segments += count - e->segment_count;
    for (uint32_t i = 0, n = 0; i < e->segment_count; i++) {
        bool is_param = e->segments[i].len > 1 && e->segments[i].data[0] == '{';
        if (is_param ? !segments[i].len : !slice_eq(e->segments[i], segments[i]))
            return false;
        if (is_param)
            params[n++] = segments[i];
    }
    return true;
}

static uint32_t cut(struct slice path, struct slice segments[API_SEGMENTS_MAX])
{
    uint32_t count = 0;
    if (!path.len || path.data[0] != '/')
        return 0;
    path = slice_sub(path, 1);
    if (path.len && path.data[path.len - 1] == '/')
        path.len--;
    for (bool is_last = false; !is_last;) {
        if (count == API_SEGMENTS_MAX)
            return 0;
        is_last = !path.len || !memchr(path.data, '/', path.len);
        segments[count++] = slice_cut(&path, '/');
    }
    return count;
}

static enum api_match walk_table(const struct api *api, enum net_method method, struct slice path,
                                 const struct api_entry **ret, struct slice params[API_PARAMS_MAX])
{
    struct slice segments[API_SEGMENTS_MAX], own[API_PARAMS_MAX];
    enum api_match best = API_MATCH_NONE;
    uint32_t count = cut(path, segments);
    for (uint32_t i = 0; count && i < api->entry_count; i++) {
        const struct api_entry *e = &api->entries[i];
        for (int n = 0; n < API_PARAMS_MAX; n++)
            own[n] = SLICE_EMPTY;
        if (!row_matches(e, segments, count, own))
            continue;
        bool is_full =
            e->route->method == method || (method == NET_HEAD && e->route->method == NET_GET);
        if (best == API_MATCH_NONE || is_full) {
            *ret = e;
            memcpy(params, own, sizeof(own));
        }
        if (is_full)
            return API_MATCH_FULL;
        best = API_MATCH_METHOD;
    }
    return best;
}

/* ---- comparing ---- */
static uint64_t compared[API_MATCH_FULL + 1];

static void compare(const struct api *api, const char *path)
{
    for (uint32_t m = 0; m < METHODS; m++) {
        const struct api_entry *want = NULL, *got = NULL;
        struct slice want_params[API_PARAMS_MAX], params[API_PARAMS_MAX];
        enum api_match is =
            walk_table(api, (enum net_method)m, slice_str(path), &want, want_params);
        if (api_find(api, (enum net_method)m, slice_str(path), &got, params) != is || got != want)
            fail_msg("%u %s: %s, not %s", m, path, got ? got->route->pattern : "nothing",
                     want ? want->route->pattern : "nothing");
        for (int i = 0; want && i < API_PARAMS_MAX; i++)
            if (!slice_eq(params[i], want_params[i]))
                fail_msg("%u %s: a parameter is %.*s", m, path, SLICE_ARG(params[i]));
        compared[is]++;
    }
}

/* ---- the tables of all modules (but app's, which know the whole server) ---- */
static struct api_service services[SERVICES_MAX];
static uint32_t service_count;
static struct web *web;
static struct ingest *ingest;

static void add(struct api_service service)
{
    assert_true(service_count < SERVICES_MAX);
    services[service_count++] = service;
}

#define ADD_TABLE(table, n) add((struct api_service){.routes = (table), .route_count = (n)})

static int collect(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static int nothing;
    must(ingest_new(&(struct ingest_cfg){.events = (struct stream *)(void *)&nothing,
                                         .ack = "fsync",
                                         .tracker_path = "/of/{my}/own"},
                    &ingest, &err) == RC_OK);
    must(web_new(&(struct web_cfg){"/my/script.js", "/my/vitals.js", "/of/my/own"}, &web, &err) ==
         RC_OK);
    add(ingest_service(ingest));
    add(query_service(NULL));
    ADD_TABLE(access_org_routes, access_org_route_count);
    ADD_TABLE(access_key_routes, access_key_route_count);
    ADD_TABLE(access_member_routes, access_member_route_count);
    ADD_TABLE(access_login_routes.routes, access_login_routes.count);
    ADD_TABLE(access_account_routes.routes, access_account_routes.count);
    ADD_TABLE(access_recovery_routes.routes, access_recovery_routes.count);
    ADD_TABLE(access_invitation_routes.routes, access_invitation_routes.count);
    ADD_TABLE(access_oidc_routes.routes, access_oidc_routes.count);
    add(web_service(web));
    add(definition_service(NULL));
    add(bi_service(NULL));
    add(live_service(NULL));
    add(definition_alert_service(NULL));
    add(import_service(NULL));
    add(ingest_release_service(NULL));
    add(erase_api_service(NULL));
    return 0;
}

static int give_back(void **state)
{
    (void)state;
    ingest_free(ingest);
    web_free(web);
    return 0;
}

static struct api *open_all(void)
{
    struct err err = ERR_INIT;
    struct api *api = NULL;
    const struct api_cfg cfg = {
        .services = services, .service_count = service_count, .version = "0"};
    if (api_new(&cfg, &api, &err) != RC_OK)
        fail_msg("%s", err.text);
    return api;
}

static const struct api_entry *any_entry(const struct api *api)
{
    return &api->entries[below(api->entry_count)];
}

/* A path of the pattern; changes: how many of its segments are left out, doubled or another's. */
static void add_path(const struct api *api, const struct api_entry *e, uint32_t changes,
                     struct buf *out)
{
    static const char *const values[] = {"x", "0193f2a4-7b1c-7000-8000-000000000000", "%2F", ""};
    for (uint32_t i = e->is_suffix ? below(3) : 0; i > 0; i--)
        buf_add_str(out, "/prefix");
    for (uint32_t i = 0; i < e->segment_count; i++) {
        struct slice segment = e->segments[i];
        uint32_t change = changes && !below(3) ? below(4) : 4;
        if (change == 0)
            continue;
        if (change == 1) {
            const struct api_entry *other = any_entry(api);
            segment = other->segments[below(other->segment_count)];
        }
        if (segment.len > 1 && segment.data[0] == '{')
            segment = slice_str(values[below(change < 4 ? 4 : 3)]);
        for (int n = change == 2 ? 2 : 1; n > 0; n--) {
            buf_add_char(out, '/');
            buf_add_slice(out, change == 3 ? slice_sub(segment, 1) : segment);
        }
    }
    if (!below(4))
        buf_add_char(out, '/');
}

static void every_route_and_every_spoilt_path_is_found_as_by_a_walk(void **state)
{
    (void)state;
    struct api *api = open_all();
    CLEANUP(buf_done) struct buf path;
    buf_init(&path, PATH_BYTES);
    memset(compared, 0, sizeof(compared));
    for (uint32_t i = 0; i < api->entry_count; i++) {
        for (uint32_t k = 0; k < 200; k++) {
            buf_clear(&path);
            add_path(api, &api->entries[i], k >= 10, &path);
            if (k >= 100 && path.len)
                path.data[below((uint32_t)path.len)] = (char)(32 + below(95));
            compare(api, buf_cstr(&path));
        }
    }
    assert_true(api->entry_count > 180);
    for (size_t i = 0; i < COUNT_OF(compared); i++)
        assert_true(compared[i] > 10000);
    api_free(api);
}

/* ---- random tables ---- */
static const char *const words[] = {"a", "b", "ab", "{x}", "{y}", "", "{", "c"};

static void add_random_path(struct buf *out, uint32_t segments_max)
{
    static const char *const of_paths[] = {"a", "b", "ab", "x", "{x}", "", "{", "d"};
    for (uint32_t n = below(segments_max + 1); n > 0; n--)
        buf_addf(out, "/%s", of_paths[below(COUNT_OF(of_paths))]);
    if (!below(10))
        buf_add_str(out, "rest");
}

static void random_tables_of_overlapping_patterns_are_read_as_by_a_walk(void **state)
{
    (void)state;
    memset(compared, 0, sizeof(compared));
    for (uint32_t round = 0; round < 2000; round++) {
        char patterns[ROUTES_MAX][64];
        struct api_route routes[ROUTES_MAX];
        uint32_t count = 1 + below(ROUTES_MAX);
        for (uint32_t i = 0; i < count; i++) {
            int len = snprintf(patterns[i], sizeof(patterns[i]), "%s", below(4) ? "" : "*");
            for (uint32_t n = 1 + below(4); n > 0; n--)
                len += snprintf(patterns[i] + len, sizeof(patterns[i]) - (size_t)len, "/%s",
                                words[below(COUNT_OF(words))]);
            routes[i] = (struct api_route){.pattern = patterns[i],
                                           .method = (enum net_method)below(METHODS),
                                           .access = API_CONTROL};
        }
        struct api *api = NULL;
        const struct api_service service = {.routes = routes, .route_count = count};
        assert_int_equal(
            api_new(&(struct api_cfg){.services = &service, .service_count = 1}, &api, NULL),
            RC_OK);
        CLEANUP(buf_done) struct buf path;
        buf_init(&path, PATH_BYTES);
        for (uint32_t k = 0; k < 100; k++) {
            buf_clear(&path);
            add_random_path(&path, below(20) ? 5 : API_SEGMENTS_MAX + 2);
            compare(api, buf_cstr(&path));
        }
        api_free(api);
    }
    for (size_t i = 0; i < COUNT_OF(compared); i++)
        assert_true(compared[i] > 10000);
}

static void a_pattern_with_more_parameters_than_a_request_holds_is_refused(void **state)
{
    (void)state;
    struct api *api = NULL;
    struct err err = ERR_INIT;
    const struct api_route route = {.pattern = "/{a}/{b}/{c}/{d}/{e}", .access = API_CONTROL};
    const struct api_service service = {.routes = &route, .route_count = 1};
    assert_int_equal(
        api_new(&(struct api_cfg){.services = &service, .service_count = 1}, &api, &err), RC_BUG);
    assert_non_null(strstr(err.text, "parameters"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_and_every_spoilt_path_is_found_as_by_a_walk),
        cmocka_unit_test(random_tables_of_overlapping_patterns_are_read_as_by_a_walk),
        cmocka_unit_test(a_pattern_with_more_parameters_than_a_request_holds_is_refused),
    };
    const char *given = getenv("WEIR_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : random_u64() % 1000000;
    printf("# seed %llu\n", (unsigned long long)seed);
    prng_seed(&rng, seed);
    return cmocka_run_group_tests(tests, collect, give_back);
}
