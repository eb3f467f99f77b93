#ifndef WEIR_TENANT_PASSWORD_H
#define WEIR_TENANT_PASSWORD_H
/* Passwords: which are accepted, how they are kept (Argon2id, RFC 9106, through libsodium), how one
 * is tried. docs/adr/0005-access.md has the reasons for the numbers.
 *
 * password_hash() and password_verify() take tens of milliseconds and 32 MiB each: worker pool or
 * CLI only, never on an edge loop and never inside a state transaction. Any thread. No err text
 * holds any part of a password. */
#include <stdbool.h>

#include "base/rc.h"
#include "base/slice.h"

enum { PASSWORD_BYTES_MIN = 10, PASSWORD_BYTES_MAX = 1024, PASSWORD_HASH_BYTES = 128 };

struct password_hash {
    char text[PASSWORD_HASH_BYTES]; /* "$argon2id$v=19$m=…,t=…,p=1$salt$hash", NUL at the end */
};

/* Whether this may become the password of the account with that (normalised) address: RC_INVALID
 * and a sentence for the person if not. Taken as it is, byte for byte: no trimming, no Unicode
 * normalisation. Refused: too short or long, invalid UTF-8, NUL, the local part of the address in
 * it (either case; from 3 bytes on), and what is among the passwords known from breaches. */
enum rc password_check(struct slice password, struct slice email, struct err *err) MUST_CHECK;
/* Among 112,130 breached passwords of 10 bytes and more, letters in either case. One in 4,600
 * others is taken for one of them (a Bloom filter; breached.txt). */
bool password_is_breached(struct slice password);

/* With a new salt. RC_NOMEM. */
enum rc password_hash(struct slice password, struct password_hash *ret_hash,
                      struct err *err) MUST_CHECK;
/* hash NULL: there is no account or it has no password; takes as long as a wrong one and is not
 * right. *ret_is_right is written on RC_OK only. RC_NOMEM. */
enum rc password_verify(const struct password_hash *hash, struct slice password, bool *ret_is_right,
                        struct err *err) MUST_CHECK;
/* A random one of len letters and digits (5.95 bits each) and a NUL, for a first login. */
void password_make(char *to, size_t len);
/* Made with other costs than today's: hash it anew when the password is at hand. */
bool password_needs_rehash(const struct password_hash *hash);
#endif
