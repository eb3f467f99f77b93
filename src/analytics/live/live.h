#ifndef WEIR_ANALYTICS_LIVE_LIVE_H
#define WEIR_ANALYTICS_LIVE_LIVE_H
/* GET /v1/projects/{projectId}/live/events: a project's events as they become durable, as
 * text/event-stream. docs/live.md is for who listens.
 *
 * One reader per partition serves all listeners, and reads only while there is one. */
#include <stdint.h>

#include "api/api.h"
#include "stream/stream.h"

struct live_cfg {
    struct stream *events;          /* borrowed */
    uint32_t listeners_max;         /* 0 = 1,000 */
    uint32_t project_listeners_max; /* 0 = 200 */
    uint32_t heartbeat_ms;          /* 0 = 10,000 */
    uint32_t lifetime_ms;           /* then a listener has to come again, with a key that holds
                                       still; 0 = an hour */
};
struct live;
enum rc live_new(const struct live_cfg *cfg, struct live **ret_live, struct err *err) MUST_CHECK;
struct api_service live_service(struct live *live);
/* Ends every stream, and takes no more of them. Any thread; returns at once. */
void live_drain(struct live *live);
void live_free(struct live *live); /* after the last stream ended; joins its threads */
#endif
