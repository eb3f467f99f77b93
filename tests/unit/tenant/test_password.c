/* Which passwords are accepted, and that a hash is what it should be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/random.h"
#include "tenant/password.h"
#include "tenant/password_int.h"

static enum rc check(struct slice password)
{
    struct err err = ERR_INIT;
    return password_check(password, SLICE_LIT("ada.l@example.org"), &err);
}

static void the_policy(void **state)
{
    (void)state;
    static const struct {
        struct slice password;
        enum rc want;
    } cases[] = {
        {SLICE_CONST("correct horse battery"), RC_OK},
        {SLICE_CONST("tenbytes#1"), RC_OK},
        {SLICE_CONST("tenbytes#"), RC_INVALID}, /* nine */
        {SLICE_CONST("\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c"), RC_OK},
        {SLICE_CONST("latin one \xfc here"), RC_INVALID},
        {SLICE_CONST("overlong \xc0\xaf slash"), RC_INVALID},
        {SLICE_CONST("surrogate \xed\xa0\x80 half"), RC_INVALID},
        {SLICE_CONST("cut short \xe2\x82"), RC_INVALID},
        {SLICE_CONST("with a \0 NUL"), RC_INVALID},
        {SLICE_CONST("my ADA.L secret"), RC_INVALID}, /* the address's local part */
        {SLICE_CONST("ada and a dot l"), RC_OK},
        {SLICE_CONST("1qaz2wsx3edc"), RC_INVALID}, /* breached */
        {SLICE_CONST("Password123"), RC_INVALID},  /* and in any case of letters */
        {SLICE_CONST("qwertyuiop"), RC_INVALID},
        {SLICE_CONST(""), RC_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (check(cases[i].password) != cases[i].want)
            fail_msg("case %zu", i);
    char longest[PASSWORD_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = (char)('a' + i * i % 23);
    assert_int_equal(check(slice_of(longest, PASSWORD_BYTES_MAX)), RC_OK);
    assert_int_equal(check(slice_of(longest, PASSWORD_BYTES_MAX + 1)), RC_INVALID);
    /* Of one or two bytes it is in every second password. */
    assert_int_equal(
        password_check(SLICE_LIT("al capone was here"), SLICE_LIT("al@example.org"), NULL), RC_OK);
}

static void breached_ones_are_told_from_others(void **state)
{
    (void)state;
    /* First, last and some between of those that breached.bin was made from. */
    static const char *const breached[] = {
        "1234567890",  "basketball",    "1q2w3e4r5t",  "manchester", "USUCKBALLZ1",
        "vjhtgbnjytu", "vjht123jltccf", "spacewalker", "kirilica22", "progressivehouse",
    };
    for (size_t i = 0; i < COUNT_OF(breached); i++)
        assert_true(password_is_breached(slice_str(breached[i])));
    /* 100,000 strange ones: 22 expected; a damaged or too full filter gives many more. */
    struct prng prng;
    unsigned mistaken = 0;
    char text[17];
    prng_seed(&prng, 1);
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)prng_next(&prng));
        mistaken += password_is_breached(slice_of(text, 16));
    }
    assert_in_range(mistaken, 1, 60);
}

static bool verify(const struct password_hash *hash, struct slice password)
{
    bool is_right;
    assert_int_equal(password_verify(hash, password, &is_right, NULL), RC_OK);
    return is_right;
}

static void a_hash_knows_its_password_alone(void **state)
{
    (void)state;
    struct password_hash a, b;
    struct slice right = SLICE_LIT("correct horse battery");
    assert_int_equal(password_hash(right, &a, NULL), RC_OK);
    assert_int_equal(password_hash(right, &b, NULL), RC_OK);
    assert_string_not_equal(a.text, b.text); /* salted */
    assert_memory_equal(a.text, "$argon2id$v=19$m=32768,t=3,p=1$", 31);
    assert_true(verify(&a, right));
    assert_true(verify(&b, right));
    assert_false(verify(&a, SLICE_LIT("correct horse batterz")));
    assert_false(verify(&a, SLICE_LIT("correct horse batter")));
    assert_false(verify(&a, SLICE_LIT("Correct horse battery")));
    assert_false(verify(&a, SLICE_EMPTY));
    assert_false(verify(&a, (struct slice){NULL, 0}));
}

/* The part up to the maximum is not taken for the whole. */
static void a_password_is_not_cut(void **state)
{
    (void)state;
    static char text[PASSWORD_BYTES_MAX + 1];
    struct password_hash hash;
    memset(text, 'x', sizeof(text));
    assert_int_equal(password_hash(slice_of(text, PASSWORD_BYTES_MAX), &hash, NULL), RC_OK);
    assert_true(verify(&hash, slice_of(text, PASSWORD_BYTES_MAX)));
    assert_false(verify(&hash, slice_of(text, PASSWORD_BYTES_MAX + 1)));
}

static void nobody_s_password_is_never_right(void **state)
{
    (void)state;
    assert_false(verify(NULL, SLICE_LIT("correct horse battery")));
    assert_false(verify(NULL, SLICE_EMPTY));
    /* The decoy costs what an account costs: or the two could be told apart by the time. */
    assert_false(password_needs_rehash(&password_decoy));
}

static void hashes_of_other_costs_still_work_and_are_known(void **state)
{
    (void)state;
    struct password_hash old, today;
    struct slice right = SLICE_LIT("correct horse battery");
    assert_int_equal(crypto_pwhash_argon2id_str(old.text, right.data, right.len, 2, 19 << 20), 0);
    assert_int_equal(password_hash(right, &today, NULL), RC_OK);
    assert_true(verify(&old, right));
    assert_true(password_needs_rehash(&old));
    assert_false(password_needs_rehash(&today));
}

/* Not "wrong password": the person would doubt themselves, and the throttle count it. */
static void a_damaged_hash_is_an_error(void **state)
{
    (void)state;
    struct password_hash hash = {"$argon2id$v=19$m=32768,t=3,p=1$AAAA"};
    bool is_right = true;
    struct err err = ERR_INIT;
    assert_int_equal(password_verify(&hash, SLICE_LIT("correct horse"), &is_right, &err), RC_NOMEM);
    assert_null(strstr(err.text, "horse"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy),
        cmocka_unit_test(breached_ones_are_told_from_others),
        cmocka_unit_test(a_hash_knows_its_password_alone),
        cmocka_unit_test(a_password_is_not_cut),
        cmocka_unit_test(nobody_s_password_is_never_right),
        cmocka_unit_test(hashes_of_other_costs_still_work_and_are_known),
        cmocka_unit_test(a_damaged_hash_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
