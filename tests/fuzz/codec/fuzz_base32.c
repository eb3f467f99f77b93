/* A text that is decoded is, but for its case, the only text of its bytes; and any bytes come back
 * from their text. */
#include <stdlib.h>

#include "base/must.h"
#include "codec/base32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of((const char *)data, size);
    size_t text_len = base32_encoded_len(size), len;
    char *text = malloc(text_len + 1);
    uint8_t *bytes = malloc(base32_decoded_max(text_len));
    must(text && bytes);
    base32_encode(text, input);
    must(base32_decode(slice_of(text, text_len), bytes, &len));
    must(slice_eq(slice_of((const char *)bytes, len), input));
    if (base32_decode(input, bytes, &len)) {
        must(len <= base32_decoded_max(size) && base32_encoded_len(len) == size);
        must(slice_eq_nocase(
            slice_of(base32_encode(text, slice_of((const char *)bytes, len)), size), input));
    }
    free(text);
    free(bytes);
    return 0;
}
