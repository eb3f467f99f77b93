/* The parser: one pass, no copies. */
#include "analytics/import/access_log.h"

#include "base/attr.h"

const char *access_log_reject_name(enum access_log_reject reason)
{
    static const char *const names[ACCESS_LOG_REJECT_COUNT] = {
        [ACCESS_LOG_OK] = "ok",
        [ACCESS_LOG_EMPTY] = "empty",
        [ACCESS_LOG_TOO_LONG] = "too_long",
        [ACCESS_LOG_NO_ADDRESS] = "no_address",
        [ACCESS_LOG_BAD_TIME] = "bad_time",
        [ACCESS_LOG_BAD_REQUEST] = "bad_request",
        [ACCESS_LOG_BAD_STATUS] = "bad_status",
        [ACCESS_LOG_BAD_TAIL] = "bad_tail",
    };
    return names[reason];
}

static bool take_char(struct slice *s, char c)
{
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = slice_sub(*s, 1);
    return true;
}

static struct slice take_word(struct slice *s)
{
    size_t n = 0;
    while (n < s->len && s->data[n] != ' ')
        n++;
    struct slice word = slice_of(s->data, n);
    *s = slice_sub(*s, n);
    return word;
}

/* "…" with \" and \\ inside; the quotes are taken off. */
static bool take_quoted(struct slice *s, struct slice *ret)
{
    if (!take_char(s, '"'))
        return false;
    for (size_t i = 0; i < s->len; i++) {
        if (s->data[i] == '\\') {
            i++;
        } else if (s->data[i] == '"') {
            *ret = slice_of(s->data, i);
            *s = slice_sub(*s, i + 1);
            return true;
        }
    }
    return false;
}

static bool take_number(struct slice *s, size_t digits, unsigned *ret)
{
    uint64_t value;
    if (s->len < digits || !slice_to_u64(slice_of(s->data, digits), &value))
        return false;
    *ret = (unsigned)value;
    *s = slice_sub(*s, digits);
    return true;
}

static bool take_month(struct slice *s, unsigned *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned m = 0; m < 12; m++) {
        if (!slice_has_prefix(*s, slice_of(names + m * 3, 3)))
            continue;
        *ret = m + 1;
        *s = slice_sub(*s, 3);
        return true;
    }
    return false;
}

/* [17/May/2015:10:05:03 +0000] */
static bool take_time(struct slice *s, unix_ms *ret)
{
    unsigned day, month, year, hour, minute, second, zone_hour, zone_minute;
    if (!take_char(s, '[') || !take_number(s, 2, &day) || !take_char(s, '/') ||
        !take_month(s, &month) || !take_char(s, '/') || !take_number(s, 4, &year) ||
        !take_char(s, ':') || !take_number(s, 2, &hour) || !take_char(s, ':') ||
        !take_number(s, 2, &minute) || !take_char(s, ':') || !take_number(s, 2, &second) ||
        !take_char(s, ' '))
        return false;
    int64_t sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    if (sign == 0 || !take_number(s, 2, &zone_hour) || !take_number(s, 2, &zone_minute) ||
        !take_char(s, ']'))
        return false;
    if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 || zone_hour > 23 ||
        zone_minute > 59)
        return false;
    int64_t days = days_from_civil(year, month, day), y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    if (m != month || d != day)
        return false; /* 31 April */
    int64_t seconds = days * 86400 + (int64_t)hour * 3600 + (int64_t)minute * 60 +
                      (second == 60 ? 59 : second) -
                      sign * ((int64_t)zone_hour * 3600 + (int64_t)zone_minute * 60);
    ret->ms = seconds * 1000;
    return seconds >= 0;
}

/* Referrer and user agent: a line that was cut off inside its last field still tells everything
 * before it. */
static bool take_tail(struct slice *s, struct slice *ret)
{
    struct slice rest = *s;
    if (take_quoted(s, ret))
        return true;
    if (!take_char(&rest, '"'))
        return false;
    *ret = rest;
    *s = SLICE_EMPTY;
    return true;
}

/* "GET /path HTTP/1.1"; HTTP/0.9 has no protocol. */
static bool split_request(struct slice request, struct access_log_line *ret)
{
    struct slice rest = request;
    ret->method = take_word(&rest);
    if (ret->method.len == 0 || ret->method.len > 32 || !take_char(&rest, ' '))
        return false;
    for (size_t i = 0; i < ret->method.len; i++)
        if (ret->method.data[i] < 'A' || ret->method.data[i] > 'Z')
            return false;
    /* A target may hold spaces (logged as they came): the protocol is the last word. */
    size_t last = rest.len;
    while (last > 0 && rest.data[last - 1] != ' ')
        last--;
    if (last > 0 && slice_has_prefix(slice_sub(rest, last), SLICE_LIT("HTTP/"))) {
        ret->protocol = slice_sub(rest, last);
        rest.len = last - 1;
    }
    ret->target = rest;
    return rest.len > 0;
}

static struct slice dash_is_empty(struct slice s)
{
    return slice_eq_str(s, "-") ? SLICE_EMPTY : s;
}

enum access_log_reject access_log_parse(struct slice line, struct access_log_line *ret)
{
    struct slice s = line, request, number, tail;
    uint64_t status;
    *ret = (struct access_log_line){.bytes = -1};
    if (s.len && s.data[s.len - 1] == '\r')
        s.len--;
    if (s.len == 0)
        return ACCESS_LOG_EMPTY;
    ret->address = take_word(&s);
    if (ret->address.len == 0 || !take_char(&s, ' '))
        return ACCESS_LOG_NO_ADDRESS;
    take_word(&s); /* identd's answer: nobody runs it */
    if (!take_char(&s, ' '))
        return ACCESS_LOG_NO_ADDRESS;
    /* A user name may hold spaces: it ends where the time begins. */
    const char *bracket = s.len ? memmem(s.data, s.len, " [", 2) : NULL;
    if (!bracket)
        return ACCESS_LOG_BAD_TIME;
    ret->user = dash_is_empty(slice_of(s.data, (size_t)(bracket - s.data)));
    s = slice_sub(s, (size_t)(bracket - s.data) + 1);
    if (!take_time(&s, &ret->time) || !take_char(&s, ' '))
        return ACCESS_LOG_BAD_TIME;
    if (!take_quoted(&s, &request) || !split_request(request, ret))
        return ACCESS_LOG_BAD_REQUEST;
    if (!take_char(&s, ' '))
        return ACCESS_LOG_BAD_STATUS;
    number = take_word(&s);
    if (number.len != 3 || !slice_to_u64(number, &status) || status < 100)
        return ACCESS_LOG_BAD_STATUS;
    ret->status = (uint32_t)status;
    if (!take_char(&s, ' '))
        return ACCESS_LOG_BAD_STATUS;
    number = take_word(&s);
    if (!slice_eq_str(number, "-") && !slice_to_i64(number, &ret->bytes))
        return ACCESS_LOG_BAD_STATUS;
    if (s.len == 0)
        return ACCESS_LOG_OK; /* Common log format */
    if (!take_char(&s, ' ') || !take_tail(&s, &tail))
        return ACCESS_LOG_BAD_TAIL;
    ret->referrer = dash_is_empty(tail);
    if (s.len == 0)
        return ACCESS_LOG_OK; /* cut off here */
    if (!take_char(&s, ' ') || !take_tail(&s, &tail))
        return ACCESS_LOG_BAD_TAIL;
    ret->user_agent = dash_is_empty(tail);
    return ACCESS_LOG_OK; /* further fields of a longer format are not looked at */
}

bool access_log_is_pageview(const struct access_log_line *l)
{
    static const char *const static_files[] = {
        ".css", ".js",   ".mjs",  ".map", ".png",  ".jpg",  ".jpeg",  ".gif",
        ".svg", ".webp", ".avif", ".ico", ".bmp",  ".woff", ".woff2", ".ttf",
        ".otf", ".eot",  ".mp3",  ".mp4", ".webm", ".ogg",  ".pdf",   ".zip",
        ".gz",  ".tar",  ".xml",  ".txt", ".json", ".rss",  ".atom"};
    if (!slice_eq_str(l->method, "GET") || l->status < 200 || l->status > 399)
        return false;
    struct slice path = l->target;
    path.len = 0;
    while (path.len < l->target.len && l->target.data[path.len] != '?' &&
           l->target.data[path.len] != '#')
        path.len++;
    for (size_t i = 0; i < COUNT_OF(static_files); i++) {
        struct slice end = slice_str(static_files[i]);
        if (path.len > end.len && slice_eq_nocase(slice_sub(path, path.len - end.len), end))
            return false;
    }
    return true;
}
