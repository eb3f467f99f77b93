/* HS256 tokens: RFC 7515 A.1's own token, and what must not pass. */
#include "test_codec.h"

#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/jwt.h"

static struct arena arena;
static const struct slice secret = {"0123456789abcdef0123456789abcdef", 32};

static struct slice sign(const char *header, const char *payload, struct slice key)
{
    struct buf b;
    uint8_t mac[32];
    buf_init(&b, 1 << 16);
    base64_encode(&b, BASE64_URL, slice_str(header));
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_str(payload));
    hmac_sha256(key, buf_slice(&b), mac);
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_of((char *)mac, 32));
    struct slice token = arena_copy(&arena, buf_slice(&b));
    buf_done(&b);
    return token;
}

static enum jwt_result check(struct slice token, struct slice key, int64_t now_s)
{
    struct jwt jwt;
    enum jwt_result r = jwt_parse(&arena, token, &jwt);
    return r != JWT_OK ? r : jwt_verify(&jwt, key, (unix_ms){now_s * 1000});
}

static void test_the_token_of_rfc_7515(void **state)
{
    (void)state;
    static const char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcG"
                                "xlLmNvbS9pc19yb290Ijp0cnVl"
                                "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    uint8_t key[64 + 3];
    size_t len;
    assert_true(base64_decode(BASE64_URL,
                              SLICE_LIT("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                                        "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                              key, &len));
    struct slice k = slice_of((char *)key, len);
    assert_int_equal(check(slice_str(token), k, 1300819379), JWT_OK);
    assert_int_equal(check(slice_str(token), k, 1300819380 + JWT_CLOCK_SKEW_S), JWT_EXPIRED);
    key[0] ^= 1;
    assert_int_equal(check(slice_str(token), k, 1300819379), JWT_BAD_SIGNATURE);
    assert_int_equal(check(slice_str(token), SLICE_EMPTY, 1300819379), JWT_BAD_SIGNATURE);
}

static void test_refusals(void **state)
{
    (void)state;
    static const char hs256[] = "{\"alg\":\"HS256\"}";
    struct slice good = sign(hs256, "{\"userId\":\"u\"}", secret);
    assert_int_equal(check(good, secret, 0), JWT_OK);
    static const char *const algs[] = {"{\"alg\":\"none\"}",
                                       "{\"alg\":\"hs256\"}",
                                       "{\"alg\":\"HS512\"}",
                                       "{\"alg\":\"RS256\"}",
                                       "{}",
                                       "[]",
                                       "{\"alg\":5}",
                                       "x",
                                       "{\"alg\":\"HS256\",\"crit\":[\"x\"]}"};
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        assert_int_equal(check(sign(algs[i], "{}", secret), secret, 0), JWT_BAD_ALG);
    assert_int_equal(check(sign(hs256, "[]", secret), secret, 0), JWT_BAD_CLAIMS);
    assert_int_equal(check(sign(hs256, "{\"exp\":\"9\"}", secret), secret, 0), JWT_BAD_CLAIMS);
    assert_int_equal(check(sign(hs256, "{\"nbf\":1000}", secret), secret, 900), JWT_NOT_YET);
    assert_int_equal(check(SLICE_LIT("a.b"), secret, 0), JWT_BAD_FORMAT);
    assert_int_equal(check(SLICE_LIT("a.b.c.d"), secret, 0), JWT_BAD_FORMAT);
    assert_int_equal(check(SLICE_LIT("a.b.c"), secret, 0), JWT_BAD_PAYLOAD);
    assert_int_equal(check(SLICE_LIT("a.=!.c"), secret, 0), JWT_BAD_PAYLOAD);
    /* No part of the token may change, and none may be missing. */
    for (size_t i = 0; i < good.len; i++) {
        char copy[512];
        memcpy(copy, good.data, good.len);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(check(slice_of(copy, good.len), secret, 0), JWT_OK);
        assert_int_not_equal(check(slice_of(good.data, i), secret, 0), JWT_OK);
    }
    char large[5000];
    memset(large, 'A', sizeof(large));
    large[10] = large[20] = '.';
    assert_int_equal(check(slice_of(large, sizeof(large)), secret, 0), JWT_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_token_of_rfc_7515),
        cmocka_unit_test(test_refusals),
    };
    arena_init(&arena, 64 * 1024, 8 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
