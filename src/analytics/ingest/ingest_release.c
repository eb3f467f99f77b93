/* WHAT    What was rejected, read again under the rules of now; what they let pass is appended.
 * WHY     The dialect itself reads the kept request: there is no second opinion on what an event
 *         is. What was made of the visitor's address comes from the sample, the time of receipt as
 *         well.
 *         A released event has the id that it brought, or one made of the sample and its place, and
 *         is marked for deduplication: however often a release is repeated, or dies between the
 *         append and the note that it happened, the projector takes it once.
 * LAYOUT  page of samples (rejected_read) → each one read again → append → what is still refused
 *         (rejected_store_rest)
 * THREADS handlers on the loop, the rest on a worker; the quota is counted on the loop again. */
#include "analytics/ingest/ingest_int.h"

#include <stdio.h>

#include "base/log.h"
#include "base/must.h"
#include "codec/base64.h"
#include "store/store.h"

enum {
    PAGE = 20,          /* samples of one question */
    SAMPLES_MAX = 2000, /* of one call; then it is told where to go on */
    MS_MAX = 10000,
    DAY_MS = 24 * 3600 * 1000,
    ARENA_BYTES = 64 << 10,
    ARENA_BYTES_MAX = 64 << 20,
    CREDITS_MAX = 32,
    CURSOR_BYTES = 64,
};
static const struct uuid nobody;

struct credit { /* released events of a project, for its quota */
    const struct tenant_project *project;
    uint32_t events;
};
struct release {
    struct ingest_releaser *service;
    struct api_request *req;
    struct ctx *ctx;
    struct store_client *client;
    struct rejected_query query;
    const struct tenant_project *only; /* NULL: the operator */
    bool is_dry_run, has_more;
    struct arena arena; /* of one sample */
    mono_ns until;
    uint64_t requests, released;
    uint64_t refused[REJECTED_REASON_COUNT];
    struct credit credits[CREDITS_MAX];
    uint32_t credit_count;
    uint32_t read; /* of the page */
    enum rc rc;
    struct err err;
};

/* ---- one sample ---- */
struct again {
    struct release *release;
    const struct rejected_stored *stored;
    struct ingest_again again;
    struct ingest_call call;
    struct net_request net;
    struct api_request req;
    struct net_header headers[REJECTED_HEADERS_MAX];
};

static const struct dialect_route *route_of(const struct rejected_stored *s,
                                            const struct dialect **ret_dialect)
{
    for (uint32_t d = 0; d < dialect_count; d++)
        for (uint32_t i = 0; i < dialects[d]->route_count; i++) {
            const struct dialect_route *route = &dialects[d]->routes[i];
            bool is_post = slice_eq_str(slice_str(s->sample.method), "POST");
            *ret_dialect = dialects[d];
            if (slice_eq_str(s->dialect, dialects[d]->source) &&
                route->method == (is_post ? NET_POST : NET_GET) &&
                slice_eq(slice_str(route->pattern), slice_str(s->sample.route)))
                return route;
        }
    return NULL;
}

static void fill_request(struct again *a)
{
    const struct rejected_sample *s = &a->stored->sample;
    const struct api_request *real = a->release->req;
    for (uint32_t i = 0; i < s->header_count; i++)
        a->headers[i] = (struct net_header){s->headers[i].name, s->headers[i].value};
    a->net = (struct net_request){.ctx = a->release->ctx,
                                  .arena = &a->release->arena,
                                  .method = slice_eq_str(slice_str(s->method), "POST") ? NET_POST
                                                                                       : NET_GET,
                                  .path = s->path,
                                  .query = s->query,
                                  .headers = a->headers,
                                  .header_count = s->header_count,
                                  .body = s->body,
                                  .body_bytes = s->body.len};
    a->req = (struct api_request){
        .net = &a->net, .view = real->view, .api = real->api, .route = real->route};
}

/* Whose it is, under the rules of now; NULL: why not. */
static const struct tenant_project *project_of(struct again *a, const char **ret_why)
{
    const struct rejected_sample *s = &a->stored->sample;
    struct ingest_call *call = &a->call;
    bool is_named = !s->is_key_in_head && call->dialect->find_key;
    if (is_named && ingest_unwrap(call, &call->err) == RC_OK)
        call->key = call->dialect->find_key(call);
    if (memcmp(&s->project, &nobody, sizeof(nobody)) == 0) {
        *ret_why = "no project has this key or name";
        return call->key.len ? api_ingest_further(&a->req, call->key, ret_why) : NULL;
    }
    const struct tenant_project *project = tenant_by_id(a->req.view, &s->project);
    *ret_why =
        project ? api_ingest_again(&a->req, project, &s->key_id, net_header_get(&a->net, "Origin"))
                : "the project is archived";
    return *ret_why ? NULL : project;
}

static void begin_call(struct again *a, const struct tenant_project *project)
{
    const struct rejected_sample *s = &a->stored->sample;
    struct ingest_call *call = &a->call;
    event_env_init(&call->env, &project->id, call->dialect->source, s->received_at);
    call->env.variant = call->route->variant;
    call->env.default_user_id = s->user_id;
    if (s->is_visitor)
        call->env.default_user_agent = net_header_get(&a->net, "User-Agent");
    ingest_begin_share(call, project);
    ingest_client_begin(call, project, s->is_visitor);
}

static void note_credit(struct release *r, const struct ingest_share *share)
{
    for (uint32_t i = 0; i < CREDITS_MAX; i++) {
        struct credit *c = &r->credits[i];
        if (i == r->credit_count) {
            *c = (struct credit){share->project, 0};
            r->credit_count++;
        }
        if (c->project != share->project)
            continue;
        c->events += share->kept;
        return;
    }
}

static enum rc append_kept(struct again *a, struct err *err)
{
    struct ingest_call *call = &a->call;
    struct stream_record *records =
        arena_zalloc(&a->release->arena, (call->kept + 1) * sizeof(*records));
    ENSURE(records, err_set(err, RC_NOMEM, "no memory for this release"));
    size_t at = 0;
    for (uint32_t i = 0; i < call->kept; i++) {
        size_t key_len = call->lengths[2 * i], value_len = call->lengths[2 * i + 1];
        records[i].key = slice_of(call->space.out.data + at, key_len);
        records[i].value = slice_of(call->space.out.data + at + key_len, value_len);
        at += key_len + value_len;
    }
    enum rc rc = stream_append_wait(ingest_cfg_of(call->ingest)->events, records, call->kept);
    ENSURE(rc == RC_OK, err_set(err, rc, "the stream takes nothing now: %s", rc_text(rc)));
    for (uint32_t i = 0; i < call->share_count; i++)
        note_credit(a->release, &call->shares[i]);
    return RC_OK;
}

/* What is refused by now, and why. */
static struct rejected_event refused_now(struct release *r, const struct ingest_call *call,
                                         const struct rejected_event *e, uint32_t index)
{
    struct rejected_event rest = *e;
    rest.index = index;
    if (index < call->result_count && call->results[index].reason != EVENT_FINE) {
        rest.reason = rejected_reason_of(call->results[index].reason);
        rest.details = slice_str(call->results[index].details);
    }
    r->refused[rest.reason]++;
    return rest;
}

/* Of a request that had been refused as a whole: each event by itself, from now on. */
static uint32_t rest_of_whole(struct release *r, const struct ingest_call *call,
                              const struct rejected_event *e, struct rejected_event *rest,
                              uint32_t room)
{
    uint32_t n = 0;
    if (call->kept == 0) {
        rest[n++] = refused_now(r, call, e, REJECTED_WHOLE);
        return n;
    }
    for (uint32_t i = 0; i < call->result_count && n < room; i++)
        if (!call->results[i].is_kept)
            rest[n++] = refused_now(r, call, e, i);
    return n;
}

/* Counts, and keeps what is still refused. */
static enum rc settle(struct again *a, struct err *err)
{
    struct release *r = a->release;
    const struct ingest_call *call = &a->call;
    const struct rejected_sample *s = &a->stored->sample;
    struct rejected_event *rest = arena_alloc(&r->arena, REJECTED_EVENTS_MAX * sizeof(*rest));
    uint32_t n = 0;
    ENSURE(rest, err_set(err, RC_NOMEM, "no memory for this release"));
    for (uint32_t i = 0; i < s->event_count && n < REJECTED_EVENTS_MAX; i++) {
        const struct rejected_event *e = &s->events[i];
        if (r->query.has_reason && e->reason != r->query.reason)
            rest[n++] = *e;
        else if (e->index == REJECTED_WHOLE)
            n += rest_of_whole(r, call, e, rest + n, REJECTED_EVENTS_MAX - n);
        else if (e->index >= call->result_count || !call->results[e->index].is_kept)
            rest[n++] = refused_now(r, call, e, e->index);
    }
    r->released += call->kept;
    if (r->is_dry_run || call->kept == 0)
        return RC_OK;
    return rejected_store_rest(r->client, a->stored, rest, n, err);
}

static enum rc read_again(struct again *a, struct err *err)
{
    struct ingest_call *call = &a->call;
    const char *why = NULL;
    const struct tenant_project *project = project_of(a, &why);
    if (project && a->again.only && project != a->again.only)
        why = "it is another project's";
    if (project && !why) {
        begin_call(a, project);
        call->rc = ingest_unwrap(call, &call->err);
        if (call->rc == RC_OK)
            call->rc = call->dialect->cut(call, call->body, &call->err);
        if (call->rc == RC_OK && call->kept && !a->release->is_dry_run)
            TRY(append_kept(a, err));
        if (call->rc != RC_OK)
            call->kept = call->result_count = 0;
    }
    return settle(a, err);
}

static enum rc on_sample(void *ctx, const struct rejected_stored *s)
{
    struct release *r = ctx;
    const struct dialect *dialect;
    const struct dialect_route *route = route_of(s, &dialect);
    r->read++;
    r->requests++;
    r->query.after = s->sample.received_at;
    r->query.after_id = s->sample.id;
    arena_reset(&r->arena);
    struct again *a = arena_zalloc(&r->arena, sizeof(*a));
    ENSURE(a, RC_NOMEM);
    if (!route || s->sample.event_count == 0)
        return RC_OK; /* of a dialect of a later version */
    a->release = r;
    a->stored = s;
    a->again = (struct ingest_again){
        .sample = &s->sample,
        .only = r->only ? r->only : tenant_by_id(r->req->view, &s->sample.project),
        .reason = r->query.reason,
        .has_reason = r->query.has_reason};
    fill_request(a);
    ingest_call_init(&a->call, r->service->ingest, &a->req, dialect, route);
    a->call.again = &a->again;
    enum rc rc = read_again(a, &r->err);
    ingest_space_give(r->service->ingest, &a->call.space);
    return rc;
}

/* ---- all of them ---- */

static enum rc run(struct release *r)
{
    for (;;) {
        r->read = 0;
        TRY(rejected_read(r->ctx, r->client, &r->query, on_sample, r, &r->err));
        if (r->read < r->query.limit)
            return RC_OK;
        r->has_more = r->requests >= SAMPLES_MAX || !mono_is_before(mono_now(), r->until);
        if (r->has_more)
            return RC_OK;
    }
}

static void work(struct ctx *ctx, void *arg)
{
    struct release *r = arg;
    r->ctx = ctx;
    r->rc = store_pool_take(r->service->store, &r->client, &r->err);
    if (r->rc != RC_OK)
        return;
    arena_init(&r->arena, ARENA_BYTES, ARENA_BYTES_MAX);
    r->rc = run(r);
    arena_done(&r->arena);
    store_pool_give(r->service->store, r->client);
}

static void put_answer(const struct release *r, struct buf *body)
{
    const char *between = "";
    buf_addf(body, "{\"dry_run\":%s,\"requests\":%llu,\"released\":%llu,\"refused\":[",
             r->is_dry_run ? "true" : "false", (unsigned long long)r->requests,
             (unsigned long long)r->released);
    for (unsigned i = 0; i < REJECTED_REASON_COUNT; i++) {
        if (!r->refused[i])
            continue;
        buf_addf(body, "%s{\"reason\":\"%s\",\"events\":%llu}", between,
                 rejected_reason_code((enum rejected_reason)i), (unsigned long long)r->refused[i]);
        between = ",";
    }
    buf_add_str(body, "],\"note\":\"What was counted without a sample cannot be released.\","
                      "\"next_cursor\":");
    if (r->has_more) {
        char text[CURSOR_BYTES], id[UUID_TEXT_LEN + 1];
        int n = snprintf(text, sizeof(text), "%lld:%s", (long long)r->query.after.ms,
                         uuid_format(&r->query.after_id, id));
        buf_add_char(body, '"');
        base64_encode(body, BASE64_URL, slice_of(text, (size_t)n));
        buf_add_str(body, "\"}");
    } else {
        buf_add_str(body, "null}");
    }
}

static void done(struct ctx *ctx, void *arg)
{
    struct release *r = arg;
    struct buf body;
    for (uint32_t i = 0; i < r->credit_count; i++)
        api_ingest_count(ctx, r->req, r->credits[i].project, r->credits[i].events);
    if (r->rc != RC_OK) {
        api_problem(r->req, r->rc, "%s; %llu events were released before, call again", r->err.text,
                    (unsigned long long)r->released);
        return;
    }
    buf_init(&body, 16 << 10);
    put_answer(r, &body);
    api_json(r->req, 200, buf_slice(&body));
    buf_done(&body);
}

/* ---- the request ---- */

static bool take_cursor(struct release *r)
{
    struct slice text;
    uint8_t bytes[96];
    size_t len = 0;
    if (!net_query_get(r->req->net, "cursor", &text))
        return true;
    if (text.len > CURSOR_BYTES * 4 / 3 || !base64_decode(BASE64_URL, text, bytes, &len))
        return false;
    struct slice rest = slice_of((const char *)bytes, len), time = slice_cut(&rest, ':');
    return slice_to_i64(time, &r->query.after.ms) && uuid_parse(rest, &r->query.after_id);
}

static bool take_parameters(struct release *r)
{
    struct slice text;
    r->query.has_reason = net_query_get(r->req->net, "reason", &text);
    if (r->query.has_reason && !rejected_reason_find(text, &r->query.reason)) {
        api_problem(r->req, RC_INVALID, "reason: there is none of that name; see docs/ingest.md");
        return false;
    }
    if (net_query_get(r->req->net, "dry_run", &text)) {
        r->is_dry_run = slice_eq_str(text, "true");
        if (!r->is_dry_run && !slice_eq_str(text, "false")) {
            api_problem(r->req, RC_INVALID, "dry_run: give true or false");
            return false;
        }
    }
    if (take_cursor(r))
        return true;
    api_problem(r->req, RC_INVALID, "cursor: give back the one that an answer gave");
    return false;
}

static struct release *release_new(struct ctx *ctx, void *service, struct api_request *req)
{
    struct release *r = arena_zalloc(ctx->arena, sizeof(*r));
    if (!r) {
        api_problem(req, RC_NOMEM, "There is no memory for this request now.");
        return NULL;
    }
    r->service = service;
    r->req = req;
    r->query.since = (unix_ms){unix_now().ms - DAY_MS};
    r->query.limit = PAGE;
    r->until = mono_add_ms(mono_now(), MS_MAX);
    return take_parameters(r) ? r : NULL;
}

static void post_release(struct ctx *ctx, void *service, struct api_request *req)
{
    struct release *r = release_new(ctx, service, req);
    if (!r)
        return;
    r->only = req->project;
    r->query.project = &req->project->id;
    net_loop_work(ctx, req->net->loop, work, done, r);
}

/* Without project: all of them, and nobody's. */
static void control_release(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice text;
    struct uuid id;
    struct release *r = release_new(ctx, service, req);
    if (!r)
        return;
    if (net_query_get(req->net, "project", &text) && text.len) {
        r->only = uuid_parse(text, &id) ? tenant_by_id(req->view, &id) : NULL;
        if (!r->only) {
            api_problem(req, RC_NOTFOUND, "There is no project of that id.");
            return;
        }
        r->query.project = &r->only->id;
    }
    net_loop_work(ctx, req->net->loop, work, done, r);
}

#define PARAMETER(name, text, schema) \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text "\",\"schema\":" schema "}"
#define PROBLEM "{\"$ref\":\"#/components/responses/Problem\"}"
#define PROJECT                                                                                  \
    "{\"name\":\"projectId\",\"in\":\"path\",\"required\":true,\"description\":\"The project\"," \
    "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}"
#define TEXT "{\"type\":\"string\"}"
#define COUNT "{\"type\":\"integer\"}"
#define REASON PARAMETER("reason", "Only what was rejected for it", TEXT)
#define CURSOR PARAMETER("cursor", "next_cursor of the answer before", TEXT)
#define DRY_RUN                                             \
    PARAMETER("dry_run", "Only say what would be released", \
              "{\"type\":\"boolean\",\"default\":false}")
static const char openapi[] =
    "{\"operationId\":\"releaseRejections\",\"summary\":\"Read what was rejected again, under the "
    "rules of now\",\"tags\":[\"Ingestion\"],\"parameters\":[" PROJECT "," REASON "," DRY_RUN
    "," CURSOR "],\"responses\":{\"200\":{\"description\":\"What was released, and what is still "
    "refused\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\","
    "\"properties\":{\"dry_run\":{\"type\":\"boolean\"},"
    "\"requests\":" COUNT ",\"released\":" COUNT
    ",\"refused\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"object\",\"properties\":{\"reason\":" TEXT ",\"events\":" COUNT "}}},\"note\":" TEXT
    ",\"next_cursor\":{\"type\":[\"string\",\"null\"]}}}}}},\"400\":" PROBLEM ",\"401\":" PROBLEM
    ",\"403\":" PROBLEM ",\"404\":" PROBLEM ",\"503\":" PROBLEM "}}";

static const struct api_route routes[] = {
    {.method = NET_POST,
     .pattern = "/v1/projects/{projectId}/rejections/release",
     .access = API_NEEDS(PROJECTS_WRITE),
     .handle = post_release,
     .openapi = openapi},
    {.method = NET_POST,
     .pattern = "/control/release",
     .access = API_CONTROL,
     .handle = control_release},
};

struct api_service ingest_release_service(struct ingest_releaser *r)
{
    return (struct api_service){
        .name = "release", .ctx = r, .routes = routes, .route_count = COUNT_OF(routes)};
}
