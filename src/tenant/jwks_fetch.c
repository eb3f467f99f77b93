/* WHAT    One fetch of a key set over HTTP (RFC 9110, 9111): which URLs are allowed, the transfer's
 *         limits, and what the answer says.
 * WHY     Whoever configures an issuer has this server connect to a host of their choice. So: TLS,
 *         a few seconds, JWKS_BYTES_MAX bytes, never compressed, never with credentials, redirects
 *         only to https, and nothing of the answer but keys goes anywhere.
 * THREADS the cache's; jwks_url_check any. */
#include "tenant/jwks_int.h"

#include <arpa/inet.h>

#include "base/heap.h"

enum { HTTP_OK = 200 };

/* ---- the URL ---- */
static bool is_loopback(const char *host)
{
    struct in_addr four;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127);
}

static void free_part(char **part)
{
    curl_free(*part);
}

static enum rc check_parts(CURLU *parts, const char *url, struct err *err)
{
    CLEANUP(free_part) char *scheme = NULL;
    CLEANUP(free_part) char *host = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER);
    if (code == CURLUE_USER_NOT_ALLOWED)
        return err_set(err, RC_INVALID, "the URL of a key set holds no user or password");
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (code != CURLUE_OK)
        return err_set(err, RC_INVALID, "the URL of a key set is not a URL: %s",
                       curl_url_strerror(code));
    if (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_loopback(host)))
        return RC_OK;
    return err_set(err, RC_INVALID,
                   "the URL of a key set begins with https:// (http:// only for localhost)");
}

enum rc jwks_url_check(struct slice url, struct err *err)
{
    char text[JWKS_URL_BYTES_MAX + 1];
    if (url.len == 0 || url.len > JWKS_URL_BYTES_MAX || memchr(url.data, '\0', url.len))
        return err_set(err, RC_INVALID, "the URL of a key set has 1 to %d bytes",
                       JWKS_URL_BYTES_MAX);
    memcpy(text, url.data, url.len);
    text[url.len] = '\0';
    CURLU *parts = curl_url();
    ENSURE(parts, err_set(err, RC_NOMEM, "no memory for a URL"));
    enum rc rc = check_parts(parts, text, err);
    curl_url_cleanup(parts);
    return rc;
}

/* ---- how long it is fresh ---- */
static void take_directive(struct jwks_fetch *f, struct slice directive)
{
    struct slice value = directive;
    struct slice name = slice_trim(slice_cut(&value, '='));
    uint64_t seconds;
    value = slice_trim(value);
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        value = slice_of(value.data + 1, value.len - 2);
    if (slice_eq_nocase(name, SLICE_LIT("no-store")) ||
        slice_eq_nocase(name, SLICE_LIT("no-cache")))
        f->may_not_keep = true;
    else if (slice_eq_nocase(name, SLICE_LIT("max-age")) && slice_to_u64(value, &seconds))
        f->max_age_s = seconds;
}

size_t jwks_fetch_header(char *data, size_t size, size_t count, void *ctx)
{
    struct jwks_fetch *f = ctx;
    struct slice line = slice_of(data, size * count), value = line;
    while (value.len && (value.data[value.len - 1] == '\n' || value.data[value.len - 1] == '\r'))
        value.len--;
    if (slice_has_prefix(value,
                         SLICE_LIT("HTTP/"))) { /* a new head: what a redirect said is gone */
        f->max_age_s = 0;
        f->may_not_keep = false;
    }
    struct slice name = slice_cut(&value, ':');
    while (slice_eq_nocase(name, SLICE_LIT("Cache-Control")) && value.len)
        take_directive(f, slice_cut(&value, ','));
    return line.len;
}

uint32_t jwks_fetch_fresh_s(const struct jwks_fetch *f)
{
    if (f->may_not_keep || f->max_age_s < JWKS_FRESH_MIN_S)
        return JWKS_FRESH_MIN_S;
    return f->max_age_s > JWKS_FRESH_MAX_S ? JWKS_FRESH_MAX_S : (uint32_t)f->max_age_s;
}

/* ---- the transfer ---- */
static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct jwks_fetch *f = ctx;
    buf_add(&f->body, data, size * count);
    return buf_ok(&f->body) ? size * count : 0; /* 0 ends the transfer */
}

void jwks_fetch_free(struct jwks_fetch *f)
{
    if (!f)
        return;
    curl_easy_cleanup(f->curl);
    curl_slist_free_all(f->headers);
    buf_done(&f->body);
    heap_free(f);
}
DEFINE_CLEANUP(struct jwks_fetch *, jwks_fetch_free)

static void limit_transfer(CURL *curl, const char *url, long timeout_ms)
{
    bool is_tls = strncasecmp(url, "https:", 6) == 0;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, is_tls ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)JWKS_REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L); /* nor in a redirect's */
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)JWKS_BYTES_MAX);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");        /* never one from the environment */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L); /* the next one is minutes away */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
}

struct jwks_fetch *jwks_fetch_new(const char *url, uint32_t timeout_ms, void *owner)
{
    CLEANUP(jwks_fetch_freep) struct jwks_fetch *f = heap_try_alloc(HEAP_TENANT, sizeof(*f));
    if (!f)
        return NULL;
    f->owner = owner;
    buf_init(&f->body, JWKS_BYTES_MAX);
    f->curl = curl_easy_init();
    f->headers = curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
    if (!f->curl || !f->headers)
        return NULL;
    limit_transfer(f->curl, url, (long)timeout_ms);
    curl_easy_setopt(f->curl, CURLOPT_URL, url);
    curl_easy_setopt(f->curl, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(f->curl, CURLOPT_HEADERFUNCTION, jwks_fetch_header);
    curl_easy_setopt(f->curl, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(f->curl, CURLOPT_ERRORBUFFER, f->error);
    curl_easy_setopt(f->curl, CURLOPT_PRIVATE, f);
    return take_ptr(&f);
}

enum rc jwks_fetch_result(struct jwks_fetch *f, CURLcode code, struct jwks **ret_set,
                          uint32_t *ret_fresh_s, struct err *err)
{
    long status = 0;
    if (!buf_ok(&f->body) || code == CURLE_FILESIZE_EXCEEDED)
        return err_set(err, RC_LIMIT, "a key set has at most %d bytes", JWKS_BYTES_MAX);
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "%s",
                       f->error[0] ? f->error : curl_easy_strerror(code));
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != HTTP_OK)
        return err_set(err, RC_UNAVAILABLE, "HTTP status %ld", status);
    TRY(jwks_parse(buf_slice(&f->body), ret_set, err));
    *ret_fresh_s = jwks_fetch_fresh_s(f);
    return RC_OK;
}
