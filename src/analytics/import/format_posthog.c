/* PostHog: the JSON lines of a batch export, and what GET /api/projects/…/events answers
 * ({"results":[…]}). An event is what an SDK sent, with PostHog's own beside it: where it says the
 * place, that is taken, as the address may be gone. */
#include "analytics/import/import_int.h"

static const struct import_rename members[] = {
    {"uuid", "uuid", IMPORT_AS_IT_IS},           {"id", "uuid", IMPORT_AS_IT_IS},
    {"event", "event", IMPORT_AS_IT_IS},         {"distinct_id", "distinct_id", IMPORT_AS_IT_IS},
    {"timestamp", "timestamp", IMPORT_AS_TIME},  {"properties", "properties", IMPORT_AS_JSON},
    {"$set", "$set", IMPORT_AS_IT_IS},           {"set", "$set", IMPORT_AS_JSON},
    {"$set_once", "$set_once", IMPORT_AS_IT_IS}, {"set_once", "$set_once", IMPORT_AS_JSON},
};

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = json_get(object, name);
    return v && yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    yyjson_val *root = import_renamed(im, item, members, COUNT_OF(members), false);
    if (!root)
        return RC_OK;
    import_read(im, "posthog", root, &e, &n);
    yyjson_val *p = json_get(root, "properties");
    struct slice country = text_of(p, "$geoip_country_code"),
                 region = text_of(p, "$geoip_subdivision_1_code");
    const struct slice whole[] = {country, SLICE_LIT("-"), region};
    import_set_place(im, &e, country, region.len ? import_join(im, whole, 3) : SLICE_EMPTY,
                     text_of(p, "$geoip_city_name"));
    if (!json_get(root, "timestamp"))
        event_drop(&n, EVENT_BAD_VALUE, "timestamp is missing");
    return import_add(im, item, &e, &n, err);
}

static const char *const lists[] = {"results", "batch", NULL};
const struct import_format import_format_posthog = {
    .name = "posthog",
    .about = "PostHog: batch export as JSON lines, or the events of its API",
    .shape = IMPORT_JSON,
    .source = "posthog",
    .lists = lists,
    .take = take,
};
