#ifndef WEIR_ANALYTICS_REPORT_QUERY_PERSON_INT_H
#define WEIR_ANALYTICS_REPORT_QUERY_PERSON_INT_H
/* Inside of the routes about persons and groups: statements in several stages whose results are
 * kept until the answer is written. docs/persons.md. */
#include "analytics/report/query_int.h"

/* {list}: hashes, as decimal numbers with commas between. */
#define PERSON_LIST "arrayMap(x -> toUInt64(x), splitByChar(',', {list:String}))"
/* Of these persons, or ids, every id: for a column that is one. */
#define PERSON_MEMBERS(column)                                                               \
    "(" column " IN (SELECT hash FROM $IDENTITIES AND person IN " PERSON_LIST ") OR " column \
    " IN " PERSON_LIST ")"
/* Rows of ids, each with its person; more: what follows $PERSON_IDS. */
#define PERSON_ROWS(more)                                                                      \
    "(SELECT if(i.person != 0, i.person, p.hash) AS person, p.id AS id, first, last, k, user " \
    "FROM (SELECT hash, id, min(first_ms) AS first, max(last_ms) AS last, min(known) AS k, "   \
    "max(is_user) AS user FROM $PERSON_IDS" more " GROUP BY hash, id) AS p LEFT ANY JOIN "     \
    "(SELECT hash, person FROM $IDENTITIES) AS i ON p.hash = i.hash)"
/* Rows (person, …) of facts that go by id. */
#define PERSON_FACTS(columns, table, more)                          \
    "(SELECT if(i.person != 0, i.person, t.id) AS person, " columns \
    " FROM (SELECT * FROM " table more                              \
    ") AS t LEFT ANY JOIN (SELECT hash, person FROM $IDENTITIES) AS i ON t.id = i.hash)"

enum { PEOPLE_STAGES_MAX = 5 };
struct people {      /* call->user */
    const void *own; /* the route's */
    const char *statements[PEOPLE_STAGES_MAX];
    uint32_t count, stage;
    /* After each statement: binds what the next one needs. *ret_goes_on: false at the last. */
    enum rc (*after)(struct query_call *call, struct people *p, struct slice result,
                     bool *ret_goes_on, struct err *err);
    size_t ends[PEOPLE_STAGES_MAX]; /* in call->body, of each result */
    enum rc (*write)(struct query_call *call, struct people *p, struct arena *scratch,
                     struct buf *body, struct err *err);
    struct slice results[PEOPLE_STAGES_MAX]; /* while write() is called */
};
struct people *people_new(struct ctx *ctx, struct query_call *call);
void people_run(struct ctx *ctx, struct query_call *call, struct people *p);

/* The first value of the first row; 0 if there is none. */
uint64_t people_first_u64(struct slice result);
/* The person that an id, or a text of 16 hexadecimal digits, stands for: one row or none. */
extern const char people_resolve_sql[];
void people_bind_id(struct query_call *call, struct slice id);
/* ,"name":"2026-…Z", of milliseconds as text; null for none. */
void people_put_time(struct buf *body, const char *name, yyjson_val *ms);
void people_put_text(struct buf *body, const char *name, yyjson_val *text); /* null if empty */
void people_put_hash(struct buf *body, uint64_t hash);                      /* "0123456789abcdef" */
/* ,"traits":{…},"groups":{…} of rows (hash, 0 or 1, name, value) of that hash. */
enum rc people_put_details(struct slice rows, uint64_t hash, struct arena *scratch,
                           struct buf *body, struct err *err) MUST_CHECK;
/* Of rows of the list: hash, first, last, number of ids, user, users, others. */
enum rc people_put_person(yyjson_val *row, struct buf *body, struct err *err) MUST_CHECK;
#define PEOPLE_COLUMNS \
    "toString(person), min(first), max(last) AS seen, count(), argMinIf(id, (k, id), user = 1), "
extern const char people_details_sql[];
#endif
