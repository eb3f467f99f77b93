/* What formats have in common: columns by name, objects for a dialect's reader, times. */
#include "analytics/import/import_int.h"

#include "base/must.h"

static uint32_t column_at(const struct csv_record *header, const char *name)
{
    uint32_t at = 0;
    while (at < header->count && !slice_eq_nocase(slice_trim(header->fields[at]), slice_str(name)))
        at++;
    return at;
}

bool import_has_column(const struct csv_record *header, const char *name)
{
    return column_at(header, name) < header->count;
}

enum rc import_find_columns(struct import *im, const struct csv_record *header,
                            const char *const *names, uint32_t required, struct err *err)
{
    im->column_count = 0;
    for (uint32_t i = 0; names[i]; i++) {
        must(i < IMPORT_COLUMNS_MAX);
        uint32_t at = column_at(header, names[i]);
        if (at == header->count && i < required)
            return err_set(err, RC_INVALID,
                           "the first line has no column '%s': it is not of the format %s",
                           names[i], im->cfg->format->name);
        im->columns[im->column_count++] = at < header->count ? at : UINT32_MAX;
    }
    return RC_OK;
}

/* What is no UTF-8, and U+0000, is U+FFFD in what follows: no text of an event may hold it. */
static struct slice mended(struct import *im, struct slice text)
{
    struct buf out;
    buf_init(&out, 3 * text.len + 1);
    while (text.len) {
        size_t n = (unsigned char)text.data[0] < 0x80 ? 1 : slice_utf8_len(text);
        bool is_fine = n && text.data[0];
        if (is_fine)
            buf_add(&out, text.data, n);
        else
            buf_add_str(&out, "\xef\xbf\xbd");
        text = slice_sub(text, n ? n : 1);
    }
    struct slice copy = arena_copy(im->scratch, buf_slice(&out));
    buf_done(&out);
    return copy;
}

static bool is_text(struct slice text)
{
    while (text.len && text.data[0]) {
        size_t n = (unsigned char)text.data[0] < 0x80 ? 1 : slice_utf8_len(text);
        if (!n)
            return false;
        text = slice_sub(text, n);
    }
    return text.len == 0;
}

struct slice import_column(struct import *im, const struct import_item *item, uint32_t i)
{
    must(i < im->column_count);
    if (im->columns[i] >= item->csv->count)
        return SLICE_EMPTY;
    struct slice field = item->csv->fields[im->columns[i]];
    return is_text(field) ? field : mended(im, field);
}

yyjson_val *import_object(struct import *im, const char *before,
                          const struct import_member *members, uint32_t count,
                          const struct import_member *json, const char *after)
{
    CLEANUP(buf_done) struct buf text;
    yyjson_val *root = NULL;
    struct err err = ERR_INIT;
    const char *between = "{";
    buf_init(&text, 8 * CSV_RECORD_BYTES_MAX);
    buf_add_str(&text, before);
    for (uint32_t i = 0; i < count; i++) {
        if (!members[i].value.len)
            continue;
        buf_add_str(&text, between);
        buf_add_json(&text, slice_str(members[i].name));
        buf_add_char(&text, ':');
        buf_add_json(&text, members[i].value);
        between = ",";
    }
    if (json && json->value.len) {
        buf_addf(&text, "%s\"%s\":", between, json->name);
        buf_add_slice(&text, json->value);
        between = ",";
    }
    buf_add_str(&text, *between == '{' ? "{}" : "}");
    buf_add_str(&text, after);
    ENSURE(buf_ok(&text) && json_parse(im->scratch, buf_slice(&text), &root, &err) == RC_OK, NULL);
    return root;
}

struct slice import_join(struct import *im, const struct slice *parts, uint32_t count)
{
    return parts[0].len ? event_join(im->scratch, parts, count) : SLICE_EMPTY;
}

/* ---- members under other names ---- */

static void add_as(struct buf *text, yyjson_val *v, struct slice raw, enum import_rename_as as)
{
    char time[TIME_TEXT_BYTES];
    unix_ms t;
    if (as == IMPORT_AS_TIME && yyjson_is_str(v) && import_time(json_text(v), &t))
        buf_addf(text, "\"%s\"", time_format(t, time));
    else if (as == IMPORT_AS_JSON && yyjson_is_str(v) && json_text(v).len)
        buf_add_slice(text, json_text(v));
    else
        buf_add_slice(text, raw);
}

static const struct import_rename *rename_of(const struct import_rename *table, uint32_t count,
                                             struct slice key)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq_str(key, table[i].from))
            return &table[i];
    return NULL;
}

/* Whether another member that comes first in the table stands for the same. */
static bool is_outdone(const struct import_item *item, const struct import_rename *table,
                       const struct import_rename *by)
{
    for (const struct import_rename *r = table; r < by; r++)
        if (r->as != IMPORT_LEFT_OUT && strcmp(r->to, by->to) == 0 &&
            json_get(item->root, r->from) && !yyjson_is_null(json_get(item->root, r->from)))
            return true;
    return false;
}

yyjson_val *import_renamed(struct import *im, const struct import_item *item,
                           const struct import_rename *table, uint32_t count, bool keeps_rest)
{
    CLEANUP(buf_done) struct buf text;
    struct json_members it;
    struct json_span span;
    struct slice key;
    struct err err = ERR_INIT;
    yyjson_val *root = NULL;
    size_t at = 0;
    buf_init(&text, 2 * IMPORT_ITEM_BYTES_MAX);
    json_peek(item->text, &at);
    enum rc rc = json_members_begin(&it, slice_sub(item->text, at));
    while (rc == RC_OK && (rc = json_members_next(&it, &key, &span)) == RC_OK) {
        const struct import_rename *r = rename_of(table, count, key);
        bool is_left = r ? r->as == IMPORT_LEFT_OUT || is_outdone(item, table, r) : !keeps_rest;
        if (is_left)
            continue;
        yyjson_val *v = r ? json_get(item->root, r->from) : NULL;
        buf_add_str(&text, text.len ? ",\"" : "{\"");
        buf_add_slice(&text, r ? slice_str(r->to) : key);
        buf_add_str(&text, "\":");
        add_as(&text, v, span.text, r ? r->as : IMPORT_AS_IT_IS);
    }
    buf_add_str(&text, text.len ? "}" : "{}");
    if (rc == RC_END && buf_ok(&text))
        rc = json_parse(im->scratch, buf_slice(&text), &root, &err);
    if (!root)
        import_reject(im, rc == RC_LIMIT ? "too_deep" : "bad_json", "a member is not valid: %s",
                      err.text);
    return root;
}

void import_set_place(struct import *im, struct event *e, struct slice country, struct slice region,
                      struct slice city)
{
    struct event_client *c = country.len == 2 ? arena_alloc(im->scratch, sizeof(*c)) : NULL;
    if (!c)
        return;
    *c = *e->client;
    c->country = country;
    c->region = c->city = SLICE_EMPTY;
    if (im->cfg->project->privacy != TENANT_PRIVACY_STRICT) {
        c->region = event_cut(region, EVENT_PLACE_BYTES_MAX);
        c->city = event_cut(city, EVENT_PLACE_BYTES_MAX);
    }
    e->client = c;
}

void import_read(struct import *im, const char *dialect, yyjson_val *root, struct event *e,
                 struct event_notes *n)
{
    const struct dialect *d = dialect_read_find(dialect);
    dialect_read_env(d, &im->env);
    import_event_init(im, e);
    dialect_read_event(d, root, &im->env, e, n);
    im->env.shared = NULL;
}

bool import_time(struct slice text, unix_ms *ret_time)
{
    char copy[TIME_TEXT_BYTES + 1];
    size_t len = text.len;
    if (time_parse(text, ret_time))
        return true;
    if (len + 1 > sizeof(copy) || len < 2)
        return false;
    memcpy(copy, text.data, len);
    /* PostgreSQL's "+00" and BigQuery's " UTC" are no RFC 3339. */
    if (len > 3 && (memcmp(copy + len - 3, "+00", 3) == 0))
        len -= 3;
    else if (len > 4 && memcmp(copy + len - 4, " UTC", 4) == 0)
        len -= 4;
    copy[len++] = 'Z';
    return time_parse(slice_of(copy, len), ret_time);
}
