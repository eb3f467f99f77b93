#ifndef WEIR_APP_CONTROL_CLIENT_H
#define WEIR_APP_CONTROL_CLIENT_H
/* A verb talking to the server that runs on the same data folder, through <data>/run/control.sock.
 */
#include "base/buf.h"
#include "base/rc.h"

/* True if a server answers there. */
bool control_is_running(const char *data_dir);
/* POST (or GET if body is NULL) /control/<path>. 2xx → RC_OK; else the problem's detail in err.
 * piece (may be NULL) is called with each part of the answer as it comes, otherwise the answer goes
 * to out. */
enum rc control_call(const char *data_dir, const char *path, const struct slice *body,
                     enum rc (*piece)(void *ctx, struct slice bytes), void *ctx, struct buf *out,
                     struct err *err) MUST_CHECK;
/* GET of any server's URL with a secret key, likewise. A body that breaks off is RC_UNAVAILABLE. */
enum rc remote_get(const char *url, const char *key,
                   enum rc (*piece)(void *ctx, struct slice bytes), void *ctx,
                   struct err *err) MUST_CHECK;
#endif
