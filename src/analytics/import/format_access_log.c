/* Lines of an access log as events; what becomes of their fields is said in access_log.h. */
#include "analytics/import/access_log.h"
#include "analytics/import/import_int.h"

#include "codec/base64.h"

/* \" and \\ and \xNN of Apache's and nginx's escaping; the bytes become valid UTF-8 text by
 * json_put_bytes. */
static struct slice unescape(struct arena *a, struct slice s)
{
    char *to = s.len ? arena_alloc(a, s.len * 3) : NULL;
    size_t n = 0;
    if (!to)
        return SLICE_EMPTY;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte;
        if (s.data[i] == '\\' && i + 3 < s.len && s.data[i + 1] == 'x' &&
            hex_decode(slice_of(s.data + i + 2, 2), &byte, 1)) {
            to[n++] = (char)byte;
            i += 3;
        } else if (s.data[i] == '\\' && i + 1 < s.len &&
                   (s.data[i + 1] == '"' || s.data[i + 1] == '\\')) {
            to[n++] = s.data[++i];
        } else {
            to[n++] = s.data[i];
        }
    }
    /* Through a JSON string and back would be the long way: replace what is not UTF-8 here. */
    struct json_out o;
    char *clean = arena_alloc(a, n * 6 + 2);
    if (!clean)
        return SLICE_EMPTY;
    o = (struct json_out){.p = clean, .end = clean + n * 6 + 2};
    json_put_bytes(&o, slice_of(to, n));
    yyjson_val *v;
    if (o.is_full || json_parse(a, slice_of(clean, (size_t)(o.p - clean)), &v, NULL) != RC_OK ||
        !yyjson_is_str(v))
        return SLICE_EMPTY;
    return json_text(v);
}

static void visitor_of(const struct import *im, const struct access_log_line *l, char ret[33])
{
    uint8_t mac[SHA256_BYTES];
    struct buf text;
    const struct tenant_project *project = im->cfg->project;
    buf_init(&text, IMPORT_ITEM_BYTES_MAX + 16);
    buf_add_slice(&text, l->address);
    buf_add_char(&text, '\0');
    buf_add_slice(&text, l->user_agent);
    hmac_sha256(slice_of((const char *)project->hash_key, sizeof(project->hash_key)),
                buf_slice(&text), mac);
    buf_done(&text);
    hex_encode(ret, mac, 16);
    ret[32] = '\0';
}

static yyjson_val *properties_of(struct import *im, const struct access_log_line *l)
{
    struct buf text;
    yyjson_val *v = NULL;
    buf_init(&text, 4096);
    buf_addf(&text, "{\"status\":%u,\"method\":\"%.*s\"", l->status, SLICE_ARG(l->method));
    if (l->bytes >= 0)
        buf_addf(&text, ",\"bytes\":%lld", (long long)l->bytes);
    if (l->protocol.len && l->protocol.len < 32) {
        buf_add_str(&text, ",\"protocol\":");
        buf_add_json(&text, l->protocol);
    }
    buf_add_char(&text, '}');
    if (json_parse(im->scratch, buf_slice(&text), &v, NULL) != RC_OK)
        v = NULL;
    buf_done(&text);
    return v;
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    struct access_log_line l;
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    char visitor[33];
    enum access_log_reject reason = item->text.len > ACCESS_LOG_LINE_MAX
                                        ? ACCESS_LOG_TOO_LONG
                                        : access_log_parse(item->text, &l);
    if (reason != ACCESS_LOG_OK) {
        import_reject(im, access_log_reject_name(reason),
                      "it is no line of Combined or Common log "
                      "format: %s",
                      access_log_reject_name(reason));
        return RC_OK;
    }
    import_event_init(im, &e);
    e.name = access_log_is_pageview(&l) ? SLICE_LIT("pageview") : SLICE_LIT("request");
    event_set_time(&e, l.time, "the line's time", &im->env, &n);
    visitor_of(im, &l, visitor);
    e.anonymous_id = slice_of(visitor, 32);
    e.url = event_cut(unescape(im->scratch, l.target), EVENT_URL_BYTES_MAX);
    e.path = event_url_path(e.url);
    e.referrer = event_cut(unescape(im->scratch, l.referrer), EVENT_URL_BYTES_MAX);
    e.user_agent = event_cut(unescape(im->scratch, l.user_agent), EVENT_USER_AGENT_BYTES_MAX);
    e.properties = properties_of(im, &l);
    e.has_address = ip_parse(l.address, &e.address);
    return import_add(im, item, &e, &n, err);
}

const struct import_format import_format_access_log = {
    .name = "access-log",
    .about = "Combined or Common log format (nginx, Apache)",
    .shape = IMPORT_LINES,
    .source = "import",
    .is_lenient = true,
    .take = take,
};
