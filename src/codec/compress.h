#ifndef WEIR_CODEC_COMPRESS_H
#define WEIR_CODEC_COMPRESS_H
/* gzip and zstd, recognised by their first bytes and by nothing else: the headers of a request may
 * say what they like (PostHog's browser SDK sends gzip as text/plain).
 *
 * Output is always capped and the input is read as a stream, so a bomb costs its cap and no more.
 * Members (gzip) and frames (zstd) may follow one another; anything else behind them is refused. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

enum codec_kind { CODEC_PLAIN, CODEC_GZIP, CODEC_ZSTD };
/* CODEC_PLAIN for anything that is neither. The first four bytes decide. */
enum codec_kind codec_sniff(struct slice bytes);

/* ---- decoding; one thread at a time; reusable, so that a server makes few of them ---- */
struct decoder;
struct decoder *decoder_new(void); /* NULL if memory is gone */
void decoder_free(struct decoder *d);
DEFINE_CLEANUP(struct decoder *, decoder_free)
/* Begin a new text. CODEC_PLAIN passes bytes through. */
enum rc decoder_start(struct decoder *d, enum codec_kind kind) MUST_CHECK;
/* Takes from the front of *in, gives up to cap bytes. Ends when *in is empty and *ret_len < cap.
 * RC_INVALID: damaged, or trailing garbage. RC_NOMEM. */
enum rc decoder_feed(struct decoder *d, struct slice *in, char *to, size_t cap,
                     size_t *ret_len) MUST_CHECK;
/* At the end of the input: RC_INVALID if it stops in the middle of a member or frame. */
enum rc decoder_finish(struct decoder *d) MUST_CHECK;

/* The whole of in, decoded and appended to out. RC_LIMIT at out's bytes_max, else as above. */
enum rc decode_all(struct decoder *d, struct slice in, struct buf *out, struct err *err) MUST_CHECK;

/* ---- encoding ---- */
/* Whole input to one member or frame, appended. level: gzip 1-9, zstd 1-19. The same input, level
 * and library version give the same bytes (gzip without a time stamp). */
enum rc encode_all(enum codec_kind kind, int level, struct slice in, struct buf *out) MUST_CHECK;

struct encoder; /* piece by piece; one member or frame */
enum rc encoder_new(enum codec_kind kind, int level, struct encoder **ret_encoder) MUST_CHECK;
void encoder_free(struct encoder *e);
DEFINE_CLEANUP(struct encoder *, encoder_free)
/* Appends what is ready to out; the caller empties out as it likes. */
enum rc encoder_write(struct encoder *e, struct slice piece, struct buf *out) MUST_CHECK;
enum rc encoder_end(struct encoder *e, struct buf *out) MUST_CHECK; /* then encoder_free */
#endif
