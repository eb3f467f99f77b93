/* WHAT    Who sent an event: browser, system, device, and whether a person did (ua/ua.h).
 * WHY     Here and not in ingest: what a user agent says is known better tomorrow, and a replay
 *         derives it anew. Only the class of the network was settled before the append.
 *         The rules take 30 ms and 8 MB: made when the first event comes, once for all writers,
 *         and kept.
 * THREADS the writer's own; the rules are shared. */
#include "analytics/projector/project_int.h"

#include <pthread.h>

enum { MEMORY_BYTES = 4 << 20 }; /* of a writer: about 8,000 different user agents */

static pthread_mutex_t rules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ua_set *rules; /* under rules_lock; immutable once it is there */

static enum rc rules_get(const struct ua_set **ret_set)
{
    pthread_mutex_lock(&rules_lock);
    enum rc rc = rules ? RC_OK : ua_set_new(&rules);
    *ret_set = rules;
    pthread_mutex_unlock(&rules_lock);
    return rc;
}

enum rc project_agents_new(struct ua_parser **ret_agents)
{
    const struct ua_set *set;
    TRY(rules_get(&set));
    return ua_parser_new(set, MEMORY_BYTES, ret_agents);
}

void project_agent_fill(struct ua_parser *agents, struct project_row *row)
{
    struct ua_result r;
    if (row->user_agent.len == 0)
        return;
    const struct ua_hints hints = {
        .brands = row->hints[HINT_BRANDS],
        .platform = row->hints[HINT_PLATFORM],
        .platform_version = row->hints[HINT_PLATFORM_VERSION],
        .model = row->hints[HINT_MODEL],
        .mobile = row->hints[HINT_MOBILE],
    };
    ua_lookup(agents, row->user_agent, &hints, &r);
    row->browser_name = r.browser_name;
    row->browser_version = r.browser_version;
    row->os_name = r.os_name;
    row->os_version = r.os_version;
    row->device_brand = r.device_brand;
    row->device_model = r.device_model;
    row->device_type = slice_str(ua_device_name(r.device));
    bool is_datacentre = slice_eq_str(row->network, "datacentre");
    row->bot = slice_str(ua_reason_name(ua_reason_in(&r, is_datacentre)));
}
