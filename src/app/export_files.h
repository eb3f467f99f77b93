#ifndef WEIR_APP_EXPORT_FILES_H
#define WEIR_APP_EXPORT_FILES_H
/* weir export without a server: a project's events out of the files of the stream and the archive,
 * as NDJSON: those that the table has, in the order of the records, and as they stand there (a
 * page's path as it came, where the table has one spelling, and zeros, which are nothing there).
 * Imported, they become the same rows. What only the table knows of any more is told, not passed
 * over. */
#include "app/node.h"

struct export_files {
    const char *project;                             /* id */
    int64_t from_ms, to_ms;                          /* of the event's timestamp; to: not in it */
    bool is_partial;                                 /* goes on although records are missing */
    enum rc (*write)(void *ctx, struct slice bytes); /* has told why if it is not RC_OK */
    void *ctx;
    uint64_t events, missing; /* made of it; records that neither has any more */
};
/* Holds the data folder (n: opened with NODE_STREAMS). RC_NOTFOUND: records are missing at the
 * beginning, and nothing was written; RC_CORRUPT: some are missing between. */
enum rc export_files_run(struct node *n, struct export_files *ex, struct err *err) MUST_CHECK;
#endif
