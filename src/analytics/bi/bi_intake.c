/* WHAT    From a request in ClickHouse's conventions to what goes on to the store (bi_int.h).
 * WHY     Nothing of a client's URL goes on by itself: parameters of the statement, the format and
 *         the settings of a short list do, each of them decoded and written anew. What its clients
 *         send without meaning anything by it is passed over; all else is refused by name.
 * THREADS the request's loop. */
#include "analytics/bi/bi_int.h"

#include <string.h>

#include "http/url.h"

enum {
    REVISION_WITH_FLAGS = 54454,
    CH_BAD_ARGUMENTS = 36,
    CH_NOT_IMPLEMENTED = 48,
    CH_UNKNOWN_DATABASE = 81,
    CH_READONLY = 164,
};

/* How an answer is written, and what a statement may cost at most: nothing that changes what it may
 * read. */
static const char *const settings_allowed[] = {"max_result_rows",
                                               "max_result_bytes",
                                               "result_overflow_mode",
                                               "max_block_size",
                                               "max_threads",
                                               "session_timezone",
                                               "join_use_nulls",
                                               "extremes",
                                               "date_time_output_format",
                                               "date_time_input_format",
                                               "format_csv_delimiter",
                                               "bool_true_representation",
                                               "bool_false_representation",
                                               "limit",
                                               "offset",
                                               NULL};
static const char *const passed_over[] = {"user",
                                          "password",
                                          "role",
                                          "quota_key",
                                          "query_id",
                                          "readonly",
                                          "buffer_size",
                                          "wait_end_of_query",
                                          "stacktrace",
                                          "log_comment",
                                          "session_id", /* there is nothing to keep in one */
                                          "session_timeout",
                                          "session_check",
                                          "enable_http_compression",
                                          "http_zlib_compression_level",
                                          "send_progress_in_http_headers",
                                          "http_headers_progress_interval_ms",
                                          "http_write_exception_in_output_format",
                                          "http_response_buffer_size",
                                          "http_exception_tagging",
                                          "add_http_cors_header",
                                          "async_insert",
                                          "wait_for_async_insert",
                                          "select_sequential_consistency",
                                          "close_session",
                                          NULL};

static bool is_in(struct slice name, const char *const *list)
{
    for (; *list; list++)
        if (slice_eq_str(name, *list))
            return true;
    return false;
}

static bool refuse(struct bi_question *q, int code, const char *name, const char *why)
{
    if (q->why)
        return false;
    q->code = code;
    q->name = name;
    q->why = why;
    return false;
}

static bool add(struct bi_question *q, const char *name, struct slice value)
{
    if (q->pair_count >= BI_PAIRS_MAX - 8) /* ours come behind them */
        return refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "too many parameters");
    q->pairs[q->pair_count++] = (struct store_pair){name, value};
    return true;
}

static bool take_seconds(struct bi_question *q, struct slice value)
{
    uint64_t seconds;
    struct slice whole = value;
    if (!slice_to_u64(slice_cut(&whole, '.'), &seconds))
        return refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "max_execution_time is no number");
    if (seconds > 0 && seconds < q->seconds)
        q->seconds = (uint32_t)seconds;
    return true;
}

static bool is_on(struct slice value)
{
    return value.len && !slice_eq_str(value, "0") && !slice_eq_str(value, "false");
}

static bool take(struct bi_question *q, struct arena *arena, struct slice name, struct slice value)
{
    uint64_t version;
    if (slice_has_prefix(name, SLICE_LIT("param_")) || slice_eq_str(name, "default_format") ||
        slice_has_prefix(name, SLICE_LIT("output_format_")) || is_in(name, settings_allowed)) {
        const char *text = arena_strndup(arena, name.data, name.len);
        return text ? add(q, text, value)
                    : refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "the request is too large");
    }
    if (slice_eq_str(name, "query"))
        q->sql = value;
    else if (slice_eq_str(name, "database"))
        q->database = value;
    else if (slice_eq_str(name, "max_execution_time"))
        return take_seconds(q, value);
    else if (slice_eq_str(name, "compress"))
        q->is_packed = is_on(value);
    else if (slice_eq_str(name, "client_protocol_version"))
        q->wants_flags = slice_to_u64(value, &version) && version >= REVISION_WITH_FLAGS;
    else if (slice_eq_str(name, "decompress"))
        return !is_on(value) || refuse(q, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED",
                                       "a statement has to be sent as it is, not compressed");
    else if (!is_in(name, passed_over))
        return refuse(q, CH_READONLY, "READONLY",
                      arena_printf(arena, "the setting or parameter '%.*s' is not available here",
                                   (int)(name.len < 64 ? name.len : 64), name.data));
    return true;
}

static bool take_url(struct bi_question *q, const struct net_request *net)
{
    struct slice rest = net->query;
    while (rest.len) {
        struct slice raw = slice_cut(&rest, '&');
        struct slice raw_name = slice_cut(&raw, '='), name, value;
        if (raw_name.len == 0)
            continue;
        if (!url_decode(net->arena, raw_name, true, &name) ||
            !url_decode(net->arena, raw, true, &value))
            return refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "a parameter is malformed");
        if (!take(q, net->arena, name, value))
            return false;
    }
    return true;
}

static bool take_headers(struct bi_question *q, const struct net_request *net)
{
    struct slice format = net_header_get(net, "X-ClickHouse-Format");
    struct slice encoding = net_header_get(net, "Content-Encoding");
    if (q->database.len == 0)
        q->database = net_header_get(net, "X-ClickHouse-Database");
    if (encoding.len && !slice_eq_nocase(encoding, SLICE_LIT("identity")))
        return refuse(q, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED",
                      "a statement has to be sent as it is, without Content-Encoding");
    if (slice_has_prefix(net_header_get(net, "Content-Type"), SLICE_LIT("multipart/")))
        return refuse(q, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED",
                      "multipart bodies are not available");
    return format.len == 0 || add(q, "default_format", format);
}

static bool take_body(struct bi_question *q, const struct net_request *net)
{
    if (net->body.len == 0)
        return true;
    if (q->sql.len == 0) {
        q->sql = net->body;
        return true;
    }
    q->sql =
        slice_str(arena_printf(net->arena, "%.*s\n%.*s", SLICE_ARG(q->sql), SLICE_ARG(net->body)));
    return q->sql.len > 0 ||
           refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "the request is too large");
}

/* The engine writes Native as clients read it that name no version, or an old one. */
static bool check_native(struct bi_question *q)
{
    for (uint32_t i = 0; q->wants_flags && i < q->pair_count; i++)
        if (strcmp(q->pairs[i].name, "default_format") == 0 &&
            slice_eq_str(q->pairs[i].value, "Native"))
            return refuse(q, CH_NOT_IMPLEMENTED, "NOT_IMPLEMENTED",
                          "Native blocks of this client_protocol_version are not available: ask "
                          "for another format");
    return true;
}

bool bi_intake(struct bi *bi, const struct net_request *net, struct bi_question *q)
{
    q->seconds = bi->cfg.seconds_max;
    if (!take_url(q, net) || !take_headers(q, net) || !take_body(q, net) || !check_native(q))
        return false;
    if (q->sql.len > BI_STATEMENT_BYTES_MAX)
        return refuse(q, CH_BAD_ARGUMENTS, "BAD_ARGUMENTS", "a statement can have at most 128 KiB");
    if (q->database.len && !slice_eq_str(q->database, "default") &&
        !slice_eq_str(q->database, BI_DATABASE))
        return refuse(q, CH_UNKNOWN_DATABASE, "UNKNOWN_DATABASE",
                      "there is one database here: " BI_DATABASE);
    return true;
}
