#ifndef WEIR_ANALYTICS_IMPORT_ACCESS_LOG_H
#define WEIR_ANALYTICS_IMPORT_ACCESS_LOG_H
/* Access logs in Common or Combined log format (Apache's %h %l %u %t "%r" %>s %b "%{Referer}i"
 * "%{User-agent}i", nginx's combined) as events.
 *
 *   event         pageview: GET of a 2xx or 3xx whose path does not end like a static file; else
 *                 request
 *   id            UUIDv8 of project, line and its ordinal among equal lines of the file: a second
 *                 import gives the same ids, and equal lines of one file stay as many events as
 *                 there are lines
 *   anonymous_id  keyed hash of address and user agent; the address itself is in nothing that is
 *                 written
 *
 *
 * Pure; format_access_log.c imports. */
#include "base/clock.h"
#include "base/slice.h"

enum access_log_reject {
    ACCESS_LOG_OK,
    ACCESS_LOG_EMPTY,
    ACCESS_LOG_TOO_LONG, /* a line of more than ACCESS_LOG_LINE_MAX bytes */
    ACCESS_LOG_NO_ADDRESS,
    ACCESS_LOG_BAD_TIME,
    ACCESS_LOG_BAD_REQUEST,
    ACCESS_LOG_BAD_STATUS,
    ACCESS_LOG_BAD_TAIL, /* referrer or user agent are not quoted whole */
    ACCESS_LOG_REJECT_COUNT,
};
enum { ACCESS_LOG_LINE_MAX = 64 << 10 };
const char *access_log_reject_name(enum access_log_reject reason);

struct access_log_line { /* slices of the line; quotes taken off, escapes (\" \\ \xNN) still in */
    struct slice address, user;
    unix_ms time;
    struct slice method, target, protocol;
    uint32_t status;
    int64_t bytes;                     /* -1 = "-" */
    struct slice referrer, user_agent; /* empty if "-" or absent */
};
enum access_log_reject access_log_parse(struct slice line, struct access_log_line *ret);
bool access_log_is_pageview(const struct access_log_line *l);

#endif
