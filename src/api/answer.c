/* Answers: JSON, problem+json (RFC 9457), CORS (Fetch standard, "CORS protocol"). */
#include "api/api_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/must.h"

enum { HEADERS_MAX = 24, PROBLEM_BYTES_MAX = 4096 };

static struct net_header header(const char *name, struct slice value)
{
    return (struct net_header){slice_str(name), value};
}

uint32_t api_cors_headers(struct net_request *req, bool is_preflight,
                          struct net_header ret[API_CORS_HEADERS_MAX])
{
    uint32_t n = 0;
    struct slice origin = net_header_get(req, "Origin");
    /* Keys are no cookies: any site may send events, and sendBeacon always sends with credentials,
     * which forbids "*". */
    ret[n++] = header("Access-Control-Allow-Origin", origin.len ? origin : SLICE_LIT("*"));
    if (origin.len) {
        ret[n++] = header("Access-Control-Allow-Credentials", SLICE_LIT("true"));
        ret[n++] = header("Vary", SLICE_LIT("Origin"));
    }
    if (!is_preflight)
        return n;
    struct slice wanted = net_header_get(req, "Access-Control-Request-Headers");
    ret[n++] = header("Access-Control-Allow-Methods", SLICE_LIT("GET, POST, OPTIONS"));
    ret[n++] = header("Access-Control-Allow-Headers",
                      wanted.len ? wanted : SLICE_LIT("Authorization, Content-Type, X-API-Key"));
    ret[n++] = header("Access-Control-Max-Age", SLICE_LIT("86400"));
    return n;
}

static void tell_service(const struct api_request *req, int status)
{
    if (req->service && req->service->on_answer)
        req->service->on_answer(req->service->ctx, status);
}

void api_answer(struct api_request *req, int status, const char *content_type, struct slice body,
                const struct net_header *headers, uint32_t header_count)
{
    struct net_header all[HEADERS_MAX];
    uint32_t n = 0;
    if (req->route->is_browser)
        n = api_cors_headers(req->net, false, all);
    struct ratelimit_fields rate; /* large, and rarely used: not zeroed */
    if (req->limit_count && !req->route->is_ingest) {
        ratelimit_fields(req->limits, req->limit_count, 0, &rate);
        for (uint32_t i = 0; i < rate.count; i++)
            all[n++] = (struct net_header){rate.fields[i].name, rate.fields[i].value};
    }
    must(header_count <= HEADERS_MAX - n);
    tell_service(req, status);
    for (uint32_t i = 0; i < header_count; i++)
        all[n++] = headers[i];
    struct tenant_view *view = take_ptr(&req->view);
    req->project = NULL;
    net_respond(req->net, &(struct net_response){.status = status,
                                                 .content_type = slice_str(content_type),
                                                 .headers = all,
                                                 .header_count = n,
                                                 .body = body});
    tenant_view_give(view); /* req is gone with its arena; the view is not */
}

void api_stream_begin_with(struct api_request *req, const struct net_response *head,
                           void (*on_drain)(struct ctx *ctx, struct net_request *req))
{
    struct tenant_view *view = take_ptr(&req->view);
    req->project = NULL;
    tell_service(req, head->status);
    net_stream_begin(req->net, head, on_drain);
    tenant_view_give(view);
}

void api_stream_begin(struct api_request *req, int status, const char *content_type,
                      void (*on_drain)(struct ctx *ctx, struct net_request *req))
{
    const struct net_response head = {.status = status, .content_type = slice_str(content_type)};
    api_stream_begin_with(req, &head, on_drain);
}

enum rc api_body_object(struct api_request *req, yyjson_val **ret_object, struct err *err)
{
    if (!req->net->body.len)
        return err_set(err, RC_INVALID, "send a JSON object");
    TRY(json_parse(req->net->arena, req->net->body, ret_object, err));
    if (!yyjson_is_obj(*ret_object))
        return err_set(err, RC_INVALID, "the body must be a JSON object");
    return RC_OK;
}

void api_json(struct api_request *req, int status, struct slice body)
{
    const struct net_header no_store = {SLICE_LIT("Cache-Control"), SLICE_LIT("no-cache")};
    api_answer(req, status, "application/json", body, &no_store, 1);
}

void api_render_problem(struct buf *out, int status, const char *slug, const char *title,
                        const char *detail, const char *request_id)
{
    buf_add_str(out, "{\"type\":\"https://weir.dev/problems/");
    buf_add_str(out, slug);
    buf_add_str(out, "\",\"title\":");
    buf_add_json(out, slice_str(title));
    buf_addf(out, ",\"status\":%d,\"detail\":", status);
    buf_add_json(out, slice_str(detail));
    buf_add_str(out, ",\"instance\":");
    buf_add_json(out, slice_str(request_id));
    buf_add_char(out, '}');
}

static void lower(char *to, size_t bytes, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < bytes; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
    to[i] = '\0';
}

enum { PROBLEM_HEADERS_MAX = 8 };

void api_problem_as(struct api_request *req, const char *slug, const struct err *err,
                    const struct net_header *further, uint32_t further_count)
{
    struct net_header headers[PROBLEM_HEADERS_MAX];
    struct buf body;
    char own_slug[32];
    int status = rc_http_status(err->rc);
    lower(own_slug, sizeof(own_slug), rc_name(err->rc));
    buf_init(&body, PROBLEM_BYTES_MAX);
    api_render_problem(&body, status, slug ? slug : own_slug, rc_text(err->rc), err->text,
                       req->net->ctx->request_id);
    if (!buf_ok(&body))
        buf_clear(&body); /* no memory for the text: the status says it */
    uint32_t n = 0;
    must(further_count + 1 <= PROBLEM_HEADERS_MAX);
    if (status == 503 || status == 429)
        headers[n++] = header("Retry-After", SLICE_LIT("1"));
    if (status == 401)
        headers[n++] = header("WWW-Authenticate", SLICE_LIT("Bearer realm=\"weir\""));
    for (uint32_t i = 0; i < further_count; i++)
        headers[n++] = further[i];
    api_answer(req, status, "application/problem+json", buf_slice(&body), headers, n);
    buf_done(&body);
}

/* A refusal that says when to come back. */
void api_too_many(struct api_request *req, uint32_t retry_after_s, const char *detail)
{
    struct ratelimit_fields rate;
    struct net_header headers[RATELIMIT_FIELDS_MAX];
    struct buf body;
    ratelimit_fields(req->limits, req->limit_count, retry_after_s, &rate);
    for (uint32_t i = 0; i < rate.count; i++)
        headers[i] = (struct net_header){rate.fields[i].name, rate.fields[i].value};
    buf_init(&body, PROBLEM_BYTES_MAX);
    api_render_problem(&body, 429, "rate", rc_text(RC_RATE), detail, req->net->ctx->request_id);
    req->limit_count = 0; /* told */
    api_answer(req, 429, "application/problem+json", buf_slice(&body), headers, rate.count);
    buf_done(&body);
}

void api_problem_err(struct api_request *req, const struct err *err)
{
    api_problem_as(req, NULL, err, NULL, 0);
}

void api_problem(struct api_request *req, enum rc rc, const char *detail_fmt, ...)
{
    struct err err = {.rc = rc};
    va_list ap;
    va_start(ap, detail_fmt);
    vsnprintf(err.text, sizeof(err.text), detail_fmt, ap);
    va_end(ap);
    api_problem_err(req, &err);
}
