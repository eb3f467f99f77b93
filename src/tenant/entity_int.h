#ifndef WEIR_TENANT_ENTITY_INT_H
#define WEIR_TENANT_ENTITY_INT_H
/* WHAT  The things of admin.h as tables of columns: one description yields the JSON that a client
 *       and the audit log see, the members that a client may write and their checks, and the SQL,
 *       always bound to the parent (the tenant). */
#include "base/buf.h"
#include "codec/json.h"
#include "state/state.h"
#include "tenant/admin.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_TIME,        /* unix ms in the database, RFC 3339 in JSON; NULL is null */
    COLUMN_FLAG,        /* not NULL is true */
    COLUMN_WORDS,       /* "a b" is ["a","b"] */
    COLUMN_LINES,       /* the same by lines */
    COLUMN_PERMISSIONS, /* a role's */
    COLUMN_MOMENT, /* "2026-01-31", or an instant as time_format() writes it: their texts are in
                           the order of time */
    COLUMN_JSON,   /* any value, kept as compact text of at most `max` bytes; NULL is null */
};
enum { ENTITY_COLUMNS_MAX = 16 };
struct column {
    const char *name; /* in JSON */
    const char *sql;  /* NULL: the same */
    enum column_kind kind;
    bool is_writable; /* by tenant_update() */
    /* Of a text, or of each word or line. NULL: any */
    enum rc (*check)(struct slice value, struct err *err);
    int64_t min, max;  /* of a COLUMN_INT */
    bool is_unaudited; /* a credential: no audit event has it */
    bool may_be_null;
    const char *schema; /* where the kind does not say all of it: JSON, words of a set */
};
/* Rows as JSON objects. */
struct entity_rows {
    const struct entity *entity;
    struct buf *out;
    uint32_t count, limit; /* 0: all */
    bool is_more, is_audit;
    char last[UUID_TEXT_LEN + 1];
};
struct entity {
    const char *type;    /* "project": in the audit log and in messages */
    const char *table;   /* FROM */
    const char *id;      /* column of the id */
    const char *parent;  /* column that binds it to its tenant; NULL: none */
    const char *service; /* in the audit log; NULL: "access" */
    struct column columns[ENTITY_COLUMNS_MAX + 1]; /* after "id"; up to the one without a name */
};
extern const struct entity tenant_entities[TENANT_ENTITIES];

/* What a client sent, as bound values. */
struct entity_values {
    const struct column *columns[ENTITY_COLUMNS_MAX];
    struct state_value values[ENTITY_COLUMNS_MAX];
    uint32_t count;
};
/* RC_INVALID names the member: unknown, not writable, of the wrong type, refused by its check. */
enum rc entity_read(const struct entity *e, yyjson_val *object, struct arena *arena,
                    struct entity_values *ret, struct err *err) MUST_CHECK;
/* "SELECT id, columns FROM table WHERE ", for rows of entity_add_row(). Initialises sql. */
void entity_select(const struct entity *e, struct buf *sql);
enum rc entity_add_row(void *rows, const struct state_row *row);
/* tenant_show(); is_audit: without what is_unaudited. */
enum rc entity_show(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice id, bool is_audit, struct buf *out, struct err *err) MUST_CHECK;
enum rc entity_update(struct state *s, const struct entity *e, struct slice parent, struct slice id,
                      const struct entity_values *values, struct err *err) MUST_CHECK;

/* tenant_change.apply of most changes: one statement that must change a row. */
struct statement {
    const char *sql;
    const struct state_value *params;
    uint32_t count;
    const char *missing; /* what is not there if no row changed */
};
enum rc statement_apply(void *statement, struct state *s, struct err *err) MUST_CHECK;
/* One statement as a whole change, and then the view. */
enum rc tenant_run(struct ctx *ctx, struct tenant *t, const struct tenant_change *change,
                   const struct statement *statement, struct err *err) MUST_CHECK;

/* ---- checks ---- */
enum rc check_name(struct slice name, struct err *err) MUST_CHECK;
enum rc check_origin(struct slice origin, struct err *err) MUST_CHECK;
#endif
