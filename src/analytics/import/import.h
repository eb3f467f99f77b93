#ifndef WEIR_ANALYTICS_IMPORT_IMPORT_H
#define WEIR_ANALYTICS_IMPORT_IMPORT_H
/* What another product (or another weir) exported becomes records of the stream `events`. Formats
 * and what becomes of their members: docs/import.md.
 *
 * AGAIN    The id of an event is a function of the source's own id, or of the line and its ordinal
 *          among equal lines: importing a file twice, or going on after a break, adds nothing.
 * BAD      A line that cannot be taken is counted by reason, the first ones are told with their
 *          numbers; the import goes on until bad_max of them.
 * ERASED   Events of somebody who was erased are left out, and counted as `erased`.
 * QUOTA    As for what is sent: each batch that begins below the project's maximum is taken whole;
 *          the first one that does not ends the import with RC_RATE.
 * COUNTED  What was not taken is told by import_tell(), under the dialect `import`.
 * MEMORY   One piece of the file, one batch of records; for formats without ids, 16 bytes per
 *          different line as well; what stands in a file of its own (struct import_join), held
 *          whole, up to its maximum.
 * THREADS  import_run() blocks: not on a loop. */
#include "analytics/erase/erase.h"
#include "analytics/rejected/rejected.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/rc.h"
#include "base/slice.h"
#include "geo/geo.h"
#include "store/store.h"
#include "stream/stream.h"
#include "tenant/quota.h"
#include "tenant/tenant.h"

enum {
    IMPORT_ITEM_BYTES_MAX = 4 << 20, /* a line, a CSV record, an element of an array */
    IMPORT_BAD_MAX_DEFAULT = 1000,
    IMPORT_BAD_TOLD = 20,
    IMPORT_REASONS_MAX = 32,
};

struct import_bad {
    uint64_t line; /* from 1; in a JSON array the number of the element, in CSV of the record */
    char text[200];
};
struct import_counts {
    uint64_t lines; /* or elements, or records, without a header; skipped ones included */
    uint64_t
        imported; /* events (or rows of sums) that are kept; a line may give several, or none */
    uint64_t rejected; /* lines */
    struct {
        const char *name; /* static */
        uint64_t count;
    } reasons[IMPORT_REASONS_MAX];
    uint32_t reason_count;
    struct import_bad bad[IMPORT_BAD_TOLD];
    uint32_t bad_told;
    /* What was before this line is in the stream: where to go on after a break. */
    uint64_t lines_done;
    struct uuid id; /* of an import of sums, by which they can be removed; else zeros */
};
/* {"lines":…,"imported":…,"rejected":…,"reasons":{…},"bad":[{"line","reason"}],"lines_done":…};
 * with "import_id" if there is one. */
void import_counts_json(const struct import_counts *c, struct buf *out);

/* Gives up to cap bytes; 0 at the end. */
typedef enum rc import_read_fn(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err);
/* Takes the records of a batch (borrowed during the call, also their order) for good, or stops the
 * import. *ret_erased: how many of them it has left out as an erased user's. */
typedef enum rc import_sink_fn(void *ctx, struct stream_record *records, uint32_t count,
                               uint32_t *ret_erased, struct err *err);
/* Puts lines of JSONEachRow into the table `imported`, of formats that hold sums, not events. */
typedef enum rc import_rows_fn(void *ctx, struct slice lines, struct err *err);
typedef void import_progress_fn(void *ctx, const struct import_counts *counts, uint64_t bytes);

/* Properties of events that stand in another file than the events (Umami's event_data.csv). It is
 * read first: in an archive by itself, else by an import_run() before that of the events. */
struct import_join;
struct import_join *import_join_new(uint64_t bytes_max); /* what is beyond it: RC_LIMIT */
void import_join_free(struct import_join *j);            /* NULL is fine */

struct import_format;
const struct import_format *import_format_find(struct slice name); /* NULL: none of that name */
void import_format_names(struct buf *out);                         /* "weir, goatcounter, …" */
/* A line for a person, "  name   what it is" each. */
void import_format_help(struct buf *out);

struct import_cfg {
    const struct import_format *format;
    const struct tenant_project *project; /* borrowed */
    struct uuid id;       /* under which sums are kept; of one file, or of several */
    import_read_fn *read; /* plain, gzip or zstd; or a ZIP archive of plain files */
    enum rc (*rewind)(void *read_ctx, struct err *err); /* read() begins again; may be NULL */
    void *read_ctx;
    struct import_join *join; /* borrowed; may be NULL */
    bool ends_join; /* no more events come for it: what is left of it is told as no_event */
    import_sink_fn *sink;
    void *sink_ctx;
    import_rows_fn *put_rows;     /* with sink_ctx; NULL: such formats are refused */
    import_progress_fn *progress; /* after each piece; may be NULL */
    void *progress_ctx;
    struct geo *geo;          /* where addresses are looked up (and then forgotten); may be NULL */
    uint64_t bad_max;         /* 0: IMPORT_BAD_MAX_DEFAULT; UINT64_MAX: no limit */
    uint64_t skip;            /* lines, from the beginning */
    uint64_t plain_bytes_max; /* decompressed; 0: no limit. RC_LIMIT */
};
/* counts is kept up to date, also when it fails. RC_INVALID: the file is not of that format, or
 * damaged, or has too many bad lines; what sink and read return. */
enum rc import_run(const struct import_cfg *cfg, struct import_counts *counts,
                   struct err *err) MUST_CHECK;

/* ---- the door: what a batch passes on its way into the stream, in whichever process ---- */
struct import_door { /* all borrowed */
    struct tenant *tenant;
    struct stream *events;
    struct erase_guard *guard;
    struct quota *quota;
    struct rejected_sink rejected;
};
/* For a sink. RC_RATE: the quota is used up, nothing was taken; RC_BUSY: try again; what the stream
 * returns. Blocks. */
enum rc import_door_append(const struct import_door *door, const struct tenant_project *project,
                           struct stream_record *records, uint32_t count, uint32_t *ret_erased,
                           struct err *err) MUST_CHECK;
/* So many events or lines of an import were not taken. reason: one of import_counts, or any other
 * text, which counts as a bad line. */
void import_tell(const struct import_door *door, const struct tenant_project *project,
                 struct slice reason, uint64_t count);
/* The same of all that an import has counted; once, at its end. */
void import_tell_counts(const struct import_door *door, const struct tenant_project *project,
                        const struct import_counts *counts);

/* ---- sums that were imported: rows of the table `imported`; block ---- */
/* import_rows_fn of who has a store. */
enum rc import_put_rows(struct store_pool *pool, struct slice lines, struct err *err) MUST_CHECK;
/* RC_NOTFOUND: the project has none of that import. */
enum rc import_sums_find(struct store_pool *pool, const struct tenant_project *project,
                         const struct uuid *id, struct err *err) MUST_CHECK;
/* The audit event import.remove; before the rows go, so that none goes without. */
enum rc import_sums_note(struct ctx *ctx, struct tenant *t, const struct tenant_project *project,
                         const struct uuid *id, struct err *err) MUST_CHECK;
/* Its rows are gone when it returns, and are not replaced by those of imports before: a row is the
 * last import's that had it. May be repeated. */
enum rc import_sums_remove(struct store_pool *pool, const struct tenant_project *project,
                           const struct uuid *id, struct err *err) MUST_CHECK;

/* ---- POST /v1/projects/{projectId}/imports, DELETE …/imports/{importId} ---- */
struct import_service_cfg { /* all borrowed */
    const struct import_door *door;
    struct geo *geo; /* may be NULL */
    struct store_pool *pool;
};
struct import_service;
struct import_service *import_service_new(const struct import_service_cfg *cfg);
struct api_service import_service(struct import_service *s);
void import_service_free(struct import_service *s); /* after the last answer; NULL is fine */
#endif
