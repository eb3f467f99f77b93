#ifndef WEIR_TEST_JWT_SIGNER_H
#define WEIR_TEST_JWT_SIGNER_H
/* An issuer in a test: a fresh key pair, tokens signed with it, its public half as a JWK. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/jwt.h"

struct signer {
    enum jwt_alg alg;
    EVP_PKEY *pair;      /* not HS256 */
    struct slice secret; /* HS256 */
};

static inline struct signer signer_new(enum jwt_alg alg)
{
    struct signer s = {.alg = alg, .secret = SLICE_LIT("0123456789abcdef0123456789abcdef")};
    if (alg == JWT_RS256)
        s.pair = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    else if (alg == JWT_ES256)
        s.pair = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    else if (alg == JWT_EDDSA)
        s.pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    must(alg == JWT_HS256 || s.pair);
    return s;
}

static inline void signer_done(struct signer *s)
{
    EVP_PKEY_free(s->pair);
}

/* SEQUENCE of two INTEGERs to two numbers of 32 bytes. */
static inline size_t signer_pair_of_der(unsigned char *signature, size_t len)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    must(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32) == 32 &&
         BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32) == 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static inline size_t signer_raw(const struct signer *s, struct slice data,
                                unsigned char signature[1024])
{
    if (s->alg == JWT_HS256) {
        hmac_sha256(s->secret, data, signature);
        return SHA256_BYTES;
    }
    size_t len = 1024;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(EVP_DigestSignInit_ex(ctx, NULL, s->alg == JWT_EDDSA ? NULL : "SHA256", NULL, NULL,
                               s->pair, NULL) == 1 &&
         EVP_DigestSign(ctx, signature, &len, (const unsigned char *)data.data, data.len) == 1);
    EVP_MD_CTX_free(ctx);
    return s->alg == JWT_ES256 ? signer_pair_of_der(signature, len) : len;
}

/* Into out, which is empty before; header is the JSON text. */
static inline struct slice signer_token(const struct signer *s, struct buf *out, const char *header,
                                        const char *claims)
{
    unsigned char signature[1024];
    buf_clear(out);
    base64_encode(out, BASE64_URL, slice_str(header));
    buf_add_char(out, '.');
    base64_encode(out, BASE64_URL, slice_str(claims));
    size_t len = signer_raw(s, buf_slice(out), signature);
    buf_add_char(out, '.');
    base64_encode(out, BASE64_URL, slice_of((const char *)signature, len));
    must(buf_ok(out));
    return buf_slice(out);
}

/* A number of the public key, most significant byte first, at least min bytes long. */
static inline struct slice signer_number(const struct signer *s, const char *param, int bytes_min,
                                         unsigned char to[1024])
{
    BIGNUM *n = NULL;
    must(EVP_PKEY_get_bn_param(s->pair, param, &n) == 1);
    int len = BN_num_bytes(n) < bytes_min ? bytes_min : BN_num_bytes(n);
    must(BN_bn2binpad(n, to, len) == len);
    BN_free(n);
    return slice_of((const char *)to, (size_t)len);
}

struct signer_numbers {
    unsigned char space[2][1024];
    const char *names[2];
    struct slice values[2];
};
static inline void signer_numbers(const struct signer *s, struct signer_numbers *ret)
{
    size_t len = 32;
    *ret = (struct signer_numbers){.names = {"x", "y"}};
    if (s->alg == JWT_RS256) {
        ret->names[0] = "n";
        ret->names[1] = "e";
        ret->values[0] = signer_number(s, OSSL_PKEY_PARAM_RSA_N, 0, ret->space[0]);
        ret->values[1] = signer_number(s, OSSL_PKEY_PARAM_RSA_E, 0, ret->space[1]);
    } else if (s->alg == JWT_ES256) {
        ret->values[0] = signer_number(s, OSSL_PKEY_PARAM_EC_PUB_X, 32, ret->space[0]);
        ret->values[1] = signer_number(s, OSSL_PKEY_PARAM_EC_PUB_Y, 32, ret->space[1]);
    } else {
        must(EVP_PKEY_get_raw_public_key(s->pair, ret->space[0], &len) == 1);
        ret->values[0] = slice_of((const char *)ret->space[0], len);
    }
}

static inline struct jwt_key signer_key(const struct signer *s)
{
    struct signer_numbers n;
    struct jwt_key key;
    enum rc rc;
    if (s->alg != JWT_HS256)
        signer_numbers(s, &n);
    if (s->alg == JWT_HS256)
        rc = jwt_key_hs256(s->secret, &key, NULL);
    else if (s->alg == JWT_RS256)
        rc = jwt_key_rs256(n.values[0], n.values[1], &key, NULL);
    else if (s->alg == JWT_ES256)
        rc = jwt_key_es256(n.values[0], n.values[1], &key, NULL);
    else
        rc = jwt_key_ed25519(n.values[0], &key, NULL);
    must(rc == RC_OK);
    return key;
}

/* The public half with further members, such as "\"kid\":\"a\",\"use\":\"sig\"". */
static inline void signer_add_jwk(const struct signer *s, struct buf *out, const char *members)
{
    struct signer_numbers n;
    signer_numbers(s, &n);
    buf_addf(out, "{%s%s\"kty\":\"%s\"", members, members[0] ? "," : "",
             s->alg == JWT_RS256   ? "RSA"
             : s->alg == JWT_ES256 ? "EC"
                                   : "OKP");
    if (s->alg != JWT_RS256)
        buf_addf(out, ",\"crv\":\"%s\"", s->alg == JWT_ES256 ? "P-256" : "Ed25519");
    for (int i = 0; i < 2 && n.values[i].len; i++) {
        buf_addf(out, ",\"%s\":\"", n.names[i]);
        base64_encode(out, BASE64_URL, n.values[i]);
        buf_add_char(out, '"');
    }
    buf_add_char(out, '}');
}
#endif
