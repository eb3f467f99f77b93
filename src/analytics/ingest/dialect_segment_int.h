#ifndef WEIR_ANALYTICS_INGEST_DIALECT_SEGMENT_INT_H
#define WEIR_ANALYTICS_INGEST_DIALECT_SEGMENT_INT_H
/* Inside analytics/dialect_segment*.c only: bodies and keys (dialect_segment_body.c), messages and
 * routes (dialect_segment.c). */
#include "analytics/ingest/ingest_int.h"

enum segment_type {              /* of a message; the variant of a route that takes only one */
                    SEGMENT_ANY, /* each message says its own */
                    SEGMENT_TRACK,
                    SEGMENT_PAGE,
                    SEGMENT_SCREEN,
                    SEGMENT_IDENTIFY,
                    SEGMENT_GROUP,
                    SEGMENT_ALIAS,
                    SEGMENT_TYPE_COUNT,
                    SEGMENT_PIXEL = 16, /* + a type: what the query says, answered with an image */
};
/* What stands in a body beside the messages; call->own. */
struct segment_body {
    struct slice write_key, sent_at;
    struct slice batch; /* the array; empty: the body is one message */
};
/* A pixel's query becomes JSON; then call->own is there. */
enum rc segment_unwrap(struct ingest_call *call, struct slice *body, struct err *err) MUST_CHECK;
/* X-Write-Key, ?writeKey=, or the body's; of "key:secret" the key. */
struct slice segment_find_key(struct ingest_call *call);
enum rc segment_cut(struct ingest_call *call, struct slice body, struct err *err) MUST_CHECK;
#endif
