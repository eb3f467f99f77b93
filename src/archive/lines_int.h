#ifndef WEIR_ARCHIVE_LINES_INT_H
#define WEIR_ARCHIVE_LINES_INT_H
/* The lines of one NDJSON object, checked against its manifest while they pass. */
#include "archive/manifest.h"

struct lines;
/* m and part: borrowed until lines_close(). */
enum rc lines_open(struct object_store *objects, const struct archive_manifest *m,
                   const struct archive_part *part, struct lines **ret_lines,
                   struct err *err) MUST_CHECK;
/* The next line without its '\n', valid until the next call. RC_END only after size, digest and
 * number of lines were found right; RC_CORRUPT otherwise. */
enum rc lines_next(struct lines *l, struct slice *ret_line, struct err *err) MUST_CHECK;
void lines_close(struct lines *l);
DEFINE_CLEANUP(struct lines *, lines_close)
#endif
