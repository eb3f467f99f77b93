#ifndef WEIR_NET_NET_H
#define WEIR_NET_NET_H
/* Event loops and the HTTP/1.1 server on them (libuv, llhttp, the framing law of http/framing.h).
 *
 * A loop is one thread with one libuv loop. A server puts one listener per loop on the same address
 * (SO_REUSEPORT) or one on a Unix socket. Handlers run on the connection's loop and never block.
 *
 * CONTEXT   Every request has one (base/ctx.h), made before its head is parsed and released after
 * its answer. Whatever this module calls for a request (the application, tasks, work) runs inside
 * it; between two events of a loop none is entered.
 *
 * LIFE OF A REQUEST   head parsed → app.on_head chooses how the body is taken (or answers at once)
 * → body complete → app.on_request → exactly one answer, now or later, on the same loop:
 * net_respond(), or net_stream_begin() … net_stream_end(). The request and its arena live until
 * that answer was given, also when the client went away meanwhile (the answer is then dropped).
 * Pipelined requests are handled one after the other: on_request of the next comes after the answer
 * of the one before. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ctx.h"
#include "base/mpsc.h"
#include "base/rc.h"
#include "base/slice.h"

/* ---- loops ---- */
struct net_loop;
struct net_task { /* intrusive; owned by the poster until run() is entered */
    struct mpsc_node node;
    struct ctx_ref ctx; /* {NULL}: of no request. run() is not called if it is stale */
    void (*run)(struct ctx *ctx, struct net_task *task);
};
enum rc net_loop_start(const char *name, struct net_loop **ret_loop, struct err *err) MUST_CHECK;
/* Runs task->run on the loop's thread, in order of posting. Any thread. Many posts, one wake-up. */
void net_loop_post(struct net_loop *loop, struct net_task *task);
/* work() on the worker pool, then done() on the loop, both inside ctx (NULL: of no request);
 * neither is called if that was released meanwhile. Call on the loop's thread only. */
void net_loop_work(struct ctx *ctx, struct net_loop *loop, void (*work)(struct ctx *ctx, void *arg),
                   void (*done)(struct ctx *ctx, void *arg), void *arg);
/* Contexts made on the loop's thread for work that no request asked for. */
struct ctx_pool *net_loop_contexts(struct net_loop *loop);
struct net_timer;
/* Loop's thread; every_ms 0 = once. */
struct net_timer *net_timer_start(struct net_loop *loop, uint64_t after_ms, uint64_t every_ms,
                                  void (*fire)(void *ctx), void *ctx);
void net_timer_stop(struct net_timer *timer); /* loop's thread; frees */
struct net_loop *net_loop_current(void);      /* of this thread; NULL elsewhere */
/* Ends the loop when everything on it is closed; joins the thread. */
void net_loop_stop(struct net_loop *loop);

/* ---- requests ---- */
enum net_method {
    NET_GET,
    NET_HEAD,
    NET_POST,
    NET_PUT,
    NET_PATCH,
    NET_DELETE,
    NET_OPTIONS,
    NET_OTHER
};
struct net_header {
    struct slice name; /* as received; compare without case */
    struct slice value;
};
struct net_request {
    struct net_loop *loop;
    struct ctx *ctx;     /* request id: the client's X-Request-Id if it is sane, else a UUIDv7 */
    struct arena *arena; /* the context's */
    enum net_method method;
    struct slice target; /* as received */
    struct slice path;   /* before '?', raw (percent-encoded) */
    struct slice query;  /* after '?', raw; empty if none */
    const struct net_header *headers;
    uint32_t header_count;
    struct slice body; /* whole body (BODY_MEMORY); valid until the answer */
    int body_fd;       /* BODY_FD: a memfd holding it, positioned at 0; closed after the answer */
    uint64_t body_bytes;
    struct sockaddr_storage peer; /* ss_family AF_UNIX on a Unix socket */
    bool is_tls;
    mono_ns started;
    unix_ms received_at; /* in on_request(): when its body was whole; before it: its head */
    const void *route;   /* free for on_head to leave its decision in */
    void *user;          /* free for the handler */
    /* Optional: called once on the loop if the client goes away before the answer was complete.
     * The handler still has to finish the request (its answer goes nowhere). Never called from
     * inside net_stream_begin() and net_stream_write(): RC_CLOSED of the latter tells the same. */
    void (*on_gone)(struct ctx *ctx, struct net_request *req);
    /* The handler's: from here on, as with net_server_cfg.is_end_gone. */
    bool is_end_gone;
};
/* The first of that name, NULL if there is none; or its value, empty then. */
const struct net_header *net_header_find(const struct net_request *req, struct slice name);
static inline struct slice net_header_get(const struct net_request *req, const char *name)
{
    const struct net_header *header = net_header_find(req, slice_str(name));
    return header ? header->value : SLICE_EMPTY;
}
static inline bool net_header_has(const struct net_request *req, const char *name)
{
    return net_header_find(req, slice_str(name)) != NULL;
}
/* First value of a query parameter, percent- and '+'-decoded into the arena; false if it is absent
 * or malformed. */
bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value);

enum net_body_mode { NET_BODY_MEMORY, NET_BODY_FD };
struct net_body_plan {
    enum net_body_mode mode;
    uint64_t bytes_max; /* preset to the server's; more than that answers 413 and closes */
};

struct net_response {
    int status;
    struct slice content_type;        /* empty = no header */
    const struct net_header *headers; /* further ones; no Content-Length, Connection, Date */
    uint32_t header_count;
    struct slice body; /* copied */
};
void net_respond(struct net_request *req, const struct net_response *response);
/* Streamed answer (chunked). write: RC_OK; RC_BUSY = taken, but wait for on_drain before more;
 * RC_CLOSED = the client is gone, stop. Bytes are copied. abort: what was written goes out, then
 * the connection is cut, so that a client sees a broken chunked body and not a short success. All
 * on the request's loop. */
void net_stream_begin(struct net_request *req, const struct net_response *head,
                      void (*on_drain)(struct ctx *ctx, struct net_request *req));
enum rc net_stream_write(struct net_request *req, struct slice bytes) MUST_CHECK;
void net_stream_end(struct net_request *req);
void net_stream_abort(struct net_request *req);

/* ---- server ---- */
struct net_app {
    void *ctx;
    /* After the head. May answer with net_respond() (then on_request is not called). */
    void (*on_head)(void *ctx, struct net_request *req, struct net_body_plan *plan);
    void (*on_request)(void *ctx, struct net_request *req);
    /* Body of an error answer the server itself gives (400, 408, 413, 414, 417, 431, 501, 503, 505
     * …): problem+json. detail says what to fix. */
    void (*render_problem)(void *ctx, int status, const char *detail, const char *request_id,
                           struct buf *ret_body);
    /* After each answer (access log, metrics). May be NULL. */
    void (*on_done)(void *ctx, const struct net_request *req, int status, uint64_t bytes_sent);
};
struct net_limits {            /* 0 = the default in parentheses */
    uint32_t head_bytes_max;   /* 16 KiB */
    uint32_t header_count_max; /* 100 */
    uint32_t target_bytes_max; /* 8 KiB */
    uint64_t body_bytes_max;   /* 10 MiB */
    uint32_t connections_max;  /* per server, all loops: 10,000, cut to RLIMIT_NOFILE - reserve */
    uint32_t head_deadline_ms; /* 10,000: from the first byte to the end of the head, absolute */
    uint32_t body_bytes_per_s_min;        /* 512: average over the body, after */
    uint32_t body_grace_ms;               /* 5,000 */
    uint32_t body_stall_ms;               /* 30,000: between two pieces, whatever the average */
    uint32_t write_deadline_ms;           /* 30,000 without progress of the peer's reading */
    uint32_t idle_deadline_ms;            /* 60,000 between requests */
    uint32_t requests_per_connection_max; /* 0 = no limit */
};
struct net_tls { /* PEM files; net_server_reload_tls reads them again */
    const char *certificate_file;
    const char *key_file;
};
struct net_server_cfg {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0", "unix:/path" (mode 0600) */
    struct net_loop *const *loops;
    uint32_t loop_count;
    struct net_limits limits;
    const struct net_tls *tls; /* NULL = plain */
    struct net_app app;
    /* A client that ends its side while it waits for an answer has gone (on_gone; for long work
     * that nobody would wait for); default: it is only half-closed and still gets the answer. */
    bool is_end_gone;
    /* Only our own processes connect: their traceparent is gone on with. Default: a request begins
     * a trace of its own, and what the client sent is a link. */
    bool is_trace_trusted;
    const char *name; /* label of its metrics: weir_http_…{server="…"} */
};
struct net_server;
enum rc net_server_start(const struct net_server_cfg *cfg, struct net_server **ret_server,
                         struct err *err) MUST_CHECK;
/* With the real port: "127.0.0.1:41234". */
const char *net_server_address(const struct net_server *s);
/* Reads the files again, for new connections; on failure the old ones stay. */
enum rc net_server_reload_tls(struct net_server *s, struct err *err) MUST_CHECK;
/* Stop accepting, close idle connections, let running requests finish with Connection: close. What
 * has already connected may still ask for a moment, so that no request is lost unanswered. Returns
 * at once; net_server_connections() tells how far it is. */
void net_server_drain(struct net_server *s);
uint32_t net_server_connections(const struct net_server *s);
/* Cuts what is left, frees. Any thread but a loop's. */
void net_server_stop(struct net_server *s);
#endif
