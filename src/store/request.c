/* URLs of requests: every value is percent-encoded here, every parameter escaped, nothing is pasted
 * into SQL. */
#include "store/client_int.h"

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct buf *url, struct slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (is_unreserved(c)) {
            buf_add_char(url, (char)c);
        } else {
            buf_add_char(url, '%');
            buf_add_char(url, digits[c >> 4]);
            buf_add_char(url, digits[c & 15]);
        }
    }
}

void url_add(struct buf *url, const char *prefix, const char *name, struct slice value)
{
    buf_add_char(url, '&');
    buf_add_str(url, prefix);
    add_encoded(url, slice_str(name));
    buf_add_char(url, '=');
    add_encoded(url, value);
}

static char escape_of(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\0':
        return '0';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return 0;
    }
}

void url_escape_param(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char escape = escape_of(value.data[i]);
        if (escape)
            buf_add_char(out, '\\');
        buf_add_char(out, escape ? escape : value.data[i]);
    }
}

void sql_add_name(struct buf *out, const char *name)
{
    buf_add_char(out, '`');
    for (const char *p = name; *p; p++) {
        if (*p == '`' || *p == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *p);
    }
    buf_add_char(out, '`');
}
