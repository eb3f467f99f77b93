/* What handlers ask of a request. */
#include "http/url.h"
#include "net/net.h"

struct slice net_header_get(const struct net_request *req, const char *name)
{
    struct slice wanted = slice_str(name);
    for (uint32_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, wanted))
            return req->headers[i].value;
    return SLICE_EMPTY;
}

bool net_header_has(const struct net_request *req, const char *name)
{
    struct slice wanted = slice_str(name);
    for (uint32_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, wanted))
            return true;
    return false;
}

bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value)
{
    struct slice raw;
    return url_query_find(req->query, slice_str(name), &raw) &&
           url_decode(req->arena, raw, true, ret_value);
}
