#ifndef WEIR_API_API_INT_H
#define WEIR_API_API_INT_H
/* Inside api/ only. */
#include "api/api.h"

enum { API_SEGMENTS_MAX = 12 };

/* One route with its pattern cut at the slashes once. */
struct api_entry {
    const struct api_route *route;
    const struct api_service *service;
    struct slice segments[API_SEGMENTS_MAX]; /* "{name}" for a parameter */
    uint32_t segment_count;
    bool
        is_suffix; /* pattern began with a "*" segment (left out of segments): any prefix matches */
};

struct api {
    struct tenant *tenant;
    const struct api_service *services;
    uint32_t service_count;
    const char *version;
    bool is_control;
    struct api_entry *entries;
    uint32_t entry_count;
};

/* True if the request may go on; otherwise it was answered. */
bool api_authenticate(struct api_request *req, const struct api_entry *e);

enum api_match { API_MATCH_NONE, API_MATCH_METHOD, API_MATCH_FULL };
/* Finds the route of method and raw path. API_MATCH_METHOD: the path exists, the method does not.
 * Raw (still percent-encoded) parameters in ret_params. */
enum api_match api_find(const struct api *api, enum net_method method, struct slice path,
                        const struct api_entry **ret_entry,
                        struct slice ret_params[API_PARAMS_MAX]);

void api_render_problem(struct buf *out, int status, const char *slug, const char *title,
                        const char *detail, const char *request_id);
/* The answer to a CORS preflight, or the CORS headers of an answer; returns how many were written.
 */
enum { API_CORS_HEADERS_MAX = 6 };
uint32_t api_cors_headers(struct net_request *req, bool is_preflight,
                          struct net_header ret[API_CORS_HEADERS_MAX]);
#endif
