/* The single fields of an event, as tolerant as docs/ingest.md promises: what is optional and odd
 * is mended or left out with a warning, what is required and missing drops the event. */
#include "analytics/event/event.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "codec/hash.h"

struct slice event_cut(struct slice text, size_t bytes_max)
{
    if (text.len <= bytes_max)
        return text;
    size_t len = bytes_max;
    while (len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return slice_of(text.data, len);
}

struct slice event_field_text(yyjson_val *v, const char *name, size_t bytes_max,
                              struct event_notes *n)
{
    struct slice text = SLICE_EMPTY;
    if (!v || yyjson_is_null(v))
        return text;
    if (yyjson_is_str(v)) {
        text = json_text(v);
    } else if (json_is_number(v)) {
        text = json_text(v);
        event_warn(n, "%s is not a string, taken as its text", name);
    } else {
        event_warn(n, "%s is not a string, ignored", name);
    }
    if (text.len && memchr(text.data, 0, text.len)) {
        event_drop(n, EVENT_BAD_VALUE, "%s contains the character U+0000", name);
        return SLICE_EMPTY;
    }
    if (text.len > bytes_max) {
        event_warn(n, "%s is longer than %zu bytes, cut", name, bytes_max);
        text = event_cut(text, bytes_max);
    }
    return text;
}

static bool has_group(const struct event *e, const struct event_group *more, uint32_t count,
                      struct slice type)
{
    bool found = e->group_id.len && slice_eq(e->group_type, type);
    for (uint32_t i = 0; i < count && !found; i++)
        found = slice_eq(more[i].type, type);
    return found;
}

void event_take_groups(struct event *e, yyjson_val *object, const char *name,
                       const struct event_env *env, struct event_notes *n)
{
    yyjson_val *key, *groups = event_field_object(object, name, n);
    yyjson_obj_iter it = yyjson_obj_iter_with(groups);
    struct event_group *more = NULL;
    uint32_t count = 0;
    while ((key = yyjson_obj_iter_next(&it))) {
        struct event_group g = {
            .type = event_field_text(key, name, EVENT_GROUP_TYPE_BYTES_MAX, n),
            .id = event_field_text(yyjson_obj_iter_get_val(key), name, EVENT_ID_BYTES_MAX, n)};
        if (!g.type.len || !g.id.len || has_group(e, more, count, g.type))
            continue;
        if (!e->group_id.len) {
            e->group_type = g.type;
            e->group_id = g.id;
            continue;
        }
        if (count + 1 == EVENT_GROUPS_MAX) {
            event_warn(n, "%s: more than %d groups, the rest is ignored", name, EVENT_GROUPS_MAX);
            break;
        }
        if (!more)
            more = arena_alloc(env->arena, (EVENT_GROUPS_MAX - 1) * sizeof(*more));
        if (!more) {
            event_drop(n, EVENT_TOO_LARGE, "no memory for the event's groups");
            return;
        }
        more[count++] = g;
    }
    e->more_groups = more;
    e->more_group_count = count;
}

void event_take_name(struct event *e, yyjson_val *v, const char *name, struct event_notes *n)
{
    if (!v || yyjson_is_null(v) || !yyjson_is_str(v)) {
        event_drop(n, EVENT_NO_NAME, "%s (a string) is required", name);
        return;
    }
    struct slice text = json_text(v);
    if (text.len == 0)
        event_drop(n, EVENT_NO_NAME, "%s is empty", name);
    else if (text.len > EVENT_NAME_BYTES_MAX)
        event_drop(n, EVENT_NAME_TOO_LONG, "%s is longer than %d bytes", name,
                   EVENT_NAME_BYTES_MAX);
    else if (memchr(text.data, 0, text.len))
        event_drop(n, EVENT_BAD_VALUE, "%s contains the character U+0000", name);
    e->name = text;
}

void event_derive_id(struct event *e, const struct event_env *env, const struct slice *parts,
                     uint32_t count)
{
    uint8_t hash[SHA256_BYTES];
    struct slice all[2 + EVENT_ID_PARTS_MAX] = {
        SLICE_LIT("weir event id"),
        slice_of((const char *)env->project.bytes, sizeof(env->project.bytes))};
    must(count <= EVENT_ID_PARTS_MAX);
    memcpy(all + 2, parts, count * sizeof(*parts));
    sha256_parts(all, 2 + count, hash);
    e->id = uuid_v8_from_hash(hash);
    e->is_client_id = true;
}

/* False: it is no UUID, one was derived. */
static bool take_sent_id(struct event *e, const struct event_env *env)
{
    e->is_client_id = true;
    if (uuid_parse(e->sent_id, &e->id))
        return true;
    event_derive_id(e, env, &e->sent_id, 1);
    return false;
}

void event_take_text_id(struct event *e, struct slice id, const struct event_env *env)
{
    e->sent_id = id;
    if (id.len)
        IGNORE(take_sent_id(e, env), "either way there is one");
    else
        e->id = uuid_v7(env->received_at);
}

void event_take_id(struct event *e, yyjson_val *v, const char *name, const struct event_env *env,
                   struct event_notes *n)
{
    bool is_text = v && (yyjson_is_str(v) || json_is_number(v));
    e->sent_id = is_text ? json_text(v) : SLICE_EMPTY;
    if (v && !is_text && !yyjson_is_null(v))
        event_warn(n, "%s is not a string, a new one was made", name);
    if (e->sent_id.len == 0) {
        e->id = uuid_v7(env->received_at);
        return;
    }
    if (!take_sent_id(e, env))
        event_warn(n, "%s is not a UUID, one was derived from it", name);
}

static bool time_of_number(double value, unix_ms *ret_time)
{
    static const double seconds_max = 1e11; /* the year 5138; as ms: 1973 */
    if (!(fabs(value) <= 1e15))
        return false;
    ret_time->ms = (int64_t)floor(fabs(value) < seconds_max ? value * 1000.0 + 0.5 : value);
    return true;
}

/* Numbers as seconds or milliseconds; the fraction of seconds is kept to the millisecond. */
static bool number_time(yyjson_val *v, unix_ms *ret_time)
{
    double value;
    return json_to_double(v, &value) && time_of_number(value, ret_time);
}

int64_t event_clock_skew_ms(struct slice sent_at, const struct event_env *env)
{
    enum { SLACK_MS = 10000 };
    char digits[32];
    double value;
    unix_ms t;
    if (!time_parse(sent_at, &t)) {
        char *end = digits;
        if (!sent_at.len || sent_at.len >= sizeof(digits))
            return 0;
        memcpy(digits, sent_at.data, sent_at.len);
        digits[sent_at.len] = '\0';
        value = strtod(digits, &end);
        if (end != digits + sent_at.len || !time_of_number(value, &t))
            return 0;
    }
    int64_t skew = env->received_at.ms - t.ms;
    return t.ms <= 0 || (skew > -SLACK_MS && skew < SLACK_MS) ? 0 : skew;
}

void event_set_time(struct event *e, unix_ms t, const char *name, const struct event_env *env,
                    struct event_notes *n)
{
    t.ms = t.ms + env->clock_skew_ms < 0 ? t.ms : t.ms + env->clock_skew_ms;
    if (t.ms > env->received_at.ms + EVENT_FUTURE_MS_MAX) {
        event_warn(n, "%s is more than 24 hours ahead, set back to that", name);
        t.ms = env->received_at.ms + EVENT_FUTURE_MS_MAX;
    }
    e->timestamp = t;
}

void event_take_time(struct event *e, yyjson_val *v, const char *name, const struct event_env *env,
                     struct event_notes *n)
{
    unix_ms t;
    if (!v || yyjson_is_null(v))
        return;
    bool is_read = yyjson_is_str(v) ? time_parse(json_text(v), &t) : number_time(v, &t);
    if (!is_read || t.ms < 0) {
        event_warn(n,
                   "%s is not a time since 1970 (RFC 3339 or a number), the time of receipt "
                   "was taken",
                   name);
        return;
    }
    event_set_time(e, t, name, env, n);
}

yyjson_val *event_field_object(yyjson_val *v, const char *name, struct event_notes *n)
{
    if (!v || yyjson_is_null(v))
        return NULL;
    if (yyjson_is_obj(v))
        return v;
    event_warn(n, "%s is not an object, ignored", name);
    return NULL;
}

void event_set_kind(struct event *e, enum event_kind kind)
{
    e->kind = kind;
    e->name = slice_str(event_kind_name(kind));
}

static bool currency_of(yyjson_val *v, char ret[4])
{
    if (!v || !yyjson_is_str(v) || json_text(v).len != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        ret[i] = (char)(json_text(v).data[i] & ~0x20);
        if (ret[i] < 'A' || ret[i] > 'Z')
            return false;
    }
    ret[3] = '\0';
    return true;
}

void event_take_revenue(struct event *e, yyjson_val *amount, yyjson_val *currency,
                        struct event_notes *n)
{
    char code[4];
    struct decimal value;
    bool is_text = amount && (yyjson_is_str(amount) || json_is_number(amount));
    if (!amount || yyjson_is_null(amount))
        return;
    if (!is_text || !decimal_parse(json_text(amount), &value)) {
        event_warn(n, "the revenue's amount is not a number below 10^14, ignored");
        return;
    }
    if (!currency_of(currency, code)) {
        event_warn(n, "the revenue's currency is not of three letters, ignored");
        return;
    }
    e->revenue = value;
    memcpy(e->currency, code, sizeof(code));
}

/* -1 if absent or odd. */
static int64_t whole_up_to(yyjson_val *v, int64_t most, const char *name, struct event_notes *n)
{
    double value;
    if (!v || yyjson_is_null(v))
        return -1;
    if (!json_is_number(v) || !json_to_double(v, &value) || value < 0) {
        event_warn(n, "%s is not a number from 0 on, ignored", name);
        return -1;
    }
    return value < (double)most ? (int64_t)value : most;
}

void event_take_engagement(struct event *e, yyjson_val *ms, yyjson_val *scroll_depth,
                           struct event_notes *n)
{
    e->engagement_ms = whole_up_to(ms, EVENT_ENGAGEMENT_MS_MAX, "the engagement's time", n);
    e->scroll_depth = (int32_t)whole_up_to(scroll_depth, 100, "the scroll depth", n);
}

int64_t event_field_pixels(yyjson_val *v, const char *name, struct event_notes *n)
{
    int64_t whole;
    double value;
    if (!v || yyjson_is_null(v))
        return -1;
    if (json_to_i64(v, &whole) && whole >= 0 && whole <= INT32_MAX)
        return whole;
    if (json_to_double(v, &value) && value >= 0 && value <= INT32_MAX)
        return (int64_t)value;
    event_warn(n, "%s is not a size in pixels, ignored", name);
    return -1;
}

struct slice event_url_path(struct slice url)
{
    size_t from = 0, end = 0;
    if (url.len == 0)
        return SLICE_EMPTY;
    while (end < url.len && url.data[end] != '?' && url.data[end] != '#')
        end++;
    url.len = end;
    const char *scheme = url.len >= 3 ? memmem(url.data, url.len, "://", 3) : NULL;
    if (scheme && !memchr(url.data, '/', (size_t)(scheme - url.data)))
        from = (size_t)(scheme - url.data) + 3;
    else if (url.len >= 2 && url.data[0] == '/' && url.data[1] == '/')
        from = 2;
    else
        return url.len ? url : SLICE_LIT("/");
    const char *slash = memchr(url.data + from, '/', url.len - from);
    return slash ? slice_of(slash, url.len - (size_t)(slash - url.data)) : SLICE_LIT("/");
}

void event_take_address(struct event *e, yyjson_val *v, const char *name, struct event_notes *n)
{
    if (!v || yyjson_is_null(v) || (yyjson_is_str(v) && yyjson_get_len(v) == 0))
        return;
    if (!yyjson_is_str(v) || !ip_parse(json_text(v), &e->address)) {
        event_warn(n, "%s is no IP address, ignored", name);
        return;
    }
    bool is_none =
        e->address.high == 0 && (e->address.low == 0 || e->address.low == 0xffff00000000);
    e->has_address = !is_none;
}

struct slice event_join(struct arena *arena, const struct slice *parts, uint32_t count)
{
    size_t len = 0, at = 0;
    for (uint32_t i = 0; i < count; i++)
        len += parts[i].len;
    char *to = arena_alloc(arena, len + 1);
    if (!to)
        return SLICE_EMPTY;
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    return slice_of(to, len);
}

struct slice event_url_path_hash(struct slice url, struct arena *arena)
{
    struct slice path = event_url_path(url);
    const char *hash = url.len ? memchr(url.data, '#', url.len) : NULL;
    if (!hash)
        return path;
    const struct slice parts[] = {path, slice_sub(url, (size_t)(hash - url.data))};
    return event_join(arena, parts, COUNT_OF(parts));
}

void event_take_screen(struct event *e, yyjson_val *v, const char *name, struct event_notes *n)
{
    uint64_t width, height;
    struct slice rest = event_field_text(v, name, 32, n);
    struct slice first = slice_cut(&rest, 'x');
    if (!slice_to_u64(first, &width) || !slice_to_u64(rest, &height) || width > INT32_MAX ||
        height > INT32_MAX)
        return;
    e->screen_width = (int64_t)width;
    e->screen_height = (int64_t)height;
}

const struct event_vital event_vitals[EVENT_VITALS] = {
    {"lcp", "LCP"}, {"inp", "INP"}, {"cls", "CLS"}, {"fcp", "FCP"}, {"ttfb", "TTFB"}};

void event_take_vital(struct event *e, const struct event_vital *vital, yyjson_val *value,
                      const struct event_env *env, struct event_notes *n)
{
    char text[64 + JSON_NUMBER_BYTES_MAX];
    struct err err = ERR_INIT;
    event_set_kind(e, EVENT_VITAL);
    if (!value || !json_is_number(value) || json_text(value).len > JSON_NUMBER_BYTES_MAX) {
        event_drop(n, EVENT_BAD_VALUE, "%s is not a number", vital->member);
        return;
    }
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"metric\":\"%s\",\"value\":%.*s}",
                                  vital->metric, SLICE_ARG(json_text(value)));
    if (json_parse(env->arena, slice_of(text, len), &e->properties, &err) != RC_OK)
        event_drop(n, EVENT_BAD_VALUE, "%s: %s", vital->member, err.text);
}
