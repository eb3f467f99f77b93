/* Any bytes as an archive: what comes out is the same in pieces of one byte and at once, and events
 * come in their order. */
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "codec/zip.h"

enum { OUT_BYTES_MAX = 1 << 20 };

static enum rc read_all(struct slice bytes, size_t step, size_t cap, struct buf *out)
{
    struct zip *z = zip_new();
    struct err err = ERR_INIT;
    enum rc rc = RC_OK;
    enum zip_event event = ZIP_MORE;
    bool is_open = false;
    static char to[4096];
    must(z);
    while (rc == RC_OK && bytes.len && event != ZIP_DONE && out->len < OUT_BYTES_MAX / 2) {
        struct slice piece = slice_of(bytes.data, bytes.len < step ? bytes.len : step);
        bytes = slice_sub(bytes, piece.len);
        do {
            size_t n;
            rc = zip_feed(z, &piece, to, cap, &event, &n, &err);
            if (rc != RC_OK)
                break;
            must(n <= cap && (n > 0) == (event == ZIP_DATA));
            must((event != ZIP_DATA && event != ZIP_END) || is_open);
            must(event != ZIP_BEGIN || !is_open);
            if (event == ZIP_BEGIN) {
                must(zip_name(z).len > 0 && zip_name(z).len <= ZIP_NAME_BYTES_MAX);
                buf_add_slice(out, zip_name(z));
            }
            is_open = event == ZIP_BEGIN || (is_open && event != ZIP_END);
            buf_add(out, to, event == ZIP_DATA ? n : 0);
        } while (event != ZIP_MORE && event != ZIP_DONE && out->len < OUT_BYTES_MAX / 2);
    }
    zip_free(z);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf a, b;
    struct slice bytes = slice_of((const char *)data, size);
    buf_init(&a, OUT_BYTES_MAX);
    buf_init(&b, OUT_BYTES_MAX);
    enum rc at_once = read_all(bytes, size + 1, 4096, &a), piecewise = read_all(bytes, 1, 16, &b);
    if (a.len < OUT_BYTES_MAX / 2 && b.len < OUT_BYTES_MAX / 2) {
        must(at_once == piecewise);
        must(at_once != RC_OK || slice_eq(buf_slice(&a), buf_slice(&b)));
    }
    buf_done(&a);
    buf_done(&b);
    return 0;
}
