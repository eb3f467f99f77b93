/* SipHash-2-4 against the vectors of its reference implementation: key 00 … 0f, input 00, 01 … */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/siphash.h"

static const struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static uint64_t of_first(size_t len)
{
    unsigned char input[64];
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (unsigned char)i;
    return siphash(&key, input, len);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    assert_int_equal(of_first(0), UINT64_C(0x726fdb47dd0e0e31));
    assert_int_equal(of_first(1), UINT64_C(0x74f839c593dc67fd));
    assert_int_equal(of_first(7), UINT64_C(0xab0200f58b01d137));
    assert_int_equal(of_first(8), UINT64_C(0x93f5f5799a932462));
    assert_int_equal(of_first(15), UINT64_C(0xa129ca6149be45e5)); /* appendix A of the paper */
    assert_int_equal(of_first(16), UINT64_C(0x3f2acc7f57c29bdb));
}

static void another_key_is_another_hash(void **state)
{
    (void)state;
    struct siphash_key other = {key.k0, key.k1 ^ 1};
    assert_int_not_equal(siphash(&key, "abc", 3), siphash(&other, "abc", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(another_key_is_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
