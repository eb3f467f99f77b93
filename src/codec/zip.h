#ifndef WEIR_CODEC_ZIP_H
#define WEIR_CODEC_ZIP_H
/* The files of a ZIP archive, one after the other, as its bytes come in: entries are read where
 * they stand, the directory at the end is not looked at, so nothing has to be seeked or held.
 *
 *   methods     stored (its length has to stand before it), deflate
 *   lengths     before an entry or behind it (data descriptor, also of 64 bits)
 *   checked     each entry's CRC-32
 *   refused     encrypted entries, other methods, names of more than ZIP_NAME_BYTES_MAX
 *
 * One thread. Memory: a window of zlib's. Source: APPNOTE.TXT 6.3.10 (PKWARE), 4.3; RFC 1951. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"

enum { ZIP_NAME_BYTES_MAX = 512 };
bool zip_is(struct slice bytes); /* begins as an archive with an entry does; four bytes decide */

enum zip_event {
    ZIP_MORE,  /* in is used up */
    ZIP_BEGIN, /* of an entry: zip_name() */
    ZIP_DATA,  /* *ret_len bytes of it are in `to` */
    ZIP_END,   /* of an entry */
    ZIP_DONE,  /* the directory begins: nothing more is looked at */
};
struct zip;
struct zip *zip_new(void); /* NULL if memory is gone */
void zip_free(struct zip *z);
DEFINE_CLEANUP(struct zip *, zip_free)
/* Takes from the front of *in. RC_INVALID: damaged. RC_UNSUPPORTED: see above. RC_NOMEM. After an
 * error it is of no more use. */
enum rc zip_feed(struct zip *z, struct slice *in, char *to, size_t cap, enum zip_event *ret_event,
                 size_t *ret_len, struct err *err) MUST_CHECK;
/* Of the entry that has begun, until the next one: any bytes but U+0000. */
struct slice zip_name(const struct zip *z);
#endif
