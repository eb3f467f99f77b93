#ifndef WEIR_NET_NET_INT_H
#define WEIR_NET_NET_INT_H
/* Inside net/ only. */
#include <openssl/ssl.h>
#include <llhttp.h>
#include <pthread.h>
#include <uv.h>

#include "base/hist.h"
#include "base/metrics.h"
#include "net/net.h"

enum {
    NET_READ_BYTES = 64 << 10,          /* one read of a loop */
    NET_PIPELINE_BYTES_MAX = 256 << 10, /* of later requests, while one is being handled */
    NET_HIGH_WATER_BYTES = 256 << 10,
    NET_ARENA_CHUNK = 16 << 10,
    NET_KEEP_BYTES = 256 << 10, /* buffers larger than this are given back after a request */
    NET_SWEEP_MS = 100,
    NET_LINGER_MS = 1000,
    NET_ACCEPT_PAUSE_MS = 500,
    NET_BODY_GRACE_MS = 5000,
    NET_HEADERS_HARD_MAX = 1000,
};

struct net_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t sweep;
    struct mpsc tasks;
    pthread_t thread;
    char name[32];
    struct conn *conns; /* doubly linked */
    mono_ns now;        /* of this turn of the loop */
    bool is_stopping;
    char read_buffer[NET_READ_BYTES];
    char date[40]; /* "Date: …\r\n" */
    int64_t date_s;
};

struct listener { /* one per loop and server */
    struct net_server *server;
    struct net_loop *loop;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    };
    uv_timer_t resume; /* after EMFILE */
    bool is_open;
    int fd; /* bound, before uv takes it */
};

struct net_metrics {
    struct metric connections, accepted, requests[5], framing_errors, deadlines, refused, bytes_in,
        bytes_out, latency;
    struct hist latency_us;
    char labels[8][64];
};

struct net_server {
    struct net_app app;
    struct net_limits limits;
    struct listener *listeners;
    uint32_t listener_count;
    char address[128];
    char unix_path[108];
    bool is_unix;
    bool is_end_gone;
    char name[32];
    _Atomic uint32_t connections;
    _Atomic bool is_draining;
    bool has_tls;
    char certificate_file[1024], key_file[1024];
    pthread_mutex_t tls_lock;
    SSL_CTX *tls; /* under tls_lock; connections hold their own reference through SSL */
    struct net_metrics metrics;
};

enum conn_state {
    CONN_HEAD,     /* waiting for or reading a head */
    CONN_BODY,     /* reading a body */
    CONN_HANDLING, /* the application has it */
    CONN_LINGER,   /* answered with an error; what still comes is thrown away */
    CONN_CLOSED,   /* the socket is closing */
};

struct conn {
    struct conn *next, *prev; /* of the loop */
    struct net_server *server;
    struct net_loop *loop;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    };
    struct sockaddr_storage peer; /* asked once: a system call */
    enum conn_state state;
    bool is_handle_closed;
    bool is_reading;
    bool is_processing; /* conn_process is on the stack: answers do not recurse into it */
    bool is_keep_alive;
    bool is_close_wanted; /* after what is queued has been written */
    uint32_t requests;
    SSL *tls;

    struct buf in;       /* plain bytes not yet parsed */
    size_t in_at;        /* of in: what is before it is used up */
    size_t scanned;      /* of in, from in_at: no end of head before this */
    struct buf out;      /* plain bytes to be sent in this turn */
    struct buf raw_out;  /* TLS: records to be sent */
    size_t in_flight;    /* bytes given to uv_write */
    mono_ns since;       /* start of what the deadline counts: head, body, write, idle */
    mono_ns write_since; /* last progress of the peer's reading */
    bool is_idle;        /* between requests */

    llhttp_t parser;
    struct net_request req; /* valid in BODY and HANDLING */
    struct arena arena;
    struct buf body;
    struct net_body_plan plan;
    struct net_header *headers; /* in the arena */
    uint32_t header_count;
    uint32_t serial;   /* of the request; a changed one tells that the answer was given */
    bool is_pending;   /* the application has the request and owes an answer */
    bool has_app_seen; /* on_head was called: on_done must be */
    bool has_unread_body;
    bool is_streaming;
    bool is_over_high_water;
    bool is_in_write; /* net_stream_write() is on the stack */
    void (*on_drain)(struct net_request *req);
    int status;
    uint64_t bytes_sent;
    size_t small_bytes; /* chunk extensions and trailers of this body */
    int body_error;     /* status for what went wrong inside the body */
    const char *body_detail;
    size_t lingered;
    bool is_shut; /* our half */
};

/* conn.c */
void conn_accept(struct listener *l);
void conn_sweep(struct net_loop *loop);
void conn_close(struct conn *c);
void conn_feed(struct conn *c, struct slice plain); /* decrypted or plain input */
void conn_error(struct conn *c, int status, const char *detail);
/* write.c */
void conn_flush(struct conn *c);
void conn_append_head(struct conn *c, const struct net_response *r, bool is_chunked,
                      uint64_t length);
/* tls.c */
enum rc tls_context_new(const char *certificate, const char *key, SSL_CTX **ret,
                        struct err *err) MUST_CHECK;
enum rc tls_conn_init(struct conn *c) MUST_CHECK;
void tls_conn_done(struct conn *c);
bool tls_input(struct conn *c, struct slice raw); /* false: broken, close */
bool tls_output(struct conn *c);                  /* out → raw_out; false: broken */
/* loop.c */
void loop_run_sync(struct net_loop *loop, void (*run)(void *ctx), void *ctx);
/* metrics.c */
void net_metrics_init(struct net_server *s);
void net_metrics_done(struct net_server *s);
#endif
