#ifndef WEIR_TEST_SESSION_MODEL_H
#define WEIR_TEST_SESSION_MODEL_H
/* Sessions as docs/definitions.md, "Session", says, made the slow and obvious way from the rows of
 * `events`: no code or SQL of the program is used. Tests compare its lines with the table. */
#include <stdint.h>

#include "base/buf.h"

/* What model wants to know of the events, TabSeparated in this order. */
#define SESSION_MODEL_EVENTS                                                                      \
    "toString(project_id), toString(visitor), toUnixTimestamp64Milli(timestamp), toString(id), "  \
    "kind, event, is_interactive, engagement_ms, user_id, page_path, hostname, referrer_domain, " \
    "referrer_source, channel, utm_source, utm_medium, utm_campaign, utm_term, utm_content, "     \
    "click_id, country, region, city, browser_name, browser_version, os_name, os_version, "       \
    "device_type, screen_class, locale, bot, toString(sipHash64(page_path) % 64), stream_offset"
/* What its lines consist of; ordered by the first three. */
#define SESSION_MODEL_ROWS                                                                     \
    "toString(project_id) AS p, toString(visitor) AS v, toUnixTimestamp64Milli(start) AS f, "  \
    "toUnixTimestamp64Milli(end), user_id, pageviews, events, interactions, engagement_ms, "   \
    "duration_ms, is_bounce, is_cut, entry_page, exit_page, entry_hostname, referrer_domain, " \
    "referrer_source, channel, utm_source, utm_medium, utm_campaign, utm_term, utm_content, "  \
    "click_id, country, region, city, browser_name, browser_version, os_name, os_version, "    \
    "device_type, screen_class, locale, bot, page_marks"

/* events is changed (cut into texts). */
void session_model(struct buf *events, int64_t idle_ms, struct buf *out);
#endif
