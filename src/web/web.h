#ifndef WEIR_WEB_WEB_H
#define WEIR_WEB_WEB_H
/* What browsers load from this server. The files are in the program, plain and gzipped
 * (web/tracker/build.mjs makes them); an answer has a validator, may be kept for a day, and may be
 * used by any site.
 *
 *   GET …/js/weir.js    the tracker, under any prefix, so that a site's own path works
 *   GET …/js/vitals.js  Web Vitals, sent through it
 *
 * and the scripts of others under the addresses that pages load them from, so that a page needs
 * nothing but another host: Plausible's (…/js/script*.js), Umami's (/script.js, /umami.js; ours, by
 * its names), PostHog's (…/static/array.js and what it loads itself, …/array/{token}/array.js).
 *
 * Ad blockers know names. So both can be served under further ones, and the tracker that this
 * server hands out then sends to the endpoint's further path.
 *
 * THREADS  handlers run on the request's loop; what they read is made by web_new(). */
#include "api/api.h"

struct web_cfg { /* paths of the operator's choice, "/a/b.js"; "" = only the standard ones */
    const char *script_path;
    const char *vitals_path;
    const char *endpoint_path;
};
struct web;
/* RC_INVALID: a path that no route can have. */
enum rc web_new(const struct web_cfg *cfg, struct web **ret_web, struct err *err) MUST_CHECK;
struct api_service web_service(struct web *web);
void web_free(struct web *web); /* after the last answer; NULL is fine */
#endif
