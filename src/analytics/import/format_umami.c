/* Umami: website_event.csv of its export, and events as its API answers them (JSON, the same
 * columns in camel case). A row becomes the message that Umami's tracker would have sent; its data
 * are rows of event_data.csv, one for each property, that are joined to it. What a browser is
 * called stays in the context: weir goes by user agents, which Umami does not keep. */
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

/* What event_data.csv has; of its event's id the one or the other, by Umami's database. */
enum {
    DATA_KEY,
    DATA_TYPE,
    DATA_STRING,
    DATA_NUMBER,
    DATA_DATE,
    DATA_EVENT,
    DATA_WEBSITE_EVENT,
    DATA_COLUMNS
};
static const char *const data_columns[DATA_COLUMNS + 1] = {
    "data_key",   "data_type", "string_value",     "number_value",
    "date_value", "event_id",  "website_event_id", NULL,
};

static enum rc begin(struct import *im, const struct csv_record *header, struct err *err)
{
    im->is_joining = import_has_column(header, data_columns[DATA_KEY]);
    if (!im->is_joining)
        return import_find_columns(im, header, columns, 4, err);
    if (!im->cfg->join)
        return err_set(err, RC_INVALID, "properties alone are no events");
    return import_find_columns(im, header, data_columns, DATA_STRING, err);
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

/* ---- event_data.csv ---- */

/* Umami writes numbers with four digits behind the point. */
static struct slice without_zeros(struct slice number)
{
    if (!number.len || !memchr(number.data, '.', number.len))
        return number;
    while (number.data[number.len - 1] == '0')
        number.len--;
    number.len -= number.data[number.len - 1] == '.';
    return number;
}

/* The value as JSON: of the type that the column says, or the text that it is. */
static void add_value(struct import *im, const struct slice *d, struct buf *out)
{
    struct err ignored = ERR_INIT;
    yyjson_val *v = NULL;
    char type = d[DATA_TYPE].len == 1 ? d[DATA_TYPE].data[0] : '1';
    struct slice text = d[DATA_STRING].len ? d[DATA_STRING] : d[DATA_DATE], json = text;
    if (type == '2')
        json = without_zeros(d[DATA_NUMBER].len ? d[DATA_NUMBER] : text);
    if (type != '1' && type != '4' && json_parse(im->scratch, json, &v, &ignored) != RC_OK)
        v = NULL;
    bool is_fine = v && ((type == '2' && json_is_number(v)) || (type == '3' && yyjson_is_bool(v)) ||
                         (type == '5' && yyjson_is_arr(v)));
    if (is_fine)
        buf_add_slice(out, json);
    else
        buf_add_json(out, text.len ? text : d[DATA_NUMBER]);
}

static enum rc take_data(struct import *im, const struct import_item *item, struct err *err)
{
    struct slice d[DATA_COLUMNS];
    struct buf value;
    for (uint32_t i = 0; i < DATA_COLUMNS; i++) {
        d[i] = unguarded(import_column(im, item, i));
        if (slice_eq_str(d[i], "\\N")) /* what ClickHouse writes for NULL */
            d[i] = SLICE_EMPTY;
    }
    struct slice event = d[DATA_EVENT].len ? d[DATA_EVENT] : d[DATA_WEBSITE_EVENT];
    if (!event.len || !d[DATA_KEY].len) {
        import_reject(im, "bad_value", "a property has the id of its event, and a key");
        return RC_OK;
    }
    buf_init(&value, IMPORT_ITEM_BYTES_MAX * 6 + 2);
    add_value(im, d, &value);
    enum rc rc = buf_ok(&value) ? import_join_add(im, event, d[DATA_KEY], buf_slice(&value), err)
                                : err_set(err, RC_NOMEM, "no memory for a property");
    buf_done(&value);
    return rc;
}

/* ---- website_event.csv ---- */

static struct slice with_query(struct import *im, struct slice path, struct slice query)
{
    bool has_mark = query.len && query.data[0] == '?';
    const struct slice parts[] = {path.len ? path : SLICE_LIT("/"),
                                  query.len && !has_mark ? SLICE_LIT("?") : SLICE_EMPTY, query};
    return import_join(im, parts, 3);
}

static yyjson_val *message_of(struct import *im, const struct slice *c, struct slice properties)
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
    const struct import_member data = {"data", properties};
    return import_object(im, "{\"type\":\"event\",\"payload\":", members, COUNT_OF(members), &data,
                         "}");
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
                        struct event_notes *n, struct err *err)
{
    unix_ms t = im->now;
    struct slice properties;
    TRY(import_join_take(im, c[ID], &properties, err));
    yyjson_val *root = message_of(im, c, properties);
    ENSURE(root, err_set(err, RC_NOMEM, "no memory for a record"));
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
        TRY(read_row(im, c, &e, &n, err));
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
    TRY(read_row(im, c, &e, &n, err));
    return import_add(im, item, &e, &n, err);
}

static enum rc take_csv(struct import *im, const struct import_item *item, struct err *err)
{
    struct slice c[COLUMNS];
    if (im->is_joining)
        return take_data(im, item, err);
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
    .about = "Umami: the ZIP archive of its export, or its event_data.csv and, behind it, its "
             "website_event.csv",
    .entry = "website_event",
    .joined_entry = "event_data",
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
