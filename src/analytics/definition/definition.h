#ifndef WEIR_ANALYTICS_DEFINITION_DEFINITION_H
#define WEIR_ANALYTICS_DEFINITION_DEFINITION_H
/* Stored definitions of a project: the HTTP face (/v1/projects/{projectId}/goals and so on) and the
 * rules of what may stand in them, over tenant/definition.h, which keeps them.
 * docs/definitions_stored.md.
 *
 * What reports use of them is read by the parser of questions before it is kept, so that a mistake
 * is told to who makes it; when it is used, reports get it through a source (report/stored.h).
 *
 * THREADS  handlers run on the request's loop, all that touches the state on the worker pool. */
#include "analytics/report/stored.h"
#include "api/api.h"
#include "tenant/admin.h"

struct definition;
struct definition_cfg {
    struct tenant *tenant; /* borrowed */
};
struct definition *definition_new(const struct definition_cfg *cfg);
struct api_service definition_service(struct definition *d);
struct api_service definition_alert_service(struct definition *d);   /* alerts, mail reports */
struct api_service definition_share_service(struct definition *d);   /* shared links */
const struct stored_source *definition_source(struct definition *d); /* lives as long as d */
void definition_free(struct definition *d);
#endif
