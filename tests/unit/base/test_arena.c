#include "base_test.h"

#include "base/arena.h"
#include "base/heap.h"
#include "base/poison.h"

static void blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 256, 1 << 20);
    char *blocks[200];
    for (int i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(&a, (size_t)i + 1);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], i, (size_t)i + 1);
    }
    for (int i = 0; i < 200; i++)
        for (int k = 0; k <= i; k++)
            assert_int_equal((unsigned char)blocks[i][k], i);
    const char *zeroed = arena_zalloc(&a, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(zeroed[i], 0);
    arena_done(&a);
}

static void past_its_limit_it_fails_until_the_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64, 1024);
    assert_null(arena_alloc(&a, 1025));
    assert_true(a.is_failed);
    arena_reset(&a);
    assert_false(a.is_failed);
    int n = 0;
    while (arena_alloc(&a, 64))
        n++;
    assert_int_equal(n, 16);
    assert_true(a.is_failed);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_strndup(&a, "x", SIZE_MAX));
    assert_null(arena_printf(&a, "%0100d", 1));
    assert_int_equal(arena_copy(&a, SLICE_LIT("x")).len, 0);
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1024)); /* larger than a chunk: it gets its own */
    arena_done(&a);
}

static void a_reset_gives_the_memory_back(void **state)
{
    (void)state;
    uint64_t before = heap_bytes(HEAP_ARENA);
    struct arena a;
    arena_init(&a, 128, 1 << 20);
    for (int i = 0; i < 50; i++)
        assert_non_null(arena_alloc(&a, 100));
    uint64_t full = heap_bytes(HEAP_ARENA);
    arena_reset(&a);
    assert_true(heap_bytes(HEAP_ARENA) < full);
    uint64_t calls = heap_calls();
    for (int i = 0; i < 1000; i++) {
        assert_non_null(arena_alloc(&a, 100));
        arena_reset(&a);
    }
    assert_int_equal(heap_calls(), calls); /* the first chunk is kept */
    arena_done(&a);
    assert_int_equal(heap_bytes(HEAP_ARENA), before);
}

static void strings(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 128, 4096);
    assert_string_equal(arena_strndup(&a, "hello", 4), "hell");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%d-%s", 42, "x"), "42-x");
    struct slice copy = arena_copy(&a, SLICE_LIT("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, "a\0b", 4);
    arena_done(&a);
}

static void no_memory_is_a_failure(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 128, 4096);
    heap_fail_after(1);
    assert_null(arena_alloc(&a, 1));
    assert_true(a.is_failed);
    heap_fail_after(0);
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1));
    arena_done(&a);
}

static void read_after_reset(void *ctx)
{
    struct arena a;
    (void)ctx;
    arena_init(&a, 128, 4096);
    volatile char *p = arena_zalloc(&a, 16);
    arena_reset(&a);
    if (p[3] == 1)
        _exit(3);
}

static void read_past_the_end(void *ctx)
{
    struct arena a;
    (void)ctx;
    arena_init(&a, 128, 4096);
    volatile char *p = arena_zalloc(&a, 8);
    if (p[9] == 1)
        _exit(3);
}

static void asan_sees_use_after_reset(void **state)
{
    (void)state;
#ifdef HAS_ASAN
    assert_dies(read_after_reset, NULL);
    assert_dies(read_past_the_end, NULL);
#else
    (void)read_after_reset;
    (void)read_past_the_end;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(past_its_limit_it_fails_until_the_reset),
        cmocka_unit_test(a_reset_gives_the_memory_back),
        cmocka_unit_test(strings),
        cmocka_unit_test(no_memory_is_a_failure),
        cmocka_unit_test(asan_sees_use_after_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
