#ifndef WEIR_ANALYTICS_ERASE_ERASE_INT_H
#define WEIR_ANALYTICS_ERASE_ERASE_INT_H
/* Inside of erase: whose records they are (erase_set.c), the job as it is written down
 * (erase_job.c), the tables (erase_tables.c), what is done when (erase_worker.c). */
#include "analytics/erase/erase.h"
#include "base/arena.h"
#include "base/buf.h"
#include "codec/json.h"

enum { ERASE_SALT_BYTES = 32, ERASE_HASH_BYTES = 16 };

/* ---- erase_set.c: the ids as salted hashes ---- */
struct erase_hash {
    uint8_t kind; /* enum erase_kind */
    uint8_t bytes[ERASE_HASH_BYTES];
};
struct erase_set {
    char project[UUID_TEXT_LEN + 1];
    char salt[2 * ERASE_SALT_BYTES + 1]; /* hex */
    struct erase_hash *hashes;           /* sorted */
    uint32_t count, room;
    struct arena arena; /* of the record looked at */
};
void erase_set_init(struct erase_set *s, const char *project, const uint8_t salt[ERASE_SALT_BYTES]);
void erase_set_done(struct erase_set *s);
/* The first bytes of SHA-256 of salt (hex), kind's letter and id. */
void erase_hash_of(const char *salt, enum erase_kind kind, struct slice id,
                   struct erase_hash *ret_hash);
/* *ret_is_new may be NULL. RC_LIMIT beyond ERASE_LINKED_MAX. */
enum rc erase_set_add(struct erase_set *s, const struct erase_hash *hash, bool *ret_is_new,
                      struct err *err) MUST_CHECK;
bool erase_set_has(const struct erase_set *s, enum erase_kind kind, struct slice id);
/* The ids that an event (a record's JSON) names, as whatever they may be: one that is said to be
 * somebody's former id is looked for as both kinds. Empty ones are left out. */
enum { ERASE_EVENT_IDS_MAX = 5 };
uint32_t erase_ids_of(yyjson_val *event, struct erase_id ids[ERASE_EVENT_IDS_MAX]);
/* For stream_erase and archive_erase; set: struct erase_set. */
bool erase_set_wants(void *set, const struct stream_record *record);
/* "lower(hex(…)) IN (…)" of a column's text; "0" if there is no id of the kind. */
void erase_set_sql(const struct erase_set *s, enum erase_kind kind, const char *column,
                   struct buf *sql);

/* ---- erase_job.c ---- */
enum erase_stage { /* what is done */
                   ERASE_NEW,
                   ERASE_WIDENED, /* linked ids are in the set */
                   ERASE_ROLLED,  /* offsets below `before` are sealed, and what the job is about */
                   ERASE_COUNTED, /* the places before `place` are done, this one is counted */
};
enum { ERASE_REPORT_BYTES_MAX = 64 << 10 };
struct erase_job {
    char id[UUID_TEXT_LEN + 1], org[UUID_TEXT_LEN + 1], project[UUID_TEXT_LEN + 1];
    bool include_linked, is_dry_run, needs_sweep;
    enum erase_stage stage;
    uint32_t place;      /* the one under way */
    uint32_t attempts;   /* that failed */
    uint32_t partitions; /* of `before` */
    uint64_t before[STREAM_PARTITIONS_MAX];
    struct buf places; /* JSON objects with commas between: what the report says of them */
    struct erase_set set;
};
/* The oldest that is not done. RC_NOTFOUND. */
enum rc erase_job_next(struct state *s, struct erase_job *ret, struct err *err) MUST_CHECK;
void erase_job_done(struct erase_job *job);
/* The set's hashes that were not there, and all else but the set. */
enum rc erase_job_save(struct state *s, const struct erase_job *job, struct err *err) MUST_CHECK;
enum rc erase_job_note_failure(struct state *s, const struct erase_job *job, const struct err *why,
                               struct err *err) MUST_CHECK;
/* Status done, the report, the audit event erasure.finish. */
enum rc erase_job_finish(struct ctx *ctx, struct tenant *t, struct erase_job *job,
                         struct err *err) MUST_CHECK;

/* ---- erase_tables.c ---- */
struct erase_tables {
    const struct erase_cfg *cfg;
    struct erase_job *job;
    struct store_client *client;
    bool (*gives_up)(void *ctx);
    void *ctx;
};
/* Adds the linked ids to the job's set. */
enum rc erase_tables_widen(struct erase_tables *t, struct err *err) MUST_CHECK;
/* One object per table into the job's places; sets needs_sweep. */
enum rc erase_tables_count(struct erase_tables *t, struct err *err) MUST_CHECK;
/* Before persons_anew(): what it would take over from the generation before. */
enum rc erase_tables_begin_persons(struct erase_tables *t, struct err *err) MUST_CHECK;
/* Behind persons_anew(): no file of the generation before is left. */
enum rc erase_tables_end_persons(struct erase_tables *t, struct err *err) MUST_CHECK;
enum rc erase_tables_run(struct erase_tables *t, struct err *err) MUST_CHECK;
#endif
