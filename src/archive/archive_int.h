#ifndef WEIR_ARCHIVE_ARCHIVE_INT_H
#define WEIR_ARCHIVE_ARCHIVE_INT_H
#include <pthread.h>

#include "archive/archive.h"
#include "archive/manifest.h"
#include "archive/spool_int.h"
#include "base/metrics.h"
#include "base/os.h"

struct archive_run { /* the open run of one partition */
    bool is_open;
    struct archive_manifest
        manifest;        /* grows part by part; last, times, part_count are kept current */
    struct spool *spool; /* the part that is being filled; NULL between parts */
    uint64_t spool_first;
};
struct archive_partition {
    uint32_t number;
    uint64_t next;   /* durable: the first offset without a manifest */
    uint64_t fed;    /* the first offset not yet in the run; == next while none is open */
    bool is_closing; /* durable: the run ends with closing_last, whatever the clock says */
    uint64_t closing_last;
    struct archive_run run;
};
struct archive {
    struct archive_cfg cfg;
    char dir[512];
    char database[64];
    pthread_mutex_t lock; /* all below, and cfg.objects */
    struct archive_partition *partitions;
    uint32_t partition_count;
    uint64_t lost;
    char last_error[200];
    mono_ns next_tick; /* time-driven work is due; pushed back after failures */
    uint32_t tick_failures;
    mono_ns next_parquet;
    uint32_t parquet_failures;
    bool is_metrics_on;
    char labels[STREAM_NAME_MAX + 16];
    struct metric m_records, m_objects, m_bytes, m_failures, m_oldest, m_pending;
};

/* run.c: all under the lock. After RC_OK the record is in the run; after a failure call again. */
enum rc run_feed(struct archive *a, struct archive_partition *p, const struct stream_record *record,
                 struct err *err) MUST_CHECK;
/* Reads the stream from p->fed up to `until` (exclusive) or its present end. */
enum rc run_feed_stream(struct archive *a, struct archive_partition *p, uint64_t until,
                        struct err *err) MUST_CHECK;
enum rc run_close(struct archive *a, struct archive_partition *p, struct err *err) MUST_CHECK;
void run_drop(struct archive_partition *p); /* back to p->next; nothing durable changes */
enum rc run_upload(struct archive *a, struct spool *spool, const char *key,
                   struct archive_object *ret, struct err *err) MUST_CHECK;

/* position.c: what `dir` remembers */
enum rc position_load(struct archive *a, struct archive_partition *p, struct err *err) MUST_CHECK;
enum rc position_save(struct archive *a, const struct archive_partition *p,
                      struct err *err) MUST_CHECK;

/* parquet.c */
enum rc parquet_mark_pending(struct archive *a, const struct archive_manifest *m,
                             struct err *err) MUST_CHECK;
/* Makes the Parquet of up to `runs` waiting runs. RC_END: nothing waits. */
enum rc parquet_step(struct archive *a, uint32_t runs, struct err *err) MUST_CHECK;
uint64_t parquet_pending(struct archive *a);
#endif
