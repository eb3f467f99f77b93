/* WHAT        ClickHouse's HTTP conventions: from a request to an engine_query, and the heads of
 *             answers.
 * WHY         Clients made for ClickHouse (the official ones, Metabase, curl) must not
 *             notice a difference; what is not there is refused with a code, never ignored in
 *             silence.
 * INVARIANTS  on the TCP address: a password if one is set; without one no browser page may come
 *             in (an Origin header, or a Host that is no loopback name, is refused).
 * THREADS     the loop's. */
#include <stdio.h>
#include <sys/mman.h>

#include "base/must.h"
#include "base/random.h"
#include "codec/base64.h"
#include "store/child_int.h"
#include "store/sql_int.h"

/* ---- answers ---- */
static bool is_one_of(int code, const int *list)
{
    for (; *list; list++)
        if (*list == code)
            return true;
    return false;
}

int wire_status(int code)
{
    static const int bad[] = {6,   7,   9,   25,  26,  27,  36,  38,  41,  43,  53,
                              58,  62,  69,  70,  72,  80,  89,  117, 130, 167, 168,
                              170, 271, 321, 376, 377, 378, 456, 457, 575, 0};
    static const int missing[] = {46, 47, 50, 56, 60, 63, 73, 75, 78, 81, 115, 336, 0};
    static const int forbidden[] = {192, 193, 497, 516, 0};
    if (is_one_of(code, bad))
        return 400;
    if (is_one_of(code, missing))
        return 404;
    if (is_one_of(code, forbidden))
        return 403;
    switch (code) {
    case 194:
        return 401;
    case CH_NOT_IMPLEMENTED:
        return 501;
    case 209:
    case 159:
        return 408;
    case CH_TOO_MANY_BYTES:
        return 413;
    case CH_TOO_MANY_QUERIES:
        return 503;
    default:
        return 500;
    }
}

static void add_header(struct net_header *h, uint32_t *n, const char *name, struct slice value)
{
    h[(*n)++] = (struct net_header){slice_str(name), value};
}

static struct slice summary_text(struct job *job)
{
    const struct store_summary *s = &job->result.summary;
    return slice_str(arena_printf(
        job->req->arena,
        "{\"read_rows\":\"%llu\",\"read_bytes\":\"%llu\",\"written_rows\":\"%llu\","
        "\"written_bytes\":\"%llu\",\"total_rows_to_read\":\"0\",\"result_rows\":\"%llu\","
        "\"result_bytes\":\"%llu\",\"elapsed_ns\":\"%llu\"}",
        (unsigned long long)s->read_rows, (unsigned long long)s->read_bytes,
        (unsigned long long)s->written_rows, (unsigned long long)s->written_bytes,
        (unsigned long long)s->result_rows, (unsigned long long)s->result_bytes,
        (unsigned long long)s->elapsed_ns));
}

const struct net_header *wire_headers(struct job *job, bool is_final, uint32_t *ret_count)
{
    struct arena *a = job->req->arena;
    struct net_header *h = arena_alloc(a, 12 * sizeof(*h));
    *ret_count = 0;
    if (!h)
        return NULL;
    uint32_t n = 0;
    bool is_error = is_final && job->result.is_error;
    add_header(h, &n, "X-ClickHouse-Server-Display-Name", SLICE_LIT("weir"));
    add_header(h, &n, "X-ClickHouse-Query-Id", job->query_id);
    add_header(h, &n, "X-ClickHouse-Timezone", slice_str(engine_timezone(job->child->engine)));
    if (is_error)
        add_header(h, &n, "X-ClickHouse-Exception-Code",
                   slice_str(arena_printf(a, "%d", job->result.code)));
    else if (job->result.format[0])
        add_header(h, &n, "X-ClickHouse-Format", arena_copy(a, slice_str(job->result.format)));
    if (is_final)
        add_header(h, &n, "X-ClickHouse-Summary", summary_text(job));
    else
        add_header(h, &n, "X-ClickHouse-Exception-Tag", slice_of(job->tag, CHILD_TAG_BYTES - 1));
    if (job->is_gzip)
        add_header(h, &n, "Content-Encoding", SLICE_LIT("gzip"));
    *ret_count = n;
    return h;
}

void wire_fail(struct net_request *req, int code, const char *name, const char *text)
{
    struct net_header headers[2];
    uint32_t n = 0;
    char number[16];
    snprintf(number, sizeof(number), "%d", code);
    add_header(headers, &n, "X-ClickHouse-Exception-Code", slice_str(number));
    if (code == 194)
        add_header(headers, &n, "WWW-Authenticate", SLICE_LIT("Basic realm=\"ClickHouse\""));
    const char *body =
        arena_printf(req->arena, "Code: %d. DB::Exception: %s. (%s)\n", code, text, name);
    struct net_response r = {.status = wire_status(code),
                             .content_type = SLICE_LIT("text/plain; charset=UTF-8"),
                             .headers = headers,
                             .header_count = n,
                             .body = slice_str(body)};
    net_respond(req, &r);
}

void wire_render_problem(void *ctx, int status, const char *detail, const char *request_id,
                         struct buf *ret_body)
{
    (void)ctx;
    buf_addf(ret_body, "{\"type\":\"about:blank\",\"status\":%d,\"detail\":", status);
    buf_add_json(ret_body, slice_str(detail));
    buf_add_str(ret_body, ",\"request_id\":");
    buf_add_json(ret_body, slice_str(request_id));
    buf_add_str(ret_body, "}\n");
}

static void answer_text(struct net_request *req, int status, const char *text)
{
    struct net_response r = {.status = status,
                             .content_type = SLICE_LIT("text/html; charset=UTF-8"),
                             .body = slice_str(text)};
    net_respond(req, &r);
}

/* ---- who is asking ---- */
static bool is_loopback_host(struct slice host)
{
    if (host.len && host.data[0] == '[')
        return slice_has_prefix(host, SLICE_LIT("[::1]"));
    struct slice name = slice_cut(&host, ':');
    return slice_eq_nocase(name, SLICE_LIT("localhost")) || slice_eq_str(name, "127.0.0.1");
}

/* Credentials in ClickHouse's order: headers, Basic, URL. */
static void credentials(struct net_request *req, struct slice *ret_user, struct slice *ret_password)
{
    struct slice basic = net_header_get(req, "Authorization");
    uint8_t *decoded = arena_alloc(req->arena, base64_decoded_max(basic.len));
    size_t len = 0;
    *ret_user = net_header_get(req, "X-ClickHouse-User");
    *ret_password = net_header_get(req, "X-ClickHouse-Key");
    if (ret_user->len || ret_password->len)
        return;
    if (decoded && basic.len > 6 && slice_eq_nocase(slice_of(basic.data, 6), SLICE_LIT("Basic ")) &&
        base64_decode(BASE64_STD, slice_sub(basic, 6), decoded, &len)) {
        *ret_password = slice_of((const char *)decoded, len);
        *ret_user = slice_cut(ret_password, ':');
        return;
    }
    IGNORE(net_query_get(req, "user", ret_user), "absent is empty");
    IGNORE(net_query_get(req, "password", ret_password), "absent is empty");
}

static bool is_admitted(const struct child_face *face, struct net_request *req)
{
    struct slice user, password;
    if (!face->is_tcp)
        return true; /* the socket's file mode decides */
    credentials(req, &user, &password);
    const char *want_user = face->user ? face->user : "default";
    bool ok = user.len == 0 ? !face->password : slice_eq_str(user, want_user);
    if (face->password)
        ok = slice_eq_const_time(password, slice_str(face->password)) && ok;
    else
        ok = ok && password.len == 0;
    if (!ok) {
        wire_fail(req, user.len || password.len ? CH_AUTHENTICATION_FAILED : 194,
                  user.len || password.len ? "AUTHENTICATION_FAILED" : "REQUIRED_PASSWORD",
                  "Authentication failed: wrong or missing user name or password");
        return false;
    }
    if (!face->password &&
        (net_header_has(req, "Origin") || !is_loopback_host(net_header_get(req, "Host")))) {
        wire_fail(req, CH_ACCESS_DENIED, "ACCESS_DENIED",
                  "without a password only programs on this machine are served, no web pages");
        return false;
    }
    return true;
}

void wire_on_head(void *ctx, struct net_request *req, struct net_body_plan *plan)
{
    if (slice_eq_str(req->path, "/ping") || slice_eq_str(req->path, "/replicas_status")) {
        answer_text(req, 200, "Ok.\n");
        return;
    }
    if (!slice_eq_str(req->path, "/")) {
        answer_text(req, 404, "There is no handle for this path.\nUse / or /ping.\n");
        return;
    }
    if (req->method != NET_GET && req->method != NET_POST && req->method != NET_HEAD) {
        wire_fail(req, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "only GET, HEAD and POST are served");
        return;
    }
    if (req->method != NET_POST && req->query.len == 0) {
        answer_text(req, 200, "Ok.\n");
        return;
    }
    if (!is_admitted(ctx, req))
        return;
    plan->mode = NET_BODY_FD;
    plan->bytes_max = CHILD_BODY_BYTES_MAX;
}

/* ---- parameters ---- */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool decode(struct arena *a, struct slice in, struct slice *ret)
{
    char *to = arena_alloc(a, in.len + 1);
    size_t n = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];
        if (c == '%' && i + 2 < in.len && hex_value(in.data[i + 1]) >= 0 &&
            hex_value(in.data[i + 2]) >= 0) {
            c = (char)(hex_value(in.data[i + 1]) * 16 + hex_value(in.data[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        to[n++] = c;
    }
    to[n] = '\0';
    *ret = slice_of(to, n);
    return true;
}

/* Parameters of the interface that are no settings, and settings that the child answers for. */
static const char *const not_settings[] = {"query_id",
                                           "user",
                                           "password",
                                           "quota_key",
                                           "buffer_size",
                                           "wait_end_of_query",
                                           "stacktrace",
                                           "enable_http_compression",
                                           "http_zlib_compression_level",
                                           "log_comment",
                                           "client_protocol_version",
                                           "async_insert",
                                           "wait_for_async_insert",
                                           "send_progress_in_http_headers",
                                           "http_headers_progress_interval_ms",
                                           "http_write_exception_in_output_format",
                                           "http_response_buffer_size",
                                           "http_exception_tagging",
                                           "session_timeout",
                                           "session_check",
                                           "close_session",
                                           "compress",
                                           "decompress",
                                           NULL};

struct intake {
    struct job *job;
    struct engine_pair *settings, *params;
    struct slice sql;
    uint32_t pairs;
    bool is_gzip;
    const char *refused;
};

static bool is_on(struct slice value)
{
    return value.len && !slice_eq_str(value, "0") && !slice_eq_str(value, "false");
}

static bool take_own(struct intake *in, struct slice name, struct slice value)
{
    struct engine_query *q = &in->job->query;
    if (slice_eq_str(name, "query")) {
        in->sql = value;
    } else if (slice_eq_str(name, "database")) {
        q->database = value;
    } else if (slice_eq_str(name, "default_format")) {
        q->default_format = value;
    } else if (slice_eq_str(name, "role")) {
        q->role = value;
    } else if (slice_eq_str(name, "readonly")) {
        uint64_t level;
        if (slice_to_u64(value, &level) && level >= 1 && level <= 2)
            q->readonly = (uint32_t)level;
    } else if (slice_eq_str(name, "session_id") && value.len) {
        in->refused = "sessions are not available: send each statement on its own";
    } else if ((slice_eq_str(name, "compress") || slice_eq_str(name, "decompress")) &&
               is_on(value)) {
        in->refused =
            "the native compression of HTTP bodies is not available: use Content-Encoding";
    } else {
        if (slice_eq_str(name, "query_id") && value.len && value.len <= 128)
            in->job->query_id = value;
        if (slice_eq_str(name, "enable_http_compression"))
            in->is_gzip = is_on(value);
        for (const char *const *p = not_settings; *p; p++)
            if (slice_eq_str(name, *p))
                return true;
        return false;
    }
    return true;
}

static bool take_pair(struct intake *in, struct slice raw)
{
    struct engine_query *q = &in->job->query;
    struct arena *a = in->job->req->arena;
    struct slice name, value;
    struct slice raw_name = slice_cut(&raw, '=');
    if (raw_name.len == 0)
        return true;
    if (!decode(a, raw_name, &name) || !decode(a, raw, &value) || ++in->pairs > CHILD_PAIRS_MAX) {
        in->refused = "too many or too long parameters";
        return false;
    }
    if (slice_has_prefix(name, SLICE_LIT("param_")))
        in->params[q->param_count++] = (struct engine_pair){slice_sub(name, 6), value};
    else if (!take_own(in, name, value))
        in->settings[q->setting_count++] = (struct engine_pair){name, value};
    return !in->refused;
}

/* ---- body ---- */
static bool take_encoding(struct intake *in, enum codec_kind *ret)
{
    struct slice e = net_header_get(in->job->req, "Content-Encoding");
    *ret = CODEC_PLAIN;
    if (e.len == 0 || slice_eq_nocase(e, SLICE_LIT("identity")))
        return true;
    if (slice_eq_nocase(e, SLICE_LIT("gzip")) || slice_eq_nocase(e, SLICE_LIT("x-gzip")))
        *ret = CODEC_GZIP;
    else if (slice_eq_nocase(e, SLICE_LIT("zstd")))
        *ret = CODEC_ZSTD;
    else
        in->refused = "Content-Encoding can be gzip or zstd";
    return !in->refused;
}

static bool map_body(struct intake *in, struct slice *ret)
{
    struct job *job = in->job;
    struct net_request *req = job->req;
    *ret = SLICE_EMPTY;
    if (req->method != NET_POST || req->body_bytes == 0)
        return true;
    job->map_len = (size_t)req->body_bytes;
    job->map = mmap(NULL, job->map_len, PROT_READ, MAP_SHARED, req->body_fd, 0);
    if (job->map == MAP_FAILED) {
        job->map = NULL;
        in->refused = "the body cannot be mapped";
        return false;
    }
    *ret = slice_of(job->map, job->map_len);
    return true;
}

/* The body is (the rest of) the statement: put both together, decoded. */
static bool join_text(struct intake *in, struct slice body, enum codec_kind kind)
{
    struct job *job = in->job;
    if (in->sql.len == 0 && kind == CODEC_PLAIN) {
        job->query.text = body;
        return true;
    }
    CLEANUP(decoder_freep) struct decoder *d = decoder_new();
    buf_add_slice(&job->text, in->sql);
    if (in->sql.len && body.len)
        buf_add_char(&job->text, '\n');
    enum rc rc = RC_OK;
    if (kind == CODEC_PLAIN)
        buf_add_slice(&job->text, body);
    else
        rc = d ? decode_all(d, body, &job->text, NULL) : RC_NOMEM;
    if (rc != RC_OK || !buf_ok(&job->text)) {
        in->refused = "the body is damaged, or too long when it is decoded";
        return false;
    }
    job->query.text = buf_slice(&job->text);
    return true;
}

static bool take_body(struct intake *in)
{
    struct engine_query *q = &in->job->query;
    struct slice body;
    enum codec_kind kind;
    if (!take_encoding(in, &kind) || !map_body(in, &body))
        return false;
    struct slice type = net_header_get(in->job->req, "Content-Type");
    if (slice_has_prefix(type, SLICE_LIT("multipart/"))) {
        in->refused = "multipart bodies are not available";
        return false;
    }
    bool is_rows = in->sql.len && sql_scan(in->sql).kind == SQL_INSERT_DATA;
    if (!is_rows)
        return join_text(in, body, kind);
    q->text = in->sql;
    q->data = body;
    q->data_codec = kind;
    return true;
}

static void settle_query(struct intake *in)
{
    struct job *job = in->job;
    struct net_request *req = job->req;
    struct engine_query *q = &job->query;
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz";
    uint64_t random = random_u64();
    for (int i = 0; i < CHILD_TAG_BYTES - 1; i++, random /= 16)
        job->tag[i] = digits[random % 16];
    snprintf(q->id, sizeof(q->id), "weir-%016llx%08x", (unsigned long long)random_u64(),
             (unsigned)random_u64());
    if (job->query_id.len == 0)
        job->query_id = slice_str(req->ctx->request_id);
    if (q->default_format.len == 0)
        q->default_format = net_header_get(req, "X-ClickHouse-Format");
    if (q->database.len == 0)
        q->database = net_header_get(req, "X-ClickHouse-Database");
    if (req->method != NET_POST && q->readonly == 0)
        q->readonly = 2; /* as ClickHouse does */
    q->settings = in->settings;
    q->params = in->params;
    q->data_bytes_max = CHILD_ROWS_BYTES_MAX;
    struct slice accept = net_header_get(req, "Accept-Encoding");
    job->is_gzip = in->is_gzip && accept.len && memmem(accept.data, accept.len, "gzip", 4);
}

static bool take(struct intake *in)
{
    struct net_request *req = in->job->req;
    in->params = arena_alloc(req->arena, CHILD_PAIRS_MAX * sizeof(struct engine_pair));
    in->settings = arena_alloc(req->arena, CHILD_PAIRS_MAX * sizeof(struct engine_pair));
    if (!in->params || !in->settings)
        in->refused = "the request is too large";
    struct slice rest = req->query;
    while (!in->refused && rest.len)
        if (!take_pair(in, slice_cut(&rest, '&')))
            break;
    if (in->refused || !take_body(in))
        return false;
    settle_query(in);
    return true;
}

void wire_on_request(void *ctx, struct net_request *req)
{
    const struct child_face *face = ctx;
    struct job *job = job_new(face->child, req);
    struct intake in = {.job = job};
    if (!take(&in)) {
        bool is_missing = memmem(in.refused, strlen(in.refused), "not available", 13);
        wire_fail(req, is_missing ? CH_NOT_IMPLEMENTED : CH_BAD_ARGUMENTS,
                  is_missing ? "NOT_IMPLEMENTED" : "BAD_ARGUMENTS", in.refused);
        job_free(job);
        return;
    }
    job->is_read = sql_is_select(job->query.text);
    req->user = job;
    req->on_gone = job_gone;
    if (child_submit(face->child, job) != RC_OK) {
        req->on_gone = NULL;
        wire_fail(req, CH_TOO_MANY_QUERIES, "TOO_MANY_SIMULTANEOUS_QUERIES",
                  "Too many simultaneous queries");
        job_free(job);
    }
}
