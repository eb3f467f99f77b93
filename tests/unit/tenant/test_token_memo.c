/* The memo of verified tokens: it knows exactly what it was told, while that holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tenant/token_memo.h"

enum { KEYS = 5 * JWKS_URLS_MAX + 7, OTHER_KEYS = 6 * JWKS_URLS_MAX + 8, RULES = 3 };
static struct jwks_current current;
static struct token_memo memo;

static struct token_id id_of(const char *token)
{
    struct token_id id;
    token_id_of(slice_str(token), &id);
    return id;
}

static void put(const char *token, uint64_t keys, const char *value)
{
    struct token_id id = id_of(token);
    token_memo_put(&memo, &id, keys, RULES, (unix_ms){1000}, slice_str(value));
}

/* "" if it is not known. */
static const char *got(const char *token, uint64_t rules, int64_t now_ms)
{
    static char text[TOKEN_VALUE_BYTES_MAX + 1];
    struct token_id id = id_of(token);
    struct slice value = SLICE_EMPTY;
    if (!token_memo_get(&memo, &id, &current, rules, (unix_ms){now_ms}, &value))
        value = SLICE_EMPTY;
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(value));
    return text;
}

static int setup(void **state)
{
    (void)state;
    memset(&memo, 0, sizeof(memo));
    atomic_store(&current.of[KEYS % JWKS_URLS_MAX], KEYS);
    atomic_store(&current.of[OTHER_KEYS % JWKS_URLS_MAX], OTHER_KEYS);
    return 0;
}

static void it_knows_a_token_until_it_expires(void **state)
{
    (void)state;
    assert_string_equal(got("a.b.c", RULES, 0), "");
    put("a.b.c", KEYS, "user 1");
    assert_string_equal(got("a.b.c", RULES, 999), "user 1");
    assert_string_equal(got("a.b.c", RULES, 1000), "");
    assert_string_equal(got("a.b.d", RULES, 999), "");
    assert_string_equal(got("", RULES, 999), "");
}

static void a_new_key_set_or_other_rules_end_it(void **state)
{
    (void)state;
    put("a.b.c", KEYS, "user 1");
    put("x.y.z", OTHER_KEYS, "user 2");
    assert_string_equal(got("a.b.c", RULES + 1, 5), "");
    assert_string_equal(got("a.b.c", RULES, 5), "user 1");
    atomic_store(&current.of[KEYS % JWKS_URLS_MAX], KEYS + JWKS_URLS_MAX); /* rotated */
    assert_string_equal(got("a.b.c", RULES, 5), "");
    assert_string_equal(got("x.y.z", RULES, 5), "user 2");    /* another issuer's stays */
    atomic_store(&current.of[OTHER_KEYS % JWKS_URLS_MAX], 0); /* too old */
    assert_string_equal(got("x.y.z", RULES, 5), "");
    put("a.b.c", KEYS + JWKS_URLS_MAX, "user 3");
    assert_string_equal(got("a.b.c", RULES, 5), "user 3");
}

static void tokens_of_the_same_slot_displace_and_never_answer_for_each_other(void **state)
{
    (void)state;
    struct token_id first = id_of("token 0"), id;
    char token[32];
    int same = 0;
    put("token 0", KEYS, "user 0");
    for (int i = 1; same < 3; i++) {
        snprintf(token, sizeof(token), "token %d", i);
        id = id_of(token);
        if (id.hash[0] % TOKEN_MEMO_SLOTS != first.hash[0] % TOKEN_MEMO_SLOTS)
            continue;
        assert_string_equal(got(token, RULES, 5), "");
        put(token, KEYS, token);
        assert_string_equal(got(token, RULES, 5), token);
        assert_string_equal(got("token 0", RULES, 5), "");
        put("token 0", KEYS, "user 0");
        same++;
    }
    /* A hash that differs in its last bit alone. */
    struct slice value;
    first.hash[SHA256_BYTES - 1] ^= 1;
    assert_false(token_memo_get(&memo, &first, &current, RULES, (unix_ms){5}, &value));
}

static void a_value_that_is_too_long_is_not_noted(void **state)
{
    (void)state;
    char text[TOKEN_VALUE_BYTES_MAX + 2];
    memset(text, 'v', sizeof(text));
    text[TOKEN_VALUE_BYTES_MAX + 1] = '\0';
    put("a.b.c", KEYS, text);
    assert_string_equal(got("a.b.c", RULES, 5), "");
    text[TOKEN_VALUE_BYTES_MAX] = '\0';
    put("a.b.c", KEYS, text);
    assert_string_equal(got("a.b.c", RULES, 5), text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(it_knows_a_token_until_it_expires),
        TEST(a_new_key_set_or_other_rules_end_it),
        TEST(tokens_of_the_same_slot_displace_and_never_answer_for_each_other),
        TEST(a_value_that_is_too_long_is_not_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
