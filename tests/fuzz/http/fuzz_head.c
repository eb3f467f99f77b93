/* A head that is accepted, written again from what was understood of it, is lawful and is
 * understood in the same way; and the bytes that were accepted hold nothing that two parsers could
 * read differently. */
#include "base/buf.h"
#include "base/must.h"
#include "http/request.h"

enum { HEADERS = 32, HEAD_MAX = 4096, TARGET_MAX = 1024 };
static const struct http_limits limits = {HEADERS, TARGET_MAX};

struct parsed {
    struct http_parser parser;
    struct framing_header headers[HEADERS];
    struct http_head head;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(struct slice bytes, struct parsed *p)
{
    size_t scanned = 0, skip, len;
    struct framing_verdict v;
    enum http_front front = http_find_head(bytes, HEAD_MAX, &scanned, &skip, &len, &v);
    must(scanned <= bytes.len);
    if (front == HTTP_FRONT_BAD)
        must(v.status >= 400 && v.detail);
    if (front != HTTP_FRONT_HEAD)
        return false;
    must(skip + len <= bytes.len && len <= HEAD_MAX);
    v = http_parse_head(&p->parser, slice_of(bytes.data + skip, len), &limits, p->headers,
                        &p->head);
    must(v.status == 0 || (v.status >= 400 && v.status <= 505 && v.detail));
    return v.status == 0;
}

static void write_again(struct buf *out, const struct http_head *h)
{
    buf_add_slice(out, h->method);
    buf_add_char(out, ' ');
    buf_add_slice(out, h->target);
    buf_addf(out, " HTTP/1.%u\r\n", h->minor);
    for (uint32_t i = 0; i < h->header_count; i++) {
        buf_add_slice(out, h->headers[i].name);
        buf_add_str(out, ": ");
        buf_add_slice(out, h->headers[i].value);
        buf_add_str(out, "\r\n");
    }
    buf_add_str(out, "\r\n");
}

static void check_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        must((c >= ' ' && c != 0x7f) || c == '\t');
    }
}

static unsigned count_of(const struct http_head *h, const char *name)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < h->header_count; i++)
        n += slice_eq_nocase(h->headers[i].name, slice_str(name));
    return n;
}

/* The law in other words than framing.c's. */
static void check_lawful(const struct http_head *h)
{
    check_clean(h->method);
    check_clean(h->target);
    must(h->minor <= 1 && h->path.len && h->target.len <= TARGET_MAX);
    must(!memchr(h->target.data, ' ', h->target.len));
    for (uint32_t i = 0; i < h->header_count; i++) {
        must(framing_is_token(h->headers[i].name));
        check_clean(h->headers[i].value);
    }
    unsigned lengths = count_of(h, "content-length"), codings = count_of(h, "transfer-encoding");
    must(lengths + codings <= 1);
    must(count_of(h, "host") == 1 || (h->minor == 0 && count_of(h, "host") == 0));
    must(h->body.is_chunked == (codings == 1) && h->body.has_length == (lengths == 1));
    must(h->has_body == (h->body.is_chunked || h->body.length > 0));
}

static void check_same(const struct http_head *a, const struct http_head *b)
{
    must(a->verb == b->verb && a->minor == b->minor && a->header_count == b->header_count);
    must(slice_eq(a->method, b->method) && slice_eq(a->target, b->target));
    must(slice_eq(a->path, b->path) && slice_eq(a->query, b->query));
    must(a->has_body == b->has_body && a->body.length == b->body.length);
    must(a->is_keep_alive == b->is_keep_alive);
    must(a->is_continue_expected == b->is_continue_expected);
    for (uint32_t i = 0; i < a->header_count; i++)
        must(slice_eq(a->headers[i].name, b->headers[i].name) &&
             slice_eq(a->headers[i].value, b->headers[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parsed first, second;
    static struct buf out;
    if (!parse(slice_of((const char *)data, size), &first))
        return 0;
    check_lawful(&first.head);
    if (!out.bytes_max)
        buf_init(&out, HEAD_MAX * 2);
    buf_clear(&out);
    write_again(&out, &first.head);
    if (out.len > HEAD_MAX)
        return 0; /* "a:b" became "a: b": past the bound of a head */
    must(parse(buf_slice(&out), &second));
    check_same(&first.head, &second.head);
    return 0;
}
