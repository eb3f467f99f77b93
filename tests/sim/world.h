#ifndef WEIR_TEST_SIM_WORLD_H
#define WEIR_TEST_SIM_WORLD_H
/* A server without a network: the real router, ingest, contexts, log and export, under a scheduler
 * that takes one pending step at a time in an order drawn from a seed.
 *
 * WHAT IS REAL   src/api, src/analytics/ingest and its dialects, src/base (ctx, arena, log …).
 * WHAT STANDS IN net's queues and answers (world.c plays connection, loop, worker pool), the
 *                stream's committer, the tenant view. They keep net's contract: one answer, the
 *                context released with it, everything of a request entered in one place.
 * TAINT          Each request has a token of 128 random bits: it is its request id, its trace id,
 *                in its body, its headers, its claims and all over its arena. Whatever is answered,
 *                appended or logged for a request may hold that token and no other.
 * THREADS        A world is one thread's. With a peer, work and commits are run by the peer. */
#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "base/random.h"

enum { TOKEN_LEN = 34 /* "tx" and 32 digits */ };

enum script { /* what a request asks for */
              ASK_EVENT,
              ASK_LARGE_BATCH,
              ASK_BAD_BODY,
              ASK_WITHOUT_KEY,
              ASK_NOWHERE,
              ASK_PROBE,           /* authenticated; probe.c */
              ASK_PROBE_ANONYMOUS, /* the same without claims: must see none */
              ASK_PROBE_LATE,      /* its timer may answer while an append is under way */
              SCRIPT_COUNT
};
enum kill { KILL_NOT, KILL_GONE, KILL_TIMEOUT, KILL_NOMEM, KILL_COUNT };

struct world;
struct request {
    struct net_request net; /* first of what net owns: see request_of() */
    struct world *world;
    enum script script;
    uint8_t id[16];
    char token[TOKEN_LEN + 1];
    struct net_header headers[8];
    char key_text[64], traceparent[CTX_TRACEPARENT_LEN + 1];
    struct buf body;
    struct ctx *ctx; /* NULL before and after */
    bool is_gone;    /* the client */
    bool is_over;    /* answered, or dropped before it was handled */
    bool has_app_seen;
    int status; /* 0 = no answer */
    uint32_t steps;
    void *user; /* probe.c's; freed with the request */
    _Atomic uint32_t refs;
};

enum step_kind { STEP_HEAD, STEP_BODY, STEP_TASK, STEP_WORK, STEP_DONE, STEP_COMMIT, STEP_TIMER };
struct step {
    struct step *next;
    enum step_kind kind;
    struct request *request;
    struct ctx_ref ctx;
    struct net_task *task;
    void (*work)(struct ctx *ctx, void *arg);
    void (*done)(struct ctx *ctx, void *arg);
    void *arg;
    struct stream_append *append;
};

struct world {
    struct ctx_pool *contexts;
    struct world *peer; /* itself, or another thread's */
    struct prng prng;
    struct step **ready;
    size_t ready_count, ready_cap;
    struct request *running; /* whose step it is */
    uint32_t log_every;      /* requests between two that log; 1 = all */
    uint64_t steps, requests, expected_stale;
    enum kill
        kill; /* of victim, before its kill_step-th step; the kill_alloc-th allocation in it */
    struct request *victim;
    uint32_t kill_step, kill_alloc;
    pthread_mutex_t lock;
    struct step *inbox; /* under lock */
};

/* Once per process. */
void worlds_open(void);
void worlds_close(void); /* checks that every tenant view was given back */

void world_init(struct world *w, uint64_t seed, struct world *peer);
void world_done(struct world *w); /* checks that nothing is left */
struct request *world_ask(struct world *w, enum script script);
/* Runs one pending step, of its own or of the inbox; false if there is none. */
bool world_step(struct world *w);
void world_timer(struct ctx *ctx, struct request *r, void (*fire)(struct ctx *ctx, void *arg),
                 void *arg);
struct request *request_of(const struct api_request *req);

/* A finding: printed, counted; the program ends with failure. */
void leak(const char *fmt, ...) PRINTF_LIKE(1, 2);
unsigned leaks(void);
/* Every token in text is own's; false (and a finding) otherwise. own NULL: there must be none. */
bool check_taint(const char *where, struct slice text, const char *own);
/* Every line of the log: one token at most, and the context's is the same. */
void check_log(struct slice text);

/* probe.c */
extern const struct api_service probe_service;
#endif
