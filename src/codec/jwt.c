/* WHAT    JSON Web Tokens: parsed, verified with a key, claims checked (jwt.h).
 * WHY     Everything a token says about itself is said by the attacker. So the algorithm is a
 *         property of the key, the signature's length is that of the algorithm, and base64url is
 *         strict (one text per value), which leaves one token per signature of RSA and Ed25519.
 * INVARIANTS  What fails here leaves nothing in OpenSSL's error queue: the thread's TLS connections
 *         read their own failures from it (SSL_get_error).
 * LAYOUT  BASE64URL(header) '.' BASE64URL(claims) '.' BASE64URL(signature)
 * THREADS none of its own; a key may be used by all at once. EVP_DigestVerifyInit looks its
 *         algorithms up by name, 2 µs of at least 16: a prepared context would have to be copied
 *         for each call, which saves half of that and is more to get wrong. */
#include "codec/jwt.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"

enum {
    P256_BYTES = 32,
    POINT_UNCOMPRESSED = 4, /* SEC 1 section 2.3.3 */
    ED25519_BYTES = 32,
    RSA_EXPONENT_BYTES_MAX = 8,
    SIGNATURE_RSA_MIN = JWT_RSA_BITS_MIN / 8,
    SIGNATURE_RSA_MAX = JWT_RSA_BITS_MAX / 8,
    SIGNATURE_PAIR = 64, /* ES256: r and s; Ed25519: R and S */
};

static const struct alg {
    struct slice name;
    const char *digest; /* NULL: part of the scheme */
    size_t signature_min, signature_max;
} algs_known[JWT_ALG_COUNT] = {
    [JWT_HS256] = {SLICE_CONST("HS256"), NULL, SHA256_BYTES, SHA256_BYTES},
    [JWT_RS256] = {SLICE_CONST("RS256"), "SHA256", SIGNATURE_RSA_MIN, SIGNATURE_RSA_MAX},
    [JWT_ES256] = {SLICE_CONST("ES256"), "SHA256", SIGNATURE_PAIR, SIGNATURE_PAIR},
    [JWT_EDDSA] = {SLICE_CONST("EdDSA"), NULL, SIGNATURE_PAIR, SIGNATURE_PAIR},
};

const char *jwt_alg_name(enum jwt_alg alg)
{
    must(alg < JWT_ALG_COUNT);
    return algs_known[alg].name.data;
}

bool jwt_alg_parse(struct slice name, enum jwt_alg *ret_alg)
{
    for (size_t i = 0; i < JWT_ALG_COUNT; i++)
        if (slice_eq(name, algs_known[i].name)) {
            *ret_alg = (enum jwt_alg)i;
            return true;
        }
    return false;
}

const char *jwt_result_text(enum jwt_result result)
{
    static const char *const texts[] = {
        [JWT_OK] = "The token is valid",
        [JWT_BAD_FORMAT] = "The token is not a JSON Web Token, or longer than 4096 bytes",
        [JWT_BAD_PAYLOAD] = "The token's claims are not base64url",
        [JWT_BAD_CLAIMS] =
            "The token's claims are not a JSON object with exp, nbf and iat in seconds",
        [JWT_BAD_HEADER] = "The token's header is not one that is understood here",
        [JWT_BAD_ALG] = "The token's algorithm is not accepted here",
        [JWT_BAD_SIGNATURE] = "The token's signature is wrong",
        [JWT_NO_KEY] = "The token's issuer has published no key that fits it",
        [JWT_EXPIRED] = "The token has expired",
        [JWT_NOT_YET] = "The token is not valid yet",
        [JWT_NO_EXPIRY] = "The token has no expiry (exp)",
        [JWT_BAD_ISSUER] = "The token's issuer (iss) is not the expected one",
        [JWT_BAD_AUDIENCE] = "The token is not meant for this service (aud)",
    };
    must((size_t)result < COUNT_OF(texts));
    return texts[result];
}

/* ---- a token ---- */
static bool decode(struct arena *a, struct slice text, struct slice *ret_bytes)
{
    uint8_t *to = arena_alloc(a, base64_decoded_max(text.len));
    size_t len;
    if (!to || !base64_decode(BASE64_URL, text, to, &len))
        return false;
    *ret_bytes = slice_of((const char *)to, len);
    return true;
}

/* An absent member is the empty slice; false if it is there and no string. */
static bool optional_string(yyjson_val *object, const char *name, struct slice *ret)
{
    yyjson_val *v = json_get(object, name);
    *ret = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
    return !v || yyjson_is_str(v);
}

static enum jwt_result parse_header(struct arena *a, struct slice text, uint32_t algs,
                                    struct jwt *jwt)
{
    struct slice json, alg;
    yyjson_val *header;
    if (!decode(a, text, &json) || json_parse(a, json, &header, NULL) != RC_OK ||
        !yyjson_is_obj(header) || json_get(header, "crit") || json_get(header, "b64") ||
        !optional_string(header, "kid", &jwt->kid) || !optional_string(header, "typ", &jwt->typ))
        return JWT_BAD_HEADER;
    if (!optional_string(header, "alg", &alg) || !jwt_alg_parse(alg, &jwt->alg) ||
        !(algs & JWT_ALG_BIT(jwt->alg)))
        return JWT_BAD_ALG;
    return JWT_OK;
}

static bool numeric_date(yyjson_val *claims, const char *name, bool *ret_has, double *ret_s)
{
    yyjson_val *v = json_get(claims, name);
    *ret_has = v != NULL;
    return !v || json_to_double(v, ret_s);
}

static enum jwt_result parse_claims(struct arena *a, struct slice text, struct jwt *jwt)
{
    struct slice json;
    if (!decode(a, text, &json))
        return JWT_BAD_PAYLOAD;
    if (json_parse(a, json, &jwt->claims, NULL) != RC_OK || !yyjson_is_obj(jwt->claims) ||
        !numeric_date(jwt->claims, "exp", &jwt->has_exp, &jwt->exp_s) ||
        !numeric_date(jwt->claims, "nbf", &jwt->has_nbf, &jwt->nbf_s))
        return JWT_BAD_CLAIMS;
    return JWT_OK;
}

enum jwt_result jwt_parse(struct arena *a, struct slice token, uint32_t algs, struct jwt *ret_jwt)
{
    struct slice rest = token;
    struct slice header = slice_cut(&rest, '.'), payload = slice_cut(&rest, '.'), signature = rest;
    struct jwt jwt = {.kid = SLICE_EMPTY};
    if (token.len > JWT_BYTES_MAX || !header.len || !payload.len || !signature.len ||
        memchr(signature.data, '.', signature.len))
        return JWT_BAD_FORMAT;
    /* The claims first: it is the order in which the article's tracker knows the errors. */
    enum jwt_result result = parse_claims(a, payload, &jwt);
    if (result == JWT_OK)
        result = parse_header(a, header, algs, &jwt);
    if (result != JWT_OK)
        return result;
    const struct alg *alg = &algs_known[jwt.alg];
    if (!decode(a, signature, &jwt.signature) || jwt.signature.len < alg->signature_min ||
        jwt.signature.len > alg->signature_max)
        return JWT_BAD_SIGNATURE;
    jwt.signed_part = slice_of(token.data, header.len + 1 + payload.len);
    *ret_jwt = jwt;
    return JWT_OK;
}

/* ---- a key ---- */
static const unsigned char *bytes_of(struct slice s)
{
    return (const unsigned char *)s.data;
}

enum rc jwt_key_hs256(struct slice secret, struct jwt_key *ret_key, struct err *err)
{
    if (secret.len < JWT_SECRET_BYTES_MIN)
        return err_set(err, RC_INVALID, "a secret for HS256 has at least %d bytes",
                       JWT_SECRET_BYTES_MIN);
    *ret_key = (struct jwt_key){.alg = JWT_HS256, .kid = SLICE_EMPTY, .secret = secret};
    return RC_OK;
}

static enum rc key_take(enum jwt_alg alg, EVP_PKEY *public_key, struct jwt_key *ret_key,
                        struct err *err)
{
    if (!public_key)
        return err_set(err, RC_INVALID, "the numbers are no public key for %s", jwt_alg_name(alg));
    *ret_key = (struct jwt_key){.alg = alg, .kid = SLICE_EMPTY, .public_key = public_key};
    return RC_OK;
}

/* NULL if the numbers are no key of that type, such as a point that is not on its curve. */
static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    must(make && EVP_PKEY_fromdata_init(make) == 1);
    ERR_set_mark();
    if (EVP_PKEY_fromdata(make, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    ERR_pop_to_mark();
    EVP_PKEY_CTX_free(make);
    return key;
}

/* RFC 7518 section 6.3.1.1: some producers write a zero byte in front. */
static struct slice without_zeros(struct slice number)
{
    while (number.len && number.data[0] == 0)
        number = slice_sub(number, 1);
    return number;
}

static uint32_t bits_of(struct slice number)
{
    uint32_t bits = (uint32_t)number.len * 8;
    for (unsigned top = number.len ? (unsigned char)number.data[0] : 128; top < 128; top <<= 1)
        bits--;
    return bits;
}

static bool is_odd(struct slice number)
{
    return number.len && (number.data[number.len - 1] & 1);
}

/* OpenSSL wants numbers in the machine's order. */
static void to_native(struct slice number, unsigned char *to)
{
    for (size_t i = 0; i < number.len; i++)
        to[i] = (unsigned char)
                    number.data[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? number.len - 1 - i : i];
}

enum rc jwt_key_rs256(struct slice modulus, struct slice exponent, struct jwt_key *ret_key,
                      struct err *err)
{
    unsigned char n[SIGNATURE_RSA_MAX], e[RSA_EXPONENT_BYTES_MAX];
    modulus = without_zeros(modulus);
    exponent = without_zeros(exponent);
    if (modulus.len > sizeof(n) || bits_of(modulus) < JWT_RSA_BITS_MIN)
        return err_set(err, RC_INVALID, "an RSA key has %d to %d bits", JWT_RSA_BITS_MIN,
                       JWT_RSA_BITS_MAX);
    if (exponent.len > sizeof(e) || bits_of(exponent) < 2 || !is_odd(exponent))
        return err_set(err, RC_INVALID, "an RSA exponent is odd, at least 3 and below 2^64");
    if (!is_odd(modulus))
        return err_set(err, RC_INVALID, "an RSA modulus is odd");
    to_native(modulus, n);
    to_native(exponent, e);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, modulus.len),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, exponent.len),
        OSSL_PARAM_construct_end(),
    };
    return key_take(JWT_RS256, key_from_params("RSA", params), ret_key, err);
}

enum rc jwt_key_es256(struct slice x, struct slice y, struct jwt_key *ret_key, struct err *err)
{
    static char curve[] = "P-256";
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_UNCOMPRESSED};
    if (x.len != P256_BYTES || y.len != P256_BYTES)
        return err_set(err, RC_INVALID, "x and y of P-256 have %d bytes each", P256_BYTES);
    memcpy(point + 1, x.data, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    return key_take(JWT_ES256, key_from_params("EC", params), ret_key, err);
}

enum rc jwt_key_ed25519(struct slice x, struct jwt_key *ret_key, struct err *err)
{
    if (x.len != ED25519_BYTES)
        return err_set(err, RC_INVALID, "x of Ed25519 has %d bytes", ED25519_BYTES);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes_of(x), x.len);
    return key_take(JWT_EDDSA, key, ret_key, err);
}

void jwt_key_done(struct jwt_key *key)
{
    EVP_PKEY_free(key->public_key);
    *key = (struct jwt_key){.kid = SLICE_EMPTY};
}

/* ---- the signature ---- */
enum { DER_INTEGER = 0x02, DER_SEQUENCE = 0x30, DER_PAIR_MAX = 2 + 2 * (2 + 1 + P256_BYTES) };

/* The shortest two's complement of an unsigned number. */
static size_t der_integer(struct slice number, unsigned char *to)
{
    while (number.len > 1 && number.data[0] == 0)
        number = slice_sub(number, 1);
    size_t sign = (unsigned char)number.data[0] >> 7;
    to[0] = DER_INTEGER;
    to[1] = (unsigned char)(sign + number.len);
    to[2] = 0;
    memcpy(to + 2 + sign, number.data, number.len);
    return 2 + sign + number.len;
}

/* RFC 7518 section 3.4 writes r and s one after the other, OpenSSL reads a SEQUENCE of two. */
static size_t der_pair(struct slice pair, unsigned char to[DER_PAIR_MAX])
{
    size_t len = der_integer(slice_of(pair.data, P256_BYTES), to + 2);
    len += der_integer(slice_sub(pair, P256_BYTES), to + 2 + len);
    to[0] = DER_SEQUENCE;
    to[1] = (unsigned char)len;
    return 2 + len;
}

static bool is_signed(const struct jwt *jwt, const struct jwt_key *key)
{
    unsigned char der[DER_PAIR_MAX];
    const unsigned char *signature = bytes_of(jwt->signature);
    size_t len = jwt->signature.len;
    if (key->alg == JWT_ES256) {
        len = der_pair(jwt->signature, der);
        signature = der;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx);
    ERR_set_mark();
    bool is_good = EVP_DigestVerifyInit_ex(ctx, NULL, algs_known[key->alg].digest, NULL, NULL,
                                           key->public_key, NULL) == 1 &&
                   EVP_DigestVerify(ctx, signature, len, bytes_of(jwt->signed_part),
                                    jwt->signed_part.len) == 1;
    ERR_pop_to_mark();
    EVP_MD_CTX_free(ctx);
    return is_good;
}

static bool is_authenticated(const struct jwt *jwt, const struct jwt_key *key)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(key->secret, jwt->signed_part, mac);
    return slice_eq_const_time(slice_of((const char *)mac, sizeof(mac)), jwt->signature);
}

enum jwt_result jwt_verify(const struct jwt *jwt, const struct jwt_key *key)
{
    if (jwt->alg != key->alg)
        return JWT_BAD_ALG;
    bool is_good = key->alg == JWT_HS256 ? is_authenticated(jwt, key) : is_signed(jwt, key);
    return is_good ? JWT_OK : JWT_BAD_SIGNATURE;
}

/* ---- the claims ---- */
/* NumericDate (RFC 7519 section 2): seconds, also fractions. */
static bool is_plausible(double date_s)
{
    const double year_10000_s = 253402300800;
    return date_s >= 0 && date_s < year_10000_s;
}

static bool has_audience(yyjson_val *aud, struct slice audience)
{
    size_t i, n;
    yyjson_val *one;
    if (yyjson_is_str(aud))
        return slice_eq(json_text(aud), audience);
    yyjson_arr_foreach(aud, i, n, one)
    {
        if (yyjson_is_str(one) && slice_eq(json_text(one), audience))
            return true;
    }
    return false;
}

static bool are_dates_plausible(const struct jwt *jwt)
{
    bool has_iat;
    double iat_s = 0;
    return numeric_date(jwt->claims, "iat", &has_iat, &iat_s) && is_plausible(iat_s) &&
           (!jwt->has_exp || is_plausible(jwt->exp_s)) &&
           (!jwt->has_nbf || is_plausible(jwt->nbf_s));
}

static enum jwt_result check_dates(const struct jwt *jwt, const struct jwt_expect *expect)
{
    double now_s = (double)expect->now.ms / 1000.0, skew_s = expect->skew_s;
    if (!expect->is_lenient && !are_dates_plausible(jwt))
        return JWT_BAD_CLAIMS;
    if (!expect->is_lenient && !jwt->has_exp)
        return JWT_NO_EXPIRY;
    if (jwt->has_exp && now_s >= jwt->exp_s + skew_s)
        return JWT_EXPIRED;
    return jwt->has_nbf && now_s < jwt->nbf_s - skew_s ? JWT_NOT_YET : JWT_OK;
}

enum jwt_result jwt_check(const struct jwt *jwt, const struct jwt_expect *expect)
{
    enum jwt_result result = check_dates(jwt, expect);
    if (result != JWT_OK)
        return result;
    yyjson_val *iss = json_get(jwt->claims, "iss");
    if (expect->issuer.len && !(yyjson_is_str(iss) && slice_eq(json_text(iss), expect->issuer)))
        return JWT_BAD_ISSUER;
    if (expect->audience.len && !has_audience(json_get(jwt->claims, "aud"), expect->audience))
        return JWT_BAD_AUDIENCE;
    return JWT_OK;
}

unix_ms jwt_expires_at(const struct jwt *jwt, uint32_t skew_s)
{
    must(jwt->has_exp && is_plausible(jwt->exp_s));
    double exact_ms = (jwt->exp_s + skew_s) * 1000.0;
    int64_t ms = (int64_t)exact_ms;
    return (unix_ms){ms + ((double)ms < exact_ms)};
}
