/* WHAT  A file that was compressed at build time, in the coding that the client takes. */
#include <string.h>

#include "codec/hash.h"
#include "http/accept.h"
#include "web/web_int.h"

static const char *const coding_names[WEB_CODINGS] = {
    [WEB_BROTLI] = "br", [WEB_GZIP] = "gzip", [WEB_PLAIN] = NULL};

static void etag_of(struct slice bytes, char ret[WEB_ETAG_DIGITS + 3])
{
    uint8_t hash[SHA256_BYTES];
    sha256(bytes, hash);
    ret[0] = '"';
    slice_hex(hash, WEB_ETAG_DIGITS / 2, ret + 1);
    ret[WEB_ETAG_DIGITS + 1] = '"';
    ret[WEB_ETAG_DIGITS + 2] = '\0';
}

struct web_bodies web_bodies_of(const struct web_body of[WEB_CODINGS])
{
    struct web_bodies bodies;
    for (unsigned i = 0; i < WEB_CODINGS; i++)
        bodies.of[i] = slice_of((const char *)of[i].bytes, of[i].len);
    return bodies;
}

void web_served_init(struct web_served *s, const char *type, struct web_bodies bodies)
{
    *s = (struct web_served){.type = type, .bodies = bodies};
    for (unsigned i = 0; i < WEB_CODINGS; i++)
        etag_of(bodies.of[i], s->etags[i]);
}

/* If-None-Match is a list; a proxy may have made the validator weak. */
static bool names_etag(struct slice list, const char *etag)
{
    while (list.len) {
        struct slice one = slice_trim(slice_cut(&list, ','));
        if (slice_has_prefix(one, SLICE_LIT("W/")))
            one = slice_sub(one, 2);
        if (slice_eq_str(one, etag) || slice_eq_str(one, "*"))
            return true;
    }
    return false;
}

void web_answer(struct api_request *req, const struct web_served *s, const struct web_head *head)
{
    struct slice accept = net_header_get(req->net, "Accept-Encoding");
    unsigned coding = 0;
    while (coding != WEB_PLAIN &&
           (!s->bodies.of[coding].len || !accept_takes_coding(accept, coding_names[coding])))
        coding++;
    struct net_header headers[WEB_HEADERS_MAX + 5];
    uint32_t n = 0;
    headers[n++] = (struct net_header){SLICE_LIT("ETag"), slice_str(s->etags[coding])};
    headers[n++] = (struct net_header){SLICE_LIT("Cache-Control"), head->cache};
    headers[n++] = (struct net_header){SLICE_LIT("Vary"), SLICE_LIT("Accept-Encoding")};
    headers[n++] = (struct net_header){SLICE_LIT("X-Content-Type-Options"), SLICE_LIT("nosniff")};
    if (coding != WEB_PLAIN)
        headers[n++] =
            (struct net_header){SLICE_LIT("Content-Encoding"), slice_str(coding_names[coding])};
    for (uint32_t i = 0; i < head->more_count; i++)
        headers[n++] = head->more[i];
    bool is_known = names_etag(net_header_get(req->net, "If-None-Match"), s->etags[coding]);
    api_answer(req, is_known ? 304 : 200, s->type, s->bodies.of[coding], headers, n);
}
