/* WHAT    From a request's body to an append and back to an answer; the same for every dialect.
 * WHY     An edge loop must not stand still: a body that takes longer than a fraction of a
 *         millisecond (large, or compressed to much more than it looks) is read on the worker pool.
 *         And a small request must not need the heap: buffers and decoders are used again.
 * THREADS call is on the request's loop, then perhaps on a worker, then on the loop, then with the
 *         committer, then on the loop: one after the other. The pool has a mutex. */
#include "analytics/ingest_int.h"

#include <pthread.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"
#include "codec/base64.h"
#include "codec/compress.h"

enum {
    SCRATCH_CHUNK = 64 << 10,
    SCRATCH_MAX = 64 << 20,
    OUT_BYTES_MAX = 1 << 30,
    FIRST_RESULTS = 8,
    KEY_TEXT_MAX = 256,
    SOURCES = 3,
    REFUSALS = 6,
    BODY_BYTES_DEFAULT = 10 << 20,
    INLINE_BYTES_MAX = 64 << 10,       /* about 0.2 ms of work; more goes to the worker pool */
    INLINE_PACKED_BYTES_MAX = 4 << 10, /* the same for compressed bodies */
    POOLS = 16,
    POOL_BUFS = 256,              /* one event each: as many as a loop may have under way */
    POOL_BUF_BYTES_MAX = 8 << 10, /* larger ones are not kept */
    OUT_PER_BODY = 3,             /* a batch's records are about so much larger than its body */
    POOL_DECODERS = 4,
};

/* Buffers and decoders that wait to be used again. Threads are dealt over the pools, so that two
 * loops seldom meet at one. */
struct pool {
    pthread_mutex_t lock; /* guards what follows */
    struct buf bufs[POOL_BUFS];
    uint32_t buf_count;
    struct decoder *decoders[POOL_DECODERS];
    uint32_t decoder_count;
};

struct ingest {
    struct ingest_cfg cfg;
    struct metric events[SOURCES][EVENT_REASON_COUNT];
    char labels[SOURCES][EVENT_REASON_COUNT][64];
    struct metric refused[REFUSALS];
    struct pool pools[POOLS];
};

static const struct dialect *const dialects[SOURCES] = {&dialect_native, &dialect_posthog,
                                                        &dialect_article};

static void count_outcomes(struct ingest_call *call)
{
    for (unsigned s = 0; s < SOURCES; s++)
        for (unsigned r = 0; r < EVENT_REASON_COUNT && dialects[s] == call->dialect; r++)
            if (call->outcomes[r])
                metric_add(&call->ingest->events[s][r], call->outcomes[r]);
}

/* ---- the pool ---- */

static struct pool *pool_of_thread(struct ingest *in)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number; /* 0 = not dealt yet */
    if (!number)
        number = 1 + atomic_fetch_add(&threads, 1);
    return &in->pools[number % POOLS];
}

void ingest_buf_take(struct ingest *in, size_t bytes_max, struct buf *ret_buf)
{
    struct pool *p = pool_of_thread(in);
    buf_init(ret_buf, bytes_max);
    pthread_mutex_lock(&p->lock);
    if (p->buf_count)
        *ret_buf = p->bufs[--p->buf_count];
    pthread_mutex_unlock(&p->lock);
    ret_buf->bytes_max = bytes_max;
}

void ingest_buf_give(struct ingest *in, struct buf *b)
{
    struct pool *p = pool_of_thread(in);
    if (b->cap > POOL_BUF_BYTES_MAX)
        buf_done(b);
    buf_clear(b);
    pthread_mutex_lock(&p->lock);
    bool is_kept = b->cap && p->buf_count < POOL_BUFS;
    if (is_kept)
        p->bufs[p->buf_count++] = *b;
    pthread_mutex_unlock(&p->lock);
    if (!is_kept)
        buf_done(b);
}

static struct decoder *decoder_take(struct ingest *in)
{
    struct pool *p = pool_of_thread(in);
    pthread_mutex_lock(&p->lock);
    struct decoder *d = p->decoder_count ? p->decoders[--p->decoder_count] : NULL;
    pthread_mutex_unlock(&p->lock);
    return d ? d : decoder_new();
}

static void decoder_give(struct ingest *in, struct decoder *d)
{
    struct pool *p = pool_of_thread(in);
    pthread_mutex_lock(&p->lock);
    bool is_kept = p->decoder_count < POOL_DECODERS;
    if (is_kept)
        p->decoders[p->decoder_count++] = d;
    pthread_mutex_unlock(&p->lock);
    if (!is_kept)
        decoder_free(d);
}

/* ---- one event ---- */

static bool grow_results(struct ingest_call *call)
{
    if (call->result_count < call->result_cap)
        return true;
    uint32_t cap = call->result_cap ? call->result_cap * 2 : FIRST_RESULTS;
    struct ingest_result *results = arena_alloc(call->req->net->arena, cap * sizeof(*results));
    uint32_t *lengths = arena_alloc(call->req->net->arena, 2 * cap * sizeof(*lengths));
    if (!results || !lengths)
        return false;
    if (call->result_count) {
        memcpy(results, call->results, call->result_count * sizeof(*results));
        memcpy(lengths, call->lengths, 2 * call->kept * sizeof(*lengths));
    }
    call->results = results;
    call->lengths = lengths;
    call->result_cap = cap;
    return true;
}

/* The request's own arena serves the first event; a batch gets one that is reset for each. */
static struct arena *scratch_of(struct ingest_call *call)
{
    if (call->result_count == 0)
        return call->req->net->arena;
    if (!call->has_scratch) {
        arena_init(&call->scratch, SCRATCH_CHUNK, SCRATCH_MAX);
        call->has_scratch = true;
    }
    arena_reset(&call->scratch);
    return &call->scratch;
}

static void read_event(struct ingest_call *call, const struct json_span *span,
                       struct arena *scratch, struct event *e, struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *root = NULL;
    if (span->text.len > EVENT_BYTES_MAX) {
        event_drop(n, EVENT_TOO_LARGE, "the event is larger than %d bytes", EVENT_BYTES_MAX);
        return;
    }
    enum rc rc = json_parse_span(scratch, span, &root, &err);
    if (rc == RC_LIMIT)
        event_drop(n, EVENT_TOO_DEEP, "nested deeper than %d levels", JSON_DEPTH_MAX);
    else if (rc != RC_OK)
        event_drop(n, EVENT_BAD_JSON, "not valid JSON: %s", err.text);
    else if (!yyjson_is_obj(root))
        event_drop(n, EVENT_BAD_JSON, "an event is a JSON object");
    else
        call->dialect->read(root, &call->env, e, n);
}

static struct slice id_for_answer(struct ingest_call *call, const struct event *e)
{
    struct arena *arena = call->req->net->arena;
    if (e->sent_id.len)
        return arena_copy(arena, e->sent_id);
    char text[UUID_TEXT_LEN + 1];
    return arena_copy(arena, slice_of(uuid_format(&e->id, text), UUID_TEXT_LEN));
}

enum rc ingest_event(struct ingest_call *call, const struct json_span *span, struct err *err)
{
    if (call->result_count == INGEST_EVENTS_MAX)
        return err_set(err, RC_LIMIT, "A request holds at most %d events; send several.",
                       INGEST_EVENTS_MAX);
    struct arena *scratch = scratch_of(call);
    if (!grow_results(call))
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    size_t key_len = 0, value_len = 0;
    event_init(&e, &call->env);
    read_event(call, span, scratch, &e, &n);
    if (n.reason == EVENT_FINE && event_encode(&e, &call->env, span->text.len, &call->out, scratch,
                                               &n, &key_len, &value_len) != RC_OK)
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    if (n.reason == EVENT_FINE) {
        call->lengths[2 * call->kept] = (uint32_t)key_len;
        call->lengths[2 * call->kept + 1] = (uint32_t)value_len;
        call->kept++;
    }
    bool has_id = n.reason == EVENT_FINE || e.sent_id.len;
    call->results[call->result_count++] = (struct ingest_result){
        .id = has_id ? id_for_answer(call, &e) : SLICE_EMPTY,
        .reason = n.reason,
        .details = n.details[0] ? arena_strndup(call->req->net->arena, n.details, strlen(n.details))
                                : NULL,
    };
    call->outcomes[n.reason]++;
    return RC_OK;
}

/* ---- cutting ---- */

static enum rc cut_array(struct ingest_call *call, struct slice array, struct err *err)
{
    struct json_items items;
    struct json_span span;
    enum rc rc = json_items_begin(&items, array);
    while (rc == RC_OK && (rc = json_items_next(&items, &span)) == RC_OK)
        TRY(ingest_event(call, &span, err));
    if (rc == RC_END)
        return RC_OK;
    return err_set(err, RC_INVALID, "The array of events is broken after event %u.",
                   call->result_count);
}

/* {"batch":[…]} has no "event" beside it; anything else is an event. */
static bool find_batch(struct slice object, struct slice *ret_array)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    bool is_found = false;
    if (!memchr(object.data, '[', object.len) || /* most events hold no array: quicker to see */
        !memmem(object.data, object.len, "\"batch\"", 7) ||
        json_members_begin(&members, object) != RC_OK)
        return false;
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (slice_eq_str(key, "event"))
            return false;
        if (slice_eq_str(key, "batch") && span.text.len && span.text.data[0] == '[') {
            *ret_array = span.text;
            is_found = true;
        }
    }
    return is_found;
}

static enum rc cut_lines(struct ingest_call *call, struct slice body, struct err *err)
{
    struct slice line;
    while (json_line_next(&body, &line)) {
        struct json_span span;
        size_t at = 0;
        /* A broken line is one bad event: what is cut as its text is the line. */
        if (!json_skip(line, &at, &span) || json_peek(line, &at) != 0)
            span = (struct json_span){.text = line, .depth = 1};
        TRY(ingest_event(call, &span, err));
    }
    return RC_OK;
}

enum rc ingest_cut_any(struct ingest_call *call, struct slice body, struct err *err)
{
    size_t at = 0;
    char first = json_peek(body, &at);
    if (first == 0)
        return err_set(err, RC_INVALID, "The body is empty; send an event as JSON.");
    if (first == '[')
        return cut_array(call, slice_sub(body, at), err);
    if (first != '{')
        return err_set(err, RC_INVALID,
                       "The body is neither a JSON object, an array, nor lines of JSON.");
    struct json_span span;
    size_t end = at;
    bool is_whole = json_skip(body, &end, &span);
    size_t rest = end;
    if (is_whole && json_peek(body, &rest) == 0) {
        struct slice array;
        if (find_batch(span.text, &array))
            return cut_array(call, array, err);
        return ingest_event(call, &span, err);
    }
    bool has_lines = memchr(body.data + at, '\n', body.len - at) != NULL;
    if (has_lines)
        return cut_lines(call, slice_sub(body, at), err);
    span = (struct json_span){.text = slice_sub(body, at), .depth = 1};
    return ingest_event(call, &span, err);
}

/* ---- append and answer ---- */

static void call_done(struct ingest_call *call)
{
    ingest_buf_give(call->ingest, &call->out);
    if (call->has_scratch)
        arena_done(&call->scratch);
}

static void refuse(struct ingest_call *call, enum rc rc, const char *text)
{
    struct api_request *req = call->req;
    call_done(call);
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
    api_ingest_count(ctx, call->req, call->kept);
    struct buf out = call->out; /* lives until the answer is copied */
    bool has_scratch = call->has_scratch;
    struct arena scratch = call->scratch;
    struct ingest *in = call->ingest;
    call->dialect->answer(call); /* the call is gone after it */
    ingest_buf_give(in, &out);
    if (has_scratch)
        arena_done(&scratch);
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
        records[i].key = slice_of(call->out.data + at, key_len);
        records[i].value = slice_of(call->out.data + at + key_len, value_len);
        records[i].headers = headers;
        at += key_len + value_len;
    }
    call->append = (struct stream_append){.records = records, .count = call->kept, .done = on_kept};
    enum rc rc = stream_append(call->ingest->cfg.events, &call->append);
    if (rc != RC_OK)
        refuse(call, rc, "Nothing of this request was kept; send it again.");
}

void ingest_answer(struct ingest_call *call, int status, const char *content_type,
                   struct slice body)
{
    const struct net_header ack = {SLICE_LIT("X-Weir-Ack"), slice_str(call->ingest->cfg.ack)};
    api_answer(call->req, status, content_type, body, &ack, call->kept ? 1 : 0);
}

static enum rc decode_body(struct ingest_call *call, struct slice *body, struct buf *plain,
                           struct err *err)
{
    if (codec_sniff(*body) == CODEC_PLAIN)
        return RC_OK;
    struct decoder *d = decoder_take(call->ingest);
    if (!d)
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    enum rc rc = decode_all(d, *body, plain, err);
    decoder_give(call->ingest, d);
    *body = buf_slice(plain);
    if (rc == RC_LIMIT)
        return err_set(err, RC_LIMIT, "The body is larger than %llu bytes when it is decompressed.",
                       (unsigned long long)plain->bytes_max);
    return rc;
}

/* Body to records: on the loop or on a worker. */
static void read_body(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    (void)ctx;
    struct slice body = call->req->net->body;
    struct buf plain;
    ingest_buf_take(call->ingest, call->ingest->cfg.body_bytes_max * INGEST_DECODED_FACTOR, &plain);
    call->rc = decode_body(call, &body, &plain, &call->err);
    if (body.len > POOL_BUF_BYTES_MAX) /* grow once */
        IGNORE(!buf_reserve(&call->out, OUT_PER_BODY * body.len), "told by the first event");
    if (call->rc == RC_OK)
        call->rc = call->dialect->cut(call, body, &call->err);
    ingest_buf_give(call->ingest, &plain);
}

static void body_read(struct ctx *ctx, void *arg)
{
    struct ingest_call *call = arg;
    if (call->rc != RC_OK)
        refuse(call, call->rc, call->err.text);
    else
        append_all(ctx, call);
}

/* The User-Agent of a server's HTTP client says nothing about the visitor. A browser adds Origin or
 * Sec-Fetch-Site to what a page sends; the article's pair is for browsers only. */
static bool is_from_browser(const struct ingest_call *call)
{
    const struct net_request *net = call->req->net;
    return call->dialect == &dialect_article || net_header_has(net, "Origin") ||
           net_header_has(net, "Sec-Fetch-Site");
}

void ingest_run(struct ctx *ctx, struct ingest *in, struct api_request *req,
                const struct dialect *dialect, const struct tenant_project *project,
                struct slice user_id)
{
    struct ingest_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    must(call);
    call->ingest = in;
    call->req = req;
    call->dialect = dialect;
    call->task.run = answer;
    call->task.ctx = ctx_ref(ctx);
    ingest_buf_take(in, OUT_BYTES_MAX, &call->out);
    event_env_init(&call->env, &project->id, dialect->source, unix_now());
    call->env.default_user_id = user_id;
    if (is_from_browser(call))
        call->env.default_user_agent = ctx->user_agent;
    bool is_packed = codec_sniff(req->net->body) != CODEC_PLAIN;
    if (req->net->body.len > (is_packed ? INLINE_PACKED_BYTES_MAX : INLINE_BYTES_MAX)) {
        net_loop_work(ctx, req->net->loop, read_body, body_read, call);
        return;
    }
    read_body(ctx, call);
    body_read(ctx, call);
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
static const struct tenant_project *project_of(struct api_request *req)
{
    struct slice key = bearer_of(req->net);
    if (!key.len)
        key = basic_user_of(req->net);
    if (!key.len && !net_query_get(req->net, "key", &key))
        key = SLICE_EMPTY;
    return api_ingest_project(req, key);
}

static void post_events(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct tenant_project *project = project_of(req);
    if (project)
        ingest_run(ctx, service, req, &dialect_native, project, SLICE_EMPTY);
}

static void post_posthog(struct ctx *ctx, void *service, struct api_request *req)
{
    const struct tenant_project *project = project_of(req);
    if (project)
        ingest_run(ctx, service, req, &dialect_posthog, project, SLICE_EMPTY);
}

#define RESULTS_200                                                                           \
    "\"responses\":{\"200\":{\"description\":\"Kept; one result per "                         \
    "event\",\"content\":{\"application/json\":{}}},"                                         \
    "\"400\":{\"$ref\":\"#/components/responses/Problem\"},\"401\":{\"$ref\":\"#/components/" \
    "responses/Problem\"},"                                                                   \
    "\"413\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":\"#/components/" \
    "responses/Problem\"}}"
#define ARTICLE_202                                                                 \
    "\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"content\":{\"application/" \
    "json\":{\"schema\":{\"$ref\":"                                                 \
    "\"#/components/schemas/"                                                       \
    "CompressedEvent\"}}}},\"responses\":{\"202\":{\"description\":\"ACCEPTED\"},"  \
    "\"400\":{\"description\":\"{error}\"},\"401\":{\"description\":\"{error}\"}}"

static const struct api_route templates[] = {
    {.method = NET_POST,
     .pattern = "/v1/events",
     .access = API_NEEDS(EVENTS_WRITE),
     .is_ingest = true,
     .is_browser = true,
     .handle = post_events,
     .openapi = "{\"operationId\":\"ingest\",\"summary\":\"Send events: one object, an array, "
                "{batch:[]} or NDJSON; "
                "gzip and zstd are "
                "recognised\",\"security\":[{\"writeKey\":[]}],\"requestBody\":{\"required\":true,"
                "\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
                "IngestEvent\"}}}}," RESULTS_200 "}"},
    {.method = NET_POST,
     .pattern = "/i/v1/analytics/events",
     .access = API_NEEDS(EVENTS_WRITE),
     .is_ingest = true,
     .is_browser = true,
     .handle = post_posthog,
     .openapi = "{\"operationId\":\"ingestPosthog\",\"summary\":\"PostHog capture, version "
                "1\",\"security\":[{"
                "\"writeKey\":[]}],\"requestBody\":{\"required\":true,\"content\":{\"application/"
                "json\":{}}}," RESULTS_200 "}"},
    {.method = NET_POST,
     .pattern = "*/view",
     .access = API_NEEDS(EVENTS_WRITE),
     .is_ingest = true,
     .is_browser = true,
     .handle = article_handle,
     .openapi =
         "{\"operationId\":\"articleView\",\"summary\":\"A page view, Bearer JWT\"," ARTICLE_202
         "}"},
    {.method = NET_POST,
     .pattern = "*/event",
     .access = API_NEEDS(EVENTS_WRITE),
     .is_ingest = true,
     .is_browser = true,
     .handle = article_handle,
     .openapi =
         "{\"operationId\":\"articleEvent\",\"summary\":\"An event, Bearer JWT\"," ARTICLE_202 "}"},
};
static struct api_route routes[COUNT_OF(templates)];

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

struct api_service ingest_service(struct ingest *in)
{
    memcpy(routes, templates, sizeof(routes));
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        routes[i].body_bytes_max = in->cfg.body_bytes_max;
    return (struct api_service){.name = "ingest",
                                .ctx = in,
                                .routes = routes,
                                .route_count = COUNT_OF(routes),
                                .on_answer = count_refusal,
                                .openapi_schemas = schemas};
}

enum rc ingest_new(const struct ingest_cfg *cfg, struct ingest **ret_ingest, struct err *err)
{
    must(cfg->events && cfg->ack);
    (void)err;
    struct ingest *in = heap_alloc(HEAP_ANALYTICS, sizeof(*in));
    in->cfg = *cfg;
    for (unsigned i = 0; i < POOLS; i++)
        pthread_mutex_init(&in->pools[i].lock, NULL);
    if (in->cfg.body_bytes_max == 0)
        in->cfg.body_bytes_max = BODY_BYTES_DEFAULT;
    for (unsigned s = 0; s < SOURCES; s++) {
        for (unsigned r = 0; r < EVENT_REASON_COUNT; r++) {
            snprintf(in->labels[s][r], sizeof(in->labels[s][r]), "source=\"%s\",outcome=\"%s\"",
                     dialects[s]->source,
                     r == EVENT_FINE ? "kept" : event_reason_name((enum event_reason)r));
            in->events[s][r] =
                (struct metric){.name = "weir_ingest_events_total",
                                .help = "Events by source and outcome (kept, or why dropped).",
                                .labels = in->labels[s][r],
                                .kind = METRIC_COUNTER};
            metrics_register(&in->events[s][r]);
        }
    }
    register_refusals(in);
    *ret_ingest = in;
    return RC_OK;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    for (unsigned s = 0; s < SOURCES; s++)
        for (unsigned r = 0; r < EVENT_REASON_COUNT; r++)
            metrics_unregister(&in->events[s][r]);
    for (unsigned i = 0; i < REFUSALS; i++)
        metrics_unregister(&in->refused[i]);
    for (unsigned i = 0; i < POOLS; i++) {
        struct pool *p = &in->pools[i];
        while (p->buf_count)
            buf_done(&p->bufs[--p->buf_count]);
        while (p->decoder_count)
            decoder_free(p->decoders[--p->decoder_count]);
        pthread_mutex_destroy(&p->lock);
    }
    heap_free(in);
}
