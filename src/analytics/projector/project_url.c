/* WHAT    The parts of a page's URL that become columns.
 * WHY     Not a validating URL parser: a page's URL is whatever a browser or an access log says,
 *         also a bare path. What cannot be told is left empty, nothing is refused.
 * THREADS none. */
#include "analytics/projector/project_int.h"

/* Where the first byte of a set lies, s.len if there is none. */
enum { AUTHORITY_END = 1, PATH_END = 2, PORT = 4, BRACKET = 8, ESCAPE = 16 };
static const unsigned char marks[256] = {
    ['/'] = AUTHORITY_END,
    ['?'] = AUTHORITY_END | PATH_END,
    ['#'] = AUTHORITY_END | PATH_END,
    [':'] = PORT,
    [']'] = BRACKET,
    ['%'] = ESCAPE,
    ['+'] = ESCAPE,
};

static size_t find_any(struct slice s, unsigned set)
{
    size_t i = 0;
    while (i < s.len && !(marks[(unsigned char)s.data[i]] & set))
        i++;
    return i;
}

static bool has_scheme(struct slice s, size_t *ret_behind)
{
    size_t i = 0;
    while (i < s.len && i < 32 &&
           ((s.data[i] | 0x20) >= 'a' && (s.data[i] | 0x20) <= 'z'
                ? true
                : i > 0 && ((s.data[i] >= '0' && s.data[i] <= '9') || s.data[i] == '+' ||
                            s.data[i] == '-' || s.data[i] == '.')))
        i++;
    if (i == 0 || s.len - i < 3 || memcmp(s.data + i, "://", 3) != 0)
        return false;
    *ret_behind = i + 3;
    return true;
}

static struct slice host_of(struct slice authority)
{
    const char *at = memrchr(authority.data, '@', authority.len);
    if (at)
        authority = slice_sub(authority, (size_t)(at - authority.data) + 1);
    if (authority.len && authority.data[0] == '[') { /* IPv6: the port follows the bracket */
        size_t end = find_any(authority, BRACKET);
        return end < authority.len ? slice_of(authority.data, end + 1) : SLICE_EMPTY;
    }
    return slice_of(authority.data, find_any(authority, PORT));
}

struct project_url project_url_split(struct slice url)
{
    struct project_url out = {SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    size_t behind = 0;
    if (url.len >= 2 && url.data[0] == '/' && url.data[1] == '/')
        behind = 2; /* //host/path, as referrers without a scheme are sometimes written */
    if (behind || has_scheme(url, &behind)) {
        struct slice rest = slice_sub(url, behind);
        size_t end = find_any(rest, AUTHORITY_END);
        if (end)
            out.host = host_of(slice_of(rest.data, end));
        url = slice_sub(rest, end);
        if (out.host.len && (url.len == 0 || url.data[0] != '/'))
            out.path = SLICE_LIT("/");
    }
    if (url.len && url.data[0] == '/')
        out.path = slice_of(url.data, find_any(url, PATH_END));
    size_t mark = find_any(url, PATH_END);
    if (mark < url.len && url.data[mark] == '?') {
        struct slice query = slice_sub(url, mark + 1);
        const char *fragment = query.len ? memchr(query.data, '#', query.len) : NULL;
        out.query = slice_of(query.data, fragment ? (size_t)(fragment - query.data) : query.len);
    }
    return out;
}

struct slice project_url_host(struct slice host, struct arena *scratch)
{
    while (host.len && host.data[host.len - 1] == '.') /* the root's: "example.com." is no other */
        host.len--;
    if (host.len == 0 || host.len > PROJECT_DOMAIN_BYTES_MAX)
        return SLICE_EMPTY;
    bool is_lower = true;
    for (size_t i = 0; i < host.len; i++)
        is_lower &= host.data[i] < 'A' || host.data[i] > 'Z';
    if (is_lower)
        return host;
    char *to = arena_alloc(scratch, host.len);
    if (!to)
        return SLICE_EMPTY;
    for (size_t i = 0; i < host.len; i++)
        to[i] =
            (char)(host.data[i] >= 'A' && host.data[i] <= 'Z' ? host.data[i] + 32 : host.data[i]);
    return slice_of(to, host.len);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum { VALUE_BYTES_MAX = ACQUISITION_VALUE_BYTES_MAX };
static struct slice decode(struct slice s, struct arena *scratch)
{
    if (find_any(s, ESCAPE) == s.len)
        return slice_of(s.data, s.len < VALUE_BYTES_MAX ? s.len : VALUE_BYTES_MAX);
    char *to = arena_alloc(scratch, VALUE_BYTES_MAX);
    if (!to)
        return SLICE_EMPTY;
    size_t n = 0;
    for (size_t i = 0; i < s.len && n < VALUE_BYTES_MAX; i++) {
        int high = -1, low = -1;
        if (s.data[i] == '%' && s.len - i > 2) {
            high = hex_digit(s.data[i + 1]);
            low = hex_digit(s.data[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            to[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            to[n++] = s.data[i] == '+' ? ' ' : s.data[i];
        }
    }
    return slice_of(to, n);
}

/* The longest valid UTF-8 text that s begins with: a cut or a %ff must not reach the answers. */
static struct slice valid_part(struct slice s)
{
    size_t n = 0;
    while (n < s.len) {
        size_t step = (unsigned char)s.data[n] < 0x80 ? 1 : slice_utf8_len(slice_sub(s, n));
        if (step == 0)
            break;
        n += step;
    }
    return slice_of(s.data, n);
}

struct slice project_url_value(struct slice raw, struct arena *scratch)
{
    return valid_part(decode(raw, scratch));
}
