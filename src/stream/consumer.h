#ifndef WEIR_STREAM_CONSUMER_H
#define WEIR_STREAM_CONSUMER_H
/* A named consumer of a stream: a thread that reads every partition, hands batches to its handler
 * and keeps a durable checkpoint per partition.
 *
 * EXACTLY ONCE  Before the handler is called, the range [first, last] is written durably beside the
 * checkpoint (the intent). The handler makes it take effect under a token derived from stream,
 * partition, first, last; then the checkpoint moves to last + 1 and the intent goes. After a crash
 * the same range is handed out again with is_repeat set, before anything else: never a different
 * split.
 *
 * POISON  Handler results:
 *   RC_OK          the range took effect
 *   RC_INVALID     the range took effect but for the records listed by consumer_reject(): they are
 *                  poison and go to the dead letters (key, headers and value kept, then the headers
 *                  reason, consumer, stream, partition, offset), each once, and count as done
 *   anything else  tried again with backoff (100 ms … 30 s, jitter) for ever: nothing is skipped */
#include "stream/stream.h"

struct consumer_batch {
    const char *stream;
    uint32_t partition;
    uint64_t first, last; /* offsets, inclusive; count = last - first + 1 unless records were lost
                             to retention */
    const struct stream_record *records; /* slices valid until the handler returns */
    uint32_t count;
    bool is_repeat;  /* this very range may have taken effect already */
    char token[160]; /* "<stream>/<partition>/<first>-<last>" */
};
struct consumer;
struct consumer_ops {
    const char *name;
    enum rc (*process)(void *ctx, struct consumer *c, const struct consumer_batch *batch,
                       struct err *err);
    /* Optional: about once a second while all partitions are caught up; for time-driven work. */
    enum rc (*idle)(void *ctx, struct consumer *c, struct err *err);
};
struct consumer_cfg {
    struct stream *stream;
    struct stream
        *dead;       /* dead-letter stream, may be shared; NULL: poison blocks (retried for ever) */
    const char *dir; /* <data>/consumers/<name> */
    const struct consumer_ops *ops;
    void *ctx;
    uint32_t batch_records_max; /* 50,000 */
    uint64_t batch_bytes_max;   /* 32 MiB */
    uint32_t linger_ms_max;     /* 200: how long a batch may wait to fill */
    int nice;             /* of its thread, 0-19: a burst waits in the stream, not at the edge */
    bool start_at_newest; /* when there is no checkpoint yet; default oldest */
};
enum rc consumer_start(const struct consumer_cfg *cfg, struct consumer **ret_consumer,
                       struct err *err) MUST_CHECK;
/* Marks record index i of the batch under way as poison; the handler then returns RC_INVALID. */
void consumer_reject(struct consumer *c, uint32_t index, const char *reason);
/* Finishes the batch under way or gives it up within deadline_ms; joins, frees. */
void consumer_stop(struct consumer *c, int64_t deadline_ms);
/* For a handler that can take long: the deadline of consumer_stop has passed, return now. */
bool consumer_gives_up(const struct consumer *c);
/* Pause between batches, also between the attempts of one that fails (returns when it rests) and go
 * on; seek only while paused. Any thread. */
enum rc consumer_pause(struct consumer *c, int64_t deadline_ms) MUST_CHECK;
void consumer_resume(struct consumer *c);
enum rc consumer_seek(struct consumer *c, uint32_t partition, uint64_t offset,
                      struct err *err) MUST_CHECK;
uint64_t consumer_checkpoint(const struct consumer *c, uint32_t partition);
struct consumer_status {
    uint64_t lag_records; /* over all partitions */
    int64_t lag_ms;       /* age of the oldest record not yet done; 0 when caught up */
    uint64_t processed, rejected, retries,
        lost;             /* lost: fell out of retention before it was read */
    char last_error[200]; /* "" when the last batch went well */
};
void consumer_status(const struct consumer *c, struct consumer_status *ret);
const char *consumer_name(const struct consumer *c);

/* Checkpoints without a running consumer (replay, tools): durable, CRC-checked text file. */
enum rc consumer_checkpoint_read(const char *dir, uint32_t partition, uint64_t *ret_offset,
                                 struct err *err) MUST_CHECK;
#endif
