/* Any bytes: the cap holds, whole and in pieces give the same, and what was decoded survives a
 * round trip. */
#include <stdlib.h>

#include "base/must.h"
#include "codec/compress.h"

enum { CAP = 1 << 16, PIECE = 7 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rc in_pieces(struct decoder *d, struct slice in, struct buf *out)
{
    enum codec_kind kind = codec_sniff(in);
    char to[13];
    TRY(decoder_start(d, kind));
    while (in.len) {
        struct slice piece = slice_of(in.data, in.len < PIECE ? in.len : PIECE);
        size_t n;
        in = slice_sub(in, piece.len);
        do {
            TRY(decoder_feed(d, &piece, to, sizeof(to), &n));
            buf_add(out, to, n);
            if (!buf_ok(out))
                return RC_LIMIT;
        } while (piece.len || n == sizeof(to));
    }
    return decoder_finish(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder *d;
    struct buf whole, pieces;
    struct slice in = slice_of((const char *)data, size);
    if (!d)
        d = decoder_new();
    must(d);
    buf_init(&whole, CAP);
    buf_init(&pieces, CAP);
    enum rc rc = decode_all(d, in, &whole, NULL), rc2 = in_pieces(d, in, &pieces);
    must(whole.len <= CAP && whole.cap <= CAP);
    /* Not the other way round: libzstd (1.5.4) overlooks the reserved bit of a frame header that
     * comes in pieces, which it refuses in one (corpus: zstd_reserved_bit). */
    must(rc != RC_OK || rc2 == RC_OK);
    must(rc2 != RC_OK || rc == RC_OK || codec_sniff(in) == CODEC_ZSTD);
    if (rc == RC_OK) {
        struct buf packed, again;
        must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
        buf_init(&packed, 2 * CAP);
        buf_init(&again, CAP);
        must(encode_all(CODEC_ZSTD, 1, buf_slice(&whole), &packed) == RC_OK);
        must(decode_all(d, buf_slice(&packed), &again, NULL) == RC_OK);
        must(slice_eq(buf_slice(&whole), buf_slice(&again)));
        buf_done(&packed);
        buf_done(&again);
    }
    buf_done(&whole);
    buf_done(&pieces);
    return 0;
}
