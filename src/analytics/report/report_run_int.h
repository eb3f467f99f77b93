#ifndef WEIR_ANALYTICS_REPORT_REPORT_RUN_INT_H
#define WEIR_ANALYTICS_REPORT_REPORT_RUN_INT_H
/* One question under way, for the routes that ask one (report_routes.c, report_plausible.c). Lives
 * in the request's arena; call->user of its query_call. */
#include "analytics/report/report_int.h"

enum report_stage { STAGE_RANGE, STAGE_LABELS, STAGE_MAIN };
struct report_run {
    struct report report;
    struct report_bounds bounds;
    struct slice question; /* JSON */
    /* Reads what was asked into report; called once more with a lookup where that is needed. False:
     * report.err says why, or no memory. */
    bool (*parse)(struct query_call *call, const struct stored_lookup *lookup);
    enum report_stage stage; /* of the statement that was run last */
    bool is_sql_only, is_csv;
    struct query_saved *saved; /* NULL, or who wants to know which report it was */
    bool is_slots_asked;       /* by the statement of the range */
    uint64_t sessions_version; /* when it was made */
    uint32_t passed;           /* parameters of the report that the call has */
    const char *statements[3];
    uint32_t statement_count;
    struct slice labels; /* members of an array */
};
/* ---- what the store has told, for the next question (report_known.c) ---- */
/* Any thread. */
struct report_known *report_known_new(void);
void report_known_free(struct report_known *known);
/* The zone of that name, copied; false: it is not known. */
bool report_known_zone(struct report_known *known, struct slice name, struct report_zone *ret_zone);
void report_known_keep_zone(struct report_known *known, struct slice name,
                            const struct report_zone *zone);
/* Whether the project has visits of bots by behaviour, as the store said at `version` of the
 * sessions; false: it has to be asked. */
bool report_known_behaviour(struct report_known *known, struct slice project, uint64_t version,
                            bool *ret_has);
void report_known_keep_behaviour(struct report_known *known, struct slice project, uint64_t version,
                                 bool has);

/* NULL: answered. */
struct report_run *report_run_new(struct ctx *ctx, struct query *q, struct api_request *req,
                                  struct query_call **ret_call);
/* Asks what run->parse reads; call->shape may be set, else it is weir's own answer. Answers later,
 * or at once if the question is wrong. */
void report_run_start(struct ctx *ctx, struct query_call *call);
/* On the worker: what the request may look up. */
struct stored_lookup report_lookup_of(const struct query_call *call);
/* On the worker: sees to it that the store has the lists of people that the report names. */
enum rc report_copy_lists(struct query_call *call, const struct report *r,
                          struct err *err) MUST_CHECK;
/* ?format=csv, or an Accept that names text/csv and not JSON. */
bool report_is_csv_asked(const struct net_request *net);
/* What the body of req asks, or the saved report of its path with that body over it, as CSV;
 * answered at once and to out. req needs no more than report_ask.c gives it. */
enum rc report_ask(struct ctx *ctx, struct query *q, struct api_request *req,
                   struct query_saved *saved, struct buf *out, struct err *err) MUST_CHECK;
bool report_parse_saved(struct query_call *call, const struct stored_lookup *l);
#endif
