#ifndef WEIR_BENCH_LOAD_INT_H
#define WEIR_BENCH_LOAD_INT_H
/* weir-load: a load generator for the benches, and nothing else; not installed.
 *
 *   template.c  a text with placeholders → one event, fresh at every call
 *   wire.c      events → one request of the protocol (HTTP/1.1, Redis, NATS)
 *   answer.c    bytes → answers, strictly checked
 *   cpu.c       CPU time of the servers under test, by process and thread
 *   run.c       connections, schedule, threads
 *   load.c      command line, report
 *
 * Two modes. Closed loop: every connection sends again as soon as it has its answer; tells the
 * highest rate. Open loop (rate > 0): requests are due at fixed times whatever the server does, and
 * latency counts from the due time, so a stall shows in every request that it delayed (no
 * coordinated omission). */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hist.h"
#include "base/random.h"
#include "base/rc.h"
#include "base/slice.h"

enum {
    LOAD_THREADS_MAX = 64,
    LOAD_CONNECTIONS_MAX = 20000,
    LOAD_PIPELINE_MAX = 64,
    LOAD_BATCH_MAX = 10000,
    LOAD_PIDS_MAX = 64,
    LOAD_BODY_BYTES_MAX = 64 << 20,
    LOAD_STATUS_COUNT = 600,
    LOAD_GRACE_MS = 5000, /* for answers still under way at the end */
};

/* ---- template ---- */
enum template_kind { TEMPLATE_TEXT, TEMPLATE_ID, TEMPLATE_TIME, TEMPLATE_SEQ, TEMPLATE_NUMBER };
struct template_part {
    enum template_kind kind;
    struct slice text; /* TEMPLATE_TEXT: borrowed from the template's source */
    uint64_t below;    /* TEMPLATE_NUMBER */
};
enum { TEMPLATE_PARTS_MAX = 64 };
struct template
{
    struct template_part parts[TEMPLATE_PARTS_MAX];
    uint32_t part_count;
};
/* What one thread needs to fill a template in. */
struct template_state {
    struct prng random;
    uint64_t seq;
    int64_t time_ms;
    char time_text[32];
};
/* Placeholders: {id} a random uuid, {ts} now (RFC 3339 ms), {seq} 1, 2, 3 … per thread,
 * {n:1000} a random number below 1000. Any other brace is text. source is borrowed. */
enum rc template_parse(struct slice source, struct template *ret, struct err *err) MUST_CHECK;
void template_state_init(struct template_state *s, uint64_t seed);
void template_render(const struct template *t, struct template_state *s, struct buf *out);

/* ---- configuration ---- */
enum load_protocol { LOAD_HTTP, LOAD_REDIS, LOAD_NATS };
struct load_cfg {
    enum load_protocol protocol;
    struct sockaddr_in addr;
    char host[80];    /* "127.0.0.1:8080" */
    char target[512]; /* path and query; Redis: the stream's key; NATS: the subject */
    const char *method;
    struct buf headers; /* "Name: value\r\n" … */
    struct template event;
    const char *ok_token; /* counted in answers' bodies: one per accepted event; NULL = not */
    uint32_t threads, connections, pipeline, batch, gzip_level;
    double rate; /* requests per second over all threads; 0 = closed loop */
    int64_t warmup_ms, duration_ms;
    uint64_t requests_max; /* 0 = until the time is up */
    int pids[LOAD_PIDS_MAX];
    uint32_t pid_count;
    bool is_quiet;
    const char *json_path; /* NULL, "-" or a file */
};

/* ---- wire ---- */
struct wire { /* one per thread */
    const struct load_cfg *cfg;
    struct template_state state;
    struct buf head, body, event, packed;
    void *deflate; /* z_stream, or NULL */
};
enum rc wire_init(struct wire *w, const struct load_cfg *cfg, uint64_t seed,
                  struct err *err) MUST_CHECK;
void wire_done(struct wire *w);
/* One request into w->head and *ret_body (both valid until the next call). connection is the number
 * that wire_hello was given. */
enum rc wire_request(struct wire *w, uint32_t connection, struct slice *ret_body) MUST_CHECK;
/* What a new connection must say first, into w->head; empty for most protocols. */
void wire_hello(struct wire *w, uint32_t connection);

/* ---- answers ---- */
enum answer_event { ANSWER_MORE, ANSWER_DONE, ANSWER_PING, ANSWER_BAD };
struct answer { /* one per connection */
    enum load_protocol protocol;
    uint32_t replies_wanted; /* per request: 1, or the batch for Redis and NATS */
    const char *ok_token;
    struct buf line; /* a line that came in pieces */
    int state;
    uint64_t left; /* of the body or chunk under way, line end included */
    uint32_t replies;
    bool has_length, is_chunked, is_done;
    char tail[16]; /* end of the body so far: the token may be cut in two */
    uint32_t tail_len;
    /* valid after ANSWER_DONE */
    int status;
    bool is_last; /* Connection: close */
    uint32_t ok_events;
    const char *bad; /* after ANSWER_BAD: what is wrong */
};
void answer_init(struct answer *a, const struct load_cfg *cfg);
void answer_reset(struct answer *a); /* new connection */
void answer_done(struct answer *a);
/* Takes bytes off the front of *in. Call again until ANSWER_MORE. */
enum answer_event answer_feed(struct answer *a, struct slice *in);

/* ---- CPU ---- */
enum { CPU_THREADS_MAX = 256 };
struct cpu_thread {
    char name[16];
    int tid;
    uint64_t us;
};
struct cpu_sample {
    uint64_t us; /* utime + stime, threads that ended included */
    struct cpu_thread threads[CPU_THREADS_MAX];
    uint32_t thread_count;
};
enum rc cpu_read(int pid, struct cpu_sample *ret, struct err *err) MUST_CHECK;

/* ---- run ---- */
struct load_result {
    struct hist latency_us;   /* answers 2xx whose request was due (sent) in the measured time */
    uint64_t requests;        /* answers 2xx that came within the measured time */
    uint64_t events;          /* in them */
    uint64_t requests_in_all; /* answers 2xx, warm-up and end included */
    uint64_t events_in_all;   /* likewise */
    uint64_t status[LOAD_STATUS_COUNT]; /* answers within the measured time */
    uint64_t bad_answers, cut_connections, failed_connects, unanswered, missing_events;
    uint64_t bytes_sent, bytes_received; /* in all */
    int64_t measured_ns;
    uint64_t own_cpu_us; /* of the generator, within the measured time */
    struct cpu_sample cpu_before[LOAD_PIDS_MAX], cpu_after[LOAD_PIDS_MAX];
    const char *bad_example; /* NULL, or what was wrong with an answer */
};
enum rc load_run(const struct load_cfg *cfg, struct load_result *ret, struct err *err) MUST_CHECK;
#endif
