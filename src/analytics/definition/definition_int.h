#ifndef WEIR_ANALYTICS_DEFINITION_DEFINITION_INT_H
#define WEIR_ANALYTICS_DEFINITION_DEFINITION_INT_H
/* Inside of definition/: a request on its way through the worker pool. */
#include "analytics/definition/definition.h"
#include "codec/json.h"
#include "tenant/definition.h"

struct definition {
    struct tenant *tenant;
    struct state *state;
    struct stored_source source;
};

/* What is particular about a kind of definition. */
struct definition_kind {
    enum tenant_entity entity;
    enum stored_kind stored; /* STORED_KINDS: reports do not use it */
    const char *needed[4];   /* members that a new one must have */
};
struct definition_call { /* on the heap: outlives the handler, not the answer */
    struct definition *definition;
    struct api_request *req;
    const struct definition_op *op;
    struct tenant_definitions where;
    yyjson_val *body; /* an object; NULL without one */
    struct buf out;   /* JSON of the answer */
    char etag[24];    /* of what is shown; "": none */
    enum rc rc;
    struct err err;
};
struct definition_op {
    const struct definition_kind *kind;
    enum rc (*run)(struct ctx *ctx, struct definition_call *c); /* on the worker pool */
    int status;
    bool has_body;
};
void definition_handle(struct ctx *ctx, void *service, struct api_request *req);

/* What is particular of cohorts (definition_cohort.c): a new one has conditions or a list of
 * people; how they are counted stays as it is. */
enum rc definition_create_cohort(struct ctx *ctx, struct definition_call *c);
enum rc definition_update_cohort(struct ctx *ctx, struct definition_call *c);
enum rc definition_list_annotations(struct ctx *ctx, struct definition_call *c);
enum rc definition_shown(struct definition_call *c, struct slice id); /* as the answer */
/* The version that If-Match names; 0: whichever. */
enum rc definition_read_match(struct definition_call *c, int64_t *ret) MUST_CHECK;
enum rc definition_list(struct ctx *ctx, struct definition_call *c);
enum rc definition_create(struct ctx *ctx, struct definition_call *c);
enum rc definition_show(struct ctx *ctx, struct definition_call *c);
enum rc definition_update(struct ctx *ctx, struct definition_call *c);
enum rc definition_remove(struct ctx *ctx, struct definition_call *c);

/* definition_alert.c: rules of alerts and mail reports; others have none there. */
enum rc definition_alert_check(enum tenant_entity entity, yyjson_val *body,
                               const struct stored_lookup *lookup, struct err *err) MUST_CHECK;

extern const struct api_route definition_routes[];
extern const uint32_t definition_route_count;
#endif
