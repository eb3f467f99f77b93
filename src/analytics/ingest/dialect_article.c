/* The article's own pair POST …/view and …/event: CompressedEvent under a Bearer JWT. Its texts are
 * kept; its defects are not: the signature is verified, the project must exist, nothing of the
 * address is stored. */
#include "analytics/ingest/ingest_int.h"
#include <stdio.h>

#include "base/must.h"
#include "codec/jwt.h"

static void answer_error(struct api_request *req, int status, const char *text)
{
    struct buf body;
    buf_init(&body, 2048);
    buf_add_str(&body, "{\"error\":");
    buf_add_json(&body, slice_str(text));
    buf_add_char(&body, '}');
    api_answer(req, status, "application/json", buf_slice(&body), NULL, 0);
    buf_done(&body);
}

static const char *jwt_text(enum jwt_result result)
{
    switch (result) {
    case JWT_OK:
        break;
    case JWT_BAD_FORMAT:
        return "Unauthorized: Invalid JWT format";
    case JWT_BAD_PAYLOAD:
        return "Unauthorized: Failed to decode JWT payload";
    case JWT_BAD_CLAIMS:
        return "Unauthorized: Failed to parse JWT claims";
    case JWT_BAD_HEADER:
    case JWT_BAD_ALG:
        return "Unauthorized: The JWT algorithm must be HS256, or one of your token issuer's";
    case JWT_BAD_SIGNATURE:
        return "Unauthorized: Invalid JWT signature";
    case JWT_EXPIRED:
        return "Unauthorized: The JWT has expired";
    case JWT_NOT_YET:
        return "Unauthorized: The JWT is not valid yet";
    case JWT_NO_KEY:
        return "Unauthorized: The JWT's key is not one of its issuer's";
    case JWT_NO_EXPIRY:
        return "Unauthorized: The JWT has no expiry";
    case JWT_BAD_ISSUER:
    case JWT_BAD_AUDIENCE:
        return "Unauthorized: The JWT's issuer and audience are not known here";
    }
    must_not_reach("jwt result");
}

static enum jwt_result verify_with_secret(const struct jwt *jwt, struct slice secret)
{
    const struct jwt_expect expect = {
        .now = unix_now(), .skew_s = JWT_CLOCK_SKEW_S, .is_lenient = true};
    struct jwt_key key;
    if (jwt_key_hs256(secret, &key, NULL) != RC_OK)
        return JWT_BAD_SIGNATURE;
    enum jwt_result result = jwt_verify(jwt, &key);
    return result == JWT_OK ? jwt_check(jwt, &expect) : result;
}

/* The token's project, once its secret has proved the token. An unknown project looks like a wrong
 * signature. */
static enum jwt_result by_secret(struct api_request *req, const struct jwt *jwt,
                                 const struct tenant_project **ret_project, struct slice *ret_user)
{
    struct uuid id;
    yyjson_val *claim = json_get(jwt->claims, "projectId");
    struct slice text = claim && yyjson_is_str(claim) ? json_text(claim) : SLICE_EMPTY;
    if (!text.len && !net_query_get(req->net, "project", &text))
        text = SLICE_EMPTY;
    *ret_project = uuid_parse(text, &id) ? tenant_by_id(req->view, &id) : NULL;
    if (!*ret_project)
        return JWT_BAD_SIGNATURE;
    yyjson_val *user = json_get(jwt->claims, "userId");
    *ret_user = user && yyjson_is_str(user) ? json_text(user) : SLICE_EMPTY;
    return verify_with_secret(jwt, (*ret_project)->jwt_secret);
}

/* NULL: answered, or to be called once more (an issuer's keys are on their way). */
static const struct tenant_project *authenticate(struct ingest *in, struct api_request *req,
                                                 struct slice *ret_user)
{
    struct slice auth = net_header_get(req->net, "Authorization");
    const struct tenant_project *project = NULL;
    enum rc rc = RC_OK;
    struct jwt jwt;
    if (!net_header_has(req->net, "Authorization")) {
        ingest_on_refused(in, req, API_REFUSED_KEY, NULL, NULL);
        answer_error(req, 401, "Unauthorized: Missing Authorization header");
        return NULL;
    }
    if (auth.len <= 7 || !slice_has_prefix(auth, SLICE_LIT("Bearer "))) {
        ingest_on_refused(in, req, API_REFUSED_KEY, NULL, NULL);
        answer_error(req, 401, "Unauthorized: Invalid Authorization header format");
        return NULL;
    }
    struct slice token = slice_sub(auth, 7);
    enum jwt_result result =
        jwt_parse(req->net->arena, token, JWT_ALG_BIT(JWT_HS256) | JWT_ALGS_PUBLIC, &jwt);
    if (result == JWT_OK && jwt.alg != JWT_HS256) {
        result = api_ingest_token(req, token, &project, ret_user, &rc);
    } else if (result == JWT_OK) {
        result = by_secret(req, &jwt, &project, ret_user);
        if (result == JWT_OK &&
            !api_ingest_admit(req, project, CTX_TOKEN, slice_str(project->id_text)))
            return NULL;
    }
    if (rc != RC_OK)
        return NULL;
    if (result != JWT_OK) {
        ingest_on_refused(in, req, API_REFUSED_KEY, NULL, NULL);
        answer_error(req, 401, jwt_text(result));
        return NULL;
    }
    *ret_user = event_cut(*ret_user, EVENT_ID_BYTES_MAX);
    return project;
}

enum { NAME, ORIGIN, REFERRER, TIME, WIDTH, HEIGHT, DATA, MEMBERS };
static const struct slice names[MEMBERS] = {
    [NAME] = SLICE_CONST("en"), [ORIGIN] = SLICE_CONST("o"), [REFERRER] = SLICE_CONST("r"),
    [TIME] = SLICE_CONST("ts"), [WIDTH] = SLICE_CONST("sw"), [HEIGHT] = SLICE_CONST("sh"),
    [DATA] = SLICE_CONST("ed"),
};

static bool is_pixels(yyjson_val *v)
{
    int64_t value;
    return v && json_to_i64(v, &value) && value >= 0 && value <= UINT32_MAX;
}

static void read_article(yyjson_val *root, const struct event_env *env, struct event *e,
                         struct event_notes *n)
{
    yyjson_val *member[MEMBERS];
    json_get_all(root, names, MEMBERS, member);
    yyjson_val *name = member[NAME], *origin = member[ORIGIN], *referrer = member[REFERRER];
    int64_t ts = 0;
    if (!name || !yyjson_is_str(name) || json_text(name).len == 0)
        event_drop(n, EVENT_NO_NAME, "en (event name) is required");
    else if (!origin || !yyjson_is_str(origin) || json_text(origin).len == 0)
        event_drop(n, EVENT_BAD_VALUE, "o (origin URL) is required");
    else if (!member[TIME] || !json_to_i64(member[TIME], &ts))
        event_drop(n, EVENT_BAD_JSON,
                   "Invalid JSON in request body: ts must be an integer (milliseconds)");
    else if (!referrer || !yyjson_is_str(referrer))
        event_drop(n, EVENT_BAD_JSON, "Invalid JSON in request body: r must be a string");
    else if (!is_pixels(member[WIDTH]) || !is_pixels(member[HEIGHT]))
        event_drop(n, EVENT_BAD_JSON,
                   "Invalid JSON in request body: sw and sh must be unsigned integers");
    if (n->reason != EVENT_FINE)
        return;
    event_take_id(e, NULL, "id", env, n);
    event_take_name(e, name, "en", n);
    if (ts != 0)
        event_take_time(e, member[TIME], "ts", env, n);
    e->url = event_field_text(origin, "o", EVENT_URL_BYTES_MAX, n);
    e->path = event_url_path(e->url);
    e->referrer = event_field_text(referrer, "r", EVENT_URL_BYTES_MAX, n);
    e->screen_width = event_field_pixels(member[WIDTH], "sw", n);
    e->screen_height = event_field_pixels(member[HEIGHT], "sh", n);
    e->properties = event_field_object(member[DATA], "ed", n);
    yyjson_val *title = json_get(e->properties, "title");
    if (title && yyjson_is_str(title))
        e->title = event_field_text(title, "title", EVENT_TITLE_BYTES_MAX, n);
}

static void answer_article(struct ingest_call *call)
{
    const struct ingest_result *r = &call->results[0];
    if (r->reason == EVENT_FINE) {
        ingest_answer(call, 202, "text/plain", SLICE_LIT("ACCEPTED"));
        return;
    }
    char text[EVENT_DETAILS_BYTES + 64];
    const char *details = r->details ? r->details : event_reason_name(r->reason);
    bool is_json_error = r->reason == EVENT_BAD_JSON && strncmp(details, "Invalid JSON", 12) != 0;
    snprintf(text, sizeof(text), "%s%s", is_json_error ? "Invalid JSON in request body: " : "",
             details);
    answer_error(call->req, 400, text);
}

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice user = SLICE_EMPTY;
    if (req->net->body.len == 0) {
        ingest_tell_request(service, req, &dialect_article, dialect_article.routes,
                            REJECTED_BAD_REQUEST, NULL, NULL, "the body is empty");
        answer_error(req, 400, "Missing request body");
        return;
    }
    const struct tenant_project *project = authenticate(service, req, &user);
    if (project)
        ingest_run(ctx, service, req, &dialect_article, dialect_article.routes, project, user);
}

#define ARTICLE_202                                                                 \
    "\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"content\":{\"application/" \
    "json\":{\"schema\":{\"$ref\":"                                                 \
    "\"#/components/schemas/"                                                       \
    "CompressedEvent\"}}}},\"responses\":{\"202\":{\"description\":\"ACCEPTED\"},"  \
    "\"400\":{\"description\":\"{error}\"},\"401\":{\"description\":\"{error}\"}}"

static const struct dialect_route routes[] = {
    {.method = NET_POST,
     .pattern = "*/view",
     .handle = handle,
     .openapi =
         "{\"operationId\":\"articleView\",\"summary\":\"A page view, Bearer JWT\"," ARTICLE_202
         "}"},
    {.method = NET_POST,
     .pattern = "*/event",
     .handle = handle,
     .openapi =
         "{\"operationId\":\"articleEvent\",\"summary\":\"An event, Bearer JWT\"," ARTICLE_202 "}"},
};
const struct dialect dialect_article = {.source = "seed",
                                        .routes = routes,
                                        .route_count = COUNT_OF(routes),
                                        .cut = ingest_cut_one,
                                        .read = read_article,
                                        .answer = answer_article,
                                        .is_of_visitor = true};
