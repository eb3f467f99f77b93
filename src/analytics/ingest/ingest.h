#ifndef WEIR_ANALYTICS_INGEST_INGEST_H
#define WEIR_ANALYTICS_INGEST_INGEST_H
/* The ingest face: requests of several dialects become records of the stream `events`, answered
 * when they are kept. Routes, fields, answers, limits: docs/ingest.md.
 *
 * A request is cut into events first, and each is read and judged by itself: a bad one is told as
 * `drop` and the others are kept. When the stream takes nothing, the whole request is refused with
 * 503 and Retry-After.
 *
 * THREADS  handlers run on the request's loop; the committer's done() only posts back to it. */
#include "analytics/ingest/visitor.h"
#include "analytics/rejected/rejected.h"
#include "api/api.h"
#include "geo/geo.h"
#include "stream/stream.h"

struct ingest_cfg {
    struct stream *events;   /* borrowed */
    const char *ack;         /* "fsync", "os", "none": told in the header X-Weir-Ack; borrowed */
    uint64_t body_bytes_max; /* as sent; 0 = 10 MiB. Decoded: 5 times that */
    struct geo *geo;         /* borrowed; NULL: addresses are not looked up */
    struct visitor_salts *salts;   /* borrowed; NULL: no devices */
    const char *tracker_path;      /* a further one for the tracker's events; NULL or "" = none */
    struct rejected_sink rejected; /* what is not taken; all NULL: it is only in the metrics */
};
struct ingest;
enum rc ingest_new(const struct ingest_cfg *cfg, struct ingest **ret_ingest,
                   struct err *err) MUST_CHECK;
struct api_service ingest_service(struct ingest *in);
/* What was rejected, read again under the rules of now (docs/ingest.md, "Release"): POST
 * /v1/projects/{projectId}/rejections/release, and for the operator /control/release over all
 * projects. NULL store: as if nothing had been rejected. */
struct store_pool;
struct ingest_releaser {
    struct ingest *ingest;
    struct store_pool *store; /* borrowed */
};
struct api_service ingest_release_service(struct ingest_releaser *r);
void ingest_free(struct ingest *in); /* after the last answer */
#endif
