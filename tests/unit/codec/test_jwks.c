/* Key sets: what is used, skipped and refused, and which key a token is tried with. */
#include "test_codec.h"

#include "codec/jwks.h"
#include "jwt_signer.h"

enum { SIGNER_RSA, P256, ED25519, OTHER_P256, SIGNERS };
static const enum jwt_alg algs[SIGNERS] = {JWT_RS256, JWT_ES256, JWT_EDDSA, JWT_ES256};
static struct signer signers[SIGNERS];
static struct arena arena;
static struct buf doc, space;

static void set_begin(void)
{
    buf_clear(&doc);
    buf_add_str(&doc, "{\"keys\":[");
}

static void set_add(int signer, const char *members)
{
    if (doc.data[doc.len - 1] != '[')
        buf_add_char(&doc, ',');
    signer_add_jwk(&signers[signer], &doc, members);
}

static struct jwks *parsed(struct slice text)
{
    struct jwks *set = NULL;
    struct err err = ERR_INIT;
    enum rc rc = jwks_parse(text, &set, &err);
    if (rc != RC_OK)
        print_error("%s\n", err.text);
    assert_int_equal(rc, RC_OK);
    return set;
}

static struct jwks *set_end(void)
{
    buf_add_str(&doc, "]}");
    assert_true(buf_ok(&doc));
    return parsed(buf_slice(&doc));
}

static enum jwt_result verify(const struct jwks *set, int signer, const char *kid)
{
    char header[512];
    struct jwt jwt;
    snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s%s%s}", jwt_alg_name(algs[signer]),
             kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "");
    struct slice token = signer_token(&signers[signer], &space, header, "{}");
    assert_int_equal(jwt_parse(&arena, token, JWT_ALGS_PUBLIC, &jwt), JWT_OK);
    return jwks_verify(set, &jwt);
}

static void a_token_is_verified_by_the_key_it_names(void **state)
{
    (void)state;
    set_begin();
    set_add(SIGNER_RSA, "\"kid\":\"r\",\"use\":\"sig\",\"alg\":\"RS256\"");
    set_add(P256, "\"kid\":\"e\",\"key_ops\":[\"verify\"]");
    set_add(ED25519, "\"kid\":\"o\",\"alg\":\"EdDSA\",\"x5t\":\"ignored\"");
    struct jwks *set = set_end();
    assert_int_equal(set->key_count, 3);
    assert_int_equal(set->skipped + set->refused, 0);
    assert_int_equal(verify(set, SIGNER_RSA, "r"), JWT_OK);
    assert_int_equal(verify(set, P256, "e"), JWT_OK);
    assert_int_equal(verify(set, ED25519, "o"), JWT_OK);
    assert_int_equal(verify(set, SIGNER_RSA, "x"), JWT_NO_KEY);
    assert_int_equal(verify(set, SIGNER_RSA, "R"), JWT_NO_KEY);
    /* A key of that name, but of another algorithm. */
    assert_int_equal(verify(set, SIGNER_RSA, "e"), JWT_NO_KEY);
    assert_int_equal(verify(set, OTHER_P256, "e"), JWT_BAD_SIGNATURE);
    jwks_free(set);
}

static void without_a_kid_every_key_of_the_algorithm_is_tried(void **state)
{
    (void)state;
    set_begin();
    set_add(SIGNER_RSA, "");
    set_add(OTHER_P256, "\"kid\":\"a\"");
    set_add(P256, "");
    struct jwks *set = set_end();
    assert_int_equal(verify(set, P256, NULL), JWT_OK);
    assert_int_equal(verify(set, OTHER_P256, NULL), JWT_OK);
    assert_int_equal(verify(set, SIGNER_RSA, NULL), JWT_OK);
    assert_int_equal(verify(set, ED25519, NULL), JWT_NO_KEY);
    assert_int_equal(verify(set, P256, "a"), JWT_BAD_SIGNATURE);
    jwks_free(set);
    set_begin();
    set_add(OTHER_P256, "");
    set = set_end();
    assert_int_equal(verify(set, P256, NULL), JWT_NO_KEY); /* a newer set may have it */
    jwks_free(set);
}

static void keys_of_the_same_kid_are_all_tried_up_to_a_limit(void **state)
{
    (void)state;
    set_begin();
    set_add(OTHER_P256, "\"kid\":\"k\"");
    set_add(SIGNER_RSA, "\"kid\":\"k\"");
    set_add(P256, "\"kid\":\"k\"");
    struct jwks *set = set_end();
    assert_int_equal(verify(set, P256, "k"), JWT_OK);
    assert_int_equal(verify(set, OTHER_P256, "k"), JWT_OK);
    assert_int_equal(verify(set, SIGNER_RSA, "k"), JWT_OK);
    jwks_free(set);
    set_begin();
    for (int i = 0; i < JWKS_TRIES_MAX; i++)
        set_add(OTHER_P256, "\"kid\":\"k\"");
    set_add(P256, "\"kid\":\"k\"");
    set = set_end();
    assert_int_equal(verify(set, P256, "k"), JWT_BAD_SIGNATURE);
    jwks_free(set);
}

static void keys_for_something_else_are_skipped(void **state)
{
    (void)state;
    set_begin();
    set_add(SIGNER_RSA, "\"use\":\"enc\"");
    set_add(SIGNER_RSA, "\"use\":5");
    set_add(SIGNER_RSA, "\"key_ops\":[\"encrypt\"]");
    set_add(SIGNER_RSA, "\"key_ops\":\"verify\"");
    set_add(SIGNER_RSA, "\"alg\":\"RS512\"");
    set_add(SIGNER_RSA, "\"alg\":\"ES256\"");
    set_add(P256, "\"alg\":\"RS256\"");
    set_add(ED25519, "\"alg\":\"ES256\"");
    set_add(SIGNER_RSA, "\"alg\":\"HS256\"");
    buf_add_str(&doc, ",{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}"
                      ",{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}"
                      ",{\"kty\":\"AKP\"},{}");
    struct jwks *set = set_end();
    assert_int_equal(set->key_count, 0);
    assert_int_equal(set->skipped, 13);
    assert_int_equal(set->refused, 0);
    assert_int_equal(verify(set, SIGNER_RSA, NULL), JWT_NO_KEY);
    jwks_free(set);
}

static void private_and_broken_keys_are_refused_alone(void **state)
{
    (void)state;
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    static const char *const broken[] = {
        "5",
        "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":5,\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHUR\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS+"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":7,"
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
    };
    char members[JWT_KID_BYTES_MAX + 64];
    set_begin();
    set_add(P256, "\"kid\":\"good\"");
    for (size_t i = 0; i < COUNT_OF(private); i++) {
        snprintf(members, sizeof(members), "\"kid\":\"leaked\",\"%s\":\"AA\"", private[i]);
        set_add(SIGNER_RSA, members);
    }
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        buf_addf(&doc, ",%s", broken[i]);
    snprintf(members, sizeof(members), "\"kid\":\"%0*d\"", JWT_KID_BYTES_MAX + 1, 1);
    set_add(P256, members);
    snprintf(members, sizeof(members), "\"kid\":\"%0*d\"", JWT_KID_BYTES_MAX, 1);
    set_add(P256, members);
    struct jwks *set = set_end();
    assert_int_equal(set->key_count, 2);
    assert_int_equal(set->refused, COUNT_OF(private) + COUNT_OF(broken) + 1);
    assert_int_equal(verify(set, P256, "good"), JWT_OK);
    assert_int_equal(verify(set, SIGNER_RSA, "leaked"), JWT_NO_KEY);
    jwks_free(set);
}

static void leading_zeros_of_an_rsa_number_do_no_harm(void **state)
{
    (void)state;
    struct signer_numbers n;
    char padded[257] = {0};
    signer_numbers(&signers[SIGNER_RSA], &n);
    memcpy(padded + 1, n.values[0].data, 256);
    buf_clear(&doc);
    buf_add_str(&doc, "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AAEAAQ\",\"n\":\"");
    base64_encode(&doc, BASE64_URL, slice_of(padded, sizeof(padded)));
    buf_add_str(&doc, "\"}]}");
    struct jwks *set = parsed(buf_slice(&doc));
    assert_int_equal(verify(set, SIGNER_RSA, NULL), JWT_OK);
    jwks_free(set);
}

static void a_set_has_limits(void **state)
{
    (void)state;
    struct jwks *set = NULL;
    static const char *const no_sets[] = {
        "", "[]", "5", "{}", "{\"keys\":{}}", "{\"keys\":null}", "{\"keys\":[}"};
    for (size_t i = 0; i < COUNT_OF(no_sets); i++)
        assert_int_equal(jwks_parse(slice_str(no_sets[i]), &set, NULL), RC_INVALID);
    assert_null(set);
    set = parsed(SLICE_LIT("{\"keys\":[]}"));
    assert_int_equal(set->key_count, 0);
    assert_null(jwks_next(set, SLICE_EMPTY, JWT_RS256, NULL));
    jwks_free(set);

    set_begin();
    for (int i = 0; i < JWKS_KEYS_MAX; i++)
        set_add(ED25519, "");
    set = set_end();
    assert_int_equal(set->key_count, JWKS_KEYS_MAX);
    jwks_free(set);
    doc.len -= 2;
    set_add(ED25519, "");
    buf_add_str(&doc, "]}");
    assert_int_equal(jwks_parse(buf_slice(&doc), &set, NULL), RC_LIMIT);

    buf_clear(&doc);
    buf_add_str(&doc, "{\"keys\":[]}");
    while (doc.len < JWKS_BYTES_MAX)
        buf_add_char(&doc, ' ');
    jwks_free(parsed(buf_slice(&doc)));
    buf_add_char(&doc, ' ');
    assert_int_equal(jwks_parse(buf_slice(&doc), &set, NULL), RC_LIMIT);

    /* What takes most memory for its length: many small values. */
    buf_clear(&doc);
    buf_add_str(&doc, "{\"keys\":[],\"x\":[0");
    while (doc.len < JWKS_BYTES_MAX - 4)
        buf_add_str(&doc, ",0");
    buf_add_str(&doc, "]}");
    jwks_free(parsed(buf_slice(&doc)));
}

/* The key table of the largest set with the longest kids fits its arena. */
static void the_largest_set_fits(void **state)
{
    (void)state;
    char members[JWT_KID_BYTES_MAX + 64];
    snprintf(members, sizeof(members), "\"kid\":\"%0*d\"", JWT_KID_BYTES_MAX, 1);
    set_begin();
    for (int i = 0; i < JWKS_KEYS_MAX; i++)
        set_add(SIGNER_RSA, members);
    struct jwks *set = set_end();
    assert_int_equal(set->key_count, JWKS_KEYS_MAX);
    jwks_free(set);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024, 64 << 20);
    buf_init(&doc, 1 << 20);
    buf_init(&space, 1 << 16);
    for (int i = 0; i < SIGNERS; i++)
        signers[i] = signer_new(algs[i]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < SIGNERS; i++)
        signer_done(&signers[i]);
    buf_done(&doc);
    buf_done(&space);
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_verified_by_the_key_it_names),
        cmocka_unit_test(without_a_kid_every_key_of_the_algorithm_is_tried),
        cmocka_unit_test(keys_of_the_same_kid_are_all_tried_up_to_a_limit),
        cmocka_unit_test(keys_for_something_else_are_skipped),
        cmocka_unit_test(private_and_broken_keys_are_refused_alone),
        cmocka_unit_test(leading_zeros_of_an_rsa_number_do_no_harm),
        cmocka_unit_test(a_set_has_limits),
        cmocka_unit_test(the_largest_set_fits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
