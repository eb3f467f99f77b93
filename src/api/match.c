/* Pattern matching: a dozen routes by linear scan over pre-cut segments costs less than a hash of
 * the path would, and keeps the table the only source. */
#include "api/api_int.h"

static uint32_t cut_path(struct slice path, struct slice segments[API_SEGMENTS_MAX])
{
    uint32_t count = 0;
    if (path.len == 0 || path.data[0] != '/')
        return 0;
    path = slice_sub(path, 1);
    if (path.len && path.data[path.len - 1] == '/')
        path.len--; /* one trailing slash is the same resource: PostHog's clients send it */
    for (;;) {
        if (count == API_SEGMENTS_MAX)
            return 0;
        const char *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
        size_t len = slash ? (size_t)(slash - path.data) : path.len;
        segments[count++] = slice_of(path.data, len);
        if (!slash)
            return count;
        path = slice_sub(path, len + 1);
    }
}

static bool is_param(struct slice segment)
{
    return segment.len > 1 && segment.data[0] == '{';
}

static bool entry_matches(const struct api_entry *e, const struct slice *segments, uint32_t count,
                          struct slice params[API_PARAMS_MAX])
{
    if (e->is_suffix ? count < e->segment_count : count != e->segment_count)
        return false;
    segments += count - e->segment_count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->segment_count; i++) {
        if (is_param(e->segments[i])) {
            if (segments[i].len == 0 || n == API_PARAMS_MAX)
                return false;
            params[n++] = segments[i];
        } else if (!slice_eq(e->segments[i], segments[i])) {
            return false;
        }
    }
    return true;
}

enum api_match api_find(const struct api *api, enum net_method method, struct slice path,
                        const struct api_entry **ret_entry, struct slice ret_params[API_PARAMS_MAX])
{
    struct slice segments[API_SEGMENTS_MAX];
    uint32_t count = cut_path(path, segments);
    enum api_match best = API_MATCH_NONE;
    if (count == 0)
        return best;
    for (uint32_t i = 0; i < api->entry_count; i++) {
        const struct api_entry *e = &api->entries[i];
        if (!entry_matches(e, segments, count, ret_params))
            continue;
        if (best == API_MATCH_NONE)
            *ret_entry = e;
        best = API_MATCH_METHOD;
        if (e->route->method == method || (method == NET_HEAD && e->route->method == NET_GET)) {
            *ret_entry = e;
            return API_MATCH_FULL;
        }
    }
    return best;
}
