#ifndef WEIR_ANALYTICS_REPORT_REPORT_INT_H
#define WEIR_ANALYTICS_REPORT_REPORT_INT_H
/* POST /v1/projects/{projectId}/query: a question in JSON becomes a checked tree (report_parse.c,
 * report_filter.c, report_range.c), the tree becomes statements (report_sql.c and one file per kind
 * of report), and the store's rows become the answer (report_shape.c). All of that is pure: no
 * store, no clock but the one handed in, no heap beyond the arena. report_routes.c runs it.
 *
 * What a client wrote is only ever bound as a parameter (report_bind); statements are made of the
 * texts of this program. docs/definitions.md says what each number means. */
#include "analytics/report/query_int.h"
#include "analytics/report/stored.h"

#include "codec/json.h"

enum {
    REPORT_METRICS_MAX = 20,
    REPORT_DIMENSIONS_MAX = 6,
    REPORT_ORDERS_MAX = 8,
    REPORT_PARAMS_MAX = 200,
    REPORT_FILTERS_MAX = 60, /* nodes of all trees */
    REPORT_FILTER_DEPTH_MAX = 8,
    REPORT_VALUES_MAX = 200,        /* of one filter */
    REPORT_PATTERNS_MAX = 20,       /* of one filter */
    REPORT_VALUE_BYTES_MAX = 65536, /* of all filters */
    REPORT_FACTS_MAX = 12,          /* traits and groups of one question */
    REPORT_PATH_MAX = 6,            /* names in "property:a.b.c" */
    REPORT_NAME_BYTES_MAX = 200,
    REPORT_MEMBERS_MAX = 30, /* that a kind knows */
    REPORT_KEYS_MAX = REPORT_ORDERS_MAX + REPORT_DIMENSIONS_MAX,
    REPORT_GOALS_MAX = 50, /* of the dimension goal */
    REPORT_LISTS_MAX = 8,  /* of people, in one question */
    REPORT_LIMIT_DEFAULT = 1000,
    REPORT_LIMIT_MAX = 10000,
    REPORT_OFFSET_MAX = 1000000,
    REPORT_BUCKETS_MAX = 10000,
    REPORT_BODY_BYTES_MAX = 128 * 1024,
};

/* Where something stands in the question, for RFC 6901. */
struct report_at {
    const struct report_at *up; /* NULL: the whole */
    const char *name;           /* NULL: index */
    size_t index;
    const char *stored; /* not NULL: what follows is inside of what is stored, called so */
};

/* ---- what can be asked about ---- */
enum report_scope {
    SCOPE_EVENT = 1, /* a column of events only */
    SCOPE_VISIT = 2, /* of the visit only: where it came from, where it began and ended */
    SCOPE_BOTH = 3,
};
enum report_field_kind {
    FIELD_TEXT,
    FIELD_BOT,  /* the event's own, or that of a visit in which it is a bot's by behaviour */
    FIELD_GOAL, /* of all stored goals that an event reaches, each */
    FIELD_NUMBER,
    FIELD_TIME, /* from here on: the name goes on behind its colon */
    FIELD_PROPERTY,
    FIELD_GROUP, /* from here on: of the person, report_person.c */
    FIELD_PERSON,
    FIELD_GROUP_TRAIT,
};
struct report_field {
    const char *name;          /* "browser"; with ':' at its end: a name follows */
    const char *event, *visit; /* columns of the tables; NULL: not there */
    enum report_field_kind kind;
    bool in_slots; /* the event's column is there as well (report_slots.c) */
};
enum report_unit { UNIT_MINUTE, UNIT_HOUR, UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_YEAR, UNIT_COUNT };
extern const char *const report_unit_names[UNIT_COUNT];

struct report_dim {
    struct slice name; /* as asked */
    const struct report_field *field;
    enum report_unit unit;             /* FIELD_TIME */
    uint32_t param_first, param_count; /* FIELD_PROPERTY: the path */
    uint32_t fact;                     /* of the person: in report.facts */
};
/* What is known about the person of a row: column fact_<place>, and number_<place>. */
struct report_fact {
    enum { FACT_TRAIT, FACT_MEMBER, FACT_GROUP_TRAIT } kind;
    struct slice name;               /* of the field that asked for it */
    uint32_t type;                   /* parameter: the type of group */
    uint32_t member;                 /* FACT_GROUP_TRAIT: the fact that says which group */
    uint32_t path_first, path_count; /* parameters: the trait, and the way into it */
};

enum report_value_kind {
    VALUE_COUNT,  /* 0 where there is nothing */
    VALUE_NUMBER, /* null where there is nothing */
    VALUE_JSON,   /* a JSON text of ours */
};
enum report_metric_flag {
    METRIC_ENGAGEMENT = 1, /* pings count */
    METRIC_GOAL = 2,       /* needs a goal */
    METRIC_WHOLE = 4,      /* divides by all visitors */
    METRIC_BASE = 8,       /* looks at those who did not reach the goal, too */
    METRIC_DIMENSION = 16, /* needs a dimension */
    METRIC_PERSON = 32,    /* needs to know whose a row is */
    METRIC_SUM = 64,       /* a sample has a share of it */
    METRIC_OTHERS = 128,   /* counts others than visitors, of whom a sample has no certain share */
};
struct report_metric_def {
    const char *name;
    /* Aggregates over each of the sources (report_sql.c); NULL: not to be had there. */
    const char *events, *visits, *joined;
    enum report_value_kind kind;
    unsigned flags;
    const char *slots;
};
struct report_metric {
    struct slice name;
    const struct report_metric_def *def; /* NULL: an aggregate of a property */
    const char *aggregate;               /* "sum" …, or NULL for a percentile */
    double level;                        /* of the percentile */
    struct report_dim of;
};

/* ---- filters ---- */
enum report_op {
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_HAS_DONE,
    OP_HAS_NOT_DONE,
    OP_SEGMENT, /* as it is read; becomes OP_AND */
    OP_COHORT,
    OP_IS,
    OP_IS_NOT,
    OP_CONTAINS,
    OP_CONTAINS_NOT,
    OP_MATCHES,
    OP_MATCHES_NOT,
    OP_EXISTS,
    OP_NOT_EXISTS,
    OP_GREATER,
    OP_GREATER_OR_EQUAL,
    OP_LESS,
    OP_LESS_OR_EQUAL,
    OP_COUNT,
};
struct report_cohort;
struct report_sql;
struct report_filter {
    enum report_op op;
    struct report_dim dim;
    uint32_t param_first, param_count; /* one array, or one per pattern */
    bool ignores_case;
    struct report_filter *children, *next;
    struct report_cohort *cohort; /* OP_COHORT */
};

/* ---- the question ---- */
enum report_bots { BOTS_EXCLUDE, BOTS_INCLUDE, BOTS_ONLY };
enum report_range_kind {
    RANGE_DAYS,      /* first and last are given */
    RANGE_INSTANTS,  /* from and to are given */
    RANGE_LAST_DAYS, /* today and the count - 1 days before */
    RANGE_MONTHS,    /* from the beginning of the month count - 1 months ago */
    RANGE_YEAR,      /* from its beginning */
    RANGE_ALL,       /* from the first event */
    RANGE_MINUTES,   /* the last count minutes */
};
enum report_compare { COMPARE_NONE, COMPARE_PREVIOUS, COMPARE_YEAR, COMPARE_RANGE };
struct report_range {
    enum report_range_kind kind;
    struct slice first, last; /* RANGE_DAYS: texts YYYY-MM-DD */
    unix_ms from, to;         /* RANGE_INSTANTS: to is not included */
    uint32_t count;
    enum report_compare compare;
    struct slice compare_first, compare_last; /* COMPARE_RANGE of a RANGE_DAYS-like range */
    unix_ms compare_from, compare_to;         /* of one of instants */
    bool is_compare_instants;
};
/* A zone's midnights from 1970-01-02 to 2101-01-01, as the store knows them (report_zone.c). */
struct report_zone_run {
    int32_t day;      /* since 1970; from here to the next run, midnight is at */
    int32_t offset_s; /* day * 86,400 - offset_s */
};
struct report_zone {
    uint32_t count;
    struct report_zone_run runs[512];
};
struct report_order {
    bool is_metric, is_desc;
    uint32_t index; /* of the dimension or metric */
};
/* ---- kinds of reports ---- */
struct report;
/* A kind is a file, report_<name>.c, with its struct report_kind_<name>, and a line in
 * report_kind.def. Nothing else names it but the OpenAPI text. */
struct report_kind {
    const char *name;
    const char *const *members;  /* beside those of all, NULL at the end; told in "query" as sent */
    const char *const *resolved; /* likewise, but told by add_resolved */
    bool is_table;               /* rows may be compared and counted (include) */
    bool is_sampled;             /* a sample may be asked for: its rows are numbers about many */
    size_t own_size;             /* of report.own, zeroed before parse */
    bool (*parse)(struct report *r, yyjson_val *root);    /* its own members */
    void (*sql)(const struct report *r, struct buf *out); /* the main statement */
    /* One row of the store (an array, parsed) as an element of "results". */
    enum rc (*row)(const struct report *r, yyjson_val *row, struct buf *body, struct err *err);
    void (*add_resolved)(const struct report *r, struct buf *body); /* ,"name":value …, or NULL */
};
/* Of the kind of that name; NULL: of a question that names none. */
bool report_kind_is_table(yyjson_val *name);
#define REPORT_KIND(name) extern const struct report_kind report_kind_##name;
#include "analytics/report/report_kind.def"
#undef REPORT_KIND

/* What a stored goal is worth. */
struct report_worth {
    bool is_known;
    struct report_dim number; /* a property */
    uint32_t currency;        /* parameter */
};
struct report_goal { /* a stored one, for the dimension */
    uint32_t name;   /* parameter */
    struct report_filter *filter;
    struct report_goal *next;
};
struct report_list_used { /* a list of people of a cohort */
    struct slice id;
    int64_t size;
};
/* Of who came by a shared link (report_bounds.c). */
struct report_bounds {
    struct slice pages;   /* words: of the dashboard, which say what kinds of reports */
    struct slice filters; /* a JSON array that holds for every row; empty: none */
};
enum report_slots { SLOTS_ASK, SLOTS_THERE, SLOTS_MISSING };
struct report {
    struct arena *arena;
    const struct report_bounds *bounds; /* NULL: none */
    const struct stored_lookup *lookup; /* NULL: nothing can be looked up here */
    bool needs_lookup;                  /* and so it was refused */
    bool is_in_cohort;                  /* what is read at the moment */
    struct report_list_used lists[REPORT_LISTS_MAX];
    uint32_t list_count;
    struct err err; /* why the question was refused */
    const struct report_kind *kind;
    void *own; /* what the kind has read: a struct of its file */
    struct report_metric metrics[REPORT_METRICS_MAX];
    uint32_t metric_count;
    struct report_dim dims[REPORT_DIMENSIONS_MAX];
    uint32_t dim_count;
    struct report_range range;
    struct slice timezone;               /* empty: the project's, until report_run_start() */
    struct report_filter *filter, *goal; /* OP_AND; NULL: none */
    struct report_worth worth;           /* of the goal */
    struct report_goal *goals;           /* of the dimension goal */
    enum report_bots bots;
    uint32_t sample;         /* of 10,000 visitors (users, persons) so many; 0: all */
    bool knows_kind;         /* kind is a dimension or filter: rows of any kind count */
    bool by_user, by_person; /* report_take_actor: instead of visitors */
    bool needs_person;       /* rows need the column person, and those of facts */
    struct report_fact facts[REPORT_FACTS_MAX];
    uint32_t fact_count;
    struct report_order orders[REPORT_ORDERS_MAX];
    uint32_t order_count;
    uint32_t limit, offset;
    bool has_time_labels, has_total, has_sql, has_imports;
    bool is_imports_asked;           /* and the answer says whether it has them */
    bool is_paged;                   /* the statement gives one row more and the keys of each */
    bool is_continued;               /* behind the row with these keys: */
    uint32_t after[REPORT_KEYS_MAX]; /* parameters; REPORT_PARAMS_MAX: null */
    yyjson_val *root;                /* as it came, for the answer */
    size_t body_bytes;
    /* bound */
    struct store_param params[REPORT_PARAMS_MAX];
    uint32_t param_count;
    uint32_t filter_nodes;
    size_t value_bytes;
    unsigned scope; /* bits of enum report_scope that dimensions, filters and goal need */
    /* out of the store, before the main statement (report_range.c) */
    unix_ms from, to, compare_from, compare_to;
    int64_t first_day, last_day, compare_first_day, compare_last_day;
    bool wants_zone;          /* the statement of the range is to tell it */
    struct report_zone *zone; /* what it told; NULL: nothing */
    bool has_behaviour;       /* the project has visits of bots by behaviour (or had) */
    enum report_slots slots;  /* whether the store has them */
    const struct property_columns *property_columns; /* borrowed; NULL: none */
    bool has_short_visits;                           /* there can be two of a visitor in one slot */
};

/* False: r->err says why, beginning with the JSON pointer. body lives as long as the arena. lookup
 * may be NULL: then a question that names what is stored is refused with r->needs_lookup, to be
 * read again where one may block. */
bool report_parse(struct report *r, struct arena *arena, struct slice body,
                  const struct stored_lookup *lookup) MUST_CHECK;
/* The same of who may ask only within bounds (NULL: everything), which live as long. */
bool report_parse_within(struct report *r, struct arena *arena, struct slice body,
                         const struct stored_lookup *lookup,
                         const struct report_bounds *bounds) MUST_CHECK;
/* The same of what has been read already. */
bool report_parse_value(struct report *r, struct arena *arena, yyjson_val *root,
                        const struct stored_lookup *lookup) MUST_CHECK;

/* ---- for the parsers ---- */
bool report_fail(struct report *r, const struct report_at *at, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* 1 to bytes_max bytes without U+0000. */
bool report_take_text(struct report *r, const struct report_at *at, yyjson_val *v, size_t bytes_max,
                      struct slice *ret_text);
/* min and max included; def if v is absent or null. */
bool report_take_u64(struct report *r, const struct report_at *at, yyjson_val *v, uint64_t min,
                     uint64_t max, uint64_t def, uint64_t *ret_value);
bool report_take_bool(struct report *r, const struct report_at *at, yyjson_val *v, bool *ret_value);
/* An element of a list of words from a fixed set, each at most once: *seen has a bit for each that
 * was there before. */
bool report_take_word_once(struct report *r, const struct report_at *at, yyjson_val *v,
                           const char *const *words, uint32_t count, uint64_t *seen,
                           uint32_t *ret_index);
/* A member of a fixed set of words; their index. */
bool report_take_word(struct report *r, const struct report_at *at, yyjson_val *v,
                      const char *const *words, uint32_t count, uint32_t *ret_index);
/* Members that are none of names (NULL at the end) are mistakes. */
bool report_known_members(struct report *r, const struct report_at *at, yyjson_val *object,
                          const char *const *names);
bool report_take_dim(struct report *r, const struct report_at *at, yyjson_val *v,
                     struct report_dim *ret_dim);
/* An array of filters: an OP_AND. NULL and true for none. */
bool report_take_filters(struct report *r, const struct report_at *at, yyjson_val *v,
                         struct report_filter **ret_filter);
bool report_take_range(struct report *r, yyjson_val *root);
/* Two days (texts), or two instants. */
bool report_take_pair(struct report *r, const struct report_at *at, yyjson_val *v,
                      bool *ret_is_instants, struct slice days[2], unix_ms times[2]);
bool report_take_compare(struct report *r, const struct report_at *at, yyjson_val *v);
/* The same inside of others, at a depth of the tree: at least one. */
bool report_take_filter_list(struct report *r, const struct report_at *at, yyjson_val *list,
                             uint32_t depth, struct report_filter **ret_first);
/* {"event": "signup"} is short for the filter [["is", "event", ["signup"]]], {"goal": id or name}
 * for those of a stored goal; with filters beside it, all hold. */
bool report_take_which(struct report *r, const struct report_at *at, yyjson_val *v,
                       struct report_filter **ret_filter);
/* Two ANDs become one, which is *all; further may be NULL. */
void report_filters_join(struct report_filter **all, struct report_filter *further);
/* ---- bounds (report_bounds.c): true without any ---- */
bool report_bounds_kind(struct report *r);
bool report_bounds_field(struct report *r, const struct report_at *at,
                         const struct report_field *field);
bool report_bounds_no(struct report *r, const struct report_at *at); /* never within bounds */
bool report_bounds_asked(struct report *r); /* metrics and include, when they are read */
bool report_bounds_filters(struct report *r);
/* ---- what is stored (report_stored.c) ---- */
struct report_found {
    yyjson_val *object; /* as its GET shows it */
    const char *label;  /* for messages: "segment 'DACH'" */
};
/* v: its id or name, or {"id": …}. */
bool report_find_stored(struct report *r, const struct report_at *at, yyjson_val *v,
                        enum stored_kind kind, struct report_found *ret);
/* "goal": filters, or a stored one. */
bool report_take_goal(struct report *r, const struct report_at *at, yyjson_val *v);
bool report_take_stored_goal(struct report *r, const struct report_at *at, yyjson_val *v,
                             struct report_filter **ret_filter);
/* All of the project, for the dimension. */
bool report_take_goals(struct report *r, const struct report_at *at);
void report_goals_sql(const struct report_sql *s); /* a row for each that the event reaches */
bool report_take_cohort(struct report *r, const struct report_at *at, yyjson_val *v,
                        struct report_filter *f);
/* The object of a cohort as its GET shows it. */
bool report_read_cohort(struct report *r, const struct report_at *at, yyjson_val *object,
                        struct report_cohort **ret);
/* "(visitor != 0 AND …)": of a row of any source, whether who did it is in the cohort. */
void report_cohort_sql(const struct report_sql *s, const struct report_cohort *c);
/* Those in it as `actor`, in order: {limit:UInt32} of them behind {after}. */
void report_members_sql(const struct report *r, const struct report_cohort *c, struct buf *out);
enum report_cohort_by { COHORT_VISITORS, COHORT_USERS, COHORT_PERSONS };
extern const char *const report_cohort_by_names[]; /* "visitors" …, its count_by */
enum report_cohort_by report_cohort_by(const struct report_cohort *c);
bool report_take_segment(struct report *r, const struct report_at *at, yyjson_val *v,
                         uint32_t depth, struct report_filter *f);

/* An array, and what takes one of its elements. With min 0 it may be absent or null. */
struct report_list {
    uint32_t min, max;
    const char *what; /* "names" */
    bool (*take)(struct report *r, const struct report_at *at, yyjson_val *v);
};
bool report_take_list(struct report *r, const struct report_at *at, yyjson_val *list,
                      const struct report_list *of);
/* Members that several kinds have: dimensions; count_by; unit, day, week or month; limit (by
 * default the one given) and offset. */
bool report_take_dims(struct report *r, uint32_t max, bool may_be_time);
bool report_take_actor(struct report *r);
bool report_take_unit(struct report *r, enum report_unit *ret_unit);
bool report_take_page(struct report *r, uint32_t limit);
/* "a.b\\.c" → "a", "b.c". */
bool report_bind_path(struct report *r, const struct report_at *at, struct slice path,
                      struct report_dim *dim);
/* The field or property of that name, without looking at what it makes of the question. */
bool report_resolve_dim(struct report *r, const struct report_at *at, struct slice name,
                        struct report_dim *ret_dim);
const struct report_metric_def *report_metric_find(struct slice name);
const struct report_field *report_field_find(struct slice name, struct slice *ret_rest);
void report_metric_names(struct buf *out);
void report_field_names(struct buf *out);

/* The number of the parameter {p<number>:…}; REPORT_PARAMS_MAX and failed if there are too many. */
uint32_t report_bind(struct report *r, struct slice value);
/* The texts as one, U+0000 between them (which none of them holds). */
uint32_t report_bind_texts(struct report *r, const struct slice *texts, uint32_t count);
/* Under a name of our own. */
void report_bind_as(struct report *r, const char *name, struct slice value);
void report_bind_i64(struct report *r, const char *name, int64_t value);

/* ---- statements ---- */
/* What a statement's rows are: bits; 0: events. */
enum report_source {
    SOURCE_VISITS = 1,    /* visits that began in the range */
    SOURCE_JOINED = 2,    /* events, each with its visit's columns as visit_… */
    SOURCE_PINGS = 4,     /* engagement pings as well */
    SOURCE_BASE = 8,      /* without the goal */
    SOURCE_EVER = 16,     /* from the beginning on, not only in the range */
    SOURCE_VITALS = 32,   /* web vitals instead */
    SOURCE_SLOTS = 64,    /* slots of visitors, which say the same of events (report_slots.c) */
    SOURCE_IMPORTS = 128, /* sums of another product (report_imports.c) */
};
struct report_sql {
    const struct report *r;
    struct buf *out;
    bool is_compared; /* the other range */
    unsigned source;
    int64_t earlier_ms; /* rows from so long before the range, too */
    struct slice keys; /* of visits: " AND …" of visitor and start alone, asked before all else */
};
/* SQL: the day of the zone that the first event is of, or what is said instead. The day of UTC is
 * found by the key alone, and only its events are looked at. */
#define REPORT_FIRST_DAY(without_any)                                                           \
    "(SELECT if(count() = 0, " without_any ", toDate(min(timestamp), {timezone:String})) FROM " \
    "$EVENTS AND toDate(timestamp) = (SELECT toDate(timestamp) FROM $EVENTS ORDER BY "          \
    "project_id, toDate(timestamp) LIMIT 1))"
/* The zone's bounds of the range: one row, see report_range_read. */
void report_range_sql(const struct report *r, struct buf *out);
/* Of that row; binds what the other statements need. */
enum rc report_range_read(struct report *r, struct slice row, struct err *err) MUST_CHECK;
/* The same of a zone that is known; has_behaviour and slots are the caller's. RC_NOTFOUND: only the
 * store knows, err is not set. */
enum rc report_range_know(struct report *r, const struct report_zone *zone, unix_ms now,
                          struct err *err) MUST_CHECK;
/* A zone as one text of the store, and back; false: it is none. */
void report_zone_sql(struct buf *out);
bool report_zone_read(struct slice text, struct report_zone *ret_zone);
/* Sets the days and instants of the range and of what it is compared with. */
bool report_zone_span(const struct report_zone *z, struct report *r, unix_ms now);
/* The array of beginnings of all buckets of a range. */
void report_buckets_sql(struct buf *out, enum report_unit unit, bool is_compared);
/* The number of the day, week or month that a row lies in, from 0, the first of the range's
 * buckets; negative before the range. */
void report_period_sql(const struct report_sql *s, enum report_unit unit);
/* Whether the range has at most so many of them, so that they can be bits of one number. */
bool report_periods_fit(const struct report *r, enum report_unit unit, int64_t max);
/* A bucket's beginning as text, "2026-03-29T03:00:00+02:00" or "2026-03-29". */
void report_label_sql(struct buf *out, enum report_unit unit, const char *bucket);
void report_labels_sql(const struct report *r, struct buf *out);
const struct report_dim *report_time_dim(const struct report *r);
/* Dimension i as the answer shows it, of a column d<i> that report_dim_sql made. */
void report_dim_label_sql(const struct report *r, uint32_t i, struct buf *out);
/* "page_path" …: of a row of the source. */
void report_dim_sql(const struct report_sql *s, const struct report_dim *d);
void report_filter_sql(const struct report_sql *s, const struct report_filter *f);
/* Whether it asks about columns of events alone, so that it holds for them without their visits. */
bool report_filter_is_of_events(const struct report_filter *f);
bool report_filter_is_of_slots(const struct report_filter *f); /* likewise; NULL is */
/* ---- slots (report_slots.c) ---- */
/* Whether the store has them, and all bounds of the question's ranges lie between two of them. */
bool report_slots_ready(const struct report *r);
/* Whether its dimensions, filters and goal can be told of them as well. */
bool report_slots_fit(const struct report *r);
/* For a question that looks at its actors and no event by itself: SOURCE_JOINED, SOURCE_SLOTS or 0.
 * is_fit: its own filters are of slots. */
unsigned report_actors_source(const struct report *r, bool is_fit);
/* " AND slot >= …", an end of a range; parameters as of events. */
void report_slots_bound_sql(struct buf *out, const char *range, bool is_end);
/* " FROM $EVENTS AND …": range, kinds, bots; with the columns of persons, where they are needed. */
void report_rows_sql(const struct report_sql *s);
void report_plain_rows_sql(const struct report_sql *s); /* without these */
/* " FROM $SESSIONS AND …": all that an event of the range may lie in. */
void report_visits_sql(const struct report_sql *s);
/* Around any other " FROM $EVENTS AND …", for these columns; nothing where they are not needed. */
void report_person_open_sql(const struct report_sql *s);
void report_person_close_sql(const struct report_sql *s);
/* A field of the person: what is behind its colon; its column, and that as a number. */
bool report_take_fact(struct report *r, const struct report_at *at, struct slice rest,
                      struct report_dim *dim);
void report_fact_sql(const struct report_sql *s, const struct report_dim *d);
void report_fact_number_sql(const struct report_sql *s, const struct report_dim *d);
/* A value of a column of JSON, behind the path of these parameters: a text as it is, anything else
 * as its JSON, '' for null and nothing; a number, or NULL. */
void report_json_text_sql(struct buf *out, const char *column, uint32_t first, uint32_t count);
void report_json_number_sql(struct buf *out, const char *column, uint32_t first, uint32_t count);
/* report_rows_sql(), filters and, unless it is SOURCE_BASE, the goal. */
void report_from_sql(const struct report_sql *s);
/* " AND bot = ''": events of people; with what they did, where that has told bots. */
void report_people_sql(const struct report_sql *s);
/* "bot", or with what the visit tells. */
void report_bot_sql(const struct report_sql *s);
/* " AND timestamp >= …": range, kinds and bots. */
void report_where_sql(const struct report_sql *s);
void report_number_sql(const struct report_sql *s, const struct report_dim *d);
/* The main statement, a template of query_run(). */
void report_main_sql(const struct report *r, struct buf *out);
void report_breakdown_sql(const struct report *r, struct buf *out);
/* d0 …, m0 …, o0 …: its groups, unordered; with others those of the other range alone, too
 * (is_here = 0). The same with imported sums. */
void report_groups_sql(const struct report *r, bool has_others, struct buf *out);
void report_imports_sql(const struct report *r, struct buf *out);
const char *report_imports_problem(const struct report *r); /* NULL: they can be counted */
/* The column of an imported row. */
void report_imports_dim_sql(const struct report_dim *d, struct buf *out);
/* Of the rows that add() asks for, whose columns begin with d0 …: a time of the other range is the
 * bucket of the same number. */
void report_shifted_sql(const struct report_sql *s, void (*add)(const struct report_sql *s));
void report_group_by_sql(struct buf *out, uint32_t count); /* " GROUP BY d0 …", if there are any */
enum report_value_kind report_metric_kind(const struct report_metric *m);
/* SOURCE_JOINED if the question is about the visits of its events, else 0. */
unsigned report_events_source(const struct report *r);
const char *report_actor(const struct report *r); /* the column: visitor, user_id, person */
/* "visitor != 0" …: there is one. */
const char *report_has_actor(const struct report *r);

/* ---- samples (report_sample.c); nothing changes where none is asked for ---- */
bool report_take_sample(struct report *r, yyjson_val *v); /* the kind is known */
/* " AND …": the row's actor is in it. Where the column of that is. */
void report_sample_sql(const struct report_sql *s);
/* What all would have, told of a value of the sample: a count; a sum; an object of sums. */
void report_add_count(const struct report *r, struct buf *body, yyjson_val *v);
void report_add_sum(const struct report *r, struct buf *body, yyjson_val *v);
enum rc report_add_sums(const struct report *r, struct buf *body, struct slice object,
                        struct err *err) MUST_CHECK;

/* ---- the next page (report_cursor.c) ---- */
/* Behind orders, dimensions and offset. */
bool report_take_cursor(struct report *r, yyjson_val *v);
/* A further column, what the row is ordered by; " WHERE …", what comes behind the cursor. */
void report_keys_sql(const struct report *r, struct buf *out);
void report_after_sql(const struct report *r, struct buf *out);
/* keys: of the last row. In the report's arena. */
enum rc report_cursor_make(const struct report *r, yyjson_val *keys, struct slice *ret_cursor,
                           struct err *err) MUST_CHECK;

/* ---- answers ---- */
/* A member as it was sent, compact, in the report's arena; empty if it was not. */
struct slice report_as_sent(const struct report *r, const char *name);
/* A value of the store as it stands: number, null, text; an array of such. */
void report_add_value(struct buf *body, yyjson_val *v);
/* {"dimensions":[…], of the values that a row begins with; the object stays open. */
void report_add_dims(const struct report *r, yyjson_val *row, struct buf *body);
/* {"name":value,…}: a row of exactly these. */
struct report_member {
    const char *name;
    bool is_count; /* report_add_count() */
};
enum rc report_add_members(const struct report *r, struct buf *body, yyjson_val *row,
                           const struct report_member *members, uint32_t count,
                           struct err *err) MUST_CHECK;
enum rc report_bad_shape(struct err *err) MUST_CHECK;
struct report_more {
    int64_t total;       /* rows without limit, if that was asked */
    struct slice cursor; /* of the next page; empty if there is none */
};
/* "results":[…] */
enum rc report_results_shape(const struct report *r, struct slice result, struct buf *body,
                             struct report_more *ret_more, struct err *err) MUST_CHECK;
/* "results" (a JSON array) as CSV: a first line with names, then a line for each. */
enum rc report_csv(const struct report *r, struct slice results, struct buf *out,
                   struct err *err) MUST_CHECK;
void report_query_shape(const struct report *r, struct buf *body); /* "query":{…}, resolved */

void query_cohort_members(struct ctx *ctx, void *service, struct api_request *req);
void query_cohort_count(struct ctx *ctx, void *service, struct api_request *req);
void query_cohort_snapshot(struct ctx *ctx, void *service, struct api_request *req);
extern const char query_openapi_cohort_members[], query_openapi_cohort_count[],
    query_openapi_cohort_snapshot[];
void query_saved_report(struct ctx *ctx, void *service, struct api_request *req);
extern const char query_openapi_saved_report[];
void query_report(struct ctx *ctx, void *service, struct api_request *req);
void query_report_sql(struct ctx *ctx, void *service, struct api_request *req);
void query_report_sql_get(struct ctx *ctx, void *service, struct api_request *req);
void query_plausible(struct ctx *ctx, void *service, struct api_request *req);
extern const char query_openapi_report[], query_openapi_report_sql[],
    query_openapi_report_sql_get[], query_openapi_plausible[];
#endif
