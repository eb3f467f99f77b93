#ifndef WEIR_WEB_WEB_INT_H
#define WEIR_WEB_WEB_INT_H
/* Inside web/ only: the files that the program holds (web/tracker/build.mjs and
 * web/dashboard/build.mjs make them), and how one is answered with. */
#include <stdint.h>

#include "api/api.h"

/* Best first. A file lacks those that it was not made in. */
enum web_coding { WEB_BROTLI, WEB_GZIP, WEB_PLAIN, WEB_CODINGS };
struct web_body {
    const uint8_t *bytes;
    uint32_t len;
};
struct web_file {
    const char *name; /* NULL: known by its variable */
    const char *type;
    struct web_body of[WEB_CODINGS];
};
extern const struct web_file web_file_weir, web_file_vitals, web_file_plausible, web_file_umami,
    web_file_web_vitals, web_file_posthog_array, web_file_posthog_web_vitals,
    web_file_posthog_attribution, web_file_posthog_exceptions, web_file_posthog_dead_clicks;
extern const struct web_file web_dashboard_files[]; /* the first is the page */
extern const uint32_t web_dashboard_file_count;

/* ---- answering (answer.c) ---- */
enum { WEB_ETAG_DIGITS = 16, WEB_HEADERS_MAX = 8 };
struct web_bodies {
    struct slice of[WEB_CODINGS];
};
struct web_served {
    const char *type;
    struct web_bodies bodies;
    char etags[WEB_CODINGS][WEB_ETAG_DIGITS + 3]; /* one for each representation */
};
struct web_head { /* beside what every file has */
    struct slice cache;
    struct net_header more[WEB_HEADERS_MAX];
    uint32_t more_count;
};
struct web_bodies web_bodies_of(const struct web_body of[WEB_CODINGS]);
void web_served_init(struct web_served *s, const char *type, struct web_bodies bodies);
/* In the best coding that the client takes; 304 if it has that. */
void web_answer(struct api_request *req, const struct web_served *s, const struct web_head *head);

/* ---- the dashboard (dashboard.c) ---- */
enum { WEB_DASHBOARD_ROUTES = 7 };
struct web_dashboard_pages;
struct web_dashboard_pages *web_dashboard_new(void);
void web_dashboard_free(struct web_dashboard_pages *d); /* NULL is fine */
/* Their number. */
uint32_t web_dashboard_routes(struct web_dashboard_pages *d,
                              struct api_route routes[WEB_DASHBOARD_ROUTES]);
#endif
