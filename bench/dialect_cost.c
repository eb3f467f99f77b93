/* WHAT    What an event costs in each dialect beside the native one: weir-dialect-cost.
 *         CPU time of a whole request with 100 events on the fakes of the unit tests (a body in,
 *         records out), the least of several rounds. docs/internals/performance.md quotes it.
 * HOW     The same event is told in each dialect's own words, and beside it in the native ones with
 *         as many properties: what a dialect costs is the ratio of the two. "posthog-js" is what
 *         a browser sends, eighty properties, and its native twin has the same eighty. */
#include "../tests/unit/analytics/ingest_bed.h"

#include <stdio.h>
#include <time.h>

#include "codec/json.h"

enum { ROUNDS = 40, EVENTS = 100, TIMES = 10 };

static int64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool is_by_name; /* the bodies say whose they are, the head does not */

static double us_per_event(const char *path, struct slice body)
{
    double least = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t spent = 0;
        for (int i = 0; i < TIMES; i++) {
            bed_reset();
            bed.path = path;
            if (is_by_name)
                bed_no_header("Authorization");
            int64_t start = cpu_ns();
            bed_post(body);
            spent += cpu_ns() - start;
            assert_int_equal(bed.status / 100, 2);
            assert_int_equal(bed.record_count, EVENTS);
        }
        double us = (double)spent / 1000 / TIMES / EVENTS;
        least = us < least ? us : least;
    }
    return least;
}

/* head, EVENTS times the event with its number in place of %u, tail */
static void fill(struct buf *b, const char *head, const char *event, const char *tail)
{
    buf_clear(b);
    buf_add_str(b, head);
    for (unsigned i = 0; i < EVENTS; i++) {
        const char *mark = strstr(event, "%u");
        buf_add_str(b, i ? "," : "");
        buf_add(b, event, (size_t)(mark - event));
        buf_addf(b, "%03u", i);
        buf_add_str(b, mark + 2);
    }
    buf_add_str(b, tail);
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

static double row(const char *name, const char *path, struct slice body, double beside)
{
    double us = us_per_event(path, body);
    printf("%-34s %5zu bytes %7.3f us %6.2f MB/s", name, body.len / EVENTS, us,
           (double)body.len / EVENTS / us);
    if (beside > 0)
        printf("   %.2f x", us / beside);
    printf("\n");
    return us;
}

int main(void)
{
    struct buf b, text;
    buf_init(&b, 16 << 20);
    buf_init(&text, 1 << 20);
    bed_begin();
    fill(&b, "{\"batch\":[", native, "]}");
    double base = row("native", "/v1/events", buf_slice(&b), 0);
    fill(&b, "{\"api_key\":\"wk_test\",\"batch\":[", posthog, "],\"sent_at\":\"x\"}");
    row("posthog", "/batch", buf_slice(&b), base);
    row("posthog, version 1", "/i/v1/analytics/events", buf_slice(&b), base);
    fill(&b, "{\"batch\":[", segment, "],\"writeKey\":\"wk_test\",\"sentAt\":\"x\"}");
    row("segment", "/v1/batch", buf_slice(&b), base);
    fill(&b, "{\"batch\":[", segment_text_id, "],\"writeKey\":\"wk_test\",\"sentAt\":\"x\"}");
    row("segment, ids that are no UUIDs", "/v1/batch", buf_slice(&b), base);
    fill(&b,
         "{\"key\":\"wk_test\",\"user\":\"u-17\",\"i\":0.9747929288537679,\"t\":1795473523290,"
         "\"w\":1920,\"h\":1080,\"d\":\"Pricing\",\"e\":[",
         tracker, "]}");
    row("tracker", "/w", buf_slice(&b), base);
    fill(&b, "{\"hits\":[", goatcounter, "]}");
    row("goatcounter", "/api/v0/count", buf_slice(&b), base);
    is_by_name = true;
    bed.names = "site";
    fill(&b, "[", umami, "]");
    row("umami", "/api/batch", buf_slice(&b), base);
    is_by_name = false;
    fill(&b, "{\"batch\":[", with_eighty(native, &text), "]}");
    base = row("native, eighty properties", "/v1/events", buf_slice(&b), 0);
    fill(&b, "{\"api_key\":\"wk_test\",\"batch\":[", with_eighty(posthog, &text),
         "],\"sent_at\":\"x\"}");
    row("posthog-js", "/e", buf_slice(&b), base);
    buf_done(&b);
    buf_done(&text);
    bed_end();
    return 0;
}
