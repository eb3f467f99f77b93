#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H
/* The framing law: what a request head must be before anything else is believed of it (RFC
 * 9112 2.2, 3.2, 5, 6; reject, never repair). llhttp parses; this decides what llhttp is allowed to
 * see. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* The raw bytes of a head, up to and including the empty line: every line ends CRLF; no bare CR or
 * LF, no NUL, no obsolete folding, no space before a colon, a field name in every line. NULL if
 * fine, else what is wrong. */
const char *framing_check_raw(struct slice head);

struct framing_header {
    struct slice name, value;
};
struct framing_body {
    bool is_chunked;
    bool has_length;
    uint64_t length;
};
struct framing_verdict {
    int status;         /* 0 = fine */
    const char *detail; /* what to fix */
};
/* The parsed fields: exactly one valid Host on 1.1 (at most one on 1.0), at most one Content-Length
 * of digits only, no Content-Length beside Transfer-Encoding, no Transfer-Encoding but "chunked",
 * none on 1.0. */
struct framing_verdict framing_check_fields(const struct framing_header *headers, uint32_t count,
                                            unsigned http_minor, struct framing_body *ret_body);

const char *http_status_text(int status); /* "OK"; "" if unknown */
/* IMF-fixdate (RFC 9110 5.6.7) of a unix time in seconds: 29 characters and a NUL. */
enum { HTTP_DATE_BYTES = 30 };
void http_date(int64_t unix_s, char ret_text[HTTP_DATE_BYTES]);
#endif
