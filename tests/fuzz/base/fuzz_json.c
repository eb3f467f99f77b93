/* buf_add_json: always one JSON string of valid UTF-8 without control bytes, whatever goes in. */
#include <stdint.h>

#include "base/buf.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct buf b;
    buf_init(&b, 6 * 4096 + 2); /* the longest that an input of this size can become */
    buf_add_json(&b, slice_of((const char *)data, size));
    must(buf_ok(&b) && b.len >= 2 && b.data[0] == '"' && b.data[b.len - 1] == '"');
    struct slice inner = slice_of(b.data + 1, b.len - 2);
    while (inner.len) {
        size_t n = slice_utf8_len(inner);
        must(n > 0 && (unsigned char)inner.data[0] >= 0x20 && inner.data[0] != '"');
        if (inner.data[0] == '\\') {
            must(inner.len > 1);
            n = inner.data[1] == 'u' ? 6 : 2;
            must(n <= inner.len && (n == 6 || inner.data[1] == '"' || inner.data[1] == '\\'));
        }
        inner = slice_sub(inner, n);
    }
    buf_done(&b);
    return 0;
}
