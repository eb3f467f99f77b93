#ifndef WEIR_APP_BACKUP_H
#define WEIR_APP_BACKUP_H
/* A consistent copy of the data folder while it is in use, and putting it back.
 *
 * ORDER  Projector and archiver rest while the store's parts are frozen and their checkpoints and
 * the archive are copied, so that these are of one moment; the frozen parts follow at leisure, and
 * then the stream, which therefore holds everything that they have not seen yet. Restored, they go
 * on at their checkpoints and no event is missing or doubled. A backup that fails removes what it
 * made. */
#include "app/job.h"
#include "app/node.h"

/* job may be NULL (no progress lines). to: absolute, must not exist. */
enum rc backup_run(struct node *n, const char *to, struct job *job, struct err *err) MUST_CHECK;
#endif
