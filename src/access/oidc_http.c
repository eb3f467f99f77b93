/* WHAT    One request to the provider.
 * WHY     The operator chose the provider, and it names its other addresses itself: so TLS (or the
 *         loopback), a few seconds, a bounded answer, no redirects (a code must not follow one),
 *         no proxy and no credentials from the environment.
 * THREADS the worker pool's; blocks for OIDC_TIMEOUT_MS at most. */
#include <curl/curl.h>

#include "access/oidc_int.h"

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct buf *body = ctx;
    buf_add(body, data, size * count);
    return buf_ok(body) ? size * count : 0; /* 0 ends the transfer */
}

static void limit_transfer(CURL *curl, const char *url)
{
    bool is_tls = strncasecmp(url, "https:", 6) == 0;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)OIDC_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)OIDC_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)OIDC_ANSWER_BYTES_MAX);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
}

static void authenticate(CURL *curl, const struct oidc_request *r)
{
    if (r->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, r->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, r->password);
    } else if (r->bearer) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, r->bearer);
    }
}

static enum rc perform(CURL *curl, const struct oidc_request *r, struct buf *body, long *ret_status,
                       struct err *err)
{
    limit_transfer(curl, r->url);
    authenticate(curl, r);
    curl_easy_setopt(curl, CURLOPT_URL, r->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (r->form)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->form);
    CURLcode code = curl_easy_perform(curl);
    if (!buf_ok(body) || code == CURLE_FILESIZE_EXCEEDED)
        return err_set(err, RC_LIMIT, "the provider's answer is too long");
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "the provider cannot be reached: %s",
                       curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return RC_OK;
}

enum rc oidc_fetch(const struct oidc_request *request, struct buf *ret_body, long *ret_status,
                   struct err *err)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    CURL *curl = curl_easy_init();
    enum rc rc = RC_NOMEM;
    if (curl && headers) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        rc = perform(curl, request, ret_body, ret_status, err);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return rc;
}

void oidc_escape(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (is_plain)
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "%%%02X", c);
    }
}
