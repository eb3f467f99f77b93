/* Sessions: which are accepted, and what ends them. */
#include "people_bed.h"

#include "base/attr.h"

static void every_login_gets_a_token_of_its_own(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token a, b;
    struct session found, session = bed_session(bed, &ada, HOME, &a);
    bed_session(bed, &ada, HOME, &b);
    assert_int_equal(strlen(a.text), TOKEN_TEXT);
    assert_string_not_equal(a.text, b.text);
    assert_int_equal(session_find(bed->state, slice_str(a.text), bed->now, &found, NULL), RC_OK);
    assert_memory_equal(&found.id, &session.id, sizeof(found.id));
    assert_memory_equal(&found.user, &ada.id, sizeof(found.user));
    assert_int_equal(found.how, SESSION_PASSWORD);
    assert_string_equal(found.address, HOME);
    assert_string_equal(found.user_agent, "test");
    assert_int_equal(found.expires_at.ms, bed->now.ms + DAYS_MS(90));
}

static void what_is_no_token_of_ours_is_refused_alike(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token real, other;
    uint8_t hash[TOKEN_HASH_BYTES];
    bed_session(bed, &ada, HOME, &real);
    token_make(&other, hash);
    char longer[TOKEN_TEXT + 2];
    snprintf(longer, sizeof(longer), "%sA", real.text);
    const struct slice bad[] = {
        SLICE_EMPTY,
        SLICE_LIT("' OR 1=1 --"),
        slice_str(other.text),
        slice_of(real.text, TOKEN_TEXT - 1),
        slice_str(longer),
        slice_of((const char *)hash, sizeof(hash)),
        SLICE_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), /* chosen by somebody */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct session session;
        struct err err = ERR_INIT;
        assert_int_equal(session_find(bed->state, bad[i], bed->now, &session, &err),
                         RC_UNAUTHORIZED);
        assert_string_equal(err.text, "the session is over: log in again");
    }
}

static void idle_ones_expire_and_used_ones_slide(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token used, idle, exact;
    bed_session(bed, &ada, HOME, &used);
    bed_session(bed, &ada, HOME, &idle);
    bed_session(bed, &ada, HOME, &exact);
    bed_pass(bed, DAYS_MS(14) - 1);
    assert_int_equal(bed_find(bed, &used), RC_OK);
    assert_int_equal(bed_find(bed, &idle), RC_OK);
    bed_pass(bed, 1);
    assert_int_equal(bed_find(bed, &exact), RC_UNAUTHORIZED);
    for (int i = 0; i < 4; i++) {
        bed_pass(bed, DAYS_MS(13));
        assert_int_equal(bed_find(bed, &used), RC_OK);
    }
    assert_int_equal(bed_find(bed, &idle), RC_UNAUTHORIZED);
}

static void the_absolute_end_is_exact(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token token;
    bed_session(bed, &ada, HOME, &token);
    for (int i = 0; i < 8; i++) {
        bed_pass(bed, DAYS_MS(10));
        assert_int_equal(bed_find(bed, &token), RC_OK);
    }
    bed_pass(bed, DAYS_MS(10) - 1);
    assert_int_equal(bed_find(bed, &token), RC_OK);
    bed_pass(bed, 1);
    assert_int_equal(bed_find(bed, &token), RC_UNAUTHORIZED);
}

static enum rc take_i64(void *ctx, const struct state_row *row)
{
    *(int64_t *)ctx = state_row_i64(row, 0);
    return RC_OK;
}

static int64_t number(struct bed *bed, const char *sql)
{
    int64_t n = -1;
    assert_int_equal(state_run(bed->state, sql, NULL, 0, take_i64, &n, NULL), RC_OK);
    return n;
}

static void being_seen_is_written_once_a_minute(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token token;
    bed_session(bed, &ada, HOME, &token);
    int64_t first = number(bed, "SELECT last_seen_at FROM sessions");
    for (int i = 0; i < 59; i++) {
        bed_pass(bed, 1000);
        assert_int_equal(bed_find(bed, &token), RC_OK);
    }
    assert_int_equal(number(bed, "SELECT last_seen_at FROM sessions"), first);
    bed_pass(bed, 1000);
    assert_int_equal(bed_find(bed, &token), RC_OK);
    assert_int_equal(number(bed, "SELECT last_seen_at FROM sessions"), bed->now.ms);
}

static void one_s_own_session_is_ended_and_nobody_else_s(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct token token;
    struct session session = bed_session(bed, &ada, HOME, &token);
    assert_int_equal(session_end(bed->state, &eve.id, &session.id, bed->now, NULL), RC_NOTFOUND);
    assert_int_equal(bed_find(bed, &token), RC_OK);
    assert_int_equal(session_end(bed->state, &ada.id, &session.id, bed->now, NULL), RC_OK);
    assert_int_equal(bed_find(bed, &token), RC_UNAUTHORIZED);
    assert_int_equal(session_end(bed->state, &ada.id, &session.id, bed->now, NULL), RC_NOTFOUND);
}

static void logging_out_everywhere(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct token a, b, c, hers;
    struct session mine = bed_session(bed, &ada, HOME, &a);
    uint32_t ended;
    bed_session(bed, &ada, HOME, &b);
    bed_session(bed, &ada, ELSEWHERE, &c);
    bed_session(bed, &eve, HOME, &hers);
    assert_int_equal(session_end_all(bed->state, &ada.id, &mine.id, bed->now, &ended, NULL), RC_OK);
    assert_int_equal(ended, 2);
    assert_int_equal(bed_find(bed, &a), RC_OK);
    assert_int_equal(bed_find(bed, &b), RC_UNAUTHORIZED);
    assert_int_equal(bed_find(bed, &c), RC_UNAUTHORIZED);
    assert_int_equal(session_end_all(bed->state, &ada.id, NULL, bed->now, &ended, NULL), RC_OK);
    assert_int_equal(ended, 1);
    assert_int_equal(bed_find(bed, &a), RC_UNAUTHORIZED);
    assert_int_equal(bed_find(bed, &hers), RC_OK);
}

static void a_disabled_user_has_no_session_and_gets_none(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token token, another = {.text = "untouched"};
    struct session session;
    bed_session(bed, &ada, HOME, &token);
    assert_int_equal(user_disable(bed->state, &ada.id, bed->now, NULL), RC_OK);
    assert_int_equal(bed_find(bed, &token), RC_UNAUTHORIZED);
    assert_int_equal(session_create(bed->state, &ada.id, SESSION_OIDC, SLICE_LIT(HOME), SLICE_EMPTY,
                                    bed->now, &another, &session, NULL),
                     RC_NOTFOUND);
    assert_string_equal(another.text, "untouched");
    assert_int_equal(user_enable(bed->state, &ada.id, NULL), RC_OK);
    assert_int_equal(bed_find(bed, &token), RC_UNAUTHORIZED); /* ended, not paused */
    /* And were one not ended for any reason, it would be refused all the same. */
    bed_session(bed, &ada, HOME, &token);
    assert_int_equal(bed_find(bed, &token), RC_OK);
    assert_int_equal(
        state_run(bed->state, "UPDATE users SET disabled_at = 1", NULL, 0, NULL, NULL, NULL),
        RC_OK);
    assert_int_equal(bed_find(bed, &token), RC_UNAUTHORIZED);
}

struct listed {
    int count;
    struct session first;
};

static enum rc list(void *ctx, const struct session *session)
{
    struct listed *listed = ctx;
    if (listed->count++ == 0)
        listed->first = *session;
    return RC_OK;
}

static void the_list_has_the_live_ones_of_the_user(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct token a, b, c;
    struct listed listed = {.count = 0};
    bed_session(bed, &ada, HOME, &a);
    bed_session(bed, &eve, HOME, &b);
    bed_pass(bed, DAYS_MS(14)); /* the first two are idle */
    struct session ended = bed_session(bed, &ada, HOME, &b);
    bed_session(bed, &ada, HOME, &b);
    bed_pass(bed, 1);
    struct session latest = bed_session(bed, &ada, ELSEWHERE, &c);
    assert_int_equal(session_end(bed->state, &ada.id, &ended.id, bed->now, NULL), RC_OK);
    assert_int_equal(session_list(bed->state, &ada.id, bed->now, list, &listed, NULL), RC_OK);
    assert_int_equal(listed.count, 2);
    assert_memory_equal(&listed.first.id, &latest.id, sizeof(latest.id));
}

static void the_dead_are_purged_after_a_month_and_the_live_never(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token live, token;
    uint32_t deleted;
    struct session ended = bed_session(bed, &ada, HOME, &token);
    bed_session(bed, &ada, HOME, &token); /* idle from day 14 on */
    bed_session(bed, &ada, HOME, &live);
    assert_int_equal(session_end(bed->state, &ada.id, &ended.id, bed->now, NULL), RC_OK);
    static const struct {
        int64_t days;
        uint32_t want;
    } passes[] = {{13, 0}, {13, 0}, {5, 1}, {13, 0}, {13, 1}};
    for (size_t i = 0; i < COUNT_OF(passes); i++) {
        bed_pass(bed, DAYS_MS(passes[i].days));
        assert_int_equal(bed_find(bed, &live), RC_OK);
        assert_int_equal(session_purge(bed->state, bed->now, &deleted, NULL), RC_OK);
        assert_int_equal(deleted, passes[i].want);
    }
    bed_pass(bed, DAYS_MS(90));
    assert_int_equal(session_purge(bed->state, bed->now, &deleted, NULL), RC_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(number(bed, "SELECT count(*) FROM sessions"), 0);
}

static void what_a_client_says_of_itself_is_tamed(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token token;
    struct session session, found;
    char agent[1000];
    memset(agent, 'x', sizeof(agent));
    memcpy(agent, "a\r\nb\0c\xff", 7);
    assert_int_equal(session_create(bed->state, &ada.id, SESSION_PASSWORD_TOTP,
                                    slice_of(agent, 100), slice_of(agent, sizeof(agent)), bed->now,
                                    &token, &session, NULL),
                     RC_OK);
    assert_int_equal(session_find(bed->state, slice_str(token.text), bed->now, &found, NULL),
                     RC_OK);
    assert_memory_equal(found.user_agent, "a??b?c?xxx", 10);
    assert_int_equal(strlen(found.user_agent), SESSION_USER_AGENT_MAX);
    assert_int_equal(strlen(found.address), SESSION_ADDRESS_MAX);
    assert_int_equal(found.how, SESSION_PASSWORD_TOTP);
}

static void the_csrf_token_belongs_to_its_session(void **state)
{
    (void)state;
    struct token a, b, csrf_a, again, csrf_b;
    uint8_t hash[TOKEN_HASH_BYTES];
    token_make(&a, hash);
    token_make(&b, hash);
    session_csrf_token(slice_str(a.text), &csrf_a);
    session_csrf_token(slice_str(a.text), &again);
    session_csrf_token(slice_str(b.text), &csrf_b);
    assert_string_equal(csrf_a.text, again.text);
    assert_string_not_equal(csrf_a.text, csrf_b.text);
    assert_string_not_equal(csrf_a.text, a.text);
    assert_true(session_csrf_is_valid(slice_str(a.text), slice_str(csrf_a.text)));
    assert_false(session_csrf_is_valid(slice_str(a.text), slice_str(csrf_b.text)));
    assert_false(session_csrf_is_valid(slice_str(a.text), slice_str(a.text)));
    assert_false(session_csrf_is_valid(slice_str(a.text), SLICE_EMPTY));
    assert_false(session_csrf_is_valid(slice_str(a.text), slice_of(csrf_a.text, TOKEN_TEXT - 1)));
    /* Without a session there is none, though it could be computed. */
    session_csrf_token(SLICE_EMPTY, &again);
    assert_false(session_csrf_is_valid(SLICE_EMPTY, slice_str(again.text)));
}

/* The audit row fails: the session must not have been made, nor ended. */
struct body {
    struct bed *bed;
    const struct user *user;
    struct token token;
};

static enum rc make_and_fail(void *ctx, struct state *s, struct err *err)
{
    struct body *body = ctx;
    struct session session;
    uint32_t ended;
    TRY(session_end_all(s, &body->user->id, NULL, body->bed->now, &ended, err));
    TRY(session_create(s, &body->user->id, SESSION_PASSWORD, SLICE_LIT(HOME), SLICE_EMPTY,
                       body->bed->now, &body->token, &session, err));
    return RC_NOSPACE;
}

static void changes_go_with_the_transaction_they_are_in(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct token before;
    bed_session(bed, &ada, HOME, &before);
    struct body body = {.bed = bed, .user = &ada};
    assert_int_equal(state_transaction(bed->state, make_and_fail, &body, NULL), RC_NOSPACE);
    assert_int_equal(bed_find(bed, &before), RC_OK);
    assert_int_equal(bed_find(bed, &body.token), RC_UNAUTHORIZED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_login_gets_a_token_of_its_own),
        TEST(what_is_no_token_of_ours_is_refused_alike),
        TEST(idle_ones_expire_and_used_ones_slide),
        TEST(the_absolute_end_is_exact),
        TEST(being_seen_is_written_once_a_minute),
        TEST(one_s_own_session_is_ended_and_nobody_else_s),
        TEST(logging_out_everywhere),
        TEST(a_disabled_user_has_no_session_and_gets_none),
        TEST(the_list_has_the_live_ones_of_the_user),
        TEST(the_dead_are_purged_after_a_month_and_the_live_never),
        TEST(what_a_client_says_of_itself_is_tamed),
        cmocka_unit_test(the_csrf_token_belongs_to_its_session),
        TEST(changes_go_with_the_transaction_they_are_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
