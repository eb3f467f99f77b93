#ifndef WEIR_CODEC_JWKS_H
#define WEIR_CODEC_JWKS_H
/* JSON Web Key Sets (RFC 7517, 7518 section 6, 8037): the public keys of a token issuer.
 *
 * One bad key does not spoil a set, since issuers publish what others need too; it is only never
 * used. Which keys are used: RSA for RS256, EC P-256 for ES256, OKP Ed25519 for EdDSA, meant for
 * signatures (`use`, `key_ops`, `alg`).
 *
 * A set is immutable: any number of threads may read it at once. */
#include "base/rc.h"
#include "codec/jwt.h"

enum {
    JWKS_BYTES_MAX = 256 * 1024,
    JWKS_KEYS_MAX = 100,
    /* Signatures checked for one token: a set without kids must not make a token cost 100. */
    JWKS_TRIES_MAX = 16,
};

struct jwks {
    struct jwt_key *keys; /* in the order of the document */
    uint32_t key_count;
    uint32_t skipped; /* for another purpose, or of a kind that is not verified with here */
    uint32_t refused; /* private, weak or broken */
    struct arena arena;
};

/* RC_LIMIT: too long, too deep or too many keys; RC_INVALID: no key set; RC_NOMEM. A set without
 * one usable key is a set: its issuer has withdrawn all keys. */
enum rc jwks_parse(struct slice text, struct jwks **ret_set, struct err *err) MUST_CHECK;
void jwks_free(struct jwks *set); /* NULL is allowed */

/* The next key after `after` (NULL: the first) of that algorithm that has that kid; without a kid,
 * of that algorithm. NULL at the end. */
const struct jwt_key *jwks_next(const struct jwks *set, struct slice kid, enum jwt_alg alg,
                                const struct jwt_key *after);
/* JWT_OK as soon as one of these keys verifies it, of the first JWKS_TRIES_MAX. JWT_BAD_SIGNATURE:
 * the set has the token's kid, but no key under it that made this signature. JWT_NO_KEY: it has
 * not, or the token names none; perhaps a newer set has the key. */
enum jwt_result jwks_verify(const struct jwks *set, const struct jwt *jwt) MUST_CHECK;
#endif
