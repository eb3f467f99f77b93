#ifndef WEIR_TENANT_IDENTITY_H
#define WEIR_TENANT_IDENTITY_H
/* Who a person is at an OpenID Connect provider: (issuer, subject), which never changes there,
 * while an e-mail address may be given to somebody else. Blocks on the state; as in user.h, called
 * inside the transaction of the change. */
#include "base/clock.h"
#include "base/uuid.h"
#include "state/state.h"

enum { IDENTITY_SUBJECT_BYTES_MAX = 255 /* OpenID Connect Core, section 2 */ };
/* RC_NOTFOUND: nobody of ours. */
enum rc identity_find(struct state *s, struct slice issuer, struct slice subject,
                      struct uuid *ret_user, struct err *err) MUST_CHECK;
/* RC_EXISTS: it is somebody's already. */
enum rc identity_add(struct state *s, struct slice issuer, struct slice subject,
                     const struct uuid *user, unix_ms now, struct err *err) MUST_CHECK;
#endif
