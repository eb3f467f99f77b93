/* WHAT   The tracker's files under their names.
 * WHY    Compressed once, at build time: an answer is a copy of some hundred bytes. Only where the
 *        operator has chosen another endpoint is the tracker made anew, at the start: its text
 *        holds the endpoint once, relative to its own address. */
#include "web/web.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "codec/compress.h"
#include "web/web_int.h"

enum {
    WEIR,
    VITALS,
    PLAUSIBLE,
    UMAMI,
    WEB_VITALS,
    POSTHOG_ARRAY,
    POSTHOG_WEB_VITALS,
    POSTHOG_ATTRIBUTION,
    POSTHOG_EXCEPTIONS,
    POSTHOG_DEAD_CLICKS,
    FILES
};
enum { ROUTES_MAX = 2 * FILES + WEB_DASHBOARD_ROUTES, FILE_BYTES_MAX = 1 << 20, LEVEL = 9 };

/* As the script has it: web/tracker/weir.js. */
static const char endpoint_in_script[] = "../w";
static const char script_type[] = "text/javascript; charset=utf-8";

struct web {
    struct web_served files[FILES];
    struct buf own_plain, own_gzip; /* the tracker with the operator's endpoint */
    struct api_route routes[ROUTES_MAX];
    uint32_t route_count;
    char openapi[ROUTES_MAX][512];
    struct web_dashboard_pages *dashboard;
};

static const struct web_head script_head = {
    .cache = SLICE_CONST("public, max-age=86400"),
    .more = {{SLICE_CONST("Access-Control-Allow-Origin"), SLICE_CONST("*")},
             {SLICE_CONST("Cross-Origin-Resource-Policy"), SLICE_CONST("cross-origin")}},
    .more_count = 2,
};

static void get_file(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx, (void)service;
    web_answer(req, req->route->arg, &script_head);
}

/* "script.js", "plausible.js", and with extensions between, as script.hash.outbound-links.js. */
static void get_plausible(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx, (void)service;
    struct slice rest = req->params[0], first = slice_cut(&rest, '.');
    bool is_first = slice_eq_str(first, "script") || slice_eq_str(first, "plausible");
    bool is_script = slice_eq_str(rest, "js") ||
                     (rest.len > 3 && slice_eq_str(slice_sub(rest, rest.len - 3), ".js"));
    if (is_first && is_script)
        web_answer(req, req->route->arg, &script_head);
    else
        api_problem(req, RC_NOTFOUND, "There is no such script: weir.js, vitals.js, script.js.");
}

/* What posthog-js asks for beside itself; of its own version first, of any if there is none. It
 * goes without what is not here: surveys, recordings, the toolbar. */
static void get_posthog(struct ctx *ctx, void *service, struct api_request *req)
{
    static const struct {
        const char *name;
        unsigned file;
    } files[] = {
        {"array.js", POSTHOG_ARRAY},
        {"web-vitals.js", POSTHOG_WEB_VITALS},
        {"web-vitals-with-attribution.js", POSTHOG_ATTRIBUTION},
        {"exception-autocapture.js", POSTHOG_EXCEPTIONS},
        {"dead-clicks-autocapture.js", POSTHOG_DEAD_CLICKS},
    };
    const struct web *web = service;
    const int *param = req->route->arg;
    (void)ctx;
    for (unsigned i = 0; i < COUNT_OF(files); i++)
        if (slice_eq_str(req->params[*param], files[i].name)) {
            web_answer(req, &web->files[files[i].file], &script_head);
            return;
        }
    api_problem(req, RC_NOTFOUND, "There is no such script: array.js and what belongs to it.");
}

/* ---- making ---- */

static enum rc own_script(struct web *web, const char *path, struct err *err)
{
    struct slice plain = web->files[WEIR].bodies.of[WEB_PLAIN];
    size_t len = sizeof(endpoint_in_script) - 1;
    const char *at = memmem(plain.data, plain.len, endpoint_in_script, len);
    must(at); /* web/tracker/build.mjs looks that it is there once */
    size_t before = (size_t)(at - plain.data);
    buf_add(&web->own_plain, plain.data, before);
    buf_add_str(&web->own_plain, path);
    buf_add_slice(&web->own_plain, slice_sub(plain, before + len));
    if (!buf_ok(&web->own_plain) ||
        encode_all(CODEC_GZIP, LEVEL, buf_slice(&web->own_plain), &web->own_gzip) != RC_OK)
        return err_set(err, RC_NOMEM, "there is no memory for the tracker's script");
    web_served_init(
        &web->files[WEIR], script_type,
        (struct web_bodies){
            .of = {
                [WEB_PLAIN] = buf_slice(&web->own_plain), [WEB_GZIP] = buf_slice(&web->own_gzip)}});
    return RC_OK;
}

static enum rc path_check(const char *name, const char *path, struct err *err)
{
    size_t len = strlen(path);
    bool is_good = len > 1 && path[0] == '/' && path[len - 1] != '/' && !strstr(path, "//");
    for (size_t i = 0; is_good && i < len; i++)
        is_good = strchr("/-._~", path[i]) || (path[i] >= '0' && path[i] <= '9') ||
                  (path[i] >= 'a' && path[i] <= 'z') || (path[i] >= 'A' && path[i] <= 'Z');
    if (is_good || !len)
        return RC_OK;
    return err_set(err, RC_INVALID,
                   "%s: '%s' is no path: it begins with one slash, does not end with one, and has "
                   "letters, digits, and - . _ ~ between",
                   name, path);
}

static void add_route(struct web *web, const char *pattern, const char *id, const char *summary,
                      const void *arg,
                      void (*handle)(struct ctx *ctx, void *service, struct api_request *req))
{
    char *openapi = web->openapi[web->route_count];
    snprintf(openapi, sizeof(web->openapi[0]),
             "{\"operationId\":\"%s\",\"summary\":\"%s\",\"responses\":{\"200\":{\"description\":"
             "\"The script\",\"content\":{\"text/javascript\":{}}},\"304\":{\"description\":\"As "
             "the client has it\"}}}",
             id, summary);
    web->routes[web->route_count++] = (struct api_route){.method = NET_GET,
                                                         .pattern = pattern,
                                                         .access = API_PUBLIC,
                                                         .handle = handle,
                                                         .arg = arg,
                                                         .openapi = openapi};
}

static const struct {
    unsigned file;
    const char *pattern, *id, *summary;
} fixed[] = {
    {WEIR, "*/js/weir.js", "trackerScript", "The tracker"},
    {VITALS, "*/js/vitals.js", "vitalsScript", "Web Vitals for the tracker"},
    {WEB_VITALS, "*/js/web-vitals.js", "webVitalsLibrary", "The library web-vitals"},
    {UMAMI, "/script.js", "umamiScript", "Umami's script: its attributes, its wire"},
    {UMAMI, "/umami.js", "umamiScriptOld", "The same, as it was called before"},
    {POSTHOG_ARRAY, "*/array/{token}/array.js", "posthogScriptOfToken", "posthog-js"},
};

enum rc web_new(const struct web_cfg *cfg, struct web **ret_web, struct err *err)
{
    TRY(path_check("tracker.script_path", cfg->script_path, err));
    TRY(path_check("tracker.vitals_path", cfg->vitals_path, err));
    TRY(path_check("tracker.endpoint_path", cfg->endpoint_path, err));
    static const struct web_file *const made[FILES] = {
        [WEIR] = &web_file_weir,
        [VITALS] = &web_file_vitals,
        [PLAUSIBLE] = &web_file_plausible,
        [UMAMI] = &web_file_umami,
        [WEB_VITALS] = &web_file_web_vitals,
        [POSTHOG_ARRAY] = &web_file_posthog_array,
        [POSTHOG_WEB_VITALS] = &web_file_posthog_web_vitals,
        [POSTHOG_ATTRIBUTION] = &web_file_posthog_attribution,
        [POSTHOG_EXCEPTIONS] = &web_file_posthog_exceptions,
        [POSTHOG_DEAD_CLICKS] = &web_file_posthog_dead_clicks,
    };
    struct web *web = heap_alloc(HEAP_APP, sizeof(*web));
    buf_init(&web->own_plain, FILE_BYTES_MAX);
    buf_init(&web->own_gzip, FILE_BYTES_MAX);
    for (unsigned i = 0; i < FILES; i++)
        web_served_init(&web->files[i], script_type, web_bodies_of(made[i]->of));
    enum rc rc = *cfg->endpoint_path ? own_script(web, cfg->endpoint_path, err) : RC_OK;
    if (rc != RC_OK) {
        web_free(web);
        return rc;
    }
    for (unsigned i = 0; i < COUNT_OF(fixed); i++)
        add_route(web, fixed[i].pattern, fixed[i].id, fixed[i].summary, &web->files[fixed[i].file],
                  get_file);
    if (*cfg->script_path)
        add_route(web, cfg->script_path, "trackerScriptOwn", "The tracker", &web->files[WEIR],
                  get_file);
    if (*cfg->vitals_path)
        add_route(web, cfg->vitals_path, "vitalsScriptOwn", "Web Vitals", &web->files[VITALS],
                  get_file);
    add_route(web, "*/js/{file}", "plausibleScript",
              "Plausible's script, under its names (script.js, script.hash.outbound-links.js)",
              &web->files[PLAUSIBLE], get_plausible);
    static const int file_at[] = {0, 1};
    add_route(web, "*/static/{file}", "posthogScript", "posthog-js, and what it loads itself",
              &file_at[0], get_posthog);
    add_route(web, "*/static/{version}/{file}", "posthogScriptOfVersion",
              "The same, as it asks for its own version", &file_at[1], get_posthog);
    web->dashboard = web_dashboard_new();
    web->route_count += web_dashboard_routes(web->dashboard, web->routes + web->route_count);
    *ret_web = web;
    return RC_OK;
}

struct api_service web_service(struct web *web)
{
    return (struct api_service){
        .name = "web", .ctx = web, .routes = web->routes, .route_count = web->route_count};
}

void web_free(struct web *web)
{
    if (!web)
        return;
    web_dashboard_free(web->dashboard);
    buf_done(&web->own_plain);
    buf_done(&web->own_gzip);
    heap_free(web);
}
