#ifndef WEIR_PEOPLE_BED_H
#define WEIR_PEOPLE_BED_H
/* A state with the tenant's tables in a folder of its own, a throttle, a fixed time; helpers for
 * the tests of accounts, logins and sessions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/os.h"
#include "tenant/admin.h"
#include "tenant/session.h"
#include "tenant/user.h"

#define PASSWORD "correct horse battery"
#define HOME "192.0.2.10"
#define ELSEWHERE "198.51.100.7"
#define MINUTES_MS(n) (INT64_C(60000) * (n))
#define DAYS_MS(n) (INT64_C(86400000) * (n))

struct bed {
    char dir[64];
    char path[128];
    struct state *state;
    struct tenant *tenant;
    struct throttle *throttle;
    unix_ms now;
    mono_ns now_mono;
};

static inline int bed_setup(void **state)
{
    struct bed *bed = heap_alloc(HEAP_MISC, sizeof(*bed));
    snprintf(bed->dir, sizeof(bed->dir), "/tmp/weir-people-XXXXXX");
    assert_non_null(mkdtemp(bed->dir));
    snprintf(bed->path, sizeof(bed->path), "%s/state.db", bed->dir);
    assert_int_equal(state_open(bed->path, &bed->state, NULL), RC_OK);
    assert_int_equal(tenant_open(bed->state, &bed->tenant, NULL), RC_OK);
    bed->throttle = throttle_new();
    bed->now = (unix_ms){INT64_C(1764000000000)};
    bed->now_mono = (mono_ns){INT64_C(1000000000000)};
    *state = bed;
    return 0;
}

static inline int bed_teardown(void **state)
{
    struct bed *bed = *state;
    throttle_free(bed->throttle);
    tenant_close(bed->tenant);
    state_close(bed->state);
    assert_int_equal(os_remove_tree(bed->dir, NULL), RC_OK);
    heap_free(bed);
    return 0;
}

/* Moves both clocks. */
static inline void bed_pass(struct bed *bed, int64_t ms)
{
    bed->now.ms += ms;
    bed->now_mono = mono_add_ms(bed->now_mono, ms);
}

static inline struct password_hash bed_hash(const char *password)
{
    struct password_hash hash;
    assert_int_equal(password_hash(slice_str(password), &hash, NULL), RC_OK);
    return hash;
}

/* Hashing costs; most tests do with the hash of PASSWORD that the first one made. */
static inline const struct password_hash *bed_hash_of_password(void)
{
    static struct password_hash hash;
    if (hash.text[0] == 0)
        hash = bed_hash(PASSWORD);
    return &hash;
}

static inline struct user bed_user(struct bed *bed, const char *email)
{
    struct user user;
    assert_int_equal(user_create(bed->state, slice_str(email), SLICE_LIT("Ada"),
                                 bed_hash_of_password(), bed->now, &user, NULL),
                     RC_OK);
    return user;
}

static inline struct session bed_session(struct bed *bed, const struct user *user,
                                         const char *address, struct token *ret_token)
{
    struct session session;
    assert_int_equal(session_create(bed->state, &user->id, SESSION_PASSWORD, slice_str(address),
                                    SLICE_LIT("test"), bed->now, ret_token, &session, NULL),
                     RC_OK);
    return session;
}

static inline enum rc bed_find(struct bed *bed, const struct token *token)
{
    struct session session;
    return session_find(bed->state, slice_str(token->text), bed->now, &session, NULL);
}

static inline struct login bed_check(struct bed *bed, const char *email, const char *password,
                                     const char *second_factor, const char *address)
{
    struct login login;
    struct login_attempt attempt = {.email = slice_str(email),
                                    .password = slice_str(password),
                                    .second_factor = slice_str(second_factor),
                                    .address = slice_str(address),
                                    .now = bed->now,
                                    .now_mono = bed->now_mono};
    assert_int_equal(user_login_check(bed->state, bed->throttle, &attempt, &login, NULL), RC_OK);
    return login;
}

/* The whole login; not LOGIN_OK if it was overtaken. */
static inline enum login_answer bed_login(struct bed *bed, const char *email, const char *password,
                                          const char *second_factor, const char *address)
{
    struct login login = bed_check(bed, email, password, second_factor, address);
    enum login_answer answer = login.answer;
    if (answer == LOGIN_OK) {
        enum rc rc = user_login_accept(bed->state, bed->throttle, &login, bed->now, NULL);
        assert_true(rc == RC_OK || rc == RC_UNAUTHORIZED);
        answer = rc == RC_OK ? LOGIN_OK : LOGIN_WRONG;
    }
    user_login_done(&login);
    return answer;
}

struct code {
    char text[TOTP_DIGITS + 1];
};
static inline struct code bed_code(const struct totp_secret *secret, unix_ms now)
{
    struct code code;
    snprintf(code.text, sizeof(code.text), "%06u",
             (unsigned)totp_code(secret, (uint64_t)(now.ms / TOTP_STEP_MS)) % 1000000u);
    return code;
}

/* A confirmed second factor; the step of now is used up by it. */
static inline struct totp_secret bed_totp(struct bed *bed, const struct user *user,
                                          struct recovery_codes *ret_codes)
{
    struct totp_secret secret;
    assert_int_equal(user_totp_begin(bed->state, &user->id, &secret, NULL), RC_OK);
    assert_int_equal(user_totp_confirm(bed->state, &user->id,
                                       slice_str(bed_code(&secret, bed->now).text), bed->now,
                                       ret_codes, NULL),
                     RC_OK);
    return secret;
}
#endif
