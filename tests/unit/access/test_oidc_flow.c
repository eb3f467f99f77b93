/* The cookie of a sign-in under way: what it carries comes back whole, or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "access/oidc_int.h"
#include "codec/hash.h"

static const uint8_t key[OIDC_KEY_BYTES] = "a key of thirty-two bytes, mine";
static const unix_ms now = {INT64_C(1764000000000)};

static bool resume(const char *cookie, const char *state, unix_ms at, struct oidc_flow *ret)
{
    return oidc_flow_resume(key, slice_str(cookie), slice_str(state), at, ret);
}

static void what_was_begun_is_resumed(void **state)
{
    struct oidc_flow begun, resumed;
    char cookie[OIDC_COOKIE_BYTES];
    (void)state;
    oidc_flow_begin(key, SLICE_LIT("/reports?x=1#y"), now, &begun, cookie);
    assert_true(resume(cookie, begun.state.text, now, &resumed));
    assert_string_equal(resumed.return_to, "/reports?x=1#y");
    assert_string_equal(resumed.nonce.text, begun.nonce.text);
    assert_string_equal(resumed.verifier.text, begun.verifier.text);
    /* Nothing that travels by other ways can be read from the cookie or from each other. */
    assert_null(strstr(cookie, begun.state.text));
    assert_null(strstr(cookie, begun.nonce.text));
    assert_null(strstr(cookie, begun.verifier.text));
    assert_string_not_equal(begun.state.text, begun.nonce.text);
    assert_string_not_equal(begun.state.text, begun.verifier.text);
}

static void the_challenge_is_s256_of_the_verifier(void **state)
{
    struct oidc_flow flow;
    struct token want;
    char cookie[OIDC_COOKIE_BYTES];
    uint8_t hash[SHA256_BYTES];
    (void)state;
    oidc_flow_begin(key, SLICE_LIT("/"), now, &flow, cookie);
    sha256(slice_str(flow.verifier.text), hash);
    token_write(hash, &want);
    assert_string_equal(flow.challenge.text, want.text);
}

static void every_flow_is_new(void **state)
{
    struct oidc_flow one, two;
    char cookie_one[OIDC_COOKIE_BYTES], cookie_two[OIDC_COOKIE_BYTES];
    (void)state;
    oidc_flow_begin(key, SLICE_LIT("/"), now, &one, cookie_one);
    oidc_flow_begin(key, SLICE_LIT("/"), now, &two, cookie_two);
    assert_string_not_equal(one.state.text, two.state.text);
    assert_false(resume(cookie_one, two.state.text, now, &one));
}

static void it_lasts_ten_minutes(void **state)
{
    struct oidc_flow flow, resumed;
    char cookie[OIDC_COOKIE_BYTES];
    (void)state;
    oidc_flow_begin(key, SLICE_LIT("/"), now, &flow, cookie);
    assert_true(resume(cookie, flow.state.text, (unix_ms){now.ms + OIDC_FLOW_S * 1000}, &resumed));
    assert_false(
        resume(cookie, flow.state.text, (unix_ms){now.ms + (OIDC_FLOW_S + 1) * 1000}, &resumed));
}

static void no_byte_of_it_can_be_changed(void **state)
{
    struct oidc_flow flow, resumed;
    char cookie[OIDC_COOKIE_BYTES], bent[OIDC_COOKIE_BYTES + 1];
    uint8_t other[OIDC_KEY_BYTES] = {0};
    (void)state;
    oidc_flow_begin(key, SLICE_LIT("/reports"), now, &flow, cookie);
    struct slice whole = slice_str(cookie), its_state = slice_str(flow.state.text);
    for (size_t i = 0; i < whole.len; i++) {
        memcpy(bent, cookie, whole.len);
        bent[i] = (char)(bent[i] ^ 1);
        assert_false(oidc_flow_resume(key, slice_of(bent, whole.len), its_state, now, &resumed));
        assert_false(oidc_flow_resume(key, slice_of(cookie, i), its_state, now, &resumed));
    }
    memcpy(bent, cookie, whole.len);
    bent[whole.len] = 'A';
    assert_false(oidc_flow_resume(key, slice_of(bent, whole.len + 1), its_state, now, &resumed));
    assert_false(oidc_flow_resume(other, whole, its_state, now, &resumed));
}

static void a_return_address_is_a_path_of_ours(void **state)
{
    static const char *const good[] = {"/", "/a", "/a//b", "/a?b=c&d=%2F", "/#x", "/.//x", "/@x"};
    static const char *const bad[] = {"",
                                      "a",
                                      "//",
                                      "//evil.example",
                                      "/\\evil.example",
                                      "\\/evil.example",
                                      "/a\\b",
                                      "/a b",
                                      "/a\tb",
                                      "/a\r\nb",
                                      "/\x7f",
                                      "/\xc3\xa4",
                                      "http:/",
                                      "javascript:",
                                      " /a",
                                      "?a",
                                      "https://evil.example"};
    char longest[OIDC_RETURN_TO_BYTES_MAX + 1];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(oidc_is_own_path(slice_str(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(oidc_is_own_path(slice_str(bad[i])));
    memset(longest, '/', sizeof(longest));
    longest[1] = 'a';
    assert_true(oidc_is_own_path(slice_of(longest, OIDC_RETURN_TO_BYTES_MAX)));
    assert_false(oidc_is_own_path(slice_of(longest, OIDC_RETURN_TO_BYTES_MAX + 1)));
    assert_false(oidc_is_own_path(slice_of("/\0a", 3)));
}

static void the_longest_address_fits(void **state)
{
    struct oidc_flow flow, resumed;
    char cookie[OIDC_COOKIE_BYTES], path[OIDC_RETURN_TO_BYTES_MAX + 1] = "";
    (void)state;
    memset(path, 'x', OIDC_RETURN_TO_BYTES_MAX);
    path[0] = '/';
    oidc_flow_begin(key, slice_str(path), now, &flow, cookie);
    assert_true(resume(cookie, flow.state.text, now, &resumed));
    assert_string_equal(resumed.return_to, path);
}

static void what_goes_into_a_url_is_escaped(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 256);
    oidc_escape(&out, SLICE_LIT("aZ09-._~ /+&=%\r\n\xc3\xa4"));
    assert_string_equal(buf_cstr(&out), "aZ09-._~%20%2F%2B%26%3D%25%0D%0A%C3%A4");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_begun_is_resumed),
        cmocka_unit_test(the_challenge_is_s256_of_the_verifier),
        cmocka_unit_test(every_flow_is_new),
        cmocka_unit_test(it_lasts_ten_minutes),
        cmocka_unit_test(no_byte_of_it_can_be_changed),
        cmocka_unit_test(a_return_address_is_a_path_of_ours),
        cmocka_unit_test(the_longest_address_fits),
        cmocka_unit_test(what_goes_into_a_url_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
