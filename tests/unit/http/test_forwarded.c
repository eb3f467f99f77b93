/* Who the client is: as each known proxy writes it, and as one who wants to be another would. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/buf.h"
#include "http/forwarded.h"

enum { LINES_MAX = 6 };
struct scene {
    const char *what, *trusted, *peer;
    const char *lines[LINES_MAX]; /* "Name: value", in order */
    const char *told;             /* client, why the walk ended, scheme, host if there is one */
};

static uint32_t split_lines(const char *const lines[LINES_MAX], struct framing_header *headers)
{
    uint32_t n = 0;
    for (; n < LINES_MAX && lines[n]; n++) {
        struct slice rest = slice_str(lines[n]);
        headers[n].name = slice_cut(&rest, ':');
        headers[n].value = slice_trim(rest);
    }
    return n;
}

static void play(const struct scene *s, enum forwarded_field field)
{
    struct forwarded_cfg cfg = {.field = field};
    struct framing_header headers[LINES_MAX];
    struct forwarded f;
    struct ip peer;
    char client[IP_TEXT_BYTES], told[400];
    assert_int_equal(cidr_set_parse(slice_str(s->trusted), &cfg.trusted, NULL), RC_OK);
    assert_true(ip_parse(slice_str(s->peer), &peer));
    forwarded_resolve(&cfg, peer, false, headers, split_lines(s->lines, headers), &f);
    snprintf(told, sizeof(told), "%s %s %s%s%.*s", ip_format(f.client, client),
             forwarded_end_name(f.end), f.is_https ? "https" : "http", f.host.len ? " " : "",
             SLICE_ARG(f.host));
    if (strcmp(told, s->told) != 0)
        fail_msg("%s: %s, not %s", s->what, told, s->told);
    cidr_set_done(&cfg.trusted);
}

static void play_all(const struct scene *scenes, size_t count, enum forwarded_field field)
{
    for (size_t i = 0; i < count; i++)
        play(&scenes[i], field);
}

static void the_known_proxies_are_understood(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"no proxy: the peer", "", "203.0.113.7", {NULL}, "203.0.113.7 peer http"},
        {"nginx, $proxy_add_x_forwarded_for and $scheme",
         "loopback",
         "127.0.0.1",
         {"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"},
         "203.0.113.7 client https"},
        {"nginx in front of nginx, each adds",
         "127.0.0.1, 10.0.0.0/8",
         "127.0.0.1",
         {"X-Forwarded-For: 203.0.113.7, 10.0.0.5", "X-Forwarded-Proto: https"},
         "203.0.113.7 client https"},
        {"Caddy: replaces what an unknown peer sent",
         "loopback",
         "::1",
         {"X-Forwarded-For: 2001:db8::17", "X-Forwarded-Host: shop.example",
          "X-Forwarded-Proto: https"},
         "2001:db8::17 client https"},
        {"Traefik in a container network, with X-Real-Ip and its own name",
         "172.16.0.0/12",
         "172.18.0.2",
         {"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Host: shop.example", "X-Forwarded-Port: 443",
          "X-Forwarded-Proto: https", "X-Forwarded-Server: 5a1c", "X-Real-Ip: 203.0.113.7"},
         "203.0.113.7 client https"},
        {"AWS ALB appends",
         "10.0.0.0/16",
         "10.0.3.4",
         {"X-Forwarded-For: 198.51.100.99, 203.0.113.7", "X-Forwarded-Proto: https",
          "X-Forwarded-Port: 443"},
         "203.0.113.7 client https"},
        {"AWS ALB with client port preservation",
         "10.0.0.0/16",
         "10.0.3.4",
         {"X-Forwarded-For: 203.0.113.7:51234", "X-Forwarded-Proto: http"},
         "203.0.113.7 client http"},
        {"the same over IPv6",
         "10.0.0.0/16",
         "10.0.3.4",
         {"X-Forwarded-For: [2001:db8:85a3::7348]:8080", "X-Forwarded-Proto: https"},
         "2001:db8:85a3::7348 client https"},
        {"Cloudflare, then nginx here",
         "loopback, 173.245.48.0/20",
         "127.0.0.1",
         {"CF-Connecting-IP: 203.0.113.7", "X-Forwarded-For: 203.0.113.7, 173.245.48.9",
          "X-Forwarded-Proto: https"},
         "203.0.113.7 client https"},
        {"a dual-stack socket: the proxy's address arrives mapped",
         "10.0.0.0/8",
         "::ffff:10.0.0.5",
         {"X-Forwarded-For: ::ffff:203.0.113.7"},
         "203.0.113.7 client http"},
        {"two lines are one list",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1, 203.0.113.7", "Accept: */*", "x-forwarded-for: 10.0.0.9"},
         "203.0.113.7 client http"},
        {"a health check of the balancer itself",
         "10.0.0.0/8",
         "10.0.0.5",
         {NULL},
         "10.0.0.5 trusted http"},
        {"a client within the trusted ranges",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 10.7.7.7"},
         "10.7.7.7 trusted http"},
        {"each proxy appends its scheme: that of the client's connection counts",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 203.0.113.7, 10.0.0.9", "X-Forwarded-Proto: https, http"},
         "203.0.113.7 client https"},
        {"the inner proxy speaks of itself alone: then its word holds",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 203.0.113.7, 10.0.0.9", "X-Forwarded-Proto: http"},
         "203.0.113.7 client http"},
        {"Squid hides the client",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: unknown"},
         "10.0.0.5 hidden http"},
    };
    play_all(scenes, COUNT_OF(scenes), FORWARDED_X);
}

static void a_forged_x_forwarded_for_gains_nothing(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"without a proxy",
         "loopback",
         "203.0.113.7",
         {"X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https"},
         "203.0.113.7 peer http"},
        {"through a proxy that appends",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1, 203.0.113.7"},
         "203.0.113.7 client http"},
        {"with a trusted proxy's address in front",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1, 10.0.0.9, 203.0.113.7"},
         "203.0.113.7 client http"},
        {"through one that replaces",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 203.0.113.7"},
         "203.0.113.7 client http"},
        {"in a line of its own, before the proxy's",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"},
         "203.0.113.7 client http"},
        {"garbage before the proxy's entry",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: \"<script>, 1.2.3.4\\\", 203.0.113.7"},
         "203.0.113.7 client http"},
        {"the other field, alone",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=198.51.100.1;proto=https;host=evil.example"},
         "10.0.0.5 trusted http"},
        {"the other field, beside",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=198.51.100.1;proto=https;host=evil.example",
          "X-Forwarded-For: 203.0.113.7"},
         "203.0.113.7 client http"},
        {"fields of other products",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Real-IP: 198.51.100.1", "CF-Connecting-IP: 198.51.100.1",
          "True-Client-IP: 198.51.100.1", "X-Forwarded-Host: evil.example",
          "X-Forwarded-For: 203.0.113.7"},
         "203.0.113.7 client http"},
        {"a scheme before the proxy's",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-Proto: https, http"},
         "203.0.113.7 client http"},
        {"the same in a line of its own",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http"},
         "203.0.113.7 client http"},
        {"a wide range of IPv6 that is trusted is no trust in IPv4",
         "::/0",
         "203.0.113.7",
         {"X-Forwarded-For: 198.51.100.1"},
         "203.0.113.7 peer http"},
    };
    play_all(scenes, COUNT_OF(scenes), FORWARDED_X);
}

static void a_malformed_entry_ends_the_walk_at_the_last_good_one(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "",          "1.2.3",       "1.2.3.4.5",       "1.2.3.4:",     "1.2.3.4:99999",
        "1.2.3.4:x", "[1.2.3.4]",   "[2001:db8::1",    "2001:db8::1]", "[2001:db8::1]8080",
        "[]",        "\"1.2.3.4\"", "1.2.3.4 5.6.7.8", "_hidden",      "unix:",
        "localhost", "for=1.2.3.4", "1.2.3.4;",        "0x7f.1",       "fe80::1%eth0",
    };
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        char bare[128], behind[128];
        snprintf(bare, sizeof(bare), "X-Forwarded-For: 198.51.100.1, %s", entries[i]);
        snprintf(behind, sizeof(behind), "X-Forwarded-For: 198.51.100.1, %s, 10.0.0.9", entries[i]);
        struct scene s = {entries[i], "10.0.0.0/8", "10.0.0.5", {bare}, "10.0.0.5 malformed http"};
        play(&s, FORWARDED_X);
        s.lines[0] = behind;
        s.told = "10.0.0.9 malformed http";
        play(&s, FORWARDED_X);
    }
}

static void forwarded_is_understood(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"RFC 7239 4, the examples: a port is no part of the address",
         "loopback",
         "127.0.0.1",
         {"Forwarded: For=\"[2001:db8:cafe::17]:4711\""},
         "2001:db8:cafe::17 client http"},
        {"parameters",
         "loopback",
         "127.0.0.1",
         {"Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43;host=shop.example"},
         "192.0.2.60 client https shop.example"},
        {"several elements",
         "loopback",
         "127.0.0.1",
         {"Forwarded: for=192.0.2.43, for=198.51.100.17"},
         "198.51.100.17 client http"},
        {"several lines are one list",
         "127.0.0.1, 198.51.100.17",
         "127.0.0.1",
         {"Forwarded: for=192.0.2.43", "Forwarded: for=198.51.100.17;proto=http"},
         "192.0.2.43 client http"},
        {"the outermost trusted proxy tells scheme and host",
         "127.0.0.1, 10.0.0.0/8",
         "127.0.0.1",
         {"Forwarded: for=203.0.113.7;proto=https;host=shop.example, "
          "for=10.0.0.9;proto=http;host=inner"},
         "203.0.113.7 client https shop.example"},
        {"what it does not tell, the inner one does",
         "127.0.0.1, 10.0.0.0/8",
         "127.0.0.1",
         {"Forwarded: for=203.0.113.7, for=10.0.0.9;proto=https;host=inner"},
         "203.0.113.7 client https inner"},
        {"quoted where it need not be, spaces, an empty pair, case",
         "loopback",
         "127.0.0.1",
         {"FORWARDED:   FOR=\"203.0.113.7:8080\" ; ;PROTO=\"HTTPS\"; Host=\"shop.example:8443\" ;"},
         "203.0.113.7 client https shop.example:8443"},
        {"an extension with commas, semicolons and escapes in quotes",
         "127.0.0.1, 10.0.0.0/8",
         "127.0.0.1",
         {"Forwarded: for=203.0.113.7, for=10.0.0.9;x=\"a, \\\", for=198.51.100.1; for=2\\\\\""},
         "203.0.113.7 client http"},
        {"an obfuscated client: its proxy stands for it",
         "127.0.0.1, 10.0.0.0/8",
         "127.0.0.1",
         {"Forwarded: for=_mdn;proto=https, for=10.0.0.9"},
         "10.0.0.9 hidden https"},
        {"an obfuscated port",
         "loopback",
         "127.0.0.1",
         {"Forwarded: for=\"203.0.113.7:_gazonk\""},
         "203.0.113.7 client http"},
        {"unknown, with a port",
         "loopback",
         "127.0.0.1",
         {"Forwarded: for=\"unknown:80\""},
         "127.0.0.1 hidden http"},
        {"an element that names nobody",
         "loopback",
         "127.0.0.1",
         {"Forwarded: proto=https"},
         "127.0.0.1 hidden https"},
        {"a host that is none is not taken",
         "loopback",
         "127.0.0.1",
         {"Forwarded: for=203.0.113.7;host=\"a/b@c\""},
         "203.0.113.7 client http"},
    };
    play_all(scenes, COUNT_OF(scenes), FORWARDED_RFC7239);
}

static void a_forged_forwarded_gains_nothing(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"through a proxy that appends",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=198.51.100.1;proto=https;host=evil.example, for=203.0.113.7"},
         "203.0.113.7 client http"},
        {"a quote that is never closed",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=\"198.51.100.1, for=203.0.113.7;proto=http"},
         "203.0.113.7 client http"},
        {"the same, before an element with quotes of its own",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=\", for=\"[2001:db8::17]:443\";proto=https"},
         "2001:db8::17 client https"},
        {"a backslash at the end, to take the proxy's quote away",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=\"a\\, for=\"[2001:db8::17]\""},
         "2001:db8::17 client http"},
        {"commas in quotes, so that a careless split sees a trusted proxy",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=\"198.51.100.1, for=10.0.0.9\", for=203.0.113.7"},
         "203.0.113.7 client http"},
        {"a quote over the end of a line",
         "10.0.0.0/8",
         "10.0.0.5",
         {"Forwarded: for=\"198.51.100.1", "Forwarded: for=203.0.113.7"},
         "203.0.113.7 client http"},
        {"the other field, alone",
         "10.0.0.0/8",
         "10.0.0.5",
         {"X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: https"},
         "10.0.0.5 trusted http"},
        {"from a peer that is not trusted",
         "10.0.0.0/8",
         "203.0.113.7",
         {"Forwarded: for=198.51.100.1;proto=https;host=evil.example"},
         "203.0.113.7 peer http"},
    };
    play_all(scenes, COUNT_OF(scenes), FORWARDED_RFC7239);
}

static void a_malformed_element_ends_the_walk_and_is_not_believed(void **state)
{
    (void)state;
    static const char *const elements[] = {
        "1.2.3.4",
        "for",
        "for=",
        "=1.2.3.4",
        "for=1.2.3.4;for=5.6.7.8",
        "for=1.2.3.4;proto=https;proto=http",
        "for=1.2.3.4:80",
        "for=2001:db8::1",
        "for=[2001:db8::1]",
        "for=\"2001:db8::1\"",
        "for=\"[1.2.3.4]\"",
        "for=\"1.2.3.4",
        "for=1.2.3.4\"",
        "for=\"1.2.3.4\"x",
        "for=\"1.2.3.4:\"",
        "for=\"1.2.3.4:999999\"",
        "for=\"1.2.3.4:_\"",
        "for=\"1.2\\.3.4\"",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        "for=1.2.3.4 5",
        "for=_",
    };
    for (size_t i = 0; i < COUNT_OF(elements); i++) {
        char line[128];
        snprintf(line, sizeof(line), "Forwarded: for=198.51.100.1, %s, for=10.0.0.9", elements[i]);
        struct scene s = {elements[i], "10.0.0.0/8", "10.0.0.5", {line}, "10.0.0.9 malformed http"};
        play(&s, FORWARDED_RFC7239);
    }
}

static void hops_and_lengths_are_bounded(void **state)
{
    (void)state;
    struct buf value;
    struct cidr_set trusted;
    assert_int_equal(cidr_set_parse(SLICE_LIT("10.0.0.0/8"), &trusted, NULL), RC_OK);
    buf_init(&value, 64 << 10);
    const struct forwarded_cfg cfgs[] = {{trusted, FORWARDED_X}, {trusted, FORWARDED_RFC7239}};
    for (int k = 0; k < 2; k++) {
        struct forwarded f;
        buf_clear(&value);
        buf_add_str(&value, k ? "for=203.0.113.7" : "203.0.113.7");
        for (unsigned i = 0; i < FORWARDED_HOPS_MAX; i++)
            buf_addf(&value, ", %s10.0.0.%u", k ? "for=" : "", 100 - i);
        struct framing_header h = {k ? SLICE_LIT("Forwarded") : SLICE_LIT("X-Forwarded-For"),
                                   buf_slice(&value)};
        forwarded_resolve(&cfgs[k], IP_V4(10, 0, 0, 1), true, &h, 1, &f);
        assert_int_equal(f.end, FORWARDED_END_HOPS);
        assert_int_equal(f.hops, FORWARDED_HOPS_MAX);
        assert_true(ip_eq(f.client, IP_V4(10, 0, 0, 100)));
        assert_true(f.is_https); /* nobody says otherwise */

        buf_clear(&value);
        buf_add_str(&value, k ? "for=203.0.113.7;x=" : "1.2.3.4:8");
        for (int i = 0; i < FORWARDED_ENTRY_BYTES_MAX; i++)
            buf_add_char(&value, '0');
        h.value = buf_slice(&value);
        forwarded_resolve(&cfgs[k], IP_V4(10, 0, 0, 1), false, &h, 1, &f);
        assert_int_equal(f.end, FORWARDED_END_MALFORMED);
    }
    buf_done(&value);
    cidr_set_done(&trusted);
}

/* Who may open a Unix socket is on this machine: with "loopback" trusted, a proxy behind it is. */
static void a_unix_socket_counts_as_loopback(void **state)
{
    (void)state;
    const struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    const struct framing_header h = {SLICE_LIT("X-Forwarded-For"), SLICE_LIT("203.0.113.7")};
    struct forwarded_cfg cfg = {.field = FORWARDED_X};
    struct forwarded f;
    struct ip address;
    assert_true(ip_of_sockaddr(&peer, &address));
    forwarded_resolve(&cfg, address, false, &h, 1, &f);
    assert_int_equal(f.end, FORWARDED_END_PEER);
    assert_int_equal(cidr_set_parse(SLICE_LIT("loopback"), &cfg.trusted, NULL), RC_OK);
    forwarded_resolve(&cfg, address, false, &h, 1, &f);
    assert_int_equal(f.end, FORWARDED_END_CLIENT);
    assert_true(ip_eq(f.client, IP_V4(203, 0, 113, 7)));
    cidr_set_done(&cfg.trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_proxies_are_understood),
        cmocka_unit_test(a_forged_x_forwarded_for_gains_nothing),
        cmocka_unit_test(a_malformed_entry_ends_the_walk_at_the_last_good_one),
        cmocka_unit_test(forwarded_is_understood),
        cmocka_unit_test(a_forged_forwarded_gains_nothing),
        cmocka_unit_test(a_malformed_element_ends_the_walk_and_is_not_believed),
        cmocka_unit_test(hops_and_lengths_are_bounded),
        cmocka_unit_test(a_unix_socket_counts_as_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
