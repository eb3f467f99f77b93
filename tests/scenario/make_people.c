/* Accounts, members and live sessions in a state database that a server may be using: what the
 * scenarios of access need people for, without going through a login.
 *
 *   make_people STATE.DB EMAIL[,ORG=ROLE]...        WEIR_TEST_PASSWORD: of each account
 *   [{"id":"...","email":"...","session":"...","csrf":"..."},...] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "tenant/admin.h"
#include "tenant/session.h"
#include "tenant/user.h"

enum { ARENA_BYTES_MAX = 1 << 20 };

struct bed {
    struct state *state;
    struct tenant *tenant;
    struct ctx *ctx;
    const char *password;
    struct err err;
};

static enum rc find_or_create(struct bed *b, struct slice email, struct user *ret)
{
    struct password_hash hash;
    enum rc rc = user_find_by_email(b->state, email, ret, &b->err);
    if (rc != RC_NOTFOUND)
        return rc;
    if (b->password)
        TRY(password_hash(slice_str(b->password), &hash, &b->err));
    return user_create(b->state, email, SLICE_LIT("Test Person"), b->password ? &hash : NULL,
                       unix_now(), ret, &b->err);
}

static enum rc join(struct bed *b, const struct user *user, struct slice membership)
{
    struct slice role_text = membership, org_text = slice_cut(&role_text, '=');
    struct uuid org;
    enum tenant_role role;
    if (!uuid_parse(org_text, &org) || !tenant_role_parse(role_text, &role))
        return err_set(&b->err, RC_INVALID, "ORG=ROLE, not '%.*s'", SLICE_ARG(membership));
    return tenant_member_add(b->ctx, b->tenant, &org, &user->id, role, &b->err);
}

static enum rc make_one(struct bed *b, const char *arg)
{
    struct slice rest = slice_str(arg), email = slice_cut(&rest, ',');
    struct user user;
    struct session session;
    struct token token, csrf;
    char id[UUID_TEXT_LEN + 1];
    TRY(find_or_create(b, email, &user));
    while (rest.len)
        TRY(join(b, &user, slice_cut(&rest, ',')));
    TRY(session_create(b->state, &user.id, SESSION_PASSWORD, SLICE_LIT("127.0.0.1"),
                       SLICE_LIT("scenario"), unix_now(), &token, &session, &b->err));
    session_csrf_token(slice_str(token.text), &csrf);
    printf("{\"id\":\"%s\",\"email\":\"%s\",\"session\":\"%s\",\"csrf\":\"%s\"}",
           uuid_format(&user.id, id), user.email, token.text, csrf.text);
    return RC_OK;
}

int main(int argc, char **argv)
{
    struct bed b = {.password = getenv("WEIR_TEST_PASSWORD")};
    struct ctx_pool *pool = ctx_pool_new();
    enum rc rc = argc < 3 ? err_set(&b.err, RC_INVALID, "make_people STATE.DB EMAIL[,ORG=ROLE]...")
                          : state_open(argv[1], &b.state, &b.err);
    if (rc == RC_OK)
        rc = tenant_open(b.state, &b.tenant, &b.err);
    b.ctx = ctx_new_system(pool, ARENA_BYTES_MAX, "make_people");
    must(b.ctx);
    printf("[");
    for (int i = 2; i < argc && rc == RC_OK; i++) {
        printf("%s", i > 2 ? "," : "");
        rc = make_one(&b, argv[i]);
    }
    printf("]\n");
    if (rc != RC_OK)
        fprintf(stderr, "make_people: %s\n", b.err.text);
    tenant_close(b.tenant);
    state_close(b.state);
    ctx_release(b.ctx);
    ctx_pool_free(pool);
    return rc == RC_OK ? 0 : 1;
}
