/* A text that is decoded is the only text of its bytes: encoding gives it back (but for padding).
 */
#include <stdlib.h>

#include "base/must.h"
#include "codec/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    uint8_t *to = malloc(base64_decoded_max(size));
    must(to);
    for (int k = 0; k < 2; k++) {
        enum base64_kind kind = k ? BASE64_URL : BASE64_STD;
        struct buf b;
        size_t len;
        buf_init(&b, 2 * size + 8);
        if (base64_decode(kind, text, to, &len)) {
            must(len <= base64_decoded_max(size));
            base64_encode(&b, kind, slice_of((char *)to, len));
            must(buf_ok(&b) && b.len >= size && b.len - size <= 2);
            must(slice_has_prefix(buf_slice(&b), text));
        }
        buf_done(&b);
    }
    if (hex_decode(text, to, size / 2) && size % 2 == 0) {
        char *back = malloc(size + 1);
        must(back && slice_eq_nocase(slice_of(hex_encode(back, to, size / 2), size), text));
        free(back);
    }
    free(to);
    return 0;
}
