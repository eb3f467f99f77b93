/* WHAT        Record <-> line of NDJSON.
 * WHY         A query engine wants flat JSON, a replay wants the very bytes. The value of a weir
 *             record is one JSON object, so the position is spliced in front of its first member
 *             and the rest of the line *is* the value: nothing is parsed and printed again, so
 *             nothing can change.
 * LAYOUT
 *     {"stream_partition":P,"stream_offset":N,"append_time":"T","stream_key":"K",
 *      "stream_headers":["name","value",…],            (left out when there are none)
 *      <the value's members>}                          (value = '{' + these bytes)
 *   or, for what cannot be told so without loss:
 *      "stream_key_base64" / "stream_headers_base64" / "stream_value_base64"
 * INVARIANTS  There is one encoding per record. The decoder encodes the prefix again and compares,
 *             so a line that decodes is the line this file would write: no second spelling, no
 *             hidden member. */
#include "archive/line_int.h"

#include <string.h>
#include <yyjson.h>

#include "base/clock.h"
#include "codec/base64.h"

enum { POOL_BYTES = 32 << 10 };

/* ---- what can be spliced ---- */

/* buf_add_json() would quietly repair anything else. */
static bool is_utf8(struct slice s)
{
    for (size_t n; s.len; s = slice_sub(s, n)) {
        n = slice_utf8_len(s);
        if (n == 0)
            return false;
    }
    return true;
}

/* Would a member of this name stand beside ours with the same meaning? */
static bool is_our_name(struct slice name)
{
    return slice_has_prefix(name, SLICE_LIT("stream_")) || slice_eq_str(name, "append_time");
}

static bool has_foreign_names_only(yyjson_val *object)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *name; (name = yyjson_obj_iter_next(&iter));)
        if (is_our_name(slice_of(yyjson_get_str(name), yyjson_get_len(name))))
            return false;
    return true;
}

static bool is_spliceable(struct slice value)
{
    if (!value.data || value.len < 2 || value.data[0] != '{' || value.data[value.len - 1] != '}' ||
        memchr(value.data, '\n', value.len) || memchr(value.data, '\r', value.len))
        return false;
    if (value.len > 2 && value.data[1] != '"') /* "{ }", or no JSON at all */
        return false;
    char pool[POOL_BYTES]; /* an ordinary record is looked at without the heap */
    yyjson_alc alc;
    bool fits = yyjson_read_max_memory_usage(value.len, 0) <= POOL_BYTES / 2 &&
                yyjson_alc_pool_init(&alc, pool, sizeof(pool));
    yyjson_doc *doc = yyjson_read_opts(UNCONST(value.data), value.len, 0, fits ? &alc : NULL, NULL);
    bool is_object = doc && yyjson_is_obj(yyjson_doc_get_root(doc));
    bool ok = is_object && has_foreign_names_only(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return ok;
}

/* "name\0value\0…" with an even number of parts, all text. */
static bool is_header_list(struct slice headers)
{
    size_t parts = 0;
    for (size_t i = 0; i < headers.len; i++)
        parts += headers.data[i] == '\0';
    return headers.data[headers.len - 1] == '\0' && parts % 2 == 0 && is_utf8(headers);
}

/* ---- writing ---- */

static void add_base64(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    base64_encode(out, BASE64_STD, s);
    buf_add_char(out, '"');
}

static void add_header_list(struct buf *out, struct slice headers)
{
    buf_add_str(out, ",\"stream_headers\":[");
    for (bool is_first = true; headers.len; is_first = false) {
        if (!is_first)
            buf_add_char(out, ',');
        buf_add_json(out, slice_cut(&headers, '\0'));
    }
    buf_add_char(out, ']');
}

/* Everything up to the value, without a comma behind it. */
static void add_prefix(struct buf *out, const struct stream_record *r)
{
    char time[TIME_TEXT_BYTES];
    buf_add_str(out, "{\"stream_partition\":");
    buf_add_u64(out, r->partition);
    buf_add_str(out, ",\"stream_offset\":");
    buf_add_u64(out, r->offset);
    buf_add_str(out, ",\"append_time\":\"");
    buf_add_str(out, time_format(r->time, time));
    buf_add_char(out, '"');
    if (is_utf8(r->key)) {
        buf_add_str(out, ",\"stream_key\":");
        buf_add_json(out, r->key);
    } else {
        buf_add_str(out, ",\"stream_key_base64\":");
        add_base64(out, r->key);
    }
    if (r->headers.len && is_header_list(r->headers)) {
        add_header_list(out, r->headers);
    } else if (r->headers.len) {
        buf_add_str(out, ",\"stream_headers_base64\":");
        add_base64(out, r->headers);
    }
}

static void add_value(struct buf *out, struct slice value)
{
    if (!is_spliceable(value)) {
        buf_add_str(out, ",\"stream_value_base64\":");
        add_base64(out, value);
        buf_add_char(out, '}');
        return;
    }
    if (value.len > 2)
        buf_add_char(out, ',');
    buf_add_slice(out, slice_sub(value, 1));
}

enum rc line_encode(const struct stream_record *record, struct buf *out, struct err *err)
{
    add_prefix(out, record);
    add_value(out, record->value);
    buf_add_char(out, '\n');
    if (!buf_ok(out))
        return err_set(err, RC_NOMEM, "no memory for a line of the archive");
    return RC_OK;
}

/* ---- reading ---- */

/* Where decoded bytes go: offsets into scratch, because it may move while it grows. */
struct range {
    size_t from, len;
};

static bool decode_base64(yyjson_val *text, struct buf *scratch, struct range *ret)
{
    if (!yyjson_is_str(text))
        return false;
    struct slice from = slice_of(yyjson_get_str(text), yyjson_get_len(text));
    char *to = buf_reserve(scratch, base64_decoded_max(from.len));
    ret->from = scratch->len;
    if (!to || !base64_decode(BASE64_STD, from, (uint8_t *)to, &ret->len))
        return false;
    buf_commit(scratch, ret->len);
    return true;
}

static bool decode_text(yyjson_val *text, struct buf *scratch, struct range *ret)
{
    if (!yyjson_is_str(text))
        return false;
    ret->from = scratch->len;
    ret->len = yyjson_get_len(text);
    buf_add(scratch, yyjson_get_str(text), ret->len);
    return buf_ok(scratch);
}

static bool decode_headers(yyjson_val *list, struct buf *scratch, struct range *ret)
{
    ret->from = scratch->len;
    if (!yyjson_is_arr(list))
        return false;
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(list, i, n, part)
    {
        if (!yyjson_is_str(part))
            return false;
        buf_add(scratch, yyjson_get_str(part), yyjson_get_len(part));
        buf_add_char(scratch, '\0');
    }
    ret->len = scratch->len - ret->from;
    return buf_ok(scratch);
}

static struct slice range_slice(const struct buf *scratch, struct range range)
{
    return range.len ? slice_of(scratch->data + range.from, range.len) : SLICE_EMPTY;
}

static bool decode_key_and_headers(yyjson_val *root, struct buf *scratch, struct range *key,
                                   struct range *headers)
{
    yyjson_val *text = yyjson_obj_get(root, "stream_key");
    yyjson_val *list = yyjson_obj_get(root, "stream_headers");
    yyjson_val *raw = yyjson_obj_get(root, "stream_headers_base64");
    *headers = (struct range){0};
    if (text ? !decode_text(text, scratch, key)
             : !decode_base64(yyjson_obj_get(root, "stream_key_base64"), scratch, key))
        return false;
    if (list)
        return decode_headers(list, scratch, headers);
    return !raw || decode_base64(raw, scratch, headers);
}

/* All but the value, which is what remains of the line behind the prefix. */
static bool decode_prefix(yyjson_val *root, struct buf *scratch, struct stream_record *r,
                          struct range *key, struct range *headers)
{
    yyjson_val *partition = yyjson_obj_get(root, "stream_partition");
    yyjson_val *offset = yyjson_obj_get(root, "stream_offset");
    yyjson_val *time = yyjson_obj_get(root, "append_time");
    if (!yyjson_is_uint(partition) || yyjson_get_uint(partition) >= STREAM_PARTITIONS_MAX ||
        !yyjson_is_uint(offset) || !yyjson_is_str(time))
        return false;
    r->partition = (uint32_t)yyjson_get_uint(partition);
    r->offset = yyjson_get_uint(offset);
    return time_parse(slice_of(yyjson_get_str(time), yyjson_get_len(time)), &r->time) &&
           decode_key_and_headers(root, scratch, key, headers);
}

static bool decode_value(yyjson_val *root, struct slice line, size_t prefix_len,
                         struct buf *scratch, struct range *ret)
{
    yyjson_val *raw = yyjson_obj_get(root, "stream_value_base64");
    if (raw)
        return decode_base64(raw, scratch, ret);
    struct slice rest = slice_sub(line, prefix_len);
    if (rest.len == 0 || (rest.data[0] != ',' && rest.len > 1))
        return false;
    ret->from = scratch->len;
    buf_add_char(scratch, '{');
    buf_add_slice(scratch, rest.data[0] == ',' ? slice_sub(rest, 1) : rest);
    ret->len = scratch->len - ret->from;
    return buf_ok(scratch);
}

static bool decode(yyjson_val *root, struct slice line, struct buf *scratch,
                   struct stream_record *r)
{
    struct range key = {0}, headers = {0}, value = {0}, again = {0};
    if (!decode_prefix(root, scratch, r, &key, &headers))
        return false;
    r->key = range_slice(scratch, key);
    r->headers = range_slice(scratch, headers);
    struct buf prefix; /* the pair assertion: what we would write must be what stands there */
    buf_init(&prefix, LINE_BYTES_MAX);
    add_prefix(&prefix, r);
    bool ok = buf_ok(&prefix) && slice_has_prefix(line, buf_slice(&prefix)) &&
              decode_value(root, line, prefix.len, scratch, &value);
    if (ok) {
        again.from = prefix.len;
        add_value(&prefix, range_slice(scratch, value));
        again.len = prefix.len - again.from;
        ok = buf_ok(&prefix) && slice_eq(slice_sub(line, again.from), range_slice(&prefix, again));
    }
    buf_done(&prefix);
    r->key = range_slice(scratch, key); /* scratch may have moved */
    r->headers = range_slice(scratch, headers);
    r->value = range_slice(scratch, value);
    return ok;
}

enum rc line_decode(struct slice line, struct buf *scratch, struct stream_record *ret_record,
                    struct err *err)
{
    struct stream_record record = {0};
    buf_clear(scratch);
    yyjson_doc *doc = line.len <= LINE_BYTES_MAX ? yyjson_read(line.data, line.len, 0) : NULL;
    bool ok = doc && yyjson_is_obj(yyjson_doc_get_root(doc)) &&
              decode(yyjson_doc_get_root(doc), line, scratch, &record);
    yyjson_doc_free(doc);
    if (!ok)
        return err_set(err, RC_CORRUPT, "a line is not what weir writes: %.*s",
                       line.len < 80 ? (int)line.len : 80, line.len ? line.data : "");
    *ret_record = record;
    return RC_OK;
}
