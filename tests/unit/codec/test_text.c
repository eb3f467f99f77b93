/* Base64, base32, hex, SHA-256, HMAC, RowBinary against published or hand-made vectors. */
#include "test_codec.h"

#include "base/heap.h"
#include "codec/base32.h"
#include "codec/base64.h"
#include "codec/decimal.h"
#include "codec/hash.h"
#include "codec/native.h"

static void test_base64_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {/* RFC 4648 section 10 */
                                           {"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    uint8_t to[64];
    size_t len;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct buf b;
        buf_init(&b, 100);
        base64_encode(&b, BASE64_STD, slice_str(pairs[i][0]));
        assert_slice(buf_slice(&b), pairs[i][1]);
        assert_true(base64_decode(BASE64_STD, slice_str(pairs[i][1]), to, &len));
        assert_slice(slice_of((char *)to, len), pairs[i][0]);
        buf_done(&b);
    }
    assert_true(base64_decode(BASE64_URL, SLICE_LIT("-_8"), to, &len));
    assert_int_equal(len, 2);
    static const char *const bad[] = {
        "Z", "Zh", "Zm9=", "Zg=", "Zg===", "Z g=", "+/8=", "Zg==Zg=="};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base64_decode(BASE64_URL, slice_str(bad[i]), to, &len));
    assert_false(base64_decode(BASE64_STD, SLICE_LIT("Zg==Zg=="), to, &len));
    assert_false(base64_decode(BASE64_STD, SLICE_LIT("-_8="), to, &len));
    assert_false(base64_decode(BASE64_STD, SLICE_LIT("===="), to, &len));
}

/* Each byte at each place: it is the alphabet's, or there is no such text. */
static void base64_knows_its_alphabets_and_no_other_byte(void **state)
{
    (void)state;
    static const char *const ends[] = {"+/", "-_"};
    for (int kind = BASE64_STD; kind <= BASE64_URL; kind++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                             (byte >= '0' && byte <= '9') ||
                             (byte && strchr(ends[kind], (int)byte));
            for (size_t at = 0; at < 8; at++) {
                char text[8];
                uint8_t to[9];
                size_t len;
                struct buf b;
                memset(text, 'k', sizeof(text));
                text[at] = (char)byte;
                bool is_read = base64_decode((enum base64_kind)kind, slice_of(text, 8), to, &len);
                bool is_end = kind == BASE64_STD && byte == '=' && at == 7; /* "kkkkkkk=" */
                assert_int_equal(is_read, is_letter || is_end);
                if (!is_letter)
                    continue;
                buf_init(&b, 100);
                base64_encode(&b, (enum base64_kind)kind, slice_of((char *)to, len));
                assert_true(slice_eq(buf_slice(&b), slice_of(text, 8)));
                buf_done(&b);
            }
        }
    }
}

static void test_base32_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {/* RFC 4648 section 10, without the padding */
                                           {"", ""},
                                           {"f", "MY"},
                                           {"fo", "MZXQ"},
                                           {"foo", "MZXW6"},
                                           {"foob", "MZXW6YQ"},
                                           {"fooba", "MZXW6YTB"},
                                           {"foobar", "MZXW6YTBOI"}};
    uint8_t bytes[64];
    char text[64];
    size_t len;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct slice plain = slice_str(pairs[i][0]);
        assert_slice(slice_of(base32_encode(text, plain), base32_encoded_len(plain.len)),
                     pairs[i][1]);
        assert_true(base32_decode(slice_str(pairs[i][1]), bytes, &len));
        assert_slice(slice_of((char *)bytes, len), pairs[i][0]);
    }
    assert_true(base32_decode(SLICE_LIT("mzxw6ytboi"), bytes, &len));
    assert_slice(slice_of((char *)bytes, len), "foobar");
    static const char *const bad[] = {"M",      "MY======", "MZ",   "MZXW6YTB1", "MZXW 6YQ",
                                      "MZXW6Y", "MZX",      "0ZXW", "MZXR",      "MZ\xc3\xb6"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base32_decode(slice_str(bad[i]), bytes, &len));
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t bytes[3];
    char text[6];
    assert_true(hex_decode(SLICE_LIT("00fFa1"), bytes, 3));
    assert_slice(slice_of(hex_encode(text, bytes, 3), 6), "00ffa1");
    assert_false(hex_decode(SLICE_LIT("00fg"), bytes, 2));
    assert_false(hex_decode(SLICE_LIT("00f"), bytes, 2));
}

static void test_hashes(void **state)
{
    (void)state;
    uint8_t hash[32];
    char text[64];
    sha256(SLICE_LIT("abc"), hash);
    assert_slice(slice_of(hex_encode(text, hash, 32), 64),
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_parts((struct slice[]){SLICE_LIT("a"), SLICE_EMPTY, SLICE_LIT("bc")}, 3, hash);
    assert_slice(slice_of(hex_encode(text, hash, 32), 64),
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hmac_sha256(SLICE_LIT("Jefe"), SLICE_LIT("what do ya want for nothing?"), hash); /* RFC 4231 */
    assert_slice(slice_of(hex_encode(text, hash, 32), 64),
                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131]; /* the same RFC, test case 6: a key that is longer than a block */
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(slice_of(key, sizeof(key)),
                SLICE_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), hash);
    assert_slice(slice_of(hex_encode(text, hash, 32), 64),
                 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(SLICE_EMPTY, SLICE_EMPTY, hash);
    assert_slice(slice_of(hex_encode(text, hash, 32), 64),
                 "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void a_block_is_its_columns_without_the_rows_left_out(void **state)
{
    (void)state;
    struct native_column columns[] = {{.name = "n", .type = "UInt16", .width = 2},
                                      {.name = "s", .type = "String"},
                                      {.name = "u", .type = "UUID", .width = 16}};
    struct uuid u;
    struct buf out;
    char text[512], large[200];
    memset(large, 'x', sizeof(large));
    assert_true(uuid_parse(SLICE_LIT("00112233-4455-6677-8899-aabbccddeeff"), &u));
    buf_init(&out, 4096);
    for (uint32_t i = 0; i < COUNT_OF(columns); i++)
        buf_init(&columns[i].data, 4096);
    for (uint16_t i = 0; i < 4; i++) {
        native_fixed(&columns[0], &i, 2);
        native_text(&columns[1], i == 1 ? slice_of(large, sizeof(large)) : slice_of("abcd", i));
        native_uuid(&columns[2], &u);
    }
    const uint8_t keep[] = {1, 0, 0, 1}, none[4] = {0};
    assert_int_equal(native_block(&out, columns, COUNT_OF(columns), 4, keep), 2);
    assert_slice(slice_of(hex_encode(text, (uint8_t *)out.data, out.len), out.len * 2),
                 "0302"
                 "016e0655496e743136"
                 "00000300"
                 "017306537472696e67"
                 "0003616263"
                 "01750455554944"
                 "7766554433221100ffeeddccbbaa99887766554433221100ffeeddccbbaa9988");
    buf_clear(&out);
    assert_int_equal(native_block(&out, columns, COUNT_OF(columns), 4, none), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(native_block(&out, columns, 2, 4, NULL), 4);
    assert_int_equal(out.len, 2 + 9 + 8 + 9 + (1 + 202 + 3 + 4));
    assert_slice(slice_of(hex_encode(text, (uint8_t *)out.data + 29, 2), 4), "c801");
    assert_int_equal(columns[1].data.len, 1 + 202 + 3 + 4);
    native_text(&columns[1], slice_of(large, 0));
    columns[1].data.bytes_max = columns[1].data.len + 5;
    native_text(&columns[1], SLICE_LIT("x")); /* no room: said once, at the end */
    assert_false(buf_ok(&columns[1].data));
    for (uint32_t i = 0; i < COUNT_OF(columns); i++)
        buf_done(&columns[i].data);
    buf_done(&out);
}

/* How many keys a column of these texts has. */
static uint32_t keys_of(struct native_column *c, const char *prefix, uint32_t texts, uint32_t turns)
{
    char text[64];
    native_clear(c);
    for (uint32_t i = 0; i < texts * turns; i++)
        native_text(
            c, slice_of(text, (size_t)snprintf(text, sizeof(text), "%s%u", prefix, i % texts)));
    assert_true(native_ok(c));
    assert_int_equal(c->data.len, texts * turns * sizeof(uint32_t));
    return c->keys.count;
}

static void a_column_of_keys_has_each_text_once(void **state)
{
    (void)state;
    struct native_column c = {
        .name = "k", .type = "LowCardinality(String)", .width = 4, .has_keys = true};
    struct buf out;
    char text[512];
    static const char *const texts[] = {"b", "b", "", "a-text-of-more-than-8-bytes", "b", ""};
    const uint8_t keep[] = {1, 0, 1, 1, 1, 0};
    buf_init(&out, 1 << 20);
    native_init(&c, 1 << 20);
    for (uint32_t i = 0; i < COUNT_OF(texts); i++)
        native_text(&c, slice_str(texts[i]));
    assert_int_equal(native_block(&out, &c, 1, COUNT_OF(texts), keep), 4);
    assert_slice(slice_of(hex_encode(text, (uint8_t *)out.data, out.len), out.len * 2),
                 "0104"
                 "016b"
                 "164c6f7743617264696e616c69747928537472696e6729"
                 "0100000000000000"
                 "0002000000000000"
                 "0300000000000000"
                 "00"
                 "0162"
                 "1b612d746578742d6f662d6d6f72652d7468616e2d382d6279746573"
                 "0400000000000000"
                 "01000201");
    /* numbers of two and of four bytes: 255 texts and the empty one are the last of one byte */
    static const struct {
        uint32_t texts;
        size_t width;
    } sizes[] = {{255, 1}, {256, 2}, {65535, 2}, {65536, 4}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        c.data.bytes_max = c.keys.texts.bytes_max = 16 << 20;
        out.bytes_max = 16 << 20;
        buf_clear(&out);
        assert_int_equal(keys_of(&c, "", sizes[i].texts, 2), sizes[i].texts + 1);
        assert_int_equal(native_block(&out, &c, 1, 2 * sizes[i].texts, NULL), 2 * sizes[i].texts);
        assert_int_equal(out.len, 1 + (sizes[i].texts > 8191 ? 3U : 2U) + 2 + 23 + 24 +
                                      c.keys.texts.len + 8 + 2 * sizes[i].texts * sizes[i].width);
    }
    /* emptied, it knows none of them; one that was large is small again */
    assert_int_equal(keys_of(&c, "x", 1, 3), 2);
    assert_int_equal(keys_of(&c, "y", 1, 1), 2);
    assert_int_equal(c.keys.slot_count, 64);
    native_done(&c);
    buf_done(&out);
}

static void keys_that_collide_or_have_no_room_are_bounded(void **state)
{
    (void)state;
    struct native_column c = {
        .name = "k", .type = "LowCardinality(String)", .width = 4, .has_keys = true};
    native_init(&c, 1 << 20);
    /* texts of one hash (its steps, backwards): written again when they are too many to look up */
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t inverse = odd;
    for (int i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    assert_int_equal(odd * inverse, 1);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t h = ((UINT64_C(77) << 32) + i % 100) * inverse;
        h = (h ^ h >> 32) * inverse ^ 8 * odd;
        native_text(&c, slice_of((char *)&h, sizeof(h)));
    }
    assert_int_equal(c.keys.count, 1 + 64 + 2 * (100 - 64));
    /* no room for a text: said once, at the end, and nothing is looked for where it would stand */
    native_clear(&c);
    c.keys.texts.bytes_max = 8;
    for (uint32_t i = 0; i < 6; i++)
        native_text(&c, slice_str(i % 3 == 0 ? "fits" : "longer than there is room"));
    assert_false(native_ok(&c));
    assert_int_equal(c.keys.count, 2);
    c.keys.texts.bytes_max = 1 << 20;
    heap_fail_after(1);
    native_done(&c);
    native_text(&c, SLICE_LIT("no memory"));
    heap_fail_after(0);
    assert_false(native_ok(&c));
    native_done(&c);
}

static void an_amount_is_kept_to_the_fourth_digit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t units;
        const char *back;
    } table[] = {
        {"0", 0, "0"},
        {"-0.0", 0, "0"},
        {"9.5", 95000, "9.5"},
        {"+.25", 2500, "0.25"},
        {"7.", 70000, "7"},
        {"-12.00005", -120001, "-12.0001"}, /* half away from zero */
        {"0.00004999", 0, "0"},
        {"0.00005", 1, "0.0001"},
        {"1e3", 10000000, "1000"},
        {"1.2345E-2", 123, "0.0123"},
        {"5e-5", 1, "0.0001"},
        {"5e-6", 0, "0"},
        {"0e999999999", 0, "0"},
        {"0000000000000000000000001", 10000, "1"},
        {"99999999999999.9999", INT64_C(999999999999999999), "99999999999999.9999"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char buf[DECIMAL_TEXT_BYTES];
        struct decimal d, again;
        assert_true(decimal_parse(slice_str(table[i].text), &d));
        assert_int_equal(d.units, table[i].units);
        assert_slice(decimal_format(d, buf), table[i].back);
        assert_true(decimal_parse(decimal_format(d, buf), &again));
        assert_int_equal(again.units, d.units);
    }
}

static void what_is_no_amount_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {"",     "-",          ".",   "e5",  "1e",
                                        "1e+",  "1.2.3",      "1,5", "NaN", "Infinity",
                                        "0x10", " 1",         "1 ",  "--1", "100000000000000",
                                        "1e14", "1e999999999"};
    struct decimal d;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_false(decimal_parse(slice_str(table[i]), &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(base64_knows_its_alphabets_and_no_other_byte),
        cmocka_unit_test(test_base32_vectors),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(an_amount_is_kept_to_the_fourth_digit),
        cmocka_unit_test(what_is_no_amount_is_refused),
        cmocka_unit_test(a_block_is_its_columns_without_the_rows_left_out),
        cmocka_unit_test(a_column_of_keys_has_each_text_once),
        cmocka_unit_test(keys_that_collide_or_have_no_room_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
