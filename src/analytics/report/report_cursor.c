/* WHAT    The next page of a breakdown: a cursor that says where the last one ended.
 * WHY     A cursor holds what the last row was ordered by, not its number: rows that come in before
 *         it meanwhile shift nothing, and rows alike in all that was ordered by are told apart by
 *         their dimensions, which end every order. Only a row whose own numbers change may be seen
 *         twice or not at all.
 * LAYOUT  base64url of ["<hash of the question>", key …]; a key is a text, the bits of a double as
 *         digits (so that no digit is lost on the way), or null, which is behind all others. */
#include "analytics/report/report_int.h"
#include "codec/base64.h"
#include "codec/hash.h"

enum { HASH_BYTES = 8, CURSOR_BYTES_MAX = 96 * 1024 };
struct key {
    bool is_number, is_desc;
    bool is_metric;
    uint32_t index;
};

static uint32_t list_keys(const struct report *r, struct key keys[REPORT_KEYS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->order_count; i++)
        keys[count++] = (struct key){.is_desc = r->orders[i].is_desc,
                                     .is_metric = r->orders[i].is_metric,
                                     .index = r->orders[i].index};
    for (uint32_t i = 0; i < r->dim_count; i++)
        keys[count++] = (struct key){.index = i};
    for (uint32_t i = 0; i < count; i++) {
        enum report_field_kind kind =
            keys[i].is_metric ? FIELD_NUMBER : r->dims[keys[i].index].field->kind;
        keys[i].is_number = kind == FIELD_NUMBER || kind == FIELD_TIME;
    }
    return count;
}

/* Of the question but for its page. */
static bool hash_question(const struct report *r, char ret_hex[2 * HASH_BYTES])
{
    static const char *const names[] = {"report", "metrics",  "dimensions", "filters",  "goal",
                                        "bots",   "order_by", "date_range", "timezone", "sample"};
    struct slice parts[COUNT_OF(names)];
    uint8_t hash[SHA256_BYTES];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct slice text = report_as_sent(r, names[i]);
        const char *part = arena_printf(r->arena, "%s=%.*s;", names[i], SLICE_ARG(text));
        if (!part)
            return false;
        parts[i] = slice_str(part);
    }
    sha256_parts(parts, COUNT_OF(parts), hash);
    hex_encode(ret_hex, hash, HASH_BYTES);
    return true;
}

/* ---- reading ---- */
static bool bad_cursor(struct report *r)
{
    const struct report_at at = {.name = "cursor"};
    return report_fail(r, &at, "give back what the answer before called next_cursor");
}

static bool take_key(struct report *r, const struct key *key, yyjson_val *v, uint32_t *ret_param)
{
    uint64_t bits;
    *ret_param = REPORT_PARAMS_MAX;
    if (key->is_metric && yyjson_is_null(v))
        return true;
    if (!yyjson_is_str(v) || memchr(json_text(v).data, '\0', json_text(v).len) ||
        (key->is_number && !slice_to_u64(json_text(v), &bits)))
        return bad_cursor(r);
    *ret_param = report_bind(r, json_text(v));
    return r->err.rc == RC_OK;
}

static bool take_keys(struct report *r, yyjson_val *list)
{
    const struct report_at at = {.name = "cursor"};
    struct key keys[REPORT_KEYS_MAX];
    uint32_t count = list_keys(r, keys);
    char hash[2 * HASH_BYTES];
    if (!yyjson_is_arr(list) || !yyjson_is_str(yyjson_arr_get(list, 0)))
        return bad_cursor(r);
    if (!hash_question(r, hash))
        return report_fail(r, &at, "no memory for this question");
    if (!slice_eq(json_text(yyjson_arr_get(list, 0)), slice_of(hash, sizeof(hash))))
        return report_fail(r, &at, "belongs to another question; only limit may differ");
    if (yyjson_arr_size(list) != count + 1)
        return bad_cursor(r);
    for (uint32_t i = 0; i < count; i++)
        if (!take_key(r, &keys[i], yyjson_arr_get(list, i + 1), &r->after[i]))
            return false;
    r->is_continued = true;
    return true;
}

bool report_take_cursor(struct report *r, yyjson_val *v)
{
    const struct report_at at = {.name = "cursor"};
    struct slice text;
    size_t len = 0;
    yyjson_val *list;
    r->is_paged = true;
    if (!v || yyjson_is_null(v))
        return true;
    if (r->offset)
        return report_fail(r, &at, "give it or offset, not both");
    if (!report_take_text(r, &at, v, CURSOR_BYTES_MAX, &text))
        return false;
    uint8_t *bytes = arena_alloc(r->arena, base64_decoded_max(text.len));
    if (!bytes)
        return report_fail(r, &at, "no memory for this question");
    if (!base64_decode(BASE64_URL, text, bytes, &len) ||
        json_parse(r->arena, slice_of((const char *)bytes, len), &list, NULL) != RC_OK)
        return bad_cursor(r);
    return take_keys(r, list);
}

/* ---- the statement ---- */
static void add_number(const struct report *r, const struct key *key, struct buf *out)
{
    bool is_time = !key->is_metric && r->dims[key->index].field->kind == FIELD_TIME;
    buf_addf(out, is_time ? "toFloat64(toUInt32(%c%u))" : "toFloat64(%c%u)",
             key->is_metric ? 'm' : 'd', key->index);
}

static void add_key(const struct report *r, const struct key *key, struct buf *out)
{
    if (!key->is_number) {
        buf_addf(out, "toString(d%u)", key->index);
        return;
    }
    buf_add_str(out, "toString(reinterpretAsUInt64(");
    add_number(r, key, out);
    buf_add_str(out, "))");
}

void report_keys_sql(const struct report *r, struct buf *out)
{
    struct key keys[REPORT_KEYS_MAX];
    uint32_t count = list_keys(r, keys);
    buf_add_str(out, ", array(");
    for (uint32_t i = 0; i < count; i++) {
        buf_add_str(out, i ? ", toNullable(" : "toNullable(");
        add_key(r, &keys[i], out);
        buf_add_char(out, ')');
    }
    buf_add_char(out, ')');
}

/* "m0 < x" and the like; sign: "=", or "" for what comes behind. */
static void add_compared(const struct report *r, const struct key *key, uint32_t param,
                         const char *sign, struct buf *out)
{
    bool is_equal = sign[0] == '=';
    if (param == REPORT_PARAMS_MAX) { /* nothing is behind null */
        buf_addf(out, is_equal ? "isNull(m%u)" : "0", key->index);
        return;
    }
    const char *than = is_equal ? "=" : key->is_desc ? "<" : ">";
    if (!key->is_number) {
        buf_addf(out, "toString(d%u) %s {p%u:String}", key->index, than, param);
        return;
    }
    buf_add_str(out, "ifNull(");
    add_number(r, key, out);
    buf_addf(out, " %s reinterpretAsFloat64({p%u:UInt64}), %d)", than, param, !is_equal);
}

void report_after_sql(const struct report *r, struct buf *out)
{
    struct key keys[REPORT_KEYS_MAX];
    uint32_t count = list_keys(r, keys);
    if (!r->is_continued)
        return;
    buf_add_str(out, " WHERE 0");
    for (uint32_t i = 0; i < count; i++) {
        buf_add_str(out, " OR (");
        for (uint32_t k = 0; k < i; k++) {
            add_compared(r, &keys[k], r->after[k], "=", out);
            buf_add_str(out, " AND ");
        }
        add_compared(r, &keys[i], r->after[i], "", out);
        buf_add_char(out, ')');
    }
}

/* ---- the answer ---- */
enum rc report_cursor_make(const struct report *r, yyjson_val *keys, struct slice *ret_cursor,
                           struct err *err)
{
    CLEANUP(buf_done) struct buf list;
    CLEANUP(buf_done) struct buf text;
    char hash[2 * HASH_BYTES];
    size_t i, n;
    yyjson_val *key;
    buf_init(&list, CURSOR_BYTES_MAX);
    buf_init(&text, CURSOR_BYTES_MAX);
    ENSURE(yyjson_is_arr(keys), report_bad_shape(err));
    ENSURE(hash_question(r, hash), err_set(err, RC_NOMEM, "no memory for this request"));
    buf_addf(&list, "[\"%.*s\"", (int)sizeof(hash), hash);
    yyjson_arr_foreach(keys, i, n, key)
    {
        buf_add_char(&list, ',');
        report_add_value(&list, key);
    }
    buf_add_char(&list, ']');
    base64_encode(&text, BASE64_URL, buf_slice(&list));
    *ret_cursor = arena_copy(r->arena, buf_slice(&text));
    ENSURE(buf_ok(&list) && buf_ok(&text) && !r->arena->is_failed,
           err_set(err, RC_LIMIT, "a value is too long for a cursor: use offset"));
    return RC_OK;
}
