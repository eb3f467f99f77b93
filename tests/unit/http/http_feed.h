#ifndef WEIR_TEST_HTTP_FEED_H
#define WEIR_TEST_HTTP_FEED_H
/* Takes one request after the other out of bytes that come in pieces, as net does; for the unit
 * test and the fuzzer, which compare what different pieces lead to. Small limits, so that a fuzzer
 * reaches them. What is shown to a parser lies in memory of just that size, so that a sanitizer
 * sees a look past its end. */
#include <string.h>

#include "base/crc32c.h"
#include "base/heap.h"
#include "base/must.h"
#include "http/request.h"

enum { FEED_HEAD_MAX = 1024, FEED_TARGET_MAX = 512, FEED_HEADERS_MAX = 20, FEED_REQUESTS = 16 };

struct feed_result {
    int status; /* 200: some requests and nothing else; 0: in the middle of one; else refused */
    unsigned requests; /* whole ones */
    uint32_t crc;      /* of what was said: methods, paths, names, values, bodies */
    size_t used;       /* where the last whole request ended */
};

static inline void feed_hash(struct feed_result *r, struct slice s)
{
    r->crc = crc32c(r->crc, s.data, s.len);
    r->crc = crc32c(r->crc, "\n", 1);
}

static inline bool feed_take(void *ctx, struct slice piece)
{
    struct feed_result *r = ctx;
    r->crc = crc32c(r->crc, piece.data, piece.len);
    return true;
}

struct feed {
    struct http_parser parser;
    struct feed_result result;
    bool is_in_body, is_over;
    size_t scanned;
    char head[FEED_HEAD_MAX]; /* the head lives on while its body is read, and is then gone */
};

static inline void feed_hash_head(struct feed_result *r, const struct http_head *h)
{
    feed_hash(r, h->method);
    feed_hash(r, h->path);
    feed_hash(r, h->query);
    for (uint32_t i = 0; i < h->header_count; i++) {
        feed_hash(r, h->headers[i].name);
        feed_hash(r, h->headers[i].value);
    }
    const char flags[] = {(char)h->minor, h->is_keep_alive, h->is_continue_expected, h->has_body};
    r->crc = crc32c(r->crc, flags, sizeof(flags));
}

static inline void feed_end(struct feed *f, size_t used)
{
    f->is_in_body = false;
    f->result.used = used;
    f->result.status = 200;
    f->is_over = ++f->result.requests == FEED_REQUESTS;
}

/* One step over the window, which begins at *at; false: more is needed, or the end of it all. */
static inline bool feed_window(struct feed *f, struct slice window, size_t *at)
{
    struct framing_verdict v = FRAMING_FINE;
    if (f->is_in_body) {
        size_t used = 0;
        enum http_body_step step =
            http_parse_body(&f->parser, window, feed_take, &f->result, &used, &v);
        must(used <= window.len);
        *at += used;
        if (step == HTTP_BODY_END)
            feed_end(f, *at);
        if (step == HTTP_BODY_BAD) {
            f->result.status = v.status;
            f->is_over = true;
        }
        return step == HTTP_BODY_END && !f->is_over;
    }
    size_t skip, len;
    enum http_front front = http_find_head(window, FEED_HEAD_MAX, &f->scanned, &skip, &len, &v);
    if (front == HTTP_FRONT_MORE)
        return false;
    if (front == HTTP_FRONT_HEAD) {
        const struct http_limits limits = {FEED_HEADERS_MAX, FEED_TARGET_MAX};
        struct framing_header headers[FEED_HEADERS_MAX];
        struct http_head h;
        must(len <= FEED_HEAD_MAX && skip + len <= window.len);
        memcpy(f->head, window.data + skip, len);
        f->scanned = 0;
        *at += skip + len;
        v = http_parse_head(&f->parser, slice_of(f->head, len), &limits, headers, &h);
        if (v.status == 0) {
            feed_hash_head(&f->result, &h);
            f->result.status = 0;
            f->is_in_body = h.has_body;
            if (!h.has_body)
                feed_end(f, *at);
            return !f->is_over;
        }
    }
    must(v.status >= 400 && v.detail);
    f->result.status = v.status;
    f->is_over = true;
    return false;
}

static inline bool feed_step(struct feed *f, struct slice bytes, size_t known, size_t *at)
{
    size_t len = known - *at;
    char *copy = heap_alloc(HEAP_MISC, len + 1); /* not of no bytes: that would be NULL */
    memcpy(copy + 1, bytes.data + *at, len);
    bool is_going_on = feed_window(f, slice_of(copy + 1, len), at);
    heap_free(copy);
    return is_going_on;
}

/* Piece i has sizes[i % size_count] + 1 bytes. */
static inline struct feed_result feed_cut(struct slice bytes, const uint8_t *sizes,
                                          size_t size_count)
{
    struct feed f = {.is_in_body = false};
    size_t at = 0, known = 0;
    for (size_t i = 0; known < bytes.len && !f.is_over; i++) {
        size_t piece = size_count ? (size_t)sizes[i % size_count] + 1 : bytes.len;
        known += piece < bytes.len - known ? piece : bytes.len - known;
        while (!f.is_over && at <= known && feed_step(&f, bytes, known, &at))
            ;
    }
    return f.result;
}

/* In pieces of `piece` bytes each, at most 256; 0: all at once. */
static inline struct feed_result feed_all(struct slice bytes, size_t piece)
{
    const uint8_t size = (uint8_t)(piece - 1);
    return feed_cut(bytes, &size, piece != 0);
}

static inline bool feed_equal(const struct feed_result *a, const struct feed_result *b)
{
    return a->status == b->status && a->requests == b->requests && a->crc == b->crc &&
           a->used == b->used;
}
#endif
