/* HOW   Everything goes from right to left, the finding of entries included. In Forwarded a comma
 *       can stand inside a quoted string, and read from the left, one quote that the client opens
 *       and never closes would swallow what the proxies add behind it. Read from the right, the
 *       first thing met is whole because a trusted proxy wrote it, and so is each further one that
 *       is looked at.
 *
 *       Backwards, a quote opens a string (its end), and the next quote that is not escaped closes
 *       it (its beginning): the beginning of a string follows a "=", never a backslash. No quoted
 *       string goes over the end of a line. */
#include "http/forwarded.h"

#include "base/attr.h"

/* ---- the entries of all lines of a field, the last one first ---- */

struct walk {
    const struct framing_header *headers;
    uint32_t left; /* headers[0 … left) are still to be looked at */
    struct slice name;
    bool has_quotes;
    bool has_line;
    struct slice line; /* what is left of the present one */
};

static struct walk walk_of(const struct framing_header *headers, uint32_t count, const char *name,
                           bool has_quotes)
{
    return (struct walk){
        .headers = headers, .left = count, .name = slice_str(name), .has_quotes = has_quotes};
}

/* Where the last entry begins: behind the last comma outside of a string. */
static size_t entry_start(struct slice line, bool has_quotes)
{
    bool is_inside = false;
    size_t at = line.len;
    for (; at > 0; at--) {
        char c = line.data[at - 1];
        if (c == ',' && !is_inside)
            break;
        if (c != '"' || !has_quotes)
            continue;
        size_t slashes = 0;
        while (is_inside && slashes < at - 1 && line.data[at - 2 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            is_inside = !is_inside;
    }
    return at;
}

static bool next_entry(struct walk *w, struct slice *ret)
{
    while (!w->has_line) {
        if (w->left == 0)
            return false;
        const struct framing_header *h = &w->headers[--w->left];
        if (!slice_eq_nocase(h->name, w->name))
            continue;
        w->line = h->value;
        w->has_line = true;
    }
    size_t start = entry_start(w->line, w->has_quotes);
    *ret = slice_trim(slice_sub(w->line, start));
    w->has_line = start > 0;
    w->line.len = start ? start - 1 : 0;
    return true;
}

/* ---- addresses ---- */

static bool is_port(struct slice text)
{
    uint64_t port;
    return text.len <= 5 && slice_to_u64(text, &port) && port <= UINT16_MAX;
}

/* RFC 7239 6.3: "_" and letters, digits, ".", "_", "-". */
static bool is_obfuscated(struct slice text)
{
    if (text.len < 2 || text.data[0] != '_')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i], lower = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '.' && c != '_' &&
            c != '-')
            return false;
    }
    return true;
}

/* [v6] or v4, with or without a port behind it. */
static bool cut_port(struct slice node, struct slice *ret_host, struct slice *ret_port)
{
    bool has_brackets = node.len && node.data[0] == '[';
    const char *end = node.len ? memchr(node.data, has_brackets ? ']' : ':', node.len) : NULL;
    if (has_brackets && !end)
        return false;
    size_t len = end ? (size_t)(end - node.data) : node.len;
    *ret_host = has_brackets ? slice_of(node.data + 1, len - 1) : slice_of(node.data, len);
    struct slice rest = slice_sub(node, has_brackets ? len + 1 : len);
    *ret_port = slice_sub(rest, 1);
    return rest.len == 0 || (rest.len > 1 && rest.data[0] == ':');
}

/* An IPv6 address stands in brackets, IPv4 does not. */
static bool node_address(struct slice node, struct ip *ret)
{
    struct slice host, port;
    if (!cut_port(node, &host, &port) || !ip_parse(host, ret))
        return false;
    bool is_v6_text = memchr(host.data, ':', host.len) != NULL;
    return is_v6_text == (node.data[0] == '[');
}

enum node { NODE_ADDRESS, NODE_HIDDEN, NODE_MALFORMED };

/* X-Forwarded-For has no grammar. Seen: v4, v6, and (AWS with client port preservation, Azure)
 * v4:port, [v6]:port, [v6]. */
static enum node x_node(struct slice entry, struct ip *ret)
{
    struct slice host, port;
    if (slice_eq_nocase(entry, SLICE_LIT("unknown"))) /* Squid's */
        return NODE_HIDDEN;
    if (entry.len > FORWARDED_ENTRY_BYTES_MAX)
        return NODE_MALFORMED;
    if (ip_parse(entry, ret))
        return NODE_ADDRESS;
    bool is_fine = cut_port(entry, &host, &port) && (port.len == 0 || is_port(port));
    return is_fine && node_address(entry, ret) ? NODE_ADDRESS : NODE_MALFORMED;
}

/* RFC 7239 6: node = nodename [ ":" node-port ], either of them perhaps obfuscated. */
static enum node rfc_node(struct slice value, struct ip *ret)
{
    struct slice host, port;
    if (!cut_port(value, &host, &port) || (port.len && !is_port(port) && !is_obfuscated(port)))
        return NODE_MALFORMED;
    if (slice_eq_nocase(host, SLICE_LIT("unknown")) || is_obfuscated(host))
        return NODE_HIDDEN;
    return node_address(value, ret) ? NODE_ADDRESS : NODE_MALFORMED;
}

/* ---- X-Forwarded-Proto ---- */

static bool is_scheme(struct slice text, bool *ret_is_https)
{
    bool is_https = slice_eq_nocase(text, SLICE_LIT("https"));
    if (!is_https && !slice_eq_nocase(text, SLICE_LIT("http")))
        return false;
    *ret_is_https = is_https;
    return true;
}

/* Most proxies replace the field or leave a trusted proxy's alone: one value. Where each appends
 * its own, the value at the client's place counts, as far from the right as the client is in
 * X-Forwarded-For. */
static void read_x_proto(const struct framing_header *headers, uint32_t count, uint32_t place,
                         bool *is_https)
{
    struct walk w = walk_of(headers, count, "x-forwarded-proto", false);
    struct slice entry, chosen = SLICE_EMPTY;
    for (uint32_t i = 0; i <= place && next_entry(&w, &entry); i++)
        chosen = entry;
    IGNORE(is_scheme(chosen, is_https), "absent or unreadable: what was known before stands");
}

/* ---- an element of Forwarded (RFC 7239 4) ---- */

struct element {
    struct slice for_node, proto, host; /* empty = absent */
};

/* Escapes are passed over, not taken out: what has one is no address, no scheme and no host. */
static bool take_quoted(struct slice *rest, struct slice *ret)
{
    size_t end = 1;
    while (end < rest->len && rest->data[end] != '"')
        end += rest->data[end] == '\\' ? 2 : 1;
    if (end >= rest->len)
        return false;
    *ret = slice_of(rest->data + 1, end - 1);
    *rest = slice_sub(*rest, end + 1);
    return true;
}

static bool take_token(struct slice *rest, struct slice *ret)
{
    size_t len = 0;
    while (len < rest->len && !strchr("; \t=", rest->data[len]))
        len++;
    *ret = slice_of(rest->data, len);
    *rest = slice_sub(*rest, len);
    return framing_is_token(*ret);
}

/* token "=" ( token / quoted-string ) */
static bool take_pair(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    if (!take_token(rest, ret_name) || rest->len == 0 || rest->data[0] != '=')
        return false;
    *rest = slice_sub(*rest, 1);
    bool is_quoted = rest->len && rest->data[0] == '"';
    return is_quoted ? take_quoted(rest, ret_value) : take_token(rest, ret_value);
}

static bool keep_pair(struct element *e, struct slice name, struct slice value)
{
    const struct {
        struct slice name;
        struct slice *value;
    } known[] = {
        {SLICE_LIT("for"), &e->for_node},
        {SLICE_LIT("proto"), &e->proto},
        {SLICE_LIT("host"), &e->host},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (!slice_eq_nocase(name, known[i].name))
            continue;
        if (known[i].value->len) /* "MUST NOT occur more than once per field-value" */
            return false;
        *known[i].value = value;
    }
    return true;
}

/* Pairs with ";" between them; an empty one is allowed, and so is space around ";", which the
 * grammar does not have and people write. */
static bool parse_element(struct slice text, struct element *ret)
{
    *ret = (struct element){SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    if (text.len > FORWARDED_ENTRY_BYTES_MAX)
        return false;
    while ((text = slice_trim(text)).len) {
        struct slice name, value;
        if (text.data[0] != ';') {
            if (!take_pair(&text, &name, &value) || !keep_pair(ret, name, value))
                return false;
            text = slice_trim(text);
            if (text.len && text.data[0] != ';')
                return false;
        }
        text = slice_sub(text, 1);
    }
    return true;
}

/* ---- the walk ---- */

static enum node read_entry(enum forwarded_field field, struct slice entry, struct forwarded *f,
                            struct ip *ret)
{
    struct element e;
    if (field == FORWARDED_X)
        return x_node(entry, ret);
    if (!parse_element(entry, &e))
        return NODE_MALFORMED;
    IGNORE(is_scheme(e.proto, &f->is_https), "absent or another: the inner proxy's word stands");
    if (framing_is_host(e.host))
        f->host = e.host;
    return e.for_node.len ? rfc_node(e.for_node, ret) : NODE_HIDDEN;
}

static enum forwarded_end walk(const struct forwarded_cfg *cfg, struct walk *w, struct forwarded *f)
{
    static const enum forwarded_end ends[] = {
        [NODE_HIDDEN] = FORWARDED_END_HIDDEN,
        [NODE_MALFORMED] = FORWARDED_END_MALFORMED,
    };
    struct slice entry;
    while (next_entry(w, &entry)) {
        struct ip address;
        if (f->hops == FORWARDED_HOPS_MAX)
            return FORWARDED_END_HOPS;
        enum node node = read_entry(cfg->field, entry, f, &address);
        if (node != NODE_ADDRESS)
            return ends[node];
        f->client = address;
        f->hops++;
        if (!cidr_set_has(&cfg->trusted, address))
            return FORWARDED_END_CLIENT;
    }
    return FORWARDED_END_TRUSTED;
}

void forwarded_resolve(const struct forwarded_cfg *cfg, struct ip peer, bool is_tls,
                       const struct framing_header *headers, uint32_t header_count,
                       struct forwarded *ret)
{
    struct forwarded f = {.client = peer, .is_https = is_tls, .host = SLICE_EMPTY};
    bool is_x = cfg->field == FORWARDED_X;
    struct walk w = walk_of(headers, header_count, is_x ? "x-forwarded-for" : "forwarded", !is_x);
    if (cidr_set_has(&cfg->trusted, peer)) {
        f.end = walk(cfg, &w, &f);
        bool is_refused = f.end != FORWARDED_END_CLIENT && f.end != FORWARDED_END_TRUSTED;
        uint32_t written = f.hops + is_refused; /* entries that trusted proxies wrote */
        if (is_x)
            read_x_proto(headers, header_count, written ? written - 1 : 0, &f.is_https);
    }
    *ret = f;
}

const char *forwarded_end_name(enum forwarded_end end)
{
    static const char *const names[] = {
        [FORWARDED_END_PEER] = "peer",           [FORWARDED_END_CLIENT] = "client",
        [FORWARDED_END_TRUSTED] = "trusted",     [FORWARDED_END_HIDDEN] = "hidden",
        [FORWARDED_END_MALFORMED] = "malformed", [FORWARDED_END_HOPS] = "hops",
    };
    return names[end];
}
