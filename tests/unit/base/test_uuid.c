#include "base_test.h"

#include "base/attr.h"
#include "base/random.h"
#include "base/uuid.h"

static int64_t ms_of(const struct uuid *u)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | u->bytes[i];
    return ms;
}

static void a_version_7_has_its_fields(void **state)
{
    (void)state;
    unix_ms now = {1795508130123};
    struct uuid u = uuid_v7(now);
    assert_true(ms_of(&u) == now.ms);
    assert_int_equal(u.bytes[6] >> 4, 7);
    assert_int_equal(u.bytes[8] >> 6, 2);
    uint8_t hash[16];
    memset(hash, 0xff, sizeof(hash));
    struct uuid h = uuid_v8_from_hash(hash);
    assert_int_equal(h.bytes[6] >> 4, 8);
    assert_int_equal(h.bytes[8] >> 6, 2);
    assert_int_equal(h.bytes[0], 0xff);
}

static void ids_of_a_thread_grow_whatever_the_clock_does(void **state)
{
    (void)state;
    struct prng rng;
    prng_seed(&rng, 5);
    int64_t ms = 1900000000000;
    struct uuid last = uuid_v7((unix_ms){ms});
    for (int i = 0; i < 300000; i++) {
        if (prng_below(&rng, 5000) == 0)
            ms += (int64_t)prng_below(&rng, 2000) - 1000; /* the wall clock jumps both ways */
        struct uuid next = uuid_v7((unix_ms){ms});
        assert_true(memcmp(last.bytes, next.bytes, 16) < 0);
        assert_int_equal(next.bytes[6] >> 4, 7);
        assert_int_equal(next.bytes[8] >> 6, 2);
        last = next;
    }
}

static void text_form_round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct uuid u, back;
        char text[UUID_TEXT_LEN + 1], bare[33], upper[UUID_TEXT_LEN + 1];
        random_bytes(u.bytes, sizeof(u.bytes));
        uuid_format(&u, text);
        assert_int_equal(strlen(text), UUID_TEXT_LEN);
        assert_true(uuid_parse(slice_str(text), &back));
        assert_memory_equal(u.bytes, back.bytes, 16);
        size_t n = 0;
        for (size_t k = 0; k < UUID_TEXT_LEN; k++) {
            if (text[k] != '-')
                bare[n++] = text[k];
            upper[k] = text[k] >= 'a' && text[k] <= 'f' ? (char)(text[k] - 32) : text[k];
        }
        assert_true(uuid_parse(slice_of(bare, 32), &back));
        assert_memory_equal(u.bytes, back.bytes, 16);
        assert_true(uuid_parse(slice_of(upper, UUID_TEXT_LEN), &back));
        assert_memory_equal(u.bytes, back.bytes, 16);
    }
}

static void what_is_no_uuid_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0193",
        "0193f1a0-0000-7000-8000-00000000000",
        "0193f1a0-0000-7000-8000-0000000000000",
        "0193f1a0x0000-7000-8000-000000000000",
        "0193f1a00-000-7000-8000-000000000000",
        "0193f1a0-0000-7000-8000-00000000000g",
        "0193f1a0-0000-7000-8000-00000000000\x80",
        "0193f1a0-0000-7000-8000_000000000000",
        "{193f1a0-0000-7000-8000-00000000000}",
        "0193f1a000007000800000000000000",
        "0193f1a0000070008000-00000000000",
    };
    struct uuid u, before;
    memset(&u, 0xaa, sizeof(u));
    before = u;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (uuid_parse(slice_str(bad[i]), &u))
            fail_msg("taken for a uuid: %s", bad[i]);
        assert_memory_equal(u.bytes, before.bytes, 16);
    }
    for (int c = 0; c < 256; c++) { /* every byte in one place */
        char text[33] = "0193f1a0000070008000000000000000";
        text[31] = (char)c;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(uuid_parse(slice_of(text, 32), &u), is_hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_7_has_its_fields),
        cmocka_unit_test(ids_of_a_thread_grow_whatever_the_clock_does),
        cmocka_unit_test(text_form_round_trips),
        cmocka_unit_test(what_is_no_uuid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
