/* Tokens: the RFCs' own, fresh ones of every algorithm, and what must not pass. */
#include "test_codec.h"

#include <openssl/err.h>

#include "jwt_signer.h"

static const uint32_t ALL = JWT_ALGS_PUBLIC | JWT_ALG_BIT(JWT_HS256);
static const char *const headers[JWT_ALG_COUNT] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"RS256\"}",
                                                   "{\"alg\":\"ES256\"}", "{\"alg\":\"EdDSA\"}"};
static struct arena arena;
static struct buf space;
static struct signer signers[JWT_ALG_COUNT];
static struct jwt_key keys[JWT_ALG_COUNT];

static struct slice sign(const struct signer *s, const char *header, const char *claims)
{
    return arena_copy(&arena, signer_token(s, &space, header, claims));
}

static enum jwt_result parse_and_verify(struct slice token, const struct jwt_key *key)
{
    struct jwt jwt;
    enum jwt_result r = jwt_parse(&arena, token, ALL, &jwt);
    return r != JWT_OK ? r : jwt_verify(&jwt, key);
}

/* What the result is for a token with these claims, whoever signed it. */
static enum jwt_result check(const char *claims, struct jwt_expect expect, double now_s)
{
    struct jwt jwt;
    expect.now.ms = (int64_t)(now_s * 1000);
    enum jwt_result r =
        jwt_parse(&arena, sign(&signers[JWT_HS256], headers[JWT_HS256], claims), ALL, &jwt);
    return r != JWT_OK ? r : jwt_check(&jwt, &expect);
}

static struct slice bytes(const char *text)
{
    uint8_t *to = arena_alloc(&arena, base64_decoded_max(strlen(text)));
    size_t len;
    assert_true(base64_decode(BASE64_URL, slice_str(text), to, &len));
    return slice_of((char *)to, len);
}

#define RFC_CLAIMS                                                       \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcG" \
    "xlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const char rfc_hs256[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_CLAIMS
                                ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char rfc_rs256[] =
    "eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
    "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
    "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char rfc_rsa_n[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4"
    "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdb"
    "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D"
    "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
static const char rfc_es256[] = "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS
                                ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
                                "pmWQxfKTUJqPP3-Kg6NU1Q";

static void the_tokens_of_rfc_7515_verify(void **state)
{
    (void)state;
    struct jwt_key hs256, rs256, es256;
    struct slice secret =
        bytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4"
              "hcgUuTwjAzZr1Z9CAow");
    assert_int_equal(jwt_key_hs256(secret, &hs256, NULL), RC_OK);
    assert_int_equal(jwt_key_rs256(bytes(rfc_rsa_n), bytes("AQAB"), &rs256, NULL), RC_OK);
    assert_int_equal(jwt_key_es256(bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                   bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), &es256,
                                   NULL),
                     RC_OK);
    assert_int_equal(parse_and_verify(slice_str(rfc_hs256), &hs256), JWT_OK);
    assert_int_equal(parse_and_verify(slice_str(rfc_rs256), &rs256), JWT_OK);
    assert_int_equal(parse_and_verify(slice_str(rfc_es256), &es256), JWT_OK);
    *(char *)(uintptr_t)secret.data ^= 1;
    assert_int_equal(parse_and_verify(slice_str(rfc_hs256), &hs256), JWT_BAD_SIGNATURE);
    jwt_key_done(&rs256);
    jwt_key_done(&es256);
}

/* Its payload is no JSON, so only the signature can be looked at. */
static void the_signature_of_rfc_8037_verifies(void **state)
{
    (void)state;
    struct jwt_key key;
    const struct jwt jwt = {
        .alg = JWT_EDDSA,
        .signed_part = SLICE_LIT("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
        .signature =
            bytes("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7"
                  "sVvpAr_MuM0KAg"),
    };
    assert_int_equal(
        jwt_key_ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"), &key, NULL), RC_OK);
    assert_int_equal(jwt_verify(&jwt, &key), JWT_OK);
    jwt_key_done(&key);
}

static void a_key_verifies_only_its_own_algorithm_and_signer(void **state)
{
    (void)state;
    for (int s = 0; s < JWT_ALG_COUNT; s++)
        for (int k = 0; k < JWT_ALG_COUNT; k++) {
            struct slice token = sign(&signers[s], headers[s], "{\"sub\":\"u\"}");
            assert_int_equal(parse_and_verify(token, &keys[k]), s == k ? JWT_OK : JWT_BAD_ALG);
            /* The header lies about how it was signed. */
            token = sign(&signers[s], headers[k], "{\"sub\":\"u\"}");
            if (s != k)
                assert_int_equal(parse_and_verify(token, &keys[k]), JWT_BAD_SIGNATURE);
        }
    for (int s = JWT_RS256; s < JWT_ALG_COUNT; s++) {
        struct signer other = signer_new((enum jwt_alg)s);
        struct slice token = sign(&other, headers[s], "{}");
        assert_int_equal(parse_and_verify(token, &keys[s]), JWT_BAD_SIGNATURE);
        signer_done(&other);
    }
}

/* The classic: the published RSA numbers, in whatever form, as the secret of an HMAC. */
static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    struct signer_numbers n;
    signer_numbers(&signers[JWT_RS256], &n);
    struct signer confused = {.alg = JWT_HS256, .secret = n.values[0]};
    struct slice token = sign(&confused, headers[JWT_HS256], "{}");
    assert_int_equal(parse_and_verify(token, &keys[JWT_RS256]), JWT_BAD_ALG);
    token = sign(&confused, headers[JWT_RS256], "{}");
    assert_int_equal(parse_and_verify(token, &keys[JWT_RS256]), JWT_BAD_SIGNATURE);
}

static void only_exact_algorithms_that_were_asked_for(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "none",  "None",   "NONE",  "nOnE",    "",      "hs256",  "Hs256",       "rs256",
        "es256", "eddsa",  "EDDSA", "Ed25519", "HS512", "PS256",  "ES256K",      "HS256 ",
        "HS25",  "HS2566", "ES384", "RS1",     "dir",   "A128KW", "HS256\\u0000"};
    char header[64];
    struct jwt jwt;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", bad[i]);
        assert_int_equal(jwt_parse(&arena, sign(&signers[0], header, "{}"), ALL, &jwt),
                         JWT_BAD_ALG);
    }
    static const char *const untyped[] = {"{}", "{\"alg\":5}", "{\"alg\":null}",
                                          "{\"alg\":[\"HS256\"]}",
                                          "{\"alg\":\"HS256\",\"alg\":\"none\"}"};
    for (size_t i = 0; i < COUNT_OF(untyped); i++)
        assert_int_equal(jwt_parse(&arena, sign(&signers[0], untyped[i], "{}"), ALL, &jwt),
                         JWT_BAD_ALG);
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        struct slice token = sign(&signers[i], headers[i], "{}");
        assert_int_equal(jwt_parse(&arena, token, ALL & ~JWT_ALG_BIT(i), &jwt), JWT_BAD_ALG);
        assert_int_equal(jwt_parse(&arena, token, JWT_ALG_BIT(i), &jwt), JWT_OK);
        assert_int_equal(jwt.alg, i);
    }
}

static void a_header_with_extensions_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]",
                                      "x",
                                      "null",
                                      "{\"alg\":\"HS256\",\"crit\":[\"x\"]}",
                                      "{\"alg\":\"HS256\",\"crit\":[]}",
                                      "{\"alg\":\"HS256\",\"crit\":null}",
                                      "{\"alg\":\"HS256\",\"b64\":false}",
                                      "{\"alg\":\"HS256\",\"b64\":true}",
                                      "{\"alg\":\"HS256\",\"kid\":5}",
                                      "{\"alg\":\"HS256\",\"typ\":{}}"};
    struct jwt jwt;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(jwt_parse(&arena, sign(&signers[0], bad[i], "{}"), ALL, &jwt),
                         JWT_BAD_HEADER);
    struct slice token =
        sign(&signers[0], "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "{}");
    assert_int_equal(jwt_parse(&arena, token, ALL, &jwt), JWT_OK);
    assert_slice(jwt.kid, "k1");
    assert_slice(jwt.typ, "at+jwt");
}

static void what_is_no_token_is_refused(void **state)
{
    (void)state;
    struct jwt jwt;
    char large[JWT_BYTES_MAX + 1];
    static const char *const shapes[] = {"",     ".",    "..",   "a",      "a.b",
                                         "a.b.", ".b.c", "a..c", "a.b.c.d"};
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        assert_int_equal(jwt_parse(&arena, slice_str(shapes[i]), ALL, &jwt), JWT_BAD_FORMAT);
    assert_int_equal(jwt_parse(&arena, SLICE_LIT("a.b.c"), ALL, &jwt), JWT_BAD_PAYLOAD);
    assert_int_equal(jwt_parse(&arena, SLICE_LIT("a.=!.c"), ALL, &jwt), JWT_BAD_PAYLOAD);
    memset(large, 'A', sizeof(large));
    large[10] = large[20] = '.';
    assert_int_equal(jwt_parse(&arena, slice_of(large, sizeof(large)), ALL, &jwt), JWT_BAD_FORMAT);
    struct slice token = sign(&signers[0], headers[0], "[]");
    assert_int_equal(jwt_parse(&arena, token, ALL, &jwt), JWT_BAD_CLAIMS);
}

/* base64url is strict, so not even another spelling of the same bytes passes. */
static void no_byte_may_change_and_none_may_be_missing(void **state)
{
    (void)state;
    for (int k = 0; k < JWT_ALG_COUNT; k++) {
        struct slice good = sign(&signers[k], headers[k], "{\"userId\":\"u\",\"exp\":1}");
        char copy[1024];
        memcpy(copy, good.data, good.len);
        assert_int_equal(parse_and_verify(good, &keys[k]), JWT_OK);
        for (size_t i = 0; i < good.len; i++) {
            copy[i] = good.data[i] == 'A' ? 'B' : 'A';
            assert_int_not_equal(parse_and_verify(slice_of(copy, good.len), &keys[k]), JWT_OK);
            copy[i] = (char)(good.data[i] ^ 1);
            assert_int_not_equal(parse_and_verify(slice_of(copy, good.len), &keys[k]), JWT_OK);
            copy[i] = good.data[i];
            assert_int_not_equal(parse_and_verify(slice_of(good.data, i), &keys[k]), JWT_OK);
        }
        copy[good.len] = '=';
        assert_int_equal(parse_and_verify(slice_of(copy, good.len + 1), &keys[k]),
                         JWT_BAD_SIGNATURE);
    }
}

/* r and s with leading zeros or a set top bit take different forms in DER: enough of them occur. */
static void es256_signatures_of_every_shape_verify(void **state)
{
    (void)state;
    char claims[32];
    bool has_zero = false, has_top_bit = false;
    for (int i = 0; i < 4000 && !(has_zero && has_top_bit && i > 200); i++) {
        struct jwt jwt;
        snprintf(claims, sizeof(claims), "{\"n\":%d}", i);
        arena_reset(&arena);
        struct slice token = sign(&signers[JWT_ES256], headers[JWT_ES256], claims);
        assert_int_equal(jwt_parse(&arena, token, ALL, &jwt), JWT_OK);
        assert_int_equal(jwt_verify(&jwt, &keys[JWT_ES256]), JWT_OK);
        has_zero |= jwt.signature.data[0] == 0 || jwt.signature.data[32] == 0;
        has_top_bit |= (unsigned char)jwt.signature.data[0] >= 128;
    }
    assert_true(has_zero && has_top_bit);
}

static void es256_signatures_are_64_bytes_and_not_zero(void **state)
{
    (void)state;
    unsigned char raw[1024] = {0};
    struct jwt jwt;
    static const size_t lens[] = {1, 63, 65, 70, 71, 72, 128};
    struct slice token = sign(&signers[JWT_ES256], headers[JWT_ES256], "{}");
    const char *dot = memrchr(token.data, '.', token.len);
    struct slice signed_part = slice_of(token.data, (size_t)(dot - token.data));
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        buf_clear(&space);
        buf_add_slice(&space, signed_part);
        buf_add_char(&space, '.');
        base64_encode(&space, BASE64_URL, slice_of((char *)raw, lens[i]));
        assert_int_equal(jwt_parse(&arena, buf_slice(&space), ALL, &jwt), JWT_BAD_SIGNATURE);
    }
    /* CVE-2022-21449: r = s = 0. And values beyond the order of the curve. */
    jwt = (struct jwt){.alg = JWT_ES256, .signed_part = signed_part};
    jwt.signature = slice_of((char *)raw, 64);
    assert_int_equal(jwt_verify(&jwt, &keys[JWT_ES256]), JWT_BAD_SIGNATURE);
    memset(raw, 0xff, 64);
    assert_int_equal(jwt_verify(&jwt, &keys[JWT_ES256]), JWT_BAD_SIGNATURE);
}

/* SSL_get_error reads the queue of its thread: a refused token must not look like a TLS failure. */
static void failures_leave_no_error_in_openssl(void **state)
{
    (void)state;
    struct jwt_key key;
    for (int k = 0; k < JWT_ALG_COUNT; k++) {
        struct slice token = sign(&signers[k], headers[k], "{}");
        ((char *)(uintptr_t)token.data)[token.len - 5] ^= 1;
        assert_int_not_equal(parse_and_verify(token, &keys[k]), JWT_OK);
    }
    char zeros[32] = {0};
    assert_int_equal(jwt_key_es256(slice_of(zeros, 32), slice_of(zeros, 32), &key, NULL),
                     RC_INVALID);
    assert_int_equal(ERR_peek_error(), 0);
}

static void weak_and_impossible_keys_are_refused(void **state)
{
    (void)state;
    struct jwt_key key;
    struct err err = ERR_INIT;
    struct signer_numbers n;
    char number[2048];
    assert_int_equal(jwt_key_hs256(slice_of("0123456789abcdef0123456789abcde", 31), &key, &err),
                     RC_INVALID);
    assert_non_null(strstr(err.text, "32 bytes"));
    assert_int_equal(jwt_key_hs256(SLICE_EMPTY, &key, NULL), RC_INVALID);

    signer_numbers(&signers[JWT_RS256], &n);
    struct slice modulus = n.values[0], e = n.values[1];
    assert_int_equal(jwt_key_rs256(slice_sub(modulus, 1), e, &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_rs256(SLICE_EMPTY, e, &key, NULL), RC_INVALID);
    memset(number, 0xff, sizeof(number));
    assert_int_equal(jwt_key_rs256(slice_of(number, 1025), e, &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_rs256(slice_of(number, 1024), e, &key, NULL), RC_OK);
    jwt_key_done(&key);
    number[255] = (char)0xfe;
    assert_int_equal(jwt_key_rs256(slice_of(number, 256), e, &key, NULL), RC_INVALID);
    number[0] = 0x7f; /* 2047 bits */
    number[255] = (char)0xff;
    assert_int_equal(jwt_key_rs256(slice_of(number, 256), e, &key, NULL), RC_INVALID);
    static const char *const bad_e[] = {"", "\0", "\1", "\2", "\4", "\0\1", "\1\1\1\1\1\1\1\1\1"};
    static const size_t bad_e_len[] = {0, 1, 1, 1, 1, 2, 9};
    for (size_t i = 0; i < COUNT_OF(bad_e); i++)
        assert_int_equal(jwt_key_rs256(modulus, slice_of(bad_e[i], bad_e_len[i]), &key, NULL),
                         RC_INVALID);
    assert_int_equal(jwt_key_rs256(modulus, SLICE_LIT("\3"), &key, NULL), RC_OK);
    jwt_key_done(&key);

    signer_numbers(&signers[JWT_ES256], &n);
    memcpy(number, n.values[1].data, 32);
    number[31] ^= 1; /* off the curve */
    assert_int_equal(jwt_key_es256(n.values[0], slice_of(number, 32), &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_es256(n.values[0], slice_of(number, 31), &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_es256(slice_sub(n.values[0], 1), n.values[1], &key, NULL), RC_INVALID);
    memset(number, 0xff, 32); /* not a number of the field */
    assert_int_equal(jwt_key_es256(slice_of(number, 32), n.values[1], &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_ed25519(slice_of(number, 31), &key, NULL), RC_INVALID);
    assert_int_equal(jwt_key_ed25519(slice_of(number, 33), &key, NULL), RC_INVALID);
}

static void dates_have_a_skew_and_fractions(void **state)
{
    (void)state;
    const struct jwt_expect e = {.skew_s = 60};
    assert_int_equal(check("{\"exp\":1000}", e, 999), JWT_OK);
    assert_int_equal(check("{\"exp\":1000}", e, 1059.999), JWT_OK);
    assert_int_equal(check("{\"exp\":1000}", e, 1060), JWT_EXPIRED);
    assert_int_equal(check("{\"exp\":1000.5}", e, 1060.499), JWT_OK);
    assert_int_equal(check("{\"exp\":1.0005e3}", e, 1060.5), JWT_EXPIRED);
    assert_int_equal(check("{\"exp\":9000,\"nbf\":1000}", e, 939.999), JWT_NOT_YET);
    assert_int_equal(check("{\"exp\":9000,\"nbf\":1000}", e, 940), JWT_OK);
    assert_int_equal(check("{\"exp\":9000,\"nbf\":1000.25,\"iat\":7}", e, 940.24), JWT_NOT_YET);
    assert_int_equal(check("{\"exp\":1000}", (struct jwt_expect){.skew_s = 0}, 1000), JWT_EXPIRED);
}

static void absurd_dates_are_refused_unless_lenient(void **state)
{
    (void)state;
    static const char *const never[] = {"{\"exp\":\"9\"}", "{\"exp\":null}", "{\"exp\":[1]}",
                                        "{\"nbf\":true,\"exp\":9}", "{\"exp\":1e999}"};
    static const char *const strictly[] = {"{\"exp\":-1}",
                                           "{\"exp\":1e300}",
                                           "{\"exp\":1700000000000}",
                                           "{\"exp\":253402300800}",
                                           "{\"exp\":9,\"nbf\":-1e300}",
                                           "{\"exp\":9,\"iat\":\"1\"}",
                                           "{\"exp\":9,\"iat\":-5}",
                                           "{\"exp\":9,\"iat\":1e15}"};
    const struct jwt_expect strict = {.skew_s = 60}, lenient = {.skew_s = 60, .is_lenient = true};
    for (size_t i = 0; i < COUNT_OF(never); i++)
        assert_int_equal(check(never[i], lenient, 1), JWT_BAD_CLAIMS);
    for (size_t i = 0; i < COUNT_OF(strictly); i++) {
        assert_int_equal(check(strictly[i], strict, 1), JWT_BAD_CLAIMS);
        assert_int_equal(check(strictly[i], lenient, 1), JWT_OK);
    }
    assert_int_equal(check("{}", strict, 1), JWT_NO_EXPIRY);
    assert_int_equal(check("{}", lenient, 1), JWT_OK);
    assert_int_equal(check("{\"exp\":1}", lenient, 100), JWT_EXPIRED);
    assert_int_equal(check("{\"nbf\":1000}", lenient, 100), JWT_NOT_YET);
}

static void issuer_and_audience_are_exact(void **state)
{
    (void)state;
    const struct jwt_expect e = {.issuer = SLICE_LIT("https://i"), .audience = SLICE_LIT("weir")};
    static const struct {
        const char *claims;
        enum jwt_result result;
    } cases[] = {
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":\"weir\"}", JWT_OK},
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":[\"x\",\"weir\"]}", JWT_OK},
        {"{\"exp\":9,\"aud\":\"weir\"}", JWT_BAD_ISSUER},
        {"{\"exp\":9,\"iss\":\"https://i/\",\"aud\":\"weir\"}", JWT_BAD_ISSUER},
        {"{\"exp\":9,\"iss\":\"\",\"aud\":\"weir\"}", JWT_BAD_ISSUER},
        {"{\"exp\":9,\"iss\":[\"https://i\"],\"aud\":\"weir\"}", JWT_BAD_ISSUER},
        {"{\"exp\":9,\"iss\":\"https://i\"}", JWT_BAD_AUDIENCE},
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":[]}", JWT_BAD_AUDIENCE},
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":\"weird\"}", JWT_BAD_AUDIENCE},
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":[[\"weir\"],5]}", JWT_BAD_AUDIENCE},
        {"{\"exp\":9,\"iss\":\"https://i\",\"aud\":{\"weir\":\"weir\"}}", JWT_BAD_AUDIENCE},
        {"{\"exp\":1,\"iss\":\"no\",\"aud\":\"no\"}", JWT_EXPIRED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(check(cases[i].claims, e, 5), cases[i].result);
    assert_int_equal(check("{\"exp\":9}", (struct jwt_expect){.skew_s = 0}, 5), JWT_OK);
}

static void it_expires_when_the_check_says_so(void **state)
{
    (void)state;
    static const char *const claims[] = {"{\"exp\":1000}", "{\"exp\":1000.0004}", "{\"exp\":1e3}",
                                         "{\"exp\":253402300799}"};
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        struct jwt jwt;
        struct slice token = sign(&signers[0], headers[0], claims[i]);
        assert_int_equal(jwt_parse(&arena, token, ALL, &jwt), JWT_OK);
        struct jwt_expect e = {.skew_s = 60, .now = jwt_expires_at(&jwt, 60)};
        assert_int_equal(jwt_check(&jwt, &e), JWT_EXPIRED);
        e.now.ms--;
        assert_int_equal(jwt_check(&jwt, &e), JWT_OK);
    }
}

static void every_result_has_a_text(void **state)
{
    (void)state;
    for (int r = JWT_OK; r <= JWT_BAD_AUDIENCE; r++)
        assert_true(strlen(jwt_result_text((enum jwt_result)r)) > 10);
    enum jwt_alg alg;
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        assert_true(jwt_alg_parse(slice_str(jwt_alg_name((enum jwt_alg)i)), &alg));
        assert_int_equal(alg, i);
    }
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024, 64 << 20);
    buf_init(&space, 1 << 16);
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        signers[i] = signer_new((enum jwt_alg)i);
        keys[i] = signer_key(&signers[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        jwt_key_done(&keys[i]);
        signer_done(&signers[i]);
    }
    buf_done(&space);
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tokens_of_rfc_7515_verify),
        cmocka_unit_test(the_signature_of_rfc_8037_verifies),
        cmocka_unit_test(a_key_verifies_only_its_own_algorithm_and_signer),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(only_exact_algorithms_that_were_asked_for),
        cmocka_unit_test(a_header_with_extensions_is_refused),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(no_byte_may_change_and_none_may_be_missing),
        cmocka_unit_test(es256_signatures_of_every_shape_verify),
        cmocka_unit_test(es256_signatures_are_64_bytes_and_not_zero),
        cmocka_unit_test(failures_leave_no_error_in_openssl),
        cmocka_unit_test(weak_and_impossible_keys_are_refused),
        cmocka_unit_test(dates_have_a_skew_and_fractions),
        cmocka_unit_test(absurd_dates_are_refused_unless_lenient),
        cmocka_unit_test(issuer_and_audience_are_exact),
        cmocka_unit_test(it_expires_when_the_check_says_so),
        cmocka_unit_test(every_result_has_a_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
