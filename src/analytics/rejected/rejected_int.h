#ifndef WEIR_ANALYTICS_REJECTED_REJECTED_INT_H
#define WEIR_ANALYTICS_REJECTED_REJECTED_INT_H
/* Inside of analytics/rejected: records of the stream `rejected` are rows as the store reads them
 * (JSONEachRow); the key says of which table. docs/format/rejected.md. */
#include "analytics/rejected/rejected.h"

#define REJECTED_COUNTS_TABLE "ingest_counts"
#define REJECTED_SAMPLES_TABLE "rejections"
#define REJECTED_KEY_COUNTS "counts"
#define REJECTED_KEY_SAMPLE "sample"

/* One line each, with its end. */
void rejected_put_count(struct buf *out, const struct uuid *project, unix_ms minute,
                        struct slice dialect, enum rejected_reason reason, uint64_t events);
void rejected_put_sample(struct buf *out, const struct rejected_sample *s, uint64_t version);
enum rc rejected_insert_samples(struct store_client *c, struct slice lines, const char *token,
                                struct err *err) MUST_CHECK;
static inline unix_ms rejected_minute(unix_ms t)
{
    return (unix_ms){t.ms - t.ms % 60000};
}
#endif
