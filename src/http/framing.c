#include "http/framing.h"

#include <stdio.h>

#include "base/attr.h"
#include "base/clock.h"

static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *check_field_line(struct slice line)
{
    size_t name = 0;
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return "A header line begins with a space (obsolete line folding).";
    while (name < line.len && is_token_char((unsigned char)line.data[name]))
        name++;
    if (name == 0 || name == line.len || line.data[name] != ':')
        return "A header line is not 'name: value' (no space may stand before the colon).";
    for (size_t i = name; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "A header value has a control character.";
    }
    return NULL;
}

static const char *check_request_line(struct slice line)
{
    unsigned spaces = 0;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if (c == ' ')
            spaces++;
        else if (c < 0x21 || c == 0x7f)
            return "The request line has a control character.";
    }
    return spaces == 2 ? NULL
                       : "The request line is not 'METHOD target HTTP/1.1' with single spaces.";
}

const char *framing_check_raw(struct slice head)
{
    bool is_first = true;
    while (head.len) {
        const char *lf = memchr(head.data, '\n', head.len);
        if (!lf)
            return "The head does not end with an empty line.";
        size_t len = (size_t)(lf - head.data);
        if (len == 0 || head.data[len - 1] != '\r')
            return "A line ends with LF alone; CRLF is needed.";
        struct slice line = slice_of(head.data, len - 1);
        if (line.len && memchr(line.data, '\r', line.len))
            return "A line holds a CR that does not end it.";
        if (line.len && memchr(line.data, '\0', line.len))
            return "The head holds a NUL byte.";
        head = slice_sub(head, len + 1);
        if (line.len == 0)
            return head.len || is_first ? "The head has an empty line inside." : NULL;
        const char *wrong = is_first ? check_request_line(line) : check_field_line(line);
        if (wrong)
            return wrong;
        is_first = false;
    }
    return "The head does not end with an empty line.";
}

static bool is_host(struct slice value)
{
    if (value.len > 255)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\\"<>^`{|},", c))
            return false;
    }
    return true;
}

#define REJECT(code, text)          \
    return (struct framing_verdict) \
    {                               \
        code, text                  \
    }

struct framing_verdict framing_check_fields(const struct framing_header *headers, uint32_t count,
                                            unsigned http_minor, struct framing_body *ret_body)
{
    unsigned hosts = 0, lengths = 0, codings = 0;
    struct framing_body body = {.is_chunked = false};
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = headers[i].name, value = headers[i].value;
        if (slice_eq_nocase(name, SLICE_LIT("host"))) {
            if (++hosts > 1)
                REJECT(400, "There are two Host fields.");
            if (!is_host(value))
                REJECT(400, "The Host field is not a host and port.");
        } else if (slice_eq_nocase(name, SLICE_LIT("content-length"))) {
            if (++lengths > 1)
                REJECT(400, "There are two Content-Length fields.");
            if (!slice_to_u64(value, &body.length) || body.length > (uint64_t)INT64_MAX)
                REJECT(400, "Content-Length is not a decimal number.");
            body.has_length = true;
        } else if (slice_eq_nocase(name, SLICE_LIT("transfer-encoding"))) {
            if (++codings > 1)
                REJECT(400, "There are two Transfer-Encoding fields.");
            if (!slice_eq_nocase(value, SLICE_LIT("chunked")))
                REJECT(501, "Transfer-Encoding can only be chunked.");
            body.is_chunked = true;
        }
    }
    if (hosts == 0 && http_minor >= 1)
        REJECT(400, "The Host field is missing.");
    if (body.is_chunked && body.has_length)
        REJECT(400, "Content-Length and Transfer-Encoding must not come together.");
    if (body.is_chunked && http_minor == 0)
        REJECT(400, "HTTP/1.0 has no Transfer-Encoding.");
    *ret_body = body;
    return (struct framing_verdict){0, NULL};
}

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
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
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
    int64_t days = unix_s / 86400, year;
    unsigned in_day = (unsigned)(unix_s % 86400), month, day;
    civil_from_days(days, &year, &month, &day);
    snprintf(ret_text, HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days_of_week[days % 7], day % 100U, months[month - 1], (unsigned)year % 10000U,
             in_day / 3600U % 100U, in_day / 60U % 60U, in_day % 60U);
}
