#include "app/control_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/must.h"
#include "base/os.h"

enum { PROBLEM_BYTES_MAX = 64 << 10, CONNECT_TIMEOUT_MS = 2000, HEADER_BYTES_MAX = 4096 };

struct call {
    CURL *curl;
    enum rc (*piece)(void *ctx, struct slice bytes);
    void *ctx;
    struct buf *out;
    struct buf problem;
    enum rc rc;
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    struct slice bytes = slice_of(data, size * n);
    long status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300) {
        buf_add_slice(&c->problem, bytes);
    } else if (c->piece) {
        c->rc = c->piece(c->ctx, bytes);
        return c->rc == RC_OK ? bytes.len : 0;
    } else if (c->out) {
        buf_add_slice(c->out, bytes);
        return buf_ok(c->out) ? bytes.len : 0;
    }
    return bytes.len;
}

static enum rc problem_error(struct call *c, long status, struct err *err)
{
    yyjson_doc *doc = yyjson_read(c->problem.data, c->problem.len, 0);
    const char *detail = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "detail"));
    enum rc rc = status == 404   ? RC_NOTFOUND
                 : status == 409 ? RC_CONFLICT
                 : status == 429 ? RC_RATE
                 : status == 503 ? RC_BUSY
                                 : RC_INVALID;
    err_set(err, rc, "%s", detail ? detail : "the server refused");
    yyjson_doc_free(doc);
    return rc;
}

/* server: what is asked, for the message. */
static enum rc perform(struct call *c, struct curl_slist *headers, const char *server,
                       struct err *err)
{
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(c->curl);
    long status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    enum rc rc = RC_OK;
    if (c->rc != RC_OK)
        rc = c->rc;
    else if (status >= 300)
        rc = problem_error(c, status, err);
    else if (code != CURLE_OK)
        rc = err_set(err, RC_UNAVAILABLE, "no answer, or half of one, from the server at %s: %s",
                     server, curl_easy_strerror(code));
    curl_slist_free_all(headers);
    curl_easy_cleanup(c->curl);
    buf_done(&c->problem);
    return rc;
}

enum rc control_call(const char *data_dir, const char *path, const struct slice *body,
                     enum rc (*piece)(void *ctx, struct slice bytes), void *ctx, struct buf *out,
                     struct err *err)
{
    char socket_path[OS_PATH_MAX], url[OS_PATH_MAX];
    os_path(socket_path, "%s/run/control.sock", data_dir);
    os_path(url, "http://localhost/control/%s", path);
    struct os_socket_name name;
    TRY(os_socket_name(socket_path, &name, err));
    struct call c = {.curl = curl_easy_init(), .piece = piece, .ctx = ctx, .out = out};
    must(c.curl);
    buf_init(&c.problem, PROBLEM_BYTES_MAX);
    curl_easy_setopt(c.curl, CURLOPT_UNIX_SOCKET_PATH, name.text);
    curl_easy_setopt(c.curl, CURLOPT_URL, url);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    if (body) {
        curl_easy_setopt(c.curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        curl_easy_setopt(c.curl, CURLOPT_POSTFIELDS, body->data ? body->data : "");
    }
    enum rc rc = perform(&c, headers, socket_path, err);
    os_socket_name_done(&name);
    return rc;
}

enum rc remote_get(const char *url, const char *key,
                   enum rc (*piece)(void *ctx, struct slice bytes), void *ctx, struct err *err)
{
    struct buf header;
    struct call c = {.curl = curl_easy_init(), .piece = piece, .ctx = ctx};
    must(c.curl);
    buf_init(&c.problem, PROBLEM_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    buf_addf(&header, "X-API-Key: %s", key);
    curl_easy_setopt(c.curl, CURLOPT_URL, url);
    curl_easy_setopt(c.curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c.curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    struct curl_slist *headers = curl_slist_append(NULL, buf_cstr(&header));
    enum rc rc = perform(&c, headers, url, err);
    buf_wipe(&header);
    return rc;
}

bool control_is_running(const char *data_dir)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    bool is_running = control_call(data_dir, "status", NULL, NULL, NULL, &out, NULL) == RC_OK;
    buf_done(&out);
    return is_running;
}
