/* WHAT     GET /v1/projects/{projectId}/export: a project's raw events, streamed.
 * HOW      A page of lines is asked for on the worker pool, written on the loop as fast as the
 *          client takes it, then the next page, which begins behind the last line of the one
 *          before: the order is that of the table's key, so a page costs what it has. No statement
 *          of the store's, no thread waits for a slow client. Parquet has its index at its end and
 *          is made as one: it is bounded.
 * MEMORY   one page: PAGE_ROWS lines, fewer where lines are long (PAGE_BYTES_MAX).
 * BREAKS   What goes wrong before the first byte is a problem; later the answer is cut, so that a
 *          client sees a broken body and not a short success.
 * THREADS  as query.c. */
#include <stdatomic.h>
#include <stdio.h>

#include "analytics/report/export_int.h"
#include "base/log.h"
#include "base/must.h"
#include "codec/compress.h"
#include "http/accept.h"

enum {
    PAGE_ROWS = 10000,
    PAGE_BYTES_MAX = 64 << 20,
    PARQUET_BYTES_MAX = 256 << 20,
    PIECE_BYTES = 64 << 10, /* of one write: the stream says after each whether it is full */
    SQL_BYTES_MAX = 64 << 10,
    HEADER_BYTES_MAX = 4096,
    GZIP_LEVEL = 4,
    EXPORTS_MAX = 4, /* at once: each holds a page */
    PARAMS = 10 + EXPORT_USER_LISTS,
};
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

struct export_call { /* in the request's arena */
    struct query *query;
    struct net_request *net;
    struct api_request *req; /* until the answer has begun */
    enum export_format format;
    bool is_begun, is_last, is_gone, is_waiting; /* waiting: for on_drain */
    const char *sql;
    const char *sessions_sql; /* of one user: what follows the events; NULL: nothing (any more) */
    struct slice user[EXPORT_USER_LISTS];
    struct encoder *encoder; /* NULL: as it is */
    struct buf page;         /* of the store */
    struct buf out;          /* what the client gets of it */
    size_t sent;
    uint32_t limit;
    char project[UUID_TEXT_LEN + 1];
    char from[24], to[24];
    struct export_row after; /* where the next page begins; event in after_event */
    char after_event[1024];
    enum rc rc;
    struct err err;
};

/* ---- a page, on the worker ---- */

static enum rc ask(struct ctx *ctx, struct export_call *call, struct store_client *client)
{
    char day[TIME_TEXT_BYTES], visitor[24], time[24], id[UUID_TEXT_LEN + 1], limit[16];
    time_format((unix_ms){call->after.time_ms}, day);
    snprintf(visitor, sizeof(visitor), "%llu", (unsigned long long)call->after.visitor);
    snprintf(time, sizeof(time), "%lld", (long long)call->after.time_ms);
    snprintf(limit, sizeof(limit), "%u", call->limit);
    const struct store_param params[PARAMS] = {
        {"project", slice_of(call->project, UUID_TEXT_LEN)},
        {"from", slice_str(call->from)},
        {"to", slice_str(call->to)},
        {"after_day", slice_of(day, 10)},
        {"after_event", call->after.event},
        {"after_visitor", slice_str(visitor)},
        {"after_time", slice_str(time)},
        {"after_id", slice_str(uuid_format(&call->after.id, id))},
        {"limit", slice_str(limit)},
        {"timezone", SLICE_LIT("UTC")},
        {"user_ids", call->user[0]},
        {"anonymous_ids", call->user[1]},
        {"devices", call->user[2]},
    };
    const struct store_setting settings[] = {
        {"output_format_json_escape_forward_slashes", "0"},
        {"date_time_output_format", "iso"},
        {"output_format_parquet_string_as_string", "1"},
    };
    const struct store_query q = {
        .sql = call->sql,
        .format = call->format == EXPORT_PARQUET ? "Parquet" : "RowBinary",
        .params = params,
        .param_count = COUNT_OF(params),
        .settings = settings,
        .setting_count = COUNT_OF(settings),
        .read_only = true,
    };
    buf_clear(&call->page);
    return store_query(ctx, client, &q, &call->page, NULL, NULL, &call->err);
}

static enum rc add_out(struct export_call *call, struct slice bytes)
{
    if (!call->encoder) {
        buf_add_slice(&call->out, bytes);
        return buf_ok(&call->out) ? RC_OK : RC_NOMEM;
    }
    return encoder_write(call->encoder, bytes, &call->out);
}

static enum rc add_header(struct export_call *call)
{
    CLEANUP(buf_done) struct buf header;
    buf_init(&header, HEADER_BYTES_MAX);
    export_csv_header(&header);
    return add_out(call, buf_slice(&header));
}

static enum rc take_lines(struct export_call *call)
{
    struct slice rest = buf_slice(&call->page);
    struct export_row row;
    uint32_t rows = 0;
    for (; rest.len; rows++) {
        ENSURE(export_row_next(&rest, &row) && row.event.len < sizeof(call->after_event),
               err_set(&call->err, RC_STORE, "the store's answer has another shape"));
        TRY(add_out(call, row.line));
        TRY(add_out(call, SLICE_LIT("\n")));
        call->after = row;
    }
    call->is_last = rows < call->limit;
    if (rows) { /* the page is gone when the next one comes */
        memcpy(call->after_event, call->after.event.data, call->after.event.len);
        call->after.event.data = call->after_event;
    }
    return RC_OK;
}

static enum rc next_page(struct ctx *ctx, struct export_call *call, struct store_client *client)
{
    enum rc rc;
    buf_clear(&call->out);
    call->sent = 0;
    if (!call->is_begun && call->format == EXPORT_CSV)
        TRY(add_header(call));
    /* Long lines: fewer at a time. One line is never larger than a page. */
    while ((rc = ask(ctx, call, client)) == RC_LIMIT && call->format != EXPORT_PARQUET &&
           call->limit > 1)
        call->limit = call->limit / 8 + 1;
    if (rc == RC_LIMIT)
        return err_set(&call->err, rc,
                       "the Parquet is larger than %d bytes: choose a shorter range",
                       PARQUET_BYTES_MAX);
    if (rc == RC_STORE || rc == RC_TIMEOUT)
        return err_set(&call->err, rc, "the store could not answer (%s): choose a shorter range",
                       rc_text(rc));
    TRY(rc);
    call->is_last = true;
    if (call->format == EXPORT_PARQUET)
        return add_out(call, buf_slice(&call->page));
    TRY(take_lines(call));
    if (call->is_last && call->sessions_sql) {
        call->sql = call->sessions_sql;
        call->sessions_sql = NULL;
        call->after = (struct export_row){.event = SLICE_EMPTY};
        call->is_last = false;
    }
    return call->is_last && call->encoder ? encoder_end(call->encoder, &call->out) : RC_OK;
}

static void work(struct ctx *ctx, void *arg)
{
    struct export_call *call = arg;
    struct store_client *client;
    call->rc = store_pool_take(call->query->cfg.pool, &client, &call->err);
    if (call->rc != RC_OK)
        return;
    call->rc = next_page(ctx, call, client);
    store_pool_give(call->query->cfg.pool, client);
}

/* ---- the answer, on the loop ---- */

static void page_ready(struct ctx *ctx, void *arg);

/* The request and its arena, and call with them, go with end(). */
static void finish(struct export_call *call, void (*end)(struct net_request *net))
{
    struct net_request *net = call->net;
    atomic_fetch_sub(&call->query->exports, 1);
    encoder_free(call->encoder);
    buf_done(&call->page);
    buf_done(&call->out);
    end(net);
}

static void refuse(struct export_call *call)
{
    struct err err = call->err;
    struct api_request *req = call->req;
    atomic_fetch_sub(&call->query->exports, 1);
    encoder_free(call->encoder);
    buf_done(&call->page);
    buf_done(&call->out);
    api_problem(req, err.rc == RC_OK ? RC_NOMEM : err.rc, "%s",
                err.rc == RC_OK ? "no memory for this request" : err.text);
}

static void send_page(struct ctx *ctx, struct export_call *call)
{
    enum rc rc = RC_OK;
    while (rc == RC_OK && call->sent < call->out.len) {
        size_t n = call->out.len - call->sent;
        struct slice piece =
            slice_of(call->out.data + call->sent, n < PIECE_BYTES ? n : PIECE_BYTES);
        call->sent += piece.len;
        rc = net_stream_write(call->net, piece);
    }
    call->is_waiting = rc == RC_BUSY;
    if (rc == RC_CLOSED || call->is_gone || (call->is_last && call->sent == call->out.len))
        finish(call, net_stream_end);
    else if (rc == RC_OK)
        net_loop_work(ctx, call->net->loop, work, page_ready, call);
    /* RC_BUSY: on_drain goes on. */
}

static void on_drain(struct ctx *ctx, struct net_request *net)
{
    send_page(ctx, net->user);
}

static void on_gone(struct ctx *ctx, struct net_request *net)
{
    struct export_call *call = net->user;
    (void)ctx;
    call->is_gone = true;
    /* Nobody drains it any more, and no page is on its way: this is the last word. */
    if (call->is_waiting)
        finish(call, net_stream_end);
}

static void begin(struct export_call *call)
{
    static const char *const types[EXPORT_FORMAT_COUNT] = {
        "application/x-ndjson", "text/csv; charset=utf-8; header=present",
        "application/vnd.apache.parquet"};
    static const char *const names[EXPORT_FORMAT_COUNT] = {
        "attachment; filename=\"events.ndjson\"", "attachment; filename=\"events.csv\"",
        "attachment; filename=\"events.parquet\""};
    const char *name =
        call->user[0].len ? "attachment; filename=\"user.ndjson\"" : names[call->format];
    const struct net_header headers[] = {
        {SLICE_LIT("Cache-Control"), SLICE_LIT("no-store")},
        {SLICE_LIT("Content-Disposition"), slice_str(name)},
        {SLICE_LIT("Vary"), SLICE_LIT("Accept-Encoding")},
        {SLICE_LIT("Content-Encoding"), SLICE_LIT("gzip")},
    };
    call->is_begun = true;
    const struct net_response head = {.status = 200,
                                      .content_type = slice_str(types[call->format]),
                                      .headers = headers,
                                      .header_count =
                                          (uint32_t)COUNT_OF(headers) - (call->encoder ? 0 : 1)};
    api_stream_begin_with(call->req, &head, on_drain);
}

static void page_ready(struct ctx *ctx, void *arg)
{
    struct export_call *call = arg;
    if (call->rc != RC_OK && !call->is_begun) {
        refuse(call);
        return;
    }
    if (call->rc != RC_OK) {
        log_error("an export was cut", LOG_ERR(&call->err));
        finish(call, net_stream_abort);
        return;
    }
    if (!call->is_begun)
        begin(call);
    send_page(ctx, call);
}

/* ---- the question ---- */

static bool take_format(struct api_request *req, enum export_format *ret)
{
    struct slice text;
    *ret = EXPORT_NDJSON;
    if (!net_query_get(req->net, "format", &text))
        return true;
    for (int i = 0; i < EXPORT_FORMAT_COUNT; i++) {
        *ret = (enum export_format)i;
        if (slice_eq_str(text, export_format_names[i]))
            return true;
    }
    api_problem(req, RC_INVALID, "format is ndjson, csv or parquet");
    return false;
}

/* A day (whole, also as the end) or an instant (the end is not in it). */
static bool take_bound(struct api_request *req, const char *name, bool is_end, int64_t *ret_ms)
{
    struct slice text;
    unix_ms t;
    if (!net_query_get(req->net, name, &text))
        return true;
    if (!time_parse(text, &t) || t.ms < 0 || t.ms > 5000000000000) {
        api_problem(req, RC_INVALID, "%s is a day (2026-01-31, of UTC) or an instant (RFC 3339)",
                    name);
        return false;
    }
    *ret_ms = t.ms + (is_end && text.len == 10 ? day_ms : 0);
    return true;
}

/* NULL: no memory. */
static const char *expand(struct arena *arena, struct buf *sql)
{
    CLEANUP(buf_done) struct buf whole;
    const struct query_range none = {.start = SLICE_EMPTY};
    buf_init(&whole, SQL_BYTES_MAX);
    return query_expand(&none, buf_cstr(sql), &whole) ? arena_strndup(arena, whole.data, whole.len)
                                                      : NULL;
}

static bool prepare_sql(struct export_call *call, struct arena *arena)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    if (!call->user[0].len) {
        export_sql(call->format, &sql);
        call->sql = expand(arena, &sql);
        return call->sql;
    }
    export_user_sql(&sql);
    call->sql = expand(arena, &sql);
    buf_clear(&sql);
    export_user_sessions_sql(&sql);
    call->sessions_sql = expand(arena, &sql);
    return call->sql && call->sessions_sql;
}

static bool prepare(struct export_call *call, struct arena *arena)
{
    if (!prepare_sql(call, arena))
        return false;
    bool is_parquet = call->format == EXPORT_PARQUET;
    buf_init(&call->page, is_parquet ? PARQUET_BYTES_MAX : PAGE_BYTES_MAX);
    buf_init(&call->out, 2 * (size_t)PARQUET_BYTES_MAX);
    call->limit = PAGE_ROWS;
    call->after.event = SLICE_EMPTY; /* before every row: no event is without a name */
    bool is_packed =
        !is_parquet && accept_takes_coding(net_header_get(call->net, "Accept-Encoding"), "gzip");
    return !is_packed || encoder_new(CODEC_GZIP, GZIP_LEVEL, &call->encoder) == RC_OK;
}

void export_start(struct ctx *ctx, struct query *q, struct api_request *req,
                  const struct export_ask *asked)
{
    struct export_call *call = arena_zalloc(ctx->arena, sizeof(*call));
    if (!call) {
        api_problem(req, RC_NOMEM, "no memory for this request");
        return;
    }
    must(req->project); /* the router's promise */
    call->query = q;
    call->req = req;
    call->net = req->net;
    call->format = asked->format;
    for (int i = 0; i < EXPORT_USER_LISTS; i++)
        call->user[i] = asked->user ? asked->user[i] : SLICE_EMPTY;
    memcpy(call->project, req->project->id_text, sizeof(call->project));
    snprintf(call->from, sizeof(call->from), "%lld", (long long)asked->from_ms);
    snprintf(call->to, sizeof(call->to), "%lld", (long long)asked->to_ms);
    if (atomic_fetch_add(&q->exports, 1) >= EXPORTS_MAX)
        err_set(&call->err, RC_BUSY, "%d exports are under way; try again when one is over",
                EXPORTS_MAX);
    if (call->err.rc != RC_OK || !prepare(call, ctx->arena)) {
        refuse(call);
        return;
    }
    req->net->user = call;
    req->net->on_gone = on_gone;
    net_loop_work(ctx, req->net->loop, work, page_ready, call);
}

void query_export(struct ctx *ctx, void *service, struct api_request *req)
{
    struct export_ask asked = {.to_ms = EXPORT_TO_MS};
    if (take_format(req, &asked.format) && take_bound(req, "from", false, &asked.from_ms) &&
        take_bound(req, "to", true, &asked.to_ms))
        export_start(ctx, service, req, &asked);
}
