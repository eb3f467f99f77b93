#include "http/url.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_decode(struct arena *a, struct slice text, bool is_form, struct slice *ret)
{
    bool is_plain =
        text.len == 0 || (!memchr(text.data, '%', text.len) && !memchr(text.data, '\0', text.len) &&
                          !(is_form && memchr(text.data, '+', text.len)));
    if (is_plain) {
        *ret = text;
        return true;
    }
    char *to = arena_alloc(a, text.len);
    if (!to)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_form) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        to[n++] = c;
    }
    *ret = slice_of(to, n);
    return true;
}

bool url_query_find(struct slice query, struct slice name, struct slice *ret_raw)
{
    while (query.len) {
        struct slice value = slice_cut(&query, '&');
        struct slice key = slice_cut(&value, '=');
        if (slice_eq(key, name)) {
            *ret_raw = value;
            return true;
        }
    }
    return false;
}
