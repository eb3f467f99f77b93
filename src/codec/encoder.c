/* Encoding to gzip and zstd; the interface is in compress.h. Output goes straight into the
 * caller's buffer, so its maximum is the only limit. One thread at a time per object. */
#include "codec/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "base/heap.h"

enum { GZIP_WINDOW_BITS = 15 + 16, GZIP_MEM_LEVEL = 8, STEP_BYTES = 64 * 1024 };

struct encoder {
    enum codec_kind kind;
    bool has_zlib;
    z_stream zlib;
    ZSTD_CCtx *zstd;
};

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    if (e->has_zlib)
        deflateEnd(&e->zlib);
    ZSTD_freeCCtx(e->zstd);
    heap_free(e);
}

enum rc encoder_new(enum codec_kind kind, int level, struct encoder **ret_encoder)
{
    CLEANUP(encoder_freep) struct encoder *e = heap_try_alloc(HEAP_MISC, sizeof(*e));
    ENSURE(e, RC_NOMEM);
    e->kind = kind;
    if (kind == CODEC_GZIP) {
        ENSURE(deflateInit2(&e->zlib, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL,
                            Z_DEFAULT_STRATEGY) == Z_OK,
               RC_NOMEM);
        e->has_zlib = true;
    } else if (kind == CODEC_ZSTD) {
        e->zstd = ZSTD_createCCtx();
        ENSURE(e->zstd, RC_NOMEM);
        ENSURE(!ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level)) &&
                   !ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1)),
               RC_INVALID);
    }
    *ret_encoder = take_ptr(&e);
    return RC_OK;
}

/* Room for the next piece; *ret_cap is smaller near the maximum of out. */
static char *next_space(struct buf *out, size_t *ret_cap)
{
    size_t left = out->bytes_max - out->len;
    *ret_cap = left < STEP_BYTES ? left : STEP_BYTES;
    return *ret_cap ? buf_reserve(out, *ret_cap) : NULL;
}

static enum rc run_gzip(struct encoder *e, struct slice *in, bool is_end, struct buf *out,
                        bool *ret_is_done)
{
    enum { PIECE_MAX = 1 << 30 };
    size_t cap;
    char *to = next_space(out, &cap);
    ENSURE(to, RC_LIMIT);
    unsigned avail_in = (unsigned)(in->len < PIECE_MAX ? in->len : PIECE_MAX);
    e->zlib.next_in = (Bytef *)(uintptr_t)in->data;
    e->zlib.avail_in = avail_in;
    e->zlib.next_out = (Bytef *)to;
    e->zlib.avail_out = (unsigned)cap;
    int z = deflate(&e->zlib, is_end && avail_in == in->len ? Z_FINISH : Z_NO_FLUSH);
    if (z == Z_STREAM_ERROR)
        return RC_BUG;
    *in = slice_sub(*in, avail_in - e->zlib.avail_in);
    buf_commit(out, cap - e->zlib.avail_out);
    *ret_is_done = is_end ? z == Z_STREAM_END : in->len == 0 && e->zlib.avail_out > 0;
    return RC_OK;
}

static enum rc run_zstd(struct encoder *e, struct slice *in, bool is_end, struct buf *out,
                        bool *ret_is_done)
{
    size_t cap;
    char *to = next_space(out, &cap);
    ENSURE(to, RC_LIMIT);
    ZSTD_inBuffer from = {.src = in->data, .size = in->len};
    ZSTD_outBuffer into = {.dst = to, .size = cap};
    size_t left =
        ZSTD_compressStream2(e->zstd, &into, &from, is_end ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
        return RC_NOMEM;
    *in = slice_sub(*in, from.pos);
    buf_commit(out, into.pos);
    *ret_is_done = is_end ? left == 0 : in->len == 0;
    return RC_OK;
}

static enum rc run(struct encoder *e, struct slice in, bool is_end, struct buf *out)
{
    if (e->kind == CODEC_PLAIN) {
        buf_add_slice(out, in);
        return buf_ok(out) ? RC_OK : RC_LIMIT;
    }
    for (bool is_done = !is_end && in.len == 0; !is_done;)
        TRY((e->kind == CODEC_GZIP ? run_gzip : run_zstd)(e, &in, is_end, out, &is_done));
    return RC_OK;
}

enum rc encoder_write(struct encoder *e, struct slice piece, struct buf *out)
{
    return run(e, piece, false, out);
}

enum rc encoder_end(struct encoder *e, struct buf *out)
{
    return run(e, SLICE_EMPTY, true, out);
}

enum rc encode_all(enum codec_kind kind, int level, struct slice in, struct buf *out)
{
    CLEANUP(encoder_freep) struct encoder *e = NULL;
    TRY(encoder_new(kind, level, &e));
    return run(e, in, true, out);
}
