/* Matomo: visits as its API Live.getLastVisitsDetails answers them (JSON), each with what was done
 * in it (actionDetails). An action becomes an event. */
#include "analytics/import/import_int.h"

#include <stdio.h>

struct visit {
    yyjson_val *root;
    struct slice site, id, currency;
    struct slice referrer; /* of the first page only */
    yyjson_val *context;
};

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = json_get(object, name);
    return v && (yyjson_is_str(v) || json_is_number(v)) ? json_text(v) : SLICE_EMPTY;
}

/* ---- kinds of actions ---- */

static void as_page(struct visit *v, yyjson_val *action, struct event *e)
{
    (void)action;
    e->name = SLICE_LIT("pageview");
    e->referrer = event_cut(v->referrer, EVENT_URL_BYTES_MAX);
    v->referrer = SLICE_EMPTY;
}

static void as_event(struct visit *v, yyjson_val *action, struct event *e)
{
    (void)v;
    struct slice name = text_of(action, "eventAction");
    e->name = name.len ? name : text_of(action, "eventCategory");
}

static void as_goal(struct visit *v, yyjson_val *action, struct event *e)
{
    (void)v;
    e->name = text_of(action, "goalName");
}

static const struct kind {
    const char *type, *name; /* name: of the event; NULL: read says */
    void (*read)(struct visit *v, yyjson_val *action, struct event *e);
    bool has_revenue;
} kinds[] = {
    {"action", NULL, as_page, false},
    {"event", NULL, as_event, false},
    {"goal", NULL, as_goal, true},
    {"download", "download", NULL, false},
    {"outlink", "outlink", NULL, false},
    {"search", "search", NULL, false},
    {"ecommerceOrder", "order", NULL, true},
    {"ecommerceAbandonedCart", "abandoned_cart", NULL, false},
};

static const struct kind *kind_of(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (slice_eq_str(type, kinds[i].type))
            return &kinds[i];
    return NULL;
}

/* ---- an action ---- */

static yyjson_val *properties_of(struct import *im, yyjson_val *action)
{
    const struct import_member members[] = {
        {"category", text_of(action, "eventCategory")},
        {"action", text_of(action, "eventAction")},
        {"name", text_of(action, "eventName")},
        {"value", text_of(action, "eventValue")},
        {"keyword", text_of(action, "siteSearchKeyword")},
        {"search_category", text_of(action, "siteSearchCategory")},
        {"goal_id", text_of(action, "goalId")},
        {"order_id", text_of(action, "orderId")},
        {"items", text_of(action, "items")},
    };
    return import_object(im, "", members, COUNT_OF(members), NULL, "");
}

/* The place in the visit tells actions apart: a visit that went on meanwhile has more behind. */
static void set_id(struct import *im, const struct visit *v, struct slice type, size_t place,
                   struct event *e)
{
    char digits[SLICE_U64_DIGITS];
    const struct slice parts[] = {v->site, v->id, type, slice_of_u64(place, digits)};
    if (v->id.len)
        event_derive_id(e, &im->env, parts, COUNT_OF(parts));
}

static void set_visitor(struct import *im, const struct visit *v, struct event *e,
                        struct event_notes *n)
{
    char country[2] = {0};
    struct slice code = text_of(v->root, "countryCode"), region = text_of(v->root, "regionCode");
    e->anonymous_id = event_cut(text_of(v->root, "visitorId"), EVENT_ID_BYTES_MAX);
    e->user_id = event_cut(text_of(v->root, "userId"), EVENT_ID_BYTES_MAX);
    e->session_id = event_cut(v->id, EVENT_ID_BYTES_MAX);
    e->locale = event_cut(text_of(v->root, "languageCode"), EVENT_LOCALE_BYTES_MAX);
    event_take_screen(e, json_get(v->root, "resolution"), "resolution", n);
    event_take_address(e, json_get(v->root, "visitIp"), "visitIp", n);
    if (code.len != 2 || slice_eq_str(code, "xx")) /* not known */
        return;
    for (size_t i = 0; i < 2; i++)
        country[i] =
            (char)(code.data[i] >= 'a' && code.data[i] <= 'z' ? code.data[i] - 32 : code.data[i]);
    const struct slice parts[] = {slice_of(country, 2), SLICE_LIT("-"), region};
    struct slice upper = import_join(im, parts, 1);
    import_set_place(im, e, upper, region.len ? import_join(im, parts, 3) : SLICE_EMPTY,
                     text_of(v->root, "city"));
}

static enum rc take_action(struct import *im, const struct import_item *item, struct visit *v,
                           yyjson_val *action, size_t place, struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    struct slice type = text_of(action, "type");
    const struct kind *kind = kind_of(type);
    if (!kind) { /* of a plugin (heatmaps, forms, media …) */
        import_count(im, "not_kept");
        return RC_OK;
    }
    import_event_init(im, &e);
    e.name = slice_str(kind->name);
    if (kind->read)
        kind->read(v, action, &e);
    if (!e.name.len || e.name.len > EVENT_NAME_BYTES_MAX || memchr(e.name.data, 0, e.name.len))
        event_drop(&n, EVENT_NO_NAME, "an action has no name, or one that is too long");
    e.url = event_field_text(json_get(action, "url"), "url", EVENT_URL_BYTES_MAX, &n);
    e.path = event_url_path(e.url);
    e.title = event_field_text(json_get(action, "pageTitle"), "title", EVENT_TITLE_BYTES_MAX, &n);
    if (!json_get(action, "timestamp"))
        event_drop(&n, EVENT_BAD_VALUE, "an action has no timestamp");
    event_take_time(&e, json_get(action, "timestamp"), "timestamp", &im->env, &n);
    if (kind->has_revenue && text_of(action, "revenue").len)
        event_take_revenue(&e, json_get(action, "revenue"), json_get(v->root, "siteCurrency"), &n);
    set_visitor(im, v, &e, &n);
    set_id(im, v, type, place, &e);
    e.properties = properties_of(im, action);
    e.context = v->context;
    return import_add(im, item, &e, &n, err);
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    size_t i, count;
    yyjson_val *action, *actions = json_get(item->root, "actionDetails");
    struct visit v = {.root = item->root,
                      .site = text_of(item->root, "idSite"),
                      .id = text_of(item->root, "idVisit"),
                      .referrer = text_of(item->root, "referrerUrl")};
    const struct import_member members[] = {
        {"device_type", text_of(v.root, "deviceType")},
        {"browser", text_of(v.root, "browserName")},
        {"browser_version", text_of(v.root, "browserVersion")},
        {"operating_system", text_of(v.root, "operatingSystemName")},
        {"operating_system_version", text_of(v.root, "operatingSystemVersion")},
        {"referrer_type", text_of(v.root, "referrerType")},
        {"referrer_name", text_of(v.root, "referrerName")},
        {"referrer_keyword", text_of(v.root, "referrerKeyword")},
    };
    if (!yyjson_is_arr(actions)) {
        import_reject(im, "bad_value", "the visit has no actionDetails");
        return RC_OK;
    }
    v.context = import_object(im, "", members, COUNT_OF(members), NULL, "");
    yyjson_arr_foreach(actions, i, count, action)
    {
        TRY(take_action(im, item, &v, action, i, err));
    }
    return RC_OK;
}

const struct import_format import_format_matomo = {
    .name = "matomo",
    .about = "Matomo: visits of its API Live.getLastVisitsDetails (JSON)",
    .shape = IMPORT_JSON,
    .source = "matomo",
    .take = take,
};
