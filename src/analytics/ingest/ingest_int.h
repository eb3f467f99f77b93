#ifndef WEIR_ANALYTICS_INGEST_INGEST_INT_H
#define WEIR_ANALYTICS_INGEST_INGEST_INT_H
/* Inside analytics/ingest*.c and dialect*.c only.
 *
 * The way of a request, the same for every dialect:
 *
 *   the key    from the head; or, where clients put it there, from the body (find_key)
 *   the body   decompressed (magic bytes count, headers do not), then unwrapped into JSON
 *   events     cut out of it, each read and judged by itself
 *   the answer when everything that is kept is kept
 *
 * A new dialect is a file with one struct dialect, and a line in dialect.def. */
#include "analytics/event/event.h"
#include "analytics/ingest/ingest.h"
#include "codec/compress.h"

enum {
    INGEST_EVENTS_MAX = 10000,
    INGEST_DECODED_FACTOR = 5,
    INGEST_POOL_BUF_BYTES_MAX = 8 << 10, /* larger ones are not kept */
    INGEST_DIALECTS_MAX = 32,
    INGEST_PROJECTS_MAX = 16, /* of one request */
};

/* One event's outcome, for the answer. */
struct ingest_result {
    struct slice id;          /* as the client wrote it, else the one made here */
    enum event_reason reason; /* EVENT_FINE: kept */
    const char *details;      /* NULL = nothing to tell */
    bool is_kept;             /* false also for what is read again and was kept before */
};
static inline const char *ingest_result_name(const struct ingest_result *r)
{
    return r->reason != EVENT_FINE ? "drop" : r->details ? "warning" : "ok";
}
struct ingest_space {
    struct buf out;         /* keys and values, one behind the other */
    struct buf plain, json; /* the body decompressed, and unwrapped */
    struct arena scratch;   /* of one event */
    bool has_scratch;
};
/* Who sent it, as long as its address is known (ingest_client.c). */
struct ingest_client {
    struct geo *geo;
    struct visitor_salts *salts;
    enum tenant_privacy privacy;
    struct slice domains; /* of the project */
    bool is_visitor; /* the request comes from the visitor, not from a server that speaks for it */
    bool is_limited; /* no device, nothing finer than a country */
    struct ip address;                   /* the request's */
    struct slice origin;                 /* of the page that sends it */
    struct geo_place place, event_place; /* what env.client and event_client point into */
    struct event_client event_client;    /* of one event */
    char site[VISITOR_SITE_BYTES_MAX];   /* that env.client.device is for */
    size_t site_len;
    bool has_site;
};
/* A project that events of a request go to. */
struct ingest_share {
    const struct tenant_project *project;
    struct slice key; /* by which the request calls it */
    uint32_t kept;
};
/* What was dropped of a request; made when the first event is (ingest_reject.c). */
enum { INGEST_NOBODY = INGEST_PROJECTS_MAX }; /* instead of a share: of no project */
struct ingest_dropped {
    uint32_t index; /* of call->results */
    uint32_t share;
    enum event_reason reason;
    const char *details;
};
struct ingest_drops {
    uint32_t counts[INGEST_PROJECTS_MAX + 1][EVENT_REASON_COUNT];
    struct ingest_dropped *list; /* the first REJECTED_EVENTS_MAX */
    uint32_t count, cap;
};
/* A request that is read once more, under the rules of now (ingest_release.c). */
struct ingest_again {
    const struct rejected_sample *sample;
    const struct tenant_project *only; /* whose events are taken; NULL: anybody's */
    enum rejected_reason reason;       /* of the events that are wanted */
    bool has_reason;                   /* else all of them */
};
struct ingest_call { /* in the request's arena until the answer */
    struct ingest *ingest;
    struct api_request *req;
    const struct dialect *dialect;
    const struct dialect_route *route;
    struct stream_append append;
    struct net_task task;
    enum rc rc;
    struct err err; /* what is wrong with the whole request, for the client */
    struct event_env env;
    struct ingest_client client;
    struct slice body; /* as far as it is unwrapped */
    bool is_unwrapped;
    struct ingest_space space;
    struct ingest_result *results;
    uint32_t result_count, result_cap;
    uint32_t *lengths; /* key and value length of each kept event */
    uint32_t kept;
    struct ingest_share *shares; /* first_share, the request's own; with more, an array of them */
    struct ingest_share first_share;
    uint32_t share_count, share;           /* share: where the next event goes */
    struct slice key;                      /* what find_key() found */
    void *own;                             /* the dialect's, in the request's arena */
    struct ingest_drops *drops;            /* NULL: none yet */
    const struct ingest_again *again;      /* NULL: it comes for the first time */
    uint32_t outcomes[EVENT_REASON_COUNT]; /* told to the metrics when the request is answered */
};

struct dialect_route {
    enum net_method method;
    const char *pattern; /* NULL: the operator's (ingest_cfg.tracker_path), if there is one */
    const char *openapi; /* of the operation */
    int variant;         /* the dialect's own; read() finds it in env->variant */
    /* Instead of the way above: routes that take no events, or authenticate by themselves and go on
     * with ingest_run(). NULL: the way above. */
    void (*handle)(struct ctx *ctx, void *service, struct api_request *req);
    uint64_t body_bytes_max; /* as sent; 0 = the setting */
    int access;              /* 0: events:write. API_PUBLIC: handle answers whoever asks */
    /* Of several dialects with the same method and pattern, a request that has this header goes to
     * the one that names it, any other to the one that names none. NULL: none. */
    const char *only_with;
    bool is_empty_allowed; /* a request without a body: its query is the event */
};
/* How a client's event becomes ours, and how it is told the outcome. One file per dialect. Where
 * nothing else is said: on the loop or on a worker, one call at a time. */
struct dialect {
    const char *source; /* the records' member, the label of metrics */
    const struct dialect_route *routes;
    uint32_t route_count;
    /* The body (decompressed; empty if is_empty_allowed) as JSON: form bodies, base64, the query.
     * May leave it as it is. NULL: it is JSON already. RC_INVALID with err: 400. */
    enum rc (*unwrap)(struct ingest_call *call, struct slice *body, struct err *err);
    /* What the client calls its project, if it says so in the body: a write key or another name for
     * it (docs/ingest.md); of several, the first that somebody has. NULL: only in the head. */
    struct slice (*find_key)(struct ingest_call *call);
    /* The events inside the body, told one by one to ingest_event(). What they share goes into
     * call->env before. RC_INVALID with err: the body as a whole is unusable (400). */
    enum rc (*cut)(struct ingest_call *call, struct slice body, struct err *err);
    void (*read)(yyjson_val *root, const struct event_env *env, struct event *e,
                 struct event_notes *n);
    void (*answer)(struct ingest_call *call); /* everything is kept or dropped; on the loop */
    bool is_of_visitor; /* sent by the visitor's own browser, whatever its headers say */
    /* Nothing was taken of the whole request; RC_UNAUTHORIZED: its key or name is nobody's. NULL:
     * problem+json. On the loop. */
    void (*refuse)(struct api_request *req, enum rc rc, const char *text);
    const void *alone; /* env->shared of an event that comes without a request: dialect_read.h */
};
#define DIALECT(name) extern const struct dialect dialect_##name;
#include "analytics/ingest/dialect.def"
#undef DIALECT
extern const struct dialect *const dialects[]; /* dialect.c */
extern const uint32_t dialect_count;

/* Reads, judges and encodes one event. RC_OK also for a dropped one; RC_LIMIT: too many, RC_NOMEM.
 */
enum rc ingest_event(struct ingest_call *call, const struct json_span *span,
                     struct err *err) MUST_CHECK;
/* The outcome of something that is no event: as if one had been read and dropped. */
enum rc ingest_drop(struct ingest_call *call, enum event_reason reason, const char *details,
                    struct err *err) MUST_CHECK;
/* The same of what is not even an outcome: it is only counted. */
void ingest_note_not_kept(struct ingest_call *call);
/* The request was only to be judged: what was read is neither kept nor counted; results stay. */
void ingest_keep_nothing(struct ingest_call *call);
/* The request's own project, before any other. */
void ingest_begin_share(struct ingest_call *call, const struct tenant_project *project);
/* From here on the events go to the project of that key or name, which is held to its own rules.
 * NULL, or why not: then they go where they went. Texts are borrowed until the answer. */
const char *ingest_turn_to(struct ingest_call *call, struct slice key);
/* One object, an array, {"batch":[…]} or NDJSON. */
enum rc ingest_cut_any(struct ingest_call *call, struct slice body, struct err *err) MUST_CHECK;
/* The whole body as one value; what is broken is cut as it stands, to be one bad event. */
struct json_span ingest_whole(struct slice body);
/* The whole body is one event. */
enum rc ingest_cut_one(struct ingest_call *call, struct slice body, struct err *err) MUST_CHECK;
/* An event for each web vital (event_vitals) that object has, read from span; env->variant says
 * which: first + its place. None: dropped. */
enum rc ingest_cut_vitals(struct ingest_call *call, struct slice object,
                          const struct json_span *span, int first, struct err *err) MUST_CHECK;
/* The elements of an array. */
enum rc ingest_cut_array(struct ingest_call *call, struct slice array, struct err *err) MUST_CHECK;
/* The last member of that name in the outermost object of the body, without reading the rest;
 * false if it is none or has none. ret->text with its quotes or brackets. */
bool ingest_member(struct slice body, const char *name, struct json_span *ret);
/* The body from the first value of that name on, with nothing behind its beginning looked at; empty
 * if there is none. */
struct slice ingest_member_begin(struct slice body, const char *name);
/* The same, of a text: without quotes and escapes; empty if absent or no text. */
struct slice ingest_member_text(struct ingest_call *call, struct slice body, const char *name);
/* The same for count names in one pass: ret[i] for names[i], its text empty where there is none. */
void ingest_members(struct slice body, const struct slice *names, uint32_t count,
                    struct json_span *ret);
/* The same where the body is one event: *ret_whole is what ingest_whole() has. False if it is none
 * for sure, as it is no object, is broken, or something stands behind it. */
bool ingest_members_of_whole(struct slice body, const struct slice *names, uint32_t count,
                             struct json_span *ret, struct json_span *ret_whole);
/* The text that one of these is, as ingest_member_text() has it; borrowed from the body if it holds
 * no escapes. */
struct slice ingest_span_text(struct ingest_call *call, const struct json_span *span);
/* A query or form as an object of texts: of what is there twice the last one holds. */
enum rc ingest_form_to_json(struct ingest_call *call, struct slice form, struct slice *ret_json,
                            struct err *err) MUST_CHECK;

/* The way of dialect_route with handle NULL. */
void ingest_handle(struct ctx *ctx, void *service, struct api_request *req);
/* From the key on, for who authenticates by himself. */
void ingest_run(struct ctx *ctx, struct ingest *in, struct api_request *req,
                const struct dialect *dialect, const struct dialect_route *route,
                const struct tenant_project *project, struct slice user_id);
/* The answer of a dialect; X-Weir-Ack is added. The call is gone afterwards. */
void ingest_answer(struct ingest_call *call, int status, const char *content_type,
                   struct slice body);
/* The same with further headers, at most INGEST_HEADERS_MAX. */
enum { INGEST_HEADERS_MAX = 4 };
void ingest_answer_with(struct ingest_call *call, int status, const char *content_type,
                        struct slice body, const struct net_header *headers, uint32_t count);

/* Of an OpenAPI operation: the answers that a route with results per event gives. */
#define RESULTS_200                                                                           \
    "\"responses\":{\"200\":{\"description\":\"Kept; one result per "                         \
    "event\",\"content\":{\"application/json\":{}}},"                                         \
    "\"400\":{\"$ref\":\"#/components/responses/Problem\"},\"401\":{\"$ref\":\"#/components/" \
    "responses/Problem\"},"                                                                   \
    "\"413\":{\"$ref\":\"#/components/responses/Problem\"},\"503\":{\"$ref\":\"#/components/" \
    "responses/Problem\"}}"

/* ---- ingest.c, for ingest_reject.c ---- */
const struct ingest_cfg *ingest_cfg_of(const struct ingest *in);
struct ingest_call *ingest_call_new(struct ctx *ctx, struct ingest *in, struct api_request *req,
                                    const struct dialect *dialect,
                                    const struct dialect_route *route);
void ingest_call_init(struct ingest_call *call, struct ingest *in, struct api_request *req,
                      const struct dialect *dialect, const struct dialect_route *route);
void ingest_space_give(struct ingest *in, struct ingest_space *space);
enum rc ingest_unwrap(struct ingest_call *call, struct err *err) MUST_CHECK;
bool ingest_is_from_browser(const struct ingest_call *call);
struct slice ingest_key_in_head(struct api_request *req);
/* Which dialect of those on the request's path is meant. */
void ingest_dialect_of(const struct api_request *req, const struct dialect **ret_dialect,
                       const struct dialect_route **ret_route);

/* Whether the event that was just read is one of those that were rejected; it then has the id that
 * it has in every release. */
bool ingest_again_takes(struct ingest_call *call, struct event *e);

/* ---- ingest_reject.c: nothing is dropped silently (analytics/rejected) ---- */
void ingest_note_drop(struct ingest_call *call, uint32_t index, enum event_reason reason,
                      const char *details);
/* Before the answer. Of a request that is taken: its events that were dropped. */
void ingest_tell_drops(struct ingest_call *call);
/* Nothing was taken of it; rc is why. */
void ingest_tell_refused(struct ingest_call *call, enum rc rc, const char *details);
/* The same of one that has no call (yet). project NULL: nobody's. */
void ingest_tell_request(struct ingest *in, struct api_request *req, const struct dialect *dialect,
                         const struct dialect_route *route, enum rejected_reason reason,
                         const struct tenant_project *project, const struct tenant_key *key,
                         const char *details);
void ingest_on_refused(void *ctx, struct api_request *req, enum api_refusal why,
                       const struct tenant_project *project, const struct tenant_key *key);

/* ---- ingest_client.c ---- */
/* Fills call->env.client from the request's head, if that is the visitor's, as far as the project
 * lets it. */
void ingest_client_begin(struct ingest_call *call, const struct tenant_project *project,
                         bool is_visitor);
/* What depends on the event: the device of its site; or, of one that a server sends for a visitor
 * (event_take_address), all of it. After read(), before the record is written. */
void ingest_client_settle(struct ingest_call *call, struct event *e);
/* The device, as far as a request tells its site without an event. */
void ingest_client_settle_request(struct ingest_call *call);

extern const struct slice ingest_pixel; /* a GIF, for routes that a picture asks */

/* ---- ingest_pool.c ---- */
struct ingest_pools;
struct ingest_pools *ingest_pools_new(void);
void ingest_pools_free(struct ingest_pools *pools);
struct ingest_pools *ingest_pools(struct ingest *in);
/* An empty buffer that a request before has grown, and back. */
void ingest_buf_take(struct ingest *in, size_t bytes_max, struct buf *ret_buf);
void ingest_buf_give(struct ingest *in, struct buf *b);
struct decoder *ingest_decoder_take(struct ingest *in); /* NULL: no memory */
void ingest_decoder_give(struct ingest *in, struct decoder *d);
#endif
