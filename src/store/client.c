/* WHAT    The store client: ClickHouse's HTTP interface over libcurl (store.h).
 * WHY     One client for the child on its Unix socket and for a server; only the URL differs.
 * INVARIANTS  the statement of a query travels in the body (no limit of URL lengths), that of an
 *         insert in the URL (the body is the rows); values only as param_…; nothing is retried
 *         here: the caller knows whether repeating is safe. curl itself sends again only if a kept
 *         connection turned out to be closed before a byte was answered.
 * THREADS a client belongs to one thread at a time. */
#include "store/client_int.h"

#include <pthread.h>

#include "base/heap.h"
#include "base/must.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void curl_init(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

static char *dup_or_null(const char *text)
{
    return text ? heap_strdup(HEAP_STORE, text) : NULL;
}

static void free_const(const char *text)
{
    heap_free((void *)(uintptr_t)text);
}

static void cfg_copy(struct store_cfg *to, const struct store_cfg *from)
{
    *to = *from;
    to->url = dup_or_null(from->url);
    to->unix_socket = dup_or_null(from->unix_socket);
    to->database = dup_or_null(from->database);
    to->user = dup_or_null(from->user);
    to->password = dup_or_null(from->password);
}

void store_client_free(struct store_client *c)
{
    if (!c)
        return;
    if (c->curl)
        curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    os_socket_name_done(&c->socket);
    free_const(c->cfg.url);
    free_const(c->cfg.unix_socket);
    free_const(c->cfg.database);
    free_const(c->cfg.user);
    if (c->cfg.password)
        explicit_bzero((void *)(uintptr_t)c->cfg.password, strlen(c->cfg.password));
    free_const(c->cfg.password);
    buf_done(&c->url);
    heap_free(c);
}
DEFINE_CLEANUP(struct store_client *, store_client_free)

static enum rc add_header(struct store_client *c, const char *name, const char *value)
{
    CLEANUP(buf_done) struct buf line;
    buf_init(&line, 4096);
    buf_addf(&line, "%s: %s", name, value);
    ENSURE(buf_ok(&line) && !strpbrk(value, "\r\n"), RC_INVALID);
    struct curl_slist *list = curl_slist_append(c->headers, buf_cstr(&line));
    explicit_bzero(line.data, line.len);
    ENSURE(list, RC_NOMEM);
    c->headers = list;
    return RC_OK;
}

static enum rc set_headers(struct store_client *c, struct err *err)
{
    enum rc rc = RC_OK;
    if (c->cfg.user)
        rc = add_header(c, "X-ClickHouse-User", c->cfg.user);
    if (rc == RC_OK && c->cfg.password)
        rc = add_header(c, "X-ClickHouse-Key", c->cfg.password);
    if (rc != RC_OK)
        return err_set(err, rc, "the store's user or password cannot be sent in a header");
    c->headers = curl_slist_append(c->headers, "Expect:"); /* no 100-continue round trip */
    c->headers = curl_slist_append(c->headers, "Content-Type:");
    c->headers = curl_slist_append(c->headers, "User-Agent: weir");
    return RC_OK;
}

enum rc store_client_new(const struct store_cfg *cfg, struct store_client **ret_client,
                         struct err *err)
{
    pthread_once(&curl_once, curl_init);
    ENSURE(cfg->url, err_set(err, RC_INVALID, "the store has no URL"));
    CLEANUP(store_client_freep) struct store_client *c = heap_alloc(HEAP_STORE, sizeof(*c));
    cfg_copy(&c->cfg, cfg);
    c->socket.dir_fd = -1;
    buf_init(&c->url, STORE_URL_BYTES_MAX);
    TRY(set_headers(c, err));
    c->curl = curl_easy_init();
    if (!c->curl)
        return err_set(err, RC_NOMEM, "curl_easy_init failed");
    CURL *curl = c->curl;
    long connect_ms = cfg->connect_timeout_ms ? (long)cfg->connect_timeout_ms : 2000;
    long total_ms = cfg->timeout_ms ? (long)cfg->timeout_ms : 60000;
    if (cfg->unix_socket) {
        TRY(os_socket_name(cfg->unix_socket, &c->socket, err));
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket.text);
    }
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* never one from the environment */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, total_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, answer_header);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_body);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    *ret_client = take_ptr(&c);
    return RC_OK;
}

/* "<url>/?database=weir"; a slash at the end of the configured URL is not doubled. */
static void url_start(struct store_client *c, bool with_database)
{
    buf_clear(&c->url);
    struct slice base = slice_str(c->cfg.url);
    while (base.len && base.data[base.len - 1] == '/')
        base.len--;
    buf_add_slice(&c->url, base);
    buf_add_str(&c->url, "/?enable_http_compression=0");
    if (with_database && c->cfg.database)
        url_add(&c->url, "", "database", slice_str(c->cfg.database));
}

static enum rc perform(struct store_client *c, struct answer *a, struct slice body,
                       struct store_summary *ret_summary, int *ret_code, struct err *err)
{
    char text[CURL_ERROR_SIZE] = "";
    const char *url = buf_cstr(&c->url);
    if (!buf_ok(&c->url))
        return err_set(err, RC_LIMIT, "parameters and settings are longer than %d bytes",
                       STORE_URL_BYTES_MAX);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.len ? body.data : "");
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(c->curl);
    enum rc rc = answer_result(a, code, text, ret_summary, ret_code, err);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, NULL);
    return rc;
}

static void add_params(struct store_client *c, const struct store_query *q)
{
    CLEANUP(buf_done) struct buf escaped;
    buf_init(&escaped, STORE_URL_BYTES_MAX);
    for (uint32_t i = 0; i < q->param_count; i++) {
        buf_clear(&escaped);
        url_escape_param(&escaped, q->params[i].value);
        if (!buf_ok(&escaped))
            c->url.is_failed = true;
        url_add(&c->url, "param_", q->params[i].name, buf_slice(&escaped));
    }
}

static enum rc query(struct ctx *ctx, struct store_client *c, const struct store_query *q,
                     bool with_database, struct buf *out, struct store_summary *ret_summary,
                     int *ret_code, struct err *err)
{
    url_start(c, with_database);
    if (q->format)
        url_add(&c->url, "", "default_format", slice_str(q->format));
    if (q->read_only)
        url_add(&c->url, "", "readonly", SLICE_LIT("2"));
    for (uint32_t i = 0; i < q->setting_count; i++)
        url_add(&c->url, "", q->settings[i].name, slice_str(q->settings[i].value));
    add_params(c, q);
    struct answer a;
    char line[sizeof("traceparent: ") + CTX_TRACEPARENT_LEN] = "traceparent: ";
    struct curl_slist trace = {.data = line, .next = c->headers};
    if (ctx) {
        ctx_traceparent(ctx, line + strlen(line));
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, &trace);
    }
    answer_init(&a, c->curl, q, out);
    enum rc rc = perform(c, &a, slice_str(q->sql), ret_summary, ret_code, err);
    answer_done(&a);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    return rc;
}

enum rc store_query(struct ctx *ctx, struct store_client *c, const struct store_query *q,
                    struct buf *out, struct store_summary *ret_summary, int *ret_code,
                    struct err *err)
{
    return query(ctx, c, q, true, out, ret_summary, ret_code, err);
}

enum rc store_exec(struct store_client *c, const char *sql, struct err *err)
{
    const struct store_query q = {.sql = sql};
    return query(NULL, c, &q, true, NULL, NULL, NULL, err);
}

enum rc store_query_any_database(struct store_client *c, const struct store_query *q,
                                 struct buf *out, struct err *err)
{
    return query(NULL, c, q, false, out, NULL, NULL, err);
}

enum rc store_insert(struct store_client *c, const char *table, const char *columns,
                     const char *format, struct slice body, const char *token,
                     struct store_summary *ret_summary, int *ret_code, struct err *err)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, STORE_URL_BYTES_MAX);
    buf_addf(&sql, "INSERT INTO %s ", table);
    if (columns && columns[0])
        buf_addf(&sql, "(%s) ", columns);
    buf_addf(&sql, "FORMAT %s", format);
    url_start(c, true);
    if (token)
        url_add(&c->url, "", "insert_deduplication_token", slice_str(token));
    url_add(&c->url, "", "query", buf_slice(&sql));
    if (!buf_ok(&sql))
        c->url.is_failed = true;
    struct answer a;
    answer_init(&a, c->curl, NULL, NULL);
    enum rc rc = perform(c, &a, body, ret_summary, ret_code, err);
    answer_done(&a);
    return rc;
}

enum rc store_ping(struct store_client *c, struct err *err)
{
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 256);
    buf_clear(&c->url);
    struct slice base = slice_str(c->cfg.url);
    while (base.len && base.data[base.len - 1] == '/')
        base.len--;
    buf_add_slice(&c->url, base);
    buf_add_str(&c->url, "/ping");
    struct answer a;
    answer_init(&a, c->curl, NULL, &out);
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(c->curl, CURLOPT_URL, buf_cstr(&c->url));
    curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, &a);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &a);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(c->curl);
    enum rc rc = answer_result(&a, code, text, NULL, NULL, err);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    answer_done(&a);
    if (rc == RC_OK && !slice_has_prefix(buf_slice(&out), SLICE_LIT("Ok.")))
        return err_set(err, RC_UNAVAILABLE,
                       "/ping was answered by something that is no ClickHouse");
    return rc;
}
