/* WHAT    The cookie of a sign-in that is under way:
 *             SECRET . EXPIRY (unix seconds) . RETURN_TO (base64url) . HMAC of what stands before
 * WHY     Nothing has to be stored, and nothing of it can be chosen by a client. State, nonce and
 *         PKCE verifier are HMACs of the secret, so the provider's answers fit this browser only.
 *         Used once: the provider takes a code once, and the cookie is cleared with the answer. */
#include <stdio.h>

#include "access/oidc_int.h"
#include "base/clock.h"
#include "codec/base64.h"
#include "codec/hash.h"

static void derive(struct slice secret, struct slice what, struct token *ret)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(secret, what, mac);
    token_write(mac, ret);
    explicit_bzero(mac, sizeof(mac));
}

static void derive_all(struct slice secret, struct oidc_flow *ret)
{
    uint8_t hash[SHA256_BYTES];
    derive(secret, SLICE_LIT("weir oidc state 1"), &ret->state);
    derive(secret, SLICE_LIT("weir oidc nonce 1"), &ret->nonce);
    derive(secret, SLICE_LIT("weir oidc verifier 1"), &ret->verifier);
    sha256(slice_of(ret->verifier.text, TOKEN_TEXT), hash);
    token_write(hash, &ret->challenge);
}

static void seal(const uint8_t key[OIDC_KEY_BYTES], struct slice text, struct token *ret)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(slice_of((const char *)key, OIDC_KEY_BYTES), text, mac);
    token_write(mac, ret);
}

bool oidc_is_own_path(struct slice return_to)
{
    if (return_to.len == 0 || return_to.len > OIDC_RETURN_TO_BYTES_MAX || return_to.data[0] != '/')
        return false;
    if (return_to.len > 1 && return_to.data[1] == '/') /* "//host": another one */
        return false;
    for (size_t i = 0; i < return_to.len; i++) { /* browsers read '\' as '/' and drop controls */
        unsigned char c = (unsigned char)return_to.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '\\')
            return false;
    }
    return true;
}

void oidc_flow_begin(const uint8_t key[OIDC_KEY_BYTES], struct slice return_to, unix_ms now,
                     struct oidc_flow *ret_flow, char ret_cookie[OIDC_COOKIE_BYTES])
{
    struct token secret, mac;
    uint8_t unused[TOKEN_HASH_BYTES];
    CLEANUP(buf_done) struct buf cookie;
    buf_init(&cookie, OIDC_COOKIE_BYTES - 1);
    token_make(&secret, unused);
    derive_all(slice_of(secret.text, TOKEN_TEXT), ret_flow);
    snprintf(ret_flow->return_to, sizeof(ret_flow->return_to), "%.*s", SLICE_ARG(return_to));
    buf_addf(&cookie, "%s.%lld.", secret.text, (long long)(now.ms / 1000 + OIDC_FLOW_S));
    base64_encode(&cookie, BASE64_URL, slice_str(ret_flow->return_to));
    seal(key, buf_slice(&cookie), &mac);
    snprintf(ret_cookie, OIDC_COOKIE_BYTES, "%.*s.%s", SLICE_ARG(buf_slice(&cookie)), mac.text);
    explicit_bzero(&secret, sizeof(secret));
    if (cookie.data)
        explicit_bzero(cookie.data, cookie.len);
}

/* What the seal covers, if it is whole. */
static bool open_seal(const uint8_t key[OIDC_KEY_BYTES], struct slice cookie, struct slice *ret)
{
    struct token mac;
    if (cookie.len >= OIDC_COOKIE_BYTES || cookie.len < TOKEN_TEXT + 1)
        return false;
    *ret = slice_of(cookie.data, cookie.len - TOKEN_TEXT - 1);
    seal(key, *ret, &mac);
    return cookie.data[ret->len] == '.' &&
           slice_eq_const_time(slice_sub(cookie, ret->len + 1), slice_of(mac.text, TOKEN_TEXT));
}

bool oidc_flow_resume(const uint8_t key[OIDC_KEY_BYTES], struct slice cookie, struct slice state,
                      unix_ms now, struct oidc_flow *ret_flow)
{
    struct slice rest;
    uint64_t expiry_s;
    uint8_t path[OIDC_COOKIE_BYTES];
    size_t len;
    if (!open_seal(key, cookie, &rest))
        return false;
    struct slice secret = slice_cut(&rest, '.');
    if (!slice_to_u64(slice_cut(&rest, '.'), &expiry_s) || now.ms / 1000 > (int64_t)expiry_s ||
        !base64_decode(BASE64_URL, rest, path, &len) || len > OIDC_RETURN_TO_BYTES_MAX)
        return false;
    derive_all(secret, ret_flow);
    memcpy(ret_flow->return_to, path, len);
    ret_flow->return_to[len] = '\0';
    return slice_eq_const_time(state, slice_of(ret_flow->state.text, TOKEN_TEXT));
}
