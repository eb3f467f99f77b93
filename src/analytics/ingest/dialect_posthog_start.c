/* What PostHog's SDKs ask when they start: settings and feature flags. weir has no flags, surveys
 * or recordings, and says so, which spares the browser the further questions. The same for every
 * token, so nobody learns which ones exist. */
#include "analytics/ingest/dialect_posthog_int.h"

#include "base/must.h"

enum { BODY_BYTES_MAX = 4096, TOKEN_BYTES_MAX = 200 };

/* autocapture_opt_out false: what a page captures by itself is decided in its own init(). */
static const char settings[] =
    "\"supportedCompression\":[\"gzip\",\"gzip-js\"],\"hasFeatureFlags\":false,"
    "\"autocapture_opt_out\":false,\"elementsChainAsString\":true,\"captureDeadClicks\":false,"
    "\"capturePerformance\":false,\"autocaptureExceptions\":false,\"sessionRecording\":false,"
    "\"heatmaps\":false,\"surveys\":false,\"defaultIdentifiedOnly\":true,\"siteApps\":[]";

/* In a script nothing but these may stand in a text. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return text.len > 0 && text.len <= TOKEN_BYTES_MAX;
}

static bool has_token(struct api_request *req)
{
    if (is_token(req->params[0]))
        return true;
    api_problem(req, RC_NOTFOUND, "This is no project's token.");
    return false;
}

static void put_settings(struct buf *b, struct slice token)
{
    buf_addf(b, "{\"token\":\"%.*s\",%s}", SLICE_ARG(token), settings);
}

static void answer_with(struct api_request *req, const char *type, struct buf *b)
{
    static const struct net_header fresh = {SLICE_CONST("Cache-Control"),
                                            SLICE_CONST("public, max-age=300")};
    must(buf_ok(b));
    bool is_told = req->net->method == NET_GET;
    api_answer(req, 200, type, buf_slice(b), &fresh, is_told ? 1 : 0);
    buf_done(b);
}

void posthog_config(struct ctx *ctx, void *service, struct api_request *req)
{
    struct buf b;
    (void)ctx, (void)service;
    if (!has_token(req))
        return;
    buf_init(&b, BODY_BYTES_MAX);
    put_settings(&b, req->params[0]);
    answer_with(req, "application/json", &b);
}

void posthog_config_js(struct ctx *ctx, void *service, struct api_request *req)
{
    struct buf b;
    (void)ctx, (void)service;
    if (!has_token(req))
        return;
    buf_init(&b, BODY_BYTES_MAX);
    buf_addf(&b,
             "(function(w){(w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{})[\"%.*s\"]="
             "{config:",
             SLICE_ARG(req->params[0]));
    put_settings(&b, req->params[0]);
    buf_add_str(&b, ",siteApps:[]}})(window);");
    answer_with(req, "application/javascript", &b);
}

static void put_request_id(struct buf *b, const struct api_request *req)
{
    buf_add_str(b, ",\"requestId\":");
    buf_add_json(b, slice_str(req->net->ctx->request_id));
}

void posthog_flags(struct ctx *ctx, void *service, struct api_request *req)
{
    struct buf b;
    struct slice with;
    (void)ctx, (void)service;
    buf_init(&b, BODY_BYTES_MAX);
    buf_add_str(&b, "{\"flags\":{},\"errorsWhileComputingFlags\":false");
    put_request_id(&b, req);
    if (net_query_get(req->net, "config", &with) && slice_eq_str(with, "true"))
        buf_addf(&b, ",%s", settings);
    buf_add_char(&b, '}');
    answer_with(req, "application/json", &b);
}

/* Version 1 (or none) lists the flags, from 2 on they are an object, from 3 on with payloads. */
void posthog_decide(struct ctx *ctx, void *service, struct api_request *req)
{
    struct buf b;
    struct slice text;
    uint64_t version = 1;
    (void)ctx, (void)service;
    if (!net_query_get(req->net, "v", &text) || !slice_to_u64(text, &version))
        version = 1;
    buf_init(&b, BODY_BYTES_MAX);
    buf_addf(&b,
             "{\"config\":{\"enable_collect_everything\":true},\"toolbarParams\":{},"
             "\"isAuthenticated\":false,\"featureFlags\":%s",
             version < 2 ? "[]" : "{}");
    if (version >= 3)
        buf_add_str(&b, ",\"featureFlagPayloads\":{},\"errorsWhileComputingFlags\":false");
    if (version >= 4)
        buf_add_str(&b, ",\"flags\":{}");
    put_request_id(&b, req);
    buf_addf(&b, ",%s}", settings);
    answer_with(req, "application/json", &b);
}
