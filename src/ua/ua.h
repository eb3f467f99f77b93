#ifndef WEIR_UA_UA_H
#define WEIR_UA_UA_H
/* User agents: which browser, system and device sent an event, and whether a person did.
 *
 * The rules are those of the npm packages uap-core, crawler-user-agents and isbot, made into tables
 * at build time (tools/ua_data.py); docs/internals/user_agent.md. Names are uap-core's ("Mobile
 * Safari", "Mac OS X"); what it calls "Other" is an empty text here.
 *
 * Pure but for the heap. Every text is bounded and valid UTF-8 if the user agent and the hints are.
 * Any bytes may be handed in; nothing is refused, what is not understood is left empty. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"

enum {
    UA_BYTES_MAX = 1024,     /* of a user agent; the rest is not looked at */
    UA_HINT_BYTES_MAX = 512, /* of each hint; a longer one is ignored */
    UA_NAME_BYTES_MAX = 120, /* of a name, version, brand or model: cut there */
};

enum ua_device {
    UA_DEVICE_UNKNOWN,
    UA_DESKTOP, /* laptops, too */
    UA_MOBILE,
    UA_TABLET,
    UA_TV,
    UA_CONSOLE,
    UA_WEARABLE, /* watches, headsets */
    UA_EMBEDDED, /* cars, speakers with a display, things */
    UA_BOT,      /* the user agent itself says so (list, headless, tool) */
    UA_DEVICE_COUNT
};
const char *ua_device_name(enum ua_device device); /* "desktop" …; "" for unknown */

/* Why an event does not count as a person's. */
enum ua_reason {
    UA_PERSON,
    UA_LIST,     /* a pattern of crawler-user-agents or isbot, or a spider of uap-core */
    UA_HEADLESS, /* a browser that a program drives: HeadlessChrome, PhantomJS, Playwright … */
    UA_TOOL,    /* an HTTP library or command: curl, python-requests …; or no user agent at all */
    UA_NETWORK, /* a browser in a data centre */
    UA_REASON_COUNT
};
const char *ua_reason_name(enum ua_reason reason); /* "list" …; "" for a person */

/* The fields Sec-CH-UA… as they were sent; empty = absent. One that is not a structured field of
 * its type (RFC 8941) is ignored. */
struct ua_hints {
    struct slice brands;   /* list of strings with ;v="…": Sec-CH-UA or …-Full-Version-List */
    struct slice platform; /* string */
    struct slice platform_version; /* string */
    struct slice model;            /* string */
    struct slice mobile;           /* ?0 or ?1 */
};

struct ua_result {
    struct slice browser_name, browser_version; /* version: "17.4.1", as many parts as are known */
    struct slice os_name, os_version;
    struct slice device_brand, device_model;
    enum ua_device device;
    enum ua_reason reason; /* never UA_NETWORK: see ua_reason_in */
    bool is_browser;       /* claims to be one and is no SDK of a server */
};

/* The reason with what is known of the address. is_datacentre: its network is one of servers. */
static inline enum ua_reason ua_reason_in(const struct ua_result *r, bool is_datacentre)
{
    return r->reason == UA_PERSON && is_datacentre && r->is_browser ? UA_NETWORK : r->reason;
}

/* ---- the rules, compiled: immutable, shared by threads; about 30 ms and 8 MB to make ----
 * RC_NOMEM. A rule that does not compile is our bug: the tests compile them all. */
struct ua_set;
enum rc ua_set_new(struct ua_set **ret_set) MUST_CHECK;
void ua_set_free(struct ua_set *set); /* NULL is allowed */

/* ---- one thread's parser ----
 * Remembers what it was asked lately, within cache_bytes_max of memory (0: nothing). The set must
 * outlive it. RC_NOMEM. */
struct ua_parser;
enum rc ua_parser_new(const struct ua_set *set, size_t cache_bytes_max,
                      struct ua_parser **ret_parser) MUST_CHECK;
void ua_parser_free(struct ua_parser *p);
DEFINE_CLEANUP(struct ua_set *, ua_set_free)
DEFINE_CLEANUP(struct ua_parser *, ua_parser_free)

/* Texts of the result point into the parser and are valid until its next call. hints may be NULL.
 * ua_parse always works it out, ua_lookup remembers; both say the same. */
void ua_parse(struct ua_parser *p, struct slice ua, const struct ua_hints *hints,
              struct ua_result *ret);
void ua_lookup(struct ua_parser *p, struct slice ua, const struct ua_hints *hints,
               struct ua_result *ret);

struct ua_stats { /* since the parser was made */
    uint64_t hits, misses;
    uint64_t cut_short; /* rules given up at the limit of steps */
    size_t cache_bytes; /* now */
};
struct ua_stats ua_parser_stats(const struct ua_parser *p);
#endif
