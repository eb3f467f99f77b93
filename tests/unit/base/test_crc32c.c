#include "base_test.h"

#include "base/crc32c.h"
#include "base/random.h"

static void vectors_of_rfc_3720(void **state)
{
    (void)state;
    unsigned char data[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(crc32c(0, data, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, data, 32), 0x46dd794e);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, data, 32), 0x113fdb5c);
    assert_int_equal(crc32c_portable(0, data, 32), 0x113fdb5c);
}

static void hardware_and_table_agree_at_every_length_and_alignment(void **state)
{
    (void)state;
    unsigned char data[600];
    random_bytes(data, sizeof(data));
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len < 520; len++)
            assert_int_equal(crc32c(7, data + at, len), crc32c_portable(7, data + at, len));
}

static void long_runs_agree_too(void **state)
{
    enum { BYTES = 10000 };
    static unsigned char data[BYTES + 3];
    (void)state;
    random_bytes(data, sizeof(data));
    for (size_t len = 0; len <= BYTES; len += len % 3072 < 3060 && len % 3072 > 12 ? 97 : 1)
        for (size_t at = 0; at < 3; at++)
            assert_int_equal(crc32c(9, data + at, len), crc32c_portable(9, data + at, len));
}

static void it_chains(void **state)
{
    (void)state;
    unsigned char data[100];
    random_bytes(data, sizeof(data));
    uint32_t whole = crc32c(0, data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++)
        assert_int_equal(crc32c(crc32c(0, data, cut), data + cut, sizeof(data) - cut), whole);
}

static void every_single_bit_matters(void **state)
{
    (void)state;
    unsigned char data[64];
    random_bytes(data, sizeof(data));
    uint32_t whole = crc32c(0, data, sizeof(data));
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_not_equal(crc32c(0, data, sizeof(data)), whole);
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_3720),
        cmocka_unit_test(hardware_and_table_agree_at_every_length_and_alignment),
        cmocka_unit_test(long_runs_agree_too),
        cmocka_unit_test(it_chains),
        cmocka_unit_test(every_single_bit_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
