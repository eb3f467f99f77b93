/* What handlers ask of a request. */
#include "http/url.h"
#include "net/net.h"

const struct net_header *net_header_find(const struct net_request *req, struct slice name)
{
    for (uint32_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, name))
            return &req->headers[i];
    return NULL;
}

bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value)
{
    struct slice raw;
    return url_query_find(req->query, slice_str(name), &raw) &&
           url_decode(req->arena, raw, true, ret_value);
}
