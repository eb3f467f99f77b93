/* WHAT     POST /v1/projects/{projectId}/privacy/export: everything about one user, as NDJSON.
 * WHY      What an erasure would take (analytics/erase) can be had before, by the same ids: every
 *          event with its traits, as an export of the project writes it, then the sessions. The ids
 *          are in the body, as addresses stand in logs of proxies.
 * THREADS  the request's loop; then as export.c. */
#include "analytics/report/export_int.h"

#include "analytics/event/event.h"
#include "codec/json.h"

/* They travel in an address, percent-encoded: three bytes for one, and each of the lists may be as
 * long. */
enum { IDS_MAX = 200, LIST_BYTES_MAX = 32 << 10 };

/* A text within Array(String). The engine takes escapes out of an array once, and the client puts
 * them in: only the quote is left to do here. */
static void add_quoted(struct buf *out, struct slice text)
{
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '\'');
}

static bool add_list(yyjson_val *list, struct buf *out, uint32_t *count)
{
    size_t at, n;
    yyjson_val *v;
    buf_add_char(out, '[');
    if (list && !yyjson_is_arr(list))
        return false;
    yyjson_arr_foreach(list, at, n, v)
    {
        if (!yyjson_is_str(v) || json_text(v).len == 0 || json_text(v).len > EVENT_ID_BYTES_MAX ||
            ++*count > IDS_MAX)
            return false;
        if (at)
            buf_add_char(out, ',');
        add_quoted(out, json_text(v));
    }
    buf_add_char(out, ']');
    return buf_ok(out);
}

static bool take_ids(struct api_request *req, struct slice ret_lists[EXPORT_USER_LISTS])
{
    static const char *const names[EXPORT_USER_LISTS] = {"user_ids", "anonymous_ids", "devices"};
    yyjson_val *body = NULL;
    uint32_t count = 0;
    struct err err = ERR_INIT;
    if (json_parse(req->net->arena, req->net->body, &body, &err) != RC_OK || !yyjson_is_obj(body)) {
        api_problem(req, RC_INVALID, "send a JSON object with user_ids, anonymous_ids or devices");
        return false;
    }
    for (int i = 0; i < EXPORT_USER_LISTS; i++) {
        CLEANUP(buf_done) struct buf list;
        buf_init(&list, LIST_BYTES_MAX);
        if (!add_list(json_get(body, names[i]), &list, &count)) {
            api_problem(req, RC_INVALID, "%s: a list of texts of 1 to %d bytes, %d ids in all",
                        names[i], EVENT_ID_BYTES_MAX, IDS_MAX);
            return false;
        }
        ret_lists[i] = arena_copy(req->net->arena, buf_slice(&list));
    }
    if (count == 0)
        api_problem(req, RC_INVALID, "name an id: user_ids, anonymous_ids or devices");
    return count > 0;
}

void query_export_user(struct ctx *ctx, void *service, struct api_request *req)
{
    struct slice lists[EXPORT_USER_LISTS];
    if (take_ids(req, lists))
        export_start(
            ctx, service, req,
            &(struct export_ask){.format = EXPORT_NDJSON, .to_ms = EXPORT_TO_MS, .user = lists});
}
