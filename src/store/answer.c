/* WHAT        Takes ClickHouse's HTTP answers apart: summary, error, body, and an error inside the
 *             body.
 * WHY         A query can fail after its first rows went out with status 200. Since 25.11 the
 *             server announces a tag in X-ClickHouse-Exception-Tag and writes
 *               CR LF __exception__ CR LF tag CR LF message LF length SP tag CR LF
 *               __exception__ CR LF
 *             Older ones write the message and cut the chunked body. Either must never look like a
 *             short success.
 * INVARIANTS  No byte of a marker reaches on_data: the last STORE_HOLD_BYTES_MAX bytes are kept
 *             back until more follows or the body has ended well. */
#include "store/client_int.h"

#include <stdio.h>

#include "base/must.h"

void answer_init(struct answer *a, CURL *curl, const struct store_query *query, struct buf *out)
{
    *a = (struct answer){.curl = curl, .query = query, .out = out, .out_from = out ? out->len : 0};
    buf_init(&a->error, STORE_ERROR_BYTES_MAX);
    buf_init(&a->held, CURL_MAX_WRITE_SIZE * 2 + STORE_HOLD_BYTES_MAX);
}

void answer_done(struct answer *a)
{
    buf_done(&a->error);
    buf_done(&a->held);
}

/* "name":"123" in the summary's JSON; the server writes nothing else there. */
static uint64_t summary_get(struct slice json, const char *name)
{
    const char *at = find_in(json, name, strlen(name));
    if (!at)
        return 0;
    struct slice rest = slice_sub(json, (size_t)(at - json.data) + strlen(name));
    while (rest.len && (*rest.data == '"' || *rest.data == ':' || *rest.data == ' '))
        rest = slice_sub(rest, 1);
    size_t digits = 0;
    while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
        digits++;
    uint64_t value = 0;
    return slice_to_u64(slice_of(rest.data, digits), &value) ? value : 0;
}

static void take_summary(struct answer *a, struct slice json)
{
    a->summary = (struct store_summary){
        .read_rows = summary_get(json, "\"read_rows\""),
        .read_bytes = summary_get(json, "\"read_bytes\""),
        .written_rows = summary_get(json, "\"written_rows\""),
        .written_bytes = summary_get(json, "\"written_bytes\""),
        .result_rows = summary_get(json, "\"result_rows\""),
        .result_bytes = summary_get(json, "\"result_bytes\""),
        .elapsed_ns = summary_get(json, "\"elapsed_ns\""),
    };
}

size_t answer_header(char *data, size_t size, size_t count, void *ctx)
{
    struct answer *a = ctx;
    struct slice line = slice_of(data, size * count);
    struct slice value = line;
    struct slice name = slice_cut(&value, ':');
    while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r'))
        value.len--;
    value = slice_trim(value);
    uint64_t code;
    if (slice_eq_nocase(name, SLICE_LIT("X-ClickHouse-Summary")))
        take_summary(a, value);
    else if (slice_eq_nocase(name, SLICE_LIT("X-ClickHouse-Exception-Code")) &&
             slice_to_u64(value, &code) && code < 100000)
        a->code = (int)code;
    else if (slice_eq_nocase(name, SLICE_LIT("X-ClickHouse-Exception-Tag")) && value.len > 0 &&
             value.len < sizeof(a->tag)) {
        memcpy(a->tag, value.data, value.len);
        a->tag[value.len] = '\0';
    }
    return line.len;
}

static bool hand_on(struct answer *a, struct slice piece)
{
    if (piece.len == 0 || a->sink_rc != RC_OK)
        return a->sink_rc == RC_OK;
    if (a->query && a->query->on_data) {
        a->sink_rc = a->query->on_data(a->query->ctx, piece);
    } else if (a->out) {
        buf_add_slice(a->out, piece);
        a->sink_rc = buf_ok(a->out) ? RC_OK : RC_LIMIT;
    }
    return a->sink_rc == RC_OK;
}

static void keep_error(struct answer *a, struct slice text)
{
    size_t room = a->error.bytes_max - a->error.len;
    buf_add(&a->error, text.data, text.len < room ? text.len : room);
}

static bool take_tagged(struct answer *a, struct slice piece)
{
    char marker[STORE_TAG_BYTES + 32];
    int n = snprintf(marker, sizeof(marker), "\r\n__exception__\r\n%s\r\n", a->tag);
    buf_add_slice(&a->held, piece);
    if (!buf_ok(&a->held))
        return false;
    const char *at = find_in(buf_slice(&a->held), marker, (size_t)n);
    if (at) {
        size_t before = (size_t)(at - a->held.data);
        bool ok = hand_on(a, slice_of(a->held.data, before));
        a->is_exception = true;
        keep_error(a, slice_sub(buf_slice(&a->held), before + (size_t)n));
        buf_clear(&a->held);
        return ok;
    }
    if (a->held.len <= STORE_HOLD_BYTES_MAX)
        return true;
    size_t ready = a->held.len - STORE_HOLD_BYTES_MAX;
    must(a->held.data);
    bool ok = hand_on(a, slice_of(a->held.data, ready));
    buf_drop_front(&a->held, ready);
    return ok;
}

size_t answer_body(char *data, size_t size, size_t count, void *ctx)
{
    struct answer *a = ctx;
    struct slice piece = slice_of(data, size * count);
    long status = 0;
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    bool ok = true;
    if (status != 200 || a->is_exception)
        keep_error(a, piece);
    else if (a->tag[0])
        ok = take_tagged(a, piece);
    else
        ok = hand_on(a, piece);
    return ok ? piece.len : CURL_WRITEFUNC_ERROR;
}

/* "Code: 62. DB::Exception: …": also where the header is missing. */
static int code_in(struct slice text)
{
    const char *at = find_in(text, "Code: ", 6);
    if (!at)
        return 0;
    struct slice rest = slice_sub(text, (size_t)(at - text.data) + 6);
    uint64_t code;
    struct slice digits = slice_cut(&rest, '.');
    return slice_to_u64(digits, &code) && code < 100000 ? (int)code : 0;
}

static enum rc refused(struct answer *a, long status, int *ret_code, struct err *err)
{
    struct slice text = slice_trim(buf_slice(&a->error));
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (a->is_exception) { /* without the trailer: LF length SP tag CR LF __exception__ */
        const char *end = find_in(text, a->tag, strlen(a->tag));
        if (end) { /* the line before the tag holds the length */
            text.len = (size_t)(end - text.data);
            while (text.len && text.data[text.len - 1] != '\n')
                text.len--;
            text = slice_trim(slice_of(text.data, text.len ? text.len - 1 : 0));
        }
    }
    int code = code_in(text);
    if (a->code == 0)
        a->code = code;
    if (a->code == 0 && status >= 500 && status != 500)
        return err_set(err, RC_UNAVAILABLE, "the store answered %ld: %.*s", status,
                       SLICE_ARG(text));
    if (ret_code)
        *ret_code = a->code;
    if (text.len == 0)
        return err_set(err, RC_STORE, "the store answered %ld", status);
    return err_set(err, RC_STORE, "%.*s", SLICE_ARG(text));
}

static enum rc from_curl(CURLcode code, const char *text, struct err *err)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(err, RC_TIMEOUT, "the store did not answer in time");
    case CURLE_OUT_OF_MEMORY:
        return err_set(err, RC_NOMEM, "out of memory while talking to the store");
    case CURLE_URL_MALFORMAT:
        return err_set(err, RC_INVALID, "the store's URL is not usable: %s", text);
    default:
        return err_set(err, RC_UNAVAILABLE, "the store cannot be reached: %s",
                       text[0] ? text : curl_easy_strerror(code));
    }
}

enum rc answer_result(struct answer *a, CURLcode curl_code, const char *curl_error,
                      struct store_summary *ret_summary, int *ret_code, struct err *err)
{
    long status = 0;
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    if (a->is_exception)
        return refused(a, status, ret_code, err);
    if (a->sink_rc != RC_OK)
        return err_set(err, a->sink_rc, "the result was not taken: %s", rc_text(a->sink_rc));
    if (curl_code != CURLE_OK) {
        /* An old server's error at the end of a body that was then cut. */
        struct slice tail = a->out ? slice_sub(buf_slice(a->out), a->out_from) : SLICE_EMPTY;
        if (tail.len > 4096)
            tail = slice_sub(tail, tail.len - 4096);
        const char *at = status == 200 ? find_in(tail, "Code: ", 6) : NULL;
        if (at && find_in(tail, "DB::Exception: ", 15)) {
            keep_error(a, slice_sub(tail, (size_t)(at - tail.data)));
            return refused(a, status, ret_code, err);
        }
        return from_curl(curl_code, curl_error, err);
    }
    if (status != 200 || a->code != 0)
        return refused(a, status, ret_code, err);
    if (!hand_on(a, buf_slice(&a->held)))
        return err_set(err, a->sink_rc, "the result was not taken: %s", rc_text(a->sink_rc));
    if (ret_summary)
        *ret_summary = a->summary;
    return RC_OK;
}
