/* WHAT    One event record (docs/format/event.md) to one RowBinary row.
 * WHY     The record was checked when it was taken in, but years may lie between: nothing of its
 *         shape is trusted. What makes a row impossible (no JSON, no project, no time) is poison;
 *         what is merely odd (a number where a text belongs) is left out.
 *         The JSON of properties and context is copied as it stands, not written anew: yyjson has
 *         just found the whole text valid, so a piece cut at its brackets is, too.
 * THREADS none. */
#include "analytics/project_int.h"

#include "codec/json.h"
#include "codec/rowbinary.h"

const char project_columns[] =
    "project_id, event, timestamp, id, user_id, anonymous_id, session_id, page_url, page_path, "
    "page_title, page_referrer, referrer_domain, hostname, utm_source, utm_medium, utm_campaign, "
    "utm_term, utm_content, user_agent, screen_width, screen_height, locale, source, properties, "
    "context, received_at, dedupe, stream_partition, stream_offset";

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

static void take_screen(struct project_row *row, yyjson_val *screen)
{
    if (!yyjson_is_obj(screen))
        return;
    row->screen_width = u32_of(yyjson_obj_get(screen, "width"));
    row->screen_height = u32_of(yyjson_obj_get(screen, "height"));
}

static bool take_time(struct slice text, unix_ms *ret_time)
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
        TEXT(user_id),    TEXT(anonymous_id), TEXT(session_id),
        TEXT(user_agent), TEXT(locale),       TEXT(source),
#undef TEXT
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
        found->timestamp = take_time(text_of(v), &row->timestamp);
    } else if (slice_eq_str(name, "received_at")) {
        found->received_at = take_time(text_of(v), &row->received_at);
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

/* The raw text of the two members that are kept as JSON. */
static void take_raw(struct project_row *row, struct slice value)
{
    struct json_members it;
    struct json_span span;
    struct slice key;
    if (json_members_begin(&it, value) != RC_OK)
        return;
    while (json_members_next(&it, &key, &span) == RC_OK) {
        if (span.text.data[0] != '{')
            continue;
        if (slice_eq_str(key, "properties"))
            row->properties = span.text;
        else if (slice_eq_str(key, "context"))
            row->context = span.text;
    }
}

static void derive(struct project_row *row, struct arena *scratch)
{
    if (row->page_url.len) {
        struct project_url url = project_url_split(row->page_url);
        row->hostname = project_url_host(url.host, scratch);
        if (row->page_path.len == 0)
            row->page_path = url.path;
        project_url_utm(url.query, scratch, row->utm);
    }
    if (row->page_referrer.len) {
        struct project_url url = project_url_split(row->page_referrer);
        row->referrer_domain = project_url_host(url.host, scratch);
    }
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

enum rc project_row_decode(struct slice value, struct arena *scratch, struct project_row *ret_row,
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
    derive(ret_row, scratch);
    return RC_OK;
}

/* ---- encoding: one reservation per row, then plain stores ---- */
static char *put_text(char *p, struct slice s)
{
    uint64_t n = s.len;
    while (n >= 0x80) {
        *p++ = (char)(n | 0x80);
        n >>= 7;
    }
    *p++ = (char)n;
    if (s.len)
        memcpy(p, s.data, s.len);
    return p + s.len;
}

static char *put(char *p, const void *value, size_t n)
{
    memcpy(p, value, n);
    return p + n;
}

static char *put_uuid(char *p, const struct uuid *u)
{
    for (size_t i = 0; i < 8; i++) {
        p[i] = (char)u->bytes[7 - i];
        p[8 + i] = (char)u->bytes[15 - i];
    }
    return p + 16;
}

void project_row_encode(struct buf *out, const struct project_row *row, uint32_t partition,
                        uint64_t offset)
{
    const struct slice texts[] = {
        row->user_id,    row->anonymous_id,  row->session_id,      row->page_url, row->page_path,
        row->page_title, row->page_referrer, row->referrer_domain, row->hostname, row->utm[0],
        row->utm[1],     row->utm[2],        row->utm[3],          row->utm[4],   row->user_agent,
    };
    size_t bytes = 128 + 10 * (COUNT_OF(texts) + 5) + row->event.len + row->locale.len +
                   row->source.len + row->properties.len + row->context.len;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        bytes += texts[i].len;
    char *from = buf_reserve(out, bytes), *p = from;
    if (!p)
        return;
    uint8_t dedupe = row->is_dedupe;
    uint16_t partition16 = (uint16_t)partition;
    p = put_uuid(p, &row->project);
    p = put_text(p, row->event);
    p = put(p, &row->timestamp.ms, 8);
    p = put_uuid(p, &row->id);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        p = put_text(p, texts[i]);
    p = put(p, &row->screen_width, 4);
    p = put(p, &row->screen_height, 4);
    p = put_text(p, row->locale);
    p = put_text(p, row->source);
    p = put_text(p, row->properties);
    p = put_text(p, row->context);
    p = put(p, &row->received_at.ms, 8);
    p = put(p, &dedupe, 1);
    p = put(p, &partition16, 2);
    p = put(p, &offset, 8);
    buf_commit(out, (size_t)(p - from));
}

uint32_t project_month(unix_ms t)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(t.ms / (INT64_C(24) * 3600 * 1000), &year, &month, &day);
    return (uint32_t)((year - 1970) * 12 + month - 1);
}
