#ifndef WEIR_ANALYTICS_REPORT_REPORT_PLAUSIBLE_INT_H
#define WEIR_ANALYTICS_REPORT_REPORT_PLAUSIBLE_INT_H
/* Between the files that rewrite Plausible's question into one of ours. */
#include "analytics/report/report_run_int.h"

/* What a question is rewritten into; unit: of their "time". */
struct rewriting {
    struct buf *out;
    const char *unit;
    struct err *err;
    uint32_t nodes;
    /* what is stored (report_plausible_stored.c) */
    const struct stored_lookup *lookup; /* NULL: nothing can be looked up here */
    struct arena *arena;
    yyjson_val *goals;  /* all of the project; NULL: none */
    struct buf *chosen; /* those that the question is about, an array; "[]": none in particular */
};
void plausible_put_json(struct rewriting *w, yyjson_val *v);
bool plausible_wrong(struct err *err, const char *what, struct slice name);

/* Whether goals or segments are named anywhere. */
bool plausible_names_stored(yyjson_val *root);
bool plausible_is_goal(yyjson_val *filter);
bool plausible_has_goal_dimension(yyjson_val *dimensions);
/* Reads the goals of the project; before the others. */
bool plausible_read_goals(struct rewriting *w);
/* [operator, "event:goal", names]: stored goals of these names, else events. */
bool plausible_put_goal(struct rewriting *w, yyjson_val *filter);
/* [operator, "segment", [id]]. */
bool plausible_is_segment(yyjson_val *filter);
bool plausible_put_segment(struct rewriting *w, yyjson_val *filter);
/* ,"goal":…: what the filters on goals at the outermost level say. */
bool plausible_put_wanted(struct rewriting *w, yyjson_val *filters);
/* A source of the same whose goals are the chosen ones. */
struct plausible_source {
    struct stored_source source;
    const struct stored_lookup *whole;
    struct slice chosen;
};
struct stored_lookup plausible_lookup(const struct rewriting *w, struct plausible_source *space);
#endif
