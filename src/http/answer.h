#ifndef WEIR_HTTP_ANSWER_H
#define WEIR_HTTP_ANSWER_H
/* The head of an answer, as bytes. Pure. */
#include "base/buf.h"
#include "http/framing.h"

const char *http_status_text(int status); /* "OK"; "" if unknown */
/* IMF-fixdate (RFC 9110 5.6.7) of a unix time in seconds >= 0: 29 characters and a NUL. */
enum { HTTP_DATE_BYTES = 30 };
void http_date(int64_t unix_s, char ret_text[HTTP_DATE_BYTES]);

enum http_length { HTTP_LENGTH_KNOWN, HTTP_LENGTH_CHUNKED, HTTP_LENGTH_TO_END };
enum http_connection { HTTP_CONNECTION_SILENT, HTTP_CONNECTION_CLOSE, HTTP_CONNECTION_KEEP };
struct http_answer {
    int status;
    struct slice date;         /* http_date's */
    struct slice content_type; /* empty = no header */
    const struct framing_header *headers;
    uint32_t header_count;
    struct slice request_id, traceparent; /* empty = no header */
    enum http_length length_kind;
    uint64_t length; /* not sent with 204 and 304 */
    enum http_connection connection;
};
/* A value is cut at its first CR, LF or NUL, and a field whose name is no token is left out: no
 * handler can be made to write a second header. */
void http_answer_head(struct buf *out, const struct http_answer *answer);
#endif
