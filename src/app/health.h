#ifndef WEIR_APP_HEALTH_H
#define WEIR_APP_HEALTH_H
/* GET /, /healthz, /readyz, /metrics, /openapi.json. */
#include "api/api.h"
#include "app/node.h"

struct health {
    struct node *node;
    struct api *api; /* for /openapi.json; set after api_new */
    _Atomic bool is_draining;
};
struct api_service health_service(struct health *h);
void health_metrics_register(struct health *h);
#endif
