/* WHAT    Alerts and mail reports of a project: what may stand in them, their routes, the log.
 * WHY     Kept like all definitions; a question is read by the reports' parser before it is kept.
 *         What becomes of them: analytics/watch. docs/alerts.md. */
#include "analytics/definition/definition_int.h"

#include "tenant/watch.h"

enum { BODY_BYTES_MAX = DEFINITION_JSON_MAX + 4096, EMAILS_MAX = 10, MINUTES_MAX = 7 * 24 * 60 };

static bool is_word(yyjson_val *v, const char *const *words)
{
    for (; yyjson_is_str(v) && *words; words++)
        if (yyjson_equals_str(v, *words))
            return true;
    return false;
}

static enum rc check_emails(yyjson_val *v, struct err *err)
{
    size_t i, n;
    yyjson_val *email;
    if (!v)
        return RC_OK;
    ENSURE(yyjson_is_arr(v) && yyjson_arr_size(v) <= EMAILS_MAX,
           err_set(err, RC_INVALID, "/emails: give at most %d addresses", EMAILS_MAX));
    yyjson_arr_foreach(v, i, n, email)
    {
        const char *text = yyjson_get_str(email);
        const char *at = text ? strchr(text, '@') : NULL;
        bool is_good = at && at != text && at[1] && strlen(text) <= 254 &&
                       strlen(text) == yyjson_get_len(email) && !strchr(at + 1, '@') &&
                       !strpbrk(text, " \t\r\n<>,;:\"\\()[]");
        for (; is_good && *text; text++)
            is_good = (unsigned char)*text > 0x20 && (unsigned char)*text < 0x7F;
        ENSURE(is_good, err_set(err, RC_INVALID, "/emails/%zu: this is no address", i));
    }
    return RC_OK;
}

static bool has_number(yyjson_val *condition, const char *name, double least, double most)
{
    double value;
    yyjson_val *v = json_get(condition, name);
    return v && json_to_double(v, &value) && value >= least && value <= most;
}

static enum rc check_condition(yyjson_val *condition, bool *ret_no_data, struct err *err)
{
    static const char *const levels[] = {"above", "below", NULL};
    static const char *const changes[] = {"spike", "drop", NULL};
    static const char *const silence[] = {"no_data", NULL};
    yyjson_val *type = json_get(condition, "type");
    *ret_no_data = is_word(type, silence);
    if (is_word(type, levels))
        return has_number(condition, "value", -1e15, 1e15)
                   ? RC_OK
                   : err_set(err, RC_INVALID, "/condition/value: give a number");
    if (is_word(type, changes))
        return has_number(condition, "percent", 1, 1e6)
                   ? RC_OK
                   : err_set(err, RC_INVALID, "/condition/percent: give a number from 1");
    if (*ret_no_data)
        return has_number(condition, "minutes", 1, MINUTES_MAX)
                   ? RC_OK
                   : err_set(err, RC_INVALID, "/condition/minutes: give 1 to %d", MINUTES_MAX);
    return err_set(err, RC_INVALID, "/condition/type: above, below, spike, drop or no_data");
}

/* One number comes out of it. */
static enum rc check_question(yyjson_val *q, struct err *err)
{
    static const char *const without[] = {"dimensions", "include", "report", "order_by", NULL};
    yyjson_val *metrics = json_get(q, "metrics");
    ENSURE(yyjson_is_obj(q) && yyjson_is_arr(metrics) && yyjson_arr_size(metrics) == 1,
           err_set(err, RC_INVALID, "/question/metrics: give one metric"));
    for (const char *const *name = without; *name; name++)
        ENSURE(!json_get(q, *name),
               err_set(err, RC_INVALID, "/question/%s: the question of an alert has none", *name));
    return RC_OK;
}

static enum rc check_alert(yyjson_val *body, struct err *err)
{
    yyjson_val *condition = json_get(body, "condition"), *question = json_get(body, "question");
    bool is_no_data = false;
    TRY(check_emails(json_get(body, "emails"), err));
    if (condition)
        TRY(check_condition(condition, &is_no_data, err));
    /* A change of one of them may rest on the other as it was; a mistake shows in its error. */
    if (question && !yyjson_is_null(question))
        return check_question(question, err);
    ENSURE(!condition || is_no_data || !json_get(body, "name"),
           err_set(err, RC_INVALID, "/question: it is needed"));
    return RC_OK;
}

/* By its id, which stays when its name changes. */
static enum rc check_report(yyjson_val *report, const struct stored_lookup *l, struct err *err)
{
    CLEANUP(buf_done) struct buf found;
    struct uuid id;
    buf_init(&found, 2 * (size_t)DEFINITION_JSON_MAX);
    if (!report || yyjson_is_null(report))
        return RC_OK;
    ENSURE(yyjson_is_str(report) && uuid_parse(json_text(report), &id),
           err_set(err, RC_INVALID, "/report: give the id of a saved report, or null"));
    enum rc rc =
        l->source->find(l->source->ctx, &l->where, STORED_REPORT, json_text(report), &found, err);
    return rc == RC_NOTFOUND ? err_set(err, RC_INVALID, "/report: there is no saved report %.*s",
                                       SLICE_ARG(json_text(report)))
                             : rc;
}

static enum rc check_schedule(yyjson_val *schedule, struct err *err)
{
    static const char *const spans[] = {"day", "week", "month", NULL};
    static const char *const members[] = {"every", "weekday", "hour", NULL};
    static const char *const weekdays[] = {WATCH_WEEKDAYS, NULL};
    yyjson_val *every = json_get(schedule, "every"), *hour = json_get(schedule, "hour"),
               *weekday = json_get(schedule, "weekday"), *key, *v;
    int64_t value;
    size_t i, n;
    ENSURE(is_word(every, spans), err_set(err, RC_INVALID, "/schedule/every: day, week or month"));
    ENSURE(!weekday || (is_word(weekday, weekdays) && yyjson_equals_str(every, "week")),
           err_set(err, RC_INVALID, "/schedule/weekday: of a week, monday to sunday"));
    ENSURE(!hour || (json_to_i64(hour, &value) && value >= 0 && value <= 23),
           err_set(err, RC_INVALID, "/schedule/hour: 0 to 23"));
    yyjson_obj_foreach(schedule, i, n, key, v)
    {
        ENSURE(is_word(key, members),
               err_set(err, RC_INVALID, "/schedule/%.*s: there is no such member",
                       (int)(yyjson_get_len(key) < 40 ? yyjson_get_len(key) : 40),
                       yyjson_get_str(key)));
    }
    return RC_OK;
}

static enum rc check_mail_report(yyjson_val *body, const struct stored_lookup *lookup,
                                 struct err *err)
{
    yyjson_val *schedule = json_get(body, "schedule");
    TRY(check_emails(json_get(body, "emails"), err));
    TRY(check_report(json_get(body, "report"), lookup, err));
    return schedule ? check_schedule(schedule, err) : RC_OK;
}

static enum rc show_log(struct ctx *ctx, struct definition_call *c)
{
    (void)ctx;
    return watch_log(c->definition->state, c->where.project, &c->out, &c->err);
}

enum rc definition_alert_check(enum tenant_entity entity, yyjson_val *body,
                               const struct stored_lookup *lookup, struct err *err)
{
    if (entity == TENANT_ALERT)
        return check_alert(body, err);
    return entity == TENANT_MAIL_REPORT ? check_mail_report(body, lookup, err) : RC_OK;
}

static const struct definition_kind alert = {TENANT_ALERT,
                                             STORED_REPORT,
                                             {"name", "condition", "emails"}},
                                    mail_report = {TENANT_MAIL_REPORT,
                                                   STORED_KINDS,
                                                   {"name", "schedule", "emails"}};
#define OPS(kind)                                                                              \
    static const struct definition_op kind##_list = {&(kind), definition_list, 200, false},    \
                                      kind##_create = {&(kind), definition_create, 201, true}, \
                                      kind##_show = {&(kind), definition_show, 200, false},    \
                                      kind##_update = {&(kind), definition_update, 200, true}, \
                                      kind##_remove = {&(kind), definition_remove, 204, false}
OPS(alert);
OPS(mail_report);
static const struct definition_op alert_log = {&alert, show_log, 200, false};

/* ---- routes ---- */
#define PARAMETER(name) \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}"
#define HEAD(id, summary, more)                                                      \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"tags\":[\"Alerts\"]," \
    "\"parameters\":[" PARAMETER("projectId") more "],"
#define AFTER "{\"name\":\"after\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}"
#define IF_MATCH "{\"name\":\"If-Match\",\"in\":\"header\",\"schema\":{\"type\":\"string\"}}"
#define BODY(members, needed)                                                                     \
    "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"type\":" \
    "\"object\",\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},"   \
    "\"emails\":{\"type\":\"array\",\"maxItems\":10,\"items\":{\"type\":\"string\"}}," members    \
    "}" needed "}}}},"
#define NEEDED(name) ",\"required\":[\"name\",\"emails\",\"" name "\"]"
#define ALERT                                                                                   \
    "\"question\":{\"type\":[\"object\",\"null\"]},\"condition\":{\"type\":\"object\","         \
    "\"required\":[\"type\"],"                                                                  \
    "\"properties\":{\"type\":{\"enum\":[\"above\",\"below\",\"spike\",\"drop\",\"no_data\"]}," \
    "\"value\":{\"type\":\"number\"},"                                                          \
    "\"percent\":{\"type\":\"number\"},\"minutes\":{\"type\":\"number\"}}}"
#define MAIL_REPORT \
    "\"report\":{\"type\":[\"string\",\"null\"]},\"schedule\":" WATCH_SCHEDULE_SCHEMA
#define ROUTE(method_, path, needs, op, bytes, text)                                        \
    {                                                                                       \
        .method = method_, .pattern = "/v1/projects/{projectId}/" path, .access = needs,    \
        .body_bytes_max = bytes, .handle = definition_handle, .arg = &(op), .openapi = text \
    }
#define ROUTES(kind, path, id, One, Many, members, needed)                                       \
    ROUTE(NET_GET, path, API_NEEDS(STATS_READ), kind##_list, 0,                                  \
          HEAD("list" Many, "Those of the project", "," AFTER) API_RESPONSES(API_LIST(One))),    \
        ROUTE(NET_POST, path, API_NEEDS(DEFINITIONS_WRITE), kind##_create, BODY_BYTES_MAX,       \
              HEAD("create" One, "Make one", "") BODY(members, NEEDED(needed))                   \
                  API_RESPONSES(API_ONE(One))),                                                  \
        ROUTE(NET_GET, path "/{" id "}", API_NEEDS(STATS_READ), kind##_show, 0,                  \
              HEAD("get" One, "One, and how it stands", "," PARAMETER(id))                       \
                  API_RESPONSES(API_ONE(One))),                                                  \
        ROUTE(NET_PATCH, path "/{" id "}", API_NEEDS(DEFINITIONS_WRITE), kind##_update,          \
              BODY_BYTES_MAX,                                                                    \
              HEAD("update" One, "Change one", "," PARAMETER(id) "," IF_MATCH) BODY(members, "") \
                  API_RESPONSES(API_ONE(One))),                                                  \
        ROUTE(NET_DELETE, path "/{" id "}", API_NEEDS(DEFINITIONS_WRITE), kind##_remove, 0,      \
              HEAD("remove" One, "Remove one", "," PARAMETER(id) "," IF_MATCH) API_RESPONSES(""))

#define TEXT "{\"type\":\"string\"}"
#define LOG                                                                                    \
    "\"schema\":{\"type\":\"object\",\"properties\":{\"data\":{\"type\":\"array\",\"items\":{" \
    "\"type\":\"object\",\"properties\":{\"id\":" TEXT ",\"alert\":" TEXT ",\"at\":" TEXT      \
    ",\"what\":" TEXT ",\"text\":" TEXT "}}}}}"

static const struct api_route routes[] = {
    ROUTES(alert, "alerts", "alertId", "Alert", "Alerts", ALERT, "condition"),
    ROUTES(mail_report, "mail-reports", "mailReportId", "MailReport", "MailReports", MAIL_REPORT,
           "schedule"),
    ROUTE(NET_GET, "alert-log", API_NEEDS(STATS_READ), alert_log, 0,
          HEAD("listAlertLog", "What fired and recovered, the newest first", "")
              API_RESPONSES(LOG)),
};

struct api_service definition_alert_service(struct definition *d)
{
    return (struct api_service){
        .name = "alert", .ctx = d, .routes = routes, .route_count = COUNT_OF(routes)};
}
