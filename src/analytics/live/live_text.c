/* Records in, text/event-stream out; places and their text (live_int.h). */
#include "analytics/live/live_int.h"

#include <stdio.h>

#include "analytics/event/event.h"
#include "codec/json.h"

void live_place_text(const struct live_place *place, char *ret_id)
{
    size_t at = 0;
    ret_id[0] = '\0';
    for (uint32_t i = 0; i < place->count; i++)
        at += (size_t)snprintf(ret_id + at, LIVE_ID_BYTES_MAX - at, "%s%llx", i ? "-" : "",
                               (unsigned long long)place->next[i]);
}

static bool parse_hex(struct slice text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint64_t)(c - 'a' + 10);
        else
            return false;
        value = value * 16 + digit;
    }
    *ret = value;
    return true;
}

bool live_place_parse(struct slice text, uint32_t count, struct live_place *ret)
{
    *ret = (struct live_place){.count = count};
    for (uint32_t i = 0; i < count; i++) {
        bool is_last = !text.len || !memchr(text.data, '-', text.len);
        if (is_last != (i + 1 == count) || !parse_hex(slice_cut(&text, '-'), &ret->next[i]))
            return false;
    }
    return text.len == 0;
}

bool live_key_is_of(struct slice key, const char *project)
{
    return key.len > UUID_TEXT_LEN && key.data[UUID_TEXT_LEN] == '/' &&
           memcmp(key.data, project, UUID_TEXT_LEN) == 0;
}

static void add(struct buf *out, const char *name, struct slice value)
{
    if (!value.len)
        return;
    buf_addf(out, ",\"%s\":", name);
    buf_add_json(out, value);
}

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = object ? json_get(object, name) : NULL;
    return v && yyjson_is_str(v) ? slice_of(yyjson_get_str(v), yyjson_get_len(v)) : SLICE_EMPTY;
}

/* The host of where somebody came from: the rest of an address may be about a person. */
static struct slice host_of(struct slice url)
{
    const char *at = url.len > 3 ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!at)
        return SLICE_EMPTY;
    struct slice rest = slice_sub(url, (size_t)(at - url.data) + 3);
    size_t n = 0;
    while (n < rest.len && !strchr("/?#", rest.data[n]))
        n++;
    struct slice authority = slice_of(rest.data, n);
    const char *user = n ? memrchr(authority.data, '@', n) : NULL;
    return user ? slice_sub(authority, (size_t)(user - authority.data) + 1) : authority;
}

static void add_members(struct buf *out, yyjson_val *root)
{
    yyjson_val *page = json_get(root, "page"), *geo = json_get(root, "geo");
    struct slice path = text_of(page, "path");
    buf_add_str(out, "{\"id\":");
    buf_add_json(out, text_of(root, "id"));
    add(out, "event", text_of(root, "event"));
    add(out, "timestamp", text_of(root, "timestamp"));
    add(out, "kind", text_of(root, "kind"));
    add(out, "user_id", text_of(root, "user_id"));
    add(out, "page", path.len ? path : event_url_path(text_of(page, "url")));
    add(out, "title", text_of(page, "title"));
    add(out, "referrer", host_of(text_of(page, "referrer")));
    add(out, "country", text_of(geo, "country"));
    add(out, "city", text_of(geo, "city"));
    add(out, "source", text_of(root, "source"));
    buf_add_char(out, '}');
}

bool live_event_text(struct slice record, const struct live_place *place, struct arena *scratch,
                     struct buf *out)
{
    yyjson_val *root;
    size_t from = out->len;
    char id[LIVE_ID_BYTES_MAX];
    if (json_parse(scratch, record, &root, NULL) != RC_OK || !yyjson_is_obj(root) ||
        !text_of(root, "id").len)
        return false;
    live_place_text(place, id);
    buf_addf(out, "id: %s\ndata: ", id);
    add_members(out, root);
    buf_add_str(out, "\n\n");
    if (buf_ok(out))
        return true;
    out->is_failed = false;
    out->len = from;
    return false;
}
