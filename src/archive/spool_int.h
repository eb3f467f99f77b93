#ifndef WEIR_ARCHIVE_SPOOL_INT_H
#define WEIR_ARCHIVE_SPOOL_INT_H
/* One part of the archive on its way: records become lines, lines become zstd, all in a temporary
 * file whose digest is kept while it grows. One thread. After any failure but that of
 * spool_upload() the spool is useless: free it and begin again from the stream. */
#include "archive/manifest.h"

struct spool;
/* path: created or emptied. */
enum rc spool_new(const char *path, int level, struct spool **ret_spool,
                  struct err *err) MUST_CHECK;
enum rc spool_add(struct spool *s, const struct stream_record *record, struct err *err) MUST_CHECK;
uint64_t spool_raw_bytes(const struct spool *s);
/* Ends the frame; *ret describes the file. May be called again. */
enum rc spool_finish(struct spool *s, struct archive_object *ret, struct err *err) MUST_CHECK;
/* RC_CORRUPT: the file on disk is not what was written. Anything else: may be tried again. */
enum rc spool_upload(struct spool *s, struct object_store *objects, const char *key,
                     struct err *err) MUST_CHECK;
void spool_free(struct spool *s); /* removes the file; NULL is allowed */
DEFINE_CLEANUP(struct spool *, spool_free)

/* Any local file: measured and copied into the object store, whole or in parts. want (NULL is
 * allowed): RC_CORRUPT unless bytes and digest are these. */
enum rc file_upload(const char *path, struct object_store *objects, const char *key,
                    const struct archive_object *want, struct archive_object *ret,
                    struct err *err) MUST_CHECK;
#endif
