/* A body in pieces is the body as a whole; and a chunked body that llhttp takes is taken by a
 * decoder written from RFC 9112 7.1 alone, which finds the same bytes and the same end.
 *
 * Input: how many sizes of pieces follow, these, then a byte: odd = chunked, even = a length of
 * half of it; then the body. */
#include <stdio.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/must.h"
#include "http/request.h"

enum { BODY_MAX = 1 << 16 };

struct outcome {
    enum http_body_step step;
    size_t used;
    struct buf body;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the module under test ---- */

static bool take(void *ctx, struct slice piece)
{
    struct buf *body = ctx;
    must(piece.len > 0);
    buf_add_slice(body, piece);
    return buf_ok(body);
}

static void begin(struct http_parser *p, bool is_chunked, size_t length)
{
    char head[96];
    const struct http_limits limits = {8, 64};
    struct framing_header headers[8];
    struct http_head h;
    if (is_chunked)
        snprintf(head, sizeof(head),
                 "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                 length);
    must(http_parse_head(p, slice_str(head), &limits, headers, &h).status == 0);
}

static enum http_body_step parse_piece(struct http_parser *p, struct slice piece, struct buf *body,
                                       size_t *ret_used)
{
    struct framing_verdict v = FRAMING_FINE;
    char *copy = heap_alloc(HEAP_MISC, piece.len);
    memcpy(copy, piece.data, piece.len);
    enum http_body_step step =
        http_parse_body(p, slice_of(copy, piece.len), take, body, ret_used, &v);
    heap_free(copy);
    must(*ret_used <= piece.len);
    must((step == HTTP_BODY_BAD) == (v.status == 400 && v.detail));
    must(step != HTTP_BODY_REFUSED);
    return step;
}

static void parse_in_pieces(struct outcome *o, struct slice bytes, bool is_chunked, size_t length,
                            const uint8_t *sizes, size_t size_count)
{
    struct http_parser p;
    begin(&p, is_chunked, length);
    o->step = HTTP_BODY_MORE;
    o->used = 0;
    buf_clear(&o->body);
    for (size_t i = 0; o->used < bytes.len && o->step == HTTP_BODY_MORE; i++) {
        size_t left = bytes.len - o->used, used;
        size_t piece = size_count ? (size_t)sizes[i % size_count] + 1 : left;
        if (piece > left)
            piece = left;
        o->step = parse_piece(&p, slice_of(bytes.data + o->used, piece), &o->body, &used);
        must(o->step != HTTP_BODY_MORE || used == piece);
        o->used += used;
    }
}

/* ---- the other decoder ---- */

static bool take_line(struct slice *rest, struct slice *ret_line)
{
    const char *crlf = rest->len ? memmem(rest->data, rest->len, "\r\n", 2) : NULL;
    if (!crlf)
        return false;
    *ret_line = slice_of(rest->data, (size_t)(crlf - rest->data));
    *rest = slice_sub(*rest, ret_line->len + 2);
    return !memchr(ret_line->data, '\n', ret_line->len) &&
           !memchr(ret_line->data, '\r', ret_line->len) &&
           !memchr(ret_line->data, '\0', ret_line->len);
}

static bool size_of(struct slice line, uint64_t *ret)
{
    size_t i = 0;
    *ret = 0;
    for (; i < line.len; i++) {
        char c = line.data[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        else
            break;
        if (*ret >> 60)
            return false;
        *ret = *ret << 4 | digit;
    }
    return i > 0 && (i == line.len || line.data[i] == ';');
}

static bool decode(struct slice bytes, struct outcome *o)
{
    struct slice rest = bytes, line;
    uint64_t chunk;
    buf_clear(&o->body);
    do {
        if (!take_line(&rest, &line) || !size_of(line, &chunk) || chunk > rest.len)
            return false;
        if (chunk) {
            buf_add(&o->body, rest.data, chunk);
            rest = slice_sub(rest, chunk);
            if (!take_line(&rest, &line) || line.len)
                return false;
        }
    } while (chunk);
    do { /* trailers */
        if (!take_line(&rest, &line))
            return false;
        if (line.len &&
            (line.data[0] == ' ' || line.data[0] == '\t' || !memchr(line.data, ':', line.len)))
            return false;
    } while (line.len);
    o->used = bytes.len - rest.len;
    return true;
}

/* ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, cut, other;
    if (size < 1 || size > BODY_MAX)
        return 0;
    size_t cuts = data[0] % 8;
    if (size < 2 + cuts)
        return 0;
    uint8_t kind = data[1 + cuts];
    struct slice bytes = slice_of((const char *)data + 2 + cuts, size - 2 - cuts);
    bool is_chunked = kind & 1;
    size_t length = kind / 2U + 1;
    if (!whole.body.bytes_max) {
        buf_init(&whole.body, BODY_MAX);
        buf_init(&cut.body, BODY_MAX);
        buf_init(&other.body, BODY_MAX);
    }
    parse_in_pieces(&whole, bytes, is_chunked, length, NULL, 0);
    parse_in_pieces(&cut, bytes, is_chunked, length, data + 1, cuts);
    must(whole.step == cut.step && slice_eq(buf_slice(&whole.body), buf_slice(&cut.body)));
    must(whole.step == HTTP_BODY_BAD || whole.used == cut.used);
    if (!is_chunked) {
        must(whole.step == (bytes.len < length ? HTTP_BODY_MORE : HTTP_BODY_END));
        must(whole.body.len == (bytes.len < length ? bytes.len : length));
        must(whole.used == whole.body.len);
    } else if (whole.step == HTTP_BODY_END) {
        must(decode(bytes, &other) && other.used == whole.used);
        must(slice_eq(buf_slice(&whole.body), buf_slice(&other.body)));
    }
    return 0;
}
