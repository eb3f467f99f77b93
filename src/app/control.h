#ifndef WEIR_APP_CONTROL_H
#define WEIR_APP_CONTROL_H
/* What the verbs ask of a running server: routes under /control on <data>/run/control.sock (mode
 * 0600), never on the public address.
 *
 *   GET  /control/status                  JSON: streams, consumers, store, geographic data
 *   POST /control/append?project          an import's batch: records, each "<key bytes> <value
 *                                         bytes>\n" and these bytes; {"erased":n} when durable
 *   POST /control/not-taken?project       what an import did not take: lines of "<reason> <count>"
 *   POST /control/imported                lines of JSONEachRow for the table imported
 *   GET  /control/imports?project         as the public route of that name
 *   POST /control/import-remove?project&id  the rows of one import are gone (no audit event)
 *   GET  /control/export?project&format   as the public route of that name
 *   GET  /control/visible?project&id      {"visible":true|false}: is the event's row in the store
 *   POST /control/replay                  JSON arguments; a job (job.h)
 *   POST /control/backup?to=DIR           a job
 *   POST /control/archive-flush           a job */
#include "analytics/import/import.h"
#include "analytics/report/query.h"
#include "api/api.h"
#include "app/node.h"

struct control {
    struct node *node;
    struct query *query;            /* for exports */
    const struct import_door *door; /* for imports */
    const char *address;            /* of the public server; for the verbs */
    _Atomic bool is_busy;           /* one replay or backup at a time */
};
struct api_service control_service(struct control *c);
#endif
