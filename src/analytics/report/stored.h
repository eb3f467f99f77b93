#ifndef WEIR_ANALYTICS_REPORT_STORED_H
#define WEIR_ANALYTICS_REPORT_STORED_H
/* What a question may name instead of spelling it out: goals, segments, cohorts, saved reports.
 * Where they are kept is no business of the reports: whoever knows hands in a source, and the
 * parser asks it. Without one a question that names something is put off (report_parse). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/ctx.h"
#include "base/rc.h"
#include "base/slice.h"
#include "codec/json.h"

enum stored_kind { STORED_GOAL, STORED_SEGMENT, STORED_COHORT, STORED_REPORT, STORED_KINDS };
extern const char *const stored_kind_names[STORED_KINDS]; /* "goal" … */

/* Whose they are: nothing of another project is ever found, nor what is somebody else's own. */
struct stored_where {
    struct slice project, viewer;
};
enum { STORED_PEOPLE_MAX = 50000, STORED_PEOPLE_BYTES_MAX = 4 << 20 /* of one list */ };
struct stored_people {    /* a list of people: ids of users, or numbers of visitors or persons */
    const char *count_by; /* "users" …, as the cohort says it */
    uint32_t count;
    struct slice ids; /* U+0000 between */
};
struct stored_source { /* calls block: on the worker pool, never on a loop */
    /* By id or name, as an object with the members that its GET shows. RC_NOTFOUND. */
    enum rc (*find)(void *ctx, const struct stored_where *where, enum stored_kind kind,
                    struct slice id_or_name, struct buf *out, struct err *err);
    /* All of a kind, an array of such objects. */
    enum rc (*all)(void *ctx, const struct stored_where *where, enum stored_kind kind,
                   struct buf *out, struct err *err);
    /* The ids of a list of a cohort (its list_id), U+0000 between. RC_NOTFOUND. */
    enum rc (*people)(void *ctx, const struct stored_where *where, struct slice list,
                      struct buf *out, struct err *err);
    /* Makes a cohort of them in the name of the request; out: as its GET shows it. */
    enum rc (*keep)(void *ctx, struct ctx *request, const struct stored_where *where,
                    struct slice name, const struct stored_people *people, struct buf *out,
                    struct err *err);
    void *ctx;
};
struct stored_lookup {
    const struct stored_source *source;
    struct stored_where where;
    struct slice self; /* id of what is being saved, which must not come to hold itself; or empty */
};

/* Whether reports can use what a definition of that kind holds: of its members those that are
 * there. RC_INVALID: err begins with the JSON pointer within the object. Other codes: of the
 * source. */
enum rc stored_check(enum stored_kind kind, yyjson_val *object, const struct stored_lookup *lookup,
                     struct arena *arena, struct err *err) MUST_CHECK;
#endif
