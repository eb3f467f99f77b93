/* WHAT     Cutting JSON text into values by its strings and brackets alone (json.h,
 *          "structure").
 * WHY      A batch of 10,000 events must neither be held as one tree (16 bytes per 6 of text)
 *          nor fail as a whole because one event in it is malformed.
 * HOW      One pass over the bytes. Inside a string only '"' and '\' matter; outside only quotes
 *          and brackets. Kinds of brackets are not matched here: yyjson does that for each
 *          piece.
 * THREADS  none. */
#include "codec/json.h"

#include "base/swar.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

char json_peek(struct slice text, size_t *at)
{
    while (*at < text.len && is_space(text.data[*at]))
        ++*at;
    return *at < text.len ? text.data[*at] : '\0';
}

/* at: behind the opening quote. Returns the place behind the closing one, 0 if there is none. */
static size_t string_end(struct slice text, size_t at)
{
    while (at < text.len) {
        if (text.len - at >= SWAR_WIDE_BYTES) {
            unsigned first = swar_wide_first(text.data + at, '"', '\\');
            at += first;
            if (first == SWAR_WIDE_BYTES)
                continue;
        }
        if (text.data[at] == '"')
            return at + 1;
        at += text.data[at] == '\\' ? 2 : 1;
    }
    return 0;
}

enum { OTHER, QUOTE, OPEN, CLOSE };
static const unsigned char kinds[256] = {
    ['"'] = QUOTE, ['['] = OPEN, ['{'] = OPEN, [']'] = CLOSE, ['}'] = CLOSE,
};

static bool skip_container(struct slice text, size_t *at, uint32_t *ret_depth)
{
    uint32_t depth = 0, deepest = 0;
    size_t i = *at;
    for (;;) {
        while (i < text.len && kinds[(unsigned char)text.data[i]] == OTHER)
            i++;
        if (i >= text.len)
            return false;
        switch (kinds[(unsigned char)text.data[i++]]) {
        case QUOTE:
            i = string_end(text, i);
            if (i == 0)
                return false;
            break;
        case OPEN:
            if (++depth > deepest)
                deepest = depth;
            break;
        default: /* CLOSE: the first byte was an OPEN */
            if (--depth == 0) {
                *at = i;
                *ret_depth = deepest;
                return true;
            }
            break;
        }
    }
}

uint32_t json_depth_bound(struct slice text)
{
    enum { PIECE_BYTES = 4080 };
    uint32_t n = 0;
    for (; text.len; text = slice_sub(text, PIECE_BYTES)) {
        size_t len = text.len < PIECE_BYTES ? text.len : PIECE_BYTES;
        n += swar_wide_count(text.data, len, 0x20, '{'); /* which '[' is, too, with that bit */
    }
    return n;
}

static bool skip_scalar(struct slice text, size_t *at)
{
    size_t i = *at;
    while (i < text.len && !is_space(text.data[i]) && text.data[i] != ',' &&
           kinds[(unsigned char)text.data[i]] == OTHER)
        i++;
    bool is_some = i > *at;
    *at = i;
    return is_some;
}

bool json_skip(struct slice text, size_t *at, struct json_span *ret_span)
{
    char c = json_peek(text, at);
    size_t from = *at;
    ret_span->depth = 0;
    if (c == '"') {
        size_t end = string_end(text, from + 1);
        if (end == 0)
            return false;
        *at = end;
    } else if (c == '{' || c == '[') {
        if (!skip_container(text, at, &ret_span->depth))
            return false;
    } else if (from >= text.len || !skip_scalar(text, at)) {
        return false;
    }
    ret_span->text = slice_of(text.data + from, *at - from);
    return true;
}

enum rc json_items_begin(struct json_items *it, struct slice array)
{
    size_t at = 0;
    ENSURE(json_peek(array, &at) == '[', RC_INVALID);
    *it = (struct json_items){.text = array, .at = at + 1, .is_first = true};
    return RC_OK;
}

enum rc json_items_next(struct json_items *it, struct json_span *ret_span)
{
    ENSURE(!it->is_done, RC_END);
    char c = json_peek(it->text, &it->at);
    if (c == ']' || (c == ',' && !it->is_first)) {
        it->at++;
        if (c == ']') {
            it->is_done = true;
            return RC_END;
        }
    } else if (!it->is_first) {
        return RC_INVALID;
    }
    it->is_first = false;
    return json_skip(it->text, &it->at, ret_span) ? RC_OK : RC_INVALID;
}

enum rc json_members_begin(struct json_members *it, struct slice object)
{
    size_t at = 0;
    ENSURE(json_peek(object, &at) == '{', RC_INVALID);
    *it = (struct json_members){.text = object, .at = at + 1, .is_first = true};
    return RC_OK;
}

enum rc json_members_key(struct json_members *it, struct slice *ret_key)
{
    char c = json_peek(it->text, &it->at);
    if (c == '}') {
        it->at++;
        return RC_END;
    }
    if (!it->is_first) {
        ENSURE(c == ',', RC_INVALID);
        it->at++;
        c = json_peek(it->text, &it->at);
    }
    it->is_first = false;
    size_t from = it->at + 1, end = c == '"' ? string_end(it->text, from) : 0;
    ENSURE(end, RC_INVALID);
    it->at = end;
    ENSURE(json_peek(it->text, &it->at) == ':', RC_INVALID);
    it->at++;
    json_peek(it->text, &it->at);
    *ret_key = slice_of(it->text.data + from, end - 1 - from);
    return RC_OK;
}

enum rc json_members_next(struct json_members *it, struct slice *ret_key,
                          struct json_span *ret_span)
{
    TRY(json_members_key(it, ret_key));
    return json_skip(it->text, &it->at, ret_span) ? RC_OK : RC_INVALID;
}

bool json_line_next(struct slice *rest, struct slice *ret_line)
{
    while (rest->len) {
        struct slice line = slice_cut(rest, '\n');
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        line = slice_trim(line);
        if (line.len) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}
