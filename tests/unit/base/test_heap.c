#include "base_test.h"

#include "base/heap.h"
#include "base/random.h"

static void blocks_are_zeroed_counted_and_given_back(void **state)
{
    (void)state;
    uint64_t before = heap_bytes(HEAP_STREAM), calls = heap_calls();
    unsigned char *p = heap_alloc(HEAP_STREAM, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal((uintptr_t)p % 16, 0);
    assert_int_equal(heap_bytes(HEAP_STREAM), before + 1000);
    assert_int_equal(heap_calls(), calls + 1);
    memset(p, 7, 1000);
    p = heap_try_resize(p, HEAP_MISC, 5000); /* keeps the tag it was made with */
    assert_non_null(p);
    assert_int_equal(p[999], 7);
    assert_int_equal(heap_bytes(HEAP_STREAM), before + 5000);
    heap_free(p);
    heap_free(NULL);
    assert_int_equal(heap_bytes(HEAP_STREAM), before);
    void *none = heap_try_resize(NULL, HEAP_MISC, 10);
    assert_non_null(none);
    heap_freep(&none);
    assert_null(none);
}

static void strings(void **state)
{
    (void)state;
    char *s = heap_strdup(HEAP_MISC, "abc"), *t = heap_strndup(HEAP_MISC, "abcdef", 4);
    char *empty = heap_strndup(HEAP_MISC, NULL, 0);
    assert_string_equal(s, "abc");
    assert_string_equal(t, "abcd");
    assert_string_equal(empty, "");
    heap_free(s);
    heap_free(t);
    heap_free(empty);
}

static void the_kth_allocation_fails_once(void **state)
{
    (void)state;
    heap_fail_after(3);
    void *a = heap_try_alloc(HEAP_MISC, 1), *b = heap_try_resize(NULL, HEAP_MISC, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(heap_try_resize(a, HEAP_MISC, 100)); /* the third; a stays valid */
    *(char *)a = 1;
    void *c = heap_try_alloc(HEAP_MISC, 1);
    assert_non_null(c);
    heap_fail_after(1);
    heap_fail_after(0);
    void *d = heap_try_alloc(HEAP_MISC, 1);
    assert_non_null(d);
    heap_fail_after(1);
    void *e = heap_alloc(HEAP_MISC, 1); /* the plain form is for what must not fail */
    assert_non_null(e);
    heap_fail_after(0);
    heap_free(a);
    heap_free(b);
    heap_free(c);
    heap_free(d);
    heap_free(e);
}

static void impossible_sizes(void **state)
{
    (void)state;
    assert_null(heap_try_alloc(HEAP_MISC, SIZE_MAX));
    assert_null(heap_try_alloc(HEAP_MISC, SIZE_MAX - 15));
    void *p = heap_try_alloc(HEAP_MISC, 8);
    assert_null(heap_try_resize(p, HEAP_MISC, SIZE_MAX - 3));
    heap_free(p);
    int ok = 1;
    assert_int_equal(size_mul(3, 4, &ok), 12);
    assert_int_equal(ok, 1);
    size_mul(SIZE_MAX / 2, 3, &ok);
    assert_int_equal(ok, 0);
}

static void every_tag_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < HEAP_TAG_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(heap_tag_name((enum heap_tag)i),
                                    heap_tag_name((enum heap_tag)j));
}

static void free_twice(void *ctx)
{
    (void)ctx;
    void *p = heap_alloc(HEAP_MISC, 64), *q = p;
    heap_free(p);
    heap_free(q);
}

static void free_a_stranger(void *ctx)
{
    (void)ctx;
    static char block[128];
    heap_free(block + 64);
}

static void wrong_frees_abort(void **state)
{
    (void)state;
    assert_dies(free_twice, NULL);
    assert_dies(free_a_stranger, NULL);
}

static void the_seeded_generator_repeats_and_spreads(void **state)
{
    (void)state;
    struct prng a, b, c;
    prng_seed(&a, 1);
    prng_seed(&b, 1);
    prng_seed(&c, 2);
    unsigned seen[10] = {0}, differ = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t x = prng_next(&a);
        assert_true(x == prng_next(&b));
        differ += x != prng_next(&c);
        seen[prng_below(&a, 10)]++;
        prng_next(&b);
    }
    assert_int_equal(differ, 10000);
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 800, 1200);
    uint64_t x = random_u64();
    assert_true(x != random_u64() || x != random_u64());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_counted_and_given_back),
        cmocka_unit_test(strings),
        cmocka_unit_test(the_kth_allocation_fails_once),
        cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(every_tag_has_its_own_name),
        cmocka_unit_test(wrong_frees_abort),
        cmocka_unit_test(the_seeded_generator_repeats_and_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
