#include "codec/jwt.h"

#include "codec/base64.h"
#include "codec/hash.h"

/* RFC 7515 section 4.1.11: a token with critical extensions that are not understood is refused. */
static bool is_hs256(struct arena *a, struct slice text)
{
    uint8_t *json = arena_alloc(a, base64_decoded_max(text.len));
    size_t len;
    yyjson_val *root;
    if (!json || !base64_decode(BASE64_URL, text, json, &len) ||
        json_parse(a, slice_of((char *)json, len), &root, NULL) != RC_OK)
        return false;
    yyjson_val *alg = json_get(root, "alg");
    return yyjson_is_str(alg) && slice_eq_str(json_text(alg), "HS256") && !json_get(root, "crit");
}

static bool numeric_date(yyjson_val *claims, const char *name, bool *ret_has, double *ret_s)
{
    yyjson_val *v = json_get(claims, name);
    *ret_has = v != NULL;
    return !v || json_to_double(v, ret_s);
}

enum jwt_result jwt_parse(struct arena *a, struct slice token, struct jwt *ret_jwt)
{
    struct slice rest = token;
    struct slice header = slice_cut(&rest, '.'), payload = slice_cut(&rest, '.'), signature = rest;
    uint8_t mac[64];
    size_t len;
    *ret_jwt = (struct jwt){0};
    if (token.len > JWT_BYTES_MAX || !header.len || !payload.len || !signature.len ||
        memchr(signature.data, '.', signature.len))
        return JWT_BAD_FORMAT;
    uint8_t *json = arena_alloc(a, base64_decoded_max(payload.len));
    if (!json || !base64_decode(BASE64_URL, payload, json, &len))
        return JWT_BAD_PAYLOAD;
    yyjson_val *claims;
    if (json_parse(a, slice_of((char *)json, len), &claims, NULL) != RC_OK ||
        !yyjson_is_obj(claims) ||
        !numeric_date(claims, "exp", &ret_jwt->has_exp, &ret_jwt->exp_s) ||
        !numeric_date(claims, "nbf", &ret_jwt->has_nbf, &ret_jwt->nbf_s))
        return JWT_BAD_CLAIMS;
    if (!is_hs256(a, header))
        return JWT_BAD_ALG;
    if (signature.len > 64 || !base64_decode(BASE64_URL, signature, mac, &len) ||
        len != sizeof(ret_jwt->signature))
        return JWT_BAD_SIGNATURE;
    memcpy(ret_jwt->signature, mac, len);
    ret_jwt->signed_part = slice_of(token.data, header.len + 1 + payload.len);
    ret_jwt->claims = claims;
    return JWT_OK;
}

enum jwt_result jwt_verify(const struct jwt *jwt, struct slice secret, unix_ms now)
{
    uint8_t mac[SHA256_BYTES];
    double now_s = (double)now.ms / 1000.0, skew_s = (double)JWT_CLOCK_SKEW_S;
    if (secret.len == 0)
        return JWT_BAD_SIGNATURE;
    hmac_sha256(secret, jwt->signed_part, mac);
    if (!slice_eq_const_time(slice_of((const char *)mac, sizeof(mac)),
                             slice_of((const char *)jwt->signature, sizeof(jwt->signature))))
        return JWT_BAD_SIGNATURE;
    if (jwt->has_exp && now_s >= jwt->exp_s + skew_s)
        return JWT_EXPIRED;
    if (jwt->has_nbf && now_s < jwt->nbf_s - skew_s)
        return JWT_NOT_YET;
    return JWT_OK;
}
