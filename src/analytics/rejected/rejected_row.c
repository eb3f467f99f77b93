/* Counts and samples as rows of their tables. */
#include "analytics/rejected/rejected_int.h"

void rejected_put_count(struct buf *out, const struct uuid *project, unix_ms minute,
                        struct slice dialect, enum rejected_reason reason, uint64_t events)
{
    char text[UUID_TEXT_LEN + 1];
    buf_addf(out, "{\"project_id\":\"%s\",\"minute\":%lld,\"dialect\":", uuid_format(project, text),
             (long long)(minute.ms / 1000));
    buf_add_json(out, dialect);
    buf_addf(out, ",\"reason\":\"%s\",\"events\":%llu}\n", rejected_reason_code(reason),
             (unsigned long long)events);
}

static void member(struct buf *out, const char *name, struct slice value)
{
    buf_addf(out, ",\"%s\":", name);
    buf_add_json(out, value);
}

/* JSON as a text of the row. */
static void member_json(struct buf *out, const char *name, struct buf *json)
{
    if (!buf_ok(json))
        buf_clear(json);
    member(out, name, buf_slice(json));
    buf_clear(json);
}

static void put_headers(struct buf *json, const struct rejected_sample *s)
{
    buf_add_char(json, '{');
    for (uint32_t i = 0; i < s->header_count; i++) {
        buf_add_str(json, i ? "," : "");
        buf_add_json(json, s->headers[i].name);
        buf_add_char(json, ':');
        buf_add_json(json, s->headers[i].value);
    }
    buf_add_char(json, '}');
}

static void put_places(struct buf *json, const struct rejected_sample *s)
{
    for (uint32_t i = 0; i < s->place_count; i++) {
        const struct rejected_place *p = &s->places[i];
        buf_add_str(json, i ? ",{\"country\":" : ",\"places\":[{\"country\":");
        buf_add_json(json, p->country);
        member(json, "region", p->region);
        member(json, "city", p->city);
        member(json, "network", p->network);
        buf_add_char(json, '}');
    }
    buf_add_str(json, s->place_count ? "]" : "");
}

static void put_client(struct buf *json, const struct rejected_sample *s)
{
    const struct event_client *c = &s->client;
    char device[EVENT_DEVICE_DIGITS + 1];
    const struct {
        const char *name;
        struct slice value;
    } members[] = {{"country", c->country},
                   {"region", c->region},
                   {"city", c->city},
                   {"network", c->network},
                   {"privacy", c->privacy}};
    buf_addf(json, "{\"device\":\"%.*s\"", SLICE_ARG(event_device_text(c->device, device)));
    for (unsigned i = 0; i < COUNT_OF(members); i++)
        if (members[i].value.len)
            member(json, members[i].name, members[i].value);
    buf_add_str(json, ",\"hints\":[");
    for (unsigned i = 0; i < HINT_COUNT; i++) {
        buf_add_str(json, i ? "," : "");
        buf_add_json(json, c->hints[i]);
    }
    buf_add_char(json, ']');
    put_places(json, s);
    buf_add_char(json, '}');
}

static void put_events(struct buf *out, const struct rejected_sample *s)
{
    buf_add_str(out, ",\"reasons\":[");
    for (uint32_t i = 0; i < s->event_count; i++)
        buf_addf(out, "%s\"%s\"", i ? "," : "", rejected_reason_code(s->events[i].reason));
    buf_add_str(out, "],\"indexes\":[");
    for (uint32_t i = 0; i < s->event_count; i++)
        buf_addf(out, "%s%u", i ? "," : "", s->events[i].index);
    buf_add_str(out, "],\"details\":[");
    for (uint32_t i = 0; i < s->event_count; i++) {
        buf_add_str(out, i ? "," : "");
        buf_add_json(out, s->events[i].details);
    }
    buf_add_char(out, ']');
}

void rejected_put_sample(struct buf *out, const struct rejected_sample *s, uint64_t version)
{
    enum { JSON_BYTES_MAX = 256 << 10 }; /* places are the most of it */
    char project[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    CLEANUP(buf_done) struct buf json;
    buf_init(&json, JSON_BYTES_MAX);
    buf_addf(out, "{\"project_id\":\"%s\",\"id\":\"%s\",\"received_at\":\"%lld.%03lld\"",
             uuid_format(&s->project, project), uuid_format(&s->id, id),
             (long long)(s->received_at.ms / 1000), (long long)(s->received_at.ms % 1000));
    member(out, "dialect", slice_str(s->dialect));
    member(out, "route", slice_str(s->route));
    member(out, "method", slice_str(s->method));
    member(out, "path", s->path);
    member(out, "query", s->query);
    put_headers(&json, s);
    member_json(out, "headers", &json);
    member(out, "body", s->body);
    member(out, "user_id", s->user_id);
    buf_addf(out, ",\"key_id\":\"%s\"", uuid_format(&s->key_id, id));
    put_client(&json, s);
    member_json(out, "client", &json);
    buf_addf(out, ",\"is_whole\":%d,\"lack\":\"%s\",\"is_key_in_head\":%d,\"is_visitor\":%d",
             s->lack == REJECTED_LACKS_NOTHING, rejected_lack_code(s->lack), s->is_key_in_head,
             s->is_visitor);
    put_events(out, s);
    buf_addf(out, ",\"version\":%llu}\n", (unsigned long long)version);
}
