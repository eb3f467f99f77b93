#ifndef WEIR_ANALYTICS_REJECTED_REJECTED_H
#define WEIR_ANALYTICS_REJECTED_REJECTED_H
/* What was not taken: counted by project, dialect and reason, and kept for a day with its body, so
 * that it can be seen and, under other rules, released. docs/internals/rejected.md.
 *
 *   edge       rejected_count(), rejected_has_room(), rejected_keep(): in memory
 *   each 1 s   rejected_flush(): counts as differences and samples become records of the stream
 *              `rejected`
 *   consumer   `rejected`: records become rows of the tables `ingest_counts` and `rejections`,
 *              exactly once
 *   projector  what the consumer `project` leaves out goes into the same tables by
 *              rejected_batch_…, under the token of its batch
 *
 * A kill -9 loses the counts and samples of the last second; the events were refused by then, and
 * their clients told so.
 *
 * NO ADDRESS  of a visitor and no secret is in a sample: rejected_mask.h.
 * BOUNDS      samples: REJECTED_BODY_BYTES_MAX each, and so many bytes an hour, per project and in
 *             all (struct rejected_cfg). What is over that is counted only. */
#include <stdbool.h>
#include <stdint.h>

#include "analytics/event/event.h"
#include "store/store.h"
#include "stream/consumer.h"
#include "stream/stream.h"

enum rejected_reason {
#define REASON(name, code, keeps, what) REJECTED_##name,
#include "analytics/rejected/reason.def"
#undef REASON
    REJECTED_REASON_COUNT,
};
const char *rejected_reason_code(enum rejected_reason reason); /* "bad_json" … */
const char *rejected_reason_text(enum rejected_reason reason);
bool rejected_reason_is_sampled(enum rejected_reason reason);
/* False: there is none of that code. */
bool rejected_reason_find(struct slice code, enum rejected_reason *ret_reason);
/* Of an event that a dialect has dropped; not for EVENT_FINE (must). */
enum rejected_reason rejected_reason_of(enum event_reason reason);

enum {
    REJECTED_BODY_BYTES_MAX = 256 << 10,
    REJECTED_EVENTS_MAX = 1000, /* of one sample */
    REJECTED_HEADERS_MAX = 12,
    REJECTED_WHOLE = UINT32_MAX, /* index: the request as a whole */
};
/* Why a request of which a sample is kept cannot be read again. */
enum rejected_lack {
    REJECTED_LACKS_NOTHING,
    REJECTED_TOO_LARGE_TO_KEEP, /* "body_too_large" */
    REJECTED_OF_SEVERAL,        /* "several_projects": its body is not one project's to see */
    REJECTED_NO_TEXT,           /* "not_text": no UTF-8, or packed in a way that is broken */
    REJECTED_IS_RECORD,         /* "record": the body is the record of one event that was taken */
    REJECTED_LACKS_COUNT,
};
const char *rejected_lack_code(enum rejected_lack lack); /* "" if nothing */

/* A place that a masked address in the body stood for. */
struct rejected_place {
    struct slice country, region, city, network;
};

/* One event of a request that was not taken. */
struct rejected_event {
    uint32_t index; /* of the events of the request, in the order in which they were read */
    enum rejected_reason reason;
    struct slice details;
};
struct rejected_header {
    struct slice name, value;
};
/* A request with what was rejected of it. All texts are borrowed, and masked already. */
struct rejected_sample {
    struct uuid id;
    struct uuid project; /* all zero: nobody's */
    unix_ms received_at;
    const char *dialect;            /* its source */
    const char *route;              /* pattern; "" = the operator's own */
    const char *method;             /* "POST" */
    struct slice path, query, body; /* the body unwrapped, as JSON */
    struct rejected_header headers[REJECTED_HEADERS_MAX];
    uint32_t header_count;
    struct slice user_id;       /* of a token */
    struct uuid key_id;         /* all zero: a name, or not known */
    enum rejected_lack lack;    /* nothing: the body is all of it, the request can be read again */
    bool is_key_in_head;        /* nothing in the body says whose it is */
    bool is_visitor;            /* client is the visitor's */
    struct event_client client; /* what was made of the address */
    /* What was made of addresses in body and query: rejected_mask.h numbers them from 1. */
    const struct rejected_place *places;
    uint32_t place_count;
    const struct rejected_event *events;
    uint32_t event_count;
};

/* ---- the edge ---- */
/* Handed to whoever rejects; any thread. */
struct rejected_sink {
    void *ctx;
    /* project NULL: nobody's. dialect is borrowed for ever. */
    void (*count)(void *ctx, const struct uuid *project, const char *dialect,
                  enum rejected_reason reason, uint32_t events);
    /* Whether a sample of about so many bytes may be kept; if so, they are taken off. */
    bool (*has_room)(void *ctx, const struct uuid *project, enum rejected_reason reason,
                     size_t bytes);
    void (*keep)(void *ctx, const struct rejected_sample *sample); /* copies */
};

struct rejected;
struct rejected_cfg {
    struct stream *stream;               /* borrowed */
    uint64_t bytes_per_hour_max;         /* of all samples; 0 = 64 MiB */
    uint64_t project_bytes_per_hour_max; /* 0 = 16 MiB; half of it for any one reason */
};
struct rejected *rejected_new(const struct rejected_cfg *cfg);
void rejected_free(struct rejected *r); /* does not flush; NULL is fine */
struct rejected_sink rejected_sink(struct rejected *r);
/* Blocks on the stream. What could not be written stays for the next time. One at a time. */
enum rc rejected_flush(struct rejected *r, struct err *err) MUST_CHECK;
void rejected_stream_settings(struct stream_cfg *cfg); /* name, retention, sizes */

/* ---- the consumer ---- */
struct rejected_writer;
enum rc rejected_writer_new(const struct store_cfg *store, struct rejected_writer **ret,
                            struct err *err) MUST_CHECK;
void rejected_writer_free(struct rejected_writer *w);   /* NULL is fine */
extern const struct consumer_ops rejected_consumer_ops; /* ctx: struct rejected_writer */

/* ---- what another consumer leaves out ----
 * Collected while it works on a batch, written behind it: a repeat of the batch is the same rows
 * under the same token. Borrowed texts must live until the write. */
struct rejected_batch;
struct rejected_batch *rejected_batch_new(void);
void rejected_batch_free(struct rejected_batch *b);
/* body: the record. */
void rejected_batch_add(struct rejected_batch *b, const struct uuid *project, unix_ms received_at,
                        struct slice dialect, enum rejected_reason reason, struct slice details,
                        struct slice body);
/* Empties it if it went well, or is_given_up. Blocks. */
enum rc rejected_batch_write(struct rejected_batch *b, struct rejected_writer *w, const char *token,
                             struct err *err) MUST_CHECK;
void rejected_batch_clear(struct rejected_batch *b);

/* ---- reading, for a release ---- */
struct rejected_query {
    const struct uuid *project; /* NULL: every project's and nobody's, for the operator */
    bool has_reason;
    enum rejected_reason reason;
    unix_ms since; /* older ones are not there any more */
    unix_ms after; /* cursor: the last one read */
    struct uuid after_id;
    uint32_t limit;
};
struct rejected_stored {
    struct rejected_sample sample;
    struct slice dialect;
    uint64_t version;
};
/* Calls each() with those that can be read again, oldest first; its texts are valid during the
 * call. Not RC_OK from it stops. Blocks. */
enum rc rejected_read(struct ctx *ctx, struct store_client *c, const struct rejected_query *q,
                      enum rc (*each)(void *ctx, const struct rejected_stored *s), void *each_ctx,
                      struct err *err) MUST_CHECK;
/* The same, with what is still refused: of a higher version. None: it is not shown any more. */
enum rc rejected_store_rest(struct store_client *c, const struct rejected_stored *s,
                            const struct rejected_event *events, uint32_t count,
                            struct err *err) MUST_CHECK;

/* Removes hours of samples that are older than a day, weeks of counts older than 90. Blocks. */
enum rc rejected_sweep(struct store_client *c, unix_ms now, struct err *err) MUST_CHECK;
#endif
