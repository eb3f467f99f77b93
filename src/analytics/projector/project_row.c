/* WHAT    One event record (docs/format/event.md) to one row of columns.
 * WHY     The record was checked when it was taken in, but years may lie between: nothing of its
 *         shape is trusted. What makes a row impossible (no JSON, no project, no time) is poison;
 *         what is merely odd (a number where a text belongs) is left out.
 *         The JSON of properties and context is copied as it stands, not written anew: yyjson has
 *         just found the whole text valid, so a piece cut at its brackets is, too.
 * THREADS none. */
#include "analytics/event/page.h"
#include "analytics/projector/project_int.h"

#include "base/siphash.h"
#include "codec/json.h"

/* In the order in which project_row_encode fills them. */
#define STRING "String", 0
#define KEYS "LowCardinality(String)", 4, true
#define COLUMNS(C)                            \
    C(project_id, "UUID", 16)                 \
    C(id, "UUID", 16)                         \
    C(timestamp, "DateTime64(3, 'UTC')", 8)   \
    C(received_at, "DateTime64(3, 'UTC')", 8) \
    C(screen_width, "UInt32", 4)              \
    C(screen_height, "UInt32", 4)             \
    C(dedupe, "UInt8", 1)                     \
    C(stream_partition, "UInt16", 2)          \
    C(stream_offset, "UInt64", 8)             \
    C(visitor, "UInt64", 8)                   \
    C(device, "UInt64", 8)                    \
    C(is_interactive, "UInt8", 1)             \
    C(engagement_ms, "UInt32", 4)             \
    C(scroll_depth, "UInt8", 1)               \
    C(revenue, "Decimal(18, 4)", 8)           \
    C(event, KEYS)                            \
    C(user_id, STRING)                        \
    C(anonymous_id, STRING)                   \
    C(session_id, STRING)                     \
    C(page_url, STRING)                       \
    C(page_path, KEYS)                        \
    C(page_title, STRING)                     \
    C(page_referrer, STRING)                  \
    C(referrer_domain, KEYS)                  \
    C(hostname, KEYS)                         \
    C(utm_source, KEYS)                       \
    C(utm_medium, KEYS)                       \
    C(utm_campaign, KEYS)                     \
    C(utm_term, STRING)                       \
    C(utm_content, STRING)                    \
    C(user_agent, STRING)                     \
    C(locale, KEYS)                           \
    C(source, KEYS)                           \
    C(properties, STRING)                     \
    C(context, STRING)                        \
    C(traits, STRING)                         \
    C(traits_once, STRING)                    \
    C(country, KEYS)                          \
    C(region, KEYS)                           \
    C(city, KEYS)                             \
    C(network, KEYS)                          \
    C(privacy, KEYS)                          \
    C(timezone, KEYS)                         \
    C(kind, KEYS)                             \
    C(currency, KEYS)                         \
    C(group_type, KEYS)                       \
    C(group_id, STRING)                       \
    C(groups, STRING)                         \
    C(previous_id, STRING)                    \
    C(browser_name, KEYS)                     \
    C(browser_version, KEYS)                  \
    C(os_name, KEYS)                          \
    C(os_version, KEYS)                       \
    C(device_type, KEYS)                      \
    C(device_brand, KEYS)                     \
    C(device_model, KEYS)                     \
    C(bot, KEYS)                              \
    C(channel, KEYS)                          \
    C(referrer_source, KEYS)                  \
    C(click_id, KEYS)                         \
    C(screen_class, KEYS)                     \
    C(hints, KEYS)                            \
    C(properties_shape, KEYS)
#define AS_PLACE(column, ...) AT_##column,
#define AS_LIST(column, ...) ", " #column
#define AS_COLUMN(column, ...) {.name = #column, .type = __VA_ARGS__},
enum { COLUMNS(AS_PLACE) AT_END };
_Static_assert((int)AT_END == (int)PROJECT_COLUMN_COUNT, "project_int.h");
static const char list[] = COLUMNS(AS_LIST);
const char *const project_columns = list + 2;

void project_columns_init(struct native_column *columns, uint64_t bytes_max)
{
    static const struct native_column table[] = {COLUMNS(AS_COLUMN)};
    memcpy(columns, table, sizeof(table));
    for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++)
        native_init(&columns[i], bytes_max);
}

/* Date, in which the table's key counts days, ends in June 2149. */
static const int64_t time_ms_max = INT64_C(5662310400000);

static struct slice text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? slice_of(yyjson_get_str(v), yyjson_get_len(v)) : SLICE_EMPTY;
}

static uint32_t u32_of(yyjson_val *v)
{
    int64_t n;
    return v && json_to_i64(v, &n) && n >= 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static void take_page(struct project_row *row, yyjson_val *page)
{
    if (!yyjson_is_obj(page))
        return;
    row->page_url = text_of(yyjson_obj_get(page, "url"));
    row->page_path = text_of(yyjson_obj_get(page, "path"));
    row->page_title = text_of(yyjson_obj_get(page, "title"));
    row->page_referrer = text_of(yyjson_obj_get(page, "referrer"));
}

static void take_geo(struct project_row *row, yyjson_val *geo)
{
    if (!yyjson_is_obj(geo))
        return;
    row->country = text_of(yyjson_obj_get(geo, "country"));
    row->region = text_of(yyjson_obj_get(geo, "region"));
    row->city = text_of(yyjson_obj_get(geo, "city"));
    row->network = text_of(yyjson_obj_get(geo, "network"));
}

static void take_hints(struct project_row *row, yyjson_val *hints)
{
    for (unsigned i = 0; i < HINT_COUNT && yyjson_is_obj(hints); i++)
        row->hints[i] = text_of(yyjson_obj_get(hints, project_hint_names[i]));
}

static void take_revenue(struct project_row *row, yyjson_val *revenue)
{
    if (!yyjson_is_obj(revenue) ||
        !decimal_parse(text_of(yyjson_obj_get(revenue, "amount")), &row->revenue))
        return;
    row->currency = text_of(yyjson_obj_get(revenue, "currency"));
}

static void take_group(struct project_row *row, yyjson_val *group)
{
    if (!yyjson_is_obj(group))
        return;
    row->group_type = text_of(yyjson_obj_get(group, "type"));
    row->group_id = text_of(yyjson_obj_get(group, "id"));
}

static void take_screen(struct project_row *row, yyjson_val *screen)
{
    if (!yyjson_is_obj(screen))
        return;
    row->screen_width = u32_of(yyjson_obj_get(screen, "width"));
    row->screen_height = u32_of(yyjson_obj_get(screen, "height"));
}

const char *const project_hint_names[HINT_COUNT] = {
    [HINT_BRANDS] = "brands",
    [HINT_PLATFORM] = "platform",
    [HINT_PLATFORM_VERSION] = "platform_version",
    [HINT_MODEL] = "model",
    [HINT_MOBILE] = "mobile",
};

bool project_device_parse(struct slice text, uint64_t *ret_device)
{
    uint8_t bytes[sizeof(*ret_device)];
    if (text.len != EVENT_DEVICE_DIGITS || !slice_unhex(text.data, sizeof(bytes), bytes))
        return false;
    *ret_device = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ret_device = *ret_device << 8 | bytes[i];
    return true;
}

bool project_time_parse(struct slice text, unix_ms *ret_time)
{
    return time_parse(text, ret_time) && ret_time->ms >= 0 && ret_time->ms < time_ms_max;
}

struct found { /* what must be there */
    bool id, project, event, timestamp, received_at;
};

static void take_plain(struct project_row *row, struct slice name, yyjson_val *v)
{
    static const struct {
        struct slice name;
        size_t offset;
    } texts[] = {
#define TEXT(member) {{#member, sizeof(#member) - 1}, offsetof(struct project_row, member)}
        TEXT(user_id),
        TEXT(anonymous_id),
        TEXT(session_id),
        TEXT(user_agent),
        TEXT(locale),
        TEXT(source),
        TEXT(privacy),
        TEXT(kind),
        TEXT(previous_id),
#undef TEXT
        {SLICE_CONST("timezone"), offsetof(struct project_row, time_zone)},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!slice_eq(name, texts[i].name))
            continue;
        struct slice value = text_of(v);
        memcpy((char *)row + texts[i].offset, &value, sizeof(value));
        return;
    }
    if (slice_eq_str(name, "dedupe"))
        row->is_dedupe = yyjson_is_true(v);
    else if (slice_eq_str(name, "historical"))
        row->is_historical = yyjson_is_true(v);
    else if (slice_eq_str(name, "page"))
        take_page(row, v);
    else if (slice_eq_str(name, "screen"))
        take_screen(row, v);
    else if (slice_eq_str(name, "device"))
        IGNORE(!project_device_parse(text_of(v), &row->device), "none, then");
    else if (slice_eq_str(name, "geo"))
        take_geo(row, v);
    else if (slice_eq_str(name, "hints"))
        take_hints(row, v);
    else if (slice_eq_str(name, "interactive"))
        row->is_passive = yyjson_is_false(v);
    else if (slice_eq_str(name, "engagement_ms"))
        row->engagement_ms = u32_of(v);
    else if (slice_eq_str(name, "scroll"))
        row->scroll_depth = (uint8_t)(u32_of(v) <= 100 ? u32_of(v) : 0);
    else if (slice_eq_str(name, "revenue"))
        take_revenue(row, v);
    else if (slice_eq_str(name, "group"))
        take_group(row, v);
}

static void take_member(struct project_row *row, struct found *found, struct slice name,
                        yyjson_val *v)
{
    if (slice_eq_str(name, "id")) {
        found->id = uuid_parse(text_of(v), &row->id);
    } else if (slice_eq_str(name, "project")) {
        found->project = uuid_parse(text_of(v), &row->project);
    } else if (slice_eq_str(name, "event")) {
        row->event = text_of(v);
        found->event = row->event.len > 0;
    } else if (slice_eq_str(name, "timestamp")) {
        found->timestamp = project_time_parse(text_of(v), &row->timestamp);
    } else if (slice_eq_str(name, "received_at")) {
        found->received_at = project_time_parse(text_of(v), &row->received_at);
    } else {
        take_plain(row, name, v);
    }
}

static const char *missing(const struct found *f)
{
    if (!f->project)
        return "the record has no valid project";
    if (!f->id)
        return "the record has no valid id";
    if (!f->event)
        return "the record has no event name";
    if (!f->timestamp)
        return "the record has no timestamp between 1970 and 2149";
    if (!f->received_at)
        return "the record has no received_at between 1970 and 2149";
    return NULL;
}

/* The raw text of the members that are kept as JSON. */
static void take_raw(struct project_row *row, struct slice value)
{
    static const struct {
        const char *name;
        size_t offset;
    } raw[] = {
        {"properties", offsetof(struct project_row, properties)},
        {"context", offsetof(struct project_row, context)},
        {"traits", offsetof(struct project_row, traits)},
        {"traits_once", offsetof(struct project_row, traits_once)},
        {"groups", offsetof(struct project_row, groups)},
        {"hints", offsetof(struct project_row, hints_json)},
    };
    struct json_members it;
    struct json_span span;
    struct slice key;
    if (json_members_begin(&it, value) != RC_OK)
        return;
    while (json_members_next(&it, &key, &span) == RC_OK) {
        if (span.text.data[0] != '{')
            continue;
        for (size_t i = 0; i < COUNT_OF(raw); i++)
            if (slice_eq_str(key, raw[i].name))
                memcpy((char *)row + raw[i].offset, &span.text, sizeof(span.text));
    }
}

static struct slice empty_of_kind(char first)
{
    switch (first) {
    case '"':
        return SLICE_LIT("\"\"");
    case '{':
        return SLICE_LIT("{}");
    case '[':
        return SLICE_LIT("[]");
    case 't':
    case 'f':
        return SLICE_LIT("true");
    case 'n':
        return SLICE_EMPTY;
    default:
        return SLICE_LIT("0");
    }
}

static char *put(char *to, struct slice s)
{
    memcpy(to, s.data, s.len);
    return to + s.len;
}

/* An object's members without null, each with an empty value of its kind: {"plan":"","n":0}, true
 * for both booleans, [] and {}. Names are spelt as they are. Empty if there are none. */
static enum rc shape_of(struct slice object, struct arena *scratch, struct slice *ret)
{
    struct json_members it;
    struct json_span value;
    struct slice key;
    *ret = SLICE_EMPTY;
    if (!object.len || json_members_begin(&it, object) != RC_OK)
        return RC_OK;
    /* No value gets longer: "true" is as short as any boolean. */
    char *text = arena_alloc(scratch, object.len), *to = text;
    ENSURE(text, RC_NOMEM);
    while (json_members_next(&it, &key, &value) == RC_OK) {
        struct slice empty = empty_of_kind(value.text.data[0]);
        if (!empty.len)
            continue;
        to = put(to, to == text ? SLICE_LIT("{\"") : SLICE_LIT(",\""));
        to = put(to, key);
        to = put(to, SLICE_LIT("\":"));
        to = put(to, empty);
    }
    if (to > text) {
        *to++ = '}';
        *ret = slice_of(text, (size_t)(to - text));
    }
    return RC_OK;
}

static void derive(struct project_row *row, struct arena *scratch)
{
    struct project_url url = project_url_split(row->page_url);
    struct acquisition_query query;
    struct acquisition acquisition;
    row->hostname = project_url_host(url.host, scratch);
    row->page_path = page_path_normal(row->page_path.len ? row->page_path : url.path, scratch);
    acquisition_query_read(url.query, scratch, &query);
    memcpy(row->utm, query.utm, sizeof(row->utm));
    const struct acquisition_in in = {
        .query = &query,
        .referrer = row->page_referrer,
        .hostname = row->hostname,
        .is_page = row->page_url.len || row->page_path.len,
    };
    acquisition_derive(&in, scratch, &acquisition);
    row->referrer_domain = acquisition.referrer_domain;
    row->referrer_source = acquisition.referrer_source;
    row->channel = acquisition.channel;
    row->click_id = acquisition.click_id;
    row->screen_class = page_screen_class(row->screen_width);
}

/* Not json_parse(): it goes over the text once more for a limit of depth, which our own stream has
 * and yyjson's reader, having no recursion, does not need. */
static enum rc parse(struct arena *scratch, struct slice value, yyjson_val **ret_root)
{
    yyjson_alc alc = json_arena(scratch);
    yyjson_read_err why = {0};
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)value.data, value.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &alc, &why);
    *ret_root = yyjson_doc_get_root(doc);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return RC_NOMEM;
    return doc && yyjson_is_obj(*ret_root) ? RC_OK : RC_INVALID;
}

enum rc project_row_parse(struct slice value, struct arena *scratch, struct project_row *ret_row,
                          const char **ret_reason)
{
    yyjson_val *root, *key;
    struct found found = {0};
    memset(ret_row, 0, sizeof(*ret_row));
    *ret_reason = "the record is not a JSON object";
    TRY(parse(scratch, value, &root));
    yyjson_obj_iter it = yyjson_obj_iter_with(root);
    while ((key = yyjson_obj_iter_next(&it)))
        take_member(ret_row, &found, slice_of(yyjson_get_str(key), yyjson_get_len(key)),
                    yyjson_obj_iter_get_val(key));
    *ret_reason = missing(&found);
    ENSURE(!*ret_reason, RC_INVALID);
    take_raw(ret_row, value);
    return RC_OK;
}

enum rc project_row_decode(struct slice value, struct arena *scratch, struct project_row *ret_row,
                           const char **ret_reason)
{
    if (!project_row_scan(value, ret_row))
        TRY(project_row_parse(value, scratch, ret_row, ret_reason));
    derive(ret_row, scratch);
    return shape_of(ret_row->properties, scratch, &ret_row->properties_shape);
}

/* As the engine's sipHash64() of two values. */
static uint64_t hash_of_two(struct slice kind, const void *id, size_t len)
{
    static const struct siphash_key none;
    const uint64_t hashes[] = {siphash(&none, kind.data, kind.len), siphash(&none, id, len)};
    return siphash(&none, hashes, sizeof(hashes));
}

/* docs/definitions.md, "Visitor". The default that the table has for rows of others says the same,
 * but there the engine makes all four hashes for each row. */
static uint64_t visitor_of(const struct project_row *row)
{
    if (row->anonymous_id.len)
        return hash_of_two(SLICE_LIT("anonymous"), row->anonymous_id.data, row->anonymous_id.len);
    if (row->user_id.len)
        return hash_of_two(SLICE_LIT("user"), row->user_id.data, row->user_id.len);
    if (row->device)
        return hash_of_two(SLICE_LIT("device"), &row->device, sizeof(row->device));
    if (row->session_id.len)
        return hash_of_two(SLICE_LIT("session"), row->session_id.data, row->session_id.len);
    return 0;
}

void project_row_encode(struct native_column *columns, const struct project_row *row,
                        uint32_t partition, uint64_t offset)
{
    const struct slice texts[] = {
        row->event,
        row->user_id,
        row->anonymous_id,
        row->session_id,
        row->page_url,
        row->page_path,
        row->page_title,
        row->page_referrer,
        row->referrer_domain,
        row->hostname,
        row->utm[0],
        row->utm[1],
        row->utm[2],
        row->utm[3],
        row->utm[4],
        row->user_agent,
        row->locale,
        row->source,
        row->properties,
        row->context,
        row->traits,
        row->traits_once,
        row->country,
        row->region,
        row->city,
        row->network,
        row->privacy,
        row->time_zone,
        row->kind,
        row->currency,
        row->group_type,
        row->group_id,
        row->groups,
        row->previous_id,
        row->browser_name,
        row->browser_version,
        row->os_name,
        row->os_version,
        row->device_type,
        row->device_brand,
        row->device_model,
        row->bot,
        row->channel,
        row->referrer_source,
        row->click_id,
        row->screen_class,
        row->hints_json,
        row->properties_shape,
    };
    _Static_assert(AT_event + COUNT_OF(texts) == (size_t)AT_END, "the texts are the last columns");
    uint8_t dedupe = row->is_dedupe, is_interactive = !row->is_passive;
    uint64_t visitor = visitor_of(row);
    uint16_t partition16 = (uint16_t)partition;
    native_uuid(&columns[AT_project_id], &row->project);
    native_uuid(&columns[AT_id], &row->id);
    native_fixed(&columns[AT_timestamp], &row->timestamp.ms, 8);
    native_fixed(&columns[AT_received_at], &row->received_at.ms, 8);
    native_fixed(&columns[AT_screen_width], &row->screen_width, 4);
    native_fixed(&columns[AT_screen_height], &row->screen_height, 4);
    native_fixed(&columns[AT_dedupe], &dedupe, 1);
    native_fixed(&columns[AT_stream_partition], &partition16, 2);
    native_fixed(&columns[AT_stream_offset], &offset, 8);
    native_fixed(&columns[AT_visitor], &visitor, 8);
    native_fixed(&columns[AT_device], &row->device, 8);
    native_fixed(&columns[AT_is_interactive], &is_interactive, 1);
    native_fixed(&columns[AT_engagement_ms], &row->engagement_ms, 4);
    native_fixed(&columns[AT_scroll_depth], &row->scroll_depth, 1);
    native_fixed(&columns[AT_revenue], &row->revenue.units, 8);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        native_text(&columns[AT_event + i], texts[i]);
}

uint32_t project_month(unix_ms t)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(t.ms / (INT64_C(24) * 3600 * 1000), &year, &month, &day);
    return (uint32_t)((year - 1970) * 12 + month - 1);
}
