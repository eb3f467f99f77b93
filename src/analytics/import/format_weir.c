/* weir's own export (docs/export.md): a line is the record of an event without what is of the
 * project that it came from. Nothing is derived, nothing is left out. */
#include "analytics/import/import_int.h"

enum {
    ID,
    EVENT,
    TIMESTAMP,
    RECEIVED_AT,
    SOURCE,
    USER_ID,
    ANONYMOUS_ID,
    SESSION_ID,
    PAGE,
    SCREEN,
    USER_AGENT,
    LOCALE,
    DEVICE,
    GEO,
    PRIVACY,
    HINTS,
    TIMEZONE,
    KIND,
    INTERACTIVE,
    ENGAGEMENT_MS,
    SCROLL,
    REVENUE,
    GROUP,
    GROUPS,
    PREVIOUS_ID,
    TRAITS,
    TRAITS_ONCE,
    PROPERTIES,
    CONTEXT,
    MEMBERS
};
static const struct slice names[MEMBERS] = {
    [ID] = SLICE_CONST("id"),
    [EVENT] = SLICE_CONST("event"),
    [TIMESTAMP] = SLICE_CONST("timestamp"),
    [RECEIVED_AT] = SLICE_CONST("received_at"),
    [SOURCE] = SLICE_CONST("source"),
    [USER_ID] = SLICE_CONST("user_id"),
    [ANONYMOUS_ID] = SLICE_CONST("anonymous_id"),
    [SESSION_ID] = SLICE_CONST("session_id"),
    [PAGE] = SLICE_CONST("page"),
    [SCREEN] = SLICE_CONST("screen"),
    [USER_AGENT] = SLICE_CONST("user_agent"),
    [LOCALE] = SLICE_CONST("locale"),
    [DEVICE] = SLICE_CONST("device"),
    [GEO] = SLICE_CONST("geo"),
    [PRIVACY] = SLICE_CONST("privacy"),
    [HINTS] = SLICE_CONST("hints"),
    [TIMEZONE] = SLICE_CONST("timezone"),
    [KIND] = SLICE_CONST("kind"),
    [INTERACTIVE] = SLICE_CONST("interactive"),
    [ENGAGEMENT_MS] = SLICE_CONST("engagement_ms"),
    [SCROLL] = SLICE_CONST("scroll"),
    [REVENUE] = SLICE_CONST("revenue"),
    [GROUP] = SLICE_CONST("group"),
    [GROUPS] = SLICE_CONST("groups"),
    [PREVIOUS_ID] = SLICE_CONST("previous_id"),
    [TRAITS] = SLICE_CONST("traits"),
    [TRAITS_ONCE] = SLICE_CONST("traits_once"),
    [PROPERTIES] = SLICE_CONST("properties"),
    [CONTEXT] = SLICE_CONST("context"),
};
enum { SOURCE_BYTES_MAX = 32 };

static bool is_source(struct slice text)
{
    if (!text.len || text.len > SOURCE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* When it was received and through what: the item's own, where it says so. */
static void read_env(struct import *im, yyjson_val *const *member, struct event_notes *n)
{
    struct slice received =
        event_field_text(member[RECEIVED_AT], "received_at", TIME_TEXT_BYTES, n);
    struct slice source = event_field_text(member[SOURCE], "source", SOURCE_BYTES_MAX + 1, n);
    unix_ms t = im->now;
    if (received.len && !time_parse(received, &t))
        event_drop(n, EVENT_BAD_VALUE, "received_at is no time of RFC 3339");
    if (t.ms > im->now.ms)
        t = im->now;
    im->env.received_at = t;
    time_format(t, im->env.received_text);
    im->env.source = im->cfg->format->source;
    if (!source.len)
        return;
    if (is_source(source))
        im->env.source = arena_strndup(im->scratch, source.data, source.len);
    else
        event_drop(n, EVENT_BAD_VALUE, "source is 1 to %d of a-z, 0-9, _ and -", SOURCE_BYTES_MAX);
}

static void read_head(struct import *im, yyjson_val *const *member, struct event *e,
                      struct event_notes *n)
{
    unix_ms t = im->env.received_at;
    struct slice id = event_field_text(member[ID], "id", EVENT_ID_BYTES_MAX, n);
    if (id.len)
        event_take_text_id(e, id, &im->env);
    event_take_name(e, member[EVENT], "event", n);
    struct slice time = event_field_text(member[TIMESTAMP], "timestamp", TIME_TEXT_BYTES, n);
    if (!time_parse(time, &t) || t.ms < 0)
        event_drop(n, EVENT_BAD_VALUE, "timestamp is no time of RFC 3339 from 1970 on");
    else
        event_set_time(e, t, "timestamp", &im->env, n);
    e->user_id = event_field_text(member[USER_ID], "user_id", EVENT_ID_BYTES_MAX, n);
    e->anonymous_id = event_field_text(member[ANONYMOUS_ID], "anonymous_id", EVENT_ID_BYTES_MAX, n);
    e->session_id = event_field_text(member[SESSION_ID], "session_id", EVENT_ID_BYTES_MAX, n);
}

static void read_page(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    yyjson_val *page = event_field_object(member[PAGE], "page", n);
    yyjson_val *screen = event_field_object(member[SCREEN], "screen", n);
    e->url = event_field_text(json_get(page, "url"), "page.url", EVENT_URL_BYTES_MAX, n);
    e->path = event_field_text(json_get(page, "path"), "page.path", EVENT_URL_BYTES_MAX, n);
    e->title = event_field_text(json_get(page, "title"), "page.title", EVENT_TITLE_BYTES_MAX, n);
    e->referrer =
        event_field_text(json_get(page, "referrer"), "page.referrer", EVENT_URL_BYTES_MAX, n);
    e->screen_width = event_field_pixels(json_get(screen, "width"), "screen.width", n);
    e->screen_height = event_field_pixels(json_get(screen, "height"), "screen.height", n);
    e->user_agent =
        event_field_text(member[USER_AGENT], "user_agent", EVENT_USER_AGENT_BYTES_MAX, n);
    e->locale = event_field_text(member[LOCALE], "locale", EVENT_LOCALE_BYTES_MAX, n);
    e->time_zone = event_field_text(member[TIMEZONE], "timezone", EVENT_TIME_ZONE_BYTES_MAX, n);
}

static void read_client(struct import *im, yyjson_val *const *member, struct event *e,
                        struct event_notes *n)
{
    static const char *const hint_names[HINT_COUNT] = {
        [HINT_BRANDS] = "brands",
        [HINT_PLATFORM] = "platform",
        [HINT_PLATFORM_VERSION] = "platform_version",
        [HINT_MODEL] = "model",
        [HINT_MOBILE] = "mobile",
    };
    uint8_t bytes[sizeof(uint64_t)];
    struct event_client *c = arena_zalloc(im->scratch, sizeof(*c));
    yyjson_val *geo = event_field_object(member[GEO], "geo", n);
    yyjson_val *hints = event_field_object(member[HINTS], "hints", n);
    struct slice device = event_field_text(member[DEVICE], "device", EVENT_DEVICE_DIGITS + 1, n);
    if (!c) {
        event_drop(n, EVENT_TOO_LARGE, "no memory for the event");
        return;
    }
    if (device.len == EVENT_DEVICE_DIGITS && slice_unhex(device.data, sizeof(bytes), bytes))
        for (size_t i = 0; i < sizeof(bytes); i++)
            c->device = c->device << 8 | bytes[i];
    else if (device.len)
        event_warn(n, "device is not of 16 hex digits, ignored");
    c->country = event_field_text(json_get(geo, "country"), "country", EVENT_PLACE_BYTES_MAX, n);
    c->region = event_field_text(json_get(geo, "region"), "region", EVENT_PLACE_BYTES_MAX, n);
    c->city = event_field_text(json_get(geo, "city"), "city", EVENT_PLACE_BYTES_MAX, n);
    c->network = event_field_text(json_get(geo, "network"), "network", EVENT_PLACE_BYTES_MAX, n);
    c->privacy = event_field_text(member[PRIVACY], "privacy", EVENT_PLACE_BYTES_MAX, n);
    for (unsigned i = 0; i < HINT_COUNT; i++)
        c->hints[i] = event_field_text(json_get(hints, hint_names[i]), hint_names[i],
                                       EVENT_HINT_BYTES_MAX, n);
    e->client = c;
}

static void read_kind(yyjson_val *const *member, struct event *e, struct event_notes *n)
{
    struct slice kind = event_field_text(member[KIND], "kind", EVENT_NAME_BYTES_MAX, n);
    for (int i = EVENT_PLAIN; i < EVENT_KIND_COUNT; i++) {
        if (!slice_eq_str(kind, event_kind_name((enum event_kind)i)))
            continue;
        e->kind = (enum event_kind)i;
        return;
    }
    event_drop(n, EVENT_BAD_VALUE, "kind is none that is known");
}

static void read_rest(const struct import *im, yyjson_val *const *member, struct event *e,
                      struct event_notes *n)
{
    yyjson_val *revenue = event_field_object(member[REVENUE], "revenue", n);
    yyjson_val *group = event_field_object(member[GROUP], "group", n);
    read_kind(member, e, n);
    e->is_passive = member[INTERACTIVE] && yyjson_is_false(member[INTERACTIVE]);
    event_take_engagement(e, member[ENGAGEMENT_MS], member[SCROLL], n);
    event_take_revenue(e, json_get(revenue, "amount"), json_get(revenue, "currency"), n);
    e->group_type =
        event_field_text(json_get(group, "type"), "group.type", EVENT_GROUP_TYPE_BYTES_MAX, n);
    e->group_id = event_field_text(json_get(group, "id"), "group.id", EVENT_ID_BYTES_MAX, n);
    event_take_groups(e, member[GROUPS], "groups", &im->env, n);
    e->previous_id = event_field_text(member[PREVIOUS_ID], "previous_id", EVENT_ID_BYTES_MAX, n);
    e->traits = event_field_object(member[TRAITS], "traits", n);
    e->traits_once = event_field_object(member[TRAITS_ONCE], "traits_once", n);
    e->properties = event_field_object(member[PROPERTIES], "properties", n);
    e->context = event_field_object(member[CONTEXT], "context", n);
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    yyjson_val *member[MEMBERS];
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    json_get_all(item->root, names, MEMBERS, member);
    read_env(im, member, &n);
    import_event_init(im, &e);
    read_head(im, member, &e, &n);
    read_page(member, &e, &n);
    read_client(im, member, &e, &n);
    read_rest(im, member, &e, &n);
    return import_add(im, item, &e, &n, err);
}

const struct import_format import_format_weir = {
    .name = "weir",
    .about = "weir's own export as NDJSON (weir export): nothing is lost",
    .shape = IMPORT_JSON,
    .source = "import",
    .take = take,
};
