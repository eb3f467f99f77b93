/* Logging in: right and wrong look as they should, codes work once, strangers lock nobody out, and
 * no secret is left anywhere. */
#include "people_bed.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/log.h"

#define ADA "ada@example.org"

static void a_login_with_the_password(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA), found;
    struct login login = bed_check(bed, "Ada@Example.Org", PASSWORD, "", HOME);
    assert_int_equal(login.answer, LOGIN_OK);
    assert_false(login.has_second_factor);
    assert_memory_equal(&login.user, &ada.id, sizeof(ada.id));
    assert_int_equal(user_find(bed->state, &ada.id, &found, NULL), RC_OK);
    assert_int_equal(found.last_login_at.ms, 0); /* checked is not logged in */
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL), RC_OK);
    assert_int_equal(user_find(bed->state, &ada.id, &found, NULL), RC_OK);
    assert_int_equal(found.last_login_at.ms, bed->now.ms);
    user_login_done(&login);
    static const struct login zero;
    assert_memory_equal(&login, &zero, sizeof(login));
}

/* The linker puts this before libsodium's (meson.build): what one attempt costs is what it asks for
 * here, and that can be counted where time cannot. */
int __real_crypto_pwhash_argon2id_str_verify(const char *, const char *, unsigned long long);
int __wrap_crypto_pwhash_argon2id_str_verify(const char *, const char *, unsigned long long);
static unsigned hashes;
int __wrap_crypto_pwhash_argon2id_str_verify(const char *hash, const char *password,
                                             unsigned long long len)
{
    static const char todays_costs[] = "$argon2id$v=19$m=32768,t=3,p=1$";
    hashes += strncmp(hash, todays_costs, sizeof(todays_costs) - 1) == 0;
    return __real_crypto_pwhash_argon2id_str_verify(hash, password, len);
}

/* Every kind of wrong gives the same answer for the same price. */
static void all_kinds_of_wrong_look_alike(void **state)
{
    struct bed *bed = *state;
    struct user off = bed_user(bed, "off@example.org"), user;
    struct recovery_codes codes;
    bed_user(bed, ADA);
    struct user with_totp = bed_user(bed, "totp@example.org");
    bed_totp(bed, &with_totp, &codes);
    assert_int_equal(user_disable(bed->state, &off.id, bed->now, NULL), RC_OK);
    assert_int_equal(user_create(bed->state, SLICE_LIT("oidc@example.org"), SLICE_LIT("O"), NULL,
                                 bed->now, &user, NULL),
                     RC_OK);
    static const struct {
        const char *email, *password, *second_factor;
    } cases[] = {
        {ADA, "wrong password", ""},
        {ADA, "", ""},
        {"nobody@example.org", PASSWORD, ""},
        {"no address at all", PASSWORD, ""},
        {"", PASSWORD, ""},
        {"off@example.org", PASSWORD, ""},
        {"oidc@example.org", PASSWORD, ""},
        {"oidc@example.org", "", ""},
        {"totp@example.org", PASSWORD, "AAAA-AAAA-AAAA-AAAA"},
        {"totp@example.org", PASSWORD, "not a code"},
        {"totp@example.org", "wrong password", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char address[32];
        struct login login, want = {.answer = LOGIN_WRONG};
        snprintf(address, sizeof(address), "192.0.2.%zu", i + 1);
        hashes = 0;
        login = bed_check(bed, cases[i].email, cases[i].password, cases[i].second_factor, address);
        assert_int_equal(hashes, 1);
        if (login.answer != LOGIN_WRONG)
            fail_msg("case %zu: %d", i, (int)login.answer);
        assert_memory_equal(&login.user, &want.user, sizeof(want.user));
        assert_int_equal(login.retry_after_s, 0);
        assert_false(login.has_second_factor);
        user_login_done(&login);
    }
}

static void a_code_of_the_app_works_once(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA);
    struct recovery_codes codes;
    struct totp_secret secret = bed_totp(bed, &ada, &codes);
    bed_pass(bed, MINUTES_MS(1));
    struct code code = bed_code(&secret, bed->now);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_SECOND_FACTOR_NEEDED);
    struct login login = bed_check(bed, ADA, PASSWORD, code.text, HOME);
    struct login again = bed_check(bed, ADA, PASSWORD, code.text, HOME);
    assert_int_equal(login.answer, LOGIN_OK);
    assert_true(login.has_second_factor);
    assert_false(login.is_recovery_code);
    assert_int_equal(again.answer, LOGIN_OK); /* not used yet … */
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL), RC_OK);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &again, bed->now, NULL),
                     RC_UNAUTHORIZED); /* … but only one of the two gets in */
    assert_int_equal(bed_login(bed, ADA, PASSWORD, code.text, HOME), LOGIN_WRONG);
    bed_pass(bed, TOTP_STEP_MS);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, code.text, HOME), LOGIN_WRONG);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, bed_code(&secret, bed->now).text, HOME),
                     LOGIN_OK);
}

static void a_recovery_code_works_once(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA), eve = bed_user(bed, "eve@example.org");
    struct recovery_codes codes, hers;
    bed_totp(bed, &ada, &codes);
    bed_totp(bed, &eve, &hers);
    struct login login = bed_check(bed, ADA, PASSWORD, codes.text[0], HOME);
    struct login again = bed_check(bed, ADA, PASSWORD, codes.text[0], HOME);
    assert_int_equal(login.answer, LOGIN_OK);
    assert_true(login.has_second_factor && login.is_recovery_code);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL), RC_OK);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &again, bed->now, NULL),
                     RC_UNAUTHORIZED);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, codes.text[0], HOME), LOGIN_WRONG);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, hers.text[0], HOME), LOGIN_WRONG);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, codes.text[1], HOME), LOGIN_OK);
}

/* Between the two steps something else happens to the account. */
static void what_changed_meanwhile_is_not_accepted(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA);
    struct recovery_codes codes;
    struct password_hash other = bed_hash("quite another one");
    struct login login = bed_check(bed, ADA, PASSWORD, "", HOME);
    assert_int_equal(user_password_set(bed->state, &ada.id, &other, bed->now, NULL), RC_OK);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL),
                     RC_UNAUTHORIZED);
    login = bed_check(bed, ADA, "quite another one", "", HOME);
    assert_int_equal(user_disable(bed->state, &ada.id, bed->now, NULL), RC_OK);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL),
                     RC_UNAUTHORIZED);
    assert_int_equal(user_enable(bed->state, &ada.id, NULL), RC_OK);
    bed_totp(bed, &ada, &codes);
    assert_int_equal(user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL),
                     RC_UNAUTHORIZED); /* checked without the second factor that there is now */
}

static void a_hash_of_old_costs_is_renewed_at_the_login(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA);
    struct password_hash old;
    assert_int_equal(crypto_pwhash_argon2id_str(old.text, PASSWORD, strlen(PASSWORD), 2, 19 << 20),
                     0);
    assert_int_equal(user_password_set(bed->state, &ada.id, &old, bed->now, NULL), RC_OK);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_OK);
    struct login login = bed_check(bed, ADA, PASSWORD, "", HOME);
    assert_int_equal(login.answer, LOGIN_OK);
    assert_false(password_needs_rehash(&login.hash));
    assert_int_equal(login.new_hash.text[0], 0);
}

static enum login_answer guess(struct bed *bed, const char *email, const char *address)
{
    return bed_login(bed, email, "wrong password", "", address);
}

static void guessing_is_throttled_whether_there_is_an_account_or_not(void **state)
{
    struct bed *bed = *state;
    bed_user(bed, ADA);
    static const char *const emails[] = {ADA, "nobody@example.org", "no address"};
    for (size_t i = 0; i < COUNT_OF(emails); i++) {
        char address[32];
        snprintf(address, sizeof(address), "10.0.0.%zu", i);
        hashes = 0;
        for (int k = 0; k < 5; k++)
            assert_int_equal(guess(bed, emails[i], address), LOGIN_WRONG);
        struct login login = bed_check(bed, emails[i], PASSWORD, "", address);
        assert_int_equal(login.answer, LOGIN_THROTTLED);
        assert_int_equal(login.retry_after_s, 1);
        assert_int_equal(hashes, 5); /* a throttled attempt costs us nothing */
    }
    /* Another spelling is the same account. */
    assert_int_equal(guess(bed, "ADA@Example.Org", ELSEWHERE), LOGIN_THROTTLED);
    bed_pass(bed, 1000);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", ELSEWHERE), LOGIN_OK);
    assert_int_equal(guess(bed, ADA, ELSEWHERE), LOGIN_WRONG);
}

static void strangers_do_not_lock_a_person_out_at_home(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA);
    struct token token;
    struct session session = bed_session(bed, &ada, "2001:db8:1:2::3", &token);
    assert_int_equal(session_end(bed->state, &ada.id, &session.id, bed->now, NULL), RC_OK);
    for (int i = 0; i < 8; i++)
        (void)guess(bed, ADA, ELSEWHERE);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_THROTTLED);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", "2001:db8:1:2::4"), LOGIN_OK);
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_THROTTLED);
    /* That somebody has been there does not make it a known place of others. */
    for (int i = 0; i < 5; i++)
        (void)guess(bed, "nobody@example.org", ELSEWHERE);
    assert_int_equal(guess(bed, "nobody@example.org", "2001:db8:1:2::4"), LOGIN_THROTTLED);
}

static void asking_for_the_second_factor_is_no_failure(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, ADA);
    struct recovery_codes codes;
    bed_totp(bed, &ada, &codes);
    for (int i = 0; i < 10; i++)
        assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_SECOND_FACTOR_NEEDED);
    /* But a wrong code is, also with the password in between. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_SECOND_FACTOR_NEEDED);
        assert_int_equal(bed_login(bed, ADA, PASSWORD, "AAAA-AAAA-AAAA-AAAA", HOME), LOGIN_WRONG);
    }
    assert_int_equal(bed_login(bed, ADA, PASSWORD, "", HOME), LOGIN_THROTTLED);
}

/* ---- No secret is left anywhere ---- */

struct canaries {
    struct slice texts[64];
    size_t count;
    struct buf errors; /* every err text on the way */
};

static void canary(struct canaries *c, const char *text)
{
    assert_true(c->count < COUNT_OF(c->texts));
    c->texts[c->count++] = slice_str(text);
}

static void assert_no_canary(const struct canaries *c, const char *where, const struct buf *in)
{
    for (size_t i = 0; i < c->count; i++)
        if (in->len && memmem(in->data, in->len, c->texts[i].data, c->texts[i].len))
            fail_msg("secret %zu is in %s", i, where);
}

static void note(struct canaries *c, enum rc rc, enum rc want, struct err *err)
{
    assert_int_equal(rc, want);
    if (rc != RC_OK) {
        buf_addf(&c->errors, "%s\n", err->text);
        log_error("as a caller logs it", LOG_ERR(err));
    }
    *err = ERR_INIT;
}

#define CANARY_PASSWORD "canary tweets password"
#define CANARY_WRONG "canary tweets wrongly!"

/* What goes wrong around secrets: refused ones, wrong ones, and a database that refuses. */
static void walk_through_the_errors(struct bed *bed, struct canaries *c, const struct user *ada,
                                    const struct token *session_token,
                                    const struct token *reset_token,
                                    const struct recovery_codes *codes)
{
    struct err err = ERR_INIT;
    struct session session;
    struct user user;
    struct uuid whose;
    struct token token;
    bool is_known;
    struct recovery_codes more;
    struct login_attempt attempt = {.email = SLICE_LIT(ADA),
                                    .password = SLICE_LIT(CANARY_WRONG),
                                    .second_factor = slice_str(codes->text[1]),
                                    .address = SLICE_LIT(HOME),
                                    .now = bed->now,
                                    .now_mono = bed->now_mono};
    struct login login;
    note(c, password_check(SLICE_LIT("canary ada@"), SLICE_LIT(ADA), &err), RC_INVALID, &err);
    note(c, user_login_check(bed->state, bed->throttle, &attempt, &login, &err), RC_OK, &err);
    note(c,
         user_totp_confirm(bed->state, &ada->id, slice_str(codes->text[0]), bed->now, &more, &err),
         RC_CONFLICT, &err);
    char used[TOKEN_TEXT + 1];
    /* Another token: one in sixteen ends with A. */
    snprintf(used, sizeof(used), "%.42s%c", session_token->text,
             session_token->text[42] == 'A' ? 'E' : 'A');
    note(c, session_find(bed->state, slice_str(used), bed->now, &session, &err), RC_UNAUTHORIZED,
         &err);
    note(c,
         user_reset_redeem(bed->state, slice_str(session_token->text), bed_hash_of_password(),
                           bed->now, &whose, &err),
         RC_UNAUTHORIZED, &err);
    static const char *const tables[] = {"sessions", "user_tokens", "recovery_codes", "users"};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char sql[100];
        snprintf(sql, sizeof(sql), "ALTER TABLE %s RENAME TO gone_%s", tables[i], tables[i]);
        assert_int_equal(state_run(bed->state, sql, NULL, 0, NULL, NULL, NULL), RC_OK);
    }
    attempt.password = SLICE_LIT(CANARY_PASSWORD);
    note(c, user_login_check(bed->state, bed->throttle, &attempt, &login, &err), RC_IO, &err);
    note(c, session_find(bed->state, slice_str(session_token->text), bed->now, &session, &err),
         RC_IO, &err);
    note(c,
         session_create(bed->state, &ada->id, SESSION_PASSWORD, SLICE_LIT(HOME), SLICE_EMPTY,
                        bed->now, &token, &session, &err),
         RC_IO, &err);
    note(c, user_reset_find(bed->state, slice_str(reset_token->text), bed->now, &user, &err), RC_IO,
         &err);
    note(c, user_reset_begin(bed->state, SLICE_LIT(ADA), bed->now, &is_known, &user, &token, &err),
         RC_IO, &err);
    note(c, user_recovery_renew(bed->state, &ada->id, &more, &err), RC_IO, &err);
}

static void read_file(const char *path, struct buf *into)
{
    buf_init(into, 64 << 20);
    if (os_exists(path))
        assert_int_equal(os_read_file(path, into, NULL), RC_OK);
}

static void no_secret_is_in_the_log_the_errors_or_the_files(void **state)
{
    struct bed *bed = *state;
    struct canaries c = {.count = 0};
    struct user ada, user;
    struct password_hash hash = bed_hash(CANARY_PASSWORD);
    struct recovery_codes codes;
    struct token session_token, reset_token, csrf;
    bool is_known;
    char log_path[200];
    buf_init(&c.errors, 1 << 20);
    snprintf(log_path, sizeof(log_path), "%s/log", bed->dir);
    int log_fd = open(log_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    int stderr_fd = dup(STDERR_FILENO);
    assert_true(log_fd >= 0 && stderr_fd >= 0);
    assert_true(dup2(log_fd, STDERR_FILENO) >= 0);
    log_setup(LOG_DEBUG, LOG_LOGFMT);

    assert_int_equal(
        user_create(bed->state, SLICE_LIT(ADA), SLICE_LIT("Ada"), &hash, bed->now, &ada, NULL),
        RC_OK);
    bed_totp(bed, &ada, &codes);
    assert_int_equal(bed_login(bed, ADA, CANARY_PASSWORD, codes.text[0], HOME), LOGIN_OK);
    bed_session(bed, &ada, HOME, &session_token);
    session_csrf_token(slice_str(session_token.text), &csrf);
    assert_int_equal(user_reset_begin(bed->state, SLICE_LIT(ADA), bed->now, &is_known, &user,
                                      &reset_token, NULL),
                     RC_OK);
    canary(&c, CANARY_PASSWORD);
    canary(&c, CANARY_WRONG);
    canary(&c, "canary ada@");
    canary(&c, session_token.text);
    canary(&c, reset_token.text);
    canary(&c, csrf.text);
    for (int i = 0; i < RECOVERY_CODES; i++)
        canary(&c, codes.text[i]);
    walk_through_the_errors(bed, &c, &ada, &session_token, &reset_token, &codes);

    log_setup(LOG_INFO, LOG_LOGFMT);
    assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
    close(stderr_fd);
    close(log_fd);
    struct buf log, db, wal;
    char wal_path[200];
    snprintf(wal_path, sizeof(wal_path), "%s-wal", bed->path);
    read_file(log_path, &log);
    read_file(bed->path, &db);
    read_file(wal_path, &wal);
    assert_true(log.len > 0 && c.errors.len > 0); /* there was something to look at */
    assert_non_null(memmem(wal.data, wal.len, "ada@example.org", 15));
    assert_no_canary(&c, "the log", &log);
    assert_no_canary(&c, "an error text", &c.errors);
    assert_no_canary(&c, "the database", &db);
    assert_no_canary(&c, "its journal", &wal);
    /* An address is no secret, but nobody's business in an error either. */
    assert_null(memmem(c.errors.data, c.errors.len, "ada@", 4));
    buf_done(&log);
    buf_done(&db);
    buf_done(&wal);
    buf_done(&c.errors);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_login_with_the_password),
        TEST(all_kinds_of_wrong_look_alike),
        TEST(a_code_of_the_app_works_once),
        TEST(a_recovery_code_works_once),
        TEST(what_changed_meanwhile_is_not_accepted),
        TEST(a_hash_of_old_costs_is_renewed_at_the_login),
        TEST(guessing_is_throttled_whether_there_is_an_account_or_not),
        TEST(strangers_do_not_lock_a_person_out_at_home),
        TEST(asking_for_the_second_factor_is_no_failure),
        TEST(no_secret_is_in_the_log_the_errors_or_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
