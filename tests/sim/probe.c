/* WHAT    A service of three routes that uses a context in every way there is: claims, arena, log,
 *         worker, export into a record, an answer, a timer that outlives it.
 * WHY     Its continuations hold what they need outside of the arena, so that the timer may answer
 *         while an append is under way; what comes back later is stale and must be refused. */
#include "world.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/log.h"
#include "stream/stream.h"

enum {
    NOTE_BYTES = 1024,
    RAW_BYTES = 5 << 10, /* well past what ingest clears of its own: struct ingest_call */
    RECORD_BYTES = 2048
};

struct probe { /* request->user */
    struct request *request;
    struct api_request *req; /* valid until the answer */
    char token[TOKEN_LEN + 1];
    struct slice note; /* in the arena */
    struct net_task task;
    struct stream_append append;
    struct stream_record record;
    char text[RECORD_BYTES];
    bool is_logging, is_with_worker, is_late, is_gone;
};

static void say(const struct probe *p, const char *message)
{
    if (p->is_logging)
        log_info(message, LOG_STR("closure", p->token));
}

/* Whoever runs here: the context is the one that the closure was made for. */
static void check(const struct ctx *ctx, const struct probe *p, const char *where)
{
    check_taint(where, slice_str(ctx->request_id), p->token);
    check_taint(where, slice_str(ctx->claims->actor.id), p->token);
    check_taint(where, ctx->reason, p->token);
    check_taint(where, ctx->correlation, p->token);
    check_taint(where, p->note, p->token);
}

static void answer(struct ctx *ctx, struct probe *p)
{
    struct buf body;
    buf_init(&body, 8192);
    buf_addf(&body, "{\"actor\":\"%s\",\"reason\":\"%.*s\",\"note\":\"%.*s\",%s}",
             ctx->claims->actor.id, SLICE_ARG(ctx->reason), SLICE_ARG(p->note), p->text);
    api_json(p->req, 200, buf_slice(&body));
    buf_done(&body);
}

static void late(struct ctx *ctx, struct probe *p)
{
    check(ctx, p, "a late one");
    say(p, "too late");
    api_problem(p->req, RC_TIMEOUT, "%s took too long", p->token);
}

static void on_task(struct ctx *ctx, struct net_task *task)
{
    struct probe *p = CONTAINER_OF(task, struct probe, task);
    check(ctx, p, "the last continuation");
    say(p, "answers");
    answer(ctx, p);
}

static void on_kept(struct stream_append *append, enum rc rc)
{
    struct probe *p = CONTAINER_OF(append, struct probe, append);
    (void)rc;
    net_loop_post((struct net_loop *)p->request->world, &p->task);
}

static void export(struct ctx *ctx, struct probe *p)
{
    struct buf out;
    buf_init(&out, sizeof(p->text));
    ctx_export(ctx, &out);
    snprintf(p->text, sizeof(p->text), "%s", buf_cstr(&out));
    buf_done(&out);
    p->record = (struct stream_record){.key = slice_str(p->token), .value = slice_str(p->text)};
    p->append = (struct stream_append){.records = &p->record, .count = 1, .done = on_kept};
}

static void on_worked(struct ctx *ctx, void *arg)
{
    struct probe *p = arg;
    p->is_with_worker = false;
    check(ctx, p, "the continuation");
    if (p->is_late) {
        late(ctx, p);
        return;
    }
    say(p, "worked");
    export(ctx, p);
    if (stream_append(NULL, &p->append) != RC_OK)
        api_problem(p->req, RC_BUSY, "%s", p->token);
}

static void on_worker(struct ctx *ctx, void *arg)
{
    struct probe *p = arg;
    check(ctx, p, "the worker");
    say(p, "works");
}

static void on_timer(struct ctx *ctx, void *arg)
{
    struct probe *p = arg;
    check(ctx, p, "the timer");
    say(p, "has waited");
    if (p->request->script != ASK_PROBE_LATE)
        return;
    p->is_late = true;
    if (!p->is_with_worker) /* who works in a context has it until done */
        late(ctx, p);
}

static void on_gone(struct ctx *ctx, struct net_request *net)
{
    struct probe *p = CONTAINER_OF(net, struct request, net)->user;
    check(ctx, p, "on_gone");
    say(p, "has left");
}

/* What a slot and an arena held before must not be there any more. */
static bool is_fresh(struct ctx *ctx, const struct request *r)
{
    char *raw = arena_alloc(ctx->arena, RAW_BYTES);
    if (!raw)
        return false;
    if (r->world->peer == r->world) /* alone, so that malloc has no leftovers: see main() */
        check_taint("new memory", slice_of(raw, RAW_BYTES), r->token);
    if (ctx->claims != CTX_CLAIMS_NOBODY)
        leak("%s begins with the claims of %s", r->token, ctx->claims->actor.id);
    check_taint("a new reason", ctx->reason, r->token);
    check_taint("a new correlation", ctx->correlation, r->token);
    return true;
}

static void fill(struct ctx *ctx, struct probe *p)
{
    char *note = arena_alloc(ctx->arena, NOTE_BYTES);
    for (size_t i = 0; note && i < NOTE_BYTES; i++)
        note[i] = p->token[i % TOKEN_LEN];
    p->note = note ? slice_of(note, NOTE_BYTES / TOKEN_LEN * TOKEN_LEN) : SLICE_EMPTY;
    if (p->request->script == ASK_PROBE_ANONYMOUS)
        return;
    struct ctx_claims claims = {.actor.kind = CTX_USER, .executor.kind = CTX_API_KEY};
    memcpy(claims.actor.id, p->token, sizeof(p->token));
    memcpy(claims.executor.id, p->token, sizeof(p->token));
    ctx_set_claims(ctx, &claims);
    ctx->reason = arena_copy(ctx->arena, slice_str(p->token));
    ctx->correlation = arena_copy(ctx->arena, slice_str(p->token));
}

static void probe(struct ctx *ctx, void *service, struct api_request *req)
{
    struct request *r = request_of(req);
    (void)service;
    if (!is_fresh(ctx, r)) {
        api_problem(req, RC_NOMEM, "%s finds no memory", r->token);
        return;
    }
    struct probe *p = heap_alloc(HEAP_MISC, sizeof(*p));
    *p = (struct probe){.request = r,
                        .req = req,
                        .task = {.run = on_task, .ctx = ctx_ref(ctx)},
                        .is_logging = r->id[0] % r->world->log_every == 0,
                        .is_with_worker = true};
    memcpy(p->token, r->token, sizeof(p->token));
    r->user = p;
    r->net.on_gone = on_gone;
    fill(ctx, p);
    say(p, "begins");
    world_timer(ctx, r, on_timer, p);
    net_loop_work(ctx, req->net->loop, on_worker, on_worked, p);
}

static const struct api_route routes[] = {
    {.method = NET_POST,
     .pattern = "/probe",
     .access = API_PUBLIC,
     .body_bytes_max = 1 << 20,
     .handle = probe,
     .openapi = "{\"operationId\":\"probe\"}"},
    {.method = NET_POST,
     .pattern = "/probe/anonymous",
     .access = API_PUBLIC,
     .body_bytes_max = 1 << 20,
     .handle = probe,
     .openapi = "{\"operationId\":\"anonymous\"}"},
    {.method = NET_POST,
     .pattern = "/probe/late",
     .access = API_PUBLIC,
     .body_bytes_max = 1 << 20,
     .handle = probe,
     .openapi = "{\"operationId\":\"late\"}"},
};
const struct api_service probe_service = {
    .name = "probe", .routes = routes, .route_count = COUNT_OF(routes)};
