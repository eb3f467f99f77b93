#ifndef WEIR_BASE_CTX_H
#define WEIR_BASE_CTX_H
/* Whose work this is: one struct ctx per request (or per record of a consumer, per command).
 *
 * PASSED  explicitly, as the first parameter of every handler, store call and continuation. The
 *         thread's current one (ctx_enter … ctx_leave) is for log lines and nothing else.
 * HELD    by what runs later as a struct ctx_ref, taken when it was started. ctx_enter() refuses a
 *         reference whose context was released: slots are used again, but their memory is never
 *         given back and their generation only grows, so that every reference can be judged.
 * LEAVES  through ctx_export() only: what of it a record of a stream carries. Never a credential.
 *
 * After its release a context and its arena hold POISON_BYTE, and AddressSanitizer watches both.
 * THREADS A context belongs to its pool's thread. Another thread may work in it while the owner
 *         waits (worker pool): hand it over with a reference. docs/internals/context.md */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"
#include "base/uuid.h"

enum ctx_actor_kind {
    CTX_NOBODY,  /* not authenticated */
    CTX_USER,    /* of ours, with a session */
    CTX_API_KEY, /* a key of a project */
    CTX_TOKEN,   /* somebody whom a token issuer vouches for */
    CTX_SYSTEM,  /* weir itself: consumers, commands */
    CTX_SHARE,   /* whoever has a shared link */
};
enum {
    CTX_PARTY_ID_BYTES = 64,
    CTX_REQUEST_ID_LEN = 36,
    CTX_TEXT_BYTES_MAX = 128, /* of each text in an envelope; longer ones are cut */
    CTX_TRACEPARENT_LEN = 55,
};
struct ctx_party {
    enum ctx_actor_kind kind;
    char id[CTX_PARTY_ID_BYTES]; /* our handle (user id, key id, "issuer/subject"): never a
                                    credential, nothing of a person */
};
struct ctx_claims {                   /* immutable once a context has them */
    struct ctx_party actor, executor; /* on whose behalf; who does it */
    struct uuid org, project;
    bool has_org, has_project;
    uint32_t role;        /* enum tenant_role; 0 = none */
    uint64_t permissions; /* bit set of enum tenant_permission */
};
extern const struct ctx_claims ctx_claims_nobody;
#define CTX_CLAIMS_NOBODY (&ctx_claims_nobody)

/* A span of W3C Trace Context. */
struct ctx_span {
    uint8_t trace_id[16], span_id[8]; /* neither is all zero */
    uint8_t flags;                    /* bits; 1 = sampled */
};
enum { CTX_TRACE_SAMPLED = 1 };

struct ctx {
    struct arena *arena;             /* the request's; wiped at the release */
    const struct ctx_claims *claims; /* never NULL: CTX_CLAIMS_NOBODY until authenticated */
    char request_id[CTX_REQUEST_ID_LEN + 1];
    uint8_t trace_id[16], span_id[8]; /* ours; at random, never all zero */
    uint8_t trace_flags;
    bool has_parent; /* the two below: the caller's span, a link only if its trace is not ours */
    uint8_t parent_id[8];
    uint8_t link_trace_id[16], link_flags;
    struct slice correlation; /* of a chain of requests and events; empty: the request id stands */
    struct slice causation;   /* id of the event that caused this */
    struct slice reason;      /* why, in the caller's words (header X-Reason, or the body) */
    struct slice client_address, user_agent;
    mono_ns deadline; /* 0 = none */

    /* base/ctx.c's; outlives the release */
    _Atomic uint64_t generation_;
    uint32_t canary_;
    bool is_live_;
    struct ctx_pool *pool_;
    struct ctx *prev_, *next_;
    struct arena arena_;
    struct ctx_claims claims_;
};

/* ---- life ---- */
/* One per loop or thread that makes contexts. Its slots are never given back to the heap: a later
 * pool gets them. */
struct ctx_pool;
struct ctx_pool *ctx_pool_new(void) MUST_CHECK;
void ctx_pool_free(struct ctx_pool *pool); /* no context of it is live (must) */

/* Nobody's, with a trace of its own and an empty request id. NULL: no memory. */
struct ctx *ctx_new(struct ctx_pool *pool, size_t arena_bytes_max) MUST_CHECK;
/* Of weir's own work: actor and executor are (CTX_SYSTEM, service), the request id a new UUIDv7. */
struct ctx *ctx_new_system(struct ctx_pool *pool, size_t arena_bytes_max,
                           const char *service) MUST_CHECK;
/* Once (must); copied. What was authenticated stays until the release. */
void ctx_set_claims(struct ctx *ctx, const struct ctx_claims *claims);
/* The caller's span, from outside: kept as a link, our trace stays its own. */
void ctx_link_trace(struct ctx *ctx, const struct ctx_span *caller);
/* From ourselves (a record, a control connection): its trace goes on here, in a new span. */
void ctx_continue_trace(struct ctx *ctx, const struct ctx_span *parent);
/* The pool's thread. From here on every reference to it is stale. */
void ctx_release(struct ctx *ctx);

/* ---- references and the current one ---- */
struct ctx_ref { /* what a continuation holds; {NULL}: work of no request */
    struct ctx *ctx;
    uint64_t generation;
};
struct ctx_ref ctx_ref(struct ctx *ctx); /* of a live one (must); NULL is allowed */
/* Makes it the thread's current one. NULL and nothing entered: the reference is empty, or stale
 * (counted: it is a bug of ours, and what was to be done must not be done for another). */
struct ctx *ctx_enter(struct ctx_ref ref) MUST_CHECK;
bool ctx_is_stale(struct ctx_ref ref); /* not empty, and its context was released */
/* The one before is current again. ctx may have been released meanwhile; NULL does nothing. */
void ctx_leave(struct ctx *ctx);
/* For log lines. NULL if none was entered, or it has been released since. */
const struct ctx *ctx_current(void);
/* Between two events of a loop nothing is entered: must() of it. */
void ctx_must_be_outside(void);

/* ---- what outlives it: the envelope of a record (docs/internals/context.md) ---- */
/* "00-<trace>-<span>-<flags>", NUL-terminated. */
char *ctx_traceparent(const struct ctx *ctx, char ret_text[CTX_TRACEPARENT_LEN + 1]);
char *ctx_span_format(const struct ctx_span *span, char ret_text[CTX_TRACEPARENT_LEN + 1]);
/* Our own form only: version 00, lower case, neither id all zero. */
bool ctx_span_parse(struct slice text, struct ctx_span *ret_span);

/* JSON members, no braces, no comma at either end: CloudEvents attributes of the extensions
 * distributed tracing and authcontext, and ours ("tracelink", "executortype", "executorid"). */
void ctx_export(const struct ctx *ctx, struct buf *out);

/* The trace alone, for stream_record.headers (in the context's arena): traceparent and tracelink.
 * Empty if the caller sent none (or there is no memory): its records need not be found by it. */
struct slice ctx_export_headers(struct ctx *ctx);

struct ctx_envelope { /* the same, read back; borrowed; empty = absent */
    struct slice traceparent, tracelink, correlationid, causationid;
    struct slice authtype, authid, executortype, executorid;
};
/* One member by name; false if it is not one of an envelope. */
bool ctx_envelope_put(struct ctx_envelope *e, struct slice name, struct slice value);
/* For a consumer's new context: the trace and the chain go on, causation is the record's id, the
 * actor is the record's; executor, tenant and permissions are the service's own. Texts are copied;
 * what does not fit its form is left out. */
void ctx_import(struct ctx *ctx, const struct ctx_envelope *e, struct slice record_id,
                const struct ctx_claims *service);
const char *ctx_actor_name(enum ctx_actor_kind kind); /* CloudEvents authtype */

/* ---- counting ---- */
struct ctx_count {
    uint32_t live;      /* contexts */
    size_t arena_bytes; /* given out to them */
    size_t held_bytes;  /* of the heap, by them and for the next ones */
};
void ctx_count(const struct ctx_pool *pool, struct ctx_count *ret); /* the pool's thread */
uint64_t ctx_live(void);                                            /* of all pools; any thread */
uint64_t ctx_stale(void); /* references refused since the start */
void ctx_metrics_register(void);
#endif
