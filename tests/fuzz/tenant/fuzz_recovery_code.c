/* A text that is taken for a recovery code is taken for the same one in another spelling. */
#include <stdlib.h>

#include "base/must.h"
#include "tenant/totp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct uuid user = {{1, 2, 3}};
    uint8_t hash[RECOVERY_HASH_BYTES], again[RECOVERY_HASH_BYTES];
    if (!recovery_code_hash(&user, slice_of((const char *)data, size), hash))
        return 0;
    char *spelt = malloc(size * 2);
    must(spelt);
    for (size_t i = 0; i < size; i++) {
        char c = (char)data[i];
        spelt[2 * i] = (char)((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? c ^ 0x20 : c);
        spelt[2 * i + 1] = i % 2 ? '-' : ' ';
    }
    must(recovery_code_hash(&user, slice_of(spelt, 2 * size), again));
    must(memcmp(hash, again, sizeof(hash)) == 0);
    free(spelt);
    return 0;
}
