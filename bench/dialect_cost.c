/* WHAT    What an event costs in each dialect beside the native one: weir-dialect-cost.
 *         CPU time of a whole request on the fakes of the unit tests (a body in, records out), the
 *         least of several rounds. docs/internals/performance.md quotes it.
 * HOW     The same event is told in each dialect's own words, as its client sends it (the key where
 *         the client puts it), and beside it in the native ones with as many events in a request
 *         and as many properties: what a dialect costs is the ratio of the two. "posthog-js" is
 *         what a browser sends, eighty properties, and its native twin has the same eighty.
 * USE     weir-dialect-cost [PART-OF-A-NAME]: only those rows, for a profiler. */
#include "../tests/unit/analytics/ingest_bed.h"

#include <stdio.h>
#include <time.h>

#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/json.h"

enum { ROUNDS = 40, EVENTS = 100, GA4_EVENTS = 25, ROUND_EVENTS = 1000, HEADERS = 3 };

/* How a dialect tells an event. */
struct way {
    const char *name, *path;
    const char *query;
    const char *head, *event, *tail; /* of the body; event with %u where its number stands */
    uint32_t count;                  /* events of a request */
    bool has_eighty;                 /* further properties, as posthog-js sends them */
    bool is_get;
    const char *names;                /* of the project; NULL: the key is in the head, as wk_test */
    const char *headers[2 * HEADERS]; /* name, value … */
};

static int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void prepare(const struct way *w)
{
    bed_reset();
    bed_no_header("Authorization");
    bed.path = w->path;
    bed.names = w->names ? w->names : "";
    bed.method = w->is_get ? NET_GET : NET_POST;
    snprintf(bed.query, sizeof(bed.query), "%s", w->query ? w->query : "");
    for (unsigned i = 0; i < HEADERS && w->headers[2 * i]; i++)
        bed_header(w->headers[2 * i], w->headers[2 * i + 1]);
}

/* What prepare() need not do again: next to nothing, so that it is measured with the request; a
 * look at the clock would be a tenth of one with one event. */
static void forget_last(void)
{
    bed.answers = bed.record_count = 0;
    buf_clear(&bed.answer);
    buf_clear(&bed.ack);
    buf_clear(&bed.answer_headers);
    buf_clear(&bed.values);
    buf_clear(&bed.keys);
    buf_clear(&bed.record_headers);
}

static double round_us(const struct way *w, struct slice body)
{
    uint32_t times = ROUND_EVENTS / w->count;
    prepare(w);
    const struct api_route *route = bed_route();
    int64_t start = cpu_ns();
    for (uint32_t i = 0; i < times; i++) {
        forget_last();
        bed_post_to(route, body);
    }
    double us = (double)(cpu_ns() - start) / 1000 / times / w->count;
    assert_int_equal(bed.status / 100, 2);
    assert_int_equal(bed.record_count, w->count);
    return us;
}

/* head, so many times the event with its number in place of %u, tail */
static void fill(struct buf *b, const struct way *w, const char *event)
{
    const char *mark = strstr(event, "%u");
    buf_clear(b);
    buf_add_str(b, w->head);
    for (unsigned i = 0; i < w->count; i++) {
        buf_add_str(b, i ? "," : "");
        buf_add(b, event, (size_t)(mark - event));
        buf_addf(b, "%03u", i);
        buf_add_str(b, mark + 2);
    }
    buf_add_str(b, w->tail);
}

#define ID "01a20a8f-92c6-77c9-aefc-b2e04c1c4%u"
#define MINE "\"plan\":\"pro\",\"amount\":19.90,\"items\":3,\"coupon\":\"spring\""
#define UA \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
#define URL "https://shop.example/pricing?utm_source=hn"
static const char native[] =
    "{\"id\":\"" ID
    "\",\"event\":\"signup\",\"timestamp\":\"2026-11-24T08:00:00.000Z\",\"user_id\":"
    "\"u-17\",\"anonymous_id\":\"8eecdeb9-9308-4d65\",\"session_id\":\"s-1\",\"properties\":{" MINE
    "},\"context\":{\"page\":{\"url\":\"" URL "\",\"title\":\"Pricing\",\"referrer\":"
    "\"https://news.example/\"},\"screen\":{\"width\":1920,\"height\":1080},\"locale\":\"en-US\","
    "\"userAgent\":\"" UA "\"}}";
static const char posthog[] =
    "{\"uuid\":\"" ID "\",\"event\":\"signup\",\"timestamp\":\"2026-11-24T08:00:00.000Z\","
    "\"distinct_id\":\"u-17\",\"properties\":{" MINE
    ",\"$device_id\":\"8eecdeb9-9308-4d65\",\"$session_id\":\"s-1\",\"$current_url\":\"" URL
    "\",\"title\":\"Pricing\",\"$referrer\":\"https://news.example/\",\"$screen_width\":1920,"
    "\"$screen_height\":1080,\"$browser_language\":\"en-US\",\"$raw_user_agent\":\"" UA "\"}}";
static const char posthog_alone[] =
    "{\"uuid\":\"" ID "\",\"event\":\"signup\",\"timestamp\":\"2026-11-24T08:00:00.000Z\","
    "\"distinct_id\":\"u-17\",\"api_key\":\"wk_test\",\"properties\":{" MINE
    ",\"$device_id\":\"8eecdeb9-9308-4d65\",\"$session_id\":\"s-1\",\"$current_url\":\"" URL
    "\",\"title\":\"Pricing\",\"$referrer\":\"https://news.example/\",\"$screen_width\":1920,"
    "\"$screen_height\":1080,\"$browser_language\":\"en-US\",\"$raw_user_agent\":\"" UA "\"}}";
static const char segment[] =
    "{\"messageId\":\"" ID
    "\",\"type\":\"track\",\"event\":\"signup\",\"timestamp\":\"2026-11-24T08"
    ":00:00.000Z\",\"userId\":\"u-17\",\"anonymousId\":\"8eecdeb9-9308-4d65\",\"properties\":{" MINE
    "},\"context\":{\"page\":{\"url\":\"" URL "\",\"title\":\"Pricing\",\"referrer\":"
    "\"https://news.example/\"},\"screen\":{\"width\":1920,\"height\":1080},\"locale\":\"en-US\","
    "\"userAgent\":\"" UA "\"}}";
static const char segment_text_id[] =
    "{\"messageId\":\"ajs-next-1795473522290-deb99308-%u\",\"type\":\"track\",\"event\":\"signup\","
    "\"timestamp\":\"2026-11-24T08:00:00.000Z\",\"userId\":\"u-17\",\"anonymousId\":"
    "\"8eecdeb9-9308-4d65\",\"properties\":{" MINE "},\"context\":{\"page\":{\"url\":\"" URL
    "\",\"title\":\"Pricing\",\"referrer\":\"https://news.example/\"},\"screen\":{\"width\":1920,"
    "\"height\":1080},\"locale\":\"en-US\",\"userAgent\":\"" UA "\"}}";
static const char tracker[] = "{\"n\":\"signup\",\"t\":1795473522290,\"u\":\"" URL "\",\"p\":{" MINE
                              "},\"r\":\"https://news.example/\",\"i\":\"%u\"}";

static const char umami[] =
    "{\"type\":\"event\",\"payload\":{\"website\":\"site\",\"name\":\"signup\",\"id\":\"u-%u\","
    "\"timestamp\":1795473522,\"hostname\":\"shop.example\",\"url\":\"" URL
    "\",\"title\":\"Pricing\",\"referrer\":\"https://news.example/\",\"screen\":\"1920x1080\","
    "\"language\":\"en-US\",\"userAgent\":\"" UA "\",\"data\":{" MINE "}}}";
static const char goatcounter[] =
    "{\"path\":\"/pricing/%u\",\"query\":\"utm_source=hn\",\"title\":\"Pricing\",\"ref\":"
    "\"https://news.example/\",\"size\":[1920,1080,1],\"user_agent\":\"" UA
    "\",\"language\":\"eng\",\"created_at\":\"2026-11-24T08:00:00Z\",\"session\":\"s-1\"}";

static const char ga4[] =
    "{\"name\":\"signup\",\"params\":{" MINE ",\"session_id\":\"s-1\",\"page_location\":\"" URL
    "\",\"page_title\":\"Pricing %u\",\"page_referrer\":\"https://news.example/\","
    "\"screen_resolution\":\"1920x1080\",\"language\":\"en-US\",\"engagement_time_msec\":100}}";
static const char plausible[] =
    "{\"n\":\"signup\",\"v\":36,\"u\":\"" URL "\",\"d\":\"shop.example\",\"r\":"
    "\"https://news.example/\",\"p\":{\"plan\":\"pro\",\"amount\":\"19.90\",\"items\":\"%u\","
    "\"coupon\":\"spring\"},\"i\":false}";
static const char openpanel[] =
    "{\"type\":\"track\",\"payload\":{\"name\":\"signup\",\"profileId\":\"u-17\",\"properties\":"
    "{" MINE ",\"__path\":\"" URL "\",\"__title\":\"Pricing %u\",\"__referrer\":"
    "\"https://news.example/\",\"__deviceId\":\"8eecdeb9-9308-4d65\",\"__timestamp\":"
    "\"2026-11-24T08:00:00.000Z\"}}}";
static const char rybbit[] =
    "{\"site_id\":\"17\",\"api_key\":\"wk_test\",\"type\":\"custom_event\",\"hostname\":"
    "\"shop.example\",\"pathname\":\"/pricing\",\"querystring\":\"?utm_source=hn\","
    "\"page_title\":\"Pricing %u\",\"referrer\":\"https://news.example/\",\"language\":\"en-US\","
    "\"screenWidth\":1920,\"screenHeight\":1080,\"user_id\":\"u-17\",\"event_name\":\"signup\","
    "\"properties\":\"{\\\"plan\\\":\\\"pro\\\",\\\"amount\\\":19.90,\\\"items\\\":3,"
    "\\\"coupon\\\":"
    "\\\"spring\\\"}\"}";
static const char article[] =
    "{\"en\":\"signup\",\"ts\":1795473540%u,\"o\":\"" URL "\",\"r\":\"https://news.example/\","
    "\"sw\":1920,\"sh\":1080,\"ed\":{" MINE ",\"title\":\"Pricing\"}}";
/* A self-describing event, as the trackers send it by default: base64 of JSON. */
#define SNOWPLOW_UE                                                                \
    "{\"schema\":\"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/" \
    "1-0-0\",\"data\":"                                                            \
    "{\"schema\":\"iglu:com.acme/signup/jsonschema/1-0-0\",\"data\":{" MINE "}}}"
#define SNOWPLOW_HEAD                                                                             \
    "{\"e\":\"ue\",\"eid\":\"" ID "\",\"tv\":\"js-4.6.8\",\"tna\":\"n\",\"aid\":\"site\",\"p\":"  \
    "\"web\",\"tz\":\"Europe/Berlin\",\"lang\":\"en-US\",\"res\":\"1920x1080\",\"uid\":\"u-17\"," \
    "\"duid\":\"8eecdeb9-9308-4d65\",\"sid\":\"s-1\",\"url\":\"" URL "\",\"page\":\"Pricing\","   \
    "\"refr\":\"https://news.example/\",\"dtm\":\"1795473540800\",\"stm\":\"1795473540900\","     \
    "\"ue_px\":\""
static char snowplow[2048];

static void make_snowplow(void)
{
    struct buf b;
    buf_init(&b, sizeof(snowplow));
    buf_add_str(&b, SNOWPLOW_HEAD);
    base64_encode(&b, BASE64_URL, SLICE_LIT(SNOWPLOW_UE));
    buf_add_str(&b, "\"}");
    snprintf(snowplow, sizeof(snowplow), "%s", buf_cstr(&b));
    buf_done(&b);
}

/* "Bearer …", as the article's tracker has it from the site's server. */
static char token[1024];

static void make_token(void)
{
    uint8_t mac[SHA256_BYTES];
    struct buf b;
    buf_init(&b, sizeof(token));
    buf_add_str(&b, "Bearer ");
    base64_encode(&b, BASE64_URL, SLICE_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL,
                  SLICE_LIT("{\"projectId\":\"0198c0de-0000-7000-8000-000000000001\",\"userId\":"
                            "\"u-17\"}"));
    hmac_sha256(bed.project.jwt_secret, slice_sub(buf_slice(&b), 7), mac);
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_of((char *)mac, sizeof(mac)));
    snprintf(token, sizeof(token), "%s", buf_cstr(&b));
    buf_done(&b);
}
#define TRACKER_HEAD                                                                             \
    "{\"key\":\"wk_test\",\"user\":\"u-17\",\"i\":0.9747929288537679,\"t\":1795473523290,\"w\":" \
    "1920,\"h\":1080,\"d\":\"Pricing\",\"e\":["
#define GA4_HEAD                                                                       \
    "{\"client_id\":\"8eecdeb9-9308-4d65\",\"user_id\":\"u-17\",\"timestamp_micros\":" \
    "\"1795473523290000\",\"events\":["
#define GA4_TAIL "],\"user_properties\":{\"plan\":{\"value\":\"pro\"}}}"
#define GOATCOUNTER_QUERY                                                                     \
    "p=%2Fpricing&r=https%3A%2F%2Fnews.example%2F&t=Pricing&e=false&s=1920%2C1080%2C1&b=0&q=" \
    "%3Futm_source%3Dhn&rnd=abcde"

/* As posthog-js sends it: the names are its own, the values of the usual length. */
static void add_eighty(struct buf *b)
{
    static const char *const names[] = {
        "$os",          "$browser",      "$device_type", "$timezone",       "$host",
        "$pathname",    "$lib",          "$lib_version", "$insert_id",      "$time",
        "utm_source",   "utm_medium",    "utm_campaign", "$window_id",      "token",
        "$pageview_id", "$browser_type", "$referrer",    "$browser_version"};
    for (unsigned i = 0; i < 68; i++) {
        if (i < COUNT_OF(names))
            buf_addf(b, ",\"%s\":", names[i]);
        else
            buf_addf(b, ",\"$sdk_debug_property_%02u\":", i);
        buf_add_str(b, i % 3 == 0 ? "null" : i % 3 == 1 ? "\"a value of some length\"" : "12345.5");
    }
    buf_add_str(b, "}");
}

/* The same event with the eighty behind its properties. */
static const char *with_eighty(const char *event, struct buf *b)
{
    const char *end = strstr(event, MINE) + sizeof(MINE) - 1;
    buf_clear(b);
    buf_add(b, event, (size_t)(end - event));
    if (*end == '}') { /* native */
        add_eighty(b);
        end++;
    } else {
        add_eighty(b);
        b->len--;
    }
    buf_add_str(b, end);
    return buf_cstr(b);
}

#define BEARER "Authorization", "Bearer wk_test"
#define BROWSER "User-Agent", UA, "Origin", "https://shop.example"
static const struct way ways[] = {
    {"native", "/v1/events", .head = "{\"batch\":[", .event = native, .tail = "]}", .count = EVENTS,
     .headers = {BEARER}},
    {"posthog", "/batch", .head = "{\"api_key\":\"wk_test\",\"batch\":[", .event = posthog,
     .tail = "],\"sent_at\":\"x\"}", .count = EVENTS},
    {"posthog, version 1", "/i/v1/analytics/events", .head = "{\"batch\":[", .event = posthog,
     .tail = "]}", .count = EVENTS, .headers = {BEARER}},
    {"segment", "/v1/batch", .head = "{\"batch\":[", .event = segment,
     .tail = "],\"writeKey\":\"wk_test\",\"sentAt\":\"x\"}", .count = EVENTS},
    {"segment, ids that are no UUIDs", "/v1/batch", .head = "{\"batch\":[",
     .event = segment_text_id, .tail = "],\"writeKey\":\"wk_test\",\"sentAt\":\"x\"}",
     .count = EVENTS},
    {"weir's tracker", "/w", .head = TRACKER_HEAD, .event = tracker, .tail = "]}", .count = EVENTS,
     .headers = {BROWSER}},
    {"goatcounter", "/api/v0/count", .head = "{\"hits\":[", .event = goatcounter, .tail = "]}",
     .count = EVENTS, .headers = {BEARER}},
    {"umami", "/api/batch", .head = "[", .event = umami, .tail = "]", .count = EVENTS,
     .names = "site"},
    {"snowplow", "/com.snowplowanalytics.snowplow/tp2",
     .head = "{\"schema\":\"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4\","
             "\"data\":[",
     .event = snowplow, .tail = "]}", .count = EVENTS, .names = "site", .headers = {BROWSER}},

    {"native, 25 events", "/v1/events", .head = "{\"batch\":[", .event = native, .tail = "]}",
     .count = GA4_EVENTS, .headers = {BEARER}},
    {"ga4, 25 events", "/mp/collect", .query = "measurement_id=G-1&api_secret=wk_test",
     .head = GA4_HEAD, .event = ga4, .tail = GA4_TAIL, .count = GA4_EVENTS},

    {"native, one event", "/v1/events", .head = "", .event = native, .tail = "", .count = 1,
     .headers = {BEARER}},
    {"plausible", "/api/event", .head = "", .event = plausible, .tail = "", .count = 1,
     .names = "shop.example", .headers = {BROWSER}},
    {"openpanel", "/track", .head = "", .event = openpanel, .tail = "", .count = 1,
     .headers = {"openpanel-client-id", "wk_test", "User-Agent", UA}},
    {"rybbit", "/api/track", .head = "", .event = rybbit, .tail = "", .count = 1,
     .headers = {BROWSER}},
    {"the article's tracker", "/event", .head = "", .event = article, .tail = "", .count = 1,
     .headers = {"Authorization", token, BROWSER}},
    {"ga4, one event", "/mp/collect", .query = "measurement_id=G-1&api_secret=wk_test",
     .head = GA4_HEAD, .event = ga4, .tail = GA4_TAIL, .count = 1},
    {"snowplow, one event", "/com.snowplowanalytics.snowplow/tp2",
     .head = "{\"schema\":\"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4\","
             "\"data\":[",
     .event = snowplow, .tail = "]}", .count = 1, .names = "site", .headers = {BROWSER}},
    {"umami, one event", "/api/send", .head = "", .event = umami, .tail = "", .count = 1,
     .names = "site", .headers = {BROWSER}},
    {"goatcounter, one event", "/count", .query = GOATCOUNTER_QUERY, .head = "", .event = "%u",
     .tail = "", .count = 1, .is_get = true, .names = "stats.shop.example",
     .headers = {"Host", "stats.shop.example", BROWSER}},
    {"weir's tracker, one event", "/w", .head = TRACKER_HEAD, .event = tracker, .tail = "]}",
     .count = 1, .headers = {BROWSER}},
    {"posthog, one event", "/i/v0/e", .head = "", .event = posthog_alone, .tail = "", .count = 1,
     .headers = {BROWSER}},
    {"segment, one event", "/v1/track", .head = "", .event = segment, .tail = "", .count = 1,
     .headers = {"Authorization", "Basic d2tfdGVzdDo=", "User-Agent", UA}},

    {"native, eighty properties", "/v1/events", .head = "{\"batch\":[", .event = native,
     .tail = "]}", .count = EVENTS, .has_eighty = true, .headers = {BEARER}},
    {"posthog-js", "/e", .head = "{\"api_key\":\"wk_test\",\"batch\":[", .event = posthog,
     .tail = "],\"sent_at\":\"x\"}", .count = EVENTS, .has_eighty = true, .headers = {BROWSER}},
};

static bool is_native(const struct way *w)
{
    return strcmp(w->event, native) == 0;
}

static void body_of(struct buf *b, const struct way *w)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (!w->is_get)
        fill(b, w, w->has_eighty ? with_eighty(w->event, &text) : w->event);
    buf_done(&text);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In turn with the native one, so that both see the same machine: the ratio is the middle one of
 * all rounds, as a machine may change its pace within a row. */
static void row(const struct way *w, const struct way *beside)
{
    struct buf body, other;
    double least = 1e12, ratios[ROUNDS];
    buf_init(&body, 16 << 20);
    buf_init(&other, 16 << 20);
    body_of(&body, w);
    body_of(&other, beside);
    for (int round = 0; round < ROUNDS; round++) {
        double us = round_us(w, buf_slice(&body));
        double us_beside = w == beside ? us : round_us(beside, buf_slice(&other));
        least = us < least ? us : least;
        ratios[round] = us / us_beside;
    }
    qsort(ratios, ROUNDS, sizeof(ratios[0]), by_size);
    size_t bytes = w->is_get ? strlen(w->query) : body.len / w->count;
    printf("%-34s %5zu bytes %7.3f us %6.2f MB/s", w->name, bytes, least, (double)bytes / least);
    if (w != beside)
        printf("   %.2f x", ratios[ROUNDS / 2]);
    printf("\n");
    buf_done(&body);
    buf_done(&other);
}

int main(int argc, char **argv)
{
    const struct way *beside = ways;
    bed_begin();
    make_token();
    make_snowplow();
    for (const struct way *w = ways; w < ways + COUNT_OF(ways); w++) {
        if (is_native(w))
            beside = w;
        if (argc < 2 || strstr(w->name, argv[1]))
            row(w, beside);
    }
    bed_end();
    return 0;
}
