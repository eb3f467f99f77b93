/* Identities at a provider, invitations by a proven address, and changes that are parts of others.
 */
#include "people_bed.h"

#include "tenant/identity.h"

#define ISSUER SLICE_LIT("https://login.example.org")

static struct ctx *bed_ctx(void)
{
    static struct ctx_pool *pool;
    static struct ctx *ctx;
    if (!ctx) {
        pool = ctx_pool_new();
        ctx = ctx_new_system(pool, 64 << 10, "test");
    }
    return ctx;
}

static void an_identity_is_one_person_s(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct uuid found;
    assert_int_equal(identity_find(bed->state, ISSUER, SLICE_LIT("1"), &found, NULL), RC_NOTFOUND);
    assert_int_equal(identity_add(bed->state, ISSUER, SLICE_LIT("1"), &ada.id, bed->now, NULL),
                     RC_OK);
    assert_int_equal(identity_add(bed->state, ISSUER, SLICE_LIT("1"), &eve.id, bed->now, NULL),
                     RC_EXISTS);
    assert_int_equal(identity_find(bed->state, ISSUER, SLICE_LIT("1"), &found, NULL), RC_OK);
    assert_memory_equal(&found, &ada.id, sizeof(found));
    assert_int_equal(identity_find(bed->state, SLICE_LIT("https://other.example.org"),
                                   SLICE_LIT("1"), &found, NULL),
                     RC_NOTFOUND);
    assert_int_equal(identity_find(bed->state, ISSUER, SLICE_LIT("1 "), &found, NULL), RC_NOTFOUND);
}

static void bed_invite(struct bed *bed, const struct uuid *org, const char *email)
{
    char org_text[UUID_TEXT_LEN + 1];
    struct token token;
    struct uuid id;
    assert_int_equal(tenant_invite(bed_ctx(), bed->tenant, slice_str(uuid_format(org, org_text)),
                                   slice_str(email), TENANT_ANALYST, TENANT_OWNER, &id, &token,
                                   NULL),
                     RC_OK);
}

static void a_proven_address_accepts_what_is_open_for_it(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org"), eve = bed_user(bed, "eve@example.org");
    struct uuid one, two, joined;
    struct slice ada_email = SLICE_LIT("ada@example.org");
    assert_int_equal(tenant_org_create(bed_ctx(), bed->tenant, "One", NULL, &one, NULL), RC_OK);
    assert_int_equal(tenant_org_create(bed_ctx(), bed->tenant, "Two", NULL, &two, NULL), RC_OK);
    bed_invite(bed, &one, "ada@example.org");
    bed_invite(bed, &two, "ada@example.org");
    assert_int_equal(
        tenant_invitation_accept_email(bed_ctx(), bed->tenant, ada_email, &eve.id, &joined, NULL),
        RC_FORBIDDEN);
    assert_int_equal(
        tenant_invitation_accept_email(bed_ctx(), bed->tenant, ada_email, &ada.id, &joined, NULL),
        RC_OK);
    assert_memory_equal(&joined, &one, sizeof(one));
    assert_int_equal(
        tenant_invitation_accept_email(bed_ctx(), bed->tenant, ada_email, &ada.id, &joined, NULL),
        RC_OK);
    assert_memory_equal(&joined, &two, sizeof(two));
    assert_int_equal(
        tenant_invitation_accept_email(bed_ctx(), bed->tenant, ada_email, &ada.id, &joined, NULL),
        RC_NOTFOUND);
}

static void a_code_proves_once(void **state)
{
    struct bed *bed = *state;
    struct user ada = bed_user(bed, "ada@example.org");
    struct recovery_codes codes;
    assert_int_equal(
        user_second_factor_use(bed->state, &ada.id, SLICE_LIT("123456"), bed->now, NULL),
        RC_UNAUTHORIZED);
    struct totp_secret secret = bed_totp(bed, &ada, &codes);
    bed_pass(bed, 2 * TOTP_STEP_MS);
    struct code code = bed_code(&secret, bed->now);
    assert_int_equal(
        user_second_factor_use(bed->state, &ada.id, SLICE_LIT("12345"), bed->now, NULL),
        RC_UNAUTHORIZED);
    assert_int_equal(
        user_second_factor_use(bed->state, &ada.id, slice_str(code.text), bed->now, NULL), RC_OK);
    assert_int_equal(
        user_second_factor_use(bed->state, &ada.id, slice_str(code.text), bed->now, NULL),
        RC_UNAUTHORIZED);
    struct slice recovery = slice_str(codes.text[3]);
    assert_int_equal(user_second_factor_use(bed->state, &ada.id, recovery, bed->now, NULL), RC_OK);
    assert_int_equal(user_second_factor_use(bed->state, &ada.id, recovery, bed->now, NULL),
                     RC_UNAUTHORIZED);
    struct user eve = bed_user(bed, "eve@example.org");
    bed_totp(bed, &eve, &codes);
    assert_int_equal(
        user_second_factor_use(bed->state, &ada.id, slice_str(codes.text[0]), bed->now, NULL),
        RC_UNAUTHORIZED);
}

/* ---- parts ---- */
struct parts {
    struct bed *bed;
    enum rc inner, outer; /* what the bodies return */
};

static enum rc add_one(struct parts *p, const char *email, struct err *err)
{
    struct user user;
    return user_create(p->bed->state, slice_str(email), SLICE_LIT("Part"), NULL, p->bed->now, &user,
                       err);
}

static enum rc inner_body(void *arg, struct state *s, struct err *err)
{
    struct parts *p = arg;
    (void)s;
    TRY(add_one(p, "inner@example.org", err));
    return p->inner;
}

static enum rc outer_body(void *arg, struct state *s, struct err *err)
{
    struct parts *p = arg;
    TRY(add_one(p, "before@example.org", err));
    assert_int_equal(state_transaction(s, inner_body, p, err), p->inner);
    TRY(add_one(p, "after@example.org", err));
    return p->outer;
}

static bool is_there(struct bed *bed, const char *email)
{
    struct user user;
    return user_find_by_email(bed->state, slice_str(email), &user, NULL) == RC_OK;
}

static void a_part_is_undone_alone_and_with_the_whole(void **state)
{
    struct bed *bed = *state;
    struct parts p = {.bed = bed, .inner = RC_OK, .outer = RC_NOSPACE};
    assert_int_equal(state_transaction(bed->state, outer_body, &p, NULL), RC_NOSPACE);
    assert_false(is_there(bed, "before@example.org") || is_there(bed, "inner@example.org"));
    p = (struct parts){.bed = bed, .inner = RC_NOSPACE, .outer = RC_OK};
    assert_int_equal(state_transaction(bed->state, outer_body, &p, NULL), RC_OK);
    assert_true(is_there(bed, "before@example.org") && is_there(bed, "after@example.org"));
    assert_false(is_there(bed, "inner@example.org"));
    assert_int_equal(state_transaction(bed->state, inner_body, &(struct parts){.bed = bed}, NULL),
                     RC_OK);
    assert_true(is_there(bed, "inner@example.org"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_identity_is_one_person_s),
        TEST(a_proven_address_accepts_what_is_open_for_it),
        TEST(a_code_proves_once),
        TEST(a_part_is_undone_alone_and_with_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
