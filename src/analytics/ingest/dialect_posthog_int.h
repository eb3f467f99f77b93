#ifndef WEIR_ANALYTICS_INGEST_DIALECT_POSTHOG_INT_H
#define WEIR_ANALYTICS_INGEST_DIALECT_POSTHOG_INT_H
/* Inside analytics/dialect_posthog*.c only: bodies (dialect_posthog_body.c), events
 * (dialect_posthog.c), what an SDK asks at its start (dialect_posthog_start.c). */
#include "analytics/ingest/ingest_int.h"

enum posthog_variant {
    POSTHOG_V1,        /* results by uuid */
    POSTHOG_V0,        /* {"status":"Ok"} */
    POSTHOG_ENGAGE,    /* the same; an event without a name is an $identify */
    POSTHOG_RECORDING, /* the same; nothing of it is kept */
};

/* What stands in a body beside the events; call->own. */
struct posthog_body {
    struct slice token; /* empty: none, or in the head */
    struct slice sent_at;
    struct slice batch; /* the array; empty: the body is an event or an array of events */
    bool is_historical;
};
/* Whatever the body is packed in becomes JSON; then call->own is there. Several tokens, or one of a
 * person's: RC_UNAUTHORIZED. */
enum rc posthog_unwrap(struct ingest_call *call, struct slice *body, struct err *err) MUST_CHECK;
struct slice posthog_find_key(struct ingest_call *call);
enum rc posthog_cut(struct ingest_call *call, struct slice body, struct err *err) MUST_CHECK;

/* GET /array/<token>/config and config.js, POST /flags, POST /decide. */
void posthog_config(struct ctx *ctx, void *service, struct api_request *req);
void posthog_config_js(struct ctx *ctx, void *service, struct api_request *req);
void posthog_flags(struct ctx *ctx, void *service, struct api_request *req);
void posthog_decide(struct ctx *ctx, void *service, struct api_request *req);
#endif
