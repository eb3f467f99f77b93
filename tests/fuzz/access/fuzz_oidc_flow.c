/* A cookie resumes a flow only if its seal is right, and then gives back the path that was sealed.
 * Input: the state and the cookie, a line each; the cookie is tried as it is, and, so that what is
 * behind the seal is reached, sealed with the key. */
#include <stdio.h>

#include "access/oidc_int.h"
#include "base/must.h"
#include "codec/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[OIDC_KEY_BYTES] = "a key of thirty-two bytes, mine";
static const unix_ms now = {INT64_C(1764000000000)};

static void try_sealed(struct slice text, struct slice state)
{
    uint8_t mac[SHA256_BYTES];
    struct token token;
    struct oidc_flow flow;
    char cookie[2 * OIDC_COOKIE_BYTES];
    if (text.len > OIDC_COOKIE_BYTES)
        return;
    hmac_sha256(slice_of((const char *)key, sizeof(key)), text, mac);
    token_write(mac, &token);
    snprintf(cookie, sizeof(cookie), "%.*s.%s", SLICE_ARG(text), token.text);
    if (!oidc_flow_resume(key, slice_str(cookie), state, now, &flow))
        return;
    must(strlen(flow.return_to) <= OIDC_RETURN_TO_BYTES_MAX);
    must(slice_eq_str(state, flow.state.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice cookie = slice_of((const char *)data, size);
    struct slice state = slice_cut(&cookie, '\n');
    struct oidc_flow flow;
    must(!oidc_flow_resume(key, cookie, state, now, &flow));
    try_sealed(cookie, state);
    if (oidc_is_own_path(cookie)) {
        char text[OIDC_COOKIE_BYTES];
        struct oidc_flow resumed;
        oidc_flow_begin(key, cookie, now, &flow, text);
        must(oidc_flow_resume(key, slice_str(text), slice_str(flow.state.text), now, &resumed));
        must(slice_eq_str(cookie, resumed.return_to));
        must(!slice_has_prefix(cookie, SLICE_LIT("//")) && cookie.data[0] == '/');
    }
    return 0;
}
