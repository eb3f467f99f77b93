/* Base64, hex, SHA-256, HMAC, RowBinary against published or hand-made vectors. */
#include "test_codec.h"

#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/rowbinary.h"

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
}

static void test_rowbinary(void **state)
{
    (void)state;
    struct buf b;
    struct uuid u;
    buf_init(&b, 1000);
    rowbinary_varint(&b, 300);
    rowbinary_string(&b, SLICE_LIT("hi"));
    rowbinary_u16(&b, 0x1234);
    rowbinary_time_ms(&b, (unix_ms){-1});
    assert_true(uuid_parse(SLICE_LIT("00112233-4455-6677-8899-aabbccddeeff"), &u));
    rowbinary_uuid(&b, &u);
    char text[128];
    assert_slice(slice_of(hex_encode(text, (uint8_t *)b.data, b.len), b.len * 2),
                 "ac02"
                 "026869"
                 "3412"
                 "ffffffffffffffff"
                 "7766554433221100"
                 "ffeeddccbbaa9988");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_rowbinary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
