/* WHAT: what it costs to settle who sends an event: weir-client-cost COUNTRY.mmdb [CITY] [ASN].
 * CPU time of one look-up (addresses at random, so that caches miss), of one device, and of all
 * that a request with one event costs more than without; the least of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analytics/ingest/ingest_int.h"
#include "base/must.h"
#include "base/os.h"
#include "base/random.h"

enum { ROUNDS = 15, TIMES = 20000 };

static struct geo *geo;
static struct visitor_salts *salts;
static struct ip addresses[TIMES];
static uint64_t sum;

static int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void look(const struct ip *address)
{
    struct geo_place place;
    struct geo_view *view = geo_view_take(geo);
    geo_look(view, *address, &place);
    geo_view_give(view);
    sum += (unsigned char)place.country[0];
}

static void hash(const struct ip *address)
{
    const struct visitor v = {
        .site = SLICE_LIT("shop.example"),
        .address = *address,
        .user_agent = SLICE_LIT("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
                                "(KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")};
    sum += visitor_device(salts, &v, (unix_ms){INT64_C(1795651200000)}); /* some noon */
}

/* As a browser sends it. */
static const struct net_header headers[] = {
    {SLICE_CONST("Host"), SLICE_CONST("stats.shop.example")},
    {SLICE_CONST("Connection"), SLICE_CONST("keep-alive")},
    {SLICE_CONST("Content-Length"), SLICE_CONST("311")},
    {SLICE_CONST("sec-ch-ua-platform"), SLICE_CONST("\"Windows\"")},
    {SLICE_CONST("User-Agent"), SLICE_CONST("Mozilla/5.0 (Windows NT 10.0; Win64; x64)")},
    {SLICE_CONST("sec-ch-ua"), SLICE_CONST("\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"")},
    {SLICE_CONST("Content-Type"), SLICE_CONST("text/plain")},
    {SLICE_CONST("sec-ch-ua-mobile"), SLICE_CONST("?0")},
    {SLICE_CONST("Accept"), SLICE_CONST("*/*")},
    {SLICE_CONST("Origin"), SLICE_CONST("https://shop.example")},
    {SLICE_CONST("Sec-Fetch-Site"), SLICE_CONST("cross-site")},
    {SLICE_CONST("Sec-Fetch-Mode"), SLICE_CONST("cors")},
    {SLICE_CONST("Sec-Fetch-Dest"), SLICE_CONST("empty")},
    {SLICE_CONST("Referer"), SLICE_CONST("https://shop.example/cart")},
    {SLICE_CONST("Accept-Encoding"), SLICE_CONST("gzip, deflate, br, zstd")},
    {SLICE_CONST("Accept-Language"), SLICE_CONST("de-DE,de;q=0.9,en;q=0.8")},
};

static void whole(const struct ip *address)
{
    static struct net_request net = {.headers = headers, .header_count = COUNT_OF(headers)};
    static struct api_request req = {.net = &net};
    static struct ingest_call call = {.req = &req};
    static const struct tenant_project project = {.domains = SLICE_CONST("shop.example")};
    struct event e = {.client = &call.env.client,
                      .url = SLICE_LIT("https://www.shop.example/products/17?utm_source=x")};
    req.client = *address;
    call.env.client = (struct event_client){.device = 0};
    call.client = (struct ingest_client){.geo = geo, .salts = salts};
    call.env.received_at = (unix_ms){INT64_C(1795651200000)};
    call.env.default_user_agent = headers[4].value;
    ingest_client_begin(&call, &project, true);
    ingest_client_settle(&call, &e);
    sum += call.env.client.device;
}

static void measure(const char *name, void (*step)(const struct ip *address))
{
    int64_t best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = cpu_ns();
        for (int i = 0; i < TIMES; i++)
            step(&addresses[i]);
        int64_t ns = cpu_ns() - start;
        if (ns < best)
            best = ns;
    }
    printf("%-32s %7.1f ns\n", name, (double)best / TIMES);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct prng random;
    char path[] = "/tmp/weir-client-cost-XXXXXX";
    const struct geo_cfg cfg = {.files = {argc > 1 ? argv[1] : "none", argc > 2 ? argv[2] : "none",
                                          argc > 3 ? argv[3] : "none"}};
    int64_t start = cpu_ns();
    if (geo_open(&cfg, &geo, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%-32s %7.1f ms\n", "files read and checked", (double)(cpu_ns() - start) / 1e6);
    int fd = mkstemp(path);
    must(fd >= 0 && os_unlink_durable(path, &err) == RC_OK);
    must(visitor_salts_open(path, (unix_ms){INT64_C(1795651200000)}, mono_now(), &salts, &err) ==
         RC_OK);
    prng_seed(&random, 1);
    for (int i = 0; i < TIMES; i++)
        addresses[i] = (struct ip){0, UINT64_C(0xffff00000000) | (uint32_t)prng_next(&random)};
    measure("look-up, IPv4 at random", look);
    measure("device", hash);
    measure("a request with one event", whole);
    for (int i = 0; i < TIMES; i++)
        addresses[i] = (struct ip){UINT64_C(1) << 61 | prng_next(&random) >> 11, 1};
    measure("look-up, IPv6 at random", look);
    for (int i = 0; i < TIMES; i++)
        addresses[i] = IP_V4(88, 198, 7, 9);
    measure("look-up, the same again", look);
    visitor_salts_close(salts);
    geo_close(geo);
    must(os_unlink_durable(path, &err) == RC_OK);
    return sum == 0; /* so that the compiler leaves nothing out */
}
