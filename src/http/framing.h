#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H
/* The framing law: what a request head must be before anything else is believed of it (RFC 9112
 * 2.2, 3.2, 5, 6; reject, never repair). One reading of a head is lawful; whatever two parsers
 * could read differently is refused. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"

struct framing_header {
    struct slice name, value; /* value without the space around it */
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
#define FRAMING_FINE ((struct framing_verdict){0, NULL})

struct framing_line {
    struct slice method, target;
    unsigned minor; /* HTTP/1.minor */
};

bool framing_is_token(struct slice text); /* RFC 9110 5.6.2: what a field may be called */
/* uri-host [":" port], or an address in brackets, not empty: by its characters (RFC 9110 7.2). */
bool framing_is_host(struct slice text);

/* Splits a head, up to and including its empty line, into request line and fields. Every line ends
 * CRLF; no bare CR or LF, no NUL or other control byte, no obsolete folding, no space before a
 * colon; single spaces in the request line; HTTP/1.0 or 1.1 (505 otherwise). More than header_max
 * fields: 431. The slices point into head. */
struct framing_verdict framing_split(struct slice head, struct framing_line *ret_line,
                                     struct framing_header *headers, uint32_t header_max,
                                     uint32_t *ret_count) MUST_CHECK;

/* The fields: exactly one valid Host on 1.1 (at most one on 1.0), at most one Content-Length of
 * digits only, no Content-Length beside Transfer-Encoding, no Transfer-Encoding but "chunked", none
 * on 1.0. *ret_body is written only if the verdict is fine. */
struct framing_verdict framing_check_fields(const struct framing_header *headers, uint32_t count,
                                            unsigned http_minor,
                                            struct framing_body *ret_body) MUST_CHECK;

/* origin-form; absolute-form of http and https whose authority is the Host field's value (empty =
 * there was none); "*" of OPTIONS. No fragment, no user name. Path and query stay encoded. */
struct framing_verdict framing_check_target(struct slice method, struct slice target,
                                            struct slice host, struct slice *ret_path,
                                            struct slice *ret_query) MUST_CHECK;
#endif
