/* Google Analytics 4: rows of its BigQuery export (tables events_YYYYMMDD) as NDJSON, the form in
 * which BigQuery writes them to files: numbers of 64 bits are texts, parameters are lists of
 * {key, value: {string_value | int_value | float_value | double_value}}. A row becomes the event
 * that the Measurement Protocol would have sent, and goes through its dialect. */
#include "analytics/import/import_int.h"

#include "base/must.h"

enum { PARAMS_BYTES_MAX = 512 << 10 };

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = json_get(object, name);
    return v && (yyjson_is_str(v) || json_is_number(v)) ? json_text(v) : SLICE_EMPTY;
}

/* Whether a text has the form of a JSON number: BigQuery's 64-bit numbers have. */
static bool is_number(struct slice text)
{
    int64_t n;
    return slice_to_i64(text, &n) &&
           (text.len == 1 || (text.data[0] != '0' && text.data[0] != '+'));
}

static bool add_value(struct buf *out, yyjson_val *value)
{
    static const char *const numbers[] = {"int_value", "float_value", "double_value"};
    yyjson_val *text = json_get(value, "string_value");
    if (text && yyjson_is_str(text)) {
        buf_add_json(out, json_text(text));
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        yyjson_val *v = json_get(value, numbers[i]);
        struct slice number = text_of(value, numbers[i]);
        if (!number.len)
            continue;
        if (json_is_number(v) || is_number(number))
            buf_add_slice(out, number);
        else
            buf_add_json(out, number);
        return true;
    }
    return false;
}

/* [{"key":"a","value":{…}},…] as {"a":…}: the members only, each with a comma before. */
static void add_params(struct buf *out, yyjson_val *list)
{
    size_t i, n;
    yyjson_val *one;
    yyjson_arr_foreach(list, i, n, one)
    {
        struct slice key = text_of(one, "key");
        size_t before = out->len;
        if (!key.len)
            continue;
        if (slice_eq_str(key, "ga_session_id"))
            key = SLICE_LIT("session_id"); /* as the Measurement Protocol has it */
        buf_add_char(out, ',');
        buf_add_json(out, key);
        buf_add_char(out, ':');
        if (!add_value(out, json_get(one, "value")))
            out->len = before;
    }
}

static yyjson_val *object_of(struct import *im, struct buf *text)
{
    struct err err = ERR_INIT;
    yyjson_val *root = NULL;
    buf_add_char(text, '}');
    if (!buf_ok(text) || json_parse(im->scratch, buf_slice(text), &root, &err) != RC_OK)
        return NULL;
    return root;
}

/* {"name":…,"params":{…}}: with the row's own revenue, where it is a purchase. */
static yyjson_val *message_of(struct import *im, yyjson_val *row)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, PARAMS_BYTES_MAX);
    yyjson_val *commerce = json_get(row, "ecommerce"), *items = json_get(row, "items");
    buf_add_str(&text, "{\"name\":");
    buf_add_json(&text, text_of(row, "event_name"));
    buf_add_str(&text, ",\"params\":{\"platform\":");
    buf_add_json(&text, text_of(row, "platform"));
    add_params(&text, json_get(row, "event_params"));
    struct slice order = text_of(commerce, "transaction_id");
    if (order.len && !slice_eq_str(order, "(not set)")) {
        buf_add_str(&text, ",\"transaction_id\":");
        buf_add_json(&text, order);
    }
    if (yyjson_arr_size(items))
        buf_addf(&text, ",\"item_count\":%zu", yyjson_arr_size(items));
    buf_add_char(&text, '}');
    return object_of(im, &text);
}

static yyjson_val *traits_of(struct import *im, yyjson_val *row)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, PARAMS_BYTES_MAX);
    add_params(&text, json_get(row, "user_properties"));
    if (!text.len)
        return NULL;
    text.data[0] = '{';
    return object_of(im, &text);
}

/* What BigQuery knows of the machine, as the event's context. */
static yyjson_val *context_of(struct import *im, yyjson_val *row)
{
    yyjson_val *device = json_get(row, "device"), *web = json_get(device, "web_info");
    yyjson_val *source = json_get(row, "traffic_source"), *geo = json_get(row, "geo");
    const struct import_member members[] = {
        {"device_category", text_of(device, "category")},
        {"operating_system", text_of(device, "operating_system")},
        {"browser", text_of(web, "browser")},
        {"browser_version", text_of(web, "browser_version")},
        {"country", text_of(geo, "country")}, /* names, no codes: no column of weir's takes them */
        {"region", text_of(geo, "region")},
        {"city", text_of(geo, "city")},
        {"stream_id", text_of(row, "stream_id")},
        {"first_source", text_of(source, "source")},
        {"first_medium", text_of(source, "medium")},
        {"first_campaign", text_of(source, "name")},
    };
    return import_object(im, "", members, COUNT_OF(members), NULL, "");
}

static bool set_time(struct import *im, yyjson_val *row, struct event *e, struct event_notes *n)
{
    uint64_t micros;
    if (!slice_to_u64(text_of(row, "event_timestamp"), &micros) || micros == 0 ||
        micros > INT64_MAX) {
        event_drop(n, EVENT_BAD_VALUE, "event_timestamp is no number of microseconds");
        return false;
    }
    event_set_time(e, (unix_ms){(int64_t)(micros / 1000)}, "event_timestamp", &im->env, n);
    return true;
}

/* Several events of one moment, of a batch: the batch's own numbers tell them apart, where the
 * export has them. */
static void set_id(struct import *im, yyjson_val *row, struct event *e)
{
    const struct slice parts[] = {text_of(row, "user_pseudo_id"), text_of(row, "event_timestamp"),
                                  text_of(row, "batch_event_index"), text_of(row, "event_name")};
    e->is_client_id = false; /* that of the row's text */
    if (parts[0].len && parts[2].len)
        event_derive_id(e, &im->env, parts, COUNT_OF(parts));
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    yyjson_val *row = item->root, *root = message_of(im, row);
    if (!root) {
        import_reject(im, "bad_json", "event_params cannot be read, or are too large");
        return RC_OK;
    }
    import_read(im, "ga4", root, &e, &n);
    set_time(im, row, &e, &n);
    set_id(im, row, &e);
    e.anonymous_id = event_cut(text_of(row, "user_pseudo_id"), EVENT_ID_BYTES_MAX);
    e.user_id = event_cut(text_of(row, "user_id"), EVENT_ID_BYTES_MAX);
    e.traits = traits_of(im, row);
    e.context = context_of(im, row);
    if (!e.locale.len)
        e.locale = event_cut(text_of(json_get(row, "device"), "language"), EVENT_LOCALE_BYTES_MAX);
    return import_add(im, item, &e, &n, err);
}

const struct import_format import_format_ga4 = {
    .name = "ga4",
    .about = "Google Analytics 4: BigQuery export (events_YYYYMMDD) as NDJSON",
    .shape = IMPORT_JSON,
    .source = "ga4",
    .take = take,
};
