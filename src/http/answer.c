#include "http/answer.h"

#include <stdio.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/swar.h"

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}

void http_date(int64_t unix_s, char ret_text[HTTP_DATE_BYTES])
{
    static const char days_of_week[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (unix_s < 0)
        unix_s = 0; /* a clock that is not set yet */
    int64_t days = unix_s / 86400, year;
    unsigned in_day = (unsigned)(unix_s % 86400), month, day;
    civil_from_days(days, &year, &month, &day);
    snprintf(ret_text, HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days_of_week[days % 7], day % 100U, months[month - 1], (unsigned)year % 10000U,
             in_day / 3600U % 100U, in_day / 60U % 60U, in_day % 60U);
}

/* ---- the head: its length is bounded first, so that it is written without further tests ---- */

enum { LINE_EXTRA = 4, /* ": " and CRLF */ FIXED_BYTES = 256 };

static size_t head_bytes_max(const struct http_answer *a)
{
    size_t n =
        FIXED_BYTES + a->date.len + a->content_type.len + a->request_id.len + a->traceparent.len;
    for (uint32_t i = 0; i < a->header_count; i++)
        n += a->headers[i].name.len + a->headers[i].value.len + LINE_EXTRA;
    return n;
}

static char *put(char *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

static char *put_u64(char *to, uint64_t value)
{
    char digits[SLICE_U64_DIGITS];
    return put(to, slice_of_u64(value, digits));
}

static bool ends_value(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

static struct slice up_to_end(struct slice value)
{
    size_t len = 0;
    while (value.len - len >= SWAR_BYTES && !swar_has_below(swar_load(value.data + len), ' '))
        len += SWAR_BYTES;
    while (len < value.len && !ends_value(value.data[len]))
        len++;
    return slice_of(value.data, len);
}

static char *put_header(char *to, struct slice name, struct slice value)
{
    to = put(to, name);
    to = put(to, SLICE_LIT(": "));
    to = put(to, up_to_end(value));
    return put(to, SLICE_LIT("\r\n"));
}

void http_answer_head(struct buf *out, const struct http_answer *a)
{
    char *start = buf_reserve(out, head_bytes_max(a));
    if (!start)
        return;
    char *to = put(start, SLICE_LIT("HTTP/1.1 "));
    to = put_u64(to, (uint64_t)a->status);
    to = put(to, SLICE_LIT(" "));
    to = put(to, slice_str(http_status_text(a->status)));
    to = put(to, SLICE_LIT("\r\nDate: "));
    to = put(to, a->date);
    to = put(to, SLICE_LIT("\r\n"));
    if (a->content_type.len)
        to = put_header(to, SLICE_LIT("Content-Type"), a->content_type);
    for (uint32_t i = 0; i < a->header_count; i++)
        if (framing_is_token(a->headers[i].name))
            to = put_header(to, a->headers[i].name, a->headers[i].value);
    if (a->request_id.len)
        to = put_header(to, SLICE_LIT("X-Request-Id"), a->request_id);
    if (a->traceparent.len)
        to = put_header(to, SLICE_LIT("traceparent"), a->traceparent);
    if (a->length_kind == HTTP_LENGTH_CHUNKED) {
        to = put(to, SLICE_LIT("Transfer-Encoding: chunked\r\n"));
    } else if (a->length_kind == HTTP_LENGTH_KNOWN && a->status != 204 && a->status != 304) {
        to = put(to, SLICE_LIT("Content-Length: "));
        to = put_u64(to, a->length);
        to = put(to, SLICE_LIT("\r\n"));
    }
    if (a->connection == HTTP_CONNECTION_CLOSE)
        to = put(to, SLICE_LIT("Connection: close\r\n"));
    else if (a->connection == HTTP_CONNECTION_KEEP)
        to = put(to, SLICE_LIT("Connection: keep-alive\r\n"));
    to = put(to, SLICE_LIT("\r\n"));
    buf_commit(out, (size_t)(to - start));
}
