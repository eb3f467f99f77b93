/* Any bytes: the cap holds, what comes out is UTF-8, and what this tree's own packer makes of it
 * comes back. */
#include "../../unit/codec/lzstring_pack.h"

#include "codec/lzstring.h"

enum { CAP = 1 << 16 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_utf8(struct slice text)
{
    while (text.len) {
        size_t n = slice_utf8_len(text);
        must(n);
        text = slice_sub(text, n);
    }
}

static void there_and_back(struct slice bytes)
{
    struct buf packed, again;
    bool is_ascii = true;
    for (size_t i = 0; i < bytes.len; i++)
        is_ascii = is_ascii && !((unsigned char)bytes.data[i] & 0x80);
    if (!is_ascii || bytes.len > 2048)
        return;
    buf_init(&packed, 4 * CAP);
    buf_init(&again, CAP);
    lzstring_pack(bytes, &packed);
    must(lzstring_decode(buf_slice(&packed), &again, NULL) == RC_OK);
    must(slice_eq(buf_slice(&again), bytes));
    buf_done(&packed);
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of((const char *)data, size);
    struct buf out;
    buf_init(&out, CAP);
    enum rc rc = lzstring_decode(in, &out, NULL);
    must(rc == RC_OK || rc == RC_INVALID || rc == RC_LIMIT);
    must(out.len <= CAP && out.cap <= CAP);
    if (rc == RC_OK)
        is_utf8(buf_slice(&out));
    buf_done(&out);
    there_and_back(in);
    return 0;
}
