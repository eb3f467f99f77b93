/* WHAT    Listeners and their streams (live.h).
 * WHY     What a listener has not read yet waits in a buffer of its own: the readers never wait for
 *         anybody. Who lets it grow over LIVE_WAITING_BYTES_MAX is told ("overflow") and let go; it
 *         comes again with the id of the last event that it read.
 * INVARIANTS  a listener is freed on its loop, with no task and no work of it under way.
 * THREADS struct live_listener says whose each part is. */
#include "analytics/live/live_int.h"

#include "base/heap.h"
#include "base/metrics.h"
#include "base/must.h"

#define OVERFLOW_EVENT "event: overflow\ndata: {}\n\n"
#define GAP_EVENT "event: gap\ndata: {}\n\n"

static struct metric m_listeners = {.name = "weir_live_listeners",
                                    .help = "Streams of events that are listened to.",
                                    .kind = METRIC_GAUGE};

static void end(struct live_listener *l);

/* ---- the stream ---- */
static bool write(struct live_listener *l, struct slice text)
{
    if (l->is_over || text.len == 0)
        return !l->is_over;
    enum rc rc = net_stream_write(l->net, text);
    if (rc == RC_BUSY)
        l->is_blocked = true;
    else if (rc != RC_OK)
        end(l);
    return rc == RC_OK || rc == RC_BUSY;
}

/* What waits, unless the past has to come first or the client has to read first. */
static void flush(struct live_listener *l)
{
    struct live *live = l->live;
    struct buf taken;
    if (l->is_over || l->is_resuming)
        return;
    buf_init(&taken, LIVE_WAITING_BYTES_MAX);
    pthread_mutex_lock(&live->lock);
    bool is_overflow = l->is_overflow, is_drained = l->is_drained;
    if (!l->is_blocked) {
        struct buf waiting = l->waiting;
        l->waiting = taken;
        taken = waiting;
    }
    pthread_mutex_unlock(&live->lock);
    bool goes_on = write(l, buf_slice(&taken));
    buf_done(&taken);
    if (goes_on && is_overflow)
        goes_on = write(l, SLICE_LIT(OVERFLOW_EVENT));
    if (goes_on && (is_overflow || is_drained))
        end(l);
}

static void unlist(struct live_listener *l)
{
    if (!l->is_listed)
        return;
    l->is_listed = false;
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
    metric_set(&m_listeners, --l->live->count);
}

/* The last of it; it may have to wait for what is under way. */
static void settle(struct live_listener *l)
{
    pthread_mutex_lock(&l->live->lock);
    bool is_free = !l->is_posted && !l->is_resuming;
    pthread_mutex_unlock(&l->live->lock);
    if (!is_free)
        return;
    net_stream_end(l->net);
    buf_done(&l->waiting);
    buf_done(&l->past);
    heap_free(l);
}

/* Unlisted at once; freed by whoever has it next (on_task, resumed), or by the caller of end(),
 * which calls settle() when it is done with l. */
static void end(struct live_listener *l)
{
    if (l->is_over)
        return;
    l->is_over = true;
    net_timer_stop(take_ptr(&l->timer));
    pthread_mutex_lock(&l->live->lock);
    unlist(l);
    live_post(l); /* on_task frees it */
    pthread_mutex_unlock(&l->live->lock);
}

static void on_task(struct ctx *ctx, struct net_task *task)
{
    struct live_listener *l = CONTAINER_OF(task, struct live_listener, task);
    (void)ctx;
    pthread_mutex_lock(&l->live->lock);
    l->is_posted = false;
    pthread_mutex_unlock(&l->live->lock);
    if (l->is_over)
        settle(l);
    else
        flush(l);
}

static void on_drain(struct ctx *ctx, struct net_request *net)
{
    struct live_listener *l = net->user;
    (void)ctx;
    l->is_blocked = false;
    flush(l);
}

static void on_gone(struct ctx *ctx, struct net_request *net)
{
    (void)ctx;
    end(net->user);
}

/* The id goes along, so that who comes again is not sent through what it was not about. */
static void beat(void *ctx)
{
    struct live_listener *l = ctx;
    struct live *live = l->live;
    char id[LIVE_ID_BYTES_MAX];
    if (!mono_is_before(mono_now(), l->ends)) {
        end(l);
        return;
    }
    if (l->is_resuming || l->is_blocked)
        return;
    pthread_mutex_lock(&live->lock);
    if (!l->is_overflow && l->waiting.len + LIVE_ID_BYTES_MAX + 8 < LIVE_WAITING_BYTES_MAX) {
        live_place_text(&live->place, id);
        buf_addf(&l->waiting, ":\nid: %s\n\n", id);
    }
    live_post(l);
    pthread_mutex_unlock(&live->lock);
}

/* ---- its beginning ---- */
static void past_work(struct ctx *ctx, void *arg)
{
    (void)ctx;
    live_past_read(arg);
}

static void past_done(struct ctx *ctx, void *arg)
{
    struct live_listener *l = arg;
    (void)ctx;
    l->is_resuming = false;
    if (l->is_over) {
        settle(l);
        return;
    }
    if (l->is_gap && !write(l, SLICE_LIT(GAP_EVENT)))
        return;
    if (!write(l, buf_slice(&l->past)))
        return;
    buf_done(&l->past);
    flush(l);
}

/* True: listed. */
static bool list(struct live *live, struct live_listener *l)
{
    uint32_t of_project = 0;
    for (const struct live_listener *o = live->first; o; o = o->next)
        of_project += memcmp(o->project, l->project, UUID_TEXT_LEN) == 0;
    if (live->is_draining || live->count >= live->cfg.listeners_max ||
        of_project >= live->cfg.project_listeners_max)
        return false;
    live_tails_wake(live);
    l->from = live->place;
    l->next = live->first;
    l->at = &live->first;
    if (l->next)
        l->next->at = &l->next;
    live->first = l;
    l->is_listed = true;
    metric_set(&m_listeners, ++live->count);
    return true;
}

static void start(struct ctx *ctx, struct live_listener *l, struct api_request *req)
{
    static const struct net_header headers[] = {
        {SLICE_CONST("Cache-Control"), SLICE_CONST("no-store")},
        {SLICE_CONST("X-Accel-Buffering"), SLICE_CONST("no")}}; /* nginx hands it on as it comes */
    const struct net_response head = {.status = 200,
                                      .content_type = SLICE_LIT("text/event-stream"),
                                      .headers = headers,
                                      .header_count = COUNT_OF(headers)};
    struct live *live = l->live;
    struct net_request *net = req->net;
    struct slice last = net_header_get(net, "Last-Event-ID");
    char id[LIVE_ID_BYTES_MAX + 32] = ":\nid: ";
    if (last.len == 0)
        IGNORE(net_query_get(net, "last_event_id", &last), "absent is empty");
    net->user = l;
    net->on_gone = on_gone;
    net->is_end_gone = true;
    l->timer = net_timer_start(net->loop, live->cfg.heartbeat_ms, live->cfg.heartbeat_ms, beat, l);
    l->ends = mono_add_ms(mono_now(), live->cfg.lifetime_ms);
    api_stream_begin_with(req, &head, on_drain);
    if (last.len && live_place_parse(last, l->from.count, &l->resume)) {
        l->is_resuming = true;
        net_loop_work(ctx, net->loop, past_work, past_done, l);
        return;
    }
    if (last.len && !write(l, SLICE_LIT(GAP_EVENT)))
        return;
    live_place_text(&l->from, id + strlen(id));
    IGNORE(write(l, slice_str(id)) && write(l, SLICE_LIT("\n\n")), "who is gone has ended");
}

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct live *live = service;
    if (req->net->method == NET_HEAD) {
        api_answer(req, 200, "text/event-stream", SLICE_EMPTY, NULL, 0);
        return;
    }
    struct live_listener *l = heap_alloc(HEAP_ANALYTICS, sizeof(*l));
    l->live = live;
    l->net = req->net;
    l->task = (struct net_task){.run = on_task, .ctx = ctx_ref(ctx)};
    memcpy(l->project, req->project->id_text, sizeof(l->project));
    buf_init(&l->waiting, LIVE_WAITING_BYTES_MAX);
    buf_init(&l->past, LIVE_WAITING_BYTES_MAX);
    pthread_mutex_lock(&live->lock);
    bool ok = list(live, l);
    pthread_mutex_unlock(&live->lock);
    if (ok) {
        start(ctx, l, req);
        return;
    }
    heap_free(l);
    api_too_many(req, 10, "Too many listen to this project's events already, or the server ends.");
}

/* ---- the module ---- */
static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

enum rc live_new(const struct live_cfg *cfg, struct live **ret_live, struct err *err)
{
    struct live *live = heap_alloc(HEAP_ANALYTICS, sizeof(*live));
    live->cfg = *cfg;
    live->cfg.listeners_max = or_default(cfg->listeners_max, 1000);
    live->cfg.project_listeners_max = or_default(cfg->project_listeners_max, 200);
    live->cfg.heartbeat_ms = or_default(cfg->heartbeat_ms, 10000);
    live->cfg.lifetime_ms = or_default(cfg->lifetime_ms, 3600000);
    pthread_mutex_init(&live->lock, NULL);
    pthread_cond_init(&live->wanted, NULL);
    metrics_register(&m_listeners);
    enum rc rc = live_tails_start(live, err);
    if (rc != RC_OK) {
        live_free(live);
        return rc;
    }
    *ret_live = live;
    return RC_OK;
}

void live_drain(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->is_draining = true;
    for (struct live_listener *l = live->first; l; l = l->next) {
        l->is_drained = true;
        live_post(l);
    }
    pthread_mutex_unlock(&live->lock);
}

void live_free(struct live *live)
{
    if (!live)
        return;
    live_tails_stop(live);
    metrics_unregister(&m_listeners);
    pthread_cond_destroy(&live->wanted);
    pthread_mutex_destroy(&live->lock);
    heap_free(live);
}

static const struct api_route routes[] = {
    {.method = NET_GET,
     .pattern = "/v1/projects/{projectId}/live/events",
     .access = API_NEEDS(STATS_READ),
     .handle = handle,
     .openapi = live_openapi_events},
};

struct api_service live_service(struct live *live)
{
    return (struct api_service){
        .name = "live", .ctx = live, .routes = routes, .route_count = COUNT_OF(routes)};
}
