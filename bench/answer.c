/* WHAT: the answers' bytes → done, or what is wrong with them.
 * WHY strict: a generator that takes anything for an answer measures nonsense quickly. HTTP: one
 * status line of version 1.1, exactly one of Content-Length and chunked (204, 304: neither), chunk
 * lengths and line ends checked. Whatever else ends the connection and is counted as bad.
 * INVARIANT: works for any cut of the bytes into pieces. */
#include "load_int.h"

#include <string.h>

enum {
    STATE_FIRST_LINE, /* HTTP status line, Redis reply, NATS message line */
    STATE_FIELDS,
    STATE_BODY,
    STATE_CHUNK_LINE,
    STATE_CHUNK,
    STATE_TRAILER,
};
enum { LINE_BYTES_MAX = 16 << 10 };

void answer_init(struct answer *a, const struct load_cfg *cfg)
{
    *a = (struct answer){.protocol = cfg->protocol,
                         .replies_wanted = cfg->protocol == LOAD_HTTP ? 1 : cfg->batch,
                         .ok_token = cfg->ok_token};
    buf_init(&a->line, LINE_BYTES_MAX);
}

static void next_answer(struct answer *a)
{
    a->state = STATE_FIRST_LINE;
    a->left = 0;
    a->replies = 0;
    a->has_length = a->is_chunked = a->is_last = a->is_done = false;
    a->tail_len = 0;
    a->ok_events = 0;
    a->status = 0;
}

void answer_reset(struct answer *a)
{
    next_answer(a);
    buf_clear(&a->line);
    a->bad = NULL;
}

void answer_done(struct answer *a)
{
    buf_done(&a->line);
}

static enum answer_event bad(struct answer *a, const char *why)
{
    a->bad = why;
    return ANSWER_BAD;
}

/* A whole line without its CR LF, valid until the next call. */
static enum answer_event take_line(struct answer *a, struct slice *in, struct slice *ret_line)
{
    const char *lf = in->len ? memchr(in->data, '\n', in->len) : NULL;
    size_t len = lf ? (size_t)(lf - in->data) + 1 : in->len;
    struct slice line = slice_of(in->data, len);
    if (!lf || a->line.len) {
        buf_add_slice(&a->line, line);
        if (!buf_ok(&a->line))
            return bad(a, "a line is too long");
        line = buf_slice(&a->line);
    }
    *in = slice_of(in->data + len, in->len - len);
    if (!lf)
        return ANSWER_MORE;
    a->line.len = 0; /* its bytes stay until something is added */
    if (line.len < 2 || line.data[line.len - 2] != '\r')
        return bad(a, "a line does not end in CR LF");
    *ret_line = slice_of(line.data, line.len - 2);
    return ANSWER_DONE;
}

/* How often the token stands in the body, which comes in pieces. */
static void count_ok(struct answer *a, struct slice piece)
{
    size_t token_len = strlen(a->ok_token);
    char seam[sizeof(a->tail) * 2];
    size_t head_len = piece.len < token_len - 1 ? piece.len : token_len - 1;
    memcpy(seam, a->tail, a->tail_len);
    if (head_len)
        memcpy(seam + a->tail_len, piece.data, head_len);
    size_t seam_len = a->tail_len + head_len;
    if (seam_len && memmem(seam, seam_len, a->ok_token, token_len))
        a->ok_events++;
    struct slice rest = piece;
    const char *hit;
    while (rest.len && (hit = memmem(rest.data, rest.len, a->ok_token, token_len))) {
        a->ok_events++;
        rest = slice_sub(rest, (size_t)(hit - rest.data) + token_len);
    }
    /* What follows the last hit, at most one byte less than the token. */
    if (rest.len < token_len - 1 && rest.data == piece.data) {
        size_t keep = seam_len < token_len - 1 ? seam_len : token_len - 1;
        memcpy(a->tail, seam + seam_len - keep, keep);
        a->tail_len = (uint32_t)keep;
    } else {
        size_t keep = rest.len < token_len - 1 ? rest.len : token_len - 1;
        if (keep)
            memcpy(a->tail, rest.data + rest.len - keep, keep);
        a->tail_len = (uint32_t)keep;
    }
}

/* Body bytes up to a->left; DONE when it is used up. */
static enum answer_event take_body(struct answer *a, struct slice *in)
{
    size_t n = in->len < a->left ? in->len : (size_t)a->left;
    if (a->ok_token && a->protocol == LOAD_HTTP && n)
        count_ok(a, slice_of(in->data, n));
    a->left -= n;
    *in = slice_of(in->data + n, in->len - n);
    return a->left ? ANSWER_MORE : ANSWER_DONE;
}

/* ---- HTTP ---- */
static enum answer_event http_status_line(struct answer *a, struct slice line)
{
    uint64_t status;
    if (!slice_has_prefix(line, SLICE_LIT("HTTP/1.1 ")) || line.len < 12 ||
        (line.len > 12 && line.data[12] != ' ') ||
        !slice_to_u64(slice_of(line.data + 9, 3), &status) || status < 100 ||
        status >= LOAD_STATUS_COUNT)
        return bad(a, "not a status line of HTTP/1.1");
    a->status = (int)status;
    a->state = STATE_FIELDS;
    return ANSWER_MORE;
}

static enum answer_event http_field(struct answer *a, struct slice line)
{
    struct slice value = line;
    struct slice name = slice_cut(&value, ':');
    if (name.len == 0 || name.len == line.len)
        return bad(a, "a header field without a colon");
    value = slice_trim(value);
    if (slice_eq_nocase(name, SLICE_LIT("content-length"))) {
        if (a->has_length || !slice_to_u64(value, &a->left))
            return bad(a, "Content-Length is wrong or stands twice");
        a->has_length = true;
    } else if (slice_eq_nocase(name, SLICE_LIT("transfer-encoding"))) {
        if (a->is_chunked || !slice_eq_nocase(value, SLICE_LIT("chunked")))
            return bad(a, "Transfer-Encoding is not chunked or stands twice");
        a->is_chunked = true;
    } else if (slice_eq_nocase(name, SLICE_LIT("connection"))) {
        a->is_last = slice_eq_nocase(value, SLICE_LIT("close"));
    }
    return ANSWER_MORE;
}

static enum answer_event http_end_of_head(struct answer *a)
{
    if (a->status < 200) { /* interim: the final one follows */
        next_answer(a);
        return ANSWER_MORE;
    }
    if (a->has_length && a->is_chunked)
        return bad(a, "both Content-Length and Transfer-Encoding");
    if (a->status == 204 || a->status == 304) {
        if (a->is_chunked || a->left)
            return bad(a, "a body where none may be");
        return ANSWER_DONE;
    }
    if (a->is_chunked) {
        a->state = STATE_CHUNK_LINE;
        return ANSWER_MORE;
    }
    if (!a->has_length)
        return bad(a, "neither Content-Length nor chunked");
    a->state = STATE_BODY;
    return a->left ? ANSWER_MORE : ANSWER_DONE;
}

static enum answer_event http_chunk_line(struct answer *a, struct slice line)
{
    struct slice size = slice_cut(&line, ';');
    uint64_t bytes = 0;
    if (size.len == 0 || size.len > 8)
        return bad(a, "a wrong chunk length");
    for (size_t i = 0; i < size.len; i++) {
        char c = size.data[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return bad(a, "a wrong chunk length");
        bytes = bytes * 16 + digit;
    }
    a->left = bytes;
    a->state = bytes ? STATE_CHUNK : STATE_TRAILER;
    return ANSWER_MORE;
}

static enum answer_event http_line(struct answer *a, struct slice line)
{
    switch (a->state) {
    case STATE_FIRST_LINE:
        return http_status_line(a, line);
    case STATE_FIELDS:
        return line.len ? http_field(a, line) : http_end_of_head(a);
    case STATE_CHUNK_LINE:
        if (a->has_length) { /* here: a chunk ended and its CR LF must come */
            a->has_length = false;
            return line.len ? bad(a, "a chunk does not end in CR LF") : ANSWER_MORE;
        }
        return http_chunk_line(a, line);
    default:
        return line.len ? ANSWER_MORE : ANSWER_DONE; /* trailer */
    }
}

static enum answer_event http_feed(struct answer *a, struct slice *in)
{
    while (in->len) {
        enum answer_event event;
        if (a->state == STATE_BODY || a->state == STATE_CHUNK) {
            event = take_body(a, in);
            if (event == ANSWER_DONE && a->state == STATE_CHUNK) {
                a->state = STATE_CHUNK_LINE;
                a->has_length = true;
                event = ANSWER_MORE;
            }
        } else {
            struct slice line;
            event = take_line(a, in, &line);
            if (event != ANSWER_DONE)
                return event;
            event = http_line(a, line);
        }
        if (event != ANSWER_MORE)
            return event;
    }
    return ANSWER_MORE;
}

/* ---- Redis and NATS: one reply per event ---- */
static enum answer_event one_reply(struct answer *a, bool is_ok)
{
    if (a->status == 0)
        a->status = 200;
    if (is_ok)
        a->ok_events++;
    else
        a->status = 500;
    a->state = STATE_FIRST_LINE;
    return ++a->replies == a->replies_wanted ? ANSWER_DONE : ANSWER_MORE;
}

static enum answer_event redis_line(struct answer *a, struct slice line)
{
    if (line.len && line.data[0] == '-')
        return one_reply(a, false);
    if (line.len < 2 || line.data[0] != '$' || !slice_to_u64(slice_sub(line, 1), &a->left))
        return bad(a, "not the reply of an XADD");
    a->left += 2;
    a->state = STATE_BODY;
    return ANSWER_MORE;
}

static enum answer_event nats_line(struct answer *a, struct slice line)
{
    if (slice_has_prefix(line, SLICE_LIT("INFO ")) || slice_eq(line, SLICE_LIT("+OK")) ||
        slice_eq(line, SLICE_LIT("PONG")))
        return ANSWER_MORE;
    if (slice_eq(line, SLICE_LIT("PING")))
        return ANSWER_PING;
    const char *space = line.len ? memrchr(line.data, ' ', line.len) : NULL;
    if (!slice_has_prefix(line, SLICE_LIT("MSG ")) || !space ||
        !slice_to_u64(slice_sub(line, (size_t)(space - line.data) + 1), &a->left))
        return bad(a, "not a message of NATS");
    a->left += 2;
    a->state = STATE_BODY;
    return ANSWER_MORE;
}

/* A refusal of JetStream is {"error":…, an acknowledgement {"stream":…: its first bytes tell. */
static const char nats_ok[] = "{\"stream\"";

static void keep_start(struct answer *a, struct slice in)
{
    size_t n = sizeof(nats_ok) - 1 - a->tail_len;
    n = n > in.len ? in.len : n;
    memcpy(a->tail + a->tail_len, in.data, n);
    a->tail_len += (uint32_t)n;
}

static bool is_acknowledgement(struct answer *a)
{
    bool is_ok = a->protocol == LOAD_REDIS ||
                 (a->tail_len == sizeof(nats_ok) - 1 && memcmp(a->tail, nats_ok, a->tail_len) == 0);
    a->tail_len = 0;
    return is_ok;
}

static enum answer_event reply_feed(struct answer *a, struct slice *in)
{
    while (in->len) {
        enum answer_event event;
        if (a->state == STATE_BODY) {
            keep_start(a, *in);
            event = take_body(a, in);
            if (event == ANSWER_DONE)
                event = one_reply(a, is_acknowledgement(a));
        } else {
            struct slice line;
            event = take_line(a, in, &line);
            if (event != ANSWER_DONE)
                return event;
            event = a->protocol == LOAD_REDIS ? redis_line(a, line) : nats_line(a, line);
        }
        if (event != ANSWER_MORE)
            return event;
    }
    return ANSWER_MORE;
}

enum answer_event answer_feed(struct answer *a, struct slice *in)
{
    if (a->is_done)
        next_answer(a);
    enum answer_event event = a->protocol == LOAD_HTTP ? http_feed(a, in) : reply_feed(a, in);
    a->is_done = event == ANSWER_DONE;
    return event;
}
