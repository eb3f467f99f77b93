#ifndef WEIR_ANALYTICS_REPORT_QUERY_H
#define WEIR_ANALYTICS_REPORT_QUERY_H
/* The read side of analytics: the routes of a project's dashboard, for secret keys. What each
 * number means: docs/definitions.md.
 *
 * Every statement is bound to the project of the request in one place under the handlers
 * (query_run), and values only ever travel as parameters. Handlers run on the request's loop, the
 * store is asked on the worker pool. */
#include <stdint.h>

#include "analytics/event/property_columns.h"
#include "analytics/report/stored.h"
#include "api/api.h"
#include "store/store.h"

struct query_cfg {
    struct store_pool *pool;   /* borrowed */
    uint32_t seconds_max;      /* per question, in the store; 0 = 20 */
    uint64_t memory_bytes_max; /* per question, in the store; 0 = the store's own limit */
    uint64_t answer_bytes_max; /* 0 = 64 MiB */
    uint32_t idle_minutes;     /* part sessions (docs/definitions.md, "Session"); 0 = 30 */
    /* What questions may name; borrowed. NULL: nothing is stored anywhere. */
    const struct stored_source *stored;
    const struct property_columns *property_columns; /* borrowed; NULL: none */
    /* Another number once rows of `sessions` were written here; NULL: nobody knows, and each
     * question asks for itself. Any thread. */
    uint64_t (*sessions_version)(void *ctx);
    void *ctx;
};
struct query;
enum rc query_new(const struct query_cfg *cfg, struct query **ret_query,
                  struct err *err) MUST_CHECK;
struct api_service query_service(struct query *q);
/* Raw events of req->project as GET …/export answers them, for a route of who has settled by
 * himself whose they are (weir export, over the control socket). service: the struct query. */
void query_export(struct ctx *ctx, void *service, struct api_request *req);
/* Likewise: which imports its sums came with. */
void query_imports(struct ctx *ctx, void *service, struct api_request *req);
void query_export_user(struct ctx *ctx, void *service, struct api_request *req);
/* A question as the body of POST /v1/projects/{projectId}/query, asked by weir itself; its answer
 * is that route's. Blocks; any thread but a loop's. */
struct query_asker {
    struct slice project;   /* id */
    struct slice time_zone; /* where the question names none */
    struct slice viewer;    /* who sees personal segments: an actor's id, or empty */
};
enum rc query_question(struct query *q, const struct query_asker *who, struct slice question,
                       struct buf *out, struct err *err) MUST_CHECK;
/* A saved report, asked by weir itself: what POST …/reports/{reportId}/run answers to the body
 * `over`, as CSV. RC_NOTFOUND: there is none of that id. */
struct query_saved {
    struct slice id, over;
    /* include.compare, where its kind has one and it says nothing of the like itself; or empty */
    struct slice compare;
    struct slice name; /* out, in the arena */
    int64_t version;   /* out */
};
enum rc query_saved_csv(struct query *q, const struct query_asker *who, struct arena *arena,
                        struct query_saved *saved, struct buf *out, struct err *err) MUST_CHECK;
void query_free(struct query *q); /* after the last answer was given */
#endif
