/* WHAT    From a request's body to an append and back to an answer; the same for every dialect.
 * WHY     An edge loop must not stand still: a body that takes longer than a fraction of a
 *         millisecond (large, or compressed to much more than it looks) is read on the worker pool.
 *         A key in the head is looked at before the body is touched; one in the body cannot be.
 * THREADS call is on the request's loop, then perhaps on a worker, then on the loop, then with the
 *         committer, then on the loop: one after the other. */
#include "analytics/ingest/ingest_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "codec/base64.h"

enum {
    OUT_BYTES_MAX = 1 << 30,
    KEY_TEXT_MAX = 256,
    REFUSALS = 6,
    BODY_BYTES_DEFAULT = 10 << 20,
    INLINE_BYTES_MAX = 64 << 10,       /* about 0.2 ms of work; more goes to the worker pool */
    INLINE_PACKED_BYTES_MAX = 4 << 10, /* the same for compressed bodies */
    OUT_PER_BODY = 3, /* a batch's records are about so much larger than its body */
    ROUTES_MAX = 128,
};

struct ingest {
    struct ingest_cfg cfg;
    struct metric events[INGEST_DIALECTS_MAX][EVENT_REASON_COUNT];
    char labels[INGEST_DIALECTS_MAX][EVENT_REASON_COUNT][64];
    struct metric refused[REFUSALS];
    struct ingest_pools *pools;
    struct api_route routes[ROUTES_MAX];
    uint32_t route_count;
    uint32_t arg_count; /* of route_args */
};
struct ingest_pools *ingest_pools(struct ingest *in)
{
    return in->pools;
}
const struct ingest_cfg *ingest_cfg_of(const struct ingest *in)
{
    return &in->cfg;
}

/* What a route of the API stands for. */
struct route_arg {
    const struct dialect *dialect;
    const struct dialect_route *route;
    struct route_arg *next; /* of another dialect on the same path, told apart by a header */
};
static struct route_arg route_args[ROUTES_MAX]; /* the same for every ingest */

static struct metric *events_of(struct ingest *in, const struct dialect *dialect)
{
    for (uint32_t d = 0; d < dialect_count; d++)
        if (dialects[d] == dialect)
            return in->events[d];
    must_not_reach("a dialect that is not in the table");
}

static void count_outcomes(struct ingest_call *call)
{
    struct metric *events = events_of(call->ingest, call->dialect);
    for (unsigned r = 0; r < EVENT_REASON_COUNT; r++)
        if (call->outcomes[r])
            metric_add(&events[r], call->outcomes[r]);
}

/* ---- append and answer ---- */

void ingest_space_give(struct ingest *in, struct ingest_space *space)
{
    ingest_buf_give(in, &space->out);
    ingest_buf_give(in, &space->plain);
    ingest_buf_give(in, &space->json);
    if (space->has_scratch)
        arena_done(&space->scratch);
}

static void refuse(struct ingest_call *call, enum rc rc, const char *text)
{
    struct api_request *req = call->req;
    const struct dialect *dialect = call->dialect;
    ingest_tell_refused(call, rc, text);
    ingest_space_give(call->ingest, &call->space);
    if (dialect->refuse)
        dialect->refuse(req, rc, text);
    else
        api_problem(req, rc, "%s", text);
}

static void answer(struct ctx *ctx, struct net_task *task)
{
    struct ingest_call *call = CONTAINER_OF(task, struct ingest_call, task);
    if (call->rc != RC_OK) {
        refuse(call, call->rc, "Nothing of this request was kept; send it again.");
        return;
    }
    count_outcomes(call);
    ingest_tell_drops(call);
    for (uint32_t i = 0; i < call->share_count; i++)
        api_ingest_count(ctx, call->req, call->shares[i].project, call->shares[i].kept);
    struct ingest *in = call->ingest;
    struct ingest_space space = call->space; /* the call is gone with the answer */
    call->dialect->answer(call);
    ingest_space_give(in, &space);
}

static void on_kept(struct stream_append *append, enum rc rc)
{
    struct ingest_call *call = CONTAINER_OF(append, struct ingest_call, append);
    call->rc = rc;
    net_loop_post(call->req->net->loop, &call->task);
}

static void append_all(struct ctx *ctx, struct ingest_call *call)
{
    if (call->kept == 0) {
        answer(ctx, &call->task);
        return;
    }
    struct stream_record *records = arena_zalloc(ctx->arena, call->kept * sizeof(*records));
    if (!records) {
        refuse(call, RC_NOMEM, "There is no memory for this request now.");
        return;
    }
    struct slice headers = ctx_export_headers(ctx);
    size_t at = 0;
    for (uint32_t i = 0; i < call->kept; i++) {
        size_t key_len = call->lengths[2 * i], value_len = call->lengths[2 * i + 1];
        records[i].key = slice_of(call->space.out.data + at, key_len);
        records[i].value = slice_of(call->space.out.data + at + key_len, value_len);
        records[i].headers = headers;
        at += key_len + value_len;
    }
    call->append = (struct stream_append){.records = records, .count = call->kept, .done = on_kept};
    enum rc rc = stream_append(call->ingest->cfg.events, &call->append);
    if (rc != RC_OK)
        refuse(call, rc, "Nothing of this request was kept; send it again.");
}

void ingest_answer_with(struct ingest_call *call, int status, const char *content_type,
                        struct slice body, const struct net_header *headers, uint32_t count)
{
    struct net_header all[INGEST_HEADERS_MAX + 1];
    must(count <= INGEST_HEADERS_MAX);
    for (uint32_t i = 0; i < count; i++)
        all[i] = headers[i];
    if (call->kept)
        all[count++] =
            (struct net_header){SLICE_LIT("X-Weir-Ack"), slice_str(call->ingest->cfg.ack)};
    api_answer(call->req, status, content_type, body, all, count);
}

void ingest_answer(struct ingest_call *call, int status, const char *content_type,
                   struct slice body)
{
    ingest_answer_with(call, status, content_type, body, NULL, 0);
}

/* The smallest picture that every browser takes: one transparent pixel. */
static const uint8_t gif[43] = {
    'G',  'I',  'F',  '8',  '9',  'a',  1, 0, 1, 0, 0x80, 0, 0, /* 1 x 1, two colours: */
    0,    0,    0,    0xff, 0xff, 0xff,                         /* black, white */
    0x21, 0xf9, 4,    1,    0,    0,    0, 0,                   /* the first one is transparent */
    0x2c, 0,    0,    0,    0,    1,    0, 1, 0, 0,             /* the image */
    2,    2,    0x44, 1,    0,    0x3b};                        /* its one pixel, and the end */

const struct slice ingest_pixel = {(const char *)gif, sizeof(gif)};

static enum rc decompress(struct ingest_call *call, struct err *err)
{
    struct decoder *d = ingest_decoder_take(call->ingest);
    if (!d)
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    enum rc rc = decode_all(d, call->body, &call->space.plain, err);
    ingest_decoder_give(call->ingest, d);
    call->body = buf_slice(&call->space.plain);
    if (rc == RC_LIMIT)
        return err_set(err, RC_LIMIT, "The body is larger than %llu bytes when it is decompressed.",
                       (unsigned long long)call->space.plain.bytes_max);
    return rc;
}

enum rc ingest_unwrap(struct ingest_call *call, struct err *err)
{
    if (call->is_unwrapped)
        return RC_OK;
    call->is_unwrapped = true;
    if (codec_sniff(call->body) != CODEC_PLAIN)
        TRY(decompress(call, err));
    return call->dialect->unwrap ? call->dialect->unwrap(call, &call->body, err) : RC_OK;
}

/* ---- body to records: on the loop or on a worker ---- */
static void unwrap_work(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    (void)ctx;
    call->rc = ingest_unwrap(call, &call->err);
    if (call->rc == RC_OK)
        call->key = call->dialect->find_key(call);
}

static void read_work(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    (void)ctx;
    call->rc = ingest_unwrap(call, &call->err);
    if (call->body.len > INGEST_POOL_BUF_BYTES_MAX) /* grow once */
        IGNORE(!buf_reserve(&call->space.out, OUT_PER_BODY * call->body.len),
               "told by the first event");
    if (call->rc == RC_OK)
        call->rc = call->dialect->cut(call, call->body, &call->err);
}

static void body_read(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    if (call->rc != RC_OK)
        refuse(call, call->rc, call->err.text);
    else
        append_all(ctx, call);
}

static void work(struct ctx *ctx, struct ingest_call *call,
                 void (*step)(struct ctx *ctx, void *arg), void (*then)(struct ctx *ctx, void *arg))
{
    bool is_packed = codec_sniff(call->body) != CODEC_PLAIN;
    if (call->body.len > (is_packed ? INLINE_PACKED_BYTES_MAX : INLINE_BYTES_MAX)) {
        net_loop_work(ctx, call->req->net->loop, step, then, call);
        return;
    }
    step(ctx, call);
    then(ctx, call);
}

/* The User-Agent of a server's HTTP client says nothing about the visitor. A browser adds Origin or
 * Sec-Fetch-Site to what a page sends. */
bool ingest_is_from_browser(const struct ingest_call *call)
{
    const struct net_request *net = call->req->net;
    return call->dialect->is_of_visitor || net_header_has(net, "Origin") ||
           net_header_has(net, "Sec-Fetch-Site");
}

void ingest_call_init(struct ingest_call *call, struct ingest *in, struct api_request *req,
                      const struct dialect *dialect, const struct dialect_route *route)
{
    call->ingest = in;
    call->req = req;
    call->dialect = dialect;
    call->route = route;
    call->body = req->net->body;
    size_t decoded_max = in->cfg.body_bytes_max * INGEST_DECODED_FACTOR;
    ingest_buf_take(in, OUT_BYTES_MAX, &call->space.out);
    buf_init(&call->space.plain, decoded_max);
    buf_init(&call->space.json, decoded_max);
    if (codec_sniff(call->body) != CODEC_PLAIN)
        ingest_buf_take(in, decoded_max, &call->space.plain);
}

struct ingest_call *ingest_call_new(struct ctx *ctx, struct ingest *in, struct api_request *req,
                                    const struct dialect *dialect,
                                    const struct dialect_route *route)
{
    struct ingest_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    must(call);
    ingest_call_init(call, in, req, dialect, route);
    call->task.run = answer;
    call->task.ctx = ctx_ref(ctx);
    return call;
}

static void call_read(struct ctx *ctx, struct ingest_call *call,
                      const struct tenant_project *project, struct slice user_id)
{
    event_env_init(&call->env, &project->id, call->dialect->source, call->req->net->received_at);
    call->env.variant = call->route->variant;
    call->env.default_user_id = user_id;
    ingest_begin_share(call, project);
    bool is_visitor = ingest_is_from_browser(call);
    if (is_visitor)
        call->env.default_user_agent = ctx->user_agent;
    call->client.geo = call->ingest->cfg.geo;
    call->client.salts = call->ingest->cfg.salts;
    ingest_client_begin(call, project, is_visitor);
    work(ctx, call, read_work, body_read);
}

void ingest_run(struct ctx *ctx, struct ingest *in, struct api_request *req,
                const struct dialect *dialect, const struct dialect_route *route,
                const struct tenant_project *project, struct slice user_id)
{
    call_read(ctx, ingest_call_new(ctx, in, req, dialect, route), project, user_id);
}

/* ---- keys ---- */

static struct slice bearer_of(struct net_request *net)
{
    struct slice auth = net_header_get(net, "Authorization");
    if (auth.len > 7 && slice_eq_nocase(slice_of(auth.data, 7), SLICE_LIT("Bearer ")))
        return slice_trim(slice_sub(auth, 7));
    return SLICE_EMPTY;
}

static struct slice basic_user_of(struct net_request *net)
{
    struct slice auth = net_header_get(net, "Authorization");
    if (auth.len <= 6 || auth.len > KEY_TEXT_MAX ||
        !slice_eq_nocase(slice_of(auth.data, 6), SLICE_LIT("Basic ")))
        return SLICE_EMPTY;
    struct slice text = slice_trim(slice_sub(auth, 6));
    uint8_t *bytes = arena_alloc(net->arena, base64_decoded_max(text.len));
    size_t len;
    if (!bytes || !base64_decode(BASE64_STD, text, bytes, &len))
        return SLICE_EMPTY;
    struct slice rest = slice_of((const char *)bytes, len);
    return slice_cut(&rest, ':');
}

/* Authorization: Bearer, Basic user name, ?key=. */
struct slice ingest_key_in_head(struct api_request *req)
{
    struct slice key = bearer_of(req->net);
    if (!key.len)
        key = basic_user_of(req->net);
    if (!key.len && !net_query_get(req->net, "key", &key))
        key = SLICE_EMPTY;
    return key;
}

/* NULL: answered. */
static const struct tenant_project *project_of(struct ingest *in, struct api_request *req,
                                               const struct dialect *dialect, struct slice key)
{
    if (dialect->refuse && !api_ingest_knows(req, key)) {
        metric_add(&events_of(in, dialect)[EVENT_NO_PROJECT], 1);
        ingest_on_refused(in, req, API_REFUSED_KEY, NULL, NULL);
        dialect->refuse(req, RC_UNAUTHORIZED, "No project has this key or name.");
        return NULL;
    }
    return api_ingest_project(req, key);
}

static void unwrapped(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    struct ingest *in = call->ingest;
    struct ingest_space space = call->space; /* the call is gone with an answer */
    if (call->rc != RC_OK) {
        refuse(call, call->rc, call->err.text);
        return;
    }
    const struct tenant_project *project = project_of(in, call->req, call->dialect, call->key);
    if (project)
        call_read(ctx, call, project, SLICE_EMPTY);
    else
        ingest_space_give(in, &space);
}

/* Which dialect of those on this path is meant. */
static const struct route_arg *pick(const struct route_arg *arg, const struct net_request *net)
{
    const struct route_arg *first = arg, *found = NULL;
    for (; arg; arg = arg->next) {
        const char *header = arg->route->only_with;
        if (header && net_header_has(net, header))
            return arg;
        if (!header && !found)
            found = arg;
    }
    return found ? found : first;
}

void ingest_dialect_of(const struct api_request *req, const struct dialect **ret_dialect,
                       const struct dialect_route **ret_route)
{
    const struct route_arg *arg = pick(req->route->arg, req->net);
    *ret_dialect = arg->dialect;
    *ret_route = arg->route;
}

void ingest_handle(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct route_arg *arg = pick(req->route->arg, req->net);
    if (arg->route->handle) {
        arg->route->handle(ctx, service, req);
        return;
    }
    struct slice key = ingest_key_in_head(req);
    if (!req->net->body.len && !arg->route->is_empty_allowed && arg->dialect->refuse) {
        ingest_tell_request(service, req, arg->dialect, arg->route, REJECTED_BAD_REQUEST, NULL,
                            NULL, "the body is empty");
        arg->dialect->refuse(req, RC_INVALID, "The body is empty.");
        return;
    }
    if (!key.len && arg->dialect->find_key) {
        work(ctx, ingest_call_new(ctx, service, req, arg->dialect, arg->route), unwrap_work,
             unwrapped);
        return;
    }
    const struct tenant_project *project = project_of(service, req, arg->dialect, key);
    if (project)
        ingest_run(ctx, service, req, arg->dialect, arg->route, project, SLICE_EMPTY);
}

static const char schemas[] =
    "\"IngestEvent\":{\"type\":\"object\",\"required\":[\"event\"],\"properties\":{\"event\":{"
    "\"type\":\"string\","
    "\"maxLength\":200},\"id\":{\"type\":\"string\"},\"timestamp\":{\"type\":[\"string\","
    "\"integer\"]},\"user_id\":{"
    "\"type\":\"string\"},\"anonymous_id\":{\"type\":\"string\"},\"session_id\":{\"type\":"
    "\"string\"},"
    "\"properties\":{\"type\":\"object\"},\"context\":{\"type\":\"object\"}}},"
    "\"CompressedEvent\":{\"type\":\"object\",\"required\":[\"en\",\"ts\",\"o\",\"r\",\"sw\","
    "\"sh\"],\"properties\":{"
    "\"en\":{\"type\":\"string\"},\"ts\":{\"type\":\"integer\"},\"o\":{\"type\":\"string\"},\"r\":{"
    "\"type\":"
    "\"string\"},\"sw\":{\"type\":\"integer\"},\"sh\":{\"type\":\"integer\"},\"ed\":{\"type\":"
    "\"object\"}}}";

/* Whole requests; a bad event among others is counted in weir_ingest_events_total. */
static const struct {
    int status; /* 0: any other */
    const char *labels;
} refusals[REFUSALS] = {
    {400, "status=\"400\",reason=\"invalid\""},     {401, "status=\"401\",reason=\"unauthorized\""},
    {408, "status=\"408\",reason=\"too_slow\""},    {413, "status=\"413\",reason=\"too_large\""},
    {503, "status=\"503\",reason=\"unavailable\""}, {0, "status=\"other\",reason=\"other\""},
};

static void count_refusal(void *ctx, int status)
{
    struct ingest *in = ctx;
    if (status < 400)
        return;
    unsigned i = 0;
    while (refusals[i].status && refusals[i].status != status)
        i++;
    metric_add(&in->refused[i], 1);
}

static void register_refusals(struct ingest *in)
{
    for (unsigned i = 0; i < REFUSALS; i++) {
        in->refused[i] = (struct metric){.name = "weir_ingest_refused_requests_total",
                                         .help = "Whole requests of which nothing was taken.",
                                         .labels = refusals[i].labels,
                                         .kind = METRIC_COUNTER};
        metrics_register(&in->refused[i]);
    }
}

/* The path is taken: the new one waits behind the others. */
static bool is_added_behind(struct ingest *in, struct route_arg *added, const char *pattern)
{
    for (uint32_t i = 0; i < in->route_count; i++) {
        struct api_route *route = &in->routes[i];
        if (route->method != added->route->method ||
            !slice_eq_str(slice_str(route->pattern), pattern))
            continue;
        struct route_arg *last = (struct route_arg *)(uintptr_t)route->arg;
        while (last->next)
            last = last->next;
        last->next = added;
        route->handle = ingest_handle;
        return true;
    }
    return false;
}

static void add_routes(struct ingest *in, const struct dialect *dialect)
{
    for (uint32_t i = 0; i < dialect->route_count; i++) {
        const struct dialect_route *from = &dialect->routes[i];
        const char *pattern = from->pattern ? from->pattern : in->cfg.tracker_path;
        if (!pattern || !*pattern)
            continue;
        must(in->arg_count < ROUTES_MAX);
        struct route_arg *arg = &route_args[in->arg_count++];
        *arg = (struct route_arg){dialect, from, NULL};
        if (is_added_behind(in, arg, pattern))
            continue;
        in->routes[in->route_count] = (struct api_route){
            .method = from->method,
            .pattern = pattern,
            .access = from->access ? from->access : API_NEEDS(EVENTS_WRITE),
            .is_ingest = !from->access,
            .is_browser = true,
            .body_bytes_max = from->body_bytes_max ? from->body_bytes_max : in->cfg.body_bytes_max,
            .handle = from->handle ? from->handle : ingest_handle,
            .arg = arg,
            .openapi = from->openapi,
        };
        in->route_count++;
    }
}

static void register_outcomes(struct ingest *in, uint32_t d)
{
    for (unsigned r = 0; r < EVENT_REASON_COUNT; r++) {
        snprintf(in->labels[d][r], sizeof(in->labels[d][r]), "source=\"%s\",outcome=\"%s\"",
                 dialects[d]->source,
                 r == EVENT_FINE ? "kept" : event_reason_name((enum event_reason)r));
        in->events[d][r] =
            (struct metric){.name = "weir_ingest_events_total",
                            .help = "Events by source and outcome (kept, or why dropped).",
                            .labels = in->labels[d][r],
                            .kind = METRIC_COUNTER};
        metrics_register(&in->events[d][r]);
    }
}

struct api_service ingest_service(struct ingest *in)
{
    return (struct api_service){.name = "ingest",
                                .ctx = in,
                                .routes = in->routes,
                                .route_count = in->route_count,
                                .on_answer = count_refusal,
                                .on_refused = ingest_on_refused,
                                .openapi_schemas = schemas};
}

enum rc ingest_new(const struct ingest_cfg *cfg, struct ingest **ret_ingest, struct err *err)
{
    must(cfg->events && cfg->ack);
    (void)err;
    struct ingest *in = heap_alloc(HEAP_ANALYTICS, sizeof(*in));
    in->cfg = *cfg;
    in->pools = ingest_pools_new();
    if (in->cfg.body_bytes_max == 0)
        in->cfg.body_bytes_max = BODY_BYTES_DEFAULT;
    for (uint32_t d = 0; d < dialect_count; d++) {
        add_routes(in, dialects[d]);
        register_outcomes(in, d);
    }
    register_refusals(in);
    *ret_ingest = in;
    return RC_OK;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    for (uint32_t d = 0; d < dialect_count; d++)
        for (unsigned r = 0; r < EVENT_REASON_COUNT; r++)
            metrics_unregister(&in->events[d][r]);
    for (unsigned i = 0; i < REFUSALS; i++)
        metrics_unregister(&in->refused[i]);
    ingest_pools_free(in->pools);
    heap_free(in);
}
