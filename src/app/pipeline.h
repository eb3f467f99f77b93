#ifndef WEIR_APP_PIPELINE_H
#define WEIR_APP_PIPELINE_H
/* GET /v1/projects/{projectId}/pipeline: how far what happens behind the answer is (consumers, a
 * replay), how much room there is, what the project has used of its month. docs/operations.md.
 *
 * TENANTS  What is asked for is the project's month; all else is the installation's, and says of no
 *          tenant anything: no names, no texts of errors. */
#include "api/api.h"
#include "app/node.h"

struct api_service pipeline_service(struct node *n);
#endif
