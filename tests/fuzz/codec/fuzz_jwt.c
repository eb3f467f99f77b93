/* Without the secret nothing verifies; with it, whatever header and claims are, nothing breaks. */
#include <stdlib.h>

#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/jwt.h"

enum { TEXT_MAX = 8192, ALGS_ALL = JWT_ALGS_PUBLIC | JWT_ALG_BIT(JWT_HS256) };
static const struct slice secret = {"fuzz secret that no corpus knows", 32};
static struct jwt_key keys[JWT_ALG_COUNT];
static struct arena arena;
static struct buf token;

/* Of RFC 7515 A.2 and A.3 and RFC 8037 A.4; the corpus has none of their tokens. */
static const char rsa_n[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4"
    "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdb"
    "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D"
    "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
static const char ec_x[] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
static const char ec_y[] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
static const char ed_x[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

static struct slice bytes(const char *text)
{
    uint8_t *to = arena_alloc(&arena, base64_decoded_max(strlen(text)));
    size_t len;
    must(to && base64_decode(BASE64_URL, slice_str(text), to, &len));
    return slice_of((char *)to, len);
}

static void make_keys(void)
{
    arena_init(&arena, 1 << 16, 4 << 20);
    buf_init(&token, 4 * TEXT_MAX);
    must(jwt_key_hs256(secret, &keys[JWT_HS256], NULL) == RC_OK);
    must(jwt_key_rs256(bytes(rsa_n), bytes("AQAB"), &keys[JWT_RS256], NULL) == RC_OK);
    must(jwt_key_es256(bytes(ec_x), bytes(ec_y), &keys[JWT_ES256], NULL) == RC_OK);
    must(jwt_key_ed25519(bytes(ed_x), &keys[JWT_EDDSA], NULL) == RC_OK);
}

/* A token that the secret has signed, whatever its header says. */
static struct slice sign(struct slice header, struct slice claims)
{
    uint8_t mac[SHA256_BYTES];
    buf_clear(&token);
    base64_encode(&token, BASE64_URL, header);
    buf_add_char(&token, '.');
    base64_encode(&token, BASE64_URL, claims);
    hmac_sha256(secret, buf_slice(&token), mac);
    buf_add_char(&token, '.');
    base64_encode(&token, BASE64_URL, slice_of((char *)mac, sizeof(mac)));
    return buf_slice(&token);
}

static void nothing_verifies(struct slice text)
{
    struct jwt jwt;
    arena_reset(&arena);
    if (jwt_parse(&arena, text, ALGS_ALL, &jwt) == JWT_OK)
        for (int i = 0; i < JWT_ALG_COUNT; i++)
            must(jwt_verify(&jwt, &keys[i]) != JWT_OK);
}

static void only_hs256_verifies(struct slice header)
{
    struct jwt jwt;
    arena_reset(&arena);
    if (jwt_parse(&arena, sign(header, SLICE_LIT("{}")), ALGS_ALL, &jwt) == JWT_OK)
        for (int i = 0; i < JWT_ALG_COUNT; i++)
            must((jwt_verify(&jwt, &keys[i]) == JWT_OK) ==
                 (jwt.alg == JWT_HS256 && i == JWT_HS256));
}

static void claims_are_checked(struct slice claims)
{
    struct jwt jwt;
    struct jwt_expect expect = {.now = {1000000}, .skew_s = 60, .audience = SLICE_LIT("weir")};
    arena_reset(&arena);
    if (jwt_parse(&arena, sign(SLICE_LIT("{\"alg\":\"HS256\"}"), claims), ALGS_ALL, &jwt) != JWT_OK)
        return;
    must(jwt_verify(&jwt, &keys[JWT_HS256]) == JWT_OK && yyjson_is_obj(jwt.claims));
    enum jwt_result strict = jwt_check(&jwt, &expect);
    expect.is_lenient = true;
    must(strict != JWT_OK || jwt_check(&jwt, &expect) == JWT_OK);
    if (strict != JWT_OK)
        return;
    expect.now = jwt_expires_at(&jwt, expect.skew_s);
    must(jwt_check(&jwt, &expect) == JWT_EXPIRED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    if (size > TEXT_MAX)
        return 0;
    if (!arena.bytes_max)
        make_keys();
    nothing_verifies(text);
    only_hs256_verifies(text);
    claims_are_checked(text);
    return 0;
}
