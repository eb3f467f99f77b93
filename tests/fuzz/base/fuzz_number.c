/* slice_to_u64 and slice_to_i64 against the C library on what both accept. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64];
    if (size >= sizeof(text))
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    struct slice s = slice_of((const char *)data, size), digits = s;
    if (size && text[0] == '-')
        digits = slice_sub(s, 1);
    bool is_number = digits.len > 0;
    for (size_t i = 0; i < digits.len; i++)
        is_number = is_number && digits.data[i] >= '0' && digits.data[i] <= '9';

    uint64_t u = 0;
    int64_t i = 0;
    char *end;
    errno = 0;
    unsigned long long want_u = strtoull(text, &end, 10);
    must(slice_to_u64(s, &u) == (is_number && digits.len == size && errno == 0));
    must(u == 0 || u == want_u);
    errno = 0;
    long long want_i = strtoll(text, &end, 10);
    must(slice_to_i64(s, &i) == (is_number && errno == 0));
    must(i == 0 || i == want_i);
    return 0;
}
