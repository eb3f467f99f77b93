/* WHAT   The tracker's files under their names.
 * WHY    Compressed once, at build time: an answer is a copy of some hundred bytes. Only where the
 *        operator has chosen another endpoint is the tracker made anew, at the start: its text
 *        holds the endpoint once, relative to its own address. */
#include "web/web.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"
#include "codec/compress.h"
#include "codec/hash.h"
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
enum { ROUTES_MAX = 2 * FILES, ETAG_DIGITS = 16, FILE_BYTES_MAX = 1 << 20, LEVEL = 9 };

/* As the script has it: web/tracker/weir.js. */
static const char endpoint_in_script[] = "../w";

struct served {
    struct slice plain, gzip;
    char etag_plain[ETAG_DIGITS + 3], etag_gzip[ETAG_DIGITS + 3]; /* one for each representation */
};
struct web {
    struct served files[FILES];
    struct buf own_plain, own_gzip; /* the tracker with the operator's endpoint */
    struct api_route routes[ROUTES_MAX];
    uint32_t route_count;
    char openapi[ROUTES_MAX][512];
};

static void etag_of(struct slice bytes, char ret[ETAG_DIGITS + 3])
{
    uint8_t hash[SHA256_BYTES];
    sha256(bytes, hash);
    ret[0] = '"';
    slice_hex(hash, ETAG_DIGITS / 2, ret + 1);
    ret[ETAG_DIGITS + 1] = '"';
    ret[ETAG_DIGITS + 2] = '\0';
}

static void served_init(struct served *s, struct slice plain, struct slice gzip)
{
    *s = (struct served){.plain = plain, .gzip = gzip};
    etag_of(plain, s->etag_plain);
    etag_of(gzip, s->etag_gzip);
}

/* ---- answering ---- */

static bool is_zero(struct slice quality) /* "0", "0.", "0.000" */
{
    if (!quality.len || quality.data[0] != '0')
        return false;
    for (size_t i = 1; i < quality.len; i++)
        if (quality.data[i] != '.' && quality.data[i] != '0')
            return false;
    return true;
}

/* RFC 9110, 12.5.3: gzip is named, or "*", and not with q=0. */
static bool takes_gzip(struct slice accept)
{
    while (accept.len) {
        struct slice params = slice_cut(&accept, ',');
        struct slice coding = slice_trim(slice_cut(&params, ';'));
        if (!slice_eq_nocase(coding, SLICE_LIT("gzip")) && !slice_eq_str(coding, "*"))
            continue;
        struct slice quality = slice_trim(params);
        if (quality.len < 2 || !slice_eq_nocase(slice_of(quality.data, 2), SLICE_LIT("q=")))
            return true;
        return !is_zero(slice_sub(quality, 2));
    }
    return false;
}

/* If-None-Match is a list; a proxy may have made the validator weak. */
static bool names_etag(struct slice list, const char *etag)
{
    while (list.len) {
        struct slice one = slice_trim(slice_cut(&list, ','));
        if (slice_has_prefix(one, SLICE_LIT("W/")))
            one = slice_sub(one, 2);
        if (slice_eq_str(one, etag) || slice_eq_str(one, "*"))
            return true;
    }
    return false;
}

static void answer_file(struct api_request *req, const struct served *s)
{
    bool is_gzip = takes_gzip(net_header_get(req->net, "Accept-Encoding"));
    const char *etag = is_gzip ? s->etag_gzip : s->etag_plain;
    struct net_header headers[] = {
        {SLICE_LIT("ETag"), slice_str(etag)},
        {SLICE_LIT("Cache-Control"), SLICE_LIT("public, max-age=86400")},
        {SLICE_LIT("Vary"), SLICE_LIT("Accept-Encoding")},
        {SLICE_LIT("Access-Control-Allow-Origin"), SLICE_LIT("*")},
        {SLICE_LIT("Cross-Origin-Resource-Policy"), SLICE_LIT("cross-origin")},
        {SLICE_LIT("X-Content-Type-Options"), SLICE_LIT("nosniff")},
        {SLICE_LIT("Content-Encoding"), SLICE_LIT("gzip")},
    };
    uint32_t count = COUNT_OF(headers) - (is_gzip ? 0 : 1);
    bool is_known = names_etag(net_header_get(req->net, "If-None-Match"), etag);
    api_answer(req, is_known ? 304 : 200, "text/javascript; charset=utf-8",
               is_gzip ? s->gzip : s->plain, headers, count);
}

static void get_file(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx, (void)service;
    answer_file(req, req->route->arg);
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
        answer_file(req, req->route->arg);
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
            answer_file(req, &web->files[files[i].file]);
            return;
        }
    api_problem(req, RC_NOTFOUND, "There is no such script: array.js and what belongs to it.");
}

/* ---- making ---- */

static enum rc own_script(struct web *web, const char *path, struct err *err)
{
    struct slice plain = web->files[WEIR].plain;
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
    served_init(&web->files[WEIR], buf_slice(&web->own_plain), buf_slice(&web->own_gzip));
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
        served_init(&web->files[i], slice_of((const char *)made[i]->plain, made[i]->plain_len),
                    slice_of((const char *)made[i]->gzip, made[i]->gzip_len));
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
    buf_done(&web->own_plain);
    buf_done(&web->own_gzip);
    heap_free(web);
}
