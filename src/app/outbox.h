#ifndef WEIR_APP_OUTBOX_H
#define WEIR_APP_OUTBOX_H
/* The thread that moves audit events from the state's outbox (tenant/admin.h) to the stream
 * `audit`. At least once: a crash between the two hands an event out again under the same id. */
#include "stream/stream.h"
#include "tenant/admin.h"

struct outbox;
enum rc outbox_start(struct tenant *tenant, struct stream *audit, struct outbox **ret_outbox,
                     struct err *err) MUST_CHECK;
/* Moves what is waiting, then ends. NULL is fine. */
void outbox_stop(struct outbox *o);
#endif
