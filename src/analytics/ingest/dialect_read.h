#ifndef WEIR_ANALYTICS_INGEST_DIALECT_READ_H
#define WEIR_ANALYTICS_INGEST_DIALECT_READ_H
/* The mapping of one event of another product, as its dialect has it for requests: for whoever has
 * such events from elsewhere (analytics/import). Pure, but for ids that are made where the event
 * brings none. */
#include "analytics/event/event.h"

struct dialect;
/* By the dialect's source ("posthog"). One that does not exist is a bug (must). */
const struct dialect *dialect_read_find(const char *source);
/* What the reader expects in env beside its arena; borrowed, constant. */
void dialect_read_env(const struct dialect *d, struct event_env *env);
void dialect_read_event(const struct dialect *d, yyjson_val *root, const struct event_env *env,
                        struct event *e, struct event_notes *n);
#endif
