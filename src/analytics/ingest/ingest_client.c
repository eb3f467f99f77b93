/* WHAT     What is made of an address before it is forgotten: place, network and device of an event
 *          (event_client). docs/definitions.md says what each is, and what less a privacy mode and
 *          Sec-GPC or DNT leave of it.
 * WHY      here: a record must not hold the address, so that neither stream nor archive do, and a
 *          replay cannot make good what is not settled now. All else is left raw for the projector.
 * THREADS  begin on the loop, and again where events turn to another project; settle where the
 *          body is read. Neither blocks. */
#include "analytics/ingest/ingest_int.h"

#include "analytics/rejected/rejected_mask.h"

enum { HEAD_GPC, HEAD_DNT, HEAD_ORIGIN, HEAD_HINTS, HEADS = HEAD_HINTS + HINT_COUNT };
static const struct slice head_names[HEADS] = {
    [HEAD_GPC] = SLICE_CONST("Sec-GPC"),
    [HEAD_DNT] = SLICE_CONST("DNT"),
    [HEAD_ORIGIN] = SLICE_CONST("Origin"),
    [HEAD_HINTS + HINT_BRANDS] = SLICE_CONST("Sec-CH-UA"),
    [HEAD_HINTS + HINT_PLATFORM] = SLICE_CONST("Sec-CH-UA-Platform"),
    [HEAD_HINTS + HINT_PLATFORM_VERSION] = SLICE_CONST("Sec-CH-UA-Platform-Version"),
    [HEAD_HINTS + HINT_MODEL] = SLICE_CONST("Sec-CH-UA-Model"),
    [HEAD_HINTS + HINT_MOBILE] = SLICE_CONST("Sec-CH-UA-Mobile"),
};

/* One pass: no two of the names are of one length. */
static void read_head(const struct net_request *net, struct slice ret[HEADS])
{
    for (unsigned i = 0; i < HEADS; i++)
        ret[i] = SLICE_EMPTY;
    for (uint32_t h = 0; h < net->header_count; h++)
        for (unsigned i = 0; i < HEADS; i++)
            if (net->headers[h].name.len == head_names[i].len) {
                if (!ret[i].len && slice_eq_nocase(net->headers[h].name, head_names[i]))
                    ret[i] = net->headers[h].value;
                break;
            }
}

/* ---- the site ---- */

static bool ends_host(char c)
{
    return c == '/' || c == '?' || c == '#' || c == '\\';
}

/* Host of a URL or an origin, without user, port and the final dot; empty if it has none. */
static struct slice host_of(struct slice url)
{
    const char *scheme = url.len ? memmem(url.data, url.len, "//", 2) : NULL;
    if (!scheme || (scheme != url.data && scheme[-1] != ':'))
        return SLICE_EMPTY;
    struct slice rest = slice_sub(url, (size_t)(scheme - url.data) + 2);
    size_t end = 0;
    while (end < rest.len && !ends_host(rest.data[end]))
        end++;
    struct slice host = slice_of(rest.data, end);
    const char *at = host.len ? memrchr(host.data, '@', host.len) : NULL;
    if (at)
        host = slice_sub(host, (size_t)(at - host.data) + 1);
    if (host.len && host.data[0] == '[')
        return slice_cut(&host, ']');
    host = slice_cut(&host, ':');
    while (host.len && host.data[host.len - 1] == '.')
        host.len--;
    return host;
}

static struct slice without_www(struct slice host)
{
    return slice_has_prefix(host, SLICE_LIT("www.")) ? slice_sub(host, 4) : host;
}

static bool is_below(struct slice host, struct slice domain)
{
    if (!domain.len || host.len < domain.len)
        return false;
    size_t rest = host.len - domain.len;
    return slice_eq(slice_sub(host, rest), domain) && (rest == 0 || host.data[rest - 1] == '.');
}

/* What a visitor is one device on: the project's domain that the host is below, else the host. */
static struct slice site_of(struct slice host, struct slice domains,
                            char space[VISITOR_SITE_BYTES_MAX])
{
    if (host.len > VISITOR_SITE_BYTES_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        space[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    struct slice site = without_www(slice_of(space, host.len));
    while (domains.len) {
        struct slice domain = without_www(slice_cut(&domains, '\n'));
        if (is_below(site, domain))
            return slice_sub(site, site.len - domain.len);
    }
    return site;
}

/* ---- the place ---- */

static void set_place(const struct ingest_client *c, struct ip address, struct geo_place *place,
                      struct event_client *to)
{
    if (!c->geo)
        return;
    struct geo_view *view = geo_view_take(c->geo);
    geo_look(view, address, place);
    geo_view_give(view);
    to->country = slice_str(place->country);
    to->network = slice_str(geo_network_name(place->network));
    if (c->is_limited)
        return;
    to->region = slice_str(place->region);
    to->city = slice_str(place->city);
}

static uint64_t device_of(const struct ingest_call *call, struct ip address, struct slice site,
                          struct slice user_agent)
{
    const struct ingest_client *c = &call->client;
    if (!c->salts || c->is_limited || (address.high | address.low) == 0)
        return 0;
    const struct visitor visitor = {
        .project = call->env.project, .site = site, .address = address, .user_agent = user_agent};
    return visitor_device(c->salts, &visitor, call->env.received_at);
}

/* ---- */

/* What was settled when it came, as far as this project lets it be kept. */
static void begin_again(struct ingest_call *call)
{
    struct ingest_client *c = &call->client;
    struct event_client *to = &call->env.client;
    *to = call->again->sample->client;
    if (c->privacy == TENANT_PRIVACY_RELAXED)
        to->privacy = SLICE_EMPTY;
    c->is_limited |= to->privacy.len > 0;
    if (!c->is_limited)
        return;
    to->device = 0;
    to->region = to->city = SLICE_EMPTY;
    to->hints[HINT_MODEL] = to->hints[HINT_PLATFORM_VERSION] = SLICE_EMPTY;
}

void ingest_client_begin(struct ingest_call *call, const struct tenant_project *project,
                         bool is_visitor)
{
    struct ingest_client *c = &call->client;
    struct event_client *to = &call->env.client;
    struct slice head[HEADS];
    *to = (struct event_client){.device = 0}; /* another project may have been told before */
    c->has_site = false;
    c->privacy = project->privacy;
    c->domains = project->domains;
    c->is_visitor = is_visitor;
    c->is_limited = c->privacy == TENANT_PRIVACY_STRICT;
    if (!is_visitor)
        return; /* what stands in its head is about a server */
    if (call->again) {
        begin_again(call);
        return;
    }
    c->address = call->req->client;
    read_head(call->req->net, head);
    c->origin = head[HEAD_ORIGIN];
    if (c->privacy != TENANT_PRIVACY_RELAXED) {
        if (slice_eq_str(head[HEAD_GPC], "1"))
            to->privacy = SLICE_LIT("gpc");
        else if (slice_eq_str(head[HEAD_DNT], "1"))
            to->privacy = SLICE_LIT("dnt");
        c->is_limited |= to->privacy.len > 0;
    }
    for (unsigned i = 0; i < HINT_COUNT; i++)
        to->hints[i] = head[HEAD_HINTS + i];
    if (c->is_limited) /* what tells a machine apart from others of its kind */
        to->hints[HINT_MODEL] = to->hints[HINT_PLATFORM_VERSION] = SLICE_EMPTY;
    set_place(c, c->address, &c->place, to);
}

static void settle_visitor(struct ingest_call *call, const struct event *e)
{
    struct ingest_client *c = &call->client;
    char space[VISITOR_SITE_BYTES_MAX];
    if (call->again)
        return;
    struct slice host = host_of(e->url);
    if (!host.len)
        host = host_of(c->origin);
    struct slice site = site_of(host, c->domains, space);
    if (c->has_site && slice_eq(site, slice_of(c->site, c->site_len)))
        return;
    if (site.len)
        memcpy(c->site, site.data, site.len);
    c->site_len = site.len;
    c->has_site = true;
    call->env.client.device = device_of(call, c->address, site, call->env.default_user_agent);
}

void ingest_client_settle_request(struct ingest_call *call)
{
    const struct event none = {.url = SLICE_EMPTY};
    if (call->client.is_visitor && !call->client.has_site)
        settle_visitor(call, &none);
}

/* What the place was when the request came, of an address that is masked by now. The device is
 * gone with it. */
static void look_again(const struct ingest_call *call, struct ip masked, struct event_client *to)
{
    const struct rejected_sample *s = call->again->sample;
    uint32_t number = rejected_place_of(masked);
    if (!number || number > s->place_count)
        return;
    const struct rejected_place *p = &s->places[number - 1];
    to->country = p->country;
    to->network = p->network;
    to->region = p->region;
    to->city = p->city;
}

/* Of the address that came with the event, if one did; nothing of the server that sent it. */
static void settle_spoken_for(struct ingest_call *call, struct event *e)
{
    struct ingest_client *c = &call->client;
    char space[VISITOR_SITE_BYTES_MAX];
    if (!e->has_address)
        return;
    struct event_client found = {.device = 0};
    if (call->again)
        look_again(call, e->address, &found);
    else
        set_place(c, e->address, &c->event_place, &found);
    if (!c->event_client.country.len) {
        c->event_client.country = found.country;
        c->event_client.region = found.region;
        c->event_client.city = found.city;
    }
    c->event_client.network = found.network;
    if (e->user_agent.len && !call->again) /* an address alone may be a whole town */
        c->event_client.device =
            device_of(call, e->address, site_of(host_of(e->url), c->domains, space), e->user_agent);
}

void ingest_client_settle(struct ingest_call *call, struct event *e)
{
    struct ingest_client *c = &call->client;
    bool is_own = c->is_visitor && !e->is_spoken_for, is_told = e->client != &call->env.client;
    if (is_own)
        settle_visitor(call, e);
    if (is_own && !is_told)
        return;
    c->event_client = is_told ? *e->client : (struct event_client){.device = 0};
    if (is_own)
        c->event_client.device = call->env.client.device;
    else
        settle_spoken_for(call, e);
    if (c->is_limited)
        c->event_client.region = c->event_client.city = SLICE_EMPTY;
    e->client = &c->event_client;
}
