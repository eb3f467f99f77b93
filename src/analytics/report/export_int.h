#ifndef WEIR_ANALYTICS_REPORT_EXPORT_INT_H
#define WEIR_ANALYTICS_REPORT_EXPORT_INT_H
/* Inside of the export of raw events: the statements (export_sql.c) and who runs them (export.c).
 * What stands in each format: docs/export.md. */
#include "analytics/report/query_int.h"

enum export_format { EXPORT_NDJSON, EXPORT_CSV, EXPORT_PARQUET, EXPORT_FORMAT_COUNT };
extern const char *const export_format_names[EXPORT_FORMAT_COUNT];

/* The template (query_expand) of a page of lines, for NDJSON and CSV: rows of the line, then the
 * place that it has in the order: event, visitor, milliseconds, id. Parameters: from, to (Int64,
 * milliseconds; to is not in it), after_day (Date), after_event, after_visitor, after_time,
 * after_id: the row that the page before ended with, limit. Of Parquet: from, to; the whole. */
void export_sql(enum export_format format, struct buf *sql);
/* The same pages of one user's events, and of the user's sessions ({"session":{…}}); parameters
 * besides: user_ids, anonymous_ids, devices (Array(String)). */
void export_user_sql(struct buf *sql);
void export_user_sessions_sql(struct buf *sql);
void export_csv_header(struct buf *out);

#define EXPORT_TO_MS INT64_C(5000000000000) /* the year 2128 */
enum { EXPORT_USER_LISTS = 3 };
struct export_ask {
    enum export_format format;
    int64_t from_ms, to_ms;
    /* Of one user: user_ids, anonymous_ids, devices as texts of Array(String), in the request's
     * arena; NULL: of all. */
    const struct slice *user;
};
/* Answers later, inside ctx, whatever happens. */
void export_start(struct ctx *ctx, struct query *q, struct api_request *req,
                  const struct export_ask *ask);

/* A row of such a page, out of RowBinary; false: the bytes are none. */
struct export_row {
    struct slice line, event;
    uint64_t visitor;
    int64_t time_ms;
    struct uuid id;
};
bool export_row_next(struct slice *rest, struct export_row *ret);
#endif
