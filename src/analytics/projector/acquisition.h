#ifndef WEIR_ANALYTICS_PROJECTOR_ACQUISITION_H
#define WEIR_ANALYTICS_PROJECTOR_ACQUISITION_H
/* Where a visitor comes from: out of a page's URL, its referrer and its host to the columns utm_*,
 * click_id, referrer_source, referrer_domain and channel. docs/definitions.md ("Source", "Channel",
 * "Click id") says what holds; acquisition.def is the list of hosts, tags and apps.
 *
 * Pure: slices in, slices out; no I/O, no clock, no state. What comes out points into the input,
 * into the scratch arena or to static text, and is valid as long as the shortest-lived of them. A
 * full arena leaves texts empty, nothing fails. Any bytes may come in; texts out of a query are
 * valid UTF-8 of at most ACQUISITION_VALUE_BYTES_MAX bytes if the query is.
 * Thread: any. */
#include "base/arena.h"
#include "base/slice.h"

enum {
    ACQUISITION_UTM_SOURCE,
    ACQUISITION_UTM_MEDIUM,
    ACQUISITION_UTM_CAMPAIGN,
    ACQUISITION_UTM_TERM,
    ACQUISITION_UTM_CONTENT,
    ACQUISITION_UTM_COUNT
};
enum { ACQUISITION_VALUE_BYTES_MAX = 200 };

/* Of a source; decides the channel where no tag says more. */
enum source_group {
    SOURCE_OTHER,
    SOURCE_SEARCH,
    SOURCE_SOCIAL,
    SOURCE_VIDEO,
    SOURCE_SHOPPING,
    SOURCE_EMAIL,
    SOURCE_AI,
    SOURCE_AFFILIATE,
    SOURCE_DISPLAY,
    SOURCE_PUSH,
    SOURCE_SMS,
};

struct acquisition_click; /* a click id's parameter: acquisition_query.c */

/* ---- what a query string says ---- */
struct acquisition_query {
    struct slice
        utm[ACQUISITION_UTM_COUNT];        /* decoded; the first value of each that is not empty */
    struct slice source, ref;              /* ?source=, ?ref=: decoded, as above */
    const struct acquisition_click *click; /* NULL: none. The value is not kept: it is personal */
};
void acquisition_query_read(struct slice query, struct arena *scratch,
                            struct acquisition_query *ret_query);
struct slice acquisition_click_name(const struct acquisition_click *click); /* empty for NULL */

/* ---- a source ---- */
struct acquisition_source {
    struct slice name; /* empty: nothing told, or the site itself */
    enum source_group group;
    bool is_paid; /* the tag says so (utm_source=google_ads) */
};
/* Of a host, lower case: a known name, else the host without "www.". is_app: an Android package. */
struct acquisition_source acquisition_source_of_host(struct slice host, bool is_app);
/* Of a tag's value (utm_source, source, ref). Empty name: the tag says nothing. */
struct acquisition_source acquisition_source_of_tag(struct slice tag, struct arena *scratch);
/* Both hosts, lower case, belong to one site: the same registrable domain. */
bool acquisition_is_same_site(struct slice host, struct slice other);

/* ---- all of it for one event ---- */
struct acquisition_in {
    const struct acquisition_query *query; /* of the page's URL */
    struct slice referrer;                 /* URL as sent; may be empty */
    struct slice hostname;                 /* of the page, lower case; may be empty */
    bool is_page;                          /* there is a URL or a path: somebody was on a page */
};
struct acquisition {
    struct slice referrer_domain; /* lower case, no port; "www." stays */
    struct slice referrer_source;
    struct slice channel; /* static text; empty: no arrival (see docs/definitions.md) */
    struct slice click_id;
};
void acquisition_derive(const struct acquisition_in *in, struct arena *scratch,
                        struct acquisition *ret_acquisition);
#endif
