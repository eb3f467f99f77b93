#ifndef WEIR_ANALYTICS_LIVE_LIVE_INT_H
#define WEIR_ANALYTICS_LIVE_LIVE_INT_H
/* Inside of live/: live.c listeners, their streams and the route; live_tail.c the readers;
 * live_text.c what is written. */
#include "analytics/live/live.h"

#include <pthread.h>

#include "base/uuid.h"

enum {
    LIVE_PARTITIONS_MAX = 64,
    LIVE_WAITING_BYTES_MAX = 256 * 1024, /* of a listener that does not read */
    LIVE_EVENT_BYTES_MAX = 32 * 1024,
    LIVE_RESUME_RECORDS_MAX = 200000, /* looked at to bring a listener up to now */
    LIVE_ID_BYTES_MAX = LIVE_PARTITIONS_MAX * 17 + 1,
};

/* Where a listener stands in each partition: the next offset. As text (the id of an event):
 * hexadecimal numbers with '-' between. */
struct live_place {
    uint32_t count;
    uint64_t next[LIVE_PARTITIONS_MAX];
};

struct live_listener {
    struct live_listener *next, **at; /* in live.first; under its lock */
    struct live *live;
    char project[UUID_TEXT_LEN + 1];
    /* under live's lock */
    struct buf waiting; /* written by the readers, taken by the loop */
    bool is_posted;     /* task is on its way to the loop */
    bool is_overflow;   /* more was waiting than may */
    bool is_drained;    /* the server ends */
    /* the loop's */
    struct net_task task;
    struct net_request *net;
    struct net_timer *timer;
    mono_ns ends;
    bool is_listed, is_blocked, is_over, is_resuming;
    /* The past, asked for by Last-Event-ID: from `resume` up to `from`, on the worker pool. */
    struct live_place resume, from;
    struct buf past;
    bool is_gap;
};

struct live_tail {
    struct live *live;
    uint32_t partition;
    pthread_t thread;
    bool is_started;
    bool is_reading; /* under the lock */
};
struct live {
    struct live_cfg cfg;
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* by the readers: there is a listener, or the end */
    /* under the lock */
    struct live_listener *first;
    uint32_t count;
    bool is_draining, is_ending;
    struct live_place place; /* of the readers */
    struct live_tail tails[LIVE_PARTITIONS_MAX];
};

/* ---- live_text.c: pure, any bytes ---- */
/* "12-a0"; at least ret_id[LIVE_ID_BYTES_MAX]. */
void live_place_text(const struct live_place *place, char *ret_id);
/* False: no such text, or of another number of partitions. */
bool live_place_parse(struct slice text, uint32_t count, struct live_place *ret);
/* Appends the event of that record, its id included. False: the record is none; nothing is added.
 */
bool live_event_text(struct slice record, const struct live_place *place, struct arena *scratch,
                     struct buf *out);
/* The record's key begins with its project. */
bool live_key_is_of(struct slice key, const char *project);

/* ---- live_tail.c ---- */
enum rc live_tails_start(struct live *live, struct err *err) MUST_CHECK;
void live_tails_stop(struct live *live);
/* Under the lock, before the first listener is listed: the readers begin at what is next. */
void live_tails_wake(struct live *live);
/* On the worker pool: fills past. */
void live_past_read(struct live_listener *l);

/* Posts the listener's task; under the lock. */
void live_post(struct live_listener *l);

extern const char live_openapi_events[];
#endif
