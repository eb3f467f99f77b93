#ifndef WEIR_CODEC_LZSTRING_H
#define WEIR_CODEC_LZSTRING_H
/* The compression of the JavaScript library lz-string in its base64 form, as old browser SDKs send
 * it (PostHog's "lz64"): LZ78 over UTF-16 units, codes of growing width, least significant bit
 * first. Pure. */
#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

/* Appends the text as UTF-8 to out; a unit that is no character becomes U+FFFD. A blank is taken
 * for the '+' that it was before a form was decoded. Memory: out, which its bytes_max bounds, and
 * at most 32 MiB for the dictionary while it runs.
 * RC_INVALID: not this form, or cut off. RC_LIMIT: more than out may hold, or than the dictionary.
 * RC_NOMEM. After an error what stands in out behind its old end means nothing. */
enum rc lzstring_decode(struct slice base64, struct buf *out, struct err *err) MUST_CHECK;
#endif
