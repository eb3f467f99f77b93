#ifndef WEIR_NET_NET_INT_H
#define WEIR_NET_NET_INT_H
/* Inside net/ only. Everything of a connection and of a loop belongs to the loop's thread. */
#include <openssl/ssl.h>
#include <pthread.h>
#include <uv.h>

#include "base/hist.h"
#include "base/metrics.h"
#include "http/answer.h"
#include "http/request.h"
#include "net/net.h"

enum {
    NET_READ_BYTES = 64 << 10,          /* one read of a loop */
    NET_PIPELINE_BYTES_MAX = 256 << 10, /* of later requests, while one is being handled */
    NET_HIGH_WATER_BYTES = 256 << 10, /* unsent: a stream is told to wait, no new request begins */
    NET_STREAM_BYTES_MAX = 64 << 20,  /* unsent: a handler that does not wait is cut off */
    NET_KEEP_BYTES = 256 << 10,       /* buffers larger than this are given back after a request */
    NET_COOL_MS = 2000,               /* an idle connection gives all its buffers back */
    NET_TICK_MS = 100,                /* precision of every deadline */
    NET_WHEEL_SLOTS = 1024,           /* 102 s; what is further away is looked at once on the way */
    NET_FRESH_MS = 2000,              /* while draining, a new connection may take so long to ask */
    NET_LINGER_MS = 1000,
    NET_LINGER_BYTES_MAX = 256 << 10,
    NET_ACCEPT_PAUSE_MS = 500,
    NET_HEADERS_HARD_MAX = 1000,
};

struct conn;
struct net_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t ticker; /* runs while there are connections */
    struct mpsc tasks;
    struct ctx_pool *contexts;
    pthread_t thread;
    char name[32];
    mono_ns now;                         /* of this turn of the loop */
    struct conn *conns;                  /* all of the loop, doubly linked */
    struct conn *wheel[NET_WHEEL_SLOTS]; /* by the tick at which each is looked at */
    struct conn *looking;                /* those of the tick that is being looked through */
    int64_t tick;                        /* the last one that was looked through */
    char date[HTTP_DATE_BYTES];
    int64_t date_s;
    struct framing_header headers[NET_HEADERS_HARD_MAX]; /* of the head being parsed */
    char read_buffer[NET_READ_BYTES];
};

/* Written by one loop with plain stores, summed when somebody looks: no cache line is shared
 * between loops on the way of a request. */
struct counters {
    _Atomic uint64_t accepted, refused_connections, refused_requests, deadlines, bytes_in,
        bytes_out, requests[5];
    struct hist latency_us;
    struct metric latency;
    char labels[80];
};

struct listener { /* one per loop and server */
    struct net_server *server;
    struct net_loop *loop;
    int fd; /* -1 when closed */
    uv_poll_t poll;
    uv_timer_t resume; /* after EMFILE */
    bool is_open;
    struct counters counters;
};

enum {
    SUM_CONNECTIONS,
    SUM_ACCEPTED,
    SUM_REFUSED_CONNECTIONS,
    SUM_REFUSED_REQUESTS,
    SUM_DEADLINES,
    SUM_BYTES_IN,
    SUM_BYTES_OUT,
    SUM_REQUESTS,
    SUM_COUNT = SUM_REQUESTS + 5
};
struct sum {
    struct metric metric;
    struct net_server *server;
    int what;
    char labels[64];
};

struct net_server {
    struct net_app app;
    struct net_limits limits;
    struct listener *listeners;
    uint32_t listener_count;
    char address[128];
    char *unix_path; /* NULL, or the socket file that is ours */
    bool is_unix;
    bool is_end_gone;
    bool is_trace_trusted;
    char name[32];
    _Atomic uint32_t connections;
    _Atomic bool is_draining;
    bool has_tls;
    char certificate_file[1024], key_file[1024];
    pthread_mutex_t tls_lock;
    SSL_CTX *tls; /* under tls_lock; connections hold their own reference through SSL */
    struct sum sums[SUM_COUNT];
};

enum conn_state {
    CONN_HEAD,     /* waiting for or reading a head */
    CONN_BODY,     /* reading a body */
    CONN_HANDLING, /* the application has it */
    CONN_FINISH,   /* the last answer is on its way; then the connection is closed */
    CONN_LINGER, /* the same, but the peer may still be sending: that is thrown away for a while, so
                    that no reset destroys the answer on its way (RFC 9112 9.6) */
    CONN_CLOSED, /* the socket is closing */
};

struct conn {
    struct conn *next, *prev; /* of the loop */
    struct conn *wheel_next, **wheel_link;
    int64_t wheel_tick;
    struct net_server *server;
    struct listener *listener;
    struct net_loop *loop;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    };
    struct sockaddr_storage peer;
    char address[INET6_ADDRSTRLEN]; /* of the peer; "" on a Unix socket */
    enum conn_state state;
    bool is_handle_closed;
    bool is_reading;
    bool is_processing; /* conn_process is on the stack: answers do not recurse into it */
    bool is_keep_alive;
    bool is_close_ours; /* the client would have gone on */
    bool is_ended;      /* the peer has said all it will */
    bool is_idle;       /* between requests */
    bool is_cool;       /* idle, and its buffers were given back */
    bool is_shut;       /* our half is closed */
    bool is_blocked;    /* the next request waits until the peer reads */
    bool is_tls_notified;
    uint32_t requests;
    SSL *tls;

    struct slice window; /* while processing: bytes not yet used, of the loop's buffer or of in */
    bool is_window_ours; /* it is of in */
    struct buf in;       /* plain bytes that wait */
    size_t in_at;        /* of in: what is before it is used up */
    size_t scanned;      /* see http_find_head */
    struct buf out;      /* plain bytes to be sent */
    struct buf raw_out;  /* TLS: records to be sent */
    struct buf writing;  /* with libuv: do not touch */
    uv_write_t write;
    bool is_writing;
    size_t unsent_seen;  /* at the last look; less of it later is progress */
    mono_ns write_since; /* last progress of the peer's reading */
    mono_ns since;       /* start of what the other deadlines count: head, body, idle, linger */
    mono_ns body_since;  /* the last piece of a body */
    mono_ns head_since;  /* when the context of the request under way was made, by both clocks */
    unix_ms head_at;
    size_t lingered;

    struct http_parser parser;
    struct net_request req; /* valid in BODY and HANDLING */
    struct ctx *ctx;        /* of the request, from its head on; else NULL */
    struct buf body;
    struct net_body_plan plan;
    unsigned http_minor;
    uint32_t serial;   /* of the request; a changed one tells that the answer was given */
    bool is_pending;   /* the application has the request and owes an answer */
    bool has_app_seen; /* on_head was called: on_done must be */
    bool has_unread_body;
    bool is_body_too_large; /* else: no memory for it */
    bool is_streaming;
    bool is_over_high_water;
    bool is_in_stream; /* net_stream_begin() or _write() is on the stack */
    void (*on_drain)(struct ctx *ctx, struct net_request *req);
    int status;
    uint64_t bytes_sent;
};

static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Bytes the peer has not taken yet. */
static inline size_t conn_unsent(const struct conn *c)
{
    return c->out.len + c->raw_out.len + c->stream.write_queue_size;
}

/* context.c */
bool conn_ctx_begin(struct conn *c); /* false: no memory */
void conn_ctx_fill(struct conn *c);  /* from the head, which is in c->req */
void conn_ctx_end(struct conn *c);   /* releases it, if there is one */

/* conn.c */
void conn_accept(struct listener *l, int fd, const struct sockaddr_storage *peer);
void conn_close(struct conn *c);
void conn_feed(struct conn *c, struct slice plain); /* decrypted or plain input */
void conn_end(struct conn *c);                      /* the peer has said all */
void conn_resume(struct conn *c); /* what waits in c->in may go on; flushes, settles deadlines */
void conn_release_request(struct conn *c);
void conn_release(struct conn *c);
void conn_free_if_done(struct conn *c);
/* answer.c */
void conn_error(struct conn *c, int status, const char *detail);
void conn_tell_done(struct conn *c);
void conn_begin_finish(struct conn *c, bool has_more);
/* write.c */
void conn_flush(struct conn *c);
void conn_append_head(struct conn *c, const struct net_response *r, enum http_length kind,
                      uint64_t length);
/* deadline.c */
void conn_schedule(struct conn *c); /* after anything that may bring its next deadline nearer */
void conn_unschedule(struct conn *c);
void loop_tick(struct net_loop *loop);
/* tls.c */
enum rc tls_context_new(const char *certificate, const char *key, SSL_CTX **ret,
                        struct err *err) MUST_CHECK;
enum rc tls_conn_init(struct conn *c) MUST_CHECK;
void tls_conn_done(struct conn *c);
void tls_conn_cool(struct conn *c);               /* gives back what the largest read needed */
bool tls_input(struct conn *c, struct slice raw); /* false: broken, close */
bool tls_output(struct conn *c);                  /* out → raw_out; false: broken */
void tls_notify(struct conn *c);                  /* close_notify → raw_out */
/* listen.c */
void listener_open(void *listener);
void listener_close(void *listener); /* takes what waits in the backlog first */
/* loop.c */
void loop_ticker_start(struct net_loop *loop);
void loop_run_sync(struct net_loop *loop, void (*run)(void *ctx), void *ctx);
/* metrics.c */
void net_metrics_init(struct net_server *s);
void net_metrics_done(struct net_server *s);
#endif
