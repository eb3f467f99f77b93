/* WHAT    JSON Web Key Sets: document in, keys bound to one algorithm each out (jwks.h).
 * WHY     The document comes from a server that is trusted with an organisation's tokens, not with
 *         our memory or time: so everything has a limit. A key that was published with its private
 *         half is in other hands already; it verifies nothing.
 * LAYOUT  {"keys": [{"kty", "kid"?, "use"?, "key_ops"?, "alg"?, and by kty
 *             RSA: "n", "e"   EC: "crv", "x", "y"   OKP: "crv", "x"}]}
 * THREADS none. */
#include "codec/jwks.h"

#include "base/heap.h"
#include "codec/base64.h"

enum {
    ARENA_CHUNK = 4096,
    KEYS_ARENA_MAX = 64 * 1024,  /* key table and kids */
    JSON_ARENA_MAX = 8 << 20,    /* yyjson takes at most 16 bytes per byte, twice while it grows */
    NUMBER_BYTES_MAX = 8192 / 8, /* the longest is an RSA modulus */
};

enum verdict { KEY_USED, KEY_SKIPPED, KEY_REFUSED };

/* Space for the numbers of one key. */
struct number {
    uint8_t bytes[NUMBER_BYTES_MAX + 8]; /* with zeros in front */
    struct slice value;
};

static bool get_number(yyjson_val *jwk, const char *name, struct number *ret)
{
    yyjson_val *v = json_get(jwk, name);
    size_t len;
    if (!yyjson_is_str(v) || base64_decoded_max(json_text(v).len) > sizeof(ret->bytes) ||
        !base64_decode(BASE64_URL, json_text(v), ret->bytes, &len))
        return false;
    ret->value = slice_of((const char *)ret->bytes, len);
    return true;
}

static bool make_rsa(yyjson_val *jwk, struct jwt_key *ret_key)
{
    struct number n, e;
    return get_number(jwk, "n", &n) && get_number(jwk, "e", &e) &&
           jwt_key_rs256(n.value, e.value, ret_key, NULL) == RC_OK;
}

static bool make_p256(yyjson_val *jwk, struct jwt_key *ret_key)
{
    struct number x, y;
    return get_number(jwk, "x", &x) && get_number(jwk, "y", &y) &&
           jwt_key_es256(x.value, y.value, ret_key, NULL) == RC_OK;
}

static bool make_ed25519(yyjson_val *jwk, struct jwt_key *ret_key)
{
    struct number x;
    return get_number(jwk, "x", &x) && jwt_key_ed25519(x.value, ret_key, NULL) == RC_OK;
}

static const struct key_kind {
    const char *kty;
    const char *crv; /* NULL: has none */
    enum jwt_alg alg;
    bool (*make)(yyjson_val *jwk, struct jwt_key *ret_key);
} key_kinds[] = {
    {"RSA", NULL, JWT_RS256, make_rsa},
    {"EC", "P-256", JWT_ES256, make_p256},
    {"OKP", "Ed25519", JWT_EDDSA, make_ed25519},
};

static bool has_text(yyjson_val *jwk, const char *name, const char *text)
{
    yyjson_val *v = json_get(jwk, name);
    return yyjson_is_str(v) && slice_eq_str(json_text(v), text);
}

static const struct key_kind *kind_of(yyjson_val *jwk)
{
    for (size_t i = 0; i < COUNT_OF(key_kinds); i++)
        if (has_text(jwk, "kty", key_kinds[i].kty) &&
            (!key_kinds[i].crv || has_text(jwk, "crv", key_kinds[i].crv)))
            return &key_kinds[i];
    return NULL;
}

/* RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1. */
static bool is_private(yyjson_val *jwk)
{
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (json_get(jwk, members[i]))
            return true;
    return false;
}

static bool may_verify(yyjson_val *jwk)
{
    size_t i, n;
    yyjson_val *one, *ops = json_get(jwk, "key_ops");
    if (json_get(jwk, "use") && !has_text(jwk, "use", "sig"))
        return false;
    yyjson_arr_foreach(ops, i, n, one)
    {
        if (yyjson_is_str(one) && slice_eq_str(json_text(one), "verify"))
            return true;
    }
    return !ops;
}

static bool take_kid(struct arena *a, yyjson_val *jwk, struct slice *ret_kid)
{
    yyjson_val *kid = json_get(jwk, "kid");
    *ret_kid = SLICE_EMPTY;
    if (!kid)
        return true;
    if (!yyjson_is_str(kid) || json_text(kid).len > JWT_KID_BYTES_MAX)
        return false;
    *ret_kid = arena_copy(a, json_text(kid));
    return !a->is_failed;
}

static enum verdict take_key(struct arena *a, yyjson_val *jwk, struct jwt_key *ret_key)
{
    struct slice kid;
    if (!yyjson_is_obj(jwk) || is_private(jwk))
        return KEY_REFUSED;
    const struct key_kind *kind = kind_of(jwk);
    if (!kind || !may_verify(jwk) ||
        (json_get(jwk, "alg") && !has_text(jwk, "alg", jwt_alg_name(kind->alg))))
        return KEY_SKIPPED;
    if (!take_kid(a, jwk, &kid) || !kind->make(jwk, ret_key))
        return KEY_REFUSED;
    ret_key->kid = kid;
    return KEY_USED;
}

void jwks_free(struct jwks *set)
{
    if (!set)
        return;
    for (uint32_t i = 0; i < set->key_count; i++)
        jwt_key_done(&set->keys[i]);
    arena_done(&set->arena);
    heap_free(set);
}
DEFINE_CLEANUP(struct jwks *, jwks_free)

static enum rc take_keys(yyjson_val *keys, struct jwks **ret_set, struct err *err)
{
    size_t i, n;
    yyjson_val *jwk;
    CLEANUP(jwks_freep) struct jwks *set = heap_try_alloc(HEAP_MISC, sizeof(*set));
    if (!set)
        return err_set(err, RC_NOMEM, "no memory for a key set");
    arena_init(&set->arena, ARENA_CHUNK, KEYS_ARENA_MAX);
    set->keys = arena_zalloc(&set->arena, JWKS_KEYS_MAX * sizeof(*set->keys));
    if (!set->keys)
        return err_set(err, RC_NOMEM, "no memory for a key set");
    yyjson_arr_foreach(keys, i, n, jwk)
    {
        enum verdict verdict = take_key(&set->arena, jwk, &set->keys[set->key_count]);
        set->key_count += verdict == KEY_USED;
        set->skipped += verdict == KEY_SKIPPED;
        set->refused += verdict == KEY_REFUSED;
    }
    if (set->arena.is_failed)
        return err_set(err, RC_NOMEM, "no memory for a key set");
    *ret_set = take_ptr(&set);
    return RC_OK;
}

enum rc jwks_parse(struct slice text, struct jwks **ret_set, struct err *err)
{
    CLEANUP(arena_done) struct arena json;
    yyjson_val *root;
    arena_init(&json, ARENA_CHUNK, JSON_ARENA_MAX);
    if (text.len > JWKS_BYTES_MAX)
        return err_set(err, RC_LIMIT, "a key set has at most %d bytes", JWKS_BYTES_MAX);
    TRY(json_parse(&json, text, &root, err));
    yyjson_val *keys = json_get(root, "keys");
    if (!yyjson_is_arr(keys))
        return err_set(err, RC_INVALID, "a key set is a JSON object with an array \"keys\"");
    if (yyjson_arr_size(keys) > JWKS_KEYS_MAX)
        return err_set(err, RC_LIMIT, "a key set has at most %d keys", JWKS_KEYS_MAX);
    return take_keys(keys, ret_set, err);
}

const struct jwt_key *jwks_next(const struct jwks *set, struct slice kid, enum jwt_alg alg,
                                const struct jwt_key *after)
{
    const struct jwt_key *end = set->keys + set->key_count;
    for (const struct jwt_key *key = after ? after + 1 : set->keys; key < end; key++)
        if (key->alg == alg && (kid.len == 0 || slice_eq(key->kid, kid)))
            return key;
    return NULL;
}

enum jwt_result jwks_verify(const struct jwks *set, const struct jwt *jwt)
{
    enum jwt_result result = JWT_NO_KEY;
    const struct jwt_key *key = NULL;
    for (int tries = 0; tries < JWKS_TRIES_MAX && result != JWT_OK; tries++) {
        key = jwks_next(set, jwt->kid, jwt->alg, key);
        if (!key)
            break;
        result = jwt_verify(jwt, key);
    }
    return result == JWT_BAD_SIGNATURE && !jwt->kid.len ? JWT_NO_KEY : result;
}
