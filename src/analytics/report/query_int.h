#ifndef WEIR_ANALYTICS_REPORT_QUERY_INT_H
#define WEIR_ANALYTICS_REPORT_QUERY_INT_H
/* Inside of the read side: parameters (query_params.c), the one place that runs a statement
 * (query.c), the routes (query_routes.c, query_events.c, funnel.c). */
#include "analytics/report/query.h"

#include <stdatomic.h>

#include "base/uuid.h"
#include "codec/json.h"

enum {
    QUERY_PARAMS_MAX = 256,
    QUERY_SQL_BYTES_MAX = 256 * 1024,
    QUERY_LIMIT_DEFAULT = 20,
    QUERY_LIMIT_MAX = 1000,
    QUERY_DAYS_MAX = 3660,
    QUERY_HOURLY_DAYS_MAX = 366,
    QUERY_YEAR_MIN = 1970,
    QUERY_YEAR_MAX = 2100,
    QUERY_ZONE_BYTES_MAX = 64,
    QUERY_TEXT_BYTES_MAX = 2048, /* of a filter's value */
};
struct query {
    struct query_cfg cfg;
    char seconds[16], memory[24];
    _Atomic uint32_t exports; /* under way */
    /* Whether events have their slots (report_slots.c): known until this moment; negative: they do
     * not. */
    _Atomic int64_t slots_ns;
    struct report_known *known; /* report_run_int.h */
};
/* Days, both inclusive, in the time zone. Empty: not given. */
struct query_range {
    struct slice start, end; /* "2026-01-31" */
    struct slice timezone;   /* empty: the project's */
};
/* One request under way; lives in its arena. */
struct query_call {
    struct query *query;
    struct api_request *req;
    struct query_range range;
    struct store_param params[QUERY_PARAMS_MAX];
    uint32_t param_count;
    uint32_t limit;
    void *user; /* the route's own */
    const char *format;
    const char *content_type; /* of the answer; NULL: JSON */
    const char *sql;
    /* On the worker, before the first statement, which it makes (query_begin). NULL: it is made
     * already. */
    enum rc (*prepare)(struct query_call *call, struct err *err);
    /* After each statement, on the worker: another one to run with the same client (query_next), or
     * false in *ret_has_next, and result is what shape gets. NULL: one statement. */
    enum rc (*next)(struct query_call *call, struct slice result, bool *ret_has_next,
                    struct err *err);
    /* On the worker: the store's answer to the body of ours. RC_NOTFOUND etc. with err. */
    enum rc (*shape)(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err);
    /* An error in the words of whoever asks; NULL: a problem. rc and err say which. */
    void (*fail)(struct query_call *call);
    struct buf body;
    int status; /* of the answer; 0: 200 */
    enum rc rc;
    struct err err;
};
/* NULL and answered if memory is gone. */
struct query_call *query_call_new(struct ctx *ctx, struct query *q, struct api_request *req);
void query_param(struct query_call *call, const char *name, struct slice value);
void query_param_u64(struct query_call *call, const char *name, uint64_t value);
void query_param_i64(struct query_call *call, const char *name, int64_t value);

/* Each answers with a problem and returns false if the client's parameter is wrong. */
bool query_take_range(struct query_call *call, uint32_t days_max);     /* as the article names it */
bool query_take_own_range(struct query_call *call, uint32_t days_max); /* from, to, timezone */
/* names: of start, end and time zone, for what the client is told. */
#define QUERY_RANGE_NAMES ((const char *const[]){"startDate", "endDate", "timezone"})
bool query_set_range(struct query_call *call, const char *const names[3],
                     const struct query_range *range, uint32_t days_max);
bool query_take_limit(struct query_call *call);
/* Of the request's project, for whom the client names none. */
struct slice query_time_zone(const struct api_request *req);
/* Optional text; *ret_is_given. Bound as {name} if given. */
bool query_take_text(struct query_call *call, const char *name, bool *ret_is_given);
/* A page's path, put into the spelling that the table has it in. */
bool query_take_path(struct query_call *call, const char *name, bool *ret_is_given);
bool query_take_country(struct query_call *call, bool *ret_is_given);
bool query_check_text(struct query_call *call, const char *name, struct slice value);
bool query_date_parse(struct slice text, int64_t *ret_days); /* "2026-01-31", 1970 to 2100 */
bool query_zone_ok(struct slice zone);                       /* has the form of an IANA name */

#define QUERY_SESSION "if(timestamp <= visit.session_end, visit.session_id64, 0)"
/* The id, as a hash, under which an event or visit was done: a person's, unless $IDENTITIES knows
 * better (docs/definitions.md, "Person"). 0: nobody's. */
#define QUERY_OWN_ID "if(user_id != '', sipHash64('anonymous', user_id), visitor)"
/* Statements are templates. $EVENTS, $SESSIONS and the other names of the table in query.c stand
 * where the tables do and bind the tenant: every FROM of a template is one of them, "FROM $VISITS"
 * or "FROM (", every JOIN "JOIN (" (must). What follows it begins with AND or a clause. $VISITS:
 * the events of the range with QUERY_SESSION, the session of each that it was in.
 *   $RANGE  AND timestamp within the range of the call     $START $END  its bounds, DateTime
 * Answers later, inside ctx, whatever happens. */
void query_run(struct ctx *ctx, struct query_call *call, const char *sql_template);
/* The same in two steps: the first statement is made here, or on the worker by prepare(). */
/* What of it is done on the worker pool, here and now: sets rc and body. */
void query_work(struct ctx *ctx, struct query_call *call);
void query_run_begun(struct ctx *ctx, struct query_call *call);
enum rc query_begin(struct query_call *call, const char *sql_template, struct err *err) MUST_CHECK;
/* The parameters of all statements: once, before query_next. query_begin() does so. */
void query_bind(struct query_call *call);
/* An error instead of an answer, on the loop: call->rc and err say which. */
void query_fail(struct query_call *call);
/* From next(): the following statement. */
enum rc query_next(struct query_call *call, const char *sql_template, struct err *err) MUST_CHECK;
/* query_run(), and {"<name>":[<row>,…]} for its rows. name is borrowed. */
void query_run_rows(struct ctx *ctx, struct query_call *call, const char *name,
                    const char *sql_template);
/* "<name>":[<element>,…] for each of names, with commas between: lines "0<element>" are the first
 * one's, "1<element>" the next one's …, in this order, from the digit on that the first one has. */
void query_add_lists(struct buf *body, const char *const *names, size_t count, char first_digit,
                     struct slice lines);

/* For tests: the template with everything put in; false if it does not fit. */
bool query_expand(const struct query_range *range, const char *sql_template, struct buf *sql);

/* An event as JSON (query_event_json.c): the columns, and the row that begins with them (an array,
 * parsed), put with the names of docs/format/event.md, not the article's; the object is left open.
 * scratch is the row's. */
#define QUERY_EVENT_COLUMNS                                                                     \
    "id, event, toUnixTimestamp64Milli(timestamp), session_id, user_id, anonymous_id, "         \
    "properties, context, page_url, page_title, page_path, page_referrer, user_agent, locale, " \
    "screen_width, screen_height, toUnixTimestamp64Milli(received_at), country, region, city"
enum { QUERY_EVENT_COLUMN_COUNT = 20, QUERY_EVENT_ID = 0, QUERY_EVENT_TIME = 2 };
enum rc query_event_put(yyjson_val *row, struct arena *scratch, struct buf *body,
                        struct err *err) MUST_CHECK;
/* The same as the article names it; the object is closed. */
enum rc query_event_put_article(yyjson_val *row, struct arena *scratch, struct buf *body,
                                struct err *err) MUST_CHECK;
/* Where the next page begins: `name`, an opaque text of a number and a text, or null. */
void query_cursor_put(struct buf *body, const char *name, struct slice number, struct slice text);
/* Back again; answered and false if it is none. Slices of the request's arena. */
bool query_cursor_take(struct query_call *call, bool *ret_is_given, int64_t *ret_number,
                       struct slice *ret_text);
/* The same of what has a time (Unix ms) and a UUID: {cursorTime:Int64}, {cursorId:UUID}. */
bool query_cursor_take_id(struct query_call *call, bool *ret_is_given);

/* Handlers. */
void query_overview(struct ctx *ctx, void *service, struct api_request *req);
void query_timeseries(struct ctx *ctx, void *service, struct api_request *req);
void query_pages(struct ctx *ctx, void *service, struct api_request *req);
void query_referrers(struct ctx *ctx, void *service, struct api_request *req);
void query_devices(struct ctx *ctx, void *service, struct api_request *req);
void query_geo(struct ctx *ctx, void *service, struct api_request *req);
void query_webvitals(struct ctx *ctx, void *service, struct api_request *req);
void query_live(struct ctx *ctx, void *service, struct api_request *req);
void query_users_active(struct ctx *ctx, void *service, struct api_request *req);
void query_events(struct ctx *ctx, void *service, struct api_request *req);
void query_event(struct ctx *ctx, void *service, struct api_request *req);
void query_user_events(struct ctx *ctx, void *service, struct api_request *req);
void query_funnel(struct ctx *ctx, void *service, struct api_request *req);
void query_persons(struct ctx *ctx, void *service, struct api_request *req);
void query_person(struct ctx *ctx, void *service, struct api_request *req);
void query_person_timeline(struct ctx *ctx, void *service, struct api_request *req);
void query_groups(struct ctx *ctx, void *service, struct api_request *req);
void query_groups_of_type(struct ctx *ctx, void *service, struct api_request *req);
void query_group(struct ctx *ctx, void *service, struct api_request *req);

/* query_openapi_article.c */
extern const char query_openapi_devices[], query_openapi_geo[], query_openapi_webvitals[];
void query_ingestion(struct ctx *ctx, void *service, struct api_request *req);
void query_rejections(struct ctx *ctx, void *service, struct api_request *req);
extern const char query_openapi_ingestion[], query_openapi_rejections[], query_openapi_imports[];
extern const char query_openapi_live[]; /* query_live.c */
/* query_openapi.c */
extern const char query_openapi_schemas[];
extern const char query_openapi_overview[], query_openapi_timeseries[], query_openapi_pages[],
    query_openapi_referrers[], query_openapi_users_active[], query_openapi_events[],
    query_openapi_event[], query_openapi_user_events[], query_openapi_funnel[],
    query_openapi_export[], query_openapi_export_user[];
extern const char query_openapi_persons[], query_openapi_person[], query_openapi_timeline[],
    query_openapi_groups[], query_openapi_groups_of_type[], query_openapi_group[];
#endif
