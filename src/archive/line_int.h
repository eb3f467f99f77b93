#ifndef WEIR_ARCHIVE_LINE_INT_H
#define WEIR_ARCHIVE_LINE_INT_H
/* One record of the stream as one line of NDJSON and back, byte for byte (docs/format/archive.md).
 */
#include "base/buf.h"
#include "base/rc.h"
#include "stream/stream.h"

enum {
    /* The worst line: every byte of key and headers escaped to six, or the value in base64. */
    LINE_BYTES_MAX = 6 * STREAM_RECORD_BYTES_MAX + 4096,
};
/* Appends the line with its '\n'. RC_NOMEM if out is full. */
enum rc line_encode(const struct stream_record *record, struct buf *out,
                    struct err *err) MUST_CHECK;
/* line: without the '\n'. The record's slices live in scratch (cleared first) or in line.
 * RC_CORRUPT unless line_encode() of the result would give exactly this line again. */
enum rc line_decode(struct slice line, struct buf *scratch, struct stream_record *ret_record,
                    struct err *err) MUST_CHECK;
#endif
