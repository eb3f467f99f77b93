#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "analytics/ingest/ingest.h"
#include "base/heap.h"
#include "base/must.h"
#include "tenant/admin.h"

enum { ARENA_MAX = 32 << 20, LARGE_BODY = 70 << 10 };

static struct api *api;
static struct net_app app;
static struct ingest *ingest;
static _Atomic int views_out;
static _Thread_local struct world *self; /* whose thread it is */

/* ---- findings ---- */

static _Atomic unsigned leak_count;

void leak(const char *fmt, ...)
{
    enum { SHOWN_MAX = 10 };
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (atomic_fetch_add(&leak_count, 1) < SHOWN_MAX)
        printf("leak: %s\n", text);
}

unsigned leaks(void)
{
    return leak_count;
}

/* The next token, trace id of a traceparent or trace_id of a log line: 32 digits. */
static const char *next_token(struct slice *rest)
{
    static const struct slice marks[] = {SLICE_CONST("tx"), SLICE_CONST("00-"),
                                         SLICE_CONST("trace_id=")};
    uint8_t id[16];
    for (; rest->len; *rest = slice_sub(*rest, 1)) {
        if (rest->data[0] != 't' && rest->data[0] != '0')
            continue;
        for (size_t i = 0; i < COUNT_OF(marks); i++) {
            if (!slice_has_prefix(*rest, marks[i]) || rest->len < marks[i].len + 32 ||
                !slice_unhex(rest->data + marks[i].len, sizeof(id), id))
                continue;
            const char *found = rest->data + marks[i].len;
            *rest = slice_sub(*rest, marks[i].len + 32);
            return found;
        }
    }
    return NULL;
}

bool check_taint(const char *where, struct slice text, const char *own)
{
    const char *found;
    while ((found = next_token(&text))) {
        if (own && memcmp(found, own + 2, 32) == 0)
            continue;
        leak("%s of %s holds tx%.32s", where, own ? own : "nobody", found);
        return false;
    }
    return true;
}

void check_log(struct slice text)
{
    while (text.len) {
        struct slice line = slice_cut(&text, '\n'), rest = line;
        const char *first = next_token(&rest), *other;
        bool has_context = memmem(line.data, line.len, " request_id=", 12);
        if (!first)
            continue;
        if (!has_context)
            leak("a log line outside of any context: %.*s", SLICE_ARG(line));
        while ((other = next_token(&rest)))
            if (memcmp(first, other, 32) != 0) {
                leak("a log line of two requests: %.*s", SLICE_ARG(line));
                break;
            }
    }
}

/* ---- steps ---- */

static void request_unref(struct request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    buf_done(&r->body);
    heap_free(r->user);
    heap_free(r);
}

static struct step *step_new(enum step_kind kind, struct request *r, struct ctx_ref ctx)
{
    struct step *s = heap_alloc(HEAP_MISC, sizeof(*s));
    s->kind = kind;
    s->request = r;
    s->ctx = ctx;
    atomic_fetch_add(&r->refs, 1);
    return s;
}

static void ready_add(struct world *w, struct step *s)
{
    if (w->ready_count == w->ready_cap) {
        w->ready_cap = w->ready_cap ? w->ready_cap * 2 : 64;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
        w->ready = realloc(w->ready, w->ready_cap * sizeof(*w->ready));
        must(w->ready);
    }
    w->ready[w->ready_count++] = s;
}

static void post(struct world *w, struct step *s)
{
    if (w == self) {
        ready_add(w, s);
        return;
    }
    pthread_mutex_lock(&w->lock);
    s->next = w->inbox;
    w->inbox = s;
    pthread_mutex_unlock(&w->lock);
}

static void drain_inbox(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    struct step *s = take_ptr(&w->inbox);
    pthread_mutex_unlock(&w->lock);
    while (s) {
        struct step *next = s->next;
        ready_add(w, s);
        s = next;
    }
}

/* ---- what net does for the code under test ---- */

struct request *request_of(const struct api_request *req)
{
    return CONTAINER_OF(req->net, struct request, net);
}

void net_loop_post(struct net_loop *loop, struct net_task *task)
{
    struct world *owner = (struct world *)loop;
    struct step *s = step_new(STEP_TASK, self->running, task->ctx);
    s->task = task;
    post(owner, s);
}

void net_loop_work(struct ctx *ctx, struct net_loop *loop, void (*work)(struct ctx *ctx, void *arg),
                   void (*done)(struct ctx *ctx, void *arg), void *arg)
{
    must((struct world *)loop == self);
    struct step *s = step_new(STEP_WORK, self->running, ctx_ref(ctx));
    s->work = work;
    s->done = done;
    s->arg = arg;
    post(self->peer, s);
}

void world_timer(struct ctx *ctx, struct request *r, void (*fire)(struct ctx *ctx, void *arg),
                 void *arg)
{
    struct step *s = step_new(STEP_TIMER, r, ctx_ref(ctx));
    s->work = fire;
    s->arg = arg;
    post(self, s);
}

static void tell_done(struct request *r)
{
    if (!r->has_app_seen)
        return;
    struct ctx *ctx = ctx_enter(ctx_ref(r->ctx));
    app.on_done(app.ctx, &r->net, r->status, 0);
    ctx_leave(ctx);
}

/* As net: told, then released, whatever became of the client. */
static void finish(struct request *r)
{
    tell_done(r);
    r->is_over = true;
    ctx_release(take_ptr(&r->ctx));
    r->net.ctx = NULL;
    r->net.arena = NULL;
    self->requests++;
}

void net_respond(struct net_request *req, const struct net_response *response)
{
    struct request *r = CONTAINER_OF(req, struct request, net);
    char trace[CTX_TRACEPARENT_LEN + 1];
    must(!r->is_over && r->world == self);
    r->status = response->status;
    if (!r->is_gone) {
        check_taint("the answer", response->body, r->token);
        for (uint32_t i = 0; i < response->header_count; i++)
            check_taint("a header", response->headers[i].value, r->token);
        check_taint("the traceparent", slice_str(ctx_traceparent(r->ctx, trace)), r->token);
        check_taint("the request id", slice_str(r->ctx->request_id), r->token);
    }
    finish(r);
}

void net_stream_begin(struct net_request *req, const struct net_response *head,
                      void (*on_drain)(struct ctx *ctx, struct net_request *req))
{
    (void)req, (void)head, (void)on_drain;
    must_not_reach("nothing here streams");
}

/* ---- the committer ---- */

enum rc stream_append(struct stream *stream, struct stream_append *append)
{
    (void)stream;
    struct step *s = step_new(STEP_COMMIT, self->running, (struct ctx_ref){NULL, 0});
    s->append = append;
    post(self->peer, s);
    return RC_OK;
}

static void commit(struct step *s)
{
    const struct stream_append *a = s->append;
    for (uint32_t i = 0; i < a->count; i++) {
        check_taint("a record's key", a->records[i].key, s->request->token);
        check_taint("a record's headers", a->records[i].headers, s->request->token);
        check_taint("a record", a->records[i].value, s->request->token);
    }
    s->append->done(s->append, RC_OK);
}

/* ---- the tenant ---- */

static const struct tenant_project project = {
    .id_text = "0198c0de-0000-7000-8000-000000000001",
    .id = {{0x01, 0x98, 0xc0, 0xde, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}}};

/* Nothing of weir's own work is asked for here: no project has a quota. */
struct ctx_pool *net_loop_contexts(struct net_loop *loop)
{
    (void)loop;
    must_not_reach("no project has a quota");
}

struct tenant_view *tenant_view_take(struct tenant *t)
{
    atomic_fetch_add(&views_out, 1);
    return (struct tenant_view *)t;
}

void tenant_view_give(struct tenant_view *v)
{
    if (v)
        atomic_fetch_sub(&views_out, 1);
}

uint64_t tenant_view_generation(const struct tenant_view *v)
{
    must(v);
    return 1;
}

const struct tenant_key *tenant_key_find(const struct tenant_view *v, struct slice text,
                                         unix_ms now)
{
    static const struct tenant_key key = {.id_text = "0198c0de-0000-7000-8000-0000000000ee",
                                          .scopes = UINT64_C(1) << TENANT_EVENTS_WRITE,
                                          .project = &project};
    (void)now;
    must(v);
    return slice_eq_str(text, "wk_sim") ? &key : NULL;
}

const struct tenant_key *tenant_key_by_id(const struct tenant_view *v, const struct uuid *id,
                                          unix_ms now)
{
    (void)v, (void)id, (void)now;
    return NULL;
}

bool tenant_key_allows(const struct tenant_key *key, struct slice origin)
{
    (void)key, (void)origin;
    return true;
}

bool tenant_project_allows(const struct tenant_project *p, struct slice origin)
{
    (void)p, (void)origin;
    return true;
}

const struct tenant_project *tenant_project_by_name(const struct tenant_view *v, struct slice name)
{
    (void)v, (void)name;
    return NULL;
}

void tenant_key_used(const struct tenant_key *key, unix_ms now)
{
    (void)key, (void)now;
}

const struct tenant_share *tenant_share_by_visit(const struct tenant_view *v, struct slice visit,
                                                 unix_ms now)
{
    (void)v, (void)visit, (void)now;
    return NULL;
}

const struct tenant_issuer *tenant_issuer_find(const struct tenant_view *v, struct slice issuer,
                                               struct slice audience)
{
    (void)v, (void)issuer, (void)audience;
    return NULL;
}

enum rc tenant_reload(struct tenant *t, struct err *err)
{
    (void)t, (void)err;
    return RC_OK;
}

const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *id)
{
    (void)v, (void)id;
    return NULL;
}

/* ---- a request ---- */

static const struct {
    enum net_method method;
    const char *path;
} places[SCRIPT_COUNT] = {
    [ASK_EVENT] = {NET_POST, "/v1/events"},
    [ASK_LARGE_BATCH] = {NET_POST, "/v1/events"},
    [ASK_BAD_BODY] = {NET_POST, "/v1/events"},
    [ASK_WITHOUT_KEY] = {NET_POST, "/v1/events"},
    [ASK_NOWHERE] = {NET_GET, "/nowhere"},
    [ASK_PROBE] = {NET_POST, "/probe"},
    [ASK_PROBE_ANONYMOUS] = {NET_POST, "/probe/anonymous"},
    [ASK_PROBE_LATE] = {NET_POST, "/probe/late"},
};

static void write_body(struct request *r)
{
    if (r->script == ASK_BAD_BODY) {
        buf_addf(&r->body, "%s is no event", r->token);
        return;
    }
    buf_add_char(&r->body, '[');
    do
        buf_addf(&r->body, "%s{\"event\":\"e\",\"user_id\":\"%s\",\"properties\":{\"t\":\"%s\"}}",
                 r->body.len > 1 ? "," : "", r->token, r->token);
    while (r->script == ASK_LARGE_BATCH && r->body.len < LARGE_BODY);
    buf_add_char(&r->body, ']');
}

static void add_header(struct request *r, const char *name, const char *value)
{
    r->headers[r->net.header_count++] = (struct net_header){slice_str(name), slice_str(value)};
}

struct request *world_ask(struct world *w, enum script script)
{
    struct request *r = heap_alloc(HEAP_MISC, sizeof(*r));
    r->world = w;
    r->script = script;
    for (size_t i = 0; i < sizeof(r->id); i += 8) {
        uint64_t bits = prng_next(&w->prng);
        memcpy(r->id + i, &bits, sizeof(bits));
    }
    memcpy(r->token, "tx", 2);
    slice_hex(r->id, sizeof(r->id), r->token + 2);
    struct ctx_span caller = {.flags = 1};
    memcpy(caller.trace_id, r->id, sizeof(caller.trace_id));
    memcpy(caller.span_id, r->id, sizeof(caller.span_id));
    ctx_span_format(&caller, r->traceparent);
    buf_init(&r->body, 1 << 20);
    write_body(r);
    r->net = (struct net_request){.loop = (struct net_loop *)w,
                                  .method = places[script].method,
                                  .path = slice_str(places[script].path),
                                  .headers = r->headers,
                                  .body_fd = -1};
    if (script != ASK_WITHOUT_KEY)
        add_header(r, "Authorization", "Bearer wk_sim");
    add_header(r, "Content-Type", "application/json");
    add_header(r, "User-Agent", r->token);
    add_header(r, "traceparent", r->traceparent);
    post(w, step_new(STEP_HEAD, r, (struct ctx_ref){NULL, 0}));
    return r;
}

/* What net/context.c makes of a head. The trace is the token's, so that it can be told apart. */
static bool begin(struct request *r)
{
    r->ctx = ctx_new(r->world->contexts, ARENA_MAX);
    if (!r->ctx)
        return false;
    memcpy(r->ctx->request_id, r->token, sizeof(r->token));
    memcpy(r->ctx->trace_id, r->id, sizeof(r->id));
    if (!arena_copy(r->ctx->arena, slice_str(r->token)).len) /* the head */
        return false;
    struct ctx_span caller;
    must(ctx_span_parse(slice_str(r->traceparent), &caller));
    ctx_link_trace(r->ctx, &caller);
    r->ctx->user_agent = net_header_get(&r->net, "User-Agent");
    r->ctx->deadline = r->net.started;
    r->net.ctx = r->ctx;
    r->net.arena = r->ctx->arena;
    return true;
}

/* A refusal of net's own, or a client that left before its request was whole. */
static void drop(struct request *r, int status)
{
    r->status = status;
    if (r->ctx)
        finish(r);
    r->is_over = true;
}

static void take_head(struct request *r)
{
    struct net_body_plan plan = {.bytes_max = 1 << 20};
    if (r->is_over)
        return;
    if (!begin(r)) {
        drop(r, 503);
        return;
    }
    r->has_app_seen = true;
    struct ctx_ref ref = ctx_ref(r->ctx);
    struct ctx *ctx = ctx_enter(ref);
    app.on_head(app.ctx, &r->net, &plan);
    ctx_leave(ctx);
    if (!r->is_over)
        post(r->world, step_new(STEP_BODY, r, ref));
}

static void take_body(struct request *r)
{
    if (r->is_over)
        return;
    r->net.body = buf_slice(&r->body);
    r->net.body_bytes = r->body.len;
    struct ctx *ctx = ctx_enter(ctx_ref(r->ctx));
    app.on_request(app.ctx, &r->net);
    ctx_leave(ctx);
}

/* ---- one step ---- */

static bool is_handled(const struct request *r)
{
    return r->has_app_seen && !r->net.route; /* the router hands over by taking its route back */
}

static void hang_up(struct request *r)
{
    if (r->is_over || r->is_gone)
        return;
    r->is_gone = true;
    if (!is_handled(r)) {
        drop(r, 0);
    } else if (r->net.on_gone) {
        struct ctx *ctx = ctx_enter(ctx_ref(r->ctx));
        r->net.on_gone(ctx, &r->net);
        ctx_leave(ctx);
    }
}

static void fire_timer_of(struct world *w, struct request *r);

static void kill_now(struct world *w)
{
    struct request *r = w->victim;
    if (w->kill == KILL_GONE)
        hang_up(r);
    else if (w->kill == KILL_TIMEOUT && !is_handled(r) && !r->is_over)
        drop(r, 408);
    else if (w->kill == KILL_TIMEOUT)
        fire_timer_of(w, r);
    else if (w->kill == KILL_NOMEM)
        heap_fail_after(w->kill_alloc);
}

/* What the model knows and what the reference says must be the same. */
static struct ctx *enter(struct world *w, const struct step *s)
{
    bool is_stale = s->kind != STEP_WORK && s->request->is_over;
    struct ctx *ctx = ctx_enter(s->ctx);
    if (is_stale)
        w->expected_stale++;
    if (is_stale != !ctx)
        leak("a continuation of %s %s", s->request->token,
             ctx ? "runs after the answer" : "is refused before it");
    return ctx;
}

static void run(struct world *w, struct step *s)
{
    struct ctx *ctx = NULL;
    switch (s->kind) {
    case STEP_HEAD:
        take_head(s->request);
        break;
    case STEP_BODY:
        take_body(s->request);
        break;
    case STEP_COMMIT:
        commit(s);
        break;
    case STEP_TASK:
        if ((ctx = enter(w, s)))
            s->task->run(ctx, s->task);
        break;
    case STEP_TIMER:
    case STEP_WORK:
        if ((ctx = enter(w, s)))
            s->work(ctx, s->arg);
        break;
    case STEP_DONE:
        if ((ctx = enter(w, s)))
            s->done(ctx, s->arg);
        break;
    }
    ctx_leave(ctx);
}

static void run_step(struct world *w, struct step *s)
{
    struct request *r = s->request;
    ctx_must_be_outside();
    if (ctx_current())
        leak("a context is current between two steps");
    w->running = r;
    bool is_killed = r == w->victim && r->steps == w->kill_step && w->kill != KILL_NOT;
    if (is_killed)
        kill_now(w);
    if (r->world == w)
        r->steps++;
    run(w, s);
    if (is_killed)
        heap_fail_after(0);
    w->running = NULL;
    w->steps++;
    if (s->kind == STEP_WORK) {
        s->kind = STEP_DONE;
        post(r->world, s);
        return;
    }
    request_unref(r);
    heap_free(s);
}

static void fire_timer_of(struct world *w, struct request *r)
{
    for (size_t i = 0; i < w->ready_count; i++) {
        struct step *s = w->ready[i];
        if (s->kind != STEP_TIMER || s->request != r)
            continue;
        w->ready[i] = w->ready[--w->ready_count];
        run(w, s);
        request_unref(r);
        heap_free(s);
        return;
    }
}

bool world_step(struct world *w)
{
    self = w;
    drain_inbox(w);
    if (w->ready_count == 0)
        return false;
    size_t i = (size_t)prng_below(&w->prng, w->ready_count);
    struct step *s = w->ready[i];
    w->ready[i] = w->ready[--w->ready_count];
    run_step(w, s);
    return true;
}

/* ---- worlds ---- */

void worlds_open(void)
{
    static struct api_service services[2];
    struct err err = ERR_INIT;
    must(ingest_new(&(struct ingest_cfg){.events = UNCONST(&project), .ack = "fsync"}, &ingest,
                    &err) == RC_OK);
    services[0] = ingest_service(ingest);
    services[1] = probe_service;
    must(api_new(&(struct api_cfg){.tenant = UNCONST(&project),
                                   .services = services,
                                   .service_count = COUNT_OF(services),
                                   .version = "sim"},
                 &api, &err) == RC_OK);
    app = api_app(api);
}

void worlds_close(void)
{
    api_free(api);
    ingest_free(ingest);
    if (views_out != 0)
        leak("%d tenant views were not given back", views_out);
}

void world_init(struct world *w, uint64_t seed, struct world *peer)
{
    *w = (struct world){.peer = peer ? peer : w, .log_every = 1, .contexts = ctx_pool_new()};
    prng_seed(&w->prng, seed);
    pthread_mutex_init(&w->lock, NULL);
    self = w;
}

void world_done(struct world *w)
{
    struct ctx_count n;
    ctx_count(w->contexts, &n);
    if (n.live || n.arena_bytes)
        leak("%u contexts with %zu bytes are left", n.live, n.arena_bytes);
    if (ctx_current())
        leak("a context is still current");
    ctx_must_be_outside();
    must(w->ready_count == 0 && !w->inbox);
    ctx_pool_free(w->contexts);
    pthread_mutex_destroy(&w->lock);
    free(w->ready);
}
