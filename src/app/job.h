#ifndef WEIR_APP_JOB_H
#define WEIR_APP_JOB_H
/* Long work asked for over the control socket: its own thread, its progress streamed to the asker
 * as NDJSON lines, cancelled when the asker goes away. The last line is {"ok":true} or
 * {"error":"…","rc":"…"}. */
#include <stdatomic.h>

#include "api/api.h"

struct job;
typedef enum rc job_fn(struct ctx *ctx, void *arg, struct job *job, struct err *err);
/* run() on a thread of its own, inside the request's context; release(arg) on the loop after the
 * last line went out. */
void job_start(struct ctx *ctx, struct api_request *req, job_fn *run, void *arg,
               void (*release)(void *arg));
void job_line(struct job *job, const char *fmt, ...)
    PRINTF_LIKE(2, 3);                                    /* one JSON object, no newline */
const _Atomic bool *job_cancelled(const struct job *job); /* look at it between steps */
#endif
