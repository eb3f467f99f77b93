/* WHAT    What a client may put behind the '?', and what it is told when it is wrong.
 * WHY     A wrong parameter that is silently ignored gives a wrong number: everything that we know
 *         is checked; names that we do not know are let pass (proxies and links add their own).
 * THREADS the request's loop. */
#include "analytics/event/page.h"
#include "analytics/report/query_int.h"

#include "base/must.h"

static bool take_date(struct query_call *call, const char *name, struct slice text,
                      int64_t *ret_days)
{
    if (query_date_parse(text, ret_days))
        return true;
    api_problem(call->req, RC_INVALID, "%s: '%.*s' is no day; write it as YYYY-MM-DD (%d to %d)",
                name, text.len > 40 ? 40 : (int)text.len, text.data, QUERY_YEAR_MIN,
                QUERY_YEAR_MAX);
    return false;
}

bool query_set_range(struct query_call *call, const char *const names[3],
                     const struct query_range *range, uint32_t days_max)
{
    struct slice start = range->start, end = range->end;
    int64_t now_days = unix_now().ms / (INT64_C(24) * 3600 * 1000);
    int64_t first = 0, last = 0;
    if (start.len && !take_date(call, names[0], start, &first))
        return false;
    if (end.len && !take_date(call, names[1], end, &last))
        return false;
    if (start.len && end.len && first > last) {
        api_problem(call->req, RC_INVALID, "%s: %.*s lies after %s %.*s", names[0],
                    SLICE_ARG(start), names[1], SLICE_ARG(end));
        return false;
    }
    int64_t days = (end.len ? last : now_days) - first + 1;
    if (start.len && days > (int64_t)days_max) {
        api_problem(call->req, RC_INVALID,
                    "%s: the range is %lld days long; at most %u are answered", names[0],
                    (long long)days, days_max);
        return false;
    }
    if (range->timezone.len && !query_zone_ok(range->timezone)) {
        api_problem(call->req, RC_INVALID,
                    "%s: give an IANA name such as Europe/Berlin (at most %d characters)", names[2],
                    QUERY_ZONE_BYTES_MAX);
        return false;
    }
    call->range = *range;
    return true;
}

static struct slice optional(struct query_call *call, const char *name)
{
    struct slice value;
    return net_query_get(call->req->net, name, &value) ? value : SLICE_EMPTY;
}

/* An empty value ("startDate=") is a mistake of the caller, not an absent one. */
static bool is_empty_given(struct query_call *call, const char *name)
{
    struct slice value;
    if (!net_query_get(call->req->net, name, &value) || value.len)
        return false;
    api_problem(call->req, RC_INVALID, "%s: is empty; give a value or leave it out", name);
    return true;
}

static bool take_range(struct query_call *call, const char *const names[3], uint32_t days_max)
{
    for (size_t i = 0; i < 3; i++)
        if (is_empty_given(call, names[i]))
            return false;
    const struct query_range range = {optional(call, names[0]), optional(call, names[1]),
                                      optional(call, names[2])};
    return query_set_range(call, names, &range, days_max);
}

bool query_take_range(struct query_call *call, uint32_t days_max)
{
    return take_range(call, QUERY_RANGE_NAMES, days_max);
}

bool query_take_own_range(struct query_call *call, uint32_t days_max)
{
    static const char *const names[] = {"from", "to", "timezone"};
    return take_range(call, names, days_max);
}

bool query_take_limit(struct query_call *call)
{
    struct slice text;
    uint64_t limit;
    if (!net_query_get(call->req->net, "limit", &text))
        return true;
    if (!slice_to_u64(text, &limit) || limit < 1 || limit > QUERY_LIMIT_MAX) {
        api_problem(call->req, RC_INVALID, "limit: give a whole number from 1 to %d",
                    QUERY_LIMIT_MAX);
        return false;
    }
    call->limit = (uint32_t)limit;
    return true;
}

static bool utf8_ok(struct slice s)
{
    while (s.len) {
        size_t n = slice_utf8_len(s);
        if (n == 0 || s.data[0] == '\0')
            return false;
        s = slice_sub(s, n);
    }
    return true;
}

bool query_check_text(struct query_call *call, const char *name, struct slice value)
{
    if (value.len > 0 && value.len <= QUERY_TEXT_BYTES_MAX && utf8_ok(value))
        return true;
    api_problem(call->req, RC_INVALID, "%s: give 1 to %d bytes of UTF-8 text without NUL", name,
                QUERY_TEXT_BYTES_MAX);
    return false;
}

bool query_take_text(struct query_call *call, const char *name, bool *ret_is_given)
{
    struct slice value;
    *ret_is_given = net_query_get(call->req->net, name, &value);
    if (!*ret_is_given)
        return true;
    if (!query_check_text(call, name, value))
        return false;
    query_param(call, name, value);
    return true;
}

bool query_take_path(struct query_call *call, const char *name, bool *ret_is_given)
{
    if (!query_take_text(call, name, ret_is_given))
        return false;
    if (*ret_is_given) {
        struct store_param *param = &call->params[call->param_count - 1];
        param->value = page_path_normal(param->value, call->req->net->arena);
    }
    return true;
}

bool query_take_country(struct query_call *call, bool *ret_is_given)
{
    struct slice v;
    *ret_is_given = net_query_get(call->req->net, "country", &v);
    if (!*ret_is_given)
        return true;
    if (v.len != 2 || v.data[0] < 'A' || v.data[0] > 'Z' || v.data[1] < 'A' || v.data[1] > 'Z') {
        api_problem(call->req, RC_INVALID, "country: give two capital letters, as DE or US");
        return false;
    }
    query_param(call, "country", v);
    return true;
}
