/* WHAT     The state of the pipeline as JSON, for who looks at the dashboard.
 * WHY      The control socket tells an operator more (control.c); whoever may see a project's
 *          numbers has to know whether they are up to date, and why not.
 * THREADS  the handler on the request's loop; work() on the worker pool, as it asks the file
 *          system; done() on the loop again. */
#include "app/pipeline.h"

enum { ANSWER_BYTES_MAX = 16 << 10 };

struct pipeline_call { /* in the request's arena */
    struct node *node;
    struct api_request *req;
    struct uuid project;
    uint64_t events_max;
    struct buf out;
    struct err err;
};

/* ---- consumers ---- */
static void add_lag(struct buf *out, const char *name, uint64_t records, int64_t ms,
                    bool is_failing, bool is_anew)
{
    buf_addf(out,
             "%s{\"name\":\"%s\",\"lag_records\":%llu,\"lag_ms\":%lld,\"is_failing\":%s,"
             "\"is_rebuilding\":%s}",
             out->data[out->len - 1] == '[' ? "" : ",", name, (unsigned long long)records,
             (long long)ms, is_failing ? "true" : "false", is_anew ? "true" : "false");
}

static void add_consumer(struct buf *out, const struct consumer *c)
{
    struct consumer_status s;
    if (!c)
        return;
    consumer_status(c, &s);
    add_lag(out, consumer_name(c), s.lag_records, s.lag_ms, *s.last_error, false);
}

static void add_derived(struct buf *out, const char *name, struct derived_worker *w)
{
    struct derived_status s;
    if (!w)
        return;
    derived_worker_status(w, &s);
    add_lag(out, name, s.progress.lag_offsets, s.lag_ms, *s.last_error, s.progress.is_anew);
}

/* ---- room ---- */
struct held {
    uint64_t records, bytes;
    unix_ms oldest; /* ms 0: nothing is held */
};

static void add_segment(void *ctx, const struct stream_segment_info *segment)
{
    struct held *held = ctx;
    held->records += segment->next_offset - segment->first_offset;
    held->bytes += segment->bytes;
    if (segment->first_time.ms && (!held->oldest.ms || segment->first_time.ms < held->oldest.ms))
        held->oldest = segment->first_time;
}

static enum rc add_room(struct pipeline_call *call)
{
    const struct node *n = call->node;
    const struct config *cfg = n->cfg;
    struct held held = {.records = 0};
    uint64_t free_bytes = 0;
    char oldest[TIME_TEXT_BYTES];
    TRY(stream_segments(n->events, add_segment, &held, &call->err));
    TRY(os_free_bytes(cfg->data, &free_bytes, &call->err));
    buf_addf(&call->out,
             ",\"stream\":{\"is_halted\":%s,\"records\":%llu,\"bytes\":%llu,\"oldest_at\":%s%s%s,"
             "\"retention_hours\":%lld,\"retention_bytes\":%lld}",
             stream_is_halted(n->events) ? "true" : "false", (unsigned long long)held.records,
             (unsigned long long)held.bytes, held.oldest.ms ? "\"" : "",
             held.oldest.ms ? time_format(held.oldest, oldest) : "null", held.oldest.ms ? "\"" : "",
             (long long)cfg->stream_retention_hours, (long long)cfg->stream_retention_bytes);
    buf_addf(&call->out,
             ",\"archive\":{\"is_on\":%s},\"disk\":{\"free_bytes\":%llu,\"floor_bytes\":%lld}",
             n->archiver ? "true" : "false", (unsigned long long)free_bytes,
             (long long)cfg->stream_disk_floor_bytes);
    return RC_OK;
}

static void add_replay(struct buf *out, struct node *n)
{
    struct node_replaying *r = &n->replaying;
    pthread_mutex_lock(&r->lock);
    if (r->is_under_way)
        buf_addf(out,
                 ",\"replay\":{\"phase\":\"%s\",\"done\":%llu,\"total\":%llu,\"rate\":%llu,"
                 "\"eta_ms\":%lld}",
                 r->progress.phase, (unsigned long long)r->progress.done,
                 (unsigned long long)r->progress.total, (unsigned long long)r->progress.rate,
                 (long long)r->progress.eta_ms);
    else
        buf_add_str(out, ",\"replay\":null");
    pthread_mutex_unlock(&r->lock);
}

/* ---- the route ---- */
static void work(struct ctx *ctx, void *arg)
{
    struct pipeline_call *call = arg;
    struct node *n = call->node;
    struct buf *out = &call->out;
    (void)ctx;
    buf_init(out, ANSWER_BYTES_MAX);
    buf_add_str(out, "{\"consumers\":[");
    add_consumer(out, atomic_load(&n->project));
    add_derived(out, "sessionize", atomic_load(&n->sessionize));
    add_derived(out, "persons", atomic_load(&n->persons));
    add_consumer(out, atomic_load(&n->rejecter));
    add_consumer(out, n->archiver);
    buf_addf(out, "],\"store\":{\"is_ready\":%s}",
             atomic_load(&n->is_migrated) &&
                     (!n->supervisor || store_supervisor_is_up(n->supervisor))
                 ? "true"
                 : "false");
    if (add_room(call) != RC_OK)
        return;
    if (call->events_max) /* without one nobody counts */
        buf_addf(out, ",\"month\":{\"events\":%llu,\"events_max\":%llu}",
                 (unsigned long long)quota_used(n->quota, &call->project, unix_now()),
                 (unsigned long long)call->events_max);
    else
        buf_add_str(out, ",\"month\":null");
    add_replay(out, n);
    buf_add_char(out, '}');
}

static void done(struct ctx *ctx, void *arg)
{
    struct pipeline_call *call = arg;
    CLEANUP(buf_done) struct buf out = call->out; /* the call goes with the answer */
    (void)ctx;
    if (call->err.rc != RC_OK)
        api_problem_err(call->req, &call->err);
    else
        api_json(call->req, 200, buf_slice(&out));
}

static void get_pipeline(struct ctx *ctx, void *service, struct api_request *req)
{
    struct pipeline_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    if (!call) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return;
    }
    *call = (struct pipeline_call){.node = service,
                                   .req = req,
                                   .project = req->project->id,
                                   .events_max = (uint64_t)req->project->events_per_month_max,
                                   .err = ERR_INIT};
    net_loop_work(ctx, req->net->loop, work, done, call);
}

#define NUMBER "{\"type\":\"integer\"}"
#define FLAG "{\"type\":\"boolean\"}"
#define OBJECT "{\"type\":\"object\",\"properties\":{"
#define END "}}"
#define CONSUMER                                                                          \
    OBJECT "\"name\":{\"type\":\"string\"},\"lag_records\":" NUMBER ",\"lag_ms\":" NUMBER \
           ",\"is_failing\":" FLAG ",\"is_rebuilding\":" FLAG END
#define STREAM                                                                         \
    OBJECT "\"is_halted\":" FLAG ",\"records\":" NUMBER ",\"bytes\":" NUMBER           \
           ",\"oldest_at\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}," \
           "\"retention_hours\":" NUMBER ",\"retention_bytes\":" NUMBER END
#define NONE_OR "{\"type\":[\"object\",\"null\"],\"properties\":{"
#define MONTH NONE_OR "\"events\":" NUMBER ",\"events_max\":" NUMBER END
#define REPLAY                                                                      \
    NONE_OR "\"phase\":{\"type\":\"string\"},\"done\":" NUMBER ",\"total\":" NUMBER \
            ",\"rate\":" NUMBER ",\"eta_ms\":" NUMBER END
#define PIPELINE                                                                         \
    OBJECT "\"consumers\":{\"type\":\"array\",\"items\":" CONSUMER "},\"store\":" OBJECT \
           "\"is_ready\":" FLAG END ",\"stream\":" STREAM ",\"archive\":" OBJECT         \
           "\"is_on\":" FLAG END ",\"disk\":" OBJECT "\"free_bytes\":" NUMBER            \
           ",\"floor_bytes\":" NUMBER END ",\"month\":" MONTH ",\"replay\":" REPLAY END
static const char openapi[] =
    "{\"operationId\":\"getPipeline\",\"summary\":\"How far the consumers are, how much room there "
    "is, a replay under way\",\"tags\":[\"Ingestion\"],\"parameters\":[{\"name\":\"projectId\","
    "\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}],"
    "\"responses\":{\"200\":{\"description\":\"ok\",\"content\":{\"application/"
    "json\":{\"schema\":" PIPELINE
    "}}},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}";

static const struct api_route routes[] = {
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/pipeline",
     .access = API_NEEDS(STATS_READ),
     .handle = get_pipeline,
     .openapi = openapi},
};

struct api_service pipeline_service(struct node *n)
{
    return (struct api_service){
        .name = "pipeline", .ctx = n, .routes = routes, .route_count = COUNT_OF(routes)};
}
