/* Umami: website_event.csv of its export, and events as its API answers them (JSON, the same
 * columns in camel case). A row becomes the message that Umami's tracker would have sent. What a
 * browser is called stays in the context: weir goes by user agents, which Umami does not keep. */
#include "analytics/import/import_int.h"

enum {
    ID,
    CREATED_AT,
    URL_PATH,
    SESSION,
    VISIT,
    HOSTNAME,
    BROWSER,
    OS,
    DEVICE,
    SCREEN,
    LANGUAGE,
    COUNTRY,
    REGION,
    CITY,
    URL_QUERY,
    REF_DOMAIN,
    REF_PATH,
    REF_QUERY,
    TITLE,
    TYPE,
    NAME,
    TAG,
    DISTINCT,
    FIRST_VITAL,
    COLUMNS = FIRST_VITAL + EVENT_VITALS
};
static const char *const columns[] = {
    "event_id",
    "created_at",
    "url_path",
    "session_id",
    "visit_id",
    "hostname",
    "browser",
    "os",
    "device",
    "screen",
    "language",
    "country",
    "region",
    "city",
    "url_query",
    "referrer_domain",
    "referrer_path",
    "referrer_query",
    "page_title",
    "event_type",
    "event_name",
    "tag",
    "distinct_id",
    "lcp",
    "inp",
    "cls",
    "fcp",
    "ttfb", /* in the order of event_vitals */
    NULL,
};
static const char *const json_names[COLUMNS] = {
    "id",           "createdAt",     "urlPath",    "sessionId",
    "visitId",      "hostname",      "browser",    "os",
    "device",       "screen",        "language",   "country",
    "region",       "city",          "urlQuery",   "referrerDomain",
    "referrerPath", "referrerQuery", "pageTitle",  "eventType",
    "eventName",    "tag",           "distinctId", "lcp",
    "inp",          "cls",           "fcp",        "ttfb",
};

static enum rc begin(struct import *im, const struct csv_record *header, struct err *err)
{
    return import_find_columns(im, header, columns, 4, err);
}

/* Its export puts a ' before what a spreadsheet would take for a formula. */
static struct slice unguarded(struct slice text)
{
    if (text.len < 2 || text.data[0] != '\'')
        return text;
    char c = text.data[1];
    bool is_guard = c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
    return is_guard ? slice_sub(text, 1) : text;
}

static struct slice with_query(struct import *im, struct slice path, struct slice query)
{
    bool has_mark = query.len && query.data[0] == '?';
    const struct slice parts[] = {path.len ? path : SLICE_LIT("/"),
                                  query.len && !has_mark ? SLICE_LIT("?") : SLICE_EMPTY, query};
    return import_join(im, parts, 3);
}

static yyjson_val *message_of(struct import *im, const struct slice *c)
{
    const struct slice referrer[] = {c[REF_DOMAIN], with_query(im, c[REF_PATH], c[REF_QUERY])};
    const struct slice whole[] = {SLICE_LIT("https://"), import_join(im, referrer, 2)};
    bool is_event = slice_eq_str(c[TYPE], "2") || !c[TYPE].len;
    const struct import_member members[] = {
        {"hostname", c[HOSTNAME]},
        {"url", with_query(im, c[URL_PATH], c[URL_QUERY])},
        {"referrer", c[REF_DOMAIN].len ? import_join(im, whole, 2) : SLICE_EMPTY},
        {"title", c[TITLE]},
        {"language", c[LANGUAGE]},
        {"screen", c[SCREEN]},
        {"name", is_event ? c[NAME] : SLICE_EMPTY},
        {"id", c[DISTINCT]},
        {"tag", c[TAG]}, /* from here on: the context */
        {"browser", c[BROWSER]},
        {"os", c[OS]},
        {"device", c[DEVICE]},
    };
    return import_object(im, "{\"type\":\"event\",\"payload\":", members, COUNT_OF(members), "}");
}

/* Its regions are ISO 3166-2 as weir's are, or the part behind the country. */
static void set_place(struct import *im, const struct slice *c, struct event *e)
{
    const struct slice code[] = {c[COUNTRY], SLICE_LIT("-"), c[REGION]};
    bool is_whole = c[REGION].len && memchr(c[REGION].data, '-', c[REGION].len);
    struct slice region = is_whole || !c[REGION].len ? c[REGION] : import_join(im, code, 3);
    import_set_place(im, e, c[COUNTRY], region, c[CITY]);
}

static enum rc read_row(struct import *im, const struct slice *c, struct event *e,
                        struct event_notes *n)
{
    unix_ms t = im->now;
    yyjson_val *root = message_of(im, c);
    ENSURE(root, RC_NOMEM);
    import_read(im, "umami", root, e, n);
    if (!import_time(c[CREATED_AT], &t) || t.ms < 0)
        event_drop(n, EVENT_BAD_VALUE, "created_at is no time");
    event_set_time(e, t, "created_at", &im->env, n);
    e->anonymous_id = event_cut(c[SESSION], EVENT_ID_BYTES_MAX);
    e->session_id = event_cut(c[VISIT], EVENT_ID_BYTES_MAX);
    set_place(im, c, e);
    if (c[ID].len)
        event_take_text_id(e, event_cut(c[ID], EVENT_ID_BYTES_MAX), &im->env);
    return RC_OK;
}

/* A row of web vitals: an event for each. */
static enum rc take_vitals(struct import *im, const struct import_item *item, const struct slice *c,
                           struct err *err)
{
    for (uint32_t i = 0; i < EVENT_VITALS; i++) {
        struct event e;
        struct event_notes n = {.reason = EVENT_FINE};
        struct err why = ERR_INIT;
        yyjson_val *value = NULL;
        if (!c[FIRST_VITAL + i].len)
            continue;
        ENSURE(read_row(im, c, &e, &n) == RC_OK, err_set(err, RC_NOMEM, "no memory for a record"));
        if (json_parse(im->scratch, c[FIRST_VITAL + i], &value, &why) != RC_OK)
            value = NULL;
        event_take_vital(&e, &event_vitals[i], value, &im->env, &n);
        const struct slice parts[] = {c[ID], slice_str(event_vitals[i].metric)};
        event_derive_id(&e, &im->env, parts, 2);
        TRY(import_add(im, item, &e, &n, err));
    }
    return RC_OK;
}

static enum rc take_row(struct import *im, const struct import_item *item, const struct slice *c,
                        struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    if (slice_eq_str(c[TYPE], "5"))
        return take_vitals(im, item, c, err);
    if (c[TYPE].len && !(c[TYPE].len == 1 && c[TYPE].data[0] >= '1' && c[TYPE].data[0] <= '4')) {
        import_pass_over(im, "not_kept"); /* heatmaps, logs … */
        return RC_OK;
    }
    ENSURE(read_row(im, c, &e, &n) == RC_OK, err_set(err, RC_NOMEM, "no memory for a record"));
    return import_add(im, item, &e, &n, err);
}

static enum rc take_csv(struct import *im, const struct import_item *item, struct err *err)
{
    struct slice c[COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++)
        c[i] = unguarded(import_column(im, item, i));
    return take_row(im, item, c, err);
}

static enum rc take_json(struct import *im, const struct import_item *item, struct err *err)
{
    struct slice c[COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++) {
        yyjson_val *v = json_get(item->root, json_names[i]);
        c[i] = v && (yyjson_is_str(v) || json_is_number(v)) ? json_text(v) : SLICE_EMPTY;
    }
    return take_row(im, item, c, err);
}

const struct import_format import_format_umami = {
    .name = "umami",
    .about = "Umami: the ZIP archive of its export, or its website_event.csv",
    .entry = "website_event",
    .shape = IMPORT_CSV,
    .source = "umami",
    .begin = begin,
    .take = take_csv,
};

static const char *const lists[] = {"data", NULL};
const struct import_format import_format_umami_api = {
    .name = "umami-api",
    .about = "Umami: events as its API answers them (JSON)",
    .shape = IMPORT_JSON,
    .source = "umami",
    .lists = lists,
    .take = take_json,
};
