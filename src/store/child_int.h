#ifndef WEIR_STORE_CHILD_INT_H
#define WEIR_STORE_CHILD_INT_H
/* The parts of the child: child.c (process), job.c (one request between loop and worker),
 * wire.c (ClickHouse's HTTP conventions). */
#include <pthread.h>
#include <stdatomic.h>

#include "net/net.h"
#include "store/engine_int.h"

enum {
    CHILD_QUEUE_MAX = 256,               /* jobs that wait for a worker */
    CHILD_HELD_BYTES = 256 * 1024,       /* a result up to this is answered in one piece */
    CHILD_FLIGHT_BYTES_MAX = 4 << 20,    /* of one result between worker and socket */
    CHILD_STATEMENT_BYTES_MAX = 1 << 20, /* SQL text without rows */
    CHILD_PAIRS_MAX = 512,
    CHILD_TAG_BYTES = 17,
    CHILD_WORKERS_MAX = 64,
};
#define CHILD_BODY_BYTES_MAX (256ull << 20)
#define CHILD_ROWS_BYTES_MAX (1ull << 30) /* of one INSERT, decoded */

struct child;
struct child_face { /* one listening address */
    struct child *child;
    const char *user, *password; /* NULL: no password needed */
    bool is_tcp;
};
struct piece {
    struct piece *next;
    size_t len;
    char data[];
};
struct job {
    struct net_task task; /* loop's turn; posted at most once at a time */
    struct job *next;     /* in the workers' queue */
    struct child *child;
    struct net_request *req; /* loop's thread only, but for its arena's read-only content */
    struct engine_query query;
    struct engine_result result; /* worker's until is_finished */
    struct buf text;             /* statement, if it had to be put together */
    void *map;                   /* of the body */
    size_t map_len;
    struct slice query_id;
    bool is_read;            /* may be killed when the client is gone */
    bool is_gzip;            /* the answer */
    bool is_chunked;         /* worker's: the result is given in pieces */
    struct encoder *encoder; /* worker's */
    char tag[CHILD_TAG_BYTES];
    mono_ns started;
    atomic_bool is_cancelled;
    struct buf held; /* worker's: the beginning of the result, not given to the loop yet */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct piece *first, *last;
    size_t flight_bytes;
    bool is_posted;
    bool is_finished;
    /* loop's */
    bool is_begun;
    bool is_blocked;
};
struct child {
    const struct store_child_cfg *cfg;
    struct engine *engine;
    struct net_loop *loop;
    struct child_face unix_face, tcp_face;
    struct net_server *unix_server, *tcp_server;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, *last;
    uint32_t waiting;
    bool is_stopping;
    pthread_t workers[CHILD_WORKERS_MAX];
    uint32_t worker_count;
};

/* wire.c */
void wire_on_head(void *ctx, struct net_request *req, struct net_body_plan *plan);
void wire_on_request(void *ctx, struct net_request *req);
void wire_render_problem(void *ctx, int status, const char *detail, const char *request_id,
                         struct buf *ret_body);
int wire_status(int code); /* HTTP status ClickHouse gives with an error code */
void wire_fail(struct net_request *req, int code, const char *name, const char *text);
/* Headers of an answer, in the request's arena. */
const struct net_header *wire_headers(struct job *job, bool is_final, uint32_t *ret_count);

/* job.c */
struct job *job_new(struct child *child, struct net_request *req);
void job_free(struct job *job);
void job_run(struct job *job); /* worker */
void job_gone(struct ctx *ctx, struct net_request *req);

/* child.c */
enum rc child_submit(struct child *child, struct job *job) MUST_CHECK; /* RC_BUSY, RC_CLOSED */
#endif
