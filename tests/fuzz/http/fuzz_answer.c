/* Whatever a handler puts into an answer's fields: the head has exactly the lines that it should,
 * none of them with a control character that was not given as part of a value, and it ends once. */
#include "base/must.h"
#include "http/answer.h"

enum { HEADERS = 6, OUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A piece of the input: one byte of length, then the bytes. */
static struct slice take(struct slice *rest)
{
    if (rest->len == 0)
        return SLICE_EMPTY;
    size_t len = (unsigned char)rest->data[0];
    *rest = slice_sub(*rest, 1);
    if (len > rest->len)
        len = rest->len;
    struct slice piece = slice_of(rest->data, len);
    *rest = slice_sub(*rest, len);
    return piece;
}

static bool is_line_clean(struct slice line)
{
    return !memchr(line.data, '\r', line.len) && !memchr(line.data, '\n', line.len) &&
           !memchr(line.data, '\0', line.len);
}

static void check_date(int64_t unix_s)
{
    char text[HTTP_DATE_BYTES];
    http_date(unix_s, text);
    must(strlen(text) == HTTP_DATE_BYTES - 1 && text[3] == ',' && text[19] == ':');
}

/* The lines after the status line, and the empty one as the last. */
static uint32_t count_lines(struct slice rest)
{
    uint32_t lines = 0;
    for (;;) {
        const char *crlf = memmem(rest.data, rest.len, "\r\n", 2);
        must(crlf);
        struct slice line = slice_of(rest.data, (size_t)(crlf - rest.data));
        must(is_line_clean(line));
        rest = slice_sub(rest, line.len + 2);
        if (line.len == 0)
            break;
        must(lines == 0 || memmem(line.data, line.len, ": ", 2));
        lines++;
    }
    must(rest.len == 0);
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf out;
    struct framing_header headers[HEADERS];
    struct slice rest = slice_of((const char *)data, size), numbers = take(&rest);
    struct http_answer a = {.status = 200, .date = SLICE_LIT("D"), .headers = headers};
    uint64_t number = 0;
    if (numbers.len)
        memcpy(&number, numbers.data, numbers.len < sizeof(number) ? numbers.len : sizeof(number));
    a.status = (int)(200 + number % 400);
    a.length_kind = (enum http_length)(number / 400 % 3);
    a.connection = (enum http_connection)(number / 1200 % 3);
    a.length = number;
    check_date((int64_t)(number % INT64_C(253402300800)));
    check_date((int64_t)number < 0 ? (int64_t)number : -1);
    a.content_type = take(&rest);
    a.request_id = take(&rest);
    uint32_t lines = 2; /* status line, date */
    lines += a.content_type.len > 0;
    lines += a.request_id.len > 0;
    lines += a.connection != HTTP_CONNECTION_SILENT;
    lines += a.length_kind == HTTP_LENGTH_CHUNKED;
    if (a.length_kind == HTTP_LENGTH_KNOWN && a.status != 204 && a.status != 304)
        lines++;
    while (rest.len && a.header_count < HEADERS) {
        struct framing_header *h = &headers[a.header_count++];
        h->name = take(&rest);
        h->value = take(&rest);
        lines += framing_is_token(h->name);
    }
    a.traceparent = take(&rest);
    lines += a.traceparent.len > 0;
    if (!out.bytes_max)
        buf_init(&out, OUT_MAX);
    buf_clear(&out);
    http_answer_head(&out, &a);
    must(buf_ok(&out) && count_lines(buf_slice(&out)) == lines);
    return 0;
}
