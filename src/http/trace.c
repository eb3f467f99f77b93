/* SOURCE  w3c/trace-context 20-http_request_header_format.md, w3c/baggage HTTP_HEADER_FORMAT.md */
#include "http/trace.h"

#include <string.h>

enum {
    TENANT_BYTES_MAX = 241,
    SYSTEM_BYTES_MAX = 14,
    KEY_BYTES_MAX = 256,
    VALUE_BYTES_MAX = 256,
};

/* ---- traceparent ---- */

bool trace_parse_parent(struct slice value, struct ctx_span *ret_span)
{
    uint8_t version;
    char text[CTX_TRACEPARENT_LEN];
    if (value.len < sizeof(text) || !slice_unhex(value.data, 1, &version) || version == 0xff)
        return false;
    if (value.len > sizeof(text) && (version == 0 || value.data[sizeof(text)] != '-'))
        return false;
    memcpy(text, value.data, sizeof(text));
    text[0] = text[1] = '0';
    return ctx_span_parse(slice_of(text, sizeof(text)), ret_span);
}

/* ---- lists ---- */

enum { LOWER = 1, DIGIT = 2, KEY_MARK = 4, STATE = 8, TOKEN = 16, BAGGAGE = 32 };

static unsigned class_of(char ch)
{
    unsigned char c = (unsigned char)ch;
    if (c < 0x20 || c > 0x7e)
        return 0;
    unsigned k = 0;
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool is_digit = c >= '0' && c <= '9';
    k |= c >= 'a' && c <= 'z' ? LOWER : 0;
    k |= is_digit ? DIGIT : 0;
    k |= strchr("_-*/", c) ? KEY_MARK : 0;
    k |= c != ',' && c != '=' ? STATE : 0;
    k |= is_letter || is_digit || strchr("!#$%&'*+-.^_`|~", c) ? TOKEN : 0;
    k |= !strchr(" \",;\\", c) ? BAGGAGE : 0;
    return k;
}

static bool is_all(struct slice s, unsigned classes)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(class_of(s.data[i]) & classes))
            return false;
    return true;
}

/* ---- tracestate ---- */

static bool is_key_part(struct slice part, unsigned first, size_t bytes_max)
{
    return part.len > 0 && part.len <= bytes_max && (class_of(part.data[0]) & first) &&
           is_all(part, LOWER | DIGIT | KEY_MARK);
}

/* Either a name, or tenant@system. */
static bool is_state_key(struct slice key)
{
    const char *at = key.len ? memchr(key.data, '@', key.len) : NULL;
    if (!at)
        return is_key_part(key, LOWER, KEY_BYTES_MAX);
    size_t n = (size_t)(at - key.data);
    return is_key_part(slice_of(key.data, n), LOWER | DIGIT, TENANT_BYTES_MAX) &&
           is_key_part(slice_sub(key, n + 1), LOWER, SYSTEM_BYTES_MAX);
}

static bool is_state_value(struct slice value)
{
    return value.len > 0 && value.len <= VALUE_BYTES_MAX && value.data[value.len - 1] != ' ' &&
           is_all(value, STATE);
}

static bool has(const struct slice *keys, size_t count, struct slice key)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(keys[i], key))
            return true;
    return false;
}

bool trace_state_is_valid(struct slice value)
{
    struct slice keys[TRACE_STATE_MEMBERS_MAX];
    size_t count = 0;
    while (value.len) {
        struct slice text = slice_trim(slice_cut(&value, ','));
        if (text.len == 0)
            continue; /* an empty member is allowed */
        const char *equals = memchr(text.data, '=', text.len);
        size_t n = equals ? (size_t)(equals - text.data) : text.len;
        struct slice key = slice_of(text.data, n);
        if (count == TRACE_STATE_MEMBERS_MAX || has(keys, count, key) || !is_state_key(key) ||
            !is_state_value(slice_sub(text, n + 1)))
            return false;
        keys[count++] = key;
    }
    return count > 0;
}

/* ---- baggage ---- */

/* key [= value]; a member must have a value, a property may. */
static bool is_pair(struct slice text, bool needs_value)
{
    const char *equals = text.len ? memchr(text.data, '=', text.len) : NULL;
    size_t n = equals ? (size_t)(equals - text.data) : text.len;
    struct slice key = slice_trim(slice_of(text.data, n));
    return key.len > 0 && is_all(key, TOKEN) && (equals || !needs_value) &&
           is_all(slice_trim(slice_sub(text, n + 1)), BAGGAGE);
}

static bool is_baggage_member(struct slice text)
{
    bool is_first = true;
    for (bool is_last = false; !is_last; is_first = false) {
        is_last = text.len == 0 || !memchr(text.data, ';', text.len);
        if (!is_pair(slice_trim(slice_cut(&text, ';')), is_first))
            return false;
    }
    return true;
}

bool trace_baggage_is_valid(struct slice value)
{
    size_t count = 0;
    if (value.len == 0 || value.len > TRACE_BAGGAGE_BYTES_MAX)
        return false;
    while (value.len) {
        bool is_last = !memchr(value.data, ',', value.len);
        if (count++ == TRACE_BAGGAGE_MEMBERS_MAX ||
            !is_baggage_member(slice_trim(slice_cut(&value, ','))) || (!is_last && value.len == 0))
            return false;
    }
    return true;
}
