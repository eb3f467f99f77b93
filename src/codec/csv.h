#ifndef WEIR_CODEC_CSV_H
#define WEIR_CODEC_CSV_H
/* CSV as RFC 4180 has it, record by record out of a buffer that grows: fields between commas,
 * quoted ones with "" for a quote and with line ends inside, records ended by LF or CRLF. A quote
 * in the middle of an unquoted field is a character like any other (many write it so).
 *
 * Pure; a record costs its own length. Source: RFC 4180; no library of Debian's reads a record at a
 * time without a callback per field (docs/adr/0007-import-and-export.md). */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rc.h"
#include "base/slice.h"

enum { CSV_FIELDS_MAX = 256, CSV_RECORD_BYTES_MAX = 1 << 20 };

struct csv_record {
    struct slice fields[CSV_FIELDS_MAX]; /* of the text, or of the space where "" was taken out */
    uint32_t count;
};
/* The first record of the text. *ret_used: the bytes that it took, line end included; also on
 * RC_INVALID and RC_LIMIT, where they are what has to be passed over (up to the next line end).
 *   RC_AGAIN    the text ends inside a record and is_end is not set: call again with more of it
 *   RC_END      the text is empty
 *   RC_INVALID  something follows a closing quote, or the text ends inside quotes
 *   RC_LIMIT    more fields or bytes than the maxima
 * space is cleared first; fields are valid until the next call with it. */
enum rc csv_next(struct slice text, bool is_end, struct buf *space, struct csv_record *ret,
                 size_t *ret_used) MUST_CHECK;

/* One field with quotes where it needs them. */
void csv_add(struct buf *out, struct slice field);
/* The same for a text that a person may open in a spreadsheet: what would begin a formula there
 * (= + - @, tab, carriage return) gets a ' before it. */
void csv_add_text(struct buf *out, struct slice field);
#endif
