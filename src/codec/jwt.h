#ifndef WEIR_CODEC_JWT_H
#define WEIR_CODEC_JWT_H
/* JSON Web Tokens (RFC 7515, 7518, 7519, 8037; with the advice of RFC 8725), in three steps:
 *
 *   jwt_parse    takes the token apart and believes nothing: the claims say who should have signed
 *   jwt_verify   the signature, with one key (codec/jwks.h: with a set of them)
 *   jwt_check    time, issuer and audience
 *
 * Believe a claim only after all three said JWT_OK.
 *
 * A key belongs to one algorithm for its whole life, so a token cannot choose how its signature is
 * read: a public RSA key is never the secret of an HMAC. "none" is no algorithm here. Critical and
 * unencoded content (`crit`, `b64`: RFC 7515 section 4.1.11, RFC 7797) are refused.
 *
 * About 1 µs (HS256), 20 µs (RS256, 2048 bits), 70 µs (ES256) and 100 µs (EdDSA) per signature. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/slice.h"
#include "codec/json.h"

enum {
    JWT_BYTES_MAX = 4096,
    JWT_KID_BYTES_MAX = 256, /* of a key; a token's may be longer, and then names none */
    JWT_CLOCK_SKEW_S = 60,
    JWT_SECRET_BYTES_MIN = 32, /* RFC 7518 section 3.2: as long as the hash */
    JWT_RSA_BITS_MIN = 2048,
    JWT_RSA_BITS_MAX = 8192,
};

enum jwt_alg {
    JWT_HS256,
    JWT_RS256, /* RSASSA-PKCS1-v1_5 */
    JWT_ES256, /* P-256 */
    JWT_EDDSA, /* Ed25519 */
    JWT_ALG_COUNT
};
/* A set of algorithms: JWT_ALG_BIT(JWT_RS256) | JWT_ALG_BIT(JWT_ES256). */
#define JWT_ALG_BIT(alg) (1U << (alg))
enum {
    JWT_ALGS_PUBLIC = JWT_ALG_BIT(JWT_RS256) | JWT_ALG_BIT(JWT_ES256) | JWT_ALG_BIT(JWT_EDDSA),
};
const char *jwt_alg_name(enum jwt_alg alg);
bool jwt_alg_parse(struct slice name, enum jwt_alg *ret_alg); /* exact: no other spelling */

enum jwt_result {
    JWT_OK,
    /* jwt_parse */
    JWT_BAD_FORMAT,  /* not three parts, or longer than JWT_BYTES_MAX */
    JWT_BAD_PAYLOAD, /* the payload is not base64url */
    JWT_BAD_CLAIMS,  /* not a JSON object; exp, nbf (or iat, in jwt_check) is not a date */
    JWT_BAD_HEADER,  /* not a JSON object; crit or b64 is used; kid is not a string */
    JWT_BAD_ALG,     /* alg is none of those asked for, or (jwt_verify) not the key's */
    /* jwt_verify; jwt_parse, if it has not the length of a signature of that algorithm */
    JWT_BAD_SIGNATURE,
    JWT_NO_KEY, /* jwks_verify: the set has no such key */
    /* jwt_check */
    JWT_EXPIRED,
    JWT_NOT_YET,
    JWT_NO_EXPIRY,
    JWT_BAD_ISSUER,
    JWT_BAD_AUDIENCE,
};
const char *jwt_result_text(enum jwt_result result); /* a sentence for the sender */

/* ---- a token ---- */
struct jwt {
    enum jwt_alg alg;
    struct slice kid;         /* empty: none */
    struct slice typ;         /* empty: none */
    struct slice signed_part; /* of the token */
    struct slice signature;   /* bytes */
    yyjson_val *claims;       /* an object */
    bool has_exp, has_nbf;
    double exp_s, nbf_s;
};
/* algs: what is acceptable here, a set of JWT_ALG_BIT. What *ret_jwt points to lies in the arena
 * and in the token. */
enum jwt_result jwt_parse(struct arena *a, struct slice token, uint32_t algs,
                          struct jwt *ret_jwt) MUST_CHECK;

/* ---- a key ---- */
/* Never changed once made: any number of threads may verify with it at once. */
struct jwt_key {
    enum jwt_alg alg;
    struct slice kid;               /* borrowed; empty: none */
    struct slice secret;            /* HS256; borrowed */
    struct evp_pkey_st *public_key; /* the others; owned */
};
/* The makers refuse with RC_INVALID, and say in err what is wrong with the key. kid is left empty;
 * a failed one needs no jwt_key_done. */
enum rc jwt_key_hs256(struct slice secret, struct jwt_key *ret_key, struct err *err) MUST_CHECK;
/* Unsigned, most significant byte first: JWT_RSA_BITS_MIN to _MAX, exponent odd, 3 to 2^64. */
enum rc jwt_key_rs256(struct slice modulus, struct slice exponent, struct jwt_key *ret_key,
                      struct err *err) MUST_CHECK;
/* 32 bytes each, a point of P-256. */
enum rc jwt_key_es256(struct slice x, struct slice y, struct jwt_key *ret_key,
                      struct err *err) MUST_CHECK;
enum rc jwt_key_ed25519(struct slice x, struct jwt_key *ret_key, struct err *err) MUST_CHECK;
void jwt_key_done(struct jwt_key *key);

/* JWT_OK, JWT_BAD_ALG or JWT_BAD_SIGNATURE. HS256: in constant time. */
enum jwt_result jwt_verify(const struct jwt *jwt, const struct jwt_key *key) MUST_CHECK;

/* ---- the claims ---- */
struct jwt_expect {
    struct slice issuer;   /* `iss` must be this; empty: not looked at */
    struct slice audience; /* `aud` must be this or hold it; empty: not looked at */
    unix_ms now;
    uint32_t skew_s; /* how far the clocks may be apart, JWT_CLOCK_SKEW_S */
    /* What the article's own routes have always taken: `exp` may be missing, `iat` is not looked at
     * and dates may lie anywhere (else: between 1970 and 9999, which catches milliseconds). */
    bool is_lenient;
};
enum jwt_result jwt_check(const struct jwt *jwt, const struct jwt_expect *expect) MUST_CHECK;
/* The moment from which jwt_check says JWT_EXPIRED; for a token with has_exp that it accepted. */
unix_ms jwt_expires_at(const struct jwt *jwt, uint32_t skew_s);
#endif
