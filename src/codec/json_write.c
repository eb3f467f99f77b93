/* WHAT   A yyjson value as compact JSON text (json.h, "writing").
 * WHY    yyjson's own writer allocates, keeps duplicate keys and knows none of our refusals.
 * SIZE   Never longer than the text it was read from: white space goes away, and each escape that
 *        remains is at most as long as the one it came from.
 * DEPTH  Recursive; bounded by json_parse to JSON_DEPTH_MAX. */
#include "codec/json.h"

#include "base/must.h"
#include "base/random.h"
#include "base/swar.h"

/* What stands behind the backslash; 0 = plain, 'u' = \u00XX. */
static const char escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
    'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

static void put_escape(struct json_out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char kind = escapes[c];
    if (kind == 'u')
        json_put(o, (char[6]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    else
        json_put(o, (char[2]){'\\', kind}, 2);
}

/* The last word overlaps the one before it. */
static bool is_plain(struct slice s)
{
    if (s.len < SWAR_BYTES)
        return false;
    uint64_t special = swar_has_json_special(swar_load(s.data + s.len - SWAR_BYTES));
    for (size_t i = 0; i + SWAR_BYTES < s.len && !special; i += SWAR_BYTES)
        special = swar_has_json_special(swar_load(s.data + i));
    return !special;
}

/* Nearly all strings: looked at and copied in one go. False: nothing is written. */
static bool put_plain(struct json_out *o, struct slice s)
{
    uint64_t special = 0;
    if (s.len < SWAR_BYTES || (size_t)(o->end - o->p) < s.len + 2)
        return false;
    char *to = o->p + 1;
    for (size_t i = 0; i < s.len - SWAR_BYTES; i += SWAR_BYTES) {
        uint64_t word = swar_load(s.data + i);
        special |= swar_has_json_special(word);
        memcpy(to + i, &word, sizeof(word));
    }
    uint64_t word = swar_load(s.data + s.len - SWAR_BYTES); /* overlaps the one before it */
    memcpy(to + s.len - SWAR_BYTES, &word, sizeof(word));
    if (special | swar_has_json_special(word))
        return false;
    to[-1] = to[s.len] = '"';
    o->p = to + s.len + 1;
    return true;
}

bool json_put_string(struct json_out *o, struct slice s)
{
    size_t from = 0;
    if (put_plain(o, s))
        return true;
    json_put_char(o, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.data[i++];
        if (LIKELY(!escapes[c]))
            continue;
        if (c == 0)
            return false;
        json_put(o, s.data + from, i - 1 - from);
        put_escape(o, c);
        from = i;
    }
    json_put(o, s.data + from, s.len - from);
    json_put_char(o, '"');
    return true;
}

static bool is_ascii(struct slice s)
{
    uint64_t high = 0;
    for (size_t i = 0; i + SWAR_BYTES < s.len; i += SWAR_BYTES)
        high |= swar_load(s.data + i);
    return !swar_has_high(high | swar_load(s.data + s.len - SWAR_BYTES));
}

void json_put_bytes(struct json_out *o, struct slice s)
{
    json_put_char(o, '"');
    bool is_simple = is_plain(s) && is_ascii(s);
    if (is_simple)
        json_put(o, s.data, s.len);
    for (size_t i = is_simple ? s.len : 0; i < s.len;) {
        unsigned char c = (unsigned char)s.data[i];
        size_t n = slice_utf8_len(slice_sub(s, i));
        if (n == 0)
            json_put_lit(o, "\xef\xbf\xbd");
        else if (c && escapes[c])
            put_escape(o, c);
        else if (c)
            json_put(o, s.data + i, n);
        i += n ? n : 1;
    }
    json_put_char(o, '"');
}

const char *json_problem_text(enum json_problem problem)
{
    switch (problem) {
    case JSON_HAS_NUL:
        return "a string contains the character U+0000";
    case JSON_KEY_TOO_LONG:
        return "a key is longer than 200 bytes";
    case JSON_NUMBER_RANGE:
        return "a number is out of range";
    case JSON_NO_MEMORY:
        return "too many keys in one object";
    case JSON_FINE:
        break;
    }
    return "fine";
}

/* Where an exponent might leave a double's range, ask strtod; plain digits cannot within 64
 * characters. */
static bool is_number_fine(const yyjson_val *v)
{
    struct slice text = json_text(v);
    double value;
    if (text.len > JSON_NUMBER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] | 0x20) == 'e')
            return json_to_double(v, &value);
    return true;
}

/* ---- duplicate keys ----
 * Each key is compared with the later ones, as long as that are no more than FEW_COMPARISONS in a
 * small object (of many members most may be left out); else a table of the last member of each
 * name, with a seeded hash so that chosen keys cannot make it slow. */
enum { SMALL = 32, FEW_COMPARISONS = 128 };

static uint64_t key_hash(struct slice key, uint64_t seed)
{
    uint64_t h = seed ^ key.len;
    for (size_t i = 0; i < key.len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, key.data + i, key.len - i < 8 ? key.len - i : 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        h = (h + seed) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
    }
    return h;
}

struct last_table {
    yyjson_val **slots; /* the last key of each name */
    size_t mask;
    uint64_t seed;
};

static yyjson_val **last_slot(const struct last_table *t, yyjson_val *key)
{
    size_t i = key_hash(json_text(key), t->seed) & t->mask;
    while (t->slots[i] && !slice_eq(json_text(t->slots[i]), json_text(key)))
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

static bool last_table_fill(struct last_table *t, yyjson_val *object, struct arena *scratch)
{
    static _Thread_local uint64_t seed;
    size_t i, n = yyjson_obj_size(object), cap = 64;
    yyjson_val *key, *value;
    while (seed == 0)
        seed = random_u64();
    while (cap < 2 * n)
        cap *= 2;
    t->seed = seed;
    t->mask = cap - 1;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    t->slots = arena_zalloc(scratch, cap * sizeof(*t->slots));
    if (!t->slots)
        return false;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        *last_slot(t, key) = key;
    }
    return true;
}

static bool is_repeated_later(yyjson_val *key, yyjson_val *value, size_t left)
{
    struct slice name = json_text(key);
    for (yyjson_val *k = unsafe_yyjson_get_next(value); left; left--) {
        if (slice_eq(json_text(k), name))
            return true;
        k = unsafe_yyjson_get_next(k + 1);
    }
    return false;
}

static bool is_skipped(struct slice name, const char *const *skip)
{
    if (!name.len)
        return false;
    for (; *skip; skip++)
        if (**skip == name.data[0] && slice_eq_str(name, *skip))
            return true;
    return false;
}

static enum json_problem write_value(struct json_out *o, yyjson_val *v, struct arena *scratch);

static enum json_problem write_object(struct json_out *o, yyjson_val *v, const char *const *skip,
                                      struct arena *scratch)
{
    struct last_table table = {0};
    size_t i, n, comparisons = yyjson_obj_size(v) > SMALL ? FEW_COMPARISONS : 0;
    yyjson_val *key, *value;
    bool is_first = true;
    json_put_char(o, '{');
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (json_text(key).len > JSON_KEY_BYTES_MAX)
            return JSON_KEY_TOO_LONG;
        if (skip && is_skipped(json_text(key), skip))
            continue;
        comparisons += n - i - 1;
        if (comparisons > FEW_COMPARISONS && !table.slots && !last_table_fill(&table, v, scratch))
            return JSON_NO_MEMORY;
        if (table.slots ? *last_slot(&table, key) != key : is_repeated_later(key, value, n - i - 1))
            continue;
        if (!is_first)
            json_put_char(o, ',');
        is_first = false;
        if (!json_put_string(o, json_text(key)))
            return JSON_HAS_NUL;
        json_put_char(o, ':');
        enum json_problem problem = write_value(o, value, scratch);
        if (problem != JSON_FINE)
            return problem;
    }
    json_put_char(o, '}');
    return JSON_FINE;
}

static enum json_problem write_array(struct json_out *o, yyjson_val *v, struct arena *scratch)
{
    size_t i, n;
    yyjson_val *item;
    json_put_char(o, '[');
    yyjson_arr_foreach(v, i, n, item)
    {
        if (i)
            json_put_char(o, ',');
        enum json_problem problem = write_value(o, item, scratch);
        if (problem != JSON_FINE)
            return problem;
    }
    json_put_char(o, ']');
    return JSON_FINE;
}

static enum json_problem write_value(struct json_out *o, yyjson_val *v, struct arena *scratch)
{
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        return json_put_string(o, json_text(v)) ? JSON_FINE : JSON_HAS_NUL;
    case YYJSON_TYPE_RAW:
        if (!is_number_fine(v))
            return JSON_NUMBER_RANGE;
        json_put(o, json_text(v).data, json_text(v).len);
        return JSON_FINE;
    case YYJSON_TYPE_BOOL:
        if (yyjson_is_true(v))
            json_put_lit(o, "true");
        else
            json_put_lit(o, "false");
        return JSON_FINE;
    case YYJSON_TYPE_OBJ:
        return write_object(o, v, NULL, scratch);
    case YYJSON_TYPE_ARR:
        return write_array(o, v, scratch);
    default:
        json_put_lit(o, "null");
        return JSON_FINE;
    }
}

enum json_problem json_write(struct json_out *o, yyjson_val *v, const char *const *skip,
                             struct arena *scratch)
{
    return yyjson_is_obj(v) ? write_object(o, v, skip, scratch) : write_value(o, v, scratch);
}
