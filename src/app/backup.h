#ifndef WEIR_APP_BACKUP_H
#define WEIR_APP_BACKUP_H
/* A consistent copy of the data folder while it is in use, and putting it back.
 *
 * ORDER  The projector rests while its checkpoint and the store are copied, so that both are of one
 * moment; the stream is copied after them and therefore holds everything that they have not seen
 * yet. Restored, the projector goes on at its checkpoint and no event is missing or doubled. */
#include "app/job.h"
#include "app/node.h"

/* job may be NULL (no progress lines). to: absolute, must not exist. */
enum rc backup_run(struct node *n, const char *to, struct job *job, struct err *err) MUST_CHECK;
#endif
