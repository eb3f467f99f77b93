/* Decoding refuses what is damaged, cut, too large or followed by garbage, and takes the rest. */
#include "test_codec.h"

#include "base/heap.h"
#include "base/random.h"
#include "codec/compress.h"

static const enum codec_kind kinds[] = {CODEC_GZIP, CODEC_ZSTD};

static struct slice sample(struct buf *b, size_t len)
{
    struct prng p;
    prng_seed(&p, 7);
    while (b->len < len)
        buf_addf(b, "{\"event\":\"e%u\"}\n", (unsigned)prng_below(&p, 1000));
    return buf_slice(b);
}

static enum rc decode(struct slice in, size_t max, struct buf *out)
{
    CLEANUP(decoder_freep) struct decoder *d = decoder_new();
    struct err err = ERR_INIT;
    buf_init(out, max);
    return decode_all(d, in, out, &err);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t len = 0; len < 3000000; len = len * 9 + 1) {
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            struct buf text, packed, out;
            buf_init(&text, 8 << 20);
            buf_init(&packed, 8 << 20);
            struct slice plain = len ? sample(&text, len) : SLICE_EMPTY;
            assert_int_equal(encode_all(kinds[k], 3, plain, &packed), RC_OK);
            assert_int_equal(codec_sniff(buf_slice(&packed)), kinds[k]);
            /* A maximum of exactly the size is enough. */
            assert_int_equal(decode(buf_slice(&packed), plain.len + !plain.len, &out), RC_OK);
            assert_true(slice_eq(buf_slice(&out), plain));
            buf_done(&out);
            if (plain.len > 1) {
                assert_int_equal(decode(buf_slice(&packed), plain.len - 1, &out), RC_LIMIT);
                buf_done(&out);
            }
            buf_done(&text);
            buf_done(&packed);
        }
    }
}

static void test_members_follow_one_another_but_garbage_does_not(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct buf packed, out;
        buf_init(&packed, 1 << 20);
        assert_int_equal(encode_all(kinds[k], 1, SLICE_LIT("one "), &packed), RC_OK);
        assert_int_equal(encode_all(kinds[k], 1, SLICE_LIT("two"), &packed), RC_OK);
        assert_int_equal(decode(buf_slice(&packed), 1 << 20, &out), RC_OK);
        assert_slice(buf_slice(&out), "one two");
        buf_done(&out);
        buf_add_str(&packed, "garbage");
        assert_int_equal(decode(buf_slice(&packed), 1 << 20, &out), RC_INVALID);
        buf_done(&out);
        buf_done(&packed);
    }
}

static void test_every_cut_and_every_flipped_byte(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct buf text, packed, out;
        buf_init(&text, 1 << 20);
        buf_init(&packed, 1 << 20);
        struct slice plain = sample(&text, 400);
        assert_int_equal(encode_all(kinds[k], 1, plain, &packed), RC_OK);
        for (size_t cut = 4; cut < packed.len; cut++) {
            assert_int_equal(decode(slice_of(packed.data, cut), 1 << 20, &out), RC_INVALID);
            buf_done(&out);
        }
        for (size_t at = 4; at < packed.len; at++) {
            packed.data[at] ^= 0x55;
            enum rc rc = decode(buf_slice(&packed), 1 << 16, &out);
            /* A flip in gzip's time or OS field changes nothing; nowhere may it change the text. */
            assert_true(rc != RC_OK || slice_eq(buf_slice(&out), plain));
            packed.data[at] ^= 0x55;
            buf_done(&out);
        }
        buf_done(&text);
        buf_done(&packed);
    }
}

static void test_a_bomb_costs_its_cap(void **state)
{
    (void)state;
    enum { CAP = 1 << 20 };
    char zeros[4096] = {0};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct buf packed, out;
        struct encoder *e;
        buf_init(&packed, 1 << 20);
        assert_int_equal(encoder_new(kinds[k], 3, &e), RC_OK);
        for (int i = 0; i < 16384; i++) /* 64 MiB */
            assert_int_equal(encoder_write(e, slice_of(zeros, sizeof(zeros)), &packed), RC_OK);
        assert_int_equal(encoder_end(e, &packed), RC_OK);
        encoder_free(e);
        assert_true(packed.len < 512 * 1024);
        assert_int_equal(decode(buf_slice(&packed), CAP, &out), RC_LIMIT);
        assert_true(out.cap <= CAP);
        buf_done(&out);
        buf_done(&packed);
    }
}

static void test_a_decoder_is_used_again_without_the_heap(void **state)
{
    (void)state;
    CLEANUP(decoder_freep) struct decoder *d = decoder_new();
    struct buf packed[2], out;
    buf_init(&out, 1 << 20);
    for (size_t k = 0; k < 2; k++) {
        buf_init(&packed[k], 1 << 20);
        assert_int_equal(encode_all(kinds[k], 1, SLICE_LIT("hello"), &packed[k]), RC_OK);
    }
    uint64_t calls = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 2)
            calls = heap_calls();
        buf_clear(&out);
        assert_int_equal(decode_all(d, buf_slice(&packed[i % 2]), &out, NULL), RC_OK);
        assert_slice(buf_slice(&out), "hello");
    }
    assert_int_equal(heap_calls(), calls);
    buf_done(&packed[0]);
    buf_done(&packed[1]);
    buf_done(&out);
}

static void test_a_decoder_fed_byte_by_byte(void **state)
{
    (void)state;
    CLEANUP(decoder_freep) struct decoder *d = decoder_new();
    for (size_t k = 0; k < 2; k++) {
        struct buf text, packed, out;
        buf_init(&text, 1 << 20);
        buf_init(&packed, 1 << 20);
        buf_init(&out, 1 << 20);
        struct slice plain = sample(&text, 5000);
        assert_int_equal(encode_all(kinds[k], 3, plain, &packed), RC_OK);
        assert_int_equal(decoder_start(d, kinds[k]), RC_OK);
        for (size_t i = 0; i < packed.len; i++) {
            struct slice piece = slice_of(packed.data + i, 1);
            size_t n;
            char to[3];
            do {
                assert_int_equal(decoder_feed(d, &piece, to, sizeof(to), &n), RC_OK);
                buf_add(&out, to, n);
            } while (piece.len || n == sizeof(to));
        }
        assert_int_equal(decoder_finish(d), RC_OK);
        assert_true(slice_eq(buf_slice(&out), plain));
        buf_done(&text);
        buf_done(&packed);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_members_follow_one_another_but_garbage_does_not),
        cmocka_unit_test(test_every_cut_and_every_flipped_byte),
        cmocka_unit_test(test_a_bomb_costs_its_cap),
        cmocka_unit_test(test_a_decoder_is_used_again_without_the_heap),
        cmocka_unit_test(test_a_decoder_fed_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
