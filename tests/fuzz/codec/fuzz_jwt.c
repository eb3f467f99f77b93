/* Without the secret nothing verifies; with it, whatever the claims are, nothing breaks. */
#include <stdlib.h>

#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/jwt.h"

enum { TEXT_MAX = 8192 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static const struct slice secret = {"fuzz secret that no corpus knows", 32};
    struct slice text = slice_of((const char *)data, size);
    struct jwt jwt;
    if (size > TEXT_MAX)
        return 0;
    if (!arena.bytes_max)
        arena_init(&arena, 1 << 16, 4 << 20);
    arena_reset(&arena);
    if (jwt_parse(&arena, text, &jwt) == JWT_OK)
        must(jwt_verify(&jwt, secret, (unix_ms){0}) != JWT_OK);
    /* The input as claims, properly signed. */
    struct buf b;
    uint8_t mac[SHA256_BYTES];
    buf_init(&b, 4 * TEXT_MAX);
    base64_encode(&b, BASE64_URL, SLICE_LIT("{\"alg\":\"HS256\"}"));
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, text);
    hmac_sha256(secret, buf_slice(&b), mac);
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_of((char *)mac, sizeof(mac)));
    arena_reset(&arena);
    if (jwt_parse(&arena, buf_slice(&b), &jwt) == JWT_OK) {
        enum jwt_result r = jwt_verify(&jwt, secret, (unix_ms){1000000});
        must(r == JWT_OK || r == JWT_EXPIRED || r == JWT_NOT_YET);
        must(yyjson_is_obj(jwt.claims));
    }
    buf_done(&b);
    return 0;
}
