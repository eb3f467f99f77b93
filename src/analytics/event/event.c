/* WHAT   struct event → key and value of a stream record (event.h, docs/format/event.md).
 * WHY    One writer for every dialect, so that the record's shape is decided once.
 * SIZE   What a client sent is written at most three times (a URL may come from the properties and
 *        give the path as well), never longer than it was sent; the name of a trait that is unset
 *        once, with five bytes more, and in no other place; the rest has fixed maxima. So the space
 *        is reserved once and the writer needs no growth. */
#include "analytics/event/event.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/must.h"

const char *event_reason_name(enum event_reason reason)
{
    static const char *const names[EVENT_REASON_COUNT] = {
        [EVENT_FINE] = "fine",
        [EVENT_BAD_JSON] = "bad_json",
        [EVENT_TOO_DEEP] = "too_deep",
        [EVENT_TOO_LARGE] = "too_large",
        [EVENT_NO_NAME] = "no_name",
        [EVENT_NAME_TOO_LONG] = "name_too_long",
        [EVENT_NO_ID] = "no_id",
        [EVENT_BAD_VALUE] = "bad_value",
        [EVENT_NO_PROJECT] = "no_project",
        [EVENT_NOT_KEPT] = "not_kept",
    };
    must(reason < EVENT_REASON_COUNT);
    return names[reason];
}

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[EVENT_KIND_COUNT] = {
        [EVENT_PLAIN] = "",      [EVENT_IDENTIFY] = "identify",     [EVENT_ALIAS] = "alias",
        [EVENT_GROUP] = "group", [EVENT_ENGAGEMENT] = "engagement", [EVENT_VITAL] = "vital",
    };
    must(kind < EVENT_KIND_COUNT);
    return names[kind];
}

void event_warn(struct event_notes *n, const char *fmt, ...)
{
    if (n->reason != EVENT_FINE)
        return;
    size_t len = strlen(n->details);
    if (len && len + 3 < sizeof(n->details)) {
        memcpy(n->details + len, "; ", 3);
        len += 2;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(n->details + len, sizeof(n->details) - len, fmt, ap);
    va_end(ap);
}

void event_drop(struct event_notes *n, enum event_reason reason, const char *fmt, ...)
{
    if (n->reason != EVENT_FINE)
        return;
    n->reason = reason;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(n->details, sizeof(n->details), fmt, ap);
    va_end(ap);
}

void event_env_init(struct event_env *env, const struct uuid *project, const char *source,
                    unix_ms received_at)
{
    *env = (struct event_env){.project = *project, .source = source, .received_at = received_at};
    uuid_format(project, env->project_text);
    time_format(received_at, env->received_text);
}

void event_init(struct event *e, const struct event_env *env)
{
    *e = (struct event){
        .timestamp = env->received_at,
        .user_id = env->default_user_id,
        .user_agent = SLICE_EMPTY,
        .screen_width = -1,
        .screen_height = -1,
        .engagement_ms = -1,
        .scroll_depth = -1,
        .client = &env->client,
    };
}

struct slice event_device_text(uint64_t device, char ret_digits[EVENT_DEVICE_DIGITS + 1])
{
    uint8_t bytes[sizeof(device)];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(device >> (8 * (sizeof(bytes) - 1 - i)));
    slice_hex(bytes, sizeof(bytes), ret_digits);
    ret_digits[EVENT_DEVICE_DIGITS] = '\0';
    return slice_of(ret_digits, EVENT_DEVICE_DIGITS);
}

/* ---- the record ---- */

static void member_text(struct json_out *o, const char *head, size_t head_len, struct slice text)
{
    if (text.len == 0)
        return;
    json_put(o, head, head_len);
    if (!json_put_string(o, text))
        o->is_full = true; /* dialects refuse U+0000 before */
}
#define MEMBER(o, name, text) member_text(o, ",\"" name "\":", sizeof(",\"" name "\":") - 1, text)

static void put_known(struct json_out *o, struct slice s)
{
    json_put(o, s.data, s.len);
}

/* An object of which any member may be absent: the comma before the first one goes; without any,
 * the object goes. */
static void put_members_end(struct json_out *o, char *head, char *begin)
{
    if (o->is_full)
        return;
    if (o->p == begin) { /* none */
        o->p = head;
        return;
    }
    memmove(begin, begin + 1, (size_t)(o->p - begin - 1));
    o->p--;
    json_put_char(o, '}');
}

static void put_page(struct json_out *o, const struct event *e)
{
    char *head = o->p;
    json_put_lit(o, ",\"page\":{");
    char *begin = o->p;
    MEMBER(o, "url", e->url);
    MEMBER(o, "path", e->path);
    MEMBER(o, "title", e->title);
    MEMBER(o, "referrer", e->referrer);
    put_members_end(o, head, begin);
}

static void put_number(struct json_out *o, int64_t value) /* not negative */
{
    char digits[SLICE_U64_DIGITS];
    put_known(o, slice_of_u64((uint64_t)value, digits));
}

static void put_screen(struct json_out *o, const struct event *e)
{
    if (e->screen_width < 0 && e->screen_height < 0)
        return;
    json_put_lit(o, ",\"screen\":{");
    if (e->screen_width >= 0) {
        json_put_lit(o, "\"width\":");
        put_number(o, e->screen_width);
    }
    if (e->screen_height >= 0) {
        if (e->screen_width >= 0)
            json_put_char(o, ',');
        json_put_lit(o, "\"height\":");
        put_number(o, e->screen_height);
    }
    json_put_char(o, '}');
}

static void put_object(struct json_out *o, const char *head, yyjson_val *v, const char *const *skip,
                       size_t bytes_max, const char *name, struct arena *scratch,
                       struct event_notes *n)
{
    if (!v || n->reason != EVENT_FINE)
        return;
    char *member = o->p;
    json_put(o, head, strlen(head));
    char *begin = o->p;
    enum json_problem problem = json_write(o, v, skip, scratch);
    if (problem == JSON_NO_MEMORY)
        event_drop(n, EVENT_TOO_LARGE, "%s: %s", name, json_problem_text(problem));
    else if (problem != JSON_FINE)
        event_drop(n, EVENT_BAD_VALUE, "%s: %s", name, json_problem_text(problem));
    else if ((size_t)(o->p - begin) > bytes_max)
        event_drop(n, EVENT_TOO_LARGE, "%s is larger than %zu bytes", name, bytes_max);
    else if (o->p - begin == 2)
        o->p = member; /* {} tells nothing */
}

struct unset {
    const char *names[EVENT_UNSET_MAX + 1]; /* each once, NULL behind the last */
    uint32_t count;
};

static bool has_name(const struct unset *u, const char *name)
{
    for (uint32_t i = 0; i < u->count; i++)
        if (strcmp(u->names[i], name) == 0)
            return true;
    return false;
}

static void read_unset(yyjson_val *from, struct unset *u, struct event_notes *n)
{
    yyjson_val *v;
    yyjson_arr_iter of_array = yyjson_arr_iter_with(from);
    yyjson_obj_iter of_object = yyjson_obj_iter_with(from);
    while ((v = yyjson_is_obj(from) ? yyjson_obj_iter_next(&of_object)
                                    : yyjson_arr_iter_next(&of_array))) {
        const char *name = yyjson_get_str(v);
        size_t len = yyjson_get_len(v);
        if (!name || len > JSON_KEY_BYTES_MAX || memchr(name, 0, len))
            event_warn(n, "what is to be unset is no name of a trait, ignored");
        else if (u->count == EVENT_UNSET_MAX)
            event_warn(n, "more than %d traits to unset, ignored", EVENT_UNSET_MAX);
        else if (!has_name(u, name))
            u->names[u->count++] = name;
    }
    u->names[u->count] = NULL;
}

/* What is unset is null, whatever is said of it beside. */
static void put_traits(struct json_out *o, const struct event *e, struct arena *scratch,
                       struct event_notes *n)
{
    struct unset unset = {.count = 0};
    char *member = o->p;
    for (size_t i = 0; i < COUNT_OF(e->traits_unset); i++)
        if (e->traits_unset[i])
            read_unset(e->traits_unset[i], &unset, n);
    put_object(o, ",\"traits\":", e->traits, unset.count ? unset.names : e->traits_skip,
               EVENT_TRAITS_BYTES_MAX, "traits", scratch, n);
    if (!unset.count || n->reason != EVENT_FINE || o->is_full)
        return;
    bool has_others = o->p != member;
    if (has_others)
        o->p--; /* its bracket */
    else
        json_put_lit(o, ",\"traits\":{");
    for (uint32_t i = 0; i < unset.count; i++) {
        if (i || has_others)
            json_put_char(o, ',');
        IGNORE(json_put_string(o, slice_str(unset.names[i])), "it holds no U+0000");
        json_put_lit(o, ":null");
    }
    json_put_char(o, '}');
    if ((size_t)(o->p - member) > EVENT_TRAITS_BYTES_MAX)
        event_drop(n, EVENT_TOO_LARGE, "traits is larger than %d bytes", EVENT_TRAITS_BYTES_MAX);
}

static void put_user_agent(struct json_out *o, const struct event *e, const struct event_env *env)
{
    if (e->user_agent.len) {
        MEMBER(o, "user_agent", e->user_agent);
    } else if (env->default_user_agent.len) { /* a header: any bytes */
        json_put_lit(o, ",\"user_agent\":");
        json_put_bytes(o, event_cut(env->default_user_agent, EVENT_USER_AGENT_BYTES_MAX));
    }
}

static void put_client(struct json_out *o, const struct event_client *c)
{
    static const char *const hints[HINT_COUNT] = {
        [HINT_BRANDS] = ",\"brands\":",
        [HINT_PLATFORM] = ",\"platform\":",
        [HINT_PLATFORM_VERSION] = ",\"platform_version\":",
        [HINT_MODEL] = ",\"model\":",
        [HINT_MOBILE] = ",\"mobile\":",
    };
    if (c->device) {
        char text[EVENT_DEVICE_DIGITS + 1];
        json_put_lit(o, ",\"device\":\"");
        put_known(o, event_device_text(c->device, text));
        json_put_char(o, '"');
    }
    char *head = o->p;
    json_put_lit(o, ",\"geo\":{");
    char *begin = o->p;
    MEMBER(o, "country", c->country);
    MEMBER(o, "region", c->region);
    MEMBER(o, "city", c->city);
    MEMBER(o, "network", c->network);
    put_members_end(o, head, begin);
    MEMBER(o, "privacy", c->privacy);
    head = o->p;
    json_put_lit(o, ",\"hints\":{");
    begin = o->p;
    for (unsigned i = 0; i < HINT_COUNT; i++) {
        if (!c->hints[i].len)
            continue;
        json_put(o, hints[i], strlen(hints[i]));
        json_put_bytes(o, event_cut(c->hints[i], EVENT_HINT_BYTES_MAX));
    }
    put_members_end(o, head, begin);
}

static void put_groups(struct json_out *o, const struct event *e)
{
    if (e->group_id.len) {
        json_put_lit(o, ",\"group\":{\"type\":");
        if (!json_put_string(o, e->group_type))
            o->is_full = true;
        MEMBER(o, "id", e->group_id);
        json_put_char(o, '}');
    }
    for (uint32_t i = 0; i < e->more_group_count; i++) {
        const struct event_group *g = &e->more_groups[i];
        json_put(o, i ? "," : ",\"groups\":{", i ? 1 : strlen(",\"groups\":{"));
        if (!json_put_string(o, g->type))
            o->is_full = true;
        json_put_char(o, ':');
        if (!json_put_string(o, g->id))
            o->is_full = true;
    }
    if (e->more_group_count)
        json_put_char(o, '}');
}

static void put_kind(struct json_out *o, const struct event *e)
{
    char amount[DECIMAL_TEXT_BYTES];
    if (e->kind != EVENT_PLAIN)
        MEMBER(o, "kind", slice_str(event_kind_name(e->kind)));
    if (e->is_passive)
        json_put_lit(o, ",\"interactive\":false");
    if (e->engagement_ms >= 0) {
        json_put_lit(o, ",\"engagement_ms\":");
        put_number(o, e->engagement_ms);
    }
    if (e->scroll_depth >= 0) {
        json_put_lit(o, ",\"scroll\":");
        put_number(o, e->scroll_depth);
    }
    if (e->currency[0]) {
        json_put_lit(o, ",\"revenue\":{\"amount\":\"");
        put_known(o, decimal_format(e->revenue, amount));
        json_put_lit(o, "\",\"currency\":\"");
        put_known(o, slice_str(e->currency));
        json_put_lit(o, "\"}");
    }
    put_groups(o, e);
    MEMBER(o, "previous_id", e->previous_id);
}

static void put_value(struct json_out *o, const struct event *e, const struct event_env *env,
                      struct arena *scratch, struct event_notes *n)
{
    char id[UUID_TEXT_LEN + 1], time[TIME_TEXT_BYTES];
    json_put_lit(o, "{\"id\":\"");
    json_put(o, uuid_format(&e->id, id), UUID_TEXT_LEN);
    json_put_lit(o, "\",\"project\":\"");
    json_put(o, env->project_text, UUID_TEXT_LEN);
    json_put_lit(o, "\",\"event\":");
    if (!json_put_string(o, e->name))
        o->is_full = true;
    json_put_lit(o, ",\"timestamp\":\"");
    put_known(o, e->timestamp.ms == env->received_at.ms
                     ? slice_str(env->received_text)
                     : slice_str(time_format(e->timestamp, time)));
    json_put_lit(o, "\",\"received_at\":\"");
    put_known(o, slice_str(env->received_text));
    json_put_lit(o, "\",\"source\":\"");
    put_known(o, slice_str(env->source));
    json_put_char(o, '"');
    if (e->is_client_id)
        json_put_lit(o, ",\"dedupe\":true");
    if (env->is_historical)
        json_put_lit(o, ",\"historical\":true");
    MEMBER(o, "user_id", e->user_id);
    MEMBER(o, "anonymous_id", e->anonymous_id);
    MEMBER(o, "session_id", e->session_id);
    put_page(o, e);
    put_screen(o, e);
    put_user_agent(o, e, env);
    MEMBER(o, "locale", e->locale);
    put_client(o, e->client);
    MEMBER(o, "timezone", e->time_zone);
    put_kind(o, e);
    put_traits(o, e, scratch, n);
    put_object(o, ",\"traits_once\":", e->traits_once, NULL, EVENT_TRAITS_BYTES_MAX, "traits_once",
               scratch, n);
    put_object(o, ",\"properties\":", e->properties, e->properties_skip, EVENT_PROPERTIES_BYTES_MAX,
               "properties", scratch, n);
    put_object(o, ",\"context\":", e->context, e->context_skip, EVENT_CONTEXT_BYTES_MAX, "context",
               scratch, n);
    json_put_char(o, '}');
}

static void put_key(struct json_out *o, const struct event *e, const struct event_env *env)
{
    char id[UUID_TEXT_LEN + 1];
    char device[EVENT_DEVICE_DIGITS + 1];
    struct slice visitor = e->user_id.len        ? e->user_id
                           : e->anonymous_id.len ? e->anonymous_id
                           : e->client->device   ? event_device_text(e->client->device, device)
                           : e->session_id.len   ? e->session_id
                                                 : slice_str(uuid_format(&e->id, id));
    json_put(o, env->project_text, UUID_TEXT_LEN);
    json_put_char(o, '/');
    put_known(o, visitor);
}

static size_t client_bytes(const struct event_client *c)
{
    size_t n = c->country.len + c->region.len + c->city.len + c->network.len + c->privacy.len;
    for (unsigned i = 0; i < HINT_COUNT; i++)
        n += event_cut(c->hints[i], EVENT_HINT_BYTES_MAX).len;
    return n;
}

enum rc event_encode(const struct event *e, const struct event_env *env, size_t sent_bytes,
                     struct buf *out, struct arena *scratch, struct event_notes *n,
                     size_t *ret_key_len, size_t *ret_value_len)
{
    enum { FIXED = 1024 };
    if (n->reason != EVENT_FINE)
        return RC_OK;
    size_t cap = FIXED + 3 * sent_bytes +
                 6 * (client_bytes(e->client) + 2 * env->default_user_id.len + env->shared_bytes +
                      event_cut(env->default_user_agent, EVENT_USER_AGENT_BYTES_MAX).len);
    char *to = buf_reserve(out, cap);
    ENSURE(to, RC_NOMEM);
    struct json_out o = {.p = to, .end = to + cap};
    put_key(&o, e, env);
    size_t key_len = (size_t)(o.p - to);
    put_value(&o, e, env, scratch, n);
    if (o.is_full)
        event_drop(n, EVENT_TOO_LARGE, "the event is too large");
    if (n->reason != EVENT_FINE)
        return RC_OK;
    *ret_key_len = key_len;
    *ret_value_len = (size_t)(o.p - to) - key_len;
    buf_commit(out, (size_t)(o.p - to));
    return RC_OK;
}
