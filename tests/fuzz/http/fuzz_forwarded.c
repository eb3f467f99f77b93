/* Whatever a client sends, through a proxy that appends its address the client is that address, and
 * scheme and host are what the proxy says. Without one, the peer. The answer of any walk is the
 * peer or an address that stands in the field.
 *
 * Input: a byte (1: Forwarded, 2: a line of its own for what the proxy adds, 4: the raw headers
 * only), then the client's lines. */
#include "base/buf.h"
#include "base/must.h"
#include "http/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 16, ROOM = 8192 };
static const struct ip proxy = IP_V4(10, 0, 0, 5), client = IP_V4(203, 0, 113, 7);

/* What a head can hold at all (http/framing.h). */
static bool is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static uint32_t take_lines(struct slice rest, struct slice name, struct framing_header *headers)
{
    uint32_t n = 0;
    while (rest.len && n < LINES_MAX - 1) {
        struct slice line = slice_trim(slice_cut(&rest, '\n'));
        if (is_field_value(line))
            headers[n++] = (struct framing_header){name, line};
    }
    return n;
}

static uint32_t append(struct framing_header *headers, uint32_t count, struct slice name,
                       bool is_own_line, const char *entry, struct buf *room)
{
    buf_clear(room);
    if (count && !is_own_line) {
        buf_add_slice(room, headers[--count].value);
        buf_add_str(room, ", ");
    }
    buf_add_str(room, entry);
    must(buf_ok(room));
    headers[count++] = (struct framing_header){name, buf_slice(room)};
    return count;
}

static bool stands_in(struct ip address, const struct framing_header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *at = headers[i].value.data, *end = at + headers[i].value.len;
        for (; at < end; at++) { /* any piece of the text that is this address */
            size_t len_max =
                (size_t)(end - at) < IP_TEXT_BYTES ? (size_t)(end - at) : IP_TEXT_BYTES;
            for (size_t len = 1; len <= len_max; len++) {
                struct ip found;
                if (ip_parse(slice_of(at, len), &found) && ip_eq(found, address))
                    return true;
            }
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cidr_set trusted;
    static struct buf room;
    if (!room.bytes_max) {
        buf_init(&room, ROOM);
        must(cidr_set_parse(SLICE_LIT("10.0.0.0/8, loopback"), &trusted, NULL) == RC_OK);
    }
    if (size == 0 || size > ROOM / 2)
        return 0;
    bool is_rfc = data[0] & 1, is_own_line = data[0] & 2, is_raw = data[0] & 4;
    struct forwarded_cfg cfg = {trusted, is_rfc ? FORWARDED_RFC7239 : FORWARDED_X};
    struct slice name = is_rfc ? SLICE_LIT("Forwarded") : SLICE_LIT("X-Forwarded-For");
    struct framing_header headers[LINES_MAX];
    struct forwarded f;
    uint32_t count = take_lines(slice_of((const char *)data + 1, size - 1), name, headers);

    forwarded_resolve(&cfg, client, true, headers, count, &f);
    must(f.end == FORWARDED_END_PEER && ip_eq(f.client, client) && f.is_https && f.host.len == 0);
    if (is_raw) {
        forwarded_resolve(&cfg, proxy, false, headers, count, &f);
        must(f.hops <= FORWARDED_HOPS_MAX);
        must(f.hops ? stands_in(f.client, headers, count) : ip_eq(f.client, proxy));
        must((f.end == FORWARDED_END_CLIENT) == !cidr_set_has(&trusted, f.client));
        must(f.host.len == 0 || framing_is_host(f.host));
        return 0;
    }
    count = append(
        headers, count, name, is_own_line,
        is_rfc ? "for=203.0.113.7;proto=https;host=\"shop.example:8443\"" : "203.0.113.7", &room);
    forwarded_resolve(&cfg, proxy, false, headers, count, &f);
    must(f.end == FORWARDED_END_CLIENT && ip_eq(f.client, client) && f.hops == 1);
    must(f.is_https == is_rfc);
    must(slice_eq_str(f.host, is_rfc ? "shop.example:8443" : ""));
    return 0;
}
