/* Whose record it is: by an event's members, by the key of what is none, of one project only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/erase/erase_int.h"

static const char project[] = "11111111-1111-4111-8111-111111111111";
static const uint8_t salt[ERASE_SALT_BYTES] = {1, 2, 3};

static void set_of(struct erase_set *s, enum erase_kind kind, const char *id)
{
    struct err err = ERR_INIT;
    struct erase_hash hash;
    erase_set_init(s, project, salt);
    erase_hash_of(s->salt, kind, slice_str(id), &hash);
    assert_int_equal(erase_set_add(s, &hash, NULL, &err), RC_OK);
}

static bool wants(struct erase_set *s, const char *key, const char *value)
{
    const struct stream_record r = {.key = slice_str(key), .value = slice_str(value)};
    return erase_set_wants(s, &r);
}

#define KEY "11111111-1111-4111-8111-111111111111/whoever"

static void an_event_is_whose_its_members_name(void **state)
{
    (void)state;
    static const struct {
        enum erase_kind kind;
        const char *value;
        bool is_wanted;
    } table[] = {
        {ERASE_USER, "{\"user_id\":\"x\"}", true},
        {ERASE_USER, "{\"user_id\":\"xx\"}", false},
        {ERASE_USER, "{\"anonymous_id\":\"x\"}", false}, /* another kind of id of the same text */
        {ERASE_ANONYMOUS, "{\"anonymous_id\":\"x\"}", true},
        {ERASE_ANONYMOUS, "{\"user_id\":\"x\"}", false},
        {ERASE_USER, "{\"user_id\":\"y\",\"previous_id\":\"x\"}", true},
        {ERASE_ANONYMOUS, "{\"user_id\":\"y\",\"previous_id\":\"x\"}", true},
        {ERASE_DEVICE, "{\"device\":\"x\"}", true},
        {ERASE_USER, "{\"properties\":{\"user_id\":\"x\"}}", false}, /* somebody else's event */
        {ERASE_USER, "{\"user_id\":\"\\u0078\"}", true},             /* however it is spelt */
        {ERASE_USER, "{\"user_id\":7}", false},
        {ERASE_USER, "{\"event\":\"x\"}", false},
        {ERASE_USER, "{}", false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct erase_set s;
        set_of(&s, table[i].kind, "x");
        assert_int_equal(wants(&s, KEY, table[i].value), table[i].is_wanted);
        erase_set_done(&s);
    }
}

static void another_projects_record_is_never_wanted(void **state)
{
    (void)state;
    struct erase_set s;
    set_of(&s, ERASE_USER, "x");
    assert_true(wants(&s, KEY, "{\"user_id\":\"x\"}"));
    assert_false(wants(&s, "11111111-1111-4111-8111-111111111112/x", "{\"user_id\":\"x\"}"));
    assert_false(wants(&s, "", "{\"user_id\":\"x\"}"));
    assert_false(wants(&s, "counts", "{\"user_id\":\"x\"}"));
    erase_set_done(&s);
}

/* Dead letters: the value cannot be read, the key can. */
static void what_is_no_event_is_whose_its_key_names(void **state)
{
    (void)state;
    struct erase_set s;
    set_of(&s, ERASE_ANONYMOUS, "a/b");
    static const char *const values[] = {"", "\xff\0", "[1]", "{\"user_id\":", "7"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_true(wants(&s, "11111111-1111-4111-8111-111111111111/a/b", values[i]));
        assert_false(wants(&s, "11111111-1111-4111-8111-111111111111/a", values[i]));
    }
    erase_set_done(&s);
}

static void hashes_differ_by_salt_and_kind_and_are_kept_once(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct erase_set s;
    struct erase_hash one, other;
    bool is_new = true;
    set_of(&s, ERASE_USER, "x");
    erase_hash_of(s.salt, ERASE_USER, SLICE_LIT("x"), &one);
    erase_hash_of(s.salt, ERASE_ANONYMOUS, SLICE_LIT("x"), &other);
    assert_memory_not_equal(one.bytes, other.bytes, sizeof(one.bytes));
    erase_hash_of("00", ERASE_USER, SLICE_LIT("x"), &other);
    assert_memory_not_equal(one.bytes, other.bytes, sizeof(one.bytes));
    assert_int_equal(erase_set_add(&s, &one, &is_new, &err), RC_OK);
    assert_false(is_new);
    assert_int_equal(s.count, 1);
    erase_set_done(&s);
}

static void a_set_has_a_limit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct erase_set s;
    erase_set_init(&s, project, salt);
    enum rc rc = RC_OK;
    uint32_t n = 0;
    for (; rc == RC_OK; n++) {
        char id[16];
        struct erase_hash hash;
        snprintf(id, sizeof(id), "%u", n);
        erase_hash_of(s.salt, ERASE_USER, slice_str(id), &hash);
        rc = erase_set_add(&s, &hash, NULL, &err);
    }
    assert_int_equal(rc, RC_LIMIT);
    assert_int_equal(n, ERASE_LINKED_MAX + 1);
    assert_true(erase_set_has(&s, ERASE_USER, SLICE_LIT("4999")));
    assert_false(erase_set_has(&s, ERASE_USER, SLICE_LIT("5000")));
    erase_set_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_whose_its_members_name),
        cmocka_unit_test(another_projects_record_is_never_wanted),
        cmocka_unit_test(what_is_no_event_is_whose_its_key_names),
        cmocka_unit_test(hashes_differ_by_salt_and_kind_and_are_kept_once),
        cmocka_unit_test(a_set_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
