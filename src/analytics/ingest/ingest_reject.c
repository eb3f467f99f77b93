/* WHAT    What is not taken is told to who counts it (analytics/rejected), as a request that can be
 *         read again: masked, with what was made of the visitor's address.
 * WHY     Here and not in the dialects: all of them drop through ingest_event() and ingest_drop(),
 *         and refuse through one function.
 *         Of a request with events for several projects nobody sees the others': each gets the
 *         reasons of its own events, and no body.
 * THREADS the loop, before the answer. */
#include "analytics/ingest/ingest_int.h"

#include "analytics/rejected/rejected_mask.h"

enum {
    ROOM_BESIDE_BODY = 2048,     /* of a row, about */
    PACKED_BYTES_MAX = 64 << 10, /* what is unpacked only to be looked at */
    TEXTS_BYTES_MAX = 4 << 20,
    TEXTS = REJECTED_HEADERS_MAX + 4,
};
static const struct uuid nobody;

static const struct rejected_sink *sink_of(const struct ingest *in)
{
    return &ingest_cfg_of(in)->rejected;
}

/* ---- noting ---- */

static struct ingest_drops *drops_of(struct ingest_call *call)
{
    if (!call->drops)
        call->drops = arena_zalloc(call->req->net->arena, sizeof(*call->drops));
    return call->drops;
}

static void add_to_list(struct arena *arena, struct ingest_drops *d,
                        const struct ingest_dropped *dropped)
{
    if (d->count == d->cap && d->cap < REJECTED_EVENTS_MAX) {
        uint32_t cap = d->cap ? 5 * d->cap : 8; /* 8, 40, 200, 1000 */
        struct ingest_dropped *list = arena_alloc(arena, cap * sizeof(*list));
        if (!list)
            return;
        if (d->count)
            memcpy(list, d->list, d->count * sizeof(*list));
        d->list = list;
        d->cap = cap;
    }
    if (d->count < d->cap)
        d->list[d->count++] = *dropped;
}

void ingest_note_drop(struct ingest_call *call, uint32_t index, enum event_reason reason,
                      const char *details)
{
    bool is_told = sink_of(call->ingest)->count && !call->again;
    struct ingest_drops *d = is_told ? drops_of(call) : NULL;
    if (!d)
        return;
    uint32_t share = reason == EVENT_NO_PROJECT ? INGEST_NOBODY : call->share;
    d->counts[share][reason]++;
    const struct ingest_dropped dropped = {index, share, reason, details};
    if (rejected_reason_is_sampled(rejected_reason_of(reason)))
        add_to_list(call->req->net->arena, d, &dropped);
}

void ingest_note_not_kept(struct ingest_call *call)
{
    call->outcomes[EVENT_NOT_KEPT]++;
    ingest_note_drop(call, REJECTED_WHOLE, EVENT_NOT_KEPT, NULL);
}

/* ---- places ---- */

enum { PLACE_SLOTS = 512 /* a power of two, twice as many as places */ };
struct places { /* in the request's arena */
    struct geo_view *view;
    bool is_limited; /* nothing finer than a country */
    uint32_t slot_count;
    struct {
        struct ip address;
        uint32_t number; /* of its place; 0: it has none */
        bool is_used;
    } slots[PLACE_SLOTS]; /* the addresses that were looked up */
    uint32_t count;
    struct geo_place found[REJECTED_PLACES_MAX];
    struct rejected_place list[REJECTED_PLACES_MAX];
};

static bool is_place(const struct rejected_place *a, const struct rejected_place *b)
{
    return slice_eq(a->country, b->country) && slice_eq(a->region, b->region) &&
           slice_eq(a->city, b->city) && slice_eq(a->network, b->network);
}

static uint32_t number_of(struct places *p, struct ip address)
{
    if (p->count == REJECTED_PLACES_MAX)
        return 0;
    struct geo_place *found = &p->found[p->count];
    geo_look(p->view, address, found);
    const struct rejected_place place = {
        .country = slice_str(found->country),
        .region = p->is_limited ? SLICE_EMPTY : slice_str(found->region),
        .city = p->is_limited ? SLICE_EMPTY : slice_str(found->city),
        .network = slice_str(geo_network_name(found->network))};
    if (!place.country.len && !place.network.len)
        return 0;
    for (uint32_t i = 0; i < p->count; i++)
        if (is_place(&p->list[i], &place))
            return i + 1;
    p->list[p->count++] = place;
    return p->count;
}

/* rejected_place_fn: looked up once, as long as there is room to remember it. */
static uint32_t place_of(void *ctx, struct ip address)
{
    struct places *p = ctx;
    uint64_t at = ((address.high ^ address.low) * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
    while (p->slots[at % PLACE_SLOTS].is_used &&
           !ip_eq(p->slots[at % PLACE_SLOTS].address, address))
        at++;
    uint32_t slot = at % PLACE_SLOTS;
    if (p->slots[slot].is_used)
        return p->slots[slot].number;
    if (p->slot_count == PLACE_SLOTS / 2)
        return 0;
    p->slot_count++;
    p->slots[slot].is_used = true;
    p->slots[slot].address = address;
    return p->slots[slot].number = number_of(p, address);
}

/* Of whom a server speaks for; NULL: of nobody's, or there is nothing to look in. */
static struct places *places_new(struct ingest_call *call)
{
    const struct ingest_client *c = &call->client;
    struct places *p = c->geo ? arena_zalloc(call->req->net->arena, sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    p->view = geo_view_take(c->geo);
    p->is_limited = c->is_limited;
    return p;
}

/* ---- texts ---- */
struct texts { /* masked, one behind the other */
    struct buf *out;
    struct ip sender;
    struct places *places; /* of the text under way; may be NULL */
    struct {
        size_t at, len;
    } of[TEXTS];
    uint32_t count;
};

static void put_text(struct texts *t, struct slice text)
{
    size_t at = t->out->len;
    rejected_mask(text, t->sender, t->places ? place_of : NULL, t->places, t->out);
    t->of[t->count].at = at;
    t->of[t->count++].len = t->out->len - at;
}

/* When all of them are there. */
static struct slice text_at(const struct texts *t, uint32_t i)
{
    return slice_of(t->out->data + t->of[i].at, t->of[i].len);
}

static bool is_utf8(struct slice text)
{
    while (text.len) {
        size_t n = (unsigned char)text.data[0] < 0x80 ? 1 : slice_utf8_len(text);
        if (n == 0 || text.data[0] == '\0')
            return false;
        text = slice_sub(text, n);
    }
    return true;
}

/* What a dialect reads of a head, and nothing that says who it is. */
static const char *const kept_headers[] = {
    "User-Agent",
    "Origin",
    "Referer",
    "Host",
    "Accept-Language",
    "Sec-GPC",
    "DNT",
    "Content-Type",
    "Sec-Fetch-Site",
    "openpanel-client-id",
    "PostHog-Request-Timestamp",
};
_Static_assert(COUNT_OF(kept_headers) <= REJECTED_HEADERS_MAX, "struct rejected_sample has room");

static uint32_t put_headers(struct texts *t, const struct net_request *net,
                            struct rejected_header headers[REJECTED_HEADERS_MAX])
{
    uint32_t n = 0;
    for (unsigned i = 0; i < COUNT_OF(kept_headers); i++) {
        const struct net_header *h = net_header_find(net, slice_str(kept_headers[i]));
        if (!h || !is_utf8(h->value))
            continue;
        headers[n++].name = slice_str(kept_headers[i]);
        put_text(t, h->value);
    }
    return n;
}

/* A body that came in the query stands in the body now. */
static struct slice query_without_data(struct ingest_call *call, struct slice query)
{
    struct arena *arena = call->req->net->arena;
    char *copy = arena_alloc(arena, query.len + 1), *p = copy;
    if (!copy)
        return SLICE_EMPTY;
    while (query.len) {
        struct slice part = slice_cut(&query, '&');
        if (slice_has_prefix(part, SLICE_LIT("data=")) ||
            slice_has_prefix(part, SLICE_LIT("compression=")))
            continue;
        if (p != copy)
            *p++ = '&';
        memcpy(p, part.data, part.len);
        p += part.len;
    }
    return slice_of(copy, (size_t)(p - copy));
}

/* ---- a sample ---- */
static const char *method_text(enum net_method method)
{
    return method == NET_GET ? "GET" : method == NET_POST ? "POST" : "";
}

/* The body as far as it is unwrapped: text of a bounded length, or it is not kept. */
static enum rejected_lack lack_of(const struct ingest_call *call)
{
    if (call->body.len > REJECTED_BODY_BYTES_MAX)
        return REJECTED_TOO_LARGE_TO_KEEP;
    return is_utf8(call->body) ? REJECTED_LACKS_NOTHING : REJECTED_NO_TEXT;
}

static size_t room_of_body(const struct ingest_call *call)
{
    return lack_of(call) == REJECTED_LACKS_NOTHING ? call->body.len : 0;
}

static void put_texts(struct ingest_call *call, struct rejected_sample *s, struct texts *t)
{
    struct net_request *net = call->req->net;
    struct places *places = places_new(call);
    put_text(t, net->path);
    t->places = places;
    put_text(t, query_without_data(call, net->query));
    put_text(t, s->lack == REJECTED_LACKS_NOTHING ? call->body : SLICE_EMPTY);
    t->places = NULL;
    put_text(t, call->env.default_user_id);
    s->header_count = put_headers(t, net, s->headers);
    if (!places)
        return;
    s->places = places->list;
    s->place_count = places->count;
    geo_view_give(places->view);
}

static void keep(struct ingest_call *call, struct rejected_sample *s)
{
    struct net_request *net = call->req->net;
    struct buf out;
    ingest_buf_take(call->ingest, TEXTS_BYTES_MAX, &out);
    struct texts t = {.out = &out, .sender = call->req->client};
    if (s->lack == REJECTED_LACKS_NOTHING)
        s->lack = lack_of(call);
    s->id = uuid_v7(call->env.received_at);
    s->received_at = call->env.received_at;
    s->dialect = call->dialect->source;
    s->route = call->route->pattern ? call->route->pattern : "";
    s->method = method_text(net->method);
    put_texts(call, s, &t);
    if (buf_ok(&out)) {
        s->path = text_at(&t, 0);
        s->query = text_at(&t, 1);
        s->body = text_at(&t, 2);
        s->user_id = text_at(&t, 3);
        for (uint32_t i = 0; i < s->header_count; i++)
            s->headers[i].value = text_at(&t, 4 + i);
        s->is_visitor = call->client.is_visitor;
        s->client = call->env.client;
        sink_of(call->ingest)->keep(sink_of(call->ingest)->ctx, s);
    }
    ingest_buf_give(call->ingest, &out);
}

/* Masked as well: they may quote what was sent. */
static struct slice details_of(struct ingest_call *call, const char *details)
{
    struct arena *arena = call->req->net->arena;
    struct buf out;
    if (!details)
        return SLICE_EMPTY;
    ingest_buf_take(call->ingest, 4 * EVENT_DETAILS_BYTES, &out);
    rejected_mask(slice_str(details), call->req->client, NULL, NULL, &out);
    struct slice masked = buf_ok(&out) ? arena_copy(arena, buf_slice(&out)) : SLICE_EMPTY;
    ingest_buf_give(call->ingest, &out);
    return masked;
}

/* ---- events of a request ---- */

static bool counts_share(struct ingest_call *call, uint32_t share, const struct uuid *project,
                         enum rejected_reason *ret_first)
{
    const struct rejected_sink *sink = sink_of(call->ingest);
    bool is_any = false;
    for (unsigned r = EVENT_FINE + 1; r < EVENT_REASON_COUNT; r++) {
        uint32_t n = call->drops->counts[share][r];
        if (!n)
            continue;
        enum rejected_reason reason = rejected_reason_of((enum event_reason)r);
        sink->count(sink->ctx, project, call->dialect->source, reason, n);
        if (!is_any && rejected_reason_is_sampled(reason)) {
            *ret_first = reason;
            is_any = true;
        }
    }
    return is_any;
}

static uint32_t events_of(struct ingest_call *call, uint32_t share, struct rejected_event *events)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < call->drops->count; i++) {
        const struct ingest_dropped *d = &call->drops->list[i];
        if (d->share == share)
            events[n++] = (struct rejected_event){d->index, rejected_reason_of(d->reason),
                                                  details_of(call, d->details)};
    }
    return n;
}

static void tell_share(struct ingest_call *call, uint32_t share)
{
    const struct rejected_sink *sink = sink_of(call->ingest);
    const struct uuid *project =
        share == INGEST_NOBODY ? &nobody : &call->shares[share].project->id;
    enum rejected_reason first = REJECTED_BAD_JSON;
    if (!counts_share(call, share, project, &first))
        return;
    bool is_alone = call->share_count == 1 || share == INGEST_NOBODY;
    size_t body = is_alone ? room_of_body(call) : 0;
    struct rejected_event *events =
        arena_alloc(call->req->net->arena, (call->drops->count + 1) * sizeof(*events));
    if (!events || !sink->has_room(sink->ctx, project, first, body + ROOM_BESIDE_BODY))
        return;
    ingest_client_settle_request(call);
    struct rejected_sample s = {.project = *project,
                                .lack = is_alone ? REJECTED_LACKS_NOTHING : REJECTED_OF_SEVERAL,
                                .is_key_in_head = call->key.len == 0,
                                .events = events,
                                .event_count = events_of(call, share, events)};
    if (s.event_count)
        keep(call, &s);
}

void ingest_tell_drops(struct ingest_call *call)
{
    if (!call->drops)
        return;
    for (uint32_t share = 0; share < call->share_count; share++)
        tell_share(call, share);
    tell_share(call, INGEST_NOBODY);
}

/* ---- whole requests ---- */

static void tell_whole(struct ingest_call *call, enum rejected_reason reason,
                       enum rejected_lack lack, const struct tenant_project *project,
                       const struct tenant_key *key, bool is_key_in_head, const char *details)
{
    const struct rejected_sink *sink = sink_of(call->ingest);
    const struct uuid *id = project ? &project->id : &nobody;
    size_t body = room_of_body(call);
    if (!sink->has_room(sink->ctx, id, reason, body + ROOM_BESIDE_BODY))
        return;
    ingest_client_settle_request(call);
    const struct rejected_event event = {REJECTED_WHOLE, reason, details_of(call, details)};
    struct rejected_sample s = {.project = *id,
                                .lack = lack,
                                .is_key_in_head = is_key_in_head,
                                .events = &event,
                                .event_count = 1};
    if (key)
        s.key_id = key->id;
    keep(call, &s);
}

static enum rejected_reason reason_of(enum rc rc)
{
    switch (rc) {
    case RC_INVALID:
    case RC_CORRUPT:
        return REJECTED_BAD_REQUEST;
    case RC_LIMIT:
        return REJECTED_OVER_LIMIT;
    case RC_UNAUTHORIZED:
        return REJECTED_NO_PROJECT;
    default:
        return REJECTED_UNAVAILABLE;
    }
}

void ingest_tell_refused(struct ingest_call *call, enum rc rc, const char *details)
{
    const struct rejected_sink *sink = sink_of(call->ingest);
    enum rejected_reason reason = reason_of(rc);
    const struct tenant_project *project = call->share_count ? call->shares[0].project : NULL;
    if (!sink->count)
        return;
    bool is_shortage = reason == REJECTED_UNAVAILABLE && call->result_count;
    sink->count(sink->ctx, project ? &project->id : NULL, call->dialect->source, reason,
                is_shortage ? call->result_count : 1);
    if (rejected_reason_is_sampled(reason))
        tell_whole(call, reason, REJECTED_LACKS_NOTHING, project, NULL,
                   project && call->key.len == 0, details);
}

/* As call_read() does it, for a project that may not be known. */
static void begin_client(struct ctx *ctx, struct ingest_call *call,
                         const struct tenant_project *project)
{
    static const struct tenant_project unknown = {.privacy = TENANT_PRIVACY_STANDARD};
    const struct tenant_project *p = project ? project : &unknown;
    bool is_visitor = ingest_is_from_browser(call);
    event_env_init(&call->env, &p->id, call->dialect->source, unix_now());
    if (is_visitor)
        call->env.default_user_agent = ctx->user_agent;
    call->client.geo = ingest_cfg_of(call->ingest)->geo;
    call->client.salts = ingest_cfg_of(call->ingest)->salts;
    ingest_client_begin(call, p, is_visitor);
}

void ingest_tell_request(struct ingest *in, struct api_request *req, const struct dialect *dialect,
                         const struct dialect_route *route, enum rejected_reason reason,
                         const struct tenant_project *project, const struct tenant_key *key,
                         const char *details)
{
    const struct rejected_sink *sink = sink_of(in);
    struct ctx *ctx = req->net->ctx;
    if (!sink->count)
        return;
    sink->count(sink->ctx, project ? &project->id : NULL, dialect->source, reason, 1);
    if (!rejected_reason_is_sampled(reason))
        return;
    struct ingest_call *call = ingest_call_new(ctx, in, req, dialect, route);
    bool is_packed = codec_sniff(call->body) != CODEC_PLAIN;
    call->space.plain.bytes_max = REJECTED_BODY_BYTES_MAX;
    begin_client(ctx, call, project);
    bool is_large = call->body.len > (is_packed ? PACKED_BYTES_MAX : REJECTED_BODY_BYTES_MAX);
    enum rc rc = is_large ? RC_LIMIT : ingest_unwrap(call, &call->err);
    if (rc != RC_OK)
        call->body = is_packed ? SLICE_EMPTY : req->net->body;
    enum rejected_lack lack = rc == RC_OK || !is_packed ? REJECTED_LACKS_NOTHING
                              : rc == RC_LIMIT          ? REJECTED_TOO_LARGE_TO_KEEP
                                                        : REJECTED_NO_TEXT;
    tell_whole(call, reason, lack, project, key,
               dialect->find_key == NULL || ingest_key_in_head(req).len, details);
    ingest_space_give(in, &call->space);
}

void ingest_on_refused(void *ctx, struct api_request *req, enum api_refusal why,
                       const struct tenant_project *project, const struct tenant_key *key)
{
    static const struct {
        enum rejected_reason reason;
        const char *details;
    } of[] = {
        [API_REFUSED_KEY] = {REJECTED_NO_PROJECT, "the key or name is nobody's"},
        [API_REFUSED_PERMISSION] = {REJECTED_NO_PERMISSION, "the key lacks events:write"},
        [API_REFUSED_ORIGIN] = {REJECTED_ORIGIN, "not from pages of this origin"},
        [API_REFUSED_RATE] = {REJECTED_RATE_LIMIT, "too many requests by this key"},
        [API_REFUSED_QUOTA] = {REJECTED_QUOTA, "the events of this month are used up"},
        [API_REFUSED_ADDRESS] = {REJECTED_RATE_LIMIT, NULL},
        [API_REFUSED_SIZE] = {REJECTED_OVER_LIMIT, NULL},
        [API_REFUSED_SLOWNESS] = {REJECTED_TOO_SLOW, NULL},
    };
    struct ingest *in = ctx;
    const struct dialect *dialect;
    const struct dialect_route *route;
    const struct rejected_sink *sink = sink_of(in);
    if (!sink->count)
        return;
    ingest_dialect_of(req, &dialect, &route);
    if (of[why].details) /* else there is no body */
        ingest_tell_request(in, req, dialect, route, of[why].reason, project, key, of[why].details);
    else
        sink->count(sink->ctx, NULL, dialect->source, of[why].reason, 1);
}

/* ---- again ---- */

static bool is_wanted_index(const struct ingest_again *a, uint32_t index)
{
    for (uint32_t i = 0; i < a->sample->event_count; i++) {
        const struct rejected_event *e = &a->sample->events[i];
        if ((e->index == index || e->index == REJECTED_WHOLE) &&
            (!a->has_reason || e->reason == a->reason))
            return true;
    }
    return false;
}

bool ingest_again_takes(struct ingest_call *call, struct event *e)
{
    const struct ingest_again *a = call->again;
    char sample[UUID_TEXT_LEN + 1], index[SLICE_U64_DIGITS];
    const struct tenant_project *project = call->shares[call->share].project;
    if (!is_wanted_index(a, call->result_count) || (a->only && project != a->only))
        return false;
    if (!e->is_client_id) {
        const struct slice parts[] = {SLICE_LIT("released/"),
                                      slice_of(uuid_format(&a->sample->id, sample), UUID_TEXT_LEN),
                                      SLICE_LIT("/"), slice_of_u64(call->result_count, index)};
        event_derive_id(e, &call->env, parts, COUNT_OF(parts));
        e->is_client_id = true;
    }
    return true;
}
