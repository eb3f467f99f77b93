/* Every key of a set is bound to one algorithm, found by its name, verifies no foreign token. */
#include "base/must.h"
#include "codec/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char zeros[JWT_RSA_BITS_MIN / 8];
    static const size_t lens[JWT_ALG_COUNT] = {
        [JWT_RS256] = sizeof(zeros), [JWT_ES256] = 64, [JWT_EDDSA] = 64};
    struct jwks *set;
    if (jwks_parse(slice_of((const char *)data, size), &set, NULL) != RC_OK)
        return 0;
    must(set->key_count + set->skipped + set->refused <= JWKS_KEYS_MAX);
    for (uint32_t i = 0; i < set->key_count; i++) {
        const struct jwt_key *key = &set->keys[i], *found = NULL;
        must(key->alg != JWT_HS256 && key->alg < JWT_ALG_COUNT && key->public_key);
        must(key->secret.len == 0 && key->kid.len <= JWT_KID_BYTES_MAX);
        do {
            found = jwks_next(set, key->kid, key->alg, found);
            must(found && found->alg == key->alg);
        } while (found != key);
        struct jwt jwt = {.alg = JWT_HS256,
                          .kid = key->kid,
                          .signed_part = SLICE_LIT("a.b"),
                          .signature = slice_of(zeros, lens[key->alg])};
        must(jwt_verify(&jwt, key) == JWT_BAD_ALG && jwks_verify(set, &jwt) == JWT_NO_KEY);
        /* All zeros is what small-order points of Ed25519 may verify: it is enough that it ends. */
        jwt.alg = key->alg;
        must(jwks_verify(set, &jwt) != JWT_BAD_ALG);
    }
    jwks_free(set);
    return 0;
}
