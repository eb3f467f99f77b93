#ifndef WEIR_CODEC_JWT_H
#define WEIR_CODEC_JWT_H
/* JSON Web Tokens signed with HS256 (RFC 7515, 7519), in two steps because the claims name the
 * project whose secret must have signed them. Believe a claim only after jwt_verify said JWT_OK. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/slice.h"
#include "codec/json.h"

enum { JWT_BYTES_MAX = 4096, JWT_CLOCK_SKEW_S = 60 };
enum jwt_result {
    JWT_OK,
    JWT_BAD_FORMAT,  /* not three parts, too long, signature not base64url */
    JWT_BAD_PAYLOAD, /* the payload is not base64url */
    JWT_BAD_CLAIMS,  /* not a JSON object, or exp/nbf are no numbers */
    JWT_BAD_ALG,     /* header unreadable, or alg is not exactly "HS256", or crit is used */
    JWT_BAD_SIGNATURE,
    JWT_EXPIRED,
    JWT_NOT_YET,
};
struct jwt {
    struct slice signed_part; /* of the token */
    uint8_t signature[32];
    yyjson_val *claims; /* an object, in the arena */
    bool has_exp, has_nbf;
    double exp_s, nbf_s;
};
enum jwt_result jwt_parse(struct arena *a, struct slice token, struct jwt *ret_jwt) MUST_CHECK;
/* Constant time in the signature. An empty secret verifies nothing. */
enum jwt_result jwt_verify(const struct jwt *jwt, struct slice secret, unix_ms now) MUST_CHECK;
#endif
