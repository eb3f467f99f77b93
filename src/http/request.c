#include "http/request.h"

#include "base/attr.h"

/* The first two count names and values; the third everything that is no data, such as the
 * leading zeros of a size, for which llhttp has no callback. */
enum { EXTENSION_BYTES_MAX = 256, TRAILER_BYTES_MAX = 4096, GAP_BYTES_MAX = 8192 };

/* ---- finding the head ---- */

/* TLS on a plain port, or garbage: known by its first byte, without waiting for a line end. */
static bool is_method_start(char c)
{
    return c >= 'A' && c <= 'Z';
}

enum http_front http_find_head(struct slice bytes, size_t head_bytes_max, size_t *scanned,
                               size_t *ret_skip, size_t *ret_len,
                               struct framing_verdict *ret_verdict)
{
    size_t skip = 0;
    if (bytes.len && bytes.data[0] == '\r') {
        if (bytes.len == 1)
            return HTTP_FRONT_MORE;
        skip = bytes.data[1] == '\n' ? 2 : 0;
    }
    bytes = slice_sub(bytes, skip);
    if (bytes.len == 0)
        return HTTP_FRONT_MORE;
    if (!is_method_start(bytes.data[0])) {
        *ret_verdict = (struct framing_verdict){400, "This is no HTTP request."};
        return HTTP_FRONT_BAD;
    }
    /* Never past the bound: the verdict must be the same when all of it comes at once. */
    size_t end = bytes.len < head_bytes_max ? bytes.len : head_bytes_max;
    size_t at = *scanned > skip ? *scanned - skip : 0;
    while (at < end) {
        const char *lf = memchr(bytes.data + at, '\n', end - at);
        if (!lf)
            break;
        at = (size_t)(lf - bytes.data) + 1;
        if (bytes.data[at - 2] != '\r') { /* at >= 2: the first byte is a letter */
            *ret_verdict =
                (struct framing_verdict){400, "A line ends with LF alone; CRLF is needed."};
            return HTTP_FRONT_BAD;
        }
        if (at >= 4 && bytes.data[at - 3] == '\n') {
            *ret_skip = skip;
            *ret_len = at;
            return HTTP_FRONT_HEAD;
        }
    }
    if (bytes.len >= head_bytes_max) {
        bool is_line = !memchr(bytes.data, '\n', head_bytes_max);
        *ret_verdict = is_line ? (struct framing_verdict){414, "The request line is too long."}
                               : (struct framing_verdict){431, "The header section is too large."};
        return HTTP_FRONT_BAD;
    }
    *scanned = skip + end;
    return HTTP_FRONT_MORE;
}

/* ---- llhttp ---- */

static int on_headers_complete(llhttp_t *ll)
{
    ll->upgrade = 0; /* no protocol is switched: an Upgrade field is ignored (RFC 9110 7.8) */
    return 0;
}

static int on_message_complete(llhttp_t *ll)
{
    (void)ll;
    return HPE_PAUSED;
}

/* Counts what lies between the data and `at`. */
static bool is_gap_bounded(struct http_parser *p, const char *at)
{
    p->gap_bytes += (size_t)(at - p->gap_from);
    p->gap_from = at;
    if (p->gap_bytes > GAP_BYTES_MAX)
        p->is_too_long = true;
    return !p->is_too_long;
}

static int on_body(llhttp_t *ll, const char *at, size_t len)
{
    struct http_parser *p = CONTAINER_OF(ll, struct http_parser, ll);
    if (!is_gap_bounded(p, at))
        return -1;
    p->gap_bytes = 0;
    p->gap_from = at + len;
    if (p->take(p->ctx, slice_of(at, len)))
        return 0;
    p->is_sink_full = true;
    return -1;
}

static int on_extra(llhttp_t *ll, size_t len, uint32_t bytes_max)
{
    struct http_parser *p = CONTAINER_OF(ll, struct http_parser, ll);
    if (len > bytes_max - p->extra_bytes) {
        p->is_too_long = true;
        return -1;
    }
    p->extra_bytes += (uint32_t)len;
    return 0;
}

static int on_extension(llhttp_t *ll, const char *at, size_t len)
{
    (void)at;
    return on_extra(ll, len, EXTENSION_BYTES_MAX);
}

/* Trailers come after the last extension, so one counter does for both. */
static int on_trailer(llhttp_t *ll, const char *at, size_t len)
{
    (void)at;
    return on_extra(ll, len, EXTENSION_BYTES_MAX + TRAILER_BYTES_MAX);
}

static const llhttp_settings_t head_settings = {.on_headers_complete = on_headers_complete,
                                                .on_message_complete = on_message_complete};
static const llhttp_settings_t body_settings = {.on_body = on_body,
                                                .on_header_field = on_trailer,
                                                .on_header_value = on_trailer,
                                                .on_chunk_extension_name = on_extension,
                                                .on_chunk_extension_value = on_extension,
                                                .on_message_complete = on_message_complete};

/* ---- the head ---- */

static enum http_verb verb_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_VERB_GET;
    case HTTP_HEAD:
        return HTTP_VERB_HEAD;
    case HTTP_POST:
        return HTTP_VERB_POST;
    case HTTP_PUT:
        return HTTP_VERB_PUT;
    case HTTP_PATCH:
        return HTTP_VERB_PATCH;
    case HTTP_DELETE:
        return HTTP_VERB_DELETE;
    case HTTP_OPTIONS:
        return HTTP_VERB_OPTIONS;
    default:
        return HTTP_VERB_OTHER;
    }
}

static struct framing_verdict check_expect(struct http_head *h)
{
    for (uint32_t i = 0; i < h->header_count; i++) {
        if (h->headers[i].name.len != 6 ||
            !slice_eq_nocase(h->headers[i].name, SLICE_LIT("Expect")))
            continue;
        if (!slice_eq_nocase(h->headers[i].value, SLICE_LIT("100-continue")))
            return (struct framing_verdict){417, "Only Expect: 100-continue is understood."};
        h->is_continue_expected = h->minor >= 1;
    }
    return FRAMING_FINE;
}

static struct slice host_of(const struct http_head *h)
{
    for (uint32_t i = 0; i < h->header_count; i++)
        if (h->headers[i].name.len == 4 && slice_eq_nocase(h->headers[i].name, SLICE_LIT("Host")))
            return h->headers[i].value;
    return SLICE_EMPTY;
}

static struct framing_verdict check_law(struct slice head, const struct http_limits *limits,
                                        struct http_head *h)
{
    struct framing_line line = {.minor = 0};
    struct framing_verdict v =
        framing_split(head, &line, h->headers, limits->header_count_max, &h->header_count);
    if (v.status)
        return v;
    h->method = line.method;
    h->target = line.target;
    h->minor = line.minor;
    if (h->target.len > limits->target_bytes_max)
        return (struct framing_verdict){414, "The target (path and query) is too long."};
    v = framing_check_fields(h->headers, h->header_count, h->minor, &h->body);
    if (v.status)
        return v;
    if (slice_eq_str(h->method, "CONNECT"))
        return (struct framing_verdict){501, "This is no proxy."};
    v = framing_check_target(h->method, h->target, host_of(h), &h->path, &h->query);
    return v.status ? v : check_expect(h);
}

struct framing_verdict http_parse_head(struct http_parser *p, struct slice head,
                                       const struct http_limits *limits,
                                       struct framing_header *headers, struct http_head *ret_head)
{
    struct http_head h = {.headers = headers};
    struct framing_verdict v = check_law(head, limits, &h);
    if (v.status)
        return v;
    *p = (struct http_parser){.is_chunked = h.body.is_chunked, .left = h.body.length};
    llhttp_init(&p->ll, HTTP_REQUEST, &head_settings);
    llhttp_errno_t error = llhttp_execute(&p->ll, head.data, head.len);
    if (error == HPE_INVALID_METHOD)
        return (struct framing_verdict){501, "The method is not known."};
    if (error != HPE_OK && error != HPE_PAUSED)
        return (struct framing_verdict){400, "The request line or a header field is malformed."};
    h.verb = verb_of(llhttp_get_method(&p->ll));
    h.is_keep_alive = llhttp_should_keep_alive(&p->ll) != 0;
    h.has_body = h.body.is_chunked || h.body.length > 0;
    /* The second opinion: had it seen another end of the message, we would not go on. */
    if (h.has_body != (error == HPE_OK))
        return (struct framing_verdict){400, "The framing of the body is ambiguous."};
    p->ll.settings = (void *)(uintptr_t)&body_settings;
    *ret_head = h;
    return FRAMING_FINE;
}

/* ---- the body ---- */

static enum http_body_step take_counted(struct http_parser *p, struct slice bytes, size_t *ret_used)
{
    size_t n = bytes.len < p->left ? bytes.len : (size_t)p->left;
    if (n && !p->take(p->ctx, slice_of(bytes.data, n)))
        return HTTP_BODY_REFUSED;
    p->left -= n;
    *ret_used = n;
    return p->left ? HTTP_BODY_MORE : HTTP_BODY_END;
}

enum http_body_step http_parse_body(struct http_parser *p, struct slice bytes,
                                    bool (*take)(void *ctx, struct slice piece), void *ctx,
                                    size_t *ret_used, struct framing_verdict *ret_verdict)
{
    *ret_used = 0;
    p->take = take;
    p->ctx = ctx;
    if (!p->is_chunked)
        return take_counted(p, bytes, ret_used);
    if (bytes.len == 0)
        return HTTP_BODY_MORE;
    p->gap_from = bytes.data;
    llhttp_errno_t error = llhttp_execute(&p->ll, bytes.data, bytes.len);
    if (error == HPE_OK && is_gap_bounded(p, bytes.data + bytes.len)) {
        *ret_used = bytes.len;
        return HTTP_BODY_MORE;
    }
    if (error == HPE_PAUSED && is_gap_bounded(p, llhttp_get_error_pos(&p->ll))) {
        *ret_used = (size_t)(p->gap_from - bytes.data);
        return HTTP_BODY_END;
    }
    if (p->is_sink_full)
        return HTTP_BODY_REFUSED;
    *ret_verdict = (struct framing_verdict){
        400, p->is_too_long ? "The chunk extensions, sizes or trailers are too long."
                            : "The chunked body is malformed."};
    return HTTP_BODY_BAD;
}
