#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H
/* Requests out of bytes: where a head ends, what it says, and its body piece by piece. The framing
 * law (framing.h) judges first; llhttp is the second opinion on the head and takes chunked bodies
 * apart. What is said of a stream of bytes does not depend on how it was cut into pieces. Pure. */
#include <llhttp.h>

#include "http/framing.h"

enum http_verb {
    HTTP_VERB_GET,
    HTTP_VERB_HEAD,
    HTTP_VERB_POST,
    HTTP_VERB_PUT,
    HTTP_VERB_PATCH,
    HTTP_VERB_DELETE,
    HTTP_VERB_OPTIONS,
    HTTP_VERB_OTHER
};

/* ---- finding the head ---- */
enum http_front { HTTP_FRONT_MORE, HTTP_FRONT_HEAD, HTTP_FRONT_BAD };
/* Looks for a whole head at the front of bytes. One empty line before it is skipped (RFC 9112 2.2).
 *
 * scanned    in/out: bytes already looked at in an earlier call with fewer of them; start with 0
 * ret_skip   HEAD: bytes before the head;  ret_len  HEAD: its length, at most head_bytes_max
 * ret_verdict  BAD: 400 for what is no HTTP or has a bare LF, 414 or 431 if it is too long */
enum http_front http_find_head(struct slice bytes, size_t head_bytes_max, size_t *scanned,
                               size_t *ret_skip, size_t *ret_len,
                               struct framing_verdict *ret_verdict) MUST_CHECK;

/* ---- the head ---- */
struct http_limits {
    uint32_t header_count_max;
    uint32_t target_bytes_max;
};
struct http_head {
    enum http_verb verb;
    struct slice method, target, path, query;
    struct framing_header *headers; /* the caller's array */
    uint32_t header_count;
    unsigned minor; /* HTTP/1.minor */
    struct framing_body body;
    bool has_body; /* at least one byte, or chunks, follow */
    bool is_keep_alive;
    bool is_continue_expected; /* Expect: 100-continue, on 1.1 */
};
struct http_parser {
    llhttp_t ll;
    uint64_t left;        /* of a body with a length */
    uint32_t extra_bytes; /* chunk extensions and trailers so far */
    size_t gap_bytes;     /* since the last piece of data, of earlier calls */
    const char *gap_from; /* and of this call: from here */
    bool is_chunked;
    bool is_too_long; /* extra_bytes or gap_bytes went past its bound */
    bool is_sink_full;
    bool (*take)(void *ctx, struct slice piece);
    void *ctx;
};
/* head is whole (http_find_head). headers has room for limits->header_count_max; the slices point
 * into head. On a fine verdict the parser is ready for the body. */
struct framing_verdict http_parse_head(struct http_parser *p, struct slice head,
                                       const struct http_limits *limits,
                                       struct framing_header *headers,
                                       struct http_head *ret_head) MUST_CHECK;

/* ---- the body ---- */
enum http_body_step { HTTP_BODY_MORE, HTTP_BODY_END, HTTP_BODY_BAD, HTTP_BODY_REFUSED };
/* Gives the body's own bytes to take(), in order. *ret_used bytes belonged to the body; after END
 * the next request begins there. REFUSED: take() said false. BAD: malformed chunks, more than 256
 * bytes of chunk extensions, 4 KiB of trailers, or 8 KiB of anything between two pieces of data
 * (*ret_verdict). Trailers are dropped. */
enum http_body_step http_parse_body(struct http_parser *p, struct slice bytes,
                                    bool (*take)(void *ctx, struct slice piece), void *ctx,
                                    size_t *ret_used,
                                    struct framing_verdict *ret_verdict) MUST_CHECK;
#endif
