/* Segment and its family (RudderStack, Jitsu): messages as they lie in an archive (Segment's S3
 * destination: NDJSON, gzip). Their timestamp is corrected already, so sentAt is not looked at. */
#include "analytics/import/import_int.h"

static const struct import_rename members[] = {
    {"sentAt", "", IMPORT_LEFT_OUT},
    {"timestamp", "timestamp", IMPORT_AS_TIME},
    {"originalTimestamp", "originalTimestamp", IMPORT_AS_TIME},
    {"receivedAt", "receivedAt", IMPORT_AS_TIME},
};

static void read_received(struct import *im, yyjson_val *root)
{
    yyjson_val *v = json_get(root, "receivedAt");
    unix_ms t;
    im->env.received_at = im->now;
    if (v && yyjson_is_str(v) && time_parse(json_text(v), &t) && t.ms >= 0 && t.ms < im->now.ms)
        im->env.received_at = t;
    time_format(im->env.received_at, im->env.received_text);
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    yyjson_val *root = import_renamed(im, item, members, COUNT_OF(members), true);
    if (!root)
        return RC_OK;
    read_received(im, root);
    import_read(im, "segment", root, &e, &n);
    if (!json_get(root, "timestamp") && !json_get(root, "originalTimestamp"))
        event_drop(&n, EVENT_BAD_VALUE, "timestamp is missing");
    return import_add(im, item, &e, &n, err);
}

static const char *const lists[] = {"batch", NULL};
const struct import_format import_format_segment = {
    .name = "segment",
    .about = "Segment, RudderStack, Jitsu: messages of an archive as NDJSON",
    .shape = IMPORT_JSON,
    .source = "segment",
    .lists = lists,
    .take = take,
};
