/* WHAT    Passes one question to the store and its answer back, head and body as they come
 *         (store.h).
 * WHY     Clients made for ClickHouse look at its headers and at errors inside a body, and
 *         store_query() takes both apart. What stands in the URL is the caller's alone: this adds
 *         nothing, so that no parameter of a client can meet one of ours.
 * THREADS the client's; blocks. */
#include "store/client_int.h"

#include <stdio.h>

enum { HEAD_BYTES_MAX = 8192 };

struct relay {
    const struct store_relay *what;
    CURL *curl;
    struct buf head;
    bool is_head_given;
    enum rc rc; /* why the callbacks stopped it */
};

static bool is_for_clients(struct slice name)
{
    static const char *const prefix = "X-ClickHouse-";
    size_t len = strlen(prefix);
    return slice_eq_nocase(name, SLICE_LIT("Content-Type")) ||
           (name.len > len && slice_eq_nocase(slice_of(name.data, len), slice_str(prefix)));
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct relay *r = ctx;
    struct slice line = slice_of(data, size * count), value = line;
    struct slice name = slice_cut(&value, ':');
    while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r'))
        value.len--;
    if (is_for_clients(name)) {
        buf_add_slice(&r->head, name);
        buf_add_str(&r->head, ": ");
        buf_add_slice(&r->head, slice_trim(value));
        buf_add_char(&r->head, '\n');
    }
    return line.len;
}

static enum rc give_head(struct relay *r)
{
    long status = 0;
    if (r->is_head_given)
        return RC_OK;
    r->is_head_given = true;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    ENSURE(buf_ok(&r->head), RC_LIMIT);
    return r->what->on_head(r->what->ctx, (int)status, buf_slice(&r->head));
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct relay *r = ctx;
    r->rc = give_head(r);
    if (r->rc == RC_OK)
        r->rc = r->what->on_data(r->what->ctx, slice_of(data, size * count));
    return r->rc == RC_OK ? size * count : CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct relay *r = ctx;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return r->what->is_cancelled && atomic_load(r->what->is_cancelled);
}

static void add_url(struct store_client *c, const struct store_relay *what)
{
    struct slice base = slice_str(c->cfg.url);
    while (base.len && base.data[base.len - 1] == '/')
        base.len--;
    buf_clear(&c->url);
    buf_add_slice(&c->url, base);
    buf_add_str(&c->url, "/?enable_http_compression=0");
    for (uint32_t i = 0; i < what->pair_count; i++)
        url_add(&c->url, "", what->pairs[i].name, what->pairs[i].value);
}

static CURLcode perform(struct store_client *c, struct relay *r, char text[CURL_ERROR_SIZE])
{
    CURL *curl = c->curl;
    struct slice sql = r->what->sql;
    curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&c->url));
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, sql.len ? sql.data : "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sql.len);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, r);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, answer_header);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
    return code;
}

enum rc store_relay(struct ctx *ctx, struct store_client *c, const struct store_relay *what,
                    struct err *err)
{
    struct relay r = {.what = what, .curl = c->curl};
    char text[CURL_ERROR_SIZE] = "";
    char line[sizeof("traceparent: ") + CTX_TRACEPARENT_LEN] = "traceparent: ";
    struct curl_slist trace = {.data = line, .next = c->headers};
    add_url(c, what);
    ENSURE(buf_ok(&c->url),
           err_set(err, RC_LIMIT, "parameters are longer than %d bytes", STORE_URL_BYTES_MAX));
    buf_init(&r.head, HEAD_BYTES_MAX);
    if (ctx) {
        ctx_traceparent(ctx, line + strlen(line));
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, &trace);
    }
    CURLcode code = perform(c, &r, text);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    if (code == CURLE_OK)
        r.rc = give_head(&r);
    buf_done(&r.head);
    if (r.rc != RC_OK)
        return err_set(err, r.rc, "the answer was not taken: %s", rc_text(r.rc));
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, RC_CLOSED, "the client has gone");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, RC_TIMEOUT, "the store did not answer in time");
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "the store cannot be reached: %s",
                       text[0] ? text : curl_easy_strerror(code));
    return RC_OK;
}
