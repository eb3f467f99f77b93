/* Projects and keys over a real SQLite file: looked up, revoked, seen by another process's view. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/os.h"
#include "tenant/admin.h"
#include "tenant/tenant_int.h"

struct fixture {
    char dir[64];
    char path[128];
    struct state *state;
    struct tenant *tenant;
    struct ctx_pool *pool;
    struct ctx *ctx;
};

static int setup(void **state)
{
    struct fixture *f = heap_alloc(HEAP_MISC, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/weir-tenant-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->dir);
    assert_int_equal(state_open(f->path, &f->state, NULL), RC_OK);
    assert_int_equal(tenant_open(f->state, &f->tenant, NULL), RC_OK);
    f->pool = ctx_pool_new();
    f->ctx = ctx_new_system(f->pool, 1 << 20, "test");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ctx_release(f->ctx);
    ctx_pool_free(f->pool);
    tenant_close(f->tenant);
    state_close(f->state);
    assert_int_equal(os_remove_tree(f->dir, NULL), RC_OK);
    heap_free(f);
    return 0;
}

static struct uuid make_project(struct fixture *f, const char *name)
{
    struct uuid org, project;
    if (tenant_org_first(f->tenant, &org, NULL) != RC_OK)
        assert_int_equal(tenant_org_create(f->ctx, f->tenant, "o", NULL, &org, NULL), RC_OK);
    assert_int_equal(tenant_project_create(f->ctx, f->tenant, &org, name, &project, NULL), RC_OK);
    return project;
}

static struct tenant_key_made make_key(struct fixture *f, const struct uuid *project,
                                       enum tenant_key_kind kind)
{
    struct tenant_key_made made;
    const struct tenant_key_spec spec = {
        .kind = kind, .name = "k", .grantable = tenant_key_scopes_max(kind)};
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, project, &spec, &made, NULL), RC_OK);
    return made;
}

static bool finds(struct tenant *t, const char *text, enum tenant_permission needed,
                  const struct uuid *project)
{
    struct tenant_view *v = tenant_view_take(t);
    const struct tenant_key *k = tenant_key_find(v, slice_str(text), unix_now());
    bool is_found = k && tenant_may(k->scopes, needed) &&
                    memcmp(&k->project->id, project, sizeof(*project)) == 0;
    tenant_view_give(v);
    return is_found;
}

static void keys_find_their_project_only(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), b = make_project(f, "b");
    struct tenant_key_made write_a = make_key(f, &a, TENANT_KEY_WRITE),
                           secret_a = make_key(f, &a, TENANT_KEY_SECRET),
                           write_b = make_key(f, &b, TENANT_KEY_WRITE);
    assert_true(finds(f->tenant, write_a.text, TENANT_EVENTS_WRITE, &a));
    assert_true(finds(f->tenant, write_b.text, TENANT_EVENTS_WRITE, &b));
    assert_false(finds(f->tenant, write_b.text, TENANT_EVENTS_WRITE, &a));
    assert_true(finds(f->tenant, secret_a.text, TENANT_STATS_READ, &a));
    assert_false(finds(f->tenant, write_a.text, TENANT_STATS_READ, &a));
    assert_false(finds(f->tenant, secret_a.text, TENANT_EVENTS_WRITE, &a));
    assert_false(finds(f->tenant, "wk_00000000000000000000000000000000", TENANT_EVENTS_WRITE, &a));
    assert_false(finds(f->tenant, "", TENANT_EVENTS_WRITE, &a));
}

static void revoked_keys_are_gone(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), b = make_project(f, "b"), project, id;
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_SECRET);
    char a_text[UUID_TEXT_LEN + 1], b_text[UUID_TEXT_LEN + 1];
    uuid_format(&a, a_text);
    uuid_format(&b, b_text);
    assert_int_equal(
        tenant_key_revoke(f->ctx, f->tenant, slice_str(b_text), slice_str(k.id_text), NULL),
        RC_NOTFOUND); /* another project's */
    assert_true(finds(f->tenant, k.text, TENANT_STATS_READ, &a));
    assert_int_equal(tenant_key_find_any(f->tenant, slice_str(k.text), &project, &id, NULL), RC_OK);
    assert_memory_equal(&project, &a, sizeof(a));
    assert_memory_equal(&id, &k.id, sizeof(id));
    assert_int_equal(
        tenant_key_revoke(f->ctx, f->tenant, slice_str(a_text), slice_str(k.id_text), NULL), RC_OK);
    assert_false(finds(f->tenant, k.text, TENANT_STATS_READ, &a));
    assert_int_equal(
        tenant_key_revoke(f->ctx, f->tenant, slice_str(a_text), slice_str(k.id_text), NULL),
        RC_NOTFOUND);
}

static void scopes_are_no_more_than_the_giver_s(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct tenant_key_made made;
    struct err err = ERR_INIT;
    struct tenant_key_spec spec = {.kind = TENANT_KEY_SECRET, .name = "k"};
    assert_int_equal(
        tenant_permissions_parse(SLICE_LIT("stats:read webhooks:write"), &spec.scopes, NULL),
        RC_OK);
    spec.grantable = UINT64_C(1) << TENANT_STATS_READ;
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &spec, &made, &err), RC_FORBIDDEN);
    assert_non_null(strstr(err.text, "webhooks:write"));
    assert_null(strstr(err.text, "stats:read"));
    spec.grantable = tenant_role_permissions(TENANT_OWNER);
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &spec, &made, &err), RC_OK);
    assert_true(finds(f->tenant, made.text, TENANT_WEBHOOKS_WRITE, &a));
    assert_false(finds(f->tenant, made.text, TENANT_SECRETS_READ, &a));
    spec.kind = TENANT_KEY_WRITE; /* a public key never reads */
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &spec, &made, &err), RC_INVALID);
    assert_int_equal(tenant_permissions_parse(SLICE_LIT("stats:reed"), &spec.scopes, &err),
                     RC_INVALID);
    assert_non_null(strstr(err.text, "stats:reed"));
}

static void keys_expire_and_rotate_with_an_overlap(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    char a_text[UUID_TEXT_LEN + 1];
    struct tenant_key_made old = make_key(f, &a, TENANT_KEY_SECRET), fresh;
    uuid_format(&a, a_text);
    assert_int_equal(tenant_key_rotate(f->ctx, f->tenant, slice_str(a_text), slice_str(old.id_text),
                                       tenant_key_scopes_max(TENANT_KEY_SECRET), 3600000, &fresh,
                                       NULL),
                     RC_OK);
    assert_string_not_equal(old.text, fresh.text);
    struct tenant_view *v = tenant_view_take(f->tenant);
    unix_ms now = unix_now(), in_two_hours = {now.ms + 7200000};
    assert_non_null(tenant_key_find(v, slice_str(old.text), now));
    assert_non_null(tenant_key_find(v, slice_str(fresh.text), now));
    assert_null(tenant_key_find(v, slice_str(old.text), in_two_hours));
    assert_non_null(tenant_key_find(v, slice_str(fresh.text), in_two_hours));
    tenant_view_give(v);
    assert_int_equal(tenant_key_rotate(f->ctx, f->tenant, slice_str(a_text), slice_str(old.id_text),
                                       0, 0, &fresh, NULL),
                     RC_FORBIDDEN); /* who rotates must be able to give its scopes */
    const struct tenant_key_spec past = {.kind = TENANT_KEY_SECRET,
                                         .name = "k",
                                         .grantable = tenant_key_scopes_max(TENANT_KEY_SECRET),
                                         .expires_at = {1}};
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &past, &fresh, NULL), RC_INVALID);
}

static void a_key_that_is_rotated_keeps_its_own_end(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct tenant_key_made old, fresh;
    char a_text[UUID_TEXT_LEN + 1];
    unix_ms now = unix_now();
    const struct tenant_key_spec spec = {.kind = TENANT_KEY_SECRET,
                                         .name = "k",
                                         .grantable = tenant_key_scopes_max(TENANT_KEY_SECRET),
                                         .expires_at = {now.ms + 60000}};
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &spec, &old, NULL), RC_OK);
    assert_int_equal(tenant_key_rotate(f->ctx, f->tenant, slice_str(uuid_format(&a, a_text)),
                                       slice_str(old.id_text), spec.grantable, 3600000, &fresh,
                                       NULL),
                     RC_OK);
    struct tenant_view *v = tenant_view_take(f->tenant);
    assert_non_null(tenant_key_find(v, slice_str(old.text), now));
    assert_null(tenant_key_find(v, slice_str(old.text), (unix_ms){now.ms + 60001}));
    tenant_view_give(v);
}

static enum rc count_events(void *ctx, const struct state_row *row)
{
    *(int64_t *)ctx = state_row_i64(row, 0);
    return RC_OK;
}

static void a_patch_without_members_is_no_change(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), org;
    int64_t before = 0, after = 0;
    char a_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    const char *count = "SELECT count(*) FROM audit_outbox";
    assert_int_equal(tenant_org_first(f->tenant, &org, NULL), RC_OK);
    uuid_format(&org, org_text);
    assert_int_equal(state_run(f->state, count, NULL, 0, count_events, &before, NULL), RC_OK);
    assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_PROJECT, slice_str(org_text),
                                   slice_str(uuid_format(&a, a_text)), SLICE_LIT("{}"), NULL),
                     RC_OK);
    assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_ISSUER, slice_str(org_text),
                                   SLICE_LIT("not there"), SLICE_LIT("{}"), NULL),
                     RC_OK);
    assert_int_equal(state_run(f->state, count, NULL, 0, count_events, &after, NULL), RC_OK);
    assert_int_equal(after, before);
}

static void the_checksum_tells_a_key_from_a_look_alike(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    for (int kind = TENANT_KEY_WRITE; kind <= TENANT_KEY_SECRET; kind++) {
        struct tenant_key_made k = make_key(f, &a, (enum tenant_key_kind)kind);
        size_t len = strlen(k.text);
        assert_true(tenant_key_is_genuine(slice_str(k.text)));
        for (size_t i = 0; i < len; i++) {
            char other[TENANT_KEY_TEXT_MAX];
            memcpy(other, k.text, len + 1);
            other[i] = other[i] == 'x' ? 'y' : 'x';
            assert_false(tenant_key_is_genuine(slice_str(other)));
        }
        assert_false(tenant_key_is_genuine(slice_of(k.text, len - 1)));
    }
}

static void origins_are_the_key_s_or_the_project_s(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), org;
    char a_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_WRITE);
    struct err err = ERR_INIT;
    uuid_format(&a, a_text);
    assert_int_equal(tenant_org_first(f->tenant, &org, NULL), RC_OK);
    uuid_format(&org, org_text);
    const struct {
        enum tenant_entity entity;
        const char *parent, *id, *patch, *allowed, *refused;
    } steps[] = {
        {TENANT_PROJECT, org_text, a_text, "{\"allowed_origins\":[\"https://a.example\"]}",
         "https://a.example", "https://b.example"},
        {TENANT_KEY, a_text, k.id_text,
         "{\"allowed_origins\":[\"https://b.example\",\"https://c.example:8443\"]}",
         "https://c.example:8443", "https://a.example"},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(tenant_update(f->ctx, f->tenant, steps[i].entity,
                                       slice_str(steps[i].parent), slice_str(steps[i].id),
                                       slice_str(steps[i].patch), &err),
                         RC_OK);
        struct tenant_view *v = tenant_view_take(f->tenant);
        const struct tenant_key *key = tenant_key_find(v, slice_str(k.text), unix_now());
        assert_true(tenant_key_allows(key, slice_str(steps[i].allowed)));
        assert_false(tenant_key_allows(key, slice_str(steps[i].refused)));
        assert_false(tenant_key_allows(key, SLICE_LIT("https://a.example.evil")));
        assert_true(tenant_key_allows(key, SLICE_EMPTY));
        tenant_view_give(v);
    }
}

static void patches_set_what_may_be_set(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), org, other_org;
    char a_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1], other_text[UUID_TEXT_LEN + 1];
    struct buf out;
    uuid_format(&a, a_text);
    assert_int_equal(tenant_org_first(f->tenant, &org, NULL), RC_OK);
    assert_int_equal(tenant_org_create(f->ctx, f->tenant, "other", NULL, &other_org, NULL), RC_OK);
    uuid_format(&org, org_text);
    uuid_format(&other_org, other_text);
    static const struct {
        const char *patch, *names;
    } refused[] = {
        {"{\"org_id\":\"x\"}", "org_id"},
        {"{\"jwt_secret\":\"x\"}", "jwt_secret"},
        {"{\"archived_at\":null}", "archived_at"},
        {"{\"id\":\"x\"}", "id"},
        {"{\"name\":\"\"}", "name"},
        {"{\"name\":1}", "name"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "twice"},
        {"{\"time_zone\":\"Mars/Base\"}", "Mars"},
        {"{\"time_zone\":\"../etc/passwd\"}", "time_zone"},
        {"{\"allowed_origins\":[\"https://a.example/path\"]}", "allowed_origins"},
        {"{\"allowed_origins\":\"https://a.example\"}", "list"},
        {"{\"retention_days\":-1}", "retention_days"},
        {"{\"retention_days\":1.5}", "retention"},
        {"{\"privacy_mode\":\"none\"}", "privacy_mode"},
        {"[]", "object"},
        {"{", ""},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_PROJECT, slice_str(org_text),
                                       slice_str(a_text), slice_str(refused[i].patch), &err),
                         RC_INVALID);
        assert_non_null(strstr(err.text, refused[i].names));
    }
    const char *good = "{\"name\":\"b\",\"time_zone\":\"Europe/Berlin\",\"domains\":[\"a.example\","
                       "\"b.example\"],\"retention_days\":30,\"bot_policy\":\"drop\"}";
    assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_PROJECT, slice_str(other_text),
                                   slice_str(a_text), slice_str(good), NULL),
                     RC_NOTFOUND); /* another organisation's */
    assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_PROJECT, slice_str(org_text),
                                   slice_str(a_text), slice_str(good), NULL),
                     RC_OK);
    buf_init(&out, 1 << 20);
    assert_int_equal(
        tenant_show(f->state, TENANT_PROJECT, slice_str(other_text), slice_str(a_text), &out, NULL),
        RC_NOTFOUND);
    assert_int_equal(out.len, 0);
    assert_int_equal(
        tenant_show(f->state, TENANT_PROJECT, slice_str(org_text), slice_str(a_text), &out, NULL),
        RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "\"name\":\"b\",\"time_zone\":\"Europe/Berlin\","
                                           "\"domains\":[\"a.example\",\"b.example\"]"));
    assert_non_null(strstr(buf_cstr(&out), "\"retention_days\":30"));
    assert_null(strstr(buf_cstr(&out), "secret"));
    buf_done(&out);
}

static void an_archived_project_s_keys_are_refused(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a"), org;
    char a_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_WRITE);
    assert_int_equal(tenant_org_first(f->tenant, &org, NULL), RC_OK);
    assert_int_equal(tenant_project_archive(f->ctx, f->tenant,
                                            slice_str(uuid_format(&org, org_text)),
                                            slice_str(uuid_format(&a, a_text)), NULL),
                     RC_OK);
    assert_false(finds(f->tenant, k.text, TENANT_EVENTS_WRITE, &a));
    const struct tenant_key_spec spec = {.name = "k", .grantable = ~UINT64_C(0)};
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &a, &spec, &k, NULL), RC_NOTFOUND);
}

/* ---- members ---- */
static struct uuid make_user(struct fixture *f, const char *email)
{
    struct uuid id = uuid_v7(unix_now());
    char text[UUID_TEXT_LEN + 1];
    assert_int_equal(
        state_run(f->state,
                  "INSERT INTO users (id, email, name, created_at) VALUES (?1, ?2, ?2, 1)",
                  (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_STR(email)}, 2,
                  NULL, NULL, NULL),
        RC_OK);
    return id;
}

static enum tenant_role role_of(struct fixture *f, const char *org, const char *user)
{
    enum tenant_role role;
    enum rc rc = tenant_member_role_of(f->state, slice_str(org), slice_str(user), &role, NULL);
    assert_true(rc == RC_OK || rc == RC_NOTFOUND);
    return role;
}

static void an_organisation_keeps_an_owner(void **state)
{
    struct fixture *f = *state;
    struct uuid ann = make_user(f, "ann@example.com"), bob = make_user(f, "bob@example.com"), org;
    char ann_text[UUID_TEXT_LEN + 1], bob_text[UUID_TEXT_LEN + 1], org_text[UUID_TEXT_LEN + 1];
    struct ctx *c = f->ctx;
    struct tenant *t = f->tenant;
    uuid_format(&ann, ann_text);
    uuid_format(&bob, bob_text);
    assert_int_equal(tenant_org_create(c, t, "o", &ann, &org, NULL), RC_OK);
    uuid_format(&org, org_text);
    struct slice o = slice_str(org_text), a = slice_str(ann_text), b = slice_str(bob_text);
    assert_int_equal(role_of(f, org_text, ann_text), TENANT_OWNER);
    assert_int_equal(tenant_member_remove(c, t, o, a, TENANT_OWNER, NULL), RC_CONFLICT);
    assert_int_equal(tenant_member_role(c, t, o, a, TENANT_ADMIN, TENANT_OWNER, NULL), RC_CONFLICT);
    assert_int_equal(tenant_member_add(c, t, &org, &bob, TENANT_ADMIN, NULL), RC_OK);
    assert_int_equal(tenant_member_add(c, t, &org, &bob, TENANT_ADMIN, NULL), RC_EXISTS);
    assert_int_equal(tenant_member_role(c, t, o, b, TENANT_OWNER, TENANT_ADMIN, NULL),
                     RC_FORBIDDEN); /* an admin makes no owners, himself included */
    assert_int_equal(tenant_member_remove(c, t, o, a, TENANT_ADMIN, NULL), RC_FORBIDDEN);
    assert_int_equal(tenant_owner_transfer(c, t, o, b, a, NULL), RC_FORBIDDEN);
    assert_int_equal(tenant_owner_transfer(c, t, o, a, b, NULL), RC_OK);
    assert_int_equal(role_of(f, org_text, ann_text), TENANT_ADMIN);
    assert_int_equal(role_of(f, org_text, bob_text), TENANT_OWNER);
    assert_int_equal(tenant_member_remove(c, t, o, a, TENANT_OWNER, NULL), RC_OK);
    assert_int_equal(role_of(f, org_text, ann_text), TENANT_NO_ROLE);
    assert_int_equal(tenant_owner_transfer(c, t, o, b, a, NULL), RC_NOTFOUND);
    assert_int_equal(role_of(f, org_text, bob_text), TENANT_OWNER); /* rolled back whole */
}

static void an_invitation_works_once_and_for_its_address(void **state)
{
    struct fixture *f = *state;
    struct uuid ann = make_user(f, "ann@example.com"), bob = make_user(f, "bob@example.com"), org,
                id, joined;
    char org_text[UUID_TEXT_LEN + 1], bob_text[UUID_TEXT_LEN + 1];
    struct token first, second;
    struct ctx *c = f->ctx;
    struct tenant *t = f->tenant;
    struct slice email = SLICE_LIT("bob@example.com");
    assert_int_equal(tenant_org_create(c, t, "o", &ann, &org, NULL), RC_OK);
    struct slice o = slice_str(uuid_format(&org, org_text));
    assert_int_equal(tenant_invite(c, t, o, email, TENANT_OWNER, TENANT_ADMIN, &id, &first, NULL),
                     RC_FORBIDDEN);
    assert_int_equal(tenant_invite(c, t, o, SLICE_LIT("Bob@Example.com"), TENANT_VIEWER,
                                   TENANT_OWNER, &id, &first, NULL),
                     RC_INVALID);
    assert_int_equal(tenant_invite(c, t, o, email, TENANT_VIEWER, TENANT_OWNER, &id, &first, NULL),
                     RC_OK);
    assert_int_equal(
        tenant_invite(c, t, o, email, TENANT_ANALYST, TENANT_OWNER, &id, &second, NULL), RC_OK);
    assert_int_equal(tenant_invitation_accept(c, t, slice_str(first.text), &bob, &joined, NULL),
                     RC_NOTFOUND); /* replaced by the second */
    assert_int_equal(tenant_invitation_accept(c, t, slice_str(second.text), &ann, &joined, NULL),
                     RC_FORBIDDEN);
    assert_int_equal(tenant_invitation_accept(c, t, slice_str(second.text), &bob, &joined, NULL),
                     RC_OK);
    assert_memory_equal(&joined, &org, sizeof(org));
    assert_int_equal(role_of(f, org_text, uuid_format(&bob, bob_text)), TENANT_ANALYST);
    assert_int_equal(tenant_invitation_accept(c, t, slice_str(second.text), &bob, &joined, NULL),
                     RC_NOTFOUND);
    assert_int_equal(tenant_invite(c, t, o, email, TENANT_VIEWER, TENANT_OWNER, &id, &first, NULL),
                     RC_EXISTS);
}

/* ---- audit ---- */
struct published {
    struct buf text; /* values by lines */
    uint32_t count, refuse_from;
};

static enum rc publish(void *ctx, struct slice key, struct slice value)
{
    struct published *p = ctx;
    (void)key;
    if (p->count == p->refuse_from)
        return RC_BUSY;
    p->count++;
    buf_add_slice(&p->text, value);
    buf_add_char(&p->text, '\n');
    return RC_OK;
}

static uint32_t drain(struct fixture *f, struct published *p)
{
    uint32_t all = 0, n;
    do {
        enum rc rc = tenant_outbox_drain(f->state, publish, p, &n, NULL);
        all += n;
        if (rc != RC_OK)
            break;
    } while (n);
    return all;
}

static void every_change_leaves_an_event_and_a_failed_one_none(void **state)
{
    struct fixture *f = *state;
    struct published p = {.refuse_from = UINT32_MAX};
    buf_init(&p.text, 1 << 20);
    f->ctx->reason = SLICE_LIT("ticket 7");
    struct uuid a = make_project(f, "a"); /* an organisation and a project */
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_SECRET);
    char a_text[UUID_TEXT_LEN + 1];
    struct slice project = slice_str(uuid_format(&a, a_text));
    assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_KEY, project, slice_str(k.id_text),
                                   SLICE_LIT("{\"name\":\"new name\"}"), NULL),
                     RC_OK);
    assert_int_equal(tenant_key_revoke(f->ctx, f->tenant, project, slice_str(k.id_text), NULL),
                     RC_OK);
    assert_int_equal(tenant_key_revoke(f->ctx, f->tenant, project, slice_str(k.id_text), NULL),
                     RC_NOTFOUND);
    p.refuse_from = 3; /* the stream is full for a while */
    assert_int_equal(drain(f, &p), 3);
    p.refuse_from = UINT32_MAX;
    assert_int_equal(drain(f, &p), 2);
    assert_int_equal(drain(f, &p), 0);
    const char *text = buf_cstr(&p.text);
    static const char *const wanted[] = {
        "\"action\":\"organisation.create\"",
        "\"action\":\"project.create\"",
        "\"action\":\"key.create\"",
        "\"action\":\"key.update\"",
        "\"action\":\"key.revoke\"",
        "\"reason\":\"ticket 7\"",
        "\"name\":\"new name\"",
        "\"authtype\":\"system\"",
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_non_null(strstr(text, wanted[i]));
    const char *update = strstr(text, "key.update");
    assert_true(strstr(update, "\"before\":") < strstr(update, "\"after\":"));
    assert_null(strstr(text, k.text));
    assert_null(strstr(text, "hash"));
    buf_done(&p.text);
}

/* Another thread or process was ahead of this one's clock and count. */
static void events_go_out_in_the_order_of_their_changes(void **state)
{
    static const char *const ahead[] = {"7fffffff-ffff-7123-bfff-ffffffffffff",
                                        "7fffffff-ffff-7fff-bfff-ffffffffffff"};
    static const char *const names[] = {"\"n1\"", "\"n2\"", "\"n3\"", "\"n4\""};
    struct fixture *f = *state;
    char org_text[UUID_TEXT_LEN + 1];
    struct uuid org;
    assert_int_equal(tenant_org_create(f->ctx, f->tenant, "o", NULL, &org, NULL), RC_OK);
    uuid_format(&org, org_text);
    for (size_t i = 0; i < COUNT_OF(ahead); i++) {
        struct published p = {.refuse_from = UINT32_MAX};
        buf_init(&p.text, 1 << 20);
        drain(f, &p);
        buf_clear(&p.text);
        assert_int_equal(
            state_run(f->state, "INSERT INTO audit_outbox (id, org_id, value) VALUES (?1, '', ?2)",
                      (struct state_value[]){STATE_STR(ahead[i]), STATE_BYTES("ahead", 5)}, 2, NULL,
                      NULL, NULL),
            RC_OK);
        for (size_t k = 0; k < 2; k++) {
            char patch[32];
            snprintf(patch, sizeof(patch), "{\"name\":%s}", names[2 * i + k]);
            assert_int_equal(tenant_update(f->ctx, f->tenant, TENANT_ORG, SLICE_EMPTY,
                                           slice_str(org_text), slice_str(patch), NULL),
                             RC_OK);
        }
        assert_int_equal(drain(f, &p), 3);
        const char *first = strstr(buf_cstr(&p.text), "ahead\n"),
                   *second = strstr(buf_cstr(&p.text), names[2 * i]),
                   *third = strstr(buf_cstr(&p.text), names[2 * i + 1]);
        assert_true(first && second && third && first < second && second < third);
        buf_done(&p.text);
    }
}

static void last_use_is_written_down(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    char a_text[UUID_TEXT_LEN + 1];
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_SECRET);
    struct tenant_view *v = tenant_view_take(f->tenant);
    struct buf out;
    tenant_key_used(tenant_key_find(v, slice_str(k.text), unix_now()), unix_now());
    assert_int_equal(tenant_view_write_uses(v, f->state, NULL), RC_OK);
    tenant_view_give(v);
    buf_init(&out, 1 << 20);
    assert_int_equal(tenant_show(f->state, TENANT_KEY, slice_str(uuid_format(&a, a_text)),
                                 slice_str(k.id_text), &out, NULL),
                     RC_OK);
    assert_non_null(strstr(buf_cstr(&out), "\"last_used_at\":\"20"));
    buf_done(&out);
}

static void many_keys_stay_findable(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 300 };
    static struct tenant_key_made keys[KEYS];
    struct uuid a = make_project(f, "a");
    for (int i = 0; i < KEYS; i++)
        keys[i] = make_key(f, &a, TENANT_KEY_WRITE);
    for (int i = 0; i < KEYS; i++)
        assert_true(finds(f->tenant, keys[i].text, TENANT_EVENTS_WRITE, &a));
}

static void another_connection_s_change_is_seen(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct state *other_state;
    struct tenant *other;
    struct tenant_key_made k;
    const struct tenant_key_spec spec = {.name = "k",
                                         .grantable = tenant_key_scopes_max(TENANT_KEY_WRITE)};
    assert_int_equal(state_open(f->path, &other_state, NULL), RC_OK);
    assert_int_equal(tenant_open(other_state, &other, NULL), RC_OK);
    assert_int_equal(tenant_key_create(f->ctx, other, &a, &spec, &k, NULL), RC_OK);
    mono_ns deadline =
        mono_add_ms(mono_now(), 30000); /* promised: a second; the machine may be slow */
    while (!finds(f->tenant, k.text, TENANT_EVENTS_WRITE, &a) &&
           mono_is_before(mono_now(), deadline))
        sleep_ms(20);
    assert_true(finds(f->tenant, k.text, TENANT_EVENTS_WRITE, &a));
    tenant_close(other);
    state_close(other_state);
}

static void a_view_outlives_its_replacement(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "first");
    struct tenant_view *v = tenant_view_take(f->tenant);
    const struct tenant_project *p = tenant_by_id(v, &a);
    assert_non_null(p);
    make_project(f, "second");
    make_project(f, "third");
    assert_string_equal(p->name, "first");
    tenant_view_give(v);
}

static void no_secret_key_is_in_the_file(void **state)
{
    struct fixture *f = *state;
    struct uuid a = make_project(f, "a");
    struct tenant_key_made k = make_key(f, &a, TENANT_KEY_SECRET);
    struct buf all;
    const char *const names[] = {"state.db", "state.db-wal"};
    for (int i = 0; i < 2; i++) {
        char path[256];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        buf_init(&all, 64 << 20);
        if (os_exists(path)) {
            assert_int_equal(os_read_file(path, &all, NULL), RC_OK);
            assert_null(memmem(all.data, all.len, k.text, strlen(k.text)));
            assert_int_equal(stat(path, &st), 0);
            assert_int_equal(st.st_mode & 077, 0);
        }
        buf_done(&all);
    }
}

static void bad_names_are_refused(void **state)
{
    struct fixture *f = *state;
    struct uuid org, project = make_project(f, "a");
    struct err err = ERR_INIT;
    struct tenant_key_made k;
    struct tenant_key_spec spec = {.name = "", .grantable = ~UINT64_C(0)};
    assert_int_equal(tenant_org_create(f->ctx, f->tenant, "", NULL, &org, &err), RC_INVALID);
    assert_int_equal(tenant_org_create(f->ctx, f->tenant, "a\nb", NULL, &org, &err), RC_INVALID);
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &project, &spec, &k, &err), RC_INVALID);
    struct uuid nobody = uuid_v7(unix_now());
    spec.name = "k";
    assert_int_equal(tenant_key_create(f->ctx, f->tenant, &nobody, &spec, &k, &err), RC_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_find_their_project_only, setup, teardown),
        cmocka_unit_test_setup_teardown(revoked_keys_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(scopes_are_no_more_than_the_giver_s, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_expire_and_rotate_with_an_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_rotated_keeps_its_own_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_without_members_is_no_change, setup, teardown),
        cmocka_unit_test_setup_teardown(the_checksum_tells_a_key_from_a_look_alike, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(origins_are_the_key_s_or_the_project_s, setup, teardown),
        cmocka_unit_test_setup_teardown(patches_set_what_may_be_set, setup, teardown),
        cmocka_unit_test_setup_teardown(an_archived_project_s_keys_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_organisation_keeps_an_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(an_invitation_works_once_and_for_its_address, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_change_leaves_an_event_and_a_failed_one_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(events_go_out_in_the_order_of_their_changes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(last_use_is_written_down, setup, teardown),
        cmocka_unit_test_setup_teardown(many_keys_stay_findable, setup, teardown),
        cmocka_unit_test_setup_teardown(another_connection_s_change_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_outlives_its_replacement, setup, teardown),
        cmocka_unit_test_setup_teardown(no_secret_key_is_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_names_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
