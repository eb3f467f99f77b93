/* Reading JSON with yyjson out of an arena; the contract is in json.h. */
#include "codec/json.h"

#include <math.h>
#include <stdlib.h>

#include "base/must.h"

static void *alc_malloc(void *ctx, size_t size)
{
    return arena_alloc(ctx, size);
}

static void *alc_realloc(void *ctx, void *block, size_t old_size, size_t size)
{
    if (block && size <= old_size)
        return block;
    void *moved = arena_alloc(ctx, size);
    if (moved && block)
        memcpy(moved, block, old_size);
    return moved;
}

static void alc_free(void *ctx, void *block)
{
    (void)ctx;
    (void)block;
}

yyjson_alc json_arena(struct arena *a)
{
    return (yyjson_alc){.malloc = alc_malloc, .realloc = alc_realloc, .free = alc_free, .ctx = a};
}

enum rc json_parse(struct arena *a, struct slice text, yyjson_val **ret_root, struct err *err)
{
    struct json_span span = {.depth = json_depth_bound(text)};
    size_t at = 0;
    /* Many brackets: they may be in its texts, or side by side. */
    if (span.depth > JSON_DEPTH_MAX && !json_skip(text, &at, &span))
        span.depth = 0; /* broken: yyjson says where, and does not recurse */
    span.text = text;
    return json_parse_span(a, &span, ret_root, err);
}

enum rc json_parse_span(struct arena *a, const struct json_span *span, yyjson_val **ret_root,
                        struct err *err)
{
    struct slice text = span->text;
    if (span->depth > JSON_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
    yyjson_alc alc = json_arena(a);
    yyjson_read_err why = {0};
    /* Without the in-situ flag yyjson copies the text and does not write to it. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &alc, &why);
    if (doc) {
        *ret_root = yyjson_doc_get_root(doc);
        return RC_OK;
    }
    if (why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return err_set(err, RC_NOMEM, "no memory to read JSON");
    return err_set(err, RC_INVALID, "invalid JSON at byte %zu: %s", why.pos,
                   why.msg ? why.msg : "unreadable");
}

yyjson_val *json_get(yyjson_val *object, const char *name)
{
    size_t i, n, len = strlen(name);
    yyjson_val *key, *value, *found = NULL;
    if (!yyjson_is_obj(object))
        return NULL;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        if (unsafe_yyjson_equals_strn(key, name, len))
            found = value;
    }
    return found;
}

void json_get_all(yyjson_val *object, const struct slice *names, uint32_t count, yyjson_val **ret)
{
    size_t i, n;
    yyjson_val *key, *value;
    for (uint32_t k = 0; k < count; k++)
        ret[k] = NULL;
    if (!yyjson_is_obj(object))
        return;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        struct slice name = json_text(key);
        for (uint32_t k = 0; k < count; k++)
            if (slice_eq(names[k], name))
                ret[k] = value;
    }
}

/* Names of one family have their beginnings in common: length, middle and end tell them apart. */
static unsigned name_slot(struct slice name)
{
    unsigned h = (unsigned)name.len;
    if (name.len)
        h += (unsigned char)name.data[name.len / 2] * 5u +
             (unsigned char)name.data[name.len - 1] * 17u;
    return h % JSON_NAME_SLOTS;
}

/* The slot of that name, or the free one where it would stand. */
static unsigned name_find(const struct json_names *t, struct slice name)
{
    unsigned i = name_slot(name);
    while (t->slots[i] && !slice_eq(t->names[t->slots[i] - 1], name))
        i = (i + 1) % JSON_NAME_SLOTS;
    return i;
}

void json_names_init(struct json_names *t, const struct slice *names, uint32_t count)
{
    must(count <= JSON_NAMES_MAX);
    *t = (struct json_names){.names = names, .count = count};
    for (uint32_t k = 0; k < count; k++)
        t->slots[name_find(t, names[k])] = (uint8_t)(k + 1);
}

void json_get_named(yyjson_val *object, const struct json_names *t, yyjson_val **ret)
{
    size_t i, n;
    yyjson_val *key, *value;
    for (uint32_t k = 0; k < t->count; k++)
        ret[k] = NULL;
    if (!yyjson_is_obj(object))
        return;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        unsigned slot = t->slots[name_find(t, json_text(key))];
        if (slot)
            ret[slot - 1] = value;
    }
}

bool json_to_i64(const yyjson_val *v, int64_t *ret_value)
{
    return v && json_is_number(v) && slice_to_i64(json_text(v), ret_value);
}

bool json_to_double(const yyjson_val *v, double *ret_value)
{
    char text[JSON_NUMBER_BYTES_MAX + 1];
    if (!v || !json_is_number(v) || json_text(v).len > JSON_NUMBER_BYTES_MAX)
        return false;
    memcpy(text, json_text(v).data, json_text(v).len);
    text[json_text(v).len] = '\0';
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return false;
    *ret_value = value;
    return true;
}
