/* WHAT   The dashboard: one page under every address below /app, and its files.
 * WHY    The page says nothing of anybody: what it shows it asks the API for, as whoever is signed
 *        in. It may load and ask nothing but this server. Files are named by what is in them, and
 *        so kept for ever.
 *        No page of another site may hold it in a frame, with one exception: a shared link whose
 *        makers name that site, asked for with ?embed=1. */
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
#define POLICY                                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src " \
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors "
static const struct web_head page_head = {
    .cache = SLICE_CONST("no-cache"),
    .more = {HEADER("Content-Security-Policy", POLICY "'none'"), HEADER("X-Frame-Options", "DENY"),
             HEADER("Referrer-Policy", "same-origin"),
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

/* Who looks at a shared link is not told of to others; nor is it to be found. */
static const struct net_header no_referrer = HEADER("Referrer-Policy", "no-referrer"),
                               no_index = HEADER("X-Robots-Tag", "noindex"),
                               any_frame = HEADER("Cross-Origin-Resource-Policy", "cross-origin");

/* Of a link that may be held in a frame: its sites instead of none. NULL: no memory. */
static const char *embed_policy(struct api_request *req, const struct tenant_share *share)
{
    CLEANUP(buf_done) struct buf policy;
    buf_init(&policy, 64 << 10);
    buf_add_str(&policy, POLICY);
    for (struct slice rest = share->embed_origins; rest.len;) {
        buf_add_slice(&policy, slice_cut(&rest, '\n'));
        buf_add_char(&policy, ' ');
    }
    return buf_ok(&policy) ? arena_strndup(req->net->arena, policy.data, policy.len) : NULL;
}

static bool is_embed(struct api_request *req, const struct tenant_share *share)
{
    struct slice embed;
    return share && share->embed_origins.len && net_query_get(req->net, "embed", &embed) &&
           slice_eq_str(embed, "1");
}

static void get_shared(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct web_dashboard_pages *d = req->route->arg;
    const struct tenant_share *share = tenant_share_by_link(req->view, req->params[0], unix_now());
    struct web_head head = {.cache = page_head.cache, .more_count = 5};
    (void)ctx, (void)service;
    head.more[0] = page_head.more[0];
    head.more[1] = page_head.more[1];
    head.more[2] = no_referrer;
    head.more[3] = no_index;
    head.more[4] = page_head.more[4];
    if (is_embed(req, share)) {
        const char *policy = embed_policy(req, share);
        if (!policy) {
            api_problem(req, RC_NOMEM, "No memory.");
            return;
        }
        head.cache = SLICE_LIT("no-store"); /* another policy for the same bytes */
        head.more[0].value = slice_str(policy);
        head.more[1] = any_frame;
        head.more_count = 4;
    }
    web_answer(req, &d->files[0], &head);
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
        {"/app/share/{link}", OPERATION("dashboardShared", "The dashboard by a shared link"),
         get_shared},
        {"/app/share/{link}/{page}", OPERATION("dashboardSharedPage", "The same, another page"),
         get_shared},
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
