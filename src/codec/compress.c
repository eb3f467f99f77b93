/* WHAT   Decoding gzip and zstd behind one streaming interface (compress.h).
 * WHY    One object serves both kinds and is reset instead of made anew: a zlib state is 40 KiB
 *        and a zstd one grows with the window, so a server keeps a few and no request allocates.
 * LIMITS zstd frames may ask for windows up to 2 GiB; more than WINDOW_LOG_MAX is refused, so that
 *        a 20-byte header cannot make us reserve memory.
 * THREADS none; one thread at a time per object. */
#include "codec/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "base/heap.h"
#include "base/must.h"

enum { GZIP_WINDOW_BITS = 15 + 16, WINDOW_LOG_MAX = 23 }; /* 8 MiB */

struct decoder {
    enum codec_kind kind;
    bool has_zlib;
    bool is_at_boundary; /* between members or frames */
    bool has_begun;      /* at least one member or frame was begun */
    z_stream zlib;
    ZSTD_DCtx *zstd;
};

enum codec_kind codec_sniff(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    if (s.len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return CODEC_GZIP;
    if (s.len >= 4 && p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd)
        return CODEC_ZSTD;
    return CODEC_PLAIN;
}

struct decoder *decoder_new(void)
{
    return heap_try_alloc(HEAP_MISC, sizeof(struct decoder));
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    if (d->has_zlib)
        inflateEnd(&d->zlib);
    ZSTD_freeDCtx(d->zstd);
    heap_free(d);
}

static enum rc start_zlib(struct decoder *d)
{
    if (d->has_zlib)
        return inflateReset(&d->zlib) == Z_OK ? RC_OK : RC_BUG;
    ENSURE(inflateInit2(&d->zlib, GZIP_WINDOW_BITS) == Z_OK, RC_NOMEM);
    d->has_zlib = true;
    return RC_OK;
}

static enum rc start_zstd(struct decoder *d)
{
    if (!d->zstd) {
        d->zstd = ZSTD_createDCtx();
        ENSURE(d->zstd, RC_NOMEM);
    }
    size_t n = ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_and_parameters);
    if (!ZSTD_isError(n))
        n = ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return ZSTD_isError(n) ? RC_BUG : RC_OK;
}

enum rc decoder_start(struct decoder *d, enum codec_kind kind)
{
    d->kind = kind;
    d->is_at_boundary = true;
    d->has_begun = false;
    if (kind == CODEC_GZIP)
        return start_zlib(d);
    return kind == CODEC_ZSTD ? start_zstd(d) : RC_OK;
}

static enum rc feed_gzip(struct decoder *d, struct slice *in, char *to, size_t cap, size_t *ret_len)
{
    enum { PIECE_MAX = 1 << 30 }; /* zlib counts in 32 bits */
    size_t done = 0;
    /* With the input used up, output may still wait inside zlib; so go on until nothing moves. */
    while (done < cap && (in->len || !d->is_at_boundary)) {
        if (d->is_at_boundary && d->has_begun)
            TRY(start_zlib(d)); /* a further member; garbage fails on its magic */
        d->is_at_boundary = false;
        d->has_begun = true;
        unsigned avail_in = (unsigned)(in->len < PIECE_MAX ? in->len : PIECE_MAX);
        unsigned avail_out = (unsigned)(cap - done < PIECE_MAX ? cap - done : PIECE_MAX);
        d->zlib.next_in = (Bytef *)(uintptr_t)in->data; /* zlib does not write to it */
        d->zlib.avail_in = avail_in;
        d->zlib.next_out = (Bytef *)to + done;
        d->zlib.avail_out = avail_out;
        int z = inflate(&d->zlib, Z_NO_FLUSH);
        *in = slice_sub(*in, avail_in - d->zlib.avail_in);
        done += avail_out - d->zlib.avail_out;
        if (z == Z_STREAM_END)
            d->is_at_boundary = true;
        else if (z == Z_MEM_ERROR)
            return RC_NOMEM;
        else if (z != Z_OK && z != Z_BUF_ERROR)
            return RC_INVALID;
        else if (avail_in == d->zlib.avail_in && avail_out == d->zlib.avail_out)
            break;
    }
    *ret_len = done;
    return RC_OK;
}

static enum rc feed_zstd(struct decoder *d, struct slice *in, char *to, size_t cap, size_t *ret_len)
{
    ZSTD_inBuffer from = {.src = in->data, .size = in->len};
    ZSTD_outBuffer out = {.dst = to, .size = cap};
    size_t left = 1;
    /* With the input used up, output may still be waiting inside; it comes until out is not full.
     */
    do {
        size_t had_in = from.pos, had_out = out.pos;
        if (d->is_at_boundary && from.pos == from.size)
            break;
        left = ZSTD_decompressStream(d->zstd, &out, &from);
        if (ZSTD_isError(left))
            return RC_INVALID;
        d->has_begun = true;
        d->is_at_boundary = left == 0;
        if (from.pos == had_in && out.pos == had_out)
            break;
    } while (out.pos < out.size);
    *in = slice_sub(*in, from.pos);
    *ret_len = out.pos;
    return RC_OK;
}

enum rc decoder_feed(struct decoder *d, struct slice *in, char *to, size_t cap, size_t *ret_len)
{
    *ret_len = 0;
    if (d->kind == CODEC_GZIP)
        return feed_gzip(d, in, to, cap, ret_len);
    if (d->kind == CODEC_ZSTD)
        return feed_zstd(d, in, to, cap, ret_len);
    size_t n = in->len < cap ? in->len : cap;
    if (n)
        memcpy(to, in->data, n);
    *in = slice_sub(*in, n);
    *ret_len = n;
    return RC_OK;
}

enum rc decoder_finish(struct decoder *d)
{
    if (d->kind == CODEC_PLAIN)
        return RC_OK;
    return d->is_at_boundary && d->has_begun ? RC_OK : RC_INVALID;
}

/* Space for the next piece: grows by doubling from a guess, never beyond the cap of out. */
static char *next_space(struct buf *out, size_t in_len, size_t *ret_cap)
{
    enum { STEP_MIN = 4096 };
    size_t step = out->len ? out->len : in_len * 4;
    if (step < STEP_MIN)
        step = STEP_MIN;
    if (step > out->bytes_max - out->len)
        step = out->bytes_max - out->len;
    *ret_cap = step;
    return step ? buf_reserve(out, step) : NULL;
}

enum rc decode_all(struct decoder *d, struct slice in, struct buf *out, struct err *err)
{
    enum codec_kind kind = codec_sniff(in);
    const char *name = kind == CODEC_GZIP ? "gzip" : kind == CODEC_ZSTD ? "zstd" : "plain";
    size_t in_len = in.len, cap = 0, n = 0;
    TRY(decoder_start(d, kind));
    do {
        char *to = next_space(out, in_len, &cap);
        char probe; /* full: one more byte of output would be one too many */
        if (!to && out->len < out->bytes_max)
            return err_set(err, RC_NOMEM, "no memory to decode a %s body", name);
        enum rc rc = decoder_feed(d, &in, to ? to : &probe, to ? cap : 1, &n);
        if (rc != RC_OK)
            return err_set(err, rc, "the %s body is damaged", name);
        if (!to && n)
            return err_set(err, RC_LIMIT, "the decoded body is larger than %zu bytes",
                           out->bytes_max);
        if (to)
            buf_commit(out, n);
        else
            cap = 1;
    } while (in.len || n == cap);
    if (decoder_finish(d) != RC_OK)
        return err_set(err, RC_INVALID, "the %s body is cut short", name);
    return RC_OK;
}
