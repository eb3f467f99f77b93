/* Blocks of ClickHouse's compressed streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lz4.h>
#include <string.h>

#include "base/heap.h"
#include "codec/ch_block.h"

enum { HEAD = 25, BIG = 3 * CH_BLOCK_BYTES_MAX + 5 };

static uint32_t u32_at(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Checksums that the engine wrote into files of columns that are not packed (CODEC(NONE)): of 0x02,
 * the sizes, and the bytes 3, 10, 17 … */
static void checksums_are_those_of_the_engine(void **state)
{
    (void)state;
    static const struct {
        uint32_t bytes;
        uint64_t low, high;
    } known[] = {
        {1, UINT64_C(0xfd534cc8373f0579), UINT64_C(0x7ebada3eae9adcd1)},
        {6, UINT64_C(0xaa2f205b878aa896), UINT64_C(0xb9ef8cabdf3e0eec)},
        {7, UINT64_C(0xd5d405973bacad93), UINT64_C(0x23758941f6fb0500)},
        {8, UINT64_C(0xfed4bd80a30c2a7d), UINT64_C(0x9a59e8f0edd4f48c)},
        {15, UINT64_C(0xbea9c1a7cc0501dc), UINT64_C(0x52eac2bfd0c99e10)},
        {16, UINT64_C(0xd867555579c32bbf), UINT64_C(0xbc37f3d4e612f442)},
        {22, UINT64_C(0xa725caf6d9158d04), UINT64_C(0x3c2c1ccfa021ed20)},
        {23, UINT64_C(0x5af80bcb548404f3), UINT64_C(0x7376c889f4b720d9)},
        {24, UINT64_C(0x40dc583b91535e02), UINT64_C(0x69262c9136865627)},
        {50, UINT64_C(0xdd751b9c21afc0de), UINT64_C(0xc839c06b07972663)},
        {118, UINT64_C(0x00c3a72cc4ecb03f), UINT64_C(0x9fa0bab1a433ecd2)},
        {119, UINT64_C(0x423bcdc3656f800c), UINT64_C(0x112d6e8977592d44)},
        {120, UINT64_C(0x0df7456bedf064fb), UINT64_C(0x29bb48b8a826dd02)},
        {130, UINT64_C(0xf265f76217d45f88), UINT64_C(0x05e18da05e3474cd)},
        {247, UINT64_C(0x64ac729fb41e8abf), UINT64_C(0x6f41e4c4b5863762)},
        {248, UINT64_C(0xf0c0208b62cbde19), UINT64_C(0x982ecd77a3f4a05a)},
        {300, UINT64_C(0xcaff1f76118ee19b), UINT64_C(0xb1fd13d5cebaeaeb)},
        {1000, UINT64_C(0x35eedcc51d13f396), UINT64_C(0xbec7fa7484d7b30c)},
        {5000, UINT64_C(0xa88d8ee2a295ec32), UINT64_C(0x4c2abda521026ac8)},
    };
    char block[9 + 5000] = {2};
    for (uint32_t i = 0; i < 5000; i++)
        block[9 + i] = (char)(i * 7 + 3);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint32_t n = known[i].bytes, all = n + 9;
        memcpy(block + 1, &all, 4);
        memcpy(block + 5, &n, 4);
        struct ch_checksum sum = ch_checksum_of(block, all);
        assert_true(sum.low == known[i].low);
        assert_true(sum.high == known[i].high);
    }
}

/* As a client does: checksum, sizes, contents. */
static size_t read_block(struct slice *rest, char *to, size_t room)
{
    assert_true(rest->len > HEAD);
    const char *block = rest->data;
    uint32_t packed = u32_at(block + 17), bytes = u32_at(block + 21);
    struct ch_checksum sum = ch_checksum_of(block + 16, packed);
    assert_memory_equal(block, &sum.low, 8);
    assert_memory_equal(block + 8, &sum.high, 8);
    assert_int_equal((unsigned char)block[16], 0x82);
    assert_true(bytes <= CH_BLOCK_BYTES_MAX && bytes <= room);
    assert_int_equal(LZ4_decompress_safe(block + HEAD, to, (int)packed - 9, (int)bytes), bytes);
    *rest = slice_sub(*rest, 16 + packed);
    return bytes;
}

static void what_was_packed_is_read_back(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf out;
    char *data = heap_alloc(HEAP_MISC, BIG), *back = heap_alloc(HEAP_MISC, BIG);
    uint32_t noise = 1;
    for (size_t i = 0; i < BIG; i++) { /* half of it does not get smaller */
        noise = noise * 1664525 + 1013904223;
        data[i] = (char)(i < BIG / 2 ? i / 100 : noise >> 24);
    }
    buf_init(&out, 2 * BIG);
    static const size_t sizes[] = {
        0, 1, 17, 128, 65536, CH_BLOCK_BYTES_MAX, CH_BLOCK_BYTES_MAX + 1, BIG};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        buf_clear(&out);
        ch_block_add(&out, slice_of(data, sizes[i]));
        assert_true(buf_ok(&out));
        struct slice rest = buf_slice(&out);
        size_t n = 0;
        while (rest.len)
            n += read_block(&rest, back + n, BIG - n);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(data, back, n);
    }
    heap_free(data);
    heap_free(back);
}

static void no_room_is_told_by_the_buffer(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 30);
    ch_block_add(&out, SLICE_LIT("0123456789"));
    assert_false(buf_ok(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_those_of_the_engine),
        cmocka_unit_test(what_was_packed_is_read_back),
        cmocka_unit_test(no_room_is_told_by_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
