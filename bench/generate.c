/* A site's traffic from a seed (generate.h). */
#include "generate.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

enum { PAGES = 5000, EVENTS_OF_VISIT = 6, DAYS = 2 };

static double share(struct generator *g) /* [0, 1) */
{
    return (double)(prng_next(&g->random) >> 11) / 9007199254740992.0;
}

/* 0 … n-1, i with a weight of 1/(i+1). */
static uint32_t zipf(struct generator *g, uint32_t n)
{
    uint32_t i = (uint32_t)exp(share(g) * log((double)n + 1)) - 1;
    return i < n ? i : n - 1;
}

static void begin_visit(struct generator *g, struct generated_visit *v)
{
    v->visitor = (uint32_t)(pow(share(g), 1.3) * g->visitors); /* some come often, most once */
    v->left = 1 + (uint32_t)prng_below(&g->random, 2 * EVENTS_OF_VISIT - 1);
    v->is_begun = false;
}

void generator_init(struct generator *g, uint64_t seed, uint32_t events, uint32_t visitors)
{
    static const int64_t day_us = INT64_C(86400000000);
    *g = (struct generator){.visitors = visitors,
                            .at_us = INT64_C(1791158400000000),
                            .step_us = DAYS * day_us / (events ? events : 1)};
    prng_seed(&g->random, seed);
    for (unsigned i = 0; i < GENERATED_VISITS; i++) {
        begin_visit(g, &g->visits[i]);
        g->visits[i].left = 1 + i % EVENTS_OF_VISIT; /* not all at their beginning */
    }
}

/* Of a visitor: what stays the same. */
struct device {
    char user_agent[256];
    const char *country, *locale, *time_zone;
    unsigned width, height;
};

static void fill_device(uint32_t visitor, struct device *ret)
{
    static const struct {
        const char *country, *locale, *time_zone;
    } places[] = {{"US", "en-US", "America/New_York"}, {"DE", "de-DE", "Europe/Berlin"},
                  {"IN", "en-IN", "Asia/Kolkata"},     {"GB", "en-GB", "Europe/London"},
                  {"FR", "fr-FR", "Europe/Paris"},     {"BR", "pt-BR", "America/Sao_Paulo"}};
    static const struct {
        const char *shape;
        unsigned width, height;
    } kinds[] = {
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/%u.0.0.0 Safari/537.36",
         1920, 1080},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_%u like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
         "like "
         "Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
         390, 844},
        {"Mozilla/5.0 (Linux; Android 14; SM-S%uB) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/126.0.0.0 Mobile Safari/537.36",
         412, 915},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/17.%u Safari/605.1.15",
         1440, 900},
        {"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/%u.0", 1366,
         768},
        {"Mozilla/5.0 (compatible; Googlebot/2.%u; +http://www.google.com/bot.html)", 1024, 768}};
    static const unsigned char kind_of[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 0, 5};
    unsigned kind = kind_of[visitor % COUNT_OF(kind_of)];
    const char *shape = kinds[kind].shape, *mark = strstr(shape, "%u");
    unsigned version = 90 + visitor / 16 % 60;
    snprintf(ret->user_agent, sizeof(ret->user_agent), "%.*s%u%s", (int)(mark - shape), shape,
             version, mark + 2);
    ret->width = kinds[kind].width;
    ret->height = kinds[kind].height;
    unsigned place = visitor % 21;
    place = place < 6 ? 0 : place < 11 ? 1 : place < 15 ? 2 : place < 18 ? 3 : place < 20 ? 4 : 5;
    ret->country = places[place].country;
    ret->locale = places[place].locale;
    ret->time_zone = places[place].time_zone;
}

static void add_page(struct generator *g, struct buf *b, bool is_first)
{
    static const char *const referrers[] = {
        "https://www.google.com/", "https://news.ycombinator.com/item?id=1",
        "https://t.co/abc",        "https://www.bing.com/",
        "https://chatgpt.com/",    "https://some.blog.example.org/2026/11/"};
    uint32_t page = zipf(g, PAGES), luck = (uint32_t)prng_below(&g->random, 10);
    buf_addf(b,
             "\"page\":{\"url\":\"https://shop.example/products/%u%s\",\"title\":\"Product %u - "
             "The Shop\"",
             page,
             is_first && luck == 0 ? "?utm_source=newsletter&utm_medium=email&utm_campaign=autumn"
                                   : "",
             page);
    if (is_first && luck < 4)
        buf_addf(b, ",\"referrer\":\"%s\"", referrers[zipf(g, COUNT_OF(referrers))]);
    else if (!is_first)
        buf_addf(b, ",\"referrer\":\"https://shop.example/products/%u\"", zipf(g, PAGES));
    buf_add_str(b, "}");
}

static void add_event(struct generator *g, struct buf *b, const struct generated_visit *v)
{
    char time[TIME_TEXT_BYTES], id[UUID_TEXT_LEN + 1];
    uint64_t words[2] = {prng_next(&g->random), prng_next(&g->random)};
    struct uuid uuid;
    memcpy(uuid.bytes, words, sizeof(uuid.bytes));
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    bool is_signup = v->is_begun && v->left == 1 && v->visitor % 7 == 0;
    time_format((unix_ms){g->at_us / 1000}, time);
    buf_addf(b,
             "{\"id\":\"%s\",\"event\":\"%s\",\"timestamp\":\"%s\",\"anonymous_id\":\"a%08x-4d65\"",
             uuid_format(&uuid, id), is_signup ? "signup" : "pageview", time,
             (unsigned)(v->visitor * UINT32_C(2654435761)));
    if (v->visitor % 5 == 0)
        buf_addf(b, ",\"user_id\":\"user-%u\"", v->visitor);
    if (is_signup)
        buf_addf(b, ",\"properties\":{\"plan\":\"%s\",\"seats\":%u}",
                 v->visitor % 2 ? "pro" : "team", v->visitor % 40);
}

struct slice generator_next(struct generator *g, struct event_client *ret_client)
{
    struct generated_visit *v = &g->visits[prng_below(&g->random, GENERATED_VISITS)];
    struct device d = {.country = NULL};
    struct buf b;
    if (v->left == 0)
        begin_visit(g, v);
    fill_device(v->visitor, &d);
    buf_init(&b, GENERATED_BYTES_MAX);
    add_event(g, &b, v);
    buf_add_str(&b, ",\"context\":{");
    add_page(g, &b, !v->is_begun);
    buf_addf(&b,
             ",\"screen\":{\"width\":%u,\"height\":%u},\"locale\":\"%s\",\"timezone\":\"%s\","
             "\"userAgent\":\"%s\"}}",
             d.width, d.height, d.locale, d.time_zone, d.user_agent);
    snprintf(g->text, sizeof(g->text), "%s", buf_cstr(&b));
    buf_done(&b);
    *ret_client = (struct event_client){.country = slice_str(d.country)};
    v->is_begun = true;
    v->left--;
    g->at_us += g->step_us;
    return slice_str(g->text);
}
