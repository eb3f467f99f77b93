#ifndef WEIR_STREAM_CONSUMER_INT_H
#define WEIR_STREAM_CONSUMER_INT_H
/* What checkpoint.c, dead.c, consumer_run.c and consumer.c share. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/metrics.h"
#include "base/os.h"
#include "stream/consumer.h"

enum { CONSUMER_REASON_MAX = 200 };

struct checkpoint { /* one text file per partition; see checkpoint.c */
    uint64_t next;
    bool has_intent;
    uint64_t first, last;
    /* Where the dead-letter stream's partitions stood when the intent was written. */
    uint32_t dead_n;
    uint64_t dead[STREAM_PARTITIONS_MAX];
};
/* RC_NOTFOUND, RC_CORRUPT, RC_CONFLICT (of another stream; stream_id NULL: not looked at). */
enum rc checkpoint_load(const char *dir, uint32_t partition, const uint8_t *stream_id,
                        struct checkpoint *ret, struct err *err) MUST_CHECK;
enum rc checkpoint_save(const char *dir, uint32_t partition, const uint8_t *stream_id,
                        const struct checkpoint *cp, struct err *err) MUST_CHECK;

struct lane { /* one partition as the consumer sees it; the thread's, but for what c->lock guards */
    struct checkpoint cp; /* cp.next under lock */
    struct stream_reader *reader;
    int64_t backoff_ms; /* 0: the last attempt went well */
    mono_ns retry_at;
    bool was_tried;   /* the intent was handed out by this process, too */
    bool is_waiting;  /* under lock: records not yet done; since_ms is set */
    int64_t since_ms; /* under lock: append time of the oldest of them, or when they were seen */
};

struct rejected {
    uint32_t index;
    bool is_buried;
    char reason[CONSUMER_REASON_MAX];
};

struct consumer {
    struct consumer_cfg cfg;
    char dir[OS_PATH_MAX];
    uint32_t partitions;
    struct lane *lanes;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;     /* pause handshake, stop, end of a linger */
    bool is_resting, has_ended; /* under lock */
    _Atomic bool is_pause_wanted, is_stopping, gives_up;

    struct arena arena; /* of the batch under way */
    struct stream_record *records;
    uint32_t count, cap;
    uint64_t bytes;
    struct rejected *rejected;
    uint32_t rejected_n, rejected_cap;

    uint64_t processed, rejected_total, retries, lost; /* under lock */
    char last_error[200];                              /* under lock */
    char labels[96];
    struct metric m_lag, m_lag_ms, m_processed, m_rejected, m_retries, m_lost;
};

static inline bool consumer_is_wanted_elsewhere(const struct consumer *c)
{
    return atomic_load(&c->is_stopping) || atomic_load(&c->is_pause_wanted);
}
void *consumer_run(void *consumer);
/* Puts the rejected records into the dead-letter stream, each once, repeats and crashes included.
 */
enum rc dead_bury(struct consumer *c, const struct consumer_batch *b, const struct checkpoint *cp,
                  struct err *err) MUST_CHECK;
void dead_note_bounds(const struct consumer *c, struct checkpoint *cp);
#endif
