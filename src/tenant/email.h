#ifndef WEIR_TENANT_EMAIL_H
#define WEIR_TENANT_EMAIL_H
/* E-mail addresses as names of accounts: one spelling per account.
 *
 * Taken is the ASCII part of RFC 5321: LOCAL '@' DOMAIN, LOCAL of the characters of an atom and
 * dots (RFC 5322 3.2.3; no quotes, spaces, comments), DOMAIN of labels of letters, digits and '-'.
 * An international domain is given in its "xn--" form. Both parts are folded to lower case: a
 * server may tell cases of the local part apart, but two people whose addresses differ in case only
 * would be mistaken for each other by everybody else as well. Nothing beyond ASCII is taken, for
 * folding that is how one account's address becomes another's. */
#include "base/rc.h"
#include "base/slice.h"

enum { EMAIL_BYTES_MAX = 254, EMAIL_LOCAL_BYTES_MAX = 64 };
/* ret_email: lower case, NUL at the end. RC_INVALID: err says what a valid address is, never what
 * was given. */
enum rc email_normalise(struct slice text, char ret_email[EMAIL_BYTES_MAX + 1],
                        struct err *err) MUST_CHECK;
#endif
