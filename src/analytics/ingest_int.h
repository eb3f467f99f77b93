#ifndef WEIR_ANALYTICS_INGEST_INT_H
#define WEIR_ANALYTICS_INGEST_INT_H
/* Inside analytics/ingest*.c and dialect_*.c only. */
#include "analytics/event.h"
#include "analytics/ingest.h"

enum { INGEST_EVENTS_MAX = 10000, INGEST_DECODED_FACTOR = 5 };

/* One event's outcome, for the answer. */
struct ingest_result {
    struct slice id;          /* as the client wrote it, else the one made here */
    enum event_reason reason; /* EVENT_FINE: kept */
    const char *details;      /* NULL = nothing to tell */
};
static inline const char *ingest_result_name(const struct ingest_result *r)
{
    return r->reason != EVENT_FINE ? "drop" : r->details ? "warning" : "ok";
}
struct ingest_call { /* in the request's arena until the answer */
    struct ingest *ingest;
    struct api_request *req;
    const struct dialect *dialect;
    struct stream_append append;
    struct net_task task;
    enum rc rc;
    struct err err; /* what is wrong with the whole request, for the client */
    struct event_env env;
    struct buf out;       /* keys and values, one behind the other; of the pool */
    struct arena scratch; /* of one event */
    bool has_scratch;
    struct ingest_result *results;
    uint32_t result_count, result_cap;
    uint32_t *lengths; /* key and value length of each kept event */
    uint32_t kept;
    uint32_t outcomes[EVENT_REASON_COUNT]; /* told to the metrics when the request is answered */
};
/* How a client's event becomes ours, and how it is told the outcome. One file per dialect. */
struct dialect {
    const char *source;
    /* The events inside the decoded body, told one by one to ingest_event(). RC_INVALID with err:
     * the body as a whole is unusable (400). */
    enum rc (*cut)(struct ingest_call *call, struct slice body, struct err *err);
    void (*read)(yyjson_val *root, const struct event_env *env, struct event *e,
                 struct event_notes *n);
    void (*answer)(struct ingest_call *call); /* everything is kept or dropped */
};
extern const struct dialect dialect_native, dialect_posthog, dialect_article;

/* Reads, judges and encodes one event. RC_OK also for a dropped one; RC_LIMIT: too many, RC_NOMEM.
 */
enum rc ingest_event(struct ingest_call *call, const struct json_span *span,
                     struct err *err) MUST_CHECK;
/* One object, an array, {"batch":[…]} or NDJSON. */
enum rc ingest_cut_any(struct ingest_call *call, struct slice body, struct err *err) MUST_CHECK;
/* Begin with a project, then a body; answers in the end. */
void ingest_run(struct ctx *ctx, struct ingest *in, struct api_request *req,
                const struct dialect *dialect, const struct tenant_project *project,
                struct slice user_id);
/* An empty buffer that a request before has grown, and back: so that small requests need no heap.
 */
void ingest_buf_take(struct ingest *in, size_t bytes_max, struct buf *ret_buf);
void ingest_buf_give(struct ingest *in, struct buf *b);
/* The answer of the native and PostHog dialects; X-Weir-Ack added. */
void ingest_answer(struct ingest_call *call, int status, const char *content_type,
                   struct slice body);

/* The article's POST /view and /event, with their own tokens and texts. */
void article_handle(struct ctx *ctx, void *service, struct api_request *req);
#endif
