#ifndef WEIR_ANALYTICS_ERASE_ERASE_H
#define WEIR_ANALYTICS_ERASE_ERASE_H
/* Erasing everything about one user of a project: a durable job (docs/internals/erase.md) that goes
 * through the places where records and rows are, and ends with a report.
 *
 * WHO    user ids, anonymous ids, devices; with include_linked also the ids that identify and alias
 *        rows tie to them and to nobody else. Known to the job as salted hashes only, from the
 *        moment it is written down: the ids themselves stand nowhere.
 * WHEN   everything received before the job began; what the same person sends afterwards stays.
 * KILLED anywhere, it goes on at the next start; every step may be repeated. A failure is told in
 *        the job ("error") and tried again with backoff, for ever.
 * PLACES streams, then (consumers without a batch from before in hand) the archive, then the
 *        tables. Each is counted first, and the count kept, so that the report is right whatever
 *        happens in between.
 *
 * THREADS  erase_request: any, blocks on the state. One worker per process. */
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/ctx.h"
#include "base/rc.h"
#include "base/slice.h"
#include "state/state.h"
#include "store/store.h"
#include "stream/stream.h"
#include "tenant/admin.h"

/* ---- asking for it ---- */
enum {
    ERASE_IDS_MAX = 1000,     /* of one request */
    ERASE_LINKED_MAX = 5000,  /* with those that were found */
    ERASE_ID_BYTES_MAX = 200, /* as an event's */
    ERASE_REASON_BYTES_MAX = 500,
};
enum erase_kind { ERASE_USER, ERASE_ANONYMOUS, ERASE_DEVICE, ERASE_KINDS };
struct erase_id {
    enum erase_kind kind;
    struct slice id; /* a device: 16 hex digits, lower case */
};
struct erase_request {
    struct slice org, project; /* UUIDs' texts */
    const struct erase_id *ids;
    uint32_t count;
    bool include_linked, is_dry_run;
    struct slice reason; /* kept and shown: must not name one of the ids (RC_INVALID) */
};
/* The table of jobs, on an open state; before anything else here. */
enum rc erase_migrate(struct state *s, struct err *err) MUST_CHECK;
/* Writes the job down, with its audit event (erasure.create). A worker finds it within a second. */
enum rc erase_request(struct ctx *ctx, struct tenant *t, const struct erase_request *request,
                      struct uuid *ret_id, struct err *err) MUST_CHECK;
/* A data folder was put back from a backup: every erasure that its state knows, or that `other`
 * (may be NULL: the state of a newer folder) knows, is to be carried out again by the next worker,
 * over everything that is there then. *ret_count: how many. */
enum rc erase_again(struct state *s, struct state *other, uint64_t *ret_count,
                    struct err *err) MUST_CHECK;
/* Its text as the GET routes show it: tenant_show(s, TENANT_ERASURE, project, id, …). */

/* ---- what was erased does not come back by an import ---- */
/* An import brings events of before, also of who was erased meanwhile: these are left out. Between
 * the look at who was erased and the append no erasure may fix which records it is about, or it
 * would neither be seen nor reach them: so both are done within the guard, one at a time. */
struct erase_guard;
struct erase_past; /* who was erased of a project, as hashes, and when */
/* s: borrowed; migrated here. */
enum rc erase_guard_new(struct state *s, struct erase_guard **ret_guard,
                        struct err *err) MUST_CHECK;
void erase_guard_free(struct erase_guard *g); /* NULL is fine */
/* Waits until nobody else is within it. project: a UUID's text. *ret_past: NULL if nobody was
 * erased. Blocks on the state. */
enum rc erase_guard_enter(struct erase_guard *g, const char *project, struct erase_past **ret_past,
                          struct err *err) MUST_CHECK;
void erase_guard_leave(struct erase_guard *g, struct erase_past *past);
/* Whether the record (of the stream `events`) is of somebody whose erasure is under way, or ended
 * after the event happened or was received. What a user did afterwards is anybody's. */
bool erase_past_has(struct erase_past *past, const struct stream_record *record);

/* ---- carrying it out ---- */
struct erase_count {  /* of one place */
    uint64_t records; /* or rows: those of the user */
    uint64_t objects; /* files that held them; 0 for a table */
    uint64_t bytes;   /* of these files, before */
};
struct erase_pass {         /* for a place outside of this module */
    const uint64_t *before; /* by partition of the stream `events`: only offsets below it */
    bool (*is_wanted)(void *ctx, const struct stream_record *record);
    bool (*gives_up)(void *ctx);
    void *ctx;
    bool is_dry_run;
};
/* A table of the store that holds something about a user; the tables of events and sessions are
 * built in. */
struct erase_table {
    const char *name;
    /* Which rows, beside project_id: SQL in which $USER(column), $ANONYMOUS(column), $ANY(column:
     * either) and $DEVICE(column) say "the column is one of the ids" (texts; a device: UInt64),
     * $TEXT(column) "the text is one of them, of whatever kind", $PROJECT is the project's UUID,
     * and $VISITORS a subquery of the visitors of all events that go. Rows are deleted before those
     * of `events`. A table that is not there is passed over. */
    const char *where;
    bool has_nobodys; /* rows of no project (an id of zeros) go as well; no report counts them */
};
struct
    erase_hooks { /* what the tables' and streams' users have to do meanwhile; handed in by app/ */
    void *ctx;
    /* Lets every consumer of the stream `events` finish the batch that it has in hand. */
    enum rc (*settle)(void *ctx, struct err *err);
    /* From here to sessions_go_on() no session is written. is_anew: sessions are then made anew. */
    enum rc (*sessions_rest)(void *ctx, struct err *err);
    enum rc (*sessions_go_on)(void *ctx, bool is_anew, struct err *err);
    /* Persons are made anew from the events that are left; returns when they are. */
    enum rc (*persons_anew)(void *ctx, bool (*gives_up)(void *arg), void *arg, struct err *err);
    /* NULL: there is no archive. */
    enum rc (*archive)(void *ctx, const struct erase_pass *pass, struct erase_count *ret,
                       struct err *err);
    /* What was rejected up to now is in its tables when it returns; and, unless is_dry_run, no
     * sample of the project's is anywhere else any more. */
    enum rc (*samples_settle)(void *ctx, const char *project, bool is_dry_run,
                              bool (*gives_up)(void *arg), void *arg, struct err *err);
    bool (*is_replaying)(void *ctx); /* a replay is copying rows: the tables wait for its end */
};
struct erase_cfg {
    struct tenant *tenant;
    struct store_cfg store; /* strings are borrowed for the worker's life */
    struct stream *events;
    struct erase_guard *guard;
    struct stream *const *others; /* further streams of event records (dead letters, …) */
    uint32_t other_count;
    const struct erase_table *tables;
    uint32_t table_count;
    struct erase_hooks hooks;
};
struct erase_worker;
enum rc erase_worker_start(const struct erase_cfg *cfg, struct erase_worker **ret,
                           struct err *err) MUST_CHECK;
void erase_worker_stop(struct erase_worker *w); /* NULL is fine; a job goes on at the next start */

/* ---- REST: /v1/projects/{projectId}/erasures ---- */
struct erase_service;
enum rc erase_service_new(struct tenant *t, struct erase_service **ret, struct err *err) MUST_CHECK;
void erase_service_free(struct erase_service *s);
struct api_service erase_api_service(struct erase_service *s);
#endif
