/* WHAT   The dashboard: one page under every address below /app, and its files.
 * WHY    The page says nothing of anybody: what it shows it asks the API for, as whoever is signed
 *        in. It may load and ask nothing but this server. Files are named by what is in them, and
 *        so kept for ever. */
#include "base/heap.h"
#include "base/must.h"
#include "web/web_int.h"

struct web_dashboard_pages {
    struct web_served *files; /* as web_dashboard_files */
};

struct web_dashboard_pages *web_dashboard_new(void)
{
    struct web_dashboard_pages *d = heap_alloc(HEAP_APP, sizeof(*d));
    d->files = heap_alloc(HEAP_APP, web_dashboard_file_count * sizeof(*d->files));
    for (uint32_t i = 0; i < web_dashboard_file_count; i++)
        web_served_init(&d->files[i], web_dashboard_files[i].type,
                        web_bodies_of(web_dashboard_files[i].of));
    return d;
}

void web_dashboard_free(struct web_dashboard_pages *d)
{
    if (!d)
        return;
    heap_free(d->files);
    heap_free(d);
}

#define HEADER(name, value)                   \
    {                                         \
        SLICE_CONST(name), SLICE_CONST(value) \
    }
static const struct web_head page_head = {
    .cache = SLICE_CONST("no-cache"),
    .more = {HEADER("Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                    "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                    "frame-ancestors 'none'"),
             HEADER("X-Frame-Options", "DENY"), HEADER("Referrer-Policy", "same-origin"),
             HEADER("Cross-Origin-Opener-Policy", "same-origin"),
             HEADER("Cross-Origin-Resource-Policy", "same-origin")},
    .more_count = 5,
};
static const struct web_head asset_head = {
    .cache = SLICE_CONST("public, max-age=31536000, immutable"),
    .more = {HEADER("Cross-Origin-Resource-Policy", "same-origin")},
    .more_count = 1,
};

static void get_page(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct web_dashboard_pages *d = req->route->arg;
    (void)ctx, (void)service;
    web_answer(req, &d->files[0], &page_head);
}

static void get_asset(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct web_dashboard_pages *d = req->route->arg;
    (void)ctx, (void)service;
    for (uint32_t i = 1; i < web_dashboard_file_count; i++)
        if (slice_eq_str(req->params[0], web_dashboard_files[i].name)) {
            web_answer(req, &d->files[i], &asset_head);
            return;
        }
    /* A page of an older version is open: it says so to itself when this is missing. */
    api_problem(req, RC_NOTFOUND, "There is no such file in this version. Load the page again.");
}

uint32_t web_dashboard_routes(struct web_dashboard_pages *d,
                              struct api_route routes[WEB_DASHBOARD_ROUTES])
{
#define OPERATION(id, summary)                                                     \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary                           \
    "\",\"responses\":{\"200\":{\"description\":\"ok\"},\"304\":{\"description\":" \
    "\"As the client has it\"}}}"
    static const struct {
        const char *pattern, *openapi;
        void (*handle)(struct ctx *ctx, void *service, struct api_request *req);
    } all[] = {
        {"/app/assets/{file}", OPERATION("dashboardFile", "A file of the dashboard"), get_asset},
        {"/app", OPERATION("dashboard", "The dashboard"), get_page},
        {"/app/{project}", OPERATION("dashboardOfProject", "The dashboard"), get_page},
        {"/app/{project}/{page}", OPERATION("dashboardPage", "A page of the dashboard"), get_page},
        {"/app/{project}/{page}/{item}", OPERATION("dashboardItem", "A page of the dashboard"),
         get_page},
    };
    for (unsigned i = 0; i < COUNT_OF(all); i++)
        routes[i] = (struct api_route){.method = NET_GET,
                                       .pattern = all[i].pattern,
                                       .access = API_PUBLIC,
                                       .handle = all[i].handle,
                                       .arg = d,
                                       .openapi = all[i].openapi};
    return COUNT_OF(all);
}
