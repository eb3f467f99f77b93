/* Accounts, second factors, password resets. Logging in: test_login.c. */
#include "people_bed.h"

#include "base/attr.h"

static void an_account_is_found_by_its_address_in_any_case(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "Ada@Example.org"), found;
    assert_string_equal(ada.email, "ada@example.org");
    assert_int_equal(user_find_by_email(bed->state, SLICE_LIT("ADA@example.ORG"), &found, NULL),
                     RC_OK);
    assert_memory_equal(&found, &ada, sizeof(ada));
    assert_true(found.has_password);
    assert_false(found.has_totp);
    assert_false(found.is_disabled);
    assert_int_equal(found.last_login_at.ms, 0);
    assert_int_equal(user_find(bed->state, &ada.id, &found, NULL), RC_OK);
    assert_string_equal(found.name, "Ada");
    struct uuid nobody = uuid_v7(bed->now);
    assert_int_equal(user_find(bed->state, &nobody, &found, NULL), RC_NOTFOUND);
    assert_int_equal(user_find_by_email(bed->state, SLICE_LIT("not one"), &found, NULL),
                     RC_NOTFOUND);
}

static void one_account_per_address(void **state)
{
    struct bed *bed = *state;
    struct user user;
    struct err err = ERR_INIT;
    bed_user(bed, "ada@example.org");
    assert_int_equal(user_create(bed->state, SLICE_LIT("ADA@example.org"), SLICE_LIT("Eve"), NULL,
                                 bed->now, &user, &err),
                     RC_EXISTS);
    assert_null(strstr(err.text, "ada@"));
    assert_int_equal(
        user_create(bed->state, SLICE_LIT("eve@"), SLICE_LIT("Eve"), NULL, bed->now, &user, &err),
        RC_INVALID);
    static const struct slice names[] = {SLICE_CONST(""), SLICE_CONST("a\nb"), SLICE_CONST("\xff"),
                                         SLICE_CONST("a\0b"), SLICE_CONST("del\x7f")};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(user_create(bed->state, SLICE_LIT("eve@example.org"), names[i], NULL,
                                     bed->now, &user, &err),
                         RC_INVALID);
    char long_name[USER_NAME_MAX + 1];
    memset(long_name, 'n', sizeof(long_name));
    assert_int_equal(user_create(bed->state, SLICE_LIT("eve@example.org"),
                                 slice_of(long_name, sizeof(long_name)), NULL, bed->now, &user,
                                 &err),
                     RC_INVALID);
    assert_int_equal(user_create(bed->state, SLICE_LIT("eve@example.org"),
                                 slice_of(long_name, USER_NAME_MAX), NULL, bed->now, &user, &err),
                     RC_OK);
    assert_false(user.has_password);
}

static void there_is_nobody_to_change(void **state)
{
    struct bed *bed = *state;
    struct uuid nobody = uuid_v7(bed->now);
    struct totp_secret secret;
    struct recovery_codes codes;
    assert_int_equal(user_password_set(bed->state, &nobody, bed_hash_of_password(), bed->now, NULL),
                     RC_NOTFOUND);
    assert_int_equal(user_disable(bed->state, &nobody, bed->now, NULL), RC_NOTFOUND);
    assert_int_equal(user_enable(bed->state, &nobody, NULL), RC_NOTFOUND);
    assert_int_equal(user_totp_begin(bed->state, &nobody, &secret, NULL), RC_NOTFOUND);
    assert_int_equal(
        user_totp_confirm(bed->state, &nobody, SLICE_LIT("123456"), bed->now, &codes, NULL),
        RC_NOTFOUND);
    assert_int_equal(user_totp_remove(bed->state, &nobody, NULL), RC_NOTFOUND);
    assert_int_equal(user_recovery_renew(bed->state, &nobody, &codes, NULL), RC_NOTFOUND);
}

/* ---- Second factor ---- */

static uint32_t codes_left(struct bed *bed, const struct user *user)
{
    uint32_t left;
    assert_int_equal(user_recovery_left(bed->state, &user->id, &left, NULL), RC_OK);
    return left;
}

static void a_second_factor_counts_once_it_is_confirmed(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), found;
    struct totp_secret first, secret;
    struct recovery_codes codes;
    struct err err = ERR_INIT;
    assert_int_equal(
        user_totp_confirm(bed->state, &ada.id, SLICE_LIT("123456"), bed->now, &codes, &err),
        RC_CONFLICT);
    assert_int_equal(user_totp_begin(bed->state, &ada.id, &first, NULL), RC_OK);
    assert_int_equal(user_totp_begin(bed->state, &ada.id, &secret, NULL), RC_OK);
    assert_memory_not_equal(&first, &secret, sizeof(secret));
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, "", HOME), LOGIN_OK);
    assert_int_equal(user_totp_confirm(bed->state, &ada.id,
                                       slice_str(bed_code(&first, bed->now).text), bed->now, &codes,
                                       &err),
                     RC_UNAUTHORIZED); /* the secret that was replaced */
    struct code code = bed_code(&secret, bed->now);
    assert_int_equal(
        user_totp_confirm(bed->state, &ada.id, slice_str(code.text), bed->now, &codes, &err),
        RC_OK);
    assert_int_equal(
        user_totp_confirm(bed->state, &ada.id, slice_str(code.text), bed->now, &codes, &err),
        RC_CONFLICT);
    assert_int_equal(codes_left(bed, &ada), RECOVERY_CODES);
    assert_int_equal(user_find(bed->state, &ada.id, &found, NULL), RC_OK);
    assert_true(found.has_totp);
    /* A stolen session cannot put another secret in its place. */
    assert_int_equal(user_totp_begin(bed->state, &ada.id, &secret, &err), RC_EXISTS);
    /* The code that confirmed it is used up. */
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, code.text, HOME), LOGIN_WRONG);
}

static void removing_it_removes_the_codes(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct recovery_codes codes;
    bed_totp(bed, &ada, &codes);
    assert_int_equal(user_totp_remove(bed->state, &ada.id, NULL), RC_OK);
    assert_int_equal(codes_left(bed, &ada), 0);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, "", HOME), LOGIN_OK);
    assert_int_equal(user_recovery_renew(bed->state, &ada.id, &codes, NULL), RC_CONFLICT);
    assert_int_equal(user_totp_remove(bed->state, &ada.id, NULL), RC_OK);
    bed_totp(bed, &ada, &codes); /* and another one in the same step */
}

static void renewed_recovery_codes_replace_the_old(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct recovery_codes old, new;
    bed_totp(bed, &ada, &old);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, old.text[3], HOME), LOGIN_OK);
    assert_int_equal(codes_left(bed, &ada), RECOVERY_CODES - 1);
    assert_int_equal(user_recovery_renew(bed->state, &ada.id, &new, NULL), RC_OK);
    assert_int_equal(codes_left(bed, &ada), RECOVERY_CODES);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, old.text[4], HOME), LOGIN_WRONG);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, new.text[4], HOME), LOGIN_OK);
}

/* ---- Password reset ---- */

static struct token reset_begin(struct bed *bed, const char *email)
{
    struct token token;
    struct user user;
    bool is_known = false;
    assert_int_equal(
        user_reset_begin(bed->state, slice_str(email), bed->now, &is_known, &user, &token, NULL),
        RC_OK);
    assert_true(is_known);
    return token;
}

static enum rc redeem(struct bed *bed, struct slice token, const struct password_hash *hash)
{
    struct uuid user;
    return user_reset_redeem(bed->state, token, hash, bed->now, &user, NULL);
}

static void a_reset_sets_the_password_once_and_ends_all_sessions(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct user whose;
    struct token session, hers;
    struct password_hash hash = bed_hash("a different one");
    bed_session(bed, &ada, HOME, &session);
    bed_session(bed, &eve, HOME, &hers);
    struct token token = reset_begin(bed, "ADA@example.org");
    assert_int_equal(user_reset_find(bed->state, slice_str(token.text), bed->now, &whose, NULL),
                     RC_OK);
    assert_memory_equal(&whose.id, &ada.id, sizeof(ada.id));
    assert_int_equal(redeem(bed, slice_str(token.text), &hash), RC_OK);
    assert_int_equal(redeem(bed, slice_str(token.text), &hash), RC_UNAUTHORIZED);
    assert_int_equal(bed_find(bed, &session), RC_UNAUTHORIZED);
    assert_int_equal(bed_find(bed, &hers), RC_OK);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, "", HOME), LOGIN_WRONG);
    assert_int_equal(bed_login(bed, "ada@example.org", "a different one", "", HOME), LOGIN_OK);
}

static void only_the_latest_token_lives_and_for_an_hour(void **state)
{
    struct bed *bed = *state;
    bed_user(bed, "ada@example.org");
    bed_user(bed, "eve@example.org");
    struct token old = reset_begin(bed, "ada@example.org");
    struct token late = reset_begin(bed, "ada@example.org");
    struct token hers = reset_begin(bed, "eve@example.org");
    assert_int_equal(redeem(bed, slice_str(old.text), bed_hash_of_password()), RC_UNAUTHORIZED);
    bed_pass(bed, MINUTES_MS(60) - 1);
    assert_int_equal(redeem(bed, slice_str(late.text), bed_hash_of_password()), RC_OK);
    bed_pass(bed, 1);
    assert_int_equal(redeem(bed, slice_str(hers.text), bed_hash_of_password()), RC_UNAUTHORIZED);
    assert_int_equal(redeem(bed, SLICE_LIT("nonsense"), bed_hash_of_password()), RC_UNAUTHORIZED);
}

static void a_new_password_and_a_disabled_account_kill_the_token(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token token = reset_begin(bed, "ada@example.org");
    assert_int_equal(user_password_set(bed->state, &ada.id, bed_hash_of_password(), bed->now, NULL),
                     RC_OK);
    assert_int_equal(redeem(bed, slice_str(token.text), bed_hash_of_password()), RC_UNAUTHORIZED);
    token = reset_begin(bed, "ada@example.org");
    assert_int_equal(user_disable(bed->state, &ada.id, bed->now, NULL), RC_OK);
    assert_int_equal(redeem(bed, slice_str(token.text), bed_hash_of_password()), RC_UNAUTHORIZED);
    assert_int_equal(user_enable(bed->state, &ada.id, NULL), RC_OK);
    assert_int_equal(redeem(bed, slice_str(token.text), bed_hash_of_password()), RC_UNAUTHORIZED);
}

static void nobody_and_the_disabled_get_no_token_and_no_error(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), user;
    struct token token;
    bool is_known = true;
    assert_int_equal(user_disable(bed->state, &ada.id, bed->now, NULL), RC_OK);
    static const char *const emails[] = {"ada@example.org", "bob@example.org", "no address"};
    for (size_t i = 0; i < COUNT_OF(emails); i++) {
        is_known = true;
        assert_int_equal(user_reset_begin(bed->state, slice_str(emails[i]), bed->now, &is_known,
                                          &user, &token, NULL),
                         RC_OK);
        assert_false(is_known);
    }
}

static void a_reset_does_not_take_the_second_factor_away(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct recovery_codes codes;
    bed_totp(bed, &ada, &codes);
    struct token token = reset_begin(bed, "ada@example.org");
    assert_int_equal(redeem(bed, slice_str(token.text), bed_hash_of_password()), RC_OK);
    assert_int_equal(bed_login(bed, "ada@example.org", PASSWORD, "", HOME),
                     LOGIN_SECOND_FACTOR_NEEDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_is_found_by_its_address_in_any_case),
        TEST(one_account_per_address),
        TEST(there_is_nobody_to_change),
        TEST(a_second_factor_counts_once_it_is_confirmed),
        TEST(removing_it_removes_the_codes),
        TEST(renewed_recovery_codes_replace_the_old),
        TEST(a_reset_sets_the_password_once_and_ends_all_sessions),
        TEST(only_the_latest_token_lives_and_for_an_hour),
        TEST(a_new_password_and_a_disabled_account_kill_the_token),
        TEST(nobody_and_the_disabled_get_no_token_and_no_error),
        TEST(a_reset_does_not_take_the_second_factor_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
