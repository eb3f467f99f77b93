/* OpenAPI text of the live stream. */
#include "analytics/live/live_int.h"

#define PARAMETER(name, in, more)                                            \
    "{\"name\":\"" name "\",\"in\":\"" in "\"," more "\"schema\":{\"type\":" \
    "\"string\"}}"

const char live_openapi_events[] =
    "{\"operationId\":\"listenToEvents\",\"summary\":\"Events as they become durable, as "
    "text/event-stream (docs/live.md)\",\"tags\":[\"Live\"],\"parameters\":[" PARAMETER(
        "projectId", "path",
        "\"required\":true,") "," PARAMETER("Last-Event-ID", "header",
                                            "\"description\":\"Go on behind "
                                            "this one\",") "," PARAMETER("last_event_id", "query",
                                                                         "\"description\":\"The "
                                                                         "same\",") "],"
                                                                                    "\"responses\":"
                                                                                    "{\"200\":"
                                                                                    "{\"description"
                                                                                    "\":\"A stream "
                                                                                    "that does not "
                                                                                    "end\","
                                                                                    "\"content\":{"
                                                                                    "\"text/"
                                                                                    "event-"
                                                                                    "stream\":{"
                                                                                    "\"schema\":{"
                                                                                    "\"type\":"
                                                                                    "\"string\"}}}}"
                                                                                    ",\"429\":{"
                                                                                    "\"description"
                                                                                    "\":\"Too many "
                                                                                    "listen\"},"
                                                                                    "\"default\":{"
                                                                                    "\"$ref\":\"#/"
                                                                                    "components/"
                                                                                    "responses/"
                                                                                    "Problem\"}}}";
